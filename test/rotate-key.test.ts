/** `attune rotate-key`: another master key, with every secret readable before, meanwhile and after. */
import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { inTransaction, withClient } from "../src/database/client.ts";
import { urlOfDatabase } from "../src/database/connection-string.ts";
import { clusterState } from "../src/embedded/cluster.ts";
import { KEY_FILE, readKeyFile } from "../src/embedded/key-file.ts";
import { attune, type Environment, launch, startServer } from "./support/cli.ts";
import { createTestDatabase, type TestDatabase } from "./support/harness.ts";

const newKey = (): string => randomBytes(32).toString("base64");

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "attune-rotate-"));
  await chmod(home, 0o755);
});
afterAll(() => rm(home, { recursive: true, force: true }));

/** So many people, each with a credential that says whose it is. */
async function makeCredentials(ownerUrl: string, key: string, people: number): Promise<string[]> {
  return withClient(ownerUrl, (client) =>
    inTransaction(client, async () => {
      await client.query("select set_config('attune.master_key', $1, true)", [key]);
      const { rows } = await client.query<{ id: string }>(
        `select u.id
         from generate_series(1, $1) as n
         cross join lateral (select attune_private.ensure_user('user' || n || '@example.com') as id) as u
         cross join lateral attune.set_user_credential(u.id, 'openai', 'sk-of-' || u.id) as c`,
        [people],
      );
      return rows.map(({ id }) => id);
    }),
  );
}

/** What a server with these keys reads of somebody: the secret, or the reason why not. */
async function read(client: pg.Client, id: string, key: string, previous = ""): Promise<string> {
  return inTransaction(client, async () => {
    await client.query(
      "select set_config('attune.master_key', $1, true), set_config('attune.previous_master_key', $2, true)",
      [key, previous],
    );
    const { rows } = await client.query<{ secret: string }>(
      "select secret from attune.resolve_credential($1, 'openai')",
      [id],
    );
    return rows[0]?.secret ?? "";
  }).catch((error: pg.DatabaseError) => error.detail ?? error.message);
}

describe("on a server with DATABASE_URL", () => {
  const [old, next] = [newKey(), newKey()];
  let database: TestDatabase;
  let people: string[];
  const environment = (keys: Environment): Environment => ({
    DATABASE_URL: database.ownerUrl,
    JWT_SECRET: database.jwt.secret,
    ...keys,
  });

  beforeAll(async () => {
    database = await createTestDatabase();
    people = await makeCredentials(database.ownerUrl, old, 30);
  });
  afterAll(() => database.close());

  const stored = () => database.query("select * from attune_private.stored_secrets order by owner_id");

  test.each([
    ["no key", {}, "Set ATTUNE_MASTER_KEY to the new key, and ATTUNE_PREVIOUS_MASTER_KEY to the old one."],
    ["no old key", { ATTUNE_MASTER_KEY: next }, "Set ATTUNE_MASTER_KEY to the new key"],
    ["no new key", { ATTUNE_PREVIOUS_MASTER_KEY: old }, "set that too"],
    ["what is no key", { ATTUNE_MASTER_KEY: "change-me" }, "ATTUNE_MASTER_KEY must be 32 bytes, in base64"],
    ["a wrong old key", { ATTUNE_MASTER_KEY: next, ATTUNE_PREVIOUS_MASTER_KEY: newKey() }, "a third master key"],
    [
      "the same key twice",
      { ATTUNE_MASTER_KEY: old, ATTUNE_PREVIOUS_MASTER_KEY: old },
      "The new master key is the old",
    ],
  ])("%s is one clear sentence, and changes nothing", async (_what, keys, says) => {
    const before = await stored();
    const { code, stdout, stderr } = await attune(["rotate-key"], environment(keys));
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/^attune: [^\n]+\.\n$/);
    expect(stderr).toContain(says);
    expect(await stored()).toEqual(before);
    expect(stderr).not.toContain(Object.values<string>(keys)[0] ?? "-");
  });

  test("two at once do no harm, and say what they did", async () => {
    const keys = { ATTUNE_MASTER_KEY: next, ATTUNE_PREVIOUS_MASTER_KEY: old };
    const both = await Promise.all([1, 2].map(() => attune(["rotate-key", "--batch-size", "3"], environment(keys))));
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    expect(both.map(({ stdout }) => stdout).toSorted()).toEqual([
      "0 data keys wrapped anew; none is left under the old master key.\nATTUNE_PREVIOUS_MASTER_KEY is needed no more.\n",
      "30 data keys wrapped anew; none is left under the old master key.\nATTUNE_PREVIOUS_MASTER_KEY is needed no more.\n",
    ]);
    await withClient(database.ownerUrl, async (client) => {
      for (const id of people) expect(await read(client, id, next)).toBe(`sk-of-${id}`);
      expect(await read(client, people[0] ?? "", old)).toBe("wrong_master_key");
    });
  });

  test("a dump is restored with the same master key, and with no other", async () => {
    const file = join(home, "backup.sql");
    const name = `${database.name}_restored`;
    expect((await attune(["dump", file], environment({}))).code).toBe(0);
    await database.query(`create database ${name}`);
    const restoredUrl = urlOfDatabase(database.ownerUrl, name);
    try {
      const restored = await attune(["restore", file], { ...environment({}), DATABASE_URL: restoredUrl });
      expect(restored).toMatchObject({ code: 0 });
      await withClient(restoredUrl, async (client) => {
        for (const id of people) expect(await read(client, id, next)).toBe(`sk-of-${id}`);
        expect(await read(client, people[0] ?? "", newKey())).toBe("wrong_master_key");
      });
    } finally {
      await database.query(`drop database ${name} with (force)`);
    }
  });

  test("what can be read under no key is named, and keeps nothing up", async () => {
    const damaged = await createTestDatabase();
    try {
      const [first = "", second = ""] = await makeCredentials(damaged.ownerUrl, old, 2);
      await damaged.query(`update attune_private.credential_secrets set master_key_mark = sha256('changed')`);
      await damaged.query(`update attune_private.credential_secrets set data_key = ciphertext where user_id = $1`, [
        first,
      ]);
      const keys = { ATTUNE_MASTER_KEY: next, ATTUNE_PREVIOUS_MASTER_KEY: old };
      const { code, stderr } = await attune(["rotate-key"], { ...environment(keys), DATABASE_URL: damaged.ownerUrl });
      expect([code, stderr]).toEqual([0, expect.stringContaining(`They are openai of user ${first}.\n`)]);
      await withClient(damaged.ownerUrl, async (client) => {
        expect(await read(client, second, next)).toBe(`sk-of-${second}`);
        expect(await read(client, first, next)).toBe("secret_damaged");
      });
    } finally {
      await damaged.close();
    }
  });

  test("a writer with the old key alone, who is under way, is waited for; one who comes after is refused", async () => {
    const third = newKey();
    const [first = "", second = ""] = people;
    await withClient(database.ownerUrl, async (writer) => {
      await writer.query("begin");
      await writer.query("select set_config('attune.master_key', $1, true)", [next]);
      await writer.query("select attune.set_user_credential($1, 'openai', 'sk-of-the-writer')", [first]);
      const rotation = attune(
        ["rotate-key"],
        environment({ ATTUNE_MASTER_KEY: third, ATTUNE_PREVIOUS_MASTER_KEY: next }),
      );
      await withClient(database.ownerUrl, untilWaiting);
      await writer.query("commit");
      expect(await rotation).toMatchObject({ code: 0 });
      expect(await read(writer, first, third)).toBe("sk-of-the-writer");
      await expect(
        inTransaction(writer, async () => {
          await writer.query("select set_config('attune.master_key', $1, true)", [next]);
          await writer.query("select attune.set_user_credential($1, 'openai', 'sk-too-late')", [second]);
        }),
      ).rejects.toMatchObject({ detail: "wrong_master_key" });
    });
  });
});

