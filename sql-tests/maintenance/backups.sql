-- When a backup was made, as whoever makes it says. That restores are good is test/backup.test.ts.
begin;

select no_plan();

select is(attune_private.last_backup_at(), null, 'no backup is known at first');

-- The owner, as `attune dump` does
select results_eq(
  $$ select b.operation::text, b.status::text, b.details, b.started_at = now() from attune.record_backup('logical') as b $$,
  $$ values ('back_up', 'completed', '{"kind": "logical"}'::jsonb, true) $$,
  'a backup is written down, of now'
);
select is(attune_private.last_backup_at(), now(), 'and known');
select throws_ok(
  $$ select attune.record_backup('logical', now() + interval '1 hour') $$,
  'PT400',
  'A backup that is made cannot begin in the future',
  'and not of a time to come'
);
select throws_ok(
  $$ select attune.record_backup('logical', 'infinity') $$,
  'PT400',
  'A backup that is made cannot begin in the future',
  'nor at the end of time'
);
select throws_ok(
  $$ select attune.record_backup('logical', '-infinity') $$,
  'PT400',
  'A backup began at some moment',
  'nor before all time'
);
select throws_ok(
  $$ select attune.record_backup(null) $$,
  'PT422',
  'Say how the backup was made',
  'and not without how it was made'
);

-- A user, and an administrator
select tests.create_user('ada@example.com', is_admin => true);
select tests.authenticate_as('ada@example.com');
select throws_ok(
  $$ select attune.record_backup('logical') $$,
  '42501',
  'permission denied for function record_backup',
  'nobody else says so, administrators neither'
);
select results_eq(
  $$ select m.operation::text from attune.maintenance_operations as m where m.operation = 'back_up' $$,
  $$ values ('back_up') $$,
  'they read of it in the log of maintenance'
);
select tests.reset_role();

-- A trusted server
select tests.authenticate_as_service_role();
select lives_ok(
  $$ select attune.record_backup('physical', now() - interval '2 hours') $$,
  'whatever makes backups says so, and when that began'
);
select tests.reset_role();
select is(attune_private.last_backup_at(), now(), 'the last one is the one that was begun last');
select is(
  (select count(*) from attune.configuration_audit_log as l where l.key = 'back_up'),
  0::bigint,
  'which is nothing that was done to the records'
);

select * from finish();
rollback;
