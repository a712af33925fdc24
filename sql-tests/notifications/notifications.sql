-- The inbox, what leaves it, and when.
begin;
select plan(103);

select tests.create_user('ada@example.com');
select tests.create_user('bob@example.com');
select tests.create_user('admin@example.com', true);

-- When: 2025-06-02 is a Monday

select tests.authenticate_as('ada@example.com');
create function pg_temp.next(at timestamptz, channel attune.notification_channel default 'email', category text default 'lead_update')
returns timestamptz
language sql
as $$ select attune.next_delivery_at(attune.current_user_id(), $2, $3, $1) $$;
create function pg_temp.schedule(schedule jsonb)
returns void
language sql
as $$
  select attune.update_notification_settings('{"notification_schedule": null}');
  select attune.update_notification_settings(jsonb_build_object('notification_schedule', $1));
$$;

select is(pg_temp.next(c.at), c.due, c.says)
from (values
  (timestamptz '2025-06-02 10:00+00', timestamptz '2025-06-02 10:00+00', 'in working hours it goes at once'),
  ('2025-06-02 09:00+00', '2025-06-02 09:00+00', 'from their first moment'),
  ('2025-06-02 17:59:59+00', '2025-06-02 17:59:59+00', 'to their last'),
  ('2025-06-02 18:00+00', '2025-06-03 09:00+00', 'after work it waits for the morning'),
  ('2025-06-02 23:00+00', '2025-06-03 09:00+00', 'at night too'),
  ('2025-06-06 18:00+00', '2025-06-09 09:00+00', 'over the weekend')
) as c (at, due, says);
select is(pg_temp.next('2025-06-02 10:00+00', 'sms'), null, 'what is not wanted is never sent');
select is(pg_temp.next('2025-06-02 23:00+00', 'push', 'security'), '2025-06-02 23:00+00', 'what is critical goes at once');
select is(pg_temp.next('2025-06-02 10:00+00', 'sms', 'security'), null, 'by its own channels');

select pg_temp.schedule('{"timezone": "America/New_York"}');
select is(pg_temp.next('2025-06-02 10:00+00'), '2025-06-02 13:00+00', 'hours are those of the schedule''s zone');
select pg_temp.schedule('{"workingHours": {"enabled": false}}');
select is(pg_temp.next('2025-06-02 21:59+00'), '2025-06-02 21:59+00', 'without working hours it goes until the quiet ones');
select is(pg_temp.next('2025-06-02 22:00+00'), '2025-06-03 08:00+00', 'and waits for their end, over midnight');
select is(pg_temp.next('2025-06-03 07:59+00'), '2025-06-03 08:00+00', 'in the morning too');
select pg_temp.schedule('{"workingHours": {"enabled": false}, "quietHours": {"enabled": false}}');
select is(pg_temp.next('2025-06-02 23:00+00'), '2025-06-02 23:00+00', 'quiet hours can be off');
select pg_temp.schedule('{"quietHours": {"start": "08:00", "end": "20:00"}}');
select is(pg_temp.next('2025-06-02 10:00+00'), null, 'a schedule without an opening lets nothing through');
select pg_temp.schedule('{
  "quietHours": {"enabled": false},
  "workingHours": {
    "monday": {"enabled": false}, "tuesday": {"enabled": false}, "wednesday": {"enabled": false},
    "thursday": {"enabled": false}, "friday": {"start": "22:00", "end": "02:00"}
  }
}');
select is(pg_temp.next('2025-06-02 10:00+00'), '2025-06-06 22:00+00', 'a window may open on one weekday only');
select is(pg_temp.next('2025-06-07 01:59+00'), '2025-06-07 01:59+00', 'and last over midnight');
select is(pg_temp.next('2025-06-07 02:00+00'), '2025-06-13 22:00+00', 'until its end');
select pg_temp.schedule('{"quietHours": {"enabled": false}, "workingHours": {"sunday": {"enabled": true, "start": "00:00", "end": "00:00"}}}');
select is(pg_temp.next('2025-06-07 10:00+00'), '2025-06-08 00:00+00', 'the same start and end are the whole day');

