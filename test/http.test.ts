/** The server as HTTP sees it: who gets in, what is refused, and how it behaves when things break. */
import { once } from "node:events";
import { Agent, get } from "node:http";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { FastifyInstance, InjectOptions } from "fastify";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { signClaims, signToken } from "../src/sign-in/jwt.ts";
import {
  createTestDatabase,
  createTestServer,
  type TestDatabase,
  type TestServer,
  type TestUser,
} from "./support/harness.ts";

let database: TestDatabase;
let server: TestServer;
let ada: TestUser;
let bob: TestUser;

beforeAll(async () => {
  database = await createTestDatabase();
  ada = await database.createUser("ada@example.com");
  bob = await database.createUser("bob@example.com");
  await database.query(`
    create function attune.who() returns json language sql stable security invoker
    begin atomic
      select json_build_object(
        'role', current_user, 'claims', current_setting('request.jwt.claims', true)::json, 'timeout', current_setting('statement_timeout')
      );
    end;
    create function attune.store_and_fail(key text) returns text language plpgsql volatile security invoker set search_path = '' as $$
    begin
      perform attune.set_preference(store_and_fail.key, 'true');
      raise exception 'after it was stored';
    end $$;
    create function attune.wait(seconds double precision) returns text language sql volatile security invoker
    begin atomic
      select pg_sleep(seconds)::text;
    end;
    grant execute on function attune.who(), attune.store_and_fail(text), attune.wait(double precision) to anon, authenticated, service_role;
  `);
  server = await createTestServer(database);
});

afterAll(async () => {
  await server.close();
  await database.close();
});

/** Asks a server whatever the options say, and returns the status, the headers and the only error. */
async function refusalOf(options: InjectOptions, { app }: { app: FastifyInstance } = server) {
  const response = await app.inject(options);
  const { errors } = response.json<{ errors: { message: string; extensions: Record<string, unknown> }[] }>();
  expect(errors).toHaveLength(1);
  expect(errors[0]?.message).toMatch(/^\S.*\S$/);
  const { retryAfter: _, ...always } = errors[0]?.extensions ?? {};
  expect(Object.keys(always).toSorted()).toEqual(["code", "debugId", "hint", "reason"]);
  return { status: response.statusCode, headers: response.headers, ...errors[0]?.extensions };
}

const post = (
  payload: InjectOptions["payload"],
  headers: InjectOptions["headers"] = { "content-type": "application/json" },
): InjectOptions => ({
  method: "POST",
  url: "/graphql",
  headers,
  ...(payload !== undefined && { payload }),
});

describe("a token", () => {
  test("lets its user in", async () => {
    const { body } = await server.graphql("{ viewer { id } who }", {}, ada.token);
    expect(body.data).toMatchObject({
      viewer: { id: ada.id },
      who: { role: "authenticated", claims: { sub: ada.id } },
    });
  });

  test.each([
    ["is garbage", () => "garbage", "invalid_token"],
    [
      "is signed by somebody else",
      () => signToken({ sub: ada.id, role: "authenticated" }, { ...database.jwt, secret: "x".repeat(32) }),
      "invalid_token",
    ],
    ["has expired", () => signToken({ sub: ada.id, role: "authenticated" }, database.jwt, -1), "token_expired"],
    [
      "is for another audience",
      () => signClaims({ sub: ada.id, aud: "other", iss: "attune", exp: 4_000_000_000 }, database.jwt),
      "wrong_audience",
    ],
    [
      "claims a role of the database that is not for requests",
      () => signToken({ sub: ada.id, role: "authenticator" }, database.jwt),
      "unknown_role",
    ],
    ["names nobody", () => signToken({ role: "authenticated" }, database.jwt), "missing_subject"],
  ])("that %s is answered as 401", async (_what, token, reason) => {
    const refusal = await refusalOf(
      post({ query: "{ plans { nodes { name } } }" }, { authorization: `Bearer ${await token()}` }),
    );
    expect(refusal).toMatchObject({ status: 401, code: "PT401", reason });
    expect(refusal.headers).toMatchObject({
      "www-authenticate": 'Bearer error="invalid_token"',
      "content-type": "application/json; charset=utf-8",
    });
  });

  test("of a deleted user is nobody's", async () => {
    const eve = await database.createUser("eve@example.com");
    await database.query("delete from attune.users where id = $1", [eve.id]);
    const { status, body } = await server.graphql("{ viewer { id } }", {}, eve.token);
    expect({ status, viewer: body.data }).toEqual({ status: 200, viewer: { viewer: null } });
  });
});

