/** The embedded PostgreSQL of a started server, seen from outside: its processes, and its superuser. */
import { readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { withClient } from "../../src/database/client.ts";
import { superuserUrl } from "../../src/embedded/connection.ts";
import { readPostmaster } from "../../src/embedded/processes.ts";
import { ensureSecrets } from "../../src/embedded/secrets.ts";
import { isRunning } from "./cli.ts";

/** The superuser's connection to the database `postgres`. */
export async function superuserOf(dataDir: string): Promise<string> {
  const folder = join(dataDir, "postgres");
  const { superuserPassword, port } = await ensureSecrets(dataDir, folder);
  return superuserUrl((await readPostmaster(folder))?.port ?? port, superuserPassword);
}

/** Runs one statement as the superuser and returns its rows. */
export async function asSuperuser(dataDir: string, sql: string): Promise<Record<string, unknown>[]> {
  return withClient(
    await superuserOf(dataDir),
    async (client) => (await client.query<Record<string, unknown>>(sql)).rows,
  );
}

/** The process numbers of the backends whose `application_name` begins so: `attune` is the pool, `attune (` the control connection. */
export async function backendsNamed(dataDir: string, name: string): Promise<number[]> {
  const rows = await asSuperuser(
    dataDir,
    `select pid from pg_stat_activity where application_name like '${name}' and pid <> pg_backend_pid() order by pid`,
  );
  return rows.map(({ pid }) => Number(pid));
}

/** The backend of the connection by which a server holds its cluster. */
export async function controlConnection(dataDir: string): Promise<number> {
  const [pid] = await backendsNamed(dataDir, "attune (process %)");
  if (pid === undefined) throw new Error("The server has no control connection.");
  return pid;
}

/** The processes of PostgreSQL on a data folder, its children included: all of them work in the folder of the data. */
export async function processesIn(dataDir: string): Promise<number[]> {
  if (process.platform !== "linux") return [];
  const found: number[] = [];
  for (const pid of (await readdir("/proc")).map(Number).filter((number) => number > 0)) {
    const folder = await readlink(`/proc/${pid}/cwd`).catch(() => "");
    if (folder.startsWith(dataDir) && isRunning(pid)) found.push(pid);
  }
  return found;
}
