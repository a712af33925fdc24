-- What one change did is taken back: exactly, with the caller's own rights, and never over something newer unawares.
begin;
select no_plan();

update attune.setting_definitions set seeding = 'inherit' where source = 'attune' and seeding = 'copy';

select tests.create_user('ada@example.com'), tests.create_user('bob@example.com'), tests.create_user('cat@example.com');
select tests.create_user('root@example.com', true);
insert into attune.setting_definitions (key, category, schema, default_value, layer, writable_by) values
  ('back.any', 'back', '{}', '1', 'project', 'user'),
  ('back.given', 'back', '{}', '1', 'user', 'admin'),
  ('back.number', 'back', '{"type": "number"}', '1', 'user', 'user');
insert into attune.plans (name, title) values ('scaler', 'Scaler'), ('other', 'Other');
insert into attune.teams (id, name) values ('00000000-0000-4000-8000-00000000000a', 'Team');
insert into attune.team_members (user_id, team_id, role) values
  (tests.user_id('ada@example.com'), '00000000-0000-4000-8000-00000000000a', 'owner'),
  (tests.user_id('bob@example.com'), '00000000-0000-4000-8000-00000000000a', 'member');
insert into attune.projects (id, name) values ('00000000-0000-4000-8000-0000000000aa', 'Project');
insert into attune.project_members (user_id, project_id, role) values
  (tests.user_id('ada@example.com'), '00000000-0000-4000-8000-0000000000aa', 'owner');

-- The newest change, whoever asks.
create function pg_temp.newest() returns bigint language sql volatile security definer as $$
  select max(id) from attune.configuration_audit_log
$$;
-- Does something, and tells by which change that is found.
create function pg_temp.done(statement text) returns bigint language plpgsql volatile as $$
begin
  execute statement;
  return pg_temp.newest();
end;
$$;
create function pg_temp.reasons() returns text language sql volatile security definer as $$
  select reason from attune.configuration_audit_log where id = pg_temp.newest()
$$;
-- What a table holds, but for when and by whom it was written.
create function pg_temp.state(source regclass) returns text language plpgsql volatile as $$
declare
  state text;
begin
  execute format(
    'select jsonb_agg(r order by r::text)::text from (select to_jsonb(t) - ''{created_at,updated_at,updated_by}''::text[] as r from %s as t) as s',
    source
  ) into state;
  return state;
end;
$$;

-- Every table that is audited, and what is done to it: made, changed, removed.

