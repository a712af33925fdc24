--! Previous: sha1:569fd32a454b19d52c67c617088880d2e4370701
--! Hash: sha1:87808ff960f7518026c43224b514add980791632
--! Message: definitions

create type attune.definition_action as enum ('added', 'changed', 'removed', 'unchanged');
comment on type attune.definition_action is 'What applying a document does to one definition.';

create type attune.stored_values_action as enum ('refuse', 'discard');
comment on type attune.stored_values_action is
  'What to do when stored values would no longer be allowed: `refuse` the document, or `discard` those values (the '
  'audit log keeps them).';

create type attune.definition_change as (
  action attune.definition_action,
  key text,
  changes jsonb,
  stored_values bigint
);
comment on type attune.definition_change is 'What applying a document does to one definition.';
comment on column attune.definition_change.action is
  E'@notNull\n'
  'Whether it is added, changed, removed, or as it was.';
comment on column attune.definition_change.key is
  E'@notNull\n'
  'Which setting.';
comment on column attune.definition_change.changes is
  E'@notNull\n'
  'What changes, `{column: {"from": …, "to": …}}`; empty for a definition that is as it was.';
comment on column attune.definition_change.stored_values is
  E'@notNull\n'
  'How many stored values the change would no longer allow.';

--! Included definitions/private/read_definitions.sql
create or replace function attune_private.read_definitions(document jsonb)
returns setof attune.setting_definitions
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  document_options constant jsonb := coalesce(document -> 'x-attune', '{}');
  property record;
  options jsonb;
  unknown_option text;
  definition attune.setting_definitions;
  problem text;
begin
  problem := case
    when jsonb_typeof(document) is distinct from 'object' then 'it is no object'
    when document -> 'type' <> '"object"' then 'its type is not "object"'
    when jsonb_typeof(document -> 'properties') is distinct from 'object' then 'it has no object "properties"'
    when jsonb_typeof(coalesce(document -> '$id', document -> 'title')) is distinct from 'string'
      or char_length(coalesce(document ->> '$id', document ->> 'title')) not between 1 and 200
      then 'it has no "$id" or "title" of 1 to 200 characters, by which its settings are known again'
    when jsonb_typeof(document_options) <> 'object' then '"x-attune" is no object'
  end;

  if problem is not null then
    raise exception using
      errcode = 'PT422',
      message = 'The document is not valid: ' || problem,
      detail = 'invalid_document',
      hint = 'Send a JSON Schema object whose properties are the settings.';
  end if;

  for property in select p.key, p.value from jsonb_each(document -> 'properties') as p order by p.key loop
    options := document_options || case jsonb_typeof(property.value -> 'x-attune')
      when 'object' then property.value -> 'x-attune'
      else '{}'
    end;

    select k into unknown_option
    from jsonb_object_keys(options) as k
    where k not in ('category', 'layer', 'writable_by', 'seeding', 'merge', 'audience', 'rollout_group', 'is_public')
    limit 1;

    problem := case
      when jsonb_typeof(property.value) <> 'object' then 'it is no object'
      when jsonb_typeof(property.value -> 'description') <> 'string' then '"description" is no string'
      when jsonb_typeof(property.value -> 'x-attune') <> 'object' then '"x-attune" is no object'
      when unknown_option is not null then format('"x-attune" knows no %s', to_jsonb(unknown_option))
      when options ->> 'layer' <> all (enum_range(null::attune.setting_layer)::text[])
        then format('there is no layer %s', options -> 'layer')
      when options ->> 'writable_by' <> all (enum_range(null::attune.setting_writer)::text[])
        then format('"writable_by" is "user" or "admin", not %s', options -> 'writable_by')
      when options ->> 'seeding' <> all (enum_range(null::attune.setting_seeding)::text[])
        then format('"seeding" is "inherit" or "copy", not %s', options -> 'seeding')
      when options ->> 'merge' <> all (enum_range(null::attune.setting_merge)::text[])
        then format('"merge" is "deep" or "replace", not %s', options -> 'merge')
      when options ->> 'audience' <> all (enum_range(null::attune.setting_audience)::text[])
        then format('there is no audience %s', options -> 'audience')
      when jsonb_typeof(options -> 'rollout_group') <> 'string' then '"rollout_group" is no string'
      when char_length(options ->> 'rollout_group') not between 1 and 200
        then '"rollout_group" is not 1 to 200 characters long'
      when jsonb_typeof(options -> 'is_public') <> 'boolean' then '"is_public" is no boolean'
      when jsonb_typeof(options -> 'category') <> 'string' then '"category" is no string'
      when char_length(options ->> 'category') not between 1 and 100 then '"category" is not 1 to 100 characters long'
    end;

    if problem is not null then
      raise exception using
        errcode = 'PT422',
        message = format('The definition of %s is not valid: %s', left(property.key, 200), problem),
        detail = 'invalid_document',
        hint = '"x-attune" may have category, layer, writable_by, seeding, merge, audience and rollout_group.';
    end if;

    definition := null;
    definition.key := property.key;
    definition.source := coalesce(document ->> '$id', document ->> 'title');
    definition.category := coalesce(options ->> 'category', left(definition.source, 100));
    definition.description := coalesce(property.value ->> 'description', property.value ->> 'markdownDescription', '');
    definition.schema := property.value - array['default', 'description', 'x-attune'];
    definition.layer := coalesce(options ->> 'layer', 'user');
    definition.writable_by := coalesce(options ->> 'writable_by', 'user');
    definition.seeding := coalesce(options ->> 'seeding', 'inherit');
    definition.audience := coalesce(
      options ->> 'audience', case when options -> 'is_public' = 'true' then 'public' else 'client' end
    );
    definition.rollout_group := coalesce(options ->> 'rollout_group', property.key);
    definition.default_value := coalesce(property.value -> 'default', 'null');
    definition.merge := coalesce(
      options ->> 'merge',
      case
        when attune_private.merge_obstacle(definition.schema, definition.default_value) is null then 'deep'
        else 'replace'
      end
    );
    return next definition;
  end loop;
