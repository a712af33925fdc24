/** Holds the SQL validator of JSON Schema to Ajv's verdicts, over random schemas, values and patterns. */
import { Ajv } from "ajv";
import { Ajv2020, type ErrorObject, type Schema, type SchemaObject } from "ajv/dist/2020.js";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "./support/harness.ts";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type Case = { schema: Schema; value: Json };
type Complaint = { path: string; message: string };

/** Cases come in batches of a hundred on average, each one round trip. */
const BATCHES = { numRuns: 12 };
const batchOf = { minLength: 1, maxLength: 200, size: "max" } as const;

const ajv = new Ajv2020({ strict: false, allErrors: true });
let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});

afterAll(() => database.close());

/** What SQL says of each case: first of the schema, then of the value. */
function judge(cases: Case[]): Promise<{ problems: Complaint[]; errors: Complaint[] }[]> {
  return database.query(
    `select
       array(select to_jsonb(p) from attune_private.json_schema_problems(c.item -> 'schema') as p) as problems,
       array(
         select to_jsonb(e) from attune_private.json_schema_errors(c.item -> 'schema', c.item -> 'value') as e
       ) as errors
     from jsonb_array_elements($1::jsonb) with ordinality as c (item, n)
     order by c.n`,
    [JSON.stringify(cases)],
  );
}

/** Whether SQL takes the value of each case, once its schema is in the words of draft 2020-12; null for no schema. */
async function verdicts(cases: Case[]): Promise<(boolean | null)[]> {
  const rows = await database.query<{ valid: boolean | null }>(
    `select case when not exists (select from attune_private.json_schema_problems(r.schema))
       then not exists (select from attune_private.json_schema_errors(r.schema, c.item -> 'value')) end as valid
     from jsonb_array_elements($1::jsonb) with ordinality as c (item, n)
     cross join attune_private.json_schema_resource(c.item -> 'schema') as r (schema)
     order by c.n`,
    [JSON.stringify(cases)],
  );
  return rows.map(({ valid }) => valid);
}

/** Each complaint once, in Ajv's words only: ours say more behind a colon or in brackets. */
function summary(complaints: Complaint[]): string[] {
  const lines = complaints.map(({ path, message }) => `${path}: ${message.replace(/(: | \().*$/s, "")}`);
  return [...new Set(lines)].toSorted();
}

/** What Ajv says, without what we leave out: the errors inside of branches, and those beside a wrong type. */
function ajvComplaints({ schema, value }: Case): Complaint[] {
  const validate = ajv.compile(schema);
  let isValid: unknown;
  try {
    isValid = validate(value);
  } catch (error: unknown) {
    // The code that Ajv writes for some odd schemas names a variable that it forgot: then it has no opinion.
    fc.pre(!(error instanceof ReferenceError));
    throw error;
  }
  if (isValid) return [];

  const all = validate.errors ?? [];
  const isBeside = (error: ErrorObject, wrongType: ErrorObject): boolean =>
    wrongType.keyword === "type" &&
    wrongType !== error &&
    error.schemaPath.startsWith(wrongType.schemaPath.replace(/type$/, "")) &&
    `${error.instancePath}/`.startsWith(`${wrongType.instancePath}/`);
  return all
    .filter((error) => !/\/(anyOf|oneOf|propertyNames)\//.test(error.schemaPath))
    .filter((error) => !all.some((other) => isBeside(error, other)))
    .map((error) => ({ path: error.instancePath, message: error.message ?? "" }));
}

// Few and small words, so that random values often meet what random schemas ask for.
const name = fc.constantFrom("a", "b", "a/b", "~");
const text = fc.constantFrom("", "a", "b", "ab", "a1", "aé", "😀", "a\nb");
const number = fc.constantFrom(-1, 0, 0.5, 1, 1.5, 2, 3, 4);
const size = fc.nat({ max: 3 });
const type = fc.constantFrom("array", "boolean", "integer", "null", "number", "object", "string");
const pattern = fc.constantFrom("^a", "b$", "^.*$", "^\\w$", "[^a]", "\\bb");

const { value } = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom(null, true, false),
    number,
    text,
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(name, tie("value"), { maxKeys: 3, noNullPrototype: true }),
  ),
}));

const join = (parts: object[]): SchemaObject => Object.assign({}, ...parts);

/** Not where Ajv takes a short cut: it compares only those items that are of the type `items` asks for. */
const isFair = (schema: SchemaObject): boolean => !("items" in schema && "uniqueItems" in schema);

