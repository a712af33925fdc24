/** A run of the suite: rounds of random calls on fresh databases, by turns of one persona each. */
import type { GraphQLSchema } from "graphql";
import pg from "pg";
import { randomCompany, randomOperation, rootFields } from "./graphql-calls.ts";
import { randomRequest, send } from "./http-calls.ts";
import { problemOf } from "./judge.ts";
import { runRace } from "./races.ts";
import { createRandom, type Random } from "./random.ts";
import { count, type Report } from "./report.ts";
import type { Stage } from "./stage.ts";
import { type Catalogue, randomStatement, readCatalogueOf, runStatement } from "./sql-calls.ts";
import { createWorld, PERSONAS, type World } from "./world.ts";

/** Calls of one persona between two looks at what is everybody else's. */
const TURN = 25;
/** How many of a hundred calls are of which kind; what is left are races. */
const SHARES = { sql: 66, graphql: 20, http: 12 };
/** Requests that are under way at the same moment. */
const AT_ONCE = 5;

/** One round on one stage, of about so many calls. */
export async function runRound(
  stage: Stage,
  schema: GraphQLSchema,
  seed: number,
  calls: number,
  report: Report,
): Promise<void> {
  const random = createRandom(seed);
  const world = await createWorld(stage);
  const client = new pg.Client(stage.authenticatorUrl);
  const pool = new pg.Pool({ connectionString: stage.authenticatorUrl, max: AT_ONCE });
  await client.connect();
  try {
    const catalogue = await readCatalogueOf(world.owner);
    for (let made = 0; made < calls; made += TURN) {
      await world.heal();
      const kind = random.below(100);
      if (kind < SHARES.sql) await sqlTurn(random, world, client, catalogue, report);
      else if (kind < SHARES.sql + SHARES.graphql) await graphqlTurn(random, world, stage, schema, report);
      else if (kind < SHARES.sql + SHARES.graphql + SHARES.http) await httpTurn(random, world, stage, report);
      else await raceTurn(random, world, pool, report);
    }
  } finally {
    await client.end();
    await pool.end();
    await world.close();
  }
}

/** Calls of one persona, after which nothing of anybody else's may have changed. */
async function turn(
  world: World,
  who: (typeof PERSONAS)[number],
  report: Report,
  work: () => Promise<string[]>,
): Promise<void> {
  const look = await world.watch(who);
  const before = await look();
  const calls = await work();
  const after = await look();
  for (const [what, print] of before)
    if (after.get(what) !== print)
      report.leaks.push(
        `${who} changed ${what}, from ${print} to ${after.get(what)}, by one of: ${calls.join(" ;; ")}`,
      );
}

async function sqlTurn(
  random: Random,
  world: World,
  client: pg.Client,
  catalogue: Catalogue,
  report: Report,
): Promise<void> {
  const who = random.pick(PERSONAS);
  await turn(world, who, report, async () => {
    const calls: string[] = [];
    for (let n = 0; n < TURN; n += 1) {
      const sql = randomStatement(random, world, catalogue);
      calls.push(sql);
      const { text, isRefused, internal } = await runStatement(client, world.claims[who], sql, random.chance(0.5));
      count(report.calls, "SQL");
      if (isRefused) count(report.refused, "SQL");
      const leak = world.leakIn(who, text);
      if (leak !== undefined) report.leaks.push(`${leak} to ${who} by ${sql}`);
      if (internal !== undefined) report.internal.push(`${internal} to ${who} by ${sql}`);
    }
    return calls;
  });
}

async function graphqlTurn(
  random: Random,
  world: World,
  { app }: Stage,
  schema: GraphQLSchema,
  report: Report,
): Promise<void> {
  const who = random.pick(PERSONAS);
  const fields = rootFields(schema);
  const token = world.tokenOf(who);
  await turn(world, who, report, async () => {
    const calls: string[] = [];
    const ask = async (): Promise<void> => {
      const { root, field } = random.pick(fields);
      const company = randomCompany(random, fields, root, field);
      const operation = randomOperation(random, world.words, root, [field, ...company]);
      const shown = JSON.stringify(operation);
      calls.push(shown);
      const response = await app.inject({
        method: "POST",
        url: "/graphql",
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
        payload: operation,
      });
      count(report.calls, "GraphQL");
      const text = response.body;
      if (text.includes('"errors"')) count(report.refused, "GraphQL");
      const leak = world.leakIn(who, text);
      if (leak !== undefined) report.leaks.push(`${leak} to ${who} by ${shown}`);
      const problem = problemOf({ status: response.statusCode, text });
      if (problem !== undefined) report.internal.push(`${problem} to ${who} by ${shown}`);
    };
    for (let n = 0; n < TURN; n += AT_ONCE) await Promise.all(Array.from({ length: Math.min(AT_ONCE, TURN - n) }, ask));
    return calls;
  });
}

async function httpTurn(random: Random, world: World, { port }: Stage, report: Report): Promise<void> {
  const requests = Array.from({ length: TURN }, () => randomRequest(random, world));
  for (let n = 0; n < requests.length; n += AT_ONCE)
    await Promise.all(
      requests.slice(n, n + AT_ONCE).map(async (request) => {
        const answer = await send(port, request);
        count(report.calls, "HTTP");
        if (answer === undefined || answer.status >= 400) count(report.refused, "HTTP");
        if (answer === undefined) return;
        const shown = JSON.stringify(request.bytes.toString().slice(0, 600));
        const leak = world.leakIn(request.who, answer.text);
        if (leak !== undefined) report.leaks.push(`${leak} to ${request.who} by ${shown}`);
        const problem = problemOf(answer);
        if (problem !== undefined) report.internal.push(`${problem} to ${request.who} by ${shown}`);
      }),
    );
}

async function raceTurn(random: Random, world: World, pool: pg.Pool, report: Report): Promise<void> {
  for (let calls = 0; calls < TURN;) {
    const outcome = await runRace(random, world, pool);
    calls += outcome.calls;
    count(report.calls, "races", outcome.calls);
    count(report.refused, "races", outcome.refused);
    report.leaks.push(...outcome.broken);
    report.internal.push(...outcome.internal);
    report.acknowledged += outcome.acknowledged;
    report.lost.push(...outcome.lost);
  }
}
