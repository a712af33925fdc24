-- Templates: who writes them, who gets them, and what they change.
begin;
select plan(48);

select tests.create_user('ada@example.com');
select tests.create_user('admin@example.com', true);
insert into attune.plans (name, title) values ('scaler', 'Scaler');
insert into attune.setting_definitions (key, category, schema, default_value, layer, writable_by) values
  ('TEST_NUMBER', 'test', '{"type": "integer"}', '0', 'user', 'user'),
  ('TEST_OBJECT', 'test', '{"type": "object", "additionalProperties": {"type": "integer"}}', '{}', 'user', 'user'),
  ('TEST_GLOBAL', 'test', '{"type": "integer"}', '0', 'global', 'user'),
  ('TEST_BETA', 'test', '{"type": "boolean"}', 'false', 'user', 'admin');

select tests.authenticate_as('admin@example.com');
select lives_ok(
  $$
    insert into attune.setting_templates (name, title, "values", plan, role) values
      ('calm', 'Calm', '{"TEST_NUMBER": 1, "TEST_OBJECT": {"a": 1}}', null, null),
      ('scaling', 'Scaling', '{"TEST_NUMBER": 2, "TEST_OBJECT": {"b": 2}}', 'scaler', null),
      ('selling', 'Selling', '{"TEST_OBJECT": {"c": 3}}', null, 'Sales'),
      ('both', 'Both', '{"TEST_NUMBER": 4}', 'scaler', 'sales')
  $$,
  'an administrator writes templates'
);
select throws_ok(
  $$
    insert into attune.setting_templates (name, title, "values")
    values ('bad', 'Bad', '{"NOTHING": 1, "TEST_NUMBER": "x", "TEST_GLOBAL": 1, "TEST_BETA": true}')
  $$,
  'PT422',
  'The template is not valid: NOTHING: there is no such setting; TEST_BETA: users may not choose it; TEST_GLOBAL: its narrowest layer is global; TEST_NUMBER: must be integer',
  'with values that users may choose'
);
select throws_ok(
  $$ insert into attune.setting_templates (name, title, "values") values ('bad', 'Bad', '[]') $$,
  'PT422', 'The template is not valid: it is no object', 'as an object'
);
select tests.throws_reason(
  format(
    'insert into attune.setting_templates (name, title, "values") values (%L, %L, %L)',
    'deep', 'Deep', format('{"TEST_NUMBER": %s%s}', repeat('[', 65), repeat(']', 65))
  ),
  'PT422', 'value_too_deep', 'none of which has more levels than a setting'
);
select throws_like(
  format(
    'insert into attune.setting_templates (name, title, "values") values (%L, %L, %L)',
    'deep', 'Deep', format('{"TEST_NUMBER": %s%s}', repeat('[', 64), repeat(']', 64))
  ),
  'The template is not valid: TEST_NUMBER: %', 'with as many it is judged'
);

-- At sign-up

select tests.reset_role();
insert into attune.users (email, plan, role) values
  ('plan@example.com', 'scaler', null), ('role@example.com', default, 'SALES'), ('both@example.com', 'scaler', 'sales');
prepare stored as
select u.email, p.key, p.value
from attune.user_preferences as p
join attune.users as u on u.id = p.user_id
where p.key like 'TEST%'
order by 1, 2;
select results_eq(
  'stored',
  $$
    values
      ('both@example.com', 'TEST_NUMBER', '4'::jsonb),
      ('both@example.com', 'TEST_OBJECT', '{"b": 2, "c": 3}'),
      ('plan@example.com', 'TEST_NUMBER', '2'),
      ('plan@example.com', 'TEST_OBJECT', '{"b": 2}'),
      ('role@example.com', 'TEST_OBJECT', '{"c": 3}')
  $$,
  'who signs up gets those of their plan and role, the more particular over the others'
);
select is_empty(
  $$ select from attune.user_preferences as p where p.user_id = tests.user_id('admin@example.com') and p.key like 'TEST%' $$,
  'who was there before gets nothing'
);
insert into attune.setting_templates (name, title, "values", plan, is_admin) values
  ('ruling', 'Ruling', '{"TEST_NUMBER": 7}', null, true),
  ('serving', 'Serving', '{"TEST_NUMBER": 8, "TEST_OBJECT": {"s": 8}}', null, false),
  ('ruling_scaled', 'Ruling much', '{"TEST_OBJECT": {"r": 9}}', 'scaler', true);
insert into attune.users (email, plan, is_admin) values
  ('ruler@example.com', default, true), ('servant@example.com', default, false), ('scaled@example.com', 'scaler', true);
