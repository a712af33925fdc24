/** `attune start`: the database, the migrations and the server, until it is told to stop. */
import { createServer } from "node:net";
import { relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Command } from "commander";
import { withClient } from "../database/client.ts";
import { describeDatabase } from "../database/connection-string.ts";
import { type Connections, openDatabase, openOwner } from "../database/open.ts";
import { clusterState } from "../embedded/cluster.ts";
import { type Options, readOptions } from "../options/options.ts";
import { SIGNALS } from "../signals.ts";
import { codeOf, messageOf, UserError } from "../user-error.ts";
import { isAttune, noteServer, runningServers, sayIfSecond } from "./servers.ts";

/** How long requests that are running get to end, and then the whole, in milliseconds. */
const PATIENCE = { requests: 500, all: 1900 };

export function startCommand(): Command {
  return new Command("start")
    .description(
      "start the server, and the embedded PostgreSQL unless DATABASE_URL names one; creates and migrates what is needed",
    )
    .action(start);
}

async function start(): Promise<void> {
  const options = readOptions(process.env);
  const stopping = new AbortController();
  const stop = new Promise<void>((resolve) =>
    stopping.signal.addEventListener("abort", () => resolve(), { once: true }),
  );
  for (const signal of SIGNALS) process.on(signal, () => stopping.abort());
  // Connections that break because the database is stopped are no news.
  void stop.then(() => process.removeAllListeners("uncaughtException").on("uncaughtException", () => undefined));

  await assertPortFree(options);
  if (options.databaseUrl === undefined && (await clusterState(options.dataDir)).state === "absent") {
    await sayIfSecond(options.dataDir);
  }
  // Loading PostGraphile takes as long as opening the database does.
  const loading = import("../server/server.ts");
  loading.catch(() => undefined);
  const opening = openDatabase(options, { migrate: true, serve: true, signal: stopping.signal });
  const opened = await Promise.race([opening, stop.then(() => undefined)]);
  if (opened === undefined) {
    // A start that is given up takes back what it began.
    await Promise.race([
      opening.then(
        (connections) => connections.stop(),
        () => undefined,
      ),
      sleep(PATIENCE.all),
    ]);
    process.exit(0);
  }

  let failure: UserError | undefined;
  let close = async (): Promise<unknown> => undefined;
  try {
    const { buildServer } = await loading;
    const { host, poolSize, passwordPoolSize, logLevel, corsOrigins, rateLimitPerMinute, trustProxy, signIn } = options;
    const { authenticatorUrl, jwt } = opened;
    const singleUserId = options.singleUser ? await ensureSingleUser(opened.ownerUrl) : undefined;
    const server = await buildServer({
      authenticatorUrl,
      poolSize,
      passwordPoolSize,
      jwt,
      logLevel,
      corsOrigins,
      rateLimitPerMinute,
      trustProxy,
      signIn,
      singleUserId,
    });
    close = () => server.close();
    if (!stopping.signal.aborted) {
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

  await Promise.race([shutDown(close, opened), sleep(PATIENCE.all)]);
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

async function shutDown(close: () => Promise<unknown>, connections: Connections): Promise<void> {
  await Promise.race([close().catch(() => undefined), sleep(PATIENCE.requests)]);
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
