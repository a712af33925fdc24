-- Signing up and in with e-mail and password: passwords, failures and waiting, changing and resetting.
-- The functions of attune_private take the time, so that it can be moved.
begin;
select no_plan();

insert into attune.global_settings (key, value) values ('PASSWORD_COST', '4');
select set_config('request.headers', '{"user-agent": "Test"}', true);
select set_config('attune.client_address', '192.0.2.1', true);

create function pg_temp.mailed_token(recipient text, purpose attune.mail_purpose) returns text language sql security definer as $$
  -- As the worker does before it sends.
  select attune_private.write_reset_mails();
  select m.payload ->> 'token' from attune_private.mail_outbox as m
  where m.recipient = mailed_token.recipient and m.purpose = mailed_token.purpose
  order by m.id desc limit 1;
$$;
create function pg_temp.failures(kind text, subject text) returns integer language sql security definer as $$
  select a.failures from attune_private.login_attempts as a
  where a.kind = failures.kind and a.subject_hash = sha256(convert_to(failures.subject, 'UTF8'));
$$;
create function pg_temp.events(email text) returns setof attune.security_event language sql security definer as $$
  select l.event from attune.security_log as l
  where l.user_id = (select e.user_id from attune.user_emails as e where e.email = events.email)
  order by l.id;
$$;
create function pg_temp.reason(tokens attune.session_tokens) returns text language sql as $$ select (tokens.refusal).reason $$;

-- Registering

select tests.authenticate_as_anon();

create temp table ada as
select t.* from attune.register(' Ada@Example.com ', 'correct horse', '  Ada ') as t;

select results_eq(
  $$ select (access_token).sub = user_id::text, (access_token).role, (access_token).aud, (access_token).iss,
       (access_token).session_id = session_id, (access_token).email, refusal is null
     from ada $$,
  $$ values (true, 'authenticated', 'authenticated', 'attune', true, 'Ada@Example.com', true) $$,
  'anon can register, and gets the claims of an access token'
);
select results_eq(
  'select (access_token).exp - (access_token).iat, access_expires_at = to_timestamp((access_token).exp) from ada',
  'values (900, true)',
  'an access token is good for 15 minutes'
);
select matches((select refresh_token from ada), '^[A-Za-z0-9_-]{86}$', 'a refresh token is 64 bytes');
select is(
  pg_temp.reason(attune.login('ada@example.com', 'correct horse')), null, 'a user can sign in, whatever the case of the e-mail'
);

select tests.throws_reason(
  $$ select attune.register('ADA@example.com', 'correct horse') $$, 'PT409', 'email_taken', 'anon cannot register an e-mail twice'
);
select tests.throws_reason(
  format('select attune.register(%L, ''correct horse'')', bad.email), 'PT422', 'invalid_email',
  format('anon cannot register the e-mail %s', coalesce(to_jsonb(bad.email), 'null'))
)
from (values ('ada'), ('@'), (''), ('  '), ('a b@example.com'), (null)) as bad (email);
select tests.throws_reason(
  format('select attune.register(''x@example.com'', %L)', bad.password), 'PT422', 'password_too_short',
  format('anon cannot register with the password %s', coalesce(to_jsonb(bad.password), 'null'))
)
from (values ('1234567'), (''), (null)) as bad (password);
select tests.throws_reason(
  $$ select attune.register('x@example.com', repeat('a', 73)) $$, 'PT422', 'password_too_long',
  'anon cannot register with a password of 73 bytes'
);
select tests.throws_reason(
  $$ select attune.register('x@example.com', repeat('ä', 37)) $$, 'PT422', 'password_too_long',
  'a password is measured in bytes'
);
select lives_ok($$ select attune.register('long@example.com', repeat('ä', 36)) $$, 'anon can register with a password of 72 bytes');
select lives_ok($$ select attune.register('short@example.com', 'ääää') $$, 'anon can register with a password of 8 bytes');
select tests.throws_reason(
  $$ select attune.register('x@example.com', 'correct horse', repeat('x', 201)) $$, 'PT422', 'too_large',
  'anon cannot register with a name of more than 200 characters'
);

