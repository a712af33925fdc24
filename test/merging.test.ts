/** The law of merging: whatever is written, in whatever order, what applies satisfies its schema, and nobody is kept out. */
import { Ajv2020, type Schema, type ValidateFunction } from "ajv/dist/2020.js";
import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "./support/harness.ts";
import { isObject, type Json, percentage } from "./support/json.ts";
import { type Merge, mergeLayers, type Seeding } from "./support/layers.ts";
import { likelyPatch, likelyValue, randomSchema, variationOf } from "./support/random-schemas.ts";

/** One statement, and who asks: a user by number, an administrator, or the owner of the database. */
type Step = { kind: string; who: number | "admin" | "owner"; sql: string };
type Definition = {
  schema: Json;
  changes: { schema: Json; defaultValue: Json }[];
  defaultValue: Json;
  merge: Merge | null;
  seeding: Seeding;
  layer: "user" | "project";
  writableBy: "user" | "admin";
};
/** What applies to one user, in the project or outside: by which layers, broad to narrow. */
type Applied = {
  key: string;
  value: Json;
  layer: string;
  schema: Schema;
  merge: Merge;
  seeding: Seeding;
  default_value: Json;
  layers: { layer: string; value: Json }[];
};
/** What became of a step: `ok`, or SQLSTATE, reason and message. */
type Outcome = { code: string; reason: string; message: string };

/** How many cases; MERGING_CASES=100000 with another FAST_CHECK_SEED tries more of them. */
const CASES = Number(process.env["MERGING_CASES"] ?? 300);
const USERS = 3;
const PLANS = ["bootstrapper", "scaler"];
const TEAM = "00000000-0000-4000-8000-000000000001";
const PROJECT = "00000000-0000-4000-8000-0000000000aa";
const KEY = "LAW";

const ajv = new Ajv2020({ strict: false, validateFormats: false });
let database: TestDatabase;
let client: pg.Client;
let ids: string[];
let admin: string;

beforeAll(async () => {
  database = await createTestDatabase();
  client = new pg.Client(database.ownerUrl);
  await client.connect();
  ids = await Promise.all(
    Array.from({ length: USERS }, async (_, n) => (await database.createUser(`law${n}@example.com`)).id),
  );
  admin = (await database.createUser("admin@example.com", { admin: true })).id;
  await client.query("insert into attune.plans (name, title) values ($1, 'Scaler')", [PLANS[1]]);
  await client.query("insert into attune.teams (id, name) values ($1, 'Team')", [TEAM]);
  await client.query("insert into attune.team_members (user_id, team_id) select id, $2 from unnest($1::uuid[]) as id", [
    ids,
    TEAM,
  ]);
  await client.query("update attune.users set current_team_id = $2 where id = any ($1)", [ids, TEAM]);
  await client.query("insert into attune.projects (id, name) values ($1, 'Project')", [PROJECT]);
  await client.query(
    "insert into attune.project_members (user_id, project_id) select id, $2 from unnest($1::uuid[]) as id",
    [ids, PROJECT],
  );
  // What is not looked at need not be copied and resolved a thousand times.
  for (const table of ["setting_templates", "notification_categories", "user_preferences", "setting_definitions"])
    await client.query(`delete from attune.${table}`);
  await client.query("set statement_timeout = '20s'");
  await client.query(`
    -- Does the steps one after the other, each as who asks; what is refused is taken back.
    create function pg_temp.attempt(steps jsonb) returns jsonb language plpgsql as $$
    declare
      step jsonb;
      outcomes jsonb[] := '{}';
      reason text;
    begin
      for step in select s.item from jsonb_array_elements(steps) as s (item) loop
        begin
          perform set_config('request.jwt.claims', coalesce(step ->> 'claims', ''), true);
          perform set_config('role', step ->> 'role', true);
          execute step ->> 'sql';
          outcomes := outcomes || '{"code": "ok", "reason": "", "message": ""}'::jsonb;
        exception when others then
          get stacked diagnostics reason = pg_exception_detail;
          outcomes := outcomes || jsonb_build_object('code', sqlstate, 'reason', reason, 'message', sqlerrm);
        end;
        perform set_config('role', 'none', true), set_config('request.jwt.claims', '', true);
      end loop;
      return to_jsonb(outcomes);
    end;
    $$;
    -- What applies to anybody: to users and to nobody, in the project and outside.
    create function pg_temp.applied() returns jsonb language sql as $$
      select jsonb_agg(distinct jsonb_build_object(
        'key', d.key, 'value', r.value, 'layer', r.layer, 'schema', d.schema, 'merge', d.merge, 'seeding', d.seeding,
        'default_value', d.default_value,
        'layers', coalesce((
          select jsonb_agg(jsonb_build_object('layer', j.layer, 'value', j.value) order by j.layer)
          from attune_private.judged_settings(u.id, p.id) as j
          where j.key = d.key and j.counts
        ), '[]')
      ))
      from (select id from attune.users union all select null) as u
      cross join (values (null::uuid), ('${PROJECT}')) as p (id)
      cross join lateral attune_private.resolve_settings(u.id, false, 'admin', p.id) as r
      join attune.setting_definitions as d on d.key = r.key
      where d.key = '${KEY}'
    $$;`);
});

