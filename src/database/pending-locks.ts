/** Which locks pending migrations take, found by applying them to a copy of the schema on a throwaway PostgreSQL. */
import { isNoTransactionDefined } from "graphile-migrate/dist/header.js";
import type pg from "pg";
import { startThrowawayCluster } from "../embedded/testing/throwaway.ts";
import { inTransaction, withClient } from "./client.ts";
import type { Migration } from "./migrations.ts";
import { scanSql } from "./sql-script.ts";

/** What a migration does to a table that was there before. */
type TableLock = { table: string; keepsFrom: "reading and writing" | "writing"; isRewritten: boolean };
export type PendingMigration = {
  file: string;
  /** Statement by statement, as for an index that is built concurrently; its locks keep nobody from writing. */
  isOutside: boolean;
  locks: TableLock[];
};

const TABLES = `
  select c.oid, c.relfilenode
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and n.nspname !~ '^(pg_|information_schema$|graphile_migrate$)'`;

const LOCKS = `
  select pg_catalog.format('%I.%I', n.nspname, c.relname) as table,
         case when bool_or(l.mode = 'AccessExclusiveLock') then 'reading and writing' else 'writing' end as "keepsFrom",
         c.oid,
         c.relfilenode
  from pg_catalog.pg_locks as l
  join pg_catalog.pg_class as c on c.oid = l.relation
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where l.pid = pg_catalog.pg_backend_pid()
    and l.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
    and c.oid = any ($1)
  group by n.nspname, c.relname, c.oid, c.relfilenode
  order by 1`;

/**
 * The copy has the schema that the applied migrations make, and no rows: what a lock takes is right, how long it is held
 * is not known.
 */
export async function locksOf(applied: Migration[], pending: Migration[]): Promise<PendingMigration[]> {
  const cluster = await startThrowawayCluster();
  try {
    return await withClient(await cluster.createDatabase("copy"), async (client) => {
      for (const migration of applied) await apply(client, migration);
      const found: PendingMigration[] = [];
      for (const migration of pending) {
        if (isNoTransactionDefined(migration.body)) {
          await apply(client, migration);
          found.push({ file: migration.file, isOutside: true, locks: [] });
        } else found.push({ file: migration.file, isOutside: false, locks: await locksOfOne(client, migration) });
      }
      return found;
    });
  } finally {
    await cluster.stop();
  }
}

async function apply(client: pg.Client, { body }: Migration): Promise<void> {
  if (!isNoTransactionDefined(body)) return void (await client.query(body));
  const { statements } = scanSql(body);
  for (const [index, start] of statements.entries()) await client.query(body.slice(start, statements[index + 1]));
}

async function locksOfOne(client: pg.Client, { body }: Migration): Promise<TableLock[]> {
  return inTransaction(client, async () => {
    const { rows: tables } = await client.query<{ oid: number; relfilenode: number }>(TABLES);
    await client.query(body);
    const { rows: locks } = await client.query<TableLock & { oid: number; relfilenode: number }>(LOCKS, [
      tables.map(({ oid }) => oid),
    ]);
    const files = new Map(tables.map(({ oid, relfilenode }) => [oid, relfilenode]));
    return locks.map(({ table, keepsFrom, oid, relfilenode }) => ({
      table,
      keepsFrom,
      isRewritten: files.get(oid) !== relfilenode,
    }));
  });
}
