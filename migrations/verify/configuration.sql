-- How a database and its server are set up, one row a check: what `attune doctor` says of it. It changes nothing, works
-- on a standby, and needs no right but to connect:
--
--   psql -f migrations/verify/configuration.sql "$DATABASE_URL"
--
-- `level` is what it would be if it were wrong, `offenders` is why it is; none where all is well.
with
  requests as (
    select r.* from pg_catalog.pg_roles as r where r.rolname in ('anon', 'authenticated', 'service_role', 'authenticator')
  ),
  -- What a role of requests may become, or has the rights of, directly or not.
  memberships as (
    select r.rolname as member, g.rolname as role
    from requests as r
    join pg_catalog.pg_roles as g on g.oid <> r.oid and pg_catalog.pg_has_role(r.oid, g.oid, 'member')
    where not r.rolsuper
  ),
  settings as (
    select s.name, s.setting from pg_catalog.pg_settings as s
  ),
  checks (place, subject, level, offenders, remedy) as (
    select
      1, 'version', 'advice',
      array(
        select pg_catalog.format('PostgreSQL %s is newer than what Attune was tried on, 15 to 18', pg_catalog.current_setting('server_version'))
        where pg_catalog.current_setting('server_version_num')::integer >= 190000
      ),
      'Try it on a copy first.'
    union all
    select
      2, 'roles', 'problem',
      array(
        select pg_catalog.format('there is no role %s', w.name)
        from pg_catalog.unnest(array['anon', 'authenticated', 'service_role', 'authenticator']) as w (name)
        where not exists (select from requests as r where r.rolname = w.name)
        union all
        select pg_catalog.format('%s %s', r.rolname, a.attribute)
        from requests as r
        cross join lateral (
          values
            (r.rolsuper, 'is a superuser'),
            -- As on Supabase.
            (r.rolbypassrls and r.rolname <> 'service_role', 'is not held by row level security'),
            (r.rolcreaterole, 'may create roles'),
            (r.rolcreatedb, 'may create databases'),
            (r.rolreplication, 'may replicate'),
            (r.rolcanlogin and r.rolname <> 'authenticator', 'may log in'),
            (not r.rolcanlogin and r.rolname = 'authenticator', 'may not log in'),
            (r.rolinherit and r.rolname = 'authenticator', 'inherits the rights of the roles that it may become')
        ) as a (is_so, attribute)
        where a.is_so
        union all
        select pg_catalog.format('authenticator may not become %s', r.rolname)
        from requests as r
        where r.rolname <> 'authenticator'
          and pg_catalog.pg_has_role(pg_catalog.to_regrole('authenticator')::oid, r.oid, 'member') is not true
      ),
      'Set them with alter role, as in docs/explanation/rights.md: nobody but authenticator logs in, and it only becomes the other three.'
    union all
    select
      3, 'memberships', 'problem',
      array(
        select pg_catalog.format('%s is a member of %s', m.member, m.role)
        from memberships as m
        where not (m.member = 'authenticator' and m.role in ('anon', 'authenticated', 'service_role'))
        order by m.member, m.role
      ),
      'Revoke it: whoever sends a request would have those rights.'
    union all
    select
      4, 'owner', 'advice',
      array(
        select pg_catalog.format('%s, who owns the functions, is a superuser', r.rolname)
        from pg_catalog.pg_namespace as n
        join pg_catalog.pg_roles as r on r.oid = n.nspowner
        where n.nspname = 'attune_private' and r.rolsuper
      ),
      'Let a role of its own own the schemas: what a function could do wrong, it would do with all rights.'
    union all
    select
      5, 'grants', 'problem',
      array(
        select pg_catalog.format('%s may create tables in the schema %I', r.rolname, n.nspname)
        from requests as r
        cross join pg_catalog.pg_namespace as n
        where n.nspname !~ '^pg_(toast|temp)' and pg_catalog.has_schema_privilege(r.oid, n.oid, 'create')
        union all
        select pg_catalog.format('%s may create schemas', r.rolname)
        from requests as r
        where pg_catalog.has_database_privilege(r.oid, pg_catalog.current_database(), 'create')
        union all
        select pg_catalog.format('%s may use the schema %I', r.rolname, n.nspname)
        from requests as r
        cross join pg_catalog.pg_namespace as n
        where n.nspname in ('attune_private', 'attune_worker', 'graphile_migrate')
          and not r.rolsuper
          -- Servers do their maintenance as authenticator.
          and not (r.rolname = 'authenticator' and n.nspname = 'attune_worker')
          and pg_catalog.has_schema_privilege(r.oid, n.oid, 'usage')
      ),
      'Revoke it from them, or from public: whoever sends a request would have that right.'
    union all
    select
      6, 'needless rights', 'advice',
      array(
        select 'everybody may make temporary tables, which fill the disk'
        where pg_catalog.has_database_privilege(pg_catalog.to_regrole('anon')::oid, pg_catalog.current_database(), 'temporary')
        union all
        select 'everybody may make large objects, which fill the disk'
        where pg_catalog.has_function_privilege(pg_catalog.to_regrole('anon')::oid, 'pg_catalog.lo_create(oid)', 'execute')
      ),
      pg_catalog.format(
        'revoke temporary on database %I from public; as a superuser: revoke execute on function pg_catalog.lo_create(oid) from public, and so on for lo_creat, lo_from_bytea and lo_import.',
        pg_catalog.current_database()
      )
    union all
    select
      7, 'extensions', 'problem',
      array(
        select pg_catalog.format('%s is missing', w.name)
        from pg_catalog.unnest(array['pgcrypto', 'pg_trgm']) as w (name)
        where not exists (select from pg_catalog.pg_extension as e where e.extname = w.name)
          and pg_catalog.to_regnamespace('attune_private') is not null
      ),
      'create extension … with schema attune_private'
    union all
    select
      8, 'durability', 'problem',
      array(
        select pg_catalog.format('%s is off', s.name) from settings as s
        where s.name in ('fsync', 'full_page_writes') and s.setting = 'off'
      ),
      'Switch it on: what was committed may be gone, or the data damaged, when the machine stops.'
    union all
    select
      9, 'synchronous_commit', 'advice',
      array(select 'synchronous_commit is off' from settings as s where s.name = 'synchronous_commit' and s.setting = 'off'),
      'The last changes of a second, and their audit rows, may be gone when the machine stops: switch it on unless you want that.'
    union all
    select
      10, 'vacuum', 'problem',
      array(
        select pg_catalog.format('%s is off', s.name) from settings as s
        where s.name in ('autovacuum', 'track_counts') and s.setting = 'off'
      ),
      'Switch it on: without, tables only grow, and statistics say nothing.'
    union all
    select
      11, 'checksums', 'advice',
      array(select 'data_checksums is off' from settings as s where s.name = 'data_checksums' and s.setting = 'off'),
      'Damage of the disk is found only with them: stop PostgreSQL and run pg_checksums --enable.'
    union all
    select
      12, 'commit times', 'advice',
      array(
        select 'track_commit_timestamp is off' from settings as s
        where s.name = 'track_commit_timestamp' and s.setting = 'off'
      ),
      'Switch it on and restart PostgreSQL: seals then say when each change was committed.'
    union all
    select
      13, 'encryption', 'advice',
      array(
        select 'this connection comes over a network and is not encrypted'
        from pg_catalog.pg_stat_ssl as s
        where s.pid = pg_catalog.pg_backend_pid()
          and not s.ssl
          and pg_catalog.inet_client_addr() is not null
          and not (pg_catalog.inet_client_addr() <<= any (array['127.0.0.0/8', '::1/128']::inet[]))
      ),
      'Add sslmode=verify-full to DATABASE_URL and AUTHENTICATOR_URL.'
    union all
    select
      14, 'time zone', 'advice',
      array(
        select pg_catalog.format('the time zone of the database is %s', pg_catalog.current_setting('TimeZone'))
        where not exists (
          select from pg_catalog.pg_timezone_names as z
          where z.name = pg_catalog.current_setting('TimeZone') and z.utc_offset = '0' and not z.is_dst
        )
      ),
      pg_catalog.format('alter database %I set timezone = ''UTC'': times are read more easily, and stay right when clocks change.', pg_catalog.current_database())
  )
select c.subject, c.level, c.offenders, c.remedy
from checks as c
order by c.place;
