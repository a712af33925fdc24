/** docs/reference/errors.md lists every reason that the sources give, each with its one code, and no other. */
import { globSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";

const ROOT = resolve(import.meta.dirname, "..");
const read = (pattern: string): string =>
  globSync(pattern, { cwd: ROOT })
    .map((file) => readFileSync(resolve(ROOT, file), "utf8"))
    .join("\n");

/** A reason and its code. */
type Pair = `${string} ${string}`;

/** What the migrations raise: each `raise` with a reason says its code. What leaves a trace is returned. */
function ofDatabase(): Pair[] {
  const sources = read("migrations/committed/*.sql");
  const raises = [...sources.matchAll(/\braise exception\b([^;]*);/g)].flatMap(([, options = ""]): Pair[] => {
    const code = /\berrcode = '([^']+)'/.exec(options)?.[1] ?? "P0001";
    const reason = /\bdetail = '(\w+)'/.exec(options)?.[1] ?? "none";
    // What is only handed on is given elsewhere; without a reason and a code for clients it is a signal between our own
    // functions.
    if (/\b(?:errcode|detail) = \w+,/.test(options)) return [];
    return reason === "none" && !/^(PT\d{3}|42501|P0001)$/.test(code) ? [] : [`${reason} ${code}`];
  });
  const returns = [...sources.matchAll(/\brefuse\(\s*'([A-Z0-9]{5})', '(\w+)'/g)];
  const forNow = [...sources.matchAll(/\brefuse_for_now\(\s*'(\w+)'/g)];
  return [
    ...raises,
    ...forNow.map(([, reason = ""]): Pair => `${reason} PT429`),
    ...returns.map(([, code = "", reason = ""]): Pair => `${reason} ${code}`),
  ];
}

/** What the server refuses: tables of errors, and the functions that make one. */
function ofServer(): Pair[] {
  const sources = read("src/**/*.ts");
  const patterns: [RegExp, (match: string[]) => Pair][] = [
    [/\bcode: "(\w+)",\s+reason: "(\w+)"/g, ([code = "", reason = ""]) => `${reason} ${code}`],
    [/^ {2}(\d{3}): \{\s+reason: "(\w+)"/gm, ([status = "", reason = ""]) => `${reason} PT${status}`],
    [/\bBAD_REQUEST: Words = \{\s+reason: "(\w+)"/g, ([reason = ""]) => `${reason} PT400`],
    [/\bUnauthorizedError\(\s*"(\w+)"/g, ([reason = ""]) => `${reason} PT401`],
    [/\brefusedQuery\(\s*"(\w+)"/g, ([reason = ""]) => `${reason} GRAPHQL_VALIDATION_FAILED`],
    [/\bnotReady\(\s*"(\w+)"/g, ([reason = ""]) => `${reason} PT503`],
    // Its code is that of the status, unless the statement says another.
    [
      /\bRequestError\(\s*(\d+),\s*"(\w+)"(?:[^;]*\bcode: "(\w+)")?/g,
      ([status = "", reason = "", code = `PT${status}`]) => `${reason} ${code}`,
    ],
  ];
  return patterns.flatMap(([pattern, pairOf]) => [...sources.matchAll(pattern)].map(([, ...groups]) => pairOf(groups)));
}

/** Every place in the server that names a reason, however it is written. */
function namedInServer(): string[] {
  const sources = read("src/**/*.ts");
  return [
    /\breason: "(\w+)"/g,
    /\b(?:UnauthorizedError|refusedQuery|notReady)\(\s*"(\w+)"/g,
    /\bRequestError\(\s*\d+,\s*"(\w+)"/g,
  ].flatMap((pattern) => [...sources.matchAll(pattern)].map(([, reason = ""]) => reason));
}

const documented = Array.from(
  read("docs/reference/errors.md").matchAll(/^\| `(\w+)` \| ([^|]+) \| (.+) \|$/gm),
  ([, reason = "", code = ""]): Pair => `${reason} ${code}`,
);
const given = new Set([...ofDatabase(), ...ofServer()]);
const reasonsOf = (pairs: Iterable<Pair>): string[] => Array.from(pairs, (pair) => pair.split(" ")[0] ?? "");

test("every place that names a reason is found, with its code", () => {
  expect(given.size).toBeGreaterThan(100);
  expect(reasonsOf(ofServer()).toSorted()).toEqual(namedInServer().toSorted());
});

test("a reason has one code, and one line in the documentation", () => {
  const twice = (reasons: string[]): string[] => reasons.filter((reason, at) => reasons.indexOf(reason) !== at);
  expect(twice(reasonsOf(given))).toEqual([]);
  expect(twice(reasonsOf(documented))).toEqual([]);
});

test("what is given is documented with its code, and nothing else is", () => {
  expect([...given].toSorted()).toEqual(documented.toSorted());
});
