/** Subscriptions: who is told of what, over WebSocket and as an event stream. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  createTestDatabase,
  createTestServer,
  type TestDatabase,
  type TestServer,
  type TestUser,
} from "./support/harness.ts";
import { asEventStream, listen, type Listener, overWebSocket, subscribe } from "./support/live.ts";

const TEAM = "00000000-0000-4000-8000-000000000001";

let database: TestDatabase;
let server: TestServer;
let urls: { http: string; ws: string };
let ada: TestUser;
let bob: TestUser;
let root: TestUser;

beforeAll(async () => {
  database = await createTestDatabase();
  ada = await database.createUser("ada@example.com");
  bob = await database.createUser("bob@example.com");
  root = await database.createUser("root@example.com", { admin: true });
  await database.query(`
    insert into attune.setting_definitions (key, category, layer, audience, writable_by, schema, default_value)
    values
      ('live.fence', 'live', 'user', 'client', 'user', '{"type": "integer"}', '0'),
      ('live.colour', 'live', 'project', 'client', 'user', '{"type": "string"}', '"red"'),
      ('live.secretive', 'live', 'user', 'admin', 'admin', '{"type": "string"}', '""')`);
  await database.query("insert into attune.plans (name, title) values ('studio', 'Studio') on conflict do nothing");
  await database.query("insert into attune.teams (id, name) values ($1, 'Team')", [TEAM]);
  await database.query("insert into attune.team_members (user_id, team_id) values ($1, $2)", [ada.id, TEAM]);
  await database.query("update attune.users set current_team_id = $2 where id = $1", [ada.id, TEAM]);
  await database.query("update attune.users set plan = 'studio' where id = $1", [bob.id]);
  server = await createTestServer(database);
  urls = await listen(server);
});
afterAll(async () => {
  await server.close();
  await database.close();
});

/** Does something through GraphQL as somebody, and sees that it was done. */
async function act(who: TestUser, mutation: string): Promise<void> {
  const { body } = await server.graphql(`mutation { ${mutation} }`, {}, who.token);
  expect(body.errors).toBeUndefined();
}

const set = (key: string, value: unknown): string =>
  `setPreference(input: { key: "${key}", value: ${JSON.stringify(value)} }) { clientMutationId }`;

const DOORS = [
  ["over WebSocket", (token?: string) => overWebSocket(urls.ws, token)],
  ["as an event stream", (token?: string) => asEventStream(urls.http, token)],
] as const;

describe.each(DOORS)("%s", (_door, clientOf) => {
  test("a subscriber is told at once where they begin, and then of what changes, as it applies now", async () => {
    await act(ada, set("live.colour", "red"));
    const client = clientOf(ada.token);
    const listener = subscribe(
      client,
      `subscription { settingsChanged {
        cursor mustRefetch keys effectiveSettings { key value layer } query { viewer { email } }
      } }`,
    );
    const first = await listener.until(({ data }) => data != null);
    expect(first.data?.["settingsChanged"]).toMatchObject({ mustRefetch: false, keys: [], effectiveSettings: [] });
    await act(ada, set("live.colour", "blue"));
    const { data } = await listener.until(() => listener.keys().length > 0);
    expect(listener.told).toHaveLength(2);
    expect(listener.told.at(-1)?.data?.["settingsChanged"]).toMatchObject({
      mustRefetch: false,
      keys: ["live.colour"],
      effectiveSettings: [{ key: "live.colour", value: "blue", layer: "user" }],
      query: { viewer: { email: ada.email } },
    });
    expect(data).toBeTruthy();
    listener.stop();
    client.dispose();
  });

  test("who was away is told what changed since, and goes on from there", async () => {
    const client = clientOf(ada.token);
    const before = subscribe(client, "subscription { settingsChanged { cursor keys } }");
    const { data } = await before.until(({ data }) => data != null);
    before.stop();
    await act(ada, set("live.colour", `away ${_door}`));
    await act(bob, set("live.fence", 1));
    const since = data?.["settingsChanged"]?.cursor;
    const after = subscribe(
      client,
      "subscription ($since: String) { settingsChanged(since: $since) { cursor mustRefetch keys } }",
      { since },
    );
    const { data: caught } = await after.until(({ data }) => data != null);
    expect(caught?.["settingsChanged"]).toMatchObject({ mustRefetch: false, keys: ["live.colour"] });
    expect(caught?.["settingsChanged"]?.cursor).not.toBe(since);
    after.stop();
    client.dispose();
  });

  test.each([
    ["a cursor that is none", `subscription { settingsChanged(since: "x") { cursor } }`, "invalid_cursor"],
    ["a field that there is not", "subscription { nothing }", "invalid_query"],
    ["what is no GraphQL", "subscription {", "malformed_query"],
    [
      "two fields at once",
      "subscription { settingsChanged { cursor } notificationReceived { cursor } }",
      "invalid_query",
    ],
    [
      "events that would cost too much",
      `subscription { settingsChanged { query { ${Array.from({ length: 20 }, (_, n) => `a${n}: viewer { id }`).join(" ")} } } }`,
      "too_many_root_fields",
    ],
  ])("%s is refused", async (_what, query, reason) => {
    const client = clientOf(ada.token);
    const listener = subscribe(client, query);
    const why = await listener.ended;
    expect(reasonsOf([why, listener.told])).toEqual([reason]);
    client.dispose();
  });

  test("who is signed out is told so", async () => {
    const client = clientOf();
    const listener = subscribe(client, "subscription { settingsChanged { cursor } }");
    expect(reasonsOf([await listener.ended, listener.told])).toEqual(["not_signed_in"]);
    client.dispose();
  });

  test("a trusted server is nobody whose settings could change", async () => {
    const client = clientOf(database.tokenOf("service_role"));
    const listener = subscribe(client, "subscription { settingsChanged { cursor } }");
    expect(reasonsOf([await listener.ended, listener.told])).toEqual(["not_signed_in"]);
    client.dispose();
  });
});

