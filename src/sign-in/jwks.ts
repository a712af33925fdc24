/** The public keys of an identity provider, fetched from its JWKS address and kept for a while. */
import { createPublicKey, type JsonWebKey, type KeyObject } from "node:crypto";
import { RequestError } from "../server/request-error.ts";

/** How long keys are used before they are fetched again, in milliseconds. */
const LIFETIME = 10 * 60_000;
/** How often an unknown key id, or a provider that is down, may cause a fetch. */
const PAUSE = 30_000;
const PAUSE_AFTER_FAILURE = 5_000;
const TIMEOUT = 5_000;
const MAX_KEYS = 100;

type Key = { kid: string | undefined; key: KeyObject };

/**
 * Makes the function that finds a key by its id, or the only one there is for a token that names none.
 * The answer is undefined when the provider has no such key for RS256 or ES256.
 * @throws RequestError (from the function) with status 503 when no keys could be fetched
 */
export function createKeySet(url: string): (kid: string | undefined) => Promise<KeyObject | undefined> {
  let keys: Key[] | undefined;
  let fetchedAt = -Infinity;
  let pausedUntil = -Infinity;
  let fetching: Promise<void> | undefined;
  let failure: unknown;

  async function refresh(): Promise<void> {
    try {
      keys = await fetchKeys(url);
      fetchedAt = Date.now();
      pausedUntil = fetchedAt + PAUSE;
    } catch (error) {
      // Keys that we have stay good while the provider is away.
      failure = error;
      pausedUntil = Date.now() + PAUSE_AFTER_FAILURE;
    } finally {
      fetching = undefined;
    }
  }

  function find(kid: string | undefined): KeyObject | undefined {
    if (kid !== undefined) return keys?.find((key) => key.kid === kid)?.key;
    return keys?.length === 1 ? keys[0]?.key : undefined;
  }

  return async (kid) => {
    const isFresh = Date.now() < fetchedAt + LIFETIME;
    const known = find(kid);
    if (known !== undefined && isFresh) return known;

    if (fetching !== undefined || Date.now() >= pausedUntil) await (fetching ??= refresh());
    if (keys === undefined) {
      const message = "The identity provider's keys can't be fetched";
      const hint = "Try again in a few seconds. If it stays, check JWT_JWKS_URL.";
      throw new RequestError(503, "keys_unavailable", message, hint, { cause: failure });
    }
    return find(kid);
  };
}

async function fetchKeys(url: string): Promise<Key[]> {
  const response = await fetch(url, { redirect: "error", signal: AbortSignal.timeout(TIMEOUT) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  const body: unknown = await response.json();
  const list = typeof body === "object" && body !== null && "keys" in body ? body.keys : undefined;
  if (!Array.isArray(list)) throw new Error(`${url} is not a JSON Web Key Set`);
  return list.slice(0, MAX_KEYS).flatMap(signatureKey);
}

/** A key we can use, or nothing: sets also hold keys of other kinds and for other uses. */
function signatureKey(jwk: JsonWebKey): Key[] {
  const isForSignatures = jwk["use"] === undefined || jwk["use"] === "sig";
  const isRsa = jwk.kty === "RSA" && (jwk["alg"] === undefined || jwk["alg"] === "RS256");
  const isP256 = jwk.kty === "EC" && jwk.crv === "P-256";
  if (!isForSignatures || !(isRsa || isP256)) return [];
  try {
    const kid = typeof jwk["kid"] === "string" ? jwk["kid"] : undefined;
    return [{ kid, key: createPublicKey({ key: jwk, format: "jwk" }) }];
  } catch {
    return [];
  }
}
