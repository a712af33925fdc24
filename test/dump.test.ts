/** `attune dump` and `restore`: what goes in comes out, all of it or nothing. */
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { withClient } from "../src/database/client.ts";
import { urlOfDatabase } from "../src/database/connection-string.ts";
import { sequencesOf, tablesOf } from "../src/database/dump-format.ts";
import { checkDump, restore } from "../src/database/restore.ts";
import { readMigrations } from "../src/database/migrations.ts";
import { readCatalogue } from "./support/catalogue.ts";
import { attune, type Finished, launch, postmaster, startServer } from "./support/cli.ts";
import { createTestDatabase, createTestServer, type TestDatabase } from "./support/harness.ts";

const newest = (await readMigrations()).at(-1);
const PASSWORD = "a password that is long enough";

let home: string;
let source: TestDatabase;
let file: string;
let refreshToken: string;
let dumped: Finished;
/** What there is when it is dumped: that it was, is written down afterwards. */
let stored: Record<string, unknown>;

/** Everything that is stored, by table and sequence. */
async function contents(url: string): Promise<Record<string, unknown>> {
  return withClient(url, async (client) => {
    const found: Record<string, unknown> = {};
    for (const { name } of await tablesOf(client)) {
      const { rows } = await client.query<{ row: string }>(`select t::text as row from ${name} as t order by 1`);
      found[name] = rows.map(({ row }) => row);
    }
    for (const name of await sequencesOf(client))
      found[name] = (await client.query(`select last_value, is_called from ${name}`)).rows;
    return found;
  });
}

/** An empty database beside the source. */
async function emptyDatabase(name: string): Promise<string> {
  await source.query(`create database ${name}`);
  return urlOfDatabase(source.ownerUrl, name);
}

async function isBare(url: string): Promise<boolean> {
  return withClient(url, async (client) => {
    const { rowCount } = await client.query(
      "select from pg_namespace where nspname in ('attune', 'attune_private', 'graphile_migrate', 'auth')",
    );
    return rowCount === 0;
  });
}

/** The dump with another text and the right checksum. */
async function changed(name: string, change: (text: string) => string): Promise<string> {
  const text = change((await readFile(file, "utf8")).replace(/-- sha256 .*\n$/, ""));
  const path = join(home, name);
  await writeFile(path, `${text}-- sha256 ${createHash("sha256").update(text).digest("hex")}\n`);
  return path;
}

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "attune-dump-"));
  await chmod(home, 0o755);
  file = join(home, "backup.sql");
  source = await createTestDatabase();

  const server = await createTestServer(source);
  const admin = await source.createUser("root@example.com", { admin: true });
  const { body } = await server.graphql<{ register: { sessionTokens: { refreshToken: string } } }>(
    `mutation ($password: String!) {
      register(input: { email: "ada@example.com", password: $password, name: "Ada" }) { sessionTokens { refreshToken } }
    }`,
    { password: PASSWORD },
  );
  refreshToken = body.data?.register.sessionTokens.refreshToken ?? "";
  const odd = "a\tb\\N\n\\.\nc";
  await source.query("insert into attune.plans (name, title, description) values ('odd', $1, $1)", [odd]);
  await source.as(admin, (client) => client.query("select attune.set_global_setting('RAG_RESULT_COUNT', '7', true)"));
  await server.close();
  stored = await contents(source.ownerUrl);
  dumped = await attune(["dump", file], { DATABASE_URL: source.ownerUrl });
});

afterAll(async () => {
  await source.close();
  await rm(home, { recursive: true, force: true });
});

test("a dump is readable by its owner alone, and nothing is beside it", async () => {
  expect(dumped).toMatchObject({ code: 0, stderr: "", stdout: expect.stringMatching(/^Wrote \d+ rows to /) });
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect((await readdir(home)).filter((name) => name.startsWith("backup"))).toEqual(["backup.sql"]);
});

test("without a file it goes to the standard output", async () => {
  const { stdout } = await attune(["dump"], { DATABASE_URL: source.ownerUrl });
  // But for what says that the first dump was made.
  const rows = (text: string): string[] =>
    text
      .split("\n")
      .slice(1, -2)
      .filter((line) => !/\tback_up\t|'attune\.maintenance_operations_id_seq'/.test(line));
  expect(rows(stdout)).toEqual(rows(await readFile(file, "utf8")));
});

test("restored with DATABASE_URL: the same rows, sequences and schema, with its rules", async () => {
  const url = await emptyDatabase("restored");
  expect(await attune(["restore", file], { DATABASE_URL: url })).toMatchObject({ code: 0, stderr: "" });
  expect(await contents(url)).toEqual(stored);
  expect(await withClient(url, readCatalogue)).toEqual(await withClient(source.ownerUrl, readCatalogue));
  await withClient(url, async (client) => {
    await expect(client.query("update attune.configuration_audit_log set key = 'x'")).rejects.toThrow(
      "UPDATE is not allowed",
    );
    await expect(client.query("delete from attune.plans")).rejects.toThrow(/violates .*foreign key constraint/);
  });
  const again = await attune(["restore", file], { DATABASE_URL: url });
  expect(again).toMatchObject({ code: 1, stdout: "" });
  expect(again.stderr).toMatch(/^attune: The database restored has Attune already/);
  await source.query("drop database restored");
});

