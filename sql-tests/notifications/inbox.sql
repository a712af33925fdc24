-- What a recipient does to notifications, how many there are then, and the same notification for many or only once.
begin;
select no_plan();

select tests.create_user('ada@example.com');
select tests.create_user('bob@example.com');
select tests.create_user('admin@example.com', true);

-- Ada's inbox: a notification in each state that there is, named after it.
create temp view states as
select *
from (values
  ('new', null::interval, null::interval, null::interval, null::interval),
  ('seen', '-1 hour', null, null, null),
  ('read', '-1 hour', '-1 hour', null, null),
  ('archived', '-1 hour', null, '-1 hour', null),
  ('archived read', '-1 hour', '-1 hour', '-1 hour', null),
  ('snoozed', null, null, null, '1 hour'),
  ('snoozed read', '-1 hour', '-1 hour', null, '1 hour'),
  ('came back', null, null, null, '-1 hour')
) as s (title, seen, read, archived, snoozed);

create function pg_temp.fill()
returns void
language sql
as $$
  delete from attune.notifications;
  insert into attune.notifications (user_id, category, title, created_at, seen_at, read_at, archived_at, snoozed_until)
  select
    tests.user_id('ada@example.com'), case when s.title like '%read' then 'security' else 'lead_update' end, s.title,
    now() - interval '1 day', now() + s.seen, now() + s.read, now() + s.archived, now() + s.snoozed
  from states as s;
  -- Another's are never touched.
  insert into attune.notifications (user_id, category, title) values (tests.user_id('bob@example.com'), 'lead_update', 'bob');
$$;
create function pg_temp.titles(notifications attune.notifications[])
returns text[]
language sql
as $$ select array(select n.title from unnest(notifications) as n) $$;
create function pg_temp.ids(variadic titles text[])
returns uuid[]
language sql
as $$ select array(select n.id from attune.notifications as n join unnest(titles) with ordinality as t (title, place) using (title) order by t.place) $$;
-- What each looks like: `S` seen, `R` read, `A` put away, `Z` snoozed; the time only where it is now.
create function pg_temp.look(n attune.notifications)
returns text
language sql
as $$
  select concat(
    case when n.seen_at = now() then 'S' when n.seen_at is not null then 's' end,
    case when n.read_at = now() then 'R' when n.read_at is not null then 'r' end,
    case when n.archived_at = now() then 'A' when n.archived_at is not null then 'a' end,
    case when n.snoozed_until = now() then 'now' when n.snoozed_until > now() then to_char(n.snoozed_until - now(), 'FMHH24"h"') when n.snoozed_until < now() then 'back' end
  );
$$;
grant select on states to public;

-- Every verb to every state

create temp table verbs (change text, states text[], affected integer);
insert into verbs values
  --                                            new  seen read archived archived read  snoozed  snoozed read came back
  ('mark_notifications_seen(%s)',            '{S,   s,   sr,  sa,      sra,           S1h,     sr1h,        Sback}', 3),
  ('mark_notifications_read(%s)',            '{SR,  sR,  sr,  sRa,     sra,           SR1h,    sr1h,        SRback}', 5),
  ('mark_notifications_unread(%s)',          '{"",  s,   s,   sa,      sa,            1h,      s1h,         back}', 3),
  ('archive_notifications(%s)',              '{SA,  sA,  srA, sa,      sra,           SA,      srA,         SAback}', 6),
  ('unarchive_notifications(%s)',            '{"",  s,   sr,  s,       sr,            1h,      sr1h,        back}', 2),
  ('snooze_notifications(%s, now() + ''2h'')', '{2h,  2h,  2h,  2h,      2h,            2h,      2h,          2h}', 8),
  ('snooze_notifications(%s, now() + ''1h'')', '{1h,  1h,  1h,  1h,      1h,            1h,      1h,          1h}', 7),
  ('unsnooze_notifications(%s)',             '{"",  s,   sr,  sa,      sra,           now,     srnow,       back}', 2),
  ('mark_all_notifications_seen()',          '{S,   s,   sr,  sa,      sra,           1h,      sr1h,        Sback}', 2),
  ('mark_all_notifications_read()',          '{SR,  sR,  sr,  sa,      sra,           1h,      sr1h,        SRback}', 3),
  ('mark_all_notifications_read(''lead_update'')', '{SR, sR, sr, sa,   sra,           1h,      sr1h,        SRback}', 3),
  ('mark_all_notifications_read(''security'')', '{"", s, sr,  sa,      sra,           1h,      sr1h,        back}', 0),
  ('archive_all_notifications()',            '{SA,  sA,  srA, sa,      sra,           1h,      sr1h,        SAback}', 4),
  ('archive_all_notifications(only_read => true)', '{"", s, srA, sa,   sra,           1h,      sr1h,        back}', 1),
  ('archive_all_notifications(''lead_update'')', '{SA, sA, sr, sa,     sra,           1h,      sr1h,        SAback}', 3);

