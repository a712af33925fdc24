/** How many connections to PostgreSQL a server process takes. */
import type { Options } from "../options/options.ts";

/** How many operations of the maintenance a server does at once: what takes long keeps what comes every minute from nothing. */
export const LANES = 3;

/** Connections that the queue takes: one hears of new jobs, on the other they are taken and ended. */
export const QUEUE_CONNECTIONS = 2;

/** Connections that read what subscribers are told. */
export const READERS = 2;

/** Each a connection of its own: whether the server is ready, what changes, what Prometheus reads. */
export const READINESS = 1;
export const CHANGES = 1;
export const METRICS = 1;

export type ConnectionOptions = Pick<Options, "poolSize" | "passwordPoolSize" | "maintenance" | "metricsToken">;

/** How many connections one server process takes at most. */
export function connectionsOf({ poolSize, passwordPoolSize, maintenance, metricsToken }: ConnectionOptions): number {
  return (
    poolSize +
    passwordPoolSize +
    READINESS +
    CHANGES +
    READERS +
    (maintenance ? LANES + QUEUE_CONNECTIONS : 0) +
    (metricsToken === undefined ? 0 : METRICS)
  );
}
