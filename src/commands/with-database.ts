/** The database that a command works on, for its duration, and an answer to Ctrl-C. */
import pg from "pg";
import { mayCreate, openOwner, type OwnerConnection, type Purpose } from "../database/open.ts";
import { clusterState } from "../embedded/cluster.ts";
import { type Options, readOptions } from "../options/options.ts";
import { SAME_SIGNAL, SIGNALS } from "../signals.ts";
import { UserError } from "../user-error.ts";
import { sayIfSecond, serversElsewhere } from "./servers.ts";

/**
 * Runs `work` on the database that the environment names. An embedded server that had to be started for it is stopped
 * afterwards, also on Ctrl-C: at once, or, once `work` has called `endsByItself`, when it heeds the signal it got by that,
 * or is told a second time.
 * @throws UserError
 */
export async function withDatabase(
  purpose: Purpose,
  work: (owner: OwnerConnection, options: Options, endsByItself: () => AbortSignal) => Promise<void>,
  options = readOptions(process.env),
): Promise<void> {
  const controller = new AbortController();
  let owner: OwnerConnection | undefined;
  let polite: AbortController | undefined;
  let asked: number | undefined;
  const interrupt = (): void => {
    if (polite !== undefined) {
      polite.abort();
      asked ??= performance.now();
      if (performance.now() - asked <= SAME_SIGNAL) return;
    }
    controller.abort(new UserError("Interrupted."));
    if (owner !== undefined) void owner.stop().finally(() => process.exit(130));
  };
  for (const signal of SIGNALS) process.on(signal, interrupt);
  try {
    await sayWhichDatabase(options, purpose);
    owner = await openOwner(options, { ...purpose, signal: controller.signal });
    await work(owner, options, () => (polite ??= new AbortController()).signal);
  } catch (error) {
    controller.signal.throwIfAborted();
    throw sayWhatToDo(error);
  } finally {
    await owner?.stop();
    for (const signal of SIGNALS) process.off(signal, interrupt);
  }
}

/**
 * Says which embedded database is meant where that may be a surprise: nobody serves it, or there is none yet.
 * @throws UserError when there is none, and none is to be made
 */
async function sayWhichDatabase({ databaseUrl, dataDir }: Options, purpose: Purpose): Promise<void> {
  if (databaseUrl !== undefined) return;
  const { state } = await clusterState(dataDir);
  if (state === "running") return;
  if (state === "absent" && mayCreate(purpose)) return sayIfSecond(dataDir);
  const elsewhere = await serversElsewhere(dataDir);
  if (state === "stopped") {
    if (elsewhere !== "" || !mayCreate(purpose))
      console.error(
        `attune: Starts the database in ${dataDir} for this command, as no server uses it now.${elsewhere}`,
      );
  } else {
    const otherwise = elsewhere === "" ? " Set ATTUNE_DATA_DIR if it is in another folder." : elsewhere;
    throw new UserError(`There is no database in ${dataDir}: \`npm start\` makes one.${otherwise}`);
  }
}

/** The database's own refusals say what to do in their hint. */
function sayWhatToDo(error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError) || !/^(42501|PT4)/.test(error.code ?? "")) return error;
  const message = error.message.replace(/\.$/, "");
  return new UserError(error.hint === undefined ? `${message}.` : `${message}. ${error.hint}`);
}
