-- The registry as a document: what applying one does, what it refuses, and that what is exported changes nothing.
begin;
select no_plan();

-- Without the copies that every user gets of what is shipped.
update attune.setting_definitions set seeding = 'inherit' where source = 'attune' and seeding = 'copy';

select tests.create_user('ada@example.com'), tests.create_user('bob@example.com');
select tests.create_user('admin@example.com', is_admin => true);

create temp table documents (name text primary key, document jsonb);
insert into documents values
  ('first', $$ {
    "$id": "app", "type": "object", "x-attune": {"category": "editor"},
    "properties": {
      "editor.size": {"type": "integer", "minimum": 1, "default": 12, "description": "Points.", "x-attune": {"audience": "public"}},
      "editor.theme": {"type": "string", "enum": ["light", "dark"], "enumDescriptions": ["Bright", "Dim"], "default": "light"},
      "editor.font": {"type": "object", "properties": {"name": {"type": "string"}}, "markdownDescription": "*Font*"},
      "model": {"type": "string", "default": "small", "x-attune": {"category": "ai", "layer": "global", "writable_by": "admin", "seeding": "copy"}}
    }
  } $$),
  ('second', $$ {
    "$id": "app", "type": "object", "x-attune": {"category": "editor"},
    "properties": {
      "editor.size": {"type": "integer", "minimum": 1, "maximum": 20, "default": 14, "description": "Points.", "x-attune": {"audience": "public"}},
      "editor.theme": {"type": "string", "enum": ["light", "dark"], "enumDescriptions": ["Bright", "Dim"], "default": "light"},
      "model": {"type": "string", "default": "small", "x-attune": {"category": "ai", "layer": "global", "writable_by": "admin", "seeding": "copy"}},
      "editor.zoom": {"type": "number", "default": 1}
    }
  } $$);
grant select on documents to public;
create function pg_temp.document(name text) returns jsonb language sql as $$ select d.document from documents as d where d.name = document.name $$;
create function pg_temp.patched(patch jsonb) returns jsonb language sql as $$ select attune_hidden.json_merge_patch(pg_temp.document('first'), patch) $$;

-- A user: the owner of a value

select tests.authenticate_as('ada@example.com');
select tests.throws_reason(
  'select attune.apply_definitions(pg_temp.document(''first''))', '42501', 'admin_required', 'a user cannot apply a document'
);
select tests.throws_reason(
  'select attune.apply_definitions(pg_temp.document(''first''), true)', '42501', 'admin_required', 'a user cannot try one'
);
select tests.throws_reason('select attune.apply_definitions(null)', '42501', 'admin_required', 'a user cannot apply NULL');
select lives_ok($$ select attune.export_definitions('attune') $$, 'a user can export what they can read');

-- The administrator

select tests.authenticate_as('admin@example.com');

