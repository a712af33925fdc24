/** Describes what SQL has no comment for (arguments, results, aggregates, values of enums), and names all things as GraphQL does. */
import type { GraphQLNamedType } from "graphql";
import type {} from "postgraphile";
import { describeEnumValues } from "../enum-values.ts";
import { inOurWords } from "../house-words.ts";

type Describable = { description?: string | null | undefined };

export const DescriptionsPlugin: GraphileConfig.Plugin = {
  name: "AttuneDescriptionsPlugin",
  schema: {
    hooks: {
      finalize(schema, build) {
        const { getNamedType, isEnumType, isInputObjectType, isObjectType } = build.graphql;
        const types = Object.values(schema.getTypeMap()).filter(({ name }) => !name.startsWith("__"));
        const parameters = parametersByOwner(build);

        /** What the comments of a type say of its field. */
        const ofField = (type: GraphQLNamedType | undefined, name: string): string | null | undefined =>
          isObjectType(type) ? type.getFields()[name]?.description : undefined;

        for (const type of types) {
          if (type.name.endsWith("Aggregates"))
            describe(type, "What is computed over all rows that match, not only those of the page.");
          if (!isObjectType(type)) continue;
          for (const field of Object.values(type.getFields())) {
            const result = getNamedType(field.type);
            if (type.name.endsWith("Aggregates"))
              describe(field, "The values that the rows were grouped by, in the order of `groupBy`.");
            if (type.name.endsWith("Payload")) describe(field, result.description ?? "What the function returned.");
            const documented = parameters.get(`${type.name}.${field.name}`);
            for (const argument of field.args)
              describe(argument, documented?.get(argument.name) ?? ofField(result, argument.name));
          }
        }
        for (const type of types.filter(isInputObjectType)) {
          const documented = parameters.get(type.name);
          for (const field of Object.values(type.getFields())) describe(field, documented?.get(field.name));
        }

        const meanings = describeEnumValues(build);
        for (const type of types.filter(isEnumType))
          for (const value of type.getValues()) describe(value, meanings.get(`${type.name}.${value.name}`));

        const described = types.flatMap((type) => describables(type, build));
        const names = namesBySql(build, new Set(described.map(({ name }) => name)));
        for (const element of described)
          if (element.description) element.description = translate(inOurWords(element.description), names);
        return schema;
      },
    },
  },
};

function describe(described: Describable, description: string | null | undefined): void {
  if (description) described.description ??= description;
}

/** A type and all in it that has a description. */
function describables(type: GraphQLNamedType, { graphql }: GraphileBuild.Build): (Describable & { name: string })[] {
  const { isEnumType, isInputObjectType, isInterfaceType, isObjectType } = graphql;
  if (isEnumType(type)) return [type, ...type.getValues()];
  if (isInputObjectType(type)) return [type, ...Object.values(type.getFields())];
  if (isObjectType(type) || isInterfaceType(type))
    return [type, ...Object.values(type.getFields()).flatMap((field) => [field, ...field.args])];
  return [type];
}

/** Names stand in backticks. A value that reads like one has quotes inside: `"reset_password"`. */
function translate(description: string, names: ReadonlyMap<string, string>): string {
  return description.replaceAll(/(?<=`)[a-z_]+(?=`)/g, (name) => names.get(name) ?? name);
}

/**
 * What columns, arguments, functions and tables are called in GraphQL, by their names in SQL.
 *
 * @param known all the names that the schema has: what is not exposed keeps its own
 */
function namesBySql(build: GraphileBuild.Build, known: ReadonlySet<string>): Map<string, string> {
  const { inflection } = build;
  const resources = Object.values(build.pgResources);
  const columns = resources.flatMap(({ codec }) =>
    Object.keys(codec.attributes ?? {}).map((attributeName): [string, string] => [
      attributeName,
      inflection.attribute({ codec, attributeName }),
    ]),
  );
  const parameters = resources.flatMap((resource) =>
    (resource.parameters ?? []).map(({ name }): [string, string] => [name ?? "", inflection.camelCase(name ?? "")]),
  );
  const functionsAndTables = resources.map((resource): [string, string] => [
    resource.extensions?.pg?.name ?? resource.name,
    resource.parameters ? functionField(inflection, resource) : inflection.allRowsConnection(resource),
  ]);
  return new Map([...columns, ...parameters, ...functionsAndTables].filter(([, name]) => known.has(name)));
}

/**
 * The lines `@param name What it is.` at the head of a function's comment, by the field or input type that has the
 * parameters as arguments or fields.
 */
function parametersByOwner(build: GraphileBuild.Build): Map<string, Map<string, string>> {
  const { inflection } = build;
  const owners = new Map<string, Map<string, string>>();
  for (const resource of Object.values(build.pgResources)) {
    const tags = [resource.extensions?.tags?.["param"] ?? []].flat();
    if (!resource.parameters || tags.length === 0) continue;
    const owner = resource.isMutation
      ? inflection.customMutationInput({ resource } as Parameters<typeof inflection.customMutationInput>[0])
      : `Query.${functionField(inflection, resource)}`;
    owners.set(owner, new Map(tags.map((tag) => parameter(inflection, String(tag)))));
  }
  return owners;
}

type PgResource = GraphileBuild.Build["pgResources"][string];

/** What a function is called, as a field of a query or of a mutation. */
function functionField(inflection: GraphileBuild.Inflection, resource: PgResource): string {
  const details = { resource } as Parameters<typeof inflection.customMutationField>[0];
  return resource.isMutation ? inflection.customMutationField(details) : inflection.customQueryField(details);
}

function parameter(inflection: GraphileBuild.Inflection, tag: string): [name: string, description: string] {
  const [name = "", ...words] = tag.split(" ");
  return [inflection.camelCase(name), words.join(" ")];
}
