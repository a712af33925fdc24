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
select finish();
rollback;
