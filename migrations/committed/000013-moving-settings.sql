--! Previous: sha1:fb49c358974408aee0063d5148241642c9872833
--! Hash: sha1:70325b8fa32886b1c0c36188f47ff79c119e49b5
--! Message: moving settings

-- Many values at once: exported, imported, from a template, or tried out. Each tells what it changes.

create type attune.import_mode as enum ('merge', 'replace');
comment on type attune.import_mode is
  'What becomes of values that a document does not mention: `merge` leaves them, `replace` drops them.';

create type attune.setting_change as (
  layer attune.setting_layer,
  scope text,
  key text,
  action attune.definition_action,
  previous_value jsonb,
  new_value jsonb,
  previous_attributes jsonb,
  new_attributes jsonb
);
comment on type attune.setting_change is 'What becomes of one stored value.';
comment on column attune.setting_change.layer is 'In which layer.';
comment on column attune.setting_change.scope is 'Of which plan or project; else null.';
comment on column attune.setting_change.key is 'Which setting.';
comment on column attune.setting_change.action is 'Whether it is added, changed, removed, or as it was.';
comment on column attune.setting_change.previous_value is 'What was stored; null when nothing.';
comment on column attune.setting_change.new_value is 'What will be; null when nothing.';
comment on column attune.setting_change.previous_attributes is 'The other columns before, such as `"is_active"`.';
comment on column attune.setting_change.new_attributes is 'The other columns after.';

--! Included moving-settings/hidden/value_problem.sql
create or replace function attune_hidden.value_problem(key text, layer attune.setting_layer, value jsonb)
returns text
-- Definer, because adopt_legacy_settings runs with the rights of its caller.
language sql volatile security definer
set search_path = pg_catalog, pg_temp
begin atomic
  select case
    when d.key is null then 'there is no such setting'
    when value_problem.layer > d.layer then 'its narrowest layer is ' || d.layer
    when octet_length(value_problem.value::text) > 65536 then 'it is larger than 65536 bytes'
    else nullif(concat_ws(
      '; ',
      attune_private.stored_value_problem(d, value_problem.layer, value_problem.value),
      (
        select string_agg(ltrim(left(p.message, 300)), '; ' order by p.message)
        from attune_private.annotation_problems(d.schema, value_problem.value) as p
      )
    ), '')
  end
  from (select) as one
  left join attune.setting_definitions as d on d.key = value_problem.key;
end;
comment on function attune_hidden.value_problem(text, attune.setting_layer, jsonb) is
  'Why a value cannot be stored for a key in a layer, in the words of its validation; NULL when it can.';
revoke all on function attune_hidden.value_problem(text, attune.setting_layer, jsonb) from public;
grant execute on function attune_hidden.value_problem(text, attune.setting_layer, jsonb) to service_role;
--! EndIncluded moving-settings/hidden/value_problem.sql
--! Included moving-settings/private/refuse_import.sql
create or replace function attune_private.refuse_import(problems text[])
returns void
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  listed constant text := left(array_to_string(problems, '; '), 4000);
begin
  if cardinality(problems) > 0 then
    raise exception using
      errcode = 'PT422',
      message = 'The document is not valid: ' || listed,
      detail = 'invalid_import',
      hint = 'Mend what is named. Nothing was changed.';
  end if;
end;
$$;
comment on function attune_private.refuse_import(text[]) is
  'Refuses (`invalid_import`) a document with problems, naming each; passes when there are none.';
revoke all on function attune_private.refuse_import(text[]) from public;
--! EndIncluded moving-settings/private/refuse_import.sql

-- A user's own

--! Included moving-settings/private/exported_preferences.sql
create or replace function attune_private.exported_preferences(user_id uuid)
returns jsonb
language sql stable parallel safe security invoker
begin atomic
  select jsonb_build_object(
    'preferences', coalesce(
      (
        select jsonb_object_agg(p.key, jsonb_build_object('value', p.value, 'is_active', p.is_active))
        from attune.user_preferences as p
        join attune.setting_definitions as d on d.key = p.key and d.writable_by = 'user'
        where p.user_id = exported_preferences.user_id
      ),
      '{}'
    ),
    'projects', coalesce(
      (
        select jsonb_object_agg(g.project_id, g.preferences)
        from (
          select
            p.project_id,
            jsonb_object_agg(p.key, jsonb_build_object('value', p.value, 'is_active', p.is_active)) as preferences
          from attune.project_preferences as p
          join attune.setting_definitions as d on d.key = p.key and d.writable_by = 'user'
          where p.user_id = exported_preferences.user_id
          group by p.project_id
        ) as g
      ),
      '{}'
    )
  );
end;
comment on function attune_private.exported_preferences(uuid) is 'All that a user chose; see `attune.export_preferences`.';
revoke all on function attune_private.exported_preferences(uuid) from public;
--! EndIncluded moving-settings/private/exported_preferences.sql
--! Included moving-settings/export_preferences.sql
create or replace function attune.export_preferences()
returns jsonb
language plpgsql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return attune_private.exported_preferences(attune_hidden.require_user_id());
end;
$$;
comment on function attune.export_preferences() is
  E'@notNull\n'
  'All that the caller chose, `{"preferences": {key: {"value", "is_active"}}, "projects": {id: {key: {…}}}}`, for '
  '`import_preferences`. '
  'What only administrators may write is not in it. '
  'Refused: `not_signed_in`.';
