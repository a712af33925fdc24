/** What applied at a moment is found again: live results against those from the audit log, while several people write. */
import { randomInt } from "node:crypto";
import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase, type TestUser } from "./support/harness.ts";

const TEAMS = ["00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"];
const KEYS = ["past.colour", "past.layout", "past.beta", "past.copied", "past.new", "past.renamed"];

let database: TestDatabase;
let admin: TestUser;
let people: TestUser[];
let projects: string[];

beforeAll(async () => {
  database = await createTestDatabase();
  admin = await database.createUser("admin@example.com", { admin: true });
  people = await Promise.all(["ann", "bob", "cy"].map((name) => database.createUser(`${name}@example.com`)));
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
  projects = rows.map((row) => row.id);
});

afterAll(() => database.close());

type Change = { as: TestUser | "owner"; sql: string; values: unknown[] };

/** One change of any layer, definition, plan or membership, by whom it takes. */
function anyChange(): fc.Arbitrary<Change> {
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
async function make(client: pg.ClientBase, changes: readonly Change[]): Promise<number> {
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

type Recorded = {
  at: string;
  who: string;
  project: string | null;
  settings: unknown;
  explained: { key: string; layers: unknown } | null;
};

test("what applied at any moment, and why, is found again", { timeout: 300_000 }, async () => {
  const writers = await Promise.all([1, 2, 3, 4].map(() => database.owner.connect()));
  const slow = new pg.Client({ connectionString: database.ownerUrl });
  const reader = new pg.Client({ connectionString: database.ownerUrl });
  await Promise.all([slow.connect(), reader.connect()]);
  // Drawn at once: a sample begins at the seed.
  const drawn = fc.sample(anyChange(), 4000);
  const sample = (count: number): Change[] => drawn.splice(0, count);
  const recorded: Recorded[] = [];
  let made = 0;
  try {
    for (let round = 0; made < 1000; round += 1) {
      // One transaction is under way while others are committed, and while what applies is recorded.
      if (round % 5 === 0) {
        await slow.query("begin; set local lock_timeout = '200ms'");
        made += await make(slow, sample(6));
      }
      const counts = await Promise.all(
        writers.map(async (writer) => {
          await writer.query("begin; set local lock_timeout = '50ms'");
          const count = await make(writer, sample(8));
          const isKept = randomInt(5) > 0;
          await writer.query(isKept ? "commit" : "rollback");
          return isKept ? count : 0;
        }),
      );
      made += counts.reduce((sum, count) => sum + count, 0);
      if (round % 5 === 3) await slow.query(round % 20 === 18 ? "rollback" : "commit");

      for (const who of [people[round % people.length], people[(round + 1) % people.length]]) {
        const project = projects[randomInt(projects.length)] ?? null;
        const key = KEYS[randomInt(KEYS.length)];
        const {
          rows: [row],
        } = await reader.query<Recorded>(
          `select
             clock_timestamp()::text as at, $1 as who, m.project_id as project,
             (select jsonb_agg(to_jsonb(s) - 'targeting_key' order by s.key)
              from attune.effective_settings_for($1, null, m.project_id) as s) as settings,
             (select jsonb_build_object('key', d.key, 'layers', (
                select jsonb_agg(to_jsonb(e) order by e.layer) from attune.explain_setting(d.key, $1, m.project_id) as e))
              from attune.setting_definitions as d where d.key = $3) as explained
           from (select) as one
           left join attune.project_members as m on m.user_id = $1 and m.project_id = $2`,
          [who?.id, project, key],
        );
        if (row) recorded.push(row);
      }
    }
  } finally {
    for (const writer of writers) writer.release();
    await Promise.all([slow.end(), reader.end()]);
  }

  const asOwner = new pg.Client({ connectionString: database.ownerUrl });
  await asOwner.connect();
  try {
    for (const { at, who, project, settings, explained } of recorded) {
      const {
        rows: [found],
      } = await asOwner.query(
        `select
           (select jsonb_agg(to_jsonb(s) - 'at' order by s.key)
            from attune.effective_settings_as_of($1, $2, null, $3) as s) as settings,
           (select jsonb_agg(to_jsonb(e) order by e.layer)
            from attune.explain_setting($4, $2, $3, $1) as e where $4 is not null) as layers`,
        [at, who, project, explained?.key],
      );
      expect({ at, ...found }).toEqual({ at, settings, layers: explained?.layers ?? null });
    }
  } finally {
    await asOwner.end();
  }
});