create temp table walked (source regclass, doing text[]);
insert into walked values
  ('attune.setting_definitions', array[
    $$insert into attune.setting_definitions (key, category, schema, default_value) values ('back.new', 'back', '{}', 'null')$$,
    $$update attune.setting_definitions set default_value = '2.00', description = 'New', audience = 'server' where key = 'back.new'$$,
    $$delete from attune.setting_definitions where key = 'back.new'$$
  ]),
  ('attune.global_settings', array[
    $$insert into attune.global_settings (key, value, is_active) values ('back.any', 'null', false)$$,
    $$update attune.global_settings set value = '{"a": [1.0, null]}', is_enforced = true, rollout_percentage = 5, variants = '[{"name": "a", "weight": 1, "value": null}]' where key = 'back.any'$$,
    $$delete from attune.global_settings where key = 'back.any'$$
  ]),
  ('attune.plan_settings', array[
    $$insert into attune.plan_settings (plan, key, value) values ('scaler', 'back.any', '1')$$,
    $$update attune.plan_settings set value = '1.0' where key = 'back.any'$$,
    $$delete from attune.plan_settings where key = 'back.any'$$
  ]),
  ('attune.team_settings', array[
    $$insert into attune.team_settings (team_id, key, value) values ('00000000-0000-4000-8000-00000000000a', 'back.any', '{"a": 1}')$$,
    $$update attune.team_settings set value = '{"b": 1}', is_active = false where key = 'back.any'$$,
    $$delete from attune.team_settings where key = 'back.any'$$
  ]),
  ('attune.user_preferences', array[
    $$insert into attune.user_preferences (user_id, key, value) values (tests.user_id('ada@example.com'), 'back.any', '{"a": 1}')$$,
    $$update attune.user_preferences set value = 'null' where key = 'back.any'$$,
    $$delete from attune.user_preferences where key = 'back.any'$$
  ]),
  ('attune.project_preferences', array[
    $$insert into attune.project_preferences (user_id, project_id, key, value)
      values (tests.user_id('ada@example.com'), '00000000-0000-4000-8000-0000000000aa', 'back.any', '{"a": 1}')$$,
    $$update attune.project_preferences set is_active = false where key = 'back.any'$$,
    $$delete from attune.project_preferences where key = 'back.any'$$
  ]),
  ('attune.plans', array[
    $$insert into attune.plans (name, title, rank) values ('back', 'Back', 3)$$,
    $$update attune.plans set title = 'Back again', description = 'New' where name = 'back'$$,
    $$delete from attune.plans where name = 'back'$$
  ]),
  ('attune.team_members', array[
    $$insert into attune.team_members (user_id, team_id, role)
      values (tests.user_id('cat@example.com'), '00000000-0000-4000-8000-00000000000a', 'admin')$$,
    $$update attune.team_members set role = 'member' where user_id = tests.user_id('cat@example.com')$$,
    $$delete from attune.team_members where user_id = tests.user_id('cat@example.com')$$
  ]),
  ('attune.project_members', array[
    $$insert into attune.project_members (user_id, project_id, role)
      values (tests.user_id('cat@example.com'), '00000000-0000-4000-8000-0000000000aa', 'editor')$$,
    $$update attune.project_members set role = 'viewer' where user_id = tests.user_id('cat@example.com') and project_id = '00000000-0000-4000-8000-0000000000aa'$$,
    $$delete from attune.project_members where user_id = tests.user_id('cat@example.com') and project_id = '00000000-0000-4000-8000-0000000000aa'$$
  ]),
  ('attune.setting_templates', array[
    $$insert into attune.setting_templates (name, title, "values", plan, is_admin) values ('back', 'Back', '{"back.any": 1}', 'scaler', true)$$,
    $$update attune.setting_templates set "values" = '{}', plan = null, is_admin = null, role = 'Role' where name = 'back'$$,
    $$delete from attune.setting_templates where name = 'back'$$
  ]),
  ('attune.notification_categories', array[
    $$insert into attune.notification_categories (name, title, channels) values ('back', 'Back', '{email}')$$,
    $$update attune.notification_categories set channels = '{push,email}', is_critical = true where name = 'back'$$,
    $$delete from attune.notification_categories where name = 'back'$$
  ]),
  ('attune.credential_providers', array[
    $$insert into attune.credential_providers (name, title) values ('back', 'Back')$$,
    $$update attune.credential_providers set title = 'Back again' where name = 'back'$$,
    $$delete from attune.credential_providers where name = 'back'$$
  ]),
  ('attune.users', array[
    $$update attune.users set plan = 'scaler' where email = 'cat@example.com'$$,
    $$update attune.users set is_admin = true where email = 'cat@example.com'$$
  ]);

select set_eq(
  $$select tgrelid::regclass from pg_trigger where tgname = '_900_audit'$$,
  $$select source from walked union all
    values
      ('attune.credentials'::regclass), ('attune.team_credentials'), ('attune.shared_credentials'),
      ('attune.maintenance_operations'), ('attune.change_sets'), ('attune.change_set_items'), ('attune.rollouts'),
      ('attune.rollout_steps')$$,
  'every table that is audited is walked, but for what can''t be reverted'
);

-- Each change alone, then that revert; and all of them in reverse.
create temp table happened (source regclass, place bigint, audit_id bigint, before text, after text, found text, again text);
create function pg_temp.walk() returns void language plpgsql as $$
declare
  w walked;
  doing text;
  place bigint;
  h happened;
  reverting bigint;
