/** Who changes the schema excludes others meanwhile: they say for whom they wait, and not for ever. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { connect } from "../src/database/client.ts";
import { migrate } from "../src/database/migrate.ts";
import { lockMigrations } from "../src/database/migration-lock.ts";
import { startThrowawayCluster, type ThrowawayCluster } from "../src/embedded/testing/throwaway.ts";
import { attune, type Environment, launch } from "./support/cli.ts";

const LOCKS = "select count(*)::integer as held from pg_locks where locktype = 'advisory'";

let cluster: ThrowawayCluster;
let home: string;
let holder: pg.Client;
let environment: Environment;
let number = 0;

/** A database whose lock somebody holds. */
async function hold(how: { shared?: boolean } = {}): Promise<void> {
  await holder.query("begin");
  await lockMigrations(holder, how);
}

beforeAll(async () => {
  cluster = await startThrowawayCluster();
  home = await mkdtemp(join(tmpdir(), "attune-locks-"));
});
afterAll(async () => {
  await cluster.stop();
  await rm(home, { recursive: true });
});

beforeEach(async () => {
  const DATABASE_URL = await cluster.createDatabase(`locks_${(number += 1)}`);
  environment = { DATABASE_URL, JWT_SECRET: randomBytes(32).toString("hex"), PORT: "0", MIGRATION_WAIT: "1" };
  holder = await connect(DATABASE_URL);
  return () => holder.end();
});

const WHO = String.raw`attune \(process ${process.pid}\) \(PostgreSQL's process \d+, since \d{4}-\d\d-\d\dT[\d:.]+Z\)`;

describe("on an empty database", () => {
  test.for([["migrate"], ["start"]])("%s says for whom it waits, and gives up", async (args) => {
    await hold();
    const { code, stdout, stderr } = await attune(args, environment);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(
      new RegExp(
        `^attune: Waits up to 1 second for a change of the schema by ${WHO}\\.\n` +
          `attune: The schema is being changed or read by ${WHO}, for longer than 1 second: try again later, set MIGRATION_WAIT to more, or end that one\\.\n$`,
      ),
    );
  });

  test("whoever waits goes on when the other is done", async () => {
    await hold();
    const waiting = launch(["migrate"], { ...environment, MIGRATION_WAIT: "600" });
    await expect.poll(() => waiting.output().stderr, { timeout: 30_000 }).toContain("Waits up to 600 seconds");
    await holder.query("commit");
    expect(await waiting.finished).toMatchObject({ code: 0, stdout: expect.stringContaining("migrations applied.") });
    expect((await holder.query(LOCKS)).rows).toEqual([{ held: 0 }]);
  });

  test("graphile-migrate itself and we keep out of each other's way", async () => {
    await holder.query("select pg_advisory_lock(4727445306447283)");
    expect((await attune(["migrate"], environment)).stderr).toContain(
      "The schema is being changed or read by attune (",
    );
  });
});

describe("on a migrated database", () => {
  beforeEach(async () => {
    await migrate(environment["DATABASE_URL"] ?? "");
  });

  test("what has nothing to change waits for nobody", async () => {
    await hold();
    expect(await attune(["migrate"], environment)).toMatchObject({ code: 0, stderr: "" });
  });

  test("rollback, dump and restore wait as migrate does; dumps don't wait for each other", async () => {
    const file = join(home, "a.dump");
    await hold({ shared: true });
    expect(await attune(["dump", file], environment)).toMatchObject({ code: 0, stderr: "" });
    expect((await attune(["rollback", "--to", "0", "--yes"], environment)).stderr).toMatch(
      /The schema is being changed/,
    );
    await holder.query("rollback");

    await hold();
    expect((await attune(["dump"], environment)).stderr).toMatch(/The schema is being changed/);
    expect((await attune(["restore", file], environment)).stderr).toMatch(/The schema is being changed/);
    await holder.query("rollback");
    expect((await holder.query(LOCKS)).rows).toEqual([{ held: 0 }]);
  });
});