-- Days on which the clocks change, in Berlin: 2025-03-30 02:00 is 03:00, 2025-10-26 03:00 is 02:00.
select pg_temp.schedule('{
  "timezone": "Europe/Berlin",
  "quietHours": {"enabled": false},
  "workingHours": {
    "monday": {"enabled": false}, "tuesday": {"enabled": false}, "wednesday": {"enabled": false},
    "thursday": {"enabled": false}, "friday": {"enabled": false},
    "sunday": {"enabled": true, "start": "02:30", "end": "04:00"}
  }
}');
select is(pg_temp.next('2025-03-29 12:00+00'), '2025-03-30 01:00+00', 'a start that does not exist is the change itself');
select is(pg_temp.next('2025-10-25 12:00+00'), '2025-10-26 00:30+00', 'a start that comes twice is the first');
select pg_temp.schedule('{
  "timezone": "Europe/Berlin", "workingHours": {"enabled": false}, "quietHours": {"start": "22:00", "end": "02:30"}
}');
select is(pg_temp.next('2025-03-30 00:30+00'), '2025-03-30 01:00+00', 'quiet hours that end in the gap end at the change');
select is(pg_temp.next('2025-10-26 00:15+00'), '2025-10-26 00:30+00', 'those that end twice end at the first');
select is(pg_temp.next('2025-10-26 01:15+00'), '2025-10-26 01:30+00', 'and are quiet again in between');
select pg_temp.schedule('{
  "timezone": "Europe/Berlin", "quietHours": {"enabled": false},
  "workingHours": {
    "monday": {"enabled": false}, "tuesday": {"enabled": false}, "wednesday": {"enabled": false},
    "thursday": {"enabled": false}, "friday": {"enabled": false},
    "sunday": {"enabled": true, "start": "02:00", "end": "02:30"}
  }
}');
select is(
  pg_temp.next('2025-03-24 12:00+00'), '2025-04-06 00:00+00',
  'a window that the change swallows opens a week later'
);

-- Everywhere: the result is open, the moments before it are not.
select tests.reset_role();
create temp table probes as
select p.*, attune_private.next_opening(p.schedule, p.zone, p.at) as due
from (
  select
    z.name as zone,
    s.schedule,
    timestamptz '2024-01-01' + (n * 1009 + length(z.name) * 37) % 2550 * interval '1 day' + n * interval '47 minutes' as at
  from (
    select z.name, row_number() over (order by z.name) as n
    from pg_catalog.pg_timezone_names as z
    where z.name !~ '^posix|^Factory'
  ) as z (name, n)
  cross join (
    select d.default_value from attune.setting_definitions as d where d.key = 'notification_settings.notification_schedule'
    union all
    values
      ('{"quietHours": {"enabled": true, "start": "01:30", "end": "23:45"}}'::jsonb),
      ('{"workingHours": {"enabled": true, "saturday": {"enabled": true, "start": "23:30", "end": "02:15"}}}')
  ) as s (schedule)
) as p;
select cmp_ok((select count(*) from probes), '>', 1000::bigint, 'all time zones are tried');
select is_empty(
  $$ select zone, at from probes where due < at or attune_private.delivery_obstacle(schedule, zone, due) is not null or due is null $$,
  'a delivery is never early, and never in quiet hours'
);
select is_empty(
  $$
    select p.zone, p.at, p.due, m.moment
    from probes as p,
      generate_series(greatest(p.at, p.due - interval '7 days'), p.due - interval '1 second', '1 hour') as m (moment)
    where attune_private.delivery_obstacle(p.schedule, p.zone, m.moment) is null
    union all
    select p.zone, p.at, p.due, m.moment
    from probes as p,
      generate_series(greatest(p.at, p.due - interval '5 minutes'), p.due - interval '1 second', '1 minute') as m (moment)
    where attune_private.delivery_obstacle(p.schedule, p.zone, m.moment) is null
  $$,
  'and never later than the first allowed minute'
);

-- Making