const { schema } = fc.letrec<{ schema: Schema }>((tie) => {
  const some = { minLength: 1, maxLength: 3 };
  const branches = fc.array(tie("schema"), some);
  const members = fc.dictionary(name, tie("schema"), { maxKeys: 3, noNullPrototype: true });
  const optional = { requiredKeys: [] };
  const keywords = fc.oneof(
    fc.record({ type: fc.oneof(type, fc.uniqueArray(type, some)) }),
    fc.record({ enum: fc.array(value, some), const: value }, optional),
    fc.record({ minimum: number, maximum: number, multipleOf: fc.constantFrom(0.5, 1, 2) }, optional),
    fc.record({ exclusiveMinimum: number, exclusiveMaximum: number }, optional),
    fc.record({ minLength: size, maxLength: size, pattern }, optional),
    fc.record({ prefixItems: branches, items: tie("schema") }, optional),
    fc.record({ minItems: size, maxItems: size, uniqueItems: fc.boolean() }, optional),
    fc.record({ properties: members, additionalProperties: tie("schema"), propertyNames: tie("schema") }, optional),
    fc.record({ required: fc.uniqueArray(name, some), minProperties: size, maxProperties: size }, optional),
    fc.record({ anyOf: branches, allOf: branches, oneOf: branches, not: tie("schema") }, optional),
  );
  return {
    schema: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      { weight: 1, arbitrary: fc.boolean() },
      { weight: 9, arbitrary: fc.array(keywords, some).map(join).filter(isFair) },
    ),
  };
});

test("finds the errors that Ajv finds, at the same places and in its words", async () => {
  const seen = { valid: 0, invalid: 0 };

  await fc.assert(
    fc.asyncProperty(fc.array(fc.record({ schema, value }), batchOf), async (cases) => {
      const verdicts = await judge(cases);
      for (const [n, each] of cases.entries()) {
        const expected = summary(ajvComplaints(each));
        const verdict = verdicts[n];
        expect({ ...each, problems: verdict?.problems, errors: summary(verdict?.errors ?? []) }).toEqual({
          ...each,
          problems: [],
          errors: expected,
        });
        seen[expected.length > 0 ? "invalid" : "valid"] += 1;
      }
    }),
    BATCHES,
  );

  expect(Math.min(seen.valid, seen.invalid)).toBeGreaterThan(500);
}, 60_000);

/** The keywords that put schemas beside each other in more ways, with references. */
const { joined } = fc.letrec<{ joined: Schema }>((tie) => {
  const some = { minLength: 1, maxLength: 2 };
  const optional = { requiredKeys: [] };
  const branches = fc.array(tie("joined"), some);
  const members = fc.dictionary(name, tie("joined"), { maxKeys: 2, noNullPrototype: true });
  const patterns = fc.dictionary(fc.constantFrom("a", "^b", "/"), tie("joined"), { maxKeys: 2, noNullPrototype: true });
  const keywords = fc.oneof(
    fc.record({ type: fc.oneof(type, fc.uniqueArray(type, some)) }),
    fc.record({ minimum: number, minLength: size, minItems: size, minProperties: size }, optional),
    fc.record({ properties: members, patternProperties: patterns, additionalProperties: tie("joined") }, optional),
    fc.record({ prefixItems: branches, items: tie("joined") }, optional),
    fc.record(Object.fromEntries(["if", "then", "else"].map((keyword) => [keyword, tie("joined")])), optional),
    fc.record({ contains: tie("joined"), minContains: size, maxContains: size }, optional),
    fc.record(
      {
        dependentRequired: fc.dictionary(name, fc.uniqueArray(name, some), { maxKeys: 2, noNullPrototype: true }),
        dependentSchemas: members,
      },
      optional,
    ),
    fc.record({ anyOf: branches, allOf: branches, oneOf: branches, not: tie("joined") }, optional),
    fc.record({ unevaluatedProperties: tie("joined"), unevaluatedItems: tie("joined") }, optional),
    // A step into the value before each reference: without one it could lead back to itself.
    fc.record({ properties: fc.constantFrom({ a: { $ref: "#" } }, { a: { $ref: "#/$defs/x" } }) }),
    fc.record({ items: fc.constantFrom({ $ref: "#/$defs/y" }, { $ref: "#/$defs/x" }) }),
  );
  return {
    joined: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      { weight: 1, arbitrary: fc.boolean() },
      { weight: 9, arbitrary: fc.array(keywords, some).map(join) },
    ),
  };
});

const root = fc
  .tuple(joined, joined, joined)
  .map(([schema, x, y]): Schema => ({ ...(typeof schema === "object" ? schema : {}), $defs: { x, y } }));

