/** A definition changes while others write: nobody waits for long, and no value is left that it forbids. */
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase, type TestUser } from "./support/harness.ts";

let database: TestDatabase;
let users: TestUser[];
let tabs: pg.Client[];
let changer: pg.Client;
let blocker: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  const admin = await database.createUser("admin@example.com", { admin: true });
  users = await Promise.all([0, 1, 2, 3].map((n) => database.createUser(`writer${n}@example.com`)));
  await database.query(`
    insert into attune.setting_definitions (key, category, schema, default_value)
    values ('other', 'test', '{"type": "integer"}', '0')`);
  [changer, blocker, ...tabs] = await Promise.all([
    openTab(database.ownerUrl, admin),
    openTab(database.ownerUrl),
    ...users.map((user) => openTab(database.authenticatorUrl, user)),
  ]);
});

afterAll(async () => {
  await Promise.all([changer, blocker, ...tabs].map((client) => client.end()));
  await database.close();
});

beforeEach(async () => {
  await database.query("delete from attune.user_preferences where key = 'level'");
  await database.query("delete from attune.setting_definitions where key = 'level'");
  await database.query("select from attune.apply_definitions($1)", [documentOf(10)]);
});

function documentOf(maximum: number): object {
  return {
    $id: "changing",
    "x-attune": { category: "test" },
    properties: { level: { type: "integer", maximum, default: 0 } },
  };
}

/** A connection that stays a user's, or the owner's. */
async function openTab(url: string, user?: TestUser): Promise<pg.Client> {
  const client = new pg.Client(url);
  await client.connect();
  if (url === database.authenticatorUrl) await client.query("set role authenticated");
  const claims = user === undefined ? "" : JSON.stringify({ sub: user.id, role: "authenticated" });
  await client.query("select set_config('request.jwt.claims', $1, false)", [claims]);
  return client;
}

/** The code and reason that a statement is refused with; undefined when it is not. */
async function refusalOf(statement: Promise<unknown> | undefined): Promise<string | undefined> {
  try {
    await statement;
    return undefined;
  } catch (error: unknown) {
    return error instanceof pg.DatabaseError ? `${error.code} ${error.detail}` : String(error);
  }
}

/** Waits until another connection has to wait for `table`. */
async function waiting(table: string): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt++) {
    const found = await database.query(
      `select from pg_locks where not granted and relation = $1::regclass
       and database = (select oid from pg_database where datname = current_database())`,
      [table],
    );
    if (found.length > 0) return;
    await sleep(5);
  }
  throw new Error(`nobody waits for ${table}`);
}

type Way = (maximum: number) => [sql: string, params: unknown[]];

const WAYS: Record<"an update" | "apply_definitions", Way> = {
  "an update": (maximum) => [
    "update attune.setting_definitions set schema = $1 where key = 'level'",
    [{ type: "integer", maximum }],
  ],
  apply_definitions: (maximum) => ["select from attune.apply_definitions($1)", [documentOf(maximum)]],
};

test.each(Object.entries(WAYS))(
  "%s that is still looking at what is stored keeps nobody from writing, and sees what they wrote",
  async (_, change) => {
    await tabs[0]?.query("select attune.set_preference('level', '1')");
    for (const { written, refusal } of [
      { written: 5, refusal: undefined },
      { written: 9, refusal: "PT409 stored_values_invalid" },
    ]) {
      // One has begun before, in a transaction within the other, and ends later.
      await tabs[1]?.query("begin; savepoint inner_one");
      await tabs[1]?.query("select attune.set_preference('level', $1)", [String(written)]);
      // A later one is over before the check begins.
      await tabs[2]?.query("select attune.set_preference('other', to_jsonb($1::integer))", [written]);
      // Where the result is noted is held: all has been looked at, and nothing is locked yet.
      await blocker.query("begin; lock table attune_private.checked_definitions in share mode");
      const changing = refusalOf(changer.query(...change(5)));
      await waiting("attune_private.checked_definitions");

      await tabs[0]?.query("set lock_timeout = '1s'");
      expect(await refusalOf(tabs[0]?.query("select attune.set_preference('other', '1')"))).toBeUndefined();
      expect(await refusalOf(tabs[0]?.query("select attune.set_preference('level', '4')"))).toBeUndefined();
      await tabs[1]?.query("release savepoint inner_one; commit");
      await blocker.query("commit");
      expect(await changing).toBe(refusal);
      await database.query("select from attune.apply_definitions($1)", [documentOf(10)]);
    }
  },
);

