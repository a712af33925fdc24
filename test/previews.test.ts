/** A preview is kept: what it says would change is what changes. */
import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase, type TestUser } from "./support/harness.ts";
import {
  type Json,
  percentage,
  schemaOf,
  valueOf,
  valueType,
  type ValueType,
  type Variant,
  variantsOf,
} from "./support/json.ts";

type Row = { value: Json; isActive: boolean };
type Lockable = Row & { isEnforced: boolean };
type Person = { plan: number; team: number | null; isMember: boolean; own: Row | null };
type World = {
  type: ValueType;
  defaultValue: Json;
  global: (Lockable & { rollout: number; variants: Variant[] | null }) | null;
  plans: (Lockable | null)[];
  teams: (Lockable | null)[];
  people: Person[];
};
/** What an administrator asks about. */
type Wish = {
  layer: "global" | "plan" | "team";
  scope: number;
  /** What is undefined is not mentioned; null is JSON's. */
  value: Json | undefined;
  isEnforced: boolean | undefined;
  isActive: boolean | undefined;
  rollout: number | undefined;
};
type Outcome = { refusal: string } | { changes: string[] };

const KEY = "PREVIEWED";
const PEOPLE = 12;
const PLANS = ["bootstrapper", "scaler"];
const TEAMS = ["00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"];

let database: TestDatabase;
let client: pg.Client;
let admin: TestUser;
let ids: string[];

beforeAll(async () => {
  database = await createTestDatabase();
  admin = await database.createUser("admin@example.com", { admin: true });
  client = new pg.Client(database.ownerUrl);
  await client.connect();
  await client.query("insert into attune.plans (name, title) values ($1, 'Scaler')", [PLANS[1]]);
  await client.query("insert into attune.teams (id, name) select id, 'Team' from unnest($1::uuid[]) as id", [TEAMS]);
  const { rows } = await client.query<{ id: string }>(
    "insert into attune.users (email) select 'user' || n || '@example.com' from generate_series(1, $1::integer) as n returning id",
    [PEOPLE],
  );
  ids = rows.map(({ id }) => id);
});

afterAll(async () => {
  await client.end();
  await database.close();
});

const world = ({ type }: { type: ValueType }): fc.Arbitrary<World> => {
  const row = { value: valueOf(type, false), isActive: fc.boolean() };
  const isRare = fc.integer({ min: 0, max: 3 }).map((n) => n === 3);
  const lockables = fc.array(fc.option(fc.record({ ...row, isEnforced: isRare })), { minLength: 2, maxLength: 2 });
  const person = fc.record({
    plan: fc.nat(PLANS.length - 1),
    team: fc.option(fc.nat(TEAMS.length - 1), { freq: 3 }),
    isMember: fc.boolean(),
    own: fc.option(fc.record(row), { freq: 1 }),
  });
  return fc.record({
    type: fc.constant(type),
    defaultValue: valueOf(type, false),
    global: fc.option(
      fc.record({ ...row, isEnforced: isRare, rollout: percentage, variants: fc.option(variantsOf(type)) }),
    ),
    plans: lockables,
    teams: lockables,
    people: fc.array(person, { minLength: PEOPLE, maxLength: PEOPLE }),
  });
};

const mentioned = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(of, { nil: undefined, freq: 2 });

const wish = ({ type }: { type: ValueType }): fc.Arbitrary<Wish> =>
  fc.record({
    layer: fc.constantFrom("global" as const, "global" as const, "plan" as const, "team" as const),
    scope: fc.nat(1),
    // Now and then one that the schema does not allow.
    value: mentioned(
      fc.oneof(
        { weight: 9, arbitrary: valueOf(type, true) },
        { weight: 1, arbitrary: fc.constant<Json>("no such value") },
      ),
    ),
    isEnforced: mentioned(fc.boolean()),
    isActive: mentioned(fc.boolean()),
    rollout: mentioned(fc.oneof({ weight: 9, arbitrary: percentage }, { weight: 1, arbitrary: fc.constant(101) })),
  });

