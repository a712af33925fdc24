/** Where secrets and the master key are not: they are set and resolved through every door, and then looked for. */
import { randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connect, withClient } from "../src/database/client.ts";
import { dump } from "../src/database/dump.ts";
import { startThrowawayCluster, type ThrowawayCluster } from "../src/embedded/testing/throwaway.ts";
import { prepareCluster } from "./support/global-setup.ts";
import {
  createTestDatabase,
  createTestServer,
  type Persona,
  type TestDatabase,
  type TestServer,
  type TestUser,
} from "./support/harness.ts";

const KEY = randomBytes(32);
/** What is looked for beside the secrets, and found: it shows that the search is real. */
const LABEL = "label-that-is-seen";

let cluster: ThrowawayCluster;
let template: Awaited<ReturnType<typeof prepareCluster>>;
let database: TestDatabase;
let server: TestServer;
let people: { users: TestUser[]; admin: TestUser };
/** Every secret that was sent, whatever became of it. */
const secrets: string[] = [];
const log: string[] = [];
/** All answers but those of `resolveCredential` to a trusted server. */
const answers: string[] = [];

function secret(what: string): string {
  const made = `sk-${what}-${randomBytes(12).toString("hex")}`;
  secrets.push(made);
  return made;
}

async function ask(query: string, variables: Record<string, unknown>, who: Persona): Promise<void> {
  const { body } = await server.graphql(query, variables, database.tokenOf(who));
  answers.push(JSON.stringify(body));
}

/** A secret as it might be found: as it is, as bytes, in base64 from each place where it may begin. */
function formsOf(bytes: Buffer): string[] {
  const base64 = [0, 1, 2].map((shift) =>
    Buffer.concat([Buffer.alloc(shift), bytes])
      .toString("base64")
      .slice(shift === 0 ? 0 : 4, -4),
  );
  return [bytes.toString("latin1"), bytes.toString("hex"), ...base64];
}

/** Which of the secrets, and of the forms of the master key, are in a text or in bytes. */
function foundIn(where: Buffer | string): string[] {
  const bytes = typeof where === "string" ? Buffer.from(where) : where;
  return [...secrets.map((each) => Buffer.from(each)), KEY].flatMap((each) =>
    formsOf(each).filter((form) => bytes.includes(form, 0, "latin1")),
  );
}

beforeAll(async () => {
  cluster = await startThrowawayCluster({
    settings: {
      shared_preload_libraries: "pg_stat_statements",
      "pg_stat_statements.track": "all",
      log_statement: "all",
      log_min_duration_statement: "0",
      log_min_messages: "debug1",
      log_min_error_statement: "debug1",
    },
  });
  template = await prepareCluster(cluster.ownerUrl());
  database = await createTestDatabase(template.cluster);
  await withClient(cluster.superuserUrl(database.name), (client) =>
    client.query("create extension pg_stat_statements"),
  );
  const users = await Promise.all(["ada", "bob", "cem"].map((name) => database.createUser(`${name}@example.com`)));
  people = { users, admin: await database.createUser("root@example.com", { admin: true }) };
  server = await createTestServer(database, {
    readKeys: async () => ({ current: KEY.toString("base64"), previous: undefined }),
    logLevel: "trace",
    logDestination: { write: (line) => void log.push(line) },
  });
  await everything();
});

afterAll(async () => {
  await server.close();
  await database.close();
  await template.drop();
  await cluster.stop();
});

const SET = `mutation ($provider: String!, $secret: String, $label: String, $expiresAt: Datetime) {
  setCredential(input: { provider: $provider, secret: $secret, label: $label, expiresAt: $expiresAt }) {
    credential { provider label lastFour expiresAt lastUsedAt createdAt updatedAt user { email } }
    query { credentials { nodes { label lastFour } } usableCredentials { label } }
  }
}`;

