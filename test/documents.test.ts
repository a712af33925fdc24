/** Documents in GraphQL: their members and patches are typed by the schemas of their settings, whatever these say. */
import { Ajv2020, type Schema } from "ajv/dist/2020.js";
import fc from "fast-check";
import {
  buildClientSchema,
  getIntrospectionQuery,
  type GraphQLSchema,
  type IntrospectionQuery,
  getNamedType,
  type GraphQLOutputType,
  isEnumType,
  isInputObjectType,
  isObjectType,
  validateSchema,
} from "graphql";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Shape, type Value, valueOf } from "../src/graphql/json-shapes.ts";
import { memberOf, readValue } from "../src/graphql/json-values.ts";
import {
  createTestDatabase,
  createTestServer,
  type TestDatabase,
  type TestServer,
  type TestUser,
} from "./support/harness.ts";
import { isObject, type Json, mergePatch } from "./support/json.ts";
import { likelyPatch, likelyValue, randomSchema } from "./support/random-schemas.ts";

let database: TestDatabase;
let ada: TestUser;

beforeAll(async () => {
  database = await createTestDatabase();
  ada = await database.createUser("ada@example.com");
});
afterAll(() => database.close());

type Answer = {
  data?: unknown;
  errors?: { message: string; extensions?: { reason?: string } }[];
};

const reasonsOf = ({ errors = [] }: Answer): (string | undefined)[] =>
  errors.map(({ extensions }) => extensions?.reason);

