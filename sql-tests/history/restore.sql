-- All that one chose, or that administrators chose for everybody, as it was at a moment: shown first, and exact.
begin;
select no_plan();

update attune.setting_definitions set seeding = 'inherit' where source = 'attune' and seeding = 'copy';
delete from attune.global_settings;

select tests.create_user('ada@example.com'), tests.create_user('bob@example.com');
select tests.create_user('root@example.com', true);
insert into attune.setting_definitions (key, category, schema, default_value, layer, writable_by) values
  ('past.any', 'past', '{}', '1', 'project', 'user'),
  ('past.box', 'past', '{}', '{"a": 1}', 'project', 'user'),
  ('past.gone', 'past', '{}', '1', 'project', 'user'),
  ('past.locked', 'past', '{}', '1', 'project', 'user'),
  ('past.given', 'past', '{}', '1', 'user', 'admin');
insert into attune.plans (name, title) values ('scaler', 'Scaler'), ('other', 'Other');
insert into attune.projects (id, name) values
  ('00000000-0000-4000-8000-0000000000aa', 'Project'), ('00000000-0000-4000-8000-0000000000bb', 'Another');
insert into attune.project_members (user_id, project_id, role)
select tests.user_id(u.email || '@example.com'), p.id, u.role::attune.project_role
from attune.projects as p, (values ('ada', 'viewer'), ('bob', 'owner')) as u (email, role)
where p.name in ('Project', 'Another');

create temp table moments (name text primary key, at timestamptz, document jsonb);
grant select, insert on moments to public;
create function pg_temp.moment(name text) returns timestamptz language sql stable as $$
  select m.at from moments as m where m.name = moment.name
$$;
create function pg_temp.document(name text) returns text language sql stable as $$
  select m.document::text from moments as m where m.name = document.name
$$;
create function pg_temp.newest() returns bigint language sql volatile security definer as $$
  select max(id) from attune.configuration_audit_log
$$;

-- What a user chose

select tests.authenticate_as('ada@example.com');
insert into moments values ('nothing', clock_timestamp(), attune.export_preferences());
select attune.set_preference('past.any', '1.0');
select attune.set_preference('past.box', '{"b": 1}', is_whole => true);
select attune.set_preference('past.gone', '2');
select attune.set_preference('past.any', 'null', '00000000-0000-4000-8000-0000000000aa');
insert into moments values ('some', clock_timestamp(), attune.export_preferences());
select attune.set_preference('past.any', '1');
select attune.set_preference('past.box', '{"c": 1}');
select attune.reset_preference('past.gone');
select attune.set_preference('past.any', '3', '00000000-0000-4000-8000-0000000000bb');
select attune.set_preference('past.any', '4', '00000000-0000-4000-8000-0000000000aa');
insert into moments values ('later', clock_timestamp(), attune.export_preferences());

select is(
  (select array_agg(attune.export_preferences(m.at)::text = m.document::text) from moments as m), '{t,t,t}',
  'an export at a moment is the export of that moment'
);
select results_eq(
  $$select key, scope, action::text, previous_value::text, new_value::text, previous_attributes::text, last_change_id is not null, problem
    from attune.restore_preferences(pg_temp.moment('some'), dry_run => true)$$,
  $$values
    ('past.any', null::text, 'changed', '1', '1.0', '{"is_active": true}', true, null::text),
    ('past.box', null, 'changed', '{"b": 1, "c": 1}', '{"b": 1}', '{"is_active": true}', true, null),
    ('past.gone', null, 'added', null, '2', null, true, null),
    ('past.any', '00000000-0000-4000-8000-0000000000aa', 'changed', '4', 'null', '{"is_active": true}', true, null),
    ('past.any', '00000000-0000-4000-8000-0000000000bb', 'removed', '3', null, '{"is_active": true}', true, null)$$,
  'a dry run tells what would be done, exactly'
);
select is(attune.export_preferences()::text, pg_temp.document('later'), 'and does nothing');
select tests.throws_reason(
  $$select attune.restore_preferences(pg_temp.moment('some'))$$, 'PT409', 'changed_since', 'without a look first nothing is lost'
);
create temp table seen as
select max(last_change_id) as id from attune.restore_preferences(pg_temp.moment('some'), dry_run => true);
select is((select id from seen), pg_temp.newest(), 'the newest change was seen');
select attune.set_preference('past.any', '5');
select tests.throws_reason(
  $$select attune.restore_preferences(pg_temp.moment('some'), last_change_id => (select id from seen))$$, 'PT409', 'changed_since',
  'what came after the look is not lost'
);
create function pg_temp.problems(sql text) returns jsonb language plpgsql as $$
declare
  hint text;
begin
  execute sql;
  return null;
exception when others then
  get stacked diagnostics hint = pg_exception_hint;
  return split_part(hint, E'\n', 2)::jsonb;
