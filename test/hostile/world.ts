/** The people of a round: who they are, what only they may see, and what nobody else may change. */
import pg from "pg";
import { signToken } from "../../src/sign-in/jwt.ts";
import { type Names, prepareCalls, type Who } from "../support/api-calls.ts";
import type { Words } from "./graphql-calls.ts";

/** In one order: owner and mate of a team, stranger, admin, anon, service_role. */
export const PERSONAS = ["user", "other", "registered", "admin", "anon", "service_role"] as const satisfies Who[];
/** Those who have something to hide. */
const PEOPLE = ["user", "other", "registered", "admin"] as const;

export type World = {
  authenticatorUrl: string;
  jwtSecret: string;
  owner: pg.Client;
  names: Names;
  /** The calls that test/support/api-calls.ts makes of every function. */
  samples: string[];
  claims: Record<Who, Record<string, string>>;
  words: Words;
  tokenOf: (who: Who) => string | undefined;
  /** Gives everybody back the rights they had, and their marks to all that is private. */
  heal: () => Promise<void>;
  /** What of somebody else's is in an answer to `who`, or undefined. */
  leakIn: (who: Who, answer: string) => string | undefined;
  /** Looks at the private rows of everybody whom `who` has no power over now, by person and kind. */
  watch: (who: Who) => Promise<() => Promise<Map<string, string>>>;
  close: () => Promise<void>;
};

/** Marks: `known` may be read by administrators, `secret` by nobody but its owner and trusted servers. */
const mark = (person: string, kind: "known" | "secret"): string => `canary-${person}-${kind}`;
const MARK = /canary-(\w+?)-(known|secret)/g;
const PASSWORD_HASH = /\$2[aby]\$\d\d\$/;

/** Makes the people in a migrated database that has nobody yet. */
export async function createWorld(urls: {
  ownerUrl: string;
  authenticatorUrl: string;
  jwtSecret: string;
}): Promise<World> {
  const owner = new pg.Client(urls.ownerUrl);
  owner.on("error", () => undefined);
  await owner.connect();
  const { table, names, claims } = await prepareCalls(owner);
  await owner.query(`
    insert into attune.setting_definitions (key, category, schema, default_value, layer) values
      ('hostile.note', 'hostile', '{"type": "string"}', '""', 'user'),
      ('hostile.project_note', 'hostile', '{"type": "string"}', '""', 'project'),
      ('hostile.document', 'hostile', '{"type": "object"}', '{}', 'user')`);
  const ids: Record<string, string> = {
    user: names.user,
    other: names.other,
    registered: names.registered,
    admin: claims.admin["sub"] ?? "",
  };

  const heal: World["heal"] = async () => {
    await owner.query("select set_config('hostile.admin', $1, false)", [ids["admin"]]);
    await owner.query(`
      update attune.users set is_admin = (id = current_setting('hostile.admin')::uuid)
        where is_admin <> (id = current_setting('hostile.admin')::uuid);
      delete from attune.global_settings where key in (select key from attune.setting_definitions where category = 'system');
      insert into attune.global_settings (key, value) values ('PASSWORD_COST', '4'), ('NOTIFICATIONS_PER_DAY', '1000000');
      delete from attune_private.login_attempts;
      update attune.sessions set revoked_at = null, revoked_because = null,
        idle_until = now() + interval '1 hour', expires_at = now() + interval '1 hour'
        where id = '${names.session}'`);
    for (const person of PEOPLE) await plant(owner, person, ids[person] ?? "");
  };

  const leakIn: World["leakIn"] = (who, answer) => {
    const hash = PASSWORD_HASH.exec(answer)?.[0];
    if (hash !== undefined) return hash;
    if (who === "service_role") return undefined;
    const marks = Array.from(answer.matchAll(MARK), ([text, person, kind]) => ({ text, person, kind }));
    return marks.find(({ person, kind }) => person !== who && !(who === "admin" && kind === "known"))?.text;
  };

  const watch: World["watch"] = async (who) => {
    const { rows: member } = await owner.query<{ id: string }>(
      "select m.project_id as id from attune.project_members as m where m.user_id = $1",
      [ids[who] ?? null],
    );
    const projectIds = member.map(({ id }) => id);
    const others = who === "service_role" ? [] : PEOPLE.filter((person) => person !== who);
    return async () => {
      const prints = new Map<string, string>();
      for (const person of others) {
        const sql = fingerprintSql(who === "admin", person === "registered");
        const { rows } = await owner.query<{ kind: string; print: string }>(sql, [ids[person], projectIds]);
        for (const { kind, print } of rows) prints.set(`${person}'s ${kind}`, print);
      }
      return prints;
    };
  };

  // Good for longer than any run.
  const tokens = new Map<Who, string>();
  for (const who of PERSONAS)
    if (who !== "anon") tokens.set(who, await signToken(claims[who], { secret: urls.jwtSecret }, "30d"));
  const { rows } = await owner.query<{ key: string }>("select key from attune.setting_definitions order by key");
  const { rows: projects } = await owner.query<{ id: string }>("select id from attune.projects order by name, id");
  return {
    ...urls,
    owner,
    names,
    samples: table.map(({ sql }) => sql),
    claims,
    words: wordsOf(
      names,
      ids,
      rows.map(({ key }) => key),
      projects.map(({ id }) => id),
    ),
    tokenOf: (who) => tokens.get(who),
    heal,
    leakIn,
    watch,
    close: () => owner.end(),
  };
}

