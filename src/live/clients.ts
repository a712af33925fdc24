/** Who is connected to be told of changes: how many, until when, and whether they still are somebody. */
import type { Pool } from "pg";
import { networkOf } from "../server/client-address.ts";
import { RequestError } from "../server/request-error.ts";
import type { Identity } from "../sign-in/authenticate.ts";
import { tokenExpired } from "../sign-in/jwt.ts";
import { readUsersOf } from "./changes.ts";

/** How many connections for changes one address may have, of IPv6 the network; and subscriptions one connection. */
export const MOST = { ofNetwork: 1000, subscriptions: 50 };

/** The longest that a timer waits, in milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** A connection that changes are told on. */
export type LiveClient = {
  identity: Identity;
  /** Whose it is; undefined where nobody is signed in. */
  userId: string | undefined;
  address: string;
  /** Ends it, and says why. */
  close: (why: RequestError) => void;
};

export type Clients = {
  /** @throws RequestError `too_many_subscriptions` when there are too many already */
  enter: (client: LiveClient) => void;
  /** Sets whose a connection is, from now until its token expires. */
  identify: (client: LiveClient, identity: Identity, userId: string | undefined) => void;
  leave: (client: LiveClient) => void;
  /** Ends those whose session was ended or whose user is gone. @throws what the database raises */
  check: (clients?: Iterable<LiveClient>) => Promise<void>;
  all: () => Iterable<LiveClient>;
};

/** @param most how many there may be in all */
export function createClients(pool: Pool, most: number): Clients {
  const expiries = new Map<LiveClient, NodeJS.Timeout | undefined>();
  const byNetwork = new Map<string, number>();

  const countNetwork = ({ address }: LiveClient, by: number): void => {
    const network = networkOf(address);
    const count = (byNetwork.get(network) ?? 0) + by;
    if (count > 0) byNetwork.set(network, count);
    else byNetwork.delete(network);
  };

  const expire = (client: LiveClient): void => {
    clearTimeout(expiries.get(client));
    const { expiresAt } = client.identity;
    if (expiresAt === undefined) return;
    const rest = expiresAt - Date.now();
    const timer =
      rest > LONGEST_TIMER
        ? setTimeout(() => expire(client), LONGEST_TIMER)
        : setTimeout(() => client.close(tokenExpired()), Math.max(0, rest));
    expiries.set(client, timer.unref());
  };

  return {
    enter(client) {
      if (expiries.size >= most || (byNetwork.get(networkOf(client.address)) ?? 0) >= MOST.ofNetwork)
        throw tooMany("connections that wait for changes");
      expiries.set(client, undefined);
      countNetwork(client, 1);
    },
    identify(client, identity, userId) {
      Object.assign(client, { identity, userId });
      if (expiries.has(client)) expire(client);
    },
    leave(client) {
      if (!expiries.has(client)) return;
      clearTimeout(expiries.get(client));
      expiries.delete(client);
      countNetwork(client, -1);
    },
    async check(clients = expiries.keys()) {
      const byClaims = new Map<string, LiveClient[]>();
      for (const client of clients) {
        if (client.userId === undefined || !expiries.has(client)) continue;
        const claims = client.identity.pgSettings["request.jwt.claims"];
        byClaims.set(claims, [...(byClaims.get(claims) ?? []), client]);
      }
      if (byClaims.size === 0) return;
      const users = await readUsersOf(pool, Array.from(byClaims.keys()));
      for (const [index, [claims, held]] of Array.from(byClaims).entries())
        for (const client of held) {
          // A token that was renewed meanwhile is looked at the next time.
          const isSame = client.identity.pgSettings["request.jwt.claims"] === claims;
          if (isSame && client.userId !== users[index]) client.close(sessionEnded());
        }
    },
    all: () => expiries.keys(),
  };
}

/** What is told when a token is good, and its session or user is not any more. */
export function sessionEnded(): RequestError {
  return new RequestError(401, "session_ended", "The session was ended, or its user is gone", "Sign in again.");
}

/** @param what there is too much of */
export function tooMany(what: string): RequestError {
  return new RequestError(
    429,
    "too_many_subscriptions",
    `There are too many ${what}`,
    "Close some, or try again later.",
  );
}
