--! Previous: sha1:8a8363b41500357cc554b229761b6a7eb34f6323
--! Hash: sha1:7683635cd5f573594121f75e1239545b4aa308db
--! Message: moving settings

-- Many values at once: exported, imported, from a template, or tried out. Each tells what it changes.

create type attune.import_mode as enum ('merge', 'replace');
comment on type attune.import_mode is
  E'@value merge They stay.\n'
  '@value replace They are dropped.\n'
  'What becomes of values that a document does not mention.';

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
comment on column attune.setting_change.layer is
  E'@notNull\n'
  'In which layer.';
comment on column attune.setting_change.scope is 'Of which plan or project; else null.';
comment on column attune.setting_change.key is
  E'@notNull\n'
  'Which setting.';
comment on column attune.setting_change.action is
  E'@notNull\n'
  'Whether it is added, changed, removed, or as it was.';
comment on column attune.setting_change.previous_value is 'What was stored; null when nothing.';
comment on column attune.setting_change.new_value is 'What will be; null when nothing.';
comment on column attune.setting_change.previous_attributes is 'The other columns before, such as `"is_active"`.';
comment on column attune.setting_change.new_attributes is 'The other columns after.';

--! Included moving-settings/private/import_problems.sql
create or replace function attune_private.import_problems(key text, layer attune.setting_layer, value jsonb)
returns jsonb
language sql volatile security invoker
begin atomic
  select case
    when d.key is null then attune_private.one_problem('unknown', 'there is no such setting')
    when import_problems.layer > d.layer
      then attune_private.one_problem('layer', 'its narrowest layer is ' || d.layer)
    when octet_length(import_problems.value::text) > 65536
      then attune_private.one_problem('size', 'it is larger than 65536 bytes')
    else attune_private.refused_value_problems(d, import_problems.layer, import_problems.value)
  end
  from (select) as one
  left join attune.setting_definitions as d on d.key = import_problems.key;
end;
comment on function attune_private.import_problems(text, attune.setting_layer, jsonb) is
  'Why a value cannot be stored for a key in a layer, `[{pointer, keyword, message}]`; NULL when it can.';
revoke all on function attune_private.import_problems(text, attune.setting_layer, jsonb) from public;
--! EndIncluded moving-settings/private/import_problems.sql
--! Included moving-settings/hidden/value_problem.sql
create or replace function attune_hidden.value_problem(key text, layer attune.setting_layer, value jsonb)
returns text
-- Definer, because adopt_legacy_settings runs with the rights of its caller.
language sql volatile security definer
set search_path = pg_catalog, pg_temp
begin atomic
  select attune_private.problems_message(
    attune_private.import_problems(value_problem.key, value_problem.layer, value_problem.value)
  );
end;
comment on function attune_hidden.value_problem(text, attune.setting_layer, jsonb) is
  'Why a value cannot be stored for a key in a layer, in the words of its validation; NULL when it can.';
revoke all on function attune_hidden.value_problem(text, attune.setting_layer, jsonb) from public;
grant execute on function attune_hidden.value_problem(text, attune.setting_layer, jsonb) to service_role;
--! EndIncluded moving-settings/hidden/value_problem.sql
--! Included moving-settings/private/refuse_import.sql
create or replace function attune_private.refuse_import(problems jsonb, listed text default null)
returns void
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  if problems is not null then
    raise exception using
      errcode = 'PT422',
      message = 'The document is not valid: '
        || left(coalesce(listed, attune_private.problems_message(problems)), 4000),
      detail = 'invalid_import',
      hint = attune_private.hint_with_problems('Mend what is named. Nothing was changed.', problems);
  end if;
end;
$$;
comment on function attune_private.refuse_import(jsonb, text) is
  'Refuses (`invalid_import`) a document with problems, naming each, in the words of `listed` where there are some; '
  'passes when there are none.';
revoke all on function attune_private.refuse_import(jsonb, text) from public;
--! EndIncluded moving-settings/private/refuse_import.sql

-- A user's own

--! Included moving-settings/hidden/keys_since.sql
create or replace function attune_hidden.keys_since(key text, at timestamptz)
returns text[]
-- Definer, because whoever goes back to an own value may not read how settings were renamed.
language plpgsql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  renamed jsonb;
  called text[] := array[keys_since.key];
begin
  for renamed in
    select l.new_value
    from attune.configuration_audit_log as l
    where l.key = 'rename_setting'
      and l.subject = 'maintenance_operation'
      and l.occurred_at > keys_since.at
    order by l.id
  loop
    if renamed ->> 'from' = called[cardinality(called)] then
      called := array_append(called, renamed ->> 'to');
    end if;
  end loop;

  return called;
end;
$$;
comment on function attune_hidden.keys_since(text, timestamptz) is
  'What a setting is called that had a key at a moment: that key first, and that of today last.';
revoke all on function attune_hidden.keys_since(text, timestamptz) from public;
grant execute on function attune_hidden.keys_since(text, timestamptz) to anon, authenticated, service_role;
--! EndIncluded moving-settings/hidden/keys_since.sql
--! Included moving-settings/hidden/key_now.sql
create or replace function attune_hidden.key_now(key text, at timestamptz)
returns text
language sql stable parallel safe security invoker
begin atomic
  select k.keys[cardinality(k.keys)]
  from (select attune_hidden.keys_since(key_now.key, key_now.at)) as k (keys);
end;
comment on function attune_hidden.key_now(text, timestamptz) is
  'What a setting is called now that had a key at a moment.';
revoke all on function attune_hidden.key_now(text, timestamptz) from public;
grant execute on function attune_hidden.key_now(text, timestamptz) to anon, authenticated, service_role;
--! EndIncluded moving-settings/hidden/key_now.sql
--! Included moving-settings/private/exported_preferences.sql
create or replace function attune_private.exported_preferences(
  user_id uuid,
  at timestamptz default null,
  as_of_today boolean default false
)
returns jsonb
language sql stable parallel safe security invoker
begin atomic
  with
    stored as (
      select null::uuid as project_id, p.key, p.value, p.is_active
      from attune_private.user_preferences_at(exported_preferences.user_id, exported_preferences.at) as p
      union all
      select p.project_id, p.key, p.value, p.is_active
      from attune_private.project_preferences_at(exported_preferences.user_id, exported_preferences.at) as p
    ),
    exported as (
      select
        s.project_id,
        -- A name that another setting had then belongs to the one that has it now.
        jsonb_object_agg(k.key, jsonb_build_object('value', s.value, 'is_active', s.is_active) order by k.key <> s.key)
          as entries
      from stored as s
      cross join lateral (
        select case when as_of_today then attune_hidden.key_now(s.key, exported_preferences.at) else s.key end
      ) as k (key)
      cross join (select attune_private.audience_of_user(exported_preferences.user_id)) as u (audience)
      left join attune_private.definitions_at(case when not as_of_today then exported_preferences.at end) as d
        on d.key = k.key
      where d.writable_by = 'user'
        and d.audience <= u.audience
        and (exported_preferences.at is null or not attune_private.is_concealed(attune_hidden.key_now(s.key, exported_preferences.at), u.audience))
        or as_of_today
        and d.key is null
      group by s.project_id
    )
  select jsonb_build_object(
    'preferences', coalesce((select e.entries from exported as e where e.project_id is null), '{}'),
    'projects', coalesce(
      (select jsonb_object_agg(e.project_id, e.entries) from exported as e where e.project_id is not null), '{}'
    )
  );
end;
comment on function attune_private.exported_preferences(uuid, timestamptz, boolean) is
  'All that a user chose, now (NULL) or at a moment, by the definitions of then; see `attune.export_preferences`. '
  'With `as_of_today` what of it is the user''s to choose today, under the keys of today, and what there is no setting '
  'for any more.';
