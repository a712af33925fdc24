/** The schema's history: the committed migrations, and which of them a database has. */
import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { calculateHash } from "graphile-migrate/dist/hash.js";
import { _migrateMigrationSchema, parseMigrationText } from "graphile-migrate/dist/migration.js";
import { parseSettings } from "graphile-migrate/dist/settings.js";
import type pg from "pg";
import { codeOf, UserError } from "../user-error.ts";
import { inTransaction, withClient } from "./client.ts";

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

/** Which migrations a database has, and which it lacks. Changes nothing. */
export async function status(ownerUrl: string, folder = MIGRATIONS_FOLDER): Promise<MigrationStatus> {
  return withClient(ownerUrl, (client) => statusOn(client, folder));
}

/**
 * As {@link status}, on an open connection.
 * @throws UserError
 */
export async function statusOn(client: pg.Client, folder = MIGRATIONS_FOLDER): Promise<MigrationStatus> {
  return inTransaction(client, async () => {
    // All of it as it was at one moment, whoever changes it meanwhile.
    await client.query("set transaction isolation level repeatable read, read only");
    return historyOf(client, await readMigrations(folder));
  });
}

/**
 * Compares the database's history with the committed migrations.
 * @throws UserError when it is newer, changed, another application's, not to be read by this user, or missing although
 * the schema is there
 */
export async function historyOf(client: pg.Client, migrations: Migration[]): Promise<MigrationStatus> {
  const { hasSchema, recorded } = await readRecord(client);

  if (recorded.length === 0 && hasSchema) {
    throw new UserError(
      "The database has a schema named attune, and no record of its migrations: name another database, or go on with `attune sql --unrecorded --from N` where that made it.",
    );
  }
  if (recorded.length > 0 && !hasSchema) {
    throw new UserError(
      "The database has graphile-migrate migrations of another application: give Attune a database of its own, or add the output of `attune sql --unrecorded` to that application's migrations.",
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

/** What a database has for its history. @throws UserError when the user may not read it */
async function readRecord(
  client: pg.Client,
): Promise<{ hasSchema: boolean; recorded: { filename: string; hash: string }[] }> {
  try {
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
    return { hasSchema: found?.schema === true, recorded };
  } catch (error) {
    if (codeOf(error) !== "42501") throw error;
    throw new UserError(
      `The user ${client.user ?? ""} may not read which migrations the database has: name the owner of the schemas in DATABASE_URL.`,
    );
  }
}

/** Makes graphile-migrate's tables where they are missing, in the open transaction. */
export async function ensureHistory(client: { query: (sql: string) => Promise<unknown> }): Promise<void> {
  // It wants settings to find out whether it is to do so.
  const settings = await parseSettings({ connectionString: "postgres:///unused" });
  // It only queries.
  await _migrateMigrationSchema(client as pg.Client & pg.PoolClient, settings);
}

/** Records that a migration was applied, as graphile-migrate does. */
export async function recordMigration(client: pg.Client, migration: Migration): Promise<void> {
  const { hash, previousHash, recordedAs } = migration;
  await client.query("insert into graphile_migrate.migrations (hash, previous_hash, filename) values ($1, $2, $3)", [
    hash,
    previousHash ?? null,
    recordedAs,
  ]);
}
