/** What a server does by itself, beside all requests: it seals the audit log, and applies what is due. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "pg";
import { queryAs } from "../database/query-as.ts";
import { type Identity, TRUSTED } from "../sign-in/authenticate.ts";

/** How often each is done, in milliseconds. */
export type MaintenanceTimes = { seal: number; apply: number };

export const MAINTENANCE_TIMES: MaintenanceTimes = { seal: 60_000, apply: 5000 };

/** How long the first of each is waited for at most, in milliseconds. */
const SOON = 2000;

/** For how many milliseconds one may take: after a long time without a server there is much to do. */
export const LONGEST_MAINTENANCE = 5 * 60_000;

const WORKER: Identity = {
  ...TRUSTED,
  pgSettings: { ...TRUSTED.pgSettings, statement_timeout: `${LONGEST_MAINTENANCE}ms` },
};

/** By what they are in the log. That two servers do nothing twice is the functions' business; a standby has none. */
const TASKS = {
  seal: "select attune.seal_audit() where not current_setting('transaction_read_only')::boolean",
  apply: "select attune.apply_due_changes() where not current_setting('transaction_read_only')::boolean",
} satisfies Record<keyof MaintenanceTimes, string>;

type Log = Record<"info" | "warn", (what: { task: string; err?: unknown }, message: string) => void>;

/**
 * Begins. What fails is done again the next time; the log has the first of several failures, and the end of them.
 * @param pool one connection, held for `LONGEST_MAINTENANCE` at most
 * @returns begins nothing more; what is under way goes on until its connection is closed
 */
export function startMaintenance(pool: Pool, times: MaintenanceTimes, log: Log): () => void {
  const stopping = new AbortController();
  const { signal } = stopping;
  const pause = (milliseconds: number): Promise<void> =>
    sleep(milliseconds, undefined, { signal, ref: false }).catch(() => undefined);

  const repeat = async (task: keyof MaintenanceTimes): Promise<void> => {
    let isFailing = false;
    await pause(Math.random() * Math.min(SOON, times[task]));
    while (!signal.aborted) {
      try {
        await queryAs(pool, WORKER, TASKS[task]);
        if (isFailing) log.info({ task }, "maintenance works again");
        isFailing = false;
      } catch (err) {
        if (!isFailing && !signal.aborted) log.warn({ err, task }, "maintenance failed");
        isFailing = true;
      }
      // Not at the same time as other servers.
      await pause(times[task] * (0.9 + Math.random() * 0.2));
    }
  };
  void repeat("seal");
  void repeat("apply");
  return () => stopping.abort();
}
