/** Change sets and rollouts: several connections at the same moment, and that a set is its changes made one by one. */
import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase, type TestUser } from "./support/harness.ts";

const TEAM = "00000000-0000-4000-8000-000000000001";

let database: TestDatabase;
/** The author's connection, another administrator's, and a trusted server's. */
let one: pg.Client;
let two: pg.Client;
let server: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  const author = await database.createUser("grace@example.com", { admin: true });
  one = await openTab(author);
  two = await openTab(await database.createUser("heidi@example.com", { admin: true }));
  server = await openTab();
  await database.query("insert into attune.teams (id, name) values ($1, 'Team')", [TEAM]);
  await database.query(`
    insert into attune.setting_definitions (key, category, layer, schema, default_value)
    values
      ('level', 'test', 'user', '{"type": "integer", "maximum": 10}', '0'),
      ('layout', 'test', 'team', '{"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}', '{"a": 1}'),
      ('whole', 'test', 'user', '{"type": "object", "minProperties": 1}', '{"a": 1}'),
      ('narrow', 'test', 'global', '{"type": "boolean"}', 'false')`);
});

afterAll(async () => {
  await Promise.all([one.end(), two.end(), server.end()]);
  await database.close();
});

/** A connection of its own that stays somebody's: a user's, or a trusted server's. */
async function openTab(user?: TestUser): Promise<pg.Client> {
  const role = user === undefined ? "service_role" : "authenticated";
  const client = new pg.Client(database.authenticatorUrl);
  await client.connect();
  await client.query("select set_config('role', $1, false), set_config('request.jwt.claims', $2, false)", [
    role,
    JSON.stringify({ role, ...(user !== undefined && { sub: user.id }) }),
  ]);
  return client;
}

/** The reason that a statement is refused with; "" when it is not. */
async function refusalOf(statement: Promise<unknown>): Promise<string> {
  try {
    await statement;
    return "";
  } catch (error: unknown) {
    return error instanceof pg.DatabaseError ? (error.detail ?? error.message) : String(error);
  }
}

type ChangeSet = { id: string; version: string };

async function propose(changes: unknown, more = ""): Promise<ChangeSet> {
  const { rows } = await one.query<ChangeSet>(
    `select id, updated_at::text as version from attune.create_change_set('A set', $1${more})`,
    [JSON.stringify(changes)],
  );
  const [proposed] = rows;
  if (proposed === undefined) throw new Error("create_change_set returned nothing");
  return proposed;
}

async function first(sql: string, parameters: unknown[] = []): Promise<unknown> {
  const [row] = await database.query<Record<string, unknown>>(sql, parameters);
  return Object.values(row ?? {})[0];
}

const level = (value: number) => ({ layer: "global", key: "level", value });

test("several servers apply what is due, each set and each step once", async () => {
  const sets = 12;
  for (let n = 0; n < sets; n++) {
    await database.query("insert into attune.plans (name, title) values ($1, $1)", [`plan_${n}`]);
    await propose([{ layer: "plan", plan: `plan_${n}`, key: "level", value: 1 }], ", apply_at => now()");
  }
  await database.query(`select attune.plan_rollout('whole', '{"(2000-01-01,10)","(2099-01-01,50)"}', '{"a": 2}')`);
  await database.query("update attune.rollout_steps set apply_at = now() where position = 2");

  const servers = await Promise.all(Array.from({ length: 4 }, () => openTab()));
  // What one is applying the others leave to it: they come back.
  for (let round = 0; round < 5; round++)
    await Promise.all(servers.map((each) => each.query("select attune.apply_due_changes(5)")));
  await Promise.all(servers.map((each) => each.end()));

  expect(await first("select count(*)::int from attune.change_sets where status = 'applied'")).toBe(sets);
  expect(
    await database.query(
      `select scope from attune.configuration_audit_log
       where layer = 'plan' and key = 'level' group by scope having count(*) <> 1`,
    ),
  ).toEqual([]);
  expect(
    await first(
      "select count(*)::int from attune.configuration_audit_log where subject = 'setting' and reason = 'Step 2 of a rollout'",
    ),
  ).toBe(1);
  expect(await first("select status::text from attune.rollouts where key = 'whole'")).toBe("finished");
});

