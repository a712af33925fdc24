/** What a request may be in the database: the role and claims that PostgREST would set for its token. */
import type { FastifyRequest } from "fastify";
import { isOutside, type JwtClaims, OWN, UnauthorizedError } from "./jwt.ts";

/** Settings of the request's transaction, local to it. */
export type PgSettings = {
  role: string;
  "request.jwt.claims": string;
  "request.headers": string;
  /** Where the request came from; empty when it is our own. */
  "attune.client_address": string;
  /** Which request it is, in logs and in the audit log; empty when it is our own. */
  "attune.request_id": string;
  statement_timeout: string;
  jit: string;
};

/** For how long one statement may run. It is set here and not for the connection, so that a pooler may be in between. */
const STATEMENT_TIMEOUT = "5s";

const MAX_USER_AGENT = 500;

/** Who is asking: the settings for the database, and what the token says of itself, if there is one. */
export type Identity = {
  pgSettings: PgSettings;
  issuer: string | undefined;
  subject: string | undefined;
  /** Until when the token is good, in milliseconds of the epoch. */
  expiresAt: number | undefined;
};

const ROLES: readonly unknown[] = ["anon", "authenticated", "service_role"];
/** Who asks without a token. */
export const NOBODY: Identity = identityOf({ role: "anon" });
/** A server that is trusted with everything: we, when we act for nobody. */
export const TRUSTED: Identity = identityOf({ role: "service_role", iss: OWN.issuer });

/** A user who shows no token: in single-user mode, and in `attune query --as`. */
export function onlyUser(id: string): Identity {
  return identityOf({ role: "authenticated", sub: id, iss: OWN.issuer });
}

/** Whose an access token is that we have just made. */
export function holderOf(claims: { role: string; iss: string; sub?: string }): Identity {
  return identityOf(claims);
}

/**
 * Reads the `Authorization` header.
 * One of our tokens that claims no role is `anon`, as in PostgREST. One of an outside issuer is `authenticated`,
 * whatever role it claims: nobody else decides about rights here.
 * @param otherwise who it is without such a header
 * @throws UnauthorizedError when there is a header, and it is not a good bearer token with a role we know
 */
export async function authenticate(
  authorization: string | undefined,
  verify: (token: string) => Promise<JwtClaims>,
  otherwise: Identity = NOBODY,
): Promise<Identity> {
  if (authorization === undefined) return otherwise;

  const token = /^bearer +([^\s]+)$/i.exec(authorization)?.[1];
  if (token === undefined) {
    throw new UnauthorizedError(
      "malformed_authorization",
      "The Authorization header is not a bearer token",
      "Send `Authorization: Bearer <token>`, or no such header at all.",
    );
  }

  const claims = await verify(token);
  const role = isOutside(claims) ? "authenticated" : (claims.role ?? "anon");
  if (!isRole(role)) {
    throw new UnauthorizedError(
      "unknown_role",
      "The token claims a role that does not exist here",
      `The claim \`role\` must be one of ${ROLES.join(", ")}.`,
    );
  }
  if (role === "authenticated" && !claims.sub) {
    throw new UnauthorizedError(
      "missing_subject",
      "The token does not say who is signed in",
      "The claim `sub` must name the user.",
    );
  }
  return identityOf({ ...claims, role });
}

/** The same, with what SQL may know of where the request came from. */
export function cameFrom(
  identity: Identity,
  request: Pick<FastifyRequest, "id" | "clientAddress" | "headers">,
): Identity {
  const headers = {
    "user-agent": request.headers["user-agent"]?.slice(0, MAX_USER_AGENT),
    "x-change-reason": request.headers["x-change-reason"],
  };
  const origin = {
    "request.headers": JSON.stringify(headers),
    "attune.client_address": request.clientAddress,
    "attune.request_id": request.id,
  };
  return { ...identity, pgSettings: { ...identity.pgSettings, ...origin } };
}

function isRole(claim: unknown): claim is string {
  return ROLES.includes(claim);
}

function identityOf(claims: { role: string; iss?: string; sub?: string; exp?: number }): Identity {
  const pgSettings = {
    role: claims.role,
    "request.jwt.claims": JSON.stringify(claims),
    "request.headers": "{}",
    "attune.client_address": "",
    "attune.request_id": "",
    statement_timeout: STATEMENT_TIMEOUT,
    // Compiling takes longer than any of our statements.
    jit: "off",
  };
  const expiresAt = claims.exp === undefined ? undefined : claims.exp * 1000;
  return { pgSettings, issuer: claims.iss, subject: claims.sub, expiresAt };
}
