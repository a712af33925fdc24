/** The way back: from every migration, and what the command says before it goes. */
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect } from "../src/database/client.ts";
import { migrate } from "../src/database/migrate.ts";
import { type Migration, MIGRATIONS_FOLDER, readMigrations } from "../src/database/migrations.ts";
import { planRollback, rollback } from "../src/database/rollback.ts";
import { startThrowawayCluster, type ThrowawayCluster } from "../src/embedded/testing/throwaway.ts";
import { readCatalogue, readRowCounts } from "./support/catalogue.ts";

/** A cluster of its own: the roles that the first migration makes belong to the cluster. */
let cluster: ThrowawayCluster;
let ownerUrl: string;
let client: pg.Client;
const migrations: Migration[] = await readMigrations();

/** What an append-only log gained on the way is not the catalogue's concern. */
const LOGS = ["attune.configuration_audit_log", "attune.maintenance_operations", "attune.security_log"];

type Snapshot = { catalogue: string[]; rows: Record<string, number> };
const snapshot = async (): Promise<Snapshot> => ({
  catalogue: await readCatalogue(client),
  rows: await readRowCounts(client, LOGS),
});

let empty: Snapshot;
/** With all the migrations that were gone through so far. */
let newest: Snapshot;
/** A copy of migrations/ in which only the first ones are committed. */
let folder: string;

async function migrateTo(number: number): Promise<void> {
  await rm(join(folder, "committed"), { recursive: true, force: true });
  for (const { file } of migrations.slice(0, number))
    await cp(join(MIGRATIONS_FOLDER, "committed", file), join(folder, "committed", file));
  await migrate(ownerUrl, folder);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "attune-rollback-"));
  cluster = await startThrowawayCluster();
  ownerUrl = await cluster.createDatabase("rollback");
  client = await connect(ownerUrl);
  empty = await snapshot();
  newest = empty;
});

afterAll(async () => {
  await client.end();
  await cluster.stop();
  await rm(folder, { recursive: true });
});

describe("the way back from each migration", () => {
  test.for(migrations)("$file: down removes what it made, and up again makes the same", async ({ number }) => {
    const before = newest;
    await migrateTo(number);
    newest = await snapshot();
    await rollback(ownerUrl, number - 1);
    expect(await snapshot()).toEqual(before);
    await migrateTo(number);
    expect(await snapshot()).toEqual(newest);
  });
});

describe("a rollback that is planned", () => {
  test("counts what it would lose, and changes nothing", async () => {
    await client.query("insert into attune.users (email) values ('a@example.com'), ('b@example.com')");
    const { migrations: back, losses } = await planRollback(ownerUrl, 0);
    expect(back.map(({ number }) => number)).toEqual(migrations.map(({ number }) => number).toReversed());
    expect(losses).toContainEqual({ kind: "table", name: "attune.users", count: 2 });
    expect(losses).toContainEqual({ kind: "function", name: "attune.viewer()", count: 0 });
    expect(losses).toContainEqual({ kind: "role", name: "authenticator", count: 0 });
    await client.query("delete from attune.users");
    expect(await snapshot()).toEqual(newest);
  });

  test("refuses a number that there is not", async () => {
    await expect(planRollback(ownerUrl, 999)).rejects.toThrow(/^There is no migration 999 to roll back to/);
    await expect(rollback(ownerUrl, 999)).rejects.toThrow(/^There is no migration 999 to roll back to/);
  });

  test("refuses the number it is at", async () => {
    await expect(planRollback(ownerUrl, migrations.length)).rejects.toThrow(/^There is nothing to roll back/);
  });
});

test("a way back that fails leaves everything as it was, and is named", async () => {
  const last = migrations.at(-1)?.file ?? "";
  await mkdir(join(folder, "rollback"), { recursive: true });
  await writeFile(join(folder, "rollback", last), "drop view attune.no_such_view;");
  await expect(rollback(ownerUrl, migrations.length - 1, folder)).rejects.toThrow(
    `The way back from migration ${last} failed, and nothing was changed: view "no_such_view" does not exist`,
  );
  expect(await snapshot()).toEqual(newest);
});

test("all of them at once leave nothing, not even graphile-migrate's own schema", async () => {
  await rollback(ownerUrl, 0);
  expect(await snapshot()).toEqual(empty);
  const { rows } = await client.query("select nspname from pg_catalog.pg_namespace where nspname = 'graphile_migrate'");
  expect(rows).toEqual([]);
});
