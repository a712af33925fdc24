-- Exports and imports, of one's own preferences and of an administrator's configuration.
begin;
select plan(31);

select tests.create_user('ada@example.com');
select tests.create_user('bob@example.com');
select tests.create_user('admin@example.com', true);
insert into attune.plans (name, title) values ('scaler', 'Scaler');
insert into attune.projects (id, name) values ('00000000-0000-4000-8000-0000000000aa', 'Mine');
insert into attune.project_members (user_id, project_id)
values (tests.user_id('ada@example.com'), '00000000-0000-4000-8000-0000000000aa');
insert into attune.setting_definitions (key, category, schema, default_value, layer, writable_by) values
  ('TEST_NUMBER', 'test', '{"type": "integer"}', '0', 'project', 'user'),
  ('TEST_NULL', 'test', '{"type": ["integer", "null"]}', '0', 'user', 'user'),
  ('TEST_OBJECT', 'test', '{"type": "object", "additionalProperties": {"type": "integer"}}', '{}', 'user', 'user'),
  ('TEST_LOCKED', 'test', '{"type": "integer"}', '0', 'user', 'user'),
  ('TEST_BETA', 'test', '{"type": "boolean"}', 'false', 'user', 'admin');
insert into attune.user_preferences (user_id, key, value, is_active) values
  (tests.user_id('ada@example.com'), 'TEST_BETA', 'true', true),
  (tests.user_id('ada@example.com'), 'TEST_NUMBER', '1', false),
  (tests.user_id('ada@example.com'), 'TEST_NULL', 'null', true),
  (tests.user_id('ada@example.com'), 'TEST_LOCKED', '1', true),
  (tests.user_id('ada@example.com'), 'TEST_OBJECT', '{"a": 1, "b": 2}', true);
insert into attune.project_preferences (user_id, project_id, key, value)
values (tests.user_id('ada@example.com'), '00000000-0000-4000-8000-0000000000aa', 'TEST_NUMBER', '5');
insert into attune.global_settings (key, value, is_enforced) values ('TEST_LOCKED', '9', true);

create function pg_temp.summary(document jsonb, mode attune.import_mode default 'merge', dry_run boolean default false)
returns text
language sql
as $$
  select string_agg(concat_ws(' ', c.layer, c.key, c.action, c.previous_value::text || '>', c.new_value), ', ')
  from attune.import_preferences($1, $2, $3) as c
  where c.action <> 'unchanged'
$$;

-- One's own

