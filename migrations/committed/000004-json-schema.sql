--! Previous: sha1:1038de0a9b1ddc5e3270687e0d56df1061c6a5eb
--! Hash: sha1:f5da03bb5a0b19b7ed3e245faf9633e14a0ae395
--! Message: json schema

-- What a value must be

--! Included json-schema/private/json_schema_regex.sql
-- The two dialects share most of their syntax. What is written alike but means something else is
-- rewritten here, and what has no counterpart raises, so that no pattern is taken for another one.
create or replace function attune_private.json_schema_regex(pattern text)
returns text
language plpgsql immutable parallel safe strict
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Both begin and end with a range, so that neither can become the end of another range.
  spaces constant text := '\u2000-\u200a \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff\t-\r';
  others constant text := '\u0001-\u0008\u000e-\u001f!-\u009f\u00a1-\u167f\u1681-\u1fff\u200b-\u2027'
    '\u202a-\u202e\u2030-\u205e\u2060-\u2fff\u3001-\ufefe\uff00-\U0010ffff';
  -- An option that changes nothing, so that the pattern itself cannot begin with options or a director.
  regex text := '(?c)';
  token text;
  previous text := '';
  in_class boolean := false;
begin
  for token in
    select t.parts[1]
    from regexp_matches(
      pattern, '\\x[[:xdigit:]]{2}|\\u[[:xdigit:]]{4}|\\c[a-zA-Z]|\\.|\[\^?|\(\?|[^][\\(.]+|.', 'g'
    ) as t (parts)
  loop
    if token like '\\%'
      and token !~ '^\\([dDwWsSbBtnvfr]|c[a-zA-Z]|x..|u(?![dD][89a-fA-F])....|[^a-zA-Z0-9])$'
      or in_class and token = '\B'
      or in_class and token = ']' and previous in ('[', '[^')
      or not in_class and previous = '(?' and token !~ '^([:=!]|<[=!])'
    then
      raise exception using
        errcode = 'invalid_regular_expression',
        message = format(
          'invalid regular expression: %s is not supported',
          case when token like '\\%' then token else previous || left(token, 1) end
        );
    end if;

    regex := regex || case
      when token like '\\x%' then '\u00' || substr(token, 3)
      when in_class then case
        when token = '\s' then spaces
        when token = '\S' then others
        when token like '[%' then replace(token, '[', '\[')
        else token
      end
      else case token
        when '\s' then '[' || spaces || ']'
        when '\S' then '[^' || spaces || ']'
        when '\b' then '\y'
        when '\B' then '\Y'
        when '.' then '[^\n\r\u2028\u2029]'
        else token
      end
    end;
    in_class := token <> ']' and (in_class or token in ('[', '[^'));
    previous := token;
  end loop;

  return regex;
end;
$$;
comment on function attune_private.json_schema_regex(text) is
  'A `pattern` (ECMA-262, with its u flag) as the regular expression of Postgres that matches the same under '
  'collation "C". Raises invalid_regular_expression, naming the construct, for what Postgres cannot say; what it '
  'returns may still not compile.';
revoke all on function attune_private.json_schema_regex(text) from public;
--! EndIncluded json-schema/private/json_schema_regex.sql
--! Included json-schema/private/json_schema_check.sql
-- A function of its own, not returning a set, because it calls itself for every member, item and
-- branch: a call is then an expression, not a query.
create or replace function attune_private.json_schema_check(
  schema jsonb,
  value jsonb,
  path text,
  depth integer,
  most integer
)
returns text[]
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  kind constant text := jsonb_typeof(value);
  errors text[];
  number numeric;
  content text;
  size integer;
  matched boolean;
  keyword text;
  name text;
  index integer;
  member jsonb;
  subschema jsonb;
  failure text[];
  matches text[];
  reasons text[];
  listed text;
