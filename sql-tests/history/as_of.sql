-- What applied at a moment: the same resolution, from what the audit log says was there.
begin;
select no_plan();

select tests.create_user('ada@example.com'), tests.create_user('bob@example.com');
select tests.create_user('admin@example.com', is_admin => true);
insert into attune.setting_definitions (key, category, schema, default_value, layer, merge) values
  ('theme', 'test', '{}', '"light"', 'project', 'replace'), ('box', 'test', '{"type": "object"}', '{"a": 1}', 'user', 'deep');

insert into attune.plans (name, title) values ('scaler', 'Scaler');

create temp table moments (name text, at timestamptz);
grant select, insert on moments to public;
create function pg_temp.mark(name text) returns timestamptz language plpgsql as $$
declare at timestamptz;
begin
  perform pg_sleep(0.002);
  at := clock_timestamp();
  perform pg_sleep(0.002);
  insert into moments values (name, at);
  return at;
end;
$$;
create function pg_temp.at(name text) returns timestamptz language sql as $$ select m.at from moments as m where m.name = at.name $$;
-- Of each layer: what applied is recorded as it is, and found again later.
create temp table recorded (name text, setting attune.effective_setting);
grant select, insert on recorded to public;
create function pg_temp.record(name text) returns void language plpgsql as $$
begin
  perform pg_temp.mark(name);
  insert into recorded
  select record.name, s
  from attune.effective_settings_for(tests.user_id('ada@example.com'), 'test') as s;
end;
$$;

select tests.authenticate_as('admin@example.com');
select pg_temp.record('nothing');
select from attune.set_global_setting('theme', '"global"');
select pg_temp.record('global');
select from attune.set_global_setting('theme', 'null', rollout_percentage => 0);
select pg_temp.record('rollout');
select from attune.set_global_setting('theme', rollout_percentage => 100);
select pg_temp.record('JSON''s null');
select from attune.set_plan_setting('bootstrapper', 'theme', '"plan"');
select pg_temp.record('plan');
select tests.authenticate_as('ada@example.com');
select from attune.set_preference('theme', '"mine"');
select from attune.set_preference('box', '{"b": 2}');
select tests.authenticate_as('admin@example.com');
select pg_temp.record('user');
select from attune.set_global_setting('theme', '"locked"', is_enforced => true);
select pg_temp.record('lock');
select from attune.set_global_variants('theme', '[{"name": "x", "weight": 1, "value": "vx"}, {"name": "y", "weight": 1, "value": "vy"}]');
select pg_temp.record('variants');
reset role;
select attune.rename_setting('theme', 'look');
select tests.authenticate_as('admin@example.com');
select pg_temp.record('renamed');
select from attune.reset_global_setting('look');
select pg_temp.record('reset');
reset role;
update attune.users set plan = 'scaler', is_admin = true where id = tests.user_id('ada@example.com');
select tests.authenticate_as('admin@example.com');
select pg_temp.record('another plan');
reset role;
update attune.setting_definitions set default_value = '{"c": 3}', description = 'A box.' where key = 'box';
delete from attune.user_preferences;
select tests.authenticate_as('admin@example.com');
select pg_temp.record('definition');
reset role;
delete from attune.setting_definitions where key = 'box';
select tests.authenticate_as('admin@example.com');
select pg_temp.record('no definition');

select results_eq(
  $$
    select m.name, s.key, s.category, s.value, s.layer, s.reason, s.variant, s.is_enforced, s.can_edit, s.description, s.updated_at
    from moments as m
    cross join lateral attune.effective_settings_as_of(m.at, tests.user_id('ada@example.com'), 'test') as s
    order by m.at, s.key
  $$,
  $$
    select m.name, s.key, s.category, s.value, s.layer, s.reason, s.variant, s.is_enforced, s.can_edit, s.description, s.updated_at
    from moments as m
    join recorded as r on r.name = m.name
    cross join lateral (select (r.setting).*) as s
    order by m.at, s.key
  $$,
  'what applied at each moment is found again'
);
select results_eq(
  $$ select count(*), count(distinct s.value), count(distinct s.layer), count(distinct s.reason) from recorded as r cross join lateral (select (r.setting).*) as s $$,
  $$ values (25::bigint, 10::bigint, 4::bigint, 4::bigint) $$,
  'what is found again is no one thing'
);

-- Who may ask, and for what