revoke all on function attune_private.exported_preferences(uuid, timestamptz, boolean) from public;
--! EndIncluded moving-settings/private/exported_preferences.sql
--! Included moving-settings/export_preferences.sql
create or replace function attune.export_preferences(at timestamptz default null)
returns jsonb
language plpgsql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant uuid := attune_hidden.require_user_id();
begin
  if export_preferences.at is not null then
    perform attune_private.check_moment(export_preferences.at);
  end if;

  return attune_private.exported_preferences(caller, export_preferences.at);
end;
$$;
comment on function attune.export_preferences(timestamptz) is
  E'@param at As it was at which moment; as it is when left out.\n'
  'All that the caller chose, `{"preferences": {key: {"value", "is_active"}}, "projects": {id: {key: {…}}}}`, for '
  '`import_preferences`. '
  'What only administrators may write is not in it. '
  'Refused: `not_signed_in`, `moment_in_future`, `history_purged`.';
revoke all on function attune.export_preferences(timestamptz) from public;
grant execute on function attune.export_preferences(timestamptz) to anon, authenticated, service_role;
--! EndIncluded moving-settings/export_preferences.sql
--! Included moving-settings/private/preference_changes.sql
create or replace function attune_private.preference_changes(
  user_id uuid,
  document jsonb,
  mode attune.import_mode,
  are_patches boolean
)
returns setof attune.setting_change
language sql stable parallel safe security invoker
begin atomic
  with
    wanted as (
      select e.project_id, e.key, e.entry -> 'value' as value, e.entry -> 'is_active' as is_active
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
          when d.key is null then w.value
          else attune_private.written_value(
            w.key,
            case when w.project_id is null then 'user' else 'project' end::attune.setting_layer,
            p.value,
            w.value,
            mode = 'replace' or w.value = p.value or d.merge = 'replace' and not are_patches,
            preference_changes.user_id,
            -- A document may name anything; what is no project is refused by its name.
            case when w.project_id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then w.project_id::uuid end
          )
        end as new_value,
        coalesce(w.is_active, case when mode = 'merge' then p.is_active end, 'true') as new_active
      from wanted as w
      full join present as p on p.key = w.key and coalesce(p.project_id, '') = coalesce(w.project_id, '')
      left join attune.setting_definitions as d on d.key = w.key
    )
  select
    case when c.project_id is null then 'user' else 'project' end::attune.setting_layer,
    c.project_id,
    c.key,
    case
      when not c.is_wanted then 'removed'
      when c.previous_value is null then 'added'
      when (c.previous_value::text, c.previous_active) = (c.new_value::text, c.new_active) then 'unchanged'
      else 'changed'
    end::attune.definition_action,
    c.previous_value,
    c.new_value,
    case when c.previous_value is not null then jsonb_build_object('is_active', c.previous_active) end,
    case when c.is_wanted then jsonb_build_object('is_active', c.new_active) end
  from compared as c
  left join attune.setting_definitions as d on d.key = c.key
  where c.is_wanted
    or mode = 'replace'
    and d.writable_by = 'user'
    and d.audience <= (select attune_private.audience_of_user(preference_changes.user_id))
  order by c.project_id nulls first, c.key;
end;
comment on function attune_private.preference_changes(uuid, jsonb, attune.import_mode, boolean) is
  'What importing a document would do to the preferences of one user. '
  'Its values are whole where the setting''s `merge` is `replace`, unless they are patches, as those of a template.';
revoke all on function attune_private.preference_changes(uuid, jsonb, attune.import_mode, boolean) from public;
--! EndIncluded moving-settings/private/preference_changes.sql
--! Included moving-settings/private/preference_change_problems.sql
create or replace function attune_private.preference_change_problems(user_id uuid, change attune.setting_change)
returns jsonb
language sql volatile security invoker
begin atomic
  select case
    when (change).action = 'unchanged' then null
    when (change).scope is not null and not exists (
      select from attune.project_members as m
      where m.user_id = preference_change_problems.user_id
        and m.project_id::text = (change).scope
    ) then attune_private.one_problem('project', 'there is no such project')
    when d.audience > (select attune_private.audience_of_user(preference_change_problems.user_id))
      then attune_private.one_problem('unknown', 'there is no such setting')
    when d.writable_by = 'admin'
      then attune_private.one_problem('writable_by', 'only an administrator may change it')
    when (change).action <> 'removed' and exists (
      select from attune_private.judged_settings(preference_change_problems.user_id, null) as j
      where j.key = (change).key and j.enforced_by < 'user'
    ) then attune_private.one_problem('is_enforced', 'it is locked by an administrator')
    when (change).action <> 'removed'
      then attune_private.import_problems((change).key, (change).layer, (change).new_value)
  end
  from (select) as one
  left join attune.setting_definitions as d on d.key = (change).key;
end;
comment on function attune_private.preference_change_problems(uuid, attune.setting_change) is
  'Why a preference of a user can''t become what `preference_changes` says; NULL when it can.';
revoke all on function attune_private.preference_change_problems(uuid, attune.setting_change) from public;
--! EndIncluded moving-settings/private/preference_change_problems.sql
--! Included moving-settings/private/import_preferences.sql
create or replace function attune_private.import_preferences(
  user_id uuid,
  document jsonb,
  mode attune.import_mode,
  dry_run boolean,
  are_patches boolean default false
)
returns setof attune.setting_change
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  import_mode constant attune.import_mode := coalesce(mode, 'merge');
  problems jsonb;
  listed text;
  changes attune.setting_change[];
