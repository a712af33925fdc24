/** How migrations are written: what a reader of their text relies on, and the catalogue can't show. */
import { globSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";

const MIGRATIONS = resolve(import.meta.dirname, "../migrations");
const read = (pattern: string): { file: string; text: string }[] =>
  globSync(pattern, { cwd: MIGRATIONS })
    .toSorted()
    .map((file) => ({ file, text: readFileSync(resolve(MIGRATIONS, file), "utf8") }));

const SOURCES = [...read("fixtures/**/*.sql"), ...read("committed/*.sql")];

/** The statement `comment on`, with its literal, which may go on over several lines. */
const COMMENT = /^comment on [^']*?\bis\s+E?('(?:[^']|'')*'(?:\s+'(?:[^']|'')*')*);$/gm;

test("a comment of more than a sentence stands on several lines, and none is wider than the code", () => {
  const literals = SOURCES.flatMap(({ file, text }) =>
    [...text.matchAll(COMMENT)].flatMap(([, literal = ""]) =>
      literal.split(/'\n\s+'/).map((line) => ({ file, line, lines: literal.split("\n").length, whole: literal })),
    ),
  );
  expect(literals.length).toBeGreaterThan(1000);
  const offenders = literals.filter(
    ({ line, lines, whole }) =>
      line.length > 120 || /\\n./.test(line) || (lines === 1 && /[a-z0-9`)][.!?] [A-Z`]/.test(whole)),
  );
  expect(offenders.map(({ file, line }) => `${file}: ${line}`)).toEqual([]);
});

test("a fixture holds one function or procedure, is named after it, and is included by the migration of its subject", () => {
  const schemas: Record<string, string> = { auth: "auth", hidden: "attune_hidden", "": "attune" };
  const offenders = read("fixtures/**/*.sql").filter(({ file, text }) => {
    const [, subject = "", place = "", name = ""] = /^fixtures\/([^/]+)\/(?:(\w+)\/)?(\w+)\.sql$/.exec(file) ?? [];
    const including = SOURCES.filter((source) =>
      source.text.includes(`--! Included ${file.slice("fixtures/".length)}\n`),
    );
    const isIncluded = including.length === 1 && including[0]?.file.endsWith(`-${subject}.sql`) === true;
    // What something else reads, too: the server's definitions, and `attune sql --roles`.
    if (["shipped_definitions", "roles"].includes(name)) return !isIncluded;
    const made = [...text.matchAll(/create (?:or replace )?(?:function|procedure) (\w+\.\w+)\(/g)]
      .map(([, it]) => it)
      .join();
    const schema = schemas[place || (subject === "auth" ? subject : "")] ?? "attune_private";
    return !isIncluded || made !== `${schema}.${name}` || (place === "triggers") !== name.startsWith("tg_");
  });
  expect(offenders.map(({ file }) => file)).toEqual([]);
});

/** What a migration that is no transaction makes and did not drop before, so that it could not be run again. */
function leftovers(text: string): string[] {
  if (!/^--! no-transaction$/m.test(text)) return [];
  const made = text.matchAll(/create (?:unique )?index concurrently (\w+) on (\w+)\./g);
  return [...made]
    .map(({ index, 1: name, 2: schema }) => ({ index, name: `${schema}.${name}` }))
    .filter(({ index, name }) => !text.slice(0, index).includes(`drop index concurrently if exists ${name};`))
    .map(({ name }) => name);
}

test("a migration that is no transaction drops what it makes first, so that it can be run again", () => {
  expect(leftovers("--! no-transaction\ncreate index concurrently a_idx on attune.a (b);")).toEqual(["attune.a_idx"]);
  expect(leftovers(read("../CONTRIBUTING.md")[0]?.text ?? "")).toEqual([]);
  expect(read("committed/*.sql").flatMap(({ text }) => leftovers(text))).toEqual([]);
});

test("what belongs to a table stands before the next table", () => {
  // The policies of these ask a function that reads both tables.
  const together = new Set(["attune.team_members", "attune.project_members"]);
  const offenders = read("committed/*.sql").flatMap(({ text }) => {
    let current = "";
    return [
      ...text.matchAll(/^create table (\S+)|^(?:alter table (\S+) enable row level|create policy \w+ on (\S+))/gm),
    ].flatMap(([, made, secured, policed]) => {
      if (made !== undefined && !together.has(made)) current = made;
      const about = secured ?? policed ?? current;
      return about === current || together.has(about) ? [] : [about];
    });
  });
  expect(offenders).toEqual([]);
});