select tests.reset_role();
update attune.setting_definitions set audience = 'admin' where key = 'look';
insert into attune.projects (id, name) values ('00000000-0000-4000-8000-0000000000aa', 'New');
insert into attune.project_members (user_id, project_id)
values (tests.user_id('bob@example.com'), '00000000-0000-4000-8000-0000000000aa');
select tests.authenticate_as('bob@example.com');
select is_empty(
  $$ select from attune.effective_settings_as_of(pg_temp.at('no definition'), null, 'test') $$,
  'a user is not shown what applied of a setting that is not for them any more'
);
select tests.throws_reason(
  $$ select from attune.explain_setting('look', at => pg_temp.at('no definition')) $$, 'PT404', 'unknown_setting', 'nor is it explained'
);
select isnt_empty(
  $$ select from attune.effective_settings_as_of(pg_temp.at('user'), null, 'test') where key = 'box' $$,
  'a user is shown what applied of a setting that is gone'
);
select results_eq(
  $$ select layer, value, is_winner, ignored_because from attune.explain_setting('box', at => pg_temp.at('user')) $$,
  $$ values ('default'::attune.setting_layer, '{"a": 1}'::jsonb, true, null::attune.ignored_reason), ('global', null, false, null),
       ('plan', null, false, null), ('team', null, false, null), ('user', null, false, null) $$,
  'and it is explained'
);
select tests.throws_reason(call, sqlstate, reason, 'a user is refused: ' || call)
from (values
  ($$ select attune.effective_settings_as_of(now(), tests.user_id('ada@example.com')) $$, '42501', 'admin_required'),
  ($$ select attune.explain_setting('look', tests.user_id('ada@example.com'), at => now()) $$, '42501', 'admin_required'),
  ($$ select attune.effective_settings_as_of(null) $$, 'PT400', 'moment_required'),
  ($$ select attune.effective_settings_as_of('infinity') $$, 'PT400', 'moment_in_future'),
  ($$ select attune.effective_settings_as_of(clock_timestamp() + interval '1 hour') $$, 'PT400', 'moment_in_future'),
  ($$ select attune.explain_setting('box', at => 'infinity') $$, 'PT400', 'moment_in_future'),
  ($$ select attune.effective_settings_as_of('2001-01-01') $$, 'PT404', 'unknown_user'),
  ($$ select attune.effective_settings_as_of('-infinity') $$, 'PT404', 'unknown_user'),
  ($$ select attune.explain_setting('box', at => '-infinity') $$, 'PT404', 'unknown_setting'),
  ($$ select attune.effective_settings_as_of(pg_temp.at('user'), project_id => gen_random_uuid()) $$, 'PT404', 'unknown_project'),
  (
    $$ select attune.effective_settings_as_of(pg_temp.at('user'), project_id => '00000000-0000-4000-8000-0000000000aa') $$,
    'PT404', 'unknown_project'
  )
) as c (call, sqlstate, reason);
select isnt_empty(
  $$ select from attune.effective_settings_as_of(clock_timestamp(), project_id => '00000000-0000-4000-8000-0000000000aa') $$,
  'a project that the user came into later is known since'
);

select tests.authenticate_as('admin@example.com');
select tests.throws_reason(
  $$ select attune.effective_settings_as_of(now(), gen_random_uuid()) $$, 'PT404', 'unknown_user', 'an administrator is told of nobody'
);
select tests.authenticate_as_anon();
select tests.throws_reason(
  $$ select attune.effective_settings_as_of(now()) $$, '42501', 'not_signed_in', 'without a token nothing is told'
);
select tests.authenticate_as_service_role();
select tests.throws_reason(
  $$ select attune.effective_settings_as_of(now()) $$, 'PT404', 'unknown_user', 'a trusted server says for whom'
);
select isnt_empty(
  $$ select from attune.effective_settings_as_of(clock_timestamp(), tests.user_id('ada@example.com')) $$, 'and is told'
);

-- What was before a purge is not known any more.
select tests.reset_role();
insert into attune.maintenance_operations (operation, reason, details, affected_rows, actor_role)
select 'purge_audit', 'Long ago', jsonb_build_object('before', pg_temp.at('plan')), 0, 'attune';
select tests.authenticate_as('admin@example.com');
select tests.throws_reason(call, 'PT410', 'history_purged', 'before a purge: ' || call)
from (values
  ($$ select attune.effective_settings_as_of(pg_temp.at('global'), tests.user_id('ada@example.com')) $$),
  ($$ select attune.explain_setting('look', at => pg_temp.at('global')) $$)
) as c (call);
select isnt_empty(
  $$ select from attune.effective_settings_as_of(pg_temp.at('plan'), tests.user_id('ada@example.com')) $$,
  'the moment up to which was purged is the first that is known'
);

select finish();
rollback;
