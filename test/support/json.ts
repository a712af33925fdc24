/** JSON values for laws: what there may be, and RFC 7396 as its own pseudocode has it. */
import fc from "fast-check";

export type Json = null | boolean | number | string | Json[] | { [member: string]: Json };

export const isObject = (value: Json | undefined): value is { [member: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const merged: { [member: string]: Json } = isObject(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name];
    else merged[name] = mergePatch(merged[name], value);
  }
  return merged;
}

const memberName = fc.constantFrom("a", "b", "c", "d e", "ä");

export const leaf: fc.Arbitrary<Json> = fc.oneof(
  fc.boolean(),
  fc.integer({ min: -9, max: 9 }),
  fc.constantFrom("", "x", "ü"),
  fc.constant<Json>([1, { a: null }]),
);

/** Objects of few members, so that two of them often share some. */
export const tree = (leaves: fc.Arbitrary<Json>): fc.Arbitrary<Json> =>
  fc.dictionary(
    memberName,
    fc.oneof(
      leaves,
      fc.dictionary(memberName, fc.oneof(leaves, fc.dictionary(memberName, leaves, { maxKeys: 2 })), { maxKeys: 3 }),
    ),
    { maxKeys: 4, noNullPrototype: true },
  );

export type ValueType = "boolean" | "integer" | "object" | "any";
export const valueType = fc.constantFrom<ValueType[]>("boolean", "integer", "object", "any");
export const schemaOf = (type: ValueType): Json => (type === "any" ? {} : { type });

/** A value; with `nulls` its objects have members that are null, as patches have, and whole values. */
export function valueOf(type: ValueType, nulls: boolean): fc.Arbitrary<Json> {
  const leaves: fc.Arbitrary<Json> = nulls ? fc.oneof(leaf, fc.constant(null)) : leaf;
  if (type === "boolean") return fc.boolean();
  if (type === "integer") return fc.integer({ min: -100, max: 100 });
  if (type === "object") return tree(leaves);
  return fc.oneof(leaves, fc.constant(null), tree(leaves));
}

export type Variant = { name: string; weight: number; value: Json };

/** A split: weights are parts of their sum, and some may be none. */
export const variantsOf = (type: ValueType): fc.Arbitrary<Variant[]> =>
  fc
    .array(fc.tuple(fc.integer({ min: 0, max: 1000 }), valueOf(type, true)), { minLength: 1, maxLength: 4 })
    .filter((parts) => parts.some(([weight]) => weight > 0))
    .map((parts) => parts.map(([weight, value], n) => ({ name: `variant ${n}`, weight, value })));

export const percentage = fc.oneof(fc.constantFrom(0, 1, 99, 100, 100), fc.integer({ min: 0, max: 100 }));
