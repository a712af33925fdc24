-- Old tables of settings, adopted.
begin;
select plan(42);

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
  '42501', 'permission denied for table app_settings', 'a trusted server only with rights on the table'
);

select tests.reset_role();
create temp table report as
select * from attune.adopt_legacy_settings('public.app_settings', layer => 'user', seeding => 'copy');
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
      ('ODD_DEEP', 'not_converted', null, 'The default of ODD_DEEP is nested more than 64 lev'),
      ('ODD_DEEPER', 'adopted', '"[[[[[[[[[[[[[[[[[[[[', null),
      ('ODD_NULL', 'adopted', '{"b": 1}', null),
      ('ODD_NUMBER', 'adopted', '"{\"a\": 1e999999}"', null),
      ('ODD_TEXT', 'adopted', '"{\"a\": \"\\u0000\"}', null),
      ('app_preferences.data_preferences', 'not_converted', null, '/timezone: is no time zone')
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

-- As applications have it: categories, and values that are encrypted

create table public.mission (
  key text primary key, value text, encrypted_value text, is_encrypted boolean default false, category text, description text
);
insert into public.mission values
  ('M_TOGGLE', 'true', null, false, 'features', 'A toggle'),
  ('M_STRATEGY', 'hybrid', null, false, 'rag_strategy', null),
  ('M_HOST', 'localhost', null, false, 'server_config', null),
  ('M_BASE_URL', 'https://api.example.com', null, false, 'api_keys', null),
  ('M_OPENAI', null, 'gAAAAABsecretciphertext', true, 'api_keys', 'Encrypted'),
  ('M_HALF', 'plainly secret', 'gAAAAABsecretciphertext', true, 'api_keys', 'Encrypted, and left readable'),
  ('M_UNSAID', null, 'gAAAAABsecretciphertext', false, 'api_keys', 'Encrypted, and not said so'),
  ('M_EMPTY', '', 'gAAAAABsecretciphertext', null, 'api_keys', 'The same'),
  ('M_LEFT', 'readable', 'gAAAAABsecretciphertext', false, 'server_config', 'Said not to be');
create temp table mission_report as select * from attune.adopt_legacy_settings('public.mission');
select results_eq(
  $$ select r.key, r.outcome::text, r.old_value, r.value, r.problem, r.is_marked from mission_report as r order by r.key collate "C" $$,
  $$
    values
      ('M_BASE_URL', 'adopted', 'https://api.example.com', '"https://api.example.com"'::jsonb, null, true),
      ('M_EMPTY', 'kept_aside', null, null, 'it is encrypted: store it with credentials', false),
      ('M_HALF', 'kept_aside', null, null, 'it is encrypted: store it with credentials', false),
      ('M_HOST', 'adopted', 'localhost', '"localhost"', null, true),
      ('M_LEFT', 'adopted', 'readable', '"readable"', null, true),
      ('M_OPENAI', 'kept_aside', null, null, 'it is encrypted: store it with credentials', false),
      ('M_STRATEGY', 'adopted', 'hybrid', '"hybrid"', null, true),
      ('M_TOGGLE', 'adopted', 'true', 'true', null, true),
      ('M_UNSAID', 'kept_aside', null, null, 'it is encrypted: store it with credentials', false)
  $$,
  'what is encrypted is kept aside'
);
select results_eq(
  $$
    select d.key, d.layer::text, d.audience::text
    from attune.setting_definitions as d
    where d.key like 'M\_%'
    order by d.key collate "C"
  $$,
  $$
    values
      ('M_BASE_URL', 'global', 'server'), ('M_HOST', 'global', 'server'), ('M_LEFT', 'global', 'server'),
      ('M_STRATEGY', 'global', 'client'), ('M_TOGGLE', 'user', 'client')
  $$,
  'only features may be held by users, and no client is shown what is for servers'
);
select results_eq(
  $$ select key from public.mission where deprecated_at is null order by key collate "C" $$,
  array['M_EMPTY', 'M_HALF', 'M_OPENAI', 'M_UNSAID'],
  'and it is left to whatever takes it'
);
select is_empty(
  $$
    select
    from attune.configuration_audit_log as l
    where concat_ws(' ', l.key, l.previous_value, l.new_value, l.previous_attributes, l.new_attributes) ~ 'gAAAAAB|plainly'
    union all
    select from mission_report as r where r::text ~ 'gAAAAAB|plainly'
    union all
    select from attune.setting_definitions as d where d::text ~ 'gAAAAAB|plainly'
  $$,
  'nothing of it is anywhere'
);
select is(
  (
    select string_agg(distinct r.outcome::text, ', ' order by r.outcome::text)
    from attune.adopt_legacy_settings('public.mission') as r
  ),
  'kept_aside, unchanged',
  'a second time changes nothing'
);
create table public.other_mission (key text, value text, category text, secret bytea, hidden text);
insert into public.other_mission values
  ('MO_A', '1', 'Shown', null, 'N'), ('MO_B', '1', 'Kept', null, null), ('MO_C', '1', 'Kept', '\x01', 'yes');