begin
  if jsonb_typeof(schema) = 'boolean' and depth <= 64 then
    return case schema when 'false' then array[[path, 'boolean schema is false']] end;
  elsif jsonb_typeof(schema) <> 'object' or depth > 64 then
    -- Raised, because "not" would make a valid value of an error that is returned.
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'a JSON Schema must be an object or a boolean, nested 64 levels deep at most',
      hint = 'Only a schema without attune_private.json_schema_problems() can be used.';
  end if;

  if kind = 'number' then
    number := value::numeric;
  end if;

  -- After a wrong type, other errors are noise.
  if schema ? 'type'
    and (schema -> 'type' ? kind) is not true
    and (schema -> 'type' ? 'integer' and number = trunc(number)) is not true
  then
    return array[[path, 'must be ' || translate(schema ->> 'type', '[]" ', '')]];
  end if;

  if schema ?| '{enum,const}' then
    if schema ? 'const' and schema -> 'const' <> value then
      listed := schema -> 'const';
      errors := errors || array[[path, 'must be equal to constant'
        || case when length(listed) <= 200 then ': ' || listed else '' end]];
    end if;

    if schema ? 'enum' then
      -- Of a scalar, containment in an array is being one of its items; of a container it is less.
      if kind in ('object', 'array') then
        matched := exists (select from jsonb_array_elements(schema -> 'enum') as e (item) where e.item = value);
      else
        matched := schema -> 'enum' @> value;
      end if;
      if not matched then
        listed := schema ->> 'enum';
        errors := errors || array[[path, 'must be equal to one of the allowed values'
          || case when length(listed) <= 200 then ': ' || substr(listed, 2, length(listed) - 2) else '' end]];
      end if;
    end if;
  end if;

  if kind = 'number' then
    if schema ? 'minimum' and (number >= (schema -> 'minimum')::numeric) is not true then
      errors := errors || array[[path, 'must be >= ' || (schema ->> 'minimum')]];
    end if;
    if schema ? 'maximum' and (number <= (schema -> 'maximum')::numeric) is not true then
      errors := errors || array[[path, 'must be <= ' || (schema ->> 'maximum')]];
    end if;
    if schema ? 'exclusiveMinimum' and (number > (schema -> 'exclusiveMinimum')::numeric) is not true then
      errors := errors || array[[path, 'must be > ' || (schema ->> 'exclusiveMinimum')]];
    end if;
    if schema ? 'exclusiveMaximum' and (number < (schema -> 'exclusiveMaximum')::numeric) is not true then
      errors := errors || array[[path, 'must be < ' || (schema ->> 'exclusiveMaximum')]];
    end if;
    if schema ? 'multipleOf' and (number % (schema -> 'multipleOf')::numeric = 0) is not true then
      errors := errors || array[[path, 'must be multiple of ' || (schema ->> 'multipleOf')]];
    end if;

  elsif kind = 'string' then
    content := value #>> '{}';
    if schema ? 'minLength' and (char_length(content) >= (schema -> 'minLength')::numeric) is not true then
      errors := errors || array[[path, format('must NOT have fewer than %s characters', schema ->> 'minLength')]];
    end if;
    if schema ? 'maxLength' and (char_length(content) <= (schema -> 'maxLength')::numeric) is not true then
      errors := errors || array[[path, format('must NOT have more than %s characters', schema ->> 'maxLength')]];
    end if;
    if schema ? 'pattern'
      and (content collate "C" ~ attune_private.json_schema_regex(schema ->> 'pattern')) is not true
    then
      errors := errors || array[[path, format('must match pattern "%s"', schema ->> 'pattern')]];
    end if;

  elsif kind = 'array' then
    size := jsonb_array_length(value);
    if schema ? 'minItems' and (size >= (schema -> 'minItems')::numeric) is not true then
      errors := errors || array[[path, format('must NOT have fewer than %s items', schema ->> 'minItems')]];
    end if;
    if schema ? 'maxItems' and (size <= (schema -> 'maxItems')::numeric) is not true then
      errors := errors || array[[path, format('must NOT have more than %s items', schema ->> 'maxItems')]];
    end if;
    if schema ->> 'uniqueItems' <> 'false' then
      select array[[path, format('must NOT have duplicate items (items ## %s and %s are identical)', i.first, i.index)]]
      into failure
      from (
        select e.n - 1 as index, min(e.n) over (partition by e.item) - 1 as first
        from jsonb_array_elements(value) with ordinality as e (item, n)
      ) as i
      where i.first < i.index
      order by i.index
      limit 1;
      errors := errors || failure;
    end if;

    if schema ?| '{prefixItems,items}' then
      size := jsonb_array_length(schema -> 'prefixItems');
      for index, member in
        select e.n - 1, e.item from jsonb_array_elements(value) with ordinality as e (item, n)
      loop
        subschema := coalesce(schema -> 'prefixItems' -> index, schema -> 'items');
        exit when subschema is null or cardinality(errors) / 2 >= most;
        if index = size and subschema = 'false' then
          errors := errors || array[[path, format('must NOT have more than %s items', size)]];
          exit;
        end if;
        errors := errors
          || attune_private.json_schema_check(subschema, member, path || '/' || index, depth + 1, most);
      end loop;
    end if;

  elsif kind = 'object' then
    if schema ?| '{minProperties,maxProperties}' then
      size := (select count(*) from jsonb_object_keys(value));
      if schema ? 'minProperties' and (size >= (schema -> 'minProperties')::numeric) is not true then
        errors := errors || array[[path, format('must NOT have fewer than %s properties', schema ->> 'minProperties')]];
      end if;
      if schema ? 'maxProperties' and (size <= (schema -> 'maxProperties')::numeric) is not true then
        errors := errors || array[[path, format('must NOT have more than %s properties', schema ->> 'maxProperties')]];
      end if;
    end if;
    if schema ? 'required' then
      for name in
        select r.name from jsonb_array_elements_text(schema -> 'required') as r (name) where not value ? r.name
      loop
        errors := errors || array[[path, format('must have required property ''%s''', name)]];
      end loop;
    end if;

    if schema ?| '{properties,additionalProperties,propertyNames}' then
      for name, member in select e.key, e.value from jsonb_each(value) as e loop
        exit when cardinality(errors) / 2 >= most;
        if schema ? 'propertyNames' then
          failure := attune_private.json_schema_check(schema -> 'propertyNames', to_jsonb(name), '', depth + 1, 1);
          if failure is not null then
            errors := errors || array[[path, format('property name must be valid: ''%s'' %s', name, failure[1][2])]];
          end if;
        end if;

        subschema := schema -> 'properties' -> name;
        if subschema is null and schema -> 'additionalProperties' = 'false' then
          errors := errors || array[[path, format('must NOT have additional properties: ''%s''', name)]];
          continue;
        end if;
        subschema := coalesce(subschema, schema -> 'additionalProperties');
        if subschema is not null then
          errors := errors || attune_private.json_schema_check(
            subschema, member, path || '/' || replace(replace(name, '~', '~0'), '/', '~1'), depth + 1, most);
        end if;
      end loop;
    end if;
  end if;

  if schema ?| '{allOf,anyOf,oneOf,not}' then
    for subschema in select e.item from jsonb_array_elements(schema -> 'allOf') as e (item) loop
      exit when cardinality(errors) / 2 >= most;
      errors := errors || attune_private.json_schema_check(subschema, value, path, depth + 1, most);
    end loop;

    -- The first error of each branch says why none matches: as rows of their own they would read as
    -- if all of them had to be mended.
    foreach keyword in array '{anyOf,oneOf}'::text[] loop
      continue when not schema ? keyword;
      matches := '{}';
      reasons := '{}';
      for index, subschema in
        select e.n - 1, e.item from jsonb_array_elements(schema -> keyword) with ordinality as e (item, n)
      loop
        failure := attune_private.json_schema_check(subschema, value, '', depth + 1, 1);
        if failure is null then
          matches := matches || index::text;
          exit when keyword = 'anyOf' or cardinality(matches) = 2;
        else
          reasons := reasons || ltrim(failure[1][1] || ' ' || failure[1][2]);
        end if;
      end loop;

      listed := array_to_string(reasons, ', or ');
      if matches = '{}' then
        errors := errors || array[[path,
          case keyword when 'anyOf' then 'must match a schema in anyOf' else 'must match exactly one schema in oneOf' end
          || case when length(listed) <= 200 then ': ' || listed else '' end]];
      elsif cardinality(matches) > 1 then
        errors := errors || array[[path,
          format('must match exactly one schema in oneOf (%s match)', array_to_string(matches, ' and '))]];
      end if;
    end loop;

    if schema ? 'not'
      and attune_private.json_schema_check(schema -> 'not', value, path, depth + 1, 1) is null
    then
      errors := errors || array[[path, 'must NOT be valid']];
    end if;
  end if;

  return errors;
