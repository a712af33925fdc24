/** The law of the layers: what SQL resolves is what a naive model says, for random settings, locks and users. */
import fc from "fast-check";
import murmurhash from "murmurhash3js";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "./support/harness.ts";

type Json = null | boolean | number | string | Json[] | { [member: string]: Json };
type GlobalRow = { value: Json; isActive: boolean; isEnforced: boolean; rollout: number };
type UserRow = { value: Json; isActive: boolean };
type Setting = { type: "boolean" | "integer" | "object" | "any"; defaultValue: Json; global: GlobalRow | null; users: (UserRow | null)[] };
type Effective = { value: Json; layer: string; reason: string; is_enforced: boolean };

const USERS = 3;

let database: TestDatabase;
let client: pg.Client;
let users: string[];

beforeAll(async () => {
  database = await createTestDatabase();
  users = await Promise.all(Array.from({ length: USERS }, async (_, n) => (await database.createUser(`user${n}@example.com`)).id));
  client = new pg.Client(database.ownerUrl);
  await client.connect();
});

afterAll(async () => {
  await client.end();
  await database.close();
});

const isObject = (value: Json | undefined): value is { [member: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** RFC 7396, as its own pseudocode has it. */
function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const merged: { [member: string]: Json } = isObject(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name];
    else merged[name] = mergePatch(merged[name], value);
  }
  return merged;
}

/** Unleash's `normalizedStrategyValue`, by the library that Unleash's own client uses. */
const bucketOf = (key: string, userId: string): number => (murmurhash.x86.hash32(`${key}:${userId}`, 0) % 100) + 1;

function expected(key: string, { defaultValue, global, users: rows }: Setting, user: number): Effective {
  const row = rows[user];
  const isIn = global !== null && global.isActive && bucketOf(key, users[user] ?? "") <= global.rollout;
  const isLocked = isIn && global.isEnforced;
  const chosen = row?.isActive === true && !isLocked ? row : undefined;

  let value = defaultValue;
  if (isIn) value = mergePatch(value, global.value);
  if (chosen) value = mergePatch(value, chosen.value);

  if (chosen) return { value, layer: "user", reason: "TARGETING_MATCH", is_enforced: isLocked };
  if (isIn) return { value, layer: "global", reason: global.rollout < 100 ? "SPLIT" : "STATIC", is_enforced: isLocked };
  const isDisabled = global?.isActive === false || row?.isActive === false;
  return { value, layer: "default", reason: isDisabled ? "DISABLED" : "DEFAULT", is_enforced: false };
}

const memberName = fc.constantFrom("a", "b", "c", "d e", "ä");
const leaf: fc.Arbitrary<Json> = fc.oneof(fc.boolean(), fc.integer({ min: -9, max: 9 }), fc.constantFrom("", "x", "ü"), fc.constant<Json>([1, { a: null }]));
const tree = (leaves: fc.Arbitrary<Json>): fc.Arbitrary<Json> =>
  fc.dictionary(memberName, fc.oneof(leaves, fc.dictionary(memberName, fc.oneof(leaves, fc.dictionary(memberName, leaves, { maxKeys: 2 })), { maxKeys: 3 })), { maxKeys: 4, noNullPrototype: true });

/** A value as a layer may store it: of an object, a patch with nulls. */
function valueOf(type: Setting["type"], isDefault: boolean): fc.Arbitrary<Json> {
  const leaves: fc.Arbitrary<Json> = isDefault ? leaf : fc.oneof(leaf, fc.constant(null));
  if (type === "boolean") return fc.boolean();
  if (type === "integer") return fc.integer({ min: -100, max: 100 });
  if (type === "object") return tree(leaves);
  return fc.oneof(leaves, fc.constant(null), tree(leaves));
}

const setting: fc.Arbitrary<Setting> = fc.constantFrom<Setting["type"][]>("boolean", "integer", "object", "any").chain((type) =>
  fc.record({
    type: fc.constant(type),
    defaultValue: valueOf(type, true),
    global: fc.option(
      fc.record({
        value: valueOf(type, false),
        isActive: fc.boolean(),
        isEnforced: fc.boolean(),
        rollout: fc.oneof(fc.constantFrom(0, 1, 99, 100, 100), fc.integer({ min: 0, max: 100 })),
      }),
    ),
    users: fc.array(fc.option(fc.record({ value: valueOf(type, false), isActive: fc.boolean() })), { minLength: USERS, maxLength: USERS }),
  }),
);