begin
  for w in select * from walked loop
    for doing, place in select * from unnest(w.doing) with ordinality loop
      h := null;
      h.source := w.source;
      h.place := place;
      h.before := pg_temp.state(w.source);
      h.audit_id := pg_temp.done(doing);
      h.after := pg_temp.state(w.source);
      begin
        perform tests.authenticate_as_service_role();
        perform attune.revert_change(h.audit_id);
        reverting := pg_temp.newest();
        perform tests.reset_role();
        h.found := pg_temp.state(w.source);
        perform tests.authenticate_as_service_role();
        perform attune.revert_change(reverting);
        perform tests.reset_role();
        h.again := pg_temp.state(w.source);
        raise exception using errcode = 'AT000';
      exception when sqlstate 'AT000' then null;
      end;
      insert into happened select h.*;
    end loop;
    for h in select * from happened as p where p.source = w.source order by p.place desc loop
      perform tests.authenticate_as_service_role();
      perform attune.revert_change(h.audit_id);
      perform tests.reset_role();
      if pg_temp.state(w.source) is distinct from h.before then
        raise exception '%: change % is not reverted', w.source, h.place;
      end if;
    end loop;
  end loop;
end;
$$;
select lives_ok('select pg_temp.walk()', 'all changes are reverted in reverse');
select is_empty(
  'select source, place from happened where before = after or before is distinct from found',
  'each change is reverted, exactly'
);
select is_empty(
  'select source, place from happened where after is distinct from again',
  'and so is its revert'
);
select is((select count(*)::integer from happened), 38, 'that many were tried');

-- Who may

-- What each has to do with: own, given to them, for everybody, and of the team.
create temp table made (name text primary key, audit_id bigint);
grant select, insert, update on made to public;
create function pg_temp.made(name text) returns bigint language sql stable as $$
  select m.audit_id from made as m where m.name = made.name
$$;
select tests.authenticate_as('ada@example.com');
select attune.set_preference('back.any', '{"a": 1}');
insert into made values ('own', pg_temp.newest());
select attune.set_preference('back.any', '{"b": 1}', '00000000-0000-4000-8000-0000000000aa', true);
insert into made values ('in project', pg_temp.newest());
select attune.set_team_setting('00000000-0000-4000-8000-00000000000a', 'back.number', '3');
insert into made values ('of team', pg_temp.newest());
select tests.authenticate_as('root@example.com');
select attune.set_user_setting(tests.user_id('ada@example.com'), 'back.given', '2');
insert into made values ('given', pg_temp.newest());
select attune.set_global_setting('back.any', '{"c": 1}');
insert into made values ('for everybody', pg_temp.newest());
select attune.set_plan_setting('scaler', 'back.any', '{"c": 1}');
insert into made values ('of plan', pg_temp.newest());
select tests.reset_role();
insert into made values
  ('rights', pg_temp.done($$update attune.users set is_admin = true where email = 'ada@example.com'$$)),
  ('fewer rights', pg_temp.done($$update attune.users set is_admin = false where email = 'ada@example.com'$$)),
  ('plan of user', pg_temp.done($$update attune.users set plan = 'other' where email = 'ada@example.com'$$)),
  ('plan', pg_temp.done($$update attune.plans set title = 'Another' where name = 'other'$$)),
  ('team', pg_temp.done($$update attune.users set current_team_id = '00000000-0000-4000-8000-00000000000a' where email = 'ada@example.com'$$)),
  ('membership', pg_temp.done($$update attune.team_members set role = 'admin' where user_id = tests.user_id('bob@example.com')$$)),
  ('provider', pg_temp.done($$insert into attune.credential_providers (name, title) values ('back', 'Back')$$)),
  ('template', pg_temp.done($$insert into attune.setting_templates (name, title, "values") values ('back', 'Back', '{"back.any": 1}')$$)),
  ('category', pg_temp.done($$insert into attune.notification_categories (name, title) values ('back', 'Back')$$)),
  ('definition', pg_temp.done($$update attune.setting_definitions set description = 'New' where key = 'back.any'$$));

