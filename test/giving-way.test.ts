/** Migrations beside an application that works: they give way to its requests, and indexes are built without stopping it. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { Patience } from "../src/database/attempts.ts";
import { connect } from "../src/database/client.ts";
import { migrate } from "../src/database/migrate.ts";
import { rollback } from "../src/database/rollback.ts";
import { startThrowawayCluster, type ThrowawayCluster } from "../src/embedded/testing/throwaway.ts";
import { addMigration } from "./support/migrations.ts";

const BASE = `
  create schema attune;
  create table attune.things (id integer primary key, size integer not null default 0);
  insert into attune.things (id) select generate_series(1, 100);`;
const COLORS = "create table attune.colors (name text); alter table attune.things add column color text;";
const INDEX = `--! no-transaction
drop index concurrently if exists attune.things_size_idx;
create index concurrently things_size_idx on attune.things (size);`;
const SOON: Patience = { wait: 1, lockTimeout: 1 };
const LATER: Patience = { wait: 60, lockTimeout: 1 };

let cluster: ThrowawayCluster;
let number = 0;
let url: string;
let folder: string;
/** The application, and somebody besides. */
let application: pg.Client;
let other: pg.Client;
const said: string[] = [];

beforeAll(async () => {
  cluster = await startThrowawayCluster();
});
afterAll(() => cluster.stop());

beforeEach(async () => {
  said.length = 0;
  vi.spyOn(console, "error").mockImplementation((line: string) => void said.push(line));
  folder = await mkdtemp(join(tmpdir(), "attune-giving-way-"));
  url = await cluster.createDatabase(`giving_way_${(number += 1)}`);
  await addMigration(folder, "base", BASE);
  await migrate(url, folder);
  application = await connect(url, "the application");
  other = await connect(url);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all([application.end(), other.end()]);
  await rm(folder, { recursive: true });
});

async function ask(sql: string): Promise<unknown[]> {
  return (await other.query<unknown[]>({ text: sql, rowMode: "array" })).rows.flat();
}

const RECORDED = "select filename from graphile_migrate.migrations order by 1";
const COLUMNS =
  "select attname from pg_attribute where attrelid = 'attune.things'::regclass and attnum > 0 and not attisdropped order by 1";
const INDEXES =
  "select indexrelid::regclass::text, indisvalid from pg_index where indrelid = 'attune.things'::regclass and not indisprimary";
const hasSaid = (what: RegExp): Promise<void> =>
  expect.poll(() => said.find((line) => what.test(line)), { timeout: 30_000 }).toBeDefined();

describe("a migration that needs what the application has locked", () => {
  beforeEach(async () => {
    await addMigration(folder, "colors", COLORS);
    await application.query("begin; update attune.things set size = 1 where id = 1");
  });

  test("gives way, so that the application goes on, and is applied once it can be", async () => {
    const migrating = migrate(url, folder, LATER);
    await hasSaid(
      /^attune: Migration 000002-colors\.sql waits for the application \(PostgreSQL's process \d+, since \S+, idle in transaction\), and gives way after 1 second\.$/,
    );
    await hasSaid(/^attune: Migration 000002-colors\.sql gave way and tries again in \S+ s\.$/);
    // Who stood behind the migration has its turn, although the lock is still held.
    await other.query("update attune.things set size = 2 where id = 2");
    await application.query("commit");
    expect((await migrating).applied.map(({ file }) => file)).toEqual(["000002-colors.sql"]);
    expect(await ask(RECORDED)).toEqual(["000001.sql", "000002.sql"]);
    expect(await ask(COLUMNS)).toEqual(["color", "id", "size"]);
  });

  test("ends after MIGRATION_WAIT with who has it, and nothing of it was done", async () => {
    await expect(migrate(url, folder, SOON)).rejects.toThrow(
      /^Migration 000002-colors\.sql can't have a lock that it needs, for longer than 1 second, and nothing of it was done: the application \(PostgreSQL's process \d+, since \S+, idle in transaction\) has it\. Try again later, end that one, or set MIGRATION_WAIT to more\.$/,
    );
    expect(await ask("select to_regclass('attune.colors')")).toEqual([null]);
    expect(await ask(RECORDED)).toEqual(["000001.sql"]);
    expect(await ask(COLUMNS)).toEqual(["id", "size"]);
  });

  test("gives way to a deadlock too", async () => {
    await application.query("commit");
    await addMigration(folder, "deadlock", "lock attune.colors; select pg_sleep(1.5); lock attune.things;");
    const migrating = migrate(url, folder, { wait: 60, lockTimeout: 10 });
    await expect
      .poll(() => ask("select to_regclass('attune.colors') is not null"), { timeout: 30_000 })
      .toEqual([true]);
    await application.query("begin; lock attune.things");
    await application.query("lock attune.colors").catch(() => undefined);
    await application.query("rollback");
    await migrating;
    expect(await ask(RECORDED)).toEqual(["000001.sql", "000002.sql", "000003.sql"]);
  });
});

