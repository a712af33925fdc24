-- One table of cases against every function that writes a layer: all behave alike.
begin;
select no_plan();

select tests.create_user('ada@example.com');
select tests.create_user('admin@example.com', is_admin => true);
insert into attune.teams (id, name) values ('00000000-0000-4000-8000-000000000001', 'Team');
insert into attune.projects (id, name) values ('00000000-0000-4000-8000-0000000000aa', 'Project');
insert into attune.project_members (user_id, project_id)
values (tests.user_id('ada@example.com'), '00000000-0000-4000-8000-0000000000aa');

insert into attune.setting_definitions (key, category, layer, schema, default_value, merge)
values
  ('number', 'test', 'project', '{"type": "integer"}', '1', null),
  ('nullable', 'test', 'project', '{"type": ["integer", "null"]}', '1', null),
  ('any', 'test', 'project', '{}', '{"a": 1}', null),
  ('deep', 'test', 'project', '{
    "type": "object", "required": ["a"], "additionalProperties": false,
    "properties": {
      "a": {"type": "integer"}, "b": {"type": "integer"},
      "n": {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}}}
    }
  }', '{"a": 1}', 'deep'),
  ('pair', 'test', 'project', '{"type": "object", "maxProperties": 2}', '{"a": 1, "b": 2}', null),
  ('choice', 'test', 'project', '{
    "type": "object",
    "oneOf": [
      {"properties": {"kind": {"const": "file"}, "path": true}, "required": ["kind", "path"], "additionalProperties": false},
      {"properties": {"kind": {"const": "url"}, "url": true}, "required": ["kind", "url"], "additionalProperties": false}
    ]
  }', '{"kind": "file", "path": "x"}', null),
  ('server', 'test', 'project', '{"type": "object", "required": ["host", "port"]}', null, null),
  ('whole', 'test', 'project', '{"type": "object", "properties": {"a": {"type": ["integer", "null"]}}}', '{"a": 1}', 'replace');

-- %1$L is the key, %2$L the value, %3$L whether it is whole.
create temp table writers (
  name text, layer attune.setting_layer, narrowest attune.setting_layer, writable_by attune.setting_writer, who text, call text
);
insert into writers
values
  ('set_global_setting', 'global', 'project', 'user', 'admin@example.com', 'select attune.set_global_setting(%1$L, %2$L, is_whole => %3$L)'),
  ('set_plan_setting', 'plan', 'project', 'user', 'admin@example.com', $$ select attune.set_plan_setting('bootstrapper', %1$L, %2$L, is_whole => %3$L) $$),
  ('set_team_setting', 'team', 'project', 'user', 'admin@example.com', $$ select attune.set_team_setting('00000000-0000-4000-8000-000000000001', %1$L, %2$L, is_whole => %3$L) $$),
  ('set_preference', 'user', 'project', 'user', 'ada@example.com', 'select attune.set_preference(%1$L, %2$L, is_whole => %3$L)'),
  ('set_user_setting', 'user', 'project', 'admin', 'admin@example.com', $$ select attune.set_user_setting(tests.user_id('ada@example.com'), %1$L, %2$L, %3$L) $$),
  ('set_preference in a project', 'project', 'project', 'user', 'ada@example.com', $$ select attune.set_preference(%1$L, %2$L, '00000000-0000-4000-8000-0000000000aa', %3$L) $$),
  ('set_setting for a user', 'user', 'project', 'user', 'ada@example.com', 'select attune.set_setting(%1$L, %2$L)'),
  ('set_setting for everybody', 'global', 'global', 'user', 'admin@example.com', 'select attune.set_setting(%1$L, %2$L)');

create function pg_temp.put(layer attune.setting_layer, key text, value jsonb) returns void language sql as $$
  insert into attune.global_settings (key, value) select key, value where layer = 'global';
  insert into attune.plan_settings (plan, key, value) select 'bootstrapper', key, value where layer = 'plan';
  insert into attune.team_settings (team_id, key, value)
  select '00000000-0000-4000-8000-000000000001', key, value where layer = 'team';
  insert into attune.user_preferences (user_id, key, value)
  select tests.user_id('ada@example.com'), key, value where layer = 'user';
  insert into attune.project_preferences (user_id, project_id, key, value)
  select tests.user_id('ada@example.com'), '00000000-0000-4000-8000-0000000000aa', key, value where layer = 'project';
