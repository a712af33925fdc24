/** What README and the guides show is what happens, what they link to is there, and the matrix of rights is true. */
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readCatalogue, rightsMatrix } from "../scripts/catalogue.ts";
import { withClient } from "../src/database/client.ts";
import { openSession, readSteps, type Session } from "./support/documents.ts";
import { createTestDatabase } from "./support/harness.ts";

const ROOT = resolve(import.meta.dirname, "..");
const DOCUMENTS = globSync(["*.md", "docs/*.md"], { cwd: ROOT });
const read = (file: string): string => readFileSync(resolve(ROOT, file), "utf8");

describe.each(["README.md", "docs/tutorial.md", "docs/how-to.md", "docs/cookbook.md"])("%s", (document) => {
  let session: Session;

  beforeAll(async () => {
    session = await openSession();
  });
  afterAll(() => session.close());

  test.each(readSteps(document))("$title", async (step) => {
    const { actual, expected } = await session.run(step);
    expect(actual).toEqual(expected);
  });
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

/** As GitHub makes them. */
function anchors(markdown: string): string[] {
  const headings = markdown.replaceAll(/^```[^]*?^```$/gm, "").matchAll(/^#+ (.+)$/gm);
  return Array.from(
    headings,
    ([, heading = ""]) =>
      `#${heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-")}`,
  );
}

test.each(DOCUMENTS)("%s links to what exists", (document) => {
  const broken = [...read(document).matchAll(/\]\((?!https?:)([^)#]*)(#[^)]*)?\)/g)].flatMap(
    ([link, path = "", anchor]) => {
      const target = path === "" ? document : relative(ROOT, resolve(ROOT, dirname(document), path));
      const isThere =
        existsSync(resolve(ROOT, target)) && (anchor === undefined || anchors(read(target)).includes(anchor));
      return isThere ? [] : [link];
    },
  );
  expect(broken).toEqual([]);
});