/** Sets and resolves credentials in all ways there are, and in those that are refused. */
async function everything(): Promise<void> {
  const { users, admin } = people;
  const [ada] = users;
  if (ada === undefined) throw new Error("There is nobody.");
  for (const user of users) {
    await ask(SET, { provider: "openai", secret: secret("own"), label: LABEL }, user);
    await ask(SET, { provider: "openai", secret: secret("another") }, user);
    await ask(SET, { provider: "google", secret: `${secret("spaced")}\n` }, user);
  }
  await ask(`mutation { createTeam(input: { name: "Team" }) { team { id } } }`, {}, ada);
  const [team] = await database.query<{ id: string }>("select id from attune.teams");
  await ask(
    `mutation ($id: UUID!, $s: String!) { setTeamCredential(input: { teamId: $id, provider: "slack", secret: $s }) { teamCredential { lastFour } } }`,
    { id: team?.id, s: secret("team") },
    ada,
  );
  await ask(
    `mutation ($s: String!) { setSharedCredential(input: { provider: "smtp", secret: $s }) { sharedCredential { lastFour } } }`,
    { s: secret("shared") },
    admin,
  );
  await ask(
    `mutation ($id: UUID!, $s: String!) { setUserCredential(input: { userId: $id, provider: "calendly", secret: $s }) { credential { lastFour } } }`,
    { id: ada.id, s: secret("by-a-server") },
    "service_role",
  );

  // What is refused, by whomever.
  const refused = secret("refused");
  await ask(SET, { provider: refused, secret: "x" }, ada);
  await ask(SET, { provider: "none", secret: refused }, ada);
  await ask(SET, { provider: "openai", secret: refused, expiresAt: "2001-01-01T00:00:00Z" }, ada);
  await ask(SET, { provider: "openai", secret: refused, label: `my ${refused}` }, ada);
  await ask(SET, { provider: "openai", secret: `${refused}\u0007` }, ada);
  await ask(SET, { provider: "openai", secret: `${refused}\u0000` }, ada);
  await ask(SET, { provider: "openai", secret: refused.repeat(300) }, ada);
  await ask(SET, { provider: "openai", secret: refused, label: "x".repeat(201) }, ada);
  await ask(SET, { provider: "openai", secret: refused }, "anon");
  await ask(
    `mutation ($s: String!) { setSharedCredential(input: { provider: "smtp", secret: $s }) { sharedCredential { lastFour } } }`,
    { s: refused },
    ada,
  );
  await ask(
    `mutation ($id: UUID!) { resolveCredential(input: { userId: $id, provider: "openai" }) { secret } }`,
    { id: ada.id },
    ada,
  );

  // In the query itself, and where a query is wrong.
  await ask(
    `mutation { setCredential(input: { provider: "mistral", secret: "${secret("literal")}" }) { credential { lastFour } } }`,
    {},
    ada,
  );
  // Read by the server alone.
  for (const { id } of users) {
    const { body } = await server.graphql<{ resolveCredential: { secret: string } }>(
      `mutation ($id: UUID!) { resolveCredential(input: { userId: $id, provider: "openai" }) { secret source label } }`,
      { id },
      database.tokenOf("service_role"),
    );
    expect(secrets).toContain(body.data?.resolveCredential.secret);
  }

  // In SQL with parameters, as `authenticator` and the roles that it becomes.
  const inSql = async (who: Persona, sql: string, parameters: unknown[]): Promise<void> =>
    database.as(who, async (client) => {
      await client.query("select set_config('attune.master_key', $1, true)", [KEY.toString("hex")]);
      await client.query(sql, parameters);
    });
  await inSql(ada, "select attune.set_credential('github', $1)", [secret("sql")]);
  await inSql("service_role", "select attune.resolve_credential($1, 'github')", [ada.id]);
  await inSql(ada, "select attune.set_credential('github', $1, expires_at => now())", [secret("sql-refused")]).catch(
    () => undefined,
  );
  await inSql(ada, "select attune.set_credential('github', $1, $1)", [secret("sql-label")]).catch(() => undefined);

  // With literals, by who sees to it that statements are not logged.
  await withClient(cluster.superuserUrl(database.name), async (client) => {
    await client.query("set log_statement = 'none'");
    await client.query("set log_min_duration_statement = -1");
    await client.query("set log_min_error_statement = 'panic'");
    await client.query(`
      begin;
      select set_config('attune.master_key', '${KEY.toString("hex")}', true);
      select attune.set_user_credential('${ada.id}', 'hubspot', '${secret("psql")}');
      select attune.resolve_credential('${ada.id}', 'hubspot');
      commit`);
  });
}

