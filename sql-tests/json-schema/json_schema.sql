-- JSON Schema: what a value may be, what a schema may be, and how a refusal is worded.
begin;
select plan(185);

create function pg_temp.errors(schema jsonb, value jsonb) returns text[]
language sql
return array(
  select ltrim(e.path || ': ' || e.message, ': ')
  from attune_private.json_schema_errors(schema, value) with ordinality as e (path, message, n)
  order by e.n
);

create function pg_temp.problems(schema jsonb) returns text[]
language sql
return array(
  select ltrim(p.path || ': ' || p.message, ': ')
  from attune_private.json_schema_problems(schema) with ordinality as p (path, message, n)
  order by p.n
);

-- Values

select is(pg_temp.errors(c.schema::jsonb, c.value::jsonb), c.errors::text[], format('%s: %s', c.schema, c.value))
from (
  values
    ('true', '1', '{}'),
    ('false', '1', '{boolean schema is false}'),
    ('{}', 'null', '{}'),

    ('{"type": "boolean"}', 'true', '{}'),
    ('{"type": "boolean"}', '"true"', '{must be boolean}'),
    ('{"type": "null"}', 'null', '{}'),
    ('{"type": "null"}', 'false', '{must be null}'),
    ('{"type": "string"}', '""', '{}'),
    ('{"type": "string"}', 'null', '{must be string}'),
    ('{"type": "number"}', '1.5', '{}'),
    ('{"type": "number"}', '"1.5"', '{must be number}'),
    ('{"type": "integer"}', '1.0', '{}'),
    ('{"type": "integer"}', '1.5', '{must be integer}'),
    ('{"type": "array"}', '[]', '{}'),
    ('{"type": "array"}', '{}', '{must be array}'),
    ('{"type": "object"}', '{}', '{}'),
    ('{"type": "object"}', '[]', '{must be object}'),
    ('{"type": ["string", "integer"]}', '2', '{}'),
    ('{"type": ["string", "integer"]}', '2.5', '{"must be string,integer"}'),

    ('{"enum": ["a", 1, null]}', '1.0', '{}'),
    ('{"enum": ["a", 1, null]}', 'null', '{}'),
    ('{"enum": ["a", 1, null]}', '"b"', '{"must be equal to one of the allowed values: \"a\", 1, null"}'),
    ('{"enum": [["a", "b"], {"a": 1, "b": 2}]}', '{"b": 2, "a": 1}', '{}'),
    ('{"enum": [["a", "b"]]}', '["a"]', '{"must be equal to one of the allowed values: [\"a\", \"b\"]"}'),
    ('{"enum": [["a"]]}', '"a"', '{"must be equal to one of the allowed values: [\"a\"]"}'),
    ('{"const": {"a": [1]}}', '{"a": [1.0]}', '{}'),
    ('{"const": "on"}', '"off"', '{"must be equal to constant: \"on\""}'),
    ('{"const": null}', 'false', '{must be equal to constant: null}'),

    ('{"minimum": 1}', '1', '{}'),
    ('{"minimum": 1}', '0.9', '{must be >= 1}'),
    ('{"maximum": 2}', '2', '{}'),
    ('{"maximum": 2}', '2.1', '{must be <= 2}'),
    ('{"exclusiveMinimum": 1}', '1.1', '{}'),
    ('{"exclusiveMinimum": 1}', '1', '{must be > 1}'),
    ('{"exclusiveMaximum": 2}', '1.9', '{}'),
    ('{"exclusiveMaximum": 2}', '2', '{must be < 2}'),
    ('{"multipleOf": 0.1}', '0.3', '{}'),
    ('{"multipleOf": 0.1}', '0.35', '{must be multiple of 0.1}'),
    ('{"minimum": 1}', '"a"', '{}'),

    ('{"minLength": 2}', '"é😀"', '{}'),
    ('{"minLength": 2}', '"😀"', '{must NOT have fewer than 2 characters}'),
    ('{"maxLength": 1}', '"😀"', '{}'),
    ('{"maxLength": 1}', '"ab"', '{must NOT have more than 1 characters}'),
    ('{"pattern": "^#[0-9a-f]{6}$"}', '"#00ff00"', '{}'),
    ('{"pattern": "^#[0-9a-f]{6}$"}', '"#00ff00\n"', '{"must match pattern \"^#[0-9a-f]{6}$\""}'),
    ('{"pattern": "b"}', '"abc"', '{}'),
    ('{"pattern": "^.$"}', '"\n"', '{must match pattern \"^.$\"}'),
    ('{"pattern": "\\bcat\\b"}', '"a cat"', '{}'),
    ('{"pattern": "\\bcat\\b"}', '"cats"', '{"must match pattern \"\\bcat\\b\""}'),
    ('{"pattern": "^\\w$"}', '"é"', '{"must match pattern \"^\\w$\""}'),
    ('{"pattern": "^\\s$"}', '"\u00a0"', '{}'),
    ('{"pattern": "^\\x41b$"}', '"Ab"', '{}'),
    ('{"pattern": "^[[:a]$"}', '"["', '{}'),
    ('{"maxLength": 1, "pattern": "b"}', '2', '{}'),

    ('{"items": {"type": "string"}}', '["a", "b"]', '{}'),
    ('{"items": {"type": "string"}}', '["a", 1, null]', '{/1: must be string,/2: must be string}'),
    ('{"prefixItems": [{"type": "string"}]}', '["a", 1]', '{}'),
    ('{"prefixItems": [{"type": "string"}]}', '[1]', '{/0: must be string}'),
    ('{"prefixItems": [true], "items": {"type": "null"}}', '[1, null]', '{}'),
    ('{"prefixItems": [true], "items": {"type": "null"}}', '[1, 2]', '{/1: must be null}'),
    ('{"prefixItems": [true], "items": false}', '[1]', '{}'),
    ('{"prefixItems": [true], "items": false}', '[1, 2, 3]', '{must NOT have more than 1 items}'),
    ('{"minItems": 1}', '[1]', '{}'),
    ('{"minItems": 1}', '[]', '{must NOT have fewer than 1 items}'),
    ('{"maxItems": 1}', '[1]', '{}'),
    ('{"maxItems": 1}', '[1, 2]', '{must NOT have more than 1 items}'),
    ('{"uniqueItems": true}', '[1, "1", [1], {"a": 1}]', '{}'),
    ('{"uniqueItems": true}', '[{"a": 1, "b": 2}, 3, {"b": 2, "a": 1.0}]',
      '{must NOT have duplicate items (items ## 0 and 2 are identical)}'),
    ('{"uniqueItems": false}', '[1, 1]', '{}'),

    ('{"properties": {"a": {"type": "null"}}}', '{"a": null, "b": 1}', '{}'),
    ('{"properties": {"a": {"type": "null"}}}', '{"a": 1}', '{/a: must be null}'),
    ('{"properties": {"a": {"type": "null"}}}', '[1]', '{}'),
    ('{"required": ["a"]}', '{"a": null}', '{}'),
    ('{"required": ["a", "b"]}', '{"c": 1}', '{must have required property ''a'',must have required property ''b''}'),
    ('{"properties": {"a": true}, "additionalProperties": false}', '{"a": 1}', '{}'),
    ('{"properties": {"a": true}, "additionalProperties": false}', '{"a": 1, "b": 2, "c": 3}',
      '{must NOT have additional properties: ''b'',must NOT have additional properties: ''c''}'),
    ('{"additionalProperties": {"type": "number"}}', '{"a": 1}', '{}'),
    ('{"additionalProperties": {"type": "number"}}', '{"a": "1"}', '{/a: must be number}'),
    ('{"propertyNames": {"pattern": "^[a-z]+$"}}', '{"a": 1}', '{}'),
    ('{"propertyNames": {"pattern": "^[a-z]+$"}}', '{"A": 1}',
      '{"property name must be valid: ''A'' must match pattern \"^[a-z]+$\""}'),
    ('{"minProperties": 1}', '{"a": 1}', '{}'),
    ('{"minProperties": 1}', '{}', '{must NOT have fewer than 1 properties}'),
    ('{"maxProperties": 1}', '{"a": 1}', '{}'),
    ('{"maxProperties": 1}', '{"a": 1, "b": 2}', '{must NOT have more than 1 properties}'),

    ('{"allOf": [{"minimum": 1}, {"maximum": 2}]}', '1', '{}'),
    ('{"allOf": [{"minimum": 3}, {"maximum": 1}]}', '2', '{must be >= 3,must be <= 1}'),
    ('{"anyOf": [{"type": "string"}, {"type": "null"}]}', 'null', '{}'),
    ('{"anyOf": [{"type": "string"}, {"items": {"type": "null"}, "type": "array"}]}', '[null, 1]',
      '{"must match a schema in anyOf: must be string, or /1 must be null"}'),
    ('{"oneOf": [{"minimum": 2}, {"multipleOf": 2}, {"type": "null"}]}', '3', '{}'),
    ('{"oneOf": [{"minimum": 2}, {"multipleOf": 2}, {"type": "null"}]}', '1',
      '{"must match exactly one schema in oneOf: must be >= 2, or must be multiple of 2, or must be null"}'),
    ('{"oneOf": [{"minimum": 2}, {"type": "null"}, {"multipleOf": 2}]}', '2',
      '{must match exactly one schema in oneOf (0 and 2 match)}'),
    ('{"not": {"type": "string"}}', '1', '{}'),
    ('{"not": {"type": "string"}}', '"a"', '{must NOT be valid}'),

    ('{"title": "T", "default": 1, "x-attune": {}, "deprecated": true}', '"a"', '{}')
) as c (schema, value, errors);

