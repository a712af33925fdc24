-- What one is not shown is not in the rows either; and what an administrator takes out takes nothing else along.
begin;
select no_plan();

select tests.create_user('ada@example.com');
select tests.create_user('admin@example.com', is_admin => true);
insert into attune.teams (id, name) values ('00000000-0000-4000-8000-00000000000a', 'A');
insert into attune.team_members (team_id, user_id, role)
values ('00000000-0000-4000-8000-00000000000a', tests.user_id('ada@example.com'), 'owner');
insert into attune.projects (id, name) values ('00000000-0000-4000-8000-0000000000aa', 'P');
insert into attune.project_members (user_id, project_id, role)
values (tests.user_id('ada@example.com'), '00000000-0000-4000-8000-0000000000aa', 'owner');
insert into attune.setting_definitions (key, category, layer, schema, default_value, audience) values
  ('inside', 'test', 'project', '{"type": "integer"}', '1', 'server'), ('shown', 'test', 'project', '{"type": "integer"}', '1', 'client');
insert into attune.user_preferences (user_id, key, value)
select tests.user_id('ada@example.com'), k, '2' from unnest('{inside,shown}'::text[]) as k;
insert into attune.project_preferences (user_id, project_id, key, value)
select tests.user_id('ada@example.com'), '00000000-0000-4000-8000-0000000000aa', k, '3' from unnest('{inside,shown}'::text[]) as k;
insert into attune.team_settings (team_id, key, value)
select '00000000-0000-4000-8000-00000000000a', k, '4' from unnest('{inside,shown}'::text[]) as k;

create function pg_temp.keys() returns setof text language sql as $$
  select 'user ' || key from attune.user_preferences where key in ('inside', 'shown')
  union all select 'project ' || key from attune.project_preferences where key in ('inside', 'shown')
  union all select 'team ' || key from attune.team_settings where key in ('inside', 'shown')
  union all select distinct 'audit ' || key from attune.configuration_audit_log where key in ('inside', 'shown') and user_id is not null
$$;

-- The owner of the rows

select tests.authenticate_as('ada@example.com');
select set_eq(
  'select pg_temp.keys()', array['user shown', 'project shown', 'team shown', 'audit shown'], 'a user does not read what they are not shown'
);
select is_empty(
  $$ update attune.user_preferences set value = '9' where key = 'inside' returning key $$, 'nor changes it'
);
select tests.throws_reason(
  $$ insert into attune.project_preferences (user_id, project_id, key, value)
     values (tests.user_id('ada@example.com'), '00000000-0000-4000-8000-0000000000aa', 'inside', '9') $$, 'PT404', 'unknown_setting',
  'nor adds it'
);

-- A document

select tests.reset_role();
update attune.setting_definitions set audience = 'server' where key = 'app_preferences.feature_preferences';
select tests.authenticate_as('ada@example.com');
select ok(
  (select d.feature_preferences is null and d.interface_settings is not null from attune.app_preferences() as d),
  'a document has no member that its user is not shown'
);

-- An administrator

select tests.authenticate_as('admin@example.com');
select set_eq(
  'select pg_temp.keys()',
  array['user shown', 'project shown', 'team shown', 'audit shown', 'user inside', 'project inside', 'team inside', 'audit inside'],
  'an administrator reads all of it'
);
select tests.throws_reason(
  $$ insert into attune.setting_templates (name, title, "values") values ('kit', 'Kit', '{"inside": 1}') $$, 'PT422', 'invalid_template',
  'a template holds nothing that users are not shown'
);
select tests.throws_reason(
  format('update attune.setting_definitions set category = %L where key = %L', moved.category, moved.key), 'PT422', 'system_setting',
  format('an administrator cannot move %s into the category %s', moved.key, moved.category)
)
from (values ('shown', 'system'), ('PASSWORD_COST', 'features')) as moved (key, category);

-- A variant that is not allowed any more goes, and leaves the value that it split.
select from attune.apply_definitions('{"$id": "v", "properties": {"word": {"enum": ["a", "b", "c"], "default": "a"}}}');
select from attune.set_global_setting('word', '"b"', is_enforced => true);
select from attune.set_global_variants('word', '[{"name": "x", "weight": 1, "value": "c"}, {"name": "y", "weight": 1, "value": "a"}]');
select lives_ok(
  $$ select attune.apply_definitions('{"$id": "v", "properties": {"word": {"enum": ["a", "b"], "default": "a"}}}', stored_values => 'discard') $$,
  'a document can discard a variant'
);
select results_eq(
  $$ select value, is_enforced, variants from attune.global_settings where key = 'word' $$, $$ values ('"b"'::jsonb, true, null::jsonb) $$,
  'the value and its lock stay'
);

-- A template whose value its definition has outgrown follows a setting that is renamed.
insert into attune.setting_templates (name, title, "values") values ('words', 'Words', '{"word": "b"}');
select from attune.reset_global_setting('word');
select from attune.apply_definitions('{"$id": "v", "properties": {"word": {"enum": ["a"], "default": "a"}}}');
select lives_ok($$ select attune.rename_setting('word', 'term') $$, 'a setting can be renamed that a template has an old value of');
select is((select "values" from attune.setting_templates where name = 'words'), '{"term": "b"}', 'the template follows');

-- The owner of the schema

select tests.reset_role();
create table public.old_words (key text, value text, category text, description text);
select tests.throws_reason(
  format('select attune.adopt_legacy_settings(%s)', bad.arguments), 'PT422', 'invalid_source',
  format('the owner cannot adopt by (%s)', bad.arguments)
)
from (values
  ('null'), ('''public.old_words'', key_column => null'), ('''public.old_words'', value_column => '''''),
  ('''public.old_words'', category_column => ''''')
) as bad (arguments);
insert into public.old_words values ('OLD_WORD', 'x', 'features', null);
grant select on public.old_words to service_role;
select tests.authenticate_as_service_role();
select results_eq(
  $$ select key, outcome, is_marked from attune.adopt_legacy_settings('public.old_words') $$,
  $$ values ('OLD_WORD', 'adopted'::attune.adoption_outcome, false) $$,
  'a trusted server that may only read a table adopts it, and marks nothing'
);

select * from finish();
rollback;
