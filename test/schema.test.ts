/** The GraphQL schema: what PostGraphile makes of the database, and that it explains itself. */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import {
  buildSchema,
  getNamedType,
  type GraphQLField,
  type GraphQLSchema,
  isInputObjectType,
  isObjectType,
  isSpecifiedScalarType,
} from "graphql";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
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

test("every type, field and argument is described", () => {
  const missing = Object.values(schema.getTypeMap()).flatMap((type) => {
    if (type.name.startsWith("__") || isSpecifiedScalarType(type)) return [];
    const fields = isObjectType(type) ? Object.values(type.getFields()) : [];
    const inputs = isInputObjectType(type) ? Object.values(type.getFields()) : [];
    return [
      { name: type.name, description: type.description },
      ...[...fields, ...inputs].map(({ name, description }) => ({ name: `${type.name}.${name}`, description })),
      ...fields.flatMap(({ name: of, args }) =>
        args.map(({ name, description }) => ({ name: `${type.name}.${of}(${name})`, description })),
      ),
    ].flatMap(({ name, description }) => (description ? [] : [name]));
  });
  // Of a function's argument: a line `@param name What it is.` at the head of the function's comment.
  expect(missing).toEqual([]);
});

test("every function of the schema attune is a field", async () => {
  const rows = await database.query<{ name: string; table: string | null }>(
    `select p.proname as name,
            (select c.relname from pg_class as c where c.reltype = p.proargtypes[0] and starts_with(p.proname::text, c.relname || '_')) as table
     from pg_proc as p
     where p.pronamespace = 'attune'::regnamespace
     order by 1`,
  );
  const camelCase = (name: string): string => name.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase());
  const types = Object.values(schema.getTypeMap()).filter(isObjectType);
  const missing = rows.filter(({ name, table }) => {
    const wanted = camelCase(table === null ? name : name.slice(table.length + 1));
    const places = table === null ? [schema.getQueryType(), schema.getMutationType()] : types;
    return !places.some((type) => type?.getFields()[wanted] !== undefined);
  });
  expect(rows.length).toBeGreaterThan(80);
  // What nobody should call belongs into attune_hidden, or attune_private.
  expect(missing).toEqual([]);
});

test("functions and short tables give lists, long tables give pages", () => {
  const typeOf = (name: string): string => String(field("Query", name)?.type);
  expect(typeOf("effectiveSettings")).toBe("[EffectiveSetting!]");
  expect(typeOf("settingDefinitions")).toBe("[SettingDefinition!]");
  expect(typeOf("users")).toBe("UserConnection");
  expect(typeOf("userPreferences")).toBe("UserPreferenceConnection");
  expect(typeOf("configurationAuditLogs")).toBe("ConfigurationAuditLogConnection");
  const pages = Object.values(schema.getQueryType()?.getFields() ?? {}).filter(({ type }) =>
    getNamedType(type).name.endsWith("Connection"),
  );
  for (const { args } of pages) expect(String(args.find(({ name }) => name === "first")?.type)).toBe("Int!");
});

test("arguments without a default are required, except JSON, whose null is a value", () => {
  const inputs = schema.getType("SetPreferenceInput");
  const types = isInputObjectType(inputs)
    ? Object.values(inputs.getFields()).map(({ name, type }) => `${name}: ${String(type)}`)
    : [];
  expect(types).toEqual(["clientMutationId: String", "key: String!", "projectId: UUID", "value: JSON"]);
  expect(field("Query", "effectiveSettings")?.args.map(({ name, type }) => `${name}: ${String(type)}`)).toEqual([
    "category: String",
    "projectId: UUID",
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
      userPreferences(condition: { key: "DARK_MODE_ENABLED" }) {
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