begin
  -- Whoever writes these preferences now finishes first.
  perform from attune.users as u where u.id = import_preferences.user_id for no key update;

  perform attune_private.refuse_import(
    attune_private.value_problems(
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
  );

  changes := array(
    select c
    from attune_private.preference_changes(import_preferences.user_id, document, import_mode, are_patches) as c
  );

  select
    string_agg(
      concat_ws(' in project ', c.key, left(c.scope, 50)) || ': ' || attune_private.problems_message(p.problems),
      '; ' order by c.key, c.scope
    ),
    jsonb_path_query_array(
      jsonb_agg(
        attune_private.placed_problems(
          p.problems,
          c.key,
          coalesce('/projects' || attune_private.json_pointer_step(c.scope), '/preferences')
            || attune_private.json_pointer_step(c.key) || '/value'
        )
        order by c.key, c.scope
      ),
      '$[*][*]'
    )
  into listed, problems
  from unnest(changes) as c
  cross join lateral attune_private.preference_change_problems(import_preferences.user_id, c) as p (problems)
  where p.problems is not null;
  perform attune_private.refuse_import(problems, listed);

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
comment on function attune_private.import_preferences(uuid, jsonb, attune.import_mode, boolean, boolean) is
  'Makes the preferences of a user, who is asking, what a document says; see `attune.import_preferences`.';
revoke all on function attune_private.import_preferences(uuid, jsonb, attune.import_mode, boolean, boolean) from public;
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
grant execute on function attune.import_preferences(jsonb, attune.import_mode, boolean) to anon, authenticated, service_role;
--! EndIncluded moving-settings/import_preferences.sql

-- Everybody's and a plan's

--! Included moving-settings/private/exported_configuration.sql
create or replace function attune_private.exported_configuration(
  at timestamptz default null,
  as_of_today boolean default false
)
returns jsonb
language sql stable parallel safe security invoker
begin atomic
  with
    stored as (
      select null as plan, g.key, to_jsonb(g) - array['key', 'updated_by', 'updated_at'] as entry
      from attune_private.global_settings_at(exported_configuration.at) as g
      union all
      select p.plan, p.key, to_jsonb(p) - array['plan', 'key', 'updated_by', 'updated_at']
      from attune_private.plan_settings_at(exported_configuration.at) as p
    ),
    exported as (
      select
        s.plan,
        -- A name that another setting had then belongs to the one that has it now.
        jsonb_object_agg(k.key, s.entry order by k.key <> s.key) as entries
      from stored as s
      cross join lateral (
        select case when as_of_today then attune_hidden.key_now(s.key, exported_configuration.at) else s.key end
      ) as k (key)
      group by s.plan
    )
  select jsonb_build_object(
    'global', coalesce((select e.entries from exported as e where e.plan is null), '{}'),
    'plans', coalesce((select jsonb_object_agg(e.plan, e.entries) from exported as e where e.plan is not null), '{}')
  );
end;
comment on function attune_private.exported_configuration(timestamptz, boolean) is
  'What administrators chose for everybody and for plans, now (NULL) or at a moment; see '
  '`attune.export_configuration`. '
  'With `as_of_today` under the keys of today.';
revoke all on function attune_private.exported_configuration(timestamptz, boolean) from public;
--! EndIncluded moving-settings/private/exported_configuration.sql
--! Included moving-settings/export_configuration.sql
create or replace function attune.export_configuration(at timestamptz default null)
returns jsonb
language plpgsql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform attune_hidden.require_admin();

  if export_configuration.at is not null then
    perform attune_private.check_moment(export_configuration.at);
  end if;

  return attune_private.exported_configuration(export_configuration.at);
end;
$$;
comment on function attune.export_configuration(timestamptz) is
  E'@param at As it was at which moment; as it is when left out.\n'
  'What administrators chose for everybody and for plans, `{"global": {key: {"value", "is_active", …}}, "plans": '
  '{plan: {key: {…}}}}`, for `import_configuration`, such as from staging into production; for administrators. '
  'Refused: `admin_required`, `moment_in_future`, `history_purged`.';
revoke all on function attune.export_configuration(timestamptz) from public;
grant execute on function attune.export_configuration(timestamptz) to anon, authenticated, service_role;
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
        '{"is_active": true, "is_enforced": false, "rollout_percentage": 100, "variants": null}'::jsonb as otherwise,
        g.value as mentioned
      from jsonb_each(document -> 'global') as g
      union all
      select 'plan', s.key, p.key, '{"is_active": true, "is_enforced": false}', p.value
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
      when e.entry::text = p.entry::text then 'unchanged'
      else 'changed'
    end::attune.definition_action,
    p.entry -> 'value',
    e.entry -> 'value',
    p.entry - 'value',
    e.entry - 'value'
  from wanted as w
  full join present as p on p.key = w.key and p.layer = w.layer and coalesce(p.scope, '') = coalesce(w.scope, '')
  -- What is not mentioned stays, or, where nothing is stored or stays, is as for a new value.
  cross join lateral (
    select w.otherwise || case when mode = 'merge' and p.key is not null then p.entry else '{}' end || w.mentioned
  ) as e (entry)
  where w.key is not null
    or mode = 'replace'
  order by 1, 2, 3;
end;
comment on function attune_private.configuration_changes(jsonb, attune.import_mode) is
  'What importing a document would do to the global layer and to those of plans.';
revoke all on function attune_private.configuration_changes(jsonb, attune.import_mode) from public;
--! EndIncluded moving-settings/private/configuration_changes.sql
--! Included moving-settings/private/configuration_change_problems.sql
create or replace function attune_private.configuration_change_problems(change attune.setting_change)
returns jsonb
language sql volatile security invoker
begin atomic
  select case
    when (change).action <> 'unchanged' and attune_private.is_protected((change).key) and not attune_private.is_owner()
      then attune_private.one_problem('is_protected', 'it is protected')
    when (change).action not in ('added', 'changed') then null
    when (change).layer = 'plan' and not exists (select from attune.plans as p where p.name = (change).scope)
      then attune_private.one_problem('plan', 'there is no such plan')
    when (change).new_value is null then attune_private.one_problem('required', 'it has no value')
    else attune_private.import_problems((change).key, (change).layer, (change).new_value)
  end;
end;
comment on function attune_private.configuration_change_problems(attune.setting_change) is
  'Why a value can''t become what `configuration_changes` says; NULL when it can.';
revoke all on function attune_private.configuration_change_problems(attune.setting_change) from public;
--! EndIncluded moving-settings/private/configuration_change_problems.sql
--! Included moving-settings/private/import_configuration.sql
create or replace function attune_private.import_configuration(
  caller attune_private.caller,
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
  problems jsonb;
  listed text;
  changes attune.setting_change[];
begin
  perform attune_private.refuse_import(
    attune_private.value_problems(
      '{
        "type": "object",
        "additionalProperties": false,
        "properties": {
          "global": {"type": "object", "additionalProperties": {
            "type": "object", "additionalProperties": false,
            "properties": {
              "value": true, "is_active": {"type": "boolean"}, "is_enforced": {"type": "boolean"},
              "rollout_percentage": {"type": "integer", "minimum": 0, "maximum": 100}, "variants": true
            }
          }},
          "plans": {"type": "object", "additionalProperties": {"type": "object", "additionalProperties": {
            "type": "object", "additionalProperties": false,
            "properties": {"value": true, "is_active": {"type": "boolean"}, "is_enforced": {"type": "boolean"}}
          }}}
        }
      }',
      document
    )
  );

  -- A dry run does the same and takes it back, so that it finds the same problems.
  begin
    lock table attune.global_settings, attune.plan_settings in share row exclusive mode;
    changes := array(select c from attune_private.configuration_changes(document, import_mode) as c);

    select
      string_agg(
        concat_ws(' of plan ', c.key, left(c.scope, 100)) || ': ' || attune_private.problems_message(p.problems),
        '; ' order by c.key, c.scope
      ),
      jsonb_path_query_array(
        jsonb_agg(
          attune_private.placed_problems(
            p.problems,
            c.key,
            case c.layer
              when 'plan' then '/plans' || attune_private.json_pointer_step(c.scope)
              else '/global'
            end || attune_private.json_pointer_step(c.key) || '/value'
          )
          order by c.key, c.scope
        ),
        '$[*][*]'
      )
    into listed, problems
    from unnest(changes) as c
    cross join lateral attune_private.configuration_change_problems(c) as p (problems)
    where p.problems is not null;
    perform attune_private.refuse_import(problems, listed);

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
comment on function attune_private.import_configuration(attune_private.caller, jsonb, attune.import_mode, boolean) is
  'Makes the global layer and those of plans what a document says; see `attune.import_configuration`.';
revoke all on function attune_private.import_configuration(attune_private.caller, jsonb, attune.import_mode, boolean)
  from public;
--! EndIncluded moving-settings/private/import_configuration.sql
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
begin
  perform attune_private.require_administrator(caller);

  return query select c.* from attune_private.import_configuration(caller, document, mode, dry_run) as c;
end;
$$;
comment on function attune.import_configuration(jsonb, attune.import_mode, boolean) is
  E'@param document What `export_configuration` gave.\n'
  '@param mode What becomes of values that are not mentioned.\n'
  '@param dry_run True only tells what would be done.\n'
  'Takes a document of `export_configuration`, all or nothing, and returns what it changes: with `dry_run` first, '
  'which changes nothing, it is the difference between two places. '
  'Each value it names becomes what it says: with `merge` what it does not mention of it stays (lock, rollout, '
  'variants, the value itself), with `replace` it is as for a new one, and the values it does not name are dropped. '
  'For administrators. '
  'Refused: `admin_required`, `invalid_import` (naming each unknown key or plan, each bad value and what is protected), '
  '`invalid_variants`, and for the value of a variant as `set_global_variants`.';
revoke all on function attune.import_configuration(jsonb, attune.import_mode, boolean) from public;
grant execute on function attune.import_configuration(jsonb, attune.import_mode, boolean) to anon, authenticated, service_role;
--! EndIncluded moving-settings/import_configuration.sql

-- Templates

--! Included moving-settings/triggers/tg_setting_templates__validate.sql
create or replace function attune_private.tg_setting_templates__validate()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  problems jsonb;
  listed text;
begin
  -- A setting that is renamed leaves the values as they are, even where the definition has outgrown them.
  if tg_op = 'UPDATE' then
    if array(select v.value from jsonb_each(new."values") as v order by v.value)
      = array(select v.value from jsonb_each(old."values") as v order by v.value)
      and not exists (
        select from jsonb_each(new."values") as v
        where not exists (select from attune.setting_definitions as d where d.key = v.key)
      )
    then
      return new;
    end if;
  end if;

  if jsonb_typeof(new."values") <> 'object' then
    problems := attune_private.one_problem('type', 'it is no object');
  else
    perform attune_private.check_depth('The value of ' || v.key, v.value) from jsonb_each(new."values") as v;

    select
      string_agg(v.key || ': ' || attune_private.problems_message(p.problems), '; ' order by v.key),
      jsonb_path_query_array(
        jsonb_agg(attune_private.placed_problems(p.problems, v.key, '') order by v.key), '$[*][*]'
      )
    into listed, problems
    from jsonb_each(new."values") as v
    left join attune.setting_definitions as d on d.key = v.key
    cross join lateral (
      select case
        when d.writable_by = 'admin' then attune_private.one_problem('writable_by', 'users may not choose it')
        when d.audience > 'client' then attune_private.one_problem('audience', 'users are not shown it')
        -- Where the whole is stored, it is what applies with the members of the template: at least over the default.
        when attune_private.holds_whole_value(d.merge, d.seeding, 'user') and jsonb_typeof(v.value) = 'object'
          then attune_private.import_problems(
            v.key, 'user', attune_hidden.json_merge_patch(nullif(d.default_value, 'null'), v.value)
          )
        else attune_private.import_problems(v.key, 'user', v.value)
      end
    ) as p (problems)
    where p.problems is not null;
  end if;

  if problems is not null then
    raise exception using
      errcode = 'PT422',
      message = 'The template is not valid: ' || left(coalesce(listed, attune_private.problems_message(problems)), 4000),
      detail = 'invalid_template',
      hint = attune_private.hint_with_problems(
        'Send {key: value} with settings that users may choose.', problems
      );
  end if;

  return new;
end;
$$;
comment on function attune_private.tg_setting_templates__validate() is
  'Refuses a template with keys that are unknown or not the user''s to choose, or with bad values, naming each '
  '(`invalid_template`), or with more levels than JSON may have (`value_too_deep`).';
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
  is_admin boolean,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index setting_templates_plan_idx on attune.setting_templates (plan);
comment on constraint setting_templates_plan_fkey on attune.setting_templates is
  E'@forwardBehavior -*\n'
  'The plans are few: a client reads them once.';
comment on table attune.setting_templates is
  'Named sets of values, for a user to apply, and for those who sign up with a plan or a role, or as administrators. '
  'Administrators write them.';
comment on column attune.setting_templates.name is 'The template''s stable name, in lower case.';
comment on column attune.setting_templates.title is 'What people read, at most 200 characters.';
comment on column attune.setting_templates.description is 'What it is good for.';
comment on column attune.setting_templates."values" is
  'The values, `{key: value}`, of settings that users may choose; an object holds only the members that the '
  'template sets.';
comment on column attune.setting_templates.plan is
  'Applied to who signs up with this plan; where `role` or `is_admin` say more, to whom all of it fits.';
comment on column attune.setting_templates.role is
  'Applied to who signs up with this role, compared without regard to case.';
comment on column attune.setting_templates.is_admin is
  'True: applied to who is an administrator from the start; false: to who is none; null: to both. '
  'Who becomes one later is given nothing by that, and may apply it.';
comment on column attune.setting_templates.created_at is 'When the template was made.';
comment on column attune.setting_templates.updated_at is
  'When it was last changed. '
  'In an update: the version that is changed, which was read (`changed_meanwhile`).';

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
  insert (name, title, description, "values", plan, role, is_admin),
  update (title, description, "values", plan, role, is_admin, updated_at),
  delete
  on attune.setting_templates to authenticated, service_role;

create trigger _010_require_admin before insert on attune.setting_templates
  for each statement when (row_security_active('attune.setting_templates'))
  execute function attune_private.tg__require_admin();
create trigger _100_validate before insert or update on attune.setting_templates
  for each row execute function attune_private.tg_setting_templates__validate();
create trigger _060_check_version before update on attune.setting_templates
  for each row when (new.updated_at is distinct from old.updated_at)
  execute function attune_private.tg__check_version();
create trigger _200_timestamps before update on attune.setting_templates
  for each row execute function attune_private.tg__timestamps();
create trigger _900_audit after insert or update on attune.setting_templates
  for each row execute function attune_private.tg__audit('setting_template', '', 'name', 'values');
create trigger _910_audit_removed after delete on attune.setting_templates
  referencing old table as removed
  for each statement execute function attune_private.tg__audit_removed('setting_template', '', 'name', 'values');
create trigger _100_append_only before truncate on attune.setting_templates
  for each statement execute function attune_private.tg__append_only();

--! Included moving-settings/triggers/tg_setting_definitions__keep_templates.sql
create or replace function attune_private.tg_setting_definitions__keep_templates()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  users text;
begin
  select string_agg(t.name, ', ' order by t.name) into users
  from attune.setting_templates as t
  where t."values" ? old.key;

  if users is not null then
    raise exception using
      errcode = 'PT409',
      message = format('%s is used by the templates %s', old.key, left(users, 1000)),
      detail = 'setting_in_use',
      hint = 'Take it out of those templates first.';
  end if;

  return old;
end;
$$;
comment on function attune_private.tg_setting_definitions__keep_templates() is
  'Refuses (`setting_in_use`) to delete a setting that a template holds.';
revoke all on function attune_private.tg_setting_definitions__keep_templates() from public;
--! EndIncluded moving-settings/triggers/tg_setting_definitions__keep_templates.sql

create trigger _320_keep_templates before delete on attune.setting_definitions
  for each row execute function attune_private.tg_setting_definitions__keep_templates();

--! Included moving-settings/triggers/tg_users__apply_templates.sql
create or replace function attune_private.tg_users__apply_templates()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  writer constant uuid := attune.current_user_id();
  member record;
  stored jsonb;
begin
  -- A definition may have changed since the template was written, and two templates may not go together: what can't be
  -- stored must not keep anybody out.
  for member in
    select v.key, v.value
    from attune.setting_templates as t
    cross join jsonb_each(t."values") as v
    where num_nonnulls(t.plan, t.role, t.is_admin) > 0
      and (t.plan is null or t.plan = new.plan)
      and (t.role is null or lower(t.role) = lower(new.role))
      and (t.is_admin is null or t.is_admin = new.is_admin)
    order by num_nonnulls(t.plan, t.role, t.is_admin), t.name, v.key
  loop
    begin
      select p.value into stored
      from attune.user_preferences as p
      where p.user_id = new.id
        and p.key = member.key;

      insert into attune.user_preferences (user_id, key, value, updated_by, updated_at)
      values (
        new.id,
        member.key,
        attune_private.written_value(member.key, 'user', stored, member.value, false, new.id),
        writer,
        'infinity'
      )
      on conflict on constraint user_preferences_pkey
      do update set value = excluded.value, updated_by = writer, updated_at = 'infinity';
    exception
      when others then
        -- Refused (PT4…, 42501), or by a constraint or limit of PostgreSQL's. All else is no fault of the template.
        if sqlstate !~ '^(PT4|42501|22|23|54)' then
          raise;
        end if;
    end;
  end loop;

  return null;
end;
$$;
comment on function attune_private.tg_users__apply_templates() is
  'Gives a new user the values of the templates for their plan, their role and for administrators or others, the more '
  'particular over the less. '
  'What a template holds that cannot be stored is left out.';
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
      apply_template.dry_run,
      are_patches => true
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
grant execute on function attune.apply_template(text, attune.import_mode, boolean) to anon, authenticated, service_role;
--! EndIncluded moving-settings/apply_template.sql

create trigger _510_apply_templates after insert on attune.users
  for each row execute function attune_private.tg_users__apply_templates();

-- Trying out

create type attune_private.user_value as (user_id uuid, value jsonb);
comment on type attune_private.user_value is 'What applies to one user for a known setting.';

create type attune.preview_change as (previous_value jsonb, new_value jsonb, users integer);
comment on type attune.preview_change is
  'How many users would see one value instead of another; the values only for who may read what users chose.';
comment on column attune.preview_change.previous_value is 'What applies to them now.';
comment on column attune.preview_change.new_value is 'What would apply.';
comment on column attune.preview_change.users is
  E'@notNull\n'
  'How many users they are.';

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
  before attune_private.user_value[],
  shows_values boolean
)
returns setof attune.preview_change
language sql stable parallel safe security invoker
begin atomic
  select c.previous_value, c.new_value, count(*)::integer
  from (
    select
      case when shows_values then b.value end as previous_value,
      case when shows_values then a.value end as new_value
    from unnest(before) as b
    join attune_private.values_by_user(changed_values.key, changed_values.plan, changed_values.team_id) as a
      on a.user_id = b.user_id
    where a.value <> b.value
  ) as c
  group by c.previous_value, c.new_value
  order by count(*) desc, c.previous_value, c.new_value;