-- What becomes of a revert; it is taken back.
create function pg_temp.outcome(who text, name text) returns text language plpgsql volatile as $$
declare
  became text := 'reverted';
  reason text;
begin
  begin
    perform case who
      when 'anon' then tests.authenticate_as_anon()
      when 'nobody' then tests.authenticate_as('00000000-0000-4000-8000-0000000000ff'::uuid)
      when 'service_role' then tests.authenticate_as_service_role()
      else tests.authenticate_as(who || '@example.com')
    end;
    perform attune.revert_change(pg_temp.made(outcome.name));
    raise exception using errcode = 'AT000';
  exception
    when sqlstate 'AT000' then null;
    when others then
      get stacked diagnostics reason = pg_exception_detail;
      became := sqlstate || ' ' || reason;
  end;
  return became;
end;
$$;
create temp table outcomes as
select m.name, w.who, pg_temp.outcome(w.who, m.name) as became
from made as m
cross join unnest(array['ada', 'bob', 'cat', 'root', 'anon', 'nobody', 'service_role']) as w (who);

select is_empty(
  $$select * from outcomes where who in ('anon', 'nobody') and became <> '42501 not_signed_in'$$,
  'who is nobody reverts nothing, and is told why'
);
select is_empty(
  $$select * from outcomes
    where who = 'bob'
      and became <> case name
        when 'membership' then '42501 permission_denied'
        when 'of team' then 'reverted'
        else 'PT404 unknown_change'
      end$$,
  'to who administers the team, its settings are theirs to revert, and the other changes are not there'
);
select is_empty(
  $$select * from outcomes where who = 'cat' and became <> 'PT404 unknown_change'$$, 'to a stranger the changes are not there'
);
select results_eq(
  $$select name, became from outcomes where who = 'ada' and became <> 'PT404 unknown_change' order by name collate "C"$$,
  $$values
    ('fewer rights', '42501 permission_denied'), ('given', '42501 admin_required'), ('in project', 'reverted'),
    ('membership', '42501 permission_denied'), ('of team', 'reverted'), ('own', 'reverted'),
    ('plan of user', '42501 permission_denied'), ('rights', '42501 permission_denied'),
    ('team', '42501 permission_denied')$$,
  'a user reverts what they chose, for themselves and for the team they own, and nothing else that happened to them'
);
select results_eq(
  $$select name, became from outcomes where who = 'root' and became <> 'reverted' order by name collate "C"$$,
  $$values
    ('fewer rights', '42501 permission_denied'), ('in project', '42501 not_your_preference'),
    ('membership', '42501 permission_denied'), ('own', '42501 not_your_preference'),
    ('plan', '42501 permission_denied'), ('plan of user', '42501 permission_denied'),
    ('rights', '42501 permission_denied'), ('team', '42501 permission_denied')$$,
  'an administrator reverts what they may write: neither a user''s choice, nor anybody''s plan and rights'
);
select results_eq(
  $$select name, became from outcomes where who = 'service_role' and became <> 'reverted' order by name collate "C"$$,
  $$values ('rights', 'PT409 nothing_to_revert'), ('team', '42501 permission_denied')$$,
  'a trusted server reverts all that it may write'
);

-- The refusals

select tests.authenticate_as('ada@example.com');
select tests.throws_reason('select attune.revert_change(0)', 'PT404', 'unknown_change', 'there is no such change');
select tests.throws_reason('select attune.revert_change(null)', 'PT404', 'unknown_change', 'nor is none');

