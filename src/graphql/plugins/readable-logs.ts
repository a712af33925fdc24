/** Lists of a log whose table says `@readBy schema.function` are read by that function, which finds what the caller may read. */
import type {} from "postgraphile";
import { pgSelect } from "postgraphile/@dataplan/pg";
import { connection } from "postgraphile/grafast";
import { sql } from "postgraphile/pg-sql2";

export const ReadableLogsPlugin: GraphileConfig.Plugin = {
  name: "AttuneReadableLogsPlugin",
  schema: {
    hooks: {
      GraphQLObjectType_fields_field(field, _build, { scope: { isRootQuery, isPgFieldConnection, pgFieldResource } }) {
        const resource = isRootQuery && isPgFieldConnection ? pgFieldResource : undefined;
        const readBy = resource?.extensions?.tags?.["readBy"];
        if (resource === undefined || typeof readBy !== "string") return field;
        const from = sql`${sql.identifier(...readBy.split("."))}()`;
        return { ...field, plan: () => connection(pgSelect({ resource, identifiers: [], from })) };
      },
    },
  },
};
