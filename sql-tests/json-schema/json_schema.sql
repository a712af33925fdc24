-- JSON Schema: what a value may be, what a schema may be, and how a refusal is worded.
begin;
select plan(367);

create function pg_temp.errors(schema jsonb, value jsonb) returns text[]
language sql
return array(
  select ltrim(e.path || ': ' || e.message, ': ')
  from attune_private.json_schema_errors(schema, value) with ordinality as e (path, message, keyword, n)
  order by e.n
);

create function pg_temp.problems(schema jsonb) returns text[]
language sql
return array(
  select ltrim(p.path || ': ' || p.message, ': ')
  from attune_private.json_schema_problems(schema) with ordinality as p (path, message, keyword, n)
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

    ('{"patternProperties": {"^a": {"type": "null"}, "b$": {"minimum": 2}}}', '{"a": null, "b": 2, "c": 1}', '{}'),
    ('{"patternProperties": {"^a": {"type": "number"}, "b$": {"minimum": 2}}}', '{"ab": 1}', '{/ab: must be >= 2}'),
    ('{"properties": {"a": true}, "patternProperties": {"b": true}, "additionalProperties": false}', '{"a": 1, "b": 2}', '{}'),
    ('{"properties": {"a": true}, "patternProperties": {"b": true}, "additionalProperties": false}', '{"c": 1}',
      '{must NOT have additional properties: ''c''}'),
    ('{"if": {"type": "string"}, "then": {"minLength": 2}, "else": {"minimum": 2}}', '"ab"', '{}'),
    ('{"if": {"type": "string"}, "then": {"minLength": 2}, "else": {"minimum": 2}}', '"a"',
      '{must NOT have fewer than 2 characters}'),
    ('{"if": {"type": "string"}, "then": {"minLength": 2}, "else": {"minimum": 2}}', '1', '{must be >= 2}'),
    ('{"then": false, "else": false}', '1', '{}'),
    ('{"dependentRequired": {"a": ["b", "c"]}}', '{"b": 1}', '{}'),
    ('{"dependentRequired": {"a": ["b", "c"]}}', '{"a": 1, "b": 1}', '{"must have properties b, c when property a is present"}'),
    ('{"dependentRequired": {"a": ["b"]}}', '{"a": 1}', '{"must have property b when property a is present"}'),
    ('{"dependentSchemas": {"a": {"minProperties": 2}}}', '{"b": 1}', '{}'),
    ('{"dependentSchemas": {"a": {"minProperties": 2}}}', '{"a": 1}', '{must NOT have fewer than 2 properties}'),
    ('{"contains": {"type": "string"}}', '[1, "a"]', '{}'),
    ('{"contains": {"type": "string"}}', '[1]', '{must contain at least 1 valid item(s)}'),
    ('{"contains": {"type": "string"}, "minContains": 0}', '[1]', '{}'),
    ('{"contains": {"type": "string"}, "minContains": 2}', '["a"]', '{must contain at least 2 valid item(s)}'),
    ('{"contains": {"type": "string"}, "maxContains": 1}', '["a", "b"]',
      '{must contain at least 1 and no more than 1 valid item(s)}'),
    ('{"minContains": 2}', '[]', '{}'),
    ('{"enum": []}', '1', '{"must be equal to one of the allowed values: "}'),
    ('{"allOf": [{"properties": {"a": true}}], "unevaluatedProperties": false}', '{"a": 1}', '{}'),
    ('{"allOf": [{"properties": {"a": true}}], "unevaluatedProperties": false}', '{"b": 1}',
      '{must NOT have unevaluated properties: ''b''}'),
    ('{"anyOf": [{"properties": {"a": {"type": "null"}}}, true], "unevaluatedProperties": {"type": "string"}}', '{"a": 1}',
      '{/a: must be string}'),
    ('{"if": {"properties": {"a": true}, "required": ["a"]}, "then": {"properties": {"b": true}}, "unevaluatedProperties": false}',
      '{"a": 1, "b": 1}', '{}'),
    ('{"allOf": [{"prefixItems": [true]}], "contains": {"type": "null"}, "unevaluatedItems": false}', '[1, null]', '{}'),
    ('{"allOf": [{"prefixItems": [true]}], "contains": {"type": "null"}, "unevaluatedItems": false}', '[1, 2, null]',
      '{must NOT have unevaluated items: ''1''}'),
    ('{"$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}, "maxLength": 1}', '"ab"',
      '{must NOT have more than 1 characters}'),
    ('{"$ref": "#/$defs/a~1b%25", "$defs": {"a/b%": {"type": "string"}}}', '1', '{must be string}'),
    ('{"type": "object", "properties": {"child": {"$ref": "#"}}, "required": ["n"]}', '{"n": 1, "child": {"n": 2}}', '{}'),
    ('{"type": "object", "properties": {"child": {"$ref": "#"}}, "required": ["n"]}', '{"n": 1, "child": {}}',
      '{"/child: must have required property ''n''"}'),
    ('{"format": "email"}', '"nobody"', '{}'),
    ('{"properties": {"a": {"format": "email"}}, "x-attune": {"assertFormat": true}}', '{"a": "nobody"}',
      '{"/a: must match format \"email\""}'),
    ('{"properties": {"a": {"format": "email"}}, "x-attune": {"assertFormat": true}}', '{"a": "ada@example.com"}', '{}'),
    ('{"format": "email", "x-attune": {"assertFormat": true}}', '1', '{}'),

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
  $$select pg_temp.errors((repeat('{"not": ', 258) || 'true' || repeat('}', 258))::jsonb, '1')$$,
  'PT422',
  'The value is nested too deeply for its schema',
  'a much deeper one has no answer, which not could turn around'
);
select throws_ok(
  $$select pg_temp.errors('{"items": {"$ref": "#"}}', (repeat('[', 200) || repeat(']', 200))::jsonb)$$,
  'PT422',
  'The value is nested too deeply for its schema',
  'nor has a value that is too deep for a schema which refers to itself'
);
select is(
  pg_temp.errors('{"items": {"$ref": "#"}, "type": "array"}', (repeat('[', 100) || 1 || repeat(']', 100))::jsonb),
  array[repeat('/0', 100) || ': must be array'],
  'a schema that refers to itself is as deep as the value'
);
select throws_ok(
  $$select pg_temp.errors('{"$ref": "#/$defs/a"}', '1')$$,
  '22023',
  'a JSON Schema must be an object or a boolean',
  'a reference that leads nowhere has no answer, either'
);

