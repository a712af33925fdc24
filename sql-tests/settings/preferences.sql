-- What users choose for themselves: what they may write, what is refused, and that nobody else can.
begin;
select no_plan();

-- Without the copies that every user gets of what is shipped.
update attune.setting_definitions set seeding = 'inherit' where source = 'attune' and seeding = 'copy';

select tests.create_user('ada@example.com'), tests.create_user('bob@example.com');
select tests.create_user('admin@example.com', is_admin => true);

select from attune.apply_definitions($$ {
  "$id": "test", "type": "object",
  "properties": {
    "editor": {
      "type": "object",
      "properties": {
        "fontSize": {"type": "integer", "minimum": 1, "maximum": 99},
        "theme": {"type": "string"},
        "rulers": {"type": "array", "items": {"type": "integer"}},
        "minimap": {"type": "object", "additionalProperties": {"type": "boolean"}}
      },
      "required": ["fontSize"],
      "additionalProperties": false,
      "default": {"fontSize": 12, "theme": "light"}
    },
    "temperature": {"type": "number", "maximum": 2, "default": 1},
    "greeting": {"type": ["string", "null"], "default": "Hello"},
    "anything": {"default": 1},
    "quota": {"type": "integer", "default": 10, "x-attune": {"writable_by": "admin"}},
    "theme": {"type": "string", "default": "light"},
    "banner": {"type": "string", "default": "", "x-attune": {"layer": "global"}}
  }
} $$);

-- What a user stores, whatever else applies; `{}` for a user who stores nothing.
create function pg_temp.stored(email text) returns jsonb language sql security definer as $$
  select coalesce(jsonb_object_agg(p.key, p.value), '{}') from attune.user_preferences as p where p.user_id = tests.user_id(email)
$$;

-- The owner of the preference

select tests.authenticate_as('ada@example.com');

select results_eq(
  $$ select key, value, layer, reason, is_enforced, can_edit from attune.set_preference('DARK_MODE_ENABLED', 'true') $$,
  $$ values ('DARK_MODE_ENABLED', 'true'::jsonb, 'user'::attune.setting_layer, 'TARGETING_MATCH'::attune.evaluation_reason, false, true) $$,
  'a user can choose, and is told what applies'
);
select results_eq(
  'select user_id, key, value, is_active, updated_by, updated_at from attune.user_preferences',
  $$ values (tests.user_id('ada@example.com'), 'DARK_MODE_ENABLED', 'true'::jsonb, true, tests.user_id('ada@example.com'), now()) $$,
  'a user can read what they chose, and that they did'
);
select is((attune.set_preference('DARK_MODE_ENABLED', 'false')).value, 'false', 'a user can choose false');
select is((attune.effective_setting('DARK_MODE_ENABLED')).layer, 'user', 'a user''s false is a choice, and no absence');
select is((attune.set_preference('greeting', 'null')).value, 'null', 'a user can choose null');
select is((attune.effective_setting('greeting')).layer, 'user', 'a user''s null is a choice, and no absence');
select tests.throws_reason(
  $$ select attune.set_preference('greeting', null) $$, 'PT422', 'value_required', 'a user who sends no value does not choose null'
);
select is((attune.set_preference('anything', '{"a": [1, {"b": null}]}')).value, '{"a": [1, {"b": null}]}', 'a user can choose a list as it is');
select is((attune.set_preference('anything', '"text"')).value, '"text"', 'a user can replace an object by a text');
select is((attune.set_preference('anything', '{"b": 1}')).value, '{"b": 1}', 'a user can replace a text by an object');

