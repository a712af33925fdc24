/** Errors a person can mend: one clear sentence on stderr, exit code 1, no stack trace. And what anything thrown says. */

export class UserError extends Error {
  override readonly name = "UserError";
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return messageOf(error.errors[0]);
  return error instanceof Error ? error.message || error.name : String(error);
}

/** The `code` of a Node (`ECONNREFUSED`) or PostgreSQL (`28P01`) error, if it has one. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0]);
  return "code" in error && typeof error.code === "string" ? error.code : undefined;
}
