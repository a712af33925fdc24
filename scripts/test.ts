/**
 * `npm test`: every pgTAP file and every Vitest file, on throwaway PostgreSQL servers. Ends with one line that counts.
 *
 *   npm test                        on the newest major version, or the one in ATTUNE_EMBEDDED_MAJOR
 *   npm run test:matrix             on 15, 16, 17 and 18, one after the other
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { startVitest } from "vitest/node";
import { runPgtap } from "../src/pgtap/run.ts";
import { messageOf } from "../src/user-error.ts";

type Counts = { passed: number; failed: number };

const MAJORS = [15, 16, 17, 18];
const NOTHING: Counts = { passed: 0, failed: 0 };
const DIED: Counts = { passed: 0, failed: 1 };

async function pgtap(): Promise<Counts> {
  try {
    return await runPgtap({ files: [] });
  } catch (error) {
    console.error(`attune: pgTAP did not run: ${messageOf(error)}`);
    return DIED;
  }
}

/** What fails outside of a test, an import or a hook for instance, counts as a failure of its own. */
async function vitest(): Promise<Counts> {
  try {
    const run = await startVitest([], { run: true, watch: false });
    const counts = { ...NOTHING };
    for (const file of run.state.getTestModules()) {
      const tests = [...file.children.allTests()].map((test) => test.result().state);
      const suites = [file, ...file.children.allSuites()].filter((suite) => suite.errors().length > 0);
      const failed = tests.filter((state) => state === "failed" || state === "pending").length + suites.length;
      counts.passed += tests.filter((state) => state === "passed").length;
      counts.failed += failed > 0 || file.ok() ? failed : 1;
    }
    counts.failed += run.state.getUnhandledErrors().length;
    await run.close();
    return counts;
  } catch (error) {
    console.error(`attune: Vitest did not run: ${messageOf(error)}`);
    return DIED;
  }
}

/** The same in a process of its own, whose counts come back as a message. */
async function onMajor(major: number): Promise<Counts> {
  console.log(`\nPostgreSQL ${major}\n`);
  const child = spawn(process.execPath, [import.meta.filename], {
    env: { ...process.env, ATTUNE_EMBEDDED_MAJOR: String(major) },
    stdio: ["inherit", "inherit", "inherit", "ipc"],
  });
  let counts = DIED;
  child.on("message", (message) => {
    counts = message as Counts;
  });
  await once(child, "close");
  return counts;
}

const suites = process.argv.includes("--matrix") ? MAJORS.map((major) => () => onMajor(major)) : [pgtap, vitest];
const total = { ...NOTHING };
for (const suite of suites) {
  const { passed, failed } = await suite();
  total.passed += passed;
  total.failed += failed;
}
process.send?.(total);
console.log(`\n${total.passed} passed, ${total.failed} failed`);
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);
