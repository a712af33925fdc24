-- Which keyword keeps values from being merged member by member: a row a keyword, and none for what judges members alone.
begin;
select no_plan();

create temp table cases (says text, schema jsonb, default_value jsonb, obstacle text);
insert into cases
values
  -- What constrains each member on its own
  ('anything', '{}', '{"a": 1}', null),
  ('true', 'true', '{"a": 1}', null),
  ('an object', '{"type": "object"}', '{"a": 1}', null),
  ('an object without a default', '{"type": "object"}', null, null),
  ('an object whose default is null', '{"type": "object"}', 'null', null),
  ('properties', '{"type": "object", "properties": {"a": {"type": "integer"}, "b": {"enum": [1, 2]}}}', '{"a": 1}', null),
  ('patternProperties', '{"type": "object", "patternProperties": {"^x": {"type": "integer"}}}', '{}', null),
  ('additionalProperties', '{"type": "object", "additionalProperties": {"type": "integer"}}', '{}', null),
  ('additionalProperties that are none', '{"type": "object", "properties": {"a": true}, "additionalProperties": false}', '{}', null),
  ('unevaluatedProperties', '{"type": "object", "properties": {"a": true}, "unevaluatedProperties": false}', '{}', null),
  ('propertyNames', '{"type": "object", "propertyNames": {"maxLength": 3}}', '{}', null),
  ('required where the default has it', '{"type": "object", "required": ["a"]}', '{"a": 1}', null),
  ('required of a member where the default has it', '{"type": "object", "properties": {"n": {"type": "object", "required": ["a"]}}}', '{"n": {"a": 1}}', null),
  ('allOf of such', '{"type": "object", "allOf": [{"properties": {"a": {"type": "integer"}}}, {"required": ["a"]}]}', '{"a": 1}', null),
  ('allOf that says it is an object', '{"allOf": [{"type": "object"}, {"required": ["a"]}]}', '{"a": 1}', null),
  ('a reference to such', '{"$defs": {"o": {"type": "object", "properties": {"a": true}}}, "$ref": "#/$defs/o"}', '{}', null),
  ('a reference that goes round', '{"$defs": {"t": {"type": "object", "additionalProperties": {"$ref": "#/$defs/t"}}}, "$ref": "#/$defs/t"}', '{}', null),
  ('members that are no objects, however constrained', '{"type": "object", "properties": {
    "a": {"type": "string", "anyOf": [{"minLength": 1}, {"const": ""}], "not": {"const": "x"}},
    "b": {"type": "array", "minItems": 1, "items": {"type": "object", "minProperties": 1}},
    "c": {"enum": [1, null, "x"]}, "d": {"const": 5}, "e": {"type": ["integer", "null"]},
    "f": {"oneOf": [{"type": "integer"}, {"type": "null"}]}
  }}', '{}', null),
  ('annotations', '{"type": "object", "title": "T", "description": "D", "examples": [], "x-order": 1, "format": "uri"}', '{}', null),
  ('members that are never reached', '{"type": "object", "$defs": {"unused": {"type": "object", "maxProperties": 1}}}', '{}', null),

  -- What constrains members together
  ('minProperties', '{"type": "object", "minProperties": 1}', '{"a": 1}', '/minProperties'),
  ('maxProperties', '{"type": "object", "maxProperties": 2}', '{"a": 1}', '/maxProperties'),
  ('oneOf', '{"type": "object", "oneOf": [{"required": ["a"]}]}', '{"a": 1}', '/oneOf'),
  ('anyOf', '{"type": "object", "anyOf": [{"required": ["a"]}]}', '{"a": 1}', '/anyOf'),
  ('not', '{"type": "object", "not": {"required": ["a", "b"]}}', '{"a": 1}', '/not'),
  ('const', '{"type": "object", "const": {"a": 1}}', '{"a": 1}', '/const'),
  ('enum', '{"type": "object", "enum": [{"a": 1}, {"b": 1}]}', '{"a": 1}', '/enum'),
  ('if', '{"type": "object", "if": {"required": ["a"]}, "then": {"required": ["b"]}}', '{}', '/if'),
  ('dependentRequired', '{"type": "object", "dependentRequired": {"a": ["b"]}}', '{}', '/dependentRequired'),
  ('dependentSchemas', '{"type": "object", "dependentSchemas": {"a": {"required": ["b"]}}}', '{}', '/dependentSchemas'),
  ('another type beside object', '{"type": ["object", "null"]}', '{"a": 1}', '/type'),
  ('no object', '{"type": "integer"}', '1', '/type'),
  ('a list', '{"type": "array", "items": {"type": "object"}}', '[]', '/type'),
  ('required without a default', '{"type": "object", "required": ["a"]}', null, '/required'),
  ('required of what need be no object', '{"required": ["a"]}', '{"a": 1}', '/required'),
  ('required of a member that the default lacks', '{"type": "object", "properties": {"n": {"type": "object", "required": ["a"]}}}', '{}', '/properties/n/required'),
  ('required of a member that need be no object', '{"type": "object", "properties": {"n": {"required": ["a"]}}}', '{"n": {"a": 1}}', '/properties/n/required'),
  ('required of any member', '{"type": "object", "additionalProperties": {"type": "object", "required": ["a"]}}', '{"x": {"a": 1}}', '/additionalProperties/required'),

  -- Where it stands
  ('it in a member', '{"type": "object", "properties": {"n": {"type": "object", "maxProperties": 1}}}', '{}', '/properties/n/maxProperties'),
  ('it in a member with a name of its own', '{"type": "object", "properties": {"a/b~c": {"type": "object", "not": {}}}}', '{}', '/properties/a~1b~0c/not'),
  ('it by a pattern', '{"type": "object", "patternProperties": {"^x": {"minProperties": 1}}}', '{}', '/patternProperties/^x/minProperties'),
  ('it in any other member', '{"type": "object", "additionalProperties": {"type": ["object", "string"]}}', '{}', '/additionalProperties/type'),
  ('it in what is not evaluated', '{"type": "object", "unevaluatedProperties": {"anyOf": [{}]}}', '{}', '/unevaluatedProperties/anyOf'),
  ('it in allOf', '{"type": "object", "allOf": [{}, {"maxProperties": 1}]}', '{}', '/allOf/1/maxProperties'),
  ('it behind a reference', '{"type": "object", "$defs": {"o": {"minProperties": 1}}, "properties": {"n": {"$ref": "#/$defs/o"}}}', '{}', '/properties/n/$ref/minProperties'),
  ('it a few levels down', '{"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {"type": "object", "allOf": [{"if": {}}]}}}}}', '{}', '/properties/a/properties/b/allOf/0/if');

