/** Attempts to sign in with a provider, each in a cookie of its own: several tabs may, and each attempt comes back once. */
import { createHash } from "node:crypto";
import type { CookieSerializeOptions } from "@fastify/cookie";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Pool } from "pg";
import { queryAs } from "../database/query-as.ts";
import { TRUSTED } from "./authenticate.ts";
import type { Checks } from "./openid.ts";
import type { Seals } from "./sealed.ts";

/** What the browser keeps until the provider sends it back. `linkTo` is the user who is to get another identity. */
export type Attempt = { provider: string; checks: Checks; linkTo: string | undefined };

export type Attempts = {
  /** Gives the attempt to the browser, which keeps it. */
  keep: (request: FastifyRequest, reply: FastifyReply, attempt: Attempt) => Promise<void>;
  /** Takes the attempt that the provider's answer is about, for the first and only time; no other is touched. */
  take: (
    request: FastifyRequest,
    reply: FastifyReply,
    answer: { provider: string; state: string | null },
  ) => Promise<Attempt | undefined>;
};

/** For how long an attempt is good, in seconds. */
const PATIENCE = 600;

/** How many a browser keeps: those that were begun first make room, so that its requests stay small. */
const MOST = 5;

export function createAttempts(pool: Pool, seals: Seals, isSecure: boolean): Attempts {
  // With this prefix no other host of the domain can plant one.
  const prefix = isSecure ? "__Host-attune-sign-in-" : "attune-sign-in-";
  const options: CookieSerializeOptions = { path: "/", httpOnly: true, sameSite: "lax", secure: isSecure };
  const nameOf = (state: string): string =>
    prefix + createHash("sha256").update(state).digest("base64url").slice(0, 16);

  return {
    async keep({ cookies }, reply, attempt) {
      // Browsers send the oldest first.
      const others = Object.keys(cookies).filter((name) => name.startsWith(prefix));
      for (const name of others.slice(0, Math.max(0, others.length - MOST + 1))) reply.clearCookie(name, options);
      const sealed = await seals.seal("sign-in", attempt, PATIENCE);
      reply.setCookie(nameOf(attempt.checks.state), sealed, { ...options, maxAge: PATIENCE });
    },

    async take({ cookies }, reply, { provider, state }) {
      if (state === null) return undefined;
      const name = nameOf(state);
      const attempt = await seals.open<Attempt>("sign-in", cookies[name]);
      if (attempt?.provider !== provider || attempt.checks.state !== state) return undefined;

      const [row] = await queryAs<{ is_first: boolean }>(
        pool,
        TRUSTED,
        "select attune_hidden.spend_sign_in($1, make_interval(secs => $2)) as is_first",
        [state, PATIENCE],
      );
      reply.clearCookie(name, options);
      return row?.is_first === true ? attempt : undefined;
    },
  };
}