end;
$$;
comment on function attune_private.json_schema_check(jsonb, jsonb, text, integer, integer) is
  'The recursion of json_schema_errors(): pairs of path and message, NULL when the value is valid. path is where '
  'the value stands, depth how deep the schema does; it stops soon after as many errors as most.';
revoke all on function attune_private.json_schema_check(jsonb, jsonb, text, integer, integer) from public;
--! EndIncluded json-schema/private/json_schema_check.sql
--! Included json-schema/private/json_schema_errors.sql
create or replace function attune_private.json_schema_errors(schema jsonb, value jsonb)
returns table (path text, message text)
language plpgsql immutable parallel safe rows 1
set search_path = pg_catalog, pg_temp
as $$
declare
  errors text[];
begin
  if schema is null or value is null then
    path := '';
    message := case when schema is null then 'schema must NOT be SQL NULL' else 'must NOT be SQL NULL' end;
    return next;
    return;
  end if;

  errors := attune_private.json_schema_check(schema, value, '', 0, 100);
  for i in 1 .. least(coalesce(array_length(errors, 1), 0), 100) loop
    path := errors[i][1];
    message := errors[i][2];
    return next;
  end loop;
end;
$$;
comment on function attune_private.json_schema_errors(jsonb, jsonb) is
  'What is wrong with a value by a JSON Schema (the subset of draft 2020-12 in docs/reference/json-schema.md): a JSON '
  'Pointer into the value and a message for each error, the first hundred at most; no row when the value is valid. '
  'NULL is never valid. '
  'Takes a schema without json_schema_problems(): keywords outside the subset are not looked at.';
