/** What happens when several requests sign up, in, out or together at the same moment. */
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "./support/harness.ts";

type Claims = { role: string; [claim: string]: unknown };
type Tokens = {
  access_token: Claims;
  refresh_token: string;
  session_id: string;
  user_id: string;
  refusal: { code: string; reason: string; retry_after: number | null } | null;
};

const ANON: Claims = { role: "anon" };
const ISSUER = "https://id.example.com";

let database: TestDatabase;
let pool: pg.Pool;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.query("insert into attune.global_settings (key, value) values ('PASSWORD_COST', '4')");
  pool = new pg.Pool({ connectionString: database.authenticatorUrl, max: 20 });
});

afterAll(async () => {
  await pool.end();
  await database.close();
});

/** One request, as the server makes it: a transaction with role and claims set. */
async function request<Row extends pg.QueryResultRow>(
  claims: Claims,
  sql: string,
  params: unknown[] = [],
): Promise<Row[]> {
  const client = await pool.connect();
  try {
    await client.query("begin");
    await client.query("select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)", [
      claims.role,
      JSON.stringify(claims),
    ]);
    const { rows } = await client.query<Row>(sql, params);
    await client.query("commit");
    return rows;
  } catch (error: unknown) {
    await client.query("rollback");
    throw error;
  } finally {
    client.release();
  }
}

async function tokens(call: string, params: unknown[]): Promise<Tokens> {
  const [row] = await request<{ tokens: Tokens }>(ANON, `select to_jsonb(attune.${call}) as tokens`, params);
  if (row === undefined) throw new Error(`${call} returned nothing`);
  return row.tokens;
}

const register = (email: string): Promise<Tokens> => tokens("register($1, 'correct horse')", [email]);
const refresh = (token: string): Promise<Tokens> => tokens("refresh_session($1)", [token]);

function parallel<T>(n: number, work: (index: number) => Promise<T>): Promise<PromiseSettledResult<T>[]> {
  return Promise.allSettled(Array.from({ length: n }, (_, index) => work(index)));
}

/** What the refused ones gave as their reason. */
function reasons(results: PromiseSettledResult<unknown>[]): unknown[] {
  return results.flatMap((result) =>
    result.status === "rejected"
      ? [result.reason instanceof pg.DatabaseError ? result.reason.detail : result.reason]
      : [],
  );
}

function values<T>(results: PromiseSettledResult<T>[]): T[] {
  return results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
}

test("twenty parallel refreshes of one token end with one successor, returned to all twenty", async () => {
  const { refresh_token: token, session_id: session } = await register("refresh@example.com");

  for (let current = token, round = 0; round < 3; round++) {
    const results = await parallel(20, () => refresh(current));
    expect(reasons(results)).toEqual([]);
    const successors = new Set(values(results).map(({ refresh_token: successor }) => successor));
    expect(successors.size).toBe(1);
    [current = ""] = successors;
    expect(current).toHaveLength(86);
  }

  const [stored] = await database.query<{ unused: number; used: number }>(
    "select count(*) filter (where used_at is null)::int as unused, count(used_at)::int as used from attune_private.refresh_tokens where session_id = $1",
    [session],
  );
  expect(stored).toEqual({ unused: 1, used: 3 });
});

test("fifty parallel first requests of an outside identity make one user, project and identity", async () => {
  const claims = {
    role: "authenticated",
    iss: ISSUER,
    sub: "auth0|fifty",
    email: "fifty@example.com",
    email_verified: true,
    name: "Fifty",
  };
  const results = await parallel(50, () => request<{ id: string }>(claims, "select id from attune.provision_user()"));

  expect(reasons(results)).toEqual([]);
  const ids = new Set(values(results).flatMap((rows) => rows.map(({ id }) => id)));
  expect(ids.size).toBe(1);
  const [made] = await database.query(
    `select
      (select count(*)::int from attune.users where email = 'fifty@example.com') as users,
      (select count(*)::int from attune.user_identities where subject = 'auth0|fifty') as identities,
      (select count(*)::int from attune.project_members where user_id = $1) as projects`,
    [...ids],
  );
  expect(made).toEqual({ users: 1, identities: 1, projects: 1 });
});

