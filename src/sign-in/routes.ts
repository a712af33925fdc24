/** Signing in with an outside provider: `/auth/<provider>`, its callback, and linking it to a user who is signed in. */
import fastifyCookie from "@fastify/cookie";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Pool } from "pg";
import { queryAs } from "../database/query-as.ts";
import type { SignInOptions } from "../options/options.ts";
import type { AdmitPassword } from "../server/admission.ts";
import { reportFailure } from "../server/error-responses.ts";
import { RequestError } from "../server/request-error.ts";
import { cameFrom, type Identity, TRUSTED } from "./authenticate.ts";
import type { Identify } from "./identify.ts";
import { createAttempts } from "./attempts.ts";
import { createProvider, type OpenIdProvider, type OutsideUser } from "./openid.ts";
import { createSeals } from "./sealed.ts";
import { addSessionCookies, createKeepSession } from "./session-cookies.ts";
import { askForTokens, type NewSession } from "./session-tokens.ts";

type Setting = SignInOptions & {
  pool: Pool;
  admitPassword: AdmitPassword;
  /** Signs our tokens. */
  secret: string;
  /** Finds out who asks, and sets `request.identity`. */
  identify: Identify;
  corsOrigins: string[];
};

type LinkStart = { provider: string; user: string };
type LinkFinish = { user: string; found: OutsideUser };

/** For how long a ticket is good, in seconds: it is used at once. */
const TICKET = 120;

export async function addSignIn(app: FastifyInstance, setting: Setting): Promise<void> {
  const { pool, providers, publicUrl, redirectUrl, identify } = setting;
  const known = new Map(providers.map((options) => [options.name, createProvider(options)]));
  const seals = createSeals(setting.secret);
  const keepSession = createKeepSession(publicUrl);
  const attempts = createAttempts(pool, seals, publicUrl.startsWith("https:"));

  const find = (request: FastifyRequest): { name: string; provider: OpenIdProvider; callback: string } => {
    const { provider: name = "" } = request.params as { provider?: string };
    const provider = known.get(name);
    if (provider === undefined) {
      throw new RequestError(
        404,
        "unknown_provider",
        "There is no such identity provider",
        known.size === 0 ? "Sign in with a password." : `Use ${[...known.keys()].join(" or ")}.`,
      );
    }
    return { name, provider, callback: `${publicUrl}/auth/${name}/callback` };
  };

  /** The application's page, unless the outcome is to be shown. */
  const pageFor = (request: FastifyRequest): string | undefined =>
    request.headers.accept === "application/json" ? undefined : redirectUrl;

  /** Hands the outcome to the application, in the fragment, which no server sees; or shows it. */
  const deliver = (request: FastifyRequest, reply: FastifyReply, outcome: Record<string, string>): FastifyReply => {
    const page = pageFor(request);
    return page === undefined
      ? reply.send(outcome)
      : reply.redirect(`${page}#${new URLSearchParams(outcome).toString()}`, 303);
  };

  await app.register(async (scope) => {
    await scope.register(fastifyCookie);
    scope.addHook("onRequest", async (_request, reply) => {
      reply.header("cache-control", "no-store");
    });

    if (setting.cookies) addSessionCookies(scope, setting);

    scope.get("/auth/:provider", async (request, reply) => {
      const { name, provider, callback } = find(request);
      const { ticket } = request.query as { ticket?: string };
      const start = ticket === undefined ? undefined : await seals.open<LinkStart>("link-start", ticket);
      if (ticket !== undefined && start?.provider !== name) throw staleTicket();

      const { url, checks } = await provider.begin(callback);
      await attempts.keep(request, reply, { provider: name, checks, linkTo: start?.user });
      return reply.redirect(url.href, 303);
    });

    scope.get(
      "/auth/:provider/callback",
      {
        // The browser is on its way to the application, which has to be told of a failure too.
        errorHandler: (error, request, reply) => {
          if (pageFor(request) === undefined) throw error;
          const { reason, message, debugId } = reportFailure(request, error);
          void deliver(request, reply, { error: reason, message, debugId });
        },
      },
      async (request, reply) => {
        const { name, provider, callback } = find(request);
        const answer = new URL(request.url.replace(/^[^?]*/, ""), callback);
        const state = answer.searchParams.get("state");
        const attempt = await attempts.take(request, reply, { provider: name, state });
        if (attempt === undefined) throw expired();

        const found = await provider.finish(answer, attempt.checks);
        if (attempt.linkTo === undefined) {
          const session = await signIn(setting, request, found);
          return deliver(request, reply, setting.cookies ? keepSession(reply, session) : session.tokens);
        }
        const finish: LinkFinish = { user: attempt.linkTo, found };
        return deliver(request, reply, { linkTicket: await seals.seal("link-finish", finish, TICKET) });
      },
    );

    /*
     * Linking begins and ends with the token of the same user. Were it not so at the end, somebody could lead others
     * through a link of his own and sign in as them; were it not so at the start, plant his own identity with them.
     */
    scope.post("/auth/:provider/link", { preParsing: identify }, async (request) => {
      const { name } = find(request);
      const start: LinkStart = { provider: name, user: await userOf(pool, request) };
      return { url: `${publicUrl}/auth/${name}?ticket=${await seals.seal("link-start", start, TICKET)}` };
    });

    scope.post("/auth/link", { preParsing: identify }, async (request) => {
      const { ticket } = (request.body ?? {}) as { ticket?: unknown };
      const user = await userOf(pool, request);
      const finish = await seals.open<LinkFinish>("link-finish", typeof ticket === "string" ? ticket : undefined);
      if (finish?.user !== user) throw staleTicket();
      const { issuer, subject, email, name, picture } = finish.found;
      await queryAs(pool, cameFrom(TRUSTED, request), "select from attune.link_identity($1, $2, $3, $4, $5, $6)", [
        user,
        issuer,
        subject,
        email,
        name,
        picture,
      ]);
      return { issuer, subject };
    });
  });
}

function expired(): RequestError {
  return new RequestError(
    400,
    "sign_in_expired",
    "This sign-in was not begun in this browser, took too long, or was answered before",
    "Begin it again.",
  );
}

function staleTicket(): RequestError {
  return new RequestError(400, "invalid_ticket", "This ticket is another user's, or too old", "Begin again.");
}

/** The user of the request's token, by the rules that hold for all requests. */
async function userOf(pool: Pool, { identity }: { identity: Identity | null }): Promise<string> {
  const [row] =
    identity === null
      ? []
      : await queryAs<{ id: string | null }>(pool, identity, "select attune.current_user_id() as id");
  if (row?.id == null) {
    throw new RequestError(401, "not_signed_in", "You are not signed in", "Sign in, and send the token.", {
      code: "42501",
    });
  }
  return row.id;
}

/** Opens a session of the user whom SQL finds or makes for this identity. */
function signIn({ pool, secret }: Setting, request: FastifyRequest, found: OutsideUser): Promise<NewSession> {
  return askForTokens(
    pool,
    cameFrom(TRUSTED, request),
    "attune.link_or_register_user($1, $2, $3, $4, $5, $6) as u, attune.open_session(u.id, $1, $2)",
    [found.issuer, found.subject, found.email, found.isEmailVerified, found.name, found.picture],
    secret,
  );
}