create temp table other_report as
select * from attune.adopt_legacy_settings(
  'public.other_mission', seeding => 'copy', encrypted_column => 'hidden', encrypted_value_column => 'secret',
  user_categories => '{Shown,More}', server_categories => '{Kept}', deprecated_column => null
);
select results_eq(
  $$
    select r.key, r.outcome::text, d.layer::text, d.seeding::text, d.audience::text
    from other_report as r
    left join attune.setting_definitions as d on d.key = r.key
    order by r.key collate "C"
  $$,
  $$
    values
      ('MO_A', 'adopted', 'user', 'copy', 'client'), ('MO_B', 'adopted', 'global', 'inherit', 'server'),
      ('MO_C', 'kept_aside', null, null, null)
  $$,
  'the columns and the categories can be told, a table need not be marked'
);
select is_empty(
  $$ select from pg_attribute as a where a.attrelid = 'public.other_mission'::regclass and a.attname like 'deprecated%' $$,
  'which adds no column'
);
select throws_ok(
  $$ select attune.adopt_legacy_settings('public.other_mission', encrypted_column => 'is_hidden') $$,
  'PT422', 'public.other_mission is no table with a column is_hidden', 'a column that is named has to be there'
);
select throws_ok(
  $$ select attune.adopt_legacy_settings('public.other_mission', key_column => 'name') $$,
  'PT422', 'public.other_mission is no table with a column name', 'and so has that of the keys'
);
select throws_ok(
  $$ select attune.adopt_legacy_settings('attune.plans_pkey') $$,
  'PT422', 'attune.plans_pkey is no table with a column key', 'an index is no table'
);
select throws_ok(
  $$ select attune.adopt_legacy_settings('public.other_mission', deprecated_column => 'secret') $$,
  'PT422', 'public.other_mission has a column secret that is for no time', 'what marks a row is a time'
);
select is(
  (select count(*) from attune.adopt_legacy_settings('public.mission', category_column => null)), 9::bigint,
  'null is no column'
);

-- What a text stands for

create table public.texts (key text, value text, category text);
insert into public.texts values
  ('T_YES', 'yes', 'switches'), ('T_ON', 'On', 'switches'), ('T_ONE', '1', 'switches'), ('T_FALSE', 'FALSE', 'switches'),
  ('T_ZERO', ' 0 ', 'switches'), ('T_NOTHING', '', 'switches'),
  ('T_COUNT', '1', 'counts'), ('T_NONE', '0', 'counts'),
  ('T_LANGUAGE', 'no', 'languages'), ('T_FALLBACK', 'no', 'languages'),
  ('T_ALONE', 'yes', 'alone'), ('T_TRUE', 'TRUE', 'alone too'),
  ('T_MODE', 'off', 'modes'), ('T_OTHER_MODE', 'slow', 'modes'), ('T_MODES', '1', 'modes'), ('T_MODAL', 'true', 'modes');
