-- An attempt to sign in with a provider is used once, at whichever server.
begin;
select no_plan();

select tests.authenticate_as_service_role();
select ok(attune_hidden.spend_sign_in('one', '10 minutes'), 'an attempt can be used');
select ok(not attune_hidden.spend_sign_in('one', '10 minutes'), 'it cannot be used again');
select ok(attune_hidden.spend_sign_in('another', '1 minute'), 'another attempt can be used');

select tests.reset_role();
select tests.create_user('ada@example.com');
select tests.authenticate_as('ada@example.com');
select throws_ok(
  $$ select attune_hidden.spend_sign_in('two', '10 minutes') $$, '42501', 'permission denied for function spend_sign_in',
  'a user cannot use up attempts'
);
select tests.authenticate_as_anon();
select throws_ok(
  $$ select attune_hidden.spend_sign_in('two', '10 minutes') $$, '42501', 'permission denied for function spend_sign_in',
  'anon cannot use up attempts'
);

select tests.reset_role();
select attune_private.remove_expired(now() + interval '5 minutes');
select results_eq(
  'select attempt_hash from attune_private.spent_sign_ins', $$ values (sha256('one')) $$,
  'what is too old to be shown again is removed, and nothing else'
);

select * from finish();
rollback;
