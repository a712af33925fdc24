-- What keeps the database well: who may, what each operation does, and what the log says of it.
begin;
select no_plan();

select tests.create_user('ada@example.com'), tests.create_user('grace@example.com', is_admin => true);

create function pg_temp.log_of(operation attune.maintenance_task)
returns table (status text, affected_rows bigint, error text, runs integer)
language sql security definer
as $$
  select m.status::text, m.affected_rows, m.error, m.runs
  from attune.maintenance_operations as m
  where m.operation = log_of.operation
  order by m.id
$$;

-- Who may

select tests.authenticate_as('ada@example.com');
select tests.throws_reason(call, '42501', 'admin_required', 'a user cannot ' || call)
from (values ($$ select attune.maintain('analyze') $$), ($$ select attune.begin_maintenance('analyze') $$)) as c (call);
select is_empty('select from attune.maintenance_schedules', 'a user does not see what is done when');
select throws_ok(
  $$ call attune.run_maintenance('analyze') $$, '42501', 'permission denied for procedure run_maintenance', 'a user cannot run it to the end'
);

select tests.authenticate_as_anon();
select tests.throws_reason(
  $$ select attune.maintain('analyze') $$, '42501', 'not_signed_in', 'who is not signed in cannot either'
);

select tests.authenticate_as('grace@example.com');
select throws_ok(
  $$ update attune.maintenance_schedules set cron = null $$, '42501', 'permission denied for table maintenance_schedules',
  'an administrator does not change the times'
);
select tests.throws_reason(call, code, reason, call || ' is refused')
from (values
  ($$ select attune.maintain(null) $$, 'PT400', 'no_maintenance'),
  ($$ select attune.maintain('purge_audit') $$, 'PT400', 'no_maintenance'),
  ($$ select attune.maintain('erase_user') $$, 'PT400', 'no_maintenance'),
  ($$ select attune.begin_maintenance(null) $$, 'PT400', 'no_maintenance'),
  ($$ select attune.maintain('analyze', 0) $$, 'PT422', 'invalid_batch_size'),
  ($$ select attune.maintain('analyze', null) $$, 'PT422', 'invalid_batch_size'),
  ($$ select attune.maintain('analyze', 100001) $$, 'PT422', 'invalid_batch_size')
) as c (call, code, reason);

-- Each operation has its function, and comes to an end

select tests.reset_role();
select is_empty(
  $$
    select s.operation
    from attune.maintenance_schedules as s
    where to_regprocedure(format('attune_private.maintain_%s(integer, jsonb)', s.operation)) is null
  $$,
  'every operation has a function'
);
select is_empty(
  $$
    select p.proname
    from pg_proc as p
    where p.pronamespace = 'attune_private'::regnamespace
      and p.proname like 'maintain\_%'
      and not exists (select from attune.maintenance_schedules as s where 'maintain_' || s.operation = p.proname)
  $$,
  'every such function is an operation''s'
);

create function pg_temp.to_the_end(operation attune.maintenance_task)
returns setof attune.maintenance_operations
language plpgsql
as $$
declare
  run attune.maintenance_operations;
begin
  for batch in 1..1000 loop
    run := attune.maintain(to_the_end.operation);
    exit when run.status <> 'running';
  end loop;

  return next run;
end
$$;

select tests.authenticate_as('grace@example.com');
select results_eq(
  format('select status::text, error, actor_id = attune.current_user_id(), actor_role from pg_temp.to_the_end(%L)', s.operation),
  $$ values ('completed', null, true, 'authenticated') $$,
  s.operation || ' comes to its end'
)
from attune.maintenance_schedules as s
order by s.operation;
select is_empty(
  $$
    select from attune.maintenance_schedules as s
    where s.last_status <> 'completed' or s.last_started_at is null or s.last_completed_at is null
  $$,
  'each schedule says when it was done last'
);
select is_empty(
  $$ select from attune.configuration_audit_log where subject = 'maintenance_operation' $$,
  'the audit log is not filled with it'
);

-- In batches

select tests.reset_role();
insert into attune.users (email) select format('many%s@example.com', n) from generate_series(1, 5) as n;
insert into attune.setting_definitions (key, category, schema, default_value, seeding)
values ('copied', 'test', '{"type": "boolean"}', 'true', 'copy');

