/** Of two who have read the same version of something and change it at the same time, exactly one does. */
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  createTestDatabase,
  createTestServer,
  type TestDatabase,
  type TestServer,
  type TestUser,
} from "./support/harness.ts";

const TEAM = "00000000-0000-4000-8000-000000000001";

let database: TestDatabase;
let server: TestServer;
let admin: TestUser;
let user: TestUser;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await createTestServer(database);
  admin = await database.createUser("admin@example.com", { admin: true });
  user = await database.createUser("user@example.com");
  await database.query("insert into attune.teams (id, name) values ($1, 'Team')", [TEAM]);
  await database.query("insert into attune.team_members (user_id, team_id, role) values ($1, $2, 'owner')", [
    admin.id,
    TEAM,
  ]);
  await database.query("insert into attune.projects (id, name) values ($1, 'Project')", [TEAM]);
  await database.query("insert into attune.project_members (user_id, project_id, role) values ($1, $2, 'owner')", [
    admin.id,
    TEAM,
  ]);
  await database.query(`
    insert into attune.setting_definitions (key, category, layer, schema, default_value, writable_by)
    values ('mine', 'test', 'project', '{}', '0', 'user'), ('given', 'test', 'project', '{}', '0', 'admin')`);
  await database.query(
    `insert into attune.setting_templates (name, title, "values") values ('template', 'Template', '{"mine": 1}')`,
  );
});

afterAll(async () => {
  await server.close();
  await database.close();
});

/** A row of an administrator, and what changes it: `$1` is the version that was read, `n` makes a value. */
type Write = { row: string; call: (n: number) => string };

const GLOBAL = "global_settings where key = 'mine'";
const PLAN = "plan_settings where key = 'mine'";
const IN_TEAM = "team_settings where key = 'mine'";
const MINE = "user_preferences where key = 'mine'";
const WRITES: Write[] = [
  { row: GLOBAL, call: (n) => `select attune.set_global_setting('mine', '${n}', expected_updated_at => $1)` },
  {
    row: GLOBAL,
    call: (n) => `select attune.set_global_variants('mine', '[{"name": "a", "weight": 1, "value": ${n}}]', $1)`,
  },
  { row: GLOBAL, call: () => "select attune.reset_global_setting('mine', $1)" },
  { row: GLOBAL, call: (n) => `update attune.global_settings set value = '${n}', updated_at = $1 where key = 'mine'` },
  {
    row: PLAN,
    call: (n) => `select attune.set_plan_setting('bootstrapper', 'mine', '${n}', expected_updated_at => $1)`,
  },
  { row: PLAN, call: () => "select attune.reset_plan_setting('bootstrapper', 'mine', $1)" },
  { row: IN_TEAM, call: (n) => `select attune.set_team_setting('${TEAM}', 'mine', '${n}', expected_updated_at => $1)` },
  { row: IN_TEAM, call: () => `select attune.reset_team_setting('${TEAM}', 'mine', $1)` },
  { row: MINE, call: (n) => `select attune.set_preference('mine', '${n}', expected_updated_at => $1)` },
  { row: MINE, call: () => "select attune.reset_preference('mine', expected_updated_at => $1)" },
  {
    row: "project_preferences where key = 'mine'",
    call: (n) => `select attune.set_preference('mine', '${n}', '${TEAM}', expected_updated_at => $1)`,
  },
  {
    row: "project_preferences where key = 'mine'",
    call: () => `select attune.reset_preference('mine', '${TEAM}', $1)`,
  },
  {
    row: "setting_templates where name = 'template'",
    call: (n) => `update attune.setting_templates set title = '${n}', updated_at = $1 where name = 'template'`,
  },
  {
    row: "setting_definitions where key = 'mine'",
    call: (n) => `update attune.setting_definitions set description = '${n}', updated_at = $1 where key = 'mine'`,
  },
  {
    row: "notification_categories where name = 'system'",
    call: (n) => `update attune.notification_categories set title = '${n}', updated_at = $1 where name = 'system'`,
  },
  {
    row: `teams where id = '${TEAM}'`,
    call: (n) => `update attune.teams set name = '${n}', updated_at = $1 where id = '${TEAM}'`,
  },
  {
    row: `projects where id = '${TEAM}'`,
    call: (n) => `update attune.projects set name = '${n}', updated_at = $1 where id = '${TEAM}'`,
  },
  {
    row: "users where email = 'admin@example.com'",
    call: (n) => `update attune.users set name = '${n}', updated_at = $1 where email = 'admin@example.com'`,
  },
];

