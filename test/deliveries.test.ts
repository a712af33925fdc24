/** Workers who send notifications, and tabs who make them, at the same moment: what one worker holds no other gets. */
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase, type TestUser } from "./support/harness.ts";

type Claimed = { notification_id: string; lease_token: string; attempt: number };
type Delivery = {
  notification_id: string;
  status: string;
  attempts: number;
  due_in: number;
  lease_token: string | null;
  is_finished: boolean;
};

const MOST_ATTEMPTS = 8;

let database: TestDatabase;
let user: TestUser;
let workers: pg.Client[];
let client: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  user = await database.createUser("recipient@example.com");
  client = new pg.Client(database.ownerUrl);
  await client.connect();
});

beforeEach(async () => {
  workers = await Promise.all(times(6, () => connect({ role: "service_role" })));
});

afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.end()));
  await database.query("delete from attune.notifications");
});

afterAll(async () => {
  await client.end();
  await database.close();
});

const times = <T>(n: number, work: (index: number) => T): T[] => Array.from({ length: n }, (_, index) => work(index));

async function connect(claims: { role: string; sub?: string }): Promise<pg.Client> {
  const connection = new pg.Client(database.authenticatorUrl);
  await connection.connect();
  await connection.query("select set_config('role', $1, false), set_config('request.jwt.claims', $2, false)", [
    claims.role,
    JSON.stringify(claims),
  ]);
  return connection;
}

/** So many messages that go by e-mail at once, whatever the hour. */
const notify = (client: pg.Client | undefined, n: number): Promise<unknown> | undefined =>
  client?.query(
    "select attune.create_notification('security', 'Message ' || n, user_id => $2) from generate_series(1, $1::integer) as n",
    [n, user.id],
  );

async function claim(worker: pg.Client | undefined, limit: number, lease = "1 hour"): Promise<Claimed[]> {
  const claimed = await worker?.query<Claimed>(
    "select notification_id, lease_token, attempt from attune.claim_deliveries('email', $1, $2)",
    [limit, lease],
  );
  return claimed?.rows ?? [];
}

/** What becomes of a delivery that a worker says it sent, could not send, or gives up: its status, or why it is refused. */
async function finish(
  worker: pg.Client | undefined,
  how: "complete" | "fail" | "give up",
  { notification_id, lease_token }: Claimed,
): Promise<string | undefined> {
  const call =
    how === "complete"
      ? "complete_delivery($1, $2, 'email', $3)"
      : `fail_delivery($1, $2, 'email', $3, 'no answer', ${how === "fail"})`;
  try {
    const finished = await worker?.query<{ status: string }>(`select status from attune.${call}`, [
      user.id,
      notification_id,
      lease_token,
    ]);
    return finished?.rows[0]?.status;
  } catch (error: unknown) {
    if (error instanceof pg.DatabaseError) return `${error.code} ${error.detail}`;
    throw error;
  }
}

/** What waits is due. Like a worker it leaves alone what others have in hand. */
const A_MINUTE_PASSES = `
  update attune.notification_deliveries as d set due_at = now()
  from (
    select w.ctid as place from attune.notification_deliveries as w where w.status = 'pending' and w.lease_token is null for no key update skip locked
  ) as waiting
  where d.ctid = waiting.place`;

const deliveries = async (client: pg.Client | pg.Pool): Promise<Delivery[]> =>
  (
    await client.query<Delivery>(`
      select notification_id, status, attempts, extract(epoch from due_at - clock_timestamp())::float as due_in, lease_token, finished_at is not null as is_finished
      from attune.notification_deliveries where channel = 'email' order by notification_id`)
  ).rows;

const idOf = ({ notification_id }: { notification_id: string }): string => notification_id;

test("workers who claim at once never hold the same delivery, and every message is sent once", async () => {
  const messages = 1000;
  await notify(workers[0], messages);
  const held = new Set<string>();
  const sent: string[] = [];
  const failures = new Map<string, number>();
  const heldTwice: string[] = [];

  const work = async (worker: pg.Client, w: number): Promise<void> => {
    for (let round = 0; sent.length < messages; round++) {
      const claimed = await claim(worker, 1 + ((round * 5 + w * 3) % 11));
      for (const { notification_id: id } of claimed) {
        if (held.has(id)) heldTwice.push(id);
        held.add(id);
      }
      for (const [n, each] of claimed.entries()) {
        const id = each.notification_id;
        const fails = (n + round + w) % 4 === 0 && each.attempt < 4;
        // Let go before the answer comes, as another may claim it in the meantime.
        held.delete(id);
        if (fails) failures.set(id, (failures.get(id) ?? 0) + 1);
        else sent.push(id);
        const became = await finish(worker, fails ? "fail" : "complete", each);
        if (became !== (fails ? "pending" : "sent")) throw new Error(`It became ${became}`);
      }
      // What could not be sent is due again: a minute has passed.
      if (claimed.length === 0) await database.query(A_MINUTE_PASSES);
    }
  };
  await Promise.all(workers.map(work));

  expect(heldTwice).toEqual([]);
  expect(sent).toHaveLength(messages);
  expect(new Set(sent).size).toBe(messages);
  expect(failures.size).toBeGreaterThan(10);
  for (const each of await deliveries(database.owner)) {
    expect(each).toMatchObject({
      status: "sent",
      attempts: 1 + (failures.get(each.notification_id) ?? 0),
      lease_token: null,
      is_finished: true,
    });
  }
});