$$;
create function pg_temp.held(layer attune.setting_layer, key text) returns jsonb language sql as $$
  select s.value
  from (
    select 'global'::attune.setting_layer, g.key, g.value from attune.global_settings as g
    union all select 'plan', p.key, p.value from attune.plan_settings as p
    union all select 'team', t.key, t.value from attune.team_settings as t
    union all select 'user', u.key, u.value from attune.user_preferences as u
    union all select 'project', p.key, p.value from attune.project_preferences as p
  ) as s (layer, key, value)
  where s.layer = held.layer and s.key = held.key
$$;

-- What the layer holds afterwards, or why it was refused; then all is as it was.
create function pg_temp.outcome(writer writers, key text, stored jsonb, value jsonb, is_whole boolean)
returns text
language plpgsql
as $$
declare
  held text;
  reason text;
begin
  update attune.setting_definitions as d
  set layer = writer.narrowest, writable_by = writer.writable_by
  where d.category = 'test';
  if stored is not null then
    perform pg_temp.put(writer.layer, key, stored);
  end if;
  perform tests.authenticate_as(writer.who);
  execute format(writer.call, key, value, is_whole);
  perform tests.reset_role();
  held := pg_temp.held(writer.layer, key);
  raise exception using errcode = 'AT000';
exception
  when sqlstate 'AT000' then
    -- Of what is large the size is enough.
    return case when length(held) > 1000 then length(held)::text else held end;
  when others then
    get stacked diagnostics reason = pg_exception_detail;
    return concat_ws(' ', sqlstate, reason, substring(sqlerrm from '/[a-z/]+: null takes nothing out'));
end;
$$;

create function pg_temp.nested(levels integer, opening text, closing text) returns jsonb language sql as $$
  select (repeat(opening, levels - 1) || '[]' || repeat(closing, levels - 1))::jsonb
$$;
create function pg_temp.large(member text) returns jsonb language sql as $$
  select jsonb_build_object(member, repeat('x', 40000))
$$;

