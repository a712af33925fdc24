/** Writes the types of the examples' requests, from schema.client.graphql; `--check` only compares. */
import { globSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { codegen } from "@graphql-codegen/core";
import * as typedDocumentNode from "@graphql-codegen/typed-document-node";
import * as typescriptOperations from "@graphql-codegen/typescript-operations";
import { parse } from "graphql";

const ROOT = resolve(import.meta.dirname, "..");

const schema = parse(await readFile(resolve(ROOT, "schema.client.graphql"), "utf8"));
for (const requests of globSync("examples/*/requests.graphql", { cwd: ROOT })) {
  const filename = resolve(ROOT, dirname(requests), "requests.ts");
  const generated = await codegen({
    filename,
    schema,
    documents: [{ location: requests, document: parse(await readFile(resolve(ROOT, requests), "utf8")) }],
    plugins: [{ operations: {} }, { documents: {} }],
    pluginMap: { operations: typescriptOperations, documents: typedDocumentNode },
    // Scalars are text, so that no digit is lost.
    config: {
      scalars: { JSON: "unknown" },
      defaultScalarType: "string",
      useTypeImports: true,
      arrayInputCoercion: false,
    },
  });
  const text = `/** The requests of ${basename(dirname(requests))} with their types: \`npm run examples\` makes it of requests.graphql. */\n${generated}`;
  if (!process.argv.includes("--check")) {
    await writeFile(filename, text);
  } else if ((await readFile(filename, "utf8").catch(() => "")) !== text) {
    console.error(`${filename} is not what its requests and the schema make: run \`npm run examples\` and commit it.`);
    process.exitCode = 1;
  }
}
