/**
 * `npm run bench`: what the parts cost, as ratios measured in one run on a throwaway PostgreSQL.
 *
 *   npm run bench                                  100,000 users with ten preferences each
 *   npm run bench -- --users 1000 --rounds 5       quick and rough
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { withClient } from "../src/database/client.ts";
import { urlOfDatabase } from "../src/database/connection-string.ts";
import { openDatabase } from "../src/database/open.ts";
import { startThrowawayCluster, type ThrowawayCluster } from "../src/embedded/testing/throwaway.ts";
import { readOptions } from "../src/options/options.ts";
import { signToken } from "../src/sign-in/jwt.ts";
import { compare, type Comparison, type Effort, type Variant } from "./compare.ts";
import { manyAtOnce } from "./many-at-once.ts";
import { DEFINITIONS, PREFERENCES_PER_USER, seed } from "./seed.ts";
import { startService } from "./service.ts";
import { openSession, type Session, type Statement } from "./session.ts";

const FEW_USERS = 100;
const SECRET = "a secret of the benchmark, and of nothing else";
const JWT = { secret: SECRET };

/** Durable as in production, so that a write pays for its place on the disk. */
const SETTINGS = { fsync: "on", synchronous_commit: "on", full_page_writes: "on", autovacuum: "off" };

const SETTINGS_OF_USER: Statement = {
  name: "settings",
  text: "select key, value, layer, reason from attune.effective_settings()",
};
const UNFILTERED: Statement = { name: "unfiltered", text: "select key, value from attune.user_preferences" };
const PREFERENCES: Statement = {
  name: "preferences",
  text: "select key, value from attune.user_preferences where user_id = $1",
};
const LOGIN: Statement = { name: "login", text: "select attune.login($1, 'a wrong password')" };
const WRITE: Statement = {
  name: "write",
  text: "select from attune.set_preference('DARK_MODE_ENABLED', to_jsonb($1::boolean))",
};

/** The same fields as SETTINGS_OF_USER. */
const SETTINGS_QUERY = "{ effectiveSettings { key value layer reason } }";
/** As little as can be asked. */
const SMALLEST_QUERY = "{ currentUserId }";

function integer(name: string, value: string): number {
  if (!/^[1-9]\d{0,8}$/.test(value)) throw new Error(`--${name} must be a whole number of 1 or more, not "${value}".`);
  return Number(value);
}

function tokenOf(user: string, id?: string): Promise<string> {
  return signToken({ sub: user, role: "authenticated", jti: id }, JWT);
}

async function prepareDatabase(
  cluster: ThrowawayCluster,
  name: string,
  users: number,
): Promise<{ ownerUrl: string; authenticatorUrl: string }> {
  const options = readOptions({ DATABASE_URL: await cluster.createDatabase(name), JWT_SECRET: SECRET });
  const { ownerUrl, authenticatorUrl } = await openDatabase(options, { migrate: true });
  await seed(cluster.superuserUrl(name), users);
  return { ownerUrl, authenticatorUrl };
}

