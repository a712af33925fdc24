-- The layers of plans, teams and projects: what applies, what is locked, and who may write which.
begin;
select plan(73);

select tests.create_user(name || '@example.com')
from unnest(array['owner', 'lead', 'member', 'other', 'stranger']) as u (name);
select tests.create_user('admin@example.com', true);

insert into attune.plans (name, title) values ('scaler', 'Scaler');
insert into attune.teams (id, name) values
  ('00000000-0000-4000-8000-00000000000a', 'A'),
  ('00000000-0000-4000-8000-00000000000b', 'B');
insert into attune.team_members (user_id, team_id, role)
select tests.user_id(m.name || '@example.com'), '00000000-0000-4000-8000-00000000000a', m.role::attune.team_role
from (values ('owner', 'owner'), ('lead', 'admin'), ('member', 'member')) as m (name, role);
insert into attune.team_members (user_id, team_id)
values (tests.user_id('member@example.com'), '00000000-0000-4000-8000-00000000000b');
update attune.users set current_team_id = '00000000-0000-4000-8000-00000000000a'
where email in ('owner@example.com', 'lead@example.com', 'member@example.com');
update attune.users set plan = 'scaler' where email in ('member@example.com', 'other@example.com');
insert into attune.projects (id, name) values
  ('00000000-0000-4000-8000-0000000000aa', 'Mine'),
  ('00000000-0000-4000-8000-0000000000bb', 'Another''s');
insert into attune.project_members (user_id, project_id)
values (tests.user_id('member@example.com'), '00000000-0000-4000-8000-0000000000aa');

insert into attune.setting_definitions (key, category, schema, default_value, layer, writable_by) values
  ('TEST_NUMBER', 'test', '{"type": "integer"}', '0', 'project', 'user'),
  ('TEST_OBJECT', 'test', '{"type": "object", "additionalProperties": {"type": "integer"}}', '{"a": 0, "b": 0}', 'project', 'user'),
  ('TEST_BETA', 'test', '{"type": "boolean"}', 'false', 'user', 'admin'),
  ('TEST_GLOBAL', 'test', '{"type": "integer"}', '0', 'global', 'user'),
  ('TEST_PLAN', 'test', '{"type": "integer"}', '0', 'plan', 'user'),
  ('TEST_TEAM', 'test', '{"type": "integer"}', '0', 'team', 'user'),
  ('TEST_USER', 'test', '{"type": "integer"}', '0', 'user', 'user');

create function pg_temp.outcome(key text, project_id uuid default null)
returns text
language sql
as $$
  select concat_ws(' ', e.value, e.layer, e.reason, case when e.is_enforced then 'locked' end)
  from attune.effective_setting($1, $2) as e
$$;

-- From broad to narrow

select tests.authenticate_as('admin@example.com');
select attune.set_global_setting('TEST_NUMBER', '1');
select attune.set_plan_setting('scaler', 'TEST_NUMBER', '2');
select tests.authenticate_as('lead@example.com');
select is(pg_temp.outcome('TEST_NUMBER'), '1 global STATIC', 'another plan''s value is not the user''s');
select is(
  (select e.value from attune.set_team_setting('00000000-0000-4000-8000-00000000000a', 'TEST_NUMBER', '3') as e),
  '3',
  'an administrator of the team writes its layer, and sees what applies'
);

