/** Signs our own tokens and verifies anybody's: signature by one agreed algorithm, audience, issuer, lifetime. */
import { createPublicKey, createSecretKey, type KeyObject } from "node:crypto";
import jwt from "jsonwebtoken";
import { createKeySet } from "./jwks.ts";
import { RequestError } from "./request-error.ts";

/** How tokens are checked, once it is known where the key comes from. */
export type ResolvedJwtOptions = { audience: string; issuer: string } & (
  | { secret: string }
  | { publicKey: string }
  | { jwksUrl: string }
);

/** The claims of a verified token. */
export type JwtClaims = { readonly exp: number; readonly sub?: string; readonly role?: string; readonly [claim: string]: unknown };

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
 * Signs an HS256 token for our own audience and issuer.
 * @param expiresIn seconds, or a span such as `2h`
 */
export function signToken(
  claims: { sub?: string; role?: string; email?: string; [claim: string]: unknown },
  options: ResolvedJwtOptions & { secret: string },
  expiresIn: string | number = "1h",
): string {
  return jwt.sign(claims, secretKey(options.secret), {
    algorithm: "HS256",
    audience: options.audience,
    issuer: options.issuer,
    expiresIn: expiresIn as Exclude<jwt.SignOptions["expiresIn"], undefined>,
  });
}

/**
 * Makes the function that verifies tokens. It remembers good ones for a while, and never beyond their expiry.
 * @throws UnauthorizedError (from the function) when the token is not good
 * @throws RequestError (from the function) with status 503 when the identity provider's keys can't be had
 */
export function createVerifier(options: ResolvedJwtOptions): (token: string) => Promise<JwtClaims> {
  const findKey = keyFinder(options);
  const verified = new Map<string, { claims: JwtClaims; until: number }>();

  return async (token) => {
    const known = verified.get(token);
    if (known !== undefined && Date.now() < known.until) return known.claims;
    verified.delete(token);

    if (token.length > MAX_TOKEN_LENGTH) throw invalid(`The token is longer than ${MAX_TOKEN_LENGTH} bytes`);
    const header = jwt.decode(token, { complete: true })?.header;
    // `crit` names extensions that must be understood (RFC 7515, 4.1.11), and we understand none.
    if (header === undefined || "crit" in header) throw invalid("The token is not a JSON web token we can read");

    const key = await findKey(header);
    const claims = verify(token, key, options);

    if (verified.size >= CACHED_TOKENS) verified.delete(verified.keys().next().value ?? "");
    verified.set(token, { claims, until: Math.min(claims.exp * 1000, Date.now() + CACHE_LIFETIME) });
    return claims;
  };
}

function keyFinder(options: ResolvedJwtOptions): (header: jwt.JwtHeader) => Promise<KeyObject> {
  if ("jwksUrl" in options) {
    const find = createKeySet(options.jwksUrl);
    return async ({ kid }) => {
      const key = await find(kid);
      if (key === undefined) throw invalid("The token is signed with a key that its issuer does not publish");
      return key;
    };
  }
  const key = "secret" in options ? secretKey(options.secret) : createPublicKey(options.publicKey);
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

function verify(token: string, key: KeyObject, { audience, issuer }: ResolvedJwtOptions): JwtClaims {
  let claims: unknown;
  try {
    claims = jwt.verify(token, key, { algorithms: [algorithmOf(key)], audience, issuer });
  } catch (error) {
    throw refusal(error);
  }
  if (!isClaims(claims)) throw invalid("The token has no expiry, or a claim of the wrong type");
  return claims;
}

function isClaims(claims: unknown): claims is JwtClaims {
  if (typeof claims !== "object" || claims === null) return false;
  const { exp, sub, role } = claims as Record<string, unknown>;
  return typeof exp === "number" && isStringOrAbsent(sub) && isStringOrAbsent(role);
}

function isStringOrAbsent(value: unknown): boolean {
  return value === undefined || typeof value === "string";
}

function refusal(error: unknown): UnauthorizedError {
  const message = error instanceof Error ? error.message : "";
  if (error instanceof jwt.TokenExpiredError) {
    return new UnauthorizedError("token_expired", "The token has expired", "Sign in again, or refresh the session.");
  }
  if (error instanceof jwt.NotBeforeError) {
    return new UnauthorizedError("token_not_yet_valid", "The token is not valid yet", "Check the clocks of the servers.");
  }
  if (message.startsWith("jwt audience")) {
    return new UnauthorizedError("wrong_audience", "The token is meant for another audience", "Ask for a token with this server's audience.");
  }
  if (message.startsWith("jwt issuer")) {
    return new UnauthorizedError("wrong_issuer", "The token comes from another issuer", "Get the token from the issuer that this server trusts.");
  }
  return invalid("The token is not one that this server trusts");
}

function invalid(message: string): UnauthorizedError {
  return new UnauthorizedError("invalid_token", message, "Sign in again for a new token.");
}
