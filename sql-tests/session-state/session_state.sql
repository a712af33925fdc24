-- Session state: kept for seven days, for its user alone.
begin;
select no_plan();

select tests.create_user('ada@example.com');
select tests.create_user('bob@example.com');
select tests.create_user('admin@example.com', true);

select tests.authenticate_as('ada@example.com');
select is((attune.session_state('tab')).session_key, null, 'there is nothing at first');
select results_eq(
  $$ select s.current_context, s.ui_state, s.expires_at from attune.save_session_state('tab', '{"page": 1}', '{"open": true}') as s $$,
  $$ values ('{"page": 1}'::jsonb, '{"open": true}'::jsonb, now() + interval '7 days') $$,
  'what is saved is kept for seven days'
);
select results_eq(
  $$ select s.current_context, s.ui_state from attune.session_state('tab') as s $$,
  $$ values ('{"page": 1}'::jsonb, '{"open": true}'::jsonb) $$,
  'and read back'
);
select results_eq(
  $$ select s.current_context, s.ui_state from attune.save_session_state('tab', ui_state => '{"open": false}') as s $$,
  $$ values ('{"page": 1}'::jsonb, '{"open": false}'::jsonb) $$,
  'what is not given stays'
);
select throws_ok(
  $$ select attune.save_session_state('tab', jsonb_build_object('x', repeat('x', 65536))) $$,
  'PT422', 'The current context is too large: 65545 bytes, at most 65536 are allowed', 'a context has a limit'
);
select throws_ok(
  $$ select attune.save_session_state('tab', null, jsonb_build_object('x', repeat('x', 65536))) $$,
  'PT422', 'The interface''s state is too large: 65545 bytes, at most 65536 are allowed', 'as has the interface'
);
select tests.throws_reason(
  format('select attune.save_session_state(%L, %L, %L)', 'tab', context, state), 'PT422', 'value_too_deep', says
)
from (values
  (repeat('[', 65) || repeat(']', 65), null, 'a context has 64 levels of arrays'),
  (repeat('{"a":', 65) || '1' || repeat('}', 65), null, 'as of objects'),
  (null, repeat('[{"a":', 33) || '1' || repeat('}]', 33), 'as has the interface, of both'),
  (repeat('[', 5000) || repeat(']', 5000), null, 'however much deeper it is')
) as d (context, state, says);
select is(
  (attune.save_session_state('tab', format('%s1%s', repeat('[', 64), repeat(']', 64))::jsonb)).current_context #>> array_fill('0'::text, array[64]),
  '1', 'and 64 of them are kept'
);
select attune.save_session_state('tab', '{"page": 1}');
select throws_ok(
  format('select attune.save_session_state(%L)', key),
  'PT422', 'A session key has 1 to 200 characters', says
)
from (values ('', 'a session has a name'), (repeat('x', 201), 'not too long a one')) as k (key, says);
select throws_ok(
  $$ update attune.user_session_state set expires_at = 'infinity' $$,
  '42501', 'permission denied for table user_session_state', 'nobody makes it last longer'
);

select count(attune.save_session_state('tab ' || n)) from generate_series(1, 50) as n;
select is((select count(*) from attune.user_session_state), 50::bigint, 'a user holds fifty');
select is((attune.session_state('tab')).session_key, null, 'the oldest has gone');
select is((attune.session_state('tab 50')).session_key, 'tab 50', 'the newest is there');

select tests.reset_role();
update attune.user_session_state set expires_at = now() where session_key in ('tab 1', 'tab 2', 'tab 3');
update attune.user_session_state set expires_at = now() + interval '1 second', current_context = '{"old": 1}'
where session_key = 'tab 4';
select tests.authenticate_as('ada@example.com');
select is((attune.session_state('tab 1')).session_key, null, 'what has expired is gone at once');
select is((select count(*) from attune.user_session_state), 47::bigint, 'from the table as well');
select is((attune.save_session_state('tab 4')).expires_at, now() + interval '7 days', 'a save puts it off');
select is((attune.session_state('tab 4')).current_context, '{"old": 1}', 'and keeps what there was');
select is((attune.save_session_state('tab 1')).current_context, '{}', 'what had expired does not come back');
select lives_ok($$ delete from attune.user_session_state where session_key = 'tab 4' $$, 'a user may end a session');
select tests.authenticate_as('admin@example.com');
select attune.set_global_setting('SESSION_STATE_DAYS', '8.0');
select tests.authenticate_as('ada@example.com');
select is((attune.save_session_state('tab 5')).expires_at, now() + interval '8 days', 'administrators say how many days, however they write it');

select tests.authenticate_as('bob@example.com');
select is_empty($$ select from attune.user_session_state $$, 'a stranger sees nothing');
select is((attune.session_state('tab 50')).session_key, null, 'nor asks for another''s');

select tests.reset_role();
update attune.user_session_state set expires_at = now() where session_key in ('tab 5', 'tab 6', 'tab 7');
select tests.authenticate_as('admin@example.com');
select is_empty($$ select from attune.user_session_state $$, 'an administrator sees none either');
select tests.authenticate_as('00000000-0000-4000-8000-0000000000ff'::uuid);
select tests.throws_reason(
  $$ select attune.save_session_state('') $$, '42501', 'not_signed_in', 'nobody saves nothing, whatever it is called'
);

select tests.authenticate_as_anon();
select throws_ok(
  $$ select attune.save_session_state('tab') $$, '42501', 'Nobody is signed in', 'anon saves nothing'
);
select tests.authenticate_as_service_role();
select cmp_ok(attune.remove_expired(), '>=', 3::bigint, 'a trusted server removes what has expired');
select tests.reset_role();
select is_empty('select from attune.user_session_state where expires_at <= now()', 'all of it');

select * from finish();
rollback;
