-- Who is shown a setting at all, by every function that shows any; whom the rollouts of a visitor draw.
begin;
select no_plan();

select tests.create_user('ada@example.com');
select tests.create_user('admin@example.com', is_admin => true);
insert into attune.setting_definitions (key, category, layer, schema, default_value, audience)
select 'for_' || a.audience, 'test', 'project', '{"type": "integer"}', '1', a.audience
from unnest(enum_range(null::attune.setting_audience)) as a (audience);
insert into attune.teams (id, name) values ('00000000-0000-4000-8000-000000000001', 'Team');
insert into attune.team_members (user_id, team_id, role) values (tests.user_id('ada@example.com'), '00000000-0000-4000-8000-000000000001', 'owner');

update attune.users set current_team_id = '00000000-0000-4000-8000-000000000001' where email = 'ada@example.com';

-- Up to where each persona is shown settings.
create temp table personas (who text, sees attune.setting_audience);
insert into personas
values ('anon', 'public'), ('ada@example.com', 'client'), ('admin@example.com', 'admin'), ('service_role', 'admin');
create function pg_temp.ask_as(who text) returns void language plpgsql as $$
begin
  if who = 'anon' then
    perform tests.authenticate_as_anon();
  elsif who = 'service_role' then
    perform tests.authenticate_as_service_role();
  else
    perform tests.authenticate_as(who);
  end if;
end;
$$;
-- The keys that a statement shows to somebody, or how it is refused.
create function pg_temp.shown(who text, sql text) returns text language plpgsql as $$
declare
  keys text;
  reason text;
begin
  perform pg_temp.ask_as(who);
  execute format('select string_agg(s.key, '' '' order by s.key) from (%s) as s (key)', sql) into keys;
  perform tests.reset_role();
  return keys;
exception when others then
  get stacked diagnostics reason = pg_exception_detail;
  return concat_ws(' ', sqlstate, reason);
end;
$$;

select is(
  pg_temp.shown(p.who, l.sql),
  (
    select string_agg('for_' || a.audience, ' ' order by 'for_' || a.audience)
    from unnest(enum_range(null::attune.setting_audience)) as a (audience)
    where a.audience <= p.sees
  ),
  format('%s is shown by %s what is for them', p.who, l.name)
)
from personas as p
cross join (values
  ('effective_settings', 'select e.key from attune.effective_settings(''test'') as e'),
  ('settings_document', 'select k from jsonb_object_keys(attune.settings_document(''test'')::jsonb) as k'),
  ('the table setting_definitions', 'select d.key from attune.setting_definitions as d where d.category = ''test''')
) as l (name, sql)
order by p.sees, l.name;

select is(
  pg_temp.shown(p.who, format(f.sql, 'for_' || a.audience)),
  case when a.audience <= p.sees then 'for_' || a.audience else 'PT404 unknown_setting' end,
  format('%s asks %s for a setting that is for %s', p.who, f.name, a.audience)
)
from personas as p
cross join unnest(enum_range(null::attune.setting_audience)) as a (audience)
cross join (values
  ('effective_setting', 'select (attune.effective_setting(%L)).key'),
  ('explain_setting', 'select distinct %1$L from attune.explain_setting(%1$L)')
) as f (name, sql)
order by p.sees, a.audience, f.name;

-- What belongs to Attune itself reaches no browser
select is(pg_temp.shown('ada@example.com', f.sql), f.shown, 'a user is not shown the cost of passwords by ' || f.name)
from (values
  ('effective_settings', 'select e.key from attune.effective_settings() as e where e.key = ''PASSWORD_COST''', null),
  ('effective_setting', 'select (attune.effective_setting(''PASSWORD_COST'')).key', 'PT404 unknown_setting'),
  ('settings_document', 'select k from jsonb_object_keys(attune.settings_document()::jsonb) as k where k = ''PASSWORD_COST''', null),
  ('the table setting_definitions', 'select d.key from attune.setting_definitions as d where d.key = ''PASSWORD_COST''', null)
) as f (name, sql, shown);

