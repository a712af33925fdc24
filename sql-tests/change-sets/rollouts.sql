-- Rollouts in steps: planning, taking what is due, halting, and what somebody decides by hand in between.
begin;
select no_plan();

select tests.create_user('ada@example.com');
select tests.create_user('grace@example.com', is_admin => true), tests.create_user('heidi@example.com', is_admin => true);
select from attune.apply_definitions($$ {
  "$id": "test", "type": "object",
  "properties": {
    "banner": {"type": "boolean", "default": false},
    "theme": {"type": "string", "default": "light"},
    "limits": {"type": "object", "default": {"daily": 10}, "properties": {"daily": {"type": "integer"}}},
    "none": {"type": "integer"}
  }
} $$);

-- Time passes for the owner only
create function pg_temp.make_due(key text, steps integer default 1) returns void language sql security definer as $$
  update attune.rollout_steps as s set apply_at = now() - interval '1 minute'
  where s.key = make_due.key
    and s.position in (select n.position from attune.rollout_steps as n where n.key = make_due.key and n.applied_at is null order by 1 limit steps);
$$;
create function pg_temp.due() returns integer language plpgsql as $$
declare
  was constant text := current_setting('role');
  claims constant text := current_setting('request.jwt.claims', true);
  handled integer;
begin
  perform tests.authenticate_as_service_role();
  handled := attune.apply_due_changes();
  perform set_config('role', was, true), set_config('request.jwt.claims', claims, true);
  return handled;
end $$;
grant execute on all functions in schema pg_temp to public;
create function pg_temp.steps(variadic shares integer[]) returns attune.planned_step[] language sql as $$
  select array_agg((case when s.n > 1 then now() + (s.n - 1) * interval '1 day' end, s.share)::attune.planned_step order by s.n)
  from unnest(shares) with ordinality as s (share, n)
$$;
grant execute on function pg_temp.steps(integer[]) to public;
create view pg_temp.present as
select r.key, r.status, r.note, (r.failure).reason, g.rollout_percentage,
  array(select s.applied_at is not null from attune.rollout_steps as s where s.key = r.key order by s.position) as taken
from attune.rollouts as r left join attune.global_settings as g on g.key = r.key;
grant select on pg_temp.present to public;

-- Who may, and what is refused

select tests.authenticate_as('ada@example.com');
select tests.throws_reason($$ select attune.plan_rollout('banner', pg_temp.steps(10, 100), 'true') $$, '42501', 'admin_required', 'a user plans no rollout');
select tests.throws_reason($$ select attune.halt_rollout('banner') $$, '42501', 'admin_required', 'nor halts one');
select is_empty('select from attune.rollouts', 'nor sees one');
select is_empty('select from attune.rollout_steps', 'nor its steps');
select tests.authenticate_as('grace@example.com');
select tests.throws_reason(format('select attune.plan_rollout(%L, %L, %L)', key, steps, value), sqlstate, reason, 'refused: ' || why)
from (values
  ('banner', null, 'true', 'PT422', 'invalid_rollout_steps', 'no steps'), ('banner', '{}', 'true', 'PT422', 'invalid_rollout_steps', 'an empty list'),
  ('banner', '{"(,10)","(,20)"}', 'true', 'PT422', 'invalid_rollout_steps', 'two at once'), ('banner', '{NULL}', 'true', 'PT422', 'invalid_rollout_steps', 'a step that is none'),
  ('banner', '{"(,101)"}', 'true', 'PT422', 'invalid_rollout_steps', 'more than all'), ('banner', '{"(,-1)"}', 'true', 'PT422', 'invalid_rollout_steps', 'less than none'), ('banner', '{"(,)"}', 'true', 'PT422', 'invalid_rollout_steps', 'no share'),
  ('banner', '{"(,10)","(2099-01-01,10)"}', 'true', 'PT422', 'invalid_rollout_steps', 'the same share again'), ('banner', '{"(,10)","(2099-01-02,50)","(2099-01-01,100)"}', 'true', 'PT422', 'invalid_rollout_steps', 'a step back in time'),
  ('banner', '{"(infinity,10)"}', 'true', 'PT422', 'invalid_rollout_steps', 'never'),
  ('NOPE', '{"(,10)"}', 'true', 'PT404', 'unknown_setting', 'an unknown setting'), ('banner', '{"(,10)"}', null, 'PT422', 'value_required', 'no value'),
  ('banner', '{"(,10)"}', '1', 'PT422', 'invalid_value', 'a bad value'), ('PASSWORD_COST', '{"(,10)"}', '9', 'PT422', 'system_setting', 'what shapes Attune itself')
) as c (key, steps, value, sqlstate, reason, why);
select tests.throws_reason($$ select attune.halt_rollout('banner') $$, 'PT404', 'no_rollout', 'there is nothing to halt');