/** The reasons in whatever was told. */
function reasonsOf(told: unknown): string[] {
  // A connection that is closed says it there.
  const [why]: unknown[] = Array.isArray(told) ? told : [];
  if (typeof why === "object" && why !== null && "reason" in why && typeof why.reason === "string") return [why.reason];
  return Array.from(JSON.stringify(told).matchAll(/"reason":"(\w+)"/g), ([, reason = ""]) => reason);
}

test("queries and mutations are for POST, and a subscription is not for an answer", async () => {
  for (const [, clientOf] of DOORS) {
    const client = clientOf(ada.token);
    for (const query of ["{ viewer { id } }", `mutation { ${set("live.colour", "no")} }`]) {
      const listener = subscribe(client, query);
      expect(reasonsOf([await listener.ended, listener.told])).toEqual(["wrong_transport"]);
    }
    client.dispose();
  }
  const { body } = await server.graphql("subscription { settingsChanged { cursor } }", {}, ada.token);
  expect(body.errors?.[0]?.extensions).toMatchObject({ reason: "wrong_transport", code: "BAD_USER_INPUT" });
});

test("who takes both gets an answer to a query, and a stream for a subscription", async () => {
  const accept = "application/graphql-response+json, application/json, text/event-stream, multipart/mixed";
  const ask = (query: string) =>
    fetch(urls.http, {
      method: "POST",
      headers: { accept, "content-type": "application/json", authorization: `Bearer ${ada.token}` },
      body: JSON.stringify({ query }),
    });
  const answer = await ask("{ viewer { email } }");
  expect(await answer.json()).toEqual({ data: { viewer: { email: ada.email } } });
  const stream = await ask("subscription { settingsChanged { keys } }");
  expect(Object.fromEntries(stream.headers)).toMatchObject({
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
    "x-content-type-options": "nosniff",
  });
  const reader = stream.body?.pipeThrough(new TextDecoderStream()).getReader();
  expect((await reader?.read())?.value).toBe('event: next\ndata: {"data":{"settingsChanged":{"keys":[]}}}\n\n');
  await reader?.cancel();
});