-- Formats, which only who asks for them has asserted

select is(
  attune_private.json_schema_format(c.format, t.content), c.valid, format('%s is %s%s', t.content, case when c.valid then '' else 'no ' end, c.format)
)
from (
  values
    ('date', true, '{2024-02-29,2000-02-29,0000-01-01}'),
    ('date', false, '{2023-02-29,1900-02-29,2024-04-31,2024-13-01,24-01-01,2024-1-1,2024-01-01T}'::text[]),
    ('time', true, '{12:00:00Z,23:59:60Z,00:59:60.5+01:00,12:00:00.25-08:30}'),
    ('time', false, '{12:00:00,24:00:00Z,12:00:60Z,12:60:00Z,12:00Z}'),
    ('date-time', true, '{2024-02-29T12:00:00Z,2024-02-29t12:00:00z}'),
    ('date-time', false, '{2024-02-29,2024-02-30T12:00:00Z,"2024-02-29 12:00:00Z"}'),
    ('duration', true, '{P1D,P1Y2M3D,PT1H30M,P2W,P1DT12H}'),
    ('duration', false, '{P,PT,1D,P1D2W,P1H,PT1D,P1S}'),
    ('email', true, '{ada@example.com,a.b+c@x.org,"\"a b\"@example.com",ada@[127.0.0.1],ada@[IPv6:::1]}'),
    ('email', false, '{ada,@example.com,a..b@example.com,.a@example.com,ada@-x.com,a@b@c,ada@[300.0.0.1]}'),
    ('hostname', true, '{example.com,localhost,1-a.b}'),
    ('hostname', false, '{"",-a.com,a-.com,a..b,a_b.com,.a}'),
    ('ipv4', true, '{127.0.0.1,255.255.255.255}'),
    ('ipv4', false, '{1.2.3,256.1.1.1,01.2.3.4,1.2.3.4.5,1.2.3.4.}'),
    ('ipv6', true, '{::,::1,1::,1:2:3:4:5:6:7:8,::ffff:1.2.3.4,1::8}'),
    ('ipv6', false, '{1,:1,1:2:3:4:5:6:7,1:2:3:4:5:6:7:8:9,1::2::3,12345::,::1.2.3,1:2:3:4:5:6:7:8::}'),
    ('uri', true, '{https://example.com/a?b#c,mailto:ada@example.com,urn:x:y,"http://[::1]:80/","a:"}'),
    ('uri', false, '{/a,example.com,"http://a b",http://a/%zz,//a,":a"}'),
    ('uuid', true, '{2EB8AA08-AA98-11EA-B4AA-73B441D16380}'),
    ('uuid', false, '{2eb8aa08-aa98-11ea-b4aa-73b441d1638,2eb8aa08aa9811eab4aa73b441d16380}'),
    ('regex', true, '{"^(a|b)*?[(]\\d$","(?<n>a)(?=b)",""}'),
    ('regex', false, '{"(a",a),"[a",*a,"a**",\\Z}'),
    ('color', true, '{anything}')
) as c (format, valid, contents)
cross join unnest(c.contents::text[]) as t (content);
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
    ('{"enum": []}', '{}'),
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
    ('{"anyOf": [{"not": {"allOf": [{"oneOf": [{"prefixItems": [{"$anchor": 1}]}]}]}}]}',
      '{"/anyOf/0/not/allOf/0/oneOf/0/prefixItems/0: keyword \"$anchor\" is not supported"}'),
    ('{"if": {"then": {"else": {"contains": {"unevaluatedItems": {"unevaluatedProperties": {"minimum": ""}}}}}}}',
      '{/if/then/else/contains/unevaluatedItems/unevaluatedProperties/minimum: must be number}'),
    ('{"patternProperties": {"a/b": {"minimum": ""}}, "dependentSchemas": {"a": 1}, "$defs": {"b": ""}}',
      '{/patternProperties/a~1b/minimum: must be number,"/dependentSchemas/a: must be object,boolean","/$defs/b: must be object,boolean"}'),
    ('{"patternProperties": {"(?i)a": true}}',
      '{/patternProperties/(?i)a: invalid regular expression: (?i is not supported}'),
    ('{"dependentRequired": {"a": "b"}, "minContains": -1, "maxContains": "1"}',
      '{/maxContains: must be integer,/minContains: must be >= 0,/dependentRequired/a: must be array}'),
    ('{"$ref": "#/$defs/a", "$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}}', '{}'),
    ('{"$ref": "#"}', '{"/$ref: \"#\" leads back to itself"}'),
    ('{"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"anyOf": [{"not": {"$ref": "#/$defs/a"}}, true]}}}',
      '{"/allOf/0/$ref: \"#/$defs/a\" leads back to itself","/$defs/a/anyOf/0/not/$ref: \"#/$defs/a\" leads back to itself"}'),
    ('{"$ref": "#/$defs/b"}', '{"/$ref: \"#/$defs/b\" leads nowhere"}'),
    ('{"$ref": "https://example.com/s.json"}',
      '{"/$ref: \"https://example.com/s.json\" is not part of this schema, and nothing is fetched"}'),
    ('{"anyOf": []}', '{/anyOf: must NOT have fewer than 1 items}'),
    ('{"oneOf": {}}', '{/oneOf: must be array}'),

    ('{"title": "T", "description": "D", "default": 1, "examples": [1], "deprecated": true, "$comment": "C", "order": 1}', '{}'),
    ('{"enumDescriptions": [], "markdownDescription": "", "scope": "window", "tags": [], "x-attune": {"$ref": 1}}', '{}'),
    ('{"default": {"$ref": "#"}, "const": {"if": 1}, "enum": [{"format": 1}], "examples": [{"type": 1}]}', '{}'),
    ('{"properties": {"a": {"format": "email"}}}', '{}')
) as c (schema, problems);