describe("what is shipped", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await createTestServer(database);
  });
  afterAll(() => server.close());

  const ask = async (query: string, variables = {}): Promise<Answer> =>
    (await server.graphql<Record<string, unknown>>(query, variables, ada.token)).body;

  test("the settings page in one request, all of it", async () => {
    const day = "{ enabled start end }";
    const choices =
      "{ leadUpdates meetingReminders bantQualifications calendlyBookings heatProgressions emailDigest generationComplete qualityAlerts weeklyReport }";
    const service = "{ enabled autoSync defaults }";
    const answer = await ask(`{
      appPreferences {
        interfaceSettings { theme language rtl sidebarCollapsed tableDensity rowsPerPage enableAnimations }
        dataPreferences {
          dateFormat numberFormat currency timezone
          defaultFilters { autoApply tier status qualityRange { min max } }
        }
        featurePreferences { beta debug }
        integrationSettings { calendly ${service} whatsapp ${service} email ${service} }
      }
      notificationSettings {
        emailNotifications ${choices} pushNotifications ${choices} smsNotifications ${choices}
        notificationSchedule {
          timezone
          workingHours { enabled monday ${day} tuesday ${day} wednesday ${day} thursday ${day} friday ${day} saturday ${day} sunday ${day} }
          quietHours ${day}
        }
      }
      dashboardSettings {
        projectId
        widgetVisibility { metrics monthlyPerformance leadsConversions revenueChannel pieCharts recentActivity insights performanceTargets }
        widgetLayout { positions sizes collapsed }
        dashboardPreferences { defaultView autoRefresh refreshInterval compactMode }
      }
      aiConfiguration { model maxTokens temperature topP fallbackModels isActive }
    }`);
    expect(answer).toMatchObject({
      data: {
        appPreferences: {
          interfaceSettings: { theme: "system", rowsPerPage: 25 },
          dataPreferences: { timezone: "UTC", defaultFilters: { tier: [], qualityRange: { min: 0, max: 100 } } },
          integrationSettings: { calendly: { enabled: false, autoSync: false, defaults: {} } },
        },
        notificationSettings: {
          emailNotifications: { leadUpdates: true },
          notificationSchedule: { timezone: null, workingHours: { sunday: { enabled: false, start: "09:00" } } },
        },
        dashboardSettings: { projectId: null, widgetLayout: { positions: {} } },
        aiConfiguration: { model: "claude-sonnet-4-5-20250929", fallbackModels: [] },
      },
    });
    expect(answer.errors).toBeUndefined();
  });

  test("a patch says what changes, and null resets", async () => {
    const update =
      "mutation ($patch: AppPreferencesPatch!) { updateAppPreferences(input: { patch: $patch }) { appPreferences { interfaceSettings { theme rowsPerPage } dataPreferences { defaultFilters { tier } } } } }";
    const changed = {
      interfaceSettings: { theme: "dark", rowsPerPage: 50 },
      dataPreferences: { defaultFilters: { tier: ["gold"] } },
    };
    expect(await ask(update, { patch: changed })).toEqual({
      data: { updateAppPreferences: { appPreferences: changed } },
    });
    expect(await ask(update, { patch: { interfaceSettings: { rowsPerPage: null }, dataPreferences: null } })).toEqual({
      data: {
        updateAppPreferences: {
          appPreferences: {
            interfaceSettings: { theme: "dark", rowsPerPage: 25 },
            dataPreferences: { defaultFilters: { tier: [] } },
          },
        },
      },
    });
    expect(await ask(update, { patch: { interfaceSettings: null } })).toMatchObject({
      data: { updateAppPreferences: { appPreferences: { interfaceSettings: { theme: "system" } } } },
    });
  });

  test.each([
    ["no patch", "{}"],
    ["a misspelled member", "{ patch: { interfaceSetings: {} } }"],
    ["a misspelled member inside", "{ patch: { interfaceSettings: { colour: 1 } } }"],
    ["a word that is none of the schema's", "{ patch: { interfaceSettings: { theme: pink } } }"],
    ["a value of another type", '{ patch: { interfaceSettings: { rowsPerPage: "many" } } }'],
    ["null for the whole", "{ patch: null }"],
    ["a list with a null", "{ patch: { dataPreferences: { defaultFilters: { tier: [null] } } } }"],
  ])("%s does not validate", async (_, input) => {
    const answer = await ask(`mutation { updateAppPreferences(input: ${input}) { appPreferences { userId } } }`);
    expect(reasonsOf(answer)).toEqual(["invalid_query"]);
  });

  test("what the schema alone can say is refused by the database, with its place", async () => {
    const answer = await ask(
      "mutation { updateAppPreferences(input: { patch: { interfaceSettings: { rowsPerPage: 1 } } }) { appPreferences { userId } } }",
    );
    expect(reasonsOf(answer)).toEqual(["invalid_value"]);
    expect(answer.errors?.[0]?.message).toMatch(/rowsPerPage: must be >= 5/);
  });

  test("a member that is JSON keeps every digit, one that is a Float is JavaScript's", async () => {
    const long = "1234567890.12345678901234567890";
    const update = (defaults: string, max: string): string =>
      `{ patch: { integrationSettings: { email: { defaults: ${defaults} } }, dataPreferences: { defaultFilters: { qualityRange: { max: ${max} } } } } }`;
    const selection =
      "appPreferences { integrationSettings { email { defaults } } dataPreferences { defaultFilters { qualityRange { max } } } }";
    const raw = async (query: string, variables = "{}"): Promise<string> =>
      (
        await server.app.inject({
          method: "POST",
          url: "/graphql",
          headers: { authorization: `Bearer ${ada.token}`, "content-type": "application/json" },
          payload: `{"query": ${JSON.stringify(query)}, "variables": ${variables}}`,
        })
      ).body;
    const literal = await raw(
      `mutation { updateAppPreferences(input: ${update(`{ n: ${long}, m: 1.50 }`, "99.12345678901234567890")}) { ${selection} } }`,
    );
    expect(literal).toContain(`{"m":1.50,"n":${long}}`);
    expect(literal).toContain(`"max":99.12345678901235`);
    const variable = await raw(
      `mutation ($patch: AppPreferencesPatch!) { updateAppPreferences(input: { patch: $patch }) { ${selection} } }`,
      `{"patch": {"integrationSettings": {"email": {"defaults": {"n": ${long}, "m": 2.50}}}, "dataPreferences": {"defaultFilters": {"qualityRange": {"max": 1e1}}}}}`,
    );
    expect(variable).toContain(`{"m":2.50,"n":${long}}`);
    expect(variable).toContain(`"max":10`);
  });

  test("the parts of a configuration that are no JSON", async () => {
    const selection = "aiConfiguration { model maxTokens temperature topP fallbackModels isActive userId }";
    const answer = await ask(
      `mutation { updateAiConfiguration(input: { patch: { model: "big", temperature: 0.5, fallbackModels: ["small"] } }) { ${selection} } }`,
    );
    expect(answer).toEqual({
      data: {
        updateAiConfiguration: {
          aiConfiguration: {
            model: "big",
            maxTokens: 4096,
            temperature: 0.5,
            topP: 1,
            fallbackModels: ["small"],
            isActive: true,
            userId: ada.id,
          },
        },
      },
    });
    expect(
      await ask(
        "mutation { updateAiConfiguration(input: { patch: { model: null, fallbackModels: null } }) { aiConfiguration { model fallbackModels } } }",
      ),
    ).toEqual({
      data: { updateAiConfiguration: { aiConfiguration: { model: "claude-sonnet-4-5-20250929", fallbackModels: [] } } },
    });
  });

  test("a value that came with a newer schema is told from one that fits", async () => {
    await database.query(
      `update attune.setting_definitions set schema = jsonb_set(schema, '{properties,theme,enum}', '["light", "dark", "system", "sepia"]')
       where key = 'app_preferences.interface_settings'`,
    );
    await database.query(
      "insert into attune.user_preferences (user_id, key, value) values ($1, 'app_preferences.interface_settings', $2)",
      [ada.id, { theme: "sepia" }],
    );
    try {
      const answer = await ask(
        "{ appPreferences { interfaceSettings { theme } } other: appPreferences { interfaceSettings { rtl } } }",
      );
      expect(answer.data).toEqual({
        appPreferences: { interfaceSettings: null },
        other: { interfaceSettings: { rtl: false } },
      });
      expect(reasonsOf(answer)).toEqual(["unexpected_value"]);
      expect(answer.errors?.[0]?.message).toBe(
        "app_preferences.interface_settings/theme has a value that its type can't hold",
      );
    } finally {
      await database.query("delete from attune.user_preferences");
    }
  });
});

