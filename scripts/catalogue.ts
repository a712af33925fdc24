/** Reads from a migrated database what its documentation says: objects, comments, and who may do what. */
import type pg from "pg";

export type Column = { name: string; type: string; notNull: boolean; default: string; comment: string };
export type Constraint = { name: string; definition: string };
export type Policy = { name: string; command: string; role: string; using: string; check: string };
/** What a role may do with a table; `columns` is null where that is all of them. */
export type Grant = { role: string; command: string; columns: string[] | null };
export type Trigger = { name: string; when: string; comment: string };

/** A table, or a view, which has columns and grants, and no more. */
export type Table = {
  schema: string;
  name: string;
  isView: boolean;
  comment: string;
  columns: Column[];
  constraints: Constraint[];
  indexes: Constraint[];
  policies: Policy[];
  grants: Grant[];
  triggers: Trigger[];
};

export type Routine = {
  schema: string;
  name: string;
  arguments: string;
  /** Empty for a procedure. */
  returns: string;
  volatility: string;
  isDefiner: boolean;
  roles: string[];
  comment: string;
};

export type Type = { schema: string; name: string; comment: string; labels: string[]; columns: Column[] };
export type Schema = { name: string; comment: string; roles: string[] };
export type Catalogue = { schemas: Schema[]; tables: Table[]; types: Type[]; routines: Routine[] };

/** The roles of requests, from the least trusted to the most. */
const ROLES = ["anon", "authenticated", "service_role"];
/** What is documented. `attune_private` is nobody's business. */
const SCHEMAS = ["attune", "attune_hidden", "auth"];

const COLUMNS = `
  (select coalesce(jsonb_agg(jsonb_build_object(
            'name', a.attname,
            'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
            'notNull', a.attnotnull,
            'default', coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid, true), case when a.attidentity <> '' then 'identity' end, ''),
            'comment', coalesce(pg_catalog.col_description(c.oid, a.attnum), '')
          ) order by a.attnum), '[]')
   from pg_catalog.pg_attribute as a
   left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
   where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped)`;

const TABLES = `
  select n.nspname as schema,
         c.relname as name,
         c.relkind = 'v' as "isView",
         coalesce(pg_catalog.obj_description(c.oid, 'pg_class'), '') as comment,
         ${COLUMNS} as columns,
         (select coalesce(jsonb_agg(jsonb_build_object(
                   'name', k.conname,
                   'definition', pg_catalog.pg_get_constraintdef(k.oid, true)
                 ) order by pg_catalog.array_position('{p,u,f,c,x}'::"char"[], k.contype), k.conname), '[]')
          from pg_catalog.pg_constraint as k
          where k.conrelid = c.oid and k.contype in ('p', 'u', 'f', 'c', 'x')) as constraints,
         (select coalesce(jsonb_agg(jsonb_build_object(
                   'name', i.relname,
                   'definition', pg_catalog.regexp_replace(pg_catalog.pg_get_indexdef(i.oid), '^.* USING ', '')
                 ) order by i.relname), '[]')
          from pg_catalog.pg_index as x
          join pg_catalog.pg_class as i on i.oid = x.indexrelid
          where x.indrelid = c.oid
            and not exists (select from pg_catalog.pg_constraint as k where k.conindid = i.oid and k.contype in ('p', 'u', 'x'))) as indexes,
         (select coalesce(jsonb_agg(jsonb_build_object(
                   'name', p.polname,
                   'command', case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end,
                   'role', (select pg_catalog.string_agg(case r when 0 then 'public' else pg_catalog.pg_get_userbyid(r)::text end, ', ') from unnest(p.polroles) as r),
                   'using', coalesce(pg_catalog.pg_get_expr(p.polqual, c.oid, true), ''),
                   'check', coalesce(pg_catalog.pg_get_expr(p.polwithcheck, c.oid, true), '')
                 ) order by p.polname), '[]')
          from pg_catalog.pg_policy as p
          where p.polrelid = c.oid) as policies,
         (select coalesce(jsonb_agg(g order by pg_catalog.array_position($2, g.role), pg_catalog.array_position($3, g.command)), '[]')
          from (
            select r.role,
                   m.command,
                   case when not pg_catalog.has_table_privilege(r.role, c.oid, m.command) then (
                     select jsonb_agg(a.attname order by a.attnum)
                     from pg_catalog.pg_attribute as a
                     where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
                       and pg_catalog.has_column_privilege(r.role, c.oid, a.attnum, m.command)
                   ) end as columns
            from unnest($2::text[]) as r (role)
            cross join unnest($3::text[]) as m (command)
            where case m.command
              when 'delete' then pg_catalog.has_table_privilege(r.role, c.oid, 'delete')
              else pg_catalog.has_any_column_privilege(r.role, c.oid, m.command)
            end
          ) as g) as grants,
         (select coalesce(jsonb_agg(jsonb_build_object(
                   'name', t.tgname,
                   'when', pg_catalog.lower(pg_catalog.regexp_replace(pg_catalog.pg_get_triggerdef(t.oid), '^CREATE TRIGGER \\S+ (.*) ON .*$', '\\1')),
                   'comment', coalesce(pg_catalog.obj_description(t.tgfoid, 'pg_proc'), '')
                 ) order by t.tgname), '[]')
          from pg_catalog.pg_trigger as t
          where t.tgrelid = c.oid and not t.tgisinternal) as triggers
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where n.nspname = any ($1) and c.relkind in ('r', 'p', 'v')
  order by n.nspname, c.relname`;

