/** What is read and written back, through any door, is the same JSON value; or the write is refused with its place. */
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import {
  buildSchema,
  getNamedType,
  getNullableType,
  type GraphQLInputType,
  type GraphQLObjectType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isNonNullType,
  isListType,
  isRequiredInputField,
} from "graphql";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseJson } from "../src/json.ts";
import { attune, type Environment } from "./support/cli.ts";
import {
  createTestDatabase,
  createTestServer,
  type GraphQLResponse,
  type TestDatabase,
  type TestServer,
  type TestUser,
} from "./support/harness.ts";

let database: TestDatabase;
let server: TestServer;
let ada: TestUser;
let bob: TestUser;
let admin: TestUser;
let home: string;
let environment: Environment;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "attune-numbers-"));
  await chmod(home, 0o755);
  database = await createTestDatabase();
  environment = { DATABASE_URL: database.ownerUrl, JWT_SECRET: database.jwt.secret };
  ada = await database.createUser("ada@example.com");
  bob = await database.createUser("bob@example.com");
  admin = await database.createUser("admin@example.com", { admin: true });
  await database.query(`
    insert into attune.setting_definitions (key, category, schema, default_value, description)
    values ('anything', 'general', '{}', '[]', 'Anything.');

    create function attune.told(value jsonb, other_value jsonb default '"left out"', note text default '') returns text
    language sql volatile security invoker
    as $$ select concat_ws(' ', coalesce(told.value::text, 'NULL'), coalesce(told.other_value::text, 'NULL'),
      nullif(coalesce(told.note, 'NULL'), '')) $$;
    create function attune.asked(value jsonb, other_value jsonb default '"left out"', note text default '') returns text
    language sql stable security invoker
    as $$ select attune.told(asked.value, asked.other_value, asked.note) $$;
    create function attune.measured(length double precision, id bigint, amount numeric) returns text
    language sql stable security invoker
    as $$ select concat_ws(' ', measured.length, measured.id, measured.amount) $$;
    revoke all on function attune.told, attune.asked, attune.measured from public;
    grant execute on function attune.told, attune.asked, attune.measured to authenticated;
  `);
  server = await createTestServer(database);
});

afterAll(async () => {
  await server.close();
  await database.close();
  await rm(home, { recursive: true, force: true });
});

type Answer = { text: string } & GraphQLResponse<Record<string, unknown>>["body"];

/** Sends variables as the text they are, and keeps the text of the answer. */
async function send(query: string, variables = "{}", user: TestUser = ada): Promise<Answer> {
  const { payload } = await server.app.inject({
    method: "POST",
    url: "/graphql",
    headers: { "content-type": "application/json", authorization: `Bearer ${user.token}` },
    payload: `{"query":${JSON.stringify(query)},"variables":${variables}}`,
  });
  return { text: payload, ...(JSON.parse(payload) as GraphQLResponse<Record<string, unknown>>["body"]) };
}

/** The only member that a path names in an answer, as text with every digit. */
async function read(query: string, path: string, variables = "{}", user: TestUser = ada): Promise<string> {
  const { text, errors } = await send(query, variables, user);
  expect(errors).toBeUndefined();
  const [row] = await database.query<{ value: string }>("select ($1::jsonb #> $2)::text as value", [
    text,
    path.split("."),
  ]);
  return row?.value ?? "nothing";
}

async function refusal(query: string, variables = "{}"): Promise<unknown> {
  const { errors, data } = await send(query, variables);
  expect(data ?? null).toBeNull();
  expect(errors).toHaveLength(1);
  const { message, extensions } = errors?.[0] ?? {};
  return { message, code: extensions?.code, reason: extensions?.reason };
}

/** JSON as it is written: scalars as their text. */
type Tree = string | Tree[] | { members: [name: string, value: Tree][] };

