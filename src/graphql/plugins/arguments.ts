/** Arguments without a default are required; JSON ones still take `null`, which is a value. */
import type {} from "postgraphile";
import { isJson } from "./json.ts";

export const ArgumentsPlugin: GraphileConfig.Plugin = {
  name: "AttuneArgumentsPlugin",
  gather: {
    hooks: {
      pgProcedures_PgResourceOptions(_info, { resourceOptions }) {
        for (const parameter of resourceOptions.parameters ?? []) {
          parameter.notNull = !parameter.optional && !isJson(parameter.codec);
        }
      },
    },
  },
};
