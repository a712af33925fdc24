-- What stands in the way of a deployment, one row a check: part of what `attune preflight` says. It changes nothing:
--
--   psql -f migrations/verify/preflight.sql "$DATABASE_URL"
--
-- `level` is what it would be if there were a finding: a problem keeps a deployment from going well, advice is good to
-- know. No finding: all is well. What others' sessions do is seen by who has pg_read_all_stats.
with
  activity as (
    select
      pg_catalog.format(
        '%s (PostgreSQL''s process %s, since %s)',
        coalesce(nullif(a.application_name, ''), 'somebody without a name'),
        a.pid,
        pg_catalog.to_char(a.xact_start at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
      ) as who,
      a.*
    from pg_catalog.pg_stat_activity as a
    where a.datname = pg_catalog.current_database() and a.pid <> pg_catalog.pg_backend_pid()
  ),
  checks (place, subject, level, findings, remedy) as (
    select
      1, 'primary', 'problem',
      array(select 'this server is a standby and takes no changes' where pg_catalog.pg_is_in_recovery()),
      'Name the primary in DATABASE_URL.'
    union all
    select
      2, 'roles', 'problem',
      array(
        select pg_catalog.format('%s %s', r.rolname, a.attribute)
        from pg_catalog.pg_roles as r
        cross join lateral (
          values
            (r.rolsuper, 'is a superuser'),
            -- As on Supabase.
            (r.rolbypassrls and r.rolname <> 'service_role', 'is not held by row level security'),
            (r.rolcanlogin and r.rolname <> 'authenticator', 'may log in'),
            (not r.rolcanlogin and r.rolname = 'authenticator', 'may not log in')
        ) as a (is_so, attribute)
        where r.rolname in ('anon', 'authenticated', 'service_role', 'authenticator') and a.is_so
      ),
      'Another product has roles of these names: give Attune a cluster of its own, or change them with alter role.'
    union all
    select
      3, 'names', 'problem',
      array(
        select pg_catalog.format('%s returns %s', p.oid::regprocedure, pg_catalog.pg_get_function_result(p.oid))
        from pg_catalog.pg_proc as p
        join (values ('uid', 'uuid'), ('jwt', 'jsonb'), ('role', 'text')) as w (name, type) on w.name = p.proname
        where p.pronamespace = pg_catalog.to_regnamespace('auth')
          and p.pronargs = 0
          and pg_catalog.pg_get_function_result(p.oid) <> w.type
        union all
        select pg_catalog.format('the schema %I is there, and attune is not', n.nspname)
        from pg_catalog.pg_namespace as n
        where n.nspname in ('attune_hidden', 'attune_private') and pg_catalog.to_regnamespace('attune') is null
      ),
      'Attune uses these names: give it a database of its own.'
    union all
    select
      4, 'ownership', 'problem',
      array(
        select pg_catalog.format('%I is owned by %s, and %s is not a member of it', n.nspname, n.nspowner::regrole, current_user)
        from pg_catalog.pg_namespace as n
        where n.nspname in ('attune', 'attune_hidden', 'attune_private', 'graphile_migrate')
          and not pg_catalog.pg_has_role(n.nspowner, 'usage')
      ),
      'Name the owner of the schemas in DATABASE_URL.'
    union all
    select
      5, 'long transactions', 'problem',
      array(
        select a.who || case when a.state like 'idle in transaction%' then ' is idle in a transaction' else ' is at work' end
        from activity as a
        where a.xact_start < pg_catalog.clock_timestamp() - interval '1 minute'
          and a.backend_type = 'client backend'
        order by a.xact_start
      ),
      'Wait for them, or end them with pg_terminate_backend: a migration gives way to them, and an index waits for them.'
    union all
    select
      6, 'prepared transactions', 'problem',
      array(
        select pg_catalog.format('%s, since %s', x.gid, x.prepared)
        from pg_catalog.pg_prepared_xacts as x
        where x.database = pg_catalog.current_database()
        order by x.prepared
      ),
      'End them with commit prepared or rollback prepared: their locks stay until then.'
    union all
    select
      -- It keeps nobody from migrating, which is what makes it anew where a migration was broken off.
      7, 'indexes', 'advice',
      array(
        select i.indexrelid::regclass::text || ' is not valid'
        from pg_catalog.pg_index as i
        join pg_catalog.pg_class as c on c.oid = i.indexrelid
        where not i.indisvalid
          and c.relnamespace in (pg_catalog.to_regnamespace('attune'), pg_catalog.to_regnamespace('attune_private'))
          and not exists (
            select from pg_catalog.pg_stat_progress_create_index as b where b.index_relid = i.indexrelid
          )
        order by 1
      ),
      'Its building was broken off. Migrate where the migration that makes it is pending; else drop it, and build it anew.'
    union all
    select
      8, 'replication', 'advice',
      array(
        select pg_catalog.format('the standby %s is %s behind', coalesce(nullif(r.application_name, ''), r.client_addr::text), r.replay_lag)
        from pg_catalog.pg_stat_replication as r
        where r.replay_lag > interval '10 seconds'
        union all
        select pg_catalog.format(
          'nobody reads the replication slot %s, for which %s are kept', s.slot_name,
          pg_catalog.pg_size_pretty(pg_catalog.pg_wal_lsn_diff(
            case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
              else pg_catalog.pg_current_wal_lsn() end, s.restart_lsn))
        )
        from pg_catalog.pg_replication_slots as s
        where not s.active
      ),
      'Standbys get what a migration writes, all at once. Drop a slot that nobody needs: it fills the disk.'
    union all
    select
      9, 'sessions of others', 'advice',
      array(
        select pg_catalog.format('what sessions of other roles do (%s) is not shown to %s', pg_catalog.count(*), current_user)
        from activity as a
        where a.query = '<insufficient privilege>'
          -- Its statements are short.
          and a.usename <> 'authenticator'
        having pg_catalog.count(*) > 0
      ),
      'grant pg_read_all_stats to the owner: then long transactions of others are seen.'
  )
select c.subject, c.level, c.findings, c.remedy
from checks as c
order by c.place;
