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
  device_token: string | null;
  refusal: Refusal | null;
};

/** What clients are given. */
export type SessionTokens = {
  accessToken: string;
  refreshToken: string;
  sessionId: string;
  userId: string;
  accessExpiresAt: string;
  sessionExpiresAt: string;
};

/** With it comes what is not for every client: what the access token claims, and what the next login may show. */
export type NewSession = { tokens: SessionTokens; claims: Row["access_token"]; deviceToken: string | null };

/**
 * Calls a function that signs somebody in, as `identity`.
 * @param call what stands behind `from`, and ends in a call that returns `attune.session_tokens`
 * @throws RequestError when the database returns a refusal, and whatever it raises
 */
export async function askForTokens(
  pool: Pool,
  identity: Identity,
  call: string,
  params: unknown[],
  secret: string,
): Promise<NewSession> {
  const [row] = await queryAs<{ tokens: Row }>(pool, identity, `select to_json(t) as tokens from ${call} as t`, params);
  if (row === undefined) throw new Error(`${call} returned nothing`);
  const { refusal, access_token: claims, device_token: deviceToken, ...session } = row.tokens;
  throwIfRefused(refusal);
  const tokens = {
    accessToken: await signClaims(claims, { secret }),
    refreshToken: session.refresh_token,
    sessionId: session.session_id,
    userId: session.user_id,
    accessExpiresAt: session.access_expires_at,
    sessionExpiresAt: session.session_expires_at,
  };
  return { tokens, claims, deviceToken };
}