select attune.set_preference('back.any', '{"a": 2}');
select tests.throws_reason(
  $$select attune.revert_change(pg_temp.made('own'))$$, 'PT409', 'changed_since', 'what was changed again since stays'
);
select tests.throws_reason(
  $$select attune.revert_change(pg_temp.made('own'), overwrite => null)$$, 'PT409', 'changed_since', 'and NULL is no yes'
);
select is(
  tests.message_of($$select attune.revert_change(pg_temp.made('own'))$$),
  format('back.any was changed again since, last by change %s', pg_temp.newest()),
  'the last change is named'
);
select is(
  (select array[r.action::text, r.previous_value::text, r.new_value::text, (r.last_change_id = pg_temp.newest())::text]
   from attune.revert_change(pg_temp.made('own'), dry_run => true, overwrite => true) as r),
  array['removed', '{"a": 2}', null, 'true'],
  'a dry run tells what would be lost'
);
select is(
  (select p.value from attune.user_preferences as p where p.key = 'back.any'), '{"a": 2}', 'and changes nothing'
);
select is(current_setting('attune.change_reason', true), '', 'nor why things are done');
select attune.reset_preference('back.any');
insert into made values ('reset', pg_temp.newest());
select tests.throws_reason(
  $$select attune.revert_change(pg_temp.made('own'), overwrite => true)$$, 'PT409', 'nothing_to_revert',
  'what is as it was already is told'
);
select attune.set_preference('back.any', '"new"');
select tests.throws_reason(
  $$select attune.revert_change(pg_temp.made('reset'))$$, 'PT409', 'changed_since', 'what was put back by another way stays'
);
select is(
  (select (r.action::text, r.previous_value, r.new_value)::text
   from attune.revert_change(pg_temp.made('reset'), overwrite => true, reason => 'It was better') as r),
  ('changed'::text, '"new"'::jsonb, '{"a": 2}'::jsonb)::text,
  'unless it is told otherwise'
);
select is(
  pg_temp.reasons(), format('Reverts change %s: It was better', pg_temp.made('reset')), 'the audit log says what and why'
);
select set_config('attune.change_reason', 'As asked', true);
select attune.revert_change(pg_temp.newest());
select ok(pg_temp.reasons() like 'Reverts change %: As asked', 'a reason that was given already counts');
select is(current_setting('attune.change_reason'), 'As asked', 'and is put back');
select set_config('attune.change_reason', '', true);
select tests.throws_reason(
  $$select attune.revert_change(pg_temp.newest(), reason => repeat('x', 990))$$, 'PT422', 'too_large', 'a reason is not endless'
);

-- A row that is gone is put back whole, where an update of it is reverted.
select attune.set_preference('back.any', '{"x": 1}', is_whole => true);
select attune.set_preference('back.any', '{"y": 1}', is_whole => true);
insert into made values ('updated', pg_temp.newest());
select attune.reset_preference('back.any');
select tests.throws_reason(
  $$select attune.revert_change(pg_temp.made('updated'))$$, 'PT409', 'changed_since', 'what was removed since stays so'
);
select is(
  (select (r.action, r.new_value)::text from attune.revert_change(pg_temp.made('updated'), overwrite => true) as r),
  ('added'::text, '{"x": 1}'::jsonb)::text,
  'or is put back whole'
);

