/** Which operations are let in, on which connections: by the work that they are, and by how much there is already. */
import type { FastifyReply, FastifyRequest } from "fastify";
import { getOperationAST, OperationTypeNode } from "graphql";
import type pg from "pg";
import type { Admit } from "../graphql/plugins/limits.ts";
import type { Measure } from "../graphql/query-cost.ts";
import type { ReadMasterKeys } from "../master-keys.ts";
import { leaveUncompressed } from "./compression.ts";
import { createGate, createLane, type Lane } from "./lanes.ts";
import type { RateLimits } from "./rate-limits.ts";
import { withMasterKeys } from "./secrets.ts";

/** How much work with passwords there may be for each of its connections, and the seconds to wait when there is more. */
export const PASSWORDS = { perConnection: 8, retryAfter: 2 };

/** What counts in the rate limit, beside each field at the top: so many values as one, and a password as so many. */
const UNITS = { values: 100, password: 20 };

/** Work with passwords, whichever door it comes by: its connections, and the gate before them. */
export type PasswordWork = { pool: pg.Pool; enter: () => () => void };

export function createPasswordWork(pool: pg.Pool): PasswordWork {
  return { pool, enter: createGate(pool.options.max * PASSWORDS.perConnection, PASSWORDS.retryAfter) };
}

/** Does work with a password for a request that is none of GraphQL's. @throws RequestError when there is too much */
export type AdmitPassword = <Result>(
  request: FastifyRequest,
  reply: FastifyReply,
  work: (pool: pg.Pool) => Promise<Result>,
) => Promise<Result>;

type Setting = { limits: RateLimits; lane: Lane; passwords: PasswordWork; readKeys: ReadMasterKeys };

export function createPasswordAdmission({ limits, passwords }: Pick<Setting, "limits" | "passwords">): AdmitPassword {
  return async (request, reply, work) => {
    await limits.countWork(request, reply, UNITS.password);
    const leave = passwords.enter();
    try {
      return await work(passwords.pool);
    } finally {
      leave();
    }
  };
}

/**
 * Makes the function that lets operations in. Those with a password get a connection of `passwords`, and all others one
 * of `lane`, where what needs the master key is given it.
 * @throws RequestError `too_many_requests` or `overloaded`, from the function
 */
export function createAdmission({ limits, lane, passwords, readKeys }: Setting): Admit {
  const passwordLane = createLane(passwords.pool);

  return async ({ requestContext, contextValue, document, operationName }, measure) => {
    const { request, reply } = requestContext?.fastifyv5 ?? {};
    const { operation } = getOperationAST(document, operationName) ?? {};
    if (request !== undefined && reply !== undefined) {
      request.operation = operation ?? null;
      if (operation === OperationTypeNode.MUTATION) leaveUncompressed(request);
      await limits.countWork(request, reply, unitsOf(measure));
    }
    // It has brought its lane.
    if (operation === OperationTypeNode.SUBSCRIPTION) return () => undefined;
    const isPassword = measure.passwords > 0;
    const leave = isPassword ? passwords.enter() : () => undefined;
    const { withPgClient } = isPassword ? passwordLane : lane;
    Object.assign(contextValue as object, {
      withPgClient:
        measure.secretCalls.length === 0 ? withPgClient : withMasterKeys(withPgClient, measure.secretCalls, readKeys),
    });
    return leave;
  };
}

function unitsOf({ cost, rootFields, introspection, passwords }: Measure): number {
  return Math.max(1, rootFields) + Math.floor((cost + introspection) / UNITS.values) + passwords * UNITS.password;
}
