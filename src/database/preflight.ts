/** Before a deployment: whether it can go well. Changes nothing. */
import { readFile, statfs } from "node:fs/promises";
import { join } from "node:path";
import type pg from "pg";
import type { Options } from "../options/options.ts";
import { codeOf, messageOf, UserError } from "../user-error.ts";
import { plural } from "../words.ts";
import { assertRights, assertVersion } from "./checks.ts";
import { withClient } from "./client.ts";
import { type MigrationStatus, MIGRATIONS_FOLDER, status } from "./migrations.ts";
import { locksOf, type PendingMigration } from "./pending-locks.ts";
import { type ConnectionOptions, connectionsOf } from "./server-connections.ts";

export type PreflightCheck = {
  subject: string;
  /** A problem keeps the deployment from going ahead; what is not known is said to be so. */
  level: "ok" | "advice" | "unknown" | "problem";
  findings: string[];
  /** What to do about it. */
  remedy: string;
};

export type Preflight = {
  checks: PreflightCheck[];
  /** What the pending migrations lock; undefined where that could not be found out. */
  pending: PendingMigration[] | undefined;
  mayGoAhead: boolean;
};

/** A migration, who watches for whom it waits, and an index that is built. */
const MIGRATING = 3;
/** A backup that is older, in hours, is worth a word. */
const FRESH_BACKUP = 24;

/**
 * @param servers how many server processes run at once while new ones take over, these included
 * @param folder where the migrations are
 */
export async function preflight(
  ownerUrl: string,
  options: Pick<Options, "databaseUrl" | "dataDir"> & ConnectionOptions,
  servers: number,
  folder = MIGRATIONS_FOLDER,
): Promise<Preflight> {
  return withClient(ownerUrl, async (client) => {
    const checks = [
      await refusal("server", () => assertVersion(client)),
      await refusal("rights", () => assertRights(client, { schemas: true })),
    ];
    let found: MigrationStatus | undefined;
    checks.push(
      await refusal("history", async () => {
        found = await status(ownerUrl, folder);
      }),
    );
    const sql = await readFile(join(MIGRATIONS_FOLDER, "verify/preflight.sql"), "utf8");
    const { rows } = await client.query<{
      subject: string;
      level: "advice" | "problem";
      findings: string[];
      remedy: string;
    }>(sql);
    checks.push(
      ...rows.map(({ level, ...row }): PreflightCheck => ({ ...row, level: row.findings.length === 0 ? "ok" : level })),
    );
    checks.push(await connections(client, options, servers), await disk(client, options), await backup(client));
    const { check, pending } = await migrations(client, found);
    checks.push(check);
    return { checks, pending, mayGoAhead: checks.every(({ level }) => level !== "problem") };
  });
}

/** What is refused before anything is changed, said beforehand. */
async function refusal(subject: string, work: () => Promise<void>): Promise<PreflightCheck> {
  try {
    await work();
    return { subject, level: "ok", findings: [], remedy: "" };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { subject, level: "problem", findings: [error.message.replace(/\.$/, "")], remedy: "" };
  }
}

/** Whether all server processes find the connections that they take. Behind a pooler it is the pooler that counts. */
async function connections(client: pg.Client, options: ConnectionOptions, servers: number): Promise<PreflightCheck> {
  const {
    rows: [row],
  } = await client.query<{ usable: number; others: number; login_limit: number }>(`
    select pg_catalog.current_setting('max_connections')::integer
             - pg_catalog.current_setting('superuser_reserved_connections')::integer
             - coalesce(pg_catalog.current_setting('reserved_connections', true), '0')::integer as usable,
           (select count(*)::integer from pg_catalog.pg_stat_activity as a
            where a.backend_type = 'client backend' and a.application_name !~ '^attune') as others,
           (select r.rolconnlimit from pg_catalog.pg_roles as r where r.rolname = 'authenticator') as login_limit`);
  const { usable = 0, others = 0, login_limit: limit } = row ?? {};
  const each = connectionsOf(options);
  const needed = servers * each;
  const findings: string[] = [];
  if (others + needed + MIGRATING > usable)
    findings.push(
      `${plural(servers, "server")} of ${each} connections need ${needed}, migrating ${MIGRATING} more, and others have ${others} of ${usable}`,
    );
  if (limit !== undefined && limit !== null && limit >= 0 && limit < needed)
    findings.push(`the role authenticator may have ${limit} connections, and ${needed} are needed`);
  return {
    subject: "connections",
    level: findings.length === 0 ? "ok" : "problem",
    findings,
    remedy: "Raise max_connections, lower POOL_SIZE, or put a pooler in between.",
  };
}

