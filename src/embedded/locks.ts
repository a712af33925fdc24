/** Who has the embedded cluster: one process serves it, any number use it. */
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { UserError } from "../user-error.ts";
import { isAlive } from "./processes.ts";

/** Advisory locks in the database `postgres`; a process that dies, however it dies, lets go of them. */
export const LOCK = { serving: 1, using: 2, setup: 3 };
export const LOCK_CLASS = 0x4154_5455;

/** Taken by every process that uses the cluster, so that the last one out can know that it is. */
export async function takeUsing(control: pg.Client): Promise<void> {
  await control.query("select pg_advisory_lock_shared($1, $2)", [LOCK_CLASS, LOCK.using]);
}

/** Whether nobody else uses the cluster. */
export async function isAlone(control: pg.Client): Promise<boolean> {
  const {
    rows: [taken],
  } = await control
    .query<{ ok: boolean }>("select pg_try_advisory_lock($1, $2) as ok", [LOCK_CLASS, LOCK.using])
    .catch(() => ({ rows: [] }));
  return taken?.ok === true;
}

/**
 * One serving process per cluster. A holder that was just killed is given a moment to be noticed.
 * @throws UserError when another process serves it
 */
export async function takeServing(control: pg.Client, dataDir: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const {
      rows: [taken],
    } = await control.query<{ ok: boolean }>("select pg_try_advisory_lock($1, $2) as ok", [LOCK_CLASS, LOCK.serving]);
    if (taken?.ok === true) return;
    const {
      rows: [holder],
    } = await control.query<{ name: string }>(
      `select a.application_name as name
       from pg_locks as l join pg_stat_activity as a using (pid)
       where l.locktype = 'advisory' and l.classid = $1 and l.objid = $2 and l.granted`,
      [LOCK_CLASS, LOCK.serving],
    );
    const pid = Number(/\d+/.exec(holder?.name ?? "")?.[0]);
    if ((isAlive(pid) && pid !== process.pid) || attempt === 40) {
      throw new UserError(
        `${dataDir} is already served by another ${holder?.name ?? "process"}: stop that one first, or set ATTUNE_DATA_DIR to another folder.`,
      );
    }
    await sleep(50);
  }
}
