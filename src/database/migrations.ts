/** The schema's history: graphile-migrate applies it, rollback files take it back, `attune sql` prints it. */
import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Logger, migrate as graphileMigrate } from "graphile-migrate";
import { calculateHash } from "graphile-migrate/dist/hash.js";
import { parseMigrationText } from "graphile-migrate/dist/migration.js";
import { clearAllPools } from "graphile-migrate/dist/pgReal.js";
import pg from "pg";
import { connect, inTransaction, withClient } from "./client.ts";
import { messageOf, UserError } from "../user-error.ts";

export const MIGRATIONS_FOLDER = resolve(import.meta.dirname, "../../migrations");

export type Migration = {
  /** 1 for 000001-….sql */
  number: number;
  /** The file's name in `committed/` and in `rollback/`. */
  file: string;
  /** The name graphile-migrate keeps in the database: 000001.sql */
  recordedAs: string;
  hash: string;
  previousHash: string | undefined;
  message: string | undefined;
  /** The SQL, with its includes. */
  body: string;
};

export type MigrationStatus = { applied: Migration[]; pending: Migration[] };

/** Two starts at once wait for each other here; graphile-migrate's own lock would fail the second. */
const LOCK = 0x4154_5455;

/** What graphile-migrate has to say is said by our own errors. */
const silent = new Logger(() => () => undefined);

/**
 * Reads the committed migrations, oldest first.
 * @throws UserError when one was changed by hand
 */
export async function readMigrations(folder = MIGRATIONS_FOLDER): Promise<Migration[]> {
  const names = await readdir(join(folder, "committed")).catch((): string[] => []);
  const migrations: Migration[] = [];
  for (const file of names.filter((name) => /^\d+(-[-\w]*)?\.sql$/.test(name)).toSorted()) {
    const path = join(folder, "committed", file);
    const { headers, body } = parseMigrationText(path, await readFile(path, "utf8"));
    const previousHash = headers["Previous"] === "-" ? undefined : (headers["Previous"] ?? undefined);
    const hash = headers["Hash"] ?? "";
    if (previousHash !== migrations.at(-1)?.hash || hash !== calculateHash(body, previousHash ?? null)) {
      throw new UserError(
        `The committed migration ${file} was changed by hand: \`npm run migrations:recommit\` writes its hash anew.`,
      );
    }
    const digits = /^\d+/.exec(file)?.[0] ?? "";
    migrations.push({
      number: Number(digits),
      file,
      recordedAs: `${digits}.sql`,
      hash,
      previousHash,
      message: headers["Message"] ?? undefined,
      body,
    });
  }
  return migrations;
}

/**
 * Brings the database up to the newest migration. Each one is a transaction: after a failure the ones before it stay.
 * @throws UserError when the database's history is not ours, or naming the migration that failed
 */
