/** `attune start`: the database, the migrations and the server, until it is told to stop. */
import { createServer } from "node:net";
import { relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Command } from "commander";
import type { FastifyInstance } from "fastify";
import { withClient } from "../database/client.ts";
import { describeDatabase } from "../database/connection-string.ts";
import { type Connections, openDatabase, openOwner } from "../database/open.ts";
import { clusterState } from "../embedded/cluster.ts";
import { masterKeysOf } from "../master-keys.ts";
import { type Options, readOptions } from "../options/options.ts";
import { SAME_SIGNAL, SIGNALS } from "../signals.ts";
import { codeOf, messageOf, UserError } from "../user-error.ts";
import { isAttune, noteServer, runningServers, sayIfSecond } from "./servers.ts";

/** How long the database gets to stop, after the requests had their time, in milliseconds. */
const PATIENCE = 4500;

export function startCommand(): Command {
  return new Command("start")
    .description(
      "start the server, and the embedded PostgreSQL unless DATABASE_URL names one; creates and migrates what is needed",
    )
    .action(start);
}

async function start(): Promise<void> {
  const options = readOptions(process.env);
  const { stopping, hurrying } = listenToSignals();
  const stop = new Promise<void>((resolve) => stopping.addEventListener("abort", () => resolve(), { once: true }));
  // Connections that break because the database is stopped are no news.
  void stop.then(() => process.removeAllListeners("uncaughtException").on("uncaughtException", () => undefined));

  await assertPortFree(options);
  if (options.databaseUrl === undefined && (await clusterState(options.dataDir)).state === "absent") {
    await sayIfSecond(options.dataDir);
  }
  const tracing = options.isTraced ? (await import("../observation/tracing.ts")).startTracing() : undefined;
  // Loading PostGraphile takes as long as opening the database does.
  const loading = import("../server/server.ts");
  loading.catch(() => undefined);
  const opening = openDatabase(options, { migrate: true, serve: true, signal: stopping });
  const opened = await Promise.race([opening, stop.then(() => undefined)]);
  if (opened === undefined) {
    // A start that is given up takes back what it began.
    await Promise.race([
      opening.then(
        (connections) => connections.stop(),
        () => undefined,
      ),
      sleep(PATIENCE),
    ]);
    process.exit(0);
  }

  let failure: UserError | undefined;
  let server: FastifyInstance | undefined;
  try {
    const { buildServer } = await loading;
    const {
      host,
      poolSize,
      passwordPoolSize,
      overloadAfter,
      drainTimeout,
      liveConnections,
      maintenance,
      logLevel,
      corsOrigins,
      rateLimitPerMinute,
      metricsToken,
      trustProxy,
      signIn,
    } = options;
    const { authenticatorUrl, jwt } = opened;
    const singleUserId = options.singleUser ? await ensureSingleUser(opened.ownerUrl) : undefined;
    server = await buildServer({
      authenticatorUrl,
      poolSize,
      passwordPoolSize,
      overloadAfter,
      drainTimeout,
      liveConnections,
      maintenance: maintenance ? { ownerUrl: opened.ownerUrl } : undefined,
      jwt,
      readKeys: masterKeysOf(options),
      logLevel,
      corsOrigins,
      rateLimitPerMinute,
      metricsToken,
      trustProxy,
      signIn,
      tracing,
      singleUserId,
    });
    if (!stopping.aborted) {
      await server.listen({ host, port: options.port });
      const address = server.server.address();
      const port = typeof address === "object" && address !== null ? address.port : options.port;
      await noteServer(addressOf(options, port), options);
      announce(options, addressOf(options, port));
      failure = await Promise.race([stop.then(() => undefined), opened.lost]);
    }
  } catch (error) {
    failure = listenError(error, options);
  }

  await Promise.race([shutDown(server, opened, hurrying), sleep(options.drainTimeout * 1000 + PATIENCE)]);
  await tracing?.stop();
  if (failure !== undefined) console.error(`attune: ${failure.message}`);
  process.exit(failure === undefined ? 0 : 1);
}

