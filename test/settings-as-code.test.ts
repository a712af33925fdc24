/** The laws of settings as code: applying a document twice, or what was exported, changes nothing. */
import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "./support/harness.ts";

type Property = Record<string, unknown>;
type Change = { action: string; key: string; changes: unknown };

let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  client = new pg.Client(database.ownerUrl);
  await client.connect();
});

afterAll(async () => {
  await client.end();
  await database.close();
});

const text = fc.string({
  unit: fc.constantFrom("a", "B", " ", "'", '"', "\\", "/", "ü", "€", "𝄞", "\n", "%"),
  maxLength: 12,
});
const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined });
const options = fc.record(
  {
    category: text.filter((category) => category !== ""),
    layer: fc.constantFrom("default", "global", "plan", "team", "user", "project"),
    writable_by: fc.constantFrom("user", "admin"),
    seeding: fc.constantFrom("inherit", "copy"),
    is_public: fc.boolean(),
    audience: fc.constantFrom("public", "client", "server", "admin"),
    merge: fc.constant("replace"),
    rollout_group: text.filter((group) => group !== ""),
    assertFormat: fc.boolean(),
  },
  { requiredKeys: [] },
);

/** The members that say what values there may be, with or without a default that is one of them. */
const valueKeywords: fc.Arbitrary<Property> = fc.oneof(
  fc.record({ type: fc.constant("boolean"), default: fc.boolean() }, { requiredKeys: ["type"] }),
  fc.record(
    { type: fc.constant("integer"), minimum: fc.integer({ min: -9, max: 0 }), default: fc.nat(9) },
    { requiredKeys: ["type"] },
  ),
  fc.record({ type: fc.constant("string"), maxLength: fc.constant(12), default: text }, { requiredKeys: ["type"] }),
  fc.record(
    { type: fc.constant(["string", "null"]), default: fc.constant(null), examples: fc.array(text) },
    { requiredKeys: ["type"] },
  ),
  fc.record(
    {
      type: fc.constant("object"),
      properties: fc.constant({ a: { type: "integer", description: "A" } }),
      default: fc.constant({ a: 1 }),
    },
    { requiredKeys: ["type"] },
  ),
  fc.record(
    {
      enum: fc.constant([null, 1, "x", { a: null }]),
      enumDescriptions: fc.array(text),
      default: fc.constantFrom(1, "x", null, { a: null }),
    },
    { requiredKeys: ["enum"] },
  ),
  fc.record({ $ref: fc.constantFrom("#/$defs/color", "#/$defs/tree"), description: text }, { requiredKeys: ["$ref"] }),
  fc.record({ default: fc.jsonValue({ maxDepth: 2, stringUnit: "grapheme-ascii" }) }, { requiredKeys: [] }),
);

const property: fc.Arbitrary<Property> = fc
  .tuple(valueKeywords, optional(text), optional(text), optional(options))
  .map(([keywords, description, markdownDescription, own]) => ({
    ...keywords,
    ...(description !== undefined && { description }),
    ...(markdownDescription !== undefined && { markdownDescription }),
    ...(own && { "x-attune": own }),
  }));

const document = fc.record(
  {
    $id: fc.constant("law"),
    title: text,
    "x-attune": options,
    $defs: fc.constant({
      color: { type: "string", default: "red", description: "A color." },
      tree: { type: "object", properties: { branch: { $ref: "#/$defs/tree" }, leaf: { $ref: "#/$defs/color" } } },
    }),
    properties: fc.dictionary(fc.constantFrom("a", "b.c", "D_E", "f/g", "h:i@1-2"), property, {
      maxKeys: 4,
      noNullPrototype: true,
    }),
  },
  { requiredKeys: ["$id", "$defs", "properties"] },
);

/** What an administrator may do to a definition by hand, whatever its schema. */
const edit = fc.record(
  {
    description: text,
    category: text.filter((category) => category !== ""),
    writable_by: fc.constantFrom("user", "admin"),
    seeding: fc.constantFrom("inherit", "copy"),
    audience: fc.constantFrom("public", "client", "server", "admin"),
  },
  { requiredKeys: ["description"] },
);

async function apply(of: unknown): Promise<Change[]> {
  const { rows } = await client.query<Change>("select action, key, changes from attune.apply_definitions($1)", [
    JSON.stringify(of),
  ]);
  return rows;
}

async function exported(): Promise<unknown> {
  const {
    rows: [row],
  } = await client.query<{ document: unknown }>("select attune.export_definitions('law') as document");
  return row?.document;
}

const differing = (changes: Change[]): Change[] => changes.filter(({ action }) => action !== "unchanged");

test("applying a document again changes nothing, nor does applying what is exported after edits", async () => {
  await fc.assert(
    fc.asyncProperty(document, fc.array(edit, { maxLength: 4 }), async (declared, edits) => {
      await client.query("begin");
      try {
        const added = await apply(declared);
        expect(added.map(({ key }) => key).toSorted()).toEqual(Object.keys(declared.properties).toSorted());
        expect(differing(await apply(declared))).toEqual([]);
        expect(differing(await apply(await exported()))).toEqual([]);

        for (const [n, columns] of edits.entries()) {
          const key = Object.keys(declared.properties)[n];
          const set = Object.keys(columns)
            .map((column, index) => `${column} = $${index + 2}`)
            .join(", ");
          await client.query(`update attune.setting_definitions set ${set} where key = $1`, [
            key,
            ...Object.values(columns),
          ]);
        }
        expect(differing(await apply(await exported()))).toEqual([]);
      } finally {
        await client.query("rollback");
      }
    }),
    { numRuns: 100 },
  );
});

test("applying one document after another is applying the other alone", async () => {
  const registry = async (): Promise<unknown[]> =>
    (
      await client.query(`
        select key, category, description, schema, default_value, layer, writable_by, seeding, merge, audience, rollout_group, source
        from attune.setting_definitions order by key`)
    ).rows;

  await fc.assert(
    fc.asyncProperty(document, document, async (one, other) => {
      await client.query("begin");
      try {
        await client.query("savepoint nothing");
        await apply(other);
        const alone = await registry();
        await client.query("rollback to nothing");
        await apply(one);
        await apply(other);
        expect(await registry()).toEqual(alone);
      } finally {
        await client.query("rollback");
      }
    }),
    { numRuns: 50 },
  );
});
