/** The HTTP server: GraphQL, its explorer, and whether it lives and is ready. */
import "../graphql/production.ts";
import { randomBytes } from "node:crypto";
import cors from "@fastify/cors";
import rateLimit from "@fastify/rate-limit";
import Fastify, { type FastifyInstance, type FastifyRequest, LogController } from "fastify";
import type { Pool, QueryResult } from "pg";
import { postgraphile } from "postgraphile";
import { grafserv } from "postgraphile/grafserv/fastify/v5";
import { authenticate, cameFrom, type Identity, NOBODY, onlyUser } from "../sign-in/claims.ts";
import { UserError } from "../user-error.ts";
import { EXPLORER } from "../graphql/explorer.ts";
import { handleFailures, refuseRequest } from "./error-responses.ts";
import { maskError } from "../graphql/mask-errors.ts";
import { createVerifier, type ResolvedJwtOptions } from "../sign-in/jwt.ts";
import { LIMITS, LimitsPlugin } from "../graphql/plugins/limits.ts";
import { isLoopback } from "./loopback.ts";
import type { Options } from "../options/options.ts";
import { openPool } from "../database/pool.ts";
import { makePreset } from "../graphql/preset.ts";
import { createProvisioner } from "../sign-in/provision.ts";
import { httpError, RequestError } from "./request-error.ts";
import { addSignIn } from "../sign-in/routes.ts";
import { queryAs } from "../database/query-as.ts";

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
  /** Proxies whose `X-Forwarded-For` is believed. */
  trustProxy?: Options["trustProxy"];
  /** Whose the requests without a token are, in single-user mode. */
  singleUserId?: string | undefined;
  /** The providers that people sign in with. */
  signIn?: Options["signIn"];
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
  const { trustProxy: proxies = false } = options;
  const app = Fastify({
    logger: {
      level: options.logLevel,
      redact: ["req.headers"],
      ...(options.logDestination && { stream: options.logDestination }),
    },
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: "debugId" }),
    genReqId: () => randomBytes(8).toString("hex"),
    bodyLimit: LIMITS.body,
    trustProxy: typeof proxies === "number" ? (_address, hop) => hop < proxies : proxies,
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

    if (options.singleUserId !== undefined) app.addHook("onRequest", async (request) => assertLocal(request));
    app.decorateRequest("identity", null);
    const identify = createIdentify(options, pool);
    // After the rate limit, before the body is read.
    app.addHook("preParsing", async (request, reply) => {
      if (request.routeOptions.url !== GRAPHQL_PATH) return;
      reply.header("cache-control", "no-store");
      await identify(request);
    });
    await addSignInIfAny(app, options, { pool, identify });
    addPlans(app, pool);
    addHealth(app, pool);
    // Says what is missing better than PostGraphile would.
    await probe(pool);

    const graphql = postgraphile({
      extends: [makePreset(pool, options.jwt)],
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
    allowList: ({ routeOptions: { url = "" } }: { routeOptions: { url?: string | undefined } }) =>
      !/^\/(graphql$|auth\/|api\/plans$)/.test(url),
    errorResponseBuilder: () => httpError(429),
  };
}

type Identify = (request: FastifyRequest) => Promise<void>;

/** Finds out who asks: by the token, which for an outside identity also makes its user. */
function createIdentify({ jwt, singleUserId }: ServerOptions, pool: Pool): Identify {
  const verify = createVerifier(jwt);
  const provision = createProvisioner(pool);
  const otherwise = singleUserId === undefined ? NOBODY : onlyUser(singleUserId);
  return async (request) => {
    request.identity = cameFrom(await authenticate(request.headers.authorization, verify, otherwise), request);
    await provision(request.identity);
  };
}

/** In single-user mode a page of another site must not reach the server under a name that it made point to this machine. */
function assertLocal({ headers: { host = "" } }: FastifyRequest): void {
  const url = `http://${host}`;
  if (!URL.canParse(url) || !isLoopback(new URL(url).hostname)) {
    throw new RequestError(403, "foreign_host", "This server answers on this machine only", "Ask it as localhost.");
  }
}

async function addSignInIfAny(
  app: FastifyInstance,
  { signIn, jwt: { secret } }: ServerOptions,
  rest: { pool: Pool; identify: Identify },
): Promise<void> {
  if (signIn !== undefined && secret !== undefined) await addSignIn(app, { ...signIn, ...rest, secret });
}

/** What everybody may see before they are anybody. */
function addPlans(app: FastifyInstance, pool: Pool): void {
  app.get("/api/plans", async (_request, reply) => {
    const plans = await queryAs(
      pool,
      NOBODY,
      "select name, title, description, rank from attune.plans order by rank, name",
    );
    reply.header("cache-control", "public, max-age=60");
    return { plans };
  });
}

/** What an anonymous request may do in any migrated database, and what only the last of the migrations brings. */
const PROBE = `
  begin;
  set local role anon;
  select attune.current_user_id();
  select exists (
    select from pg_catalog.pg_proc as p
    where p.pronamespace = 'attune'::regnamespace
      and p.proname = 'effective_settings'
  ) as migrated;
  commit`;

/** @throws when the database can't be reached, or is not migrated */
async function probe(pool: Pool): Promise<void> {
  const results = (await pool.query(PROBE)) as unknown as QueryResult<{ migrated?: boolean }>[];
  if (!results.some(({ rows }) => rows[0]?.migrated === true))
    throw new UserError("The database is not migrated: run `attune migrate`.");
}

function addHealth(app: FastifyInstance, pool: Pool): void {
  let asking: Promise<void> | undefined;

  app.get("/api/health", async () => ({ status: "alive" }));
  app.get("/api/ready", async () => {
    try {
      // Probes that come meanwhile wait for the same answer, so that they take one connection.
      await (asking ??= probe(pool).finally(() => (asking = undefined)));
    } catch (cause) {
      const message = "The database can't be reached, or is not migrated";
      throw new RequestError(503, "not_ready", message, "Try again in a few seconds.", { cause });
    }
    return { status: "ready", migrated: true };
  });
}
