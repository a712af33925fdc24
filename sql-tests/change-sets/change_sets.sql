-- Several changes under one title: who may, what is refused, approval, base, time, preview.
begin;
select no_plan();

select tests.create_user('ada@example.com');
select tests.create_user('grace@example.com', is_admin => true), tests.create_user('heidi@example.com', is_admin => true), tests.create_user('ivan@example.com', is_admin => true);
insert into attune.plans (name, title) values ('pro', 'Pro');
insert into attune.teams (id, name) values ('00000000-0000-4000-8000-00000000000a', 'Team');

select from attune.apply_definitions($$ {
  "$id": "test", "type": "object",
  "properties": {
    "theme": {"type": "string", "default": "light"},
    "size": {"type": "integer", "default": 10, "maximum": 100},
    "limits": {"type": "object", "default": {"daily": 10}, "properties": {"daily": {"type": "integer"}, "hourly": {"type": "integer"}}},
    "fixed": {"type": "integer", "default": 1, "x-attune": {"layer": "default"}}
  }
} $$);

create function pg_temp.made(title text default 'A set', changes jsonb default '[{"layer": "global", "key": "theme", "value": "dark"}]', apply_at timestamptz default null, needs_approval boolean default false)
returns uuid language sql as $$ select (attune.create_change_set(title, changes, null, apply_at, needs_approval)).id $$;
create function pg_temp.version(id uuid) returns timestamptz language sql security definer
  as $$ select c.updated_at from attune.change_sets as c where c.id = version.id $$;
create function pg_temp.latest() returns uuid language sql security definer
  as $$ select c.id from attune.change_sets as c order by c.created_at desc, c.updated_at desc, c.id limit 1 $$;
grant execute on all functions in schema pg_temp to public;
create temp table sets (name text primary key, id uuid);
grant all on sets to public;
create function pg_temp.set_of(name text) returns uuid language sql as $$ select s.id from pg_temp.sets as s where s.name = set_of.name $$;

-- Who may

insert into sets values ('nobody', gen_random_uuid());
select tests.authenticate_as('ada@example.com');
select tests.throws_reason(call, '42501', 'admin_required', 'a user cannot call ' || call)
from (values
  ($$ select attune.create_change_set('A', '[]') $$), ($$ select attune.update_change_set(pg_temp.set_of('nobody')) $$),
  ($$ select attune.add_to_change_set(pg_temp.set_of('nobody'), '[]') $$), ($$ select attune.remove_from_change_set(pg_temp.set_of('nobody'), 1) $$),
  ($$ select attune.schedule_change_set(pg_temp.set_of('nobody'), now()) $$), ($$ select attune.approve_change_set(pg_temp.set_of('nobody'), now()) $$),
  ($$ select attune.reject_change_set(pg_temp.set_of('nobody')) $$), ($$ select attune.cancel_change_set(pg_temp.set_of('nobody')) $$),
  ($$ select attune.refresh_change_set(pg_temp.set_of('nobody')) $$), ($$ select attune.preview_change_set(pg_temp.set_of('nobody')) $$),
  ($$ select attune.apply_change_set(pg_temp.set_of('nobody')) $$)
) as c (call);
select throws_ok('select attune.apply_due_changes()', '42501', 'permission denied for function apply_due_changes', 'a user cannot apply what is due');

select tests.authenticate_as('grace@example.com');
select throws_ok('select attune.apply_due_changes()', '42501', 'permission denied for function apply_due_changes', 'nor can an administrator');
select tests.throws_reason(call, 'PT404', 'unknown_change_set', 'an administrator is told that there is no set for ' || call)
from (values
  ($$ select attune.update_change_set(pg_temp.set_of('nobody')) $$), ($$ select attune.approve_change_set(null, null) $$),
  ($$ select attune.preview_change_set(pg_temp.set_of('nobody')) $$), ($$ select attune.apply_change_set(null) $$)
) as c (call);

-- Proposing

