-- Another address for an account: by a link that is mailed there, to somebody who proves that the account is theirs.
begin;
select no_plan();

insert into attune.global_settings (key, value) values ('PASSWORD_COST', '4');
select set_config('attune.client_address', '192.0.2.1', true);
create temp table ada as select t.* from attune.register('ada@example.com', 'correct horse', 'Ada') as t;
create temp table bob as select t.* from attune.register('bob@example.com', 'correct horse', 'Bob') as t;
create temp table eve as select attune_private.ensure_user('eve@example.com') as user_id;
delete from attune_private.mail_outbox;

create function pg_temp.as_session(token attune.access_token) returns void language sql as $$
  select tests.set_request('authenticated', to_jsonb(token));
$$;
-- The token of the last mail to an address, and what was mailed.
create function pg_temp.token(address text) returns text language sql security definer as $$
  select m.payload ->> 'token' from attune_private.mail_outbox as m where m.recipient = address and m.purpose = 'change_email' order by m.id desc limit 1;
$$;
create function pg_temp.mails() returns table (purpose text, recipient text, said text[]) language sql security definer as $$
  select m.purpose, m.recipient, array(select jsonb_object_keys(m.payload) order by 1) from attune_private.mail_outbox as m order by m.id;
$$;
create function pg_temp.events(email text) returns setof attune.security_event language sql security definer as $$
  select l.event from attune.security_log as l where l.user_id = tests.user_id(email) and l.event::text like 'email_change%' order by l.id;
$$;
-- A minute later the next mail may be sent.
create function pg_temp.wait() returns void language sql security definer as $$
  update attune_private.daily_amounts set last_at = last_at - interval '1 minute';
$$;
grant select on ada, bob, eve to public;

-- Who may ask

select tests.authenticate_as_anon();
select throws_ok(
  $$ select attune.request_email_change('new@example.com', 'correct horse') $$, '42501',
  'Nobody is signed in', 'anon changes no address'
);
select tests.authenticate_as(gen_random_uuid());
select tests.throws_reason($$ select attune.request_email_change('new@example.com') $$, '42501', 'not_signed_in', 'nor does nobody');
select tests.throws_reason($$ select attune.confirm_email_change('x') $$, '42501', 'not_signed_in', 'nor confirms one');
select pg_temp.as_session(a.access_token) from ada as a;
select is((attune.request_email_change('new@example.com')).reason, 'wrong_password', 'a user needs the password');
select is((attune.request_email_change('new@example.com', 'wrong horse')).reason, 'wrong_password', 'the right one');
select tests.throws_reason(
  format('select attune.request_email_change(%L, %L)', bad.email, 'correct horse'), 'PT422', 'invalid_email', format('and an address, which %L is not', bad.email)
)
from (values ('nothing'), (''), (null), ('a@b@c'), (E'a\u200b@example.com')) as bad (email);
select is_empty('select * from pg_temp.mails()', 'nothing was mailed until now');

-- Asking

select ok(attune.request_email_change('Ada.New@Example.com', 'correct horse') is null, 'a user asks for another address');
select results_eq(
  'select * from pg_temp.mails()',
  $$ values ('change_email', 'Ada.New@Example.com', '{name,token}'::text[]), ('email_change_notice', 'ada@example.com', '{name,new_email}') $$,
  'a link goes to the new one, a notice to the old one'
);
select is((attune.viewer()).email, 'ada@example.com', 'and nothing has changed');
select ok(attune.request_email_change('ada.NEW@example.com', 'correct horse') is null, 'within a minute');
select is((select count(*) from pg_temp.mails()), 2::bigint, 'no second mail is sent to the same mailbox');

-- Using the link