revoke all on function attune_private.json_schema_errors(jsonb, jsonb) from public;
--! EndIncluded json-schema/private/json_schema_errors.sql
--! Included json-schema/private/json_schema_problems.sql
create or replace function attune_private.json_schema_problems(schema jsonb)
returns table (path text, message text)
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  -- What each keyword takes, in the words of draft 2020-12; sub-schemas are visited on their own.
  vocabulary constant jsonb := '{
    "type": {
      "anyOf": [
        {"enum": ["array", "boolean", "integer", "null", "number", "object", "string"]},
        {
          "type": "array",
          "items": {"enum": ["array", "boolean", "integer", "null", "number", "object", "string"]},
          "minItems": 1,
          "uniqueItems": true
        }
      ]
    },
    "enum": {"type": "array", "minItems": 1},
    "const": true,

    "minimum": {"type": "number"},
    "maximum": {"type": "number"},
    "exclusiveMinimum": {"type": "number"},
    "exclusiveMaximum": {"type": "number"},
    "multipleOf": {"type": "number", "exclusiveMinimum": 0},

    "minLength": {"type": "integer", "minimum": 0},
    "maxLength": {"type": "integer", "minimum": 0},
    "pattern": {"type": "string"},

    "items": true,
    "prefixItems": {"type": "array", "minItems": 1},
    "minItems": {"type": "integer", "minimum": 0},
    "maxItems": {"type": "integer", "minimum": 0},
    "uniqueItems": {"type": "boolean"},

    "properties": {"type": "object"},
    "required": {"type": "array", "items": {"type": "string"}, "uniqueItems": true},
    "additionalProperties": true,
    "propertyNames": true,
    "minProperties": {"type": "integer", "minimum": 0},
    "maxProperties": {"type": "integer", "minimum": 0},

    "anyOf": {"type": "array", "minItems": 1},
    "allOf": {"type": "array", "minItems": 1},
    "oneOf": {"type": "array", "minItems": 1},
    "not": true,

    "$schema": {"type": "string"},
    "$id": {"type": "string"},
    "$comment": {"type": "string"},
    "title": {"type": "string"},
    "description": {"type": "string"},
    "default": true,
    "examples": {"type": "array"},
    "deprecated": {"type": "boolean"},
    "readOnly": {"type": "boolean"},
    "writeOnly": {"type": "boolean"},

    "defaultSnippets": true,
    "deprecationMessage": true,
    "editPresentation": true,
    "enumDescriptions": true,
    "enumItemLabels": true,
    "errorMessage": true,
    "ignoreSync": true,
    "markdownDeprecationMessage": true,
    "markdownDescription": true,
    "markdownEnumDescriptions": true,
    "order": true,
    "patternErrorMessage": true,
    "scope": true,
    "tags": true
  }';
  node_path text;
  depth integer;
  node jsonb;
  keyword text;
  argument jsonb;