afterAll(async () => {
  await client.end();
  await database.close();
});

const json = (value: Json): string => `'${JSON.stringify(value).replaceAll("'", "''")}'::jsonb`;
const orNull = (value: Json | undefined): string => (value === undefined ? "null" : json(value));
const asNamed = (given: Record<string, string | null>): string =>
  Object.entries(given)
    .flatMap(([parameter, value]) => (value === null ? [] : [`${parameter} => ${value}`]))
    .join(", ");

const user = fc.nat(USERS - 1);
const plan = fc.constantFrom("bootstrapper", "bootstrapper", ...PLANS);
const whole = fc.constantFrom(null, null, "true", "false");
/** Mostly as it is, rarely one way, sometimes back again. */
const rarely = (flag: string, back: string): fc.Arbitrary<string | null> =>
  fc.oneof(
    { weight: 8, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.constant(flag) },
    { weight: 2, arbitrary: fc.constant(back) },
  );
const rollout = fc.option(percentage.map(String), { freq: 1 });
const inProject = fc.constantFrom(null, null, `'${PROJECT}'`);

const definition: fc.Arbitrary<Definition> = randomSchema.chain((schema) =>
  fc.record({
    schema: fc.constant(schema),
    changes: fc.array(
      variationOf(schema).chain((other) =>
        fc.record({ schema: fc.constant(other), defaultValue: fc.oneof(fc.constant(null), likelyValue(other)) }),
      ),
      { minLength: 1, maxLength: 2 },
    ),
    defaultValue: fc.oneof(
      { weight: 1, arbitrary: fc.constant(null) },
      { weight: 4, arbitrary: likelyValue(schema).map((value) => (isValid(schema, value) ? value : null)) },
    ),
    merge: fc.constantFrom<(Merge | null)[]>(null, null, "replace", "deep"),
    seeding: fc.constantFrom<Seeding[]>("inherit", "inherit", "copy"),
    layer: fc.constantFrom("project" as const, "project" as const, "user" as const),
    writableBy: fc.constantFrom("user" as const, "user" as const, "user" as const, "admin" as const),
  }),
);

/** JSON with the members of objects in order: PostgreSQL has an order of its own. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, each: Json) =>
    isObject(each) ? Object.fromEntries(Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1))) : each,
  );

/** The validators of schemas that were just asked about. */
const validators = new Map<string, ValidateFunction>();
function isValid(schema: Json | Schema, value: Json): boolean {
  const text = canonical(schema);
  let validate = validators.get(text);
  if (validate === undefined) {
    validate = ajv.compile(JSON.parse(text));
    // Ajv keeps what it compiled, by the schema itself.
    ajv.removeSchema();
    if (validators.size > 1000) validators.clear();
    validators.set(text, validate);
  }
  return validate(value);
}

