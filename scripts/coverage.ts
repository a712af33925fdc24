/**
 * How much of the SQL functions and of the TypeScript the tests run, and what they don't.
 *
 *   npm run coverage                                    of all tests
 *   npm run coverage -- sql-tests/audit.sql test/http   of these, named as for `npm test`
 *
 * A function of SQL counts as run when it came to its end once; PostgreSQL has no count of lines. So that SQL functions
 * can be counted they are not inlined here, and tests that look at the catalogue fail for that: failures are not judged.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { type Calls, FUNCTIONS } from "../src/pgtap/coverage.ts";

const ROOT = resolve(import.meta.dirname, "..");
const SOURCES = pathToFileURL(join(ROOT, "src/")).href;

/** What c8 writes of each file: a statement is a line. */
type Lines = Record<
  string,
  { path: string; statementMap: Record<string, { start: { line: number } }>; s: Record<string, number> }
>;

/** Keeps of V8's reports what is about src/, as each process writes megabytes about all that it loads. */
async function shrink(folder: string, done: Set<string>): Promise<void> {
  for (const name of await readdir(folder)) {
    if (done.has(name) || !name.endsWith(".json")) continue;
    const file = join(folder, name);
    try {
      const report = JSON.parse(await readFile(file, "utf8")) as { result: { url: string }[] };
      const result = report.result.filter(({ url }) => url.startsWith(SOURCES));
      if (result.length === 0) await rm(file);
      else {
        await writeFile(`${file}.new`, JSON.stringify({ result }));
        await rename(`${file}.new`, file);
      }
      done.add(name);
    } catch {
      // It is being written: the next round has it.
    }
  }
}

async function run(command: string[], env: NodeJS.ProcessEnv): Promise<number | null> {
  const child = spawn(process.execPath, command, { cwd: ROOT, env: { ...process.env, ...env }, stdio: "inherit" });
  const [code] = (await once(child, "close")) as [number | null];
  return code;
}

async function readCalls(folder: string): Promise<Map<string, number>> {
  const read = async <T>(name: string): Promise<T> => JSON.parse(await readFile(join(folder, name), "utf8")) as T;
  const names = await readdir(folder);
  const functions = names.includes(FUNCTIONS) ? await read<string[]>(FUNCTIONS) : [];
  const total = new Map(functions.map((name) => [name, 0]));
  for (const name of names.filter((file) => file !== FUNCTIONS)) {
    const calls = await read<Calls>(name);
    for (const called of functions) total.set(called, (total.get(called) ?? 0) + (calls[called] ?? 0));
  }
  return total;
}

/** Prints how many lines were run, and which were not. */
function reportTypeScript(files: Lines): void {
  const missed: string[] = [];
  let [all, ran] = [0, 0];
  for (const { path, statementMap, s: counts } of Object.values(files)) {
    const lines: number[] = [];
    for (const [id, count] of Object.entries(counts)) {
      all += 1;
      if (count > 0) ran += 1;
      else lines.push(statementMap[id]?.start.line ?? 0);
    }
    if (lines.length > 0) missed.push(`${relative(ROOT, path)} ${rangesOf(lines)}`);
  }
  console.log(`\nTypeScript: ${ran} of ${all} lines run (${percent(ran, all)})`);
  for (const file of missed) console.log(`  not run: ${file}`);
}

/** "3, 5-7" */
function rangesOf(lines: number[]): string {
  const ranges: [number, number][] = [];
  for (const line of lines.toSorted((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === line - 1) last[1] = line;
    else ranges.push([line, line]);
  }
  return ranges.map(([from, to]) => (from === to ? String(from) : `${from}-${to}`)).join(", ");
}

function percent(part: number, whole: number): string {
  return `${((100 * part) / Math.max(whole, 1)).toFixed(1)} %`;
}

/** Prints how many functions were called, and which were not. */
function reportSql(calls: Map<string, number>): void {
  const missed = Array.from(calls).filter(([, count]) => count === 0);
  const called = calls.size - missed.length;
  console.log(`\nSQL functions: ${called} of ${calls.size} called (${percent(called, calls.size)})`);
  for (const [name] of missed) console.log(`  not called: ${name}`);
}

const folder = await mkdtemp(join(tmpdir(), "attune-coverage-"));
const [v8, sql] = [join(folder, "v8"), join(folder, "sql")];
try {
  await mkdir(v8);
  await mkdir(sql);
  const tests = run([join(ROOT, "scripts/test.ts"), ...process.argv.slice(2)], {
    NODE_V8_COVERAGE: v8,
    // Code from the cache is counted by the function only.
    NODE_DISABLE_COMPILE_CACHE: "1",
    ATTUNE_SQL_COVERAGE: sql,
  });
  const done = new Set<string>();
  const ended = tests.then(() => true);
  while (!(await Promise.race([ended, sleep(1000, false)]))) await shrink(v8, done);
  await shrink(v8, done);

  const c8 = join(ROOT, "node_modules/c8/bin/c8.js");
  await run(
    [
      c8,
      "report",
      `--temp-directory=${v8}`,
      `--reports-dir=${folder}`,
      "--reporter=json",
      "--all",
      "--src=src",
      "--include=src/**",
    ],
    {},
  );
  reportTypeScript(JSON.parse(await readFile(join(folder, "coverage-final.json"), "utf8")) as Lines);
  reportSql(await readCalls(sql));
} finally {
  await rm(folder, { recursive: true, force: true });
}
