/** Describes what has no comment of its own in SQL: arguments, results, aggregates. */
import type { GraphQLNamedType } from "graphql";
import type {} from "postgraphile";

type Describable = { description?: string | null | undefined };

export const DescriptionsPlugin: GraphileConfig.Plugin = {
  name: "AttuneDescriptionsPlugin",
  schema: {
    hooks: {
      finalize(schema, build) {
        const { getNamedType, isInputObjectType, isObjectType } = build.graphql;
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
        return schema;
      },
    },
  },
};

function describe(described: Describable, description: string | null | undefined): void {
  if (description) described.description ??= description;
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
    const details = { resource } as Parameters<typeof inflection.customMutationInput>[0];
    const owner = resource.isMutation
      ? inflection.customMutationInput(details)
      : `Query.${inflection.customQueryField(details)}`;
    owners.set(owner, new Map(tags.map((tag) => parameter(inflection, String(tag)))));
  }
  return owners;
}

function parameter(inflection: GraphileBuild.Inflection, tag: string): [name: string, description: string] {
  const [name = "", ...words] = tag.split(" ");
  return [inflection.camelCase(name), words.join(" ")];
}
