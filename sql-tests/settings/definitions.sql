-- The registry: who may read and write it, what a definition must be, and that stored values never break.
begin;
select no_plan();

-- Without the copies that every user gets of what is shipped.
update attune.setting_definitions set seeding = 'inherit' where source = 'attune' and seeding = 'copy';

select tests.create_user('ada@example.com'), tests.create_user('bob@example.com');
select tests.create_user('admin@example.com', is_admin => true);

insert into attune.setting_definitions (key, category, schema, default_value, audience)
values ('public', 'test', '{"type": "string"}', '"open"', 'public'), ('private', 'test', '{"type": "integer"}', '1', 'client');

-- Any user

select tests.authenticate_as('ada@example.com');

select set_eq(
  $$ select key from attune.setting_definitions where category = 'test' $$, array['public', 'private'],
  'a user can read all definitions'
);
select is(
  (select count(*) from attune.setting_definitions where category = 'features'), 9::bigint, 'a user can read the nine toggles'
);
select throws_ok(
  $$ insert into attune.setting_definitions (key, category, schema, default_value) values ('mine', 'test', '{}', '1') $$,
  '42501', 'Only an administrator may do this',
  'a user cannot add a definition'
);
select is_empty(
  $$ update attune.setting_definitions set writable_by = 'user', layer = 'user' where true returning key $$,
  'a user cannot change a definition'
);
select is_empty('delete from attune.setting_definitions where true returning key', 'a user cannot delete a definition');
select throws_ok(
  'truncate attune.setting_definitions cascade', '42501', 'permission denied for table setting_definitions',
  'a user cannot truncate definitions'
);

-- A user who was deleted

select tests.authenticate_as(gen_random_uuid());

select set_eq('select key from attune.setting_definitions', array['public'], 'a deleted user can read public definitions only');

-- The administrator

select tests.authenticate_as('admin@example.com');

select lives_ok(
  $$ insert into attune.setting_definitions (key, category, schema, default_value) values ('temperature', 'test', '{"type": "number", "maximum": 2}', '1') $$,
  'an administrator can add a definition'
);
select results_eq(
  $$ select description, layer, writable_by, seeding, merge, audience, rollout_group, source from attune.setting_definitions where key = 'temperature' $$,
  $$ values ('', 'user'::attune.setting_layer, 'user'::attune.setting_writer, 'inherit'::attune.setting_seeding, 'replace'::attune.setting_merge,
       'client'::attune.setting_audience, 'temperature', null::text) $$,
  'a definition says what it is where nothing else is said'
);
select lives_ok(
  $$ update attune.setting_definitions set category = 'other', description = 'Warmth.' where key = 'temperature' $$,
  'an administrator can change a definition'
);
select throws_ok(
  $$ update attune.setting_definitions set key = 'warmth' where key = 'temperature' $$,
  '42501', 'permission denied for table setting_definitions',
  'an administrator cannot rename a key'
);
select tests.throws_reason(
  $$ update attune.setting_definitions set updated_at = '2000-01-01' where key = 'temperature' $$, 'PT409', 'changed_meanwhile',
  'an administrator cannot say when a definition changed, only which version was read'
);
select lives_ok($$ delete from attune.setting_definitions where key = 'temperature' $$, 'an administrator can delete a definition');

-- Keys
select tests.throws_reason(
  format($$ insert into attune.setting_definitions (key, category, schema, default_value) values (%L, 'test', '{}', '1') $$, bad.key),
  'PT422', 'invalid_key', format('an administrator cannot name a setting %s', to_jsonb(bad.key))
)
from (values
  (''), (' '), ('1st'), ('-a'), ('a b'), ('a''b'), ('a"b'), ('a;b'), ('a\b'), (E'a\n'), (E'a\tb'), ('ключ'), ('clé'), ('a‮b'),
  ('Ａ'), ('a$b'), ('a%sb'), ('a{b}')
) as bad (key);
select lives_ok(
  format($$ insert into attune.setting_definitions (key, category, schema, default_value) values (%L, 'keys', '{}', '1') $$, good.key),
  format('an administrator can name a setting %s', left(good.key, 40))
)
from (values ('a'), ('_'), ('A_B'), ('a.b-c'), ('scope/package:name@1'), (repeat('k', 200))) as good (key);
select tests.throws_reason(
  format($$ insert into attune.setting_definitions (key, category, schema, default_value) values (%L, 'test', '{}', '1') $$, repeat('k', 201)),
  'PT422', 'too_large', 'an administrator cannot name a setting in more than 200 letters'
);
select ok(
  length(tests.message_of(format(
    $$ insert into attune.setting_definitions (key, category, schema, default_value) values (%L, 'test', '{}', '1') $$, repeat('k', 100000)
  ))) < 300,
  'a refusal does not repeat a long key'
);
select throws_ok(
  $$ insert into attune.setting_definitions (key, category, schema, default_value) values ('public', 'test', '{}', '1') $$,
  '23505', 'duplicate key value violates unique constraint "setting_definitions_pkey"',
  'an administrator cannot define a key twice'
);