end;
$$;
select is(
  pg_temp.problems($$select attune.restore_preferences(pg_temp.moment('some'), last_change_id => (select id from seen))$$),
  jsonb_build_array(
    jsonb_build_object(
      'key', 'past.any', 'pointer', '/past.any', 'keyword', 'changed_since',
      'message', format('it was changed since, last by change %s', pg_temp.newest())
    )
  ),
  'it is named, alone'
);
select lives_ok(
  $$select attune.restore_preferences(
      pg_temp.moment('some'),
      last_change_id => (select max(last_change_id) from attune.restore_preferences(pg_temp.moment('some'), true)),
      reason => 'By mistake'
    )$$,
  'who looked goes back'
);
select is(attune.export_preferences()::text, pg_temp.document('some'), 'to exactly what was');
select ok(
  (select l.reason like 'Restores what was at 20%Z: By mistake' from attune.configuration_audit_log as l where l.id = pg_temp.newest()),
  'the audit log says to which moment, and why'
);
select is(current_setting('attune.change_reason', true), '', 'and nothing else is done for that reason');
select is_empty($$select attune.restore_preferences(pg_temp.moment('some'))$$, 'there is nothing more to do');
select is(
  (select count(*)::integer from attune.restore_preferences(pg_temp.moment('later'), overwrite => true)), 5, 'it is undone the same way'
);
select is(attune.export_preferences()::text, pg_temp.document('later'), 'to exactly what was');

-- The refusals

select tests.throws_reason('select attune.restore_preferences(null)', 'PT400', 'moment_required', 'no moment');
select tests.throws_reason(
  $$select attune.restore_preferences(now() + interval '1 day')$$, 'PT400', 'moment_in_future', 'one to come'
);
select tests.throws_reason(
  $$select attune.export_preferences(now() + interval '1 day')$$, 'PT400', 'moment_in_future', 'nor is that exported'
);
select tests.throws_reason(
  $$select attune.restore_preferences(pg_temp.moment('some'), overwrite => true, reason => repeat('x', 990))$$, 'PT422', 'too_large',
  'a reason is not endless'
);
select tests.throws_reason(
  $$select attune.restore_preferences(pg_temp.moment('some'), dry_run => null, overwrite => null)$$, 'PT409', 'changed_since',
  'NULL is no yes'
);

select tests.authenticate_as('bob@example.com');
select is_empty(
  $$select attune.restore_preferences(pg_temp.moment('some'), overwrite => true)$$, 'another goes back to what they chose themselves'
);
select tests.authenticate_as('ada@example.com');
select is(attune.export_preferences()::text, pg_temp.document('later'), 'and to nobody else''s');
select tests.authenticate_as_anon();
select tests.throws_reason(
  'select attune.restore_preferences(now())', '42501', 'not_signed_in', 'nobody has anything to go back to'
);
select tests.throws_reason('select attune.restore_global_settings(now())', '42501', 'not_signed_in', 'nor anywhere else');
select tests.authenticate_as_service_role();
select tests.throws_reason(
  'select attune.restore_preferences(now())', '42501', 'not_signed_in', 'nor has a trusted server, which chose nothing'
);

-- What can't be put back: all at once, or the rest

select tests.authenticate_as('ada@example.com');
select attune.set_preference('past.locked', '7');
insert into moments values ('before', clock_timestamp(), attune.export_preferences());
select attune.set_preference('past.locked', '8');
select attune.set_preference('past.gone', '9');
select attune.reset_preference('past.box');
select attune.reset_preference('past.any', '00000000-0000-4000-8000-0000000000bb');
select attune.leave_project('00000000-0000-4000-8000-0000000000bb');
select tests.authenticate_as('root@example.com');
select attune.set_global_setting('past.locked', '0', true);
select attune.rename_setting('past.any', 'past.renamed');
select tests.reset_role();
update attune.setting_definitions set schema = '{"type": "boolean"}', default_value = 'true' where key = 'past.box';

select tests.authenticate_as('ada@example.com');
select tests.throws_reason(
  $$select attune.restore_preferences(pg_temp.moment('before'), overwrite => true)$$, 'PT422', 'not_restorable', 'what can''t be is told'
);
select is(
  (select array_agg(array[p ->> 'key', p ->> 'pointer', p ->> 'keyword'] order by p ->> 'key')
   from jsonb_array_elements(pg_temp.problems($$select attune.restore_preferences(pg_temp.moment('before'), true)$$)) as p),
  array[
    array['past.box', '/preferences/past.box', 'type'],
    array['past.locked', '/preferences/past.locked', 'is_enforced'],
    array['past.renamed', '/projects/00000000-0000-4000-8000-0000000000bb/past.renamed', 'project']
  ],
  'each with the reason'
);
create temp table restored as
select * from attune.restore_preferences(pg_temp.moment('before'), overwrite => true, skip_invalid => true);
select results_eq(
  'select key, action::text, problem is not null from restored order by key collate "C"',
  $$values ('past.box', 'skipped', true), ('past.gone', 'removed', false), ('past.locked', 'skipped', true), ('past.renamed', 'skipped', true)$$,
  'or left as it is, and the rest is done'
);
select is(
  attune.export_preferences() -> 'preferences', '{"past.renamed": {"value": 1, "is_active": true}, "past.locked": {"value": 8, "is_active": true}}',
  'with what was renamed under its key of today'
);