select tests.authenticate_as('grace@example.com');
select results_eq(
  $$ select status::text, affected_rows, completed_at is null, progressed_at >= started_at from attune.maintain('seed_existing_users', 3) $$,
  $$ values ('running', 3::bigint, true, true) $$,
  'a batch is done, and others wait'
);
select results_eq(
  $$ select status::text, affected_rows from attune.begin_maintenance('seed_existing_users') $$,
  $$ values ('running', 3::bigint) $$,
  'what is under way is not begun anew'
);
select results_eq(
  $$ select status::text, affected_rows from attune.maintain('seed_existing_users') $$,
  $$ values ('running', 7::bigint) $$,
  'the next call goes on'
);
select results_eq(
  $$ select status::text, affected_rows, runs from attune.maintain('seed_existing_users') $$,
  $$ values ('completed', 7::bigint, 1) $$,
  'until nothing is left'
);

-- What comes to nothing again and again is one row

select from attune.maintain('seed_existing_users');
select from attune.maintain('seed_existing_users');
select results_eq(
  $$ select status, affected_rows, runs from pg_temp.log_of('seed_existing_users') $$,
  $$ values ('completed', 0::bigint, 1), ('completed', 7, 1), ('completed', 0, 2) $$,
  'runs that come to nothing are one row that counts them'
);
select tests.authenticate_as_service_role();
select from attune.maintain('seed_existing_users');
select results_eq(
  $$ select status, affected_rows, runs from pg_temp.log_of('seed_existing_users') offset 2 $$,
  $$ values ('completed', 0::bigint, 2), ('completed', 0, 1) $$,
  'but not those of somebody else'
);

-- What fails is taken back, and said

select tests.reset_role();
create function pg_temp.fails() returns trigger language plpgsql as $$ begin raise exception 'the disk is full'; end $$;
insert into attune.user_session_state (user_id, session_key, expires_at) values (tests.user_id('ada@example.com'), 'old', now() - interval '1 day');
create trigger _999_fails before delete on attune.user_session_state for each row execute function pg_temp.fails();
select tests.authenticate_as('grace@example.com');
select results_eq(
  $$ select status::text, affected_rows, error, completed_at is not null, runs from attune.maintain('remove_expired') $$,
  $$ values ('failed', 0::bigint, 'the disk is full', true, 1) $$,
  'what fails says why'
);
select results_eq(
  $$ select runs, same_since <= started_at from attune.maintain('remove_expired') $$,
  $$ values (2, true) $$,
  'what fails in the same way again is counted'
);
select results_eq(
  $$ select last_status::text, last_completed_at < last_started_at or last_completed_at is not null from attune.maintenance_schedules where operation = 'remove_expired' $$,
  $$ values ('failed', true) $$,
  'the schedule says that it failed, and when it did not'
);
select tests.reset_role();
drop trigger _999_fails on attune.user_session_state;
select tests.authenticate_as('grace@example.com');
select results_eq(
  $$ select status::text, affected_rows, error from pg_temp.to_the_end('remove_expired') $$,
  $$ values ('completed', 1::bigint, null::text) $$,
  'afterwards it is done'
);

-- Whoever did it went away

select tests.reset_role();
select from attune.begin_maintenance('analyze');
select is(attune.maintenance_operations_is_stale(m), false, 'what was begun just now is not stale')
from attune.maintenance_operations as m where m.status = 'running';
update attune.maintenance_operations set progressed_at = now() - interval '11 minutes' where status = 'running';
select is(attune.maintenance_operations_is_stale(m), true, 'what nobody goes on with for ten minutes is')
from attune.maintenance_operations as m where m.status = 'running';
select tests.authenticate_as('grace@example.com');
select is(status::text, 'running', 'it is begun anew') from attune.maintain('analyze');
select results_eq(
  $$ select status, error ~ '^Nothing was done since .*: whoever did it went away\.$' from pg_temp.log_of('analyze') offset 1 limit 1 $$,
  $$ values ('abandoned', true) $$,
  'and the run before it is abandoned'
);
select is(status::text, 'completed', 'the new one comes to its end') from pg_temp.to_the_end('analyze');

-- Old months of the audit log

