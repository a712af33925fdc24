/** Many changes at once, slow readers, and a database that goes away: the last state always arrives. */
import { mkdtempSync } from "node:fs";
import { chmod, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createSubscriber, MOST_NAMES } from "../src/live/subscriber.ts";
import { attune, postmaster, startServer } from "./support/cli.ts";
import {
  createTestDatabase,
  createTestServer,
  type TestDatabase,
  type TestServer,
  type TestUser,
} from "./support/harness.ts";
import { listen, overWebSocket, subscribe } from "./support/live.ts";

let database: TestDatabase;
let server: TestServer;
let urls: { http: string; ws: string };
let ada: TestUser;

beforeAll(async () => {
  database = await createTestDatabase();
  ada = await database.createUser("ada@example.com");
  await database.query(`
    insert into attune.setting_definitions (key, category, layer, audience, writable_by, schema, default_value)
    select 'burst.s' || n, 'burst', 'user', 'client', 'user', '{"type": "integer"}', '0' from generate_series(1, 20) as n`);
  server = await createTestServer(database);
  urls = await listen(server);
});
afterAll(async () => {
  await server.close();
  await database.close();
});

test("what can't be read in time is given up, everybody fetches anew, and what comes afterwards is told", async () => {
  const client = overWebSocket(urls.ws, ada.token);
  const listener = subscribe(client, "subscription { settingsChanged { cursor mustRefetch keys } }");
  await listener.until(({ data }) => data != null);
  await database.query(`
    alter function attune_hidden.outbox(text, uuid[]) set schema attune_private;
    create function attune_hidden.outbox(cursor text, user_ids uuid[])
    returns table (user_id uuid, changes attune.changes) language plpgsql security definer as $$
    begin
      if cursor is not null then
        raise exception using errcode = '57014', message = 'canceling statement due to statement timeout';
      end if;
      return query select * from attune_private.outbox(cursor, user_ids);
    end;
    $$;
    grant execute on function attune_hidden.outbox(text, uuid[]) to service_role`);
  await listener.until(({ data }) => data?.["settingsChanged"]?.mustRefetch === true);
  await database.query(`
    drop function attune_hidden.outbox(text, uuid[]);
    alter function attune_private.outbox(text, uuid[]) set schema attune_hidden`);
  await database.as(ada, (each) => each.query("select attune.set_preference('burst.s1', '7')"));
  const last = await listener.until(({ data }) => data?.["settingsChanged"]?.keys?.includes("burst.s1") === true);
  expect(last.data?.["settingsChanged"]?.mustRefetch).toBe(false);
  client.dispose();
});

test("whatever is told and taken in whatever order, nothing is lost and no more is kept than may be", async () => {
  const told = fc.array(fc.integer({ min: 0, max: 1500 }).map(String), { maxLength: 700 });
  await fc.assert(
    // What is told before each time that it is taken.
    fc.asyncProperty(fc.array(fc.array(told, { minLength: 1, maxLength: 5 }), { maxLength: 10 }), async (rounds) => {
      const subscriber = createSubscriber({ take: () => undefined, end: () => undefined });
      for (const round of rounds) {
        for (const [at, names] of round.entries()) subscriber.tell({ cursor: String(at), mustRefetch: false, names });
        const event = await subscriber.next();
        const expected = new Set(round.flat());
        const isTooMuch = event?.mustRefetch === true;
        expect(event?.cursor).toBe(String(round.length - 1));
        expect(isTooMuch).toBe(expected.size > MOST_NAMES);
        expect(new Set(event?.names)).toEqual(isTooMuch ? new Set() : expected);
      }
      subscriber.end();
      expect(await subscriber.next()).toBeUndefined();
    }),
  );
});

