/** The whole schema as one script, and the roles that it needs. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { MIGRATIONS_FOLDER, readMigrations } from "./migrations.ts";

/** All migrations, for an empty database, in one transaction. */
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

/** What makes the roles where they are missing, as the first migration does; for a cluster that a backup is restored in. */
export async function rolesScript(folder = MIGRATIONS_FOLDER): Promise<string> {
  return readFile(join(folder, "fixtures/auth/roles.sql"), "utf8");
}