-- What administrators chose

select tests.authenticate_as('root@example.com');
select attune.reset_global_setting('past.locked');
insert into moments values ('global nothing', clock_timestamp(), attune.export_configuration());
select attune.set_global_setting('past.renamed', '{"a": 1.50}', true, 40);
select attune.set_global_setting('past.gone', '1');
select attune.set_global_variants('past.gone', '[{"name": "a", "weight": 1, "value": 2}]');
select attune.set_plan_setting('scaler', 'past.renamed', 'null');
select attune.set_plan_setting('other', 'past.gone', '1');
insert into moments values ('global some', clock_timestamp(), attune.export_configuration());
select attune.set_global_setting('past.renamed', '{"a": 1.5}', false);
select attune.set_global_variants('past.gone', 'null');
select attune.set_plan_setting('scaler', 'past.renamed', '1', is_active => false);
select attune.reset_plan_setting('other', 'past.gone');
select attune.set_plan_setting('other', 'past.renamed', '1');
insert into moments values ('global later', clock_timestamp(), attune.export_configuration());

select is(
  (select array_agg(attune.export_configuration(m.at)::text = m.document::text) from moments as m where m.name like 'global %'), '{t,t,t}',
  'an export at a moment is the export of that moment'
);
select tests.throws_reason(
  $$select attune.export_configuration(now() + interval '1 day')$$, 'PT400', 'moment_in_future', 'which is not to come'
);
select results_eq(
  $$select layer::text, scope, key, action::text, new_value::text, new_attributes ->> 'is_enforced'
    from attune.restore_global_settings(pg_temp.moment('global some'), dry_run => true)$$,
  $$values
    ('global', null::text, 'past.gone', 'changed', '1', 'false'), ('global', null, 'past.renamed', 'changed', '{"a": 1.50}', 'true'),
    ('plan', 'other', 'past.gone', 'added', '1', 'false'), ('plan', 'other', 'past.renamed', 'removed', null, null),
    ('plan', 'scaler', 'past.renamed', 'changed', 'null', 'false')$$,
  'a dry run tells what would be done'
);
select is(attune.export_configuration()::text, pg_temp.document('global later'), 'and does nothing');
select tests.throws_reason(
  $$select attune.restore_global_settings(pg_temp.moment('global some'))$$, 'PT409', 'changed_since', 'without a look nothing is lost'
);
select lives_ok(
  $$select attune.restore_global_settings(
      pg_temp.moment('global some'),
      last_change_id => (select max(last_change_id) from attune.restore_global_settings(pg_temp.moment('global some'), true))
    )$$,
  'who looked goes back'
);
select is(attune.export_configuration()::text, pg_temp.document('global some'), 'to exactly what was');
select attune.restore_global_settings(pg_temp.moment('global nothing'), overwrite => true);
select is(attune.export_configuration()::text, pg_temp.document('global nothing'), 'also to nothing');

select tests.reset_role();
delete from attune.plans where name = 'other';
select tests.authenticate_as('root@example.com');
select tests.throws_reason(
  $$select attune.restore_global_settings(pg_temp.moment('global some'), overwrite => true)$$, 'PT422', 'not_restorable', 'a plan that is gone has nothing'
);
select is(
  (select count(*) filter (where action = 'skipped')::integer
   from attune.restore_global_settings(pg_temp.moment('global some'), overwrite => true, skip_invalid => true)),
  1, 'the rest is put back'
);
select tests.throws_reason(
  'select attune.restore_global_settings(null)', 'PT400', 'moment_required', 'no moment'
);
select tests.authenticate_as('ada@example.com');
select tests.throws_reason(
  'select attune.restore_global_settings(now())', '42501', 'admin_required', 'a user goes back for nobody else'
);
select tests.authenticate_as_service_role();
select lives_ok(
  $$select attune.restore_global_settings(pg_temp.moment('global nothing'), overwrite => true)$$, 'a trusted server may'
);

-- What was removed for ever

select tests.reset_role();
insert into attune.maintenance_operations (operation, reason, details, affected_rows, actor_role)
select o.operation, 'Old', jsonb_build_object('before', clock_timestamp()), 0, 'attune'
from (select unnest(enum_range(null::attune.maintenance_task))) as o (operation)
where o.operation::text like 'purge_audit%';
select tests.authenticate_as('ada@example.com');
select tests.throws_reason(
  $$select attune.restore_preferences(pg_temp.moment('some'), overwrite => true)$$, 'PT410', 'history_purged', 'what was purged is not guessed'
);

select * from finish();
rollback;
