/** What clients subscribe to: an event says what changed, by key or id, and leads to it as the subscriber sees it now. */
import type {} from "postgraphile";
import { listOfCodec, type PgResource, TYPES } from "postgraphile/@dataplan/pg";
import { constant, context, get, listen, object, type Step } from "postgraphile/grafast";
import { sql } from "postgraphile/pg-sql2";
import type { Topic } from "../../live/changes.ts";
import type { LiveEvent } from "../../live/subscriber.ts";

/** Where events come from: the transport puts it into the context of each run. */
export type LiveSource = {
  /** @throws RequestError when it can't be subscribed to */
  subscribe: (wanted: { topic: Topic; since?: string | null }) => Promise<AsyncIterable<LiveEvent>>;
};

declare global {
  namespace Grafast {
    interface Context {
      live?: LiveSource;
    }
  }
  namespace GraphileBuild {
    interface ScopeObjectFieldsField {
      /** Is read apart from what it belongs to, and is null where that fails: what it belongs to is not told again. */
      isReadApart?: boolean;
    }
  }
}

type Rows = { field: string; type: string; description: string; read: (build: Build, $names: Step) => Step };
type Build = GraphileBuild.Build;
type Event = {
  topic: Topic;
  /** Its field, and its type. */
  field: string;
  type: string;
  description: string;
  about: string;
  names: { field: string; type: "String" | "UUID"; description: string };
  rows: Rows;
};

const EVENTS: readonly Event[] = [
  {
    topic: "settings",
    field: "settingsChanged",
    type: "SettingsChanged",
    description:
      "Tells whatever changes what applies to the caller: a layer, a lock, a rollout, a definition, their plan or team. The first event comes at once. Refused: `not_signed_in`, `invalid_cursor`, `too_many_subscriptions`.",
    about: "Settings that may apply otherwise now. Changes that come close together are one event.",
    names: {
      field: "keys",
      type: "String",
      description: "Of which settings; of all that changed since the last event.",
    },
    rows: {
      field: "effectiveSettings",
      type: "EffectiveSetting",
      description: "What applies now, of those `keys` that the caller is shown; null where it could not be read.",
      read: (build, $names) =>
        resourceOf(build, "effective_settings_of").execute([
          { step: $names, pgCodec: listOfCodec(TYPES.text), name: "keys" },
        ]),
    },
  },
  {
    topic: "notifications",
    field: "notificationReceived",
    type: "NotificationReceived",
    description:
      "Tells of all that changes in the caller's inbox: what arrives, and what is read, snoozed or archived, elsewhere too. The first event comes at once. Refused: `not_signed_in`, `invalid_cursor`, `too_many_subscriptions`.",
    about: "Notifications that arrived or changed. Changes that come close together are one event.",
    names: {
      field: "notificationIds",
      type: "UUID",
      description: "Of which notifications; of all that changed since the last event.",
    },
    rows: {
      field: "notifications",
      type: "Notification",
      description: "Those of `notificationIds` that are there; null where they could not be read.",
      read: (build, $names) => byId(resourceOf(build, "notifications"), $names),
    },
  },
  {
    topic: "knowledge",
    field: "knowledgeChanged",
    type: "KnowledgeChanged",
    description:
      "Tells of all that changes in the knowledge that is shared: entries that are made, edited or deleted, and leases to edit them. The first event comes at once. Refused: `not_signed_in`, `invalid_cursor`, `too_many_subscriptions`.",
    about: "Knowledge that changed. Changes that come close together are one event.",
    names: {
      field: "entryIds",
      type: "UUID",
      description: "Of which entries, those that are gone too; of all that changed since the last event.",
    },
    rows: {
      field: "entries",
      type: "KnowledgeEntry",
      description: "Those of `entryIds` that are there; null where they could not be read.",
      read: (build, $names) => byId(resourceOf(build, "knowledge_entries"), $names),
    },
  },
];

const NOTHING = Object.freeze({});

export const SubscriptionsPlugin: GraphileConfig.Plugin = {
  name: "AttuneSubscriptionsPlugin",
  after: ["AttuneNullabilityPlugin"],
  schema: {
    hooks: {
      init(_, build) {
        for (const event of eventsOf(build)) registerEvent(build, event);
        return _;
      },
      GraphQLObjectType_fields(fields, build, { scope: { isRootSubscription }, fieldWithHooks }) {
        if (!isRootSubscription) return fields;
        const { GraphQLString } = build.graphql;
        const told = eventsOf(build).map(({ topic, field, type, description }) => [
          field,
          fieldWithHooks({ fieldName: field }, () => ({
            description,
            type: build.getOutputTypeByName(type),
            args: {
              since: {
                type: GraphQLString,
                description:
                  "The `cursor` of the event that was seen last: the first event tells what changed since then.",
              },
            },
            subscribePlan: (_$root, args) =>
              listen(
                context().get("live") as Step,
                object({ topic: constant(topic), since: args.getRaw("since") }) as Step,
                ($event) => $event,
              ),
            plan: ($event) => $event,
          })),
        ]);
        return build.extend(fields, Object.fromEntries(told), "Adding what can be subscribed to");
      },
    },
  },
};

/** Until there is knowledge. */
function eventsOf(build: Build): Event[] {
  return EVENTS.filter(({ topic }) => topic !== "knowledge" || build.pgResources["knowledge_entries"] !== undefined);
}

function registerEvent(build: Build, { type, about, names, rows }: Event): void {
  const { GraphQLBoolean, GraphQLList, GraphQLNonNull, GraphQLString } = build.graphql;
  const required = (name: string) => new GraphQLNonNull(build.getOutputTypeByName(name));
  build.registerObjectType(
    type,
    {},
    () => ({
      description: about,
      fields: ({ fieldWithHooks }) => ({
        cursor: {
          description: "Where to go on from after this event: what `since` takes, and `changesSince`.",
          type: new GraphQLNonNull(GraphQLString),
          plan: ($event: Step) => get($event, "cursor"),
        },
        mustRefetch: {
          description:
            "Whether more may have changed than can be told, as after a long absence: what the client has must be fetched anew.",
          type: new GraphQLNonNull(GraphQLBoolean),
          plan: ($event: Step) => get($event, "mustRefetch"),
        },
        [names.field]: {
          description: names.description,
          type: new GraphQLNonNull(new GraphQLList(required(names.type))),
          plan: ($event: Step) => get($event, "names"),
        },
        [rows.field]: fieldWithHooks({ fieldName: rows.field, isReadApart: true }, () => ({
          description: rows.description,
          type: new GraphQLList(required(rows.type)),
          plan: ($event: Step) => rows.read(build, get($event, "names")),
        })),
        query: {
          description: "All that may be asked, after the change: what a list or a count says now.",
          type: required(build.inflection.builtin("Query")),
          plan: () => constant(NOTHING),
        },
      }),
    }),
    "what clients subscribe to",
  );
}

function resourceOf(build: Build, name: string): PgResource {
  const resource = build.pgResources[name];
  if (resource === undefined) throw new Error(`There is no ${name} to subscribe to`);
  return resource;
}

function byId(resource: PgResource, $ids: Step): Step {
  const $rows = resource.find();
  $rows.where(sql`${$rows.alias}.id = any (${$rows.placeholder($ids, listOfCodec(TYPES.uuid))})`);
  return $rows;
}
