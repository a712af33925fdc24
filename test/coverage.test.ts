/** `npm run coverage`: what counts as run, on both sides. */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "attune-coverage-test-"));
});

afterAll(() => rm(folder, { recursive: true }));

test("it names what was not run: functions, inlined ones too, and lines", async () => {
  const file = join(folder, "viewer.sql");
  await writeFile(
    file,
    "select plan(2); select is((select id from attune.viewer()), null); select is(attune.is_admin(), false); select * from finish();",
  );
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(import.meta.dirname, "../scripts/coverage.ts"), file],
    { env: { PATH: process.env["PATH"], ATTUNE_EMBEDDED_MAJOR: process.env["ATTUNE_EMBEDDED_MAJOR"] } },
  );
  expect(stdout).toMatch(/^2 passed, 0 failed$/m);
  expect(stdout).toMatch(/^TypeScript: \d+ of \d+ lines run \(\d+\.\d %\)$/m);
  expect(stdout).toMatch(/^ {2}not run: src\/commands\/start\.ts 1-\d+$/m);
  expect(stdout).not.toMatch(/not run: src\/words\.ts 1-/);
  expect(stdout).toMatch(/^SQL functions: \d+ of \d+ called \(\d+\.\d %\)$/m);
  expect(stdout).toMatch(/not called: attune\.set_preference\(/);
  expect(stdout).not.toMatch(/not called: attune\.(viewer|is_admin|current_user_id)\(/);
  expect(stdout).not.toContain("pgp_sym_encrypt");
});
