-- What administrators choose for everybody: who may, what is refused, locks, and settings that are global only.
begin;
select no_plan();

select tests.create_user('ada@example.com'), tests.create_user('bob@example.com');
select tests.create_user('admin@example.com', is_admin => true);

select from attune.apply_definitions($$ {
  "$id": "test", "type": "object",
  "properties": {
    "theme": {"type": "string", "default": "light"},
    "limits": {
      "type": "object", "default": {"daily": 10},
      "properties": {"daily": {"type": "integer", "maximum": 100}, "hourly": {"type": "integer"}}, "additionalProperties": false
    },
    "note": {"type": ["string", "null"], "default": "none", "x-attune": {"layer": "global"}},
    "fixed": {"type": "integer", "default": 1, "x-attune": {"layer": "default"}},
    "for_plans": {"type": "integer", "default": 1, "x-attune": {"layer": "team"}}
  }
} $$);

-- Any user

select tests.authenticate_as('ada@example.com');

select tests.throws_reason(
  call, '42501', 'admin_required', 'a user cannot call ' || call
)
from (values
  ($$ select attune.set_global_setting('theme', '"dark"') $$), ($$ select attune.set_global_setting('NOPE', '1') $$),
  ($$ select attune.set_global_setting(null, null, null, null) $$), ($$ select attune.reset_global_setting('theme') $$),
  ($$ select attune.set_setting('MODEL_CHOICE', '"mine"') $$)
) as c (call);
select throws_ok(
  $$ insert into attune.global_settings (key, value) values ('theme', '"dark"') $$,
  '42501', 'Only an administrator may do this',
  'a user cannot add a global value'
);

select tests.authenticate_as('admin@example.com');
select from attune.set_global_setting('theme', '"dark"');
select tests.authenticate_as('ada@example.com');

select is_empty('select from attune.global_settings', 'a user cannot read the global layer');
update attune.global_settings set value = '"mine"', is_active = false;
select is((attune.effective_setting('theme')).value, '"dark"', 'a user cannot change a global value');
delete from attune.global_settings;
select is((attune.effective_setting('theme')).layer, 'global', 'a user cannot delete a global value');
select throws_ok(
  'truncate attune.global_settings', '42501', 'permission denied for table global_settings', 'a user cannot truncate the global layer'
);
select results_eq(
  $$ select value, layer, reason, is_enforced, can_edit from attune.effective_setting('theme') $$,
  $$ values ('"dark"'::jsonb, 'global'::attune.setting_layer, 'STATIC'::attune.evaluation_reason, false, true) $$,
  'a user can see what applies to everybody'
);

-- What is global only, whatever a user tries
select tests.throws_reason(call, sqlstate, reason, 'a user cannot override the model by ' || call)
from (values
  ($$ select attune.set_preference('MODEL_CHOICE', '"mine"') $$, 'PT422', 'layer_not_allowed'),
  ($$ select attune.set_preferences('{"MODEL_CHOICE": "mine"}') $$, 'PT422', 'layer_not_allowed'),
  ($$ select attune.set_setting('MODEL_CHOICE', '"mine"') $$, '42501', 'admin_required'),
  ($$ select attune.set_global_setting('MODEL_CHOICE', '"mine"') $$, '42501', 'admin_required'),
  ($$ insert into attune.user_preferences (user_id, key, value) values (attune.current_user_id(), 'MODEL_CHOICE', '"mine"') $$, 'PT422', 'layer_not_allowed')
) as c (call, sqlstate, reason);
select is_empty($$ update attune.setting_definitions set layer = 'user' where key = 'MODEL_CHOICE' returning key $$, 'a user cannot open the model to users');
select results_eq(
  $$ select value, can_edit from attune.effective_setting('MODEL_CHOICE') $$, $$ values ('"gpt-4.1-nano"'::jsonb, false) $$,
  'a user has the model of everybody, and is told that it is not theirs to choose'
);

-- The administrator

select tests.authenticate_as('admin@example.com');

