/** The way forward: the committed migrations are applied as graphile-migrate applies them, each with its record. */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { isNoTransactionDefined } from "graphile-migrate/dist/header.js";
import pg from "pg";
import { say } from "../say.ts";
import { codeOf, messageOf, UserError } from "../user-error.ts";
import { plural } from "../words.ts";
import { inAttempts, isGivingWay, type Patience, PATIENCE } from "./attempts.ts";
import { connect, withClient } from "./client.ts";
import {
  ensureHistory,
  historyOf,
  type Migration,
  MIGRATIONS_FOLDER,
  readMigrations,
  recordMigration,
  status,
} from "./migrations.ts";
import { scanSql } from "./sql-script.ts";
import { watchWaiting } from "./waiting.ts";

/**
 * Brings the database up to the newest migration. Each one is a transaction: after a failure the ones before it stay.
 * One that needs a lock which the application has gives way to it and is tried again.
 * @throws UserError when the database's history is not ours, naming the migration that failed, or who else is at it
 */
export async function migrate(
  ownerUrl: string,
  folder = MIGRATIONS_FOLDER,
  patience = PATIENCE,
): Promise<{ applied: Migration[] }> {
  // Where nothing is to be done, nobody is waited for.
  if ((await status(ownerUrl, folder)).pending.length === 0) return { applied: [] };
  return withClient(ownerUrl, async (client) => {
    const migrations = await readMigrations(folder);
    const applied: Migration[] = [];
    for (;;) {
      let title = "The next migration";
      const next = await inAttempts(
        client,
        ownerUrl,
        () => title,
        patience,
        async () => {
          const [pending] = (await historyOf(client, migrations)).pending;
          if (pending === undefined) return undefined;
          title = `Migration ${pending.file}`;
          await ensureHistory(client);
          if (isNoTransactionDefined(pending.body)) await applyOutside(ownerUrl, pending, folder, patience);
          else await apply(client, pending, folder);
          await recordMigration(client, pending);
          return pending;
        },
      );
      if (next === undefined) return { applied };
      applied.push(next);
    }
  });
}

/** In the open transaction. */
async function apply(client: pg.Client, migration: Migration, folder: string): Promise<void> {
  try {
    await client.query(migration.body);
  } catch (error) {
    if (isGivingWay(error)) throw error;
    throw new UserError(
      `Migration ${migration.file} failed and was undone: ${await describeError(error, migration.body, migration, folder)}.`,
    );
  }
}

/**
 * Where the first line is `--! no-transaction`: statement by statement, for `create index concurrently`, which waits for
 * transactions without keeping anybody from writing. The open transaction holds the lock of migrations meanwhile, and no
 * snapshot that would be waited for. Whatever ends it, the next attempt runs all of it again, so it has to be written so.
 */
async function applyOutside(ownerUrl: string, migration: Migration, folder: string, { wait }: Patience): Promise<void> {
  const name = `attune (process ${process.pid}, ${randomBytes(4).toString("hex")})`;
  const watch = watchWaiting(
    ownerUrl,
    { name },
    (who) => say(`Migration ${migration.file} waits for ${who}; nobody waits for it.`),
    wait * 1000,
  );
  const client = await connect(ownerUrl, name);
  try {
    const { statements } = scanSql(migration.body);
    for (const [index, start] of statements.entries()) {
      const sql = migration.body.slice(start, statements[index + 1]);
      await client.query(sql).catch(async (error: unknown) => {
        const why =
          codeOf(error) === "57014" && watch.last() !== undefined
            ? `it waited for ${watch.last()} for longer than ${plural(wait, "second")}`
            : await describeError(error, sql, migration, folder);
        throw new UserError(
          `Migration ${migration.file} failed: ${why}. It is not one transaction, so what it did before stays; the next \`attune migrate\` runs all of it again.`,
        );
      });
    }
  } finally {
    await watch.stop();
    await client.end().catch(() => undefined);
  }
}

/** What the server complained of, and the line of the file where it did. */
async function describeError(error: unknown, sql: string, migration: Migration, folder: string): Promise<string> {
  const message = messageOf(error).replace(/\.$/, "");
  if (!(error instanceof pg.DatabaseError) || error.position === undefined) return message;
  const text = await readFile(join(folder, "committed", migration.file), "utf8");
  const before = [...sql].slice(0, Number(error.position) - 1).join("");
  const line = text.slice(0, text.indexOf(sql.trim())).split("\n").length + before.split("\n").length - 1;
  return `${message} (line ${line})`;
}
