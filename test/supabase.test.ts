/** Attune in a database of Supabase, as docs/how-to/run-behind-postgrest-or-supabase.md has it. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { schemaScript } from "../src/database/schema-script.ts";
import { readBlocks } from "./support/documents.ts";
import { startSupabase, type Supabase } from "./support/supabase.ts";

const PROJECT = "abcdefghijklmnopqrst";
const ISSUER = `https://${PROJECT}.supabase.co/auth/v1`;

let supabase: Supabase;
/** Who runs migrations: no superuser. */
let postgres: pg.Client;
/** Supabase's own server for accounts, which has no right to our schemas. */
let gotrue: pg.Client;
let postgrest: pg.Client;

async function connect(role: Parameters<Supabase["urlOf"]>[0]): Promise<pg.Client> {
  const client = new pg.Client(supabase.urlOf(role));
  await client.connect();
  return client;
}

beforeAll(async () => {
  supabase = await startSupabase();
  [postgres, gotrue, postgrest] = await Promise.all([
    connect("postgres"),
    connect("supabase_auth_admin"),
    connect("authenticator"),
  ]);
  await signUp({ email: "before@example.com" });
  // Twice, as whoever is not sure does.
  for (let turn = 0; turn < 2; turn++) await postgres.query(await schemaScript());
  const statement = readBlocks("docs/how-to/run-behind-postgrest-or-supabase.md").find(({ text }) =>
    text.includes("mirror_auth_users("),
  );
  await postgres.query((statement?.text ?? "").replace("<project>", PROJECT));
});

afterAll(async () => {
  await Promise.all([postgres.end(), gotrue.end(), postgrest.end()]);
  await supabase.stop();
});

type Account = {
  email?: string | null;
  phone?: string;
  raw_user_meta_data?: unknown;
  is_sso_user?: boolean;
  is_anonymous?: boolean;
};

/** As supabase/auth does it: one insert into `auth.users`, in its own name. */
async function signUp(account: Account): Promise<string> {
  const id = randomUUID();
  await gotrue.query(
    `insert into auth.users (
       instance_id, id, aud, role, email, phone, raw_user_meta_data, is_sso_user, is_anonymous, created_at, updated_at
     )
     values ('00000000-0000-0000-0000-000000000000', $1, 'authenticated', 'authenticated', $2, $3, $4, $5, $6, now(), now())`,
    [
      id,
      account.email ?? null,
      account.phone ?? null,
      JSON.stringify(account.raw_user_meta_data ?? {}),
      account.is_sso_user ?? false,
      account.is_anonymous ?? false,
    ],
  );
  return id;
}

/** One request, as PostgREST makes it, with the claims that Supabase's tokens have. */
async function request(user: string, sql: string, params: unknown[] = []): Promise<Record<string, unknown>[]> {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: ISSUER,
    aud: "authenticated",
    exp: now + 3600,
    iat: now,
    sub: user,
    email: "whoever@example.com",
    phone: "",
    app_metadata: { provider: "email", providers: ["email"] },
    user_metadata: {},
    role: "authenticated",
    aal: "aal1",
    amr: [{ method: "password", timestamp: now }],
    session_id: randomUUID(),
    is_anonymous: false,
  };
  await postgrest.query("begin");
  try {
    await postgrest.query(
      "select set_config('search_path', 'attune', true), set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)",
      [JSON.stringify(claims)],
    );
    return (await postgrest.query<Record<string, unknown>>(sql, params)).rows;
  } finally {
    await postgrest.query("commit");
  }
}

async function mirrored(id: string): Promise<Record<string, unknown> | undefined> {
  return (await postgres.query("select email, name, avatar_url, company_name from attune.users where id = $1", [id]))
    .rows[0];
}

async function noted(id: string): Promise<unknown[]> {
  const { rows } = await postgres.query<{ reason: string }>(
    "select reason from attune.maintenance_operations where details ->> 'user_id' = $1 and status = 'failed' order by id",
    [id],
  );
  return rows.map(({ reason }) => reason);
}

test("who signs up has their settings, and nobody else's", async () => {
  const [ada, bob] = [await signUp({ email: "ada@example.com" }), await signUp({ email: "bob@example.com" })];
  expect(await request(ada, "select id, email from viewer()")).toEqual([{ id: ada, email: "ada@example.com" }]);
  await request(ada, "select from set_preference('STYLE_GUIDE_ENABLED', 'true')");

  const effective = "select value, layer from effective_setting('STYLE_GUIDE_ENABLED')";
  expect(await request(ada, effective)).toEqual([{ value: true, layer: "user" }]);
  expect(await request(bob, effective)).not.toEqual([{ value: true, layer: "user" }]);
  expect(await request(ada, "select user_id from user_preferences where key = 'STYLE_GUIDE_ENABLED'")).toEqual([
    { user_id: ada },
  ]);
  expect(await request(bob, "select from user_preferences where user_id = $1", [ada])).toEqual([]);
  await expect(
    request(bob, "select from set_user_setting($1, 'STYLE_GUIDE_ENABLED', 'true')", [ada]),
  ).rejects.toMatchObject({ code: "42501" });
});

