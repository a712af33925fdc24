/** Which process is the server of a folder, and whether it lives. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { codeOf } from "../user-error.ts";
import { run } from "./programs.ts";

/** What the running server wrote into `postmaster.pid`. */
export type Postmaster = { pid: number; port: number; ready: boolean };

/** What `postmaster.pid` says; undefined when there is none, or it is half written. */
export async function readPostmaster(folder: string): Promise<Postmaster | undefined> {
  const lines = await readFile(join(folder, "postmaster.pid"), "utf8").then(
    (text) => text.split("\n"),
    () => [],
  );
  const [pid, port] = [Number(lines[0]), Number(lines[3])];
  if (!(pid > 0 && port > 0)) return undefined;
  return { pid, port, ready: lines[7]?.trim() === "ready" };
}

/** Whether `pid` really is the server of this folder, and not a later process that was given the same number. */
export async function isServerOf(pid: number, folder: string): Promise<boolean> {
  const command =
    process.platform === "linux"
      ? await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")
      : await run("ps", ["-o", "command=", "-p", String(pid)]).then(
          ({ stdout }) => stdout,
          () => "",
        );
  return command.includes("postgres") && command.includes(folder);
}

/** The server of this folder, if it lives. */
export async function runningServer(folder: string): Promise<Postmaster | undefined> {
  const postmaster = await readPostmaster(folder);
  return postmaster !== undefined && (await isServerOf(postmaster.pid, folder)) ? postmaster : undefined;
}

/** Whether there is a process of this number. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) === "EPERM";
  }
}
