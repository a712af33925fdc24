/**
 * `node bench/live.ts`: how long it takes from a commit to who has subscribed, and what it costs who writes; beside
 * NOTIFY in the writing transaction, and LISTEN.
 *
 *   node bench/live.ts                                        1,000 subscribers, 300 changes, 5 seconds for each writing
 *   node bench/live.ts --subscribers 100 --changes 50 --seconds 2     quick and rough
 */
import { once } from "node:events";
import { parseArgs } from "node:util";
import type pg from "pg";
import { WebSocket } from "ws";
import { connect, withClient } from "../src/database/client.ts";
import { openDatabase } from "../src/database/open.ts";
import { startThrowawayCluster } from "../src/embedded/testing/throwaway.ts";
import { readOptions } from "../src/options/options.ts";
import { signToken } from "../src/sign-in/jwt.ts";
import { startService } from "./service.ts";

const SECRET = "a secret of the benchmark, and of nothing else";
const KEYS_ONLY = "subscription { settingsChanged { keys } }";
const WITH_VALUES = "subscription { settingsChanged { keys effectiveSettings { key value } } }";
const NOTIFY = `
  create function attune_private.tell() returns trigger language plpgsql as $$
  begin perform pg_notify('bench', new.user_id::text || ' ' || new.key); return null; end $$;
  create trigger _950_tell after insert or update on attune.user_preferences
    for each row execute function attune_private.tell()`;

const { values } = parseArgs({
  options: {
    subscribers: { type: "string", default: "1000" },
    changes: { type: "string", default: "300" },
    seconds: { type: "string", default: "5" },
  },
});
const subscribers = Number(values.subscribers);
const changes = Number(values.changes);
const seconds = Number(values.seconds);

