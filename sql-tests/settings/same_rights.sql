-- Functions write as the owner, after they have asked for the right; a statement on the table is judged by row level
-- security and triggers. Whoever asks, and whatever for, both must say the same.
begin;
select no_plan();

select tests.create_user('ada@example.com');
select tests.create_user('bob@example.com');
select tests.create_user('root@example.com', true);

insert into attune.setting_definitions (key, category, schema, default_value, layer, writable_by) values
  ('rights.own', 'rights', '{"type": "integer"}', '0', 'project', 'user'),
  ('rights.given', 'rights', '{"type": "integer"}', '0', 'project', 'admin'),
  ('rights.locked', 'rights', '{"type": "integer"}', '0', 'project', 'user'),
  ('rights.given_locked', 'rights', '{"type": "integer"}', '0', 'project', 'admin'),
  ('rights.team', 'rights', '{"type": "integer"}', '0', 'team', 'user'),
  ('rights.global', 'rights', '{"type": "integer"}', '0', 'global', 'user');
insert into attune.global_settings (key, value, is_enforced) values
  ('rights.locked', '1', true), ('rights.given_locked', '1', true);
insert into attune.setting_definitions (key, category, schema, default_value, layer, writable_by) values
  ('rights.held', 'rights', '{"type": "integer"}', '0', 'project', 'user'),
  ('rights.held_given', 'rights', '{"type": "integer"}', '0', 'project', 'admin');
insert into attune.user_preferences (user_id, key, value)
select tests.user_id('ada@example.com'), k.key, '2' from (values ('rights.held'), ('rights.held_given')) as k (key);
insert into attune.global_settings (key, value) values ('rights.held', '2');
insert into attune.plan_settings (plan, key, value) values ('bootstrapper', 'rights.held', '2');
insert into attune.teams (id, name) values ('00000000-0000-4000-8000-00000000000a', 'Team');
insert into attune.team_members (user_id, team_id, role) values
  (tests.user_id('ada@example.com'), '00000000-0000-4000-8000-00000000000a', 'owner'),
  (tests.user_id('bob@example.com'), '00000000-0000-4000-8000-00000000000a', 'member');
insert into attune.team_settings (team_id, key, value) values ('00000000-0000-4000-8000-00000000000a', 'rights.held', '2');

create temp view stored as
select 'user' as layer, p.key, p.user_id::text as scope, p.value from attune.user_preferences as p
union all
select 'project', p.key, p.user_id || ' ' || p.project_id, p.value from attune.project_preferences as p
union all
select 'global', g.key, null, g.value from attune.global_settings as g
union all
select 'plan', s.key, s.plan, s.value from attune.plan_settings as s
union all
select 'team', s.key, s.team_id::text, s.value from attune.team_settings as s;

-- What a statement leaves behind, as the owner sees it, or the class of its refusal. It is undone.
create function pg_temp.effect(who text, statement text)
returns text
language plpgsql volatile
as $$
declare
  before text[] := array(select s::text from stored as s order by 1);
  written text[];
begin
  begin
    perform case who
      when 'service_role' then tests.set_request(
        'service_role', jsonb_build_object('role', 'service_role', 'sub', tests.user_id('ada@example.com'))
      )
      when 'anon' then tests.authenticate_as_anon()
      when 'nobody' then tests.authenticate_as('00000000-0000-4000-8000-0000000000ff'::uuid)
      else tests.authenticate_as(who || '@example.com')
    end;
    execute statement;
    perform tests.reset_role();
    written := array(select s::text from stored as s order by 1);
    raise exception using errcode = 'AT000';
  exception
    when sqlstate 'AT000' then null;
    when insufficient_privilege then return 'refused';
    when others then return sqlstate;
  end;

  return concat_ws(
    ' ',
    '+', array(select w from unnest(written) as w except select b from unnest(before) as b order by 1),
    '-', array(select b from unnest(before) as b except select w from unnest(written) as w order by 1)
  );
end;
$$;

