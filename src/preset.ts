/** What PostGraphile makes of the database: which plugins, which shapes, which names. */
import "./production.ts";
import { PgAggregatesPreset } from "@graphile/pg-aggregates";
import { PgSimplifyInflectionPreset } from "@graphile/simplify-inflection";
import type { Pool } from "pg";
import { makePgService } from "postgraphile/adaptors/pg";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { ArgumentsPlugin } from "./plugins/arguments.ts";
import { CollectionsPlugin } from "./plugins/collections.ts";
import { DescriptionsPlugin } from "./plugins/descriptions.ts";
import { NamesPlugin } from "./plugins/names.ts";
import { TransactionIdsPlugin } from "./plugins/transaction-ids.ts";

/** Noise for a client (Relay's object ids, edges in payloads, `Query.query`), and what would hide a naming conflict. */
const UNUSED = [
  "SwallowErrorsPlugin",
  "NodePlugin",
  "QueryQueryPlugin",
  "PgMutationPayloadEdgePlugin",
  "PgAggregatesOrderByAggregatesPlugin",
  "PgAggregatesFilterRelationalAggregatesPlugin",
];

/** Of the aggregates only counting: the sum or average of ids and dates says nothing. */
const STATISTICS = ["sum", "min", "max", "average", "stddevSample", "stddevPopulation", "varianceSample", "variancePopulation"];

const BEHAVIOR = [
  "list",
  "-resource:connection:backwards",
  "-resource:groupedAggregates:having",
  ...STATISTICS.map((statistic) => `-${statistic}:resource:aggregates`),
].join(" ");

/** The schema `attune`, as `authenticator` sees it through `pool`, which the caller ends. */
export function makePreset(pool: Pool): GraphileConfig.Preset {
  return {
    extends: [PostGraphileAmberPreset, PgSimplifyInflectionPreset, PgAggregatesPreset],
    plugins: [NamesPlugin, ArgumentsPlugin, CollectionsPlugin, TransactionIdsPlugin, DescriptionsPlugin],
    disablePlugins: UNUSED,
    pgServices: [makePgService({ pool, schemas: ["attune"], pubsub: false })],
    schema: { defaultBehavior: BEHAVIOR, pgForbidSetofFunctionsToReturnNull: true },
    grafast: { explain: false },
  };
}
