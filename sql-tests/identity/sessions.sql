-- Sessions: tokens and their rotation, reuse, the end by time and by hand, and what a claim is worth.
begin;
select no_plan();

insert into attune.global_settings (key, value) values ('PASSWORD_COST', '4');
select set_config('request.headers', '{"user-agent": "Test"}', true);
select set_config('attune.client_address', '192.0.2.1', true);

create temp table ada as select t.* from attune.register('ada@example.com', 'correct horse') as t;
create temp table bob as select t.* from attune.register('bob@example.com', 'correct horse') as t;
grant select on ada, bob to public;

create function pg_temp.refresh(token text, seconds double precision default 0) returns attune.session_tokens language sql as $$
  select attune_private.refresh_session(token, now() + make_interval(secs => seconds));
$$;
create function pg_temp.reason(tokens attune.session_tokens) returns text language sql as $$ select (tokens.refusal).reason $$;
create function pg_temp.claims(tokens anyelement) returns jsonb language sql as $$ select to_jsonb(tokens.access_token) $$;
create function pg_temp.login() returns attune.session_tokens language sql as $$
  select attune_private.login('ada@example.com', 'correct horse');
$$;

-- Rotation

create temp table first as select t.* from pg_temp.login() as t;
create temp table second as select t.* from pg_temp.refresh((select refresh_token from first), 100) as t;

select results_eq(
  $$ select f.session_id = s.session_id, f.user_id = s.user_id, f.refresh_token <> s.refresh_token, s.refusal is null,
       (s.access_token).exp - (f.access_token).exp
     from first as f, second as s $$,
  'values (true, true, true, true, 100)',
  'a refresh token gives the next two tokens of the same session'
);
select is(
  (pg_temp.refresh((select refresh_token from first), 100 + seconds)).refresh_token, (select refresh_token from second),
  format('a used token gives the same successor after %s seconds', seconds)
)
from (values (-5), (0), (5), (10)) as t (seconds);
select is(
  (select count(*) from attune_private.refresh_tokens where session_id = (select session_id from first) and used_at is null), 1::bigint,
  'a session has one unused token'
);

create temp table third as select t.* from pg_temp.refresh((select refresh_token from second), 105) as t;
select is(
  (pg_temp.refresh((select refresh_token from first), 110)).refresh_token, (select refresh_token from third),
  'a token that was used twice over gives the current one'
);
select results_eq(
  'select last_used_at, idle_until, expires_at from attune.sessions where id = (select session_id from first)',
  $$ values (now() + interval '105 seconds', now() + interval '14 days 105 seconds', now() + interval '90 days') $$,
  'an exchange keeps a session alive, and a reused token does not'
);

-- Reuse

select is(
  (pg_temp.refresh((select refresh_token from first), 110.1)).refusal::text,
  '(PT401,refresh_token_reused,"This refresh token was used before: the session is ended, because somebody may have stolen it","Sign in again.",)',
  'a token that is reused later ends its session'
);
select is(current_setting('response.status'), '401', 'a reused token tells the server its status');
select is(
  pg_temp.reason(pg_temp.refresh(t.refresh_token, 106)), 'session_ended', 'none of its tokens opens a session that was ended'
)
from (select refresh_token from first union all select refresh_token from second union all select refresh_token from third) as t;
select results_eq(
  'select revoked_at, revoked_because from attune.sessions where id = (select session_id from first)',
  $$ values (now() + interval '110.1 seconds', 'refresh_token_reused'::attune.revocation_reason) $$,
  'a session says when and why it was ended'
);
select bag_eq(
  'select event from attune.security_log where session_id = (select session_id from first)',
  array['logged_in', 'refresh_token_reused', 'session_revoked']::attune.security_event[],
  'a reused token is written down'
);
select tests.set_request('authenticated', pg_temp.claims(third)) from third;
select is(attune.current_user_id(), null, 'an access token of that session is nobody''s');
select tests.reset_role();
select is(
  pg_temp.reason(pg_temp.refresh((select refresh_token from ada))), null, 'another session of the user stays'
);

insert into attune.global_settings (key, value) values ('REFRESH_TOKEN_REUSE_INTERVAL', '0');
create temp table strict as select t.* from pg_temp.login() as t;
select pg_temp.refresh((select refresh_token from strict));
select is(
  pg_temp.reason(pg_temp.refresh((select refresh_token from strict), 0.001)), 'refresh_token_reused',
  'the interval can be set to nothing'
);
delete from attune.global_settings where key = 'REFRESH_TOKEN_REUSE_INTERVAL';

-- Tokens that are none

