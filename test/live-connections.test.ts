/** Connections for changes: whose they are and until when, and what is done to them that the protocol does not have. */
import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { signToken } from "../src/sign-in/jwt.ts";
import {
  createTestDatabase,
  createTestServer,
  type TestDatabase,
  type TestServer,
  type TestUser,
} from "./support/harness.ts";
import { asEventStream, listen, openSocket, overWebSocket, subscribe, type TestSocket } from "./support/live.ts";

const SUBSCRIBE = {
  type: "subscribe",
  id: "1",
  payload: { query: "subscription { settingsChanged { keys query { viewer { email } } } }" },
};

let database: TestDatabase;
let server: TestServer;
let urls: { http: string; ws: string };
let ada: TestUser;
let bob: TestUser;

beforeAll(async () => {
  database = await createTestDatabase();
  ada = await database.createUser("ada@example.com");
  bob = await database.createUser("bob@example.com");
  server = await createTestServer(database, { liveTimes: { init: 300 } });
  urls = await listen(server);
});
afterAll(async () => {
  await server.close();
  await database.close();
});

const bearer = (token: string): { authorization: string } => ({ authorization: `Bearer ${token}` });
const tokenFor = (who: TestUser, seconds: number): Promise<string> =>
  signToken({ sub: who.id, role: "authenticated" }, database.jwt, seconds);

/** A socket that has said who it is. */
async function signedIn(token: string): Promise<TestSocket> {
  const socket = await openSocket(urls.ws);
  socket.send({ type: "connection_init", payload: bearer(token) });
  expect(await socket.next()).toMatchObject({ type: "connection_ack", payload: { authorization: "accepted" } });
  return socket;
}

/** A session as `login` opens one, which can be ended. */
async function sessionOf(email: string): Promise<{ accessToken: string; user: string }> {
  type Tokens = { accessToken: string; userId: string };
  const { body } = await server.graphql<{ register: { sessionTokens: Tokens } }>(
    `mutation { register(input: { email: "${email}", password: "correct horse battery" }) {
      sessionTokens { accessToken userId }
    } }`,
  );
  expect(body.errors).toBeUndefined();
  const { accessToken = "", userId: user = "" } = body.data?.register.sessionTokens ?? {};
  return { accessToken, user };
}

