/** A subscription is for a connection that stays open; where an answer is one, it is refused. */
import {
  getOperationAST,
  getVariableValues,
  GraphQLError,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
} from "graphql";
import { collectFields } from "graphql/execution/collectFields.js";
import type {} from "postgraphile";
import type { GrafastExecutionArgs } from "postgraphile/grafast";
import { refusedQuery } from "../refused-query.ts";

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
      subscribe(next, { args }) {
        const operation = getOperationAST(args.document, args.operationName);
        if (operation === undefined || operation === null) return next();
        if (operation.operation !== OperationTypeNode.SUBSCRIPTION)
          return {
            errors: [refusal("This connection is for subscriptions", "POST queries and mutations to /graphql.")],
          };
        return isEmpty(args, operation)
          ? { errors: [refusedQuery("invalid_query", "Nothing is subscribed to", "Leave out the directive.")] }
          : next();
      },
    },
  },
};

/** Whether directives leave none of its fields. */
function isEmpty(
  { schema, document, variableValues }: GrafastExecutionArgs,
  operation: OperationDefinitionNode,
): boolean {
  const type = schema.getSubscriptionType();
  if (!type) return true;
  const fragments = Object.fromEntries(
    document.definitions.flatMap((node) => (node.kind === Kind.FRAGMENT_DEFINITION ? [[node.name.value, node]] : [])),
  );
  const { coerced } = getVariableValues(schema, operation.variableDefinitions ?? [], variableValues ?? {});
  // What is wrong with them is told by who reads them next.
  return coerced !== undefined && collectFields(schema, fragments, coerced, type, operation.selectionSet).size === 0;
}

function refusal(message: string, hint: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: "BAD_USER_INPUT", reason: "wrong_transport", hint } });
}