/** Room for what a migration writes anew: as much again as the database has. */
async function disk(
  client: pg.Client,
  { databaseUrl, dataDir }: Pick<Options, "databaseUrl" | "dataDir">,
): Promise<PreflightCheck> {
  const {
    rows: [row],
  } = await client.query<{ bytes: string }>(
    "select pg_catalog.pg_database_size(pg_catalog.current_database()) as bytes",
  );
  const size = Number(row?.bytes ?? 0);
  const megabytes = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;
  const remedy =
    "A table that is rewritten is there twice until the migration ends: have as much free as the database has.";
  if (databaseUrl !== undefined)
    return {
      subject: "disk",
      level: "unknown",
      findings: [`the database has ${megabytes(size)}, and PostgreSQL does not say how much is free on its machine`],
      remedy,
    };
  const { bavail, bsize } = await statfs(dataDir);
  const isTight = bavail * bsize < size;
  const findings = isTight ? [`${megabytes(bavail * bsize)} are free, and the database has ${megabytes(size)}`] : [];
  return { subject: "disk", level: isTight ? "problem" : "ok", findings, remedy };
}

async function backup(client: pg.Client): Promise<PreflightCheck> {
  const remedy = "Take one now: docs/how-to/back-up-and-restore.md.";
  const last = await lastBackup(client);
  if (last === undefined || last.at === null)
    return { subject: "backup", level: "unknown", findings: ["no backup is known here"], remedy };
  const findings =
    last.hours > FRESH_BACKUP ? [`the last backup that is known was begun at ${last.at.toISOString()}`] : [];
  return { subject: "backup", level: findings.length === 0 ? "ok" : "advice", findings, remedy };
}

/** Undefined where nobody writes them down, or this user may not read of them. */
async function lastBackup(client: pg.Client): Promise<{ at: Date | null; hours: number } | undefined> {
  try {
    const {
      rows: [known],
    } = await client.query<{ is_so: boolean }>(
      "select pg_catalog.to_regprocedure('attune_private.last_backup_at()') is not null as is_so",
    );
    if (known?.is_so !== true) return undefined;
    const { rows } = await client.query<{ at: Date | null; hours: number }>(
      "select b.at, extract(epoch from now() - b.at)::float8 / 3600 as hours from attune_private.last_backup_at() as b (at)",
    );
    return rows[0];
  } catch (error) {
    if (codeOf(error) === "42501") return undefined;
    throw error;
  }
}

async function migrations(
  client: pg.Client,
  found: MigrationStatus | undefined,
): Promise<{ check: PreflightCheck; pending: PendingMigration[] | undefined }> {
  const subject = "migrations";
  const remedy = "Migrate when few people write: a migration gives way to them after MIGRATION_LOCK_TIMEOUT.";
  if (found === undefined) {
    const findings = ["which are pending is not known without the history"];
    return { check: { subject, level: "unknown", findings, remedy: "" }, pending: undefined };
  }
  const { applied, pending } = found;
  // Where there is no table yet nobody can be kept from it.
  if (applied.length === 0 || pending.length === 0) {
    const free = pending.map(({ file }) => ({ file, isOutside: false, locks: [] }));
    return { check: { subject, level: "ok", findings: [], remedy }, pending: free };
  }
  try {
    const tried = await locksOf(applied, pending);
    const sizes = await sizesOf(
      client,
      tried.flatMap(({ locks }) => locks.map(({ table }) => table)),
    );
    const findings = tried.flatMap(({ file, locks }) =>
      locks.map(
        ({ table, keepsFrom, isRewritten }) =>
          `${file} keeps everybody from ${keepsFrom} ${table}${isRewritten ? ", which it writes anew" : ""} (${sizes.get(table) ?? "not there"})`,
      ),
    );
    return { check: { subject, level: findings.length === 0 ? "ok" : "advice", findings, remedy }, pending: tried };
  } catch (error) {
    const findings = [
      `what they lock could not be tried on a copy of the schema: ${messageOf(error).replace(/\.$/, "")}`,
    ];
    return { check: { subject, level: "unknown", findings, remedy }, pending: undefined };
  }
}

/** How large tables are in the database itself, in words. */
async function sizesOf(client: pg.Client, tables: string[]): Promise<Map<string, string>> {
  const { rows } = await client.query<{ name: string; size: string }>(
    `select t.name,
            pg_catalog.format(
              'about %s rows, %s', greatest(c.reltuples, 0)::bigint,
              pg_catalog.pg_size_pretty(pg_catalog.pg_total_relation_size(c.oid))
            ) as size
     from pg_catalog.unnest($1::text[]) as t (name)
     join pg_catalog.pg_class as c on c.oid = pg_catalog.to_regclass(t.name)`,
    [tables],
  );
  return new Map(rows.map(({ name, size }) => [name, size]));
}