describe("an application's own schemas", () => {
  /** A server that starts with these schemas and defaults, of which none is looked at when they are stored. */
  async function startWith(members: { key: string; schema: Json; preset: Json }[]): Promise<TestServer> {
    await database.query("alter table attune.setting_definitions disable trigger user");
    for (const { key, schema, preset } of members) {
      await database.query(
        "update attune.setting_definitions set schema = $2, default_value = $3, merge = 'replace' where key = $1",
        [key, JSON.stringify(schema), JSON.stringify(preset)],
      );
    }
    await database.query("alter table attune.setting_definitions enable trigger user");
    return createTestServer(database);
  }

  const schemaOf = async (server: TestServer): Promise<GraphQLSchema> => {
    const { body } = await server.graphql<IntrospectionQuery>(getIntrospectionQuery());
    if (!body.data) throw new Error(JSON.stringify(body.errors));
    return buildClientSchema(body.data);
  };

  test("names, lists, maps, words and references", async () => {
    const rule = {
      type: "object",
      required: ["when", "hour"],
      properties: {
        when: { enum: ["before", "after"], enumDescriptions: ["In the morning.", 1] },
        hour: { type: "integer", minimum: 0, maximum: 23 },
        "half-hour": { type: "boolean" },
      },
    };
    const schema = {
      type: "object",
      required: ["rules"],
      properties: {
        rules: { type: "array", items: rule },
        grid: { type: "array", items: { type: "array", items: { type: "integer", minimum: 0, maximum: 9 } } },
        big: { type: "integer" },
        level: { enum: [1, 2, null] },
        word: { enum: ["two words"] },
        map: { type: "object", additionalProperties: { type: "boolean" } },
        any: {},
        "row-count": { type: "integer", minimum: 0, maximum: 9 },
        tree: { $ref: "#/$defs/tree" },
      },
      $defs: { tree: { type: "object", properties: { name: { type: "string" }, parent: { $ref: "#/$defs/tree" } } } },
    };
    const preset = {
      rules: [{ when: "before", hour: 7, "half-hour": true }],
      grid: [[1], []],
      big: 2 ** 40,
      level: null,
      word: "two words",
      map: { a: true },
      any: [1, "x"],
      "row-count": 3,
      tree: { name: "leaf", parent: { name: "root", deeper: 1 } },
    };
    const server = await startWith([{ key: "app_preferences.interface_settings", schema, preset }]);
    try {
      const types = await schemaOf(server);
      const said = (name: string): Record<string, string> => {
        const type = types.getType(name);
        return isObjectType(type) || isInputObjectType(type)
          ? Object.fromEntries(Object.values(type.getFields()).map((field) => [field.name, String(field.type)]))
          : {};
      };
      expect(said("InterfaceSettings")).toEqual({
        rules: "[InterfaceSettingsRule!]!",
        grid: "[[Int!]!]",
        big: "Float",
        level: "Int",
        word: "String",
        map: "JSON",
        any: "JSON",
        rowCount: "Int",
        tree: "InterfaceSettingsTree",
      });
      expect(said("InterfaceSettingsRule")).toEqual({
        when: "InterfaceSettingsRuleWhen!",
        hour: "Int!",
        halfHour: "Boolean",
      });
      expect(said("InterfaceSettingsRuleInput")).toEqual(said("InterfaceSettingsRule"));
      expect(said("InterfaceSettingsTree")).toEqual({ name: "String", parent: "JSON" });
      expect(said("InterfaceSettingsPatch")).toMatchObject({
        rules: "[InterfaceSettingsRuleInput!]",
        tree: "InterfaceSettingsTreePatch",
      });

      const when = types.getType("InterfaceSettingsRuleWhen");
      expect(isEnumType(when) && when.getValues().map(({ name, description }) => [name, description])).toEqual([
        ["before", "In the morning."],
        ["after", null],
      ]);

      const selection =
        "{ interfaceSettings { rules { when hour halfHour } grid big level word map any rowCount tree { name parent } } }";
      const read = { ...preset, rules: [{ when: "before", hour: 7, halfHour: true }], rowCount: 3 };
      const { "row-count": _, ...interfaceSettings } = read;
      expect((await server.graphql(`{ appPreferences ${selection} }`, {}, ada.token)).body).toEqual({
        data: { appPreferences: { interfaceSettings } },
      });

      const patch = { rules: [{ when: "after", hour: 0, halfHour: false }], rowCount: 4, tree: { parent: null } };
      const { body } = await server.graphql(
        `mutation ($patch: InterfaceSettingsPatch) { updateAppPreferences(input: { patch: { interfaceSettings: $patch } }) { appPreferences { userId } } }`,
        { patch },
        ada.token,
      );
      expect(body.errors).toBeUndefined();
      const [stored] = await database.query(
        "select value from attune.user_preferences where key = 'app_preferences.interface_settings'",
      );
      expect(stored?.["value"]).toMatchObject({
        rules: [{ when: "after", hour: 0, "half-hour": false }],
        "row-count": 4,
        tree: { name: "leaf" },
      });
    } finally {
      await server.close();
      await database.query("delete from attune.user_preferences");
    }
  });

  test("one more attribute, with a setting of its name, is one more member", async () => {
    await database.query("alter type attune.app_preferences add attribute layout jsonb");
    await database.query(
      `insert into attune.setting_definitions (key, category, schema, default_value)
       values ('app_preferences.layout', 'app_preferences', '{"type": "object", "properties": {"columns": {"type": "integer", "minimum": 1, "maximum": 4}}}', '{"columns": 2}')`,
    );
    const server = await createTestServer(database);
    try {
      const { body } = await server.graphql(
        "mutation { updateAppPreferences(input: { patch: { layout: { columns: 3 } } }) { appPreferences { layout { columns } } } }",
        {},
        ada.token,
      );
      expect(body).toEqual({ data: { updateAppPreferences: { appPreferences: { layout: { columns: 3 } } } } });
    } finally {
      await server.close();
    }
  });

  const jsonMembers = [
    "app_preferences.interface_settings",
    "app_preferences.data_preferences",
    "app_preferences.feature_preferences",
    "app_preferences.integration_settings",
    "dashboard_settings.widget_visibility",
    "dashboard_settings.widget_layout",
    "dashboard_settings.dashboard_preferences",
  ];

  test("a server starts with whatever they are, and reads whatever is stored", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(
          ...jsonMembers.map((key) => fc.record({ key: fc.constant(key), schema: oddSchema, preset: oddValue })),
        ),
        async (members) => {
          const server = await startWith(members);
          try {
            const schema = await schemaOf(server);
            expect(validateSchema(schema)).toEqual([]);
            for (const field of ["appPreferences", "dashboardSettings"]) {
              const query = `{ ${field} ${selectionOf(schema.getQueryType()?.getFields()[field]?.type)} }`;
              const { body } = await server.graphql(query, {}, ada.token);
              const usual = new Set<string | undefined>(["unexpected_value", "query_too_costly"]);
              expect(reasonsOf(body).filter((reason) => !usual.has(reason))).toEqual([]);
            }
          } finally {
            await server.close();
          }
        },
      ),
      { numRuns: 2 },
    );
  });
});

