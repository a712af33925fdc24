-- Old tables of what users chose, adopted.
begin;
select plan(14);

select tests.create_user('ada@example.com');
select tests.create_user('bob@example.com');
insert into attune.setting_definitions (key, category, schema, default_value, layer, writable_by) values
  ('P_KNOWN', 'test', '{"type": "boolean"}', 'false', 'user', 'user'),
  ('P_SHARED', 'test', '{"type": "boolean"}', 'false', 'global', 'user'),
  ('P_GIVEN', 'test', '{"type": "boolean"}', 'false', 'user', 'admin'),
  ('P_CHOSEN', 'test', '{"type": "integer"}', '0', 'user', 'user');
insert into attune.user_preferences (user_id, key, value) values (tests.user_id('bob@example.com'), 'P_CHOSEN', '2');

create table public.choices (user_id uuid, preference_key text, preference_value text, category text);
insert into public.choices
select tests.user_id(c.name || '@example.com'), c.key, c.value, c.category
from (values
  ('ada', 'P_DARK', 'yes', 'looks'), ('bob', 'P_DARK', '0', 'looks'),
  ('ada', 'P_ROWS', '25', 'lists'), ('bob', 'P_ROWS', '50', 'lists'),
  ('ada', 'P_ZOOM', '1', 'looks'), ('bob', 'P_ZOOM', '1.25', 'looks'),
  ('ada', 'P_VERSION', '1.10', 'lists'), ('bob', 'P_VERSION', '2', 'lists'),
  ('ada', 'P_LAYOUT', '{"a": {"b": 1}}', null),
  ('ada', 'P_KNOWN', '1', 'test'), ('bob', 'P_KNOWN', 'perhaps', 'test'),
  ('ada', 'P_SHARED', 'true', 'test'), ('ada', 'P_GIVEN', 'true', 'test'),
  ('ada', 'P_CHOSEN', '1', 'test'), ('bob', 'P_CHOSEN', '1', 'test'),
  ('ada', 'P_API_KEY', 'abc', 'test'), ('ada', 'P_NONE', null, 'test'), ('ada', 'bad key', '1', 'test'),
  ('ada', null, '1', 'test')
) as c (name, key, value, category);
insert into public.choices values
  ('00000000-0000-4000-8000-0000000000ff', 'P_DARK', 'on', 'looks'), (null, 'P_DARK', 'off', 'looks'),
  ('00000000-0000-4000-8000-0000000000ff', 'P_NOBODYS', '1', 'looks');

select tests.authenticate_as('ada@example.com');
select throws_ok(
  $$ select attune.adopt_legacy_preferences('public.choices') $$,
  '42501', 'permission denied for function adopt_legacy_preferences', 'a user adopts nothing'
);
select tests.authenticate_as_service_role();
select throws_ok(
  $$ select attune.adopt_legacy_preferences('public.choices') $$,
  '42501', 'permission denied for table choices', 'a trusted server only with rights on the table'
);
select tests.reset_role();

create temp table report as select * from attune.adopt_legacy_preferences('public.choices');
select results_eq(
  $$
    select split_part(u.email, '@', 1), r.key, r.outcome::text, r.old_value, r.value::text, r.problem, r.is_marked
    from report as r
    left join attune.users as u on u.id::text = r.user_id
    order by r.key collate "C", u.email, r.user_id
  $$,
  $$
    values
      ('ada', 'P_API_KEY', 'not_converted', null, null, 'it looks like a secret: store it with credentials', false),
      ('ada', 'P_CHOSEN', 'adopted', '1', '1', null, true),
      ('bob', 'P_CHOSEN', 'kept', '1', '2', null, true),
      ('ada', 'P_DARK', 'adopted', 'yes', 'true', null, true),
      ('bob', 'P_DARK', 'adopted', '0', 'false', null, true),
      (null, 'P_DARK', 'not_converted', 'on', null, 'there is no such user', false),
      (null, 'P_DARK', 'not_converted', 'off', null, 'there is no such user', false),
      ('ada', 'P_GIVEN', 'not_converted', 'true', null, 'users may not choose it', false),
      ('ada', 'P_KNOWN', 'adopted', '1', 'true', null, true),
      ('bob', 'P_KNOWN', 'not_converted', 'perhaps', null, 'must be boolean', false),
      ('ada', 'P_LAYOUT', 'adopted', '{"a": {"b": 1}}', '{"a": {"b": 1}}', null, true),
      (null, 'P_NOBODYS', 'not_converted', '1', null, 'there is no such user', false),
      ('ada', 'P_NONE', 'not_converted', null, null, 'it has no value', false),
      ('ada', 'P_ROWS', 'adopted', '25', '25', null, true),
      ('bob', 'P_ROWS', 'adopted', '50', '50', null, true),
      ('ada', 'P_SHARED', 'not_converted', 'true', null, 'its narrowest layer is global', false),
      ('ada', 'P_VERSION', 'adopted', '1.10', '"1.10"', null, true),
      ('bob', 'P_VERSION', 'adopted', '2', '"2"', null, true),
      ('ada', 'P_ZOOM', 'adopted', '1', '1', null, true),
      ('bob', 'P_ZOOM', 'adopted', '1.25', '1.25', null, true),
      ('ada', 'bad key', 'not_converted', '1', null, 'its key is no name for a setting', false),
      ('ada', null, 'not_converted', '1', null, 'it has no key', false)
  $$,
  'every row is reported'
);
select results_eq(
  $$
    select d.key, d.category, d.schema ->> 'type', d.default_value, d.layer::text, d.source
    from attune.setting_definitions as d
    where d.key like 'P\_%' and d.source is not null
    order by d.key collate "C"
  $$,
  $$
    values
      ('P_DARK', 'looks', 'boolean', 'null'::jsonb, 'user', 'legacy:public.choices'),
      ('P_LAYOUT', 'legacy', 'object', 'null', 'user', 'legacy:public.choices'),
      ('P_ROWS', 'lists', 'integer', 'null', 'user', 'legacy:public.choices'),
      ('P_VERSION', 'lists', 'string', 'null', 'user', 'legacy:public.choices'),
      ('P_ZOOM', 'looks', 'number', 'null', 'user', 'legacy:public.choices')
  $$,
  'a definition has the type that all values have, and no default'
);
select results_eq(
  $$ select e.value, e.layer::text from attune.effective_settings_for(tests.user_id('bob@example.com')) as e where e.key in ('P_DARK', 'P_LAYOUT') order by e.key $$,
  $$ values ('false'::jsonb, 'user'), ('null', 'default') $$,
  'each user has what they chose, and nothing that another did'
);
select is((select count(*) from public.choices), 22::bigint, 'no old row is gone');
select results_eq(
  $$ select count(*) from public.choices where deprecated_at is not null $$, $$ select count(*) from report where is_marked $$,
  'those that were adopted are marked'
);

