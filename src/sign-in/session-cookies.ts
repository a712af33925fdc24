/** Sessions of browsers: the refresh token is in a cookie that no script reads, and only pages of ours may use it. */
import type { CookieSerializeOptions } from "@fastify/cookie";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Pool } from "pg";
import { queryAs } from "../database/query-as.ts";
import type { AdmitPassword } from "../server/admission.ts";
import { RequestError } from "../server/request-error.ts";
import { checkText } from "../storable.ts";
import { cameFrom, holderOf, NOBODY } from "./authenticate.ts";
import { askForTokens, type NewSession, type SessionTokens } from "./session-tokens.ts";

type Setting = {
  pool: Pool;
  admitPassword: AdmitPassword;
  secret: string;
  publicUrl: string;
  /** Pages that may use the cookie, besides those at `publicUrl`. */
  corsOrigins: string[];
};

/** What a page is given: all but the refresh token. */
export type PageTokens = Omit<SessionTokens, "refreshToken">;

/** Puts the refresh token into its cookie, and that of the device, and returns the rest. */
export type KeepSession = (reply: FastifyReply, session: NewSession) => PageTokens;

/** For how long a browser knows that somebody has signed in with it before, in seconds: browsers keep no cookie longer. */
const DEVICE_LIFETIME = 400 * 24 * 60 * 60;

/** What the cookies are called, and where they go. */
type SessionCookies = { session: string; device: string; options: CookieSerializeOptions };

function cookiesOf(publicUrl: string): SessionCookies {
  const isSecure = publicUrl.startsWith("https:");
  // With this prefix no other host of the domain can plant one.
  const prefix = isSecure ? "__Host-" : "";
  return {
    session: `${prefix}attune-session`,
    device: `${prefix}attune-device`,
    options: { path: isSecure ? "/" : "/auth", httpOnly: true, sameSite: "strict", secure: isSecure },
  };
}

export function createKeepSession(publicUrl: string): KeepSession {
  const { session, device, options } = cookiesOf(publicUrl);
  return (reply, { tokens: { refreshToken, ...tokens }, deviceToken }) => {
    reply.setCookie(session, refreshToken, { ...options, expires: new Date(tokens.sessionExpiresAt) });
    if (deviceToken !== null) reply.setCookie(device, deviceToken, { ...options, maxAge: DEVICE_LIFETIME });
    return tokens;
  };
}

/** Adds `/auth/register`, `/auth/login`, `/auth/refresh` and `/auth/logout`, to a scope that reads cookies. */
export function addSessionCookies(scope: FastifyInstance, setting: Setting): void {
  const { pool, admitPassword, secret, publicUrl } = setting;
  const { session, device, options } = cookiesOf(publicUrl);
  const keep = createKeepSession(publicUrl);
  const origins = new Set([new URL(publicUrl).origin, ...setting.corsOrigins]);

  /** Before the body is read: what a page of another site sends with the browser's cookies changes nothing. */
  const onRequest = async ({ headers }: FastifyRequest): Promise<void> => {
    const { origin, "sec-fetch-site": site } = headers;
    if (origin === undefined ? site === "same-origin" : origins.has(origin)) return;
    throw new RequestError(
      403,
      "foreign_origin",
      "This is for pages of the application only",
      "Name the origin of the page in CORS_ORIGINS, or use the GraphQL mutations, which set no cookie.",
    );
  };

  const refresh = (request: FastifyRequest): Promise<NewSession> => {
    const token = tokenIn(request.cookies[session]) ?? "";
    return askForTokens(pool, cameFrom(NOBODY, request), "attune.refresh_session($1)", [token], secret);
  };

  /** Calls a function that works with a password. */
  const signIn = async (
    request: FastifyRequest,
    reply: FastifyReply,
    call: string,
    params: unknown[],
  ): Promise<PageTokens> => {
    const found = await admitPassword(request, reply, (passwords) =>
      askForTokens(passwords, cameFrom(NOBODY, request), call, params, secret),
    );
    return keep(reply, found);
  };

  scope.post("/auth/register", { onRequest }, async (request, reply) => {
    const { email, password, name: called } = textsOf(request.body, ["email", "password"], ["name"]);
    return signIn(request, reply, "attune.register($1, $2, $3)", [email, password, called]);
  });

  scope.post("/auth/login", { onRequest }, async (request, reply) => {
    const { email, password } = textsOf(request.body, ["email", "password"]);
    const known = tokenIn(request.cookies[device]);
    return signIn(request, reply, "attune.login($1, $2, $3)", [email, password, known]);
  });

  // A cookie that opens nothing stays: another tab may have replaced it in the meantime.
  scope.post("/auth/refresh", { onRequest }, async (request, reply) => keep(reply, await refresh(request)));

  scope.post("/auth/logout", { onRequest }, async (request, reply) => {
    try {
      const { claims } = await refresh(request);
      await queryAs(pool, cameFrom(holderOf(claims), request), "select attune.logout()");
    } catch (error) {
      // There is no session to end any more.
      if (!(error instanceof RequestError && error.status === 401)) throw error;
    }
    // Only now: who could not be signed out may try again.
    return reply.clearCookie(session, options).code(204).send();
  });
}

/** What may be a token of ours; anything else that a cookie may hold is none. */
function tokenIn(cookie: string | undefined): string | undefined {
  return cookie !== undefined && /^[\w-]+$/.test(cookie) ? cookie : undefined;
}

/**
 * The members of a body that have to be text.
 * @throws RequestError when one is missing, is none, or none that can be stored
 */
function textsOf<Name extends string, Optional extends string = never>(
  body: unknown,
  required: Name[],
  optional: Optional[] = [],
): Record<Name, string> & Record<Optional, string | undefined> {
  const given = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  const texts = [...required, ...optional].map((name) => {
    const value = given[name];
    if (typeof value === "string") checkText(value, { within: undefined, name });
    else if (value != null || required.some((other) => other === name)) {
      throw new RequestError(
        400,
        "invalid_request",
        `The body has no text \`${name}\``,
        `Send JSON with ${required.join(" and ")}.`,
      );
    }
    return [name, value ?? undefined];
  });
  return Object.fromEntries(texts) as Record<Name, string> & Record<Optional, string | undefined>;
}
