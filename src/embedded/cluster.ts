/** The embedded PostgreSQL cluster: made, started or joined, recovered after a crash, stopped by the last one out. */
import { realpath, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { connect, withClient } from "../database/client.ts";
import { withholdRights } from "../database/withhold-rights.ts";
import { codeOf, messageOf, UserError } from "../user-error.ts";
import { createOwnerRole, localUrl, superuserUrl } from "./connection.ts";
import { dataVersion, ensureData, finishUpgrade, prepareFolder } from "./data-folder.ts";
import { keep, type Running } from "./keep.ts";
import { isAlone, LOCK, LOCK_CLASS, takeServing, takeUsing } from "./locks.ts";
import { keepRotating } from "./log.ts";
import { freePort, startPostgres, stopPostgres } from "./postgres.ts";
import { isAlive, isServerOf, readPostmaster, runningServer } from "./processes.ts";
import { type Account, findAccount, findPrograms, type Programs } from "./programs.ts";
import { ensureSecrets, FILE, rememberPort, type Secrets } from "./secrets.ts";

export type EmbeddedCluster = {
  ownerUrl: string;
  secrets: Secrets;
  /** For a process that serves: settles when the server is gone and can't be started again, or is another's now. */
  lost: Promise<UserError>;
  /** Stops the server, unless it is in use by another process and this one is not the one that serves. */
  stop: () => Promise<void>;
};

/**
 * Opens the cluster in `dataDir`: joins the server that runs there (one whose process was killed included), else
 * starts it, and makes it on the first start. Role and database `attune` exist when it returns.
 * @param what.major the version of PostgreSQL, 15 to 18
 * @param what.serve take the cluster for a serving process, of which there is one at a time
 * @param what.alone refuse it where anybody uses it, and let nobody in; it is started on a port that nobody knows
 * @param what.signal gives up, and stops what was started
 * @throws UserError
 */
export async function openCluster(
  dataDir: string,
  what: { major: number; serve: boolean; alone?: boolean; signal?: AbortSignal },
): Promise<EmbeddedCluster> {
  const programs = await findPrograms(what.major);
  const account = await findAccount();
  const folder = await prepareFolder(dataDir, programs, account);
  const secrets = await ensureSecrets(dataDir, folder);
  await ensureData(programs, account, folder, secrets.superuserPassword, what.signal);
  const place: Place = { programs, account, folder, dataDir, secrets, logFile: join(dataDir, "postgres.log") };

  const occupy = async (control: pg.Client): Promise<void> => {
    if (what.serve) await takeServing(control, dataDir);
    if (what.alone !== true) await takeUsing(control);
    else if (!(await isAlone(control)))
      throw new UserError(`${dataDir} is in use by another command: wait for it, then try again.`);
  };
  for (let attempt = 1; ; attempt += 1) {
    what.signal?.throwIfAborted();
    const running = await startOrJoin(place, {
      ...(what.alone === true && { port: await freePort() }),
      signal: what.signal,
    });
    try {
      await occupy(running.control);
      await ensureDatabase(running.control, secrets, running.port);
      return hold(place, running, occupy, what.serve);
    } catch (error) {
      await running.control.end().catch(() => undefined);
      // The last user of the cluster stopped it just when we came: start it again.
      if (error instanceof UserError || attempt === 5) throw error;
      await sleep(100);
    }
  }
}

export type ClusterState =
  { state: "absent" | "stopped" } | { state: "running"; ownerUrl: string; authenticatorUrl: string };

/** Whether a cluster was ever made in `dataDir`, and how to reach it while its server runs. Starts nothing. */
export async function clusterState(dataDir: string): Promise<ClusterState> {
  const folder = await clusterFolder(dataDir);
  await finishUpgrade(folder);
  if ((await dataVersion(folder)) === undefined) return { state: "absent" };
  const running = await runningServer(folder);
  if (running === undefined) return { state: "stopped" };
  const { ownerPassword, authenticatorPassword } = await ensureSecrets(dataDir, folder);
  return {
    state: "running",
    ownerUrl: localUrl("attune", ownerPassword, running.port, "attune"),
    authenticatorUrl: localUrl("authenticator", authenticatorPassword, running.port, "attune"),
  };
}

/** Where the cluster of a data folder is, or would be. */
export async function clusterFolder(dataDir: string): Promise<string> {
  return join(await realpath(dataDir).catch(() => dataDir), "postgres");
}

/** Where the cluster is, and what it takes to start it. */
type Place = {
  programs: Programs;
  account: Account;
  folder: string;
  dataDir: string;
  secrets: Secrets;
  logFile: string;
};

/** @param how.port the only one that it may be started on; without it, that of the last start if it is free */
async function startOrJoin(
  { programs, account, folder, dataDir, secrets, logFile }: Place,
  how: { port?: number; signal?: AbortSignal | undefined },
): Promise<Running> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    how.signal?.throwIfAborted();
    const running = await readPostmaster(folder);
    try {
      if (running !== undefined && (await isServerOf(running.pid, folder))) {
        return {
          ...running,
          control: await connect(superuserUrl(running.port, secrets.superuserPassword), controlName()),
        };
      }
      // A number in the file that now belongs to some other process would keep PostgreSQL from starting.
      if (running !== undefined && isAlive(running.pid)) await rm(join(folder, "postmaster.pid"), { force: true });

      const port = how.port ?? (await freePort(secrets.port));
      await startPostgres(programs, account, folder, port, logFile, { signal: how.signal });
      if (how.port === undefined) await rememberPort(dataDir, secrets, port);
    } catch (error) {
      if (codeOf(error) === "28P01") {
        throw new UserError(
          `The passwords in ${join(dataDir, FILE)} are not those of the database beside it: restore the file from a backup.`,
        );
      }
      // Starting up, shutting down, another one was faster, the port was just taken, backends of a killed server are still leaving.
      const passing =
        ["57P03", "53300", "ECONNREFUSED", "ECONNRESET"].includes(codeOf(error) ?? "") ||
        /lock file|shared memory block|could not create any TCP|terminated unexpectedly/.test(messageOf(error));
      if (error instanceof UserError) throw error;
      if (!passing || Date.now() > deadline) {
        throw new UserError(
          `The embedded PostgreSQL in ${folder} did not start: ${messageOf(error)} (see ${logFile}).`,
        );
      }
      await sleep(50);
    }
  }
}