test("on the embedded one it makes the key, and killed whenever it may be, every secret stays readable", async () => {
  const dataDir = join(home, "data");
  const environment = { ATTUNE_DATA_DIR: dataDir };
  const server = await startServer(environment);
  try {
    const state = await clusterState(dataDir);
    if (state.state !== "running") throw new Error("The server does not run.");
    const before = await readKeyFile(dataDir);
    expect((await stat(join(dataDir, KEY_FILE))).mode & 0o777).toBe(0o600);
    const people = await makeCredentials(state.ownerUrl, before.current, 200);
    const { stdout: token } = await attune(["token", "--role", "service_role"], environment);

    const mark = await withClient(state.ownerUrl, async (client) => {
      const { rows } = await client.query<{ mark: Buffer }>("select k.mark from attune_private.master_key as k");
      return rows[0]?.mark;
    });

    let isOver = false;
    const wrong: string[] = [];
    let reads = 0;
    const readers = [0, 1].map(async (offset) => {
      for (let at = offset; !isOver; at += 7) {
        const id = people[at % people.length] ?? "";
        const response = await fetch(`${server.address}/graphql`, {
          method: "POST",
          headers: { "content-type": "application/json", authorization: `Bearer ${token.trim()}` },
          body: JSON.stringify({
            query: `mutation { resolveCredential(input: { userId: "${id}", provider: "openai" }) { secret } }`,
          }),
        });
        const text = await response.text();
        reads += 1;
        await sleep(20);
        if (!text.includes(`"sk-of-${id}"`)) wrong.push(text);
      }
    });

    const rotation = ["rotate-key", "--batch-size", "1"];
    const done = async (): Promise<number> =>
      withClient(state.ownerUrl, async (client) => {
        const { rows } = await client.query<{ done: string }>(
          `select count(*) filter (where s.master_key_mark <> $1) as done from attune_private.stored_secrets as s`,
          [mark],
        );
        return Number(rows[0]?.done);
      });
    // Whatever it was doing: from before it has begun until it is in the middle.
    for (const share of [0, 0.2, 0.6]) {
      const running = launch(rotation, environment);
      if (share === 0) await sleep(Math.random() * 1500);
      while ((await done()) < share * people.length) await sleep(5);
      running.kill("SIGKILL");
      await running.finished;
    }
    const keys = await readKeyFile(dataDir);
    expect(keys.previous).toBe(before.current);
    expect(await attune(rotation, environment)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^\d+ data keys? wrapped anew; none is left under the old master key\.\n$/),
      stderr: expect.stringMatching(/^attune: \d+ data keys? to wrap anew\.\n/),
    });
    isOver = true;
    await Promise.all(readers);
    expect(wrong).toEqual([]);
    expect(reads).toBeGreaterThan(20);

    const after = await readKeyFile(dataDir);
    expect(after).toEqual({ current: keys.current, previous: undefined });
    expect(await readFile(join(dataDir, KEY_FILE), "utf8")).not.toContain(before.current);
    expect((await stat(join(dataDir, KEY_FILE))).mode & 0o777).toBe(0o600);
    await withClient(state.ownerUrl, async (client) => {
      for (const id of people) expect(await read(client, id, after.current)).toBe(`sk-of-${id}`);
    });
  } finally {
    server.kill("SIGTERM");
    await server.finished;
  }
}, 180_000);