select tests.authenticate_as('ada@example.com');
select attune.update_notification_settings('{
  "notification_schedule": {"timezone": null, "quietHours": {"enabled": false}, "workingHours": {"enabled": false}}
}');
select results_eq(
  $$
    select n.user_id, n.title, n.type, n.priority, n.category, n.metadata
    from attune.create_notification('heat_progression', 'Hot!', metadata => '{"from": "warm", "to": "hot"}') as n
  $$,
  $$
    values (tests.user_id('ada@example.com'), 'Hot!', 'info'::attune.notification_type,
      'normal'::attune.notification_priority, 'heat_progression', '{"from": "warm", "to": "hot"}'::jsonb)
  $$,
  'an application tells its own user'
);
select results_eq(
  $$ select d.channel, d.status, d.reason, d.due_at from attune.notification_deliveries as d order by d.channel $$,
  $$
    values
      ('email'::attune.notification_channel, 'pending'::attune.delivery_status, 'sent_at_once'::attune.delivery_reason, now()),
      ('push', 'pending', 'sent_at_once', now()),
      ('sms', 'skipped', 'disabled', null)
  $$,
  'what was decided of each channel is kept'
);
select throws_ok(
  $$ select lease_token from attune.notification_deliveries $$,
  '42501', 'permission denied for table notification_deliveries', 'the lease is the worker''s'
);
select throws_ok(
  format('select attune.create_notification(%L, %L, action_url => %L)', 'lead_update', 'x', url),
  'PT422', 'The address of the action is neither a path nor an https address', 'not ' || url
)
from (values
  ('//evil.example'), ('/a//b'), ('/\evil.example'), (E'/\t/evil.example'), (E'/a\nb'), ('http://example.com'),
  ('javascript:alert(1)'), ('leads'), (''), ('https://'), ('https:///x'), ('https://user@evil.example'),
  ('https:\\evil.example'), ('data:text/html,x'), (' /leads'), ('/' || repeat('x', 2048))
) as u (url);
select lives_ok(
  format('select attune.create_notification(%L, %L, action_url => %L)', 'lead_update', 'x', url), 'but ' || url
)
from (values ('/'), ('/leads/7?tab=notes#top'), ('/go?to=https://example.com'), ('https://example.com'), ('https://example.com/a@b')) as u (url);
select throws_ok($$ select attune.create_notification('nothing', 'x') $$, 'PT404', 'There is no category ''nothing''', 'a category exists');
select throws_ok($$ select attune.create_notification('lead_update', ' ') $$, 'PT422', 'A notification has a title', 'a title is needed');
select throws_ok(
  $$ select attune.create_notification('lead_update', repeat('x', 201)) $$,
  'PT422', 'The title is too large: 201 characters, at most 200 are allowed', 'not too long a one'
);
select throws_ok(
  $$ select attune.create_notification('lead_update', 'x', metadata => jsonb_build_object('x', repeat('x', 16384))) $$,
  'PT422', 'The metadata is too large: 16393 bytes, at most 16384 are allowed', 'metadata has a limit'
);
select tests.throws_reason(
  format('select attune.create_notification(%L, %L, metadata => %L)', 'lead_update', 'x', repeat('[', 65) || repeat(']', 65)),
  'PT422', 'value_too_deep', 'in depth too'
);
select throws_ok(
  $$ select attune.create_notification('lead_update', 'x', user_id => tests.user_id('bob@example.com')) $$,
  '42501', 'Only an administrator may do this', 'nobody tells another'
);
select throws_ok(
  $$ insert into attune.notifications (user_id, title, category) values (attune.current_user_id(), 'x', 'lead_update') $$,
  '42501', 'permission denied for table notifications', 'nor writes the table'
);

-- Reading: what is done to them is in inbox.sql