revoke all on function attune.export_preferences() from public;
grant execute on function attune.export_preferences() to authenticated, service_role;
--! EndIncluded moving-settings/export_preferences.sql
--! Included moving-settings/private/preference_changes.sql
create or replace function attune_private.preference_changes(user_id uuid, document jsonb, mode attune.import_mode)
returns setof attune.setting_change
language sql stable parallel safe security invoker
begin atomic
  with
    wanted as (
      select e.project_id, e.key, e.entry -> 'value' as value, coalesce(e.entry -> 'is_active', 'true') as is_active
      from (
        select null::text as project_id, p.key, p.value as entry
        from jsonb_each(document -> 'preferences') as p
        union all
        select j.key, p.key, p.value
        from jsonb_each(document -> 'projects') as j
        cross join jsonb_each(j.value) as p
      ) as e
    ),
    present as (
      select s.*
      from (
        select null::text as project_id, p.key, p.value, to_jsonb(p.is_active) as is_active
        from attune.user_preferences as p
        where p.user_id = preference_changes.user_id
        union all
        select p.project_id::text, p.key, p.value, to_jsonb(p.is_active)
        from attune.project_preferences as p
        where p.user_id = preference_changes.user_id
      ) as s
    ),
    compared as (
      select
        coalesce(w.project_id, p.project_id) as project_id,
        coalesce(w.key, p.key) as key,
        p.value as previous_value,
        p.is_active as previous_active,
        w.key is not null as is_wanted,
        case
          when w.key is null then null
          -- What is stored may hold nulls, which hide members of the default: as it was exported it stays.
          when mode = 'replace' or w.value = p.value then w.value
          else attune_hidden.json_merge_patch(coalesce(p.value, '{}'), w.value)
        end as new_value,
        w.is_active as new_active
      from wanted as w
      full join present as p on p.key = w.key and coalesce(p.project_id, '') = coalesce(w.project_id, '')
    )
  select
    case when c.project_id is null then 'user' else 'project' end::attune.setting_layer,
    c.project_id,
    c.key,
    case
      when not c.is_wanted then 'removed'
      when c.previous_value is null then 'added'
      when (c.previous_value, c.previous_active) = (c.new_value, c.new_active) then 'unchanged'
      else 'changed'
    end::attune.definition_action,
    c.previous_value,
    c.new_value,
    case when c.previous_value is not null then jsonb_build_object('is_active', c.previous_active) end,
    case when c.is_wanted then jsonb_build_object('is_active', c.new_active) end
  from compared as c
  left join attune.setting_definitions as d on d.key = c.key
  where c.is_wanted
    or mode = 'replace' and d.writable_by = 'user'
  order by c.project_id nulls first, c.key;
end;
comment on function attune_private.preference_changes(uuid, jsonb, attune.import_mode) is
  'What importing a document would do to the preferences of one user.';
revoke all on function attune_private.preference_changes(uuid, jsonb, attune.import_mode) from public;
--! EndIncluded moving-settings/private/preference_changes.sql
--! Included moving-settings/private/import_preferences.sql
create or replace function attune_private.import_preferences(
  user_id uuid,
  document jsonb,
  mode attune.import_mode,
  dry_run boolean
)
returns setof attune.setting_change
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  import_mode constant attune.import_mode := coalesce(mode, 'merge');
  problems text[];
  changes attune.setting_change[];
begin
  -- Whoever writes these preferences now finishes first.
  perform from attune.users as u where u.id = import_preferences.user_id for no key update;

  problems := array_remove(array[
    attune_private.invalid_value_message(
      '{
        "type": "object",
        "additionalProperties": false,
        "properties": {
          "preferences": {"type": "object", "additionalProperties": {
            "type": "object", "required": ["value"], "additionalProperties": false,
            "properties": {"value": true, "is_active": {"type": "boolean"}}
          }},
          "projects": {"type": "object", "additionalProperties": {"type": "object", "additionalProperties": {
            "type": "object", "required": ["value"], "additionalProperties": false,
            "properties": {"value": true, "is_active": {"type": "boolean"}}
          }}}
        }
      }',
      document
    )
  ], null);
  perform attune_private.refuse_import(problems);

  changes := array(select c from attune_private.preference_changes(import_preferences.user_id, document, import_mode) as c);

  select array_agg(concat_ws(' in project ', c.key, left(c.scope, 50)) || ': ' || p.problem order by c.key, c.scope)
  into problems
  from unnest(changes) as c
  left join attune.setting_definitions as d on d.key = c.key
  cross join lateral (
    select case
      when c.scope is not null and not exists (
        select from attune.project_members as m where m.user_id = import_preferences.user_id and m.project_id::text = c.scope
      ) then 'there is no such project'
      when d.writable_by = 'admin' then 'only an administrator may change it'
      when c.action <> 'removed' and exists (
        select from attune_private.judged_settings(import_preferences.user_id, null) as j
        where j.key = c.key and j.enforced_by < 'user'
      ) then 'it is locked by an administrator'
      when c.action <> 'removed' then attune_hidden.value_problem(c.key, c.layer, c.new_value)
    end
  ) as p (problem)
  where c.action <> 'unchanged'
    and p.problem is not null;
  perform attune_private.refuse_import(problems);

  -- A dry run does the same and takes it back, so that it finds the same problems.
  begin
    delete from attune.user_preferences as p
    using unnest(changes) as c
    where c.action = 'removed' and c.layer = 'user' and p.user_id = import_preferences.user_id and p.key = c.key;

    delete from attune.project_preferences as p
    using unnest(changes) as c
    where c.action = 'removed'
      and c.layer = 'project'
      and p.user_id = import_preferences.user_id
      and p.project_id::text = c.scope
      and p.key = c.key;

    insert into attune.user_preferences as p (user_id, key, value, is_active, updated_by, updated_at)
    select
      import_preferences.user_id,
      c.key,
      c.new_value,
      (c.new_attributes -> 'is_active')::boolean,
      import_preferences.user_id,
      'infinity'
    from unnest(changes) as c
    where c.action in ('added', 'changed') and c.layer = 'user'
    on conflict on constraint user_preferences_pkey
    do update set
      value = excluded.value,
      is_active = excluded.is_active,
      updated_by = excluded.updated_by,
      updated_at = 'infinity';

    insert into attune.project_preferences as p (user_id, project_id, key, value, is_active, updated_by, updated_at)
    select
      import_preferences.user_id,
      c.scope::uuid,
      c.key,
      c.new_value,
      (c.new_attributes -> 'is_active')::boolean,
      import_preferences.user_id,
      'infinity'
    from unnest(changes) as c
    where c.action in ('added', 'changed') and c.layer = 'project'
    on conflict on constraint project_preferences_pkey
    do update set
      value = excluded.value,
      is_active = excluded.is_active,
      updated_by = excluded.updated_by,
      updated_at = 'infinity';

    perform attune_private.check_preference_limit(array[import_preferences.user_id]);

    if dry_run then
      raise exception using errcode = 'AT000';
    end if;
  exception
    when sqlstate 'AT000' then null;
  end;

  return query select c.* from unnest(changes) as c;
