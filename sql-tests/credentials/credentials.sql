-- Credentials: who sets, sees and uses them.
begin;
select no_plan();

select tests.create_user('ada@example.com');
select tests.create_user('bob@example.com');
select tests.create_user('cem@example.com');
select tests.create_user('admin@example.com', true);
create table public.team as
select t.id from attune.teams as t where false;
insert into attune.teams (name) values ('Team');
insert into public.team select t.id from attune.teams as t;
grant select on public.team to public;
insert into attune.team_members (user_id, team_id, role)
select tests.user_id(m.email), t.id, m.role::attune.team_role
from public.team as t
cross join (values ('ada@example.com', 'owner'), ('bob@example.com', 'member')) as m (email, role);
update attune.users as u set current_team_id = t.id
from public.team as t
where u.email in ('ada@example.com', 'bob@example.com');
select set_config('attune.master_key', repeat('0a', 32), true);

-- Owner

select tests.authenticate_as('ada@example.com');
select results_eq(
  $$
    select c.user_id, c.provider, c.label, c.last_four, c.expires_at, c.last_used_at, c.created_at
    from attune.set_credential('openai', 'sk-proj-ada-0123456789', 'Mine', now() + interval '1 day') as c
  $$,
  $$
    values (
      tests.user_id('ada@example.com'), 'openai', 'Mine', '6789', now() + interval '1 day', null::timestamptz, now()
    )
  $$,
  'what is set is told, but for the secret'
);
select results_eq(
  'select c.provider, c.label, c.last_four from attune.credentials as c',
  $$ values ('openai', 'Mine', '6789') $$,
  'and listed'
);
select results_eq(
  $$ select c.label, c.last_four, c.expires_at from attune.set_credential('openai', 'sk-proj-ada-9876543210') as c $$,
  $$ values ('Mine', '3210', null::timestamptz) $$,
  'another secret keeps the label, and expires when it says itself'
);
select results_eq(
  $$
    select c.label, c.last_four, c.expires_at
    from attune.set_credential('openai', label => 'Ours', expires_at => now() + interval '2 days') as c
  $$,
  $$ values ('Ours', '3210', now() + interval '2 days') $$,
  'label and expiry change without the secret'
);
select results_eq(
  $$ select c.label, c.last_four, c.expires_at from attune.set_credential('openai') as c $$,
  $$ values ('Ours', '3210', now() + interval '2 days') $$,
  'what is not said stays'
);
select is((attune.set_credential('openai', label => '')).label, '', 'a label can be taken away');
select is((attune.set_credential('smtp', secret)).last_four, last_four, says)
from (values
  ('0123456789abcde', null, 'nothing is shown of fifteen characters'),
  ('0123456789abcdef', 'cdef', 'of sixteen the last four'),
  (E'\ufeff 0123456789abcdef\u00a0\r\n', 'cdef', 'what was copied along does not count'),
  ('{"private_key": "0123456789abcdef"}', null, 'nothing is shown of a document')
) as s (secret, last_four, says);