-- Objects are merged.
select is(
  (attune.set_preference('editor', '{"theme": "dark"}')).value, '{"fontSize": 12, "theme": "dark"}',
  'a user can choose one member, the others being as by default'
);
select is(
  (attune.set_preference('editor', '{"fontSize": 14}')).value, '{"fontSize": 14, "theme": "dark"}',
  'a user can choose another member, and keeps the first'
);
select is(
  (attune.set_preference('editor', '{"minimap": {"enabled": true, "left": true}}')).value,
  '{"fontSize": 14, "theme": "dark", "minimap": {"enabled": true, "left": true}}',
  'a user can choose an object inside'
);
select is(
  (attune.set_preference('editor', '{"minimap": {"left": null}, "theme": null}')).value,
  '{"fontSize": 14, "theme": "light", "minimap": {"enabled": true}}',
  'a user can reset a member by null, at any depth'
);
select is(pg_temp.stored('ada@example.com') -> 'editor', '{"fontSize": 14, "minimap": {"enabled": true}}', 'only what was chosen is stored');
select is(
  (attune.set_preference('editor', '{"fontSize": null}')).value -> 'fontSize', '12',
  'a user can reset a member that is required, because the default has it'
);
select is((attune.set_preference('editor', '{}')).value -> 'fontSize', '12', 'a user can send an empty patch');
select lives_ok(
  $$ insert into attune.user_preferences (user_id, key, value) values (attune.current_user_id(), 'theme', '"dark"')
     on conflict (user_id, key) do update set value = excluded.value $$,
  'a user can write to the table, too'
);
select lives_ok(
  $$ update attune.user_preferences set value = '"dim"' where key = 'theme' $$, 'a user can update the table, too'
);
select lives_ok(
  $$ update attune.user_preferences set is_active = false where key = 'theme' $$, 'a user can switch a choice off'
);
select is((attune.effective_setting('theme')).value, '"light"', 'what is switched off does not apply');
select is((attune.set_preference('theme', '"dim"')).value, '"dim"', 'choosing switches on again');

-- What is refused, each beside what is not.
select throws_ok(
  $$ select attune.set_preference('temperature', '2.1') $$,
  'PT422', 'temperature is not valid: must be <= 2',
  'a user cannot choose what the schema does not allow, and is told why'
);
select throws_ok(
  $$ select attune.set_preference('editor', '{"fontSize": 0, "rulers": [80, "x"], "zoom": 1}') $$,
  'PT422', 'editor is not valid: must NOT have additional properties: ''zoom''; /rulers/1: must be integer; /fontSize: must be >= 1',
  'a user is told every place that is wrong'
);
select lives_ok($$ select attune.set_preference('temperature', '2') $$, 'a user can choose what the schema allows');
select tests.throws_reason(
  format('select attune.set_preference(%L, %L)', bad.key, bad.value), 'PT422', 'invalid_value',
  format('a user cannot choose %s for %s', left(bad.value, 30), bad.key)
)
from (values
  ('DARK_MODE_ENABLED', '"true"'), ('DARK_MODE_ENABLED', '0'), ('DARK_MODE_ENABLED', 'null'), ('DARK_MODE_ENABLED', '{}'),
  ('DARK_MODE_ENABLED', '[true]'), ('temperature', '"1"'), ('editor', '[]'), ('editor', '"x"'),
  ('editor', 'null'), ('editor', '{"fontSize": 1.5}'), ('editor', '{"minimap": {"a": 1}}')
) as bad (key, value);
select is(pg_temp.stored('ada@example.com') -> 'temperature', '2', 'what was refused changes nothing');
select tests.throws_reason(
  $$ insert into attune.user_preferences (user_id, key, value) values (attune.current_user_id(), 'PROJECTS_ENABLED', '"x"') $$,
  'PT422', 'invalid_value',
  'a user cannot store what the schema does not allow by the table'
);
select tests.throws_reason(statement, '42501', 'admin_required', 'who may not write at all is told so before the value is judged')
from (values
  ($$ insert into attune.user_preferences (user_id, key, value) values (attune.current_user_id(), 'quota', '"x"') $$),
  ($$ select attune.set_preference('quota', '"x"') $$)
) as s (statement);
select tests.throws_reason(
  $$ update attune.user_preferences set value = '9' where key = 'temperature' $$, 'PT422', 'invalid_value',
  'a user cannot change to what the schema does not allow by the table'
);
select tests.throws_reason(
  $$ insert into attune.user_preferences (user_id, key, value) values (attune.current_user_id(), 'temperature', '1')
     on conflict (user_id, key) do update set value = '9' $$,
  'PT422', 'invalid_value',
  'a user cannot change to what the schema does not allow on conflict'
);

