/** One OpenID Connect provider: where to send people, and who they are when they come back. */
import {
  allowInsecureRequests,
  authorizationCodeGrant,
  AuthorizationResponseError,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  type Configuration,
  discovery,
  fetchUserInfo,
  None,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
  ResponseBodyError,
} from "openid-client";
import type { ProviderOptions } from "../options/options.ts";
import { RequestError } from "../server/request-error.ts";
import { isStorable } from "../storable.ts";

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

/** In seconds. */
const TIMEOUT = 10;

/** Looks the provider up when it is first needed, so that the server starts without it. */
export function createProvider(options: ProviderOptions): OpenIdProvider {
  let discovered: Promise<Configuration> | undefined;
  const configuration = (): Promise<Configuration> => {
    discovered ??= discover(options).catch((error: unknown) => {
      discovered = undefined;
      throw error;
    });
    return discovered;
  };

  return {
    async begin(redirectUri) {
      const found = await attempt(configuration);
      const checks = { state: randomState(), nonce: randomNonce(), verifier: randomPKCECodeVerifier() };
      const url = buildAuthorizationUrl(found, {
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
      // Not the answer to what this browser asked.
      if (answer.searchParams.get("state") !== state) throw expired();
      return attempt(async () => {
        const found = await configuration();
        const tokens = await authorizationCodeGrant(found, answer, {
          pkceCodeVerifier: verifier,
          expectedState: state,
          expectedNonce: nonce,
          idTokenExpected: true,
        });
        const claims = tokens.claims();
        if (claims === undefined) throw new Error("The answer has no ID token");
        if (!isStorable(claims.sub)) throw new Error("The subject is nothing that PostgreSQL can hold");
        const isComplete = claims["email"] !== undefined || found.serverMetadata().userinfo_endpoint === undefined;
        const profile = isComplete
          ? claims
          : { ...claims, ...(await fetchUserInfo(found, tokens.access_token, claims.sub)) };
        return {
          issuer: claims.iss,
          subject: claims.sub,
          email: text(profile["email"]),
          // Some providers say it as text.
          isEmailVerified: profile["email_verified"] === true || profile["email_verified"] === "true",
          name: text(profile["name"]),
          picture: text(profile["picture"]),
        };
      });
    },
  };
}

/** What a browser brings back that did not begin here, or too long ago. */
export function expired(): RequestError {
  return new RequestError(
    400,
    "sign_in_expired",
    "This sign-in was not begun in this browser, or took too long",
    "Begin it again.",
  );
}

function discover({ issuer, clientId, clientSecret }: ProviderOptions): Promise<Configuration> {
  const server = new URL(issuer);
  // Options allow plain http for this machine only.
  const execute = server.protocol === "http:" ? [allowInsecureRequests] : [];
  return discovery(server, clientId, clientSecret, clientSecret === undefined ? None() : undefined, {
    execute,
    timeout: TIMEOUT,
  });
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
    if (isUnreachable(error)) {
      throw new RequestError(
        503,
        "provider_unavailable",
        "The provider can't be reached",
        "Try again in a few seconds.",
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

function isUnreachable(error: unknown): boolean {
  if (error instanceof ResponseBodyError) return error.status >= 500;
  const { name, cause } = error as Error;
  const status = cause instanceof Response ? cause.status : 0;
  return (error instanceof TypeError && /fetch/i.test(error.message)) || name === "TimeoutError" || status >= 500;
}

/** Its own properties may hold tokens, and what they say of people. */
function withoutDetails(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  const { code, error: word } = error as { code?: unknown; error?: unknown };
  const parts = [error.message, text(code), text(word), claimBehind(error)].filter((part) => part !== undefined);
  const plain = new Error(parts.join(": "));
  plain.name = error.name;
  return plain;
}

/** Which claim of an ID token was not as it had to be. */
function claimBehind(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  return "claim" in error ? text(error.claim) : claimBehind((error as { cause?: unknown }).cause);
}
