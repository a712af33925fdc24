/** Fills a migrated database with users, what they chose, and the audit log of that, as fast as PostgreSQL takes it. */
import { withClient } from "../src/database/client.ts";

export const PREFERENCES_PER_USER = 10;
/** With those that are shipped; most of them are for users to hold. */
export const DEFINITIONS = 40;

/** Settings of an application, beside those that are shipped. */
const DOCUMENT = {
  $id: "bench",
  type: "object",
  properties: Object.fromEntries(
    Array.from({ length: DEFINITIONS - 15 }, (_, index) => [
      `bench.setting${index}`,
      { type: "boolean", default: false, "x-attune": { category: index % 2 === 0 ? "editor" : "view" } },
    ]),
  ),
};

/**
 * Users with as many preferences each, in sets and without triggers, which would otherwise check and audit every row alone.
 * @param superuserUrl only a superuser may leave triggers out
 */
export async function seed(superuserUrl: string, users: number, preferences = PREFERENCES_PER_USER): Promise<void> {
  await withClient(superuserUrl, async (client) => {
    await client.query("select from attune.apply_definitions($1)", [JSON.stringify(DOCUMENT)]);
    await client.query("set session_replication_role = replica; set synchronous_commit = off; set work_mem = '256MB'");
    await client.query(
      `insert into attune.users (email)
       select format('user%s@example.com', n) from generate_series(1, $1::integer) as n`,
      [users],
    );
    await client.query("insert into attune.user_emails (email, user_id) select email, id from attune.users");
    await client.query(
      `insert into attune.user_preferences (user_id, key, value, updated_by)
       select u.id, d.key, 'true', u.id
       from (select id, row_number() over (order by id) as n from attune.users) as u
       cross join generate_series(1, $1::integer) as i
       join (
         select key, row_number() over (order by key) as n, count(*) over () as total
         from attune.setting_definitions
         where layer = 'user'
       ) as d on d.n = (u.n + i * 3) % d.total + 1
       order by u.id, d.key`,
      [preferences],
    );
    await client.query(
      `insert into attune.configuration_audit_log (actor_id, actor_role, acted_as, layer, user_id, key, operation, new_value, new_attributes)
       select user_id, 'authenticated', 'user', 'user', user_id, key, 'INSERT', value, '{"is_active": true}'
       from attune.user_preferences
       order by md5(user_id::text || key)`,
    );
    await client.query(
      `insert into attune.global_settings (key, value, is_enforced, rollout_percentage)
       values ('MODEL_CHOICE', '"gpt-5"', false, 100), ('LOGFIRE_ENABLED', 'true', true, 100), ('TASKS_ENABLED', 'true', false, 50)`,
    );
    await client.query("vacuum (analyze)");
    await client.query("checkpoint");
  });
}
