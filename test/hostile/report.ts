/** What a run did and found, as figures and lines. */

export type Report = {
  seed: number;
  /** Calls made, by their kind. */
  calls: Record<string, number>;
  refused: Record<string, number>;
  /** Whose marks came out to whom, and whose rows were changed by whom; and laws that did not hold. */
  leaks: string[];
  internal: string[];
  acknowledged: number;
  lost: string[];
  /** Kills, and after how many milliseconds a write was acknowledged again. */
  kills: { what: string; back: number | undefined }[];
};

export function createReport(seed: number): Report {
  return { seed, calls: {}, refused: {}, leaks: [], internal: [], acknowledged: 0, lost: [], kills: [] };
}

export function count(figures: Record<string, number>, kind: string, by = 1): void {
  figures[kind] = (figures[kind] ?? 0) + by;
}

/** All that should not have been, a line each. */
export function findingsIn({ leaks, internal, lost, kills }: Report): string[] {
  return [
    ...leaks.map((leak) => `leak: ${leak}`),
    ...internal.map((error) => `internal error: ${error}`),
    ...lost.map((write) => `write lost: ${write}`),
    ...kills.filter(({ back }) => back === undefined).map(({ what }) => `never back: kill -9 of ${what}`),
  ];
}

/** The figures of a run. */
export function formatReport(report: Report): string {
  const { seed, calls, refused, leaks, internal, acknowledged, lost, kills } = report;
  const line = (title: string, figure: number): string => `${title.padEnd(26)}${String(figure).padStart(8)}`;
  const total = Object.values(calls).reduce((sum, number) => sum + number, 0);
  return [
    line("calls", total),
    ...Object.entries(calls).map(([kind, number]) => `${line(`  ${kind}`, number)}  refused ${refused[kind] ?? 0}`),
    line("leaks", leaks.length),
    line("internal errors", internal.length),
    line("writes acknowledged", acknowledged),
    line("writes lost", lost.length),
    ...kills.map(
      ({ what, back }) => `kill -9 of ${what}: ${back === undefined ? "never back" : `back after ${back} ms`}`,
    ),
    `seed ${seed}`,
  ].join("\n");
}
