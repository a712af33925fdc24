/** Which operators a `filter` has, by the kind of its column, and that what is typed into one is text and no pattern. */
import type {} from "postgraphile";
import { type PgCodec, type PgCodecWithAttributes, TYPES } from "postgraphile/@dataplan/pg";
import { PostGraphileConnectionFilterPreset } from "postgraphile-plugin-connection-filter";
import { isJson } from "./json.ts";
import { isTransactionId } from "./transaction-ids.ts";

const SAME = ["isNull", "equalTo"];
const ONE_OF = [...SAME, "notEqualTo", "in"];
const RANGE = [...ONE_OF, "lessThan", "lessThanOrEqualTo", "greaterThan", "greaterThanOrEqualTo"];
const TEXT = [...ONE_OF, "startsWith", "includesInsensitive"];

const OPERATORS = new Map<PgCodec, readonly string[]>([
  [TYPES.boolean, SAME],
  [TYPES.text, TEXT],
  [TYPES.int, RANGE],
  [TYPES.bigint, RANGE],
  [TYPES.timestamptz, RANGE],
]);

const DESCRIPTIONS: Readonly<Record<string, string>> = {
  isNull: "True finds the rows that have none, false those that have one.",
  equalTo: "Equal to this.",
  notEqualTo: "Another than this; a row that has none is not found.",
  in: "One of these; an empty list finds nothing.",
  lessThan: "Before or below this.",
  lessThanOrEqualTo: "Before or below this, or equal.",
  greaterThan: "After or above this.",
  greaterThanOrEqualTo: "After or above this, or equal.",
  startsWith: "Begins with this text, in the same case.",
  includesInsensitive: "Contains this text, in any case.",
  and: "All of these hold.",
  or: "At least one of these holds.",
  not: "This does not hold; a row that has none of it is not found.",
};

type PgFunction = Parameters<GraphileBuild.Inflection["computedAttributeField"]>[0]["resource"];

const isRow = (codec: PgCodec): codec is PgCodecWithAttributes => codec.attributes !== undefined;

const FiltersPlugin: GraphileConfig.Plugin = {
  name: "AttuneFiltersPlugin",
  after: ["PgConnectionArgFilterPlugin", "PgConnectionArgFilterOperatorsPlugin"],
  schema: {
    hooks: {
      build(build) {
        const { connectionFilterOperatorsDigest } = build;
        if (connectionFilterOperatorsDigest === undefined) throw new Error("The filters are not known yet");
        build.connectionFilterOperatorsDigest = (codec) =>
          isJson(codec) || isTransactionId(codec) ? null : connectionFilterOperatorsDigest(codec);
        // The plugin's own leaves the backslash, which escapes what follows it.
        build.escapeLikeWildcards = (input) => String(input).replaceAll(/[\\%_]/g, String.raw`\$&`);
        return build;
      },
      GraphQLInputObjectType_fields(fields, _build, { scope: { pgConnectionFilterOperators } }) {
        const [codec] = pgConnectionFilterOperators?.pgCodecs ?? [];
        if (codec === undefined) return fields;
        const operators = OPERATORS.get(codec) ?? ONE_OF;
        return Object.fromEntries(Object.entries(fields).filter(([name]) => operators.includes(name)));
      },
      GraphQLInputObjectType_fields_field(field, build, { Self, scope }) {
        const { fieldName, isPgConnectionFilterField } = scope;
        if (!isPgConnectionFilterField) {
          const isOperator = scope.isPgConnectionFilterOperator || scope.isPgConnectionFilterOperatorLogical;
          return isOperator ? { ...field, description: DESCRIPTIONS[fieldName] } : field;
        }
        const { pgCodec }: GraphileBuild.ScopeInputObject = build.scopeByType.get(Self) ?? {};
        if (pgCodec === undefined || !isRow(pgCodec)) return field;
        const column = Object.entries(pgCodec.attributes).find(
          ([attributeName]) => build.inflection.attribute({ codec: pgCodec, attributeName }) === fieldName,
        );
        const computed = Object.values(build.pgResources)
          .filter((resource): resource is PgFunction => resource.parameters?.[0]?.codec === pgCodec)
          .find((resource) => build.inflection.computedAttributeField({ resource }) === fieldName);
        return { ...field, description: (column?.[1] ?? computed)?.description };
      },
      GraphQLInputObjectType(config, _build, { scope: { isPgConnectionFilter, pgConnectionFilterOperators } }) {
        if (isPgConnectionFilter)
          return { ...config, description: "Which rows: all that is said holds; what is null says nothing." };
        if (pgConnectionFilterOperators)
          return {
            ...config,
            description: "What a column is compared with: all that is said holds; what is null says nothing.",
          };
        return config;
      },
      GraphQLObjectType_fields_field_args(args) {
        const { filter } = args;
        return filter === undefined
          ? args
          : { ...args, filter: { ...filter, description: "Which rows; all of them without." } };
      },
    },
  },
};

/** One argument `filter` on every connection; `condition`, which does less of the same, is gone. */
export const FiltersPreset: GraphileConfig.Preset = {
  extends: [PostGraphileConnectionFilterPreset],
  plugins: [FiltersPlugin],
  disablePlugins: [
    "PgConditionArgumentPlugin",
    "PgConditionCustomFieldsPlugin",
    // Filters by what is related or inside a value.
    "PgConnectionArgFilterBackwardRelationsPlugin",
    "PgConnectionArgFilterForwardRelationsPlugin",
    "PgConnectionArgFilterCompositeTypeAttributesPlugin",
    "PgConnectionArgFilterRecordFunctionsPlugin",
    "AddConnectionFilterOperatorPlugin",
  ],
  schema: {
    connectionFilterAllowedOperators: [...new Set([...RANGE, ...TEXT])],
    connectionFilterArrays: false,
    // Only where `@behavior +filter:proc:filterBy` says that it costs nothing: that PostgreSQL inlines it.
    connectionFilterComputedColumns: false,
    connectionFilterSetofFunctions: false,
    // As an empty field of a form sends it.
    connectionFilterAllowNullInput: true,
    connectionFilterAllowEmptyObjectInput: true,
  },
};
