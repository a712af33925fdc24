/** The embedded PostgreSQL cluster: made, started or joined, recovered after a crash, stopped by the last one out. */
import { realpath, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { connect, withClient } from "../database/client.ts";
import { withholdRights } from "../database/withhold-rights.ts";
import { codeOf, messageOf, UserError } from "../user-error.ts";
import { createOwnerRole, localUrl, superuserUrl } from "./connection.ts";
import { dataVersion, ensureData, prepareFolder } from "./data-folder.ts";
import { LOCK, LOCK_CLASS, takeServing } from "./locks.ts";
import { freePort, startPostgres, stopPostgres } from "./postgres.ts";
import { isAlive, isServerOf, readPostmaster } from "./processes.ts";
import { type Account, findAccount, findPrograms, type Programs } from "./programs.ts";
import { ensureSecrets, FILE, rememberPort, type Secrets } from "./secrets.ts";

export type EmbeddedCluster = {
  ownerUrl: string;
  secrets: Secrets;
  /** Settles when the server went away although nobody here stopped it. */
  lost: Promise<UserError>;
  /** Stops the server, unless it is in use by another process and this one is not the one that serves. */
  stop: () => Promise<void>;
};

/**
 * Opens the cluster in `dataDir`: joins the server that runs there (one whose process was killed included), else
 * starts it, and makes it on the first start. Role and database `attune` exist when it returns.
 * @param what.major the version of PostgreSQL, 15 to 18
 * @param what.serve take the cluster for a serving process, of which there is one at a time
 * @param what.signal gives up, and stops what was started
 * @throws UserError
 */
export async function openCluster(
  dataDir: string,
  what: { major: number; serve: boolean; signal?: AbortSignal },
): Promise<EmbeddedCluster> {
  const programs = await findPrograms(what.major);
  const account = await findAccount();
  const folder = await prepareFolder(dataDir, programs, account);
  const secrets = await ensureSecrets(dataDir, folder);
  await ensureData(programs, account, folder, secrets.superuserPassword, what.signal);

  for (let attempt = 1; ; attempt += 1) {
    what.signal?.throwIfAborted();
    const { control, pid, port } = await startOrJoin(programs, account, folder, dataDir, secrets);
    try {
      if (what.serve) await takeServing(control, dataDir);
      await control.query("select pg_advisory_lock_shared($1, $2)", [LOCK_CLASS, LOCK.using]);
      await ensureDatabase(control, secrets, port);
      return hold(control, { pid, port, folder, secrets, serve: what.serve });
    } catch (error) {
      await control.end().catch(() => undefined);
      // The last user of the cluster stopped it just when we came: start it again.
      if (error instanceof UserError || attempt === 5) throw error;
      await sleep(100);
    }
  }
}

export type ClusterState =
  { state: "absent" | "stopped" } | { state: "running"; ownerUrl: string; authenticatorUrl: string };

/** Whether a cluster was ever made in `dataDir`, and how to reach it while its server runs. Starts and changes nothing. */
export async function clusterState(dataDir: string): Promise<ClusterState> {
  const folder = join(await realpath(dataDir).catch(() => dataDir), "postgres");
  if ((await dataVersion(folder)) === undefined) return { state: "absent" };
  const running = await readPostmaster(folder);
  if (running === undefined || !(await isServerOf(running.pid, folder))) return { state: "stopped" };
  const { ownerPassword, authenticatorPassword } = await ensureSecrets(dataDir, folder);
  return {
    state: "running",
    ownerUrl: localUrl("attune", ownerPassword, running.port, "attune"),
    authenticatorUrl: localUrl("authenticator", authenticatorPassword, running.port, "attune"),
  };
}

type Running = { control: pg.Client; pid: number; port: number };

async function startOrJoin(
  programs: Programs,
  account: Account,
  folder: string,
  dataDir: string,
  secrets: Secrets,
): Promise<Running> {
  const logFile = join(dataDir, "postgres.log");
  const deadline = Date.now() + 30_000;
  for (;;) {
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

      const port = await freePort(secrets.port);
      await startPostgres(programs, account, folder, port, logFile);
      await rememberPort(dataDir, secrets, port);
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
  const exists = async (): Promise<{ role: boolean; database: boolean }> => {
    const {
      rows: [found],
    } = await control.query<{ role: boolean; database: boolean }>(
      `select exists (select from pg_roles where rolname = 'attune') as role,
              exists (select from pg_database where datname = 'attune') as database`,
    );
    return found ?? { role: false, database: false };
  };
  const before = await exists();
  if (before.role && before.database) return;

  await control.query("select pg_advisory_lock($1, $2)", [LOCK_CLASS, LOCK.setup]);
  try {
    const found = await exists();
    if (!found.role) await createOwnerRole(control, secrets.ownerPassword);
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

function hold(
  control: pg.Client,
  held: { pid: number; port: number; folder: string; secrets: Secrets; serve: boolean },
): EmbeddedCluster {
  let stopping: Promise<void> | undefined;
  const lost = new Promise<UserError>((resolve) => {
    control.on("end", () => {
      if (stopping === undefined)
        resolve(new UserError(`The embedded PostgreSQL stopped unexpectedly: ${held.folder}.log says why.`));
    });
  });
  const stop = async (): Promise<void> => {
    const {
      rows: [alone],
    } = await control
      .query<{ ok: boolean }>("select pg_try_advisory_lock($1, $2) as ok", [LOCK_CLASS, LOCK.using])
      .catch(() => ({ rows: [] }));
    if (held.serve || alone?.ok === true) await stopPostgres(held.pid, held.folder);
    await control.end().catch(() => undefined);
  };
  return {
    ownerUrl: localUrl("attune", held.secrets.ownerPassword, held.port, "attune"),
    secrets: held.secrets,
    lost,
    stop: () => (stopping ??= stop()),
  };
}
