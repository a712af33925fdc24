/** That writers wait for each other where they must, and never in a circle. */
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "./support/harness.ts";

const KEYS = Array.from({ length: 20 }, (_, n) => `waits.${n}`);

let database: TestDatabase;
let admin: string;

beforeAll(async () => {
  database = await createTestDatabase();
  admin = (await database.createUser("admin@example.com", { admin: true })).id;
  await database.query("select from attune.apply_definitions($1)", [documentOf(100)]);
});

afterAll(() => database.close());

function documentOf(maximum: number, keys = KEYS) {
  return {
    $id: "waits",
    "x-attune": { category: "waits" },
    properties: Object.fromEntries(keys.map((key) => [key, { type: "integer", maximum, default: 0 }])),
  };
}

/** The same numbers in every run, one series a seed. */
function numbers(seed: number): (below: number) => number {
  let state = seed + 1;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
}

/** Half of the keys, others each time. */
function someKeys(next: (below: number) => number): string[] {
  return KEYS.filter(() => next(2) === 0);
}

type Statement = [sql: string, params?: unknown[]];

/** A connection that stays a user's. */
async function connectAs(userId: string): Promise<pg.Client> {
  const client = new pg.Client(database.authenticatorUrl);
  await client.connect();
  const claims = JSON.stringify({ sub: userId, role: "authenticated" });
  await client.query("select set_config('role', 'authenticated', false), set_config('request.jwt.claims', $1, false)", [
    claims,
  ]);
  return client;
}

/** How a statement is refused; undefined when it is not. */
async function refusalOf(statement: Promise<unknown>): Promise<string | undefined> {
  try {
    await statement;
    return undefined;
  } catch (error: unknown) {
    return error instanceof pg.DatabaseError ? `${error.code} ${error.detail}` : String(error);
  }
}

/** Repeats statements on a connection of their own, as a user; gives each way in which one was refused. */
async function repeat(userId: string, rounds: number, statement: (round: number) => Statement): Promise<Set<string>> {
  const refusals = new Set<string>();
  const client = await connectAs(userId);
  try {
    for (let round = 0; round < rounds; round++) {
      const refusal = await refusalOf(client.query(...statement(round)));
      if (refusal !== undefined) refusals.add(refusal);
    }
  } finally {
    await client.end();
  }
  return refusals;
}

/** Has `first` leave its statement uncommitted while `second` comes, commits it when `second` waits, and tells how that ends. */
async function secondWaits(
  first: pg.Client,
  statement: Statement,
  second: pg.Client,
  other: Statement,
): Promise<string | undefined> {
  const {
    rows: [backend],
  } = await second.query<{ pid: number }>("select pg_backend_pid() as pid");
  await first.query("begin");
  await first.query(...statement);
  const refusal = refusalOf(second.query(...other));
  const deadline = Date.now() + 5000;
  for (;;) {
    if ((await database.query("select from pg_locks where pid = $1 and not granted", [backend?.pid])).length > 0) break;
    if (Date.now() > deadline) throw new Error("nobody waits");
    await sleep(10);
  }
  await first.query("commit");
  return refusal;
}

async function together(...writers: Promise<Set<string>>[]): Promise<Set<string>> {
  return (await Promise.all(writers)).reduce((all, refusals) => all.union(refusals), new Set<string>());
}

test("one user's tabs set one, set several and reset, and none is refused", async () => {
  const { id } = await database.createUser("tabs@example.com");

  const refusals = await together(
    ...[0, 1, 2, 3].map((seed) => {
      const next = numbers(seed);
      return repeat(id, 100, (round) => {
        const way = next(4);
        if (way === 0) return ["select attune.set_preference($1, $2)", [KEYS[next(KEYS.length)], String(round)]];
        if (way === 1) return ["select attune.reset_preferences('waits')"];
        if (way === 2) return ["select attune.reset_preference($1)", [KEYS[next(KEYS.length)]]];
        return [
          "select attune.set_preferences($1)",
          [Object.fromEntries(someKeys(next).map((key) => [key, next(3) === 0 ? null : round]))],
        ];
      });
    }),
  );

  expect(refusals).toEqual(new Set());
});

