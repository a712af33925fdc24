-- Who changed what: every change leaves a row, everybody reads their own, and nobody takes it back.
begin;
select no_plan();

-- Without the copies that every user gets of what is shipped.
update attune.setting_definitions set seeding = 'inherit' where source = 'attune' and seeding = 'copy';

select tests.create_user('ada@example.com'), tests.create_user('bob@example.com');
select tests.create_user('admin@example.com', is_admin => true);
insert into attune.setting_definitions (key, category, schema, default_value) values
  ('theme', 'test', '{"type": "string"}', '"light"'), ('box', 'test', '{"type": "object"}', '{}'), ('any', 'test', '{}', '1'),
  ('given', 'test', '{}', '1');
update attune.setting_definitions set writable_by = 'admin' where key = 'given';

-- The rows since the last look, oldest first.
create temp table looked (until bigint);
insert into looked select max(id) from attune.configuration_audit_log;
grant select, update on looked to public;
create function pg_temp.news() returns setof attune.configuration_audit_log language plpgsql security definer as $$
begin
  return query select l.* from attune.configuration_audit_log as l where l.id > (select until from looked) order by l.id;
  update looked set until = (select max(id) from attune.configuration_audit_log);
end;
$$;

-- What a row says. The owner of a preference: a user

select tests.authenticate_as('ada@example.com');

select from attune.set_preference('theme', '"dark"');
select results_eq(
  $$ select actor_id, actor_role, layer, user_id, scope, key, operation, previous_value, new_value, previous_attributes, new_attributes,
       transaction_id, occurred_at > now() from pg_temp.news() $$,
  $$ values (tests.user_id('ada@example.com'), 'authenticated', 'user'::attune.setting_layer, tests.user_id('ada@example.com'), null::text,
       'theme', 'INSERT'::attune.audit_operation, null::jsonb, '"dark"'::jsonb, null::jsonb, '{"is_active": true}'::jsonb,
       pg_current_xact_id(), true) $$,
  'a user''s first choice leaves a row: who, when, where, what, and in which transaction'
);
select from attune.set_preference('theme', '"dim"');
select results_eq(
  'select operation, previous_value, new_value, previous_attributes, new_attributes from pg_temp.news()',
  $$ values ('UPDATE'::attune.audit_operation, '"dark"'::jsonb, '"dim"'::jsonb, '{"is_active": true}'::jsonb, '{"is_active": true}'::jsonb) $$,
  'a user''s next choice leaves a row with both values'
);
update attune.user_preferences set is_active = false;
select results_eq(
  'select operation, previous_value, new_value, previous_attributes, new_attributes from pg_temp.news()',
  $$ values ('UPDATE'::attune.audit_operation, '"dim"'::jsonb, '"dim"'::jsonb, '{"is_active": true}'::jsonb, '{"is_active": false}'::jsonb) $$,
  'switching off leaves a row'
);
insert into attune.user_preferences (user_id, key, value) values (attune.current_user_id(), 'theme', '"x"')
on conflict (user_id, key) do update set value = excluded.value;
select results_eq(
  'select operation, previous_value, new_value from pg_temp.news()',
  $$ values ('UPDATE'::attune.audit_operation, '"dim"'::jsonb, '"x"'::jsonb) $$,
  'a conflict that is an update leaves a row of an update, and none of an insert'
);
insert into attune.user_preferences (user_id, key, value) values (attune.current_user_id(), 'theme', '"y"') on conflict do nothing;
select is_empty('select from pg_temp.news()', 'a conflict that does nothing leaves none');
merge into attune.user_preferences as p using (values ('theme', '"m"'::jsonb), ('any', 'null')) as n (key, value)
  on p.user_id = attune.current_user_id() and p.key = n.key
