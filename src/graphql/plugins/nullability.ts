/** What may be null: a root field, so that its refusal leaves the others; below it only what the database can't promise. */
import type { GraphQLType } from "graphql";
import type {} from "postgraphile";

export const NullabilityPlugin: GraphileConfig.Plugin = {
  name: "AttuneNullabilityPlugin",
  after: ["AttuneJsonPlugin"],
  schema: {
    hooks: {
      GraphQLObjectType_fields_field(field, build, { scope }) {
        const { getNullableType, GraphQLNonNull, isListType } = build.graphql;
        // A schema says it itself.
        if (scope.isOfJsonSchema) return field;
        const type = getNullableType(field.type);
        if (scope.isRootQuery || scope.isRootMutation || scope.isRootSubscription)
          return { ...field, type: withoutNulls(build, type) };
        if (scope.pgFieldAttribute) return { ...field, type: withoutNulls(build, field.type) };
        // Of what was not grouped there are no keys, and a key is null where its column is.
        const isAlwaysThere = isListType(type) && scope.fieldName !== "keys" && !scope.isReadApart;
        return isAlwaysThere ? { ...field, type: new GraphQLNonNull(type) } : field;
      },
      GraphQLObjectType_fields_field_args_arg(argument, build) {
        return { ...argument, type: withoutNulls(build, argument.type) };
      },
      GraphQLInputObjectType_fields_field(field, build, { scope }) {
        return scope.isOfJsonSchema ? field : { ...field, type: withoutNulls(build, field.type) };
      },
    },
  },
};

/** A list has no null in it. */
function withoutNulls<Type extends GraphQLType>(build: GraphileBuild.Build, type: Type): Type;
function withoutNulls(build: GraphileBuild.Build, type: GraphQLType): GraphQLType {
  const { getNullableType, GraphQLList, GraphQLNonNull, isListType, isNonNullType } = build.graphql;
  if (isNonNullType(type)) return new GraphQLNonNull(withoutNulls(build, type.ofType));
  return isListType(type) ? new GraphQLList(new GraphQLNonNull(getNullableType(type.ofType))) : type;
}
