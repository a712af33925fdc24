/**
 * What the audit log costs: a write with and without it, by one client and by many at once; sealing, verifying, and
 * reading what applied at a moment.
 *
 *   node bench/audit.ts                             10,000 users with ten preferences each
 *   node bench/audit.ts --users 1000 --rounds 5     quick and rough
 */
import { parseArgs } from "node:util";
import { withClient } from "../src/database/client.ts";
import { urlOfDatabase } from "../src/database/connection-string.ts";
import { openDatabase } from "../src/database/open.ts";
import { startThrowawayCluster } from "../src/embedded/testing/throwaway.ts";
import { readOptions } from "../src/options/options.ts";
import { compare, type Comparison, type Variant } from "./compare.ts";
import { seed } from "./seed.ts";
import { openSession, type Session, type Statement } from "./session.ts";

const SECRET = "a secret of the benchmark, and of nothing else";
const SETTINGS = { fsync: "on", synchronous_commit: "on", full_page_writes: "on", autovacuum: "off" };
const UNAUDITED = "attune_unaudited";
const WRITERS = [1, 8, 32];
/** Users between one writer and the next, so that no two write the same row. */
const APART = 31;

const SETTING = "bench.audited";
const KINDS: Record<string, Statement> = {
  set_preference: { name: "set", text: `select from attune.set_preference('${SETTING}', to_jsonb($1::integer))` },
  "an update": {
    name: "update",
    text: `update attune.user_preferences set value = to_jsonb($1::integer)
           where user_id = (select attune.current_user_id()) and key = '${SETTING}'`,
  },
};
const NOW: Statement = { name: "now", text: "select key, value, layer, reason from attune.effective_settings()" };
const THEN: Statement = {
  name: "then",
  text: "select key, value, layer, reason from attune.effective_settings_as_of(now() - interval '1 second')",
};

/** Each writes once at the same time, all in transactions of their own; the operation is over with the last. */
function write(name: string, sessions: Session[], statement: Statement, commit: "on" | "off"): Variant {
  let value = 0;
  return {
    name,
    prepare: () => Promise.all(sessions.map(({ client }) => client.query(`set synchronous_commit = ${commit}`))),
    run: () => {
      value += 1;
      return Promise.all(sessions.map((session) => session.as("authenticated", session.next(), statement, [value])));
    },
  };
}

async function openSessions(url: string, count: number): Promise<Session[]> {
  const sessions = await Promise.all(Array.from({ length: count }, () => openSession(url)));
  for (const [place, session] of sessions.entries()) for (let turn = 0; turn < place * APART; turn += 1) session.next();
  return sessions;
}

function print({ baseline, subject, ratio }: Comparison): void {
  const quartiles = `${ratio.low.toFixed(2)} to ${ratio.high.toFixed(2)}`;
  const speeds = `${Math.round(baseline.perSecond)}/s, ${Math.round(subject.perSecond)}/s`;
  console.log(
    `${baseline.name.padEnd(42)}${subject.name.padEnd(30)}${speeds.padEnd(20)}${ratio.median.toFixed(2)}  (${quartiles})`,
  );
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

const { values: flags } = parseArgs({
  options: { users: { type: "string", default: "10000" }, rounds: { type: "string", default: "15" } },
});
const effort = { rounds: Number(flags.rounds), turn: 300 };
const cluster = await startThrowawayCluster({ settings: SETTINGS });
const opened: Session[] = [];
try {
  const options = readOptions({ DATABASE_URL: await cluster.createDatabase("attune"), JWT_SECRET: SECRET });
  const { ownerUrl, authenticatorUrl } = await openDatabase(options, { migrate: true });
  await seed(cluster.superuserUrl("attune"), Number(flags.users));
  await withClient(ownerUrl, async (client) => {
    await client.query(
      `insert into attune.setting_definitions (key, category, schema, default_value)
       values ('${SETTING}', 'bench', '{"type": "integer"}', '0')`,
    );
    await client.query(
      `insert into attune.user_preferences (user_id, key, value) select id, '${SETTING}', '0' from attune.users`,
    );
  });

  // What was written so far is sealed and verified once.
  await withClient(cluster.superuserUrl("attune"), async (client) => {
    const { rows } = await client.query<{ count: string }>("select count(*) from attune.configuration_audit_log");
    const each = 100_000 / Number(rows[0]?.count);
    const sealing = await seconds(() => client.query("select attune.seal_audit()"));
    const verifying = await seconds(() => client.query("select from attune.verify_audit()"));
    console.log(`sealing 100,000 rows      ${(sealing * each).toFixed(1)} s`);
    console.log(`verifying 100,000 rows    ${(verifying * each).toFixed(1)} s\n`);
    await client.query("vacuum analyze");
  });

  await cluster.createDatabase(UNAUDITED, "attune");
  await withClient(cluster.ownerUrl(UNAUDITED), (client) =>
    client.query("drop trigger _900_audit on attune.user_preferences"),
  );
  const most = Math.max(...WRITERS);
  const audited = await openSessions(authenticatorUrl, most);
  const unaudited = await openSessions(urlOfDatabase(authenticatorUrl, UNAUDITED), most);
  opened.push(...audited, ...unaudited);

  for (const [kind, statement] of Object.entries(KINDS)) {
    for (const commit of ["on", "off"] as const) {
      for (const writers of WRITERS) {
        const without = write(
          `${kind}, ${writers} at once, ${commit === "on" ? "on disk" : "not waiting for the disk"}`,
          unaudited.slice(0, writers),
          statement,
          commit,
        );
        print(await compare(without, write("with audit", audited.slice(0, writers), statement, commit), effort));
      }
    }
  }

  const [session] = audited;
  if (session !== undefined) {
    const read = (name: string, statement: Statement): Variant => ({
      name,
      run: () => session.as("authenticated", session.next(), statement),
    });
    print(await compare(read("effective_settings", NOW), read("effective_settings_as_of", THEN), effort));
  }
} finally {
  await Promise.all(opened.map(({ client }) => client.end()));
  await cluster.stop();
}
