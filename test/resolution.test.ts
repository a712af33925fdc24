/** The law of the layers: what SQL resolves is what a naive model says, for random settings, locks, splits and people. */
import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "./support/harness.ts";
import {
  type Json,
  leaf,
  mergePatch,
  percentage,
  schemaOf,
  tree,
  type ValueType,
  valueOf,
  valueType,
  type Variant,
  variantsOf,
} from "./support/json.ts";
import {
  bucketOf,
  hidesBroader,
  type Merge,
  mergeLayers,
  type Seeding,
  variantOf,
  withVariant,
} from "./support/layers.ts";

type Row = { value: Json; isActive: boolean };
type Lockable = Row & { isEnforced: boolean };
type Global = Lockable & { rollout: number; variants: Variant[] | null };
/** What is stored of one setting; in the lists, by plan, by team, and twice by person. */
type Setting = {
  type: ValueType;
  merge: Merge;
  seeding: Seeding;
  defaultValue: Json;
  global: Global | null;
  plans: (Lockable | null)[];
  teams: (Lockable | null)[];
  users: (Row | null)[];
  projects: (Row | null)[];
};
type Person = { plan: number; team: number | null; isMember: boolean };
/** A value that a layer holds for one person. */
type Held = Row & { layer: string; isEnforced: boolean; isTargeted: boolean; isSplit: boolean; variant: string | null };
type Effective = { value: Json; layer: string; reason: string; variant: string | null; is_enforced: boolean };
/** Of each layer that holds a value, why it does not matter; null when it does. */
type Explanation = { layer: string; value: Json; won: boolean; ignored_because: string | null };

const PEOPLE = 3;
const PLANS = ["bootstrapper", "scaler"];
const TEAMS = ["00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"];
const PROJECT = "00000000-0000-4000-8000-0000000000aa";

let database: TestDatabase;
let client: pg.Client;
let ids: string[];

beforeAll(async () => {
  database = await createTestDatabase();
  ids = await Promise.all(
    Array.from({ length: PEOPLE }, async (_, n) => (await database.createUser(`user${n}@example.com`)).id),
  );
  await database.query("insert into attune.plans (name, title) values ($1, 'Scaler')", [PLANS[1]]);
  await database.query("insert into attune.teams (id, name) select id, 'Team' from unnest($1::uuid[]) as id", [TEAMS]);
  await database.query("insert into attune.projects (id, name) values ($1, 'Project')", [PROJECT]);
  await database.query(
    "insert into attune.project_members (user_id, project_id) select id, $2 from unnest($1::uuid[]) as id",
    [ids, PROJECT],
  );
  client = new pg.Client(database.ownerUrl);
  await client.connect();
});

afterAll(async () => {
  await client.end();
  await database.close();
});

/** What the layers hold for a person, broad to narrow. */
function heldBy(key: string, setting: Setting, person: Person, n: number, inProject: boolean): Held[] {
  const id = ids[n] ?? "";
  const plain = { isTargeted: true, isSplit: false, variant: null };
  const lockable = (layer: string, row: Lockable | null | undefined): Held[] =>
    row ? [{ layer, ...row, ...plain }] : [];
  const own = (layer: string, row: Row | null | undefined): Held[] =>
    row ? [{ layer, ...row, isEnforced: false, ...plain }] : [];

  const { global } = setting;
  const variant = global?.variants ? variantOf(global.variants, key, id) : undefined;
  return [
    ...lockable("global", global).map((held) => ({
      ...held,
      value: withVariant(setting.merge, held.value, variant),
      isTargeted: bucketOf(key, id) <= (global?.rollout ?? 0),
      isSplit: (global?.rollout ?? 0) < 100 || variant !== undefined,
      variant: variant?.name ?? null,
    })),
    ...lockable("plan", setting.plans[person.plan]),
    // Who has left a team is no longer in it, whatever their current team says.
    ...lockable("team", person.team === null || !person.isMember ? null : setting.teams[person.team]),
    ...own("user", setting.users[n]),
    ...own("project", inProject ? setting.projects[n] : null),
  ];
}

function reasonOf(won: Held | undefined, held: Held[]): string {
  if (won === undefined) return held.some(({ isActive }) => !isActive) ? "DISABLED" : "DEFAULT";
  if (won.layer !== "global") return "TARGETING_MATCH";
  return won.isSplit ? "SPLIT" : "STATIC";
}

