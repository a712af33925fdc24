/** Random JSON Schemas of the kind that settings have, and values that often satisfy them. */
import fc from "fast-check";
import { isObject, type Json } from "./json.ts";

type JsonObject = { [member: string]: Json };

// Few and small words, so that random values often meet what random schemas ask for.
const name = fc.constantFrom("a", "b", "c");
const number = fc.integer({ min: 0, max: 4 });
const text = fc.constantFrom("", "x", "yy");
const size = fc.integer({ min: 0, max: 3 });

/** Any value, of a few levels. */
const anything = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 2, withCrossShrink: true },
    fc.oneof<fc.Arbitrary<Json>[]>(number, text, fc.boolean(), fc.constant(null)),
    fc.dictionary(name, tie("value"), { maxKeys: 3, noNullPrototype: true }),
    fc.array(tie("value"), { maxLength: 2 }),
  ),
})).value;

const some = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(of, { minLength: 1, maxLength: 2 });
const members = (of: fc.Arbitrary<Json>): fc.Arbitrary<Json> =>
  fc.dictionary(name, of, { minKeys: 1, maxKeys: 3, noNullPrototype: true });
const namesOf = fc.uniqueArray(name, { minLength: 1, maxLength: 2 });

/** A schema of no object, or of whatever there is. */
const leafSchema: fc.Arbitrary<Json> = fc.oneof<fc.Arbitrary<Json>[]>(
  fc.constantFrom<Json[]>({ type: "integer" }, { type: "string" }, { type: "boolean" }, true, {}, false),
  fc.record({ type: fc.constant("integer"), minimum: number }),
  fc.record({ maximum: number }),
  fc.constantFrom<Json[]>({ type: ["integer", "null"] }, { enum: ["x", "yy"] }, { enum: [1, null] }, { const: 1 }),
  fc.record({ type: fc.constant("array"), maxItems: size }),
  fc.record({ type: fc.constant("string"), minLength: size }),
);

const present = (keywords: { [keyword: string]: Json | undefined }): JsonObject =>
  Object.fromEntries(Object.entries(keywords).filter((entry): entry is [string, Json] => entry[1] !== undefined));

const conditional = (when: Json, so: Json, otherwise?: Json): JsonObject =>
  // oxlint-disable-next-line unicorn/no-thenable -- It is JSON Schema's own word, and nobody awaits a schema.
  present({ if: when, then: so, else: otherwise });

/** Schemas of which so many in ten, on every level, constrain the members of an object together. */
const schemasWith = (joints: number) =>
  fc.letrec<{ any: Json; object: Json; fragment: Json; joint: Json }>((tie) => {
    /** So many times in ten. */
    const sometimes = <T>(of: fc.Arbitrary<T>, times: number): fc.Arbitrary<T | undefined> =>
      fc.oneof({ weight: 10 - times, arbitrary: fc.constant(undefined) }, { weight: times, arbitrary: of });
    return {
      any: fc.oneof(
        { maxDepth: 3, withCrossShrink: true },
        { weight: 10, arbitrary: leafSchema },
        { weight: 10 - joints, arbitrary: tie("object") },
        { weight: joints, arbitrary: tie("joint") },
      ),
      /** What constrains each member on its own. */
      fragment: fc
        .record({
          properties: sometimes(members(tie("any")), 8),
          required: sometimes(namesOf, 1 + joints),
          additionalProperties: sometimes(tie("any"), 4),
          patternProperties: sometimes(
            fc.record({ "^a": tie("any"), "[bc]": tie("any") }, { requiredKeys: [], noNullPrototype: true }),
            3,
          ),
          propertyNames: sometimes(
            fc.constantFrom<Json[]>({ enum: ["a", "b"] }, { pattern: "^[ab]" }, { minLength: 1 }),
            2,
          ),
        })
        .map(present),
      object: fc.oneof(
        { maxDepth: 3, withCrossShrink: true },
        tie("fragment"),
        fc
          .tuple(
            fc.constantFrom<Json[]>(
              "object",
              ...(joints > 0 ? ["object", ["object", "null"], ["object", "string"]] : []),
            ),
            tie("fragment"),
            fc
              .record({
                allOf: sometimes(some(fc.oneof(tie("fragment"), tie("object"))), 3),
                $ref: sometimes(fc.constantFrom("#/$defs/plain", "#/$defs/tree"), 3),
                unevaluatedProperties: sometimes(tie("any"), 1),
              })
              .map(present),
          )
          .map(([type, fragment, rest]) => ({ type, ...(fragment as JsonObject), ...rest })),
      ),
      /** What constrains members together. */
      joint: fc.oneof(
        { maxDepth: 3, withCrossShrink: true },
        leafSchema,
        fc
          .tuple(
            tie("object"),
            fc.oneof<fc.Arbitrary<JsonObject>[]>(
              fc.record({ minProperties: size }),
              fc.record({ maxProperties: size }),
              fc.record({ oneOf: some(tie("any")) }),
              fc.record({ anyOf: some(tie("any")) }),
              fc.record({ not: tie("any") }),
              fc.record({ const: anything }),
              fc.record({ enum: fc.array(anything, { minLength: 1, maxLength: 4 }) }),
              fc
                .tuple(tie("any"), tie("any"), fc.option(tie("any")))
                .map(([when, so, otherwise]) => conditional(when, so, otherwise ?? undefined)),
              fc.record({
                dependentRequired: fc.dictionary(name, namesOf, { minKeys: 1, maxKeys: 2, noNullPrototype: true }),
              }),
              fc.record({ dependentSchemas: members(tie("any")) }),
            ),
          )
          .map(([schema, keyword]) => ({ ...(schema as JsonObject), ...keyword })),
      ),
    };
  });

