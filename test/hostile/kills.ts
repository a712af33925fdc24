/** kill -9 of a backend, of PostgreSQL and of the server while people write: what was acknowledged is there afterwards. */
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { clusterState } from "../../src/embedded/cluster.ts";
import { messageOf } from "../../src/user-error.ts";
import { isRunning, postmaster, startServer } from "../support/cli.ts";
import { problemOf } from "./judge.ts";
import type { Random } from "./random.ts";
import { count, type Report } from "./report.ts";

/** People who write all the time, each what comes after what they wrote before. */
const WRITERS = 6;
/** Milliseconds of load before a kill. */
const LOAD = 700;
/** Milliseconds after which a server that does not come back is given up. */
const PATIENCE = 60_000;

type Server = Awaited<ReturnType<typeof startServer>>;
type Writer = { token: string; sent: number; acknowledged: number };
type Victim = "a backend" | "PostgreSQL" | "the server";

const WRITE = `mutation ($n: JSON!) {
  saveSessionState(input: { sessionKey: "kills", currentContext: $n, uiState: {} }) { clientMutationId }
}`;
const READ = '{ sessionState(sessionKey: "kills") { currentContext } }';

/** Kills each victim so many times, on an embedded PostgreSQL of its own, and counts what it finds in the report. */
export async function runKills(random: Random, times: number, report: Report): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), "attune-kills-"));
  // Where we are root, PostgreSQL runs as somebody else.
  await chmod(dataDir, 0o755);
  const start = (): Promise<Server> => startServer({ ATTUNE_DATA_DIR: dataDir, RATE_LIMIT: "0", OVERLOAD_AFTER: "0" });
  let server = await start();
  const writers: Writer[] = [];
  for (let n = 0; n < WRITERS; n += 1)
    writers.push({ token: await register(server.address, n), sent: 0, acknowledged: 0 });

  let isDown = false;
  let isOver = false;
  const write = async (writer: Writer): Promise<boolean> => {
    writer.sent += 1;
    const n = writer.sent;
    const wasDown = isDown;
    const answer = await post(server.address, WRITE, { n: { n } }, writer.token);
    if (answer === undefined) return false;
    count(report.calls, "writes under kills");
    const problem = problemOf(answer, wasDown || isDown);
    if (problem !== undefined)
      report.internal.push(`${problem} while ${isDown ? "something was killed" : "all was well"}`);
    if (answer.status !== 200 || answer.text.includes('"errors"')) {
      count(report.refused, "writes under kills");
      return false;
    }
    writer.acknowledged = n;
    report.acknowledged += 1;
    return true;
  };
  const load = writers.map(async (writer) => {
    while (!isOver) if (!(await write(writer))) await sleep(50);
  });

  try {
    for (let turn = 0; turn < times * 3; turn += 1) {
      const victim = (["a backend", "PostgreSQL", "the server"] as const)[turn % 3] ?? "a backend";
      await sleep(LOAD + random.below(300));
      isDown = true;
      const began = performance.now();
      await kill(victim, dataDir, server);
      const before = writers.map(({ acknowledged }) => acknowledged);
      if (victim === "the server") {
        await server.finished;
        server = await start();
      }
      // Whatever was killed, the server serves again by itself.
      while (performance.now() - began < PATIENCE && isRunning(server.pid)) {
        if (writers.every(({ acknowledged }, n) => acknowledged > (before[n] ?? 0))) break;
        await sleep(20);
      }
      const isBack = writers.every(({ acknowledged }, n) => acknowledged > (before[n] ?? 0));
      report.kills.push({ what: victim, back: isBack ? Math.round(performance.now() - began) : undefined });
      if (!isBack) {
        if (isRunning(server.pid)) server.kill("SIGKILL");
        await server.finished;
        server = await start();
      }
      await settle(writers, () => server.address);
      isDown = false;
      report.lost.push(...(await lostBy(writers, server.address, victim)));
    }
  } finally {
    isOver = true;
    await Promise.all(load);
    server.kill("SIGTERM");
    await server.finished;
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function kill(victim: Victim, dataDir: string, server: Server): Promise<void> {
  if (victim === "the server") {
    server.kill("SIGKILL");
    return;
  }
  const pid = victim === "PostgreSQL" ? await postmaster(dataDir) : await backendOf(dataDir);
  if (pid !== undefined) process.kill(pid, "SIGKILL");
}

/** One that serves the server, at random. */
async function backendOf(dataDir: string): Promise<number | undefined> {
  const cluster = await clusterState(dataDir);
  if (cluster.state !== "running") return undefined;
  const client = new pg.Client(cluster.ownerUrl);
  client.on("error", () => undefined);
  await client.connect();
  try {
    const { rows } = await client.query<{ pid: number }>(
      "select pid from pg_stat_activity where usename = 'authenticator' order by random() limit 1",
    );
    return rows[0]?.pid;
  } finally {
    await client.end();
  }
}

/** Waits until every writer is answered again. */
async function settle(writers: Writer[], address: () => string): Promise<void> {
  const deadline = Date.now() + PATIENCE;
  for (const { token } of writers) {
    while (Date.now() < deadline) {
      const answer = await post(address(), READ, {}, token);
      if (answer?.status === 200 && !answer.text.includes('"errors"')) break;
      await sleep(50);
    }
  }
}

/** What is stored of every writer is what was acknowledged, or something that was sent later. */
async function lostBy(writers: Writer[], address: string, victim: Victim): Promise<string[]> {
  const lost: string[] = [];
  for (const writer of writers) {
    const { acknowledged } = writer;
    const answer = await post(address, READ, {}, writer.token);
    const stored = Number(/"n":(\d+)/.exec(answer?.text ?? "")?.[1] ?? 0);
    if (stored < acknowledged)
      lost.push(`${acknowledged} was acknowledged, and ${stored} is stored, after kill -9 of ${victim}`);
  }
  return lost;
}

async function register(address: string, n: number): Promise<string> {
  const query = "mutation ($input: RegisterInput!) { register(input: $input) { sessionTokens { accessToken } } }";
  const input = { email: `writer${n}@example.com`, password: "correct horse", name: `Writer ${n}` };
  const answer = await post(address, query, { input });
  const token = /"accessToken":"([^"]+)"/.exec(answer?.text ?? "")?.[1];
  if (token === undefined) throw new Error(`No token: ${answer?.text}`);
  return token;
}

/** @returns undefined when the connection broke, which a killed server may do */
async function post(
  address: string,
  query: string,
  variables: Record<string, unknown>,
  token?: string,
): Promise<{ status: number; text: string } | undefined> {
  try {
    const response = await fetch(`${address}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(token !== undefined && { authorization: `Bearer ${token}` }) },
      body: JSON.stringify({ query, variables }),
      signal: AbortSignal.timeout(20_000),
    });
    return { status: response.status, text: await response.text() };
  } catch (error) {
    // What `fetch` says of a socket that was cut, or refused.
    if (error instanceof TypeError || (error instanceof Error && error.name === "TimeoutError")) return undefined;
    throw new Error(messageOf(error), { cause: error });
  }
}
