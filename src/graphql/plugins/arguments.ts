/** What is left out or null: without a default an argument is required, with one null is that, unless null is a value. */
import type {} from "postgraphile";
import type { PgCodec } from "postgraphile/@dataplan/pg";
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
          return withChange(details, ({ name, pgCodec }, index) => {
            if (takesNull(name, pgCodec)) return jsonNull;
            return details.argDetails[index]?.optional ? nullAsNothing : undefined;
          });
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

type ArgDetails = ReturnType<GraphileBuild.Build["pgGetArgDetailsFromParameters"]>;
type Argument = { name: string | undefined; pgCodec: PgCodec };

/** The arguments of a function, of which some are changed on their way to the database, as `changeOf` says. */
export function withChange(
  details: ArgDetails,
  changeOf: (argument: Argument, index: number) => ((value: unknown) => unknown) | undefined,
): ArgDetails {
  const makeArgs: typeof details.makeArgs = (args, path) =>
    details.makeArgs(args, path).map((digest, index) => {
      if (!("step" in digest) || !digest.step || !digest.pgCodec) return digest;
      const { step: $sent, pgCodec, name } = digest;
      const change = changeOf({ name, pgCodec }, index);
      if (change === undefined) return digest;
      // Of the whole operation, as the argument is: only then one that is left out is left out of the call.
      return { ...digest, step: operationPlan().withRootLayerPlan(() => lambda($sent, change, true)) };
    });
  return { ...details, makeArgs };
}