end;
comment on function attune_private.changed_values(text, text, uuid, attune_private.user_value[], boolean) is
  'To how many users another value applies than before, from what to what; without `shows_values`, only to how many.';
revoke all on function attune_private.changed_values(text, text, uuid, attune_private.user_value[], boolean) from public;
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
      null,
      preview_global_setting.is_active,
      preview_global_setting.is_whole,
      null
    );
    changes := array(
      select c
      from attune_private.changed_values(preview_global_setting.key, null, null, before, true) as c
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
grant execute on function attune.preview_global_setting(text, jsonb, boolean, integer, boolean, boolean) to anon, authenticated, service_role;
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
      from attune_private.changed_values(preview_plan_setting.key, preview_plan_setting.plan, null, before, true) as c
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
grant execute on function attune.preview_plan_setting(text, text, jsonb, boolean, boolean, boolean) to anon, authenticated, service_role;
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
      from attune_private.changed_values(
        -- Whoever administers a team may not read what its members chose.
        preview_team_setting.key, null, preview_team_setting.team_id, before, caller.is_admin or caller.is_trusted
      ) as c
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
  'For the team''s owners and administrators, who are told how many, but not the values: those are the members'' own. '
  'Refused: `team_admin_required`, and as `set_team_setting`.';
revoke all on function attune.preview_team_setting(uuid, text, jsonb, boolean, boolean, boolean) from public;
grant execute on function attune.preview_team_setting(uuid, text, jsonb, boolean, boolean, boolean) to anon, authenticated, service_role;
--! EndIncluded moving-settings/preview_team_setting.sql

create type attune.adoption_outcome as enum ('adopted', 'unchanged', 'kept', 'kept_aside', 'not_converted');
comment on type attune.adoption_outcome is
  E'@value adopted It went into the global layer, or that of its user.\n'
  '@value unchanged It was there already.\n'
  '@value kept Another value is there and stays.\n'
  '@value kept_aside It is encrypted, and was not read.\n'
  '@value not_converted It is no value of the setting; `problem` says why.\n'
  'What became of an old setting.';

create type attune.adopted_setting as (
  key text,
  outcome attune.adoption_outcome,
  old_value text,
  value jsonb,
  problem text,
  is_marked boolean
);
comment on type attune.adopted_setting is 'What became of one row of a table of old settings.';
comment on column attune.adopted_setting.key is 'Which setting.';
comment on column attune.adopted_setting.outcome is 'What became of it.';
comment on column attune.adopted_setting.old_value is
  'The text in the old table; null for a secret, which is not repeated.';
comment on column attune.adopted_setting.value is 'What is in the global layer now; null when nothing is.';
comment on column attune.adopted_setting.problem is 'Why it was not converted; else null.';
comment on column attune.adopted_setting.is_marked is
  'Whether its row is marked as deprecated: never in a view, nor when it was not converted.';

create type attune.adopted_preference as (
  user_id text,
  key text,
  outcome attune.adoption_outcome,
  old_value text,
  value jsonb,
  problem text,
  is_marked boolean
);
comment on type attune.adopted_preference is 'What became of one row of a table of what users chose.';
comment on column attune.adopted_preference.user_id is 'Whose it is, as it stands in the old table.';
comment on column attune.adopted_preference.key is 'Which setting.';
comment on column attune.adopted_preference.outcome is 'What became of it.';
comment on column attune.adopted_preference.old_value is
  'The text in the old table; null for a secret, which is not repeated.';
comment on column attune.adopted_preference.value is 'What is in the user''s layer now; null when nothing is.';
comment on column attune.adopted_preference.problem is 'Why it was not converted; else null.';
comment on column attune.adopted_preference.is_marked is
  'Whether its row is marked as deprecated: never in a view, nor when it was not converted.';

--! Included moving-settings/hidden/legacy_column.sql
create or replace function attune_hidden.legacy_column(source regclass, column_name name, optional_name name)
returns text
language sql stable parallel safe security invoker
begin atomic
  select case
    when column_name is null then 'null::text'
    when column_name = optional_name and not exists (
      select from pg_catalog.pg_attribute as a
      where a.attrelid = source and a.attname = column_name and not a.attisdropped
    ) then 'null::text'
    else format('l.%I', column_name)
  end;
end;
comment on function attune_hidden.legacy_column(regclass, name, name) is
  'How a query reads a column of an old table `l` of settings: as NULL where it is not there and still has the name '
  'that nobody chose, `optional_name`. '
  'A column that somebody named has to be there.';
revoke all on function attune_hidden.legacy_column(regclass, name, name) from public;
grant execute on function attune_hidden.legacy_column(regclass, name, name) to service_role;
--! EndIncluded moving-settings/hidden/legacy_column.sql
--! Included moving-settings/hidden/check_legacy_source.sql
create or replace function attune_hidden.check_legacy_source(
  source regclass,
  user_column name,
  key_column name,
  value_column name,
  category_column name,
  description_column name,
  encrypted_column name,
  encrypted_value_column name,
  deprecated_column name
)
returns void
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  obstacle text;
begin
  if source is null
    or coalesce(key_column, '') = '' or coalesce(value_column, '') = ''
    or '' in (user_column, category_column, description_column, deprecated_column, encrypted_column, encrypted_value_column)
  then
    raise exception using
      errcode = 'PT422',
      message = 'It is not said what to read',
      detail = 'invalid_source',
      hint = 'Name the table, and its columns with the keys and the values.';
  end if;

  -- A relation that has no rows has no columns to read either.
  select
    case named.place
      when 8 then format('%s has a column %I that is for no time', source, named.column_name)
      else format('%s is no table with a column %I', source, named.column_name)
    end
  into obstacle
  from (
    values
      (1, user_column, null),
      (2, key_column, null),
      (3, value_column, null),
      (4, category_column, 'category'),
      (5, description_column, 'description'),
      (6, encrypted_column, 'is_encrypted'),
      (7, encrypted_value_column, 'encrypted_value'),
      (8, deprecated_column, null)
  ) as named (place, column_name, optional_name)
  left join pg_class as c on c.oid = source and c.relkind in ('r', 'p', 'v', 'm', 'f')
  left join pg_attribute as a on a.attrelid = c.oid and a.attname = named.column_name and not a.attisdropped
  where case named.place
    when 8 then a.atttypid not in ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype, 'text'::regtype)
    else named.column_name is not null
      and a.attname is null
      and (c.oid is null or named.column_name is distinct from named.optional_name)
  end
  order by named.place
  limit 1;

  if obstacle is not null then
    raise exception using
      errcode = 'PT422',
      message = obstacle,
      detail = 'invalid_source',
      hint = 'Name the table, its columns, and one for a time that marks what was adopted.';
  end if;
