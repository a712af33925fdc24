/** Knowledge that many write at the same moment, and what a client of GraphQL is told of it. */
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { signToken } from "../src/sign-in/jwt.ts";
import {
  createTestDatabase,
  createTestServer,
  type GraphQLResponse,
  type TestDatabase,
  type TestServer,
  type TestUser,
} from "./support/harness.ts";

let database: TestDatabase;
let server: TestServer;
let ada: TestUser;
let bob: TestUser;
let grace: TestUser;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await createTestServer(database);
  ada = await database.createUser("ada@example.com");
  bob = await database.createUser("bob@example.com");
  grace = await database.createUser("grace@example.com", { admin: true });
  await database.query("update attune.users set name = initcap(split_part(email, '@', 1))");
});

afterAll(async () => {
  await server.close();
  await database.close();
});

/** Connections of their own that stay a user's, as tabs would. */
async function openTabs(users: TestUser[]): Promise<pg.Client[]> {
  return Promise.all(
    users.map(async ({ id }) => {
      const tab = new pg.Client(database.authenticatorUrl);
      await tab.connect();
      await tab.query(
        "select set_config('role', 'authenticated', false), set_config('request.jwt.claims', $1, false)",
        [JSON.stringify({ sub: id, role: "authenticated" })],
      );
      return tab;
    }),
  );
}

const close = async (tabs: pg.Client[]): Promise<void> => void (await Promise.all(tabs.map((tab) => tab.end())));

/** An entry of Ada's. */
async function makeEntry(title: string, body = ""): Promise<string> {
  const [entry] = await database.query<{ id: string }>(
    "insert into attune.knowledge_entries (kind, title, body, created_by) values ('entry', $1, $2, $3) returning id",
    [title, body, ada.id],
  );
  if (entry === undefined) throw new Error("The entry was not made");
  return entry.id;
}

/** What each statement came to: "done", or the reason it was refused with. */
async function outcomes(statements: Promise<unknown>[]): Promise<string[]> {
  const settled = await Promise.allSettled(statements);
  return settled.map((each) => {
    if (each.status === "fulfilled") return "done";
    return each.reason instanceof pg.DatabaseError ? `${each.reason.code} ${each.reason.detail}` : String(each.reason);
  });
}

/** How often each came out. */
function counted(values: string[]): Record<string, number> {
  return Object.fromEntries(
    Object.entries(Object.groupBy(values, (value) => value)).map(([value, all]) => [value, all?.length ?? 0]),
  );
}

test(
  "of a hundred who change the same version at once, one does, and no version is lost",
  { timeout: 120_000 },
  async () => {
    const id = await makeEntry("Contested");
    const writers = await openTabs(Array.from({ length: 100 }, (_, n) => (n % 2 === 0 ? ada : grace)));
    const winners: string[] = [];

    for (let version = 1; version <= 3; version++) {
      const came = await outcomes(
        writers.map((writer, n) =>
          writer.query("select attune.update_knowledge_entry($1, $2, body => $3)", [
            id,
            version,
            `${n} from ${version}`,
          ]),
        ),
      );
      expect(counted(came)).toEqual({ done: 1, "PT409 changed_meanwhile": 99 });
      winners.push(`${came.indexOf("done")} from ${version}`);
    }
    await close(writers);

    const versions = await database.query(
      "select body from attune.knowledge_versions where entry_id = $1 order by version",
      [id],
    );
    expect(versions.map(({ body }) => body)).toEqual(["", ...winners]);
  },
);

test(
  "who reads what is current and tries again gets through: nobody's part is lost",
  { timeout: 120_000 },
  async () => {
    const id = await makeEntry("Joint work");
    const writers = await openTabs(Array.from({ length: 12 }, () => ada));

    await Promise.all(
      writers.map(async (writer, n) => {
        for (let done = false; !done;) {
          const { rows } = await writer.query<{ version: number; body: string }>(
            "select version, body from attune.knowledge_entries where id = $1",
            [id],
          );
          const { version = 0, body = "" } = rows[0] ?? {};
          const [came] = await outcomes([
            writer.query("select attune.update_knowledge_entry($1, $2, body => $3)", [id, version, `${body}${n};`]),
          ]);
          done = came === "done";
        }
      }),
    );
    await close(writers);

    const [entry] = await database.query<{ body: string; version: number }>(
      "select body, version from attune.knowledge_entries where id = $1",
      [id],
    );
    expect(entry?.version).toBe(13);
    expect(
      entry?.body
        .split(";")
        .filter(Boolean)
        .map(Number)
        .toSorted((a, b) => a - b),
    ).toEqual(writers.map((_, n) => n));
  },
);

