/** `/metrics`: who is told, what they are told, and that nothing makes it grow. */
import { spawnSync } from "node:child_process";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readMigrations } from "../src/database/migrations.ts";
import { createDatabaseMetrics } from "../src/observation/database-metrics.ts";
import {
  createTestDatabase,
  createTestServer,
  type TestDatabase,
  type TestServer,
  type TestUser,
} from "./support/harness.ts";
import { listen, overWebSocket, subscribe } from "./support/live.ts";

const TOKEN = "0123456789abcdef0123456789abcdef";
const PROMTOOL = process.env["PROMTOOL"] ?? "promtool";
const hasPromtool = spawnSync(PROMTOOL, ["--version"]).status === 0;
if (!hasPromtool) console.warn("promtool does not read the metrics: it is not there (PROMTOOL).");

let database: TestDatabase;
let server: TestServer;
let ada: TestUser;
let http: string;
let ws: string;

beforeAll(async () => {
  database = await createTestDatabase();
  ada = await database.createUser("ada@example.com");
  await database.query(`
    create function attune.refuse(reason text) returns text language plpgsql volatile set search_path = '' as $$
    begin raise exception 'No' using errcode = 'PT409', detail = refuse.reason, hint = 'No.'; end $$;
    grant execute on function attune.refuse(text) to authenticated`);
  server = await createTestServer(database, { metricsToken: TOKEN, poolSize: 3 });
  ({ http, ws } = await listen(server));
});
afterAll(async () => {
  await server.close();
  await database.close();
});

async function scrape(authorization = `Bearer ${TOKEN}`, { app } = server) {
  return app.inject({ url: "/metrics", headers: { authorization } });
}

type Samples = Record<string, number>;
type Family = { type: string; help: string; samples: Samples };

/** What a text of metrics says: the values of each by their labels, those of a histogram apart. */
function parse(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  for (const line of text.split("\n").filter(Boolean)) {
    const [, about, of = "", rest = ""] = /^# (HELP|TYPE) (\w+) (.+)$/.exec(line) ?? [];
    if (about === "HELP") families.set(of, { type: "", help: rest, samples: {} });
    const family = families.get(of);
    if (about === "TYPE" && family !== undefined) family.type = rest;
    if (about !== undefined) continue;
    const [, name = "", labels = "", value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    const owner = families.get(name) ?? families.get(name.replace(/_(bucket|sum|count)$/, ""));
    if (owner === undefined || value === undefined) throw new Error(`This is no line of metrics: ${line}`);
    const said = Array.from(labels.matchAll(/\w+="((?:[^"\\]|\\.)*)"/g), ([, label = ""]) => label).join(" ");
    owner.samples[families.has(name) ? said : `${name} ${said}`] = Number(value);
  }
  return families;
}

async function families(of = server): Promise<Map<string, Family>> {
  const { statusCode, body } = await scrape(undefined, of);
  expect(statusCode).toBe(200);
  return parse(body);
}

/** The values of a metric, by their labels. */
async function samples(name: string, of = server): Promise<Samples> {
  return (await families(of)).get(name)?.samples ?? {};
}

/** By how much the samples of some metrics grow. */
async function growthOf(names: string[], during: () => Promise<void>): Promise<Samples[]> {
  const before = await Promise.all(names.map((name) => samples(name)));
  await during();
  const after = await Promise.all(names.map((name) => samples(name)));
  return after.map((one, at) =>
    Object.fromEntries(
      Object.entries(one).flatMap(([labels, value]) => {
        const growth = value - (before[at]?.[labels] ?? 0);
        return growth === 0 || labels.includes("/metrics") ? [] : [[labels, growth]];
      }),
    ),
  );
}

test("who asks has to show METRICS_TOKEN", async () => {
  for (const authorization of [
    "",
    TOKEN,
    `Basic ${TOKEN}`,
    `Bearer ${TOKEN}0`,
    `Bearer ${TOKEN.slice(1)}`,
    `Bearer ${ada.token}`,
    `Bearer ${"x".repeat(9000)}`,
  ]) {
    const { statusCode, headers, body } = await scrape(authorization);
    expect([statusCode, headers["www-authenticate"]]).toEqual([401, 'Bearer error="invalid_token"']);
    expect(JSON.parse(body).errors).toMatchObject([
      { extensions: { code: "PT401", reason: "metrics_token_required" } },
    ]);
  }
  const { statusCode, headers } = await scrape();
  expect([statusCode, headers["content-type"], headers["cache-control"]]).toEqual([
    200,
    "text/plain; version=0.0.4; charset=utf-8",
    "no-store",
  ]);
});