/** Names that JSON has, and GraphQL may not have, or may have twice. */
const oddName = fc.constantFrom(
  "a",
  "A",
  "a-b",
  "aB",
  "a b",
  "1st",
  "",
  "größe",
  "日本",
  "__proto__",
  "__typename",
  "constructor",
  "toString",
  "id",
  "true",
  "patch",
  "clientMutationId",
);
const oddWord = fc.constantFrom("light", "Light", "two words", "true", "null", "__x", "");

/** What nobody should write as a schema, and some do. */
const oddSchema = fc.letrec<{ schema: Json }>((tie) => {
  const properties = fc.dictionary(oddName, tie("schema"), { maxKeys: 6, noNullPrototype: true });
  return {
    schema: fc.oneof(
      { maxDepth: 7, depthSize: "small", withCrossShrink: true },
      fc.constantFrom<Json[]>(
        { type: "string" },
        { type: "integer", minimum: 0, maximum: 9 },
        { type: "integer" },
        { type: "number" },
        { type: "boolean" },
        {},
        true,
        false,
        null,
        1,
        [],
        { type: "colour" },
        { type: [] },
        { type: ["string", "null"] },
        { $ref: "#" },
        { $ref: "#/$defs/a" },
        { $ref: "#/$defs/missing" },
        { $ref: "https://example.com" },
        { $ref: 1 },
        { properties: 1 },
        { type: "object", properties: [] },
        { type: "object", required: 1, properties: { a: { title: 1 } } },
      ),
      fc.record({
        enum: fc.array(fc.oneof<fc.Arbitrary<Json>[]>(oddWord, fc.constant(null), fc.constant(1)), { maxLength: 4 }),
      }),
      fc.record({ type: fc.constant("array"), items: tie("schema") }),
      fc.record({
        type: fc.constant("object"),
        properties,
        required: fc.array(oddName, { maxLength: 3 }),
        $defs: fc.record({ a: tie("schema") }),
      }),
      fc.record({
        type: fc.constant("object"),
        properties: fc
          .integer({ min: 500, max: 3000 })
          .map((size): Json =>
            Object.fromEntries(Array.from({ length: size }, (_, index) => [`m${index}`, { type: "boolean" }])),
          ),
      }),
      fc.integer({ min: 1, max: 40 }).map(doubling),
    ),
  };
}).schema;

