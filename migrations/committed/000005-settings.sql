--! Previous: sha1:6f142bf31856e1d5fc8a3ac20b7c6fe13ec9f9b5
--! Hash: sha1:75262c12fca2795143f0eb6862091c0559549b06
--! Message: settings

-- Where values are stored, who writes them, and why one applies

create type attune.setting_layer as enum ('default', 'global', 'plan', 'team', 'user', 'project');
comment on type attune.setting_layer is
  E'@value default The definition''s default.\n'
  '@value global For everybody, or for a part in a rollout.\n'
  '@value plan For the users of a plan.\n'
  '@value team For a user''s current team.\n'
  '@value user For one user.\n'
  '@value project For one user in one project.\n'
  'Where a value is stored, from broad to narrow.';

create type attune.setting_writer as enum ('user', 'admin');
comment on type attune.setting_writer is
  E'@value user The user, and administrators.\n'
  '@value admin Administrators only.\n'
  'Who may write a setting in the layers of a user.';

create type attune.setting_seeding as enum ('inherit', 'copy');
comment on type attune.setting_seeding is
  E'@value inherit Nothing: later defaults apply.\n'
  '@value copy The value then effective: later defaults do not apply.\n'
  'What a new user gets.';

create type attune.setting_merge as enum ('deep', 'replace');
comment on type attune.setting_merge is
  E'@value deep Objects member by member, broad to narrow (RFC 7396).\n'
  '@value replace The narrowest is the whole.\n'
  'How values of several layers make one.';

create type attune.setting_audience as enum ('public', 'client', 'server', 'admin');
comment on type attune.setting_audience is
  E'@value public Everybody.\n'
  '@value client Who is signed in.\n'
  '@value server Trusted servers and administrators.\n'
  '@value admin Administrators and who acts for them.\n'
  'Who is shown a setting.';

create type attune.evaluation_reason as enum ('DEFAULT', 'STATIC', 'TARGETING_MATCH', 'SPLIT', 'DISABLED');
comment on type attune.evaluation_reason is
  E'@value DEFAULT The definition''s default.\n'
  '@value STATIC The same for everybody.\n'
  '@value TARGETING_MATCH Chosen for this user, plan, team or project.\n'
  '@value SPLIT A gradual rollout or a variant.\n'
  '@value DISABLED The default, because what is stored is switched off.\n'
  'Why a value applies, in the terms of OpenFeature.';

-- The registry

--! Included settings/triggers/tg_setting_definitions__validate.sql
create or replace function attune_private.tg_setting_definitions__validate()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  problems jsonb;
  annotated jsonb;
  obstacle text;
begin
  new.rollout_group := coalesce(new.rollout_group, new.key);
  new.default_value := coalesce(new.default_value, 'null');

  perform attune_private.check_size('The key', char_length(new.key), 200, 'characters');
  perform attune_private.check_size('The rollout group of ' || new.key, char_length(new.rollout_group), 200, 'characters');
  perform attune_private.check_size('The description of ' || new.key, char_length(new.description), 8000, 'characters');
  perform attune_private.check_size('The schema of ' || new.key, octet_length(new.schema::text), 65536, 'bytes');
  perform attune_private.check_size('The default of ' || new.key, octet_length(new.default_value::text), 65536, 'bytes');

  perform attune_private.check_depth('The default of ' || new.key, new.default_value);
  perform attune_private.check_depth('The schema of ' || new.key, new.schema, 256);

  if (new.key ~ '^[A-Za-z_][A-Za-z0-9_.:/@-]*$') is not true then
    raise exception using
      errcode = 'PT422',
      message = format('%s is no name for a setting', quote_literal(new.key)),
      detail = 'invalid_key',
      hint = 'Use letters, digits and _ . : / @ -, and begin with a letter.';
  end if;

  if tg_op = 'UPDATE' and (new.category = 'system') <> (old.category = 'system') then
    raise exception using
      errcode = 'PT422',
      message = format('%s cannot be moved into or out of the category system', new.key),
      detail = 'system_setting',
      hint = 'What shapes Attune itself is known by its category; make another setting.';
  end if;

  if tg_op = 'INSERT' or new.schema <> old.schema then
    new.schema := attune_private.json_schema_resource(new.schema);

    problems := attune_private.schema_problems(new.schema);

    if problems is not null then
      raise exception using
        errcode = 'PT422',
        message = format('The schema of %s is not valid: %s', new.key, attune_private.problems_message(problems)),
        detail = 'invalid_schema',
        hint = attune_private.hint_with_problems(
          'docs/reference/json-schema.md lists the keywords that are supported.', problems, new.key
        );
    end if;
  end if;

  if tg_op = 'INSERT'
    or (new.schema, new.default_value, new.merge, new.layer, new.seeding)
      is distinct from (old.schema, old.default_value, old.merge, old.layer, old.seeding)
  then
    -- JSON's null is no default, whatever the schema says: nothing applies until somebody chooses.
    if new.default_value <> 'null' then
      problems := attune_private.value_problems(new.schema, new.default_value);
    end if;

    annotated := attune_private.annotation_problems(new.schema, new.default_value, new.key);

    if annotated is not null then
      perform attune_private.refuse_values(
        format('The default of %s is', new.key), annotated || coalesce(problems, '[]'), null, new.key
      );
    elsif problems is not null then
      raise exception using
        errcode = 'PT422',
        message = format('The default of %s is not valid: %s', new.key, attune_private.problems_message(problems)),
        detail = 'invalid_default',
        hint = attune_private.hint_with_problems(
          'Give a default that satisfies the setting''s own schema, or none.', problems, new.key
        );
    end if;

    obstacle := attune_private.merge_obstacle(
      new.schema, new.default_value, new.seeding = 'copy' and new.layer > 'user'
    );

    if obstacle is not null and new.merge = 'deep' and (tg_op = 'INSERT' or old.merge is distinct from 'deep') then
      raise exception using
        errcode = 'PT422',
        message = format('The values of %s cannot be merged: %s could make a mixture of them invalid', new.key, obstacle),
        detail = 'invalid_merge',
        hint = 'Let merge be replace, or constrain each member on its own.';
    end if;

    -- Merging that nobody asks for just now gives way to the schema.
    if obstacle is not null or new.merge is null then
      new.merge := case when obstacle is null then 'deep' else 'replace' end;
    end if;
  end if;

  if tg_op = 'UPDATE' and attune_private.may_break_values(old, new) and not attune_private.is_rehearsal() then
    -- Whoever is writing a value by the old definition finishes first, whoever comes later sees the new one. What there
    -- is to refuse already is refused before they wait.
    if attune_private.check_stored_values(new) > 0 then
      perform attune_private.refuse_broken_values(new);
    end if;

    perform attune_private.lock_all_layers();
    perform attune_private.refuse_broken_values(new);

    delete from attune_private.checked_definitions as c
    where c.transaction_id = pg_current_xact_id_if_assigned()
      and c.key = new.key;
  end if;

  return new;
end;
$$;
comment on function attune_private.tg_setting_definitions__validate() is
  'Refuses a definition that is too large (`too_large`) or deep (`value_too_deep`), has an unusable key '
  '(`invalid_key`), schema (`invalid_schema`) or default (`invalid_default`, `secret_in_setting`, '
  '`invalid_timezone`) or merging (`invalid_merge`), or would break values that are stored '
  '(`stored_values_invalid`), or is changed in a transaction with a snapshot of its own (`read_committed_required`).';
revoke all on function attune_private.tg_setting_definitions__validate() from public;
--! EndIncluded settings/triggers/tg_setting_definitions__validate.sql
--! Included settings/triggers/tg_setting_definitions__keep_used.sql
create or replace function attune_private.tg_setting_definitions__keep_used()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  used bigint;
begin
  if attune_private.is_rehearsal() then
    return old;
  end if;

  select count(*) into used from attune_private.broken_values(attune_private.without_values(old));

  if used > 0 then
    raise exception using
      errcode = 'PT409',
      message = format('%s has %s stored values', old.key, used),
      detail = 'setting_in_use',
      hint = 'Reset those values first, or let apply_definitions discard them.';
  end if;

  return old;
end;
$$;
comment on function attune_private.tg_setting_definitions__keep_used() is
  'Refuses to delete a setting that has stored values (`setting_in_use`).';
revoke all on function attune_private.tg_setting_definitions__keep_used() from public;
--! EndIncluded settings/triggers/tg_setting_definitions__keep_used.sql

create table attune.setting_definitions (
  key text
    constraint setting_definitions_pkey primary key
    constraint setting_definitions_key_check check (char_length(key) between 1 and 200 and key ~ '^[A-Za-z_][A-Za-z0-9_.:/@-]*$'),
  category text not null
    constraint setting_definitions_category_check check (char_length(category) between 1 and 100),
  description text not null default ''
    constraint setting_definitions_description_check check (char_length(description) <= 8000),
  schema jsonb not null
    constraint setting_definitions_schema_check check (octet_length(schema::text) <= 65536),
  default_value jsonb not null default 'null'
    constraint setting_definitions_default_value_check check (octet_length(default_value::text) <= 65536),
  layer attune.setting_layer not null default 'user',
  writable_by attune.setting_writer not null default 'user',
  seeding attune.setting_seeding not null default 'inherit',
  merge attune.setting_merge not null,
  audience attune.setting_audience not null default 'client',
  rollout_group text not null
    constraint setting_definitions_rollout_group_check check (char_length(rollout_group) between 1 and 200),
  is_protected boolean not null default false,
  source text
    constraint setting_definitions_source_check check (char_length(source) between 1 and 200),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index setting_definitions_category_idx on attune.setting_definitions (category, key);
create index setting_definitions_source_idx on attune.setting_definitions (source);
comment on table attune.setting_definitions is
  'The registry of settings: what keys there are, what their values look like, and what applies when nobody chose. '
  'Administrators write it.';
comment on column attune.setting_definitions.key is
  'The setting''s name: at most 200 letters, digits and `_ . : / @ -`, such as `DARK_MODE_ENABLED` or '
  '`editor.fontSize`.';
comment on column attune.setting_definitions.category is 'What the setting is listed under: `features`.';
comment on column attune.setting_definitions.description is
  E'@behavior +attribute:filterBy\n'
  'What the setting does, for people; at most 8,000 characters.';
comment on column attune.setting_definitions.schema is
  'A JSON Schema (draft 2020-12, the subset of docs/reference/json-schema.md) that every value must satisfy. '
  'Annotations, `title` and `enumDescriptions` among them, are kept for user interfaces.';
comment on column attune.setting_definitions.default_value is
  'What applies when no layer holds a value; null when nothing does until somebody chooses.';
comment on column attune.setting_definitions.layer is
  E'@behavior +attribute:filterBy\n'
  'The narrowest layer that may hold a value.';
comment on column attune.setting_definitions.writable_by is
  E'@behavior +attribute:filterBy\n'
  'Who may write it in the layers of a user.';
comment on column attune.setting_definitions.seeding is 'What a new user gets.';
comment on column attune.setting_definitions.merge is
  E'@hasDefault\n'
  'How the layers make one value. '
  'Left out, `deep` where the schema constrains each member of an object on its own, so that every mixture of valid '
  'values is valid; else `replace`.';
comment on column attune.setting_definitions.audience is
  E'@behavior +attribute:filterBy\n'
  'Who is shown it.';
comment on column attune.setting_definitions.rollout_group is
  E'@hasDefault\n'
  'Settings of one group draw the same users in their rollouts and variants, Unleash''s `groupId`; the key, unless '
  'told. '
  'It stays when the setting is renamed, so that nobody is drawn anew.';
comment on column attune.setting_definitions.is_protected is
  E'@behavior +attribute:filterBy\n'
  'Whether what administrators choose for everybody, for plans and for teams, and what decides about it in the '
  'definition, changes only by a change set that another administrator approved. '
  'Anybody who may write the definition protects it; ending the protection needs such a change set, too.';
comment on column attune.setting_definitions.source is
  'The document that declares the setting (`$id` of `apply_definitions`), or null when it was made by hand.';
comment on column attune.setting_definitions.created_at is 'When the setting was defined.';
comment on column attune.setting_definitions.updated_at is
  'When the definition last changed. '
  'In an update: the version that is changed, which was read (`changed_meanwhile`).';

alter table attune.setting_definitions enable row level security;
create policy setting_definitions_select_public on attune.setting_definitions for select to anon
  using (audience = 'public');
create policy setting_definitions_select_audience on attune.setting_definitions for select to authenticated
  using (
    audience = 'public'
    or audience = 'client' and (select attune.current_user_id()) is not null
    or (select attune.is_admin())
  );
create policy setting_definitions_insert_admin on attune.setting_definitions for insert to authenticated
  with check ((select attune.is_admin()));
create policy setting_definitions_update_admin on attune.setting_definitions for update to authenticated
  using ((select attune.is_admin()))
  with check ((select attune.is_admin()));
create policy setting_definitions_delete_admin on attune.setting_definitions for delete to authenticated
  using ((select attune.is_admin()));
create policy setting_definitions_all_service_role on attune.setting_definitions for all to service_role
  using (true) with check (true);

revoke all on attune.setting_definitions from public;
grant select on attune.setting_definitions to anon;
grant
  select,
  insert (key, category, description, schema, default_value, layer, writable_by, seeding, merge, audience, rollout_group, is_protected, source),
  update (category, description, schema, default_value, layer, writable_by, seeding, merge, audience, rollout_group, is_protected, source, updated_at),
  delete
  on attune.setting_definitions to authenticated, service_role;

create trigger _010_require_admin before insert on attune.setting_definitions
  for each statement when (row_security_active('attune.setting_definitions'))
  execute function attune_private.tg__require_admin();
create trigger _100_validate before insert or update on attune.setting_definitions
  for each row execute function attune_private.tg_setting_definitions__validate();
create trigger _060_check_version before update on attune.setting_definitions
  for each row when (new.updated_at is distinct from old.updated_at)
  execute function attune_private.tg__check_version();
create trigger _200_timestamps before update on attune.setting_definitions
  for each row execute function attune_private.tg__timestamps();
create trigger _300_keep_used before delete on attune.setting_definitions
  for each row execute function attune_private.tg_setting_definitions__keep_used();

-- What guards a stored value

--! Included settings/hidden/concealed_keys.sql
create or replace function attune_hidden.concealed_keys()
returns setof text
language sql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
begin atomic
  select d.key
  from attune.setting_definitions as d
  where d.audience > 'client'
    and not (select attune.is_admin());
end;
comment on function attune_hidden.concealed_keys() is
  'The settings that the caller, a user, is not shown, whatever rows of theirs hold values of them.';
revoke all on function attune_hidden.concealed_keys() from public;
grant execute on function attune_hidden.concealed_keys() to authenticated, service_role;
--! EndIncluded settings/hidden/concealed_keys.sql
--! Included settings/hidden/json_merge_patch.sql
create or replace function attune_hidden.json_merge_patch(target jsonb, patch jsonb, depth integer default 0)
returns jsonb
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  kept jsonb := case jsonb_typeof(target) when 'object' then target else '{}' end;
  changed jsonb;
  removes boolean;
begin
  if jsonb_typeof(patch) is distinct from 'object' then
    return patch;
  end if;

  if depth >= 64 then
    raise exception using
      errcode = 'PT422',
      message = 'The value is nested more than 64 levels deep',
      detail = 'value_too_deep',
      hint = 'Make the value flatter.';
  end if;

  -- In one pass: `||` copies the whole object, and a patch may have thousands of members.
  select coalesce(
    jsonb_object_agg(
      e.key,
      case jsonb_typeof(e.value)
        when 'object' then attune_hidden.json_merge_patch(kept -> e.key, e.value, depth + 1)
        else e.value
      end
    ) filter (where e.value <> 'null'),
    '{}'
  ), bool_or(e.value = 'null' and kept ? e.key)
  into changed, removes
  from jsonb_each(patch) as e;

  if removes then
    select coalesce(jsonb_object_agg(e.key, e.value), '{}')
    into kept
    from jsonb_each(kept) as e
    where not patch ? e.key;
  end if;

  return kept || changed;
end;
$$;
comment on function attune_hidden.json_merge_patch(jsonb, jsonb, integer) is
  'The target with the patch applied (JSON Merge Patch, RFC 7396): members that are null are removed, objects are '
  'merged, everything else replaces. '
  '`depth` counts the levels above, of which 64 are allowed (`value_too_deep`).';
revoke all on function attune_hidden.json_merge_patch(jsonb, jsonb, integer) from public;
grant execute on function attune_hidden.json_merge_patch(jsonb, jsonb, integer) to authenticated, service_role;
--! EndIncluded settings/hidden/json_merge_patch.sql
--! Included settings/private/null_member.sql
create or replace function attune_private.null_member(value jsonb)
returns text
language sql immutable parallel safe security invoker
begin atomic
  with recursive members (path, value) as (
    select '', value
    union all
    select m.path || '/' || replace(replace(e.key, '~', '~0'), '/', '~1'), e.value
    from members as m
    cross join lateral jsonb_each(case jsonb_typeof(m.value) when 'object' then m.value end) as e
  )
  select m.path from members as m where m.path <> '' and m.value = 'null' limit 1;
end;
comment on function attune_private.null_member(jsonb) is
  'Where an object, or one in it, has a member that is null, as a JSON Pointer; NULL when nowhere. '
  'Lists are not looked into: merging does not.';
revoke all on function attune_private.null_member(jsonb) from public;
--! EndIncluded settings/private/null_member.sql
--! Included settings/private/is_protected.sql
create or replace function attune_private.is_protected(key text)
returns boolean
language sql stable parallel safe security invoker
begin atomic
  select exists (
    select from attune.setting_definitions as d
    where d.key = is_protected.key
      and d.is_protected
  );
end;
comment on function attune_private.is_protected(text) is
  'Whether a setting changes only by approved change sets.';
revoke all on function attune_private.is_protected(text) from public;
--! EndIncluded settings/private/is_protected.sql
--! Included settings/private/check_variants.sql
create or replace function attune_private.check_variants(key text, variants jsonb)
returns void
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  problems jsonb;
begin
  perform attune_private.check_size('The variants', octet_length(variants::text), 65536, 'bytes');

  problems := attune_private.value_problems(
    '{
      "type": "array",
      "minItems": 1,
      "maxItems": 100,
      "items": {
        "type": "object",
        "required": ["name", "weight", "value"],
        "additionalProperties": false,
        "properties": {
          "name": {"type": "string", "minLength": 1, "maxLength": 100},
          "weight": {"type": "integer", "minimum": 0, "maximum": 1000000},
          "value": true
        }
      }
    }',
    variants
  );

  if problems is null then
    select jsonb_agg(r.problem order by r.place)
    into problems
    from (
      select
        v.place,
        jsonb_build_object(
          'pointer', format('/%s/name', v.place - 1), 'keyword', 'name', 'message', 'another has the same name'
        )
      from (
        select e.place, row_number() over (partition by e.item -> 'name' order by e.place) as occurrence
        from jsonb_array_elements(variants) with ordinality as e (item, place)
      ) as v
      where v.occurrence > 1
      union all
      select
        null::bigint,
        jsonb_build_object('pointer', '', 'keyword', 'weight', 'message', 'no weight is above 0')
      from jsonb_array_elements(variants) as e (item)
      having sum((e.item ->> 'weight')::numeric) = 0
    ) as r (place, problem);
  end if;

  if problems is not null then
    raise exception using
      errcode = 'PT422',
      message = 'The variants are not valid: ' || attune_private.problems_message(problems),
      detail = 'invalid_variants',
      hint = attune_private.hint_with_problems(
        'Send [{"name", "weight", "value"}, …] with unique names; a weight is a part of their sum.',
        problems,
        check_variants.key
      );
  end if;
end;
$$;
comment on function attune_private.check_variants(text, jsonb) is
  'Refuses (`invalid_variants`, `too_large`) what is no list of variants with unique names and some weight.';
revoke all on function attune_private.check_variants(text, jsonb) from public;
--! EndIncluded settings/private/check_variants.sql
--! Included settings/private/check_preference_limit.sql
create or replace function attune_private.check_preference_limit(user_ids uuid[])
returns void
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  maximum constant integer := attune_private.system_number('PREFERENCES_PER_USER', 1000);
begin
  if exists (
    select from (
      select p.user_id from attune.user_preferences as p where p.user_id = any (user_ids)
      union all
      select p.user_id from attune.project_preferences as p where p.user_id = any (user_ids)
    ) as held
    group by held.user_id
    having count(*) > maximum
  ) then
    raise exception using
      errcode = 'PT422',
      message = format('A user may hold at most %s preferences', maximum),
      detail = 'too_many_preferences',
      hint = 'Reset some that you do not need.';
  end if;
end;
$$;
comment on function attune_private.check_preference_limit(uuid[]) is
  'Limits how many preferences each of these users holds, those in projects among them (`too_many_preferences`): '
  'the setting `PREFERENCES_PER_USER`.';
revoke all on function attune_private.check_preference_limit(uuid[]) from public;
--! EndIncluded settings/private/check_preference_limit.sql
--! Included settings/private/refuse_unknown_setting.sql
create or replace function attune_private.refuse_unknown_setting(key text)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = 'PT404',
    message = format('There is no setting %s', quote_nullable(left(key, 200))),
    detail = 'unknown_setting',
    hint = 'List what there is with settingDefinitions.';
end;
$$;
comment on function attune_private.refuse_unknown_setting(text) is 'Refuses: `unknown_setting`.';
revoke all on function attune_private.refuse_unknown_setting(text) from public;
--! EndIncluded settings/private/refuse_unknown_setting.sql
--! Included settings/private/refuse_unknown_settings.sql
create or replace function attune_private.refuse_unknown_settings(keys text[])
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = 'PT404',
    message = (
      select left('There is no setting ' || string_agg(quote_nullable(left(k.key, 200)), ', ' order by k.place), 2000)
      from unnest(refuse_unknown_settings.keys) with ordinality as k (key, place)
    ),
    detail = 'unknown_setting',
    hint = attune_private.hint_with_problems(
      'List what there is with settingDefinitions.',
      (
        select jsonb_agg(
          attune_private.one_problem('unknown', 'there is no such setting') -> 0
            || jsonb_build_object('key', left(k.key, 200))
          order by k.place
        )
        from unnest(refuse_unknown_settings.keys) with ordinality as k (key, place)
      )
    );
end;
$$;
comment on function attune_private.refuse_unknown_settings(text[]) is
  'Refuses: `unknown_setting`, naming each of several keys that were asked for at once.';