test("a rollback gives way too", async () => {
  const file = await addMigration(folder, "colors", COLORS);
  await migrate(url, folder);
  await mkdir(join(folder, "rollback"));
  await writeFile(
    join(folder, "rollback", file),
    "drop table attune.colors; alter table attune.things drop column color;",
  );
  await application.query("begin; update attune.things set size = 1 where id = 1");
  await expect(rollback(url, 1, folder, SOON)).rejects.toThrow(
    /^The rollback can't have a lock that it needs, for longer than 1 second, and nothing of it was done: the application /,
  );
  expect(await ask(COLUMNS)).toEqual(["color", "id", "size"]);
  const goingBack = rollback(url, 1, folder, LATER);
  await hasSaid(/^attune: The rollback gave way/);
  await application.query("commit");
  await goingBack;
  expect(await ask(COLUMNS)).toEqual(["id", "size"]);
  expect(await ask(RECORDED)).toEqual(["000001.sql"]);
});

describe("an index that is built concurrently", () => {
  /** Somebody with a snapshot, for whom the building waits. */
  const hold = (): Promise<unknown> =>
    application.query("begin isolation level repeatable read; select count(*) from attune.things");
  const builder =
    "(select pid from pg_stat_activity where query like 'create index concurrently%' and pid <> pg_backend_pid() and datname = current_database())";
  const holder =
    "(select pid from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database()))";
  const WAITS = /^attune: Migration 000002-index\.sql waits for the application \(.*\); nobody waits for it\.$/;

  beforeEach(() => addMigration(folder, "index", INDEX));

  test("of 200,000 rows keeps nobody from writing, and is recorded once", async () => {
    await ask("insert into attune.things (id) select generate_series(101, 200000)");
    await hold();
    const migrating = migrate(url, folder, LATER);
    let isBuilding = true;
    const writing = (async () => {
      const writer = await connect(url);
      await writer.query("set lock_timeout = '1s'");
      let written = 0;
      for (; isBuilding; written += 1)
        await writer.query("update attune.things set size = size + 1 where id = $1", [1 + (written % 200_000)]);
      await writer.end();
      return written;
    })();
    await hasSaid(WAITS);
    await ask("insert into attune.things values (200001, 1)");
    await application.query("commit");
    await migrating;
    isBuilding = false;
    expect(await writing).toBeGreaterThan(0);
    expect(await ask(INDEXES)).toEqual(["things_size_idx", true]);
    expect(await ask(RECORDED)).toEqual(["000001.sql", "000002.sql"]);
  });

  test.for([
    ["the building", builder],
    [
      "all of the migration",
      `(select pid from pg_stat_activity where application_name like 'attune (process%' and datname = current_database())`,
    ],
  ])("that is broken off half way (%s) is built by the next attempt", async ([, victims]) => {
    await hold();
    const failing = migrate(url, folder, LATER);
    failing.catch(() => undefined);
    await hasSaid(WAITS);
    expect(await ask(INDEXES)).toEqual(["things_size_idx", false]);
    await ask(`select pg_terminate_backend(pid) from ${victims} as victim (pid)`);
    await expect(failing).rejects.toThrow(/what it did before stays; the next `attune migrate` runs all of it again/);
    expect(await ask(RECORDED)).toEqual(["000001.sql"]);
    const migrating = migrate(url, folder, LATER);
    await application.query("commit");
    await migrating;
    expect(await ask(INDEXES)).toEqual(["things_size_idx", true]);
    expect(await ask(RECORDED)).toEqual(["000001.sql", "000002.sql"]);
  });

  test("that loses what keeps others from migrating is built by the next attempt", async () => {
    await hold();
    const first = migrate(url, folder, LATER);
    first.catch(() => undefined);
    await hasSaid(WAITS);
    await ask(`select pg_terminate_backend(pid) from ${holder} as victim (pid)`);
    const second = migrate(url, folder, LATER);
    await application.query("commit");
    await Promise.allSettled([first]);
    await second;
    expect(await ask(INDEXES)).toEqual(["things_size_idx", true]);
    expect(await ask(RECORDED)).toEqual(["000001.sql", "000002.sql"]);
  });

  test("does not wait for ever", async () => {
    await hold();
    await expect(migrate(url, folder, SOON)).rejects.toThrow(
      /^Migration 000002-index\.sql failed: it waited for the application \(.*\) for longer than 1 second\./,
    );
    await application.query("commit");
    await migrate(url, folder, SOON);
    expect(await ask(INDEXES)).toEqual(["things_size_idx", true]);
  });
});
