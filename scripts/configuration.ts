/** Writes the tables of the configuration's page from the variables that are read; `--check` only compares. */
import { readFile, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { environmentMarkdown } from "../src/options/documentation.ts";

const FILE = "docs/reference/configuration.md";
const MARKS = ["<!-- Written by `npm run configuration`; do not edit it here. -->", "<!-- Until here. -->"] as const;

const path = resolve(import.meta.dirname, "..", FILE);
const page = await readFile(path, "utf8");
const [before, written, after] = page.split(new RegExp(MARKS.join("|")));
if (written === undefined || after === undefined) throw new Error(`${FILE} has lost the marks around its tables.`);
const tables = `\n\n${environmentMarkdown()}\n\n`;

if (!process.argv.includes("--check")) {
  await writeFile(path, [before, MARKS[0], tables, MARKS[1], after].join(""));
} else if (written !== tables) {
  console.error(`${FILE} is not what src/options/variables.ts says: run \`npm run configuration\` and commit it.`);
  process.exitCode = 1;
}
