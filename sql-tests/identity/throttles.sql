-- Who has to wait, and who has not: failures of strangers, and what is limited a day.
begin;
select no_plan();

insert into attune.global_settings (key, value) values ('PASSWORD_COST', '4');

create function pg_temp.reason(tokens attune.session_tokens) returns text language sql as $$ select (tokens.refusal).reason $$;
create function pg_temp.come_from(address text) returns void language sql as $$ select set_config('attune.client_address', address, true) $$;
create function pg_temp.fail(email text, times integer, device_token text default null) returns void language plpgsql as $$
begin
  for n in 1..times loop
    perform attune.login(email, 'wrong horse', device_token);
  end loop;
end;
$$;

select pg_temp.come_from('192.0.2.1');
create temp table ada as select t.* from attune.register('ada@example.com', 'correct horse') as t;
select attune.register(name || '@example.com', 'correct horse') from unnest(array['bob', 'cid', 'dan', 'eve']) as n (name);
grant select on ada to public;
select matches((select device_token from ada), '^[A-Za-z0-9_-]{43}$', 'who signs in gets a token of the device');

-- Strangers fail; who is known signs in

select tests.authenticate_as_anon();
select pg_temp.come_from('203.0.113.1');
select pg_temp.fail('ada@example.com', 5);
select pg_temp.come_from('192.0.2.1');
select is(pg_temp.reason(attune.login('ada@example.com', 'correct horse')), 'too_many_attempts', 'an account waits after five failures');
select is(
  pg_temp.reason(attune.login('ada@example.com', 'correct horse', (select device_token from ada))), null, 'a known device does not wait for strangers'
);
select pg_temp.come_from('203.0.113.1');
select pg_temp.fail('ada@example.com', 1);
select is(
  pg_temp.reason(attune.login('ada@example.com', 'correct horse', (select device_token from ada))), null, 'nor does it from the strangers'' address'
);
select is(
  (attune.login('ada@example.com', 'correct horse', (select device_token from ada))).device_token, (select device_token from ada),
  'a known device keeps its token'
);
select is(
  pg_temp.reason(attune.login('bob@example.com', 'wrong horse', (select device_token from ada))), 'invalid_credentials',
  'a device is known for its user only'
);
select is(pg_temp.reason(attune.login('ada@example.com', 'correct horse', bad.token)), 'too_many_attempts', format('%s is no known device', to_jsonb(bad.token)))
from (values (''), ('guess'), (repeat('A', 43)), (repeat('x', 100000)), (null)) as bad (token);
select pg_temp.fail('ada@example.com', 5, (select device_token from ada));
select is(
  pg_temp.reason(attune.login('ada@example.com', 'correct horse', (select device_token from ada))), 'too_many_attempts',
  'a known device waits after its own five failures: a thief has no more guesses by it'
);

-- Whoever is signed in

select tests.set_request('authenticated', to_jsonb(access_token)) from ada;
select is((attune.change_password('wrong horse', 'battery staple')).reason, 'wrong_password', 'a session may fail')
from generate_series(1, 4);
select is(attune.change_password('correct horse', 'correct horse')::text, null, 'strangers'' failures keep nobody from changing the password');
select is((attune.change_password('wrong horse', 'battery staple')).reason, 'wrong_password', 'a session may fail again')
from generate_series(1, 5);
select is((attune.change_password('correct horse', 'battery staple')).reason, 'too_many_attempts', 'a session waits after its own five failures');

-- An office behind one address

select tests.authenticate_as_anon();
select pg_temp.come_from('198.51.100.7');
select pg_temp.fail('somebody' || n || '@example.com', 1) from generate_series(1, 99) as n;
select is(pg_temp.reason(attune.login('cid@example.com', 'correct horse')), null, 'an address may fail 99 times with different accounts');
select pg_temp.fail('somebody100@example.com', 1);
select is(pg_temp.reason(attune.login('dan@example.com', 'correct horse')), 'too_many_attempts', 'an address waits after 100');
select pg_temp.come_from('');
select is(pg_temp.reason(attune.login('dan@example.com', 'correct horse')), null, 'where no address is known, accounts alone are counted');
select pg_temp.fail('eve@example.com', 5);
select is(pg_temp.reason(attune.login('eve@example.com', 'correct horse')), 'too_many_attempts', 'an account waits, wherever its failures came from');

-- The devices that were used last

select tests.reset_role();
delete from attune_private.login_attempts;
select attune_private.login('bob@example.com', 'correct horse', at => now() + make_interval(secs => n)) from generate_series(1, 30) as n;
select is(
  (select array[count(*), extract(epoch from min(last_used_at) - now())::bigint] from attune_private.known_devices
   where user_id = tests.user_id('bob@example.com')),
  array[20, 11]::bigint[], 'the 20 devices of a user that were used last are known'
);
select attune_private.request_password_reset('bob@example.com');
select attune_private.reset_password(m.payload ->> 'token', 'battery staple') from attune_private.claim_mails(100, '1 minute') as m where m.purpose = 'reset_password';
select is_empty(
  $$ select from attune_private.known_devices where user_id = tests.user_id('bob@example.com') $$, 'no device is known any more when the password was reset'
);
select is_empty($$ select from attune_private.known_devices as d, ada where position(d.token_hash in convert_to(ada.device_token, 'UTF8')) > 0 $$, 'a device is stored as a hash');

