-- Variants of a global value: who gets which, and what an administrator may split.
begin;
select plan(32);

select tests.create_user('ada@example.com');
select tests.create_user('admin@example.com', true);

create function pg_temp.outcome(key text)
returns text
language sql
as $$ select concat_ws(' ', value, layer, reason, variant) from attune.effective_setting($1) $$;

-- As Unleash

create temp table vectors (stickiness text, group_id text, bucket integer, variant integer);
grant all on vectors to public;
insert into vectors
values
  ('123', 'gr1', 73, 796),
  ('999', 'groupX', 25, 260),
  ('00000000-0000-4000-8000-000000000001', 'TEST_FLAG', 67, 875),
  ('00000000-0000-4000-8000-000000000002', 'TEST_FLAG', 25, 170),
  ('00000000-0000-4000-8000-000000000003', 'TEST_FLAG', 7, 798),
  ('00000000-0000-4000-8000-000000000004', 'TEST_FLAG', 76, 604),
  ('6f1d2b34-5a6b-4c7d-8e9f-0a1b2c3d4e5f', 'TEST_FLAG', 82, 196);

select results_eq(
  'select attune_private.bucket(group_id, stickiness) from vectors',
  'select bucket from vectors',
  'a bucket is the normalizedStrategyValue of unleash-client 6.12'
);
select results_eq(
  $$
    select (attune_private.choose_variant(split.variants, v.group_id, v.stickiness) ->> 'name')::integer
    from vectors as v, (
      select jsonb_agg(jsonb_build_object('name', n::text, 'weight', 1, 'value', n)) from generate_series(1, 1000) as n
    ) as split (variants)
  $$,
  'select variant from vectors',
  'the variant is at the normalizedVariantValue of unleash-client 6.12'
);
select is(
  attune_private.choose_variant(
    '[{"name": "never", "weight": 0}, {"name": "a", "weight": 796}, {"name": "b", "weight": 204}]', 'gr1', '123'
  ) ->> 'name',
  'a',
  'a weight covers the numbers up to its end, and no weight none'
);
select is(
  attune_private.choose_variant('[{"name": "a", "weight": 795}, {"name": "b", "weight": 205}]', 'gr1', '123') ->> 'name',
  'b',
  'one less, and it is the next'
);
select is(
  attune_private.choose_variant('[{"name": "a", "weight": 1000}]', 'gr1', null),
  null,
  'nobody in particular is in no variant'
);
select results_eq(
  $$
    select count(*) between 1800 and 2200, count(distinct c.name)
    from (
      select attune_private.choose_variant(
        '[{"name": "a", "weight": 200}, {"name": "b", "weight": 800}]', 'SPLIT', n::text
      ) ->> 'name' as name
      from generate_series(1, 10000) as n
    ) as c
    where c.name = 'a'
  $$,
  'values (true, 1::bigint)',
  'a fifth of the weight is a fifth of the users'
);

-- What an administrator may split

select tests.authenticate_as('admin@example.com');
insert into attune.setting_definitions (key, category, schema, default_value, audience)
values
  ('TEST_COLOUR', 'test', '{"enum": ["red", "green", "blue"]}', '"red"', 'public'),
  ('TEST_LAYOUT', 'test', '{"type": "object", "properties": {"columns": {"type": "integer"}}}', '{"columns": 1, "dense": false}', 'public');

select lives_ok(
  $$ select attune.set_global_variants('TEST_COLOUR', '[{"name": "sea", "weight": 1000, "value": "blue"}]') $$,
  'an administrator splits a setting that had no global value'
);
select is(
  pg_temp.outcome('TEST_COLOUR'), '"blue" global SPLIT sea',
  'the result names the variant'
);
select tests.authenticate_as('ada@example.com');
select is(pg_temp.outcome('TEST_COLOUR'), '"blue" global SPLIT sea', 'a user is in it');
select is(attune.settings_document('test') ->> 'TEST_COLOUR', 'blue', 'the document holds its value');
select attune.set_preference('TEST_COLOUR', '"green"');
select is(pg_temp.outcome('TEST_COLOUR'), '"green" user TARGETING_MATCH', 'who chose has no variant');
select throws_ok(
  $$ select attune.set_global_variants('TEST_COLOUR', 'null') $$,
  '42501', 'Only an administrator may do this', 'a user splits nothing'
);
select attune.reset_preference('TEST_COLOUR');
select tests.authenticate_as_anon();
select is(pg_temp.outcome('TEST_COLOUR'), '"red" global STATIC', 'without a user the value itself applies');
select tests.authenticate_as('admin@example.com');