select results_eq(
  'select action, key, stored_values from attune.apply_definitions(pg_temp.document(''first''), dry_run => true)',
  $$ values ('added'::attune.definition_action, 'editor.font', 0::bigint), ('added', 'editor.size', 0), ('added', 'editor.theme', 0), ('added', 'model', 0) $$,
  'an administrator can ask what applying would do'
);
select is_empty($$ select from attune.setting_definitions where source = 'app' $$, 'asking changes nothing');
select results_eq(
  'select action, key, stored_values from attune.apply_definitions(pg_temp.document(''first''))',
  $$ values ('added'::attune.definition_action, 'editor.font', 0::bigint), ('added', 'editor.size', 0), ('added', 'editor.theme', 0), ('added', 'model', 0) $$,
  'an administrator can apply a document'
);
select results_eq(
  $$ select key, category, description, default_value, layer, writable_by, seeding, audience
     from attune.setting_definitions where source = 'app' order by key $$,
  $$ values
    ('editor.font', 'editor', '*Font*', 'null'::jsonb, 'user'::attune.setting_layer, 'user'::attune.setting_writer, 'inherit'::attune.setting_seeding, 'client'::attune.setting_audience),
    ('editor.size', 'editor', 'Points.', '12', 'user', 'user', 'inherit', 'public'),
    ('editor.theme', 'editor', '', '"light"', 'user', 'user', 'inherit', 'client'),
    ('model', 'ai', '', '"small"', 'global', 'admin', 'copy', 'client') $$,
  'a document says what its settings are, and for all of them'
);
select is(
  (select schema from attune.setting_definitions where key = 'editor.theme'),
  '{"type": "string", "enum": ["light", "dark"], "enumDescriptions": ["Bright", "Dim"]}', 'annotations are kept for user interfaces'
);
select is(
  (select count(*) from attune.setting_definitions where source = 'attune'), 82::bigint, 'the settings of another document stay as they are'
);
select results_eq(
  'select distinct action, changes from attune.apply_definitions(pg_temp.document(''first''))',
  $$ values ('unchanged'::attune.definition_action, '{}'::jsonb) $$,
  'applying again changes nothing'
);
select is_empty(
  $$ select from attune.configuration_audit_log where layer = 'default' and key like 'editor.%' and operation <> 'INSERT' $$,
  'applying again leaves no audit row'
);

select results_eq(
  'select action, key, changes from attune.apply_definitions(pg_temp.document(''second''), true)',
  $$ values
    ('removed'::attune.definition_action, 'editor.font', (select jsonb_build_object(
      'category', '{"from": "editor", "to": null}'::jsonb,
      'description', '{"from": "*Font*", "to": null}'::jsonb, 'audience', '{"from": "client", "to": null}'::jsonb,
      'merge', '{"from": "deep", "to": null}'::jsonb, 'rollout_group', '{"from": "editor.font", "to": null}'::jsonb,
      'is_protected', '{"from": false, "to": null}'::jsonb,
      'layer', '{"from": "user", "to": null}'::jsonb, 'seeding', '{"from": "inherit", "to": null}'::jsonb,
      'source', '{"from": "app", "to": null}'::jsonb, 'writable_by', '{"from": "user", "to": null}'::jsonb,
      'schema', '{"from": {"type": "object", "properties": {"name": {"type": "string"}}, "markdownDescription": "*Font*"}, "to": null}'::jsonb))),
    ('changed', 'editor.size', '{"default_value": {"from": 12, "to": 14},
      "schema": {"from": {"type": "integer", "minimum": 1}, "to": {"type": "integer", "minimum": 1, "maximum": 20}}}'),
    ('unchanged', 'editor.theme', '{}'),
    ('added', 'editor.zoom', '{"category": {"from": null, "to": "editor"}, "default_value": {"from": null, "to": 1},
      "description": {"from": null, "to": ""}, "audience": {"from": null, "to": "client"}, "merge": {"from": null, "to": "replace"},
      "rollout_group": {"from": null, "to": "editor.zoom"}, "is_protected": {"from": null, "to": false}, "layer": {"from": null, "to": "user"},
      "schema": {"from": null, "to": {"type": "number"}}, "seeding": {"from": null, "to": "inherit"},
      "source": {"from": null, "to": "app"}, "writable_by": {"from": null, "to": "user"}}'),
    ('unchanged', 'model', '{}') $$,
  'an administrator can see what would be added, changed and removed, from what to what'
);

-- Values that people have set
select tests.authenticate_as('ada@example.com');
select from attune.set_preferences('{"editor.size": 30, "editor.theme": "dark", "editor.font": {"name": "Mono"}}');
select tests.authenticate_as('bob@example.com');
select from attune.set_preferences('{"editor.size": 16}');
select tests.authenticate_as('admin@example.com');
select from attune.set_global_setting('editor.font', '{"name": "Sans"}');