select results_eq(
  $$
    select u.email, jsonb_object_agg(p.key, p.value)
    from attune.user_preferences as p
    join attune.users as u on u.id = p.user_id and u.email in ('ruler@example.com', 'servant@example.com', 'scaled@example.com')
    where p.key like 'TEST%'
    group by u.email
    order by 1
  $$,
  $$
    values
      ('ruler@example.com', '{"TEST_NUMBER": 7}'::jsonb),
      ('scaled@example.com', '{"TEST_NUMBER": 2, "TEST_OBJECT": {"b": 2, "r": 9}}'),
      ('servant@example.com', '{"TEST_NUMBER": 8, "TEST_OBJECT": {"s": 8}}')
  $$,
  'administrators begin with other values than users do'
);
update attune.users set is_admin = true where email = 'servant@example.com';
select is(
  (select p.value from attune.user_preferences as p where p.user_id = tests.user_id('servant@example.com') and p.key = 'TEST_NUMBER'),
  '8', 'who becomes an administrator later keeps what they have'
);
delete from attune.setting_templates where is_admin is not null;
alter table attune.setting_definitions disable trigger _100_validate;
update attune.setting_definitions set schema = '{"type": "string"}' where key = 'TEST_NUMBER';
alter table attune.setting_definitions enable trigger _100_validate;
select lives_ok(
  $$ insert into attune.users (email, plan) values ('late@example.com', 'scaler') $$,
  'a template that is out of date keeps nobody out'
);
select results_eq(
  $$ select p.key from attune.user_preferences as p where p.user_id = tests.user_id('late@example.com') and p.key like 'TEST%' $$,
  $$ values ('TEST_OBJECT') $$,
  'and gives what still fits'
);
alter table attune.setting_definitions disable trigger _100_validate;
update attune.setting_definitions set schema = '{"type": "integer"}' where key = 'TEST_NUMBER';
alter table attune.setting_definitions enable trigger _100_validate;

-- On request

select tests.authenticate_as('ada@example.com');
select attune.set_preference('TEST_OBJECT', '{"a": 0, "z": 9}');
create function pg_temp.summary(name text, mode attune.import_mode default 'merge', dry_run boolean default false)
returns text
language sql
as $$
  select string_agg(concat_ws(' ', c.key, c.action, c.previous_value::text || '>', c.new_value), ', ')
  from attune.apply_template($1, $2, $3) as c
  where c.key like 'TEST%'
$$;
select is(
  pg_temp.summary('calm', 'merge', true),
  'TEST_NUMBER added 1, TEST_OBJECT changed {"a": 0, "z": 9}> {"a": 1, "z": 9}',
  'a user sees first what a template would change'
);
select is((attune.effective_setting('TEST_NUMBER')).layer, 'default', 'which changes nothing');
select is(
  pg_temp.summary('calm'), 'TEST_NUMBER added 1, TEST_OBJECT changed {"a": 0, "z": 9}> {"a": 1, "z": 9}', 'and then applies it'
);
select is((attune.effective_setting('TEST_OBJECT')).value, '{"a": 1, "z": 9}', 'merged over what they chose');
select is(pg_temp.summary('calm'), 'TEST_NUMBER unchanged 1> 1, TEST_OBJECT unchanged {"a": 1, "z": 9}> {"a": 1, "z": 9}', 'once');
select is(
  pg_temp.summary('selling', 'replace'), 'TEST_NUMBER removed 1>, TEST_OBJECT changed {"a": 1, "z": 9}> {"c": 3}',
  'or instead of it'
);
select throws_ok(
  $$ select attune.apply_template('nothing') $$, 'PT404', 'There is no template ''nothing''', 'a template exists'
);
select is((select count(*) from attune.setting_templates), 4::bigint, 'a user reads the templates');
select throws_ok(
  $$ insert into attune.setting_templates (name, title, "values") values ('mine', 'Mine', '{}') $$,
  '42501', 'Only an administrator may do this', 'and writes none'
);
select is_empty($$ update attune.setting_templates set title = 'x' returning name $$, 'nor changes any');

select tests.authenticate_as('admin@example.com');
select attune.set_global_setting('TEST_NUMBER', '5', true);
select tests.authenticate_as('ada@example.com');
select throws_ok(
  $$ select attune.apply_template('calm') $$,
  'PT422', 'The document is not valid: TEST_NUMBER: it is locked by an administrator', 'a lock holds'
);
select tests.authenticate_as('00000000-0000-4000-8000-0000000000ff'::uuid);
select is_empty($$ select from attune.setting_templates $$, 'a deleted user reads none');
select throws_ok($$ select attune.apply_template('calm') $$, '42501', 'Nobody is signed in', 'and applies none');
select tests.authenticate_as_anon();
select throws_ok(
  $$ select from attune.setting_templates $$, '42501', 'permission denied for table setting_templates', 'nor does anon'
);
select tests.authenticate_as_service_role();
select lives_ok(
  $$ insert into attune.setting_templates (name, title, "values") values ('more', 'More', '{}') $$, 'a trusted server writes them'
);

-- No template keeps anybody out