test.each(Object.entries(WAYS))("%s that waits for somebody who writes lets the others through", async (_, change) => {
  await tabs[1]?.query("begin; select attune.set_preference('other', '2')");
  const changing = refusalOf(changer.query(...change(5)));
  await tabs[0]?.query("set lock_timeout = '3s'");
  for (let turn = 0; turn < 3; turn++) {
    await waiting("attune.user_preferences");
    expect(await refusalOf(tabs[0]?.query("select attune.set_preference('level', '3')"))).toBeUndefined();
  }
  await tabs[1]?.query("commit");
  expect(await changing).toBeUndefined();
  expect(await refusalOf(tabs[0]?.query("select attune.set_preference('level', '7')"))).toBe("PT422 invalid_value");
});

test.each(Object.entries(WAYS))("%s gives up when somebody writes for longer than it may wait", async (_, change) => {
  await tabs[1]?.query("begin; select attune.set_preference('other', '2')");
  await changer.query("set lock_timeout = '150ms'");
  expect(await refusalOf(changer.query(...change(5)))).toMatch(/^55P03/);
  expect((await changer.query("show lock_timeout")).rows).toEqual([{ lock_timeout: "150ms" }]);
  await changer.query("reset lock_timeout");
  await tabs[1]?.query("commit");
  expect(await refusalOf(changer.query(...change(5)))).toBeUndefined();
});

test("where a definition changes nothing about values, nobody's writing is waited for", async () => {
  await tabs[1]?.query("begin; select attune.set_preference('level', '2')");
  await changer.query("set lock_timeout = '1ms'");
  const document = { ...documentOf(10), "x-attune": { category: "another", layer: "project" } };
  expect(await refusalOf(changer.query("select from attune.apply_definitions($1)", [document]))).toBeUndefined();
  await changer.query("reset lock_timeout");
  await tabs[1]?.query("commit");
});

test("a dry run waits for nobody who writes, and keeps nobody from writing", async () => {
  await tabs[0]?.query("select attune.set_preference('level', '7')");
  await tabs[1]?.query("select attune.set_preference('level', '8')");
  // Had it to lock what is stored, or to delete or change a row of it, one of the two would have to wait.
  await tabs[1]?.query("begin; select attune.set_preference('level', '9')");
  await changer.query("set lock_timeout = '1ms'");
  const level = { type: "integer", maximum: 10, default: 0 };
  const wanted: [properties: object, action: string, storedValues: string][] = [
    [{ level: { ...level, maximum: 5 } }, "changed", "2"],
    [{ level: { ...level, "x-attune": { layer: "team" } } }, "changed", "2"],
    [{ level: { ...level, type: "string", default: "" } }, "changed", "2"],
    [{}, "removed", "2"],
  ];
  for (const [properties, action, stored_values] of wanted) {
    for (const how of ["refuse", "discard"]) {
      const { rows } = await changer.query(
        "select action, stored_values from attune.apply_definitions($1, dry_run => true, stored_values => $2)",
        [{ ...documentOf(10), properties }, how],
      );
      expect(rows).toEqual([{ action, stored_values }]);
    }
  }

  // What it holds until it ends keeps out nobody, either.
  await changer.query("begin; select attune.set_preference('other', '1')");
  await changer.query("select from attune.apply_definitions($1, dry_run => true)", [documentOf(5)]);
  await tabs[0]?.query("set lock_timeout = '1s'");
  expect(await refusalOf(tabs[0]?.query("select attune.set_preference('level', '6')"))).toBeUndefined();
  await changer.query("rollback; reset lock_timeout");
  await tabs[1]?.query("commit");
  expect(await database.query("select value from attune.user_preferences where key = 'level' order by value")).toEqual([
    { value: 6 },
    { value: 9 },
  ]);
});

