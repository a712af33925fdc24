/** The HTTP server: how it is made, what it answers, how it ends. */
import "../graphql/production.ts";
import type { IncomingMessage } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import Fastify, { type FastifyInstance, LogController } from "fastify";
import { openPool } from "../database/pool.ts";
import { CHANGES, LANES, METRICS, QUEUE_CONNECTIONS, READERS, READINESS } from "../database/server-connections.ts";
import { LIMITS } from "../graphql/limits.ts";
import { createLive } from "../live/live.ts";
import { LIVE_TIMES } from "../live/times.ts";
import { createDatabaseMetrics } from "../observation/database-metrics.ts";
import { addLiveMetrics, addPoolMetrics, createMetrics } from "../observation/metrics.ts";
import { createFindIdentity, createIdentify } from "../sign-in/identify.ts";
import { addSignIn } from "../sign-in/routes.ts";
import { createAdmission, createPasswordAdmission, createPasswordWork } from "./admission.ts";
import { type AddressOf, createAddressOf } from "./client-address.ts";
import { answerClientError } from "./client-errors.ts";
import { refuseRequest } from "./error-responses.ts";
import { createLane } from "./lanes.ts";
import { LONGEST_MAINTENANCE, startMaintenance } from "./maintenance.ts";
import { GRAPHQL_PATH } from "./paths.ts";
import { createRateLimits } from "./rate-limits.ts";
import { readJsonBodies } from "./request-body.ts";
import { addRequestHooks } from "./request-hooks.ts";
import { newRequestId, requestId } from "./request-id.ts";
import { createGraphql } from "./routes/graphql.ts";
import { addHealth, probe } from "./routes/health.ts";
import { addMetricsRoute } from "./routes/metrics.ts";
import { addPlans } from "./routes/plans.ts";
import { addWebSocket } from "./routes/websocket.ts";
import type { ServerOptions } from "./server-options.ts";

/** How long maintenance gets to write down what it was cut off from, in milliseconds. */
const LAST_WORDS = 1000;

/** How long a request may take to arrive, and how often that is looked at, in milliseconds. */
const ARRIVAL = { headers: 10_000, whole: 15_000, checked: 1000 };

/**
 * Builds the server on a migrated database. It does not listen yet; `close` ends its connections too.
 * @throws when the database can't be reached, or its schema can't be made into GraphQL
 */