insert into public.texts
select 'T_' || translate(v.value, '+-. ', 'pmds'), v.value, 'numbers'
from unnest(array[
  '7', '-7', '0', '0.5', '123456789012345', '0.123456789012345',
  '1.10', '1.0', '007', '+1', '-0', '.5', '5.', '1e3', '1234567890123456', '1.2.3', '030 1234567', '+49 30 1234567'
]) as v (value);
create temp table text_report as select * from attune.adopt_legacy_settings('public.texts');
select results_eq(
  $$
    select r.key, r.value
    from text_report as r
    join public.texts as t on t.key = r.key
    where t.category <> 'numbers'
    order by r.key collate "C"
  $$,
  $$
    values
      ('T_ALONE', '"yes"'::jsonb), ('T_COUNT', '1'), ('T_FALLBACK', '"no"'), ('T_FALSE', 'false'), ('T_LANGUAGE', '"no"'),
      ('T_MODAL', 'true'), ('T_MODE', '"off"'), ('T_MODES', '1'), ('T_NONE', '0'), ('T_NOTHING', '""'), ('T_ON', 'true'),
      ('T_ONE', 'true'), ('T_OTHER_MODE', '"slow"'), ('T_TRUE', 'true'), ('T_YES', 'true'), ('T_ZERO', 'false')
  $$,
  'words and digits are booleans where the others of their category are'
);
select results_eq(
  $$
    select t.value, jsonb_typeof(g.value)
    from attune.global_settings as g
    join public.texts as t on t.key = g.key
    where t.category = 'numbers'
    order by 2, t.value collate "C"
  $$,
  $$
    select v.value, 'number'
    from unnest(array['-7', '0', '0.123456789012345', '0.5', '123456789012345', '7']) as v (value)
    union all
    select v.value, 'string'
    from unnest(array[
      '+1', '+49 30 1234567', '-0', '.5', '007', '030 1234567', '1.0', '1.10', '1.2.3', '1234567890123456', '1e3', '5.'
    ]) as v (value)
  $$,
  'a number is what would be written so again, all else is text'
);
select is_empty(
  $$ select from attune.adopt_legacy_settings('public.texts') as r where r.outcome <> 'unchanged' $$,
  'the second time each is read as the first time'
);

insert into attune.setting_definitions (key, category, schema, default_value) values
  ('K_BOOLEAN', 'known', '{"type": "boolean"}', 'false'), ('K_NUMBER', 'known', '{"type": "number"}', '0'),
  ('K_INTEGER', 'known', '{"type": "integer"}', '0'), ('K_STRING', 'known', '{"type": "string"}', '""'),
  ('K_CHOICE', 'known', '{"enum": ["on", "off", 1]}', '1'), ('K_ANY', 'known', '{}', '0'),
  ('K_WRONG', 'known', '{"type": "boolean"}', 'false'), ('K_DEEP', 'known', '{"type": "object"}', '{"a": 1}'),
  ('K_WHOLE', 'known', '{"type": ["object", "boolean"]}', 'false');
create table public.known (key text, value text);
insert into public.known values
  ('K_BOOLEAN', 'On'), ('K_NUMBER', '1.10'), ('K_INTEGER', '007'), ('K_STRING', 'true'), ('K_CHOICE', 'off'), ('K_ANY', '1'),
  ('K_WRONG', 'maybe'), ('K_DEEP', '{"b": null, "c": 1}'), ('K_WHOLE', '{"b": null, "c": 1}'), ('N_NUMBER', '1.10'), ('N_BOOLEAN', '0'), ('N_STRING', '1'), ('N_INTEGER', '+5'), ('N_LIST', '[1]'),
  ('N_WRONG', 'a lot'), ('N_NO_TYPE', '1');
create temp table known_report as
select * from attune.adopt_legacy_settings(
  'public.known',
  types => '{"N_NUMBER": "number", "N_BOOLEAN": "boolean", "N_STRING": "string", "N_INTEGER": "integer",
    "N_LIST": "array", "N_WRONG": "number", "N_NO_TYPE": "float", "K_NUMBER": "string"}'
);
select results_eq(
  $$
    select r.key, r.value::text, r.problem, d.schema
    from known_report as r
    left join attune.setting_definitions as d on d.key = r.key and d.source is not null
    order by r.key collate "C"
  $$,
  $$
    values
      ('K_ANY', '1', null, null::jsonb), ('K_BOOLEAN', 'true', null, null), ('K_CHOICE', '"off"', null, null),
      ('K_DEEP', '{"c": 1}', null, null), ('K_INTEGER', '7', null, null), ('K_NUMBER', '1.10', null, null), ('K_STRING', '"true"', null, null),
      ('K_WHOLE', '{"b": null, "c": 1}', null, null), ('K_WRONG', null, 'must be boolean', null),
      ('N_BOOLEAN', 'false', null, '{"type": "boolean"}'), ('N_INTEGER', '5', null, '{"type": "integer"}'),
      ('N_LIST', '[1]', null, '{"type": "array"}'), ('N_NO_TYPE', null, 'it is no float', null),
      ('N_NUMBER', '1.10', null, '{"type": "number"}'), ('N_STRING', '"1"', null, '{"type": "string"}'),
      ('N_WRONG', null, 'it is no number', null)
  $$,
  'unless a definition says otherwise, or the caller'
);

-- Other columns, and other sources

