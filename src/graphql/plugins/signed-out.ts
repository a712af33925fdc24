/** What PostgreSQL does not permit to somebody who is signed out is refused as our functions refuse it: `not_signed_in`. */
import { GraphQLError } from "graphql";
import pg from "pg";
import type {} from "postgraphile";
import { notSignedIn } from "../../server/request-error.ts";
import { NOBODY } from "../../sign-in/authenticate.ts";

export const SignedOutPlugin: GraphileConfig.Plugin = {
  name: "AttuneSignedOutPlugin",
  grafast: {
    middleware: {
      async execute(next, { args }) {
        const result = await next();
        const { pgSettings } = args.contextValue as Partial<Grafast.Context>;
        const isSignedOut = pgSettings?.["role"] === NOBODY.pgSettings["role"];
        if (!isSignedOut || !("errors" in result) || result.errors === undefined) return result;
        return { ...result, errors: result.errors.map(ofSomebodySignedOut) };
      },
    },
  },
};

/** PostgREST tells by the role, too, whether it is 401 or 403. */
function ofSomebodySignedOut(error: GraphQLError): GraphQLError {
  const { message, originalError: cause, nodes, path } = error;
  // Where the detail is a reason, we refused.
  if (!(cause instanceof pg.DatabaseError) || cause.code !== "42501" || cause.detail !== undefined) return error;
  return new GraphQLError(message, { nodes: nodes ?? null, path: path ?? null, originalError: notSignedIn(cause) });
}
