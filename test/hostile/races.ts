/** What many do at once: refreshing, inviting, joining, leaving, deleting; and what has to hold whoever was first. */
import type pg from "pg";
import type { Random } from "./random.ts";
import { type SqlAnswer, runStatement } from "./sql-calls.ts";
import type { World } from "./world.ts";

export type RaceOutcome = {
  calls: number;
  refused: number;
  /** Laws that do not hold afterwards. */
  broken: string[];
  internal: string[];
  acknowledged: number;
  lost: string[];
};

type Person = { id: string; email: string; claims: Record<string, string>; refreshToken: string };
type Action = { name: string; who: Person | undefined; sql: string };

/** Laws of every state, whoever did what: a query that gives the rows that break it. */
const LAWS: Readonly<Record<string, string>> = {
  "a session has one refresh token that is good": `
    select t.session_id from attune_private.refresh_tokens as t
    where t.used_at is null group by t.user_id, t.session_id having count(*) > 1`,
  "a team with members has an owner": `
    select m.team_id from attune.team_members as m
    group by m.team_id having count(*) filter (where m.role = 'owner') = 0`,
  "a project with members has an owner": `
    select m.project_id from attune.project_members as m
    group by m.project_id having count(*) filter (where m.role = 'owner') = 0`,
  "nobody is in a team without having made it, or accepted to join it": `
    select m.user_id from attune.team_members as m
    join attune.teams as t on t.id = m.team_id
    join attune.user_emails as e on e.user_id = m.user_id
    where t.name = 'Race' and t.created_by is distinct from m.user_id and not exists (
      select from attune.invitations as i where i.team_id = t.id and i.email = e.email and i.accepted_at is not null
    )`,
  "an invitation is not both accepted and revoked": `
    select i.id from attune.invitations as i where i.accepted_at is not null and i.revoked_at is not null`,
  "somebody's current team is one of theirs": `
    select u.id from attune.users as u where u.current_team_id is not null and not exists (
      select from attune.team_members as m where m.user_id = u.id and m.team_id = u.current_team_id
    )`,
  "an ended session has no end before it began": `
    select s.id from attune.sessions as s where s.revoked_at < s.created_at`,
};

/** Tables that keep what they say of people who are gone. */
const LOGS = ["configuration_audit_log", "security_log", "maintenance_operations"];

