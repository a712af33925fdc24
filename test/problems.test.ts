/** A refused value is told with all its problems, of every setting of the patch, alike through SQL and GraphQL. */
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  createTestDatabase,
  createTestServer,
  type TestDatabase,
  type TestServer,
  type TestUser,
} from "./support/harness.ts";

let database: TestDatabase;
let server: TestServer;
let user: TestUser;
let admin: TestUser;

const FIRST = [
  { key: "test.first", pointer: "/count", keyword: "maximum", message: "must be <= 9" },
  { key: "test.first", pointer: "/na~1me", keyword: "minLength", message: "must NOT have fewer than 2 characters" },
];
const SECOND = [
  {
    key: "test.second",
    pointer: "",
    keyword: "enum",
    message: 'must be equal to one of the allowed values: "red", "blue"',
  },
];
const PATCH = { "test.first": { count: 10, "na/me": "x" }, "test.second": "a secret of mine", "test.third": 1 };

beforeAll(async () => {
  database = await createTestDatabase();
  server = await createTestServer(database);
  user = await database.createUser("user@example.com");
  admin = await database.createUser("admin@example.com", { admin: true });
  await database.query(`
    insert into attune.setting_definitions (key, category, layer, audience, schema)
    values
      ('test.first', 'test', 'project', 'client', '{
        "type": "object",
        "properties": {"count": {"maximum": 9}, "na/me": {"minLength": 2}}
      }'),
      ('test.second', 'test', 'project', 'client', '{"enum": ["red", "blue"]}'),
      ('test.third', 'test', 'project', 'client', '{"type": "integer"}'),
      ('test.concealed', 'test', 'project', 'admin', '{"type": "integer"}')`);
});

afterAll(async () => {
  await server.close();
  await database.close();
});

/** What SQL tells: the hint, and the list in its second line. */
async function refusedBySql(who: TestUser, sql: string, values: unknown[]): Promise<unknown> {
  try {
    await database.as(who, (client) => client.query(sql, values));
  } catch (error: unknown) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    expect([error.code, error.detail]).toEqual(["PT422", "invalid_value"]);
    const [hint, list = "null", ...more] = (error.hint ?? "").split("\n");
    expect(hint).toMatch(/^Send/);
    expect(more).toEqual([]);
    expect(`${error.message} ${error.hint}`).not.toContain("secret of mine");
    const problems: unknown = JSON.parse(list);
    return problems;
  }
  return undefined;
}

async function refusedByGraphql(who: TestUser, query: string, variables: Record<string, unknown>): Promise<unknown> {
  const { body } = await server.graphql(query, variables, who.token);
  const [failure] = body.errors ?? [];
  expect(failure?.extensions).toMatchObject({ code: "PT422", reason: "invalid_value" });
  expect(failure?.extensions?.hint).not.toContain("\n");
  return failure?.extensions?.problems;
}

test("of several settings at once", async () => {
  const all = [...FIRST, ...SECOND];
  expect(await refusedBySql(user, "select attune.set_preferences($1)", [JSON.stringify(PATCH)])).toEqual(all);
  const query = "mutation ($patch: JSON!) { setPreferences(input: { patch: $patch }) { clientMutationId } }";
  expect(await refusedByGraphql(user, query, { patch: PATCH })).toEqual(all);
  const stored = await database.query("select key from attune.user_preferences where key like 'test.%'");
  expect(stored).toEqual([]);
});

test("of one setting, by whoever writes it, in whatever layer", async () => {
  const value = JSON.stringify(PATCH["test.first"]);
  expect(await refusedBySql(user, "select attune.set_preference('test.first', $1)", [value])).toEqual(FIRST);
  expect(await refusedBySql(user, "select attune.set_setting('test.first', $1)", [value])).toEqual(FIRST);
  expect(await refusedBySql(admin, "select attune.set_global_setting('test.first', $1)", [value])).toEqual(FIRST);
  const query =
    'mutation ($value: JSON!) { setGlobalSetting(input: { key: "test.first", value: $value }) { clientMutationId } }';
  expect(await refusedByGraphql(admin, query, { value: PATCH["test.first"] })).toEqual(FIRST);
});

test("of variants: in which of them", async () => {
  const variants = ["red", "green", "blue", 1].map((value, n) => ({ name: `v${n}`, weight: 1, value }));
  await database.as(admin, (client) => client.query(`select attune.set_global_setting('test.second', '"red"')`));
  const query = "select attune.set_global_variants('test.second', $1)";
  expect(await refusedBySql(admin, query, [JSON.stringify(variants)])).toEqual(
    [1, 3].map((n) => ({ ...SECOND[0], pointer: `/${n}/value` })),
  );
});

test("of a document: the key is of its member", async () => {
  const patch = { interface_settings: { theme: 1 }, data_preferences: 1 };
  const problems = await refusedBySql(user, "select attune.update_app_preferences($1)", [JSON.stringify(patch)]);
  expect(problems).toMatchObject([
    { key: "app_preferences.data_preferences", pointer: "", keyword: "type" },
    { key: "app_preferences.interface_settings", pointer: "/theme" },
  ]);
});

test("what is not shown to the caller has no problems either", async () => {
  const patch = { "test.concealed": "x", "test.first": { count: 10 } };
  const call = "select attune.set_preferences($1)";
  const refusal = await database.as(user, (client) => client.query(call, [JSON.stringify(patch)])).catch(String);
  expect(refusal).toMatch(/There is no setting/);
  const late = { "test.second": "x", "test.zzz": 1 };
  expect(await database.as(user, (client) => client.query(call, [JSON.stringify(late)])).catch(String)).toMatch(
    /There is no setting/,
  );
});

test("a hundred at most, and no more than 16 KiB", async () => {
  await database.query(`
    insert into attune.setting_definitions (key, category, schema)
    values ('test.many', 'test', '{"type": "array", "items": {"type": "integer"}}')`);
  const many = JSON.stringify(Array.from({ length: 1000 }, () => "x"));
  const problems = await refusedBySql(user, "select attune.set_preference('test.many', $1)", [many]);
  expect(problems).toHaveLength(100);
});
