/** Which request it is: one name in the answer, in every log line and in the audit log. */
import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";

/** Whoever asks may name the request here, as proxies do, and the answer names it. */
export const REQUEST_ID_HEADER = "x-request-id";

/** What is no plain word might be taken for something else where it is read. */
const PLAIN = /^[\w.:@+/=-]{1,200}$/;

/** What the request is called by whoever sent it; a new name where that is none, or no plain one. */
export function requestId({ headers }: Pick<IncomingMessage, "headers">): string {
  const given = headers[REQUEST_ID_HEADER];
  return typeof given === "string" && PLAIN.test(given) ? given : newRequestId();
}

/** A name that no other request has. */
export function newRequestId(): string {
  return randomBytes(8).toString("hex");
}
