/** The subjects have the same words everywhere, and everything in the reference has a subject. */
import { globSync, readFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { buildSchema } from "graphql";
import { expect, test } from "vitest";
import { graphqlNames } from "../scripts/reference/graphql-names.ts";
import { readSubjects } from "../scripts/reference/subjects.ts";

const ROOT = resolve(import.meta.dirname, "..");
const find = (pattern: string): string[] => globSync(pattern, { cwd: ROOT }).toSorted();
const folders = (path: string): string[] => find(`${path}/*/`).map((folder) => basename(folder));
const headings = (page: string): string[] =>
  Array.from(readFileSync(resolve(ROOT, page), "utf8").matchAll(/^## (.+)$/gm), ([, heading = ""]) => heading);

const SUBJECTS = readSubjects().map(({ name }) => name);

test("the table in CONTRIBUTING has the migrations, in their order", () => {
  expect(SUBJECTS).toEqual(
    find("migrations/committed/*.sql").map((file) => basename(file, ".sql").replace(/^\d+-/, "")),
  );
});

test("fixtures are in folders of the subjects, and so are the tests, where SQL can be tested", () => {
  expect(folders("migrations/fixtures")).toEqual(SUBJECTS.toSorted());
  const untested = new Set(["auth", "shipped-definitions"]);
  expect(folders("sql-tests").filter((folder) => folder !== "support" && !untested.has(folder))).toEqual(
    SUBJECTS.filter((subject) => !untested.has(subject)).toSorted(),
  );
});

test("the reference has the subjects, in their order, and then what is of none", () => {
  expect(headings("docs/reference/schema.md")).toEqual(SUBJECTS);

  const inGraphql = headings("docs/reference/graphql.md");
  expect(inGraphql.length).toBeGreaterThan(10);
  expect(inGraphql).toEqual([...SUBJECTS.filter((subject) => inGraphql.includes(subject)), "Subscriptions", "Scalars"]);
});

test("the index of the schema leads to every page of it", () => {
  const index = readFileSync(resolve(ROOT, "docs/reference/schema.md"), "utf8");
  const listed = Array.from(index.matchAll(/\]\((schema\/[\w-]+\.md)\)/g), ([, page = ""]) => `docs/reference/${page}`);
  expect(listed.length).toBeGreaterThan(10);
  expect(listed.toSorted()).toEqual(find("docs/reference/schema/*.md"));
});

test("a query that nothing in SQL is called like is no part of the reference", () => {
  expect(() => graphqlNames([], buildSchema("type Query { lostSettings: [Int!]! }"))).toThrow(/Query\.lostSettings/);
});
