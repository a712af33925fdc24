/** Health where it takes more than one connection, or another server: locks, statements, a standby; and `attune doctor`. */
import { randomBytes } from "node:crypto";
import type { ChildProcess } from "node:child_process";
import { cp, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect, withClient } from "../src/database/client.ts";
import { diagnose } from "../src/database/diagnosis.ts";
import { openDatabase, type OwnerConnection } from "../src/database/open.ts";
import { freePort, startPostgres, stopPostgres } from "../src/embedded/postgres.ts";
import { findAccount, findPrograms, run } from "../src/embedded/programs.ts";
import { startThrowawayCluster, type ThrowawayCluster } from "../src/embedded/testing/throwaway.ts";
import { healthFamilies, type Health as MetricsHealth } from "../src/observation/health-metrics.ts";
import { type Options, readOptions } from "../src/options/options.ts";
import { attune } from "./support/cli.ts";

type Health = {
  preference_query_ms: number | null;
  connections: { groups: { role: string; state: string | null }[] };
  tables: { table_name: string; bytes: number }[];
  longest_transactions: { pid: number; state: string }[];
  lock_waits: { pid: number; blocked_by: number[]; table_name: string }[];
  replication: {
    is_standby: boolean;
    replay_lag_seconds: number | null;
    standbys: { application_name: string; lag_bytes: number | null }[];
  };
  slow_statements: { statement: string; calls: number }[];
  audit: object | null;
  limits: { subject: string; message: string }[];
};

const SETTINGS = {
  fsync: "on",
  full_page_writes: "on",
  synchronous_commit: "on",
  shared_preload_libraries: "pg_stat_statements",
  max_prepared_transactions: "2",
};
const environment: Record<string, string> = { JWT_SECRET: randomBytes(48).toString("base64") };

let cluster: ThrowawayCluster;
let options: Options;
let connection: OwnerConnection;
let owner: pg.Client;

beforeAll(async () => {
  cluster = await startThrowawayCluster({ settings: SETTINGS });
  environment["DATABASE_URL"] = await cluster.createDatabase("attune");
  options = readOptions(environment);
  const { ownerUrl, lost, stop } = await openDatabase(options, { migrate: true });
  connection = { ownerUrl, embedded: undefined, lost, stop };
  owner = await connect(ownerUrl);
  await owner.query("select attune_private.ensure_user('ada@example.com', true), attune.seal_audit()");
});

afterAll(async () => {
  await owner.end();
  await cluster.stop();
});

async function healthOf(client: pg.Client): Promise<Health> {
  const { rows } = await client.query<{ health: Health }>(
    "select to_jsonb(attune_private.database_health()) as health",
  );
  const [row] = rows;
  if (row === undefined) throw new Error("There is no health.");
  return row.health;
}

async function pidOf(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
  return rows[0]?.pid ?? 0;
}

