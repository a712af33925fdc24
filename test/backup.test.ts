/**
 * Backups that are made while people write, by our own commands and by PostgreSQL's, and what is true of the database
 * after a restore. On PostgreSQL 15, whose programs Debian has; what needs those is left out where they are missing.
 */
import { randomBytes } from "node:crypto";
import { chmod, chown, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compareCatalogues, expectedCatalogue, readCatalogue } from "../src/database/catalogue.ts";
import { connect, inTransaction, withClient } from "../src/database/client.ts";
import { createDatabase } from "../src/database/create.ts";
import { urlOfDatabase } from "../src/database/connection-string.ts";
import { migrate } from "../src/database/migrate.ts";
import { rolesScript } from "../src/database/schema-script.ts";
import { freePort, startPostgres, stopPostgres } from "../src/embedded/postgres.ts";
import { findAccount, findPrograms, run } from "../src/embedded/programs.ts";
import { startThrowawayCluster, type ThrowawayCluster } from "../src/embedded/testing/throwaway.ts";
import { watch, type Watchdog } from "../src/embedded/testing/watchdog.ts";
import { attune } from "./support/cli.ts";

const MAJOR = 15;
const WRITERS = 4;
const PASSWORD = "a password that is long enough";
const MASTER_KEY = randomBytes(32).toString("base64");

/** Whether a program of PostgreSQL's own, of that version, is on this machine. */
const has = async (program: string): Promise<boolean> =>
  (await run(program, ["--version"]).catch(() => ({ stdout: "" }))).stdout.includes(`(PostgreSQL) ${MAJOR}.`);
const isThere = { dump: await has("pg_dump"), basebackup: await has("pg_basebackup") };
if (!isThere.dump || !isThere.basebackup) console.log("left out: pg_dump or pg_basebackup of PostgreSQL 15 is missing");

/** What was known when a backup was begun, and when it was ended. */
type Backup = {
  checkpoint: string;
  /** A cursor of a client, and a change that it has not seen, in the backup or not. */
  cursor: string;
  before: number[];
  after: number[];
};

/** A server on a copy of a data folder. */
type Copy = { folder: string; url: (database?: string) => string; ownerUrl: string; stop: () => Promise<void> };

let home: string;
let source: ThrowawayCluster;
let url: string;
let writerIds: string[];
let reader: { id: string; refreshToken: string };
/** The number that each writer was last told is stored, in two settings at once. */
const stored = Array.from({ length: WRITERS }, () => 0);

const claimsOf = (id: string): string => JSON.stringify({ sub: id, role: "authenticated" });

async function asUser<T>(client: pg.Client, id: string, work: () => Promise<T>): Promise<T> {
  return inTransaction(client, async () => {
    await client.query("select set_config('request.jwt.claims', $1, true)", [claimsOf(id)]);
    return work();
  });
}

async function valueOf(client: pg.Client, sql: string, values: unknown[] = []): Promise<unknown> {
  const { rows } = await client.query<Record<string, unknown>>(sql, values);
  return Object.values(rows[0] ?? {})[0];
}

const withKey = (client: pg.Client): Promise<unknown> =>
  client.query("select set_config('attune.master_key', $1, true)", [MASTER_KEY]);

/** Somebody who counts on, on a connection of their own, until told to end. */
async function startWriter(index: number, id: string): Promise<{ end: () => Promise<void> }> {
  const client = await connect(url);
  let isEnding = false;
  const writing = (async () => {
    for (let n = (stored[index] ?? 0) + 1; !isEnding; n++) {
      await asUser(client, id, () =>
        client.query("select attune.set_preferences(jsonb_build_object('backup.one', $1::integer, 'backup.two', $1))", [
          n,
        ]),
      );
      stored[index] = n;
    }
  })();
  return {
    end: async () => {
      isEnding = true;
      await writing;
      await client.end();
    },
  };
}

async function cursorOf(at: string): Promise<string> {
  return withClient(at, (client) =>
    asUser(client, reader.id, async () => String(await valueOf(client, "select (attune.changes_since()).cursor"))),
  );
}

const changeSomething = (at: string, value: number): Promise<unknown> =>
  withClient(at, (client) =>
    client.query("select attune.set_global_setting('RAG_RESULT_COUNT', $1)", [JSON.stringify(value)]),
  );

