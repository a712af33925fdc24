/** What no answer of the server may be: an internal error, or one that is not in the form of the contract. */
import type { GraphQLFailure } from "../support/harness.ts";

export type Answer = { status: number; text: string };

/** What is wrong with an answer, or undefined. `isDown` says that the database was killed: then 503 is right. */
export function problemOf({ status, text }: Answer, isDown = false): string | undefined {
  const errors = errorsOf(text);
  const isUnavailable = errors?.every(({ extensions }) => extensions?.code === "PT503") ?? false;
  if (status >= 500 && !(isDown && status === 503 && isUnavailable)) return `status ${status}: ${text.slice(0, 300)}`;
  for (const { message, extensions = {} } of errors ?? []) {
    const { code, reason, hint, debugId } = extensions;
    if (code === "INTERNAL_SERVER_ERROR") return `internal error: ${text.slice(0, 300)}`;
    if (code === "PT503" && !isDown) return `unavailable: ${text.slice(0, 300)}`;
    const isWhole = [message, code, reason, hint, debugId].every((part) => typeof part === "string");
    if (!isWhole) return `an error without the form of one: ${text.slice(0, 300)}`;
  }
  return undefined;
}

function errorsOf(text: string): GraphQLFailure[] | undefined {
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body !== "object" || body === null || !("errors" in body)) return undefined;
    return Array.isArray(body.errors) ? (body.errors as GraphQLFailure[]) : undefined;
  } catch {
    return undefined;
  }
}