async function store({ type, defaultValue, global, plans, teams, people }: World): Promise<void> {
  const json = (value: Json): string => JSON.stringify(value);
  await client.query(
    "insert into attune.setting_definitions (key, category, schema, default_value) values ($1, 'preview', $2, $3)",
    [KEY, json(schemaOf(type)), json(defaultValue)],
  );
  if (global) {
    await client.query(
      "insert into attune.global_settings (key, value, is_active, is_enforced, rollout_percentage, variants) values ($1, $2, $3, $4, $5, $6)",
      [
        KEY,
        json(global.value),
        global.isActive,
        global.isEnforced,
        global.rollout,
        global.variants && json(global.variants),
      ],
    );
  }
  for (const [table, column, scopes, rows] of [
    ["plan_settings", "plan", PLANS, plans],
    ["team_settings", "team_id", TEAMS, teams],
  ] as const) {
    for (const [n, row] of rows.entries()) {
      if (row === null) continue;
      await client.query(
        `insert into attune.${table} (${column}, key, value, is_active, is_enforced) values ($1, $2, $3, $4, $5)`,
        [scopes[n], KEY, json(row.value), row.isActive, row.isEnforced],
      );
    }
  }
  await client.query(
    `with given as (
       select * from unnest($1::uuid[], $2::text[], $3::uuid[], $4::boolean[], $5::jsonb[], $6::boolean[])
         as p (id, plan, team_id, is_member, value, is_active)
     ),
     members as (
       insert into attune.team_members (user_id, team_id) select g.id, g.team_id from given as g where g.is_member and g.team_id is not null
     ),
     own as (
       insert into attune.user_preferences (user_id, key, value, is_active)
       select g.id, $7, g.value, g.is_active from given as g where g.is_active is not null
     )
     update attune.users as u set plan = g.plan, current_team_id = g.team_id from given as g where g.id = u.id`,
    [
      ids,
      people.map(({ plan }) => PLANS[plan]),
      people.map(({ team }) => (team === null ? null : TEAMS[team])),
      people.map(({ isMember }) => isMember),
      people.map(({ own }) => own && json(own.value)),
      people.map(({ own }) => own && own.isActive),
      KEY,
    ],
  );
}

/** What applies to everybody, the administrator too, by user. */
async function applied(): Promise<Map<string, string>> {
  const { rows } = await client.query<{ id: string; value: string }>(
    "select u.id, e.value::text as value from attune.users as u cross join lateral attune.effective_settings_for(u.id, 'preview') as e",
  );
  return new Map(rows.map(({ id, value }) => [id, value]));
}

/** How many see another value, from what to what, a line each. */
function changesBetween(before: Map<string, string>, after: Map<string, string>): string[] {
  const users = new Map<string, number>();
  for (const [id, value] of before) {
    const now = after.get(id) ?? "";
    if (now !== value) users.set(`${value} > ${now}`, (users.get(`${value} > ${now}`) ?? 0) + 1);
  }
  return [...users].map(([change, n]) => `${n}: ${change}`).toSorted();
}

/** Calls `<verb>_<layer>_setting` as the administrator; what is refused is taken back. */
async function call(
  verb: "set" | "preview",
  what: string,
  { layer, scope, value, isEnforced, isActive, rollout }: Wish,
): Promise<string[] | string> {
  const given = Object.entries({
    ...(layer === "plan" ? { plan: PLANS[scope] } : layer === "team" ? { team_id: TEAMS[scope] } : {}),
    key: KEY,
    value: value === undefined ? undefined : JSON.stringify(value),
    is_enforced: isEnforced,
    is_active: isActive,
    rollout_percentage: layer === "global" ? rollout : undefined,
  }).filter(([, argument]) => argument !== undefined);
  await client.query("savepoint call");
  try {
    const { rows } = await client.query<{ told: string }>(
      `select ${what} as told
       from attune.${verb}_${layer}_setting(${given.map(([name], n) => `${name} => $${n + 1}`).join(", ")})`,
      given.map(([, argument]) => argument),
    );
    return rows.map(({ told }) => told);
  } catch (error: unknown) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    await client.query("rollback to call");
    return `${error.code} ${error.detail}: ${error.message}`;
  }
}

async function preview(of: Wish): Promise<Outcome> {
  const told = await call("preview", "format('%s: %s > %s', users, previous_value, new_value)", of);
  return typeof told === "string" ? { refusal: told } : { changes: told.toSorted() };
}

async function reality(of: Wish): Promise<Outcome> {
  const before = await applied();
  const result = await call("set", "key", of);
  return typeof result === "string" ? { refusal: result } : { changes: changesBetween(before, await applied()) };
}

const logged = async (): Promise<number> =>
  (await client.query("select from attune.configuration_audit_log")).rowCount ?? 0;

test("what a preview says of everybody, a plan or a team is what happens when it is then set", async () => {
  const seen = { refused: 0, changed: 0, unchanged: 0 };
  await fc.assert(
    fc.asyncProperty(
      valueType.chain((type) => fc.tuple(world({ type }), fc.array(wish({ type }), { minLength: 2, maxLength: 4 }))),
      async ([present, wishes]) => {
        await client.query("begin");
        try {
          await store(present);
          await client.query("select set_config('request.jwt.claims', $1, true)", [
            JSON.stringify({ sub: admin.id, role: "authenticated" }),
          ]);
          // One after the other, so that each but the first finds what the others have left.
          for (const each of wishes) {
            const before = [await applied(), await logged()];
            const said = await preview(each);
            expect([await applied(), await logged()]).toEqual(before);
            expect(await reality(each)).toEqual(said);
            if ("refusal" in said) seen.refused++;
            else if (said.changes.length > 0) seen.changed++;
            else seen.unchanged++;
          }
        } finally {
          await client.query("rollback");
        }
      },
    ),
    { numRuns: 60 },
  );
  for (const times of Object.values(seen)) expect(times).toBeGreaterThan(10);
});