async function store(key: string, { type, defaultValue, global, users: rows }: Setting): Promise<void> {
  const schema = JSON.stringify(type === "any" ? {} : { type });
  await client.query("insert into attune.setting_definitions (key, category, schema, default_value) values ($1, 'model', $2, $3)", [key, schema, JSON.stringify(defaultValue)]);
  if (global) {
    await client.query(
      "insert into attune.global_settings (key, value, is_active, is_enforced, rollout_percentage) values ($1, $2, $3, $4, $5)",
      [key, JSON.stringify(global.value), global.isActive, global.isEnforced, global.rollout],
    );
  }
  for (const [n, row] of rows.entries()) {
    if (row === null) continue;
    await client.query(
      "insert into attune.user_preferences (user_id, key, value, is_active) values ($1, $2, $3, $4)",
      [users[n], key, JSON.stringify(row.value), row.isActive],
    );
  }
}

async function effective(user: number): Promise<Map<string, Effective>> {
  const claims = JSON.stringify({ sub: users[user], role: "authenticated" });
  await client.query("select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)", [claims]);
  const { rows } = await client.query<Effective & { key: string }>(
    "select key, value, layer, reason, is_enforced from attune.effective_settings('model')",
  );
  await client.query("reset role");
  return new Map(rows.map(({ key, ...rest }) => [key, rest]));
}

test("effective_settings is what a naive model of the layers says", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(setting, { minLength: 1, maxLength: 6 }), async (settings) => {
      await client.query("begin");
      try {
        for (const [n, each] of settings.entries()) await store(`MODEL_${n}`, each);
        for (let user = 0; user < USERS; user++) {
          const model = new Map(settings.map((each, n) => [`MODEL_${n}`, expected(`MODEL_${n}`, each, user)]));
          expect(await effective(user)).toEqual(model);
        }
      } finally {
        await client.query("rollback");
      }
    }),
    { numRuns: 150 },
  );
});

test("json_merge_patch is RFC 7396", async () => {
  const any = fc.oneof(leaf, fc.constant(null), tree(fc.oneof(leaf, fc.constant(null))));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(any, any), { minLength: 1, maxLength: 50 }), async (pairs) => {
      const { rows } = await client.query<{ merged: Json }>(
        `select attune.json_merge_patch(p -> 0, p -> 1) as merged
         from jsonb_array_elements($1) with ordinality as e (p, position) order by position`,
        [JSON.stringify(pairs)],
      );
      expect(rows.map(({ merged }) => merged)).toEqual(pairs.map(([target, patch]) => mergePatch(target, patch)));
    }),
    { numRuns: 100 },
  );
});

test("buckets are Unleash's, and a growing rollout only ever adds users", async () => {
  // From Unleash's client specification.
  const vectors = [["123", "gr1", 73], ["999", "groupX", 25]] as const;
  const ids = Array.from({ length: 2000 }, (_, n) => `user-${n}-ü`);
  const { rows } = await client.query<{ id: string; bucket: number }>(
    "select id, attune_private.bucket('a rollout', id) as bucket from unnest($1::text[]) as id",
    [ids],
  );
  for (const [id, group, bucket] of vectors) {
    const { rows: [row] } = await client.query<{ bucket: number }>("select attune_private.bucket($1, $2) as bucket", [group, id]);
    expect(row?.bucket).toBe(bucket);
  }
  for (const { id, bucket } of rows) {
    // The library hashes bytes, and takes characters for them: UTF-8 it must be given.
    expect(bucket).toBe((murmurhash.x86.hash32(Buffer.from(`a rollout:${id}`).toString("latin1"), 0) % 100) + 1);
  }
  for (let share = 1; share <= 100; share++) {
    const within = rows.filter(({ bucket }) => bucket <= share).length;
    expect(Math.abs(within / rows.length - share / 100)).toBeLessThan(0.05);
  }
});
