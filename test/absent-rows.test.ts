/** Changing and deleting rows in GraphQL: of what is not there, or not the caller's, every mutation says so. */
import {
  buildSchema,
  getNamedType,
  getNullableType,
  type GraphQLInputType,
  isEnumType,
  isInputObjectType,
  isListType,
} from "graphql";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  createTestDatabase,
  createTestServer,
  type GraphQLFailure,
  type Persona,
  type TestDatabase,
  type TestServer,
  type TestUser,
} from "./support/harness.ts";

const schema = buildSchema(readFileSync(join(import.meta.dirname, "../schema.graphql"), "utf8"));

type RowMutation = { name: string; inputType: string; input: Record<string, unknown> };

/** A value of a type, that no row has where it names one. */
function sample(type: GraphQLInputType): unknown {
  if (isListType(getNullableType(type))) return [];
  const named = getNamedType(type);
  if (isEnumType(named)) return named.getValues()[0]?.name;
  if (isInputObjectType(named)) {
    const [field] = Object.values(named.getFields());
    return field === undefined ? {} : { [field.name]: sample(field.type) };
  }
  return (
    { UUID: "00000000-0000-4000-8000-000000000000", Boolean: true, Int: 1, Datetime: "2020-01-01T00:00:00Z" }[
      named.name
    ] ?? "nothing"
  );
}

/** Every mutation that changes or deletes one row of a table; verbs have reasons of their own. */
const mutations: RowMutation[] = Object.values(schema.getMutationType()?.getFields() ?? {}).flatMap((field) => {
  const input = getNamedType(field.args[0]?.type ?? field.type);
  if (!isInputObjectType(input)) return [];
  const { clientMutationId: _, ...fields } = input.getFields();
  const ofRow = /^(?:Delete|Update)(\w+)Payload$/.exec(getNamedType(field.type).name)?.[1] ?? "";
  const isGenerated = getNamedType(field.type).description?.startsWith("What is told when") === true;
  if (!isGenerated || !schema.getType(`${ofRow}Connection`)) return [];
  const values = Object.values(fields).map(({ name, type }) => [name, sample(type)] as const);
  return [{ name: field.name, inputType: input.name, input: Object.fromEntries(values) }];
});

let database: TestDatabase;
let server: TestServer;
let ada: TestUser;
let bob: TestUser;
let admin: TestUser;
let project: string;

beforeAll(async () => {
  database = await createTestDatabase();
  ada = await database.createUser("ada@example.com");
  bob = await database.createUser("bob@example.com");
  admin = await database.createUser("root@example.com", { admin: true });
  project = await database.as(bob, async (client) => {
    const { rows } = await client.query<{ id: string }>("select id from attune.create_project('Bob''s')");
    return rows[0]?.id ?? "";
  });
  server = await createTestServer(database);
});

afterAll(async () => {
  await server.close();
  await database.close();
});

async function failureOf(who: Persona, { name, inputType, input }: RowMutation): Promise<GraphQLFailure | undefined> {
  const query = `mutation ($input: ${inputType}!) { ${name}(input: $input) { clientMutationId } }`;
  const { body } = await server.graphql(query, { input }, database.tokenOf(who));
  return body.errors?.[0];
}

const named = (name: string, input: Record<string, unknown>): RowMutation => {
  const mutation = mutations.find((each) => each.name === name);
  if (mutation === undefined) throw new Error(`There is no mutation ${name}`);
  return { ...mutation, input };
};

test("there are such mutations", () => {
  expect(mutations.filter(({ name }) => name.startsWith("delete")).length).toBeGreaterThan(4);
  expect(mutations.filter(({ name }) => name.startsWith("update")).length).toBeGreaterThan(5);
});

describe("a row that is not there", () => {
  test.each(mutations)("is told to whoever asks: $name", async (mutation) => {
    const failures = await Promise.all(([ada, admin, "service_role"] as const).map((who) => failureOf(who, mutation)));
    const reasons = failures.map((failure) => failure?.extensions?.reason);
    // Some tables are written by trusted servers only, others by people only.
    for (const reason of reasons) expect(["unknown_row", "admin_required", "permission_denied"]).toContain(reason);
    expect(reasons).toContain("unknown_row");
    expect((await failureOf("anon", mutation))?.extensions?.reason).toBe("not_signed_in");
  });

  test("is named by its kind", async () => {
    expect(await failureOf(admin, named("deleteSettingDefinition", { key: "nothing" }))).toMatchObject({
      message: "There is no such setting definition that you may change",
      path: ["deleteSettingDefinition"],
      extensions: { code: "PT404", reason: "unknown_row", hint: expect.stringMatching(/\.$/) },
    });
  });
});

describe("a row of somebody else", () => {
  test("is as if it were not there", async () => {
    for (const mutation of [
      named("updateUser", { id: bob.id, patch: { name: "Ada" } }),
      named("updateProject", { id: project, patch: { name: "Mine" } }),
      named("deleteProject", { id: project }),
    ])
      expect((await failureOf(ada, mutation))?.extensions?.reason).toBe("unknown_row");
  });

  test("is changed and deleted by whose it is, which shows that the refusals are real", async () => {
    for (const mutation of [
      named("updateUser", { id: bob.id, patch: { name: "Bob" } }),
      named("updateProject", { id: project, patch: { name: "Mine" } }),
      named("deleteProject", { id: project }),
    ])
      expect(await failureOf(bob, mutation)).toBeUndefined();
  });
});

test("a patch that changes nothing is the client's mistake", async () => {
  for (const who of [bob, ada]) {
    const failure = await failureOf(who, named("updateUser", { id: bob.id, patch: {} }));
    expect(failure?.extensions?.reason).toBe("invalid_input");
  }
});
