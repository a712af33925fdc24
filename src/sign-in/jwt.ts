/** Signs our own tokens and verifies those of the issuers that are trusted: signature by one agreed algorithm, audience, issuer, lifetime. */
import { createPublicKey, type KeyObject } from "node:crypto";
import {
  decodeJwt,
  errors,
  type JWTPayload,
  jwtVerify,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  SignJWT,
} from "jose";
import { RequestError } from "../server/request-error.ts";
import { createKeySet } from "./jwks.ts";
import { isNoAnswer } from "./outside-fetch.ts";
import { isStorable } from "../storable.ts";

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
  readonly iat?: number;
  readonly sub?: string;
  /** Text in our own tokens, anything in those of others. */
  readonly role?: unknown;
  readonly [claim: string]: unknown;
};

/** A token that opens nothing. `reason` says why. */
export class UnauthorizedError extends RequestError {
  constructor(reason: string, message: string, hint: string, cause?: unknown) {
    super(401, reason, message, hint, { headers: { "www-authenticate": 'Bearer error="invalid_token"' }, cause });
  }
}

/** By how much the clocks of two servers may differ, in seconds: for `nbf` and `iat`. An expiry is one, to the second. */
export const CLOCK_TOLERANCE = 30;

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
): Promise<string> {
  return sign(
    new SignJWT(claims)
      .setAudience(OWN.audience)
      .setIssuer(OWN.issuer)
      .setIssuedAt()
      .setExpirationTime(typeof expiresIn === "number" ? `${expiresIn} seconds` : expiresIn),
    secret,
  );
}

/** Signs what SQL says a token claims: its audience, issuer and lifetime too. */
export function signClaims(claims: Record<string, unknown>, { secret }: { secret: string }): Promise<string> {
  return sign(new SignJWT(claims), secret);
}

function sign(token: SignJWT, secret: string): Promise<string> {
  return token.setProtectedHeader({ alg: "HS256", typ: "JWT" }).sign(Buffer.from(secret));
}

/** A token of somebody else says who its user is, and never what its user may. */
export function isOutside({ iss }: JwtClaims): boolean {
  return iss !== OWN.issuer;
}

/** An issuer, with its keys, each of which is for one algorithm: whatever a token says of itself, no other is tried. */
type Issuer = { issuer: string; audience: string; algorithms: string[]; key: KeyObject | Uint8Array | JWTVerifyGetKey };

/**
 * Makes the function that verifies tokens. It remembers good ones for a while, and never beyond their expiry.
 * @throws UnauthorizedError (from the function) when the token is not good, whatever it is
 * @throws RequestError (from the function) with status 503 when the identity provider's keys can't be had
 */
export function createVerifier({ secret, outside }: ResolvedJwtOptions): (token: string) => Promise<JwtClaims> {
  const ours = secret === undefined ? undefined : { ...OWN, algorithms: ["HS256"], key: Buffer.from(secret) };
  const theirs = outside && { ...outside, ...keysOf(outside) };
  const verified = new Map<string, { claims: JwtClaims; until: number }>();

  /** What a token says of its issuer chooses the one way it is checked in, and is checked with the rest. */
  const issuerOf = (token: string): Issuer | undefined =>
    theirs !== undefined && (ours === undefined || decodeJwt(token).iss === theirs.issuer) ? theirs : ours;

  return async (token) => {
    const known = verified.get(token);
    if (known !== undefined && Date.now() < known.until) return known.claims;
    verified.delete(token);

    if (token.length > MAX_TOKEN_LENGTH) throw invalid(`The token is longer than ${MAX_TOKEN_LENGTH} bytes`);
    let claims: JwtClaims;
    try {
      const issuer = issuerOf(token);
      if (issuer === undefined) throw invalid("This server trusts no tokens");
      claims = await verify(token, issuer);
    } catch (error) {
      throw refusalOf(error);
    }

    if (verified.size >= CACHED_TOKENS) verified.delete(verified.keys().next().value ?? "");
    verified.set(token, { claims, until: Math.min(claims.exp * 1000, Date.now() + CACHE_LIFETIME) });
    return claims;
  };
}

