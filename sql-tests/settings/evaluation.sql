-- A backend asks what applies: to one user, or to many at once; and a visitor is drawn alike by every door.
begin;
select no_plan();

select tests.create_user(name || '@example.com', is_admin => name = 'admin') from unnest(array['admin', 'ada', 'bob']) as u (name);
insert into attune.setting_definitions (key, category, layer, schema, default_value, audience)
values
  ('flag', 'test', 'project', '{"type": "boolean"}', 'false', 'public'),
  ('for_server', 'test', 'user', '{"type": "integer"}', '1', 'server'),
  ('for_admin', 'test', 'user', '{"type": "integer"}', '1', 'admin');
insert into attune.user_preferences (user_id, key, value) values (tests.user_id('ada@example.com'), 'flag', 'true');

create function pg_temp.project(email text) returns uuid language sql as $$
  select m.project_id from attune.project_members as m where m.user_id = tests.user_id(email)
$$;
create temp table people as
select tests.user_id('ada@example.com') as ada, tests.user_id('bob@example.com') as bob, '00000000-0000-4000-8000-0000000000ff'::uuid as nobody,
  pg_temp.project('ada@example.com') as project;
insert into attune.project_preferences (user_id, project_id, key, value) select ada, project, 'flag', 'false' from people;
grant select on people to public;

-- Who may

select tests.throws_reason(c.call, '42501', 'admin_required', format('%s cannot: %s', w.who, c.call))
from (values ('ada@example.com')) as w (who)
cross join (values
  ('select attune.effective_setting_for((select bob from people), ''flag'')'),
  ('select attune.evaluate(array[(select bob from people)], ''{flag}'')')
) as c (call)
cross join lateral tests.authenticate_as(w.who) as a;

select tests.authenticate_as('admin@example.com');
select results_eq(
  $$ select user_id, project_id, key, value, layer from attune.effective_setting_for((select ada from people), 'flag') $$,
  $$ select ada, null::uuid, 'flag', 'true'::jsonb, 'user'::attune.setting_layer from people $$,
  'an administrator is told what applies to a user'
);
select results_eq(
  $$ select project_id, value, layer from attune.effective_setting_for((select ada from people), 'flag', (select project from people)) $$,
  $$ select project, 'false'::jsonb, 'project'::attune.setting_layer from people $$,
  'an administrator is told what applies to a user in a project'
);
select tests.throws_reason(c.call, c.code, c.reason, 'refused: ' || c.call)
from (values
  ('select attune.effective_setting_for((select nobody from people), ''flag'')', 'PT404', 'unknown_user'),
  ('select attune.effective_setting_for(null, ''flag'')', 'PT404', 'unknown_user'),
  ('select attune.effective_setting_for((select ada from people), ''nope'')', 'PT404', 'unknown_setting'),
  ('select attune.effective_setting_for((select bob from people), ''flag'', (select project from people))', 'PT404', 'unknown_project'),
  ('select attune.evaluate(array[(select ada from people)], ''{flag,nope}'')', 'PT404', 'unknown_setting'),
  ('select attune.evaluate(array[(select ada from people)], array[null])', 'PT404', 'unknown_setting'),
  ('select attune.evaluate(array[(select ada from people)], ''{flag}'', gen_random_uuid())', 'PT404', 'unknown_project'),
  ('select attune.evaluate(array(select gen_random_uuid() from generate_series(1, 5001)), ''{flag,for_server}'')', 'PT422', 'too_large'),
  ('select attune.evaluate(array(select gen_random_uuid() from generate_series(1, 10001)), ''{}'')', 'PT422', 'too_large')
) as c (call, code, reason);
select results_eq(
  $$ select e.user_id, e.key, e.value from people as p cross join lateral attune.evaluate(array[p.bob, p.ada, null, p.bob], '{for_server,flag,flag}') as e $$,
  $$
    select v.id, v.key, v.value::jsonb
    from people as p
    cross join lateral (values
      (p.bob, 'flag', 'false'), (p.bob, 'for_server', '1'), (p.ada, 'flag', 'true'), (p.ada, 'for_server', '1')
    ) as v (id, key, value)
  $$,
  'many are answered by user in the order given, and key, each once'
);
select results_eq(
  $$ select e.user_id = p.ada, e.project_id = p.project, e.value, e.layer from people as p cross join lateral attune.evaluate(array[p.ada, p.bob], '{flag}', p.project) as e $$,
  $$ values (true, true, 'false'::jsonb, 'project'::attune.setting_layer), (false, true, 'false', 'default') $$,
  'in a project, as those have it who are in it'
);
select is_empty($$ select attune.evaluate('{}') $$, 'of nobody nothing is told');
select is_empty($$ select attune.evaluate(array[(select ada from people)], '{}') $$, 'of no setting nothing is told');
select results_eq(
  $$ select e.key, e.value, e.layer from attune.evaluate(array[(select ada from people)]) as e $$,
  $$ select e.key, e.value, e.layer from attune.effective_settings_for((select ada from people)) as e order by e.key $$,
  'without keys: all that the user is shown'
);
select tests.authenticate_as_service_role();
select results_eq(
  $$ select e.key from attune.evaluate(array[(select ada from people)]) as e where e.key like 'for!_%' escape '!' $$, array['for_server'],
  'and for a trusted server what is for servers, too'
);
select is(
  (select e.value from attune.evaluate(array[(select ada from people)], '{for_admin}') as e), '1', 'a key may be any that the caller is shown'
);

