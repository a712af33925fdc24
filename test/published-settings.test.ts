/** A real application's published settings, applied as definitions and used: rust-analyzer's for coc.nvim. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  createTestDatabase,
  createTestServer,
  type TestDatabase,
  type TestServer,
  type TestUser,
} from "./support/harness.ts";

type Property = { default?: unknown; description?: string; markdownDescription?: string };
type Document = { $id: string; properties: Record<string, Property> };
type Change = { action: string; key: string; storedValues: string };

let database: TestDatabase;
let server: TestServer;
let admin: TestUser;
let user: TestUser;
let document: Document;

beforeAll(async () => {
  const manifest: unknown = JSON.parse(
    await readFile(createRequire(import.meta.url).resolve("coc-rust-analyzer/package.json"), "utf8"),
  );
  const { name, contributes } = manifest as {
    name: string;
    contributes: { configuration: { properties: Document["properties"] } };
  };
  document = { $id: name, properties: contributes.configuration.properties };
  database = await createTestDatabase();
  server = await createTestServer(database);
  admin = await database.createUser("admin@example.com", { admin: true });
  user = await database.createUser("user@example.com");
});

afterAll(async () => {
  await server.close();
  await database.close();
});

async function apply(next: Document, options: { dryRun?: boolean; storedValues?: "refuse" | "discard" } = {}) {
  const { body } = await server.graphql<{ applyDefinitions: { definitionChanges: Change[] } | null }>(
    `mutation ($document: JSON!, $dryRun: Boolean, $storedValues: StoredValuesAction) {
      applyDefinitions(input: { document: $document, dryRun: $dryRun, storedValues: $storedValues }) {
        definitionChanges { action key storedValues }
      }
    }`,
    { document: next, ...options },
    admin.token,
  );
  return { changes: body.data?.applyDefinitions?.definitionChanges ?? [], error: body.errors?.[0] };
}

async function set(key: string, value: unknown) {
  const { body } = await server.graphql<{
    setPreference: { effectiveSetting: { value: unknown; layer: string } } | null;
  }>(
    "mutation ($key: String!, $value: JSON) { setPreference(input: { key: $key, value: $value }) { effectiveSetting { value layer } } }",
    { key, value },
    user.token,
  );
  return body.data?.setPreference?.effectiveSetting ?? body.errors?.[0];
}

async function read(): Promise<Record<string, unknown>> {
  const { body } = await server.graphql<{ settingsDocument: Record<string, unknown> }>(
    "query ($category: String) { settingsDocument(category: $category) }",
    { category: document.$id },
    user.token,
  );
  return body.data?.settingsDocument ?? {};
}

test("more than a hundred published settings become definitions, as a dry run says before", async () => {
  const keys = Object.keys(document.properties).toSorted();
  expect(keys.length).toBeGreaterThan(100);

  const planned = await apply(document, { dryRun: true });
  expect(planned.error).toBeUndefined();
  expect(planned.changes.map(({ key }) => key).toSorted()).toEqual(keys);
  expect(await read()).toEqual({});

  const applied = await apply(document);
  expect(applied.changes).toEqual(planned.changes);
  expect(new Set(applied.changes.map(({ action }) => action))).toEqual(new Set(["added"]));
});

test("a user reads the published defaults", async () => {
  const defaults = Object.fromEntries(
    Object.entries(document.properties).map(([key, property]) => [key, property.default]),
  );
  expect(await read()).toEqual(defaults);
});

test("a user changes them, within what the publisher allows", async () => {
  expect(await set("rust-analyzer.completion.limit", 20)).toEqual({ value: 20, layer: "user" });
  expect(await set("rust-analyzer.completion.limit", null)).toEqual({ value: null, layer: "user" });
  expect(await set("rust-analyzer.cargo.features", ["serde"])).toEqual({ value: ["serde"], layer: "user" });
  expect(await set("rust-analyzer.cargo.cfgs", { miri: null, debug: "1" })).toEqual({
    value: { debug: "1" },
    layer: "user",
  });

  expect(await set("rust-analyzer.cachePriming.numThreads", 256)).toMatchObject({
    message: "rust-analyzer.cachePriming.numThreads is not valid: must be <= 255",
    extensions: { code: "PT422", reason: "invalid_value" },
  });
  expect(await set("rust-analyzer.cargo.features", ["serde", 1])).toMatchObject({
    extensions: { reason: "invalid_value" },
  });
});

test("applying it again, or what was exported, changes nothing", async () => {
  const again = await apply(document);
  expect(new Set(again.changes.map(({ action }) => action))).toEqual(new Set(["unchanged"]));

  const { body } = await server.graphql<{ exportDefinitions: Document }>(
    "query ($source: String) { exportDefinitions(source: $source) }",
    { source: document.$id },
    admin.token,
  );
  const exported = body.data?.exportDefinitions ?? document;
  expect(Object.keys(exported.properties)).toHaveLength(Object.keys(document.properties).length);
  expect(new Set((await apply(exported)).changes.map(({ action }) => action))).toEqual(new Set(["unchanged"]));
});

test("removing one that people have set is refused with the count, unless told to discard", async () => {
  const { "rust-analyzer.completion.limit": limit, ...others } = document.properties;
  expect(limit).toBeDefined();
  const without = { ...document, properties: others };

  const refused = await apply(without);
  expect(refused.error).toMatchObject({
    message: "Stored values would no longer be allowed: rust-analyzer.completion.limit (1)",
    extensions: { code: "PT409", reason: "stored_values_invalid" },
  });
  const planned = await apply(without, { dryRun: true });
  expect(planned.changes.filter(({ action }) => action !== "unchanged")).toEqual([
    { action: "removed", key: "rust-analyzer.completion.limit", storedValues: "1" },
  ]);
  expect(await read()).toHaveProperty(["rust-analyzer.completion.limit"]);

  expect((await apply(without, { storedValues: "discard" })).error).toBeUndefined();
  expect(await read()).not.toHaveProperty(["rust-analyzer.completion.limit"]);
});

test("changing one so that stored values break is refused with the count", async () => {
  const stricter = {
    ...document,
    properties: { ...document.properties, "rust-analyzer.cargo.features": { type: "string", default: "all" } },
  };

  expect((await apply(stricter)).error).toMatchObject({
    message: "Stored values would no longer be allowed: rust-analyzer.cargo.features (1)",
    extensions: { reason: "stored_values_invalid" },
  });
});

test("a user cannot apply definitions", async () => {
  const { body } = await server.graphql(
    "mutation ($document: JSON!) { applyDefinitions(input: { document: $document }) { definitionChanges { key } } }",
    { document },
    user.token,
  );
  expect(body.errors?.[0]?.extensions).toMatchObject({ code: "42501", reason: "admin_required" });
});