-- Schemas and defaults
select throws_ok(
  $$ insert into attune.setting_definitions (key, category, schema, default_value) values ('bad', 'test', '{"type": "string", "$ref": "#/x"}', '"x"') $$,
  'PT422', 'The schema of bad is not valid: /$ref: "#/x" leads nowhere',
  'an administrator cannot use a reference that leads nowhere, and is told which'
);
select tests.throws_reason(
  format($$ insert into attune.setting_definitions (key, category, schema, default_value) values ('bad', 'test', %L, '1') $$, bad.schema),
  'PT422', 'invalid_schema', format('an administrator cannot use the schema %s', left(bad.schema, 50))
)
from (values
  ('null'), ('1'), ('"string"'), ('[]'), ('{"type": "text"}'), ('{"type": []}'), ('{"minimum": "1"}'), ('{"type": 1}'),
  ('{"properties": {"a": {"if": 1}}}'), ('{"items": 1}'), ('{"pattern": "("}'), ('{"anyOf": [{"dependentSchemas": []}]}'),
  ('{"minLenght": 1}'),
  ('{"multipleOf": 0}'), ('{"required": "a"}'), (repeat('{"not":', 70) || 'true' || repeat('}', 70))
) as bad (schema);
select lives_ok(
  format($$ insert into attune.setting_definitions (key, category, schema, default_value) values ('good', 'test', %L, '1'); delete from attune.setting_definitions where key = 'good' $$, good.schema),
  format('an administrator can use the schema %s', good.schema)
)
from (values
  ('{}'), ('true'), ('{"type": ["integer", "null"]}'), ('{"title": "T", "x-widget": {"any": "thing"}, "enum": [1, 2], "enumDescriptions": ["a", "b"]}'),
  ('{"markdownDescription": "*M*", "order": 3, "deprecated": true, "examples": [1]}')
) as good (schema);
select tests.throws_reason(
  format($$ insert into attune.setting_definitions (key, category, schema, default_value) values ('bad', 'test', '{"type": "integer", "minimum": 0}', %L) $$, bad.value),
  'PT422', 'invalid_default', format('an administrator cannot use a default that the schema does not allow: %s', bad.value)
)
from (values ('-1'), ('"0"'), ('1.5'), ('{}')) as bad (value);
select lives_ok(
  format($$ insert into attune.setting_definitions (key, category, schema, default_value) values (%L, 'test', '{"type": "integer"}', %L) $$, 'not_set_' || n, v),
  'an administrator can leave the default out: ' || coalesce(v, 'NULL')
)
from (values (1, 'null'), (2, null)) as d (n, v);
select throws_ok(
  $$ update attune.setting_definitions set default_value = '"one"' where key = 'private' $$,
  'PT422', 'The default of private is not valid: must be integer',
  'an administrator cannot change a default to what the schema does not allow, and is told why'
);
select tests.throws_reason(
  $$ update attune.setting_definitions set schema = '{"type": "string"}' where key = 'private' $$, 'PT422', 'invalid_default',
  'an administrator cannot change a schema to what the default does not allow'
);
select lives_ok(
  $$ update attune.setting_definitions set schema = '{"type": "string"}', default_value = '"1"' where key = 'private' $$,
  'an administrator can change schema and default together'
);
select lives_ok(
  $$ update attune.setting_definitions set schema = '{"type": "integer"}', default_value = '1' where key = 'private' $$,
  'an administrator can change them back'
);