/** Every way of writing there is, for one setting. */
function stepFor(key: string, of: Definition): fc.Arbitrary<Step> {
  const value = fc.oneof(likelyValue(of.schema), likelyPatch(of.schema), likelyPatch(of.schema));
  const variants = fc
    .array(fc.tuple(fc.integer({ min: 1, max: 3 }), value), { minLength: 1, maxLength: 3 })
    .map((parts) => parts.map(([weight, each], n) => ({ name: `v${n}`, weight, value: each })));
  const maybe = fc.option(value, { freq: 4, nil: undefined });
  const by =
    (kind: string, who: Step["who"] | ((n: number) => Step["who"])) =>
    (sql: string): Step => ({ kind, who: typeof who === "function" ? who(0) : who, sql });
  const byUser = (kind: string, sql: fc.Arbitrary<string>): fc.Arbitrary<Step> =>
    fc.tuple(user, sql).map(([who, text]) => ({ kind, who, sql: text }));
  const byAdmin = (kind: string, sql: fc.Arbitrary<string>): fc.Arbitrary<Step> => sql.map(by(kind, "admin"));
  const row = (table: string, scope: Record<string, string>, each: Json): string => {
    const columns = { ...scope, key: `'${key}'`, value: json(each) };
    return `insert into attune.${table} (${Object.keys(columns).join(", ")}) values (${Object.values(columns).join(", ")})
      on conflict on constraint ${table}_pkey do update set value = excluded.value`;
  };
  const locks = { is_enforced: rarely("true", "false"), is_active: rarely("false", "true"), is_whole: whole };

  return fc.oneof(
    {
      weight: 5,
      arbitrary: byUser(
        "set_preference",
        fc
          .tuple(value, inProject, whole)
          .map(
            ([each, project_id, is_whole]) =>
              `select attune.set_preference(${asNamed({ key: `'${key}'`, value: json(each), project_id, is_whole })})`,
          ),
      ),
    },
    {
      weight: 1,
      arbitrary: byUser(
        "set_preferences",
        fc
          .tuple(value, inProject)
          .map(
            ([each, project_id]) =>
              `select attune.set_preferences(${asNamed({ patch: json({ [key]: each }), project_id })})`,
          ),
      ),
    },
    {
      weight: 1,
      arbitrary: byUser(
        "set_setting",
        value.map((each) => `select attune.set_setting('${key}', ${json(each)})`),
      ),
    },
    {
      weight: 2,
      arbitrary: byAdmin(
        "set_user_setting",
        fc
          .tuple(user, value, whole)
          .map(
            ([n, each, is_whole]) =>
              `select attune.set_user_setting(${asNamed({ user_id: `'${ids[n]}'`, key: `'${key}'`, value: json(each), is_whole })})`,
          ),
      ),
    },
    {
      weight: 4,
      arbitrary: byAdmin(
        "set_global_setting",
        fc
          .tuple(maybe, rollout, fc.record(locks))
          .map(
            ([each, rollout_percentage, rest]) =>
              `select attune.set_global_setting(${asNamed({ key: `'${key}'`, value: orNull(each), rollout_percentage, ...rest })})`,
          ),
      ),
    },
    {
      weight: 2,
      arbitrary: byAdmin(
        "set_global_variants",
        fc.option(variants, { freq: 5 }).map((each) => `select attune.set_global_variants('${key}', ${json(each)})`),
      ),
    },
    {
      weight: 3,
      arbitrary: byAdmin(
        "set_plan_setting",
        fc
          .tuple(plan, maybe, fc.record(locks))
          .map(
            ([name, each, rest]) =>
              `select attune.set_plan_setting(${asNamed({ plan: `'${name}'`, key: `'${key}'`, value: orNull(each), ...rest })})`,
          ),
      ),
    },
    {
      weight: 3,
      arbitrary: byAdmin(
        "set_team_setting",
        fc
          .tuple(maybe, fc.record(locks))
          .map(
            ([each, rest]) =>
              `select attune.set_team_setting(${asNamed({ team_id: `'${TEAM}'`, key: `'${key}'`, value: orNull(each), ...rest })})`,
          ),
      ),
    },
    {
      weight: 2,
      arbitrary: byUser(
        "import_preferences",
        fc.tuple(value, fc.boolean(), fc.constantFrom("merge", "replace")).map(([each, isProjects, mode]) => {
          const entries = { [key]: { value: each } };
          const document: Json = isProjects ? { projects: { [PROJECT]: entries } } : { preferences: entries };
          return `select attune.import_preferences(${json(document)}, '${mode}')`;
        }),
      ),
    },
    {
      weight: 2,
      arbitrary: byAdmin(
        "import_configuration",
        fc
          .tuple(
            maybe,
            fc.option(variants, { nil: undefined }),
            fc.constantFrom(...PLANS, null),
            fc.constantFrom("merge", "replace"),
          )
          .map(([each, split, name, mode]) => {
            const entry: Json = {
              ...(each === undefined ? {} : { value: each }),
              ...(split === undefined || name !== null ? {} : { variants: split }),
            };
            const document: Json =
              name === null ? { global: { [key]: entry } } : { plans: { [name]: { [key]: entry } } };
            return `select attune.import_configuration(${json(document)}, '${mode}')`;
          }),
      ),
    },
    {
      weight: 2,
      arbitrary: byAdmin(
        "setting_templates",
        fc.tuple(fc.option(plan), value).map(
          ([name, each]) =>
            `insert into attune.setting_templates (name, title, "values", plan)
               values ('law', 'Law', ${json({ [key]: each })}, ${name === null ? "null" : `'${name}'`})
               on conflict (name) do update set "values" = excluded."values", plan = excluded.plan`,
        ),
      ),
    },
    {
      weight: 3,
      arbitrary: byUser(
        "apply_template",
        fc.constantFrom("merge", "replace").map((mode) => `select attune.apply_template('law', '${mode}')`),
      ),
    },
    {
      weight: 2,
      arbitrary: fc.tuple(user, value, fc.boolean()).map(([n, each, isIn]) => ({
        kind: "preferences, as tables",
        who: n,
        sql: row(
          isIn ? "project_preferences" : "user_preferences",
          { user_id: `'${ids[n]}'`, ...(isIn ? { project_id: `'${PROJECT}'` } : {}) },
          each,
        ),
      })),
    },
    {
      weight: 1,
      arbitrary: byAdmin(
        "layers, as tables",
        fc
          .tuple(
            fc.constantFrom<[string, Record<string, string>][]>(
              ["global_settings", {}],
              ["plan_settings", { plan: "'bootstrapper'" }],
              ["team_settings", { team_id: `'${TEAM}'` }],
            ),
            value,
          )
          .map(([[table, scope], each]) => row(table, scope, each)),
      ),
    },
    {
      weight: 1,
      arbitrary: byAdmin(
        "switches, as tables",
        fc
          .tuple(
            fc.constantFrom("global_settings", "plan_settings", "team_settings"),
            fc.constantFrom("is_active = not is_active", "is_enforced = not is_enforced"),
          )
          .map(([table, change]) => `update attune.${table} set ${change} where key = '${key}'`),
      ),
    },
    {
      weight: 1,
      arbitrary: byUser(
        "resets by users",
        fc.constantFrom(
          `select attune.reset_preference('${key}')`,
          `select attune.reset_preference('${key}', '${PROJECT}')`,
          "select attune.reset_preferences('law')",
          `update attune.user_preferences set is_active = false where key = '${key}'`,
        ),
      ),
    },
    {
      weight: 1,
      arbitrary: byAdmin(
        "resets by administrators",
        fc.constantFrom(
          `select attune.reset_global_setting('${key}')`,
          `select attune.reset_plan_setting('bootstrapper', '${key}')`,
          `select attune.reset_team_setting('${TEAM}', '${key}')`,
        ),
      ),
    },
    {
      weight: 4,
      arbitrary: byAdmin(
        "setting_definitions",
        fc
          .oneof(
            fc.constantFrom("merge = 'deep'", "merge = 'replace'", "merge = null"),
            fc.constantFrom("seeding = 'copy'", "seeding = 'inherit'", "layer = 'user'", "layer = 'project'"),
            likelyValue(of.schema).map((each) => `default_value = ${json(each)}`),
            fc.constantFrom(...of.changes).map((change) => `schema = ${json(change.schema)}`),
            fc
              .constantFrom(...of.changes)
              .map((change) => `schema = ${json(change.schema)}, default_value = ${json(change.defaultValue)}`),
          )
          .map((change) => `update attune.setting_definitions set ${change} where key = '${key}'`),
      ),
    },
    { weight: 1, arbitrary: byAdmin("seed_existing_users", fc.constant("select attune.seed_existing_users(2)")) },
    {
      weight: 1,
      arbitrary: fc.constantFrom<Step[]>({ kind: "sign_up", who: "owner", sql: SIGN_UP }),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(user, plan, fc.boolean()).map(([n, name, isIn]) => ({
        kind: "plan and team",
        who: "owner" as const,
        sql: `update attune.users set plan = '${name}', current_team_id = ${isIn ? `'${TEAM}'` : "null"} where id = '${ids[n]}'`,
      })),
    },
  );
}