when matched then update set value = n.value
when not matched then insert (user_id, key, value) values (attune.current_user_id(), n.key, n.value);
select set_eq(
  'select operation, key, new_value from pg_temp.news()',
  $$ values ('UPDATE'::attune.audit_operation, 'theme', '"m"'::jsonb), ('INSERT', 'any', 'null') $$,
  'a merge leaves a row for each'
);
select from attune.reset_preference('any');
select results_eq(
  'select operation, previous_value, new_value, previous_attributes, new_attributes from pg_temp.news()',
  $$ values ('DELETE'::attune.audit_operation, 'null'::jsonb, null::jsonb, '{"is_active": true}'::jsonb, null::jsonb) $$,
  'a reset leaves a row with the value that went'
);
select from attune.reset_preference('any');
select is_empty('select from pg_temp.news()', 'resetting what is not set leaves none');
select from attune.set_preferences('{"theme": null, "box": {"a": 1}, "any": false}');
select set_eq(
  'select operation, key, new_value from pg_temp.news()',
  $$ values ('DELETE'::attune.audit_operation, 'theme', null::jsonb), ('INSERT', 'any', 'false'), ('INSERT', 'box', '{"a": 1}') $$,
  'several choices leave a row each'
);
select from attune.set_preference('box', '{"b": null, "c": 2}');
select results_eq(
  'select previous_value, new_value from pg_temp.news()', $$ values ('{"a": 1}'::jsonb, '{"a": 1, "c": 2}'::jsonb) $$,
  'a patch leaves a row with the whole object before and after'
);
select tests.throws_reason($$ select attune.set_preference('theme', '1') $$, 'PT422', 'invalid_value', 'a user cannot choose what is not valid');
select is_empty('select from pg_temp.news()', 'what was refused leaves none');
select from attune.set_preference('any', to_jsonb(repeat('x', 65534)));
select from attune.set_preference('any', to_jsonb(repeat('y', 65534)));
select is(
  (select max(octet_length(previous_value::text)) from pg_temp.news()), 65536, 'the largest values there may be fit into a row'
);

-- Who may read it
select isnt_empty('select from attune.configuration_audit_log', 'a user can read what happened to their settings');
select is_empty(
  $$ select from attune.configuration_audit_log where user_id is distinct from tests.user_id('ada@example.com') $$,
  'a user cannot read anything else'
);
select throws_ok(
  $$ insert into attune.configuration_audit_log (actor_role, layer, key, operation) values ('authenticated', 'user', 'theme', 'INSERT') $$,
  '42501', 'permission denied for table configuration_audit_log',
  'a user cannot write to the log'
);
select throws_ok(
  'update attune.configuration_audit_log set actor_id = null', '42501', 'permission denied for table configuration_audit_log',
  'a user cannot change the log'
);
select throws_ok(
  'delete from attune.configuration_audit_log', '42501', 'permission denied for table configuration_audit_log',
  'a user cannot delete from the log'
);
select throws_ok(
  'truncate attune.configuration_audit_log', '42501', 'permission denied for table configuration_audit_log',
  'a user cannot truncate the log'
);
select throws_ok(
  $$ select attune.purge_audit('1 year', 'mine') $$, '42501', 'permission denied for function purge_audit', 'a user cannot purge the log'
);
select is_empty('select from attune.maintenance_operations', 'a user cannot read what was done to the log');

-- A stranger

select tests.authenticate_as('bob@example.com');
select is_empty(
  $$ select from attune.configuration_audit_log where user_id is distinct from tests.user_id('bob@example.com') $$,
  'a stranger cannot read what happened to another''s settings'
);
select from attune.set_preference('theme', '"dark"');
select is(
  (select count(*) from attune.configuration_audit_log where subject = 'setting'), 1::bigint,
  'a stranger can read what happened to their own'
);
select is((select count(*) from pg_temp.news()), 1::bigint, 'a stranger''s change leaves a row');

-- The actor is the user of the request, never what the claims say beside.
select tests.set_request('authenticated', jsonb_build_object(
  'sub', tests.user_id('bob@example.com'), 'role', 'service_role', 'actor_id', tests.user_id('ada@example.com')
));
select from attune.set_preference('theme', '"dim"');
select results_eq(
  'select actor_id, actor_role from pg_temp.news()', $$ values (tests.user_id('bob@example.com'), 'authenticated') $$,
  'a user cannot write under another name'
);