/** One layer after the other, as a person would do it. */
function resolve(
  { merge, seeding, defaultValue }: Setting,
  held: Held[],
): { effective: Effective; explanations: Explanation[] } {
  const counting: Held[] = [];
  let lock: string | undefined;
  const explanations: Explanation[] = [{ layer: "default", value: defaultValue, won: false, ignored_because: null }];

  for (const each of held) {
    const ignored = !each.isActive
      ? "inactive"
      : !each.isTargeted
        ? "outside_rollout"
        : lock === undefined
          ? null
          : `enforced_by_${lock}`;
    if (ignored === null) {
      // Of those that hide what is broader, the first is named.
      if (hidesBroader(merge, seeding, each.layer, each.value))
        for (const broader of explanations) broader.ignored_because ??= `overridden_by_${each.layer}`;
      counting.push(each);
      if (each.isEnforced) lock = each.layer;
    }
    explanations.push({ layer: each.layer, value: each.value, won: false, ignored_because: ignored });
  }

  const won = counting.at(-1);
  const layer = won?.layer ?? "default";
  for (const each of explanations) each.won = each.layer === layer;
  return {
    effective: {
      value: mergeLayers(merge, seeding, defaultValue, counting),
      layer,
      reason: reasonOf(won, held),
      variant: won?.variant ?? null,
      is_enforced: lock !== undefined,
    },
    explanations,
  };
}

const setting: fc.Arbitrary<Setting> = fc
  .tuple(valueType, fc.constantFrom<Merge[]>("deep", "deep", "replace"))
  .chain(([type, merge]) => {
    // What is merged takes nothing out: only whole values hold nulls.
    const row = { value: valueOf(type, merge === "replace"), isActive: fc.boolean() };
    const rows = <T>(of: fc.Arbitrary<T>, length: number): fc.Arbitrary<(T | null)[]> =>
      fc.array(fc.option(of, { freq: 2 }), { minLength: length, maxLength: length });
    const lockable = fc.record({
      ...row,
      isEnforced: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
    });
    return fc.record({
      type: fc.constant(type),
      merge: fc.constant(merge),
      seeding: fc.constantFrom<Seeding[]>("inherit", "inherit", "copy"),
      defaultValue: valueOf(type, true),
      global: fc.option(
        fc.record({ ...row, isEnforced: fc.boolean(), rollout: percentage, variants: fc.option(variantsOf(type)) }),
      ),
      plans: rows(lockable, PLANS.length),
      teams: rows(lockable, TEAMS.length),
      users: rows(fc.record(row), PEOPLE),
      projects: rows(fc.record(row), PEOPLE),
    });
  });

const person: fc.Arbitrary<Person> = fc.record({
  plan: fc.nat(PLANS.length - 1),
  team: fc.option(fc.nat(TEAMS.length - 1), { freq: 4 }),
  isMember: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
});

const keyOf = (n: number): string => `MODEL_${n}`;

async function storePeople(people: Person[]): Promise<void> {
  const teams = people.map(({ team }) => (team === null ? null : TEAMS[team]));
  await client.query(
    `with given as (select * from unnest($1::uuid[], $2::text[], $3::uuid[], $4::boolean[]) as p (id, plan, team_id, is_member)),
       members as (
         insert into attune.team_members (user_id, team_id)
         select g.id, t.id from given as g cross join unnest($5::uuid[]) as t (id)
         where g.team_id is distinct from t.id or g.is_member
       )
     update attune.users as u set plan = g.plan, current_team_id = g.team_id from given as g where u.id = g.id`,
    [ids, people.map(({ plan }) => PLANS[plan]), teams, people.map(({ isMember }) => isMember), TEAMS],
  );
}