begin
  if schema is null then
    path := '';
    message := 'must NOT be SQL NULL';
    return next;
    return;
  end if;

  for node_path, depth, node in
    with recursive nodes (path, depth, node) as (
      select '', 0, schema
      union all
      select n.path || child.path, n.depth + 1, child.node
      from nodes as n
      cross join lateral (
        select '/' || k.keyword, n.node -> k.keyword
        from unnest('{items,additionalProperties,propertyNames,not}'::text[]) as k (keyword)
        where jsonb_typeof(n.node) = 'object' and n.node ? k.keyword
        union all
        select '/properties/' || replace(replace(p.key, '~', '~0'), '/', '~1'), p.value
        from jsonb_each(case jsonb_typeof(n.node -> 'properties') when 'object' then n.node -> 'properties' end) as p
        union all
        select '/' || k.keyword || '/' || i.n - 1, i.item
        from unnest('{prefixItems,anyOf,allOf,oneOf}'::text[]) as k (keyword)
        cross join jsonb_array_elements(
          case jsonb_typeof(n.node -> k.keyword) when 'array' then n.node -> k.keyword end
        ) with ordinality as i (item, n)
      ) as child (path, node)
      where n.depth <= 64
    )
    select n.path, n.depth, n.node from nodes as n
  loop
    path := node_path;
    if jsonb_typeof(node) not in ('object', 'boolean') then
      message := 'must be object,boolean';
      return next;
      continue;
    elsif depth > 64 then
      message := 'must NOT be nested deeper than 64 levels';
      return next;
      continue;
    end if;

    for keyword, argument in
      select k.key, k.value from jsonb_each(case jsonb_typeof(node) when 'object' then node end) as k
    loop
      continue when keyword like 'x-%';
      if not vocabulary ? keyword then
        path := node_path;
        message := format('keyword "%s" is not supported', keyword);
        return next;
        continue;
      end if;

      return query
        select node_path || '/' || keyword || e.path, e.message
        from attune_private.json_schema_errors(vocabulary -> keyword, argument) as e;

      if keyword = 'pattern' and jsonb_typeof(argument) = 'string' then
        begin
          perform '' collate "C" ~ attune_private.json_schema_regex(argument #>> '{}');
        exception when invalid_regular_expression then
          path := node_path || '/pattern';
          message := sqlerrm;
          return next;
        end;
      end if;
    end loop;
  end loop;
end;
$$;
comment on function attune_private.json_schema_problems(jsonb) is
  'What keeps a JSON Schema from being used: a keyword outside the subset in docs/reference/json-schema.md, a keyword '
  'of the wrong shape, a pattern that Postgres cannot use, too deep a nesting. '
  'A JSON Pointer into the schema and a message each; no row when it can be used.';
revoke all on function attune_private.json_schema_problems(jsonb) from public;
--! EndIncluded json-schema/private/json_schema_problems.sql
--! Included json-schema/private/invalid_value_message.sql
create or replace function attune_private.invalid_value_message(schema jsonb, value jsonb)
returns text
language sql immutable parallel safe security invoker
begin atomic
  -- Ten are enough to mend a value; a large one could have thousands.
  select left(string_agg(ltrim(e.path || ': ' || e.message, ': '), '; ' order by e.position), 2000)
  from (
    select f.path, f.message, f.position
    from attune_private.json_schema_errors(schema, value) with ordinality as f (path, message, position)
    limit 10
  ) as e;
end;
comment on function attune_private.invalid_value_message(jsonb, jsonb) is
  'What is wrong with a value, as one line (`/temperature: must be <= 2; /model: must be string`); NULL when it is '
  'valid.';
revoke all on function attune_private.invalid_value_message(jsonb, jsonb) from public;
--! EndIncluded json-schema/private/invalid_value_message.sql
--! Included json-schema/private/resolve_reference.sql
create or replace function attune_private.resolve_reference(root jsonb, reference text)
returns jsonb
language sql immutable parallel safe security invoker
begin atomic
  -- As RFC 6901 has it: first the escapes of URIs that occur in practice, then ~1, then ~0.
  select case
    when reference = '#' then root
    when starts_with(reference, '#/') then root #> array(
      select replace(replace(replace(replace(replace(s.step, '%25', '%'), '%24', '$'), '%20', ' '), '~1', '/'), '~0', '~')
      from regexp_split_to_table(substr(reference, 3), '/') with ordinality as s (step, place)
      order by s.place
    )
  end;