select tests.authenticate_as(gen_random_uuid());
select is_empty('select from attune.configuration_audit_log', 'a deleted user cannot read the log');

-- The administrator

select tests.authenticate_as('admin@example.com');
select set_eq(
  'select distinct user_id from attune.configuration_audit_log where layer = ''user''',
  $$ values (tests.user_id('ada@example.com')), (tests.user_id('bob@example.com')) $$,
  'an administrator can read what happened to everybody''s settings'
);
select isnt_empty(
  'select from attune.configuration_audit_log where user_id is null', 'an administrator can read what happened to what is nobody''s in particular'
);

select from attune.set_global_setting('theme', '"corporate"', is_enforced => true, rollout_percentage => 50);
select results_eq(
  'select actor_id, layer, user_id, key, operation, new_value, new_attributes from pg_temp.news()',
  $$ values (tests.user_id('admin@example.com'), 'global'::attune.setting_layer, null::uuid, 'theme', 'INSERT'::attune.audit_operation,
       '"corporate"'::jsonb, '{"variants": null, "is_active": true, "is_enforced": true, "rollout_percentage": 50}'::jsonb) $$,
  'a global value leaves a row, with its lock and its rollout'
);
select from attune.set_global_setting('theme', '"corporate"');
select is_empty('select from pg_temp.news()', 'writing what is there already leaves none');
select from attune.set_global_setting('theme', is_enforced => false, rollout_percentage => 100);
select results_eq(
  'select operation, previous_attributes, new_attributes from pg_temp.news()',
  $$ values ('UPDATE'::attune.audit_operation, '{"variants": null, "is_active": true, "is_enforced": true, "rollout_percentage": 50}'::jsonb,
       '{"variants": null, "is_active": true, "is_enforced": false, "rollout_percentage": 100}'::jsonb) $$,
  'lifting a lock leaves a row'
);
select from attune.reset_global_setting('theme');
select results_eq(
  'select operation, previous_value from pg_temp.news()', $$ values ('DELETE'::attune.audit_operation, '"corporate"'::jsonb) $$,
  'resetting a global value leaves a row'
);
insert into attune.user_preferences (user_id, key, value) values (tests.user_id('ada@example.com'), 'given', '5');
select results_eq(
  'select actor_id, user_id from pg_temp.news()', $$ values (tests.user_id('admin@example.com'), tests.user_id('ada@example.com')) $$,
  'what an administrator gave a user leaves a row that says by whom and to whom'
);

insert into attune.setting_definitions (key, category, schema, default_value) values ('fresh', 'test', '{"type": "integer"}', '1');
select results_eq(
  'select actor_id, layer, user_id, key, operation, previous_value, new_value, new_attributes ->> ''category'' from pg_temp.news()',
  $$ values (tests.user_id('admin@example.com'), 'default'::attune.setting_layer, null::uuid, 'fresh', 'INSERT'::attune.audit_operation,
       null::jsonb, '1'::jsonb, 'test') $$,
  'a new definition leaves a row, its default being the value'
);
update attune.setting_definitions set writable_by = 'admin', default_value = '2' where key = 'fresh';
select results_eq(
  $$ select operation, previous_value, new_value, previous_attributes ->> 'writable_by', new_attributes ->> 'writable_by' from pg_temp.news() $$,
  $$ values ('UPDATE'::attune.audit_operation, '1'::jsonb, '2'::jsonb, 'user', 'admin') $$,
  'a changed definition leaves a row with what changed'
);
update attune.setting_definitions
set description = repeat(E'\x01', 8000), schema = jsonb_build_object('title', repeat(E'\x01', 10000)), category = repeat('é', 100)
where key = 'fresh';
select is((select count(*) from pg_temp.news()), 1::bigint, 'the largest definition there may be fits into a row');
delete from attune.setting_definitions where key = 'fresh';
select results_eq(
  'select operation, previous_value, new_value from pg_temp.news()', $$ values ('DELETE'::attune.audit_operation, '2'::jsonb, null::jsonb) $$,
  'a deleted definition leaves a row'
);

