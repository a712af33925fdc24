/** Holds the SQL validator of JSON Schema against Ajv, over random schemas and values. */
import { Ajv2020, type ErrorObject } from "ajv/dist/2020.js";
import fc from "fast-check";
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase } from "./support/harness.ts";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type Schema = boolean | { [keyword: string]: Json };
type Case = { schema: Schema; value: Json };
type Complaint = { path: string; message: string };

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let client: Client;

beforeAll(async () => {
  database = await createTestDatabase();
  client = new Client({ connectionString: database.ownerUrl });
  await client.connect();
});

afterAll(async () => {
  await client.end();
  await database.close();
});

/** What the functions say of each case, in one round trip. */
async function validate(cases: Case[]): Promise<{ problems: Complaint[]; errors: Complaint[] }[]> {
  const { rows } = await client.query<{ problems: Complaint[]; errors: Complaint[] }>(
    `select
       array(select to_jsonb(p) from attune_private.json_schema_problems(c.item -> 'schema') as p) as problems,
       array(select to_jsonb(e) from attune_private.json_schema_errors(c.item -> 'schema', c.item -> 'value') as e) as errors
     from jsonb_array_elements($1) with ordinality as c (item, n)
     order by c.n`,
    [JSON.stringify(cases)],
  );
  return rows;
}

/** Complaints as one comparable list: each once, without what we add to the words of Ajv. */
function essence(complaints: Complaint[]): string[] {
  const lines = complaints.map(({ path, message }) => `${path}: ${message.replace(/(: | \().*$/s, "")}`);
  return [...new Set(lines)].sort();
}

/** The complaints of Ajv that we make too: not those inside a branch, nor others about a value of the wrong type. */
function ajvComplaints(errors: ErrorObject[]): Complaint[] {
  const wrongType = new Set(errors.filter((e) => e.keyword === "type").map((e) => e.schemaPath.replace(/type$/, "")));
  return errors
    .filter((e) => !/\/(anyOf|oneOf|propertyNames)\//.test(e.schemaPath))
    .filter((e) => e.keyword === "type" || ![...wrongType].some((schema) => e.schemaPath.startsWith(schema)))
    .map((e) => ({ path: e.instancePath, message: e.message ?? "" }));
}

// Few and small words, so that random values often meet what random schemas ask for.
const names = fc.constantFrom("a", "b", "a/b", "~", "");
const texts = fc.constantFrom("", "a", "b", "ab", "a1", "aé", "😀", "a\nb");
const numbers = fc.constantFrom(-1, 0, 0.5, 1, 1.5, 2, 3, 4);
const sizes = fc.nat({ max: 3 });
const types = fc.constantFrom("array", "boolean", "integer", "null", "number", "object", "string");

const { value } = fc.letrec<{ value: Json; array: Json[]; object: { [key: string]: Json } }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom<Json>(null, true, false),
    numbers,
    texts,
    tie("array"),
    tie("object"),
  ),
  array: fc.array(tie("value"), { maxLength: 3 }),
  object: fc.dictionary(names, tie("value"), { maxKeys: 3 }),
}));

const { schema } = fc.letrec<{ schema: Schema; keywords: Schema }>((tie) => {
  const branches = fc.array(tie("schema"), { minLength: 1, maxLength: 3 });
  return {
    schema: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      { arbitrary: fc.boolean(), weight: 1 },
      { arbitrary: tie("keywords"), weight: 9 },
    ),
    keywords: fc.oneof(
      fc.record(
        {
          type: fc.oneof(types, fc.uniqueArray(types, { minLength: 1, maxLength: 4 })),
          properties: fc.dictionary(names, tie("schema"), { maxKeys: 3 }),
          required: fc.uniqueArray(names, { maxLength: 2 }),
          additionalProperties: tie("schema"),
          items: tie("schema"),
        },
        { requiredKeys: [] },
      ),
      fc.record(
        { enum: fc.array(value, { minLength: 1, maxLength: 4 }), const: value, not: tie("schema") },
        { requiredKeys: [] },
      ),
      fc.record(
        { minimum: numbers, maximum: numbers, exclusiveMinimum: numbers, exclusiveMaximum: numbers,
          multipleOf: fc.constantFrom(0.5, 1, 2) },
        { requiredKeys: [] },
      ),
      fc.record(
        { minLength: sizes, maxLength: sizes, pattern: fc.constantFrom("^a", "b$", "^.*$", "^\\w$", "[^a]", "\\bb") },
        { requiredKeys: [] },
      ),
      fc.record(
        { items: tie("schema"), prefixItems: branches, minItems: sizes, maxItems: sizes, uniqueItems: fc.boolean() },
        { requiredKeys: [] },
      ),
      fc.record(
        { properties: fc.dictionary(names, tie("schema"), { maxKeys: 3 }), additionalProperties: tie("schema"),
          propertyNames: tie("schema"), minProperties: sizes, maxProperties: sizes },
        { requiredKeys: [] },
      ),
      fc.record({ anyOf: branches, allOf: branches, oneOf: branches }, { requiredKeys: [] }),
    ),
  } as never;
});

test("agrees with Ajv on what is valid, where it is not, and how that is said", async () => {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  const cases = fc.array(fc.record({ schema, value }), { size: "max", maxLength: 200 });
  let valid = 0;
  let invalid = 0;

  await fc.assert(
    fc.asyncProperty(cases, async (batch) => {
      const results = await validate(batch);
      batch.forEach((item, n) => {
        const accepts = ajv.compile(item.schema);
        const expected = accepts(item.value);
        expect({ ...item, result: results[n] }).toEqual({
          ...item, result: 1
        });
        expected ? valid++ : invalid++;
      });
    }),
    { numRuns: 1 },
  );
  expect({ valid, invalid }).toEqual(0);
});