-- Steps

select results_eq(
  $$ select key, status, created_by = attune.current_user_id() from attune.plan_rollout('banner', pg_temp.steps(10, 50, 100), 'true') $$,
  $$ values ('banner', 'running'::attune.rollout_status, true) $$, 'an administrator plans a rollout'
);
select results_eq('select status, rollout_percentage, taken from present', $$ values ('running'::attune.rollout_status, 10, array[true, false, false]) $$, 'a step that is due is taken at once');
select is(pg_temp.due(), 0, 'the others are not due');
select pg_temp.make_due('banner');
select is(pg_temp.due(), 1, 'the next is taken when it is');
select is(pg_temp.due(), 0, 'once');
select results_eq('select status, rollout_percentage, taken from present', $$ values ('running'::attune.rollout_status, 50, array[true, true, false]) $$, 'so that the share grows');
select results_eq(
  $$ select acted_as, reason, new_attributes -> 'rollout_percentage' from attune.configuration_audit_log where key = 'banner' and layer = 'global' order by id desc limit 1 $$,
  $$ values ('service'::attune.audit_actor, 'Step 2 of a rollout', '50'::jsonb) $$, 'the audit log says that it was a step'
);
select is((attune.set_global_setting('banner', 'false')).rollout_percentage, 50, 'a value may be mended in between');
select is((select status from present), 'running', 'and goes on');
select pg_temp.make_due('banner');
select is(pg_temp.due(), 1, 'the last step');
select results_eq('select status, rollout_percentage, taken from present', $$ values ('finished'::attune.rollout_status, 100, array[true, true, true]) $$, 'ends it');
select results_eq(
  $$ select operation, previous_value, new_value from attune.configuration_audit_log where subject = 'rollout' and scope is null order by id $$,
  $$ values ('INSERT'::attune.audit_operation, null::jsonb, '"running"'::jsonb), ('UPDATE', '"running"', '"finished"') $$,
  'what became of it is in the audit log'
);
select results_eq(
  $$
    select key, scope, operation, new_value, new_attributes ->> 'applied_at' is not null
    from attune.configuration_audit_log
    where subject = 'rollout' and scope = '3' and (previous_attributes ->> 'apply_at' is not distinct from new_attributes ->> 'apply_at' or operation = 'INSERT')
    order by id
  $$,
  $$ values ('banner', '3', 'INSERT'::attune.audit_operation, '100'::jsonb, false), ('banner', '3', 'UPDATE', '100', true) $$,
  'and each of its steps, planned and taken'
);

-- A new plan replaces the old, and what was missed is skipped
select from attune.plan_rollout('banner', pg_temp.steps(0, 20, 40, 60), 'true');
select results_eq('select status, rollout_percentage, taken from present', $$ values ('running'::attune.rollout_status, 0, array[true, false, false, false]) $$, 'a new plan replaces the old');
select pg_temp.make_due('banner', 2);
select is(pg_temp.due(), 1, 'of several that are due the last is taken');
select results_eq('select rollout_percentage, taken from present', $$ values (40, array[true, true, true, false]) $$, 'and the others are skipped');
select from attune.plan_rollout('banner', '{"(2099-01-01,70)"}');
select results_eq('select status, rollout_percentage, taken from present', $$ values ('running'::attune.rollout_status, 40, array[false]) $$, 'without a value the share stays until the first step');
select from attune.plan_rollout('banner', '{"(2099-01-01,70)"}', 'false');
select is((select rollout_percentage from present), 0, 'a new value reaches nobody before its first step');
select tests.throws_reason($$ select attune.plan_rollout('banner', '{"(2099-01-01,70)"}', null, false, '2020-01-01') $$, 'PT409', 'changed_meanwhile', 'a value that was changed since it was read is not rolled out');
select from attune.plan_rollout('limits', pg_temp.steps(100), '{"daily": 20}');
select is((select status from present where key = 'limits'), 'finished', 'a plan with one step that is due is finished');

