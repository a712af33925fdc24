/** What an audit row says was there can be put back exactly. */
import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase, type TestUser } from "./support/harness.ts";
import { valueOf } from "./support/json.ts";

const TEAM = "00000000-0000-4000-8000-000000000001";
const PROJECT = "00000000-0000-4000-8000-0000000000aa";

/** Who writes each layer, and how; `$1` is the key, `$2` the value, `$3` whether it is whole. */
const LAYERS = {
  global: { who: "admin", call: "set_global_setting($1, $2, is_whole => $3)", table: "global_settings" },
  plan: { who: "admin", call: "set_plan_setting('bootstrapper', $1, $2, is_whole => $3)", table: "plan_settings" },
  team: { who: "admin", call: `set_team_setting('${TEAM}', $1, $2, is_whole => $3)`, table: "team_settings" },
  user: { who: "user", call: "set_preference($1, $2, is_whole => $3)", table: "user_preferences" },
  project: { who: "user", call: `set_preference($1, $2, '${PROJECT}', $3)`, table: "project_preferences" },
} as const;
type Layer = keyof typeof LAYERS;
const LAYER_NAMES: Layer[] = ["global", "plan", "team", "user", "project"];

let database: TestDatabase;
let client: pg.Client;
let admin: TestUser;
let user: TestUser;

beforeAll(async () => {
  database = await createTestDatabase();
  admin = await database.createUser("admin@example.com", { admin: true });
  user = await database.createUser("user@example.com");
  client = new pg.Client(database.ownerUrl);
  await client.connect();
  await client.query("insert into attune.teams (id, name) values ($1, 'Team')", [TEAM]);
  await client.query("insert into attune.projects (id, name) values ($1, 'Project')", [PROJECT]);
  await client.query("insert into attune.project_members (user_id, project_id) values ($1, $2)", [user.id, PROJECT]);
  await client.query(`
    insert into attune.setting_definitions (key, category, layer, schema, default_value, merge)
    values
      ('MERGED', 'test', 'project', '{}', '{"a": 1, "b": {"a": 2}}', 'deep'),
      ('WHOLE', 'test', 'project', '{}', '{"a": 1, "b": {"a": 2}}', 'replace')`);
});

afterAll(async () => {
  await client.end();
  await database.close();
});

async function write(layer: Layer, key: string, value: string, isWhole: boolean): Promise<void> {
  const { who, call } = LAYERS[layer];
  const sub = who === "admin" ? admin.id : user.id;
  await client.query("select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)", [
    JSON.stringify({ sub, role: "authenticated" }),
  ]);
  await client.query("savepoint write");
  try {
    await client.query(`select attune.${call}`, [key, value, isWhole]);
  } catch (error: unknown) {
    if (!(error instanceof pg.DatabaseError) || error.detail !== "invalid_value") throw error;
    await client.query("rollback to write");
  }
  await client.query("reset role");
}

/** As text, so that nothing is lost: 1 is not 1.0. */
async function held(layer: Layer, key: string): Promise<string | null> {
  const { rows } = await client.query<{ value: string }>(
    `select value::text from attune.${LAYERS[layer].table} where key = $1`,
    [key],
  );
  return rows[0]?.value ?? null;
}

// Some numbers that are the same, and are not written alike.
const value = fc.oneof(
  valueOf("any", false).map((each) => JSON.stringify(each)),
  valueOf("any", true).map((each) => JSON.stringify(each)),
  fc.constantFrom("1", "1.0", "1.00", "9007199254740993", '{"a": 1}', '{"a": 1.0}', '{"a": null, "b": 1e400}'),
);

test("a previous value of the audit log is put back whole, and then is exactly what was there", async () => {
  let times = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...LAYER_NAMES),
      fc.constantFrom("MERGED", "WHOLE"),
      fc.array(fc.tuple(value, fc.boolean()), { minLength: 2, maxLength: 6 }),
      async (layer, key, writes) => {
        await client.query("begin");
        try {
          const states: (string | null)[] = [];
          for (const [each, isWhole] of writes) {
            const before = await held(layer, key);
            await write(layer, key, each, isWhole);
            if ((await held(layer, key)) !== before) states.push(before);
          }
          const { rows } = await client.query<{ previous: string | null }>(
            "select previous_value::text as previous from attune.configuration_audit_log where key = $1 and layer = $2 order by id",
            [key, layer],
          );
          expect(rows.map(({ previous }) => previous)).toEqual(states);

          for (const { previous } of rows) {
            if (previous === null) continue;
            await write(layer, key, previous, true);
            expect(await held(layer, key)).toBe(previous);
            times++;
          }
        } finally {
          await client.query("rollback");
        }
      },
    ),
    { numRuns: 150 },
  );
  expect(times).toBeGreaterThan(100);
});