select is(
  pg_temp.problems(jsonb_build_object(k.keyword, '{}'::jsonb)),
  array[format('keyword "%s" is not supported', k.keyword)],
  format('%s is refused, not ignored', k.keyword)
)
from unnest('{
  $anchor, $dynamicRef, $dynamicAnchor, $recursiveRef, $recursiveAnchor, additionalItems, definitions, dependencies,
  disallow, divisibleBy, extends
}'::text[]) as k (keyword);

select is(
  pg_temp.problems(jsonb_build_object(k.keyword, 1)),
  array[format('keyword "%s" is unknown: is "%s" meant?', k.keyword, k.meant)],
  format('%s is taken for a misspelled %s', k.keyword, k.meant)
)
from (
  values
    ('minimun', 'minimum'), ('minLenght', 'minLength'), ('MinLength', 'minLength'), ('min_length', 'minLength'),
    ('tpye', 'type'), ('types', 'type'), ('item', 'items'), ('requierd', 'required'), ('ref', '$ref'), ('Enum', 'enum'),
    ('additionalProperty', 'additionalProperties'), ('patternPropertys', 'patternProperties'), ('onOf', 'oneOf')
) as k (keyword, meant);

create function pg_temp.warnings(schema jsonb) returns text[]
language sql
return array(
  select ltrim(w.path || ': ' || w.message, ': ')
  from attune_private.json_schema_warnings(schema) with ordinality as w (path, message, n)
  order by w.n
);
select is(
  pg_temp.warnings(jsonb_build_object(k.keyword, 1)),
  array[format('keyword "%s" is unknown and decides nothing', k.keyword)],
  format('%s is an annotation of its own', k.keyword)
)
from unnest('{note,definition,when,then_note,tsTypes,isSecret,names}'::text[]) as k (keyword);
select is(
  pg_temp.warnings('{"title": 1, "properties": {"a": {"examples": "b", "minimum": "", "x-anything": 1}}}'),
  '{/title: must be string,/properties/a/examples: must be array}',
  'an annotation of another shape is told of and kept'
);

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
    ('(?<year>\d{4})', '{}'),
    ('^[\w-.]+[a-z-_][.-\d]$', '{}'),
    ('\p{L}[\p{Lu}\p{General_Category=Nd}]\P{Letter}', '{}'),
    ('\p{Script=Greek}', '{"/pattern: invalid regular expression: \\p{Script=Greek} is not supported"}'),
    ('[\P{L}]', '{"/pattern: invalid regular expression: \\P{L} is not supported"}'),
    ('(a)\1', '{"/pattern: invalid regular expression: \\1 is not supported"}'),
    ('\Aa\Z', '{"/pattern: invalid regular expression: \\A is not supported"}'),
    ('\ud83d\ude00', '{"/pattern: invalid regular expression: \\ud83d is not supported"}'),
    ('[]a]', '{"/pattern: invalid regular expression: [] is not supported"}'),
    ('a{256}', '{/pattern: invalid regular expression: invalid repetition count(s)}')
) as c (pattern, problems);

