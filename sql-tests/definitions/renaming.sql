-- A setting gets another name: what is stored, audited, rolled out and held by templates comes along.
begin;
select no_plan();

select tests.create_user('ada@example.com');
select tests.create_user('bob@example.com');
select tests.create_user('admin@example.com', is_admin => true);
insert into attune.users (email) select 'user' || n || '@example.com' from generate_series(1, 200) as n;

create function pg_temp.included(key text) returns setof uuid language sql security definer set search_path = '' as $$
  select u.id
  from attune.users as u
  cross join lateral attune_private.resolve_settings(u.id, false, 'admin') as r
  where r.key = included.key and r.layer = 'global'
$$;

select tests.authenticate_as('admin@example.com');
select from attune.apply_definitions($$ {
  "$id": "app", "type": "object", "x-attune": {"category": "app"},
  "properties": {
    "old": {"type": "string", "default": "first"},
    "other": {"type": "string", "default": "first"},
    "split": {"type": "boolean", "default": false}
  }
} $$);
select from attune.set_global_setting('old', '"global"', is_enforced => false, rollout_percentage => 50);
select from attune.set_global_setting('split', 'true', rollout_percentage => 20);
select from attune.set_plan_setting('bootstrapper', 'other', '"plan"');
insert into attune.setting_templates (name, title, "values") values ('kit', 'Kit', '{"old": "template", "other": "x"}');
select tests.authenticate_as('ada@example.com');
select from attune.set_preference('old', '"ada"');

select tests.reset_role();
create temporary table before as
  select 'old' as key, i as id from pg_temp.included('old') as i union all select 'split', i from pg_temp.included('split') as i;
create temporary table stamps as select updated_by, updated_at from attune.user_preferences where key = 'old';
grant select on before, stamps to public;

-- A user

select tests.authenticate_as('ada@example.com');
select tests.throws_reason($$ select attune.rename_setting('old', 'new') $$, '42501', 'admin_required', 'a user cannot rename a setting');

-- An administrator

select tests.authenticate_as('admin@example.com');
select tests.throws_reason(
  format('select attune.rename_setting(%L, %L)', bad.key, bad.new_key), bad.code, bad.reason,
  format('an administrator cannot rename %s to %s', coalesce(bad.key, 'NULL'), coalesce(bad.new_key, 'NULL'))
)
from (values
  ('nothing', 'new', 'PT404', 'unknown_setting'), (null, 'new', 'PT404', 'unknown_setting'),
  ('old', 'other', 'PT409', 'setting_exists'), ('old', 'a b', 'PT422', 'invalid_key'), ('old', null, 'PT422', 'invalid_key'),
  ('PASSWORD_COST', 'new', 'PT409', 'setting_in_use')
) as bad (key, new_key, code, reason);
select from attune.set_global_variants('old', '[{"name": "x", "weight": 1, "value": "global"}, {"name": "y", "weight": 1, "value": "global"}]');
select is(attune.rename_setting('old', 'new'), 2::bigint, 'an administrator can rename a setting, and is told how many values moved');
select is_empty($$ select from attune.setting_definitions where key = 'old' $$, 'the old name is gone');
select results_eq(
  $$ select value, rollout_percentage from attune.global_settings where key = 'new' $$, $$ values ('"global"'::jsonb, 50) $$,
  'the global value has moved'
);
select is(
  (select "values" from attune.setting_templates where name = 'kit'), '{"new": "template", "other": "x"}', 'the template has the new name'
);
select is(
  (select rollout_group from attune.setting_definitions where key = 'new'), 'old', 'the rollout group has stayed'
);
select results_eq(
  $$ select layer, operation, previous_value, new_value, previous_attributes ->> 'key', new_attributes ->> 'key', actor_id
     from attune.configuration_audit_log where key = 'new' and layer <> 'default' order by layer $$,
  $$ values
    ('global'::attune.setting_layer, 'UPDATE'::attune.audit_operation, '"global"'::jsonb, '"global"'::jsonb, 'old', 'new',
      tests.user_id('admin@example.com')),
    ('user', 'UPDATE', '"ada"', '"ada"', 'old', 'new', tests.user_id('admin@example.com')) $$,
  'the audit log says of each value what its key was, and who renamed it'
);
select tests.reset_role();
select results_eq(
  $$ select details, affected_rows from attune.maintenance_operations where operation = 'rename_setting' $$,
  $$ values ('{"from": "old", "to": "new"}'::jsonb, 2::bigint) $$,
  'the log of operations has the renaming'
);
select results_eq(
  $$ select updated_by, updated_at from attune.user_preferences where key = 'new' $$, 'select updated_by, updated_at from stamps',
  'who chose, and when, stays'
);
select set_eq(
  $$ select i from pg_temp.included('new') as i $$, $$ select id from before where key = 'old' $$, 'nobody is drawn anew'
);

-- By a document

select tests.authenticate_as('admin@example.com');
create function pg_temp.document() returns jsonb language sql as $$
  select '{
    "$id": "app", "type": "object", "x-attune": {"category": "app"},
    "properties": {
      "new": {"type": "string", "default": "first"},
      "another": {"type": "string", "default": "first", "x-attune": {"renamedFrom": "other"}},
      "share": {"type": "boolean", "default": false, "x-attune": {"renamedFrom": "split"}}
    }
  }'::jsonb