end;
$$;
comment on function attune_private.import_preferences(uuid, jsonb, attune.import_mode, boolean) is
  'Makes the preferences of a user, who is asking, what a document says; see `attune.import_preferences`.';
revoke all on function attune_private.import_preferences(uuid, jsonb, attune.import_mode, boolean) from public;
--! EndIncluded moving-settings/private/import_preferences.sql
--! Included moving-settings/import_preferences.sql
create or replace function attune.import_preferences(
  document jsonb,
  mode attune.import_mode default 'merge',
  dry_run boolean default false
)
returns setof attune.setting_change
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select c.*
    from attune_private.import_preferences(attune_hidden.require_user_id(), document, mode, dry_run) as c;
end;
$$;
comment on function attune.import_preferences(jsonb, attune.import_mode, boolean) is
  E'@param document What `export_preferences` gave.\n'
  '@param mode What becomes of values that are not mentioned.\n'
  '@param dry_run True only tells what would be done.\n'
  'Takes a document of `export_preferences`, all or nothing, and returns what it changes. '
  '`merge` merges its objects into the caller''s and leaves what it does not mention; `replace` makes the caller''s '
  'preferences what it says. '
  'With `dry_run` nothing is changed. '
  'Refused: `not_signed_in`, `invalid_import` (naming each key that is unknown, not allowed or locked, and each bad '
  'value), `too_many_preferences`.';
revoke all on function attune.import_preferences(jsonb, attune.import_mode, boolean) from public;
grant execute on function attune.import_preferences(jsonb, attune.import_mode, boolean) to authenticated, service_role;
--! EndIncluded moving-settings/import_preferences.sql

-- Everybody's and a plan's

--! Included moving-settings/export_configuration.sql
create or replace function attune.export_configuration()
returns jsonb
language plpgsql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform attune_hidden.require_admin();

  return jsonb_build_object(
    'global', (
      select coalesce(
        jsonb_object_agg(g.key, to_jsonb(g) - array['key', 'updated_by', 'updated_at']),
        '{}'
      )
      from attune.global_settings as g
    ),
    'plans', (
      select coalesce(jsonb_object_agg(s.plan, s.settings), '{}')
      from (
        select p.plan, jsonb_object_agg(p.key, to_jsonb(p) - array['plan', 'key', 'updated_by', 'updated_at']) as settings
        from attune.plan_settings as p
        group by p.plan
      ) as s
    )
  );
end;
$$;
comment on function attune.export_configuration() is
  E'@notNull\n'
  'What administrators chose for everybody and for plans, `{"global": {key: {"value", "is_active", …}}, "plans": '
  '{plan: {key: {…}}}}`, for `import_configuration`, such as from staging into production; for administrators '
  '(`admin_required`).';
revoke all on function attune.export_configuration() from public;
grant execute on function attune.export_configuration() to authenticated, service_role;
--! EndIncluded moving-settings/export_configuration.sql
--! Included moving-settings/private/configuration_changes.sql
create or replace function attune_private.configuration_changes(document jsonb, mode attune.import_mode)
returns setof attune.setting_change
language sql stable parallel safe security invoker
begin atomic
  with
    wanted as (
      select
        'global'::attune.setting_layer as layer,
        null::text as scope,
        g.key,
        '{"is_active": true, "is_enforced": false, "rollout_percentage": 100, "variants": null}' || g.value as entry
      from jsonb_each(document -> 'global') as g
      union all
      select 'plan', s.key, p.key, '{"is_active": true, "is_enforced": false}' || p.value
      from jsonb_each(document -> 'plans') as s
      cross join jsonb_each(s.value) as p
    ),
    present as (
      select
        'global'::attune.setting_layer as layer,
        null::text as scope,
        g.key,
        to_jsonb(g) - array['key', 'updated_by', 'updated_at'] as entry
      from attune.global_settings as g
      union all
      select 'plan', p.plan, p.key, to_jsonb(p) - array['plan', 'key', 'updated_by', 'updated_at']
      from attune.plan_settings as p
    )
  select
    coalesce(w.layer, p.layer),
    coalesce(w.scope, p.scope),
    coalesce(w.key, p.key),
    case
      when w.key is null then 'removed'
      when p.key is null then 'added'
      when w.entry = p.entry then 'unchanged'
      else 'changed'
    end::attune.definition_action,
    p.entry -> 'value',
    w.entry -> 'value',
    p.entry - 'value',
    w.entry - 'value'
  from wanted as w
  full join present as p on p.key = w.key and p.layer = w.layer and coalesce(p.scope, '') = coalesce(w.scope, '')
  where w.key is not null
    or mode = 'replace'
  order by 1, 2, 3;
end;
comment on function attune_private.configuration_changes(jsonb, attune.import_mode) is
  'What importing a document would do to the global layer and to those of plans.';