revoke all on function attune_private.refuse_unknown_settings(text[]) from public;
--! EndIncluded settings/private/refuse_unknown_settings.sql
--! Included settings/private/present_definition.sql
create or replace function attune_private.present_definition(key text)
returns attune.setting_definitions
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  definition attune.setting_definitions;
begin
  select d.* into definition from attune.setting_definitions as d where d.key = present_definition.key;

  if not found then
    perform attune_private.refuse_unknown_setting(present_definition.key);
  end if;

  -- A snapshot may be from before the definition was changed: then the lock fails (40001). Who changes it just now waits
  -- for us, so we do not wait for them (55P03).
  if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
    perform from attune.setting_definitions as d where d.key = present_definition.key for share nowait;
  end if;

  return definition;
end;
$$;
comment on function attune_private.present_definition(text) is
  'The definition by which a value is judged that is written now; it stays until the transaction is over. '
  'Refused: `unknown_setting`.';
revoke all on function attune_private.present_definition(text) from public;
--! EndIncluded settings/private/present_definition.sql
--! Included settings/private/check_setting.sql
create or replace function attune_private.check_setting(caller attune_private.caller, key text)
returns void
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (
    select from attune.setting_definitions as d
    where d.key = check_setting.key
      and d.audience <= attune_private.audience_of(caller)
  ) then
    perform attune_private.refuse_unknown_setting(check_setting.key);
  end if;
end;
$$;
comment on function attune_private.check_setting(attune_private.caller, text) is
  'Refuses (`unknown_setting`) a setting that there is not, or that the caller is not shown.';
revoke all on function attune_private.check_setting(attune_private.caller, text) from public;
--! EndIncluded settings/private/check_setting.sql
--! Included settings/private/check_plan.sql
create or replace function attune_private.check_plan(plan text)
returns void
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from attune.plans as p where p.name = check_plan.plan) then
    raise exception using
      errcode = 'PT404',
      message = format('There is no plan %s', quote_nullable(left(check_plan.plan, 100))),
      detail = 'unknown_plan',
      hint = 'List what there is with plans.';
  end if;
end;
$$;
comment on function attune_private.check_plan(text) is 'Refuses (`unknown_plan`) the name of no plan, NULL among them.';
revoke all on function attune_private.check_plan(text) from public;
--! EndIncluded settings/private/check_plan.sql
--! Included settings/private/check_writer.sql
create or replace function attune_private.check_writer(caller attune_private.caller, key text)
returns void
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Who is nobody is told so, and not that there are no settings.
  if exists (
    select from attune.setting_definitions as d
    where d.key = check_writer.key
      and d.audience > greatest(attune_private.audience_of(caller), 'client')
  ) then
    perform attune_private.refuse_unknown_setting(check_writer.key);
  end if;

  if caller.is_admin is not true and exists (
    select from attune.setting_definitions as d
    where d.key = check_writer.key and d.writable_by = 'admin'
  ) then
    raise exception using
      errcode = '42501',
      message = format('Only an administrator may change %s', check_writer.key),
      detail = 'admin_required',
      hint = 'Sign in as an administrator, or ask one.';
  end if;
end;
$$;
comment on function attune_private.check_writer(attune_private.caller, text) is
  'Refuses to who is no administrator a setting that only administrators may write (`admin_required`), and one that '
  'the caller is not shown (`unknown_setting`).';
revoke all on function attune_private.check_writer(attune_private.caller, text) from public;
--! EndIncluded settings/private/check_writer.sql
--! Included settings/private/check_lock.sql
create or replace function attune_private.check_lock(key text, layer attune.setting_layer, user_id uuid default null)
returns void
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (
    select from attune_private.judged_settings(check_lock.user_id, null) as j
    where j.key = check_lock.key
      and j.enforced_by < check_lock.layer
  ) then
    raise exception using
      errcode = '42501',
      message = format('%s is locked by an administrator', check_lock.key),
      detail = 'setting_enforced',
      hint = 'Ask an administrator to unlock it.';
  end if;
end;
$$;
comment on function attune_private.check_lock(text, attune.setting_layer, uuid) is
  'Refuses (`setting_enforced`) to set in a layer what a broader one locks: for one user, or, without one, for '
  'everybody.';
revoke all on function attune_private.check_lock(text, attune.setting_layer, uuid) from public;
--! EndIncluded settings/private/check_lock.sql
--! Included settings/private/authorize_preference.sql
create or replace function attune_private.authorize_preference(
  caller attune_private.caller,
  user_id uuid,
  key text,
  is_removed boolean
)
returns void
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  perform attune_private.check_writer(caller, authorize_preference.key);

  if (authorize_preference.user_id = caller.user_id) is not true and (
    caller.is_admin is not true
    or exists (
      select from attune.setting_definitions as d
      where d.key = authorize_preference.key and d.writable_by = 'user'
    )
  ) then
    raise exception using
      errcode = '42501',
      message = format('%s is for its user to choose', authorize_preference.key),
      detail = 'not_your_preference',
      hint = 'Set it in a broader layer, for everybody, or let the user set it.';
  end if;

  if not is_removed then
    perform attune_private.check_lock(authorize_preference.key, 'user', authorize_preference.user_id);
  end if;
end;
$$;
comment on function attune_private.authorize_preference(attune_private.caller, uuid, text, boolean) is
  'Refuses a user who writes what only administrators may (`admin_required`), anybody who writes another''s choice '
  '(`not_your_preference`), and everybody who sets what a broader layer enforces (`setting_enforced`).';
revoke all on function attune_private.authorize_preference(attune_private.caller, uuid, text, boolean) from public;
--! EndIncluded settings/private/authorize_preference.sql
--! Included settings/private/authorize_team_setting.sql
create or replace function attune_private.authorize_team_setting(
  caller attune_private.caller,
  team_id uuid,
  key text,
  is_removed boolean
)
returns void
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  perform attune_private.require_team_administrator(caller, authorize_team_setting.team_id);

  if caller.is_admin or caller.is_trusted then
    return;
  end if;

  perform attune_private.check_writer(caller, authorize_team_setting.key);

  if not is_removed then
    perform attune_private.check_lock(authorize_team_setting.key, 'team');
  end if;
end;
$$;
comment on function attune_private.authorize_team_setting(attune_private.caller, uuid, text, boolean) is
  'Refuses who does not administer the team (`team_admin_required`), and, of those who do, who writes what only '
  'administrators may (`admin_required`) or sets what is locked for everybody (`setting_enforced`).';
revoke all on function attune_private.authorize_team_setting(attune_private.caller, uuid, text, boolean) from public;
--! EndIncluded settings/private/authorize_team_setting.sql
--! Included settings/private/holds_whole_value.sql
create or replace function attune_private.holds_whole_value(
  merge attune.setting_merge,
  seeding attune.setting_seeding,
  layer attune.setting_layer
)
returns boolean
language sql immutable parallel safe security invoker
begin atomic
  select merge = 'replace' or seeding = 'copy' and layer = 'user';
end;
comment on function attune_private.holds_whole_value(
  attune.setting_merge, attune.setting_seeding, attune.setting_layer
) is
  'Whether what a layer holds is the whole value, and not what is merged over the broader layers: with `replace`, and '
  'for the holder of a copy.';
revoke all on function attune_private.holds_whole_value(
  attune.setting_merge, attune.setting_seeding, attune.setting_layer
) from public;
--! EndIncluded settings/private/holds_whole_value.sql
--! Included settings/private/stored_value_problems.sql
create or replace function attune_private.stored_value_problems(
  definition attune.setting_definitions,
  layer attune.setting_layer,
  value jsonb
)
returns jsonb
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  at_null text;
begin
  if jsonb_typeof(value) <> 'object'
    or attune_private.holds_whole_value(definition.merge, definition.seeding, stored_value_problems.layer)
  then
    return attune_private.value_problems(definition.schema, value);
  end if;

  at_null := attune_private.null_member(value);

  if at_null is not null then
    return jsonb_build_array(jsonb_build_object(
      'pointer', at_null, 'keyword', 'merge',
      'message', 'null takes nothing out of a value that is merged: leave it out'
    ));
  end if;

  -- Of what is merged, a layer holds what differs, and judged over the default it is judged for good: members are
  -- constrained one by one, and none is taken out.
  return attune_private.value_problems(
    definition.schema, attune_hidden.json_merge_patch(nullif(definition.default_value, 'null'), value)
  );
end;
$$;
comment on function attune_private.stored_value_problems(attune.setting_definitions, attune.setting_layer, jsonb) is
  'Why a layer may not hold a value, by the schema: the whole value alone, or, of what is merged, over the default, '
  '`[{pointer, keyword, message}]`; NULL when it may.';
revoke all on function attune_private.stored_value_problems(attune.setting_definitions, attune.setting_layer, jsonb)
  from public;
--! EndIncluded settings/private/stored_value_problems.sql
--! Included settings/private/stored_value_problem.sql
create or replace function attune_private.stored_value_problem(
  definition attune.setting_definitions,
  layer attune.setting_layer,
  value jsonb
)
returns text
language sql immutable parallel safe security invoker
begin atomic
  select attune_private.problems_message(
    attune_private.stored_value_problems(
      stored_value_problem.definition, stored_value_problem.layer, stored_value_problem.value
    )
  );
end;
comment on function attune_private.stored_value_problem(attune.setting_definitions, attune.setting_layer, jsonb) is
  'As `stored_value_problems`, as one line; NULL when the layer may hold the value.';
revoke all on function attune_private.stored_value_problem(attune.setting_definitions, attune.setting_layer, jsonb)
  from public;
--! EndIncluded settings/private/stored_value_problem.sql
--! Included settings/private/refused_value_problems.sql
create or replace function attune_private.refused_value_problems(
  definition attune.setting_definitions,
  layer attune.setting_layer,
  value jsonb
)
returns jsonb
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  annotated constant jsonb := attune_private.annotation_problems(definition.schema, value, definition.key);
  others constant jsonb := attune_private.stored_value_problems(definition, layer, value);
begin
  return case when annotated is null then others else annotated || coalesce(others, '[]') end;
end;
$$;
comment on function attune_private.refused_value_problems(attune.setting_definitions, attune.setting_layer, jsonb) is
  'As `stored_value_problems`, after those by the annotations that are ours, which hold for what is written, and not '
  'for what is there.';
revoke all on function attune_private.refused_value_problems(attune.setting_definitions, attune.setting_layer, jsonb)
  from public;
--! EndIncluded settings/private/refused_value_problems.sql
--! Included settings/triggers/tg__validate_value.sql
create or replace function attune_private.tg__validate_value()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  stored_layer constant attune.setting_layer := tg_argv[0];
  definition attune.setting_definitions;
  problems jsonb;
begin
  if tg_op = 'UPDATE' and new.value = old.value and new.key = old.key then
    return new;
  end if;

  definition := attune_private.present_definition(new.key);

  if stored_layer > definition.layer then
    raise exception using
      errcode = 'PT422',
      message = format('%s cannot be set in layer %s: its narrowest is %s', new.key, stored_layer, definition.layer),
      detail = 'layer_not_allowed',
      hint = 'Ask an administrator to set it in a broader layer.';
  end if;

  perform attune_private.check_size('The value of ' || new.key, octet_length(new.value::text), 65536, 'bytes');
  perform attune_private.check_depth('The value of ' || new.key, new.value);

  problems := attune_private.refused_value_problems(definition, stored_layer, new.value);

  if problems is not null then
    perform attune_private.refuse_values(
      new.key || ' is', problems, 'Send a value that satisfies the setting''s schema.', new.key
    );
  end if;

  return new;
end;
$$;
comment on function attune_private.tg__validate_value() is
  'Refuses a value for an unknown key (`unknown_setting`), in a layer narrower than the definition allows '
  '(`layer_not_allowed`), above its size (`too_large`) or depth (`value_too_deep`), against its schema '
  '(`invalid_value`) or the annotations that are ours (`secret_in_setting`, `invalid_timezone`). '
  'Its argument is the layer that the table holds.';
revoke all on function attune_private.tg__validate_value() from public;
--! EndIncluded settings/triggers/tg__validate_value.sql
--! Included settings/triggers/tg_global_settings__validate_variants.sql
create or replace function attune_private.tg_global_settings__validate_variants()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  definition attune.setting_definitions;
  variant jsonb;
  place bigint;
  problems jsonb := '[]';
begin
  if tg_op = 'UPDATE' and (new.variants, new.value) is not distinct from (old.variants, old.value) then
    return new;
  end if;

  perform attune_private.check_variants(new.key, new.variants);
  perform attune_private.check_depth('A variant of ' || new.key, new.variants);
  definition := attune_private.present_definition(new.key);

  for variant, place in
    select v.item, v.place - 1 from jsonb_array_elements(new.variants) with ordinality as v (item, place)
  loop
    problems := problems || coalesce(
      attune_private.placed_problems(
        attune_private.refused_value_problems(
          definition,
          'global',
          case
            when definition.merge = 'replace' then variant -> 'value'
            else attune_hidden.json_merge_patch(new.value, variant -> 'value')
          end
        ),
        new.key,
        format('/%s/value', place)
      ),
      '[]'
    );
  end loop;

  if problems <> '[]' then
    perform attune_private.refuse_values(
      format('The variants of %s are', new.key), problems, 'Send values that satisfy the setting''s schema.', new.key
    );
  end if;

  return new;
end;
$$;
comment on function attune_private.tg_global_settings__validate_variants() is
  'Refuses variants that are no such list (`invalid_variants`, `too_large`, `value_too_deep`), or whose values the '
  'setting''s schema does not allow (`invalid_value`, `secret_in_setting`, `invalid_timezone`).';
revoke all on function attune_private.tg_global_settings__validate_variants() from public;
--! EndIncluded settings/triggers/tg_global_settings__validate_variants.sql
--! Included settings/triggers/tg_global_settings__refuse_split.sql
create or replace function attune_private.tg_global_settings__refuse_split()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (select from attune.setting_definitions as d where d.key = new.key and d.category = 'system') then
    raise exception using
      errcode = 'PT422',
      message = format('%s shapes Attune itself, for everybody alike', new.key),
      detail = 'system_setting',
      hint = 'Set it without a rollout and without variants.';
  end if;

  return new;
end;
$$;
comment on function attune_private.tg_global_settings__refuse_split() is
  'Refuses (`system_setting`) to split what shapes Attune itself, which is no user, by a rollout or by variants.';
revoke all on function attune_private.tg_global_settings__refuse_split() from public;
--! EndIncluded settings/triggers/tg_global_settings__refuse_split.sql
--! Included settings/triggers/tg__stamp.sql
create or replace function attune_private.tg__stamp()
returns trigger
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Who writes what is there already has not changed it, nor has who renames the setting.
  if tg_op = 'UPDATE' then
    if to_jsonb(new) - '{key,updated_by,updated_at}'::text[] = to_jsonb(old) - '{key,updated_by,updated_at}'::text[]
      and new.value::text = old.value::text
    then
      new.updated_by := old.updated_by;
      new.updated_at := old.updated_at;
      return new;
    end if;
  end if;

  -- Our own functions have found out who is asking, and say so: nobody but the owner may write these columns.
  if new.updated_at is distinct from 'infinity' then
    new.updated_by := attune.current_user_id();
  end if;

  -- Later than what it was in any case: it is the version of the row.
  new.updated_at := case
    when tg_op = 'INSERT' then now()
    else greatest(now(), old.updated_at + interval '1 microsecond')
  end;
  return new;
end;
$$;
comment on function attune_private.tg__stamp() is
  'Keeps who last changed a stored value, and when. '
  'A function that has found out who is asking hands that on: it writes `updated_by`, with `infinity` as `updated_at`.';
revoke all on function attune_private.tg__stamp() from public;
--! EndIncluded settings/triggers/tg__stamp.sql
--! Included settings/triggers/tg__authorize_preference.sql
create or replace function attune_private.tg__authorize_preference()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  written constant record := case tg_op when 'DELETE' then old else new end;
begin
  perform attune_private.authorize_preference(
    attune_private.current_caller(), written.user_id, written.key, tg_op = 'DELETE'
  );

  if tg_table_name = 'project_preferences' and tg_op <> 'DELETE' then
    perform attune_private.check_project(written.user_id, written.project_id);
  end if;

  return written;
end;
$$;
comment on function attune_private.tg__authorize_preference() is
  'Refuses a user who writes what only administrators may (`admin_required`), anybody who writes another''s choice '
  '(`not_your_preference`), and everybody while a broader layer enforces (`setting_enforced`), or in a '
  'project that is not the user''s (`unknown_project`).';
revoke all on function attune_private.tg__authorize_preference() from public;
--! EndIncluded settings/triggers/tg__authorize_preference.sql
--! Included settings/triggers/tg__one_at_a_time.sql
create or replace function attune_private.tg__one_at_a_time()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Before the row, not after it: whoever waits for a user must not hold rows that the other writer waits for.
  perform from attune.users as u where u.id = new.user_id for no key update;

  if not found then
    perform attune_private.refuse_unknown_user();
  end if;

  return new;
end;
$$;
comment on function attune_private.tg__one_at_a_time() is
  'Has those who add preferences of one user wait for each other, so that each counts what the other has added. '
  'Refused: `unknown_user`.';
revoke all on function attune_private.tg__one_at_a_time() from public;
--! EndIncluded settings/triggers/tg__one_at_a_time.sql
--! Included settings/triggers/tg__limit_preferences.sql
create or replace function attune_private.tg__limit_preferences()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform attune_private.check_preference_limit(array(select distinct i.user_id from inserted as i));
  return null;
end;
$$;
comment on function attune_private.tg__limit_preferences() is
  'Limits how many preferences one user may hold (`too_many_preferences`).';
revoke all on function attune_private.tg__limit_preferences() from public;
--! EndIncluded settings/triggers/tg__limit_preferences.sql
--! Included settings/triggers/tg_team_settings__authorize.sql
create or replace function attune_private.tg_team_settings__authorize()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  written constant record := case tg_op when 'DELETE' then old else new end;
begin
  perform attune_private.authorize_team_setting(
    attune_private.current_caller(), written.team_id, written.key, tg_op = 'DELETE'
  );

  return written;
end;
$$;
comment on function attune_private.tg_team_settings__authorize() is
  'Refuses who does not administer the team (`team_admin_required`), and, of those who do, who writes what only '
  'administrators may (`admin_required`) or sets what is locked for everybody (`setting_enforced`).';
revoke all on function attune_private.tg_team_settings__authorize() from public;
--! EndIncluded settings/triggers/tg_team_settings__authorize.sql

-- The layers hold only what differs. No row means inherit; `false` and JSON `null` are values.

create table attune.global_settings (
  key text not null
    constraint global_settings_pkey primary key
    constraint global_settings_key_fkey references attune.setting_definitions (key) on update cascade on delete restrict,
  value jsonb not null
    constraint global_settings_value_check check (octet_length(value::text) <= 65536),
  is_active boolean not null default true,
  is_enforced boolean not null default false,
  rollout_percentage integer not null default 100
    constraint global_settings_rollout_percentage_check check (rollout_percentage between 0 and 100),
  variants jsonb
    constraint global_settings_variants_check check (octet_length(variants::text) <= 65536),
  updated_by uuid,
  updated_at timestamptz not null default now()
);
comment on table attune.global_settings is
  E'@behavior -insert -update -delete\n'
  '@foreignKey (updated_by) references attune.profiles (id)|@fieldName updatedBy|@backwardBehavior -*\n'
  'What administrators chose for everybody.';
comment on column attune.global_settings.key is 'Which setting.';
comment on column attune.global_settings.value is 'Its value; an object is merged over the default (RFC 7396), unless the setting''s `merge` is `replace`.';
comment on column attune.global_settings.is_active is
  E'@behavior +attribute:filterBy\n'
  'False keeps the value, and ignores it.';
comment on column attune.global_settings.is_enforced is
  E'@behavior +attribute:filterBy\n'
  'True ignores every narrower layer: nobody can choose otherwise.';
comment on column attune.global_settings.rollout_percentage is
  'The share of users it applies to, 0 to 100, by Unleash''s bucket of the user for the setting''s `rollout_group`. '
  'The others, and requests without a user unless it is 100, fall through to the default.';
comment on column attune.global_settings.variants is
  'How the users it applies to are split: `[{"name", "weight", "value"}]`, each value merged over `value` (RFC '
  '7396), or null. '
  'A weight is a part of the sum of all, as Unleash has it, so that a user gets the variant that Unleash would choose. '
  'A request without a user gets `value`.';
comment on column attune.global_settings.updated_by is
  E'@name updated_by_id\n'
  'The user who last wrote it; null when it was a trusted server.';
comment on column attune.global_settings.updated_at is
  E'@behavior +attribute:filterBy +attribute:orderBy\n'
  'When it was last written. '
  'In an update: the version that is changed, which was read (`changed_meanwhile`).';

alter table attune.global_settings enable row level security;
create policy global_settings_select_admin on attune.global_settings for select to authenticated
  using ((select attune.is_admin()));
create policy global_settings_insert_admin on attune.global_settings for insert to authenticated
  with check ((select attune.is_admin()));
create policy global_settings_update_admin on attune.global_settings for update to authenticated
  using ((select attune.is_admin()))
  with check ((select attune.is_admin()));
create policy global_settings_delete_admin on attune.global_settings for delete to authenticated
  using ((select attune.is_admin()));
create policy global_settings_all_service_role on attune.global_settings for all to service_role
  using (true) with check (true);

revoke all on attune.global_settings from public;
grant
  select,
  insert (key, value, is_active, is_enforced, rollout_percentage, variants),
  update (value, is_active, is_enforced, rollout_percentage, variants, updated_at),
  delete
  on attune.global_settings to authenticated, service_role;

create trigger _010_require_admin before insert on attune.global_settings
  for each statement when (row_security_active('attune.global_settings'))
  execute function attune_private.tg__require_admin();
create trigger _060_check_version before update on attune.global_settings
  for each row when (
    new.updated_at is distinct from old.updated_at
    -- What a function of ours hands on, see `tg__stamp`.
    and not (new.updated_at = 'infinity' and has_column_privilege('attune.global_settings'::regclass, 'updated_by', 'update'))
  )
  execute function attune_private.tg__check_version();
create trigger _100_validate_value before insert or update on attune.global_settings
  for each row execute function attune_private.tg__validate_value('global');
create trigger _110_validate_variants before insert or update on attune.global_settings
  for each row when (new.variants is not null)
  execute function attune_private.tg_global_settings__validate_variants();
create trigger _120_refuse_split before insert or update on attune.global_settings
  for each row when (new.rollout_percentage < 100 or new.variants is not null)
  execute function attune_private.tg_global_settings__refuse_split();
create trigger _200_stamp before insert or update on attune.global_settings
  for each row execute function attune_private.tg__stamp();