test("users choose while everybody is seeded, and some are deleted", async () => {
  await database.query("update attune.setting_definitions set seeding = 'copy' where key = any ($1)", [
    KEYS.slice(0, 10),
  ]);
  const users = await Promise.all(Array.from({ length: 12 }, (_, n) => database.createUser(`seeded${n}@example.com`)));
  await database.query("delete from attune.user_preferences where user_id = any ($1)", [users.map(({ id }) => id)]);
  const [first, ...others] = users.map(({ id }) => id);

  const refusals = await together(
    ...others.map((id, seed) => {
      const next = numbers(seed);
      return repeat(id, 15, (round) => [
        "select attune.set_preferences($1)",
        [Object.fromEntries(someKeys(next).map((key) => [key, round]))],
      ]);
    }),
    ...[0, 1].map(() => repeat(admin, 15, () => ["select attune.seed_existing_users(5)"])),
    database
      .query("delete from attune.users where id = any ($1)", [[first, others.at(-1)]])
      .then(() => new Set<string>()),
  );

  // The writes of somebody who is deleted meanwhile come to nothing.
  expect([...refusals].filter((refusal) => !["42501 not_signed_in", "PT404 unknown_user"].includes(refusal))).toEqual(
    [],
  );
  await database.query("select attune.seed_existing_users()");
  const unseeded = await database.query(
    `select u.id from attune.users as u
     where (select count(*) from attune.user_preferences as p where p.user_id = u.id and p.key = any ($1)) < 10`,
    [KEYS.slice(0, 10)],
  );
  expect(unseeded).toEqual([]);
});

test("users choose while documents are applied and definitions changed, and no value is left that is not allowed", async () => {
  const users = await Promise.all(Array.from({ length: 4 }, (_, n) => database.createUser(`chooses${n}@example.com`)));

  const refusals = await together(
    ...users.map(({ id }, seed) => {
      const next = numbers(seed);
      return repeat(id, 40, () => [
        "select attune.set_preferences($1)",
        [Object.fromEntries(someKeys(next).map((key) => [key, next(120)]))],
      ]);
    }),
    repeat(admin, 15, (round) => [
      "select attune.apply_definitions($1, false, 'discard')",
      [round % 2 === 0 ? documentOf(50, KEYS.slice(5)) : documentOf(100)],
    ]),
    ...[0, 1].map((seed) => {
      const next = numbers(seed);
      return repeat(admin, 15, (round) => [
        "update attune.setting_definitions set schema = $2 where key = $1",
        [KEYS[next(KEYS.length)], { type: "integer", maximum: round % 2 === 0 ? 60 : 110 }],
      ]);
    }),
    repeat(admin, 15, (round) => [
      "select attune.set_global_setting($1, $2)",
      [KEYS[round % KEYS.length], String(round)],
    ]),
  );

  expect(["PT404 unknown_setting", "PT409 stored_values_invalid", "PT422 invalid_value"]).toEqual(
    expect.arrayContaining([...refusals]),
  );
  const broken = await database.query(
    `select b.layer, b.value, d.schema
     from attune.setting_definitions as d
     cross join lateral attune_private.broken_values(d) as b`,
  );
  expect(broken).toEqual([]);
});

test("who comes second, with a value or with the definition that forbids it, waits for the first and is refused", async () => {
  const { id } = await database.createUser("second@example.com");
  await database.query(
    "insert into attune.setting_definitions (key, category, schema, default_value) values ('LEVEL', 'test', '{}', '0')",
  );
  const [writer, changer] = await Promise.all([connectAs(id), connectAs(admin)]);
  const choose: Statement = ["select attune.set_preference('LEVEL', '10')"];
  const narrow: Statement = ["update attune.setting_definitions set schema = '{\"maximum\": 5}' where key = 'LEVEL'"];

  expect(await secondWaits(writer, choose, changer, narrow)).toBe("PT409 stored_values_invalid");
  await writer.query("select attune.reset_preference('LEVEL')");
  expect(await secondWaits(changer, narrow, writer, choose)).toBe("PT422 invalid_value");
  await Promise.all([writer.end(), changer.end()]);
});

test("who comes second, and would be one too many, waits for the first and is refused", async () => {
  const { id } = await database.createUser("full@example.com");
  await database.query("delete from attune.user_preferences where user_id = $1", [id]);
  await database.query("select attune.set_global_setting('PREFERENCES_PER_USER', '1')");
  const [first, second] = await Promise.all([connectAs(id), connectAs(id)]);
  const choose = (key: string): Statement => ["select attune.set_preference($1, 'true')", [key]];

  expect(await secondWaits(first, choose("DARK_MODE_ENABLED"), second, choose("TASKS_ENABLED"))).toBe(
    "PT422 too_many_preferences",
  );
  await Promise.all([first.end(), second.end()]);
  await database.query("select attune.reset_global_setting('PREFERENCES_PER_USER')");
});
