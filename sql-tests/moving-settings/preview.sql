-- What would change for whom, before it does.
begin;
select plan(20);

select tests.create_user(name || '@example.com') from unnest(array['ada', 'bob', 'cid', 'lead']) as u (name);
select tests.create_user('admin@example.com', true);
insert into attune.plans (name, title) values ('scaler', 'Scaler');
insert into attune.teams (id, name) values ('00000000-0000-4000-8000-00000000000a', 'A');
insert into attune.team_members (user_id, team_id, role) values
  (tests.user_id('lead@example.com'), '00000000-0000-4000-8000-00000000000a', 'admin'),
  (tests.user_id('bob@example.com'), '00000000-0000-4000-8000-00000000000a', 'member');
update attune.users set current_team_id = '00000000-0000-4000-8000-00000000000a'
where email in ('lead@example.com', 'bob@example.com');
update attune.users set plan = 'scaler' where email in ('bob@example.com', 'cid@example.com');
insert into attune.setting_definitions (key, category, schema, default_value)
values ('TEST_NUMBER', 'test', '{"type": "integer"}', '0');
insert into attune.user_preferences (user_id, key, value) values
  (tests.user_id('ada@example.com'), 'TEST_NUMBER', '1'), (tests.user_id('bob@example.com'), 'TEST_NUMBER', '2');
create temp table before as select count(*) as number from attune.configuration_audit_log;
grant all on before to public;

select tests.authenticate_as('admin@example.com');
select results_eq(
  $$ select p.previous_value, p.new_value, p.users from attune.preview_global_setting('TEST_NUMBER', '5') as p $$,
  $$ values ('0'::jsonb, '5'::jsonb, 3) $$,
  'who chose keeps their value'
);
select results_eq(
  $$ select p.previous_value, p.new_value, p.users from attune.preview_global_setting('TEST_NUMBER', '5', true) as p $$,
  $$ values ('0'::jsonb, '5'::jsonb, 3), ('1', '5', 1), ('2', '5', 1) $$,
  'unless it is enforced'
);
select is_empty(
  $$ select from attune.preview_global_setting('TEST_NUMBER', '5', false, 0) $$, 'a rollout to nobody changes nothing'
);
select is_empty($$ select from attune.preview_global_setting('TEST_NUMBER', '0') $$, 'nor does the value there is');
select results_eq(
  $$ select p.previous_value, p.new_value, p.users from attune.preview_plan_setting('scaler', 'TEST_NUMBER', '6', true) as p $$,
  $$ values ('0'::jsonb, '6'::jsonb, 1), ('2', '6', 1) $$,
  'a plan is that of its users'
);
select throws_ok(
  $$ select attune.preview_global_setting('TEST_NUMBER', '"x"') $$,
  'PT422', 'TEST_NUMBER is not valid: must be integer', 'what would be refused is'
);
select throws_ok(
  $$ select attune.preview_global_setting('NOTHING', '1') $$,
  'PT404', 'There is no setting ''NOTHING''', 'so is what is unknown'
);
select throws_ok(
  $$ select attune.preview_plan_setting('nothing', 'TEST_NUMBER', '1') $$,
  'PT404', 'There is no plan ''nothing''', 'a plan too'
);

select tests.authenticate_as('lead@example.com');
select results_eq(
  $$
    select p.previous_value, p.new_value, p.users
    from attune.preview_team_setting('00000000-0000-4000-8000-00000000000a', 'TEST_NUMBER', '7') as p
  $$,
  $$ values (null::jsonb, null::jsonb, 1) $$,
  'a team is that of its members, whose values are their own'
);
select throws_ok(
  $$ select attune.preview_global_setting('TEST_NUMBER', '5') $$,
  '42501', 'Only an administrator may do this', 'who administers a team previews nothing else'
);
select tests.authenticate_as('bob@example.com');
select throws_ok(
  $$ select attune.preview_team_setting('00000000-0000-4000-8000-00000000000a', 'TEST_NUMBER', '7') $$,
  '42501', 'Only an owner or administrator of the team may do this', 'a member not even that'
);
select is((attune.effective_setting('TEST_NUMBER')).value, '2', 'nothing has changed');
select tests.authenticate_as_anon();
select throws_ok(
  $$ select attune.preview_global_setting('TEST_NUMBER', '5') $$,
  '42501', 'Nobody is signed in', 'anon previews nothing'
);
select tests.reset_role();
select is_empty(
  $$ select from attune.global_settings where key = 'TEST_NUMBER' union all select from attune.plan_settings union all select from attune.team_settings $$,
  'nothing is stored'
);
select is((select count(*) from attune.configuration_audit_log), (select number from before), 'nor written down');
select attune.set_global_setting('TEST_NUMBER', '5', true);
select is(
  (select count(*) from attune.users as u cross join attune_private.resolve_settings(u.id, false, 'admin') as r where r.key = 'TEST_NUMBER' and r.value = '5'),
  5::bigint,
  'what was previewed comes true'
);

-- What the administrator of a team may not set, they may not try out either: it would tell what others were given

select tests.reset_role();
delete from attune.global_settings where key = 'TEST_NUMBER';
insert into attune.setting_definitions (key, category, schema, default_value, writable_by)
values ('TEST_BETA', 'test', '{"type": "boolean"}', 'false', 'admin');
select tests.authenticate_as('lead@example.com');
select throws_ok(
  $$ select attune.preview_team_setting('00000000-0000-4000-8000-00000000000a', 'TEST_BETA', 'true', true) $$,
  '42501', 'Only an administrator may change TEST_BETA', 'what only administrators set, a team''s does not preview'
);
select tests.authenticate_as_service_role();
select lives_ok(
  $$ select attune.preview_team_setting('00000000-0000-4000-8000-00000000000a', 'TEST_BETA', 'true', true) $$,
  'a trusted server does'
);
select lives_ok($$ select attune.set_global_setting('TEST_NUMBER', '5', true) $$, 'what is locked for everybody');
select tests.authenticate_as('lead@example.com');
select throws_ok(
  $$ select attune.preview_team_setting('00000000-0000-4000-8000-00000000000a', 'TEST_NUMBER', '7') $$,
  '42501', 'TEST_NUMBER is locked by an administrator', 'is not previewed by a team''s'
);

select * from finish();
rollback;
