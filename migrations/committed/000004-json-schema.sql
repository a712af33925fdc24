--! Previous: sha1:057f5fa58a925143c6c1110b6a6bcc20f820cd95
--! Hash: sha1:f343eb87737791181042ac97db3817e1ea42e0c7
--! Message: json schema

-- What a value must be

--! Included json-schema/private/percent_decoded.sql
create or replace function attune_private.percent_decoded(encoded text)
returns text
language sql immutable parallel safe security invoker
begin atomic
  -- What would be no UTF-8 stays as it is.
  select coalesce(
    string_agg(
      case
        when p.parts[1] like '%\%%' then convert_from(decode(replace(p.parts[1], '%', ''), 'hex'), 'UTF8')
        else p.parts[2]
      end,
      '' order by p.n
    ),
    ''
  )
  from regexp_matches(
    percent_decoded.encoded,
    '(%(?!00)[0-7][[:xdigit:]]|%(?:[cC][2-9a-fA-F]|[dD][[:xdigit:]])%[89abAB][[:xdigit:]]'
    '|%[eE](?:0%[abAB]|[1-9a-cA-CeEfF]%[89abAB]|[dD]%[89])[[:xdigit:]]%[89abAB][[:xdigit:]]'
    '|%[fF](?:0%[9abAB]|[1-3]%[89abAB]|4%8)[[:xdigit:]](?:%[89abAB][[:xdigit:]]){2})|([^%]+|%)',
    'g'
  ) with ordinality as p (parts, n);
end;
comment on function attune_private.percent_decoded(text) is 'The text that a part of a URI stands for.';
revoke all on function attune_private.percent_decoded(text) from public;
--! EndIncluded json-schema/private/percent_decoded.sql
--! Included json-schema/private/json_children.sql
create or replace function attune_private.json_children(value jsonb)
returns table (name text, member jsonb)
language sql immutable parallel safe security invoker
begin atomic
  select e.key, e.value
  from jsonb_each(case jsonb_typeof(value) when 'object' then value end) as e
  union all
  select (i.n - 1)::text, i.item
  from jsonb_array_elements(case jsonb_typeof(value) when 'array' then value end) with ordinality as i (item, n);
end;
comment on function attune_private.json_children(jsonb) is
  'The members of an object by name, the items of an array by number, as JSON Pointers name them; nothing of a scalar.';
revoke all on function attune_private.json_children(jsonb) from public;
--! EndIncluded json-schema/private/json_children.sql
--! Included json-schema/private/json_pointer_path.sql
create or replace function attune_private.json_pointer_path(pointer text)
returns text[]
language sql immutable parallel safe security invoker
begin atomic
  select case
    when json_pointer_path.pointer ~ '~' then array(
      select replace(replace(s.step, '~1', '/'), '~0', '~')
      from unnest((string_to_array(json_pointer_path.pointer, '/'))[2:]) with ordinality as s (step, n)
      order by s.n
    )
    else (string_to_array(json_pointer_path.pointer, '/'))[2:]
  end;
end;
comment on function attune_private.json_pointer_path(text) is
  'A JSON Pointer as the path that `#>` takes.';
revoke all on function attune_private.json_pointer_path(text) from public;
--! EndIncluded json-schema/private/json_pointer_path.sql
--! Included json-schema/private/json_pointer_step.sql
create or replace function attune_private.json_pointer_step(name text)
returns text
language sql immutable parallel safe security invoker
begin atomic
  select '/' || replace(replace(json_pointer_step.name, '~', '~0'), '/', '~1');
end;
comment on function attune_private.json_pointer_step(text) is 'One step of a JSON Pointer, to the member of this name.';
revoke all on function attune_private.json_pointer_step(text) from public;
--! EndIncluded json-schema/private/json_pointer_step.sql
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
--! Included json-schema/private/json_schema_target.sql
create or replace function attune_private.json_schema_target(root jsonb, reference text)
returns jsonb
language sql immutable parallel safe security invoker
begin atomic
  select json_schema_target.root #> attune_private.json_pointer_path(
    attune_private.percent_decoded(substr(json_schema_target.reference, 2))
  )
  where json_schema_target.reference ~ '^#(/|$)';
end;
comment on function attune_private.json_schema_target(jsonb, text) is
  'What a reference into the schema at the root, `#` or `#/$defs/name`, leads to; NULL when nowhere.';
revoke all on function attune_private.json_schema_target(jsonb, text) from public;
--! EndIncluded json-schema/private/json_schema_target.sql
--! Included json-schema/private/json_schema_format.sql
create or replace function attune_private.json_schema_format(format text, content text)
returns boolean
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  parts text[];
  rest text;
  previous text;