create table public.typed_json (key text, value jsonb);
insert into public.typed_json values
  ('J_TEXT', '"1.10"'), ('J_TRUE', 'true'), ('J_WORD', '"yes"'), ('J_NUMBER', '1.10'), ('J_NULL', 'null'), ('J_NONE', null),
  ('J_OBJECT', '{"a": [1]}'), ('J_API_KEY', '"abc"');
create table public.typed_text_json (key text, value json);
insert into public.typed_text_json values ('JT_BAD', '{"a": "\u0000"}'), ('JT_GOOD', '{"a": 1}');
create table public.typed_boolean (key text, value boolean);
insert into public.typed_boolean values ('B_TRUE', true), ('B_NONE', null);
create table public.typed_number (key text, value numeric);
insert into public.typed_number values ('D_PRICE', 1.10), ('D_COUNT', 2), ('D_NOT', 'NaN');
create table public.typed_list (key text, value text[]);
insert into public.typed_list values ('L_LIST', '{a,b}');
select results_eq(
  $$
    select r.key, r.value::text, r.problem
    from unnest(array[
      'public.typed_json', 'public.typed_text_json', 'public.typed_boolean', 'public.typed_number', 'public.typed_list'
    ]::regclass[]) as t (source)
    cross join attune.adopt_legacy_settings(t.source) as r
    order by r.key collate "C"
  $$,
  $$
    values
      ('B_NONE', null, 'it has no value'), ('B_TRUE', 'true', null),
      ('D_COUNT', '2', null), ('D_NOT', '"NaN"', null), ('D_PRICE', '1.10', null),
      ('JT_BAD', null, 'it is no JSON that can be stored'), ('JT_GOOD', '{"a": 1}', null),
      ('J_API_KEY', null, 'it looks like a secret: store it with credentials'), ('J_NONE', null, 'it has no value'),
      ('J_NULL', null, 'it has no value'), ('J_NUMBER', '1.10', null), ('J_OBJECT', '{"a": [1]}', null),
      ('J_TEXT', '"1.10"', null), ('J_TRUE', 'true', null), ('J_WORD', '"yes"', null), ('L_LIST', '["a", "b"]', null)
  $$,
  'a value that has a type keeps it'
);

create table public.seen (key text, value text, category text, deprecated_at timestamptz);
insert into public.seen values ('V_A', 'yes', 'views'), ('V_B', 'no', 'views');
create view public.simple_view as select * from public.seen;
create view public.joined_view as
select s.key || '_' || o.n as key, min(s.value) as value, 'views' as category from public.seen as s, generate_series(1, 2) as o (n) group by 1;
create materialized view public.stored_view as select key || '_M' as key, value, category from public.seen;
select results_eq(
  $$
    select r.key, r.outcome::text, r.value, r.is_marked
    from unnest(array['public.simple_view', 'public.joined_view', 'public.stored_view']::regclass[]) as t (source)
    cross join attune.adopt_legacy_settings(t.source) as r
    order by r.key collate "C"
  $$,
  $$
    values
      ('V_A', 'adopted', 'true'::jsonb, false), ('V_A_1', 'adopted', 'true', false), ('V_A_2', 'adopted', 'true', false),
      ('V_A_M', 'adopted', 'true', false), ('V_B', 'adopted', 'false', false), ('V_B_1', 'adopted', 'false', false),
      ('V_B_2', 'adopted', 'false', false), ('V_B_M', 'adopted', 'false', false)
  $$,
  'a view is a source too, and says that nothing is marked'
);
select is_empty($$ select from public.seen where deprecated_at is not null $$, 'nor is anything below it');
select is_empty(
  $$ select from attune.adopt_legacy_settings('public.simple_view') as r where r.outcome <> 'unchanged' $$, 'it can be read twice'
);

-- All or nothing

create table public.broken (key text, value text);
insert into public.broken values ('X_A', '1'), ('X_B', '2');
create function pg_temp.break() returns trigger language plpgsql as $$ begin raise 'broken'; end $$;
create trigger break before update on public.broken for each row execute function pg_temp.break();
select throws_ok(
  $$ select attune.adopt_legacy_settings('public.broken') $$, 'P0001', 'broken', 'a table that cannot be marked is not adopted'
);
select is_empty($$ select from attune.setting_definitions as d where d.key like 'X\_%' $$, 'and leaves nothing behind');
select is(
  (select count(*) from attune.adopt_legacy_settings('public.broken', deprecated_column => null) as r where r.outcome = 'adopted'),
  2::bigint,
  'unless it need not be marked'
);

select * from finish();
rollback;