end;
$$;
comment on function attune_private.read_definitions(jsonb) is
  'The definitions that a document declares. '
  'Refused (`invalid_document`) when it is no such document.';
revoke all on function attune_private.read_definitions(jsonb) from public;
--! EndIncluded definitions/private/read_definitions.sql
--! Included definitions/private/definition_changes.sql
create or replace function attune_private.definition_changes(source text, wanted attune.setting_definitions[])
returns setof attune.definition_change
language sql stable parallel safe security invoker
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
          'rollout_group', 'source'
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
          and d.changes ?| array['schema', 'default_value', 'layer', 'seeding', 'merge']
      )
      else 0
    end
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
  where b.layer = 'global' and g.key = definition.key;

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
  'Deletes the stored values of a setting that this definition of it would not allow.';
revoke all on function attune_private.discard_broken_values(attune.setting_definitions) from public;
--! EndIncluded definitions/private/discard_broken_values.sql
--! Included definitions/apply_definitions.sql
create or replace function attune.apply_definitions(
  document jsonb,
  dry_run boolean default false,
  stored_values attune.stored_values_action default 'refuse'
)
returns setof attune.definition_change
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  wanted attune.setting_definitions[];
  own_source constant text := coalesce(document ->> '$id', document ->> 'title');
  changes attune.definition_change[];
  foreign_keys text;
  conflicts text;