test("in no answer", () => {
  expect(answers.filter((answer) => foundIn(answer).length > 0)).toEqual([]);
  expect(answers.join()).toContain(LABEL);
});

test("in no message about a query or a variable that is wrong", async () => {
  const [ada] = people.users;
  if (ada === undefined) throw new Error("There is nobody.");
  const typed = "mutation ($i: SetCredentialInput!) { setCredential(input: $i) { credential { label } } }";
  const written = (value: string, more = ""): string =>
    `mutation { setCredential(input: { provider: "openai", secret: ${value}${more} }) { credential { label } } }`;
  const it = secret("mistyped");
  const wrong: [query: string, variables: Record<string, unknown>][] = [
    [typed, { i: { provider: "openai", secret: it, Label: "x" } }],
    [typed, { i: { provider: "openai", secret: [it] } }],
    [typed, { i: { provider: "openai", secret: { value: it } } }],
    [typed, { i: { provider: [it], secret: it } }],
    [typed, { i: { secret: it } }],
    [typed, { i: { provider: "openai", secret: it, expiresAt: "no day" } }],
    [typed, { i: { provider: "openai", secret: it, expiresAt: { at: it } } }],
    [typed, { i: it }],
    [typed, { i: [it] }],
    [SET, { provider: "openai", secret: [it] }],
    [SET, { provider: "openai", secret: it, expiresAt: "no day" }],
    [written(`["${it}"]`), {}],
    [written(`{ value: "${it}" }`), {}],
    [written(`"${it}"`, ', Label: "x"'), {}],
    [written(`"${it}"`, `, expiresAt: ["${it}"]`), {}],
    [written(`"${it}"`, ` "${it}"`), {}],
    [written(`"""${it}""" """${it}"""`), {}],
    [`mutation { setCredential(input: { provider: "openai", secret: "${it}" "`, {}],
    [`mutation { setCredential(input: "${it}") { credential { label } } }`, {}],
    [
      `mutation { setCredential(input: { provider: "openai", secret: "${it}" }) { credential { label(x: "${it}") } } }`,
      {},
    ],
    [`query ($s: String = ["${it}"]) { __typename }`, {}],
    [`{ __typename @include(if: "${it}") }`, {}],
  ];
  for (const [query, variables] of wrong) {
    const { body } = await server.graphql(query, variables, ada.token);
    expect([query, body.errors?.length ?? 0]).not.toEqual([query, 0]);
    expect([query, variables, ...foundIn(JSON.stringify(body))]).toEqual([query, variables]);
  }

  // Passwords need not look like one, and may be numbers.
  for (const password of [12345678901234, 1234567890.5, true]) {
    for (const [query, variables] of [
      [typed, { i: { provider: "smtp", secret: password } }],
      [SET, { provider: "smtp", secret: password }],
      [written(String(password)), {}],
    ] as const) {
      const { body } = await server.graphql(query, variables, ada.token);
      expect(body.errors).toHaveLength(1);
      expect(JSON.stringify(body.errors?.map(({ message }) => message))).not.toContain(String(password));
    }
  }
});

test("in no line of the server's log", () => {
  expect(log.filter((line) => foundIn(line).length > 0)).toEqual([]);
  expect(log.join()).toContain("invalid_expiry");
});

async function dataDirectory(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ folder: string }>("select current_setting('data_directory') as folder");
  return rows[0]?.folder ?? "";
}

test("not in PostgreSQL's log, which has every statement, nor in any file of its data", async () => {
  await withClient(cluster.superuserUrl(database.name), async (client) => {
    await client.query("checkpoint");
    const folder = await dataDirectory(client);
    const postgres = await readFile(join(dirname(folder), "postgres.log"));
    expect(foundIn(postgres)).toEqual([]);
    expect(postgres.includes("set_credential")).toBe(true);

    let seesLabel = false;
    const files = await readdir(folder, { recursive: true, withFileTypes: true });
    for (const file of files.filter((each) => each.isFile())) {
      const content = await readFile(join(file.parentPath, file.name)).catch(() => Buffer.alloc(0));
      expect([file.name, ...foundIn(content)]).toEqual([file.name]);
      seesLabel ||= content.includes(LABEL);
    }
    expect(seesLabel).toBe(true);
  });
});

