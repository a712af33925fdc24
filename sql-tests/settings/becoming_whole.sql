-- A definition that begins to take values whole changes nobody's value.
begin;
select no_plan();

select tests.create_user('ada@example.com');
select tests.create_user('bob@example.com');
select tests.create_user('cleo@example.com');
select tests.create_user('admin@example.com', is_admin => true);
insert into attune.teams (id, name) values ('00000000-0000-4000-8000-00000000000a', 'A');
insert into attune.team_members (team_id, user_id, role) values ('00000000-0000-4000-8000-00000000000a', tests.user_id('bob@example.com'), 'owner');
update attune.users set current_team_id = '00000000-0000-4000-8000-00000000000a' where id = tests.user_id('bob@example.com');
insert into attune.projects (id, name) values ('00000000-0000-4000-8000-0000000000aa', 'P');
insert into attune.project_members (user_id, project_id, role)
values (tests.user_id('ada@example.com'), '00000000-0000-4000-8000-0000000000aa', 'owner');

create function pg_temp.applies() returns setof text language sql as $$
  select format('%s %s %s', u.email, p.id, r.value)
  from attune.users as u
  cross join (select null::uuid as id union all select '00000000-0000-4000-8000-0000000000aa') as p
  cross join lateral attune_private.resolve_settings(u.id, false, 'admin', p.id) as r
  where r.key = 'box'
  order by 1
$$;

-- What is stored everywhere: each change is tried on all of it.
create function pg_temp.store(variants jsonb) returns void language plpgsql as $$
begin
  perform tests.reset_role();
  delete from attune.project_preferences where key = 'box';
  delete from attune.user_preferences where key = 'box';
  delete from attune.team_settings where key = 'box';
  delete from attune.plan_settings where key = 'box';
  delete from attune.global_settings where key = 'box';
  delete from attune.setting_definitions where key = 'box';
  insert into attune.setting_definitions (key, category, layer, schema, default_value) values
    ('box', 'test', 'project', '{"type": "object", "additionalProperties": {"type": ["integer", "string"]}}', '{"a": 0, "b": 0, "c": 0, "d": 0}');
  insert into attune.global_settings (key, value, variants) values ('box', '{"b": 1}', store.variants);
  insert into attune.team_settings (team_id, key, value) values ('00000000-0000-4000-8000-00000000000a', 'box', '{"c": 2}');
  insert into attune.user_preferences (user_id, key, value) values
    (tests.user_id('ada@example.com'), 'box', '{"d": 3}'), (tests.user_id('bob@example.com'), 'box', '{"e": 4}');
  insert into attune.project_preferences (user_id, project_id, key, value)
  values (tests.user_id('ada@example.com'), '00000000-0000-4000-8000-0000000000aa', 'box', '{"f": 5}');
end;
$$;

create function pg_temp.changes_nothing(change text, variants jsonb, what text) returns text language plpgsql as $$
declare
  before text[];
begin
  perform pg_temp.store(variants);
  before := array(select pg_temp.applies());
  perform tests.authenticate_as('admin@example.com');
  execute change;
  perform tests.reset_role();
  return is(array(select pg_temp.applies()), before, what);
end;
$$;

select pg_temp.changes_nothing(c.change, v.variants, c.what || v.what)
from (values
  ($$ update attune.setting_definitions set merge = 'replace' where key = 'box' $$, 'asking for replace changes nobody''s value'),
  (
    $$ update attune.setting_definitions set schema = schema || '{"maxProperties": 6}' where key = 'box' $$,
    'a joint constraint changes nobody''s value'
  ),
  ($$ update attune.setting_definitions set seeding = 'copy' where key = 'box' $$, 'copying changes nobody''s value'),
  (
    $$ update attune.setting_definitions set seeding = 'copy' where key = 'box';
       update attune.setting_definitions set merge = 'replace' where key = 'box' $$,
    'copying, then replace, changes nobody''s value'
  )
) as c (change, what)
cross join (values
  (null::jsonb, ''),
  ('[{"name": "x", "weight": 1, "value": {"g": 6}}, {"name": "y", "weight": 1, "value": {"a": 7}}]', ', in variants either')
) as v (variants, what)
order by c.what, v.what;

select pg_temp.store(null);
select tests.authenticate_as('admin@example.com');
select tests.throws_reason(
  $$ update attune.setting_definitions set schema = schema || '{"maxProperties": 4}' where key = 'box' $$, 'PT409', 'stored_values_invalid',
  'values that together break the new schema keep it out'
);
select results_eq(
  $$ select sum(stored_values)::bigint from attune.apply_definitions('{"$id": "box", "properties": {"box": {
       "type": "object", "additionalProperties": {"type": ["integer", "string"]}, "maxProperties": 4,
       "default": {"a": 0, "b": 0, "c": 0, "d": 0}, "x-attune": {"category": "test", "layer": "project"}}}}', true) $$,
  $$ values (2::bigint) $$,
  'a dry run counts them'
);

select * from finish();
rollback;