-- Halting

select from attune.plan_rollout('banner', pg_temp.steps(30, 60), 'true');
select results_eq($$ select status, note from attune.halt_rollout('banner', note => ' Errors ') $$, $$ values ('halted'::attune.rollout_status, 'Errors') $$, 'one call halts it');
select pg_temp.make_due('banner');
select is(pg_temp.due(), 0, 'no step is taken any more');
select is((select rollout_percentage from present where key = 'banner'), 30, 'and the share stays');
select from attune.plan_rollout('banner', pg_temp.steps(30, 60));
select is((attune.halt_rollout('banner', 0)).status, 'halted', 'or halts it and sets the share back');
select results_eq($$ select rollout_percentage, note from present where key = 'banner' $$, $$ values (0, null::text) $$, 'at once');
select tests.throws_reason($$ select attune.halt_rollout('banner') $$, 'PT404', 'no_rollout', 'what is halted is not halted again');

-- By hand
select from attune.plan_rollout('banner', pg_temp.steps(30, 60));
savepoint by_hand;
create temp table hands (hand text, note text);
grant select on hands to public;
insert into hands values
  ($$ attune.set_global_setting('banner', rollout_percentage => 5) $$, 'The share, the lock or the state of the value was changed'),
  ($$ attune.set_global_setting('banner', is_enforced => true) $$, 'The share, the lock or the state of the value was changed'),
  ($$ attune.set_global_setting('banner', is_active => false) $$, 'The share, the lock or the state of the value was changed'),
  ($$ attune.import_configuration('{"global": {"banner": {"value": true, "rollout_percentage": 31}}}') $$, 'The share, the lock or the state of the value was changed'),
  ($$ attune.reset_global_setting('banner') $$, 'The value was reset'),
  ($$ attune.set_global_setting('banner', 'false') $$, null), ($$ attune.set_global_setting('banner', rollout_percentage => 30) $$, null),
  ($$ attune.preview_global_setting('banner', rollout_percentage => 100) $$, null);
create function pg_temp.after(hand text) returns text language plpgsql as $$
declare
  result text;
begin
  execute 'select from ' || hand;
  select concat_ws(': ', r.status, r.note) into result from attune.rollouts as r where r.key = 'banner';
  raise exception using errcode = 'AT000', message = result;
exception when sqlstate 'AT000' then
  return sqlerrm;
end $$;
grant execute on function pg_temp.after(text) to public;
select is(pg_temp.after(hand), case when note is null then 'running' else 'halted: ' || note end, case when note is null then 'going on after ' else 'halted by ' end || hand) from hands;

-- What can't be done any more
select tests.reset_role();
update attune.setting_definitions set is_protected = true where key = 'banner';
select tests.authenticate_as('grace@example.com');
select pg_temp.make_due('banner');
select is(pg_temp.due(), 1, 'a step that cannot be taken is dealt with');
select results_eq($$ select status, reason, rollout_percentage from present where key = 'banner' $$, $$ values ('failed'::attune.rollout_status, 'setting_protected', 30) $$, 'and says why');

-- Protected settings

