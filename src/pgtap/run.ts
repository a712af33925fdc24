/** Runs pgTAP files, each in a database of its own and a transaction that is rolled back. */
import { availableParallelism } from "node:os";
import { glob, readFile } from "node:fs/promises";
import { relative, resolve } from "node:path";
import pg from "pg";
import { Parser, type Result } from "tap-parser";
import { connect } from "../database/client.ts";
import { openOwner } from "../database/open.ts";
import { startThrowawayCluster } from "../embedded/testing/throwaway.ts";
import { SIGNALS } from "../signals.ts";
import { messageOf, UserError } from "../user-error.ts";
import { readOptions } from "../options/options.ts";
import { plural } from "../words.ts";
import { installTestSupport, SEARCH_PATH } from "./install.ts";
import { positionOf, scanSql } from "./sql-script.ts";
import { cloneTemplate, createTemplate } from "./test-databases.ts";

const TESTS = resolve(import.meta.dirname, "../../sql-tests");

export type PgtapOptions = {
  /** Connects as a role that may create databases; without it a throwaway PostgreSQL is started. */
  ownerUrl?: string;
  /** Paths or globs, from the working directory; empty means every file of sql-tests/. */
  files: string[];
  /** How many files run at a time: as many as there are processors, at most four, unless told. */
  jobs?: number;
  /** Gets each line of the report; the standard output unless told. */
  reporter?: (line: string) => void;
};

/** One thing that is wrong with a file, and what there is to say about it. */
type Failure = { title: string; details: string[] };
type FileResult = { passed: number; failures: Failure[]; notices: string[] };

/**
 * Runs pgTAP files against the schema as migrated, and reports a line for each file that passes and every failure of
 * one that does not: assertions, plans that do not add up, files that died, and files that assert nothing.
 * The databases it made are gone when it returns, and when it is interrupted.
 *
 * @returns how many assertions passed, and how many failures there were
 * @throws UserError when no file is found, the server can't be used, or the run is interrupted
 */
export async function runPgtap(options: PgtapOptions): Promise<{ passed: number; failed: number }> {
  const report = options.reporter ?? ((line: string): void => console.log(line));
  const files = await findFiles(options.files);

  return await untilInterrupted(async (signal) => {
    await using cleanup = new AsyncDisposableStack();
    let ownerUrl = options.ownerUrl;
    if (ownerUrl === undefined) {
      const cluster = await startThrowawayCluster();
      cleanup.defer(() => cluster.stop());
      ownerUrl = cluster.ownerUrl("postgres");
    }
    const url = ownerUrl;

    const template = await createTemplate(url, async (templateUrl) => {
      await openOwner(readOptions({ DATABASE_URL: templateUrl }), { migrate: true, signal });
      await installTestSupport(templateUrl);
    });
    // What can't be removed now, because the server is gone, goes at the start of the next run.
    cleanup.defer(() => template.drop().catch(() => undefined));

    const total = { passed: 0, failed: 0 };
    const queue = files.values();
    const work = async (): Promise<void> => {
      for (const file of queue) {
        const result = await runFile(url, template.name, file, signal).catch(couldNotRun);
        if (signal.aborted) return;
        total.passed += result.passed;
        total.failed += result.failures.length;
        for (const line of describe(displayName(file), result)) report(line);
      }
    };
    const jobs = Math.max(options.jobs ?? Math.min(availableParallelism(), 4), 1);
    await Promise.all(Array.from({ length: Math.min(jobs, files.length) }, work));
    signal.throwIfAborted();

    report(`${plural(files.length, "file")}, ${total.passed} passed, ${total.failed} failed`);
    return total;
  });
}

/** Has Ctrl-C end the work by its signal, so that it can tidy up; a second one ends the process at once. */
async function untilInterrupted<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const interrupt = (): void => controller.abort(new UserError("Interrupted; the test databases are removed."));
  for (const name of SIGNALS) process.once(name, interrupt);
  try {
    return await work(controller.signal);
  } catch (error: unknown) {
    // What breaks because connections were cut is not news.
    controller.signal.throwIfAborted();
    throw error;
  } finally {
    for (const name of SIGNALS) process.off(name, interrupt);
  }
}

async function findFiles(patterns: string[]): Promise<string[]> {
  const found = new Set<string>();
  for (const pattern of patterns.length > 0 ? patterns : [`${TESTS}/*.sql`]) {
    const matches = await Array.fromAsync(glob(pattern));
    if (matches.length === 0) throw new UserError(`No test file matches ${pattern}.`);
    for (const match of matches.toSorted()) found.add(resolve(match));
  }
  return [...found];
}

async function runFile(ownerUrl: string, template: string, file: string, signal: AbortSignal): Promise<FileResult> {
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

function couldNotRun(error: unknown): FileResult {
  return { passed: 0, failures: [{ title: `could not run: ${messageOf(error)}`, details: [] }], notices: [] };
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

/** Collects TAP, with pgTAP's diagnostics beside the assertion they belong to. */
function readTap(): {
  write: (line: string) => void;
  end: (died?: Failure) => Pick<FileResult, "passed" | "failures">;
} {
  const failures: Failure[] = [];
  let details: string[] = [];
  let passed = 0;

  const listen = (parser: Parser): void => {
    parser.on("assert", (result: Result) => {
      details = [];
      if (result.ok || result.todo !== false || result.skip !== false) passed += 1;
      else failures.push({ title: `${result.id} - ${result.name}`, details });
    });
    parser.on("comment", (comment: string) => {
      const text = comment.replace(/^# ?/, "").trimEnd();
      if (!/^(Failed test |Looks like you |test count\()/.test(text)) details.push(text);
    });
    parser.on("child", listen);
  };
  const parser = new Parser();
  listen(parser);

  return {
    write: (line) => void parser.write(`${line}\n`),
    end: (died) => {
      parser.end();
      const { count: ran, plan } = parser.results ?? { count: 0, plan: undefined };
      const fail = (title: string): void => void failures.push({ title, details: [] });
      if (died !== undefined) failures.push(died);
      else if (ran === 0) fail("asserts nothing");
      else if (plan?.end == null) fail("has no plan: start with plan(n), or with no_plan() and end with finish()");
      else if (plan.end !== ran) fail(`planned ${plural(plan.end, "assertion")}, ran ${ran}`);
      return { passed, failures };
    },
  };
}

function displayName(file: string): string {
  const inTests = relative(TESTS, file);
  return inTests.startsWith("..") ? relative(process.cwd(), file) : inTests;
}

function describe(file: string, { passed, failures, notices }: FileResult): string[] {
  if (failures.length === 0) return [`ok      ${file} (${passed})`];
  return [
    `not ok  ${file} (${passed} passed, ${failures.length} failed)`,
    ...failures.flatMap(({ title, details }) => [`  ${title}`, ...details.map((line) => `    ${line}`)]),
    ...notices.map((notice) => `  ${notice}`),
  ];
}
