/** Writes the ranges of Unicode's categories into the function that has them, as this Node knows them; `--check` only compares. */
import { readFile, writeFile } from "node:fs/promises";
import { resolve } from "node:path";

const FILE = "migrations/fixtures/json-schema/private/unicode_class.sql";
const CATEGORIES = ["L", "Lu", "Ll", "N", "Nd", "P"];
const WIDTH = 108;

const path = resolve(import.meta.dirname, "..", FILE);
const before = await readFile(path, "utf8");
const start = before.indexOf("    when 'L' then\n");
const end = before.indexOf("  end\n  from (select regexp_replace(");
if (start < 0 || end < 0) throw new Error(`${FILE} has lost the lines around its ranges.`);
const cases = CATEGORIES.map((name) => `    when '${name}' then\n${literals(rangesOf(name))}\n`).join("");
const after = `-- Of Unicode ${process.versions["unicode"] ?? ""}, in ranges: what PostgreSQL's own classes hold depends on the server's locale.\n${before.slice(before.indexOf("\n") + 1, start)}${cases}${before.slice(end)}`;

if (!process.argv.includes("--check")) {
  await writeFile(path, after);
} else if (after !== before) {
  console.error(`${FILE} is not what this Node says: run \`npm run unicode\` and commit it.`);
  process.exitCode = 1;
}

/** The characters of a general category, as members of a bracket expression of PostgreSQL. */
function rangesOf(category: string): string[] {
  const member = new RegExp(`^\\p{${category}}$`, "u");
  const ranges: [number, number][] = [];
  for (let point = 0; point <= 0x10ffff; point++) {
    if (!member.test(String.fromCodePoint(point))) continue;
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === point - 1) last[1] = point;
    else ranges.push([point, point]);
  }
  return ranges.map(([from, to]) => (from === to ? escaped(from) : `${escaped(from)}-${escaped(to)}`));
}

function escaped(point: number): string {
  if (/^[0-9A-Za-z]$/.test(String.fromCodePoint(point))) return String.fromCodePoint(point);
  const hex = point.toString(16);
  return point <= 0xffff ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}

/** Literals of SQL that continue each other, none wider than the code. */
function literals(members: string[]): string {
  const lines = [""];
  for (const member of members) {
    if ((lines.at(-1) ?? "").length + member.length > WIDTH - 2) lines.push("");
    lines[lines.length - 1] += member;
  }
  return lines.map((line) => `      '${line}'`).join("\n");
}
