/** What Prometheus is told of the server: requests, refusals, connections to the database and to those who listen. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type pg from "pg";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Live } from "../live/live.ts";
import { VERSION } from "../version.ts";
import { boundedReason } from "./reasons.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** What of GraphQL was let in; null where nothing was. */
    operation: "query" | "mutation" | "subscription" | null;
  }
  interface FastifyInstance {
    /** Null where nobody asks for metrics. */
    metrics: Metrics | null;
  }
}

/** All others are one: whoever asks may choose it. */
const OTHER = "OTHER";
const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/** Upper bounds of the histogram, in seconds: from what the cache answers to what no statement may take. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** What the library says twice, under a name that is a counter's. */
const SUMS = ["nodejs_active_resources_total", "nodejs_active_handles_total", "nodejs_active_requests_total"];

/** What stands for a route or an operation where there is none. */
const NONE = "none";

export type Metrics = {
  registry: Registry;
  /** Counts a refusal, by its reason. */
  refused: (reason: unknown) => void;
  /** Counts a request that no hook sees: it is no HTTP, or has an address that is none. */
  malformed: (status: number) => void;
};

/** Makes the metrics of one server, with those of its process, and the hook that counts its requests. */
export function createMetrics(app: FastifyInstance): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  for (const name of SUMS) registry.removeSingleMetric(name);
  new Gauge({ registers, name: "attune_build_info", help: "Always 1.", labelNames: ["version"] }).set(
    { version: VERSION },
    1,
  );
  const requests = new Counter({
    registers,
    name: "attune_http_requests_total",
    help: "Requests that were answered, by route and kind of GraphQL operation; none where there was none.",
    labelNames: ["method", "route", "operation", "status"],
  });
  const durations = new Histogram({
    registers,
    name: "attune_http_request_duration_seconds",
    help: "How long it took to answer. Without subscriptions, which last.",
    labelNames: ["method", "route", "operation"],
    buckets: BUCKETS,
  });
  const refusals = new Counter({
    registers,
    name: "attune_refusals_total",
    help: "Answers that were a refusal or a failure, by the reason that the client was told.",
    labelNames: ["reason"],
  });

  app.addHook("onResponse", async (request: FastifyRequest, reply: FastifyReply) => {
    const labels = {
      method: METHODS.has(request.method) ? request.method : OTHER,
      route: request.routeOptions.url ?? NONE,
      operation: request.operation ?? NONE,
    };
    requests.inc({ ...labels, status: reply.raw.statusCode });
    if (request.operation !== "subscription") durations.observe(labels, reply.elapsedTime / 1000);
  });

  return {
    registry,
    refused: (reason) => refusals.inc({ reason: boundedReason(reason) }),
    malformed: (status) => requests.inc({ method: OTHER, route: NONE, operation: NONE, status }),
  };
}

/** @param pools by the name that they have in metrics */
export function addPoolMetrics({ registry }: Metrics, pools: Readonly<Record<string, pg.Pool>>): void {
  const registers = [registry];
  const each = (
    labels: string[],
    name: string,
    help: string,
    set: (gauge: Gauge, name: string, pool: pg.Pool) => void,
  ) =>
    new Gauge({
      registers,
      name,
      help,
      labelNames: labels,
      collect() {
        for (const [pool, connections] of Object.entries(pools)) set(this, pool, connections);
      },
    });
  each(
    ["pool", "state"],
    "attune_pool_connections",
    "Open connections to the database.",
    (gauge, pool, connections) => {
      const { totalCount, idleCount } = connections;
      gauge.set({ pool, state: "idle" }, idleCount);
      gauge.set({ pool, state: "used" }, totalCount - idleCount);
    },
  );
  each(["pool"], "attune_pool_connections_max", "Connections that there may be.", (gauge, pool, { options }) =>
    gauge.set({ pool }, options.max),
  );
  each(["pool"], "attune_pool_waiting", "Who waits for a connection.", (gauge, pool, { waitingCount }) =>
    gauge.set({ pool }, waitingCount),
  );
}

export function addLiveMetrics({ registry }: Metrics, live: Live): void {
  const registers: Registry[] = [];
  registry.registerMetric(
    new Gauge({
      registers,
      name: "attune_live_connections",
      help: "Connections that wait for changes.",
      collect() {
        this.set(live.count().connections);
      },
    }),
  );
  registry.registerMetric(
    new Gauge({
      registers,
      name: "attune_live_subscriptions",
      help: "Subscriptions on them.",
      collect() {
        this.set(live.count().subscriptions);
      },
    }),
  );
  registry.registerMetric(
    new Counter({
      registers,
      name: "attune_live_events_total",
      help: "Events that subscribers took.",
      collect() {
        this.reset();
        this.inc(live.count().told);
      },
    }),
  );
  registry.registerMetric(
    new Gauge({
      registers,
      name: "attune_live_poll_lag_seconds",
      help: "For how long changes were not read, while somebody listens; usually below a tenth.",
      collect() {
        this.set(live.count().lag / 1000);
      },
    }),
  );
}
