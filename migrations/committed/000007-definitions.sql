--! Previous: sha1:c7cc864e01799b4ae49cbd10c0ec11c8b206339e
--! Hash: sha1:0ade3169f36859f54a93f3894d1ef8de5da1f213
--! Message: definitions

create type attune.definition_action as enum ('added', 'changed', 'removed', 'unchanged', 'skipped');
comment on type attune.definition_action is
  E'@value added It is new.\n'
  '@value changed It is there, and is changed.\n'
  '@value removed It is there, and goes.\n'
  '@value unchanged It is there as the document says.\n'
  '@value skipped It can''t be done; `problem` says why.\n'
  'What applying a document does to one definition.';

create type attune.stored_values_action as enum ('refuse', 'discard');
comment on type attune.stored_values_action is
  E'@value refuse The document is refused.\n'
  '@value discard They are removed; the audit log keeps them.\n'
  'What to do when stored values would no longer be allowed.';

create type attune.definition_change as (
  action attune.definition_action,
  key text,
  changes jsonb,
  stored_values bigint,
  problem text,
  warnings text[]
);
comment on type attune.definition_change is 'What applying a document does to one definition.';
comment on column attune.definition_change.action is
  E'@notNull\n'
  'Whether it is added, changed, removed, as it was, or skipped: no setting, or not applicable.';
comment on column attune.definition_change.key is
  E'@notNull\n'
  'Which setting.';
comment on column attune.definition_change.changes is
  E'@notNull\n'
  'What changes, `{column: {"from": …, "to": …}}`; empty for a definition that is as it was.';
comment on column attune.definition_change.stored_values is
  E'@notNull\n'
  'How many stored values the change would no longer allow.';
comment on column attune.definition_change.problem is 'Why it was skipped; null when it was not, or is no setting.';
comment on column attune.definition_change.warnings is
  E'@notNull\n'
  'What its author should know of though it can be applied, such as unknown keywords, each with the JSON Pointer to it.';

create type attune_private.declared_setting as (
  key text,
  place text,
  definition attune.setting_definitions,
  renamed_from text,
  reason text,
  problem text,
  schema_problems jsonb,
  warnings text[]
);
comment on type attune_private.declared_setting is
  'What a document says of one property: the definition, or the problem with it and its reason (and all problems of a '
  'schema), or neither when it is no setting; its place in the document as a JSON Pointer.';

