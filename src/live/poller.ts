/** Reads the outbox while somebody listens: one for a server, on a connection of its own. */
import { AsyncResource } from "node:async_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "pg";
import { codeOf } from "../user-error.ts";
import { isNews, type Outbox, readOutbox } from "./changes.ts";

/** Milliseconds between one look and the next, and after a failure: at first, and at most. */
const PAUSE = { usual: 25, afterFailure: 100, longest: 2000 };

/** SQLSTATE `query_canceled`. */
const STATEMENT_TIMEOUT = "57014";

type Setting = {
  pool: Pool;
  /** Who is to be told; nobody stops it. */
  userIds: () => string[];
  /** Told what changed. The next look waits for it. */
  onChanges: (outbox: Outbox) => Promise<void>;
  /** Told of the first of several failures, and of the end of them. */
  onFailure: (error: unknown) => void;
  onRecovery: () => void;
};

export type Poller = {
  /**
   * Waits until no look is under way that was begun before, and one has succeeded. What is committed after that is told
   * to all who were there before.
   * @returns the cursor; undefined when the poller was stopped
   */
  settled: () => Promise<string | undefined>;
  /** For how many milliseconds no look has succeeded, while somebody listens. */
  lag: () => number;
  stop: () => Promise<void>;
};

export function createPoller({ pool, userIds, onChanges, onFailure, onRecovery }: Setting): Poller {
  let cursor: string | null = null;
  let look: Promise<void> | undefined;
  let running: Promise<void> | undefined;
  const stopping = new AbortController();
  const isNeeded = (): boolean => !stopping.signal.aborted && userIds().length > 0;
  const pause = (milliseconds: number): Promise<void> =>
    sleep(milliseconds, undefined, { signal: stopping.signal }).catch(() => undefined);

  /** When the last look began that has succeeded, or the first that did not. */
  let since: number | undefined;
  /** Whether something was given up, so that all that listeners have must be fetched anew. */
  let isBehind = false;

  const lookOnce = async (): Promise<void> => {
    const begun = performance.now();
    since ??= begun;
    const outbox = await readOutbox(pool, cursor, userIds());
    if (isBehind) outbox.everybody.mustRefetch = true;
    if (isNews(outbox.everybody) || outbox.byUser.size > 0) await onChanges(outbox);
    // Only now: what could not be told is read once more.
    cursor = outbox.everybody.cursor;
    isBehind = false;
    since = begun;
  };

  const run = async (): Promise<void> => {
    let failures = 0;
    while (isNeeded()) {
      look = lookOnce();
      try {
        await look;
        if (failures > 0) onRecovery();
        failures = 0;
      } catch (error) {
        if (failures === 0 && isNeeded()) onFailure(error);
        failures += 1;
        // What takes too long now takes longer the next time.
        if (failures > 1 && codeOf(error) === STATEMENT_TIMEOUT) {
          cursor = null;
          isBehind = true;
        }
      }
      look = undefined;
      await pause(
        failures === 0 ? PAUSE.usual : Math.min(PAUSE.afterFailure * 2 ** Math.min(failures - 1, 10), PAUSE.longest),
      );
    }
    // Who comes next begins at their time.
    cursor = null;
    since = undefined;
  };

  // It is nobody's, whoever comes first: no trace of theirs has it.
  const start = AsyncResource.bind((): void => {
    if (running !== undefined || !isNeeded()) return;
    running = run().finally(() => {
      running = undefined;
      // Somebody may have come in the meantime.
      start();
    });
  });

  return {
    async settled() {
      start();
      await look?.catch(() => undefined);
      while (cursor === null && isNeeded()) {
        start();
        await (look?.catch(() => undefined) ?? pause(PAUSE.usual));
      }
      return cursor ?? undefined;
    },
    lag: () => (since === undefined ? 0 : performance.now() - since),
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