describe("locks", () => {
  test("who waits for whom is told, and what is locked against everybody is not waited for", async () => {
    const holder = await connect(connection.ownerUrl);
    const waiter = await connect(connection.ownerUrl);
    try {
      await holder.query("begin");
      await holder.query("lock table attune.users, attune.configuration_audit_log");
      const [holds, waits] = [await pidOf(holder), await pidOf(waiter)];
      const waiting = waiter.query("select count(*) from attune.users");
      await expect.poll(async () => (await healthOf(owner)).lock_waits.map(({ pid }) => pid)).toEqual([waits]);

      const health = await healthOf(owner);
      expect(health.lock_waits).toMatchObject([{ pid: waits, blocked_by: [holds], table_name: "attune.users" }]);
      expect(health.longest_transactions).toContainEqual(expect.objectContaining({ pid: holds }));
      expect(health.limits.map(({ subject }) => subject)).toEqual(
        expect.arrayContaining(["preference_query_ms", "audit"]),
      );
      expect(health.preference_query_ms).toBeNull();
      expect(health.audit).toBeNull();
      expect(health.tables).toContainEqual(expect.objectContaining({ table_name: "attune.users" }));

      await holder.query("rollback");
      await waiting;
      expect((await healthOf(owner)).audit).not.toBeNull();
    } finally {
      await holder.end();
      await waiter.end();
    }
  });

  /** Each with what is not seen while it is locked: all that matters is that nobody waits. */
  const LOCKED: { name: string; locking: string; limits: string[] }[] = [
    {
      name: "a sequence",
      locking: "alter sequence attune.configuration_audit_log_id_seq increment by 1",
      limits: ["sequences", "audit"],
    },
    { name: "the settings", locking: "lock table attune.global_settings", limits: ["preference_query_ms"] },
    {
      name: "the definitions",
      locking: "lock table attune.setting_definitions",
      limits: ["preference_query_ms"],
    },
    { name: "the users", locking: "lock table attune.users", limits: ["preference_query_ms"] },
    { name: "what was measured", locking: "lock table attune_private.measured_activity", limits: ["activity"] },
    { name: "how large tables were", locking: "lock table attune_private.measured_tables", limits: ["tables"] },
    {
      name: "everything",
      locking: `do $$
        declare
          command text;
        begin
          for command in
            select format(case c.relkind when 'S' then 'alter sequence %s increment by 1' else 'lock table %s' end, c.oid::regclass)
            from pg_class as c
            where c.relnamespace in ('attune'::regnamespace, 'attune_private'::regnamespace) and c.relkind in ('r', 'p', 'S')
            order by c.relkind = 'S' desc
          loop
            execute command;
          end loop;
        end
      $$`,
      limits: ["sequences", "tables", "activity", "preference_query_ms", "audit", "backlogs", "maintenance"],
    },
  ];
  /** Who waits gets an error, and never a place in the queue. */
  const PATIENT = "begin; set local statement_timeout = '20s'";

  test.each(LOCKED)(
    "with $name locked, trusted servers are told what is known, and who has the lock",
    async (case_) => {
      const holder = await connect(connection.ownerUrl);
      const asker = await connect(connection.ownerUrl);
      try {
        await holder.query("begin");
        await holder.query(case_.locking);
        const holds = await pidOf(holder);
        await asker.query(`${PATIENT}; set local role service_role`);
        const { rows } = await asker.query<{ health: Health & MetricsHealth; alerts: string[] }>(
          `select to_jsonb(h) as health, array(select a.name from attune.health_alerts() as a) as alerts
         from attune.database_health() as h`,
        );
        const limits = rows[0]?.health.limits.filter(({ subject }) => subject !== "slow_statements") ?? [];
        expect(limits.map(({ subject }) => subject)).toEqual(expect.arrayContaining(case_.limits));
        for (const { message } of limits) expect(message).toContain(`see process ${holds}`);
        const { rows: promised } = await asker.query<{ name: keyof Health }>(
          `select a.attname as name from pg_attribute as a
           where a.attrelid = 'attune.database_health'::regclass and col_description(a.attrelid, a.attnum) ~ '@notNull'`,
        );
        expect(promised.length).toBeGreaterThan(10);
        expect(promised.filter(({ name }) => rows[0]?.health[name] === null)).toEqual([]);
        for (const { health } of rows) expect(healthFamilies(health, [])).not.toEqual([]);
        expect(rows[0]?.alerts).not.toContain("backup_old");
      } finally {
        await holder.end();
        await asker.end();
      }
    },
  );

  test("whom it cannot find out is refused at once", async () => {
    const holder = await connect(connection.ownerUrl);
    const asker = await connect(connection.ownerUrl);
    try {
      await asker.query("update attune.users set is_admin = true where email = 'ada@example.com'");
      const { rows } = await asker.query<{ id: string }>("select id from attune.users where email = 'ada@example.com'");
      const ask = async (what: string): Promise<unknown> => {
        await asker.query(PATIENT);
        try {
          await asker.query("select set_config('request.jwt.claims', $1, true)", [
            JSON.stringify({ sub: rows[0]?.id, role: "authenticated" }),
          ]);
          await asker.query("set local role authenticated");
          return (await asker.query(`select from ${what}`)).rowCount;
        } finally {
          await asker.query("rollback");
        }
      };
      expect(await ask("attune.database_health()")).toBe(1);
      await holder.query("begin; lock table attune.users");
      for (const what of ["attune.database_health()", "attune.health_alerts()"]) {
        await expect(ask(what)).rejects.toMatchObject({ code: "PT409", detail: "lock_timeout" });
      }
    } finally {
      await holder.end();
      await asker.end();
    }
  });

  test("a prepared transaction that was forgotten is one that is open", async () => {
    await withClient(connection.ownerUrl, (client) =>
      client.query("begin; select pg_current_xact_id(); prepare transaction 'forgotten secret'"),
    );
    try {
      const { longest_transactions } = await healthOf(owner);
      expect(longest_transactions).toContainEqual(expect.objectContaining({ pid: null, state: "prepared" }));
      expect(JSON.stringify(longest_transactions)).not.toContain("secret");
    } finally {
      await owner.query("rollback prepared 'forgotten secret'");
    }
  });
});

