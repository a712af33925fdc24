/** Behind pgbouncer in transaction mode: every transaction may run on another connection, so nothing may stay on one. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, chown, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { expect, test } from "vitest";
import { authenticatorUrlOf } from "../src/database/authenticator.ts";
import { withClient } from "../src/database/client.ts";
import { passwordOf } from "../src/database/connection-string.ts";
import { migrate } from "../src/database/migrate.ts";
import { freePort } from "../src/embedded/postgres.ts";
import { findAccount } from "../src/embedded/programs.ts";
import { startThrowawayCluster, type ThrowawayCluster } from "../src/embedded/testing/throwaway.ts";
import { readOptions } from "../src/options/options.ts";
import { attune, type Running, startServer } from "./support/cli.ts";

const PGBOUNCER = process.env["PGBOUNCER"] ?? "/usr/sbin/pgbouncer";
const JWT_SECRET = randomBytes(32).toString("hex");
/** Fewer than there are clients, so that they take turns. */
const CONNECTIONS = 3;

const isThere = existsSync(PGBOUNCER);
if (!isThere) {
  console.warn(`pgbouncer is not tried: there is none at ${PGBOUNCER} (\`apt-get install pgbouncer\`, or PGBOUNCER).`);
}

const DEPLOY = join(import.meta.dirname, "../deploy");

/** Makes the owner's database as the compose file's PostgreSQL does, by the same file. */
async function makeAttune(cluster: ThrowawayCluster, secrets: Record<string, string>): Promise<void> {
  const script = (await readFile(join(DEPLOY, "postgres/owner.sql"), "utf8"))
    .replaceAll(/^\\getenv .*$/gm, "")
    .replaceAll(/:'(\w+)'/g, (_, name: string) => pg.escapeLiteral(secrets[name] ?? ""))
    // The cluster has an owner of this name.
    .replace("create role", "alter role");
  await withClient(cluster.superuserUrl("postgres"), (client) => client.query("create database attune"));
  await withClient(cluster.superuserUrl("attune"), (client) => client.query(script));
}

