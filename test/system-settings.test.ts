/** docs/reference/system-settings.md has every setting of the category `system`, as it is shipped, and what reads it. */
import { globSync, readFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { expect, test } from "vitest";

const ROOT = resolve(import.meta.dirname, "..");
const read = (file: string): string => readFileSync(resolve(ROOT, file), "utf8");

type Definition = {
  description: string;
  /** Without one it is not set. */
  default?: number;
  minimum: number;
  maximum: number;
  "x-attune": { category: string };
};

const shipped = JSON.parse(read("definitions/attune.json")) as { properties: Record<string, Definition> };
const system = Object.entries(shipped.properties).filter(
  ([, definition]) => definition["x-attune"].category === "system",
);
const rows = [...read("docs/reference/system-settings.md").matchAll(/^\| `([A-Z_]+)` \| (.+) \|$/gm)].map(
  ([, key = "", cells = ""]) => ({ key, cells: cells.split(" | ") }),
);
const functions = globSync("migrations/fixtures/**/*.sql", { cwd: ROOT }).map((file) => ({
  name: basename(file, ".sql"),
  text: read(file),
}));

test("documents each as it is defined", () => {
  const documented = rows.map(({ key, cells: [description, , ...limits] }) => [
    key,
    description,
    ...limits.slice(0, 3),
  ]);
  expect(documented.length).toBeGreaterThan(10);
  expect(documented).toEqual(
    system.map(([key, definition]) => [
      key,
      definition.description,
      ...[definition.default ?? "–", definition.minimum, definition.maximum].map(String),
    ]),
  );
});

test.each(rows)("$key names what reads it, and no function that is not there", ({ key, cells }) => {
  const named = [...(cells.at(-1) ?? "").matchAll(/`(\w+)`/g)].map(([, name]) => name);
  const readers = functions.filter(({ text }) => text.includes(`'${key}'`)).map(({ name }) => name);
  expect(readers.length).toBeGreaterThan(0);
  expect(named).toEqual(expect.arrayContaining(readers));
  expect(functions.map(({ name }) => name)).toEqual(expect.arrayContaining(named));
});
