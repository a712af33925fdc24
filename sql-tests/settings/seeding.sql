-- What a new user starts with, and how those who were there before get it too.
begin;
select no_plan();

-- Without the copies that every user gets of what is shipped.
update attune.setting_definitions set seeding = 'inherit' where source = 'attune' and seeding = 'copy';

select tests.create_user('early@example.com'), tests.create_user('second@example.com');
select tests.create_user('admin@example.com', is_admin => true);

select from attune.apply_definitions($$ {
  "$id": "test", "type": "object", "x-attune": {"category": "test"},
  "properties": {
    "copied": {"type": "string", "default": "first", "x-attune": {"seeding": "copy"}},
    "copied_object": {"type": "object", "default": {"a": 1}, "x-attune": {"seeding": "copy"}},
    "copied_by_admin": {"type": "integer", "default": 10, "x-attune": {"seeding": "copy", "writable_by": "admin"}},
    "copied_null": {"default": null, "x-attune": {"seeding": "copy"}},
    "inherited": {"type": "string", "default": "first"},
    "common": {"type": "string", "default": "first", "x-attune": {"seeding": "copy", "layer": "global"}}
  }
} $$);
select from attune.set_global_setting('copied', '"global"');
select from attune.set_global_setting('copied_object', '{"b": 2}');

create function pg_temp.stored(email text) returns jsonb language sql security definer as $$
  select coalesce(jsonb_object_agg(p.key, p.value), '{}') from attune.user_preferences as p where p.user_id = tests.user_id(email)
$$;

-- A new user, whoever adds them

select is(pg_temp.stored('early@example.com'), '{}', 'a user who was there before has nothing');

select tests.authenticate_as_service_role();
insert into attune.users (email) values ('new@example.com');
select is(
  pg_temp.stored('new@example.com'),
  '{"copied": "global", "copied_object": {"a": 1, "b": 2}, "copied_by_admin": 10, "copied_null": null}',
  'a new user gets a copy of what is effective, of the settings that say so'
);
select results_eq(
  $$ select distinct updated_by, is_active from attune.user_preferences where user_id = tests.user_id('new@example.com') $$,
  $$ values (null::uuid, true) $$,
  'what a new user gets was written by no user'
);
select is(
  (select count(*) from attune.configuration_audit_log
   where user_id = tests.user_id('new@example.com') and operation = 'INSERT' and subject = 'setting'), 4::bigint,
  'what a new user gets is audited'
);

select tests.authenticate_as('new@example.com');
select results_eq(
  $$ select key, value, layer from attune.effective_settings('test') where key in ('copied', 'inherited') order by key $$,
  $$ values ('copied', '"global"'::jsonb, 'user'::attune.setting_layer), ('inherited', '"first"', 'default') $$,
  'a new user can read what they got'
);
select tests.authenticate_as('admin@example.com');
select from attune.set_global_setting('copied', '"later"');
select from attune.set_global_setting('inherited', '"later"');
select tests.authenticate_as('new@example.com');
select results_eq(
  $$ select key, value from attune.effective_settings('test') where key in ('copied', 'inherited') order by key $$,
  $$ values ('copied', '"global"'::jsonb), ('inherited', '"later"') $$,
  'what was copied does not follow later changes, what is inherited does'
);
select is((attune.set_preference('copied', '"mine"')).value, '"mine"', 'a user can change what they got');
select is((attune.reset_preference('copied')).value, '"later"', 'a user can drop what they got');

-- A lock, a switch and a rollout count as for anybody.
select tests.reset_role();
select from attune.set_global_setting('copied', '"locked"', is_enforced => true);
update attune.global_settings set is_active = false where key = 'copied_object';
select is((tests.create_user('locked@example.com') is null), false, 'a user can be added while a setting is locked');
select is(
  pg_temp.stored('locked@example.com') - 'copied_null' - 'copied_by_admin', '{"copied": "locked", "copied_object": {"a": 1}}',
  'a new user gets what is effective then'
);

-- A limit does not keep people out.
select from attune.set_global_setting('PREFERENCES_PER_USER', '1');
select tests.authenticate_as_service_role();
select lives_ok($$ insert into attune.users (email) values ('limited@example.com') $$, 'a user can be added who gets more than a user may hold');
select is((select count(*) from jsonb_object_keys(pg_temp.stored('limited@example.com'))), 4::bigint, 'a new user gets all of it');
select tests.authenticate_as('limited@example.com');
select tests.throws_reason(
  $$ select attune.set_preference('inherited', '"mine"') $$, 'PT422', 'too_many_preferences', 'a user cannot add to it then'
);
select tests.reset_role();
select from attune.reset_global_setting('PREFERENCES_PER_USER');

-- Those who were there before, and the owner of such a row

select tests.authenticate_as('early@example.com');
select tests.throws_reason('select attune.seed_existing_users()', '42501', 'admin_required', 'a user cannot seed users');
select from attune.set_preference('copied_object', '{"a": 5}');
select throws_ok(
  'select attune_private.seed_settings(attune.current_user_id())', '42501', 'permission denied for schema attune_private',
  'a user cannot seed themselves'
);

-- The administrator