-- Sizes
select tests.throws_reason(
  format('update attune.setting_definitions set %I = %L where key = ''private''', big.name, big.value), 'PT422', 'too_large',
  'an administrator cannot have too large a ' || big.name
)
from (values
  ('description', repeat('d', 8001)),
  ('schema', jsonb_build_object('title', repeat('t', 65536))::text),
  ('default_value', to_jsonb(repeat('v', 65536))::text)
) as big (name, value);
select lives_ok(
  $$ update attune.setting_definitions set description = repeat('é', 8000), schema = jsonb_build_object('title', repeat('t', 65000)) where key = 'private' $$,
  'an administrator can have a long description and a large schema'
);
select throws_ok(
  format('update attune.setting_definitions set category = %L where key = ''private''', bad.category),
  '23514', 'new row for relation "setting_definitions" violates check constraint "setting_definitions_category_check"',
  format('an administrator cannot use a category of %s characters', length(bad.category))
)
from (values (''), (repeat('c', 101))) as bad (category);
select throws_ok(
  'update attune.setting_definitions set category = null where key = ''private''',
  '23502', 'null value in column "category" of relation "setting_definitions" violates not-null constraint',
  'an administrator cannot leave the category out'
);
select throws_ok(
  $$ update attune.setting_definitions set layer = 'galaxy' where key = 'private' $$,
  '22P02', 'invalid input value for enum attune.setting_layer: "galaxy"',
  'an administrator cannot use a layer that does not exist'
);

-- A request without a token

select tests.authenticate_as_anon();

select set_eq('select key from attune.setting_definitions', array['public'], 'anon can read public definitions only');
select throws_ok(
  $$ insert into attune.setting_definitions (key, category, schema, default_value) values ('mine', 'test', '{}', '1') $$,
  '42501', 'permission denied for table setting_definitions',
  'anon cannot add a definition'
);
select throws_ok(
  $$ update attune.setting_definitions set audience = 'public' $$, '42501', 'permission denied for table setting_definitions',
  'anon cannot make definitions public'
);
select throws_ok(
  'delete from attune.setting_definitions', '42501', 'permission denied for table setting_definitions', 'anon cannot delete definitions'
);

-- The trusted server

select tests.authenticate_as_service_role();

select cmp_ok((select count(*) from attune.setting_definitions), '>', 15::bigint, 'service_role can read all definitions');
select lives_ok(
  $$ insert into attune.setting_definitions (key, category, schema, default_value) values ('server', 'test', '{}', '1') $$,
  'service_role can add a definition'
);
select isnt_empty(
  $$ update attune.setting_definitions set audience = 'public' where key = 'server' returning key $$, 'service_role can change a definition'
);
select isnt_empty($$ delete from attune.setting_definitions where key = 'server' returning key $$, 'service_role can delete a definition');
select tests.throws_reason(
  $$ insert into attune.setting_definitions (key, category, schema, default_value) values ('server', 'test', '{"$ref": "#"}', '1') $$,
  'PT422', 'invalid_schema',
  'service_role cannot use a keyword that is not supported'
);

-- Stored values, of all the layers

select tests.reset_role();
insert into attune.setting_definitions (key, category, schema, default_value) values
  ('size', 'used', '{"type": "integer"}', '1'),
  ('box', 'used', '{"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}', '{"a": 1}');
insert into attune.user_preferences (user_id, key, value) values
  (tests.user_id('ada@example.com'), 'size', '10'), (tests.user_id('bob@example.com'), 'size', '20'),
  (tests.user_id('ada@example.com'), 'box', '{"b": 10}');
insert into attune.global_settings (key, value) values ('size', '30');

