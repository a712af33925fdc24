/** No function tells somebody about rows they may not read: others' rows change, and every answer stays the same bytes. */
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ApiCalls, prepareCalls, type Who } from "./support/api-calls.ts";
import { createTestDatabase, type TestDatabase } from "./support/harness.ts";

let database: TestDatabase;
let client: pg.Client;
let api: ApiCalls;

beforeAll(async () => {
  database = await createTestDatabase();
  client = new pg.Client(database.ownerUrl);
  await client.connect();
  api = await prepareCalls(client);
});

afterAll(async () => {
  await client.end();
  await database.close();
});

/** Whose rows are the caller's own; who asks without a token is, for those who sign in so, `registered`. */
const selfOf = (who: Who): string => api.names[who === "user" || who === "other" ? who : "registered"];

/** Changes every private row of everybody but one: what they chose, where they were, what they were told. */
async function changeOthers(self: string): Promise<void> {
  await client.query("select set_config('attune.self', $1, true)", [self]);
  await client.query(`
    delete from attune.user_preferences where user_id <> current_setting('attune.self')::uuid;
    insert into attune.user_preferences (user_id, key, value)
    select u.id, d.key, to_jsonb(d.default_value = 'false')
    from attune.users as u cross join attune.setting_definitions as d
    where u.id <> current_setting('attune.self')::uuid and d.layer >= 'user' and d.schema ->> 'type' = 'boolean';
    insert into attune.user_preferences (user_id, key, value)
    select u.id, d.key, d.default_value || '{"leadUpdates": false, "timezone": "Asia/Tokyo"}'
    from attune.users as u cross join attune.setting_definitions as d
    where u.id <> current_setting('attune.self')::uuid
      and d.key in ('notification_settings.email_notifications', 'notification_settings.notification_schedule')
      and attune_private.value_problems(d.schema, d.default_value || '{"leadUpdates": false, "timezone": "Asia/Tokyo"}') is null;
    delete from attune.project_preferences where user_id <> current_setting('attune.self')::uuid;
    insert into attune.project_preferences (user_id, project_id, key, value)
    select m.user_id, m.project_id, 'dashboard_settings.widget_visibility', '{"metrics": false}'
    from attune.project_members as m where m.user_id <> current_setting('attune.self')::uuid;
    delete from attune.user_session_state where user_id <> current_setting('attune.self')::uuid;
    insert into attune.user_session_state (user_id, session_key, current_context, ui_state, expires_at)
    select u.id, 'tab', '{"page": "private"}', '{"open": true}', now() + '1 day'
    from attune.users as u where u.id <> current_setting('attune.self')::uuid;
    delete from attune.notifications where user_id <> current_setting('attune.self')::uuid;
    insert into attune.notifications (user_id, title, category)
    select u.id, 'Private', c.name from attune.users as u cross join attune.notification_categories as c
    where u.id <> current_setting('attune.self')::uuid`);
}

/** What a statement answers, as text, or how it is refused; what it does is taken back. */
async function answer(who: Who, sql: string): Promise<string> {
  await client.query("savepoint answer");
  try {
    await client.query("select set_config('request.jwt.claims', $1, true)", [JSON.stringify(api.claims[who])]);
    await client.query(`set local role ${api.claims[who]["role"]}`);
    const { rows } = await client.query<{ answer: string }>(`select to_jsonb(a)::text as answer from ${sql} as a`);
    return JSON.stringify(rows.map((row) => row.answer));
  } catch (error: unknown) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    return `${error.code} ${error.detail} ${error.message} ${error.hint}`;
  } finally {
    await client.query("rollback to answer");
  }
}

/** An answer without what is made anew in every call: ids, tokens and times. */
const withoutMade = (text: string): string =>
  text
    .replaceAll('\\"', '"')
    .replaceAll(/"([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[\w.-]{40,}|\d{4}-\d\d-\d\dT[\d:.+]+)"/g, "made");