/** One race of two people over one team. */
export async function runRace(random: Random, world: World, pool: pg.Pool): Promise<RaceOutcome> {
  const name = `race-${random.below(2 ** 31)}`;
  const owner = await signUp(world, `${name}-a@example.com`);
  const guest = await signUp(world, `${name}-b@example.com`);
  const ask = async (claims: Record<string, string>, sql: string): Promise<SqlAnswer> => {
    const client = await pool.connect();
    try {
      return await runStatement(client, claims, sql, true);
    } finally {
      client.release();
    }
  };
  const team = idIn(await ask(owner.claims, "select id from attune.create_team('Race')"));
  const invitation = idIn(
    await ask(owner.claims, `select id from attune.invite_to_team('${team}', '${guest.email}', 'owner')`),
  );
  const { rows } = await world.owner.query<{ token: string }>(
    "select payload ->> 'token' as token from attune_private.mail_outbox where recipient = $1 and purpose = 'invitation'",
    [guest.email],
  );
  const accept = `select attune.accept_invitation('${rows[0]?.token}')`;
  if (random.chance(0.5)) await ask(guest.claims, accept);

  const possible: Action[] = [
    { name: "refresh", who: undefined, sql: `select (attune.refresh_session('${owner.refreshToken}')).session_id` },
    { name: "refresh", who: undefined, sql: `select (attune.refresh_session('${guest.refreshToken}')).session_id` },
    { name: "accept", who: guest, sql: accept },
    { name: "revoke", who: owner, sql: `select attune.revoke_invitation('${invitation}')` },
    { name: "remove", who: owner, sql: `select attune.remove_team_member('${team}', '${guest.id}')` },
    { name: "remove", who: guest, sql: `select attune.remove_team_member('${team}', '${owner.id}')` },
    { name: "role", who: owner, sql: `select attune.set_team_member_role('${team}', '${guest.id}', 'member')` },
    { name: "role", who: guest, sql: `select attune.set_team_member_role('${team}', '${owner.id}', 'member')` },
    { name: "leave", who: owner, sql: `select attune.leave_team('${team}')` },
    { name: "leave", who: guest, sql: `select attune.leave_team('${team}')` },
    { name: "invite", who: owner, sql: `select attune.invite_to_team('${team}', '${guest.email}')` },
    { name: "current", who: guest, sql: `select attune.set_current_team('${team}')` },
    { name: "state", who: guest, sql: `select attune.save_session_state('race', '{"n": 1}', '{}')` },
    { name: "preference", who: owner, sql: "select attune.set_preference('DARK_MODE_ENABLED', 'true')" },
    { name: "project", who: guest, sql: `select attune.create_project('Race', '${team}')` },
    { name: "end", who: owner, sql: "select attune.logout_everywhere()" },
    { name: "delete", who: owner, sql: "select ((attune.delete_account('correct horse')).refusal).reason" },
    { name: "delete", who: guest, sql: "select ((attune.delete_account('correct horse')).refusal).reason" },
    { name: "disband", who: owner, sql: `delete from attune.teams where id = '${team}' returning id` },
  ];
  const chosen = random.several(6, 14, () => random.pick(possible));
  const answers = await Promise.all(
    chosen.map(async (action) => ({ action, answer: await ask(action.who?.claims ?? { role: "anon" }, action.sql) })),
  );

  const describe = `${name}: ${chosen.map(({ name: what, who }) => `${what} by ${who === undefined ? "anybody" : who === owner ? "owner" : "guest"}`).join(", ")}`;
  const done = (what: string, who: Person): boolean =>
    answers.some(({ action, answer }) => action.name === what && action.who === who && !answer.isRefused);
  const lost: string[] = [];
  for (const person of [owner, guest]) {
    const wasDeleted = answers.some(
      ({ action, answer }) =>
        action.name === "delete" && action.who === person && !answer.isRefused && answer.text.includes('"reason":null'),
    );
    if (wasDeleted) {
      const left = await rowsAbout(world.owner, person.id);
      if (left.length > 0) lost.push(`${describe}: deleted, and still in ${left.join(", ")}`);
    }
  }
  const mayEnd = ["remove", "leave", "delete", "disband"].some((what) => chosen.some((action) => action.name === what));
  if (done("accept", guest) && !mayEnd) {
    const { rowCount } = await world.owner.query(
      "select from attune.team_members where user_id = $1 and team_id = $2",
      [guest.id, team],
    );
    if (rowCount === 0) lost.push(`${describe}: joined, and is no member`);
  }
  if (done("end", owner)) {
    const { rowCount } = await world.owner.query(
      "select from attune.sessions where user_id = $1 and revoked_at is null",
      [owner.id],
    );
    if (rowCount !== 0) lost.push(`${describe}: ended every session, and one is not`);
  }
  const broken: string[] = [];
  for (const [law, sql] of Object.entries(LAWS)) {
    const { rows: breaking } = await world.owner.query(sql);
    if (breaking.length > 0) broken.push(`${law}: ${JSON.stringify(breaking[0])} after ${describe}`);
  }
  return {
    calls: chosen.length + 3,
    refused: answers.filter(({ answer }) => answer.isRefused).length,
    broken,
    internal: answers.flatMap(({ action, answer }) =>
      answer.internal === undefined ? [] : [`${action.sql}: ${answer.internal}`],
    ),
    acknowledged: answers.filter(({ answer }) => !answer.isRefused).length,
    lost,
  };
}

async function signUp({ owner }: World, email: string): Promise<Person> {
  const { rows } = await owner.query<{ user_id: string; session_id: string; refresh_token: string }>(
    "select t.user_id, t.session_id, t.refresh_token from attune.register($1, 'correct horse') as t",
    [email],
  );
  const [tokens] = rows;
  if (tokens === undefined) throw new Error("register returned nothing");
  return {
    id: tokens.user_id,
    email,
    claims: { role: "authenticated", sub: tokens.user_id, session_id: tokens.session_id },
    refreshToken: tokens.refresh_token,
  };
}

function idIn({ text }: SqlAnswer): string {
  const id = /"id":"([0-9a-f-]{36})"/.exec(text)?.[1];
  if (id === undefined) throw new Error(`No id in ${text}`);
  return id;
}

/** The tables with rows of a user, logs aside. */
async function rowsAbout(owner: pg.Client, id: string): Promise<string[]> {
  const { rows: tables } = await owner.query<{ name: string }>(
    `select format('%I.%I', c.relnamespace::regnamespace::text, c.relname) as name
     from pg_attribute as a join pg_class as c on c.oid = a.attrelid
     where c.relnamespace::regnamespace::text in ('attune', 'attune_private') and c.relkind = 'r'
       and a.attname = 'user_id' and not a.attisdropped and c.relname <> all ($1)
     order by 1`,
    [LOGS],
  );
  const found: string[] = [];
  for (const { name } of tables) {
    const { rowCount } = await owner.query(`select from ${name} where user_id = $1 limit 1`, [id]);
    if (rowCount !== 0) found.push(name);
  }
  return found;
}