const at = (times: number[], share: number): string => {
  const sorted = times.toSorted((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN).toFixed(0);
};
const row = (what: string, times: number[]): void =>
  console.log(`| ${what} | ${at(times, 0.5)} | ${at(times, 0.99)} | ${at(times, 1)} | ${times.length} |`);

async function listen(
  address: string,
  user: string,
  from: string,
  query: string,
  onTold: () => void,
): Promise<WebSocket> {
  const token = await signToken({ sub: user, role: "authenticated" }, { secret: SECRET });
  const headers = { "x-forwarded-for": from };
  const socket = new WebSocket(address.replace("http", "ws"), "graphql-transport-ws", { headers });
  await once(socket, "open");
  let told = 0;
  const ready = new Promise<void>((resolve) => {
    socket.on("message", (data: Buffer) => {
      const text = data.toString();
      if (text.includes('"connection_ack"'))
        socket.send(JSON.stringify({ type: "subscribe", id: "1", payload: { query } }));
      else if (text.includes('"next"')) {
        told += 1;
        if (told === 1) resolve();
        else onTold();
      }
    });
  });
  socket.send(JSON.stringify({ type: "connection_init", payload: { authorization: `Bearer ${token}` } }));
  await ready;
  return socket;
}

/** Sets a preference of a user, as they would. @returns when its commit was asked for */
async function set(client: pg.Client, user: string, value: number): Promise<number> {
  await client.query("begin");
  await client.query("select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)", [
    JSON.stringify({ sub: user, role: "authenticated", iss: "attune" }),
  ]);
  await client.query("select from attune.set_preference('bench.number', to_jsonb($1::integer))", [value]);
  const begin = performance.now();
  await client.query("commit");
  return begin;
}

/** How many writes a second so many writers do, each for a user of their own. */
async function throughput(url: string, users: string[], writers: number): Promise<number> {
  const clients = await Promise.all(Array.from({ length: writers }, () => connect(url, "attune bench")));
  const end = performance.now() + seconds * 1000;
  let written = 0;
  await Promise.all(
    clients.map(async (client, index) => {
      for (let n = 0; performance.now() < end; n += 1) {
        await set(client, users[index % users.length] ?? "", n);
        written += 1;
      }
    }),
  );
  await Promise.all(clients.map((client) => client.end()));
  return written / seconds;
}

const cluster = await startThrowawayCluster({
  settings: { fsync: "on", synchronous_commit: "on", full_page_writes: "on" },
});
try {
  const options = readOptions({ DATABASE_URL: await cluster.createDatabase("attune_live"), JWT_SECRET: SECRET });
  const { ownerUrl, authenticatorUrl } = await openDatabase(options, { migrate: true });
  const users = await withClient(ownerUrl, async (client) => {
    await client.query(`
      insert into attune.setting_definitions (key, category, layer, audience, writable_by, schema, default_value)
      values ('bench.number', 'bench', 'user', 'client', 'user', '{"type": "integer"}', '0')`);
    const { rows } = await client.query<{ id: string }>(
      "select attune_private.ensure_user('user' || n || '@example.com') as id from generate_series(1, $1) as n",
      [subscribers],
    );
    return rows.map(({ id }) => id);
  });

  console.log(`${subscribers} subscribers\n\n| from commit to subscriber, ms | median | p99 | longest | told |`);
  console.log("| --- | --- | --- | --- | --- |");
  // One address may not have so many.
  process.env["TRUST_PROXY"] = "1";
  const service = await startService(ownerUrl, SECRET);
  const writer = await connect(authenticatorUrl, "attune bench");
  const admin = await connect(ownerUrl, "attune bench");
  let value = 0;
  for (const [name, query] of [
    ["keys only", KEYS_ONLY],
    ["with values", WITH_VALUES],
  ] as const) {
    let told: number[] = [];
    const sockets: WebSocket[] = [];
    for (const [n, user] of users.entries())
      sockets.push(await listen(service.address, user, `10.0.${n % 250}.1`, query, () => told.push(performance.now())));
    /** Makes a change, and tells how long it took to all who are to be told. */
    const measure = async (change: () => Promise<number>, whom: number): Promise<number[]> => {
      told = [];
      const committed = await change();
      while (told.length < whom) await new Promise((resolve) => setTimeout(resolve, 2));
      return told.map((time) => time - committed);
    };
    const own: number[] = [];
    for (let n = 1; n <= changes; n += 1)
      own.push(...(await measure(() => set(writer, users[(n * 7) % users.length] ?? "", (value += 1)), 1)));
    row(`own change, ${name}`, own);
    const all: number[] = [];
    for (let n = 1; n <= 5; n += 1)
      all.push(
        ...(await measure(async () => {
          const begin = performance.now();
          await admin.query(
            "insert into attune.global_settings (key, value) values ('bench.number', to_jsonb($1::integer)) on conflict (key) do update set value = excluded.value",
            [(value += 1)],
          );
          return begin;
        }, users.length)),
      );
    row(`global change, ${name}`, all);
    for (const socket of sockets) socket.terminate();
  }
  await service.stop();

  await withClient(ownerUrl, (client) => client.query(NOTIFY));
  const plain = await connect(ownerUrl, "attune bench");
  await plain.query("listen bench");
  const plainTimes: number[] = [];
  for (let n = 1; n <= changes; n += 1) {
    const told = once(plain, "notification").then(() => performance.now());
    const committed = await set(writer, users[(n * 7) % users.length] ?? "", (value += 1));
    plainTimes.push((await told) - committed);
  }
  row("NOTIFY and LISTEN, to one connection of the database", plainTimes);
  await Promise.all([plain.end(), writer.end()]);

  console.log("\n| writers | the outbox, writes a second | with NOTIFY | ratio |\n| --- | --- | --- | --- |");
  for (const writers of [1, 8, 32]) {
    const rates: Record<"outbox" | "notify", number[]> = { outbox: [], notify: [] };
    for (let round = 0; round < 2; round += 1)
      for (const way of ["outbox", "notify"] as const) {
        await admin.query(
          `alter table attune.user_preferences ${way === "notify" ? "enable" : "disable"} trigger _950_tell`,
        );
        rates[way].push(await throughput(authenticatorUrl, users, writers));
      }
    const mean = (all: number[]): number => all.reduce((sum, each) => sum + each, 0) / all.length;
    const [outbox, notify] = [mean(rates.outbox), mean(rates.notify)];
    console.log(`| ${writers} | ${outbox.toFixed(0)} | ${notify.toFixed(0)} | ${(notify / outbox).toFixed(2)} |`);
  }
  await admin.end();
} finally {
  await cluster.stop();
}
