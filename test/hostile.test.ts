/** The hostile suite, a short run of it. `npm run test:hostile` makes longer ones. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { buildSchema } from "graphql";
import { expect, test } from "vitest";
import { runKills } from "./hostile/kills.ts";
import { createRandom } from "./hostile/random.ts";
import { createReport, findingsIn } from "./hostile/report.ts";
import { runRound } from "./hostile/run.ts";
import { openStage } from "./hostile/stage.ts";
import { createTestDatabase } from "./support/harness.ts";

const schema = buildSchema(readFileSync(join(import.meta.dirname, "../schema.graphql"), "utf8"));
const seed = fc.readConfigureGlobal().seed ?? 1;

test(
  `random calls by everybody leak nothing and break nothing (FAST_CHECK_SEED=${seed})`,
  { timeout: 300_000 },
  async () => {
    const database = await createTestDatabase();
    const { ownerUrl, authenticatorUrl, jwt } = database;
    const report = createReport(seed);
    const stage = await openStage({ ownerUrl, authenticatorUrl, jwtSecret: jwt.secret }, database.close);
    await runRound(stage, schema, seed, 500, report);
    await stage.close();
    expect(findingsIn(report)).toEqual([]);
    expect(report.calls["SQL"]).toBeGreaterThan(0);
  },
);

test(
  "what was acknowledged outlives kill -9 of a backend, of PostgreSQL and of the server",
  { timeout: 300_000 },
  async () => {
    const report = createReport(seed);
    await runKills(createRandom(seed), 1, report);
    expect(findingsIn(report)).toEqual([]);
    expect(report.kills.map(({ what }) => what)).toEqual(["a backend", "PostgreSQL", "the server"]);
    expect(report.acknowledged).toBeGreaterThan(0);
  },
);
