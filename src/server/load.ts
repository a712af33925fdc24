/** Refuses at once what would be answered too late, so that what is let in is answered in time. */
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Lane } from "./lanes.ts";
import { overloaded } from "./request-error.ts";

/** How often it is seen whether the process is late, and what counts as late, in milliseconds. */
export const LATENESS = { interval: 100, late: 200 };

/** In seconds. */
const RETRY_AFTER = 1;

/**
 * Adds the hook that refuses requests when there are too many already.
 * @param after for how many milliseconds the process may be late for everything it does, or somebody wait for a
 *   connection; 0 refuses nothing
 * @param lane where requests wait for the database
 * @param costs whether a request is one that may be refused
 * @throws RequestError `overloaded`, from the hook
 */
export function addLoadShedding(
  app: FastifyInstance,
  { after, lane, costs }: { after: number; lane: Lane; costs: (request: FastifyRequest) => boolean },
): void {
  if (after === 0) return;
  const lateness = createLateness(performance.now());
  const timer = setInterval(() => lateness.tick(performance.now()), LATENESS.interval).unref();
  app.addHook("onClose", async () => clearInterval(timer));
  app.addHook("onRequest", async (request) => {
    if (costs(request) && (lane.wait() > after || lateness.duration() > after)) throw overloaded(RETRY_AFTER);
  });
}

/**
 * Tells for how many milliseconds a process has been late for everything, without a pause. Something long that it did
 * once is none of that: planning a query for the first time takes as long as it takes, and is over then.
 * @param begin the first time, in milliseconds
 */
export function createLateness(begin: number): { tick: (now: number) => void; duration: () => number } {
  let last = begin;
  let since: number | undefined;
  return {
    tick(now) {
      since = now - last > LATENESS.interval + LATENESS.late ? (since ?? now) : undefined;
      last = now;
    },
    duration: () => (since === undefined ? 0 : last - since),
  };
}