select throws_ok(
  'select attune.apply_definitions(pg_temp.document(''second''))',
  'PT409', 'Stored values would no longer be allowed: editor.font (2), editor.size (1)',
  'an administrator cannot remove or change what people have set, and is told how many have'
);
select tests.throws_reason(
  $$ select attune.apply_definitions(pg_temp.document('second'), false, null) $$, 'PT409', 'stored_values_invalid',
  'an administrator cannot discard values by NULL'
);
select is((select count(*) from attune.setting_definitions where key = 'editor.zoom'), 0::bigint, 'of a document that is refused nothing is applied');
select results_eq(
  $$ select key, stored_values from attune.apply_definitions(pg_temp.document('second'), true) where stored_values > 0 $$,
  $$ values ('editor.font', 2::bigint), ('editor.size', 1) $$,
  'an administrator can ask how many values are in the way'
);
select is((select count(*) from attune.user_preferences), 4::bigint, 'asking discards nothing');
select lives_ok(
  $$ select attune.apply_definitions(pg_temp.document('second'), stored_values => 'discard') $$, 'an administrator can have those values discarded'
);
select results_eq(
  'select user_id, key, value from attune.user_preferences order by key, value',
  $$ values (tests.user_id('bob@example.com'), 'editor.size', '16'::jsonb), (tests.user_id('ada@example.com'), 'editor.theme', '"dark"') $$,
  'only values that are no longer allowed are discarded'
);
select is_empty('select from attune.global_settings where key = ''editor.font''', 'global values are discarded, too');
select set_eq(
  $$ select actor_id, layer, key, previous_value from attune.configuration_audit_log where operation = 'DELETE' and layer <> 'default' $$,
  $$ values (tests.user_id('admin@example.com'), 'user'::attune.setting_layer, 'editor.size', '30'::jsonb),
    (tests.user_id('admin@example.com'), 'user', 'editor.font', '{"name": "Mono"}'), (tests.user_id('admin@example.com'), 'global', 'editor.font', '{"name": "Sans"}') $$,
  'what was discarded is in the log'
);
select set_eq(
  $$ select key from attune.setting_definitions where source = 'app' $$, array['editor.size', 'editor.theme', 'editor.zoom', 'model'],
  'the registry is in line with the document'
);

-- A layer that is taken away
select tests.throws_reason(
  $$ select attune.apply_definitions(attune_hidden.json_merge_patch(pg_temp.document('second'), '{"properties": {"editor.theme": {"x-attune": {"layer": "global"}}}}')) $$,
  'PT409', 'stored_values_invalid',
  'an administrator cannot take a layer away from values that people have set'
);

-- What is exported
create function pg_temp.round_trip(source text) returns setof text language sql as $$
  select c.action || ' ' || c.key || ' ' || c.changes
  from attune.apply_definitions(attune.export_definitions(round_trip.source)) as c where c.action <> 'unchanged'
$$;
select is_empty('select pg_temp.round_trip(''app'')', 'applying what was exported changes nothing');
select is_empty('select pg_temp.round_trip(''attune'')', 'applying what Attune ships changes nothing');
update attune.setting_definitions
set description = 'Edited.', category = 'elsewhere', seeding = 'copy', writable_by = 'admin', audience = 'public' where key = 'editor.theme';
update attune.setting_definitions set description = '' where key = 'editor.size';
select is_empty('select pg_temp.round_trip(''app'')', 'applying what was exported after an edit changes nothing');
select is(
  attune.export_definitions('app') #> '{properties,editor.theme}',
  '{"type": "string", "enum": ["light", "dark"], "enumDescriptions": ["Bright", "Dim"], "default": "light", "description": "Edited.",
    "x-attune": {"category": "elsewhere", "layer": "user", "writable_by": "admin", "seeding": "copy", "merge": "replace", "audience": "public"}}',
  'what is exported says everything'
);
select is(
  attune.export_definitions('nope'), '{"$id": "nope", "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "properties": {}}',
  'an unknown source is a document without settings'
);