create table attune.plan_settings (
  plan text not null
    constraint plan_settings_plan_fkey references attune.plans (name) on update cascade on delete cascade,
  key text not null
    constraint plan_settings_key_fkey references attune.setting_definitions (key) on update cascade on delete restrict,
  value jsonb not null
    constraint plan_settings_value_check check (octet_length(value::text) <= 65536),
  is_active boolean not null default true,
  is_enforced boolean not null default false,
  updated_by uuid,
  updated_at timestamptz not null default now(),
  constraint plan_settings_pkey primary key (plan, key)
);
create index plan_settings_key_idx on attune.plan_settings (key);
comment on constraint plan_settings_plan_fkey on attune.plan_settings is
  E'@forwardBehavior -*\n'
  'The plans are few: a client reads them once.';
comment on table attune.plan_settings is
  E'@behavior -insert -update -delete\n'
  '@foreignKey (updated_by) references attune.profiles (id)|@fieldName updatedBy|@backwardBehavior -*\n'
  'What administrators chose for the users of a plan.';
comment on column attune.plan_settings.plan is 'Which plan.';
comment on column attune.plan_settings.key is 'Which setting.';
comment on column attune.plan_settings.value is 'Its value; an object is merged over the broader layers (RFC 7396).';
comment on column attune.plan_settings.is_active is
  E'@behavior +attribute:filterBy\n'
  'False keeps the value, and ignores it.';
comment on column attune.plan_settings.is_enforced is
  E'@behavior +attribute:filterBy\n'
  'True ignores every narrower layer: nobody on the plan can choose otherwise.';
comment on column attune.plan_settings.updated_by is
  E'@name updated_by_id\n'
  'The user who last wrote it; null when it was a trusted server.';
comment on column attune.plan_settings.updated_at is
  E'@behavior +attribute:filterBy +attribute:orderBy\n'
  'When it was last written. '
  'In an update: the version that is changed, which was read (`changed_meanwhile`).';

alter table attune.plan_settings enable row level security;
create policy plan_settings_select_admin on attune.plan_settings for select to authenticated
  using ((select attune.is_admin()));
create policy plan_settings_insert_admin on attune.plan_settings for insert to authenticated
  with check ((select attune.is_admin()));
create policy plan_settings_update_admin on attune.plan_settings for update to authenticated
  using ((select attune.is_admin()))
  with check ((select attune.is_admin()));
create policy plan_settings_delete_admin on attune.plan_settings for delete to authenticated
  using ((select attune.is_admin()));
create policy plan_settings_all_service_role on attune.plan_settings for all to service_role
  using (true) with check (true);

revoke all on attune.plan_settings from public;
grant
  select,
  insert (plan, key, value, is_active, is_enforced),
  update (value, is_active, is_enforced, updated_at),
  delete
  on attune.plan_settings to authenticated, service_role;

create trigger _010_require_admin before insert on attune.plan_settings
  for each statement when (row_security_active('attune.plan_settings'))
  execute function attune_private.tg__require_admin();
create trigger _060_check_version before update on attune.plan_settings
  for each row when (
    new.updated_at is distinct from old.updated_at
    -- What a function of ours hands on, see `tg__stamp`.
    and not (new.updated_at = 'infinity' and has_column_privilege('attune.plan_settings'::regclass, 'updated_by', 'update'))
  )
  execute function attune_private.tg__check_version();
create trigger _100_validate_value before insert or update on attune.plan_settings
  for each row execute function attune_private.tg__validate_value('plan');
create trigger _200_stamp before insert or update on attune.plan_settings
  for each row execute function attune_private.tg__stamp();

create table attune.team_settings (
  team_id uuid not null
    constraint team_settings_team_id_fkey references attune.teams (id) on delete cascade,
  key text not null
    constraint team_settings_key_fkey references attune.setting_definitions (key) on update cascade on delete restrict,
  value jsonb not null
    constraint team_settings_value_check check (octet_length(value::text) <= 65536),
  is_active boolean not null default true,
  is_enforced boolean not null default false,
  updated_by uuid,
  updated_at timestamptz not null default now(),
  constraint team_settings_pkey primary key (team_id, key)
);
create index team_settings_key_idx on attune.team_settings (key);
comment on table attune.team_settings is
  E'@readBy attune_hidden.readable_team_settings\n'
  '@behavior -insert -update -delete\n'
  '@foreignKey (updated_by) references attune.profiles (id)|@fieldName updatedBy|@backwardBehavior -*\n'
  'What the owners and administrators of a team chose for its members: those whose current team it is.';
comment on column attune.team_settings.team_id is 'Which team.';
comment on column attune.team_settings.key is 'Which setting.';
comment on column attune.team_settings.value is 'Its value; an object is merged over the broader layers (RFC 7396).';
comment on column attune.team_settings.is_active is
  E'@behavior +attribute:filterBy\n'
  'False keeps the value, and ignores it.';
comment on column attune.team_settings.is_enforced is
  E'@behavior +attribute:filterBy\n'
  'True ignores every narrower layer: no member can choose otherwise.';
comment on column attune.team_settings.updated_by is
  E'@name updated_by_id\n'
  'The user who last wrote it; null when it was a trusted server.';
comment on column attune.team_settings.updated_at is
  'When it was last written. '
  'In an update: the version that is changed, which was read (`changed_meanwhile`).';

alter table attune.team_settings enable row level security;
create policy team_settings_select_member_or_admin on attune.team_settings for select to authenticated
  using (
    (team_id = any (array(select attune_hidden.member_team_ids())) or (select attune.is_admin()))
    and key <> all (array(select attune_hidden.concealed_keys()))
  );
create policy team_settings_insert_team_admin_or_admin on attune.team_settings for insert to authenticated
  with check (team_id in (select attune_hidden.managed_team_ids()) or (select attune.is_admin()));
create policy team_settings_update_team_admin_or_admin on attune.team_settings for update to authenticated
  using (team_id in (select attune_hidden.managed_team_ids()) or (select attune.is_admin()))
  with check (team_id in (select attune_hidden.managed_team_ids()) or (select attune.is_admin()));
create policy team_settings_delete_team_admin_or_admin on attune.team_settings for delete to authenticated
  using (team_id in (select attune_hidden.managed_team_ids()) or (select attune.is_admin()));
create policy team_settings_all_service_role on attune.team_settings for all to service_role
  using (true) with check (true);

revoke all on attune.team_settings from public;
grant
  select,
  insert (team_id, key, value, is_active, is_enforced),
  update (value, is_active, is_enforced, updated_at),
  delete
  on attune.team_settings to authenticated, service_role;

--! Included settings/hidden/readable_team_settings.sql
create or replace function attune_hidden.readable_team_settings()
returns setof attune.team_settings
language sql stable security invoker
begin atomic
  select
    c.team_id, c.key, c.value, c.is_active, c.is_enforced, c.updated_by, c.updated_at
  from (
    select false as is_everybodys, t.* from attune.team_settings as t
    where t.team_id = any (array(select attune_hidden.member_team_ids()))
    union all
    select true, t.* from attune.team_settings as t
  ) as c
  where c.is_everybodys = (select current_user <> 'authenticated' or attune.is_admin());
end;
comment on function attune_hidden.readable_team_settings() is
  'The rows of `team_settings` that the caller may read, found by index, as `readable_configuration_audit_log` does.';
revoke all on function attune_hidden.readable_team_settings() from public;
grant execute on function attune_hidden.readable_team_settings() to authenticated, service_role;
--! EndIncluded settings/hidden/readable_team_settings.sql

create trigger _050_authorize before insert or update or delete on attune.team_settings
  for each row when (row_security_active('attune.team_settings') and not pg_has_role(current_user, 'service_role', 'usage'))
  execute function attune_private.tg_team_settings__authorize();
create trigger _060_check_version before update on attune.team_settings
  for each row when (
    new.updated_at is distinct from old.updated_at
    -- What a function of ours hands on, see `tg__stamp`.
    and not (new.updated_at = 'infinity' and has_column_privilege('attune.team_settings'::regclass, 'updated_by', 'update'))
  )
  execute function attune_private.tg__check_version();
create trigger _100_validate_value before insert or update on attune.team_settings
  for each row execute function attune_private.tg__validate_value('team');
create trigger _200_stamp before insert or update on attune.team_settings
  for each row execute function attune_private.tg__stamp();

create table attune.user_preferences (
  user_id uuid not null
    constraint user_preferences_user_id_fkey references attune.users (id) on delete cascade,
  key text not null
    constraint user_preferences_key_fkey references attune.setting_definitions (key) on update cascade on delete restrict,
  value jsonb not null
    constraint user_preferences_value_check check (octet_length(value::text) <= 65536),
  is_active boolean not null default true,
  updated_by uuid,
  updated_at timestamptz not null default now(),
  constraint user_preferences_pkey primary key (user_id, key)
);
create index user_preferences_key_idx on attune.user_preferences (key, user_id);
comment on table attune.user_preferences is
  E'@behavior -insert -update -delete\n'
  '@foreignKey (updated_by) references attune.profiles (id)|@fieldName updatedBy|@backwardBehavior -*\n'
  'What users chose for themselves. '
  'A user sees and changes only their own.';
comment on column attune.user_preferences.user_id is 'Whose choice it is.';
comment on column attune.user_preferences.key is 'Which setting.';
comment on column attune.user_preferences.value is 'What was chosen; of an object, only the members that were.';
comment on column attune.user_preferences.is_active is 'False keeps the value, and ignores it.';
comment on column attune.user_preferences.updated_by is
  E'@name updated_by_id\n'
  'The user who last wrote it; null when it was a trusted server.';
comment on column attune.user_preferences.updated_at is
  'When it was last written. '
  'In an update: the version that is changed, which was read (`changed_meanwhile`).';

alter table attune.user_preferences enable row level security;
create policy user_preferences_select_self_or_admin on attune.user_preferences for select to authenticated
  using (
    user_id between (select attune_hidden.visible_from()) and (select attune_hidden.visible_to())
    and key not in (select attune_hidden.concealed_keys())
  );
create policy user_preferences_insert_self_or_admin on attune.user_preferences for insert to authenticated
  with check (user_id between (select attune_hidden.visible_from()) and (select attune_hidden.visible_to()));
create policy user_preferences_update_self_or_admin on attune.user_preferences for update to authenticated
  using (user_id between (select attune_hidden.visible_from()) and (select attune_hidden.visible_to()))
  with check (user_id between (select attune_hidden.visible_from()) and (select attune_hidden.visible_to()));
create policy user_preferences_delete_self_or_admin on attune.user_preferences for delete to authenticated
  using (user_id between (select attune_hidden.visible_from()) and (select attune_hidden.visible_to()));
create policy user_preferences_all_service_role on attune.user_preferences for all to service_role
  using (true) with check (true);

revoke all on attune.user_preferences from public;
grant
  select,
  insert (user_id, key, value, is_active),
  update (value, is_active, updated_at),
  delete
  on attune.user_preferences to authenticated, service_role;

-- Who may write follows the rows that row level security guards: not for the owner, whose functions seed and discard.
create trigger _050_authorize_preference before insert or update or delete on attune.user_preferences
  for each row when (row_security_active('attune.user_preferences') and not pg_has_role(current_user, 'service_role', 'usage'))
  execute function attune_private.tg__authorize_preference();
create trigger _060_check_version before update on attune.user_preferences
  for each row when (
    new.updated_at is distinct from old.updated_at
    -- What a function of ours hands on, see `tg__stamp`.
    and not (new.updated_at = 'infinity' and has_column_privilege('attune.user_preferences'::regclass, 'updated_by', 'update'))
  )
  execute function attune_private.tg__check_version();
create trigger _100_validate_value before insert or update on attune.user_preferences
  for each row execute function attune_private.tg__validate_value('user');
create trigger _200_stamp before insert or update on attune.user_preferences
  for each row execute function attune_private.tg__stamp();
create trigger _300_one_at_a_time before insert on attune.user_preferences
  for each row execute function attune_private.tg__one_at_a_time();
-- What a user is given when they register is not limited: a low limit would let nobody in.
create trigger _400_limit_preferences after insert on attune.user_preferences
  referencing new table as inserted
  for each statement when (row_security_active('attune.user_preferences'))
  execute function attune_private.tg__limit_preferences();

create table attune.project_preferences (
  user_id uuid not null,
  project_id uuid not null,
  key text not null
    constraint project_preferences_key_fkey references attune.setting_definitions (key) on update cascade on delete restrict,
  value jsonb not null
    constraint project_preferences_value_check check (octet_length(value::text) <= 65536),
  is_active boolean not null default true,
  updated_by uuid,
  updated_at timestamptz not null default now(),
  constraint project_preferences_pkey primary key (user_id, project_id, key),
  -- What somebody chose in a project goes with their membership.
  constraint project_preferences_user_id_project_id_fkey foreign key (user_id, project_id)
    references attune.project_members (user_id, project_id) on delete cascade
);
create index project_preferences_key_idx on attune.project_preferences (key, user_id);
comment on table attune.project_preferences is
  E'@behavior -insert -update -delete\n'
  '@foreignKey (updated_by) references attune.profiles (id)|@fieldName updatedBy|@backwardBehavior -*\n'
  'What users chose for themselves in one project. '
  'A user sees and changes only their own, while a member.';
comment on column attune.project_preferences.user_id is 'Whose choice it is.';
comment on column attune.project_preferences.project_id is 'In which project.';
comment on column attune.project_preferences.key is 'Which setting.';
comment on column attune.project_preferences.value is 'What was chosen; of an object, only the members that were.';
comment on column attune.project_preferences.is_active is 'False keeps the value, and ignores it.';
comment on column attune.project_preferences.updated_by is
  E'@name updated_by_id\n'
  'The user who last wrote it; null when it was a trusted server.';
comment on column attune.project_preferences.updated_at is
  'When it was last written. '
  'In an update: the version that is changed, which was read (`changed_meanwhile`).';

alter table attune.project_preferences enable row level security;
create policy project_preferences_select_self_or_admin on attune.project_preferences for select to authenticated
  using (
    user_id between (select attune_hidden.visible_from()) and (select attune_hidden.visible_to())
    and key not in (select attune_hidden.concealed_keys())
  );
create policy project_preferences_insert_self_or_admin on attune.project_preferences for insert to authenticated
  with check (user_id between (select attune_hidden.visible_from()) and (select attune_hidden.visible_to()));
create policy project_preferences_update_self_or_admin on attune.project_preferences for update to authenticated
  using (user_id between (select attune_hidden.visible_from()) and (select attune_hidden.visible_to()))
  with check (user_id between (select attune_hidden.visible_from()) and (select attune_hidden.visible_to()));
create policy project_preferences_delete_self_or_admin on attune.project_preferences for delete to authenticated
  using (user_id between (select attune_hidden.visible_from()) and (select attune_hidden.visible_to()));
create policy project_preferences_all_service_role on attune.project_preferences for all to service_role
  using (true) with check (true);

revoke all on attune.project_preferences from public;
grant
  select,
  insert (user_id, project_id, key, value, is_active),
  update (value, is_active, updated_at),
  delete
  on attune.project_preferences to authenticated, service_role;

create trigger _050_authorize_preference before insert or update or delete on attune.project_preferences
  for each row when (row_security_active('attune.project_preferences') and not pg_has_role(current_user, 'service_role', 'usage'))
  execute function attune_private.tg__authorize_preference();
create trigger _060_check_version before update on attune.project_preferences
  for each row when (
    new.updated_at is distinct from old.updated_at
    -- What a function of ours hands on, see `tg__stamp`.
    and not (new.updated_at = 'infinity' and has_column_privilege('attune.project_preferences'::regclass, 'updated_by', 'update'))
  )
  execute function attune_private.tg__check_version();
create trigger _100_validate_value before insert or update on attune.project_preferences
  for each row execute function attune_private.tg__validate_value('project');
create trigger _200_stamp before insert or update on attune.project_preferences
  for each row execute function attune_private.tg__stamp();
create trigger _300_one_at_a_time before insert on attune.project_preferences
  for each row execute function attune_private.tg__one_at_a_time();
create trigger _400_limit_preferences after insert on attune.project_preferences
  referencing new table as inserted
  for each statement when (row_security_active('attune.project_preferences'))
  execute function attune_private.tg__limit_preferences();

-- What is stored

create type attune_private.stored_value as (layer attune.setting_layer, user_id uuid, scope text, value jsonb);
comment on type attune_private.stored_value is 'One stored value of a known setting, and where it is stored.';

create table attune_private.checked_definitions (
  transaction_id xid8 not null default pg_current_xact_id(),
  key text not null
    constraint checked_definitions_key_check check (char_length(key) <= 200),
  judged_by jsonb not null
    constraint checked_definitions_judged_by_check check (octet_length(judged_by::text) <= 150000),
  written_from xid8 not null,
  broken attune_private.stored_value[] not null,
  constraint checked_definitions_pkey primary key (transaction_id, key)
);
comment on table attune_private.checked_definitions is
  'Definitions that a transaction is about to write, by which it has judged what is stored: see `check_stored_values`. '
  'Nobody else ever sees a row.';
comment on column attune_private.checked_definitions.transaction_id is 'Which transaction.';
comment on column attune_private.checked_definitions.key is 'Which setting.';
comment on column attune_private.checked_definitions.judged_by is 'What of the definition decides, as `judged_by` has it.';
comment on column attune_private.checked_definitions.written_from is
  'What transactions before this one have written was judged.';
comment on column attune_private.checked_definitions.broken is 'The different values in it that are not allowed.';
alter table attune_private.checked_definitions enable row level security;
revoke all on attune_private.checked_definitions from public;

create table attune_private.rehearsals (
  transaction_id xid8 not null default pg_current_xact_id()
    constraint rehearsals_pkey primary key
);
comment on table attune_private.rehearsals is
  'Transactions that write definitions only to find what refuses them, and take it back: see `is_rehearsal`. '
  'Nobody else ever sees a row.';
comment on column attune_private.rehearsals.transaction_id is 'Which transaction.';
alter table attune_private.rehearsals enable row level security;
revoke all on attune_private.rehearsals from public;

--! Included settings/private/is_rehearsal.sql
create or replace function attune_private.is_rehearsal()
returns boolean
language sql stable security invoker
begin atomic
  select exists (
    select from attune_private.rehearsals as r where r.transaction_id = pg_current_xact_id_if_assigned()
  );
end;
comment on function attune_private.is_rehearsal() is
  'Whether definitions are written only to find what refuses them, by a dry run that takes it back: what is stored then '
  'stays as it is, and nobody is kept from writing.';
revoke all on function attune_private.is_rehearsal() from public;
--! EndIncluded settings/private/is_rehearsal.sql

--! Included settings/private/system_setting.sql
create or replace function attune_private.system_setting(key text)
returns jsonb
language sql stable parallel safe security invoker
begin atomic
  select coalesce(
    (select g.value from attune.global_settings as g where g.key = system_setting.key and g.is_active),
    (select d.default_value from attune.setting_definitions as d where d.key = system_setting.key)
  );
end;
comment on function attune_private.system_setting(text) is
  'What applies to everybody for a setting of category `system`: those that shape Attune itself.';
revoke all on function attune_private.system_setting(text) from public;
--! EndIncluded settings/private/system_setting.sql
--! Included settings/private/system_number.sql
create or replace function attune_private.system_number(key text, fallback integer)
returns integer
language sql stable parallel safe security invoker
begin atomic
  select coalesce(attune_private.system_setting(key)::integer, fallback);
end;
comment on function attune_private.system_number(text, integer) is
  'A setting of category `system` that is a whole number; the fallback where it is not defined.';