/** Stores a value in every layer, as what is reset has to be there. */
async function store(): Promise<void> {
  await database.as(admin, async (connection) => {
    await connection.query("select attune.set_global_setting('mine', '0')");
    await connection.query("select attune.set_plan_setting('bootstrapper', 'mine', '0')");
    await connection.query("select attune.set_team_setting($1, 'mine', '0')", [TEAM]);
    await connection.query("select attune.set_preference('mine', '0')");
    await connection.query("select attune.set_preference('mine', '0', $1)", [TEAM]);
    await connection.query("select attune.set_user_setting($1, 'given', '0')", [user.id]);
  });
}

/** Two write from the same version: how many are made, and how the others are refused. */
async function race({ row, call }: Write, round: number): Promise<{ made: number; refused: unknown[] }> {
  await store();
  const [read] = await database.query<{ version: string }>(`select updated_at::text as version from attune.${row}`);
  const outcomes = await Promise.allSettled(
    [1, 2].map((n) => database.as(admin, (connection) => connection.query(call(10 * round + n), [read?.version]))),
  );
  return {
    made: outcomes.filter(({ status }) => status === "fulfilled").length,
    refused: outcomes.flatMap((outcome) =>
      outcome.status === "rejected" && outcome.reason instanceof pg.DatabaseError
        ? [[outcome.reason.code, outcome.reason.detail]]
        : [],
    ),
  };
}

const ONE_OF_TWO = { made: 1, refused: [["PT409", "changed_meanwhile"]] };

test.each(WRITES.map((write) => ({ ...write, sql: write.call(1) })))("$sql", async (write) => {
  for (let round = 1; round <= 5; round++) expect(await race(write, round)).toEqual(ONE_OF_TWO);
});

test.each([
  {
    name: "setting",
    call: (n: number) => `select attune.set_user_setting($user, 'given', '${n}', expected_updated_at => $1)`,
  },
  { name: "resetting", call: () => "select attune.reset_user_setting($user, 'given', $1)" },
])("$name what an administrator gives a user", async ({ call }) => {
  const write = {
    row: "user_preferences where key = 'given'",
    call: (n: number) => call(n).replace("$user", `'${user.id}'`),
  };
  for (let round = 1; round <= 5; round++) expect(await race(write, round)).toEqual(ONE_OF_TWO);
});

describe("through GraphQL", () => {
  test("an update that names the version that was read is made, and then no more", async () => {
    const read = async (): Promise<unknown> => {
      const { body } = await server.graphql<{ settingDefinition: { updatedAt: string } }>(
        '{ settingDefinition(key: "mine") { updatedAt } }',
        {},
        admin.token,
      );
      return body.data?.settingDefinition.updatedAt;
    };
    const write = async (updatedAt: unknown): Promise<string | undefined> => {
      const { body } = await server.graphql(
        `mutation ($updatedAt: Datetime!) {
          updateSettingDefinition(input: { key: "mine", patch: { description: "new", updatedAt: $updatedAt } }) { clientMutationId }
        }`,
        { updatedAt },
        admin.token,
      );
      return body.errors?.[0]?.extensions?.reason;
    };
    const version = await read();
    expect(await write(version)).toBeUndefined();
    expect(await write(version)).toBe("changed_meanwhile");
    expect(await write(await read())).toBeUndefined();
  });
});