select tests.throws_reason(format('select attune.set_credential(%s)', arguments), 'PT422', reason, says)
from (values
  ($$ 'google' $$, 'secret_required', 'without a secret there is nothing to keep'),
  ($$ 'google', '' $$, 'invalid_secret', 'an empty secret is none'),
  ($$ 'google', E' \n\t' $$, 'invalid_secret', 'as is a blank one'),
  ($$ 'google', E'a\u0007b' $$, 'invalid_secret', 'a secret has no control characters'),
  ($$ 'google', repeat('é', 4097) $$, 'too_large', 'nor more than 8 KiB'),
  ($$ 'google', 'abc', repeat('x', 201) $$, 'too_large', 'a label has at most 200 characters'),
  ($$ 'google', 'abc', 'key abc' $$, 'secret_in_label', 'and not the secret'),
  ($$ 'google', 'abc', null, now() $$, 'invalid_expiry', 'it expires later than now'),
  ($$ 'google', 'abc', null, 'infinity' $$, 'invalid_expiry', 'and at some time')
) as r (arguments, reason, says);
select tests.throws_reason(
  format('select attune.%s', call), 'PT404', 'unknown_credential_provider', format('%s: there is no such provider', call)
)
from (values
  ($$ set_credential('OpenAI', 'abc') $$), ($$ set_credential(null, 'abc') $$), ($$ delete_credential('none') $$)
) as c (call);
select is(
  tests.message_of($$ select attune.set_credential('sk-pasted-where-it-does-not-belong', 'abc') $$),
  'There is no provider of that name',
  'what was pasted into the wrong place is not repeated'
);
select lives_ok(
  format('select attune.set_credential(%L, %L)', 'google', secret), says
)
from (values
  (E'-----BEGIN PRIVATE KEY-----\r\n\tabc\n-----END PRIVATE KEY-----\n', 'a key of several lines is taken'),
  (repeat('é', 4096), 'and one of 8 KiB'),
  ('пароль', 'in any script')
) as s (secret, says);
select is((attune.delete_credential('smtp')).provider, 'smtp', 'what is deleted is told');
select is((attune.delete_credential('smtp')).provider, null, 'and what was not there is nothing');

-- A label is not the secret, whichever of the two comes first

select tests.reset_role();
create function public.set(source text, secret text default null, label text default null) returns text language sql
as $$
  select case source
    when 'user' then (attune_private.store_credential(tests.user_id('ada@example.com'), 'twilio', secret, label, null)).label
    when 'team' then (
      select (attune_private.store_team_credential(attune_private.current_caller(), t.id, 'twilio', secret, label, null)).label
      from public.team as t
    )
    else (attune_private.store_shared_credential(attune_private.current_caller(), 'twilio', secret, label, null)).label
  end;
$$;
create table public.sources as select s::text as name from unnest(enum_range(null::attune.credential_source)) as s;
select is(public.set(name, 'swordfish', 'Ours'), 'Ours', format('%s: a secret with a label', name)) from public.sources;
select tests.throws_reason(
  format('select public.set(%L, label => %L)', name, label), 'PT422', 'secret_in_label', format('%s: %s', name, says)
)
from public.sources
cross join (values
  ('swordfish', 'the secret is no label later'), ('my swordfish!', 'nor a part of one'),
  ('sk-proj-0123456789abcdefABCDEF', 'nor is another secret, by its form')
) as l (label, says);
select is(public.set(name, label => 'new marlin'), 'new marlin', format('%s: the label comes first', name)) from public.sources;
select tests.throws_reason(
  format('select public.set(%L, %L)', name, 'marlin'), 'PT422', 'secret_in_label', format('%s: then it may not be the secret', name)
)
from public.sources;
select is(public.set(name, 'marlin', 'Ours'), 'Ours', format('%s: unless another label comes along', name)) from public.sources;
select set_config('attune.master_key', '', true);
select is(public.set(name, label => 'Mine'), 'Mine', format('%s: a label needs no key', name)) from public.sources;
select tests.throws_reason(
  format('select public.set(%L, label => %L)', name, 'sk-proj-0123456789abcdefABCDEF'), 'PT422', 'secret_in_label',
  format('%s: without one its form is looked at', name)
)
from public.sources;
select set_config('attune.master_key', repeat('0a', 32), true);
delete from attune.credentials where provider = 'twilio';
delete from attune.team_credentials where provider = 'twilio';
delete from attune.shared_credentials where provider = 'twilio';
select tests.authenticate_as('ada@example.com');

-- The tables are changed by the functions alone