create temp table outcomes (change text, title text, look text, is_same_row boolean);
create temp table payloads (change text, payload attune.changed_notifications, counts attune.notification_counts);
grant all on verbs, outcomes, payloads to public;

create function pg_temp.try(change text)
returns void
language plpgsql
as $$
declare
  ids uuid[];
begin
  perform pg_temp.fill();
  ids := array(select n.id from attune.notifications as n join states using (title) order by array_position(array(select title from states), n.title));
  perform tests.authenticate_as('ada@example.com');
  execute format(
    'insert into payloads select %L, p from attune.%s as p', change, format(change, quote_literal(ids))
  );
  update payloads as p set counts = attune.notification_counts() where p.change = try.change;
  perform tests.reset_role();
  insert into outcomes
  select p.change, n.title, pg_temp.look(n), p.change not like '%\%s%' or n = ((p.payload).notifications)[array_position(ids, n.id)]
  from attune.notifications as n
  join payloads as p on p.change = try.change
  where n.title <> 'bob';
end;
$$;
select pg_temp.try(v.change) from verbs as v;

select results_eq(
  format(
    'select o.look from outcomes as o join states as s using (title) where o.change = %L order by array_position(array(select title from states), s.title)',
    v.change
  ),
  format('select unnest(%L::text[])', v.states),
  format(v.change, '…')
)
from verbs as v;
select is_empty('select o.change, o.title from outcomes as o where not o.is_same_row', 'what was named comes back as it is, in that order');
select results_eq(
  'select change, (payload).affected_count from payloads order by change',
  'select change, affected from verbs order by change',
  'and how many changed'
);
select is_empty(
  'select change from payloads where (payload).notification_counts is distinct from counts', 'with the counts that there are then'
);
select is_empty(
  $$
    select p.change, pg_temp.titles((p.payload).notifications)
    from payloads as p
    where p.change not like '%\%s%' and cardinality((p.payload).notifications) <> (p.payload).affected_count
  $$,
  'of a whole inbox, what changed'
);
select is(
  (select (pg_temp.titles((p.payload).notifications))[1] from payloads as p where p.change = 'archive_all_notifications()'),
  'came back', 'the latest first'
);
select is((select read_at from attune.notifications where title = 'bob'), null, 'and nobody else''s');

-- Counting

select pg_temp.fill();
select tests.authenticate_as('ada@example.com');
select is(
  attune.notification_counts(),
  row(
    attune.current_user_id(), 4, 3, 2, 2, 2,
    array[row('lead_update', 3, 3, 2), row('security', 1, 0, 0)]::attune.notification_category_count[]
  )::attune.notification_counts,
  'put away and snoozed ones are not in the inbox'
);
select results_eq(
  $$ select n.title from attune.notifications as n where attune.notifications_is_snoozed(n) order by n.title $$,
  $$ values ('snoozed'), ('snoozed read') $$, 'a notification says that it is snoozed'
);
select results_eq(
  $$ select n.title from attune.notifications as n where n.archived_at is null and not attune.notifications_is_snoozed(n) order by n.arrived_at desc limit 1 $$,
  $$ values ('came back') $$, 'and is at the top when it comes back'
);
select tests.reset_role();
delete from attune.notifications where user_id = tests.user_id('ada@example.com');
select tests.authenticate_as('ada@example.com');
select is(
  attune.notification_counts(), row(attune.current_user_id(), 0, 0, 0, 0, 0, '{}')::attune.notification_counts,
  'there may be none'
);
select is((attune.mark_all_notifications_read()).affected_count, 0, 'then nothing is read');
select is((attune.mark_notifications_read('{}')).affected_count, 0, 'nor by none');
select is((attune.archive_notifications(null)).affected_count, 0, 'nor put away by NULL');

-- A whole inbox is not sent back

select tests.reset_role();
insert into attune.notifications (user_id, category, title, created_at)
select tests.user_id('ada@example.com'), 'lead_update', n::text, now() - n * interval '1 minute' from generate_series(1, 250) as n;
select tests.authenticate_as('ada@example.com');
select results_eq(
  $$
    select m.affected_count, cardinality(m.notifications), m.notifications[1].title, m.notifications[100].title, (m.notification_counts).unread
    from attune.mark_all_notifications_read() as m
  $$,
  $$ values (250, 100, '1', '100', 0) $$,
  'of many the last hundred come back'
);

-- Refusals