export async function migrate(ownerUrl: string, folder = MIGRATIONS_FOLDER): Promise<{ applied: Migration[] }> {
  const client = await connect(ownerUrl);
  try {
    await client.query("select pg_advisory_lock($1)", [LOCK]);
    const { pending } = await historyOf(client, folder);
    if (pending.length === 0) return { applied: [] };
    try {
      await graphileMigrate({
        connectionString: ownerUrl,
        rootConnectionString: "postgres:///unused",
        migrationsFolder: folder,
        logger: silent,
      });
    } catch (error) {
      const [failed] = (await historyOf(client, folder)).pending;
      throw new UserError(
        `Migration ${failed?.file ?? "?"} failed and was undone: ${await describeError(error, failed, folder)}.`,
      );
    } finally {
      // Its pools would otherwise outlive us by 200 ms, and end the process when the server stops meanwhile.
      clearAllPools();
    }
    return { applied: pending };
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Which migrations a database has, and which it lacks. Changes nothing. */
export async function status(ownerUrl: string, folder = MIGRATIONS_FOLDER): Promise<MigrationStatus> {
  return withClient(ownerUrl, (client) => historyOf(client, folder));
}

/**
 * Compares the database's history with ours.
 * @throws UserError when it is newer, changed, another application's, or missing although the schema is there
 */
async function historyOf(client: pg.Client, folder: string): Promise<MigrationStatus> {
  const migrations = await readMigrations(folder);
  const {
    rows: [found],
  } = await client.query<{ schema: boolean; history: boolean }>(
    `select exists (select from pg_catalog.pg_namespace where nspname = 'attune') as schema,
            pg_catalog.to_regclass('graphile_migrate.migrations') is not null as history`,
  );
  const { rows: recorded } =
    found?.history === true
      ? await client.query<{ filename: string; hash: string }>(
          "select filename, hash from graphile_migrate.migrations order by filename",
        )
      : { rows: [] };

  if (recorded.length === 0 && found?.schema === true) {
    throw new UserError(
      "The database already has a schema named attune that was not made by these migrations: name another database.",
    );
  }
  if (recorded.length > 0 && found?.schema !== true) {
    throw new UserError(
      "The database has graphile-migrate migrations of another application: give Attune a database of its own, or add the output of `attune sql` to that application's migrations.",
    );
  }
  for (const [index, row] of recorded.entries()) {
    const migration = migrations[index];
    if (migration === undefined) {
      throw new UserError(
        `The database was migrated by a newer version of Attune (it has ${row.filename}): update this one.`,
      );
    }
    if (migration.recordedAs !== row.filename || migration.hash !== row.hash) {
      throw new UserError(
        `The database was migrated with a different text of ${migration.file}, by another version of Attune: use that version, or another database.`,
      );
    }
  }
  return { applied: migrations.slice(0, recorded.length), pending: migrations.slice(recorded.length) };
}

/** What the server complained of, and the line of the file where it did. */
async function describeError(error: unknown, migration: Migration | undefined, folder: string): Promise<string> {
  const message = messageOf(error).replace(/\.$/, "");
  if (!(error instanceof pg.DatabaseError) || error.position === undefined || migration === undefined) return message;
  const text = await readFile(join(folder, "committed", migration.file), "utf8");
  const before = [...migration.body].slice(0, Number(error.position) - 1).join("");
  const line = text.slice(0, text.indexOf(migration.body.trim())).split("\n").length + before.split("\n").length - 1;
  return `${message} (line ${line})`;
}

/** Something that is there before a rollback and not after it. */
export type Loss = {
  kind: "table" | "column" | "rows" | "function" | "role";
  name: string;
  /** Rows or values that go with it. */ count: number;
};

export type RollbackPlan = { migrations: Migration[]; losses: Loss[] };

/**
 * Tries the way back down to migration `to` and finds out what would be lost, then takes the attempt back.
 * @param to the migration that stays the last; 0 for none
 * @throws UserError when there is no such migration, or no way back, or it fails
 */
export async function planRollback(ownerUrl: string, to: number, folder = MIGRATIONS_FOLDER): Promise<RollbackPlan> {
  const client = await connect(ownerUrl);
  try {
    const { migrations, scripts } = await wayBack(client, to, folder);
    await client.query("begin");
    await client.query("set local lock_timeout = '10s'");
    const before = await inventory(client);
    await client.query("savepoint here");
    await runBack(client, scripts);
    const after = await inventory(client);
    const remaining = await countRows(client, after.tables);
    await client.query("rollback to savepoint here");
    const losses = await findLosses(client, before, after, remaining);
    await client.query("rollback");
    return { migrations, losses };
  } finally {
    await client.end().catch(() => undefined);
  }
}

/**
 * Goes back down to migration `to`, in one transaction.
 * @returns the migrations that were taken back, newest first
 */
export async function rollback(ownerUrl: string, to: number, folder = MIGRATIONS_FOLDER): Promise<Migration[]> {
  const client = await connect(ownerUrl);
  try {
    await client.query("select pg_advisory_lock($1)", [LOCK]);
    const { migrations, scripts } = await wayBack(client, to, folder);
    await inTransaction(client, async () => {
      await client.query("set local lock_timeout = '10s'");
      await runBack(client, scripts);
      if (to === 0) await client.query("drop schema graphile_migrate cascade");
    });
    return migrations;
  } finally {
    await client.end().catch(() => undefined);
  }
}

type Script = { migration: Migration; sql: string };

async function wayBack(
  client: pg.Client,
  to: number,
  folder: string,
): Promise<{ migrations: Migration[]; scripts: Script[] }> {
  const { applied } = await historyOf(client, folder);
  const newest = applied.at(-1)?.number ?? 0;
  if (to !== 0 && !applied.some(({ number }) => number === to)) {
    throw new UserError(
      newest === 0
        ? "There is nothing to roll back: no migration is applied."
        : `There is no migration ${to} to roll back to: the database is at ${newest}, and 0 removes everything.`,
    );
  }
  const migrations = applied.filter(({ number }) => number > to).toReversed();
  if (migrations.length === 0)
    throw new UserError(`There is nothing to roll back: the database is at migration ${newest}.`);
  const scripts: Script[] = [];
  for (const migration of migrations) {
    const sql = await readFile(join(folder, "rollback", migration.file), "utf8").catch(() => undefined);
    if (sql === undefined)
      throw new UserError(
        `There is no way back from migration ${migration.file}: migrations/rollback/${migration.file} is missing.`,
      );
    scripts.push({ migration, sql });
  }
  return { migrations, scripts };
}

async function runBack(client: pg.Client, scripts: Script[]): Promise<void> {
  for (const { migration, sql } of scripts) {
    try {
      await client.query(sql);
      await client.query("delete from graphile_migrate.migrations where filename = $1", [migration.recordedAs]);
    } catch (error) {
      throw new UserError(
        `The way back from migration ${migration.file} failed, and nothing was changed: ${messageOf(error).replace(/\.$/, "")}.`,
      );
    }
  }
}

type Inventory = { tables: string[]; columns: string[]; functions: string[]; roles: string[] };

/** Names what people would miss, quoted as SQL writes it. */
async function inventory(client: pg.Client): Promise<Inventory> {
  const names = async (sql: string): Promise<string[]> =>
    (await client.query<{ name: string }>(sql)).rows.map(({ name }) => name);
  const ours = "n.nspname not in ('information_schema', 'graphile_migrate') and n.nspname !~ '^pg_'";
  return {
    tables: await names(`
      select format('%I.%I', n.nspname, c.relname) as name
      from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
      where c.relkind in ('r', 'm') and ${ours} order by 1`),
    columns: await names(`
      select format('%I.%I.%I', n.nspname, c.relname, a.attname) as name
      from pg_catalog.pg_attribute as a join pg_catalog.pg_class as c on c.oid = a.attrelid join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
      where c.relkind in ('r', 'm') and a.attnum > 0 and not a.attisdropped and ${ours} order by 1`),
    functions: await names(`
      select format('%I.%I(%s)', n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid)) as name
      from pg_catalog.pg_proc as p join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
      where ${ours} order by 1`),
    roles: await names("select format('%I', rolname) as name from pg_catalog.pg_roles order by 1"),
  };
}

async function countRows(client: pg.Client, tables: string[]): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const table of tables) counts.set(table, await count(client, `select count(*) as n from ${table}`));
  return counts;
}