/** Makes a backup by `work` while everybody writes. */
async function underLoad(work: () => Promise<unknown>): Promise<Backup> {
  const progress = async (): Promise<void> => {
    const from = [...stored];
    await expect.poll(() => stored.every((n, index) => n > (from[index] ?? 0)), { timeout: 30_000 }).toBe(true);
  };
  const writers = await Promise.all(writerIds.map((id, index) => startWriter(index, id)));
  await progress();
  const checkpoint = await withClient(url, async (client) =>
    String(await valueOf(client, "select attune.audit_checkpoint()")),
  );
  const cursor = await cursorOf(url);
  const before = [...stored];
  await work();
  const after = [...stored];
  await progress();
  await Promise.all(writers.map((writer) => writer.end()));
  expect(after.every((n, index) => n >= (before[index] ?? 0))).toBe(true);
  return { checkpoint, cursor, before, after };
}

/** Whether a cursor, read at `at`, tells of a change, or says that all has to be fetched anew. */
async function tells(at: string, cursor: string, key: string): Promise<"told" | "fetch anew" | "nothing"> {
  return withClient(at, (client) =>
    asUser(client, reader.id, async () => {
      const { rows } = await client.query<{ must_refetch: boolean; setting_keys: string[] }>(
        "select * from attune.changes_since($1)",
        [cursor],
      );
      if (rows[0]?.must_refetch === true) return "fetch anew";
      return rows[0]?.setting_keys.includes(key) === true ? "told" : "nothing";
    }),
  );
}

/** All that has to be true of what a backup was restored to. */
async function expectWhole(restored: string, { checkpoint, cursor, before, after }: Backup): Promise<void> {
  await withClient(restored, async (client) => {
    // Whatever was stored before the backup is in it, nothing of after its end is, and no transaction by half.
    const { rows } = await client.query<{ one: number; two: number }>(
      `select
         (select p.value from attune.user_preferences as p where p.user_id = u.id and p.key = 'backup.one')::integer as one,
         (select p.value from attune.user_preferences as p where p.user_id = u.id and p.key = 'backup.two')::integer as two
       from unnest($1::uuid[]) with ordinality as u (id, place)
       order by u.place`,
      [writerIds],
    );
    for (const [index, { one, two }] of rows.entries()) {
      expect(one).toBe(two);
      expect(one).toBeGreaterThanOrEqual(before[index] ?? 0);
      // A transaction that was stored, and whose writer was not told yet.
      expect(one).toBeLessThanOrEqual((after[index] ?? 0) + 1);
    }

    expect(compareCatalogues(await expectedCatalogue(), await readCatalogue(client))).toEqual([]);

    // The records are those of the checkpoint, and go on.
    const findings = async (): Promise<unknown> =>
      (await client.query("select * from attune.verify_audit($1)", [checkpoint])).rows;
    expect(await findings()).toEqual([]);
    await client.query("select attune.set_global_setting('PROJECTS_ENABLED', 'false')");
    expect(Number(await valueOf(client, "select attune.seal_audit()"))).toBeGreaterThan(0);
    expect(await findings()).toEqual([]);
    expect(
      await valueOf(
        client,
        "select count(*)::integer from attune_private.sealed_rows as r where r.committed_at < r.occurred_at",
      ),
    ).toBe(0);

    // Who was signed in still is, passwords are the same, and secrets are read under the same master key.
    expect(await valueOf(client, "select (attune.refresh_session($1)).refusal", [reader.refreshToken])).toBeNull();
    expect(await valueOf(client, "select (attune.login('reader@example.com', $1)).refusal", [PASSWORD])).toBeNull();
    const secret = await inTransaction(client, async () => {
      await withKey(client);
      return valueOf(client, "select secret from attune.resolve_credential($1, 'openai')", [reader.id]);
    });
    expect(secret).toBe("sk-of-the-reader");
  });

  // Nobody misses a change: not of before the backup, and none that is made after it.
  expect(await tells(restored, cursor, "PROJECTS_ENABLED")).not.toBe("nothing");
}

/** The number of the next transaction. */
const nextNumber = (at: string): Promise<number> =>
  withClient(at, async (client) =>
    Number(await valueOf(client, "select pg_snapshot_xmax(pg_current_snapshot())::text")),
  );

/** Gives so many numbers to transactions that change nothing. */
async function spend(at: string, upTo: number): Promise<void> {
  await withClient(at, async (client) => {
    while (Number(await valueOf(client, "select pg_current_xact_id()::text")) < upTo);
  });
}