test("who was there before is there, and asking again changes nothing", async () => {
  const before =
    "select a.id from auth.users as a join attune.users as u using (id, email) where email = 'before@example.com'";
  expect((await postgres.query(before)).rows).toHaveLength(1);
  const { rows } = await postgres.query("select attune_private.mirror_auth_users($1)::integer as mirrored", [ISSUER]);
  expect(rows).toEqual([{ mirrored: 0 }]);
});

test.each<{ what: string; account: Account; email: string | null; notes: string[] }>([
  {
    what: "an address that another has, by a provider",
    account: { email: "before@example.com", is_sso_user: true },
    email: null,
    notes: ["The user has no e-mail address here"],
  },
  {
    what: "the same in capitals",
    account: { email: "BEFORE@Example.com" },
    email: null,
    notes: ["The user has no e-mail address here"],
  },
  {
    what: "an odd address",
    account: { email: '"odd, but <legal>"@localhost' },
    email: null,
    notes: ["The user has no e-mail address here"],
  },
  { what: "no address, but a phone", account: { phone: "4915112345678" }, email: null, notes: [] },
  { what: "an empty address", account: { email: "" }, email: null, notes: ["The user has no e-mail address here"] },
  { what: "nothing at all", account: { is_anonymous: true }, email: null, notes: [] },
  {
    what: "a profile of no shape",
    account: { email: "shape@example.com", raw_user_meta_data: ["full_name", { name: 7 }] },
    email: "shape@example.com",
    notes: [],
  },
  {
    what: "a profile that is too large",
    account: {
      email: "large@example.com",
      raw_user_meta_data: { full_name: "x".repeat(5000), avatar_url: "javascript:alert(1)" },
    },
    email: "large@example.com",
    notes: [],
  },
])("whoever signs up with $what has an account", async ({ account, email, notes }) => {
  const id = await signUp(account);
  expect(await mirrored(id)).toMatchObject({ email, avatar_url: null });
  expect(await noted(id)).toEqual(notes);
  expect(await request(id, "select id from viewer()")).toEqual([{ id }]);
});

test("the profile is what Supabase says, until the user edits it here", async () => {
  const profile = { full_name: "Ada Lovelace", avatar_url: "https://example.com/ada.png", company: "Analytical" };
  const id = await signUp({ email: "profile@example.com", raw_user_meta_data: profile });
  expect(await mirrored(id)).toEqual({
    email: "profile@example.com",
    name: "Ada Lovelace",
    avatar_url: "https://example.com/ada.png",
    company_name: "Analytical",
  });
  await request(id, "update users set company_name = 'Mine' where id = $1", [id]);
  await gotrue.query("update auth.users set raw_user_meta_data = $2 where id = $1", [
    id,
    JSON.stringify({ ...profile, full_name: "Ada King", company: "Theirs" }),
  ]);
  expect(await mirrored(id)).toMatchObject({ name: "Ada King", company_name: "Mine" });
});

test("another address is followed, one that somebody has is nobody's a second time, and one that is free again can be had", async () => {
  const [one, two] = [await signUp({ email: "one@example.com" }), await signUp({ email: "two@example.com" })];
  await gotrue.query("update auth.users set email = 'three@example.com' where id = $1", [one]);
  expect(await mirrored(one)).toMatchObject({ email: "three@example.com" });

  await gotrue.query("update auth.users set email = 'three@example.com', is_sso_user = true where id = $1", [two]);
  expect(await mirrored(two)).toMatchObject({ email: null });
  expect(await noted(two)).toEqual(["The user has no e-mail address here"]);

  await gotrue.query("delete from auth.users where id = $1", [one]);
  await postgres.query("select attune_private.mirror_auth_users($1)", [ISSUER]);
  expect(await mirrored(two)).toMatchObject({ email: "three@example.com" });
});

