/**
 * `npm test`: every pgTAP file and every Vitest file, on throwaway PostgreSQL servers. Ends with the failures by name,
 * and one line that counts.
 *
 *   npm test                                   on the newest major version, or the one in ATTUNE_EMBEDDED_MAJOR
 *   npm test -- sql-tests/audit.sql test/http  only these: pgTAP files by path, Vitest files by a part of their path
 *   npm run test:matrix                        on 15, 16, 17 and 18, one after the other
 *   npm run test:matrix -- 15 16               on these
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { relative } from "node:path";
import { parseArgs, stripVTControlCharacters } from "node:util";
import type { TestCase, TestModule, TestSuite, Vitest } from "vitest/node";
import { startVitest } from "vitest/node";
import { MAJORS } from "../src/embedded/programs.ts";
import { runPgtap } from "../src/pgtap/run.ts";
import { messageOf, UserError } from "../src/user-error.ts";

type Failure = { file: string; test: string; details: string[] };
type Outcome = { passed: number; failures: Failure[] };
type Place = { file: string; line: number };

/** What is wrong with a whole runner, and not with one of its tests. */
function died(runner: string, test: string, details: string[] = []): Outcome {
  return { passed: 0, failures: [{ file: runner, test, details }] };
}

async function pgtap(files: string[]): Promise<Outcome> {
  try {
    const { passed, failures } = await runPgtap({ files });
    return {
      passed,
      failures: failures.map(({ file, title, details }) => ({
        file,
        test: title,
        details: details.map((line) => line.trim()),
      })),
    };
  } catch (error) {
    return died("pgTAP", `did not run: ${messageOf(error)}`);
  }
}

async function vitest(filters: string[]): Promise<Outcome> {
  try {
    const run = await startVitest(filters, { run: true, watch: false });
    const outcome = outcomeOf(run);
    await run.close();
    return outcome;
  } catch (error) {
    return died("Vitest", `did not run: ${messageOf(error)}`);
  }
}

/** What fails outside of a test, an import or a hook for instance, counts as a failure of its own. */
function outcomeOf(run: Vitest): Outcome {
  const outcome: Outcome = { passed: 0, failures: [] };
  for (const module of run.state.getTestModules()) {
    const file = relative(process.cwd(), module.moduleId);
    const failures: Failure[] = [];
    for (const test of module.children.allTests()) {
      const { state, errors = [] } = test.result();
      if (state === "passed") outcome.passed += 1;
      if (state === "failed") failures.push({ file, test: nameOf(test), details: detailsOf(errors) });
      if (state === "pending") failures.push({ file, test: nameOf(test), details: ["It did not end."] });
    }
    for (const suite of [module, ...module.children.allSuites()]) {
      const errors = suite.errors();
      if (errors.length > 0) failures.push({ file, test: nameOf(suite), details: detailsOf(errors) });
    }
    if (failures.length === 0 && !module.ok())
      failures.push({ file, test: "failed, and does not say why", details: [] });
    outcome.failures.push(...failures);
  }
  for (const error of run.state.getUnhandledErrors())
    outcome.failures.push({
      file: "Vitest",
      test: "an error that no test awaited",
      details: messageOf(error).split("\n"),
    });
  return outcome;
}

function nameOf(part: TestCase | TestSuite | TestModule): string {
  return part.type === "module" ? "outside of its tests" : part.fullName;
}

/** The message, the first place in a file of ours, and what was expected. */
function detailsOf(errors: readonly { name?: string; message: string; diff?: string; stacks?: Place[] }[]): string[] {
  return errors.flatMap(({ name = "Error", message, diff = "", stacks: [at] = [] }) =>
    [
      `${name}: ${message}`,
      at === undefined ? "" : `at ${relative(process.cwd(), at.file)}:${at.line}`,
      stripVTControlCharacters(diff),
    ].flatMap((text) => text.split("\n").filter((line) => line.trim() !== "")),
  );
}

/** The same in a process of its own, whose outcome comes back as a message. */
async function onMajor(major: number): Promise<Outcome> {
  console.log(`\nPostgreSQL ${major}\n`);
  const child = spawn(process.execPath, [import.meta.filename], {
    env: { ...process.env, ATTUNE_EMBEDDED_MAJOR: String(major) },
    stdio: ["inherit", "inherit", "inherit", "ipc"],
  });
  let outcome: Outcome | undefined;
  child.on("message", (message) => {
    outcome = message as Outcome;
  });
  await once(child, "close");
  const { passed, failures } = outcome ?? died("npm test", "ended without a result");
  return {
    passed,
    failures: failures.map((failure) => ({ ...failure, file: `PostgreSQL ${major}: ${failure.file}` })),
  };
}

/** @throws UserError when the arguments make no sense */
function chooseRuns(): (() => Promise<Outcome>)[] {
  const { values, positionals } = parseArgs({
    options: { matrix: { type: "boolean" } },
    allowPositionals: true,
  });
  if (values.matrix === true) {
    const unknown = positionals.filter((name) => !MAJORS.map(String).includes(name));
    if (unknown.length > 0)
      throw new UserError(
        `There is no PostgreSQL ${unknown.join(", ")} to test on: name some of ${MAJORS.join(", ")}.`,
      );
    return MAJORS.filter((major) => positionals.length === 0 || positionals.includes(String(major))).map(
      (major) => () => onMajor(major),
    );
  }
  const scripts = positionals.filter((name) => name.endsWith(".sql"));
  const others = positionals.filter((name) => !name.endsWith(".sql"));
  const all = positionals.length === 0;
  return [
    ...(all || scripts.length > 0 ? [() => pgtap(scripts)] : []),
    ...(all || others.length > 0 ? [() => vitest(others)] : []),
  ];
}

async function main(): Promise<number> {
  const total: Outcome = { passed: 0, failures: [] };
  for (const run of chooseRuns()) {
    const { passed, failures } = await run();
    total.passed += passed;
    total.failures.push(...failures);
  }
  // Who started us for one version of several prints the failures of all.
  if (process.send !== undefined) process.send(total);
  else if (total.failures.length > 0) {
    console.log("\nFailures:\n");
    for (const { file, test, details } of total.failures)
      console.log([`  ${file}: ${test}`, ...details.map((line) => `      ${line}`)].join("\n"));
  }
  console.log(`\n${total.passed} passed, ${total.failures.length} failed`);
  return total.failures.length > 0 || total.passed === 0 ? 1 : 0;
}

try {
  process.exit(await main());
} catch (error) {
  console.error(`attune: ${messageOf(error)}`);
  process.exit(1);
}