test("of those who want to edit at once, one holds the lease; and of those who bring an entry back, one does", async () => {
  const id = await makeEntry("Wanted");
  const tabs = await openTabs([ada, grace, ada, grace, ada, grace]);

  const leases = await outcomes(tabs.map((tab) => tab.query("select attune.acquire_edit_lease($1)", [id])));
  // All tabs of the one who was first.
  expect(counted(leases)).toEqual({ done: 3, "PT409 edit_lease_held": 3 });

  await tabs[0]?.query("select attune.delete_knowledge_entry($1, 1)", [id]);
  const restored = await outcomes(
    tabs.map((tab) => tab.query("select attune.restore_knowledge_version($1, 1, 2)", [id])),
  );
  expect(counted(restored)).toEqual({ done: 1, "PT409 changed_meanwhile": 5 });
  await close(tabs);
});

test("who brings the same new words at the same time does not wait for the other", async () => {
  const tabs = await openTabs([ada, bob]);
  const statement = "select attune.create_knowledge_entry('learning', 'Neverbefore heardof words')";
  for (const tab of tabs) {
    await tab.query("begin; set local lock_timeout = '2s'");
    expect(await outcomes([tab.query(statement)])).toEqual(["done"]);
  }
  for (const tab of tabs) await tab.query("commit");
  await close(tabs);
});

const isKnown = async (word: string): Promise<boolean> =>
  (await database.query("select from attune_private.knowledge_words where word = $1", [word])).length > 0;

test("a word is forgotten with the last entry that has it, and no sooner, whoever writes at the same time", async () => {
  const tabs = await openTabs([ada, ada]);
  const [one, two] = tabs;
  if (one === undefined || two === undefined) throw new Error("There are no tabs");
  const commit = (): Promise<unknown> => Promise.all(tabs.map((tab) => tab.query("commit")));

  // Written while the only other is deleted, first the one and then the other way round.
  let id = await makeEntry("Alphaquirk");
  await one.query("begin");
  await one.query("select attune.create_knowledge_entry('entry', 'Alphaquirk')");
  await two.query("begin");
  const deletion = two.query("select attune.delete_knowledge_entry($1, 1)", [id]);
  await one.query("commit");
  await deletion;
  await two.query("commit");
  expect(await isKnown("alphaquirk")).toBe(true);

  id = await makeEntry("Betaquirk");
  await one.query("begin; set local lock_timeout = '2s'");
  await one.query("select attune.delete_knowledge_entry($1, 1)", [id]);
  await two.query("begin; set local lock_timeout = '2s'");
  // Who writes does not wait.
  expect(await outcomes([two.query("select attune.create_knowledge_entry('entry', 'Betaquirk')")])).toEqual(["done"]);
  await commit();
  expect(await isKnown("betaquirk")).toBe(true);

  // Both that have it go, each by another, and neither sees the other go.
  const ids = [await makeEntry("Gammaquirk"), await makeEntry("Gammaquirk")];
  await one.query("begin");
  await one.query("select attune.delete_knowledge_entry($1, 1)", [ids[0]]);
  await two.query("begin");
  const second = two.query("select attune.update_knowledge_entry($1, 1, title => 'Else')", [ids[1]]);
  await one.query("commit");
  await second;
  await two.query("commit");
  expect(await isKnown("gammaquirk")).toBe(false);
  await close(tabs);
});

test("whoever writes and deletes what: known are the words that entries say, and nobody fails", async () => {
  const words = ["zephyrine", "quixotry", "borogove", "frumious", "galumph", "vorpalish"];
  const ids = await Promise.all(words.map((word, n) => makeEntry(`${word} ${words[(n + 1) % words.length]}`)));
  const writers = await openTabs(Array.from({ length: 8 }, () => ada));
  const came = await Promise.all(
    writers.map(async (writer, n) => {
      const all: string[] = [];
      for (let step = 0; step < 30; step++) {
        const at = (n * 7 + step * 5) % words.length;
        const title = [words[at], words[(at + n + step) % words.length]].join(" ");
        const id = ids[(n + step) % ids.length];
        const { rows } = await writer.query<{ version: number; gone: boolean }>(
          "select version, operation = 'DELETE' as gone from attune.knowledge_versions where entry_id = $1 order by version desc limit 1",
          [id],
        );
        const version = rows[0]?.version;
        const statement =
          rows[0]?.gone === true
            ? writer.query("select attune.restore_knowledge_version($1, 1, $2)", [id, version])
            : step % 3 === 0
              ? writer.query("select attune.delete_knowledge_entry($1, $2)", [id, version])
              : writer.query("select attune.update_knowledge_entry($1, $2, title => $3)", [id, version, title]);
        all.push(...(await outcomes([statement])));
      }
      return all;
    }),
  );
  await close(writers);
  expect(new Set(came.flat())).toEqual(new Set(["done", "PT409 changed_meanwhile"]));

  const said = await database.query<{ word: string }>(
    "select distinct u.word from attune_private.knowledge_index as i, unnest(i.spellings) as u (word) order by u.word",
  );
  const known = await database.query<{ word: string }>(
    "select distinct word from attune_private.knowledge_words order by word",
  );
  expect(known).toEqual(said);
});

type Failure = NonNullable<GraphQLResponse<unknown>["body"]["errors"]>[number];
const failureOf = ({ body }: GraphQLResponse<unknown>): Partial<Failure> => body.errors?.[0] ?? {};