select tests.authenticate_as('other@example.com');
select is(pg_temp.outcome('TEST_NUMBER'), '2 plan TARGETING_MATCH', 'the plan is narrower than everybody');
select tests.authenticate_as('member@example.com');
select is(pg_temp.outcome('TEST_NUMBER'), '3 team TARGETING_MATCH', 'the team is narrower than the plan');
select attune.set_preference('TEST_NUMBER', '4');
select is(pg_temp.outcome('TEST_NUMBER'), '4 user TARGETING_MATCH', 'the user is narrower than the team');
select is(
  pg_temp.outcome('TEST_NUMBER', '00000000-0000-4000-8000-0000000000aa'), '4 user TARGETING_MATCH',
  'a project without a value of its own has the user''s'
);
select is(
  (select e.layer from attune.set_preference('TEST_NUMBER', '5', '00000000-0000-4000-8000-0000000000aa') as e),
  'project',
  'a user chooses for one project'
);
select is(
  pg_temp.outcome('TEST_NUMBER', '00000000-0000-4000-8000-0000000000aa'), '5 project TARGETING_MATCH',
  'the project is the narrowest'
);
select is(pg_temp.outcome('TEST_NUMBER'), '4 user TARGETING_MATCH', 'and counts nowhere else');
select is(
  attune.settings_document('test', '00000000-0000-4000-8000-0000000000aa') -> 'TEST_NUMBER', '5',
  'the document of a project holds its values'
);
select is(
  (
    select string_agg(concat_ws(' ', e.layer, e.value, e.ignored_because, case when e.is_winner then 'wins' end), ', ')
    from attune.explain_setting('TEST_NUMBER', project_id => '00000000-0000-4000-8000-0000000000aa') as e
  ),
  'default 0 overridden_by_global, global 1 overridden_by_plan, plan 2 overridden_by_team, team 3 overridden_by_user, user 4 overridden_by_project, project 5 wins',
  'every layer is explained'
);

select tests.authenticate_as('admin@example.com');
select attune.set_global_setting('TEST_OBJECT', '{"a": 1}');
select attune.set_plan_setting('scaler', 'TEST_OBJECT', '{"b": 2}');
select tests.authenticate_as('owner@example.com');
select attune.set_team_setting('00000000-0000-4000-8000-00000000000a', 'TEST_OBJECT', '{"c": 3}');
select tests.authenticate_as('member@example.com');
select attune.set_preferences('{"TEST_OBJECT": {"d": 4}}', '00000000-0000-4000-8000-0000000000aa');
select is(
  (attune.effective_setting('TEST_OBJECT', '00000000-0000-4000-8000-0000000000aa')).value,
  '{"a": 1, "b": 2, "c": 3, "d": 4}',
  'an object has members of every layer'
);
select is(
  (attune.reset_preference('TEST_OBJECT', '00000000-0000-4000-8000-0000000000aa')).value,
  '{"a": 1, "b": 2, "c": 3}',
  'resetting in a project drops only its own'
);
select is(
  (
    select e.value from attune.reset_preferences('test', '00000000-0000-4000-8000-0000000000aa') as e
    where e.key = 'TEST_NUMBER'
  ),
  '4',
  'resetting all in a project leaves what was chosen elsewhere'
);
select attune.set_preference('TEST_NUMBER', '5', '00000000-0000-4000-8000-0000000000aa');

-- The current team, and no other

select tests.reset_role();
update attune.users set current_team_id = '00000000-0000-4000-8000-00000000000b' where email = 'member@example.com';
select tests.authenticate_as('member@example.com');
select attune.reset_preference('TEST_NUMBER');
select is(pg_temp.outcome('TEST_NUMBER'), '2 plan TARGETING_MATCH', 'only the current team counts');
select tests.reset_role();
update attune.users set current_team_id = '00000000-0000-4000-8000-00000000000a'
where email in ('member@example.com', 'stranger@example.com');
select tests.authenticate_as('stranger@example.com');
select is(pg_temp.outcome('TEST_NUMBER'), '1 global STATIC', 'and only while the user is a member of it');

-- Locks: the broadest wins

