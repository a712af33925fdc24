/** `attune test`: what counts as a failure, what is printed, and what stays on the server. */
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { withClient } from "../src/database/client.ts";
import { startThrowawayCluster } from "../src/embedded/testing/throwaway.ts";
import { runPgtap } from "../src/pgtap/run.ts";
import { positionOf, scanSql } from "../src/database/sql-script.ts";

// A server where nothing else makes databases, so that they can be counted.
const cluster = await startThrowawayCluster();
const ownerUrl = cluster.ownerUrl("postgres");

const FILES: Record<string, string> = {
  "passes.sql": `
    begin;
    select plan(3);
    select ok(true, 'in a transaction of its own');
    select * from todo('later', 1);
    select ok(false, 'expected to fail');
    select skip('not here', 1);
    select * from finish();
    rollback;`,
  "passes-without-plan.sql": `
    select no_plan();
    select ok(true);
    select * from finish();`,
  "personas.sql": `
    select plan(7);
    select tests.create_user('ada@example.com');
    select tests.create_user('root@example.com', true);
    select tests.authenticate_as('ada@example.com');
    select is(current_user::text, 'authenticated', 'the role of a user');
    select is(attune.current_user_id(), tests.user_id('ada@example.com'), 'the user');
    select set_eq('select 1', array[1], 'pgTAP makes its temporary tables as any role');
    select tests.authenticate_as(tests.user_id('root@example.com'));
    select ok(attune.is_admin(), 'an administrator');
    select tests.authenticate_as_anon();
    select is(current_user::text || coalesce(attune.current_user_id()::text, ''), 'anon', 'nobody');
    select tests.authenticate_as_service_role();
    select is(current_user::text || coalesce(attune.current_user_id()::text, ''), 'service_role', 'a trusted server');
    select tests.reset_role();
    select is(current_user, session_user, 'the owner again');
    select * from finish();`,
  "fails.sql": `
    select plan(3);
    select ok(true, 'good');
    select is(1, 2, 'one is two');
    do $$ begin raise notice 'said on the way'; end $$;
    select ok(null, 'unknown');
    select * from finish();`,
  "too-few.sql": "select plan(3); select ok(true);",
  "too-many.sql": "select plan(1); select ok(true); select ok(true);",
  "no-plan.sql": "select no_plan(); select ok(true);",
  "nothing.sql": "select plan(1); select 'hello';",
  "empty.sql": "",
  "dies.sql": `
    select plan(2);
    select ok(true, 'before');
    do $$ begin
      raise exception using errcode = 'PT409', message = 'no', detail = 'the_reason', hint = 'Do otherwise.';
    end $$;`,
  "misspelt.sql": "select plan(1);\n-- 😀\nselect ok(true,, 'x');",
  "psql.sql": "select plan(1);\n\\set x 1\n",
  "leaves-nothing.sql": "create table public.seen (); select plan(1); select ok(true);",
  "sees-nothing.sql": "select plan(1); select hasnt_table('public', 'seen', 'another file was not seen');",
};

let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "attune-pgtap-"));
  await Promise.all(Object.entries(FILES).map(([name, sql]) => writeFile(join(folder, name), sql)));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
  await cluster.stop();
});

