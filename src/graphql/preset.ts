/** What PostGraphile makes of the database: which plugins, which shapes, which names. */
import "./production.ts";
import { createSecretKey, randomBytes } from "node:crypto";
import { PgAggregatesPreset } from "@graphile/pg-aggregates";
import { PgSimplifyInflectionPreset } from "@graphile/simplify-inflection";
import type { Pool } from "pg";
import { makePgService } from "postgraphile/adaptors/pg";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import type { ResolvedJwtOptions } from "../sign-in/jwt.ts";
import { AbsentRowsPlugin } from "./plugins/absent-rows.ts";
import { ArgumentsPlugin } from "./plugins/arguments.ts";
import { CollectionsPlugin } from "./plugins/collections.ts";
import { DescriptionsPlugin } from "./plugins/descriptions.ts";
import { DocumentsPlugin } from "./plugins/documents.ts";
import { ExpectedRowsPlugin } from "./plugins/expected-rows.ts";
import { FiltersPreset } from "./plugins/filters.ts";
import { IdentityPlugin } from "./plugins/identity.ts";
import { JsonPlugin } from "./plugins/json.ts";
import { NamesPlugin } from "./plugins/names.ts";
import { NullabilityPlugin } from "./plugins/nullability.ts";
import { PayloadsPlugin } from "./plugins/payloads.ts";
import { ReadableLogsPlugin } from "./plugins/readable-logs.ts";
import { RelationNamesPreset } from "./plugins/relation-names.ts";
import { ReturnedRefusalsPlugin } from "./plugins/returned-refusals.ts";
import { NoTokensPlugin } from "./plugins/tokens.ts";
import { SubscriptionsPlugin } from "./plugins/subscriptions.ts";
import { TransactionIdsPlugin } from "./plugins/transaction-ids.ts";
import { WorkPlugin } from "./plugins/work.ts";

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
const STATISTICS = [
  "sum",
  "min",
  "max",
  "average",
  "stddevSample",
  "stddevPopulation",
  "varianceSample",
  "variancePopulation",
];

const BEHAVIOR = [
  "list",
  "-resource:connection:backwards",
  "-resource:groupedAggregates:having",
  ...STATISTICS.map((statistic) => `-${statistic}:resource:aggregates`),
].join(" ");

/**
 * The schema `attune`, as `authenticator` sees it through `pool`, which the caller ends.
 * @param jwt its secret signs access tokens; without one there are none, and who asks for one is refused
 */
export function makePreset(pool: Pool, { secret }: ResolvedJwtOptions = {}): GraphileConfig.Preset {
  return {
    extends: [
      PostGraphileAmberPreset,
      PgSimplifyInflectionPreset,
      PgAggregatesPreset,
      FiltersPreset,
      RelationNamesPreset,
    ],
    plugins: [
      NamesPlugin,
      ArgumentsPlugin,
      CollectionsPlugin,
      ReadableLogsPlugin,
      IdentityPlugin,
      ExpectedRowsPlugin,
      JsonPlugin,
      TransactionIdsPlugin,
      ReturnedRefusalsPlugin,
      PayloadsPlugin,
      NullabilityPlugin,
      WorkPlugin,
      AbsentRowsPlugin,
      DocumentsPlugin,
      SubscriptionsPlugin,
      ...(secret === undefined ? [NoTokensPlugin] : []),
      DescriptionsPlugin,
    ],
    disablePlugins: UNUSED,
    pgServices: [makePgService({ pool, schemas: ["attune"], pubsub: false })],
    gather: { pgJwtTypes: ["attune.access_token"] },
    schema: {
      defaultBehavior: BEHAVIOR,
      pgForbidSetofFunctionsToReturnNull: true,
      // Without a secret the schema is the same, and nothing is signed.
      pgJwtSecret: createSecretKey(secret === undefined ? randomBytes(32) : Buffer.from(secret)),
      pgJwtSignOptions: { algorithm: "HS256" },
    },
    grafast: { explain: false },
  };
}
