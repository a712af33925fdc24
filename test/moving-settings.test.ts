/** The laws of export and import: the way there and back changes nothing, and a document is taken as a whole or not at all. */
import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "./support/harness.ts";
import {
  isObject,
  type Json,
  mergePatch,
  percentage,
  schemaOf,
  type ValueType,
  valueOf,
  variantsOf,
} from "./support/json.ts";

type Entry = { value: Json; is_active: boolean };
type Entries = { [key: string]: Entry };
type Preferences = { preferences: Entries; projects: { [project: string]: Entries } };
type GlobalEntry = Entry & { is_enforced: boolean; rollout_percentage: number; variants: Json };
type Configuration = {
  global: { [key: string]: GlobalEntry };
  plans: { [plan: string]: { [key: string]: Entry & { is_enforced: boolean } } };
};
type Mode = "merge" | "replace";
type Change = { scope: string | null; key: string; action: string; previous_value: Json; new_value: Json };

const TYPES: { [key: string]: ValueType } = {
  MOVE_FLAG: "boolean",
  MOVE_NUMBER: "integer",
  MOVE_OBJECT: "object",
  MOVE_OTHER: "object",
  MOVE_ANY: "any",
};
/** What holds whole values, so that they may have members that are null. */
const WHOLE = "MOVE_ANY";
const typeOf = (key: string): ValueType => TYPES[key] ?? "any";
const DEFAULTS: { [type in ValueType]: Json } = {
  boolean: false,
  integer: 0,
  object: { a: 1, b: { c: 2 } },
  any: { a: [] },
};
const KEYS = Object.keys(TYPES);
const PLANS = ["bootstrapper", "scaler"];
const USER = "00000000-0000-4000-8000-0000000000cc";
const PROJECTS = ["00000000-0000-4000-8000-0000000000aa", "00000000-0000-4000-8000-0000000000bb"];

type Place = { database: TestDatabase; client: pg.Client };
let staging: Place;
let production: Place;

async function open(): Promise<Place> {
  const database = await createTestDatabase();
  const client = new pg.Client(database.ownerUrl);
  await client.connect();
  await client.query("insert into attune.plans (name, title) values ($1, 'Scaler')", [PLANS[1]]);
  await client.query("insert into attune.users (id, email) values ($1, 'mover@example.com')", [USER]);
  await client.query("insert into attune.projects (id, name) select id, 'Project' from unnest($1::uuid[]) as id", [
    PROJECTS,
  ]);
  await client.query(
    "insert into attune.project_members (user_id, project_id) select $2, id from unnest($1::uuid[]) as id",
    [PROJECTS, USER],
  );
  await client.query("delete from attune.user_preferences");
  await client.query(
    `insert into attune.setting_definitions (key, category, layer, schema, default_value, merge)
     select
       d ->> 'key', 'moving', 'project', d -> 'schema', d -> 'default',
       case d ->> 'key' when $2 then 'replace' end::attune.setting_merge
     from jsonb_array_elements($1) as d`,
    [
      JSON.stringify(KEYS.map((key) => ({ key, schema: schemaOf(typeOf(key)), default: DEFAULTS[typeOf(key)] }))),
      WHOLE,
    ],
  );
  await client.query(`
    insert into attune.setting_definitions (key, category, layer, schema, default_value, writable_by)
    values
      ('MOVE_BETA', 'moving', 'user', '{"type": "boolean"}', 'false', 'admin'),
      ('MOVE_GLOBAL', 'moving', 'global', '{"type": "boolean"}', 'false', 'user'),
      ('MOVE_PLACE', 'moving', 'user', '{"properties": {"zone": {"x-time-zone": true}}}', '{}', 'user'),
      ('MOVE_LINK', 'moving', 'user', '{"x-no-secrets": true}', '""', 'user')`);
  await client.query("insert into attune.user_preferences (user_id, key, value) values ($1, 'MOVE_BETA', 'true')", [
    USER,
  ]);
  return { database, client };
}

beforeAll(async () => {
  [staging, production] = await Promise.all([open(), open()]);
});

afterAll(async () => {
  for (const place of [staging, production]) {
    await place.client.end();
    await place.database.close();
  }
});

