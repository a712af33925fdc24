/** Registers the GraphQL types of JSON values: of objects one to read and one to write them, of words an enum. */
import type { GraphQLInputType, GraphQLOutputType } from "graphql";
import type {} from "postgraphile";
import { type GrafastFieldConfig, type GrafastInputFieldConfig, lambda, type Step } from "postgraphile/grafast";
import { type Member, NAME, type Nullable, type Shape, type Value, type Word } from "./json-shapes.ts";
import { memberOf, readValue } from "./json-values.ts";

/** The types of a value, to be asked for when all types are known. */
export type TypesOfValue = { output: () => GraphQLOutputType; input: () => GraphQLInputType };

/** How an object is written: members of a patch may be left out, and null resets them; a whole has all it requires. */
type Writing = "Patch" | "Input";

declare global {
  namespace GraphileBuild {
    interface ScopeObject {
      /** Made by a JSON Schema, not by the database. */
      isOfJsonSchema?: boolean;
    }
    interface ScopeInputObject {
      isOfJsonSchema?: boolean;
    }
  }
}

const SCOPE = { isOfJsonSchema: true };
const ORIGIN = "a JSON Schema";

/**
 * @param names of its object or enum type: the first that is free; those of its parts begin with it
 * @param writing whether objects are patched; what is in a list is always written whole
 */
export function registerTypes(
  build: GraphileBuild.Build,
  value: Value,
  names: string[],
  writing: Writing,
): TypesOfValue {
  const { GraphQLBoolean, GraphQLFloat, GraphQLInt, GraphQLList, GraphQLNonNull, GraphQLString } = build.graphql;
  const scalars = { String: GraphQLString, Int: GraphQLInt, Float: GraphQLFloat, Boolean: GraphQLBoolean };
  /** Of objects and enums. */
  const typeNames = new Map<Shape, string>();
  /** Of those that the schema refers to by name, by all that they are. */
  const shared = new Map<string, string>();
  const camel = (name: string): string => build.inflection.upperCamelCase(name);
  const root = names.find((name) => NAME.test(name)) ?? "";

  const isFree = (name: string): boolean =>
    NAME.test(name) && ["", "Patch", "Input"].every((suffix) => build.getTypeMetaByName(name + suffix) === null);

  function freeOf(candidates: string[]): string {
    const last = candidates.at(-1) ?? "";
    let name = candidates.find(isFree);
    for (let number = 2; name === undefined; number += 1) name = [`${last}${number}`].find(isFree);
    return name;
  }

  function register(shape: Shape, description: string, candidates: string[]): void {
    if (shape.kind === "list") {
      register(
        shape.items.shape,
        description,
        candidates.map((name) => build.inflection.singularize(name)),
      );
    } else if (shape.kind === "enum" || shape.kind === "object") {
      const key = shape.shared && JSON.stringify(shape);
      const known = key && shared.get(key);
      const name = known ?? freeOf(shape.shared ? [root + camel(shape.shared.name)] : candidates);
      typeNames.set(shape, name);
      if (known !== undefined) return;
      if (key !== undefined) shared.set(key, name);
      const said = shape.shared?.description ?? description;
      if (shape.kind === "enum") registerEnum(shape.words, said, name);
      else registerObject(shape.members, said, name);
    }
  }

  function registerEnum(words: Word[], description: string, name: string): void {
    const values = Object.fromEntries(words.map(({ word, description: means }) => [word, { description: means }]));
    build.registerEnumType(name, {}, () => ({ description, values }), ORIGIN);
  }

  function registerObject(members: Member[], description: string, name: string): void {
    const outputs = (): Record<string, GrafastFieldConfig<Step>> =>
      Object.fromEntries(
        members.map((member) => [
          member.field,
          {
            description: member.description,
            type: nullable(member, outputOf(member.shape)),
            plan: ($object: Step) => lambda($object, (object) => readValue(member, memberOf(object, member.name))),
          },
        ]),
      );
    build.registerObjectType(name, SCOPE, () => ({ description, fields: outputs }), ORIGIN);
    const inputs = (how: Writing) => (): Record<string, GrafastInputFieldConfig> =>
      Object.fromEntries(
        members.map((member) => {
          const type = inputOf(member.shape, how);
          return [
            member.field,
            { description: member.description, type: how === "Patch" ? type : nullable(member, type) },
          ];
        }),
      );
    const said = `What changes of \`${name}\`: null drops a member, which resets it unless the value is stored as a whole.`;
    build.registerInputObjectType(
      `${name}Patch`,
      SCOPE,
      () => ({ description: said, fields: inputs("Patch") }),
      ORIGIN,
    );
    build.registerInputObjectType(`${name}Input`, SCOPE, () => ({ description, fields: inputs("Input") }), ORIGIN);
    for (const member of members) register(member.shape, member.description, [name + camel(member.field)]);
  }

  function nullable<T extends GraphQLOutputType | GraphQLInputType>({ mayBeNull }: Nullable, type: T) {
    return mayBeNull ? type : new GraphQLNonNull(type);
  }

  function outputOf(shape: Shape): GraphQLOutputType {
    if (shape.kind === "scalar") return scalars[shape.type];
    if (shape.kind === "list") return new GraphQLList(nullable(shape.items, outputOf(shape.items.shape)));
    return build.getOutputTypeByName(typeNames.get(shape) ?? build.inflection.builtin("JSON"));
  }

  function inputOf(shape: Shape, how: Writing): GraphQLInputType {
    if (shape.kind === "scalar") return scalars[shape.type];
    if (shape.kind === "list") return new GraphQLList(nullable(shape.items, inputOf(shape.items.shape, "Input")));
    const name = typeNames.get(shape) ?? build.inflection.builtin("JSON");
    return build.getInputTypeByName(shape.kind === "object" ? name + how : name);
  }

  register(value.shape, value.description, names);
  return {
    output: () => nullable(value, outputOf(value.shape)),
    input: () => inputOf(value.shape, writing),
  };
}
