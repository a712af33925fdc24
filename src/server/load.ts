/** Refuses at once what would be answered too late, so that what is let in is answered in time. */
import underPressure from "@fastify/under-pressure";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Lane } from "./lanes.ts";
import { overloaded } from "./request-error.ts";

/** In milliseconds: how late the process may be for everything it does, and how long one waits for a connection. */
export const OVERLOAD = { delay: 500, wait: 500 };

/** In seconds. */
const RETRY_AFTER = 1;

/**
 * Adds the hook that refuses requests when there are too many already.
 * @param lane where requests wait for the database
 * @param costs whether a request is one that may be refused
 * @throws RequestError `overloaded`, from the hook
 */
export async function addLoadShedding(
  app: FastifyInstance,
  { lane, costs }: { lane: Lane; costs: (request: FastifyRequest) => boolean },
): Promise<void> {
  await app.register(underPressure, {
    maxEventLoopDelay: OVERLOAD.delay,
    pressureHandler: (request) => {
      if (costs(request)) throw overloaded(RETRY_AFTER);
    },
  });
  app.addHook("onRequest", async (request) => {
    if (costs(request) && lane.wait() > OVERLOAD.wait) throw overloaded(RETRY_AFTER);
  });
}
