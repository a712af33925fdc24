/** How much a query asks for with these variables: values, fields at the top, fields of introspection, work with passwords and secrets. */
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
  OperationTypeNode,
  SchemaMetaFieldDef,
  type SelectionSetNode,
  TypeMetaFieldDef,
  valueFromASTUntyped,
} from "graphql";
import { LIMITS, PAGE } from "./limits.ts";
import { PASSWORD_WORK } from "./plugins/work.ts";
import { refusedQuery } from "./refused-query.ts";

/** Rows assumed of a list without `first`. */
const LIST_ROWS = 50;
const META_FIELDS = new Map([SchemaMetaFieldDef, TypeMetaFieldDef].map((field) => [field.name, field]));

/** Rows that one may ask fewer of: which field gives them, how many, and what each costs in the whole of it. */
type Rows = { path: readonly string[]; rows: number; each: number };

export type Measure = {
  cost: number;
  rootFields: number;
  introspection: number;
  passwords: number;
  /** How its statements call the functions that need the master key. */
  secretCalls: readonly string[];
  /** The collection that costs most, that which costs most inside it, and so on. */
  costliest: readonly Rows[];
};
const NOTHING: Measure = { cost: 0, rootFields: 0, introspection: 0, passwords: 0, secretCalls: [], costliest: [] };

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
  const roots = new Set(Object.values(OperationTypeNode).map((operation) => schema.getRootType(operation)));

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
    const isRoot = roots.has(parent);
    const own = {
      ...NOTHING,
      cost: 1 + filterParts(node),
      rootFields: isRoot ? 1 : 0,
      passwords: field.extensions["work"] === PASSWORD_WORK ? 1 : 0,
      secretCalls: field.extensions.secretCall === undefined ? NOTHING.secretCalls : [field.extensions.secretCall],
    };
    if (!node.selectionSet || !isObjectType(type)) return own;

    const first = firstOf(field, node);
    const isList = isListType(getNullableType(field.type));
    const rows = isList ? (first ?? page ?? LIST_ROWS) : 1;
    const inner = ofSelections(node.selectionSet, type, isList ? undefined : first);
    const name = node.alias?.value ?? node.name.value;
    const within = inner.costliest.map((each) => ({
      path: [name, ...each.path],
      rows: each.rows,
      each: rows * each.each,
    }));
    // The nodes of a connection are its rows.
    const self = { path: page === undefined ? [name] : [], rows, each: inner.cost };
    const costliest = isList ? [self, ...within] : within;
    return sum(own, { ...inner, cost: rows * inner.cost, costliest });
  }

  function filterParts(node: FieldNode): number {
    const filter = node.arguments?.find(({ name }) => name.value === "filter");
    const parts = filter === undefined ? 0 : partsOf(valueFromASTUntyped(filter.value, variables), node);
    if (parts <= LIMITS.filterParts) return parts;
    const message = `A filter has ${parts} parts, more than ${LIMITS.filterParts}`;
    throw refusedQuery("query_too_costly", message, "Ask for fewer values at a time.", node);
  }

  /** How many rows the field asks for, or has at most; a connection always says, a list may leave it open. */
  function firstOf(field: GraphQLField<unknown, unknown>, node: FieldNode): number | undefined {
    const declared = field.args.find(({ name }) => name === "first");
    if (!declared) return undefined;
    const argument = node.arguments?.find(({ name }) => name.value === "first");
    const given: unknown = argument && valueFromASTUntyped(argument.value, variables);
    const first = given === undefined ? declared.defaultValue : given;
    const { rows = Infinity } = field.extensions;
    if (first === undefined || (first === null && !isNonNullType(declared.type))) return field.extensions.rows;
    if (typeof first === "number" && first >= 0 && first <= PAGE.most) return Math.min(first, rows);
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
    secretCalls: b.secretCalls.length === 0 ? a.secretCalls : [...a.secretCalls, ...b.secretCalls],
    costliest: costOf(b.costliest) > costOf(a.costliest) ? b.costliest : a.costliest,
  };
}

function costOf([outermost]: readonly Rows[]): number {
  return outermost === undefined ? 0 : outermost.rows * outermost.each;
}

/** Members and items of a filter. */
function partsOf(value: unknown, node: FieldNode): number {
  if (typeof value === "string" && value.length > LIMITS.filterText) {
    const message = `A text in a filter has more than ${LIMITS.filterText} characters`;
    throw refusedQuery("query_too_costly", message, "Look for a shorter text.", node);
  }
  if (typeof value !== "object" || value === null) return 0;
  return Object.values(value).reduce<number>((total, each) => total + 1 + partsOf(each, node), 0);
}

/** What to do about a query that costs more than it may. */
export function cheaper({ cost, costliest }: Measure): string {
  for (const [index, { path, rows, each }] of [...costliest.entries()].toReversed()) {
    const outer = costliest[index - 1];
    const isMostOfIt = outer === undefined || 2 * rows * each > outer.rows * outer.each;
    const first = rows - Math.ceil((cost - LIMITS.cost) / each);
    if (isMostOfIt && first >= 1)
      return `\`${path.join(".")}\` costs most, ${rows * each} for ${rows} rows each time: with \`first: ${first}\` there, or with fewer fields in it, it is accepted.`;
  }
  return "Ask for fewer fields, or send it as several queries.";
}