select throws_ok(statement, '42501', says, says)
from (values
  ($$ insert into attune.credentials (user_id, provider) values (attune.current_user_id(), 'slack') $$, 'permission denied for table credentials'),
  ($$ update attune.credentials set last_four = 'abcd' $$, 'permission denied for table credentials'),
  ($$ delete from attune.credentials $$, 'permission denied for table credentials'),
  ($$ update attune.team_credentials set label = 'x' $$, 'permission denied for table team_credentials'),
  ($$ update attune.shared_credentials set label = 'x' $$, 'permission denied for table shared_credentials'),
  ($$ select from attune_private.credential_secrets $$, 'permission denied for schema attune_private'),
  ($$ select attune.resolve_credential(attune.current_user_id(), 'openai') $$, 'permission denied for function resolve_credential'),
  ($$ select attune.set_user_credential(attune.current_user_id(), 'openai', 'abc') $$, 'permission denied for function set_user_credential'),
  ($$ select attune.delete_user_credential(attune.current_user_id(), 'openai') $$, 'permission denied for function delete_user_credential')
) as s (statement, says);

-- Team

select results_eq(
  $$
    select c.label, c.last_four, c.updated_by
    from public.team as t
    cross join attune.set_team_credential(t.id, 'anthropic', 'sk-ant-team-0123456789', 'Team') as c
  $$,
  $$ values ('Team', '6789', tests.user_id('ada@example.com')) $$,
  'who administers a team sets its credential'
);
select tests.authenticate_as('bob@example.com');
select results_eq(
  'select c.provider, c.last_four from attune.team_credentials as c', $$ values ('anthropic', '6789') $$,
  'its members see that it is there'
);
select is_empty('select from attune.credentials', 'and nothing of each other''s');
select tests.throws_reason(
  format('select attune.%s from public.team as t', call), '42501', 'team_admin_required', format('no member may %s', call)
)
from (values
  ($$set_team_credential(t.id, 'anthropic', 'abc')$$), ($$delete_team_credential(t.id, 'anthropic')$$)
) as c (call);
select tests.throws_reason(
  format('select attune.%s', call), '42501', 'admin_required', format('no user may %s', call)
)
from (values ($$set_shared_credential('anthropic', 'abc')$$), ($$delete_shared_credential('anthropic')$$)) as c (call);

-- Stranger

select tests.authenticate_as('cem@example.com');
select is_empty('select from attune.credentials union all select from attune.team_credentials', 'a stranger sees nothing');

-- Administrator

select tests.authenticate_as('admin@example.com');
select is_empty('select from attune.credentials', 'no administrator sees what users have');
select isnt_empty('select from attune.team_credentials', 'but what teams have');
select results_eq(
  $$ select c.label, c.updated_by from attune.set_shared_credential('anthropic', 'sk-ant-shared-0123456789', 'All') as c $$,
  $$ values ('All', tests.user_id('admin@example.com')) $$,
  'and sets what is for everybody'
);
select isnt_empty('select from attune.shared_credentials', 'and sees it');
select tests.authenticate_as('bob@example.com');
select is_empty('select from attune.shared_credentials', 'nobody else does');
select results_eq(
  'select u.provider, u.source, u.label from attune.usable_credentials() as u',
  $$ values ('anthropic', 'team'::attune.credential_source, 'Team') $$,
  'a member is told of what is used for them'
);
select tests.authenticate_as('cem@example.com');
select results_eq(
  'select u.provider, u.source, u.label from attune.usable_credentials() as u',
  $$ values ('anthropic', 'shared'::attune.credential_source, 'All') $$,
  'as is everybody else'
);

-- anon

select tests.authenticate_as_anon();
select throws_ok('select from attune.credentials', '42501', 'permission denied for table credentials', 'nobody sees nothing');
select throws_ok('select from attune.credential_providers', '42501', 'permission denied for table credential_providers', 'not even providers');
select tests.throws_reason(format('select attune.%s', call), '42501', 'not_signed_in', format('nobody may %s', call))
from (values
  ($$set_credential('openai', 'abc')$$), ($$delete_credential('openai')$$), ('usable_credentials()')
) as c (call);

