-- The outbox: claimed by one worker at a time, tried again, and rid of its tokens.
begin;
select no_plan();

insert into attune.global_settings (key, value) values ('PASSWORD_COST', '4');
select attune.register(format('user%s@example.com', n), 'correct horse', 'User ' || n) from generate_series(1, 3) as n;

create temp table claimed (id bigint, purpose attune.mail_purpose, recipient text, payload jsonb, created_at timestamptz, expires_at timestamptz, attempts integer, round integer);
grant all on claimed to public;

-- A user, and a request without a token

select tests.authenticate_as('user1@example.com');
select throws_ok('select attune.claim_mails()', '42501', 'permission denied for function claim_mails', 'a user cannot claim mails');
select throws_ok('select attune.complete_mail(1)', '42501', 'permission denied for function complete_mail', 'a user cannot complete a mail');
select throws_ok(
  'select * from attune_private.mail_outbox', '42501', 'permission denied for schema attune_private', 'a user cannot read the outbox'
);
select tests.authenticate_as_anon();
select throws_ok('select attune.claim_mails()', '42501', 'permission denied for function claim_mails', 'anon cannot claim mails');

-- The trusted server

select tests.authenticate_as_service_role();
select throws_ok(
  'select * from attune_private.mail_outbox', '42501', 'permission denied for schema attune_private',
  'service_role cannot read the outbox but by claiming'
);
insert into claimed select m.*, 1 from attune.claim_mails(2) as m;
insert into claimed select m.*, 2 from attune.claim_mails(2) as m;
select results_eq(
  'select round, count(*) from claimed group by round order by round', 'values (1, 2::bigint), (2, 1::bigint)',
  'a mail is claimed once'
);
select results_eq(
  $$ select distinct purpose, attempts, expires_at, payload ->> 'name' = 'User ' || substring(recipient from 5 for 1),
       payload ->> 'token' ~ '^[A-Za-z0-9_-]{64}$' from claimed $$,
  $$ values ('verify_email'::attune.mail_purpose, 1, now() + interval '1 day', true, true) $$,
  'a mail says what it is for, to whom, and its token'
);
select is_empty('select attune.claim_mails()', 'there is nothing more to claim');
select tests.throws_reason(
  format('select attune.claim_mails(%L, %L)', bad.size, bad.lease), 'PT422', 'invalid_claim',
  format('service_role cannot claim %s mails for %s', bad.size, bad.lease)
)
from (values (0, '1 minute'), (1001, '1 minute'), (null, '1 minute'), (1, '0 seconds'), (1, '2 days'), (1, null)) as bad (size, lease);

select lives_ok(format('select attune.complete_mail(%s)', (select min(id) from claimed)), 'service_role can complete a mail');
select lives_ok(format('select attune.complete_mail(%s)', (select min(id) from claimed)), 'service_role can complete a mail twice');
select lives_ok(
  format('select attune.fail_mail(%s, %L)', (select max(id) from claimed), repeat('no route ', 1000)), 'service_role can say that a mail failed, and why'
);
select tests.throws_reason(
  format('select attune.fail_mail(%s, %L)', (select min(id) from claimed), 'late'), 'PT404', 'unknown_mail',
  'service_role cannot fail a mail that was delivered'
);
select tests.throws_reason('select attune.complete_mail(0)', 'PT404', 'unknown_mail', 'service_role cannot complete a mail that there is not');
select tests.throws_reason('select attune.fail_mail(0, null)', 'PT404', 'unknown_mail', 'service_role cannot fail a mail that there is not');

-- By the clock

select tests.reset_role();
select results_eq(
  'select payload ? ''token'', delivered_at is not null from attune_private.mail_outbox order by id',
  'values (false, true), (true, false), (true, false)',
  'a delivered mail has no token'
);
select is_empty($$ select attune_private.claim_mails(10, '1 minute', now() + interval '29 seconds') $$, 'a claim lasts, and a failure waits');
select is(
  (select count(*) from attune_private.claim_mails(10, '1 minute', now() + interval '31 seconds')), 1::bigint,
  'a mail that failed is due again after a while'
);
select is(
  (select count(*) from attune_private.claim_mails(10, '1 minute', now() + interval '61 seconds')), 1::bigint,
  'a mail whose worker never came back is due again after the lease'
);
select is(
  (select problem from attune_private.mail_outbox order by id desc limit 1), left(repeat('no route ', 1000), 1000), 'the outbox keeps why'
);
select is_empty($$ select attune_private.claim_mails(10, '1 minute', now() + interval '1 day') $$, 'an expired mail is not sent');
select is_empty($$ select from attune_private.mail_outbox where payload ? 'token' $$, 'an expired mail has no token');
select attune_private.remove_expired(now() + interval '2 days');
select is((select count(*) from attune_private.mail_outbox), 3::bigint, 'mails are kept for a while');
select is_empty('select from attune_private.one_time_tokens', 'expired tokens are removed');
select attune_private.remove_expired(now() + interval '32 days');
select is_empty('select from attune_private.mail_outbox', 'mails are removed 30 days after they expired');

select * from finish();
rollback;