const number: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    ...(
      "9007199254740993 -9007199254740993 1e400 -1e400 1e-400 1.10 1.00 -0 -0.0 0e10 0.1 1E+5 5e-324 1.8e308 1e21 " +
      "0.1234567890123456789 123456789012345678901234567890.12345"
    ).split(" "),
  ),
  fc
    .tuple(
      fc.constantFrom("", "-"),
      fc.bigInt({ min: 0n, max: 10n ** 40n }),
      fc.option(fc.stringMatching(/^[0-9]{1,30}$/), { nil: "" }),
      fc.option(fc.integer({ min: -500, max: 500 }), { nil: undefined }),
    )
    .map(
      ([sign, whole, fraction, exponent]) =>
        `${sign}${whole}${fraction && `.${fraction}`}${exponent === undefined ? "" : `e${exponent}`}`,
    ),
);
const text = fc.string({ unit: "binary", maxLength: 8 }).filter((string) => !string.includes("\0"));
const memberName = fc.oneof(
  fc.constantFrom(
    "__proto__",
    "constructor",
    "prototype",
    "toString",
    "rawJSON",
    "1",
    "01",
    "-1",
    "ключ",
    "𝄞",
    "",
    "a",
  ),
  text,
);
const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    number,
    text.map((string) => JSON.stringify(string)),
    fc.constantFrom("true", "false", "null"),
    fc.array(tie("tree"), { maxLength: 4 }),
    fc
      .uniqueArray(fc.tuple(memberName, tie("tree")), { maxLength: 4, selector: ([name]) => name })
      .map((members) => ({ members })),
  ),
}));
/** A list is stored as it is, where an object would be merged. */
const list = fc.array(tree, { minLength: 1, maxLength: 4 });

function asJson(value: Tree): string {
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return `[${value.map(asJson).join(",")}]`;
  return `{${value.members.map(([name, member]) => `${JSON.stringify(name)}:${asJson(member)}`).join(",")}}`;
}

function asLiteral(value: Tree): string {
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return `[${value.map(asLiteral).join(" ")}]`;
  return `{${value.members.map(([name, member]) => `${name}: ${asLiteral(member)}`).join(" ")}}`;
}

/** The same with names that GraphQL takes. */
function named(value: Tree): Tree {
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.map(named);
  return {
    members: value.members.map(([name, member], n) => [
      /^[_a-z]\w*$/i.test(name) ? name : `_other_${n}`,
      named(member),
    ]),
  };
}

/** How PostgreSQL writes it. */
async function canonical(json: string): Promise<string> {
  const [row] = await database.query<{ value: string }>("select $1::jsonb::text as value", [json]);
  return row?.value ?? "nothing";
}

async function stored({ id }: TestUser): Promise<string | undefined> {
  const [row] = await database.query<{ value: string }>(
    "select value::text from attune.user_preferences where user_id = $1 and key = 'anything'",
    [id],
  );
  return row?.value;
}

