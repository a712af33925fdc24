/** Rows of a table are a connection, which gives a page; what a function computes is a list. */
import type {} from "postgraphile";
import { type PgCodec, type PgSelectQueryBuilder, TYPES } from "postgraphile/@dataplan/pg";
import { type SQL, sql } from "postgraphile/pg-sql2";
import { PAGE } from "../limits.ts";

const DIRECTIONS = [
  ["asc", "ASC"],
  ["desc", "DESC"],
] as const;

const orEmpty = (text: SQL, codec: PgCodec): [SQL, PgCodec, boolean] => [sql`coalesce(${text}, '')`, codec, false];

export const CollectionsPlugin: GraphileConfig.Plugin = {
  name: "AttuneCollectionsPlugin",
  after: ["PgFirstLastBeforeAfterArgsPlugin", "PgOrderAllAttributesPlugin"],
  schema: {
    entityBehavior: {
      pgResource: {
        inferred: (behavior, { parameters }) => [behavior, parameters ? "-connection" : "-list"],
      },
      pgCodecRelation: { inferred: (behavior) => [behavior, "-list"] },
      pgCodecAttribute: {
        inferred: {
          after: ["postInferred"],
          callback(behavior, [codec, attributeName]) {
            // Values are counted by (`groupBy: VALUE`), which needs no index as it reads all rows anyway. Ordering would.
            if (/(^|_)value$/.test(attributeName)) return [behavior, "orderBy", "-attribute:orderBy"];
            // What comes after a row that has none, a cursor can't say: pages would leave rows out. Text is told otherwise
            // (`@behavior +attribute:orderBy`), below.
            return codec.attributes[attributeName]?.notNull ? behavior : [behavior, "-attribute:orderBy"];
          },
        },
      },
    },
    hooks: {
      GraphQLEnumType_values(values, build, { scope: { isPgRowSortEnum, pgCodec } }) {
        const resource = Object.values(build.pgResources).find((each) => each.codec === pgCodec && !each.parameters);
        if (!isPgRowSortEnum || resource === undefined) return values;
        const { codec, uniques } = resource;
        const isUnique = (name: string): boolean => uniques.some(({ attributes }) => attributes.join() === name);
        const fixed = Object.entries(codec.attributes).flatMap(([attribute, { notNull, codec: of }]) => {
          const isFirstOfKey = uniques.some(({ attributes }) => attributes[0] === attribute) && !isUnique(attribute);
          const mayHaveNone = !notNull && of === TYPES.text;
          if (!isFirstOfKey && !mayHaveNone) return [];
          return DIRECTIONS.flatMap(([variant, direction]) => {
            const name = build.inflection.orderByAttributeEnum({ codec, attributeName: attribute, variant });
            const value = values[name];
            // The first column of a key of several does not order rows uniquely, which PostGraphile takes it for: the
            // cursors of its rows would be the same, and pages leave rows out. Who has no text comes as with an empty one.
            const order = { attribute, direction, ...(mayHaveNone && { callback: orEmpty }) };
            const apply = (query: PgSelectQueryBuilder): void => query.orderBy(order);
            return value
              ? [[name, { ...value, extensions: { ...value.extensions, grafast: { apply } } }] as const]
              : [];
          });
        });
        return { ...values, ...Object.fromEntries(fixed) };
      },
      GraphQLObjectType_fields_field_args(args, build, { scope }) {
        const { first, offset, ...others } = args;
        if (first === undefined || offset === undefined) return args;
        if (scope.isPgFieldSimpleCollection)
          return {
            ...others,
            first: { ...first, description: `At most so many rows, up to ${PAGE.most}; all without it.` },
          };
        if (!scope.isPgFieldConnection) return args;
        const { GraphQLInt, GraphQLNonNull } = build.graphql;
        return {
          ...args,
          first: {
            ...first,
            type: new GraphQLNonNull(GraphQLInt),
            defaultValue: PAGE.usual,
            description: `Rows of this page, ${PAGE.most} at most.`,
          },
          offset: {
            ...offset,
            description: "Rows to skip. For long lists `after` is faster, and never repeats a row.",
          },
        };
      },
    },
  },
};
