-- Identities that end: a token of before opens nothing and makes nobody, one of after makes a user at once.
begin;
select no_plan();

insert into attune.global_settings (key, value) values ('PASSWORD_COST', '4');

-- Seconds after now.
create function pg_temp.be(subject text, issued integer, more jsonb default '{}') returns void language sql as $$
  select tests.set_request('authenticated', jsonb_build_object(
    'iss', 'https://id.example.com', 'sub', subject, 'role', 'authenticated',
    'iat', floor(extract(epoch from clock_timestamp())) + issued
  ) || more);
$$;
create function pg_temp.be_without_time(subject text, iat jsonb default null) returns void language sql as $$
  select tests.set_request('authenticated', jsonb_strip_nulls(jsonb_build_object(
    'iss', 'https://id.example.com', 'sub', subject, 'role', 'authenticated', 'iat', iat
  )));
$$;
create function pg_temp.users() returns bigint language sql security definer as $$ select count(*) from attune.users $$;
create function pg_temp.ended(subject text) returns boolean language sql security definer as $$
  select exists (
    select from attune_private.ended_identities as e
    where e.identity_hash = attune_private.identity_hash('https://id.example.com', subject)
  );
$$;

-- Whoever deletes the account

create temp table before as select pg_temp.users() as n;
grant select on before to public;
select pg_temp.be('ada', -60, '{"email": "ada@example.com"}');
select lives_ok('select attune.provision_user()', 'a token makes a user');
select is(
  (select extract(epoch from last_issued_at)::bigint from attune.user_identities), (auth.jwt() ->> 'iat')::bigint,
  'a user can see when the latest token was issued'
);
select lives_ok('select attune.delete_account()', 'who signs in elsewhere can delete the account');
select is(attune.current_user_id(), null, 'the token of a deleted account is nobody''s');
select tests.throws_reason(
  'select attune.provision_user()', 'PT401', 'identity_ended', 'a token of before makes nobody: ' || issued || ' seconds'
)
from (values (-1000), (-60), (-1)) as t (issued), lateral pg_temp.be('ada', t.issued);
select tests.throws_reason(
  'select attune.provision_user()', 'PT401', 'identity_ended', 'a token makes nobody that does not say when it was issued: ' || coalesce(iat::text, 'null')
)
from (values (null::jsonb), ('"tomorrow"'), ('[]'), ('true'), ('{"iat": 99999999999}'), ('"99999999999"')) as t (iat),
  lateral pg_temp.be_without_time('ada', t.iat);
select is(pg_temp.users(), (select n from before), 'nobody was made');
select pg_temp.be('ada', 0, '{"email": "ada@example.com"}');
select lives_ok('select attune.provision_user()', 'a token of after makes a user at once');
select is(pg_temp.users(), (select n + 1 from before), 'who comes back is a new user');
select pg_temp.be('ada', -60);
select is(attune.current_user_id(), null, 'a token of before opens nothing of the new account');
select tests.throws_reason('select attune.unlink_identity(''https://id.example.com'', ''ada'')', '42501', 'not_signed_in', 'nor does it do anything');
select tests.throws_reason(
  'select attune.provision_user()', 'PT401', 'identity_ended', 'nor does it read or change the new account by provisioning it: ' || t.claims::text
)
from (values ('{}'::jsonb), ('{"name": "Old"}'), ('{"email": "old@example.com", "email_verified": true}')) as t (claims),
  lateral pg_temp.be('ada', -60, t.claims);
select pg_temp.be('ada', 25);
select isnt(attune.current_user_id(), null, 'a provider whose clock is ahead is no matter');
select lives_ok('select attune.delete_account()', 'the account can be deleted again');
select pg_temp.be('ada', 24);
select tests.throws_reason('select attune.provision_user()', 'PT401', 'identity_ended', 'nothing opens that was issued before the token that was shown last');
select pg_temp.be('ada', 26);
select lives_ok('select attune.provision_user()', 'what was issued after it does');
select tests.reset_role();
select is((select count(*) from attune_private.ended_identities), 1::bigint, 'an identity that ended twice is remembered once');
select is_empty(
  $$ select from attune_private.ended_identities as e where strpos(to_jsonb(e)::text, 'ada') > 0 $$, 'what is remembered names nobody'
);

