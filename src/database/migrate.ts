/** The way forward: the committed migrations are applied as graphile-migrate applies them, each with its record. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { isNoTransactionDefined } from "graphile-migrate/dist/header.js";
import pg from "pg";
import { messageOf, UserError } from "../user-error.ts";
import { inTransaction, withClient } from "./client.ts";
import { lockMigrations, MIGRATION_WAIT } from "./migration-lock.ts";
import {
  ensureHistory,
  historyOf,
  type Migration,
  MIGRATIONS_FOLDER,
  readMigrations,
  recordMigration,
  status,
} from "./migrations.ts";

/**
 * Brings the database up to the newest migration. Each one is a transaction: after a failure the ones before it stay.
 * @param wait how many seconds to wait for another change of the schema
 * @throws UserError when the database's history is not ours, naming the migration that failed, or who else is at it
 */
export async function migrate(
  ownerUrl: string,
  folder = MIGRATIONS_FOLDER,
  wait = MIGRATION_WAIT,
): Promise<{ applied: Migration[] }> {
  // Where nothing is to be done, nobody is waited for.
  if ((await status(ownerUrl, folder)).pending.length === 0) return { applied: [] };
  return withClient(ownerUrl, async (client) => {
    const migrations = await readMigrations(folder);
    const applied: Migration[] = [];
    for (;;) {
      const next = await inTransaction(client, async () => {
        await lockMigrations(client, { wait });
        const [pending] = (await historyOf(client, migrations)).pending;
        if (pending !== undefined) await apply(client, ownerUrl, pending, folder);
        return pending;
      });
      if (next === undefined) return { applied };
      applied.push(next);
    }
  });
}

/** In the open transaction, but for a migration whose first line is `--! no-transaction`. */
async function apply(client: pg.Client, ownerUrl: string, migration: Migration, folder: string): Promise<void> {
  await ensureHistory(client, ownerUrl);
  try {
    if (isNoTransactionDefined(migration.body)) await withClient(ownerUrl, (other) => other.query(migration.body));
    else await client.query(migration.body);
  } catch (error) {
    throw new UserError(
      `Migration ${migration.file} failed and was undone: ${await describeError(error, migration, folder)}.`,
    );
  }
  await recordMigration(client, migration);
}

/** What the server complained of, and the line of the file where it did. */
async function describeError(error: unknown, migration: Migration, folder: string): Promise<string> {
  const message = messageOf(error).replace(/\.$/, "");
  if (!(error instanceof pg.DatabaseError) || error.position === undefined) return message;
  const text = await readFile(join(folder, "committed", migration.file), "utf8");
  const before = [...migration.body].slice(0, Number(error.position) - 1).join("");
  const line = text.slice(0, text.indexOf(migration.body.trim())).split("\n").length + before.split("\n").length - 1;
  return `${message} (line ${line})`;
}