describe("without a token", () => {
  test("a request is anon's, and may only what anon may", async () => {
    const { body } = await server.graphql("{ who plans { nodes { name } } users { nodes { id } } }");
    expect(body.data).toEqual({
      who: { role: "anon", claims: { role: "anon" }, timeout: "5s" },
      plans: { nodes: [{ name: "bootstrapper" }] },
      users: null,
    });
    expect(body.errors).toMatchObject([{ path: ["users"], extensions: { code: "42501", reason: "not_signed_in" } }]);
  });

  test("nothing can be written", async () => {
    const { body } = await server.graphql(
      `mutation { setPreference(input: { key: "DARK_MODE_ENABLED", value: true }) { effectiveSetting { value } } }`,
    );
    expect(body.errors).toMatchObject([{ extensions: { code: "42501" } }]);
  });
});

describe("one connection to the database", () => {
  let alone: TestServer;
  beforeAll(async () => {
    alone = await createTestServer(database, { poolSize: 1 });
  });
  afterAll(() => alone.close());

  const personas = (): [role: string, sub: string | undefined, token: string | undefined][] => [
    ["authenticated", ada.id, ada.token],
    ["anon", undefined, undefined],
    ["service_role", undefined, database.tokenOf("service_role")],
    ["anon", undefined, undefined],
    ["authenticated", bob.id, bob.token],
  ];

  test("serves one after the other without passing on who it was", async () => {
    for (const [role, sub, token] of [...personas(), ...personas().toReversed()]) {
      const { body } = await alone.graphql<{ who: { role: string; claims: { sub?: string } } }>("{ who }", {}, token);
      expect(body.data?.who.role).toBe(role);
      expect(body.data?.who.claims.sub).toBe(sub);
    }
  });

  test("serves many at once without mixing them up", async () => {
    const many = Array.from({ length: 40 }, () => personas()).flat();
    await Promise.all(
      many.map(async ([role, sub, token]) => {
        const { body } = await alone.graphql<{ a: { role: string; claims: { sub?: string } }; b: { role: string } }>(
          "{ a: who b: who }",
          {},
          token,
        );
        expect([body.data?.a.role, body.data?.a.claims.sub, body.data?.b.role]).toEqual([role, sub, role]);
      }),
    );
  });

  test("is as before after an error, and what the failed one wrote is gone", async () => {
    const query = `mutation ($key: String!) { storeAndFail(input: { key: $key }) { result } }`;
    const { body } = await alone.graphql(query, { key: "DARK_MODE_ENABLED" }, ada.token);
    expect(body.errors).toMatchObject([{ extensions: { code: "INTERNAL_SERVER_ERROR" } }]);

    const after = await alone.graphql(
      `{ who effectiveSetting(key: "DARK_MODE_ENABLED") { value layer } }`,
      {},
      bob.token,
    );
    expect(after.body.data).toMatchObject({
      who: { claims: { sub: bob.id } },
      effectiveSetting: { value: false, layer: "default" },
    });
    const adas = await alone.graphql(`{ effectiveSetting(key: "DARK_MODE_ENABLED") { value layer } }`, {}, ada.token);
    expect(adas.body.data).toEqual({ effectiveSetting: { value: false, layer: "default" } });
  });
});

test("a media type is what it is, in capitals too", async () => {
  const type = "Application/JSON; Charset=UTF-8";
  const response = await server.app.inject(post('{"query":"{ __typename }"}', { "content-type": type }));
  expect([response.statusCode, response.json()]).toEqual([200, { data: { __typename: "Query" } }]);
});