create temp table cases (says text, key text, stored jsonb, value jsonb, is_whole boolean, outcome text);
insert into cases
values
  ('inserts', 'number', null, '2', false, '2'),
  ('updates', 'number', '2', '3', false, '3'),
  ('stores what is there already', 'number', '2', '2', false, '2'),
  ('refuses what the schema refuses', 'number', null, '"two"', false, 'PT422 invalid_value'),
  ('refuses it over what is stored', 'number', '2', '"two"', false, 'PT422 invalid_value'),
  ('stores null where it is a value', 'nullable', '2', 'null', false, 'null'),
  ('refuses null where it is none', 'number', '2', 'null', false, 'PT422 invalid_value'),
  ('puts an object in place of a scalar', 'any', '5', '{"b": 2}', false, '{"b": 2}'),
  ('puts a scalar in place of an object', 'any', '{"b": 2}', '5', false, '5'),
  ('puts a list in place of a list', 'any', '[1, 2]', '[3]', false, '[3]'),

  ('keeps of a patch over nothing what differs', 'deep', null, '{"b": 2}', false, '{"b": 2}'),
  ('merges a patch into what is stored', 'deep', '{"b": 2}', '{"n": {"x": 1}}', false, '{"b": 2, "n": {"x": 1}}'),
  ('merges on every level', 'deep', '{"n": {"x": 1}}', '{"n": {"y": 2}}', false, '{"n": {"x": 1, "y": 2}}'),
  ('resets a member by null', 'deep', '{"a": 5, "b": 2}', '{"a": null}', false, '{"b": 2}'),
  ('resets by null what nobody has set', 'deep', null, '{"b": null}', false, '{}'),
  ('refuses a member that the schema refuses', 'deep', '{"b": 2}', '{"c": 3}', false, 'PT422 invalid_value'),
  ('refuses a member of a member', 'deep', '{"n": {"x": 1}}', '{"n": {"y": "two"}}', false, 'PT422 invalid_value'),

  ('judges a patch with what is stored', 'server', '{"host": "a", "port": 1}', '{"port": 2}', false, '{"host": "a", "port": 2}'),
  ('refuses a patch that nothing makes whole', 'server', null, '{"port": 2}', false, 'PT422 invalid_value'),
  ('stores at once what is whole together', 'server', null, '{"host": "a", "port": 2}', false, '{"host": "a", "port": 2}'),
  ('refuses to take out what is required', 'server', '{"host": "a", "port": 1}', '{"port": null}', false, 'PT422 invalid_value'),
  ('keeps the whole of what applies with the change', 'pair', null, '{"a": 5}', false, '{"a": 5, "b": 2}'),
  ('judges a patch over what applies', 'pair', null, '{"c": 3}', false, 'PT422 invalid_value'),
  ('takes a member of the default out', 'pair', null, '{"b": null}', false, '{"a": 1}'),
  ('takes one out and puts one in', 'pair', null, '{"b": null, "c": 3}', false, '{"a": 1, "c": 3}'),
  ('stays in a branch', 'choice', null, '{"path": "y"}', false, '{"kind": "file", "path": "y"}'),
  ('leaves a branch for another', 'choice', null, '{"kind": "url", "path": null, "url": "u"}', false, '{"url": "u", "kind": "url"}'),
  ('goes back to it', 'choice', '{"url": "u", "kind": "url"}', '{"kind": "file", "path": "z", "url": null}', false, '{"kind": "file", "path": "z"}'),
  ('refuses two branches at once', 'choice', null, '{"url": "u"}', false, 'PT422 invalid_value'),

  ('stores a whole value over nothing', 'choice', null, '{"kind": "url", "url": "u"}', true, '{"url": "u", "kind": "url"}'),
  ('stores a whole value in place of what was', 'choice', '{"kind": "file", "path": "z"}', '{"kind": "url", "url": "u"}', true, '{"url": "u", "kind": "url"}'),
  ('stores a whole value of what is merged', 'deep', '{"a": 5, "b": 2}', '{"b": 3}', true, '{"b": 3}'),
  ('stores nothing that differs', 'deep', '{"a": 5, "b": 2}', '{}', true, '{}'),
  ('keeps a member that is null where values are whole', 'whole', '{"a": 5}', '{"a": null}', true, '{"a": null}'),
  ('refuses one where they are merged', 'deep', '{"b": 2}', '{"b": null}', true, 'PT422 invalid_value /b: null takes nothing out'),
  ('names where it is', 'deep', null, '{"n": {"x": null}}', true, 'PT422 invalid_value /n/x: null takes nothing out'),
  ('judges a whole value alone', 'server', '{"host": "a", "port": 1}', '{"port": 2}', true, 'PT422 invalid_value'),

  ('refuses what is too large', 'any', null, to_jsonb(repeat('x', 70000)), false, 'PT422 too_large'),
  ('stores what is large', 'any', null, pg_temp.large('a'), false, '40009'),
  ('refuses what is too large once it is merged', 'any', pg_temp.large('a'), pg_temp.large('b'), false, 'PT422 too_large'),
  ('stores lists of 64 levels', 'any', null, pg_temp.nested(64, '[', ']'), false, pg_temp.nested(64, '[', ']')::text),
  ('refuses lists of 65', 'any', null, pg_temp.nested(65, '[', ']'), false, 'PT422 value_too_deep'),
  ('refuses lists of 65 in place of others', 'any', '[]', pg_temp.nested(65, '[', ']'), false, 'PT422 value_too_deep'),
  ('refuses lists of 5,000', 'any', null, pg_temp.nested(5000, '[', ']'), false, 'PT422 value_too_deep'),
  ('refuses objects of 65 levels', 'any', null, pg_temp.nested(65, '{"a": ', '}'), false, 'PT422 value_too_deep'),
  ('refuses them over what is stored', 'any', '{"b": 1}', pg_temp.nested(65, '{"a": ', '}'), false, 'PT422 value_too_deep'),
  ('refuses them whole', 'any', '{"b": 1}', pg_temp.nested(65, '{"a": ', '}'), true, 'PT422 value_too_deep'),
  ('knows no other key', 'nothing', null, '1', false, 'PT404 unknown_setting'),
  ('knows none for an object', 'nothing', null, '{"a": 1}', false, 'PT404 unknown_setting'),
  ('knows none for a whole object', 'nothing', null, '{"a": 1}', true, 'PT404 unknown_setting');

-- set_setting has no word for a whole value.
select is(pg_temp.outcome(w, c.key, c.stored, c.value, c.is_whole), c.outcome, w.name || ' ' || c.says)
from writers as w
cross join cases as c
where not (w.name like 'set_setting%' and c.is_whole)
order by w.name, c.says;

