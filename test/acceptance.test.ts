/** The nine checks by hand that settings are usually accepted by, done by the machine over GraphQL. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { signToken } from "../src/sign-in/jwt.ts";
import {
  createTestDatabase,
  createTestServer,
  type TestDatabase,
  type TestServer,
  type TestUser,
} from "./support/harness.ts";

const TOGGLES = [
  "PROJECTS_ENABLED",
  "STYLE_GUIDE_ENABLED",
  "AGENT_WORK_ORDERS_ENABLED",
  "LOGFIRE_ENABLED",
  "DISCONNECT_SCREEN_ENABLED",
  "TASKS_ENABLED",
  "KNOWLEDGE_BASE_ENABLED",
  "MCP_SERVER_DASHBOARD_ENABLED",
  "DARK_MODE_ENABLED",
].toSorted();

let database: TestDatabase;
let server: TestServer;
let admin: TestUser;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await createTestServer(database);
  admin = await database.createUser("admin@example.com", { admin: true });
});

afterAll(async () => {
  await server.close();
  await database.close();
});

/** What a user reads of all settings, in one request. */
async function read(token: string, category: string | null = null): Promise<Record<string, unknown>> {
  const { body } = await server.graphql<{ settingsDocument: Record<string, unknown> }>(
    "query ($category: String) { settingsDocument(category: $category) }",
    { category },
    token,
  );
  expect(body.errors).toBeUndefined();
  return body.data?.settingsDocument ?? {};
}

/** Sets one preference, and returns the reason of a refusal. */
async function set(token: string, key: string, value: unknown): Promise<string | undefined> {
  const { body } = await server.graphql(
    "mutation ($key: String!, $value: JSON) { setPreference(input: { key: $key, value: $value }) { effectiveSetting { value } } }",
    { key, value },
    token,
  );
  return body.errors?.[0]?.extensions?.reason;
}

/** The token of the next login: another one, for the same user. */
function nextLogin({ id, email }: TestUser): Promise<string> {
  return signToken({ sub: id, role: "authenticated", email, jti: crypto.randomUUID() }, database.jwt);
}

