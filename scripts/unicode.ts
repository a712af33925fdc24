/** Writes what Unicode says of its characters into the functions that need it, as this Node knows it; `--check` only compares. */
import { readFile, writeFile } from "node:fs/promises";
import { resolve } from "node:path";

const WIDTH = 108;
const LAST = 0x10ffff;

/** Where the characters are written: between the line that is `after` and the one that is `before`. */
type Place = { file: string; after: string; before: string; indent: string; lines: () => string[] };

const CATEGORIES = ["L", "Lu", "Ll", "N", "Nd", "P"];
const capitals = [...capitalsWithOneSmallLetter()];

const PLACES: Place[] = [
  ...CATEGORIES.map((name, index) => ({
    file: "migrations/fixtures/json-schema/private/unicode_class.sql",
    after: `    when '${name}' then\n`,
    before: index + 1 < CATEGORIES.length ? `    when '${CATEGORIES[index + 1]}' then\n` : "  end\n  from (select",
    indent: "      ",
    lines: () => rangesOf(`\\p{${name}}`),
  })),
  {
    file: "migrations/fixtures/users/private/has_invisible.sql",
    after: "      -- invisible\n",
    before: "      ']'\n",
    indent: "      ",
    // White space that PostgreSQL's own class may not know, and letters, marks and a Braille pattern that have no shape.
    lines: () => rangesOf("[\\p{Cc}\\p{Cf}\\p{Co}\\p{Z}\\p{Default_Ignorable_Code_Point}\\u2800]"),
  },
  {
    file: "migrations/fixtures/users/private/lower_case.sql",
    after: "    -- capitals\n",
    before: "    -- small letters\n",
    indent: "    ",
    lines: () => capitals,
  },
  {
    file: "migrations/fixtures/users/private/lower_case.sql",
    after: "    -- small letters\n",
    before: "  );\n",
    indent: "    ",
    lines: () => capitals.map((capital) => capital.toLowerCase()),
  },
];

let isStale = false;
for (const file of new Set(PLACES.map((place) => place.file))) {
  const path = resolve(import.meta.dirname, "..", file);
  const before = await readFile(path, "utf8");
  const version = `-- Of Unicode ${process.versions["unicode"] ?? ""}: what PostgreSQL itself says depends on the server's locale.\n`;
  const after = PLACES.filter((place) => place.file === file).reduce(write, version + before.replace(/^--.*\n/, ""));
  if (!process.argv.includes("--check")) await writeFile(path, after);
  else if (after !== before) {
    console.error(`${file} is not what this Node says: run \`npm run unicode\` and commit it.`);
    isStale = true;
  }
}
if (isStale) process.exitCode = 1;

function write(text: string, { file, after, before, indent, lines }: Place): string {
  const start = text.indexOf(after) + after.length;
  const end = text.indexOf(before, start);
  if (start < after.length || end < 0) throw new Error(`${file} has lost the lines around its characters.`);
  // An argument that is followed by another one.
  const comma = before.includes("small letters") ? "," : "";
  return `${text.slice(0, start)}${literals(lines(), indent)}${comma}\n${text.slice(end)}`;
}

/** The characters that match, as members of a bracket expression of PostgreSQL. */
function rangesOf(pattern: string): string[] {
  const member = new RegExp(`^${pattern}$`, "u");
  const ranges: [number, number][] = [];
  // U+0000 is in no text of PostgreSQL, and neither is half a surrogate pair.
  for (let point = 1; point <= LAST; point++) {
    if (point === 0xd800) point = 0xe000;
    if (!member.test(String.fromCodePoint(point))) continue;
    const last = ranges.at(-1);
    if (last !== undefined && (last[1] === point - 1 || (point === 0xe000 && last[1] === 0xd7ff))) last[1] = point;
    else ranges.push([point, point]);
  }
  return ranges.map(([from, to]) => (from === to ? escaped(from) : `${escaped(from)}-${escaped(to)}`));
}

function* capitalsWithOneSmallLetter(): Generator<string> {
  for (let point = 1; point <= LAST; point++) {
    const capital = String.fromCodePoint(point);
    const small = capital.toLowerCase();
    if (small !== capital && [...small].length === 1) yield capital;
  }
}

function escaped(point: number): string {
  if (/^[0-9A-Za-z]$/.test(String.fromCodePoint(point))) return String.fromCodePoint(point);
  const hex = point.toString(16);
  return point <= 0xffff ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}

/** Literals of SQL that continue each other, none wider than the code. */
function literals(members: string[], indent: string): string {
  const lines = [""];
  for (const member of members) {
    if ((lines.at(-1) ?? "").length + member.length > WIDTH - 2) lines.push("");
    lines[lines.length - 1] += member;
  }
  return lines.map((line) => `${indent}'${line}'`).join("\n");
}
