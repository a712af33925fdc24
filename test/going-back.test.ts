/** Going back is exact: to a moment, whoever wrote since, and change by change. */
import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "./support/harness.ts";
import { anyChange, createWorld, make, type World } from "./support/random-changes.ts";

let database: TestDatabase;
let world: World;

beforeAll(async () => {
  database = await createTestDatabase();
  world = await createWorld(database);
});

afterAll(() => database.close());

async function connect(): Promise<pg.Client> {
  const client = new pg.Client(database.ownerUrl);
  await client.connect();
  return client;
}

/** Runs in a transaction that is taken back. */
async function undone<T>(client: pg.Client, work: () => Promise<T>): Promise<T> {
  await client.query("begin");
  try {
    return await work();
  } finally {
    await client.query("rollback");
  }
}

async function one<T>(client: pg.ClientBase, sql: string, values: unknown[] = []): Promise<T> {
  const { rows } = await client.query<{ value: T }>(sql, values);
  if (rows[0] === undefined) throw new Error("no row");
  return rows[0].value;
}

/** The code and reason that a statement is refused with; undefined when it is not. */
async function refusalOf(statement: Promise<unknown>): Promise<string | undefined> {
  try {
    await statement;
    return undefined;
  } catch (error: unknown) {
    if (error instanceof pg.DatabaseError) return `${error.code} ${error.detail}`;
    throw error;
  }
}

// As text, so that nothing is lost: 1 is not 1.0. Without when, and by whom, it was written.
const STATE = `
  select jsonb_object_agg(s.name, s.rows)::text as value
  from (
    ${[
      "setting_definitions",
      "global_settings",
      "plan_settings",
      "team_settings",
      "user_preferences",
      "project_preferences",
      "plans",
      "team_members",
      "project_members",
    ]
      .map(
        (table) => `
    select '${table}' as name, jsonb_agg(to_jsonb(t) - '{created_at,updated_at,updated_by}'::text[] order by t::text) as rows
    from (select r.* from attune.${table} as r) as t`,
      )
      .join("\n    union all")}
    union all
    select 'users', jsonb_agg(jsonb_build_array(u.id, u.plan, u.is_admin, u.current_team_id) order by u.id)
    from attune.users as u
  ) as s`;

test("each change reverted, the last first, leaves what was before them", { timeout: 300_000 }, async () => {
  const client = await connect();
  // A plan has its name from the owner alone, and so it is renamed back.
  const drawn = fc.sample(anyChange(world), 1200).filter(({ sql }) => !sql.startsWith("update attune.plans"));
  let reverted = 0;
  try {
    for (let round = 0; round < 20; round += 1) {
      await undone(client, async () => {
        await make(client, drawn.splice(0, 10));
        const before = await one<string>(client, STATE);
        const last = await one<string>(client, "select max(id)::text as value from attune.configuration_audit_log");
        await make(client, drawn.splice(0, 25));
        const { rows } = await client.query<{ id: string; is_renamed: boolean }>(
          `select l.id, coalesce(l.layer <> 'default' and l.previous_attributes ? 'key', false) as is_renamed
           from attune.configuration_audit_log as l
           where l.id > $1 and l.subject <> 'maintenance_operation'
           order by l.id desc`,
          [last],
        );
        for (const { id, is_renamed: isRenamed } of rows) {
          await client.query("savepoint revert");
          const refusal = await refusalOf(client.query("select attune.revert_change($1)", [id]));
          // What was renamed with its setting is renamed back with it.
          expect(`${id}: ${refusal}`).toBe(`${id}: ${isRenamed ? "PT422 not_revertible" : undefined}`);
          if (refusal !== undefined) await client.query("rollback to savepoint revert");
          else reverted += 1;
        }
        expect(await one<string>(client, STATE)).toBe(before);
      });
    }
  } finally {
    await client.end();
  }
  expect(reverted).toBeGreaterThan(120);
});

/** One value that is stored: where, and what, as text. */
type Stored = { scope: string; key: string; entry: string };
/** The configuration as exported, and what is stored: of a user by id, of administrators under "". */
type Moment = { at: string; configuration: string; stored: Record<string, Stored[]> };

const CONFIGURATION = `
  select '' as scope, g.key, (to_jsonb(g) - '{key,updated_by,updated_at}'::text[])::text as entry
  from attune.global_settings as g
  union all
  select p.plan, p.key, (to_jsonb(p) - '{plan,key,updated_by,updated_at}'::text[])::text
  from attune.plan_settings as p`;

const preferencesOf = (who: string): string => `
  select coalesce(p.project_id::text, '') as scope, p.key, jsonb_build_array(p.value, p.is_active)::text as entry
  from (
    select null::uuid as project_id, u.key, u.value, u.is_active
    from attune.user_preferences as u where u.user_id = '${who}'
    union all
    select j.project_id, j.key, j.value, j.is_active
    from attune.project_preferences as j where j.user_id = '${who}'
  ) as p`;