begin
  case json_schema_format.format
    when 'date' then
      parts := regexp_match(content, '^([0-9]{4})-(0[1-9]|1[0-2])-([0-2][0-9]|3[01])$');
      return parts is not null and parts[3]::integer between 1 and case
        when parts[2] in ('04', '06', '09', '11') then 30
        when parts[2] <> '02' then 31
        when parts[1]::integer % 4 = 0 and (parts[1]::integer % 100 <> 0 or parts[1]::integer % 400 = 0) then 29
        else 28
      end;
    when 'time' then
      parts := regexp_match(
        content,
        '^([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]|60)(?:\.[0-9]+)?(?:[zZ]|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))$'
      );
      -- A leap second is the last one of a day in UTC.
      return parts is not null and (
        parts[3] <> '60'
        or (
          parts[1]::integer * 60 + parts[2]::integer + 1440
          - coalesce((parts[4] || '1')::integer * (parts[5]::integer * 60 + parts[6]::integer), 0)
        ) % 1440 = 1439
      );
    when 'date-time' then
      return content ~ '^.{10}[tT]'
        and attune_private.json_schema_format('date', left(content, 10))
        and attune_private.json_schema_format('time', substr(content, 12));
    when 'duration' then
      return content ~ ('^P('
        '[0-9]+W'
        '|(?=[0-9T])([0-9]+Y([0-9]+M([0-9]+D)?)?|[0-9]+M([0-9]+D)?|[0-9]+D)?'
        '(T([0-9]+H([0-9]+M([0-9]+S)?)?|[0-9]+M([0-9]+S)?|[0-9]+S))?'
        ')$');
    when 'email' then
      parts := regexp_match(content, '^([^@"]+|"(?:[^"\\[:cntrl:]]|\\[^[:cntrl:]])*")@([^@]+)$');
      return parts is not null
        and (parts[1] ~ '^"' or parts[1] ~ '^[A-Za-z0-9!#$%&''*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&''*+/=?^_`{|}~-]+)*$')
        and case
          when parts[2] ~* '^\[ipv6:.*\]$' then attune_private.json_schema_format('ipv6', substr(parts[2], 7, length(parts[2]) - 7))
          when parts[2] ~ '^\[.*\]$' then attune_private.json_schema_format('ipv4', substr(parts[2], 2, length(parts[2]) - 2))
          else attune_private.json_schema_format('hostname', parts[2])
        end;
    when 'hostname' then
      return char_length(content) <= 253
        and content ~ '^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$';
    when 'ipv4' then
      return content ~ '^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(\.(?!$)|$)){4}$';
    when 'ipv6' then
      -- An IPv4 address at the end stands for the last two groups.
      parts := regexp_match(content, '^(.*:)([0-9.]+\.[0-9.]+)$');
      if parts is not null then
        return attune_private.json_schema_format('ipv4', parts[2])
          and attune_private.json_schema_format('ipv6', parts[1] || '0:0');
      end if;
      return content ~ '^[0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4}){7}$'
        or (
          content ~ '^([0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4})*)?::([0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4})*)?$'
          and (select count(*) from regexp_matches(content, '[0-9A-Fa-f]+', 'g')) <= 7
        );
    when 'uri' then
      return content ~ format(
        '^[A-Za-z][A-Za-z0-9+.-]*:(//((%1$s)*@)?(\[[0-9A-Fa-fv:.]+\]|(%2$s)*)(:[0-9]*)?(/(%3$s)*)*|(?!//)(%3$s|/)*)(\?(%3$s|[/?])*)?(#(%3$s|[/?])*)?$',
        '[A-Za-z0-9._~!$&''()*+,;=:-]|%[[:xdigit:]]{2}',
        '[A-Za-z0-9._~!$&''()*+,;=-]|%[[:xdigit:]]{2}',
        '[A-Za-z0-9._~!$&''()*+,;=:@-]|%[[:xdigit:]]{2}'
      );
    when 'uuid' then
      return content ~ '^[[:xdigit:]]{8}-[[:xdigit:]]{4}-[[:xdigit:]]{4}-[[:xdigit:]]{4}-[[:xdigit:]]{12}$';
    when 'regex' then
      -- Its escapes are known, its groups and classes are balanced, its quantifiers have something to repeat.
      if content ~ '(?<!\\)(\\\\)*\\([aeghijlmoqyzACEFGHIJKLMNOQRTUVXYZ]|$)' then
        return false;
      end if;
      rest := regexp_replace(regexp_replace(content, '\\.', 'x', 'g'), '\[[^]]*\]', 'x', 'g');
      while rest ~ '\([^()]*\)' loop
        exit when rest ~ '\((?!\?(:|=|!|<[=!]|<[A-Za-z_$][A-Za-z0-9_$]*>))\?[^()]*\)';
        rest := regexp_replace(rest, '\((\?(:|=|!|<[=!]|<[A-Za-z_$][A-Za-z0-9_$]*>))?(?![*+?])([^()|*+?]|(?<![|])[*+?]|\|(?![*+?]))*\)', 'x', 'g');
        exit when rest = previous;
        previous := rest;
      end loop;
      return rest !~ '[()[]|^[*+?]|\|[*+?]|[*+?][*+]|\?\?\?';
    else
      return true;
  end case;
end;
$$;
comment on function attune_private.json_schema_format(text, text) is
  'Whether a text has a format: `date`, `time`, `date-time`, `duration`, `email`, `hostname`, `ipv4`, `ipv6`, `uri`, '
  '`uuid`, `regex`. Any other format takes every text.';
revoke all on function attune_private.json_schema_format(text, text) from public;
--! EndIncluded json-schema/private/json_schema_format.sql
--! Included json-schema/private/json_schema_evaluated.sql
-- Draft 2020-12 has this as annotations that go along with every verdict. Few schemas ask for it, so it is
-- found out on its own where one does, and all the others are spared the bookkeeping.
create or replace function attune_private.json_schema_evaluated(root jsonb, schema jsonb, value jsonb, depth integer)
returns text[]
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  names text[] := '{}';
  branch jsonb;
begin
  if jsonb_typeof(schema) <> 'object' then
    return names;
  end if;

  names := array(
    select m.name
    from attune_private.json_children(value) as m
    where case jsonb_typeof(value)
      when 'object' then schema -> 'properties' ? m.name
        or schema ?| '{additionalProperties,unevaluatedProperties}'
        or exists (
          select from jsonb_object_keys(schema -> 'patternProperties') as p (pattern)
          where m.name collate "C" ~ attune_private.json_schema_regex(p.pattern)
        )
      else m.name::integer < jsonb_array_length(schema -> 'prefixItems')
        or schema ?| '{items,unevaluatedItems}'
        or case when schema ? 'contains' then
          attune_private.json_schema_check(root, schema -> 'contains', m.member, '', depth + 1, 1) is null
        end
    end
  );

  for branch in
    select attune_private.json_schema_target(root, schema ->> '$ref') where schema ? '$ref'
    union all
    select b.item from jsonb_array_elements(schema -> 'allOf') as b (item)
    union all
    select b.item
    from jsonb_array_elements(coalesce(schema -> 'anyOf', '[]') || coalesce(schema -> 'oneOf', '[]')) as b (item)
    where attune_private.json_schema_check(root, b.item, value, '', depth + 1, 1) is null
    union all
    select d.demand
    from jsonb_each(schema -> 'dependentSchemas') as d (given, demand)
    where jsonb_typeof(value) = 'object' and value ? d.given
    union all
    select i.item
    from (
      select case
        when not schema ? 'if' then '{}'
        when attune_private.json_schema_check(root, schema -> 'if', value, '', depth + 1, 1) is null
          then array[schema -> 'if', schema -> 'then']
        else array[schema -> 'else']
      end
    ) as c (branches)
    cross join unnest(c.branches) as i (item)
    where i.item is not null
  loop
    names := names || attune_private.json_schema_evaluated(root, branch, value, depth + 1);
  end loop;

  return names;
