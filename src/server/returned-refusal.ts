/** A refusal that leaves a trace is returned by the database, so that it commits, and becomes an error like any other. */
import { RequestError, statusOfCode } from "./request-error.ts";

/** `attune.refusal`, as JSON. All is null where nothing was refused. */
export type Refusal = {
  code: string | null;
  reason: string;
  message: string;
  hint: string;
  retry_after: number | null;
};

/** @throws RequestError when there is a refusal */
export function throwIfRefused(refusal: Refusal | null): void {
  if (refusal === null || refusal.code === null) return;
  const { code, reason, message, hint, retry_after } = refusal;
  throw new RequestError(statusOfCode(code), reason, message, hint, { code, retryAfter: retry_after ?? undefined });
}
