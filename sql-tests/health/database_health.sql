-- Whether the database is well: who may ask, and that each number is that of what is there.
begin;
select no_plan();

select tests.create_user('ada@example.com');
select tests.create_user('admin@example.com', is_admin => true);

-- Who may

select tests.authenticate_as('ada@example.com');
select tests.throws_reason(call, '42501', 'admin_required', 'a user cannot call ' || call)
from unnest(array['select attune.database_health()', 'select attune.health_alerts()']) as call;
select tests.authenticate_as('admin@example.com');
select isnt((attune.database_health()).measured_at, null, 'an administrator sees how the database is');
select lives_ok('select attune.health_alerts()', 'and what is not well');
select tests.authenticate_as_anon();
select tests.throws_reason(call, '42501', 'not_signed_in', 'anon cannot call ' || call)
from unnest(array['select attune.database_health()', 'select attune.health_alerts()']) as call;

-- A fresh database, whose machine may be busy

select tests.reset_role();
insert into attune.global_settings (key, value) values ('HEALTH_PREFERENCE_QUERY_MS', '60000');
update attune.maintenance_schedules set last_completed_at = now(), last_status = 'completed';
select tests.authenticate_as_service_role();
select from attune.seal_audit();
select is_empty('select name, subject, value from attune.health_alerts()', 'of a fresh database nothing is told');

select tests.reset_role();
create function pg_temp.health() returns attune.database_health language sql as 'select attune_private.database_health()';
create temp view health as select h.* from pg_temp.health() as h;

select is(
  array(select distinct key from health as h, jsonb_each(to_jsonb(h)) where value = 'null' and key not in ('preference_query_ms', 'last_backup_at')),
  '{}', 'nothing is unknown, as nothing is locked'
);
select ok((select preference_query_ms > 0 from health), 'what applies to somebody was found out, and took its time');
select ok(
  (select (connections).used between 1 and (connections).usable and (connections).used_percent between 0 and 100 from health),
  'we are one of the connections that there can be'
);
select is(
  (select sum(g.connections)::integer = (h.connections).used from health as h, unnest((h.connections).groups) as g group by h.connections),
  true, 'the groups are all of them'
);

-- Tables

select set_eq(
  'select t.table_name from health as h, unnest(h.tables) as t',
  $$
    select format('%I.%I', n.nspname, c.relname)
    from pg_class as c
    join pg_namespace as n on n.oid = c.relnamespace
    where n.nspname in ('attune', 'attune_private') and c.relkind in ('r', 'p') and not c.relispartition
  $$,
  'each table is there once, and no partition'
);
select is(
  (select t.bytes from health as h, unnest(h.tables) as t where t.table_name = 'attune.configuration_audit_log'),
  (select sum(pg_total_relation_size(p.relid))::bigint from pg_partition_tree('attune.configuration_audit_log') as p),
  'partitions are summed'
);
select is(
  (select t.growth_bytes_a_day from health as h, unnest(h.tables) as t where t.table_name = 'attune.users'),
  null, 'how a table grows is not known before it was measured'
);
select is(
  attune_private.measure_sizes(), (select count(*) from health as h, unnest(h.tables)), 'measuring notes each table'
);
select is(
  attune_private.measure_sizes(), (select count(*) from attune_private.measured_tables), 'another time on the same day replaces it'
);
select is(
  (select t.growth_bytes_a_day from health as h, unnest(h.tables) as t where t.table_name = 'attune.users'),
  null, 'from a moment ago nothing follows'
);
update attune_private.measured_tables as m
set measured_on = measured_on - 10, measured_at = measured_at - interval '10 days', bytes = m.bytes - 81920;
insert into attune_private.measured_tables
select table_name, measured_on - 1000, measured_at - interval '1000 days', 0, 0 from attune_private.measured_tables;
select is(
  (select t.growth_bytes_a_day from health as h, unnest(h.tables) as t where t.table_name = 'attune.users'),
  8192::bigint, 'but from ten days ago, and not from before the last thirty'
);
insert into attune_private.measured_activity values (current_date - 500, now() - interval '500 days', 0, 0, 0, 0, 0);
select from attune_private.measure_sizes();
select is_empty(
  $$
    select measured_on from attune_private.measured_tables where measured_on < current_date - 401
    union all
    select measured_on from attune_private.measured_activity where measured_on < current_date - 401
  $$,
  'what is older than 400 days is forgotten'
);

