/** Errors that a client may see as they are: what went wrong, why in one stable word, and what to do. */

export class RequestError extends Error {
  /** HTTP status of a response that holds nothing else. */
  readonly status: number;
  /** As PostgREST writes it: `PT` and the status, or `42501`. */
  readonly code: string;
  /** Stable and snake_case; docs/reference/errors.md lists all of them. */
  readonly reason: string;
  readonly hint: string;
  /** After how many seconds to try again, where waiting helps. */
  readonly retryAfter: number | undefined;
  /** Headers that belong to the refusal, such as `www-authenticate`. */
  readonly headers: Record<string, string>;

  /**
   * @param more.code when it is not `PT` and the status
   * @param more.cause what the log should say about it
   */
  constructor(
    status: number,
    reason: string,
    message: string,
    hint: string,
    more: { code?: string; retryAfter?: number | undefined; headers?: Record<string, string>; cause?: unknown } = {},
  ) {
    super(message, { cause: more.cause });
    this.name = new.target.name;
    this.status = status;
    this.code = more.code ?? `PT${status}`;
    this.reason = reason;
    this.hint = hint;
    this.retryAfter = more.retryAfter;
    this.headers = more.headers ?? {};
  }
}

/** The status that PostgREST gives to a code. */
export function statusOfCode(code: unknown): number {
  if (code === "42501") return 403;
  return Number(/^PT(\d{3})$/.exec(String(code))?.[1] ?? 500);
}

type Words = { reason: string; message: string; hint: string; headers?: Record<string, string> };

const BAD_REQUEST: Words = {
  reason: "invalid_request",
  message: "This is not a GraphQL request",
  hint: 'POST JSON like {"query": "…", "variables": {}} to /graphql.',
};

const STATUSES: Readonly<Record<number, Words>> = {
  404: {
    reason: "not_found",
    message: "There is nothing at this address",
    hint: "The API is at /graphql, its explorer at /.",
  },
  405: {
    reason: "method_not_allowed",
    message: "This address takes POST only",
    hint: "Send the query in the body of a POST.",
    headers: { allow: "POST" },
  },
  406: { reason: "not_acceptable", message: "No accepted media type can be given", hint: "Accept application/json." },
  408: {
    reason: "request_timeout",
    message: "The request took too long to arrive",
    hint: "Send it again, without a pause.",
  },
  413: { reason: "body_too_large", message: "The body is too large", hint: "Send less at a time." },
  415: {
    reason: "unsupported_media_type",
    message: "The body has no media type we take",
    hint: "Send Content-Type: application/json.",
  },
  429: {
    reason: "too_many_requests",
    message: "Too many requests",
    hint: "Wait for as many seconds as Retry-After says.",
  },
  431: {
    reason: "headers_too_large",
    message: "The headers of the request are too large",
    hint: "Send fewer or shorter headers, cookies among them.",
  },
};

/** The refusal that an HTTP status from 400 to 499 stands for, whoever makes it. */
export function httpError(status: number, more: { retryAfter?: number } = {}): RequestError {
  const { reason, message, hint, headers } = STATUSES[status] ?? BAD_REQUEST;
  return new RequestError(status, reason, message, hint, { ...(headers && { headers }), ...more });
}

/** What a server says that has more to do than it can. @param retryAfter in seconds */
export function overloaded(retryAfter: number): RequestError {
  const message = "The server has more to do than it can";
  return new RequestError(503, "overloaded", message, "Wait for as many seconds as Retry-After says.", { retryAfter });
}

/** What a server says that is about to end. */
export function shuttingDown(): RequestError {
  return new RequestError(503, "shutting_down", "The server is shutting down", "Ask another server.");
}

/** What functions in SQL say to somebody who is signed out. @param cause what the log should say about it */
export function notSignedIn(cause?: unknown): RequestError {
  const hint = "Send the access token of a user who still exists.";
  return new RequestError(403, "not_signed_in", "Nobody is signed in", hint, { code: "42501", cause });
}
