/** What people keep in the embedded cluster beside Attune, and have set there: a dump of Attune's has none of it. */
import type pg from "pg";
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

/**
 * Names what is in the schemas that are ours and the catalogue of `attune verify` does not compare: extensions, operators,
 * statistics, what text search has, and whatever is in the schemas of others that we use. Ours is among it.
 */
export async function insideOurs(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(INSIDE_OURS, [SCHEMAS]);
  return rows.map(({ name }) => name);
}

/** $1: the schemas that are ours. What graphile-worker has, it makes itself anew. */
const INSIDE_OURS = `
  with ours as (
    select n.oid, n.nspname ~ '^attune' as is_compared
    from pg_catalog.pg_namespace as n
    where n.nspname = any ($1) and n.nspname <> 'graphile_worker'
  ), found (class, id) as (
    select d.classid, d.objid
    from pg_catalog.pg_depend as d
    join ours as o on o.oid = d.refobjid
    left join pg_catalog.pg_type as t on d.classid = 'pg_catalog.pg_type'::regclass and t.oid = d.objid
    where d.refclassid = 'pg_catalog.pg_namespace'::regclass
      and d.deptype = 'n'
      and not (
        o.is_compared
        and (
          d.classid in ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_proc'::regclass)
          or coalesce(t.typtype in ('c', 'd', 'e', 'r'), false)
        )
      )
      and not exists (
        select from pg_catalog.pg_depend as i
        where i.classid = d.classid and i.objid = d.objid and i.deptype in ('a', 'e', 'i')
      )
    union
    select 'pg_catalog.pg_extension'::regclass, e.oid
    from pg_catalog.pg_extension as e join ours as o on o.oid = e.extnamespace
    union
    -- They go with their columns.
    select 'pg_catalog.pg_statistic_ext'::regclass, s.oid
    from pg_catalog.pg_statistic_ext as s join ours as o on o.oid = s.stxnamespace
  )
  select i.type || ' ' || i.identity as name
  from found as f
  cross join lateral pg_catalog.pg_identify_object(f.class, f.id, 0) as i
  order by name`;

/** Names the settings of one cluster that another does not have: those of files, databases and roles, and their rights. */
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
       select pg_catalog.concat_ws(' ', 'alter role', r.rolname, a.attribute), ''
       from pg_catalog.pg_roles as r
       cross join lateral (
         values
           (case when r.rolsuper then 'superuser' else 'nosuperuser' end),
           (case when r.rolinherit then 'inherit' else 'noinherit' end),
           (case when r.rolcreaterole then 'createrole' else 'nocreaterole' end),
           (case when r.rolcreatedb then 'createdb' else 'nocreatedb' end),
           (case when r.rolcanlogin then 'login' else 'nologin' end),
           (case when r.rolreplication then 'replication' else 'noreplication' end),
           (case when r.rolbypassrls then 'bypassrls' else 'nobypassrls' end),
           ('connection limit ' || r.rolconnlimit),
           ('valid until ' || r.rolvaliduntil)
       ) as a (attribute)
       where r.rolname = any ($1::text[]) and a.attribute is not null
       union all
       select pg_catalog.format('grant %s to %s', m.roleid::regrole, m.member::regrole), ''
       from pg_catalog.pg_auth_members as m
       where $1::text[] && array[m.roleid::regrole::text, m.member::regrole::text]
       union all
       select pg_catalog.format('alter database %I connection limit %s', d.datname, d.datconnlimit), ''
       from pg_catalog.pg_database as d
       where d.datname = pg_catalog.current_database()
       union all
       select pg_catalog.format(
         'grant %s on database %I to %s', pg_catalog.lower(a.privilege_type), d.datname,
         case a.grantee when 0 then 'public' else a.grantee::regrole::text end
       ), ''
       from pg_catalog.pg_database as d
       cross join lateral pg_catalog.aclexplode(d.datacl) as a
       where d.datname = pg_catalog.current_database()
       union all
       select 'pg_hba.conf', pg_catalog.json_agg(pg_catalog.json_build_array(h.type, h.database, h.user_name, h.address, h.netmask, h.auth_method))::text
       from pg_catalog.pg_hba_file_rules as h
       order by 1`,
      [ROLES],
    );
    return new Map(rows.map(({ name, value }) => [name, value]));
  });
}