select is(
  pg_temp.errors(
    '{
      "type": "object",
      "properties": {
        "temperature": {"type": "number", "maximum": 2},
        "model": {"enum": ["small", "large"]},
        "stop": {"type": "array", "items": {"type": "string", "minLength": 1}}
      },
      "required": ["model"],
      "additionalProperties": false
    }',
    '{"stop": ["", 1, "."], "extra": null, "temperature": 3}'
  ),
  '{
    "must have required property ''model''",
    "/stop/0: must NOT have fewer than 1 characters",
    "/stop/1: must be string",
    "must NOT have additional properties: ''extra''",
    "/temperature: must be <= 2"
  }',
  'every error of a value is listed, not only the first'
);
select is(
  pg_temp.errors('{"additionalProperties": {"additionalProperties": false}}', '{"a/b": {"c": 1}, "~": {"": 1}, "": {"~1": 1}}'),
  '{
    "/: must NOT have additional properties: ''~1''",
    "/~0: must NOT have additional properties: ''''",
    "/a~1b: must NOT have additional properties: ''c''"
  }',
  'a path is a JSON Pointer'
);
select results_eq(
  $$select path, message from attune_private.json_schema_errors('{"properties": {"": false}}', '{"": 1}')$$,
  $$values ('/', 'boolean schema is false')$$,
  'an empty name is a pointer of its own'
);
select is(
  pg_temp.errors(jsonb_build_object('enum', (select jsonb_agg(n) from generate_series(1, 100) as n)), '0'),
  '{must be equal to one of the allowed values}',
  'a long list is not repeated in the message'
);
select is(
  (select count(*) from attune_private.json_schema_errors(
    '{"items": {"type": "null"}}', (select jsonb_agg(n) from generate_series(1, 1000) as n))),
  100::bigint,
  'at most a hundred errors are listed'
);

