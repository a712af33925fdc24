/** The server of the embedded PostgreSQL: started, and stopped. */
import { type ChildProcess, spawn } from "node:child_process";
import { open, readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { codeOf, messageOf, UserError } from "../user-error.ts";
import { rotateLog } from "./log.ts";
import { isServerOf, readPostmaster } from "./processes.ts";
import { type Account, environment, lastComplaint, type Programs } from "./programs.ts";

/**
 * Starts the server on 127.0.0.1 in a session of its own (a Ctrl-C in the terminal is ours to handle, not its) and
 * waits until it accepts connections, however long its recovery takes.
 * @param more.settings settings of postgresql.conf
 * @param more.signal gives up, and ends what was started
 * @throws Error whose message is what the server complained of
 */
export async function startPostgres(
  programs: Programs,
  account: Account,
  folder: string,
  port: number,
  logFile: string,
  more: { settings?: Record<string, string>; signal?: AbortSignal | undefined } = {},
): Promise<ChildProcess> {
  const all = {
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    // What applied at a moment is what was committed by then.
    track_commit_timestamp: "on",
    // Whatever else is logged, what statements are given is not: there are secrets in it.
    log_parameter_max_length: "0",
    log_parameter_max_length_on_error: "0",
    ...more.settings,
  };
  const flags = Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  await rotateLog(logFile);
  const log = await open(logFile, "a", 0o600);
  const before = (await log.stat()).size;
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
    if (more.signal?.aborted === true) server.kill("SIGQUIT");
    await sleep(20);
  }
  const complaint = await readFile(logFile).then(
    (bytes) => bytes.subarray(before).toString(),
    () => "",
  );
  throw new Error(lastComplaint(complaint || messageOf(failure)));
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
    if (!(await isServerOf(pid, folder))) return;
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