select tests.authenticate_as('lead@example.com');
select attune.set_team_setting('00000000-0000-4000-8000-00000000000a', 'TEST_NUMBER', '30', true);
select tests.authenticate_as('member@example.com');
select is(pg_temp.outcome('TEST_NUMBER'), '30 team TARGETING_MATCH locked', 'a team locks');
select is(
  pg_temp.outcome('TEST_NUMBER', '00000000-0000-4000-8000-0000000000aa'), '30 team TARGETING_MATCH locked',
  'in projects too'
);
select throws_ok(
  $$ select attune.set_preference('TEST_NUMBER', '4') $$,
  '42501', 'TEST_NUMBER is locked by an administrator', 'a member cannot choose'
);
select throws_ok(
  $$ select attune.set_preference('TEST_NUMBER', '4', '00000000-0000-4000-8000-0000000000aa') $$,
  '42501', 'TEST_NUMBER is locked by an administrator', 'nor in a project'
);
select tests.authenticate_as('other@example.com');
select is(
  (attune.set_preference('TEST_NUMBER', '4')).value, '4',
  'a team locks only for its members'
);
select tests.authenticate_as('admin@example.com');
select attune.set_plan_setting('scaler', 'TEST_NUMBER', '20', true);
select tests.authenticate_as('member@example.com');
select is(pg_temp.outcome('TEST_NUMBER'), '20 plan TARGETING_MATCH locked', 'the lock of the plan is before the team''s');
select is(
  (select e.ignored_because from attune.explain_setting('TEST_NUMBER') as e where e.layer = 'team'),
  'enforced_by_plan',
  'and says so'
);
select tests.authenticate_as('admin@example.com');
select attune.set_global_setting('TEST_NUMBER', '10', true);
select tests.authenticate_as('member@example.com');
select is(pg_temp.outcome('TEST_NUMBER'), '10 global STATIC locked', 'the lock for everybody is before the plan''s');
select tests.authenticate_as('lead@example.com');
select throws_ok(
  $$ select attune.set_team_setting('00000000-0000-4000-8000-00000000000a', 'TEST_NUMBER', '31') $$,
  '42501', 'TEST_NUMBER is locked by an administrator', 'a team cannot choose what is locked for everybody'
);
select is(
  (attune.reset_team_setting('00000000-0000-4000-8000-00000000000a', 'TEST_NUMBER')).value, '30',
  'it may drop what it stored, and is told what that was'
);
select tests.authenticate_as('admin@example.com');
select attune.reset_global_setting('TEST_NUMBER');
select attune.reset_plan_setting('scaler', 'TEST_NUMBER');
select tests.authenticate_as('other@example.com');
select is(pg_temp.outcome('TEST_NUMBER'), '4 user TARGETING_MATCH', 'what was ignored comes back');

-- Which layer may hold a value

select tests.authenticate_as('member@example.com');
select throws_ok(
  format('select attune.set_preference(%L, %L, %L)', key, '1', '00000000-0000-4000-8000-0000000000aa'),
  'PT422', format('%s cannot be set in layer project: its narrowest is %s', key, layer),
  'no project holds ' || key
)
from (values ('TEST_TEAM', 'team'), ('TEST_USER', 'user')) as d (key, layer);
select tests.authenticate_as('owner@example.com');
select throws_ok(
  $$ select attune.set_team_setting('00000000-0000-4000-8000-00000000000a', 'TEST_PLAN', '1') $$,
  'PT422', 'TEST_PLAN cannot be set in layer team: its narrowest is plan', 'a team holds nothing broader than its layer'
);
select lives_ok(
  $$ select attune.set_team_setting('00000000-0000-4000-8000-00000000000a', 'TEST_TEAM', '1') $$,
  'it holds what is made for it'
);
select throws_ok(
  $$ select attune.set_team_setting('00000000-0000-4000-8000-00000000000a', 'TEST_TEAM', '"x"') $$,
  'PT422', 'TEST_TEAM is not valid: must be integer', 'and only what the schema allows'
);
select tests.authenticate_as('admin@example.com');
select throws_ok(
  $$ select attune.set_plan_setting('scaler', 'TEST_GLOBAL', '1') $$,
  'PT422', 'TEST_GLOBAL cannot be set in layer plan: its narrowest is global', 'a plan holds nothing broader'
);
select throws_ok(
  $$ select attune.set_plan_setting('nothing', 'TEST_PLAN', '1') $$,
  'PT404', 'There is no plan ''nothing''', 'a plan must exist'
);
select throws_ok(
  $$ select attune.set_plan_setting('scaler', 'NOTHING', '1') $$,
  'PT404', 'There is no setting ''NOTHING''', 'a setting too'
);

-- Who may write which layer: member, stranger, administrator of the team, administrator, anon, service_role