test("what is forbidden is remembered, however much it is, so that it is judged once", async () => {
  const count = 10_100;
  await changer.query(`
    begin;
    alter table attune.plans disable trigger user;
    alter table attune.plan_settings disable trigger user;
    insert into attune.plans (name, title) select 'plan' || n, 'Plan' from generate_series(1, ${count}) as n;
    insert into attune.plan_settings (plan, key, value)
    select 'plan' || n, 'level', to_jsonb(1000 + n) from generate_series(1, ${count}) as n`);
  const { rows } = await changer.query(
    `select attune_private.check_stored_values(jsonb_populate_record(d, $1))::integer as broken
     from attune.setting_definitions as d
     where d.key = 'level'`,
    [{ schema: { type: "integer", maximum: 5 } }],
  );
  expect(rows).toEqual([{ broken: count }]);
  const remembered = await changer.query(
    "select cardinality(broken) as broken from attune_private.checked_definitions where key = 'level'",
  );
  expect(remembered.rows).toEqual(rows);
  await changer.query("rollback");
});

test.each(["repeatable read", "serializable"])(
  "a snapshot from before lets nobody past, under %s",
  async (isolation) => {
    for (const change of Object.values(WAYS)) {
      await changer.query(`begin isolation level ${isolation}`);
      expect(await refusalOf(changer.query(...change(5)))).toBe("PT409 read_committed_required");
      await changer.query("rollback");
    }

    await tabs[0]?.query(`begin isolation level ${isolation}; select from attune.user_preferences`);
    await changer.query(...WAYS["an update"](5));
    expect(await refusalOf(tabs[0]?.query("select attune.set_preference('level', '7')"))).toMatch(/^40001/);
    await tabs[0]?.query("rollback");

    // Who changes it just now waits for whoever writes, so the one who writes does not wait.
    await changer.query("begin");
    await changer.query(...WAYS["an update"](4));
    await tabs[0]?.query(`begin isolation level ${isolation}; set local lock_timeout = '100ms'`);
    expect(await refusalOf(tabs[0]?.query("select attune.set_preference('level', '3')"))).toMatch(/^55P03/);
    await tabs[0]?.query("rollback");
    await changer.query("commit");
  },
);

type Step = { what: "set" | "reset" | "savepoint" | "back" | "pause"; value: number };
type Transaction = { isolation: string; steps: Step[]; end: "commit" | "rollback" };

const transactions = fc.array(
  fc.record({
    isolation: fc.constantFrom("read committed", "read committed", "repeatable read"),
    steps: fc.array(
      fc.record({
        what: fc.constantFrom<Step["what"]>("set", "set", "set", "reset", "savepoint", "back", "pause"),
        value: fc.integer({ min: 0, max: 10 }),
      }),
      { minLength: 1, maxLength: 4 },
    ),
    end: fc.constantFrom<Transaction["end"]>("commit", "commit", "commit", "rollback"),
  }),
  { minLength: 3, maxLength: 8 },
);
const changes = fc.array(
  fc.record({
    maximum: fc.integer({ min: 3, max: 10 }),
    way: fc.constantFrom<"an update" | "apply_definitions" | "discard" | "change set">(
      "an update",
      "apply_definitions",
      "discard",
      "change set",
    ),
  }),
  { minLength: 3, maxLength: 8 },
);

