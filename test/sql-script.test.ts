/** `attune sql`: a script that a DBA runs, and what it says to a database that it is not for. */
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { connect } from "../src/database/client.ts";
import { migrate } from "../src/database/migrate.ts";
import { readMigrations, status } from "../src/database/migrations.ts";
import { schemaScript } from "../src/database/schema-script.ts";
import { scanSql } from "../src/database/sql-script.ts";
import { startThrowawayCluster, type ThrowawayCluster } from "../src/embedded/testing/throwaway.ts";
import { attune } from "./support/cli.ts";
import { addMigration } from "./support/migrations.ts";

let cluster: ThrowawayCluster;
let folder: string;
/** The migrations as they were before the last two. */
let before: string;
let number = 0;
let url: string;
let client: pg.Client;
let notices: string[];

beforeAll(async () => {
  cluster = await startThrowawayCluster();
  folder = await mkdtemp(join(tmpdir(), "attune-script-"));
  before = await mkdtemp(join(tmpdir(), "attune-script-before-"));
  await addMigration(folder, "base", "create schema attune; create table attune.things (id integer primary key);");
  await addMigration(folder, "two", "create table attune.two (id integer);");
  await cp(folder, before, { recursive: true });
  await addMigration(
    folder,
    "index",
    "--! no-transaction\ndrop index concurrently if exists attune.things_idx; create index concurrently things_idx on attune.things (id);",
  );
  await addMigration(
    folder,
    "quotes",
    "create function attune.four() returns text language plpgsql as $$ begin return $a$'$a$ || current_user; end $$;",
  );
});
afterAll(async () => {
  await cluster.stop();
  await Promise.all([folder, before].map((path) => rm(path, { recursive: true })));
});
beforeEach(async () => {
  url = await cluster.createDatabase(`script_${(number += 1)}`);
  client = await connect(url);
  notices = [];
  client.on("notice", ({ message }) => notices.push(message ?? ""));
  return () => client.end();
});

/** As psql sends it: one statement after the other, all of them whatever comes of them. */
async function asPsql(script: string): Promise<string[]> {
  const { statements } = scanSql(script);
  const errors: string[] = [];
  for (const [index, start] of statements.entries())
    await client
      .query(script.slice(start, statements[index + 1]))
      .catch((error: unknown) => errors.push(error instanceof Error ? error.message : ""));
  return errors;
}
/** As one string, and as one transaction of its own where the script fails. */
async function asString(script: string): Promise<string[]> {
  try {
    await client.query(script);
    return [];
  } catch (error) {
    await client.query("rollback");
    return [error instanceof Error ? error.message : ""];
  }
}
const files = async (url: string, of = folder): Promise<string[]> =>
  (await status(url, of)).applied.map(({ file }) => file);
const ALL = ["000001-base.sql", "000002-two.sql", "000003-index.sql", "000004-quotes.sql"];

