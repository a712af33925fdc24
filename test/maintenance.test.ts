/** What a server does by itself: that it is done when it is due, once, whatever happens, and keeps nobody waiting. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { parseCronItem } from "graphile-worker";
import type pg from "pg";
import { afterEach, beforeEach, describe, expect, inject, test, vi } from "vitest";
import { connect, withClient } from "../src/database/client.ts";
import { status } from "../src/database/migrations.ts";
import { openPool } from "../src/database/pool.ts";
import { planRollback, rollback } from "../src/database/rollback.ts";
import { LANES, QUEUE_CONNECTIONS } from "../src/database/server-connections.ts";
import { LONGEST_MAINTENANCE, startMaintenance } from "../src/server/maintenance.ts";
import { createTestDatabase, type TestDatabase } from "./support/harness.ts";

/** The task, what is said of it, and why. */
type Line = [task: string | undefined, message: string, reason: string | undefined];

/** Where the clock stands when a test begins: just before a minute in the past, so that jobs of it are due at once. */
const BEFORE = Date.parse("2026-03-01T03:16:59.990Z");

let database: TestDatabase;
let lines: Line[];
let ends: (() => Promise<void>)[];
let minute: number;
let child: ChildProcess | undefined;
/** Sees what the servers do, as it is their role. */
let witness: pg.Client;

beforeEach(async () => {
  database = await createTestDatabase();
  witness = await connect(database.authenticatorUrl);
  await database.query("update attune.maintenance_schedules set cron = null, last_completed_at = now()");
  lines = [];
  ends = [];
  minute = 0;
  vi.useFakeTimers({ toFake: ["Date"], now: BEFORE });
});

afterEach(async () => {
  vi.useRealTimers();
  child?.kill("SIGKILL");
  await endAll();
  await witness.end();
  await database.close();
});

async function endAll(): Promise<void> {
  await Promise.all(ends.splice(0).map((end) => end()));
}

/** As a server begins it and ends it. */
function begin(): void {
  const tasks = openPool(database.authenticatorUrl, LANES, () => undefined, LONGEST_MAINTENANCE);
  const jobs = openPool(database.authenticatorUrl, QUEUE_CONNECTIONS, () => undefined, Infinity);
  const write = ({ task, reason, err }: { task?: string; reason?: string; err?: unknown }, message: string): void =>
    void lines.push([task, message, reason ?? (err instanceof Error ? err.message : undefined)]);
  const stop = startMaintenance({
    ownerUrl: database.ownerUrl,
    tasks: tasks.pool,
    jobs: jobs.pool,
    log: { info: write, warn: write },
    times: { soon: 0, retry: 20, reread: 20 },
  });
  ends.push(async () => {
    const stopped = stop();
    await tasks.close();
    await stopped;
    await jobs.close();
  });
}

/** Connections of the servers that listen for new jobs. */
const LISTENERS = `from pg_stat_activity
  where datname = current_database() and usename = current_user and pid <> pg_backend_pid() and query like '%LISTEN%'`;

/** Vitest's own would move the clock. */
async function eventually(check: () => Promise<void> | void): Promise<void> {
  const start = performance.now();
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() - start > 20_000) throw error;
      await sleep(20);
    }
  }
}

/** So many queues look for jobs. */
async function listening(queues = 1): Promise<void> {
  await eventually(async () => expect((await witness.query(`select ${LISTENERS}`)).rows).toHaveLength(queues));
}