async function run(...files: string[]): Promise<{ passed: number; failed: number; report: string }> {
  const lines: string[] = [];
  const total = await runPgtap({
    ownerUrl,
    files: files.map((file) => join(folder, file)),
    reporter: (line) => lines.push(line.replace(/\S*attune-pgtap-\w*\//, "")),
  });
  return { passed: total.passed, failed: total.failures.length, report: lines.join("\n") };
}

async function testDatabases(): Promise<string[]> {
  const { rows } = await withClient(ownerUrl, (client) =>
    client.query<{ datname: string }>(
      "select datname from pg_database where starts_with(datname, 'attune_test_') order by 1",
    ),
  );
  return rows.map(({ datname }) => datname);
}

test("files that pass are a line each, and each has a database of its own", async () => {
  const { passed, failed, report } = await run("{passes*,personas,leaves-nothing,sees-nothing}.sql");

  expect({ passed, failed }).toEqual({ passed: 13, failed: 0 });
  expect(report.split("\n").toSorted()).toEqual([
    "5 files, 13 passed, 0 failed",
    "ok      leaves-nothing.sql (1)",
    "ok      passes-without-plan.sql (1)",
    "ok      passes.sql (3)",
    "ok      personas.sql (7)",
    "ok      sees-nothing.sql (1)",
  ]);
  expect(await testDatabases()).toEqual([]);
});

test("whatever is wrong with a file counts, and says what and where", async () => {
  const names = ["fails", "too-few", "too-many", "no-plan", "nothing", "empty", "dies", "misspelt", "psql"];
  const { passed, failed, report } = await run(...names.map((name) => `${name}.sql`));

  expect({ passed, failed }).toEqual({ passed: 6, failed: 10 });
  const blocks = report.split(/\n(?=not ok|\d+ files)/).toSorted();
  expect(blocks).toEqual([
    "9 files, 6 passed, 10 failed",
    "not ok  dies.sql (1 passed, 1 failed)\n" +
      "  died at line 4, column 5: PT409 no\n" +
      "    detail: the_reason\n" +
      "    hint: Do otherwise.\n" +
      "    where: PL/pgSQL function inline_code_block line 2 at RAISE",
    "not ok  empty.sql (0 passed, 1 failed)\n  asserts nothing",
    "not ok  fails.sql (1 passed, 2 failed)\n" +
      "  2 - one is two\n" +
      "            have: 1\n" +
      "            want: 2\n" +
      "  3 - unknown\n" +
      "        (test result was NULL)\n" +
      "  NOTICE: said on the way",
    'not ok  misspelt.sql (0 passed, 1 failed)\n  died at line 3, column 16: 42601 syntax error at or near ","',
    "not ok  no-plan.sql (1 passed, 1 failed)\n  has no plan: start with plan(n), or with no_plan() and end with finish()",
    "not ok  nothing.sql (0 passed, 1 failed)\n  asserts nothing",
    "not ok  psql.sql (0 passed, 1 failed)\n  could not run: \\set in line 2 is a command of psql, not SQL: leave it out",
    "not ok  too-few.sql (1 passed, 1 failed)\n  planned 3 assertions, ran 1",
    "not ok  too-many.sql (2 passed, 1 failed)\n  planned 1 assertion, ran 2",
  ]);
});

test("a file that is not there is refused", async () => {
  await expect(run("missing.sql")).rejects.toThrow(/^No test file matches .*missing\.sql\.$/);
});

test("a role that may not create databases is told so", async () => {
  await withClient(ownerUrl, (client) => client.query("create role attune_test_weak login password 'weak'"));
  const url = new URL(ownerUrl);
  [url.username, url.password] = ["attune_test_weak", "weak"];
  try {
    await expect(runPgtap({ ownerUrl: url.href, files: [] })).rejects.toThrow(/^The tests make databases of their own/);
  } finally {
    await withClient(ownerUrl, (client) => client.query("drop role attune_test_weak"));
  }
});

describe("a run that is cut short", () => {
  async function startSlow(): Promise<ReturnType<typeof spawn>> {
    await writeFile(join(folder, "slow.sql"), "select plan(1); select pg_sleep(60); select ok(true);");
    const script = `
      import { runPgtap } from ${JSON.stringify(new URL("../src/pgtap/run.ts", import.meta.url).href)};
      await runPgtap({ ownerUrl: process.env.OWNER_URL, files: [process.env.FILE] });`;
    const env = { ...process.env, OWNER_URL: ownerUrl, FILE: join(folder, "slow.sql") };
    const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
      env,
      stdio: ["ignore", "ignore", "pipe"],
    });
    await expect
      .poll(
        () =>
          withClient(ownerUrl, (client) =>
            client.query(
              "select from pg_stat_activity where query like '%pg_sleep(60)%' and datname like 'attune_test_%'",
            ),
          ).then(({ rowCount }) => rowCount),
        { timeout: 50_000, interval: 100 },
      )
      .toBe(1);
    return child;
  }

  function exit(child: ReturnType<typeof spawn>): Promise<{ code: number | null; stderr: string }> {
    let stderr = "";
    child.stderr?.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    return new Promise((done) => child.once("exit", (code) => done({ code, stderr })));
  }

  test("by Ctrl-C removes its databases", async () => {
    const child = await startSlow();
    expect(await testDatabases()).toHaveLength(2);

    const ended = exit(child);
    child.kill("SIGINT");
    const { code, stderr } = await ended;

    expect(code).toBe(1);
    expect(stderr).toContain("Interrupted; the test databases are removed.");
    expect(await testDatabases()).toEqual([]);
  });

  test("by kill -9 leaves them to the next run", async () => {
    const child = await startSlow();
    const ended = exit(child);
    child.kill("SIGKILL");
    await ended;
    expect(await testDatabases()).toHaveLength(2);

    await run("passes.sql");

    expect(await testDatabases()).toEqual([]);
  });
});

describe("statements are found", () => {
  const starts = (sql: string): string[] => scanSql(sql).statements.map((at) => sql.slice(at, at + 8));

  test.each([
    ["past quotes", `select ';"', ";'", e'\\';', $$;$$, $a$ $$; $a$; next`, ["select '", "next"]],
    ["past comments", "-- one;\n/* two; */ select 1 /* ; */; -- three;\n", ["select 1"]],
    [
      "past standard bodies",
      "create function f() begin atomic select case when a then b end; select 2; end; next",
      ["create f", "next"],
    ],
    ["past nothing", " ; ;; ", []],
  ])("%s", (_, sql, expected) => {
    expect(starts(sql)).toEqual(expected);
  });

  test("but not those of psql", () => {
    expect(scanSql("select '\\x'; -- \\y\n\\i file.sql").metaCommand).toEqual({ at: 19, name: "\\i" });
  });

  test("by line and column", () => {
    expect(positionOf("a\nbc\nd", 3)).toEqual({ line: 2, column: 2 });
  });
});
