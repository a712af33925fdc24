/** The public keys of an identity provider, fetched from its JWKS address and kept for a while. */
import { createRemoteJWKSet, customFetch, errors, flattenedVerify, type JWTVerifyGetKey } from "jose";
import { NoAnswer, outsideFetch, PATIENCE } from "./outside-fetch.ts";

/** How long keys are used before they are fetched again, in milliseconds. */
const LIFETIME = 10 * 60_000;
/** How often keys may be fetched because none fits, or because the provider was away: with keys at hand, and without. */
const PAUSE = 30_000;
const PAUSE_WITHOUT_KEYS = 5_000;

/**
 * Makes the function that finds the key with which a token is signed, among all those that its header lets fit.
 * When none is, keys are fetched again, once in a while; those that we have stay good while the provider is away.
 * @throws NoAnswer (from the function) when no keys could be had
 * @throws errors.JOSEError (from the function) when the provider publishes no such key
 */
export function createKeySet(url: string): JWTVerifyGetKey {
  const keys = createRemoteJWKSet(new URL(url), {
    timeoutDuration: PATIENCE * 1000,
    // When to fetch is decided here.
    cacheMaxAge: Infinity,
    cooldownDuration: Infinity,
    [customFetch]: outsideFetch,
  });
  let fetchedAt = -Infinity;
  let failure: { at: number; cause: unknown } | undefined;

  async function fetchKeys(): Promise<boolean> {
    try {
      await keys.reload();
      fetchedAt = Date.now();
      failure = undefined;
      return true;
    } catch (cause) {
      failure = { at: Date.now(), cause };
      return false;
    }
  }

  /** Fetches keys that are older than `age`; says whether there are others now. */
  async function renew(age: number): Promise<boolean> {
    const hasKeys = fetchedAt > -Infinity;
    if (Date.now() < fetchedAt + age) return false;
    const pause = hasKeys ? PAUSE : PAUSE_WITHOUT_KEYS;
    if (!keys.reloading && failure !== undefined && Date.now() < failure.at + pause) return false;
    const fetched = fetchKeys();
    // Once it failed, nobody who has a key waits for a provider that may hang.
    return hasKeys && failure !== undefined ? false : fetched;
  }

  const find: JWTVerifyGetKey = async (_header, token) => {
    try {
      return (await flattenedVerify(token, keys)).key;
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
      for await (const key of error) {
        const fits = await flattenedVerify(token, key).then(
          () => true,
          () => false,
        );
        if (fits) return key;
      }
      throw new errors.JWSSignatureVerificationFailed(undefined, { cause: error });
    }
  };

  return async (header, token) => {
    await renew(LIFETIME);
    if (keys.jwks() === undefined) throw new NoAnswer("There are no keys", { cause: failure?.cause });
    try {
      return await find(header, token);
    } catch (error) {
      if (!(await renew(PAUSE))) throw error;
      return find(header, token);
    }
  };
}