revoke all on function attune_private.configuration_changes(jsonb, attune.import_mode) from public;
--! EndIncluded moving-settings/private/configuration_changes.sql
--! Included moving-settings/import_configuration.sql
create or replace function attune.import_configuration(
  document jsonb,
  mode attune.import_mode default 'merge',
  dry_run boolean default false
)
returns setof attune.setting_change
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  import_mode constant attune.import_mode := coalesce(mode, 'merge');
  problems text[];
  changes attune.setting_change[];
begin
  perform attune_private.require_administrator(caller);

  problems := array_remove(array[
    attune_private.invalid_value_message(
      '{
        "type": "object",
        "additionalProperties": false,
        "properties": {
          "global": {"type": "object", "additionalProperties": {
            "type": "object", "required": ["value"], "additionalProperties": false,
            "properties": {
              "value": true, "is_active": {"type": "boolean"}, "is_enforced": {"type": "boolean"},
              "rollout_percentage": {"type": "integer", "minimum": 0, "maximum": 100}, "variants": true
            }
          }},
          "plans": {"type": "object", "additionalProperties": {"type": "object", "additionalProperties": {
            "type": "object", "required": ["value"], "additionalProperties": false,
            "properties": {"value": true, "is_active": {"type": "boolean"}, "is_enforced": {"type": "boolean"}}
          }}}
        }
      }',
      document
    )
  ], null);
  perform attune_private.refuse_import(problems);

  -- A dry run does the same and takes it back, so that it finds the same problems.
  begin
    lock table attune.global_settings, attune.plan_settings in share row exclusive mode;
    changes := array(select c from attune_private.configuration_changes(document, import_mode) as c);

    select array_agg(concat_ws(' of plan ', c.key, left(c.scope, 100)) || ': ' || p.problem order by c.key, c.scope)
    into problems
    from unnest(changes) as c
    cross join lateral (
      select case
        when c.layer = 'plan' and not exists (select from attune.plans as p where p.name = c.scope)
          then 'there is no such plan'
        else attune_hidden.value_problem(c.key, c.layer, c.new_value)
      end
    ) as p (problem)
    where c.action in ('added', 'changed')
      and p.problem is not null;
    perform attune_private.refuse_import(problems);

    delete from attune.global_settings as g
    using unnest(changes) as c
    where c.action = 'removed' and c.layer = 'global' and g.key = c.key;

    delete from attune.plan_settings as p
    using unnest(changes) as c
    where c.action = 'removed' and c.layer = 'plan' and p.plan = c.scope and p.key = c.key;

    insert into attune.global_settings as g (
      key, value, is_active, is_enforced, rollout_percentage, variants, updated_by, updated_at
    )
    select
      c.key,
      c.new_value,
      (c.new_attributes -> 'is_active')::boolean,
      (c.new_attributes -> 'is_enforced')::boolean,
      (c.new_attributes -> 'rollout_percentage')::integer,
      nullif(c.new_attributes -> 'variants', 'null'),
      caller.user_id,
      'infinity'
    from unnest(changes) as c
    where c.action in ('added', 'changed') and c.layer = 'global'
    on conflict on constraint global_settings_pkey
    do update set
      value = excluded.value,
      is_active = excluded.is_active,
      is_enforced = excluded.is_enforced,
      rollout_percentage = excluded.rollout_percentage,
      variants = excluded.variants,
      updated_by = excluded.updated_by,
      updated_at = 'infinity';

    insert into attune.plan_settings as p (plan, key, value, is_active, is_enforced, updated_by, updated_at)
    select
      c.scope,
      c.key,
      c.new_value,
      (c.new_attributes -> 'is_active')::boolean,
      (c.new_attributes -> 'is_enforced')::boolean,
      caller.user_id,
      'infinity'
    from unnest(changes) as c
    where c.action in ('added', 'changed') and c.layer = 'plan'
    on conflict on constraint plan_settings_pkey
    do update set
      value = excluded.value,
      is_active = excluded.is_active,
      is_enforced = excluded.is_enforced,
      updated_by = excluded.updated_by,
      updated_at = 'infinity';

    if dry_run then
      raise exception using errcode = 'AT000';
    end if;
  exception
    when sqlstate 'AT000' then null;
  end;

  return query select c.* from unnest(changes) as c;
end;
$$;
comment on function attune.import_configuration(jsonb, attune.import_mode, boolean) is
  E'@param document What `export_configuration` gave.\n'
  '@param mode What becomes of values that are not mentioned.\n'
  '@param dry_run True only tells what would be done.\n'
  'Takes a document of `export_configuration`, all or nothing, and returns what it changes: with `dry_run` first, '
  'which changes nothing, it is the difference between two places. '
  'Each value it names becomes what it says; `replace` drops the others. '
  'For administrators. '
  'Refused: `admin_required`, `invalid_import` (naming each unknown key or plan and each bad value), '
  '`invalid_variants`, and for the value of a variant as `set_global_variants`.';
revoke all on function attune.import_configuration(jsonb, attune.import_mode, boolean) from public;
grant execute on function attune.import_configuration(jsonb, attune.import_mode, boolean) to authenticated, service_role;
--! EndIncluded moving-settings/import_configuration.sql

-- Templates

--! Included moving-settings/triggers/tg_setting_templates__validate.sql
create or replace function attune_private.tg_setting_templates__validate()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  problems text;
begin
  if jsonb_typeof(new."values") <> 'object' then
    problems := 'it is no object';
  else
    select string_agg(v.key || ': ' || p.problem, '; ' order by v.key)
    into problems
    from jsonb_each(new."values") as v
    left join attune.setting_definitions as d on d.key = v.key
    cross join lateral (
      select case
        when d.writable_by = 'admin' then 'users may not choose it'
        else attune_hidden.value_problem(v.key, 'user', v.value)
      end
    ) as p (problem)
    where p.problem is not null;
  end if;

  if problems is not null then
    raise exception using
      errcode = 'PT422',
      message = 'The template is not valid: ' || left(problems, 4000),
      detail = 'invalid_template',
      hint = 'Send {key: value} with settings that users may choose.';
  end if;

  return new;