select tests.throws_reason(
  format('select attune.set_preference(%L, %L)', bad.key, 'true'), 'PT404', 'unknown_setting',
  format('a user cannot choose for the key %s', left(coalesce(to_jsonb(bad.key)::text, 'NULL'), 40))
)
from (values
  ('NOPE'), (''), (null), (' DARK_MODE_ENABLED'), ('dark_mode_enabled'), ('DARK_MODE_ENABLED'' or true --'),
  ('TËMPERATURE'), ('темп'), (E'DARK_MODE_ENABLED\n'), (repeat('k', 100000))
) as bad (key);
select ok(
  length(tests.message_of(format('select attune.set_preference(%L, %L)', repeat('k', 100000), 'true'))) < 300,
  'a refusal does not repeat a long key'
);
select tests.throws_reason(
  $$ select attune.set_preference('MODEL_CHOICE', '"gpt-5"') $$, 'PT422', 'layer_not_allowed',
  'a user cannot override what is global only'
);
select tests.throws_reason(
  $$ insert into attune.user_preferences (user_id, key, value) values (attune.current_user_id(), 'banner', '"Mine"') $$,
  'PT422', 'layer_not_allowed',
  'a user cannot override what is global only by the table'
);
select tests.throws_reason(
  $$ select attune.set_preference('quota', '99') $$, '42501', 'admin_required',
  'a user cannot choose what only administrators may'
);
select tests.throws_reason(
  $$ insert into attune.user_preferences (user_id, key, value) values (attune.current_user_id(), 'quota', '99') $$,
  '42501', 'admin_required',
  'a user cannot choose what only administrators may by the table'
);

-- Sizes
select throws_ok(
  format('select attune.set_preference(%L, %L)', 'anything', to_jsonb(repeat('x', 65535))),
  'PT422', 'The value of anything is too large: 65537 bytes, at most 65536 are allowed',
  'a user cannot store more than 64 KiB'
);
select lives_ok(
  format('select attune.set_preference(%L, %L)', 'anything', to_jsonb(repeat('x', 65534))), 'a user can store 64 KiB'
);
select tests.throws_reason(
  format('select attune.set_preference(%L, %L)', 'anything', to_jsonb(repeat('€', 22000))), 'PT422', 'too_large',
  'a user cannot store more than 64 KiB in letters of several bytes'
);
select lives_ok(
  $$ select attune.set_preference('anything', jsonb_build_object('a', repeat('x', 40000))) $$, 'a user can store much in one member'
);
select tests.throws_reason(
  $$ select attune.set_preference('anything', jsonb_build_object('b', repeat('x', 40000))) $$, 'PT422', 'too_large',
  'a user cannot store more than 64 KiB by several patches'
);
select tests.throws_reason(
  $$ update attune.user_preferences set value = to_jsonb(repeat('x', 70000)) where key = 'anything' $$, 'PT422', 'too_large',
  'a user cannot store more than 64 KiB by the table'
);
select tests.throws_reason(
  format('select attune.set_preference(%L, %L)', 'anything', repeat('{"a":', 65) || '1' || repeat('}', 65)), 'PT422', 'value_too_deep',
  'a user cannot nest objects more than 64 levels deep'
);
select lives_ok(
  format('select attune.set_preference(%L, %L)', 'anything', repeat('{"a":', 64) || '1' || repeat('}', 64)),
  'a user can nest objects 64 levels deep'
);
select lives_ok(
  format('select attune.set_preference(%L, %L)', 'anything', repeat('[', 64) || repeat(']', 64)),
  'a user can nest lists 64 levels deep'
);
select tests.throws_reason(
  format('select attune.set_preference(%L, %L)', 'anything', repeat('[', 65) || repeat(']', 65)), 'PT422', 'value_too_deep',
  'a user cannot nest lists deeper'
);
select lives_ok(
  $$ set local statement_timeout = '5s';
     select attune_hidden.json_merge_patch('{}', (select jsonb_object_agg(i, i) from generate_series(1, 20000) as i)) $$,
  'a user cannot keep the server busy with a patch of many members'
);
set local statement_timeout = '5min';
select lives_ok(
  $$ select attune.set_preference('anything', '{"'' or true --": "\"; drop table attune.users; --", "é\u0001": "\\"}') $$,
  'a user can store what looks like SQL'
);
select is(
  (attune.effective_setting('anything')).value, '{"'' or true --": "\"; drop table attune.users; --", "é\u0001": "\\"}',
  'what looks like SQL comes back as it was'
);

