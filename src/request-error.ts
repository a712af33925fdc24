/** An error that a client may see as it is: what went wrong, why in one stable word, what to do. */
export class RequestError extends Error {
  /** HTTP status of a response that holds nothing else. */
  readonly status: number;
  /** Stable and snake_case; docs/errors.md lists all of them. */
  readonly reason: string;
  readonly hint: string;
  /** Headers that belong to the refusal, as `www-authenticate`. */
  readonly headers: Record<string, string>;

  constructor(status: number, reason: string, message: string, hint: string, headers: Record<string, string> = {}) {
    super(message);
    this.name = new.target.name;
    this.status = status;
    this.reason = reason;
    this.hint = hint;
    this.headers = headers;
  }

  /** As PostgREST writes it: `PT` and the status. */
  get code(): string {
    return `PT${this.status}`;
  }
}