/** Ends what runs on all connections of the servers. */
async function cut(): Promise<void> {
  await witness.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and usename = current_user and pid <> pg_backend_pid()`,
  );
}

/** From another database, as this one may take neither changes nor connections. */
const alter = (what: string): Promise<unknown> =>
  withClient(inject("cluster").ownerUrl, (client) => client.query(`alter database ${database.name} ${what}`));

/** A minute later. */
function tick(): void {
  minute += 1;
  vi.setSystemTime(BEFORE + minute * 60_000);
}

/** Until nothing waits or is under way any more of what was due at that minute. */
async function done(operations: number): Promise<void> {
  const due = new Date(BEFORE - 59_990 + minute * 60_000);
  await eventually(async () =>
    expect(
      await database.query(
        `select (select count(*)::int from attune_worker._private_known_crontabs where last_execution = $1) as due,
                  (select count(*)::int from attune_worker._private_jobs) as left`,
        [due],
      ),
    ).toEqual([{ due: operations, left: 0 }]),
  );
}

const schedule = (operation: string, cron: string | null): Promise<unknown> =>
  database.query("update attune.maintenance_schedules set cron = $2 where operation = $1", [operation, cron]);

test("what was never done is done when a server starts", async () => {
  await database.query("update attune.maintenance_schedules set cron = '17 3 * * *', last_completed_at = null");
  begin();
  begin();
  await eventually(async () => {
    const undone = "select operation from attune.maintenance_schedules where last_completed_at is null";
    expect(await database.query(undone)).toEqual([]);
  });
  expect(lines).toEqual([]);
});

test("what was changed is sealed, and what is due is applied, each in its minute", async () => {
  await database.createUser("ada@example.com");
  await database.query(
    `insert into attune.setting_definitions (key, category, schema, default_value) values ('theme', 'test', '{"type": "string"}', '"light"')`,
  );
  await database.query("select from attune.create_change_set($1, $2, $3, now() + interval '0.2 s')", [
    "Dark",
    JSON.stringify([{ layer: "global", key: "theme", value: "dark" }]),
    "It is winter",
  ]);
  await schedule("apply_due_changes", "* * * * *");
  await schedule("seal_audit", "18 * * * *");
  await sleep(200);
  begin();
  await listening();
  tick();
  await done(1);
  expect(await database.query("select value from attune.global_settings where key = 'theme'")).toEqual([
    { value: "dark" },
  ]);
  tick();
  await done(2);
  expect(
    await database.query(
      "select l.id from attune.configuration_audit_log as l where not exists (select from attune_private.sealed_rows as r where r.audit_id = l.id)",
    ),
  ).toEqual([]);
  expect(await database.query("select * from attune.verify_audit()")).toEqual([]);
  expect(
    await database.query(
      "select distinct operation, status, actor_role from attune.maintenance_operations order by operation",
    ),
  ).toEqual(
    ["seal_audit", "apply_due_changes"].map((operation) => ({
      operation,
      status: "completed",
      actor_role: "service_role",
    })),
  );
  expect(lines).toEqual([]);
});

test("the requests' roles have nothing to do with the queue, and authenticator with nothing else", async () => {
  begin();
  await listening();
  const rights = (role: string): Promise<unknown> =>
    database.query(
      `select n.nspname from pg_namespace as n
       where has_schema_privilege($1, n.oid, 'usage') and n.nspname ~ '^attune' order by n.nspname`,
      [role],
    );
  expect(await rights("authenticator")).toEqual([{ nspname: "attune_worker" }]);
  for (const role of ["anon", "authenticated", "service_role"]) {
    expect(await rights(role)).not.toContainEqual({ nspname: "attune_worker" });
    expect(
      await database.query(
        `select c.oid::regclass from pg_class as c
         where c.relnamespace = 'attune_worker'::regnamespace and c.relkind in ('r', 'v', 'S')
           and has_table_privilege($1, c.oid, 'select, insert, update, delete')`,
        [role],
      ),
    ).toEqual([]);
  }
  await expect(
    witness.query("begin; set local role service_role; select from attune_worker.add_job('maintain')"),
  ).rejects.toMatchObject({ code: "42501", message: "permission denied for schema attune_worker" });
  expect(
    await database.query(
      `select c.relname from pg_class as c
       where c.relnamespace = 'attune_worker'::regnamespace and c.relkind = 'r' and not c.relrowsecurity`,
    ),
  ).toEqual([]);
});

test("times that are changed hold soon, and one that nobody can read keeps no other from its time", async () => {
  await database.query("alter table attune.maintenance_schedules drop constraint maintenance_schedules_cron_check");
  begin();
  await listening();
  await schedule("analyze", "every now and then");
  await eventually(() =>
    expect(lines).toEqual([["analyze", "maintenance failed", "There is no time every now and then"]]),
  );
  await schedule("seal_audit", "17 3 * * *");
  await sleep(200);
  tick();
  await done(1);
  expect(await database.query("select operation from attune.maintenance_operations")).toEqual([
    { operation: "seal_audit" },
  ]);
  expect(lines).toHaveLength(1);
});

test("a way back behind it takes the queue along, and no server makes it again", async () => {
  begin();
  await listening();
  const migration = (await status(database.ownerUrl)).applied.find(({ file }) => file.endsWith("-maintenance.sql"));
  const before = (migration?.number ?? 0) - 1;
  const { losses } = await planRollback(database.ownerUrl, before);
  expect(losses.filter(({ name }) => name.includes("attune_worker"))).toEqual([]);
  await rollback(database.ownerUrl, before);
  await eventually(() => expect(lines).toHaveLength(1));
  await sleep(200);
  expect(await database.query("select to_regnamespace('attune_worker') as queue")).toEqual([{ queue: null }]);
  expect(lines).toEqual([[undefined, "maintenance is interrupted", expect.any(String)]]);
});

describe("with an operation that counts how often it is done", () => {
  const BODIES = {
    counts: "",
    fails: "raise exception 'out of order';",
    asks: "if current_setting('role') <> 'service_role' then raise exception 'as %', current_setting('role'); end if;",
    waits: "while not exists (select from public.enough) loop perform pg_sleep(0.05); end loop;",
  };

  /** What is done instead of sealing. */
  const instead = (body: keyof typeof BODIES): Promise<unknown> =>
    database.query(`
      create or replace function attune.seal_audit() returns bigint language plpgsql volatile security definer set search_path = '' as $$
      begin
        perform nextval('public.begun');
        ${BODIES[body]}
        return nextval('public.times');
      end $$;
      grant execute on function attune.seal_audit() to service_role`);
  const value = async (sequence: "begun" | "times"): Promise<number> => {
    const [row] = await database.query<{ value: string }>(
      `select case when is_called then last_value else 0 end as value from public.${sequence}`,
    );
    return Number(row?.value);
  };
  const until = (sequence: "begun" | "times", expected: number): Promise<void> =>
    eventually(async () => expect(await value(sequence)).toBe(expected));

  beforeEach(async () => {
    await database.query(
      "create sequence public.times; create sequence public.begun; create table public.enough (); drop function if exists attune.seal_audit()",
    );
    await instead("counts");
    await schedule("seal_audit", "* * * * *");
  });

  test("it is done once a minute, as service_role, however many servers there are", async () => {
    await instead("asks");
    for (let server = 0; server < 3; server += 1) begin();
    await listening(3);
    for (let passed = 1; passed <= 5; passed += 1) {
      tick();
      await done(1);
      expect(await value("times")).toBe(passed);
    }
    await endAll();
    expect({ begun: await value("begun"), lines }).toEqual({ begun: 5, lines: [] });
  });

  test("what was due while no server was there is not done many times over", async () => {
    begin();
    await listening();
    tick();
    await done(1);
    await endAll();
    minute += 100;
    vi.setSystemTime(BEFORE + minute * 60_000);
    begin();
    await listening();
    tick();
    await done(1);
    expect(await value("times")).toBe(2);
  });

  test("what fails is told once, done again, and its end is told", async () => {
    await instead("fails");
    begin();
    await listening();
    for (let passed = 0; passed < 3; passed += 1) {
      tick();
      await done(1);
    }
    expect(lines).toEqual([["seal_audit", "maintenance failed", "out of order"]]);
    await instead("counts");
    tick();
    await done(1);
    expect(lines.slice(1)).toEqual([["seal_audit", "maintenance works again", undefined]]);
    expect(await database.query("select status, runs from attune.maintenance_operations order by id")).toEqual([
      { status: "failed", runs: 3 },
      { status: "completed", runs: 1 },
    ]);
  });

  test("what somebody else does just now is no news", async () => {
    begin();
    await listening();
    const other = await database.owner.connect();
    try {
      await other.query("begin");
      await other.query("select from attune.begin_maintenance('seal_audit')");
      tick();
      await done(1);
      expect({ begun: await value("begun"), lines }).toEqual({ begun: 0, lines: [] });
    } finally {
      await other.query("rollback");
      other.release();
    }
  });

  test("nothing is done where the database takes no changes, and it begins when it does", async () => {
    await alter("set default_transaction_read_only = on");
    begin();
    await sleep(300);
    expect(await database.query("select to_regnamespace('attune_worker') as made")).toEqual([{ made: null }]);
    await alter("reset default_transaction_read_only");
    await cut();
    await listening();
    tick();
    await done(1);
    expect(await value("times")).toBe(1);
    // Where something was asked just when connections were cut, that is told, and its end.
    expect([[], ["maintenance is interrupted", "maintenance goes on"]]).toContainEqual(lines.map(([, line]) => line));
  });

  test("after the database was away it goes on by itself, which is told once", async () => {
    begin();
    await listening();
    await alter("allow_connections false");
    try {
      await cut();
      await eventually(() => expect(lines).toHaveLength(1));
      await sleep(300);
      expect(lines).toEqual([[undefined, "maintenance is interrupted", expect.any(String)]]);
    } finally {
      await alter("allow_connections true");
    }
    await listening();
    tick();
    await done(1);
    expect(await value("times")).toBe(1);
    expect(lines.slice(1)).toEqual([[undefined, "maintenance goes on", undefined]]);
  });

  test("a batch that is cut off is taken back, and done again soon", async () => {
    await instead("waits");
    begin();
    await listening();
    tick();
    await until("begun", 1);
    await cut();
    await database.query("insert into public.enough default values");
    await until("times", 1);
    await done(1);
    expect(await database.query("select status, runs from attune.maintenance_operations")).toEqual([
      { status: "completed", runs: 1 },
    ]);
  });

  test("what a killed process was at is done by the next, which does not wait for it", async () => {
    await instead("waits");
    child = spawn(
      process.execPath,
      [
        join(import.meta.dirname, "support/maintenance.ts"),
        JSON.stringify({ ownerUrl: database.ownerUrl, authenticatorUrl: database.authenticatorUrl }),
      ],
      { stdio: ["ignore", "ignore", "inherit"] },
    );
    await listening();
    await database.query(
      `select from attune_worker.add_job('maintain', '{"operation": "seal_audit"}', job_key => 'seal_audit')`,
    );
    await until("begun", 1);
    child.kill("SIGKILL");
    // PostgreSQL notices when it has something to say to who is gone.
    await cut();
    await database.query("insert into public.enough default values");
    begin();
    await listening();
    tick();
    await until("times", 1);
    await eventually(async () =>
      expect(await database.query("select status, runs from attune.maintenance_operations")).toEqual([
        { status: "completed", runs: 1 },
      ]),
    );
    expect(lines).toEqual([]);
  });

  test("who ends it does not wait for what is under way, and nothing is said of that", async () => {
    await instead("waits");
    begin();
    await listening();
    tick();
    await until("begun", 1);
    await endAll();
    await database.query("insert into public.enough default values");
    expect({ times: await value("times"), lines }).toEqual({ times: 0, lines: [] });
    expect(await database.query("select status from attune.maintenance_operations")).toEqual([{ status: "running" }]);
  });
});

describe("times", () => {
  const digits = (low: number, high: number): fc.Arbitrary<string> =>
    fc.oneof({ weight: 30, arbitrary: fc.integer({ min: low, max: high }) }, fc.integer({ max: 99 })).map(String);
  const field = (low: number, high: number): fc.Arbitrary<string> => {
    const part = fc.oneof(
      fc.constant("*"),
      digits(low, high),
      digits(low, high).map((step) => `*/${step}`),
      fc.tuple(digits(low, high), digits(low, high)).map((ends) => ends.join("-")),
      fc.string({ maxLength: 4, unit: fc.constantFrom(..."0159*/-, a") }),
    );
    return fc.oneof(
      { weight: 3, arbitrary: part },
      fc.array(part, { minLength: 1, maxLength: 3 }).map((all) => all.join(",")),
    );
  };
  const cron = fc
    .tuple(field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 6), fc.boolean())
    .map(([minute, hour, day, month, weekday, isByWeek]) =>
      (isByWeek ? [minute, hour, "*", month, weekday] : [minute, hour, day, month, "*"]).join(" "),
    );

  test("what SQL takes for a time, servers read", async () => {
    const samples = fc.sample(cron, { numRuns: 5000, seed: 7 });
    const rows = await database.query<{ cron: string }>(
      "select c as cron from unnest($1::text[]) as c where attune_private.is_cron(c)",
      [samples],
    );
    expect(rows.length).toBeGreaterThan(300);
    for (const { cron: match } of rows) parseCronItem({ task: "maintain", match });
  });
});
