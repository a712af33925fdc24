/**
 * How long writers wait while a definition changes that has many stored values: where all of them are checked under the
 * lock, and as `apply_definitions` and a plain update do it.
 *
 *   node bench/definitions.ts                       100,000 values
 *   node bench/definitions.ts --values 1000000 --rounds 1 --ways "an update"
 */
import { parseArgs } from "node:util";
import type pg from "pg";
import { connect, withClient } from "../src/database/client.ts";
import { openDatabase } from "../src/database/open.ts";
import { startThrowawayCluster } from "../src/embedded/testing/throwaway.ts";
import { readOptions } from "../src/options/options.ts";

const SECRET = "a secret of the benchmark, and of nothing else";
const WRITTEN = "bench.written";

const LAYERS = ["global_settings", "plan_settings", "team_settings", "user_preferences", "project_preferences"]
  .map((table) => `attune.${table}`)
  .join(", ");

/** What is stored, by user number, and a schema that takes it; `description` makes it another one. */
const KINDS = {
  booleans: {
    value: "to_jsonb(n % 2 = 0)",
    schema: (description: string) => ({ type: "boolean", description }),
  },
  "distinct objects": {
    value: "jsonb_build_object('theme', 'dark', 'columns', jsonb_build_array('name', 'owner'), 'width', n)",
    schema: (description: string) => ({
      type: "object",
      description,
      additionalProperties: false,
      properties: {
        theme: { enum: ["dark", "light"] },
        columns: { type: "array", items: { type: "string" } },
        width: { type: "integer", minimum: 0 },
      },
    }),
  },
};

/** The ways of changing the schema of a setting, each in a transaction of its own. */
const WAYS: Record<string, (client: pg.Client, key: string, schema: object) => Promise<unknown>> = {
  "checked under the lock": async (client, key, schema) => {
    await client.query(`begin; lock table ${LAYERS} in share row exclusive mode`);
    await client.query("update attune.setting_definitions set schema = $2 where key = $1", [key, schema]);
    await client.query("commit");
  },
  "an update": (client, key, schema) =>
    client.query("update attune.setting_definitions set schema = $2 where key = $1", [key, schema]),
  apply_definitions: (client, key, schema) =>
    client.query("select from attune.apply_definitions($1)", [
      { $id: key, properties: { [key]: { ...schema, default: null, "x-attune": { category: "bench" } } } },
    ]),
};

async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** Writes another setting until `change` is over; how long that took, and the longest that one write took. */
async function besideWriter(
  writer: pg.Client,
  change: () => Promise<unknown>,
): Promise<{ whole: number; longest: number }> {
  let changing = true;
  let longest = 0;
  const whole = milliseconds(change).finally(() => (changing = false));
  for (let value = 0; changing; value += 1) {
    longest = Math.max(
      longest,
      await milliseconds(() =>
        writer.query("select from attune.set_preference($1, to_jsonb($2::integer))", [WRITTEN, value]),
      ),
    );
  }
  return { whole: await whole, longest };
}

async function anyUser(url: string): Promise<string | undefined> {
  return withClient(
    url,
    async (client) => (await client.query<{ id: string }>("select id from attune.users limit 1")).rows[0]?.id,
  );
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

const { values: flags } = parseArgs({
  options: {
    values: { type: "string", default: "100000" },
    rounds: { type: "string", default: "3" },
    ways: { type: "string", multiple: true, default: Object.keys(WAYS) },
  },
});
const count = Number(flags.values);
const ways = Object.entries(WAYS).filter(([way]) => flags.ways.includes(way));
const cluster = await startThrowawayCluster({ settings: { synchronous_commit: "off", autovacuum: "off" } });
try {
  const options = readOptions({ DATABASE_URL: await cluster.createDatabase("attune"), JWT_SECRET: SECRET });
  const { ownerUrl, authenticatorUrl } = await openDatabase(options, { migrate: true });
  await withClient(cluster.superuserUrl("attune"), async (client) => {
    await client.query(
      `insert into attune.setting_definitions (key, category, schema) values ('${WRITTEN}', 'bench', '{"type": "integer"}')`,
    );
    for (const [kind, { schema }] of Object.entries(KINDS)) {
      await WAYS["apply_definitions"]?.(client, `bench.${kind.replace(" ", "_")}`, schema("first"));
    }
    await client.query("set session_replication_role = replica");
    await client.query(
      "insert into attune.users (email) select format('user%s@example.com', n) from generate_series(1, $1::integer) as n",
      [count],
    );
    for (const [kind, { value }] of Object.entries(KINDS)) {
      await client.query(
        `insert into attune.user_preferences (user_id, key, value)
         select id, $1, ${value} from (select id, row_number() over () as n from attune.users) as u`,
        [`bench.${kind.replace(" ", "_")}`],
      );
    }
    await client.query("vacuum (analyze)");
  });

  const writer = await connect(authenticatorUrl, "attune bench");
  await writer.query("select set_config('role', 'authenticated', false), set_config('request.jwt.claims', $1, false)", [
    JSON.stringify({ sub: await anyUser(ownerUrl), role: "authenticated" }),
  ]);
  console.log(
    `${count.toLocaleString("en")} values\n${"".padEnd(46)}${"change".padStart(12)}${"longest write".padStart(16)}`,
  );
  await withClient(ownerUrl, async (client) => {
    for (const [kind, { schema }] of Object.entries(KINDS)) {
      const times = new Map(ways.map(([way]) => [way, [] as { whole: number; longest: number }[]]));
      for (let round = 0; round < Number(flags.rounds); round += 1) {
        for (const [way, change] of ways) {
          const key = `bench.${kind.replace(" ", "_")}`;
          times.get(way)?.push(await besideWriter(writer, () => change(client, key, schema(`${way} ${round}`))));
        }
      }
      for (const [way, measured] of times) {
        const [whole, longest] = (["whole", "longest"] as const).map((what) =>
          median(measured.map((time) => time[what])),
        );
        console.log(
          `${kind.padEnd(20)}${way.padEnd(26)}${`${Math.round(whole ?? 0)} ms`.padStart(12)}${`${Math.round(longest ?? 0)} ms`.padStart(16)}`,
        );
      }
    }
  });
  await writer.end();
} finally {
  await cluster.stop();
}