beforeAll(async () => {
  home = await realpath(await mkdtemp(join(tmpdir(), "attune-backup-")));
  await chmod(home, 0o711);
  source = await startThrowawayCluster({ major: MAJOR });
  url = source.ownerUrl("attune");
  await createDatabase(url);
  await migrate(url);
  await withClient(url, async (client) => {
    await client.query(
      `insert into attune.setting_definitions (key, category, schema, default_value)
       select 'backup.' || n, 'backup', '{"type": "integer"}', '0' from unnest(array['one', 'two']) as n`,
    );
    const refreshToken = String(
      await valueOf(client, "select (attune.register('reader@example.com', $1, 'Reader')).refresh_token", [PASSWORD]),
    );
    const idOf = async (name: string): Promise<string> =>
      String(await valueOf(client, "select attune_private.ensure_user($1)", [`${name}@example.com`]));
    reader = { id: await idOf("reader"), refreshToken };
    writerIds = [];
    for (let n = 0; n < WRITERS; n++) writerIds.push(await idOf(`writer${n}`));
    await inTransaction(client, async () => {
      await withKey(client);
      await client.query("select attune.set_user_credential($1, 'openai', 'sk-of-the-reader')", [reader.id]);
    });
  });
});

afterAll(async () => {
  await source.stop();
  await rm(home, { recursive: true, force: true });
});

describe("a physical backup", () => {
  const watchdogs: Watchdog[] = [];

  afterAll(() => Promise.all(watchdogs.map((watchdog) => watchdog.stop())));

  /** Starts a server on a data folder that is a copy of the source's. */
  async function serve(folder: string): Promise<Copy> {
    const account = await findAccount();
    const port = await freePort();
    const on = (address: string): string => {
      const there = new URL(address);
      there.port = String(port);
      return there.href;
    };
    const server = await startPostgres(await findPrograms(MAJOR), account, folder, port, `${folder}.log`, {
      settings: { fsync: "off" },
    });
    watchdogs.push(watch(server.pid ?? 0, folder));
    return {
      folder,
      url: (database) => on(source.superuserUrl(database)),
      ownerUrl: on(url),
      stop: () => stopPostgres(server.pid ?? 0, folder),
    };
  }

  /** Copies a data folder; files may go while it is read. */
  async function copy(from: string, to: string): Promise<void> {
    await run("cp", ["-a", from, to]).catch((error: unknown) => {
      if (!/No such file|vanished/.test(String(error))) throw error;
    });
    await rm(join(to, "postmaster.pid"), { force: true });
  }

  /** As the manual has it: between `pg_backup_start` and `pg_backup_stop`, and then the log of that time. */
  async function copyOnline(to: string): Promise<void> {
    await withClient(source.superuserUrl(), async (client) => {
      const from = String(await valueOf(client, "show data_directory"));
      await client.query("select pg_backup_start('a test', fast => true)");
      await copy(from, to);
      const { rows } = await client.query<{ labelfile: string }>(
        "select labelfile from pg_backup_stop(wait_for_archive => false)",
      );
      await writeFile(join(to, "backup_label"), rows[0]?.labelfile ?? "");
      await rm(join(to, "pg_wal"), { recursive: true });
      await copy(join(from, "pg_wal"), join(to, "pg_wal"));
    });
    const { uid, gid } = await findAccount();
    if (uid !== undefined && gid !== undefined) await chown(join(to, "backup_label"), uid, gid);
  }

  test(
    "by the functions of PostgreSQL, and what copies of it make of each other's cursors",
    { timeout: 240_000 },
    async () => {
      const first = join(home, "online");
      const backup = await underLoad(() => copyOnline(first));
      const restored = await serve(first);
      await expectWhole(restored.ownerUrl, backup);

      // Copied while it stands still, it is the same cluster on the same timeline; then each goes on by itself.
      await restored.stop();
      const [second, third] = [join(home, "cold"), join(home, "recovered")];
      await copy(first, second);
      await copy(first, third);

      const original = await serve(first);
      await changeSomething(original.ownerUrl, 8);
      const lost = await cursorOf(original.ownerUrl);
      const cold = await serve(second);
      const kept = await cursorOf(cold.ownerUrl);
      expect(await tells(cold.ownerUrl, lost, "RAG_RESULT_COUNT")).toBe("fetch anew");
      await changeSomething(cold.ownerUrl, 9);
      await spend(cold.ownerUrl, (await nextNumber(original.ownerUrl)) + 10);
      // By now it has as many transactions, others.
      expect(await tells(cold.ownerUrl, lost, "RAG_RESULT_COUNT")).toBe("fetch anew");
      expect(await tells(cold.ownerUrl, kept, "RAG_RESULT_COUNT")).toBe("told");
      const { checkpoint } = backup;
      await withClient(cold.ownerUrl, async (client) => {
        await client.query("select attune.seal_audit()");
        expect((await client.query("select * from attune.verify_audit($1)", [checkpoint])).rows).toEqual([]);
      });

      // A cursor outlasts that PostgreSQL is started again: what it has seen is still so.
      const outlasting = await cursorOf(cold.ownerUrl);
      await cold.stop();
      const again = await serve(second);
      await changeSomething(again.ownerUrl, 10);
      expect(await tells(again.ownerUrl, outlasting, "RAG_RESULT_COUNT")).toBe("told");

      // Recovered to a point in time, it is on another timeline.
      await writeFile(join(third, "recovery.signal"), "");
      await writeFile(join(third, "postgresql.auto.conf"), "restore_command = 'false'\n");
      const { uid, gid } = await findAccount();
      if (uid !== undefined && gid !== undefined) await chown(join(third, "recovery.signal"), uid, gid);
      const recovered = await serve(third);
      await expect
        .poll(() => withClient(recovered.url(), (client) => valueOf(client, "select pg_is_in_recovery()")), {
          timeout: 20_000,
        })
        .toBe(false);
      expect(await tells(recovered.ownerUrl, kept, "RAG_RESULT_COUNT")).toBe("fetch anew");
    },
  );

  test.runIf(isThere.basebackup)("by pg_basebackup", { timeout: 240_000 }, async () => {
    const folder = join(home, "basebackup");
    const backup = await underLoad(async () => {
      const { stderr } = await run("pg_basebackup", ["-D", folder, "-c", "fast", "-d", source.superuserUrl()]);
      expect(stderr).toBe("");
    });
    const { uid, gid } = await findAccount();
    if (uid !== undefined) await run("chown", ["-R", `${uid}:${gid}`, folder]);
    await expectWhole((await serve(folder)).ownerUrl, backup);
  });
});