test.each([
  ["delete from auth.users where id = $1", "deleted"],
  // As supabase/auth does it when asked to keep the row.
  [
    "update auth.users set deleted_at = now(), email = md5(email), phone = '', raw_user_meta_data = '{}' where id = $1",
    "kept as deleted",
  ],
])("whoever is deleted is gone here, and nobody by their token: %s", async (statement, name) => {
  const id = await signUp({ email: `${name.replaceAll(" ", "-")}@example.com` });
  await request(id, "select from set_preference('STYLE_GUIDE_ENABLED', 'true')");
  await gotrue.query(statement, [id]);
  expect(await mirrored(id)).toBeUndefined();
  expect((await postgres.query("select from attune.user_preferences where user_id = $1", [id])).rows).toEqual([]);
  expect(await request(id, "select current_user_id() as id")).toEqual([{ id: null }]);
});

test("what cannot be done here keeps nobody from signing up, changing their address or being deleted", async () => {
  const before = await signUp({ email: "unlucky@example.com" });
  // Whatever it may be: somebody's own rule on our tables.
  await postgres.query(`
    create function public.refuse() returns trigger language plpgsql as $$
    begin raise exception 'no'; end $$;
    create trigger refuse before insert or update or delete on attune.users for each row execute function public.refuse()`);
  try {
    const id = await signUp({ email: "refused@example.com" });
    expect(await noted(id)).toEqual(["The user was not mirrored"]);
    await gotrue.query("update auth.users set email = 'luckier@example.com' where id = $1", [before]);
    expect(await noted(before)).toEqual(["The user was not mirrored"]);
    await gotrue.query("delete from auth.users where id = $1", [before]);
    expect((await noted(before)).slice(1)).toEqual(["The user was not deleted here", "The address was not freed here"]);
    expect(await request(before, "select current_user_id() as id")).toEqual([{ id: null }]);

    // Not even the note can be written.
    await postgres.query("alter table attune.maintenance_operations add constraint closed check (false) not valid");
    const unnoted = await signUp({ email: "unnoted@example.com" });
    expect((await postgres.query("select from auth.users where id = $1", [unnoted])).rows).toHaveLength(1);
    await postgres.query("alter table attune.maintenance_operations drop constraint closed");

    await postgres.query("drop trigger refuse on attune.users");
    await postgres.query("select attune_private.mirror_auth_users($1)", [ISSUER]);
    expect(await mirrored(id)).toMatchObject({ email: "refused@example.com" });
    expect(await mirrored(unnoted)).toMatchObject({ email: "unnoted@example.com" });
  } finally {
    await postgres.query("drop function public.refuse() cascade");
  }
});

test("whoever signs up waits two seconds at most for what is locked here", async () => {
  const other = await connect("postgres");
  try {
    await other.query("begin; lock table attune.users in access exclusive mode");
    await gotrue.query("set statement_timeout = '5s'");
    const id = await signUp({ email: "waits@example.com" });
    await other.query("commit");
    expect(await noted(id)).toEqual(["The user was not mirrored"]);
  } finally {
    await other.end();
  }
});

test("many who come at once take no lock each", async () => {
  await gotrue.query("begin");
  await gotrue.query(
    "insert into auth.users (id, aud, role, email) select gen_random_uuid(), 'authenticated', 'authenticated', format('many%s@example.com', n) from generate_series(1, 20) as n",
  );
  const { rows } = await gotrue.query(
    "select count(*)::integer as locks from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()",
  );
  await gotrue.query("rollback");
  expect(rows).toEqual([{ locks: 0 }]);
});

test("who comes with a token while they are mirrored is the same user", async () => {
  await gotrue.query("begin");
  const id = await signUp({ email: "quick@example.com" });
  const coming = postgres.query("select id from attune.link_or_register_user($1, $2, 'quick@example.com')", [
    ISSUER,
    id,
  ]);
  const waiting = async (): Promise<number> =>
    (await gotrue.query("select from pg_locks where not granted and pid <> pg_backend_pid()")).rows.length;
  for (let attempt = 0; attempt < 400 && (await waiting()) === 0; attempt++) await sleep(10);
  await gotrue.query("commit");
  expect((await coming).rows).toEqual([{ id }]);
});

test("a token of another issuer, and no id in it, is anybody", async () => {
  const id = await signUp({ email: "issuer@example.com" });
  await postgres.query("select attune_private.mirror_auth_users('https://id.example.com/auth/v1')");
  // The trigger says the new one from now on; the old one goes on until nobody shows it any more.
  expect(await request(id, "select current_user_id() as id")).toEqual([{ id }]);
  await postgres.query("select attune_private.mirror_auth_users($1)", [ISSUER]);
});

test("elsewhere there is nothing to mirror", async () => {
  await postgres.query("begin; alter table auth.users rename to accounts");
  await expect(postgres.query("select attune_private.mirror_auth_users($1)", [ISSUER])).rejects.toMatchObject({
    code: "PT404",
    detail: "no_auth_users",
  });
  await postgres.query("rollback");
});
