/**
 * Writes what clients read and what `attune verify` expects, from the migrations in a database made for it and from
 * docs; `--check` only compares.
 */
import { readFile, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { catalogueToExpect } from "../src/database/catalogue.ts";
import { withClient } from "../src/database/client.ts";
import { openDatabase } from "../src/database/open.ts";
import { startThrowawayCluster } from "../src/embedded/testing/throwaway.ts";
import { graphqlSchema } from "../src/graphql/schema.ts";
import { readOptions } from "../src/options/options.ts";
import { readReasons } from "./reference/reasons.ts";

const ROOT = resolve(import.meta.dirname, "..");

const cluster = await startThrowawayCluster();
try {
  const options = readOptions({ DATABASE_URL: await cluster.createDatabase("attune"), JWT_SECRET: "-".repeat(32) });
  const connections = await openDatabase(options, { migrate: true });
  const { all, client, withoutId } = await graphqlSchema(connections.authenticatorUrl);
  const reasons = readReasons(await readFile(resolve(ROOT, "docs/reference/errors.md"), "utf8"));

  const catalogue = await withClient(connections.ownerUrl, catalogueToExpect);

  const files = {
    "migrations/catalogue.json": `${JSON.stringify(catalogue, null, 2)}\n`,
    "schema.graphql": all,
    "schema.client.graphql": client,
    "schema.cache.json": `${JSON.stringify({ withoutId }, null, 2)}\n`,
    "schema.reasons.json": `${JSON.stringify(reasons, null, 2)}\n`,
  };
  for (const [name, text] of Object.entries(files)) {
    const file = resolve(ROOT, name);
    if (!process.argv.includes("--check")) {
      await writeFile(file, text);
    } else if ((await readFile(file, "utf8").catch(() => "")) !== text) {
      console.error(`${name} is not what the migrations and documents make: run \`npm run schema\` and commit it.`);
      process.exitCode = 1;
    }
  }
} finally {
  await cluster.stop();
}
