/** What happens when several workers claim deliveries, and several tabs fill one inbox or save state, at the same moment. */
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase, type TestUser } from "./support/harness.ts";

type Claim = { notification_id: string; user_id: string; lease_token: string; attempt: number };

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});

afterAll(() => database.close());

async function connect(claims: Record<string, string>): Promise<pg.Client> {
  const client = new pg.Client(database.authenticatorUrl);
  await client.connect();
  await client.query("select set_config('role', $1, false), set_config('request.jwt.claims', $2, false)", [claims["role"], JSON.stringify(claims)]);
  return client;
}

const openTab = (user: TestUser): Promise<pg.Client> => connect({ sub: user.id, role: "authenticated" });
const startWorker = (): Promise<pg.Client> => connect({ role: "service_role" });

async function claim(worker: pg.Client, limit: number, lease = "5 minutes"): Promise<Claim[]> {
  const { rows } = await worker.query<Claim>("select * from attune.claim_deliveries('email', $1, $2::interval)", [limit, lease]);
  return rows;
}

const settle = (worker: pg.Client, verb: string, { user_id, notification_id, lease_token }: Claim): Promise<unknown> =>
  worker.query(`select attune.${verb}_delivery($1, $2, 'email', $3)`, [user_id, notification_id, lease_token]);

/** Notifications of the critical category go at once, whatever the hour. */
async function notify(user: TestUser, count: number): Promise<void> {
  await database.query("select attune.create_notification('security', 'Hello', user_id => $1) from generate_series(1, $2::integer)", [user.id, count]);
}

test("four workers claim each delivery once", async () => {
  const count = 200;
  await notify(await database.createUser("once@example.com"), count);
  const workers = await Promise.all(Array.from({ length: 4 }, startWorker));

  const claimed = await Promise.all(
    workers.map(async (worker) => {
      const sent: string[] = [];
      // Others may hold what is due for a moment: a few empty answers are not the end.
      for (let empty = 0; empty < 3; ) {
        const claims = await claim(worker, 7);
        empty = claims.length === 0 ? empty + 1 : 0;
        for (const one of claims) {
          sent.push(one.notification_id);
          await settle(worker, "complete", one);
        }
      }
      return sent;
    }),
  );
  await Promise.all(workers.map((worker) => worker.end()));

  expect(claimed.flat()).toHaveLength(count);
  expect(new Set(claimed.flat()).size).toBe(count);
});

test("the lease of a worker that died runs out, and it cannot finish what another has claimed", async () => {
  await notify(await database.createUser("lease@example.com"), 1);
  const [dead, live] = await Promise.all([startWorker(), startWorker()]);

  const [lost] = await claim(dead, 1, "1 second");
  expect(await claim(live, 1)).toEqual([]);
  await new Promise((resolve) => setTimeout(resolve, 1100));
  const [taken] = await claim(live, 1);
  expect(taken).toMatchObject({ notification_id: lost?.notification_id, attempt: 2 });

  await expect(lost && settle(dead, "complete", lost)).rejects.toMatchObject({ code: "PT409", detail: "lease_lost" });
  if (taken) await settle(live, "complete", taken);
  expect(await claim(dead, 1)).toEqual([]);
  await Promise.all([dead.end(), live.end()]);
});

test("a worker that dies within its transaction has claimed nothing", async () => {
  await notify(await database.createUser("crash@example.com"), 1);
  const [dead, live] = await Promise.all([startWorker(), startWorker()]);

  await dead.query("begin");
  expect(await claim(dead, 1)).toHaveLength(1);
  expect(await claim(live, 1)).toEqual([]);
  await dead.query("rollback");
  expect(await claim(live, 1)).toMatchObject([{ attempt: 1 }]);
  await Promise.all([dead.end(), live.end()]);
});

test("tabs that fill one inbox together stop at its limit", async () => {
  await database.query("select attune.set_global_setting('NOTIFICATIONS_PER_DAY', '5')");
  const user = await database.createUser("inbox@example.com");
  const tabs = await Promise.all(Array.from({ length: 4 }, () => openTab(user)));

  for (let round = 0; round < 3; round++) {
    const results = await Promise.allSettled(tabs.map((tab) => tab.query("select attune.create_notification('lead_update', 'Hello')")));
    const refused = results.flatMap((result) => (result.status === "rejected" ? [result.reason as unknown] : []));
    expect(refused).toHaveLength([0, 3, 4][round] ?? 0);
    for (const reason of refused) expect(reason).toMatchObject({ code: "PT429", detail: "too_many_notifications" });
  }
  await Promise.all(tabs.map((tab) => tab.end()));
});

test("tabs that save their state together keep the fifty latest", async () => {
  const user = await database.createUser("state@example.com");
  const tabs = await Promise.all(Array.from({ length: 4 }, () => openTab(user)));

  await Promise.all(
    tabs.map(async (tab, t) => {
      for (let n = 0; n < 20; n++) await tab.query("select attune.save_session_state($1, '{}')", [`tab ${t}, ${n}`]);
    }),
  );
  await Promise.all(tabs.map((tab) => tab.end()));

  const rows = await database.query<{ session_key: string }>("select session_key from attune.user_session_state where user_id = $1", [user.id]);
  expect(rows).toHaveLength(50);
  for (const t of tabs.keys()) expect(rows.map(({ session_key }) => session_key)).toContain(`tab ${t}, 19`);
});