begin
  perform attune_hidden.require_admin();

  wanted := array(select d from attune_private.read_definitions(document) as d);

  -- A dry run does the same and takes it back, so that it finds the same problems.
  begin
    -- Whoever is writing a definition or a value finishes first. In this order, as a trigger of the definitions locks.
    lock table
      attune.setting_definitions, attune.global_settings, attune.plan_settings, attune.team_settings,
      attune.user_preferences, attune.project_preferences
    in share row exclusive mode;

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

    changes := array(select c from attune_private.definition_changes(own_source, wanted) as c);

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

    perform attune_private.discard_broken_values(
      case when c.action = 'removed' then attune_private.without_values(d) else w end
    )
    from unnest(changes) as c
    join attune.setting_definitions as d on d.key = c.key
    left join unnest(wanted) as w on w.key = c.key
    where c.stored_values > 0;

    delete from attune.setting_definitions as d
    using unnest(changes) as c
    where c.action = 'removed'
      and d.key = c.key;

    update attune.setting_definitions as d
    set
      category = w.category,
      description = w.description,
      schema = w.schema,
      default_value = w.default_value,
      layer = w.layer,
      writable_by = w.writable_by,
      seeding = w.seeding,
      merge = w.merge,
      audience = w.audience,
      rollout_group = w.rollout_group,
      source = w.source
    from unnest(changes) as c
    join unnest(wanted) as w on w.key = c.key
    where c.action = 'changed'
      and d.key = c.key;

    insert into attune.setting_definitions (
      key, category, description, schema, default_value, layer, writable_by, seeding, merge, audience, rollout_group,
      source
    )
    select
      w.key, w.category, w.description, w.schema, w.default_value, w.layer, w.writable_by, w.seeding, w.merge,
      w.audience, w.rollout_group, w.source
    from unnest(changes) as c
    join unnest(wanted) as w on w.key = c.key
    where c.action = 'added';

    if dry_run then
      raise exception using errcode = 'AT000';
    end if;
  exception
    when sqlstate 'AT000' then null;
  end;

  return query select c.* from unnest(changes) as c;
end;
$$;
comment on function attune.apply_definitions(jsonb, boolean, attune.stored_values_action) is
  E'@param document The JSON Schema object whose `properties` are the settings.\n'
  '@param dry_run True only tells what would be done.\n'
  '@param stored_values What to do with stored values that would no longer be allowed.\n'
  'Brings the definitions of one source in line with a document, all or nothing, and returns what that changes; for '
  'administrators. '
  'The document is a JSON Schema object, as editor extensions publish theirs: `$id` (or `title`) names the source, '
  '`properties` are the settings, each with `default`, `description`, schema keywords and `x-attune` (`"category"`, '
  '`"layer"`, `"writable_by"`, `"seeding"`, `"merge"`, `"audience"`, `"rollout_group"`); an `x-attune` of the document itself holds for all. '
  'With `dry_run` nothing is changed. '
  'Refused: `admin_required`, `invalid_document`, `setting_of_another_source`, `stored_values_invalid` (with the '
  'counts, unless `stored_values` is `discard`), and as for a single definition `invalid_key`, `invalid_schema`, `invalid_merge`, '
  '`invalid_default`, `too_large`.';
revoke all on function attune.apply_definitions(jsonb, boolean, attune.stored_values_action) from public;
grant execute on function attune.apply_definitions(jsonb, boolean, attune.stored_values_action) to authenticated, service_role;
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
        case jsonb_typeof(d.schema) when 'object' then d.schema else '{}' end
          || case
            when d.description = coalesce(d.schema ->> 'markdownDescription', '') then '{}'
            else jsonb_build_object('description', d.description)
          end
          || jsonb_build_object(
            'default', d.default_value,
            'x-attune', jsonb_strip_nulls(jsonb_build_object(
              'category', d.category,
              'layer', d.layer,
              'writable_by', d.writable_by,
              'seeding', d.seeding,
              'merge', d.merge,
              'audience', d.audience,
              'rollout_group', nullif(d.rollout_group, d.key)
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
  E'@notNull\n'
  '@param source The document that declared them; those made by hand when left out.\n'
  'The definitions of one source as the document that `apply_definitions` takes: applying it changes nothing. '
  'Without a source, those that were made by hand; give the document an `$id` before it is applied.';
revoke all on function attune.export_definitions(text) from public;
grant execute on function attune.export_definitions(text) to authenticated, service_role;
--! EndIncluded definitions/export_definitions.sql
