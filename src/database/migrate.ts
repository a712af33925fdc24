/** The way forward: graphile-migrate applies the committed migrations. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Logger, migrate as graphileMigrate } from "graphile-migrate";
import { clearAllPools } from "graphile-migrate/dist/pgReal.js";
import pg from "pg";
import { messageOf, UserError } from "../user-error.ts";
import { withClient } from "./client.ts";
import { historyOf, type Migration, MIGRATION_LOCK, MIGRATIONS_FOLDER } from "./migrations.ts";

/** What graphile-migrate has to say is said by our own errors. */
const silent = new Logger(() => () => undefined);

/**
 * Brings the database up to the newest migration. Each one is a transaction: after a failure the ones before it stay.
 * @throws UserError when the database's history is not ours, or naming the migration that failed
 */
export async function migrate(ownerUrl: string, folder = MIGRATIONS_FOLDER): Promise<{ applied: Migration[] }> {
  return withClient(ownerUrl, async (client) => {
    await client.query("select pg_advisory_lock($1)", [MIGRATION_LOCK]);
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
  });
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