select tests.throws_reason($$ select attune.plan_rollout('banner', pg_temp.steps(10, 100)) $$, '42501', 'setting_protected', 'a protected setting is not rolled out so');
select tests.throws_reason($$ select attune.plan_rollout('banner', '{"(2099-01-01,70)"}') $$, '42501', 'setting_protected', 'not later, either');
create temp table sets as select (attune.create_change_set('Steps', '[{"layer": "global", "key": "banner", "value": true, "rollout_steps": [{"rollout_percentage": 40}, {"apply_at": "2099-01-01T00:00:00Z", "rollout_percentage": 100}]}]')).id;
grant select on sets to public;
select is((select status from present where key = 'banner'), 'failed', 'a change set with steps plans nothing yet');
select tests.authenticate_as('heidi@example.com');
select from attune.approve_change_set((select id from sets), (select updated_at from attune.change_sets where id = (select id from sets)));
select from attune.apply_change_set((select id from sets));
select results_eq($$ select status, rollout_percentage, taken from present where key = 'banner' $$, $$ values ('running'::attune.rollout_status, 40, array[true, false]) $$, 'an approved one plans them');
select tests.throws_reason($$ select attune.halt_rollout('banner', 0) $$, '42501', 'setting_protected', 'its share is not set back by hand');
select pg_temp.make_due('banner');
select is(pg_temp.due(), 1, 'its steps are taken');
select results_eq($$ select status, reason, rollout_percentage from present where key = 'banner' $$, $$ values ('finished'::attune.rollout_status, null, 100) $$, 'as they were approved');
select tests.authenticate_as_service_role();
select tests.throws_reason($$ select attune.set_global_setting('banner', rollout_percentage => 1) $$, '42501', 'setting_protected', 'and it is protected after a step, in the same transaction');
select tests.throws_reason(format('select attune.create_change_set(''A'', %L)', changes), 'PT422', 'invalid_change_set', 'refused: ' || why)
from (values
  ('[{"layer": "global", "key": "theme", "value": "dark", "rollout_percentage": 1, "rollout_steps": [{"rollout_percentage": 10}]}]', 'steps and a share'),
  ('[{"layer": "global", "key": "theme", "value": "dark", "rollout_steps": [{"rollout_percentage": 10, "apply_at": "tomorrow"}]}]', 'steps at no time'),
  ('[{"layer": "global", "key": "theme", "value": "dark", "rollout_steps": [{"rollout_percentage": 10, "apply_at": "0000-01-01T00:00:00Z"}]}]', 'steps in a year that is none'),
  ('[{"layer": "global", "key": "theme", "value": "dark", "rollout_steps": [{"rollout_percentage": 10, "apply_at": "2099-01-01T00:00:00+23:59"}]}]', 'steps in a zone that is none'),
  ('[{"layer": "global", "key": "theme", "value": "dark", "rollout_steps": [{"rollout_percentage": 10.5}]}]', 'half a percent'),
  ('[{"layer": "global", "key": "theme", "value": "dark", "rollout_steps": []}]', 'no steps'),
  ('[{"layer": "global", "key": "theme", "value": "dark", "rollout_steps": [{"rollout_percentage": 10}, {"rollout_percentage": 20}]}]', 'two steps at once'),
  ('[{"layer": "plan", "plan": "bootstrapper", "key": "theme", "value": "dark", "rollout_steps": [{"rollout_percentage": 10}]}]', 'steps of a plan')
) as c (changes, why);

select lives_ok(
  $$ select attune.create_change_set('A', '[{"layer": "global", "key": "theme", "value": "dark", "rollout_steps": [{"rollout_percentage": 10.0}]}]') $$,
  '10.0 is a whole number'
);

