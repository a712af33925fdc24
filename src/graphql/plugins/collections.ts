/** Functions give lists, tables give connections, and a connection gives a page. */
import type {} from "postgraphile";
import { PAGE } from "../limits.ts";

export const CollectionsPlugin: GraphileConfig.Plugin = {
  name: "AttuneCollectionsPlugin",
  after: ["PgFirstLastBeforeAfterArgsPlugin"],
  schema: {
    entityBehavior: {
      // `@behavior -connection +list` on a table, or `+connection -list` on a function, says otherwise.
      pgResource: {
        inferred: (behavior, resource) => [behavior, resource.parameters ? "-connection" : "-list"],
      },
      // Values are counted by (`groupBy: VALUE`), which needs no index as it reads all rows anyway. Ordering would.
      pgCodecAttribute: {
        inferred: {
          after: ["postInferred"],
          callback: (behavior, [, attributeName]) =>
            /(^|_)value$/.test(attributeName) ? [behavior, "orderBy", "-attribute:orderBy"] : behavior,
        },
      },
      // A relation follows the table it leads to.
      pgCodecRelation: {
        inferred: (behavior, relation, build) => [
          behavior,
          build.behavior.pgResourceMatches(relation.remoteResource, "query:resource:list") ? "-connection" : "-list",
        ],
        // A list of what is one row at most would say it twice, and both in one query break: Grafast takes the row that
        // is not there for one of the list.
        override: (behavior, { isUnique }) => (isUnique ? [behavior, "-singularRelation:resource:list"] : behavior),
      },
    },
    hooks: {
      GraphQLObjectType_fields_field_args(args, build, { scope }) {
        const { first, offset, ...others } = args;
        if (first === undefined || offset === undefined) return args;
        if (scope.isPgFieldSimpleCollection) return others;
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