describe("a request that is none", () => {
  test.each([
    ["broken JSON", post("{"), 400, "PT400", "invalid_request"],
    ["no body", post(undefined), 400, "PT400", "invalid_request"],
    ["an empty object", post({}), 400, "PT400", "invalid_request"],
    ["a query that is no text", post({ query: 1 }), 400, "PT400", "invalid_request"],
    ["a query that is a number with all its digits", post('{"query": 1.50}'), 400, "PT400", "invalid_request"],
    [
      "variables that are no object",
      post({ query: "{ __typename }", variables: "x" }),
      400,
      "PT400",
      "invalid_request",
    ],
    ["bytes that are no text", post(Buffer.from([0x22, 0xff, 0x22])), 400, "PT400", "invalid_request"],
    [
      "a form",
      post("query={__typename}", { "content-type": "application/x-www-form-urlencoded" }),
      415,
      "PT415",
      "unsupported_media_type",
    ],
    [
      "plain GraphQL",
      post("{ __typename }", { "content-type": "application/graphql" }),
      415,
      "PT415",
      "unsupported_media_type",
    ],
    [
      "plain text",
      post('{"query":"{ __typename }"}', { "content-type": "text/plain" }),
      415,
      "PT415",
      "unsupported_media_type",
    ],
    ["more than 256 KiB", post({ query: "x".repeat(256 * 1024) }), 413, "PT413", "body_too_large"],
    [
      "an Accept that we can't meet",
      post({ query: "{ __typename }" }, { accept: "image/png" }),
      406,
      "PT406",
      "not_acceptable",
    ],
    ...["", ";", "x;q=z", "*/*;q=2", "*", "*/json", "a/b;", "a/b c"].map(
      (accept): [string, InjectOptions, number, string, string] => [
        `an Accept that is none, "${accept}"`,
        post({ query: "{ __typename }" }, { accept }),
        406,
        "PT406",
        "not_acceptable",
      ],
    ),
    ["a GET", { method: "GET", url: "/graphql?query={__typename}" }, 405, "PT405", "method_not_allowed"],
    ["an unknown address", { method: "GET", url: "/nothing?token=secret" }, 404, "PT404", "not_found"],
    ["an unknown method", { method: "DELETE", url: "/graphql" }, 404, "PT404", "not_found"],
    ["an address that can't be read", { method: "GET", url: "/%zz" }, 400, "PT400", "invalid_request"],
  ] satisfies [string, InjectOptions, number, string, string][])(
    "is told so: %s",
    async (_what, request, status, code, reason) => {
      expect(await refusalOf(request)).toMatchObject({ status, code, reason });
    },
  );
});

test("what a browser, a client of GraphQL or anybody else accepts is understood", async () => {
  const accepted = [
    "*/*",
    "application/json, */*;q=0.1",
    "application/graphql-response+json; charset=utf-8, application/json; charset=utf-8",
    'text/html;level="1;2",application/json;q=0.3',
    "multipart/mixed;deferSpec=20220824,application/json;q=0.9,*/*;q=0.5",
  ];
  for (const accept of accepted) {
    const response = await server.app.inject(post({ query: "{ __typename }" }, { accept }));
    expect([accept, response.statusCode]).toEqual([accept, 200]);
  }
});

test("the plans are there for everybody", async () => {
  const response = await server.app.inject("/api/plans");
  expect([response.statusCode, response.headers["cache-control"]]).toEqual([200, "public, max-age=60"]);
  expect(response.json()).toEqual({
    plans: [{ name: "bootstrapper", title: "Bootstrapper", description: expect.any(String), rank: 0 }],
  });
});