test("a client is told with what its change collides", async () => {
  const id = await makeEntry("Collision", "one");
  const update = `mutation ($id: UUID!, $version: Int!, $body: String!) {
    updateKnowledgeEntry(input: { id: $id, version: $version, body: $body }) { knowledgeEntry { version body } }
  }`;
  const first = await server.graphql(update, { id, version: 1, body: "two" }, grace.token);
  expect(first.body.data).toEqual({ updateKnowledgeEntry: { knowledgeEntry: { version: 2, body: "two" } } });

  const late = failureOf(await server.graphql(update, { id, version: 1, body: "three" }, ada.token));
  expect(late.extensions).toMatchObject({
    code: "PT409",
    reason: "changed_meanwhile",
    hint: expect.not.stringContaining("\n"),
    conflict: {
      entryId: id,
      version: 1,
      currentVersion: 2,
      operation: "UPDATE",
      changedById: grace.id,
      changedByName: "Grace",
      agent: null,
      changedAt: expect.any(String),
    },
  });

  const acquire = `mutation ($id: UUID!) { acquireEditLease(input: { entryId: $id }) { knowledgeEditLease { heldByName } } }`;
  await server.graphql(acquire, { id }, grace.token);
  const held = failureOf(await server.graphql(acquire, { id }, ada.token));
  expect(held.extensions).toMatchObject({
    code: "PT409",
    reason: "edit_lease_held",
    conflict: { entryId: id, heldById: grace.id, heldByName: "Grace", agent: null, expiresAt: expect.any(String) },
  });

  // Who is at it, and what each version says, in one question of somebody who has nothing to do with them.
  const { body } = await server.graphql(
    `query ($id: UUID!) {
      knowledgeEntry(id: $id) {
        createdByName updatedByName createdBy { name } editLease { heldByName }
        history(orderBy: VERSION_ASC) { nodes { version body changedByName } }
      }
    }`,
    { id },
    bob.token,
  );
  expect(body).toEqual({
    data: {
      knowledgeEntry: {
        createdByName: "Ada",
        updatedByName: "Grace",
        createdBy: null,
        editLease: { heldByName: "Grace" },
        history: {
          nodes: [
            { version: 1, body: "one", changedByName: null },
            { version: 2, body: "two", changedByName: "Grace" },
          ],
        },
      },
    },
  });
});

type Page = {
  knowledgeEntries: { nodes: { id: string }[]; pageInfo: { hasNextPage: boolean; endCursor: string | null } };
};
const NO_PAGE = { nodes: [], pageInfo: { hasNextPage: false, endCursor: null } };

test("pages of entries repeat and leave out nothing while others write", async () => {
  const made = new Set<string>();
  for (let n = 0; n < 10; n++) made.add(await makeEntry(`Page ${n % 3}`));

  for (const orderBy of ["CREATED_AT_DESC", "TITLE_ASC", "PRIMARY_KEY_ASC"]) {
    const seen: string[] = [];
    let after: string | null = null;
    do {
      const page: GraphQLResponse<Page> = await server.graphql(
        `query ($after: Cursor) {
          knowledgeEntries(first: 3, after: $after, orderBy: [${orderBy}]) {
            nodes { id }
            pageInfo { hasNextPage endCursor }
          }
        }`,
        { after },
        bob.token,
      );
      const { nodes, pageInfo } = page.body.data?.knowledgeEntries ?? NO_PAGE;
      seen.push(...nodes.map(({ id }) => id));
      await makeEntry(`Page ${seen.length % 3}`);
      after = pageInfo.hasNextPage && seen.length < 200 ? pageInfo.endCursor : null;
    } while (after !== null);
    expect(new Set(seen).size).toBe(seen.length);
    expect([...made].filter((id) => !seen.includes(id))).toEqual([]);
  }
});

test("an agent stores what it learned for its user, and others find it, marked", async () => {
  const agent = await signToken({ sub: bob.id, role: "authenticated", act: { sub: "research-agent" } }, database.jwt);
  await server.graphql(
    `mutation {
      createKnowledgeEntry(input: { kind: learning, title: "Warehouses <b>close</b> early", body: "On Fridays at noon.", tags: ["Logistics"] }) {
        knowledgeEntry { id }
      }
    }`,
    {},
    agent,
  );
  const { body } = await server.graphql(
    `{ searchKnowledge(query: "warehouse fridays", kinds: [learning], tags: ["logistics"]) {
      matches { knowledgeEntry { createdByName createdByAgent canEdit } highlightedTitle excerpt isSimilar }
      hasNextPage
    } }`,
    {},
    ada.token,
  );
  expect(body).toEqual({
    data: {
      searchKnowledge: {
        matches: [
          {
            knowledgeEntry: { createdByName: "Bob", createdByAgent: "research-agent", canEdit: false },
            highlightedTitle: "<mark>Warehouses</mark> &lt;b&gt;close&lt;/b&gt; early",
            excerpt: "On <mark>Fridays</mark> at noon.",
            isSimilar: false,
          },
        ],
        hasNextPage: false,
      },
    },
  });
});
