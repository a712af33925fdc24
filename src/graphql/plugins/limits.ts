/** What one request may ask for, so that none takes the server down. */
import { depthLimit } from "@graphile/depth-limit";
import {
  type DocumentNode,
  type FragmentDefinitionNode,
  getNamedType,
  getNullableType,
  getOperationAST,
  GraphQLError,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
  isIntrospectionType,
  isListType,
  isObjectType,
  Kind,
  type FieldNode,
  parse,
  SchemaMetaFieldDef,
  type SelectionSetNode,
  TypeMetaFieldDef,
  type ValidationContext,
  type ValidationRule,
  valueFromASTUntyped,
} from "graphql";
import type {} from "postgraphile";
import { PAGE } from "./collections.ts";

export const LIMITS = {
  /** Bytes of a request's body. */
  body: 256 * 1024,
  /** Words and signs of a query. GraphiQL's introspection has 184. */
  tokens: 1000,
  /** Levels of a query, those of introspection aside. */
  depth: 10,
  /** Fields of `Query` and `Mutation`, wherever they stand: each is a transaction of its own. */
  rootFields: 20,
  /** A field costs 1, and all that is inside a collection counts for each row it may give. */
  cost: 10_000,
  /** Fields of introspection, those of a fragment each time it is spread. The whole query of graphql-js has 230. */
  introspection: 500,
};

/** Rows assumed of a list, which has no `first`. */
const LIST_ROWS = 50;
/** A query that is not longer than this can't have too many tokens. */
const SURELY_SHORT = LIMITS.tokens;

/** Refuses what is over the limits: by the query's text, then by its shape, then by its size with these variables. */
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

function refused(reason: string, message: string, hint: string, node?: FieldNode): GraphQLError {
  const extensions = { code: "GRAPHQL_VALIDATION_FAILED", reason, hint };
  return new GraphQLError(message, { extensions, ...(node && { nodes: node }) });
}

function tooLong(query: string): { errors: GraphQLError[] } | undefined {
  if (query.length <= SURELY_SHORT) return undefined;
  try {
    parse(query, { maxTokens: LIMITS.tokens, noLocation: true });
  } catch (error) {
    // Any other mistake is reported by the parser that follows.
    if (!(error instanceof GraphQLError && error.message.includes("tokens"))) return undefined;
    const message = `The query has more than ${LIMITS.tokens} tokens`;
    return { errors: [refused("query_too_long", message, "Send it as several queries.")] };
  }
  return undefined;
}

const depthRule: ValidationRule = (context) => {
  const error = refused(
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
export function overLimit(
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
      return refused("too_many_root_fields", message, "Send it as several queries.");
    }
    if (introspection > LIMITS.introspection) {
      const message = `The query asks for ${introspection} fields of the schema, more than ${LIMITS.introspection}`;
      return refused("query_too_costly", message, "Ask for each part of the schema once.");
    }
    if (cost > LIMITS.cost) {
      const message = `The query may give ${cost} values, more than ${LIMITS.cost}`;
      return refused("query_too_costly", message, "Ask for fewer rows with `first`, or for fewer fields.");
    }
  } catch (error) {
    if (error instanceof GraphQLError) return error;
    throw error;
  }
  return undefined;
}

const META_FIELDS = new Map([SchemaMetaFieldDef, TypeMetaFieldDef].map((field) => [field.name, field]));

type Measure = { cost: number; rootFields: number; introspection: number };
const NOTHING: Measure = { cost: 0, rootFields: 0, introspection: 0 };

function createMeter(
  schema: GraphQLSchema,
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
  variables: Readonly<Record<string, unknown>>,
): (selections: SelectionSetNode, type: GraphQLObjectType) => Measure {
  const ofFragments = new Map<string, Measure>();

  /** @param page rows of the connection these selections belong to */
  function ofSelections({ selections }: SelectionSetNode, type: GraphQLObjectType, page?: number): Measure {
    let total = NOTHING;
    for (const selection of selections) {
      if (selection.kind === Kind.FIELD) {
        total = sum(total, ofField(selection, type, page));
      } else if (selection.kind === Kind.INLINE_FRAGMENT) {
        total = sum(total, ofSelections(selection.selectionSet, type, page));
      } else {
        total = sum(total, ofFragment(selection.name.value, type, page));
      }
    }
    return total;
  }

  /** A fragment counts each time it is spread, but is measured once. */
  function ofFragment(name: string, type: GraphQLObjectType, page: number | undefined): Measure {
    const key = `${name} ${page}`;
    const known = ofFragments.get(key);
    if (known) return known;
    const fragment = fragments.get(name);
    const measure = fragment ? ofSelections(fragment.selectionSet, type, page) : NOTHING;
    ofFragments.set(key, measure);
    return measure;
  }

  function ofField(node: FieldNode, parent: GraphQLObjectType, page: number | undefined): Measure {
    const field = parent.getFields()[node.name.value] ?? META_FIELDS.get(node.name.value);
    const type = field && getNamedType(field.type);
    // The schema has as many rows as it has: what counts is how often they are asked for.
    if (isIntrospectionType(parent) || (type && isIntrospectionType(type))) {
      const asked = node.selectionSet && isObjectType(type) ? ofSelections(node.selectionSet, type) : NOTHING;
      return sum(asked, { ...NOTHING, introspection: 1 });
    }
    // `__typename` is a value of every row like any other.
    if (!field) return { ...NOTHING, cost: 1 };
    const isRoot = parent === schema.getQueryType() || parent === schema.getMutationType();
    const own = { ...NOTHING, cost: 1, rootFields: isRoot ? 1 : 0 };
    if (!node.selectionSet || !isObjectType(type)) return own;

    const rows = isListType(getNullableType(field.type)) ? (page ?? LIST_ROWS) : 1;
    const inner = ofSelections(node.selectionSet, type, pageOf(field, node));
    return sum(own, { ...inner, cost: rows * inner.cost });
  }

  function pageOf(field: GraphQLField<unknown, unknown>, node: FieldNode): number | undefined {
    if (!field.args.some(({ name }) => name === "first")) return undefined;
    const argument = node.arguments?.find(({ name }) => name.value === "first");
    const given: unknown = argument && valueFromASTUntyped(argument.value, variables);
    const first = given === undefined ? PAGE.usual : given;
    if (typeof first === "number" && first >= 0 && first <= PAGE.most) return first;
    throw refused(
      "page_too_large",
      `A page has from 0 to ${PAGE.most} rows`,
      "Ask for the next ones with `after`.",
      node,
    );
  }

  return ofSelections;
}

function sum(a: Measure, b: Measure): Measure {
  return {
    cost: a.cost + b.cost,
    rootFields: a.rootFields + b.rootFields,
    introspection: a.introspection + b.introspection,
  };
}
