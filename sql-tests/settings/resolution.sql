-- What applies, and why: every combination of layers, locks and switches, and who may ask about whom.
begin;
select no_plan();

select tests.create_user('ada@example.com'), tests.create_user('bob@example.com');
select tests.create_user('admin@example.com', is_admin => true);

-- Combinations: a value of each layer, `-` where nothing is stored, `off` where it is switched off, `lock` where it enforces.

create temp table combinations (
  what text, default_value jsonb, global_value jsonb, global_flags text, user_value jsonb, user_flags text,
  value jsonb, layer attune.setting_layer, reason attune.evaluation_reason, is_enforced boolean
);
insert into combinations values
  ('nothing is stored', '1', null, '', null, '', '1', 'default', 'DEFAULT', false),
  ('the global value', '1', '2', '', null, '', '2', 'global', 'STATIC', false),
  ('the user''s value', '1', null, '', '3', '', '3', 'user', 'TARGETING_MATCH', false),
  ('the user''s value over the global one', '1', '2', '', '3', '', '3', 'user', 'TARGETING_MATCH', false),
  ('the user''s value is the default''s', '1', '2', '', '1', '', '1', 'user', 'TARGETING_MATCH', false),
  ('the global value is switched off', '1', '2', 'off', null, '', '1', 'default', 'DISABLED', false),
  ('the user''s value is switched off', '1', null, '', '3', 'off', '1', 'default', 'DISABLED', false),
  ('the user''s value is switched off over the global one', '1', '2', '', '3', 'off', '2', 'global', 'STATIC', false),
  ('the global value is switched off under the user''s', '1', '2', 'off', '3', '', '3', 'user', 'TARGETING_MATCH', false),
  ('both are switched off', '1', '2', 'off', '3', 'off', '1', 'default', 'DISABLED', false),
  ('a lock', '1', '2', 'lock', null, '', '2', 'global', 'STATIC', true),
  ('a lock over the user''s value', '1', '2', 'lock', '3', '', '2', 'global', 'STATIC', true),
  ('a lock that is switched off', '1', '2', 'lock off', '3', '', '3', 'user', 'TARGETING_MATCH', false),
  ('a lock that is switched off, and nothing else', '1', '2', 'lock off', null, '', '1', 'default', 'DISABLED', false),
  ('a lock over a value that is switched off', '1', '2', 'lock', '3', 'off', '2', 'global', 'STATIC', true),
  ('false is a value', 'true', 'true', '', 'false', '', 'false', 'user', 'TARGETING_MATCH', false),
  ('null is a value', '1', '2', '', 'null', '', 'null', 'user', 'TARGETING_MATCH', false),
  ('null is a value for everybody', '1', 'null', '', null, '', 'null', 'global', 'STATIC', false),
  ('null is a default', 'null', null, '', null, '', 'null', 'default', 'DEFAULT', false),
  ('a lock on null', '1', 'null', 'lock', '3', '', 'null', 'global', 'STATIC', true),
  ('lists are replaced', '[1, 2]', '[3]', '', '[]', '', '[]', 'user', 'TARGETING_MATCH', false),
  ('objects are merged', '{"a": 1, "b": 1, "c": 1}', '{"b": 2, "c": 2}', '', '{"c": 3, "d": 3}', '',
    '{"a": 1, "b": 2, "c": 3, "d": 3}', 'user', 'TARGETING_MATCH', false),
  ('objects inside are merged', '{"a": {"x": 1, "y": 1}}', '{"a": {"y": 2}}', '', '{"a": {"z": 3}}', '',
    '{"a": {"x": 1, "y": 2, "z": 3}}', 'user', 'TARGETING_MATCH', false),
  ('lists inside are replaced', '{"a": [1, 2]}', '{"a": [3]}', '', '{"b": 1}', '', '{"a": [3], "b": 1}', 'user', 'TARGETING_MATCH', false),
  ('a null member of a default stays', '{"a": null}', '{"b": 1}', '', null, '', '{"a": null, "b": 1}', 'global', 'STATIC', false),
  ('an object that is switched off adds nothing', '{"a": 1}', '{"b": 2}', 'off', '{"c": 3}', '', '{"a": 1, "c": 3}', 'user', 'TARGETING_MATCH', false),
  ('a locked object ignores the user''s members', '{"a": 1}', '{"b": 2}', 'lock', '{"c": 3}', '', '{"a": 1, "b": 2}', 'global', 'STATIC', true),
  ('an empty object is a choice', '{"a": 1}', null, '', '{}', '', '{"a": 1}', 'user', 'TARGETING_MATCH', false),
  ('a scalar over an object', '{"a": 1}', '{"b": 2}', '', '3', '', '3', 'user', 'TARGETING_MATCH', false),
  ('an object over a scalar', '{"a": 1}', '2', '', '{"c": 3}', '', '{"c": 3}', 'user', 'TARGETING_MATCH', false),
  ('an object over null', '{"a": 1}', 'null', '', '{"c": 3}', '', '{"c": 3}', 'user', 'TARGETING_MATCH', false),
  ('an object over a list', '[1]', null, '', '{"c": 3}', '', '{"c": 3}', 'user', 'TARGETING_MATCH', false);

