/** Writes schema.graphql from the migrations, in a database made for it; `--check` only compares. */
import { readFile, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { openDatabase } from "../src/database/open.ts";
import { startThrowawayCluster } from "../src/embedded/testing/throwaway.ts";
import { graphqlSchema } from "../src/graphql/schema.ts";
import { readOptions } from "../src/options/options.ts";

const FILE = resolve(import.meta.dirname, "../schema.graphql");

const cluster = await startThrowawayCluster();
try {
  const options = readOptions({ DATABASE_URL: await cluster.createDatabase("attune"), JWT_SECRET: "-".repeat(32) });
  const connections = await openDatabase(options, { migrate: true });
  const schema = await graphqlSchema(connections.authenticatorUrl);

  if (!process.argv.includes("--check")) {
    await writeFile(FILE, schema);
  } else if ((await readFile(FILE, "utf8").catch(() => "")) !== schema) {
    console.error("schema.graphql is not what the migrations make: run `npm run schema` and commit it.");
    process.exitCode = 1;
  }
} finally {
  await cluster.stop();
}
