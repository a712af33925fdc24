/** Traces by OpenTelemetry: a span for each request and each of its statements. Loaded only where they are wanted. */
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import { FastifyOtelInstrumentation } from "@fastify/otel";
import { context, type Span } from "@opentelemetry/api";
import { PgInstrumentation } from "@opentelemetry/instrumentation-pg";
import { NodeSDK } from "@opentelemetry/sdk-node";
import type { FastifyInstance } from "fastify";
import { given } from "../options/read-variable.ts";

/** How long the last spans get to be sent when the process ends, in milliseconds: a collector that is away delays nobody. */
const GOODBYE = 300;

/** Who asks how the server is asks often, and is nobody's request. */
const PROBES = /^\/(?:api\/(?:health|ready)|metrics)(?:\?|$)/;

export type Tracing = {
  /** Makes spans of the requests to a server that has no hook yet, and puts their trace into the lines of its log. */
  addTo: (app: FastifyInstance) => Promise<void>;
  /** Sends what there is to send, within a moment. */
  stop: () => Promise<void>;
};

/** Begins, once in a process. Where spans go, and how many, OpenTelemetry reads from its environment variables. */
export function startTracing(): Tracing {
  const requests = new FastifyOtelInstrumentation({
    instrumentHooks: false,
    instrumentHandler: false,
    recordExceptions: false,
    ignorePaths: ({ url }) => PROBES.test(url),
    requestHook(span, { id, method, url, routeOptions }) {
      keepQuiet(span);
      span.updateName(routeOptions.url === undefined ? method : `${method} ${routeOptions.url}`);
      // What follows may be the code of a sign-in.
      span.setAttributes({ "url.path": url.split("?")[0], "attune.request_id": id });
    },
    lifecycleHook: keepQuiet,
  });
  const statements = new PgInstrumentation({
    // What the server does by itself, forty times a second, is nobody's.
    requireParentSpan: true,
    requestHook: keepQuiet,
    connectionHook: keepQuiet,
  });
  const sdk = new NodeSDK({
    ...(given(process.env, "OTEL_SERVICE_NAME") === undefined && { serviceName: "attune" }),
    instrumentations: [requests, statements],
    // Prometheus is told of these, and the log is on the standard output.
    metricReaders: [],
    logRecordProcessors: [],
  });
  sdk.start();
  patch();

  return {
    async addTo(app) {
      await app.register(requests.plugin());
      app.addHook("onRequest", async (request) => {
        const { span } = request.opentelemetry();
        if (span != null) request.log = request.log.child({ traceId: span.spanContext().traceId });
      });
      // Where the body is read it is forgotten whose it is.
      app.addHook("preValidation", (request, _reply, done) => {
        const own = request.opentelemetry().context;
        if (own == null) done();
        else context.with(own, done);
      });
      app.addHook("onSend", async (request) => {
        if (request.operation !== null)
          request.opentelemetry().span?.setAttribute("graphql.operation.type", request.operation);
      });
    },
    async stop() {
      await Promise.race([sdk.shutdown().catch(() => undefined), sleep(GOODBYE, undefined, { ref: false })]);
    },
  };
}

/**
 * Lets OpenTelemetry see `pg`, which it does where something is required. It changes the classes themselves, so it does
 * not matter that modules imported them before, and no hook is needed where modules are loaded.
 */
function patch(): void {
  const require = createRequire(import.meta.url);
  require("pg");
  createRequire(require.resolve("pg"))("pg-pool");
}

/** Of what goes wrong a span has that it did: the words of an error may hold a value. The log has them. */
function keepQuiet(span: Span): void {
  const setStatus = span.setStatus.bind(span);
  span.setStatus = ({ code }) => setStatus({ code });
  span.recordException = () => undefined;
}