end;
$$;
comment on function attune_hidden.check_legacy_source(regclass, name, name, name, name, name, name, name, name) is
  'Refuses (`invalid_source`) an old table of settings that is none, or has not the columns that are named.';
revoke all on function attune_hidden.check_legacy_source(regclass, name, name, name, name, name, name, name, name) from public;
grant execute on function attune_hidden.check_legacy_source(regclass, name, name, name, name, name, name, name, name) to service_role;
--! EndIncluded moving-settings/hidden/check_legacy_source.sql
--! Included moving-settings/hidden/can_mark_legacy_rows.sql
create or replace function attune_hidden.can_mark_legacy_rows(source regclass, deprecated_column name)
returns boolean
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  if deprecated_column is null
    or not exists (select from pg_catalog.pg_class as c where c.oid = source and c.relkind in ('r', 'p'))
  then
    return false;
  end if;

  if not exists (
    select from pg_catalog.pg_attribute as a
    where a.attrelid = source and a.attname = deprecated_column and not a.attisdropped
  ) then
    -- Who may only read the table adopts it all the same.
    if not exists (
      select from pg_catalog.pg_class as c
      where c.oid = source and pg_catalog.pg_has_role(current_user, c.relowner, 'usage')
    ) then
      return false;
    end if;

    execute format('alter table %s add column %I timestamptz', source, deprecated_column);
  end if;

  return pg_catalog.has_column_privilege(source, deprecated_column, 'update');
