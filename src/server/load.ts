/** Refuses at once what would be answered too late, so that what is let in is answered in time. */
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Lane } from "./lanes.ts";
import { overloaded } from "./request-error.ts";

/** For how many milliseconds one may wait for a connection. */
const WAIT = 1000;

/** How often it is seen whether the process is late, and what counts as late, in milliseconds; and how often in a row. */
export const LATENESS = { interval: 100, late: 200, times: 10 };

/** In seconds. */
const RETRY_AFTER = 1;

/**
 * Adds the hook that refuses requests when there are too many already.
 * @param lane where requests wait for the database
 * @param costs whether a request is one that may be refused
 * @throws RequestError `overloaded`, from the hook
 */
export function addLoadShedding(
  app: FastifyInstance,
  { lane, costs }: { lane: Lane; costs: (request: FastifyRequest) => boolean },
): void {
  const lateness = createLateness(performance.now());
  const timer = setInterval(() => lateness.tick(performance.now()), LATENESS.interval).unref();
  app.addHook("onClose", async () => clearInterval(timer));
  app.addHook("onRequest", async (request) => {
    if (costs(request) && (lane.wait() > WAIT || lateness.isLasting())) throw overloaded(RETRY_AFTER);
  });
}

/**
 * Tells a process that is late for everything from one that did something long: planning a query for the first time
 * takes as long as it takes, and is over then.
 * @param begin the first time, in milliseconds
 */
export function createLateness(begin: number): { tick: (now: number) => void; isLasting: () => boolean } {
  let last = begin;
  let times = 0;
  return {
    tick(now) {
      times = now - last > LATENESS.interval + LATENESS.late ? times + 1 : 0;
      last = now;
    },
    isLasting: () => times >= LATENESS.times,
  };
}
