/** Arguments without a default are required; JSON ones still take `null`, which is a value. */
import type {} from "postgraphile";
import { TYPES } from "postgraphile/@dataplan/pg";

export const ArgumentsPlugin: GraphileConfig.Plugin = {
  name: "AttuneArgumentsPlugin",
  gather: {
    hooks: {
      pgProcedures_PgResourceOptions(_info, { resourceOptions }) {
        for (const parameter of resourceOptions.parameters ?? []) {
          const isJson = parameter.codec === TYPES.jsonb || parameter.codec === TYPES.json;
          parameter.notNull = !parameter.optional && !isJson;
        }
      },
    },
  },
};