test("what was sealed is whole where it was restored, a month of long ago in its partition, and sealing goes on", async () => {
  const database = await createTestDatabase();
  const url = await emptyDatabase("sealed");
  try {
    await database.query(
      "select attune_private.make_audit_partition(t, '2020-02-01Z') from unnest(array['attune.configuration_audit_log', 'attune_private.sealed_rows']::regclass[]) as t",
    );
    await database.query(
      `insert into attune.configuration_audit_log (occurred_at, actor_role, acted_as, layer, key, operation, new_value)
       select day, 'attune', 'migration', 'global', 'old', 'INSERT', '1.0'
       from unnest(array['2020-02-29Z', '2020-05-01Z']::timestamptz[]) as day`,
    );
    const user = await database.createUser("deleted@example.com");
    await database.as(user, (client) => client.query("select attune.set_preference('DARK_MODE_ENABLED', 'true')"));
    const [told] = await database.query<{ line: string }>("select attune.audit_checkpoint() as line");
    await database.query("delete from attune.users where id = $1", [user.id]);
    const path = join(home, "sealed.sql");
    expect(await attune(["dump", path], { DATABASE_URL: database.ownerUrl })).toMatchObject({ code: 0 });

    expect(await readFile(path, "utf8")).toContain("\ncopy attune_private.configuration_audit_log_2020_02 (");
    expect(await attune(["restore", path], { DATABASE_URL: url })).toMatchObject({ code: 0, stderr: "" });
    await withClient(url, async (client) => {
      const rowsOf = async (sql: string): Promise<unknown[]> =>
        (await client.query<Record<string, unknown>>(sql, sql.includes("$1") ? [told?.line] : [])).rows;
      expect(await rowsOf("select * from attune.verify_audit($1)")).toEqual([]);
      expect(await rowsOf("select count(*)::int as n from attune_private.configuration_audit_log_2020_02")).toEqual([
        { n: 1 },
      ]);
      const [{ n } = { n: 0 }] = (await client.query<{ n: number }>("select attune.seal_audit()::int as n")).rows;
      expect(n).toBeGreaterThan(0);
      expect(await rowsOf("select * from attune.verify_audit($1)")).toEqual([]);
      await client.query("select attune.set_global_setting('PROJECTS_ENABLED', 'false')");
      expect(await rowsOf("select attune.seal_audit()::int as n")).toEqual([{ n: 1 }]);
      expect(await rowsOf("select * from attune.verify_audit($1)")).toEqual([]);
    });
  } finally {
    await database.close();
    await source.query("drop database sealed");
  }
});