end;
comment on function attune_private.resolve_reference(jsonb, text) is
  'What a `$ref` within one schema points to, `#` or `#/` with a JSON Pointer (RFC 6901); NULL when to nothing, or '
  'elsewhere.';
revoke all on function attune_private.resolve_reference(jsonb, text) from public;
--! EndIncluded json-schema/private/resolve_reference.sql
--! Included json-schema/private/schema_types.sql
create or replace function attune_private.schema_types(root jsonb, schema jsonb, depth integer default 0)
returns text[]
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  every constant text[] := '{array,boolean,null,number,object,string}';
  types text[] := every;
  branch jsonb;
  united text[];
  keyword text;
begin
  if schema = 'false' then
    return '{}';
  elsif jsonb_typeof(schema) is distinct from 'object' or depth > 64 then
    return every;
  end if;

  if schema ? 'type' then
    types := array(
      select distinct case t.name when 'integer' then 'number' else t.name end
      from jsonb_array_elements_text(
        case jsonb_typeof(schema -> 'type') when 'array' then schema -> 'type' else jsonb_build_array(schema -> 'type') end
      ) as t (name)
    );
  end if;

  if schema ? 'const' then
    types := array(select t from unnest(types) as t where t = jsonb_typeof(schema -> 'const'));
  end if;

  if jsonb_typeof(schema -> 'enum') = 'array' then
    types := array(
      select t
      from unnest(types) as t
      where t in (select jsonb_typeof(e.item) from jsonb_array_elements(schema -> 'enum') as e (item))
    );
  end if;

  if schema ? '$ref' then
    types := array(
      select t
      from unnest(types) as t
      where t = any (attune_private.schema_types(
        root, attune_private.resolve_reference(root, schema ->> '$ref'), depth + 1
      ))
    );
  end if;

  if jsonb_typeof(schema -> 'allOf') = 'array' then
    for branch in select b.item from jsonb_array_elements(schema -> 'allOf') as b (item) loop
      types := array(select t from unnest(types) as t where t = any (attune_private.schema_types(root, branch, depth + 1)));
    end loop;
  end if;

  foreach keyword in array '{anyOf,oneOf}'::text[] loop
    continue when jsonb_typeof(schema -> keyword) is distinct from 'array';
    united := '{}';
    for branch in select b.item from jsonb_array_elements(schema -> keyword) as b (item) loop
      united := united || attune_private.schema_types(root, branch, depth + 1);
    end loop;
    types := array(select t from unnest(types) as t where t = any (united));
  end loop;

  return types;
end;
$$;
comment on function attune_private.schema_types(jsonb, jsonb, integer) is
  'Which JSON types a value of a schema may have, as `jsonb_typeof` names them; at least those, as `not` and its like '
  'are not looked at. '
  '`root` is the schema that a `$ref` points into.';
revoke all on function attune_private.schema_types(jsonb, jsonb, integer) from public;
--! EndIncluded json-schema/private/schema_types.sql
--! Included json-schema/private/merge_obstacle.sql
create or replace function attune_private.merge_obstacle(schema jsonb, default_value jsonb)
returns text
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  -- What is still to look at: a sub-schema, where it stands, what the default has there, whether what is around says
  -- that the value is an object, and whether a layer can put something else in its place.
  waiting jsonb[] := array[jsonb_build_object(
    'schema', schema, 'path', '', 'default', nullif(default_value, 'null'), 'is_object', false, 'may_vanish', false
  )];
  followed jsonb[] := '{}';
  place jsonb;
  node jsonb;
  path text;
  preset jsonb;
  reference jsonb;
  types text[];
  is_object boolean;
  may_vanish boolean;
  keyword text;