end;
$$;
comment on function attune_hidden.can_mark_legacy_rows(regclass, name) is
  'Whether rows of an old table of settings can be marked, in a column that is added when missing. '
  'False of a view, a materialized view and a foreign table, where no column is named, and for who may only read.';
revoke all on function attune_hidden.can_mark_legacy_rows(regclass, name) from public;
grant execute on function attune_hidden.can_mark_legacy_rows(regclass, name) to service_role;
--! EndIncluded moving-settings/hidden/can_mark_legacy_rows.sql
--! Included moving-settings/hidden/mark_legacy_rows.sql
create or replace function attune_hidden.mark_legacy_rows(
  source regclass,
  deprecated_column name,
  parts oid[],
  places tid[]
)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format(
    'update %s as l set %I = now()
     from unnest($1, $2) as m (part, place)
     where l.tableoid = m.part and l.ctid = m.place and l.%2$I is null',
    source, deprecated_column
  )
  using parts, places;
end;
$$;
comment on function attune_hidden.mark_legacy_rows(regclass, name, oid[], tid[]) is
  'Marks rows of an old table of settings as deprecated, by the part of the table and the place in it.';
revoke all on function attune_hidden.mark_legacy_rows(regclass, name, oid[], tid[]) from public;
grant execute on function attune_hidden.mark_legacy_rows(regclass, name, oid[], tid[]) to service_role;
--! EndIncluded moving-settings/hidden/mark_legacy_rows.sql
--! Included moving-settings/hidden/legacy_type.sql
create or replace function attune_hidden.legacy_type(value jsonb)
returns text
language sql immutable parallel safe security invoker
begin atomic
  select case
    when jsonb_typeof(value) <> 'number' then jsonb_typeof(value)
    when value::numeric % 1 = 0 then 'integer'
    else 'number'
  end;
end;
comment on function attune_hidden.legacy_type(jsonb) is
  'The type that a definition is given for a value from an old table.';
revoke all on function attune_hidden.legacy_type(jsonb) from public;
grant execute on function attune_hidden.legacy_type(jsonb) to service_role;
--! EndIncluded moving-settings/hidden/legacy_type.sql
--! Included moving-settings/hidden/is_legacy_secret.sql
create or replace function attune_hidden.is_legacy_secret(key text, value text, parsed jsonb)
returns boolean
language sql immutable parallel safe security invoker
begin atomic
  select case jsonb_typeof(parsed)
    when 'boolean' then false
    -- A password of digits is one, too; and who writes an object under such a name means all of it.
    else exists (select from attune_hidden.secret_paths(to_jsonb(btrim(value, '"')), coalesce(key, ''), true))
      or exists (select from attune_hidden.secret_paths(parsed, coalesce(key, ''), true))
  end;
end;
comment on function attune_hidden.is_legacy_secret(text, text, jsonb) is
  'Whether a value from an old table looks like a secret, by its key or by itself, as it is written or as it is read.';
revoke all on function attune_hidden.is_legacy_secret(text, text, jsonb) from public;
grant execute on function attune_hidden.is_legacy_secret(text, text, jsonb) to service_role;
--! EndIncluded moving-settings/hidden/is_legacy_secret.sql
--! Included moving-settings/hidden/legacy_readings.sql
create or replace function attune_hidden.legacy_readings(value text, is_json boolean, is_boolean boolean)
returns jsonb[]
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  written text := value;
  trimmed text;
  truth jsonb;
  number jsonb;
  parsed jsonb;
begin
  if is_json or btrim(value) ~ '^[{[]' then
    begin
      parsed := value::jsonb;
    exception
      -- What begins like JSON and is none is text.
      when data_exception or program_limit_exceeded then
        if is_json then
          return '{}';
        end if;
    end;

    if is_json and jsonb_typeof(parsed) = 'string' then
      written := parsed #>> '{}';
    elsif is_json then
      return array[parsed];
    end if;
  end if;

  trimmed := lower(btrim(written));
  truth := case
    when trimmed in ('true', 'yes', 'on', '1') then 'true'
    when trimmed in ('false', 'no', 'off', '0') then 'false'
  end;

  if char_length(trimmed) <= 400 and trimmed ~ '^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)(e[+-]?[0-9]{1,3})?$' then
    number := to_jsonb(trimmed::numeric);
  end if;

  return array_remove(
    array[
      parsed,
      case
        when is_json then null
        when is_boolean or trimmed in ('true', 'false') then truth
        -- Only what would be written so again: 1.10 is a version, 007 an agent, +1 a country, and a long one an id.
        when trimmed ~ '^-?(0|[1-9][0-9]*)([.][0-9]*[1-9])?$'
          and trimmed <> '-0'
          and char_length(ltrim(translate(trimmed, '-.', ''), '0')) <= 15
          then number
      end,
      to_jsonb(written),
      truth,
      number
    ],
    null
  );
end;
$$;
comment on function attune_hidden.legacy_readings(text, boolean, boolean) is
  'What a value in an old table of settings may stand for, what it stands for when nobody says first. '
  'A text is a boolean, a number, an object, a list, or itself. '
  '`is_json` is whether the value has a type of its own in the table, `is_boolean` whether the other values say that '
  '`yes` and `1` are booleans. '
  'Empty for what is to be JSON and cannot be stored as such; NULL is no reading.';
revoke all on function attune_hidden.legacy_readings(text, boolean, boolean) from public;
grant execute on function attune_hidden.legacy_readings(text, boolean, boolean) to service_role;
--! EndIncluded moving-settings/hidden/legacy_readings.sql
--! Included moving-settings/hidden/legacy_rows.sql
create or replace function attune_hidden.legacy_rows(
  source regclass,
  user_column name,
  key_column name,
  value_column name,
  category_column name,
  description_column name,
  encrypted_column name,
  encrypted_value_column name,
  is_marked boolean
)
returns table (
  user_id text,
  key text,
  value text,
  category text,
  description text,
  is_encrypted boolean,
  is_json boolean,
  readings jsonb[],
  part oid,
  place tid
)
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  flag constant text := attune_hidden.legacy_column(source, encrypted_column, 'is_encrypted') || '::text';
  ciphertext constant text := attune_hidden.legacy_column(source, encrypted_value_column, 'encrypted_value') || '::text';
  value_type record;