/** Starts pgbouncer in front of the cluster as the compose file does, and gives the same connection strings through it. */
async function startPgbouncer(
  cluster: ThrowawayCluster,
  password: string,
): Promise<{ through: (url: string) => string; stop: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "attune-pgbouncer-"));
  const port = await freePort();
  const replaced: [string, string][] = [
    ["host=postgres port=5432", `host=127.0.0.1 port=${cluster.port}`],
    ["listen_addr = *", "listen_addr = 127.0.0.1"],
    ["listen_port = 6432", `listen_port = ${port}`],
    ["/tmp/users.txt", join(folder, "users.txt")],
    ["default_pool_size = 20", `default_pool_size = ${CONNECTIONS}`],
  ];
  let configuration = await readFile(join(DEPLOY, "pgbouncer/pgbouncer.ini"), "utf8");
  for (const [shipped, used] of replaced) {
    expect(configuration).toContain(shipped);
    configuration = configuration.replace(shipped, used);
  }
  await writeFile(join(folder, "users.txt"), `"pgbouncer" "${password}"\n`);
  await writeFile(join(folder, "pgbouncer.ini"), configuration);
  const { uid, gid } = await findAccount();
  if (uid !== undefined && gid !== undefined) {
    await chmod(folder, 0o700);
    for (const file of ["", "users.txt", "pgbouncer.ini"]) await chown(join(folder, file), uid, gid);
  }
  const bouncer = spawn(PGBOUNCER, ["-q", join(folder, "pgbouncer.ini")], {
    stdio: "ignore",
    ...(uid !== undefined && gid !== undefined && { uid, gid }),
  });
  const ended = once(bouncer, "exit");
  const through = (url: string): string => {
    const other = new URL(url);
    other.port = String(port);
    return other.href;
  };
  await expect
    .poll(() => withClient(through(cluster.ownerUrl("attune")), async () => "open").catch(() => "closed"), {
      timeout: 20_000,
    })
    .toBe("open");
  return {
    through,
    stop: async () => {
      bouncer.kill("SIGKILL");
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

test.runIf(isThere)(
  "everything works behind pgbouncer in transaction mode, and leaves nothing on its connections",
  async () => {
    const cluster = await startThrowawayCluster();
    const stops: (() => Promise<unknown>)[] = [cluster.stop];
    try {
      const directly = cluster.ownerUrl("attune");
      const authenticator = authenticatorUrlOf(
        readOptions({ DATABASE_URL: directly, JWT_SECRET }),
        directly,
        undefined,
      );
      const password = randomBytes(16).toString("hex");
      await makeAttune(cluster, { owner_password: passwordOf(directly), pgbouncer_password: password });
      const { through, stop } = await startPgbouncer(cluster, password);
      stops.unshift(stop);
      const asSuperuser = async (sql: string): Promise<Record<string, unknown>[]> =>
        withClient(
          cluster.superuserUrl("attune"),
          async (client) => (await client.query<Record<string, unknown>>(sql)).rows,
        );

      // Migrating, by several at once.
      const applied = await Promise.all([1, 2, 3].map(() => migrate(through(directly))));
      const counts = applied.map((found) => found.applied.length);
      const all = await asSuperuser("select filename from graphile_migrate.migrations");
      expect(counts.reduce((sum, count) => sum + count)).toBe(all.length);
      expect(await asSuperuser("select * from pg_locks where locktype = 'advisory'")).toEqual([]);

      // What the server gives `authenticator` is known to pgbouncer at once.
      const environment = { DATABASE_URL: through(directly), JWT_SECRET };
      const server: Running & { address: string } = await startServer({
        ...environment,
        POOL_SIZE: "12",
        RATE_LIMIT: "0",
      });
      stops.unshift(async () => {
        server.kill("SIGTERM");
        await server.finished;
      });
      const graphql = async (query: string, variables?: Record<string, unknown>, token?: string): Promise<unknown> => {
        const response = await fetch(`${server.address}/graphql`, {
          method: "POST",
          headers: {
            "content-type": "application/json",
            ...(token !== undefined && { authorization: `Bearer ${token}` }),
          },
          body: JSON.stringify({ query, variables }),
        });
        return response.json();
      };

      const tokens = await Promise.all(
        ["ada", "bob", "cleo"].map(async (name) => {
          const { stdout } = await attune(["token", "--email", `${name}@example.com`], environment);
          return { name, token: stdout.trim() };
        }),
      );
      const SET =
        'mutation ($value: JSON!) { setPreference(input: { key: "DARK_MODE_ENABLED", value: $value }) { effectiveSetting { value } } }';
      type Try = {
        query: string;
        variables?: Record<string, unknown>;
        isAnonymous?: true;
        answer: (name?: string) => unknown;
      };
      const set = (value: unknown): Try => ({
        query: SET,
        variables: { value },
        answer: () => ({ data: { setPreference: { effectiveSetting: { value } } } }),
      });
      const refused =
        (reason: string): (() => unknown) =>
        () => ({ errors: [{ extensions: { reason } }] });
      const TRIES: Try[] = [
        { query: "{ viewer { email } }", answer: (name) => ({ data: { viewer: { email: `${name}@example.com` } } }) },
        set(true),
        { query: "{ viewer { email } }", isAnonymous: true, answer: () => ({ data: { viewer: null } }) },
        { ...set("dark"), answer: refused("invalid_value") },
        {
          query: '{ effectiveSetting(key: "DARK_MODE_ENABLED") { key } }',
          answer: () => ({ data: { effectiveSetting: { key: "DARK_MODE_ENABLED" } } }),
        },
        set(false),
        { ...set(true), isAnonymous: true, answer: refused("not_signed_in") },
      ];
      const one = async (number: number): Promise<void> => {
        const [who, tried] = [tokens[number % tokens.length], TRIES[number % TRIES.length]];
        if (who === undefined || tried === undefined) return;
        const answer = await graphql(tried.query, tried.variables, tried.isAnonymous ? undefined : who.token);
        expect(answer).toMatchObject(Object(tried.answer(who.name)));
      };
      const lanes = Array.from({ length: 12 }, async (_, lane) => {
        for (let turn = 0; turn < 30; turn += 1) await one(lane + turn * 5);
      });
      await Promise.all(lanes);

      const REGISTER =
        'mutation ($email: String!) { register(input: { email: $email, password: "correct horse battery", name: "X" }) { clientMutationId } }';
      const LOGIN =
        "mutation ($email: String!, $password: String!) { login(input: { email: $email, password: $password }) { clientMutationId } }";
      await Promise.all(
        ["dora", "emil"].map(async (name) => {
          const email = `${name}@example.com`;
          expect(await graphql(REGISTER, { email })).not.toHaveProperty("errors");
          expect(await graphql(LOGIN, { email, password: "correct horse battery" })).not.toHaveProperty("errors");
          expect(await graphql(LOGIN, { email, password: "wrong" })).toMatchObject({
            errors: [{ extensions: { reason: "invalid_credentials" } }],
          });
        }),
      );
      expect((await fetch(`${server.address}/api/ready`)).status).toBe(200);

      // What the connections of pgbouncer are like now: as new ones.
      const STATE = `
      select current_user = session_user as "ownRole",
             coalesce(current_setting('request.jwt.claims', true), '') as claims,
             (select count(*)::integer from pg_prepared_statements) as prepared,
             (select array_agg(name order by name) from pg_settings
              where source = 'session' and name not in ('application_name', 'client_encoding', 'DateStyle', 'IntervalStyle', 'TimeZone', 'standard_conforming_strings', 'role')) as changed`;
      const states = await Promise.all(
        Array.from({ length: CONNECTIONS }, () =>
          withClient(through(authenticator), async (client) => {
            await client.query("begin");
            const { rows } = await client.query<Record<string, unknown>>(STATE);
            await client.query("select pg_sleep(0.2)");
            await client.query("commit");
            return rows[0];
          }),
        ),
      );
      expect(states).toEqual(
        Array.from({ length: CONNECTIONS }, () => ({ ownRole: true, claims: "", prepared: 0, changed: null })),
      );
      const { code, stdout } = await attune(["dump"], environment);
      expect([code, stdout.slice(0, 14)]).toEqual([0, "-- Attune dump"]);
      expect(await asSuperuser("select * from pg_locks where locktype = 'advisory'")).toEqual([]);
    } finally {
      for (const stop of stops) await stop();
    }
  },
  240_000,
);