--! Included definitions/private/document_source.sql
create or replace function attune_private.document_source(document jsonb)
returns text
language sql immutable parallel safe security invoker
begin atomic
  -- draft-04 called it id.
  select n.name #>> '{}'
  from (
    select coalesce(
      document_source.document -> '$id', document_source.document -> 'id', document_source.document -> 'title'
    )
  ) as n (name)
  where jsonb_typeof(n.name) = 'string' and char_length(n.name #>> '{}') between 1 and 200;
end;
comment on function attune_private.document_source(jsonb) is
  'What a document calls itself, by `$id` or `title`: its settings are known again by it. '
  'NULL when nothing of use.';
revoke all on function attune_private.document_source(jsonb) from public;
--! EndIncluded definitions/private/document_source.sql
--! Included definitions/private/document_objects.sql
create or replace function attune_private.document_objects(document jsonb, "references" jsonb)
returns setof text
language sql immutable parallel safe security invoker
begin atomic
  with recursive parts (place) as (
    select ''
    union
    select next.place
    from parts as p
    cross join lateral (
      select document_objects."references" ->> p.place
      union all
      select p.place || '/allOf' || attune_private.json_pointer_step(c.name)
      from attune_private.json_children(
        document_objects.document #> attune_private.json_pointer_path(p.place || '/allOf')
      ) as c
    ) as next (place)
    where next.place is not null
  )
  select p.place
  from parts as p
  where jsonb_typeof(
    document_objects.document #> attune_private.json_pointer_path(p.place || '/properties')
  ) = 'object';
end;
comment on function attune_private.document_objects(jsonb, jsonb) is
  'Where a document has its `properties`, as JSON Pointers: at its root, and in what the root refers to or takes in '
  'by `allOf`.';
revoke all on function attune_private.document_objects(jsonb, jsonb) from public;
--! EndIncluded definitions/private/document_objects.sql
--! Included definitions/private/declared_schema.sql
create or replace function attune_private.declared_schema(
  document jsonb,
  place text,
  "references" jsonb,
  asserts_format boolean
)
returns jsonb
language sql immutable security invoker
begin atomic
  -- The `$id` is the one that an export gives to what has definitions of its own.
  select case jsonb_typeof(r.schema)
    when 'object' then r.schema - '{default,description,x-attune}'::text[]
      - case when r.schema ->> '$id' ~ '^urn:uuid:' then '{$id}'::text[] else '{}' end
      || case when declared_schema.asserts_format then '{"x-attune": {"assertFormat": true}}' else '{}' end::jsonb
    else case r.schema when 'false' then '{"not": {}}' else '{}' end::jsonb
  end
  from attune_private.json_schema_resource(
    declared_schema.document, declared_schema.place, declared_schema."references"
  ) as r (schema);
end;
comment on function attune_private.declared_schema(jsonb, text, jsonb, boolean) is
  'The schema of the setting that a document declares at a place: what it refers to comes along, and what the '
  'definition has columns for is left out.';
revoke all on function attune_private.declared_schema(jsonb, text, jsonb, boolean) from public;
--! EndIncluded definitions/private/declared_schema.sql
--! Included definitions/private/inherited_annotations.sql
create or replace function attune_private.inherited_annotations(schema jsonb)
returns jsonb
language sql immutable security invoker
begin atomic
  with recursive targets (node, distance) as (
    select inherited_annotations.schema, 0
    union all
    select attune_private.json_schema_target(inherited_annotations.schema, t.node ->> '$ref'), t.distance + 1
    from targets as t
    where jsonb_typeof(t.node) = 'object' and t.node ? '$ref' and t.distance < 64
  )
  select coalesce(jsonb_object_agg(a.name, t.node -> a.name order by t.distance desc), '{}')
  from targets as t
  cross join unnest('{default,description,markdownDescription}'::text[]) as a (name)
  where jsonb_typeof(t.node) = 'object'
    and t.node ? a.name
    and (a.name = 'default' or jsonb_typeof(t.node -> a.name) = 'string');
end;
comment on function attune_private.inherited_annotations(jsonb) is
  'The default and the description that a schema says, or else what it refers to.';
revoke all on function attune_private.inherited_annotations(jsonb) from public;
--! EndIncluded definitions/private/inherited_annotations.sql
--! Included definitions/private/read_definitions.sql
create or replace function attune_private.read_definitions(document jsonb)
returns setof attune_private.declared_setting
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  document_options constant jsonb := coalesce(document -> 'x-attune', '{}');
  source constant text := attune_private.document_source(document);
  "references" jsonb := '{}';
  property record;
  options jsonb;
  inherited jsonb;
  declared attune_private.declared_setting;
  definition attune.setting_definitions;
  problem text;
begin
  problem := case
    when jsonb_typeof(document) is distinct from 'object' then 'it is no object'
    when not (document -> 'type' @> '"object"') then 'its type is not "object"'
    when source is null
      then 'it has no "$id" or "title" of 1 to 200 characters, by which its settings are known again'
    when jsonb_typeof(document_options) <> 'object' then '"x-attune" is no object'
  end;

  if problem is null then
    if document::text ~ '"\$ref"' then
      "references" := attune_private.json_schema_references(document);
    end if;
    if not exists (select from attune_private.document_objects(document, "references")) then
      problem := 'it has no object "properties"';
    end if;
  end if;

  if problem is not null then
    raise exception using
      errcode = 'PT422',
      message = 'The document is not valid: ' || problem,
      detail = 'invalid_document',
      hint = 'Send a JSON Schema object whose properties are the settings.';
  end if;

  for property in
    select distinct on (p.key)
      p.key, p.value, o.place || '/properties' || attune_private.json_pointer_step(p.key) as place
    from attune_private.document_objects(document, "references") as o (place)
    cross join jsonb_each(document #> attune_private.json_pointer_path(o.place || '/properties')) as p
    order by p.key, length(o.place), o.place
  loop
    declared := null;
    declared.key := property.key;
    declared.place := property.place;
    declared.warnings := '{}';
    declared.renamed_from := property.value #>> '{x-attune,renamedFrom}';

    -- Members of a file that say what the file is: `$schema`.
    if starts_with(property.key, '$') then
      declared.warnings := array[property.place || ': is no setting'];
      return next declared;
      continue;
    end if;

    options := document_options || case jsonb_typeof(property.value -> 'x-attune')
      when 'object' then property.value -> 'x-attune'
      else '{}'
    end;

    problem := nullif(concat_ws('; ',
      case when jsonb_typeof(property.value) not in ('object', 'boolean') then 'it is no object' end,
      case when jsonb_typeof(property.value -> 'description') <> 'string' then '"description" is no string' end,
      case when jsonb_typeof(property.value -> 'x-attune') <> 'object' then '"x-attune" is no object' end,
      (
        select format('"x-attune" knows no %s', string_agg(to_jsonb(k)::text, ', ' order by k))
        from jsonb_object_keys(options) as k
        where k <> all ('{
          category,layer,writable_by,seeding,merge,audience,rollout_group,is_protected,renamedFrom,assertFormat,is_public
        }'::text[])
        having count(*) > 0
      ),
      case
        when options ->> 'layer' <> all (enum_range(null::attune.setting_layer)::text[])
          then format('there is no layer %s', options -> 'layer')
      end,
      case
        when options ->> 'writable_by' <> all (enum_range(null::attune.setting_writer)::text[])
          then format('"writable_by" is "user" or "admin", not %s', options -> 'writable_by')
      end,
      case
        when options ->> 'seeding' <> all (enum_range(null::attune.setting_seeding)::text[])
          then format('"seeding" is "inherit" or "copy", not %s', options -> 'seeding')
      end,
      case
        when options ->> 'merge' <> all (enum_range(null::attune.setting_merge)::text[])
          then format('"merge" is "deep" or "replace", not %s', options -> 'merge')
      end,
      case
        when options ->> 'audience' <> all (enum_range(null::attune.setting_audience)::text[])
          then format('there is no audience %s', options -> 'audience')
      end,
      case when jsonb_typeof(options -> 'rollout_group') <> 'string' then '"rollout_group" is no string' end,
      case
        when char_length(options ->> 'rollout_group') not between 1 and 200
          then '"rollout_group" is not 1 to 200 characters long'
      end,
      case when jsonb_typeof(options -> 'is_public') <> 'boolean' then '"is_public" is no boolean' end,
      case when jsonb_typeof(options -> 'is_protected') <> 'boolean' then '"is_protected" is no boolean' end,
      case when jsonb_typeof(options -> 'category') <> 'string' then '"category" is no string' end,
      case
        when char_length(options ->> 'category') not between 1 and 100
          then '"category" is not 1 to 100 characters long'
      end,
      case when jsonb_typeof(options -> 'assertFormat') <> 'boolean' then '"assertFormat" is no boolean' end,
      case when jsonb_typeof(options -> 'renamedFrom') <> 'string' then '"renamedFrom" is no string' end
    ), '');

    if problem is not null then
      declared.reason := 'invalid_document';
      declared.problem := problem;
      return next declared;
      continue;
    end if;

    definition := null;
    definition.key := property.key;
    definition.source := source;
    definition.schema := attune_private.declared_schema(
      document, property.place, "references", options -> 'assertFormat' = 'true'
    );

    declared.schema_problems := attune_private.schema_problems(definition.schema);

    if declared.schema_problems is not null then
      declared.reason := 'invalid_schema';
      declared.problem := attune_private.problems_message(declared.schema_problems);
      return next declared;
      continue;
    end if;

    declared.warnings := array(
      select property.place || w.path || ': ' || w.message
      from attune_private.json_schema_warnings(definition.schema) as w
    );

    inherited := attune_private.inherited_annotations(definition.schema)
      || case jsonb_typeof(property.value) when 'object' then property.value else '{}' end;
    definition.category := coalesce(options ->> 'category', left(definition.source, 100));
    definition.description := coalesce(inherited ->> 'description', inherited ->> 'markdownDescription', '');
    definition.layer := coalesce(options ->> 'layer', 'user');
    definition.writable_by := coalesce(options ->> 'writable_by', 'user');
    definition.seeding := coalesce(options ->> 'seeding', 'inherit');
    definition.audience := coalesce(
      options ->> 'audience', case when options -> 'is_public' = 'true' then 'public' else 'client' end
    );
    -- Unless told, as the definition that is there, or the key, and not protected.
    definition.rollout_group := options ->> 'rollout_group';
    definition.is_protected := (options -> 'is_protected')::boolean;
    definition.default_value := coalesce(inherited -> 'default', 'null');
    definition.merge := coalesce(
      options ->> 'merge',
      case
        when attune_private.merge_obstacle(
          definition.schema, definition.default_value, definition.seeding = 'copy' and definition.layer > 'user'
        ) is null then 'deep'
        else 'replace'
      end
    );
    declared.definition := definition;
    return next declared;
  end loop;
end;
$$;
comment on function attune_private.read_definitions(jsonb) is
  'What a document declares: each of its properties as a definition, or the problem that keeps it from being one; '
  'neither for what is no setting. '
  'Refused (`invalid_document`) when it is no such document.';
revoke all on function attune_private.read_definitions(jsonb) from public;
--! EndIncluded definitions/private/read_definitions.sql
--! Included definitions/private/definition_changes.sql
create or replace function attune_private.definition_changes(source text, wanted attune.setting_definitions[])
returns setof attune.definition_change
language sql stable security invoker
begin atomic
  with
    present as (
      select d.*
      from attune.setting_definitions as d
      where d.source = definition_changes.source
        or d.key in (select u.key from unnest(wanted) as u)
    ),
    compared as (
      select
        coalesce(w.key, p.key) as key,
        case when w.key is null then 'removed' when p.key is null then 'added' else 'changed' end as action,
        to_jsonb(p) as before,
        to_jsonb(w) as after
      from present as p
      full join unnest(wanted) as w on w.key = p.key
    ),
    differing as (
      select c.*, coalesce(f.changes, '{}') as changes
      from compared as c
      left join lateral (
        select jsonb_object_agg(a.name, jsonb_build_object('from', c.before -> a.name, 'to', c.after -> a.name)) as changes
        from unnest(array[
          'category', 'description', 'schema', 'default_value', 'layer', 'writable_by', 'seeding', 'merge', 'audience',
          'rollout_group', 'is_protected', 'source'
        ]) as a (name)
        where coalesce(c.before -> a.name, 'null') <> coalesce(c.after -> a.name, 'null')
      ) as f on true
    )
  select
    case when d.action = 'changed' and d.changes = '{}' then 'unchanged' else d.action end::attune.definition_action,
    d.key,
    d.changes,
    case d.action
      when 'removed' then (
        select count(*)
        from attune.setting_definitions as p
        cross join lateral attune_private.broken_values(attune_private.without_values(p))
        where p.key = d.key
      )
      when 'changed' then (
        select count(*)
        from unnest(wanted) as w
        cross join lateral attune_private.broken_values(w)
        where w.key = d.key
      )
      else 0
    end,
    null::text,
    '{}'::text[]
  from differing as d
  order by d.key;
end;
comment on function attune_private.definition_changes(text, attune.setting_definitions[]) is
  'What bringing the definitions of one source in line with the wanted ones would do.';
revoke all on function attune_private.definition_changes(text, attune.setting_definitions[]) from public;
--! EndIncluded definitions/private/definition_changes.sql
--! Included definitions/private/discard_broken_values.sql
create or replace function attune_private.discard_broken_values(definition attune.setting_definitions)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  broken constant attune_private.stored_value[] := array(
    select v from attune_private.broken_values(definition) as v
  );
begin
  delete from attune.global_settings as g
  using unnest(broken) as b
  where b.layer = 'global' and b.scope is null and g.key = definition.key;

  -- Variants go together, as their weights do; the value that they split stays.
  update attune.global_settings as g
  set variants = null
  from unnest(broken) as b
  where b.layer = 'global' and b.scope is not null and g.key = definition.key;

  delete from attune.plan_settings as p
  using unnest(broken) as b
  where b.layer = 'plan' and p.plan = b.scope and p.key = definition.key;

  delete from attune.team_settings as t
  using unnest(broken) as b
  where b.layer = 'team' and t.team_id = b.scope::uuid and t.key = definition.key;

  delete from attune.user_preferences as p
  using unnest(broken) as b
  where b.layer = 'user' and p.user_id = b.user_id and p.key = definition.key;

  delete from attune.project_preferences as p
  using unnest(broken) as b
  where b.layer = 'project'
    and p.user_id = b.user_id
    and p.project_id = b.scope::uuid
    and p.key = definition.key;
end;
$$;
comment on function attune_private.discard_broken_values(attune.setting_definitions) is
  'Deletes the stored values of a setting that this definition of it would not allow; of a global value with a variant '
  'that is not allowed, only the variants.';
revoke all on function attune_private.discard_broken_values(attune.setting_definitions) from public;
--! EndIncluded definitions/private/discard_broken_values.sql
--! Included definitions/private/write_definition.sql
create or replace function attune_private.write_definition(
  change attune.definition_change,
  wanted attune.setting_definitions
)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  if change.stored_values > 0 and not attune_private.is_rehearsal() then
    perform attune_private.discard_broken_values(
      case when change.action = 'removed' then attune_private.without_values(d) else wanted end
    )
    from attune.setting_definitions as d
    where d.key = change.key;
  end if;

  case change.action
    when 'removed' then
      delete from attune.setting_definitions as d where d.key = change.key;

    when 'changed' then
      update attune.setting_definitions as d
      set
        category = wanted.category,
        description = wanted.description,
        schema = wanted.schema,
        default_value = wanted.default_value,
        layer = wanted.layer,
        writable_by = wanted.writable_by,
        seeding = wanted.seeding,
        merge = wanted.merge,
        audience = wanted.audience,
        rollout_group = wanted.rollout_group,
        is_protected = wanted.is_protected,
        source = wanted.source
      where d.key = change.key;

    when 'added' then
      insert into attune.setting_definitions (
        key, category, description, schema, default_value, layer, writable_by, seeding, merge, audience, rollout_group,
        is_protected, source
      )
      values (
        wanted.key, wanted.category, wanted.description, wanted.schema, wanted.default_value, wanted.layer,
        wanted.writable_by, wanted.seeding, wanted.merge, wanted.audience, wanted.rollout_group,
        wanted.is_protected, wanted.source
      );
  end case;
end;
$$;
comment on function attune_private.write_definition(attune.definition_change, attune.setting_definitions) is
  'Does to one definition what was found to be necessary, after the stored values that would not be allowed by it are '
  'deleted; a rehearsal leaves them.';
revoke all on function attune_private.write_definition(attune.definition_change, attune.setting_definitions) from public;
--! EndIncluded definitions/private/write_definition.sql
--! Included definitions/private/refuse_definitions.sql
create or replace function attune_private.refuse_definitions(
  declared attune_private.declared_setting[],
  problems jsonb
)
returns void
language plpgsql immutable security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  advice constant text := attune_private.hint_with_problems(
    'Mend them, or apply with skip_invalid => true, which leaves them out and lists them.',
    (
      select jsonb_path_query_array(
        jsonb_agg(
          attune_private.placed_problems(
            coalesce(
              nullif(p.value -> 'problems', 'null'),
              attune_private.one_problem(p.value ->> 'reason', p.value ->> 'message')
            ),
            p.key,
            ''
          )
          order by p.key
        ),
        '$[*][*]'
      )
      from jsonb_each(problems) as p
    )
  );
  reasons text[];
  listed text;
begin
  -- Every setting is named; the more there are, the less is said of each.
  select
    array_agg(distinct p.value ->> 'reason'),
    format('%s of the settings cannot be applied: ', count(*)) || string_agg(
      d.place || ': ' || left(
        p.value ->> 'message',
        greatest(80, 8000 / (select count(*) from jsonb_object_keys(problems))::integer)
      ),
      '; ' order by d.key
    )
  into reasons, listed
  from jsonb_each(problems) as p
  join unnest(declared) as d on d.key = p.key;

  if cardinality(reasons) = 1 then
    raise sqlstate 'PT422' using message = listed, detail = reasons[1], hint = advice;
  end if;

  raise exception using
    errcode = 'PT422',
    message = listed,
    detail = 'invalid_document',
    hint = advice;
end;
$$;
comment on function attune_private.refuse_definitions(attune_private.declared_setting[], jsonb) is
  'Refuses a document, listing its settings that cannot be applied, each with its place and `{"reason": …, "message": '
  '…, "problems": …}`: with the reason that they share, or else `invalid_document`.';
revoke all on function attune_private.refuse_definitions(attune_private.declared_setting[], jsonb) from public;
--! EndIncluded definitions/private/refuse_definitions.sql
--! Included definitions/private/rename_setting.sql
create or replace function attune_private.rename_setting(caller attune_private.caller, key text, new_key text)
returns bigint
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  moved bigint;
begin
  -- What writes values now finishes first, as for a document.
  lock table attune.setting_definitions in share row exclusive mode;

  if not attune_private.is_rehearsal() then
    perform attune_private.lock_all_layers();
  end if;

  if exists (
    select from attune.setting_definitions as d where d.key = rename_setting.key and d.source = 'attune'
  ) then
    raise exception using
      errcode = 'PT409',
      message = format('%s is read by its name in Attune itself', rename_setting.key),
      detail = 'setting_in_use',
      hint = 'Leave its name; its description says what people read.';
  elsif exists (select from attune.setting_definitions as d where d.key = rename_setting.new_key) then
    raise exception using
      errcode = 'PT409',
      message = format('There is a setting %s already', rename_setting.new_key),
      detail = 'setting_exists',
      hint = 'Choose another name, or remove that setting first.';
  end if;

  -- The values follow their key, and the rollout group stays.
  update attune.setting_definitions as d
  set key = rename_setting.new_key
  where d.key = rename_setting.key;

  if not found then
    perform attune_private.refuse_unknown_setting(rename_setting.key);
  end if;

  update attune.setting_templates as t
  set "values" = (t."values" - rename_setting.key) || jsonb_build_object(
    rename_setting.new_key, t."values" -> rename_setting.key
  )
  where t."values" ? rename_setting.key;

  select count(*) into moved
  from attune.setting_definitions as d
  cross join lateral attune_private.broken_values(attune_private.without_values(d)) as v
  where d.key = rename_setting.new_key
    -- Variants are part of the global value.
    and (v.layer <> 'global' or v.scope is null);

  insert into attune.maintenance_operations (operation, reason, details, affected_rows, actor_id, actor_role)
  values (
    'rename_setting',
    'A setting was renamed',
    jsonb_build_object('from', rename_setting.key, 'to', rename_setting.new_key),
    moved,
    caller.user_id,
    attune_private.request_role()
  );

  return moved;
end;
$$;
comment on function attune_private.rename_setting(attune_private.caller, text, text) is
  'Gives a setting another key and returns how many stored values moved with it; see `attune.rename_setting`.';
revoke all on function attune_private.rename_setting(attune_private.caller, text, text) from public;
--! EndIncluded definitions/private/rename_setting.sql
--! Included definitions/rename_setting.sql
create or replace function attune.rename_setting(key text, new_key text)
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
begin
  perform attune_private.require_administrator(caller);

  return attune_private.rename_setting(caller, rename_setting.key, rename_setting.new_key);
end;
$$;
comment on function attune.rename_setting(text, text) is
  E'@resultFieldName movedValues\n'
  '@param key Which setting.\n'
  '@param new_key What it is called from now on.\n'
  'Gives a setting another key, and moves with it what is stored, in every layer and in templates; returns how many '
  'stored values moved. '
  'Its rollout group stays, so that nobody is drawn anew. '
  'The audit log has a row for each value, which tells the key before, and `maintenance_operations` one for all. '
  'For administrators. '
  'Refused: `admin_required`, `unknown_setting`, `setting_exists`, `invalid_key`, `read_committed_required`, '
  '`setting_in_use` (what Attune reads by its name).';
revoke all on function attune.rename_setting(text, text) from public;
grant execute on function attune.rename_setting(text, text) to anon, authenticated, service_role;
--! EndIncluded definitions/rename_setting.sql
--! Included definitions/private/completed_definition.sql
create or replace function attune_private.completed_definition(definition attune.setting_definitions)
returns attune.setting_definitions
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  definition.rollout_group := coalesce(
    definition.rollout_group, attune_private.rollout_group(definition.key), definition.key
  );
  definition.is_protected := coalesce(
    definition.is_protected,
    (select d.is_protected from attune.setting_definitions as d where d.key = definition.key),
    false
  );
  return definition;
end;
$$;
comment on function attune_private.completed_definition(attune.setting_definitions) is
  'A definition with what it does not mention: rollout group and protection are those of the definition that is there, '
  'or its key, and not protected.';
revoke all on function attune_private.completed_definition(attune.setting_definitions) from public;
--! EndIncluded definitions/private/completed_definition.sql
--! Included definitions/apply_definitions.sql
create or replace function attune.apply_definitions(
  document jsonb,
  dry_run boolean default false,
  stored_values attune.stored_values_action default 'refuse',
  skip_invalid boolean default false
)
returns setof attune.definition_change
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  own_source constant text := attune_private.document_source(document);
  declared attune_private.declared_setting[];
  wanted attune.setting_definitions[];
  changes attune.definition_change[];
  change attune.definition_change;
  problems jsonb := '{}';
  reason text;
  message text;
  advice text;
  renames jsonb := '{}';
  renamed record;
  foreign_keys text;
  conflicts text;
  is_locked boolean;
begin
  perform attune_private.require_administrator(caller);

  declared := array(select d from attune_private.read_definitions(document) as d);
  select coalesce(
    jsonb_object_agg(
      d.key, jsonb_build_object('reason', d.reason, 'message', d.problem, 'problems', d.schema_problems)
    ),
    '{}'
  )
  into problems
  from unnest(declared) as d
  where d.problem is not null;

  -- Whoever is writing a definition finishes first.
  lock table attune.setting_definitions in share row exclusive mode;

  -- A dry run does the same and takes it back, so that it finds the same problems; what is stored it only looks at.
  loop
    begin
      if dry_run then
        insert into attune_private.rehearsals default values;
      end if;

      -- A setting that is known by an older name keeps its values. One makes room for another: `a` becomes `b`, and
      -- what `b` was before becomes `c`.
      renames := '{}';

      loop
        with recursive
          named as (
            select d.key, d.renamed_from as older
            from unnest(declared) as d
            join attune.setting_definitions as p
              on p.key = d.renamed_from and coalesce(p.source, own_source) = own_source
            where (d.definition).key is not null
              and not problems ? d.key
          ),
          leaving as (
            select n.key, n.older
            from named as n
            where not exists (select from unnest(declared) as o where o.key = n.older)
            union
            select n.key, n.older
            from named as n
            join leaving as l on l.key = n.older
          )
        select l.key, l.older
        into renamed
        from leaving as l
        where not exists (select from attune.setting_definitions as d where d.key = l.key)
        order by l.key
        limit 1;

        exit when not found;
        perform attune_private.rename_setting(caller, renamed.older, renamed.key);
        renames := renames || jsonb_build_object(renamed.key, renamed.older);
      end loop;

      wanted := array(
        select attune_private.completed_definition(d.definition)
        from unnest(declared) as d
        where (d.definition).key is not null
      );

      select string_agg(format('%s (%s)', d.key, d.source), ', ' order by d.key) into foreign_keys
      from attune.setting_definitions as d
      where d.key in (select w.key from unnest(wanted) as w)
        and d.source <> own_source;

      if foreign_keys is not null then
        raise exception using
          errcode = 'PT409',
          message = format('Another document declares %s', left(foreign_keys, 1000)),
          detail = 'setting_of_another_source',
          hint = 'Rename the settings, or remove them from the other document first.';
      end if;

      -- What takes long is done before others have to wait.
      perform attune_private.check_stored_values(w)
      from unnest(wanted) as w
      where not problems ? w.key;

      is_locked := false;

      loop
        -- What is left out stays as it is, under its older name, too.
        changes := array(
          select c
          from attune_private.definition_changes(own_source, wanted) as c
          where not problems ? c.key
            and not exists (select from unnest(declared) as d where d.renamed_from = c.key and problems ? d.key)
        );

        select string_agg(format('%s (%s)', c.key, c.stored_values), ', ' order by c.key) into conflicts
        from unnest(changes) as c
        where c.stored_values > 0;

        if conflicts is not null and stored_values is distinct from 'discard' and dry_run is not true then
          raise exception using
            errcode = 'PT409',
            message = format('Stored values would no longer be allowed: %s', left(conflicts, 1000)),
            detail = 'stored_values_invalid',
            hint = 'Have them changed first, or apply with stored_values => discard, which deletes them (the audit log keeps them).';
        end if;

        -- Whoever is writing a value finishes first, and what they wrote is looked at.
        exit when is_locked or dry_run or not exists (
          select from unnest(changes) as c
          left join attune.setting_definitions as d on d.key = c.key
          left join unnest(wanted) as w on w.key = c.key
          where c.action = 'removed' or c.action = 'changed' and attune_private.may_break_values(d, w)
        );
        perform attune_private.lock_all_layers();
        is_locked := true;
      end loop;

      for change in select c.* from unnest(changes) as c where c.action <> 'unchanged' loop
        begin
          perform attune_private.write_definition(change, w)
          from (select) as one
          left join unnest(wanted) as w on w.key = change.key;
        exception
          -- A dry run has come past all that is looked at before, and the values would be gone.
          when foreign_key_violation or restrict_violation then
            if dry_run is not true then
              raise;
            end if;
          when sqlstate 'PT422' then
            get stacked diagnostics
              reason = pg_exception_detail, message = message_text, advice = pg_exception_hint;
            problems := problems || jsonb_build_object(
              change.key,
              jsonb_build_object(
                'reason', reason,
                'message', message,
                'problems', nullif(split_part(advice, E'\n', 2), '')::jsonb
              )
            );

            -- It should have kept its name.
            if renames ? change.key then
              raise exception using errcode = 'AT001';
            end if;
        end;
      end loop;

      if problems <> '{}' and skip_invalid is not true then
        perform attune_private.refuse_definitions(declared, problems);
      end if;

      if dry_run then
        raise exception using errcode = 'AT000';
      end if;

      delete from attune_private.checked_definitions as c where c.transaction_id = pg_current_xact_id_if_assigned();
      exit;
    exception
      when sqlstate 'AT000' then exit;
      when sqlstate 'AT001' then null;
    end;
  end loop;

  return query
    select
      case when renames ? c.key then 'changed' else c.action end,
      c.key,
      c.changes || case
        when renames ? c.key
          then jsonb_build_object('key', jsonb_build_object('from', renames -> c.key, 'to', c.key))
        else '{}'
      end,
      c.stored_values,
      null::text,
      coalesce(d.warnings, '{}') || case
        when not renames ? c.key and (
          exists (select from jsonb_each_text(renames) as r where r.value = d.renamed_from)
          or exists (select from attune.setting_definitions as p where p.key = d.renamed_from)
        )
          then array[format('%s/x-attune/renamedFrom: %s is not renamed to it', d.place, d.renamed_from)]
        else '{}'
      end
    from unnest(changes) as c
    left join unnest(declared) as d on d.key = c.key
    where not problems ? c.key
    union all
    select 'skipped', d.key, '{}', 0, problems -> d.key ->> 'message', d.warnings
    from unnest(declared) as d
    where problems ? d.key or (d.definition).key is null
    order by 2;
end;
$$;
comment on function attune.apply_definitions(jsonb, boolean, attune.stored_values_action, boolean) is
  E'@param document The JSON Schema object whose `properties` are the settings.\n'
  '@param dry_run True only tells what would be done.\n'
  '@param stored_values What to do with stored values that would no longer be allowed.\n'
  '@param skip_invalid True leaves out, and as they are, the settings that cannot be applied, and does the rest.\n'
  'Brings the definitions of one source in line with a document, all or nothing, and returns what that changes; for '
  'administrators. '
  'The document is a JSON Schema object, as editor extensions publish theirs: `$id` (or `title`) names the source, '
  '`properties` are the settings, each with `default`, `description`, schema keywords and `x-attune` (`"category"`, '
  '`"layer"`, `"writable_by"`, `"seeding"`, `"merge"`, `"audience"`, `"rollout_group"`, `"is_protected"`, '
  '`"assertFormat"`, `"renamedFrom"`); an `x-attune` of the document itself holds for all. '
  'What a setting refers to by `$ref` becomes part of its schema, and gives the default and description that it '
  'does not have itself. '
  'A setting with `renamedFrom` takes over what is stored under that key of the same source, as by '
  '`rename_setting`. '
  'With `dry_run` nothing is changed, and only a setting that would be renamed keeps its writers waiting. '
  'Refused: `admin_required`, `invalid_document`, `setting_of_another_source`, `read_committed_required`, '
  '`stored_values_invalid` (with the counts, unless `stored_values` is `discard`), and as for a single definition '
  '`invalid_key`, `invalid_schema`, `invalid_merge`, `invalid_default`, `secret_in_setting`, `invalid_timezone`, '
  '`too_large`; the message lists every setting, and settings with different reasons are one `invalid_document`.';
revoke all on function attune.apply_definitions(jsonb, boolean, attune.stored_values_action, boolean) from public;
grant execute on function attune.apply_definitions(jsonb, boolean, attune.stored_values_action, boolean) to anon, authenticated, service_role;
--! EndIncluded definitions/apply_definitions.sql
--! Included definitions/export_definitions.sql
create or replace function attune.export_definitions(source text default null)
returns jsonb
language sql stable parallel safe security invoker
begin atomic
  select jsonb_strip_nulls(jsonb_build_object('$id', export_definitions.source)) || jsonb_build_object(
    '$schema', 'https://json-schema.org/draft/2020-12/schema',
    'type', 'object',
    'properties', coalesce(
      jsonb_object_agg(
        d.key,
        case
          -- References into itself need a name of its own to start from.
          when d.schema::text ~ '"[$]ref"' then jsonb_build_object('$id', 'urn:uuid:' || md5(d.key)::uuid) || d.schema
          when jsonb_typeof(d.schema) = 'object' then d.schema
          when d.schema = 'false' then '{"not": {}}'
          else '{}'
        end
          || case
            when not d.schema ? '$ref' and d.description = coalesce(d.schema ->> 'markdownDescription', '') then '{}'
            else jsonb_build_object('description', d.description)
          end
          || jsonb_build_object(
            'default', d.default_value,
            'x-attune', coalesce(d.schema -> 'x-attune', '{}') || jsonb_strip_nulls(jsonb_build_object(
              'category', d.category,
              'layer', d.layer,
              'writable_by', d.writable_by,
              'seeding', d.seeding,
              'merge', d.merge,
              'audience', d.audience,
              'rollout_group', nullif(d.rollout_group, d.key),
              'is_protected', nullif(d.is_protected, false)
            ))
          )
      ),
      '{}'
    )
  )
  from attune.setting_definitions as d
  where d.source is not distinct from export_definitions.source;
end;
comment on function attune.export_definitions(text) is
  E'@param source The document that declared them; those made by hand when left out.\n'
  'The definitions of one source as the document that `apply_definitions` takes: applying it changes nothing. '
  'Without a source, those that were made by hand; give the document an `$id` before it is applied.';
revoke all on function attune.export_definitions(text) from public;
grant execute on function attune.export_definitions(text) to anon, authenticated, service_role;
--! EndIncluded definitions/export_definitions.sql