select tests.authenticate_as('Ada@Example.com');
select results_eq(
  'select email, name, plan, is_admin, onboarding_completed from attune.users',
  $$ values ('Ada@Example.com', 'Ada', 'bootstrapper', false, false) $$,
  'who registered has the first plan, no rights, and the introduction before them'
);
select results_eq('select verified_at is null from attune.user_emails', 'values (true)', 'a new address is not verified');
select results_eq(
  'select name, stage_number, (select role from attune.project_members) from attune.projects',
  $$ values ('Starter project', null::integer, 'owner'::attune.project_role) $$,
  'who registered owns a starter project, in no stage'
);

-- What is stored

select tests.reset_role();
select matches(
  (select password_hash from attune_private.user_passwords where user_id = (select user_id from ada)),
  '^\$2a\$04\$', 'a password is stored as a blowfish hash, at the cost that is set'
);
select is_empty(
  $$ select from attune_private.refresh_tokens as t, ada
     where strpos(ada.refresh_token, encode(t.token_hash, 'base64')) > 0
        or t.token_hash = attune_private.from_base64url(ada.refresh_token, 64) $$,
  'no refresh token is stored, but its hash'
);
select is(
  attune_private.from_base64url(attune_private.base64url('\x00fbff'), 3), '\x00fbff'::bytea, 'base64url comes back'
);
select ok(
  attune_private.from_base64url(bad.text, 3) is null, format('base64url is not %s', coalesce(to_jsonb(bad.text), 'null'))
)
from (values ('AAA'), ('AAAAA'), ('AA+A'), ('AA=='), (E'AAA\n'), (null)) as bad (text);
select results_eq(
  'select user_agent, address from attune.sessions where id = (select session_id from ada)',
  $$ values ('Test', '192.0.2.1') $$,
  'a session tells from where it was opened'
);
select bag_eq(
  $$ select e from pg_temp.events('ada@example.com') as e $$,
  array['registered', 'logged_in']::attune.security_event[],
  'registering and signing in are written down'
);

-- Failures. The same words, whether there is such an account or not.

insert into attune.global_settings (key, value) values ('LOGIN_FREE_FAILURES', '100');
select results_eq(
  format('select t.refusal, t.user_id, t.refresh_token, t.access_token is null from attune_private.login(%L, %L) as t', l.email, l.password),
  $$ values (row('PT401', 'invalid_credentials', 'The e-mail address or the password is wrong',
       'Check both, or ask for a mail to reset the password.', null)::attune.refusal, null::uuid, null::text, true) $$,
  format('nobody can sign in as %s with %s', coalesce(l.email, 'null'), coalesce(left(l.password, 12), 'null'))
)
from (values
  ('ada@example.com', 'wrong horse'), ('nobody@example.com', 'correct horse'), ('ada@example.com', null), (null, 'correct horse'),
  ('', ''), ('long@example.com', repeat('ä', 36) || 'x'), ('ada@example.com', 'Correct horse')
) as l (email, password);
select is(current_setting('response.status'), '401', 'a refusal tells the server its status');
select is(pg_temp.failures('account', 'ada@example.com'), 3, 'failures of an account are counted');
select is(pg_temp.failures('account', 'nobody@example.com'), 1, 'failures of an account that does not exist are counted too');
select is(pg_temp.failures('address', '192.0.2.1'), 7, 'failures are counted by address');

delete from attune_private.login_attempts;
delete from attune.global_settings where key = 'LOGIN_FREE_FAILURES';

-- Waiting

create temp table waits (attempt integer, at timestamptz, reason text, retry_after integer);
do $$
declare
  clock timestamptz := now();
  refusal attune.refusal;
begin
  for attempt in 1..20 loop
    perform set_config('attune.client_address', format('198.51.100.%s', attempt), true);
    refusal := (attune_private.login('ada@example.com', 'wrong horse', at => clock)).refusal;
    insert into waits values (attempt, clock, refusal.reason, refusal.retry_after);
    refusal := (attune_private.login('ada@example.com', 'wrong horse', at => clock)).refusal;
    insert into waits values (attempt, clock, refusal.reason, refusal.retry_after);
    clock := clock + make_interval(secs => coalesce(refusal.retry_after, 0));
  end loop;
