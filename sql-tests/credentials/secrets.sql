-- How secrets are kept: under which key, in which place, and what is found out about them.
begin;
select no_plan();

select tests.create_user('ada@example.com');
select tests.create_user('bob@example.com');
insert into attune.teams (name) values ('Team');
create function public.key_is(key text, previous text default '') returns void language sql
  begin atomic
    select set_config('attune.master_key', key, true), set_config('attune.previous_master_key', previous, true);
  end;
create function public.resolve(email text, provider text) returns text language sql
  begin atomic
    select (attune.resolve_credential(tests.user_id(resolve.email), resolve.provider)).secret;
  end;

-- The master key

select tests.authenticate_as('ada@example.com');
select tests.throws_reason($$ select attune.set_credential('openai', 'sk-ada-0') $$, 'PT409', 'master_key_missing', 'no secret is set without a master key');
select tests.throws_reason(
  format($$ select public.key_is(%L); select attune.set_credential('openai', 'sk-ada-0') $$, key),
  'PT409', reason, says
)
from (values
  ('', 'master_key_missing', 'as none counts an empty one'),
  ('change-me', 'invalid_master_key', 'a word is none'),
  (repeat('0a', 31), 'invalid_master_key', 'nor are 31 bytes'),
  (repeat('0a', 33), 'invalid_master_key', 'nor 33'),
  (encode(decode(repeat('0a', 31), 'hex'), 'base64'), 'invalid_master_key', 'in base64 either')
) as k (key, reason, says);
select is(
  tests.message_of($$ select public.key_is('sk-not-a-key'); select attune.set_credential('openai', 'sk-ada-0') $$),
  'attune.master_key is not a key of 32 bytes',
  'what was given instead is not repeated'
);
select tests.reset_role();
select is_empty('select from attune_private.master_key', 'no key was taken for the one that it is');

select public.key_is(repeat('0a', 32));
select tests.authenticate_as('ada@example.com');
select attune.set_credential('openai', 'sk-ada-openai');
select public.key_is(encoded) is null and (attune.set_credential('google', 'sk-ada-google')).provider = 'google' as set
from (values
  (encode(decode(repeat('0a', 32), 'hex'), 'base64')),
  (rtrim(translate(encode(decode(repeat('0a', 32), 'hex'), 'base64'), '+/', '-_'), '=')),
  (upper(repeat('0a', 32)))
) as k (encoded);
select public.key_is(repeat('0b', 32));
select tests.throws_reason($$ select attune.set_credential('openai', 'sk-ada-1') $$, 'PT409', 'wrong_master_key', 'nothing is set under another key');
select lives_ok($$ select attune.set_credential('openai', label => 'Mine') $$, 'a label needs none');
select tests.authenticate_as_service_role();
select tests.throws_reason($$ select public.resolve('ada@example.com', 'openai') $$, 'PT409', 'wrong_master_key', 'nor read');
select public.key_is('');
select tests.throws_reason($$ select public.resolve('ada@example.com', 'openai') $$, 'PT409', 'master_key_missing', 'nor without one');
select public.key_is(repeat('0b', 32), repeat('0a', 32));
select is(public.resolve('ada@example.com', 'openai'), 'sk-ada-openai', 'the previous one reads as well');
select tests.authenticate_as('bob@example.com');
select lives_ok($$ select attune.set_credential('openai', 'sk-bob-openai') $$, 'and writes, as long as it is the one');
select tests.reset_role();
select is((select count(distinct s.master_key_mark) from attune_private.credential_secrets as s), 1::bigint, 'so that all are under one');
select public.key_is(repeat('0a', 32));

-- The same secret twice is nowhere the same

