-- Who somebody is, what they may see of each other, and that nobody raises their own rights.
begin;
select no_plan();

select tests.create_user('ada@example.com') as ada, tests.create_user('bob@example.com') as bob;
select tests.create_user('admin@example.com', is_admin => true);

-- The owner of the row

select tests.authenticate_as('ada@example.com');

select is(attune.current_user_id(), tests.user_id('ada@example.com'), 'a user can learn their own id');
select is((attune.viewer()).email, 'ada@example.com', 'a user can ask who they are');
select is(attune.is_admin(), false, 'a user is no administrator');
select results_eq('select email from attune.users', array['ada@example.com'], 'a user can see their own row, and no other');
select results_eq('select email from attune.user_emails', array['ada@example.com'], 'a user can see their own e-mail, and no other');

select lives_ok(
  $$ update attune.users set name = 'Ada', avatar_url = 'https://example.com/ada.png', company_name = 'Analytical',
     role = 'Countess', timezone = 'Europe/London', onboarding_completed = true $$,
  'a user can edit their profile'
);
select results_eq(
  'select name, avatar_url, company_name, role, timezone, onboarding_completed from attune.users',
  $$ values ('Ada', 'https://example.com/ada.png', 'Analytical', 'Countess', 'Europe/London', true) $$,
  'a user can read what they edited'
);

select throws_ok(
  'update attune.users set is_admin = true', '42501', 'permission denied for table users',
  'a user cannot make themselves an administrator'
);
select throws_ok(
  $$ update attune.users set name = 'Ada', plan = 'bootstrapper' $$, '42501', 'permission denied for table users',
  'a user cannot change their plan'
);
select throws_ok(
  $$ update attune.users set email = 'countess@example.com' $$, '42501', 'permission denied for table users',
  'a user cannot change their e-mail'
);
select throws_ok(
  'update attune.users set id = gen_random_uuid()', '42501', 'permission denied for table users',
  'a user cannot change their id'
);
select throws_ok(
  $$ insert into attune.users (email, is_admin) values ('eve@example.com', true) $$, '42501', 'permission denied for table users',
  'a user cannot add users'
);
select throws_ok(
  'delete from attune.users', '42501', 'permission denied for table users',
  'a user cannot delete users, themselves included'
);
select throws_ok(
  'truncate attune.users cascade', '42501', 'permission denied for table users',
  'a user cannot truncate users'
);
select throws_ok(
  $$ update attune.user_emails set email = 'admin@example.com' $$, '42501', 'permission denied for table user_emails',
  'a user cannot take an e-mail by its directory'
);
select tests.throws_reason(
  $$ update attune.users set name = repeat('a', 201) $$, 'PT422', 'too_large',
  'a user cannot have a name of more than 200 characters'
);
select tests.throws_reason(
  format('update attune.users set avatar_url = %L', bad.url), 'PT422', 'invalid_avatar_url',
  format('a user cannot have the picture %s', to_jsonb(bad.url))
)
from (values (''), ('http://example.com/a.png'), ('javascript:alert(1)'), ('data:image/png;base64,AAAA'), ('//example.com/a.png'),
  (E'/\\example.com/a.png'), ('https://'), ('https:///a.png'), (E'https://example.com/a\n.png'), ('a.png')) as bad (url);
select lives_ok(
  format('update attune.users set avatar_url = %L', good.url), format('a user can have the picture %s', to_jsonb(good.url))
)
from (values ('https://example.com/ada.png?s=80#x'), ('/pictures/ada.png'), ('/'), (null)) as good (url);
select tests.throws_reason(
  format('update attune.users set timezone = %L', bad.zone), 'PT422', 'invalid_timezone',
  format('a user cannot live in %s', to_jsonb(bad.zone))
)
from (values (''), ('Mars/Olympus'), ('EST5EDT,M3.2.0,M11.1.0'), ('+03'), ('XYZ3'), ('Europe/Berlin5'), ('CEST'), ('Etc/GMT+99'),
  (null), ('posixrules'), ('Europe/Berlin; drop'), ('default'), ('local'), ('../../etc/passwd')) as bad (zone);