describe("a logical backup, into a cluster that has nothing yet", () => {
  let elsewhere: ThrowawayCluster;

  beforeAll(async () => {
    elsewhere = await startThrowawayCluster({ major: MAJOR });
  });

  afterAll(() => elsewhere.stop());

  test.runIf(isThere.dump)("by pg_dump, with the roles that a command makes", { timeout: 240_000 }, async () => {
    const file = join(home, "pg.dump");
    const backup = await underLoad(() => run("pg_dump", ["-Fc", "-f", file, "-d", url]));
    const { stdout: roles } = await attune(["sql", "--roles"]);
    expect(roles).toBe(await rolesScript());
    const restored = elsewhere.ownerUrl("attune");
    await createDatabase(restored);
    await withClient(restored, async (client) => {
      const all =
        "select json_agg(r order by r) from (select rolname, rolcanlogin, rolinherit, rolbypassrls from pg_roles where rolname !~ '^pg_') as r";
      await client.query(roles);
      const made = await valueOf(client, all);
      // Where they are, nothing is changed.
      await client.query(roles);
      expect(await valueOf(client, all)).toEqual(made);
      expect(made).toEqual(await withClient(url, (there) => valueOf(there, all)));
    });
    await run("pg_restore", ["-1", "--exit-on-error", "-d", restored, file]);
    await expectWhole(restored, backup);
    expect((await attune(["migrate"], { DATABASE_URL: restored })).stdout).toMatch(/^Up to date at /);
  });

  test("by attune dump", { timeout: 240_000 }, async () => {
    const file = join(home, "attune.dump");
    const restored = urlOfDatabase(elsewhere.ownerUrl(), "another");
    const backup = await underLoad(() => attune(["dump", file], { DATABASE_URL: url }));
    expect(await attune(["restore", file], { DATABASE_URL: restored })).toMatchObject({ code: 0, stderr: "" });
    await expectWhole(restored, backup);
  });
});
