/** An operation of a kind that the schema does not have, a subscription, is invalid like an unknown field. */
import { GraphQLError, type ValidationRule } from "graphql";
import type {} from "postgraphile";

export const OperationsPlugin: GraphileConfig.Plugin = {
  name: "AttuneOperationsPlugin",
  grafserv: {
    middleware: {
      setPreset(next, event) {
        event.validationRules.push(operationsRule);
        return next();
      },
    },
  },
};

const operationsRule: ValidationRule = (context) => ({
  OperationDefinition: (node) => {
    if (context.getSchema().getRootType(node.operation)) return;
    context.reportError(new GraphQLError(`There is no ${node.operation} here.`, { nodes: node }));
  },
});
