/** What `changes_since` tells, to whom, and that nothing is ever left out: with transactions that really commit. */
import { randomInt, randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { withClient } from "../src/database/client.ts";
import { dump } from "../src/database/dump.ts";
import { migrate } from "../src/database/migrate.ts";
import { checkDump, restore } from "../src/database/restore.ts";
import { rollback } from "../src/database/rollback.ts";
import { startThrowawayCluster } from "../src/embedded/testing/throwaway.ts";
import { createTestDatabase, type Persona, type TestDatabase, type TestUser } from "./support/harness.ts";

type Changes = {
  cursor: string;
  must_refetch: boolean;
  setting_keys: string[];
  notification_ids: string[];
  knowledge_entry_ids: string[];
};

const TEAM = "00000000-0000-4000-8000-000000000001";
const KEYS = ["changes.beta", "changes.colour", "changes.layout", "changes.secretive"];

let database: TestDatabase;
let admin: TestUser, ann: TestUser, bob: TestUser;

beforeAll(async () => {
  database = await createTestDatabase();
  admin = await database.createUser("admin@example.com", { admin: true });
  ann = await database.createUser("ann@example.com");
  bob = await database.createUser("bob@example.com");
  await database.query(`
    insert into attune.setting_definitions (key, category, layer, audience, writable_by, schema, default_value)
    values
      ('changes.beta', 'changes', 'user', 'client', 'admin', '{"type": "boolean"}', 'false'),
      ('changes.colour', 'changes', 'project', 'client', 'user', '{"type": "string"}', '"red"'),
      ('changes.layout', 'changes', 'user', 'client', 'user', '{"type": "object"}', '{}'),
      ('changes.secretive', 'changes', 'user', 'admin', 'admin', '{"type": "string"}', '""')
  `);
  await database.query(`insert into attune.plans (name, title) values ('studio', 'Studio') on conflict do nothing`);
  await database.query(`insert into attune.teams (id, name) values ($1, 'Team')`, [TEAM]);
  await database.query(`insert into attune.team_members (user_id, team_id) values ($1, $2)`, [bob.id, TEAM]);
  await database.query(`update attune.users set current_team_id = $2, plan = 'studio' where id = $1`, [bob.id, TEAM]);
});

afterAll(() => database.close());

async function changesSince(who: Persona, cursor: string | null = null): Promise<Changes> {
  const { rows } = await database.as(who, (client) =>
    client.query<Changes>("select * from attune.changes_since($1)", [cursor]),
  );
  return onlyOf(rows);
}

function onlyOf([changes]: Changes[]): Changes {
  if (changes === undefined) throw new Error("changes_since returned no row");
  return changes;
}

/** What a cursor has seen, without the witness of the history that it is of: that is another after every commit. */
function seenIn(cursor: string | undefined): string | undefined {
  return cursor?.split(":").slice(2).join(":");
}

/** The code and reason that a call is refused with. */
async function refusalOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "nothing";
  } catch (error: unknown) {
    if (error instanceof pg.DatabaseError) return `${error.code} ${error.detail}`;
    throw error;
  }
}

/** What each of three users is told of something that the owner or somebody does. */
async function toldOf(act: () => Promise<unknown>): Promise<Record<"admin" | "ann" | "bob", string[]>> {
  const people = { admin, ann, bob };
  const cursors = await Promise.all(Object.values(people).map(async (person) => (await changesSince(person)).cursor));
  await act();
  const told = await Promise.all(
    Object.values(people).map(async (person, index) => {
      const changes = await changesSince(person, cursors[index]);
      expect(changes.must_refetch).toBe(false);
      return changes.setting_keys.filter((key) => KEYS.includes(key)).toSorted();
    }),
  );
  return { admin: told[0] ?? [], ann: told[1] ?? [], bob: told[2] ?? [] };
}

const preference = (who: TestUser, key: string, value: unknown, projectId: string | null = null) =>
  database.as(who, (client) =>
    client.query("select attune.set_preference($1, $2, $3)", [key, JSON.stringify(value), projectId]),
  );

