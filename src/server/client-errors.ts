/** Answers what is no HTTP, or came too late to be a request: there is nothing that a hook or a route could see. */
import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { FastifyInstance } from "fastify";
import { codeOf } from "../user-error.ts";
import { cleanAddress } from "./client-address.ts";
import { httpError } from "./request-error.ts";

/** By the code of Node's error; all others are malformed. */
const STATUSES: Readonly<Record<string, number>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  HPE_HEADER_OVERFLOW: 431,
};

const answered = new WeakSet<Socket>();

/** Whether the request on a socket was answered and logged here, so that its end is no news. */
export function wasAnswered(socket: Socket): boolean {
  return answered.has(socket);
}

/** Answers on the socket of a failed request, and logs it. What was sent is not logged: it may hold a token. */
export function answerClientError(error: Error, socket: Socket, app: FastifyInstance, debugId: string): void {
  const cause = codeOf(error) ?? "";
  if (cause === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = STATUSES[cause] ?? 400;
  const { message, code, reason, hint } = httpError(status);
  const body = JSON.stringify({ errors: [{ message, extensions: { code, reason, hint, debugId } }] });
  const address = cleanAddress(socket.remoteAddress ?? "");
  app.metrics?.malformed(status);
  app.metrics?.refused(reason);
  app.log.info({ debugId, status, address, code, reason, cause }, "request failed");
  answered.add(socket);
  socket.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`,
      "content-type: application/json; charset=utf-8",
      `content-length: ${Buffer.byteLength(body)}`,
      "cache-control: no-store",
      "connection: close",
      "",
      body,
    ].join("\r\n"),
  );
}
