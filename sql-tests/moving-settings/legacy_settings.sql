-- Old tables of settings, adopted.
begin;
select plan(19);

create table public.app_settings (
  id integer generated always as identity, key text, value text, category text, description text
);
insert into public.app_settings (key, value, category, description) values
  ('LEGACY_FLAG', 'true', 'features', 'A flag'),
  ('LEGACY_COUNT', ' 12 ', 'limits', null),
  ('LEGACY_SHARE', '0.25', null, null),
  ('LEGACY_LIST', '["a", "b"]', 'lists', null),
  ('LEGACY_TEXT', '{not json', 'texts', 'A text'),
  ('LEGACY_ZIP', '00123', 'texts', null),
  ('MODEL_CHOICE', '42', 'rag_strategy', 'Known: its text is a text'),
  ('RAG_RESULT_COUNT', 'many', 'rag_strategy', 'Known: its text is no number'),
  ('USE_RERANKING', 'false', 'rag_strategy', 'Known, and chosen since'),
  ('bad key', '1', null, null),
  ('LEGACY_EMPTY', null, null, null),
  ('OPENAI_API_KEY', 'sk-proj-abcdefgh12345678', 'secrets', null),
  ('SESSION_SECRET_KEY', 'swordfish', 'secrets', 'A secret by its name'),
  ('SMTP_PASSWORD', '123456', 'secrets', 'No number');
insert into attune.global_settings (key, value) values ('USE_RERANKING', 'true');
select tests.create_user('ada@example.com');

select tests.authenticate_as('ada@example.com');
select throws_ok(
  $$ select attune.adopt_legacy_settings('public.app_settings') $$,
  '42501', 'permission denied for function adopt_legacy_settings', 'a user adopts nothing'
);
select tests.authenticate_as_service_role();
select throws_ok(
  $$ select attune.adopt_legacy_settings('public.app_settings') $$,
  '42501', 'must be owner of table app_settings', 'a trusted server only with rights on the table'
);

select tests.reset_role();
create temp table report as
select * from attune.adopt_legacy_settings('public.app_settings', seeding => 'copy');
select results_eq(
  $$ select r.key, r.outcome::text, r.old_value, r.value, r.problem from report as r order by r.key collate "C" $$,
  $$
    values
      ('LEGACY_COUNT', 'adopted', ' 12 ', '12'::jsonb, null),
      ('LEGACY_EMPTY', 'not_converted', null, null, 'it has no value'),
      ('LEGACY_FLAG', 'adopted', 'true', 'true', null),
      ('LEGACY_LIST', 'adopted', '["a", "b"]', '["a", "b"]', null),
      ('LEGACY_SHARE', 'adopted', '0.25', '0.25', null),
      ('LEGACY_TEXT', 'adopted', '{not json', '"{not json"', null),
      ('LEGACY_ZIP', 'adopted', '00123', '"00123"', null),
      ('MODEL_CHOICE', 'adopted', '42', '"42"', null),
      ('OPENAI_API_KEY', 'not_converted', null, null, 'it looks like a secret: store it with credentials'),
      ('RAG_RESULT_COUNT', 'not_converted', 'many', null, 'must be integer'),
      ('SESSION_SECRET_KEY', 'not_converted', null, null, 'it looks like a secret: store it with credentials'),
      ('SMTP_PASSWORD', 'not_converted', null, null, 'it looks like a secret: store it with credentials'),
      ('USE_RERANKING', 'kept', 'false', 'true', null),
      ('bad key', 'not_converted', '1', null, 'its key is no name for a setting')
  $$,
  'every row is reported'
);
select results_eq(
  $$ select d.key, d.category, d.schema ->> 'type', d.description from attune.setting_definitions as d where d.key like 'LEGACY%' order by 1 $$,
  $$
    values
      ('LEGACY_COUNT', 'limits', 'integer', ''), ('LEGACY_FLAG', 'features', 'boolean', 'A flag'),
      ('LEGACY_LIST', 'lists', 'array', ''), ('LEGACY_SHARE', 'legacy', 'number', ''),
      ('LEGACY_TEXT', 'texts', 'string', 'A text'), ('LEGACY_ZIP', 'texts', 'string', '')
  $$,
  'definitions have the types of their values'
);
select is((select count(*) from attune.global_settings where key like 'LEGACY%'), 6::bigint, 'values are for everybody');
select is((select count(*) from public.app_settings), 14::bigint, 'no old row is gone');
select results_eq(
  $$ select key from public.app_settings where deprecated_at is null order by id $$,
  $$ values ('RAG_RESULT_COUNT'), ('bad key'), ('LEGACY_EMPTY'), ('OPENAI_API_KEY'), ('SESSION_SECRET_KEY'), ('SMTP_PASSWORD') $$,
  'those that were adopted are marked'
);