select tests.throws_reason(format('select attune.%s', c.call), c.code, c.reason, format('%s is %s', c.call, c.reason))
from (values
  ('mark_all_notifications_read(''nothing'')', 'PT404', 'unknown_category'),
  ('mark_all_notifications_seen(''nothing'')', 'PT404', 'unknown_category'),
  ('archive_all_notifications(''nothing'')', 'PT404', 'unknown_category'),
  ('snooze_notifications(''{}'', now())', 'PT422', 'invalid_snooze'),
  ('snooze_notifications(''{}'', null)', 'PT422', 'invalid_snooze'),
  ('snooze_notifications(''{}'', ''infinity'')', 'PT422', 'invalid_snooze'),
  ('snooze_notifications(''{}'', now() + interval ''367 days'')', 'PT422', 'invalid_snooze')
) as c (call, code, reason);

create temp view ids_verbs as select replace(v.change, '%s', '%1$s') as change from verbs as v where v.change like '%\%s%';
grant select on ids_verbs to public;
create temp table bobs as select n.id from attune.notifications as n where false;
grant all on bobs to public;
select tests.reset_role();
insert into bobs select n.id from attune.notifications as n where n.title = 'bob';
select tests.authenticate_as('ada@example.com');
select tests.throws_reason(
  format('select attune.' || v.change, ids.list), ids.code, ids.reason, format('%s of %s', format(v.change, '…'), ids.says)
)
from ids_verbs as v
cross join (values
  ('array[(select id from bobs)]', 'PT404', 'unknown_notification', 'another''s'),
  ('array[null::uuid]', 'PT404', 'unknown_notification', 'NULL'),
  ('array_append(array(select n.id from attune.notifications as n), gen_random_uuid())', 'PT404', 'unknown_notification', 'one that is not there'),
  ('array_fill(gen_random_uuid(), array[1001])', 'PT422', 'too_large', 'too many')
) as ids (list, code, reason, says);
select tests.authenticate_as(gen_random_uuid());
select tests.throws_reason(
  format('select attune.' || replace(v.change, '%s', '%1$s'), 'array_fill(gen_random_uuid(), array[1001])'), '42501', 'not_signed_in',
  format('nobody does %s', format(v.change, '…'))
)
from (select change from ids_verbs union all values ('mark_all_notifications_read()'), ('mark_all_notifications_seen()'), ('archive_all_notifications()'), ('notification_counts()')) as v;
select tests.authenticate_as_anon();
select throws_ok('select attune.notification_counts()', '42501', 'Nobody is signed in', 'anon counts nothing');

-- Only once

select tests.reset_role();
delete from attune.notifications;
select tests.authenticate_as('ada@example.com');
select tests.throws_reason(
  $$ select attune.create_notification('lead_update', 'First', dedupe_key => 'order 7') $$, '42501', 'admin_required',
  'a user takes no key, which a server''s notification might have'
);
select tests.authenticate_as('admin@example.com');
create temp table told as select tests.user_id('ada@example.com') as ada, tests.user_id('bob@example.com') as bob;
create temp table once as
select n.* from told, attune.create_notification('lead_update', 'First', dedupe_key => 'order 7', user_id => told.ada) as n;
grant select on once, told to public;
select results_eq(
  $$ select n.* from told, attune.create_notification('security', 'Second', priority => 'urgent', dedupe_key => 'order 7', user_id => told.ada) as n $$,
  'select * from once', 'what was told once is told no second time'
);
select tests.reset_role();
select is((select count(*) from attune.notification_deliveries), 3::bigint, 'nor sent');
select tests.authenticate_as('admin@example.com');
select isnt(
  (attune.create_notification('lead_update', 'x', dedupe_key => 'order 8', user_id => (select ada from told))).id,
  (select id from once), 'another key is another'
);
select isnt((attune.create_notification('lead_update', 'x')).id, (attune.create_notification('lead_update', 'x')).id, 'none is always another');
select tests.authenticate_as('ada@example.com');
select attune.archive_notifications(array(select id from once));
select tests.authenticate_as('admin@example.com');
select results_eq(
  $$ select n.id, n.archived_at from told, attune.create_notification('lead_update', 'x', dedupe_key => 'order 7', user_id => told.ada) as n $$,
  $$ select o.id, now() from once as o $$, 'it counts when it was put away'
);
select tests.throws_reason(
  $$ select attune.create_notification('lead_update', 'x', dedupe_key => repeat('x', 201)) $$, 'PT422', 'too_large', 'a key is short'
);
select isnt(
  (attune.create_notification('lead_update', 'x', dedupe_key => 'order 7', user_id => (select bob from told))).id,
  (select id from once), 'and is the recipient''s own'
);
select tests.reset_role();
select attune.set_global_setting('NOTIFICATIONS_PER_DAY', '1');
select tests.create_user('eve@example.com');
select tests.authenticate_as('eve@example.com');
select attune.create_notification('security', 'x');
select tests.throws_reason($$ select attune.create_notification('security', 'x') $$, 'PT429', 'too_many_notifications', 'a user does not send themselves any number');
select tests.reset_role();
delete from attune.notifications where dedupe_key = 'order 7';
select tests.authenticate_as_service_role();
select isnt(
  (attune.create_notification('lead_update', 'x', dedupe_key => 'order 7', user_id => tests.user_id('ada@example.com'))).id,
  (select id from once), 'the key is free again when it is gone'
);

