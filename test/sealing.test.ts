/** The seals of the audit log while many write, and whatever anybody does to it. */
import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "./support/harness.ts";

type Finding = { audit_id: string | null; problem: string };

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.query(
    `insert into attune.setting_definitions (key, category, schema, default_value) values ('sealed.value', 'test', '{}', '0')`,
  );
  // Without the copies that every user gets of what is shipped.
  await database.query("update attune.setting_definitions set seeding = 'inherit' where seeding = 'copy'");
  // What can be purged: months of long ago, of which every second has its partition.
  await database.query(
    `select attune_private.make_audit_partition('attune.configuration_audit_log', month)
     from generate_series('2019-01-01Z'::timestamptz, '2021-12-01Z', '2 months') as month`,
  );
  await database.query(
    `insert into attune.configuration_audit_log (occurred_at, actor_role, acted_as, layer, key, operation, new_value)
     select month + interval '10 days', 'attune', 'migration', 'global', 'sealed.value', 'INSERT', '1'
     from generate_series('2019-01-01Z'::timestamptz, '2021-12-01Z', '1 month') as month`,
  );
});

afterAll(() => database.close());

/** Connections of the owner's, each with work of its own at the same time. */
async function together<T>(count: number, work: (client: pg.Client, index: number) => Promise<T>): Promise<T[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const client = new pg.Client(database.ownerUrl);
      await client.connect();
      try {
        return await work(client, index);
      } finally {
        await client.end();
      }
    }),
  );
}

const seal = async (client: { query: TestDatabase["query"] }): Promise<number> =>
  Number((await client.query<{ n: string }>("select attune.seal_audit() as n"))[0]?.n);

const findings = (checkpoint: string | null = null): Promise<Finding[]> =>
  database.query<Finding>("select * from attune.verify_audit($1)", [checkpoint]);

async function checkpoint(): Promise<string> {
  const [row] = await database.query<{ line: string }>("select attune.audit_checkpoint() as line");
  return row?.line ?? "";
}

test(
  "thirty-two writers and three sealers make one chain, without a gap, and wait for nobody",
  { timeout: 120_000 },
  async () => {
    const people = await Promise.all(
      Array.from({ length: 32 }, (_, index) => database.createUser(`writer${index}@example.com`)),
    );
    let writing = 32;
    const sealedMeanwhile: number[] = [];
    const writers = together(32, async (client, index) => {
      for (let round = 0; round < 20; round++) {
        await client.query("begin");
        for (let change = 0; change <= round % 3; change++)
          await client.query(
            `insert into attune.user_preferences (user_id, key, value) values ($1, 'sealed.value', $2)
           on conflict (user_id, key) do update set value = excluded.value`,
            [people[index]?.id, JSON.stringify([round, change])],
          );
        await client.query(round % 7 === 3 ? "rollback" : "commit");
      }
      writing--;
    });
    const sealers = together(3, async (client) => {
      while (writing > 0) {
        const { rows } = await client.query<{ n: string }>("select attune.seal_audit() as n");
        sealedMeanwhile.push(Number(rows[0]?.n));
      }
    });
    await Promise.all([writers, sealers]);
    const last = await seal(database);

    const [chain] = await database.query<{
      rows: number;
      places: number;
      distinct: number;
      log: number;
      seals: number;
    }>(
      `select count(*)::int as rows, max(sequence)::int as places, count(distinct audit_id)::int as distinct,
       (select count(*)::int from attune.configuration_audit_log) as log,
       (select count(*)::int from attune.audit_seals) as seals
     from attune_private.sealed_rows`,
    );
    expect(chain?.rows).toBe(chain?.log);
    expect(chain?.places).toBe(chain?.log);
    expect(chain?.distinct).toBe(chain?.log);
    expect(sealedMeanwhile.reduce((sum, n) => sum + n, last)).toBe(chain?.log);
    expect(sealedMeanwhile.some((n) => n > 0)).toBe(true);
    expect(await findings()).toEqual([]);
  },
);

test("who writes does not wait for a sealer, nor a sealer for who writes: what is under way is sealed later", async () => {
  const [writer, sealer] = [new pg.Client(database.ownerUrl), new pg.Client(database.ownerUrl)];
  await Promise.all([writer.connect(), sealer.connect()]);
  const set =
    "insert into attune.global_settings (key, value) values ('sealed.value', $1) on conflict (key) do update set value = excluded.value";
  try {
    await seal(database);
    await writer.query("set lock_timeout = '1s'");
    await sealer.query("set lock_timeout = '1s'");
    await writer.query("begin");
    await writer.query(set, ["1"]);
    await database.query("select attune_private.ensure_user('between@example.com', true)");
    await sealer.query("begin");
    const { rows: before } = await sealer.query<{ n: string }>("select attune.seal_audit() as n");
    expect(Number(before[0]?.n)).toBeGreaterThan(0);
    await writer.query(set, ["2"]);
    await writer.query("commit");
    await sealer.query("commit");
    expect(await findings()).toEqual([]);
    expect(await seal(database)).toBe(2);
    expect(await findings()).toEqual([]);
  } finally {
    await Promise.all([writer.end(), sealer.end()]);
  }
});