update attune.user_preferences set value = '30' where key = 'P_ROWS' and user_id = tests.user_id('ada@example.com');
create temp table times as select * from public.choices;
select results_eq(
  $$
    select r.outcome::text, count(*)
    from attune.adopt_legacy_preferences('public.choices') as r
    group by 1
    order by 1
  $$,
  $$ values ('kept', 2::bigint), ('not_converted', 10), ('unchanged', 10) $$,
  'a second time changes nothing, and leaves what was chosen since'
);
select is_empty('select * from public.choices except select * from times', 'not even when a row was marked');
insert into attune.users (id, email) values ('00000000-0000-4000-8000-0000000000ff', 'late@example.com');
select is(
  (select string_agg(r.key, ' ' order by r.key) from attune.adopt_legacy_preferences('public.choices') as r where r.outcome = 'adopted'),
  'P_DARK P_NOBODYS',
  'who comes later is adopted later'
);

-- Other columns, and other sources

create table public.values_of_users (member text, name text, content jsonb, secret text);
insert into public.values_of_users values
  (tests.user_id('ada@example.com')::text, 'PJ_MIXED', '1'), (tests.user_id('bob@example.com')::text, 'PJ_MIXED', '"1"'),
  (tests.user_id('ada@example.com')::text, 'PJ_NUMBER', '1'), (tests.user_id('bob@example.com')::text, 'PJ_NUMBER', '1.5'),
  (tests.user_id('ada@example.com')::text, 'PJ_NULL', 'null'), (tests.user_id('bob@example.com')::text, 'PJ_NULL', 'true'),
  ('ada', 'PJ_NULL', 'true');
insert into public.values_of_users values (tests.user_id('ada@example.com')::text, 'PJ_HIDDEN', null, 'ciphertext');
create view public.view_of_users as select * from public.values_of_users;
create temp table view_report as
select *
from attune.adopt_legacy_preferences(
  'public.view_of_users', user_column => 'member', key_column => 'name', value_column => 'content', encrypted_value_column => 'secret'
);
select results_eq(
  $$
    select r.key, r.outcome::text, r.value, r.problem, r.is_marked
    from view_report as r
    left join attune.users as u on u.id::text = r.user_id
    order by r.key, u.email
  $$,
  $$
    values
      ('PJ_HIDDEN', 'kept_aside', null, 'it is encrypted: store it with credentials', false),
      ('PJ_MIXED', 'adopted', '1'::jsonb, null, false), ('PJ_MIXED', 'adopted', '"1"', null, false),
      ('PJ_NULL', 'not_converted', null, 'it has no value', false), ('PJ_NULL', 'adopted', 'true', null, false),
      ('PJ_NULL', 'not_converted', null, 'there is no such user', false),
      ('PJ_NUMBER', 'adopted', '1', null, false), ('PJ_NUMBER', 'adopted', '1.5', null, false)
  $$,
  'of a view, with values of any type'
);
select results_eq(
  $$ select d.key, d.category, d.schema -> 'type' from attune.setting_definitions as d where d.key like 'PJ\_%' order by 1 $$,
  $$
    values ('PJ_MIXED', 'legacy', '["integer", "string"]'::jsonb), ('PJ_NULL', 'legacy', '"boolean"'), ('PJ_NUMBER', 'legacy', '"number"')
  $$,
  'which may be several'
);

-- A trusted server with rights, and its limits

create table public.granted (user_id uuid, preference_key text, preference_value text, deprecated_at timestamptz);
insert into public.granted values (tests.user_id('ada@example.com'), 'PG_SIZE', '1.10'), (tests.user_id('ada@example.com'), 'PG_MORE', '2');
grant select, update on public.granted to service_role;
insert into attune.global_settings (key, value)
select 'PREFERENCES_PER_USER', to_jsonb(count(*) + 1)
from attune.user_preferences as p
where p.user_id = tests.user_id('ada@example.com');
select tests.authenticate_as_service_role();
create temp table granted_report as
select * from attune.adopt_legacy_preferences('public.granted', types => '{"PG_SIZE": "number"}');
select results_eq(
  $$ select r.key, r.value::text, left(r.problem, 23), r.is_marked from granted_report as r order by 1 $$,
  $$ values ('PG_MORE', '2', null, true), ('PG_SIZE', null, 'A user may hold at most', false) $$,
  'a trusted server with rights adopts no more than a user may hold'
);
select tests.reset_role();
select is_empty(
  $$ select from attune.setting_definitions as d where d.key = 'PG_SIZE' $$, 'what is listed leaves no definition'
);

select * from finish();
rollback;
