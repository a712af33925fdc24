-- Protected settings: what changes them, and that no way leads around it.
begin;
select no_plan();

select tests.create_user('ada@example.com');
select tests.create_user('grace@example.com', is_admin => true), tests.create_user('heidi@example.com', is_admin => true);
insert into attune.plans (name, title) values ('pro', 'Pro'), ('old', 'Old');
insert into attune.teams (id, name) values ('00000000-0000-4000-8000-00000000000a', 'Team'), ('00000000-0000-4000-8000-00000000000b', 'Gone');
insert into attune.team_members (user_id, team_id, role) values
  (tests.user_id('ada@example.com'), '00000000-0000-4000-8000-00000000000a', 'owner'), (tests.user_id('ada@example.com'), '00000000-0000-4000-8000-00000000000b', 'owner');

select from attune.apply_definitions($$ {
  "$id": "test", "type": "object",
  "properties": {
    "open": {"type": "boolean", "default": true},
    "limit": {"type": "integer", "default": 10, "x-attune": {"is_protected": true}},
    "free": {"type": "integer", "default": 1}
  }
} $$);
-- The owner, as a migration does
insert into attune.global_settings (key, value) values ('limit', '11');
insert into attune.plan_settings (plan, key, value) values ('pro', 'limit', '12'), ('old', 'limit', '9');
insert into attune.team_settings (team_id, key, value) values
  ('00000000-0000-4000-8000-00000000000a', 'limit', '13'), ('00000000-0000-4000-8000-00000000000b', 'limit', '13');
select is((select is_protected from attune.setting_definitions where key = 'limit'), true, 'a document protects a setting, and the owner writes it');

-- Every way is refused to administrators and trusted servers
create temp table ways (call text);
grant select on ways to public;
insert into ways values
  ($$ select attune.set_global_setting('limit', '1') $$), ($$ select attune.set_global_setting('limit', is_enforced => true) $$),
  ($$ select attune.set_global_setting('limit', rollout_percentage => 1) $$), ($$ select attune.set_global_setting('limit', is_active => false) $$),
  ($$ select attune.set_global_variants('limit', '[{"name": "a", "weight": 1, "value": 1}]') $$),
  ($$ select attune.reset_global_setting('limit') $$), ($$ select attune.set_setting('limit', '1') from attune.set_global_setting('limit', '1') $$),
  ($$ select attune.set_plan_setting('pro', 'limit', '1') $$), ($$ select attune.set_plan_setting('bootstrapper', 'limit', '1') $$), ($$ select attune.reset_plan_setting('pro', 'limit') $$),
  ($$ select attune.set_team_setting('00000000-0000-4000-8000-00000000000a', 'limit', '1') $$), ($$ select attune.reset_team_setting('00000000-0000-4000-8000-00000000000a', 'limit') $$),
  ($$ select attune.preview_global_setting('limit', '1') $$),
  ($$ select attune.revert_change((select max(id) from attune.configuration_audit_log where key = 'limit' and layer = 'global')) $$),
  ($$ select attune.revert_change((select max(id) from attune.configuration_audit_log where key = 'limit' and layer = 'default')) $$),
  ($$ update attune.global_settings set value = '1' where key = 'limit' $$), ($$ update attune.global_settings set is_enforced = true where key = 'limit' $$), ($$ delete from attune.global_settings where key = 'limit' $$),
  ($$ insert into attune.plan_settings (plan, key, value) values ('bootstrapper', 'limit', '1') $$), ($$ update attune.plan_settings set value = '1' $$), ($$ delete from attune.plan_settings where plan = 'pro' $$),
  ($$ update attune.team_settings set value = '1' $$), ($$ delete from attune.team_settings $$),
  ($$ update attune.setting_definitions set is_protected = false where key = 'limit' $$), ($$ update attune.setting_definitions set default_value = '1' where key = 'limit' $$),
  ($$ update attune.setting_definitions set schema = '{}' where key = 'limit' $$), ($$ update attune.setting_definitions set layer = 'plan' where key = 'limit' $$),
  ($$ update attune.setting_definitions set audience = 'server' where key = 'limit' $$), ($$ update attune.setting_definitions set rollout_group = 'x' where key = 'limit' $$),
  ($$ update attune.setting_definitions set writable_by = 'admin' where key = 'limit' $$),
  ($$ select attune.rename_setting('limit', 'other') $$),
  ($$ select attune.apply_definitions('{"$id": "test", "type": "object", "properties": {"open": {"type": "boolean", "default": true}}}', stored_values => 'discard') $$),
  ($$ select attune.apply_definitions('{"$id": "test", "type": "object", "properties": {"open": {"type": "boolean", "default": true}, "free": {"type": "integer", "default": 1}, "limit": {"type": "integer", "default": 11}}}') $$),
  ($$ select attune.apply_definitions('{"$id": "test", "type": "object", "properties": {"open": {"type": "boolean", "default": true}, "free": {"type": "integer", "default": 1}, "limit": {"type": "integer", "default": 10, "x-attune": {"is_protected": false}}}}') $$);