const byPlace = (stored: readonly Stored[]): Map<string, Stored> =>
  new Map(stored.map((each) => [`${each.scope} ${each.key}`, each]));

/** Who goes back, to where, and by which function. */
type Way = { who: string; call: "restore_preferences" | "restore_global_settings"; now: string; at: string };

/** Calls the function as whoever goes back; a refusal changes nothing. */
async function call(
  client: pg.Client,
  { who, call: name, at }: Way,
  options: string,
): Promise<pg.QueryResultRow[] | string> {
  await client.query("savepoint call");
  await client.query("select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)", [
    JSON.stringify({ sub: who, role: "authenticated" }),
  ]);
  try {
    const { rows } = await client.query<pg.QueryResultRow>(`select * from attune.${name}($1, ${options})`, [at]);
    await client.query("reset role");
    return rows;
  } catch (error: unknown) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    await client.query("rollback to savepoint call");
    return `${error.code} ${error.detail}`;
  }
}

/** Goes back, and compares every value with what was stored then; returns whether all of it came back. */
async function goBack(
  client: pg.Client,
  way: Way,
  stored: readonly Stored[],
  isOwn: (key: string) => boolean,
): Promise<boolean> {
  const { rows } = await client.query<Stored>(
    `select distinct on (s.scope, n.key) s.scope, n.key, s.entry
     from jsonb_to_recordset($2) as s (scope text, key text, entry text)
     cross join lateral (select attune_hidden.key_now(s.key, $1)) as n (key)
     order by s.scope, n.key, n.key <> s.key desc`,
    [way.at, JSON.stringify(stored)],
  );
  const wanted = byPlace(rows);
  const before = byPlace((await client.query<Stored>(way.now)).rows);

  const shown = await call(client, way, "dry_run => true, skip_invalid => true");
  if (typeof shown === "string") throw new Error(shown);
  expect(byPlace((await client.query<Stored>(way.now)).rows)).toEqual(before);
  const skipped = new Set(
    shown.filter(({ action }) => action === "skipped").map(({ scope, key }) => `${scope ?? ""} ${key}`),
  );

  const all = await call(client, way, "overwrite => true");
  expect(typeof all === "string" ? all : "restored").toBe(skipped.size > 0 ? "PT422 not_restorable" : "restored");
  const rest = await call(client, way, "overwrite => true, skip_invalid => true");
  expect(rest).toBeInstanceOf(Array);

  const after = byPlace((await client.query<Stored>(way.now)).rows);
  for (const place of new Set([...wanted.keys(), ...before.keys(), ...after.keys()])) {
    const stays = skipped.has(place) || !isOwn(place.split(" ")[1] ?? "");
    expect(`${place}: ${after.get(place)?.entry}`).toBe(`${place}: ${(stays ? before : wanted).get(place)?.entry}`);
  }
  return skipped.size === 0 && shown.length > 0;
}

test("a moment is exported, and restored, as it was", { timeout: 300_000 }, async () => {
  const drawn = fc.sample(anyChange(world), 1200);
  const writers = await Promise.all([1, 2, 3, 4].map(() => connect()));
  const client = await connect();
  const moments: Moment[] = [];
  try {
    for (let round = 0; round < 16; round += 1) {
      await Promise.all(
        writers.map(async (writer) => {
          await writer.query("begin; set local lock_timeout = '50ms'");
          await make(writer, drawn.splice(0, 8));
          await writer.query("commit");
        }),
      );
      const [at, configuration] = await Promise.all([
        one<string>(client, "select clock_timestamp()::text as value"),
        one<string>(client, "select attune.export_configuration()::text as value"),
      ]);
      const moment: Moment = { at, configuration, stored: { "": (await client.query<Stored>(CONFIGURATION)).rows } };
      for (const { id } of world.people) moment.stored[id] = (await client.query<Stored>(preferencesOf(id))).rows;
      moments.push(moment);
    }

    let exact = 0;
    for (const { at, configuration, stored } of moments) {
      expect(await one<string>(client, "select attune.export_configuration($1)::text as value", [at])).toBe(
        configuration,
      );
      for (const [id, held] of Object.entries(stored)) {
        const way: Way =
          id === ""
            ? { who: world.admin.id, call: "restore_global_settings", now: CONFIGURATION, at }
            : { who: id, call: "restore_preferences", now: preferencesOf(id), at };
        const own = await one<string[]>(
          client,
          `select coalesce(jsonb_agg(d.key), '[]') as value from attune.setting_definitions as d
           where $1 = '' or d.writable_by = 'user' and d.audience <= attune_private.audience_of_user(nullif($1, '')::uuid)`,
          [id],
        );
        if (await undone(client, () => goBack(client, way, held, (key) => own.includes(key)))) exact += 1;
      }
    }
    expect(exact).toBeGreaterThan(15);
  } finally {
    await Promise.all([...writers, client].map((each) => each.end()));
  }
});
