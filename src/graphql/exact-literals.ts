/** Numbers in the JSON literals of a query, made variables: Grafast reads a list or object with JavaScript's numbers. */
import {
  type DocumentNode,
  getNullableType,
  type GraphQLSchema,
  Kind,
  TypeInfo,
  type ValueNode,
  type VariableDefinitionNode,
  type VariableNode,
  visit,
  visitWithTypeInfo,
} from "graphql";
import { exactNumber, type RawJson } from "../json.ts";

/** A query whose literals lose nothing, with the values of the variables that this took. */
export type ExactQuery = { document: DocumentNode; numbers: Readonly<Record<string, RawJson>> };

const known = new WeakMap<DocumentNode, ExactQuery>();

/** The same query for the same document, so that its plan is found again. */
export function exactLiterals(schema: GraphQLSchema, document: DocumentNode): ExactQuery {
  const exact = known.get(document) ?? replaceNumbers(schema, document);
  known.set(document, exact);
  return exact;
}

function replaceNumbers(schema: GraphQLSchema, document: DocumentNode): ExactQuery {
  const numbers: Record<string, RawJson> = {};
  const definitions: VariableDefinitionNode[] = [];

  const replace = (node: ValueNode): ValueNode => {
    if (node.kind === Kind.LIST) return { ...node, values: node.values.map(replace) };
    if (node.kind === Kind.OBJECT)
      return { ...node, fields: node.fields.map((field) => ({ ...field, value: replace(field.value) })) };
    if (node.kind !== Kind.INT && node.kind !== Kind.FLOAT) return node;
    const number = exactNumber(node.value);
    if (typeof number === "number") return node;
    // No variable of the client's has a blank in its name.
    const name = `number ${definitions.length}`;
    numbers[name] = number;
    const variable: VariableNode = { kind: Kind.VARIABLE, name: { kind: Kind.NAME, value: name } };
    const type = { kind: Kind.NAMED_TYPE, name: { kind: Kind.NAME, value: "JSON" } } as const;
    definitions.push({ kind: Kind.VARIABLE_DEFINITION, variable, type });
    return variable;
  };

  const info = new TypeInfo(schema);
  const isJson = (): boolean => getNullableType(info.getInputType())?.toString() === "JSON";
  const replaced = visit(
    document,
    visitWithTypeInfo(info, {
      ListValue: (node) => (isJson() ? replace(node) : undefined),
      ObjectValue: (node) => (isJson() ? replace(node) : undefined),
      // Those of a default are read by the scalar itself.
      VariableDefinition: () => false,
    }),
  );
  if (definitions.length === 0) return { document, numbers };
  const withVariables = visit(replaced, {
    OperationDefinition: (node) => ({
      ...node,
      variableDefinitions: [...(node.variableDefinitions ?? []), ...definitions],
    }),
    SelectionSet: () => false,
  });
  return { document: withVariables, numbers };
}
