/** A payload tells what changed, never null unless `@nullable` says so; a result of several things is spread in it. */
import type {} from "postgraphile";
import { PgSelectStep } from "postgraphile/@dataplan/pg";
import type { FieldPlanResolver, GrafastFieldConfig, ObjectStep, Step } from "postgraphile/grafast";
import { functionOf, type PgFunction } from "./mutations.ts";

type Row = Step & { get(name: string): Step };
type Payload = ObjectStep<{ result: Row }>;
type Fields = Record<string, GrafastFieldConfig<Payload>>;

export const PayloadsPlugin: GraphileConfig.Plugin = {
  name: "AttunePayloadsPlugin",
  after: ["MutationPayloadQueryPlugin", "AttuneReturnedRefusalsPlugin"],
  schema: {
    hooks: {
      GraphQLObjectType_fields(fields, build, { Self, scope: { isMutationPayload } }) {
        if (!isMutationPayload) return fields;
        const resource = functionOf(build, Self);
        const { clientMutationId, query, ...told } = fields;
        return {
          ...(clientMutationId && { clientMutationId }),
          ...(resource?.codec.extensions?.tags?.["payload"]
            ? spreadResult(build, resource)
            : alwaysThere(build, told, Boolean(resource?.extensions?.tags?.["nullable"]))),
          ...(query && alwaysThere(build, { query }, false)),
        };
      },
    },
  },
};

function alwaysThere(build: GraphileBuild.Build, fields: Fields, isNullable: boolean): Fields {
  const { getNullableType, GraphQLNonNull } = build.graphql;
  if (isNullable) return fields;
  return Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [
      name,
      { ...field, type: new GraphQLNonNull(getNullableType(field.type)) },
    ]),
  );
}

/** The attributes of the composite type that a function returns, as fields of its payload. */
function spreadResult(build: GraphileBuild.Build, { codec }: PgFunction): Fields {
  const { inflection } = build;
  const type = build.getOutputTypeByName(inflection.tableType(codec));
  if (!build.graphql.isObjectType(type)) throw new Error(`${codec.name} has no fields to spread`);
  const fields = Object.entries(codec.attributes ?? {}).map(([attributeName, { extensions }]): Fields => {
    const name = inflection.attribute({ codec, attributeName });
    const field = type.getFields()[name];
    if (field === undefined) return {};
    const plan: FieldPlanResolver<Row> = field.extensions.grafast?.plan ?? (($row) => $row.get(name));
    const spread: Fields[string] = {
      type: field.type,
      description: field.description,
      plan: ($payload, args, info) => {
        const $told = plan($payload.getStepForKey("result"), args, info);
        // Rows stay as the function ordered them; they would come by their key.
        if ($told instanceof PgSelectStep) $told.setOrderIsUnique();
        return $told;
      },
    };
    return alwaysThere(build, { [name]: spread }, Boolean(extensions?.tags?.["nullable"]));
  });
  return Object.assign({}, ...fields);
}
