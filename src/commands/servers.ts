/** Which servers of this user run on this machine: each leaves a note that says so, for commands that may mean another. */
import { rmSync } from "node:fs";
import { lstat, mkdir, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeDatabase } from "../database/connection-string.ts";
import { isAlive } from "../embedded/processes.ts";
import type { Options } from "../options/options.ts";

export type RunningServer = {
  pid: number;
  /** http://127.0.0.1:5678 */
  address: string;
  /** The folder of its embedded PostgreSQL; null with DATABASE_URL. */
  dataDir: string | null;
  /** What people call its database. */
  database: string;
};

/** How long a server may take to answer, in milliseconds. */
const PATIENCE = 2000;

/** Leaves the note until this process ends. Where there is no place for one, there is none. */
export async function noteServer(address: string, { databaseUrl, dataDir }: Options): Promise<void> {
  const folder = await notesFolder();
  if (folder === undefined) return;
  const real = await realFolder(dataDir);
  const server: RunningServer =
    databaseUrl === undefined
      ? { pid: process.pid, address, dataDir: real, database: `in ${real}` }
      : { pid: process.pid, address, dataDir: null, database: describeDatabase(databaseUrl) };
  const file = join(folder, `${process.pid}.json`);
  await writeFile(file, JSON.stringify(server), { mode: 0o600 }).catch(() => undefined);
  process.once("exit", () => rmSync(file, { force: true }));
}

/** The servers that run and answer. Removes the notes of those that were killed. */
export async function runningServers(): Promise<RunningServer[]> {
  const folder = await notesFolder();
  if (folder === undefined) return [];
  const found = await Promise.all(
    (await readdir(folder)).map(async (name) => {
      const file = join(folder, name);
      const server = await readNote(file);
      if (server === undefined || !isAlive(server.pid)) await rm(file, { force: true });
      else if (await isAttune(server.address)) return [server];
      return [];
    }),
  );
  return found.flat();
}

/** Whether what listens there is one of ours. */
export async function isAttune(address: string): Promise<boolean> {
  try {
    const response = await fetch(`${address}/api/health`, { signal: AbortSignal.timeout(PATIENCE) });
    const body: unknown = await response.json();
    return typeof body === "object" && body !== null && "status" in body && body.status === "alive";
  } catch {
    return false;
  }
}

/** A sentence for each server that runs on another database than the one in `dataDir`, and how to mean that one. */
export async function serversElsewhere(dataDir: string): Promise<string> {
  const real = await realFolder(dataDir);
  const others = (await runningServers()).filter((server) => server.dataDir !== real);
  return others
    .map(
      ({ address, database, dataDir: folder }) =>
        ` A server runs at ${address}, on the database ${database}: ${folder === null ? "set DATABASE_URL" : `set ATTUNE_DATA_DIR=${folder}`} to mean that one.`,
    )
    .join("");
}

/** Says on the standard error that a new database is made in `dataDir` while another is served. */
export async function sayIfSecond(dataDir: string): Promise<void> {
  const elsewhere = await serversElsewhere(dataDir);
  if (elsewhere !== "") console.error(`attune: Makes a new database in ${dataDir}.${elsewhere}`);
}

async function realFolder(folder: string): Promise<string> {
  return realpath(folder).catch(() => folder);
}

/** A folder that nobody else can write to; undefined when there is none. */
async function notesFolder(): Promise<string | undefined> {
  const uid = process.getuid?.();
  const folder = join(tmpdir(), `attune-servers-${uid ?? "user"}`);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const found = await lstat(folder);
    return found.isDirectory() && (uid === undefined || found.uid === uid) ? folder : undefined;
  } catch {
    return undefined;
  }
}

async function readNote(file: string): Promise<RunningServer | undefined> {
  try {
    const note: unknown = JSON.parse(await readFile(file, "utf8"));
    return isServer(note) ? note : undefined;
  } catch {
    return undefined;
  }
}

function isServer(note: unknown): note is RunningServer {
  if (typeof note !== "object" || note === null) return false;
  const members = new Map<string, unknown>(Object.entries(note));
  const dataDir = members.get("dataDir");
  return (
    typeof members.get("pid") === "number" &&
    ["address", "database"].every((name) => typeof members.get(name) === "string") &&
    (dataDir === null || typeof dataDir === "string")
  );
}