describe("what others do", () => {
  test("statements on our schemas are told without a value", async () => {
    expect((await healthOf(owner)).limits.map(({ subject }) => subject)).toEqual(["slow_statements"]);
    await withClient(cluster.superuserUrl("attune"), (client) =>
      client.query("create schema elsewhere; create extension pg_stat_statements with schema elsewhere"),
    );
    await owner.query(
      "select key from attune.setting_definitions where description = 'a secret value' or (select pg_sleep(1)) is null",
    );
    await owner.query("select 'another secret' as nothing_of_ours");
    expect((await healthOf(owner)).limits).toMatchObject([
      { subject: "slow_statements", message: "Permission denied for schema elsewhere." },
    ]);
    await withClient(cluster.superuserUrl("attune"), (client) =>
      client.query("grant usage on schema elsewhere to attune"),
    );
    const { slow_statements, limits } = await healthOf(owner);
    expect(limits).toEqual([]);
    expect(slow_statements.map(({ statement }) => statement)).toContain(
      "select key from attune.setting_definitions where description = $1 or (select pg_sleep($2)) is null",
    );
    expect(JSON.stringify(slow_statements)).not.toContain("secret");
  });

  test("an owner without pg_monitor does not see it, and is told what to do", async () => {
    const superuser = await connect(cluster.superuserUrl("attune"));
    try {
      await superuser.query("revoke pg_monitor from attune");
      const { connections, limits } = await healthOf(owner);
      expect(connections.groups).toContainEqual(expect.objectContaining({ role: "postgres", state: null }));
      expect(limits).toMatchObject([{ subject: "connections", remedy: "As a superuser: grant pg_monitor to attune" }]);
    } finally {
      await superuser.query("grant pg_monitor to attune");
      await superuser.end();
    }
  });
});

test("a standby tells how it is, and its primary how far it is behind", async () => {
  const [programs, account] = [await findPrograms(cluster.major), await findAccount()];
  const root = await mkdtemp(join(tmpdir(), "attune-standby-"));
  const folder = join(root, "postgres");
  const port = await freePort();
  const superuser = await connect(cluster.superuserUrl());
  let server: ChildProcess | undefined;
  try {
    const { rows } = await superuser.query<{ folder: string }>("select current_setting('data_directory') as folder");
    const { uid, gid } = await stat(rows[0]?.folder ?? "");
    await superuser.query("select pg_backup_start('test', true)");
    await cp(rows[0]?.folder ?? "", folder, { recursive: true, filter: (file) => !file.endsWith("postmaster.pid") });
    const { rows: label } = await superuser.query<{ labelfile: string }>("select labelfile from pg_backup_stop(false)");
    await writeFile(join(folder, "backup_label"), label[0]?.labelfile ?? "");
    await writeFile(join(folder, "standby.signal"), "");
    await run("chown", ["-R", `${uid}:${gid}`, root]);
    const { password } = new URL(cluster.superuserUrl());
    server = await startPostgres(programs, account, folder, port, join(root, "postgres.log"), {
      settings: {
        ...SETTINGS,
        max_connections: "200",
        primary_conninfo: `host=127.0.0.1 port=${cluster.port} user=postgres password=${password} application_name=the_standby`,
      },
    });

    const url = new URL(connection.ownerUrl);
    url.port = String(port);
    await withClient(url.href, async (standby) => {
      const { replication, preference_query_ms, audit, limits } = await healthOf(standby);
      expect(replication).toMatchObject({ is_standby: true, standbys: [] });
      expect(replication.replay_lag_seconds).not.toBeNull();
      expect(preference_query_ms).toBeGreaterThan(0);
      expect(audit).not.toBeNull();
      expect(limits).toEqual([]);
      // What is not well of a primary that is busy may be anything: that it can be asked is enough.
      await standby.query("select * from attune_private.health_alerts(attune_private.database_health())");
    });
    const { replication } = await healthOf(owner);
    expect(replication).toMatchObject({ is_standby: false, standbys: [{ application_name: "the_standby" }] });
    expect(replication.standbys[0]?.lag_bytes).toBeGreaterThanOrEqual(0);

    // It comes back no more.
    await superuser.query("alter role postgres nologin");
    try {
      await superuser.query("select pg_terminate_backend(pid, 10000) from pg_stat_replication");
      await withClient(url.href, (standby) =>
        expect.poll(async () => (await healthOf(standby)).replication.replay_lag_seconds).toBeGreaterThan(0),
      );
    } finally {
      await superuser.query("alter role postgres login");
    }
  } finally {
    await stopPostgres(server?.pid ?? 0, folder);
    await superuser.end();
    await rm(root, { recursive: true, force: true });
  }
});