test("two identities with one verified address become one user", async () => {
  const claims = (issuer: string): Claims => ({
    role: "authenticated",
    iss: issuer,
    sub: "1",
    email: "two@example.com",
    email_verified: true,
  });
  const results = await parallel(20, (n) =>
    request<{ id: string }>(claims(`https://${n % 2}.example.com`), "select id from attune.provision_user()"),
  );

  expect(reasons(results)).toEqual([]);
  expect(new Set(values(results).flatMap((rows) => rows.map(({ id }) => id))).size).toBe(1);
});

test("one of twenty who register the same address at once gets it", async () => {
  const results = await parallel(20, (n) => register(n % 2 === 0 ? "race@example.com" : "RACE@example.com"));

  expect(values(results)).toHaveLength(1);
  expect(new Set(reasons(results))).toEqual(new Set(["email_taken"]));
});

test("parallel failures all count", async () => {
  await register("victim@example.com");
  await database.query("insert into attune.global_settings (key, value) values ('LOGIN_FREE_FAILURES', '1000')");
  const results = await parallel(20, () => tokens("login('victim@example.com', $1)", ["wrong horse"]));
  await database.query("delete from attune.global_settings where key = 'LOGIN_FREE_FAILURES'");

  expect(values(results).map(({ refusal }) => refusal?.reason)).toEqual(Array(20).fill("invalid_credentials"));
  const [counted] = await database.query(
    "select failures from attune_private.login_attempts where kind = 'account' and subject_hash = sha256('victim@example.com')",
  );
  expect(counted).toEqual({ failures: 20 });
});

test("guesses that come all at once are no more than one after the other", async () => {
  await database.query("update attune.global_settings set value = '8' where key = 'PASSWORD_COST'");
  const accounts = Array.from({ length: 20 }, (_, n) => `spray${n}@example.com`);
  await register("guessed@example.com");
  const guess = (email: string, password: string, address: string): Promise<Tokens[]> =>
    request<Tokens>(
      ANON,
      "select (t).* from (select attune.login($1, $2) as t from set_config('attune.client_address', $3, true)) as t",
      [email, password, address],
    );
  const outcome = (results: PromiseSettledResult<Tokens[]>[]): Record<string, number> => {
    const told = values(results)
      .flat()
      .map(({ refusal }) => (JSON.stringify(refusal).includes("too_many_attempts") ? "waits" : "judged"));
    return {
      judged: told.filter((word) => word === "judged").length,
      waits: told.filter((word) => word === "waits").length,
    };
  };

  const oneAccount = await parallel(20, (n) => guess("guessed@example.com", `guess ${n}`, `192.0.2.${n}`));
  expect(outcome(oneAccount)).toEqual({ judged: 5, waits: 15 });
  await database.query(
    "insert into attune.global_settings (key, value) values ('LOGIN_FREE_FAILURES_PER_ADDRESS', '5')",
  );
  const oneAddress = await parallel(20, (n) => guess(accounts[n] ?? "", "wrong horse", "198.51.100.1"));
  expect(outcome(oneAddress)).toEqual({ judged: 5, waits: 15 });
  await database.query("delete from attune.global_settings where key = 'LOGIN_FREE_FAILURES_PER_ADDRESS'");
  await database.query("update attune.global_settings set value = '4' where key = 'PASSWORD_COST'");
});

test("a login that began before the password was changed leaves no session", async () => {
  const { access_token: claims, user_id: user } = await register("change@example.com");
  const results = await Promise.all([
    ...Array.from({ length: 10 }, () => tokens("login('change@example.com', $1)", ["correct horse"])),
    request(claims, "select attune.change_password('correct horse', 'battery staple')"),
  ]);

  expect(results).toHaveLength(11);
  const open = await database.query("select id from attune.sessions where user_id = $1 and revoked_at is null", [user]);
  const [changed] = await database.query<{ at: Date }>(
    "select changed_at as at from attune_private.user_passwords where user_id = $1",
    [user],
  );
  expect(changed).toBeDefined();
  expect(open).toEqual([{ id: claims["session_id"] }]);
});