const calm = schemasWith(0);
const wild = schemasWith(4);

/** A flat object, or one in a member, of which one keyword asks something of several members: a mixture easily breaks it. */
const focused: fc.Arbitrary<Json> = fc
  .tuple(
    fc.oneof<fc.Arbitrary<JsonObject>[]>(
      fc.record({ maxProperties: fc.constantFrom(1, 2) }),
      fc.record({ minProperties: fc.constantFrom(1, 2) }),
      fc.constantFrom<JsonObject[]>(
        { oneOf: [{ required: ["a"] }, { required: ["b"] }] },
        { anyOf: [{ maxProperties: 1 }, { required: ["c"] }] },
        { not: { required: ["a", "b"] } },
        { enum: [{}, { a: 1 }, { b: 1 }, { a: 1, c: 1 }] },
        { const: { a: 1, b: 1 } },
        conditional({ required: ["a"] }, { maxProperties: 1 }),
        { dependentRequired: { a: ["b"], b: ["a"] } },
        { dependentSchemas: { a: { properties: { b: { const: 1 } } } } },
        { type: ["object", "null"], required: ["a", "b"] },
        { required: ["a"] },
        { allOf: [{ maxProperties: 2 }] },
        { propertyNames: { enum: ["a", "b"] } },
      ),
    ),
    fc.constantFrom<JsonObject[]>({}, { properties: { a: { enum: [1, 2] }, b: { type: "integer" } } }),
    fc.boolean(),
  )
  .map(([keyword, rest, isNested]) => {
    const object = { type: "object", ...rest, ...keyword };
    return isNested ? { type: "object", properties: { a: object } } : object;
  });

const definitions = fc.record({
  plain: calm.fragment,
  tree: fc.constantFrom<Json[]>(
    { type: "object", properties: { a: { $ref: "#/$defs/tree" }, b: { type: "integer" } } },
    {
      type: "object",
      properties: { a: { $ref: "#/$defs/tree" } },
      additionalProperties: { type: "integer" },
      required: ["b"],
    },
  ),
});

/** A schema, mostly of an object; its references lead to what it brings along, and some go round in circles. */
export const randomSchema: fc.Arbitrary<Json> = fc
  .tuple(
    fc.oneof(
      { weight: 4, arbitrary: calm.object },
      { weight: 5, arbitrary: focused },
      { weight: 2, arbitrary: wild.joint },
      { weight: 1, arbitrary: wild.object },
      { weight: 1, arbitrary: wild.any },
    ),
    definitions,
  )
  .map(([schema, $defs]) =>
    isObject(schema) && JSON.stringify([schema, $defs.plain]).includes("$ref") ? { ...schema, $defs } : schema,
  );