/** What breaks something, what mends it again, and what is told of it. */
const BROKEN: { doing: string; undoing: string; told: string[] }[] = [
  { doing: "alter role anon login", undoing: "alter role anon nologin", told: ["problem roles: anon may log in"] },
  {
    doing: "alter role authenticated createdb",
    undoing: "alter role authenticated nocreatedb",
    told: ["problem roles: authenticated may create databases"],
  },
  {
    doing: "alter role authenticator bypassrls inherit",
    undoing: "alter role authenticator nobypassrls noinherit",
    told: [
      "problem roles: authenticator is not held by row level security",
      "problem roles: authenticator inherits the rights of the roles that it may become",
    ],
  },
  {
    doing: "grant pg_read_all_data to authenticated",
    undoing: "revoke pg_read_all_data from authenticated",
    told: ["problem memberships: authenticated is a member of pg_read_all_data"],
  },
  {
    doing: "grant create on schema public to anon",
    undoing: "revoke create on schema public from anon",
    told: ["problem grants: anon may create tables in the schema public"],
  },
  {
    doing: "grant create on database attune to service_role",
    undoing: "revoke create on database attune from service_role",
    told: ["problem grants: service_role may create schemas"],
  },
  {
    doing: "create schema attune_worker; grant usage on schema attune_worker to anon, authenticator",
    undoing: "drop schema attune_worker",
    told: ["problem grants: anon may use the schema attune_worker"],
  },
  {
    doing: "grant usage on schema graphile_migrate to public",
    undoing: "revoke usage on schema graphile_migrate from public",
    told: ["anon", "authenticated", "service_role", "authenticator"].map(
      (role) => `problem grants: ${role} may use the schema graphile_migrate`,
    ),
  },
  {
    doing: "alter table attune.users disable row level security",
    undoing: "alter table attune.users enable row level security",
    told: ["problem schema: different: "],
  },
  {
    doing: "grant select on attune_private.user_passwords to anon",
    undoing: "revoke select on attune_private.user_passwords from anon",
    told: ["problem schema: extra: grant select on table attune_private.user_passwords to anon"],
  },
  {
    doing: "create index mine on attune.users (company_name)",
    undoing: "drop index attune.mine",
    told: ["advice additions: extra: index mine"],
  },
  {
    doing: "alter role authenticator password 'other'",
    // A start sets the right one.
    undoing: "select",
    told: ["problem authenticator: authenticator cannot log in"],
  },
  {
    doing: "insert into attune.global_settings (key, value) values ('TRUSTED_PROXIES', '2')",
    undoing: "delete from attune.global_settings",
    told: ["advice proxy: TRUST_PROXY is false, and the setting TRUSTED_PROXIES 2"],
  },
  {
    doing: "alter database attune set timezone = 'Europe/Berlin'",
    undoing: "alter database attune reset timezone",
    told: ["advice time zone: the time zone of the database is Europe/Berlin"],
  },
];
/** In the order in which they are looked at; this database keeps the needless rights. */
const BROKEN_SUBJECTS = [
  "roles",
  "memberships",
  "grants",
  "needless rights",
  "time zone",
  "authenticator",
  "schema",
  "additions",
  "proxy",
];