test("a worker who is still claiming keeps nobody waiting, and what it takes back is free again", async () => {
  await notify(workers[0], 10);
  const [first, second] = workers;
  await first?.query("begin");
  const one = await claim(first, 6);
  const other = await claim(second, 100);

  expect(one).toHaveLength(6);
  expect(other).toHaveLength(4);
  expect(new Set([...one, ...other].map(idOf)).size).toBe(10);
  await first?.query("rollback");
  expect((await claim(second, 100)).map(idOf).toSorted()).toEqual(one.map(idOf).toSorted());
  expect(await claim(first, 100)).toEqual([]);
});

test("the lease of a worker who crashed runs out, and what it held goes to one other", async () => {
  await notify(workers[0], 12);
  const [crashed, ...others] = workers;
  const lost = await claim(crashed, 100, "1 second");
  expect(lost).toHaveLength(12);
  expect(await claim(others[0], 100)).toEqual([]);

  await sleep(1100);
  // Nobody has claimed it yet, so that a worker who was only slow may still say that it was sent.
  const late = lost.shift();
  expect(late && (await finish(crashed, "complete", late))).toBe("sent");
  const taken = await Promise.all(others.map((worker) => claim(worker, 100)));
  expect(taken.flat().map(idOf).toSorted()).toEqual(lost.map(idOf).toSorted());
  expect(taken.flat().every(({ attempt }) => attempt === 2)).toBe(true);

  // The one who comes back cannot take it from who has it now, nor undo it.
  for (const each of lost) {
    expect(await finish(crashed, "complete", each)).toBe("PT409 lease_lost");
    expect(await finish(crashed, "fail", each)).toBe("PT409 lease_lost");
  }
  for (const [w, claimed] of taken.entries()) {
    for (const each of claimed) {
      expect(await finish(others[w], "complete", each)).toBe("sent");
      expect(await finish(others[w], "complete", each)).toBe("PT409 lease_lost");
    }
  }
  expect(await claim(crashed, 100)).toEqual([]);
});

type Command =
  | { do: "claim"; limit: number }
  | { do: "complete" | "fail" | "give up"; which: number; isStale: boolean }
  | { do: "lose"; which: number }
  | { do: "wait" };
/** What a naive model knows of one delivery; `tokens` are all that were given out, the last one first. */
type Model = {
  status: "pending" | "sent" | "failed";
  attempts: number;
  isDue: boolean;
  isLeased: boolean;
  isHeld: boolean;
  tokens: string[];
};

const MESSAGES = 4;
const which = fc.nat(MESSAGES - 1);
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("claim" as const), limit: fc.integer({ min: 1, max: MESSAGES + 1 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom("complete" as const, "fail" as const, "fail" as const, "fail" as const, "give up" as const),
      which,
      isStale: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("lose" as const), which }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("wait" as const) }) },
);

