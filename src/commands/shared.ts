/** What commands have in common: a database for their duration, and an answer to Ctrl-C. */
import { createInterface } from "node:readline/promises";
import pg from "pg";
import { openOwner, type OwnerConnection, type Purpose } from "../database/open.ts";
import { SIGNALS } from "../signals.ts";
import { UserError } from "../user-error.ts";
import { type Options, readOptions } from "../options/options.ts";

/**
 * Runs `work` on the database that the environment names. An embedded server that had to be started for it is stopped
 * afterwards, also on Ctrl-C.
 * @throws UserError
 */
export async function withDatabase(
  purpose: Purpose,
  work: (owner: OwnerConnection, options: Options) => Promise<void>,
  options = readOptions(process.env),
): Promise<void> {
  const controller = new AbortController();
  let owner: OwnerConnection | undefined;
  const interrupt = (): void => {
    controller.abort(new UserError("Interrupted."));
    if (owner !== undefined) void owner.stop().finally(() => process.exit(130));
  };
  for (const signal of SIGNALS) process.once(signal, interrupt);
  try {
    owner = await openOwner(options, { ...purpose, signal: controller.signal });
    await work(owner, options);
  } catch (error) {
    controller.signal.throwIfAborted();
    throw sayWhatToDo(error);
  } finally {
    await owner?.stop();
    for (const signal of SIGNALS) process.off(signal, interrupt);
  }
}

/** The database's own refusals say what to do in their hint. */
function sayWhatToDo(error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError) || !/^(42501|PT4)/.test(error.code ?? "")) return error;
  const message = error.message.replace(/\.$/, "");
  return new UserError(error.hint === undefined ? `${message}.` : `${message}. ${error.hint}`);
}

/**
 * Asks a question at the terminal.
 * @throws UserError when there is no terminal to ask at
 */
export async function confirm(question: string, otherwise: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw new UserError(otherwise);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}

/** Lines with their first column padded to the same width. */
export function columns(rows: [string, string][]): string[] {
  const width = Math.max(0, ...rows.map(([first]) => first.length));
  return rows.map(([first, second]) => `${first.padEnd(width)}  ${second}`.trimEnd());
}
