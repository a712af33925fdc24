/** What a server does by itself: that it is done again and again, whatever happens, and keeps nobody waiting. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { openPool } from "../src/database/pool.ts";
import { type MaintenanceTimes, startMaintenance } from "../src/server/maintenance.ts";
import { createTestDatabase, type TestDatabase } from "./support/harness.ts";

/** The task, and what is said of it. */
type Line = [task: string, message: string];

let database: TestDatabase;
let lines: Line[];
let end: (() => Promise<void>) | undefined;

beforeEach(async () => {
  database = await createTestDatabase();
  lines = [];
});

afterEach(async () => {
  await end?.();
  await database.close();
});

/** As a server begins it, with a connection of its own. */
function begin(times: MaintenanceTimes): void {
  const { pool, close } = openPool(database.authenticatorUrl, 1, () => undefined);
  const write = ({ task }: { task: string }, message: string): void => void lines.push([task, message]);
  const stop = startMaintenance(pool, times, { info: write, warn: write });
  end = async () => {
    end = undefined;
    stop();
    await close();
  };
}

test("what was changed is sealed by itself", async () => {
  await database.createUser("ada@example.com");
  const unsealed = (): Promise<unknown[]> =>
    database.query(
      "select l.id from attune.configuration_audit_log as l where not exists (select from attune_private.sealed_rows as r where r.audit_id = l.id)",
    );
  expect(await unsealed()).not.toEqual([]);
  begin({ seal: 20, apply: 100_000 });
  await vi.waitFor(async () => expect(await unsealed()).toEqual([]), { timeout: 20_000 });
  expect(lines).toEqual([]);
  expect(await database.query("select * from attune.verify_audit()")).toEqual([]);
});

test("a change set is applied by itself when it is due", async () => {
  await database.query(
    `insert into attune.setting_definitions (key, category, schema, default_value) values ('theme', 'test', '{"type": "string"}', '"light"')`,
  );
  await database.query("select from attune.create_change_set($1, $2, $3, now() + interval '0.5 s')", [
    "Dark",
    JSON.stringify([{ layer: "global", key: "theme", value: "dark" }]),
    "It is winter",
  ]);
  begin({ seal: 100_000, apply: 20 });
  await vi.waitFor(
    async () =>
      expect(await database.query("select value from attune.global_settings where key = 'theme'")).toEqual([
        { value: "dark" },
      ]),
    { timeout: 20_000 },
  );
  expect(lines).toEqual([]);
});

describe("with a task that counts how often it is done", () => {
  const BODIES = {
    counts: "",
    fails: "raise exception 'out of order';",
    asks: "if current_setting('role') <> 'service_role' then raise exception 'as %', current_setting('role'); end if;",
    waits:
      "perform nextval('public.times'); while not exists (select from public.enough) loop perform pg_sleep(0.05); end loop;",
  };

  /** What is done instead of sealing. */
  const instead = (body: keyof typeof BODIES): Promise<unknown> =>
    database.query(`
      create or replace function attune.seal_audit() returns bigint language plpgsql volatile security definer set search_path = '' as $$
      begin
        ${BODIES[body]}
        return nextval('public.times');
      end $$;
      grant execute on function attune.seal_audit() to service_role`);
  const times = async (): Promise<number> => {
    const [row] = await database.query<{ times: string }>(
      "select case when is_called then last_value else 0 end as times from public.times",
    );
    return Number(row?.times);
  };

  beforeEach(async () => {
    await database.query(
      "create sequence public.times; create table public.enough (); drop function if exists attune.seal_audit()",
    );
    await instead("counts");
  });

  test("it is done again and again, as service_role", async () => {
    await instead("asks");
    begin({ seal: 20, apply: 100_000 });
    await vi.waitFor(async () => expect(await times()).toBeGreaterThan(2));
    expect(lines).toEqual([]);
  });

  test("what fails is told once, done again, and its end is told", async () => {
    await instead("fails");
    begin({ seal: 20, apply: 100_000 });
    await vi.waitFor(() => expect(lines).toEqual([["seal", "maintenance failed"]]));
    await sleep(200);
    expect(lines).toHaveLength(1);
    await instead("counts");
    await vi.waitFor(() => expect(lines[1]).toEqual(["seal", "maintenance works again"]));
    expect(await times()).toBeGreaterThan(0);
  });

  test("nothing is done where the database takes no changes", async () => {
    await database.query(`alter database ${database.name} set default_transaction_read_only = on`);
    begin({ seal: 20, apply: 20 });
    await sleep(300);
    expect({ times: await times(), lines }).toEqual({ times: 0, lines: [] });
  });

  test("who ends it does not wait for what is under way, and nothing is said of that", async () => {
    await instead("waits");
    begin({ seal: 20, apply: 100_000 });
    await vi.waitFor(async () => expect(await times()).toBe(1));
    await end?.();
    await database.query("insert into public.enough default values");
    expect(lines).toEqual([]);
  });
});