-- service_role

select tests.authenticate_as_service_role();
select results_eq(
  format('select r.secret, r.source, r.label from attune.resolve_credential(tests.user_id(%L), %L) as r', email, provider),
  format('values (%L, %L::attune.credential_source, %L)', secret, source, label),
  says
)
from (values
  ('ada@example.com', 'openai', 'sk-proj-ada-9876543210', 'user', '', 'a user''s own comes first'),
  ('bob@example.com', 'anthropic', 'sk-ant-team-0123456789', 'team', 'Team', 'then the team''s'),
  ('cem@example.com', 'anthropic', 'sk-ant-shared-0123456789', 'shared', 'All', 'then the shared one'),
  ('ada@example.com', 'google', 'пароль', 'user', '', 'in any script')
) as r (email, provider, secret, source, label, says);
select results_eq(
  $$
    select c.provider, c.last_used_at is not null
    from attune.credentials as c
    where c.user_id = tests.user_id('ada@example.com')
    order by c.provider
  $$,
  $$ values ('google', true), ('openai', true) $$,
  'each use is recorded'
);
select is((select c.last_used_at from attune.team_credentials as c), now(), 'a team''s as well');
select is((select c.last_used_at from attune.shared_credentials as c), now(), 'and everybody''s');
select tests.throws_reason(
  format('select attune.resolve_credential(%s, %L)', who, provider), 'PT404', reason, says
)
from (values
  ($$ tests.user_id('bob@example.com') $$, 'openai', 'no_credential', 'without any there is none'),
  ('gen_random_uuid()', 'openai', 'unknown_user', 'nobody has none'),
  ('null', 'openai', 'unknown_user', 'nor null'),
  ($$ tests.user_id('bob@example.com') $$, 'none', 'unknown_credential_provider', 'and not of a provider there is not')
) as r (who, provider, reason, says);

select is((attune.set_user_credential(tests.user_id('bob@example.com'), 'anthropic', 'sk-ant-bob-0123456789')).last_four, '6789', 'a trusted server sets a user''s');
select is((attune.resolve_credential(tests.user_id('bob@example.com'), 'anthropic')).source, 'user', 'which is then used');
select is(
  (attune.set_user_credential(tests.user_id('bob@example.com'), 'anthropic', 'sk-ant-bob-9876543210')).last_used_at, null,
  'of another secret it is not said that it was used'
);
select is((attune.delete_user_credential(tests.user_id('bob@example.com'), 'anthropic')).last_four, '3210', 'and deletes it');
select is((attune.resolve_credential(tests.user_id('bob@example.com'), 'anthropic')).source, 'team', 'then the team''s is used again');
select tests.throws_reason(format('select attune.%s', call), 'PT404', 'unknown_user', format('%s: nobody has none', call))
from (values
  ($$set_user_credential(null, 'openai', 'abc')$$), ($$delete_user_credential(gen_random_uuid(), 'openai')$$)
) as c (call);

-- What has expired is skipped

select tests.reset_role();
update attune.team_credentials set expires_at = now();
select tests.authenticate_as_service_role();
select is((attune.resolve_credential(tests.user_id('bob@example.com'), 'anthropic')).source, 'shared', 'an expired one is skipped');
select tests.reset_role();
update attune.credentials set expires_at = now() where provider = 'openai';
select tests.authenticate_as_service_role();
select is(
  tests.message_of($$ select attune.resolve_credential(tests.user_id('ada@example.com'), 'openai') $$),
  'The user''s credential for openai has expired, and there is none of a team or for everybody',
  'who has none but that is told'
);

-- What is used follows the user, and goes with the user and the team

