/** Subscriptions: who is told of what, over WebSocket and as event streams. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  createTestDatabase,
  createTestServer,
  type TestDatabase,
  type TestServer,
  type TestUser,
} from "./support/harness.ts";
import { asEventStream, listen, overWebSocket, subscribe } from "./support/live.ts";

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
  server = await createTestServer(database, { logLevel: "info" });
  urls = await listen(server);
});
afterAll(async () => {
  await server.close();
  await database.close();
});

const SETTINGS = "subscription ($since: String) { settingsChanged(since: $since) { cursor mustRefetch keys } }";

describe.each([
  ["over WebSocket", (token?: string) => overWebSocket(urls.ws, token)],
  ["as an event stream", (token?: string) => asEventStream(urls.http, token)],
])("%s", (_door, clientOf) => {
  test("a subscriber is told of their own change, with what applies now", async () => {
    const client = clientOf(ada.token);
    const listener = subscribe(
      client,
      "subscription { settingsChanged { cursor mustRefetch keys effectiveSettings { key value } query { viewer { email } } } }",
    );
    await listener.until(({ data }) => data?.["settingsChanged"]?.keys?.length === 0);
    await server.graphql(
      'mutation { setPreference(input: { key: "DARK_MODE_ENABLED", value: false }) { clientMutationId } }',
      {},
      ada.token,
    );
    const { data } = await listener.until(({ data }) => (data?.["settingsChanged"]?.keys?.length ?? 0) > 0);
    expect(data?.["settingsChanged"]).toMatchObject({
      mustRefetch: false,
      keys: ["DARK_MODE_ENABLED"],
      effectiveSettings: [{ key: "DARK_MODE_ENABLED", value: false }],
      query: { viewer: { email: "ada@example.com" } },
    });
    listener.stop();
    client.dispose();
  });
});
