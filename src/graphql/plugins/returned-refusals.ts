/** A refusal that leaves a trace is returned by the database, so that it commits, and thrown here after that. */
import type {} from "postgraphile";
import { type PgCodec, PgSelectSingleStep, pgClassExpression, TYPES } from "postgraphile/@dataplan/pg";
import { object, ObjectStep, sideEffect, type Step } from "postgraphile/grafast";
import { type SQL, sql } from "postgraphile/pg-sql2";
import { throwIfRefused } from "../../server/returned-refusal.ts";
import { functionOf, isComposite } from "./mutations.ts";

/** The attribute of a result that says why there is none. */
function refusalAttribute(codec: PgCodec): string | undefined {
  return Object.entries(codec.attributes ?? {}).find(([, attribute]) => isComposite(attribute.codec, "refusal"))?.[0];
}

/** Where the refusal is in a row of this type: an attribute, or all of it. */
function refusalIn(codec: PgCodec): ((row: SQL) => SQL) | undefined {
  if (isComposite(codec, "refusal")) return (row) => row;
  const attribute = refusalAttribute(codec);
  return attribute === undefined ? undefined : (row) => sql`${row}.${sql.identifier(attribute)}`;
}

export const ReturnedRefusalsPlugin: GraphileConfig.Plugin = {
  name: "AttuneReturnedRefusalsPlugin",
  after: ["MutationPayloadQueryPlugin"],
  schema: {
    entityBehavior: {
      pgCodecAttribute: {
        override: (behavior, [codec, attributeName]) =>
          refusalAttribute(codec) === attributeName ? [behavior, "-attribute:select"] : behavior,
      },
    },
    hooks: {
      // What returns a refusal and nothing else returns nothing.
      GraphQLObjectType_fields(fields, build, { Self, scope: { isMutationPayload } }) {
        const resource = isMutationPayload ? functionOf(build, Self) : undefined;
        if (resource === undefined || !isComposite(resource.codec, "refusal")) return fields;
        const { clientMutationId, query } = fields;
        return { ...(clientMutationId && { clientMutationId }), ...(query && { query }) };
      },
      GraphQLObjectType_fields_field(field, build, { scope: { isRootMutation, pgCodec, pgFieldAttribute } }) {
        // Beside a refusal all is null; without one, only what is tagged `@nullable`.
        if (pgFieldAttribute && pgCodec && refusalAttribute(pgCodec) !== undefined)
          return pgFieldAttribute.extensions?.tags?.["nullable"]
            ? field
            : { ...field, type: new build.graphql.GraphQLNonNull(build.graphql.getNullableType(field.type)) };
        const resource = isRootMutation ? functionOf(build, build.graphql.getNamedType(field.type)) : undefined;
        const { plan } = field;
        const refusal = resource && refusalIn(resource.codec);
        if (refusal === undefined || plan === undefined) return field;
        return {
          ...field,
          plan($root, args, info) {
            const $payload: Step = plan($root, args, info);
            const $result = $payload instanceof ObjectStep ? $payload.getStepForKey("result") : undefined;
            if (!($result instanceof PgSelectSingleStep))
              throw new Error(`No refusal can be read from ${$payload.toString()}`);
            const expression = refusal($result.getClassStep().alias);
            sideEffect(pgClassExpression($result, TYPES.json)`to_json(${expression})`, throwIfRefused);
            // Made after the side effect, so that it is the error when that throws.
            return object({ result: $result });
          },
        };
      },
    },
  },
};
