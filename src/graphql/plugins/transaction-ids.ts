/** PostgreSQL's 64-bit transaction ids (`xid8`) are `BigInt`, like every other number of that size. */
import type {} from "postgraphile";
import { type PgCodec, TYPES } from "postgraphile/@dataplan/pg";
import { sql } from "postgraphile/pg-sql2";

const xid8: PgCodec = { ...TYPES.bigint, name: "xid8", sqlType: sql`xid8` };

/** Whether a column is a transaction's id. */
export function isTransactionId(codec: PgCodec): boolean {
  return codec === xid8;
}

export const TransactionIdsPlugin: GraphileConfig.Plugin = {
  name: "AttuneTransactionIdsPlugin",
  before: ["PgCodecsPlugin"],
  gather: {
    hooks: {
      pgCodecs_findPgCodec(_info, event) {
        if (event.pgType.typname === "xid8") event.pgCodec ??= xid8;
      },
    },
  },
  schema: {
    hooks: {
      init(_, build) {
        build.setGraphQLTypeForPgCodec(xid8, ["input", "output"], build.inflection.builtin("BigInt"));
        return _;
      },
    },
  },
};