/** Small to write down, and without an end where it is followed: each level has the one below twice. */
function doubling(levels: number): Json {
  const level = (number: number): [string, Json] => {
    const below = { $ref: `#/$defs/level${number - 1}` };
    return [
      `level${number}`,
      number === 0 ? { type: "string" } : { type: "object", properties: { a: below, b: below } },
    ];
  };
  return {
    $ref: `#/$defs/level${levels}`,
    $defs: Object.fromEntries(Array.from({ length: levels + 1 }, (_, number) => level(number))),
  };
}

const oddValue = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof<fc.Arbitrary<Json>[]>(oddWord, fc.constantFrom(0, 1.5, 1e300, -1), fc.boolean(), fc.constant(null)),
    fc.dictionary(oddName, tie("value"), { maxKeys: 5, noNullPrototype: true }),
    fc.array(tie("value"), { maxLength: 3 }),
  ),
})).value;

/** Some of what can be selected of a type, down to where a query may go. */
function selectionOf(type: GraphQLOutputType | undefined, depth = 1): string {
  const named = type && getNamedType(type);
  if (!isObjectType(named)) return "";
  const fields = Object.values(named.getFields()).filter(
    (field) => depth < 9 || !isObjectType(getNamedType(field.type)),
  );
  const some = fields.slice(0, 4).map((field) => `${field.name} ${selectionOf(field.type, depth + 1)}`);
  return `{ __typename ${some.join(" ")} }`;
}

