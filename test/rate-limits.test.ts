/** How much one client may ask for in a minute: what counts, for whom, and what it is told. */
import type { LightMyRequestResponse } from "fastify";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { signClaims } from "../src/sign-in/jwt.ts";
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
const log: Record<string, unknown>[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  ada = await database.createUser("ada@example.com");
  bob = await database.createUser("bob@example.com");
});

afterAll(() => database.close());

async function start(options: Parameters<typeof createTestServer>[1]): Promise<void> {
  const logDestination = { write: (line: string) => void log.push(JSON.parse(line) as Record<string, unknown>) };
  server = await createTestServer(database, { logLevel: "info", logDestination, ...options });
}

afterEach(async () => {
  log.length = 0;
  await server.close();
});

type Asking = { token?: string | undefined; from?: string; peer?: string };

function ask(query: string, { token, from, peer = "192.0.2.1" }: Asking = {}): Promise<LightMyRequestResponse> {
  return server.app.inject({
    method: "POST",
    url: "/graphql",
    remoteAddress: peer,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(from !== undefined && { "x-forwarded-for": from }),
    },
    payload: { query },
  });
}

/** The statuses of the same request, sent again and again. */
async function statuses(times: number, query: string, asking?: Asking): Promise<number[]> {
  const all: number[] = [];
  for (let n = 0; n < times; n += 1) all.push((await ask(query, asking)).statusCode);
  return all;
}

const ONE = "{ __typename }";
const fields = (count: number): string => `{ ${Array.from({ length: count }, (_, n) => `a${n}: isAdmin`).join(" ")} }`;

describe("who asks for more than a minute's work", () => {
  test("is told how long to wait, in the body and in headers, and health is still told", async () => {
    await start({ rateLimitPerMinute: 3 });
    const first = await ask(ONE);
    expect(first.headers).toMatchObject({ "ratelimit-limit": "3", "ratelimit-remaining": "2" });
    expect(await statuses(3, ONE)).toEqual([200, 200, 429]);

    const refused = await ask(ONE);
    const [error] = refused.json<{ errors: { extensions: Record<string, unknown> }[] }>().errors;
    expect(error?.extensions).toMatchObject({ code: "PT429", reason: "too_many_requests" });
    const { retryAfter, debugId } = error?.extensions ?? {};
    expect(retryAfter).toBeGreaterThan(0);
    expect(refused.headers).toMatchObject({ "retry-after": String(retryAfter), "ratelimit-remaining": "0" });
    expect(log.filter((line) => line["debugId"] === debugId)).toMatchObject([
      { status: 429, address: "192.0.2.1", reason: "too_many_requests" },
    ]);
    for (const url of ["/api/health", "/api/ready", "/"])
      expect((await server.app.inject({ url, remoteAddress: "192.0.2.1" })).statusCode).toBe(200);
  });

  test("is counted by the fields and values of the query, not by requests", async () => {
    await start({ rateLimitPerMinute: 40 });
    expect(await statuses(3, fields(20))).toEqual([200, 200, 429]);
    const costly = "{ users(first: 100) { nodes { id name email timezone } } }";
    expect(await statuses(10, costly, { token: ada.token })).toEqual([...Array<number>(8).fill(200), 429, 429]);
  });

  test("is the user of the token, wherever it is sent from, and nobody else there", async () => {
    await start({ rateLimitPerMinute: 2 });
    const token = ada.token;
    expect(await statuses(2, ONE, { token })).toEqual([200, 200]);
    expect(await statuses(1, ONE, { token, peer: "192.0.2.2" })).toEqual([429]);
    expect(await statuses(1, ONE, { token: bob.token })).toEqual([200]);
    expect(await statuses(1, ONE)).toEqual([200]);
    // Another token of a user is the same user's.
    const claims = { sub: ada.id, aud: "authenticated", iss: "attune", exp: 4_000_000_000, role: "authenticated" };
    const again = await signClaims({ ...claims, jti: "another" }, database.jwt);
    expect(await statuses(1, ONE, { token: again })).toEqual([429]);
  });

  test("is no trusted server", async () => {
    await start({ rateLimitPerMinute: 2 });
    const token = database.tokenOf("service_role");
    expect(await statuses(25, ONE, { token })).toEqual(Array(25).fill(200));
    expect(await statuses(2, ONE)).toEqual([200, 200]);
    // Nor does it pay for others behind its address.
    expect(new Set(await statuses(25, ONE, { token: "garbage" }))).toEqual(new Set([401, 429]));
    expect(await statuses(5, ONE, { token })).toEqual(Array(5).fill(200));
    expect(await statuses(1, "{", { token })).toEqual([400]);
  });

  test("may do at least one thing a minute, however much it is", async () => {
    await start({ rateLimitPerMinute: 5 });
    const login = `mutation { login(input: { email: "nobody@example.com", password: "wrong" }) { clientMutationId } }`;
    expect(await statuses(2, login)).toEqual([200, 429]);
  });

  test("is everybody in an IPv6 network, and each IPv4 address", async () => {
    await start({ rateLimitPerMinute: 1 });
    expect(await statuses(1, ONE, { peer: "2001:db8::1" })).toEqual([200]);
    expect(await statuses(1, ONE, { peer: "2001:db8::ffff:2" })).toEqual([429]);
    expect(await statuses(1, ONE, { peer: "2001:db8:0:1::1" })).toEqual([200]);
    expect(await statuses(1, ONE, { peer: "192.0.2.7" })).toEqual([200]);
    expect(await statuses(1, ONE, { peer: "::ffff:192.0.2.7" })).toEqual([429]);
  });
});