select is(pg_temp.errors('{}', null), '{must NOT be SQL NULL}', 'NULL is not a value');
select is(pg_temp.errors(null, '1'), '{schema must NOT be SQL NULL}', 'without a schema nothing is valid');

-- Depth

select is(
  pg_temp.errors('{"items": {"type": "array"}}', (repeat('[', 3000) || repeat(']', 3000))::jsonb),
  '{}',
  'a value may be deeper than its schema'
);
select is(
  pg_temp.errors((repeat('{"items": ', 64) || 'false' || repeat('}', 64))::jsonb, (repeat('[', 64) || 1 || repeat(']', 64))::jsonb),
  array[repeat('/0', 64) || ': boolean schema is false'],
  'a schema may be 64 levels deep'
);
select throws_ok(
  $$select pg_temp.errors((repeat('{"not": ', 65) || 'true' || repeat('}', 65))::jsonb, '1')$$,
  '22023',
  'a JSON Schema must be an object or a boolean, nested 64 levels deep at most',
  'a deeper one has no answer, which not could turn around'
);
select is(
  pg_temp.problems((repeat('{"not": ', 64) || 'true' || repeat('}', 64))::jsonb),
  '{}',
  'a schema of 64 levels can be saved'
);
select is(
  pg_temp.problems((repeat('{"not": ', 3000) || 'true' || repeat('}', 3000))::jsonb),
  array[repeat('/not', 65) || ': must NOT be nested deeper than 64 levels'],
  'a deeper one can''t'
);