-- Shown in this very second

select pg_temp.be('sue', 0);
select attune.provision_user();
select tests.reset_role();
delete from attune.users where id = (select user_id from attune.user_identities where subject = 'sue');
select pg_temp.be('sue', 0);
select tests.throws_reason('select attune.provision_user()', 'PT401', 'identity_ended', 'the token that was shown in the second of the deletion makes nobody')
where auth.jwt() ->> 'iat' is not null;

-- Unlinking, and the sessions

select tests.reset_role();
select attune.register('bob@example.com', 'correct horse');
update attune.user_emails set verified_at = now() where email = 'bob@example.com';
select tests.authenticate_as_service_role();
select attune.link_identity(tests.user_id('bob@example.com'), 'https://id.example.com', subject) from unnest(array['bob', 'robert']) as s (subject);
create temp table opened as
select s.subject, t.session_id, t.refresh_token
from (values ('bob'), ('robert'), (null)) as s (subject),
  attune.open_session(tests.user_id('bob@example.com'), case when s.subject is not null then 'https://id.example.com' end, s.subject) as t;
grant select on opened to public;
select tests.throws_reason(
  format('select attune.open_session(tests.user_id(''bob@example.com''), %L, %L)', bad.issuer, bad.subject), 'PT404', 'unknown_identity',
  format('no session is opened through %s of %s', coalesce(bad.subject, 'null'), coalesce(bad.issuer, 'null'))
)
from (values ('https://id.example.com', 'ada'), ('https://id.example.com', null), (null, 'bob'), ('https://other.example.com', 'bob')) as bad (issuer, subject);

select pg_temp.be('bob', -60);
select is(attune.current_user_id(), tests.user_id('bob@example.com'), 'a linked identity is the user''s');
select lives_ok($$ select attune.unlink_identity('https://id.example.com', 'bob') $$, 'a user can unlink an identity');
select tests.reset_role();
select results_eq(
  $$ select o.subject, s.revoked_because from opened as o join attune.sessions as s on s.id = o.session_id order by o.subject $$,
  $$ values ('bob', 'identity_unlinked'::attune.revocation_reason), ('robert', null), (null, null) $$,
  'the sessions end that were opened through it, and no others'
);
select is(((attune_private.refresh_session(refresh_token)).refusal).reason, 'session_ended', 'they cannot be refreshed')
from opened where subject = 'bob';
select is(((attune_private.refresh_session(refresh_token)).refusal).reason, null, 'the others can')
from opened where subject is distinct from 'bob';
select pg_temp.be('bob', -60, '{"email": "bobby@example.com"}');
select is(attune.current_user_id(), null, 'a token of before is nobody''s');
select tests.throws_reason('select attune.provision_user()', 'PT401', 'identity_ended', 'a token of before makes nobody');
select pg_temp.be('bob', 0, '{"email": "bobby@example.com"}');
select isnt((attune.provision_user()).id, tests.user_id('bob@example.com'), 'a token of after makes another user at once');

-- Linked again, by a server that has just checked it

select tests.reset_role();
delete from attune.users where id = (select user_id from attune.user_identities where subject = 'bob');
select tests.authenticate_as_service_role();
select lives_ok(
  $$ select attune.link_identity(tests.user_id('bob@example.com'), 'https://id.example.com', 'bob') $$, 'an identity that ended can be linked again'
);
select pg_temp.be('bob', -60);
select is(attune.current_user_id(), null, 'a token from before it ended opens nothing then either');
select tests.throws_reason('select attune.provision_user()', 'PT401', 'identity_ended', 'nor does it tell whose the identity is now');
select pg_temp.be('bob', 1);
select is(attune.current_user_id(), tests.user_id('bob@example.com'), 'one from after it does');
select tests.authenticate_as_service_role();
select lives_ok($$ select attune.link_or_register_user('https://id.example.com', 'sue') $$, 'a trusted server can sign in whom it has just checked');

-- What a provider says later

