/** What the values of enums mean: the database's by the comment of their type, those of orders and groups by a rule. */
import type {} from "@graphile/pg-aggregates/dist/InflectionPlugin.js";
import type {} from "postgraphile";
import { isEnumCodec, type PgCodec, type PgCodecWithAttributes } from "postgraphile/@dataplan/pg";

type PgResource = GraphileBuild.Build["pgResources"][string];
type PgTable = PgResource & { codec: PgCodecWithAttributes };
/** A value, as `SettingLayer.user`, and what it means. */
type Meaning = [value: string, description: string];

/** The values of all enums that the database makes, directly or by its tables. */
export function describeEnumValues(build: GraphileBuild.Build): ReadonlyMap<string, string> {
  const tables = Object.values(build.pgResources).filter(isTable);
  return new Map([
    ...Object.values(build.pgCodecs).flatMap((codec) => ofLabels(build, codec)),
    ...tables.flatMap((table) => [...ofOrders(build, table), ...ofGroups(build, table)]),
  ]);
}

/** The lines `@value label What it means.` at the head of a type's comment. */
function ofLabels({ inflection }: GraphileBuild.Build, codec: PgCodec): Meaning[] {
  if (!isEnumCodec(codec)) return [];
  return [codec.extensions?.tags?.["value"] ?? []].flat().map((tag) => {
    const [label = "", ...words] = String(tag).split(" ");
    return [`${inflection.enumType(codec)}.${inflection.enumValue(label, codec)}`, words.join(" ")];
  });
}

function ofOrders({ inflection }: GraphileBuild.Build, { codec }: PgTable): Meaning[] {
  const type = inflection.orderByType(inflection.tableType(codec));
  const columns = Object.entries(codec.attributes).flatMap(([attributeName, attribute]) => {
    const field = inflection.attribute({ codec, attributeName });
    const [asc, desc] = isTime(attribute.codec)
      ? ["the earliest first", "the latest first"]
      : ["ascending", "descending"];
    return [
      [
        `${type}.${inflection.orderByAttributeEnum({ codec, attributeName, variant: "asc" })}`,
        `By \`${field}\`, ${asc}.`,
      ],
      [
        `${type}.${inflection.orderByAttributeEnum({ codec, attributeName, variant: "desc" })}`,
        `By \`${field}\`, ${desc}.`,
      ],
    ] satisfies Meaning[];
  });
  return [
    [`${type}.${inflection.builtin("NATURAL")}`, "As the database finds them."],
    [`${type}.${inflection.builtin("PRIMARY_KEY_ASC")}`, "By the primary key, ascending."],
    [`${type}.${inflection.builtin("PRIMARY_KEY_DESC")}`, "By the primary key, descending."],
    ...columns,
  ];
}

function ofGroups({ inflection, pgAggregateGroupBySpecs }: GraphileBuild.Build, resource: PgTable): Meaning[] {
  const type = inflection.aggregateGroupByType({ resource });
  const { codec } = resource;
  return Object.keys(codec.attributes).flatMap((attributeName) => {
    const field = inflection.attribute({ codec, attributeName });
    const details = { resource, attributeName };
    return [
      [`${type}.${inflection.aggregateGroupByAttributeEnum(details)}`, `By \`${field}\`.`],
      ...pgAggregateGroupBySpecs.map((aggregateGroupBySpec): Meaning => [
        `${type}.${inflection.aggregateGroupByAttributeDerivativeEnum({ ...details, aggregateGroupBySpec })}`,
        `By the ${aggregateGroupBySpec.id.replace("truncated-to-", "")} of \`${field}\`.`,
      ]),
    ] satisfies Meaning[];
  });
}

function isTable(resource: PgResource): resource is PgTable {
  return !resource.parameters && resource.codec.attributes !== undefined;
}

function isTime({ name }: PgCodec): boolean {
  return name === "timestamptz";
}