insert into sets values ('first', pg_temp.made('  Dark  ', '[
  {"layer": "global", "key": "theme", "value": "dark", "is_enforced": true, "rollout_percentage": 100},
  {"layer": "plan", "plan": "pro", "key": "size", "value": 20},
  {"layer": "team", "team_id": "00000000-0000-4000-8000-00000000000A", "key": "limits", "value": {"hourly": 1}}
]'));
select results_eq(
  $$ select title, status, needs_approval, created_by = attune.current_user_id(), contributors = array[attune.current_user_id()] from attune.change_sets $$,
  $$ values ('Dark', 'proposed'::attune.change_set_status, false, true, true) $$,
  'an administrator proposes a change set'
);
select results_eq(
  $$ select position, layer::text, scope, key, value, is_enforced, rollout_percentage, base from attune.change_set_items order by position $$,
  $$ values
    (1, 'global', null, 'theme', '"dark"'::jsonb, true, 100, null::jsonb),
    (2, 'plan', 'pro', 'size', '20', null, null, null),
    (3, 'team', '00000000-0000-4000-8000-00000000000a', 'limits', '{"hourly": 1}', null, null, null) $$,
  'its changes are kept, with what they were written for'
);
select results_eq(
  $$
    select key, operation, new_value, new_attributes -> 'scope', actor_id = attune.current_user_id() from attune.configuration_audit_log
    where subject = 'change_set' and scope = (select id::text from attune.change_sets) order by id
  $$,
  $$ values
    ('theme', 'INSERT'::attune.audit_operation, '"dark"'::jsonb, 'null'::jsonb, true),
    ('size', 'INSERT', '20', '"pro"', true),
    ('limits', 'INSERT', '{"hourly": 1}', '"00000000-0000-4000-8000-00000000000a"', true) $$,
  'and the audit log has each'
);
select is_empty('select from attune.global_settings where key = ''theme''', 'nothing is changed yet');
select is_empty('select from attune.plan_settings where key = ''size''', 'for no plan either');

select tests.throws_reason(format('select attune.create_change_set(%L, %L, %L, %L)', title, changes, reason, apply_at), 'PT422', wanted, 'refused: ' || why)
from (values
  (null, '[{"layer": "global", "key": "theme", "value": "dark"}]', null, null, 'title_required', 'no title'),
  (' ', '[{"layer": "global", "key": "theme", "value": "dark"}]', null, null, 'title_required', 'a blank title'),
  (repeat('x', 201), '[{"layer": "global", "key": "theme", "value": "dark"}]', null, null, 'too_large', 'a long title'),
  ('A', '[{"layer": "global", "key": "theme", "value": "dark"}]', repeat('x', 1001), null, 'too_large', 'a long reason'),
  ('A', '[{"layer": "global", "key": "theme", "value": "dark"}]', null, 'infinity', 'invalid_apply_at', 'never'),
  ('A', null, null, null, 'invalid_change_set', 'no changes'), ('A', '[]', null, null, 'invalid_change_set', 'an empty list'),
  ('A', '{}', null, null, 'invalid_change_set', 'no list'), ('A', '[1]', null, null, 'invalid_change_set', 'no change'),
  ('A', '[{"layer": "user", "key": "theme", "value": 1}]', null, null, 'invalid_change_set', 'a layer of users'),
  ('A', '[{"layer": "global", "key": "theme", "valeu": 1}]', null, null, 'invalid_change_set', 'a member that there is not'),
  ('A', '[{"layer": "plan", "key": "theme", "value": "dark"}]', null, null, 'invalid_change_set', 'no plan'),
  ('A', '[{"layer": "team", "key": "theme", "value": "dark"}]', null, null, 'invalid_change_set', 'no team'),
  ('A', '[{"layer": "global", "plan": "pro", "key": "theme", "value": "dark"}]', null, null, 'invalid_change_set', 'a plan for everybody'),
  ('A', '[{"layer": "plan", "plan": "pro", "key": "theme", "value": "dark", "rollout_percentage": 1}]', null, null, 'invalid_change_set', 'a rollout of a plan'),
  ('A', '[{"layer": "global", "key": "theme", "is_reset": true, "value": "dark"}]', null, null, 'invalid_change_set', 'a reset with a value'),
  ('A', '[{"layer": "global", "key": "theme", "value": "a"}, {"layer": "global", "key": "theme", "value": "b"}]', null, null, 'invalid_change_set', 'a value twice'),
  ('A', '[{"layer": "global", "key": "NOPE", "value": 1}]', null, null, 'invalid_change_set', 'an unknown setting'),
  ('A', '[{"layer": "plan", "plan": "nope", "key": "theme", "value": "dark"}]', null, null, 'invalid_change_set', 'an unknown plan'),
  ('A', '[{"layer": "global", "key": "theme", "value": 1}]', null, null, 'invalid_change_set', 'a bad value'),
  ('A', '[{"layer": "global", "key": "fixed", "value": 2}]', null, null, 'invalid_change_set', 'a layer that the setting has not'),
  ('A', (select jsonb_agg(jsonb_build_object('layer', 'global', 'key', 'k' || n, 'value', 1))::text from generate_series(1, 201) as n), null, null, 'invalid_change_set', 'too many')
) as c (title, changes, reason, apply_at, wanted, why);
select is(
  tests.message_of($$ select attune.create_change_set('A', '[
    {"layer": "global", "key": "NOPE", "value": 1}, {"layer": "global", "key": "theme", "value": "dark"}, {"layer": "plan", "plan": "pro", "key": "size", "value": 101}
  ]') $$),
  'The changes cannot be made: NOPE: There is no setting ''NOPE''; size: must be <= 100',
  'all problems are told at once'
);
select is((select count(*) from attune.change_sets), 1::bigint, 'what is refused leaves nothing');

-- Applying

select set_eq(
  $$ select key, previous_value, new_value from attune.preview_change_set(pg_temp.set_of('first')) where key = 'theme' $$,
  $$ values ('theme', '"light"'::jsonb, '"dark"'::jsonb) $$,
  'a preview says who would see what'
);
select is_empty('select from attune.global_settings where key = ''theme''', 'a preview changes nothing');

select results_eq(
  $$ select status, closed_by = attune.current_user_id(), transaction_id = pg_current_xact_id() from attune.apply_change_set(pg_temp.set_of('first')) $$,
  $$ values ('applied'::attune.change_set_status, true, true) $$,
  'an administrator applies it'
);
select results_eq(
  $$
    select 'global', value, is_enforced, rollout_percentage from attune.global_settings where key = 'theme'
    union all select plan, value, is_enforced, null from attune.plan_settings where key = 'size'
    union all select 'team', value, is_enforced, null from attune.team_settings where key = 'limits'
  $$,
  $$ values ('global', '"dark"'::jsonb, true, 100), ('pro', '20', false, null), ('team', '{"hourly": 1}', false, null) $$,
  'its changes are made'
);
select results_eq(
  $$ select l.key, l.reason from attune.change_sets as c cross join attune.change_sets_applied_changes(c) as l where c.id = pg_temp.set_of('first') order by l.id $$,
  $$ values ('theme', 'Dark'), ('size', 'Dark'), ('limits', 'Dark') $$,
  'the audit log has them with its title, from broad to narrow'
);
select is(nullif(current_setting('attune.change_reason', true), ''), null, 'the reason is not that of what comes after it');
select results_eq(
  $$ select previous_value, new_value, actor_id = attune.current_user_id() from attune.configuration_audit_log where subject = 'change_set' and key = pg_temp.set_of('first')::text order by id $$,
  $$ values (null::jsonb, '"proposed"'::jsonb, true), ('"proposed"', '"applied"', true) $$,
  'what became of a change set is in the audit log'
);
select tests.throws_reason(call, 'PT409', 'change_set_closed', 'what was applied is closed to ' || call)
from (values
  ($$ select attune.update_change_set(pg_temp.set_of('first')) $$), ($$ select attune.apply_change_set(pg_temp.set_of('first')) $$),
  ($$ select attune.cancel_change_set(pg_temp.set_of('first')) $$), ($$ select attune.approve_change_set(pg_temp.set_of('first'), now()) $$)
) as c (call);

-- What is not mentioned stays, and a reset drops
insert into sets values ('second', pg_temp.made('Second', '[
  {"layer": "global", "key": "theme", "rollout_percentage": 100},
  {"layer": "plan", "plan": "pro", "key": "size", "is_reset": true},
  {"layer": "team", "team_id": "00000000-0000-4000-8000-00000000000a", "key": "limits", "value": {"daily": 5}},
  {"layer": "default", "key": "size", "value": 11}
]'));
select from attune.apply_change_set(pg_temp.set_of('second'));
select results_eq(
  $$
    select 'global', value, is_enforced, rollout_percentage from attune.global_settings where key = 'theme'
    union all select plan, value, is_enforced, null from attune.plan_settings where key = 'size'
    union all select 'team', value, is_enforced, null from attune.team_settings where key = 'limits'
    union all select 'default', default_value, null, null from attune.setting_definitions where key = 'size'
  $$,
  $$ values ('global', '"dark"'::jsonb, true, 100), ('team', '{"daily": 5, "hourly": 1}', false, null), ('default', '11', null, null) $$,
  'what is not mentioned stays, an object is merged, a reset drops, a default changes'
);

-- A base that has changed

insert into sets values ('stale', pg_temp.made('Stale', '[
  {"layer": "global", "key": "theme", "value": "blue"}, {"layer": "global", "key": "size", "value": 7}, {"layer": "global", "key": "limits", "value": {"daily": 7}}
]'));
select from attune.set_global_setting('theme', '"red"');
select from attune.set_global_setting('size', '8');
select tests.throws_reason($$ select attune.apply_change_set(pg_temp.set_of('stale')) $$, 'PT409', 'base_changed', 'a set is refused whose base has changed');
select is(
  tests.message_of($$ select attune.apply_change_set(pg_temp.set_of('stale')) $$),
  'What is stored is no longer what the changes were written for: theme (global was changed since), size (global was set since)',
  'each of them is named'
);
select is_empty('select from attune.global_settings where key = ''limits''', 'and nothing is changed');
select from attune.add_to_change_set(pg_temp.set_of('stale'), '[{"layer": "plan", "plan": "pro", "key": "theme", "value": "blue"}]');
select tests.throws_reason($$ select attune.apply_change_set(pg_temp.set_of('stale')) $$, 'PT409', 'base_changed', 'adding to it is no look at what it had before');
select from attune.remove_from_change_set(pg_temp.set_of('stale'), 4);
select tests.throws_reason($$ select attune.apply_change_set(pg_temp.set_of('stale')) $$, 'PT409', 'base_changed', 'nor is taking out of it');
select tests.authenticate_as('heidi@example.com');
select tests.throws_reason($$ select attune.approve_change_set(pg_temp.set_of('stale'), pg_temp.version(pg_temp.set_of('stale'))) $$, 'PT409', 'base_changed', 'nor is it approved');
select tests.authenticate_as('grace@example.com');
select from attune.reset_global_setting('size');
select from attune.set_global_setting('theme', '"dark"');
savepoint same;
select is((attune.apply_change_set(pg_temp.set_of('stale'))).status, 'applied', 'what is as it was again is no other');
rollback to savepoint same;
select from attune.set_global_setting('theme', '"red"');
select is((attune.refresh_change_set(pg_temp.set_of('stale'))).status, 'proposed', 'a refreshed set takes what is stored now');
select is((attune.apply_change_set(pg_temp.set_of('stale'))).status, 'applied', 'and can be applied');
select is((select value from attune.global_settings where key = 'theme'), '"blue"', 'so that its value is there');

-- Editing

insert into sets values ('edited', pg_temp.made('Edited'));
select tests.throws_reason(
  format('select attune.update_change_set(pg_temp.set_of(''edited''), title => ''B'', expected_updated_at => %L)', pg_temp.version(pg_temp.set_of('edited')) - interval '1 second'),
  'PT409', 'changed_meanwhile', 'a set that was changed since it was read is not changed'
);
select results_eq(
  $$ select title, reason, needs_approval from attune.update_change_set(pg_temp.set_of('edited'), title => 'B', reason => 'Because', expected_updated_at => pg_temp.version(pg_temp.set_of('edited'))) $$,
  $$ values ('B', 'Because', false) $$, 'what is mentioned is changed'
);
select results_eq(
  $$ select title, reason, needs_approval from attune.update_change_set(pg_temp.set_of('edited'), reason => '', needs_approval => true) $$,
  $$ values ('B', null, true) $$, 'an empty reason is none'
);
select from attune.add_to_change_set(pg_temp.set_of('edited'), '[{"layer": "global", "key": "size", "value": 1}, {"layer": "global", "key": "theme", "value": "pink"}]');
select results_eq(
  $$ select position, key, value from attune.change_set_items where change_set_id = pg_temp.set_of('edited') order by 1 $$,
  $$ values (1, 'size', '1'::jsonb), (2, 'theme', '"pink"') $$,
  'changes are added, in place of those for the same values'
);
select from attune.remove_from_change_set(pg_temp.set_of('edited'), 1);
select results_eq(
  $$ select position, key from attune.change_set_items where change_set_id = pg_temp.set_of('edited') $$, $$ values (1, 'theme') $$,
  'one is taken out, and those behind it move up'
);
select tests.throws_reason($$ select attune.remove_from_change_set(pg_temp.set_of('edited'), 1) $$, 'PT422', 'invalid_change_set', 'the last is not taken out');
select from attune.update_change_set(pg_temp.set_of('edited'), changes => '[{"layer": "global", "key": "size", "value": 2}]');
select results_eq(
  $$ select position, key from attune.change_set_items where change_set_id = pg_temp.set_of('edited') $$, $$ values (1, 'size') $$,
  'the list is replaced'
);
select from unnest(array[2, 3, 2]) as n
cross join attune.update_change_set(
  pg_temp.set_of('edited'), changes => jsonb_build_array(jsonb_build_object('layer', 'global', 'key', 'size', 'value', n))
);
select results_eq(
  $$ select key, operation, previous_value, new_value from attune.configuration_audit_log where scope = pg_temp.set_of('edited')::text order by id offset 1 $$,
  $$ values
    ('theme', 'DELETE'::attune.audit_operation, '"dark"'::jsonb, null::jsonb), ('size', 'INSERT', null, '1'), ('theme', 'INSERT', null, '"pink"'),
    ('size', 'DELETE', '1', null), ('theme', 'DELETE', '"pink"', null), ('theme', 'INSERT', null, '"pink"'),
    ('theme', 'DELETE', '"pink"', null), ('size', 'INSERT', null, '2'),
    ('size', 'UPDATE', '2', '3'), ('size', 'UPDATE', '3', '2') $$,
  'the audit log has what came, went and changed, and nothing of what stayed'
);
select tests.throws_reason($$ select attune.add_to_change_set(pg_temp.set_of('edited'), '[{"layer": "global", "key": "theme", "value": 1}]') $$, 'PT422', 'invalid_change_set', 'what is added is judged');
select tests.throws_reason($$ select attune.schedule_change_set(pg_temp.set_of('edited'), '-infinity') $$, 'PT422', 'invalid_apply_at', 'no time is no time');

-- Approval

select tests.throws_reason($$ select attune.apply_change_set(pg_temp.set_of('edited')) $$, '42501', 'approval_required', 'what needs approval is not applied without');
select tests.throws_reason($$ select attune.approve_change_set(pg_temp.set_of('edited'), pg_temp.version(pg_temp.set_of('edited'))) $$, '42501', 'own_change_set', 'the author cannot approve');
select tests.authenticate_as('heidi@example.com');
select tests.throws_reason($$ select attune.approve_change_set(pg_temp.set_of('edited'), null) $$, 'PT409', 'changed_meanwhile', 'what was not read is not approved');
select results_eq(
  $$ select status, approved_by = attune.current_user_id() from attune.approve_change_set(pg_temp.set_of('edited'), pg_temp.version(pg_temp.set_of('edited'))) $$,
  $$ values ('approved'::attune.change_set_status, true) $$, 'another administrator approves'
);
-- Whatever is changed withdraws it
create temp table edits (edit text);
insert into edits values
  ($$ attune.update_change_set(pg_temp.set_of('edited'), title => 'C') $$), ($$ attune.update_change_set(pg_temp.set_of('edited')) $$),
  ($$ attune.update_change_set(pg_temp.set_of('edited'), changes => '[{"layer": "global", "key": "size", "value": 3}]') $$),
  ($$ attune.add_to_change_set(pg_temp.set_of('edited'), '[{"layer": "global", "key": "theme", "value": "white"}]') $$),
  ($$ attune.schedule_change_set(pg_temp.set_of('edited'), now() + interval '1 day') $$),
  ($$ attune.refresh_change_set(pg_temp.set_of('edited')) $$);
grant select on edits to public;
create function pg_temp.status_after(edit text) returns text language plpgsql as $$
declare
  result text;
begin
  execute 'select s.status from ' || edit || ' as s' into result;
  raise exception using errcode = 'AT000', message = result;
exception when sqlstate 'AT000' then
  return sqlerrm;
end $$;
grant execute on function pg_temp.status_after(text) to public;
select is(pg_temp.status_after(edit), 'proposed', 'an approval is withdrawn by ' || edit) from edits;
savepoint contributed;
select from attune.add_to_change_set(pg_temp.set_of('edited'), '[{"layer": "global", "key": "theme", "value": "white"}]');
select tests.throws_reason($$ select attune.approve_change_set(pg_temp.set_of('edited'), pg_temp.version(pg_temp.set_of('edited'))) $$, '42501', 'own_change_set', 'who added to it cannot approve either');
select tests.authenticate_as('grace@example.com');
select from attune.update_change_set(pg_temp.set_of('edited'), changes => '[{"layer": "global", "key": "size", "value": 3}]');
select tests.authenticate_as('heidi@example.com');
select tests.throws_reason($$ select attune.approve_change_set(pg_temp.set_of('edited'), pg_temp.version(pg_temp.set_of('edited'))) $$, '42501', 'own_change_set', 'even when the author was the last');
select tests.authenticate_as('ivan@example.com');
select is((attune.approve_change_set(pg_temp.set_of('edited'), pg_temp.version(pg_temp.set_of('edited')))).status, 'approved', 'a third can');
rollback to savepoint contributed;

savepoint demoted;
select tests.reset_role();
update attune.users set is_admin = false where email = 'heidi@example.com';
select tests.authenticate_as('grace@example.com');
select tests.throws_reason($$ select attune.apply_change_set(pg_temp.set_of('edited')) $$, '42501', 'approval_required', 'who is no administrator any more has not approved');
rollback to savepoint demoted;

select tests.authenticate_as_service_role();
select tests.throws_reason($$ select attune.approve_change_set(pg_temp.set_of('edited'), pg_temp.version(pg_temp.set_of('edited'))) $$, '42501', 'own_change_set', 'a trusted server that is nobody cannot approve');
select tests.authenticate_as('grace@example.com');
select is((attune.apply_change_set(pg_temp.set_of('edited'))).status, 'applied', 'what was approved is applied, by its author, too');

-- Saying no

insert into sets values ('rejected', pg_temp.made()), ('cancelled', pg_temp.made());
select tests.authenticate_as('heidi@example.com');
select results_eq($$ select status, note, closed_by = attune.current_user_id() from attune.reject_change_set(pg_temp.set_of('rejected'), 'Not now') $$, $$ values ('rejected'::attune.change_set_status, 'Not now', true) $$, 'an administrator rejects a set');
select results_eq($$ select status, note from attune.cancel_change_set(pg_temp.set_of('cancelled')) $$, $$ values ('cancelled'::attune.change_set_status, null) $$, 'or cancels it');
select tests.throws_reason(format('select attune.apply_change_set(pg_temp.set_of(%L))', name), 'PT409', 'change_set_closed', name || ' is closed') from (values ('rejected'), ('cancelled')) as v (name);

-- At a time

insert into sets values
  ('later', pg_temp.made('Later', apply_at => now() + interval '1 day')),
  ('due', pg_temp.made('Due', '[{"layer": "global", "key": "limits", "value": {"daily": 9}}]', now() - interval '1 minute')),
  ('unapproved', pg_temp.made('Unapproved', '[{"layer": "global", "key": "size", "value": 66}]', now() - interval '1 minute', true)),
  ('broken', pg_temp.made('Broken', '[{"layer": "plan", "plan": "pro", "key": "size", "value": 5}]', now() - interval '2 minutes'));
select tests.authenticate_as_service_role();
select from attune.set_plan_setting('pro', 'size', '6');
select is(attune.apply_due_changes(), 3, 'what is due is dealt with');
select is(attune.apply_due_changes(), 0, 'once');
select results_eq(
  $$ select title, status, (failure).reason, apply_at is null from attune.change_sets where id in (pg_temp.set_of('later'), pg_temp.set_of('due'), pg_temp.set_of('unapproved'), pg_temp.set_of('broken')) order by title $$,
  $$ values
    ('Broken', 'failed'::attune.change_set_status, 'base_changed', true), ('Due', 'applied', null, false),
    ('Later', 'proposed', null, false), ('Unapproved', 'failed', 'approval_required', true) $$,
  'what cannot be applied says why, and holds up nothing'
);
select is((select value from attune.global_settings where key = 'limits'), '{"daily": 9}', 'what was due is stored');
select results_eq(
  $$ select l.acted_as, l.reason, c.closed_by from attune.change_sets as c cross join attune.change_sets_applied_changes(c) as l where c.title = 'Due' and l.reason = 'Due' $$,
  $$ values ('service'::attune.audit_actor, 'Due', null::uuid) $$, 'the audit log says which set it was'
);
select tests.reset_role();
delete from attune.global_settings where key = 'size';
select tests.authenticate_as('grace@example.com');
insert into sets values
  ('reset', pg_temp.made('Reset', '[{"layer": "global", "key": "size", "is_reset": true}]', now() - interval '2 minutes')),
  ('set', pg_temp.made('Set', '[{"layer": "global", "key": "size", "value": 5}]', now() - interval '1 minute'));
select tests.authenticate_as_service_role();
select is(attune.apply_due_changes(), 2, 'two sets are applied in one transaction');
select results_eq(
  $$
    select c.title, l.key, l.new_value
    from attune.change_sets as c
    left join lateral attune.change_sets_applied_changes(c) as l on true
    where c.id in (pg_temp.set_of('reset'), pg_temp.set_of('set'))
    order by 1
  $$,
  $$ values ('Reset', null::text, null::jsonb), ('Set', 'size', '5') $$,
  'and each has its own changes'
);
select tests.throws_reason('select attune.apply_due_changes(0)', 'PT422', 'invalid_batch_size', 'none at a time is refused');
select tests.authenticate_as('grace@example.com');
select is((attune.refresh_change_set(pg_temp.set_of('broken'))).failure, null, 'what failed can be mended');
select is((attune.apply_change_set(pg_temp.set_of('broken'))).status, 'applied', 'and applied');

-- A setting that is renamed
insert into sets values ('renamed', pg_temp.made('Renamed', '[{"layer": "global", "key": "limits", "value": {"daily": 1}}]'));
select from attune.rename_setting('limits', 'allowances');
select is((attune.apply_change_set(pg_temp.set_of('renamed'))).status, 'applied', 'changes follow a setting that is renamed');
select is((select value from attune.global_settings where key = 'allowances'), '{"daily": 1}', 'to its new key');
select is((select count(*) from attune.change_set_items where key = 'limits') > 0, true, 'and what was applied stays as it was');

-- What nobody may
select throws_ok(sql, '42501', 'permission denied for table ' || t, 'an administrator cannot ' || sql)
from (values
  ('change_sets', 'update attune.change_sets set status = ''approved'''), ('change_sets', 'insert into attune.change_sets (title) values (''x'')'),
  ('change_sets', 'delete from attune.change_sets'), ('change_set_items', 'update attune.change_set_items set value = ''1'''), ('change_set_items', 'delete from attune.change_set_items')
) as v (t, sql);
select tests.authenticate_as('ada@example.com');
select is_empty('select from attune.change_sets', 'a user sees no change sets');
select is_empty('select from attune.change_set_items', 'nor their changes');
select tests.authenticate_as_anon();
select tests.throws_reason($$ select attune.create_change_set('A', '[]') $$, '42501', 'not_signed_in', 'nobody proposes nothing');
select throws_ok('select from attune.change_sets', '42501', 'permission denied for table change_sets', 'nobody sees none');
select tests.authenticate_as_service_role();
select isnt_empty('select from attune.change_sets', 'a trusted server sees them');
select tests.reset_role();
select tests.throws_reason('delete from attune.change_sets', '42501', 'append_only', 'the owner deletes none');

-- A thousand at most
insert into attune.change_sets (title, needs_approval, contributors) select 'x', false, '{}' from generate_series(1, 1000);
select tests.authenticate_as('grace@example.com');
select tests.throws_reason($$ select attune.create_change_set('A', '[{"layer": "global", "key": "theme", "value": "dark"}]') $$, 'PT422', 'too_many_change_sets', 'there is a limit to open ones');

select * from finish();
rollback;