select tests.authenticate_as('admin@example.com');
select throws_ok(
  $$ update attune.setting_definitions set schema = '{"type": "integer", "maximum": 15}' where key = 'size' $$,
  'PT409', '2 stored values of size would no longer be allowed',
  'an administrator cannot change a schema so that stored values break, and is told how many would'
);
select tests.throws_reason(
  $$ update attune.setting_definitions set schema = '{"type": "string"}', default_value = '""' where key = 'size' $$,
  'PT409', 'stored_values_invalid',
  'an administrator cannot change a type under stored values'
);
select lives_ok(
  $$ update attune.setting_definitions set schema = '{"type": "integer", "maximum": 30}' where key = 'size' $$,
  'an administrator can change a schema as far as stored values go'
);
select throws_ok(
  $$ update attune.setting_definitions set layer = 'global' where key = 'size' $$,
  'PT409', '2 stored values of size would no longer be allowed',
  'an administrator cannot take a layer away from stored values'
);
select throws_ok(
  $$ update attune.setting_definitions set layer = 'default' where key = 'size' $$,
  'PT409', '3 stored values of size would no longer be allowed',
  'an administrator cannot take all layers away from stored values'
);
select tests.throws_reason(
  $$ update attune.setting_definitions set schema = '{"type": "object", "required": ["a"]}', default_value = '{"a": 1}' where key = 'box';
     update attune.setting_definitions set schema = '{"type": "object", "required": ["a"], "maxProperties": 1}' where key = 'box' $$,
  'PT409', 'stored_values_invalid',
  'an administrator cannot change a schema so that a stored object breaks together with the default'
);
select lives_ok(
  $$ update attune.setting_definitions set schema = '{"type": "object", "required": ["a"]}' where key = 'box' $$,
  'an administrator can require a member that the default has'
);
select tests.throws_reason(
  $$ update attune.setting_definitions set schema = '{"type": "object", "required": ["a"], "maxProperties": 1}', default_value = '{"a": 1}' where key = 'box' $$,
  'PT409', 'stored_values_invalid',
  'an administrator cannot change a default so that a stored object breaks'
);
select lives_ok(
  $$ update attune.setting_definitions set writable_by = 'admin', seeding = 'copy', audience = 'public' where key = 'size' $$,
  'an administrator can change what does not touch stored values'
);
select throws_ok(
  $$ delete from attune.setting_definitions where key = 'size' $$, 'PT409', 'size has 3 stored values',
  'an administrator cannot delete a definition that has stored values, and is told how many'
);
select lives_ok($$ select attune.reset_global_setting('size') $$, 'an administrator can reset a global value');
select lives_ok(
  $$ delete from attune.user_preferences where key = 'size' $$, 'an administrator can reset the users'' values that only administrators may write'
);
select lives_ok($$ delete from attune.setting_definitions where key = 'size' $$, 'an administrator can delete a definition without stored values');

-- A value that is switched off is stored, too.
select tests.reset_role();
update attune.user_preferences set is_active = false where key = 'box';
select tests.authenticate_as('admin@example.com');
select tests.throws_reason(
  $$ delete from attune.setting_definitions where key = 'box' $$, 'PT409', 'setting_in_use',
  'an administrator cannot delete a definition whose stored values are switched off'
);

-- The owner of the schema

select tests.reset_role();

select tests.throws_reason(
  $$ delete from attune.setting_definitions where key = 'box' $$, 'PT409', 'setting_in_use',
  'the owner cannot delete a definition that has stored values'
);
select tests.throws_reason(
  'truncate attune.setting_definitions cascade', '42501', 'append_only', 'the owner cannot truncate definitions, which would not be audited'
);
select lives_ok(
  $$ update attune.setting_definitions set key = 'crate' where key = 'box' $$, 'the owner can rename a key'
);
select results_eq(
  $$ select key, value from attune.user_preferences $$, $$ values ('crate', '{"b": 10}'::jsonb) $$, 'stored values follow their key'
);
select tests.throws_reason(
  $$ update attune.setting_definitions set key = 'chest', schema = '{"type": "object", "required": ["a"], "maxProperties": 1}' where key = 'crate' $$,
  'PT422', 'invalid_value',
  'the owner cannot rename a key and break its stored values at once'
);
select ok(
  (select updated_at > now() from attune.setting_definitions where key = 'crate'),
  'a definition says when it last changed, each time later than before'
);

select tests.throws_reason(
  $$
    insert into attune.setting_definitions (key, category, schema, default_value, seeding)
    values ('zoned', 'test', '{"type": "object", "properties": {"zone": {"x-time-zone": true}}}', '{"zone": "Mars/Phobos"}', 'copy')
  $$,
  'PT422', 'invalid_timezone', 'a default is a time zone, where one is asked for: a copy of it would let nobody sign up'
);
select tests.throws_reason(
  $$
    insert into attune.setting_definitions (key, category, schema, default_value)
    values ('secret', 'test', '{"type": "object", "x-no-secrets": true}', '{"token": "abc"}')
  $$,
  'PT422', 'secret_in_setting', 'nor is a default a secret'
);

select * from finish();
rollback;
