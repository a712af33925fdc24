/** What `attune verify` and `attune doctor` expect of a database: whatever somebody changes in it is named. */
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  catalogueWithin,
  compareCatalogues,
  type Difference,
  expectedCatalogue,
  readCatalogue,
} from "../src/database/catalogue.ts";
import { connect } from "../src/database/client.ts";
import { createTestDatabase, type TestDatabase } from "./support/harness.ts";

const expected = await expectedCatalogue();
let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  client = await connect(database.ownerUrl);
});
afterAll(async () => {
  await client.end();
  await database.close();
});

/** What is named after a change, which is taken back. */
async function changed(sql: string): Promise<Difference[]> {
  await client.query("begin");
  try {
    await client.query(sql);
    return compareCatalogues(expected, await catalogueWithin(client));
  } finally {
    await client.query("rollback");
  }
}

test("a migrated database has nothing missing, different or extra", async () => {
  expect(compareCatalogues(expected, await readCatalogue(client))).toEqual([]);
});

/** What is done, and what is named. All of it is done at once, so each to an object of its own. */
const TAMPERING: [what: string, sql: string, ...named: string[]][] = [
  [
    "a policy is dropped",
    "drop policy teams_select_member_or_admin on attune.teams",
    "missing policy teams_select_member_or_admin on attune.teams",
  ],
  [
    "a policy lets everybody in",
    "alter policy user_preferences_select_self_or_admin on attune.user_preferences using (true)",
    "different policy user_preferences_select_self_or_admin on attune.user_preferences",
  ],
  [
    "a policy is added",
    "create policy everything on attune.user_preferences to public using (true)",
    "extra policy everything on attune.user_preferences",
  ],
  [
    "row level security is off",
    "alter table attune.sessions disable row level security",
    "different table attune.sessions",
  ],
  [
    "row level security is forced on the owner too",
    "alter table attune.teams force row level security",
    "different table attune.teams",
  ],
  [
    "a trigger is disabled",
    "alter table attune.global_settings disable trigger _900_audit",
    "different trigger _900_audit on attune.global_settings",
  ],
  [
    "a trigger is dropped",
    "drop trigger _900_audit on attune.plan_settings",
    "missing trigger _900_audit on attune.plan_settings",
  ],
  [
    "a trigger is added",
    "create trigger spy after insert on attune.users for each row execute function attune_private.tg__append_only()",
    "extra trigger spy on attune.users",
  ],
  [
    "the text of a function is another",
    "do $$ begin execute replace(pg_get_functiondef('attune.seal_audit()'::regprocedure), 'begin', 'begin --'); end $$",
    "different function attune.seal_audit()",
  ],
  [
    "a function runs as its owner",
    "alter function attune.change_sets_is_approval_required(attune.change_sets) security definer",
    "different function attune.change_sets_is_approval_required(attune.change_sets)",
  ],
  [
    "a function's search_path is gone",
    "alter function attune.set_preference reset search_path",
    "different function attune.set_preference(text,jsonb,uuid,boolean,timestamp with time zone)",
  ],
  [
    "a function is added to the API",
    "create function attune.backdoor() returns integer language sql begin atomic select 1; end",
    "extra function attune.backdoor()",
    "extra grant execute on function attune.backdoor() to public",
  ],
  [
    "a function is dropped",
    "drop function attune.viewer()",
    "missing function attune.viewer()",
    "missing grant execute on function attune.viewer() to anon",
    "missing grant execute on function attune.viewer() to authenticated",
    "missing grant execute on function attune.viewer() to service_role",
  ],
  [
    "a right is given",
    "grant delete on attune.configuration_audit_log to authenticated",
    "extra grant delete on table attune.configuration_audit_log to authenticated",
  ],
  [
    "a right is taken",
    "revoke execute on function attune.is_admin() from authenticated",
    "missing grant execute on function attune.is_admin() to authenticated",
  ],
  [
    "a right on a column is given",
    "grant update (is_admin) on attune.users to anon",
    "extra grant update on columns of attune.users to anon",
  ],
  [
    "a private schema is opened",
    "grant usage on schema attune_private to public",
    "extra grant usage on schema attune_private to public",
  ],
  [
    "rights are given ahead",
    "alter default privileges in schema attune grant select on tables to anon",
    "extra grant select on tables that attune makes in the schema attune to anon",
  ],
  [
    "rights are given ahead in every schema",
    "alter default privileges grant usage on sequences to public, authenticated",
    "extra grant usage on sequences that attune makes in every schema to public",
    "extra grant usage on sequences that attune makes in every schema to authenticated",
  ],
  [
    "a column of one's own must not be null",
    "alter table attune_private.mail_outbox add column extra integer not null default 0",
    "extra column attune_private.mail_outbox.extra",
  ],
  [
    "a type has another column",
    "alter type attune_private.delivery_decision add attribute extra integer",
    "extra column attune_private.delivery_decision.extra",
  ],
  [
    "a constraint lets nothing in",
    "alter table attune_private.mail_outbox add constraint nope check (false) not valid",
    "extra constraint nope on attune_private.mail_outbox",
  ],
  [
    "an index lets one row in",
    "create unique index single on attune_private.mail_outbox ((1))",
    "extra index single on attune_private.mail_outbox",
  ],
  [
    "an index asks a function",
    `create function attune_private.fails(id uuid) returns integer language plpgsql immutable as 'begin raise exception ''no''; end';
     revoke all on function attune_private.fails(uuid) from public;
     create index asking on attune.teams (attune_private.fails(id))`,
    "extra index asking on attune.teams",
  ],
  [
    "a function of the same name is called instead",
    `create function attune_private.ensure_user(varchar) returns uuid language sql as 'select null::uuid';
     revoke all on function attune_private.ensure_user(varchar) from public`,
    "extra function attune_private.ensure_user(character varying)",
  ],
  [
    "an index is dropped",
    "drop index attune.change_sets_apply_at_idx",
    "missing index change_sets_apply_at_idx on attune.change_sets",
  ],
  [
    "a column's default is another",
    "alter table attune.users alter column plan set default 'enterprise'",
    "different column attune.users.plan",
  ],
  [
    "a column may be null",
    "alter table attune.users alter column timezone drop not null",
    "different column attune.users.timezone",
  ],
  ["a column is added", "alter table attune.users add column shoe_size integer", "extra column attune.users.shoe_size"],
  [
    "a constraint is dropped",
    "alter table attune_private.audit_salts drop constraint audit_salts_salt_check",
    "missing constraint audit_salts_salt_check on attune_private.audit_salts",
  ],
  [
    "a constraint was never checked",
    `alter table attune.team_members drop constraint team_members_team_id_fkey,
     add constraint team_members_team_id_fkey foreign key (team_id) references attune.teams on delete cascade not valid`,
    "different constraint team_members_team_id_fkey on attune.team_members",
  ],
  [
    "a rule makes a statement do nothing",
    "create rule quiet as on insert to attune.security_log do instead nothing",
    "extra rule quiet on attune.security_log",
  ],
  ["a view asks as its owner", "alter view attune.profiles reset (security_invoker)", "different view attune.profiles"],
  [
    "an enum has another label",
    "alter type attune.adoption_outcome rename value 'kept' to 'left'",
    "different type attune.adoption_outcome",
  ],
  [
    "a sequence begins elsewhere",
    "alter sequence attune.configuration_audit_log_id_seq increment by 2",
    "different sequence attune.configuration_audit_log_id_seq",
  ],
  [
    "a partition has lost its guard",
    "drop trigger _100_append_only on attune_private.sealed_rows_default",
    "different default partition attune_private.sealed_rows_default of attune_private.sealed_rows",
  ],
  [
    "a partition can be read past the whole",
    "grant select on attune_private.configuration_audit_log_default to authenticated",
    "different default partition attune_private.configuration_audit_log_default of attune.configuration_audit_log",
  ],
  ["a role may log in, and make roles", "alter role anon login createrole", "different role anon"],
  [
    "who is signed in may become a server",
    "grant service_role to authenticated",
    "extra membership of authenticated in service_role",
  ],
  ...[
    "grant select (id) on %s to authenticated",
    "alter table %s add check (id > 0)",
    "alter table %s alter column operation set default 'INSERT'",
    "create unique index on %s (id)",
    "alter table %s disable trigger _100_append_only",
    "alter table %s disable row level security",
    "alter table %s set schema auth; drop trigger _100_append_only on auth.month_6",
  ].map((sql, place): [string, string, string] => {
    const month = `month_${place}`;
    return [
      `a partition is not as it was made: ${sql}`,
      `create table attune_private.${month} partition of attune.configuration_audit_log
         for values from ('300${place}-01-01') to ('300${place}-02-01');
       select attune_private.guard_audit_partition('attune_private.${month}');
       ${sql.replaceAll("%s", `attune_private.${month}`)}`,
      `different partition ${sql.includes("schema auth") ? "auth" : "attune_private"}.${month} of attune.configuration_audit_log`,
    ];
  }),
  [
    "a table is part of one of ours",
    "create table attune_private.more () inherits (attune.plans)",
    "extra child attune_private.more of attune.plans",
  ],
  [
    "numbers may be chosen",
    "alter table attune.security_log alter column id set generated by default",
    "different column attune.security_log.id",
  ],
  [
    "who is signed in may make schemas",
    "do $$ begin execute format('grant create on database %I to authenticated', current_database()); end $$",
    "extra grant create on the database to authenticated",
  ],
  [
    "whoever connects is a server",
    "alter role authenticator set role = 'service_role'; alter role authenticator set statement_timeout = '8s'",
    "extra setting role of the role authenticator in every database",
  ],
  [
    "policies are refused",
    "do $$ begin execute format('alter database %I set row_security = off', current_database()); end $$",
    "extra setting row_security of every role in the database",
  ],
  [
    "what auth.jwt() says is another's",
    `do $$ begin execute replace(pg_get_functiondef('auth.jwt()'::regprocedure), 'request.jwt.claims', 'request.claims'); end $$;
     comment on function auth.jwt() is null`,
    "different function auth.jwt()",
  ],
  [
    "there is one more function in auth",
    "create function auth.email() returns text language sql as 'select null'",
    "extra function auth.email()",
    "extra grant execute on function auth.email() to public",
  ],
  [
    "a function of auth is dropped",
    "drop function auth.role()",
    "missing function auth.role()",
    "missing grant execute on function auth.role() to anon",
    "missing grant execute on function auth.role() to authenticated",
    "missing grant execute on function auth.role() to service_role",
  ],
];

