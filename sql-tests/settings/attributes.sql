-- Writes say only what they change: each attribute of a stored value alone, over each that is set beforehand.
begin;
select no_plan();

select tests.create_user('admin@example.com', is_admin => true);
insert into attune.teams (id, name) values ('00000000-0000-4000-8000-000000000001', 'Team');
insert into attune.setting_definitions (key, category, schema, default_value) values ('colour', 'test', '{"type": "string"}', '"red"');

create function pg_temp.put(layer text, entry jsonb) returns void language sql as $$
  insert into attune.global_settings (key, value, is_active, is_enforced, rollout_percentage, variants)
  select 'colour', e.value, e.is_active, e.is_enforced, e.rollout_percentage, nullif(e.variants, 'null')
  from jsonb_to_record(entry) as e (value jsonb, is_active boolean, is_enforced boolean, rollout_percentage integer, variants jsonb)
  where layer = 'global';
  insert into attune.plan_settings (plan, key, value, is_active, is_enforced)
  select 'bootstrapper', 'colour', e.value, e.is_active, e.is_enforced
  from jsonb_to_record(entry) as e (value jsonb, is_active boolean, is_enforced boolean) where layer = 'plan';
  insert into attune.team_settings (team_id, key, value, is_active, is_enforced)
  select '00000000-0000-4000-8000-000000000001', 'colour', e.value, e.is_active, e.is_enforced
  from jsonb_to_record(entry) as e (value jsonb, is_active boolean, is_enforced boolean) where layer = 'team';
$$;
create function pg_temp.held(layer text) returns jsonb language sql as $$
  select to_jsonb(g) - '{key,updated_by,updated_at}'::text[] from attune.global_settings as g where layer = 'global' and g.key = 'colour'
  union all
  select to_jsonb(p) - '{plan,key,updated_by,updated_at}'::text[] from attune.plan_settings as p where layer = 'plan' and p.key = 'colour'
  union all
  select to_jsonb(t) - '{team_id,key,updated_by,updated_at}'::text[] from attune.team_settings as t where layer = 'team' and t.key = 'colour'
$$;