-- Made by hand
insert into attune.setting_definitions (key, category, schema, default_value) values ('hand.made', 'test', '{"type": "integer"}', '1');
select ok(
  attune.export_definitions() -> 'properties' ? 'hand.made' and not attune.export_definitions() ? '$id', 'an administrator can export what was made by hand'
);
select results_eq(
  $$ select key, changes from attune.apply_definitions(attune.export_definitions() || '{"$id": "hand"}') $$,
  $$ values ('hand.made', '{"source": {"from": null, "to": "hand"}}'::jsonb) $$,
  'a document can adopt what was made by hand'
);
select throws_ok(
  $$ select attune.apply_definitions('{"$id": "thief", "properties": {"hand.made": {"type": "integer"}, "model": {"type": "string"}}}') $$,
  'PT409', 'Another document declares hand.made (hand), model (app)',
  'a document cannot take what another declares, and is told which'
);
select results_eq(
  $$ select key, action from attune.apply_definitions('{"$id": "hand", "properties": {}}') $$,
  $$ values ('hand.made', 'removed'::attune.definition_action) $$,
  'a document without settings removes those of its source'
);
select lives_ok(
  $$ select attune.apply_definitions('{"title": "Titled", "properties": {"t": {"type": ["string", "null"]}, "u": {"enum": [null, 1]}, "v": {"type": "array"}}}') $$,
  'a document can be known by its title'
);
select results_eq(
  $$ select key, source, category, default_value from attune.setting_definitions where source = 'Titled' order by key $$,
  $$ values ('t', 'Titled', 'Titled', 'null'::jsonb), ('u', 'Titled', 'Titled', 'null'), ('v', 'Titled', 'Titled', 'null') $$,
  'a setting without a default is not set'
);

-- What is no such document
select tests.throws_reason(
  format('select attune.apply_definitions(%L)', bad.document), 'PT422', 'invalid_document',
  format('an administrator cannot apply %s', left(coalesce(bad.document, 'NULL'), 70))
)
from (values
  (null), ('null'), ('1'), ('"x"'), ('[]'), ('true'), ('{}'),
  ('{"properties": {}}'), ('{"$id": "x"}'), ('{"$id": "x", "properties": []}'), ('{"$id": "x", "properties": null}'),
  ('{"$id": "", "properties": {}}'), ('{"$id": 1, "properties": {}}'), ('{"$id": null, "title": "T", "properties": {}}'),
  ('{"$id": "x", "type": "array", "properties": {}}'), ('{"$id": "x", "x-attune": 1, "properties": {}}'),
  ('{"$id": "' || repeat('x', 201) || '", "properties": {}}')
) as bad (document);
select tests.throws_reason(
  format('select attune.apply_definitions(%L)', jsonb_build_object('$id', 'x', 'properties', jsonb_build_object('k', bad.property::jsonb))),
  'PT422', 'invalid_document', format('an administrator cannot declare a setting as %s', left(bad.property, 70))
)
from (values
  ('1'), ('null'), ('[]'), ('"string"'), ('{"x-attune": {"assertFormat": "yes"}}'), ('{"x-attune": true}'), ('{"x-attune": {"layer": "galaxy"}}'), ('{"x-attune": {"layer": 1}}'),
  ('{"x-attune": {"writable_by": "me"}}'), ('{"x-attune": {"seeding": "both"}}'), ('{"x-attune": {"is_public": "yes"}}'),
  ('{"x-attune": {"is_public": null}}'), ('{"x-attune": {"category": ""}}'), ('{"x-attune": {"category": 1}}'),
  ('{"x-attune": {"category": "' || repeat('c', 101) || '"}}'), ('{"x-attune": {"unknown": 1}}'), ('{"description": 1}')
) as bad (property);
select tests.throws_reason(
  format('select attune.apply_definitions(%L)', jsonb_build_object('$id', 'x', 'properties', jsonb_build_object(bad.key, bad.property::jsonb))),
  'PT422', bad.reason, format('an administrator cannot declare %s as %s', left(bad.key, 20), left(bad.property, 50))
)
from (values
  ('', '{}', 'invalid_key'), ('a b', '{}', 'invalid_key'), ('ключ', '{}', 'invalid_key'), (repeat('k', 201), '{}', 'too_large'),
  ('k', '{"$ref": "#/nope"}', 'invalid_schema'), ('k', '{"type": "integer", "default": "x"}', 'invalid_default'),
  ('k', '{"minLenght": 1}', 'invalid_schema'), ('k', '{"enum": [1], "default": null, "minimum": "1"}', 'invalid_schema'),
  ('k', jsonb_build_object('description', repeat('d', 8001))::text, 'too_large')
) as bad (key, property, reason);
select tests.throws_reason(
  $$ select attune.apply_definitions('{"$id": "x", "properties": {"good": {}, "k": {"$ref": "https://example.com/k.json"}}}', true) $$, 'PT422', 'invalid_schema',
  'an administrator cannot try what could not be applied'
);
select is_empty($$ select from attune.setting_definitions where source = 'x' $$, 'of a document that is not valid nothing is applied');