-- Schemas

select is(pg_temp.problems(c.schema::jsonb), c.problems::text[], c.schema)
from (
  values
    ('true', '{}'),
    ('{}', '{}'),
    ('"string"', '{"must be object,boolean"}'),
    ('null', '{"must be object,boolean"}'),

    ('{"type": ["string", "null"]}', '{}'),
    ('{"type": "boolean | null"}',
      '{"/type: must match a schema in anyOf: must be equal to one of the allowed values: \"array\", \"boolean\", \"integer\", \"null\", \"number\", \"object\", \"string\", or must be array"}'),
    ('{"type": []}',
      '{"/type: must match a schema in anyOf: must be equal to one of the allowed values: \"array\", \"boolean\", \"integer\", \"null\", \"number\", \"object\", \"string\", or must NOT have fewer than 1 items"}'),
    ('{"enum": [null]}', '{}'),
    ('{"enum": []}', '{/enum: must NOT have fewer than 1 items}'),
    ('{"enum": "a"}', '{/enum: must be array}'),
    ('{"const": null}', '{}'),
    ('{"minimum": -1.5, "maximum": 1e3, "exclusiveMinimum": 0, "exclusiveMaximum": 0}', '{}'),
    ('{"minimum": "1"}', '{/minimum: must be number}'),
    ('{"maximum": null}', '{/maximum: must be number}'),
    ('{"exclusiveMinimum": true}', '{/exclusiveMinimum: must be number}'),
    ('{"exclusiveMaximum": true}', '{/exclusiveMaximum: must be number}'),
    ('{"multipleOf": 0.01}', '{}'),
    ('{"multipleOf": 0}', '{/multipleOf: must be > 0}'),
    ('{"minLength": 0, "maxItems": 2.0}', '{}'),
    ('{"minLength": -1}', '{/minLength: must be >= 0}'),
    ('{"maxProperties": 1.5}', '{/maxProperties: must be integer}'),
    ('{"uniqueItems": "yes"}', '{/uniqueItems: must be boolean}'),
    ('{"required": ["a", "b"]}', '{}'),
    ('{"required": ["a", "a"]}', '{/required: must NOT have duplicate items (items ## 0 and 1 are identical)}'),
    ('{"required": true}', '{/required: must be array}'),
    ('{"properties": {"a": {"type": "null"}, "b": false}}', '{}'),
    ('{"properties": {"a": {"maxItems": -1}, "~": {"minItems": -1}, "b/c": 1}}',
      '{/properties/a/maxItems: must be >= 0,/properties/~0/minItems: must be >= 0,"/properties/b~1c: must be object,boolean"}'),
    ('{"properties": []}', '{/properties: must be object}'),
    ('{"items": [{}]}', '{"/items: must be object,boolean"}'),
    ('{"additionalProperties": null}', '{"/additionalProperties: must be object,boolean"}'),
    ('{"propertyNames": "a"}', '{"/propertyNames: must be object,boolean"}'),
    ('{"anyOf": [{"not": {"allOf": [{"oneOf": [{"prefixItems": [{"type": "null"}]}]}]}}]}', '{}'),
    ('{"anyOf": [{"not": {"allOf": [{"oneOf": [{"prefixItems": [{"a": 1}]}]}]}}]}',
      '{"/anyOf/0/not/allOf/0/oneOf/0/prefixItems/0: keyword \"a\" is not supported"}'),
    ('{"anyOf": []}', '{/anyOf: must NOT have fewer than 1 items}'),
    ('{"oneOf": {}}', '{/oneOf: must be array}'),

    ('{"title": "T", "description": "D", "default": 1, "examples": [1], "deprecated": true, "$comment": "C", "order": 1}', '{}'),
    ('{"enumDescriptions": [], "markdownDescription": "", "scope": "window", "tags": [], "x-attune": {"$ref": 1}}', '{}'),
    ('{"default": {"$ref": "#"}, "const": {"if": 1}, "enum": [{"format": 1}], "examples": [{"type": 1}]}', '{}'),
    ('{"title": 1}', '{/title: must be string}'),

    ('{"properties": {"a": {"format": "email"}}}', '{"/properties/a: keyword \"format\" is not supported"}'),
    ('{"if": true, "then": true}', '{"keyword \"if\" is not supported","keyword \"then\" is not supported"}')
) as c (schema, problems);