revoke all on function attune_private.system_number(text, integer) from public;
--! EndIncluded settings/private/system_number.sql
--! Included settings/private/system_interval.sql
create or replace function attune_private.system_interval(key text, fallback interval)
returns interval
language sql stable parallel safe security invoker
begin atomic
  select coalesce(make_interval(secs => (attune_private.system_setting(key) #>> '{}')::double precision), fallback);
end;
comment on function attune_private.system_interval(text, interval) is
  'A setting of category `system` that is a number of seconds; the fallback where it is not defined.';
revoke all on function attune_private.system_interval(text, interval) from public;
--! EndIncluded settings/private/system_interval.sql

-- What applies, and why

create type attune.effective_setting as (
  key text,
  category text,
  value jsonb,
  layer attune.setting_layer,
  reason attune.evaluation_reason,
  variant text,
  is_enforced boolean,
  can_edit boolean,
  description text,
  updated_at timestamptz,
  user_id uuid,
  project_id uuid,
  targeting_key text
);
comment on type attune.effective_setting is
  E'@id user_id,project_id,targeting_key,key\n'
  'What applies to one user for one setting, and where it comes from.';
comment on column attune.effective_setting.key is
  E'@notNull\n'
  'The setting''s name.';
comment on column attune.effective_setting.category is
  E'@notNull\n'
  'What it is listed under.';
comment on column attune.effective_setting.value is 'The value that applies.';
comment on column attune.effective_setting.layer is
  E'@notNull\n'
  'The narrowest layer that the value comes from.';
comment on column attune.effective_setting.reason is
  E'@notNull\n'
  'Why it applies, in the terms of OpenFeature.';
comment on column attune.effective_setting.variant is 'The name of the variant the user is in, or null.';
comment on column attune.effective_setting.is_enforced is
  E'@notNull\n'
  'Whether an administrator locked the value.';
comment on column attune.effective_setting.can_edit is
  E'@notNull\n'
  'Whether `set_setting` by the user would be accepted.';
comment on column attune.effective_setting.description is
  E'@notNull\n'
  'What the setting does.';
comment on column attune.effective_setting.updated_at is 'When the value that applies was written; null for a default.';
comment on column attune.effective_setting.user_id is 'To whom it applies; null where nobody is signed in.';
comment on column attune.effective_setting.project_id is 'In which project; null outside projects.';
comment on column attune.effective_setting.targeting_key is
  'Whom rollouts and variants drew, where nobody is signed in; null when it was not given.';

create type attune.ignored_reason as enum (
  'inactive', 'outside_rollout', 'enforced_by_global', 'enforced_by_plan', 'enforced_by_team', 'overridden_by_global',
  'overridden_by_plan', 'overridden_by_team', 'overridden_by_user', 'overridden_by_project'
);
comment on type attune.ignored_reason is
  E'@value inactive It is switched off.\n'
  '@value outside_rollout The user is not in its rollout.\n'
  '@value enforced_by_global The value for everybody is enforced.\n'
  '@value enforced_by_plan The value of the plan is enforced.\n'
  '@value enforced_by_team The value of the team is enforced.\n'
  '@value overridden_by_global The value for everybody replaces it.\n'
  '@value overridden_by_plan The value of the plan replaces it.\n'
  '@value overridden_by_team The value of the team replaces it.\n'
  '@value overridden_by_user The value of the user replaces it.\n'
  '@value overridden_by_project The value of the user in the project replaces it.\n'
  'Why a stored value does not count.';

create type attune.setting_explanation as (
  layer attune.setting_layer,
  value jsonb,
  is_set boolean,
  is_active boolean,
  is_enforced boolean,
  is_winner boolean,
  ignored_because attune.ignored_reason,
  updated_by uuid,
  updated_at timestamptz
);
comment on type attune.setting_explanation is 'What one layer says about a setting, and whether it counted.';
comment on column attune.setting_explanation.layer is
  E'@notNull\n'
  'Which layer.';
comment on column attune.setting_explanation.value is 'What it stores; null where it stores nothing.';
comment on column attune.setting_explanation.is_set is
  E'@notNull\n'
  'Whether the layer stores a value.';
comment on column attune.setting_explanation.is_active is
  E'@notNull\n'
  'Whether the stored value is switched on.';
comment on column attune.setting_explanation.is_enforced is
  E'@notNull\n'
  'Whether it locks the narrower layers.';
comment on column attune.setting_explanation.is_winner is
  E'@notNull\n'
  'Whether the effective value comes from here: the narrowest layer that counted.';
comment on column attune.setting_explanation.ignored_because is
  'Why a stored value does not count; null where it counts or nothing is stored. '
  'The members of an object count until a narrower layer sets them.';
comment on column attune.setting_explanation.updated_by is 'The user who wrote it.';
comment on column attune.setting_explanation.updated_at is 'When it was written.';

--! Included settings/private/multiply_32.sql
create or replace function attune_private.multiply_32(a bigint, b bigint)
returns bigint
language sql immutable parallel safe security invoker
begin atomic
  -- In halves, because the whole product would not fit into 64 signed bits.
  select (a * (b & 65535) + (((a * (b >> 16)) & 65535) << 16)) & 4294967295;
end;
comment on function attune_private.multiply_32(bigint, bigint) is
  'The product of two unsigned 32-bit numbers, modulo 2^32.';
revoke all on function attune_private.multiply_32(bigint, bigint) from public;
--! EndIncluded settings/private/multiply_32.sql
--! Included settings/private/murmur3_32.sql
create or replace function attune_private.murmur3_32(input text, seed bigint default 0)
returns bigint
language plpgsql immutable strict parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  bytes constant bytea := convert_to(input, 'UTF8');
  size constant integer := octet_length(bytes);
  hash bigint := seed & 4294967295;
  block bigint;
  width integer;
begin
  for start in 0 .. size - 1 by 4 loop
    width := least(4, size - start);
    block := 0;
    for offset_ in reverse width - 1 .. 0 loop
      block := (block << 8) | get_byte(bytes, start + offset_);
    end loop;

    block := attune_private.multiply_32(block, 3432918353);
    block := ((block << 15) | (block >> 17)) & 4294967295;
    block := attune_private.multiply_32(block, 461845907);
    hash := hash # block;

    -- The tail, of less than four bytes, is mixed in without this step.
    if width = 4 then
      hash := ((hash << 13) | (hash >> 19)) & 4294967295;
      hash := (hash * 5 + 3864292196) & 4294967295;
    end if;
  end loop;

  hash := hash # size;
  hash := attune_private.multiply_32(hash # (hash >> 16), 2246822507);
  hash := attune_private.multiply_32(hash # (hash >> 13), 3266489909);
  return hash # (hash >> 16);
end;
$$;
comment on function attune_private.murmur3_32(text, bigint) is
  'MurmurHash3, x86, 32 bits (Austin Appleby), of a text in UTF-8, as an unsigned number.';
revoke all on function attune_private.murmur3_32(text, bigint) from public;
--! EndIncluded settings/private/murmur3_32.sql
--! Included settings/private/bucket.sql
create or replace function attune_private.bucket(group_id text, stickiness text)
returns integer
language sql immutable parallel safe security invoker
begin atomic
  select (attune_private.murmur3_32(group_id || ':' || stickiness) % 100)::integer + 1;
end;
comment on function attune_private.bucket(text, text) is
  'The bucket, 1 to 100, of one user (`stickiness`) in one rollout (`group_id`). '
  'It is Unleash''s `normalizedStrategyValue`, so moving from Unleash moves nobody.';
revoke all on function attune_private.bucket(text, text) from public;
--! EndIncluded settings/private/bucket.sql
--! Included settings/private/choose_variant.sql
create or replace function attune_private.choose_variant(variants jsonb, group_id text, stickiness text)
returns jsonb
language sql immutable parallel safe security invoker
begin atomic
  -- As in Unleash: the weights share out the numbers 1 to their sum, in the order of the list.
  select v.variant
  from (
    select
      e.variant,
      e.place,
      sum((e.variant -> 'weight')::bigint) over (order by e.place) as upto,
      sum((e.variant -> 'weight')::bigint) over () as total
    from jsonb_array_elements(variants) with ordinality as e (variant, place)
  ) as v
  where v.upto > attune_private.murmur3_32(group_id || ':' || stickiness, 86028157) % v.total
  order by v.place
  limit 1;
end;
comment on function attune_private.choose_variant(jsonb, text, text) is
  'Which of the variants one user (`stickiness`) gets in one split (`group_id`), each its weight''s part of the sum; '
  'NULL without a user. '
  'It is what Unleash''s `selectVariant` chooses, by its `normalizedVariantValue`.';
revoke all on function attune_private.choose_variant(jsonb, text, text) from public;
--! EndIncluded settings/private/choose_variant.sql
--! Included settings/private/rows_at.sql
create or replace function attune_private.rows_at(model anyelement, at timestamptz, user_id uuid default null)
returns setof anyelement
language plpgsql stable parallel safe security invoker
rows 20
set search_path = pg_catalog, pg_temp
as $$
declare
  source constant regclass := pg_typeof(model)::text;
  -- What the log says about the table: subject, layer, and the columns that have name, value and scope.
  told constant text[] := (
    select string_to_array(encode(t.tgargs, 'escape'), '\000')
    from pg_trigger as t
    where t.tgrelid = source
      and t.tgname = '_900_audit'
  );
  name_column constant text := nullif(told[3], '');
  value_column constant text := nullif(told[4], '');
  scope_column constant text := case when told[5] <> '' then told[5] end;
  is_owned constant boolean := exists (
    select from pg_attribute as a where a.attrelid = source and a.attname = 'user_id'
  );
begin
  return query execute format(
    $query$
      with later as (
        -- What was changed after the moment, or was changed before and not committed yet.
        select
          l.*,
          l.operation = 'UPDATE' and l.previous_attributes ?| $4 as is_moved
        from attune.configuration_audit_log as l
        where l.subject = %1$L
          and %2$s
          and ($3 is null or l.user_id = $3)
          and l.occurred_at > $2 - interval '1 day'
          and (
            l.occurred_at > $2
            or attune_private.committed_at(l.id, l.transaction_id, l.occurred_at) > $2
          )
      ),
      found as (
        -- What each change found where it wrote: what was moved here was not here.
        select l.id, l.user_id, l.scope, l.key, l.operation <> 'INSERT' and not l.is_moved as was_there, l as change
        from later as l
        union all
        select
          l.id,
          coalesce((l.previous_attributes ->> 'user_id')::uuid, l.user_id),
          coalesce(l.previous_attributes ->> %3$L, l.scope),
          coalesce(l.previous_attributes ->> %4$L, l.key),
          true,
          l
        from later as l
        where l.is_moved
      ),
      firsts as materialized (
        select distinct on (f.user_id, f.scope, f.key) f.*
        from found as f
        order by f.user_id, f.scope, f.key, f.id
      )
      select t.*
      from %5$s as t
      where %6$s
        and not exists (select from firsts as f where %7$s)
      union all
      select %8$s
      from firsts as f
      cross join lateral jsonb_populate_record(
        $1,
        (f.change).previous_attributes || jsonb_build_object(
          'user_id', f.user_id,
          coalesce(%3$L, '-'), f.scope,
          coalesce(%4$L, '-'), f.key,
          coalesce(%9$L, '-'), (f.change).previous_value,
          'updated_by', (f.change).previous_updated_by,
          'updated_at', (f.change).previous_updated_at
        )
      ) as r
      where f.was_there
    $query$,
    told[1],
    -- As the index on the layers of administrators is defined.
    case when told[2] = '' then 'l.layer is null' else format('l.layer = %L', told[2]) end,
    scope_column,
    name_column,
    source,
    case when is_owned then '($3 is null or t.user_id = $3)' else 'true' end,
    concat_ws(
      ' and ',
      case when is_owned then 'f.user_id = t.user_id' end,
      'f.scope = t.' || quote_ident(scope_column) || '::text',
      'f.key = t.' || quote_ident(name_column)
    ),
    (
      select string_agg(
        case
          -- A value that is JSON's null is no missing one.
          when a.attname = value_column and a.atttypid = 'jsonb'::regtype then '(f.change).previous_value'
          else format('r.%I', a.attname)
        end,
        ', ' order by a.attnum
      )
      from pg_attribute as a
      where a.attrelid = source
        and a.attnum > 0
        and not a.attisdropped
    ),
    value_column
  )
  using model, at, user_id, array_remove(array[name_column, 'user_id', scope_column], null);
end;
$$;
comment on function attune_private.rows_at(anyelement, timestamptz, uuid) is
  'The rows of an audited table (its row type says which, a NULL of it), of one user or (NULL) all, as they were at a '
  'moment: those that were changed since are what the first change found. '
  'So what was before the log began, or was purged from it, is as it was then. '
  'What was not committed yet was not there, where PostgreSQL tells when that was (`track_commit_timestamp`), and if it '
  'took less than a day.';
revoke all on function attune_private.rows_at(anyelement, timestamptz, uuid) from public;
--! EndIncluded settings/private/rows_at.sql
--! Included settings/private/found_columns.sql
create or replace function attune_private.found_columns(user_id uuid, at timestamptz)
returns table (key text, previous_value jsonb)
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select distinct on (l.key) l.key, l.previous_value
    from attune.configuration_audit_log as l
    where l.user_id = found_columns.user_id
      and l.subject = 'user'
      and l.operation = 'UPDATE'
      and l.occurred_at > found_columns.at - interval '1 day'
      and (
        l.occurred_at > found_columns.at
        or attune_private.committed_at(l.id, l.transaction_id, l.occurred_at) > found_columns.at
      )
    order by l.key, l.id;
end;
$$;
comment on function attune_private.found_columns(uuid, timestamptz) is
  'What was changed of a user since a moment: each column as the first change found it.';
revoke all on function attune_private.found_columns(uuid, timestamptz) from public;
--! EndIncluded settings/private/found_columns.sql
--! Included settings/private/users_at.sql
create or replace function attune_private.users_at(user_id uuid, at timestamptz)
returns setof attune.users
language sql stable parallel safe security invoker
begin atomic
  select u.*
  from attune.users as u
  where u.id = users_at.user_id
    and users_at.at is null
  union all
  select r.*
  from attune.users as u
  cross join lateral (
    select jsonb_object_agg(f.key, f.previous_value) as columns
    from attune_private.found_columns(users_at.user_id, users_at.at) as f
  ) as f
  cross join lateral jsonb_populate_record(u, coalesce(f.columns, '{}')) as r
  where u.id = users_at.user_id
    and u.created_at <= users_at.at;
end;
comment on function attune_private.users_at(uuid, timestamptz) is
  'A user as they were at a moment, NULL for now, in what decides about their settings and rights.';
revoke all on function attune_private.users_at(uuid, timestamptz) from public;
--! EndIncluded settings/private/users_at.sql
--! Included settings/private/definitions_at.sql
create or replace function attune_private.definitions_at(at timestamptz)
returns setof attune.setting_definitions
language sql stable parallel safe security invoker
begin atomic
  select d.*
  from attune.setting_definitions as d
  where definitions_at.at is null
  union all
  select r.*
  from attune_private.rows_at(null::attune.setting_definitions, definitions_at.at) as r
  where definitions_at.at is not null;
end;
comment on function attune_private.definitions_at(timestamptz) is
  'The rows of `setting_definitions` as they were at a moment, NULL for now: then it is the table, and planned as such.';
revoke all on function attune_private.definitions_at(timestamptz) from public;
--! EndIncluded settings/private/definitions_at.sql
--! Included settings/private/global_settings_at.sql
create or replace function attune_private.global_settings_at(at timestamptz)
returns setof attune.global_settings
language sql stable parallel safe security invoker
begin atomic
  select g.*
  from attune.global_settings as g
  where global_settings_at.at is null
  union all
  select r.*
  from attune_private.rows_at(null::attune.global_settings, global_settings_at.at) as r
  where global_settings_at.at is not null;
end;
comment on function attune_private.global_settings_at(timestamptz) is
  'The rows of `global_settings` as they were at a moment, NULL for now: then it is the table, and planned as such.';
revoke all on function attune_private.global_settings_at(timestamptz) from public;
--! EndIncluded settings/private/global_settings_at.sql
--! Included settings/private/plan_settings_at.sql
create or replace function attune_private.plan_settings_at(at timestamptz)
returns setof attune.plan_settings
language sql stable parallel safe security invoker
begin atomic
  select p.*
  from attune.plan_settings as p
  where plan_settings_at.at is null
  union all
  select r.*
  from attune_private.rows_at(null::attune.plan_settings, plan_settings_at.at) as r
  where plan_settings_at.at is not null;
end;
comment on function attune_private.plan_settings_at(timestamptz) is
  'The rows of `plan_settings` as they were at a moment, NULL for now: then it is the table, and planned as such.';
revoke all on function attune_private.plan_settings_at(timestamptz) from public;
--! EndIncluded settings/private/plan_settings_at.sql
--! Included settings/private/team_members_at.sql
create or replace function attune_private.team_members_at(user_id uuid, at timestamptz)
returns setof attune.team_members
language sql stable parallel safe security invoker
begin atomic
  select m.*
  from attune.team_members as m
  where m.user_id = team_members_at.user_id
    and team_members_at.at is null
  union all
  select r.*
  from attune_private.rows_at(null::attune.team_members, team_members_at.at, team_members_at.user_id) as r
  where team_members_at.user_id is not null
    and team_members_at.at is not null;
end;
comment on function attune_private.team_members_at(uuid, timestamptz) is
  'The rows of `team_members` of one user as they were at a moment. '
  'NULL is now: then it is the table, and planned as such.';
revoke all on function attune_private.team_members_at(uuid, timestamptz) from public;
--! EndIncluded settings/private/team_members_at.sql
--! Included settings/private/team_settings_at.sql
create or replace function attune_private.team_settings_at(at timestamptz)
returns setof attune.team_settings
language sql stable parallel safe security invoker
begin atomic
  select t.*
  from attune.team_settings as t
  where team_settings_at.at is null
  union all
  select r.*
  from attune_private.rows_at(null::attune.team_settings, team_settings_at.at) as r
  where team_settings_at.at is not null;
end;
comment on function attune_private.team_settings_at(timestamptz) is
  'The rows of `team_settings` as they were at a moment, NULL for now: then it is the table, and planned as such.';
revoke all on function attune_private.team_settings_at(timestamptz) from public;
--! EndIncluded settings/private/team_settings_at.sql
--! Included settings/private/user_preferences_at.sql
create or replace function attune_private.user_preferences_at(user_id uuid, at timestamptz)
returns setof attune.user_preferences
language sql stable parallel safe security invoker
begin atomic
  select p.*
  from attune.user_preferences as p
  where p.user_id = user_preferences_at.user_id
    and user_preferences_at.at is null
  union all
  select r.*
  from attune_private.rows_at(null::attune.user_preferences, user_preferences_at.at, user_preferences_at.user_id) as r
  where user_preferences_at.user_id is not null
    and user_preferences_at.at is not null;
end;
comment on function attune_private.user_preferences_at(uuid, timestamptz) is
  'The rows of `user_preferences` of one user as they were at a moment. '
  'NULL is now: then it is the table, and planned as such.';
revoke all on function attune_private.user_preferences_at(uuid, timestamptz) from public;
--! EndIncluded settings/private/user_preferences_at.sql
--! Included settings/private/project_members_at.sql
create or replace function attune_private.project_members_at(user_id uuid, at timestamptz)
returns setof attune.project_members
language sql stable parallel safe security invoker
begin atomic
  select m.*
  from attune.project_members as m
  where m.user_id = project_members_at.user_id
    and project_members_at.at is null
  union all
  select r.*
  from attune_private.rows_at(null::attune.project_members, project_members_at.at, project_members_at.user_id) as r
  where project_members_at.user_id is not null
    and project_members_at.at is not null;
end;
comment on function attune_private.project_members_at(uuid, timestamptz) is
  'The rows of `project_members` of one user as they were at a moment. '
  'NULL is now: then it is the table, and planned as such.';
revoke all on function attune_private.project_members_at(uuid, timestamptz) from public;
--! EndIncluded settings/private/project_members_at.sql
--! Included settings/private/project_preferences_at.sql
create or replace function attune_private.project_preferences_at(user_id uuid, at timestamptz)
returns setof attune.project_preferences
language sql stable parallel safe security invoker
begin atomic
  select p.*
  from attune.project_preferences as p
  where p.user_id = project_preferences_at.user_id
    and project_preferences_at.at is null
  union all
  select r.*
  from attune_private.rows_at(null::attune.project_preferences, project_preferences_at.at, project_preferences_at.user_id) as r
  where project_preferences_at.user_id is not null
    and project_preferences_at.at is not null;
end;
comment on function attune_private.project_preferences_at(uuid, timestamptz) is
  'The rows of `project_preferences` of one user as they were at a moment. '
  'NULL is now: then it is the table, and planned as such.';
revoke all on function attune_private.project_preferences_at(uuid, timestamptz) from public;
--! EndIncluded settings/private/project_preferences_at.sql
--! Included settings/private/rollout_group.sql
create or replace function attune_private.rollout_group(key text)
returns text
language sql stable parallel safe security invoker
begin atomic
  select d.rollout_group from attune.setting_definitions as d where d.key = rollout_group.key;
end;
comment on function attune_private.rollout_group(text) is
  'Whom a rollout of a setting draws together: settings of one group draw the same users.';
revoke all on function attune_private.rollout_group(text) from public;
--! EndIncluded settings/private/rollout_group.sql
--! Included settings/private/stored_settings.sql
create or replace function attune_private.stored_settings(
  user_id uuid,
  project_id uuid,
  targeting_key text,
  at timestamptz default null
)
returns table (
  key text,
  layer attune.setting_layer,
  value jsonb,
  is_active boolean,
  is_enforced boolean,
  is_targeted boolean,
  is_split boolean,
  variant text,
  updated_by uuid,
  updated_at timestamptz
)
language sql stable parallel safe security invoker
begin atomic
  select
    g.key,
    'global'::attune.setting_layer,
    case
      when v.variant is null then g.value
      when d.merge = 'replace' then v.variant -> 'value'
      else attune_hidden.json_merge_patch(g.value, v.variant -> 'value')
    end,
    g.is_active,
    g.is_enforced,
    case g.rollout_percentage
      when 100 then true
      when 0 then false
      else coalesce(
        attune_private.bucket(
          d.rollout_group,
          coalesce(stored_settings.user_id::text, nullif(stored_settings.targeting_key, ''))
        ) <= g.rollout_percentage,
        false
      )
    end,
    g.rollout_percentage < 100 or v.variant is not null,
    v.variant ->> 'name',
    g.updated_by,
    g.updated_at
  from attune_private.global_settings_at(stored_settings.at) as g
  join attune_private.definitions_at(stored_settings.at) as d on d.key = g.key
  cross join lateral (
    select case
      when g.variants is not null then attune_private.choose_variant(
        g.variants,
        d.rollout_group,
        coalesce(stored_settings.user_id::text, nullif(stored_settings.targeting_key, ''))
      )
    end
  ) as v (variant)
  union all
  select p.key, 'plan', p.value, p.is_active, p.is_enforced, true, false, null, p.updated_by, p.updated_at
  from attune_private.users_at(stored_settings.user_id, stored_settings.at) as u
  join attune_private.plan_settings_at(stored_settings.at) as p on p.plan = u.plan
  union all
  select t.key, 'team', t.value, t.is_active, t.is_enforced, true, false, null, t.updated_by, t.updated_at
  from attune_private.users_at(stored_settings.user_id, stored_settings.at) as u
  join attune_private.team_members_at(stored_settings.user_id, stored_settings.at) as m on m.team_id = u.current_team_id
  join attune_private.team_settings_at(stored_settings.at) as t on t.team_id = m.team_id
  union all
  select p.key, 'user', p.value, p.is_active, false, true, false, null, p.updated_by, p.updated_at
  from attune_private.user_preferences_at(stored_settings.user_id, stored_settings.at) as p
  union all
  select p.key, 'project', p.value, p.is_active, false, true, false, null, p.updated_by, p.updated_at
  from attune_private.project_preferences_at(stored_settings.user_id, stored_settings.at) as p
  where p.project_id = stored_settings.project_id;
end;
comment on function attune_private.stored_settings(uuid, uuid, text, timestamptz) is
  'What the layers store for one user, in one project or (NULL) in none, now (NULL) or at a moment, a row each: the '
  'place where a further layer joins the resolution. '
  'Rollouts and variants draw the user, or, where there is none, the visitor with this targeting key.';
revoke all on function attune_private.stored_settings(uuid, uuid, text, timestamptz) from public;
--! EndIncluded settings/private/stored_settings.sql
--! Included settings/private/judged_settings.sql
create or replace function attune_private.judged_settings(
  user_id uuid,
  project_id uuid,
  targeting_key text default null,
  at timestamptz default null
)
returns table (
  key text,
  layer attune.setting_layer,
  value jsonb,
  is_active boolean,
  is_enforced boolean,
  is_targeted boolean,
  is_split boolean,
  variant text,
  updated_by uuid,
  updated_at timestamptz,
  enforced_by attune.setting_layer,
  counts boolean
)
language sql stable parallel safe security invoker
begin atomic
  select
    e.key, e.layer, e.value, e.is_active, e.is_enforced, e.is_targeted, e.is_split, e.variant, e.updated_by, e.updated_at,
    e.enforced_by,
    e.is_active and e.is_targeted and e.layer <= coalesce(e.enforced_by, 'project')
  from (
    select
      s.*,
      min(s.layer) filter (where s.is_enforced and s.is_active and s.is_targeted)
        over (partition by s.key) as enforced_by
    from attune_private.stored_settings(
      judged_settings.user_id, judged_settings.project_id, judged_settings.targeting_key, judged_settings.at
    ) as s
  ) as e;
end;
comment on function attune_private.judged_settings(uuid, uuid, text, timestamptz) is
  'What the layers store for one user, now or at a moment, each with the broadest layer that enforces the setting and '
  'whether the value counts: active, meant for this user, and not locked out.';
revoke all on function attune_private.judged_settings(uuid, uuid, text, timestamptz) from public;
--! EndIncluded settings/private/judged_settings.sql
--! Included settings/private/merge_values.sql
create or replace function attune_private.merge_values(
  merge attune.setting_merge,
  seeding attune.setting_seeding,
  default_value jsonb,
  layers attune.setting_layer[],
  layer_values jsonb[]
)
returns jsonb
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  narrowest constant jsonb := layer_values[cardinality(layer_values)];
  -- Who holds a copy holds the whole: nothing broader shines through.
  copy constant integer := case seeding when 'copy' then array_position(layers, 'user') end;
  merged jsonb := default_value;
  layer_value jsonb;
begin
  -- Most settings are no objects: the narrowest value is all there is to it.
  if merge = 'replace' or jsonb_typeof(narrowest) <> 'object' then
    return narrowest;
  end if;

  if copy is not null then
    merged := layer_values[copy];
  end if;

  foreach layer_value in array layer_values[coalesce(copy, 0) + 1:] loop
    merged := attune_hidden.json_merge_patch(merged, layer_value);
  end loop;

  return merged;
end;
$$;
comment on function attune_private.merge_values(
  attune.setting_merge, attune.setting_seeding, jsonb, attune.setting_layer[], jsonb[]
) is
  'What applies, of the default and the values of the layers, broad to narrow: with `replace` the narrowest, with '
  '`deep` all merged (RFC 7396), from the copy on where the user holds one.';
revoke all on function attune_private.merge_values(
  attune.setting_merge, attune.setting_seeding, jsonb, attune.setting_layer[], jsonb[]
) from public;
--! EndIncluded settings/private/merge_values.sql
--! Included settings/private/whole_value.sql
create or replace function attune_private.whole_value(
  definition attune.setting_definitions,
  layer attune.setting_layer,
  value jsonb,
  user_id uuid default null,
  project_id uuid default null
)
returns jsonb
language sql stable parallel safe security invoker
begin atomic
  select attune_private.merge_values(
    (definition).merge,
    (definition).seeding,
    (definition).default_value,
    array_agg(j.layer order by j.layer) || whole_value.layer,
    array_agg(j.value order by j.layer) || whole_value.value
  )
  from attune_private.judged_settings(whole_value.user_id, whole_value.project_id) as j
  where j.key = (definition).key
    and j.layer < whole_value.layer
    and j.counts;
end;
comment on function attune_private.whole_value(
  attune.setting_definitions, attune.setting_layer, jsonb, uuid, uuid
) is
  'What a value of a layer amounts to with what is broader, for everybody or for one user, by a definition: what has to '
  'be stored in its place where the layer holds whole values from now on.';
revoke all on function attune_private.whole_value(
  attune.setting_definitions, attune.setting_layer, jsonb, uuid, uuid
) from public;
--! EndIncluded settings/private/whole_value.sql
--! Included settings/private/judged_by.sql
create or replace function attune_private.judged_by(definition attune.setting_definitions)
returns jsonb
language sql immutable parallel safe security invoker
begin atomic
  select jsonb_build_array(
    (definition).schema, (definition).default_value, (definition).merge, (definition).seeding
  );
end;
comment on function attune_private.judged_by(attune.setting_definitions) is
  'All of a definition that decides whether a value is allowed in a layer that may hold one.';
revoke all on function attune_private.judged_by(attune.setting_definitions) from public;
--! EndIncluded settings/private/judged_by.sql
--! Included settings/private/may_break_values.sql
create or replace function attune_private.may_break_values(
  present attune.setting_definitions,
  wanted attune.setting_definitions
)
returns boolean
language sql immutable parallel safe security invoker
begin atomic
  select (wanted).layer < (present).layer
    or attune_private.judged_by(wanted) is distinct from attune_private.judged_by(present);
end;
comment on function attune_private.may_break_values(attune.setting_definitions, attune.setting_definitions) is
  'Whether a definition could refuse a stored value that the present one allows.';
revoke all on function attune_private.may_break_values(attune.setting_definitions, attune.setting_definitions)
  from public;
--! EndIncluded settings/private/may_break_values.sql
--! Included settings/private/stored_values.sql
create or replace function attune_private.stored_values(definition attune.setting_definitions, written_from xid8)
returns setof attune_private.stored_value
language sql stable security invoker
begin atomic
  -- Where a layer holds whole values from now on, each is judged as what it amounts to.
  select s.layer, s.user_id, s.scope, s.value
  from attune.setting_definitions as present
  cross join lateral (
    select
      present.merge <> (stored_values.definition).merge and present.merge = 'deep' as of_all,
      not attune_private.holds_whole_value(present.merge, present.seeding, 'user')
        and attune_private.holds_whole_value(
          (stored_values.definition).merge, (stored_values.definition).seeding, 'user'
        ) as of_users
  ) as becomes_whole
  cross join lateral (
    select
      'global'::attune.setting_layer, null::uuid, null::text,
      case when of_all then attune_private.whole_value(present, 'global', g.value) else g.value end,
      g.xmin
    from attune.global_settings as g
    where g.key = present.key
    union all
    select
      'global', null, v.variant ->> 'name',
      case
        when of_all
          then attune_private.whole_value(present, 'global', attune_hidden.json_merge_patch(g.value, v.variant -> 'value'))
        when (stored_values.definition).merge = 'replace' then v.variant -> 'value'
        else attune_hidden.json_merge_patch(g.value, v.variant -> 'value')
      end,
      g.xmin
    from attune.global_settings as g
    cross join jsonb_array_elements(g.variants) as v (variant)
    where g.key = present.key
    union all
    select
      'plan', null, p.plan,
      case when of_all then attune_private.whole_value(present, 'plan', p.value) else p.value end,
      p.xmin
    from attune.plan_settings as p
    where p.key = present.key
    union all
    select
      'team', null, t.team_id::text,
      case when of_all then attune_private.whole_value(present, 'team', t.value) else t.value end,
      t.xmin
    from attune.team_settings as t
    where t.key = present.key
    union all
    select
      'user', p.user_id, null,
      case when of_users then attune_private.whole_value(present, 'user', p.value, p.user_id) else p.value end,
      p.xmin
    from attune.user_preferences as p
    where p.key = present.key
    union all
    select
      'project', p.user_id, p.project_id::text,
      case
        when of_all then attune_private.whole_value(present, 'project', p.value, p.user_id, p.project_id)
        else p.value
      end,
      p.xmin
    from attune.project_preferences as p
    where p.key = present.key
  ) as s (layer, user_id, scope, value, written_by)
  where present.key = (stored_values.definition).key
    -- Numbers of transactions come round again: one that is very old may count as new, none that is new as old.
    and (stored_values.written_from is null or age(s.written_by) <= age(stored_values.written_from::xid));
end;
comment on function attune_private.stored_values(attune.setting_definitions, xid8) is
  'What is stored of a setting, as this definition of it would take it; those of variants have their name as scope. '
  'Only what transactions have written that ended after those before this one; all, with NULL.';
revoke all on function attune_private.stored_values(attune.setting_definitions, xid8) from public;
--! EndIncluded settings/private/stored_values.sql
--! Included settings/private/broken_forms.sql
create or replace function attune_private.broken_forms(definition attune.setting_definitions, written_from xid8)
returns setof attune_private.stored_value
language sql stable security invoker
begin atomic
  -- Many hold the same: each value is judged once.
  with forms as materialized (
    select distinct s.layer, s.value
    from attune_private.stored_values(broken_forms.definition, broken_forms.written_from) as s
  )
  select f.layer, null::uuid, null::text, f.value
  from forms as f
  where attune_private.stored_value_problem(broken_forms.definition, f.layer, f.value) is not null;
end;
comment on function attune_private.broken_forms(attune.setting_definitions, xid8) is
  'The different values in `stored_values` that this definition would not allow.';
revoke all on function attune_private.broken_forms(attune.setting_definitions, xid8) from public;
--! EndIncluded settings/private/broken_forms.sql
--! Included settings/private/broken_values.sql
create or replace function attune_private.broken_values(definition attune.setting_definitions)
returns setof attune_private.stored_value
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  checked attune_private.checked_definitions;
  broken attune_private.stored_value[];
begin
  -- What the present definition allows needs no judgement while nothing else decides.
  if not exists (
    select from attune.setting_definitions as d
    where d.key = definition.key
      and attune_private.judged_by(d) = attune_private.judged_by(definition)
  ) then
    select c.* into checked
    from attune_private.checked_definitions as c
    where c.transaction_id = pg_current_xact_id_if_assigned()
      and c.key = definition.key
      and c.judged_by = attune_private.judged_by(definition);

    broken := checked.broken
      || array(select f from attune_private.broken_forms(definition, checked.written_from) as f);
  end if;

  return query
    select s.*
    from attune_private.stored_values(definition, null) as s
    where s.layer > definition.layer;

  if broken <> '{}' then
    return query
      select s.*
      from attune_private.stored_values(definition, null) as s
      join (select distinct b.layer, b.value from unnest(broken) as b) as b on b.layer = s.layer and b.value = s.value
      where s.layer <= definition.layer;
  end if;
end;
$$;
comment on function attune_private.broken_values(attune.setting_definitions) is
  'The stored values of a setting that this definition of it would not allow; those of variants have their name as '
  'scope. '
  'What `check_stored_values` has judged in this transaction is not judged again.';
revoke all on function attune_private.broken_values(attune.setting_definitions) from public;
--! EndIncluded settings/private/broken_values.sql
--! Included settings/private/refuse_broken_values.sql
create or replace function attune_private.refuse_broken_values(definition attune.setting_definitions)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  broken bigint;
begin
  select count(*) into broken from attune_private.broken_values(definition);

  if broken > 0 then
    raise exception using
      errcode = 'PT409',
      message = format('%s stored values of %s would no longer be allowed', broken, definition.key),
      detail = 'stored_values_invalid',
      hint = 'Change or reset those values first, or let apply_definitions discard them.';
  end if;
end;
$$;
comment on function attune_private.refuse_broken_values(attune.setting_definitions) is
  'Refuses a definition that would not allow what is stored (`stored_values_invalid`).';
revoke all on function attune_private.refuse_broken_values(attune.setting_definitions) from public;
--! EndIncluded settings/private/refuse_broken_values.sql
--! Included settings/private/check_stored_values.sql
create or replace function attune_private.check_stored_values(definition attune.setting_definitions)
returns bigint
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  -- All transactions before it are over: what they wrote is seen by the statement that judges.
  seen_until constant xid8 := pg_snapshot_xmin(pg_current_snapshot());
  judgement constant jsonb := attune_private.judged_by(definition);
  refused attune_private.stored_value[];
begin
  select c.broken into refused
  from attune_private.checked_definitions as c
  where c.transaction_id = pg_current_xact_id_if_assigned()
    and c.key = definition.key
    and c.judged_by = judgement;

  if found then
    return cardinality(refused);
  end if;

  -- What becomes whole depends on other rows, too, and is judged when they are locked.
  if not exists (
    select from attune.setting_definitions as d
    where d.key = definition.key
      and attune_private.judged_by(d) <> judgement
      and attune_private.holds_whole_value(d.merge, d.seeding, 'global')
        >= attune_private.holds_whole_value(definition.merge, definition.seeding, 'global')
      and attune_private.holds_whole_value(d.merge, d.seeding, 'user')
        >= attune_private.holds_whole_value(definition.merge, definition.seeding, 'user')
  ) then
    return 0;
  end if;

  -- However many they are, they are remembered: nothing is judged again while others have to wait.
  refused := array(select f from attune_private.broken_forms(definition, null) as f);

  insert into attune_private.checked_definitions as c (key, judged_by, written_from, broken)
  values (definition.key, judgement, seen_until, refused)
  on conflict on constraint checked_definitions_pkey
  do update set judged_by = excluded.judged_by, written_from = excluded.written_from, broken = excluded.broken;

  return cardinality(refused);
end;
$$;
comment on function attune_private.check_stored_values(attune.setting_definitions) is
  'Judges what is stored of a setting by a definition that it is to have, before the layers are locked: under the lock, '
  '`broken_values` has only to look at what was written since. '
  'Returns how many different values it would not allow, as far as that is found without the lock.';
revoke all on function attune_private.check_stored_values(attune.setting_definitions) from public;
--! EndIncluded settings/private/check_stored_values.sql
--! Included settings/private/lock_all_layers.sql
create or replace function attune_private.lock_all_layers()
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  told constant text := current_setting('lock_timeout');
  give_up constant timestamptz := clock_timestamp() + coalesce(nullif(told, '0'), '10s')::interval;
  pause double precision := 0.1;
begin
  -- A snapshot may be from before somebody wrote a value, which then would be seen by nobody.
  if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
    raise exception using
      errcode = 'PT409',
      message = 'A definition is not changed in a transaction with a snapshot of its own',
      detail = 'read_committed_required',
      hint = 'Change it in a transaction that is READ COMMITTED: what others have just written is checked, too.';
  end if;

  -- Who else changes definitions is waited for without a layer in hand; and as others can see, so that a circle is found.
  perform set_config(
    'lock_timeout', ceil(extract(epoch from give_up - clock_timestamp()) * 1000)::integer::text, true
  );
  perform pg_advisory_xact_lock(hashtextextended('attune definitions', 0));

  -- Whoever writes now finishes first, and whoever comes later waits behind us: so we wait for a moment only, and let
  -- them through before we try again.
  loop
    begin
      perform set_config(
        'lock_timeout',
        greatest(1, least(100, ceil(extract(epoch from give_up - clock_timestamp()) * 1000)))::integer::text,
        true
      );
      lock table
        attune.global_settings, attune.plan_settings, attune.team_settings,
        attune.user_preferences, attune.project_preferences
      in share row exclusive mode;
      perform set_config('lock_timeout', told, true);
      return;
    exception
      when lock_not_available then
        if clock_timestamp() + make_interval(secs => pause) > give_up then
          raise;
        end if;

        perform pg_sleep(pause);
        pause := least(pause * 1.5, 1);
    end;
  end loop;
end;
$$;
comment on function attune_private.lock_all_layers() is
  'Locks what is stored in all layers against writers, in the order in which everybody does, who waits at most 100 ms '
  'at a time for that; it gives up after the caller''s `lock_timeout`, or ten seconds. '
  'Refused: `read_committed_required`.';
revoke all on function attune_private.lock_all_layers() from public;
--! EndIncluded settings/private/lock_all_layers.sql
--! Included settings/private/without_values.sql
create or replace function attune_private.without_values(definition attune.setting_definitions)
returns attune.setting_definitions
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  -- The broadest layer there is allows nothing to be stored.
  definition.layer := 'default';
  return definition;
end;
$$;
comment on function attune_private.without_values(attune.setting_definitions) is
  'A definition under which every stored value is broken: what its end leaves.';
revoke all on function attune_private.without_values(attune.setting_definitions) from public;
--! EndIncluded settings/private/without_values.sql
--! Included settings/private/resolve_settings.sql
create or replace function attune_private.resolve_settings(
  user_id uuid,
  is_admin boolean,
  audience attune.setting_audience,
  project_id uuid default null,
  targeting_key text default null,
  at timestamptz default null
)
returns setof attune.effective_setting
language sql stable parallel safe security invoker
begin atomic
  select
    d.key,
    d.category,
    case
      when s.layer is null then d.default_value
      else attune_private.merge_values(d.merge, d.seeding, d.default_value, s.layers, s.layer_values)
    end,
    coalesce(s.layer, 'default'),
    case
      when s.layer is null and s.is_disabled then 'DISABLED'
      when s.layer is null then 'DEFAULT'
      when s.layer = 'global' and s.is_split then 'SPLIT'
      when s.layer = 'global' then 'STATIC'
      else 'TARGETING_MATCH'
    end::attune.evaluation_reason,
    case s.layer when 'global' then s.variant end,
    s.enforced_by is not null,
    case
      when d.layer = 'default' then false
      when d.layer < 'user' then is_admin
      else resolve_settings.user_id is not null
        and s.enforced_by is null
        and (is_admin or d.writable_by = 'user')
    end,
    d.description,
    s.updated_at,
    resolve_settings.user_id,
    resolve_settings.project_id,
    case when resolve_settings.user_id is null then nullif(resolve_settings.targeting_key, '') end
  from attune_private.definitions_at(resolve_settings.at) as d
  left join (
    select
      j.key,
      max(j.layer) filter (where j.counts) as layer,
      array_agg(j.layer order by j.layer) filter (where j.counts) as layers,
      array_agg(j.value order by j.layer) filter (where j.counts) as layer_values,
      max(j.updated_at) filter (where j.counts) as updated_at,
      min(j.enforced_by) as enforced_by,
      bool_or(j.is_split) filter (where j.counts) as is_split,
      max(j.variant) filter (where j.counts) as variant,
      bool_or(not j.is_active) as is_disabled
    from attune_private.judged_settings(
      resolve_settings.user_id, resolve_settings.project_id, resolve_settings.targeting_key, resolve_settings.at
    ) as j
    group by j.key
  ) as s on s.key = d.key
  where d.audience <= resolve_settings.audience;
end;
comment on function attune_private.resolve_settings(uuid, boolean, attune.setting_audience, uuid, text, timestamptz) is
  'The resolution: what applies to one user for every setting, in one project or in none, now or (`at`) at a moment. '
  '`is_admin` is whether the one who asks may write what administrators may, `audience` up to which audience '
  'settings are shown, `targeting_key` whom rollouts draw where there is no user.';
revoke all on function attune_private.resolve_settings(uuid, boolean, attune.setting_audience, uuid, text, timestamptz) from public;
--! EndIncluded settings/private/resolve_settings.sql
--! Included settings/private/check_project.sql
create or replace function attune_private.check_project(user_id uuid, project_id uuid, at timestamptz default null)
returns void
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  if project_id is not null and not exists (
    select
    from attune_private.project_members_at(check_project.user_id, check_project.at) as m
    where m.project_id = check_project.project_id
  ) then
    perform attune_private.refuse_unknown_project();
  end if;
end;
$$;
comment on function attune_private.check_project(uuid, uuid, timestamptz) is
  'Refuses (`unknown_project`) a project that the user is, or was at a moment, no member of; NULL is none, and passes.';
revoke all on function attune_private.check_project(uuid, uuid, timestamptz) from public;
--! EndIncluded settings/private/check_project.sql
--! Included settings/private/check_moment.sql
create or replace function attune_private.check_moment(at timestamptz)
returns void
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  known_since constant timestamptz := (
    select max((m.details ->> 'before')::timestamptz)
    from attune.maintenance_operations as m
    where m.operation = 'purge_audit'
  );
begin
  if at is null then
    raise exception using
      errcode = 'PT400',
      message = 'Say which moment',
      detail = 'moment_required',
      hint = 'Send a time with its zone, such as "2026-11-24T09:30:00Z".';
  end if;

  if at > clock_timestamp() then
    raise exception using
      errcode = 'PT400',
      message = 'That moment is still to come',
      detail = 'moment_in_future',
      hint = 'Send a time that is over.';
  end if;

  if at < known_since then
    raise exception using
      errcode = 'PT410',
      message = format('What was before %s is not known any more', to_jsonb(known_since) #>> '{}'),
      detail = 'history_purged',
      hint = 'Old rows of the audit log were removed: `maintenance_operations` says when and why.';
  end if;
end;
$$;
comment on function attune_private.check_moment(timestamptz) is
  'Refuses a moment that is none (`moment_required`) or to come (`moment_in_future`), and one from before the audit '
  'log was purged (`history_purged`).';
revoke all on function attune_private.check_moment(timestamptz) from public;
--! EndIncluded settings/private/check_moment.sql
--! Included settings/private/former_audiences.sql
create or replace function attune_private.former_audiences()
returns table (key text, audience attune.setting_audience)
language plpgsql stable parallel safe security invoker
rows 10
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select distinct on (f.key) f.key, f.audience::attune.setting_audience
    from attune.configuration_audit_log as l
    cross join lateral (
      select coalesce(l.previous_attributes ->> 'key', l.key), l.previous_attributes ->> 'audience'
    ) as f (key, audience)
    where l.layer = 'default'
      and (l.operation = 'DELETE' or l.previous_attributes ? 'key')
      and not exists (select from attune.setting_definitions as d where d.key = f.key)
    order by f.key, l.id desc;
end;
$$;
comment on function attune_private.former_audiences() is
  'For whom the settings were that were removed, or are called otherwise now.';
revoke all on function attune_private.former_audiences() from public;
--! EndIncluded settings/private/former_audiences.sql
--! Included settings/private/is_concealed.sql
create or replace function attune_private.is_concealed(key text, audience attune.setting_audience)
returns boolean
language sql stable parallel safe security invoker
begin atomic
  select coalesce(
    (select d.audience from attune.setting_definitions as d where d.key = is_concealed.key),
    (select f.audience from attune_private.former_audiences() as f where f.key = is_concealed.key)
  ) > is_concealed.audience;
end;
comment on function attune_private.is_concealed(text, attune.setting_audience) is
  'Whether a setting is not for an audience now, or was not when it was removed, though it may have been before.';
revoke all on function attune_private.is_concealed(text, attune.setting_audience) from public;
--! EndIncluded settings/private/is_concealed.sql
--! Included settings/private/audience_of.sql
create or replace function attune_private.audience_of(caller attune_private.caller)
returns attune.setting_audience
language sql immutable parallel safe security invoker
begin atomic
  select case
    when caller.is_trusted or caller.is_admin then 'admin'
    when caller.user_id is not null then 'client'
    else 'public'
  end::attune.setting_audience;
end;
comment on function attune_private.audience_of(attune_private.caller) is
  'Up to which audience settings are shown to a caller.';
revoke all on function attune_private.audience_of(attune_private.caller) from public;
--! EndIncluded settings/private/audience_of.sql
--! Included settings/private/audience_of_user.sql
create or replace function attune_private.audience_of_user(user_id uuid)
returns attune.setting_audience
language sql stable parallel safe security invoker
begin atomic
  select attune_private.audience_of((u.id, u.is_admin, false)::attune_private.caller)
  from attune.users as u
  where u.id = audience_of_user.user_id;
end;
comment on function attune_private.audience_of_user(uuid) is 'Up to which audience settings are shown to a user.';
revoke all on function attune_private.audience_of_user(uuid) from public;
--! EndIncluded settings/private/audience_of_user.sql
--! Included settings/private/effective_settings.sql
create or replace function attune_private.effective_settings(
  caller attune_private.caller,
  category text,
  project_id uuid,
  targeting_key text default null,
  audience attune.setting_audience default null
)
returns setof attune.effective_setting
language plpgsql stable parallel safe security invoker
rows 50
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Constants: as arguments of a function that is inlined they would be computed for every setting.
  may_administer constant boolean := caller.is_trusted or caller.is_admin;
  shown constant attune.setting_audience := coalesce(effective_settings.audience, attune_private.audience_of(caller));
begin
  perform attune_private.check_project(caller.user_id, effective_settings.project_id);

  return query
    select r.*
    from attune_private.resolve_settings(
      caller.user_id, may_administer, shown, effective_settings.project_id, effective_settings.targeting_key
    ) as r
    where effective_settings.category is null
      or r.category = effective_settings.category
    order by r.category, r.key;
end;
$$;
comment on function attune_private.effective_settings(attune_private.caller, text, uuid, text, attune.setting_audience) is
  'What applies to a caller, and what they may edit; see `attune.effective_settings`. '
  'Shown up to an audience: the caller''s own unless told. '
  'Refused: `unknown_project`.';
revoke all on function attune_private.effective_settings(attune_private.caller, text, uuid, text, attune.setting_audience) from public;
--! EndIncluded settings/private/effective_settings.sql
--! Included settings/private/effective_setting.sql
create or replace function attune_private.effective_setting(
  caller attune_private.caller,
  key text,
  project_id uuid default null,
  targeting_key text default null,
  audience attune.setting_audience default null
)
returns attune.effective_setting
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  may_administer constant boolean := caller.is_trusted or caller.is_admin;
  shown constant attune.setting_audience := coalesce(effective_setting.audience, attune_private.audience_of(caller));
  setting attune.effective_setting;
begin
  perform attune_private.check_project(caller.user_id, effective_setting.project_id);

  select r.* into setting
  from attune_private.resolve_settings(
    caller.user_id, may_administer, shown, effective_setting.project_id, effective_setting.targeting_key
  ) as r
  where r.key = effective_setting.key;

  if not found then
    perform attune_private.refuse_unknown_setting(effective_setting.key);
  end if;

  return setting;
end;
$$;
comment on function attune_private.effective_setting(attune_private.caller, text, uuid, text, attune.setting_audience) is
  'What applies to a caller for one setting; see `attune.effective_setting`. '
  'Shown up to an audience: the caller''s own unless told. '
  'Refused: `unknown_project`, `unknown_setting`.';
revoke all on function attune_private.effective_setting(attune_private.caller, text, uuid, text, attune.setting_audience) from public;
--! EndIncluded settings/private/effective_setting.sql
--! Included settings/private/check_patch.sql
create or replace function attune_private.check_patch(patch jsonb)
returns void
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  if jsonb_typeof(patch) is distinct from 'object' then
    raise exception using
      errcode = 'PT400',
      message = 'The patch is no object',
      detail = 'invalid_patch',
      hint = 'Send an object of what changes, {"name": value, …}; null resets a member.';
  end if;
end;
$$;
comment on function attune_private.check_patch(jsonb) is 'Refuses (`invalid_patch`) a merge patch that is no object.';
revoke all on function attune_private.check_patch(jsonb) from public;
--! EndIncluded settings/private/check_patch.sql
--! Included settings/private/refuse_missing_value.sql
create or replace function attune_private.refuse_missing_value()
returns void
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = 'PT422',
    message = 'There is no value',
    detail = 'value_required',
    hint = 'Send a value; JSON''s null is one, and resetting drops what is stored.';
end;
$$;
comment on function attune_private.refuse_missing_value() is
  'Refuses (`value_required`) to store what was not sent.';
revoke all on function attune_private.refuse_missing_value() from public;
--! EndIncluded settings/private/refuse_missing_value.sql
--! Included settings/private/written_value.sql
create or replace function attune_private.written_value(
  key text,
  layer attune.setting_layer,
  stored jsonb,
  value jsonb,
  is_whole boolean,
  user_id uuid default null,
  project_id uuid default null
)
returns jsonb
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  definition attune.setting_definitions;
  present jsonb;
begin
  if value is not null and (is_whole or jsonb_typeof(value) <> 'object') then
    return value;
  elsif stored is not null then
    return case when value is null then stored else attune_hidden.json_merge_patch(stored, value) end;
  end if;

  select d.* into definition from attune.setting_definitions as d where d.key = written_value.key;

  if not found then
    perform attune_private.refuse_unknown_setting(written_value.key);
  end if;

  -- In a layer that holds nothing yet, a patch is all that differs, or changes what applies now, of which the whole is
  -- kept.
  if value is null or attune_private.holds_whole_value(definition.merge, definition.seeding, written_value.layer) then
    select r.value into present
    from attune_private.resolve_settings(
      written_value.user_id, false, 'admin', written_value.project_id
    ) as r
    where r.key = written_value.key
      and (r.layer <> 'default' or r.value <> 'null');
  end if;

  if value is not null then
    return attune_hidden.json_merge_patch(coalesce(present, '{}'), value);
  elsif definition.merge = 'deep' and jsonb_typeof(definition.default_value) = 'object' then
    return '{}';
  elsif present is null then
    perform attune_private.refuse_missing_value();
  end if;

  return present;
end;
$$;
comment on function attune_private.written_value(
  text, attune.setting_layer, jsonb, jsonb, boolean, uuid, uuid
) is
  'What a layer holds once a value is written: the value itself, when it is no object or `is_whole`; else `stored` with '
  'the value as a patch applied (RFC 7396). '
  'Where nothing is stored (NULL), the patch is applied to nothing, or, where the layer holds the whole value, to what '
  'applies now, to everybody or to a user. '
  'A value that is NULL is not mentioned: what is stored stays, or what applies now is kept; refused '
  '(`value_required`) where there is neither.';
revoke all on function attune_private.written_value(
  text, attune.setting_layer, jsonb, jsonb, boolean, uuid, uuid
) from public;
--! EndIncluded settings/private/written_value.sql
--! Included settings/private/write_preference.sql
create or replace function attune_private.write_preference(
  caller attune_private.caller,
  user_id uuid,
  key text,
  value jsonb,
  project_id uuid default null,
  is_whole boolean default false,
  expected_updated_at timestamptz default null
)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  layer constant attune.setting_layer := case when write_preference.project_id is null then 'user' else 'project' end;
  stored jsonb;
  stored_version timestamptz;
  fresh jsonb;
  is_added boolean;
begin
  if write_preference.value is null then
    perform attune_private.refuse_missing_value();
  end if;

  loop
    -- Whoever writes the row now finishes first: a right or a lock that changes meanwhile is seen below. The table as
    -- for writing, so that nobody who locks the whole table waits for a row of ours while we wait for the table.
    if layer = 'user' then
      lock table attune.user_preferences in row exclusive mode;
      select p.value, p.updated_at into stored, stored_version
      from attune.user_preferences as p
      where p.user_id = write_preference.user_id
        and p.key = write_preference.key
      for no key update;
    else
      lock table attune.project_preferences in row exclusive mode;
      select p.value, p.updated_at into stored, stored_version
      from attune.project_preferences as p
      where p.user_id = write_preference.user_id
        and p.project_id = write_preference.project_id
        and p.key = write_preference.key
      for no key update;
    end if;
    is_added := not found;

    if not caller.is_trusted then
      perform attune_private.authorize_preference(caller, write_preference.user_id, write_preference.key, false);
    end if;

    perform attune_private.check_project(write_preference.user_id, write_preference.project_id);

    if write_preference.expected_updated_at is not null then
      perform attune_private.check_unchanged(stored_version, write_preference.expected_updated_at);
    end if;

    fresh := attune_private.written_value(
      write_preference.key, layer, stored, write_preference.value, write_preference.is_whole,
      write_preference.user_id, write_preference.project_id
    );

    -- A choice switches on what was switched off.
    if layer = 'user' and is_added then
      insert into attune.user_preferences (user_id, key, value, updated_by, updated_at)
      values (write_preference.user_id, write_preference.key, fresh, caller.user_id, 'infinity')
      on conflict on constraint user_preferences_pkey do nothing;
    elsif layer = 'user' then
      update attune.user_preferences as p
      set value = fresh, is_active = true, updated_by = caller.user_id, updated_at = 'infinity'
      where p.user_id = write_preference.user_id
        and p.key = write_preference.key;
    elsif is_added then
      insert into attune.project_preferences (user_id, project_id, key, value, updated_by, updated_at)
      values (
        write_preference.user_id, write_preference.project_id, write_preference.key, fresh, caller.user_id, 'infinity'
      )
      on conflict on constraint project_preferences_pkey do nothing;
    else
      update attune.project_preferences as p
      set value = fresh, is_active = true, updated_by = caller.user_id, updated_at = 'infinity'
      where p.user_id = write_preference.user_id
        and p.project_id = write_preference.project_id
        and p.key = write_preference.key;
    end if;

    -- Not when somebody else was first: then there is something to change.
    exit when found;
  end loop;

  if is_added then
    perform attune_private.check_preference_limit(array[write_preference.user_id]);
  end if;
end;
$$;
comment on function attune_private.write_preference(
  attune_private.caller, uuid, text, jsonb, uuid, boolean, timestamptz
) is
  'Stores what a user chooses for one setting, everywhere or in one project, when the caller may: a patch, or, with '
  '`is_whole`, the value as it is. '
  'Refused as `attune.set_preference` and `attune.set_user_setting`.';
revoke all on function attune_private.write_preference(
  attune_private.caller, uuid, text, jsonb, uuid, boolean, timestamptz
) from public;
--! EndIncluded settings/private/write_preference.sql
--! Included settings/private/preference_problems.sql
create or replace function attune_private.preference_problems(
  caller attune_private.caller,
  patch jsonb,
  project_id uuid
)
returns jsonb
language sql volatile security invoker
begin atomic
  select jsonb_agg(p.problem || jsonb_build_object('key', d.key) order by d.key, p.position)
  from jsonb_each(patch) as e
  join attune.setting_definitions as d on d.key = e.key
    and d.audience <= greatest(attune_private.audience_of(preference_problems.caller), 'client')
  cross join lateral (
    select case when preference_problems.project_id is null then 'user' else 'project' end::attune.setting_layer
  ) as l (layer)
  left join attune.user_preferences as u on preference_problems.project_id is null
    and u.user_id = (preference_problems.caller).user_id
    and u.key = d.key
  left join attune.project_preferences as r on r.user_id = (preference_problems.caller).user_id
    and r.project_id = preference_problems.project_id
    and r.key = d.key
  cross join lateral jsonb_array_elements(
    attune_private.refused_value_problems(
      d,
      l.layer,
      attune_private.written_value(
        d.key, l.layer, coalesce(u.value, r.value), e.value, false,
        (preference_problems.caller).user_id, preference_problems.project_id
      )
    )
  ) with ordinality as p (problem, position)
  where e.value <> 'null';
end;
comment on function attune_private.preference_problems(attune_private.caller, jsonb, uuid) is
  'What is wrong with the values of a patch of a caller''s preferences, `[{key, pointer, keyword, message}]`; of what '
  'the caller is shown.';
revoke all on function attune_private.preference_problems(attune_private.caller, jsonb, uuid) from public;
--! EndIncluded settings/private/preference_problems.sql
--! Included settings/private/write_preferences.sql
create or replace function attune_private.write_preferences(
  caller attune_private.caller,
  patch jsonb,
  project_id uuid
)
returns setof text
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  -- What is not shown to the caller is unknown like any other.
  shown constant attune.setting_audience := greatest(attune_private.audience_of(caller), 'client');
  unknown text[];
  member record;
  reason text;
  advice text;
begin
  -- Before anything is done: a patch may have thousands of members.
  unknown := array(
    select e.key
    from jsonb_each(patch) as e
    where not exists (
      select from attune.setting_definitions as d
      where d.key = e.key
        and d.audience <= shown
    )
    order by e.key
  );

  if unknown <> '{}' then
    perform attune_private.refuse_unknown_settings(unknown);
  end if;

  -- One writer of several rows at a time for each user, so that two never wait for each other.
  perform from attune.users as u where u.id = caller.user_id for no key update;

  begin
    -- Resets come first: they make room where the number of preferences is limited.
    for member in select e.key, e.value from jsonb_each(patch) as e order by e.value <> 'null', e.key loop
      if jsonb_typeof(member.value) = 'null' then
        perform attune_private.drop_preference(caller, caller.user_id, member.key, write_preferences.project_id);
      else
        perform attune_private.write_preference(
          caller, caller.user_id, member.key, member.value, write_preferences.project_id
        );
      end if;

      return next member.key;
    end loop;
  exception
    when sqlstate 'PT422' then
      get stacked diagnostics reason = pg_exception_detail, advice = pg_exception_hint;

      if reason not in ('invalid_value', 'secret_in_setting', 'invalid_timezone') then
        raise;
      end if;

      -- Of the others, too, so that a form can show all at once.
      raise exception using
        errcode = 'PT422',
        message = sqlerrm,
        detail = reason,
        hint = attune_private.hint_with_problems(
          split_part(advice, E'\n', 1),
          attune_private.preference_problems(caller, patch, write_preferences.project_id)
        );
  end;
end;
$$;
comment on function attune_private.write_preferences(attune_private.caller, jsonb, uuid) is
  'Stores several choices of the caller, `{key: value}` (null resets a key), and returns the keys in the order of '
  'writing. '
  'Refused as `attune.set_preference`.';
revoke all on function attune_private.write_preferences(attune_private.caller, jsonb, uuid) from public;
--! EndIncluded settings/private/write_preferences.sql
--! Included settings/private/drop_preference.sql
create or replace function attune_private.drop_preference(
  caller attune_private.caller,
  user_id uuid,
  key text,
  project_id uuid default null,
  expected_updated_at timestamptz default null
)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  dropped_version timestamptz;
begin
  if drop_preference.project_id is null then
    delete from attune.user_preferences as p
    where p.user_id = drop_preference.user_id
      and p.key = drop_preference.key
    returning p.updated_at into dropped_version;
  else
    delete from attune.project_preferences as p
    where p.user_id = drop_preference.user_id
      and p.project_id = drop_preference.project_id
      and p.key = drop_preference.key
    returning p.updated_at into dropped_version;
  end if;

  -- Only now, because dropping what was never set is no error.
  if found and not caller.is_trusted then
    perform attune_private.authorize_preference(caller, drop_preference.user_id, drop_preference.key, true);
  end if;

  perform attune_private.check_unchanged(dropped_version, drop_preference.expected_updated_at);
end;
$$;
comment on function attune_private.drop_preference(attune_private.caller, uuid, text, uuid, timestamptz) is
  'Drops what a user stores for one setting, everywhere or in one project, when the caller may. '
  'Refused: `admin_required`, `not_your_preference`, `changed_meanwhile`.';
revoke all on function attune_private.drop_preference(attune_private.caller, uuid, text, uuid, timestamptz) from public;
--! EndIncluded settings/private/drop_preference.sql
--! Included settings/private/write_global_setting.sql
create or replace function attune_private.write_global_setting(
  caller attune_private.caller,
  key text,
  value jsonb,
  is_enforced boolean,
  rollout_percentage integer,
  variants jsonb,
  is_active boolean,
  is_whole boolean,
  expected_updated_at timestamptz
)
returns attune.global_settings
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  stored attune.global_settings;
  written attune.global_settings;
  fresh jsonb;
begin
  perform attune_private.require_administrator(caller);

  if write_global_setting.rollout_percentage not between 0 and 100 then
    raise exception using
      errcode = 'PT422',
      message = format('A rollout percentage is 0 to 100, not %s', write_global_setting.rollout_percentage),
      detail = 'invalid_rollout_percentage',
      hint = 'Give a whole number from 0 to 100.';
  end if;

  loop
    -- The table as for writing, so that nobody who locks the whole table waits for a row of ours while we wait for it.
    lock table attune.global_settings in row exclusive mode;
    select g.* into stored
    from attune.global_settings as g
    where g.key = write_global_setting.key
    for no key update;

    perform attune_private.check_unchanged(stored.updated_at, write_global_setting.expected_updated_at);
    fresh := attune_private.written_value(
      write_global_setting.key, 'global', stored.value, write_global_setting.value, write_global_setting.is_whole
    );

    if stored.key is not null then
      update attune.global_settings as g
      set
        value = fresh,
        is_active = coalesce(write_global_setting.is_active, g.is_active),
        is_enforced = coalesce(write_global_setting.is_enforced, g.is_enforced),
        rollout_percentage = coalesce(write_global_setting.rollout_percentage, g.rollout_percentage),
        variants = nullif(coalesce(write_global_setting.variants, g.variants), 'null'),
        updated_by = caller.user_id,
        updated_at = 'infinity'
      where g.key = write_global_setting.key
      returning g.* into written;
    else
      insert into attune.global_settings as g (
        key, value, is_active, is_enforced, rollout_percentage, variants, updated_by, updated_at
      )
      values (
        write_global_setting.key,
        fresh,
        coalesce(write_global_setting.is_active, true),
        coalesce(write_global_setting.is_enforced, false),
        coalesce(write_global_setting.rollout_percentage, 100),
        nullif(write_global_setting.variants, 'null'),
        caller.user_id,
        'infinity'
      )
      on conflict on constraint global_settings_pkey do nothing
      returning g.* into written;
    end if;

    -- Not when somebody else was first: then there is something to change.
    exit when found;
  end loop;

  return written;
end;
$$;
comment on function attune_private.write_global_setting(
  attune_private.caller, text, jsonb, boolean, integer, jsonb, boolean, boolean, timestamptz
) is
  'Changes what is mentioned of what applies to everybody for one setting, when the caller may; JSON''s null ends '
  'its variants. '
  'Returns the row. '
  'Refused as `attune.set_global_setting`.';
revoke all on function attune_private.write_global_setting(
  attune_private.caller, text, jsonb, boolean, integer, jsonb, boolean, boolean, timestamptz
) from public;
--! EndIncluded settings/private/write_global_setting.sql
--! Included settings/private/write_plan_setting.sql
create or replace function attune_private.write_plan_setting(
  caller attune_private.caller,
  plan text,
  key text,
  value jsonb,
  is_enforced boolean,
  is_active boolean,
  is_whole boolean,
  expected_updated_at timestamptz
)
returns attune.plan_settings
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  stored attune.plan_settings;
  written attune.plan_settings;
  fresh jsonb;
begin
  perform attune_private.require_administrator(caller);
  perform attune_private.check_plan(write_plan_setting.plan);

  loop
    -- As in write_global_setting.
    lock table attune.plan_settings in row exclusive mode;
    select s.* into stored
    from attune.plan_settings as s
    where s.plan = write_plan_setting.plan
      and s.key = write_plan_setting.key
    for no key update;

    perform attune_private.check_unchanged(stored.updated_at, write_plan_setting.expected_updated_at);
    fresh := attune_private.written_value(
      write_plan_setting.key, 'plan', stored.value, write_plan_setting.value, write_plan_setting.is_whole
    );

    if stored.key is not null then
      update attune.plan_settings as s
      set
        value = fresh,
        is_active = coalesce(write_plan_setting.is_active, s.is_active),
        is_enforced = coalesce(write_plan_setting.is_enforced, s.is_enforced),
        updated_by = caller.user_id,
        updated_at = 'infinity'
      where s.plan = write_plan_setting.plan
        and s.key = write_plan_setting.key
      returning s.* into written;
    else
      insert into attune.plan_settings as s (plan, key, value, is_active, is_enforced, updated_by, updated_at)
      values (
        write_plan_setting.plan,
        write_plan_setting.key,
        fresh,
        coalesce(write_plan_setting.is_active, true),
        coalesce(write_plan_setting.is_enforced, false),
        caller.user_id,
        'infinity'
      )
      on conflict on constraint plan_settings_pkey do nothing
      returning s.* into written;
    end if;

    exit when found;
  end loop;

  return written;
end;
$$;
comment on function attune_private.write_plan_setting(
  attune_private.caller, text, text, jsonb, boolean, boolean, boolean, timestamptz
) is
  'Changes what is mentioned of what applies to the users of a plan for one setting, when the caller may. '
  'Returns the row. '
  'Refused as `attune.set_plan_setting`.';
revoke all on function attune_private.write_plan_setting(
  attune_private.caller, text, text, jsonb, boolean, boolean, boolean, timestamptz
) from public;
--! EndIncluded settings/private/write_plan_setting.sql
--! Included settings/private/write_team_setting.sql
create or replace function attune_private.write_team_setting(
  caller attune_private.caller,
  team_id uuid,
  key text,
  value jsonb,
  is_enforced boolean,
  is_active boolean,
  is_whole boolean,
  expected_updated_at timestamptz
)
returns attune.team_settings
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  stored attune.team_settings;
  written attune.team_settings;
  fresh jsonb;
begin
  perform attune_private.require_team_administrator(caller, write_team_setting.team_id);

  loop
    -- As in write_global_setting.
    lock table attune.team_settings in row exclusive mode;
    select s.* into stored
    from attune.team_settings as s
    where s.team_id = write_team_setting.team_id
      and s.key = write_team_setting.key
    for no key update;

    -- A right or a lock that changed while the row was another's is seen here.
    perform attune_private.authorize_team_setting(caller, write_team_setting.team_id, write_team_setting.key, false);
    perform attune_private.check_unchanged(stored.updated_at, write_team_setting.expected_updated_at);
    fresh := attune_private.written_value(
      write_team_setting.key, 'team', stored.value, write_team_setting.value, write_team_setting.is_whole
    );

    if stored.key is not null then
      update attune.team_settings as s
      set
        value = fresh,
        is_active = coalesce(write_team_setting.is_active, s.is_active),
        is_enforced = coalesce(write_team_setting.is_enforced, s.is_enforced),
        updated_by = caller.user_id,
        updated_at = 'infinity'
      where s.team_id = write_team_setting.team_id
        and s.key = write_team_setting.key
      returning s.* into written;
    else
      insert into attune.team_settings as s (team_id, key, value, is_active, is_enforced, updated_by, updated_at)
      values (
        write_team_setting.team_id,
        write_team_setting.key,
        fresh,
        coalesce(write_team_setting.is_active, true),
        coalesce(write_team_setting.is_enforced, false),
        caller.user_id,
        'infinity'
      )
      on conflict on constraint team_settings_pkey do nothing
      returning s.* into written;
    end if;

    exit when found;
  end loop;

  return written;
end;
$$;
comment on function attune_private.write_team_setting(
  attune_private.caller, uuid, text, jsonb, boolean, boolean, boolean, timestamptz
) is
  'Changes what is mentioned of what applies to the members of a team for one setting, when the caller may. '
  'Returns the row. '
  'Refused as `attune.set_team_setting`.';
revoke all on function attune_private.write_team_setting(
  attune_private.caller, uuid, text, jsonb, boolean, boolean, boolean, timestamptz
) from public;
--! EndIncluded settings/private/write_team_setting.sql
--! Included settings/effective_settings.sql
create or replace function attune.effective_settings(
  category text default null,
  project_id uuid default null,
  targeting_key text default null
)
returns setof attune.effective_setting
language plpgsql stable parallel restricted security definer
rows 50
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
begin
  perform attune_private.check_size('The targeting key', char_length(targeting_key), 200, 'characters');

  return query
    select s.*
    from attune_private.effective_settings(
      caller, effective_settings.category, effective_settings.project_id, effective_settings.targeting_key
    ) as s;
end;
$$;
comment on function attune.effective_settings(text, uuid, text) is
  E'@param category Only this category; all when left out.\n'
  '@param project_id In which project; outside projects when left out.\n'
  '@param targeting_key Whom rollouts and variants of public settings draw where nobody is signed in, such as a '
  'visitor''s own random id.\n'
  'What applies to the caller, for every setting or for those of one category, by category and key. '
  'With a project, as its preferences have it (`unknown_project`). '
  'Without a user: the public settings, as nobody in particular sees them, or, with a `targeting_key` (`too_large` '
  'above 200 characters), as the visitor does.';
revoke all on function attune.effective_settings(text, uuid, text) from public;
grant execute on function attune.effective_settings(text, uuid, text) to anon, authenticated, service_role;
--! EndIncluded settings/effective_settings.sql
--! Included settings/effective_setting.sql
create or replace function attune.effective_setting(
  key text,
  project_id uuid default null,
  targeting_key text default null
)
returns attune.effective_setting
language plpgsql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
begin
  perform attune_private.check_size('The targeting key', char_length(targeting_key), 200, 'characters');

  return attune_private.effective_setting(
    caller, effective_setting.key, effective_setting.project_id, effective_setting.targeting_key
  );
end;
$$;
comment on function attune.effective_setting(text, uuid, text) is
  E'@param key Which setting.\n'
  '@param project_id In which project; outside projects when left out.\n'
  '@param targeting_key Whom rollouts and variants of public settings draw where nobody is signed in, such as a '
  'visitor''s own random id.\n'
  'What applies to the caller for one setting, in a project if one is given (`unknown_project`). '
  'Refused (`unknown_setting`) when there is none that the caller may see, or (`too_large`) for a `targeting_key` of '
  'more than 200 characters.';
revoke all on function attune.effective_setting(text, uuid, text) from public;
grant execute on function attune.effective_setting(text, uuid, text) to anon, authenticated, service_role;
--! EndIncluded settings/effective_setting.sql
--! Included settings/team_settings_effective_setting.sql
create or replace function attune.team_settings_effective_setting(team_setting attune.team_settings)
returns attune.effective_setting
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
  -- Of a row that is none, such as what was reset where nothing was stored, there is none.
  select attune.effective_setting((team_setting).key)
  where (team_setting).key is not null;
$$;
comment on function attune.team_settings_effective_setting(attune.team_settings) is
  E'@notNull\n'
  '@behavior typeField -mutationField\n'
  'What applies to the caller for the setting now.';
revoke all on function attune.team_settings_effective_setting(attune.team_settings) from public;
grant execute on function attune.team_settings_effective_setting(attune.team_settings)
  to anon, authenticated, service_role;
--! EndIncluded settings/team_settings_effective_setting.sql
--! Included settings/plan_settings_effective_setting.sql
create or replace function attune.plan_settings_effective_setting(plan_setting attune.plan_settings)
returns attune.effective_setting
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
  -- Of a row that is none, such as what was reset where nothing was stored, there is none.
  select attune.effective_setting((plan_setting).key)
  where (plan_setting).key is not null;
$$;
comment on function attune.plan_settings_effective_setting(attune.plan_settings) is
  E'@notNull\n'
  '@behavior typeField -mutationField\n'
  'What applies to the caller for the setting now.';
revoke all on function attune.plan_settings_effective_setting(attune.plan_settings) from public;
grant execute on function attune.plan_settings_effective_setting(attune.plan_settings)
  to anon, authenticated, service_role;
--! EndIncluded settings/plan_settings_effective_setting.sql
--! Included settings/global_settings_effective_setting.sql
create or replace function attune.global_settings_effective_setting(global_setting attune.global_settings)
returns attune.effective_setting
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
  -- Of a row that is none, such as what was reset where nothing was stored, there is none.
  select attune.effective_setting((global_setting).key)
  where (global_setting).key is not null;
$$;
comment on function attune.global_settings_effective_setting(attune.global_settings) is
  E'@notNull\n'
  '@behavior typeField -mutationField\n'
  'What applies to the caller for the setting now.';
revoke all on function attune.global_settings_effective_setting(attune.global_settings) from public;
grant execute on function attune.global_settings_effective_setting(attune.global_settings)
  to anon, authenticated, service_role;
--! EndIncluded settings/global_settings_effective_setting.sql
--! Included settings/effective_settings_of.sql
create or replace function attune.effective_settings_of(keys text[], project_id uuid default null)
returns setof attune.effective_setting
language plpgsql stable parallel restricted security definer
rows 10
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
begin
  perform attune_private.check_size('The list of settings', cardinality(keys), 1000, 'keys');

  return query
    select s.*
    from attune_private.effective_settings(caller, null, effective_settings_of.project_id) as s
    where s.key = any (effective_settings_of.keys);
end;
$$;
comment on function attune.effective_settings_of(text[], uuid) is
  E'@param keys Which settings, at most 1,000.\n'
  '@param project_id In which project; outside projects when left out.\n'
  'What applies to the caller for some settings, by category and key, in a project if one is given '
  '(`unknown_project`). '
  'Those that are not there, or that the caller may not see, are left out: what `changes_since` names may be gone. '
  'Refused: `too_large`.';
revoke all on function attune.effective_settings_of(text[], uuid) from public;
grant execute on function attune.effective_settings_of(text[], uuid) to anon, authenticated, service_role;
--! EndIncluded settings/effective_settings_of.sql
--! Included settings/effective_settings_for.sql
create or replace function attune.effective_settings_for(
  user_id uuid,
  category text default null,
  project_id uuid default null
)
returns setof attune.effective_setting
language plpgsql stable parallel restricted security definer
rows 50
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
begin
  perform attune_private.require_administrator(caller);
  perform attune_private.check_user(effective_settings_for.user_id);

  return query
    select s.*
    from attune_private.effective_settings(
      attune_private.user_as_caller(effective_settings_for.user_id),
      effective_settings_for.category,
      effective_settings_for.project_id,
      audience => case when caller.is_trusted then 'server' else 'client' end::attune.setting_audience
    ) as s;
end;
$$;
comment on function attune.effective_settings_for(uuid, text, uuid) is
  E'@param user_id Whose settings.\n'
  '@param category Only this category; all when left out.\n'
  '@param project_id In which project; outside projects when left out.\n'
  'What applies to another user, as that user sees it, and for a trusted server what is for servers, too; for '
  'administrators (`admin_required`). '
  'Refused when there is no such user (`unknown_user`), or the project is not theirs (`unknown_project`).';
revoke all on function attune.effective_settings_for(uuid, text, uuid) from public;
grant execute on function attune.effective_settings_for(uuid, text, uuid) to anon, authenticated, service_role;
--! EndIncluded settings/effective_settings_for.sql
--! Included settings/effective_setting_for.sql
create or replace function attune.effective_setting_for(user_id uuid, key text, project_id uuid default null)
returns attune.effective_setting
language plpgsql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
begin
  perform attune_private.require_administrator(caller);
  perform attune_private.check_user(effective_setting_for.user_id);

  return attune_private.effective_setting(
    attune_private.user_as_caller(effective_setting_for.user_id),
    effective_setting_for.key,
    effective_setting_for.project_id,
    audience => attune_private.audience_of(caller)
  );
end;
$$;
comment on function attune.effective_setting_for(uuid, text, uuid) is
  E'@param user_id To whom it applies.\n'
  '@param key Which setting.\n'
  '@param project_id In which project; outside projects when left out.\n'
  'What applies to another user for one setting; for administrators and trusted servers (`admin_required`). '
  'Refused when there is no such user (`unknown_user`) or setting (`unknown_setting`), or the project is not theirs '
  '(`unknown_project`).';
revoke all on function attune.effective_setting_for(uuid, text, uuid) from public;
grant execute on function attune.effective_setting_for(uuid, text, uuid) to anon, authenticated, service_role;
--! EndIncluded settings/effective_setting_for.sql
--! Included settings/evaluate.sql
create or replace function attune.evaluate(user_ids uuid[], keys text[] default null, project_id uuid default null)
returns setof attune.effective_setting
language plpgsql stable parallel restricted security definer
rows 100
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  -- All are those that such a user is shown, and for a trusted server what is for servers, too; a key may be any.
  shown constant attune.setting_audience := case
    when evaluate.keys is not null then attune_private.audience_of(caller)
    when caller.is_trusted then 'server'
    else 'client'
  end;
  asked constant text[] := coalesce(
    evaluate.keys, array(select d.key from attune.setting_definitions as d where d.audience <= shown)
  );
  unknown text[];
begin
  perform attune_private.require_administrator(caller);

  perform attune_private.check_size('The list of users', cardinality(user_ids), 10000, 'users');
  perform attune_private.check_size('The list of keys', cardinality(asked), 10000, 'keys');
  perform attune_private.check_size(
    'The answer', cardinality(user_ids) * cardinality(asked), 10000, 'values of users and keys'
  );

  unknown := array(
    select distinct a.key
    from unnest(asked) as a (key)
    where not exists (select from attune.setting_definitions as d where d.key = a.key and d.audience <= shown)
    order by a.key
  );

  if unknown <> '{}' then
    perform attune_private.refuse_unknown_settings(unknown);
  end if;

  if evaluate.project_id is not null
    and not exists (select from attune.projects as p where p.id = evaluate.project_id)
  then
    perform attune_private.refuse_unknown_project();
  end if;

  return query
    select r.*
    from (
      select a.id, min(a.place) as place
      from unnest(evaluate.user_ids) with ordinality as a (id, place)
      where a.id is not null
      group by a.id
    ) as u
    left join attune.users as known on known.id = u.id
    cross join lateral attune_private.resolve_settings(
      u.id, coalesce(known.is_admin, false), shown, evaluate.project_id
    ) as r
    where r.key = any (asked)
    order by u.place, r.key;
end;
$$;
comment on function attune.evaluate(uuid[], text[], uuid) is
  E'@param user_ids To whom they apply; each once.\n'
  '@param keys Which settings; all that these users are shown when left out.\n'
  '@param project_id In which project, for those who are in it; outside projects when left out.\n'
  'What applies to many users for many settings at once, by user in the order given, and key; for administrators and '
  'trusted servers (`admin_required`). '
  'As a feature flag has it, an id that is no user''s gets what applies to everybody, and is drawn by rollouts and '
  'variants as a user would be. '
  'Refused: `unknown_setting`, `unknown_project`, and (`too_large`) more than 10,000 users times keys.';
revoke all on function attune.evaluate(uuid[], text[], uuid) from public;
grant execute on function attune.evaluate(uuid[], text[], uuid) to anon, authenticated, service_role;
--! EndIncluded settings/evaluate.sql
--! Included settings/settings_document.sql
create or replace function attune.settings_document(
  category text default null,
  project_id uuid default null,
  targeting_key text default null
)
returns jsonb
language sql stable parallel restricted security invoker
begin atomic
  select coalesce(json_object_agg(s.key, s.value order by s.key)::jsonb, '{}')
  from attune.effective_settings(category, project_id, targeting_key) as s;
end;
comment on function attune.settings_document(text, uuid, text) is
  E'@param category Only this category; all when left out.\n'
  '@param project_id In which project; outside projects when left out.\n'
  '@param targeting_key Whom rollouts and variants of public settings draw where nobody is signed in, such as a '
  'visitor''s own random id.\n'
  'What applies to the caller as one object, `{key: value}`, for every setting or for those of one category; in a '
  'project if one is given (`unknown_project`).';
revoke all on function attune.settings_document(text, uuid, text) from public;
grant execute on function attune.settings_document(text, uuid, text) to anon, authenticated, service_role;
--! EndIncluded settings/settings_document.sql
--! Included settings/explain_setting.sql
create or replace function attune.explain_setting(
  key text,
  user_id uuid default null,
  project_id uuid default null,
  at timestamptz default null
)
returns setof attune.setting_explanation
language plpgsql stable parallel restricted security definer
rows 6
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  subject constant uuid := coalesce(explain_setting.user_id, caller.user_id);
  -- Without a token, what is public shows, but not who set it.
  is_known constant boolean := caller.user_id is not null or caller.is_trusted;
  definition attune.setting_definitions;
begin
  if subject is distinct from caller.user_id then
    perform attune_private.require_administrator(caller);

    perform attune_private.check_user(subject);
  end if;

  if explain_setting.at is not null then
    perform attune_private.check_moment(explain_setting.at);
  end if;

  perform attune_private.check_project(subject, explain_setting.project_id, explain_setting.at);

  select d.* into definition
  from attune_private.definitions_at(explain_setting.at) as d
  where d.key = explain_setting.key
    and d.audience <= attune_private.audience_of(caller)
    and (
      explain_setting.at is null
      or not attune_private.is_concealed(
        attune_hidden.key_now(d.key, explain_setting.at), attune_private.audience_of(caller)
      )
    );

  if not found then
    perform attune_private.refuse_unknown_setting(explain_setting.key);
  end if;

  return query
    with judged as (
      select
        l.layer,
        coalesce(j.value, case l.layer when 'default' then definition.default_value end) as value,
        j.key is not null or l.layer = 'default' as is_set,
        coalesce(j.is_active, l.layer = 'default') as is_active,
        coalesce(j.is_enforced, false) as is_enforced,
        j.is_targeted,
        j.enforced_by,
        j.updated_by,
        j.updated_at,
        coalesce(j.counts, l.layer = 'default') as counts
      from unnest(enum_range(null::attune.setting_layer)) as l (layer)
      left join attune_private.judged_settings(
        subject, explain_setting.project_id, at => explain_setting.at
      ) as j
        on j.layer = l.layer and j.key = definition.key
      where l.layer <= definition.layer
    ),
    narrowed as (
      -- Below the first value, seen from the narrow side, that is whole or no object, nothing shines through.
      select
        n.*,
        max(n.layer) filter (where n.counts) over () as winner,
        min(n.layer) filter (
          where n.counts and (
            jsonb_typeof(n.value) <> 'object'
            or attune_private.holds_whole_value(definition.merge, definition.seeding, n.layer)
          )
        )
          over (order by n.layer rows between 1 following and unbounded following) as covered_by
      from judged as n
    )
    select
      n.layer,
      n.value,
      n.is_set,
      n.is_active,
      n.is_enforced,
      n.layer = n.winner,
      case
        when not n.is_set then null
        when not n.is_active then 'inactive'
        when not n.is_targeted then 'outside_rollout'
        when not n.counts then 'enforced_by_' || n.enforced_by
        when n.covered_by is not null then 'overridden_by_' || n.covered_by
      end::attune.ignored_reason,
      case when is_known then n.updated_by end,
      n.updated_at
    from narrowed as n
    order by n.layer;
end;
$$;
comment on function attune.explain_setting(text, uuid, uuid, timestamptz) is
  E'@param key Which setting.\n'
  '@param user_id For whom; the caller when left out.\n'
  '@param project_id In which project; outside projects when left out.\n'
  '@param at At which moment; now when left out.\n'
  'Every layer of one setting, broad to narrow: what it stores, who set it and when, whether it won, and why it was '
  'ignored if not, now or at a moment. '
  'For the caller, or, for administrators, for any user; in a project if one is given. '
  'Refused: `admin_required`, `unknown_user`, `unknown_project`, `unknown_setting`, `moment_in_future`, '
  '`history_purged`.';
revoke all on function attune.explain_setting(text, uuid, uuid, timestamptz) from public;
grant execute on function attune.explain_setting(text, uuid, uuid, timestamptz) to anon, authenticated, service_role;
--! EndIncluded settings/explain_setting.sql
--! Included settings/set_preference.sql
create or replace function attune.set_preference(
  key text,
  value jsonb,
  project_id uuid default null,
  is_whole boolean default false,
  expected_updated_at timestamptz default null
)
returns attune.effective_setting
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
begin
  perform attune_private.require_user(caller);

  perform attune_private.write_preference(
    caller,
    caller.user_id,
    set_preference.key,
    set_preference.value,
    set_preference.project_id,
    set_preference.is_whole,
    set_preference.expected_updated_at
  );

  return attune_private.effective_setting(caller, set_preference.key, set_preference.project_id);
end;
$$;
comment on function attune.set_preference(text, jsonb, uuid, boolean, timestamptz) is
  E'@param key Which setting.\n'
  '@param value The value; of an object, the members to change.\n'
  '@param project_id In which project; outside projects when left out.\n'
  '@param is_whole True stores an object as it is, in place of what is stored.\n'
  '@param expected_updated_at The `updated_at` of the preference that was read.\n'
  'Stores the caller''s choice for one setting, everywhere or in one project, and returns what applies now. '
  'An object is merged into what the caller already stores (RFC 7396: null resets a member), so that two clients '
  'which change different members keep both changes. '
  'Where nothing is stored yet and the setting''s values are not merged (`merge` is `replace`), it is merged into what '
  'applies now. '
  'Refused: `not_signed_in`, `unknown_setting`, `unknown_project`, `layer_not_allowed`, `admin_required`, '
  '`setting_enforced`, `value_required`, `invalid_value`, `changed_meanwhile` (where `expected_updated_at` is another), '
  '`too_large`, `value_too_deep`, `too_many_preferences`.';
revoke all on function attune.set_preference(text, jsonb, uuid, boolean, timestamptz) from public;
grant execute on function attune.set_preference(text, jsonb, uuid, boolean, timestamptz) to anon, authenticated, service_role;
--! EndIncluded settings/set_preference.sql
--! Included settings/set_preferences.sql
create or replace function attune.set_preferences(patch jsonb, project_id uuid default null)
returns setof attune.effective_setting
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  written text;
begin
  perform attune_private.require_user(caller);
  perform attune_private.check_patch(patch);

  for written in select w from attune_private.write_preferences(caller, patch, set_preferences.project_id) as w loop
    return next attune_private.effective_setting(caller, written, set_preferences.project_id);
  end loop;
end;
$$;
comment on function attune.set_preferences(jsonb, uuid) is
  E'@param patch `{key: value}`; null resets a key.\n'
  '@param project_id In which project; outside projects when left out.\n'
  'Stores several choices of the caller, `{key: value}`, everywhere or in one project, all or nothing, and returns '
  'what applies now for each. '
  'A merge patch (RFC 7396): null resets a key. '
  'Refused: `invalid_patch`, and as `set_preference`.';
revoke all on function attune.set_preferences(jsonb, uuid) from public;
grant execute on function attune.set_preferences(jsonb, uuid) to anon, authenticated, service_role;
--! EndIncluded settings/set_preferences.sql
--! Included settings/reset_preference.sql
create or replace function attune.reset_preference(
  key text,
  project_id uuid default null,
  expected_updated_at timestamptz default null
)
returns attune.effective_setting
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
begin
  perform attune_private.require_user(caller);
  perform attune_private.drop_preference(
    caller, caller.user_id, reset_preference.key, reset_preference.project_id, reset_preference.expected_updated_at
  );

  return attune_private.effective_setting(caller, reset_preference.key, reset_preference.project_id);
end;
$$;
comment on function attune.reset_preference(text, uuid, timestamptz) is
  E'@param key Which setting.\n'
  '@param project_id In which project; outside projects when left out.\n'
  '@param expected_updated_at The `updated_at` of the preference that was read.\n'
  'Drops the caller''s override of one setting, or the one in a project, and returns what applies now. '
  'Resetting what was never set is no error. '
  'Refused: `not_signed_in`, `unknown_setting`, `unknown_project`, `admin_required`, `changed_meanwhile` (where '
  '`expected_updated_at` is another).';
revoke all on function attune.reset_preference(text, uuid, timestamptz) from public;
grant execute on function attune.reset_preference(text, uuid, timestamptz) to anon, authenticated, service_role;
--! EndIncluded settings/reset_preference.sql
--! Included settings/reset_preferences.sql
create or replace function attune.reset_preferences(category text default null, project_id uuid default null)
returns setof attune.effective_setting
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  shown constant attune.setting_audience := attune_private.audience_of(caller);
  dropped text[];
begin
  perform attune_private.require_user(caller);

  -- One writer of several rows at a time, as in set_preferences.
  perform from attune.users as u where u.id = caller.user_id for no key update;

  -- What administrators gave the user is not the user's to drop.
  if reset_preferences.project_id is null then
    with deleted as (
      delete from attune.user_preferences as p
      using attune.setting_definitions as d
      where p.user_id = caller.user_id
        and d.key = p.key
        and d.writable_by = 'user'
        and d.audience <= shown
        and (reset_preferences.category is null or d.category = reset_preferences.category)
      returning p.key
    )
    select array_agg(x.key) into dropped from deleted as x;
  else
    with deleted as (
      delete from attune.project_preferences as p
      using attune.setting_definitions as d
      where p.user_id = caller.user_id
        and p.project_id = reset_preferences.project_id
        and d.key = p.key
        and d.writable_by = 'user'
        and d.audience <= shown
        and (reset_preferences.category is null or d.category = reset_preferences.category)
      returning p.key
    )
    select array_agg(x.key) into dropped from deleted as x;
  end if;

  return query
    select s.*
    from attune_private.effective_settings(caller, reset_preferences.category, reset_preferences.project_id) as s
    where s.key = any (dropped);
end;
$$;
comment on function attune.reset_preferences(text, uuid) is
  E'@param category Only this category; all when left out.\n'
  '@param project_id In which project; outside projects when left out.\n'
  'Drops all choices of the caller outside projects, or all in one project, or of these those of one category, and '
  'returns what applies now for each that was dropped. '
  'Values that only administrators may write, or see, stay. '
  'Refused: `not_signed_in`, `unknown_project`.';
revoke all on function attune.reset_preferences(text, uuid) from public;
grant execute on function attune.reset_preferences(text, uuid) to anon, authenticated, service_role;
--! EndIncluded settings/reset_preferences.sql
--! Included settings/set_global_setting.sql
create or replace function attune.set_global_setting(
  key text,
  value jsonb default null,
  is_enforced boolean default null,
  rollout_percentage integer default null,
  is_active boolean default null,
  is_whole boolean default false,
  expected_updated_at timestamptz default null
)
returns attune.global_settings
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
begin
  return attune_private.write_global_setting(
    caller,
    set_global_setting.key,
    set_global_setting.value,
    set_global_setting.is_enforced,
    set_global_setting.rollout_percentage,
    null,
    set_global_setting.is_active,
    set_global_setting.is_whole,
    set_global_setting.expected_updated_at
  );
end;
$$;
comment on function attune.set_global_setting(text, jsonb, boolean, integer, boolean, boolean, timestamptz) is
  E'@param key Which setting.\n'
  '@param value The value; of an object, the members to change.\n'
  '@param is_enforced Whether nobody can choose otherwise.\n'
  '@param rollout_percentage The share of users it applies to, 0 to 100.\n'
  '@param is_active False keeps the value, and ignores it.\n'
  '@param is_whole True stores an object as it is, in place of what is stored.\n'
  '@param expected_updated_at The `updated_at` of the global value that was read.\n'
  'Changes what applies to everybody for one setting, and returns the row; for '
  'administrators. '
  'What is not mentioned stays: a change of the lock leaves the value, a change of the value leaves lock, rollout and '
  'variants; where nothing is stored yet, it is what applies now, not locked, and for everybody. '
  'An object is merged into what is stored (RFC 7396). '
  'With `is_enforced` nobody can choose otherwise; with a `rollout_percentage` it applies to that share of users, '
  'who stay in as the share grows. '
  'Refused: `admin_required`, `unknown_setting`, `layer_not_allowed`, `value_required`, `invalid_value`, '
  '`invalid_rollout_percentage`, `system_setting`, `changed_meanwhile` (where `expected_updated_at` is another), '
  '`too_large`, `value_too_deep`.';
revoke all on function attune.set_global_setting(text, jsonb, boolean, integer, boolean, boolean, timestamptz)
  from public;
grant execute on function attune.set_global_setting(text, jsonb, boolean, integer, boolean, boolean, timestamptz)
  to anon, authenticated, service_role;
--! EndIncluded settings/set_global_setting.sql
--! Included settings/set_global_variants.sql
create or replace function attune.set_global_variants(
  key text,
  variants jsonb,
  expected_updated_at timestamptz default null
)
returns attune.global_settings
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
begin
  perform attune_private.require_administrator(caller);

  if set_global_variants.variants is null then
    perform attune_private.refuse_missing_value();
  end if;

  -- Whoever is in no variant, because nobody is signed in, gets the value that is there, or what applied before.
  if set_global_variants.variants <> 'null'
    or exists (select from attune.global_settings as g where g.key = set_global_variants.key)
  then
    return attune_private.write_global_setting(
      caller, set_global_variants.key, null, null, null, set_global_variants.variants, null, false,
      set_global_variants.expected_updated_at
    );
  end if;

  perform attune_private.check_setting(caller, set_global_variants.key);
  perform attune_private.check_unchanged(null, set_global_variants.expected_updated_at);
  return null;
end;
$$;
comment on function attune.set_global_variants(text, jsonb, timestamptz) is
  E'@nullable\n'
  '@param key Which setting.\n'
  '@param variants `[{"name", "weight", "value"}]`; null ends the split.\n'
  '@param expected_updated_at The `updated_at` of the global value that was read.\n'
  'Splits the users whom the global value applies to into variants, `[{"name", "weight", "value"}]`; a weight is a '
  'part of the sum of all, as Unleash has it; null ends the split. '
  'Value, lock and rollout stay. '
  'Returns the row, or null when there is none and no split to end; for administrators. '
  'Refused: `admin_required`, `unknown_setting`, `layer_not_allowed`, `value_required`, `invalid_variants`, '
  '`invalid_value`, `secret_in_setting`, `invalid_timezone`, `system_setting`, `changed_meanwhile`, `too_large`, '
  '`value_too_deep`.';
revoke all on function attune.set_global_variants(text, jsonb, timestamptz) from public;
grant execute on function attune.set_global_variants(text, jsonb, timestamptz) to anon, authenticated, service_role;
--! EndIncluded settings/set_global_variants.sql
--! Included settings/reset_global_setting.sql
create or replace function attune.reset_global_setting(key text, expected_updated_at timestamptz default null)
returns attune.global_settings
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  dropped attune.global_settings;
begin
  perform attune_private.require_administrator(caller);
  perform attune_private.check_setting(caller, reset_global_setting.key);

  delete from attune.global_settings as g
  where g.key = reset_global_setting.key
  returning g.* into dropped;

  perform attune_private.check_unchanged(dropped.updated_at, reset_global_setting.expected_updated_at);
  return dropped;
end;
$$;
comment on function attune.reset_global_setting(text, timestamptz) is
  E'@nullable\n'
  '@param key Which setting.\n'
  '@param expected_updated_at The `updated_at` of the global value that was read.\n'
  'Drops what administrators chose for everybody for one setting, its lock included, and returns the row that was '
  'there, null when there was none; for administrators. '
  'Resetting what was never set is no error. '
  'Refused: `admin_required`, `unknown_setting`, `changed_meanwhile` (where `expected_updated_at` is another).';
revoke all on function attune.reset_global_setting(text, timestamptz) from public;
grant execute on function attune.reset_global_setting(text, timestamptz) to anon, authenticated, service_role;
--! EndIncluded settings/reset_global_setting.sql
--! Included settings/set_plan_setting.sql
create or replace function attune.set_plan_setting(
  plan text,
  key text,
  value jsonb default null,
  is_enforced boolean default null,
  is_active boolean default null,
  is_whole boolean default false,
  expected_updated_at timestamptz default null
)
returns attune.plan_settings
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
begin
  return attune_private.write_plan_setting(
    caller,
    set_plan_setting.plan,
    set_plan_setting.key,
    set_plan_setting.value,
    set_plan_setting.is_enforced,
    set_plan_setting.is_active,
    set_plan_setting.is_whole,
    set_plan_setting.expected_updated_at
  );
end;
$$;
comment on function attune.set_plan_setting(text, text, jsonb, boolean, boolean, boolean, timestamptz) is
  E'@param plan Which plan.\n'
  '@param key Which setting.\n'
  '@param value The value; of an object, the members to change.\n'
  '@param is_enforced Whether nobody of them can choose otherwise.\n'
  '@param is_active False keeps the value, and ignores it.\n'
  '@param is_whole True stores an object as it is, in place of what is stored.\n'
  '@param expected_updated_at The `updated_at` of the value that was read.\n'
  'Changes what applies to the users of a plan for one setting, and returns the row; for '
  'administrators. '
  'What is not mentioned stays; where nothing is stored yet, it is what applies to everybody, not locked. '
  'An object is merged into what is stored (RFC 7396). '
  'With `is_enforced` none of them can choose otherwise. '
  'Refused: `admin_required`, `unknown_plan`, `unknown_setting`, `layer_not_allowed`, '
  '`value_required`, `invalid_value`, `changed_meanwhile` (where `expected_updated_at` is another), `too_large`, '
  '`value_too_deep`.';
revoke all on function attune.set_plan_setting(text, text, jsonb, boolean, boolean, boolean, timestamptz) from public;
grant execute on function attune.set_plan_setting(text, text, jsonb, boolean, boolean, boolean, timestamptz)
  to anon, authenticated, service_role;
--! EndIncluded settings/set_plan_setting.sql
--! Included settings/reset_plan_setting.sql
create or replace function attune.reset_plan_setting(
  plan text,
  key text,
  expected_updated_at timestamptz default null
)
returns attune.plan_settings
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  dropped attune.plan_settings;
begin
  perform attune_private.require_administrator(caller);
  perform attune_private.check_plan(reset_plan_setting.plan);
  perform attune_private.check_setting(caller, reset_plan_setting.key);

  delete from attune.plan_settings as s
  where s.plan = reset_plan_setting.plan
    and s.key = reset_plan_setting.key
  returning s.* into dropped;

  perform attune_private.check_unchanged(dropped.updated_at, reset_plan_setting.expected_updated_at);
  return dropped;
end;
$$;
comment on function attune.reset_plan_setting(text, text, timestamptz) is
  E'@nullable\n'
  '@param plan Which plan.\n'
  '@param key Which setting.\n'
  '@param expected_updated_at The `updated_at` of the value that was read.\n'
  'Drops what was chosen for the users of a plan for one setting, its lock included, and returns the row that was '
  'there, null when there was none; for administrators. '
  'Resetting what was never set is no error. '
  'Refused: `admin_required`, `unknown_plan`, `unknown_setting`, `changed_meanwhile` (where `expected_updated_at` is '
  'another).';
revoke all on function attune.reset_plan_setting(text, text, timestamptz) from public;
grant execute on function attune.reset_plan_setting(text, text, timestamptz) to anon, authenticated, service_role;
--! EndIncluded settings/reset_plan_setting.sql
--! Included settings/set_team_setting.sql
create or replace function attune.set_team_setting(
  team_id uuid,
  key text,
  value jsonb default null,
  is_enforced boolean default null,
  is_active boolean default null,
  is_whole boolean default false,
  expected_updated_at timestamptz default null
)
returns attune.team_settings
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
begin
  return attune_private.write_team_setting(
    caller,
    set_team_setting.team_id,
    set_team_setting.key,
    set_team_setting.value,
    set_team_setting.is_enforced,
    set_team_setting.is_active,
    set_team_setting.is_whole,
    set_team_setting.expected_updated_at
  );
end;
$$;
comment on function attune.set_team_setting(uuid, text, jsonb, boolean, boolean, boolean, timestamptz) is
  E'@param team_id Which team.\n'
  '@param key Which setting.\n'
  '@param value The value; of an object, the members to change.\n'
  '@param is_enforced Whether nobody of them can choose otherwise.\n'
  '@param is_active False keeps the value, and ignores it.\n'
  '@param is_whole True stores an object as it is, in place of what is stored.\n'
  '@param expected_updated_at The `updated_at` of the value that was read.\n'
  'Changes what applies to the members of a team for one setting, and returns the row; for '
  'the team''s owners and administrators. '
  'What is not mentioned stays; where nothing is stored yet, it is what applies to everybody, not locked. '
  'An object is merged into what is stored (RFC 7396). '
  'With `is_enforced` none of them can choose otherwise. '
  'Refused: `team_admin_required`, `admin_required`, `setting_enforced`, `unknown_setting`, `layer_not_allowed`, '
  '`value_required`, `invalid_value`, `changed_meanwhile` (where `expected_updated_at` is another), `too_large`, '
  '`value_too_deep`.';
revoke all on function attune.set_team_setting(uuid, text, jsonb, boolean, boolean, boolean, timestamptz) from public;
grant execute on function attune.set_team_setting(uuid, text, jsonb, boolean, boolean, boolean, timestamptz)
  to anon, authenticated, service_role;
--! EndIncluded settings/set_team_setting.sql
--! Included settings/reset_team_setting.sql
create or replace function attune.reset_team_setting(
  team_id uuid,
  key text,
  expected_updated_at timestamptz default null
)
returns attune.team_settings
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  dropped attune.team_settings;
begin
  perform attune_private.require_team_administrator(caller, reset_team_setting.team_id);
  perform attune_private.check_setting(caller, reset_team_setting.key);

  delete from attune.team_settings as s
  where s.team_id = reset_team_setting.team_id
    and s.key = reset_team_setting.key
  returning s.* into dropped;

  -- Only now, because dropping what was never set is no error.
  if found then
    perform attune_private.authorize_team_setting(
      caller, reset_team_setting.team_id, reset_team_setting.key, true
    );
  end if;

  perform attune_private.check_unchanged(dropped.updated_at, reset_team_setting.expected_updated_at);
  return dropped;
end;
$$;
comment on function attune.reset_team_setting(uuid, text, timestamptz) is
  E'@nullable\n'
  '@param team_id Which team.\n'
  '@param key Which setting.\n'
  '@param expected_updated_at The `updated_at` of the value that was read.\n'
  'Drops what was chosen for the members of a team for one setting, its lock included, and returns the row that was '
  'there, null when there was none; for the team''s owners and administrators. '
  'Resetting what was never set is no error. '
  'Refused: `team_admin_required`, `admin_required`, `unknown_setting`, `changed_meanwhile` (where '
  '`expected_updated_at` is another).';
revoke all on function attune.reset_team_setting(uuid, text, timestamptz) from public;
grant execute on function attune.reset_team_setting(uuid, text, timestamptz) to anon, authenticated, service_role;
--! EndIncluded settings/reset_team_setting.sql
--! Included settings/set_user_setting.sql
create or replace function attune.set_user_setting(
  user_id uuid,
  key text,
  value jsonb,
  is_whole boolean default false,
  expected_updated_at timestamptz default null
)
returns attune.effective_setting
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
begin
  perform attune_private.require_administrator(caller);
  perform attune_private.check_user(set_user_setting.user_id);

  perform attune_private.write_preference(
    caller, set_user_setting.user_id, set_user_setting.key, set_user_setting.value,
    is_whole => set_user_setting.is_whole, expected_updated_at => set_user_setting.expected_updated_at
  );

  return attune_private.effective_setting(
    attune_private.user_as_caller(set_user_setting.user_id),
    set_user_setting.key,
    audience => attune_private.audience_of(caller)
  );
end;
$$;
comment on function attune.set_user_setting(uuid, text, jsonb, boolean, timestamptz) is
  E'@param user_id Whose.\n'
  '@param key Which setting.\n'
  '@param value The value; of an object, the members to change.\n'
  '@param is_whole True stores an object as it is, in place of what is stored.\n'
  '@param expected_updated_at The `updated_at` of the preference that was read.\n'
  'Gives one user a value that only administrators may, such as a beta feature, and returns what applies to that '
  'user; for administrators. '
  'What is the user''s own choice stays theirs (`not_your_preference`). '
  'Refused: `admin_required`, `unknown_user`, `unknown_setting`, `layer_not_allowed`, `not_your_preference`, '
  '`setting_enforced`, `value_required`, `invalid_value`, `changed_meanwhile` (where `expected_updated_at` is another), '
  '`too_large`, `too_many_preferences`.';
revoke all on function attune.set_user_setting(uuid, text, jsonb, boolean, timestamptz) from public;
grant execute on function attune.set_user_setting(uuid, text, jsonb, boolean, timestamptz) to anon, authenticated, service_role;
--! EndIncluded settings/set_user_setting.sql
--! Included settings/reset_user_setting.sql
create or replace function attune.reset_user_setting(
  user_id uuid,
  key text,
  expected_updated_at timestamptz default null
)
returns attune.effective_setting
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
begin
  perform attune_private.require_administrator(caller);
  perform attune_private.check_user(reset_user_setting.user_id);
  perform attune_private.drop_preference(
    caller, reset_user_setting.user_id, reset_user_setting.key,
    expected_updated_at => reset_user_setting.expected_updated_at
  );

  return attune_private.effective_setting(
    attune_private.user_as_caller(reset_user_setting.user_id),
    reset_user_setting.key,
    audience => attune_private.audience_of(caller)
  );
end;
$$;
comment on function attune.reset_user_setting(uuid, text, timestamptz) is
  E'@param user_id Whose.\n'
  '@param key Which setting.\n'
  '@param expected_updated_at The `updated_at` of the preference that was read.\n'
  'Takes from one user what an administrator gave, and returns what applies to that user now; for administrators. '
  'Resetting what was never set is no error. '
  'Refused: `admin_required`, `unknown_user`, `unknown_setting`, `not_your_preference`, `changed_meanwhile` (where '
  '`expected_updated_at` is another).';
revoke all on function attune.reset_user_setting(uuid, text, timestamptz) from public;
grant execute on function attune.reset_user_setting(uuid, text, timestamptz) to anon, authenticated, service_role;
--! EndIncluded settings/reset_user_setting.sql
--! Included settings/set_setting.sql
create or replace function attune.set_setting(key text, value jsonb)
returns attune.effective_setting
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  narrowest attune.setting_layer;
begin
  perform attune_private.require_somebody(caller);

  select d.layer into narrowest
  from attune.setting_definitions as d
  where d.key = set_setting.key
    and d.audience <= attune_private.audience_of(caller);

  if not found then
    perform attune_private.refuse_unknown_setting(set_setting.key);
  end if;

  if narrowest >= 'user' then
    perform attune_private.require_user(caller);
    perform attune_private.write_preference(caller, caller.user_id, set_setting.key, set_setting.value);
  else
    if set_setting.value is null then
      perform attune_private.refuse_missing_value();
    end if;

    -- A lock, a rollout and variants are decisions of their own: changing the value leaves them.
    perform attune_private.write_global_setting(
      caller, set_setting.key, set_setting.value, null, null, null, null, false, null
    );
  end if;

  return attune_private.effective_setting(caller, set_setting.key);
end;
$$;
comment on function attune.set_setting(text, jsonb) is
  E'@param key Which setting.\n'
  '@param value The value; of an object, the members to change.\n'
  'Stores a value where it belongs: a setting that users may hold, for the caller; any other, for everybody, which '
  'needs an administrator. '
  'Returns what applies to the caller now. '
  'Refused as `set_preference` and `set_global_setting`.';
revoke all on function attune.set_setting(text, jsonb) from public;
grant execute on function attune.set_setting(text, jsonb) to anon, authenticated, service_role;
--! EndIncluded settings/set_setting.sql

-- What a new user starts with

--! Included settings/private/seed_settings.sql
create or replace function attune_private.seed_settings(user_id uuid, updated_by uuid)
returns bigint
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  stored bigint := 0;
  skipped text[];
  candidate record;
begin
  for candidate in
    select r.key, r.value
    from attune_private.resolve_settings(seed_settings.user_id, false, 'admin') as r
    join attune.setting_definitions as d on d.key = r.key
    where d.seeding = 'copy'
      and d.layer >= 'user'
      -- What is not set is nothing to copy, unless null is a value.
      and (r.value <> 'null' or attune_private.stored_value_problem(d, 'user', 'null') is null)
      and not exists (
        select from attune.user_preferences as p where p.user_id = seed_settings.user_id and p.key = r.key
      )
    order by r.key
  loop
    -- What cannot be stored, such as a value that is too large once it is merged, keeps nobody out.
    begin
      insert into attune.user_preferences (user_id, key, value, updated_by, updated_at)
      values (seed_settings.user_id, candidate.key, candidate.value, seed_settings.updated_by, 'infinity')
      on conflict on constraint user_preferences_pkey do nothing;

      if found then
        stored := stored + 1;
      end if;
    exception
      when sqlstate 'PT422' then
        skipped := skipped || (candidate.key || ': ' || sqlerrm);
    end;
  end loop;

  if skipped is not null then
    insert into attune.maintenance_operations (
      operation, table_name, reason, details, affected_rows, actor_id, actor_role
    )
    values (
      'seed_settings',
      'attune.user_preferences',
      'Values that cannot be stored were not copied',
      jsonb_build_object('user_id', seed_settings.user_id, 'skipped', to_jsonb(skipped[:100])),
      stored,
      seed_settings.updated_by,
      attune_private.request_role()
    );
  end if;

  return stored;
end;
$$;
comment on function attune_private.seed_settings(uuid, uuid) is
  'Puts the value now effective of every setting with `seeding = copy` into a user''s layer, where the user holds '
  'none; returns how many. '
  'What cannot be stored is skipped, and named in `maintenance_operations`.';
revoke all on function attune_private.seed_settings(uuid, uuid) from public;
--! EndIncluded settings/private/seed_settings.sql
--! Included settings/triggers/tg_users__seed_settings.sql
create or replace function attune_private.tg_users__seed_settings()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform attune_private.seed_settings(new.id, attune.current_user_id());
  return null;
end;
$$;
comment on function attune_private.tg_users__seed_settings() is 'Gives a new user the settings with `seeding = copy`.';
revoke all on function attune_private.tg_users__seed_settings() from public;
--! EndIncluded settings/triggers/tg_users__seed_settings.sql
--! Included settings/seed_existing_users.sql
create or replace function attune.seed_existing_users(batch_size integer default 1000)
returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  seeded integer := 0;
  unseeded uuid[];
  last_seen uuid;
begin
  perform attune_private.require_administrator(caller);

  perform attune_private.check_batch_size(batch_size, 100000, 'users');

  loop
    unseeded := array(
      select u.id
      from attune.users as u
      where exists (
        select from attune.setting_definitions as d
        where d.seeding = 'copy'
          and d.layer >= 'user'
          and not exists (select from attune.user_preferences as p where p.user_id = u.id and p.key = d.key)
      )
        and (last_seen is null or u.id > last_seen)
      order by u.id
      limit batch_size
      for no key update of u
    );

    select count(*) into seeded
    from unnest(unseeded) as u (id)
    where attune_private.seed_settings(u.id, caller.user_id) > 0;

    -- A batch that can be given nothing, or that somebody else has seeded meanwhile, is not the end.
    exit when seeded > 0 or cardinality(unseeded) = 0;
    last_seen := unseeded[cardinality(unseeded)];
  end loop;

  return seeded;
end;
$$;
comment on function attune.seed_existing_users(integer) is
  E'@resultFieldName seededUsers\n'
  '@param batch_size At most so many users, 1 to 100,000.\n'
  'Gives users who existed before a setting got `seeding = copy` its value now effective, where they hold none; for '
  'administrators. '
  'One batch a call: returns how many users were given something, 0 when nobody is left. '
  'Refused: `admin_required`, `invalid_batch_size`.';
revoke all on function attune.seed_existing_users(integer) from public;
grant execute on function attune.seed_existing_users(integer) to anon, authenticated, service_role;
--! EndIncluded settings/seed_existing_users.sql

create trigger _500_seed_settings after insert on attune.users
  for each row execute function attune_private.tg_users__seed_settings();

-- When a layer begins to hold whole values

--! Included settings/triggers/tg_setting_definitions__make_whole.sql
create or replace function attune_private.tg_setting_definitions__make_whole()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  of_all constant boolean := old.merge = 'deep' and new.merge = 'replace';
  of_users constant boolean := not attune_private.holds_whole_value(old.merge, old.seeding, 'user')
    and attune_private.holds_whole_value(new.merge, new.seeding, 'user');
begin
  if attune_private.is_rehearsal() then
    return null;
  end if;

  -- What users hold comes before the plans and teams that it builds on; variants are whole before anybody is in one.
  if of_all then
    update attune.global_settings as g
    set
      value = attune_private.whole_value(old, 'global', g.value),
      variants = (
        select jsonb_agg(
          v.variant || jsonb_build_object('value', attune_private.whole_value(
            old, 'global', attune_hidden.json_merge_patch(g.value, v.variant -> 'value')
          ))
          order by v.place
        )
        from jsonb_array_elements(g.variants) with ordinality as v (variant, place)
      )
    where g.key = new.key;

    update attune.project_preferences as p
    set value = attune_private.whole_value(old, 'project', p.value, p.user_id, p.project_id)
    where p.key = new.key;
  end if;

  if of_users then
    update attune.user_preferences as p
    set value = attune_private.whole_value(old, 'user', p.value, p.user_id)
    where p.key = new.key;
  end if;

  if of_all then
    update attune.plan_settings as p
    set value = attune_private.whole_value(old, 'plan', p.value)
    where p.key = new.key;

    update attune.team_settings as t
    set value = attune_private.whole_value(old, 'team', t.value)
    where t.key = new.key;
  end if;

  return null;
end;
$$;
comment on function attune_private.tg_setting_definitions__make_whole() is
  'Stores what values amount to where a layer holds whole values from now on, so that none loses the members that it '
  'took from broader layers.';
revoke all on function attune_private.tg_setting_definitions__make_whole() from public;
--! EndIncluded settings/triggers/tg_setting_definitions__make_whole.sql

create trigger _400_make_whole after update on attune.setting_definitions
  for each row when ((old.merge, old.seeding) is distinct from (new.merge, new.seeding))
  execute function attune_private.tg_setting_definitions__make_whole();
