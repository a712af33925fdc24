/** Where a user was: the newest sessions are kept, and savers at the same moment lose nothing of each other's. */
import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase, type TestUser } from "./support/harness.ts";

type State = { current_context: unknown; ui_state: unknown };

let database: TestDatabase;
let client: pg.Client;
let user: TestUser;

beforeAll(async () => {
  database = await createTestDatabase();
  user = await database.createUser("visitor@example.com");
  client = new pg.Client(database.ownerUrl);
  await client.connect();
});

afterAll(async () => {
  await client.end();
  await database.close();
});

const times = <T>(n: number, work: (index: number) => T): T[] => Array.from({ length: n }, (_, index) => work(index));

async function openTab(): Promise<pg.Client> {
  const tab = new pg.Client(database.authenticatorUrl);
  await tab.connect();
  const claims = JSON.stringify({ sub: user.id, role: "authenticated" });
  await tab.query("select set_config('role', 'authenticated', false), set_config('request.jwt.claims', $1, false)", [
    claims,
  ]);
  return tab;
}

type Command =
  | { do: "save"; key: string; current_context: number | null; ui_state: number | null }
  | { do: "age" | "expire" | "delete"; key: string };

const MOST = 3;
const key = fc.constantFrom("a", "b", "c", "d", "e");
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("save" as const),
      key,
      current_context: fc.option(fc.nat(9)),
      ui_state: fc.option(fc.nat(9)),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom("age" as const, "expire" as const, "delete" as const), key }),
  },
);

test("saves, ends and ages follow a naive model: the last saved are kept, each for the days that are set", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 30 }), async (commands) => {
      await client.query("begin");
      try {
        await client.query("select attune.set_global_setting('SESSION_STATES_PER_USER', $1)", [MOST]);
        await client.query("select set_config('request.jwt.claims', $1, true)", [
          JSON.stringify({ sub: user.id, role: "authenticated" }),
        ]);
        // In the order in which they were saved, the last one last.
        const model = new Map<string, State & { days: number }>();

        for (const each of commands) {
          const held = model.get(each.key);
          if (each.do === "save") {
            const state = {
              current_context: each.current_context ?? held?.current_context ?? {},
              ui_state: each.ui_state ?? held?.ui_state ?? {},
              days: 7,
            };
            model.delete(each.key);
            model.set(each.key, state);
            for (const oldest of [...model.keys()].slice(0, -MOST)) model.delete(oldest);
            await client.query("select attune.save_session_state($1, $2, $3)", [
              each.key,
              each.current_context,
              each.ui_state,
            ]);
          } else if (each.do === "age") {
            if (held) held.days = 1;
            await client.query(
              "update attune.user_session_state set expires_at = now() + interval '1 day' where session_key = $1 and expires_at > now()",
              [each.key],
            );
          } else if (each.do === "expire") {
            model.delete(each.key);
            await client.query("update attune.user_session_state set expires_at = now() where session_key = $1", [
              each.key,
            ]);
          } else {
            model.delete(each.key);
            await client.query("delete from attune.user_session_state where session_key = $1", [each.key]);
          }

          const { rows } = await client.query<State & { session_key: string; days: number }>(
            `select s.session_key, s.current_context, s.ui_state, extract(epoch from s.expires_at - now())::float / 86400 as days
             from unnest(array['a', 'b', 'c', 'd', 'e']) as k (session_key) cross join lateral attune.session_state(k.session_key) as s
             where s.session_key is not null order by s.updated_at`,
          );
          expect(rows).toEqual([...model].map(([session_key, state]) => ({ session_key, ...state })));
        }
      } finally {
        await client.query("rollback");
      }
    }),
    { numRuns: 60 },
  );
});

test("savers at the same moment leave the fifty last saved", async () => {
  const tabs = await Promise.all(times(6, openTab));
  const saved: { session_key: string; updated_at: string }[] = [];
  await Promise.all(
    tabs.map(async (tab, t) => {
      for (let n = 0; n < 30; n++) {
        const { rows } = await tab.query<{ session_key: string; updated_at: string }>(
          "select session_key, updated_at::text from attune.save_session_state($1, $2)",
          [`tab ${t} ${n}`, n],
        );
        saved.push(...rows);
      }
    }),
  );
  await Promise.all(tabs.map((tab) => tab.end()));

  const stored = await database.query<{ session_key: string }>(
    "select session_key from attune.user_session_state where user_id = $1",
    [user.id],
  );
  const newest = saved.toSorted((a, b) => (a.updated_at < b.updated_at ? 1 : -1)).slice(0, 50);
  expect(stored.map(({ session_key }) => session_key).toSorted()).toEqual(
    newest.map(({ session_key }) => session_key).toSorted(),
  );
});

test("two savers of one session, each of its own half, lose nothing", async () => {
  const [one, other] = await Promise.all([openTab(), openTab()]);
  const rounds = 200;
  await Promise.all([
    (async () => {
      for (let n = 0; n <= rounds; n++)
        await one?.query("select attune.save_session_state('shared', current_context => $1)", [n]);
    })(),
    (async () => {
      for (let n = 0; n <= rounds; n++)
        await other?.query("select attune.save_session_state('shared', ui_state => $1)", [n]);
    })(),
  ]);
  await Promise.all([one?.end(), other?.end()]);

  const [stored] = await database.query<State>(
    "select current_context, ui_state from attune.user_session_state where user_id = $1 and session_key = 'shared'",
    [user.id],
  );
  expect(stored).toEqual({ current_context: rounds, ui_state: rounds });
});
