/** `/api/ready`: when it says so, and what it says when not. */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { withClient } from "../src/database/client.ts";
import { startThrowawayCluster, type ThrowawayCluster } from "../src/embedded/testing/throwaway.ts";
import { type Environment, type Running, startServer } from "./support/cli.ts";

const READY = { status: "ready", migrated: true, readOnly: false };

let cluster: ThrowawayCluster;
let environment: Environment;
let server: Running & { address: string };

/** A disk of its own, so that it can be full; undefined where this user may not mount one. */
async function mountDisk(): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), "attune-disk-"));
  if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=300m,mode=755", "tmpfs", folder]).status === 0) return folder;
  console.warn("A full disk is not tried: only root may mount one.");
  await rm(folder, { recursive: true });
  return undefined;
}
const mounted = await mountDisk();

async function asSuperuser(sql: string): Promise<void> {
  await withClient(cluster.superuserUrl("ready"), (client) => client.query(sql));
}

function* megabytes(count: number): Generator<Buffer> {
  for (let number = 0; number < count; number += 1) yield Buffer.alloc(1024 * 1024);
}

/** What is said: of an error the reason only. */
async function ready(): Promise<unknown> {
  const response = await fetch(`${server.address}/api/ready`);
  const body = (await response.json()) as { errors?: { extensions: { reason: string } }[] };
  return response.status === 503 ? body.errors?.[0]?.extensions.reason : body;
}

beforeAll(async () => {
  const usual = process.env["TMPDIR"];
  if (mounted !== undefined) process.env["TMPDIR"] = mounted;
  cluster = await startThrowawayCluster({ settings: { max_wal_size: "64MB", wal_keep_size: "0" } });
  if (usual === undefined) delete process.env["TMPDIR"];
  else process.env["TMPDIR"] = usual;
  environment = {
    DATABASE_URL: await cluster.createDatabase("ready"),
    JWT_SECRET: randomBytes(32).toString("hex"),
  };
  server = await startServer(environment);
});

afterAll(async () => {
  server.kill("SIGTERM");
  await server.finished;
  await cluster.stop();
  if (mounted !== undefined) {
    spawnSync("umount", [mounted]);
    await rm(mounted, { recursive: true });
  }
});

test("a server with every migration of its version is ready, one that lacks the newest is not, and newer ones don't matter", async () => {
  expect(await ready()).toEqual(READY);
  await asSuperuser(
    "create table kept as select * from graphile_migrate.migrations order by filename desc limit 1; delete from graphile_migrate.migrations where hash in (select hash from kept)",
  );
  expect(await ready()).toBe("not_migrated");
  await asSuperuser(
    "insert into graphile_migrate.migrations select * from kept; insert into graphile_migrate.migrations (hash, filename) values ('sha1:newer', '999999.sql')",
  );
  expect(await ready()).toEqual(READY);
  await asSuperuser("drop table kept; delete from graphile_migrate.migrations where hash = 'sha1:newer'");
});

test("a schema that came by `attune sql --unrecorded` has no history, or another application's, and is served", async () => {
  await asSuperuser("alter schema graphile_migrate rename to away");
  expect(await ready()).toEqual(READY);
  await asSuperuser(
    "create schema graphile_migrate; create table graphile_migrate.migrations (hash text, filename text); insert into graphile_migrate.migrations values ('sha1:theirs', '000001.sql')",
  );
  // Which only the other application's owner may read.
  expect(await ready()).toEqual(READY);
  await asSuperuser(
    "grant usage on schema graphile_migrate to attune; grant select on graphile_migrate.migrations to attune",
  );
  expect(await ready()).toEqual(READY);
  await asSuperuser("drop schema graphile_migrate cascade; alter schema away rename to graphile_migrate");
  expect(await ready()).toEqual(READY);
});

test("a database that takes no changes is ready, and says so", async () => {
  await asSuperuser("alter role authenticator set default_transaction_read_only = on");
  await asSuperuser("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'authenticator'");
  try {
    await expect.poll(() => ready(), { timeout: 20_000 }).toEqual({ ...READY, readOnly: true });
  } finally {
    await asSuperuser("alter role authenticator reset default_transaction_read_only");
    await asSuperuser("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'authenticator'");
  }
  await expect.poll(() => ready(), { timeout: 20_000 }).toEqual(READY);
});

test("a database without a connection left is not", async () => {
  await asSuperuser("alter database ready connection limit 0");
  await asSuperuser("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'authenticator'");
  await expect.poll(() => ready(), { timeout: 20_000 }).toBe("too_many_connections");
  await asSuperuser("alter database ready connection limit -1");
  await expect.poll(() => ready(), { timeout: 20_000 }).toEqual(READY);
});

test.runIf(mounted !== undefined)("a disk that is full is not, and one with room again is", async () => {
  const filling = join(mounted ?? "", "filling");
  // More than there is: it ends with the disk.
  await expect(writeFile(filling, megabytes(400))).rejects.toMatchObject({ code: "ENOSPC" });
  expect(await ready()).toBe("storage_full");
  await rm(filling);
  expect(await ready()).toEqual(READY);
});