end;
$$;
comment on function attune_private.json_schema_evaluated(jsonb, jsonb, jsonb, integer) is
  'Which members or items of a value a schema looks at, by itself and by those of its branches that hold: all others '
  'are for `unevaluatedProperties` and `unevaluatedItems`.';
revoke all on function attune_private.json_schema_evaluated(jsonb, jsonb, jsonb, integer) from public;
--! EndIncluded json-schema/private/json_schema_evaluated.sql
--! Included json-schema/private/json_schema_check.sql
-- A function of its own, not returning a set, because it calls itself for every member, item and
-- branch: a call is then an expression, not a query.
create or replace function attune_private.json_schema_check(
  root jsonb,
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
  -- How many calls deep PostgreSQL's default max_stack_depth bears, and twice over.
  deepest constant integer := 256;
  errors text[];
  number numeric;

  content text;
  size integer;
  matched boolean;
  keyword text;
  name text;
  place text;
  index integer;
  member jsonb;
  subschema jsonb;
  failure text[];
  matches text[];
  reasons text[];
  evaluated text[];
  least_items numeric;
  listed text;
begin
  if jsonb_typeof(schema) = 'boolean' then
    return case schema when 'false' then array[[path, 'boolean schema is false']] end;
  elsif jsonb_typeof(schema) is distinct from 'object' then
    -- Raised, because "not" would make a valid value of an error that is returned.
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'a JSON Schema must be an object or a boolean',
      hint = 'Only a schema without attune_private.json_schema_problems() can be used.';
  elsif depth > deepest then
    raise exception using
      errcode = 'PT422',
      message = 'The value is nested too deeply for its schema',
      detail = 'value_too_deep',
      hint = 'Make the value flatter.';
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
    if schema ? 'format'
      and root #> '{x-attune,assertFormat}' = 'true'
      and not attune_private.json_schema_format(schema ->> 'format', content)
    then
      errors := errors || array[[path, format('must match format "%s"', schema ->> 'format')]];
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
          || attune_private.json_schema_check(root, subschema, member, path || '/' || index, depth + 1, most);
      end loop;
    end if;

    if schema ? 'contains' then
      size := (
        select count(*)
        from jsonb_array_elements(value) as e (item)
        where attune_private.json_schema_check(root, schema -> 'contains', e.item, '', depth + 1, 1) is null
      );
      least_items := coalesce((schema -> 'minContains')::numeric, 1);
      if size < least_items or size > (schema -> 'maxContains')::numeric then
        errors := errors || array[[path, concat(
          'must contain at least ', least_items, ' and no more than ' || (schema ->> 'maxContains'), ' valid item(s)')]];
      end if;
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

    if schema ?| '{properties,patternProperties,additionalProperties,propertyNames}' then
      for name, member in select e.key, e.value from jsonb_each(value) as e loop
        exit when cardinality(errors) / 2 >= most;
        if schema ? 'propertyNames' then
          failure := attune_private.json_schema_check(root, schema -> 'propertyNames', to_jsonb(name), '', depth + 1, 1);
          if failure is not null then
            errors := errors || array[[path, format('property name must be valid: ''%s'' %s', name, failure[1][2])]];
          end if;
        end if;

        subschema := schema -> 'properties' -> name;
        matched := subschema is not null;
        if schema ? 'patternProperties' then
          for failure in
            select attune_private.json_schema_check(
              root, p.value, member, path || attune_private.json_pointer_step(name), depth + 1, most)
            from jsonb_each(schema -> 'patternProperties') as p
            where name collate "C" ~ attune_private.json_schema_regex(p.key)
          loop
            matched := true;
            errors := errors || failure;
          end loop;
        end if;

        if not matched then
          subschema := schema -> 'additionalProperties';
          if subschema = 'false' then
            errors := errors || array[[path, format('must NOT have additional properties: ''%s''', name)]];
            continue;
          end if;
        end if;
        if subschema is not null then
          errors := errors || attune_private.json_schema_check(
            root, subschema, member, path || attune_private.json_pointer_step(name), depth + 1, most);
        end if;
      end loop;
    end if;

    if schema ?| '{dependentRequired,dependentSchemas}' then
      for name, member in
        select d.given, d.demand from jsonb_each(schema -> 'dependentRequired') as d (given, demand) where value ? d.given
      loop
        select string_agg(r.needed, ', ' order by r.n), bool_and(value ? r.needed)
        into listed, matched
        from jsonb_array_elements_text(member) with ordinality as r (needed, n);
        if not matched then
          errors := errors || array[[path, format(
            'must have %s %s when property %s is present',
            case jsonb_array_length(member) when 1 then 'property' else 'properties' end, listed, name)]];
        end if;
      end loop;
      for subschema in
        select d.demand from jsonb_each(schema -> 'dependentSchemas') as d (given, demand) where value ? d.given
      loop
        errors := errors || attune_private.json_schema_check(root, subschema, value, path, depth + 1, most);
      end loop;
    end if;
  end if;

  if schema ?| '{$ref,allOf,anyOf,oneOf,not,if}' then
    if schema ? '$ref' then
      errors := errors || attune_private.json_schema_check(
        root, attune_private.json_schema_target(root, schema ->> '$ref'), value, path, depth + 1, most);
    end if;

    for subschema in select e.item from jsonb_array_elements(schema -> 'allOf') as e (item) loop
      exit when cardinality(errors) / 2 >= most;
      errors := errors || attune_private.json_schema_check(root, subschema, value, path, depth + 1, most);
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
        failure := attune_private.json_schema_check(root, subschema, value, '', depth + 1, 1);
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
      and attune_private.json_schema_check(root, schema -> 'not', value, path, depth + 1, 1) is null
    then
      errors := errors || array[[path, 'must NOT be valid']];
    end if;

    if schema ? 'if' then
      keyword := case
        when attune_private.json_schema_check(root, schema -> 'if', value, path, depth + 1, 1) is null then 'then'
        else 'else'
      end;
      if schema ? keyword then
        errors := errors || attune_private.json_schema_check(root, schema -> keyword, value, path, depth + 1, most);
      end if;
    end if;
  end if;

  if schema ?| '{unevaluatedProperties,unevaluatedItems}' then
    keyword := case kind when 'object' then 'unevaluatedProperties' when 'array' then 'unevaluatedItems' end;
    if schema ? keyword then
      evaluated := attune_private.json_schema_evaluated(root, schema - keyword, value, depth);
      for name, member in
        select m.name, m.member from attune_private.json_children(value) as m where m.name <> all (evaluated)
      loop
        exit when cardinality(errors) / 2 >= most;
        if schema -> keyword = 'false' then
          errors := errors || array[[path, format('must NOT have %s: ''%s''',
            case kind when 'object' then 'unevaluated properties' else 'unevaluated items' end, name)]];
        else
          errors := errors || attune_private.json_schema_check(
            root, schema -> keyword, member, path || attune_private.json_pointer_step(name), depth + 1, most);
        end if;
      end loop;
    end if;
  end if;

  return errors;
end;
$$;
comment on function attune_private.json_schema_check(jsonb, jsonb, jsonb, text, integer, integer) is
  'The recursion of json_schema_errors(): pairs of path and message, NULL when the value is valid. root is the schema '
  'that references lead into, path where the value stands, depth how deep the calls do (`value_too_deep`); it stops '
  'soon after as many errors as most.';
revoke all on function attune_private.json_schema_check(jsonb, jsonb, jsonb, text, integer, integer) from public;
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

  errors := attune_private.json_schema_check(schema, schema, value, '', 0, 100);
  for i in 1 .. least(coalesce(array_length(errors, 1), 0), 100) loop
    path := errors[i][1];
    message := errors[i][2];
    return next;
  end loop;
end;
$$;
comment on function attune_private.json_schema_errors(jsonb, jsonb) is
  'What is wrong with a value by a JSON Schema (draft 2020-12, as docs/reference/json-schema.md has it): a JSON '
  'Pointer into the value and a message for each error, the first hundred at most; no row when the value is valid. '
  'NULL is never valid. '
  'Takes a schema without json_schema_problems().';
revoke all on function attune_private.json_schema_errors(jsonb, jsonb) from public;
--! EndIncluded json-schema/private/json_schema_errors.sql
--! Included json-schema/private/json_schema_keywords.sql
create or replace function attune_private.json_schema_keywords()
returns table (keyword text, takes jsonb)
language sql immutable parallel safe security invoker
begin atomic
  -- In the words of draft 2020-12; sub-schemas are visited on their own.
  select k.key, k.value
  from jsonb_each('{
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
    "enum": {"type": "array"},
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
    "contains": true,
    "minContains": {"type": "integer", "minimum": 0},
    "maxContains": {"type": "integer", "minimum": 0},
    "unevaluatedItems": true,
    "minItems": {"type": "integer", "minimum": 0},
    "maxItems": {"type": "integer", "minimum": 0},
    "uniqueItems": {"type": "boolean"},

    "properties": {"type": "object"},
    "patternProperties": {"type": "object"},
    "required": {"type": "array", "items": {"type": "string"}, "uniqueItems": true},
    "dependentRequired": {
      "type": "object",
      "additionalProperties": {"type": "array", "items": {"type": "string"}, "uniqueItems": true}
    },
    "dependentSchemas": {"type": "object"},
    "additionalProperties": true,
    "unevaluatedProperties": true,
    "propertyNames": true,
    "minProperties": {"type": "integer", "minimum": 0},
    "maxProperties": {"type": "integer", "minimum": 0},

    "anyOf": {"type": "array", "minItems": 1},
    "allOf": {"type": "array", "minItems": 1},
    "oneOf": {"type": "array", "minItems": 1},
    "not": true,
    "if": true,
    "then": true,
    "else": true,

    "$ref": {"type": "string"},
    "$defs": {"type": "object"}
  }') as k;
end;
comment on function attune_private.json_schema_keywords() is
  'The keywords of a JSON Schema that decide something, each with the schema of what it takes.';
revoke all on function attune_private.json_schema_keywords() from public;
--! EndIncluded json-schema/private/json_schema_keywords.sql
--! Included json-schema/private/json_schema_children.sql
create or replace function attune_private.json_schema_children(schema jsonb)
returns table (keyword text, step text, node jsonb)
language sql immutable parallel safe security invoker
begin atomic
  -- Those of older drafts, too: additionalItems, definitions, dependencies and a list of items.
  select k.keyword, attune_private.json_pointer_step(k.keyword), json_schema_children.schema -> k.keyword
  from unnest(
    '{items,additionalItems,contains,unevaluatedItems,additionalProperties,unevaluatedProperties,propertyNames,not,if,then,else}'::text[]
  ) as k (keyword)
  where jsonb_typeof(json_schema_children.schema) = 'object'
    and jsonb_typeof(json_schema_children.schema -> k.keyword) <> 'array'
  union all
  select k.keyword, attune_private.json_pointer_step(k.keyword) || attune_private.json_pointer_step(c.name), c.member
  from unnest('{prefixItems,items,anyOf,allOf,oneOf}'::text[]) as k (keyword)
  cross join attune_private.json_children(json_schema_children.schema -> k.keyword) as c
  where jsonb_typeof(json_schema_children.schema) = 'object'
    and jsonb_typeof(json_schema_children.schema -> k.keyword) = 'array'
  union all
  select k.keyword, attune_private.json_pointer_step(k.keyword) || attune_private.json_pointer_step(c.name), c.member
  from unnest('{properties,patternProperties,dependentSchemas,dependencies,$defs,definitions}'::text[]) as k (keyword)
  cross join attune_private.json_children(json_schema_children.schema -> k.keyword) as c
  where jsonb_typeof(json_schema_children.schema) = 'object'
    and jsonb_typeof(json_schema_children.schema -> k.keyword) = 'object'
    and (k.keyword <> 'dependencies' or jsonb_typeof(c.member) <> 'array');
end;
comment on function attune_private.json_schema_children(jsonb) is
  'The sub-schemas of a JSON Schema, each with the keyword it stands under and the JSON Pointer that leads to it.';
revoke all on function attune_private.json_schema_children(jsonb) from public;
--! EndIncluded json-schema/private/json_schema_children.sql
--! Included json-schema/private/likely_keyword.sql
create or replace function attune_private.likely_keyword(name text)
returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  given constant text := lower(translate(name, '_-$ ', ''));
  known record;
  meant text;
  closest integer := 4;
  above integer[];
  former integer[];
  line integer[];
  distance integer;
begin
  for known in
    select k.keyword, lower(translate(k.keyword, '$', '')) as letters, length(k.keyword) as size
    from attune_private.json_schema_keywords() as k
    where abs(length(k.keyword) - length(given)) <= 3
    order by k.keyword
  loop
    if known.letters = given then
      return known.keyword;
    end if;

    -- The distance of Damerau and Levenshtein: letters left out, added, changed, or swapped with the next.
    former := null;
    line := array(select i from generate_series(0, length(known.letters)) as i order by i);
    for i in 1 .. length(given) loop
      above := line;
      line := array[i];
      for j in 1 .. length(known.letters) loop
        distance := least(
          above[j + 1] + 1,
          line[j] + 1,
          above[j] + (substr(given, i, 1) <> substr(known.letters, j, 1))::integer
        );
        if i > 1 and j > 1 and substr(given, i - 1, 2) = reverse(substr(known.letters, j - 1, 2)) then
          distance := least(distance, former[j - 1] + 1);
        end if;
        line := line || distance;
      end loop;
      former := above;
    end loop;
    distance := line[length(known.letters) + 1];

    -- The longer a word, the more mistakes leave it the same word; of a short one only its own letters do.
    if distance < closest
      and distance <= (case
        when known.size < 5 then (
          array(select c from regexp_split_to_table(given, '') as c order by c)
          = array(select c from regexp_split_to_table(known.letters, '') as c order by c)
          or given = known.letters || 's'
        )::integer
        when known.size < 9 then 1
        when known.size < 16 then 2
        else 3
      end)
    then
      closest := distance;
      meant := known.keyword;
    end if;
  end loop;

  return meant;
end;
$$;
comment on function attune_private.likely_keyword(text) is
  'The keyword that decides something and that a name looks like a misspelling of; NULL when none.';
revoke all on function attune_private.likely_keyword(text) from public;
--! EndIncluded json-schema/private/likely_keyword.sql
--! Included json-schema/private/is_reference_loop.sql
create or replace function attune_private.is_reference_loop(root jsonb, schema jsonb)
returns boolean
language sql immutable parallel safe security invoker
begin atomic
  with recursive reached (node) as (
    select attune_private.json_schema_target(is_reference_loop.root, is_reference_loop.schema ->> '$ref')
    union
    select next.node
    from reached as r
    cross join lateral (
      select attune_private.json_schema_target(is_reference_loop.root, r.node ->> '$ref')
      union all
      select c.node
      from attune_private.json_schema_children(r.node) as c
      where c.keyword in ('allOf', 'anyOf', 'oneOf', 'not', 'if', 'then', 'else', 'dependentSchemas')
    ) as next (node)
    where next.node is not null
  )
  select exists (select from reached as r where r.node = is_reference_loop.schema);
end;
comment on function attune_private.is_reference_loop(jsonb, jsonb) is
  'Whether the reference of a schema leads back to that schema without looking into the value on the way.';
revoke all on function attune_private.is_reference_loop(jsonb, jsonb) from public;
--! EndIncluded json-schema/private/is_reference_loop.sql
--! Included json-schema/private/json_schema_findings.sql
create or replace function attune_private.json_schema_findings(schema jsonb)
returns table (path text, message text, is_problem boolean)
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  vocabulary constant jsonb := (
    select jsonb_object_agg(k.keyword, k.takes) from attune_private.json_schema_keywords() as k
  );
  -- What is kept for people and their editors, and the shape it has where the draft or VS Code gives it one.
  annotations constant jsonb := '{
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
    "format": {"type": "string"},
    "contentEncoding": {"type": "string"},
    "contentMediaType": {"type": "string"},
    "contentSchema": true,

    "allowComments": true,
    "allowTrailingCommas": true,
    "defaultSnippets": true,
    "deprecationMessage": true,
    "doNotSuggest": true,
    "editPresentation": true,
    "enumDescriptions": true,
    "enumItemLabels": true,
    "enumNames": true,
    "errorMessage": true,
    "ignoreSync": true,
    "markdownDeprecationMessage": true,
    "markdownDescription": true,
    "markdownEnumDescriptions": true,
    "order": true,
    "patternErrorMessage": true,
    "propertyOrder": true,
    "scope": true,
    "suggestSortText": true,
    "tags": true,
    "tsType": true
  }';
  -- They decide something, too, and nobody would enforce it.
  refused constant text[] :=
    '{$anchor,$dynamicRef,$dynamicAnchor,$recursiveRef,$recursiveAnchor,additionalItems,definitions,dependencies,disallow,divisibleBy,extends}';
  node_path text;
  depth integer;
  node jsonb;
  keyword text;
  argument jsonb;
  meant text;
  pattern text;
