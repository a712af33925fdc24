/** The GraphQL schema: what PostGraphile makes of the database, and that it explains itself. */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import {
  buildSchema,
  getNamedType,
  getNullableType,
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLSchema,
  isInputObjectType,
  isListType,
  isObjectType,
  isSpecifiedScalarType,
} from "graphql";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { withClient } from "../src/database/client.ts";
import { graphqlSchema } from "../src/graphql/schema.ts";
import {
  createTestDatabase,
  createTestServer,
  type TestDatabase,
  type TestServer,
  type TestUser,
} from "./support/harness.ts";

let database: TestDatabase;
let text: string;
let schema: GraphQLSchema;

beforeAll(async () => {
  database = await createTestDatabase();
  text = await graphqlSchema(database.authenticatorUrl);
  schema = buildSchema(text);
});

afterAll(() => database.close());

const field = (type: string, name: string): GraphQLField<unknown, unknown> | undefined => {
  const found = schema.getType(type);
  return isObjectType(found) ? found.getFields()[name] : undefined;
};

test("schema.graphql is what the migrations make; `npm run schema` writes it", async () => {
  const committed = await readFile(resolve(import.meta.dirname, "../schema.graphql"), "utf8");
  expect(committed === text).toBe(true);
});

/** All that has a description: types, fields, arguments, and members of inputs. */
const described = (): { name: string; description: string | null | undefined }[] =>
  Object.values(schema.getTypeMap()).flatMap((type) => {
    if (type.name.startsWith("__") || isSpecifiedScalarType(type)) return [];
    const fields = isObjectType(type) ? Object.values(type.getFields()) : [];
    const inputs = isInputObjectType(type) ? Object.values(type.getFields()) : [];
    return [
      { name: type.name, description: type.description },
      ...[...fields, ...inputs].map(({ name, description }) => ({ name: `${type.name}.${name}`, description })),
      ...fields.flatMap(({ name: of, args }) =>
        args.map(({ name, description }) => ({ name: `${type.name}.${of}(${name})`, description })),
      ),
    ];
  });

test("every type, field and argument is described", () => {
  const missing = described().flatMap(({ name, description }) => (description ? [] : [name]));
  // Of a function's argument: a line `@param name What it is.` at the head of the function's comment.
  expect(missing).toEqual([]);
});

describe("comments name things as SQL does, descriptions as GraphQL does", () => {
  test("functions, arguments, columns and tables", () => {
    expect(field("Mutation", "setSetting")?.description).toMatch(/Refused as `setPreference` and `setGlobalSetting`/);
    expect(field("Mutation", "setGlobalSetting")?.description).toMatch(/With `isEnforced` .* a `rolloutPercentage`/);
    expect(field("Mutation", "purgeAuditLog")?.description).toMatch(/leaves a row in `maintenanceOperations`/);
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
  expect(lists.filter((each) => firstOf(each) !== "Int")).toEqual([]);
  expect(lists.filter(({ type }) => `${getNamedType(type).name}Connection` in schema.getTypeMap())).toEqual([]);
});

test("names are simplified: nothing is called after the columns by which it is found", () => {
  const people = /^(created|updated|invited|order|group|writable)By/;
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

test("arguments without a default are required, except JSON, whose null is a value", () => {
  const inputs = schema.getType("SetPreferenceInput");
  const types = isInputObjectType(inputs)
    ? Object.values(inputs.getFields()).map(({ name, type }) => `${name}: ${String(type)}`)
    : [];
  expect(types).toEqual([
    "clientMutationId: String",
    "isWhole: Boolean",
    "key: String!",
    "projectId: UUID",
    "value: JSON",
  ]);
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
  for (const name of ["id", "createdAt", "updatedAt"]) expect(names).not.toContain(name);
  for (const mutation of ["createUser", "deleteUser", "createConfigurationAuditLog", "deleteConfigurationAuditLog"]) {
    expect(field("Mutation", mutation)).toBeUndefined();
  }
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