select throws_ok(
  'update attune.configuration_audit_log set actor_id = null', '42501', 'permission denied for table configuration_audit_log',
  'an administrator cannot change the log'
);
select throws_ok(
  'delete from attune.configuration_audit_log', '42501', 'permission denied for table configuration_audit_log',
  'an administrator cannot delete from the log'
);
select throws_ok(
  'truncate attune.configuration_audit_log', '42501', 'permission denied for table configuration_audit_log',
  'an administrator cannot truncate the log'
);
select throws_ok(
  $$ select attune.purge_audit('1 year', 'mine') $$, '42501', 'permission denied for function purge_audit',
  'an administrator cannot purge the log with a token'
);

-- A request without a token

select tests.authenticate_as_anon();
select throws_ok(
  'select * from attune.configuration_audit_log', '42501', 'permission denied for table configuration_audit_log', 'anon cannot read the log'
);
select throws_ok(
  'select * from attune.maintenance_operations', '42501', 'permission denied for table maintenance_operations',
  'anon cannot read what was done to the log'
);
select throws_ok(
  $$ select attune.purge_audit('1 year', 'mine') $$, '42501', 'permission denied for function purge_audit', 'anon cannot purge the log'
);

-- The trusted server

select tests.authenticate_as_service_role();
select isnt_empty('select from attune.configuration_audit_log', 'service_role can read the log');
select from attune.set_global_setting('any', '1');
select results_eq(
  'select actor_id, actor_role from pg_temp.news()', $$ values (null::uuid, 'service_role') $$,
  'what a trusted server did was done by no user'
);
delete from attune.users where email = 'bob@example.com';
select results_eq(
  $$ select actor_id, actor_role, user_id is not null, operation, previous_value from pg_temp.news() where subject = 'setting' $$,
  $$ values (null::uuid, 'service_role', true, 'DELETE'::attune.audit_operation, null::jsonb) $$,
  'deleting a user leaves a row for each of their choices, and not what they were'
);
select throws_ok(
  'update attune.configuration_audit_log set actor_id = null', '42501', 'permission denied for table configuration_audit_log',
  'service_role cannot change the log'
);
select throws_ok(
  'delete from attune.configuration_audit_log', '42501', 'permission denied for table configuration_audit_log',
  'service_role cannot delete from the log'
);
select throws_ok(
  $$ insert into attune.maintenance_operations (operation, reason, details, affected_rows, actor_role) values ('purge_audit', 'x', '{}', 0, 'x') $$,
  '42501', 'permission denied for table maintenance_operations',
  'service_role cannot pretend that the log was purged'
);

-- The owner of the schema

select tests.reset_role();
select tests.throws_reason(statement, '42501', 'append_only', 'the owner cannot ' || statement)
from (values
  ('update attune.configuration_audit_log set actor_id = null'),
  ('delete from attune.configuration_audit_log'),
  ('delete from attune.configuration_audit_log where key = ''theme'''),
  ('truncate attune.configuration_audit_log'),
  ('truncate attune.configuration_audit_log, attune.maintenance_operations cascade'),
  ('update attune.maintenance_operations set reason = ''another'''),
  ('delete from attune.maintenance_operations'),
  ('truncate attune.maintenance_operations')
) as s (statement);
insert into attune.maintenance_operations (operation, reason, details, affected_rows, actor_role)
values ('erase_user', 'x', jsonb_build_object('user_id', tests.user_id('ada@example.com')), 1, 'x');
select tests.throws_reason(
  $$ update attune.configuration_audit_log set previous_value = null, new_value = null where user_id = tests.user_id('ada@example.com') $$,
  '42501', 'append_only', 'the owner cannot empty the values of a user who is still there, as if they were erased'
);
select throws_ok(
  'set local session_replication_role = replica', '42501', 'permission denied to set parameter "session_replication_role"',
  'the owner, being no superuser, cannot switch triggers off for a session'
);
select throws_ok(
  'select attune_private.tg__audit()', '0A000', 'trigger functions can only be called as triggers',
  'the owner cannot write to the log by the trigger''s function'
);

