--! Previous: sha1:433df49674a374d6cbe397254e6ce3f5ae494f2e
--! Hash: sha1:57e407611c4c301d966538541b7216f778bb6185
--! Message: legacy settings

create type attune.adoption_outcome as enum ('adopted', 'unchanged', 'kept', 'not_converted');
comment on type attune.adoption_outcome is
  'What became of an old setting: `adopted` into the global layer; `unchanged`, it was there; `kept`, another value is there and stays; `not_converted`, and why.';

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
comment on column attune.adopted_setting.old_value is 'The text in the old table; null for a secret, which is not repeated.';
comment on column attune.adopted_setting.value is 'What is in the global layer now; null when nothing is.';
comment on column attune.adopted_setting.problem is 'Why it was not converted; else null.';

--! Included private/parse_legacy_value.sql
create or replace function attune_private.parse_legacy_value(value text)
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
comment on function attune_private.parse_legacy_value(text) is
  'What a text in a table of settings stands for: a boolean, a number, an object, a list, or itself.';
revoke all on function attune_private.parse_legacy_value(text) from public;
--! EndIncluded private/parse_legacy_value.sql
--! Included functions/adopt_legacy_settings.sql
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
  perform attune.require_admin();

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
    parsed := attune_private.parse_legacy_value(legacy.value);
    select d.* into definition from attune.setting_definitions as d where d.key = legacy.key;
    select g.value into stored from attune.global_settings as g where g.key = legacy.key;

    -- A row that no table takes is listed like any other, and keeps nothing else from being adopted.
    begin
      -- A key that is known says itself what its text stands for.
      if definition.key is not null
        and attune_private.value_problem(legacy.key, 'global', parsed) is not null
        and attune_private.value_problem(legacy.key, 'global', to_jsonb(legacy.value)) is null
      then
        parsed := to_jsonb(legacy.value);
      end if;

      result.problem := case
        when legacy.key is null then 'it has no key'
        when legacy.key !~ '^[A-Za-z_][A-Za-z0-9_.:/@-]{0,199}$' then 'its key is no name for a setting'
        when legacy.value is null then 'it has no value'
        -- A password of digits is one, too.
        when attune_private.secret_path(
          jsonb_build_object(legacy.key, case jsonb_typeof(parsed) when 'number' then to_jsonb(legacy.value) else parsed end)
        ) is not null
          then 'it looks like a secret: store it with credentials'
        when definition.key is not null and stored is null
          then attune_private.value_problem(legacy.key, 'global', parsed)
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

        parsed := attune.json_merge_patch('{}', parsed);
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
  E'@behavior -*\nReads a table of old settings (key, value as text, category, description) into definitions and the global layer, with values parsed to their types, and marks its rows as deprecated, in a column that is added when missing; no row is deleted. Can run again: values that are there stay. Returns what became of each row; what cannot be converted is listed, not marked. With `seeding => copy`, `seed_existing_users` then gives the values to existing users. For trusted servers with rights on the table, and its owner. Refused: `admin_required`.';
revoke all on function attune.adopt_legacy_settings(
  regclass, attune.setting_layer, attune.setting_seeding, name, name, name, name, name
) from public;
grant execute on function attune.adopt_legacy_settings(
  regclass, attune.setting_layer, attune.setting_seeding, name, name, name, name, name
) to service_role;
--! EndIncluded functions/adopt_legacy_settings.sql
