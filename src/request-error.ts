/** An error that a client may see as it is: what went wrong, why in one stable word, what to do. */

export type RequestErrorOptions = {
  /** When it is not `PT` and the status. */
  code?: string;
  /** After how many seconds to try again. */
  retryAfter?: number | undefined;
  /** Headers that belong to the refusal, as `www-authenticate`. */
  headers?: Record<string, string>;
  /** What is behind it, for the log only. */
  cause?: unknown;
};

export class RequestError extends Error {
  /** HTTP status of a response that holds nothing else. */
  readonly status: number;
  /** As PostgREST writes it: `PT` and the status. */
  readonly code: string;
  /** Stable and snake_case; docs/errors.md lists all of them. */
  readonly reason: string;
  readonly hint: string;
  readonly retryAfter: number | undefined;
  readonly headers: Record<string, string>;

  constructor(
    status: number, reason: string, message: string, hint: string,
    { code = `PT${status}`, retryAfter, headers = {}, cause }: RequestErrorOptions = {},
  ) {
    super(message, { cause });
    this.name = new.target.name;
    this.status = status;
    this.code = code;
    this.reason = reason;
    this.hint = hint;
    this.retryAfter = retryAfter;
    this.headers = retryAfter === undefined ? headers : { ...headers, "retry-after": String(retryAfter) };
  }
}
