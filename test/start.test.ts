/** `attune start`: from nothing to a server, out of every trouble, and away without a trace. */
import { randomBytes } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { assertServerVersion } from "../src/database/checks.ts";
import { withClient } from "../src/database/client.ts";
import { readMigrations } from "../src/database/migrations.ts";
import { openDatabase } from "../src/database/open.ts";
import { LOCK, LOCK_CLASS } from "../src/embedded/locks.ts";
import { startThrowawayCluster, type ThrowawayCluster } from "../src/embedded/testing/throwaway.ts";
import { readOptions } from "../src/options/options.ts";
import { attune, isRunning, launch, postmaster, type Running, startServer } from "./support/cli.ts";
import { copyMade } from "./support/made.ts";
import { asSuperuser, controlConnection, processesIn, superuserOf } from "./support/embedded.ts";

let home: string;
let servers: Running[];

const start = async (environment: Record<string, string>): Promise<Running & { address: string }> => {
  const server = await startServer(environment);
  servers.push(server);
  return server;
};

async function listen(): Promise<{ port: string; server: Server }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return { port: String(typeof address === "object" ? address?.port : ""), server };
}

async function graphql(address: string, query: string, token?: string): Promise<unknown> {
  const response = await fetch(`${address}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(token !== undefined && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ query }),
  });
  return response.json();
}

async function newHome(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "attune-start-"));
  await chmod(folder, 0o755);
  return folder;
}

async function clearAway(folder: string, running: Running[]): Promise<void> {
  for (const server of running) server.kill("SIGKILL");
  await Promise.all(running.map(({ finished }) => finished));
  for (const name of await readdir(folder)) {
    const pid = await postmaster(join(folder, name));
    if (pid !== undefined) process.kill(pid, "SIGQUIT");
  }
  await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}

beforeEach(async () => {
  servers = [];
  home = await newHome();
});

afterEach(() => clearAway(home, servers));

describe("on the embedded PostgreSQL", () => {
  let dataDir: string;
  let environment: Record<string, string>;

  beforeEach(() => {
    dataDir = join(home, "data");
    environment = { ATTUNE_DATA_DIR: dataDir };
  });

  test("makes all it needs, serves, says how to go on, and Ctrl-C stops everything", async () => {
    const server = await start(environment);
    expect(server.output().stdout).toContain("npx attune token --email you@example.com");
    expect((await stat(join(dataDir, "secrets.json"))).mode & 0o777).toBe(0o600);

    const { stdout: token, stderr } = await attune(["token", "--email", "ada@example.com"], environment);
    expect(token).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    expect(stderr).toBe("");
    expect(await graphql(server.address, "{ viewer { email } }", token.trim())).toEqual({
      data: { viewer: { email: "ada@example.com" } },
    });
    expect(await fetch(server.address).then((page) => page.text())).toContain("<html");

    const pid = await postmaster(dataDir);
    server.kill("SIGINT");
    expect(await server.finished).toMatchObject({ code: 0, stderr: "" });
    expect(pid !== undefined && isRunning(pid)).toBe(false);
  });

  describe("while one runs", () => {
    let place: string;
    let served: { ATTUNE_DATA_DIR: string };
    let running: Running & { address: string };

    beforeAll(async () => {
      place = await newHome();
      served = { ATTUNE_DATA_DIR: join(place, "data") };
      await copyMade(served.ATTUNE_DATA_DIR);
      running = await startServer(served);
    });
    afterAll(() => clearAway(place, [running]));

    test("connects as authenticator, while the owner is no superuser; both have passwords", async () => {
      const [url, ownerUrl] = await Promise.all(
        [["url"], ["url", "--owner"]].map(async (args) => (await attune(args, served)).stdout.trim()),
      );
      const who = (connection = ""): Promise<unknown> =>
        withClient(
          connection,
          async (client) =>
            (
              await client.query(
                "select current_user as name, rolsuper as super from pg_roles where rolname = current_user",
              )
            ).rows[0],
        );
      expect(await who(url)).toEqual({ name: "authenticator", super: false });
      expect(await who(ownerUrl)).toEqual({ name: "attune", super: false });
      await expect(who(url?.replace(/:[^:@]+@/, ":wrong@"))).rejects.toMatchObject({ code: "28P01" });
    });

    test("PostgreSQL notes when each transaction was committed", async () => {
      expect(await asSuperuser(served.ATTUNE_DATA_DIR, "show track_commit_timestamp")).toEqual([
        { track_commit_timestamp: "on" },
      ]);
    });

    test("request roles have no temporary tables, no large objects and no advisory locks; what needs them works", async () => {
      const url = (await attune(["url"], served)).stdout.trim();
      const attempt = (role: string, sql: string): Promise<string> =>
        withClient(url, async (client) => {
          await client.query(`set role ${role}`);
          return client.query(sql).then(
            () => "allowed",
            (error: unknown) => (error as pg.DatabaseError).code ?? "",
          );
        });
      const withheld = [
        "create temp table t (id integer)",
        "create table pg_temp.t (id integer)",
        "select lo_create(0)",
        "select lo_from_bytea(0, 'x')",
        "select lo_unlink(1)",
        "select pg_advisory_lock(1)",
        "select pg_try_advisory_lock_shared(1, 2)",
        "select pg_advisory_xact_lock(1)",
        "select pg_advisory_unlock_all()",
      ];
      for (const role of ["anon", "authenticated", "service_role"])
        expect(await Promise.all(withheld.map((sql) => attempt(role, sql)))).toEqual(withheld.map(() => "42501"));
      // It takes an advisory lock, as the owner.
      expect(await attempt("anon", "select attune.login('ada@example.com', 'correct horse')")).toBe("allowed");
    });

    test("a second start on the same data is refused, and the first goes on", async () => {
      const refused = `attune: ${served.ATTUNE_DATA_DIR} is already served by another attune (process ${running.pid}): stop that one first, or set ATTUNE_DATA_DIR to another folder.\n`;
      for (const PORT of ["0", new URL(running.address).port]) {
        expect(await attune(["start"], { ...served, PORT })).toMatchObject({ code: 1, stdout: "", stderr: refused });
      }
      expect((await fetch(`${running.address}/api/ready`)).status).toBe(200);
    });
  });

  test("a port that is taken is refused before anything is made", async () => {
    const { port, server } = await listen();
    const { code, stderr } = await attune(["start"], { ...environment, PORT: port });
    server.close();
    expect(code).toBe(1);
    expect(stderr).toBe(
      `attune: Port ${port} of 127.0.0.1 is taken by another program: stop that one, or set PORT to another.\n`,
    );
    expect(await readdir(home)).toEqual([]);
  });

  test("recovers when the server was killed and left PostgreSQL behind, and when everything was, with what was stored and the same address of the database", async () => {
    await copyMade(dataDir);
    const first = await start(environment);
    await attune(["token", "--email", "ada@example.com"], environment);
    const { stdout: url } = await attune(["url", "--owner"], environment);
    const pid = await postmaster(dataDir);
    first.kill("SIGKILL");
    await first.finished;
    expect(await postmaster(dataDir)).toBe(pid);

    const second = await start(environment);
    second.kill("SIGKILL");
    if (pid !== undefined) process.kill(pid, "SIGKILL");
    await second.finished;

    const third = await start(environment);
    expect((await attune(["url", "--owner"], environment)).stdout).toBe(url);
    expect(
      await withClient(url.trim(), async (client) => (await client.query("select email from attune.users")).rows),
    ).toEqual([{ email: "ada@example.com" }]);
    const last = await postmaster(dataDir);
    third.kill("SIGINT");
    await third.finished;
    expect(last !== undefined && isRunning(last)).toBe(false);
  });

  test("recovers when the process number of a killed PostgreSQL belongs to somebody else now", async () => {
    await copyMade(dataDir);
    const [folder, file] = [join(dataDir, "postgres"), join(dataDir, "postgres/postmaster.pid")];
    await writeFile(file, `${process.pid}\n${folder}\n1700000000\n5432\n\n127.0.0.1\n0 0\nready   \n`);
    expect(await attune(["migrate"], environment)).toMatchObject({ code: 0, stderr: "" });
  });

  test("a lost control connection, a crashed backend and a killed PostgreSQL are all survived, and nothing is left behind", async () => {
    await copyMade(dataDir);
    const server = await start(environment);
    const { stdout: token } = await attune(["token", "--email", "ada@example.com"], environment);
    const first = await postmaster(dataDir);
    const works = async (): Promise<void> => {
      await expect
        .poll(() => fetch(`${server.address}/api/ready`).then(({ status }) => status), { timeout: 30_000 })
        .toBe(200);
      expect(await graphql(server.address, "{ viewer { email } }", token.trim())).toEqual({
        data: { viewer: { email: "ada@example.com" } },
      });
    };
    /** What was said, once it was said so often. */
    const said = (sentence: string): Promise<unknown> =>
      expect.poll(() => server.output().stderr, { timeout: 30_000 }).toMatch(new RegExp(`${sentence}\n$`));

    // A second process can't take what the first has lost for a moment only.
    const control = await controlConnection(dataDir);
    await asSuperuser(dataDir, `select pg_terminate_backend(${control})`);
    await said("The connection to the embedded PostgreSQL was lost, and made again .*");
    await works();
    expect((await attune(["start"], { ...environment, PORT: "0" })).stderr).toMatch(
      /is already served by another attune/,
    );
    expect(await postmaster(dataDir)).toBe(first);

    process.kill(await controlConnection(dataDir), "SIGKILL");
    await expect.poll(() => server.output().stderr.match(/made again/g)?.length, { timeout: 30_000 }).toBe(2);
    await works();
    expect(await postmaster(dataDir)).toBe(first);

    const url = (await attune(["url"], environment)).stdout;
    if (first !== undefined) process.kill(first, "SIGKILL");
    await said("The embedded PostgreSQL was gone, and runs again .*");
    await works();
    const second = await postmaster(dataDir);
    expect(second).not.toBe(first);
    expect((await attune(["url"], environment)).stdout).toBe(url);
    expect((await attune(["start"], { ...environment, PORT: "0" })).stderr).toMatch(
      /is already served by another attune/,
    );

    server.kill("SIGTERM");
    expect((await server.finished).code).toBe(0);
    expect(second !== undefined && isRunning(second)).toBe(false);
    expect(await processesIn(dataDir)).toEqual([]);
  }, 240_000);

  test("ends with a sentence when its PostgreSQL can't be started again", async () => {
    await copyMade(dataDir);
    const server = await start(environment);
    const pid = await postmaster(dataDir);
    await rm(join(dataDir, "postgres/global/pg_control"));
    if (pid !== undefined) process.kill(pid, "SIGKILL");
    const { code, stderr } = await server.finished;
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^attune: The embedded PostgreSQL in \S+ did not start: .*could not open file .*pg_control".* \(see \S+postgres\.log\)\.\n$/,
    );
    expect(await processesIn(dataDir)).toEqual([]);
  }, 240_000);

  test("ends with a sentence, and stops nothing, when another process took its PostgreSQL meanwhile", async () => {
    await copyMade(dataDir);
    const server = await start(environment);
    const url = await superuserOf(dataDir);
    await withClient(url, async (client) => {
      // As a second server would: it waits for the lock that the first one lets go.
      await client.query(`set application_name = 'attune (process ${process.pid})'`);
      const taken = client.query("select pg_advisory_lock($1, $2)", [LOCK_CLASS, LOCK.serving]);
      await asSuperuser(dataDir, `select pg_terminate_backend(${await controlConnection(dataDir)})`);
      await taken;
      const { code, stderr } = await server.finished;
      expect(code).toBe(1);
      expect(stderr).toMatch(
        /^attune: The connection to the embedded PostgreSQL was lost, and then: \S+ is already served by another attune \(process \d+\): .*\n$/,
      );
      expect((await client.query("select 1 as one")).rows).toEqual([{ one: 1 }]);
    });
  }, 240_000);

  test("the log of PostgreSQL goes on over starts, and is moved aside when it is large", async () => {
    const log = join(dataDir, "postgres.log");
    await copyMade(dataDir);
    await rm(log);
    await attune(["migrate"], environment);
    await attune(["migrate"], environment);
    const text = await readFile(log, "utf8");
    expect(text.match(/starting PostgreSQL/g)).toHaveLength(2);

    for (const filling of ["a", "b"]) {
      await writeFile(log, filling.repeat(11 * 1024 * 1024));
      await attune(["migrate"], environment);
    }
    expect((await readFile(log, "utf8")).match(/starting PostgreSQL/g)).toHaveLength(1);
    expect(await readFile(`${log}.1`, "utf8")).toMatch(/^b+$/);
    expect((await readFile(`${log}.2`, "utf8")).startsWith("aaa")).toBe(true);
  });

  test.for([100, 600, 1100])(
    "interrupted %i ms after its first start, it leaves nothing running and nothing half-made",
    async (delay) => {
      const server = launch(["start"], { ...environment, PORT: "0" });
      await new Promise((resolve) => setTimeout(resolve, delay));
      server.kill("SIGTERM");
      const { stderr } = await server.finished;
      expect(stderr).toBe("");
      expect(await postmaster(dataDir)).toBeUndefined();
      expect(await attune(["migrate"], environment)).toMatchObject({ code: 0, stderr: "" });
    },
  );

  test("what an interrupted first start left is cleared away", async () => {
    await mkdir(join(dataDir, "postgres.new-99999999/base"), { recursive: true });
    await attune(["migrate"], environment);
    expect((await readdir(dataDir)).toSorted()).toEqual(["postgres", "postgres.log", "secrets.json"]);
  });

  test("two first starts at once: one serves, the other is told", async () => {
    const both = [launch(["start"], { ...environment, PORT: "0" }), launch(["start"], { ...environment, PORT: "0" })];
    servers.push(...both);
    const { stderr } = await Promise.race(both.map(({ finished }) => finished));
    expect(stderr).toMatch(/^attune: .* is already served by another attune/);
  });

  test("secrets that are lost or damaged are told, and left alone", async () => {
    await copyMade(dataDir);
    const secrets = join(dataDir, "secrets.json");
    await rename(secrets, `${secrets}.bak`);
    expect((await attune(["start"], { ...environment, PORT: "0" })).stderr).toMatch(
      /^attune: \S+secrets.json is missing, and with it the passwords of the database beside it: .*\n$/,
    );
    await writeFile(secrets, "{");
    expect((await attune(["start"], { ...environment, PORT: "0" })).stderr).toMatch(
      /^attune: \S+secrets.json is damaged: .*\n$/,
    );
    await rename(`${secrets}.bak`, secrets);
    expect(await attune(["migrate"], environment)).toMatchObject({ code: 0, stderr: "" });
  });

  test.runIf(process.getuid?.() === 0)(
    "root in a folder that the user postgres may not enter is told which",
    async () => {
      const closed = join(home, "closed");
      await mkdir(closed, { mode: 0o700 });
      const { code, stderr } = await attune(["start"], { PORT: "0", ATTUNE_DATA_DIR: join(closed, "data") });
      expect(code).toBe(1);
      expect(stderr).toBe(
        `attune: PostgreSQL does not run as root, and the user postgres it runs as instead may not enter ${closed}: set ATTUNE_DATA_DIR to a folder that everybody may enter.\n`,
      );
    },
  );

  test.for([
    ["HOST", "203.0.113.1", "HOST 203.0.113.1 is not an address of this machine."],
    ["ATTUNE_EMBEDDED_MAJOR", "9", 'ATTUNE_EMBEDDED_MAJOR must be 15, 16, 17 or 18, not "9".'],
    ["PORT", "99999", 'PORT must be a whole number from 0 to 65535, not "99999".'],
  ] as const)("a wrong %s is refused before anything is made", async ([name, value, sentence]) => {
    expect(await attune(["start"], { ...environment, PORT: "0", [name]: value })).toMatchObject({
      code: 1,
      stdout: "",
      stderr: `attune: ${sentence}\n`,
    });
    expect(await readdir(home)).toEqual([]);
  });
});

describe("on a server named by DATABASE_URL", () => {
  const JWT_SECRET = randomBytes(32).toString("hex");
  let cluster: ThrowawayCluster;
  let number = 0;

  beforeAll(async () => {
    cluster = await startThrowawayCluster();
  });
  afterAll(() => cluster.stop());

  const newDatabase = (template?: string): Promise<string> =>
    cluster.createDatabase(`start_${(number += 1)}`, template);
  /** One that was migrated, by the command line the first time. */
  let migratedName: Promise<string> | undefined;
  const migratedDatabase = async (): Promise<string> => {
    migratedName ??= newDatabase().then(async (url) => {
      expect((await attune(["migrate"], { DATABASE_URL: url })).code).toBe(0);
      return new URL(url).pathname.slice(1);
    });
    return newDatabase(await migratedName);
  };
  const asOwner = <T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> => withClient(url, work);
  const asSuperuser = async (sql: string, database?: string): Promise<void> => {
    await withClient(cluster.superuserUrl(database), (client) => client.query(sql));
  };
  /** The sentence a start is refused with. */
  const refusal = async (environment: Record<string, string>): Promise<string> => {
    const { code, stdout, stderr } = await attune(["start"], { PORT: "0", JWT_SECRET, ...environment });
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^attune: [^\n]+\.\n$/);
    return stderr.slice("attune: ".length, -1);
  };

  /** How a start comes in as authenticator: it can, or the start is refused. */
  const opened = async (environment: Record<string, string>): Promise<string> => {
    const { authenticatorUrl } = await openDatabase(readOptions(environment), { migrate: true, serve: true });
    await withClient(authenticatorUrl, (client) => client.query("set role anon"));
    return authenticatorUrl;
  };

  test("a role that may not create roles is told which are missing, and nothing is made", async () => {
    await asSuperuser("create role plain login createdb password 'plain'");
    const url = new URL(await newDatabase());
    await asSuperuser(`alter database ${url.pathname.slice(1)} owner to plain`);
    url.username = "plain";
    url.password = "plain";
    const sentence =
      'The user plain may not create the roles anon, authenticated, authenticator, service_role: run `alter role "plain" createrole` as a superuser, or create them.';
    expect(await refusal({ DATABASE_URL: url.href })).toBe(sentence);
    expect(await refusal({ DATABASE_URL: url.href.replace(/\/start_\d+/, "/never_made") })).toBe(sentence);
    const { rows } = await asOwner(url.href, (client) =>
      client.query("select nspname from pg_namespace where nspname in ('attune', 'graphile_migrate')"),
    );
    expect(rows).toEqual([]);
  });

  test("two starts at once create the database, roles and schema, and both serve it", async () => {
    const DATABASE_URL = cluster.ownerUrl("made_by_start");
    const both = await Promise.all([start({ DATABASE_URL, JWT_SECRET }), start({ DATABASE_URL, JWT_SECRET })]);
    const { stdout: token } = await attune(["token", "--email", "ada@example.com"], { DATABASE_URL, JWT_SECRET });
    for (const { address } of both) {
      expect(await graphql(address, "{ viewer { email } }", token.trim())).toEqual({
        data: { viewer: { email: "ada@example.com" } },
      });
    }
    both[0].kill("SIGINT");
    // Either may have said that it waits for the other's migrations.
    expect(await both[0].finished).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^(?:attune: Waits up to \d+ seconds for a change of the schema by [^\n]+\n)*$/),
    });
  });

  test("in single-user mode every request is the system user's, the same one after each start", async () => {
    const environment = { DATABASE_URL: await migratedDatabase(), JWT_SECRET, ATTUNE_SINGLE_USER: "true" };
    const ask = async (): Promise<unknown> => {
      const server = await start(environment);
      const answer = await graphql(server.address, "{ viewer { id name isAdmin } }");
      expect(server.output().stdout).toContain("every request is the user system's");
      server.kill("SIGINT");
      await server.finished;
      return answer;
    };
    const first = await ask();
    expect(first).toMatchObject({ data: { viewer: { name: "system", isAdmin: true } } });
    expect(await ask()).toEqual(first);
  });

  test("JWT_SECRET is required, and nothing is made without it", async () => {
    expect(await refusal({ DATABASE_URL: cluster.ownerUrl("never_made"), JWT_SECRET: "" })).toMatch(
      /^JWT_SECRET is required with DATABASE_URL/,
    );
    await expect(asOwner(cluster.ownerUrl("never_made"), async () => undefined)).rejects.toMatchObject({
      code: "3D000",
    });
  });

  test("a server that can't be reached is named without the password", async () => {
    const { port, server } = await listen();
    server.close();
    expect(await refusal({ DATABASE_URL: `postgres://me:hunter2@127.0.0.1:${port}/db` })).toBe(
      `PostgreSQL at 127.0.0.1:${port} can't be reached (ECONNREFUSED): check DATABASE_URL and that the server runs.`,
    );
  });

  test("a wrong password is told", async () => {
    const url = new URL(cluster.ownerUrl());
    url.password = "hunter2";
    expect(await refusal({ DATABASE_URL: url.href })).toBe(
      `PostgreSQL at 127.0.0.1:${cluster.port} refuses the user or password in DATABASE_URL.`,
    );
  });

  test("a database that may not be created is told", async () => {
    await asSuperuser("create role homeless login createrole password 'homeless'");
    const url = new URL(cluster.ownerUrl("not_for_you"));
    url.username = "homeless";
    url.password = "homeless";
    expect(await refusal({ DATABASE_URL: url.href })).toMatch(
      /^There is no database not_for_you at 127\.0\.0\.1:\d+, and it could not be created \(permission denied to create database\)/,
    );
  });

  test("a server that is too old is refused", () => {
    expect(() => assertServerVersion(140_012, "14.12")).toThrow(
      "PostgreSQL 14.12 is too old: Attune needs 15 or newer.",
    );
    expect(() => assertServerVersion(150_000, "15.0")).not.toThrow();
  });

  test("a schema attune that is not ours is left alone", async () => {
    const DATABASE_URL = await newDatabase();
    await asOwner(DATABASE_URL, (client) => client.query("create schema attune; create table attune.mine (n integer)"));
    expect(await refusal({ DATABASE_URL })).toBe(
      "The database has a schema named attune, and no record of its migrations: name another database, or go on with `attune sql --unrecorded --from N` where that made it.",
    );
    const { rows } = await asOwner(DATABASE_URL, (client) =>
      client.query(
        "select nspname, relname from pg_class as c join pg_namespace as n on n.oid = relnamespace where nspname in ('attune', 'graphile_migrate')",
      ),
    );
    expect(rows).toEqual([{ nspname: "attune", relname: "mine" }]);
  });

  test("a schema of a newer version is left alone", async () => {
    const DATABASE_URL = await migratedDatabase();
    await asOwner(DATABASE_URL, (client) =>
      client.query("insert into graphile_migrate.migrations (hash, filename) values ('sha1:later', '999999.sql')"),
    );
    expect(await refusal({ DATABASE_URL })).toBe(
      "The database was migrated by a newer version of Attune (it has 999999.sql): update this one.",
    );
  });

  test("a schema of other migrations of the same number is left alone", async () => {
    const DATABASE_URL = await migratedDatabase();
    const newest = (await readMigrations()).at(-1);
    await asOwner(DATABASE_URL, (client) =>
      client.query("update graphile_migrate.migrations set hash = 'sha1:other' where filename = $1", [
        newest?.recordedAs,
      ]),
    );
    expect(await refusal({ DATABASE_URL })).toBe(
      `The database was migrated with a different text of ${newest?.file}, by another version of Attune: use that version, or another database.`,
    );
  });

  test("the history of another application's migrations is left alone", async () => {
    const DATABASE_URL = await newDatabase();
    await asOwner(DATABASE_URL, (client) =>
      client.query(
        "create schema graphile_migrate; create table graphile_migrate.migrations (hash text primary key, previous_hash text, filename text not null, date timestamptz); insert into graphile_migrate.migrations values ('sha1:theirs', null, '000001.sql', now())",
      ),
    );
    expect(await refusal({ DATABASE_URL })).toMatch(
      /^The database has graphile-migrate migrations of another application/,
    );
  });

  test("an authenticator that is not ours keeps its password, and AUTHENTICATOR_URL is asked for", async () => {
    const DATABASE_URL = await migratedDatabase();
    await asSuperuser("comment on role authenticator is 'PostgREST''s'; alter role authenticator password 'theirs'");
    try {
      expect(await refusal({ DATABASE_URL, JWT_SECRET: randomBytes(32).toString("hex") })).toMatch(
        /^The role authenticator was there before Attune, .*AUTHENTICATOR_URL\.$/,
      );
      const url = new URL(DATABASE_URL);
      url.username = "authenticator";
      url.password = "theirs";
      expect(await opened({ DATABASE_URL, JWT_SECRET, AUTHENTICATOR_URL: url.href })).toBe(url.href);
      expect(await refusal({ DATABASE_URL, AUTHENTICATOR_URL: url.href.replace("theirs", "guessed") })).toMatch(
        /refuses the user or password in AUTHENTICATOR_URL\.$/,
      );
    } finally {
      await asSuperuser("comment on role authenticator is 'Attune: connects, then becomes one of the request roles'");
    }
  });

  test("an authenticator shared with another database of the server keeps the password of that one", async () => {
    const [first, second] = [await newDatabase(), await newDatabase()];
    const other = randomBytes(32).toString("hex");
    const name = new URL(first).pathname.slice(1);
    await asSuperuser("alter role authenticator password 'unknown'; comment on role authenticator is 'Attune: ours'");
    await opened({ DATABASE_URL: first, JWT_SECRET });
    expect(await refusal({ DATABASE_URL: second, JWT_SECRET: other })).toBe(
      `The role authenticator is shared with the database ${name}, where JWT_SECRET is another: use the same, or put the role's connection string into AUTHENTICATOR_URL.`,
    );
    // The database itself may get another secret.
    await opened({ DATABASE_URL: first, JWT_SECRET: other });
  });

  test("with a public key, AUTHENTICATOR_URL is asked for", async () => {
    const DATABASE_URL = await newDatabase();
    expect(
      await refusal({
        DATABASE_URL,
        JWT_SECRET: "",
        JWT_ISSUER: "https://id.example.com",
        JWT_JWKS_URL: "https://id.example.com/keys",
      }),
    ).toMatch(/^AUTHENTICATOR_URL is required with DATABASE_URL unless JWT_SECRET is set/);
  });
});