describe("three users at once", () => {
  const listeners = new Map<TestUser, Listener>();
  const clients: { dispose: () => void }[] = [];

  beforeAll(async () => {
    for (const who of [ada, bob, root]) {
      const client = overWebSocket(urls.ws, who.token);
      clients.push(client);
      const listener = subscribe(client, "subscription { settingsChanged { cursor mustRefetch keys } }");
      await listener.until(({ data }) => data != null);
      listeners.set(who, listener);
    }
  });
  afterAll(() => clients.forEach((client) => client.dispose()));

  let fence = 10;
  /** Who was told of a key up to now. */
  async function toldOf(key: string): Promise<string[]> {
    fence += 1;
    for (const who of listeners.keys()) await act(who, set("live.fence", fence));
    for (const listener of listeners.values()) await listener.until(() => listener.keys().includes("live.fence"));
    return Array.from(listeners)
      .filter(([, listener]) => listener.keys().includes(key))
      .map(([{ email }]) => email.split("@")[0] ?? "");
  }

  const global = (key: string, rest: string): string =>
    `setGlobalSetting(input: { key: "${key}", ${rest} }) { clientMutationId }`;

  test.each<[string, () => Promise<unknown>, string, string[]]>([
    ["their own preference", () => act(ada, set("live.colour", "green")), "live.colour", ["ada"]],
    [
      "their own in a project",
      async () => {
        await act(bob, `createProject(input: { name: "P" }) { project { id } }`);
        const [project] = await database.query<{ id: string }>(
          "select project_id as id from attune.project_members where user_id = $1",
          [bob.id],
        );
        await act(
          bob,
          `setPreference(input: { key: "live.colour", value: "pink", projectId: "${project?.id}" }) { clientMutationId }`,
        );
      },
      "live.colour",
      ["bob"],
    ],
    [
      "their team's",
      () =>
        act(
          root,
          `setTeamSetting(input: { teamId: "${TEAM}", key: "live.colour", value: "blue" }) { clientMutationId }`,
        ),
      "live.colour",
      ["ada"],
    ],
    [
      "their plan's",
      () =>
        act(root, `setPlanSetting(input: { plan: "studio", key: "live.colour", value: "grey" }) { clientMutationId }`),
      "live.colour",
      ["bob"],
    ],
    ["everybody's", () => act(root, global("live.colour", 'value: "white"')), "live.colour", ["ada", "bob", "root"]],
    ["a lock", () => act(root, global("live.colour", "isEnforced: true")), "live.colour", ["ada", "bob", "root"]],
    [
      "a rollout",
      () => act(root, global("live.colour", "isEnforced: false, rolloutPercentage: 50")),
      "live.colour",
      ["ada", "bob", "root"],
    ],
    [
      "a definition",
      () =>
        act(
          root,
          'updateSettingDefinition(input: { key: "live.colour", patch: { defaultValue: "black" } }) { clientMutationId }',
        ),
      "live.colour",
      ["ada", "bob", "root"],
    ],
    [
      "what only administrators are shown",
      () => act(root, global("live.secretive", 'value: "x"')),
      "live.secretive",
      ["root"],
    ],
    [
      "a change of plan",
      () => database.query("update attune.users set plan = 'bootstrapper' where id = $1", [bob.id]),
      "live.colour",
      ["bob"],
    ],
    ["a change of team", () => act(ada, "setCurrentTeam(input: {}) { clientMutationId }"), "live.colour", ["ada"]],
  ])("%s is told to whom it concerns", async (_what, change, key, whom) => {
    for (const { told } of listeners.values()) told.length = 0;
    await change();
    for (const [who, listener] of listeners)
      if (whom.includes(who.email.split("@")[0] ?? "")) await listener.until(() => listener.keys().includes(key));
    expect(await toldOf(key)).toEqual(whom);
  });
});

test("what happens in the inbox is told to its owner, wherever it was done", async () => {
  const clients = [bob, ada].map((who) => overWebSocket(urls.ws, who.token));
  const [own, others] = clients.map((client) =>
    subscribe(
      client,
      `subscription { notificationReceived {
        notificationIds notifications { id title readAt } query { notificationCounts { unread } }
      } }`,
    ),
  );
  if (own === undefined || others === undefined) throw new Error("There are no listeners");
  await own.until(({ data }) => data != null);
  await others.until(({ data }) => data != null);
  await act(
    root,
    `createNotification(input: { category: "system", title: "Hello", userId: "${bob.id}" }) { clientMutationId }`,
  );
  const { data } = await own.until(({ data }) => JSON.stringify(data).includes("Hello"));
  const [id] = (data?.["notificationReceived"]?.["notificationIds"] ?? []) as string[];
  expect(data?.["notificationReceived"]).toMatchObject({
    notifications: [{ id, title: "Hello", readAt: null }],
    query: { notificationCounts: { unread: 1 } },
  });
  await act(bob, `markNotificationsRead(input: { ids: ["${id}"] }) { clientMutationId }`);
  const { data: later } = await own.until(({ data }) => JSON.stringify(data).includes('"readAt":"'));
  expect(later?.["notificationReceived"]).toMatchObject({
    notificationIds: [id],
    query: { notificationCounts: { unread: 0 } },
  });
  expect(others.told).toHaveLength(1);
  for (const client of clients) client.dispose();
});