describe("a token", () => {
  test.each([
    ["that is garbage", async () => "garbage", "invalid_token"],
    ["that has expired", () => tokenFor(ada, -10), "token_expired"],
    [
      "of a user who is gone",
      async () => {
        const eve = await database.createUser("eve@example.com");
        await database.query("delete from attune.users where id = $1", [eve.id]);
        return eve.token;
      },
      "session_ended",
    ],
  ])("%s closes the connection with its reason", async (_what, token, reason) => {
    const shown = bearer(await token());
    const socket = await openSocket(urls.ws);
    socket.send({ type: "connection_init", payload: shown });
    expect(await socket.closed).toEqual({ code: 4403, reason });
  });

  test("may come with the upgrade, and is refused there as anywhere", async () => {
    const socket = await openSocket(urls.ws, { headers: bearer(ada.token) });
    socket.send({ type: "connection_init" });
    expect(await socket.next()).toMatchObject({ payload: { authorization: "accepted" } });
    socket.send(SUBSCRIBE);
    expect(await socket.next()).toMatchObject({
      payload: { data: { settingsChanged: { query: { viewer: { email: ada.email } } } } },
    });
    socket.close();
    await expect(openSocket(urls.ws, { headers: bearer("garbage") })).rejects.toThrow("401");
  });

  test("that expires ends what is told, over WebSocket and as an event stream", async () => {
    const socket = await signedIn(await tokenFor(ada, 2));
    socket.send(SUBSCRIBE);
    const stream = subscribe(
      asEventStream(urls.http, await tokenFor(ada, 2)),
      "subscription { settingsChanged { cursor } }",
    );
    expect(await socket.closed).toEqual({ code: 4403, reason: "token_expired" });
    await stream.ended;
    expect(stream.told.at(-1)?.errors?.[0]?.extensions).toMatchObject({ reason: "token_expired", code: "PT401" });
  });

  test("is renewed by a ping, and the connection lasts as long as the new one", async () => {
    const socket = await signedIn(await tokenFor(ada, 2));
    socket.send(SUBSCRIBE);
    await socket.next();
    socket.send({ type: "ping", payload: bearer(await tokenFor(ada, 600)) });
    const { payload } = await socket.next();
    expect(payload).toMatchObject({ authorization: "accepted", expiresAt: expect.stringMatching(/Z$/) });
    expect(await Promise.race([socket.closed, new Promise((resolve) => setTimeout(resolve, 2500, "open"))])).toBe(
      "open",
    );
    await server.graphql(
      'mutation { setPreference(input: { key: "DARK_MODE_ENABLED", value: true }) { clientMutationId } }',
      {},
      ada.token,
    );
    expect(await socket.next()).toMatchObject({
      payload: { data: { settingsChanged: { keys: ["DARK_MODE_ENABLED"] } } },
    });
    socket.close();
  });

  test("of somebody else, or a bad one, renews nothing and changes nothing", async () => {
    const socket = await signedIn(ada.token);
    for (const [token, reason] of [
      [bob.token, "other_user"],
      ["garbage", "invalid_token"],
      [await tokenFor(ada, -10), "token_expired"],
    ] as const) {
      socket.send({ type: "ping", payload: bearer(token) });
      expect(await socket.next()).toMatchObject({ type: "pong", payload: { authorization: "refused", reason } });
    }
    socket.send({ type: "ping", payload: { n: 1 } });
    expect(await socket.next()).toEqual({ type: "pong", payload: { n: 1 } });
    socket.send(SUBSCRIBE);
    expect(await socket.next()).toMatchObject({
      payload: { data: { settingsChanged: { query: { viewer: { email: ada.email } } } } },
    });
    socket.close();
  });

  test("whose session is ended, or whose user is deleted, ends what is told", async () => {
    const carl = await sessionOf("carl@example.com");
    const dora = await sessionOf("dora@example.com");
    const sockets = [await signedIn(carl.accessToken), await signedIn(dora.accessToken)];
    for (const socket of sockets) socket.send(SUBSCRIBE);
    const stream = subscribe(asEventStream(urls.http, carl.accessToken), SUBSCRIBE.payload.query);
    await stream.until(({ data }) => data != null);
    await server.graphql("mutation { logout(input: {}) { clientMutationId } }", {}, carl.accessToken);
    await database.query("delete from attune.users where id = $1", [dora.user]);
    for (const socket of sockets) expect(await socket.closed).toEqual({ code: 4403, reason: "session_ended" });
    await stream.ended;
    expect(stream.told.at(-1)?.errors?.[0]?.extensions.reason).toBe("session_ended");
  });
});