/** A way to the database that can be cut. */
async function createWire(url: string) {
  const { hostname, port } = new URL(url);
  const sockets = new Set<Socket>();
  let isCut = false;
  const wire = createServer((socket) => {
    if (isCut) {
      socket.destroy();
      return;
    }
    const far = connect(Number(port), hostname);
    for (const end of [socket, far]) {
      sockets.add(end);
      end.on("error", () => end.destroy());
      end.on("close", () => sockets.delete(end));
    }
    socket.pipe(far).pipe(socket);
  });
  wire.listen(0, "127.0.0.1");
  await once(wire, "listening");
  const wired = new URL(url);
  wired.host = `127.0.0.1:${(wire.address() as AddressInfo).port}`;
  return {
    url: wired.href,
    cut: () => {
      isCut = true;
      for (const socket of sockets) socket.destroy();
    },
    mend: () => {
      isCut = false;
    },
    close: () => void wire.close(),
  };
}

describe("health", () => {
  let closing: (() => Promise<void> | void)[] = [];
  afterEach(async () => {
    for (const close of closing.toReversed()) await close();
    closing = [];
  });

  test("is told without a token", async () => {
    const health = await server.app.inject("/api/health");
    expect([health.statusCode, health.json()]).toEqual([200, { status: "alive" }]);
    const ready = await server.app.inject("/api/ready");
    expect([ready.statusCode, ready.json()]).toEqual([200, { status: "ready", migrated: true, readOnly: false }]);
  });

  test("survives the loss of the database, and so does the server", async () => {
    const wire = await createWire(database.authenticatorUrl);
    closing.push(wire.close);
    const distant = await createTestServer(database, { authenticatorUrl: wire.url });
    closing.push(distant.close);
    const viewer = () => distant.graphql("{ viewer { id } }", {}, ada.token);
    expect((await viewer()).body.data).toEqual({ viewer: { id: ada.id } });

    const waiting = distant.graphql("mutation { wait(input: { seconds: 4 }) { result } }", {}, ada.token);
    await new Promise((resolve) => setTimeout(resolve, 200));
    wire.cut();
    expect((await waiting).body.errors).toMatchObject([
      { extensions: { code: "PT503", reason: "database_unavailable" } },
    ]);
    expect((await viewer()).body.errors).toMatchObject([
      { extensions: { code: "PT503", reason: "database_unavailable" } },
    ]);
    expect(await refusalOf({ url: "/api/ready" }, distant)).toMatchObject({
      status: 503,
      code: "PT503",
      reason: "database_unavailable",
    });
    expect((await distant.app.inject("/api/health")).statusCode).toBe(200);

    wire.mend();
    expect((await distant.app.inject("/api/ready")).statusCode).toBe(200);
    expect((await viewer()).body.data).toEqual({ viewer: { id: ada.id } });
  });

  test("is not ready on a database without the schema", async () => {
    await database.query("alter schema attune rename to elsewhere");
    try {
      expect(await refusalOf({ url: "/api/ready" })).toMatchObject({ status: 503, reason: "not_migrated" });
    } finally {
      await database.query("alter schema elsewhere rename to attune");
    }
    expect((await server.app.inject("/api/ready")).statusCode).toBe(200);
  });
});

describe("closing", () => {
  test("does not wait for an idle connection, nor for a running query", async () => {
    const busy = await createTestServer(database);
    await busy.app.listen({ host: "127.0.0.1", port: 0 });
    const { port } = busy.app.server.address() as AddressInfo;
    const agent = new Agent({ keepAlive: true });
    await new Promise<void>((resolve, reject) => {
      get({ agent, host: "127.0.0.1", port, path: "/api/health" }, (response) =>
        response.resume().on("end", resolve),
      ).on("error", reject);
    });
    const running = fetch(`http://127.0.0.1:${port}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query: "mutation { wait(input: { seconds: 4 }) { result } }" }),
    }).then(
      () => "answered",
      () => "cut off",
    );
    await new Promise((resolve) => setTimeout(resolve, 200));

    await busy.close();
    expect(await running).toBe("cut off");
    agent.destroy();
    const [left] = await database.query<{ count: number }>(
      "select count(*)::integer from pg_stat_activity where query like '%pg_sleep%' and datname = current_database() and pid <> pg_backend_pid()",
    );
    expect(left?.count).toBe(0);
  });
});
