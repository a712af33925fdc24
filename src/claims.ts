/** What a request may be in the database: the role and claims that PostgREST would set for its token. */
import { type JwtClaims, UnauthorizedError } from "./jwt.ts";

/** Settings of the request's transaction, local to it. */
export type PgSettings = { role: string; "request.jwt.claims": string; statement_timeout: string };

/** For how long one statement may run. It is set here and not for the connection, so that a pooler may be in between. */
const STATEMENT_TIMEOUT = "5s";

/** Who is asking: the settings for the database, and the subject for the log. */
export type Identity = { pgSettings: PgSettings; subject: string | undefined };

const ROLES = ["anon", "authenticated", "service_role"];
/** Who asks without a token. */
export const NOBODY: Identity = identify({ role: "anon" });

/**
 * Reads the `Authorization` header.
 * No header is `anon`, and so is a token that claims no role, as in PostgREST.
 * @throws UnauthorizedError when there is a header, and it is not a good bearer token with a role we know
 */
export async function authenticate(
  authorization: string | undefined,
  verify: (token: string) => Promise<JwtClaims>,
): Promise<Identity> {
  if (authorization === undefined) return NOBODY;

  const token = /^bearer +([^\s]+)$/i.exec(authorization)?.[1];
  if (token === undefined) {
    throw new UnauthorizedError(
      "malformed_authorization",
      "The Authorization header is not a bearer token",
      "Send `Authorization: Bearer <token>`, or no such header at all.",
    );
  }

  const claims = await verify(token);
  const role = claims.role ?? "anon";
  if (!ROLES.includes(role)) {
    throw new UnauthorizedError(
      "unknown_role",
      "The token claims a role that does not exist here",
      `The claim \`role\` must be one of ${ROLES.join(", ")}.`,
    );
  }
  if (role === "authenticated" && !claims.sub) {
    throw new UnauthorizedError("missing_subject", "The token does not say who is signed in", "The claim `sub` must name the user.");
  }
  return identify({ ...claims, role });
}

function identify(claims: { role: string; sub?: string }): Identity {
  const pgSettings = {
    role: claims.role,
    "request.jwt.claims": JSON.stringify(claims),
    statement_timeout: STATEMENT_TIMEOUT,
  };
  return { pgSettings, subject: claims.sub };
}