-- Several at once
select results_eq(
  $$ select key, value from attune.set_preferences('{"theme": "dark", "DARK_MODE_ENABLED": true, "editor": {"fontSize": 20}}') order by key collate "C" $$,
  $$ values ('DARK_MODE_ENABLED', 'true'::jsonb), ('editor', '{"fontSize": 20, "minimap": {"enabled": true}, "theme": "light"}'), ('theme', '"dark"') $$,
  'a user can make several choices at once'
);
select tests.throws_reason(
  $$ select attune.set_preferences('{"DARK_MODE_ENABLED": false, "theme": 1}') $$, 'PT422', 'invalid_value',
  'a user cannot make several choices of which one is not valid'
);
select is(pg_temp.stored('ada@example.com') -> 'DARK_MODE_ENABLED', 'true', 'of several choices all are stored, or none');
select results_eq(
  $$ select layer, value from attune.set_preferences('{"theme": null}') $$,
  $$ values ('default'::attune.setting_layer, '"light"'::jsonb) $$,
  'a user can reset a choice among several by null'
);
select is_empty($$ select attune.set_preferences('{}') $$, 'a user can make no choices at all');
select tests.throws_reason(
  format('select attune.set_preferences(%L)', bad.patch), 'PT400', 'invalid_patch',
  format('a user cannot make several choices by %s', coalesce(bad.patch, 'NULL'))
)
from (values (null), ('null'), ('[]'), ('1'), ('"x"'), ('true')) as bad (patch);
select tests.throws_reason(
  $$ select attune.set_preferences('{"NOPE": null}') $$, 'PT404', 'unknown_setting', 'a user cannot reset an unknown key'
);

-- Where a value belongs
select is((attune.set_setting('theme', '"dark"')).layer, 'user', 'a user can let a value go where it belongs');
select tests.throws_reason(
  $$ select attune.set_setting('banner', '"Mine"') $$, '42501', 'admin_required',
  'a user cannot set what belongs to everybody'
);
select tests.throws_reason(
  format('select attune.set_setting(%L, %L)', hidden.key, '5'), 'PT404', 'unknown_setting',
  'a user cannot find out by setting what keys there are, such as ' || hidden.key
)
from (values ('NOPE'), ('PASSWORD_COST')) as hidden (key);

-- Resetting
select results_eq(
  $$ select value, layer from attune.reset_preference('theme') $$,
  $$ values ('"light"'::jsonb, 'default'::attune.setting_layer) $$,
  'a user can reset a choice, and is told what applies'
);
select is((attune.reset_preference('theme')).layer, 'default', 'a user can reset what they never chose');
select tests.throws_reason($$ select attune.reset_preference('NOPE') $$, 'PT404', 'unknown_setting', 'a user cannot reset an unknown setting');
select tests.throws_reason('select attune.reset_preference(null)', 'PT404', 'unknown_setting', 'a user cannot reset NULL');
select set_eq(
  $$ select key from attune.reset_preferences('features') where layer = 'user' $$, array[]::text[],
  'a user can reset a category'
);
select set_eq(
  $$ select jsonb_object_keys(pg_temp.stored('ada@example.com')) $$, array['anything', 'editor', 'greeting', 'temperature'],
  'resetting a category leaves the others'
);
select is_empty($$ select attune.reset_preferences('nope') $$, 'a user can reset a category that does not exist');
select is((select count(*) from attune.reset_preferences() where layer = 'user'), 0::bigint, 'a user can reset everything');
select is(pg_temp.stored('ada@example.com'), '{}', 'after a reset nothing is stored');

-- The row belongs to its user and key.
select lives_ok($$ select attune.set_preference('theme', '"dark"') $$, 'a user can choose again');
select throws_ok(
  $$ update attune.user_preferences set user_id = tests.user_id('bob@example.com') $$,
  '42501', 'permission denied for table user_preferences',
  'a user cannot give a choice to another'
);
select throws_ok(
  $$ update attune.user_preferences set key = 'banner' $$,
  '42501', 'permission denied for table user_preferences',
  'a user cannot change the key of a choice'
);
select throws_ok(
  $$ update attune.user_preferences set updated_by = tests.user_id('bob@example.com') $$,
  '42501', 'permission denied for table user_preferences',
  'a user cannot say that another wrote it'
);
select throws_ok(
  $$ insert into attune.user_preferences (user_id, key, value, updated_at) values (attune.current_user_id(), 'greeting', '"x"', '2000-01-01') $$,
  '42501', 'permission denied for table user_preferences',
  'a user cannot say when it was written'
);
select throws_ok(
  'truncate attune.user_preferences', '42501', 'permission denied for table user_preferences', 'a user cannot truncate preferences'
);

