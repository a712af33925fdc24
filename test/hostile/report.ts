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

/** Whether the run found nothing. */
export function isClean({ leaks, internal, lost, kills }: Report): boolean {
  return leaks.length + internal.length + lost.length === 0 && kills.every(({ back }) => back !== undefined);
}

/** The report as text, each finding on a line of its own. */
export function formatReport(report: Report): string {
  const { seed, calls, refused, leaks, internal, acknowledged, lost, kills } = report;
  const total = Object.values(calls).reduce((sum, number) => sum + number, 0);
  const rows = Object.entries(calls).map(
    ([kind, number]) => `  ${kind.padEnd(24)}${String(number).padStart(8)}  refused ${refused[kind] ?? 0}`,
  );
  const found = (title: string, findings: string[]): string[] => [
    `${title.padEnd(26)}${String(findings.length).padStart(8)}`,
    ...findings.slice(0, 50).map((finding) => `    ${finding}`),
  ];
  return [
    `${"calls".padEnd(26)}${String(total).padStart(8)}`,
    ...rows,
    ...found("leaks", leaks),
    ...found("internal errors", internal),
    `${"writes acknowledged".padEnd(26)}${String(acknowledged).padStart(8)}`,
    ...found("writes lost", lost),
    ...kills.map(
      ({ what, back }) => `kill -9 of ${what}: ${back === undefined ? "never back" : `back after ${back} ms`}`,
    ),
    `seed ${seed}`,
  ].join("\n");
}