update attune.setting_definitions set key = 'look' where key = 'theme';
select results_eq(
  $$ select layer, key, previous_attributes ->> 'key', new_attributes ->> 'key' from pg_temp.news() where operation = 'UPDATE' $$,
  $$ values ('default'::attune.setting_layer, 'look', 'theme', 'look') $$,
  'the owner''s renaming leaves a row that says what it was called before'
);
update attune.user_preferences set user_id = tests.user_id('admin@example.com') where user_id = tests.user_id('ada@example.com') and key = 'box';
select results_eq(
  $$ select user_id, previous_attributes ->> 'user_id' from pg_temp.news() $$,
  $$ values (tests.user_id('admin@example.com'), tests.user_id('ada@example.com')::text) $$,
  'the owner''s giving a choice to another leaves a row that says whose it was'
);

-- What is no setting: templates and categories of notifications, by an administrator and by the owner

create function pg_temp.told() returns table (actor uuid, what text, operation attune.audit_operation, previous jsonb, new jsonb) language sql as $$
  select
    n.actor_id, concat_ws(' ', n.subject, n.layer, n.scope, n.user_id, n.key), n.operation,
    jsonb_strip_nulls(jsonb_build_object('value', n.previous_value) || coalesce(n.previous_attributes - 'created_at', '{}')),
    jsonb_strip_nulls(jsonb_build_object('value', n.new_value) || coalesce(n.new_attributes - 'created_at', '{}'))
  from pg_temp.news() as n;
$$;
select tests.authenticate_as('admin@example.com');
insert into attune.setting_templates (name, title, "values", plan) values ('dark', 'Dark', '{"any": 2}', 'bootstrapper');
update attune.setting_templates set title = 'Dark', description = '' where name = 'dark';
update attune.setting_templates set "values" = '{"any": 3}', plan = null, role = 'boss' where name = 'dark';
delete from attune.setting_templates where name = 'dark';
insert into attune.notification_categories (name, title) values ('mine', 'Mine');
update attune.notification_categories set channels = '{email}', is_critical = true where name = 'mine';
delete from attune.notification_categories where name = 'mine';
select tests.reset_role();
select results_eq(
  'select actor, what, operation, previous, new from pg_temp.told()',
  $$
    values
      (tests.user_id('admin@example.com'), 'setting_template dark', 'INSERT'::attune.audit_operation, '{}'::jsonb,
        '{"value": {"any": 2}, "title": "Dark", "description": "", "plan": "bootstrapper"}'::jsonb),
      (tests.user_id('admin@example.com'), 'setting_template dark', 'UPDATE',
        '{"value": {"any": 2}, "title": "Dark", "description": "", "plan": "bootstrapper"}',
        '{"value": {"any": 3}, "title": "Dark", "description": "", "role": "boss"}'),
      (tests.user_id('admin@example.com'), 'setting_template dark', 'DELETE',
        '{"value": {"any": 3}, "title": "Dark", "description": "", "role": "boss"}', '{}'),
      (tests.user_id('admin@example.com'), 'notification_category mine', 'INSERT', '{}',
        '{"title": "Mine", "description": "", "channels": ["email", "push", "sms"], "is_critical": false}'),
      (tests.user_id('admin@example.com'), 'notification_category mine', 'UPDATE',
        '{"title": "Mine", "description": "", "channels": ["email", "push", "sms"], "is_critical": false}',
        '{"title": "Mine", "description": "", "channels": ["email"], "is_critical": true}'),
      (tests.user_id('admin@example.com'), 'notification_category mine', 'DELETE',
        '{"title": "Mine", "description": "", "channels": ["email"], "is_critical": true}', '{}')
  $$,
  'templates and categories leave rows as settings do, with all that it takes to put them back'
);
insert into attune.plans (name, title) values ('pro', 'Pro');
insert into attune.setting_templates (name, title, "values", plan) values ('old', 'Old', '{}', 'pro');
update attune.setting_templates set name = 'new' where name = 'old';
delete from attune.plans where name = 'pro';
select results_eq(
  'select actor, what, operation, previous ->> ''name'', new ->> ''name'' from pg_temp.told()',
  $$
    values
      (null::uuid, 'plan pro', 'INSERT'::attune.audit_operation, null::text, null::text),
      (null, 'setting_template old', 'INSERT', null, null),
      (null, 'setting_template new', 'UPDATE', 'old', 'new'),
      (null, 'plan pro', 'DELETE', null, null),
      (null, 'setting_template new', 'DELETE', null, null)
  $$,
  'also when the owner renames one, and when one goes with its plan'
);
select tests.throws_reason(format('truncate attune.%s cascade', t.name), '42501', 'append_only', 'the owner cannot truncate ' || t.name)
from (values ('setting_templates'), ('notification_categories'), ('change_set_items'), ('rollout_steps')) as t (name);
select tests.authenticate_as('admin@example.com');
select isnt_empty($$ select from attune.configuration_audit_log where subject = 'setting_template' $$, 'administrators read them');
select tests.authenticate_as('ada@example.com');
select is_empty($$ select from attune.configuration_audit_log where subject = 'setting_template' $$, 'and users do not');
select tests.reset_role();
select throws_ok(
  $$ insert into attune.configuration_audit_log (actor_role, acted_as, subject, layer, key, operation)
     values ('x', 'migration', 'setting', null, 'x', 'INSERT') $$, '23514',
  null, 'a setting has a layer'
);