describe.each([
  { how: "as psql sends it", run: asPsql },
  { how: "as one string", run: asString },
])("$how", ({ run }) => {
  test("it makes all, records it as migrating does, and the database can be migrated on", async () => {
    expect(await run(await schemaScript({ folder: before }))).toEqual([]);
    expect(await files(url, before)).toEqual(ALL.slice(0, 2));
    expect((await migrate(url, folder)).applied.map(({ file }) => file)).toEqual(ALL.slice(2));
  });

  test("it goes on where the database is, and run again it does nothing and says so", async () => {
    await migrate(url, before);
    const rest = await schemaScript({ folder, from: 2 });
    expect(rest).not.toContain("create table attune.two");
    expect(await run(rest)).toEqual([]);
    expect(await files(url)).toEqual(ALL);
    expect(notices).not.toContain("Migration 000003-index.sql is there already.");
    expect(await run(rest)).toEqual([]);
    expect(await run(await schemaScript({ folder }))).toEqual([]);
    expect(notices.filter((line) => line.startsWith("Migration 000003"))).toEqual([
      "Migration 000003-index.sql is there already.",
      "Migration 000003-index.sql is there already.",
    ]);
    expect((await migrate(url, folder)).applied).toEqual([]);
  });

  const REFUSED: [what: string, prepare: () => Promise<unknown>, options: { from?: number }, message: string][] = [
    [
      "one that has less",
      () => Promise.resolve(),
      { from: 2 },
      "The database is at migration 0, and this script begins after 2.",
    ],
    [
      "one that has less, but something",
      () => migrate(url, before),
      { from: 3 },
      "The database is at migration 2, and this script begins after 3.",
    ],
    [
      "another application's history",
      () =>
        client.query(
          "create schema graphile_migrate; create table graphile_migrate.migrations (hash text, filename text); insert into graphile_migrate.migrations values ('sha1:theirs', '000001.sql')",
        ),
      {},
      "The record of graphile-migrate in this database is of another application's migrations.",
    ],
    [
      "a schema without a record",
      () => client.query("create schema attune"),
      {},
      "The database has a schema named attune, and no record of its migrations.",
    ],
    [
      "another version's",
      async () => {
        await migrate(url, before);
        await client.query("update graphile_migrate.migrations set hash = 'sha1:other' where filename = '000002.sql'");
      },
      { from: 2 },
      "The database was migrated by another version of Attune.",
    ],
    [
      "a newer version's",
      async () => {
        await migrate(url, folder);
        await client.query(
          "insert into graphile_migrate.migrations (hash, filename) values ('sha1:newer', '000005.sql')",
        );
      },
      {},
      "The database was migrated by another version of Attune.",
    ],
  ];
  test.for(REFUSED)("it refuses %s before anything is changed", async ([, prepare, options, message]) => {
    await prepare();
    const state = async (): Promise<unknown[]> =>
      (
        await client.query(
          "select oid::regclass::text, relnamespace::regnamespace::text from pg_class where relnamespace >= 16384 order by 1",
        )
      ).rows;
    const was = await state();
    const errors = await run(await schemaScript({ folder, ...options }));
    expect(errors[0]).toBe(message);
    expect(await state()).toEqual(was);
  });
});

test("unrecorded it is for a migration of somebody else's, and a database that it made is not migrated by us", async () => {
  const script = await schemaScript({ folder, isRecorded: false });
  expect(script).not.toMatch(/graphile_migrate|^begin;|^commit;|concurrently/m);
  await client.query(script);
  await expect(migrate(url, folder)).rejects.toThrow(/no record of its migrations/);
});

describe("of what a migration does outside of transactions", () => {
  let outside: string;
  beforeEach(async () => {
    outside = await mkdtemp(join(tmpdir(), "attune-script-outside-"));
    await addMigration(
      outside,
      "base",
      "create schema attune; create table attune.things (id integer, at integer) partition by list (id); create table attune.one partition of attune.things for values in (1);",
    );
    return () => rm(outside, { recursive: true });
  });

  test("the form that goes into a transaction is taken, however it is written", async () => {
    await addMigration(
      outside,
      "capitals",
      `--! no-transaction
DROP INDEX CONCURRENTLY IF EXISTS attune.one_idx;
Create Unique Index
  Concurrently one_idx ON attune.one (at); -- concurrently
COMMENT ON INDEX attune.one_idx IS 'built concurrently';
REINDEX INDEX CONCURRENTLY attune.one_idx;
alter table attune.things detach partition attune.one CONCURRENTLY;`,
    );
    const script = await schemaScript({ folder: outside });
    expect(script.match(/concurrently.*/gi)).toEqual(["concurrently", "concurrently';"]);
    expect(await asPsql(script)).toEqual([]);
    const { rows } = await client.query("select obj_description('attune.one_idx'::regclass) as comment");
    expect(rows).toEqual([{ comment: "built concurrently" }]);
  });

  test.for(["VACUUM attune.things", "reindex (CONCURRENTLY) table attune.one", "alter\nsystem set work_mem = '9MB'"])(
    "%s has none, and is refused",
    async (sql) => {
      await addMigration(outside, "never", `--! no-transaction\n${sql};`);
      await expect(schemaScript({ folder: outside })).rejects.toThrow(
        /^The migration 000002-never\.sql can't be part of a script, .* because of `\w+(\s\w+)?`: apply it with `attune migrate`\.$/s,
      );
    },
  );
});

test("a number that is none is refused", async () => {
  const newest = (await readMigrations()).at(-1)?.number ?? 0;
  expect(await attune(["sql", "--from", "999"])).toMatchObject({
    code: 1,
    stdout: "",
    stderr: `attune: There is no migration 999: the newest is ${newest}, and \`attune status\` says which a database has.\n`,
  });
  expect((await attune(["sql", "--from", String(newest)])).stdout).toMatch(/^begin;\n[^]*\ncommit;\n$/);
});