describe("who is told of what", () => {
  const everybody = (key: string) => ({ admin: [key], ann: [key], bob: [key] });
  const nobody = { admin: [], ann: [], bob: [] };

  beforeEach(() => database.query("delete from attune.global_settings where key like 'changes.%'"));

  test("their own value, and its reset, is told to a user alone", async () => {
    expect(await toldOf(() => preference(ann, "changes.colour", "blue"))).toEqual({
      ...nobody,
      ann: ["changes.colour"],
    });
    const reset = () => database.as(ann, (client) => client.query("select attune.reset_preference('changes.colour')"));
    expect(await toldOf(reset)).toEqual({ ...nobody, ann: ["changes.colour"] });
  });

  test("so is a value in a project", async () => {
    const [project] = await database.query<{ id: string }>(
      "select m.project_id as id from attune.project_members as m where m.user_id = $1",
      [ann.id],
    );
    expect(await toldOf(() => preference(ann, "changes.colour", "green", project?.id))).toEqual({
      ...nobody,
      ann: ["changes.colour"],
    });
  });

  test("what is written again as it is, is no change", async () => {
    await preference(ann, "changes.colour", "blue");
    expect(await toldOf(() => preference(ann, "changes.colour", "blue"))).toEqual(nobody);
  });

  test.each([
    ["a global value", "insert into attune.global_settings (key, value) values ('changes.beta', 'true')"],
    ["a lock", "insert into attune.global_settings (key, value, is_enforced) values ('changes.beta', 'true', true)"],
    [
      "a rollout",
      "insert into attune.global_settings (key, value, rollout_percentage) values ('changes.beta', 'true', 5)",
    ],
    [
      "a definition",
      "update attune.setting_definitions set description = description || '!' where key = 'changes.beta'",
    ],
  ])("%s is told to everybody", async (_what, sql) => {
    expect(await toldOf(() => database.query(sql))).toEqual(everybody("changes.beta"));
  });

  test("a value of a plan is told to those who have the plan, one of a team to those whose current team it is", async () => {
    const ofPlan = () =>
      database.query("insert into attune.plan_settings (plan, key, value) values ('studio', 'changes.beta', 'true')");
    expect(await toldOf(ofPlan)).toEqual({ ...nobody, bob: ["changes.beta"] });
    const ofTeam = () =>
      database.query(
        "insert into attune.team_settings (team_id, key, value) values ($1, 'changes.colour', '\"team\"')",
        [TEAM],
      );
    expect(await toldOf(ofTeam)).toEqual({ ...nobody, bob: ["changes.colour"] });
  });

  test("who gets another plan or team is told of every setting that they are shown", async () => {
    const shown = ["changes.beta", "changes.colour", "changes.layout"];
    const plan = () => database.query("update attune.users set plan = 'studio' where id = $1", [ann.id]);
    expect(await toldOf(plan)).toEqual({ ...nobody, ann: shown });
    const join = () =>
      database.query("insert into attune.team_members (user_id, team_id) values ($1, $2)", [ann.id, TEAM]);
    expect(await toldOf(join)).toEqual(nobody);
    const choose = () => database.query("update attune.users set current_team_id = $2 where id = $1", [ann.id, TEAM]);
    expect(await toldOf(choose)).toEqual({ ...nobody, ann: shown });
    const leave = () => database.query("delete from attune.team_members where user_id = $1", [ann.id]);
    expect(await toldOf(leave)).toEqual({ ...nobody, ann: shown });
  });

  test("a setting is told only to those who are shown it, or were", async () => {
    const set = () =>
      database.query(`insert into attune.global_settings (key, value) values ('changes.secretive', '"x"')`);
    expect(await toldOf(set)).toEqual({ ...nobody, admin: ["changes.secretive"] });
    const own = () =>
      database.query(
        `insert into attune.user_preferences (user_id, key, value) values ($1, 'changes.secretive', '"y"')`,
        [ann.id],
      );
    expect(await toldOf(own)).toEqual(nobody);
    const audience = (to: string) => () =>
      database.query("update attune.setting_definitions set audience = $1 where key = 'changes.secretive'", [to]);
    expect(await toldOf(audience("client"))).toEqual(everybody("changes.secretive"));
    expect(await toldOf(audience("admin"))).toEqual(everybody("changes.secretive"));
    expect(await toldOf(audience("server"))).toEqual({ ...nobody, admin: ["changes.secretive"] });
  });

  test("who gets the rights of an administrator is told of all settings, who loses them must fetch all anew", async () => {
    const { cursor } = await changesSince(admin);
    await database.query("update attune.users set is_admin = false where id = $1", [admin.id]);
    await database.query(`
      insert into attune.setting_definitions (key, category, audience, schema, default_value)
      values ('changes.later', 'changes', 'admin', '{}', '1')
    `);
    const demoted = await changesSince(admin, cursor);
    expect(demoted).toMatchObject({ must_refetch: true, setting_keys: [] });
    expect(await changesSince(admin, demoted.cursor)).toMatchObject({ must_refetch: false, setting_keys: [] });
    await database.query("delete from attune.setting_definitions where key = 'changes.later'");
    const promote = () => database.query("update attune.users set is_admin = true where id = $1", [admin.id]);
    expect(await toldOf(promote)).toEqual({ ...nobody, admin: KEYS });
  });

  test("who knew a setting by its old name, or that is gone, is told of that name", async () => {
    await database.query(`
      insert into attune.setting_definitions (key, category, schema, default_value)
      values ('changes.old', 'changes', '{"type": "string"}', '""')
    `);
    const keysOf = async (sql: string) => {
      const { cursor } = await changesSince(bob);
      await database.query(sql);
      return (await changesSince(bob, cursor)).setting_keys.toSorted();
    };
    expect(await keysOf("select attune.rename_setting('changes.old', 'changes.new')")).toEqual([
      "changes.new",
      "changes.old",
    ]);
    expect(await keysOf("delete from attune.setting_definitions where key = 'changes.new'")).toEqual(["changes.new"]);
  });

  test("a notification is told to its recipient when it comes and whenever it changes", async () => {
    const create = () =>
      database.as("service_role", (client) =>
        client.query<{ id: string }>(
          "select (attune.create_notification('system', 'Hello', 'there', user_id => $1)).id as id",
          [ann.id],
        ),
      );
    const [ours, theirs] = [await changesSince(ann), await changesSince(bob)];
    const { rows } = await create();
    const ids = rows.map((row) => row.id);
    expect((await changesSince(ann, ours.cursor)).notification_ids).toEqual(ids);
    expect((await changesSince(bob, theirs.cursor)).notification_ids).toEqual([]);
    const { cursor } = await changesSince(ann);
    await database.as(ann, (client) => client.query("select attune.mark_notifications_read($1)", [ids]));
    expect((await changesSince(ann, cursor)).notification_ids).toEqual(ids);
  });

  test("what a server has to announce is the same for each who listens, and no row for others", async () => {
    const outbox = async (cursor: string | null, ids: string[]) => {
      const { rows } = await database.as("service_role", (client) =>
        client.query<{ user_id: string | null } & Changes>(
          "select o.user_id, (o.changes).* from attune_hidden.outbox($1, $2) as o",
          [cursor, ids],
        ),
      );
      return rows;
    };
    const [begin] = await outbox(null, [ann.id, bob.id]);
    const { cursor } = await changesSince(ann);
    expect({ ...begin, cursor: seenIn(begin?.cursor) }).toEqual({
      user_id: null,
      cursor: seenIn(cursor),
      must_refetch: false,
      setting_keys: [],
      notification_ids: [],
      knowledge_entry_ids: [],
    });
    await preference(ann, "changes.layout", { a: 1 });
    await preference(admin, "changes.layout", { a: 1 });
    const rows = await outbox(cursor, [ann.id, bob.id, randomUUID()]);
    expect(rows.map((row) => row.user_id)).toEqual([null, ann.id]);
    expect(rows[1]).toMatchObject({ setting_keys: ["changes.layout"], must_refetch: false });
    expect(await outbox(rows[0]?.cursor ?? "", [ann.id, bob.id])).toHaveLength(1);
  });

  test("tokens are found to be whose they are, until their session ends or their user is gone", async () => {
    const gone = await database.createUser("gone@example.com");
    const claims = [ann, bob, gone].map(({ id }) => JSON.stringify({ sub: id, role: "authenticated", iss: "attune" }));
    const usersOf = async () => {
      const { rows } = await database.as("service_role", (client) =>
        client.query<{ users: string[] }>("select attune_hidden.users_of($1) as users", [
          [
            ...claims,
            JSON.stringify({ sub: "nobody" }),
            "{}",
            JSON.stringify({ sub: ann.id, session_id: randomUUID() }),
          ],
        ]),
      );
      return rows[0]?.users;
    };
    expect(await usersOf()).toEqual([ann.id, bob.id, gone.id, null, null, null]);
    await database.query("delete from attune.users where id = $1", [gone.id]);
    expect(await usersOf()).toEqual([ann.id, bob.id, null, null, null, null]);
  });
});