test("two owners who step back at once leave one", async () => {
  for (let round = 0; round < 5; round++) {
    const [ada, bob] = await Promise.all([register(`ada${round}@example.com`), register(`bob${round}@example.com`)]);
    const [team] = await request<{ id: string }>(ada.access_token, "select id from attune.create_team('Two')");
    await database.query("insert into attune.team_members (user_id, team_id, role) values ($1, $2, 'owner')", [
      bob.user_id,
      team?.id,
    ]);

    const results = await Promise.allSettled([
      request(ada.access_token, "select attune.set_team_member_role($1, $2, 'member')", [team?.id, ada.user_id]),
      request(bob.access_token, "select attune.leave_team($1)", [team?.id]),
    ]);

    expect(reasons(results)).toEqual(["last_owner"]);
    const owners = await database.query(
      "select user_id from attune.team_members where team_id = $1 and role = 'owner'",
      [team?.id],
    );
    expect(owners).toHaveLength(1);
  }
});

test("two owners who demote each other at once leave one", async () => {
  const [ada, bob] = await Promise.all([register("ada@example.com"), register("bob@example.com")]);
  const [team] = await request<{ id: string }>(ada.access_token, "select id from attune.create_team('Rivals')");
  await database.query("insert into attune.team_members (user_id, team_id, role) values ($1, $2, 'owner')", [
    bob.user_id,
    team?.id,
  ]);

  const results = await Promise.allSettled([
    request(ada.access_token, "select attune.set_team_member_role($1, $2, 'member')", [team?.id, bob.user_id]),
    request(bob.access_token, "select attune.set_team_member_role($1, $2, 'member')", [team?.id, ada.user_id]),
  ]);

  expect(reasons(results)).toEqual(["team_role_required"]);
});

test("two identities that are unlinked at once leave one way in", async () => {
  const claims = (subject: string): Claims => ({ role: "authenticated", iss: ISSUER, sub: subject });
  const [user] = await request<{ id: string }>(claims("first"), "select id from attune.provision_user()");
  await database.query("select attune.link_identity($1, $2, 'second')", [user?.id, ISSUER]);

  const results = await parallel(2, (n) =>
    request(claims(["first", "second"][n] ?? ""), "select attune.unlink_identity($1, $2)", [
      ISSUER,
      ["first", "second"][n],
    ]),
  );

  expect(reasons(results)).toEqual(["last_way_in"]);
});

test("a mail is claimed by one of ten workers", async () => {
  const worker: Claims = { role: "service_role" };
  const results = await parallel(10, () => request<{ id: string }>(worker, "select id from attune.claim_mails(5)"));
  const ids = values(results).flatMap((rows) => rows.map(({ id }) => id));

  expect(ids.length).toBeGreaterThan(0);
  expect(new Set(ids).size).toBe(ids.length);
});

/** Claims of an outside identity whose token was issued so many seconds from now. */
const outside = (subject: string, seconds: number): Claims => ({
  role: "authenticated",
  iss: ISSUER,
  sub: subject,
  iat: Math.floor(Date.now() / 1000) + seconds,
});

test("a token that is shown while its account is deleted makes no other", async () => {
  for (let round = 0; round < 12; round++) {
    const subject = `leaving ${round}`;
    const claims = outside(subject, -60);
    await request(claims, "select attune.provision_user()");
    const results = await parallel(12, (n) =>
      request(claims, n === 4 ? "select attune.delete_account()" : "select attune.provision_user()"),
    );

    expect(new Set(reasons(results)).isSubsetOf(new Set(["identity_ended"]))).toBe(true);
    const left = await database.query("select from attune.user_identities where subject = $1", [subject]);
    expect(left).toEqual([]);
    const [back] = await request<{ id: string }>(outside(subject, 1), "select id from attune.provision_user()");
    expect(back?.id).toHaveLength(36);
  }
});

test("no session stays that was opened through an identity while it was unlinked", async () => {
  const { user_id: user, access_token: claims } = await register("unlinking@example.com");
  for (let round = 0; round < 5; round++) {
    const subject = `unlinked ${round}`;
    const trusted: Claims = { role: "service_role", iss: "attune" };
    await request(trusted, "select attune.link_identity($1, $2, $3)", [user, ISSUER, subject]);
    const results = await parallel(10, (n) =>
      n === 5
        ? request(claims, "select attune.unlink_identity($1, $2)", [ISSUER, subject])
        : request(trusted, "select attune.open_session($1, $2, $3)", [user, ISSUER, subject]),
    );

    expect(new Set(reasons(results)).isSubsetOf(new Set(["unknown_identity"]))).toBe(true);
    const open = await database.query("select from attune.sessions where subject = $1 and revoked_at is null", [
      subject,
    ]);
    expect(open).toEqual([]);
  }
});