select tests.authenticate_as('grace@example.com');
select tests.throws_reason(call, '42501', 'setting_protected', 'refused to an administrator: ' || call) from ways;
select tests.authenticate_as_service_role();
select tests.throws_reason(call, '42501', 'setting_protected', 'refused to a trusted server: ' || call) from ways;
select tests.throws_reason($$ delete from attune.setting_definitions where key = 'limit' $$, '42501', 'setting_protected', 'a protected setting is not deleted');
select lives_ok($$ delete from attune.plans where name = 'old' $$, 'a plan goes, with what was set for it');
select tests.reset_role();
select lives_ok($$ update attune.plans set name = 'max' where name = 'pro' $$, 'the owner renames a plan, with what was set for it');

-- A document names it with all else that is wrong
create temp table documents (call text);
grant select on documents to public;
insert into documents values
  ($$ select attune.import_configuration('{"global": {"limit": {"value": 1}}}') $$), ($$ select attune.import_configuration('{"plans": {"max": {"limit": {"value": 1}}}}', dry_run => true) $$),
  ($$ select attune.import_configuration('{"global": {}}', 'replace') $$), ($$ select attune.import_configuration('{"global": {"limit": {"is_enforced": true}}}') $$);
select tests.authenticate_as('grace@example.com');
select tests.throws_reason(call, 'PT422', 'invalid_import', 'refused to an administrator: ' || call) from documents;
select tests.authenticate_as_service_role();
select tests.throws_reason(call, 'PT422', 'invalid_import', 'refused to a trusted server: ' || call) from documents;
create function pg_temp.named(sql text) returns text[] language plpgsql as $$
declare
  hint text;
begin
  execute sql;
  return null;
exception when others then
  get stacked diagnostics hint = pg_exception_hint;
  return array(
    select concat_ws(' ', p ->> 'pointer', p ->> 'keyword') from jsonb_array_elements(split_part(hint, E'\n', 2)::jsonb) as p order by 1
  );
end $$;
grant execute on function pg_temp.named(text) to public;
select is(
  pg_temp.named($$ select attune.import_configuration('{"global": {"free": {"value": "x"}, "limit": {"value": 1}}}') $$),
  '{/global/free/value type,/global/limit/value is_protected}', 'a document is told all its problems at once'
);

-- Who administers a team
select tests.authenticate_as('ada@example.com');
select tests.throws_reason($$ select attune.set_team_setting('00000000-0000-4000-8000-00000000000a', 'limit', '1') $$, '42501', 'setting_protected', 'refused to the owner of a team');
select is((select value from attune.set_preference('limit', '99')), '99', 'what users choose is theirs');
select lives_ok($$ delete from attune.teams where id = '00000000-0000-4000-8000-00000000000b' $$, 'a team goes, with what was set for it');