-- As another sees it

select is(
  pg_temp.shown(f.who, format('select e.key from attune.effective_settings_for(%L, ''test'') as e', tests.user_id('ada@example.com'))), f.shown,
  f.says
)
from (values
  ('admin@example.com', 'for_client for_public', 'an administrator is shown what the user is shown'),
  ('service_role', 'for_client for_public for_server', 'a trusted server is shown what is for servers, too'),
  ('ada@example.com', '42501 admin_required', 'a user is shown nobody''s')
) as f (who, shown, says);

-- A plain user writes nothing that they are not shown

select is(
  pg_temp.shown('ada@example.com', format(w.sql, 'for_' || a.audience)),
  case when a.audience <= 'client' then w.done else coalesce(w.refused, 'PT404 unknown_setting') end,
  format('a user writes by %s what is for %s', w.name, a.audience)
)
from unnest(enum_range(null::attune.setting_audience)) as a (audience)
cross join (values
  ('set_preference', 'select (attune.set_preference(%L, ''2'')).value::text', '2', null),
  ('set_preference, what is no value,', 'select (attune.set_preference(%L, ''"x"'')).value::text', 'PT422 invalid_value', null),
  ('set_preferences', 'select (attune.set_preferences(jsonb_build_object(%L, 2))).value::text', '2', null),
  ('set_setting', 'select (attune.set_setting(%L, ''2'')).value::text', '2', null),
  ('reset_preference', 'select (attune.reset_preference(%L)).value::text', '1', null),
  ('set_team_setting', 'select (attune.set_team_setting(''00000000-0000-4000-8000-000000000001'', %L, ''2'')).value::text', '2', null),
  ('preview_team_setting', 'select (attune.preview_team_setting(''00000000-0000-4000-8000-000000000001'', %L, ''7'', true)).users::text', '1', null),
  ('import_preferences', 'select (attune.import_preferences(jsonb_build_object(''preferences'', jsonb_build_object(%L, ''{"value": 2}''::jsonb)))).action::text', 'added', 'PT422 invalid_import')
) as w (name, sql, done, refused)
order by w.name, a.audience;

create function pg_temp.stored(who text, sql text) returns text language plpgsql as $$
declare
  reason text;
begin
  perform pg_temp.ask_as(who);
  execute sql;
  raise exception using errcode = 'AT000';
exception
  when sqlstate 'AT000' then
    return 'stored';
  when others then
    get stacked diagnostics reason = pg_exception_detail;
    return concat_ws(' ', sqlstate, reason);
end;
$$;
select is(
  pg_temp.stored('ada@example.com', format(w.sql, 'for_' || a.audience, tests.user_id('ada@example.com'))),
  case when a.audience <= 'client' then 'stored' else 'PT404 unknown_setting' end,
  format('a user writes the table %s with what is for %s', w.name, a.audience)
)
from unnest(enum_range(null::attune.setting_audience)) as a (audience)
cross join (values
  ('user_preferences', 'insert into attune.user_preferences (user_id, key, value) values (%2$L, %1$L, ''3'') on conflict (user_id, key) do update set value = ''3'''),
  ('team_settings', 'insert into attune.team_settings (team_id, key, value) values (''00000000-0000-4000-8000-000000000001'', %1$L, ''3'') on conflict (team_id, key) do update set value = ''3''')
) as w (name, sql)
order by w.name, a.audience;

-- What is stored for a user and not for their eyes is neither theirs to take along nor to drop

select tests.reset_role();
insert into attune.user_preferences (user_id, key, value)
select tests.user_id(e), 'for_' || a.audience, '5'
from unnest(array['ada@example.com', 'admin@example.com']) as e
cross join unnest(enum_range(null::attune.setting_audience)) as a (audience)
on conflict on constraint user_preferences_pkey do update set value = excluded.value;
select is(
  pg_temp.shown(p.who, 'select k from jsonb_object_keys(attune.export_preferences() -> ''preferences'') as k where k like ''for\_%'''), p.shown,
  p.who || ' exports what they are shown'
)
from (values
  ('ada@example.com', 'for_client for_public'), ('admin@example.com', 'for_admin for_client for_public for_server')
) as p (who, shown);
create function pg_temp.left_over(sql text) returns text language plpgsql as $$
declare
  keys text;
