/** Runs one pgTAP file, in a database of its own and a transaction that is rolled back. */
import { readFile } from "node:fs/promises";
import pg from "pg";
import { connect } from "../database/client.ts";
import { messageOf, UserError } from "../user-error.ts";
import { SEARCH_PATH } from "./install.ts";
import { positionOf, scanSql } from "../database/sql-script.ts";
import { type Failure, readTap, type TapResult } from "./tap.ts";
import { cloneTemplate } from "./test-databases.ts";

export type FileResult = TapResult & { notices: string[] };

/**
 * Runs a file on a clone of the template, which is dropped afterwards.
 * @param signal cuts the connection
 * @throws UserError when the file is not SQL, and what `pg` throws when there is no database to run it in
 */
export async function runFile(
  ownerUrl: string,
  template: string,
  file: string,
  signal: AbortSignal,
): Promise<FileResult> {
  const sql = await readFile(file, "utf8");
  const { metaCommand } = scanSql(sql);
  if (metaCommand !== undefined) {
    const { line } = positionOf(sql, metaCommand.at);
    throw new UserError(`${metaCommand.name} in line ${line} is a command of psql, not SQL: leave it out`);
  }

  const database = await cloneTemplate(ownerUrl, template);
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => database.drop().catch(() => undefined));
  const client = await connect(database.url);
  cleanup.defer(() => client.end());

  const disconnect = (): void => void client.end().catch(() => undefined);
  signal.addEventListener("abort", disconnect);
  cleanup.defer(() => signal.removeEventListener("abort", disconnect));
  signal.throwIfAborted();
  return await runScript(client, sql);
}

/**
 * Sends the script in one go, in a transaction that nobody commits, and reads what it says until it ends or dies. A
 * script may open and roll back transactions of its own.
 */
async function runScript(client: pg.Client, sql: string): Promise<FileResult> {
  const tap = readTap();
  const notices: string[] = [];
  await client.query(`set search_path = ${SEARCH_PATH}; set statement_timeout = '5min'; begin`);

  let completed = 0;
  client.connection.on("commandComplete", () => (completed += 1));
  client.on("notice", ({ code, severity, message }) => {
    // A file's own begin and rollback say that there is, or is no longer, a transaction.
    if (code !== "25001" && code !== "25P01") notices.push(`${severity}: ${message}`);
  });

  const error = await new Promise<Error | undefined>((done) => {
    client
      .query(new pg.Query<Record<string, unknown>>(sql))
      .on("row", (row) => {
        const [line, ...others] = Object.values(row);
        if (typeof line === "string" && others.length === 0) tap.write(line);
      })
      .on("error", done)
      .on("end", () => done(undefined));
  });

  const { passed, failures } = tap.end(error === undefined ? undefined : death(sql, completed, error));
  return { passed, failures, notices };
}

/** What an SQL error has to say, and the line it is about: its own position, or else its statement's. */
function death(sql: string, completed: number, error: Error): Failure {
  const details: string[] = [];
  let offset = scanSql(sql).statements[completed];
  let code = "";
  if (error instanceof pg.DatabaseError) {
    code = `${error.code} `;
    // PostgreSQL counts characters, from 1; an offset counts UTF-16 units.
    if (error.position !== undefined) offset = [...sql].slice(0, Number(error.position) - 1).join("").length;
    for (const part of ["detail", "hint", "where"] as const) {
      const text = error[part];
      if (text !== undefined) details.push(...`${part}: ${text}`.split("\n"));
    }
  }
  const at = offset === undefined ? undefined : positionOf(sql, offset);
  const place = at === undefined ? "" : ` at line ${at.line}, column ${at.column}`;
  return { title: `died${place}: ${code}${messageOf(error)}`, details };
}
