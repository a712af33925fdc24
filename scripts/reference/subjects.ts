/** The subjects: what each is about, and which migration makes which object. */
import { globSync, readFileSync } from "node:fs";
import { resolve } from "node:path";

export type Subject = { name: string; about: string };

const ROOT = resolve(import.meta.dirname, "../..");
const TABLE = /^\| Subject \| Is about \|\n\|[ |-]+\|\n((?:\|.*\|\n)+)/m;
const SAME = new Map([
  ["view", "table"],
  ["procedure", "function"],
]);
const MADE = /^\s*create (?:or replace )?(table|view|type|function|procedure) (\w+\.\w+)/gm;

/** In the order of the migrations, as the table in CONTRIBUTING.md has them. */
export function readSubjects(): Subject[] {
  const [, rows = ""] = TABLE.exec(readFileSync(resolve(ROOT, "CONTRIBUTING.md"), "utf8")) ?? [];
  return Array.from(rows.matchAll(/^\| `([\w-]+)` \| (.*) \|$/gm), ([, name = "", about = ""]) => ({ name, about }));
}

/**
 * The subject of every object, by what it is and its name: `table attune.teams`, `function attune.viewer`. That is the
 * first committed migration that creates it. A view is a table here, and a procedure a function.
 */
export function readMakers(): Map<string, string> {
  const makers = new Map<string, string>();
  for (const file of globSync("migrations/committed/*.sql", { cwd: ROOT }).toSorted()) {
    const subject = file.replace(/^.*\/\d+-(.*)\.sql$/, "$1");
    for (const [, kind = "", name = ""] of readFileSync(resolve(ROOT, file), "utf8").matchAll(MADE)) {
      const object = `${SAME.get(kind) ?? kind} ${name}`;
      if (!makers.has(object)) makers.set(object, subject);
    }
  }
  return makers;
}