begin
  select
    t.typcategory in ('B', 'N', 'A', 'C') or coalesce(nullif(t.typbasetype, 0), t.oid) in ('json'::regtype, 'jsonb'::regtype)
      as is_json,
    coalesce(nullif(t.typbasetype, 0), t.oid) = 'json'::regtype as is_text_already
  into value_type
  from pg_catalog.pg_attribute as a
  join pg_catalog.pg_type as t on t.oid = a.atttypid
  where a.attrelid = source and a.attname = value_column and not a.attisdropped;

  -- A ciphertext is not even read: all that matters is whether there is one.
  return query execute format(
    $query$
      with
        present as materialized (
          select
            %1$s::text as user_id,
            l.%2$I::text as key,
            case when not e.is_encrypted then %3$s end as value,
            coalesce(nullif(left(btrim(%4$s::text), 100), ''), 'legacy') as category,
            left(%5$s::text, 8000) as description,
            e.is_encrypted,
            %6$s as part,
            %7$s as place
          from %8$s as l
          cross join lateral (
            select coalesce(lower(btrim(%9$s)) not in ('false', 'f', 'no', 'n', 'off', '0', ''), false)
              or (nullif(%10$s, '') is not null and (coalesce(l.%11$I::text, '') = '' or %9$s is null))
          ) as e (is_encrypted)
          order by 2, 1, 7, 8
          %12$s
        )
      select
        p.user_id, p.key, p.value, p.category, p.description, p.is_encrypted, $1,
        attune_hidden.legacy_readings(
          p.value,
          $1,
          count(*) filter (where btrim(p.value) <> '') over alike > 1
            and bool_and(lower(btrim(p.value)) in ('true', 'false', 'yes', 'no', 'on', 'off', '1', '0', '')) over alike
            and bool_or(lower(btrim(p.value)) in ('true', 'false', 'yes', 'on', 'off')) over alike
        ),
        p.part, p.place
      from present as p
      window alike as (partition by %13$s)
      order by 2, 1, 9, 10
    $query$,
    attune_hidden.legacy_column(source, user_column, null),
    key_column,
    case
      when value_type.is_text_already or not value_type.is_json then format('l.%I::text', value_column)
      else format('to_jsonb(l.%I)::text', value_column)
    end,
    attune_hidden.legacy_column(source, category_column, 'category'),
    attune_hidden.legacy_column(source, description_column, 'description'),
    case when is_marked then 'l.tableoid' else 'null::oid' end,
    case when is_marked then 'l.ctid' else 'null::tid' end,
    source,
    flag,
    ciphertext,
    value_column,
    case when is_marked then 'for update of l' end,
    case when user_column is null then 'p.category' else 'p.key' end
  )
  using coalesce(value_type.is_json, false);
end;
$$;
comment on function attune_hidden.legacy_rows(regclass, name, name, name, name, name, name, name, boolean) is
  'The rows of an old table or view of settings, by key and user, with what their values may stand for; of what is '
  'encrypted nothing but that it is. '
  'Of users or, with `user_column` NULL, of everybody: then the values of a category, else those of a key, say '
  'whether `yes` and `1` are booleans: where there are several, all are words or digits for a boolean, and one is '
  'more than `no`, `0` or `1`. '
  '`is_marked` locks the rows and says where they are.';
revoke all on function attune_hidden.legacy_rows(regclass, name, name, name, name, name, name, name, boolean) from public;
grant execute on function attune_hidden.legacy_rows(regclass, name, name, name, name, name, name, name, boolean) to service_role;
--! EndIncluded moving-settings/hidden/legacy_rows.sql
--! Included moving-settings/hidden/adopt_legacy_rows.sql
create or replace function attune_hidden.adopt_legacy_rows(
  source regclass,
  user_column name,
  key_column name,
  value_column name,
  category_column name,
  description_column name,
  deprecated_column name,
  encrypted_column name,
  encrypted_value_column name,
  layer attune.setting_layer,
  seeding attune.setting_seeding,
  user_categories text[],
  server_categories text[],
  types jsonb
)
returns setof attune.adopted_preference
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  target constant attune.setting_layer := case when user_column is null then 'global' else 'user' end;
  is_marked boolean;
  legacy record;
  definition attune.setting_definitions;
  narrowest attune.setting_layer;
  owner uuid;
  stored jsonb;
  parsed jsonb;
  is_secret boolean;
  result attune.adopted_preference;
  parts oid[];
  places tid[];
