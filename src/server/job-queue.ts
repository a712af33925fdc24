/** graphile-worker, as servers use it: which job is due when, and that one server does it. */
import { EventEmitter } from "node:events";
import { Logger, makeWorkerUtils, type ParsedCronItem, parseCronItem, run, type WorkerEvents } from "graphile-worker";
import type { Pool } from "pg";
import { inTransaction, withClient } from "../database/client.ts";
import { lockMigrations } from "../database/migration-lock.ts";
import { openPool } from "../database/pool.ts";
import { LANES } from "../database/server-connections.ts";

/** Where its tables are: an application may have a `graphile_worker` of its own in the same database. */
const SCHEMA = "attune_worker";

/** How often is looked for jobs where nobody is told of them, as behind a pooler, in milliseconds. */
const POLL = 5000;

/** The one task there is: its payload says which operation. */
const TASK = "maintain";

/** What is cut off is begun anew in a few seconds, by whichever server is there, and not only when it is due again. */
const ATTEMPTS = 5;

const PRESET = {
  worker: {
    schema: SCHEMA,
    // A pooler may be in between.
    preparedStatements: false,
    concurrentJobs: LANES,
    pollInterval: POLL,
    // With a delay, however short, what can't be written down ends the queue; without one it would end the process.
    completeJobBatchDelay: 0,
    failJobBatchDelay: 0,
  },
} satisfies GraphileConfig.Preset;

/** What `authenticator` needs, and nobody else has: the tables have row level security, and the schema is closed. */
const GRANTS = `
  grant usage on schema ${SCHEMA} to authenticator;
  grant select, insert, update, delete on all tables in schema ${SCHEMA} to authenticator;
  grant execute on all functions in schema ${SCHEMA} to authenticator;
  do $$
  declare
    unruled record;
  begin
    for unruled in
      select c.oid::regclass as name, c.relname || '_all_authenticator' as policy
      from pg_catalog.pg_class as c
      where c.relnamespace = '${SCHEMA}'::regnamespace
        and c.relkind = 'r'
        and not exists (select from pg_catalog.pg_policy as p where p.polrelid = c.oid)
    loop
      execute format('alter table %s enable row level security', unruled.name);
      execute format(
        'create policy %I on %s for all to authenticator using (true) with check (true)', unruled.policy, unruled.name
      );
    end loop;
  end;
  $$`;

/** When what is done, by operation: five fields as cron has them, in UTC. */
export type Schedules = ReadonlyMap<string, string>;

export type JobQueue = {
  /** Rejects when something goes wrong: the queue is of no use any more, and another has to be begun. */
  failed: Promise<never>;
  /** Settles when it has looked for jobs. */
  ready: Promise<void>;
  /** From now on these are the times. */
  schedule: (schedules: Schedules) => void;
  /** Has an operation done as soon as possible, and once however many servers ask for it. */
  add: (operation: string) => Promise<void>;
  /** Takes no more jobs, and settles when those under way have ended. */
  stop: () => Promise<void>;
};

/** Makes the tables of the queue, or brings them up to date, as the owner; one server at a time. */
export async function installJobQueue(ownerUrl: string): Promise<void> {
  await withClient(ownerUrl, (client) =>
    inTransaction(client, async () => {
      // Not while the schema is changed; a backup is in nobody's way.
      await lockMigrations(client, { shared: true });
      await client.query("select pg_advisory_xact_lock(hashtextextended('attune worker', 0))");
      const { pool, close } = openPool(ownerUrl, 1, () => undefined);
      try {
        const utils = await makeWorkerUtils({
          preset: PRESET,
          pgPool: pool,
          logger: new Logger(() => () => undefined),
        });
        // Jobs of servers that were killed.
        await utils.cleanup({ tasks: ["DELETE_PERMAFAILED_JOBS"] });
        await utils.release();
      } finally {
        await close();
      }
      await client.query(GRANTS);
    }),
  );
}

/**
 * Begins. A job that is due while the one before it still waits takes its place.
 * @param options.pool of `QUEUE_CONNECTIONS`, which may be held for ever
 * @param options.work does an operation; the signal tells that the queue ends
 * @param options.onUnreadable told of times that are none
 */
export async function startJobQueue(options: {
  pool: Pool;
  schedules: Schedules;
  work: (operation: string, signal: AbortSignal) => Promise<void>;
  onUnreadable: (operation: string, cron: string) => void;
}): Promise<JobQueue> {
  const { pool, work, onUnreadable } = options;
  const stopping = new AbortController();
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => undefined);
  const ready = Promise.withResolvers<void>();
  const events: WorkerEvents = new EventEmitter();
  events.on("worker:getJob:error", ({ error }) => failure.reject(error));
  events.on("worker:getJob:empty", () => ready.resolve());
  events.on("job:start", () => ready.resolve());
  const logger = new Logger(() => (level, message, meta) => {
    // Of jobs that fail, `work` tells.
    if (level === "error" && meta["failure"] !== true) failure.reject(meta["error"] ?? new Error(message));
  });

  const items: ParsedCronItem[] = [];
  const schedule = (schedules: Schedules): void => {
    items.splice(0, items.length, ...Array.from(schedules).flatMap((entry) => itemOf(entry, onUnreadable)));
  };
  schedule(options.schedules);
  const runner = await run(
    { preset: PRESET, pgPool: pool, events, logger, noHandleSignals: true },
    { [TASK]: (payload) => work(operationOf(payload), stopping.signal) },
    items,
  );
  runner.promise.then(() => failure.reject(new Error("The queue ended by itself.")), failure.reject);

  return {
    failed: failure.promise,
    ready: ready.promise,
    schedule,
    add: async (operation) => {
      await runner.addJob(TASK, { operation }, { jobKey: operation, maxAttempts: ATTEMPTS });
    },
    stop: async () => {
      stopping.abort();
      // It may have ended by itself.
      await runner.stop().catch(() => undefined);
    },
  };
}

/** A job of each name waits at most once; one that was due while no server was there is left out. */
function itemOf(
  [operation, cron]: [operation: string, cron: string],
  onUnreadable: (operation: string, cron: string) => void,
): ParsedCronItem[] {
  try {
    return [
      parseCronItem({
        task: TASK,
        identifier: operation,
        match: cron,
        payload: { operation },
        options: { jobKey: operation, maxAttempts: ATTEMPTS, backfillPeriod: 0 },
      }),
    ];
  } catch {
    onUnreadable(operation, cron);
    return [];
  }
}

function operationOf(payload: unknown): string {
  return typeof payload === "object" && payload !== null && "operation" in payload ? String(payload.operation) : "";
}