describe("any value that the database accepts", () => {
  test("comes back as it was sent in a variable, and from an export that another imports", async () => {
    await fc.assert(
      fc.asyncProperty(list, async (sent) => {
        const expected = await canonical(asJson(sent));
        const answer = await read(
          `mutation ($value: JSON, $state: JSON) {
            setPreference(input: { key: "anything", value: $value }) { effectiveSetting { value } }
            saveSessionState(input: { sessionKey: "tab", currentContext: $state }) { userSessionState { currentContext } }
          }`,
          "data",
          `{"value":${asJson(sent)},"state":{"in":${asJson(sent)}}}`,
        );
        expect(answer).toBe(
          await canonical(`{
            "setPreference": {"effectiveSetting": {"value": ${expected}}},
            "saveSessionState": {"userSessionState": {"currentContext": {"in": ${expected}}}}
          }`),
        );
        expect(await stored(ada)).toBe(expected);
        expect(await read(`{ setting: effectiveSetting(key: "anything") { value } }`, "data.setting.value")).toBe(
          expected,
        );

        const exported = await read("{ exportPreferences }", "data.exportPreferences");
        const { errors } = await send(
          `mutation ($document: JSON!) { importPreferences(input: { document: $document, mode: replace }) { clientMutationId } }`,
          `{"document":${exported}}`,
          bob,
        );
        expect(errors).toBeUndefined();
        expect(await stored(bob)).toBe(expected);
      }),
      { numRuns: 80 },
    );
  });

  test("comes back as it was written in a query, with variables in it", async () => {
    await fc.assert(
      fc.asyncProperty(list, tree, async (values, inner) => {
        const sent = values.map(named);
        const expected = await canonical(`[${asJson(sent)}, {"_inner": ${asJson(inner)}}]`);
        const answer = await read(
          `mutation ($inner: JSON) {
            setPreference(input: { key: "anything", value: [${asLiteral(sent)}, { _inner: $inner }] }) {
              effectiveSetting { value }
            }
          }`,
          "data.setPreference.effectiveSetting.value",
          `{"inner":${asJson(inner)}}`,
        );
        expect(answer).toBe(expected);
        expect(await stored(ada)).toBe(expected);
      }),
      { numRuns: 80 },
    );
  });

  test("is what a file says that is applied, and what is exported into a file", async () => {
    const values = fc.sample(list, { numRuns: 200, seed: 1 });
    const properties = values.map(
      (each, n) => `"numbers.${n}": {"default": ${asJson(each)}, "description": "A list."}`,
    );
    const file = join(home, "numbers.json");
    await writeFile(file, `\uFEFF{"$id": "numbers", "properties": {${properties.join(",\n")}}}`);
    expect(await attune(["definitions", "apply", file], environment)).toMatchObject({ code: 0, stderr: "" });

    const expected = await Promise.all(values.map((each) => canonical(asJson(each))));
    const rows = await database.query<{ value: string }>(
      `select default_value::text as value from attune.setting_definitions
       where source = 'numbers' order by substring(key from '\\d+')::integer`,
    );
    expect(rows.map((row) => row.value)).toEqual(expected);

    const queried = await attune(
      ["query", "--json", "select default_value as value from attune.setting_definitions where key = 'numbers.0'"],
      environment,
    );
    expect(await canonical(queried.stdout)).toBe(await canonical(`[{"value": ${expected[0]}}]`));

    const exported = await attune(["definitions", "export", "--source", "numbers"], environment);
    await writeFile(file, exported.stdout);
    expect(await canonical(exported.stdout)).toBe(
      await canonical(
        (await database.query<{ d: string }>("select attune.export_definitions('numbers')::text as d"))[0]?.d ?? "",
      ),
    );
    const again = await attune(["definitions", "apply", file], environment);
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining("200 unchanged") });
  });
});

describe("null and what is left out", () => {
  test.for([
    ["optional left out", "{ told: TOLD(value: 1) }", "{}", '1 "left out"'],
    ["optional null", "{ told: TOLD(value: 1, otherValue: null) }", "{}", "1 null"],
    ["wanted left out", "{ told: TOLD }", "{}", 'NULL "left out"'],
    ["wanted null", "{ told: TOLD(value: null) }", "{}", 'null "left out"'],
    ["what takes no null", '{ told: TOLD(value: 1, note: "so") }', "{}", '1 "left out" so'],
    ["what takes no null, null", "{ told: TOLD(value: 1, note: null) }", "{}", '1 "left out"'],
    ["a variable of that", "query ($n: String) { told: TOLD(value: 1, note: $n) }", '{"n":null}', '1 "left out"'],
    [
      "a variable that is null",
      "query ($v: JSON) { told: TOLD(value: $v, otherValue: $v) }",
      '{"v":null}',
      "null null",
    ],
    [
      "a variable that is not there",
      "query ($v: JSON) { told: TOLD(value: $v, otherValue: $v) }",
      "{}",
      'NULL "left out"',
    ],
    ["a variable's default", "query ($v: JSON = null) { told: TOLD(value: $v) }", "{}", 'null "left out"'],
    ["null inside", "query ($v: JSON) { told: TOLD(value: [null, $v]) }", '{"v":null}', '[null, null] "left out"'],
    ["false and text", 'query { told: TOLD(value: false, otherValue: "null") }', "{}", 'false "null"'],
  ] as const)("are told apart: %s", async ([, query, variables, expected]) => {
    const asQuery = await send(query.replace("TOLD", "asked"), variables);
    expect(asQuery.data).toEqual({ told: expected });
    const asMutation = query
      .replace(/^(query)?/, "mutation")
      .replace(/TOLD(\((.*)\))?( \}$)/, "told(input: { $2 }) { result }$3");
    expect((await send(asMutation, variables)).data).toEqual({ told: { result: expected } });
  });

  test("a row of a table can hold null, and is served", async () => {
    const { errors } = await send(
      `mutation { setGlobalSetting(input: { key: "anything", value: null }) { clientMutationId } }`,
      "{}",
      admin,
    );
    expect(errors).toBeUndefined();
    const { data } = await send(`{ globalSetting(key: "anything") { value variants } }`, "{}", admin);
    expect(data).toEqual({ globalSetting: { value: null, variants: null } });
    expect(await database.query("select value::text from attune.global_settings where key = 'anything'")).toEqual([
      { value: "null" },
    ]);
    await database.query("delete from attune.global_settings where key = 'anything'");
  });
});