describe("attune doctor", () => {
  const findings = async (changed: Partial<Options> = {}): Promise<string[]> =>
    (await diagnose(owner, connection, { ...options, ...changed }))
      .filter(({ level }) => level !== "ok")
      .map(({ subject, level, findings }) => `${level} ${subject}: ${findings.join("; ")}`);
  /** A database that was made for tests keeps these. */
  const NEEDLESS =
    "advice needless rights: everybody may make temporary tables, which fill the disk; everybody may make large objects, which fill the disk";

  test("finds nothing wrong where nothing is, and ends with 0", async () => {
    expect(await findings()).toEqual([NEEDLESS]);
    const { stdout, code } = await attune(["doctor"], environment);
    expect(stdout).toMatch(/^Nothing is wrong; \d advice\.$/m);
    expect(code).toBe(0);
  });

  test("finds all that is wrong, and nothing else", async () => {
    await withClient(cluster.superuserUrl("attune"), async (superuser) => {
      for (const { doing } of BROKEN) await superuser.query(doing);
      try {
        const found = await withClient(connection.ownerUrl, (client) => diagnose(client, connection, options));
        expect(
          found.flatMap(({ subject, level, findings }) => findings.map((finding) => `${level} ${subject}: ${finding}`)),
        ).toEqual(
          expect.arrayContaining(BROKEN.flatMap(({ told }) => told.map((finding) => expect.stringContaining(finding)))),
        );
        expect(JSON.stringify(found)).not.toContain("authenticator may use the schema attune_worker");
        expect(found.filter(({ level }) => level !== "ok").map(({ subject }) => subject)).toEqual(BROKEN_SUBJECTS);
      } finally {
        for (const { undoing } of BROKEN) await superuser.query(undoing);
        await openDatabase(options, { migrate: false });
      }
    });
    expect(await findings()).toEqual([NEEDLESS]);
  });

  test("waits for no lock, and says what it could not look at, and who is in its way", async () => {
    const holder = await connect(connection.ownerUrl);
    const looking = await connect(connection.ownerUrl);
    try {
      await holder.query("begin; lock table attune.global_settings, attune_private.stored_secrets");
      const { stdout, code } = await attune(["doctor"], environment);
      expect(stdout).toContain("preference_query_ms cannot be seen");
      expect(stdout).toContain(`process ${await pidOf(holder)}`);
      expect(stdout).toContain("Wrong: master keys: it can't be looked at");
      expect(stdout).toContain("Wrong: proxy: it can't be looked at");
      expect(code).toBe(1);

      await holder.query("lock table graphile_migrate.migrations");
      await looking.query("set lock_timeout = '1ms'");
      expect(await diagnose(looking, connection, options)).toContainEqual(
        expect.objectContaining({
          subject: "migrations",
          level: "problem",
          findings: [expect.stringContaining("lock")],
        }),
      );
    } finally {
      await holder.end();
      await looking.end();
    }
  });

  test("finds out what is wrong with the environment", async () => {
    expect(await findings({ jwt: { ...options.jwt, secret: "abc".repeat(20) } })).toContainEqual(
      expect.stringContaining("problem JWT_SECRET: JWT_SECRET is easily guessed"),
    );
    expect(await findings({ poolSize: 1000 })).toContainEqual(
      expect.stringContaining("problem pools: one server takes 1011 connections"),
    );
  });

  test("finds out what is under a master key that is not known here", async () => {
    const key = (): string => randomBytes(32).toString("base64");
    const [current, other] = [key(), key()];
    await owner.query("begin");
    await owner.query("select attune_hidden.prepare_for_secrets()");
    await owner.query("select set_config('attune.master_key', $1, true)", [current]);
    await owner.query("set local role service_role");
    await owner.query("select set_config('request.jwt.claims', '{\"role\": \"service_role\"}', true)");
    await owner.query("select attune.set_shared_credential('openai', 'sk-0123456789')");
    await owner.query("commit");
    const about = async (masterKeys: Options["masterKeys"]): Promise<string[]> =>
      (await findings({ masterKeys })).filter((finding) => finding.includes("master keys"));
    expect(await about({ current, previous: undefined })).toEqual([]);
    expect(await about({ current: other, previous: current })).toEqual([]);
    expect(await about({ current: other, previous: undefined })).toEqual([
      "problem master keys: 1 credential under a key not known here",
    ]);
    expect(await about(undefined)).toEqual(["problem master keys: 1 credential under a key not known here"]);
    expect(await about({ current, previous: other })).toEqual([
      "advice master keys: nothing is under the previous master key any more",
    ]);
  });

  test("says so where the migrations are not applied, and ends with 1", async () => {
    const empty = await cluster.createDatabase("empty");
    const { stdout, code } = await attune(["doctor", "--json"], { ...environment, DATABASE_URL: empty });
    expect(JSON.parse(stdout)).toMatchObject({
      isWell: false,
      checks: expect.arrayContaining([
        expect.objectContaining({ subject: "migrations", level: "problem", remedy: "`attune migrate` applies them." }),
      ]),
      health: null,
      alerts: [],
    });
    expect(code).toBe(1);
  });
});