grant select on combinations to public;

create function pg_temp.store(c combinations) returns void language plpgsql as $$
begin
  perform tests.reset_role();
  delete from attune.user_preferences where key = 'k';
  delete from attune.global_settings where key = 'k';
  delete from attune.setting_definitions where key = 'k';
  insert into attune.setting_definitions (key, category, schema, default_value) values ('k', 'test', '{}', c.default_value);
  if c.global_value is not null then
    insert into attune.global_settings (key, value, is_active, is_enforced)
    values ('k', c.global_value, c.global_flags !~ 'off', c.global_flags ~ 'lock');
  end if;
  if c.user_value is not null then
    insert into attune.user_preferences (user_id, key, value, is_active)
    values (tests.user_id('ada@example.com'), 'k', c.user_value, c.user_flags !~ 'off');
  end if;
  perform tests.authenticate_as('ada@example.com');
end;
$$;

create function pg_temp.resolved(c combinations) returns setof text language plpgsql as $$
begin
  perform pg_temp.store(c);
  return next results_eq(
    $q$ select value, layer, reason, is_enforced, can_edit, variant from attune.effective_setting('k') $q$,
    format('values (%L::jsonb, %L::attune.setting_layer, %L::attune.evaluation_reason, %L::boolean, %L::boolean, null::text)',
      c.value, c.layer, c.reason, c.is_enforced, not c.is_enforced),
    'a user can read what applies: ' || c.what
  );
end;
$$;
select pg_temp.resolved(c) from combinations as c;

-- Whoever asks, and however, it is the same.
create function pg_temp.agrees(c combinations) returns boolean language plpgsql as $$
declare
  list attune.effective_setting;
begin
  perform pg_temp.store(c);
  select s.* into list from attune.effective_settings('test') as s where s.key = 'k';
  if list is distinct from attune.effective_setting('k') or attune.settings_document('test') -> 'k' <> list.value
    or (select e.layer from attune.explain_setting('k') as e where e.is_winner) <> list.layer
  then
    return false;
  end if;
  perform tests.authenticate_as('admin@example.com');
  return (select s from attune.effective_settings_for(tests.user_id('ada@example.com')) as s where s.key = 'k') is not distinct from list;
end;
$$;
select ok(pg_temp.agrees(c), 'all functions agree: ' || c.what) from combinations as c;

-- Why

create function pg_temp.explained(what text) returns setof text language plpgsql as $$
begin
  perform pg_temp.store(c) from combinations as c where c.what = explained.what;
  return query
    select format('%s %s%s%s', e.layer, coalesce(e.value::text, '-'), case when e.is_winner then ' wins' end, ' ' || e.ignored_because)
    from attune.explain_setting('k') as e
    where e.is_set;
end;
$$;
select results_eq(format('select pg_temp.explained(%L)', e.what), e.layers, 'a user can ask why: ' || e.what)
from (values
  ('nothing is stored', array['default 1 wins']),
  ('the user''s value over the global one', array['default 1 overridden_by_global', 'global 2 overridden_by_user', 'user 3 wins']),
  ('the global value is switched off under the user''s', array['default 1 overridden_by_user', 'global 2 inactive', 'user 3 wins']),
  ('both are switched off', array['default 1 wins', 'global 2 inactive', 'user 3 inactive']),
  ('a lock over the user''s value', array['default 1 overridden_by_global', 'global 2 wins', 'user 3 enforced_by_global']),
  ('a lock that is switched off', array['default 1 overridden_by_user', 'global 2 inactive', 'user 3 wins']),
  ('a lock over a value that is switched off', array['default 1 overridden_by_global', 'global 2 wins', 'user 3 inactive']),
  ('objects are merged', array['default {"a": 1, "b": 1, "c": 1}', 'global {"b": 2, "c": 2}', 'user {"c": 3, "d": 3} wins']),
  ('a scalar over an object', array['default {"a": 1} overridden_by_user', 'global {"b": 2} overridden_by_user', 'user 3 wins']),
  ('an object over a scalar', array['default {"a": 1} overridden_by_global', 'global 2', 'user {"c": 3} wins']),
  ('null is a value', array['default 1 overridden_by_global', 'global 2 overridden_by_user', 'user null wins'])
) as e (what, layers);

