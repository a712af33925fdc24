-- What is not well: each alert at its threshold, not below it, and not when it is switched off.
begin;
select no_plan();

select tests.create_user('ada@example.com');
select tests.create_user('admin@example.com', is_admin => true);

-- A state in which nothing is said is no alert; in each other one thing is: `$V` is how much, `$T` so many seconds ago,
-- `$D` so many days, `$B` so many MiB in bytes.
create temp table conditions (name attune.alert_name, subject text, patch text);
insert into conditions
values
  ('checksum_failures', '', '{"activity": {"checksum_failures": $V}}'),
  ('transaction_ids', '', '{"transaction_id_percent": $V}'),
  ('sequence', 'attune.s', '{"sequences": [{"sequence_name": "attune.s", "last_value": 1, "used_percent": $V}]}'),
  ('connections', '', '{"connections": {"usable": 100, "used": 1, "used_percent": $V}}'),
  ('lock_wait', '7', '{"lock_waits": [{"pid": 7, "seconds": $V}, {"pid": 8}]}'),
  ('preference_query_slow', '', '{"preference_query_ms": $V}'),
  ('slow_statement', 'select 1', '{"slow_statements": [{"statement": "select 1", "calls": 100, "mean_ms": $V}, {"statement": "select 2", "calls": 99, "mean_ms": 1e9}]}'),
  ('rolled_back', '', '{"activity": {"committed": 900, "rolled_back": 100, "rolled_back_percent": $V}}'),
  ('cache_misses', '', '{"activity": {"blocks_hit": 99999, "blocks_read": 1, "cache_hit_percent": $H}}'),
  ('long_transaction', 'process 7', '{"longest_transactions": [{"pid": 7, "role": "r", "seconds": $V}]}'),
  ('long_transaction', 'a prepared transaction of r', '{"longest_transactions": [{"role": "r", "state": "prepared", "seconds": $V}]}'),
  ('deadlocks', '', '{"activity": {"deadlocks": $V}}'),
  ('dead_rows', 'attune.t', '{"tables": [{"table_name": "attune.t", "dead_rows": 10000, "dead_percent": $V}, {"table_name": "attune.u", "dead_rows": 9999, "dead_percent": 100}]}'),
  ('unused_index', 'attune.i', '{"started_at": "2026-01-01Z", "unused_indexes": [{"index_name": "attune.i", "bytes": $B}]}'),
  ('missing_index', 'attune.t', '{"tables": [{"table_name": "attune.t", "sequential_scans": 1000, "rows_per_scan": $V}, {"table_name": "attune.u", "sequential_scans": 999, "rows_per_scan": 1000000000}]}'),
  ('replication_lag', 'this standby', '{"replication": {"is_standby": true, "replay_lag_seconds": $V}}'),
  ('replication_lag', 's', '{"replication": {"standbys": [{"application_name": "s", "lag_seconds": $V}, {"application_name": "s", "lag_seconds": 0}, {"application_name": "t"}]}}'),
  ('replication_slot', 's', '{"replication": {"slots": [{"slot_name": "s", "is_active": false, "retained_bytes": $B}, {"slot_name": "t", "is_active": true, "retained_bytes": 9e15}]}}'),
  ('audit_growth', '', '{"audit": {"bytes_last_day": $B}}'),
  ('unsealed', '', '{"audit": {"oldest_unsealed_at": "$T"}}'),
  ('unpartitioned_rows', '', '{"audit": {"unpartitioned_rows": $V}}'),
  ('backlog', 'mails', '{"backlogs": [{"name": "mails", "oldest_due_at": "$T"}, {"name": "deliveries"}]}'),
  ('given_up', 'deliveries', '{"backlogs": [{"name": "mails", "given_up": 0}, {"name": "deliveries", "given_up": $V}]}'),
  ('maintenance_late', 'seal_audit', '{"maintenance": [{"operation": "seal_audit", "seconds_late": $V}, {"operation": "analyze"}]}'),
  ('maintenance_failed', 'seal_audit', '{"maintenance": [{"operation": "seal_audit", "last_status": "$F"}, {"operation": "analyze", "last_status": "completed"}]}'),
  ('backup_old', '', '{"last_backup_at": "$D"}');

create function pg_temp.alerts(patch text, amount integer) returns setof attune.health_alert language sql as $$
  select a.*
  from attune_private.health_alerts(
    jsonb_populate_record(
      null::attune.database_health,
      '{"measured_at": "2026-06-01T00:00:00Z", "started_at": "2026-06-01T00:00:00Z"}'
        || replace(replace(replace(replace(replace(replace(
          patch,
          '$V', amount::text),
          '$H', (100 - amount)::text),
          '$T', ('2026-06-01T00:00:00Z'::timestamptz - amount * interval '1 second')::text),
          '$D', ('2026-06-01T00:00:00Z'::timestamptz - amount * interval '1 day')::text),
          '$B', (amount * 1048576::bigint)::text),
          '$F', case amount when 0 then 'completed' else 'failed' end)::jsonb
    )
  ) as a
$$;

create temp view rules as
select
  c.*,
  a.setting,
  a.threshold::integer as threshold
from conditions as c
cross join lateral (select * from pg_temp.alerts(c.patch, 1000000) as a where a.name = c.name limit 1) as a;

select is_empty($$ select from pg_temp.alerts('{}', 0) $$, 'where nothing is known there is no alert');
select set_eq(
  'select distinct name from rules', 'select unnest(enum_range(null::attune.alert_name))', 'each alert is tried here'
);
select set_eq(
  'select distinct setting from rules',
  $$ select key from attune.setting_definitions where key like 'HEALTH\_%' $$,
  'each has a setting of its own, and no setting is for nothing'
);
select results_eq(
  format('select name, subject, value, threshold from pg_temp.alerts(%L, %s)', patch, threshold),
  format('select %1$L::attune.alert_name, %2$L, %3$s::double precision, %3$s::double precision', name, subject, threshold),
  format('%s (%s) alerts at its threshold, and of nothing else', name, subject)
)
from rules;
select is_empty(
  format('select from pg_temp.alerts(%L, %s)', patch, floor(threshold * 0.9)),
  format('%s (%s) does not below it', name, subject)
)
from rules;
select matches(a.message, '^[^%$]+( %)?[^%$]*\.$', format('%s (%s) says what it is', a.name, a.subject))
from rules as r
cross join pg_temp.alerts(r.patch, r.threshold) as a;

-- What administrators say counts.
create temp table settings as select distinct setting from rules;
grant select on settings to authenticated;
savepoint present;
select tests.authenticate_as('admin@example.com');
select from settings as s cross join lateral attune.set_global_setting(s.setting, '0');
select tests.reset_role();
select is_empty(
  format('select from pg_temp.alerts(%L, 1000000)', patch), format('%s (%s) is switched off by 0', name, subject)
)
from conditions;
rollback to savepoint present;
select tests.authenticate_as('admin@example.com');
select from attune.set_global_setting('HEALTH_DEADLOCKS', '5');
select tests.reset_role();
select is((select threshold from rules where name = 'deadlocks'), 5, 'the threshold is what the setting says');
rollback to savepoint present;

-- The worst first
select results_eq(
  $$
    select name
    from pg_temp.alerts('{"activity": {"checksum_failures": 1, "deadlocks": 100}, "preference_query_ms": 1000, "transaction_id_percent": 99}', 0)
  $$,
  $$ values ('transaction_ids'::attune.alert_name), ('checksum_failures'), ('preference_query_slow'), ('deadlocks') $$,
  'what is critical comes first, then warnings, then advice'
);

select * from finish();
rollback;