-- What decides about no value
select tests.authenticate_as('grace@example.com');
select lives_ok($$ update attune.setting_definitions set description = 'How many', category = 'limits' where key = 'limit' $$, 'its description and its category are free');
select lives_ok(
  $$ select attune.apply_definitions('{"$id": "test", "type": "object", "properties": {"open": {"type": "boolean", "default": true}, "free": {"type": "integer", "default": 1}, "limit": {"type": "integer", "default": 10}}}') $$,
  'a document that says nothing of the protection leaves it'
);
select is((select is_protected from attune.setting_definitions where key = 'limit'), true, 'so that it is still protected');
select is((attune.export_definitions('test') #> '{properties,limit,x-attune,is_protected}'), 'true', 'an export says so');
select is((attune.export_definitions('test') #> '{properties,open,x-attune,is_protected}'), null, 'of what is protected only');
select lives_ok($$ select attune.import_configuration('{"global": {"limit": {"value": 11}}}') $$, 'what changes nothing is not refused');
select tests.throws_reason(
  $$ select attune.apply_definitions('{"$id": "test", "type": "object", "properties": {"limit": {"x-attune": {"is_protected": 1}}}}', true) $$,
  'PT422', 'invalid_document', 'it is protected or not'
);
select lives_ok($$ update attune.setting_definitions set is_protected = true where key = 'open' $$, 'an administrator protects a setting');
select tests.throws_reason($$ select attune.set_global_setting('open', 'false') $$, '42501', 'setting_protected', 'and cannot change it any more');
select is((attune.set_global_setting('free', '2')).value, '2', 'the control: what is not protected');

-- A change set, approved
create temp table sets as select (attune.create_change_set('Close', '[
  {"layer": "global", "key": "open", "value": false},
  {"layer": "global", "key": "limit", "is_reset": true},
  {"layer": "plan", "plan": "max", "key": "limit", "value": 20},
  {"layer": "team", "team_id": "00000000-0000-4000-8000-00000000000a", "key": "limit", "is_reset": true}
]')).id;
grant select on sets to public;
select is((select attune.change_sets_is_approval_required(c) from attune.change_sets as c where c.id = (select id from sets)), true, 'a change set with what is protected has to be approved');
select tests.throws_reason('select attune.apply_change_set((select id from sets))', '42501', 'approval_required', 'it is not applied without');
select isnt_empty('select from attune.preview_change_set((select id from sets))', 'it can be previewed');
select tests.throws_reason($$ select attune.set_global_setting('open', 'false') $$, '42501', 'setting_protected', 'a proposed set opens nothing');
select tests.authenticate_as('heidi@example.com');
select from attune.approve_change_set((select id from sets), (select updated_at from attune.change_sets where id = (select id from sets)));
select tests.throws_reason($$ select attune.set_global_setting('open', 'false') $$, '42501', 'setting_protected', 'nor does an approved one');
select is((attune.apply_change_set((select id from sets))).status, 'applied', 'an approved set is applied');
select results_eq(
  $$
    select 'global', key, value from attune.global_settings where key in ('open', 'limit')
    union all select plan, key, value from attune.plan_settings where key = 'limit'
    union all select 'team', key, value from attune.team_settings where key = 'limit'
  $$,
  $$ values ('global', 'open', 'false'::jsonb), ('max', 'limit', '20') $$,
  'so that what is protected changes'
);
select tests.throws_reason($$ select attune.set_global_setting('open', 'true') $$, '42501', 'setting_protected', 'and is protected as before, in the same transaction');
select tests.reset_role();
select is_empty('select from attune_private.planned_writes', 'nothing of it is left');

-- Ending the protection, and the default
select tests.authenticate_as('grace@example.com');
truncate pg_temp.sets;
insert into sets select (attune.create_change_set('Open', '[{"layer": "default", "key": "open", "is_protected": false}, {"layer": "default", "key": "limit", "value": 15}]')).id;
select tests.throws_reason('select attune.apply_change_set((select id from sets))', '42501', 'approval_required', 'ending the protection has to be approved');
select tests.authenticate_as('heidi@example.com');
select from attune.approve_change_set((select id from sets), (select updated_at from attune.change_sets where id = (select id from sets)));
select from attune.apply_change_set((select id from sets));
select results_eq($$ select key, default_value, is_protected from attune.setting_definitions where key in ('open', 'limit') order by 1 $$, $$ values ('limit', '15'::jsonb, true), ('open', 'true', false) $$, 'an approved set does');
select is((attune.set_global_setting('open', 'true')).value, 'true', 'what is protected no more is free');

-- Going back to a moment leaves it, and does the rest
create temp table moments as select clock_timestamp() as at;
grant select on moments to public;
select from attune.set_global_setting('free', '3');
truncate pg_temp.sets;
insert into sets select (attune.create_change_set('Raise', '[{"layer": "global", "key": "limit", "value": 30}, {"layer": "plan", "plan": "max", "key": "limit", "is_reset": true}]')).id;
select tests.authenticate_as('grace@example.com');
select from attune.approve_change_set((select id from sets), (select updated_at from attune.change_sets where id = (select id from sets)));
select from attune.apply_change_set((select id from sets));
select tests.throws_reason('select attune.restore_global_settings((select at from moments), dry_run => true)', 'PT422', 'not_restorable', 'what is protected is not put back');
select is(
  pg_temp.named('select attune.restore_global_settings((select at from moments), dry_run => true)'),
  '{/global/limit is_protected,/plans/max/limit is_protected}', 'and named'
);
prepare shown as select key, scope, action::text, problem from attune.restore_global_settings((select at from moments), dry_run => true, skip_invalid => true);
select results_eq(
  'shown',
  $$ values ('free', null::text, 'changed', null::text), ('limit', null, 'skipped', '/global/limit: it is protected'), ('limit', 'max', 'skipped', '/plans/max/limit: it is protected') $$,
  'a dry run shows the rest'
);
select isnt_empty('select from attune.restore_global_settings((select at from moments), overwrite => true, skip_invalid => true)', 'which is done');
select results_eq(
  $$ select key, value from attune.global_settings where key in ('free', 'limit') order by 1 $$, $$ values ('free', '2'::jsonb), ('limit', '30') $$, 'and it stays'
);

-- The owner
select tests.reset_role();
select lives_ok($$ update attune.setting_definitions set is_protected = false where key = 'limit' $$, 'the owner ends a protection');

select * from finish();
rollback;
