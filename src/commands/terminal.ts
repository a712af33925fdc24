/** What commands ask and print at the terminal. */
import { createInterface } from "node:readline/promises";
import { InvalidArgumentError } from "commander";
import { UserError } from "../user-error.ts";

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

/** All of the standard input. */
export async function readInput(): Promise<Buffer> {
  return Buffer.concat(await process.stdin.toArray());
}

/** Lines with their first column padded to the same width. */
export function columns(rows: [string, string][]): string[] {
  const width = Math.max(0, ...rows.map(([first]) => first.length));
  return rows.map(([first, second]) => `${first.padEnd(width)}  ${second}`.trimEnd());
}

/** An option that is the number of a migration, or 0. */
export function migrationNumber(value: string): number {
  if (!/^\d{1,6}$/.test(value)) throw new InvalidArgumentError("It must be the number of a migration, or 0.");
  return Number(value);
}