async function ensureSingleUser(ownerUrl: string): Promise<string | undefined> {
  const {
    rows: [user],
  } = await withClient(ownerUrl, (client) =>
    client.query<{ id: string }>("select attune_private.ensure_single_user() as id"),
  );
  return user?.id;
}

/** The first signal lets requests under way end, a second one cuts them off. */
function listenToSignals(): { stopping: AbortSignal; hurrying: AbortSignal } {
  const [stopping, hurrying] = [new AbortController(), new AbortController()];
  let first: number | undefined;
  const listener = (): void => {
    const now = performance.now();
    first ??= now;
    stopping.abort();
    if (now - first > SAME_SIGNAL) hurrying.abort();
  };
  for (const signal of SIGNALS) process.on(signal, listener);
  return { stopping: stopping.signal, hurrying: hurrying.signal };
}

/** Ends what listens, then the requests, then the connections to the database, then the embedded one. */
async function shutDown(
  server: FastifyInstance | undefined,
  connections: Connections,
  hurrying: AbortSignal,
): Promise<void> {
  const cutOff = (): void => server?.server.closeAllConnections();
  if (hurrying.aborted) cutOff();
  hurrying.addEventListener("abort", cutOff, { once: true });
  await server?.close().catch(() => undefined);
  await connections.stop();
}

/** A port that is taken is told before a database is made for nothing; a second start on the same data is told as such. */
async function assertPortFree(options: Options): Promise<void> {
  const error = await new Promise<unknown>((resolve) => {
    const probe = createServer();
    probe.once("error", resolve);
    probe.listen(options.port, options.host, () => probe.close(() => resolve(undefined)));
  });
  if (error === undefined) return;
  if (options.databaseUrl === undefined && (await clusterState(options.dataDir)).state === "running") {
    const owner = await openOwner(options, { migrate: false, serve: true });
    await owner.stop();
  }
  if (codeOf(error) === "EADDRINUSE" && (await isAttune(addressOf(options, options.port)))) {
    const taken = (await runningServers()).find(({ address }) => new URL(address).port === String(options.port));
    const database = taken === undefined ? "" : `, on the database ${taken.database}`;
    throw new UserError(
      `Port ${options.port} of ${options.host} is taken by another Attune${database}: stop that one, or set PORT to another.`,
    );
  }
  throw listenError(error, options);
}

function listenError(error: unknown, { host, port }: Options): UserError {
  switch (codeOf(error)) {
    case "EADDRINUSE":
      return new UserError(
        `Port ${port} of ${host} is taken by another program: stop that one, or set PORT to another.`,
      );
    case "EACCES":
      return new UserError(`Port ${port} may only be used by root: set PORT to 1024 or more.`);
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return new UserError(`HOST ${host} is not an address of this machine.`);
    default:
      return error instanceof UserError
        ? error
        : new UserError(`The server did not start: ${messageOf(error).replace(/\.$/, "")}.`);
  }
}

/** Where this machine reaches the server. */
function addressOf({ host }: Options, port: number): string {
  const name = ["0.0.0.0", "::"].includes(host) ? "localhost" : host.includes(":") ? `[${host}]` : host;
  return `http://${name}:${port}`;
}

function announce(options: Options, address: string): void {
  const folder = relative(process.cwd(), options.dataDir);
  const database =
    options.databaseUrl === undefined
      ? `embedded, in ${folder.startsWith("..") ? options.dataDir : folder || "."}`
      : describeDatabase(options.databaseUrl);
  console.log(`
  GraphiQL   ${address}/
  GraphQL    ${address}/graphql
  Database   ${database}

  ${options.singleUser ? "No sign-in: every request is the user system's" : "A first token: npx attune token --email you@example.com"}
`);
}