describe("what somebody changed", () => {
  test("is named, all of it and nothing else", async () => {
    const differences = await changed(TAMPERING.map(([, sql]) => sql).join(";\n"));
    expect(
      differences
        .filter(({ isHarmless }) => !isHarmless)
        .map(({ kind, object }) => `${kind} ${object}`)
        .toSorted(),
    ).toEqual(TAMPERING.flatMap(([, , ...named]) => named).toSorted());
  });

  test("was one of each kind of object that there is", () => {
    const kinds = (names: string[]): string[] =>
      [...new Set(names.map((name) => name.replace(/^each /, "").split(" ")[0] ?? ""))].toSorted();
    const tried = kinds(TAMPERING.flatMap(([, , ...named]) => named.map((name) => name.slice(name.indexOf(" ") + 1))));
    expect(tried).toEqual(expect.arrayContaining(kinds(Object.keys(expected)).filter((kind) => kind !== "schema")));
  });
});

test("what belongs to somebody else than the schema does is named", async () => {
  const differences = await changed(`
    grant authenticator to current_user;
    grant create on schema attune_private to authenticator;
    alter table attune_private.audit_salts owner to authenticator`);
  expect(differences).toContainEqual({
    kind: "different",
    object: "table attune_private.audit_salts",
    expected: "row level security on",
    actual: "row level security on, owned by authenticator",
    isHarmless: false,
  });
});