test("what was changed while somebody approved of it is not approved", async () => {
  const refusals = new Set<string>();
  for (let round = 0; round < 20; round++) {
    const { id, version } = await propose([level(1)], ", needs_approval => true");
    const [, refusal] = await Promise.all([
      one.query("select attune.add_to_change_set($1, $2)", [
        id,
        JSON.stringify([{ layer: "global", key: "narrow", value: true }]),
      ]),
      refusalOf(two.query("select attune.approve_change_set($1, $2)", [id, version])),
    ]);
    refusals.add(refusal);
    expect(await first("select status::text from attune.change_sets where id = $1", [id])).toBe("proposed");
    expect(await refusalOf(one.query("select attune.apply_change_set($1)", [id]))).toBe("approval_required");
    await one.query("select attune.cancel_change_set($1)", [id]);
  }
  expect(["", "changed_meanwhile"]).toEqual(expect.arrayContaining([...refusals]));
});

test("a set that is applied while somebody writes directly loses nothing of theirs", async () => {
  const refusals = new Set<string>();
  for (let round = 0; round < 20; round++) {
    await database.query("delete from attune.global_settings where key = 'level'");
    const { id } = await propose([level(1)]);
    const [refusal] = await Promise.all([
      refusalOf(one.query("select attune.apply_change_set($1)", [id])),
      two.query("select attune.set_global_setting('level', '2')"),
    ]);
    refusals.add(refusal);
    // Theirs was the last, or the set was refused.
    expect(await first("select value from attune.global_settings where key = 'level'")).toBe(2);
    expect(await first("select status::text from attune.change_sets where id = $1", [id])).toBe(
      refusal === "" ? "applied" : "proposed",
    );
  }
  expect(["", "base_changed"]).toEqual(expect.arrayContaining([...refusals]));
});

test("two who apply the same set, and two sets for the same values, never wait for each other in a circle", async () => {
  for (let round = 0; round < 10; round++) {
    await database.query("delete from attune.global_settings where key in ('level', 'narrow')");
    const changes = [level(round), { layer: "global", key: "narrow", value: true }];
    const a = await propose(changes);
    const b = await propose(changes.toReversed());
    const outcomes = await Promise.all([
      refusalOf(one.query("select attune.apply_change_set($1)", [a.id])),
      refusalOf(two.query("select attune.apply_change_set($1)", [a.id])),
    ]);
    expect(outcomes.toSorted()).toEqual(["", "change_set_closed"]);
    const previews = await Promise.all([
      refusalOf(one.query("select attune.preview_change_set($1)", [b.id])),
      refusalOf(two.query("select attune.apply_change_set($1)", [b.id])),
    ]);
    expect(previews).toEqual(["", "base_changed"]);
    await one.query("select attune.cancel_change_set($1)", [b.id]);
  }
});

test("a step that is taken while somebody sets the share overrides nobody", async () => {
  for (let round = 0; round < 15; round++) {
    await database.query("delete from attune.global_settings where key = 'narrow'");
    await two.query(
      `select attune.plan_rollout('narrow', '{"(2000-01-01,10)","(2099-01-01,50)","(2099-02-01,90)"}', 'true')`,
    );
    await database.query("update attune.rollout_steps set apply_at = now() where key = 'narrow' and position = 2");
    await Promise.all([
      server.query("select attune.apply_due_changes()"),
      two.query("select attune.set_global_setting('narrow', rollout_percentage => 33)"),
    ]);
    await server.query("select attune.apply_due_changes()");
    expect(
      await database.query(
        `select r.status::text, g.rollout_percentage
         from attune.rollouts as r join attune.global_settings as g using (key) where r.key = 'narrow'`,
      ),
    ).toEqual([{ status: "halted", rollout_percentage: 33 }]);
  }
});

