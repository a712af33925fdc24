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

test("a fixture holds one object, is named after it, and is included by the migration of its subject", () => {
  for (const { file, text } of read("fixtures/**/*.sql")) {
    const [, subject = "", place = "", name = ""] = /^fixtures\/([^/]+)\/(?:(\w+)\/)?(\w+)\.sql$/.exec(file) ?? [];
    if (subject !== "shipped-definitions") {
      const schema = { "": subject === "auth" ? "auth" : "attune", hidden: "attune_hidden" }[place] ?? "attune_private";
      const made = [...text.matchAll(/create (?:or replace )?function (\w+)\.(\w+)\(/g)].map(
        ([, of, it]) => `${of}.${it}`,
      );
      expect({ file, made }).toEqual({ file, made: [`${schema}.${name}`] });
      expect({ file, isTrigger: place === "triggers" }).toEqual({ file, isTrigger: name.startsWith("tg_") });
    }
    const including = SOURCES.filter(({ text: migration }) =>
      migration.includes(`--! Included ${file.slice("fixtures/".length)}\n`),
    );
    expect({ file, in: including.map((migration) => migration.file.replace(/^committed\/\d+-/, "")) }).toEqual({
      file,
      in: [`${subject}.sql`],
    });
  }
});

test("what belongs to a table stands before the next table", () => {
  // The policies of these ask a function that reads both tables.
  const together = new Set(["attune.team_members", "attune.project_members"]);
  for (const { file, text } of read("committed/*.sql")) {
    let current = "";
    for (const [, made, secured, policed] of text.matchAll(
      /^create table (\S+)|^alter table (\S+) enable row level security|^create policy \w+ on (\S+)/gm,
    )) {
      if (made !== undefined && !together.has(made)) current = made;
      const about = secured ?? policed;
      if (about !== undefined && !together.has(about)) expect({ file, about }).toEqual({ file, about: current });
    }
  }
});
