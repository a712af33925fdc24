/** What administrators write comes back as the row that is stored, with what applies to them beside it. */
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  createTestDatabase,
  createTestServer,
  type TestDatabase,
  type TestServer,
  type TestUser,
} from "./support/harness.ts";

const TEAM = "00000000-0000-4000-8000-000000000001";

/** The layers of administrators, and what names a row of each beside the key. */
const LAYERS = [
  { layer: "global", name: "Global", row: "globalSetting", place: "" },
  { layer: "plan", name: "Plan", row: "planSetting", place: ', plan: "bootstrapper"' },
  { layer: "team", name: "Team", row: "teamSetting", place: `, teamId: "${TEAM}"` },
] as const;

let database: TestDatabase;
let server: TestServer;
let admin: TestUser;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await createTestServer(database);
  admin = await database.createUser("admin@example.com", { admin: true });
  await database.query("insert into attune.teams (id, name) values ($1, 'Team')", [TEAM]);
  await database.query("insert into attune.team_members (user_id, team_id) values ($1, $2)", [admin.id, TEAM]);
  await database.query("update attune.users set current_team_id = $1 where id = $2", [TEAM, admin.id]);
  await database.query(`
    insert into attune.setting_definitions (key, category, layer, schema, default_value)
    values ('test.color', 'test', 'user', '{"type": "string"}', '"grey"')`);
});

afterAll(async () => {
  await server.close();
  await database.close();
});

async function write(field: string, row: string, more: string): Promise<unknown> {
  const { body } = await server.graphql<Record<string, Record<string, unknown>>>(
    `mutation { ${field}(input: { key: "test.color"${more} }) {
      ${row} { key value isEnforced effectiveSetting { key value layer userId projectId targetingKey } }
    } }`,
    {},
    admin.token,
  );
  expect(body.errors).toBeUndefined();
  return body.data?.[field]?.[row];
}

test.each(LAYERS)("of the $layer layer: the row and its effect, of which none is older", async (of) => {
  const who = { key: "test.color", userId: admin.id, projectId: null, targetingKey: null };
  const stored = { key: "test.color", value: "red", isEnforced: true };
  expect(await write(`set${of.name}Setting`, of.row, `${of.place}, value: "red", isEnforced: true`)).toEqual({
    ...stored,
    effectiveSetting: { ...who, value: "red", layer: of.layer },
  });
  expect(await write(`reset${of.name}Setting`, of.row, of.place)).toEqual({
    ...stored,
    effectiveSetting: { ...who, value: "grey", layer: "default" },
  });
  expect(await write(`reset${of.name}Setting`, of.row, of.place)).toBeNull();
});

test("of a rollout that the administrator is not in: what is stored, and that it does not apply to them", async () => {
  expect(await write("setGlobalSetting", "globalSetting", ', value: "red", rolloutPercentage: 0')).toMatchObject({
    value: "red",
    effectiveSetting: { value: "grey", layer: "default" },
  });
  await write("resetGlobalSetting", "globalSetting", "");
});

test("where there is no split to end, there is no row", async () => {
  const { body } = await server.graphql(
    'mutation { setGlobalVariants(input: { key: "test.color", variants: null }) { globalSetting { key } } }',
    {},
    admin.token,
  );
  expect(body).toEqual({ data: { setGlobalVariants: { globalSetting: null } } });
});

test("of a user: whose setting it is", async () => {
  const user = await database.createUser("user@example.com");
  await database.query("update attune.setting_definitions set writable_by = 'admin' where key = 'test.color'");
  const effect = `effectiveSetting { value layer userId }`;
  const { body } = await server.graphql(
    `mutation ($userId: UUID!) {
      set: setUserSetting(input: { userId: $userId, key: "test.color", value: "blue" }) { ${effect} }
      reset: resetUserSetting(input: { userId: $userId, key: "test.color" }) { ${effect} }
    }`,
    { userId: user.id },
    admin.token,
  );
  expect(body).toEqual({
    data: {
      set: { effectiveSetting: { value: "blue", layer: "user", userId: user.id } },
      reset: { effectiveSetting: { value: "grey", layer: "default", userId: user.id } },
    },
  });
});