begin
  while cardinality(waiting) > 0 loop
    place := waiting[1];
    waiting := waiting[2:];
    node := place -> 'schema';
    path := place ->> 'path';
    preset := place -> 'default';
    continue when jsonb_typeof(node) <> 'object';

    types := attune_private.schema_types(merge_obstacle.schema, node);
    is_object := (place -> 'is_object')::boolean or types = '{object}';

    -- What cannot be an object is never merged: the narrowest value replaces the others.
    if not 'object' = any (types) then
      if path = '' then
        return '/type';
      end if;
      continue;
    end if;

    if jsonb_typeof(node -> 'type') = 'array' and not is_object then
      return path || '/type';
    end if;

    select k into keyword
    from unnest('{
      anyOf,const,dependencies,dependentRequired,dependentSchemas,enum,if,maxProperties,minProperties,not,oneOf,
      $dynamicRef,$recursiveRef
    }'::text[]) as k
    where node ? k
    limit 1;

    if found then
      return path || '/' || keyword;
    end if;

    may_vanish := (place -> 'may_vanish')::boolean or not is_object;

    if jsonb_typeof(node -> 'required') = 'array' and exists (
      select from jsonb_array_elements_text(node -> 'required') as r (name)
      where may_vanish or (preset ? r.name) is not true
    ) then
      return path || '/required';
    end if;

    if node ? '$ref' then
      reference := place || jsonb_build_object(
        'schema', node -> '$ref', 'path', '', 'is_object', is_object, 'may_vanish', may_vanish
      );
      -- A schema may contain itself: the same question is asked once.
      if not reference = any (followed) then
        followed := followed || reference;
        waiting := waiting || (reference || jsonb_build_object(
          'schema', attune_private.resolve_reference(merge_obstacle.schema, node ->> '$ref'), 'path', path || '/$ref'
        ));
      end if;
    end if;

    waiting := waiting || array(
      select jsonb_build_object(
        'schema', s.schema, 'path', path || s.step, 'default', s.preset, 'is_object', s.is_object,
        'may_vanish', may_vanish
      )
      from (
        select '/allOf/' || b.place - 1 as step, b.item as schema, preset as preset, is_object as is_object
        from jsonb_array_elements(case jsonb_typeof(node -> 'allOf') when 'array' then node -> 'allOf' end)
          with ordinality as b (item, place)
        union all
        select
          '/properties/' || replace(replace(p.key, '~', '~0'), '/', '~1'), p.value,
          case jsonb_typeof(preset) when 'object' then preset -> p.key end, false
        from jsonb_each(case jsonb_typeof(node -> 'properties') when 'object' then node -> 'properties' end) as p
        union all
        select '/patternProperties/' || replace(replace(p.key, '~', '~0'), '/', '~1'), p.value, null, false
        from jsonb_each(
          case jsonb_typeof(node -> 'patternProperties') when 'object' then node -> 'patternProperties' end
        ) as p
        union all
        select '/' || k, node -> k, null, false
        from unnest('{additionalProperties,unevaluatedProperties}'::text[]) as k
        where node ? k
      ) as s
    );
  end loop;

  return null;
end;
$$;
comment on function attune_private.merge_obstacle(jsonb, jsonb) is
  'What keeps the values of a schema from being merged member by member, as a JSON Pointer to a keyword that '
  'constrains members jointly, or that another layer could break; NULL when every mixture of valid values is valid.';
