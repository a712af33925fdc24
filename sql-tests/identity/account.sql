-- Deleting an account: everything of the user goes, the logs keep that something happened, and no values.
begin;
select no_plan();

-- Without the copies that every user gets of what is shipped.
update attune.setting_definitions set seeding = 'inherit' where source = 'attune' and seeding = 'copy';

insert into attune.global_settings (key, value) values ('PASSWORD_COST', '4');
select set_config('attune.client_address', '192.0.2.1', true);

create temp table ada as select t.* from attune.register('ada@example.com', 'correct horse', 'Ada') as t;
create temp table bob as select t.* from attune.register('bob@example.com', 'correct horse', 'Bob') as t;
grant select on ada, bob to public;
insert into attune.user_identities (issuer, subject, user_id) select 'https://id.example.com', 'ada', user_id from ada;

select tests.authenticate_as('ada@example.com');
select attune.set_preference('DARK_MODE_ENABLED', 'true');
select attune.reset_preference('DARK_MODE_ENABLED');
select attune.set_preference('PROJECTS_ENABLED', 'true');
create temp table team as select t.id from attune.create_team('Ours') as t;
create temp table own as select t.id from attune.create_team('Mine') as t;
select attune.create_project('Shared', (select id from team));
grant select on team, own to public;
select tests.reset_role();
insert into attune.team_members (user_id, team_id, role) select bob.user_id, team.id, 'admin' from bob, team;
select attune_private.login('ada@example.com', 'wrong horse');

-- A stranger

select tests.authenticate_as_anon();
select throws_ok(
  'select attune.delete_account()', '42501', 'Nobody is signed in', 'anon cannot delete an account'
);

-- The user

select tests.authenticate_as('ada@example.com');
select is(((attune.delete_account('wrong horse')).refusal).reason, 'wrong_password', 'a user cannot delete the account with a wrong password');
select is(((attune.delete_account()).refusal).reason, 'wrong_password', 'a user cannot delete the account without the password');
select tests.throws_reason(
  $$ select attune.delete_account('correct horse') $$, 'PT409', 'last_owner',
  'a user cannot delete the account while others depend on them as the only owner'
);
select lives_ok(
  $$ select attune.set_team_member_role((select id from team), (select user_id from bob), 'owner') $$, 'a user can hand a team over'
);
select ok((attune.delete_account('correct horse')).refusal is null, 'a user can delete the account');
select is(attune.current_user_id(), null, 'a deleted user is nobody');
select tests.throws_reason($$ select attune.delete_account('correct horse') $$, '42501', 'not_signed_in', 'nobody cannot delete an account');

-- What is left

select tests.reset_role();

create function pg_temp.left_of(whose uuid) returns table (name text) language plpgsql as $$
declare
  c record;
begin
  for c in
    select a.attrelid::regclass::text as tab, a.attname
    from pg_attribute as a
    join pg_class as r on r.oid = a.attrelid and r.relkind in ('r', 'p') and not r.relispartition
    where r.relnamespace in ('attune'::regnamespace, 'attune_private'::regnamespace)
      and a.attnum > 0 and not a.attisdropped and a.atttypid = 'uuid'::regtype
  loop
    return query execute format('select %L where exists (select from %s where %I = %L)', c.tab || '.' || c.attname, c.tab, c.attname, whose);
  end loop;
end;
$$;
select bag_eq(
  $$ select name from pg_temp.left_of((select user_id from ada)) $$,
  array['attune.configuration_audit_log.user_id', 'attune.configuration_audit_log.actor_id',
    'attune.configuration_audit_log.previous_updated_by', 'attune.security_log.user_id',
    'attune.teams.created_by'],
  'nothing of a deleted user is left but a bare id, in the logs and where others go on'
);

create function pg_temp.mentions(word text) returns table (name text) language plpgsql as $$
declare
  c record;