select tests.reset_role();
insert into attune.user_preferences (user_id, key, value) values (tests.user_id('second@example.com'), 'copied', '"mine"');
select tests.authenticate_as('admin@example.com');
select is(attune.seed_existing_users(2), 2, 'an administrator can seed a batch of users');
select is(attune.seed_existing_users(2), 2, 'an administrator can seed the next batch');
select is(attune.seed_existing_users(2), 0, 'an administrator is told when nobody is left');
select is(
  pg_temp.stored('early@example.com'),
  '{"copied": "locked", "copied_object": {"a": 5}, "copied_by_admin": 10, "copied_null": null}',
  'who was there before gets a copy of what they do not hold, and keeps what they do'
);
select is(pg_temp.stored('second@example.com') -> 'copied', '"mine"', 'who was there before keeps a choice that a lock ignores');
select is(pg_temp.stored('new@example.com') -> 'copied', '"locked"', 'who dropped what they got gets it again');
select is(
  (select count(*) from attune.users where not (pg_temp.stored(email) ?& array['copied', 'copied_object', 'copied_by_admin', 'copied_null'])),
  0::bigint, 'everybody is seeded'
);
select is(
  (select updated_by from attune.user_preferences where user_id = tests.user_id('early@example.com') and key = 'copied'),
  tests.user_id('admin@example.com'),
  'what was seeded says by whom'
);
create temp table before as select * from attune.user_preferences;
select is(attune.seed_existing_users(), 0, 'an administrator can seed again');
select set_eq('select * from attune.user_preferences', 'select * from before', 'seeding again changes nothing');
select tests.throws_reason(
  format('select attune.seed_existing_users(%s)', bad.size), 'PT422', 'invalid_batch_size', 'an administrator cannot seed a batch of ' || bad.size
)
from (values ('0'), ('-1'), ('100001'), ('null')) as bad (size);

select tests.reset_role();
update attune.setting_definitions set seeding = 'copy' where key = 'inherited';
select tests.authenticate_as('admin@example.com');
select is(
  attune.seed_existing_users(100000), (select count(*)::integer from attune.users),
  'an administrator can seed everybody when a definition comes to say so'
);
select is(pg_temp.stored('second@example.com') -> 'inherited', '"later"', 'everybody has what is effective then');

-- What is too large once it is merged is left out, and said

select tests.reset_role();
insert into attune.setting_definitions (key, category, schema, default_value, seeding)
values ('huge', 'test', '{"type": "object"}', jsonb_build_object('a', repeat('a', 40000)), 'copy');
select from attune.set_global_setting('huge', jsonb_build_object('b', repeat('b', 40000)));
select tests.authenticate_as_service_role();
select lives_ok($$ insert into attune.users (email) values ('huge@example.com') $$, 'what cannot be stored keeps nobody out');
select tests.reset_role();
select is(pg_temp.stored('huge@example.com') ? 'huge', false, 'it is not copied');
select is(pg_temp.stored('huge@example.com') ? 'copied_by_admin', true, 'what can be is');
select results_eq(
  $$
    select details - 'user_id', affected_rows, actor_id
    from attune.maintenance_operations
    where operation = 'seed_settings' and details -> 'user_id' = to_jsonb(tests.user_id('huge@example.com'))
  $$,
  format(
    'values (%L::jsonb, %s::bigint, null::uuid)',
    '{"skipped": ["huge: The value of huge is too large: 80018 bytes, at most 65536 are allowed"]}',
    (select count(*) from jsonb_object_keys(pg_temp.stored('huge@example.com')))
  ),
  'the log of operations says what was left out, and why'
);
select tests.authenticate_as('huge@example.com');
select is(
  (select octet_length(value::text) from attune.effective_settings('test') where key = 'huge'), 80018,
  'what is not copied applies as for everybody'
);
select tests.authenticate_as('admin@example.com');
select lives_ok('select attune.seed_existing_users()', 'it stops no batch');
select tests.reset_role();
select from attune.reset_global_setting('huge');
select tests.authenticate_as('admin@example.com');
select is(
  attune.seed_existing_users(100000), (select count(*)::integer from attune.users), 'once it can be stored, everybody is given it'
);

-- What nobody can be given is no reason to go on for ever.
select tests.reset_role();
insert into attune.setting_definitions (key, category, schema, seeding)
values ('not_set', 'test', '{"type": "integer"}', 'copy');
delete from attune.user_preferences
where key = 'copied' and user_id = (select max(u.id::text)::uuid from attune.users as u);
select tests.authenticate_as('admin@example.com');
select is(attune.seed_existing_users(1), 1, 'who can be given something is found behind those who cannot');
select is(attune.seed_existing_users(1), 0, 'and then nobody is left, though nobody holds what is not set');

-- What is chosen in a project is merged over the copy, which need not have what the default has in it.
select tests.reset_role();
insert into attune.setting_definitions (key, category, schema, default_value, layer, seeding)
select
  d.key, 'test',
  '{"type": "object", "properties": {"a": {"type": "object", "required": ["x"]}}}', '{"a": {"x": 1}}',
  d.layer, 'copy'
from (values ('copied_for_projects', 'project'::attune.setting_layer), ('copied_for_users', 'user')) as d (key, layer);
select results_eq(
  $$ select key, merge from attune.setting_definitions where key like 'copied_for_%' order by key $$,
  $$ values ('copied_for_projects', 'replace'::attune.setting_merge), ('copied_for_users', 'deep') $$,
  'below a copy, what only the default has is nothing that a part of an object can be merged with'
);
update attune.setting_definitions set layer = 'project' where key = 'copied_for_users';
select is(
  (select merge from attune.setting_definitions where key = 'copied_for_users'), 'replace',
  'nor is it once there is something below it'
);

-- A request without a token

select tests.authenticate_as_anon();
select throws_ok(
  'select attune.seed_existing_users()', '42501', 'Nobody is signed in', 'anon cannot seed users'
);

-- The trusted server

select tests.reset_role();
delete from attune.user_preferences where key = 'copied';
select tests.authenticate_as_service_role();
select cmp_ok(attune.seed_existing_users(), '>', 0, 'service_role can seed users');

select * from finish();
rollback;
