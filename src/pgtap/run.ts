/** Runs pgTAP files, and reports what is wrong with them. */
import { availableParallelism } from "node:os";
import { glob } from "node:fs/promises";
import { relative, resolve } from "node:path";
import { openOwner } from "../database/open.ts";
import { startThrowawayCluster } from "../embedded/testing/throwaway.ts";
import { readOptions } from "../options/options.ts";
import { SIGNALS } from "../signals.ts";
import { messageOf, UserError } from "../user-error.ts";
import { plural } from "../words.ts";
import { type FileResult, runFile } from "./file.ts";
import { installTestSupport } from "./install.ts";
import type { Failure } from "./tap.ts";
import { createTemplate } from "./test-databases.ts";

const TESTS = resolve(import.meta.dirname, "../../sql-tests");
/** Helpers, which are no tests. */
const SUPPORT = `${TESTS}/support/**`;

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

export type PgtapResult = { passed: number; failures: (Failure & { file: string })[] };

/**
 * Runs pgTAP files against the schema as migrated, and reports a line for each file that passes and every failure of
 * one that does not: assertions, plans that do not add up, files that died, and files that assert nothing.
 * The databases it made are gone when it returns, and when it is interrupted.
 *
 * @returns how many assertions passed, and what failed
 * @throws UserError when no file is found, the server can't be used, or the run is interrupted
 */
export async function runPgtap(options: PgtapOptions): Promise<PgtapResult> {
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

    const total: PgtapResult = { passed: 0, failures: [] };
    const queue = files.values();
    const work = async (): Promise<void> => {
      for (const file of queue) {
        const result = await runFile(url, template.name, file, signal).catch(couldNotRun);
        if (signal.aborted) return;
        total.passed += result.passed;
        const name = displayName(file);
        total.failures.push(...result.failures.map((failure) => ({ ...failure, file: name })));
        for (const line of describe(name, result)) report(line);
      }
    };
    const jobs = Math.max(options.jobs ?? Math.min(availableParallelism(), 4), 1);
    await Promise.all(Array.from({ length: Math.min(jobs, files.length) }, work));
    signal.throwIfAborted();

    report(`${plural(files.length, "file")}, ${total.passed} passed, ${total.failures.length} failed`);
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
  for (const pattern of patterns.length > 0 ? patterns : [`${TESTS}/**/*.sql`]) {
    const matches = await Array.fromAsync(glob(pattern, { exclude: [SUPPORT] }));
    if (matches.length === 0) throw new UserError(`No test file matches ${pattern}.`);
    for (const match of matches.toSorted()) found.add(resolve(match));
  }
  return [...found];
}

function couldNotRun(error: unknown): FileResult {
  return { passed: 0, failures: [{ title: `could not run: ${messageOf(error)}`, details: [] }], notices: [] };
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