describe("numbers of other types", () => {
  const measure = `query ($length: Float!, $id: BigInt!, $amount: BigFloat!) {
    measured(length: $length, id: $id, amount: $amount)
  }`;

  test("are read by their type", async () => {
    const variables = `{"length":1.50,"id":9007199254740993,"amount":0.1234567890123456789}`;
    expect((await send(measure, variables)).data).toEqual({ measured: "1.5 9007199254740993 0.1234567890123456789" });
    expect(
      (await send(`{ measured(length: 1.50, id: "9007199254740993", amount: "0.1234567890123456789") }`)).data,
    ).toEqual({ measured: "1.5 9007199254740993 0.1234567890123456789" });
  });

  test("count as JavaScript's for the limits", async () => {
    const page = "query ($first: Int!) { plans { nodes { name } } users(first: $first) { nodes { id } } }";
    expect((await send(page, '{"first":1.0}')).data).toMatchObject({ users: { nodes: [{ id: ada.id }] } });
  });

  test.for([
    ["a variable", measure, `{"length":1e400,"id":1,"amount":1}`],
    ["a literal", `{ measured(length: 1e400, id: "1", amount: "1") }`, "{}"],
    ["an integer", `{ measured(length: 1${"0".repeat(309)}, id: "1", amount: "1") }`, "{}"],
    ["a default", `query ($length: Float = 1e400) { measured(length: $length, id: "1", amount: "1") }`, "{}"],
  ])("are refused where their type can't hold them: %s", async ([, query, variables]) => {
    expect(await refusal(query ?? "", variables)).toMatchObject({ code: "BAD_USER_INPUT", reason: "invalid_input" });
  });
});