test("restored on a new embedded PostgreSQL: people can go on where they were", async () => {
  const environment = { ATTUNE_DATA_DIR: join(home, "data") };
  expect(await attune(["restore", file], environment)).toMatchObject({ code: 0 });
  expect(await postmaster(environment.ATTUNE_DATA_DIR)).toBeUndefined();

  const server = await startServer(environment);
  const ask = async (query: string, variables: object): Promise<unknown> => {
    const response = await fetch(`${server.address}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query, variables }),
    });
    return response.json();
  };
  expect(
    await ask(
      "mutation ($refreshToken: String!) { refreshSession(input: { refreshToken: $refreshToken }) { sessionTokens { accessToken } } }",
      { refreshToken },
    ),
  ).toMatchObject({ data: { refreshSession: { sessionTokens: { accessToken: expect.any(String) } } } });
  expect(
    await ask(
      'mutation ($password: String!) { login(input: { email: "ada@example.com", password: $password }) { sessionTokens { accessToken } } }',
      { password: PASSWORD },
    ),
  ).toMatchObject({ data: { login: { sessionTokens: { accessToken: expect.any(String) } } } });

  // A dump of the running server, and the way over the embedded PostgreSQL, lose nothing either.
  const second = join(home, "second.sql");
  expect(await attune(["dump", second], environment)).toMatchObject({ code: 0, stderr: "" });
  server.kill("SIGTERM");
  await server.finished;
  const url = await emptyDatabase("second");
  await restore(url, await checkDump(second));
  expect((await contents(url))["attune.user_passwords"]).toEqual(
    (await contents(source.ownerUrl))["attune.user_passwords"],
  );
  await source.query("drop database second");
});

test("a dump of an older schema is brought up to date", async () => {
  const older = await createTestDatabase();
  const to = (newest?.number ?? 0) - 1;
  expect(await attune(["rollback", "--to", String(to), "--yes"], { DATABASE_URL: older.ownerUrl })).toMatchObject({
    code: 0,
  });
  const dumped = join(home, "older.sql");
  expect(await attune(["dump", dumped], { DATABASE_URL: older.ownerUrl })).toMatchObject({ code: 0 });
  const url = await emptyDatabase("updated");
  expect(await attune(["restore", dumped], { DATABASE_URL: url })).toMatchObject({ code: 0, stderr: "" });
  expect((await attune(["migrate"], { DATABASE_URL: url })).stdout).toBe(`Up to date at ${newest?.file}.\n`);
  await source.query("drop database updated");
  await older.close();
});

describe("refused in a sentence, before anything is made", () => {
  const whole = (text: string): string => text;
  test.for<[string, (text: string) => string, RegExp]>([
    ["another file", () => "create table x ();\n", /is not a dump of Attune's\.$/],
    ["an empty file", () => "", /is not a dump of Attune's\.$/],
    [
      "a truncated one",
      (text) => text.slice(0, text.length / 2),
      /is not whole, or was changed: its checksum is wrong\.$/,
    ],
    ["one without its last line", (text) => text.replace(/-- sha256 .*\n$/, ""), /its checksum is wrong\.$/],
    ["one that was changed", (text) => text.replace("Ada", "Eve"), /its checksum is wrong\.$/],
  ])("%s", async ([, change, sentence]) => {
    const path = join(home, "bad.sql");
    await writeFile(path, change(await readFile(file, "utf8")));
    const ATTUNE_DATA_DIR = join(home, "never");
    const { code, stdout, stderr } = await attune(["restore", path], { ATTUNE_DATA_DIR });
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr.trim()).toMatch(sentence);
    await expect(stat(ATTUNE_DATA_DIR)).rejects.toThrow("ENOENT");
  });

  test.for<[string, (text: string) => string, RegExp]>([
    [
      "another text of the schema",
      (text) => text.replace(/sha1:\w+/, "sha1:00"),
      /by another version of Attune, with a different text of/,
    ],
    [
      "a newer schema",
      (text) => text.replace(/"migration":\d+/, '"migration":999'),
      /by a newer version of Attune \(it is at migration 999\)/,
    ],
    [
      "another layout",
      (text) => text.replace('"format":1', '"format":2'),
      /by another version of Attune: restore it with that version/,
    ],
  ])("%s", async ([, change, sentence]) => {
    await expect(checkDump(await changed("other.sql", change))).rejects.toThrow(sentence);
    expect(await checkDump(await changed("same.sql", whole))).toMatchObject({ header: { migration: newest?.number } });
  });

  test("a file that is not there, and a database without Attune", async () => {
    expect((await attune(["restore", join(home, "none.sql")])).stderr).toBe(
      `attune: There is no file ${join(home, "none.sql")}.\n`,
    );
    const url = await emptyDatabase("bare");
    expect((await attune(["dump", join(home, "none.sql")], { DATABASE_URL: url })).stderr).toBe(
      "attune: There is nothing to dump: the database has no schema attune.\n",
    );
    await source.query("drop database bare");
    await expect(stat(join(home, "none.sql"))).rejects.toThrow("ENOENT");
  });
});

describe("a restore that does not get to its end leaves nothing", () => {
  test.for<[string, (text: string) => string, RegExp]>([
    [
      "a row that is none",
      (text) => text.replace(/^bootstrapper\t.*$/m, "bootstrapper"),
      /was not restored, and nothing was changed: missing data for column/,
    ],
    [
      "a row that refers to nothing",
      (text) => text.replace(/^bootstrapper\t.*\n/m, ""),
      /nothing was changed: insert or update on table ".*" violates foreign key constraint/,
    ],
    ["a table that lacks", (text) => text.replace(/^copy attune\.plans [^]*?^\\\.\n/m, ""), /lacks attune\.plans\.$/],
    [
      "SQL",
      (text) => `${text}drop schema attune cascade;\n`,
      /has a line that does not belong there: drop schema attune cascade;$/,
    ],
  ])("%s", async ([, change, sentence]) => {
    const url = await emptyDatabase("half");
    await expect(restore(url, await checkDump(await changed("half.sql", change)))).rejects.toThrow(sentence);
    expect(await isBare(url)).toBe(true);
    await source.query("drop database half");
  });

  const activity = async (condition: string): Promise<number> =>
    (await source.query(`select from pg_stat_activity where datname = 'interrupted' ${condition}`)).length;

  test.for(["SIGINT", "SIGKILL"] as const)("%s", async (signal) => {
    const url = await emptyDatabase("interrupted");
    const command = launch(["restore", file], { DATABASE_URL: url });
    await expect.poll(() => activity("and backend_xid is not null"), { timeout: 30_000, interval: 5 }).toBe(1);
    command.kill(signal);
    await command.finished;
    await expect.poll(() => activity(""), { timeout: 10_000 }).toBe(0);
    expect(await isBare(url)).toBe(true);
    expect(await attune(["restore", file], { DATABASE_URL: url })).toMatchObject({ code: 0 });
    await source.query("drop database interrupted");
  });
});