-- As by hand: locks, schemas, what it belongs to.
select tests.authenticate_as('root@example.com');
select attune.set_global_setting('back.any', '0', true);
select tests.authenticate_as('ada@example.com');
select tests.throws_reason(
  $$select attune.revert_change(pg_temp.made('updated'), overwrite => true)$$, 'PT409', 'nothing_to_revert', 'nothing to do'
);
select attune.reset_preference('back.any');
select tests.throws_reason(
  'select attune.revert_change(pg_temp.newest())', '42501', 'setting_enforced', 'what is locked stays so'
);
select tests.authenticate_as('root@example.com');
select attune.set_global_setting('back.any', '0', false);
select attune.set_global_setting('back.number', '1.50');
select attune.set_global_setting('back.number', '2');
insert into made values ('number', pg_temp.newest());
select tests.reset_role();
update attune.setting_definitions set schema = '{"type": "integer"}' where key = 'back.number';
select tests.authenticate_as('root@example.com');
select tests.throws_reason(
  $$select attune.revert_change(pg_temp.made('number'))$$, 'PT422', 'invalid_value', 'what is not valid any more stays away'
);
select tests.reset_role();
update attune.setting_definitions set schema = '{"type": "number"}' where key = 'back.number';
select tests.authenticate_as('root@example.com');
select tests.reset_role();
update attune.setting_definitions set is_protected = true where key = 'back.number';
select tests.authenticate_as('root@example.com');
select tests.throws_reason(
  $$select attune.revert_change(pg_temp.made('number'))$$, '42501', 'setting_protected', 'what is protected stays so'
);
select tests.throws_reason(
  $$select attune.restore_global_settings(now(), overwrite => true)$$, 'PT422', 'not_restorable', 'at a moment, too'
);
select tests.reset_role();
update attune.setting_definitions set is_protected = false where key = 'back.number';
select tests.authenticate_as('root@example.com');
select attune.revert_change(pg_temp.made('number'));
select is(
  (select g.value::text from attune.global_settings as g where g.key = 'back.number'), '1.50', 'digits come back as they were'
);
select tests.reset_role();
insert into made values ('plan value', pg_temp.done($$delete from attune.plan_settings where plan = 'scaler'$$));
delete from attune.plans where name = 'scaler';
select tests.authenticate_as('root@example.com');
select throws_ok(
  $$select attune.revert_change(pg_temp.made('plan value'))$$, '23503', null, 'what belongs to a plan that is gone stays away'
);

-- A plan goes with nothing that was set for it since.
select tests.reset_role();
insert into made values ('new plan', pg_temp.done($$insert into attune.plans (name, title) values ('fresh', 'Fresh')$$));
savepoint fresh;
select tests.authenticate_as('root@example.com');
select attune.set_plan_setting('fresh', 'back.any', '1');
select tests.authenticate_as_service_role();
select is(
  tests.message_of($$select attune.revert_change(pg_temp.made('new plan'), dry_run => true)$$),
  format('fresh was changed again since, last by change %s', pg_temp.newest()), 'a plan with values stays, and the newest is named'
);
select tests.throws_reason(
  $$select attune.revert_change(pg_temp.made('new plan'))$$, 'PT409', 'changed_since', 'a plan with values stays'
);
select is(
  (select r.last_change_id from attune.revert_change(pg_temp.made('new plan'), dry_run => true, overwrite => true) as r), pg_temp.newest(),
  'who looks sees the newest of them'
);
select is((attune.revert_change(pg_temp.made('new plan'), overwrite => true)).action::text, 'removed', 'unless that is to be lost');
rollback to savepoint fresh;
select tests.reset_role();
insert into attune.setting_templates (name, title, "values", plan) values ('fresh', 'Fresh', '{"back.any": 1}', 'fresh');
select tests.authenticate_as_service_role();
select tests.throws_reason(
  $$select attune.revert_change(pg_temp.made('new plan'))$$, 'PT409', 'changed_since', 'nor does one with templates go'
);
delete from attune.setting_templates where name = 'fresh';
select is((attune.revert_change(pg_temp.made('new plan'))).action::text, 'removed', 'one with nothing does');

-- A definition is judged as by hand.
select tests.reset_role();
insert into made values (
  'new definition', pg_temp.done($$insert into attune.setting_definitions (key, category, schema) values ('back.used', 'back', '{}')$$)
);
insert into attune.global_settings (key, value) values ('back.used', '1');
select tests.authenticate_as('root@example.com');
select tests.throws_reason(
  $$select attune.revert_change(pg_temp.made('new definition'))$$, 'PT409', 'setting_in_use', 'a setting with values stays'
);

-- Renamed twice, and its first key given to another: the newest change is still its own.
savepoint twice;
select tests.reset_role();
insert into attune.setting_definitions (key, category, schema) values ('back.first', 'back', '{}');
select tests.authenticate_as('root@example.com');
select attune.set_global_setting('back.first', '1');
insert into made values ('under the first key', pg_temp.newest());
select attune.rename_setting('back.first', 'back.second');
select attune.set_global_setting('back.second', '2');
insert into made values ('under the second key', pg_temp.newest());
create function pg_temp.refusal() returns text language sql as $$
  select tests.message_of('select attune.revert_change(pg_temp.made(''under the first key''))')
