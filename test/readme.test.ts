/**
 * What the documents show is what happens, done in their order; what they ask is kept by a client's cache, urql's
 * Graphcache, which has nothing to warn of and is right after a mutation; and the matrix of rights is true.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readCatalogue, rightsMatrix } from "../scripts/catalogue.ts";
import { withClient } from "../src/database/client.ts";
import { type Findings, throughTabs } from "./support/graphcache.ts";
import { openSession, readBlocks, readSteps, type Session } from "./support/documents.ts";
import { createTestDatabase } from "./support/harness.ts";

const ROOT = resolve(import.meta.dirname, "..");
const read = (file: string): string => readFileSync(resolve(ROOT, file), "utf8");

const TUTORIAL = "docs/tutorial/first-ten-minutes.md";
const HOW_TO = Array.from(
  read("docs/README.md").matchAll(/\]\((how-to\/[\w-]+\.md)\)$/gm),
  ([, page]) => `docs/${page}`,
);

/** Each on a database of its own. */
describe.each([
  { reader: "who does the README and then the tutorial", documents: ["README.md", TUTORIAL], cached: true, least: 0 },
  // Who asks exactly what is shown.
  { reader: "who does the tutorial alone", documents: [TUTORIAL], cached: false, least: 0 },
  {
    reader: "who looks things up",
    documents: [...HOW_TO, "docs/reference/json-schema.md", "docs/reference/system-settings.md"],
    cached: true,
    least: 5,
  },
])("$reader", ({ documents, cached, least }) => {
  const findings: Findings = { page: "", warnings: [], compared: 0, wrong: [] };
  let session: Session;

  beforeAll(async () => {
    session = await openSession(cached ? throughTabs(findings) : undefined);
  });
  afterAll(() => session.close());

  const steps = documents.flatMap((document) => readSteps(document).map((step) => ({ document, ...step })));
  test.each(steps)("$document: $title", async (step) => {
    findings.page = step.document;
    const { actual, expected } = await session.run(step);
    expect(actual).toEqual(expected);
  });

  test.runIf(cached)("a cache keeps it without a warning, and is right after each mutation", () => {
    expect(findings.warnings).toEqual([]);
    expect(findings.wrong).toEqual([]);
    expect(findings.compared).toBeGreaterThanOrEqual(least);
  });
});

test("what CONTRIBUTING shows of current.sql can run twice", async () => {
  const migration = readBlocks("CONTRIBUTING.md").find(({ language }) => language === "sql")?.text ?? "";
  const database = await createTestDatabase();
  try {
    await withClient(database.ownerUrl, async (client) => {
      await client.query(migration);
      await client.query(migration);
      const { rows } = await client.query("select attune.bookmark_count('a')");
      expect(rows).toEqual([{ bookmark_count: "0" }]);
    });
  } finally {
    await database.close();
  }
});

test("the matrix of rights is what policies and grants give", async () => {
  const database = await createTestDatabase();
  try {
    const matrix = rightsMatrix(await withClient(database.ownerUrl, readCatalogue)).map(
      (cells) => `| ${cells.join(" | ")} |`,
    );
    expect(matrix.length).toBeGreaterThan(5);
    expect(
      read("README.md")
        .split("\n")
        .filter((line) => /^\| `\w+` \|/.test(line)),
    ).toEqual(matrix);
  } finally {
    await database.close();
  }
});