-- What the database did

update attune_private.measured_activity
set measured_on = measured_on - 1, measured_at = measured_at - interval '1 day', committed = committed - 100, rolled_back = rolled_back - 300;
select results_eq(
  'select (activity).committed, (activity).rolled_back, (activity).rolled_back_percent, (activity).deadlocks, (activity).since = now() - interval ''1 day'' from health',
  $$ values (100::bigint, 300::bigint, 75::double precision, 0::bigint, true) $$,
  'what is counted was counted since it was last measured'
);
update attune_private.measured_activity set committed = committed + 1000000000;
select is(
  (select (activity).since from health), (select (activity).statistics_since from health),
  'or since the last reset, where that was later'
);

-- The audit log

select results_eq(
  'select (audit).unsealed_rows, (audit).oldest_unsealed_at, (audit).unpartitioned_rows from health',
  'select count(*)::integer, min(occurred_at), 0 from attune.configuration_audit_log where transaction_id = pg_current_xact_id() and false',
  'what this transaction wrote itself, sealing, is sealed'
);
insert into attune.configuration_audit_log (occurred_at, actor_role, acted_as, layer, key, operation)
values ('2000-01-01Z', 'attune', 'migration', 'global', 'old', 'INSERT');
select is((select (audit).unpartitioned_rows from health), 1, 'a row without a partition of its month is seen');
select is(
  (select (audit).rows_last_day from health),
  (select max(id) from attune.configuration_audit_log)
    - (select id from attune.configuration_audit_log where occurred_at > now() - interval '1 day' order by occurred_at limit 1) + 1,
  'and how many rows a day brings'
);

-- What is due

insert into attune_private.mail_outbox (purpose, recipient, payload, expires_at, due_at, delivered_at)
values
  ('verify_email', 'a@example.com', '{}', now() + interval '1 hour', now() - interval '20 minutes', null),
  ('verify_email', 'b@example.com', '{}', now() + interval '1 hour', now() - interval '10 minutes', null),
  ('verify_email', 'c@example.com', '{}', now() + interval '1 hour', now() - interval '30 minutes', now()),
  ('verify_email', 'd@example.com', '{}', now() + interval '1 hour', now() + interval '1 minute', null),
  ('verify_email', 'e@example.com', '{}', now() - interval '1 hour', now() - interval '2 hours', null),
  ('verify_email', 'f@example.com', '{}', now() - interval '2 days', now() - interval '3 days', null);
select from attune_private.insert_notifications(
  array[tests.user_id('ada@example.com')], 'system', 'Hello', '', 'info', 'normal', null, '{}', null
);
delete from attune.notification_deliveries;
insert into attune.notification_deliveries (user_id, notification_id, channel, status, reason, due_at, finished_at)
select n.user_id, n.id, d.channel::attune.notification_channel, d.status::attune.delivery_status, 'sent_at_once', d.due_at, d.finished_at
from attune.notifications as n
cross join (
  values
    ('email', 'pending', now() - interval '1 hour', null),
    ('sms', 'failed', now(), now()),
    ('push', 'pending', now() + interval '1 hour', null)
) as d (channel, status, due_at, finished_at);
select results_eq(
  'select b.name, b.due, b.oldest_due_at, b.given_up from health as h, unnest(h.backlogs) as b order by b.name',
  $$
    values
      ('mails'::attune.backlog_name, 2, now() - interval '20 minutes', 1),
      ('deliveries', 1, now() - interval '1 hour', 1),
      ('change_sets', 0, null, 0),
      ('rollout_steps', 0, null, 0)
  $$,
  'mails and deliveries that wait are counted, and those that were given up in the last day'
);

