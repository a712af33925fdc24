/**
 * `npm run test:hostile`: random calls by everybody, for as long as one likes. docs/how-to/attack-it.md says
 * what it does, and what it proves.
 *
 *   npm run test:hostile -- --calls 100000            about so many calls; 20,000 unless told
 *   npm run test:hostile -- --calls 2000 --seed 7     those that a former run made
 *   npm run test:hostile -- --no-kills                without killing PostgreSQL and the server
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildSchema } from "graphql";
import { urlOfDatabase } from "../../src/database/connection-string.ts";
import { openDatabase } from "../../src/database/open.ts";
import { startThrowawayCluster } from "../../src/embedded/testing/throwaway.ts";
import { readOptions } from "../../src/options/options.ts";
import { cloneTemplate, createTemplate } from "../../src/pgtap/test-databases.ts";
import { runKills } from "./kills.ts";
import { createRandom } from "./random.ts";
import { createReport, findingsIn, formatReport } from "./report.ts";
import { runRound } from "./run.ts";
import { openStage, type Stage } from "./stage.ts";

/** Calls on one database, before it is thrown away: accounts are deleted, and settings changed, on the way. */
const ROUND = 2500;
/** How often each of a backend, PostgreSQL and the server is killed. */
const KILLS = 5;

const { values } = parseArgs({
  options: {
    calls: { type: "string", default: "20000" },
    seed: { type: "string" },
    "no-kills": { type: "boolean", default: false },
  },
});
const calls = Number(values.calls);
const seed = Number(values.seed ?? randomBytes(4).readUInt32LE());
if (!Number.isSafeInteger(calls) || calls < 1 || !Number.isSafeInteger(seed)) {
  console.error("attune: --calls and --seed take whole numbers.");
  process.exit(2);
}

const schema = buildSchema(readFileSync(join(import.meta.dirname, "../../schema.graphql"), "utf8"));
const report = createReport(seed);
const cluster = await startThrowawayCluster();
const jwtSecret = randomBytes(32).toString("hex");
let authenticatorUrl = "";
const template = await createTemplate(cluster.ownerUrl("postgres"), async (url) => {
  ({ authenticatorUrl } = await openDatabase(readOptions({ DATABASE_URL: url, JWT_SECRET: jwtSecret }), {
    migrate: true,
  }));
});

async function createStage(): Promise<Stage> {
  const clone = await cloneTemplate(cluster.ownerUrl("postgres"), template.name);
  const urls = { ownerUrl: clone.url, authenticatorUrl: urlOfDatabase(authenticatorUrl, clone.name), jwtSecret };
  return openStage(urls, clone.drop);
}

console.log(`seed ${seed}`);
const told = new Set<string>();
/** Prints what was found since it was called last. */
function tell(): void {
  for (const finding of findingsIn(report)) {
    if (!told.has(finding)) console.log(finding);
    told.add(finding);
  }
}

for (let made = 0, round = 0; made < calls; made += ROUND, round += 1) {
  const stage = await createStage();
  await runRound(stage, schema, seed + round, Math.min(ROUND, calls - made), report);
  await stage.close();
  tell();
  console.log(`${Math.min(made + ROUND, calls)} of ${calls} calls, ${told.size} findings`);
}
await template.drop();
await cluster.stop();
if (!values["no-kills"]) await runKills(createRandom(seed), KILLS, report);
tell();
console.log(formatReport(report));
process.exit(told.size === 0 ? 0 : 1);
