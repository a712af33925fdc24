/** The command line as people use it, with an environment of its own: in a process of its own, or as if. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import type { CommandLine, CommandOutcome } from "./command-thread.ts";

const CLI = join(import.meta.dirname, "../../src/cli.ts");
/** Known to Node from its start, so that it need not compile even the first file. */
const NODE_COMPILE_CACHE = join(import.meta.dirname, "../../node_modules/.cache/attune");

/** What an option may be set to; what is not set here is not set at all. */
export type Environment = Record<string, string>;

export type Finished = { code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string };

export type Running = {
  pid: number;
  /** What was written so far. */
  output: () => { stdout: string; stderr: string };
  kill: (signal: NodeJS.Signals) => void;
  /** Settles when the process ended and its output is complete. */
  finished: Promise<Finished>;
};

/** Apart from other test files', whose servers are none of these commands' business. */
const temporary = mkdtempSync(join(tmpdir(), "attune-cli-"));
chmodSync(temporary, 0o755);
process.on("exit", () => rmSync(temporary, { recursive: true, force: true }));

/** What is passed on to a command besides. */
function complete(environment: Environment): Environment {
  const inherited = ["PATH", "ATTUNE_EMBEDDED_MAJOR", "NODE_DISABLE_COMPILE_CACHE"].map((name) => [
    name,
    process.env[name],
  ]);
  return {
    ...Object.fromEntries(inherited.filter(([, value]) => value !== undefined)),
    TMPDIR: temporary,
    NODE_COMPILE_CACHE,
    // Other tests keep the machine busy.
    OVERLOAD_AFTER: "0",
    // It takes a second of each start.
    MAINTENANCE: "false",
    ...environment,
  };
}

/** Starts a command in a process of its own and lets it run. */
export function launch(args: string[], environment: Environment = {}): Running {
  const child: ChildProcess = spawn(process.execPath, [CLI, ...args], {
    env: complete(environment),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    output.stdout += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    output.stderr += text;
  });
  const finished = once(child, "close").then(([code, signal]): Finished => ({
    code: code as number | null,
    signal: signal as NodeJS.Signals | null,
    ...output,
  }));
  return { pid: child.pid ?? 0, output: () => output, kill: (signal) => void child.kill(signal), finished };
}

let thread: Worker | undefined;
let isBusy = false;

/**
 * Runs a command to its end, and gives what a process would give. A process takes half a second to load what the thread
 * that does it has loaded; while it is at work the next command has a process. What depends on signals, on an input or on
 * processes that go on has to `launch` one.
 */
export async function attune(args: string[], environment: Environment = {}): Promise<Finished> {
  // A thread does not tell what it ran before it ends.
  if (isBusy || process.env["NODE_V8_COVERAGE"] !== undefined) return launch(args, environment).finished;
  isBusy = true;
  thread ??= new Worker(join(import.meta.dirname, "command-thread.ts"), { env: {}, execArgv: [] });
  thread.unref();
  try {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has none
    thread.postMessage({ args, environment: complete(environment) } satisfies CommandLine);
    const [outcome] = (await once(thread, "message")) as [CommandOutcome];
    return { signal: null, ...outcome };
  } finally {
    isBusy = false;
  }
}

/** Starts `attune start` on a free port and waits until it says where it listens. */
export async function startServer(environment: Environment): Promise<Running & { address: string }> {
  const server = launch(["start"], { PORT: "0", LOG_LEVEL: "silent", ...environment });
  const address = await Promise.race([
    server.finished.then(({ stderr }) => {
      throw new Error(`attune start ended: ${stderr}`);
    }),
    (async () => {
      for (;;) {
        const found = /GraphQL\s+(http:\S+)\/graphql/.exec(server.output().stdout)?.[1];
        if (found !== undefined) return found;
        await sleep(20);
      }
    })(),
  ]);
  return { ...server, address };
}

/** The processes of the embedded PostgreSQL in a data folder. */
export async function postmaster(dataDir: string): Promise<number | undefined> {
  const text = await readFile(join(dataDir, "postgres/postmaster.pid"), "utf8").catch(() => undefined);
  const pid = Number(text?.split("\n")[0]);
  return pid > 0 && isRunning(pid) ? pid : undefined;
}

/** A process that ended and was not yet noticed by its parent does not count. */
export function isRunning(pid: number): boolean {
  try {
    return (
      process.kill(pid, 0) &&
      !/^State:\s+Z/m.test(existsSync(`/proc/${pid}/status`) ? readFileSync(`/proc/${pid}/status`, "utf8") : "")
    );
  } catch {
    return false;
  }
}