/** The measured comparisons, in the order in which they are printed. */
async function* comparisons(cluster: ThrowawayCluster, users: number, effort: Effort): AsyncGenerator<Comparison> {
  const many = await prepareDatabase(cluster, "attune_many", users);
  const few = await prepareDatabase(cluster, "attune_few", FEW_USERS);
  await cluster.createDatabase("attune_unaudited", "attune_many");
  await withClient(cluster.ownerUrl("attune_unaudited"), (client) =>
    client.query("drop trigger _900_audit on attune.user_preferences"),
  );

  const sessions = {
    many: await openSession(many.authenticatorUrl),
    few: await openSession(few.authenticatorUrl),
    owner: await openSession(many.ownerUrl),
    unaudited: await openSession(urlOfDatabase(many.authenticatorUrl, "attune_unaudited")),
  };
  const service = await startService(many.ownerUrl, SECRET);
  try {
    const tokens = new Map<string, string>();
    const knownToken = async (user: string): Promise<string> => {
      const token = tokens.get(user) ?? (await tokenOf(user));
      tokens.set(user, token);
      return token;
    };
    let unseen: string[] = [];
    let serial = 0;

    const read = (
      name: string,
      session: Session,
      statement: Statement,
      role: "authenticated" | "none" = "authenticated",
    ): Variant => ({
      name,
      run: () => {
        const user = session.next();
        return session.as(role, user, statement, statement.text.includes("$1") ? [user] : []);
      },
    });
    const write = (name: string, session: Session, commit: "on" | "off"): Variant => {
      const written = new Map<string, boolean>();
      return {
        name,
        prepare: () => session.client.query(`set synchronous_commit = ${commit}`),
        run: () => {
          const user = session.next();
          written.set(user, written.get(user) !== true);
          return session.as("authenticated", user, WRITE, [written.get(user)]);
        },
      };
    };
    const ask = (name: string, query: string): Variant => ({
      name,
      run: async () => service.graphql(query, await knownToken(sessions.many.next())),
    });

    yield await compare(
      read("all settings of a user, SQL", sessions.many, SETTINGS_OF_USER),
      ask("the same through GraphQL", SETTINGS_QUERY),
      effort,
    );

    const stored = (of: number): string => `${(of * PREFERENCES_PER_USER).toLocaleString("en")} preferences stored`;
    for (const [what, statement] of [
      ["all settings of a user", SETTINGS_OF_USER],
      ["a user's preferences, unfiltered", UNFILTERED],
    ] as const) {
      yield await compare(
        read(`${what}, ${stored(FEW_USERS)}`, sessions.few, statement),
        read(stored(users), sessions.many, statement),
        effort,
      );
    }

    yield await compare(
      read("a user's preferences, as the owner without RLS", sessions.owner, PREFERENCES, "none"),
      read("as the user with RLS", sessions.many, PREFERENCES),
      effort,
    );

    yield await compare(
      write("a write without audit, on disk at commit", sessions.unaudited, "on"),
      write("with audit", sessions.many, "on"),
      effort,
    );
    yield await compare(
      write("a write without audit, synchronous_commit off", sessions.unaudited, "off"),
      write("with audit", sessions.many, "off"),
      effort,
    );

    const known = "login@example.com";
    await sessions.owner.client.query(
      "select attune.set_global_setting('LOGIN_FREE_FAILURES', '1000'), attune.register($1, 'the right password', null)",
      [known],
    );
    const login = (name: string, email: string): Variant => ({
      name,
      run: () => sessions.owner.as("none", sessions.owner.next(), LOGIN, [email]),
    });
    yield await compare(
      login("a login with a wrong password", known),
      login("with an unknown address", "unknown@example.com"),
      effort,
    );

    const newToken: Variant = {
      name: "with a token never seen before",
      prepare: async () => {
        // More than a turn uses up.
        unseen = await Promise.all(
          Array.from({ length: effort.turn * 2 }, () => tokenOf(sessions.many.next(), String((serial += 1)))),
        );
      },
      run: () => service.graphql(SMALLEST_QUERY, unseen.pop() ?? ""),
    };
    yield await compare(ask("the smallest request, with a token seen before", SMALLEST_QUERY), newToken, effort);

    const admin = sessions.many.next();
    await sessions.owner.client.query("update attune.users set is_admin = true where id = $1", [admin]);
    yield* manyAtOnce(sessions.many, service, await knownToken(admin), effort);
  } finally {
    await service.stop();
    await Promise.all(Object.values(sessions).map(({ client }) => client.end()));
  }
}

function line({ baseline, subject, ratio }: Comparison): string {
  const perSecond = (value: number): string => `${Math.round(value).toLocaleString("en")}/s`.padStart(10);
  return [
    `${baseline.name.padEnd(62)}${perSecond(baseline.perSecond)}      1.00`,
    `  ${subject.name.padEnd(60)}${perSecond(subject.perSecond)}      ${ratio.median.toFixed(2)}  (${ratio.low.toFixed(2)} to ${ratio.high.toFixed(2)})`,
  ].join("\n");
}

const { values } = parseArgs({
  options: {
    users: { type: "string", default: "100000" },
    rounds: { type: "string", default: "31" },
    turn: { type: "string", default: "300" },
  },
});
const users = integer("users", values.users);
const effort: Effort = { rounds: integer("rounds", values.rounds), turn: integer("turn", values.turn) };

const cluster = await startThrowawayCluster({ settings: SETTINGS });
try {
  console.log(`
${users.toLocaleString("en")} users, ${(users * PREFERENCES_PER_USER).toLocaleString("en")} preferences, ${DEFINITIONS} settings;
one client, ${effort.rounds} rounds of ${effort.turn} ms for each of two; PostgreSQL ${cluster.major}, Node ${process.versions.node}, ${availableParallelism()} cores.
Ratio of speeds: the median of the rounds, and its quartiles.
`);
  for await (const comparison of comparisons(cluster, users, effort)) console.log(line(comparison));
} finally {
  await cluster.stop();
}