-- Registrations

insert into attune.global_settings (key, value) values ('REGISTRATIONS_PER_DAY', '2');
select tests.authenticate_as_anon();
select pg_temp.come_from('2001:db8::1');
select lives_ok($$ select attune.register('r1@example.com', 'correct horse') $$, 'an address can register');
select pg_temp.come_from('2001:db8::2');
select lives_ok($$ select attune.register('r2@example.com', 'correct horse') $$, 'an address can register as often as is allowed');
select tests.throws_reason(
  $$ select attune.register('r3@example.com', 'correct horse') $$, 'PT429', 'too_many_registrations', 'an address cannot register more a day, nor can those beside it'
);
select tests.throws_reason(
  $$ select attune.register('r1@example.com', 'correct horse') $$, 'PT429', 'too_many_registrations', 'who may not register does not learn who has'
);
select pg_temp.come_from('2001:db8:0:1::1');
select lives_ok($$ select attune.register('r3@example.com', 'correct horse') $$, 'another address can');
select pg_temp.come_from('2001:db8::2');
select tests.authenticate_as_service_role();
select lives_ok($$ select attune.register('r4@example.com', 'correct horse') $$, 'service_role registers as many as it likes');
select tests.reset_role();
select lives_ok($$ select attune_private.register('r5@example.com', 'correct horse', null, now() + interval '1 day') $$, 'the next day an address can register again');
create function pg_temp.retry_after(call text) returns text language plpgsql as $$
declare
  carried text;
begin
  execute call;
  return null;
exception
  when sqlstate 'PT429' then
    get stacked diagnostics carried = constraint_name;
    return carried;
end;
$$;
select tests.authenticate_as_anon();
select pg_temp.come_from('2001:db8:0:1::1');
select attune.register('r6@example.com', 'correct horse');
select matches(
  pg_temp.retry_after($c$ select attune.register('r7@example.com', 'correct horse') $c$), '^retry_after_[0-9]{1,5}$', 'a refusal for now says for how long'
);
select tests.reset_role();
update attune.global_settings set value = '0' where key = 'REGISTRATIONS_PER_DAY';
select tests.authenticate_as_anon();
select pg_temp.come_from('192.0.2.200');
select tests.throws_reason($$ select attune.register('r7@example.com', 'correct horse') $$, 'PT429', 'too_many_registrations', 'with 0 nobody registers');

-- Mails

select tests.reset_role();
delete from attune.global_settings where key = 'REGISTRATIONS_PER_DAY';
insert into attune.global_settings (key, value) values ('MAILS_PER_DAY', '3'), ('MAILS_PER_DAY_AND_ADDRESS', '10');
create function pg_temp.asked(recipient text) returns bigint language sql security definer as $$
  select count(*) from attune_private.mail_outbox as m where m.recipient = asked.recipient and m.purpose = 'reset_password';
$$;
select pg_temp.come_from('192.0.2.77');
do $$
begin
  for n in 0..9 loop
    perform set_config('attune.client_address', format('192.0.2.%s', n), true);
    perform attune_private.request_password_reset('flooded@example.com', date_trunc('day', now() at time zone 'UTC') at time zone 'UTC' + make_interval(mins => n));
  end loop;
end;
$$;
select is(pg_temp.asked('flooded@example.com'), 3::bigint, 'an account gets so many mails a day, whether it exists or not');
select attune_private.request_password_reset('flooded@example.com', now() + interval '1 day');
select is(pg_temp.asked('flooded@example.com'), 4::bigint, 'the next day it gets one again');
select tests.authenticate_as_anon();
select pg_temp.come_from('192.0.2.88');
select lives_ok(format('select attune.request_password_reset(%L)', 'm' || n || '@example.com'), 'an address can ask for a mail') from generate_series(1, 10) as n;
select tests.throws_reason(
  $$ select attune.request_password_reset('m11@example.com') $$, 'PT429', 'too_many_mails', 'an address cannot ask for more a day'
);
select lives_ok('select attune.request_password_reset(''no address'')', 'what is no address asks for nothing');
select tests.authenticate_as('ada@example.com');
select tests.throws_reason('select attune.request_email_verification()', 'PT429', 'too_many_mails', 'nor for mails that verify an address');
select tests.reset_role();
select pg_temp.come_from('192.0.2.99');
select attune.register('again@example.com', 'correct horse');
delete from attune.users where email = 'again@example.com';
select attune.register('again@example.com', 'correct horse');
select is(
  (select count(*) from attune_private.mail_outbox where recipient = 'again@example.com'), 0::bigint, 'deleting the account gives an address no more mails'
);
select tests.authenticate_as_service_role();
select lives_ok($$ select attune.request_password_reset('m12@example.com') $$, 'service_role asks for as many as it likes');

select tests.reset_role();
select attune_private.remove_expired(now() + interval '4 days');
select is_empty('select from attune_private.daily_amounts', 'what was counted is forgotten');
select attune_private.remove_expired(now() + interval '401 days');
select is_empty('select from attune_private.known_devices', 'a device that was not used for 400 days is not known any more');

select * from finish();
rollback;
