-- Who may ask what changed, and what is no cursor. What is told of transactions that end is test/changes.test.ts.
begin;
select no_plan();

select tests.create_user('ann@example.com');
select tests.create_user('admin@example.com', is_admin => true);

-- A user

select tests.authenticate_as('ann@example.com');
select ok(
  (attune.changes_since()).cursor ~ '^[0-9a-f]{16}:[0-9]+:[0-9]+:[0-9]+:([0-9]+(,[0-9]+)*)?$',
  'a cursor is an identity, a witness and a snapshot'
);
select results_eq(
  $$ select c.must_refetch, c.setting_keys, c.notification_ids, c.knowledge_entry_ids from attune.changes_since() as c $$,
  $$ values (false, '{}'::text[], '{}'::uuid[], '{}'::uuid[]) $$,
  'without a cursor nothing has changed yet'
);
select results_eq(
  $$ select c.must_refetch, c.setting_keys from attune.changes_since((attune.changes_since()).cursor) as c $$,
  $$ values (false, '{}'::text[]) $$,
  'nor since a cursor that was made just now'
);
select throws_ok(
  format('select attune.changes_since(%L)', c.wrong),
  'PT400',
  'This is no cursor',
  'a cursor has a form: ' || c.wrong
)
from (values (''), ('now'), ('0123456789abcdef'), ('0123456789abcdef:9:3:'), ('0123456789abcdef:1:99999999999999999999999:')) as c (wrong);
select throws_ok(
  $$ select attune.changes_since(repeat('7', 65537)) $$,
  'PT422',
  'The cursor is too large: 65537 characters, at most 65536 are allowed',
  'a cursor has a limit'
);
select is(
  (attune.changes_since('0123456789abcdef:0:3:3:')).must_refetch,
  true,
  'a cursor of another database says: fetch everything'
);
select results_eq(
  $$ select s.key from attune.effective_settings_of('{REALTIME_ENABLED,DARK_MODE_ENABLED,no.such,DARK_MODE_ENABLED}') as s $$,
  $$ select s.key from attune.effective_settings() as s where s.key in ('DARK_MODE_ENABLED', 'REALTIME_ENABLED') $$,
  'some settings are read by their keys, in the order of all, and what is not there is left out'
);
select is_empty(
  $$ select from attune.effective_settings_of('{PASSWORD_COST}') $$,
  'what the caller is not shown is left out, too'
);
select is_empty($$ select from attune.effective_settings_of(null) $$, 'no keys, no settings');
select throws_ok(
  $$ select attune.effective_settings_of(array_fill('x'::text, array[1001])) $$,
  'PT422',
  'The list of settings is too large: 1001 keys, at most 1000 are allowed',
  'the list has a limit'
);
select throws_ok(
  $$ select attune.effective_settings_of('{DARK_MODE_ENABLED}', gen_random_uuid()) $$,
  'PT404',
  null,
  'nobody reads in a project that is not theirs'
);
select throws_ok(
  $$ select * from attune_hidden.outbox(null, '{}') $$,
  '42501',
  'permission denied for function outbox',
  'what is announced to others is for trusted servers'
);
select throws_ok(
  $$ select attune_hidden.users_of('{}') $$,
  '42501',
  'permission denied for function users_of',
  'whose a token is, too'
);

-- Nobody

select tests.set_request('anon', null);
select throws_ok(
  $$ select attune.changes_since() $$,
  '42501',
  'Nobody is signed in',
  'nothing changes for nobody'
);
select throws_ok($$ select attune.changes_since('now') $$, '42501', 'Nobody is signed in', 'whatever the cursor');

-- A trusted server

select tests.set_request('service_role', null);
select throws_ok(
  $$ select attune.changes_since() $$,
  '42501',
  'Nobody is signed in',
  'a server that acts for nobody asks by outbox()'
);
select results_eq(
  format(
    $$ select o.user_id, (o.changes).must_refetch from attune_hidden.outbox('0123456789abcdef:0:3:3:', array[%L]::uuid[]) as o $$,
    tests.user_id('ann@example.com')
  ),
  $$ values (null::uuid, true) $$,
  'a cursor that says nothing concerns everybody'
);
select is(
  attune_hidden.users_of(array[
    format('{"sub": "%s", "iss": "attune"}', tests.user_id('ann@example.com')),
    format('{"sub": "%s", "session_id": "%s"}', tests.user_id('ann@example.com'), gen_random_uuid()),
    '{"sub": "00000000-0000-4000-8000-000000000000"}',
    '{}'
  ]),
  array[tests.user_id('ann@example.com'), null, null, null],
  'a token is its user''s, or nobody''s'
);
select is(nullif(current_setting('request.jwt.claims'), ''), null, 'who asks is who they were afterwards');
select is(attune_hidden.users_of('{}'), '{}', 'no tokens, no users');
select is(attune_hidden.users_of(null), '{}', 'null neither');

-- The records of what decides about a user

select tests.reset_role();
update attune.users set is_admin = true, plan = plan where id = tests.user_id('ann@example.com');
select tests.authenticate_as('ann@example.com');
select results_eq(
  $$
    select l.subject::text, l.layer::text, l.key, l.previous_value, l.new_value
    from attune.configuration_audit_log as l
    where l.user_id = tests.user_id('ann@example.com')
      and l.subject = 'user'
  $$,
  $$ values ('user', null, 'is_admin', 'false'::jsonb, 'true'::jsonb) $$,
  'that somebody was given rights is in the audit log, for them too'
);

select * from finish();
rollback;