describe("an address", () => {
  test("may send ten times as many requests, whatever is in them", async () => {
    await start({ rateLimitPerMinute: 1 });
    const bad = { token: "garbage" };
    expect(await statuses(11, ONE, bad)).toEqual([...Array<number>(10).fill(401), 429]);
    expect((await ask(ONE, { peer: "192.0.2.2" })).statusCode).toBe(200);
  });

  test("is that of the last trusted proxy's word, and never nobody's", async () => {
    await start({ rateLimitPerMinute: 1, trustProxy: 1 });
    expect(await statuses(1, ONE, { from: "203.0.113.2:40000" })).toEqual([200]);
    expect(await statuses(1, ONE, { from: "198.51.100.1, 203.0.113.2:40001" })).toEqual([429]);
    expect(await statuses(1, ONE, { from: "203.0.113.3" })).toEqual([200]);
    // What is no address counts for the proxy.
    expect(await statuses(1, ONE, { from: "unknown" })).toEqual([200]);
    expect(await statuses(1, ONE, { from: "203.0.113.2:http" })).toEqual([429]);
  });

  test("is told to SQL, clean", async () => {
    await database.query(`
      create function attune.address() returns text language sql stable security invoker
      begin atomic select current_setting('attune.client_address', true); end;
      grant execute on function attune.address() to anon`);
    await start({ trustProxy: 1 });
    const { data } = (await ask("{ address }", { from: "[2001:DB8::1]:443" })).json<{ data: unknown }>();
    expect(data).toEqual({ address: "2001:db8::1" });
  });
});

describe("a proxy that nobody told the server of", () => {
  const warnings = (): unknown[] => log.filter(({ level }) => level === 40).map(({ msg }) => msg);

  test("is told once in the log, with what to do", async () => {
    await start({ rateLimitPerMinute: 1 });
    expect(await statuses(1, ONE, { from: "203.0.113.2" })).toEqual([200]);
    expect(await statuses(1, ONE, { from: "203.0.113.3" })).toEqual([429]);
    expect(warnings()).toEqual([expect.stringContaining("Set TRUST_PROXY to the number of proxies")]);
  });

  test("is nothing to tell when it is known", async () => {
    await start({ trustProxy: 1 });
    await ask(ONE, { from: "203.0.113.2" });
    expect(warnings()).toEqual([]);
  });
});