/** Runs in a transaction that is taken back. */
async function undone<T>(clients: pg.Client[], work: () => Promise<T>): Promise<T> {
  for (const client of clients) await client.query("begin");
  try {
    return await work();
  } finally {
    for (const client of clients) await client.query("rollback");
  }
}

async function one<T>(client: pg.Client, sql: string, params: unknown[] = []): Promise<T> {
  const { rows } = await client.query<{ value: T }>(sql, params);
  if (rows[0] === undefined) throw new Error("no row");
  return rows[0].value;
}

const signIn = (client: pg.Client): Promise<unknown> =>
  client.query("select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)", [
    JSON.stringify({ sub: USER, role: "authenticated" }),
  ]);

const exportPreferences = (client: pg.Client): Promise<Preferences> =>
  one(client, "select attune.export_preferences() as value");
const exportConfiguration = (client: pg.Client): Promise<Configuration> =>
  one(client, "select attune.export_configuration() as value");

async function importInto(
  client: pg.Client,
  what: "preferences" | "configuration",
  document: unknown,
  mode: Mode,
  dryRun = false,
): Promise<Change[]> {
  const { rows } = await client.query<Change>(
    `select scope, key, action, previous_value, new_value from attune.import_${what}($1, $2, $3)`,
    [JSON.stringify(document), mode, dryRun],
  );
  return rows;
}

const differing = (changes: Change[]): Change[] => changes.filter(({ action }) => action !== "unchanged");

/** A value as a layer holds it. */
const heldValue = (key: string): fc.Arbitrary<Json> => valueOf(typeOf(key), key === WHOLE);
/** A value as a document may have it that is merged. */
const patchValue = (key: string): fc.Arbitrary<Json> => valueOf(typeOf(key), true);

const entries = (value: typeof heldValue, keys: string[] = KEYS): fc.Arbitrary<Entries> =>
  fc
    .record(Object.fromEntries(keys.map((key) => [key, fc.record({ value: value(key), is_active: fc.boolean() })])), {
      requiredKeys: [],
      noNullPrototype: true,
    })
    // A member of a record that is left out is absent, and never undefined.
    .map((of) => of as Entries);

const preferencesOf = (value: typeof heldValue): fc.Arbitrary<Preferences> =>
  fc.record({
    preferences: entries(value),
    projects: fc
      .record(
        Object.fromEntries(PROJECTS.map((project) => [project, entries(value, ["MOVE_NUMBER", "MOVE_OBJECT"])])),
        { requiredKeys: [], noNullPrototype: true },
      )
      .map((of) =>
        Object.fromEntries(
          Object.entries(of as Preferences["projects"]).filter(([, held]) => Object.keys(held).length > 0),
        ),
      ),
  });
const preferences = preferencesOf(heldValue);
const mode = fc.constantFrom<Mode[]>("merge", "replace");
/** What is to be imported, and how. */
const wish = mode.chain((how) => fc.tuple(preferencesOf(how === "merge" ? patchValue : heldValue), fc.constant(how)));

/** What the user holds, by scope (a project, or '') and key. */
const flatten = ({ preferences: own, projects }: Preferences): Map<string, Entry> =>
  new Map(
    Object.entries({ "": own, ...projects }).flatMap(([scope, held]) =>
      Object.entries(held).map(([key, entry]) => [`${scope} ${key}`, entry] as const),
    ),
  );

async function storePreferences(client: pg.Client, held: Preferences): Promise<void> {
  await client.query(
    `insert into attune.user_preferences (user_id, key, value, is_active)
     select $2, e.key, e.value -> 'value', (e.value -> 'is_active')::boolean from jsonb_each($1) as e`,
    [JSON.stringify(held.preferences), USER],
  );
  await client.query(
    `insert into attune.project_preferences (user_id, project_id, key, value, is_active)
     select $2, p.key::uuid, e.key, e.value -> 'value', (e.value -> 'is_active')::boolean
     from jsonb_each($1) as p cross join jsonb_each(p.value) as e`,
    [JSON.stringify(held.projects), USER],
  );
}