describe("what the types promise holds for every value that a setting can have", () => {
  const ajv = new Ajv2020({ strict: false, validateFormats: false });

  test("of random schemas, with random defaults, and choices in two layers", async () => {
    const setting = randomSchema.chain((schema) =>
      fc.record({
        schema: fc.constant(schema),
        preset: likelyValue(schema),
        patches: fc.array(likelyPatch(schema), { maxLength: 2 }),
      }),
    );
    const cases = fc.sample(setting, 1000);
    const [found] = await database.query<{ obstacles: (string | null)[] }>(
      `select json_agg(attune_private.merge_obstacle(c.item -> 'schema', c.item -> 'preset') order by c.n) as obstacles
       from jsonb_array_elements($1) with ordinality as c (item, n)`,
      [JSON.stringify(cases)],
    );
    const read = { whole: 0, merged: 0 };
    for (const [index, { schema, preset, patches }] of cases.entries()) {
      const isValid = ajv.compile(schema as Schema);
      const isMerged = found?.obstacles[index] === null;
      const value = valueOf("law", "", schema, preset, isMerged);
      const layers = patches.map((patch) => mergePatch({}, patch));
      const isAllowed = [preset, ...layers.map((layer) => mergePatch(preset, layer))].every((each) => isValid(each));
      if (!isAllowed) continue;
      const applied = isMerged && isObject(preset) ? layers.filter(isObject).reduce<Json>(mergePatch, preset) : preset;
      expect({ schema, preset, layers, read: readAll(value, applied) }).toEqual({
        schema,
        preset,
        layers,
        read: declared(value.shape, applied),
      });
      if (applied === preset) read.whole += 1;
      else read.merged += 1;
    }
    expect(read.whole).toBeGreaterThan(100);
    expect(read.merged).toBeGreaterThan(30);
  });
});

/** All that a client reads of a value, member by member. */
function readAll({ shape, ...rest }: Value, json: unknown): unknown {
  const read = readValue({ shape, ...rest }, json);
  if (shape.kind === "list" && Array.isArray(read))
    return read.map((item) => readAll({ ...rest, ...shape.items }, item));
  if (shape.kind !== "object" || !isObject(read as Json)) return read ?? null;
  return Object.fromEntries(shape.members.map((member) => [member.name, readAll(member, memberOf(read, member.name))]));
}

/** What the shape says of a value, and the value has. */
function declared(shape: Shape, json: Json | undefined): Json {
  if (json === undefined || json === null) return null;
  if (shape.kind === "list" && Array.isArray(json)) return json.map((item) => declared(shape.items.shape, item));
  if (shape.kind !== "object" || !isObject(json)) return json;
  return Object.fromEntries(shape.members.map((member) => [member.name, declared(member.shape, json[member.name])]));
}