-- Who is in stays in
select tests.authenticate_as('grace@example.com');
select from attune.set_global_setting('limits', '{"daily": 20}', rollout_percentage => 60);
select tests.throws_reason(format('select attune.plan_rollout(''limits'', %L, %L)', steps, value), 'PT422', 'invalid_rollout_steps', 'refused: ' || why)
from (values
  ('{"(2099-01-01,10)"}', null, 'a smaller share later'), ('{"(,10)","(2099-01-01,100)"}', null, 'a smaller share at once'),
  ('{"(2099-01-01,10)"}', '{"daily": 20}', 'a smaller share of the value that is there'), ('{"(,59)"}', '{}', 'of a patch that changes nothing')
) as c (steps, value, why);
select tests.throws_reason(
  $$ select attune.create_change_set('A', '[{"layer": "global", "key": "limits", "rollout_steps": [{"rollout_percentage": 10}]}]') $$,
  'PT422', 'invalid_change_set', 'nor by a change set'
);
select from attune.plan_rollout('limits', '{"(2099-01-01,60)","(2099-01-02,100)"}', '{"daily": 20}');
select is((select rollout_percentage from present where key = 'limits'), 60, 'who has the value keeps it until the first step');
select from attune.plan_rollout('limits', '{"(2099-01-01,10)"}', '{"daily": 30}');
select is((select rollout_percentage from present where key = 'limits'), 0, 'another value begins anew');
select from attune.set_global_setting('limits', rollout_percentage => 100, is_active => false);
select lives_ok($$ select attune.plan_rollout('limits', '{"(2099-01-01,10)"}') $$, 'so does one that applied to nobody');

-- An approval that did not count
select from attune.set_global_setting('none', '1', rollout_percentage => 0);
truncate pg_temp.sets;
insert into sets select (attune.create_change_set('Slowly', '[{"layer": "global", "key": "none", "rollout_steps": [{"rollout_percentage": 10}, {"apply_at": "2099-01-01T00:00:00Z", "rollout_percentage": 50}]}]')).id;
select tests.authenticate_as('heidi@example.com');
select from attune.approve_change_set((select id from sets), (select updated_at from attune.change_sets where id = (select id from sets)));
select tests.reset_role();
update attune.users set is_admin = false where email = 'heidi@example.com';
select tests.authenticate_as('grace@example.com');
select from attune.apply_change_set((select id from sets));
select results_eq(
  'select status::text, approved_by, approved_at from attune.change_sets where id = (select id from sets)', $$ values ('applied', null::uuid, null::timestamptz) $$,
  'of somebody who is no administrator any more is not kept'
);
update attune.setting_definitions set is_protected = true where key = 'none';
select pg_temp.make_due('none');
select is(pg_temp.due(), 1, 'a step of such a set');
select results_eq(
  $$ select status, reason, rollout_percentage from present where key = 'none' $$, $$ values ('failed'::attune.rollout_status, 'setting_protected', 10) $$,
  'is not taken once the setting is protected'
);

-- It follows its setting
select tests.authenticate_as('grace@example.com');
select from attune.plan_rollout('theme', pg_temp.steps(10, 20), '"dark"');
select from attune.rename_setting('theme', 'look');
select results_eq($$ select key, status from attune.rollouts where key in ('theme', 'look') $$, $$ values ('look', 'running'::attune.rollout_status) $$, 'a rollout follows a setting that is renamed');
select from attune.apply_definitions('{"$id": "test", "type": "object", "properties": {"banner": {"type": "boolean", "default": false}, "none": {"type": "integer"}}}', stored_values => 'discard');
select is_empty($$ select from attune.rollouts where key = 'look' $$, 'and goes with one that is removed');

select throws_ok(sql, '42501', 'permission denied for table ' || t, 'an administrator cannot ' || sql)
from (values ('rollouts', 'update attune.rollouts set status = ''running'''), ('rollouts', 'delete from attune.rollouts'), ('rollout_steps', 'insert into attune.rollout_steps (key) values (''x'')'), ('rollout_steps', 'update attune.rollout_steps set apply_at = now()')) as v (t, sql);
select tests.authenticate_as_anon();
select tests.throws_reason($$ select attune.plan_rollout('banner', '{}') $$, '42501', 'not_signed_in', 'nobody plans nothing');
select throws_ok('select from attune.rollouts', '42501', 'permission denied for table rollouts', 'nobody sees none');
select tests.authenticate_as_service_role();
select isnt_empty('select from attune.rollouts', 'a trusted server sees them');
select tests.reset_role();
select is_empty('select from attune_private.planned_writes', 'nothing of it is left');

select * from finish();
rollback;
