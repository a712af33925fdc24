/** Whoever changes the schema holds a lock meanwhile: in a transaction, so that a pooler may be in between. */
import type pg from "pg";
import { setTimeout as sleep } from "node:timers/promises";
import { say } from "../say.ts";
import { UserError } from "../user-error.ts";
import { plural } from "../words.ts";

/** graphile-migrate's own lock in a database, so that its command line and we keep out of each other's way. */
export const MIGRATION_LOCK = "4727445306447283";

/** How long another change is waited for, in seconds, unless MIGRATION_WAIT says otherwise. */
export const MIGRATION_WAIT = 60;

/** How long until the lock is tried again, in milliseconds. */
const INTERVAL = 100;

/**
 * Takes the lock until the end of the open transaction. Says once, on the standard error, whom it waits for.
 * @param how.shared for who reads and wants no change meanwhile
 * @param how.wait seconds
 * @throws UserError naming who holds it, when it can't be had in that time
 */
export async function lockMigrations(
  client: pg.ClientBase,
  { shared = false, wait = MIGRATION_WAIT }: { shared?: boolean; wait?: number } = {},
): Promise<void> {
  // Who waits for us is told this name.
  await client.query(
    "select set_config('application_name', $1, true), set_config('idle_in_transaction_session_timeout', '0', true)",
    [`attune (process ${process.pid})`],
  );
  const deadline = Date.now() + wait * 1000;
  for (let attempt = 1; ; attempt += 1) {
    const {
      rows: [taken],
    } = await client.query<{ ok: boolean }>(`select pg_try_advisory_xact_lock${shared ? "_shared" : ""}($1) as ok`, [
      MIGRATION_LOCK,
    ]);
    if (taken?.ok === true) return;
    if (Date.now() >= deadline) {
      throw new UserError(
        `The schema is being changed or read by ${await holderOf(client)}, for longer than ${plural(wait, "second")}: try again later, set MIGRATION_WAIT to more, or end that one.`,
      );
    }
    if (attempt === 1)
      say(`Waits up to ${plural(wait, "second")} for a change of the schema by ${await holderOf(client)}.`);
    await sleep(INTERVAL);
  }
}

/** Who has the lock, as PostgreSQL knows it: `attune (process 4711), PostgreSQL's process 123, since …`. */
async function holderOf(client: pg.ClientBase): Promise<string> {
  const {
    rows: [holder],
  } = await client.query<{ name: string | null; pid: number; since: Date | null }>(
    `select a.application_name as name, l.pid, coalesce(a.xact_start, a.backend_start) as since
     from pg_catalog.pg_locks as l
     left join pg_catalog.pg_stat_activity as a on a.pid = l.pid
     where l.locktype = 'advisory'
       and l.granted
       and l.pid <> pg_catalog.pg_backend_pid()
       and l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
       and l.objsubid = 1
       and l.classid::bigint = $1::bigint >> 32
       and l.objid::bigint = $1::bigint & 4294967295
     order by since
     limit 1`,
    [MIGRATION_LOCK],
  );
  return holder === undefined ? "somebody who just ended" : describeSession(holder);
}

/** `psql (PostgreSQL's process 123, since 2026-11-28T12:00:00.000Z, idle in transaction)` */
export function describeSession(session: {
  name: string | null;
  pid: number;
  since: Date | null;
  state?: string | null;
}): string {
  const since = session.since === null ? "" : `, since ${session.since.toISOString()}`;
  const state = session.state?.startsWith("idle in transaction") === true ? ", idle in transaction" : "";
  return `${session.name || "somebody without a name"} (PostgreSQL's process ${session.pid}${since}${state})`;
}