/** Everything that is stored, a statement a table. JSON null is a value, which a recordset would take for NULL. */
async function storeSettings(settings: Setting[]): Promise<void> {
  const rowsOf = <T>(pick: (each: Setting) => (T | null)[], scopes: (string | undefined)[]) =>
    settings.flatMap((each, n) =>
      pick(each).flatMap((row, scope) => (row === null ? [] : [{ key: keyOf(n), scope: scopes[scope], ...row }])),
    );
  const insert = (statement: string, rows: unknown[]) =>
    client.query(
      `${statement} from jsonb_to_recordset($1) as r (
         key text, scope text, schema jsonb, merge attune.setting_merge, seeding attune.setting_seeding, value jsonb, "isActive" boolean, "isEnforced" boolean, rollout integer, variants jsonb
       ) cross join lateral coalesce(r.value, 'null') as value`,
      [JSON.stringify(rows)],
    );

  await insert(
    "insert into attune.setting_definitions (key, category, layer, schema, default_value, merge, seeding) select r.key, 'model', 'project', r.schema, value.value, r.merge, r.seeding",
    settings.map(({ type, defaultValue, merge, seeding }, n) => ({
      key: keyOf(n),
      schema: schemaOf(type),
      value: defaultValue,
      // What is no object is never merged.
      merge: type === "boolean" || type === "integer" ? null : merge,
      seeding,
    })),
  );
  await insert(
    `insert into attune.global_settings (key, value, is_active, is_enforced, rollout_percentage, variants)
     select r.key, value.value, r."isActive", r."isEnforced", r.rollout, r.variants`,
    rowsOf(({ global }) => [global], []),
  );
  await insert(
    `insert into attune.plan_settings (plan, key, value, is_active, is_enforced) select r.scope, r.key, value.value, r."isActive", r."isEnforced"`,
    rowsOf(({ plans }) => plans, PLANS),
  );
  await insert(
    `insert into attune.team_settings (team_id, key, value, is_active, is_enforced) select r.scope::uuid, r.key, value.value, r."isActive", r."isEnforced"`,
    rowsOf(({ teams }) => teams, TEAMS),
  );
  await insert(
    `insert into attune.user_preferences (user_id, key, value, is_active) select r.scope::uuid, r.key, value.value, r."isActive"`,
    rowsOf(({ users }) => users, ids),
  );
  await insert(
    `insert into attune.project_preferences (user_id, project_id, key, value, is_active)
     select r.scope::uuid, '${PROJECT}', r.key, value.value, r."isActive"`,
    rowsOf(({ projects }) => projects, ids),
  );
}

/** What a person sees, in the project and outside, by key. */
async function seenBy(
  n: number,
  project: string | null,
): Promise<Map<string, { effective: Effective; explanations: Explanation[] }>> {
  const claims = JSON.stringify({ sub: ids[n], role: "authenticated" });
  await client.query("select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)", [
    claims,
  ]);
  const { rows } = await client.query<Effective & { key: string; explanations: Explanation[] }>(
    `select s.key, s.value, s.layer, s.reason, s.variant, s.is_enforced,
       (
         select jsonb_agg(jsonb_build_object('layer', e.layer, 'value', e.value, 'won', e.is_winner, 'ignored_because', e.ignored_because) order by e.layer)
         from attune.explain_setting(s.key, project_id => $1) as e
         where e.is_set
       ) as explanations
     from attune.effective_settings('model', $1) as s`,
    [project],
  );
  await client.query("reset role");
  return new Map(rows.map(({ key, explanations, ...effective }) => [key, { effective, explanations }]));
}

test("effective_settings and explain_setting are what a naive model of the layers says", async () => {
  const won = new Set<string>();
  const people = fc.array(person, { minLength: PEOPLE, maxLength: PEOPLE });
  await fc.assert(
    fc.asyncProperty(fc.array(setting, { minLength: 1, maxLength: 8 }), people, async (settings, population) => {
      await client.query("begin");
      try {
        await storePeople(population);
        await storeSettings(settings);
        for (const [n, each] of population.entries()) {
          for (const project of [null, PROJECT]) {
            const model = new Map(
              settings.map((of, index) => [
                keyOf(index),
                resolve(of, heldBy(keyOf(index), of, each, n, project !== null)),
              ]),
            );
            expect(await seenBy(n, project)).toEqual(model);
            for (const { effective } of model.values())
              won.add(`${effective.layer} ${effective.reason} ${effective.is_enforced}`);
          }
        }
      } finally {
        await client.query("rollback");
      }
    }),
    { numRuns: 120 },
  );
  // The control: nothing that may happen was left out.
  expect([...won].toSorted()).toEqual([
    "default DEFAULT false",
    "default DISABLED false",
    "global SPLIT false",
    "global SPLIT true",
    "global STATIC false",
    "global STATIC true",
    "plan TARGETING_MATCH false",
    "plan TARGETING_MATCH true",
    "project TARGETING_MATCH false",
    "team TARGETING_MATCH false",
    "team TARGETING_MATCH true",
    "user TARGETING_MATCH false",
  ]);
});