select throws_ok(
  $$
    insert into attune.setting_templates (name, title, "values")
    values ('lost', 'Lost', '{"app_preferences.data_preferences": {"timezone": "Mars/Phobos"}}')
  $$,
  'PT422', 'The template is not valid: app_preferences.data_preferences: /timezone: is no time zone', 'a template has time zones that there are'
);
select throws_ok(
  $$
    insert into attune.setting_templates (name, title, "values")
    values ('leak', 'Leak', '{"app_preferences.integration_settings": {"email": {"defaults": {"token": "abc"}}}}')
  $$,
  'PT422', 'The template is not valid: app_preferences.integration_settings: /email/defaults/token: looks like a secret', 'and no secrets'
);
select tests.reset_role();
insert into attune.setting_definitions (key, category, schema, default_value)
values ('TEST_PAIR', 'test', '{"type": "object", "maxProperties": 1}', '{}');
insert into attune.setting_templates (name, title, "values", plan, role) values
  ('one', 'One', '{"TEST_PAIR": {"a": 1}}', 'scaler', null), ('two', 'Two', '{"TEST_PAIR": {"b": 2}}', null, 'pairs');
select lives_ok(
  $$ insert into attune.users (email, plan, role) values ('pair@example.com', 'scaler', 'pairs') $$,
  'two templates that do not go together keep nobody out'
);
select results_eq(
  $$ select p.value from attune.user_preferences as p where p.user_id = tests.user_id('pair@example.com') and p.key = 'TEST_PAIR' $$,
  $$ values ('{"a": 1}'::jsonb) $$,
  'the first stays'
);
delete from attune.user_preferences where key = 'TEST_PAIR';
update attune.setting_definitions set schema = '{"type": "object", "maxProperties": 0}' where key = 'TEST_PAIR';
select lives_ok(
  $$ insert into attune.users (email, plan, role) values ('tardy@example.com', 'scaler', null) $$,
  'nor does one that its definition has left behind'
);
delete from attune.user_preferences where key = 'TEST_PAIR';
select tests.throws_reason(
  $$ delete from attune.setting_definitions where key = 'TEST_PAIR' $$, 'PT409', 'setting_in_use', 'what a template holds is not deleted'
);

insert into attune.setting_definitions (key, category, schema, default_value)
values (
  'TEST_WHOLE', 'test', '{"type": ["object", "null"], "required": ["host", "port"]}', '{"host": "mail", "port": 25}'
);
insert into attune.global_settings (key, value) values ('TEST_WHOLE', '{"host": "post", "port": 465}');
insert into attune.setting_templates (name, title, "values", plan)
values ('whole', 'Whole', '{"TEST_WHOLE": {"port": 587}}', 'scaler');
insert into attune.users (email, plan) values ('whole@example.com', 'scaler');
select is(
  (select p.value from attune.user_preferences as p where p.user_id = tests.user_id('whole@example.com') and p.key = 'TEST_WHOLE'),
  '{"host": "post", "port": 587}',
  'where the whole is stored, a template changes what applies'
);
select throws_ok(
  $$ insert into attune.setting_templates (name, title, "values") values ('half', 'Half', '{"TEST_WHOLE": {"port": null}}') $$,
  'PT422', 'The template is not valid: TEST_WHOLE: must have required property ''port''', 'and takes away nothing that has to be there'
);

insert into attune.setting_definitions (key, category, schema, default_value)
values ('TEST_LARGE', 'test', '{"type": "object", "additionalProperties": {"type": "string"}}', '{}');
insert into attune.setting_templates (name, title, "values", plan, role) values
  ('large', 'Large', jsonb_build_object('TEST_LARGE', jsonb_build_object('a', repeat('x', 40000))), 'scaler', null),
  ('larger', 'Larger', jsonb_build_object('TEST_LARGE', jsonb_build_object('b', repeat('y', 40000))), null, 'pairs');
select lives_ok(
  $$ insert into attune.users (email, plan, role) values ('large@example.com', 'scaler', 'pairs') $$,
  'nor two that are too large together'
);
select is(
  (
    select array_agg(k.key)
    from attune.user_preferences as p
    cross join jsonb_object_keys(p.value) as k (key)
    where p.user_id = tests.user_id('large@example.com') and p.key = 'TEST_LARGE'
  ),
  '{a}', 'of which the first stays'
);

create function pg_temp.refuse() returns trigger language plpgsql as $$
begin
  raise exception using errcode = current_setting('tests.code');
end $$;
create trigger _999_refuse before insert on attune.user_preferences
  for each row when (new.key = 'TEST_LARGE') execute function pg_temp.refuse();
select lives_ok(
  format(
    'select set_config(''tests.code'', %L, true); insert into attune.users (email, plan) values (%L, ''scaler'')',
    code, code || '@example.com'
  ),
  'nobody is kept out by ' || code
)
from unnest(array[
  'PT400', 'PT401', 'PT404', 'PT409', 'PT422', 'PT429', '42501', '22003', '22P02', '23514', '54000'
]) as c (code);
select throws_ok(
  $$ select set_config('tests.code', 'XX000', true); insert into attune.users (email, plan) values ('x@example.com', 'scaler') $$,
  'XX000', 'XX000', 'what is nobody''s intention is not hidden'
);

select * from finish();
rollback;
