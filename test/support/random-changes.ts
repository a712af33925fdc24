/** Random changes of every layer, definition, plan and membership, and the people who make them. */
import fc from "fast-check";
import pg from "pg";
import type { TestDatabase, TestUser } from "./harness.ts";

const TEAMS = ["00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"];
export const KEYS = ["past.colour", "past.layout", "past.beta", "past.copied", "past.new", "past.renamed"];

/** Who there is, and their starter projects. */
export type World = { admin: TestUser; people: TestUser[]; projects: string[] };

/** Makes people, definitions, plans and teams for the changes to be of. */
export async function createWorld(database: TestDatabase): Promise<World> {
  const admin = await database.createUser("admin@example.com", { admin: true });
  const people = await Promise.all(["ann", "bob", "cy"].map((name) => database.createUser(`${name}@example.com`)));
  await database.query(`
    insert into attune.setting_definitions (key, category, layer, merge, seeding, schema, default_value)
    values
      ('past.colour', 'past', 'project', 'replace', 'inherit', '{}', '"red"'),
      ('past.layout', 'past', 'project', 'deep', 'inherit', '{"type": "object"}', '{"a": 1, "b": {"c": 2}}'),
      ('past.beta', 'past', 'user', 'replace', 'inherit', '{}', 'null'),
      ('past.copied', 'past', 'user', 'deep', 'copy', '{"type": "object"}', '{"z": 1}')
  `);
  await database.query(`insert into attune.plans (name, title) values ('studio', 'Studio'), ('agency', 'Agency')`);
  for (const team of TEAMS) await database.query(`insert into attune.teams (id, name) values ($1, 'Team')`, [team]);
  const rows = await database.query<{ id: string }>(
    "select project_id as id from attune.project_members where user_id = any ($1) order by user_id",
    [people.map((person) => person.id)],
  );
  return { admin, people, projects: rows.map((row) => row.id) };
}

export type Change = { as: TestUser | "owner"; sql: string; values: unknown[] };

