/** What the server does when there is more to do than it can, and what it does to do less. */
import { brotliDecompressSync } from "node:zlib";
import type { LightMyRequestResponse } from "fastify";
import { getIntrospectionQuery } from "graphql";
import type pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { PASSWORDS } from "../src/server/admission.ts";
import { createLateness, LATENESS } from "../src/server/load.ts";
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

beforeAll(async () => {
  database = await createTestDatabase();
  ada = await database.createUser("ada@example.com");
  // Both wait for a lock that the test holds.
  await database.query(`
    create table attune_private.work (what text);
    create function attune_private.work(what text) returns text language plpgsql volatile security definer set search_path = '' as $$
    begin
      insert into attune_private.work values (work.what);
      perform pg_catalog.pg_advisory_xact_lock_shared(1);
      return work.what;
    end $$;
    create function attune.hash() returns text language sql volatile security definer set search_path = '' as $$ select attune_private.work('hash') $$;
    create function attune.plain() returns text language sql volatile security definer set search_path = '' as $$ select attune_private.work('plain') $$;
    comment on function attune.hash() is E'@work password\\nHashes.';
    grant execute on function attune.hash(), attune.plain() to anon, authenticated;
  `);
});

beforeEach(() => database.query("truncate attune_private.work"));

afterEach(() => server.close());
afterAll(() => database.close());

const HASH = "mutation { hash(input: {}) { result } }";
const PLAIN = "mutation { plain(input: {}) { result } }";
const VIEWER = "{ viewer { id } }";

async function ask(query: string, headers: Record<string, string> = {}): Promise<LightMyRequestResponse> {
  return await server.app.inject({ method: "POST", url: "/graphql", headers, payload: { query } });
}

type Failure = { errors?: { extensions: Record<string, unknown> }[] };
const extensionsOf = (response: LightMyRequestResponse) => response.json<Failure>().errors?.[0]?.extensions;

/** How often work was begun. */
async function begun(): Promise<number> {
  const [row] = await database.query<{ count: number }>("select count(*)::integer from attune_private.work");
  return row?.count ?? 0;
}

/** Holds the lock that work waits for, while `during` runs. */
async function whileNothingEnds(during: () => Promise<void>): Promise<void> {
  const client: pg.PoolClient = await database.owner.connect();
  await client.query("select pg_advisory_lock(1)");
  try {
    await during();
  } finally {
    await client.query("select pg_advisory_unlock(1)");
    client.release();
  }
}

describe("work with passwords", () => {
  test("is done once a request", async () => {
    server = await createTestServer(database);
    for (const query of [
      "mutation { a: hash(input: {}) { result } b: hash(input: {}) { result } }",
      "mutation { ...Two } fragment Two on Mutation { a: hash(input: {}) { result } b: hash(input: {}) { result } }",
      ...[
        'register(input: { email: "eve@example.com", password: "a password", name: "Eve" })',
        'login(input: { email: "eve@example.com", password: "a password" })',
        'changePassword(input: { oldPassword: "a password", newPassword: "another one" })',
        'resetPassword(input: { token: "none", newPassword: "another one" })',
        'deleteAccount(input: { password: "a password" })',
      ].map((real) => `mutation { hash(input: {}) { result } ${real} { clientMutationId } }`),
    ]) {
      const { data, errors } = (await ask(query)).json<{ data?: unknown } & Failure>();
      expect(data).toBeUndefined();
      expect(errors).toMatchObject([
        { extensions: { code: "GRAPHQL_VALIDATION_FAILED", reason: "too_many_password_operations" } },
      ]);
    }
    expect(await begun()).toBe(0);
    const both = await ask("mutation { hash(input: {}) { result } plain(input: {}) { result } }");
    expect(both.json()).toEqual({ data: { hash: { result: "hash" }, plain: { result: "plain" } } });
  });

  test("lets everybody else pass, and is refused when there is too much of it", async () => {
    server = await createTestServer(database, { poolSize: 1 });
    const most = 2 * PASSWORDS.perConnection;
    let all: Promise<LightMyRequestResponse[]> | undefined;
    await whileNothingEnds(async () => {
      all = Promise.all(Array.from({ length: most }, () => ask(HASH)));
      const { data } = (await server.graphql(VIEWER, {}, ada.token)).body;
      expect(data).toEqual({ viewer: { id: ada.id } });
      const refused = await ask(HASH);
      expect([refused.statusCode, refused.headers["retry-after"]]).toEqual([503, "2"]);
      expect(extensionsOf(refused)).toMatchObject({ code: "PT503", reason: "overloaded", retryAfter: 2 });
    });
    expect((await all)?.map(({ statusCode }) => statusCode)).toEqual(Array(most).fill(200));
    expect((await ask(HASH)).json()).toEqual({ data: { hash: { result: "hash" } } });
  });

  test("counts as much as twenty fields", async () => {
    server = await createTestServer(database, { rateLimitPerMinute: 45 });
    const statuses = [await ask(HASH), await ask(HASH), await ask(HASH)].map(({ statusCode }) => statusCode);
    expect(statuses).toEqual([200, 200, 429]);
  });
});

