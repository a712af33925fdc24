/** Old tables that are adopted: the laws of reading a text, what becomes of them in another database, foreign tables. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { withClient } from "../src/database/client.ts";
import { migrate } from "../src/database/migrate.ts";
import { startThrowawayCluster } from "../src/embedded/testing/throwaway.ts";
import { attune } from "./support/cli.ts";
import { createTestDatabase, type TestDatabase } from "./support/harness.ts";

const JWT_SECRET = "a secret for tests, long enough to be one";

let database: TestDatabase;
let other: TestDatabase;
let home: string;

beforeAll(async () => {
  database = await createTestDatabase();
  other = await createTestDatabase();
  home = await mkdtemp(join(tmpdir(), "attune-adopting-"));
});

afterAll(async () => {
  await database.close();
  await other.close();
  await rm(home, { recursive: true, force: true });
});

test("a text is itself, or what prints as the same text", async () => {
  const numeral = fc.string({ unit: fc.constantFrom(..."0123456789.+-e "), maxLength: 20 });
  const word = fc.constantFrom("true", "FALSE", "yes", "No", "on", "off", "1", "0", "");
  const json = fc.json({ maxDepth: 2 });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(numeral, word, json, fc.string()), { maxLength: 50 }), async (texts) => {
      const storable = texts.filter((text) => !text.includes("\0") && text.isWellFormed());
      const rows = await database.query<{ text: string; type: string; same: boolean; others: boolean }>(
        `select t.text, jsonb_typeof(r.readings[1]) as type,
           case jsonb_typeof(r.readings[1])
             when 'string' then r.readings[1] #>> '{}' = t.text
             when 'number' then r.readings[1]::text = btrim(t.text)
             when 'boolean' then r.readings[1]::text = lower(btrim(t.text))
             else r.readings[1] = t.text::jsonb
           end as same,
           array_position(r.readings, null) is null and to_jsonb(t.text) = any (r.readings) as others
         from unnest($1::text[]) as t (text)
         cross join lateral (select attune_hidden.legacy_readings(t.text, false, false) as readings) as r`,
        [storable],
      );
      expect(rows.filter(({ same, others }) => !same || !others)).toEqual([]);
    }),
  );
});

test("what was adopted is a document, which another database takes", async () => {
  await database.query(`
    create table public.app_settings (key text primary key, value text, category text, description text);
    insert into public.app_settings values
      ('SHOP_BANNER', 'yes', 'features', 'Shows the banner.'), ('SHOP_SALE', 'off', 'features', null),
      ('SHOP_VERSION', '1.10', 'server_config', null), ('SHOP_MODEL', 'small', 'rag_strategy', 'Which model.'),
      ('SHOP_LIMITS', '{"day": 5, "hour": null}', null, null), ('SHOP_RATE', '0.25', null, null)`);
  const user = await database.createUser("ada@example.com");
  await database.query(
    `create table public.user_settings (user_id uuid, preference_key text, preference_value jsonb, category text)`,
  );
  await database.query("insert into public.user_settings values ($1, 'SHOP_ROWS', '25', 'lists')", [user.id]);
  await database.query("select attune.adopt_legacy_settings('public.app_settings')");
  await database.query("select attune.adopt_legacy_preferences('public.user_settings')");

  for (const [source, count] of [
    ["legacy:public.app_settings", 6],
    ["legacy:public.user_settings", 1],
  ] as const) {
    const exported = await attune(["definitions", "export", "--source", source], {
      DATABASE_URL: database.ownerUrl,
      JWT_SECRET,
    });
    expect(exported).toMatchObject({ code: 0, stderr: "" });
    const file = join(home, "adopted.json");
    await writeFile(file, exported.stdout);
    const apply = async (to: TestDatabase, ...flags: string[]): Promise<string | undefined> => {
      const { stdout } = await attune(["definitions", "apply", file, ...flags], {
        DATABASE_URL: to.ownerUrl,
        JWT_SECRET,
      });
      return stdout.split("\n").find((line) => line.endsWith("unchanged."));
    };
    expect(await apply(database, "--dry-run")).toBe(`0 added, 0 changed, 0 removed, ${count} unchanged.`);
    expect(await apply(other)).toBe(`${count} added, 0 changed, 0 removed, 0 unchanged.`);
    expect(await apply(other)).toBe(`0 added, 0 changed, 0 removed, ${count} unchanged.`);
  }

  const definitions = (of: TestDatabase): Promise<object[]> =>
    of.query(
      `select to_jsonb(d)::text from (
         select key, category, description, schema, default_value, layer, writable_by, seeding, merge, audience, source
         from attune.setting_definitions where key like 'SHOP%' order by key
       ) as d`,
    );
  expect(await definitions(database)).toHaveLength(7);
  expect(await definitions(other)).toEqual(await definitions(database));
});

test("secrets that several adopt at once are stored once each", async () => {
  const users = await Promise.all([1, 2, 3, 4].map((place) => database.createUser(`keys${place}@example.com`)));
  await database.query("create table public.user_keys (user_id uuid, key text, value text)");
  await database.query(
    `insert into public.user_keys
     select u.id, 'OPENAI_API_KEY', 'sk-of-' || u.id from unnest($1::uuid[]) as u (id)`,
    [users.map(({ id }) => id)],
  );
  const adopt = async (): Promise<string[]> => {
    const client = await database.owner.connect();
    try {
      await client.query("begin");
      await client.query("select set_config('attune.master_key', repeat('0c', 32), true)");
      const { rows } = await client.query<{ outcome: string }>(
        `select outcome from attune.adopt_legacy_credentials(
           'public.user_keys', '{"OPENAI_API_KEY": "openai"}', user_column => 'user_id')`,
      );
      await client.query("commit");
      return rows.map(({ outcome }) => outcome);
    } finally {
      client.release(true);
    }
  };
  // The column for the mark is there, so that they meet at the rows.
  await database.query("alter table public.user_keys add column deprecated_at timestamptz");
  const outcomes = (await Promise.all([adopt(), adopt(), adopt()])).flat();
  expect(outcomes.toSorted()).toEqual([...Array<string>(4).fill("adopted"), ...Array<string>(8).fill("kept")]);
  expect(await database.query("select from attune.credentials where label = 'OPENAI_API_KEY'")).toHaveLength(4);
});

test("a foreign table is a source, of which nothing is marked", async () => {
  // Only a superuser reads files, or what a program prints.
  const cluster = await startThrowawayCluster();
  try {
    const url = await cluster.createDatabase("attune");
    await migrate(url);
    await withClient(cluster.superuserUrl("attune"), async (client) => {
      await client.query("create extension file_fdw");
      await client.query("create server files foreign data wrapper file_fdw");
      await client.query(
        `create foreign table public.settings_file (key text, value text, category text, deprecated_at timestamptz)
         server files options (program 'printf "FILE_A,1,x,\\nFILE_B,no,x,\\nFILE_C,yes,x,\\n"', format 'csv')`,
      );
      const adopted = async (): Promise<object[]> =>
        (await client.query<object>("select * from attune.adopt_legacy_settings('public.settings_file')")).rows;
      const rows = (outcome: string): object[] => [
        { key: "FILE_A", outcome, value: true, is_marked: false },
        { key: "FILE_B", outcome, value: false, is_marked: false },
        { key: "FILE_C", outcome, value: true, is_marked: false },
      ];
      expect(await adopted()).toMatchObject(rows("adopted"));
      expect(await adopted()).toMatchObject(rows("unchanged"));
    });
  } finally {
    await cluster.stop();
  }
});