end;
$$;
select results_eq(
  $$ select retry_after from waits where reason = 'too_many_attempts' group by at, retry_after order by at $$,
  array[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900, 900, 900, 900, 900],
  'after five failures an account waits 1, 2, 4… seconds, and never more than 15 minutes, from whatever address'
);
select is((select count(*) from waits where reason = 'invalid_credentials'), 22::bigint, 'who waits may try once after each wait');

create function pg_temp.clock() returns timestamptz language sql as $$ select max(at) from waits $$;
select is(
  (attune_private.login('ada@example.com', 'correct horse', at => pg_temp.clock() + interval '1 second')).refusal::text,
  '(PT429,too_many_attempts,"Too many failures: wait 899 seconds","Try again after the wait. Whoever is signed in stays so.",899)',
  'the right password does not help who has to wait, and they are told for how long'
);
select is(current_setting('response.status'), '429', 'waiting tells the server its status');
select is(
  pg_temp.reason(attune_private.refresh_session((select refresh_token from ada), pg_temp.clock())), null,
  'who is signed in stays so while the account waits'
);
select is(
  pg_temp.reason(attune_private.login('nobody@example.com', 'wrong horse', at => pg_temp.clock())), 'invalid_credentials',
  'another account does not wait'
);
select is(
  pg_temp.reason(attune_private.login('ada@example.com', 'correct horse', at => pg_temp.clock() + interval '900 seconds')), null,
  'the right password helps after the wait'
);
select is(pg_temp.failures('account', 'ada@example.com'), null, 'a success forgets the failures of an account');

do $$
begin
  for attempt in 1..4 loop
    perform attune_private.login('ada@example.com', 'wrong horse', at => now() - interval '25 hours');
  end loop;
  perform attune_private.login('ada@example.com', 'wrong horse', at => now());
end;
$$;
select is(pg_temp.failures('account', 'ada@example.com'), 1, 'a day forgets the failures of an account');

-- An address that tries one password at everybody's

delete from attune_private.login_attempts;
insert into attune.global_settings (key, value) values ('LOGIN_FREE_FAILURES_PER_ADDRESS', '5');
select set_config('attune.client_address', '2001:db8::1', true);
select is(
  pg_temp.reason(attune_private.login(format('user%s@example.com', n), 'password1')), 'invalid_credentials',
  format('an address can fail %s times', n)
)
from generate_series(1, 4) as n;
select is(pg_temp.reason(attune_private.login('long@example.com', repeat('ä', 36))), null, 'an address with failures can sign in');
select is(
  pg_temp.failures('address', '2001:db8::/64'), 4, 'signing in as oneself does not take away the failures with others'
);
select is(pg_temp.reason(attune_private.login('user5@example.com', 'password1')), 'invalid_credentials', 'an address can fail five times');
select set_config('attune.client_address', '2001:db8::ffff:2', true);
select is(
  pg_temp.reason(attune_private.login('long@example.com', repeat('ä', 36))), 'too_many_attempts',
  'an address that failed has to wait with every account, and so have those beside it'
);
select set_config('attune.client_address', '::ffff:192.0.2.7', true);
select is(
  pg_temp.reason(attune_private.login('long@example.com', repeat('ä', 36))), null, 'another address does not wait'
);
delete from attune_private.login_attempts;
select set_config('attune.client_address', '192.0.2.9', true);
select attune_private.login('short@example.com', 'wrong horse') from generate_series(1, 3);
select is(pg_temp.failures('address', '192.0.2.9'), 3, 'failures count for account and address');
select is(pg_temp.reason(attune_private.login('short@example.com', 'ääää')), null, 'a user can sign in after failures');
select is(pg_temp.failures('address', '192.0.2.9'), 0, 'a success takes the account''s failures off those of the address');

-- A raised cost

