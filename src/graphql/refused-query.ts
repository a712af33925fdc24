/** The error of a query that asks for too much. */
import { type FieldNode, GraphQLError } from "graphql";

/** @param node the field that is at fault, where it is one */
export function refusedQuery(reason: string, message: string, hint: string, node?: FieldNode): GraphQLError {
  const extensions = { code: "GRAPHQL_VALIDATION_FAILED", reason, hint };
  return new GraphQLError(message, { extensions, ...(node && { nodes: node }) });
}
