/** The HTTP server: GraphQL, its explorer, and whether it lives and is ready. */
import "./production.ts";
import { randomBytes } from "node:crypto";
import cors from "@fastify/cors";
import rateLimit from "@fastify/rate-limit";
import Fastify, { type FastifyInstance, LogController } from "fastify";
import type { Pool } from "pg";
import { postgraphile } from "postgraphile";
import { grafserv } from "postgraphile/grafserv/fastify/v5";
import { authenticate, type Identity, NOBODY } from "./claims.ts";
import { EXPLORER } from "./explorer.ts";
import { handleFailures, refuseRequest } from "./failures.ts";
import { maskError } from "./graphql-errors.ts";
import { createVerifier, type ResolvedJwtOptions } from "./jwt.ts";
import { LIMITS, LimitsPlugin } from "./limits.ts";
import { openPool } from "./pool.ts";
import { makePreset } from "./preset.ts";
import { httpError, RequestError } from "./request-error.ts";

export type ServerOptions = {
  /** How to reach the database as `authenticator`. */
  authenticatorUrl: string;
  /** Connections to the database. */
  poolSize: number;
  jwt: ResolvedJwtOptions;
  /** One of pino's levels, or `silent`. */
  logLevel: string;
  /** Origins of pages that may call the API from a browser; `*` is any. */
  corsOrigins: string[];
  /** GraphQL requests a minute and address; 0 is no limit. */
  rateLimitPerMinute: number;
  /** Where the log goes, when not to standard output. */
  logDestination?: { write(line: string): void };
};

declare module "fastify" {
  interface FastifyRequest {
    /** Who is asking; null until the token was looked at, and for what needs none. */
    identity: Identity | null;
  }
}

const GRAPHQL_PATH = "/graphql";
/** How long the server waits for requests under way when it closes, in milliseconds. */
const GRACE = 300;

const SECURITY_HEADERS = {
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  // The explorer's page has an inline script that configures it, and runs its editors in workers.
  "content-security-policy":
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; " +
    "img-src 'self' data:; font-src 'self' data:; worker-src 'self' blob:; frame-ancestors 'none'",
};

/**
 * Builds the server on a migrated database. It does not listen yet; `close` ends its connections too.
 * @throws when the database can't be reached, or its schema can't be made into GraphQL
 */
export async function buildServer(options: ServerOptions): Promise<FastifyInstance> {
  const app = Fastify({
    logger: {
      level: options.logLevel,
      redact: ["req.headers"],
      ...(options.logDestination && { stream: options.logDestination }),
    },
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: "debugId" }),
    genReqId: () => randomBytes(8).toString("hex"),
    bodyLimit: LIMITS.body,
    requestTimeout: 15_000,
    forceCloseConnections: "idle",
    frameworkErrors: refuseRequest,
  });
  const { pool, close } = openPool(options.authenticatorUrl, options.poolSize, (error) => {
    app.log.warn({ err: error }, "lost a connection to the database");
  });
  app.addHook("preClose", async () => {
    setTimeout(() => app.server.closeAllConnections(), GRACE).unref();
  });
  app.addHook("onClose", close);

  try {
    handleFailures(app);
    app.addHook("onRequest", async (_request, reply) => {
      reply.headers(SECURITY_HEADERS);
    });
    if (options.corsOrigins.length > 0) await app.register(cors, corsOptions(options.corsOrigins));
    if (options.rateLimitPerMinute > 0) await app.register(rateLimit, rateLimitOptions(options.rateLimitPerMinute));

    const verify = createVerifier(options.jwt);
    app.decorateRequest("identity", null);
    // After the rate limit, before the body is read.
    app.addHook("preParsing", async (request, reply) => {
      if (request.routeOptions.url !== GRAPHQL_PATH) return;
      reply.header("cache-control", "no-store");
      request.identity = await authenticate(request.headers.authorization, verify);
    });
    addHealth(app, pool);
    // Says what is missing better than PostGraphile would.
    await pool.query(PROBE);

    const graphql = postgraphile({
      extends: [makePreset(pool)],
      plugins: [LimitsPlugin],
      grafast: {
        context: ({ fastifyv5 }) => ({ pgSettings: (fastifyv5?.request.identity ?? NOBODY).pgSettings }),
      },
      grafserv: {
        graphqlPath: GRAPHQL_PATH,
        graphiqlPath: "/",
        graphiqlOnGraphQLGET: false,
        websockets: false,
        maxRequestLength: LIMITS.body,
        allowedRequestContentTypes: ["application/json"],
        maskError,
      },
      ruru: EXPLORER,
    });
    app.addHook("onClose", () => graphql.release());
    await graphql.getSchema();
    const serv = graphql.createServ(grafserv);
    await serv.ready();
    await serv.addTo(app);
    app.get("/favicon.ico", (_request, reply) => reply.code(204).send());
    app.get(GRAPHQL_PATH, () => {
      throw httpError(405);
    });
    await app.ready();
    return app;
  } catch (error) {
    await app.close();
    throw error;
  }
}

function corsOptions(origins: string[]) {
  return {
    origin: origins.includes("*") ? "*" : origins,
    methods: ["POST"],
    allowedHeaders: ["authorization", "content-type"],
    maxAge: 600,
  };
}

function rateLimitOptions(perMinute: number) {
  return {
    max: perMinute,
    timeWindow: 60_000,
    allowList: (request: { routeOptions: { url?: string | undefined } }) => request.routeOptions.url !== GRAPHQL_PATH,
    errorResponseBuilder: () => httpError(429),
  };
}

/** What an anonymous request may do in any migrated database. */
const PROBE = "begin; set local role anon; select attune.current_user_id(); commit";

function addHealth(app: FastifyInstance, pool: Pool): void {
  let asking: Promise<unknown> | undefined;

  app.get("/api/health", async () => ({ status: "alive" }));
  app.get("/api/ready", async () => {
    try {
      // Probes that come meanwhile wait for the same answer, so that they take one connection.
      await (asking ??= pool.query(PROBE).finally(() => (asking = undefined)));
    } catch (cause) {
      const message = "The database can't be reached, or is not migrated";
      throw new RequestError(503, "not_ready", message, "Try again in a few seconds.", { cause });
    }
    return { status: "ready" };
  });
}