test("a burst of ten thousand changes comes together, and ends with the last state", async () => {
  const client = overWebSocket(urls.ws, ada.token);
  const listener = subscribe(client, "subscription { settingsChanged { keys effectiveSettings { key value } } }");
  await listener.until(({ data }) => data != null);
  const write = async (writer: number): Promise<void> => {
    for (let round = 0; round < 25; round += 1)
      await database.as(ada, (connection) =>
        connection.query(`
          do $$ begin
            for n in ${round * 100 + 1}..${round * 100 + 100} loop
              perform attune.set_preference('burst.s' || (${writer} * 5 + n % 5 + 1), to_jsonb(n));
            end loop;
          end $$`),
      );
  };
  await Promise.all([0, 1, 2, 3].map(write));
  const values = (): Map<string, unknown> =>
    new Map(
      listener.told.flatMap(({ data }) =>
        ((data?.["settingsChanged"]?.["effectiveSettings"] ?? []) as { key: string; value: unknown }[]).map(
          ({ key, value }) => [key, value] as const,
        ),
      ),
    );
  await expect
    .poll(() => Array.from(values().values(), Number).toSorted((a, b) => a - b), { timeout: 20_000 })
    .toEqual([2496, 2497, 2498, 2499, 2500].flatMap((last) => [last, last, last, last]));
  // As many as there were commits, at most, and the first.
  expect(listener.told.length).toBeLessThanOrEqual(101);
  client.dispose();
});

test("a client that does not read keeps nobody waiting, and costs no memory", async () => {
  const raw = connect(Number(new URL(urls.http).port), "127.0.0.1");
  const body = JSON.stringify({
    query:
      "subscription { settingsChanged { keys query { settingDefinitions(first: 50) { nodes { description schema } } } } }",
  });
  raw.pause();
  raw.write(
    `POST /graphql HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${ada.token}\r\nAccept: text/event-stream\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  const client = overWebSocket(urls.ws, ada.token);
  const listener = subscribe(client, "subscription { settingsChanged { effectiveSettings { value } } }");
  await listener.until(({ data }) => data != null);
  for (let n = 1; n <= 60; n += 1)
    await database.as(ada, (connection) =>
      connection.query("select attune.set_preference('burst.s1', to_jsonb($1::integer))", [10_000 + n]),
    );
  await listener.until(({ data }) => JSON.stringify(data).includes("10060"));
  const reads = await database.query<{ n: string }>(
    "select count(*) as n from pg_stat_activity where datname = current_database() and state = 'active' and query like '%setting_definitions%' and pid <> pg_backend_pid()",
  );
  expect(Number(reads[0]?.n)).toBeLessThanOrEqual(2);
  raw.destroy();
  client.dispose();
});

test("after PostgreSQL was killed and came back, what changed is told, and nothing is missing", async () => {
  const home = mkdtempSync(join(tmpdir(), "attune-live-"));
  await chmod(home, 0o755);
  const dataDir = join(home, ".attune");
  const running = await startServer({ ATTUNE_DATA_DIR: dataDir });
  try {
    const token = (await attune(["token", "--email", "ada@example.com"], { ATTUNE_DATA_DIR: dataDir })).stdout.trim();
    const client = overWebSocket(`${running.address.replace("http", "ws")}/graphql`, token);
    const listener = subscribe(
      client,
      "subscription { settingsChanged { cursor mustRefetch keys effectiveSettings { value } } }",
    );
    await listener.until(({ data }) => data != null);
    const set = async (value: boolean): Promise<boolean> => {
      const response = await fetch(`${running.address}/graphql`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
        body: JSON.stringify({
          query: `mutation { setPreference(input: { key: "DARK_MODE_ENABLED", value: ${value} }) { clientMutationId } }`,
        }),
      });
      return !("errors" in ((await response.json()) as object));
    };
    expect(await set(true)).toBe(true);
    await listener.until(({ data }) => data?.["settingsChanged"]?.keys?.includes("DARK_MODE_ENABLED") === true);
    listener.told.length = 0;
    const pid = await postmaster(dataDir);
    process.kill(pid ?? 0, "SIGKILL");
    while (!(await set(false))) await sleep(100);
    const { data } = await listener.until(
      () =>
        listener.keys().includes("DARK_MODE_ENABLED") ||
        listener.told.some(({ data }) => data?.["settingsChanged"]?.mustRefetch),
    );
    expect(data?.["settingsChanged"]).toMatchObject({ effectiveSettings: [{ value: false }] });
    client.dispose();
  } finally {
    running.kill("SIGTERM");
    await running.finished;
    await rm(home, { recursive: true, force: true });
  }
});
