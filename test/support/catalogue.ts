/** A database's catalogue as lines of text, without anything that differs from one build of it to the next. */
import type pg from "pg";

const SCHEMAS = "n.nspname <> 'information_schema' and n.nspname <> 'graphile_migrate' and n.nspname !~ '^pg_'";

/** Privileges in a stable order; NULL is PostgreSQL's default, which is not the same as none. */
const acl = (column: string): string =>
  `coalesce((select string_agg(entry::text, ' ' order by entry::text) from unnest(${column}) as entry), 'default')`;

const comment = (oid: string, catalogue: string): string => `coalesce(obj_description(${oid}, '${catalogue}'), '')`;

const PARTS: Record<string, string> = {
  schema: `
    select concat_ws(' | ', n.nspname, n.nspowner::regrole, ${acl("n.nspacl")}, ${comment("n.oid", "pg_namespace")})
    from pg_namespace as n where ${SCHEMAS}`,
  relation: `
    select concat_ws(' | ', n.nspname, c.relname, c.relkind, c.relpersistence, c.relowner::regrole, c.relrowsecurity, c.relforcerowsecurity,
      c.relreplident, c.reloptions, ${acl("c.relacl")}, ${comment("c.oid", "pg_class")},
      case when c.relkind in ('v', 'm') then pg_get_viewdef(c.oid) end, pg_get_partkeydef(c.oid), pg_get_expr(c.relpartbound, c.oid),
      (select string_agg(i.inhparent::regclass::text, ' ') from pg_inherits as i where i.inhrelid = c.oid))
    from pg_class as c join pg_namespace as n on n.oid = c.relnamespace where c.relkind <> 'i' and ${SCHEMAS}`,
  column: `
    select concat_ws(' | ', n.nspname, c.relname, row_number() over (partition by c.oid order by a.attnum), a.attname,
      format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid),
      a.attcollation::regcollation, a.attstorage, a.attoptions, ${acl("a.attacl")}, coalesce(col_description(c.oid, a.attnum), ''))
    from pg_attribute as a
    join pg_class as c on c.oid = a.attrelid
    join pg_namespace as n on n.oid = c.relnamespace
    left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attnum > 0 and not a.attisdropped and c.relkind <> 'i' and ${SCHEMAS}`,
  constraint: `
    select concat_ws(' | ', n.nspname, coalesce(nullif(r.conrelid, 0)::regclass::text, r.contypid::regtype::text), r.conname,
      pg_get_constraintdef(r.oid), r.convalidated, ${comment("r.oid", "pg_constraint")})
    from pg_constraint as r join pg_namespace as n on n.oid = r.connamespace where ${SCHEMAS}`,
  index: `
    select concat_ws(' | ', pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisreplident, ${comment("i.indexrelid", "pg_class")})
    from pg_index as i join pg_class as c on c.oid = i.indexrelid join pg_namespace as n on n.oid = c.relnamespace where ${SCHEMAS}`,
  function: `
    select concat_ws(' | ', p.oid::regprocedure, p.proowner::regrole, ${acl("p.proacl")}, ${comment("p.oid", "pg_proc")},
      case when p.prokind = 'a' then 'aggregate' else pg_get_functiondef(p.oid) end)
    from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace where ${SCHEMAS}`,
  trigger: `
    select concat_ws(' | ', t.tgrelid::regclass, t.tgname, t.tgenabled, pg_get_triggerdef(t.oid), ${comment("t.oid", "pg_trigger")})
    from pg_trigger as t join pg_class as c on c.oid = t.tgrelid join pg_namespace as n on n.oid = c.relnamespace
    where not t.tgisinternal and ${SCHEMAS}`,
  policy: `
    select concat_ws(' | ', y.polrelid::regclass, y.polname, y.polcmd, y.polpermissive,
      array(select coalesce(nullif(role, 0)::regrole::text, 'public') from unnest(y.polroles) as role order by 1),
      pg_get_expr(y.polqual, y.polrelid), pg_get_expr(y.polwithcheck, y.polrelid), ${comment("y.oid", "pg_policy")})
    from pg_policy as y`,
  type: `
    select concat_ws(' | ', t.oid::regtype, t.typtype, t.typowner::regrole, ${acl("t.typacl")}, ${comment("t.oid", "pg_type")},
      t.typnotnull, t.typdefault, nullif(t.typbasetype, 0)::regtype,
      array(select e.enumlabel from pg_enum as e where e.enumtypid = t.oid order by e.enumsortorder))
    from pg_type as t join pg_namespace as n on n.oid = t.typnamespace where ${SCHEMAS}`,
  sequence: `
    select concat_ws(' | ', s.seqrelid::regclass, s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle)
    from pg_sequence as s join pg_class as c on c.oid = s.seqrelid join pg_namespace as n on n.oid = c.relnamespace where ${SCHEMAS}`,
  extension: "select concat_ws(' | ', extname, extversion, extnamespace::regnamespace) from pg_extension",
  event_trigger: "select concat_ws(' | ', evtname, evtevent, evtfoid::regprocedure) from pg_event_trigger",
  publication: "select pubname from pg_publication",
  statistics: `
    select pg_get_statisticsobjdef(s.oid) from pg_statistic_ext as s join pg_namespace as n on n.oid = s.stxnamespace where ${SCHEMAS}`,
  operator:
    "select o.oid::regoperator::text from pg_operator as o join pg_namespace as n on n.oid = o.oprnamespace where " +
    SCHEMAS,
  default_privileges: `
    select concat_ws(' | ', d.defaclrole::regrole, coalesce(nullif(d.defaclnamespace, 0)::regnamespace::text, 'everywhere'), d.defaclobjtype, ${acl("d.defaclacl")})
    from pg_default_acl as d`,
  database: `
    select concat_ws(' | ', ${acl("d.datacl")}, coalesce(shobj_description(d.oid, 'pg_database'), ''))
    from pg_database as d where d.datname = current_database()`,
  role: `
    select concat_ws(' | ', r.rolname, r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin, r.rolreplication, r.rolbypassrls,
      coalesce(shobj_description(r.oid, 'pg_authid'), ''),
      array(select m.roleid::regrole::text from pg_auth_members as m where m.member = r.oid order by 1))
    from pg_roles as r`,
  role_setting: `
    select concat_ws(' | ', coalesce(nullif(s.setrole, 0)::regrole::text, 'everybody'), s.setconfig)
    from pg_db_role_setting as s where s.setdatabase in (0, (select oid from pg_database where datname = current_database()))`,
};

/** Everything that a migration could have made or changed, one line an object, sorted. */
export async function readCatalogue(client: pg.Client): Promise<string[]> {
  // So that every name is written with its schema.
  await client.query("set search_path = ''");
  const lines: string[] = [];
  for (const [part, sql] of Object.entries(PARTS)) {
    const { rows } = await client.query<{ line: string }>(`select line from (${sql}) as part (line)`);
    lines.push(...rows.map(({ line }) => `${part}: ${line}`));
  }
  return lines.toSorted();
}

/** How many rows each table of a schema holds, those that only ever grow left out. */
export async function readRowCounts(client: pg.Client, except: string[]): Promise<Record<string, number>> {
  const { rows: tables } = await client.query<{ name: string }>(
    `select format('%I.%I', n.nspname, c.relname) as name
     from pg_catalog.pg_class as c
     join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
     where n.nspname in ('attune', 'attune_private') and c.relkind in ('r', 'p') and not c.relispartition
     order by 1`,
  );
  const counts: Record<string, number> = {};
  for (const { name } of tables) {
    if (except.includes(name)) continue;
    const {
      rows: [row],
    } = await client.query<{ n: string }>(`select count(*) as n from ${name}`);
    counts[name] = Number(row?.n);
  }
  return counts;
}