select is(attune_private.merge_obstacle(c.schema, c.default_value), c.obstacle, 'merging meets ' || coalesce(c.obstacle, 'nothing') || ' in ' || c.says)
from cases as c;

-- It decides what may be asked for, and what is done when nobody asks.

insert into attune.setting_definitions (key, category, schema, default_value)
select 'left_out_' || row_number() over (), 'test', c.schema, c.default_value
from cases as c
where c.obstacle is not null or jsonb_typeof(c.default_value) = 'object';
select is(d.merge::text, case when attune_private.merge_obstacle(d.schema, d.default_value) is null then 'deep' else 'replace' end, 'merge, left out, of ' || d.schema::text)
from attune.setting_definitions as d where d.category = 'test';

create function pg_temp.asked(schema jsonb, default_value jsonb) returns text language plpgsql as $$
declare
  reason text;
begin
  insert into attune.setting_definitions (key, category, schema, default_value, merge) values ('asked', 'test', schema, default_value, 'deep');
  raise exception using errcode = 'AT000';
exception
  when sqlstate 'AT000' then
    return 'taken';
  when others then
    get stacked diagnostics reason = pg_exception_detail;
    return concat_ws(' ', sqlstate, reason, substring(sqlerrm from 'merged: (.*) could make'));
end;
$$;
select is(pg_temp.asked(c.schema, c.default_value), coalesce('PT422 invalid_merge ' || c.obstacle, 'taken'), 'deep is asked for with ' || c.says)
from cases as c;

select * from finish();
rollback;
