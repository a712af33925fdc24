-- Removing old months of the audit log: whole, never young ones, with a record, and what stays can still be verified.
begin;
select no_plan();

select tests.create_user('ada@example.com');
select tests.create_user('admin@example.com', is_admin => true);

-- Months of long ago, as only the owner could write them before anything was sealed; of one there is a partition.
select attune_private.make_audit_partition('attune.configuration_audit_log', '2020-02-15');
insert into attune.configuration_audit_log (occurred_at, actor_role, acted_as, layer, key, operation)
select day, 'attune', 'migration', 'global', 'old', 'INSERT'
from unnest(array['2020-01-31 23:59:59.999999Z', '2020-02-01Z', '2020-02-29Z', '2020-03-01Z']::timestamptz[]) as day;

-- Who may

select tests.authenticate_as('ada@example.com');
select throws_ok(
  $$ select attune.purge_audit('1 year', 'mine') $$, '42501', 'permission denied for function purge_audit', 'a user cannot purge the log'
);
select throws_ok('select attune.seal_audit()', '42501', 'permission denied for function seal_audit', 'a user cannot seal the log');
select tests.throws_reason('select attune.verify_audit()', '42501', 'admin_required', 'a user cannot verify the log');
select tests.throws_reason('select attune.audit_checkpoint()', '42501', 'admin_required', 'a user gets no checkpoint');
select is_empty('select from attune.audit_seals', 'a user cannot read the seals');

select tests.authenticate_as('admin@example.com');
select throws_ok(
  $$ select attune.purge_audit('1 year', 'mine') $$, '42501', 'permission denied for function purge_audit',
  'an administrator cannot purge the log with a token'
);
select isnt_empty('select attune.audit_checkpoint()', 'an administrator gets a checkpoint');
select isnt_empty('select from attune.audit_seals', 'an administrator can read the seals, of which that makes one');
select is_empty('select attune.verify_audit()', 'an administrator can verify the log');
select tests.throws_reason(call, 'PT400', 'invalid_checkpoint', 'an administrator cannot verify by ' || left(call, 60))
from unnest(array[
  $$ select attune.verify_audit('') $$,
  $$ select attune.verify_audit('1 2026-11-28T00:00:00.000000Z') $$,
  $$ select attune.verify_audit(repeat('1', 19) || ' x ' || repeat('a', 64)) $$,
  $$ select attune.verify_audit('1 x ' || repeat('A', 64)) $$
]) as call;
select throws_ok(
  format('%s attune.audit_seals %s', v.verb, v.rest), '42501', 'permission denied for table audit_seals',
  'an administrator cannot ' || v.verb || ' a seal'
)
from (values ('update', 'set id = 1'), ('delete from', '')) as v (verb, rest);

select tests.authenticate_as_anon();
select tests.throws_reason('select attune.verify_audit()', '42501', 'not_signed_in', 'anon cannot verify the log');
select tests.throws_reason('select attune.audit_checkpoint()', '42501', 'not_signed_in', 'anon gets no checkpoint');
select throws_ok('select from attune.audit_seals', '42501', 'permission denied for table audit_seals', 'anon cannot read the seals');

-- The trusted server

select tests.authenticate_as_service_role();
select isnt_empty('select from attune.audit_seals', 'service_role can read the seals');
select tests.throws_reason(call, sqlstate, reason, 'service_role cannot purge by ' || left(call, 60))
from (values
  ($$ select attune.purge_audit(null, 'why') $$, 'PT400', 'reason_required'),
  ($$ select attune.purge_audit('1 year', null) $$, 'PT400', 'reason_required'),
  ($$ select attune.purge_audit('1 year', ' ') $$, 'PT400', 'reason_required'),
  ($$ select attune.purge_audit('1 year', repeat('y', 1001)) $$, 'PT422', 'too_large'),
  ($$ select attune.purge_audit('89 days', 'why') $$, 'PT400', 'too_young'),
  ($$ select attune.purge_audit('0', 'why') $$, 'PT400', 'too_young'),
  ($$ select attune.purge_audit('-100 years', 'why') $$, 'PT400', 'too_young'),
  ($$ select attune.purge_audit('-178000000 years', 'why') $$, 'PT400', 'too_young'),
  ($$ select attune.purge_audit('-infinity', 'why') $$, 'PT400', 'too_young')
) as c (call, sqlstate, reason);
select attune.set_global_setting('AUDIT_MINIMUM_DAYS', '36500');
select tests.throws_reason(
  $$ select attune.purge_audit('10 years', 'why') $$, 'PT400', 'too_young', 'service_role cannot purge what a setting keeps'
);
select attune.set_global_setting('AUDIT_MINIMUM_DAYS', '30');