update attune.global_settings set value = '5' where key = 'PASSWORD_COST';
select attune_private.login('ada@example.com', 'wrong horse');
select matches(
  (select password_hash from attune_private.user_passwords where user_id = (select user_id from ada)),
  '^\$2a\$04\$', 'a failure does not touch a hash'
);
select is(pg_temp.reason(attune_private.login('ada@example.com', 'correct horse')), null, 'a user can sign in after the cost was raised');
select matches(
  (select password_hash from attune_private.user_passwords where user_id = (select user_id from ada)),
  '^\$2a\$05\$', 'a hash is made anew at the raised cost when its user signs in'
);
select is(pg_temp.reason(attune_private.login('ada@example.com', 'correct horse')), null, 'a user can sign in with the new hash');
update attune.global_settings set value = '4' where key = 'PASSWORD_COST';
select attune_private.login('ada@example.com', 'correct horse');
select matches(
  (select password_hash from attune_private.user_passwords where user_id = (select user_id from ada)),
  '^\$2a\$05\$', 'a lowered cost weakens no hash'
);

-- Changing the password

create temp table here as select t.* from attune_private.login('ada@example.com', 'correct horse') as t;
create temp table there as select t.* from attune_private.login('ada@example.com', 'correct horse') as t;

create function pg_temp.as_session(tokens anyelement) returns void language sql as $$
  select tests.set_request('authenticated', to_jsonb(tokens.access_token));
$$;
grant select on ada, here, there to public;

select pg_temp.as_session(here) from here;
select is(attune.current_user_id(), (select user_id from ada), 'an access token is its user''s');
select tests.throws_reason(
  $$ select attune.change_password('correct horse', 'short') $$, 'PT422', 'password_too_short',
  'a user cannot change the password to a short one'
);
select is((attune.change_password('wrong horse', 'battery staple')).reason, 'wrong_password', 'a user cannot change the password without it');
select is(current_setting('response.status'), '403', 'a wrong password tells the server its status');
select is(
  pg_temp.failures('device', (select session_id::text from here)), 1, 'a wrong password at changing it counts as a failure of the session'
);
select is(pg_temp.failures('account', 'ada@example.com'), null, 'a wrong password at changing it makes no other session wait');
select ok(attune.change_password('correct horse', 'battery staple') is null, 'a user can change the password');
select is(attune.current_user_id(), (select user_id from ada), 'the session in which the password was changed stays');
select pg_temp.as_session(there) from there;
select is(attune.current_user_id(), null, 'another session ends with the next request');
select tests.throws_reason(
  $$ select attune.change_password('battery staple', 'correct horse') $$, '42501', 'not_signed_in',
  'who is no longer signed in cannot change the password'
);
select tests.throws_reason(
  $$ select attune.change_password('battery staple', 'short') $$, '42501', 'not_signed_in',
  'who is no longer signed in is told so before the new password is judged'
);
select is(
  pg_temp.reason(attune.refresh_session((select refresh_token from there))), 'session_ended', 'another session cannot be refreshed'
);
select is(pg_temp.reason(attune.login('ada@example.com', 'correct horse')), 'invalid_credentials', 'the old password opens nothing');
select is(pg_temp.reason(attune.login('ada@example.com', 'battery staple')), null, 'the new password does');
select throws_ok(
  'select * from attune_private.user_passwords', '42501', 'permission denied for schema attune_private',
  'a user cannot read passwords'
);

-- Resetting the password

select tests.authenticate_as_anon();
select lives_ok($$ select attune.request_password_reset('nobody@example.com') $$, 'anon can ask for a mail that nobody gets');
select lives_ok($$ select attune.request_password_reset('ADA@example.com ') $$, 'anon can ask for a mail that resets a password');

