/** Migrations that a test writes: committed files, chained by hashes as graphile-migrate chains them. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { calculateHash } from "graphile-migrate/dist/hash.js";
import { serializeMigration } from "graphile-migrate/dist/migration.js";
import { readMigrations } from "../../src/database/migrations.ts";

/** Adds a migration after all that are in the folder. Returns its file's name. */
export async function addMigration(folder: string, slug: string, body: string): Promise<string> {
  const last = (await readMigrations(folder)).at(-1);
  const file = `${String((last?.number ?? 0) + 1).padStart(6, "0")}-${slug}.sql`;
  const text = `${body.trim()}\n`;
  const previous = last?.hash ?? null;
  await mkdir(join(folder, "committed"), { recursive: true });
  await writeFile(
    join(folder, "committed", file),
    serializeMigration(text, { Previous: previous ?? "-", Hash: calculateHash(text, previous), Message: slug }),
  );
  return file;
}
