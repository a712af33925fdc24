/** Writes committed migrations: as graphile-migrate does, but proved first on an empty PostgreSQL, and whole or not at all. */
import { cp, mkdtemp, readdir, readFile, realpath, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getSettings } from "graphile-migrate/dist/commands/_common.js";
import { calculateHash } from "graphile-migrate/dist/hash.js";
import { compileIncludes, parseMigrationText, serializeMigration } from "graphile-migrate/dist/migration.js";
import { type ParsedSettings, parseSettings } from "graphile-migrate/dist/settings.js";
import { sluggify } from "graphile-migrate/dist/sluggify.js";
import { migrate } from "../src/database/migrate.ts";
import { MIGRATIONS_FOLDER, readMigrations } from "../src/database/migrations.ts";
import { startThrowawayCluster } from "../src/embedded/testing/throwaway.ts";
import { scanSql } from "../src/database/sql-script.ts";
import { UserError } from "../src/user-error.ts";

/** The texts of committed migrations, by file name. */
export type Texts = Map<string, string>;

/** What the committed migrations are when each brings in its fixtures as they are now, and the chain of hashes is whole. */
export async function compileCommitted(folder = MIGRATIONS_FOLDER): Promise<Texts> {
  const settings = await settingsOf(folder);
  const texts: Texts = new Map();
  let previous: string | null = null;
  for (const file of (await readdir(join(folder, "committed")))
    .filter((name) => /^\d+.*\.sql$/.test(name))
    .toSorted()) {
    const path = join(folder, "committed", file);
    const { headers, body } = parseMigrationText(path, await readFile(path, "utf8"), false);
    // As graphile-migrate's uncommit does, then as its commit does.
    const source = body.replace(
      /^--! Included (?<file>\S+)$[\s\S]*?^--! EndIncluded \k<file>$/gm,
      "--!include $<file>",
    );
    const { text, hash } = serialize(await include(settings, path, source), previous, headers);
    texts.set(file, text);
    previous = hash;
  }
  return texts;
}

/** Which of the files say something else. */
export async function outdated(texts: Texts, folder = MIGRATIONS_FOLDER): Promise<Texts> {
  const others: Texts = new Map();
  for (const [file, text] of texts) {
    if ((await readFile(join(folder, "committed", file), "utf8")) !== text) others.set(file, text);
  }
  return others;
}

/**
 * Writes the texts, after they were applied to an empty database together with the other migrations.
 * @throws UserError naming the migration that failed; no file was touched then
 */
export async function write(texts: Texts, folder = MIGRATIONS_FOLDER): Promise<void> {
  await prove(texts, folder);
  for (const [file, text] of texts) await replace(join(folder, "committed", file), text);
}

/**
 * Commits migrations/current.sql as the next migration, and empties it. Until both are done, it stays as it was.
 * @returns the new file's name
 * @throws UserError when there is nothing to commit, or it fails on an empty database
 */
export async function commitCurrent(message: string, folder = MIGRATIONS_FOLDER): Promise<string> {
  const settings = await settingsOf(folder);
  const path = join(folder, "current.sql");
  const { headers, body: source } = parseMigrationText(path, await readFile(path, "utf8"), false);
  const body = await include(settings, path, source);
  if (scanSql(body).statements.length === 0)
    throw new UserError("There is nothing to commit in migrations/current.sql.");

  const last = (await readMigrations(folder)).at(-1);
  const slug = sluggify(message);
  if (slug === "")
    throw new UserError("Say in a few words what the migration is for, as its file is called after them.");
  // Committed already, by somebody who was interrupted before the file was emptied.
  const done = last !== undefined && calculateHash(body, last.previousHash ?? null) === last.hash;
  const file = done ? last.file : `${String((last?.number ?? 0) + 1).padStart(6, "0")}-${slug}.sql`;
  if (!done) {
    const { text } = serialize(body, last?.hash ?? null, { ...headers, Message: message });
    await write(new Map([[file, text]]), folder);
  }
  await replace(path, `${settings.blankMigrationContent.trim()}\n`);
  return file;
}

async function settingsOf(folder: string): Promise<ParsedSettings> {
  const configured = await getSettings({ configFile: join(MIGRATIONS_FOLDER, "../.gmrc") });
  return parseSettings({ ...configured, connectionString: "postgres:///unused", migrationsFolder: folder });
}

async function include(settings: ParsedSettings, path: string, source: string): Promise<string> {
  return `${(await compileIncludes(settings, source, new Set([path]))).trim()}\n`;
}

function serialize(
  body: string,
  previous: string | null,
  headers: Record<string, string | null>,
): { text: string; hash: string } {
  const { Previous: _previous, Hash: _hash, AllowInvalidHash: _allow, Message, ...others } = headers;
  const hash = calculateHash(body, previous);
  const text = serializeMigration(body, {
    Previous: previous ?? "-",
    Hash: hash,
    ...(Message ? { Message } : {}),
    ...others,
  });
  return { text, hash };
}

async function prove(texts: Texts, migrations: string): Promise<void> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "attune-commit-")));
  try {
    await cp(migrations, folder, { recursive: true });
    for (const [file, text] of texts) await replace(join(folder, "committed", file), text);
    const cluster = await startThrowawayCluster();
    try {
      await migrate(await cluster.createDatabase("commit"), folder);
    } finally {
      await cluster.stop();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Puts a file in the place of another in one step, so that there is always one of them, and whole. */
async function replace(path: string, text: string): Promise<void> {
  const draft = `${path}.new`;
  await writeFile(draft, text);
  await rename(draft, path);
}
