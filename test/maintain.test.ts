/** What keeps the database well, by hand: by several at once, cut off, and by `attune maintain`. */
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { connect } from "../src/database/client.ts";
import { attune, type Environment, type Finished, launch } from "./support/cli.ts";
import { createTestDatabase, type TestDatabase, type TestUser } from "./support/harness.ts";

let database: TestDatabase;
let ada: TestUser;
beforeAll(async () => {
  database = await createTestDatabase();
  ada = await database.createUser("ada@example.com");
});
afterAll(() => database.close());

const EXPIRED = 1000;

beforeEach(async () => {
  await database.query("select from attune.remove_expired(batch_size => 100000)");
  await database.query("delete from attune.maintenance_operations where operation in ('remove_expired', 'analyze')");
  await database.query(
    `insert into attune.user_session_state (user_id, session_key, expires_at)
     select $1, 'old ' || n, now() - interval '1 day' from generate_series(1, $2) as n`,
    [ada.id, EXPIRED],
  );
});

type Run = { id: string; status: string; affected_rows: string };

const left = async (): Promise<number> =>
  Number((await database.query<{ n: string }>("select count(*) as n from attune.user_session_state"))[0]?.n);
const runs = (): Promise<{ status: string; affected_rows: string }[]> =>
  database.query(
    "select status, affected_rows from attune.maintenance_operations where operation = 'remove_expired' order by id",
  );
const batch = async (client: pg.ClientBase | pg.Pool, size: number): Promise<Run | undefined> =>
  (await client.query<Run>("select id, status, affected_rows from attune.maintain('remove_expired', $1)", [size]))
    .rows[0];

/** Has each batch wait for the one before it to be told, so that there is time to do something to it. */
async function slowly<T>(work: () => Promise<T>): Promise<T> {
  await database.query(`
    create function public.waits() returns trigger language plpgsql as $$ begin perform pg_sleep(0.3); return null; end $$;
    create trigger _999_waits after delete on attune.user_session_state for each statement execute function public.waits()`);
  try {
    return await work();
  } finally {
    await database.query("drop trigger _999_waits on attune.user_session_state; drop function public.waits()");
  }
}

describe("by several at once", () => {
  let clients: pg.Client[];
  beforeEach(async () => {
    clients = await Promise.all(Array.from({ length: 8 }, () => connect(database.ownerUrl)));
  });
  afterEach(() => Promise.all(clients.map((client) => client.end())));

  test("one at a time does a batch, the others are refused, and nothing is done twice", async () => {
    const refusals: unknown[] = [];
    let [under, most] = [0, 0];
    const counts = await Promise.all(
      clients.map(async (client) => {
        let done = 0;
        while ((await left()) > 0) {
          try {
            await client.query("begin");
            await batch(client, 30);
            under += 1;
            most = Math.max(most, under);
            done += 1;
            await sleep(5);
            under -= 1;
            await client.query("commit");
          } catch (error) {
            await client.query("rollback");
            refusals.push(error);
            await sleep(Math.random() * 10);
          }
        }
        return done;
      }),
    );
    expect(most).toBe(1);
    expect(refusals).not.toEqual([]);
    for (const refusal of refusals) expect(refusal).toMatchObject({ code: "PT409", detail: "maintenance_running" });
    expect(counts.reduce((sum, count) => sum + count)).toBeGreaterThanOrEqual(Math.ceil(EXPIRED / 30));
    let run = await batch(database.owner, 30);
    while (run?.status === "running") run = await batch(database.owner, 30);
    expect((await runs()).reduce((sum, { affected_rows }) => sum + Number(affected_rows), 0)).toBe(EXPIRED);
  });

  test("a batch that is cut off is not half done, and the next call goes on", async () => {
    const [first, second] = clients;
    if (first === undefined || second === undefined) throw new Error("no clients");
    await batch(first, 100);
    await slowly(async () => {
      const {
        rows: [backend],
      } = await first.query<{ pid: number }>("select pg_backend_pid() as pid");
      const cut = batch(first, 100).catch((error: unknown) => error);
      await expect
        .poll(() => batch(second, 100).catch((error: pg.DatabaseError) => error.detail))
        .toBe("maintenance_running");
      await second.query("select pg_terminate_backend($1)", [backend?.pid]);
      expect(await cut).toBeInstanceOf(Error);
    });
    const before = await left();
    expect((EXPIRED - before) % 100).toBe(0);
    let run = await batch(second, 100);
    while (run?.status === "running") run = await batch(second, 100);
    expect(await runs()).toEqual([{ status: "completed", affected_rows: String(EXPIRED) }]);
    expect(await left()).toBe(0);
  });
});

