/** Servers that tell the same people the same at the same moment; and what a client is told when it marks something. */
import pg from "pg";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { createTestDatabase, createTestServer, type TestDatabase, type TestUser } from "./support/harness.ts";

const SERVERS = 6;

let database: TestDatabase;
let users: TestUser[];
let servers: pg.Client[];

beforeAll(async () => {
  database = await createTestDatabase();
  users = await Promise.all(Array.from({ length: 40 }, (_, n) => database.createUser(`reader${n}@example.com`)));
  servers = await Promise.all(
    Array.from({ length: SERVERS }, async () => {
      const server = new pg.Client(database.authenticatorUrl);
      await server.connect();
      await server.query(
        `select set_config('role', 'service_role', false), set_config('request.jwt.claims', '{"role": "service_role"}', false)`,
      );
      return server;
    }),
  );
});

afterEach(() => database.query("delete from attune.notifications"));

afterAll(async () => {
  await Promise.all(servers.map((server) => server.end()));
  await database.close();
});

/** What there is: notifications, and what is to be sent of them. */
async function written(): Promise<{ notifications: number; deliveries: number }> {
  const [counted] = await database.query<{ notifications: number; deliveries: number }>(`
    select
      (select count(*)::integer from attune.notifications) as notifications,
      (select count(*)::integer from attune.notification_deliveries) as deliveries`);
  if (counted === undefined) throw new Error("Nothing was counted");
  return counted;
}

test("a notification with one key is made once, whoever comes first, and all are told which it is", async () => {
  for (let round = 0; round < 5; round++) {
    const results = await Promise.all(
      servers.map((server, n) =>
        server.query<{ id: string }>(
          "select id from attune.create_notification('lead_update', $1, user_id => $2, dedupe_key => $3)",
          [`From ${n}`, users[0]?.id, `round ${round}`],
        ),
      ),
    );
    expect(new Set(results.map(({ rows }) => rows[0]?.id)).size).toBe(1);
    expect(await written()).toEqual({ notifications: round + 1, deliveries: 3 * (round + 1) });
  }
});

test("batches with one key that overlap, in whatever order, make one each and wait for no other for ever", async () => {
  const ids = users.map(({ id }) => id);
  for (let round = 0; round < 5; round++) {
    const results = await Promise.all(
      servers.map((server, n) =>
        server.query<{ affected_count: number; told: number }>(
          `select affected_count, cardinality(notifications) as told
          from attune.create_notifications($1, 'lead_update', 'To all', dedupe_key => $2)`,
          [n % 2 === 0 ? ids.slice(n) : ids.toReversed().slice(n), `round ${round}`],
        ),
      ),
    );
    const rows = results.flatMap((result) => result.rows);
    expect(rows.map(({ told }) => told)).toEqual(servers.map((_, n) => ids.length - n));
    expect(rows.reduce((sum, row) => sum + row.affected_count, 0)).toBe(ids.length);
  }
  expect(await written()).toEqual({ notifications: 5 * ids.length, deliveries: 15 * ids.length });
});

test("a payload has the notifications as they were named, and the counts that a query gives then", async () => {
  const [reader] = users;
  if (reader === undefined) throw new Error("There are no users");
  const server = await createTestServer(database);
  try {
    const made = await database.as(reader, (client) =>
      client.query<{ id: string }>(
        "select (attune.create_notification('system', n::text)).id from generate_series(1, 8) as n",
      ),
    );
    const ids = made.rows.map(({ id }) => id);
    const counts =
      "notificationCounts { id total unread unseen archived snoozed categories { category total unread } }";
    for (const verb of ["markNotificationsRead", "archiveNotifications", "markNotificationsUnread"]) {
      const named = verb === "archiveNotifications" ? ids.slice(2, 5) : [...ids.slice(4), ...ids.slice(0, 4)];
      const { body } = await server.graphql<
        Record<string, { notifications: { id: string }[]; notificationCounts: unknown }>
      >(
        `mutation ($ids: [UUID!]!) { ${verb}(input: { ids: $ids }) { notifications { id } ${counts} } }`,
        { ids: named },
        reader.token,
      );
      expect(body.data?.[verb]?.notifications.map(({ id }) => id)).toEqual(named);
      const asked = await server.graphql<{ notificationCounts: unknown }>(`{ ${counts} }`, {}, reader.token);
      expect(body.data?.[verb]?.notificationCounts).toEqual(asked.body.data?.notificationCounts);
    }
  } finally {
    await server.close();
  }
});

test("a key that was taken back with its transaction is free for who waited", async () => {
  const [first, second] = servers;
  if (first === undefined || second === undefined) throw new Error("There are no servers");
  const create = (server: pg.Client): Promise<pg.QueryResult> =>
    server.query("select from attune.create_notification('system', 'Hello', user_id => $1, dedupe_key => 'once')", [
      users[0]?.id,
    ]);
  await first.query("begin");
  await create(first);
  const waiting = create(second);
  await first.query("rollback");
  await waiting;
  expect(await written()).toEqual({ notifications: 1, deliveries: 3 });
});