async function runTransaction(tab: pg.Client, { isolation, steps, end }: Transaction): Promise<string[]> {
  const refusals: (string | undefined)[] = [];
  await tab.query(`begin isolation level ${isolation}; savepoint s`);
  for (const { what, value } of steps) {
    if (what === "pause") await sleep(value * 2);
    if (what === "savepoint") await tab.query("savepoint s");
    if (what === "back") await tab.query("rollback to savepoint s");
    if (what === "set" || what === "reset") {
      const refusal = await refusalOf(
        what === "set"
          ? tab.query("select attune.set_preference('level', $1)", [String(value)])
          : tab.query("select attune.reset_preference('level')"),
      );
      refusals.push(refusal);
      if (refusal !== undefined) await tab.query("rollback to savepoint s");
    }
  }
  await tab.query(end);
  return refusals.filter((refusal) => refusal !== undefined);
}

test("two who change two definitions in opposite orders are told at once, and keep nobody from writing", async () => {
  const [writer] = tabs;
  await database.query("update attune.setting_definitions set schema = '{\"type\": \"integer\"}' where key = 'other'");
  const second = await openTab(database.ownerUrl);
  const change = (client: pg.Client, key: string): Promise<unknown> =>
    client.query("update attune.setting_definitions set schema = schema || '{\"minimum\": -5}' where key = $1", [key]);
  await Promise.all([changer, second].map((client) => client.query("begin; set local lock_timeout = '1min'")));
  await change(changer, "level");
  const waiting = refusalOf(change(second, "other"));
  await sleep(200);
  const outcomes = [refusalOf(change(changer, "other")), waiting];
  await writer?.query("set lock_timeout = '10s'");
  const written = refusalOf(writer?.query("select attune.set_preference('level', '1')"));
  // Whoever is ended lets go of the layers, or never had them.
  const refused = await Promise.race(
    outcomes.map((outcome) => outcome.then((why) => why ?? new Promise(() => undefined))),
  );
  expect(refused).toMatch(/^40P01/);
  await Promise.all([changer, second].map((client) => client.query("rollback")));
  await Promise.all(outcomes);
  expect(await written).toBeUndefined();
  await second.end();
});

test("whatever the interleaving, no snapshot has a value that its definition forbids", async () => {
  const ofWrites = new Set<string>();
  const ofChanges = new Set<string>();
  await fc.assert(
    fc.asyncProperty(fc.array(transactions, { minLength: 4, maxLength: 4 }), changes, async (writers, series) => {
      const changing = async (): Promise<void> => {
        for (const { maximum, way } of series) {
          const refusal = await refusalOf(
            way === "discard"
              ? changer.query("select from attune.apply_definitions($1, stored_values => 'discard')", [
                  documentOf(maximum),
                ])
              : way === "change set"
                ? changer.query(
                    `select from attune.create_change_set('the default', $1) as c
                     cross join lateral attune.apply_change_set(c.id)`,
                    [JSON.stringify([{ layer: "default", key: "level", value: maximum - 3 }])],
                  )
                : changer.query(...WAYS[way](maximum)),
          );
          if (refusal !== undefined) ofChanges.add(refusal);
          const [invalid] = await database.query<{ n: number }>(
            `select count(*)::integer as n
             from attune.user_preferences as p
             join attune.setting_definitions as d using (key)
             where d.key = 'level' and attune_private.value_problems(d.schema, p.value) is not null`,
          );
          expect(invalid?.n).toBe(0);
        }
      };
      const writing = async (tab: pg.Client, those: Transaction[]): Promise<void> => {
        for (const one of those) for (const refusal of await runTransaction(tab, one)) ofWrites.add(refusal);
      };
      await Promise.all([changing(), ...tabs.map((tab, n) => writing(tab, writers[n] ?? []))]);
    }),
    { numRuns: 12 },
  );
  const known = {
    ofWrites: /^(PT422 invalid_value|40001 |55P03 )/,
    ofChanges: /^(PT409 stored_values_invalid|PT422 invalid_(default|change_set)|55P03 )/,
  };
  expect([...ofWrites].filter((refusal) => !known.ofWrites.test(refusal))).toEqual([]);
  expect([...ofChanges].filter((refusal) => !known.ofChanges.test(refusal))).toEqual([]);
  expect([await database.query("select from attune_private.checked_definitions")]).toEqual([[]]);
});