select results_eq(
  $$
    select e.value, e.layer, e.reason, e.is_enforced, e.can_edit
    from attune.set_global_setting('MODEL_CHOICE', '"gpt-5"') as g
    cross join lateral attune.global_settings_effective_setting(g) as e
  $$,
  $$ values ('"gpt-5"'::jsonb, 'global'::attune.setting_layer, 'STATIC'::attune.evaluation_reason, false, true) $$,
  'an administrator can choose for everybody, and is told what applies'
);
select results_eq(
  $$ select value, is_active, is_enforced, rollout_percentage, updated_by, updated_at from attune.global_settings where key = 'MODEL_CHOICE' $$,
  $$ values ('"gpt-5"'::jsonb, true, false, 100, tests.user_id('admin@example.com'), now()) $$,
  'an administrator can read the global layer'
);
select is((attune.global_settings_effective_setting(attune.set_global_setting('note', 'null'))).value, 'null', 'an administrator can choose null for everybody');
select is((attune.effective_setting('note')).layer, 'global', 'null for everybody is a value');
select is((attune.global_settings_effective_setting(attune.set_global_setting('note', null))).value, 'null', 'an administrator can choose null as GraphQL sends it');
select is((attune.global_settings_effective_setting(attune.set_global_setting('USE_RERANKING', 'false'))).value, 'false', 'an administrator can choose false for everybody');
select is(
  (attune.global_settings_effective_setting(attune.set_global_setting('limits', '{"hourly": 5}'))).value, '{"daily": 10, "hourly": 5}',
  'an administrator can choose a member of an object for everybody'
);
select is(
  (attune.global_settings_effective_setting(attune.set_global_setting('limits', '{"daily": 20}'))).value, '{"daily": 20, "hourly": 5}',
  'an administrator can choose another member, and keeps the first'
);
select is(
  (attune.global_settings_effective_setting(attune.set_global_setting('limits', '{"daily": null}'))).value, '{"daily": 10, "hourly": 5}', 'an administrator can reset a member by null'
);
select is((attune.set_setting('note', '"all"')).value, '"all"', 'an administrator can let a value go where it belongs');
select is((attune.set_setting('for_plans', '2')).layer, 'global', 'an administrator''s value of a layer between goes to everybody');
select is((attune.set_setting('theme', '"dim"')).layer, 'user', 'an administrator''s value of a user''s setting is their own');

select throws_ok(
  $$ select attune.set_global_setting('limits', '{"daily": 101}') $$,
  'PT422', 'limits is not valid: /daily: must be <= 100',
  'an administrator cannot choose what the schema does not allow, and is told why'
);
select tests.throws_reason(
  $$ insert into attune.global_settings (key, value) values ('RAG_RESULT_COUNT', '51') $$, 'PT422', 'invalid_value',
  'an administrator cannot store what the schema does not allow by the table'
);
select tests.throws_reason(
  $$ select attune.set_global_setting('fixed', '2') $$, 'PT422', 'layer_not_allowed',
  'an administrator cannot choose for everybody what has nothing but a default'
);
select is((attune.effective_setting('fixed')).can_edit, false, 'an administrator is told so');
select tests.throws_reason(
  format('select attune.set_global_setting(%L, %L)', bad.key, '1'), 'PT404', 'unknown_setting',
  format('an administrator cannot choose for the key %s', coalesce(to_jsonb(bad.key)::text, 'NULL'))
)
from (values ('NOPE'), (''), (null), ('ключ'), ('theme'' or true --')) as bad (key);
select tests.throws_reason($$ select attune.reset_global_setting('NOPE') $$, 'PT404', 'unknown_setting', 'an administrator cannot reset an unknown key');
select tests.throws_reason('select attune.reset_global_setting(null)', 'PT404', 'unknown_setting', 'an administrator cannot reset NULL');
select tests.throws_reason(
  format('select attune.set_global_setting(%L, %L)', 'theme', to_jsonb(repeat('x', 65536))), 'PT422', 'too_large',
  'an administrator cannot store more than 64 KiB'
);
select tests.throws_reason(
  format('select attune.set_global_setting(%L, %L)', 'limits', repeat('{"a":', 65) || '1' || repeat('}', 65)), 'PT422', 'value_too_deep',
  'an administrator cannot nest objects more than 64 levels deep'
);
select throws_ok(
  $$ update attune.global_settings set key = 'theme' where key = 'note' $$, '42501', 'permission denied for table global_settings',
  'an administrator cannot change the key of a value'
);
select throws_ok(
  $$ update attune.global_settings set updated_by = tests.user_id('ada@example.com') $$, '42501', 'permission denied for table global_settings',
  'an administrator cannot say that another wrote it'
);
select throws_ok(
  'truncate attune.global_settings', '42501', 'permission denied for table global_settings',
  'an administrator cannot truncate the global layer'
);

