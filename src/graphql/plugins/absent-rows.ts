/** Changing or deleting a row that is not there, or not the caller's, is refused instead of doing nothing. */
import type {} from "postgraphile";
import type { PgClientResult, PgExecutorMutationOptions } from "postgraphile/@dataplan/pg";
import { RequestError } from "../../server/request-error.ts";

export const AbsentRowsPlugin: GraphileConfig.Plugin = {
  name: "AttuneAbsentRowsPlugin",
  schema: {
    hooks: {
      init(_, build) {
        for (const resource of Object.values(build.pgResources)) {
          // What a function returns may be nothing.
          if (resource.parameters !== undefined) continue;
          const kind = build.inflection.singularize(resource.name).replaceAll("_", " ");
          // A method that its type does not tell of. Updates of no row end without an error, deletions with an unexpected one.
          const executeMutation = async (options: PgExecutorMutationOptions): Promise<PgClientResult<unknown>> => {
            const result = await resource.executor.executeMutation(options);
            if (result.rowCount === 0) throw unknownRow(kind);
            return result;
          };
          Object.assign(resource, { executeMutation });
        }
        return _;
      },
    },
  },
};

function unknownRow(kind: string): RequestError {
  return new RequestError(
    404,
    "unknown_row",
    `There is no such ${kind} that you may change`,
    "Check what you name it by: what is not yours is not there for you.",
  );
}