async function count(client: pg.Client, sql: string): Promise<number> {
  const {
    rows: [row],
  } = await client.query<{ n: string }>(sql);
  return Number(row?.n ?? 0);
}

async function findLosses(
  client: pg.Client,
  before: Inventory,
  after: Inventory,
  remaining: Map<string, number>,
): Promise<Loss[]> {
  const gone = (kind: keyof Inventory): string[] => {
    const left = new Set(after[kind]);
    return before[kind].filter((name) => !left.has(name));
  };
  const tables = gone("tables");
  const losses: Loss[] = [];
  for (const [table, rows] of await countRows(client, before.tables)) {
    if (tables.includes(table)) losses.push({ kind: "table", name: table, count: rows });
    else if (rows > (remaining.get(table) ?? 0))
      losses.push({ kind: "rows", name: table, count: rows - (remaining.get(table) ?? 0) });
  }
  for (const name of gone("columns")) {
    const table = before.tables.find((candidate) => name.startsWith(`${candidate}.`)) ?? "";
    if (tables.includes(table)) continue;
    const column = name.slice(table.length + 1);
    losses.push({ kind: "column", name, count: await count(client, `select count(${column}) as n from ${table}`) });
  }
  for (const name of gone("functions")) losses.push({ kind: "function", name, count: 0 });
  for (const name of gone("roles")) losses.push({ kind: "role", name, count: 0 });
  return losses;
}

/** The whole schema as one script, for an empty database, in one transaction. */
export async function schemaScript(folder = MIGRATIONS_FOLDER): Promise<string> {
  const parts = (await readMigrations(folder)).map(({ file, body }) => {
    const sql = body
      .replace(/^--! Included (\S+)$/gm, "-- $1")
      .replace(/^--! EndIncluded \S+\n?/gm, "")
      .replace(/^--!.*\n?/gm, "");
    return `-- ${"-".repeat(75)}\n-- ${file}\n-- ${"-".repeat(75)}\n\n${sql.trim()}\n`;
  });
  return `begin;\n\n${parts.join("\n")}\ncommit;\n`;
}
