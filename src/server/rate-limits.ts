/** How much one client may ask for in a minute: requests, while nothing is known of it but its address, then work. */
import type { FastifyReply, FastifyRequest } from "fastify";
import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";
import { networkOf } from "./client-address.ts";
import { httpError } from "./request-error.ts";

/** In seconds. */
const WINDOW = 60;

/** An address may send this many times as many requests as one client may do work: a whole office may stand behind it. */
const CLIENTS_OF_AN_ADDRESS = 10;

/** What tells a client how much is left to it. */
export const RATE_HEADERS = ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "retry-after"];

export type RateLimits = {
  /**
   * Counts a request for its address.
   * @param isTrusted asked when there were too many: a trusted server is not stopped by others behind its address
   * @throws RequestError when there were too many
   */
  countRequest: (request: FastifyRequest, reply: FastifyReply, isTrusted: () => Promise<boolean>) => Promise<void>;
  /**
   * Counts work for the subject of the token, or for the address where there is none. A trusted server's counts for
   * nobody, and its requests do not either.
   * @throws RequestError when there was too much
   */
  countWork: (request: FastifyRequest, reply: FastifyReply | undefined, units: number) => Promise<void>;
};

/** @param perMinute work of one client; 0 is no limit */
export function createRateLimits(perMinute: number): RateLimits {
  if (perMinute === 0) return { countRequest: async () => undefined, countWork: async () => undefined };
  const requests = new RateLimiterMemory({ points: perMinute * CLIENTS_OF_AN_ADDRESS, duration: WINDOW });
  const work = new RateLimiterMemory({ points: perMinute, duration: WINDOW });
  return {
    async countRequest(request, reply, isTrusted) {
      try {
        await consume(requests, networkOf(request.clientAddress), 1, reply);
      } catch (error) {
        if (!(await isTrusted())) throw error;
        for (const name of RATE_HEADERS) reply.removeHeader(name);
      }
    },
    async countWork(request, reply, units) {
      const network = networkOf(request.clientAddress);
      const { issuer, subject, pgSettings } = request.identity ?? {};
      if (pgSettings?.role === "service_role") await requests.reward(network, 1);
      else {
        const key = subject === undefined ? network : JSON.stringify([issuer, subject]);
        // What is more than a minute's work is a minute's.
        await consume(work, key, Math.min(units, perMinute), reply);
      }
    },
  };
}

async function consume(
  limiter: RateLimiterMemory,
  key: string,
  units: number,
  reply: FastifyReply | undefined,
): Promise<void> {
  try {
    tell(reply, limiter, await limiter.consume(key, units));
  } catch (error) {
    if (!(error instanceof RateLimiterRes)) throw error;
    tell(reply, limiter, error);
    throw httpError(429, { retryAfter: secondsOf(error) });
  }
}

function tell(reply: FastifyReply | undefined, { points }: RateLimiterMemory, state: RateLimiterRes): void {
  reply?.headers({
    "ratelimit-limit": points,
    "ratelimit-remaining": state.remainingPoints,
    "ratelimit-reset": secondsOf(state),
  });
}

function secondsOf({ msBeforeNext }: RateLimiterRes): number {
  return Math.max(1, Math.ceil(msBeforeNext / 1000));
}