-- A lock
select tests.reset_role();
select from attune.set_global_setting('DARK_MODE_ENABLED', 'true', is_enforced => true);
select from attune.set_global_setting('greeting', '"Hi"', is_enforced => true);
insert into attune.user_preferences (user_id, key, value) values (tests.user_id('ada@example.com'), 'greeting', '"mine"');
select tests.authenticate_as('ada@example.com');
select tests.throws_reason(
  $$ select attune.set_preference('DARK_MODE_ENABLED', 'false') $$, '42501', 'setting_enforced',
  'a user cannot choose what is locked'
);
select tests.throws_reason(
  $$ insert into attune.user_preferences (user_id, key, value) values (attune.current_user_id(), 'DARK_MODE_ENABLED', 'false') $$,
  '42501', 'setting_enforced',
  'a user cannot choose what is locked by the table'
);
select tests.throws_reason(
  $$ update attune.user_preferences set is_active = false where key = 'greeting' $$, '42501', 'setting_enforced',
  'a user cannot switch a choice off while it is locked'
);
select is((attune.reset_preference('greeting')).value, '"Hi"', 'a user can drop a choice while it is locked');
select lives_ok($$ select attune.set_preference('theme', '"dim"') $$, 'a user can choose what is not locked');

-- What administrators gave a user is not the user's to drop.
select tests.reset_role();
insert into attune.user_preferences (user_id, key, value) values (tests.user_id('ada@example.com'), 'quota', '50');
select tests.authenticate_as('ada@example.com');
select tests.throws_reason(
  $$ select attune.reset_preference('quota') $$, '42501', 'admin_required', 'a user cannot reset what only administrators may write'
);
select tests.throws_reason(
  $$ select attune.set_preferences('{"quota": null}') $$, '42501', 'admin_required',
  'a user cannot reset what only administrators may write among others'
);
select tests.throws_reason(
  $$ delete from attune.user_preferences where key = 'quota' $$, '42501', 'admin_required',
  'a user cannot delete what only administrators may write'
);
select tests.throws_reason(
  $$ update attune.user_preferences set is_active = false where key = 'quota' $$, '42501', 'admin_required',
  'a user cannot switch off what only administrators may write'
);
select lives_ok('select attune.reset_preferences()', 'a user can reset everything that is theirs');
select is(pg_temp.stored('ada@example.com'), '{"quota": 50}', 'what only administrators may write stays');
select is((attune.effective_setting('quota')).can_edit, false, 'a user is told what they cannot edit');

-- A stranger

select tests.authenticate_as('ada@example.com');
select from attune.set_preferences('{"theme": "dark", "temperature": 2}');
select tests.authenticate_as('bob@example.com');

select is_empty('select from attune.user_preferences', 'a stranger cannot see another''s choices');
select is((attune.effective_setting('theme')).value, '"light"', 'a stranger is not touched by another''s choices');
select tests.throws_reason(
  $$ insert into attune.user_preferences (user_id, key, value) values (tests.user_id('ada@example.com'), 'greeting', '"Bob was here"') $$,
  '42501', 'not_your_preference',
  'a stranger cannot add to another''s choices'
);
select tests.throws_reason(
  $$ insert into attune.user_preferences (user_id, key, value) values (tests.user_id('ada@example.com'), 'theme', '"dim"')
     on conflict (user_id, key) do update set value = excluded.value $$,
  '42501', 'not_your_preference',
  'a stranger cannot change another''s choices on conflict'
);
select tests.throws_reason(
  $$ insert into attune.user_preferences (user_id, key, value) values (null, 'theme', '"dim"') $$,
  '42501', 'not_your_preference',
  'a stranger cannot add a choice of nobody'
);
select tests.throws_reason(
  $$ insert into attune.user_preferences (user_id, key, value) values (gen_random_uuid(), 'theme', '"dim"') $$,
  '42501', 'not_your_preference',
  'a stranger cannot find out what users there are'
);
select lives_ok(
  $$ insert into attune.user_preferences (user_id, key, value) values (tests.user_id('bob@example.com'), 'theme', '"dim"') $$,
  'a stranger can add to their own choices by the same statement'
);
select is_empty(
  $$ update attune.user_preferences set value = '"dim"' where user_id = tests.user_id('ada@example.com') returning key $$,
  'a stranger cannot change another''s choices'
);
select is_empty(
  $$ delete from attune.user_preferences where user_id = tests.user_id('ada@example.com') returning key $$,
  'a stranger cannot delete another''s choices'
);
-- Without a condition the select policy plays no part, and without the trigger only the others do.
select lives_ok(
  'update attune.user_preferences set value = ''"dark"''', 'a stranger can change whatever they may'
);
select is(pg_temp.stored('bob@example.com'), '{"theme": "dark"}', 'a stranger changed their own');
select lives_ok('delete from attune.user_preferences', 'a stranger can delete whatever they may');
select is(pg_temp.stored('bob@example.com'), '{}', 'a stranger deleted their own');
select tests.reset_role();
alter table attune.user_preferences disable trigger _050_authorize_preference;
select tests.authenticate_as('bob@example.com');
select throws_ok(
  $$ insert into attune.user_preferences (user_id, key, value) values (tests.user_id('ada@example.com'), 'greeting', '"Bob was here"') $$,
  '42501', 'new row violates row-level security policy for table "user_preferences"',
  'a stranger cannot add to another''s choices, by row level security alone'
);
update attune.user_preferences set value = '"dim"';
delete from attune.user_preferences;
select is(
  pg_temp.stored('ada@example.com'), '{"quota": 50, "theme": "dark", "temperature": 2}',
  'a stranger cannot change or delete another''s choices, by row level security alone'
);
select tests.reset_role();
alter table attune.user_preferences enable trigger _050_authorize_preference;
select tests.authenticate_as('bob@example.com');
select throws_ok(
  $$ merge into attune.user_preferences as p using (select tests.user_id('ada@example.com') as id) as a on p.user_id = a.id
     when matched then update set value = '"dim"' when not matched then insert (user_id, key, value) values (a.id, 'theme', '"dim"') $$,
  '42501', 'theme is for its user to choose',
  'a stranger cannot merge into another''s choices'
);
select is(
  pg_temp.stored('ada@example.com'), '{"quota": 50, "theme": "dark", "temperature": 2}', 'another''s choices are as they were'
);