describe("settings are accepted because", () => {
  test("a choice persists over logout and login", async () => {
    const ada = await database.createUser("persists@example.com");
    expect(await set(ada.token, "DARK_MODE_ENABLED", true)).toBeUndefined();

    const again = await nextLogin(ada);
    expect(again).not.toBe(ada.token);
    expect(await read(again)).toMatchObject({ DARK_MODE_ENABLED: true });
  });

  test("two users are isolated", async () => {
    const ada = await database.createUser("isolated-1@example.com");
    const bob = await database.createUser("isolated-2@example.com");
    await set(ada.token, "DARK_MODE_ENABLED", true);
    await set(bob.token, "TASKS_ENABLED", true);

    expect(await read(ada.token)).toMatchObject({ DARK_MODE_ENABLED: true, TASKS_ENABLED: false });
    expect(await read(bob.token)).toMatchObject({ DARK_MODE_ENABLED: false, TASKS_ENABLED: true });
  });

  test("a new user sees the defaults", async () => {
    const { token } = await database.createUser("new@example.com");

    expect(await read(token, "features")).toEqual(Object.fromEntries(TOGGLES.map((key) => [key, false])));
  });

  test.each(TOGGLES)("%s persists", async (key) => {
    const user = await database.createUser(`${key}@example.com`);
    expect(await set(user.token, key, true)).toBeUndefined();
    expect((await read(await nextLogin(user)))[key]).toBe(true);
    expect(await set(user.token, key, false)).toBeUndefined();
    expect((await read(await nextLogin(user)))[key]).toBe(false);
  });

  test("global RAG settings affect everybody, whatever users try", async () => {
    const ada = await database.createUser("rag@example.com");
    const before = await read(ada.token, "rag_strategy");
    for (const [key, value] of Object.entries(before))
      expect(await set(ada.token, key, value)).toBe("layer_not_allowed");
    const { body: refused } = await server.graphql(
      'mutation { setGlobalSetting(input: { key: "MODEL_CHOICE", value: "mine" }) { globalSetting { value } } }',
      {},
      ada.token,
    );
    expect(refused.errors?.[0]?.extensions).toMatchObject({ code: "42501", reason: "admin_required" });
    expect(await read(ada.token, "rag_strategy")).toEqual(before);

    const { body } = await server.graphql(
      'mutation { setSetting(input: { key: "MODEL_CHOICE", value: "everybodys" }) { effectiveSetting { layer } } }',
      {},
      admin.token,
    );
    expect(body).toEqual({ data: { setSetting: { effectiveSetting: { layer: "global" } } } });
    expect(await read(ada.token)).toMatchObject({ MODEL_CHOICE: "everybodys" });
  });

  test("deleting the user removes the preferences", async () => {
    const gone = await database.createUser("gone@example.com");
    const stays = await database.createUser("stays@example.com");
    await set(gone.token, "DARK_MODE_ENABLED", true);
    await set(stays.token, "DARK_MODE_ENABLED", true);

    await database.query("delete from attune.users where id = $1", [gone.id]);

    const left = await database.query("select distinct user_id from attune.user_preferences where user_id = any ($1)", [
      [gone.id, stays.id],
    ]);
    expect(left).toEqual([{ user_id: stays.id }]);
    // The token outlives the user, and is nobody's: what is not public is not there.
    expect(await read(gone.token)).toEqual({});
  });

  test("reading all settings takes one round trip", async () => {
    const { token } = await database.createUser("one-trip@example.com");
    const { body } = await server.graphql<{ effectiveSettings: { key: string; value: unknown }[] }>(
      "{ effectiveSettings { key value layer reason isEnforced canEdit category } }",
      {},
      token,
    );

    // One request, and behind it one call of one function.
    expect(body.data?.effectiveSettings.map(({ key }) => key)).toEqual(
      expect.arrayContaining([...TOGGLES, "MODEL_CHOICE"]),
    );
    const [counted] = await database.query<{ n: string }>(
      "select count(*) as n from attune.setting_definitions where audience <= 'client'",
    );
    expect(body.data?.effectiveSettings).toHaveLength(Number(counted?.n));
  });

  test("an invalid token is 401", async () => {
    const { status, body } = await server.graphql("{ settingsDocument }", {}, "not-a-token");

    expect(status).toBe(401);
    expect(body.errors?.[0]?.extensions).toMatchObject({ code: "PT401", reason: "invalid_token" });
  });

  test("a change in one tab is seen by the other on its next read", async () => {
    const user = await database.createUser("tabs@example.com");
    const [one, other] = [await nextLogin(user), await nextLogin(user)];
    expect(await read(other)).toMatchObject({ DARK_MODE_ENABLED: false });
    await set(one, "DARK_MODE_ENABLED", true);
    expect(await read(other)).toMatchObject({ DARK_MODE_ENABLED: true });
  });
});

test("an administrator counts how many users turned a setting on", async () => {
  for (const name of ["count-1", "count-2", "count-3"]) {
    const { token } = await database.createUser(`${name}@example.com`);
    await set(token, "LOGFIRE_ENABLED", name !== "count-3");
  }
  const query = `{
    userPreferences(filter: { key: { equalTo: "LOGFIRE_ENABLED" } }) {
      groupedAggregates(groupBy: VALUE) { keys distinctCount { userId } }
    }
  }`;
  type Counted = { userPreferences: { groupedAggregates: { keys: string[]; distinctCount: { userId: string } }[] } };
  const count = async (token: string) => {
    const { body } = await server.graphql<Counted>(query, {}, token);
    expect(body.errors).toBeUndefined();
    return new Map(
      body.data?.userPreferences.groupedAggregates.map(({ keys, distinctCount }) => [
        String(keys[0]),
        Number(distinctCount.userId),
      ]),
    );
  };

  const [stored] = await database.query<{ on: string; off: string }>(
    `select count(*) filter (where value = 'true') as on, count(*) filter (where value = 'false') as off
     from attune.user_preferences where key = 'LOGFIRE_ENABLED'`,
  );
  expect(await count(admin.token)).toEqual(
    new Map([
      ["true", Number(stored?.on)],
      ["false", Number(stored?.off)],
    ]),
  );
  expect(Number(stored?.on)).toBeGreaterThanOrEqual(2);

  // A user counts nobody but themselves.
  const { token } = await database.createUser("count-4@example.com");
  expect(await count(token)).toEqual(new Map());
});
