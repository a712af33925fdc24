/** What the database gives who signs in, as clients get it: with the access token signed. */
import type { Pool } from "pg";
import { queryAs } from "../database/query-as.ts";
import { type Refusal, throwIfRefused } from "../server/returned-refusal.ts";
import type { Identity } from "./authenticate.ts";
import { type JwtClaims, signClaims } from "./jwt.ts";

/** `attune.session_tokens`, as JSON. */
type Row = {
  access_token: JwtClaims & { role: string };
  refresh_token: string;
  session_id: string;
  user_id: string;
  access_expires_at: string;
  session_expires_at: string;
  refusal: Refusal | null;
};

export type SessionTokens = {
  accessToken: string;
  refreshToken: string;
  sessionId: string;
  userId: string;
  accessExpiresAt: string;
  sessionExpiresAt: string;
};

/**
 * Calls a function that signs somebody in, as `identity`.
 * @param call what stands behind `from`, and ends in a call that returns `attune.session_tokens`
 * @returns the tokens, and what the access token claims
 * @throws RequestError when the database returns a refusal, and whatever it raises
 */
export async function askForTokens(
  pool: Pool,
  identity: Identity,
  call: string,
  params: unknown[],
  secret: string,
): Promise<SessionTokens & { claims: Row["access_token"] }> {
  const [row] = await queryAs<{ tokens: Row }>(pool, identity, `select to_json(t) as tokens from ${call} as t`, params);
  if (row === undefined) throw new Error(`${call} returned nothing`);
  const { tokens } = row;
  throwIfRefused(tokens.refusal);
  return {
    claims: tokens.access_token,
    accessToken: await signClaims(tokens.access_token, { secret }),
    refreshToken: tokens.refresh_token,
    sessionId: tokens.session_id,
    userId: tokens.user_id,
    accessExpiresAt: tokens.access_expires_at,
    sessionExpiresAt: tokens.session_expires_at,
  };
}