end;
$$;
comment on function attune_private.tg_setting_templates__validate() is
  'Refuses (`invalid_template`) a template with keys that are unknown or not the user''s to choose, or with bad '
  'values, naming each.';
revoke all on function attune_private.tg_setting_templates__validate() from public;
--! EndIncluded moving-settings/triggers/tg_setting_templates__validate.sql

create table attune.setting_templates (
  name text
    constraint setting_templates_pkey primary key
    constraint setting_templates_name_check check (name ~ '^[a-z][a-z0-9_]{0,62}$'),
  title text not null
    constraint setting_templates_title_check check (char_length(title) between 1 and 200),
  description text not null default ''
    constraint setting_templates_description_check check (char_length(description) <= 4000),
  "values" jsonb not null
    constraint setting_templates_values_check check (octet_length("values"::text) <= 65536),
  plan text
    constraint setting_templates_plan_fkey references attune.plans (name) on update cascade on delete cascade,
  role text
    constraint setting_templates_role_check check (char_length(role) between 1 and 100),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index setting_templates_plan_idx on attune.setting_templates (plan);
comment on table attune.setting_templates is
  E'@behavior -connection +list\n'
  'Named sets of values, for a user to apply, and for those who sign up with a plan or a role. '
  'Administrators write them.';
comment on column attune.setting_templates.name is 'The template''s stable name, in lower case.';
comment on column attune.setting_templates.title is 'What people read, at most 200 characters.';
comment on column attune.setting_templates.description is 'What it is good for.';
comment on column attune.setting_templates."values" is
  'The values, `{key: value}`, of settings that users may choose; an object holds only the members that the '
  'template sets.';
comment on column attune.setting_templates.plan is
  'Applied to who signs up with this plan; with a `role`, to who has both.';
comment on column attune.setting_templates.role is
  'Applied to who signs up with this role, compared without regard to case.';
comment on column attune.setting_templates.created_at is 'When the template was made.';
comment on column attune.setting_templates.updated_at is 'When it was last changed.';

alter table attune.setting_templates enable row level security;
create policy setting_templates_select_authenticated on attune.setting_templates for select to authenticated
  using ((select attune.current_user_id()) is not null);
create policy setting_templates_insert_admin on attune.setting_templates for insert to authenticated
  with check ((select attune.is_admin()));
create policy setting_templates_update_admin on attune.setting_templates for update to authenticated
  using ((select attune.is_admin()))
  with check ((select attune.is_admin()));
create policy setting_templates_delete_admin on attune.setting_templates for delete to authenticated
  using ((select attune.is_admin()));
create policy setting_templates_all_service_role on attune.setting_templates for all to service_role
  using (true) with check (true);

revoke all on attune.setting_templates from public;
grant
  select,
  insert (name, title, description, "values", plan, role),
  update (title, description, "values", plan, role),
  delete
  on attune.setting_templates to authenticated, service_role;

create trigger _010_require_admin before insert on attune.setting_templates
  for each statement when (row_security_active('attune.setting_templates'))
  execute function attune_private.tg__require_admin();
create trigger _100_validate before insert or update on attune.setting_templates
  for each row execute function attune_private.tg_setting_templates__validate();
create trigger _200_timestamps before update on attune.setting_templates
  for each row execute function attune_private.tg__timestamps();

--! Included moving-settings/triggers/tg_users__apply_templates.sql
create or replace function attune_private.tg_users__apply_templates()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  writer constant uuid := attune.current_user_id();
  member record;
begin
  -- A definition may have changed since the template was written: what it no longer allows must not keep anybody out.
  for member in
    select v.key, v.value
    from attune.setting_templates as t
    cross join jsonb_each(t."values") as v
    where (t.plan is not null or t.role is not null)
      and (t.plan is null or t.plan = new.plan)
      and (t.role is null or lower(t.role) = lower(new.role))
    order by (t.plan is not null)::integer + (t.role is not null)::integer, t.name, v.key
  loop
    begin
      insert into attune.user_preferences as p (user_id, key, value, updated_by, updated_at)
      values (new.id, member.key, attune_hidden.json_merge_patch('{}', member.value), writer, 'infinity')
      on conflict on constraint user_preferences_pkey
      do update set
        value = attune_hidden.json_merge_patch(p.value, excluded.value),
        updated_by = writer,
        updated_at = 'infinity';
    exception
      when sqlstate 'PT404' or sqlstate 'PT422' then null;
    end;
  end loop;

  return null;
end;
$$;
comment on function attune_private.tg_users__apply_templates() is
  'Gives a new user the values of the templates for their plan and role, the more particular over the others.';
revoke all on function attune_private.tg_users__apply_templates() from public;
--! EndIncluded moving-settings/triggers/tg_users__apply_templates.sql
--! Included moving-settings/apply_template.sql
create or replace function attune.apply_template(
  name text,
  mode attune.import_mode default 'merge',
  dry_run boolean default false
)
returns setof attune.setting_change
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant uuid := attune_hidden.require_user_id();
  template_values jsonb;
begin
  select t."values" into template_values from attune.setting_templates as t where t.name = apply_template.name;

  if not found then
    raise exception using
      errcode = 'PT404',
      message = format('There is no template %s', quote_nullable(left(apply_template.name, 100))),
      detail = 'unknown_template',
      hint = 'List what there is with settingTemplates.';
  end if;

  -- What the user chose in projects is not the template's to drop.
  return query
    select c.*
    from attune_private.import_preferences(
      caller,
      jsonb_build_object(
        'preferences', (
          select coalesce(jsonb_object_agg(v.key, jsonb_build_object('value', v.value)), '{}')
          from jsonb_each(template_values) as v
        ),
        'projects', attune_private.exported_preferences(caller) -> 'projects'
      ),
      apply_template.mode,
      apply_template.dry_run
    ) as c
    where c.layer = 'user';
end;
$$;
comment on function attune.apply_template(text, attune.import_mode, boolean) is
  E'@param name Which template.\n'
  '@param mode What becomes of values that are not mentioned.\n'
  '@param dry_run True only tells what would be done.\n'
  'Gives the caller the values of a template, all or nothing, and returns what that changes. '
  '`merge` leaves what the template does not mention; `replace` resets it, outside projects. '
  'With `dry_run` nothing is changed: what would be is shown first. '
  'Refused: `not_signed_in`, `unknown_template`, and as `import_preferences`.';
revoke all on function attune.apply_template(text, attune.import_mode, boolean) from public;
grant execute on function attune.apply_template(text, attune.import_mode, boolean) to authenticated, service_role;
--! EndIncluded moving-settings/apply_template.sql

create trigger _510_apply_templates after insert on attune.users
  for each row execute function attune_private.tg_users__apply_templates();

-- Trying out

create type attune_private.user_value as (user_id uuid, value jsonb);
comment on type attune_private.user_value is 'What applies to one user for a known setting.';

create type attune.preview_change as (previous_value jsonb, new_value jsonb, users integer);
comment on type attune.preview_change is 'How many users would see one value instead of another.';
comment on column attune.preview_change.previous_value is 'What applies to them now.';
comment on column attune.preview_change.new_value is 'What would apply.';
comment on column attune.preview_change.users is 'How many users they are.';

--! Included moving-settings/private/values_by_user.sql
create or replace function attune_private.values_by_user(key text, plan text, team_id uuid)
returns setof attune_private.user_value
language sql stable parallel safe security invoker
begin atomic
  select u.id, r.value
  from attune.users as u
  cross join lateral attune_private.resolve_settings(u.id, false, 'admin', null) as r
  where r.key = values_by_user.key
    and (values_by_user.plan is null or u.plan = values_by_user.plan)
    and (values_by_user.team_id is null or u.current_team_id = values_by_user.team_id);
end;
comment on function attune_private.values_by_user(text, text, uuid) is
  'What applies to each user for one setting, outside projects: to all, to those of a plan, or to those in a team.';
revoke all on function attune_private.values_by_user(text, text, uuid) from public;
--! EndIncluded moving-settings/private/values_by_user.sql
--! Included moving-settings/private/changed_values.sql
create or replace function attune_private.changed_values(
  key text,
  plan text,
  team_id uuid,
  before attune_private.user_value[]
)
returns setof attune.preview_change
language sql stable parallel safe security invoker
begin atomic
  select b.value, a.value, count(*)::integer
  from unnest(before) as b
  join attune_private.values_by_user(changed_values.key, changed_values.plan, changed_values.team_id) as a
    on a.user_id = b.user_id
  where a.value <> b.value
  group by b.value, a.value
  order by count(*) desc, b.value, a.value;
end;
comment on function attune_private.changed_values(text, text, uuid, attune_private.user_value[]) is
  'To how many users another value applies than before, from what to what.';
revoke all on function attune_private.changed_values(text, text, uuid, attune_private.user_value[]) from public;
--! EndIncluded moving-settings/private/changed_values.sql
--! Included moving-settings/preview_global_setting.sql
create or replace function attune.preview_global_setting(
  key text,
  value jsonb default null,
  is_enforced boolean default null,
  rollout_percentage integer default null,
  is_active boolean default null,
  is_whole boolean default false
)
returns setof attune.preview_change
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  before attune_private.user_value[];
  changes attune.preview_change[];
begin
  perform attune_private.require_administrator(caller);

  before := array(
    select v
    from attune_private.values_by_user(preview_global_setting.key, null, null) as v
  );

  -- It is done and taken back: so it is refused as it would be, and resolved as it would be.
  begin
    perform attune_private.write_global_setting(
      caller,
      preview_global_setting.key,
      preview_global_setting.value,
      preview_global_setting.is_enforced,
      preview_global_setting.rollout_percentage,
      preview_global_setting.is_active,
      preview_global_setting.is_whole,
      null
    );
    changes := array(
      select c
      from attune_private.changed_values(preview_global_setting.key, null, null, before) as c
    );
    raise exception using errcode = 'AT000';
  exception
    when sqlstate 'AT000' then null;
  end;

  return query select c.* from unnest(changes) as c;
end;
$$;
comment on function attune.preview_global_setting(text, jsonb, boolean, integer, boolean, boolean) is
  E'@param key Which setting.\n'
  '@param value The value; of an object, the members to change.\n'
  '@param is_enforced Whether nobody of them can choose otherwise.\n'
  '@param rollout_percentage The share of users it would apply to, 0 to 100.\n'
  '@param is_active False would keep the value, and ignore it.\n'
  '@param is_whole True would store an object as it is, in place of what is stored.\n'
  'To how many users another value would apply, from what to what, if `set_global_setting` were called so: by the '
  'same resolution, outside projects. '
  'Changes nothing. '
  'For administrators. '
  'Refused: `admin_required`, and as `set_global_setting`.';
revoke all on function attune.preview_global_setting(text, jsonb, boolean, integer, boolean, boolean) from public;
grant execute on function attune.preview_global_setting(text, jsonb, boolean, integer, boolean, boolean) to authenticated, service_role;
--! EndIncluded moving-settings/preview_global_setting.sql
--! Included moving-settings/preview_plan_setting.sql
create or replace function attune.preview_plan_setting(
  plan text,
  key text,
  value jsonb default null,
  is_enforced boolean default null,
  is_active boolean default null,
  is_whole boolean default false
)
returns setof attune.preview_change
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  before attune_private.user_value[];
  changes attune.preview_change[];
begin
  perform attune_private.require_administrator(caller);

  before := array(
    select v
    from attune_private.values_by_user(preview_plan_setting.key, preview_plan_setting.plan, null) as v
  );

  -- It is done and taken back: so it is refused as it would be, and resolved as it would be.
  begin
    perform attune_private.write_plan_setting(
      caller,
      preview_plan_setting.plan,
      preview_plan_setting.key,
      preview_plan_setting.value,
      preview_plan_setting.is_enforced,
      preview_plan_setting.is_active,
      preview_plan_setting.is_whole,
      null
    );
    changes := array(
      select c
      from attune_private.changed_values(preview_plan_setting.key, preview_plan_setting.plan, null, before) as c
    );
    raise exception using errcode = 'AT000';
  exception
    when sqlstate 'AT000' then null;
  end;

  return query select c.* from unnest(changes) as c;
end;
$$;
comment on function attune.preview_plan_setting(text, text, jsonb, boolean, boolean, boolean) is
  E'@param plan Which plan.\n'
  '@param key Which setting.\n'
  '@param value The value; of an object, the members to change.\n'
  '@param is_enforced Whether nobody of them can choose otherwise.\n'
  '@param is_active False would keep the value, and ignore it.\n'
  '@param is_whole True would store an object as it is, in place of what is stored.\n'
  'To how many users another value would apply, from what to what, if `set_plan_setting` were called so: by the same '
  'resolution, outside projects. '
  'Changes nothing. '
  'For administrators. '
  'Refused: `admin_required`, and as `set_plan_setting`.';
revoke all on function attune.preview_plan_setting(text, text, jsonb, boolean, boolean, boolean) from public;
grant execute on function attune.preview_plan_setting(text, text, jsonb, boolean, boolean, boolean) to authenticated, service_role;
--! EndIncluded moving-settings/preview_plan_setting.sql
--! Included moving-settings/preview_team_setting.sql
create or replace function attune.preview_team_setting(
  team_id uuid,
  key text,
  value jsonb default null,
  is_enforced boolean default null,
  is_active boolean default null,
  is_whole boolean default false
)
returns setof attune.preview_change
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  before attune_private.user_value[];
  changes attune.preview_change[];
begin
  perform attune_private.authorize_team_setting(caller, preview_team_setting.team_id, preview_team_setting.key, false);

  before := array(
    select v
    from attune_private.values_by_user(preview_team_setting.key, null, preview_team_setting.team_id) as v
  );

  -- It is done and taken back: so it is refused as it would be, and resolved as it would be.
  begin
    perform attune_private.write_team_setting(
      caller,
      preview_team_setting.team_id,
      preview_team_setting.key,
      preview_team_setting.value,
      preview_team_setting.is_enforced,
      preview_team_setting.is_active,
      preview_team_setting.is_whole,
      null
    );
    changes := array(
      select c
      from attune_private.changed_values(preview_team_setting.key, null, preview_team_setting.team_id, before) as c
    );
    raise exception using errcode = 'AT000';
  exception
    when sqlstate 'AT000' then null;
  end;

  return query select c.* from unnest(changes) as c;
end;
$$;
comment on function attune.preview_team_setting(uuid, text, jsonb, boolean, boolean, boolean) is
  E'@param team_id Which team.\n'
  '@param key Which setting.\n'
  '@param value The value; of an object, the members to change.\n'
  '@param is_enforced Whether nobody of them can choose otherwise.\n'
  '@param is_active False would keep the value, and ignore it.\n'
  '@param is_whole True would store an object as it is, in place of what is stored.\n'
  'To how many users another value would apply, from what to what, if `set_team_setting` were called so: by the same '
  'resolution, outside projects. '
  'Changes nothing. '
  'For the team''s owners and administrators. '
  'Refused: `team_admin_required`, and as `set_team_setting`.';
revoke all on function attune.preview_team_setting(uuid, text, jsonb, boolean, boolean, boolean) from public;
grant execute on function attune.preview_team_setting(uuid, text, jsonb, boolean, boolean, boolean) to authenticated, service_role;
--! EndIncluded moving-settings/preview_team_setting.sql

create type attune.adoption_outcome as enum ('adopted', 'unchanged', 'kept', 'not_converted');
comment on type attune.adoption_outcome is
  'What became of an old setting: `adopted` into the global layer; `unchanged`, it was there; `kept`, another value '
  'is there and stays; `not_converted`, and why.';

create type attune.adopted_setting as (
  key text,
  outcome attune.adoption_outcome,
  old_value text,
  value jsonb,
  problem text
);
comment on type attune.adopted_setting is 'What became of one row of a table of old settings.';
comment on column attune.adopted_setting.key is 'Which setting.';
comment on column attune.adopted_setting.outcome is 'What became of it.';
comment on column attune.adopted_setting.old_value is
  'The text in the old table; null for a secret, which is not repeated.';
comment on column attune.adopted_setting.value is 'What is in the global layer now; null when nothing is.';
comment on column attune.adopted_setting.problem is 'Why it was not converted; else null.';

--! Included moving-settings/hidden/parse_legacy_value.sql
create or replace function attune_hidden.parse_legacy_value(value text)
returns jsonb
language plpgsql immutable strict parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  trimmed constant text := btrim(value);
begin
  if lower(trimmed) in ('true', 'false') then
    return lower(trimmed)::jsonb;
  elsif trimmed ~ '^-?(0|[1-9][0-9]{0,14})([.][0-9]{1,15})?$' then
    return trimmed::jsonb;
  elsif trimmed ~ '^[{[]' then
    return trimmed::jsonb;
  end if;

  return to_jsonb(value);
exception
  -- What begins like JSON and is none is text.
  when data_exception or statement_too_complex then
    return to_jsonb(value);
end;
$$;
comment on function attune_hidden.parse_legacy_value(text) is
  'What a text in a table of settings stands for: a boolean, a number, an object, a list, or itself.';
revoke all on function attune_hidden.parse_legacy_value(text) from public;
grant execute on function attune_hidden.parse_legacy_value(text) to service_role;
--! EndIncluded moving-settings/hidden/parse_legacy_value.sql
--! Included moving-settings/adopt_legacy_settings.sql
create or replace function attune.adopt_legacy_settings(
  source regclass,
  layer attune.setting_layer default 'user',
  seeding attune.setting_seeding default 'inherit',
  key_column name default 'key',
  value_column name default 'value',
  category_column name default 'category',
  description_column name default 'description',
  deprecated_column name default 'deprecated_at'
)
returns setof attune.adopted_setting
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  source_name constant text := left('legacy:' || source::text, 200);
  legacy record;
  result attune.adopted_setting;
  definition attune.setting_definitions;
  stored jsonb;
  parsed jsonb;
begin
  perform attune_hidden.require_admin();

  if not exists (
    select from pg_catalog.pg_attribute as a
    where a.attrelid = source and a.attname = deprecated_column and not a.attisdropped
  ) then
    execute format('alter table %s add column %I timestamptz', source, deprecated_column);
  end if;

  for legacy in execute format(
    'select l.%I::text as key, l.%I::text as value, l.%I::text as category, l.%I::text as description,
       l.tableoid as part, l.ctid as place
     from %s as l order by 1, l.tableoid, l.ctid for update',
    key_column, value_column, category_column, description_column, source
  ) loop
    result := (legacy.key, null, legacy.value, null, null);
    definition := null;
    stored := null;
    parsed := attune_hidden.parse_legacy_value(legacy.value);
    select d.* into definition from attune.setting_definitions as d where d.key = legacy.key;
    select g.value into stored from attune.global_settings as g where g.key = legacy.key;

    -- A row that no table takes is listed like any other, and keeps nothing else from being adopted.
    begin
      -- A key that is known says itself what its text stands for.
      if definition.key is not null
        and attune_hidden.value_problem(legacy.key, 'global', parsed) is not null
        and attune_hidden.value_problem(legacy.key, 'global', to_jsonb(legacy.value)) is null
      then
        parsed := to_jsonb(legacy.value);
      end if;

      result.problem := case
        when legacy.key is null then 'it has no key'
        when legacy.key !~ '^[A-Za-z_][A-Za-z0-9_.:/@-]{0,199}$' then 'its key is no name for a setting'
        when legacy.value is null then 'it has no value'
        -- A password of digits is one, too.
        when attune_hidden.secret_path(
          jsonb_build_object(legacy.key, case jsonb_typeof(parsed) when 'number' then to_jsonb(legacy.value) else parsed end)
        ) is not null
          then 'it looks like a secret: store it with credentials'
        when definition.key is not null and stored is null
          then attune_hidden.value_problem(legacy.key, 'global', parsed)
        when octet_length(parsed::text) > 65536 then 'it is larger than 65536 bytes'
      end;

      if result.problem is null then
        if definition.key is null then
          insert into attune.setting_definitions (
            key, category, description, schema, default_value, layer, seeding, source
          )
          values (
            legacy.key,
            coalesce(nullif(left(btrim(legacy.category), 100), ''), 'legacy'),
            coalesce(left(legacy.description, 8000), ''),
            jsonb_build_object('type', case
              when jsonb_typeof(parsed) = 'number' and parsed::numeric % 1 = 0 then 'integer'
              else jsonb_typeof(parsed)
            end),
            parsed,
            adopt_legacy_settings.layer,
            adopt_legacy_settings.seeding,
            source_name
          );
        end if;

        parsed := attune_hidden.json_merge_patch('{}', parsed);
        if stored is null then
          insert into attune.global_settings (key, value) values (legacy.key, parsed);
          result.outcome := 'adopted';
          result.value := parsed;
        else
          result.outcome := case when stored = parsed then 'unchanged' else 'kept' end;
          result.value := stored;
        end if;
      end if;
    exception
      when data_exception or program_limit_exceeded or sqlstate 'PT422' then
        result.problem := sqlerrm;
    end;

    if result.problem is not null then
      result.outcome := 'not_converted';
      result.value := stored;
      result.old_value := case when result.problem like '%secret%' then null else legacy.value end;
      return next result;
      continue;
    end if;

    execute format('update %s as l set %I = coalesce(l.%2$I, now()) where l.tableoid = $1 and l.ctid = $2', source, deprecated_column)
    using legacy.part, legacy.place;
    return next result;
  end loop;
end;
$$;
comment on function attune.adopt_legacy_settings(
  regclass, attune.setting_layer, attune.setting_seeding, name, name, name, name, name
) is
  E'@param source The table, with its schema: `public.app_settings`.\n'
  '@param layer The narrowest layer of settings that are not defined yet.\n'
  '@param seeding What a new user gets of them.\n'
  '@param key_column The column with the name of the setting.\n'
  '@param value_column The column with its value, as text.\n'
  '@param category_column The column with its category.\n'
  '@param description_column The column that says what it does.\n'
  '@param deprecated_column The column that is set for an adopted row; added when missing.\n'
  'Reads a table of old settings (key, value as text, category, description) into definitions and the global layer, '
  'with values parsed to their types, and marks its rows as deprecated, in a column that is added when missing; no '
  'row is deleted. '
  'Can run again: values that are there stay. '
  'Returns what became of each row; what cannot be converted is listed, not marked. '
  'With `seeding => copy`, `seed_existing_users` then gives the values to existing users. '
  'For trusted servers with rights on the table, and its owner. '
  'Refused: `admin_required`.';
revoke all on function attune.adopt_legacy_settings(
  regclass, attune.setting_layer, attune.setting_seeding, name, name, name, name, name
) from public;
grant execute on function attune.adopt_legacy_settings(
  regclass, attune.setting_layer, attune.setting_seeding, name, name, name, name, name
) to service_role;
--! EndIncluded moving-settings/adopt_legacy_settings.sql