$$;
select results_eq(
  'select action, key, changes, stored_values from attune.apply_definitions(pg_temp.document(), true)',
  $$ values
    ('changed'::attune.definition_action, 'another', '{"key": {"from": "other", "to": "another"}}'::jsonb, 0::bigint),
    ('unchanged', 'new', '{}', 0),
    ('changed', 'share', '{"key": {"from": "split", "to": "share"}}', 0) $$,
  'a dry run says what would be renamed'
);
select isnt_empty($$ select from attune.setting_definitions where key = 'other' $$, 'and does nothing');
select lives_ok('select attune.apply_definitions(pg_temp.document())', 'a document can rename');
select is((attune.effective_setting('another')).value, '"plan"', 'what was stored has come along');
select results_eq(
  'select distinct action from attune.apply_definitions(pg_temp.document())', $$ values ('unchanged'::attune.definition_action) $$,
  'applying again changes nothing'
);
select is_empty(
  $$ select from attune.apply_definitions(attune.export_definitions('app')) as c where c.action <> 'unchanged' $$,
  'nor does what is exported'
);
select tests.reset_role();
select set_eq(
  $$ select i from pg_temp.included('share') as i $$, $$ select id from before where key = 'split' $$, 'nobody is drawn anew by a document'
);

-- What can't be applied keeps its name, and what is stored under it

create function pg_temp.broken(property text) returns jsonb language sql as $$
  select jsonb_set(
    pg_temp.document() #- '{properties,another}',
    '{properties,fresh}',
    broken.property::jsonb || '{"x-attune": {"renamedFrom": "another"}}'
  )
$$;
select tests.authenticate_as('admin@example.com');
select results_eq(
  format(
    $$ select action, key from attune.apply_definitions(pg_temp.broken(%L), skip_invalid => true, stored_values => 'discard')
       where action <> 'unchanged' $$,
    b.property
  ),
  $$ values ('skipped'::attune.definition_action, 'fresh') $$,
  'a setting is left out, and nothing else done: ' || b.problem
)
from (values
  ('{"type": "strin"}', 'its schema is not valid'), ('{"type": "string", "default": 5}', 'its default is not')
) as b (property, problem);
select is((attune.effective_setting('another')).value, '"plan"', 'as it is, by its older name');

-- One makes room for another

select from attune.apply_definitions('{"$id": "row", "properties": {"a": {"default": "a"}, "b": {"default": "b"}}}');
select from attune.set_global_setting('a', '"of a"');
select from attune.set_global_setting('b', '"of b"');
create function pg_temp.row() returns jsonb language sql as $$
  select '{"$id": "row", "properties": {
    "b": {"default": "a", "x-attune": {"renamedFrom": "a"}}, "c": {"default": "b", "x-attune": {"renamedFrom": "b"}}
  }}'::jsonb
$$;
select results_eq(
  'select action, key, changes from attune.apply_definitions(pg_temp.row())',
  $$ values
    ('changed'::attune.definition_action, 'b', '{"key": {"from": "a", "to": "b"}}'::jsonb),
    ('changed', 'c', '{"key": {"from": "b", "to": "c"}}') $$,
  'a name that another setting had before can be taken'
);
select results_eq(
  $$ select key, value from attune.effective_settings('row') order by key $$,
  $$ values ('b', '"of a"'::jsonb), ('c', '"of b"') $$,
  'and each keeps what is its own'
);
select results_eq(
  'select distinct action from attune.apply_definitions(pg_temp.row())', $$ values ('unchanged'::attune.definition_action) $$,
  'once'
);
select results_eq(
  $$ select action, key, warnings from attune.apply_definitions('{"$id": "row", "properties": {
    "b": {"default": "a", "x-attune": {"renamedFrom": "c"}}, "c": {"default": "b", "x-attune": {"renamedFrom": "b"}}
  }}') $$,
  $$ values
    ('unchanged'::attune.definition_action, 'b', '{/properties/b/x-attune/renamedFrom: c is not renamed to it}'::text[]),
    ('unchanged', 'c', '{/properties/c/x-attune/renamedFrom: b is not renamed to it}') $$,
  'two cannot change places, which applying again would undo: that is told'
);

-- What is used is not deleted under who uses it

select tests.authenticate_as('admin@example.com');
select tests.throws_reason(
  $$ select attune.apply_definitions('{"$id": "app", "properties": {}}', stored_values => 'discard') $$, 'PT409', 'setting_in_use',
  'a document cannot delete what a template holds'
);
select tests.throws_reason(
  $$ delete from attune.setting_definitions where key = 'notification_settings.email_notifications' $$, 'PT409', 'setting_in_use',
  'an administrator cannot delete what decides about notifications'
);
select tests.throws_reason(
  $$ update attune.setting_definitions
     set schema = '{"type": "object"}', default_value = '{"leadUpdates": true}'
     where key = 'notification_settings.email_notifications' $$, 'PT409', 'setting_in_use',
  'an administrator cannot take a member out that decides about notifications'
);
select tests.throws_reason(
  format($$ insert into attune.notification_categories (name, title, setting_member, channels) values ('mine', 'Mine', %L, %L) $$, bad.member, bad.channels),
  'PT422', 'unknown_setting_member', 'an administrator cannot let a category be decided by ' || bad.member
)
from (values ('leadUpdate', '{email}'), ('lead_updates', '{email,push,sms}'), ('toString', '{sms}')) as bad (member, channels);
select tests.throws_reason(
  $$ update attune.notification_categories set setting_member = 'leadUpdate' where name = 'lead_update' $$, 'PT422', 'unknown_setting_member',
  'nor change one so'
);
select lives_ok(
  $$ insert into attune.notification_categories (name, title, setting_member) values ('mine', 'Mine', 'leadUpdates'), ('theirs', 'Theirs', null) $$,
  'an administrator can let a member, or nothing, decide'
);

select * from finish();
rollback;