select lives_ok(
  format('update attune.users set timezone = %L', good.zone), format('a user can live in %s', to_jsonb(good.zone))
)
from (values ('UTC'), ('Europe/Berlin'), ('America/Argentina/Buenos_Aires'), ('America/Port-au-Prince'), ('Etc/GMT+5')) as good (zone);
update attune.users set timezone = 'asia/kolkata';
select results_eq('select timezone from attune.users', array['Asia/Kolkata'], 'a time zone is spelled as the standard spells it');
select is(current_setting('timezone'), (select reset_val from pg_settings where name = 'TimeZone'), 'a user''s time zone is not the request''s');
select lives_ok(
  $$ update attune.users set name = repeat('ä', 200) $$,
  'a user can have a name of 200 characters'
);
select throws_ok(
  'set local row_security = off; select * from attune.users',
  '42501', 'query would be affected by row-level security policy for table "users"',
  'a user cannot switch row level security off'
);
select results_eq('select name from attune.plans', array['bootstrapper'], 'a user can read the plans');
select throws_ok(
  $$ insert into attune.plans (name, title) values ('free_lunch', 'Free lunch') $$,
  '42501', 'permission denied for table plans',
  'a user cannot add plans'
);
select throws_ok(
  'select attune_private.ensure_user(''eve@example.com'', true)', '42501', 'permission denied for schema attune_private',
  'a user cannot look into attune_private'
);

-- A stranger

select tests.authenticate_as('bob@example.com');

select is_empty($$ select from attune.users where email = 'ada@example.com' $$, 'a stranger cannot see another user');
select is_empty(
  $$ update attune.users set name = 'Mallory' where id = tests.user_id('ada@example.com') returning id $$,
  'a stranger cannot edit another user'
);
select isnt_empty(
  $$ update attune.users set name = 'Bob' where id = tests.user_id('bob@example.com') returning id $$,
  'a stranger can edit their own row by the same statement'
);
select is_empty(
  format('update attune.users set %s where id = tests.user_id(''ada@example.com'') returning id', bad.change),
  format('what a stranger writes of another user is not even judged: %s', bad.change)
)
from (values ('timezone = ''Mars/Olympus'''), ('avatar_url = ''a.png'''), ('name = repeat(''a'', 201)')) as bad (change);
select tests.throws_reason(
  $$ update attune.users set timezone = 'Mars/Olympus' where id = tests.user_id('bob@example.com') $$, 'PT422', 'invalid_timezone',
  'what a stranger writes of themselves is judged by the same statement'
);
select throws_ok(
  bad.statement, '42501', 'permission denied for table users',
  format('who may not write at all is told so before the value is judged: %s', bad.statement)
)
from (values ('insert into attune.users (email) values (''ada'')'), ('update attune.users set email = ''bob''')) as bad (statement);
select is_empty(
  'select from attune.user_emails where user_id = tests.user_id(''ada@example.com'')',
  'a stranger cannot see another''s e-mail'
);
select tests.throws_reason(
  'select attune_hidden.require_admin()', '42501', 'admin_required',
  'a stranger cannot pass for an administrator'
);
select is(attune_hidden.require_user_id(), tests.user_id('bob@example.com'), 'a stranger can pass for a user');

-- Claims are the word of the server: only the subject counts, and only when there is such a user.
select tests.set_request('authenticated', jsonb_build_object(
  'sub', tests.user_id('bob@example.com'), 'role', 'service_role', 'is_admin', true, 'email', 'admin@example.com'
));
select is(attune.is_admin(), false, 'a user cannot become an administrator by claims');
select tests.throws_reason(
  'select attune_hidden.require_admin()', '42501', 'admin_required',
  'a user cannot become a trusted server by claims'
);
select results_eq('select email from attune.users', array['bob@example.com'], 'a user cannot see more by claims');

