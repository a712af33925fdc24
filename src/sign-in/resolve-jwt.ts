/** How tokens are signed and checked: what was configured, or else the secret of the embedded cluster. */
import type { Options } from "../options/options.ts";
import { UserError } from "../user-error.ts";
import type { ResolvedJwtOptions } from "./jwt.ts";

/**
 * Decides whose tokens are believed, and with what ours are signed.
 * @param generated the secret of the embedded cluster
 * @throws UserError when nothing was configured
 */
export function resolveJwt(options: Options, generated: string | undefined): ResolvedJwtOptions {
  const { secret = generated, outside } = options.jwt;
  if (secret === undefined && outside === undefined) {
    throw new UserError(
      "JWT_SECRET is required with DATABASE_URL (or JWT_ISSUER and its keys); `openssl rand -base64 48` makes one.",
    );
  }
  if (secret === undefined && options.signIn !== undefined) {
    throw new UserError(
      "JWT_SECRET is required with the providers and cookies in AUTH_…: who signs in gets a token of ours.",
    );
  }
  return { secret, outside };
}
