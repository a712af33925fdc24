/** Takes the embedded cluster to another major version of PostgreSQL, by a dump; the old one is kept beside. */
import { createWriteStream } from "node:fs";
import { copyFile, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type pg from "pg";
import { compareCatalogues, catalogueWithin, readCatalogue, withoutMonths } from "../database/catalogue.ts";
import { withClient } from "../database/client.ts";
import { dump } from "../database/dump.ts";
import { sequencesOf, tablesOf } from "../database/dump-format.ts";
import { countRows } from "../database/losses.ts";
import { MIGRATIONS_FOLDER } from "../database/migrations.ts";
import { checkDump, restore } from "../database/restore.ts";
import { say } from "../say.ts";
import { messageOf, UserError } from "../user-error.ts";
import { clusterFolder, type EmbeddedCluster, openCluster } from "./cluster.ts";
import { superuserUrl } from "./connection.ts";
import { dataVersion, finishUpgrade, keptFolder, syncFolder, upgradedFolder } from "./data-folder.ts";
import { insideOurs, othersIn, settingsLeft } from "./others.ts";
import { stopPostgres } from "./postgres.ts";
import { isServerOf, readPostmaster, runningServer } from "./processes.ts";
import { findAccount, findPrograms, installCommand } from "./programs.ts";
import { FILE } from "./secrets.ts";

/** As many of what would be left behind are named. */
const NAMED = 20;

export type Upgrade = {
  from: number;
  to: number;
  /** Where the old cluster is kept. */
  kept: string;
  /** What was left behind in it, where that was asked for. */
  others: string[];
  /** Settings of the old cluster that the new one does not have. */
  settings: string[];
};

/**
 * Dumps the old cluster, restores it into a new one beside it, compares both, and lets them change places. Until then
 * the old one is as it was; whenever this is interrupted, it is in its place, or the new one, whole and compared, is.
 * @param how.major the version to go to
 * @param how.leaveOthers go on where there is more in the cluster than Attune, and leave that in the old one
 * @param how.wait how many seconds to wait for a change of the schema
 * @param how.tell is told each step when it begins
 * @returns undefined when it is of that version already
 * @throws UserError; nothing was changed then
 */
export async function upgradeCluster(
  dataDir: string,
  how: { major: number; leaveOthers: boolean; wait: number; signal: AbortSignal; tell: (step: string) => void },
): Promise<Upgrade | undefined> {
  const { major, signal, tell } = how;
  const folder = await clusterFolder(dataDir);
  await finishUpgrade(folder);
  const from = await dataVersion(folder);
  if (from === undefined) throw new UserError(`There is no database in ${dataDir}.`);
  if (from === major) return undefined;
  if (from > major)
    throw new UserError(`${folder} was made by PostgreSQL ${from}, which is newer than ${major}: nothing to upgrade.`);
  await assertPrograms(from);
  const kept = keptFolder(folder, from);
  if ((await dataVersion(kept)) !== undefined)
    throw new UserError(`${kept} is there, from an upgrade before: remove it, or give it another name.`);

  const workshop = `${folder}.upgrade`;
  const clusters: EmbeddedCluster[] = [];
  // Latest first: whoever waits for the old one finds nothing of the new one under way.
  const stop = async (): Promise<void> => {
    for (const cluster of clusters.toReversed()) await cluster.stop();
  };
  const giveUp = (): void => void stop();
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    tell(`Starts PostgreSQL ${from}, for this alone.`);
    const old = await openAlone(dataDir, folder, from, signal);
    clusters.push(old);
    const others = await othersIn(superuserOf(old));
    if (!how.leaveOthers) assertNoOthers(others);

    await clear(workshop, folder);
    await mkdir(workshop, { mode: (await findAccount()).uid === undefined ? 0o700 : 0o711 });
    await copyFile(join(dataDir, FILE), join(workshop, FILE));
    const file = join(workshop, "attune.dump");
    tell("Dumps it.");
    await pipeline(dump(old.ownerUrl, MIGRATIONS_FOLDER, how.wait), createWriteStream(file, { mode: 0o600 }));
    const checked = await checkDump(file);

    tell(`Makes a cluster of PostgreSQL ${major}, and restores it there.`);
    const fresh = await openCluster(workshop, { major, serve: true, alone: true, signal });
    clusters.push(fresh);
    await restore(fresh.ownerUrl, checked, MIGRATIONS_FOLDER, how.wait, {
      schema: (client) => assertSameSchema(old.ownerUrl, client, others, how.leaveOthers),
      rows: (client) => assertSameRows(old.ownerUrl, client),
    });
    tell("Compares the two.");
    await assertSameRecords(old.ownerUrl, fresh.ownerUrl);
    const settings = await settingsLeft(superuserOf(old)("attune"), superuserOf(fresh)("attune"));

    tell("Lets them change places.");
    await stop();
    signal.throwIfAborted();
    await changePlaces(folder, workshop, kept);
    return { from, to: major, kept, others, settings };
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", giveUp);
    const [old, fresh] = clusters;
    try {
      // Whoever watches over the new one would start it again in the folder that goes.
      await fresh?.stop();
      // Where the old one was not ours, the workshop is not either.
      if (old !== undefined) await clear(workshop, folder);
    } catch (error) {
      say(`${workshop} could not be taken away, remove it: ${messageOf(error)}`);
    } finally {
      await old?.stop();
    }
  }
}

/** @throws UserError that says how to install them */
async function assertPrograms(major: number): Promise<void> {
  try {
    await findPrograms(major);
  } catch {
    throw new UserError(
      `The programs of PostgreSQL ${major}, which made the data, are needed once more: run \`${await installCommand(major)}\`, then this again.`,
    );
  }
}

