/** The reasons of refusals, as docs/reference/errors.md lists them, which is where they are written. */

export type Reason = {
  /** GraphQL's `extensions.code`. */
  code: string;
  /** What it stands for in HTTP. */
  status: number;
  /** What it means, for developers. */
  meaning: string;
};

/** @param page docs/reference/errors.md */
export function readReasons(page: string): Record<string, Reason> {
  const rows = [...page.matchAll(/^\| `(\w+)` \| ([^|]+) \| (.+) \|$/gm)];
  return Object.fromEntries(
    rows
      .map(([, reason = "", code = "", meaning = ""]): [string, Reason] => [
        reason,
        { code, status: statusOf(code), meaning },
      ])
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
}

/** A code of PostgREST says its status; a refusal is 403, and any other code is GraphQL's own. */
function statusOf(code: string): number {
  const status = /^PT(\d{3})$/.exec(code)?.[1];
  if (status !== undefined) return Number(status);
  if (code === "42501") return 403;
  return code === "INTERNAL_SERVER_ERROR" ? 500 : 400;
}
