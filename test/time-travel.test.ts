/** What applied at a moment is found again: live results against those from the audit log, while several people write. */
import { randomInt } from "node:crypto";
import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "./support/harness.ts";
import { anyChange, type Change, createWorld, KEYS, make, type World } from "./support/random-changes.ts";

let database: TestDatabase;
let world: World;

beforeAll(async () => {
  database = await createTestDatabase();
  world = await createWorld(database);
});

// From the first seal on it is known when transactions were committed.
beforeAll(() => database.query("select attune.seal_audit()"));
afterAll(() => database.close());

type Recorded = {
  at: string;
  who: string;
  project: string | null;
  settings: unknown;
  explained: { key: string; layers: unknown } | null;
};

test("what applied at any moment, and why, is found again", { timeout: 300_000 }, async () => {
  const writers = await Promise.all([1, 2, 3, 4].map(() => database.owner.connect()));
  const slow = new pg.Client({ connectionString: database.ownerUrl });
  const reader = new pg.Client({ connectionString: database.ownerUrl });
  await Promise.all([slow.connect(), reader.connect()]);
  // Drawn at once: a sample begins at the seed.
  const drawn = fc.sample(anyChange(world), 4000);
  const sample = (count: number): Change[] => drawn.splice(0, count);
  const { people, projects } = world;
  const recorded: Recorded[] = [];
  let made = 0;
  try {
    for (let round = 0; made < 1000; round += 1) {
      // One transaction is under way while others are committed, and while what applies is recorded.
      if (round % 5 === 0) {
        await slow.query("begin; set local lock_timeout = '200ms'");
        made += await make(slow, sample(6));
      }
      const counts = await Promise.all(
        writers.map(async (writer) => {
          await writer.query("begin; set local lock_timeout = '50ms'");
          const count = await make(writer, sample(8));
          const isKept = randomInt(5) > 0;
          await writer.query(isKept ? "commit" : "rollback");
          return isKept ? count : 0;
        }),
      );
      made += counts.reduce((sum, count) => sum + count, 0);
      if (round % 5 === 3) await slow.query(round % 20 === 18 ? "rollback" : "commit");

      const who = people[round % people.length];
      const project = projects[randomInt(projects.length)] ?? null;
      const key = KEYS[randomInt(KEYS.length)];
      const {
        rows: [row],
      } = await reader.query<Recorded>(
        `select
           clock_timestamp()::text as at, $1 as who, m.project_id as project,
           (select jsonb_agg(to_jsonb(s) - 'targeting_key' order by s.key)
            from attune.effective_settings_for($1, null, m.project_id) as s) as settings,
           (select jsonb_build_object('key', d.key, 'layers', (
              select jsonb_agg(to_jsonb(e) order by e.layer) from attune.explain_setting(d.key, $1, m.project_id) as e))
            from attune.setting_definitions as d where d.key = $3) as explained
         from (select) as one
         left join attune.project_members as m on m.user_id = $1 and m.project_id = $2`,
        [who?.id, project, key],
      );
      if (row) recorded.push(row);
    }
  } finally {
    for (const writer of writers) writer.release();
    await Promise.all([slow.end(), reader.end()]);
  }

  const asOwner = new pg.Client({ connectionString: database.ownerUrl });
  await asOwner.connect();
  try {
    for (const { at, who, project, settings, explained } of recorded) {
      const {
        rows: [found],
      } = await asOwner.query(
        `select
           (select jsonb_agg(to_jsonb(s) - 'at' order by s.key)
            from attune.effective_settings_as_of($1, $2, null, $3) as s) as settings,
           (select jsonb_agg(to_jsonb(e) order by e.layer)
            from attune.explain_setting($4, $2, $3, $1) as e where $4 is not null) as layers`,
        [at, who, project, explained?.key],
      );
      expect({ at, ...found }).toEqual({ at, settings, layers: explained?.layers ?? null });
    }
  } finally {
    await asOwner.end();
  }
});