-- For many

select tests.reset_role();
delete from attune.notifications;
create temp table people as
select tests.user_id(p.email) as id, p.place
from (values ('eve@example.com', 1), ('ada@example.com', 2), ('bob@example.com', 3)) as p (email, place);
grant select on people to public;
select tests.authenticate_as('ada@example.com');
select attune.update_notification_settings('{"email_notifications": {"leadUpdates": false}}');
select tests.throws_reason(
  $$ select attune.create_notifications(array[attune.current_user_id()], 'nothing', '') $$, '42501', 'admin_required', 'a user does not write to many'
);
select tests.authenticate_as('admin@example.com');
create temp table many as
select c.*
from attune.create_notifications(
  array(select p.id from people as p order by p.place) || '00000000-0000-4000-8000-0000000000ff'::uuid || tests.user_id('eve@example.com'),
  'lead_update', 'To all', 'Text', 'warning', 'high', '/x', '{"a": 1}', 'batch 1'
) as c;
grant select on many to public;
select is((select affected_count from many), 3, 'an administrator does, each once');
select results_eq(
  'select n.user_id from many, unnest(notifications) as n', 'select id from people order by place', 'in the order in which they were named'
);
select is((select unknown_user_ids from many), '{00000000-0000-4000-8000-0000000000ff}', 'who does not exist is named');
select results_eq(
  'select distinct n.category, n.title, n.message, n.type, n.priority, n.action_url, n.metadata, n.dedupe_key from many, unnest(notifications) as n',
  $$ values ('lead_update', 'To all', 'Text', 'warning'::attune.notification_type, 'high'::attune.notification_priority, '/x', '{"a": 1}'::jsonb, 'batch 1') $$,
  'all get the same'
);
select tests.reset_role();
select results_eq(
  $$ select p.place, d.channel::text, d.reason = 'disabled' from attune.notification_deliveries as d join people as p on p.id = d.user_id order by 1, d.channel $$,
  $$ values (1, 'email', false), (1, 'push', false), (1, 'sms', true), (2, 'email', true), (2, 'push', false), (2, 'sms', true), (3, 'email', false), (3, 'push', false), (3, 'sms', true) $$,
  'and each by the channels that they chose'
);
select tests.create_user('new@example.com');
select tests.authenticate_as_service_role();
select results_eq(
  $$
    select c.affected_count, c.unknown_user_ids, c.notifications[1:3] = (select notifications from many)
    from attune.create_notifications(array(select p.id from people as p order by p.place) || tests.user_id('new@example.com'), 'security', 'Again', dedupe_key => 'batch 1') as c
  $$,
  $$ values (1, '{}'::uuid[], true) $$,
  'once more, who has it keeps it, and who is new gets it'
);
select results_eq(
  $$ select c.affected_count, c.notifications, c.unknown_user_ids from attune.create_notifications('{}', 'system', 'x') as c $$,
  $$ values (0, '{}'::attune.notifications[], '{}'::uuid[]) $$, 'nobody is nobody'
);
select tests.throws_reason(format('select attune.create_notifications(array[%s], %s)', c.users, c.rest), c.code, c.reason, c.reason || ' for all')
from (values
  ('attune.current_user_id()', '''system'', ''x''', 'PT404', 'unknown_user'),
  ('tests.user_id(''ada@example.com'')', '''nothing'', ''x''', 'PT404', 'unknown_category'),
  ('tests.user_id(''ada@example.com'')', '''system'', '' ''', 'PT422', 'title_required'),
  ('tests.user_id(''ada@example.com'')', '''system'', ''x'', action_url => ''javascript:alert(1)''', 'PT422', 'invalid_action_url'),
  ('tests.user_id(''ada@example.com'')', '''system'', ''x'', metadata => jsonb_build_object(''x'', repeat(''x'', 16384))', 'PT422', 'too_large')
) as c (users, rest, code, reason);
select tests.throws_reason(
  $$ select attune.create_notifications(array_fill(gen_random_uuid(), array[1001]), 'system', 'x') $$, 'PT422', 'too_large', 'a thousand at a time'
);

select * from finish();
rollback;