begin
  perform tests.authenticate_as('ada@example.com');
  execute sql;
  perform tests.reset_role();
  select string_agg(p.key, ' ' order by p.key) into keys
  from attune.user_preferences as p where p.user_id = tests.user_id('ada@example.com') and p.key like 'for\_%';
  raise exception using errcode = 'AT000';
exception
  when sqlstate 'AT000' then
    return keys;
end;
$$;
select is(pg_temp.left_over('select attune.reset_preferences(''test'')'), 'for_admin for_server', 'reset_preferences drops what the user is shown');
select is(
  pg_temp.left_over('select attune.import_preferences(''{}'', ''replace'')'), 'for_admin for_server', 'an import that replaces does, too'
);

-- Visitors: a targeting key is drawn as Unleash would

insert into attune.setting_definitions (key, category, schema, default_value, audience, rollout_group)
values
  ('banner', 'visits', '{"type": "boolean"}', 'false', 'public', 'gr1'),
  ('colour', 'visits', '{"type": "string"}', '"red"', 'public', 'gr1');
-- unleash-client: normalizedStrategyValue('123', 'gr1') is 73, normalizedVariantValue('123', 'gr1') is 796.
select from attune.set_global_setting('banner', 'true', rollout_percentage => 73);
select from attune.set_global_setting('colour', '"red"');
select from attune.set_global_variants('colour', '[{"name": "a", "weight": 796, "value": "blue"}, {"name": "b", "weight": 204, "value": "green"}]');

create function pg_temp.visit(targeting_key text) returns text language sql as $$
  select string_agg(concat_ws(' ', e.key, e.value, e.reason, e.variant), ', ' order by e.key)
  from attune.effective_settings('visits', targeting_key => $1) as e
$$;
select tests.authenticate_as_anon();
select is(pg_temp.visit('123'), 'banner true SPLIT, colour "blue" SPLIT a', 'a visitor is in from their bucket on, and in a variant');
select is(pg_temp.visit('123'), pg_temp.visit('123'), 'and stays there');
select is((attune.effective_setting('banner', targeting_key => '123')).value, 'true', 'one setting says the same');
select is((attune.settings_document('visits', targeting_key => '123')::jsonb), '{"banner": true, "colour": "blue"}', 'as does the document');
select is(pg_temp.visit(null), 'banner false DEFAULT, colour "red" STATIC', 'without a targeting key nobody in particular is drawn');
select tests.reset_role();
select from attune.set_global_setting('banner', rollout_percentage => 72);
select from attune.set_global_variants('colour', '[{"name": "a", "weight": 795, "value": "blue"}, {"name": "b", "weight": 205, "value": "green"}]');
select tests.authenticate_as_anon();
select is(pg_temp.visit('123'), 'banner false DEFAULT, colour "green" SPLIT b', 'one less, and they are out, and in the next variant');
select tests.throws_reason(
  $$ select attune.effective_settings(targeting_key => repeat('x', 201)) $$, 'PT422', 'too_large', 'a targeting key has its limit'
);

-- Who is signed in is drawn by their own id, whatever key is sent.
select tests.authenticate_as('ada@example.com');
select is(pg_temp.visit(k.key), pg_temp.visit(null), 'a user is drawn by their id, and not by ' || k.key) from (values ('123'), ('999'), ('x')) as k (key);
select tests.reset_role();
select is(
  (select v.variant ->> 'name' from attune_private.choose_variant(
    (select variants from attune.global_settings where key = 'colour'), 'gr1', tests.user_id('ada@example.com')::text
  ) as v (variant)),
  (select e.variant from attune.effective_settings_for(tests.user_id('ada@example.com'), 'visits') as e where e.key = 'colour'),
  'which is the variant of that id'
);

select * from finish();
rollback;