begin
  perform attune_hidden.require_admin();

  perform attune_hidden.check_legacy_source(
    source, user_column, key_column, value_column, category_column, description_column, encrypted_column,
    encrypted_value_column, deprecated_column
  );
  is_marked := attune_hidden.can_mark_legacy_rows(source, deprecated_column);

  for legacy in
    with
      present as materialized (
        select r.*
        from attune_hidden.legacy_rows(
          source, user_column, key_column, value_column, category_column, description_column, encrypted_column,
          encrypted_value_column, is_marked
        ) as r
      ),
      kinds as (
        select p.key, array_agg(distinct t.type order by t.type) as types, bool_and(p.is_json) as is_json
        from present as p
        cross join attune_hidden.legacy_type(p.readings[1]) as t (type)
        where t.type <> 'null'
        group by p.key
      )
    select
      p.*,
      coalesce(
        adopt_legacy_rows.types -> p.key,
        case
          when cardinality(k.types) = 1 then to_jsonb(k.types[1])
          when k.types = '{integer,number}' then '"number"'
          -- What one wrote as a number and another as a word was text.
          when not k.is_json then '"string"'
          when 'number' = any (k.types) then to_jsonb(array_remove(k.types, 'integer'))
          else to_jsonb(k.types)
        end
      ) as type
    from present as p
    left join kinds as k on k.key = p.key
    order by p.key, p.user_id, p.part, p.place
  loop
    result := (legacy.user_id, legacy.key, null, null, null, null, false);
    owner := null;
    stored := null;
    select d.* into definition from attune.setting_definitions as d where d.key = legacy.key;

    if target = 'global' then
      select g.value into stored from attune.global_settings as g where g.key = legacy.key;
    elsif legacy.user_id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
      select u.id into owner from attune.users as u where u.id = legacy.user_id::uuid;
      select p.value into stored from attune.user_preferences as p where p.user_id = owner and p.key = legacy.key;
    end if;

    -- A row that no table takes is listed like any other, and keeps nothing else from being adopted.
    begin
      is_secret := attune_hidden.is_legacy_secret(legacy.key, legacy.value, null);

      -- A key that is known says itself what its text stands for, and whether its members may be null.
      select c.value into parsed
      from unnest(legacy.readings) with ordinality as r (value, place)
      cross join attune_hidden.legacy_type(r.value) as t (type)
      cross join lateral (
        select r.value, 1
        union all
        select attune_hidden.json_merge_patch('{}', r.value), 2
        where definition.key is not null and t.type = 'object'
      ) as c (value, attempt)
      where case
        when definition.key is not null then attune_hidden.value_problem(legacy.key, target, c.value) is null
        else legacy.type @> to_jsonb(t.type) or t.type = 'integer' and legacy.type @> '"number"'
      end
      order by r.place, c.attempt
      limit 1;

      is_secret := attune_hidden.is_legacy_secret(legacy.key, legacy.value, coalesce(parsed, legacy.readings[1]));
      result.problem := case
        when legacy.key is null then 'it has no key'
        when legacy.is_encrypted then 'it is encrypted: store it with credentials'
        when legacy.key !~ '^[A-Za-z_][A-Za-z0-9_.:/@-]{0,199}$' then 'its key is no name for a setting'
        when target = 'user' and owner is null then 'there is no such user'
        when legacy.value is null or parsed is null and legacy.readings[1] = 'null' then 'it has no value'
        when legacy.readings = '{}' then 'it is no JSON that can be stored'
        when is_secret then 'it looks like a secret: store it with credentials'
        when target = 'user' and definition.writable_by = 'admin' then 'users may not choose it'
        when parsed is null and definition.key is null then format('it is no %s', legacy.type #>> '{}')
        when parsed is null and stored is null
          then attune_hidden.value_problem(legacy.key, target, legacy.readings[1])
        when octet_length(parsed::text) > 65536 then 'it is larger than 65536 bytes'
      end;

      if result.problem is null and definition.key is null then
        narrowest := case
          when target = 'user' then target
          when adopt_legacy_rows.layer is not null then adopt_legacy_rows.layer
          when legacy.category = any (user_categories) then 'user'
          else 'global'
        end;

        insert into attune.setting_definitions (
          key, category, description, schema, default_value, layer, seeding, audience, source
        )
        values (
          legacy.key,
          legacy.category,
          coalesce(legacy.description, ''),
          jsonb_build_object('type', legacy.type),
          -- What one user chose is nobody else's: nothing applies to them.
          case target when 'global' then parsed else 'null' end,
          narrowest,
          case when narrowest >= 'user' then coalesce(adopt_legacy_rows.seeding, 'inherit') else 'inherit' end,
          case when legacy.category = any (server_categories) then 'server' else 'client' end::attune.setting_audience,
          left('legacy:' || source::text, 200)
        );

        -- It merges, and what is null in the default stays so.
        parsed := attune_hidden.json_merge_patch('{}', parsed);
      end if;

      if result.problem is null then
        result.outcome := case when stored is null then 'adopted' when stored = parsed then 'unchanged' else 'kept' end;
        result.value := coalesce(stored, parsed);

        if stored is null and target = 'global' then
          insert into attune.global_settings (key, value) values (legacy.key, parsed);
        elsif stored is null then
          insert into attune.user_preferences (user_id, key, value) values (owner, legacy.key, parsed);
        end if;
      end if;
    exception
      when others then
        -- Refused, or by a constraint or limit of PostgreSQL's. All else is no fault of the row.
        if sqlstate !~ '^(PT4|22|23|54)' then
          raise;
        end if;

        result.problem := sqlerrm;
    end;

    result.old_value := case when not is_secret then legacy.value end;

    if result.problem is not null then
      result.outcome := case when legacy.is_encrypted then 'kept_aside' else 'not_converted' end;
      result.value := stored;
    elsif is_marked then
      result.is_marked := true;
      parts := parts || legacy.part;
      places := places || legacy.place;
    end if;

    return next result;
  end loop;

  if is_marked then
    perform attune_hidden.mark_legacy_rows(source, deprecated_column, parts, places);
  end if;
end;
$$;
comment on function attune_hidden.adopt_legacy_rows(
  regclass, name, name, name, name, name, name, name, name, attune.setting_layer, attune.setting_seeding, text[],
  text[], jsonb
) is
  'Adopts the rows of an old table into the global layer or, with `user_column`, into those of users; see '
  '`attune.adopt_legacy_settings` and `attune.adopt_legacy_preferences`. '
  'Refused: `admin_required`, `invalid_source`.';
revoke all on function attune_hidden.adopt_legacy_rows(
  regclass, name, name, name, name, name, name, name, name, attune.setting_layer, attune.setting_seeding, text[],
  text[], jsonb
) from public;
grant execute on function attune_hidden.adopt_legacy_rows(
  regclass, name, name, name, name, name, name, name, name, attune.setting_layer, attune.setting_seeding, text[],
  text[], jsonb
) to service_role;
--! EndIncluded moving-settings/hidden/adopt_legacy_rows.sql
--! Included moving-settings/adopt_legacy_settings.sql
create or replace function attune.adopt_legacy_settings(
  source regclass,
  layer attune.setting_layer default null,
  seeding attune.setting_seeding default 'inherit',
  key_column name default 'key',
  value_column name default 'value',
  category_column name default 'category',
  description_column name default 'description',
  deprecated_column name default 'deprecated_at',
  encrypted_column name default 'is_encrypted',
  encrypted_value_column name default 'encrypted_value',
  user_categories text[] default '{features}',
  server_categories text[] default '{server_config,api_keys}',
  types jsonb default '{}'
)
returns setof attune.adopted_setting
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select r.key, r.outcome, r.old_value, r.value, r.problem, r.is_marked
    from attune_hidden.adopt_legacy_rows(
      source, null, key_column, value_column, category_column, description_column, deprecated_column,
      encrypted_column, encrypted_value_column, layer, seeding, user_categories, server_categories, types
    ) as r;
end;
$$;
comment on function attune.adopt_legacy_settings(
  regclass, attune.setting_layer, attune.setting_seeding, name, name, name, name, name, name, name, text[],
  text[], jsonb
) is
  E'@param source The table or view, with its schema: `public.app_settings`.\n'
  '@param layer The narrowest layer of settings that are not defined yet; null goes by their categories.\n'
  '@param seeding What a new user gets of those that users may hold.\n'
  '@param key_column The column with the name of the setting.\n'
  '@param value_column The column with its value, as text, JSON, a boolean or a number.\n'
  '@param category_column The column with its category.\n'
  '@param description_column The column that says what it does.\n'
  '@param deprecated_column The column that is set for an adopted row, added when missing; null marks nothing.\n'
  '@param encrypted_column The column that says whether the value is encrypted.\n'
  '@param encrypted_value_column The column with what is encrypted.\n'
  '@param user_categories The categories of settings that users may hold; all others stay global.\n'
  '@param server_categories The categories of settings that no client is shown.\n'
  '@param types What a text stands for, `{key: type}`, of settings that are not defined yet: `"number"` for 1.10.\n'
  'Reads a table of old settings into definitions and the global layer, with values parsed to their types, and marks '
  'its rows as deprecated, in a column that is added when missing; no row is deleted. '
  'Rows of views and foreign tables are not marked. '
  'All columns but those of key and value may be missing, under the names that they have here. '
  'Can run again: values that are there stay. '
  'Returns what became of each row; what cannot be converted is listed, not marked, and so is what is encrypted, of '
  'which nothing is read. '
  'With `seeding => copy`, `seed_existing_users` then gives the values to existing users. '
  'For trusted servers with rights on the table, and its owner. '
  'Refused: `admin_required`, `invalid_source`.';
revoke all on function attune.adopt_legacy_settings(
  regclass, attune.setting_layer, attune.setting_seeding, name, name, name, name, name, name, name, text[],
  text[], jsonb
) from public;
grant execute on function attune.adopt_legacy_settings(
  regclass, attune.setting_layer, attune.setting_seeding, name, name, name, name, name, name, name, text[],
  text[], jsonb
) to service_role;
--! EndIncluded moving-settings/adopt_legacy_settings.sql
--! Included moving-settings/adopt_legacy_preferences.sql
create or replace function attune.adopt_legacy_preferences(
  source regclass,
  user_column name default 'user_id',
  key_column name default 'preference_key',
  value_column name default 'preference_value',
  category_column name default 'category',
  description_column name default 'description',
  deprecated_column name default 'deprecated_at',
  encrypted_column name default 'is_encrypted',
  encrypted_value_column name default 'encrypted_value',
  types jsonb default '{}'
)
returns setof attune.adopted_preference
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select r.*
    from attune_hidden.adopt_legacy_rows(
      source, user_column, key_column, value_column, category_column, description_column, deprecated_column,
      encrypted_column, encrypted_value_column, 'user', 'inherit', null, null, types
    ) as r;
end;
$$;
comment on function attune.adopt_legacy_preferences(regclass, name, name, name, name, name, name, name, name, jsonb) is
  E'@param source The table or view, with its schema: `public.user_settings`.\n'
  '@param user_column The column with the id of the user.\n'
  '@param key_column The column with the name of the setting.\n'
  '@param value_column The column with what the user chose, as text, JSON, a boolean or a number.\n'
  '@param category_column The column with its category.\n'
  '@param description_column The column that says what it does.\n'
  '@param deprecated_column The column that is set for an adopted row, added when missing; null marks nothing.\n'
  '@param encrypted_column The column that says whether the value is encrypted.\n'
  '@param encrypted_value_column The column with what is encrypted.\n'
  '@param types What a text stands for, `{key: type}`, of settings that are not defined yet: `"number"` for 1.10.\n'
  'Reads a table of what users chose into their layers, as `adopt_legacy_settings` reads one of settings. '
  'A setting that is not defined yet is, with the type that all its values have (text, where they have several) and no '
  'default: nothing applies to who has no row. '
  'The users are those with these ids; others are listed. '
  'Can run again: what users chose since stays. '
  'For trusted servers with rights on the table, and its owner. '
  'Refused: `admin_required`, `invalid_source`.';
revoke all on function attune.adopt_legacy_preferences(regclass, name, name, name, name, name, name, name, name, jsonb) from public;
grant execute on function attune.adopt_legacy_preferences(regclass, name, name, name, name, name, name, name, name, jsonb) to service_role;
--! EndIncluded moving-settings/adopt_legacy_preferences.sql
