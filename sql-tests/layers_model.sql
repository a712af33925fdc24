-- Laws: the resolution agrees with a naive one over random layers, and rollouts are stable, monotone and fair.
begin;
select plan(5);
select setseed(0.25);

insert into attune.plans (name, title) values ('scaler', 'Scaler');
insert into attune.teams (id, name)
select format('00000000-0000-4000-8000-%s', lpad(n::text, 12, '0'))::uuid, n::text from generate_series(1, 4) as n;
insert into attune.projects (id, name) values ('00000000-0000-4000-8000-0000000000aa', 'One');
insert into attune.users (id, email, plan, current_team_id)
select
  format('10000000-0000-4000-8000-%s', lpad(n::text, 12, '0'))::uuid,
  format('u%s@example.com', n),
  (array['bootstrapper', 'scaler'])[1 + n % 2],
  case when n % 5 > 0 then format('00000000-0000-4000-8000-%s', lpad((n % 5)::text, 12, '0'))::uuid end
from generate_series(1, 40) as n;
-- Some are in a team that is not their current one, some no longer in the one that is.
insert into attune.team_members (user_id, team_id)
select u.id, t.id from attune.users as u cross join attune.teams as t where random() < 0.7;
insert into attune.project_members (user_id, project_id)
select u.id, p.id from attune.users as u cross join attune.projects as p where p.name = 'One';

insert into attune.setting_definitions (key, category, schema, default_value, layer)
select 'TEST_' || n, 'test', 'true', case when n % 2 = 0 then '0'::jsonb else '{"d": 0, "x": 0}' end, 'project'
from generate_series(1, 12) as n;

-- Numbers for the even ones, objects for the odd.
create function pg_temp.some_value(key text)
returns jsonb
language sql volatile
as $$
  select case
    when right($1, 1)::integer % 2 = 0 then to_jsonb((random() * 100)::integer)
    else jsonb_build_object(chr(97 + (random() * 3)::integer), (random() * 100)::integer, 'x', (random() * 100)::integer)
  end
$$;
insert into attune.global_settings (key, value, is_active, is_enforced, rollout_percentage)
select d.key, pg_temp.some_value(d.key), random() < 0.8, random() < 0.2, (random() * 100)::integer
from attune.setting_definitions as d where d.category = 'test' and random() < 0.8;
insert into attune.plan_settings (plan, key, value, is_active, is_enforced)
select p.name, d.key, pg_temp.some_value(d.key), random() < 0.8, random() < 0.2
from attune.setting_definitions as d, attune.plans as p where d.category = 'test' and random() < 0.6;
insert into attune.team_settings (team_id, key, value, is_active, is_enforced)
select t.id, d.key, pg_temp.some_value(d.key), random() < 0.8, random() < 0.2
from attune.setting_definitions as d, attune.teams as t where d.category = 'test' and random() < 0.6;
insert into attune.user_preferences (user_id, key, value, is_active)
select u.id, d.key, pg_temp.some_value(d.key), random() < 0.8
from attune.setting_definitions as d, attune.users as u where d.category = 'test' and random() < 0.5;
insert into attune.project_preferences (user_id, project_id, key, value, is_active)
select m.user_id, m.project_id, d.key, pg_temp.some_value(d.key), random() < 0.8
from attune.setting_definitions as d, attune.project_members as m
join attune.projects as p on p.id = m.project_id and p.name = 'One'
where d.category = 'test' and random() < 0.4;

-- One layer after the other, as a person would do it.
create function pg_temp.naive(whose uuid, wanted text, project uuid)
returns text
language plpgsql
as $$
declare
  person attune.users := (select u from attune.users as u where u.id = whose);
  result jsonb := (select d.default_value from attune.setting_definitions as d where d.key = wanted);
  won text := 'default';
  layer record;
begin
  for layer in
    select 'global' as name, g.value, g.is_enforced
    from attune.global_settings as g
    where g.key = wanted and g.is_active
      and (g.rollout_percentage = 100 or attune_private.bucket(wanted, whose::text) <= g.rollout_percentage)
    union all
    select 'plan', p.value, p.is_enforced from attune.plan_settings as p
    where p.key = wanted and p.is_active and p.plan = person.plan
    union all
    select 'team', t.value, t.is_enforced from attune.team_settings as t
    where t.key = wanted and t.is_active and t.team_id = person.current_team_id
      and exists (select from attune.team_members as m where m.user_id = whose and m.team_id = t.team_id)
    union all
    select 'user', p.value, false from attune.user_preferences as p
    where p.key = wanted and p.is_active and p.user_id = whose
    union all
    select 'project', p.value, false from attune.project_preferences as p
    where p.key = wanted and p.is_active and p.user_id = whose and p.project_id = project
  loop
    if jsonb_typeof(layer.value) = 'object' and jsonb_typeof(result) = 'object' then
      result := result || layer.value;
    else
      result := layer.value;
    end if;
    won := layer.name || case when layer.is_enforced then ' locked' else '' end;
    exit when layer.is_enforced;
  end loop;

  return concat_ws(' ', result, won);
end;
$$;

create temp table compared as
select
  u.id, d.key, p.id as project_id,
  pg_temp.naive(u.id, d.key, p.id) as expected,
  concat_ws(' ', r.value, r.layer || case when r.is_enforced then ' locked' else '' end) as actual
from attune.users as u
cross join attune.setting_definitions as d
cross join (values (null::uuid), ('00000000-0000-4000-8000-0000000000aa')) as p (id)
join lateral attune_private.resolve_settings(u.id, false, true, p.id) as r on r.key = d.key
where d.category = 'test'
  and u.email like 'u%';

select is((select count(*) from compared), 960::bigint, 'every user, setting and project is compared');
select is_empty($$ select * from compared where actual is distinct from expected $$, 'the resolution is the naive one');
select set_has(
  $$ select distinct btrim(substring(actual from '[a-z ]+$')) from compared $$,
  $$ values ('default'), ('global'), ('global locked'), ('plan'), ('plan locked'), ('team'), ('team locked'), ('user'), ('project') $$,
  'every layer wins somewhere'
);

-- Rollouts

create temp table buckets as
select attune_private.bucket('TEST_ROLLOUT', md5(n::text)::uuid::text) as bucket from generate_series(1, 20000) as n;
select is_empty(
  $$
    select p.share, s.reached
    from generate_series(0, 100) as p (share)
    cross join lateral (select count(*) * 100.0 / 20000 as reached from buckets as b where b.bucket <= p.share) as s
    where abs(s.reached - p.share) > 1
  $$,
  'a share of users is that share, to one percent'
);
select results_eq(
  'select min(bucket), max(bucket), count(distinct bucket) from buckets', 'values (1, 100, 100::bigint)',
  'buckets are 1 to 100, so that none is in at 0, all are at 100, and a larger share only adds'
);

select * from finish();
rollback;