describe("what is told", () => {
  test("has the names and the form that Prometheus asks for", async () => {
    await server.graphql("{ viewer { id } }", {}, ada.token);
    const all = await families();
    const names = Array.from(all.keys());
    const own = names.filter((name) => name.startsWith("attune_"));
    expect(names.filter((name) => !/^(attune|process|nodejs)_[a-z0-9_]+$/.test(name))).toEqual([]);
    expect(Array.from(all.values()).filter(({ help }) => help === "")).toEqual([]);
    expect(own.filter((name) => name.endsWith("_total") !== (all.get(name)?.type === "counter"))).toEqual([]);
    const units = /_(ms|milliseconds|minutes|hours|days|kilobytes|megabytes|percent)(_|$)/;
    expect(own.filter((name) => units.test(name))).toEqual([]);
  });

  test.runIf(hasPromtool)("is what promtool takes", async () => {
    const { body } = await scrape();
    const { status, stderr } = spawnSync(PROMTOOL, ["check", "metrics"], { input: body, encoding: "utf8" });
    expect([status, stderr]).toEqual([0, ""]);
  });

  test("has the requests, by route and kind of operation, and why some were refused", async () => {
    const names = ["attune_http_requests_total", "attune_http_request_duration_seconds", "attune_refusals_total"];
    const [requests, durations, refusals] = await growthOf(names, async () => {
      await server.graphql("{ viewer { id } }", {}, ada.token);
      await server.graphql('mutation { resetPreference(input: { key: "none" }) { clientMutationId } }', {}, ada.token);
      await server.graphql("{ nonsense");
      await server.app.inject("/api/plans");
      await server.app.inject("/nowhere");
    });
    expect(requests).toEqual({
      "POST /graphql query 200": 1,
      "POST /graphql mutation 200": 1,
      "POST /graphql none 400": 1,
      "GET /api/plans none 200": 1,
      "GET none none 404": 1,
    });
    expect(durations).toMatchObject({ "attune_http_request_duration_seconds_count POST /graphql query": 1 });
    expect(refusals).toEqual({ unknown_setting: 1, malformed_query: 1, not_found: 1 });
  });

  test("has one word for reasons that are none of ours", async () => {
    const [refusals] = await growthOf(["attune_refusals_total"], async () => {
      for (const reason of ["their_own", "another_one"])
        await server.graphql(
          "mutation ($reason: String!) { refuse(input: { reason: $reason }) { clientMutationId } }",
          { reason },
          ada.token,
        );
    });
    expect(refusals).toEqual({ other: 2 });
  });

  test("has those who listen", async () => {
    const client = overWebSocket(ws, ada.token);
    const listener = subscribe(client, "subscription { settingsChanged { cursor mustRefetch keys } }");
    await listener.until(() => true);
    expect(await samples("attune_live_connections")).toEqual({ "": 1 });
    expect(await samples("attune_live_subscriptions")).toEqual({ "": 1 });
    expect(await samples("attune_live_events_total")).toEqual({ "": 1 });
    expect((await samples("attune_live_poll_lag_seconds"))[""]).toBeLessThan(15);
    listener.stop();
    client.dispose();
    await expect.poll(() => samples("attune_live_connections")).toEqual({ "": 0 });
    await expect.poll(() => samples("attune_live_poll_lag_seconds")).toEqual({ "": 0 });
  });

  test("has the connections to the database, by what they are for", async () => {
    await server.graphql("{ viewer { id } }", {}, ada.token);
    expect(await samples("attune_pool_connections_max")).toEqual({
      requests: 3,
      passwords: 2,
      readiness: 1,
      changes: 1,
      subscribers: 2,
      maintenance: 3,
      queue: 2,
      metrics: 1,
    });
    expect(await samples("attune_pool_connections")).toMatchObject({ "requests used": 0, "metrics used": 0 });
    expect(await samples("attune_pool_waiting")).toMatchObject({ requests: 0 });
  });
});