create temp table wrong as
select * from (values
  ('nothing', null),
  ('an empty token', ''),
  ('a text', 'token'),
  ('a token of zeros', repeat('A', 86)),
  ('a token of another session', (
    select attune_private.base64url(uuid_send(a.user_id) || uuid_send(b.session_id) || substring(attune_private.from_base64url(a.refresh_token, 64) from 33))
    from ada as a, bob as b
  )),
  ('a token of another user', (
    select attune_private.base64url(uuid_send(b.user_id) || substring(attune_private.from_base64url(a.refresh_token, 64) from 17))
    from ada as a, bob as b
  )),
  ('a token with a secret of one''s own', (
    select attune_private.base64url(substring(attune_private.from_base64url(a.refresh_token, 64) for 32) || attune_private.random_bytes(32))
    from ada as a
  )),
  ('a token that is too long', (select refresh_token || 'A' from ada)),
  ('a hash from the table', (select attune_private.base64url(uuid_send(t.user_id) || uuid_send(t.session_id) || t.token_hash)
    from attune_private.refresh_tokens as t where t.used_at is null limit 1))
) as w (what, token);
grant select on wrong to public;

select tests.authenticate_as_anon();
select is(pg_temp.reason(attune.refresh_session(token)), 'invalid_refresh_token', 'anon cannot open a session with ' || what) from wrong;
select is(
  pg_temp.reason(attune.refresh_session((select refresh_token from bob))), null, 'anon can refresh a session with its token'
);
select tests.reset_role();
select is_empty('select from attune.sessions where revoked_at is not null and revoked_because <> ''refresh_token_reused''', 'a guess ends no session');

-- The end, by time

create temp table timed as select t.* from pg_temp.login() as t;
grant select on timed to public;
create function pg_temp.set_clock(idle interval, absolute interval) returns void language sql as $$
  update attune.sessions as s set idle_until = now() + idle, expires_at = now() + absolute
  where s.id = (select session_id from timed);
$$;

select is(
  pg_temp.reason(pg_temp.refresh((select refresh_token from timed), 14 * 86400)), 'session_ended', 'a session ends after 14 idle days'
);
select tests.set_request('authenticated', pg_temp.claims(timed)) from timed;
select is(attune.current_user_id(), (select user_id from timed), 'an access token is its user''s while the session lasts');
select tests.reset_role();
select pg_temp.set_clock('0 seconds', '1 day');
select tests.set_request('authenticated', pg_temp.claims(timed)) from timed;
select is(attune.current_user_id(), null, 'an access token is nobody''s once the session was idle too long');
select tests.reset_role();
select pg_temp.set_clock('1 day', '0 seconds');
select tests.set_request('authenticated', pg_temp.claims(timed)) from timed;
select is(attune.current_user_id(), null, 'an access token is nobody''s once the session is too old');
select tests.reset_role();
select is(pg_temp.reason(pg_temp.refresh((select refresh_token from timed))), 'session_ended', 'a session that is too old is not refreshed');

select pg_temp.set_clock('60 seconds', '90 seconds');
create temp table late as select t.* from pg_temp.refresh((select refresh_token from timed), 30) as t;
select results_eq(
  'select access_expires_at, session_expires_at from late',
  $$ values (date_trunc('second', now() + interval '90 seconds'), now() + interval '90 seconds') $$,
  'no token is good for longer than its session'
);

-- The end, by hand

create temp table mine as select t.* from pg_temp.login() as t;
create temp table other as select t.* from pg_temp.login() as t;
grant select on mine, other to public;

select tests.set_request('authenticated', pg_temp.claims(mine)) from mine;
select results_eq(
  $$ select s.id from attune.sessions as s where attune.sessions_is_current(s) $$, 'select session_id from mine',
  'a user can tell which session this is'
);
select is_empty(
  'select from attune.sessions where user_id <> (select user_id from ada)', 'a user can see their own sessions only'
);
select throws_ok(
  'update attune.sessions set revoked_at = null, revoked_because = null', '42501', 'permission denied for table sessions',
  'a user cannot bring a session back'
);
select throws_ok(
  'insert into attune.sessions (user_id, idle_until, expires_at) values (attune.current_user_id(), now(), now())',
  '42501', 'permission denied for table sessions', 'a user cannot make a session'
);
select results_eq(
  'select s.id, s.revoked_at, s.revoked_because from attune.revoke_session((select session_id from other)) as s',
  $$ select session_id, now(), 'revoked'::attune.revocation_reason from other $$,
  'a user can revoke a session'
);
select lives_ok('select attune.revoke_session((select session_id from other))', 'a user can revoke a session twice');
select tests.throws_reason(
  format('select attune.revoke_session(%L)', session_id), 'PT404', 'unknown_session', 'a user cannot revoke ' || whose
)
from (select session_id, 'another''s session' from bob union all select gen_random_uuid(), 'a session that there is not'
  union all select null, 'no session') as s (session_id, whose);
select tests.set_request('authenticated', pg_temp.claims(other)) from other;
select is(attune.current_user_id(), null, 'a revoked session is nobody''s with the next request');
select is(attune.logout(), false, 'a revoked session cannot be logged out');