/** Until somebody waits for a lock in this database. */
async function untilWaiting(client: pg.Client): Promise<void> {
  for (;;) {
    const { rows } = await client.query(
      "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
    );
    if (rows.length > 0) return;
    await sleep(20);
  }
}

describe("before the first secret", () => {
  const [old, next] = [newKey(), newKey()];
  let database: TestDatabase;
  let user: string;
  beforeAll(async () => {
    database = await createTestDatabase();
    user = (await database.createUser("ada@example.com")).id;
  });
  afterAll(() => database.close());

  const give = (client: pg.Client, key: string, previous = "") =>
    client.query(
      "select set_config('attune.master_key', $1, true), set_config('attune.previous_master_key', $2, true)",
      [key, previous],
    );
  const store = (client: pg.Client, secret: string) =>
    client.query("select attune.set_user_credential($1, 'openai', $2)", [user, secret]);

  test("a change of keys waits for who was given the old one, and wraps what they store", async () => {
    await withClient(database.ownerUrl, async (writer) =>
      withClient(database.ownerUrl, async (rotating) => {
        await writer.query("begin");
        await writer.query("select attune_hidden.prepare_for_secrets()");
        await give(writer, old);
        const started = inTransaction(rotating, async () => {
          await rotating.query("select attune_hidden.prepare_for_secrets()");
          await give(rotating, next, old);
          return rotating.query<{ left: string }>("select attune_private.start_rotation() as left");
        });
        await untilWaiting(writer);
        await store(writer, "sk-the-first");
        await writer.query("commit");
        expect((await started).rows).toEqual([{ left: "1" }]);
        expect(await read(rotating, user, next, old)).toBe("sk-the-first");
      }),
    );
  });

  test("two that decide about the key at once, after it was lost, do not wait for each other", async () => {
    await database.query("delete from attune.credentials");
    const third = newKey();
    await withClient(database.ownerUrl, async (one) =>
      withClient(database.ownerUrl, async (other) => {
        for (const client of [one, other]) {
          await client.query("begin");
          await client.query("select attune_hidden.prepare_for_secrets()");
          await give(client, third);
        }
        await store(one, "sk-one");
        const second = store(other, "sk-other");
        await untilWaiting(one);
        await one.query("commit");
        await second;
        await other.query("commit");
        expect(await read(one, user, third)).toBe("sk-other");
      }),
    );
  });

  test("who deletes and sets a credential while it is resolved finds nobody told that it is damaged", async () => {
    const key = newKey();
    await database.query("delete from attune.credentials");
    await withClient(database.ownerUrl, async (writer) => {
      let isOver = false;
      const seen = new Set<string>();
      const readers = [0, 1].map(() =>
        withClient(database.ownerUrl, async (reader) => {
          while (!isOver) seen.add(await read(reader, user, key));
        }),
      );
      for (let round = 0; round < 300; round += 1) {
        await inTransaction(writer, async () => {
          await give(writer, key);
          await store(writer, "sk-again");
        });
        await writer.query("delete from attune.credentials");
      }
      isOver = true;
      await Promise.all(readers);
      expect([...seen].filter((each) => !["sk-again", "no_credential", "master_key_missing"].includes(each))).toEqual(
        [],
      );
    });
  });
});

describe("the file of the keys", () => {
  test("is taken from others who could read it", async () => {
    const folder = await mkdtemp(join(home, "rights-"));
    const keys = await readKeyFile(folder);
    await chmod(join(folder, KEY_FILE), 0o644);
    expect(await readKeyFile(folder)).toEqual(keys);
    expect((await stat(join(folder, KEY_FILE))).mode & 0o777).toBe(0o600);
  });

  test.each(["", "{", "null", "[]", '{"masterKey": "short"}'])(
    "says that it is damaged when it is %j",
    async (text) => {
      const folder = await mkdtemp(join(home, "damaged-"));
      await writeFile(join(folder, KEY_FILE), text, { mode: 0o600 });
      await expect(readKeyFile(folder)).rejects.toThrow(/is damaged: restore it from a backup/);
    },
  );
});
