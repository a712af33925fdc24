/** The GraphQL schema: what PostGraphile makes of the database, and that it explains itself. */
import { globSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import {
  buildSchema,
  getNamedType,
  getNullableType,
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
  isSpecifiedScalarType,
} from "graphql";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { withClient } from "../src/database/client.ts";
import { readReasons } from "../scripts/reference/reasons.ts";
import { graphqlSchema, type SchemaTexts } from "../src/graphql/schema.ts";
import {
  createTestDatabase,
  createTestServer,
  type TestDatabase,
  type TestServer,
  type TestUser,
} from "./support/harness.ts";

/** What is told once, and is nothing that has a state to keep. */
const NO_OBJECTS = [
  "ActivityHealth",
  "AdoptedCredential",
  "AdoptedPreference",
  "AdoptedSetting",
  "AuditDay",
  "AuditFinding",
  "AuditHealth",
  "ChangeFailure",
  "ChangeSetPreview",
  "ChangedSetting",
  "Changes",
  "ClaimedDelivery",
  "ConnectionGroup",
  "ConnectionHealth",
  "DatabaseHealth",
  "DefinitionChange",
  "KnowledgeMatch",
  "KnowledgeSearch",
  "LockWait",
  "NotificationCategoryCount",
  "PreviewChange",
  "ReplicationHealth",
  "RestoredChange",
  "RunningTransaction",
  "SessionTokens",
  "SettingChange",
  "SettingExplanation",
  "SlowStatement",
  "StandbyHealth",
];

let database: TestDatabase;
let texts: SchemaTexts;
let text: string;
let schema: GraphQLSchema;

beforeAll(async () => {
  database = await createTestDatabase();
  texts = await graphqlSchema(database.authenticatorUrl);
  text = texts.all;
  schema = buildSchema(text);
});

afterAll(() => database.close());

const field = (type: string, name: string): GraphQLField<unknown, unknown> | undefined => {
  const found = schema.getType(type);
  return isObjectType(found) ? found.getFields()[name] : undefined;
};

const committed = (name: string): Promise<string> => readFile(resolve(import.meta.dirname, "..", name), "utf8");

test("the files for clients are what the migrations and documents make; `npm run schema` writes them", async () => {
  const { all, client, withoutId } = texts;
  expect((await committed("schema.graphql")) === all).toBe(true);
  expect((await committed("schema.client.graphql")) === client).toBe(true);
  expect(JSON.parse(await committed("schema.cache.json"))).toEqual({ withoutId });
  const reasons = readReasons(await committed("docs/reference/errors.md"));
  expect(JSON.parse(await committed("schema.reasons.json"))).toEqual(reasons);
  expect(reasons["setting_enforced"]).toMatchObject({ code: "42501", status: 403 });
});

test("a client's schema has what anon and authenticated may execute, and nothing that only service_role may", async () => {
  const executable = await withClient(database.ownerUrl, async (connection) => {
    const { rows } = await connection.query<{ name: string; of: boolean }>(`
      select p.proname as name, bool_or(has_function_privilege(r.rolname, p.oid, 'execute')) as of
      from pg_proc as p, pg_roles as r
      where p.pronamespace = 'attune'::regnamespace and p.provolatile = 'v' and r.rolname in ('anon', 'authenticated')
        and coalesce(obj_description(p.oid, 'pg_proc'), '') not like '%-mutationField%'
      group by p.oid, p.proname`);
    return rows;
  });
  const client = buildSchema(texts.client);
  const camelCase = (name: string): string => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
  const names = (of: boolean): string[] => executable.filter((row) => row.of === of).map(({ name }) => camelCase(name));
  const mutations = Object.keys(client.getMutationType()?.getFields() ?? {});
  expect(names(true).filter((name) => !mutations.includes(name))).toEqual([]);
  expect(names(false).filter((name) => mutations.includes(name))).toEqual([]);
  expect(names(false)).toContain("claimMails");
  // Nor the types of theirs, nor the columns that only a trusted server writes.
  expect(client.getType("ClaimedDelivery")).toBeUndefined();
  expect(texts.client).not.toMatch(/input UserPatch \{[^}]*\bisAdmin\b/);
});

test("what a client may keep has an `id`: all else is listed as what has none", async () => {
  const { rows } = await withClient(database.ownerUrl, (client) =>
    client.query<{ name: string }>(
      `select replace(initcap(replace(relname, '_', ' ')), ' ', '') as name from pg_class
       where relnamespace = 'attune'::regnamespace and relkind = 'c' order by 1`,
    ),
  );
  const isKept = ({ name }: GraphQLObjectType) =>
    rows.some((row) => row.name === name) || fieldsOf(objects()).some(({ type }) => String(type) === `[${name}!]!`);
  const kept = objects().filter((type) => isKept(type) && !/(Edge|Aggregates)$/.test(type.name));
  for (const { name } of objects())
    expect(`${name} ${texts.withoutId.includes(name)}`).toBe(`${name} ${field(name, "id") === undefined}`);
  expect(kept.map(({ name }) => name).filter((name) => texts.withoutId.includes(name))).toEqual(NO_OBJECTS);
});

/** All that has a description: types, fields, arguments, members of inputs, and values of enums. */
const described = (): { name: string; description: string | null | undefined }[] =>
  Object.values(schema.getTypeMap()).flatMap((type) => {
    if (type.name.startsWith("__") || isSpecifiedScalarType(type)) return [];
    const fields = isObjectType(type) ? Object.values(type.getFields()) : [];
    const inputs = isInputObjectType(type) ? Object.values(type.getFields()) : [];
    const values = isEnumType(type) ? type.getValues() : [];
    return [
      { name: type.name, description: type.description },
      ...[...fields, ...inputs, ...values].map(({ name, description }) => ({
        name: `${type.name}.${name}`,
        description,
      })),
      ...fields.flatMap(({ name: of, args }) =>
        args.map(({ name, description }) => ({ name: `${type.name}.${of}(${name})`, description })),
      ),
    ];
  });

test("every type, field, argument and value of an enum is described", () => {
  const missing = described().flatMap(({ name, description }) => (description ? [] : [name]));
  // Of a function's argument: a line `@param name What it is.` at the head of the function's comment; of an enum's value:
  // `@value label What it means.` at that of the type's, and `enumDescriptions` in a JSON Schema.
  expect(missing).toEqual([]);
});

test("an order and a group say by what, as the row has it", () => {
  const said = described().flatMap(({ name, description }) => {
    const [, type = "", kind = "", value = ""] = /^(\w+)(OrderBy|GroupBy)\.(\w+)$/.exec(name) ?? [];
    const [, by = ""] = /`(\w+)`/.exec(description ?? "") ?? [];
    return kind === "" || by === "" ? [] : [{ type, value, by, description }];
  });
  expect(said.length).toBeGreaterThan(100);
  expect(said.filter(({ type, by }) => field(type, by) === undefined)).toEqual([]);
  expect(said).toContainEqual({
    type: "ConfigurationAuditLog",
    value: "OCCURRED_AT_DESC",
    by: "occurredAt",
    description: "By `occurredAt`, the latest first.",
  });
});

test("every description is ours: none begins as one of PostGraphile's own", () => {
  const root = resolve(import.meta.dirname, "../node_modules");
  const sources = globSync("{graphile-build,graphile-build-pg,@graphile/pg-aggregates}/dist/**/*.js", { cwd: root })
    .map((file) => readFileSync(resolve(root, file), "utf8"))
    .join("\n");
  // Up to the first name that it puts in.
  const stock = Array.from(
    sources.matchAll(/(?:escription(?:\(|:|\s*=|\s*\?\?)\s*)+(["`])((?:(?!\1|\$\{)[^\\]){14,})/g),
    ([, , words = ""]) => words.trim(),
  );
  expect(stock.length).toBeGreaterThan(50);
  const theirs = described().filter(({ description }) => {
    const line = (description ?? "").replaceAll(/\s+/g, " ");
    return stock.some((words) => line.startsWith(words));
  });
  expect(theirs.map(({ name, description }) => `${name}: ${description ?? ""}`)).toEqual([]);
});

describe("comments name things as SQL does, descriptions as GraphQL does", () => {
  test("functions, arguments, columns and tables", () => {
    expect(field("Mutation", "setSetting")?.description).toMatch(/Refused as `setPreference` and `setGlobalSetting`/);
    expect(field("Mutation", "setGlobalSetting")?.description).toMatch(/With `isEnforced` .* a `rolloutPercentage`/);
    expect(field("Mutation", "purgeAudit")?.description).toMatch(/leaves a row in `maintenanceOperations`/);
  });

  test("reasons and other values stay as they are", () => {
    expect(field("Mutation", "setSetting")?.description).not.toMatch(/notSignedIn/);
    expect(field("Mutation", "setPreference")?.description).toMatch(/`setting_enforced`/);
  });

  test("no comment uses a name of GraphQL that SQL has not", async () => {
    const { rows } = await withClient(database.ownerUrl, (client) =>
      client.query<{ description: string }>(
        "select description from pg_description where objoid in (select oid from pg_proc union select oid from pg_class)",
      ),
    );
    const graphql = new Set(described().flatMap(({ name }) => name.match(/\w+/g) ?? []));
    const used = rows.flatMap(({ description }) =>
      [...description.matchAll(/`([a-z]+[A-Z]\w*)`/g)].filter(([, name = ""]) => graphql.has(name)),
    );
    expect(rows.length).toBeGreaterThan(500);
    expect(used.map(([name]) => name)).toEqual([]);
  });

  test("no name of SQL is left that has another in GraphQL", async () => {
    const { rows } = await withClient(database.ownerUrl, (client) =>
      client.query<{ name: string }>(`
        with names as (
          select proname::text as name from pg_proc where pronamespace = 'attune'::regnamespace
          union select unnest(proargnames) from pg_proc where pronamespace = 'attune'::regnamespace
          union select a.attname from pg_attribute as a join pg_class as c on c.oid = a.attrelid
            where c.relnamespace = 'attune'::regnamespace and c.relkind in ('r', 'c')
        )
        select name from names where name like '%\\_%'`),
    );
    const sql = new Set(rows.map(({ name }) => name));
    expect(sql.size).toBeGreaterThan(100);
    const left = described().filter(({ description }) =>
      [...(description ?? "").matchAll(/`(\w+)`/g)].some(([, name = ""]) => sql.has(name)),
    );
    expect(left).toEqual([]);
  });
});

test("rows of a table are a connection, at the root and on relations; what a function computes is a list", () => {
  const fields = Object.values(schema.getTypeMap())
    .filter(isObjectType)
    .filter(({ name }) => !/^__|(Connection|Payload)$/.test(name))
    .flatMap((type) => Object.values(type.getFields()).map((each) => ({ of: type.name, ...each })));
  const firstOf = ({ args }: { args: readonly GraphQLArgument[] }): string | undefined =>
    args.find(({ name }) => name === "first")?.type.toString();

  const connections = fields.filter(({ type }) => getNamedType(type).name.endsWith("Connection"));
  expect(connections.map(({ name }) => name)).toEqual(expect.arrayContaining(["users", "plans", "planSettings"]));
  expect(connections.filter((each) => firstOf(each) !== "Int!")).toEqual([]);

  const lists = fields.filter(({ type }) => isListType(getNullableType(type)) && isObjectType(getNamedType(type)));
  expect(lists.map(({ name }) => name)).toContain("effectiveSettings");
  // What is part of a value, as the categories of counts are, comes whole.
  const computed = lists.filter(({ of }) => of === "Query");
  expect(computed.filter((each) => firstOf(each) !== "Int")).toEqual([]);
  // An event leads to the few rows that it is about.
  const events = new Set(fieldsOf([schema.getSubscriptionType()]).map(({ type }) => getNamedType(type).name));
  const whole = lists.filter(({ of }) => !events.has(of));
  expect(whole.filter(({ type }) => `${getNamedType(type).name}Connection` in schema.getTypeMap())).toEqual([]);
});

test("names are simplified: nothing is called after the columns by which it is found", () => {
  const people = /^(approved|closed|created|updated|changed|held|invited|order|group|writable)By/;
  const long = described()
    .flatMap(({ name }) => name.match(/\w+/g) ?? [])
    .filter((name) => /[a-z]By[A-Z]/.test(name) && !people.test(name) && !/^[A-Z]\w*(OrderBy|GroupBy)/.test(name));
  expect(long).toEqual([]);
});

test("what is one row at most has no list beside it, which one query could not ask for as well", () => {
  const pairs = Object.values(schema.getTypeMap()).flatMap((type) => {
    if (!isObjectType(type) || ["Query", "Mutation"].includes(type.name)) return [];
    const fields = type.getFields();
    return Object.keys(fields)
      .filter((name) => [`${name}s`, name.replace(/y$/, "ies")].some((list) => list !== name && list in fields))
      .map((name) => `${type.name}.${name}`);
  });
  expect(pairs).toEqual([]);
  expect(field("SettingDefinition", "globalSetting")).toBeDefined();
});

/** All object types but the two at the top. */
const objects = (): GraphQLObjectType[] =>
  Object.values(schema.getTypeMap())
    .filter(isObjectType)
    .filter(({ name }) => !name.startsWith("__") && !["Query", "Mutation", "Subscription"].includes(name));
const fieldsOf = (types: readonly (GraphQLObjectType | null | undefined)[]) =>
  types.flatMap((type) =>
    Object.values(type?.getFields() ?? {}).map((of) => ({ ...of, path: `${type?.name ?? ""}.${of.name}` })),
  );

describe("what may be null", () => {
  test("at the top all, so that a refusal leaves the others", () => {
    const top = fieldsOf([schema.getQueryType(), schema.getMutationType()]);
    expect(top.length).toBeGreaterThan(100);
    expect(top.filter(({ type }) => isNonNullType(type)).map(({ path }) => path)).toEqual([]);
  });

  test("no element of a list, in or out; of groups a key is null where its column is", () => {
    const fields = fieldsOf([...objects(), schema.getQueryType()]);
    const inputs = Object.values(schema.getTypeMap()).flatMap((type) =>
      isInputObjectType(type)
        ? Object.values(type.getFields()).map((of) => ({ ...of, path: `${type.name}.${of.name}` }))
        : [],
    );
    const args = fields.flatMap(({ path, args: all }) => all.map((of) => ({ ...of, path: `${path}(${of.name})` })));
    const withNulls = [...fields, ...inputs, ...args].filter(({ type }) => {
      const list = getNullableType(type);
      return isListType(list) && !isNonNullType(list.ofType);
    });
    expect(withNulls.map(({ path }) => path).filter((path) => !path.endsWith("Aggregates.keys"))).toEqual([]);
  });

  test("of a payload nothing, unless its function, or the attribute that it comes from, is tagged `@nullable`", async () => {
    const { rows } = await withClient(database.ownerUrl, (client) =>
      client.query<{ name: string }>(
        `select replace(initcap(replace(p.proname, '_', ' ')), ' ', '') || 'Payload' as name from pg_proc as p
         where p.pronamespace = 'attune'::regnamespace
           and (
             obj_description(p.oid, 'pg_proc') like '%@nullable%'
             or obj_description(p.prorettype, 'pg_type') like '%@payload%' and exists (
               select from pg_type as t join pg_attribute as a on a.attrelid = t.typrelid
               where t.oid = p.prorettype and col_description(a.attrelid, a.attnum) like '%@nullable%'
             )
           )`,
      ),
    );
    const told = fieldsOf(objects().filter(({ name }) => name.endsWith("Payload")));
    const nullable = told.filter(({ name, type }) => name !== "clientMutationId" && !isNonNullType(type));
    expect(nullable.map(({ path }) => path.split(".")[0])).toEqual(rows.map(({ name }) => name).toSorted());
  });
});

test("every row of a table is known to a cache by its `id`", () => {
  const rows = [...text.matchAll(/^ {2}nodes: \[(\w+)!\]!$/gm)].map(([, name = ""]) => name);
  expect(rows.length).toBeGreaterThan(5);
  for (const name of [...rows, "TeamMember", "GlobalSetting"])
    expect(`${name}.id: ${String(field(name, "id")?.type)}`).toMatch(/!$/);
});

test("arguments without a default are required, except a setting's value, whose null is a value", () => {
  const inputTypes = (name: string): string[] => {
    const inputs = schema.getType(name);
    return isInputObjectType(inputs)
      ? Object.values(inputs.getFields()).map((of) => `${of.name}: ${String(of.type)}`)
      : [];
  };
  expect(inputTypes("SetPreferenceInput")).toEqual([
    "clientMutationId: String",
    "expectedUpdatedAt: Datetime",
    "isWhole: Boolean",
    "key: String!",
    "projectId: UUID",
    "value: JSON",
  ]);
  expect(inputTypes("SetPreferencesInput")).toEqual(["clientMutationId: String", "patch: JSON!", "projectId: UUID"]);
  expect(field("Query", "effectiveSettings")?.args.map(({ name, type }) => `${name}: ${String(type)}`)).toEqual([
    "category: String",
    "first: Int",
    "projectId: UUID",
    "targetingKey: String",
  ]);
});

test("nobody can name what they may not write", () => {
  const patch = schema.getType("UserPatch");
  const names = isInputObjectType(patch) ? Object.keys(patch.getFields()) : [];
  expect(names).toContain("timezone");
  for (const name of ["id", "createdAt"]) expect(names).not.toContain(name);
  for (const mutation of ["createUser", "deleteUser", "createConfigurationAuditLog", "deleteConfigurationAuditLog"]) {
    expect(field("Mutation", mutation)).toBeUndefined();
  }
});

test("there is one way to write a thing: no generated mutation beside a verb", () => {
  const mutations = Object.values(schema.getMutationType()?.getFields() ?? {});
  const verbs = mutations.flatMap(({ name }) => /^(?:re)?set(\w+)$/.exec(name)?.[1] ?? []);
  expect(verbs).toContain("GlobalSetting");
  const generated = mutations.filter(({ type }) => getNamedType(type).description?.startsWith("What is told when"));
  expect(generated.map(({ name }) => name)).toContain("deleteCredentialProvider");
  const twice = generated
    .map(({ name }) => name)
    .filter((name) => verbs.includes(/^(?:create|update|delete)(?:User|Project)?(\w+)$/.exec(name)?.[1] ?? ""));
  expect(twice).toEqual([]);
});

describe("what is asked through it", () => {
  let server: TestServer;
  let admin: TestUser;
  const users: TestUser[] = [];

  beforeAll(async () => {
    server = await createTestServer(database);
    admin = await database.createUser("admin@example.com", { admin: true });
    for (const name of ["ada", "bob", "eve"]) users.push(await database.createUser(`${name}@example.com`));
  });
  afterAll(() => server.close());

  const set = (value: unknown, token?: string) =>
    server.graphql<{ setPreference: { effectiveSetting: object; query: { viewer: object } } }>(
      `mutation ($value: JSON) {
        setPreference(input: { key: "DARK_MODE_ENABLED", value: $value }) { effectiveSetting { key value layer } query { viewer { email } } }
      }`,
      { value },
      token,
    );

  test("a change answers with what applies now, and with all that may be asked then", async () => {
    const { body } = await set(true, users[0]?.token);
    expect(body).toEqual({
      data: {
        setPreference: {
          effectiveSetting: { key: "DARK_MODE_ENABLED", value: true, layer: "user" },
          query: { viewer: { email: "ada@example.com" } },
        },
      },
    });
  });

  test("JSON null is a value, and this setting's schema refuses it", async () => {
    const { body } = await set(null, users[0]?.token);
    expect(body.errors).toMatchObject([{ extensions: { code: "PT422", reason: "invalid_value" } }]);
  });

  test("an administrator counts who turned something on, and a user counts only themselves", async () => {
    await Promise.all([set(true, users[1]?.token), set(false, users[2]?.token)]);
    const query = `{
      userPreferences(filter: { key: { equalTo: "DARK_MODE_ENABLED" } }) {
        groupedAggregates(groupBy: VALUE) { keys distinctCount { userId } }
      }
    }`;
    const counted = async (token?: string) => (await server.graphql(query, {}, token)).body.data;
    expect(await counted(admin.token)).toEqual({
      userPreferences: {
        groupedAggregates: [
          { keys: ["false"], distinctCount: { userId: "1" } },
          { keys: ["true"], distinctCount: { userId: "2" } },
        ],
      },
    });
    expect(await counted(users[2]?.token)).toEqual({
      userPreferences: { groupedAggregates: [{ keys: ["false"], distinctCount: { userId: "1" } }] },
    });
  });
});