/** A transaction of somebody's own, which is ended whatever comes of it. */
async function during<T>(writer: pg.Client, statements: string[], work: () => Promise<T>): Promise<T> {
  for (const statement of ["begin", ...statements]) await writer.query(statement);
  try {
    return await work();
  } finally {
    await writer.query("rollback");
  }
}

test("a transaction that began before a setting was protected does not change it", async () => {
  await database.query("delete from attune.global_settings where key = 'level'");
  for (const isolation of ["read committed", "repeatable read", "serializable"]) {
    const refusal = await during(
      one,
      [`set transaction isolation level ${isolation}`, "select from attune.plans"],
      async () => {
        await database.query("update attune.setting_definitions set is_protected = true where key = 'level'");
        try {
          await one.query("select attune.set_global_setting('level', '6')");
          return "";
        } catch (error: unknown) {
          return error instanceof pg.DatabaseError ? (error.code === "40001" ? "40001" : error.detail) : String(error);
        } finally {
          await database.query("update attune.setting_definitions set is_protected = false where key = 'level'");
        }
      },
    );
    expect([isolation, refusal]).toEqual([isolation, isolation === "read committed" ? "setting_protected" : "40001"]);
  }
  expect(await one.query("select attune.set_global_setting('level', '6')")).toHaveProperty("rowCount", 1);
});

test("a due set waits for nobody who writes another layer, and is tried again where somebody writes its own", async () => {
  await database.query("delete from attune.global_settings; delete from attune.plan_settings");
  const due = async (it: Change): Promise<string> => (await propose([it], ", apply_at => now()")).id;
  const own = await due(level(3));
  const other = await due({ layer: "plan", plan: "bootstrapper", key: "level", value: 4 });
  const statusOf = (id: string): Promise<unknown> =>
    first("select status::text from attune.change_sets where id = $1", [id]);

  await during(two, ["select attune.set_global_setting('narrow', 'true')"], async () => {
    const applying = server.query<{ handled: number }>("select attune.apply_due_changes() as handled");
    // Who writes something else behind it waits no longer than it does.
    await one.query("select attune.set_global_setting('whole', '{\"a\": 5}')");
    expect((await applying).rows).toEqual([{ handled: 1 }]);
    expect([await statusOf(own), await statusOf(other)]).toEqual(["proposed", "applied"]);
  });
  expect((await server.query("select attune.apply_due_changes() as handled")).rows).toEqual([{ handled: 1 }]);
  expect(await statusOf(own)).toBe("applied");
});

test("sets that are due, with layers in any order, and who imports a document never wait in a circle", async () => {
  for (let round = 0; round < 10; round++) {
    await database.query("delete from attune.global_settings; delete from attune.plan_settings");
    const { id } = await propose(
      [{ layer: "plan", plan: "bootstrapper", key: "level", value: 1 }],
      ", apply_at => now() - interval '1 minute'",
    );
    const later = await propose([level(2)], ", apply_at => now()");
    const refusals = await Promise.all([
      refusalOf(server.query("select attune.apply_due_changes()")),
      refusalOf(
        two.query(
          `select attune.import_configuration('{"global": {"narrow": {"value": true}}, "plans": {"bootstrapper": {"narrow": {"value": false}}}}', dry_run => true)`,
        ),
      ),
    ]);
    expect(refusals).toEqual(["", ""]);
    await server.query("select attune.apply_due_changes()");
    expect(
      await first("select count(*)::int from attune.change_sets where id in ($1, $2) and status = 'applied'", [
        id,
        later.id,
      ]),
    ).toBe(2);
  }
});

type Change = Record<string, unknown> & { layer: string; key: string };

