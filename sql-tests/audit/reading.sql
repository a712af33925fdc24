-- Who reads what of the audit log, and how much was changed when.
begin;
select no_plan();

update attune.setting_definitions set seeding = 'inherit' where source = 'attune' and seeding = 'copy';

select tests.create_user('ada@example.com'), tests.create_user('bob@example.com'), tests.create_user('cem@example.com');
select tests.create_user('admin@example.com', is_admin => true);
insert into attune.setting_definitions (key, category, schema, default_value, audience) values
  ('theme', 'test', '{"type": "string"}', '"light"', 'client'), ('hidden', 'test', '{}', '1', 'server');

-- Ada owns a team, Bob is a member of it, Cem of none.
select tests.authenticate_as('ada@example.com');
create temp table team as select (attune.create_team('Engines')).id;
grant select on team to public;
select tests.authenticate_as_service_role();
insert into attune.team_members (user_id, team_id, role) select tests.user_id('bob@example.com'), id, 'member' from team;
select from team, attune.set_team_setting(team.id, 'hidden', '2');
select tests.authenticate_as('ada@example.com');
select set_config('attune.change_reason', 'We all work at night', true);
select from team, attune.set_team_setting(team.id, 'theme', '"dark"');
select set_config('attune.change_reason', '', true);
select tests.authenticate_as('bob@example.com');
select from attune.set_preference('theme', '"blue"');

create function pg_temp.read() returns table (subject attune.audit_subject, layer attune.setting_layer, key text, email text)
language sql as $$
  select l.subject, l.layer, l.key, p.name
  from attune.configuration_audit_log as l
  left join (values (tests.user_id('ada@example.com'), 'ada'), (tests.user_id('bob@example.com'), 'bob')) as p (id, name)
    on p.id = l.user_id
  where l.subject in ('setting', 'team_member') and l.key in ('theme', 'hidden', 'role');
$$;

-- Owner of the team

select tests.authenticate_as('ada@example.com');
select bag_eq(
  'select * from pg_temp.read()',
  $$
    values
      ('team_member'::attune.audit_subject, null::attune.setting_layer, 'role', 'ada'),
      ('team_member', null, 'role', 'bob'),
      ('setting', 'team', 'theme', null)
  $$,
  'who owns a team reads what happened to its memberships and settings, but for what they are not shown'
);
select is(
  (select l.reason from attune.configuration_audit_log as l where l.layer = 'team' and l.key = 'theme'),
  'We all work at night', 'and why'
);

-- Member

select tests.authenticate_as('bob@example.com');
select bag_eq(
  'select * from pg_temp.read()',
  $$
    values
      ('team_member'::attune.audit_subject, null::attune.setting_layer, 'role', 'bob'),
      ('setting', 'user', 'theme', 'bob')
  $$,
  'a member reads what happened to their own membership and settings, and nothing of the team'
);

-- Stranger

select tests.authenticate_as('cem@example.com');
select is_empty('select * from pg_temp.read()', 'a stranger reads nothing of them');

-- Once an administrator of the team, and no longer

select tests.authenticate_as('ada@example.com');
select from team, attune.set_team_member_role(team.id, tests.user_id('bob@example.com'), 'admin');
select tests.authenticate_as('bob@example.com');
select isnt_empty($$ select from pg_temp.read() where layer = 'team' $$, 'who administers a team reads what happened to its settings');
select is_empty($$ select from pg_temp.read() where key = 'hidden' $$, 'but for what they are not shown');
select tests.authenticate_as('ada@example.com');
select from team, attune.set_team_member_role(team.id, tests.user_id('bob@example.com'), 'member');
select tests.authenticate_as('bob@example.com');
select is_empty($$ select from pg_temp.read() where layer = 'team' $$, 'and nothing when they no longer do');

-- Administrator

select tests.authenticate_as('admin@example.com');
select is((select count(*) from pg_temp.read() where layer = 'team'), 2::bigint, 'an administrator reads all of it');

-- How much was changed

select tests.reset_role();
insert into attune.configuration_audit_log (occurred_at, actor_id, actor_role, acted_as, layer, user_id, key, operation)
select t.at::timestamptz, tests.user_id(t.actor), 'attune', 'migration', 'user', tests.user_id(t.owner), t.key, t.operation::attune.audit_operation
from (values
  ('2020-01-01 00:00Z', 'ada@example.com', 'ada@example.com', 'theme', 'INSERT'),
  ('2020-01-01 23:59:59Z', 'bob@example.com', 'bob@example.com', 'theme', 'INSERT'),
  ('2020-01-03 12:00Z', 'ada@example.com', 'ada@example.com', 'theme', 'UPDATE'),
  ('2020-01-03 12:00Z', 'ada@example.com', 'bob@example.com', 'hidden', 'DELETE'),
  ('2020-02-01 00:00Z', 'ada@example.com', 'ada@example.com', 'theme', 'DELETE')
) as t (at, actor, owner, key, operation);

