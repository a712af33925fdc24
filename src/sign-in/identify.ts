/** Finds out who asks, once for each request that needs to know. */
import type { FastifyRequest } from "fastify";
import type { Pool } from "pg";
import { authenticate, cameFrom, type Identity, NOBODY, onlyUser } from "./authenticate.ts";
import { createVerifier, type ResolvedJwtOptions } from "./jwt.ts";
import { createProvisioner } from "./provision.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Who is asking; null until the token was looked at, and for what needs none. */
    identity: Identity | null;
  }
}

/** Sets `request.identity`, or throws why the token is not good. */
export type Identify = (request: FastifyRequest) => Promise<void>;

/**
 * Makes the function that sets `request.identity` by the token, which for an outside identity also makes its user.
 * @param singleUserId whose the requests without a token are, in single-user mode
 */
export function createIdentify(
  pool: Pool,
  { jwt, singleUserId }: { jwt: ResolvedJwtOptions; singleUserId?: string | undefined },
): Identify {
  const verify = createVerifier(jwt);
  const provision = createProvisioner(pool);
  const otherwise = singleUserId === undefined ? NOBODY : onlyUser(singleUserId);
  return async (request) => {
    request.identity = cameFrom(await authenticate(request.headers.authorization, verify, otherwise), request);
    await provision(request.identity);
  };
}