test("two that see the same end seal once: the other fails", async () => {
  const [first, second] = [new pg.Client(database.ownerUrl), new pg.Client(database.ownerUrl)];
  await Promise.all([first.connect(), second.connect()]);
  try {
    await database.query("select attune_private.ensure_user('again@example.com', true)");
    for (const client of [first, second]) await client.query("begin isolation level repeatable read; select 1");
    for (const client of [first, second]) await client.query("select from attune.audit_seals");
    await first.query("select attune.seal_audit()");
    const other = second.query("select attune.seal_audit()").then(
      () => "sealed",
      (error: unknown) => (error instanceof pg.DatabaseError ? error.code : error),
    );
    await first.query("commit");
    expect(await other).toMatch(/^(40001|23505)$/);
    await second.query("rollback");
    expect(await findings()).toEqual([]);
  } finally {
    await Promise.all([first.end(), second.end()]);
  }
});

test.each(["repeatable read", "serializable"])(
  "who deletes a user under %s is refused, lest a value that was just written stays",
  async (isolation) => {
    const user = await database.createUser(`${isolation.replace(" ", "-")}@example.com`);
    await database.query(
      "insert into attune.user_preferences (user_id, key, value) values ($1, 'sealed.value', '\"secret\"')",
      [user.id],
    );
    const values = () =>
      database.query(
        "select from attune.configuration_audit_log where user_id = $1 and num_nonnulls(previous_value, new_value) > 0",
        [user.id],
      );
    const client = new pg.Client(database.ownerUrl);
    await client.connect();
    try {
      await client.query(`begin isolation level ${isolation}`);
      await client.query("select from attune.plans");
      // Another connection.
      await database.query("delete from attune.user_preferences where user_id = $1", [user.id]);
      await seal(database);
      await expect(client.query("delete from attune.users where id = $1", [user.id])).rejects.toMatchObject({
        code: "PT409",
        detail: "read_committed_required",
      });
      await client.query("rollback");
      expect(await values()).not.toEqual([]);

      await client.query("delete from attune.users where id = $1", [user.id]);
      expect(await values()).toEqual([]);
      expect(await findings()).toEqual([]);
    } finally {
      await client.end();
    }
  },
);

/** What is done to the row of a place, by somebody with the triggers off, and what it is called. */
const TAMPERING: Record<string, { sql: string; problem: string[] }> = {
  value: {
    sql: `update attune.configuration_audit_log set new_value = '"tampered"' where id = $1`,
    problem: ["changed"],
  },
  actor: {
    sql: "update attune.configuration_audit_log set actor_id = gen_random_uuid() where id = $1",
    problem: ["changed"],
  },
  time: {
    sql: "update attune.configuration_audit_log set occurred_at = occurred_at + interval '1 microsecond' where id = $1",
    problem: ["changed"],
  },
  row: { sql: "delete from attune.configuration_audit_log where id = $1", problem: ["removed"] },
  digest: {
    sql: "update attune_private.sealed_rows set row_digest = sha256(row_digest) where audit_id = $1",
    problem: ["seal_changed"],
  },
  hash: {
    sql: "update attune_private.sealed_rows set hash = sha256(hash) where audit_id = $1",
    problem: ["seal_changed"],
  },
  moment: {
    sql: "update attune_private.sealed_rows set committed_at = now() where audit_id = $1",
    problem: ["seal_changed"],
  },
};

test(
  "whatever row is tampered with, it is named first; and nothing is found where nobody did",
  { timeout: 120_000 },
  async () => {
    const step = fc.constantFrom("write", "write many", "delete a user", "purge", "seal");
    let made = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 6 }),
        fc.nat(),
        fc.constantFrom(...Object.keys(TAMPERING)),
        async (steps, place, kind) => {
          for (const what of steps) {
            made++;
            const [user] = await database.query<{ id: string }>("select attune_private.ensure_user($1) as id", [
              `p${made}@example.com`,
            ]);
            await database.query(
              `insert into attune.user_preferences (user_id, key, value)
             select $1, 'sealed.value', to_jsonb($2::int)`,
              [user?.id, made],
            );
            if (what === "write many")
              await database.query(
                "update attune.user_preferences set value = to_jsonb($1::int) where user_id = $2 and key = 'sealed.value'",
                [-made, user?.id],
              );
            if (what === "delete a user") await database.query("delete from attune.users where id = $1", [user?.id]);
            if (what === "purge")
              await database.query(
                "select attune.purge_audit(now() - (timestamptz '2019-01-15Z' + $1 * interval '1 month'), 'A test')",
                [made % 36],
              );
            if (what === "seal") await seal(database);
            expect(await findings()).toEqual([]);
          }
          const told = await checkpoint();
          expect(await findings(told)).toEqual([]);

          const client = new pg.Client(database.ownerUrl);
          await client.connect();
          try {
            await client.query("begin");
            for (const table of ["attune.configuration_audit_log", "attune_private.sealed_rows"])
              await client.query(`alter table ${table} disable trigger user`);
            const { rows } = await client.query<{ audit_id: string }>(
              `with rows as materialized (
               select r.audit_id
               from attune_private.sealed_rows as r
               join attune.configuration_audit_log as l on l.id = r.audit_id
             )
             select audit_id from rows order by audit_id offset $1 % (select count(*) from rows) limit 1`,
              [place],
            );
            const id = rows[0]?.audit_id;
            const tampering = TAMPERING[kind];
            await client.query(tampering?.sql ?? "", [id]);
            const { rows: found } = await client.query<Finding>("select * from attune.verify_audit($1)", [told]);
            expect(found[0]).toEqual({ audit_id: id, problem: expect.toBeOneOf(tampering?.problem ?? []) });
          } finally {
            await client.query("rollback");
            await client.end();
          }
          expect(await findings(told)).toEqual([]);
        },
      ),
      { numRuns: 12 },
    );
  },
);
