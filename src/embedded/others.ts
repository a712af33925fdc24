/** What people keep in the embedded cluster beside Attune, and have set there: a dump of Attune's has none of it. */
import { withClient } from "../database/client.ts";

/** Databases that are always there, and ours. */
const DATABASES = ["postgres", "template0", "template1", "attune", "attune_draft"];
const ROLES = ["attune", "anon", "authenticated", "service_role", "authenticator"];
/** What a dump has, and what makes itself anew. */
const SCHEMAS = ["attune", "attune_hidden", "attune_private", "auth", "graphile_migrate", "graphile_worker"];

/** The first number that PostgreSQL gives to what users make. */
const FIRST = 16_384;

/**
 * Names everything that somebody made beside Attune: `database shop`, `table public.notes`, `role reporting`.
 * @param urlOf the superuser's connection to a database
 */
export async function othersIn(urlOf: (database: string) => string): Promise<string[]> {
  const names = async (database: string, sql: string, values: unknown[] = []): Promise<string[]> =>
    withClient(urlOf(database), async (client) => {
      await client.query("set search_path = ''");
      return (await client.query<{ name: string }>(sql, values)).rows.map(({ name }) => name);
    });
  const shared = await names(
    "postgres",
    `select pg_catalog.format('database %I', d.datname) as name
     from pg_catalog.pg_database as d where d.datname <> all ($1)
     union all
     select pg_catalog.format('role %I', r.rolname) from pg_catalog.pg_roles as r where r.oid >= $3 and r.rolname <> all ($2)
     union all
     select pg_catalog.format('tablespace %I', t.spcname) from pg_catalog.pg_tablespace as t where t.oid >= $3
     order by name`,
    [DATABASES, ROLES, FIRST],
  );
  const own = [
    await names("postgres", IN_A_DATABASE, [[], FIRST]),
    await names("template1", IN_A_DATABASE, [[], FIRST]),
  ];
  return [
    ...shared,
    ...own.flat().map((name) => `${name} (not in the database attune)`),
    ...(await names("attune", IN_A_DATABASE, [SCHEMAS, FIRST])),
  ];
}

/** $1: the schemas that are ours; $2: the first number of what users make. */
const IN_A_DATABASE = `
  with ours as (
    select n.oid from pg_catalog.pg_namespace as n
    where n.nspname = any ($1) or n.nspname ~ '^pg_' or n.nspname = 'information_schema'
  ), found (class, id) as (
    -- The schema public is not counted among what it holds.
    select d.classid, d.objid
    from pg_catalog.pg_depend as d
    where d.refclassid = 'pg_catalog.pg_namespace'::regclass and d.deptype = 'n' and d.refobjid not in (select o.oid from ours as o)
    union select 'pg_catalog.pg_namespace'::regclass, n.oid from pg_catalog.pg_namespace as n where n.oid not in (select o.oid from ours as o)
    union select 'pg_catalog.pg_extension'::regclass, e.oid from pg_catalog.pg_extension as e where e.extnamespace not in (select o.oid from ours as o)
    union select 'pg_catalog.pg_event_trigger'::regclass, t.oid from pg_catalog.pg_event_trigger as t
    union select 'pg_catalog.pg_publication'::regclass, p.oid from pg_catalog.pg_publication as p
    union select 'pg_catalog.pg_foreign_data_wrapper'::regclass, w.oid from pg_catalog.pg_foreign_data_wrapper as w
    union select 'pg_catalog.pg_foreign_server'::regclass, s.oid from pg_catalog.pg_foreign_server as s
    union select 'pg_catalog.pg_cast'::regclass, c.oid from pg_catalog.pg_cast as c
    union select 'pg_catalog.pg_language'::regclass, l.oid from pg_catalog.pg_language as l
    union select 'pg_catalog.pg_largeobject'::regclass, m.oid from pg_catalog.pg_largeobject_metadata as m
  )
  select i.type || ' ' || i.identity as name
  from found as f
  cross join lateral pg_catalog.pg_identify_object(f.class, f.id, 0) as i
  where (f.id >= $2 or f.class = 'pg_catalog.pg_largeobject'::regclass)
    and not exists (
      select from pg_catalog.pg_depend as d where d.classid = f.class and d.objid = f.id and d.deptype in ('a', 'e', 'i')
    )
  order by name`;

/** Names the settings of one cluster that another does not have: those of files, databases and roles. */
export async function settingsLeft(from: string, to: string): Promise<string[]> {
  const [before, after] = [await settingsOf(from), await settingsOf(to)];
  return [...before].filter(([name, value]) => after.get(name) !== value).map(([name]) => name);
}

async function settingsOf(url: string): Promise<Map<string, string>> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<{ name: string; value: string }>(
      `select s.name, s.setting as value
       from pg_catalog.pg_settings as s
       where s.source in ('configuration file', 'database') and s.name !~ '^(lc_|log_timezone$|dynamic_shared_memory_type$)'
       union all
       select pg_catalog.concat_ws(' ', 'alter role', coalesce(nullif(r.setrole, 0)::regrole::text, 'all'), 'set', c.setting), ''
       from pg_catalog.pg_db_role_setting as r
       cross join lateral pg_catalog.unnest(r.setconfig) as c (setting)
       where r.setrole <> 0
       union all
       select 'pg_hba.conf', pg_catalog.json_agg(pg_catalog.json_build_array(h.type, h.database, h.user_name, h.address, h.netmask, h.auth_method))::text
       from pg_catalog.pg_hba_file_rules as h
       order by 1`,
    );
    return new Map(rows.map(({ name, value }) => [name, value]));
  });
}
