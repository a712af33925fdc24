/** Rows of a table are a connection, which gives a page; what a function computes is a list. */
import type {} from "postgraphile";
import { PAGE } from "../limits.ts";

export const CollectionsPlugin: GraphileConfig.Plugin = {
  name: "AttuneCollectionsPlugin",
  after: ["PgFirstLastBeforeAfterArgsPlugin"],
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
            // What comes after a row that has none, a cursor can't say: pages would leave rows out.
            return codec.attributes[attributeName]?.notNull ? behavior : [behavior, "-attribute:orderBy"];
          },
        },
      },
    },
    hooks: {
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
