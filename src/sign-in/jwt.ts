/** Signs our own tokens and verifies those of the issuers that are trusted: signature by one agreed algorithm, audience, issuer, lifetime. */
import { createPublicKey, createSecretKey, type KeyObject } from "node:crypto";
import jwt from "jsonwebtoken";
import { RequestError } from "../server/request-error.ts";
import { isStorable } from "../storable.ts";
import { createKeySet } from "./jwks.ts";

/** What our own tokens say of themselves. SQL says the same: `attune_private.own_issuer()`. */
export const OWN = { issuer: "attune", audience: "authenticated" } as const;

/** An identity provider whose tokens are taken as they are. */
export type OutsideIssuer = { issuer: string; audience: string } & ({ publicKey: string } | { jwksUrl: string });

/** Whose tokens are believed: our own when there is a secret, those of an outside issuer when there is one. */
export type ResolvedJwtOptions = { secret?: string | undefined; outside?: OutsideIssuer | undefined };

/** The claims of a verified token. */
export type JwtClaims = {
  readonly iss: string;
  readonly exp: number;
  readonly sub?: string;
  readonly role?: string;
  readonly [claim: string]: unknown;
};

/** A token that opens nothing. `reason` says why. */
export class UnauthorizedError extends RequestError {
  constructor(reason: string, message: string, hint: string) {
    super(401, reason, message, hint, { headers: { "www-authenticate": 'Bearer error="invalid_token"' } });
  }
}

/** Longer tokens are refused before they are looked at, in bytes. */
const MAX_TOKEN_LENGTH = 8192;
const CACHED_TOKENS = 1000;
/** For how long a token is believed without checking its signature again, in milliseconds. */
const CACHE_LIFETIME = 5 * 60_000;

/**
 * Signs an HS256 token as our own.
 * @param expiresIn seconds, or a span such as `2h`
 */
export function signToken(
  claims: { sub?: string; role?: string; email?: string; [claim: string]: unknown },
  { secret }: { secret: string },
  expiresIn: string | number = "1h",
): string {
  return jwt.sign(claims, secretKey(secret), {
    algorithm: "HS256",
    audience: OWN.audience,
    issuer: OWN.issuer,
    expiresIn: expiresIn as Exclude<jwt.SignOptions["expiresIn"], undefined>,
  });
}

/** Signs what SQL says a token claims: its audience, issuer and lifetime too. */
export function signClaims(claims: object, { secret }: { secret: string }): string {
  return jwt.sign(claims, secretKey(secret), { algorithm: "HS256" });
}

/** A token of somebody else says who its user is, and never what its user may. */
export function isOutside({ iss }: JwtClaims): boolean {
  return iss !== OWN.issuer;
}

/** An issuer, with the way to its keys. */
type Issuer = { issuer: string; audience: string; findKey: (header: jwt.JwtHeader) => Promise<KeyObject> };

/**
 * Makes the function that verifies tokens. It remembers good ones for a while, and never beyond their expiry.
 * @throws UnauthorizedError (from the function) when the token is not good
 * @throws RequestError (from the function) with status 503 when the identity provider's keys can't be had
 */
export function createVerifier({ secret, outside }: ResolvedJwtOptions): (token: string) => Promise<JwtClaims> {
  const ours: Issuer | undefined = secret === undefined ? undefined : { ...OWN, findKey: fixedKey(secretKey(secret)) };
  const theirs: Issuer | undefined = outside && { ...outside, findKey: keyFinder(outside) };
  const verified = new Map<string, { claims: JwtClaims; until: number }>();

  /** What a token says of its issuer chooses the one way it is checked in, and is checked with the rest. */
  const issuerOf = (payload: jwt.JwtPayload | string | null): Issuer | undefined => {
    const claimed = typeof payload === "object" ? payload?.iss : undefined;
    return theirs !== undefined && (ours === undefined || claimed === theirs.issuer) ? theirs : ours;
  };

  return async (token) => {
    const known = verified.get(token);
    if (known !== undefined && Date.now() < known.until) return known.claims;
    verified.delete(token);

    if (token.length > MAX_TOKEN_LENGTH) throw invalid(`The token is longer than ${MAX_TOKEN_LENGTH} bytes`);
    const decoded = jwt.decode(token, { complete: true });
    // `crit` names extensions that must be understood (RFC 7515, 4.1.11), and we understand none.
    if (decoded === null || "crit" in decoded.header) throw invalid("The token is not a JSON web token we can read");
    const issuer = issuerOf(decoded.payload);
    if (issuer === undefined) throw invalid("This server trusts no tokens");

    const key = await issuer.findKey(decoded.header);
    const claims = verify(token, key, issuer);

    if (verified.size >= CACHED_TOKENS) verified.delete(verified.keys().next().value ?? "");
    verified.set(token, { claims, until: Math.min(claims.exp * 1000, Date.now() + CACHE_LIFETIME) });
    return claims;
  };
}

