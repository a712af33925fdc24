/** What is left out or null: without a default an argument is required, with one null is that, unless null is a value. */
import type {} from "postgraphile";
import { lambda, operationPlan } from "postgraphile/grafast";
import { jsonNull, takesNull } from "./json.ts";

export const ArgumentsPlugin: GraphileConfig.Plugin = {
  name: "AttuneArgumentsPlugin",
  after: ["PgCustomTypeFieldPlugin"],
  gather: {
    hooks: {
      pgProcedures_PgResourceOptions(_info, { resourceOptions }) {
        for (const parameter of resourceOptions.parameters ?? []) {
          parameter.notNull = !parameter.optional && !takesNull(parameter.name, parameter.codec);
        }
      },
    },
  },
  schema: {
    hooks: {
      build(build) {
        const { pgGetArgDetailsFromParameters } = build;
        if (pgGetArgDetailsFromParameters === undefined)
          throw new Error("The arguments of functions are not known yet");
        build.pgGetArgDetailsFromParameters = (...parameters) => {
          const details = pgGetArgDetailsFromParameters(...parameters);
          const makeArgs: typeof details.makeArgs = (args, path) =>
            details.makeArgs(args, path).map((digest, index) => {
              if (!("step" in digest) || !digest.step || !digest.pgCodec) return digest;
              const isValue = takesNull(digest.name, digest.pgCodec);
              if (!isValue && !details.argDetails[index]?.optional) return digest;
              const $sent = digest.step;
              // Of the whole operation, as the argument is: only then one that is left out is left out of the call.
              const step = operationPlan().withRootLayerPlan(() =>
                lambda($sent, isValue ? jsonNull : nullAsNothing, true),
              );
              return { ...digest, step };
            });
          return { ...details, makeArgs };
        };
        return build;
      },
    },
  },
};

/** What is undefined becomes the argument's default in SQL, or NULL where there is none. */
function nullAsNothing(value: unknown): unknown {
  return value ?? undefined;
}
