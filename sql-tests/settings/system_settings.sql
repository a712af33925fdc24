-- What shapes Attune itself is for everybody alike: no door splits it.
begin;
select no_plan();

select tests.create_user('admin@example.com', is_admin => true);
insert into attune.setting_definitions (key, category, layer, schema, default_value)
values ('PLAIN', 'test', 'global', '{"type": "integer"}', '1');

-- %1$L is the key.
create temp table doors (says text, call text);
insert into doors
values
  ('set_global_setting with a rollout', $$ select attune.set_global_setting(%1$L, '6', rollout_percentage => 50) $$),
  ('set_global_setting with only a rollout', 'select attune.set_global_setting(%1$L, rollout_percentage => 0)'),
  ('set_global_variants', $$ select attune.set_global_variants(%1$L, '[{"name": "a", "weight": 1, "value": 6}]') $$),
  ('preview_global_setting', $$ select attune.preview_global_setting(%1$L, '6', rollout_percentage => 50) $$),
  ('import_configuration with a rollout', $$ select attune.import_configuration(jsonb_build_object('global', jsonb_build_object(%1$L, '{"value": 6, "rollout_percentage": 50}'::jsonb))) $$),
  ('import_configuration with variants', $$ select attune.import_configuration(jsonb_build_object('global', jsonb_build_object(%1$L, '{"value": 6, "variants": [{"name": "a", "weight": 1, "value": 6}]}'::jsonb)), 'replace') $$),
  ('a dry run of it', $$ select attune.import_configuration(jsonb_build_object('global', jsonb_build_object(%1$L, '{"value": 6, "rollout_percentage": 50}'::jsonb)), dry_run => true) $$),
  ('an inserted row with a rollout', $$ insert into attune.global_settings (key, value, rollout_percentage) values (%1$L, '6', 50) $$),
  ('an inserted row with variants', $$ insert into attune.global_settings (key, value, variants) values (%1$L, '6', '[{"name": "a", "weight": 1, "value": 6}]') $$);
create temp table updates (says text, call text);
insert into updates
values
  ('an updated row with a rollout', 'update attune.global_settings set rollout_percentage = 50 where key = %1$L'),
  ('an updated row with variants', $$ update attune.global_settings set variants = '[{"name": "a", "weight": 1, "value": 6}]' where key = %1$L $$);
grant select on doors, updates to authenticated, service_role;

create function pg_temp.outcome(call text) returns text language plpgsql as $$
declare
  reason text;
begin
  execute call;
  raise exception using errcode = 'AT000';
exception
  when sqlstate 'AT000' then
    return 'done';
  when others then
    get stacked diagnostics reason = pg_exception_detail;
    return concat_ws(' ', sqlstate, reason);
end;
$$;

select tests.authenticate_as('admin@example.com');
select is(pg_temp.outcome(format(d.call, 'PASSWORD_COST')), 'PT422 system_setting', d.says || ' does not split a system setting')
from doors as d order by d.says;
select is(pg_temp.outcome(format(d.call, 'PLAIN')), 'done', 'the control: ' || d.says || ' splits another')
from doors as d order by d.says;

select from attune.set_global_setting('PASSWORD_COST', '6', is_enforced => true);
select from attune.set_global_setting('PLAIN', '6');
select is(pg_temp.outcome(format(u.call, 'PASSWORD_COST')), 'PT422 system_setting', u.says || ' does not split a system setting')
from updates as u order by u.says;
select is(pg_temp.outcome(format(u.call, 'PLAIN')), 'done', 'the control: ' || u.says || ' splits another')
from updates as u order by u.says;
select is((attune.effective_setting('PASSWORD_COST')).value, '6', 'a value for everybody is taken');
select tests.reset_role();
select is(attune_private.system_number('PASSWORD_COST', 12), 6, 'and is what Attune goes by');

select tests.authenticate_as_service_role();
select is(pg_temp.outcome(format(d.call, 'PASSWORD_COST')), 'PT422 system_setting', d.says || ' does not split a system setting, for service_role either')
from doors as d order by d.says;

select * from finish();
rollback;
