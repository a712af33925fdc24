-- What has expired goes, in batches; notifications with what was delivered of them.
begin;
select no_plan();

select tests.create_user('ada@example.com');
select attune.set_global_setting('NOTIFICATION_RETENTION_DAYS', '100');

-- Each is named after what becomes of it.
insert into attune.notifications (user_id, category, title, created_at, read_at, archived_at, snoozed_until)
select
  tests.user_id('ada@example.com'), 'lead_update', n.title,
  now() - n.created * interval '1 day', now() - n.read * interval '1 day', now() - n.archived * interval '1 day',
  now() - n.snoozed * interval '1 day'
from (values
  ('goes', 101, null::integer, null::integer, null::integer), ('goes', 100, null, null, null), ('goes', 200, 101, 102, 103),
  ('stays', 99, null, null, null), ('stays', 200, 99, null, null), ('stays', 200, 150, 99, null),
  ('stays', 200, null, null, 99), ('stays', 200, null, null, -1)
) as n (title, created, read, archived, snoozed);

-- Who may

select tests.authenticate_as('ada@example.com');
select throws_ok('select attune.remove_expired()', '42501', 'permission denied for function remove_expired', 'a user removes nothing');
select throws_ok('delete from attune.notifications', '42501', 'permission denied for table notifications', 'by hand neither');
select throws_ok(
  'update attune.notifications set read_at = now()', '42501', 'permission denied for table notifications', 'nor changes it there'
);
select tests.authenticate_as_service_role();
select throws_ok('delete from attune.notifications', '42501', 'permission denied for table notifications', 'nor does a trusted server');
select tests.throws_reason(
  format('select attune.remove_expired(%s)', bad.size), 'PT422', 'invalid_batch_size', format('a batch is not %s', bad.size)
)
from (values ('0'), ('-1'), ('100001'), ('null')) as bad (size);
select results_eq(
  'select attune.remove_expired(2) union all select attune.remove_expired(2) union all select attune.remove_expired(2)',
  'values (2::bigint), (1), (0)', 'it removes them in batches'
);
select tests.reset_role();
select results_eq(
  'select title, count(*) from attune.notifications group by title', $$ values ('stays', 5::bigint) $$,
  'those to which nothing happened for so many days, snoozed ones not among them'
);
select is((select count(*) from attune.notification_deliveries), 15::bigint, 'with their deliveries');

-- Every kind, and no more of each than a batch

select attune_private.make_one_time_token(tests.user_id('ada@example.com'), 'ada@example.com', 'verify_email', now())
from generate_series(1, 3);
insert into attune_private.login_attempts (kind, subject_hash, failures, last_failed_at)
select 'account', sha256(n::text::bytea), 1, now() - interval '1 day' from generate_series(1, 3) as n;
select is(attune_private.remove_expired(batch_size => 2), 4::bigint, 'a batch is of each kind');
select is(attune_private.remove_expired(batch_size => 2), 2::bigint, 'until nothing');
select is(attune_private.remove_expired(batch_size => 2), 0::bigint, 'is left');

select * from finish();
rollback;