$$;
select is(
  pg_temp.refusal(), format('back.second was changed again since, last by change %s', pg_temp.made('under the second key')),
  'under the key of today'
);
select attune.rename_setting('back.second', 'back.third');
select tests.reset_role();
insert into attune.setting_definitions (key, category, schema) values ('back.first', 'back', '{}');
insert into made
select 'renamed twice', max(l.id) from attune.configuration_audit_log as l where l.key = 'back.third' and l.layer = 'global';
select tests.authenticate_as('root@example.com');
select attune.set_global_setting('back.first', '3');
select is(
  pg_temp.refusal(), format('back.third was changed again since, last by change %s', pg_temp.made('renamed twice')),
  'not what another setting did under the first'
);
rollback to savepoint twice;

-- Renamed: found under the key of today, and back with all its values.
select attune.set_global_setting('back.used', '2');
insert into made values ('before renaming', pg_temp.newest());
select attune.rename_setting('back.used', 'back.renamed');
select tests.reset_role();
insert into made
select 'renamed ' || l.layer, l.id from attune.configuration_audit_log as l
where l.key = 'back.renamed' and l.operation = 'UPDATE';
select tests.authenticate_as('root@example.com');
select is(
  (select (r.key, r.new_value)::text from attune.revert_change(pg_temp.made('before renaming')) as r),
  ('back.renamed'::text, '1'::jsonb)::text,
  'what was changed before it was renamed is found'
);
select tests.throws_reason(
  $$select attune.revert_change(pg_temp.made('renamed global'))$$, 'PT422', 'not_revertible', 'values are renamed with their setting'
);
select is(
  (select (r.key, r.action, r.previous_attributes ->> 'description')::text from attune.revert_change(pg_temp.made('renamed default'), true) as r),
  ('back.used'::text, 'changed'::text, ''::text)::text,
  'a dry run of renaming back'
);
select ok(exists (select from attune.global_settings as g where g.key = 'back.renamed'), 'renames nothing');
select attune.revert_change(pg_temp.made('renamed default'));
select is(
  (select g.value from attune.global_settings as g where g.key = 'back.used'), '1', 'a setting is renamed back with its values'
);
select tests.throws_reason(
  $$select attune.revert_change(pg_temp.made('renamed default'), overwrite => true)$$, 'PT409', 'changed_since', 'once'
);

-- What can't be
select tests.authenticate_as('ada@example.com');
select set_config('attune.master_key', repeat('0a', 32), true);
select attune.set_credential('openai', 'sk-0123456789');
select tests.throws_reason(
  'select attune.revert_change(pg_temp.newest())', 'PT422', 'not_revertible', 'a secret is not in the log'
);
select tests.reset_role();
insert into made values (
  'born', pg_temp.done($$insert into attune.users (email, is_admin) values ('dan@example.com', true)$$)
);
insert into made
select 'records', l.id from attune.configuration_audit_log as l where l.subject = 'maintenance_operation' limit 1;
select tests.authenticate_as_service_role();
select tests.throws_reason(
  $$select attune.revert_change(pg_temp.made('born'))$$, 'PT422', 'not_revertible', 'who was made an administrator at once stays one'
);
select tests.throws_reason(
  $$select attune.revert_change(pg_temp.made('records'))$$, 'PT422', 'not_revertible', 'what was done to the records stays done'
);
select tests.reset_role();
delete from attune.teams;
delete from attune.projects;
delete from attune.users where email = 'ada@example.com';
select tests.authenticate_as_service_role();
select tests.throws_reason(
  $$select attune.revert_change(pg_temp.made('updated'), overwrite => true)$$, 'PT410', 'values_erased', 'what was erased stays so'
);

select * from finish();
rollback;
