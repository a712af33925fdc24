/** Errors that a client may see as they are: what went wrong, why in one stable word, and what to do. */

export class RequestError extends Error {
  /** HTTP status of a response that holds nothing else. */
  readonly status: number;
  /** Stable and snake_case; docs/errors.md lists all of them. */
  readonly reason: string;
  readonly hint: string;
  /** Headers that belong to the refusal, such as `www-authenticate`. */
  readonly headers: Record<string, string>;

  /** @param more.cause what the log should say about it */
  constructor(
    status: number,
    reason: string,
    message: string,
    hint: string,
    more: { headers?: Record<string, string>; cause?: unknown } = {},
  ) {
    super(message, { cause: more.cause });
    this.name = new.target.name;
    this.status = status;
    this.reason = reason;
    this.hint = hint;
    this.headers = more.headers ?? {};
  }

  /** As PostgREST writes it: `PT` and the status. */
  get code(): string {
    return `PT${this.status}`;
  }
}

type Words = { reason: string; message: string; hint: string; headers?: Record<string, string> };

const BAD_REQUEST: Words = {
  reason: "invalid_request",
  message: "This is not a GraphQL request",
  hint: 'POST JSON like {"query": "…", "variables": {}} to /graphql.',
};

const STATUSES: Readonly<Record<number, Words>> = {
  404: { reason: "not_found", message: "There is nothing at this address", hint: "The API is at /graphql, its explorer at /." },
  405: {
    reason: "method_not_allowed",
    message: "This address takes POST only",
    hint: "Send the query in the body of a POST.",
    headers: { allow: "POST" },
  },
  406: { reason: "not_acceptable", message: "No accepted media type can be given", hint: "Accept application/json." },
  413: { reason: "body_too_large", message: "The body is too large", hint: "Send less at a time." },
  415: { reason: "unsupported_media_type", message: "The body has no media type we take", hint: "Send Content-Type: application/json." },
  429: { reason: "too_many_requests", message: "Too many requests", hint: "Wait for as many seconds as Retry-After says." },
};

/** The refusal that an HTTP status from 400 to 499 stands for, whoever makes it. */
export function httpError(status: number): RequestError {
  const { reason, message, hint, headers } = STATUSES[status] ?? BAD_REQUEST;
  return new RequestError(status, reason, message, hint, { ...(headers && { headers }) });
}