create temp table link as select pg_temp.token('Ada.New@Example.com') as token;
grant select on link to public;
select pg_temp.as_session(b.access_token) from bob as b;
select tests.throws_reason(
  $$ select attune.confirm_email_change((select token from link)) $$, 'PT400', 'invalid_one_time_token', 'another user does nothing with the link'
);
select tests.throws_reason(
  $$ select attune.verify_email((select token from link)) $$, 'PT400', 'invalid_one_time_token', 'nor is it one that verifies'
);
select tests.throws_reason(
  $$ select attune.reset_password((select token from link), 'another horse') $$, 'PT400', 'invalid_one_time_token', 'or resets the password'
);
select pg_temp.as_session(a.access_token) from ada as a;
select is((attune.confirm_email_change((select token from link))).email, 'Ada.New@Example.com', 'the link makes the address theirs');
select tests.throws_reason(
  $$ select attune.confirm_email_change((select token from link)) $$, 'PT400', 'invalid_one_time_token', 'once'
);
select results_eq(
  'select email, verified_at is not null from attune.user_emails', $$ values ('ada.new@example.com', true) $$, 'and verified'
);
select isnt(attune.current_user_id(), null, 'the session goes on');
select results_eq(
  $$ select pg_temp.events('Ada.New@Example.com') $$,
  $$ values ('email_change_requested'::attune.security_event), ('email_change_requested'), ('email_changed') $$,
  'the log says so'
);
select tests.reset_role();
select is(((attune_private.login('ada@example.com', 'correct horse')).refusal).reason, 'invalid_credentials', 'the old address signs in nobody');
select ok((attune_private.login('ada.new@example.com', 'correct horse')).refusal is null, 'the new one does');

-- A taken address

select pg_temp.wait();
delete from attune_private.mail_outbox;
select pg_temp.as_session(a.access_token) from ada as a;
create temp table answers as
select attune.request_email_change('bob@example.com', 'correct horse')::text as taken, attune.request_email_change('free@example.com', 'correct horse')::text as free;
grant select on answers to public;
select ok((select taken is not distinct from free from answers), 'whether an address is taken is not told');
select results_eq(
  $$ select purpose, recipient from pg_temp.mails() where purpose = 'change_email' $$,
  $$ values ('change_email', 'bob@example.com'), ('change_email', 'free@example.com') $$, 'nor done otherwise'
);
create temp table stolen as select pg_temp.token('bob@example.com') as token;
grant select on stolen to public;
select tests.authenticate_as_service_role();
create temp table sent as select * from attune.claim_mails(10);
grant select on sent to public;
select results_eq(
  $$ select s.purpose, s.recipient, s.payload - 'token' from sent as s where s.purpose <> 'email_change_notice' order by s.id $$,
  $$ values ('address_taken'::attune.mail_purpose, 'bob@example.com', '{"name": "Bob"}'::jsonb), ('change_email', 'free@example.com', '{"name": "Ada"}') $$,
  'but whoever has it is told, and gets no link'
);
select is_empty($$ select from sent where purpose = 'address_taken' and payload ? 'token' $$, 'not even in secret');
select pg_temp.as_session(a.access_token) from ada as a;
select tests.throws_reason(
  $$ select attune.confirm_email_change((select token from stolen)) $$, 'PT400', 'invalid_one_time_token',
  'whoever asked for two addresses gets the latter only'
);
select tests.reset_role();
create temp table late as
select attune_private.make_one_time_token((select user_id from ada), 'bob@example.com', 'change_email', now() + interval '1 day') as token;
grant select on late to public;
select pg_temp.as_session(a.access_token) from ada as a;
select tests.throws_reason(
  $$ select attune.confirm_email_change((select token from late)) $$, 'PT409', 'email_taken', 'an address that was taken meanwhile stays whose it is'
);

-- What ends a request

create function pg_temp.ask(address text) returns void language plpgsql as $$
begin
  perform pg_temp.wait();
  perform pg_temp.as_session(a.access_token) from ada as a;
  perform attune.request_email_change(address, 'correct horse');
end;
$$;
select pg_temp.ask('other@example.com');
select tests.throws_reason(
  format('select attune.confirm_email_change(%L)', pg_temp.token('free@example.com')), 'PT400', 'invalid_one_time_token', 'a later request'
);
select tests.reset_role();
select tests.throws_reason(
  format(
    'select attune_private.confirm_email_change(%L, %L, now() + interval ''1 day'')', pg_temp.token('other@example.com'), (select user_id from ada)
  ),
  'PT400', 'invalid_one_time_token', 'time'
);
select pg_temp.ask('third@example.com');
select ok(attune.change_password('correct horse', 'correct horse') is null, 'control: the password is changed');
select tests.throws_reason(
  format('select attune.confirm_email_change(%L)', pg_temp.token('third@example.com')), 'PT400', 'invalid_one_time_token', 'another password'
);
select pg_temp.ask('fourth@example.com');
select tests.authenticate_as_service_role();
update attune.users set email = 'ada@example.com' where id = (select user_id from ada);
select pg_temp.as_session(a.access_token) from ada as a;
select tests.throws_reason(
  format('select attune.confirm_email_change(%L)', pg_temp.token('fourth@example.com')), 'PT400', 'invalid_one_time_token',
  'a trusted server that changes the address'
);
select is((select count(*) from pg_temp.events('ada@example.com') as e where e = 'email_changed'), 2::bigint, 'which is written down too');
select is((select verified_at from attune.user_emails), null, 'and has verified nothing');