/** What draft-07 said in other words. */
const { older } = fc.letrec<{ older: Schema }>((tie) => {
  const some = { minLength: 1, maxLength: 2 };
  const optional = { requiredKeys: [] };
  const members = fc.dictionary(name, tie("older"), { maxKeys: 2, noNullPrototype: true });
  const keywords = fc.oneof(
    fc.record({ type: fc.oneof(type, fc.uniqueArray(type, some)), minimum: number, maxItems: size }, optional),
    fc.record({ items: fc.oneof(tie("older"), fc.array(tie("older"), some)), additionalItems: tie("older") }, optional),
    fc.record(
      {
        properties: members,
        dependencies: fc.dictionary(name, fc.oneof(tie("older"), fc.uniqueArray(name, some)), {
          maxKeys: 2,
          noNullPrototype: true,
        }),
      },
      optional,
    ),
    fc.record({ items: fc.constant({ $ref: "#/definitions/x" }) }),
  );
  return {
    older: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      { weight: 1, arbitrary: fc.boolean() },
      { weight: 9, arbitrary: fc.array(keywords, some).map(join) },
    ),
  };
});
const olderRoot = fc.tuple(older, older).map(([schema, x]): Schema => ({
  ...(typeof schema === "object" ? schema : {}),
  $schema: "http://json-schema.org/draft-07/schema#",
  definitions: { x },
}));

/** Ajv's verdict; none where the code that it writes for an odd schema names a variable that it forgot. */
function verdict(oracle: Ajv | Ajv2020, { schema: judged, value: given }: Case): boolean | undefined {
  try {
    return oracle.compile(judged)(given);
  } catch (error: unknown) {
    if (error instanceof ReferenceError) return undefined;
    throw error;
  }
}

/** Fails where SQL and Ajv differ; gives how many values were valid, or invalid when those are fewer. */
async function compare(oracle: Ajv | Ajv2020, schemas: fc.Arbitrary<Schema>): Promise<number> {
  const seen = { valid: 0, invalid: 0 };

  await fc.assert(
    fc.asyncProperty(fc.array(fc.record({ schema: schemas, value }), batchOf), async (cases) => {
      const found = await verdicts(cases);
      for (const [n, each] of cases.entries()) {
        const expected = verdict(oracle, each);
        if (expected === undefined) continue;
        expect({ ...each, valid: found[n] }).toEqual({ ...each, valid: expected });
        seen[expected ? "valid" : "invalid"] += 1;
      }
    }),
    { numRuns: 10 },
  );

  return Math.min(seen.valid, seen.invalid);
}

test("takes the values that Ajv takes, with every keyword and with references", async () => {
  expect(await compare(ajv, root)).toBeGreaterThan(100);
}, 120_000);

test("takes the values that Ajv takes by a schema in the words of draft-07", async () => {
  expect(await compare(new Ajv({ strict: false }), olderRoot)).toBeGreaterThan(100);
}, 120_000);

test("reads a pattern as ECMA-262 does", async () => {
  // Nothing beyond U+FFFF: V8 wrongly finds \B in the middle of such a character.
  const subject = fc.string({
    unit: fc.constantFrom(..."abAB1_ .-/[]:^$\b\t\n\r\u00a0\u2028\ufeffé字"),
    maxLength: 5,
  });
  const words = (list: string): fc.Arbitrary<string> => fc.constantFrom(...list.split(" "));
  const atom = fc.oneof(
    words(String.raw`a b B 1 _ é 字 . \. \/ \t \n \x41 \x5f \u00e9 \cJ \d \D \w \W \s \S \p{L} \P{Lu} \p{P}`),
    words(String.raw`[ab] [^a] [a-c1] [.] [a\]^-] [\b] [[:a] [^[.a] [(?a] [\x61-\u0062]`),
    words(String.raw`[\p{L}_] [^\p{Lu}\d] [\p{gc=N}-] [\s\d] [^\S] [\S] [\s\S] [\W] [\D_] [^\w.]`),
  );
  const assertion = words(String.raw`^ $ \b \B (?=a) (?!b) (?<=a) (?<!b) (?=.$)`);
  const quantifier = words("  * + ? *? {2} {1,} {0,2}");
  const { regex } = fc.letrec<{ regex: string; piece: string }>((tie) => ({
    regex: fc.oneof(
      { maxDepth: 2, withCrossShrink: true },
      fc.array(tie("piece"), { maxLength: 4 }).map((pieces) => pieces.join("")),
      fc.tuple(tie("regex"), tie("regex")).map((alternatives) => alternatives.join("|")),
    ),
    piece: fc.oneof(
      { maxDepth: 2, withCrossShrink: true },
      fc.tuple(atom, quantifier).map((parts) => parts.join("")),
      assertion,
      fc.tuple(fc.constantFrom("(", "(?:"), tie("regex"), quantifier).map(([open, inner, q]) => `${open}${inner})${q}`),
    ),
  }));

  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(regex, subject), batchOf), async (cases) => {
      const verdicts = await judge(cases.map(([source, string]) => ({ schema: { pattern: source }, value: string })));
      for (const [n, [source, string]] of cases.entries()) {
        const verdict = verdicts[n];
        expect({ source, string, problems: verdict?.problems, matches: verdict?.errors.length === 0 }).toEqual({
          source,
          string,
          problems: [],
          matches: new RegExp(source, "u").test(string),
        });
      }
    }),
    BATCHES,
  );
}, 60_000);
