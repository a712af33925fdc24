/** The folder of the embedded cluster's data: reachable, of the right version, there in full or not at all. */
import { mkdir, open, readdir, readFile, realpath, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { codeOf, UserError } from "../user-error.ts";
import { initdb } from "./initdb.ts";
import { isAlive } from "./processes.ts";
import { type Account, assertReachable, findPrograms, installCommand, type Programs } from "./programs.ts";

/**
 * Makes the data folder where it is missing, and says where in it the cluster is to be.
 * @throws UserError when PostgreSQL could not get there
 */
export async function prepareFolder(dataDir: string, programs: Programs, account: Account): Promise<string> {
  await assertReachable(
    programs.postgres,
    account,
    "move the project to a folder that everybody may enter, or name a server in DATABASE_URL",
  );
  try {
    await mkdir(dataDir, { recursive: true, mode: account.uid === undefined ? 0o700 : 0o711 });
  } catch (error) {
    throw new UserError(
      `The data folder ${dataDir} can't be created (${codeOf(error)}): set ATTUNE_DATA_DIR to another.`,
    );
  }
  const folder = await realpath(dataDir);
  await assertReachable(folder, account, "set ATTUNE_DATA_DIR to a folder that everybody may enter");
  return join(folder, "postgres");
}

/** The major version that made the data in `folder`; undefined when there is none. */
export async function dataVersion(folder: string): Promise<number | undefined> {
  return readFile(join(folder, "PG_VERSION"), "utf8").then(
    (text) => Number(text.trim()),
    () => undefined,
  );
}

/** Makes the renames of before last beyond a loss of power. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Where a new cluster that is whole waits until the old one is out of the way. */
export function upgradedFolder(folder: string): string {
  return `${folder}.upgraded`;
}

/** Where the cluster of an older version is kept when another takes its place. */
export function keptFolder(folder: string, major: number): string {
  return `${folder}-${major}`;
}

/** Puts the new cluster in its place, where an upgrade was interrupted just when the old one was out of the way. */
export async function finishUpgrade(folder: string): Promise<void> {
  if ((await dataVersion(folder)) !== undefined) return;
  try {
    await rename(upgradedFolder(folder), folder);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return;
    throw error;
  }
  await syncFolder(dirname(folder));
}

/** Makes the data in a folder beside and renames it, so that there is all of it or nothing. */
export async function ensureData(
  programs: Programs,
  account: Account,
  folder: string,
  superuserPassword: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  await finishUpgrade(folder);
  const version = await dataVersion(folder);
  if (version !== undefined && version !== programs.major) {
    throw new UserError(
      `${folder} was made by PostgreSQL ${version} and this is PostgreSQL ${programs.major}: ${await wayOut(version, programs.major)}, or set ATTUNE_DATA_DIR to an empty folder.`,
    );
  }
  if (version !== undefined) return;

  const drafts = (await readdir(join(folder, ".."))).map((name) => /^postgres\.new-(\d+)/.exec(name));
  for (const draft of drafts) {
    if (draft !== null && !isAlive(Number(draft[1])))
      await rm(join(folder, "..", draft[0]), { recursive: true, force: true });
  }

  const draft = `${folder}.new-${process.pid}`;
  await initdb(programs, account, draft, superuserPassword, { sync: true, signal });
  try {
    await rename(draft, folder);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    if (codeOf(error) !== "ENOTEMPTY" && codeOf(error) !== "EEXIST") throw error;
    if ((await dataVersion(folder)) === undefined) {
      throw new UserError(
        `${folder} exists and holds no PostgreSQL data: remove it, or set ATTUNE_DATA_DIR to another folder.`,
      );
    }
  }
}

/** What to do with data of another major version. */
async function wayOut(version: number, major: number): Promise<string> {
  if (version > major) return `set ATTUNE_EMBEDDED_MAJOR=${version}`;
  try {
    await findPrograms(version);
    return "`npx attune upgrade` takes it there";
  } catch {
    return `run \`${await installCommand(version)}\`, then \`npx attune upgrade\``;
  }
}