describe("a cursor", () => {
  test("stays as it is as long as nothing changes, whatever else is written", async () => {
    const { cursor } = await changesSince(ann);
    await database.query("create table public.something (id integer)");
    await database.query("drop table public.something");
    await database.owner
      .query("do $$ begin perform pg_current_xact_id(); raise exception 'aborted'; end $$")
      .catch(() => undefined);
    expect(seenIn((await changesSince(ann)).cursor)).toBe(seenIn(cursor));
  });

  test("keeps what was under way, however much commits in between", async () => {
    const late = await database.owner.connect();
    try {
      await late.query("begin");
      await late.query(`insert into attune.global_settings (key, value) values ('changes.beta', 'true')`);
      await preference(ann, "changes.colour", "before");
      const first = await changesSince(ann);
      await preference(ann, "changes.layout", { early: true });
      const second = await changesSince(ann, first.cursor);
      expect(second.setting_keys).toEqual(["changes.layout"]);
      await late.query("commit");
      expect((await changesSince(ann, second.cursor)).setting_keys).toEqual(["changes.beta"]);
      expect((await changesSince(ann, first.cursor)).setting_keys.toSorted()).toEqual([
        "changes.beta",
        "changes.layout",
      ]);
    } finally {
      late.release();
    }
  });

  test("of what was taken back never tells of it", async () => {
    const { cursor } = await changesSince(ann);
    await expect(
      database.as(ann, async (client) => {
        await client.query(`select attune.set_preference('changes.colour', '"taken back"')`);
        throw new Error("changed my mind");
      }),
    ).rejects.toThrow("changed my mind");
    expect((await changesSince(ann, cursor)).setting_keys).toEqual([]);
  });

  test("that is none is refused, and none makes an internal error", async () => {
    const { cursor } = await changesSince(ann);
    const numbers = fc.oneof(fc.nat(2000), fc.bigInt({ min: 0n, max: 2n ** 70n }));
    const wrong = fc.oneof(
      fc.string(),
      fc
        .tuple(numbers, numbers, fc.array(numbers, { maxLength: 4 }))
        .map(([xmin, xmax, under]) => `${cursor.slice(0, 16)}:${under[0] ?? 0}:${xmin}:${xmax}:${under.join(",")}`),
      fc
        .tuple(fc.nat(cursor.length), fc.string({ maxLength: 2 }))
        .map(([at, piece]) => cursor.slice(0, at) + piece + cursor.slice(at + 1)),
    );
    await fc.assert(
      fc.asyncProperty(wrong, async (text) => {
        if (text.includes("\0")) return;
        const refusal = await refusalOf(changesSince(ann, text));
        expect(["nothing", "PT400 invalid_cursor"]).toContain(refusal);
      }),
      { numRuns: 150 },
    );
    expect(await refusalOf(changesSince(ann, "7".repeat(70_000)))).toBe("PT422 too_large");
  });

  test("from the future, from another database, or from before what was removed says: fetch everything", async () => {
    const { cursor } = await changesSince(ann);
    const [identity = "", witness] = cursor.split(":");
    const refetches = async (from: string) => {
      const { must_refetch, setting_keys, cursor: next } = await changesSince(ann, from);
      expect(setting_keys).toEqual([]);
      expect(seenIn(next)).toBe(seenIn((await changesSince(ann)).cursor));
      return must_refetch;
    };
    expect(await refetches(cursor)).toBe(false);
    expect(await refetches(`${identity}:${witness}:900000000000:900000000000:`)).toBe(true);
    expect(await refetches(cursor.replace(identity, "0123456789abcdef"))).toBe(true);

    await preference(ann, "changes.colour", "purged");
    // Only what is old is purged: a change of long ago, made now.
    await database.query(
      `insert into attune.configuration_audit_log (occurred_at, actor_role, acted_as, layer, key, operation)
       values ('2020-01-01', 'attune', 'migration', 'global', 'changes.colour', 'INSERT')`,
    );
    await database.query("select attune.purge_audit('1 year', 'A test')");
    expect(await refetches(cursor)).toBe(true);
    const after = (await changesSince(ann)).cursor;
    expect(await refetches(after)).toBe(false);
    await preference(ann, "changes.colour", "after");
    expect((await changesSince(ann, after)).setting_keys).toEqual(["changes.colour"]);
  });

  test("of one database is none in another of the same cluster", async () => {
    const { cursor } = await changesSince(ann);
    const other = await createTestDatabase();
    try {
      const user = await other.createUser("ann@example.com");
      const { rows } = await other.as(user, (client) =>
        client.query<Changes>("select * from attune.changes_since($1)", [cursor]),
      );
      expect(rows[0]?.must_refetch).toBe(true);
      expect(rows[0]?.cursor.slice(0, 16)).not.toBe(cursor.slice(0, 16));
    } finally {
      await other.close();
    }
  });

  test("of before a restore says: fetch everything, in the same database and where numbers begin anew", async () => {
    // Their own clusters: a restore makes roles, and whoever listens to others would lose them.
    const [here, elsewhere] = await Promise.all([startThrowawayCluster(), startThrowawayCluster()]);
    const folder = await mkdtemp(join(tmpdir(), "attune-changes-"));
    try {
      const source = await here.createDatabase("source");
      await migrate(source);
      const id = await withClient(source, async (client) => {
        for (let n = 0; n < 500; n++) await client.query("select pg_current_xact_id()");
        const { rows } = await client.query<{ id: string }>(
          "select attune_private.ensure_user('ann@example.com') as id",
        );
        return rows[0]?.id;
      });
      const claims = JSON.stringify({ sub: id, role: "authenticated" });
      const at = (url: string, cursor: string | null) =>
        withClient(url, async (client) => {
          await client.query("begin");
          await client.query("select set_config('request.jwt.claims', $1, true)", [claims]);
          const { rows } = await client.query<Changes>("select * from attune.changes_since($1)", [cursor]);
          await client.query("commit");
          return onlyOf(rows);
        });
      const change = (url: string) =>
        withClient(url, async (client) => {
          await client.query(
            "insert into attune.global_settings (key, value) values ('PROJECTS_ENABLED', 'false') on conflict (key) do update set value = 'true'",
          );
        });

      await change(source);
      const { cursor } = await at(source, null);
      const file = join(folder, "backup.sql");
      await writeFile(file, dump(source));
      await rollback(source, 0);
      await restore(source, await checkDump(file));

      const url = await elsewhere.createDatabase("restored");
      await restore(url, await checkDump(file));
      const number = async (from: string) =>
        withClient(from, async (client) => {
          const { rows } = await client.query<{ n: string }>(
            "select pg_snapshot_xmax(pg_current_snapshot())::text as n",
          );
          return Number(rows[0]?.n);
        });
      expect(await number(url)).toBeLessThan(await number(source));

      for (const restored of [source, url]) {
        const first = await at(restored, cursor);
        expect(first).toMatchObject({ must_refetch: true, setting_keys: [] });
        expect(await at(restored, first.cursor)).toMatchObject({ must_refetch: false, setting_keys: [] });
        await change(restored);
        expect(await at(restored, first.cursor)).toMatchObject({
          must_refetch: false,
          setting_keys: ["PROJECTS_ENABLED"],
        });
      }
    } finally {
      await Promise.all([here.stop(), elsewhere.stop()]);
      await rm(folder, { recursive: true });
    }
  });

  test("more than a hundred settings at once are told as everything", async () => {
    const { cursor } = await changesSince(bob);
    await database.query(`
      insert into attune.setting_definitions (key, category, schema, default_value)
      select 'many.setting' || n, 'many', '{}', '1' from generate_series(1, 101) as n
    `);
    const first = await changesSince(bob, cursor);
    expect(first).toMatchObject({ must_refetch: true, setting_keys: [] });
    await database.query("update attune.users set plan = 'studio' where id = $1", [bob.id]);
    await database.query("update attune.users set plan = 'bootstrapper' where id = $1", [bob.id]);
    const second = await changesSince(bob, first.cursor);
    expect(second).toMatchObject({ must_refetch: true, setting_keys: [] });
    await preference(bob, "many.setting1", 2);
    expect(await changesSince(bob, second.cursor)).toMatchObject({
      must_refetch: false,
      setting_keys: ["many.setting1"],
    });
    await database.query("delete from attune.user_preferences where key = 'many.setting1'");
    await database.query("delete from attune.setting_definitions where category = 'many'");
  });

  test("more than a thousand of a kind is told as everything", async () => {
    const { cursor } = await changesSince(bob);
    await database.query(
      `insert into attune.notifications (user_id, title, category)
       select $1, 'Many', 'system' from generate_series(1, 1001)`,
      [bob.id],
    );
    expect(await changesSince(bob, cursor)).toMatchObject({ must_refetch: true, notification_ids: [] });
  });
});

