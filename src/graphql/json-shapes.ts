/** What GraphQL can say of a JSON value, by its JSON Schema: all that it can't say is JSON. */
import { camelCase } from "postgraphile/graphile-build";

/** Objects inside objects, so that a query may be deep enough to read the innermost. */
const DEEPEST = 5;
/** Members of a value, those of inner objects included: a schema that refers to itself twice would have any number. */
const MOST_MEMBERS = 1000;
const MOST_WORDS = 1000;
/** Lists inside lists: code generators ask for types nine wrappers deep. */
const MOST_LISTS = 2;

/** A name that GraphQL takes. */
export const NAME = /^(?!__)[A-Za-z_][A-Za-z0-9_]*$/;
/** Names that GraphQL's enums can't have. */
const LITERALS = new Set(["true", "false", "null"]);
/** Below which an `Int` is, on both sides of 0. */
export const INT = 2 ** 31;

/** Keywords by which an object may have other members, or members of another kind, than its `properties` say. */
const UNSAYABLE = ["allOf", "anyOf", "oneOf", "if", "dependentSchemas", "patternProperties"];

export type Shape =
  | { kind: "json" }
  | { kind: "scalar"; type: "String" | "Int" | "Float" | "Boolean" }
  | ({ kind: "enum"; words: Word[] } & Named)
  | { kind: "list"; items: Nullable }
  | ({ kind: "object"; members: Member[] } & Named);

/** A value of an enum, and what `enumDescriptions` say of it. */
export type Word = { word: string; description: string | undefined };

/** What the schema calls it, where it refers to it by name: what is equal in several places is one type. */
type Named = { shared: { name: string; description: string } | undefined };

export type Nullable = {
  shape: Shape;
  /** Whether it may be null, or not be there. */
  mayBeNull: boolean;
};

/** A setting's value, or a part of it. */
export type Value = Nullable & {
  /** The setting, and the way to the part. */
  path: string;
  description: string;
};

export type Member = Value & {
  /** As JSON has it. */
  name: string;
  /** As GraphQL has it. */
  field: string;
};

type Schema = Readonly<Record<string, unknown>>;

/** Where in a value a schema stands. */
type Place = {
  /** The subject of a description: a setting, and the way into it. */
  path: string;
  /** How many objects it is in, and how many lists in the innermost of them. */
  depth: number;
  lists: number;
  /** What is there by default. */
  preset: unknown;
  /** Whether what is there by default is always there, because everything else is merged over it. */
  isKept: boolean;
  /** References that were followed on the way. */
  followed: readonly string[];
} & Named;

const JSON_SHAPE: Shape = { kind: "json" };
const ANYTHING: Nullable = { shape: JSON_SHAPE, mayBeNull: true };

/**
 * The shape of a setting's value.
 * @param setting its key
 * @param description of the setting
 * @param preset its default; undefined or null when it has none
 * @param isMerged whether everything that is stored is merged over the default
 */
export function valueOf(
  setting: string,
  description: string,
  schema: unknown,
  preset: unknown,
  isMerged: boolean,
): Value {
  let membersLeft = MOST_MEMBERS;

  function read(node: unknown, place: Place): Nullable {
    if (!isSchema(node)) return ANYTHING;
    // References in a schema of its own start there.
    if (node !== schema && "$id" in node) return ANYTHING;
    const reference = node["$ref"];
    if (typeof reference === "string") {
      const target = place.followed.includes(reference) ? undefined : targetOf(schema, reference);
      // Rules beside a reference hold as well; who reads both as one might miss some.
      if (target === undefined || "type" in node || "properties" in node) return ANYTHING;
      const there = { ...place, path: setting + reference, followed: [...place.followed, reference] };
      const name = fieldOf(reference.split("/").at(-1) ?? "");
      return read(target, { ...there, shared: { name, description: describe(target, there) } });
    }
    const constant = "const" in node ? [node["const"]] : undefined;
    const values = Array.isArray(node["enum"]) ? node["enum"] : constant;
    const types = typesOf(node, values);
    if (types === undefined) return ANYTHING;
    const mayBeNull = types.has("null") && !(values !== undefined && !values.includes(null));
    types.delete("null");
    const [type] = types;
    if (types.size !== 1 || type === undefined) return { shape: JSON_SHAPE, mayBeNull };
    return { shape: ofType(type, node, values, place), mayBeNull };
  }

  function ofType(type: string, node: Schema, values: unknown[] | undefined, place: Place): Shape {
    switch (type) {
      case "boolean":
        return { kind: "scalar", type: "Boolean" };
      case "number":
        return { kind: "scalar", type: "Float" };
      case "integer":
        return { kind: "scalar", type: fitsInt(node, values) ? "Int" : "Float" };
      case "string":
        return ofString(node, values, place);
      case "array":
        return ofArray(node, place);
      default:
        return ofObject(node, place);
    }
  }

  function ofArray(node: Schema, place: Place): Shape {
    const { path, lists } = place;
    if (!isSchema(node["items"]) || "prefixItems" in node || lists === MOST_LISTS) return JSON_SHAPE;
    const inside = { path: `${path}/…`, lists: lists + 1, preset: undefined, isKept: false, shared: undefined };
    return { kind: "list", items: read(node["items"], { ...place, ...inside }) };
  }

  function ofObject(node: Schema, place: Place): Shape {
    const { properties, additionalProperties } = node;
    const cannotBeSaid =
      !isSchema(properties) ||
      isSchema(additionalProperties) ||
      UNSAYABLE.some((keyword) => keyword in node) ||
      place.depth >= DEEPEST;
    if (cannotBeSaid) return JSON_SHAPE;
    const names = Object.keys(properties);
    const fields = fieldsOf(names);
    if (fields === undefined || names.length === 0 || names.length > membersLeft) return JSON_SHAPE;
    membersLeft -= names.length;
    const required = new Set(Array.isArray(node["required"]) ? node["required"] : []);
    const members = names.map((name, index): Member => {
      const isThere = isSchema(place.preset) && Object.hasOwn(place.preset, name) && place.preset[name] !== null;
      const inside: Place = {
        ...place,
        path: `${place.path}/${name}`,
        depth: place.depth + 1,
        lists: 0,
        preset: isThere && isSchema(place.preset) ? place.preset[name] : undefined,
        isKept: place.isKept && isThere,
        shared: undefined,
      };
      const { shape, mayBeNull } = read(properties[name], inside);
      return {
        name,
        field: fields[index] ?? name,
        shape,
        mayBeNull: mayBeNull || !(required.has(name) || inside.isKept),
        path: inside.path,
        description: describe(properties[name], inside),
      };
    });
    return { kind: "object", members, shared: place.shared };
  }

  const start = { depth: 0, lists: 0, followed: ["#"], shared: undefined };
  const place = { ...start, path: setting, preset, isKept: isMerged };
  const { shape, mayBeNull } = read(schema, place);
  const isThere = preset !== undefined && preset !== null;
  return { shape, mayBeNull: mayBeNull || !isThere, path: setting, description: describe({ description }, place) };
}

