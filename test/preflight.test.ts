/** `attune preflight`: whatever stands in the way of a deployment is named, and nothing is changed. */
import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect } from "../src/database/client.ts";
import { migrate } from "../src/database/migrate.ts";
import { MIGRATIONS_FOLDER } from "../src/database/migrations.ts";
import { type Preflight, preflight, type PreflightCheck } from "../src/database/preflight.ts";
import { localUrl } from "../src/embedded/connection.ts";
import { startThrowawayCluster, type ThrowawayCluster } from "../src/embedded/testing/throwaway.ts";
import { readCatalogue } from "./support/catalogue.ts";
import { attune } from "./support/cli.ts";
import { addMigration } from "./support/migrations.ts";

let cluster: ThrowawayCluster;
let url: string;
let client: pg.Client;
let superuser: pg.Client;
/** What the database has, and the same with more to come. */
let applied: string;
let pending: string;
const options = {
  databaseUrl: "postgres://…",
  dataDir: ".",
  poolSize: 4,
  passwordPoolSize: 2,
  maintenance: true,
  metricsToken: undefined,
};

beforeAll(async () => {
  cluster = await startThrowawayCluster({ settings: { max_prepared_transactions: "2", max_connections: "60" } });
  url = await cluster.createDatabase("preflight");
  applied = await mkdtemp(join(tmpdir(), "attune-preflight-"));
  pending = await mkdtemp(join(tmpdir(), "attune-preflight-pending-"));
  await addMigration(
    applied,
    "base",
    "create role anon; create role authenticated; create role service_role; create role authenticator login; create schema attune; create table attune.things (id integer, size integer); create table attune.others (id integer);",
  );
  await cp(applied, pending, { recursive: true });
  await addMigration(
    pending,
    "widen",
    "alter table attune.things alter column size type bigint; create table attune.new (id integer);",
  );
  await addMigration(pending, "index", "create index things_size_idx on attune.things (size);");
  await addMigration(
    pending,
    "concurrently",
    "--! no-transaction\ndrop index concurrently if exists attune.others_id_idx; create index concurrently others_id_idx on attune.others (id);",
  );
  await migrate(url, applied);
  client = await connect(url, "somebody");
  superuser = await connect(cluster.superuserUrl("preflight"), "attune test");
  await client.query(
    "insert into attune.things select n, n % 2 from generate_series(1, 1000) as n; analyze attune.things",
  );
});
afterAll(async () => {
  await Promise.all([client.end(), superuser.end()]);
  await cluster.stop();
  await Promise.all([applied, pending].map((folder) => rm(folder, { recursive: true })));
});

const look = (servers = 2, folder = applied): Promise<Preflight> => preflight(url, options, servers, folder);
/** Whose sessions there are, and which of them the owner may look at, is the test's. */
const notOk = ({ checks }: Preflight): PreflightCheck[] =>
  checks.filter(({ subject, level }) => level !== "ok" && subject !== "sessions of others");
/** Known of every server but the embedded one, and every database of which there is no record. */
const UNKNOWN = [
  expect.objectContaining({ subject: "disk", level: "unknown" }),
  expect.objectContaining({ subject: "backup", level: "unknown" }),
];

test("a database that is well may be deployed to, and what is not known is said to be so", async () => {
  const found = await look();
  expect(found.mayGoAhead).toBe(true);
  expect(notOk(found)).toEqual(UNKNOWN);
});

test("pending migrations are tried on a copy: whom they keep from what, what they write anew, and how large that is", async () => {
  const before = await readCatalogue(client);
  const found = await look(2, pending);
  expect(found.pending).toEqual([
    {
      file: "000002-widen.sql",
      isOutside: false,
      locks: [{ table: "attune.things", keepsFrom: "reading and writing", isRewritten: true }],
    },
    {
      file: "000003-index.sql",
      isOutside: false,
      locks: [{ table: "attune.things", keepsFrom: "writing", isRewritten: false }],
    },
    { file: "000004-concurrently.sql", isOutside: true, locks: [] },
  ]);
  expect(found.checks.find(({ subject }) => subject === "migrations")).toMatchObject({
    level: "advice",
    findings: [
      expect.stringMatching(
        /^000002-widen\.sql keeps everybody from reading and writing attune\.things, which it writes anew \(about 1000 rows, \d+ kB\)$/,
      ),
      expect.stringMatching(
        /^000003-index\.sql keeps everybody from writing attune\.things \(about 1000 rows, \d+ kB\)$/,
      ),
    ],
  });
  expect(found.mayGoAhead).toBe(true);
  expect(await readCatalogue(client)).toEqual(before);
});

test("an index whose building was broken off is made anew by migrating, so that is gone ahead with", async () => {
  // What a migration makes that is broken off half way.
  await client.query("create unique index concurrently things_broken on attune.things (size)").catch(() => undefined);
  try {
    const found = await look();
    expect(found.mayGoAhead).toBe(true);
    expect(notOk(found)).toContainEqual(
      expect.objectContaining({
        subject: "indexes",
        level: "advice",
        findings: [expect.stringContaining("things_broken is not valid")],
      }),
    );
  } finally {
    await client.query("drop index attune.things_broken");
  }
});

