/** Variables and literals reach the database as they were sent, or are refused with their place. */
import {
  type ASTVisitor,
  type DocumentNode,
  type EnumValueNode,
  type FloatValueNode,
  getNamedType,
  getNullableType,
  getOperationAST,
  GraphQLError,
  GraphQLFloat,
  GraphQLID,
  type GraphQLInputType,
  type GraphQLSchema,
  type IntValueNode,
  isInputObjectType,
  isInputType,
  isListType,
  isNonNullType,
  isSpecifiedScalarType,
  Kind,
  type OperationDefinitionNode,
  typeFromAST,
  TypeInfo,
  type ValidationContext,
  type ValidationRule,
  type ValueNode,
  visit,
  visitWithTypeInfo,
} from "graphql";
import type {} from "postgraphile";
import type { GrafastExecutionArgs } from "postgraphile/grafast";
import { RequestError } from "../../server/request-error.ts";
import { exactLiterals } from "../exact-literals.ts";
import { checkDepth, checkJson, checkNumber, checkText, createTally, type Place } from "../../storable.ts";

export const SentValuesPlugin: GraphileConfig.Plugin = {
  name: "AttuneSentValuesPlugin",
  grafserv: {
    middleware: {
      setPreset(next, event) {
        event.validationRules.push(literalsRule);
        return next();
      },
    },
  },
  grafast: {
    middleware: {
      execute: (next, { args }) => withSentValues(args, next),
      subscribe: (next, { args }) => withSentValues(args, next),
    },
  },
};

function withSentValues<Result>(args: GrafastExecutionArgs, next: () => Result): Result | { errors: GraphQLError[] } {
  const { schema, document, operationName, variableValues } = args;
  const operation = getOperationAST(document, operationName);
  if (!operation) return next();
  const missing = nullForRequired(schema, document, operation, variableValues ?? {});
  if (missing) return { errors: [missing] };
  const exact = exactLiterals(schema, document);
  try {
    const sent: Record<string, unknown> = { ...variableValues };
    for (const { variable, type: typeNode } of operation.variableDefinitions ?? []) {
      const name = variable.name.value;
      const type = typeFromAST(schema, typeNode);
      if (isInputType(type) && Object.hasOwn(sent, name))
        sent[name] = readVariable(sent[name], type, { within: undefined, name: `$${name}` });
    }
    args.document = exact.document;
    args.variableValues = { ...sent, ...exact.numbers };
  } catch (error) {
    if (error instanceof RequestError) return { errors: [asGraphqlError(error)] };
    throw error;
  }
  return next();
}

/** A variable with a default may stand for what is required; that it is null nevertheless, only its value shows. */
function nullForRequired(
  schema: GraphQLSchema,
  document: DocumentNode,
  { variableDefinitions = [] }: OperationDefinitionNode,
  values: Readonly<Record<string, unknown>>,
): GraphQLError | undefined {
  const names = variableDefinitions
    .filter(({ variable, defaultValue }) => defaultValue && values[variable.name.value] === null)
    .map(({ variable }) => variable.name.value);
  if (names.length === 0) return undefined;
  let missing: GraphQLError | undefined;
  const info = new TypeInfo(schema);
  visit(
    document,
    visitWithTypeInfo(info, {
      Variable: (node) => {
        if (!names.includes(node.name.value) || !isNonNullType(info.getInputType())) return;
        const extensions = { code: "BAD_USER_INPUT", reason: "invalid_input", hint: "Send a value, or no variable." };
        missing = new GraphQLError(`Variable "$${node.name.value}" must not be null`, { nodes: node, extensions });
      },
    }),
  );
  return missing;
}

/** Checks a variable by its type; numbers are what its scalars take: all digits for JSON, text for those of text. */
function readVariable(value: unknown, type: GraphQLInputType, place: Place, depth = 0): unknown {
  checkDepth(depth, place);
  const nullable = getNullableType(type);
  if (isListType(nullable)) {
    return Array.isArray(value)
      ? value.map((each, name) => readVariable(each, nullable.ofType, { within: place, name }, depth + 1))
      : readVariable(value, nullable.ofType, place, depth);
  }
  if (typeof value === "string") checkText(value, place);
  if (JSON.isRawJSON(value)) {
    checkNumber(value.rawJSON, place);
    if (nullable.name === "JSON") return value;
    return isSpecifiedScalarType(nullable) && nullable !== GraphQLID ? Number(value.rawJSON) : value.rawJSON;
  }
  if (!isInputObjectType(nullable)) {
    checkJson(value, place);
    return value;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const fields = nullable.getFields();
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => {
      const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
      return [
        name,
        field === undefined ? member : readVariable(member, field.type, { within: place, name }, depth + 1),
      ];
    }),
  );
}

/** The same for what stands in the query. GraphQL itself refuses half a surrogate pair. */
const literalsRule: ValidationRule = (context): ASTVisitor => ({
  Argument: ({ name, value }) => reportLiteral(context, value, name.value),
  VariableDefinition: ({ variable, defaultValue }) => {
    if (defaultValue) reportLiteral(context, defaultValue, `$${variable.name.value}`);
  },
  IntValue: (node) => reportInfinity(context, node),
  FloatValue: (node) => reportInfinity(context, node),
  EnumValue: (node) => reportName(context, node),
});

/** A name is no JSON; below the top of a JSON literal nothing has a type. */
function reportName(context: ValidationContext, node: EnumValueNode): void {
  const type = getNamedType(context.getInputType());
  if (type && type.name !== "JSON") return;
  const hint = "Send a text, in quotes.";
  const extensions = { code: "BAD_USER_INPUT", reason: "invalid_input", hint };
  context.reportError(new GraphQLError(`JSON cannot represent the name ${node.value}`, { nodes: node, extensions }));
}

/** GraphQL lets a literal be a `Float` that it refuses as a variable. */
function reportInfinity(context: ValidationContext, node: IntValueNode | FloatValueNode): void {
  const type = context.getInputType();
  if (!type || getNamedType(type) !== GraphQLFloat || Number.isFinite(Number(node.value))) return;
  const extensions = { code: "BAD_USER_INPUT", reason: "invalid_input", hint: "Send a smaller number." };
  context.reportError(new GraphQLError("Float cannot represent so large a number", { nodes: node, extensions }));
}

function reportLiteral(context: ValidationContext, value: ValueNode, name: string): void {
  const place = { within: undefined, name };
  try {
    checkLiteral(value, place, 0, createTally(place));
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    context.reportError(asGraphqlError(error, value));
  }
}

/** A query has few tokens, so this does not go deep. */
function checkLiteral(node: ValueNode, place: Place, depth: number, tally: (length: number) => void): void {
  checkDepth(depth, place);
  if (node.kind === Kind.STRING) checkText(node.value, place);
  else if (node.kind === Kind.INT || node.kind === Kind.FLOAT) tally(checkNumber(node.value, place));
  else if (node.kind === Kind.LIST)
    node.values.forEach((each, name) => checkLiteral(each, { within: place, name }, depth + 1, tally));
  else if (node.kind === Kind.OBJECT)
    for (const field of node.fields)
      checkLiteral(field.value, { within: place, name: field.name.value }, depth + 1, tally);
}

function asGraphqlError({ message, code, reason, hint }: RequestError, node?: ValueNode): GraphQLError {
  return new GraphQLError(message, { extensions: { code, reason, hint }, ...(node && { nodes: node }) });
}
