/**
 * What it costs to see whether a database is well: `database_health` and `health_alerts` beside a count of the rows.
 *
 *   node bench/health.ts                             1,000,000 users with three preferences each
 *   node bench/health.ts --users 10000 --rounds 5    quick and rough
 */
import { parseArgs } from "node:util";
import { connect } from "../src/database/client.ts";
import { openDatabase } from "../src/database/open.ts";
import { startThrowawayCluster } from "../src/embedded/testing/throwaway.ts";
import { readOptions } from "../src/options/options.ts";
import { seed } from "./seed.ts";

const STATEMENTS = {
  "database_health()": "select to_jsonb(attune.database_health())",
  "health_alerts()": "select * from attune.health_alerts()",
  "count(*) of users and preferences":
    "select (select count(*) from attune.users), (select count(*) from attune.user_preferences)",
};

const { values: flags } = parseArgs({
  options: {
    users: { type: "string", default: "1000000" },
    preferences: { type: "string", default: "3" },
    rounds: { type: "string", default: "15" },
  },
});
const cluster = await startThrowawayCluster();
try {
  const options = readOptions({
    DATABASE_URL: await cluster.createDatabase("attune"),
    JWT_SECRET: "a secret of the benchmark".repeat(2),
  });
  const { ownerUrl } = await openDatabase(options, { migrate: true });
  await seed(cluster.superuserUrl("attune"), Number(flags.users), Number(flags.preferences));
  const client = await connect(ownerUrl);
  try {
    const { rows } = await client.query<{ size: string }>(
      "select pg_size_pretty(pg_database_size(current_database())) as size",
    );
    console.log(`${flags.users} users, ${flags.preferences} preferences each, ${rows[0]?.size ?? ""}\n`);
    await client.query("set role service_role");
    const medians: number[] = [];
    for (const [name, statement] of Object.entries(STATEMENTS)) {
      const times: number[] = [];
      for (let round = 0; round <= Number(flags.rounds); round += 1) {
        const start = performance.now();
        await client.query(statement);
        times.push(performance.now() - start);
      }
      const [first = 0, ...others] = times;
      const sorted = others.toSorted((one, other) => one - other);
      const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
      medians.push(median);
      const ratio = median / (medians[0] ?? 1);
      console.log(
        `${name.padEnd(36)}${median.toFixed(1).padStart(9)} ms   first ${first.toFixed(1)}, longest ${(sorted.at(-1) ?? 0).toFixed(1)}   ${ratio.toFixed(2)}`,
      );
    }
  } finally {
    await client.end();
  }
} finally {
  await cluster.stop();
}
