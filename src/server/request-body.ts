/** The body of a request, as JSON that keeps every digit and every name. */
import type { FastifyInstance } from "fastify";
import { parseJson } from "../json.ts";
import { tooDeep } from "../storable.ts";
import { decodeUtf8 } from "../utf8.ts";
import { httpError, type RequestError } from "./request-error.ts";

/**
 * Reads bodies that are JSON. Unlike Fastify's own reader this takes the names `__proto__` and `constructor`, which
 * nobody here copies into an object that has a prototype to lose.
 */
export function readJsonBodies(app: FastifyInstance): void {
  app.removeContentTypeParser("application/json");
  app.addContentTypeParser<Buffer>("application/json", { parseAs: "buffer" }, ({ headers }, body, done) => {
    // Grafserv compares letters.
    headers["content-type"] = headers["content-type"]?.toLowerCase();
    try {
      done(null, parseJson(decodeUtf8(body) ?? ""));
    } catch (error) {
      done(refusalOf(error));
    }
  });
}

/** A `RangeError` is the end of the stack; all others are told by their text, which is not ours to show. */
function refusalOf(error: unknown): RequestError {
  return error instanceof RangeError ? tooDeep("The body is nested too deep") : httpError(400);
}