describe("roles", () => {
  const GRANTS = `
    create role catalogue_reporting; create role catalogue_friend; grant catalogue_reporting to catalogue_friend;
    grant select on attune_private.user_passwords to catalogue_reporting`;
  const CHANGES: [sql: string, ...named: string[]][] = [
    ["alter role authenticated createdb", "different role authenticated"],
    ["alter role authenticator nologin", "different role authenticator"],
    ["alter role authenticator inherit", "different role authenticator"],
    ["revoke authenticated from authenticator", "missing membership of authenticator in authenticated"],
    ["grant anon to authenticator with admin option", "different membership of authenticator in anon"],
    [GRANTS],
    [
      `${GRANTS}; grant catalogue_friend to anon`,
      "extra grant select on table attune_private.user_passwords to catalogue_reporting",
      "extra membership of anon in catalogue_friend",
      "extra membership of anon in catalogue_reporting",
      // Which may become whoever it may become.
      "extra membership of authenticator in catalogue_friend",
      "extra membership of authenticator in catalogue_reporting",
    ],
  ];
  test.for(CHANGES)("that may do more or less than they should are named: %s", async ([sql, ...named]) => {
    const wrong = (await changed(sql)).filter(({ isHarmless }) => !isHarmless);
    expect(
      wrong
        .map(({ kind, object }) => `${kind} ${object}`)
        // Of authenticator, only what is not by way of another.
        .filter((name) => !name.startsWith("extra membership of authenticator in ") || named.includes(name))
        .toSorted(),
    ).toEqual(named.toSorted());
  });
});

test("what a database has of its own does no harm: indexes, reporting roles, functions that nobody is granted", async () => {
  const differences = await changed(`
    create index mine on attune.users (lower(name));
    create publication mine for table attune.users;
    create table attune_private.my_table (id uuid primary key references attune.users, name text);
    create unique index my_index on attune_private.my_table (name);
    alter default privileges revoke execute on functions from public;
    alter default privileges grant select on tables to pg_monitor;
    create function attune_private.mine() returns trigger language plpgsql as 'begin return null; end';
    revoke all on function attune_private.mine() from public;
    grant select on attune.users to pg_monitor`);
  expect(differences.filter(({ isHarmless }) => !isHarmless)).toEqual([]);
  expect(differences.map(({ kind, object }) => `${kind} ${object}`)).toEqual([
    "extra column attune_private.my_table.id",
    "extra column attune_private.my_table.name",
    "extra constraint my_table_id_fkey on attune_private.my_table",
    "extra constraint my_table_pkey on attune_private.my_table",
    "extra function attune_private.mine()",
    "extra grant select on table attune.users to pg_monitor",
    "extra grant select on tables that attune makes in every schema to pg_monitor",
    "extra index mine on attune.users",
    "extra index my_index on attune_private.my_table",
    "extra publication mine",
    "extra table attune_private.my_table",
  ]);
});