select is(pg_temp.problems(null), '{must NOT be SQL NULL}', 'NULL is not a schema');

-- A schema of a document, as a schema of its own

create function pg_temp.resource(document jsonb, place text default '') returns jsonb
language sql
return attune_private.json_schema_resource(document, place);

select is(pg_temp.resource(c.document::jsonb, c.place), c.resource::jsonb, format('%s of %s', c.place, c.document))
from (
  values
    ('{"properties": {"a": {"type": "string"}}}', '/properties/a', '{"type": "string"}'),
    ('{"properties": {"a": {"$ref": "#/definitions/b"}}, "definitions": {"b": {"items": {"$ref": "#/definitions/c"}}, "c": true, "d": true}}',
      '/properties/a',
      '{"$ref": "#/$defs/b", "$defs": {"b": {"items": {"$ref": "#/$defs/c"}}, "c": true}}'),
    ('{"properties": {"a": {"items": {"$ref": "#/properties/a"}}}}', '/properties/a', '{"items": {"$ref": "#"}}'),
    ('{"properties": {"a": {"$ref": "#/x/1"}}, "x": [1, {"type": "null"}]}', '/properties/a',
      '{"$ref": "#/$defs/1", "$defs": {"1": {"type": "null"}}}'),
    ('{"properties": {"a": {"not": {"$ref": "#"}}}}', '/properties/a',
      '{"not": {"$ref": "#/$defs/document"}, "$defs": {"document": {"properties": {"a": {"not": {"$ref": "#/$defs/document"}}}}}}'),
    ('{"properties": {"a": {"$ref": "#b"}}, "$defs": {"x": {"$anchor": "b", "type": "null"}}}', '/properties/a',
      '{"$ref": "#/$defs/x", "$defs": {"x": {"type": "null"}}}'),
    ('{"properties": {"a": {"$ref": "#b"}}, "definitions": {"x": {"$id": "#b", "type": "null"}}}', '/properties/a',
      '{"$ref": "#/$defs/x", "$defs": {"x": {"type": "null"}}}'),
    ('{"$id": "https://x.example/d.json", "properties": {"a": {"$ref": "b.json"}}, "$defs": {"x": {"$id": "b.json", "type": "null"}}}',
      '/properties/a', '{"$ref": "#/$defs/x", "$defs": {"x": {"type": "null"}}}'),
    ('{"properties": {"a": {"$id": "urn:a", "$ref": "#/$defs/x", "$defs": {"x": {"type": "null"}}}}, "$defs": {"x": true}}',
      '/properties/a', '{"$id": "urn:a", "$ref": "#/$defs/x", "$defs": {"x": {"type": "null"}}}'),
    ('{"properties": {"a": {"allOf": [{"$ref": "#/p/x"}, {"$ref": "#/q/x"}]}}, "p": {"x": true}, "q": {"x": {}}}',
      '/properties/a', '{"allOf": [{"$ref": "#/$defs/x"}, {"$ref": "#/$defs/x_"}], "$defs": {"x": true, "x_": {}}}'),
    ('{"$ref": "https://example.com/"}', '', '{"$ref": "https://example.com/"}'),

    ('{"items": [{"type": "null"}, true], "additionalItems": false}', '', '{"prefixItems": [{"type": "null"}, true], "items": false}'),
    ('{"items": [], "additionalItems": {"type": "null"}}', '', '{"items": {"type": "null"}}'),
    ('{"items": {"type": "null"}, "additionalItems": false}', '', '{"items": {"type": "null"}}'),
    ('{"minimum": 1, "exclusiveMinimum": true, "maximum": 2, "exclusiveMaximum": false}', '', '{"exclusiveMinimum": 1, "maximum": 2}'),
    ('{"exclusiveMaximum": true}', '', '{}'),
    ('{"dependencies": {"a": ["b"], "c": {"required": ["d"]}, "e": "f"}}', '',
      '{"dependentRequired": {"a": ["b"], "e": ["f"]}, "dependentSchemas": {"c": {"required": ["d"]}}}'),
    ('{"properties": {"a": {"required": true}, "b": {"required": false}}, "required": ["c"]}', '',
      '{"properties": {"a": {}, "b": {}}, "required": ["a", "c"]}'),
    ('{"$schema": "http://json-schema.org/draft-07/schema#", "items": {"$ref": "#", "type": "null", "title": "T"}}', '',
      '{"items": {"$ref": "#", "title": "T"}}'),
    ('{"$schema": "https://json-schema.org/draft/2020-12/schema", "items": {"$ref": "#", "type": "null", "title": "T"}}', '',
      '{"items": {"$ref": "#", "type": "null", "title": "T"}}'),
    ('{"default": {"items": [1], "$ref": "#"}, "enum": [{"definitions": 1}]}', '', '{"default": {"items": [1], "$ref": "#"}, "enum": [{"definitions": 1}]}')
) as c (document, place, resource);

select * from finish();
rollback;