select tests.authenticate_as(gen_random_uuid());
select tests.throws_reason(
  $$ select attune.set_preference('theme', '"dim"') $$, '42501', 'not_signed_in', 'a deleted user cannot choose'
);
select tests.throws_reason(
  $$ select attune.set_preferences('{"theme": "dim"}') $$, '42501', 'not_signed_in', 'a deleted user cannot make several choices'
);
select tests.throws_reason($$ select attune.reset_preference('theme') $$, '42501', 'not_signed_in', 'a deleted user cannot reset a choice');
select tests.throws_reason('select attune.reset_preferences()', '42501', 'not_signed_in', 'a deleted user cannot reset everything');
select tests.throws_reason(
  $$ insert into attune.user_preferences (user_id, key, value) values (null, 'theme', '"dim"') $$,
  '42501', 'not_your_preference',
  'a deleted user cannot add a choice of nobody, although NULL is who they are'
);

-- The administrator

select tests.authenticate_as('admin@example.com');

select set_eq(
  'select key from attune.user_preferences', array['quota', 'theme', 'temperature'], 'an administrator can see everybody''s choices'
);
select lives_ok(
  $$ update attune.user_preferences set value = '60' where user_id = tests.user_id('ada@example.com') and key = 'quota' $$,
  'an administrator can change for a user what only administrators may write'
);
select lives_ok(
  $$ insert into attune.user_preferences (user_id, key, value) values (tests.user_id('bob@example.com'), 'quota', '70') $$,
  'an administrator can add for a user what only administrators may write'
);
select is(
  (select updated_by from attune.user_preferences where user_id = tests.user_id('bob@example.com')), tests.user_id('admin@example.com'),
  'what an administrator wrote says so'
);
select lives_ok(
  $$ delete from attune.user_preferences where user_id = tests.user_id('bob@example.com') and key = 'quota' $$,
  'an administrator can delete for a user what only administrators may write'
);
select tests.throws_reason(
  $$ insert into attune.user_preferences (user_id, key, value) values (tests.user_id('bob@example.com'), 'theme', '"dim"') $$,
  '42501', 'not_your_preference',
  'an administrator cannot choose for a user'
);
select tests.throws_reason(
  $$ update attune.user_preferences set value = '"dim"' where user_id = tests.user_id('ada@example.com') and key = 'theme' $$,
  '42501', 'not_your_preference',
  'an administrator cannot change a user''s choice'
);
select tests.throws_reason(
  $$ delete from attune.user_preferences where user_id = tests.user_id('ada@example.com') and key = 'theme' $$,
  '42501', 'not_your_preference',
  'an administrator cannot delete a user''s choice'
);
select tests.throws_reason(
  $$ insert into attune.user_preferences (user_id, key, value) values (gen_random_uuid(), 'quota', '1') $$,
  'PT404', 'unknown_user',
  'an administrator cannot add for a user who does not exist'
);
select is((attune.set_preference('quota', '5')).value, '5', 'an administrator can set for themselves what only administrators may write');
select tests.throws_reason(
  $$ select attune.set_preference('DARK_MODE_ENABLED', 'false') $$, '42501', 'setting_enforced',
  'an administrator cannot choose for themselves what is locked'
);
select tests.throws_reason(
  $$ select attune.set_preference('banner', '"Mine"') $$, 'PT422', 'layer_not_allowed',
  'an administrator cannot choose for themselves what is global only'
);
select is((attune.set_setting('banner', '"Hello"')).layer, 'global', 'an administrator can let a value go where it belongs');

