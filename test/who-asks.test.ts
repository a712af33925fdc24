/** Who is asking is found out once: every function of the API is called, and counted is what it asks. */
import type pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connect } from "../src/database/client.ts";
import { migrate } from "../src/database/migrate.ts";
import { startThrowawayCluster, type ThrowawayCluster } from "../src/embedded/testing/throwaway.ts";
import { type ApiCalls, type Call, ELSEWHERE, prepareCalls, type Who } from "./support/api-calls.ts";

let cluster: ThrowawayCluster;
let client: pg.Client;
let table: Call[];
let claims: ApiCalls["claims"];
beforeAll(async () => {
  cluster = await startThrowawayCluster({ settings: { track_functions: "all" } });
  const url = await cluster.createDatabase("attune");
  await migrate(url);
  client = await connect(url);
  ({ table, claims } = await prepareCalls(client));
});

afterAll(async () => {
  await client.end();
  await cluster.stop();
});

/** How often each function ran in this transaction. */
async function counted(): Promise<Map<string, number>> {
  const { rows } = await client.query<{ name: string; calls: string }>(
    "select schemaname || '.' || funcname as name, calls from pg_catalog.pg_stat_xact_user_functions",
  );
  return new Map(rows.map(({ name, calls: times }) => [name, Number(times)]));
}

/** Runs a statement as the server would, takes it back, and says how often the functions ran that find out who asks. */
async function ask(who: Who, sql: string): Promise<Record<string, number>> {
  await client.query("begin");
  try {
    const before = await counted();
    await client.query("select set_config('request.jwt.claims', $1, true)", [JSON.stringify(claims[who])]);
    await client.query(`set local role ${claims[who]["role"]}`);
    await client.query(sql);
    await client.query("reset role");
    const after = await counted();
    const times = (name: string): number => (after.get(name) ?? 0) - (before.get(name) ?? 0);
    return {
      users: times("attune.current_user_id"),
      administrators: times("attune.is_admin"),
      addresses: times("attune_private.request_address"),
    };
  } finally {
    await client.query("rollback");
  }
}

test("every function of the API finds out once who is asking", async () => {
  const offenders: string[] = [];
  for (const { who, sql, times = 1, ...limits } of table) {
    const { users = 0, administrators = 0, addresses = 0 } = await ask(who, `select * from attune.${sql}`);
    if (users > times || administrators > (limits.administrators ?? 1) || addresses > 1) {
      offenders.push(`${sql} by ${who}: ${users} users, ${administrators} administrators, ${addresses} addresses`);
    }
  }
  expect(offenders).toEqual([]);
});

test("the table walks every function that a request may call", async () => {
  const { rows } = await client.query<{ name: string }>(
    `select distinct p.proname as name
     from pg_catalog.pg_proc as p
     where p.pronamespace = 'attune'::regnamespace
     order by 1`,
  );
  const walked = new Set([...table.map(({ sql }) => sql.slice(0, sql.indexOf("("))), ...ELSEWHERE]);
  expect(rows.map(({ name }) => name).filter((name) => !walked.has(name))).toEqual([]);
});

test("a list of settings asks no more often, however long it is", async () => {
  const few = await ask("user", "select * from attune.effective_settings('features')");
  const all = await ask("user", "select * from attune.effective_settings()");
  expect(all).toEqual(few);
});

test("a policy asks no more often, whatever the number of rows", async () => {
  const own = "select count(*) from attune.user_preferences";
  // From whom, up to whom, and whether what is concealed is shown.
  expect(await ask("user", own)).toMatchObject({ users: 3 });
  expect(await ask("admin", own)).toMatchObject({ users: 3 });
});