/** Where the rows are and how long the log is: the same only if nothing was written. */
const footprint = (client: pg.Client): Promise<Json> =>
  one(
    client,
    `select jsonb_build_array(
       (select jsonb_agg(array[p.ctid::text, p.xmin::text, p.key] order by p.key) from attune.user_preferences as p),
       (select jsonb_agg(array[p.ctid::text, p.xmin::text, p.key] order by p.project_id, p.key) from attune.project_preferences as p),
       (select jsonb_agg(array[g.ctid::text, g.xmin::text, g.key] order by g.key) from attune.global_settings as g),
       (select jsonb_agg(array[g.ctid::text, g.xmin::text, g.key] order by g.plan, g.key) from attune.plan_settings as g),
       (select count(*) from attune.configuration_audit_log)
     ) as value`,
  );

const asOwner = async <T>(client: pg.Client, work: () => Promise<T>): Promise<T> => {
  await client.query("reset role");
  const result = await work();
  await signIn(client);
  return result;
};

/** With the members of objects in order, so that equal values are written alike. */
function sorted(value: Json | undefined): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  return Object.entries(value)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, member]) => [name, sorted(member)]);
}

const same = (a: Json | undefined, b: Json | undefined): boolean =>
  JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));

test("importing one's export changes nothing, however it is imported", async () => {
  const { client } = staging;
  await fc.assert(
    fc.asyncProperty(preferences, mode, (held, how) =>
      undone([client], async () => {
        await storePreferences(client, held);
        await signIn(client);
        const exported = await exportPreferences(client);
        expect(exported).toEqual(held);
        const before = await asOwner(client, () => footprint(client));
        expect(differing(await importInto(client, "preferences", exported, how))).toEqual([]);
        expect(await asOwner(client, () => footprint(client))).toEqual(before);
      }),
    ),
    { numRuns: 60 },
  );
});

test("an import merges or replaces as a naive model does, and a dry run says the same and does nothing", async () => {
  const { client } = staging;
  await fc.assert(
    fc.asyncProperty(preferences, wish, (held, [wanted, how]) =>
      undone([client], async () => {
        const before = flatten(held);
        const after = new Map(how === "merge" ? before : []);
        for (const [place, entry] of flatten(wanted)) {
          const stored = before.get(place)?.value;
          const isWhole = how === "replace" || place.endsWith(` ${WHOLE}`) || same(stored, entry.value);
          after.set(place, {
            ...entry,
            value: isWhole ? entry.value : mergePatch(stored, entry.value),
          });
        }

        await storePreferences(client, held);
        await signIn(client);
        const planned = await importInto(client, "preferences", wanted, how, true);
        expect(await exportPreferences(client)).toEqual(held);
        const done = await importInto(client, "preferences", wanted, how);
        expect(done).toEqual(planned);
        const exported = await exportPreferences(client);
        expect(flatten(exported)).toEqual(after);

        // What it says it did is the difference.
        const told = new Map(
          done.map(({ scope, key, action, ...values }) => [`${scope ?? ""} ${key}`, { action, ...values }]),
        );
        for (const place of new Set([...before.keys(), ...after.keys()])) {
          const [old, now] = [before.get(place), after.get(place)];
          const action =
            now === undefined
              ? "removed"
              : old === undefined
                ? "added"
                : same(old.value, now.value) && old.is_active === now.is_active
                  ? "unchanged"
                  : "changed";
          const mentioned = how === "replace" || flatten(wanted).has(place);
          expect(told.get(place)).toEqual(
            mentioned ? { action, previous_value: old?.value ?? null, new_value: now?.value ?? null } : undefined,
          );
        }
        // What an administrator gave is not in it, and not for it to take.
        expect(await one(client, "select (attune.effective_setting('MOVE_BETA')).value")).toBe(true);
        // And it has arrived: a second time there is nothing to do.
        expect(differing(await importInto(client, "preferences", exported, how))).toEqual([]);
      }),
    ),
    { numRuns: 80 },
  );
});

/** The message that an import is refused with; empty when it is not. */
async function refusalOf(imported: Promise<unknown>): Promise<string> {
  try {
    await imported;
    return "";
  } catch (error: unknown) {
    if (error instanceof pg.DatabaseError && error.code === "PT422" && error.detail === "invalid_import")
      return error.message;
    throw error;
  }
}

