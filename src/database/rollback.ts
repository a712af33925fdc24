/** The way back: the files in migrations/rollback/ take migrations back, after an attempt that says what is lost. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type pg from "pg";
import { messageOf, UserError } from "../user-error.ts";
import { inAttempts, isGivingWay, PATIENCE } from "./attempts.ts";
import { withClient } from "./client.ts";
import { countRows, findLosses, inventory, type Loss } from "./losses.ts";
import { historyOf, type Migration, MIGRATIONS_FOLDER, readMigrations } from "./migrations.ts";

/** How messages name it. */
const TITLE = "The rollback";

export type RollbackPlan = { migrations: Migration[]; losses: Loss[] };

/**
 * Tries the way back down to migration `to` and finds out what would be lost, then takes the attempt back.
 * @param to the migration that stays the last; 0 for none
 * @throws UserError when there is no such migration, or no way back, or it fails
 */
export async function planRollback(
  ownerUrl: string,
  to: number,
  folder = MIGRATIONS_FOLDER,
  patience = PATIENCE,
): Promise<RollbackPlan> {
  return withClient(ownerUrl, (client) =>
    inAttempts(
      client,
      ownerUrl,
      () => TITLE,
      patience,
      async () => {
        const { migrations, scripts } = await wayBack(client, to, folder);
        const before = await inventory(client);
        await client.query("savepoint here");
        await runBack(client, scripts);
        const after = await inventory(client);
        const remaining = await countRows(client, after.tables);
        await client.query("rollback to savepoint here");
        return { migrations, losses: await findLosses(client, before, after, remaining) };
      },
    ),
  );
}

/**
 * Goes back down to migration `to`, in one transaction, which gives way to the application and is tried again.
 * @returns the migrations that were taken back, newest first
 */
export async function rollback(
  ownerUrl: string,
  to: number,
  folder = MIGRATIONS_FOLDER,
  patience = PATIENCE,
): Promise<Migration[]> {
  return withClient(ownerUrl, (client) =>
    inAttempts(
      client,
      ownerUrl,
      () => TITLE,
      patience,
      async () => {
        const { migrations, scripts } = await wayBack(client, to, folder);
        await runBack(client, scripts);
        if (to === 0) await client.query("drop schema graphile_migrate cascade");
        return migrations;
      },
    ),
  );
}

type Script = { migration: Migration; sql: string };

async function wayBack(
  client: pg.Client,
  to: number,
  folder: string,
): Promise<{ migrations: Migration[]; scripts: Script[] }> {
  const { applied } = await historyOf(client, await readMigrations(folder));
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
      if (isGivingWay(error)) throw error;
      throw new UserError(
        `The way back from migration ${migration.file} failed, and nothing was changed: ${messageOf(error).replace(/\.$/, "")}.`,
      );
    }
  }
}