select tests.reset_role();
delete from attune.user_preferences where key = 'k';
delete from attune.global_settings where key = 'k';
select tests.authenticate_as('admin@example.com');
select from attune.set_global_setting('k', '"all"', is_enforced => true);
select tests.authenticate_as('ada@example.com');
select results_eq(
  $$ select layer, value, is_set, is_active, is_enforced, is_winner, ignored_because, updated_by, updated_at from attune.explain_setting('k') $$,
  $$ values
    ('default'::attune.setting_layer, '1'::jsonb, true, true, false, false, 'overridden_by_global'::attune.ignored_reason, null::uuid, null::timestamptz),
    ('global', '"all"', true, true, true, true, null, tests.user_id('admin@example.com'), now()),
    ('plan', null, false, false, false, false, null, null, null),
    ('team', null, false, false, false, false, null, null, null),
    ('user', null, false, false, false, false, null, null, null) $$,
  'a user can ask who set it and when, layer by layer, broad to narrow'
);
select set_eq(
  $$ select layer from attune.explain_setting('MODEL_CHOICE') $$, $$ values ('default'::attune.setting_layer), ('global') $$,
  'a layer that may not hold a value is not explained'
);

-- The owner: a user about themselves

select tests.reset_role();
insert into attune.setting_definitions (key, category, schema, default_value, audience, layer, writable_by) values
  ('shown', 'looks', '{}', '"shown"', 'public', 'user', 'user'),
  ('hidden', 'looks', '{}', '"hidden"', 'client', 'user', 'user'),
  ('given', 'looks', '{}', '"given"', 'client', 'user', 'admin'),
  ('common', 'looks', '{}', '"common"', 'client', 'global', 'user');
insert into attune.user_preferences (user_id, key, value) values (tests.user_id('ada@example.com'), 'hidden', '"ada"');

select tests.authenticate_as('ada@example.com');
select results_eq(
  $$ select key, can_edit from attune.effective_settings('looks') order by key $$,
  $$ values ('common', false), ('given', false), ('hidden', true), ('shown', true) $$,
  'a user is told what they can edit'
);
select is(
  attune.settings_document('looks'), '{"common": "common", "given": "given", "hidden": "ada", "shown": "shown"}',
  'a user can have a category as one document'
);
select is(
  (select count(*) from attune.effective_settings()), (select count(*) from attune.setting_definitions), 'a user can read all settings at once'
);
select is(
  (select count(*) from attune.effective_settings(null)), (select count(*) from attune.setting_definitions), 'a category of NULL is all of them'
);
select results_eq(
  'select key from attune.effective_settings()',
  'select key from attune.setting_definitions order by category, key',
  'settings come by category and key'
);
select is_empty($$ select attune.effective_settings('') $$, 'a user can ask for a category that does not exist');
select is(attune.settings_document('nope'), '{}', 'a category that does not exist is an empty document');
select is(
  (select description from attune.effective_setting('DARK_MODE_ENABLED')), 'The dark theme.', 'a user can read what a setting does'
);
select tests.throws_reason(
  format('select attune.%s(%L)', f.name, k.key), 'PT404', 'unknown_setting',
  format('a user cannot ask %s for the key %s', f.name, coalesce(to_jsonb(k.key)::text, 'NULL'))
)
from (values ('effective_setting'), ('explain_setting')) as f (name)
cross join (values ('NOPE'), (''), (null), ('SHOWN'), ('shown'' or true --'), ('shöwn')) as k (key);

-- A stranger

select tests.authenticate_as('bob@example.com');
select is((attune.effective_setting('hidden')).value, '"hidden"', 'a stranger is not touched by another''s choice');
select tests.throws_reason(
  $$ select attune.explain_setting('hidden', tests.user_id('ada@example.com')) $$, '42501', 'admin_required',
  'a stranger cannot ask why something applies to another'
);
select tests.throws_reason(
  $$ select attune.explain_setting('hidden', gen_random_uuid()) $$, '42501', 'admin_required',
  'a stranger cannot find out what users there are'
);
select lives_ok(
  $$ select attune.explain_setting('hidden', tests.user_id('bob@example.com')) $$, 'a stranger can ask about themselves by id'
);
select tests.throws_reason(
  $$ select attune.effective_settings_for(tests.user_id('ada@example.com')) $$, '42501', 'admin_required',
  'a stranger cannot ask what applies to another'
);
select tests.throws_reason(
  'select attune.effective_settings_for(null)', '42501', 'admin_required', 'a stranger cannot ask what applies to NULL'
);