/** One change of any layer, definition, plan or membership, by whom it takes. */
export function anyChange({ admin, people, projects }: World): fc.Arbitrary<Change> {
  const person = fc.constantFrom(...people);
  const project = fc.constantFrom(...projects);
  const key = fc.constantFrom(...KEYS);
  const plan = fc.constantFrom("studio", "agency", "bootstrapper");
  const team = fc.constantFrom(...TEAMS);
  const value = fc
    .oneof(
      fc.constantFrom(null, true, "blue", 1.5),
      fc.dictionary(fc.constantFrom("a", "b", "z"), fc.oneof(fc.integer(), fc.constant(null), fc.constant({ c: 9 }))),
    )
    .map((any) => JSON.stringify(any));
  const flag = fc.boolean();
  const share = fc.constantFrom(0, 30, 70, 100);
  const by = (as: Change["as"], sql: string, ...values: unknown[]): Change => ({ as, sql, values });
  return fc.oneof(
    fc.tuple(person, key, value).map(([who, ...rest]) => by(who, "select attune.set_preference($1, $2)", ...rest)),
    fc
      .tuple(person, key, value, project)
      .map(([who, ...rest]) => by(who, "select attune.set_preference($1, $2, $3)", ...rest)),
    fc.tuple(person, key).map(([who, name]) => by(who, "select attune.reset_preference($1)", name)),
    person.map((who) => by(who, "select attune.reset_preferences('past')")),
    fc
      .tuple(key, value, flag, share)
      .map((all) => by(admin, "select attune.set_global_setting($1, $2, $3, $4)", ...all)),
    fc
      .tuple(key, value, value)
      .map(([name, ...values]) =>
        by(
          admin,
          "select attune.set_global_variants($1, $2)",
          name,
          `[${values.map((one, place) => `{"name": "v${place}", "weight": 1, "value": ${one}}`).join(", ")}]`,
        ),
      ),
    key.map((name) => by(admin, "select attune.reset_global_setting($1)", name)),
    fc.tuple(plan, key, value, flag).map((all) => by(admin, "select attune.set_plan_setting($1, $2, $3, $4)", ...all)),
    fc.tuple(plan, key).map((all) => by(admin, "select attune.reset_plan_setting($1, $2)", ...all)),
    fc.tuple(team, key, value, flag).map((all) => by(admin, "select attune.set_team_setting($1, $2, $3, $4)", ...all)),
    fc
      .tuple(person, key, value)
      .map(([who, ...rest]) => by(admin, "select attune.set_user_setting($1, $2, $3)", who.id, ...rest)),
    fc
      .tuple(fc.constantFrom("global_settings", "user_preferences", "project_preferences", "plan_settings"), key, flag)
      .map(([table, ...rest]) => by("owner", `update attune.${table} set is_active = $2 where key = $1`, ...rest)),
    fc
      .tuple(person, plan)
      .map(([who, name]) => by("owner", "update attune.users set plan = $2 where id = $1", who.id, name)),
    fc
      .tuple(person, flag)
      .map(([who, is]) => by("owner", "update attune.users set is_admin = $2 where id = $1", who.id, is)),
    fc
      .tuple(person, team)
      .map(([who, id]) =>
        by(
          "owner",
          "insert into attune.team_members (user_id, team_id) values ($1, $2) on conflict do nothing",
          who.id,
          id,
        ),
      ),
    fc
      .tuple(person, team)
      .map(([who, id]) =>
        by("owner", "delete from attune.team_members where user_id = $1 and team_id = $2", who.id, id),
      ),
    fc.tuple(person, team).map(([who, id]) => by(who, "select attune.set_current_team($1)", id)),
    fc
      .tuple(person, project)
      .map(([who, id]) =>
        by(
          "owner",
          "insert into attune.project_members (user_id, project_id) values ($1, $2) on conflict do nothing",
          who.id,
          id,
        ),
      ),
    fc
      .tuple(key, value)
      .map((all) => by("owner", "update attune.setting_definitions set default_value = $2 where key = $1", ...all)),
    fc
      .tuple(key, fc.constantFrom("client", "admin"), fc.constantFrom("user", "admin"), fc.constantFrom("one", "two"))
      .map((all) =>
        by(
          "owner",
          `update attune.setting_definitions
           set audience = $2::attune.setting_audience, writable_by = $3::attune.setting_writer, description = $4
           where key = $1`,
          ...all,
        ),
      ),
    fc
      .tuple(key, fc.constantFrom("deep", "replace"))
      .map((all) =>
        by("owner", "update attune.setting_definitions set merge = $2::attune.setting_merge where key = $1", ...all),
      ),
    value.map((one) =>
      by(
        "owner",
        `insert into attune.setting_definitions (key, category, layer, schema, default_value)
         values ('past.new', 'past', 'project', '{}', $1) on conflict do nothing`,
        one,
      ),
    ),
    fc.constant(by("owner", "delete from attune.setting_definitions where key = 'past.new'")),
    fc
      .constantFrom(["past.colour", "past.renamed"], ["past.renamed", "past.colour"])
      .map((all) => by(admin, "select attune.rename_setting($1, $2)", ...all)),
    fc
      .constantFrom(["studio", "atelier"], ["atelier", "studio"])
      .map((all) => by("owner", "update attune.plans set name = $2 where name = $1", ...all)),
  );
}

/** Runs changes in one transaction, as whoever they take; a refused one changes nothing. Returns how many were made. */
export async function make(client: pg.ClientBase, changes: readonly Change[]): Promise<number> {
  let made = 0;
  for (const { as, sql, values } of changes) {
    await client.query("savepoint change");
    try {
      if (as !== "owner") {
        const claims = { role: "authenticated", sub: as.id };
        await client.query("set local role authenticated");
        await client.query("select set_config('request.jwt.claims', $1, true)", [JSON.stringify(claims)]);
      }
      await client.query(sql, values);
      await client.query("reset role");
      made += 1;
    } catch (error: unknown) {
      if (!(error instanceof pg.DatabaseError)) throw error;
      await client.query("rollback to savepoint change");
    }
  }
  return made;
}