select results_eq(
  $$
    select g.key, g.value, e.layer
    from attune.reset_global_setting('note') as g
    cross join lateral attune.global_settings_effective_setting(g) as e
  $$,
  $$ values ('note', '"all"'::jsonb, 'default'::attune.setting_layer) $$,
  'an administrator can reset a global value, and is told what was there and what applies'
);
select is((attune.reset_global_setting('note')).key, null, 'an administrator can reset what was never set');
select is(
  attune.global_settings_effective_setting(attune.reset_global_setting('note')), null,
  'where nothing was stored, there is no effect to ask for'
);

-- Locks
select is((attune.global_settings_effective_setting(attune.set_global_setting('theme', '"corporate"', is_enforced => true))).value, '"corporate"', 'an administrator can lock a value');
select results_eq(
  $$ select value, layer, reason, is_enforced, can_edit from attune.effective_setting('theme') $$,
  $$ values ('"corporate"'::jsonb, 'global'::attune.setting_layer, 'STATIC'::attune.evaluation_reason, true, false) $$,
  'an administrator''s own choice gives way to the lock'
);
select is((attune.set_setting('limits', '{"daily": 7}')).layer, 'user', 'what is not locked can be chosen');
select from attune.set_global_setting('note', '"locked"', is_enforced => true, rollout_percentage => 50);
select from attune.set_setting('note', '"changed"');
select results_eq(
  $$ select value, is_enforced, rollout_percentage from attune.global_settings where key = 'note' $$,
  $$ values ('"changed"'::jsonb, true, 50) $$,
  'an administrator can change a value by set_setting, and keeps its lock and its rollout'
);
select from attune.set_global_setting('note', '"again"');
select results_eq(
  $$ select is_enforced, rollout_percentage from attune.global_settings where key = 'note' $$, $$ values (true, 50) $$,
  'an administrator who changes the value keeps its lock and its rollout'
);
select from attune.set_global_setting('note', '"again"', is_enforced => null, rollout_percentage => null);
select results_eq(
  $$ select is_enforced, rollout_percentage from attune.global_settings where key = 'note' $$, $$ values (true, 50) $$,
  'an administrator can leave lock and rollout out as GraphQL does'
);
select is((attune.global_settings_effective_setting(attune.set_global_setting('theme', '"free"', is_enforced => false))).value, '"dim"', 'what was ignored comes back when the lock goes');

-- Switched off
select isnt_empty(
  $$ update attune.global_settings set is_active = false, is_enforced = true where key = 'MODEL_CHOICE' returning key $$,
  'an administrator can switch a global value off'
);
select results_eq(
  $$ select value, layer, reason, is_enforced from attune.effective_setting('MODEL_CHOICE') $$,
  $$ values ('"gpt-4.1-nano"'::jsonb, 'default'::attune.setting_layer, 'DISABLED'::attune.evaluation_reason, false) $$,
  'what is switched off neither applies nor locks'
);
select is((attune.global_settings_effective_setting(attune.set_global_setting('MODEL_CHOICE', '"gpt-6"'))).reason, 'DISABLED', 'another value does not switch on again');
select is(
  (attune.global_settings_effective_setting(attune.set_global_setting('MODEL_CHOICE', is_active => true))).value, '"gpt-6"', 'an administrator can switch a global value on again'
);

