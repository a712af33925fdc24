/** How many rows a collection has, for the meter: what a table's smart tag `@rows` says, and a function's `rows` in SQL. */
import type {} from "postgraphile";
import type { PgResource } from "postgraphile/@dataplan/pg";

declare module "graphql" {
  interface GraphQLFieldExtensions<_TSource, _TContext, _TArgs> {
    /** Rows that the field gives, as far as it is known. */
    rows?: number;
  }
}

export const ExpectedRowsPlugin: GraphileConfig.Plugin = {
  name: "AttuneExpectedRowsPlugin",
  gather: {
    hooks: {
      pgProcedures_PgResourceOptions(_info, { pgProc, resourceOptions }) {
        const { prorows } = pgProc;
        if (!pgProc.proretset || prorows === null) return;
        resourceOptions.extensions ??= {};
        resourceOptions.extensions.tags ??= {};
        resourceOptions.extensions.tags["rows"] ??= String(prorows);
      },
    },
  },
  schema: {
    hooks: {
      GraphQLObjectType_fields_field(field, _build, { scope }) {
        const { isPgFieldConnection, isPgFieldSimpleCollection, pgFieldResource, pgRelationDetails } = scope;
        if (!(isPgFieldConnection || isPgFieldSimpleCollection) || pgFieldResource === undefined) return field;
        const { registry, codec, relationName } = pgRelationDetails ?? {};
        const relation = registry?.pgRelations[codec?.name ?? ""]?.[relationName ?? ""];
        const rows = rowsOf(pgFieldResource, relation?.remoteAttributes ?? []);
        return Number.isFinite(rows) ? { ...field, extensions: { ...field.extensions, rows } } : field;
      },
    },
  },
};

/** As many as combine the rows of the tables that the rest of a unique key refers to: of one setting, one row a plan. */
function rowsOf(resource: PgResource, given: readonly string[]): number {
  const tagged = Number(resource.extensions?.tags?.["rows"] ?? Infinity);
  const combined = resource.uniques.map(({ attributes }) =>
    attributes
      .filter((attribute) => !given.includes(attribute))
      .map((attribute) => rowsReferredToBy(resource, attribute))
      .reduce((product, rows) => product * rows, 1),
  );
  return Math.min(tagged, ...combined);
}

function rowsReferredToBy(resource: PgResource, attribute: string): number {
  const relations = Object.values(resource.registry.pgRelations[resource.codec.name] ?? {});
  const relation = relations.find(
    ({ isReferencee, localAttributes }) =>
      !isReferencee && localAttributes.length === 1 && localAttributes[0] === attribute,
  );
  return Number(relation?.remoteResource.extensions?.tags?.["rows"] ?? Infinity);
}