begin
  for c in
    select r.oid::regclass::text as tab
    from pg_class as r
    where r.relnamespace in ('attune'::regnamespace, 'attune_private'::regnamespace) and r.relkind in ('r', 'p') and not r.relispartition
  loop
    return query execute format('select %L where exists (select from %s as t where strpos(to_jsonb(t)::text, %L) > 0)', c.tab, c.tab, word);
  end loop;
end;
$$;
select is_empty(format('select pg_temp.mentions(%L)', word), format('nowhere is %s mentioned any more', word))
from (values ('ada@example.com'), ('"Ada"')) as w (word);
select isnt_empty($$ select pg_temp.mentions('bob@example.com') $$, 'somebody who is there is mentioned');

select results_eq(
  $$ select distinct previous_value, new_value, previous_attributes, new_attributes from attune.configuration_audit_log
     where user_id = (select user_id from ada) $$,
  'values (null::jsonb, null::jsonb, null::jsonb, null::jsonb)',
  'the audit log keeps no values of a deleted user'
);
select results_eq(
  $$ select key, operation from attune.configuration_audit_log
     where user_id = (select user_id from ada) and subject = 'setting' order by id $$,
  $$ values ('DARK_MODE_ENABLED', 'INSERT'::attune.audit_operation), ('DARK_MODE_ENABLED', 'DELETE'), ('PROJECTS_ENABLED', 'INSERT'),
     ('PROJECTS_ENABLED', 'DELETE') $$,
  'the audit log keeps that something was changed'
);
select results_eq(
  $$ select operation, details ->> 'user_id', affected_rows from attune.maintenance_operations $$,
  $$ select 'erase_user'::attune.maintenance_task, user_id::text, 7::bigint from ada $$,
  'erasing is written down'
);
select results_eq(
  $$ select distinct address from attune.security_log where user_id = (select user_id from ada) $$, 'values (null::text)',
  'the security log keeps no addresses of a deleted user'
);
select results_eq(
  $$ select event from attune.security_log where user_id = (select user_id from ada) order by id desc limit 1 $$,
  array['account_deleted']::attune.security_event[], 'the security log says that the account was deleted'
);
select isnt_empty(
  $$ select from attune.security_log where user_id = (select user_id from bob) and address = '192.0.2.1' $$, 'what it says of others stays'
);
select is_empty('select from attune.teams where id = (select id from own)', 'a team of nobody else is gone');
select results_eq('select id from attune.teams', 'select id from team', 'a team of others stays');
select results_eq(
  'select name, created_by from attune.projects', $$ select 'Starter project', user_id from bob $$,
  'projects of nobody else are gone, also those in a team of others'
);
select lives_ok($$ select attune.register('ada@example.com', 'correct horse') $$, 'the address can be registered again');

select tests.throws_reason(
  $$ update attune.configuration_audit_log set previous_value = '1' $$, '42501', 'append_only',
  'after an erasure the owner cannot change other rows, or write values'
);
select tests.throws_reason(
  $$ update attune.configuration_audit_log set occurred_at = now() where user_id = (select user_id from ada) $$, '42501', 'append_only',
  'after an erasure the owner cannot change what else the rows say'
);
select tests.throws_reason(
  $$ update attune.configuration_audit_log set previous_value = null where user_id is distinct from (select user_id from ada) $$,
  '42501', 'append_only', 'after an erasure the owner cannot erase others'
);

-- Who has no password

insert into attune.user_identities (issuer, subject, user_id) values ('https://id.example.com', 'cid', tests.create_user('cid@example.com'));
select tests.set_request('authenticated', '{"iss": "https://id.example.com", "sub": "cid", "role": "authenticated"}');
select isnt(attune.current_user_id(), null, 'a user may have an outside identity only');
select ok((attune.delete_account()).refusal is null, 'who has no password can delete the account without');
select is(attune.current_user_id(), null, 'an identity of a deleted user is nobody');

-- The trusted server

select tests.authenticate_as_service_role();
select lives_ok('delete from attune.users where id = (select user_id from bob)', 'service_role can delete a user');
select is_empty('select from attune.teams', 'a team goes with its last member, however the member is deleted');

select * from finish();
rollback;
