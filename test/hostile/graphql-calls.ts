/** Random GraphQL: any fields of the schema, with values that are valid, nearly valid, or not at all. */
import {
  getNamedType,
  getNullableType,
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLObjectType,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
} from "graphql";
import { odd, type Random, randomJson } from "./random.ts";

/** What a random value may name, by what an argument is called: keys, ids, tokens. */
export type Words = {
  /** Ids of anything. */
  ids: readonly string[];
  /** By the name of an argument. */
  byName: Readonly<Record<string, readonly string[]>>;
  /** Names that JSON may have. */
  names: readonly string[];
};

export type GraphqlCall = { query: string; variables: Record<string, unknown> };
type Root = "query" | "mutation";
type Field = GraphQLField<unknown, unknown>;

/** The fields of `Query` and `Mutation`. */
export function rootFields(schema: GraphQLSchema): { root: Root; field: Field }[] {
  const of = (root: Root, type: GraphQLObjectType | null | undefined) =>
    Object.values(type?.getFields() ?? {}).map((field) => ({ root, field }));
  return [...of("query", schema.getQueryType()), ...of("mutation", schema.getMutationType())];
}

/** Fields to ask for beside one: the same again, the list beside the single one, or any others of its root. */
export function randomCompany(
  random: Random,
  all: readonly { root: Root; field: Field }[],
  root: Root,
  field: Field,
): Field[] {
  const others = all.filter((other) => other.root === root).map((other) => other.field);
  const stem = field.name.replace(/(y|ies|s)$/, "");
  const relatives = others.filter(({ name }) => name.startsWith(stem));
  return random.several(0, 2, () => random.pick(random.chance(0.5) ? relatives : others));
}

/** Makes an operation that asks for these fields, the same ones several times too. */
export function randomOperation(random: Random, words: Words, root: Root, fields: readonly Field[]): GraphqlCall {
  const variables: Record<string, unknown> = {};
  const declared: string[] = [];
  let aliases = 0;

  function alias(): string {
    aliases += 1;
    return `a${aliases}: `;
  }

  function value(argument: GraphQLArgument): string | undefined {
    const { name, type } = argument;
    if (!isNonNullType(type) && random.chance(0.4)) return undefined;
    const chosen = randomValue(random, words, type, name);
    if (chosen === undefined) return undefined;
    if (random.chance(0.3)) return literal(chosen, type);
    const variable = `v${declared.length}`;
    declared.push(`$${variable}: ${type.toString()}`);
    variables[variable] = chosen;
    return `$${variable}`;
  }

  function directive(): string {
    if (random.chance(0.95)) return "";
    return random.pick([" @include(if: true)", " @skip(if: false)", " @skip(if: true)", " @include(if: false)"]);
  }

  function select(field: Field, depth: number, name: string): string {
    const given = field.args.flatMap((argument) => {
      const text = value(argument);
      return text === undefined ? [] : [`${argument.name}: ${text}`];
    });
    const args = given.length > 0 ? `(${given.join(", ")})` : "";
    const type = getNamedType(field.type);
    const selection = isObjectType(type) ? ` { ${selectionOf(type, depth).join(" ")} }` : "";
    return `${name}${field.name}${args}${directive()}${selection}`;
  }

  function selectionOf(type: GraphQLObjectType, depth: number): string[] {
    const all = Object.values(type.getFields());
    const leaves = new Set(all.filter((field) => !isObjectType(getNamedType(field.type))));
    const inner = depth > 0 ? all.filter((field) => isObjectType(getNamedType(field.type))) : [];
    const chosen = random.several(1, 4, () => random.pick(inner.length > 0 && random.chance(0.5) ? inner : all));
    const fits = chosen.filter((field) => depth > 0 || leaves.has(field));
    const texts = fits.map((field) => {
      // Under one name there is one field, with the same arguments and fields inside.
      const isPlain = leaves.has(field) && field.args.length === 0;
      const text = select(field, depth - 1, isPlain && random.chance(0.9) ? "" : alias());
      return random.chance(0.05) ? `... on ${type.name} { ${text} }` : text;
    });
    return texts.length > 0 ? texts : ["__typename"];
  }

  const asked = fields.map((field) => select(field, 3, fields.length > 1 ? alias() : ""));
  const head = declared.length > 0 ? `${root} (${declared.join(", ")})` : root;
  return { query: `${head} { ${asked.join(" ")} }`, variables };
}

/** A value for a type, or undefined to leave it out. Mostly one that fits; a filter in filters ends four levels down. */
function randomValue(random: Random, words: Words, type: GraphQLInputType, name: string, depth = 4): unknown {
  if (random.chance(0.01)) return random.pick([null, {}, [], odd.text(random), odd.integer(random), true]);
  if (!isNonNullType(type) && random.chance(0.1)) return null;
  const nullable = getNullableType(type);
  if (isListType(nullable))
    return random.several(0, 3, () => randomValue(random, words, nullable.ofType, name, depth) ?? null);
  if (isEnumType(nullable)) return random.pick(nullable.getValues()).name;
  if (isInputObjectType(nullable)) {
    const members = Object.values(nullable.getFields()).flatMap((field) => {
      if (!isNonNullType(field.type) && (depth <= 0 || random.chance(0.5))) return [];
      const value = randomValue(random, words, field.type, field.name, depth - 1);
      return value === undefined ? [] : [[field.name, value] as const];
    });
    return Object.fromEntries(members);
  }
  const known = words.byName[name];
  if (known !== undefined && random.chance(0.8)) return random.pick(known);
  return scalar(random, words, nullable.name, name);
}

function scalar(random: Random, words: Words, type: string, name: string): unknown {
  switch (type) {
    case "Boolean":
      return random.chance(0.5);
    case "Int":
      return name === "first"
        ? random.pick(random.chance(0.02) ? [100, 101, -1] : [0, 1, 2, 3, 5, 8])
        : odd.integer(random);
    case "Float":
      return random.pick([0, -1.5, 1e300, odd.integer(random)]);
    case "BigInt":
      return random.chance(0.6) ? String(random.below(50)) : odd.big(random);
    case "UUID":
      return random.chance(0.8) ? random.pick(words.ids) : random.pick([odd.uuid(random), odd.text(random)]);
    case "Datetime":
      return odd.time(random);
    case "JSON":
      return randomJson(random, words.names);
    case "Cursor":
      return Buffer.from(JSON.stringify(randomJson(random, words.names)) ?? "").toString("base64");
    default:
      return random.chance(0.5) ? random.pick(words.names) : odd.text(random);
  }
}

/** A value as it stands in a query. */
function literal(value: unknown, type: GraphQLInputType | undefined): string {
  const nullable = type && getNullableType(type);
  if (Array.isArray(value))
    return `[${value.map((each) => literal(each, isListType(nullable) ? nullable.ofType : undefined)).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    const fields = isInputObjectType(nullable) ? nullable.getFields() : {};
    const members = Object.entries(value).filter(([name]) => /^[_A-Za-z]\w*$/.test(name));
    return `{${members.map(([name, each]) => `${name}: ${literal(each, Object.hasOwn(fields, name) ? fields[name]?.type : undefined)}`).join(", ")}}`;
  }
  if (typeof value === "string" && isEnumType(nullable)) return /^[_A-Za-z]\w*$/.test(value) ? value : '""';
  return JSON.stringify(value);
}
