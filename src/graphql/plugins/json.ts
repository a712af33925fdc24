/** JSON is the same in GraphQL as in the database: every digit of a number, and `null` is a value where one can be set. */
import { getNullableType, Kind, type ValueNode } from "graphql";
import type {} from "postgraphile";
import { type PgCodec, TYPES } from "postgraphile/@dataplan/pg";
import type { GrafastInputFieldConfig } from "postgraphile/grafast";
import { exactNumber, parseJson } from "../../json.ts";

const CODECS: Readonly<Record<string, PgCodec>> = {
  json: { ...TYPES.json, fromPg: parseJson },
  jsonb: { ...TYPES.jsonb, fromPg: parseJson },
};

/** Whether an argument, attribute or result is JSON. */
export function isJson(codec: PgCodec): boolean {
  return codec === CODECS["json"] || codec === CODECS["jsonb"];
}

/**
 * Whether JSON's null is a value there: in what is called a value, as a setting's is, and of variants, which it ends.
 * Elsewhere null says nothing.
 */
export function takesNull(name: string | null | undefined, codec: PgCodec): boolean {
  return isJson(codec) && /((^v|_v|V)alue|^variants)$/.test(name ?? "");
}

const NULL = JSON.rawJSON("null");

/** JSON's null, which is not SQL's: `JSON.stringify` writes it like any other value. */
export function jsonNull(value: unknown): unknown {
  return value === null ? NULL : value;
}

export const JsonPlugin: GraphileConfig.Plugin = {
  name: "AttuneJsonPlugin",
  before: ["PgCodecsPlugin"],
  gather: {
    hooks: {
      pgCodecs_findPgCodec(_info, event) {
        const codec = Object.hasOwn(CODECS, event.pgType.typname) ? CODECS[event.pgType.typname] : undefined;
        if (codec !== undefined && event.pgType.getNamespace()?.nspname === "pg_catalog") event.pgCodec ??= codec;
      },
    },
  },
  schema: {
    hooks: {
      init(_, build) {
        for (const codec of Object.values(CODECS))
          build.setGraphQLTypeForPgCodec(codec, ["input", "output"], build.inflection.builtin("JSON"));
        return _;
      },
      GraphQLScalarType(config, build) {
        return config.name === build.inflection.builtin("JSON") ? { ...config, parseLiteral } : config;
      },
      // A column that can't be NULL can still hold JSON's null; to any other, null says nothing.
      GraphQLInputObjectType_fields_field(field: GrafastInputFieldConfig, _build, { scope }) {
        const { apply } = field;
        const { fieldName, pgAttribute } = scope;
        if (pgAttribute?.notNull !== true || apply === undefined) return field;
        const isValue = takesNull(fieldName, pgAttribute.codec);
        const applyNull: typeof apply = (target, value, info) =>
          value === null && !isValue ? undefined : apply(target, jsonNull(value), info);
        return { ...field, ...(isValue && { type: getNullableType(field.type) }), apply: applyNull };
      },
      // So such a column may give null, unless `@notNull` says that it never does.
      GraphQLObjectType_fields_field(field, _build, { scope: { pgFieldAttribute } }) {
        const mayBeNull =
          pgFieldAttribute && isJson(pgFieldAttribute.codec) && !pgFieldAttribute.extensions?.tags?.notNull;
        return mayBeNull ? { ...field, type: getNullableType(field.type) } : field;
      },
    },
  },
};

/** A literal of the query as JSON. Variables in it have been read already. */
function parseLiteral(node: ValueNode, variables?: Record<string, unknown> | null): unknown {
  switch (node.kind) {
    case Kind.INT:
    case Kind.FLOAT:
      return exactNumber(node.value);
    case Kind.OBJECT:
      return Object.fromEntries(node.fields.map(({ name, value }) => [name.value, parseLiteral(value, variables)]));
    case Kind.LIST:
      return node.values.map((value) => parseLiteral(value, variables));
    case Kind.VARIABLE:
      return variables?.[node.name.value];
    case Kind.NULL:
      return null;
    default:
      return node.value;
  }
}
