/** The server's connections to the database, as `authenticator`. */
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";

/** How long closing waits for queries that still run, in milliseconds. */
const GRACE = 100;

/** How long a connection is waited for, and then held, in milliseconds; so no request waits longer for the database. */
const PATIENCE = 5000;
const LONGEST = 20_000;

export type ServerPool = {
  pool: pg.Pool;
  /** Closes every connection, at once when nothing runs, and soon whatever does. */
  close: () => Promise<void>;
};

/**
 * Opens the pool. Connections are made as they are needed, and again after the database was away.
 * @param onLost told of connections that break while nobody waits for them
 * @param longest for how many milliseconds one may be held: then it is cut, whatever PostgreSQL or the network does;
 *   `Infinity` where that would be wrong
 */
export function openPool(
  connectionString: string,
  size: number,
  onLost: (error: Error) => void,
  longest = LONGEST,
): ServerPool {
  const pool = new pg.Pool({
    connectionString,
    max: size,
    application_name: "attune",
    connectionTimeoutMillis: PATIENCE,
    idleTimeoutMillis: 5 * 60_000,
    keepAlive: true,
  });
  const clients = new Set<pg.PoolClient>();
  // An error event without a listener would end the process. A broken client never goes back into use.
  pool.on("error", onLost);
  pool.on("connect", (client) => {
    clients.add(client);
    client.on("error", onLost);
  });
  pool.on("remove", (client) => clients.delete(client));
  const timers = new Map<pg.PoolClient, NodeJS.Timeout>();
  pool.on("acquire", (client) => {
    if (longest === Infinity) return;
    timers.set(
      client,
      setTimeout(() => void end(client), longest),
    );
  });
  pool.on("release", (_error, client) => {
    clearTimeout(timers.get(client));
    timers.delete(client);
  });

  return {
    pool,
    async close() {
      const ended = pool.end();
      await Promise.race([ended, sleep(GRACE, undefined, { ref: false })]);
      // Ends those whose query still runs: PostgreSQL rolls it back.
      await Promise.all(Array.from(clients, end));
    },
  };
}

/** Cuts the connection where a query still runs. The types keep it from those who only borrow a client. */
async function end(client: pg.PoolClient): Promise<void> {
  await (client as pg.PoolClient & { end(): Promise<void> }).end();
}