insert into attune.change_sets (title, needs_approval, contributors, status, apply_at, approved_by, approved_at)
values
  ('Due', false, '{}', 'proposed', now() - interval '1 hour', null, null),
  ('Not approved', true, '{}', 'proposed', now() - interval '2 hours', null, null),
  ('Approved', true, '{}', 'approved', now() - interval '30 minutes', gen_random_uuid(), now()),
  ('Later', false, '{}', 'proposed', now() + interval '1 hour', null, null),
  ('Failed', false, '{}', 'failed', now() - interval '3 hours', null, null);
insert into attune.global_settings (key, value) values ('DARK_MODE_ENABLED', 'true'), ('PROJECTS_ENABLED', 'true');
insert into attune.rollouts (key, status) values ('DARK_MODE_ENABLED', 'running'), ('PROJECTS_ENABLED', 'failed');
insert into attune.rollout_steps (key, position, apply_at, rollout_percentage, applied_at)
values
  ('DARK_MODE_ENABLED', 1, now() - interval '2 hours', 10, now()),
  ('DARK_MODE_ENABLED', 2, now() - interval '1 hour', 20, null),
  ('DARK_MODE_ENABLED', 3, now() + interval '1 hour', 30, null),
  ('PROJECTS_ENABLED', 1, now() - interval '2 hours', 10, null),
  ('PROJECTS_ENABLED', 2, now() - interval '1 hour', 20, null);
select results_eq(
  $$ select b.name, b.due, b.oldest_due_at, b.given_up from health as h, unnest(h.backlogs) as b where b.name in ('change_sets', 'rollout_steps') order by b.name $$,
  $$
    values
      ('change_sets'::attune.backlog_name, 2, now() - interval '1 hour', 1),
      ('rollout_steps', 1, now() - interval '1 hour', 1)
  $$,
  'so are change sets that need nobody''s approval any more, and steps of rollouts that run'
);

-- Maintenance

update attune.maintenance_schedules
set cron = '17 3 * * *', last_completed_at = now() - interval '26 hours', last_status = 'failed'
where operation = 'analyze';
update attune.maintenance_schedules set scheduled_at = now() - interval '1 year';
update attune.maintenance_schedules set cron = null, last_completed_at = null where operation = 'seed_existing_users';
select results_eq(
  $$
    select m.operation, m.last_status, m.seconds_late
    from health as h, unnest(h.maintenance) as m
    where m.operation in ('analyze', 'seed_existing_users', 'remove_expired')
    order by m.operation::text
  $$,
  $$
    values
      ('analyze'::attune.maintenance_task, 'failed'::attune.maintenance_status, 7200::double precision),
      ('remove_expired', 'completed', 0),
      ('seed_existing_users', 'completed', null)
  $$,
  'maintenance is late once the time is over between two of its times'
);
select is(attune_private.cron_seconds(cron), seconds, format('%s has at most %s s between', cron, seconds))
from (
  values
    ('* * * * *', 60), ('*/5 * * * *', 3600), ('17 * * * *', 3600), ('17 3 * * *', 86400), ('17 3 * * 0', 604800),
    ('17 3 1 * *', 2678400), ('17 3 1 1 *', 31622400),
    ('17 3 28 * *', 2678400), ('17 3 29 * *', 5270400), ('17 3 30-31 * *', 5270400), ('17 3 1,31 * *', 2678400),
    ('17 3 29 2 *', 252979200), ('17 3 28,29 2 *', 31622400), ('17 3 * 2 1', 31622400)
) as c (cron, seconds);

-- All that is told of at once
select set_eq(
  'select distinct name::text from attune_private.health_alerts(pg_temp.health())',
  $$ values ('unpartitioned_rows'), ('backlog'), ('given_up'), ('maintenance_late'), ('maintenance_failed'), ('backup_old') $$,
  'what is not well is told'
);

select * from finish();
rollback;