-- A request without a token

select tests.authenticate_as_anon();

select throws_ok(
  'select * from attune.user_preferences', '42501', 'permission denied for table user_preferences', 'anon cannot read preferences'
);
select throws_ok(
  $$ insert into attune.user_preferences (user_id, key, value) values (tests.user_id('ada@example.com'), 'theme', '"dim"') $$,
  '42501', 'permission denied for table user_preferences',
  'anon cannot add preferences'
);
select throws_ok(
  'update attune.user_preferences set value = value', '42501', 'permission denied for table user_preferences',
  'anon cannot change preferences'
);
select throws_ok(
  'delete from attune.user_preferences', '42501', 'permission denied for table user_preferences', 'anon cannot delete preferences'
);
select throws_ok(
  'select ' || call, '42501', 'Nobody is signed in', 'anon cannot call ' || call
)
from (values
  ('attune.set_preference(''theme'', ''"dim"'')'), ('attune.set_preferences(''{}'')'), ('attune.reset_preference(''theme'')'),
  ('attune.reset_preferences()'), ('attune.set_setting(''theme'', ''"dim"'')')
) as c (call);
select throws_ok(
  $$ select attune_hidden.json_merge_patch('{}', '{}') $$, '42501', 'permission denied for function json_merge_patch',
  'anon cannot call what policies and functions need'
);

-- The trusted server

select tests.authenticate_as_service_role();

select is((select count(*) from attune.user_preferences), 4::bigint, 'service_role can see all choices');
select tests.throws_reason(
  $$ select attune.set_preference('theme', '"dim"') $$, '42501', 'not_signed_in', 'service_role cannot choose, being no user'
);
select lives_ok(
  $$ insert into attune.user_preferences (user_id, key, value)
     values (tests.user_id('bob@example.com'), 'theme', '"dim"'), (tests.user_id('bob@example.com'), 'quota', '1'),
       (tests.user_id('bob@example.com'), 'DARK_MODE_ENABLED', 'false') $$,
  'service_role can write any choice of a user, locked or not'
);
select is(
  (select updated_by from attune.user_preferences where user_id = tests.user_id('bob@example.com') and key = 'theme'), null,
  'what service_role wrote was written by no user'
);
select tests.throws_reason(
  $$ insert into attune.user_preferences (user_id, key, value) values (tests.user_id('bob@example.com'), 'temperature', '9') $$,
  'PT422', 'invalid_value',
  'service_role cannot store what the schema does not allow'
);
select tests.throws_reason(
  $$ insert into attune.user_preferences (user_id, key, value) values (tests.user_id('bob@example.com'), 'banner', '"x"') $$,
  'PT422', 'layer_not_allowed',
  'service_role cannot store in a layer that the definition does not allow'
);
select throws_ok(
  $$ update attune.user_preferences set user_id = tests.user_id('bob@example.com') where key = 'temperature' $$,
  '42501', 'permission denied for table user_preferences',
  'service_role cannot give a choice to another user'
);

select tests.set_request('service_role', jsonb_build_object('sub', tests.user_id('bob@example.com')));
select is((attune.set_preference('theme', '"dark"')).value, '"dark"', 'service_role can choose on behalf of a user');

select tests.authenticate_as_service_role();
select lives_ok($$ delete from attune.users where email = 'bob@example.com' $$, 'service_role can delete a user who has choices');
select is(
  (select count(*) from attune.user_preferences as p where not exists (select from attune.users as u where u.id = p.user_id)), 0::bigint,
  'a deleted user''s choices are gone'
);
select is(pg_temp.stored('ada@example.com') ->> 'theme', 'dark', 'other users'' choices stay');

-- How many