/** Whether JSON is an object. */
export function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The schema that a reference inside the same schema leads to. */
function targetOf(root: unknown, reference: string): Schema | undefined {
  if (!/^#(\/|$)/.test(reference)) return undefined;
  let target: unknown = root;
  for (const step of reference.split("/").slice(1)) {
    const name = step.replaceAll("~1", "/").replaceAll("~0", "~");
    target = isSchema(target) && Object.hasOwn(target, name) ? target[name] : undefined;
  }
  return isSchema(target) ? target : undefined;
}

/** The types that a value may have; undefined when that is not said. */
function typesOf({ type }: Schema, values: unknown[] | undefined): Set<string> | undefined {
  if (type === undefined && values === undefined) return undefined;
  const types = new Set([type ?? values?.map(typeOf)].flat().filter((name) => typeof name === "string"));
  if (types.has("number")) types.delete("integer");
  return types;
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value !== "number") return typeof value;
  return Number.isInteger(value) ? "integer" : "number";
}

function fitsInt(node: Schema, values: unknown[] | undefined): boolean {
  if (values !== undefined) return values.every((value) => typeof value !== "number" || (value >= -INT && value < INT));
  const bound = (inclusive: string, exclusive: string): number =>
    Number(node[inclusive] ?? node[exclusive] ?? Number.NaN);
  return bound("minimum", "exclusiveMinimum") >= -INT && bound("maximum", "exclusiveMaximum") < INT;
}

function ofString({ enumDescriptions }: Schema, values: unknown[] | undefined, { shared }: Place): Shape {
  const described = Array.isArray(enumDescriptions) ? enumDescriptions : [];
  const words = (values ?? []).flatMap((word, index): Word[] => {
    const description: unknown = described[index];
    if (typeof word !== "string" || values?.indexOf(word) !== index) return [];
    return [{ word, description: typeof description === "string" ? description : undefined }];
  });
  const isEnum =
    words.length > 0 && words.length <= MOST_WORDS && words.every(({ word }) => NAME.test(word) && !LITERALS.has(word));
  return isEnum ? { kind: "enum", words, shared } : { kind: "scalar", type: "String" };
}

/** A name as GraphQL takes it: what is none is made one, and may still be none. */
function fieldOf(name: string): string {
  return NAME.test(name) ? name : camelCase(name.replaceAll(/[^A-Za-z0-9_]+/g, "-"));
}

/** The fields of an object's members. Undefined when one has no name, or two have the same. */
function fieldsOf(names: string[]): string[] | undefined {
  const fields = names.map(fieldOf);
  return fields.every((field) => NAME.test(field)) && new Set(fields).size === fields.length ? fields : undefined;
}

/** What the schema says of a value, or which it is; and its default. */
function describe(schema: unknown, { path, preset, followed }: Pick<Place, "path" | "preset" | "followed">): string {
  const { title, description, deprecated } = isSchema(schema) ? schema : {};
  const words = [title, description].filter((text) => typeof text === "string" && text.trim() !== "");
  const said = words.length > 0 ? words.join("\n\n") : `\`${path}\`.`;
  // What stands in several places has several defaults.
  const isShared = followed.length > 1;
  const example = preset === undefined || isShared || isSchema(preset) ? undefined : JSON.stringify(preset);
  const usual = example !== undefined && example.length <= 200 ? ` Default: \`${example}\`.` : "";
  return `${said}${usual}${deprecated === true ? " Deprecated." : ""}`;
}