select throws_ok(
  format('select attune.set_global_variants(%L, %L)', 'TEST_COLOUR', b.variants),
  'PT422', 'The variants are not valid: ' || b.problem, b.says
)
from (values
  ('{}', 'must be array', 'variants are a list'),
  ('[]', 'must NOT have fewer than 1 items', 'an empty list is none'),
  ('[{"name": "a", "weight": 0, "value": "red"}]', 'no weight is above 0', 'some weight is above 0'),
  ('[{"name": "a", "weight": 500, "value": "red"}, {"name": "a", "weight": 500, "value": "blue"}]', '/1/name: another has the same name', 'names are unique'),
  ('[{"name": "a", "weight": -1, "value": "red"}, {"name": "b", "weight": 1000001, "value": "red"}]', '/0/weight: must be >= 0; /1/weight: must be <= 1000000', 'a weight is 0 to a million'),
  ('[{"name": "a", "weight": 1000}]', '/0: must have required property ''value''', 'a variant has a value')
) as b (variants, problem, says);

select throws_ok(
  $$ select attune.set_global_variants('TEST_COLOUR', '[{"name": "a", "weight": 1000, "value": "pink"}]') $$,
  'PT422', 'The variants of TEST_COLOUR are not valid: /0/value: must be equal to one of the allowed values: "red", "green", "blue"',
  'each value satisfies the schema'
);
select throws_ok(
  $$ select attune.set_global_variants('TEST_NOTHING', '[{"name": "a", "weight": 1000, "value": 1}]') $$,
  'PT404', 'There is no setting ''TEST_NOTHING''', 'an unknown setting has no variants'
);
select throws_ok(
  $$ update attune.setting_definitions set schema = '{"enum": ["red", "green"]}' where key = 'TEST_COLOUR' $$,
  'PT409', '1 stored values of TEST_COLOUR would no longer be allowed', 'a value of a variant is a stored value'
);

select attune.set_global_setting('TEST_COLOUR', '"red"', true, 0);
select is(
  (select variants from attune.global_settings where key = 'TEST_COLOUR'), '[{"name": "sea", "weight": 1000, "value": "blue"}]',
  'a new global value keeps the split'
);
select tests.throws_reason(
  $$ select attune.set_global_variants('TEST_COLOUR', null) $$, 'PT422', 'value_required', 'what is not sent ends no split'
);
select is(pg_temp.outcome('TEST_COLOUR'), '"red" default DEFAULT', 'a split stays within the rollout');
select ok((select is_enforced from attune.global_settings where key = 'TEST_COLOUR'), 'and leaves the lock');

select attune.set_global_setting('TEST_LAYOUT', '{"dense": true}');
select attune.set_global_variants('TEST_LAYOUT', '[{"name": "wide", "weight": 1000, "value": {"columns": 3}}]');
select is(
  pg_temp.outcome('TEST_LAYOUT'), '{"dense": true, "columns": 3} global SPLIT wide',
  'an object of a variant is merged over the global value'
);
select attune.set_global_variants('TEST_LAYOUT', 'null');
select is(pg_temp.outcome('TEST_LAYOUT'), '{"dense": true, "columns": 1} global STATIC', 'null ends the split');

select attune.set_global_variants('TEST_COLOUR', '[{"name": "sea", "weight": 500.0, "value": "blue"}, {"name": "lake", "weight": 5e2, "value": "blue"}]');
select is((attune.effective_setting('TEST_COLOUR')).layer, 'default', 'a whole number is one however it is written');
select attune.set_global_variants('TEST_COLOUR', '[{"name": "sea", "weight": 1000, "value": "blue"}]');

insert into attune.setting_definitions (key, category, schema, default_value) values
  ('TEST_EITHER', 'test', '{"properties": {"a": {"type": "integer"}}}', '{"a": 1}'),
  ('TEST_PLACE', 'test', '{"properties": {"zone": {"x-time-zone": true}}}', '{}');
select throws_ok(
  $$ select attune.set_global_variants('TEST_EITHER', '[{"name": "a", "weight": 1000, "value": {"a": "x"}}]') $$,
  'PT422', 'The variants of TEST_EITHER are not valid: /0/value/a: must be integer',
  'the members of a variant satisfy the schema'
);
select throws_ok(
  $$ select attune.set_global_variants('TEST_PLACE', '[{"name": "a", "weight": 1000, "value": {"zone": "Nowhere"}}]') $$,
  'PT422', 'The variants of TEST_PLACE are not valid: /0/value/zone: is no time zone', 'a variant is no way around an annotation'
);

select tests.reset_role();
select is(
  (
    select l.new_attributes -> 'variants' -> 0 ->> 'name'
    from attune.configuration_audit_log as l
    where l.key = 'TEST_COLOUR' and l.operation = 'INSERT' and l.layer = 'global'
  ),
  'sea',
  'the audit log keeps the variants'
);

select * from finish();
rollback;