describe("more than the server can do", () => {
  test("is refused before it waits, and health is told", async () => {
    server = await createTestServer(database, { poolSize: 1, overloadAfter: 500 });
    let all: Promise<LightMyRequestResponse>[] = [];
    await whileNothingEnds(async () => {
      all = [ask(PLAIN), ask(VIEWER)];
      // The second waits longer and longer for the connection that the first has.
      const refused = await vi.waitUntil(
        async () => {
          const answer = await Promise.race([ask("{"), all[1]]);
          return answer?.statusCode === 503 && answer;
        },
        { timeout: 4000, interval: 100 },
      );
      expect(refused.headers["retry-after"]).toBe("1");
      expect(extensionsOf(refused)).toMatchObject({ code: "PT503", reason: "overloaded", retryAfter: 1 });
      expect((await server.app.inject("/api/plans")).statusCode).toBe(503);
      for (const url of ["/api/health", "/"]) expect((await server.app.inject(url)).statusCode).toBe(200);
    });
    expect((await Promise.all(all)).map(({ statusCode }) => statusCode)).toEqual([200, 200]);
    expect((await ask(VIEWER)).statusCode).toBe(200);
  });
});

test("a process is late when it is late again and again, and not after one long pause", () => {
  const lateness = createLateness(0);
  let now = 0;
  const tick = (passed: number): number => {
    now += passed;
    lateness.tick(now);
    return lateness.duration();
  };
  const onTime = LATENESS.interval + LATENESS.late;
  expect([tick(60_000), tick(onTime)]).toEqual([0, 0]);
  expect([tick(500), tick(500), tick(2000), tick(onTime)]).toEqual([0, 500, 2500, 0]);
});

test("who has waited too long for a connection is told so, and the server is ready meanwhile", async () => {
  server = await createTestServer(database, { poolSize: 1 });
  let first: Promise<LightMyRequestResponse> | undefined;
  await whileNothingEnds(async () => {
    first = ask(PLAIN);
    const second = await ask(VIEWER);
    expect(extensionsOf(second)).toMatchObject({ code: "PT503", reason: "overloaded", retryAfter: 1 });
    expect((await server.app.inject("/api/ready")).statusCode).toBe(200);
  });
  expect((await first)?.statusCode).toBe(200);
});

describe("an answer", () => {
  const packed = { "accept-encoding": "gzip, br" };
  const introspection = getIntrospectionQuery();

  test("that is large is compressed", async () => {
    server = await createTestServer(database);
    const plain = await ask(introspection);
    expect(plain.headers).not.toHaveProperty("content-encoding");
    const answer = await ask(introspection, packed);
    expect(answer.headers).toMatchObject({ "content-encoding": "br", vary: "accept-encoding" });
    expect(JSON.parse(brotliDecompressSync(answer.rawPayload).toString())).toEqual(plain.json());
    expect(answer.rawPayload.length).toBeLessThan(plain.rawPayload.length / 5);
    const page = await server.app.inject({ url: "/", headers: packed });
    expect(page.headers["content-encoding"]).toBe("br");
  });

  test("that is small is not, and one that may have a token is not", async () => {
    server = await createTestServer(database);
    expect((await ask(VIEWER, packed)).headers).not.toHaveProperty("content-encoding");
    const names = Array.from({ length: 300 }, (_, n) => `a${n}: __typename`).join(" ");
    const mutation = await ask(`mutation { plain(input: {}) { ${names} } }`, packed);
    expect(mutation.payload.length).toBeGreaterThan(4096);
    expect(mutation.headers).not.toHaveProperty("content-encoding");
  });
});