describe("what PostgreSQL cannot hold", () => {
  const set = (value: string): string =>
    `mutation { setPreference(input: { key: "anything", value: ${value} }) { clientMutationId } }`;
  const setVariable = `mutation ($value: JSON) { setPreference(input: { key: "anything", value: $value }) { clientMutationId } }`;
  const nested = (levels: number, within = ""): string => "[".repeat(levels) + within + "]".repeat(levels);

  test.for([
    ["1e131072", "", "number_out_of_range"],
    ["[0, -1e200000]", "/1", "number_out_of_range"],
    ["1e-16384", "", "number_out_of_range"],
    ["0e-20000", "", "number_out_of_range"],
    ["1e99999999999", "", "number_out_of_range"],
    [String.raw`{"host": ["a", "b\u0000c"]}`, "/host/1", "invalid_text"],
    [String.raw`{"a/b": {"~": "\u0000"}}`, "/a~1b/~0", "invalid_text"],
    [String.raw`"\u0000"`, "", "invalid_text"],
  ] as const)("is refused with its place: %s", async ([sent, place, reason]) => {
    expect(await refusal(setVariable, `{"value":${sent}}`)).toMatchObject({
      code: "PT422",
      reason,
      message: expect.stringMatching(RegExp(`^\\$value${place} (is a number|has the character)`)),
    });
  });

  test.for([
    ["1e131072", "", "number_out_of_range"],
    ["[0, -1e200000]", "/1", "number_out_of_range"],
    [String.raw`{host: ["a", {_b: "b\u0000c"}]}`, "/host/1/_b", "invalid_text"],
    [String.raw`"\u0000"`, "", "invalid_text"],
  ] as const)("is refused with its place in a query: %s", async ([sent, place, reason]) => {
    expect(await refusal(set(sent))).toMatchObject({
      code: "PT422",
      reason,
      message: expect.stringMatching(RegExp(`^input/value${place} `)),
    });
  });

  test.for([
    [String.raw`{"a": "\ud800"}`, "/a has half a surrogate pair"],
    [String.raw`{"a": "\udc00\ud800"}`, "/a has half a surrogate pair"],
    [String.raw`{"a\ud800": 1}`, String.raw`/a\ud800 has half a surrogate pair`],
    [String.raw`{"a\u0000": 1}`, String.raw`/a\u0000 has the character U+0000`],
  ] as const)("is refused with its place, also in names: %s", async ([sent, place]) => {
    expect(await refusal(setVariable, `{"value":${sent}}`)).toEqual({
      code: "PT422",
      reason: "invalid_text",
      message: `$value${place}, which PostgreSQL cannot hold`,
    });
  });

  test("is refused in every argument, naming it", async () => {
    const login = `mutation ($email: String!, $password: String!) {
      login(input: { email: $email, password: $password }) { clientMutationId }
    }`;
    const attempts = "select count(*)::integer as n from attune_private.login_attempts";
    const before = await database.query(attempts);
    for (const bad of [String.raw`\u0000`, String.raw`\ud800`]) {
      expect(await refusal(login, `{"email":"ada@example.com${bad}","password":"x"}`)).toMatchObject({
        reason: "invalid_text",
        message: expect.stringMatching(/^\$email has/),
      });
      expect(await refusal(login, `{"email":"ada@example.com","password":"x${bad}"}`)).toMatchObject({
        reason: "invalid_text",
        message: expect.stringMatching(/^\$password has/),
      });
    }
    expect(await database.query(attempts)).toEqual(before);
    expect(
      await refusal(
        `mutation ($input: CreateTeamInput!) { createTeam(input: $input) { clientMutationId } }`,
        String.raw`{"input":{"name":"\u0000"}}`,
      ),
    ).toMatchObject({ code: "PT422", reason: "invalid_text", message: expect.stringMatching(/^\$input\/name has/) });
    expect(await refusal(String.raw`{ effectiveSetting(key: "\u0000") { key } }`)).toMatchObject({
      reason: "invalid_text",
      message: expect.stringMatching(/^key has/),
    });
  });

  test.for([101, 1000, 50_000])("is refused when it is nested %i levels deep, as a variable", async (levels) => {
    expect(await refusal(setVariable, `{"value":${nested(levels)}}`)).toMatchObject({
      code: "PT422",
      reason: "value_too_deep",
    });
    expect(await refusal(setVariable, `{"value":${nested(levels, "1e400")}}`)).toMatchObject({
      code: "PT422",
      reason: "value_too_deep",
    });
  });

  test("is refused when it is nested deep in a literal", async () => {
    expect(await refusal(set(nested(101)))).toMatchObject({ code: "PT422", reason: "value_too_deep" });
  });

  test("is refused when its numbers are written with more digits than a request has", async () => {
    const numbers = `[${Array.from({ length: 1000 }, () => "1e131071").join(",")}]`;
    expect(await refusal(setVariable, `{"value":${numbers}}`)).toMatchObject({ code: "PT422", reason: "too_large" });
  });

  test.for([
    ["a number", '{"properties": {"a": {"default": [1e200000]}}}', "/properties/a/default/0 is a number"],
    ["text", String.raw`{"properties": {"a": {"default": "\u0000"}}}`, "/properties/a/default has the character"],
    ["other bytes", Buffer.from([0x7b, 0xff, 0x7d]), " is not text in UTF-8"],
  ] as const)("is refused in a file: %s", async ([, content, says]) => {
    const file = join(home, "bad.json");
    await writeFile(file, content);
    const { code, stderr } = await attune(["definitions", "apply", file], environment);
    expect(code).toBe(1);
    expect(stderr).toContain(`${file}${says}`);
  });
});