function keysOf(options: OutsideIssuer): Pick<Issuer, "algorithms" | "key"> {
  if ("jwksUrl" in options) return { algorithms: ["RS256", "ES256"], key: createKeySet(options.jwksUrl) };
  const key = createPublicKey(options.publicKey);
  return { algorithms: [key.asymmetricKeyType === "ec" ? "ES256" : "RS256"], key };
}

/**
 * The claims of a token that is signed with one of these keys, and good now.
 * @throws UnauthorizedError when it is not good by its times; else what jose throws, and the keys do
 */
export async function verifySigned(
  token: string,
  key: Issuer["key"],
  options: Pick<JWTVerifyOptions, "algorithms" | "audience" | "issuer">,
): Promise<JWTPayload & { exp: number }> {
  const { payload } = await jwtVerify(token, key, {
    ...options,
    requiredClaims: ["exp"],
    clockTolerance: CLOCK_TOLERANCE,
  });
  const { exp = 0, iat = 0 } = payload;
  const now = Math.floor(Date.now() / 1000);
  if (exp <= now) throw tokenExpired();
  if (iat > now + CLOCK_TOLERANCE) throw notYetValid();
  return { ...payload, exp };
}

async function verify(token: string, { key, algorithms, audience, issuer }: Issuer): Promise<JwtClaims> {
  const claims = await verifySigned(token, key, { algorithms, audience, issuer });
  if (!isClaims(claims)) throw invalid("The token has a claim of the wrong type");
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

function isClaims(claims: Readonly<Record<string, unknown>>): claims is JwtClaims {
  const { iss, exp, iat, sub, role } = claims;
  // Of what others say of roles nothing is looked at, not even its type.
  return (
    typeof iss === "string" &&
    Number.isFinite(exp) &&
    (iat === undefined || Number.isFinite(iat)) &&
    isStringOrAbsent(sub) &&
    (iss !== OWN.issuer || isStringOrAbsent(role))
  );
}

function isStringOrAbsent(value: unknown): boolean {
  return value === undefined || typeof value === "string";
}

/** Nothing that a token is or says is a fault of ours: whatever reading it threw, it is the token that is not good. */
function refusalOf(error: unknown): RequestError {
  if (error instanceof RequestError) return error;
  if (isNoAnswer(error)) {
    const message = "The identity provider's keys can't be fetched";
    const hint = "Try again in a few seconds. If it stays, check JWT_JWKS_URL.";
    return new RequestError(503, "keys_unavailable", message, hint, { cause: error });
  }
  if (error instanceof errors.JWTExpired) return tokenExpired();
  if (error instanceof errors.JWTClaimValidationFailed) return ofClaim(error);
  // Those of jose are about the token; the log gets what else there is.
  return invalid("The token is not one that this server trusts", error instanceof errors.JOSEError ? undefined : error);
}

function ofClaim({ claim, reason }: errors.JWTClaimValidationFailed): UnauthorizedError {
  if (claim === "aud") {
    return new UnauthorizedError(
      "wrong_audience",
      "The token is meant for another audience",
      "Ask for a token with this server's audience.",
    );
  }
  if (claim === "iss") {
    return new UnauthorizedError(
      "wrong_issuer",
      "The token comes from another issuer",
      "Get the token from the issuer that this server trusts.",
    );
  }
  if (claim === "nbf" && reason === "check_failed") return notYetValid();
  return invalid("The token has no expiry, or a claim of the wrong type");
}

export function tokenExpired(): UnauthorizedError {
  return new UnauthorizedError("token_expired", "The token has expired", "Sign in again, or refresh the session.");
}

function notYetValid(): UnauthorizedError {
  return new UnauthorizedError("token_not_yet_valid", "The token is not valid yet", "Check the clocks of the servers.");
}

function invalid(message: string, cause?: unknown): UnauthorizedError {
  return new UnauthorizedError("invalid_token", message, "Sign in again for a new token.", cause);
}
