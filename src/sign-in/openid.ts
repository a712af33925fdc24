/** One OpenID Connect provider: where to send people, and who they are when they come back. */
import {
  allowInsecureRequests,
  authorizationCodeGrant,
  AuthorizationResponseError,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  ClientError,
  clockTolerance,
  type Configuration,
  customFetch,
  discovery,
  fetchUserInfo,
  None,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
} from "openid-client";
import type { JWTVerifyGetKey } from "jose";
import type { ProviderOptions } from "../options/options.ts";
import { RequestError } from "../server/request-error.ts";
import { isStorable } from "../storable.ts";
import { createKeySet } from "./jwks.ts";
import { CLOCK_TOLERANCE, verifySigned } from "./jwt.ts";
import { isNoAnswer, outsideFetch, PATIENCE } from "./outside-fetch.ts";

/** What the answer must fit to. Stays with the browser that asked. */
export type Checks = { state: string; nonce: string; verifier: string };

/** Whom the provider recognised. All but issuer and subject is what it says of them. */
export type OutsideUser = {
  issuer: string;
  subject: string;
  email: string | undefined;
  isEmailVerified: boolean;
  name: string | undefined;
  picture: string | undefined;
};

export type OpenIdProvider = {
  /** Begins a sign-in: the provider's page, and what to check the answer with. */
  begin: (redirectUri: string) => Promise<{ url: URL; checks: Checks }>;
  /**
   * Ends it.
   * @param answer the address that the provider sent the browser back to
   * @throws RequestError
   */
  finish: (answer: URL, checks: Checks) => Promise<OutsideUser>;
};

/** A provider as it describes itself. */
type Discovered = { configuration: Configuration; keys: JWTVerifyGetKey };

/** What only a provider that does not work answers. */
const NONSENSE = new Set<unknown>(["OAUTH_RESPONSE_IS_NOT_CONFORM", "OAUTH_RESPONSE_IS_NOT_JSON", "OAUTH_PARSE_ERROR"]);

/** Looks the provider up when it is first needed, so that the server starts without it. */
export function createProvider(options: ProviderOptions): OpenIdProvider {
  let discovered: Promise<Discovered> | undefined;
  const provider = (): Promise<Discovered> => {
    discovered ??= discover(options).catch((error: unknown) => {
      discovered = undefined;
      throw unavailable(error);
    });
    return discovered;
  };

  return {
    async begin(redirectUri) {
      const { configuration } = await provider();
      const checks = { state: randomState(), nonce: randomNonce(), verifier: randomPKCECodeVerifier() };
      const url = buildAuthorizationUrl(configuration, {
        redirect_uri: redirectUri,
        scope: options.scopes,
        state: checks.state,
        nonce: checks.nonce,
        code_challenge: await calculatePKCECodeChallenge(checks.verifier),
        code_challenge_method: "S256",
      });
      return { url, checks };
    },

    async finish(answer, { state, nonce, verifier }) {
      return attempt(async () => {
        const { configuration, keys } = await provider();
        const tokens = await authorizationCodeGrant(configuration, answer, {
          pkceCodeVerifier: verifier,
          expectedState: state,
          expectedNonce: nonce,
          idTokenExpected: true,
        });
        const claims = tokens.claims();
        if (claims === undefined || tokens.id_token === undefined) throw new Error("The answer has no ID token");
        // The signature too, as if it had come by way of the browser, and with all that a rotation of keys may bring.
        await verifySigned(tokens.id_token, keys, {});
        if (!isStorable(claims.sub)) throw new Error("The subject is nothing that PostgreSQL can hold");
        const isComplete =
          text(claims["email"]) !== undefined || configuration.serverMetadata().userinfo_endpoint === undefined;
        const told = isComplete ? claims : await fetchUserInfo(configuration, tokens.access_token, claims.sub);
        return {
          issuer: claims.iss,
          subject: claims.sub,
          email: text(told["email"]),
          // Some providers say it as text.
          isEmailVerified: told["email_verified"] === true || told["email_verified"] === "true",
          name: text(told["name"]) ?? text(claims["name"]),
          picture: text(told["picture"]) ?? text(claims["picture"]),
        };
      });
    },
  };
}

async function discover({ issuer, clientId, clientSecret }: ProviderOptions): Promise<Discovered> {
  const server = new URL(issuer);
  // Options allow plain http for this machine only.
  const isPlain = server.protocol === "http:";
  const configuration = await discovery(
    server,
    clientId,
    { ...(clientSecret !== undefined && { client_secret: clientSecret }), [clockTolerance]: CLOCK_TOLERANCE },
    clientSecret === undefined ? None() : undefined,
    { execute: isPlain ? [allowInsecureRequests] : [], timeout: PATIENCE, [customFetch]: outsideFetch },
  );
  const { jwks_uri: keys = "" } = configuration.serverMetadata();
  if (!isPlain && !keys.startsWith("https:")) throw new Error("The provider publishes no keys at an https address");
  return { configuration, keys: createKeySet(keys) };
}

/** A claim that is text, and such that PostgreSQL can hold it. */
function text(claim: unknown): string | undefined {
  return typeof claim === "string" && isStorable(claim) ? claim : undefined;
}

/** Says what went wrong in our words; the log gets the provider's. */
async function attempt<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof RequestError && error.status === 503) throw error;
    if (isUnavailable(error)) throw unavailable(error);
    const cause = withoutDetails(error);
    if (error instanceof AuthorizationResponseError) {
      throw new RequestError(
        401,
        "sign_in_denied",
        "The provider did not sign you in",
        "Begin again, and agree to what it asks.",
        { cause },
      );
    }
    throw new RequestError(
      401,
      "sign_in_failed",
      "What the provider answered can't be trusted, or was used before",
      "Begin again.",
      { cause },
    );
  }
}

/** Whether it is the provider that does not work: it gave no answer, none in the protocol, or says so. */
function isUnavailable(error: unknown): boolean {
  if (isNoAnswer(error)) return true;
  if (error instanceof AuthorizationResponseError) return /^(server_error|temporarily_unavailable)$/.test(error.error);
  return error instanceof ClientError && NONSENSE.has(error.code);
}

function unavailable(error: unknown): RequestError {
  return new RequestError(
    503,
    "provider_unavailable",
    "The provider can't be reached, or does not work",
    "Try again in a few seconds.",
    { cause: withoutDetails(error) },
  );
}

/** Its own properties may hold tokens, and what they say of people. */
function withoutDetails(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  const { code, error: word } = error as { code?: unknown; error?: unknown };
  const parts = [
    error.message,
    text(code),
    text(word),
    claimBehind(error),
    ...(isNoAnswer(error) ? causesOf(error.cause) : []),
  ].filter(Boolean);
  const plain = new Error(parts.join(": "));
  plain.name = error.name;
  return plain;
}

/** Which claim of an ID token was not as it had to be. */
function claimBehind(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  return "claim" in error ? text(error.claim) : claimBehind((error as { cause?: unknown }).cause);
}

/** What is behind a request that failed: the words of sockets, which have no secrets. */
function causesOf(cause: unknown): string[] {
  return cause instanceof Error ? [cause.message, ...causesOf(cause.cause)] : [];
}