select tests.authenticate_as(gen_random_uuid());
select set_eq('select key from attune.effective_settings()', array['shown'], 'a deleted user can read public settings only');
select tests.throws_reason(
  $$ select attune.effective_setting('hidden') $$, 'PT404', 'unknown_setting', 'a deleted user cannot read what is not public'
);
select is((attune.effective_setting('shown')).can_edit, false, 'a deleted user can edit nothing');
select tests.throws_reason(
  $$ select attune.explain_setting('shown', tests.user_id('ada@example.com')) $$, '42501', 'not_signed_in',
  'a deleted user cannot ask about another'
);

-- The administrator

select tests.authenticate_as('admin@example.com');
select results_eq(
  $$ select key, can_edit from attune.effective_settings('looks') order by key $$,
  $$ values ('common', true), ('given', true), ('hidden', true), ('shown', true) $$,
  'an administrator is told what they can edit'
);
select results_eq(
  $$ select key, value, can_edit from attune.effective_settings_for(tests.user_id('ada@example.com'), 'looks') order by key $$,
  $$ values ('common', '"common"'::jsonb, false), ('given', '"given"', false), ('hidden', '"ada"', true), ('shown', '"shown"', true) $$,
  'an administrator can ask what applies to a user, as the user sees it'
);
select is(
  (select value from attune.explain_setting('hidden', tests.user_id('ada@example.com')) where is_winner), '"ada"',
  'an administrator can ask why it applies to a user'
);
select tests.throws_reason(
  format('select attune.effective_settings_for(%s)', bad.id), 'PT404', 'unknown_user',
  'an administrator cannot ask what applies to ' || bad.id
)
from (values ('null'), ('gen_random_uuid()')) as bad (id);
select tests.throws_reason(
  $$ select attune.explain_setting('hidden', gen_random_uuid()) $$, 'PT404', 'unknown_user',
  'an administrator cannot ask why something applies to a user who does not exist'
);

-- A request without a token

select tests.authenticate_as_anon();
select results_eq(
  'select key, value, layer, reason, can_edit from attune.effective_settings()',
  $$ values ('shown', '"shown"'::jsonb, 'default'::attune.setting_layer, 'DEFAULT'::attune.evaluation_reason, false) $$,
  'anon can read public settings only'
);
select is(attune.settings_document(), '{"shown": "shown"}', 'anon can have them as one document');
select tests.throws_reason(
  $$ select attune.effective_setting('hidden') $$, 'PT404', 'unknown_setting', 'anon cannot read what is not public'
);
select tests.throws_reason(
  $$ select attune.explain_setting('hidden') $$, 'PT404', 'unknown_setting', 'anon cannot ask why about what is not public'
);
select tests.reset_role();
select tests.create_user('public@example.com', is_admin => true);
select tests.authenticate_as('public@example.com');
select attune.set_global_setting('shown', '"to all"');
select is(
  (select e.updated_by from attune.explain_setting('shown') as e where e.layer = 'global'), tests.user_id('public@example.com'),
  'somebody who is signed in can ask who set it'
);
select tests.authenticate_as_anon();
select results_eq(
  $$ select e.value, e.updated_by from attune.explain_setting('shown') as e where e.is_winner $$,
  $$ values ('"to all"'::jsonb, null::uuid) $$,
  'anon can ask why about what is public, but not who set it'
);
select tests.throws_reason(
  $$ select attune.explain_setting('shown', tests.user_id('ada@example.com')) $$, '42501', 'not_signed_in', 'anon cannot ask about a user'
);
select throws_ok(
  $$ select attune.effective_settings_for(tests.user_id('ada@example.com')) $$, '42501', 'Nobody is signed in',
  'anon cannot ask what applies to a user'
);

-- The trusted server

select tests.authenticate_as_service_role();
select is(
  (select count(*) from attune.effective_settings()), (select count(*) from attune.setting_definitions), 'service_role can read all settings'
);
select is((attune.effective_setting('hidden')).value, '"hidden"', 'service_role reads what applies to nobody in particular');
select is(
  (select value from attune.effective_settings_for(tests.user_id('ada@example.com'), 'looks') where key = 'hidden'), '"ada"',
  'service_role can ask what applies to a user'
);
select is(
  (select value from attune.explain_setting('hidden', tests.user_id('ada@example.com')) where is_winner), '"ada"',
  'service_role can ask why it applies to a user'
);

select * from finish();
rollback;