select tests.authenticate_as('member@example.com');
select throws_ok(
  $$ select attune.set_plan_setting('scaler', 'TEST_NUMBER', '1') $$,
  '42501', 'Only an administrator may do this', 'a user writes no plan'
);
select throws_ok(
  $$ select attune.reset_plan_setting('scaler', 'TEST_NUMBER') $$,
  '42501', 'Only an administrator may do this', 'nor resets one'
);
select throws_ok(
  $$ select attune.set_team_setting('00000000-0000-4000-8000-00000000000a', 'TEST_NUMBER', '1') $$,
  '42501', 'Only an owner or administrator of the team may do this', 'a mere member writes no team'
);
select throws_ok(
  $$ insert into attune.team_settings (team_id, key, value) values ('00000000-0000-4000-8000-00000000000a', 'TEST_NUMBER', '1') $$,
  '42501', 'Only an owner or administrator of the team may do this', 'nor its table'
);
select is(
  (select count(*) from attune.team_settings where team_id = '00000000-0000-4000-8000-00000000000a'), 2::bigint,
  'but reads what the team chose'
);
select is_empty($$ select from attune.plan_settings $$, 'and not what a plan stores');
select throws_ok(
  $$ select attune.set_preference('TEST_NUMBER', '1', '00000000-0000-4000-8000-0000000000bb') $$,
  'PT404', 'There is no such project', 'nobody chooses in a project of others'
);
select throws_ok(
  $$ select attune.effective_settings(project_id => '00000000-0000-4000-8000-0000000000bb') $$,
  'PT404', 'There is no such project', 'nor asks what applies there'
);
select throws_ok(
  $$ select attune.set_user_setting(attune.current_user_id(), 'TEST_BETA', 'true') $$,
  '42501', 'Only an administrator may do this', 'nobody gives themselves anything'
);
select throws_ok(
  $$ select attune.set_preference('TEST_BETA', 'true') $$,
  '42501', 'Only an administrator may change TEST_BETA', 'nor gives themselves a beta feature'
);

select tests.authenticate_as('stranger@example.com');
select is_empty($$ select from attune.team_settings $$, 'a stranger reads no team');
select is_empty($$ select from attune.project_preferences $$, 'and no project');
select throws_ok(
  $$ select attune.set_team_setting('00000000-0000-4000-8000-00000000000a', 'TEST_NUMBER', '1') $$,
  '42501', 'Only an owner or administrator of the team may do this', 'writes no team'
);
select throws_ok(
  $$ select attune.set_team_setting('00000000-0000-4000-8000-0000000000ff', 'TEST_NUMBER', '1') $$,
  '42501', 'Only an owner or administrator of the team may do this', 'and cannot tell one that is not there'
);

select tests.authenticate_as('lead@example.com');
select throws_ok(
  $$ select attune.set_team_setting('00000000-0000-4000-8000-00000000000b', 'TEST_NUMBER', '1') $$,
  '42501', 'Only an owner or administrator of the team may do this', 'an administrator of one team writes no other'
);
select throws_ok(
  $$ select attune.set_team_setting('00000000-0000-4000-8000-00000000000a', 'TEST_BETA', 'true') $$,
  '42501', 'Only an administrator may change TEST_BETA', 'and gives the team no beta feature'
);
select is_empty(
  $$ select from attune.user_preferences where user_id <> attune.current_user_id() $$,
  'and sees nothing that members chose'
);

select tests.authenticate_as('admin@example.com');
select lives_ok(
  $$ select attune.set_team_setting('00000000-0000-4000-8000-00000000000a', 'TEST_BETA', 'true') $$,
  'an administrator writes any team'
);
select throws_ok(
  $$ select attune.set_team_setting('00000000-0000-4000-8000-0000000000ff', 'TEST_NUMBER', '1') $$,
  '42501', 'Only an owner or administrator of the team may do this', 'that exists'
);
select is(
  (attune.set_user_setting(tests.user_id('other@example.com'), 'TEST_BETA', 'true')).value, 'true',
  'and gives one user a beta feature'
);
select is(
  (attune.set_user_setting(tests.user_id('other@example.com'), 'TEST_BETA', 'false')).value, 'false', 'or takes it away'
);
select is(
  (attune.reset_user_setting(tests.user_id('other@example.com'), 'TEST_BETA')).layer, 'default', 'or leaves it to the others'
);
select attune.set_user_setting(tests.user_id('other@example.com'), 'TEST_BETA', 'true');
select throws_ok(
  format('select attune.set_user_setting(%L, %L, %L)', tests.user_id(s.email), s.key, '1'), s.code, s.message, s.says
)
from (values
  ('other@example.com', 'TEST_USER', '42501', 'TEST_USER is for its user to choose', 'but not what is the user''s to choose'),
  ('other@example.com', 'NOTHING', 'PT404', 'There is no setting ''NOTHING''', 'nor what is unknown')
) as s (email, key, code, message, says);
select is(
  (
    select e.value from attune.effective_settings_for(tests.user_id('member@example.com'), 'test', '00000000-0000-4000-8000-0000000000aa') as e
    where e.key = 'TEST_NUMBER'
  ),
  '5',
  'and sees what applies to another in a project'
);
select throws_ok(
  $$
    insert into attune.project_preferences (user_id, project_id, key, value)
    values (tests.user_id('member@example.com'), '00000000-0000-4000-8000-0000000000aa', 'TEST_OBJECT', '{}')
  $$,
  '42501', 'TEST_OBJECT is for its user to choose', 'but chooses for nobody'
);
select tests.authenticate_as('other@example.com');
select is(pg_temp.outcome('TEST_BETA'), 'true user TARGETING_MATCH', 'who was given a beta feature has it');
select tests.authenticate_as('member@example.com');
select is(pg_temp.outcome('TEST_BETA'), 'true team TARGETING_MATCH', 'as have the members of the team');