const TYPES = `
  select n.nspname as schema,
         t.typname as name,
         coalesce(pg_catalog.obj_description(t.oid, 'pg_type'), pg_catalog.obj_description(c.oid, 'pg_class'), '') as comment,
         array(select e.enumlabel::text from pg_catalog.pg_enum as e where e.enumtypid = t.oid order by e.enumsortorder) as labels,
         ${COLUMNS} as columns
  from pg_catalog.pg_type as t
  join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
  left join pg_catalog.pg_class as c on c.oid = t.typrelid
  where n.nspname = any ($1) and (t.typtype in ('e', 'd') or c.relkind = 'c')
  order by n.nspname, t.typname`;

const ROUTINES = `
  select n.nspname as schema,
         p.proname as name,
         pg_catalog.pg_get_function_arguments(p.oid) as arguments,
         coalesce(pg_catalog.pg_get_function_result(p.oid), '') as returns,
         case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end as volatility,
         p.prosecdef as "isDefiner",
         array(select r from unnest($2::text[]) as r where pg_catalog.has_function_privilege(r, p.oid, 'execute')) as roles,
         coalesce(pg_catalog.obj_description(p.oid, 'pg_proc'), '') as comment
  from pg_catalog.pg_proc as p
  join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
  where n.nspname = any ($1)
  order by n.nspname, p.proname, 3`;

const SCHEMA_LIST = `
  select n.nspname as name,
         coalesce(pg_catalog.obj_description(n.oid, 'pg_namespace'), '') as comment,
         array(select r from unnest($2::text[]) as r where pg_catalog.has_schema_privilege(r, n.oid, 'usage')) as roles
  from pg_catalog.pg_namespace as n
  where n.nspname = any ($1)
  order by n.nspname`;

/** Everything of the schemas `attune`, `attune_hidden` and `auth`, in a fixed order, with every name written out. */
export async function readCatalogue(client: pg.ClientBase): Promise<Catalogue> {
  await client.query("set search_path = ''");
  const { rows: schemas } = await client.query<Schema>(SCHEMA_LIST, [SCHEMAS, ROLES]);
  const { rows: tables } = await client.query<Table>(TABLES, [
    SCHEMAS,
    ROLES,
    ["select", "insert", "update", "delete"],
  ]);
  const { rows: types } = await client.query<Type>(TYPES, [SCHEMAS]);
  const { rows: routines } = await client.query<Routine>(ROUTINES, [SCHEMAS, ROLES]);
  return { schemas, tables, types, routines };
}

const PERSONAS = ["anon", "user", "administrator", "service_role", "owner"] as const;
export type Persona = (typeof PERSONAS)[number];

/** Which rows a policy is about, by what the convention calls who it is for: `<table>_<command>_<who>`. */
const REACH: Record<string, Partial<Record<Persona, string>>> = {
  anon: { anon: "" },
  public: { anon: " what is public" },
  audience: { user: " what is for clients", administrator: "" },
  authenticated: { user: "", administrator: "" },
  self: { user: " own", administrator: " own" },
  self_or_admin: { user: " own", administrator: "" },
  admin: { administrator: "" },
  member: { user: " as member", administrator: " as member" },
  member_or_admin: { user: " as member", administrator: "" },
  editor: { user: " as editor", administrator: " as editor" },
  manager: { user: " as manager", administrator: " as manager" },
  concerned_or_admin: { user: " own, and of teams they administer", administrator: "" },
  team_admin_or_admin: { user: " as team administrator", administrator: "" },
  owner: { user: " as owner", administrator: " as owner" },
  reader_or_admin: { user: "; of deleted entries their own", administrator: "" },
  service_role: { service_role: "" },
};

/** The rows of the matrix: a table, then what each persona may do with its rows. */
export function rightsMatrix({ tables }: Catalogue): string[][] {
  return tables
    .filter(({ isView }) => !isView)
    .map((table) => [`\`${table.name}\``, ...PERSONAS.map((persona) => rightsOf(table, persona))]);
}

function rightsOf(table: Table, persona: Persona): string {
  if (persona === "owner") return isAppendOnly(table) ? "read, insert" : "everything";

  const role = persona === "user" || persona === "administrator" ? "authenticated" : persona;
  const byReach = new Map<string, string[]>();
  for (const { command } of table.grants.filter((grant) => grant.role === role)) {
    const reach = table.policies
      .filter((policy) => policy.role === role && (policy.command === command || policy.command === "all"))
      .map((policy) => reachOf(table, policy, persona))
      .find((found) => found !== undefined);
    if (reach !== undefined)
      byReach.set(reach, [...(byReach.get(reach) ?? []), command === "select" ? "read" : command]);
  }
  return [...byReach].map(([reach, commands]) => commands.join(", ") + reach).join("; ") || "–";
}

/** Undefined when the policy gives this persona nothing. */
function reachOf(table: Table, policy: Policy, persona: Persona): string | undefined {
  const who = policy.name.slice(`${table.name}_${policy.command}_`.length);
  const reach = REACH[who];
  if (reach === undefined) throw new Error(`The policy ${policy.name} is not named <table>_<command>_<who>.`);
  return reach[persona];
}

/** A log: what guards it is there, against more than truncation, no role may update it, and no change of a row has its time. */
function isAppendOnly(table: Table): boolean {
  const has = (what: RegExp, when: RegExp): boolean =>
    table.triggers.some((trigger) => what.test(trigger.name) && when.test(trigger.when));
  return (
    has(/_append_only$/, /update|delete/i) &&
    !has(/_timestamps$/, /./) &&
    !table.grants.some(({ command }) => command === "update")
  );
}
