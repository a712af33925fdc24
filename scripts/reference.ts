/** Writes the reference of SQL and of GraphQL, from the catalogue of a database made for it; `--check` only compares. */
import { existsSync, globSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { buildSchema } from "graphql";
import { withClient } from "../src/database/client.ts";
import { openDatabase } from "../src/database/open.ts";
import { startThrowawayCluster } from "../src/embedded/testing/throwaway.ts";
import { readOptions } from "../src/options/options.ts";
import { type Catalogue, readCatalogue } from "./catalogue.ts";
import { graphqlNames } from "./reference/graphql-names.ts";
import { graphqlPage } from "./reference/graphql-page.ts";
import { placeObjects } from "./reference/objects.ts";
import { schemaIndex, schemaPage } from "./reference/schema-pages.ts";
import { readMakers, readSubjects } from "./reference/subjects.ts";

const ROOT = resolve(import.meta.dirname, "..");

/** Every page with its text. The same migrations give the same. */
function makePages(catalogue: Catalogue): Map<string, string> {
  const subjects = readSubjects();
  const objects = placeObjects(catalogue, subjects, readMakers());
  const schema = buildSchema(readFileSync(resolve(ROOT, "schema.graphql"), "utf8"));
  const names = graphqlNames(objects, schema);
  const pages = subjects.flatMap((subject): [string, string][] => {
    const own = objects.filter((object) => object.subject === subject.name);
    return own.length > 0 ? [[`docs/reference/schema/${subject.name}.md`, schemaPage(subject, own, names)]] : [];
  });
  return new Map([
    ["docs/reference/schema.md", schemaIndex(catalogue, subjects, objects)],
    ["docs/reference/graphql.md", graphqlPage(schema, subjects, names)],
    ...pages,
  ]);
}

/** The pages that are there and that nothing makes any more. */
function findStale(pages: Map<string, string>): string[] {
  return globSync("docs/reference/schema/*.md", { cwd: ROOT }).filter((file) => !pages.has(file));
}

async function writePages(pages: Map<string, string>): Promise<void> {
  await mkdir(resolve(ROOT, "docs/reference/schema"), { recursive: true });
  for (const [file, text] of pages) await writeFile(resolve(ROOT, file), text);
  for (const file of findStale(pages)) await rm(resolve(ROOT, file));
}

/** The pages that are not as they would be written. */
function findDifferent(pages: Map<string, string>): string[] {
  const isWritten = (file: string, text: string): boolean =>
    existsSync(resolve(ROOT, file)) && readFileSync(resolve(ROOT, file), "utf8") === text;
  return [...[...pages].filter(([file, text]) => !isWritten(file, text)).map(([file]) => file), ...findStale(pages)];
}

const cluster = await startThrowawayCluster();
try {
  const options = readOptions({ DATABASE_URL: await cluster.createDatabase("attune"), JWT_SECRET: "-".repeat(32) });
  const { ownerUrl } = await openDatabase(options, { migrate: true });
  const pages = makePages(await withClient(ownerUrl, readCatalogue));

  if (!process.argv.includes("--check")) {
    await writePages(pages);
  } else {
    const different = findDifferent(pages);
    if (different.length > 0) {
      console.error(
        `Not what the migrations make: ${different.join(", ")}. Run \`npm run reference\` and commit what it writes.`,
      );
      process.exitCode = 1;
    }
  }
} finally {
  await cluster.stop();
}