describe("whatever is sent for an argument that is JSON", () => {
  const schema = buildSchema(readFileSync(join(import.meta.dirname, "../schema.graphql"), "utf8"));
  const deep = (levels: number): string => `${'[{"a":'.repeat(levels / 2)}1e400${"}]".repeat(levels / 2)}`;
  const values = ["null", "[]", "{}", "1e400", '"x"', '{"a": null}', deep(64), deep(66), deep(100)];

  const known: Record<string, string> = { key: "anything", plan: "bootstrapper", category: "lead_update" };
  let team: string;

  /** Something that the type takes; of a JSON one, the variable. */
  const anything = (type: GraphQLInputType, name: string): string => {
    const nullable = getNullableType(type);
    if (isListType(nullable)) return `[${anything(nullable.ofType, name)}]`;
    if (isEnumType(nullable)) return nullable.getValues()[0]?.name ?? "";
    if (isInputObjectType(nullable)) {
      const fields = Object.values(nullable.getFields()).filter(
        (field) => isRequiredInputField(field) || getNamedType(field.type).name === "JSON" || field.name === "key",
      );
      return `{ ${fields.map((field) => `${field.name}: ${anything(field.type, field.name)}`).join(" ")} }`;
    }
    if (nullable.name === "JSON") return isNonNullType(type) ? "$required" : "$value";
    if (nullable.name === "Boolean") return "true";
    if (nullable.name === "UUID") return `"${name === "teamId" ? team : admin.id}"`;
    if (["Int", "Float"].includes(nullable.name)) return "1";
    return `"${known[name] ?? "1"}"`;
  };
  const fields = (type: GraphQLObjectType | null | undefined): string[] =>
    Object.values(type?.getFields() ?? {}).flatMap((field) => {
      const args = field.args.map((arg) => `${arg.name}: ${anything(arg.type, arg.name)}`).join(" ");
      const declared = ["$value: JSON", "$required: JSON!"].filter((each) => args.includes(each.slice(0, 6)));
      if (declared.length === 0) return [];
      const selection = isLeafType(getNamedType(field.type)) ? "" : "{ __typename }";
      return [`(${declared.join(", ")}) { ${field.name}(${args}) ${selection} }`];
    });

  test("it is taken or refused for a reason, and nothing too deep is stored", async () => {
    const made = await send(`mutation { createTeam(input: { name: "T" }) { team { id } } }`, "{}", admin);
    team = /"id":"([^"]+)"/.exec(made.text)?.[1] ?? "";
    const queries = [
      ...fields(schema.getQueryType()).map((query) => `query ${query}`),
      ...fields(schema.getMutationType()).map((mutation) => `mutation ${mutation}`),
    ];
    expect(queries.length).toBeGreaterThan(20);
    const failures: string[] = [];
    for (const query of queries)
      for (const each of values) {
        const { errors } = await send(query, `{"value":${each},"required":${each}}`, admin);
        const reasons = errors?.map(({ extensions }) => extensions?.reason) ?? [];
        if (reasons.some((reason) => reason === undefined || reason === "internal_error"))
          failures.push(`${query} ${each.slice(0, 20)}`);
      }
    expect(failures).toEqual([]);

    // What is stored has 64 levels, within a list or object of ours.
    const columns = await database.query<{ table: string; column: string }>(
      `select format('%I.%I', table_schema, table_name) as table, quote_ident(column_name) as column
       from information_schema.columns
       where table_schema in ('attune', 'attune_private') and data_type = 'jsonb'`,
    );
    expect(columns.length).toBeGreaterThan(10);
    for (const { table, column } of columns) {
      const deepest = await database.query(
        `select ${column} from ${table} where jsonb_path_exists(${column}, 'strict $.**{67}')`,
      );
      expect({ table, column, deepest }).toEqual({ table, column, deepest: [] });
    }
  });
});

test("a number is JavaScript's where that is written the same, and its text otherwise", () => {
  fc.assert(
    fc.property(tree, (value) => {
      const json = asJson(value);
      expect(JSON.stringify(parseJson(JSON.stringify(parseJson(json))))).toBe(JSON.stringify(parseJson(json)));
    }),
  );
  expect(JSON.stringify(parseJson("[1.10,9007199254740993,1e400,0.5]"))).toBe("[1.10,9007199254740993,1e400,0.5]");
  expect(parseJson("[1,0.5,-2e3]")).toEqual([1, 0.5, JSON.rawJSON("-2e3")]);
});
