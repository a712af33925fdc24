/** How much a query asks for with these variables: values, fields at the top, fields of introspection, work with passwords. */
import {
  type FieldNode,
  type FragmentDefinitionNode,
  getNamedType,
  getNullableType,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
  isIntrospectionType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  SchemaMetaFieldDef,
  type SelectionSetNode,
  TypeMetaFieldDef,
  valueFromASTUntyped,
} from "graphql";
import { PAGE } from "./limits.ts";
import { PASSWORD_WORK } from "./plugins/work.ts";
import { refusedQuery } from "./refused-query.ts";

/** Rows assumed of a list without `first`. */
const LIST_ROWS = 50;
const META_FIELDS = new Map([SchemaMetaFieldDef, TypeMetaFieldDef].map((field) => [field.name, field]));

export type Measure = { cost: number; rootFields: number; introspection: number; passwords: number };
const NOTHING: Measure = { cost: 0, rootFields: 0, introspection: 0, passwords: 0 };

/**
 * Makes the function that measures selections.
 * @throws GraphQLError (from the function) when a page is too large
 */
export function createMeter(
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
    const own = {
      ...NOTHING,
      cost: 1,
      rootFields: isRoot ? 1 : 0,
      passwords: field.extensions["work"] === PASSWORD_WORK ? 1 : 0,
    };
    if (!node.selectionSet || !isObjectType(type)) return own;

    const first = firstOf(field, node);
    const isList = isListType(getNullableType(field.type));
    const rows = isList ? (first ?? page ?? LIST_ROWS) : 1;
    const inner = ofSelections(node.selectionSet, type, isList ? undefined : first);
    return sum(own, { ...inner, cost: rows * inner.cost });
  }

  /** How many rows the field asks for; a connection always says, a list may leave it open. */
  function firstOf(field: GraphQLField<unknown, unknown>, node: FieldNode): number | undefined {
    const declared = field.args.find(({ name }) => name === "first");
    if (!declared) return undefined;
    const argument = node.arguments?.find(({ name }) => name.value === "first");
    const given: unknown = argument && valueFromASTUntyped(argument.value, variables);
    const first = given === undefined ? declared.defaultValue : given;
    if (first === undefined || (first === null && !isNonNullType(declared.type))) return undefined;
    if (typeof first === "number" && first >= 0 && first <= PAGE.most) return first;
    throw refusedQuery(
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
    passwords: a.passwords + b.passwords,
  };
}