create temp table told as select attune.audit_checkpoint() as line;

select is(attune.purge_audit(now() - '2020-02-29 12:00Z', 'Years are enough'), 1::bigint, 'a month that is not over yet then stays whole');
select results_eq(
  $$ select occurred_at from attune.configuration_audit_log where key = 'old' order by 1 $$,
  $$ values ('2020-02-01Z'::timestamptz), ('2020-02-29Z'), ('2020-03-01Z') $$,
  'what found no partition goes like all other'
);
select is_empty('select attune.verify_audit((select line from told))', 'the rest of it can be verified, and is the log of the checkpoint');
select is(attune.purge_audit(now() - '2020-03-01Z', 'Years are enough'), 2::bigint, 'service_role can purge whole months, and is told how much it was');
select results_eq(
  $$ select operation, reason, affected_rows, actor_id, actor_role, (details ->> 'before')::timestamptz, details ->> 'hash' ~ '^[0-9a-f]{64}$'
     from attune.maintenance_operations where operation = 'purge_audit' order by id offset 1 $$,
  $$ values ('purge_audit'::attune.maintenance_task, 'Years are enough', 2::bigint, null::uuid, 'service_role', '2020-03-01Z'::timestamptz, true) $$,
  'a purge leaves a row: what, why, how much, by whom, and before when nothing is left'
);
select is(
  (select count(*) from attune.configuration_audit_log where key = 'purge_audit' and subject = 'maintenance_operation'), 2::bigint,
  'the log itself has it, too'
);
select is(attune.purge_audit(older_than, 'Nothing'), 0::bigint, 'service_role can purge what is older than ' || older_than)
from unnest(array['90 years', '5000 years', '178000000 years', 'infinity']::interval[]) as older_than;
select is(
  (select count(*) from attune.maintenance_operations where operation = 'purge_audit'), 6::bigint, 'that leaves rows, too'
);
select is_empty(
  $$ select from attune.maintenance_operations where operation = 'purge_audit' and details ->> 'before' !~ '^\d{4}-\d\d-01T00:00:00\+00:00$' $$,
  'each with a month before when nothing is left, however far it was to be'
);
select is_empty('select attune.verify_audit((select line from told))', 'what stays can be verified');
select cmp_ok(attune.seal_audit(), '>', 0::bigint, 'sealing goes on');
select is_empty('select attune.verify_audit((select line from told))', 'and can be verified');

-- The owner

select tests.reset_role();
select is(to_regclass('attune_private.configuration_audit_log_2020_02'), null, 'the partition of a month that was purged is gone');
select tests.throws_reason(statement, '42501', 'append_only', 'the owner cannot ' || statement)
from unnest(array[
  'update attune.audit_seals set id = 1',
  'delete from attune.audit_seals',
  'truncate attune.audit_seals',
  'update attune_private.sealed_rows set audit_id = 1',
  'delete from attune_private.sealed_rows',
  'truncate attune_private.sealed_rows',
  'truncate attune_private.audit_salts',
  'delete from attune_private.sealed_rows_default',
  'truncate attune_private.configuration_audit_log_default'
]) as statement;

-- Seals of the month that was purged with their rows, and what somebody adds to what is gone.
insert into attune.configuration_audit_log (occurred_at, actor_role, acted_as, layer, key, operation)
values ('2020-01-01', 'attune', 'migration', 'global', 'forged', 'INSERT');
select results_eq(
  'select l.key, v.problem from attune.verify_audit() as v join attune.configuration_audit_log as l on l.id = v.audit_id',
  $$ values ('forged', 'inserted'::attune.audit_problem) $$,
  'found out: a row of a time that was purged'
);

select * from finish();
rollback;
