/** Refuses at once what would be answered too late, so that what is let in is answered in time. */
import underPressure from "@fastify/under-pressure";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Lane } from "./lanes.ts";
import { overloaded } from "./request-error.ts";

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
export async function addLoadShedding(
  app: FastifyInstance,
  { after, lane, costs }: { after: number; lane: Lane; costs: (request: FastifyRequest) => boolean },
): Promise<void> {
  if (after === 0) return;
  await app.register(underPressure, {
    maxEventLoopDelay: after,
    pressureHandler: (request) => {
      if (costs(request)) throw overloaded(RETRY_AFTER);
    },
  });
  app.addHook("onRequest", async (request) => {
    if (costs(request) && lane.wait() > after) throw overloaded(RETRY_AFTER);
  });
}
