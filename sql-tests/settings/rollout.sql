-- Gradual rollouts: who is in, that nobody falls out while it grows, and that the buckets are Unleash's.
begin;
select no_plan();

-- The hash, by published vectors of MurmurHash3 (x86, 32 bits)

select is(attune_private.murmur3_32(v.input, v.seed), v.hash, format('the hash of %L with seed %s is MurmurHash3''s', v.input, v.seed))
from (values
  ('', 0, 0), ('', 1, 1364076727), ('', 4294967295, 2180083513),
  ('a', 0, 1009084850), ('aaaa', 2538058380, 1519878282), ('abc', 0, 3017643002),
  ('test', 0, 3127628307), ('test', 2538058380, 1883996636),
  ('Hello, world!', 0, 3224780355), ('Hello, world!', 2538058380, 612912314),
  ('The quick brown fox jumps over the lazy dog', 0, 776992547),
  ('The quick brown fox jumps over the lazy dog', 2538058380, 799549133),
  ('ππππππππ', 2538058380, 3581961153)
) as v (input, seed, hash);
select is(attune_private.murmur3_32(null), null, 'the hash of NULL is NULL');

-- The bucket, by the values in Unleash's own tests of normalizedStrategyValue

select is(attune_private.bucket(v.group_id, v.stickiness), v.bucket, format('the bucket of %s in %s is Unleash''s', v.stickiness, v.group_id))
from (values ('gr1', '123', 73), ('groupX', '999', 25)) as v (group_id, stickiness, bucket);
select is(
  array(select distinct attune_private.bucket('k', i::text) from generate_series(1, 2000) as i order by 1), array(select generate_series(1, 100)),
  'there are buckets from 1 to 100'
);
select cmp_ok(
  (select max(abs(b.users - 200)) from (
    select count(*) as users from generate_series(1, 20000) as i group by attune_private.bucket('fair', i::text)
  ) as b), '<', 70::bigint,
  'users spread evenly over the buckets'
);

-- Users whose buckets are known

insert into attune.setting_definitions (key, category, schema, default_value, audience)
values ('new_editor', 'test', '{"type": "string"}', '"old"', 'public');
insert into attune.users (id, email) values
  ('00000000-0000-4000-8000-000000000012', 'first@example.com'),
  ('00000000-0000-4000-8000-000000000081', 'middle@example.com'),
  ('00000000-0000-4000-8000-0000000000a7', 'last@example.com');
select tests.create_user('admin@example.com', is_admin => true);

select is(attune_private.bucket('new_editor', tests.user_id(u.email)::text), u.bucket, format('%s is in bucket %s', u.email, u.bucket))
from (values ('first@example.com', 1), ('middle@example.com', 50), ('last@example.com', 100)) as u (email, bucket);

create function pg_temp.roll_out(share integer, is_enforced boolean default false) returns void language plpgsql as $$
begin
  perform tests.authenticate_as('admin@example.com');
  perform attune.set_global_setting('new_editor', '"new"', roll_out.is_enforced, roll_out.share);
end;
$$;

-- The shares, of 0 to 100, with which the user is in.
create function pg_temp.shares_of(email text) returns integer[] language plpgsql as $$
declare
  shares integer[] := '{}';
begin
  for share in 0 .. 100 loop
    perform pg_temp.roll_out(share);
    perform tests.authenticate_as(shares_of.email);
    if (attune.effective_setting('new_editor')).value = '"new"' then
      shares := shares || share;
    end if;
  end loop;
  return shares;
end;
$$;

-- The owner: a user about themselves

select is(
  pg_temp.shares_of(u.email), array(select generate_series(u.bucket, 100)),
  format('a user of bucket %s is in from %s percent on, and cannot fall out while it grows', u.bucket, u.bucket)
)
from (values ('first@example.com', 1), ('middle@example.com', 50), ('last@example.com', 100)) as u (email, bucket);

select pg_temp.roll_out(50);
select tests.authenticate_as('middle@example.com');
select results_eq(
  $$ select value, layer, reason, is_enforced, can_edit from attune.effective_setting('new_editor') $$,
  $$ values ('"new"'::jsonb, 'global'::attune.setting_layer, 'SPLIT'::attune.evaluation_reason, false, true) $$,
  'a user who is in is told that it is a split'
);
select tests.authenticate_as('last@example.com');
select results_eq(
  $$ select value, layer, reason, is_enforced, can_edit from attune.effective_setting('new_editor') $$,
  $$ values ('"old"'::jsonb, 'default'::attune.setting_layer, 'DEFAULT'::attune.evaluation_reason, false, true) $$,
  'a user who is not in falls through to the default'
);
select is(
  (select ignored_because from attune.explain_setting('new_editor') where layer = 'global'), 'outside_rollout',
  'a user who is not in can ask why'
);
select is((attune.set_preference('new_editor', '"mine"')).value, '"mine"', 'a user who is not in can choose');
select is((attune.reset_preference('new_editor')).value, '"old"', 'a user who is not in can go back to the default');

select pg_temp.roll_out(100);
select tests.authenticate_as('last@example.com');
select is((attune.effective_setting('new_editor')).reason, 'STATIC', 'a rollout to everybody is no split');

select pg_temp.roll_out(50, is_enforced => true);
select tests.authenticate_as('middle@example.com');
select tests.throws_reason(
  $$ select attune.set_preference('new_editor', '"mine"') $$, '42501', 'setting_enforced', 'a user who is in cannot choose against a lock'
);
select is((attune.effective_setting('new_editor')).can_edit, false, 'a user who is in is told so');
select tests.authenticate_as('last@example.com');
select is((attune.set_preference('new_editor', '"mine"')).value, '"mine"', 'a user who is not in can choose, as the lock is not for them');

select pg_temp.roll_out(0, is_enforced => true);
select tests.authenticate_as('first@example.com');
select is((attune.set_preference('new_editor', '"mine"')).value, '"mine"', 'a lock of 0 percent locks nobody');

-- A stranger: the same key, another bucket

select pg_temp.roll_out(1);
select tests.authenticate_as('last@example.com');
select from attune.reset_preference('new_editor');
select is((attune.effective_setting('new_editor')).value, '"old"', 'a stranger is not in because another is');

-- The administrator

select pg_temp.roll_out(50);
select is(
  (select value from attune.effective_settings_for(tests.user_id(u.email), 'test') where key = 'new_editor'), u.value::jsonb,
  'an administrator can see who is in: ' || u.email
)
from (values ('middle@example.com', '"new"'), ('last@example.com', '"old"')) as u (email, value);
select is(
  (select ignored_because from attune.explain_setting('new_editor', tests.user_id('last@example.com')) where layer = 'global'), 'outside_rollout',
  'an administrator can ask why a user is not in'
);

-- A request without a user is in no bucket

select pg_temp.roll_out(99);
select tests.authenticate_as_anon();
select is((attune.effective_setting('new_editor')).value, '"old"', 'anon cannot be in a rollout of 99 percent');
select pg_temp.roll_out(100);
select tests.authenticate_as_anon();
select is((attune.effective_setting('new_editor')).value, '"new"', 'anon can be in a rollout to everybody');

select pg_temp.roll_out(99);
select tests.authenticate_as_service_role();
select is((attune.effective_setting('new_editor')).value, '"old"', 'service_role cannot be in a rollout of 99 percent');

select * from finish();
rollback;