select tests.set_request('authenticated', jsonb_build_object('sub', upper(tests.user_id('bob@example.com')::text)));
select is(attune.current_user_id(), tests.user_id('bob@example.com'), 'a subject can be in capitals');

create temp table nobody as
select * from (values
  ('without claims', null),
  ('without a subject', '{"role": "authenticated"}'),
  ('whose subject is null', '{"sub": null}'),
  ('whose subject is empty', '{"sub": ""}'),
  ('whose subject is a number', '{"sub": 1}'),
  ('whose subject is a list', jsonb_build_object('sub', jsonb_build_array(tests.user_id('ada@example.com')))),
  ('whose subject belongs to an outside provider', '{"sub": "auth0|5f7c8ec7c33c6c004bbafe82"}'),
  ('whose subject has more than a UUID', jsonb_build_object('sub', tests.user_id('ada@example.com') || ''' or true --')),
  ('whose subject has a line break', jsonb_build_object('sub', tests.user_id('ada@example.com') || E'\n')),
  ('whose user was deleted', jsonb_build_object('sub', gen_random_uuid()))
) as n (who, claims);

create function pg_temp.nobody_is(claims jsonb) returns boolean language plpgsql as $$
begin
  perform tests.set_request('authenticated', claims);
  return attune.current_user_id() is null
    and attune.is_admin() is false
    and attune.viewer() is null
    and not exists (select from attune.users)
    and not exists (select from attune.user_emails)
    and not exists (select from attune.user_preferences);
end;
$$;
select ok(pg_temp.nobody_is(claims), 'a request is nobody''s ' || who) from nobody;
select ok(
  not pg_temp.nobody_is(jsonb_build_object('sub', tests.user_id('ada@example.com'))),
  'a request is somebody''s whose subject is a user'
);

select tests.authenticate_as(gen_random_uuid());
select tests.throws_reason(
  'select attune_hidden.require_user_id()', '42501', 'not_signed_in',
  'a deleted user cannot pass for a user'
);

-- The administrator

select tests.authenticate_as('admin@example.com');

select is(attune.is_admin(), true, 'an administrator is one');
select lives_ok('select attune_hidden.require_admin()', 'an administrator can pass for one');
select set_eq(
  'select email from attune.users', array['ada@example.com', 'bob@example.com', 'admin@example.com'],
  'an administrator can see all users'
);
select is_empty(
  $$ update attune.users set name = 'Renamed' where email = 'ada@example.com' returning id $$,
  'an administrator cannot edit another user'
);
select throws_ok(
  $$ update attune.users set is_admin = true where email = 'ada@example.com' $$, '42501', 'permission denied for table users',
  'an administrator cannot make others administrators with a token'
);
select isnt_empty(
  $$ update attune.users set name = 'Admin' where email = 'admin@example.com' returning id $$,
  'an administrator can edit their own row'
);
select throws_ok(
  'delete from attune.users', '42501', 'permission denied for table users',
  'an administrator cannot delete users with a token'
);

-- A request without a token

select tests.authenticate_as_anon();

select throws_ok(
  'select * from attune.users', '42501', 'permission denied for table users', 'anon cannot read users'
);
select throws_ok(
  'select * from attune.user_emails', '42501', 'permission denied for table user_emails', 'anon cannot read e-mails'
);
select ok(attune.viewer() is null, 'anon can ask who they are, and is nobody');
select is(attune.current_user_id(), null, 'anon has no id');
select is(attune.is_admin(), false, 'anon is no administrator');
select tests.throws_reason('select attune_hidden.require_user_id()', '42501', 'not_signed_in', 'anon cannot pass for a user');
select tests.throws_reason('select attune_hidden.require_admin()', '42501', 'not_signed_in', 'anon cannot pass for an administrator');
select results_eq('select name from attune.plans', array['bootstrapper'], 'anon can read the plans');
select throws_ok(
  'delete from attune.plans', '42501', 'permission denied for table plans', 'anon cannot delete plans'
);

-- The trusted server

select tests.authenticate_as_service_role();

select is((select count(*) from attune.users), 3::bigint, 'service_role can see all users');
select ok(attune.viewer() is null, 'service_role is no user');
select lives_ok('select attune_hidden.require_admin()', 'service_role can pass for an administrator');
select tests.throws_reason('select attune_hidden.require_user_id()', '42501', 'not_signed_in', 'service_role cannot pass for a user');

select lives_ok($$ insert into attune.users (email) values ('Carl@Example.com') $$, 'service_role can add a user');
select results_eq(
  $$ select name, role, timezone, onboarding_completed, plan, is_admin from attune.users where email = 'Carl@Example.com' $$,
  $$ values (null::text, null::text, 'UTC', false, 'bootstrapper', false) $$,
  'a new user has the first plan and no rights'
);
select isnt_empty(
  $$ select from attune.user_emails where email = 'carl@example.com' $$, 'an e-mail is kept in lower case beside the user'
);
select lives_ok(
  $$ insert into attune.users (id, email) values ('00000000-0000-4000-8000-00000000d0aa', 'dora@example.com') $$,
  'service_role can choose the id of a new user'
);
select throws_ok(
  $$ update attune.users set id = gen_random_uuid() where email = 'dora@example.com' $$,
  '42501', 'permission denied for table users',
  'service_role cannot change an id'
);
select throws_ok(
  format('insert into attune.users (id, email) values (%L, %L)', tests.user_id('ada@example.com'), 'another@example.com'),
  '23505', 'duplicate key value violates unique constraint "users_pkey"',
  'service_role cannot choose an id that another user has'
);
select lives_ok(
  $$ delete from attune.users where email = 'dora@example.com' $$, 'service_role can delete the user whose id it chose'
);
select throws_ok(
  $$ insert into attune.user_emails (email, user_id) values ('dora@example.com', tests.user_id('ada@example.com')) $$,
  '42501', 'permission denied for table user_emails',
  'service_role cannot write the directory of e-mails'
);
select lives_ok(
  $$ update attune.users set is_admin = true where email = 'bob@example.com' $$, 'service_role can make an administrator'
);
select is(
  (select is_admin from attune.users where email = 'bob@example.com'), true, 'service_role can see that it did'
);

select tests.throws_reason(
  $$ insert into attune.users (email) values ('ADA@example.COM') $$, 'PT409', 'email_taken',
  'service_role cannot add a user with an e-mail that is taken, in whatever case'
);
select tests.throws_reason(
  $$ update attune.users set email = 'Bob@example.com' where email = 'Carl@Example.com' $$, 'PT409', 'email_taken',
  'service_role cannot change an e-mail to one that is taken'
);
select lives_ok(
  $$ update attune.users set email = 'carla@example.com' where email = 'Carl@Example.com' $$,
  'service_role can change an e-mail to one that is free'
);
select lives_ok(
  $$ insert into attune.users (email) values ('carl@example.com') $$, 'service_role can use an e-mail that was given up'
);
select tests.throws_reason(
  format('insert into attune.users (email) values (%L)', bad.email), 'PT422', 'invalid_email',
  format('service_role cannot add the e-mail %s', to_jsonb(bad.email))
)
from (values (''), ('a'), ('ada'), ('@example.com'), ('ada@'), ('a@b@c'), ('ada @example.com'), (E'ada@example.com\n'),
  ('<ada@example.com>'), (repeat('a', 65) || '@b.de')) as bad (email);
select tests.throws_reason(
  $$ insert into attune.users (email) values ('a@' || repeat('b', 253)) $$, 'PT422', 'too_large',
  'service_role cannot add an e-mail of more than 254 characters'
);
select tests.throws_reason(
  $$ insert into attune.users (email) values (' ada@example.com ') $$, 'PT409', 'email_taken',
  'service_role cannot get around an e-mail that is taken with spaces'
);
select lives_ok(
  'insert into attune.users (name) values (''Nemo''); delete from attune.users where email is null',
  'service_role can add a user without an e-mail'
);

select throws_matching(
  $$ delete from attune.plans where name = 'bootstrapper' $$, 'foreign key constraint "users_plan_fkey"',
  'service_role cannot delete a plan that somebody has'
);
select lives_ok(
  $$ insert into attune.plans (name, title, rank) values ('enterprise', 'Enterprise', 1) $$, 'service_role can add a plan'
);
select lives_ok(
  $$ update attune.users set plan = 'enterprise' where email = 'carl@example.com' $$, 'service_role can change a user''s plan'
);
select lives_ok(
  $$ delete from attune.users where email = 'carl@example.com'; delete from attune.plans where name = 'enterprise' $$,
  'service_role can delete a plan that nobody has'
);
select throws_ok(
  $$ insert into attune.plans (name, title) values ('Enterprise', 'Enterprise') $$,
  '23514', 'new row for relation "plans" violates check constraint "plans_name_check"',
  'service_role cannot name a plan in capitals'
);

select lives_ok($$ delete from attune.users where email = 'bob@example.com' $$, 'service_role can delete a user');
select is_empty($$ select from attune.user_emails where email = 'bob@example.com' $$, 'a deleted user''s e-mail is free');

-- The owner of the schema

select tests.reset_role();

select tests.throws_reason(
  $$ update attune.users set updated_at = '2000-01-01' where email = 'ada@example.com' $$, 'PT409', 'changed_meanwhile',
  'nobody can write when a row last changed'
);
select is(
  attune_private.ensure_user(' ADA@example.com '), tests.user_id('ada@example.com'),
  'the owner can find a user by e-mail, in whatever case'
);
select is(
  attune_private.ensure_user('admin@example.com', false), tests.user_id('admin@example.com'),
  'the owner can ask for a user with fewer rights'
);
select is(
  (select is_admin from attune.users where email = 'admin@example.com'), true, 'the owner cannot lower rights by asking'
);
select isnt(
  attune_private.ensure_user('new@example.com', true), null, 'the owner can have a user made who is missing'
);
select is(
  (select is_admin from attune.users where email = 'new@example.com'), true, 'a user made so has the rights asked for'
);
select tests.throws_reason(
  'select attune_private.ensure_user(null)', 'PT422', 'invalid_email',
  'the owner cannot have a user made without e-mail'
);
select tests.throws_reason(
  'truncate attune.users cascade', '42501', 'append_only',
  'the owner cannot truncate users, and with them audited settings'
);

-- What JSON can say and PostgreSQL can't hold is replaced, and keeps nobody out

select tests.reset_role();
select is(auth.jwt() ->> 'name', c.read, format('a claim %s is read', c.written))
from (values
  ('a\u0000b', E'a\ufffdb'), ('\u0000\u0000', E'\ufffd\ufffd'), ('\ud800', E'\ufffd'), ('\udc00x', E'\ufffdx'), ('\uD83D\uDE00', E'\U0001f600'),
  ('\uDE00\uD83D', E'\ufffd\ufffd'), ('\ud83d\ud83d\ude00', E'\ufffd\U0001f600'), ('\ud83d\ude00\ude00', E'\U0001f600\ufffd'), ('\\u0000', '\u0000'), ('\\\u0000', E'\\\ufffd'), ('\\ud800', '\ud800'), ('\u00e4', 'ä')
) as c (written, read),
  lateral set_config('request.jwt.claims', format('{"iss": "https://id.example.com", "sub": "odd", "name": "%s"}', c.written), true);

select * from finish();
rollback;