-- Rollouts and variants: the same is drawn, whoever asks for whom, and by which function

select from attune.set_global_setting('flag', 'true', rollout_percentage => 50);
create temp table drawn as
select e.user_id as id, e.value, e.reason
from attune.evaluate(array(select md5(n::text)::uuid from generate_series(1, 50) as n), '{flag}') as e;
select is(
  (select count(distinct d.value || d.reason::text) from drawn as d), 2::bigint,
  'ids that are no user''s are drawn, and some are in and others are not'
);
create function pg_temp.as_visitor(id text)
returns table (value jsonb, reason attune.evaluation_reason)
language sql
as $$
  select e.value, e.reason from attune.effective_setting('flag', targeting_key => id) as e
  union
  select e.value, e.reason from attune.effective_settings('test', targeting_key => id) as e where e.key = 'flag'
  union
  select attune.settings_document('test', targeting_key => id) -> 'flag', e.reason
  from attune.effective_setting('flag', targeting_key => id) as e
$$;
select results_eq(
  'select v.value, v.reason from drawn as d cross join lateral pg_temp.as_visitor(d.id::text) as v order by d.id',
  'select d.value, d.reason from drawn as d order by d.id',
  'a trusted server draws a visitor as it would the user of that id, by every function'
);
grant select on drawn to public;
select tests.authenticate_as_anon();
select results_eq(
  'select v.value, v.reason from drawn as d cross join lateral pg_temp.as_visitor(d.id::text) as v order by d.id',
  'select d.value, d.reason from drawn as d order by d.id',
  'and so does the visitor'
);
select results_eq(
  $$ select e.user_id, e.targeting_key from attune.effective_setting('flag', targeting_key => 'v1') as e $$, $$ values (null::uuid, 'v1') $$,
  'a visitor is told for whom it is'
);
select tests.authenticate_as('ada@example.com');
select results_eq(
  $$ select e.user_id, e.targeting_key from attune.effective_setting('flag', targeting_key => 'v1') as e $$,
  $$ select ada, null::text from people $$,
  'who is signed in is drawn as themselves'
);

-- What is answered about somebody is what they are answered, an administrator's rights to edit among it

select tests.reset_role();
select tests.create_user('chief@example.com', is_admin => true);
select tests.authenticate_as('chief@example.com');
create temp table own as select s.* from attune.effective_settings() as s;
select results_eq(
  'select e.* from attune.evaluate(array[attune.current_user_id()]) as e order by e.key',
  $$ select o.* from own as o where o.key in (select e.key from attune.evaluate(array[attune.current_user_id()]) as e) order by o.key $$,
  'by evaluate'
);
select results_eq(
  'select (f.one).* from (select attune.effective_setting_for(attune.current_user_id(), o.key) as one from own as o order by o.key) as f',
  'select o.* from own as o order by o.key', 'by effective_setting_for'
);
select isnt_empty($$ select from own as o where o.can_edit and o.layer = 'default' $$, 'and there is something that only they may edit');

select * from finish();
rollback;