test("a server that is overloaded, or asked too much, tells it nevertheless", async () => {
  const busy = await createTestServer(database, {
    metricsToken: TOKEN,
    poolSize: 1,
    overloadAfter: 200,
    rateLimitPerMinute: 300,
  });
  const holder = await database.owner.connect();
  try {
    await holder.query("begin; lock table attune.users in access exclusive mode");
    const ask = () => busy.graphql("{ viewer { id } }", {}, ada.token);
    const waiting = [ask(), ask()];
    await expect.poll(async () => (await busy.graphql("{")).status, { timeout: 4000 }).toBe(503);
    expect(await samples("attune_pool_waiting", busy)).toMatchObject({ requests: 1 });
    expect(await samples("attune_database_up", busy)).toEqual({ "": 1 });
    await holder.query("rollback");
    await Promise.all(waiting);
    const tooMuch = "{ ".concat(Array.from({ length: 200 }, (_, n) => `a${n}: __typename`).join(" "), " }");
    const ofTooMuch = async (): Promise<number> => (await busy.graphql(tooMuch, {}, ada.token)).status;
    await expect.poll(ofTooMuch, { timeout: 20_000 }).toBe(429);
    const { statusCode, headers } = await scrape(undefined, busy);
    expect(statusCode).toBe(200);
    expect(headers).not.toHaveProperty("ratelimit-limit");
    const refusals = await samples("attune_refusals_total", busy);
    expect(refusals).toMatchObject({ overloaded: expect.any(Number), too_many_requests: expect.any(Number) });
  } finally {
    await holder.query("rollback");
    holder.release();
    await busy.close();
  }
});

test("nobody makes it grow: methods, addresses and names that clients choose are none of its labels", async () => {
  const origin = new URL(http);
  const raw = (text: string): Promise<unknown> =>
    new Promise((resolve) => {
      const socket = connect(Number(origin.port), origin.hostname, () => socket.end(text));
      socket.resume().once("close", resolve);
    });
  const attack = async (seed: string): Promise<void> => {
    await server.graphql(`query ${seed} { viewer { id } }`, {}, ada.token);
    await server.graphql(`query { ${seed} }`);
    for (const method of ["PROPFIND", "TRACE", "PURGE", "MKCOL"])
      await raw(`${method} /${seed} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`);
    for (const path of [
      `/${seed}`,
      `/auth/${seed}`,
      `/api/${seed}?a=${seed}`,
      `/%zz${seed}`,
      `/graphql/${seed}`,
      `http://${seed}/`,
    ])
      await raw(`GET ${path} HTTP/1.1\r\nhost: ${seed}\r\nconnection: close\r\n\r\n`);
    await raw(`${seed} / HTTP/1.1\r\n\r\n`);
    await raw(`GET / HTTP/1.1\r\n${seed}\r\n\r\n`);
    await fetch(http, {
      method: "POST",
      body: seed,
      headers: { "content-type": "application/json", "x-request-id": seed, "user-agent": seed },
    });
  };
  const series = (body: string): string[] =>
    body
      .split("\n")
      .filter((line) => line.startsWith("attune_"))
      .map((line) => line.replace(/ [^ ]*$/, ""))
      .toSorted();
  await attack("seed0");
  const before = series((await scrape()).body);
  for (let number = 1; number < 20; number += 1) await attack(`seed${number}`);
  const { body } = await scrape();
  expect(series(body)).toEqual(before);
  expect(body).not.toContain("seed");
  expect(body).not.toContain(ada.id);
  expect(body).not.toContain(ada.token);
});

test("a database that is away, or says nothing, is told, and nothing of what it would say", async () => {
  const sockets: Socket[] = [];
  const silent = createServer((socket) => sockets.push(socket));
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as AddressInfo;
  const told = async (connectionString: string): Promise<Record<string, Samples>> => {
    const pool = new pg.Pool({ connectionString, max: 1, connectionTimeoutMillis: 5000 });
    try {
      const of = parse(await createDatabaseMetrics(pool)());
      return Object.fromEntries(Array.from(of, ([name, { samples }]) => [name, samples]));
    } finally {
      await pool.end();
    }
  };
  const away = { attune_database_up: { "": 0 }, attune_ready: { "": 0 } };
  expect(await told(`postgres://nobody@127.0.0.1:${port}/none`)).toEqual(away);
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => silent.close(resolve));
  expect(await told(`postgres://nobody@127.0.0.1:${port}/none`)).toEqual(away);
  const all = await told(database.authenticatorUrl);
  expect(all).toMatchObject({
    attune_database_up: { "": 1 },
    attune_ready: { "": 1 },
    attune_database_read_only: { "": 0 },
    attune_database_migrations: { "": (await readMigrations()).length },
    attune_health_up: { "": 1 },
    attune_database_table_rows: { "attune.users": expect.any(Number) },
    attune_backlog_due: { mails: 0, deliveries: 0, change_sets: 0, rollout_steps: 0 },
  });
  expect(all["attune_database_size_bytes"]?.[""]).toBeGreaterThan(1_000_000);
  expect(all["attune_database_connections_max"]?.[""]).toBeGreaterThan(0);
});