create temp table compared as
with
  person (id, name) as (select u.id, split_part(u.email, '@', 1) from attune.users as u where u.email like '%@example.com'),
  who (name) as (values ('ada'), ('bob'), ('root'), ('service_role'), ('anon'), ('nobody')),
  key (name) as (
    select d.key from attune.setting_definitions as d where d.category = 'rights' union all values ('rights.unknown'), (null)
  ),
  value (json) as (values ('5'), ('"x"')),
  statement (about, by_function, by_table, is_removal, name) as (
    select
      'own ' || quote_nullable(k.name) || ' of ' || w.name,
      format('select attune.set_preference(%L, %L)', k.name, v.json),
      format(
        'insert into attune.user_preferences (user_id, key, value) values ((select attune.current_user_id()), %L, %L)
         on conflict on constraint user_preferences_pkey do update set value = excluded.value',
        k.name, v.json
      ),
      false, w.name
    from key as k, value as v, who as w
    union all
    select
      'of another ' || quote_nullable(k.name) || ' by ' || w.name,
      format('select attune.set_user_setting(%L, %L, %L)', p.id, k.name, v.json),
      format('insert into attune.user_preferences (user_id, key, value) values (%L, %L, %L)
         on conflict on constraint user_preferences_pkey do update set value = excluded.value', p.id, k.name, v.json),
      false, w.name
    from key as k, value as v, who as w, person as p
    where p.name = 'ada' and w.name in ('bob', 'root', 'anon')
    union all
    select
      'in a project ' || quote_nullable(k.name) || ' by ' || w.name,
      format('select attune.set_preference(%L, %L, %L)', k.name, v.json, m.project_id),
      format('insert into attune.project_preferences (user_id, project_id, key, value)
         values ((select attune.current_user_id()), %L, %L, %L)', m.project_id, k.name, v.json),
      false, w.name
    from key as k, value as v, who as w, person as p
    join attune.project_members as m on m.user_id = p.id
    where p.name = 'ada'
    union all
    select
      'for everybody ' || quote_nullable(k.name) || ' by ' || w.name,
      format('select attune.set_global_setting(%L, %L)', k.name, v.json),
      format('insert into attune.global_settings (key, value) values (%L, %L)
         on conflict on constraint global_settings_pkey do update set value = excluded.value, is_enforced = false',
        k.name, v.json),
      false, w.name
    from key as k, value as v, who as w
    union all
    select
      'for a plan ' || quote_nullable(k.name) || ' by ' || w.name,
      format('select attune.set_plan_setting(%L, %L, %L)', 'bootstrapper', k.name, v.json),
      format('insert into attune.plan_settings (plan, key, value) values (%L, %L, %L)
         on conflict on constraint plan_settings_pkey do update set value = excluded.value', 'bootstrapper', k.name, v.json),
      false, w.name
    from key as k, value as v, who as w
    union all
    select
      'for a team ' || quote_nullable(k.name) || ' by ' || w.name,
      format('select attune.set_team_setting(%L, %L, %L)', t.id, k.name, v.json),
      format('insert into attune.team_settings (team_id, key, value) values (%L, %L, %L)
         on conflict on constraint team_settings_pkey do update set value = excluded.value', t.id, k.name, v.json),
      false, w.name
    from key as k, value as v, who as w, attune.teams as t
    where t.name = 'Team'
    union all
    select
      'reset ' || quote_nullable(k.name) || ' by ' || w.name || ' ' || f.layer,
      format(f.by_function, k.name),
      format(f.by_table, k.name),
      true, w.name
    from key as k, who as w, attune.teams as t, person as p, lateral (values
      ('own', 'select attune.reset_preference(%L)',
        'delete from attune.user_preferences where user_id = (select attune.current_user_id()) and key = %L'),
      ('another''s', format('select attune.reset_user_setting(%L, %%L)', p.id),
        format('delete from attune.user_preferences where user_id = %L and key = %%L', p.id)),
      ('global', 'select attune.reset_global_setting(%L)', 'delete from attune.global_settings where key = %L'),
      ('plan', 'select attune.reset_plan_setting(''bootstrapper'', %L)', 'delete from attune.plan_settings where key = %L'),
      ('team', format('select attune.reset_team_setting(%L, %%L)', t.id), 'delete from attune.team_settings where key = %L')
    ) as f (layer, by_function, by_table)
    where t.name = 'Team' and p.name = 'ada' and (f.layer <> 'another''s' or w.name <> 'ada')
  )
select
  s.about, s.is_removal,
  pg_temp.effect(s.who, s.by_function) as by_function,
  pg_temp.effect(s.who, s.by_table) as by_table
from (select about, by_function, by_table, is_removal, name from statement) as s (about, by_function, by_table, is_removal, who);

select cmp_ok((select count(*) from compared), '>', 400::bigint, 'everybody tried everything');
select cmp_ok(
  (select count(*) from compared where by_function = by_table and by_function like '%rights%'), '>', 40::bigint,
  'and some of it was allowed'
);
select is_empty(
  $$
    select c.about, c.by_function, c.by_table
    from compared as c
    where c.by_function <> c.by_table
      -- Rows that are not there for somebody are not deleted, which is no error; a function says what is wrong.
      and not (c.is_removal and c.by_table = '+ {} - {}' and c.by_function in ('refused', 'PT404'))
    order by 1
  $$,
  'a function allows what the table allows, and does the same'
);

select * from finish();
rollback;
