/**
 * Until 1.0: writes the committed migrations anew from their sources, so that each holds its fixtures as they are now
 * and the chain of hashes is whole. Their names, messages and order stay.
 *
 *   npm run migrations:recommit              writes them, after they were applied to an empty PostgreSQL
 *   npm run migrations:recommit -- --check   changes nothing and fails when one is out of date
 */
import { cp, mkdtemp, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { calculateHash } from "graphile-migrate/dist/hash.js";
import { compileIncludes, parseMigrationText, serializeMigration } from "graphile-migrate/dist/migration.js";
import { parseSettings } from "graphile-migrate/dist/settings.js";
import { migrate } from "../src/database/migrate.ts";
import { MIGRATIONS_FOLDER } from "../src/database/migrations.ts";
import { startThrowawayCluster } from "../src/embedded/testing/throwaway.ts";
import { messageOf, UserError } from "../src/user-error.ts";

const COMMITTED = join(MIGRATIONS_FOLDER, "committed");

/** The text that graphile-migrate would commit, by file name. */
async function compile(): Promise<Map<string, string>> {
  const settings = await parseSettings({ connectionString: "postgres:///unused", migrationsFolder: MIGRATIONS_FOLDER });
  const texts = new Map<string, string>();
  let previous: string | null = null;
  for (const file of (await readdir(COMMITTED)).filter((name) => /^\d+.*\.sql$/.test(name)).toSorted()) {
    const path = join(COMMITTED, file);
    const { headers, body: committed } = parseMigrationText(path, await readFile(path, "utf8"), false);
    const { Previous: _previous, Hash: _hash, AllowInvalidHash: _allow, Message, ...others } = headers;
    // As graphile-migrate's uncommit does, then as its commit does.
    const source = committed.replace(
      /^--! Included (?<file>\S+)$[\s\S]*?^--! EndIncluded \k<file>$/gm,
      "--!include $<file>",
    );
    const body = `${(await compileIncludes(settings, source, new Set([path]))).trim()}\n`;
    const hash = calculateHash(body, previous);
    texts.set(
      file,
      serializeMigration(body, { Previous: previous ?? "-", Hash: hash, ...(Message ? { Message } : {}), ...others }),
    );
    previous = hash;
  }
  return texts;
}

async function outdated(texts: Map<string, string>): Promise<string[]> {
  const files: string[] = [];
  for (const [file, text] of texts) {
    if ((await readFile(join(COMMITTED, file), "utf8")) !== text) files.push(file);
  }
  return files;
}

/** Applies the new texts to an empty database before a file is touched. */
async function prove(texts: Map<string, string>): Promise<void> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "attune-recommit-")));
  try {
    await cp(MIGRATIONS_FOLDER, folder, { recursive: true });
    for (const [file, text] of texts) {
      await rm(join(folder, "committed", file));
      await writeFile(join(folder, "committed", file), text);
    }
    const cluster = await startThrowawayCluster();
    try {
      await migrate(await cluster.createDatabase("recommit"), folder);
    } finally {
      await cluster.stop();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function main(): Promise<void> {
  const texts = await compile();
  const files = await outdated(texts);
  if (process.argv.includes("--check")) {
    if (files.length > 0)
      throw new UserError(
        `These migrations are not what their fixtures say, run \`npm run migrations:recommit\`: ${files.join(", ")}.`,
      );
    console.log(`${texts.size} committed migrations are up to date.`);
    return;
  }
  await prove(texts);
  for (const file of files) {
    // Committed files may be read-only, as graphile-migrate makes them.
    await rm(join(COMMITTED, file));
    await writeFile(join(COMMITTED, file), texts.get(file) ?? "");
  }
  console.log(files.length === 0 ? `${texts.size} committed migrations are up to date.` : `Wrote ${files.join(", ")}.`);
}

try {
  await main();
} catch (error) {
  console.error(`attune: ${messageOf(error)}`);
  process.exitCode = 1;
}