-- %1$L is the new value of the attribute.
create temp table doors (layer text, door text, attribute text, call text);
insert into doors
select l.layer, l.door, a.attribute, format('select attune.%s(%s%L, %s => %%1$L)', l.door, l.scope, 'colour', a.attribute)
from (values
  ('global', 'set_global_setting', ''),
  ('plan', 'set_plan_setting', '''bootstrapper'', '),
  ('team', 'set_team_setting', '''00000000-0000-4000-8000-000000000001'', ')
) as l (layer, door, scope)
cross join unnest('{value,is_enforced,is_active,rollout_percentage}'::text[]) as a (attribute)
where a.attribute <> 'rollout_percentage' or l.layer = 'global'
union all
values ('global', 'set_global_variants', 'variants', 'select attune.set_global_variants(''colour'', %1$L)')
union all
select l.layer, 'import_configuration', a.attribute, format(
  'select attune.import_configuration(jsonb_build_object(%s, jsonb_build_object(%L, %%1$L::jsonb)%s), ''merge'')',
  case l.layer when 'global' then $$'global', jsonb_build_object('colour'$$ else $$'plans', jsonb_build_object('bootstrapper', jsonb_build_object('colour'$$ end,
  a.attribute, case l.layer when 'global' then ')' else '))' end
)
from unnest('{global,plan}'::text[]) as l (layer)
cross join unnest('{value,is_enforced,is_active,rollout_percentage,variants}'::text[]) as a (attribute)
where a.attribute not in ('rollout_percentage', 'variants') or l.layer = 'global';

-- Each attribute, as it is for a new value and as it may be set.
create temp table attributes (attribute text, usual jsonb, other jsonb);
insert into attributes
values
  ('value', '"red"', '"blue"'),
  ('is_active', 'true', 'false'),
  ('is_enforced', 'false', 'true'),
  ('rollout_percentage', '100', '20'),
  ('variants', 'null', '[{"name": "sea", "value": "green", "weight": 3}]');

create function pg_temp.changed(door doors, before jsonb, value jsonb)
returns jsonb
language plpgsql
as $$
declare
  held jsonb;
begin
  if before is not null then
    perform pg_temp.put(door.layer, before);
  end if;
  perform tests.authenticate_as('admin@example.com');
  execute format(door.call, value);
  perform tests.reset_role();
  held := pg_temp.held(door.layer);
  raise exception using errcode = 'AT000';
exception
  when sqlstate 'AT000' then
    return held;
end;
$$;
-- Of plans and teams there is no more than these three.
create function pg_temp.of_layer(layer text, entry jsonb) returns jsonb language sql as $$
  select case layer when 'global' then entry else entry - '{rollout_percentage,variants}'::text[] end
$$;

select is(
  pg_temp.changed(d, pg_temp.of_layer(d.layer, b.entry), n.value),
  pg_temp.of_layer(d.layer, b.entry) || jsonb_build_object(d.attribute, n.value),
  format('%s of a %s value changes %s to %s and nothing else, %s', d.door, d.layer, d.attribute, n.value, b.says)
)
from doors as d
join attributes as a on a.attribute = d.attribute
cross join lateral (values (a.usual), (a.other)) as n (value)
cross join (
  -- One attribute is set beforehand, or all are.
  select 'where ' || s.attribute || ' was set' as says, u.usual || jsonb_build_object(s.attribute, s.other) as entry
  from attributes as s
  cross join (select jsonb_object_agg(a.attribute, a.usual) as usual from attributes as a) as u
  union all
  select 'where all were set', jsonb_object_agg(s.attribute, s.other) from attributes as s
) as b
where pg_temp.of_layer(d.layer, b.entry) <> pg_temp.of_layer(d.layer, (select jsonb_object_agg(a.attribute, a.usual) from attributes as a))
order by d.layer, d.door, d.attribute, b.says, n.value;

-- Where nothing is stored, what is not mentioned is as usual, and the value what applies now.
select is(
  pg_temp.changed(d, null, a.other),
  pg_temp.of_layer(d.layer, (select jsonb_object_agg(u.attribute, u.usual) from attributes as u)) || jsonb_build_object(d.attribute, a.other),
  format('%s makes a new %s value of its %s', d.door, d.layer, d.attribute)
)
from doors as d
join attributes as a on a.attribute = d.attribute
where d.door <> 'import_configuration' or d.attribute = 'value'
order by d.layer, d.door, d.attribute;
select tests.throws_reason(format(d.call, a.other), 'PT422', 'invalid_import', format('an import makes no new %s value of its %s', d.layer, d.attribute))
from doors as d
join attributes as a on a.attribute = d.attribute
where d.door = 'import_configuration' and d.attribute <> 'value'
order by d.layer, d.attribute;

-- Who has read another state is told

create function pg_temp.outcome(layer text, is_stored boolean, call text) returns text language plpgsql as $$
declare
  reason text;
begin
  if is_stored then
    perform pg_temp.put(layer, (select jsonb_object_agg(a.attribute, a.other) from attributes as a));
  end if;
  perform tests.authenticate_as('admin@example.com');
  execute call;
  raise exception using errcode = 'AT000';
exception
  when sqlstate 'AT000' then
    return 'written';
  when others then
    get stacked diagnostics reason = pg_exception_detail;
    return concat_ws(' ', sqlstate, reason);
end;
$$;
select is(
  pg_temp.outcome(f.layer, s.is_stored, format(f.call, s.expected)), s.outcome, format('%s %s', f.name, s.says)
)
from (values
  ('set_global_setting', 'global', 'select attune.set_global_setting(''colour'', ''"pink"'', expected_updated_at => %L)'),
  ('set_global_variants', 'global', 'select attune.set_global_variants(''colour'', ''[{"name": "a", "weight": 1, "value": "x"}]'', %L)'),
  ('set_global_variants, ending a split,', 'global', 'select attune.set_global_variants(''colour'', ''null'', %L)'),
  ('set_plan_setting', 'plan', 'select attune.set_plan_setting(''bootstrapper'', ''colour'', ''"pink"'', expected_updated_at => %L)'),
  ('set_team_setting', 'team', 'select attune.set_team_setting(''00000000-0000-4000-8000-000000000001'', ''colour'', ''"pink"'', expected_updated_at => %L)')
) as f (name, layer, call)
cross join (values
  (true, now(), 'written', 'writes over the state that was read'),
  (true, now() - interval '1 microsecond', 'PT409 changed_meanwhile', 'writes over no other'),
  (true, null, 'written', 'writes over any when nothing is expected'),
  (false, now(), 'PT409 changed_meanwhile', 'writes nothing where the value has gone'),
  (false, null, 'written', 'writes where nothing was')
) as s (is_stored, expected, outcome, says)
order by f.name, s.says;

select * from finish();
rollback;