const SIGN_UP = "select attune_private.ensure_user(gen_random_uuid() || '@example.com')";

const scenario = definition.chain((of) =>
  fc.record({ of: fc.constant(of), steps: fc.array(stepFor(KEY, of), { minLength: 4, maxLength: 24, size: "max" }) }),
);

/** The definition; where its merging is refused, without. */
const defining = (of: Definition): Step[] =>
  [of.merge, null].map((merge, n) => ({
    kind: n === 0 ? "definition, as asked for" : "definition",
    who: "owner",
    sql: `insert into attune.setting_definitions (key, category, schema, default_value, merge, seeding, layer, writable_by)
      values ('${KEY}', 'law', ${json(of.schema)}, ${json(of.defaultValue)}, ${merge === null ? "null" : `'${merge}'`},
        '${of.seeding}', '${of.layer}', '${of.writableBy}')
      on conflict (key) do nothing`,
  }));

function asRequest({ who, sql }: Step): Record<string, string> {
  if (who === "owner") return { role: "none", sql };
  const sub = who === "admin" ? admin : (ids[who] ?? "");
  return { role: "authenticated", claims: JSON.stringify({ sub, role: "authenticated" }), sql };
}

async function attempt(steps: Step[]): Promise<Outcome[]> {
  const { rows } = await client.query<{ outcomes: Outcome[] }>("select pg_temp.attempt($1) as outcomes", [
    JSON.stringify(steps.map(asRequest)),
  ]);
  return rows[0]?.outcomes ?? [];
}