describe("the protocol", () => {
  const misuse: [string, (socket: TestSocket) => void, number][] = [
    ["says nothing", () => undefined, 4408],
    ["is no JSON", (socket) => socket.raw("{"), 4400],
    ["has no such message", (socket) => socket.send({ type: "start" }), 4400],
    ["has a message of the server's", (socket) => socket.send({ type: "connection_ack" }), 4400],
    ["is binary", (socket) => socket.raw(Buffer.from('{"type":"ping"}')), 4400],
    ["is nested without end", (socket) => socket.raw(`{"type":"ping","payload":{"a":${"[".repeat(100_000)}`), 4400],
    ["is too large", (socket) => socket.raw(`"${"x".repeat(300_000)}"`), 1009],
    ["subscribes before it is known", (socket) => socket.send(SUBSCRIBE), 4401],
    [
      "says twice who it is",
      (socket) => {
        for (let n = 0; n < 2; n += 1) socket.send({ type: "connection_init", payload: bearer(ada.token) });
      },
      4429,
    ],
    [
      "says who it is in no text",
      (socket) => socket.send({ type: "connection_init", payload: { authorization: 7 } }),
      4403,
    ],
    [
      "has two subscriptions of one id",
      (socket) => {
        socket.send({ type: "connection_init", payload: bearer(ada.token) });
        setTimeout(() => {
          socket.send(SUBSCRIBE);
          socket.send(SUBSCRIBE);
        }, 100);
      },
      4409,
    ],
  ];
  test.each(misuse)("a connection that %s is closed", async (_what, misuse, code) => {
    const socket = await openSocket(urls.ws);
    misuse(socket);
    expect((await socket.closed).code).toBe(code);
  });

  test("of one id one subscription runs at a time, however fast they are begun and ended", async () => {
    const socket = await signedIn(ada.token);
    const complete = { type: "complete", id: "1" };
    for (let n = 0; n < 6; n += 1) {
      socket.send(SUBSCRIBE);
      if (n < 5) socket.send(complete);
    }
    socket.send({ ...SUBSCRIBE, id: "other" });
    const changed: string[] = [];
    const read = async (): Promise<string> => {
      const { type, id = "", payload } = await socket.next();
      const { data } = (payload ?? {}) as { data?: { settingsChanged: { keys: string[] } } };
      if ((data?.settingsChanged.keys.length ?? 0) > 0) changed.push(id);
      return `${type} ${id}`;
    };
    const readUntil = async (mark: string): Promise<void> => {
      while ((await read()) !== mark);
    };
    const change = async (value: boolean, listeners: string[]): Promise<void> => {
      changed.length = 0;
      await database.as(ada, (client) =>
        client.query("select attune.set_preference('TASKS_ENABLED', $1)", [`${value}`]),
      );
      while (!listeners.every((id) => changed.includes(id))) await read();
      socket.send({ type: "ping" });
      await readUntil("pong ");
    };
    await readUntil("next other");
    await change(false, ["1", "other"]);
    expect(changed.toSorted()).toEqual(["1", "other"]);
    socket.send(complete);
    await change(true, ["other"]);
    expect(changed).toEqual(["other"]);
    socket.close();
  });

  test.each([
    ["a variable", "subscription ($no: Boolean = true) { settingsChanged @skip(if: $no) { cursor } }"],
    ["a literal", "subscription { settingsChanged @include(if: false) { cursor } }"],
  ])("a subscription that %s leaves nothing of is refused, and the others go on", async (_how, query) => {
    const socket = await signedIn(ada.token);
    socket.send({ type: "subscribe", id: "1", payload: { query } });
    expect(await socket.next()).toMatchObject({
      type: "error",
      id: "1",
      payload: [{ extensions: { reason: "invalid_query" } }],
    });
    socket.send({ ...SUBSCRIBE, id: "2" });
    expect(await socket.next()).toMatchObject({ type: "next", id: "2" });
    socket.close();
  });

  test("is graphql-transport-ws and no other", async () => {
    await expect(openSocket(urls.ws, {}, "graphql-ws")).rejects.toThrow("no subprotocol");
  });

  test("numbers keep their digits, both ways", async () => {
    await database.query(`
      insert into attune.setting_definitions (key, category, layer, audience, writable_by, schema, default_value)
      values ('live.exact', 'live', 'user', 'client', 'user', '{}', '0')`);
    const socket = await signedIn(ada.token);
    socket.raw(
      '{"type":"subscribe","id":"1","payload":{"query":"subscription { settingsChanged { keys effectiveSettings { value } } }"}}',
    );
    await socket.next();
    await database.as(ada, (client) =>
      client.query("select attune.set_preference('live.exact', '9007199254740993.10')"),
    );
    expect(await socket.nextText()).toContain('"effectiveSettings":[{"value":9007199254740993.10}]');
    socket.close();
  });

  test("fifty subscriptions on a connection are enough, and what ends makes room", async () => {
    const socket = await signedIn(ada.token);
    for (let n = 0; n < 51; n += 1) socket.send({ ...SUBSCRIBE, id: String(n) });
    const told = await Promise.all(Array.from({ length: 51 }, () => socket.next()));
    const refused = told.filter(({ type }) => type === "error");
    expect(refused).toMatchObject([{ payload: [{ extensions: { reason: "too_many_subscriptions", code: "PT429" } }] }]);
    socket.send({ type: "complete", id: "0" });
    socket.send({ ...SUBSCRIBE, id: "again" });
    expect(await socket.next()).toMatchObject({ type: "next", id: "again" });
    socket.close();
  });
});

describe("a page", () => {
  test("of this host, or of one that is named, may connect, and no other", async () => {
    const open = await createTestServer(database, { corsOrigins: ["https://app.example.com"] });
    const { ws } = await listen(open);
    for (const origin of [new URL(ws).origin.replace("ws:", "http:"), "https://app.example.com"])
      (await openSocket(ws, { origin })).close();
    for (const origin of ["https://evil.example.com", "null"])
      await expect(openSocket(ws, { origin })).rejects.toThrow("403");
    await open.close();
  });

  test("of another name for this machine does not reach a server without sign-in, which is its user's", async () => {
    const [user] = await database.query<{ id: string }>("select attune_private.ensure_single_user() as id");
    const alone = await createTestServer(database, { singleUserId: user?.id });
    const { ws } = await listen(alone);
    await expect(openSocket(ws, { headers: { host: "evil.example.com" } })).rejects.toThrow("403");
    await expect(openSocket(ws, { origin: "https://evil.example.com" })).rejects.toThrow("403");
    const socket = await openSocket(ws);
    socket.send({ type: "connection_init" });
    expect(await socket.next()).toEqual({ type: "connection_ack", payload: { authorization: "accepted" } });
    socket.close();
    await alone.close();
  });
});

