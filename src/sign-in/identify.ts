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

/**
 * Finds who shows an `Authorization` header; of an outside identity it also makes the user.
 * @throws RequestError why the token is not good
 */
export type FindIdentity = (authorization: string | undefined, request: FastifyRequest) => Promise<Identity>;

/** Sets `request.identity`, or throws why the token is not good. */
export type Identify = (request: FastifyRequest) => Promise<void>;

/** @param singleUserId whose the requests without a token are, in single-user mode */
export function createFindIdentity(
  pool: Pool,
  { jwt, singleUserId }: { jwt: ResolvedJwtOptions; singleUserId?: string | undefined },
): FindIdentity {
  const verify = createVerifier(jwt);
  const provision = createProvisioner(pool);
  const otherwise = singleUserId === undefined ? NOBODY : onlyUser(singleUserId);
  return async (authorization, request) => {
    const identity = cameFrom(await authenticate(authorization, verify, otherwise), request);
    await provision(identity);
    return identity;
  };
}

/** Makes the function that sets `request.identity` by the header of the request. */
export function createIdentify(find: FindIdentity): Identify {
  return async (request) => {
    request.identity = await find(request.headers.authorization, request);
  };
}