select attune.create_notification('security', 'New sign-in', priority => 'urgent');
select tests.authenticate_as('bob@example.com');
create temp table seen as select count(*) as number from attune.notifications;
grant all on seen to public;
select is((select number from seen), 0::bigint, 'a stranger sees nothing');
select is_empty($$ select user_id from attune.notification_deliveries $$, 'nor what is sent');
select tests.reset_role();
create temp table ids as select n.id from attune.notifications as n where n.category = 'security';
grant all on ids to public;
select tests.authenticate_as('bob@example.com');
select throws_ok(
  $$ select attune.mark_notifications_read(array(select id from ids)) $$,
  'PT404', 'There is no such notification', 'nor marks another''s'
);
select throws_ok(
  $$ select attune.next_delivery_at(tests.user_id('ada@example.com'), 'email', 'lead_update') $$,
  '42501', 'Only an administrator may do this', 'nor learns when another is quiet'
);
select throws_ok(
  $$ insert into attune.notification_categories (name, title) values ('mine', 'Mine') $$,
  '42501', 'Only an administrator may do this', 'nor makes a category'
);
select tests.throws_reason(
  $$ insert into attune.notification_categories (name, title) values ('No name', '') $$,
  '42501', 'admin_required', 'and is told so before the category is judged'
);
select is_empty(
  $$ update attune.notification_categories set title = '' returning name $$, 'nor changes one, however badly'
);
select tests.throws_reason(
  format('select attune.%s', f.call), '42501', 'admin_required', 'nor learns what is wrong with ' || f.what
)
from (values
  ('create_notification(''nothing'', '''', user_id => tests.user_id(''ada@example.com''))', 'what another is to be told'),
  ('next_delivery_at(tests.user_id(''ada@example.com''), ''email'', ''nothing'')', 'a question about another')
) as f (call, what);
select throws_ok(
  $$ select attune.claim_deliveries('email') $$,
  '42501', 'permission denied for function claim_deliveries', 'nor works as a worker'
);

select tests.authenticate_as('admin@example.com');
select is_empty($$ select from attune.notifications $$, 'an administrator reads nobody''s inbox');
select lives_ok(
  $$ insert into attune.notification_categories (name, title, setting_member) values ('mine', 'Mine', 'leadUpdates') $$,
  'but makes categories'
);
select throws_ok(
  $$ insert into attune.notification_categories (name, title) values ('No name', '') $$,
  '23514', 'new row for relation "notification_categories" violates check constraint "notification_categories_name_check"',
  'with a proper name'
);
select lives_ok(
  $$ select attune.create_notification('mine', 'Hello', user_id => tests.user_id('bob@example.com')) $$,
  'and writes to anybody'
);
select throws_ok(
  $$ select attune.create_notification('mine', 'Hello', user_id => '00000000-0000-4000-8000-0000000000ff') $$,
  'PT404', 'There is no such user', 'who exists'
);
select tests.authenticate_as_anon();
select throws_ok(
  $$ select attune.create_notification('mine', 'Hello') $$,
  '42501', 'Nobody is signed in', 'anon writes to nobody'
);
select throws_ok(
  $$ select from attune.notification_categories $$,
  '42501', 'permission denied for table notification_categories', 'and reads nothing'
);

-- Sending

select tests.authenticate_as_service_role();
select throws_ok(
  format('select attune.claim_deliveries(%L, %L, %L)', 'email', l.most, l.lease),
  'PT422', 'A worker claims 1 to 1000 deliveries for one second to one day', l.says
)
from (values (0, '1 minute', 'a worker claims something'), (1, '2 days', 'and not for too long')) as l (most, lease, says);

create temp table claimed as
select * from attune.claim_deliveries('email', 2);
grant all on claimed to public;
select results_eq(
  $$ select c.title, c.priority, c.attempt, c.email from claimed as c limit 1 $$,
  $$ values ('New sign-in', 'urgent'::attune.notification_priority, 1, 'ada@example.com') $$,
  'the most urgent is the first'
);
select is((select count(*) from claimed), 2::bigint, 'as many as are asked for');
select is((select count(*) from attune.claim_deliveries('email', 100)), 5::bigint, 'what one holds no other gets');
select is((select count(*) from attune.claim_deliveries('email', 100)), 0::bigint, 'until there is none');
select is(
  (
    select d.status
    from claimed as c
    cross join attune.complete_delivery(c.user_id, c.notification_id, c.channel, c.lease_token) as d
    where c.title = 'New sign-in'
  ),
  'sent',
  'what is sent is finished'
);
select throws_ok(
  $$ select attune.complete_delivery(c.user_id, c.notification_id, c.channel, c.lease_token) from claimed as c where c.title = 'New sign-in' $$,
  'PT409', 'Another worker holds this delivery, or it is finished', 'once'
);
select results_eq(
  $$
    select d.status, d.due_at between clock_timestamp() + interval '50 seconds' and clock_timestamp() + interval '1 minute', d.last_error
    from claimed as c
    cross join attune.fail_delivery(c.user_id, c.notification_id, c.channel, c.lease_token, 'no answer') as d
    where c.title <> 'New sign-in'
  $$,
  $$ values ('pending'::attune.delivery_status, true, 'no answer') $$,
  'what failed is due again in a minute'
);

select tests.reset_role();
update attune.notification_deliveries set lease_until = now() - interval '1 second' where lease_token is not null;
create temp table held as
select d.* from attune.notification_deliveries as d where d.lease_token is not null order by d.notification_id limit 1;
grant all on held to public;
select tests.authenticate_as_service_role();
select is((select count(*) from attune.claim_deliveries('email', 100)), 5::bigint, 'a worker who died loses its lease');
select throws_ok(
  $$ select attune.complete_delivery(h.user_id, h.notification_id, h.channel, h.lease_token) from held as h $$,
  'PT409', 'Another worker holds this delivery, or it is finished', 'and has nothing to say when it comes back'
);

select tests.reset_role();
update attune.notification_deliveries
set attempts = 8, lease_until = now() - interval '1 second'
where lease_token is not null;
select tests.authenticate_as_service_role();
select is((select count(*) from attune.claim_deliveries('email', 100)), 0::bigint, 'the eighth attempt is the last');
select tests.reset_role();
select is((select count(*) from attune.notification_deliveries where status = 'failed'), 5::bigint, 'then it is given up');

select tests.authenticate_as('ada@example.com');
select attune.update_notification_settings('{"push_notifications": {"leadUpdates": false}}');
select tests.authenticate_as_service_role();
select is(
  (select count(*) from attune.claim_deliveries('push', 100) as c where c.category = 'lead_update'), 0::bigint,
  'who no longer wants it does not get it'
);
select tests.reset_role();
select is(
  (
    select count(*)
    from attune.notification_deliveries
    where channel = 'push' and status = 'skipped' and reason = 'disabled' and user_id = tests.user_id('ada@example.com')
  ),
  5::bigint,
  'and the reason is kept'
);

-- Nobody, nothing, and too much

select tests.authenticate_as(gen_random_uuid());
select tests.throws_reason(
  $$ select attune.create_notification('lead_update', 'x') $$, '42501', 'not_signed_in', 'nobody makes no notification'
);
select tests.throws_reason(
  $$ select attune.next_delivery_at(null, 'email', 'lead_update') $$, '42501', 'not_signed_in', 'nobody''s hours are not told'
);
select tests.throws_reason(
  $$ select attune.get_effective_ai_config(null) $$, '42501', 'not_signed_in', 'nor nobody''s configuration'
);
select tests.authenticate_as('admin@example.com');
select tests.throws_reason(
  $$ select attune.next_delivery_at(gen_random_uuid(), 'email', 'lead_update') $$,
  'PT404', 'unknown_user', 'an administrator asks of users who exist'
);
select tests.authenticate_as('bob@example.com');
select tests.throws_reason(
  $$ select attune.next_delivery_at(attune.current_user_id(), 'email', 'nothing') $$,
  'PT404', 'unknown_category', 'and a user of categories that exist'
);
select tests.throws_reason(
  $$ select attune.create_notification('lead_update', E' \t\n') $$, 'PT422', 'title_required', 'blanks are no title'
);
select tests.reset_role();
select attune.set_global_setting('NOTIFICATIONS_PER_DAY', '2');
select tests.create_user('eve@example.com');
select tests.authenticate_as('eve@example.com');
select lives_ok(
  $$ select attune.create_notification('security', 'x') from generate_series(1, 2) $$, 'an inbox takes so many a day'
);
select tests.throws_reason(
  $$ select attune.create_notification('security', 'x') $$, 'PT429', 'too_many_notifications', 'and no more'
);
select tests.authenticate_as('admin@example.com');
select lives_ok(
  $$ select attune.create_notification('security', 'x', user_id => tests.user_id('eve@example.com')) $$,
  'but for administrators'
);
select tests.authenticate_as_service_role();
select lives_ok(
  $$ select attune.create_notification('security', 'x', user_id => tests.user_id('eve@example.com')) $$,
  'and trusted servers'
);
select tests.throws_reason(
  $$ select attune.create_notification('security', 'x') $$, '42501', 'not_signed_in', 'who must say for whom'
);

-- What is critical comes first, whatever its priority

select tests.reset_role();
delete from attune.notifications;
select tests.authenticate_as_service_role();
select attune.create_notification('lead_update', 'x', priority => 'urgent', user_id => tests.user_id('eve@example.com'));
select attune.create_notification('security', 'x', priority => 'low', user_id => tests.user_id('eve@example.com'));
select tests.reset_role();
update attune.notification_deliveries set due_at = now() - interval '1 hour' where reason <> 'disabled';
select tests.authenticate_as_service_role();
select results_eq(
  $$ select c.category from attune.claim_deliveries('email', 1) as c $$, $$ values ('security') $$, 'what is critical comes first'
);

select * from finish();
rollback;
