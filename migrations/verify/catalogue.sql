-- What there is of Attune in a database, one row an object: what it is called, and what it is. `attune verify` compares
-- it with migrations/catalogue.json. It changes nothing, and works on a standby. To read it yourself:
--
--   PGOPTIONS="-c search_path=" psql -At -f migrations/verify/catalogue.sql "$DATABASE_URL"
--
-- Left out is what a database may have of its own: comments, who owns it as long as that is one role, storage
-- parameters of tables, and the months for which there are partitions. Each partition is there with its guards. Of roles,
-- there are those of requests, and what they may become: whatever another is granted is theirs then.
with
  owner as (
    select n.nspowner as oid from pg_catalog.pg_namespace as n where n.nspname = 'attune'
  ),
  requests as (
    select r.* from pg_catalog.pg_roles as r where r.rolname in ('anon', 'authenticated', 'service_role', 'authenticator')
  ),
  -- On Supabase the schema auth and its functions were there before, and stay as they are.
  schema as (
    select
      n.oid,
      n.nspname as name,
      n.nspowner as owner,
      n.nspacl as acl,
      n.nspname <> 'auth' or coalesce(pg_catalog.obj_description(n.oid, 'pg_namespace') like 'Attune:%', false) as is_ours
    from pg_catalog.pg_namespace as n
    where n.nspname in ('attune', 'attune_hidden', 'attune_private', 'auth')
  ),
  relation as (
    select c.*, s.name as schema, pg_catalog.format('%I.%I', s.name, c.relname) as name
    from pg_catalog.pg_class as c
    join schema as s on s.oid = c.relnamespace
    where s.name <> 'auth'
      and not exists (
        select from pg_catalog.pg_depend as d
        where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
      )
  ),
  whole as (
    select r.* from relation as r where not r.relispartition and r.relkind in ('r', 'p', 'v', 'm', 'f', 'c')
  ),
  type as (
    select t.*, pg_catalog.format('%I.%I', s.name, t.typname) as name
    from pg_catalog.pg_type as t
    join schema as s on s.oid = t.typnamespace
    where s.name <> 'auth' and t.typtype in ('e', 'd', 'r')
  ),
  function as (
    select
      p.*,
      p.oid::regprocedure::text as name,
      s.is_ours or coalesce(pg_catalog.obj_description(p.oid, 'pg_proc') like 'Attune:%', false) as is_ours
    from pg_catalog.pg_proc as p
    join schema as s on s.oid = p.pronamespace
    where (s.is_ours or p.proname in ('uid', 'jwt', 'role') and p.pronargs = 0)
      and not exists (
        select from pg_catalog.pg_depend as d
        where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'
      )
  ),
  -- What a grant is on, with its privileges; those of the owner are not named.
  granted as (
    select 'schema ' || s.name as object, s.owner, a.*
    from schema as s, pg_catalog.aclexplode(s.acl) as a
    where s.is_ours
    union all
    select
      case when r.relkind = 'S' then 'sequence ' else 'table ' end || r.name, r.relowner, a.*
    from relation as r, pg_catalog.aclexplode(r.relacl) as a
    where not r.relispartition
    union all
    select 'function ' || f.name, f.proowner, a.*
    from function as f,
         pg_catalog.aclexplode(coalesce(f.proacl, pg_catalog.acldefault('f', f.proowner))) as a
    where f.is_ours
    union all
    select 'type ' || t.name, t.typowner, a.*
    from type as t, pg_catalog.aclexplode(t.typacl) as a
  ),
  column_granted as (
    select r.name as table, r.relowner as owner, c.attname as column, a.*
    from whole as r
    join pg_catalog.pg_attribute as c on c.attrelid = r.oid and c.attnum > 0 and not c.attisdropped,
         pg_catalog.aclexplode(c.attacl) as a
  ),
  -- What has a table of ours above it, in whichever schema.
  below as (
    select c.*, i.inhparent, pg_catalog.format('%I.%I', n.nspname, c.relname) as name
    from pg_catalog.pg_inherits as i
    join whole as r on r.oid = i.inhparent
    join pg_catalog.pg_class as c on c.oid = i.inhrelid
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  ),
  triggers as (
    select
      t.tgrelid,
      t.tgname,
      case t.tgenabled when 'O' then 'enabled' when 'A' then 'enabled always' when 'R' then 'enabled on replicas only'
        else 'disabled' end as state,
      pg_catalog.regexp_replace(
        pg_catalog.pg_get_triggerdef(t.oid), '^CREATE (CONSTRAINT )?TRIGGER \S+ (.*) ON \S+ (.*)$', '\2 \3'
      ) as definition
    from pg_catalog.pg_trigger as t
    where not t.tgisinternal
  ),
  object (name, owner, definition) as (
    select 'schema ' || s.name, s.owner, case when s.is_ours then 'made by Attune' else 'as it was found' end
    from schema as s

    union all
    select
      case r.relkind when 'v' then 'view ' when 'm' then 'view ' when 'c' then 'type ' else 'table ' end || r.name,
      r.relowner,
      pg_catalog.concat_ws(
        ', ',
        case when r.relkind in ('r', 'p', 'f') then
          'row level security ' || case when r.relrowsecurity then 'on' else 'off' end end,
        case when r.relforcerowsecurity then 'forced' end,
        case r.relkind when 'm' then 'materialized' when 'f' then 'foreign' when 'c' then 'composite' end,
        case r.relpersistence when 'u' then 'unlogged' when 't' then 'temporary' end,
        'partitioned by ' || pg_catalog.pg_get_partkeydef(r.oid),
        case when r.relkind in ('v', 'm') then pg_catalog.array_to_string(r.reloptions, ', ') end,
        case when r.relkind in ('v', 'm') then pg_catalog.pg_get_viewdef(r.oid) end
      )
    from whole as r

    union all
    select
      pg_catalog.format('column %s.%I', r.name, a.attname),
      r.relowner,
      pg_catalog.concat_ws(
        ' ',
        pg_catalog.format_type(a.atttypid, a.atttypmod),
        case when a.attnotnull then 'not null' end,
        case when a.attcollation <> t.typcollation then 'collate ' || a.attcollation::regcollation end,
        case a.attidentity when 'a' then 'identity' when 'd' then 'identity by default' end,
        case when a.attgenerated <> '' then 'generated' else case when d.oid is not null then 'default' end end,
        pg_catalog.pg_get_expr(d.adbin, d.adrelid)
      )
    from whole as r
    join pg_catalog.pg_attribute as a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
    join pg_catalog.pg_type as t on t.oid = a.atttypid
    left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where r.relkind not in ('v', 'm')

    union all
    select
      pg_catalog.format('constraint %I on %s', k.conname, coalesce(r.name, t.name)),
      coalesce(r.relowner, t.typowner),
      pg_catalog.concat_ws(
        ', ',
        pg_catalog.pg_get_constraintdef(k.oid),
        case when exists (
          select from pg_catalog.pg_trigger as g where g.tgconstraint = k.oid and g.tgenabled <> 'O'
        ) then 'its triggers disabled' end,
        case when exists (
          select from pg_catalog.pg_index as i where i.indexrelid = k.conindid and not i.indisvalid
        ) then 'its index invalid' end
      )
    from pg_catalog.pg_constraint as k
    left join whole as r on r.oid = k.conrelid
    left join type as t on t.oid = k.contypid
    -- Triggers are named below; and not null is a constraint from PostgreSQL 18 on, and the column's before.
    where k.contype not in ('t', 'n') and (r.oid is not null or t.oid is not null)

    union all
    select
      pg_catalog.format('index %I on %s', c.relname, r.name),
      c.relowner,
      pg_catalog.concat_ws(
        ', ',
        pg_catalog.regexp_replace(pg_catalog.pg_get_indexdef(i.indexrelid), '^CREATE (UNIQUE )?INDEX .* USING ', '\1'),
        case when not i.indisvalid then 'invalid' end
      )
    from pg_catalog.pg_index as i
    join whole as r on r.oid = i.indrelid
    join pg_catalog.pg_class as c on c.oid = i.indexrelid
    where not exists (
      select from pg_catalog.pg_constraint as k where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x')
    )

    union all
    select
      'function ' || f.name,
      f.proowner,
      case when not f.is_ours then 'as it was found' else pg_catalog.concat_ws(
        ', ',
        case when f.prokind = 'p' then 'procedure' when f.prokind = 'a' then 'aggregate'
          else 'returns ' || pg_catalog.pg_get_function_result(f.oid) end,
        (select l.lanname from pg_catalog.pg_language as l where l.oid = f.prolang),
        case f.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end,
        case f.proparallel when 's' then 'parallel safe' when 'r' then 'parallel restricted' end,
        case when f.proisstrict then 'strict' end,
        case when f.proleakproof then 'leakproof' end,
        case when f.prosecdef then 'security definer' else 'security invoker' end,
        'cost ' || f.procost,
        'rows ' || nullif(f.prorows, 0),
        'set ' || pg_catalog.array_to_string(f.proconfig, ' set '),
        '(' || pg_catalog.pg_get_function_arguments(f.oid) || ')',
        'body ' || pg_catalog.left(
          pg_catalog.encode(
            pg_catalog.sha256(
              pg_catalog.convert_to(coalesce(pg_catalog.pg_get_function_sqlbody(f.oid), f.prosrc), 'UTF8')
            ),
            'hex'
          ),
          16
        )
      ) end
    from function as f

    union all
    select
      pg_catalog.format('trigger %I on %s', g.tgname, r.name), r.relowner, g.state || ', ' || g.definition
    from triggers as g
    join whole as r on r.oid = g.tgrelid

    union all
    select
      pg_catalog.format('policy %I on %s', p.polname, r.name),
      r.relowner,
      pg_catalog.concat_ws(
        ' ',
        case when not p.polpermissive then 'restrictive' end,
        case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete'
          else 'all' end,
        'to',
        (
          select pg_catalog.string_agg(coalesce(m.rolname, 'public'), ', ' order by m.rolname)
          from pg_catalog.unnest(p.polroles) as u (role)
          left join pg_catalog.pg_roles as m on m.oid = u.role
        ),
        'using ' || pg_catalog.pg_get_expr(p.polqual, p.polrelid),
        'with check ' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)
      )
    from pg_catalog.pg_policy as p
    join relation as r on r.oid = p.polrelid

    union all
    select
      pg_catalog.format('rule %I on %s', w.rulename, r.name), r.relowner, pg_catalog.pg_get_ruledef(w.oid)
    from pg_catalog.pg_rewrite as w
    join relation as r on r.oid = w.ev_class
    where w.rulename <> '_RETURN'

    union all
    select
      'type ' || t.name,
      t.typowner,
      pg_catalog.concat_ws(
        ' ',
        case t.typtype when 'e' then 'enum' when 'd' then 'domain' else 'range' end,
        (
          select pg_catalog.string_agg(pg_catalog.quote_literal(e.enumlabel), ', ' order by e.enumsortorder)
          from pg_catalog.pg_enum as e
          where e.enumtypid = t.oid
        ),
        case when t.typtype = 'd' then pg_catalog.format_type(t.typbasetype, t.typtypmod) end,
        case when t.typnotnull then 'not null' end,
        'default ' || t.typdefault
      )
    from type as t

    union all
    select
      'sequence ' || r.name,
      r.relowner,
      pg_catalog.format(
        '%s from %s by %s, %s to %s', s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmin, s.seqmax
      ) || case when s.seqcycle then ', cycles' else '' end
    from relation as r
    join pg_catalog.pg_sequence as s on s.seqrelid = r.oid

    union all
    select
      pg_catalog.format(
        case
          when not b.relispartition then 'child %s of %s'
          when pg_catalog.pg_get_expr(b.relpartbound, b.oid) = 'DEFAULT' then 'default partition %s of %s'
          else 'partition %s of %s'
        end,
        b.name,
        b.inhparent::regclass
      ),
      b.relowner,
      pg_catalog.concat_ws(
        '; ',
        'row level security ' || case when b.relrowsecurity then 'on' else 'off' end,
        case when b.relkind <> 'r' then 'no plain table' end,
        case b.relpersistence when 'u' then 'unlogged' end,
        (
          select pg_catalog.string_agg(
            pg_catalog.format('%s %s, %s', g.tgname, g.state, g.definition), '; ' order by g.tgname
          )
          from triggers as g
          where g.tgrelid = b.oid
        ),
        (
          select pg_catalog.string_agg(pg_catalog.pg_get_constraintdef(k.oid), '; ' order by k.conname)
          from pg_catalog.pg_constraint as k
          where k.conrelid = b.oid and k.coninhcount = 0 and k.contype not in ('t', 'n')
        ),
        (
          select pg_catalog.string_agg(
            a.attname || ' default ' || coalesce(pg_catalog.pg_get_expr(own.adbin, own.adrelid), 'null'), '; '
            order by a.attname
          )
          from pg_catalog.pg_attribute as a
          join pg_catalog.pg_attribute as above on above.attrelid = b.inhparent and above.attname = a.attname
          left join pg_catalog.pg_attrdef as own on own.adrelid = a.attrelid and own.adnum = a.attnum
          left join pg_catalog.pg_attrdef as its on its.adrelid = above.attrelid and its.adnum = above.attnum
          where a.attrelid = b.oid
            and pg_catalog.pg_get_expr(own.adbin, own.adrelid)
              is distinct from pg_catalog.pg_get_expr(its.adbin, its.adrelid)
        ),
        (
          select pg_catalog.string_agg(
            case when x.indisvalid then '' else 'invalid ' end || 'index '
              || pg_catalog.regexp_replace(pg_catalog.pg_get_indexdef(x.indexrelid), '^CREATE (UNIQUE )?INDEX .* USING ', '\1'),
            '; '
            order by x.indexrelid
          )
          from pg_catalog.pg_index as x
          where x.indrelid = b.oid
            and (not x.indisvalid or x.indisunique
              and not exists (select from pg_catalog.pg_inherits as o where o.inhrelid = x.indexrelid))
        ),
        'granted ' || (
          select pg_catalog.string_agg(distinct a.grantee::regrole::text, ', ')
          from (
            select b.relacl as acl
            union all
            select c.attacl from pg_catalog.pg_attribute as c where c.attrelid = b.oid
          ) as given
          cross join lateral pg_catalog.aclexplode(given.acl) as a
          where a.grantee <> b.relowner
        )
      )
    from below as b

    union all
    select
      pg_catalog.format(
        'grant %s on %s to %s',
        pg_catalog.lower(g.privilege_type),
        g.object,
        case g.grantee when 0 then 'public' else g.grantee::regrole::text end
      ),
      null,
      case when pg_catalog.bool_or(g.is_grantable) then 'with grant option' else '' end
    from granted as g
    where g.grantee <> g.owner
    group by g.object, g.privilege_type, g.grantee

    union all
    select
      pg_catalog.format(
        'grant %s on columns of %s to %s',
        pg_catalog.lower(g.privilege_type),
        g.table,
        case g.grantee when 0 then 'public' else g.grantee::regrole::text end
      ),
      null,
      pg_catalog.string_agg(
        g.column || case when g.is_grantable then ' with grant option' else '' end, ', ' order by g.column
      )
    from column_granted as g
    where g.grantee <> g.owner
    group by g.table, g.privilege_type, g.grantee

    union all
    -- Rights that are given ahead, on what is not made yet.
    select
      pg_catalog.format(
        'grant %s on %s that %s makes in %s to %s',
        pg_catalog.lower(a.privilege_type),
        case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions'
          when 'T' then 'types' when 'n' then 'schemas' else 'large objects' end,
        d.defaclrole::regrole,
        coalesce('the schema ' || s.name, 'every schema'),
        case a.grantee when 0 then 'public' else a.grantee::regrole::text end
      ),
      null,
      case when a.is_grantable then 'with grant option' else '' end
    from pg_catalog.pg_default_acl as d
    cross join owner as w
    left join schema as s on s.oid = d.defaclnamespace
    cross join lateral pg_catalog.aclexplode(d.defaclacl) as a
    where (s.name <> 'auth' or d.defaclnamespace = 0 and d.defaclrole = w.oid)
      and a.grantee <> d.defaclrole
      -- What everybody has of what is made anywhere, unless it is revoked.
      and not (d.defaclnamespace = 0 and a.grantee = 0 and exists (
        select from pg_catalog.aclexplode(pg_catalog.acldefault(d.defaclobjtype, d.defaclrole)) as b
        where b.grantee = 0 and b.privilege_type = a.privilege_type
      ))

    union all
    select
      pg_catalog.format(
        'grant create on the database to %s', case a.grantee when 0 then 'public' else a.grantee::regrole::text end
      ),
      null,
      case when a.is_grantable then 'with grant option' else '' end
    from pg_catalog.pg_database as d
    cross join owner as w
    cross join lateral pg_catalog.aclexplode(d.datacl) as a
    where d.datname = pg_catalog.current_database()
      and a.privilege_type = 'CREATE'
      and a.grantee not in (d.datdba, w.oid)

    union all
    -- Those by which somebody is somebody else, or nothing is guarded.
    select
      pg_catalog.format(
        'setting %s of %s',
        pg_catalog.split_part(c.setting, '=', 1),
        pg_catalog.concat_ws(
          ' in ',
          coalesce('the role ' || nullif(s.setrole, 0)::regrole::text, 'every role'),
          case when s.setdatabase = 0 then 'every database' else 'the database' end
        )
      ),
      null,
      pg_catalog.substr(c.setting, pg_catalog.strpos(c.setting, '=') + 1)
    from pg_catalog.pg_db_role_setting as s
    cross join owner as w
    cross join lateral pg_catalog.unnest(s.setconfig) as c (setting)
    where (s.setdatabase = 0 or s.setdatabase = (
        select d.oid from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database()
      ))
      and (s.setrole in (0, w.oid) or s.setrole in (select r.oid from requests as r))
      and pg_catalog.split_part(c.setting, '=', 1) ~ '^(session_replication_role|row_security|role|request\..*)$'

    union all
    select 'event trigger ' || pg_catalog.quote_ident(e.evtname), null, e.evtevent || ', ' || e.evtfoid::regprocedure
    from pg_catalog.pg_event_trigger as e
    where e.evtenabled <> 'D'
      and not exists (
        select from pg_catalog.pg_depend as d
        where d.classid = 'pg_catalog.pg_event_trigger'::regclass and d.objid = e.oid and d.deptype = 'e'
      )

    union all
    select 'publication ' || pg_catalog.quote_ident(p.pubname), null, 'of ' || pg_catalog.string_agg(s.name || '.' || p.tablename, ', ' order by s.name, p.tablename)
    from pg_catalog.pg_publication_tables as p
    join schema as s on s.name = p.schemaname and s.is_ours
    group by p.pubname

    union all
    -- Other attributes do nothing, or, as of service_role on Supabase, may be.
    select
      'role ' || r.rolname,
      null,
      pg_catalog.concat_ws(
        ', ',
        case when r.rolcanlogin then 'may log in' else 'may not log in' end,
        case when r.rolsuper then 'superuser' end,
        case when r.rolbypassrls and r.rolname <> 'service_role' then 'not held by row level security' end,
        case when r.rolcreaterole then 'may create roles' end,
        case when r.rolcreatedb then 'may create databases' end,
        case when r.rolreplication then 'may replicate' end,
        case when r.rolinherit and r.rolname = 'authenticator' then 'inherits' end
      )
    from requests as r

    union all
    -- Directly or not.
    select
      pg_catalog.format('membership of %s in %I', r.rolname, g.rolname),
      null,
      pg_catalog.concat_ws(
        ', ',
        case
          when pg_catalog.current_setting('server_version_num')::integer < 160000
            or pg_catalog.pg_has_role(r.oid, g.oid, 'set') then 'may become it'
        end,
        case when pg_catalog.pg_has_role(r.oid, g.oid, 'usage') then 'has its rights' end,
        case when pg_catalog.pg_has_role(r.oid, g.oid, 'member with admin option') then 'may grant it' end
      )
    from requests as r
    join pg_catalog.pg_roles as g on g.oid <> r.oid and pg_catalog.pg_has_role(r.oid, g.oid, 'member')
    -- It is a member of all there are.
    where not r.rolsuper
  )
select
  o.name as object,
  pg_catalog.concat_ws(
    ', ',
    nullif(pg_catalog.btrim(pg_catalog.regexp_replace(o.definition, '\s+', ' ', 'g')), ''),
    case when o.definition <> 'as it was found' and o.owner <> w.oid then 'owned by ' || o.owner::regrole end
  ) as definition
from object as o
cross join owner as w
order by o.name collate "C"