/** Starts the server on a port that nobody knows; one that was left running, as by a process that was killed, is stopped. */
async function openAlone(
  dataDir: string,
  folder: string,
  major: number,
  signal: AbortSignal,
): Promise<EmbeddedCluster> {
  const open = (): Promise<EmbeddedCluster> => openCluster(dataDir, { major, serve: true, alone: true, signal });
  if ((await runningServer(folder)) !== undefined) await (await open()).stop();
  return open();
}

function superuserOf({ ownerUrl, secrets }: EmbeddedCluster): (database: string) => string {
  return (database) => superuserUrl(Number(new URL(ownerUrl).port), secrets.superuserPassword, database);
}

/** @throws UserError naming what a dump has not */
function assertNoOthers(others: string[]): void {
  if (others.length === 0) return;
  const more = others.length > NAMED ? `, and ${others.length - NAMED} more` : "";
  throw new UserError(
    `There is more in this cluster than Attune, which an upgrade does not take along: ${others.slice(0, NAMED).join(", ")}${more}. Move it elsewhere with pg_dump and drop it here; or add --leave-others, which leaves it in the old folder.`,
  );
}

/** What is in the schemas beside what the migrations make would be lost, too. */
async function assertSameSchema(
  oldUrl: string,
  fresh: pg.Client,
  others: string[],
  leaveOthers: boolean,
): Promise<void> {
  const [before, inside] = await withClient(
    oldUrl,
    async (old) => [await readCatalogue(old), await insideOurs(old)] as const,
  );
  const path = (await fresh.query<{ path: string }>("select current_setting('search_path') as path")).rows[0]?.path;
  const after = withoutMonths(await catalogueWithin(fresh));
  await fresh.query("select set_config('search_path', $1, true)", [path]);
  const made = new Set(await insideOurs(fresh));
  const differences = [
    // What the roles are and may become is told with the settings.
    ...compareCatalogues(after, before)
      .map(({ object }) => object)
      .filter((object) => !/^(role|membership of) /.test(object)),
    ...inside.filter((name) => !made.has(name)),
  ];
  if (!leaveOthers) assertNoOthers(differences);
  others.push(...differences);
}

/** @throws UserError when a table or a sequence is not what it was */
async function assertSameRows(oldUrl: string, fresh: pg.Client): Promise<void> {
  await withClient(oldUrl, async (old) => {
    const tables = (await tablesOf(old)).map(({ name }) => name);
    const [before, after] = [await countRows(old, tables), await countRows(fresh, tables)];
    const sequences = await sequencesOf(old);
    for (const name of [...tables, ...sequences]) {
      const state = `select last_value::text, is_called from ${name}`;
      const isSame = tables.includes(name)
        ? before.get(name) === after.get(name)
        : JSON.stringify((await old.query(state)).rows) === JSON.stringify((await fresh.query(state)).rows);
      if (!isSame) throw new UserError(`${name} is another after the restore than it was. Nothing was changed.`);
    }
  });
}

/** @throws UserError when the audit log is not the one that was sealed */
async function assertSameRecords(oldUrl: string, freshUrl: string): Promise<void> {
  const checkpoint = await withClient(oldUrl, lastSeal);
  const { rows } = await withClient(freshUrl, (fresh) =>
    fresh.query<{ audit_id: string | null; problem: string }>("select * from attune.verify_audit($1)", [checkpoint]),
  );
  const [first] = rows;
  if (first !== undefined)
    throw new UserError(
      `The audit log is not whole, at row ${first.audit_id ?? "?"} (${first.problem}): look at \`select * from attune.verify_audit()\`. Nothing was changed.`,
    );
}

/** What the newest seal stands for, as a checkpoint says it, without sealing anything; null where there is none. */
async function lastSeal(client: pg.Client): Promise<string | null> {
  const { rows: found } = await client.query<{ is: boolean }>(
    "select pg_catalog.to_regclass('attune.audit_seals') is not null as is",
  );
  if (found[0]?.is !== true) return null;
  const { rows } = await client.query<{ line: string }>(
    `select pg_catalog.concat_ws(' ', s.last_sequence, s.sealed_at::date, s.hash) as line
     from attune.audit_seals as s order by s.id desc limit 1`,
  );
  return rows[0]?.line ?? null;
}

/** Three renames; what is left of an interrupted one is made whole by whoever opens the cluster next. */
async function changePlaces(folder: string, workshop: string, kept: string): Promise<void> {
  const parent = join(folder, "..");
  const next = upgradedFolder(folder);
  await rm(next, { recursive: true, force: true });
  await rename(join(workshop, "postgres"), next);
  await rm(workshop, { recursive: true, force: true });
  await syncFolder(parent);
  await rename(folder, kept);
  await syncFolder(parent);
  const running = await readPostmaster(kept);
  if (running !== undefined && (await isServerOf(running.pid, folder))) {
    await rename(kept, folder);
    throw new UserError(`Somebody started the old PostgreSQL in ${folder} meanwhile: end that, and try again.`);
  }
  await finishUpgrade(folder);
}

/** Takes away what an upgrade left that did not come to its end, and the server that may still run there. */
async function clear(workshop: string, folder: string): Promise<void> {
  const fresh = join(workshop, "postgres");
  const running = await runningServer(fresh);
  if (running !== undefined) await stopPostgres(running.pid, fresh);
  await rm(workshop, { recursive: true, force: true });
  // Of one that was interrupted before the old cluster was out of the way, it may be older than that is by now.
  if ((await dataVersion(folder)) !== undefined) await rm(upgradedFolder(folder), { recursive: true, force: true });
}