const maybe = (value: fc.Arbitrary<unknown>) => fc.option(value, { nil: undefined });
const attributes = {
  value: maybe(
    fc.oneof(
      fc.integer({ min: 0, max: 12 }),
      fc.boolean(),
      fc.dictionary(fc.constantFrom("a", "b"), fc.option(fc.integer({ min: 0, max: 3 })), { maxKeys: 2 }),
    ),
  ),
  is_whole: maybe(fc.boolean()),
  is_active: maybe(fc.boolean()),
  is_enforced: maybe(fc.boolean()),
};
const key = fc.constantFrom("level", "layout", "whole", "narrow");
const change = fc
  .oneof(
    fc.record({ layer: fc.constant("global"), key, ...attributes, rollout_percentage: maybe(fc.nat(100)) }),
    fc.record({ layer: fc.constant("plan"), plan: fc.constant("bootstrapper"), key, ...attributes }),
    fc.record({ layer: fc.constant("team"), team_id: fc.constant(TEAM), key, ...attributes }),
    fc.record({ layer: fc.constant("global"), key, is_reset: fc.constant(true) }),
    fc.record({ layer: fc.constant("plan"), plan: fc.constant("bootstrapper"), key, is_reset: fc.constant(true) }),
  )
  .map((it) => JSON.parse(JSON.stringify(it)) as Change);
const changes = fc.uniqueArray(change, { selector: (it) => `${it.layer} ${it.key}`, minLength: 1, maxLength: 8 });

/** One change by the function for it. */
function alone(it: Change): [sql: string, parameters: unknown[]] {
  const place: unknown[] = [it["plan"] ?? it["team_id"], it.key].filter((name) => name !== undefined);
  const names = place.map((_, index) => `$${index + 1}`).join(", ");
  if (it["is_reset"] === true) return [`select attune.reset_${it.layer}_setting(${names})`, place];
  const given = Object.entries(it).filter(([name]) => !["layer", "plan", "team_id", "key"].includes(name));
  const told = given.map(([name], index) => `, ${name} => $${place.length + index + 1}`).join("");
  const values = given.map(([name, value]) => (name === "value" ? JSON.stringify(value) : value));
  return [`select attune.set_${it.layer}_setting(${names}${told})`, [...place, ...values]];
}

test(
  "a set is its changes made one by one, from broad to narrow; one that is refused changes nothing",
  { timeout: 120_000 },
  async () => {
    await database.query("delete from attune.rollouts");
    const applied = { sets: 0, refused: 0 };
    const stored = async (): Promise<unknown> =>
      (
        await one.query(`
        select 'global' as layer, key, to_jsonb(g) - '{updated_by,updated_at}'::text[] as row from attune.global_settings as g
        union all select 'plan', key, to_jsonb(p) - '{updated_by,updated_at}'::text[] from attune.plan_settings as p
        union all select 'team', key, to_jsonb(t) - '{updated_by,updated_at}'::text[] from attune.team_settings as t
        order by 1, 2, 3`)
      ).rows;
    const order = ["global", "plan", "team"];

    await fc.assert(
      fc.asyncProperty(changes, changes, async (before, wanted) => {
        await one.query("begin");
        try {
          const tryAlone = async (it: Change): Promise<string> => {
            await one.query("savepoint one");
            const refusal = await refusalOf(one.query(...alone(it)));
            if (refusal !== "") await one.query("rollback to savepoint one");
            return refusal;
          };
          for (const it of before) await tryAlone(it);
          const start = await stored();

          await one.query("savepoint whole");
          const refusal = await refusalOf(
            one.query("select attune.apply_change_set(c.id) from attune.create_change_set('A', $1) as c", [
              JSON.stringify(wanted),
            ]),
          );
          if (refusal !== "") await one.query("rollback to savepoint whole");
          const together = await stored();
          await one.query("rollback to savepoint whole");

          const refusals: string[] = [];
          const narrowing = wanted.toSorted(
            (a, b) => order.indexOf(a.layer) - order.indexOf(b.layer) || (a.key < b.key ? -1 : 1),
          );
          for (const it of narrowing) refusals.push(await tryAlone(it));
          const isRefused = refusals.some((reason) => reason !== "");
          expect(refusal).toBe(isRefused ? "invalid_change_set" : "");
          expect(together).toEqual(isRefused ? start : await stored());
          applied[isRefused ? "refused" : "sets"] += 1;
        } finally {
          await one.query("rollback");
        }
      }),
      { numRuns: 150 },
    );
    expect(applied.sets).toBeGreaterThan(20);
    expect(applied.refused).toBeGreaterThan(20);
  },
);