-- Rollouts
select tests.throws_reason(
  format('select attune.set_global_setting(%L, %L, false, %s)', 'theme', '"x"', bad.share), 'PT422', 'invalid_rollout_percentage',
  format('an administrator cannot roll out to %s percent', bad.share)
)
from (values (-1), (101), (2147483647), (-2147483648)) as bad (share);
select throws_ok(
  $$ update attune.global_settings set rollout_percentage = 101 where key = 'theme' $$,
  '23514', 'new row for relation "global_settings" violates check constraint "global_settings_rollout_percentage_check"',
  'an administrator cannot roll out to 101 percent by the table'
);
select lives_ok($$ select attune.set_global_setting('theme', '"x"', false, 0) $$, 'an administrator can roll out to nobody');

-- A request without a token

select tests.authenticate_as_anon();

select throws_ok(
  'select * from attune.global_settings', '42501', 'permission denied for table global_settings', 'anon cannot read the global layer'
);
select throws_ok(
  $$ insert into attune.global_settings (key, value) values ('theme', '"x"') $$, '42501', 'permission denied for table global_settings',
  'anon cannot add a global value'
);
select throws_ok(
  'update attune.global_settings set is_active = false', '42501', 'permission denied for table global_settings', 'anon cannot change a global value'
);
select throws_ok(
  'delete from attune.global_settings', '42501', 'permission denied for table global_settings', 'anon cannot delete a global value'
);
select throws_ok(
  $$ select attune.set_global_setting('theme', '"x"') $$, '42501', 'Nobody is signed in',
  'anon cannot set a global value'
);
select throws_ok(
  $$ select attune.reset_global_setting('theme') $$, '42501', 'Nobody is signed in',
  'anon cannot reset a global value'
);

-- The trusted server

select tests.authenticate_as_service_role();

select is((attune.global_settings_effective_setting(attune.set_global_setting('RAG_RESULT_COUNT', '10'))).value, '10', 'service_role can choose for everybody');
select results_eq(
  $$ select key, value, can_edit from attune.effective_settings('rag_strategy') where key in ('RAG_RESULT_COUNT', 'MODEL_CHOICE') order by key $$,
  $$ values ('MODEL_CHOICE', '"gpt-6"'::jsonb, true), ('RAG_RESULT_COUNT', '10', true) $$,
  'service_role can read what applies to everybody, and edit it'
);
select is(
  (select can_edit from attune.effective_setting('theme')), false, 'service_role, being no user, cannot edit what is for users to choose'
);
select is((select updated_by from attune.global_settings where key = 'RAG_RESULT_COUNT'), null, 'what service_role wrote was written by no user');
select is((attune.set_setting('RAG_RESULT_COUNT', '11')).value, '11', 'service_role can let a value go where it belongs');
select tests.throws_reason(
  $$ select attune.set_setting('theme', '"x"') $$, '42501', 'not_signed_in', 'service_role cannot let a user''s value go where it belongs'
);
select tests.throws_reason(
  $$ select attune.set_global_setting('RAG_RESULT_COUNT', '51') $$, 'PT422', 'invalid_value',
  'service_role cannot choose what the schema does not allow'
);
select is((attune.reset_global_setting('RAG_RESULT_COUNT')).value, '11', 'service_role can reset a global value');
select isnt_empty('delete from attune.global_settings where key = ''theme'' returning key', 'service_role can delete a global value');

-- The owner of the schema

select tests.reset_role();
select is((attune.global_settings_effective_setting(attune.set_global_setting('RAG_RESULT_COUNT', '12'))).value, '12', 'the owner can choose for everybody');
select tests.throws_reason(
  'truncate attune.global_settings', '42501', 'append_only', 'the owner cannot truncate the global layer, which would not be audited'
);
select tests.throws_reason(
  $$ update attune.global_settings set key = 'fixed' where key = 'RAG_RESULT_COUNT' $$, 'PT422', 'layer_not_allowed',
  'the owner cannot move a value to a key that does not allow it'
);

select * from finish();
rollback;