-- Who has no password

create function pg_temp.as_eve(issued_at timestamptz) returns void language sql as $$
  select tests.set_request('authenticated', jsonb_build_object(
    'sub', (select user_id from eve), 'role', 'authenticated', 'iss', 'attune', 'iat', floor(extract(epoch from issued_at))
  ));
$$;
select pg_temp.as_eve(now() - interval '16 minutes');
select tests.throws_reason(
  $$ select attune.request_email_change('eve2@example.com') $$, '42501', 'recent_sign_in_required', 'who has no password has signed in lately'
);
select tests.authenticate_as('eve@example.com');
select tests.throws_reason(
  $$ select attune.request_email_change('eve2@example.com') $$, '42501', 'recent_sign_in_required', 'and says when'
);
select pg_temp.as_eve(now() - interval '14 minutes');
select ok(attune.request_email_change('eve2@example.com') is null, 'then they change their address');
select tests.reset_role();
insert into attune.sessions (user_id, id, created_at, idle_until, expires_at)
select user_id, '00000000-0000-4000-8000-000000000001', now() - interval '1 hour', now() + interval '1 day', now() + interval '1 day' from eve;
select tests.set_request('authenticated', jsonb_build_object(
  'sub', (select user_id from eve), 'role', 'authenticated', 'iss', 'attune', 'iat', floor(extract(epoch from now())),
  'session_id', '00000000-0000-4000-8000-000000000001'
));
select tests.throws_reason(
  $$ select attune.request_email_change('eve2@example.com') $$, '42501', 'recent_sign_in_required', 'a new token of an old session is no new sign-in'
);
select tests.reset_role();
update attune.users set email = null where id = (select user_id from eve);
delete from attune_private.mail_outbox;
select pg_temp.as_eve(now());
select attune.request_email_change('first@example.com');
select results_eq('select purpose, recipient from pg_temp.mails()', $$ values ('change_email', 'first@example.com') $$, 'who has no address gets the first');
select is((attune.confirm_email_change(pg_temp.token('first@example.com'))).email, 'first@example.com', 'in the same way');

-- A provider that goes on telling the former address changes nothing

select tests.reset_role();
insert into attune.user_identities (issuer, subject, user_id, email) select 'https://id.example.com', 'eve', user_id, 'eve@example.com' from eve;
select is(
  (attune_private.link_or_register_user('https://id.example.com', 'eve', 'eve@example.com', true, 'Eve', null, null, false, null)).email,
  'first@example.com', 'what a provider tells is not the address of an account that has one'
);

-- Too much

insert into attune.global_settings (key, value) values ('MAILS_PER_DAY', '2');
delete from attune_private.daily_amounts;
select pg_temp.as_eve(now());
select lives_ok(format('select attune.request_email_change(%L)', n || '@example.com'), 'a user may ask') from generate_series(1, 2) as n;
select tests.throws_reason($$ select attune.request_email_change('3@example.com') $$, 'PT429', 'too_many_mails', 'so often a day, whatever addresses');
select tests.reset_role();
update attune.global_settings set value = '1000' where key = 'MAILS_PER_DAY';
insert into attune.global_settings (key, value) values ('MAILS_PER_DAY_AND_ADDRESS', '2');
select pg_temp.as_eve(now());
select tests.throws_reason(
  $$ select attune.request_email_change('4@example.com') $$, 'PT429', 'too_many_mails', 'and from one network address'
);
select pg_temp.as_session(a.access_token) from ada as a;
select is(
  (select (attune.request_email_change('x@example.com', 'wrong')).reason from generate_series(1, 7) order by 1 limit 1), 'too_many_attempts',
  'nor can the password be guessed here'
);

select * from finish();
rollback;