test("claims, failures and lost leases follow a naive model, and the pause doubles after each failure", async () => {
  const reached = new Set<string>();

  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 20, maxLength: 90, size: "max" }), async (commands) => {
      await client.query("begin");
      try {
        await notify(client, MESSAGES);
        const ids = (await deliveries(client)).map(idOf);
        const model: Model[] = ids.map(() => ({
          status: "pending",
          attempts: 0,
          isDue: true,
          isLeased: false,
          isHeld: false,
          tokens: [],
        }));

        for (const each of commands) {
          // What the step came to, and what it had to come to.
          let came: unknown;
          let had: unknown;
          if (each.do === "wait") {
            await client.query("update attune.notification_deliveries set due_at = now() where status = 'pending'");
            for (const of of model) of.isDue = true;
          } else if (each.do === "lose") {
            await client.query(
              "update attune.notification_deliveries set lease_until = now() where notification_id = $1 and lease_until is not null",
              [ids[each.which]],
            );
            const of = model[each.which];
            if (of) of.isLeased = false;
          } else if (each.do === "claim") {
            const free = model.filter(({ status, isDue, isLeased }) => status === "pending" && isDue && !isLeased);
            const claimed = await claim(client, each.limit);
            const taken = claimed.map((of) => model[ids.indexOf(of.notification_id)]);
            const now = await deliveries(client);
            const givenUp = free.filter(
              (of) => of.attempts >= MOST_ATTEMPTS && now[model.indexOf(of)]?.status === "failed",
            );
            // Which ones it is given is its own affair, when there are more.
            const wrong = taken.filter((of) => of === undefined || !free.includes(of) || of.attempts >= MOST_ATTEMPTS);
            [came, had] = [
              { wrong, n: taken.length + givenUp.length },
              { wrong: [], n: Math.min(each.limit, free.length) },
            ];
            for (const of of givenUp) Object.assign(of, { status: "failed", isHeld: false });
            for (const [n, of] of taken.entries()) {
              if (of === undefined) continue;
              Object.assign(of, { attempts: of.attempts + 1, isLeased: true, isHeld: true });
              of.tokens.unshift(claimed[n]?.lease_token ?? "");
            }
          } else {
            const of = model[each.which];
            const token = of?.tokens[each.isStale ? 1 : 0];
            if (of === undefined || token === undefined) continue;
            const mayFinish = of.isHeld && !each.isStale;
            const again = each.do === "fail" && of.attempts < MOST_ATTEMPTS;
            const status = each.do === "complete" ? "sent" : again ? "pending" : "failed";
            await client.query("savepoint before");
            const became = await finish(client, each.do, {
              notification_id: ids[each.which] ?? "",
              lease_token: token,
              attempt: of.attempts,
            });
            if (mayFinish) {
              const dueIn = (await deliveries(client))[each.which]?.due_in ?? 0;
              // To half a minute: the clock goes on.
              [came, had] = [
                { became, dueIn: again ? Math.round(dueIn / 30) : null },
                { became: status, dueIn: again ? 2 ** of.attempts : null },
              ];
              Object.assign(of, { status, isLeased: false, isHeld: false, isDue: of.isDue && !again });
            } else {
              await client.query("rollback to before");
              [came, had] = [became, "PT409 lease_lost"];
            }
          }

          expect(came).toEqual(had);
          expect(
            (await deliveries(client)).map(({ status, attempts, lease_token, is_finished }) => ({
              status,
              attempts,
              lease_token,
              is_finished,
            })),
          ).toEqual(
            model.map(({ status, attempts, isHeld, tokens }) => ({
              status,
              attempts,
              lease_token: isHeld ? tokens[0] : null,
              is_finished: status !== "pending",
            })),
          );
        }
        for (const { status, attempts } of model) reached.add(`${status} ${attempts}`);
      } finally {
        await client.query("rollback");
      }
    }),
    { numRuns: 60 },
  );
  expect([...reached]).toEqual(expect.arrayContaining(["sent 1", "sent 3", "failed 2"]));
});

test("a delivery that fails again and again waits longer each time, and is given up after the eighth", async () => {
  await notify(workers[0], 1);
  const pauses: number[] = [];
  for (let attempt = 1; attempt < MOST_ATTEMPTS; attempt++) {
    const [claimed] = await claim(workers[attempt % workers.length], 1);
    expect(claimed?.attempt).toBe(attempt);
    expect(claimed && (await finish(workers[attempt % workers.length], "fail", claimed))).toBe("pending");
    expect(await claim(workers[0], 1)).toEqual([]);
    const [delivery] = await deliveries(database.owner);
    pauses.push(Math.round((delivery?.due_in ?? 0) / 60));
    await database.query("update attune.notification_deliveries set due_at = now() where status = 'pending'");
  }
  expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 64]);

  const [last] = await claim(workers[0], 1);
  expect(last && (await finish(workers[0], "fail", last))).toBe("failed");
  await database.query("update attune.notification_deliveries set due_at = now()");
  expect(await claim(workers[0], 1)).toEqual([]);
});

test("tabs that fill one inbox together stop at its limit", async () => {
  await database.query("select attune.set_global_setting('NOTIFICATIONS_PER_DAY', '5')");
  const owner = await database.createUser("inbox@example.com");
  const tabs = await Promise.all(times(4, () => connect({ sub: owner.id, role: "authenticated" })));

  for (let round = 0; round < 3; round++) {
    const results = await Promise.allSettled(
      tabs.map((tab) => tab.query("select attune.create_notification('lead_update', 'Hello')")),
    );
    const refused = results.flatMap((result) => (result.status === "rejected" ? [result.reason as unknown] : []));
    expect(refused).toHaveLength([0, 3, 4][round] ?? 0);
    for (const reason of refused) expect(reason).toMatchObject({ code: "PT429", detail: "too_many_notifications" });
  }
  await Promise.all(tabs.map((tab) => tab.end()));
});
