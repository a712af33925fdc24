/** `attune query`: what it prints, as whom it runs, and what it refuses. */
import { execFile, spawn } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { attune, type Environment } from "./support/cli.ts";
import { createTestDatabase, type TestDatabase } from "./support/harness.ts";

const hasPsql = await promisify(execFile)("psql", ["--version"]).then(
  () => true,
  () => false,
);

let database: TestDatabase;
let environment: Environment;

beforeAll(async () => {
  database = await createTestDatabase();
  environment = { DATABASE_URL: database.ownerUrl };
  await database.createUser("ada@example.com");
  await database.createUser("bob@example.com");
});

afterAll(() => database.close());

const query = (...args: string[]) => attune(["query", ...args], environment);

/** Values that are hard to print, and statements of every kind. */
const SCRIPT = String.raw`
select 1 as a, null::int as n, 'x' as text, 12345678::bigint as "long name here";
select E'a\nb\nc' as multi, 5 as n, E'x\ty\rz\x01' as odd;
select 'x' as a, E'1\n2' as b; -- and a comment
select E'日本\né' as wide, '😀' as emoji, 1.5::numeric as n;
select;
select 1 where false;
create temp table t (id int, v text);
insert into t values (1, 'a'), (2, null) returning *;
begin; update t set v = 'b;c'; rollback;
explain (costs off) select * from t;
do $$ begin perform 1; end $$;
select true as b, '{1,2}'::int[] as arr, interval '1 day' as i, 1::float8 as f, 'a'::"char", 5::oid, '1'::xid8;
table t;`;

test("rows are printed as psql prints them, and what a statement did", async () => {
  expect(
    await query("select 1 as id, 'Ada' as name, null as note union all select 20, 'Bob', 'x'; set jit = off"),
  ).toEqual({
    code: 0,
    signal: null,
    stderr: "",
    stdout: ` id | name | note 
----+------+------
  1 | Ada  | 
 20 | Bob  | x
(2 rows)

SET
`,
  });
});

test.runIf(hasPsql)("psql prints the same, for values and statements of every kind", async () => {
  const psql = spawn("psql", ["-X", "-d", database.ownerUrl, "-f", "-"], {
    env: { ...process.env, LC_ALL: "C.UTF-8" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  psql.stdin.end(SCRIPT);
  const [printed, { stdout }] = await Promise.all([text(psql.stdout), query(SCRIPT)]);
  expect(stdout).toBe(printed);
});

test("--csv and --json keep every digit", async () => {
  const sql = `select 12345678901234567890.10 as n, true as b, null as "no", '{"a": 1.0}'::json as j, E'x,"y"\\n' as t; set jit = off`;
  expect((await query("--csv", sql)).stdout).toBe(
    `n,b,no,j,t\n12345678901234567890.10,t,,"{""a"": 1.0}","x,""y""\n"\n`,
  );
  expect((await query("--json", sql)).stdout).toBe(
    `[{"n":12345678901234567890.10,"b":true,"no":null,"j":{"a": 1.0},"t":"x,\\"y\\"\\n"}]\n`,
  );
  expect((await query("--json", "--csv", sql)).stderr).toContain("cannot be used with");
});

test("the standard input is read without an argument", async () => {
  const child = spawn(process.execPath, [join(import.meta.dirname, "../src/cli.ts"), "query"], {
    env: { PATH: process.env["PATH"], ...environment },
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin.end("select 'from there' as came;\n");
  expect(await text(child.stdout)).toContain(" from there\n(1 row)\n");
});

test("an error says where, what and what to do, and nothing runs after it", async () => {
  const { code, stdout, stderr } = await query("select 1 as one;\nselect *\nfrom attune.userz; select 2 as two");
  expect(code).toBe(1);
  expect(stdout).toBe(" one \n-----\n   1\n(1 row)\n\n");
  expect(stderr).toBe(`ERROR:  relation "attune.userz" does not exist\nLINE 2: from attune.userz;\n             ^\n`);

  const refused = await query(
    "do $$ begin raise exception 'No' using detail = 'a_reason', hint = 'Do otherwise.'; end $$",
  );
  expect(refused).toMatchObject({
    code: 1,
    stdout: "",
    stderr: "ERROR:  No\nDETAIL:  a_reason\nHINT:  Do otherwise.\n",
  });
});

test("a notice goes to the standard error", async () => {
  expect(await query("do $$ begin raise notice 'by the way'; end $$")).toMatchObject({
    code: 0,
    stdout: "DO\n",
    stderr: "NOTICE:  by the way\n",
  });
});

describe("whose rights", () => {
  const WHO =
    "select current_user, (select count(*) from attune.users) as seen, coalesce(u.email, 'nobody') as who from (values (1)) as one left join attune.users as u on u.id = attune.current_user_id()";
  test.for([
    ["the owner's", [], { current_user: "attune", seen: 2, who: "nobody" }],
    ["a user's", ["--as", " Ada@Example.com"], { current_user: "authenticated", seen: 1, who: "ada@example.com" }],
    ["a trusted server's", ["--role", "service_role"], { current_user: "service_role", seen: 2, who: "nobody" }],
  ] as const)("%s", async ([, flags, row]) => {
    const { stdout, stderr } = await query(...flags, "--json", `begin; commit; ${WHO}`);
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toEqual([row]);
  });

  test("nobody's", async () => {
    expect((await query("--role", "anon", "select current_user; select from attune.users")).stderr).toBe(
      "ERROR:  permission denied for table users\n",
    );
  });

  test("a user may not write what is not theirs", async () => {
    expect(
      (await query("--as", "ada@example.com", "update attune.users set name = 'me' where email <> 'ada@example.com'"))
        .stdout,
    ).toBe("UPDATE 0\n");
  });
});

test.for([
  [["--as", "eve@example.com", "select 1"], "There is no user with the address eve@example.com."],
  [
    ["--as", "ada@example.com", "--role", "anon", "select 1"],
    "Whose rights? --role authenticated goes with --as, and no other role does.",
  ],
  [
    ["--role", "authenticated", "select 1"],
    "Whose rights? --role authenticated goes with --as, and no other role does.",
  ],
  [["select 1;\n\\d"], String.raw`\d in line 2 is a command of psql, not SQL: leave it out.`],
  [["/* nothing */"], "There is no SQL to run."],
] as const)("%j is refused in a sentence", async ([args, sentence]) => {
  expect(await query(...args)).toMatchObject({ code: 1, stdout: "", stderr: `attune: ${sentence}\n` });
});