-- A value that is not sent

create temp table nothing_sent (says text, key text, stored jsonb, outcome text);
insert into nothing_sent
values
  ('leaves what is stored', 'number', '2', '2'),
  ('keeps what applies', 'number', null, '1'),
  ('keeps the whole of what applies', 'pair', null, '{"a": 1, "b": 2}'),
  ('keeps what applies by merging nothing into it', 'deep', null, '{}'),
  ('finds nothing to keep', 'server', null, 'PT422 value_required');

select is(
  pg_temp.outcome(w, n.key, n.stored, null, false),
  case when w.name in ('set_global_setting', 'set_plan_setting', 'set_team_setting') then n.outcome else 'PT422 value_required' end,
  w.name || ' without a value ' || n.says
)
from writers as w
cross join nothing_sent as n
order by w.name, n.says;

-- What nobody writes by a patch is written as a table: judged alike.
create function pg_temp.put_outcome(layer attune.setting_layer, key text, value jsonb)
returns text
language plpgsql
as $$
declare
  reason text;
begin
  perform pg_temp.put(layer, key, value);
  raise exception using errcode = 'AT000';
exception
  when sqlstate 'AT000' then
    return 'stored';
  when others then
    get stacked diagnostics reason = pg_exception_detail;
    return concat_ws(' ', sqlstate, reason);
end;
$$;
select is(pg_temp.put_outcome(l.layer, c.key, c.value), c.outcome, format('the table of layer %s %s', l.layer, c.says))
from unnest(array['global', 'plan', 'team', 'user', 'project']::attune.setting_layer[]) as l (layer)
cross join (values
  ('takes what differs', 'deep', '{"b": 2}'::jsonb, 'stored'),
  ('refuses what the schema refuses', 'deep', '{"c": 2}', 'PT422 invalid_value'),
  ('refuses null in what is merged', 'deep', '{"b": null}', 'PT422 invalid_value'),
  ('takes a whole value', 'choice', '{"kind": "url", "url": "u"}', 'stored'),
  ('takes no part of one', 'choice', '{"path": "y"}', 'PT422 invalid_value'),
  ('takes no list of 65 levels', 'any', pg_temp.nested(65, '[', ']'), 'PT422 value_too_deep'),
  ('takes no other key', 'nothing', '1', 'PT404 unknown_setting')
) as c (says, key, value, outcome)
order by l.layer, c.says;

-- Who writes what is there already changes nothing: no audit row, no other time, no other writer.

-- %1$L is the key, %2$L the value.
create temp table doors (name text, layer attune.setting_layer, who text, call text);
insert into doors
select w.name, w.layer, w.who, replace(w.call, '%3$L', 'false') from writers as w where w.narrowest = 'project' and w.writable_by = 'user'
union all
select w.name || ', whole', w.layer, w.who, replace(w.call, '%3$L', 'true') from writers as w where strpos(w.call, '%3$L') > 0 and w.writable_by = 'user';
insert into doors
values
  ('set_preferences', 'user', 'ada@example.com', 'select attune.set_preferences(jsonb_build_object(%1$L, %2$L::jsonb))'),
  ('import_preferences', 'user', 'ada@example.com', $$ select attune.import_preferences(jsonb_build_object('preferences', jsonb_build_object(%1$L, jsonb_build_object('value', %2$L::jsonb)))) $$),
  ('import_preferences in a project', 'project', 'ada@example.com', $$ select attune.import_preferences(jsonb_build_object('projects', jsonb_build_object('00000000-0000-4000-8000-0000000000aa', jsonb_build_object(%1$L, jsonb_build_object('value', %2$L::jsonb))))) $$),
  ('apply_template', 'user', 'ada@example.com', $$ select attune.apply_template('law') $$),
  ('import_configuration', 'global', 'admin@example.com', $$ select attune.import_configuration(jsonb_build_object('global', jsonb_build_object(%1$L, jsonb_build_object('value', %2$L::jsonb)))) $$),
  ('import_configuration, replacing,', 'global', 'admin@example.com', $$ select attune.import_configuration(jsonb_build_object('global', jsonb_build_object(%1$L, jsonb_build_object('value', %2$L::jsonb))), 'replace') $$),
  ('import_configuration of a plan', 'plan', 'admin@example.com', $$ select attune.import_configuration(jsonb_build_object('plans', jsonb_build_object('bootstrapper', jsonb_build_object(%1$L, jsonb_build_object('value', %2$L::jsonb))))) $$),
  ('a lock that is none', 'global', 'admin@example.com', 'select attune.set_global_setting(%1$L, is_enforced => false, rollout_percentage => 100, is_active => true)'),
  ('the end of a split that is none', 'global', 'admin@example.com', $$ select attune.set_global_variants(%1$L, 'null') $$),
  ('the table user_preferences', 'user', 'ada@example.com', 'update attune.user_preferences set value = %2$L, is_active = true where key = %1$L'),
  ('the table project_preferences', 'project', 'ada@example.com', 'update attune.project_preferences set value = %2$L where key = %1$L'),
  ('the table global_settings', 'global', 'admin@example.com', 'update attune.global_settings set value = %2$L, is_enforced = false where key = %1$L'),
  ('the table plan_settings', 'plan', 'admin@example.com', 'update attune.plan_settings set value = %2$L where key = %1$L'),
  ('the table team_settings', 'team', 'admin@example.com', 'update attune.team_settings set value = %2$L where key = %1$L');

