/** The whole schema as one script. */
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