/** Puts somebody's marks into everything that is private, as long as there is such a user. */
async function plant(owner: pg.Client, person: string, id: string): Promise<void> {
  const known = mark(person, "known");
  const secret = mark(person, "secret");
  await owner.query("begin");
  await owner.query(
    "select set_config('hostile.id', $1, true), set_config('hostile.known', $2, true), set_config('hostile.secret', $3, true)",
    [id, known, secret],
  );
  await owner.query(`
    with me as (select u.id from attune.users as u where u.id = current_setting('hostile.id')::uuid),
    profile as (
      update attune.users set company_name = current_setting('hostile.known')
      where id in (select id from me) and company_name is distinct from current_setting('hostile.known')
    ),
    preferences as (
      insert into attune.user_preferences (user_id, key, value)
      select me.id, d.key, case d.key
        when 'hostile.note' then to_jsonb(current_setting('hostile.known'))
        else jsonb_build_object('note', current_setting('hostile.known'))
      end
      from me join attune.setting_definitions as d on d.key in ('hostile.note', 'hostile.document')
      on conflict (user_id, key) do update set value = excluded.value
    ),
    in_projects as (
      insert into attune.project_preferences (user_id, project_id, key, value)
      select m.user_id, m.project_id, d.key, to_jsonb(current_setting('hostile.known'))
      from me join attune.project_members as m on m.user_id = me.id
      join attune.setting_definitions as d on d.key = 'hostile.project_note'
      on conflict (user_id, project_id, key) do update set value = excluded.value
    ),
    states as (
      insert into attune.user_session_state (user_id, session_key, current_context, ui_state, expires_at)
      select me.id, 'tab', jsonb_build_object('note', current_setting('hostile.secret')), '{}', now() + interval '1 day'
      from me
      on conflict (user_id, session_key) do update set current_context = excluded.current_context
    ),
    told as (
      insert into attune.notifications (user_id, title, message, category, metadata)
      select me.id, current_setting('hostile.secret'), current_setting('hostile.secret'), 'system',
        jsonb_build_object('note', current_setting('hostile.secret'))
      from me
      where exists (select from attune.notification_categories where name = 'system')
        and not exists (select from attune.notifications as n where n.user_id = me.id and n.title = current_setting('hostile.secret'))
    ),
    identities as (
      insert into attune.user_identities (issuer, subject, user_id, name)
      select 'https://hostile.example', current_setting('hostile.secret'), me.id, current_setting('hostile.secret') from me
      on conflict do nothing
    )
    update attune.sessions set user_agent = current_setting('hostile.secret')
    where user_id in (select id from me) and user_agent is distinct from current_setting('hostile.secret')`);
  await owner.query("commit");
}

/** Of `$1`, for somebody who is in the projects `$2`: administrators may change what people chose, and tell them something. */
function fingerprintSql(byAdministrator: boolean, isMailed: boolean): string {
  const parts: Record<string, string> = {
    state:
      "select s.session_key || s.current_context || s.ui_state from attune.user_session_state as s where s.user_id = $1 and s.expires_at > now()",
    // Whoever has the token of a mail acts as its receiver, whose identities a new password ends.
    ...(!isMailed && { identities: "select i::text from attune.user_identities as i where i.user_id = $1" }),
    profile: `select concat_ws('|', u.id, u.name, u.email, u.company_name, u.timezone, u.plan, u.is_admin)
      from attune.users as u where u.id = $1`,
    addresses: "select e.email from attune.user_emails as e where e.user_id = $1",
    ...(!byAdministrator && {
      preferences: "select p::text from attune.user_preferences as p where p.user_id = $1",
      notifications: "select n::text from attune.notifications as n where n.user_id = $1",
      // Whoever owns a project may end somebody's membership, with which their preferences there go.
      "project preferences": `select p::text from attune.project_preferences as p where p.user_id = $1
        and p.project_id <> all ($2::uuid[])`,
    }),
  };
  return Object.entries(parts)
    .map(
      ([kind, sql]) => `select '${kind}' as kind, coalesce(string_agg(part, E'\n' order by part), '') as print
        from (${sql}) as parts (part) where $2::uuid[] is not null`,
    )
    .join(" union all ");
}

function wordsOf(names: Names, people: Record<string, string>, keys: string[], projects: string[]): Words {
  const emails = ["ada@example.com", "bob@example.com", "known@example.com", "root@example.com", "new@example.com"];
  const plans = ["bootstrapper", "nobody's"];
  const categories = ["features", "system", "hostile", "ai_configuration", "notification_settings"];
  const userIds = Object.values(people);
  const teams = [names.team];
  return {
    ids: [...userIds, ...projects, names.team, names.notification, names.session, names.invitation],
    names: [
      ...keys,
      "value",
      "note",
      "preferences",
      "global",
      "plans",
      "properties",
      "type",
      "x-attune",
      "theme",
      "channel",
    ],
    byName: {
      key: keys,
      setting: keys,
      category: categories,
      plan: plans,
      email: emails,
      userId: userIds,
      id: [...userIds, ...projects, names.team, names.notification],
      teamId: teams,
      projectId: projects,
      sessionId: [names.session],
      invitationId: [names.invitation],
      notificationId: [names.notification],
      notificationIds: [names.notification],
      sessionKey: ["tab", "other tab"],
      refreshToken: [names.refreshToken, names.usedToken],
      token: [names.resetToken, names.verificationToken, names.invitationToken],
      password: ["correct horse battery", "wrong password"],
      oldPassword: ["correct horse battery", "wrong password"],
      newPassword: ["correct horse battery", "short"],
      issuer: ["https://id.example.com", "https://hostile.example"],
      subject: ["known", "another"],
      template: ["dark"],
      name: ["dark", "system", "bootstrapper", "Renamed"],
      // No table of people's own: what is read from there is everybody's afterwards.
      source: ["attune.plans", "attune.setting_templates", "attune.nothing"],
    },
  };
}