/** What each case ends with. */
const LAST: Step[] = [
  { kind: "seed_existing_users", who: "admin", sql: "select attune.seed_existing_users(2)" },
  { kind: "sign_up", who: "owner", sql: SIGN_UP },
];
const MUST_PASS = new Set(["definition", "seed_existing_users", "sign_up", "plan and team"]);

test(
  "no sequence of accepted writes makes a value apply that its schema refuses, or keeps anybody from signing up",
  async () => {
    const accepted = new Map<string, number>();
    const seen = { deep: 0, replace: 0, merged: 0, copied: 0, "refused mergings": 0 };
    const count = (kind: string): unknown => accepted.set(kind, (accepted.get(kind) ?? 0) + 1);

    await fc.assert(
      fc.asyncProperty(scenario, async ({ of, steps }) => {
        await client.query("begin");
        try {
          const done = [...defining(of), ...steps, ...LAST];
          const outcomes = await attempt(done);
          for (const [n, { code }] of outcomes.entries()) if (code === "ok") count(done[n]?.kind ?? "");
          if (outcomes[0]?.reason === "invalid_merge") seen["refused mergings"]++;
          // Whatever is refused is refused on purpose, and some things never are.
          expect(
            outcomes
              .map((outcome, n) => ({ ...outcome, step: done[n] }))
              .filter(
                ({ code, step }) => code !== "ok" && (!/^(PT4..|42501)$/.test(code) || MUST_PASS.has(step?.kind ?? "")),
              ),
          ).toEqual([]);

          const { rows } = await client.query<{ applied: Applied[] }>("select pg_temp.applied() as applied");
          const applied = rows[0]?.applied ?? [];
          const isNotSet = ({ layer, value }: Applied): boolean => layer === "default" && value === null;
          expect(applied.filter((each) => !isNotSet(each) && !isValid(each.schema, each.value))).toEqual([]);
          expect(applied.map(({ value }) => value)).toEqual(
            applied.map((each) => mergeLayers(each.merge, each.seeding, each.default_value, each.layers)),
          );

          for (const { merge, seeding, layers } of applied) {
            seen[merge]++;
            if (merge === "deep" && layers.filter(({ value }) => isObject(value)).length > 1) seen.merged++;
            if (seeding === "copy" && layers.some(({ layer }) => layer === "user")) seen.copied++;
          }
        } finally {
          await client.query("rollback");
        }
      }),
      { numRuns: CASES },
    );

    // The control: everything has happened, and often.
    expect([...accepted].filter(([, times]) => times < CASES / 50)).toEqual([]);
    expect(Object.entries(seen).filter(([, times]) => times < CASES / 50)).toEqual([]);
    expect(accepted.size).toBe(23);
  },
  60_000 + CASES * 300,
);
