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
      ('test.kept', 'test', 'project', 'client', '{
        "x-no-secrets": true, "properties": {"count": {"type": "integer"}}
      }'),
      ('test.where', 'test', 'project', 'client', '{"properties": {"zo/ne": {"x-time-zone": true}}}'),
      ('test.concealed', 'test', 'project', 'admin', '{"type": "integer"}')`);
});

afterAll(async () => {
  await server.close();
  await database.close();
});

type Refusal = { code: string | undefined; reason: string | undefined; hint: string | undefined; problems: unknown };

/** What SQL tells: the hint, and the list in its second line. */
async function refusedBySql(who: TestUser, sql: string, values: unknown[]): Promise<Refusal> {
  const error: unknown = await database
    .as(who, (client) => client.query(sql, values))
    .then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
  if (!(error instanceof pg.DatabaseError)) throw new Error("It is not refused", { cause: error });
  expect(`${error.message} ${error.hint}`).not.toContain("secret of mine");
  const [hint, list = "null", ...more] = (error.hint ?? "").split("\n");
  expect(more).toEqual([]);
  const problems: unknown = JSON.parse(list);
  return { code: error.code, reason: error.detail, hint, problems };
}

async function refusedByGraphql(who: TestUser, query: string, variables: Record<string, unknown>): Promise<Refusal> {
  const { body } = await server.graphql(query, variables, who.token);
  const { code, reason, hint, problems } = body.errors?.[0]?.extensions ?? {};
  return { code, reason, hint, problems };
}

/** A refusal of values, whose hint says what to send. */
const refusal = (problems: unknown, reason = "invalid_value", code = "PT422"): unknown => ({
  code,
  reason,
  hint: expect.stringMatching(/^[^\n]+$/) as unknown,
  problems,
});

test("of several settings at once", async () => {
  const all = [...FIRST, ...SECOND];
  expect(await refusedBySql(user, "select attune.set_preferences($1)", [JSON.stringify(PATCH)])).toEqual(refusal(all));
  const query = "mutation ($patch: JSON!) { setPreferences(input: { patch: $patch }) { clientMutationId } }";
  expect(await refusedByGraphql(user, query, { patch: PATCH })).toEqual(refusal(all));
  const stored = await database.query("select key from attune.user_preferences where key like 'test.%'");
  expect(stored).toEqual([]);
});

test("of one setting, by whoever writes it, in whatever layer", async () => {
  const value = JSON.stringify(PATCH["test.first"]);
  expect(await refusedBySql(user, "select attune.set_preference('test.first', $1)", [value])).toEqual(refusal(FIRST));
  expect(await refusedBySql(user, "select attune.set_setting('test.first', $1)", [value])).toEqual(refusal(FIRST));
  expect(await refusedBySql(admin, "select attune.set_global_setting('test.first', $1)", [value])).toEqual(
    refusal(FIRST),
  );
  const query =
    'mutation ($value: JSON!) { setGlobalSetting(input: { key: "test.first", value: $value }) { clientMutationId } }';
  expect(await refusedByGraphql(admin, query, { value: PATCH["test.first"] })).toEqual(refusal(FIRST));
});

test("of variants: in which of them", async () => {
  const variants = ["red", "green", "blue", 1].map((value, n) => ({ name: `v${n}`, weight: 1, value }));
  await database.as(admin, (client) => client.query(`select attune.set_global_setting('test.second', '"red"')`));
  const query = "select attune.set_global_variants('test.second', $1)";
  expect(await refusedBySql(admin, query, [JSON.stringify(variants)])).toEqual(
    refusal([1, 3].map((n) => ({ ...SECOND[0], pointer: `/${n}/value` }))),
  );
});

test("of a document: the key is of its member", async () => {
  const patch = { interface_settings: { theme: 1 }, data_preferences: 1 };
  const { problems } = await refusedBySql(user, "select attune.update_app_preferences($1)", [JSON.stringify(patch)]);
  expect(problems).toMatchObject([
    { key: "app_preferences.data_preferences", pointer: "", keyword: "type" },
    { key: "app_preferences.interface_settings", pointer: "/theme" },
  ]);
});

test("of different kinds: the reason is that of the first", async () => {
  const secret = { key: "test.kept", pointer: "/a~1b", keyword: "x-no-secrets", message: "looks like a secret" };
  const hidden = { ...secret, pointer: "/list/1" };
  const type = { ...secret, pointer: "/count", keyword: "type", message: "must be integer" };
  const zone = { key: "test.where", pointer: "/zo~1ne", keyword: "x-time-zone", message: "is no time zone" };
  const patch = {
    "test.kept": { "a/b": "Bearer 4f1c9a0d7e2b", list: ["x", "Bearer 4f1c9a0d7e2b"], count: "x" },
    "test.second": "x",
    "test.where": { "zo/ne": "Mars/Olympus" },
  };
  const all = [secret, hidden, type, ...SECOND, zone];
  const call = "select attune.set_preferences($1)";
  expect(await refusedBySql(user, call, [JSON.stringify(patch)])).toEqual(refusal(all, "secret_in_setting"));
  const last = { "test.where": patch["test.where"], "test.third": "x" };
  expect(await refusedBySql(user, call, [JSON.stringify(last)])).toEqual(
    refusal([{ key: "test.third", pointer: "", keyword: "type", message: "must be integer" }, zone]),
  );
  const alone = "select attune.set_preference('test.where', $1)";
  expect(await refusedBySql(user, alone, [JSON.stringify(patch["test.where"])])).toEqual(
    refusal([zone], "invalid_timezone"),
  );
  const query = "mutation ($patch: JSON!) { setPreferences(input: { patch: $patch }) { clientMutationId } }";
  expect(await refusedByGraphql(user, query, { patch })).toEqual(refusal(all, "secret_in_setting"));
});

test("of a definition: its schema, and its default", async () => {
  const insert =
    "insert into attune.setting_definitions (key, category, schema, default_value) values ($1, 'test', $2, $3)";
  const schema = { properties: { a: { minLenght: 1, minLength: -1 }, b: 1 } };
  const inSchema = [
    { key: "test.new", pointer: "/properties/b", keyword: "type", message: "must be object,boolean" },
    {
      key: "test.new",
      pointer: "/properties/a",
      keyword: "minLenght",
      message: 'keyword "minLenght" is unknown: is "minLength" meant?',
    },
    { key: "test.new", pointer: "/properties/a/minLength", keyword: "minLength", message: "must be >= 0" },
  ];
  const refused = await refusedBySql(admin, insert, ["test.new", JSON.stringify(schema), "null"]);
  expect(refused).toEqual(refusal(expect.arrayContaining(inSchema), "invalid_schema"));
  expect(refused.problems).toHaveLength(3);

  const place = { "x-no-secrets": true, properties: { zone: { "x-time-zone": true }, count: { type: "integer" } } };
  const value = { zone: "Mars/Olympus", count: "x", key: "Bearer 4f1c9a0d7e2b" };
  const inDefault = [
    { key: "test.new", pointer: "/key", keyword: "x-no-secrets", message: "looks like a secret" },
    { key: "test.new", pointer: "/zone", keyword: "x-time-zone", message: "is no time zone" },
    { key: "test.new", pointer: "/count", keyword: "type", message: "must be integer" },
  ];
  expect(await refusedBySql(admin, insert, ["test.new", JSON.stringify(place), JSON.stringify(value)])).toEqual(
    refusal(inDefault, "secret_in_setting"),
  );
});

test("of a document of definitions: every setting that can't be applied", async () => {
  const document = {
    $id: "problems",
    type: "object",
    properties: {
      "doc.a": { type: "integer", default: "x" },
      "doc.b": { minLength: -1 },
      "doc.c": { "x-attune": { layer: "nowhere" } },
      "doc.d": { type: "integer" },
    },
  };
  expect(await refusedBySql(admin, "select attune.apply_definitions($1)", [JSON.stringify(document)])).toEqual(
    refusal(
      [
        { key: "doc.a", pointer: "", keyword: "type", message: "must be integer" },
        { key: "doc.b", pointer: "/minLength", keyword: "minLength", message: "must be >= 0" },
        { key: "doc.c", pointer: "", keyword: "invalid_document", message: 'there is no layer "nowhere"' },
      ],
      "invalid_document",
    ),
  );
});

test("of variants that are no such list", async () => {
  const named = (name: string, weight: number): unknown => ({ name, weight, value: "red" });
  const key = "test.second";
  const weightless = { key, pointer: "", keyword: "weight", message: "no weight is above 0" };
  const again = { key, pointer: "/2/name", keyword: "name", message: "another has the same name" };
  const query = "select attune.set_global_variants('test.second', $1)";
  await database.as(admin, (client) => client.query(`select attune.set_global_setting('test.second', '"red"')`));
  const twice = JSON.stringify([named("a", 0), named("b", 0), named("a", 0)]);
  expect(await refusedBySql(admin, query, [twice])).toEqual(refusal([again, weightless], "invalid_variants"));
  const heavy = JSON.stringify([{ name: "", weight: 0.5, value: 1 }]);
  expect(await refusedBySql(admin, query, [heavy])).toEqual(
    refusal(
      [
        { key, pointer: "/0/name", keyword: "minLength", message: "must NOT have fewer than 1 characters" },
        { key, pointer: "/0/weight", keyword: "type", message: "must be integer" },
      ],
      "invalid_variants",
    ),
  );
});

test("of an import and a template: where in them", async () => {
  const bad = { "test.first": { count: 10 }, "test.nothing": 1 };
  const problems = [
    { ...FIRST[0], pointer: "/count" },
    { key: "test.nothing", pointer: "", keyword: "unknown", message: "there is no such setting" },
  ];
  const at = (place: string): unknown =>
    problems.map((problem) => ({ ...problem, pointer: `${place}/${problem.key}/value${problem.pointer}` }));
  const entries = Object.fromEntries(Object.entries(bad).map(([key, value]) => [key, { value }]));
  const preferences = "select attune.import_preferences($1)";
  expect(await refusedBySql(user, preferences, [JSON.stringify({ preferences: entries })])).toEqual(
    refusal(at("/preferences"), "invalid_import"),
  );
  const configuration = "select attune.import_configuration($1)";
  expect(await refusedBySql(admin, configuration, [JSON.stringify({ plans: { bootstrapper: entries } })])).toEqual(
    refusal(at("/plans/bootstrapper"), "invalid_import"),
  );
  expect(await refusedBySql(admin, configuration, [JSON.stringify({ plan: {}, global: { "test.first": 1 } })])).toEqual(
    refusal(
      [
        {
          key: null,
          pointer: "",
          keyword: "additionalProperties",
          message: "must NOT have additional properties: 'plan'",
        },
        { key: null, pointer: "/global/test.first", keyword: "type", message: "must be object" },
      ],
      "invalid_import",
    ),
  );
  const template = `insert into attune.setting_templates (name, title, "values") values ('bad', 'Bad', $1)`;
  expect(await refusedBySql(admin, template, [JSON.stringify(bad)])).toEqual(refusal(problems, "invalid_template"));
});

test("every key that is unknown is named at once, alike whether it is not there or not shown", async () => {
  const unknown = (key: string, what: string): unknown => ({
    key,
    pointer: "",
    keyword: "unknown",
    message: `there is no such ${what}`,
  });
  const both = ["test.concealed", "test.zzz"].map((key) => unknown(key, "setting"));
  const patch = { "test.zzz": null, "test.concealed": "x", "test.first": { count: 10 } };
  const call = "select attune.set_preferences($1)";
  expect(await refusedBySql(user, call, [JSON.stringify(patch)])).toEqual(refusal(both, "unknown_setting", "PT404"));
  expect(await refusedBySql(admin, call, [JSON.stringify(patch)])).toEqual(
    refusal(both.slice(1), "unknown_setting", "PT404"),
  );
  const evaluate = "select attune.evaluate(array[$1::uuid], '{test.zzz,test.first,test.yyy,test.zzz}')";
  expect(await refusedBySql(admin, evaluate, [user.id])).toEqual(
    refusal(
      ["test.yyy", "test.zzz"].map((key) => unknown(key, "setting")),
      "unknown_setting",
      "PT404",
    ),
  );
  const members = JSON.stringify({ colours: 1, shape: null, interface_settings: { theme: 1 } });
  expect(await refusedBySql(user, "select attune.update_app_preferences($1)", [members])).toEqual(
    refusal(
      ["colours", "shape"].map((key) => unknown(key, "member")),
      "unknown_document_member",
    ),
  );
});

test("a hundred at most, and no more than 16 KiB", async () => {
  await database.query(`
    insert into attune.setting_definitions (key, category, schema)
    values ('test.many', 'test', '{"type": "array", "items": {"type": "integer"}}')`);
  const many = JSON.stringify(Array.from({ length: 1000 }, () => "x"));
  const { problems } = await refusedBySql(user, "select attune.set_preference('test.many', $1)", [many]);
  expect(problems).toHaveLength(100);
});