select tests.reset_role();
select isnt_empty('select from attune_private.team_credential_secrets', 'a team has a secret');
update attune.users set current_team_id = null;
select tests.authenticate_as_service_role();
select is((attune.resolve_credential(tests.user_id('bob@example.com'), 'anthropic')).source, 'shared', 'who is in no team has none of it');
select tests.reset_role();
delete from attune.teams;
select is_empty('select from attune_private.team_credential_secrets', 'which goes with the team');
select isnt_empty('select from attune_private.credential_secrets', 'a user has secrets');
create temp table gone as select tests.user_id('ada@example.com') as id;
delete from attune.users where email = 'ada@example.com';
select is_empty('select from attune_private.credential_secrets', 'which go with the user');

-- The audit log has who did it, and what may be seen

select results_eq(
  $$
    select l.key, l.operation::text, u.email, l.new_attributes ->> 'label', l.new_attributes ->> 'last_four'
    from attune.configuration_audit_log as l
    join attune.users as u on u.id = l.actor_id
    where l.subject = 'credential' and l.operation = 'INSERT' and u.email = 'admin@example.com'
  $$,
  $$ values ('anthropic', 'INSERT', 'admin@example.com', 'All', '6789') $$,
  'the audit log says who set it'
);
select is(
  (
    select count(*)::integer from attune.configuration_audit_log as l
    where l.subject = 'credential' and l.user_id = tests.user_id('bob@example.com') and l.operation = 'UPDATE'
  ),
  1, 'another secret is a change, a use is none'
);
select is_empty(
  $$ select from attune.configuration_audit_log as l where l::text ~ 'sk-' $$, 'and no secret'
);
-- So short that their last four are not told, and within one transaction.
select tests.authenticate_as('bob@example.com');
select attune.set_credential('openai', 'abc'), attune.set_credential('openai', 'abd'), attune.set_credential('openai', 'abe');
select tests.authenticate_as_service_role();
select attune.set_shared_credential('openai', 'abc'), attune.set_shared_credential('openai', 'abd');
select tests.reset_role();
insert into attune.teams (name) values ('Short');
insert into attune.team_members (user_id, team_id, role)
select tests.user_id('bob@example.com'), t.id, 'owner' from attune.teams as t where t.name = 'Short';
select tests.authenticate_as('bob@example.com');
select attune.set_team_credential(t.id, 'openai', 'abc'), attune.set_team_credential(t.id, 'openai', 'abd')
from attune.teams as t where t.name = 'Short';
select tests.reset_role();
select results_eq(
  $$
    select
      case when l.user_id is not null then 'user' when l.scope is not null then 'team' else 'shared' end, array_agg(l.operation::text order by l.id)
    from attune.configuration_audit_log as l
    where l.subject = 'credential' and l.key = 'openai' and l.user_id is distinct from (select id from gone)
    group by 1
    order by 1
  $$,
  $$
    values
      ('shared', array['INSERT', 'UPDATE']), ('team', array['INSERT', 'UPDATE']), ('user', array['INSERT', 'UPDATE', 'UPDATE'])
  $$,
  'each secret that is replaced leaves a row, though nothing else of it changes'
);

-- Providers

select tests.authenticate_as('admin@example.com');
select lives_ok($$ insert into attune.credential_providers (name, title) values ('acme', 'Acme') $$, 'administrators add providers');
select is((attune.set_shared_credential('acme', 'abc')).provider, 'acme', 'whose credentials can be set');
select throws_like(
  $$ delete from attune.credential_providers where name = 'acme' $$, '%foreign key constraint "shared_credentials_provider_fkey"%',
  'one that is in use stays'
);
select throws_ok(
  $$ update attune.credential_providers set name = 'other' $$, '42501', 'permission denied for table credential_providers',
  'and no provider is renamed'
);
select tests.authenticate_as('bob@example.com');
select isnt_empty('select from attune.credential_providers', 'users see them');
select tests.throws_reason(
  $$ insert into attune.credential_providers (name, title) values ('other', 'Other') $$, '42501', 'admin_required',
  'and add none'
);

select * from finish();
rollback;