select is(
  pg_temp.problems(jsonb_build_object(k.keyword, '{}'::jsonb)),
  array[format('keyword "%s" is not supported', k.keyword)],
  format('%s is refused, not ignored', k.keyword)
)
from unnest('{
  $ref, $dynamicRef, $defs, definitions, format, patternProperties, if, then, else, contains, minContains, maxContains,
  dependentRequired, dependentSchemas, dependencies, unevaluatedItems, unevaluatedProperties, additionalItems,
  contentEncoding, minimun
}'::text[]) as k (keyword);

select is(
  pg_temp.problems(jsonb_object_agg(k.keyword, '"anything"'::jsonb)),
  '{}',
  'what only user interfaces read is kept as it is'
)
from unnest('{
  markdownDescription, enumDescriptions, markdownEnumDescriptions, enumItemLabels, deprecationMessage,
  markdownDeprecationMessage, order, scope, tags, editPresentation, errorMessage, patternErrorMessage, defaultSnippets,
  ignoreSync, x-anything
}'::text[]) as k (keyword);

select is(
  pg_temp.problems(jsonb_build_object('pattern', c.pattern)),
  c.problems::text[],
  format('pattern %s %s', c.pattern, case c.problems when '{}' then 'can be used' else 'is refused' end)
)
from (
  values
    ('^(?:a|b)+?(?=c)(?<!\/|\\)$', '{}'),
    ('^[\w.-]+@[^\s@]{1,64}$', '{}'),
    ('a)', '{/pattern: invalid regular expression: parentheses () not balanced}'),
    ('\"\-{]', '{}'),
    ('(?#a)', '{/pattern: invalid regular expression: (?# is not supported}'),
    ('\ma', '{"/pattern: invalid regular expression: \\m is not supported"}'),
    ('\u{61}', '{"/pattern: invalid regular expression: \\u is not supported"}'),
    ('(?i)a', '{/pattern: invalid regular expression: (?i is not supported}'),
    ('***=a', '{/pattern: invalid regular expression: quantifier operand invalid}'),
    ('(?<year>\d{4})', '{/pattern: invalid regular expression: (?< is not supported}'),
    ('\p{L}', '{"/pattern: invalid regular expression: \\p is not supported"}'),
    ('(a)\1', '{"/pattern: invalid regular expression: \\1 is not supported"}'),
    ('\Aa\Z', '{"/pattern: invalid regular expression: \\A is not supported"}'),
    ('\ud83d\ude00', '{"/pattern: invalid regular expression: \\ud83d is not supported"}'),
    ('[]a]', '{"/pattern: invalid regular expression: [] is not supported"}'),
    ('a{256}', '{/pattern: invalid regular expression: invalid repetition count(s)}')
) as c (pattern, problems);

select is(pg_temp.problems(null), '{must NOT be SQL NULL}', 'NULL is not a schema');

select * from finish();
rollback;