select attune_private.store_team_credential(attune_private.current_caller(), t.id, 'openai', 'sk-ada-openai', null, null)
from attune.teams as t;
select attune_private.store_shared_credential(attune_private.current_caller(), 'openai', 'sk-ada-openai', null, null);
create temp view sealed as
select s.user_id::text as owner, 'credential_secrets' as in_table, s.provider, s.data_key, s.ciphertext from attune_private.credential_secrets as s
union all
select s.team_id::text, 'team_credential_secrets', s.provider, s.data_key, s.ciphertext from attune_private.team_credential_secrets as s
union all
select '', 'shared_credential_secrets', s.provider, s.data_key, s.ciphertext from attune_private.shared_credential_secrets as s;
select is((select count(distinct s.ciphertext) from sealed as s), (select count(*) from sealed), 'no two ciphertexts are equal');
select is((select count(distinct substring(s.ciphertext from 2 for 16)) from sealed as s), (select count(*) from sealed), 'nor their vectors');
select is((select count(distinct s.data_key) from sealed as s), (select count(*) from sealed), 'nor the data keys');

-- What was changed, or is elsewhere than where it was put, is not read

create table public.kept as select s.* from attune_private.credential_secrets as s;
create function public.reason_of_reading(email text, provider text) returns text language plpgsql as $$
declare
  reason text;
begin
  return 'read ' || public.resolve(email, provider);
exception when others then
  get stacked diagnostics reason = pg_exception_detail;
  return concat_ws(' ', sqlstate, reason);
end;
$$;
create function public.after_change(new_data_key bytea, new_ciphertext bytea) returns text language plpgsql as $$
declare
  result text;
begin
  update attune_private.credential_secrets as s
  set data_key = new_data_key, ciphertext = new_ciphertext
  where s.user_id = tests.user_id('ada@example.com') and s.provider = 'openai';
  result := public.reason_of_reading('ada@example.com', 'openai');
  update attune_private.credential_secrets as s
  set data_key = k.data_key, ciphertext = k.ciphertext
  from public.kept as k
  where k.user_id = s.user_id and k.provider = s.provider;
  return result;
end;
$$;
create temp view ada as
select k.* from public.kept as k where k.user_id = tests.user_id('ada@example.com') and k.provider = 'openai';