function keyFinder(options: OutsideIssuer): Issuer["findKey"] {
  if ("publicKey" in options) return fixedKey(createPublicKey(options.publicKey));
  const find = createKeySet(options.jwksUrl);
  return async ({ kid }) => {
    const key = await find(kid);
    if (key === undefined) throw invalid("The token is signed with a key that its issuer does not publish");
    return key;
  };
}

function fixedKey(key: KeyObject): Issuer["findKey"] {
  return async () => key;
}

function secretKey(secret: string): KeyObject {
  return createSecretKey(Buffer.from(secret));
}

/** The one algorithm a key is for. Whatever a token says of itself, no other is tried with it. */
function algorithmOf(key: KeyObject): jwt.Algorithm {
  if (key.type === "secret") return "HS256";
  return key.asymmetricKeyType === "ec" ? "ES256" : "RS256";
}

function verify(token: string, key: KeyObject, { audience, issuer }: Issuer): JwtClaims {
  let claims: unknown;
  try {
    claims = jwt.verify(token, key, { algorithms: [algorithmOf(key)], audience, issuer });
  } catch (error) {
    throw unauthorized(error);
  }
  if (!isClaims(claims)) throw invalid("The token has no expiry, or a claim of the wrong type");
  return storableClaims(claims);
}

/**
 * Leaves out what a provider says of a person that PostgreSQL cannot hold, so that their name does not lock them out.
 * Who it is, and all that we say ourselves, has to be whole.
 */
function storableClaims(claims: JwtClaims): JwtClaims {
  const isWhole = (name: string): boolean => isStorable(name) && isStorable(claims[name]);
  const names = Object.keys(claims);
  if (names.every(isWhole)) return claims;
  if (!isOutside(claims) || !isWhole("sub")) throw invalid("The token has a claim that PostgreSQL cannot hold");
  const { iss, exp } = claims;
  return { ...Object.fromEntries(names.filter(isWhole).map((name) => [name, claims[name]])), iss, exp };
}

function isClaims(claims: unknown): claims is JwtClaims {
  if (typeof claims !== "object" || claims === null) return false;
  const { iss, exp, sub, role } = claims as Record<string, unknown>;
  return typeof iss === "string" && typeof exp === "number" && isStringOrAbsent(sub) && isStringOrAbsent(role);
}

function isStringOrAbsent(value: unknown): boolean {
  return value === undefined || typeof value === "string";
}

function unauthorized(error: unknown): UnauthorizedError {
  const message = error instanceof Error ? error.message : "";
  if (error instanceof jwt.TokenExpiredError) {
    return new UnauthorizedError("token_expired", "The token has expired", "Sign in again, or refresh the session.");
  }
  if (error instanceof jwt.NotBeforeError) {
    return new UnauthorizedError(
      "token_not_yet_valid",
      "The token is not valid yet",
      "Check the clocks of the servers.",
    );
  }
  if (message.startsWith("jwt audience")) {
    return new UnauthorizedError(
      "wrong_audience",
      "The token is meant for another audience",
      "Ask for a token with this server's audience.",
    );
  }
  if (message.startsWith("jwt issuer")) {
    return new UnauthorizedError(
      "wrong_issuer",
      "The token comes from another issuer",
      "Get the token from the issuer that this server trusts.",
    );
  }
  return invalid("The token is not one that this server trusts");
}

function invalid(message: string): UnauthorizedError {
  return new UnauthorizedError("invalid_token", message, "Sign in again for a new token.");
}
