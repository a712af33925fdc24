/** Who keeps a session waiting, watched from another connection, which is made only when it takes long. */
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { withClient } from "./client.ts";
import { describeSession } from "./migration-lock.ts";

/** How often it looks, in milliseconds; the first time after as long. */
const INTERVAL = 500;

/** Which session is watched: a backend, or, where a pooler gives each statement another one, `application_name`. */
type Watched = { readonly pid?: number; readonly name?: string };

const BLOCKERS = `
  select w.pid as waiting,
         b.pid,
         a.application_name as name,
         coalesce(a.xact_start, a.backend_start) as since,
         a.state
  from pg_catalog.pg_stat_activity as w,
       pg_catalog.unnest(pg_catalog.pg_blocking_pids(w.pid)) as b (pid)
       left join pg_catalog.pg_stat_activity as a on a.pid = b.pid
  where (w.pid = $1 or w.application_name = $2)
    and w.datname = pg_catalog.current_database()
  order by since nulls last
  limit 1`;

/**
 * Watches until it is stopped.
 * @param watched may be told the session later
 * @param say is told each other session that it waits for, once
 * @param patience after so many milliseconds of waiting without a pause the session's statement is cancelled
 */
export function watchWaiting(
  ownerUrl: string,
  watched: Watched,
  say: (who: string) => void,
  patience = Infinity,
): { last: () => string | undefined; stop: () => Promise<void> } {
  const stopping = new AbortController();
  const said = new Set<number>();
  let last: string | undefined;
  const pause = (): Promise<void> => sleep(INTERVAL, undefined, { signal: stopping.signal });

  const watch = async (client: pg.Client): Promise<void> => {
    let since: number | undefined;
    for (;;) {
      const {
        rows: [blocker],
      } = await client.query<{
        waiting: number;
        pid: number;
        name: string | null;
        since: Date | null;
        state: string | null;
      }>(BLOCKERS, [watched.pid ?? null, watched.name ?? null]);
      if (blocker === undefined) since = undefined;
      else {
        since ??= Date.now();
        last = blocker.pid === 0 ? "a prepared transaction (see pg_prepared_xacts)" : describeSession(blocker);
        if (!said.has(blocker.pid)) say(last);
        said.add(blocker.pid);
        if (Date.now() - since >= patience)
          await client.query("select pg_catalog.pg_cancel_backend($1)", [blocker.waiting]);
      }
      await pause();
    }
  };
  // Who waits is told nothing, but goes on, where there is no connection left.
  const watching = pause()
    .then(() => withClient(ownerUrl, watch))
    .catch(() => undefined);
  return {
    last: () => last,
    stop: async () => {
      stopping.abort();
      await watching;
    },
  };
}