create function pg_temp.traces() returns text language sql as $$
  select concat_ws(' ', (select count(*) from attune.configuration_audit_log), string_agg(concat_ws(' ', s.value, s.updated_by, s.updated_at), ', '))
  from (
    select g.value, g.updated_by, g.updated_at from attune.global_settings as g
    union all select p.value, p.updated_by, p.updated_at from attune.plan_settings as p
    union all select t.value, t.updated_by, t.updated_at from attune.team_settings as t
    union all select u.value, u.updated_by, u.updated_at from attune.user_preferences as u where u.user_id = tests.user_id('ada@example.com')
    union all select p.value, p.updated_by, p.updated_at from attune.project_preferences as p
  ) as s
$$;
-- Whether writing a value over another leaves a trace.
create function pg_temp.leaves_a_trace(door doors, key text, stored jsonb, value jsonb)
returns boolean
language plpgsql
as $$
declare
  stamped text;
  before text;
  after text;
begin
  perform pg_temp.put(door.layer, key, stored);
  -- Long ago, by somebody else.
  foreach stamped in array '{global_settings,plan_settings,team_settings,user_preferences,project_preferences}'::text[] loop
    execute format('alter table attune.%I disable trigger user', stamped);
    execute format('update attune.%I set updated_at = $1, updated_by = $2 where key = $3', stamped)
    using '2000-01-01'::timestamptz, gen_random_uuid(), key;
    execute format('alter table attune.%I enable trigger user', stamped);
  end loop;
  insert into attune.setting_templates (name, title, "values")
  select 'law', 'Law', jsonb_build_object(key, value) where door.name = 'apply_template';
  before := pg_temp.traces();
  perform tests.authenticate_as(door.who);
  execute format(door.call, key, value);
  perform tests.reset_role();
  after := pg_temp.traces();
  raise exception using errcode = 'AT000';
exception
  when sqlstate 'AT000' then
    return before <> after;
end;
$$;
-- No longer a matter of who may.
update attune.setting_definitions set layer = 'project', writable_by = 'user' where category = 'test';

select is(pg_temp.leaves_a_trace(d, v.key, v.value, v.value), false, format('%s leaves no trace where %s is stored', d.name, v.value))
from doors as d
cross join (values ('number', '2'::jsonb), ('deep', '{"b": 2, "n": {"x": 1}}'), ('choice', '{"url": "u", "kind": "url"}'), ('whole', '{}')) as v (key, value)
-- A template has patches, and this is none over the default.
where d.name <> 'apply_template' or v.key <> 'choice'
order by d.name, v.key;
select is(pg_temp.leaves_a_trace(d, 'number', '2', '3'), true, d.name || ' leaves one where another value is stored')
from doors as d
where strpos(d.call, '%2$L') > 0 or d.name = 'apply_template'
order by d.name;
select is(pg_temp.leaves_a_trace(d, 'number', '2', '2.0'), true, d.name || ' leaves one where the same number is written in another way')
from doors as d
where d.name like 'set_%' or d.name like 'the table%'
order by d.name;

select * from finish();
rollback;