select tests.authenticate_as('ada@example.com');
select is(
  attune.export_preferences() #- '{preferences,notification_settings.email_notifications}'
    #- '{preferences,notification_settings.push_notifications}' #- '{preferences,notification_settings.sms_notifications}',
  '{
    "preferences": {
      "TEST_NUMBER": {"value": 1, "is_active": false},
      "TEST_NULL": {"value": null, "is_active": true},
      "TEST_LOCKED": {"value": 1, "is_active": true},
      "TEST_OBJECT": {"value": {"a": 1, "b": 2}, "is_active": true}
    },
    "projects": {"00000000-0000-4000-8000-0000000000aa": {"TEST_NUMBER": {"value": 5, "is_active": true}}}
  }',
  'an export is what the user chose, and not what an administrator gave'
);
create temp table exported as select attune.export_preferences() as document;
select is(pg_temp.summary((select document from exported)), null, 'importing it changes nothing');
select is(pg_temp.summary((select document from exported), 'replace'), null, 'in either way');
select is(
  (select count(*) from attune.configuration_audit_log where operation = 'UPDATE'), 0::bigint,
  'not even what is written down'
);
select is(
  pg_temp.summary('{"preferences": {"TEST_OBJECT": {"value": {"b": 3}}, "TEST_NULL": {"value": 7}}}', 'merge', true),
  'user TEST_NULL changed null> 7, user TEST_OBJECT changed {"a": 1, "b": 2}> {"a": 1, "b": 3}',
  'a dry run says what would change'
);
select is(pg_temp.summary((select document from exported)), null, 'and changes nothing');
select lives_ok(
  $$ select attune.import_preferences('{"preferences": {"TEST_OBJECT": {"value": {"b": 3}}, "TEST_NULL": {"value": 7}}}') $$,
  'merging'
);
select is((attune.effective_setting('TEST_OBJECT')).value, '{"a": 1, "b": 3}', 'merges objects');
select is(
  pg_temp.summary('{"preferences": {"TEST_OBJECT": {"value": {"b": 3}}}, "projects": {"00000000-0000-4000-8000-0000000000aa": {"TEST_NUMBER": {"value": 6}}}}', 'replace', true),
  'user TEST_LOCKED removed 1>, user TEST_NULL removed 7>, user TEST_NUMBER removed 1>, user TEST_OBJECT changed {"a": 1, "b": 3}> {"b": 3}, user notification_settings.email_notifications removed '
    || ((select document from exported) #>> '{preferences,notification_settings.email_notifications,value}') || '>, user notification_settings.push_notifications removed '
    || ((select document from exported) #>> '{preferences,notification_settings.push_notifications,value}') || '>, user notification_settings.sms_notifications removed '
    || ((select document from exported) #>> '{preferences,notification_settings.sms_notifications,value}') || '>, project TEST_NUMBER changed 5> 6',
  'replacing drops what is not mentioned'
);
select attune.import_preferences((select document from exported), 'replace');
select is(attune.export_preferences(), (select document from exported), 'an import restores what was exported');
select is((attune.effective_setting('TEST_BETA')).value, 'true', 'what an administrator gave stays');

select throws_ok(
  $$
    select attune.import_preferences('{
      "preferences": {
        "NOTHING": {"value": 1}, "TEST_NUMBER": {"value": "x"}, "TEST_BETA": {"value": false},
        "TEST_LOCKED": {"value": 2}, "PREFERENCES_PER_USER": {"value": 7}, "TEST_OBJECT": {"value": {"a": 9}}
      },
      "projects": {
        "00000000-0000-4000-8000-0000000000aa": {"TEST_NULL": {"value": 1}},
        "00000000-0000-4000-8000-0000000000bb": {"TEST_NUMBER": {"value": 1}}
      }
    }')
  $$,
  'PT422',
  'The document is not valid: NOTHING: there is no such setting; PREFERENCES_PER_USER: there is no such setting; TEST_BETA: only an administrator may change it; TEST_LOCKED: it is locked by an administrator; TEST_NULL in project 00000000-0000-4000-8000-0000000000aa: its narrowest layer is user; TEST_NUMBER in project 00000000-0000-4000-8000-0000000000bb: there is no such project; TEST_NUMBER: must be integer',
  'each bad key is named'
);
select is((attune.effective_setting('TEST_OBJECT')).value, '{"a": 1, "b": 2}', 'and nothing of it was taken');
select throws_ok(
  format('select attune.import_preferences(%L)', d.document),
  'PT422', 'The document is not valid: ' || d.problem, d.says
)
from (values
  ('[]', 'must be object', 'a document is an object'),
  ('{"settings": {}}', 'must NOT have additional properties: ''settings''', 'with known parts'),
  ('{"preferences": {"TEST_NUMBER": 1}}', '/preferences/TEST_NUMBER: must be object', 'and entries')
) as d (document, problem, says);

select tests.authenticate_as('bob@example.com');
select is(attune.export_preferences() -> 'projects', '{}', 'a stranger exports their own');
select throws_ok($$ select attune.export_configuration() $$, '42501', 'Only an administrator may do this', 'and no configuration');
select throws_ok(
  $$ select attune.import_configuration('{}') $$, '42501', 'Only an administrator may do this', 'nor imports one'
);

-- An administrator's

select tests.authenticate_as('admin@example.com');
select attune.set_global_setting('TEST_NUMBER', '3', false, 50);
select attune.set_global_variants('TEST_NULL', '[{"name": "a", "weight": 1000, "value": 4}]');
select attune.set_plan_setting('scaler', 'TEST_NUMBER', '8', true);
create temp table configuration as select attune.export_configuration() as document;
select is(
  (select document from configuration),
  '{
    "global": {
      "TEST_LOCKED": {"value": 9, "is_active": true, "is_enforced": true, "rollout_percentage": 100, "variants": null},
      "TEST_NULL": {"value": 0, "is_active": true, "is_enforced": false, "rollout_percentage": 100, "variants": [{"name": "a", "weight": 1000, "value": 4}]},
      "TEST_NUMBER": {"value": 3, "is_active": true, "is_enforced": false, "rollout_percentage": 50, "variants": null}
    },
    "plans": {"scaler": {"TEST_NUMBER": {"value": 8, "is_active": true, "is_enforced": true}}}
  }',
  'a configuration is everything that administrators chose'
);
select is_empty(
  $$ select from attune.import_configuration((select document from configuration), 'replace') as c where c.action <> 'unchanged' $$,
  'importing it changes nothing'
);
select attune.reset_global_setting('TEST_NUMBER');
select attune.set_global_setting('TEST_OBJECT', '{"a": 1}');
select attune.set_plan_setting('scaler', 'TEST_NUMBER', '7');
select results_eq(
  $$
    select c.layer, c.scope, c.key, c.action, c.previous_value, c.new_value
    from attune.import_configuration((select document from configuration), 'replace', true) as c
    where c.action <> 'unchanged'
  $$,
  $$
    values
      ('global'::attune.setting_layer, null, 'TEST_NUMBER', 'added'::attune.definition_action, null::jsonb, '3'::jsonb),
      ('global', null, 'TEST_OBJECT', 'removed', '{"a": 1}', null),
      ('plan', 'scaler', 'TEST_NUMBER', 'changed', '7', '8')
  $$,
  'the difference comes first'
);
select is((attune.export_configuration() #> '{plans,scaler,TEST_NUMBER,value}'), '7', 'and nothing is changed by it');
select attune.import_configuration((select document from configuration));
select is(attune.export_configuration() #> '{global,TEST_OBJECT,value}', '{"a": 1}', 'merging leaves what is not mentioned');
select attune.import_configuration((select document from configuration), 'replace');
select is(attune.export_configuration(), (select document from configuration), 'replacing makes both the same');
select throws_ok(
  $$
    select attune.import_configuration('{
      "global": {"NOTHING": {"value": 1}, "TEST_NUMBER": {"value": "x"}},
      "plans": {"nothing": {"TEST_NUMBER": {"value": 1}}, "scaler": {"PREFERENCES_PER_USER": {"value": 1}}}
    }')
  $$,
  'PT422',
  'The document is not valid: NOTHING: there is no such setting; PREFERENCES_PER_USER of plan scaler: its narrowest layer is global; TEST_NUMBER of plan nothing: there is no such plan; TEST_NUMBER: must be integer',
  'each bad key is named'
);
select throws_ok(
  $$ select attune.import_configuration('{"global": {"TEST_NUMBER": {"value": 1, "rollout_percentage": 101}}}') $$,
  'PT422', 'The document is not valid: /global/TEST_NUMBER/rollout_percentage: must be <= 100', 'and each bad attribute'
);
select throws_ok(
  $$ select attune.import_configuration('{"global": {"TEST_NUMBER": {"value": 1, "variants": [{"name": "a", "weight": 0, "value": 1}]}}}') $$,
  'PT422', 'The variants are not valid: no weight is above 0', 'variants too'
);

select tests.authenticate_as_anon();
select throws_ok(
  $$ select attune.export_preferences() $$, '42501', 'Nobody is signed in', 'anon has nothing'
);
select tests.authenticate_as_service_role();
select isnt(attune.export_configuration(), null, 'a trusted server exports the configuration');

-- A null inside an object that is merged would take a member out that other layers count on

select tests.reset_role();
select tests.create_user('nil@example.com');
select tests.authenticate_as('nil@example.com');
select throws_ok(
  $$
    insert into attune.user_preferences (user_id, key, value)
    values (tests.user_id('nil@example.com'), 'app_preferences.interface_settings', '{"theme": null, "rtl": true}')
  $$,
  'PT422',
  'app_preferences.interface_settings is not valid: /theme: null takes nothing out of a value that is merged: leave it out',
  'a null member of what is merged is not stored'
);

select * from finish();
rollback;