test("in no table, view or statistic, whoever may read it", async () => {
  await withClient(cluster.superuserUrl(database.name), async (client) => {
    const { rows: relations } = await client.query<{ name: string }>(
      `select c.oid::regclass::text as name from pg_class as c where c.relkind in ('r', 'p', 'v', 'm') order by 1`,
    );
    const seen: string[] = [];
    for (const { name } of relations) {
      const { rows } = await client
        .query<{ row: string }>(`select t::text as row from ${name} as t`)
        .catch(() => ({ rows: [] }));
      const text = rows.map(({ row }) => row).join("\n");
      expect([name, ...foundIn(text)]).toEqual([name]);
      if (text.includes(LABEL)) seen.push(name);
    }
    expect(seen).toEqual(expect.arrayContaining(["attune.credentials", "attune.configuration_audit_log"]));
    const { rows } = await client.query<{ query: string }>(
      "select query from pg_stat_statements where query ~ 'set_user_credential.*\\$3'",
    );
    expect(rows).not.toEqual([]);
  });
});

test("in no dump", async () => {
  const parts: Buffer[] = [];
  for await (const part of dump(database.ownerUrl)) parts.push(part);
  const text = Buffer.concat(parts);
  expect(foundIn(text)).toEqual([]);
  expect(text.includes(LABEL)).toBe(true);
});

test("nobody finds another's, who walks all tables and calls all functions that they may", async () => {
  const [ada, bob] = people.users;
  if (ada === undefined || bob === undefined) throw new Error("There is nobody.");
  for (const who of [bob, people.admin, "anon"] as const) {
    const seen = await database.as(who, async (client) => {
      await client.query("select set_config('attune.master_key', $1, true)", [KEY.toString("hex")]);
      const { rows: callable } = await client.query<{ sql: string }>(`
        select format('select to_jsonb(t)::text from %s as t', c.oid::regclass) as sql
        from pg_class as c
        where c.relnamespace = 'attune'::regnamespace and c.relkind in ('r', 'p', 'v')
        union all
        select format('select to_jsonb(f)::text from %s(%s) as f', p.oid::regproc,
          (select string_agg(case a.type::regtype::text
            when 'uuid' then '''${ada.id}''' when 'text' then '''openai''' else 'null' end || '::' || a.type::regtype, ', ' order by a.place)
           from unnest(p.proargtypes::oid[]) with ordinality as a (type, place)))
        from pg_proc as p
        where p.pronamespace in ('attune'::regnamespace, 'attune_hidden'::regnamespace) and p.proname ~ '(credential|secret)'`);
      let text = "";
      for (const { sql } of callable) {
        await client.query("savepoint here");
        try {
          const { rows } = await client.query<Record<string, string>>(sql);
          text += JSON.stringify(rows);
        } catch {
          // What is refused shows nothing.
        }
        await client.query("rollback to savepoint here");
      }
      return text;
    });
    expect(foundIn(seen)).toEqual([]);
    // An administrator sees in the audit log that there is one.
    expect(seen.includes(ada.id)).toBe(who === people.admin);
  }
});

test("where PostgreSQL would log what it is given, the server sends it no key and no secret", async () => {
  const logging = await connect(cluster.superuserUrl());
  try {
    await logging.query("alter role authenticator set log_parameter_max_length = -1");
    const careless = await createTestServer(database, {
      readKeys: async () => {
        throw new Error("It was asked for.");
      },
    });
    const [ada] = people.users;
    const unsent = secret("unsent");
    const { body } = await careless.graphql(SET, { provider: "openai", secret: unsent }, ada?.token);
    expect(body.errors?.[0]?.extensions?.reason).toBe("parameters_are_logged");
    await careless.close();
    const folder = await dataDirectory(logging);
    expect((await readFile(join(dirname(folder), "postgres.log"))).includes(unsent)).toBe(false);
  } finally {
    await logging.query("alter role authenticator reset log_parameter_max_length");
    await logging.end();
  }
});
