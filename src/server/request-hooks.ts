/** The way of a request, before its route and after it. */
import cors from "@fastify/cors";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Identify } from "../sign-in/identify.ts";
import type { AddressOf } from "./client-address.ts";
import { addCompression, leaveUncompressed } from "./compression.ts";
import { completeErrors, handleErrors } from "./error-responses.ts";
import type { Lane } from "./lanes.ts";
import { addLoadShedding } from "./load.ts";
import { isLoopback } from "./loopback.ts";
import { GRAPHQL_PATH } from "./paths.ts";
import { RATE_HEADERS, type RateLimits } from "./rate-limits.ts";
import { httpError, RequestError } from "./request-error.ts";
import { REQUEST_ID_HEADER } from "./request-id.ts";
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

type Setting = Pick<ServerOptions, "corsOrigins" | "overloadAfter" | "signIn" | "singleUserId" | "trustProxy"> & {
  addressOf: AddressOf;
  /** Finds out who asks, and sets `request.identity`. */
  identify: Identify;
  limits: RateLimits;
  /** Where requests wait for the database. */
  lane: Lane;
};

/** Whether a request is more than a look at how the server is, or at its pages. */
function costs({ routeOptions: { url = "" } }: FastifyRequest): boolean {
  return /^\/(graphql$|auth\/|api\/plans$)/.test(url);
}

/** Adds the hooks in the order in which a request meets them. Routes are added afterwards. */
export async function addRequestHooks(app: FastifyInstance, setting: Setting): Promise<void> {
  const { corsOrigins, singleUserId, addressOf, identify, limits, lane } = setting;
  app.addHook("onRequest", async (request) => {
    request.clientAddress = addressOf(request.raw);
  });
  app.addHook("onRequest", setHeaders);
  app.addHook("onRequest", assertHost);
  if (corsOrigins.length > 0) await app.register(cors, corsOptions(corsOrigins, setting.signIn?.cookies === true));
  if ((setting.trustProxy ?? false) === false) app.addHook("onRequest", createProxyWarning());
  if (singleUserId !== undefined) app.addHook("onRequest", assertLocal);
  addLoadShedding(app, { after: setting.overloadAfter, lane, costs });
  app.addHook("onRequest", async (request, reply) => {
    if (!costs(request)) return;
    await limits.countRequest(request, reply, async () => {
      await identify(request).catch(() => undefined);
      return request.identity?.pgSettings.role === "service_role";
    });
    // What a query costs is known only when it is read.
    if (request.routeOptions.url === GRAPHQL_PATH) return;
    leaveUncompressed(request);
    await limits.countWork(request, reply, 1);
  });
  await addCompression(app);
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

/** RFC 9112, 3.2. */
async function assertHost({ headers, raw }: FastifyRequest): Promise<void> {
  if (headers.host === undefined && raw.httpVersion === "1.1") throw httpError(400);
}

async function setHeaders(request: FastifyRequest, reply: FastifyReply): Promise<void> {
  reply.headers(SECURITY_HEADERS).header(REQUEST_ID_HEADER, request.id);
}

/** @param hasCookies whether pages at the origins that are named may send cookies */
function corsOptions(origins: string[], hasCookies: boolean) {
  const isAny = origins.includes("*");
  return {
    origin: isAny ? "*" : origins,
    credentials: hasCookies && !isAny,
    methods: ["POST"],
    allowedHeaders: ["authorization", "content-type", "x-change-reason", REQUEST_ID_HEADER],
    exposedHeaders: [...RATE_HEADERS, REQUEST_ID_HEADER],
    maxAge: 600,
  };
}

/** Tells once that a proxy is there which nobody told us of: all who come through it count as one client. */
function createProxyWarning() {
  let isTold = false;
  return async ({ headers, clientAddress, log }: FastifyRequest): Promise<void> => {
    if (isTold || headers["x-forwarded-for"] === undefined) return;
    isTold = true;
    log.warn(
      { address: clientAddress },
      "X-Forwarded-For arrives, and TRUST_PROXY is not set: everybody behind a proxy counts as one client. " +
        "Set TRUST_PROXY to the number of proxies in front of this server, or to their addresses.",
    );
  };
}

/** In single-user mode a page of another site must not reach the server under a name that it made point to this machine. */
async function assertLocal({ headers: { host = "" } }: FastifyRequest): Promise<void> {
  const url = `http://${host}`;
  if (!URL.canParse(url) || !isLoopback(new URL(url).hostname)) {
    throw new RequestError(403, "foreign_host", "This server answers on this machine only", "Ask it as localhost.");
  }
}