/** What a document must not hold, and how it is called. */
const BAD: { key: string; value: Json; named: RegExp }[] = [
  { key: "NOTHING", value: 1, named: /NOTHING: there is no such setting/ },
  { key: "MOVE_FLAG", value: "yes", named: /MOVE_FLAG: must be boolean/ },
  { key: "MOVE_NUMBER", value: 1.5, named: /MOVE_NUMBER: must be integer/ },
  { key: "MOVE_OBJECT", value: [], named: /MOVE_OBJECT: must be object/ },
  { key: "MOVE_BETA", value: false, named: /MOVE_BETA: only an administrator may change it/ },
  { key: "MOVE_GLOBAL", value: true, named: /MOVE_GLOBAL: its narrowest layer is global/ },
  { key: "MOVE_OTHER", value: { a: 7 }, named: /MOVE_OTHER: it is locked by an administrator/ },
  { key: "MOVE_PLACE", value: { zone: "Mars/Olympus" }, named: /MOVE_PLACE: \/zone: is no time zone/ },
  { key: "MOVE_LINK", value: "Bearer 4f1c9a0d7e2b", named: /MOVE_LINK: looks like a secret/ },
];

test("an import is all or nothing, and names each bad key", async () => {
  const { client } = staging;
  await fc.assert(
    fc.asyncProperty(preferences, preferences, fc.subarray(BAD, { minLength: 1 }), mode, (held, wanted, bad, how) =>
      undone([client], async () => {
        await storePreferences(client, held);
        await client.query(
          `insert into attune.global_settings (key, value, is_enforced) values ('MOVE_OTHER', '{}', true)`,
        );
        const document = structuredClone(wanted);
        // It is locked, so that it may only be left as it is.
        delete document.preferences["MOVE_OTHER"];
        for (const { key, value } of bad) document.preferences[key] = { value, is_active: true };

        await signIn(client);
        const before = await asOwner(client, () => footprint(client));
        await client.query("savepoint before");
        const message = await refusalOf(importInto(client, "preferences", document, how));
        expect(BAD.filter(({ named }) => named.test(message))).toEqual(BAD.filter((each) => bad.includes(each)));
        await client.query("rollback to before");
        expect(await asOwner(client, () => footprint(client))).toEqual(before);

        // The control: without them it is taken.
        for (const { key } of bad) delete document.preferences[key];
        expect(await refusalOf(importInto(client, "preferences", document, "merge"))).toBe("");
      }),
    ),
    { numRuns: 80 },
  );
});

const dictionary = <T>(of: (key: string) => fc.Arbitrary<T>): fc.Arbitrary<{ [key: string]: T }> =>
  fc
    .record(Object.fromEntries(KEYS.map((key) => [key, of(key)])), { requiredKeys: [], noNullPrototype: true })
    .map((held) => held as { [key: string]: T });

const configuration: fc.Arbitrary<Configuration> = fc.record({
  global: dictionary((key) =>
    fc.record({
      value: heldValue(key),
      is_active: fc.boolean(),
      is_enforced: fc.boolean(),
      rollout_percentage: percentage,
      variants: fc.option(variantsOf(typeOf(key))),
    }),
  ),
  plans: fc
    .tuple(
      ...PLANS.map(() =>
        dictionary((key) => fc.record({ value: heldValue(key), is_active: fc.boolean(), is_enforced: fc.boolean() })),
      ),
    )
    .map((plans) =>
      Object.fromEntries(plans.flatMap((held, n) => (Object.keys(held).length > 0 ? [[PLANS[n] ?? "", held]] : []))),
    ),
});

async function storeConfiguration(client: pg.Client, { global, plans }: Configuration): Promise<void> {
  await client.query(
    `insert into attune.global_settings (key, value, is_active, is_enforced, rollout_percentage, variants)
     select e.key, e.value -> 'value', (e.value -> 'is_active')::boolean, (e.value -> 'is_enforced')::boolean,
       (e.value -> 'rollout_percentage')::integer, nullif(e.value -> 'variants', 'null')
     from jsonb_each($1) as e`,
    [JSON.stringify(global)],
  );
  await client.query(
    `insert into attune.plan_settings (plan, key, value, is_active, is_enforced)
     select p.key, e.key, e.value -> 'value', (e.value -> 'is_active')::boolean, (e.value -> 'is_enforced')::boolean
     from jsonb_each($1) as p cross join jsonb_each(p.value) as e`,
    [JSON.stringify(plans)],
  );
}