select tests.set_request('authenticated', pg_temp.claims(mine)) from mine;
select is(attune.current_user_id(), (select user_id from mine), 'the session that revoked it stays');
select is(attune.logout(), true, 'a user can log out');
select is(attune.current_user_id(), null, 'who logged out is nobody');
select is(attune.logout(), false, 'who logged out cannot log out again');
select tests.reset_role();
select is(pg_temp.reason(pg_temp.refresh((select refresh_token from mine))), 'session_ended', 'a session that was logged out is not refreshed');

create temp table last as select t.* from pg_temp.login() as t;
grant select on last to public;
select tests.set_request('authenticated', pg_temp.claims(last)) from last;
select cmp_ok(attune.logout_everywhere(), '>', 1, 'a user can log out everywhere');
select is(attune.current_user_id(), null, 'who logged out everywhere is nobody here too');
select tests.throws_reason('select attune.logout_everywhere()', '42501', 'not_signed_in', 'nobody cannot log out everywhere');
select tests.set_request('authenticated', pg_temp.claims(bob)) from bob;
select is(attune.current_user_id(), (select user_id from bob), 'another user stays signed in');

-- What a claim is worth

select tests.reset_role();
create temp table claimed as
select * from (values
  ('another user''s session', (select pg_temp.claims(b) || jsonb_build_object('sub', a.user_id) from ada as a, bob as b)),
  ('a session that there is not', (select pg_temp.claims(b) || jsonb_build_object('session_id', gen_random_uuid()) from bob as b)),
  ('a session that is no UUID', (select pg_temp.claims(b) || '{"session_id": "x"}' from bob as b)),
  ('an empty session', (select pg_temp.claims(b) || '{"session_id": ""}' from bob as b)),
  ('a session that is an object', (select pg_temp.claims(b) || '{"session_id": {}}' from bob as b)),
  ('no subject', (select pg_temp.claims(b) - 'sub' from bob as b)),
  ('another issuer', (select pg_temp.claims(b) || '{"iss": "https://id.example.com"}' from bob as b)),
  ('an empty issuer', (select pg_temp.claims(b) || '{"iss": ""}' from bob as b)),
  ('another issuer and no session', (select pg_temp.claims(b) - 'session_id' || '{"iss": "https://id.example.com"}' from bob as b))
) as c (what, claims);
grant select on claimed to public;

create function pg_temp.is_nobody(claims jsonb) returns boolean language plpgsql as $$
begin
  perform tests.set_request('authenticated', claims);
  return attune.current_user_id() is null and attune.viewer() is null and not exists (select from attune.users)
    and not exists (select from attune.sessions) and not exists (select from attune.user_identities);
end;
$$;
select ok(pg_temp.is_nobody(claims), 'a token is nobody''s with ' || what) from claimed;
select ok(not pg_temp.is_nobody(pg_temp.claims(bob)), 'a token is somebody''s with a session of its subject') from bob;
select ok(not pg_temp.is_nobody(pg_temp.claims(bob) - 'session_id'), 'our own token needs no session') from bob;
select ok(not pg_temp.is_nobody(pg_temp.claims(bob) - 'iss'), 'a token without an issuer is ours') from bob;
select ok(
  not pg_temp.is_nobody(pg_temp.claims(bob) || jsonb_build_object('session_id', upper(session_id::text))),
  'a session can be in capitals'
) from bob;

-- A user who was deleted

select tests.reset_role();
delete from attune.users where id = (select user_id from bob);
select ok(pg_temp.is_nobody(pg_temp.claims(bob)), 'a token of a deleted user is nobody''s') from bob;
select tests.authenticate_as_anon();
select is(
  pg_temp.reason(attune.refresh_session((select refresh_token from bob))), 'invalid_refresh_token',
  'a session of a deleted user is not refreshed'
);

-- The trusted server

select tests.authenticate_as_service_role();
select results_eq(
  'select t.user_id, t.refusal is null from attune.open_session((select user_id from ada)) as t', 'select user_id, true from ada',
  'service_role can sign in a user it has recognised'
);
select tests.throws_reason(
  format('select attune.open_session(%L)', id), 'PT404', 'unknown_user', 'service_role cannot sign in nobody'
)
from (values (gen_random_uuid()), (null)) as u (id);
select is(
  (select last_value from (select count(*) as last_value from attune.sessions where revoked_at is null) as s), 1::bigint,
  'service_role can see all sessions'
);

select tests.reset_role();
select attune_private.remove_expired(now() + interval '29 days');
select isnt_empty('select from attune.sessions where revoked_at is not null', 'an ended session is kept for 30 days');
select cmp_ok(attune_private.remove_expired(now() + interval '31 days'), '>', 1::bigint, 'an ended session is removed then');
select results_eq(
  'select revoked_at from attune.sessions', array[null::timestamptz], 'a session that lasts is not removed'
);

select * from finish();
rollback;