function controlName(): string {
  return `attune (process ${process.pid})`;
}

/** Creates the owner's role and database where they are missing; two processes at once wait for each other. */
async function ensureDatabase(control: pg.Client, secrets: Secrets, port: number): Promise<void> {
  const exists = async (): Promise<{ role: boolean; monitor: boolean; database: boolean }> => {
    const {
      rows: [found],
    } = await control.query<{ role: boolean; monitor: boolean; database: boolean }>(
      `select exists (select from pg_roles where rolname = 'attune') as role,
              exists (
                select from pg_auth_members
                where roleid = 'pg_monitor'::regrole and member = to_regrole('attune')
              ) as monitor,
              exists (select from pg_database where datname = 'attune') as database`,
    );
    return found ?? { role: false, monitor: false, database: false };
  };
  const before = await exists();
  if (before.role && before.monitor && before.database) return;

  await control.query("select pg_advisory_lock($1, $2)", [LOCK_CLASS, LOCK.setup]);
  try {
    const found = await exists();
    if (!found.role) await createOwnerRole(control, secrets.ownerPassword);
    // Clusters of before have an owner who does not see how the server is.
    else if (!found.monitor) await control.query("grant pg_monitor to attune");
    if (!found.database) {
      // It has its name when it is as it should be, whenever we are killed.
      await control.query("drop database if exists attune_draft");
      await control.query("create database attune_draft owner attune");
      await withClient(superuserUrl(port, secrets.superuserPassword, "attune_draft"), withholdRights);
      await control.query("alter database attune_draft rename to attune");
    }
  } finally {
    await control.query("select pg_advisory_unlock($1, $2)", [LOCK_CLASS, LOCK.setup]);
  }
}

/** Only a process that serves starts PostgreSQL again: a command's work is lost with its connections anyway. */
function hold(
  place: Place,
  first: Running,
  occupy: (control: pg.Client) => Promise<void>,
  serve: boolean,
): EmbeddedCluster {
  const { folder, secrets, logFile } = place;
  const kept = serve
    ? keep(folder, first, { open: (port, signal) => startOrJoin(place, { port, signal }), occupy })
    : { running: () => first, lost: new Promise<never>(() => undefined), letGo: async () => undefined };
  const stopRotating = serve ? keepRotating(logFile) : () => undefined;
  let isOurs = serve;
  const lost = kept.lost.then((error) => {
    isOurs = false;
    return error;
  });

  const stop = async (): Promise<void> => {
    stopRotating();
    await kept.letGo();
    const { control, pid } = kept.running();
    if (isOurs || (await isAlone(control))) await stopPostgres((await runningServer(folder))?.pid ?? pid, folder);
    await control.end().catch(() => undefined);
  };
  let stopping: Promise<void> | undefined;
  return {
    ownerUrl: localUrl("attune", secrets.ownerPassword, first.port, "attune"),
    secrets,
    lost,
    stop: () => (stopping ??= stop()),
  };
}