describe("with many who write at once, and commit late", () => {
  const WRITERS = 100;
  const SHOWN = ["changes.beta", "changes.colour", "changes.layout"];

  /** What a client keeps: the effective values it shows, and its inbox. */
  type Cache = { settings: Map<string, string>; inbox: Map<string, string> };
  type Row = { id: string; content: string };

  const SETTINGS = "select s.key as id, to_jsonb(s)::text as content from attune.effective_settings_of($1) as s";
  const INBOX =
    "select n.id, n.read_at::text || n.title as content from attune.notifications as n where n.user_id = $2";
  const toMap = (rows: Row[]) => new Map(rows.map(({ id, content }) => [id, content]));

  /** A cursor and what it is the cursor of: one statement, so one snapshot. */
  const begin = (user: TestUser) =>
    database.as(user, async (client) => {
      const { rows } = await client.query<{ cursor: string; settings: Row[]; inbox: Row[] }>(
        `select
           (attune.changes_since()).cursor,
           (select coalesce(json_agg(s), '[]') from (${SETTINGS}) as s) as settings,
           (select coalesce(json_agg(n), '[]') from (${INBOX}) as n) as inbox`,
        [SHOWN, user.id],
      );
      const { cursor = "", settings = [], inbox = [] } = rows[0] ?? {};
      return { cursor, cache: { settings: toMap(settings), inbox: toMap(inbox) } };
    });

  async function catchUp(user: TestUser, { cursor, cache }: { cursor: string; cache: Cache }) {
    const changes = await changesSince(user, cursor);
    expect(changes.must_refetch).toBe(false);
    const patched = (kept: Map<string, string>, named: string[], fresh: Row[]) =>
      new Map([...[...kept].filter(([id]) => !named.includes(id)), ...toMap(fresh)]);
    const keys = changes.setting_keys.filter((key) => SHOWN.includes(key));
    return database.as(user, async (client) => {
      const settings = await client.query<Row>(SETTINGS, [keys]);
      const inbox = await client.query<Row>(`${INBOX} and n.id = any ($1)`, [changes.notification_ids, user.id]);
      return {
        cursor: changes.cursor,
        cache: {
          settings: patched(cache.settings, keys, settings.rows),
          inbox: patched(cache.inbox, changes.notification_ids, inbox.rows),
        },
      };
    });
  }

  const sorted = ({ settings, inbox }: Cache) => ({
    settings: [...settings].toSorted(([a], [b]) => a.localeCompare(b)),
    inbox: [...inbox].toSorted(([a], [b]) => a.localeCompare(b)),
  });

  test("a replay from any cursor equals a fresh read", { timeout: 60_000 }, async () => {
    await database.query("delete from attune.notifications");
    const writes: ((client: pg.PoolClient, n: number) => Promise<unknown>)[] = [
      (client, n) =>
        client.query(
          `insert into attune.user_preferences (user_id, key, value) values ($1, 'changes.colour', to_jsonb($2::text))
           on conflict (user_id, key) do update set value = excluded.value`,
          [n % 2 === 0 ? ann.id : bob.id, `colour ${n}`],
        ),
      (client, n) =>
        client.query(
          `insert into attune.global_settings (key, value, is_enforced) values ('changes.layout', $1, $2)
           on conflict (key) do update set value = excluded.value, is_enforced = excluded.is_enforced`,
          [JSON.stringify({ n }), n % 3 === 0],
        ),
      (client, n) => client.query("delete from attune.user_preferences where user_id = $1", [n % 2 ? ann.id : bob.id]),
      (client, n) =>
        client.query("update attune.users set plan = $2 where id = $1", [
          n % 2 === 0 ? ann.id : bob.id,
          n % 3 === 0 ? "studio" : "bootstrapper",
        ]),
      (client, n) =>
        client.query("insert into attune.notifications (user_id, title, category) values ($1, $2, 'system')", [
          n % 2 === 0 ? ann.id : bob.id,
          `Notification ${n}`,
        ]),
      (client) =>
        client.query(
          `update attune.notifications set read_at = now()
           where (user_id, id) in (
             select user_id, id from attune.notifications where read_at is null limit 1 for update skip locked
           )`,
        ),
    ];
    const pool = new pg.Pool({ connectionString: database.ownerUrl, max: 25 });
    const write = async (n: number): Promise<void> => {
      const client = await pool.connect();
      try {
        await sleep(randomInt(60));
        await client.query("begin");
        await writes[randomInt(writes.length)]?.(client, n);
        await sleep(randomInt(40));
        await client.query(randomInt(6) === 0 ? "rollback" : "commit");
      } finally {
        client.release();
      }
    };

    let isWriting = true;
    const taken: { user: TestUser; from: { cursor: string; cache: Cache } }[] = [];
    const follow = async (user: TestUser) => {
      let place = await begin(user);
      while (isWriting) {
        taken.push({ user, from: await begin(user) }, { user, from: place });
        place = await catchUp(user, place);
        await sleep(15);
      }
      return catchUp(user, place);
    };
    const following = [follow(ann), follow(bob)];
    await Promise.all(Array.from({ length: WRITERS }, (_, n) => write(n)));
    isWriting = false;
    const [annAtLast, bobAtLast] = await Promise.all(following);
    await pool.end();

    const [annNow, bobNow] = [await begin(ann), await begin(bob)];
    expect(sorted((annAtLast ?? annNow).cache)).toEqual(sorted(annNow.cache));
    expect(sorted((bobAtLast ?? bobNow).cache)).toEqual(sorted(bobNow.cache));
    expect(taken.length).toBeGreaterThan(10);
    for (const { user, from } of taken) {
      const replayed = await catchUp(user, from);
      expect(sorted(replayed.cache)).toEqual(sorted((user === ann ? annNow : bobNow).cache));
    }
  });
});