begin
  if schema is null then
    path := '';
    message := 'must NOT be SQL NULL';
    is_problem := true;
    return next;
    return;
  end if;

  for node_path, depth, node in
    with recursive nodes (path, depth, node) as (
      select '', 0, schema
      union all
      select n.path || c.step, n.depth + 1, c.node
      from nodes as n
      cross join attune_private.json_schema_children(n.node) as c
      where n.depth <= 64
    )
    select n.path, n.depth, n.node from nodes as n
  loop
    is_problem := true;
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
      is_problem := vocabulary ? keyword or keyword = any (refused);
      path := node_path;

      if is_problem and not vocabulary ? keyword then
        message := format('keyword "%s" is not supported', keyword);
        return next;
        continue;
      elsif not is_problem and not annotations ? keyword then
        meant := attune_private.likely_keyword(keyword);
        is_problem := meant is not null;
        message := format('keyword "%s" is unknown', keyword)
          || coalesce(': is "' || meant || '" meant?', ' and decides nothing');
        return next;
        continue;
      end if;

      return query
        select node_path || attune_private.json_pointer_step(keyword) || e.path, e.message, is_problem
        from attune_private.json_schema_errors(coalesce(vocabulary -> keyword, annotations -> keyword), argument) as e;

      if keyword = '$ref' and jsonb_typeof(argument) = 'string' then
        path := node_path || '/$ref';
        message := case
          when (argument #>> '{}') !~ '^#(/|$)' then format('%s is not part of this schema, and nothing is fetched', argument)
          when jsonb_typeof(attune_private.json_schema_target(schema, argument #>> '{}')) is null
            then format('%s leads nowhere', argument)
          when attune_private.is_reference_loop(schema, node) then format('%s leads back to itself', argument)
        end;
        if message is not null then
          return next;
        end if;
      end if;

      for path, pattern in
        select node_path || '/pattern', argument #>> '{}'
        where keyword = 'pattern' and jsonb_typeof(argument) = 'string'
        union all
        select node_path || '/patternProperties' || attune_private.json_pointer_step(p.name), p.name
        from attune_private.json_children(case keyword when 'patternProperties' then argument end) as p
      loop
        begin
          perform '' collate "C" ~ attune_private.json_schema_regex(pattern);
        exception when invalid_regular_expression then
          message := sqlerrm;
          return next;
        end;
      end loop;
    end loop;
  end loop;
end;
$$;
comment on function attune_private.json_schema_findings(jsonb) is
  'What there is to say about a JSON Schema: a JSON Pointer into it and a message each. A problem keeps it from being '
  'used: a keyword of the wrong shape, one that looks misspelled, a reference that leads nowhere or back to itself, a '
  'pattern that Postgres cannot use, too deep a nesting. '
  'All others are warnings: an unknown keyword, an annotation of the wrong shape.';
revoke all on function attune_private.json_schema_findings(jsonb) from public;
--! EndIncluded json-schema/private/json_schema_findings.sql
--! Included json-schema/private/json_schema_problems.sql
create or replace function attune_private.json_schema_problems(schema jsonb)
returns table (path text, message text)
language sql immutable security invoker
begin atomic
  select f.path, f.message
  from attune_private.json_schema_findings(json_schema_problems.schema)
    with ordinality as f (path, message, is_problem, n)
  where f.is_problem
  order by f.n;
end;
comment on function attune_private.json_schema_problems(jsonb) is
  'What keeps a JSON Schema from being used, as docs/reference/json-schema.md says: a JSON Pointer into the schema and '
  'a message each; no row when it can be used.';
revoke all on function attune_private.json_schema_problems(jsonb) from public;
--! EndIncluded json-schema/private/json_schema_problems.sql
--! Included json-schema/private/json_schema_warnings.sql
create or replace function attune_private.json_schema_warnings(schema jsonb)
returns table (path text, message text)
language sql immutable security invoker
begin atomic
  select f.path, f.message
  from attune_private.json_schema_findings(json_schema_warnings.schema)
    with ordinality as f (path, message, is_problem, n)
  where not f.is_problem
  order by f.n;
end;
comment on function attune_private.json_schema_warnings(jsonb) is
  'What in a JSON Schema its author should know of, though it can be used: an unknown keyword, an annotation of the '
  'wrong shape. '
  'A JSON Pointer into the schema and a message each.';
revoke all on function attune_private.json_schema_warnings(jsonb) from public;
--! EndIncluded json-schema/private/json_schema_warnings.sql
--! Included json-schema/private/json_schema_pointer.sql
create or replace function attune_private.json_schema_pointer(
  document jsonb,
  resources text[],
  names jsonb,
  place text,
  reference jsonb
)
returns text
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  address text;
  fragment text;
  resource text;
begin
  if jsonb_typeof(reference) is distinct from 'string' then
    return null;
  end if;

  address := split_part(reference #>> '{}', '#', 1);
  fragment := attune_private.percent_decoded(substr(reference #>> '{}', length(address) + 2));
  resource := case
    when address <> '' then coalesce(
      names ->> address,
      names ->> (regexp_replace(coalesce(document ->> '$id', document ->> 'id', ''), '[^/]*$', '') || address)
    )
    else (
      select r.pointer
      from unnest(resources) as r (pointer)
      where place = r.pointer or starts_with(place, r.pointer || '/')
      order by length(r.pointer) desc
      limit 1
    )
  end;

  if fragment <> '' and fragment !~ '^/' then
    return names ->> (resource || '#' || fragment);
  end if;

  -- Many who write "$id" beside every property mean the document all the same.
  return (
    select c.pointer
    from unnest(array[resource || fragment, case address when '' then fragment end]) with ordinality as c (pointer, n)
    where jsonb_typeof(document #> attune_private.json_pointer_path(c.pointer)) in ('object', 'boolean')
    order by c.n
    limit 1
  );
end;
$$;
comment on function attune_private.json_schema_pointer(jsonb, text[], jsonb, text, jsonb) is
  'Where the reference at a place of a document leads, as a JSON Pointer; NULL when nowhere, or out of the document. '
  'resources are the pointers of what has an `$id` of its own, names the pointers by address and by anchor.';
revoke all on function attune_private.json_schema_pointer(jsonb, text[], jsonb, text, jsonb) from public;
--! EndIncluded json-schema/private/json_schema_pointer.sql
--! Included json-schema/private/json_schema_references.sql
create or replace function attune_private.json_schema_references(document jsonb)
returns jsonb
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  -- The folder that relative addresses start from.
  folder constant text := regexp_replace(coalesce(document ->> '$id', document ->> 'id', ''), '[^/]*$', '');
  resources text[];
  names jsonb;
begin
  with recursive nodes (pointer, resource, depth, node) as (
    select '', '', 0, document
    union all
    select
      n.pointer || c.step,
      case when c.node ->> '$id' ~ '^[^#]' then n.pointer || c.step else n.resource end,
      n.depth + 1,
      c.node
    from nodes as n
    cross join attune_private.json_schema_children(n.node) as c
    where n.depth <= 64
  )
  select
    array(select distinct m.resource from nodes as m),
    (
      select jsonb_object_agg(i.name, m.pointer)
      from nodes as m
      cross join unnest(array[
        m.resource || '#' || (m.node ->> '$anchor'),
        m.resource || (regexp_match(m.node ->> '$id', '^#.+'))[1],
        m.resource || (regexp_match(m.node ->> 'id', '^#.+'))[1],
        rtrim((regexp_match(m.node ->> '$id', '^[^#].*'))[1], '#'),
        folder || rtrim((regexp_match(m.node ->> '$id', '^[^#].*'))[1], '#'),
        rtrim((regexp_match(m.node ->> 'id', '^[^#].*'))[1], '#')
      ]) as i (name)
      where i.name is not null
    )
  into resources, names;

  return coalesce(
    (
      with recursive nodes (pointer, node) as (
        select '', document
        union
        select next.pointer, next.node
        from nodes as n
        cross join lateral (
          select n.pointer || c.step, c.node
          from attune_private.json_schema_children(n.node) as c
          union all
          -- What a reference leads to may stand where no schema is looked for.
          select r.pointer, document #> attune_private.json_pointer_path(r.pointer)
          from attune_private.json_schema_pointer(document, resources, names, n.pointer, n.node -> '$ref') as r (pointer)
          where r.pointer is not null
        ) as next (pointer, node)
        where (select count(*) from regexp_matches(next.pointer, '/', 'g')) <= 192
      )
      select jsonb_object_agg(n.pointer, r.pointer)
      from nodes as n
      cross join attune_private.json_schema_pointer(document, resources, names, n.pointer, n.node -> '$ref') as r (pointer)
      where r.pointer is not null
    ),
    '{}'
  );
end;
$$;
comment on function attune_private.json_schema_references(jsonb) is
  'Where the references of a JSON Schema lead inside it, {"place of the reference": "its target"}, both as JSON '
  'Pointers; without those that lead nowhere, or out of it.';
revoke all on function attune_private.json_schema_references(jsonb) from public;
--! EndIncluded json-schema/private/json_schema_references.sql
--! Included json-schema/private/json_schema_rewritten.sql
create or replace function attune_private.json_schema_rewritten(
  schema jsonb,
  place text,
  "references" jsonb,
  names jsonb,
  is_lone_reference boolean
)
returns jsonb
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  rewritten jsonb := schema;
  child record;
  bound text;
begin
  -- What is nested deeper than a schema may be is refused afterwards.
  if jsonb_typeof(schema) <> 'object' or cardinality(attune_private.json_pointer_path(place)) > 192 then
    return schema;
  end if;

  -- Until draft-07, a reference was all that a schema said.
  if is_lone_reference and schema ? '$ref' then
    rewritten := rewritten - array(
      select k.keyword from attune_private.json_schema_keywords() as k where k.keyword <> '$ref'
    );
  end if;

  rewritten := rewritten - '{$defs,definitions,$id,id,$anchor,$schema}'::text[];
  for child in select c.* from attune_private.json_schema_children(rewritten) as c loop
    rewritten := jsonb_set(rewritten, attune_private.json_pointer_path(child.step), attune_private.json_schema_rewritten(
      child.node, place || child.step, "references", names, is_lone_reference));
  end loop;

  if "references" ? place then
    rewritten := rewritten || jsonb_build_object('$ref', names ->> ("references" ->> place));
  end if;

  -- What older drafts said in other words
  if jsonb_typeof(rewritten -> 'items') = 'array' and not rewritten ? 'prefixItems' then
    rewritten := rewritten - '{items,additionalItems}'::text[]
      || case rewritten -> 'items' when '[]' then '{}' else jsonb_build_object('prefixItems', rewritten -> 'items') end
      || jsonb_strip_nulls(jsonb_build_object('items', rewritten -> 'additionalItems'));
  end if;
  rewritten := rewritten - 'additionalItems';

  foreach bound in array '{Minimum,Maximum}'::text[] loop
    if jsonb_typeof(rewritten -> ('exclusive' || bound)) = 'boolean' then
      rewritten := case
        when rewritten -> ('exclusive' || bound) = 'true' and rewritten ? lower(bound)
          then rewritten - lower(bound) || jsonb_build_object('exclusive' || bound, rewritten -> lower(bound))
        else rewritten - ('exclusive' || bound)
      end;
    end if;
  end loop;

  if jsonb_typeof(rewritten -> 'dependencies') = 'object' then
    for child in
      select
        case when jsonb_typeof(d.value) in ('array', 'string') then 'dependentRequired' else 'dependentSchemas' end as keyword,
        jsonb_object_agg(d.key, case jsonb_typeof(d.value) when 'string' then jsonb_build_array(d.value) else d.value end) as node
      from jsonb_each(rewritten -> 'dependencies') as d
      group by 1
    loop
      rewritten := rewritten
        || jsonb_build_object(child.keyword, child.node || coalesce(rewritten -> child.keyword, '{}'));
    end loop;
    rewritten := rewritten - 'dependencies';
  end if;

  if jsonb_typeof(rewritten -> 'required') = 'boolean' then
    rewritten := rewritten - 'required';
  end if;
  if jsonb_path_exists(schema, '$.properties.*.required ? (@ == true)') then
    rewritten := rewritten || jsonb_build_object('required', (
      select jsonb_agg(distinct r.name order by r.name)
      from (
        select to_jsonb(p.key) from jsonb_each(schema -> 'properties') as p where p.value -> 'required' = 'true'
        union all
        select i.item from attune_private.json_children(rewritten -> 'required') as i (n, item)
      ) as r (name)
    ));
  end if;

  return rewritten;
end;
$$;
comment on function attune_private.json_schema_rewritten(jsonb, text, jsonb, jsonb, boolean) is
  'A part of a JSON Schema, which stands at a place of a document, in the words of draft 2020-12 and with its '
  'references by their new names; without definitions, which get a place of their own.';
revoke all on function attune_private.json_schema_rewritten(jsonb, text, jsonb, jsonb, boolean) from public;
--! EndIncluded json-schema/private/json_schema_rewritten.sql
--! Included json-schema/private/json_schema_resource.sql
create or replace function attune_private.json_schema_resource(
  document jsonb,
  place text default '',
  "references" jsonb default null
)
returns jsonb
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  links constant jsonb := coalesce("references", attune_private.json_schema_references(document));
  schema constant jsonb := document #> attune_private.json_pointer_path(place);
  is_lone_reference constant boolean := coalesce(document ->> '$schema' ~ '/draft-0[3-7]/', false);
  -- What is part of the resource, by its place in the document, and the name it gets.
  places text[] := array[place];
  names jsonb := jsonb_build_object(place, '#');
  target text;
  path text[];
  name text;
  defined jsonb := '{}';
  rewritten jsonb;
begin
  if jsonb_typeof(schema) is distinct from 'object' then
    return schema;
  end if;

  -- The array grows while it is walked: what a definition refers to becomes one, too.
  for i in 1 .. 10000 loop
    exit when i > cardinality(places);
    for target in
      select place || c.step
      from attune_private.json_schema_children(schema) as c
      where i = 1 and c.keyword in ('$defs', 'definitions')
      union all
      (
        select r.value
        from jsonb_each_text(links) as r
        where (r.key = places[i] or starts_with(r.key, places[i] || '/'))
          and not starts_with(r.key, places[i] || '/definitions/')
          and not starts_with(r.key, places[i] || '/$defs/')
        order by r.key
      )
    loop
      continue when names ? target;
      path := attune_private.json_pointer_path(target);
      name := coalesce(nullif(path[cardinality(path)], ''), 'document');
      while defined ? name loop
        name := name || '_';
      end loop;
      defined := defined || jsonb_build_object(name, target);
      names := names || jsonb_build_object(target, '#/$defs' || attune_private.json_pointer_step(name));
      places := places || target;
    end loop;
  end loop;

  rewritten := attune_private.json_schema_rewritten(schema, place, links, names, is_lone_reference);
  if schema ->> '$id' ~ '^[^#]' then
    rewritten := rewritten || jsonb_build_object('$id', schema -> '$id');
  end if;
  if defined <> '{}' then
    rewritten := rewritten || jsonb_build_object('$defs', (
      select jsonb_object_agg(d.key, attune_private.json_schema_rewritten(
        document #> attune_private.json_pointer_path(d.value), d.value, links, names, is_lone_reference))
      from jsonb_each_text(defined) as d
    ));
  end if;
  return rewritten;
end;
$$;
comment on function attune_private.json_schema_resource(jsonb, text, jsonb) is
  'The JSON Schema at a place of a document, as a schema of its own in the words of draft 2020-12: what it refers to, '
  'however far, is among its `$defs`, and what older drafts said otherwise is rewritten. Of such a schema it is the '
  'same one. '
  'references are those of the document, json_schema_references(), when they are known.';
revoke all on function attune_private.json_schema_resource(jsonb, text, jsonb) from public;
--! EndIncluded json-schema/private/json_schema_resource.sql
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
--! Included json-schema/private/schema_types.sql
create or replace function attune_private.schema_types(root jsonb, schema jsonb, followed text[] default '{}')
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
  elsif jsonb_typeof(schema) is distinct from 'object' or schema ->> '$ref' = any (followed) then
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

  -- What applies in place: everything that a reference or a branch says, too.
  for branch in
    select attune_private.json_schema_target(root, schema ->> '$ref') where schema ? '$ref'
    union all
    select b.item
    from jsonb_array_elements(case jsonb_typeof(schema -> 'allOf') when 'array' then schema -> 'allOf' end) as b (item)
  loop
    united := attune_private.schema_types(root, branch, followed || (schema ->> '$ref'));
    types := array(select t from unnest(types) as t where t = any (united));
  end loop;

  foreach keyword in array '{anyOf,oneOf}'::text[] loop
    continue when jsonb_typeof(schema -> keyword) is distinct from 'array';
    united := '{}';
    for branch in select b.item from jsonb_array_elements(schema -> keyword) as b (item) loop
      united := united || attune_private.schema_types(root, branch, followed || (schema ->> '$ref'));
    end loop;
    types := array(select t from unnest(types) as t where t = any (united));
  end loop;

  return types;
end;
$$;
comment on function attune_private.schema_types(jsonb, jsonb, text[]) is
  'Which JSON types a value of a schema may have, as `jsonb_typeof` names them; at least those, as `not` and its like '
  'are not looked at. '
  '`root` is the schema that a `$ref` points into, `followed` the references on the way.';
revoke all on function attune_private.schema_types(jsonb, jsonb, text[]) from public;
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
          'schema', attune_private.json_schema_target(merge_obstacle.schema, node ->> '$ref'), 'path', path || '/$ref'
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
