/** Arguments without a default are required; only what takes JSON's null for a value can't say so in GraphQL. */
import type {} from "postgraphile";
import { takesNull } from "./json.ts";

export const ArgumentsPlugin: GraphileConfig.Plugin = {
  name: "AttuneArgumentsPlugin",
  gather: {
    hooks: {
      pgProcedures_PgResourceOptions(_info, { resourceOptions }) {
        for (const parameter of resourceOptions.parameters ?? []) {
          parameter.notNull = !parameter.optional && !takesNull(parameter.name, parameter.codec);
        }
      },
    },
  },
};
