/** Compares two ways of doing the same: in turns, so that whatever else the machine does hits both alike. */

export type Variant = {
  name: string;
  /** One operation, from asking to having the whole answer. */
  run: () => Promise<unknown>;
  /** Before each turn, unmeasured. */
  prepare?: () => Promise<unknown> | void;
};

export type Comparison = {
  baseline: { name: string; perSecond: number };
  subject: { name: string; perSecond: number };
  /** Speed of the subject over that of the baseline: the median of all rounds, and the quartiles around it. */
  ratio: { median: number; low: number; high: number };
};

export type Effort = {
  rounds: number;
  /** Length of one turn, in milliseconds. */
  turn: number;
};

/** One client does both in turns; who begins changes every round. The first round warms up and is not counted. */
export async function compare(baseline: Variant, subject: Variant, { rounds, turn }: Effort): Promise<Comparison> {
  const speeds: { baseline: number; subject: number }[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    const speed = { baseline: 0, subject: 0 };
    const order = [
      ["baseline", baseline],
      ["subject", subject],
    ] as const;
    for (const [side, variant] of round % 2 === 0 ? order : order.toReversed()) {
      await variant.prepare?.();
      speed[side] = await operationsPerSecond(variant, turn);
    }
    if (round > 0) speeds.push(speed);
  }

  const ratios = speeds.map((speed) => speed.subject / speed.baseline);
  return {
    baseline: {
      name: baseline.name,
      perSecond: quantile(
        speeds.map((speed) => speed.baseline),
        0.5,
      ),
    },
    subject: {
      name: subject.name,
      perSecond: quantile(
        speeds.map((speed) => speed.subject),
        0.5,
      ),
    },
    ratio: { median: quantile(ratios, 0.5), low: quantile(ratios, 0.25), high: quantile(ratios, 0.75) },
  };
}

async function operationsPerSecond({ run }: Variant, turn: number): Promise<number> {
  const start = performance.now();
  let done = 0;
  let elapsed = 0;
  while (elapsed < turn) {
    await run();
    done += 1;
    elapsed = performance.now() - start;
  }
  return (done / elapsed) * 1000;
}

function quantile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const position = (sorted.length - 1) * share;
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? Number.NaN;
  return below + (above - below) * (position % 1);
}