/** A schema with one more thing to ask for, or without one. */
export const variationOf = (schema: Json): fc.Arbitrary<Json> => {
  if (!isObject(schema)) return randomSchema;
  const without = Object.keys(schema)
    .filter((keyword) => keyword !== "$defs")
    .map((keyword) => Object.fromEntries(Object.entries(schema).filter(([each]) => each !== keyword)));
  return fc.oneof<fc.Arbitrary<Json>[]>(
    fc.constantFrom<Json[]>(schema, ...without),
    fc.record({ required: namesOf }).map((more) => ({ ...schema, ...more })),
    fc.record({ maxProperties: size }).map((more) => ({ ...schema, ...more })),
    fc.record({ additionalProperties: leafSchema }).map((more) => ({ ...schema, ...more })),
    randomSchema,
  );
};

/** A value as a schema seems to ask for it: mostly, not always, a valid one. */
export function likelyValue(root: Json, schema: Json = root, depth = 0): fc.Arbitrary<Json> {
  if (!isObject(schema) || depth > 3) return depth > 3 ? number : anything;
  const $defs = isObject(root) && isObject(root["$defs"]) ? root["$defs"] : {};
  const inner = (of: Json | undefined): fc.Arbitrary<Json> => likelyValue(root, of ?? true, depth + 1);

  if (schema["const"] !== undefined) return fc.constant(schema["const"]);
  if (Array.isArray(schema["enum"]) && schema["enum"].length > 0) return fc.constantFrom<Json[]>(...schema["enum"]);

  // All that applies in place gives hints of what members there may be.
  const branches = ["allOf", "oneOf", "anyOf"].flatMap((keyword) => {
    const list = schema[keyword];
    return Array.isArray(list) ? list : [];
  });
  const target = typeof schema["$ref"] === "string" ? $defs[schema["$ref"].replace("#/$defs/", "")] : undefined;
  const beside = [...branches, schema["then"], schema["else"], target].filter(isObject);

  const types = [schema["type"] ?? ["object", "object", "object", "integer"]].flat();
  const hints = [schema, ...beside];
  const properties = Object.assign({}, ...hints.map((each) => each["properties"] ?? {})) as JsonObject;
  const required = new Set(hints.flatMap((each) => (Array.isArray(each["required"]) ? each["required"] : [])));
  const others = hints.map((each) => each["additionalProperties"]).find((each) => each !== undefined);
  const byPattern = (member: string): Json | undefined =>
    hints
      .flatMap((each) => (isObject(each["patternProperties"]) ? Object.entries(each["patternProperties"]) : []))
      .find(([pattern]) => new RegExp(pattern, "u").test(member))?.[1];

  const valueOfType = (type: Json): fc.Arbitrary<Json> => {
    switch (type) {
      case "integer":
      case "number":
        return number;
      case "string":
        return text;
      case "boolean":
        return fc.boolean();
      case "null":
        return fc.constant(null);
      case "array":
        return fc.array(number, { maxLength: 2 });
      default: {
        const offered = ["a", "b", "c"].filter(
          (member) => member in properties || required.has(member) || others !== false,
        );
        const requiredKeys = offered.filter((member) => required.has(member));
        return fc
          .record(
            Object.fromEntries(
              offered.map((member) => [member, inner(properties[member] ?? byPattern(member) ?? others)]),
            ),
            { requiredKeys, noNullPrototype: true },
          )
          .map((record) => record as Json);
      }
    }
  };
  return fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...types).chain(valueOfType) },
    { weight: 1, arbitrary: anything },
  );
}

/** A patch of what a schema seems to ask for: some of its members, some of them null. */
export const likelyPatch = (schema: Json): fc.Arbitrary<Json> =>
  fc
    .tuple(likelyValue(schema), fc.dictionary(name, fc.constantFrom("keep", "drop", "null"), { noNullPrototype: true }))
    .map(([value, changes]) =>
      isObject(value)
        ? Object.fromEntries(
            Object.entries(value).flatMap(([member, each]): [string, Json][] => {
              if (changes[member] === "drop") return [];
              return [[member, changes[member] === "null" ? null : each]];
            }),
          )
        : value,
    );
