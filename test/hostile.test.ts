/**
 * The hostile suite, a short run of it, without its kills, of which kill.test.ts has some. `npm run test:hostile` makes
 * longer ones.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { buildSchema } from "graphql";
import { expect, test } from "vitest";
import { createReport, findingsIn, type Report } from "./hostile/report.ts";
import { runRound } from "./hostile/run.ts";
import { openStage } from "./hostile/stage.ts";
import { createTestDatabase } from "./support/harness.ts";

const schema = buildSchema(readFileSync(join(import.meta.dirname, "../schema.graphql"), "utf8"));
const seed = fc.readConfigureGlobal().seed ?? 1;

/** What a short round on a database of its own finds, after the owner changed it. */
async function roundOn(calls: number, change = "select 1"): Promise<Report> {
  const database = await createTestDatabase();
  await database.query(change);
  const { ownerUrl, authenticatorUrl, jwt } = database;
  const report = createReport(seed);
  const stage = await openStage({ ownerUrl, authenticatorUrl, jwtSecret: jwt.secret }, database.close);
  await runRound(stage, schema, seed, calls, report);
  await stage.close();
  return report;
}

test(
  `random calls by everybody leak nothing and break nothing (FAST_CHECK_SEED=${seed})`,
  { timeout: 300_000 },
  async () => {
    const report = await roundOn(500);
    expect(findingsIn(report)).toEqual([]);
    expect(report.seen).toBeGreaterThan(0);
  },
);

test("the control: without policies and with a function that fails, they find both", { timeout: 300_000 }, async () => {
  const { leaks, internal } = await roundOn(
    2000,
    `do $$
     declare name text;
     begin
       for name in select c.oid::regclass from pg_class as c where c.relnamespace = 'attune'::regnamespace and c.relkind = 'r' loop
         execute format('alter table %s disable row level security', name);
         execute format('grant update, delete on %s to authenticated', name);
       end loop;
     end $$;
     create function attune_hidden.mistake() returns boolean language plpgsql stable as
       $$ begin raise exception 'a mistake'; end $$;
     create policy plans_select_mistake on attune.plans as restrictive for select using (attune_hidden.mistake());
     alter table attune.plans enable row level security`,
  );
  expect(leaks.some((leak) => /^canary-\w+-(known|secret) to /.test(leak))).toBe(true);
  expect(leaks.some((leak) => /^\w+ changed \w+'s/.test(leak))).toBe(true);
  expect(internal.length).toBeGreaterThan(0);
});
