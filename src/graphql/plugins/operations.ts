/** A subscription is for a connection that stays open; where an answer is one, it is refused. */
import { getOperationAST, GraphQLError, OperationTypeNode } from "graphql";
import type {} from "postgraphile";

export const OperationsPlugin: GraphileConfig.Plugin = {
  name: "AttuneOperationsPlugin",
  grafast: {
    middleware: {
      execute(next, { args: { document, operationName } }) {
        const operation = getOperationAST(document, operationName);
        return operation?.operation === OperationTypeNode.SUBSCRIPTION
          ? {
              errors: [
                refusal(
                  "An answer is told once, a subscription is not",
                  "Subscribe over WebSocket, or with `Accept: text/event-stream`.",
                ),
              ],
            }
          : next();
      },
      subscribe(next, { args: { document, operationName } }) {
        const operation = getOperationAST(document, operationName);
        return operation === undefined || operation === null || operation.operation === OperationTypeNode.SUBSCRIPTION
          ? next()
          : { errors: [refusal("This connection is for subscriptions", "POST queries and mutations to /graphql.")] };
      },
    },
  },
};

function refusal(message: string, hint: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: "BAD_USER_INPUT", reason: "wrong_transport", hint } });
}
