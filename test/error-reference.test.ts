/** docs/errors.md lists every reason that the sources give, with its code, and no other. */
import { globSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";

const ROOT = resolve(import.meta.dirname, "..");
const read = (pattern: string): string =>
  globSync(pattern, { cwd: ROOT })
    .map((file) => readFileSync(resolve(ROOT, file), "utf8"))
    .join("\n");

/** Every `raise` of the migrations says its code and its reason, in this order or the other. What leaves a trace is returned. */
function raised(): string[] {
  const sources = read("migrations/committed/*.sql");
  const raises = [...sources.matchAll(/raise exception using([^;]*);/g)].flatMap(([, options = ""]) => {
    const code = /errcode = '([^']+)'/.exec(options)?.[1];
    const reason = /detail = '([a-z_]+)'/.exec(options)?.[1];
    return reason === undefined ? [] : [`${reason} ${code}`];
  });
  const returns = [...sources.matchAll(/\brefuse\(\s*'([A-Z0-9]{5})', '([a-z_]+)'/g)];
  return [...raises, ...returns.map(([, code, reason]) => `${reason} ${code}`)];
}

/** The reasons in TypeScript: of the tables, and of the functions that make errors. Their codes are in other tests. */
function coded(): string[] {
  const sources = read("src/**/*.ts");
  const patterns = [
    /\breason: "([a-z_]+)"/g,
    /\b(?:UnauthorizedError|refusedQuery)\(\s*"([a-z_]+)"/g,
    /\bRequestError\(\s*\d+,\s*"([a-z_]+)"/g,
  ];
  return patterns.flatMap((pattern) => [...sources.matchAll(pattern)].map(([, reason = ""]) => reason));
}

const documented = [
  ...readFileSync(resolve(ROOT, "docs/errors.md"), "utf8").matchAll(/^\| `([a-z_]+)` \| ([^|]+) \| (.+) \|$/gm),
].flatMap(([, reason, codes = ""]) => codes.split(", ").map((code) => ({ reason: reason ?? "", code: code.trim() })));

test("documents what the database raises, with its code", () => {
  const pairs = new Set(documented.map(({ reason, code }) => `${reason} ${code}`));
  expect(raised().length).toBeGreaterThan(20);
  expect(raised().filter((pair) => !pairs.has(pair))).toEqual([]);
});

test("documents what the server refuses", () => {
  const reasons = new Set(documented.map(({ reason }) => reason));
  expect(coded().length).toBeGreaterThan(20);
  expect(coded().filter((reason) => !reasons.has(reason))).toEqual([]);
});

test("documents nothing that is no longer there", () => {
  const known = new Set([...raised().map((pair) => pair.split(" ")[0]), ...coded()]);
  expect(documented.map(({ reason }) => reason).filter((reason) => !known.has(reason))).toEqual([]);
});
