/** Random choices that a seed repeats, and the odd values that every part of the suite sends. */

export type Random = {
  /** From 0 to `end` - 1. */
  below: (end: number) => number;
  /** Whether something of this probability happens. */
  chance: (probability: number) => boolean;
  pick: <T>(choices: readonly T[]) => T;
  /** From `least` to `most` values. */
  several: <T>(least: number, most: number, make: () => T) => T[];
};

/** Mulberry32: the same numbers for the same seed. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (end: number): number => Math.floor(next() * end);
  return {
    below,
    chance: (probability) => next() < probability,
    pick: (choices) => {
      const choice = choices[below(choices.length)];
      if (choice === undefined) throw new Error("There is nothing to choose from");
      return choice;
    },
    several: (least, most, make) => Array.from({ length: least + below(most - least + 1) }, make),
  };
}

/** Text that programs stumble over. */
const TEXTS = [
  "",
  " ",
  "x",
  "null",
  "__proto__",
  "constructor",
  "a\u0000b",
  "\ud800",
  "\u202eabc\u200b",
  "ﬀ İ ß",
  "e\u0301",
  "👩‍👩‍👧",
  "'; drop table attune.users; --",
  '"}]',
  "%_\\",
  "$1",
  "{}",
  "\n\r\t\u001b",
  "x".repeat(201),
  "x".repeat(20_000),
  "http://[::1",
  "javascript:alert(1)",
  "a@b",
  "Ünï@exämple.com",
  "2024-02-30T25:61:61Z",
  "ai_configuration.model.",
];

const INTEGERS = [0, 1, -1, 2, 7, 100, 101, 2 ** 31 - 1, -(2 ** 31)];
const BIG = ["0", "1", "-1", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "1e3", "00", "x"];
const TIMES = [
  "2020-01-01T00:00:00Z",
  "2099-12-31T23:59:60+14:00",
  "infinity",
  "-infinity",
  "epoch",
  "now",
  "0001-01-01 00:00:00 BC",
  "294276-12-31T23:59:59Z",
  "294277-01-01T00:00:00Z",
  "2024-02-30",
  "24:00",
  "",
];

export const odd = {
  text: (random: Random): string =>
    random.chance(0.8) ? random.pick(TEXTS) : random.several(0, 4, () => random.pick(TEXTS)).join(""),
  integer: (random: Random): number => (random.chance(0.7) ? random.pick(INTEGERS) : random.below(1000) - 500),
  big: (random: Random): string => random.pick(BIG),
  time: (random: Random): string => random.pick(TIMES),
  uuid: (random: Random): string => {
    const digits = Array.from({ length: 32 }, () => random.below(16).toString(16)).join("");
    return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  },
};

/** JSON of any shape; a number may be too large for JavaScript, where only its text is right. */
export function randomJson(random: Random, words: readonly string[], depth = 0): unknown {
  const kind = random.below(depth > 3 ? 6 : 9);
  if (kind === 0) return null;
  if (kind === 1) return random.chance(0.5);
  if (kind === 2) return odd.integer(random);
  if (kind === 3) return random.pick([0.1, -0, 1e-7, 1e21, 1.5, Number.MAX_SAFE_INTEGER]);
  if (kind === 4) return odd.text(random);
  if (kind === 5) return random.pick(words);
  if (kind === 6) return random.several(0, 3, () => randomJson(random, words, depth + 1));
  if (kind === 7 && random.chance(0.05)) return nested(random.pick([60, 64, 65, 99, 101, 400]));
  return Object.fromEntries(
    random.several(0, 3, () => [
      random.chance(0.7) ? random.pick(words) : odd.text(random),
      randomJson(random, words, depth + 1),
    ]),
  );
}

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level += 1) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}
