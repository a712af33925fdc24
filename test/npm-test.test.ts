/** `npm test`: the failures of both runners by name at the end, and which versions of PostgreSQL it takes. */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "..");
const FILES = {
  "fails.sql": "select plan(2); select is(1, 2, 'one is two'); select ok(true);",
  "test/fails.test.ts": `
    import { beforeAll, describe, expect, test } from "vitest";
    describe("sums", () => {
      test("add up", () => expect(1 + 1).toBe(3));
      test("are fine", () => undefined);
    });
    describe("what comes before", () => {
      beforeAll(() => { throw new Error("no way"); });
      test("never runs", () => undefined);
    });`,
};

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "attune-npm-test-"));
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
  await mkdir(join(folder, "test"));
  for (const [name, content] of Object.entries(FILES)) await writeFile(join(folder, name), content);
});

afterAll(() => rm(folder, { recursive: true }));

/** In the folder of the failing tests, and not as a part of the run that this test belongs to. */
async function npmTest(...args: string[]): Promise<{ code: unknown; stdout: string; stderr: string }> {
  const env = { PATH: process.env["PATH"], ATTUNE_EMBEDDED_MAJOR: process.env["ATTUNE_EMBEDDED_MAJOR"] };
  return new Promise((done) => {
    execFile(
      process.execPath,
      [join(ROOT, "scripts/test.ts"), ...args],
      { cwd: folder, env },
      (error, stdout, stderr) => done({ code: error?.code ?? 0, stdout, stderr }),
    );
  });
}

test("it ends with the failures of pgTAP and Vitest by name, and a line that counts", async () => {
  const { code, stdout } = await npmTest("fails.sql", "test/fails");
  expect(code).toBe(1);
  expect(stdout.slice(stdout.indexOf("\nFailures:"))).toBe(`
Failures:

  fails.sql: 1 - one is two
      have: 1
      want: 2
  test/fails.test.ts: sums > add up
      AssertionError: expected 2 to be 3 // Object.is equality
      at test/fails.test.ts:4
      - Expected
      + Received
      - 3
      + 2
  test/fails.test.ts: what comes before
      Error: no way
      at test/fails.test.ts:8

2 passed, 3 failed
`);
});

test.for([
  [["--matrix", "14", "16"], "attune: There is no PostgreSQL 14 to test on: name some of 15, 16, 17, 18.\n"],
  [["--matrix", "old"], "attune: There is no PostgreSQL old to test on: name some of 15, 16, 17, 18.\n"],
] as const)("%j is refused in a sentence", async ([args, sentence]) => {
  expect(await npmTest(...args)).toEqual({ code: 1, stdout: "", stderr: sentence });
});

test("a file that is not there is a failure", async () => {
  const { code, stdout } = await npmTest("nothing.sql");
  expect(code).toBe(1);
  expect(stdout).toMatch(/No test file matches nothing\.sql\.\n\n0 passed, 1 failed\n$/);
});