update attune.global_settings set value = '13' where key = 'LEGACY_COUNT';
select is(
  (
    select string_agg(r.key || ' ' || r.outcome, ', ' order by r.key)
    from attune.adopt_legacy_settings('public.app_settings') as r
    where r.outcome <> 'not_converted'
  ),
  'LEGACY_COUNT kept, LEGACY_FLAG unchanged, LEGACY_LIST unchanged, LEGACY_SHARE unchanged, LEGACY_TEXT unchanged, LEGACY_ZIP unchanged, MODEL_CHOICE unchanged, USE_RERANKING kept',
  'a second time changes nothing'
);
select is((select value from attune.global_settings where key = 'LEGACY_COUNT'), '13', 'and leaves what was chosen since');

select is_empty(
  $$ select from attune.user_preferences where key like 'LEGACY%' $$, 'existing users have no copy yet'
);
select is(attune.seed_existing_users(), 1, 'they can be given one');
select is(
  (select p.value from attune.user_preferences as p where p.key = 'LEGACY_COUNT'), '13', 'of the value that applies'
);

create table public.old (name text, content text, groups text, about text);
insert into public.old values ('OTHER_FLAG', 'FALSE', 'x', 'y');
select results_eq(
  $$
    select r.key, r.value
    from attune.adopt_legacy_settings(
      'public.old', 'global', key_column => 'name', value_column => 'content', category_column => 'groups',
      description_column => 'about', deprecated_column => 'gone at'
    ) as r
  $$,
  $$ values ('OTHER_FLAG', 'false'::jsonb) $$,
  'columns may have other names'
);
select is((select d.layer from attune.setting_definitions as d where d.key = 'OTHER_FLAG'), 'global', 'and settings another layer');

-- One row that no table takes keeps nothing else out

create table public.odd (key text, value text, category text, description text);
insert into public.odd values
  ('ODD_NUMBER', '{"a": 1e999999}', 'odd', ''),
  ('ODD_TEXT', E'{"a": "\\u0000"}', 'odd', ''),
  ('ODD_DEEP', repeat('{"a":', 80) || '1' || repeat('}', 80), 'odd', ''),
  ('ODD_DEEPER', repeat('[', 60000), 'odd', ''),
  ('ODD_NULL', '{"a": null, "b": 1}', 'odd', ''),
  ('app_preferences.data_preferences', '{"timezone": "Mars/Phobos"}', 'odd', '');
select results_eq(
  $$
    select r.key, r.outcome::text, left(r.value::text, 21), left(r.problem, 50)
    from attune.adopt_legacy_settings('public.odd') as r
    order by r.key collate "C"
  $$,
  $$
    values
      ('ODD_DEEP', 'not_converted', null, 'The value is nested more than 64 levels deep'),
      ('ODD_DEEPER', 'adopted', '"[[[[[[[[[[[[[[[[[[[[', null),
      ('ODD_NULL', 'adopted', '{"b": 1}', null),
      ('ODD_NUMBER', 'adopted', '"{\"a\": 1e999999}"', null),
      ('ODD_TEXT', 'adopted', '"{\"a\": \"\\u0000\"}', null),
      ('app_preferences.data_preferences', 'not_converted', null, '/timezone is no time zone')
  $$,
  'what is odd is text, or listed'
);
select is_empty(
  $$ select from attune.setting_definitions as d where d.key = 'ODD_DEEP' $$, 'what is listed leaves no definition'
);
select is_empty(
  $$ select from attune.adopt_legacy_settings('public.odd') as r where r.outcome not in ('unchanged', 'not_converted') $$,
  'and the second time finds it as it was'
);

create table public.parts (key text, value text, category text, description text) partition by list (key);
create table public.parts_a partition of public.parts for values in ('PART_A');
create table public.parts_b partition of public.parts for values in ('PART_B');
insert into public.parts values ('PART_A', '1', 'parts', ''), ('PART_B', null, 'parts', '');
select results_eq(
  $$ select r.key, r.outcome::text from attune.adopt_legacy_settings('public.parts') as r order by 1 $$,
  $$ values ('PART_A', 'adopted'), ('PART_B', 'not_converted') $$,
  'a table may have partitions'
);
select results_eq(
  $$ select p.key, p.deprecated_at is not null from public.parts as p order by 1 $$,
  $$ values ('PART_A', true), ('PART_B', false) $$,
  'each row is marked for itself'
);

select * from finish();
rollback;