describe("by `attune maintain`", () => {
  const environment = (): Environment => ({ DATABASE_URL: database.ownerUrl });
  const maintain = (...args: string[]): Promise<Finished> => attune(["maintain", ...args], environment());

  test("it says what there is, when it is done and what became of it", async () => {
    await database.query("select from attune.maintain('remove_expired', 10)");
    const { stdout, code } = await maintain();
    expect(code).toBe(0);
    const list = stdout.split("\n").map((line) => line.split("|").map((cell) => cell.trim()));
    expect(list[0]).toEqual(["operation", "when (UTC)", "last done", "state"]);
    expect(list).toContainEqual(["remove_expired", "17 3 * * *", expect.any(String), "running, 10 affected so far"]);
    expect(list).toContainEqual(["seed_existing_users", "by hand", "", "never done"]);
    const json: unknown = JSON.parse((await maintain("--json")).stdout);
    expect(json).toContainEqual({
      operation: "remove_expired",
      cron: "17 3 * * *",
      lastStartedAt: expect.any(String),
      lastCompletedAt: expect.any(String),
      lastStatus: "running",
      lastError: null,
      affectedRows: 10,
      progressedAt: expect.any(String),
      isStale: false,
    });
  });

  test("it does one to its end, or all that have a schedule", async () => {
    const one = await maintain("remove_expired", "--batch-size", "400");
    expect(one).toMatchObject({ code: 0, stderr: "" });
    expect(one.stdout).toMatch(/^remove_expired is done: 1000 affected, 4 batches, \d+\.\d s\.\n$/);
    const { stdout, stderr, code } = await maintain("--all");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const scheduled = await database.query<{ operation: string }>(
      "select operation from attune.maintenance_schedules where cron is not null order by operation",
    );
    expect(stdout.split("\n").map((line) => line.split(" ")[0])).toEqual([...scheduled.map((s) => s.operation), ""]);
    expect(stdout).toContain("(AUDIT_RETENTION_DAYS is not set).");
  });

  test("Ctrl-C ends it after a batch, and the next time goes on from there", async () => {
    await slowly(async () => {
      const running = launch(["maintain", "remove_expired", "--batch-size", "10"], environment());
      await expect.poll(() => running.output().stderr, { timeout: 30_000 }).toContain("so far");
      running.kill("SIGINT");
      const { code, stderr } = await running.finished;
      expect(code).toBe(130);
      expect(stderr).toContain("`attune maintain remove_expired` goes on from there.");
    });
    const before = EXPIRED - (await left());
    expect(before % 10).toBe(0);
    expect(await runs()).toEqual([{ status: "running", affected_rows: String(before) }]);
    expect((await maintain("remove_expired")).stdout).toContain(`remove_expired is done: ${EXPIRED} affected`);
  });

  test("what fails, is under way elsewhere or is not known is told, with status 1", async () => {
    await database.query(`
      create function public.fails() returns trigger language plpgsql as $$ begin raise exception 'the disk is full'; end $$;
      create trigger _999_fails before delete on attune.user_session_state for each row execute function public.fails()`);
    const failed = await maintain("remove_expired");
    await database.query("drop trigger _999_fails on attune.user_session_state; drop function public.fails()");
    expect(failed).toMatchObject({
      code: 1,
      stderr:
        "attune: remove_expired failed: the disk is full. What it had done before stays; see maintenance_operations.\n",
    });

    const other = await connect(database.ownerUrl);
    await other.query("begin; select from attune.begin_maintenance('remove_expired')");
    expect(await maintain("remove_expired")).toMatchObject({
      code: 1,
      stderr:
        "attune: remove_expired is being done just now, by another process. Try again when that is over: maintenance_operations says how far it is.\n",
    });
    await other.end();

    const unknown = await maintain("vacuum");
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toMatch(/^attune: There is no operation vacuum: seal_audit, .*seed_existing_users.*\.\n$/);
    for (const [args, message] of [
      [["analyze", "--all"], "Name operations, or say --all, not both."],
      [["analyze", "--json"], "--json is for what there is: leave the operations out."],
      [["analyze", "--batch-size", "0"], "A batch is 1 to 100000 rows."],
    ] as const) {
      const { code, stderr } = await maintain(...args);
      expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(message) });
    }
  });
});
