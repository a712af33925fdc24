/** No client can make an internal error: every root field, with random values of its types, by everybody. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { buildSchema } from "graphql";
import { afterAll, beforeAll, expect, test } from "vitest";
import { randomCompany, randomOperation, rootFields } from "./hostile/graphql-calls.ts";
import { problemOf } from "./hostile/judge.ts";
import { createRandom } from "./hostile/random.ts";
import { createWorld, PERSONAS, type World } from "./hostile/world.ts";
import { createTestDatabase, createTestServer, type TestDatabase, type TestServer } from "./support/harness.ts";

const schema = buildSchema(readFileSync(join(import.meta.dirname, "../schema.graphql"), "utf8"));
const fields = rootFields(schema);
const seed = fc.readConfigureGlobal().seed ?? 1;
/** How often each root field is asked for by each persona. */
const ROUNDS = Number(process.env["ROOT_FIELD_ROUNDS"] ?? 1);

let database: TestDatabase;
let server: TestServer;
let world: World;

beforeAll(async () => {
  database = await createTestDatabase();
  const { ownerUrl, authenticatorUrl, jwt } = database;
  world = await createWorld({ ownerUrl, authenticatorUrl, jwtSecret: jwt.secret });
  server = await createTestServer(database);
});

afterAll(async () => {
  await server.close();
  await world.close();
  await database.close();
});

test(
  `every root field is answered without an internal error (FAST_CHECK_SEED=${seed})`,
  { timeout: 600_000 },
  async () => {
    const random = createRandom(seed);
    const problems: string[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const who of PERSONAS) {
        await world.heal();
        for (const { root, field } of fields) {
          const company = randomCompany(random, fields, root, field);
          const { query, variables } = randomOperation(random, world.words, root, [field, ...company]);
          const { status, body } = await server.graphql(query, variables, world.tokenOf(who));
          const problem = problemOf({ status, text: JSON.stringify(body) });
          if (problem !== undefined) problems.push(`${who}: ${query} ${JSON.stringify(variables)} > ${problem}`);
        }
      }
    }
    expect(problems).toEqual([]);
  },
);
