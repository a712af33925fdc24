/** What a server does by itself, beside all requests: what keeps the database well, when `maintenance_schedules` says. */
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { queryAs } from "../database/query-as.ts";
import { type Identity, TRUSTED } from "../sign-in/authenticate.ts";
import type { JobQueue, Schedules } from "./job-queue.ts";

/** For how many milliseconds a batch may take. */
export const LONGEST_MAINTENANCE = 5 * 60_000;

/** How long after its start a server begins at the latest, in milliseconds. */
const SOON = 2000;

/** After what went wrong, and where the database takes no changes, so many milliseconds later is looked again. */
const RETRY = 5000;

/** How often the times are read, in milliseconds. */
const REREAD = 30_000;

/** How long what is under way is waited for when a queue is given up, in milliseconds. */
const PATIENCE = 1000;

const WORKER: Identity = {
  ...TRUSTED,
  pgSettings: { ...TRUSTED.pgSettings, statement_timeout: `${LONGEST_MAINTENANCE}ms` },
};

export type MaintenanceOptions = {
  /** Makes the tables of the queue. */
  ownerUrl: string;
  /** `LANES` connections as `authenticator`, each held for `LONGEST_MAINTENANCE` at most: operations are done on them. */
  tasks: pg.Pool;
  /** `QUEUE_CONNECTIONS` as `authenticator`, which may be held for ever. */
  jobs: pg.Pool;
  log: Record<"info" | "warn", (what: { task?: string; err?: unknown; reason?: string }, message: string) => void>;
  /** Milliseconds, where they are not the usual. */
  times?: { soon: number; retry: number; reread: number };
};

type Run = { status: "running" | "completed" | "failed" | "abandoned"; error: string | null };

/**
 * Begins. That any number of servers do nothing twice is the queue's business and SQL's. What goes wrong is told once,
 * and so is its end.
 * @returns begins nothing more; settles when what is under way has ended, which it does when its connection is closed
 */
export function startMaintenance({
  ownerUrl,
  tasks,
  jobs,
  log,
  times = { soon: SOON, retry: RETRY, reread: REREAD },
}: MaintenanceOptions): () => Promise<void> {
  const stopping = new AbortController();
  const { signal } = stopping;
  const pause = (milliseconds: number): Promise<void> =>
    sleep(milliseconds, undefined, { signal, ref: false }).catch(() => undefined);

  const failures = new Map<string, string>();
  /** @param reason undefined where it went well */
  const tell = (task: string, reason: string | undefined, err?: unknown): void => {
    if (reason === failures.get(task)) return;
    if (reason === undefined) {
      failures.delete(task);
      log.info({ task }, "maintenance works again");
    } else {
      failures.set(task, reason);
      log.warn(err === undefined ? { task, reason } : { task, err }, "maintenance failed");
    }
  };
  /** A batch after the other, each in a transaction of its own. */
  const work = async (operation: string, ending: AbortSignal): Promise<void> => {
    const call = async (name: string): Promise<Run> => {
      ending.throwIfAborted();
      const sql = `select status, error from attune.${name}($1::attune.maintenance_task)`;
      const [run] = await queryAs<Run>(tasks, WORKER, sql, [operation]);
      if (run === undefined) throw new Error(`${name} returned nothing`);
      return run;
    };
    try {
      let run = await call("begin_maintenance");
      while (run.status === "running") run = await call("maintain");
      tell(operation, run.status === "failed" ? (run.error ?? "") : undefined);
    } catch (err) {
      // Somebody else does it.
      if (err instanceof pg.DatabaseError && err.detail === "maintenance_running") return;
      if (!ending.aborted) tell(operation, String(err), err);
      throw err;
    }
  };

  const readSchedules = async (): Promise<Schedules> => {
    const rows = await queryAs<{ operation: string; cron: string }>(
      tasks,
      WORKER,
      "select operation, cron from attune.maintenance_schedules where cron is not null",
    );
    return new Map(rows.map(({ operation, cron }) => [operation, cron]));
  };
  /** What was due while no server ran, or never done yet. */
  const readMissed = async (): Promise<string[]> => {
    const rows = await queryAs<{ operation: string }>(
      tasks,
      WORKER,
      "select s.operation from attune.maintenance_schedules as s where attune.maintenance_schedules_is_missed(s)",
    );
    return rows.map(({ operation }) => operation);
  };
  const takesChanges = async (): Promise<boolean> => {
    const [row] = await queryAs<{ yes: boolean }>(
      tasks,
      WORKER,
      "select not current_setting('transaction_read_only')::boolean as yes",
    );
    return row?.yes === true;
  };
  const onUnreadable = (task: string, cron: string): void => tell(task, `There is no time ${cron}`);

  let queue: JobQueue | undefined;
  let isInterrupted = false;
  /** Until something goes wrong: then all of it is begun anew. */
  const serve = async (): Promise<void> => {
    const { installJobQueue, startJobQueue } = await import("./job-queue.ts");
    // Where there is no maintenance, nothing is made for it.
    const schedules = await readSchedules();
    await installJobQueue(ownerUrl);
    queue = await startJobQueue({ pool: jobs, schedules, work, onUnreadable });
    for (const operation of await readMissed()) await queue.add(operation);
    await Promise.race([queue.ready, queue.failed, pause(LONGEST_MAINTENANCE)]);
    if (isInterrupted && !signal.aborted) log.info({}, "maintenance goes on");
    isInterrupted = false;
    while (!signal.aborted) {
      await Promise.race([pause(times.reread), queue.failed]);
      if (!signal.aborted) queue.schedule(await readSchedules());
    }
  };
  const supervise = async (): Promise<void> => {
    await pause(Math.random() * times.soon);
    while (!signal.aborted) {
      try {
        // A standby has nothing to do until it is promoted.
        if (await takesChanges()) await serve();
      } catch (err) {
        if (!isInterrupted && !signal.aborted) log.warn({ err }, "maintenance is interrupted");
        isInterrupted = true;
      }
      if (signal.aborted) break;
      if (queue !== undefined) await Promise.race([queue.stop(), pause(PATIENCE)]);
      queue = undefined;
      await pause(times.retry);
    }
    await queue?.stop();
  };
  const ended = supervise();
  return () => {
    stopping.abort();
    return ended;
  };
}
