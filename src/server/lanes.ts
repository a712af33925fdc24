/** The connections that requests wait for: one lane for all of them, narrow ones for passwords and for what subscribers read. */
import type pg from "pg";
import { makePgAdaptorWithPgClient } from "postgraphile/adaptors/pg";
import type { WithPgClient } from "postgraphile/@dataplan/pg";
import { overloaded } from "./request-error.ts";

export type Lane = {
  /** Gives a connection, in the order in which it is asked for. */
  withPgClient: WithPgClient;
  /** For how many milliseconds the first of those who wait has waited. */
  wait: () => number;
};

export function createLane(pool: pg.Pool): Lane {
  const connect = makePgAdaptorWithPgClient(pool);
  const waiting = new Set<{ since: number }>();
  return {
    async withPgClient(pgSettings, work) {
      const place = { since: performance.now() };
      waiting.add(place);
      try {
        return await connect(pgSettings, (client) => {
          waiting.delete(place);
          return work(client);
        });
      } finally {
        waiting.delete(place);
      }
    },
    wait() {
      const [first] = waiting;
      return first === undefined ? 0 : performance.now() - first.since;
    },
  };
}

/** As `createLane`, but whoever asks waits as long as it takes, in no connection's way: for what nobody waits for. */
export function createPatientLane(pool: pg.Pool): Lane {
  const lane = createLane(pool);
  const waiting: (() => void)[] = [];
  let free = pool.options.max;
  return {
    async withPgClient(pgSettings, work) {
      if (free > 0) free -= 1;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      try {
        return await lane.withPgClient(pgSettings, work);
      } finally {
        const next = waiting.shift();
        if (next === undefined) free += 1;
        else next();
      }
    },
    wait: () => lane.wait(),
  };
}

/** Lets so many through, and no more; what it returns lets go. @throws RequestError `overloaded` */
export function createGate(most: number, retryAfter: number): () => () => void {
  let inside = 0;
  return () => {
    if (inside >= most) throw overloaded(retryAfter);
    inside += 1;
    return () => {
      inside -= 1;
    };
  };
}