test("json_merge_patch is RFC 7396", async () => {
  const any = fc.oneof(leaf, fc.constant(null), tree(fc.oneof(leaf, fc.constant(null))));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(any, any), { minLength: 1, maxLength: 50 }), async (pairs) => {
      const { rows } = await client.query<{ merged: Json }>(
        `select attune_hidden.json_merge_patch(p -> 0, p -> 1) as merged
         from jsonb_array_elements($1) with ordinality as e (p, position) order by position`,
        [JSON.stringify(pairs)],
      );
      expect(rows.map(({ merged }) => merged)).toEqual(pairs.map(([target, patch]) => mergePatch(target, patch)));
    }),
    { numRuns: 100 },
  );
});

const USERS = 100_000;
/** The ids of so many users, made from numbers, so that every run asks about the same. */
const USER_IDS = `select md5(n::text)::uuid::text as id from generate_series(1, ${USERS}) as n`;

test("buckets are Unleash's: every share of users is that share, and a growing rollout only ever adds", async () => {
  // From Unleash's client specification.
  const vectors = [
    ["123", "gr1", 73],
    ["999", "groupX", 25],
  ] as const;
  for (const [id, group, bucket] of vectors) {
    const [row] = await database.query<{ bucket: number }>("select attune_private.bucket($1, $2) as bucket", [
      group,
      id,
    ]);
    expect(row?.bucket).toBe(bucket);
  }
  const names = Array.from({ length: 2000 }, (_, n) => `user-${n}-ü`);
  const rows = await database.query<{ id: string; bucket: number }>(
    "select id, attune_private.bucket('a rollout', id) as bucket from unnest($1::text[]) as id",
    [names],
  );
  for (const { id, bucket } of rows) expect(bucket).toBe(bucketOf("a rollout", id));

  const shares = await database.query<{ bucket: number; users: number }>(
    `select attune_private.bucket('NEW_EDITOR', u.id) as bucket, count(*)::integer as users from (${USER_IDS}) as u group by bucket order by bucket`,
  );
  // A user is in from their bucket on, so that raising the percentage never takes anybody out.
  expect(shares.map(({ bucket }) => bucket)).toEqual(Array.from({ length: 100 }, (_, n) => n + 1));
  let within = 0;
  for (const { bucket, users } of shares) {
    within += users;
    expect(Math.abs(within / USERS - bucket / 100)).toBeLessThan(0.01);
  }
});

test("variants are Unleash's: each gets the users that its weight says, whatever the rollout", async () => {
  const variants = [1, 249, 0, 250, 500].map((weight, n) => ({ name: `variant ${n}`, weight, value: n }));
  const groups = await database.query<{ name: string; users: number; half: number; some: string[] }>(
    `select v.variant ->> 'name' as name, count(*)::integer as users,
       count(*) filter (where v.bucket <= 50)::integer as half, (array_agg(v.id))[:200] as some
     from (
       select u.id, attune_private.choose_variant($1, 'NEW_EDITOR', u.id) as variant, attune_private.bucket('NEW_EDITOR', u.id) as bucket
       from (${USER_IDS}) as u
     ) as v
     group by name`,
    [JSON.stringify(variants)],
  );

  expect(groups.map(({ name }) => name).toSorted()).toEqual(["variant 0", "variant 1", "variant 3", "variant 4"]);
  for (const { name, weight } of variants) {
    const { users, half, some } = groups.find((group) => group.name === name) ?? { users: 0, half: 0, some: [] };
    expect(Math.abs(users / USERS - weight / 1000)).toBeLessThan(0.01);
    // Who is in the rollout says nothing of who gets what: the two are hashed with different seeds.
    expect(Math.abs(half / (USERS / 2) - weight / 1000)).toBeLessThan(0.01);
    for (const id of some) expect(variantOf(variants, "NEW_EDITOR", id)?.name).toBe(name);
  }
});
