/** A change of the schema gives way: it waits for a lock for seconds, then lets everybody through and tries again. */
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { say } from "../say.ts";
import { codeOf, UserError } from "../user-error.ts";
import { plural } from "../words.ts";
import { inTransaction } from "./client.ts";
import { lockMigrations, MIGRATION_WAIT } from "./migration-lock.ts";
import { watchWaiting } from "./waiting.ts";

/** How long a migration waits for a lock of the application's, in seconds, unless MIGRATION_LOCK_TIMEOUT says otherwise. */
export const MIGRATION_LOCK_TIMEOUT = 5;

export type Patience = {
  /** How long another change of the schema, and the application, are waited for in all; in seconds. */
  wait: number;
  /** How long a lock is waited for, while all that needs the table waits behind it; in seconds. */
  lockTimeout: number;
};

export const PATIENCE: Patience = { wait: MIGRATION_WAIT, lockTimeout: MIGRATION_LOCK_TIMEOUT };

/** As the environment says. */
export function patienceOf(options: { migrationWait: number; migrationLockTimeout: number }): Patience {
  return { wait: options.migrationWait, lockTimeout: options.migrationLockTimeout };
}

/** The pauses between attempts, in milliseconds: twice as long each time, up to this. */
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;

/** Whether it failed only because somebody else had a lock: 55P03 lock_not_available, 40P01 deadlock_detected. */
export function isGivingWay(error: unknown): boolean {
  return ["55P03", "40P01"].includes(codeOf(error) ?? "");
}

/**
 * Runs `work` in one transaction that has the lock of migrations. Where it can't have another lock in time, all of it
 * is rolled back, and run anew after a pause. Says on the standard error whom it waits for.
 * @param title begins a sentence: "Migration 000023-colors.sql"
 * @param work throws an error of {@link isGivingWay} as it is
 * @throws UserError naming who has the lock, when it can't be had within the patience
 */
export async function inAttempts<T>(
  client: pg.Client,
  ownerUrl: string,
  title: () => string,
  { wait, lockTimeout }: Patience,
  work: () => Promise<T>,
): Promise<T> {
  const deadline = Date.now() + wait * 1000;
  for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
    const watched = { pid: 0 };
    const watch = watchWaiting(ownerUrl, watched, (who) =>
      say(`${title()} waits for ${who}, and gives way after ${plural(lockTimeout, "second")}.`),
    );
    try {
      return await inTransaction(client, async () => {
        // One that kept a snapshot while it is idle would be waited for by an index that is built meanwhile.
        await client.query("set transaction isolation level read committed");
        await lockMigrations(client, { wait });
        const {
          rows: [backend],
        } = await client.query<{ pid: number }>(
          "select set_config('lock_timeout', $1, true), pg_catalog.pg_backend_pid() as pid",
          [`${lockTimeout}s`],
        );
        watched.pid = backend?.pid ?? 0;
        return work();
      });
    } catch (error) {
      if (!isGivingWay(error)) throw error;
      const who = watch.last() ?? "somebody who just ended";
      if (Date.now() + pause > deadline) {
        throw new UserError(
          `${title()} can't have a lock that it needs, for longer than ${plural(wait, "second")}, and nothing of it was done: ${who} has it. Try again later, end that one, or set MIGRATION_WAIT to more.`,
        );
      }
      await watch.stop();
      say(`${title()} gave way and tries again in ${pause / 1000} s.`);
      await sleep(pause);
    } finally {
      await watch.stop();
    }
  }
}
