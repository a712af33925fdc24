/** What happens when several connections write at the same moment. */
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase, type TestUser } from "./support/harness.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.query(`
    insert into attune.setting_definitions (key, category, schema, default_value)
    values
      ('LAYOUT', 'test', '{"type": "object"}', '{}'),
      ('LEVEL', 'test', '{"type": "integer", "maximum": 10}', '0')
  `);
});

afterAll(() => database.close());

/** One connection of its own that stays a user's, as a tab would. */
async function openTab(user: TestUser): Promise<pg.Client> {
  const client = new pg.Client(database.authenticatorUrl);
  await client.connect();
  const claims = JSON.stringify({ sub: user.id, role: "authenticated" });
  await client.query(`select set_config('role', 'authenticated', false), set_config('request.jwt.claims', $1, false)`, [
    claims,
  ]);
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

/** Whether a connection to this database comes to wait for another. */
async function isBlocked(): Promise<boolean> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const [found] = await database.query<{ n: number }>(
      `select count(*)::int as n
       from pg_locks as l
       join pg_stat_activity as a on a.pid = l.pid
       where a.datname = current_database() and not l.granted`,
    );
    if ((found?.n ?? 0) > 0) return true;
    await sleep(25);
  }
  return false;
}

function times<T>(n: number, work: (index: number) => T): T[] {
  return Array.from({ length: n }, (_, index) => work(index));
}

test(
  "two tabs that patch different members of one object lose nothing in a thousand changes",
  { timeout: 60_000 },
  async () => {
    const user = await database.createUser("tabs@example.com");
    const tabs = await Promise.all([openTab(user), openTab(user)]);
    const rounds = 500;

    await Promise.all(
      tabs.map(async (tab, t) => {
        for (let round = 0; round < rounds; round++) {
          await tab.query("select attune.set_preference('LAYOUT', $1)", [
            { [`tab${t}`]: { [`member${round}`]: round } },
          ]);
        }
      }),
    );
    await Promise.all(tabs.map((tab) => tab.end()));

    const members = Object.fromEntries(times(rounds, (round) => [`member${round}`, round]));
    const [stored] = await database.query<{ value: unknown }>(
      "select value from attune.user_preferences where user_id = $1 and key = 'LAYOUT'",
      [user.id],
    );
    expect(stored?.value).toEqual({ tab0: members, tab1: members });
    const [audited] = await database.query<{ n: string }>(
      "select count(*) as n from attune.configuration_audit_log where user_id = $1 and key = 'LAYOUT'",
      [user.id],
    );
    expect(Number(audited?.n)).toBe(2 * rounds);
  },
);

test("a user's limit holds when many connections add at once", async () => {
  const user = await database.createUser("limit@example.com");
  await database.query(`
    insert into attune.setting_definitions (key, category, schema, default_value)
    select 'MANY_' || n, 'test', '{"type": "boolean"}', 'false' from generate_series(1, 24) as n
  `);
  await database.query(
    "select attune.set_global_setting('PREFERENCES_PER_USER', to_jsonb(5 + count(*))) from attune.user_preferences where user_id = $1",
    [user.id],
  );
  const tabs = await Promise.all(times(8, () => openTab(user)));

  const refusals = await Promise.all(
    times(24, (n) =>
      refusalOf(tabs[n % tabs.length]?.query("select attune.set_preference($1, 'true')", [`MANY_${n + 1}`])),
    ),
  );
  await Promise.all(tabs.map((tab) => tab.end()));
  await database.query("select attune.reset_global_setting('PREFERENCES_PER_USER')");

  expect(refusals.filter((refusal) => refusal === undefined)).toHaveLength(5);
  expect(new Set(refusals)).toEqual(new Set([undefined, "PT422 too_many_preferences"]));
  const stored = await database.query(
    "select key from attune.user_preferences where user_id = $1 and key like 'MANY%'",
    [user.id],
  );
  expect(stored).toHaveLength(5);
});

test.each<{ what: string; change: string; refusal: string }>([
  {
    what: "a lock that comes",
    change: "insert into attune.global_settings (key, value, is_enforced) values ('AWAITED', '1', true)",
    refusal: "42501 setting_enforced",
  },
  {
    what: "a right that is taken",
    change: "update attune.setting_definitions set writable_by = 'admin' where key = 'AWAITED'",
    refusal: "42501 admin_required",
  },
])("$what while a write waits is seen by it", async ({ what, change, refusal }) => {
  const user = await database.createUser(`${what.replaceAll(" ", "-")}@example.com`);
  await database.query(`
    insert into attune.setting_definitions (key, category, schema, default_value)
    values ('AWAITED', 'test', '{"type": "integer"}', '0')`);
  await database.query("insert into attune.user_preferences (user_id, key, value) values ($1, 'AWAITED', '1')", [
    user.id,
  ]);
  const [first, second] = await Promise.all([openTab(user), openTab(user)]);

  await first.query("begin");
  await first.query("select attune.set_preference('AWAITED', '2')");
  const waiting = refusalOf(second.query("select attune.set_preference('AWAITED', '3')"));
  const [blocked] = await Promise.all([isBlocked(), database.query(change)]);
  await first.query("commit");

  expect(blocked).toBe(true);
  expect(await waiting).toBe(refusal);
  await Promise.all([first.end(), second.end()]);
  await database.query("delete from attune.user_preferences where key = 'AWAITED'");
  await database.query("delete from attune.global_settings where key = 'AWAITED'");
  await database.query("delete from attune.setting_definitions where key = 'AWAITED'");
});

test("users who are seeded by several administrators at once are seeded once", async () => {
  await Promise.all(times(30, (n) => database.createUser(`seed${n}@example.com`)));
  await database.query("update attune.setting_definitions set seeding = 'copy' where key = 'STYLE_GUIDE_ENABLED'");
  const batches = async (): Promise<void> => {
    let seeded = 1;
    while (seeded > 0) {
      const [row] = await database.query<{ n: number }>("select attune.seed_existing_users(7) as n");
      seeded = row?.n ?? 0;
    }
  };

  await Promise.all([batches(), batches(), batches()]);

  const [unseeded] = await database.query<{ n: string }>(
    `select count(*) as n from attune.users as u
     where not exists (select from attune.user_preferences as p where p.user_id = u.id and p.key = 'STYLE_GUIDE_ENABLED')`,
  );
  expect(Number(unseeded?.n)).toBe(0);
});

test("two documents that are applied at once come one after the other", async () => {
  const documentOf = (id: string, maximum: number) => ({
    $id: id,
    properties: Object.fromEntries(times(20, (n) => [`${id}.setting${n}`, { type: "integer", maximum, default: 0 }])),
  });

  await Promise.all(
    times(6, (n) =>
      database.query("select from attune.apply_definitions($1)", [documentOf(n % 2 === 0 ? "one" : "two", 100 + n)]),
    ),
  );

  const schemas = await database.query<{ source: string; n: string }>(
    "select source, count(distinct schema) as n from attune.setting_definitions where source in ('one', 'two') group by source order by source",
  );
  expect(schemas).toEqual([
    { source: "one", n: "1" },
    { source: "two", n: "1" },
  ]);
});

test.each([
  { what: "a new value", last: "select attune.set_preference('LEVEL', '1')", refusal: "PT409 nothing_to_revert" },
  { what: "another value", last: "select attune.set_preference('LEVEL', '2')", refusal: "PT409 nothing_to_revert" },
  { what: "a reset", last: "select attune.reset_preference('LEVEL')", refusal: "PT409 changed_since" },
])("of two who revert $what at the same moment, one does", async ({ what, last, refusal }) => {
  const user = await database.createUser(`reverts-${what.replaceAll(" ", "-")}@example.com`);
  const [first, second] = await Promise.all([openTab(user), openTab(user)]);
  if (what !== "a new value") await first.query("select attune.set_preference('LEVEL', '1')");
  await first.query(last);
  const [change] = await database.query<{ id: string }>(
    "select max(id) as id from attune.configuration_audit_log where user_id = $1",
    [user.id],
  );
  const revert = "select attune.revert_change($1)";

  // Who waits for one that is taken back, goes on.
  await first.query("begin");
  await first.query(revert, [change?.id]);
  const waits = refusalOf(second.query(revert, [change?.id]));
  expect(await isBlocked()).toBe(true);
  await first.query("commit");
  expect(await waits).toBe(refusal);

  await database.query("select attune.revert_change(max(id)) from attune.configuration_audit_log where user_id = $1", [
    user.id,
  ]);
  const tabs = await Promise.all(times(6, () => openTab(user)));
  const refusals = await Promise.all(tabs.map((tab) => refusalOf(tab.query(revert, [change?.id]))));
  expect(refusals.filter((each) => each === undefined)).toHaveLength(1);
  await Promise.all([first, second, ...tabs].map((tab) => tab.end()));
});

test("what is written while somebody goes back is not lost", async () => {
  const user = await database.createUser("back@example.com");
  const admin = await database.createUser("back-admin@example.com", { admin: true });
  const [writer, goer] = await Promise.all([openTab(user), openTab(user)]);
  const [administrator, another] = await Promise.all([openTab(admin), openTab(admin)]);
  const [start] = await database.query<{ at: string }>("select clock_timestamp()::text as at");
  const at = start?.at;
  await writer.query("select attune.set_preference('LEVEL', '1')");
  await administrator.query("select attune.set_global_setting('LEVEL', '1')");
  const seenBy = async (tab: pg.Client, name: string): Promise<string | undefined> =>
    (await tab.query<{ id: string }>(`select max(last_change_id) as id from attune.${name}($1, true)`, [at])).rows[0]
      ?.id;
  const [change] = (await goer.query<{ id: string }>("select max(id) as id from attune.configuration_audit_log")).rows;

  for (const write of ["set_preference('LEVEL', '2')", "set_preference('LAYOUT', '{}')", "reset_preference('LEVEL')"]) {
    const own = await seenBy(goer, "restore_preferences");
    await writer.query("begin");
    await writer.query(`select attune.${write}`);
    const waits = refusalOf(goer.query("select attune.restore_preferences($1, last_change_id => $2)", [at, own]));
    expect(await isBlocked()).toBe(true);
    await writer.query("commit");
    const outcome = await waits;
    // Who resets has done already what going back would do.
    expect(outcome).toBe(write.startsWith("reset") ? undefined : "PT409 changed_since");
    await writer.query("select attune.reset_preference('LAYOUT')");
    await writer.query("select attune.set_preference('LEVEL', '1')");
  }

  await writer.query("begin");
  await writer.query("select attune.set_preference('LEVEL', '3')");
  const reverts = refusalOf(goer.query("select attune.revert_change($1)", [change?.id]));
  expect(await isBlocked()).toBe(true);
  await writer.query("commit");
  expect(await reverts).toBe("PT409 changed_since");

  const seen = await seenBy(another, "restore_global_settings");
  await administrator.query("begin");
  await administrator.query("select attune.set_global_setting('LAYOUT', '{}')");
  const restores = refusalOf(
    another.query("select attune.restore_global_settings($1, last_change_id => $2)", [at, seen]),
  );
  expect(await isBlocked()).toBe(true);
  await administrator.query("commit");
  expect(await restores).toBe("PT409 changed_since");
  await database.query("delete from attune.global_settings where key in ('LEVEL', 'LAYOUT')");
  await Promise.all([writer, goer, administrator, another].map((tab) => tab.end()));
});
