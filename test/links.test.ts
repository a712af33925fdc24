/** Every link in the documents leads somewhere, every page is in the index, and the sources name pages that are there. */
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, normalize, resolve } from "node:path";
import { expect, test } from "vitest";

const ROOT = resolve(import.meta.dirname, "..");
const read = (file: string): string => readFileSync(resolve(ROOT, file), "utf8");
const find = (...patterns: string[]): string[] =>
  globSync(patterns, { cwd: ROOT, exclude: (name) => /(^|\/)(node_modules|\.[^/]+)$/.test(name) });

const DOCUMENTS = find("**/*.md");
const SOURCES = find("{bench,bin,migrations,scripts,sql-tests,src,test}/**/*.{js,mjs,ts,sql}", "*.ts");

const withoutCode = (markdown: string): string =>
  markdown.replaceAll(/^ *```[^]*?^ *```$/gm, "").replaceAll(/`[^`\n]*`/g, "");

/** Where a document links to, other sites apart. */
function links(document: string): { link: string; path: string; anchor: string | undefined }[] {
  return Array.from(
    withoutCode(read(document)).matchAll(/(?:\]\(|^\[[^\]]+\]: )(?![a-z]+:)([^)#\s]*)(?:#([^)\s]*))?/gm),
    ([link, path = "", anchor]) => ({ link, path, anchor }),
  );
}

/** As GitHub makes them: headings that read the same are told apart by a number. */
function anchors(document: string): string[] {
  const seen = new Map<string, number>();
  return Array.from(
    read(document)
      .replaceAll(/^```[^]*?^```$/gm, "")
      .matchAll(/^#+ (.+)$/gm),
    ([, heading = ""]) => {
      const anchor = heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-");
      const count = seen.get(anchor) ?? 0;
      seen.set(anchor, count + 1);
      return count === 0 ? anchor : `${anchor}-${count}`;
    },
  );
}

test.each(DOCUMENTS)("%s links to what is there", (document) => {
  const broken = links(document).flatMap(({ link, path, anchor }) => {
    const target = path === "" ? document : normalize(join(dirname(document), path));
    const isThere = existsSync(resolve(ROOT, target)) && (anchor === undefined || anchors(target).includes(anchor));
    return isThere ? [] : [link];
  });
  expect(broken).toEqual([]);
});

test("docs/README.md lists every page once", () => {
  const listed = links("docs/README.md")
    .filter(({ path, anchor }) => !path.startsWith("..") && anchor === undefined)
    .map(({ path }) => `docs/${path}`);
  expect(listed.length).toBeGreaterThan(40);
  expect(new Set(listed)).toEqual(new Set(find("docs/*/*.md")));
});

test("sources name pages that are there", () => {
  const missing = SOURCES.flatMap((source) =>
    (read(source).match(/\bdocs\/[\w/-]+\.md\b/g) ?? [])
      .filter((page) => !existsSync(resolve(ROOT, page)))
      .map((page) => `${source}: ${page}`),
  );
  expect(SOURCES.length).toBeGreaterThan(50);
  expect(missing).toEqual([]);
});
