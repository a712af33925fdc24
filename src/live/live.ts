/** Tells changes to who has subscribed: catches up, then goes on with what the poller reads, without a gap between. */
import type { FastifyBaseLogger } from "fastify";
import type { Pool } from "pg";
import { createPatientLane, type Lane } from "../server/lanes.ts";
import { notSignedIn, RequestError, shuttingDown } from "../server/request-error.ts";
import type { Identity } from "../sign-in/authenticate.ts";
import { isNews, type Outbox, readChangesSince, readUsersOf, type Topic } from "./changes.ts";
import { type Clients, createClients, type LiveClient, MOST, sessionEnded, tooMany } from "./clients.ts";
import { createPoller } from "./poller.ts";
import { createSubscriber, type Subscriber } from "./subscriber.ts";

/** How often it is looked whether sessions were ended, in milliseconds. */
const CHECK = 1000;

type Setting = {
  /** One connection, of the poller. */
  polls: Pool;
  /** Where subscribers read what they are told of. */
  reads: Pool;
  /** How many connections may wait for changes. */
  most: number;
  log: FastifyBaseLogger;
};

export type Live = Pick<Clients, "enter"> & {
  /** Where subscribers read; whoever waits there waits as long as it takes. */
  lane: Lane;
  /**
   * Sets whose a connection is.
   * @throws RequestError `session_ended` for a good token of nobody, `other_user` when somebody else's it was before
   */
  identify: (client: LiveClient, identity: Identity) => Promise<void>;
  /**
   * Begins to tell a client of a topic. What it is told first is where it begins, and what changed since then.
   * @param since the cursor of what it was told last
   * @throws RequestError when nobody is signed in, or there are too many; and what the database raises
   */
  subscribe: (client: LiveClient, topic: Topic, since: string | null | undefined) => Promise<Subscriber>;
  /** Ends all subscriptions of a client. */
  leave: (client: LiveClient) => void;
  /** How many connections and subscriptions there are, how much they were told, and `Poller.lag`. */
  count: () => { connections: number; subscriptions: number; told: number; lag: number };
  /** Ends all connections, and then the reading. */
  close: () => Promise<void>;
};

type Entry = { topic: Topic; subscriber: Subscriber };

export function createLive({ polls, reads, most, log }: Setting): Live {
  const clients = createClients(polls, most);
  const entries = new Map<LiveClient, Set<Entry>>();
  let told = 0;

  const userIds = (): string[] => [...new Set(Array.from(entries.keys(), ({ userId = "" }) => userId))];

  const onChanges = async ({ everybody, byUser }: Outbox): Promise<void> => {
    const isForAll = isNews(everybody);
    const concerned = Array.from(entries.keys()).filter(({ userId = "" }) => isForAll || byUser.has(userId));
    await clients.check(concerned);
    for (const client of concerned)
      for (const { topic, subscriber } of entries.get(client) ?? []) {
        const own = byUser.get(client.userId ?? "");
        const mustRefetch = everybody.mustRefetch || own?.mustRefetch === true;
        const names = [...everybody.names[topic], ...(own?.names[topic] ?? [])];
        if (mustRefetch || names.length > 0) subscriber.tell({ cursor: everybody.cursor, mustRefetch, names });
      }
  };

  const poller = createPoller({
    pool: polls,
    userIds,
    onChanges,
    onFailure: (err) => log.warn({ err }, "changes can't be read"),
    onRecovery: () => log.info("changes are read again"),
  });
  const timer = setInterval(() => void clients.check().catch(() => undefined), CHECK).unref();

  return {
    enter: clients.enter,
    lane: createPatientLane(reads),
    async identify(client, identity) {
      const claims = identity.pgSettings["request.jwt.claims"];
      const isUser = identity.pgSettings.role === "authenticated";
      const [found] = isUser ? await readUsersOf(reads, [claims]) : [undefined];
      if (found === null) throw sessionEnded();
      if (client.userId !== undefined && client.userId !== found) throw otherUser();
      clients.identify(client, identity, found);
    },
    async subscribe(client, topic, since) {
      if (client.userId === undefined) throw notSignedIn();
      const own = entries.get(client) ?? new Set();
      if (own.size >= MOST.subscriptions) throw tooMany("subscriptions on this connection");
      const entry: Entry = {
        topic,
        subscriber: createSubscriber({
          take() {
            told += 1;
          },
          end() {
            own.delete(entry);
            if (own.size === 0) entries.delete(client);
          },
        }),
      };
      entries.set(client, own.add(entry));
      try {
        // From here on the poller tells it too; so what is read afterwards leaves no gap.
        const cursor = await poller.settled();
        if (since != null) {
          const { names, ...changes } = await readChangesSince(reads, client.identity, since);
          entry.subscriber.tell({ ...changes, names: names[topic] });
        } else if (cursor !== undefined) entry.subscriber.tell({ cursor, mustRefetch: false, names: [] });
        return entry.subscriber;
      } catch (error) {
        entry.subscriber.end();
        throw error;
      }
    },
    leave(client) {
      clients.leave(client);
      for (const { subscriber } of entries.get(client) ?? []) subscriber.end();
    },
    count: () => ({
      connections: Array.from(clients.all()).length,
      subscriptions: Array.from(entries.values(), ({ size }) => size).reduce((sum, size) => sum + size, 0),
      told,
      lag: poller.lag(),
    }),
    async close() {
      clearInterval(timer);
      for (const client of clients.all()) client.close(shuttingDown());
      await poller.stop();
    },
  };
}

function otherUser(): RequestError {
  return new RequestError(
    403,
    "other_user",
    "The token is another user's",
    "Open a connection of its own for another user.",
  );
}
