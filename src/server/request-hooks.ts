/** The way of a request, before its route and after it. */
import cors from "@fastify/cors";
import rateLimit from "@fastify/rate-limit";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Identify } from "../sign-in/identify.ts";
import { completeErrors, handleErrors } from "./error-responses.ts";
import { isLoopback } from "./loopback.ts";
import { httpError, RequestError } from "./request-error.ts";
import { GRAPHQL_PATH } from "./routes/graphql.ts";
import type { ServerOptions } from "./server-options.ts";

const SECURITY_HEADERS = {
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  // The explorer's page has an inline script that configures it, and runs its editors in workers.
  "content-security-policy":
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; " +
    "img-src 'self' data:; font-src 'self' data:; worker-src 'self' blob:; frame-ancestors 'none'",
};

/** Adds the hooks in the order in which a request meets them. Routes are added afterwards. */
export async function addRequestHooks(app: FastifyInstance, options: ServerOptions, identify: Identify): Promise<void> {
  const { corsOrigins, rateLimitPerMinute, singleUserId } = options;
  app.addHook("onRequest", setSecurityHeaders);
  if (corsOrigins.length > 0) await app.register(cors, corsOptions(corsOrigins, options.signIn?.cookies === true));
  if (rateLimitPerMinute > 0) await app.register(rateLimit, rateLimitOptions(rateLimitPerMinute));
  if (singleUserId !== undefined) app.addHook("onRequest", assertLocal);
  // Before the body is read. The routes of sign-in that need to know ask by themselves.
  app.addHook("preParsing", async (request, reply) => {
    if (request.routeOptions.url !== GRAPHQL_PATH) return;
    reply.header("cache-control", "no-store");
    await identify(request);
  });
  // Here the route answers, or throws.
  handleErrors(app);
  app.addHook("preSerialization", completeErrors);
}

async function setSecurityHeaders(_request: FastifyRequest, reply: FastifyReply): Promise<void> {
  reply.headers(SECURITY_HEADERS);
}

/** @param hasCookies whether pages at the origins that are named may send cookies */
function corsOptions(origins: string[], hasCookies: boolean) {
  const isAny = origins.includes("*");
  return {
    origin: isAny ? "*" : origins,
    credentials: hasCookies && !isAny,
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

/** In single-user mode a page of another site must not reach the server under a name that it made point to this machine. */
async function assertLocal({ headers: { host = "" } }: FastifyRequest): Promise<void> {
  const url = `http://${host}`;
  if (!URL.canParse(url) || !isLoopback(new URL(url).hostname)) {
    throw new RequestError(403, "foreign_host", "This server answers on this machine only", "Ask it as localhost.");
  }
}