select tests.authenticate_as_anon();
select throws_ok(
  $$ select attune.set_team_setting('00000000-0000-4000-8000-00000000000a', 'TEST_NUMBER', '1') $$,
  '42501', 'Nobody is signed in', 'anon writes no team'
);
select throws_ok(
  $$ select from attune.plan_settings $$,
  '42501', 'permission denied for table plan_settings', 'anon reads no plan'
);

select tests.authenticate_as_service_role();
select lives_ok(
  $$ select attune.set_plan_setting('scaler', 'TEST_PLAN', '7'), attune.set_team_setting('00000000-0000-4000-8000-00000000000a', 'TEST_TEAM', '7') $$,
  'a trusted server writes both'
);

-- Definitions, and what goes with what

select tests.reset_role();
select throws_ok(
  $$ update attune.setting_definitions set schema = '{"type": "integer", "maximum": 4}' where key = 'TEST_NUMBER' $$,
  'PT409', '1 stored values of TEST_NUMBER would no longer be allowed', 'a value in a project is a stored value'
);
select throws_ok(
  format('delete from attune.setting_definitions where key = %L', key),
  'PT409', format('%s has 1 stored values', key), 'as is one of a ' || layer
)
from (values ('TEST_PLAN', 'plan'), ('TEST_TEAM', 'team')) as d (key, layer);
select attune_private.discard_broken_values(attune_private.without_values(d)) from attune.setting_definitions as d where d.key = 'TEST_NUMBER';
select is_empty(
  $$ select from attune_private.stored_settings(tests.user_id('member@example.com'), '00000000-0000-4000-8000-0000000000aa', null) where key = 'TEST_NUMBER' $$,
  'discarding reaches every layer'
);
select is(
  (
    select string_agg(distinct concat_ws(' ', l.layer, l.user_id is not null, l.scope), ', ')
    from attune.configuration_audit_log as l
    where l.key = 'TEST_NUMBER'
      and l.layer in ('plan', 'team', 'project')
  ),
  'plan f scaler, project t 00000000-0000-4000-8000-0000000000aa, team f 00000000-0000-4000-8000-00000000000a',
  'the audit log says which plan, team and project'
);

select attune_private.discard_broken_values(attune_private.without_values(d)) from attune.setting_definitions as d where d.key = 'TEST_OBJECT';
insert into attune.project_preferences (user_id, project_id, key, value)
values (tests.user_id('member@example.com'), '00000000-0000-4000-8000-0000000000aa', 'TEST_NUMBER', '5');
delete from attune.project_members
where user_id = tests.user_id('member@example.com') and project_id = '00000000-0000-4000-8000-0000000000aa';
select is_empty($$ select from attune.project_preferences $$, 'what was chosen in a project goes with the membership');

insert into attune.global_settings (key, value) values ('PREFERENCES_PER_USER', '1');
insert into attune.project_members (user_id, project_id)
values (tests.user_id('other@example.com'), '00000000-0000-4000-8000-0000000000aa');
select tests.authenticate_as('other@example.com');
select throws_ok(
  $$ select attune.set_preference('TEST_NUMBER', '5', '00000000-0000-4000-8000-0000000000aa') $$,
  'PT422', 'A user may hold at most 1 preferences', 'choices in projects count'
);

select * from finish();
rollback;
