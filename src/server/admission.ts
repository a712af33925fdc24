/** Which operations are let in, on which connections: by the work that they are, and by how much there is already. */
import type { FastifyReply, FastifyRequest } from "fastify";
import { getOperationAST, OperationTypeNode } from "graphql";
import type pg from "pg";
import type { Admit } from "../graphql/plugins/limits.ts";
import type { Measure } from "../graphql/query-cost.ts";
import { leaveUncompressed } from "./compression.ts";
import { createGate, createLane, type Lane } from "./lanes.ts";
import type { RateLimits } from "./rate-limits.ts";

/** How much work with passwords there may be for each of its connections, and the seconds to wait when there is more. */
export const PASSWORD_WORK = { perConnection: 8, retryAfter: 2 };

/** What counts as one in the rate limit: a field at the top, so many values, and the part of a password's work. */
const UNIT = { values: 100, password: 1 / 20 };

/** In milliseconds: answers that must not tell by their time what was done come at whole steps of it. */
const STEP = 50;

/** Work with passwords, whichever door it comes by: its connections, and the gate before them. */
export type PasswordWork = { pool: pg.Pool; enter: () => () => void };

export function createPasswordWork(pool: pg.Pool): PasswordWork {
  return { pool, enter: createGate(pool.options.max * PASSWORD_WORK.perConnection, PASSWORD_WORK.retryAfter) };
}

/** Does work with a password for a request that is none of GraphQL's. @throws RequestError when there is too much */
export type AdmitPassword = <Result>(
  request: FastifyRequest,
  reply: FastifyReply,
  work: (pool: pg.Pool) => Promise<Result>,
) => Promise<Result>;

type Setting = { limits: RateLimits; lane: Lane; passwords: PasswordWork };

export function createPasswordAdmission({ limits, passwords }: Omit<Setting, "lane">): AdmitPassword {
  return async (request, reply, work) => {
    await limits.countWork(request, reply, 1 / UNIT.password);
    const leave = passwords.enter();
    try {
      return await work(passwords.pool);
    } finally {
      leave();
    }
  };
}

export function createAdmission({ limits, lane, passwords }: Setting): Admit {
  const passwordLane = createLane(passwords.pool);

  return async ({ requestContext, contextValue, document, operationName }, measure) => {
    const begun = performance.now();
    const { request, reply } = requestContext?.fastifyv5 ?? {};
    if (request !== undefined && reply !== undefined) {
      if (getOperationAST(document, operationName)?.operation === OperationTypeNode.MUTATION)
        leaveUncompressed(request);
      await limits.countWork(request, reply, unitsOf(measure));
    }
    const isPassword = measure.password > 0;
    const leave = isPassword ? passwords.enter() : undefined;
    Object.assign(contextValue as object, { withPgClient: (isPassword ? passwordLane : lane).withPgClient });
    return async () => {
      leave?.();
      if (measure.mail > 0) await untilNextStep(begun);
    };
  };
}

function unitsOf({ cost, rootFields, introspection, password }: Measure): number {
  return Math.max(1, rootFields) + Math.floor((cost + introspection) / UNIT.values) + password / UNIT.password;
}

/** @param begun as `performance.now` gave it */
function untilNextStep(begun: number): Promise<void> {
  const rest = STEP - ((performance.now() - begun) % STEP);
  return new Promise((resolve) => setTimeout(resolve, rest));
}