select results_eq(
  $$ select status::text, details from attune.maintain('apply_audit_retention') $$,
  $$ values ('completed', '{"skipped": "AUDIT_RETENTION_DAYS is not set"}'::jsonb) $$,
  'nothing of the audit log goes unless somebody says so'
);
select from attune.set_global_setting('AUDIT_RETENTION_DAYS', '30');
select from attune.set_global_setting('AUDIT_MINIMUM_DAYS', '90');
select results_eq(
  $$ select status::text, affected_rows, details from attune.maintain('apply_audit_retention') $$,
  $$ values ('completed', 0::bigint, '{}'::jsonb) $$,
  'where nothing is old enough nothing is purged'
);
select is_empty(
  $$ select from attune.maintenance_operations where operation = 'purge_audit' $$, 'and no purge is recorded'
);
select tests.reset_role();
insert into attune.configuration_audit_log (occurred_at, actor_role, acted_as, subject, layer, key, operation, new_value)
values (now() - interval '80 days', 'x', 'migration', 'setting', 'global', 'x', 'INSERT', '1');
select tests.authenticate_as('grace@example.com');
select results_eq(
  $$ select status::text, error from attune.maintain('apply_audit_retention') $$,
  $$ values ('failed', 'The audit log is kept for 90 days') $$,
  'what contradicts the minimum fails'
);
select from attune.set_global_setting('AUDIT_MINIMUM_DAYS', '30');
select results_eq(
  $$ select status::text, affected_rows from attune.maintain('apply_audit_retention') $$,
  $$ values ('completed', 1::bigint) $$,
  'what is older is purged'
);
select results_eq(
  $$ select reason, table_name, status::text, affected_rows from attune.maintenance_operations where operation = 'purge_audit' $$,
  $$ values ('AUDIT_RETENTION_DAYS is 30', 'attune.configuration_audit_log', 'completed', 1::bigint) $$,
  'and the purge is recorded'
);
select isnt_empty(
  $$ select from attune.configuration_audit_log where subject = 'maintenance_operation' and key = 'purge_audit' $$,
  'in the audit log too'
);

-- What stays of the log

select tests.reset_role();
update attune.maintenance_operations
set completed_at = now() - interval '401 days', progressed_at = now() - interval '401 days'
where operation = 'analyze';
select tests.throws_reason(
  $$ update attune.maintenance_operations set completed_at = now() where operation = 'purge_audit' $$,
  '42501', 'append_only', 'what was done to the records stays as it is'
);
select is(affected_rows, 3::bigint, 'the rest goes after 400 days') from pg_temp.to_the_end('remove_expired');
select is_empty($$ select from pg_temp.log_of('analyze') $$, 'all of it');

-- When

update attune.maintenance_schedules set scheduled_at = now() - interval '1 year';
update attune.maintenance_schedules set cron = '* * * * *', last_completed_at = null where operation in ('remove_expired', 'seal_audit');
select set_eq(
  'select s.operation::text from attune.maintenance_schedules as s where attune.maintenance_schedules_is_missed(s)',
  array['remove_expired', 'seal_audit'],
  'what was never done is missed'
);
select set_eq(
  'select operation::text from attune.maintenance_schedules where scheduled_at = now()', array['remove_expired'],
  'what is done at other times is so from now on'
);
update attune.maintenance_schedules as s
set last_completed_at = now() - interval '26 hours', cron = t.cron
from (values ('remove_expired', '17 3 * * *'), ('seal_audit', '17 3 * * 1'), ('analyze', null)) as t (operation, cron)
where s.operation::text = t.operation;
select set_eq(
  'select s.operation::text from attune.maintenance_schedules as s where attune.maintenance_schedules_is_missed(s)',
  array['remove_expired'],
  'so is what is done every day, and was not for more than a day'
);

select is(attune_private.is_cron(cron), expected, format('%L is %scron''s', cron, case when expected then '' else 'not ' end))
from (values
  ('* * * * *', true), ('*/5 * * * *', true), ('0,30 1-5 1 */2 *', true), ('0,30 1-5 * */2 0-6', true), ('0-30/10 * * * *', false), ('5-5 * * * *', false), ('5-6 * * * *', true), ('59 23 31 12 *', true), ('59 23 * 12 6', true),
  ('', false), ('* * * *', false), ('* * * * * *', false), ('60 * * * *', false), ('* 24 * * *', false), ('* * 0 * *', false),
  ('* * 32 * *', false), ('* * * 13 *', false), ('* * * 0 *', false), ('* * * * 7', false), ('5-1 * * * *', false),
  ('*/0 * * * *', false), ('5/2 * * * *', false), ('@daily', false), ('a * * * *', false), ('1,, * * * *', false),
  ('* * * *  *', false), (' * * * * *', false), ('-1 * * * *', false), (E'* * * * *\n', false), ('*-5 * * * *', false),
  ('* * 1 * 1', false), ('* * */2 * 1', false), ('* * 1 * 0-6', false),
  ('0 0 29 2 *', true), ('0 0 30 2 *', false), ('0 0 30-31 02 *', false), ('0 0 31 4,6,9,11 *', false), ('0 0 30,31 4 *', true), ('0 0 31 2-3 *', true)
) as c (cron, expected);
select throws_ok(
  $$ update attune.maintenance_schedules set cron = '99 * * * *' where operation = 'analyze' $$,
  '23514', null, 'a time that is none is not stored'
);

select * from finish();
rollback;
