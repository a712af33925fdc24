/** Refuses what is over the limits, so that no request takes the server down. */
import { depthLimit } from "@graphile/depth-limit";
import {
  type DocumentNode,
  type FragmentDefinitionNode,
  getOperationAST,
  GraphQLError,
  type GraphQLSchema,
  Kind,
  parse,
  type ValidationContext,
  type ValidationRule,
  valueFromASTUntyped,
} from "graphql";
import type {} from "postgraphile";
import { LIMITS } from "../limits.ts";
import { createMeter } from "../query-cost.ts";
import { refusedQuery } from "../refused-query.ts";

/** A query that is not longer than this can't have too many tokens. */
const SURELY_SHORT = LIMITS.tokens;

/** By the query's text, then by its shape, then by its size with these variables. */
export const LimitsPlugin: GraphileConfig.Plugin = {
  name: "AttuneLimitsPlugin",
  grafserv: {
    middleware: {
      setPreset(next, event) {
        event.validationRules.push(depthRule);
        const { getExecutionConfig } = event;
        event.getExecutionConfig = async function (context) {
          const config = await getExecutionConfig.call(this, context);
          return { ...config, parseAndValidate: (query) => tooLong(query) ?? config.parseAndValidate(query) };
        };
        return next();
      },
    },
  },
  grafast: {
    middleware: {
      execute(next, { args }) {
        const error = overLimit(args.schema, args.document, args.operationName, args.variableValues ?? {});
        return error === undefined ? next() : { errors: [error] };
      },
    },
  },
};

function tooLong(query: string): { errors: GraphQLError[] } | undefined {
  if (query.length <= SURELY_SHORT) return undefined;
  try {
    parse(query, { maxTokens: LIMITS.tokens, noLocation: true });
  } catch (error) {
    // Any other mistake is reported by the parser that follows.
    if (!(error instanceof GraphQLError && error.message.includes("tokens"))) return undefined;
    const message = `The query has more than ${LIMITS.tokens} tokens`;
    return { errors: [refusedQuery("query_too_long", message, "Send it as several queries.")] };
  }
  return undefined;
}

const depthRule: ValidationRule = (context) => {
  const error = refusedQuery(
    "query_too_deep",
    `The query is more than ${LIMITS.depth} levels deep, or repeats a relation inside itself`,
    "Ask for the inner objects in a query of their own.",
  );
  const reporter: ValidationContext = Object.create(context, {
    reportError: { value: () => context.reportError(error) },
  });
  return depthLimit({
    maxDepth: LIMITS.depth,
    // What GraphiQL and code generators ask: `ofType` nine times.
    maxIntrospectionDepth: 15,
    maxDepthByFieldCoordinates: { "__Type.ofType": 10 },
  })(reporter);
};

/** The first limit that the operation is over, with these variables, or undefined. */
function overLimit(
  schema: GraphQLSchema,
  document: DocumentNode,
  operationName: string | null | undefined,
  variableValues: Readonly<Record<string, unknown>>,
): GraphQLError | undefined {
  const operation = getOperationAST(document, operationName);
  const type = operation && schema.getRootType(operation.operation);
  if (!operation || !type) return undefined;

  const variables: Record<string, unknown> = {};
  for (const { variable, defaultValue } of operation.variableDefinitions ?? []) {
    if (defaultValue) variables[variable.name.value] = valueFromASTUntyped(defaultValue);
  }
  Object.assign(variables, variableValues);
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }

  try {
    const { cost, rootFields, introspection } = createMeter(schema, fragments, variables)(operation.selectionSet, type);
    if (rootFields > LIMITS.rootFields) {
      const message = `The query has ${rootFields} fields at the top, more than ${LIMITS.rootFields}`;
      return refusedQuery("too_many_root_fields", message, "Send it as several queries.");
    }
    if (introspection > LIMITS.introspection) {
      const message = `The query asks for ${introspection} fields of the schema, more than ${LIMITS.introspection}`;
      return refusedQuery("query_too_costly", message, "Ask for each part of the schema once.");
    }
    if (cost > LIMITS.cost) {
      const message = `The query may give ${cost} values, more than ${LIMITS.cost}`;
      return refusedQuery("query_too_costly", message, "Ask for fewer rows with `first`, or for fewer fields.");
    }
  } catch (error) {
    if (error instanceof GraphQLError) return error;
    throw error;
  }
  return undefined;
}
