/** Who is signed out is told so, and who mistypes a key: by every function, with one reason each. */
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connect } from "../src/database/client.ts";
import { type ApiCalls, prepareCalls } from "./support/api-calls.ts";
import { createTestDatabase, createTestServer, type TestDatabase, type TestServer } from "./support/harness.ts";

let database: TestDatabase;
let server: TestServer;
let client: pg.Client;
let calls: ApiCalls;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await createTestServer(database);
  client = await connect(database.ownerUrl);
  calls = await prepareCalls(client);
});

afterAll(async () => {
  await client.end();
  await server.close();
  await database.close();
});

/** What becomes of a call by somebody: its reason, or that it works. It is taken back. */
async function outcome(claims: Record<string, string>, sql: string): Promise<string> {
  await client.query("begin");
  try {
    await client.query("select set_config('request.jwt.claims', $1, true)", [JSON.stringify(claims)]);
    await client.query(`set local role ${claims["role"]}`);
    await client.query(sql);
    return "works";
  } catch (error: unknown) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    return error.detail ?? error.message;
  } finally {
    await client.query("rollback");
  }
}

/** What needs nobody in particular. */
const OPEN = new Set([
  "current_user_id",
  "effective_setting",
  "effective_settings",
  "effective_settings_of",
  "explain_setting",
  "export_definitions",
  "is_admin",
  "login",
  "logout",
  "refresh_session",
  "register",
  "request_password_reset",
  "reset_password",
  "settings_document",
  "viewer",
]);

test("every function refuses nobody as not_signed_in, a user who is gone the same, and who claims to be somebody as anon", async () => {
  const gone = { role: "authenticated", sub: "00000000-0000-4000-8000-00000000dead" };
  const borrowed = { ...calls.claims.admin, role: "anon" };
  const provider = { role: "anon", iss: "https://id.example.com", sub: "somebody", email: "new@example.com" };
  const others: string[] = [];
  for (const { who, sql } of calls.table) {
    const name = sql.slice(0, sql.indexOf("("));
    if (who === "service_role") continue;
    for (const claims of [calls.claims.anon, gone, borrowed, provider]) {
      const became = await outcome(claims, `select * from attune.${sql}`);
      if (became !== "not_signed_in" && !OPEN.has(name)) others.push(`${claims["role"]}: ${sql}: ${became}`);
    }
  }
  expect(others).toEqual([]);
});

test("rights follow the role: with anon, an administrator's token is nobody's", async () => {
  const asked =
    "select json_build_array(attune.current_user_id(), attune.is_admin(), (attune.viewer()).id)::text as who";
  const who = async (claims: Record<string, string>): Promise<string | undefined> => {
    await client.query("begin");
    await client.query("select set_config('request.jwt.claims', $1, true)", [JSON.stringify(claims)]);
    await client.query(`set local role ${claims["role"]}`);
    const { rows } = await client.query<{ who: string }>(asked);
    await client.query("rollback");
    return rows[0]?.who;
  };
  const { admin } = calls.claims;
  expect(await who(admin)).toBe(JSON.stringify([admin["sub"], true, admin["sub"]]).replaceAll(",", ", "));
  expect(await who({ ...admin, role: "anon" })).toBe("[null, false, null]");
});

test("what a user may call, nobody may call, to be told so", async () => {
  const { rows } = await client.query<{ name: string }>(
    `select p.oid::regprocedure::text as name
     from pg_catalog.pg_proc as p
     where p.pronamespace = 'attune'::regnamespace
       and has_function_privilege('authenticated', p.oid, 'execute')
       and not has_function_privilege('anon', p.oid, 'execute')
     order by 1`,
  );
  expect(rows).toEqual([]);
});

test("GraphQL says the same", async () => {
  const { body } = await server.graphql(
    `mutation {
      a: setPreference(input: { key: "DARK_MODE_ENABLED", value: true }) { clientMutationId }
      b: setGlobalSetting(input: { key: "DARK_MODE_ENABLED", value: true }) { clientMutationId }
    }`,
  );
  expect(body.errors?.map(({ extensions }) => [extensions?.code, extensions?.reason])).toEqual([
    ["42501", "not_signed_in"],
    ["42501", "not_signed_in"],
  ]);
});

/** Every function that takes a key, with arguments that are good but for it. */
const keyed = ({ user, team }: ApiCalls["names"]): Record<string, string> => ({
  effective_setting: "$key",
  effective_setting_for: `'${user}', $key`,
  explain_setting: "$key",
  halt_rollout: "$key",
  plan_rollout: `$key, '{"(,10)"}', 'true'`,
  preview_global_setting: "$key, 'true'",
  preview_plan_setting: "'bootstrapper', $key, 'true'",
  preview_team_setting: `'${team}', $key, 'true'`,
  rename_setting: "$key, 'another.name'",
  reset_global_setting: "$key",
  reset_plan_setting: "'bootstrapper', $key",
  reset_preference: "$key",
  reset_team_setting: `'${team}', $key`,
  reset_user_setting: `'${user}', $key`,
  set_global_setting: "$key, 'true'",
  set_global_variants: "$key, 'null'",
  set_plan_setting: "'bootstrapper', $key, 'true'",
  set_preference: "$key, 'true'",
  set_setting: "$key, 'true'",
  set_team_setting: `'${team}', $key, 'true'`,
  set_user_setting: `'${user}', $key, 'true'`,
});

test("every function that takes a key is walked", async () => {
  const { rows } = await client.query<{ name: string }>(
    `select p.proname as name
     from pg_catalog.pg_proc as p
     where p.pronamespace = 'attune'::regnamespace and 'key' = any (p.proargnames[:p.pronargs])
     order by 1`,
  );
  expect(rows.map(({ name }) => name)).toEqual(Object.keys(keyed(calls.names)).toSorted());
});

test("a key of nothing, or of what is not shown, is unknown_setting to whoever may ask", async () => {
  await client.query(`
    insert into attune.setting_definitions (key, category, layer, audience, schema)
    values ('test.concealed', 'test', 'project', 'admin', '{}')`);
  const others: string[] = [];
  for (const [name, given] of Object.entries(keyed(calls.names))) {
    for (const who of ["anon", "user", "admin", "service_role"] as const) {
      const ask = (key: string): Promise<string> =>
        outcome(calls.claims[who], `select * from attune.${name}(${given.replace("$key", `'${key}'`)})`);
      const mistyped = await ask("NOPE");
      // Who may not call it for any setting is told that, and nothing of the setting.
      const expected = mistyped === (await ask("DARK_MODE_ENABLED")) && /_required$|^not_signed_in$/.test(mistyped);
      if (mistyped !== "unknown_setting" && (!expected || who === "admin")) others.push(`${who}: ${name}: ${mistyped}`);
      if (who === "anon" || who === "user") {
        const concealed = await ask("test.concealed");
        if (concealed !== mistyped) others.push(`${who}: ${name}: ${concealed} of what is not shown, ${mistyped} else`);
      }
    }
  }
  expect(others).toEqual([]);
});