/** What somebody is answered before others' rows change, and after. */
async function twice(who: Who, sql: string): Promise<[before: string, after: string]> {
  await client.query("begin");
  try {
    const before = await answer(who, sql);
    const again = await answer(who, sql);
    await changeOthers(selfOf(who));
    const after = await answer(who, sql);
    // Bytes, where a call answers the same every time.
    return before === again ? [before, after] : [withoutMade(before), withoutMade(after)];
  } finally {
    await client.query("rollback");
  }
}

/** What is about somebody else, by who has no right to it. */
const intrusions = (): { who: Who; sql: string }[] => {
  const { other, team, project } = api.names;
  return [
    `effective_settings_for('${other}')`,
    `explain_setting('DARK_MODE_ENABLED', '${other}')`,
    `get_effective_ai_config('${other}')`,
    `next_delivery_at('${other}', 'email', 'lead_update', now())`,
    `create_notification('lead_update', 'Hello', user_id => '${other}')`,
    `set_user_setting('${other}', 'beta.admin_only', 'true')`,
    `reset_user_setting('${other}', 'beta.admin_only')`,
    `set_team_setting('${team}', 'DARK_MODE_ENABLED', 'true', true)`,
    `set_team_setting('${team}', 'beta.admin_only', 'true')`,
    `explain_setting('dashboard_settings.widget_visibility', project_id => '${project}')`,
    "preview_global_setting('DARK_MODE_ENABLED', 'true')",
    "preview_plan_setting('bootstrapper', 'DARK_MODE_ENABLED', 'true')",
    "export_configuration()",
  ].flatMap((sql) => (["user", "registered", "anon"] as const).map((who) => ({ who, sql })));
};

test("what others chose, where they were and what they were told changes no answer of any function", async () => {
  const calls = [...api.table.filter(({ who }) => who !== "admin" && who !== "service_role"), ...intrusions()];
  const told: string[] = [];
  for (const { who, sql } of calls) {
    const [before, after] = await twice(who, `attune.${sql}`);
    if (before !== after && !sql.startsWith("preview_team_setting"))
      told.push(`${sql} by ${who}: ${before} > ${after}`);
  }
  expect(told).toEqual([]);
});

test("whoever administers a team is told how many members would see another value, and no value", async () => {
  const [before, after] = await twice(
    "user",
    `attune.preview_team_setting('${api.names.team}', 'DARK_MODE_ENABLED', 'true', true)`,
  );
  expect([before, after].every((answered) => /^\[("\{.*\}",?)*\]$/.test(answered))).toBe(true);
  for (const answered of [before, after])
    for (const row of JSON.parse(answered) as string[])
      expect(JSON.parse(row)).toEqual({ previous_value: null, new_value: null, users: expect.any(Number) });
});

test("no table shows them, either", async () => {
  const tables = await database.query<{ name: string }>(
    "select c.oid::regclass::text as name from pg_catalog.pg_class as c where c.relnamespace = 'attune'::regnamespace and c.relkind in ('r', 'v') order by 1",
  );
  const told: string[] = [];
  for (const who of ["user", "other", "registered", "anon"] as const) {
    for (const { name } of tables) {
      const [before, after] = await twice(who, `(select t from ${name} as t order by t::text)`);
      if (before !== after) told.push(`${name} to ${who}`);
    }
  }
  expect(told).toEqual([]);
});

test("the control: an administrator is told", async () => {
  const told: string[] = [];
  for (const sql of [
    `effective_settings_for('${api.names.other}')`,
    `explain_setting('DARK_MODE_ENABLED', '${api.names.other}')`,
    "preview_global_setting('DARK_MODE_ENABLED', 'true')",
    "preview_plan_setting('bootstrapper', 'DARK_MODE_ENABLED', 'true')",
  ]) {
    const [before, after] = await twice("admin", `attune.${sql}`);
    if (before !== after) told.push(sql.slice(0, sql.indexOf("(")));
  }
  expect(told).toEqual(["effective_settings_for", "explain_setting", "preview_global_setting", "preview_plan_setting"]);
});