select tests.reset_role();
select results_eq(
  $$ select recipient, user_id, payload from attune_private.mail_outbox where purpose = 'reset_password' order by id $$,
  $$ values ('nobody@example.com', null::uuid, '{}'::jsonb), ('ada@example.com', null, '{}') $$,
  'the same is written down for both, so that both take as long'
);
select results_eq(
  $$ select m.recipient, m.payload ->> 'name' from attune_private.claim_mails(100, '1 second') as m where m.purpose = 'reset_password' $$,
  $$ values ('Ada@Example.com', 'Ada') $$, 'one mail is sent, to who exists'
);
select is(
  (select count(*) from attune_private.mail_outbox where purpose = 'reset_password'), 1::bigint, 'what nobody gets is forgotten'
);
select results_eq(
  $$ select user_id from attune.security_log where event = 'password_reset_requested' order by id $$,
  'values (null::uuid), ((select user_id from ada))', 'both are written down, so that both take as long'
);
select attune_private.request_password_reset('ada@example.com', now() + interval '59 seconds');
select is(
  (select count(*) from attune_private.mail_outbox where purpose = 'reset_password'), 1::bigint, 'no more than one mail is sent a minute'
);
create temp table mailed as select pg_temp.mailed_token('Ada@Example.com', 'reset_password') as token;
grant select on mailed to public;
select is_empty(
  $$ select from attune_private.one_time_tokens as t, mailed where t.token_hash = attune_private.from_base64url(mailed.token, 48) $$,
  'a mailed token is stored as a hash'
);
select tests.throws_reason(
  $$ select attune_private.reset_password((select token from mailed), 'new password', now() + interval '1 hour') $$,
  'PT400', 'invalid_one_time_token', 'a mailed token is good for an hour'
);
select tests.throws_reason(
  $$ select attune_private.verify_email((select token from mailed), (select user_id from ada)) $$, 'PT400', 'invalid_one_time_token',
  'a mailed token is good for its purpose only'
);

insert into attune.user_identities (issuer, subject, user_id) select 'https://id.example.com', 'mallory', user_id from ada;
insert into attune_private.login_attempts (kind, subject_hash, failures, last_failed_at, blocked_until)
values ('account', sha256('ada@example.com'), 9, now(), now() + interval '1 hour');

select tests.authenticate_as_anon();
select tests.throws_reason(
  format('select attune.reset_password(%L, ''new password'')', bad.token), 'PT400', 'invalid_one_time_token',
  format('anon cannot reset a password with %s', coalesce(to_jsonb(left(bad.token, 10)), 'null'))
)
from (values (''), ('guess'), (repeat('A', 64)), (null)) as bad (token);
select tests.throws_reason(
  format('select attune.reset_password(''guess'', %L)', bad.password), 'PT400', 'invalid_one_time_token',
  format('who has no token is told so before a new password of %s bytes is judged', octet_length(bad.password))
)
from (values ('short'), (repeat('a', 73))) as bad (password);
select tests.throws_reason(
  $$ select attune.reset_password((select token from mailed), 'short') $$, 'PT422', 'password_too_short',
  'anon cannot reset a password to a short one, and the token stays good'
);
select lives_ok(
  $$ select attune.reset_password((select token from mailed), 'new password') $$, 'anon can reset a password with the mailed token'
);
select tests.throws_reason(
  $$ select attune.reset_password((select token from mailed), 'new password') $$, 'PT400', 'invalid_one_time_token',
  'a mailed token is good once'
);
select is(pg_temp.reason(attune.login('ada@example.com', 'new password')), null, 'the new password opens a session, at once');
select pg_temp.as_session(here) from here;
select is(attune.current_user_id(), null, 'all sessions from before the reset are ended');

select tests.reset_role();
select isnt(
  (select verified_at from attune.user_emails where email = 'ada@example.com'), null, 'a reset shows that the address is the user''s'
);
select is_empty(
  $$ select from attune.user_identities where user_id = (select user_id from ada) $$,
  'who held the account before the address was shown to be theirs keeps no way in'
);
insert into attune.user_identities (issuer, subject, user_id) select 'https://id.example.com', 'ada', user_id from ada;
select attune_private.request_password_reset('ada@example.com', now() + interval '2 minutes');
select attune_private.reset_password(pg_temp.mailed_token('Ada@Example.com', 'reset_password'), 'new password', now() + interval '3 minutes');
select isnt_empty(
  $$ select from attune.user_identities where user_id = (select user_id from ada) $$,
  'an identity that was linked after that stays'
);
select attune_private.request_password_reset('ada@example.com', now() + interval '4 minutes');
update attune.users set email = 'countess@example.com' where id = (select user_id from ada);
select tests.throws_reason(
  $$ select attune_private.reset_password(pg_temp.mailed_token('Ada@Example.com', 'reset_password'), 'new password') $$,
  'PT400', 'invalid_one_time_token', 'a token that was mailed to another address is good for nothing'
);
select is(
  (select verified_at from attune.user_emails where email = 'countess@example.com'), null, 'another address has to be verified anew'
);