-- All problems at once, and the rest without them
create function pg_temp.mixed() returns jsonb language sql as $$
  select '{"$id": "mixed", "properties": {
    "$schema": {"type": "string"}, "bad key": {}, "default": {"type": "integer", "default": "x"}, "good": {"type": "integer", "default": 1, "note": "N"},
    "kept": {"type": "string", "default": "a"}, "schema": {"minLenght": 1, "properties": {"a": {"$ref": "#/no"}}}
  }}'::jsonb
$$;
select throws_ok(
  'select attune.apply_definitions(pg_temp.mixed())', 'PT422',
  '3 of the settings cannot be applied: /properties/bad key: ''bad key'' is no name for a setting; '
  '/properties/default: The default of default is not valid: must be integer; '
  '/properties/schema: keyword "minLenght" is unknown: is "minLength" meant?; /properties/a/$ref: "#/no" leads nowhere',
  'an administrator is told every setting that cannot be applied, where and why'
);
select tests.throws_reason('select attune.apply_definitions(pg_temp.mixed())', 'PT422', 'invalid_document', 'whose reasons differ');
select lives_ok(
  $$ select attune.apply_definitions('{"$id": "mixed", "properties": {"schema": {"type": "string", "default": "old"}, "default": {"default": 2}}}') $$,
  'two of them are there in an earlier form'
);
select results_eq(
  $$ select action, key, problem, warnings from attune.apply_definitions(pg_temp.mixed(), skip_invalid => true) $$,
  $$ values
    ('skipped'::attune.definition_action, '$schema', null, '{"/properties/$schema: is no setting"}'::text[]),
    ('skipped', 'bad key', '''bad key'' is no name for a setting', '{}'),
    ('skipped', 'default', 'The default of default is not valid: must be integer', '{}'),
    ('added', 'good', null, '{"/properties/good: keyword \"note\" is unknown and decides nothing"}'),
    ('added', 'kept', null, '{}'),
    ('skipped', 'schema', 'keyword "minLenght" is unknown: is "minLength" meant?; /properties/a/$ref: "#/no" leads nowhere', '{}') $$,
  'an administrator can have the rest applied, and is told what was left out, why, and what to know of the others'
);
select results_eq(
  $$ select key, default_value from attune.setting_definitions where source = 'mixed' order by key $$,
  $$ values ('default', '2'::jsonb), ('good', '1'), ('kept', '"a"'), ('schema', '"old"') $$,
  'what is left out stays as it is'
);
select throws_ok(
  $$ select attune.apply_definitions(jsonb_build_object('$id', 'many', 'properties',
      (select jsonb_object_agg('k' || n, '{"minimum": "1"}'::jsonb) from generate_series(101, 103) as n))) $$,
  'PT422',
  '3 of the settings cannot be applied: /properties/k101: /minimum: must be number; /properties/k102: /minimum: must be number; '
  '/properties/k103: /minimum: must be number',
  'problems of one reason have that reason'
);

-- References into the document
select lives_ok(
  $$ select attune.apply_definitions('{
    "$schema": "http://json-schema.org/draft-07/schema#", "id": "refs", "allOf": [{"$ref": "#/definitions/more"}],
    "definitions": {
      "color": {"type": "string", "pattern": "^#", "default": "#fff", "description": "A color."},
      "more": {"properties": {"more": true, "never": false}},
      "tree": {"type": "object", "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#/definitions/tree"}}}}
    },
    "properties": {
      "color": {"$ref": "#/definitions/color"}, "ink": {"$ref": "#/definitions/color", "default": "#000", "description": "Ink.", "minLength": 9},
      "mail": {"format": "email", "x-attune": {"assertFormat": true}}, "tree": {"$ref": "#/definitions/tree"}, "unset": {"type": "integer", "minimum": 1}
    }}') $$,
  'an administrator can apply a document whose settings refer to its definitions'
);
select results_eq(
  $$ select key, default_value, description, schema from attune.setting_definitions where source = 'refs' order by key $$,
  $$ values
    ('color', '"#fff"'::jsonb, 'A color.', '{"$ref": "#/$defs/color", "$defs": {"color": {"type": "string", "pattern": "^#", "default": "#fff", "description": "A color."}}}'::jsonb),
    ('ink', '"#000"', 'Ink.', '{"$ref": "#/$defs/color", "$defs": {"color": {"type": "string", "pattern": "^#", "default": "#fff", "description": "A color."}}}'),
    ('mail', 'null', '', '{"format": "email", "x-attune": {"assertFormat": true}}'),
    ('more', 'null', '', '{}'),
    ('never', 'null', '', '{"not": {}}'),
    ('tree', 'null', '', '{"$ref": "#/$defs/tree", "$defs": {"tree": {"type": "object", "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}}}}'),
    ('unset', 'null', '', '{"type": "integer", "minimum": 1}') $$,
  'each has what it refers to, with the default and description where it says none, and else no default'
);
select is_empty('select pg_temp.round_trip(''refs'')', 'applying what was exported of it changes nothing');
select is(
  attune.export_definitions('refs') #>> '{properties,color,$id}', 'urn:uuid:' || md5('color')::uuid,
  'what is exported has a name that its references start from'
);
select tests.throws_reason(
  $$ select attune.set_global_setting('tree', '{"children": [{"children": [{"name": 1}]}]}') $$, 'PT422', 'invalid_value',
  'a value is judged by what its schema refers to, however deep'
);
select lives_ok($$ select attune.set_global_setting('tree', '{"children": [{"children": [{"name": "leaf"}]}]}') $$, 'and taken when it holds');
select tests.throws_reason(
  $$ select attune.set_global_setting('mail', '"nobody"') $$, 'PT422', 'invalid_value', 'a format is asserted where the definition asks for it'
);

-- A request without a token

select tests.authenticate_as_anon();
select throws_ok(
  $$ select attune.apply_definitions('{}') $$, '42501', 'Nobody is signed in', 'anon cannot apply a document'
);
select is(
  (select count(*) from jsonb_object_keys(attune.export_definitions()::jsonb -> 'properties')),
  (select count(*) from attune.setting_definitions as d where d.source is null), 'anon exports what is public, as it may read it'
);

-- The trusted server

select tests.authenticate_as_service_role();
select results_eq(
  $$ select key, action from attune.apply_definitions('{"$id": "served", "properties": {"served": {"type": "boolean"}}}') $$,
  $$ values ('served', 'added'::attune.definition_action) $$,
  'service_role can apply a document'
);
select is_empty('select pg_temp.round_trip(''served'')', 'service_role can apply what it exported');

-- The owner of the schema

select tests.reset_role();
select lives_ok(
  $$ select attune.apply_definitions('{"$id": "served", "properties": {}}', dry_run => null) $$, 'the owner can apply a document, too'
);
select is_empty($$ select from attune.setting_definitions where source = 'served' $$, 'a dry run of NULL is none');

select * from finish();
rollback;