select is_empty(
  $$
    select t.tgrelid::regclass
    from pg_trigger as t
    where t.tgname = '_900_audit'
      and not exists (
        select from pg_trigger as r where r.tgrelid = t.tgrelid and r.tgname = '_100_append_only' and r.tgtype & 32 = 32
      )
  $$,
  'what is audited cannot be truncated'
);
insert into attune.plans (name, title) values ('rich', 'Rich');
insert into attune.users (email, plan) values ('rich@example.com', 'rich');
select set_eq(
  $$ select l.key, l.operation, l.new_value #>> '{}' from attune.configuration_audit_log as l
     join attune.users as u on u.id = l.user_id and u.email = 'rich@example.com' where l.subject = 'user' $$,
  $$ select 'plan', 'INSERT'::attune.audit_operation, plan from attune.users where email = 'rich@example.com'
     union all values ('is_admin', 'INSERT'::attune.audit_operation, 'false') $$,
  'who begins with another plan leaves a row'
);

-- A user is deleted for a reason that tells of them, and comes again.
select tests.create_user('dave@example.com');
create temp table dave as select tests.user_id('dave@example.com') as id;
insert into attune.user_preferences (user_id, key, value) select id, 'any', '"dear"' from dave;
select set_config('attune.change_reason', 'Dave of dave@example.com asked', true);
delete from attune.users where id = (select id from dave);
select set_config('attune.change_reason', '', true);
select isnt_empty(
  $$ select from attune.configuration_audit_log where user_id = (select id from dave) and operation = 'DELETE' $$,
  'what went with a user leaves rows'
);
select is_empty(
  $$ select from attune.configuration_audit_log where user_id = (select id from dave) and reason is not null $$,
  'and no reason that was given'
);
select attune.seal_audit();
insert into attune.users (id, email) select id, 'dave@example.com' from dave;
select is_empty('select from attune.verify_audit()', 'who comes again with the same id has a log that is whole');

select * from finish();
rollback;