select is(public.after_change(a.data_key, a.ciphertext), 'read sk-ada-openai', 'as it was it is read') from ada as a;
select results_eq(
  $$
    select distinct public.after_change(set_byte(a.data_key, at, get_byte(a.data_key, at) # (1 << (at % 8))), a.ciphertext)
    from ada as a
    cross join generate_series(0, octet_length(a.data_key) - 1) as at
  $$,
  $$ values ('PT422 secret_damaged') $$, 'one bit of any byte of the data key'
);
select results_eq(
  $$
    select distinct public.after_change(a.data_key, set_byte(a.ciphertext, at, get_byte(a.ciphertext, at) # (1 << (at % 8))))
    from ada as a
    cross join generate_series(0, octet_length(a.ciphertext) - 1) as at
  $$,
  $$ values ('PT422 secret_damaged') $$, 'or of the secret, and it is not'
);
select results_eq(
  $$
    select distinct result
    from ada as a
    cross join generate_series(0, greatest(octet_length(a.data_key), octet_length(a.ciphertext)) - 1) as length
    cross join lateral (
      values (public.after_change(substring(a.data_key for length), a.ciphertext)),
        (public.after_change(a.data_key, substring(a.ciphertext for length)))
    ) as r (result)
    where length < least(octet_length(a.data_key), octet_length(a.ciphertext))
  $$,
  $$ values ('PT422 secret_damaged') $$, 'nor when it ends earlier'
);
select results_eq(
  $$
    select distinct r.result
    from ada as a
    cross join sealed as o
    cross join lateral (
      values (public.after_change(o.data_key, o.ciphertext)), (public.after_change(o.data_key, a.ciphertext)),
        (public.after_change(a.data_key, o.ciphertext))
    ) as r (result)
    where (o.owner, o.provider, o.in_table) <> (a.user_id::text, 'openai', 'credential_secrets')
  $$,
  $$ values ('PT422 secret_damaged') $$,
  'nor what another user, provider, team or everybody has, the whole of it or a part'
);
select is(
  public.after_change(a.ciphertext, a.data_key), 'PT422 secret_damaged', 'nor both the other way round'
) from ada as a;
select is(public.reason_of_reading('ada@example.com', 'openai'), 'read sk-ada-openai', 'and as it was it is read again');
select is(
  tests.message_of($$ update attune_private.credential_secrets set ciphertext = data_key; select public.resolve('ada@example.com', 'openai') $$),
  'The stored secret is not what was stored for this provider and owner',
  'nothing of it is in the message'
);

-- Where PostgreSQL would log it

select lives_ok('select attune_hidden.prepare_for_secrets()', 'PostgreSQL logs nothing of what it is given');
select tests.throws_reason(
  format($$ set local %s; select attune_hidden.prepare_for_secrets() $$, setting),
  'PT409', 'parameters_are_logged', setting
)
from (values ('debug_print_plan = on'), ('auto_explain.log_min_duration = 0'), ('pgaudit.log_parameter = on')) as s (setting);
select tests.throws_reason(
  $$ set local auto_explain.log_min_duration = 0; select attune.set_credential('openai', 'sk-ada-1') from tests.authenticate_as('ada@example.com') $$,
  'PT409', 'parameters_are_logged', 'no secret is taken then'
);

-- Another master key

select tests.throws_reason(
  format('select public.key_is(%L, %L); select attune_private.start_rotation()', new_key, old_key), 'PT409', reason, says
)
from (values
  (repeat('0c', 32), '', 'master_key_missing', 'it takes the old key'),
  ('', repeat('0a', 32), 'master_key_missing', 'and a new one'),
  (repeat('0a', 32), repeat('0a', 32), 'wrong_master_key', 'which is another'),
  (repeat('0c', 32), repeat('0d', 32), 'wrong_master_key', 'and the right old one'),
  (repeat('0c', 32), 'change-me', 'invalid_master_key', 'which is a key')
) as k (new_key, old_key, reason, says);
select results_eq(
  'select k.mark from attune_private.master_key as k', 'select distinct k.master_key_mark from public.kept as k', 'and changes nothing else'
);
select public.key_is(repeat('0c', 32), repeat('0a', 32));
select tests.throws_reason(
  format('select attune_private.rewrap_data_keys(%s)', size), 'PT422', 'invalid_batch_size', format('%s is no batch', size)
)
from (values ('0'), ('10001'), ('null')) as s (size);
select is(attune_private.start_rotation(), 5::bigint, 'five are under the old key');
select results_eq('select * from attune_private.rewrap_data_keys(2)', 'values (2, 0)', 'two are wrapped');
select is(public.reason_of_reading(email, provider), 'read ' || secret, format('%s of %s is read meanwhile', provider, email))
from (values
  ('ada@example.com', 'openai', 'sk-ada-openai'), ('ada@example.com', 'google', 'sk-ada-google'), ('bob@example.com', 'openai', 'sk-bob-openai')
) as s (email, provider, secret);
select is(attune_private.start_rotation(), 3::bigint, 'three are left when it is begun again');
select public.key_is(repeat('0d', 32), repeat('0c', 32));
select tests.throws_reason('select attune_private.start_rotation()', 'PT409', 'wrong_master_key', 'and no third key comes between');
select public.key_is(repeat('0c', 32), repeat('0a', 32));
select results_eq('select * from attune_private.rewrap_data_keys(100)', 'values (3, 0)', 'the rest are wrapped');
select results_eq('select * from attune_private.rewrap_data_keys(100)', 'values (0, 0)', 'and none is left');
select results_eq(
  'select s.ciphertext from attune_private.credential_secrets as s order by s.user_id, s.provider',
  'select k.ciphertext from public.kept as k order by k.user_id, k.provider',
  'the secrets themselves are as they were'
);
select public.key_is(repeat('0c', 32));
select is(public.resolve('ada@example.com', 'openai'), 'sk-ada-openai', 'the new key alone reads them');
select public.key_is(repeat('0a', 32));
select tests.throws_reason($$ select public.resolve('ada@example.com', 'openai') $$, 'PT409', 'wrong_master_key', 'the old one no more');

-- A data key that is damaged keeps nothing up

update attune_private.shared_credential_secrets set data_key = ciphertext;
select public.key_is(repeat('0e', 32), repeat('0c', 32));
select attune_private.start_rotation();
select results_eq('select * from attune_private.rewrap_data_keys(100)', 'values (4, 1)', 'it is counted');
select results_eq('select * from attune_private.rewrap_data_keys(100)', 'values (0, 0)', 'once');
delete from attune.credentials where user_id = tests.user_id('bob@example.com');
select is(public.reason_of_reading('bob@example.com', 'openai'), 'PT422 secret_damaged', 'and is not read');

-- Where no secret is left, any key will do

select public.key_is(repeat('0f', 32));
delete from attune.credentials;
delete from attune.team_credentials;
select tests.authenticate_as('ada@example.com');
select tests.throws_reason($$ select attune.set_credential('openai', 'sk-ada-1') $$, 'PT409', 'wrong_master_key', 'one is left');
select tests.reset_role();
delete from attune.shared_credentials;
select tests.authenticate_as('ada@example.com');
select lives_ok($$ select attune.set_credential('openai', 'sk-ada-1') $$, 'the next secret decides');
select tests.authenticate_as_service_role();
select is(public.resolve('ada@example.com', 'openai'), 'sk-ada-1', 'under which it is read');

-- A mark that was changed

select tests.reset_role();
create function public.change_mark() returns void language sql
  begin atomic
    update attune_private.credential_secrets set master_key_mark = set_byte(master_key_mark, 0, get_byte(master_key_mark, 0) # 1);
  end;
select public.change_mark();
select is(public.reason_of_reading('ada@example.com', 'openai'), 'PT422 secret_damaged', 'is no other key, but damage');
select public.key_is(repeat('10', 32), repeat('0f', 32));
select is(attune_private.start_rotation(), 1::bigint, 'it keeps up no change of keys');
select results_eq('select * from attune_private.rewrap_data_keys(100)', 'values (1, 0)', 'which finds the key');
select is(public.reason_of_reading('ada@example.com', 'openai'), 'read sk-ada-1', 'and mends it');
select public.change_mark();
select is(attune_private.start_rotation(), 1::bigint, 'also when it is under the new one already');
select results_eq('select * from attune_private.rewrap_data_keys(100)', 'values (1, 0)', 'which is found as well');
select is(public.reason_of_reading('ada@example.com', 'openai'), 'read sk-ada-1', 'and read');
select public.change_mark();
update attune_private.credential_secrets set data_key = ciphertext;
select attune_private.start_rotation();
select results_eq('select * from attune_private.rewrap_data_keys(100)', 'values (0, 1)', 'under no key at all it is damaged');

-- Before the first secret, and after the last

delete from attune.credentials;
delete from attune_private.master_key;
select is(attune_private.start_rotation(), 0::bigint, 'keys change before there is a secret');
select public.key_is(repeat('0f', 32));
select tests.authenticate_as('ada@example.com');
select tests.throws_reason($$ select attune.set_credential('openai', 'sk-ada-2') $$, 'PT409', 'wrong_master_key', 'the old one is then taken no more');
select public.key_is(repeat('10', 32));
select lives_ok($$ select attune.set_credential('openai', 'sk-ada-2') $$, 'but the new one');
select tests.reset_role();
select public.key_is(repeat('0f', 32), repeat('10', 32));
select is(attune_private.start_rotation(), 1::bigint, 'the old one can be made the new one again');
select public.key_is(repeat('11', 32), repeat('0f', 32));
select tests.throws_reason('select attune_private.start_rotation()', 'PT409', 'wrong_master_key', 'but none before that has ended');

select * from finish();
rollback;
