/** `attune verify`: what it tries, on databases that differ in all that they may, and what it says of those that don't work. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { withClient } from "../src/database/client.ts";
import { verify } from "../src/database/verify.ts";
import { readRowCounts } from "./support/catalogue.ts";
import { attune } from "./support/cli.ts";
import { createTestDatabase, type TestDatabase } from "./support/harness.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

const CHECKS = [
  "ok a new user is made, with 3 settings copied",
  expect.stringMatching(/^ok the audit log has who, before and after \(\S+\)$/),
  "ok the audit log can only be added to",
  expect.stringMatching(/^ok nobody sees or changes what is another's \(attune\..*attune\.user_session_state\)$/),
  "ok the AI configuration of a user with none of their own is what applies to everybody",
  "ok the AI configuration of another is refused",
  "ok nobody changes anything without signing in",
  "ok nobody reads what is somebody's without signing in",
];
const outcomes = async (): Promise<string[]> =>
  (await verify(database.ownerUrl, { audit: false })).checks.map(({ outcome, what }) => `${outcome} ${what}`);

describe("a database that is well", () => {
  test("is found so, and has the rows that it had", async () => {
    const rows = (): Promise<unknown> => withClient(database.ownerUrl, (client) => readRowCounts(client, []));
    const before = await rows();
    const found = await verify(database.ownerUrl, { audit: true });
    expect(found).toMatchObject({ differences: [], audit: [], isGood: true });
    expect(found.checks.map(({ outcome, what }) => `${outcome} ${what}`)).toEqual(CHECKS);
    expect(await rows()).toEqual(before);
  });

  test.for(["minimum", "maximum"])("may have every limit at its %s", async (bound) => {
    await database.query(
      `insert into attune.global_settings (key, value)
       select d.key, d.schema -> $1 from attune.setting_definitions as d
       where d.category = 'system' and d.schema ? $1`,
      [bound],
    );
    expect(await outcomes()).toEqual(CHECKS);
    await database.query("delete from attune.global_settings");
  });

  test("may have other definitions, values that are locked, protected settings, copies and no AI", async () => {
    await database.query(`
      update attune.setting_definitions set is_protected = true where key like 'ai_configuration.m%';
      update attune.setting_definitions set seeding = 'copy' where category = 'features' and layer >= 'user';
      insert into attune.global_settings (key, value, is_enforced)
      select d.key, d.default_value, true from attune.setting_definitions as d
      where d.category in ('app_preferences', 'notification_settings') and d.default_value <> 'null'
        and attune_private.stored_value_problem(d, 'global', d.default_value) is null
      on conflict do nothing`);
    const found = await verify(database.ownerUrl, { audit: false });
    expect(found.checks.filter(({ outcome }) => outcome !== "ok")).toEqual([]);
    expect(found.checks[0]?.what).toMatch(/^a new user is made, with [1-9]\d* settings copied$/);
    await database.query(
      "delete from attune.global_settings; update attune.setting_definitions set seeding = 'inherit'",
    );
  });

  test("may have no setting that users change", async () => {
    await withClient(database.ownerUrl, async (client) => {
      await client.query(
        "insert into attune.global_settings (key, value, is_enforced) select d.key, d.default_value, true from attune.setting_definitions as d where d.layer >= 'user' and d.writable_by = 'user' and d.default_value <> 'null' and attune_private.stored_value_problem(d, 'global', d.default_value) is null on conflict do nothing",
      );
    });
    expect((await outcomes())[1]).toMatch(/^(skipped|ok) /);
    await database.query("delete from attune.global_settings");
  });

  test("is well for a person and for a program", async () => {
    const { code, stdout, stderr } = await attune(["verify"], { DATABASE_URL: database.ownerUrl });
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^ok: every object is as the migrations made it\nok: a new user .*\n\nAll is well\.\n$/s);
  });
});

describe("what does not work", () => {
  const BROKEN: [what: string, sql: string, back: string, said: RegExp][] = [
    [
      "seeding",
      "update attune.setting_definitions set seeding = 'copy' where key = 'DARK_MODE_ENABLED'; alter table attune.users disable trigger user",
      "update attune.setting_definitions set seeding = 'inherit' where key = 'DARK_MODE_ENABLED'; alter table attune.users enable trigger user",
      /^not ok a new user is made: /,
    ],
    [
      "the audit log",
      "alter table attune.user_preferences disable trigger _900_audit",
      "alter table attune.user_preferences enable trigger _900_audit",
      /^not ok the audit log has who, before and after: storing \S+ left no row/,
    ],
    [
      "what keeps the audit log as it is",
      "alter table attune.configuration_audit_log disable trigger user; alter table attune_private.configuration_audit_log_default disable trigger user",
      "alter table attune.configuration_audit_log enable trigger user; alter table attune_private.configuration_audit_log_default enable trigger user",
      /^not ok the audit log can only be added to: its rows were changed/,
    ],
    [
      "isolation",
      "alter table attune.user_session_state disable row level security",
      "alter table attune.user_session_state enable row level security",
      /^not ok nobody sees or changes what is another's: a user sees 1 rows of another in attune\.user_session_state/,
    ],
  ];
  test.for(BROKEN)("is told: %s", async ([, sql, back, said]) => {
    await database.query(sql);
    try {
      const found = await verify(database.ownerUrl, { audit: false });
      expect(found.isGood).toBe(false);
      expect(found.checks.map(({ outcome, what }) => `${outcome} ${what}`)).toContainEqual(expect.stringMatching(said));
    } finally {
      await database.query(back);
    }
  });

  test("ends the command with status 1, and is named", async () => {
    await database.query("drop policy teams_select_member_or_admin on attune.teams");
    const { code, stdout } = await attune(["verify", "--json"], { DATABASE_URL: database.ownerUrl });
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      isGood: false,
      differences: [{ kind: "missing", object: "policy teams_select_member_or_admin on attune.teams" }],
    });
    const person = await attune(["verify"], { DATABASE_URL: database.ownerUrl });
    expect(person.stdout).toContain("not ok: policy teams_select_member_or_admin on attune.teams is missing\n");
    expect(person.stdout).toMatch(/\n\nSomething is wrong\.\n$/);
  });
});