revoke all on function attune_private.merge_obstacle(jsonb, jsonb) from public;
--! EndIncluded json-schema/private/merge_obstacle.sql
--! Included json-schema/hidden/secret_path.sql
create or replace function attune_hidden.secret_path(value jsonb)
returns text
language sql immutable parallel safe security invoker
begin atomic
  with recursive members (path, name, value) as (
    select '', '', value
    union all
    select m.path || '/' || child.step, child.name, child.value
    from members as m
    cross join lateral (
      select e.key, e.key, e.value from jsonb_each(case jsonb_typeof(m.value) when 'object' then m.value end) as e
      union all
      select (i.place - 1)::text, m.name, i.item
      from jsonb_array_elements(case jsonb_typeof(m.value) when 'array' then m.value end)
        with ordinality as i (item, place)
    ) as child (step, name, value)
  )
  select m.path
  from members as m
  cross join lateral (select m.value #>> '{}') as s (text)
  where jsonb_typeof(m.value) = 'string'
    and s.text <> ''
    and (
      m.name ~* '(token|secret|password|passwd|(api|private|access|secret|signing|encryption|master|service)[_-]?key|credentials?|authorization)$'
      or s.text ~ '^(Bearer|Basic) [^ ]+$'
      or s.text ~ '-----BEGIN [A-Z ]*PRIVATE KEY-----'
      or s.text ~ '^(sk|pk|rk|whsec|hf|npm|shp[a-z]+|gh[a-z]|github_pat|glpat|xox[a-z]|xapp)[_-][A-Za-z0-9_-]{8,}$'
      or s.text ~ '^(AKIA[0-9A-Z]{16}|AIza[A-Za-z0-9_-]{20,}|EAA[A-Za-z0-9]{20,}|ya29[.].+|SG[.].+[.].+)$'
      or s.text ~ '^eyJ[A-Za-z0-9_-]+[.][A-Za-z0-9_-]+[.]'
      or s.text ~ '://[^/ ]*:[^/ ]*@'
      or s.text ~* '[?&](token|access_token|api_?key|key|secret|password)='
      -- A long run of letters and digits that is neither a word, nor a number, nor part of an address.
      or (
        s.text ~ '^[A-Za-z0-9_.~+/=-]+$'
        and exists (
          select from regexp_matches(s.text, '[A-Za-z0-9]{20,}', 'g') as r (run)
          where r.run[1] ~ '[0-9]' and r.run[1] ~ '[A-Za-z]'
        )
      )
    )
  limit 1;
end;
comment on function attune_hidden.secret_path(jsonb) is
  'Where in a value there is something that looks like a token, key or password, as a JSON Pointer; NULL when '
  'nowhere. '
  'By well-known prefixes, by the member''s name, or because it is a long mix of letters and digits.';
revoke all on function attune_hidden.secret_path(jsonb) from public;
grant execute on function attune_hidden.secret_path(jsonb) to service_role;
--! EndIncluded json-schema/hidden/secret_path.sql
--! Included json-schema/private/annotation_problems.sql
create or replace function attune_private.annotation_problems(schema jsonb, value jsonb)
returns table (reason text, message text)
language sql volatile security invoker
begin atomic
  select 'secret_in_setting', s.path || ' looks like a secret'
  from (
    select case when schema -> 'x-no-secrets' = 'true' then attune_hidden.secret_path(value) end
  ) as s (path)
  where s.path is not null
  union all
  select 'invalid_timezone', '/' || m.name || ' is no time zone'
  from jsonb_each(case jsonb_typeof(schema -> 'properties') when 'object' then schema -> 'properties' end) as m (name, rule)
  where m.rule -> 'x-time-zone' = 'true'
    and jsonb_typeof(value -> m.name) = 'string'
    and attune_private.timezone_name(value ->> m.name) is null;
end;
comment on function attune_private.annotation_problems(jsonb, jsonb) is
  'What JSON Schema has no words for: a schema with `x-no-secrets` takes nothing that looks like one '
  '(`secret_in_setting`), a property with `x-time-zone` only an IANA name (`invalid_timezone`). '
  'Each message begins with where it is.';
revoke all on function attune_private.annotation_problems(jsonb, jsonb) from public;
--! EndIncluded json-schema/private/annotation_problems.sql
--! Included json-schema/private/check_annotations.sql
create or replace function attune_private.check_annotations(key text, schema jsonb, value jsonb)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  problem record;
begin
  for problem in select p.reason, p.message from attune_private.annotation_problems(schema, value) as p loop
    if problem.reason = 'secret_in_setting' then
      raise exception using
        errcode = 'PT422',
        message = key || left(problem.message, 300),
        detail = 'secret_in_setting',
        hint = 'Store it with credentials, which are encrypted and never shown.';
    end if;

    raise exception using
      errcode = 'PT422',
      message = key || left(problem.message, 300),
      detail = 'invalid_timezone',
      hint = 'Send an IANA name, such as Europe/Berlin.';
  end loop;
end;
$$;
comment on function attune_private.check_annotations(text, jsonb, jsonb) is
  'Refuses a value against the annotations that are ours: `secret_in_setting`, `invalid_timezone`.';
revoke all on function attune_private.check_annotations(text, jsonb, jsonb) from public;
--! EndIncluded json-schema/private/check_annotations.sql
