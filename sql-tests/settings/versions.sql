-- Whoever updates a row may say which version of it was read: every table that a request may update has it.
begin;
select no_plan();

select tests.create_user('admin@example.com', is_admin => true);
insert into attune.teams (id, name) values ('00000000-0000-4000-8000-000000000001', 'Team');
insert into attune.team_members (user_id, team_id) values (tests.user_id('admin@example.com'), '00000000-0000-4000-8000-000000000001');
insert into attune.user_identities (issuer, subject, user_id) values ('https://id.example.com', 'admin', tests.user_id('admin@example.com'));
insert into attune.setting_definitions (key, category, layer, schema, default_value) values ('colour', 'test', 'project', '{"type": "string"}', '"red"');
insert into attune.setting_templates (name, title, "values") values ('blue', 'Blue', '{"colour": "blue"}');
insert into attune.global_settings (key, value) values ('colour', '"blue"');
insert into attune.plan_settings (plan, key, value) values ('bootstrapper', 'colour', '"blue"');
insert into attune.team_settings (team_id, key, value) values ('00000000-0000-4000-8000-000000000001', 'colour', '"blue"');
-- What a new user is given is no text.
delete from attune.user_preferences where user_id = tests.user_id('admin@example.com');
insert into attune.user_preferences (user_id, key, value) values (tests.user_id('admin@example.com'), 'colour', '"blue"');
insert into attune.project_preferences (user_id, project_id, key, value)
select m.user_id, m.project_id, 'colour', '"blue"' from attune.project_members as m where m.user_id = tests.user_id('admin@example.com');

-- Each table that keeps when a row last changed, by a trigger, with an attribute to change, and how.
create temp table versioned as
select c.relname as name, v.change
from pg_class as c
join (values
  ('plans', 'title = title || ''!'''), ('users', 'name = ''Root'''), ('user_identities', 'email = ''root@example.com'''),
  ('teams', 'name = name || ''!'''), ('team_members', 'role = ''owner'''),
  ('projects', 'name = name || ''!'''), ('project_members', 'role = ''owner'''),
  ('setting_definitions', 'description = description || ''!'''), ('setting_templates', 'title = title || ''!'''),
  ('notification_categories', 'title = title || ''!'''), ('credential_providers', 'title = title || ''!'''),
  ('global_settings', 'value = to_jsonb((value #>> ''{}'') || ''!'')'), ('plan_settings', 'value = to_jsonb((value #>> ''{}'') || ''!'')'), ('team_settings', 'value = to_jsonb((value #>> ''{}'') || ''!'')'),
  ('user_preferences', 'value = to_jsonb((value #>> ''{}'') || ''!'')'), ('project_preferences', 'value = to_jsonb((value #>> ''{}'') || ''!'')')
) as v (name, change) on v.name = c.relname
where c.relnamespace = 'attune'::regnamespace;

select results_eq(
  $$
    select c.relname::text collate "C"
    from pg_class as c
    where c.relnamespace = 'attune'::regnamespace
      and exists (
        select from pg_trigger as t
        where t.tgrelid = c.oid and t.tgfoid = 'attune_private.tg__check_version'::regproc
      )
    order by 1
  $$,
  $$ select v.name::text collate "C" from versioned as v order by 1 $$,
  'every table that checks the version is walked'
);
select is_empty(
  $$
    select c.relname, r.name
    from pg_class as c
    cross join (values ('authenticated'), ('service_role')) as r (name)
    where c.relnamespace = 'attune'::regnamespace
      and c.relkind = 'r'
      and has_any_column_privilege(r.name, c.oid, 'update')
      and not coalesce((
        select has_column_privilege(r.name, c.oid, a.attnum, 'update') and not has_column_privilege(r.name, c.oid, a.attnum, 'insert')
        from pg_attribute as a
        where a.attrelid = c.oid and a.attname = 'updated_at'
      ), false)
    order by 1, 2
  $$,
  'who may update a row of any table may name its version, and nobody makes it up for a new one'
);

create function pg_temp.outcome(name text, version text)
returns text
language plpgsql
as $$
declare
  target tid;
  before timestamptz;
  after timestamptz;
  state text;
  reason text;
begin
  execute format('select ctid, updated_at from attune.%I limit 1', name) into target, before;
  execute format(
    'update attune.%I set %s%s where ctid = %L returning updated_at',
    name, (select v.change from versioned as v where v.name = outcome.name),
    case version when 'read' then format(', updated_at = %L', before) when 'another' then ', updated_at = ''2000-01-01''' else '' end,
    target
  ) into after;
  return case when after > before then 'a later version' else 'no later version' end;
exception
  when others then
    get stacked diagnostics state = returned_sqlstate, reason = pg_exception_detail;
    return state || ' ' || reason;
end;
$$;

select is(pg_temp.outcome(v.name, e.version), e.outcome, format('%s: %s', v.name, e.title))
from versioned as v
cross join (values
  ('another', 'PT409 changed_meanwhile', 'an update of another version is refused'),
  ('read', 'a later version', 'an update of the version that was read is made, even twice in one moment'),
  ('unsaid', 'a later version', 'an update that names no version is made')
) as e (version, outcome, title)
order by v.name, e.version;

-- An administrator by a statement

select tests.authenticate_as('admin@example.com');
select tests.throws_reason(
  $$ update attune.global_settings set value = '"pink"', updated_at = 'infinity' where key = 'colour' $$, 'PT409', 'changed_meanwhile',
  'an administrator cannot claim, as our functions do, that another wrote it'
);
select throws_ok(
  $$ insert into attune.global_settings (key, value, updated_at) values ('TASKS_ENABLED', 'true', 'infinity') $$,
  '42501', 'permission denied for table global_settings', 'nor for a new row'
);
select isnt_empty(
  $$
    update attune.global_settings as g set value = '"pink"', updated_at = r.updated_at
    from attune.global_settings as r where g.key = 'colour' and r.key = 'colour' returning g.key
  $$,
  'an administrator can change the version that was read'
);
select is(
  (select g.updated_by from attune.global_settings as g where g.key = 'colour'), tests.user_id('admin@example.com'),
  'and is the one who wrote it'
);

select * from finish();
rollback;