test("no more connections are held than the server may hold", async () => {
  const small = await createTestServer(database, { liveConnections: 2 });
  const { ws, http } = await listen(small);
  const sockets = [await openSocket(ws), await openSocket(ws)];
  expect(await (await openSocket(ws)).closed).toEqual({ code: 1013, reason: "too_many_subscriptions" });
  const response = await fetch(http, {
    method: "POST",
    headers: { accept: "text/event-stream", "content-type": "application/json", ...bearer(ada.token) },
    body: JSON.stringify(SUBSCRIBE.payload),
  });
  expect(response.status).toBe(429);
  sockets[0]?.close();
  await sockets[0]?.closed;
  await expect
    .poll(async () => {
      const socket = await openSocket(ws);
      return Promise.race([
        socket.closed.then(() => "closed"),
        new Promise((resolve) => setTimeout(resolve, 100, "open")),
      ]);
    })
    .toBe("open");
  await small.close();
});

test("work over a socket counts for its user's rate limit", async () => {
  const strict = await createTestServer(database, { rateLimitPerMinute: 3 });
  const { ws } = await listen(strict);
  const client = overWebSocket(ws, bob.token);
  const listeners = Array.from({ length: 4 }, () => subscribe(client, "subscription { settingsChanged { cursor } }"));
  const refused = await Promise.race(listeners.map(({ ended }) => ended));
  expect(refused).toMatchObject([{ extensions: { reason: "too_many_requests", code: "PT429" } }]);
  client.dispose();
  await strict.close();
});

test("who is there no more is cut off", async () => {
  const eager = await createTestServer(database, { liveTimes: { beat: 200 } });
  const { ws, http } = await listen(eager);
  const socket = new WebSocket(ws, "graphql-transport-ws", { autoPong: false });
  await once(socket, "open");
  socket.send(JSON.stringify({ type: "connection_init", payload: bearer(ada.token) }));
  await once(socket, "close");
  // A stream has a beat, too.
  const { port } = new URL(http);
  const raw = connect(Number(port), "127.0.0.1");
  const body = JSON.stringify(SUBSCRIBE.payload);
  raw.write(
    `POST /graphql HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${ada.token}\r\nAccept: text/event-stream\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  let text = "";
  raw.setEncoding("utf8").on("data", (part: string) => (text += part));
  await expect.poll(() => text, { timeout: 20_000 }).toContain(":\n\n");
  raw.destroy();
  await eager.close();
});

test("a server that closes says so, and waits for nobody", async () => {
  const closing = await createTestServer(database, { drainTimeout: 60 });
  const { ws, http } = await listen(closing);
  const socket = await openSocket(ws);
  socket.send({ type: "connection_init", payload: bearer(ada.token) });
  await socket.next();
  // One that is no more there.
  const deaf = connect(Number(new URL(http).port), "127.0.0.1");
  deaf.write(
    "GET /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n",
  );
  await once(deaf, "data");
  const stream = subscribe(asEventStream(http, ada.token), SUBSCRIBE.payload.query);
  await stream.until(({ data }) => data != null);
  await closing.close();
  expect(await socket.closed).toEqual({ code: 1001, reason: "shutting_down" });
  await stream.ended;
  expect(stream.told.at(-1)?.errors?.[0]?.extensions.reason).toBe("shutting_down");
});

test("an offer of another protocol is passed over", async () => {
  const response = await server.app.inject({
    method: "POST",
    url: "/graphql",
    headers: { connection: "Upgrade, HTTP2-Settings", upgrade: "h2c" },
    payload: { query: "{ __typename }" },
  });
  expect(response.json()).toEqual({ data: { __typename: "Query" } });
  const raw = connect(Number(new URL(urls.http).port), "127.0.0.1");
  let text = "";
  raw.setEncoding("utf8").on("data", (part: string) => (text += part));
  raw.write("GET /api/health HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n");
  await once(raw, "close");
  expect(text).toMatch(/^HTTP\/1\.1 200 OK/);
});
