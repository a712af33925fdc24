/** The file of the embedded cluster's master keys: made once, kept beside the data, and changed so that no key is lost. */
import { randomBytes } from "node:crypto";
import { type FileHandle, link, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { isMasterKey } from "../options/parsers.ts";
import type { MasterKeys } from "../master-keys.ts";
import { say } from "../say.ts";
import { codeOf, messageOf, UserError } from "../user-error.ts";
import { syncFolder } from "./data-folder.ts";

export const KEY_FILE = "master-key.json";

/** Reads the keys; makes the first one where there is none yet. @throws UserError when the file can't be read */
export async function readKeyFile(dataDir: string): Promise<MasterKeys> {
  const file = join(dataDir, KEY_FILE);
  for (;;) {
    const keys = await read(file);
    if (keys !== undefined) return keys;
    const draft = await writeDraft(file, { current: makeKey(), previous: undefined });
    // Two who make the first one at once agree on one of them.
    await link(draft, file).catch((error: unknown) => {
      if (codeOf(error) !== "EEXIST") throw error;
    });
    await rm(draft);
    await syncFolder(dataDir);
  }
}

/** Makes a new key and keeps the old one beside it; goes on with the new one of a change that was interrupted. */
export async function beginKeyChange(dataDir: string): Promise<MasterKeys> {
  const keys = await readKeyFile(dataDir);
  if (keys.previous !== undefined) return keys;
  return replace(dataDir, { current: makeKey(), previous: keys.current });
}

/** Forgets the old key, which nothing is under any more. */
export async function endKeyChange(dataDir: string): Promise<void> {
  const { current } = await readKeyFile(dataDir);
  await replace(dataDir, { current, previous: undefined });
}

function makeKey(): string {
  return randomBytes(32).toString("base64");
}

/** Whenever the machine stops, the file holds either the keys of before or the new ones. */
async function replace(dataDir: string, keys: MasterKeys): Promise<MasterKeys> {
  const file = join(dataDir, KEY_FILE);
  await rename(await writeDraft(file, keys), file);
  await syncFolder(dataDir);
  return keys;
}

async function writeDraft(file: string, { current, previous }: MasterKeys): Promise<string> {
  const draft = `${file}.${process.pid}`;
  await rm(draft, { force: true });
  const handle = await open(draft, "wx", 0o600);
  try {
    await handle.writeFile(`${JSON.stringify({ masterKey: current, previousMasterKey: previous }, null, 2)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  return draft;
}

async function read(file: string): Promise<MasterKeys | undefined> {
  try {
    const content: unknown = JSON.parse(await readPrivately(file));
    const members = new Map<string, unknown>(Object.entries(content ?? {}));
    const [current, previous] = [members.get("masterKey"), members.get("previousMasterKey")];
    if (isMasterKey(current) && (previous === undefined || isMasterKey(previous))) return { current, previous };
    throw new SyntaxError();
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    if (error instanceof SyntaxError)
      throw new UserError(`${file} is damaged: restore it from a backup, as no secret can be read without it.`);
    throw new UserError(`${file} can't be read: ${messageOf(error)}.`);
  }
}

async function readPrivately(file: string): Promise<string> {
  const handle = await open(file, "r");
  try {
    await takeRightsOfOthers(handle, file);
    return await handle.readFile("utf8");
  } finally {
    await handle.close();
  }
}

/** As after a copy, which made it one that others read, too. */
async function takeRightsOfOthers(handle: FileHandle, file: string): Promise<void> {
  const { mode } = await handle.stat();
  if ((mode & 0o077) === 0) return;
  await handle.chmod(0o600);
  say(
    `${file} could be read by others: now it is yours alone. If somebody may have read it, run \`attune rotate-key\`.`,
  );
}