select tests.reset_role();
select from attune.set_global_setting('PREFERENCES_PER_USER', '3.0');
delete from attune.user_preferences;
select tests.authenticate_as('ada@example.com');
select lives_ok($$ select attune.set_preferences('{"theme": "dim", "temperature": 1, "anything": 1}') $$, 'a user can hold as many choices as are allowed');
select throws_ok(
  $$ select attune.set_preference('TASKS_ENABLED', 'true') $$, 'PT422', 'A user may hold at most 3 preferences',
  'a user cannot hold more choices than are allowed'
);
select tests.throws_reason(
  $$ insert into attune.user_preferences (user_id, key, value)
     select attune.current_user_id(), d.key, 'true' from attune.setting_definitions as d where d.category = 'features' and d.key <> 'DARK_MODE_ENABLED' $$,
  'PT422', 'too_many_preferences',
  'a user cannot hold more choices than are allowed by the table'
);
select lives_ok($$ select attune.set_preference('theme', '"dark"') $$, 'a user can change a choice when the limit is reached');
select lives_ok($$ select attune.set_preferences('{"anything": null, "TASKS_ENABLED": true}') $$, 'a user can swap a choice when the limit is reached');
select tests.authenticate_as_service_role();
select tests.throws_reason(
  $$ insert into attune.user_preferences (user_id, key, value) values (tests.user_id('ada@example.com'), 'anything', '1') $$,
  'PT422', 'too_many_preferences',
  'service_role cannot give a user more choices than are allowed'
);
select tests.reset_role();
select from attune.set_global_setting('PREFERENCES_PER_USER', '1');
select tests.authenticate_as('ada@example.com');
select lives_ok($$ select attune.set_preference('theme', '"dim"') $$, 'a user can change a choice when the limit was lowered below what they hold');

-- The owner of the schema

select tests.reset_role();
select tests.throws_reason(
  $$ insert into attune.user_preferences (user_id, key, value) values (tests.user_id('ada@example.com'), 'anything', null) $$,
  'PT422', 'invalid_value',
  'the owner cannot store NULL'
);
select tests.throws_reason(
  $$ update attune.user_preferences set key = 'banner' where key = 'theme' $$, 'PT422', 'layer_not_allowed',
  'the owner cannot move a value to a key that does not allow it'
);
select tests.throws_reason(
  'truncate attune.user_preferences', '42501', 'append_only', 'the owner cannot truncate preferences, which would not be audited'
);

-- What a request names like something of ours or of PostgreSQL, in its own temporary schema, is not used by us. A session
-- keeps the types that a function found first: have ours look again.
do $$
declare
  ours regprocedure;
begin
  for ours in
    select p.oid from pg_proc as p
    where p.pronamespace in ('attune'::regnamespace, 'attune_private'::regnamespace)
      and p.prokind = 'f'
      and p.prolang = (select l.oid from pg_language as l where l.lanname = 'plpgsql')
  loop
    execute format('alter function %s cost 101', ours);
  end loop;
end;
$$;
select tests.authenticate_as('ada@example.com');
create function pg_temp.is_owner(value anyelement) returns boolean language plpgsql as $$
begin
  if current_user <> 'authenticated' then
    raise exception 'a temporary object of authenticated was used as %', current_user;
  end if;
  return true;
end;
$$;
create domain pg_temp.jsonb as pg_catalog.jsonb check (pg_temp.is_owner(value));
create domain pg_temp.text as pg_catalog.text check (pg_temp.is_owner(value));
create domain pg_temp.uuid as pg_catalog.uuid check (pg_temp.is_owner(value));
create domain pg_temp.int4 as pg_catalog.int4 check (pg_temp.is_owner(value));
create domain pg_temp.numeric as pg_catalog.numeric check (pg_temp.is_owner(value));
create temp table users as select * from attune.users;
create temp table user_preferences as select * from attune.user_preferences;
create temp table setting_definitions as select * from attune.setting_definitions;
create function pg_temp.current_user_id() returns pg_catalog.uuid language sql as 'select null::pg_catalog.uuid';
select lives_ok(call, 'a user cannot have their temporary objects used: ' || call)
from (values
  ('select attune.set_preference(''temperature'', ''1.5'')'),
  ('select attune.set_preferences(''{"temperature": 1, "theme": "dim"}'')'),
  ('select attune.reset_preference(''temperature'')'),
  ('select attune.effective_settings()'),
  ('select attune.effective_setting(''theme'')'),
  ('select attune.explain_setting(''theme'')'),
  ('select attune.settings_document()'),
  ('select attune.viewer()'),
  ('update attune.users set name = ''Ada''')
) as c (call);

select * from finish();
rollback;