export async function buildServer(options: ServerOptions): Promise<FastifyInstance> {
  const addressOf = createAddressOf(options.trustProxy ?? false);
  const app = createApp(options, addressOf);
  await options.tracing?.addTo(app);
  app.decorate("metrics", options.metricsToken === undefined ? null : createMetrics(app));
  readJsonBodies(app);
  const open = (size: number, longest?: number) =>
    openPool(
      options.authenticatorUrl,
      size,
      (error) => {
        app.log.warn({ err: error }, "lost a connection to the database");
      },
      longest,
    );
  const { pool, close } = open(options.poolSize);
  const forPasswords = open(options.passwordPoolSize);
  // Whether the server is ready is not asked behind those who keep it busy.
  const probes = open(READINESS);
  // What changes is told beside all that is asked, in nobody's way.
  const polls = open(CHANGES);
  const reads = open(READERS);
  const upkeep = open(LANES, LONGEST_MAINTENANCE);
  const queue = open(QUEUE_CONNECTIONS, Infinity);
  let stopMaintenance = async (): Promise<void> => undefined;
  const scrapes = open(METRICS);
  let isClosing = false;
  app.addHook("preClose", async () => {
    isClosing = true;
    setTimeout(() => app.server.closeAllConnections(), options.drainTimeout * 1000).unref();
  });
  // What was under way is answered, and its connection not kept for another request.
  app.addHook("onSend", async (_request, reply) => {
    if (isClosing) reply.header("connection", "close");
  });
  app.addHook("onClose", async () => {
    await Promise.all([
      close(),
      ...[forPasswords, probes, polls, reads, upkeep, scrapes].map((other) => other.close()),
    ]);
    await Promise.race([stopMaintenance(), sleep(LAST_WORDS)]);
    await queue.close();
  });

  try {
    const { jwt, signIn, readKeys = async () => undefined } = options;
    // Says what is missing better than PostGraphile would.
    await probe(probes.pool);
    const limits = createRateLimits(options.rateLimitPerMinute);
    const lane = createLane(pool);
    const passwords = createPasswordWork(forPasswords.pool);
    // Before the hooks: while the schema is made, the process is late for everything else.
    const graphql = await createGraphql(pool, jwt, createAdmission({ limits, lane, passwords, readKeys }));
    app.addHook("onClose", graphql.release);

    app.decorateRequest("identity", null).decorateRequest("operation", null);
    await addWebSocket(app);
    const findIdentity = createFindIdentity(pool, options);
    const identify = createIdentify(findIdentity);
    await addRequestHooks(app, { ...options, addressOf, identify, limits, lane });
    if (signIn !== undefined && jwt.secret !== undefined) {
      const { corsOrigins } = options;
      const admitPassword = createPasswordAdmission({ limits, passwords });
      await addSignIn(app, { ...signIn, pool, admitPassword, identify, secret: jwt.secret, corsOrigins });
    }
    addPlans(app, pool);
    addHealth(app, probes.pool);
    const most = options.liveConnections;
    const live = createLive({ polls: polls.pool, reads: reads.pool, most, log: app.log });
    app.addHook("preClose", live.close);
    if (app.metrics !== null && options.metricsToken !== undefined) {
      const { metrics } = app;
      addLiveMetrics(metrics, live);
      addPoolMetrics(metrics, {
        requests: pool,
        passwords: forPasswords.pool,
        readiness: probes.pool,
        changes: polls.pool,
        subscribers: reads.pool,
        maintenance: upkeep.pool,
        queue: queue.pool,
        metrics: scrapes.pool,
      });
      const readDatabase = createDatabaseMetrics(scrapes.pool);
      addMetricsRoute(app, {
        token: options.metricsToken,
        contentType: metrics.registry.contentType,
        read: async () => (await Promise.all([metrics.registry.metrics(), readDatabase()])).join("\n"),
      });
    }
    if (options.maintenance !== undefined) {
      const { ownerUrl } = options.maintenance;
      stopMaintenance = startMaintenance({ ownerUrl, tasks: upkeep.pool, jobs: queue.pool, log: app.log });
      // A batch under way gets as long as requests do.
      app.addHook("preClose", async () => void stopMaintenance());
    }
    await graphql.addTo(app, {
      live,
      findIdentity,
      limits,
      origins: [...options.corsOrigins, ...(signIn === undefined ? [] : [new URL(signIn.publicUrl).origin])],
      times: { ...LIVE_TIMES, ...options.liveTimes },
    });
    await app.ready();
    return app;
  } catch (error) {
    await app.close();
    throw error;
  }
}

function isForSubscriptions({ method, url = "", headers }: IncomingMessage): boolean {
  return method === "GET" && url.split("?")[0] === GRAPHQL_PATH && headers.upgrade?.toLowerCase() === "websocket";
}

function createApp(options: ServerOptions, addressOf: AddressOf): FastifyInstance {
  const app: FastifyInstance = Fastify({
    logger: {
      level: options.logLevel,
      redact: ["req.headers"],
      ...(options.logDestination && { stream: options.logDestination }),
    },
    // Who is connected already is answered until the last, and told that it was the last.
    return503OnClosing: false,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: "debugId" }),
    genReqId: requestId,
    bodyLimit: LIMITS.body,
    // Node would refuse what has no host by itself, without a word: a hook does.
    http: {
      headersTimeout: ARRIVAL.headers,
      connectionsCheckingInterval: ARRIVAL.checked,
      requireHostHeader: false,
      // Any other offer of another protocol is passed over, as HTTP has it.
      shouldUpgradeCallback: isForSubscriptions,
    },
    requestTimeout: ARRIVAL.whole,
    clientErrorHandler: (error, socket) => answerClientError(error, socket, app, newRequestId()),
    forceCloseConnections: "idle",
    frameworkErrors: (_error, request, reply) => {
      request.clientAddress = addressOf(request.raw);
      refuseRequest(request, reply);
    },
  });
  // What somebody else might expect of us keeps us from nothing; Node would refuse it without a word.
  app.server.on("checkExpectation", (request, response) => app.server.emit("request", request, response));
  return app.decorateRequest("clientAddress", "");
}