test("who is removed while they accept an older invitation stays out", async () => {
  const owner = await register("owner@example.com");
  const member = await register("member@example.com");
  const [team] = await request<{ id: string }>(owner.access_token, "select id from attune.create_team('Looms')");
  for (let round = 0; round < 8; round++) {
    await database.query("insert into attune.team_members (user_id, team_id, role) values ($1, $2, 'member')", [
      member.user_id,
      team?.id,
    ]);
    await request(owner.access_token, "select attune.invite_to_team($1, 'member@example.com', 'owner')", [team?.id]);
    const [mail] = await database.query<{ token: string }>(
      "select payload ->> 'token' as token from attune_private.mail_outbox where purpose = 'invitation' order by id desc limit 1",
    );
    const accept = () => request(member.access_token, "select attune.accept_invitation($1)", [mail?.token]);
    const remove = () =>
      request(owner.access_token, "select attune.remove_team_member($1, $2)", [team?.id, member.user_id]);
    const results = await Promise.allSettled(round % 2 === 0 ? [accept(), remove()] : [remove(), accept()]);

    expect(new Set(reasons(results)).isSubsetOf(new Set(["invalid_invitation"]))).toBe(true);
    const left = await database.query("select from attune.team_members where user_id = $1", [member.user_id]);
    expect(left).toEqual([]);
  }
});

test("of those who change to one address at the same moment, or register with it, one gets it", async () => {
  for (let round = 0; round < 4; round++) {
    const wanted = `wanted${round}@example.com`;
    const people = await Promise.all(Array.from({ length: 5 }, (_, n) => register(`person${n}.${round}@example.com`)));
    const links = await Promise.all(
      people.map(async ({ user_id }) => {
        const [link] = await database.query<{ token: string }>(
          "select attune_private.make_one_time_token($1, $2, 'change_email', now() + interval '1 day') as token",
          [user_id, wanted],
        );
        return link?.token;
      }),
    );
    const results = await parallel<unknown>(6, async (n) => {
      const person = people[n];
      return person === undefined
        ? register(wanted)
        : request(person.access_token, "select attune.confirm_email_change($1)", [links[n]]);
    });

    expect(values(results)).toHaveLength(1);
    expect(reasons(results)).toEqual(Array.from({ length: 5 }, () => "email_taken"));
    const holders = await database.query(
      "select from attune.users as u join attune.user_emails as e on e.user_id = u.id where u.email = $1 and e.email = $1",
      [wanted],
    );
    expect(holders).toHaveLength(1);
  }
});

test("a link that changes the address works once, however often it is used at the same moment", async () => {
  const { user_id: user, access_token: claims } = await register("once@example.com");
  const [link] = await database.query<{ token: string }>(
    "select attune_private.make_one_time_token($1, 'twice@example.com', 'change_email', now() + interval '1 day') as token",
    [user],
  );
  const results = await parallel(8, () => request(claims, "select attune.confirm_email_change($1)", [link?.token]));

  expect(values(results)).toHaveLength(1);
  expect(new Set(reasons(results))).toEqual(new Set(["invalid_one_time_token"]));
});

test("registrations that come all at once are no more than are allowed", async () => {
  await database.query("insert into attune.global_settings (key, value) values ('REGISTRATIONS_PER_DAY', '5')");
  const results = await parallel(20, (n) =>
    request(
      ANON,
      "select attune.register($1, 'correct horse') from set_config('attune.client_address', '192.0.2.250', true)",
      [`flood${n}@example.com`],
    ),
  );
  await database.query("delete from attune.global_settings where key = 'REGISTRATIONS_PER_DAY'");

  expect(values(results)).toHaveLength(5);
  expect(new Set(reasons(results))).toEqual(new Set(["too_many_registrations"]));
});
