-- Outside identities: provisioning from claims, linking by a verified address only, and the last way in.
begin;
select no_plan();

insert into attune.global_settings (key, value) values ('PASSWORD_COST', '4');

create function pg_temp.claims(subject text, more jsonb default '{}') returns jsonb language sql as $$
  select jsonb_build_object('iss', 'https://id.example.com', 'sub', subject, 'role', 'authenticated') || more;
$$;
create function pg_temp.verify(email text) returns void language sql as $$
  update attune.user_emails as e set verified_at = now() where e.email = verify.email;
$$;

-- The first request of an outside identity

select tests.set_request('authenticated', pg_temp.claims('auth0|ada', '{"email": "Ada@Example.com", "email_verified": true,
  "name": " Ada ", "picture": "https://example.com/ada.png", "company": "Analytical"}'));

select is(attune.current_user_id(), null, 'an unknown identity is nobody');
select tests.throws_reason('select attune_hidden.require_user_id()', '42501', 'not_signed_in', 'an unknown identity is not signed in');
select results_eq(
  $$ select email, name, avatar_url, company_name, plan, is_admin, onboarding_completed from attune.provision_user() $$,
  $$ values ('Ada@Example.com', 'Ada', 'https://example.com/ada.png', 'Analytical', 'bootstrapper', false, false) $$,
  'an unknown identity can be provisioned, with what its claims say'
);
select isnt(attune.current_user_id(), null, 'a provisioned identity is somebody');
select is((attune.viewer()).id, attune.current_user_id(), 'a provisioned identity can ask who they are');
select is((attune.provision_user()).id, attune.current_user_id(), 'provisioning again gives the same user');
select results_eq(
  'select issuer, subject, email, name from attune.user_identities',
  $$ values ('https://id.example.com', 'auth0|ada', 'Ada@Example.com', 'Ada') $$,
  'a user can see their own identity'
);
select is((select count(*) from attune.projects where stage_number is null), 1::bigint, 'who is provisioned has one starter project');
select is((select count(*) from attune.users), 1::bigint, 'a provisioned user sees nobody else');
select is((select verified_at from attune.user_emails), now(), 'an address that the provider verified is verified');
select throws_ok(
  'update attune.user_identities set user_id = gen_random_uuid()', '42501', 'permission denied for table user_identities',
  'a user cannot move an identity'
);
select throws_ok(
  $$ select attune.link_or_register_user('https://id.example.com', 'mallory') $$,
  '42501', 'permission denied for function link_or_register_user', 'a user cannot say which identity is theirs'
);
select throws_ok(
  $$ select attune.link_identity(attune.current_user_id(), 'https://id.example.com', 'mallory') $$,
  '42501', 'permission denied for function link_identity', 'a user cannot link an identity that nobody has checked'
);

-- The same subject of another issuer, and a UUID that is somebody's id here

select tests.set_request('authenticated', pg_temp.claims('auth0|ada') || '{"iss": "https://other.example.com"}');
select is(attune.current_user_id(), null, 'the same subject of another issuer is somebody else');
select tests.set_request('authenticated', pg_temp.claims(tests.user_id('Ada@Example.com')::text));
select is(attune.current_user_id(), null, 'a subject of another issuer is no user by their id');
select isnt((attune.provision_user()).id, tests.user_id('Ada@Example.com'), 'a subject of another issuer becomes a user of its own');
select results_eq('select email, name from attune.users', 'values (null::text, null::text)', 'claims may say nothing but who it is');

-- Supabase's claims

select tests.set_request('authenticated', pg_temp.claims(gen_random_uuid()::text, '{"email": "sue@example.com",
  "session_id": "6d7e23c3-2d2c-4a1f-9a66-2c7f2f2f1f10", "user_metadata": {"full_name": "Sue", "avatar_url": "https://example.com/sue.png",
  "email_verified": true}}'));
select results_eq(
  'select email, name, avatar_url from attune.provision_user()',
  $$ values ('sue@example.com', 'Sue', 'https://example.com/sue.png') $$,
  'claims may be in user_metadata'
);
select is((select verified_at from attune.user_emails), null, 'an address is not verified because user_metadata says so');

-- What makes no sense is left out, and keeps nobody out

select tests.set_request('authenticated', pg_temp.claims('odd', jsonb_build_object('email', 'no address', 'name', repeat('x', 1000),
  'picture', 'javascript:alert(1)', 'company', '   ', 'user_metadata', 'none')));
select results_eq(
  'select email, char_length(name), avatar_url, company_name from attune.provision_user()',
  'values (null::text, 200, null::text, null::text)',
  'claims that make no sense are left out'
);
select tests.set_request('authenticated', bad.claims) from (values (pg_temp.claims(''))) as bad (claims);
select tests.throws_reason('select attune.provision_user()', 'PT422', 'invalid_identity', 'a claim without a subject is no identity');
select tests.set_request('authenticated', pg_temp.claims(repeat('x', 256)));
select tests.throws_reason('select attune.provision_user()', 'PT422', 'invalid_identity', 'a subject of 256 characters is no identity');
select tests.set_request('authenticated', jsonb_build_object('sub', gen_random_uuid(), 'iss', 'attune'));
select tests.throws_reason('select attune.provision_user()', '42501', 'not_signed_in', 'our own token of a deleted user is not provisioned');
select tests.authenticate_as('Ada@Example.com');
select is((attune.provision_user()).email, 'Ada@Example.com', 'our own token of a user is that user''s');

-- Later changes at the provider

select tests.set_request('authenticated', pg_temp.claims('auth0|ada', '{"name": "Ada King", "picture": "https://example.com/king.png"}'));
select results_eq(
  'select name, avatar_url, company_name from attune.provision_user()',
  $$ values ('Ada King', 'https://example.com/king.png', 'Analytical') $$,
  'the profile follows the provider, and keeps what it no longer says'
);
update attune.users set name = 'Countess';
select tests.set_request('authenticated', pg_temp.claims('auth0|ada', '{"name": "Ada Lovelace", "company": "Engines"}'));
select results_eq(
  'select name, company_name from attune.provision_user()', $$ values ('Countess', 'Engines') $$,
  'the profile does not follow the provider where the user has edited it'
);
select results_eq('select name from attune.user_identities', array['Ada Lovelace'], 'what the provider says is kept beside it');

-- Addresses that look alike. By Unicode's rules this one is sue@wiki.com in lower case; its mailbox is somebody else's.

select tests.reset_role();
select attune.register('sue@wiki.com', 'correct horse');
select pg_temp.verify('sue@wiki.com');
select tests.set_request('authenticated', pg_temp.claims('other', U&'{"email": "Sue@W\0130\212Ai.com", "email_verified": true}'));
select is(
  (attune.provision_user()).email, 'Sue@xn--wiki-rwc.com', 'who verified an address that looks alike is another user'
);
select tests.reset_role();
select results_eq(
  format('select email from attune.user_emails where user_id = (select user_id from attune.user_identities where subject = %L)', 'other'),
  array['sue@xn--wiki-rwc.com'], 'an address is known in lower case, with its domain in ASCII'
);
select is(
  ((attune.login(U&'sue@w\0130ki.com', 'correct horse')).refusal).reason, 'invalid_credentials', 'an address that looks alike opens no account'
);

-- Linking by address. Bob registered with a password, and has not verified the address.

select tests.reset_role();
select attune.register('bob@example.com', 'correct horse', 'Bob');

select tests.set_request('authenticated', pg_temp.claims('bob', '{"email": "BOB@example.com", "email_verified": true}'));
select tests.throws_reason(
  'select attune.provision_user()', 'PT409', 'email_taken', 'a verified address is not linked to an account that did not verify it'
);
select tests.reset_role();
select pg_temp.verify('bob@example.com');
select tests.set_request('authenticated', pg_temp.claims('bob', format('{"email": "BOB@example.com", "email_verified": %s}', v.verified)::jsonb))
from (values ('false')) as v (verified);
select tests.throws_reason(
  'select attune.provision_user()', 'PT409', 'email_taken', 'an address that the provider did not verify is not linked'
);
select tests.set_request('authenticated', pg_temp.claims('bob', '{"email": "BOB@example.com"}'));
select tests.throws_reason(
  'select attune.provision_user()', 'PT409', 'email_taken', 'an address of which the provider does not say it is not linked'
);
select tests.set_request('authenticated', pg_temp.claims('bob', '{"email": "BOB@example.com", "user_metadata": {"email_verified": true}}'));
select tests.throws_reason(
  'select attune.provision_user()', 'PT409', 'email_taken', 'an address of which the user says that it is verified is not linked'
);
select is_empty('select from attune.users', 'whose address is taken is nobody');
select tests.set_request('authenticated', pg_temp.claims('bob', '{"email": "BOB@example.com", "email_verified": true, "name": "Robert", "picture": "https://example.com/bob.png"}'));
select results_eq(
  'select id, name, avatar_url from attune.provision_user()',
  $$ values (tests.user_id('bob@example.com'), 'Bob', 'https://example.com/bob.png') $$,
  'an address that both sides verified is linked, and fills what the profile lacks'
);

-- Unlinking

select tests.throws_reason(
  $$ select attune.unlink_identity('https://id.example.com', 'auth0|ada') $$, 'PT404', 'unknown_identity',
  'a user cannot unlink another''s identity'
);
select lives_ok($$ select attune.unlink_identity('https://id.example.com', 'bob') $$, 'a user with a password can unlink an identity');
select is(attune.current_user_id(), null, 'an unlinked identity is nobody');
select tests.throws_reason(
  $$ select attune.unlink_identity('https://id.example.com', 'bob') $$, '42501', 'not_signed_in', 'nobody cannot unlink'
);

select tests.set_request('authenticated', pg_temp.claims('auth0|ada'));
select tests.throws_reason(
  $$ select attune.unlink_identity('https://id.example.com', 'auth0|ada') $$, 'PT409', 'last_way_in',
  'a user cannot unlink the last way in'
);

-- The trusted server

select tests.authenticate_as_service_role();
select results_eq(
  $$ select user_id, email, name from attune.link_identity(tests.user_id('Ada@Example.com'), 'https://accounts.google.com', '1', 'ada@gmail.com', 'Ada G.') $$,
  $$ values (tests.user_id('Ada@Example.com'), 'ada@gmail.com', 'Ada G.') $$,
  'service_role can link an identity that it has checked'
);
select lives_ok(
  $$ select attune.link_identity(tests.user_id('Ada@Example.com'), 'https://accounts.google.com', '1') $$, 'service_role can link an identity twice'
);
select tests.throws_reason(
  $$ select attune.link_identity(tests.user_id('bob@example.com'), 'https://accounts.google.com', '1') $$, 'PT409', 'identity_taken',
  'service_role cannot link an identity that is another user''s'
);
select tests.throws_reason(
  $$ select attune.link_identity(gen_random_uuid(), 'https://accounts.google.com', '2') $$, 'PT404', 'unknown_user',
  'service_role cannot link an identity to nobody'
);
select tests.throws_reason(
  format('select attune.link_identity(tests.user_id(''bob@example.com''), %L, %L)', bad.issuer, bad.subject), 'PT422', 'invalid_identity',
  format('service_role cannot link the identity %s of %s', coalesce(quote_literal(bad.subject), 'null'), coalesce(bad.issuer, 'null'))
)
from (values ('attune', '1'), ('', '1'), (null, '1'), ('https://id.example.com', ''), ('https://id.example.com', null)) as bad (issuer, subject);
select results_eq(
  $$ select id from attune.link_or_register_user('https://accounts.google.com', '1', 'other@example.com', true) $$,
  $$ select tests.user_id('Ada@Example.com') $$,
  'a known identity is its user, whatever the address says'
);
select results_eq(
  $$ select email from attune.link_or_register_user('https://accounts.google.com', '2', 'new@example.com', true) $$,
  array['new@example.com'], 'service_role can register the user of an identity'
);
select tests.set_request('authenticated', jsonb_build_object('iss', 'https://accounts.google.com', 'sub', '1', 'role', 'authenticated'));
select is(attune.current_user_id(), tests.user_id('Ada@Example.com'), 'a linked identity is the user''s');
select tests.set_request('authenticated', pg_temp.claims('auth0|ada'));
select lives_ok($$ select attune.unlink_identity('https://id.example.com', 'auth0|ada') $$, 'a user with another identity can unlink one');
select tests.authenticate_as('Ada@Example.com');
select bag_eq(
  $$ select event from attune.security_log $$,
  array['registered', 'identity_linked', 'identity_unlinked']::attune.security_event[],
  'registering, linking and unlinking are written down, once each'
);

-- The one user of single-user mode

select tests.reset_role();
select attune_private.ensure_single_user() as id into temp table single;
select is(attune_private.ensure_single_user(), (select id from single), 'the owner can have the single user made, once');
select results_eq(
  'select name, email, is_admin from attune.users where id = (select id from single)', $$ values ('system', null::text, true) $$,
  'the single user is an administrator'
);
select tests.set_request('authenticated', '{"iss": "attune", "sub": "system", "role": "authenticated"}');
select is(attune.current_user_id(), null, 'nobody is the single user by claiming its name');

select * from finish();
rollback;