-- Verifying the address

select pg_temp.mailed_token('long@example.com', 'verify_email') as token into temp table long_token;
grant select on long_token to public;
select tests.authenticate_as('long@example.com');
select lives_ok('select attune.request_email_verification()', 'a user can ask for another mail that verifies the address');
select tests.reset_role();
select tests.create_user('stranger@example.com');
select tests.authenticate_as('stranger@example.com');
select tests.throws_reason(
  'select attune.verify_email((select token from long_token))', 'PT400', 'invalid_one_time_token',
  'a stranger cannot verify an address, although they have the mailed token'
);
select tests.authenticate_as_anon();
select throws_ok(
  'select attune.verify_email((select token from long_token))', '42501', 'Nobody is signed in',
  'anon cannot verify an address: whoever reads the mail must know the password too'
);
select tests.authenticate_as('long@example.com');
select lives_ok('select attune.verify_email((select token from long_token))', 'a user can verify their address with the mailed token');
select tests.throws_reason(
  'select attune.verify_email((select token from long_token))', 'PT400', 'invalid_one_time_token', 'an address is verified once'
);
select results_eq('select verified_at from attune.user_emails', array[now()], 'a user can see that the address is verified');
select lives_ok('select attune.request_email_verification()', 'a user can ask for a mail that is not needed');

select tests.reset_role();
select is(
  (select count(*) from attune_private.mail_outbox where recipient = 'long@example.com'), 1::bigint, 'a mail that is not needed is not sent'
);
select bag_eq(
  $$ select e from pg_temp.events('long@example.com') as e where e::text not like 'log%' $$,
  array['registered', 'email_verified']::attune.security_event[],
  'verifying is written down'
);

-- Who may read the log

select tests.authenticate_as('long@example.com');
select results_eq(
  'select distinct user_id from attune.security_log', $$ values (tests.user_id('long@example.com')) $$,
  'a user can read what happened to their own account, and to no other'
);
select throws_ok(
  'insert into attune.security_log (event) values (''logged_in'')', '42501', 'permission denied for table security_log',
  'a user cannot write into the log'
);
select tests.reset_role();
select tests.create_user('admin@example.com', true);
select tests.authenticate_as('admin@example.com');
select isnt_empty(
  'select from attune.security_log where user_id is null and event = ''login_failed''',
  'an administrator can read of failures with accounts that do not exist'
);
select tests.authenticate_as_anon();
select throws_ok(
  'select * from attune.security_log', '42501', 'permission denied for table security_log', 'anon cannot read the log'
);
select throws_ok(
  format('select attune.%s', f.call), '42501',
  case when f.is_for_users then 'Nobody is signed in' else format('permission denied for function %s', split_part(f.call, '(', 1)) end,
  format('anon cannot call %s', split_part(f.call, '(', 1))
)
from (values
  ('change_password(null, null)', true), ('logout_everywhere()', true), ('revoke_session(null)', true), ('delete_account(null)', true),
  ('request_email_verification()', true), ('open_session(null)', false), ('claim_mails()', false), ('complete_mail(1)', false),
  ('fail_mail(1, null)', false), ('remove_expired()', false), ('provision_user()', true), ('link_or_register_user(null, null)', false),
  ('link_identity(null, null, null)', false), ('unlink_identity(null, null)', true)
) as f (call, is_for_users);
select is(attune.logout(), false, 'anon has no session to end');
select tests.reset_role();
select tests.throws_reason(
  'delete from attune.security_log', '42501', 'append_only', 'the owner cannot delete from the log'
);
select tests.throws_reason(
  'update attune.security_log set address = null', '42501', 'append_only', 'the owner cannot change the log'
);
select tests.throws_reason('truncate attune.security_log', '42501', 'append_only', 'the owner cannot empty the log');

select * from finish();
rollback;