select pg_temp.be('cid', 0);
select attune.provision_user();
select is((attune.viewer()).email, null, 'a provider may tell no address');
select pg_temp.be('cid', 1, '{"email": "cid@example.com"}');
select is((attune.provision_user()).email, 'cid@example.com', 'an address that is told later arrives');
select is((select verified_at from attune.user_emails), null, 'it is not verified because it was told');
select pg_temp.be('cid', 2, '{"email": "cid@example.com", "email_verified": true}');
select attune.provision_user();
select isnt((select verified_at from attune.user_emails), null, 'it is verified as soon as the provider says so');
select pg_temp.be('cid', 3, '{"email": "elsewhere@example.com", "email_verified": true}');
select is((attune.provision_user()).email, 'cid@example.com', 'another address does not take the place of the user''s own');
select pg_temp.be('cid', 10, '{"name": "Cid"}');
select is((attune.provision_user()).name, 'Cid', 'the profile follows the token');
select pg_temp.be('cid', 9, '{"name": "Cedric"}');
select is((attune.provision_user()).name, 'Cid', 'an older token that is still used takes nothing back');
select pg_temp.be('cid', 10, '{"name": "Cidney"}');
select is((attune.provision_user()).name, 'Cidney', 'one of the same second counts');
select pg_temp.be('dan', 0);
select attune.provision_user();
select pg_temp.be('dan', 1, '{"email": "CID@example.com", "email_verified": true}');
select is((attune.provision_user()).email, null, 'an address that is told later stays whose it is');

-- Claims of any shape never become a name, and keep nobody out

select tests.reset_role();
create temp table odd (claim jsonb);
insert into odd values ('{}'), ('[]'), ('{"first": "Eve"}'), ('["Eve"]'), ('7'), ('true'), ('null'), ('""'), ('"   "');
grant select on odd to public;
select results_eq(
  'select email, name, avatar_url, company_name from attune.provision_user()', 'values (null::text, null::text, null::text, null::text)',
  format('claims like %s are left out', o.claim)
)
from odd as o, lateral pg_temp.be('odd' || md5(o.claim::text), 0, jsonb_build_object('name', o.claim, 'email', o.claim, 'picture', o.claim,
  'company', o.claim, 'company_name', o.claim, 'user_metadata', jsonb_build_object('full_name', o.claim, 'avatar_url', o.claim)));
create temp table subjects (subject text);
insert into subjects
values ('victim'), (' victim'), ('victim '), (E'\tvictim'), ('VICTIM'), (E'vi\u0301ctim'), (E'v\u00edctim'), ('"victim"'), ('victim%'), (E'\u00a0victim'), (' ');
grant select on subjects to public;
create function pg_temp.is_whom_it_makes(subject text) returns boolean language plpgsql as $$
declare
  made uuid;
begin
  perform pg_temp.be(subject, 0, '{"name": "Somebody"}');
  made := (attune.provision_user()).id;
  return made = attune.current_user_id();
end;
$$;
select ok(pg_temp.is_whom_it_makes(s.subject), format('the subject %s is whom its token makes', to_jsonb(s.subject)))
from subjects as s;
select tests.reset_role();
select is(
  (select count(distinct i.user_id) from attune.user_identities as i join subjects as s on s.subject = i.subject), 11::bigint, 'each of them is another'
);
select tests.throws_reason('select attune.provision_user()', 'PT422', 'invalid_identity', 'a subject is a text')
from (values ('7'::jsonb), ('{"a": 1}'), ('[]')) as b (subject), lateral tests.set_request(
  'authenticated', jsonb_build_object('iss', 'https://id.example.com', 'sub', b.subject, 'role', 'authenticated'));

-- Where nothing can be written: what comes next of this transaction is undone

select pg_temp.be('cid', 20, '{"name": "Other"}');
savepoint before_reading;
set local transaction_read_only = on;
select results_eq(
  'select email, name from attune.provision_user()', $$ values ('cid@example.com', 'Cidney') $$, 'a known identity is its user on a standby too'
);
select pg_temp.be('nobody yet', 20);
select throws_ok('select attune.provision_user()', '25006', null, 'an unknown one is nobody''s there');
rollback to before_reading;

-- By the clock

select tests.reset_role();
select attune_private.remove_expired(now() + interval '399 days');
select ok(pg_temp.ended('ada'), 'an identity that ended is remembered for longer than a token lasts');
select attune_private.remove_expired(now() + interval '401 days');
select ok(not pg_temp.ended('ada'), 'it is not remembered for ever');

select * from finish();
rollback;
