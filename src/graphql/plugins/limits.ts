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
import type { GrafastExecutionArgs } from "postgraphile/grafast";
import { RequestError } from "../../server/request-error.ts";
import { LIMITS } from "../limits.ts";
import { cheaper, createMeter, type Measure } from "../query-cost.ts";
import { refusedQuery } from "../refused-query.ts";

/** A query that is not longer than this can't have too many tokens. */
const SURELY_SHORT = LIMITS.tokens;

/**
 * Lets an operation in that is within the limits, by what else the server has to do. What it returns is called at the
 * end of the operation.
 * @throws RequestError when it is not let in
 */
export type Admit = (args: GrafastExecutionArgs, measure: Measure) => Promise<() => void>;

/** By the query's text, then by its shape, then by its size with these variables, then by what `admit` says. */
export const createLimitsPlugin = (admit: Admit): GraphileConfig.Plugin => ({
  name: "AttuneLimitsPlugin",
  grafserv: {
    middleware: {
      setPreset(next, event) {
        event.validationRules.push(depthRule);
        const { getExecutionConfig } = event;
        event.getExecutionConfig = async function (context) {
          const config = await getExecutionConfig.call(this, context);
          return {
            ...config,
            parseAndValidate: (query) => tooLong(query) ?? orInvalid(() => config.parseAndValidate(query)),
          };
        };
        return next();
      },
    },
  },
  grafast: {
    middleware: {
      execute: (next, { args }) => withinLimits(args, admit, next),
      // What one event costs, and it is admitted as one query: what follows comes by itself.
      subscribe: (next, { args }) => withinLimits(args, admit, next),
    },
  },
});

async function withinLimits<Result>(
  args: GrafastExecutionArgs,
  admit: Admit,
  next: () => Result,
): Promise<Awaited<Result> | { errors: GraphQLError[] }> {
  let leave: Awaited<ReturnType<Admit>>;
  try {
    const measure = measureOf(args.schema, args.document, args.operationName, args.variableValues ?? {});
    if (measure === undefined) return await next();
    checkLimits(measure);
    leave = await admit(args, measure);
  } catch (error) {
    if (error instanceof GraphQLError) return { errors: [error] };
    if (!(error instanceof RequestError)) throw error;
    return { errors: [new GraphQLError(error.message, { originalError: error })] };
  }
  try {
    return await next();
  } finally {
    leave();
  }
}

/** The rule that a subscription has one field evaluates directives, and knows no variables: it throws. */
function orInvalid<Result>(validate: () => Result): Result | { errors: GraphQLError[] } {
  try {
    return validate();
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    const message = "Whether a subscription has its field can't depend on a variable";
    return { errors: [refusedQuery("invalid_query", message, "Leave out `@skip` and `@include`.")] };
  }
}

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

/** How much the operation asks for with these variables; undefined when there is no such operation. */
function measureOf(
  schema: GraphQLSchema,
  document: DocumentNode,
  operationName: string | null | undefined,
  variableValues: Readonly<Record<string, unknown>>,
): Measure | undefined {
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
  return createMeter(schema, fragments, variables)(operation.selectionSet, type);
}

/** @throws GraphQLError by the first limit that it is over */
function checkLimits(measure: Measure): void {
  const { cost, rootFields, introspection, passwords } = measure;
  if (rootFields > LIMITS.rootFields) {
    const message = `The query has ${rootFields} fields at the top, more than ${LIMITS.rootFields}`;
    throw refusedQuery("too_many_root_fields", message, "Send it as several queries.");
  }
  if (introspection > LIMITS.introspection) {
    const message = `The query asks for ${introspection} fields of the schema, more than ${LIMITS.introspection}`;
    throw refusedQuery("query_too_costly", message, "Ask for each part of the schema once.");
  }
  if (cost > LIMITS.cost) {
    const message = `The query may give ${cost} values, more than ${LIMITS.cost}`;
    throw refusedQuery("query_too_costly", message, cheaper(measure));
  }
  if (passwords > 1) {
    const message = `The query hashes or checks a password ${passwords} times`;
    throw refusedQuery(
      "too_many_password_operations",
      message,
      "Send each of these mutations as a request of its own.",
    );
  }
}