select tests.authenticate_as('ada@example.com');
select tests.throws_reason(call, '42501', 'admin_required', 'a user is not told ' || call)
from (values ('select attune.audit_changes_per_day()'), ('select attune.most_changed_settings()')) as c (call);

select tests.authenticate_as('admin@example.com');
set local timezone = 'Asia/Tokyo';
select results_eq(
  $$ select * from attune.audit_changes_per_day('2020-01-01 00:00Z', '2020-02-01 00:00Z') $$,
  $$
    values
      ('2020-01-01 00:00Z'::timestamptz, 2::bigint, 2::bigint, 2::bigint, 0::bigint, 0::bigint),
      ('2020-01-03 00:00Z', 2, 1, 0, 1, 1)
  $$,
  'an administrator counts the changes of each day in UTC, up to but without the end'
);
select results_eq(
  format(
    $$ select starts_at, changes from attune.audit_changes_per_day('2020-01-01 00:00Z', '2020-03-01 00:00Z', 'theme', %1$L, %1$L) $$,
    tests.user_id('ada@example.com')
  ),
  $$ values ('2020-01-01 00:00Z'::timestamptz, 1::bigint), ('2020-01-03 00:00Z', 1), ('2020-02-01 00:00Z', 1) $$,
  'of one setting, what one user did to one user'
);
select results_eq(
  $$ select * from attune.most_changed_settings('2020-01-01 00:00Z', '2020-02-01 00:00Z') $$,
  $$
    values
      ('theme', 3::bigint, 2::bigint, 2::bigint, '2020-01-03 12:00Z'::timestamptz),
      ('hidden', 1, 1, 1, '2020-01-03 12:00Z')
  $$,
  'an administrator is told which settings were changed most'
);
select isnt_empty('select from attune.audit_changes_per_day()', 'without a period it is the last thirty days');
select is_empty($$ select from attune.most_changed_settings('2020-01-01', '2020-01-01') $$, 'in no time nothing changes');
select tests.throws_reason(call, 'PT422', 'invalid_period', 'an administrator is refused ' || call)
from (values
  ($$ select attune.audit_changes_per_day('2020-01-02', '2020-01-01') $$),
  ($$ select attune.audit_changes_per_day('2020-01-01', '2021-01-02') $$),
  ($$ select attune.audit_changes_per_day('-infinity') $$),
  ($$ select attune.most_changed_settings('2020-01-01', 'infinity') $$)
) as c (call);
select lives_ok($$ select attune.most_changed_settings('2020-01-01', '2021-01-01') $$, 'a leap year is no longer than a period may be');

select tests.authenticate_as_service_role();
select isnt_empty('select from attune.most_changed_settings()', 'a trusted server is told, too');


-- What was concealed when it was removed, or renamed, stays so.
select tests.reset_role();
insert into attune.setting_definitions (key, category, schema, default_value, audience, writable_by) values
  ('risk.score', 'risk', '{}', '0', 'admin', 'admin'), ('risk.gone', 'risk', '{}', '0', 'server', 'admin'),
  ('risk.open', 'risk', '{}', '0', 'client', 'user');
select tests.create_user('suspect@example.com');
insert into attune.user_preferences (user_id, key, value)
select tests.user_id('suspect@example.com'), k, '"fraudster"' from unnest(array['risk.score', 'risk.gone', 'risk.open']) as k;
select from attune.rename_setting('risk.score', 'risk.level');
select from attune.rename_setting('risk.open', 'risk.free');
delete from attune.user_preferences where key = 'risk.gone';
delete from attune.setting_definitions where key = 'risk.gone';
select tests.authenticate_as('suspect@example.com');
select set_eq(
  $$ select distinct key from attune.configuration_audit_log where key like 'risk.%' $$, array['risk.open', 'risk.free'],
  'a user reads nothing of a setting that is not theirs to see, whatever it is called now, and though it is gone'
);
select set_eq(
  $$ select distinct key from attune_hidden.readable_configuration_audit_log() where key like 'risk.%' $$, array['risk.open', 'risk.free'],
  'nor by the function that GraphQL reads'
);
select tests.reset_role();

select * from finish();
rollback;