test("a user who is not the owner is told so, and everything else besides", async () => {
  await superuser.query(
    "create role weak login password 'weak'; create schema attune_private; create function attune_private.last_backup_at() returns timestamptz language sql as 'select now()'",
  );
  try {
    const found = await preflight(localUrl("weak", "weak", cluster.port, "preflight"), options, 2, applied);
    expect(found.mayGoAhead).toBe(false);
    expect(found.pending).toBeUndefined();
    expect(found.checks.filter(({ level }) => level === "problem")).toEqual([
      expect.objectContaining({
        subject: "history",
        findings: [
          "The user weak may not read which migrations the database has: name the owner of the schemas in DATABASE_URL",
        ],
      }),
      expect.objectContaining({
        subject: "ownership",
        findings: expect.arrayContaining(["attune is owned by attune, and weak is not a member of it"]),
      }),
    ]);
    expect(notOk(found)).toEqual(
      expect.arrayContaining([...UNKNOWN, expect.objectContaining({ subject: "migrations", level: "unknown" })]),
    );
  } finally {
    await superuser.query("drop schema attune_private cascade; drop role weak");
  }
});

describe("what keeps it from going well is a problem:", () => {
  /** Each is done and taken back by the superuser. */
  const PROBLEMS: [subject: string, sql: string, back: string, finding: RegExp][] = [
    ["roles", "alter role anon superuser", "alter role anon nosuperuser", /^anon is a superuser$/],
    ["roles", "alter role authenticated login", "alter role authenticated nologin", /^authenticated may log in$/],
    [
      "roles",
      "alter role authenticator bypassrls",
      "alter role authenticator nobypassrls",
      /^authenticator is not held by row level security$/,
    ],
    [
      "names",
      "create schema auth; create function auth.uid() returns text language sql as 'select null::text'",
      "drop schema auth cascade",
      /^auth\.uid\(\) returns text$/,
    ],
    [
      "ownership",
      "alter schema attune owner to postgres",
      "alter schema attune owner to attune",
      /^attune is owned by postgres, and attune is not a member of it$/,
    ],
    [
      "prepared transactions",
      "begin; select pg_current_xact_id(); prepare transaction 'forgotten'",
      "rollback prepared 'forgotten'",
      /^forgotten, since /,
    ],
    [
      "connections",
      "alter role authenticator connection limit 3",
      "alter role authenticator connection limit -1",
      /^the role authenticator may have 3 connections, and 30 are needed$/,
    ],
    [
      "history",
      "update graphile_migrate.migrations set hash = 'sha1:other'",
      "",
      /^The database was migrated with a different text of 000001-base\.sql/,
    ],
  ];
  test.for(PROBLEMS)("%s (%s)", async ([subject, sql, back, finding]) => {
    const { rows } = await superuser.query<{ hash: string }>("select hash from graphile_migrate.migrations");
    await superuser.query(sql);
    try {
      const found = await look();
      expect(found.mayGoAhead).toBe(false);
      const [first, ...rest] = notOk(found).filter(({ level }) => level === "problem");
      expect(rest).toEqual([]);
      expect(first).toMatchObject({ subject, findings: [expect.stringMatching(finding)] });
    } finally {
      if (back !== "") await superuser.query(back);
      await superuser.query("update graphile_migrate.migrations set hash = $1", [rows[0]?.hash]);
    }
  });

  test("more servers than there are connections", async () => {
    const found = await look(6);
    expect(found.mayGoAhead).toBe(false);
    expect(found.checks.find(({ subject }) => subject === "connections")?.findings).toEqual([
      expect.stringMatching(/^6 servers of 15 connections need 90, migrating 3 more, and others have \d+ of \d+$/),
    ]);
  });

  test("a transaction that goes on for long", async () => {
    const sql = await readFile(join(MIGRATIONS_FOLDER, "verify/preflight.sql"), "utf8");
    await client.query("begin; select count(*) from attune.things");
    const { rows } = await superuser.query<PreflightCheck>(sql.replace("interval '1 minute'", "interval '0'"));
    await client.query("commit");
    expect(rows.find(({ subject }) => subject === "long transactions")).toMatchObject({
      level: "problem",
      findings: [expect.stringMatching(/^somebody \(PostgreSQL's process \d+, since \S+Z\) is idle in a transaction$/)],
    });
  });
});

test("the command says it for a person and for a program, and ends with status 1 when it should not go ahead", async () => {
  const environment = { DATABASE_URL: await cluster.createDatabase("preflight_empty") };
  const person = await attune(["preflight"], environment);
  expect([person.code, person.stderr]).toEqual([0, ""]);
  expect(person.stdout).toMatch(
    /^server +ok\nrights +ok\nhistory +ok\n[^]*\n\n\d+ migrations to apply:\n  000001-auth\.sql\n[^]*\nGo ahead\.\n$/,
  );
  await superuser.query("alter role anon login");
  const { code, stdout } = await attune(["preflight", "--json"], environment);
  await superuser.query("alter role anon nologin");
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({ mayGoAhead: false });
});