test("a configuration moves from staging to production: first the difference, then the same for everybody", async () => {
  const [from, into] = [staging.client, production.client];
  const seen = (client: pg.Client): Promise<Json> =>
    one(
      client,
      "select jsonb_agg(to_jsonb(e) - 'updated_at' order by e.key) as value from attune.effective_settings_for($1, 'moving') as e",
      [USER],
    );

  await fc.assert(
    fc.asyncProperty(configuration, configuration, fc.constantFrom(...PLANS), (wanted, present, plan) =>
      undone([from, into], async () => {
        for (const client of [from, into])
          await client.query("update attune.users set plan = $1 where id = $2", [plan, USER]);
        await storeConfiguration(from, wanted);
        await storeConfiguration(into, present);
        const document = await exportConfiguration(from);
        expect(document).toEqual(wanted);

        const before = await footprint(into);
        const planned = await importInto(into, "configuration", document, "replace", true);
        expect(await footprint(into)).toEqual(before);
        expect(await importInto(into, "configuration", document, "replace")).toEqual(planned);
        expect(await exportConfiguration(into)).toEqual(wanted);
        expect(await seen(into)).toEqual(await seen(from));

        const settled = await footprint(into);
        for (const how of ["merge", "replace"] as const) {
          expect(differing(await importInto(into, "configuration", document, how))).toEqual([]);
        }
        expect(await footprint(into)).toEqual(settled);

        // Merging what was there before brings it back, beside what has come.
        await importInto(into, "configuration", present, "merge");
        const plans = Object.fromEntries(
          PLANS.map((name) => [name, { ...wanted.plans[name], ...present.plans[name] }]).filter(
            ([, held]) => Object.keys(held ?? {}).length > 0,
          ),
        );
        expect(await exportConfiguration(into)).toEqual({ global: { ...wanted.global, ...present.global }, plans });
      }),
    ),
    { numRuns: 80 },
  );
});

const PLAIN_OF_PLAN = { is_active: true, is_enforced: false };
const PLAIN = { ...PLAIN_OF_PLAN, rollout_percentage: 100, variants: null };

test("a configuration is taken as a whole or not at all, and each bad key is named", async () => {
  const { client } = production;
  const bad: { in: (document: Configuration) => void; named: RegExp }[] = [
    { in: ({ global }) => (global["NOTHING"] = { ...PLAIN, value: 1 }), named: /NOTHING: there is no such setting/ },
    { in: ({ global }) => (global["MOVE_FLAG"] = { ...PLAIN, value: 1 }), named: /MOVE_FLAG: must be boolean/ },
    {
      in: ({ global }) => (global["MOVE_PLACE"] = { ...PLAIN, value: { zone: "UTC+1" } }),
      named: /MOVE_PLACE: \/zone: is no time zone/,
    },
    {
      in: ({ plans }) => (plans["nothing"] = { MOVE_FLAG: { ...PLAIN_OF_PLAN, value: true } }),
      named: /MOVE_FLAG of plan nothing: there is no such plan/,
    },
    {
      in: ({ plans }) => (plans["scaler"] = { ...plans["scaler"], MOVE_GLOBAL: { ...PLAIN_OF_PLAN, value: true } }),
      named: /MOVE_GLOBAL of plan scaler: its narrowest layer is global/,
    },
  ];
  await fc.assert(
    fc.asyncProperty(
      configuration,
      configuration,
      fc.subarray(bad, { minLength: 1 }),
      mode,
      (present, wanted, chosen, how) =>
        undone([client], async () => {
          await storeConfiguration(client, present);
          const before = await footprint(client);
          const document = structuredClone(wanted);
          for (const each of chosen) each.in(document);
          await client.query("savepoint before");
          const message = await refusalOf(importInto(client, "configuration", document, how));
          expect(bad.filter(({ named }) => named.test(message))).toEqual(bad.filter((each) => chosen.includes(each)));
          await client.query("rollback to before");
          expect(await footprint(client)).toEqual(before);
        }),
    ),
    { numRuns: 40 },
  );
});
