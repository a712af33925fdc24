--! Previous: sha1:eb55af7c6b2a44dd902044703af60fa403210e34
--! Hash: sha1:fc8cdb30aa0a523a52ea233d9b14ddedc7f4f3d2
--! Message: history

-- What applied at a moment, and back to it.

create type attune.past_setting as (
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
  at timestamptz
);
comment on type attune.past_setting is
  E'@id user_id,project_id,key,at\n'
  'What applied to one user for one setting at a moment, and where it came from.';
comment on column attune.past_setting.key is
  E'@notNull\n'
  'The setting''s name then.';
comment on column attune.past_setting.category is
  E'@notNull\n'
  'What it was listed under.';
comment on column attune.past_setting.value is 'The value that applied.';
comment on column attune.past_setting.layer is
  E'@notNull\n'
  'The narrowest layer that the value came from.';
comment on column attune.past_setting.reason is
  E'@notNull\n'
  'Why it applied, in the terms of OpenFeature.';
comment on column attune.past_setting.variant is 'The name of the variant the user was in, or null.';
comment on column attune.past_setting.is_enforced is
  E'@notNull\n'
  'Whether an administrator had locked the value.';
comment on column attune.past_setting.can_edit is
  E'@notNull\n'
  'Whether `set_setting` by the user would have been accepted.';
comment on column attune.past_setting.description is
  E'@notNull\n'
  'What the setting did.';
comment on column attune.past_setting.updated_at is
  'When the value that applied had been written; null for a default.';
comment on column attune.past_setting.user_id is
  E'@notNull\n'
  'To whom it applied.';
comment on column attune.past_setting.project_id is 'In which project; null outside projects.';
comment on column attune.past_setting.at is
  E'@notNull\n'
  'At which moment.';

--! Included history/effective_settings_as_of.sql
create or replace function attune.effective_settings_as_of(
  at timestamptz,
  user_id uuid default null,
  category text default null,
  project_id uuid default null
)
returns setof attune.past_setting
language plpgsql stable parallel restricted security definer
rows 50
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  subject constant uuid := coalesce(effective_settings_as_of.user_id, caller.user_id);
  was_admin boolean;
  shown attune.setting_audience;
begin
  if subject is distinct from caller.user_id or caller.is_trusted then
    perform attune_private.require_administrator(caller);
    shown := case when caller.is_trusted then 'server' else 'client' end;
  else
    perform attune_private.require_user(caller);
  end if;

  perform attune_private.check_moment(effective_settings_as_of.at);
  perform attune_private.check_user(subject);

  select u.is_admin into was_admin
  from attune_private.users_at(subject, effective_settings_as_of.at) as u;

  if not found then
    perform attune_private.refuse_unknown_user();
  end if;

  -- As they saw it then, but for what is not for them any more.
  shown := coalesce(
    shown,
    least(attune_private.audience_of(caller), attune_private.audience_of((subject, was_admin, false)::attune_private.caller))
  );
  perform attune_private.check_project(subject, effective_settings_as_of.project_id, effective_settings_as_of.at);

  return query
    select
      r.key, r.category, r.value, r.layer, r.reason, r.variant, r.is_enforced, r.can_edit, r.description, r.updated_at,
      r.user_id, r.project_id, effective_settings_as_of.at
    from attune_private.resolve_settings(
      subject, was_admin, shown, effective_settings_as_of.project_id, at => effective_settings_as_of.at
    ) as r
    where (effective_settings_as_of.category is null or r.category = effective_settings_as_of.category)
      and not attune_private.is_concealed(
        attune_hidden.key_now(r.key, effective_settings_as_of.at), greatest(shown, attune_private.audience_of(caller))
      )
    order by r.category, r.key;
end;
$$;
comment on function attune.effective_settings_as_of(timestamptz, uuid, text, uuid) is
  E'@param at At which moment.\n'
  '@param user_id To whom; the caller when left out.\n'
  '@param category Only this category; all when left out.\n'
  '@param project_id In which project; outside projects when left out.\n'
  'What applied to the caller at a moment, or, for administrators, to any user, and why: by the same resolution, from '
  'what the layers, definitions, plans and memberships were then, as the audit log has it. '
  'As `effective_settings` and `effective_settings_for` answered then, but for settings that are not for the caller '
  'any more. '
  'Refused: `not_signed_in`, `admin_required`, `unknown_user` (also where the user came later), `unknown_project` '
  '(also where the user was no member then), `moment_required`, `moment_in_future`, `history_purged`.';
revoke all on function attune.effective_settings_as_of(timestamptz, uuid, text, uuid) from public;
grant execute on function attune.effective_settings_as_of(timestamptz, uuid, text, uuid) to anon, authenticated, service_role;
--! EndIncluded history/effective_settings_as_of.sql

-- Back to what was there.

create type attune.restored_change as (
  subject attune.audit_subject,
  layer attune.setting_layer,
  user_id uuid,
  scope text,
  key text,
  action attune.definition_action,
  previous_value jsonb,
  new_value jsonb,
  previous_attributes jsonb,
  new_attributes jsonb,
  last_change_id bigint,
  problem text
);
comment on type attune.restored_change is 'What going back does to one row.';
comment on column attune.restored_change.subject is
  E'@notNull\n'
  'What is changed.';
comment on column attune.restored_change.layer is 'In which layer; null for what is no setting.';
comment on column attune.restored_change.user_id is 'Whose it is, where it is a user''s; else null.';
comment on column attune.restored_change.scope is
  'Which plan, team or project it belongs to, where it is one''s; else null.';
comment on column attune.restored_change.key is
  E'@notNull\n'
  'Which setting, template, category, plan or provider, as it is called now; of a user, which column.';
comment on column attune.restored_change.action is
  E'@notNull\n'
  'Whether it is added, changed, removed, or skipped.';
comment on column attune.restored_change.previous_value is 'The value that is there; null when nothing is.';
comment on column attune.restored_change.new_value is 'The value that was there; null when nothing was.';
comment on column attune.restored_change.previous_attributes is
  'The other columns that are there, such as `"is_active"`; null when nothing is.';
comment on column attune.restored_change.new_attributes is 'The other columns that were there; null when nothing was.';
comment on column attune.restored_change.last_change_id is
  'The newest change of it in the audit log before this one; null where there is none.';
comment on column attune.restored_change.problem is 'Why it was skipped; null when it was not.';

--! Included history/hidden/require_somebody.sql
create or replace function attune_hidden.require_somebody()
returns void
language plpgsql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform attune_private.require_somebody(attune_private.current_caller());
end;
$$;
comment on function attune_hidden.require_somebody() is
  'Passes for users and trusted servers; refused (`not_signed_in`) for nobody.';
revoke all on function attune_hidden.require_somebody() from public;
grant execute on function attune_hidden.require_somebody() to anon, authenticated, service_role;
--! EndIncluded history/hidden/require_somebody.sql
--! Included history/hidden/give_reason.sql
create or replace function attune_hidden.give_reason(what text, reason text)
returns text
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  previous constant text := coalesce(current_setting('attune.change_reason', true), '');
begin
  perform set_config(
    'attune.change_reason',
    concat_ws(': ', what, coalesce(nullif(btrim(give_reason.reason), ''), attune_private.change_reason())),
    true
  );
  return previous;
end;
$$;
comment on function attune_hidden.give_reason(text, text) is
  'Has what is written from now on say in the audit log what it is, and why: `reason`, or, without one, what was given '
  'already. '
  'Returns what `attune.change_reason` was, for the caller to put back.';
revoke all on function attune_hidden.give_reason(text, text) from public;
grant execute on function attune_hidden.give_reason(text, text) to anon, authenticated, service_role;
--! EndIncluded history/hidden/give_reason.sql
--! Included history/hidden/audited_table.sql
create or replace function attune_hidden.audited_table(
  subject attune.audit_subject,
  layer attune.setting_layer,
  key text
)
returns table (source regclass, owner_column text, scope_column text, name_column text, value_column text)
language sql stable parallel safe security invoker
rows 1
begin atomic
  select
    t.tgrelid::regclass,
    case when o.is_user then 'id' when o.is_owned then 'user_id' end,
    case when not o.is_user then nullif(o.told[5], '') end,
    case when not o.is_user then nullif(o.told[3], '') end,
    case when o.is_user then audited_table.key else nullif(o.told[4], '') end
  from pg_catalog.pg_trigger as t
  cross join lateral (
    select
      string_to_array(encode(t.tgargs, 'escape'), '\000') as told,
      t.tgrelid = 'attune.users'::regclass as is_user,
      exists (
        select from pg_catalog.pg_attribute as a where a.attrelid = t.tgrelid and a.attname = 'user_id'
      ) as is_owned
  ) as o
  where t.tgname = '_900_audit'
    and case
      when o.is_user then audited_table.subject = 'user'
      else o.told[1] = audited_table.subject::text and o.told[2] = coalesce(audited_table.layer::text, '')
    end;
end;
comment on function attune_hidden.audited_table(attune.audit_subject, attune.setting_layer, text) is
  'In which table that is which a row of the audit log is about, and in which of its columns stands whose it is, which '
  'plan, team or project it belongs to, its name and its value: as the trigger says that wrote it. '
  'Of a user each column is a value, called as in the log (`key`).';
revoke all on function attune_hidden.audited_table(attune.audit_subject, attune.setting_layer, text) from public;
grant execute on function attune_hidden.audited_table(attune.audit_subject, attune.setting_layer, text)
  to authenticated, service_role;
--! EndIncluded history/hidden/audited_table.sql
--! Included history/hidden/picked_columns.sql
create or replace function attune_hidden.picked_columns(told jsonb, columns text[])
returns jsonb
language sql immutable parallel safe security invoker
begin atomic
  select jsonb_object_agg(c.name, picked_columns.told -> c.name)
  from unnest(picked_columns.columns) as c (name)
  where picked_columns.told is not null;
end;
comment on function attune_hidden.picked_columns(jsonb, text[]) is 'These columns of a row; NULL for none.';
revoke all on function attune_hidden.picked_columns(jsonb, text[]) from public;
grant execute on function attune_hidden.picked_columns(jsonb, text[]) to authenticated, service_role;
--! EndIncluded history/hidden/picked_columns.sql
--! Included history/hidden/place_condition.sql
create or replace function attune_hidden.place_condition(source regclass, place jsonb)
returns text
language sql stable parallel safe security invoker
begin atomic
  select string_agg(
    format('t.%I = ($1 ->> %L)::%s', a.attname, a.attname, format_type(a.atttypid, a.atttypmod)),
    ' and '
    order by a.attnum
  )
  from pg_catalog.pg_attribute as a
  where a.attrelid = place_condition.source
    and a.attnum > 0
    and place_condition.place ? a.attname;
end;
comment on function attune_hidden.place_condition(regclass, jsonb) is
  'The condition that finds the row at a place, `{column: value}`, which the statement has as its first parameter.';
revoke all on function attune_hidden.place_condition(regclass, jsonb) from public;
grant execute on function attune_hidden.place_condition(regclass, jsonb) to authenticated, service_role;
--! EndIncluded history/hidden/place_condition.sql
--! Included history/hidden/may_put_row.sql
create or replace function attune_hidden.may_put_row(source regclass, place jsonb, present jsonb, wanted jsonb)
returns boolean
language sql stable parallel safe security invoker
begin atomic
  select case
    when wanted is null then has_table_privilege(source, 'delete')
    else (
      select bool_and(has_column_privilege(source, c.name, case when present is null then 'insert' else 'update' end))
      from jsonb_object_keys(place || wanted) as c (name)
      where present is null
        or (wanted -> c.name)::text <> (present -> c.name)::text
    )
  end is not false;
end;
comment on function attune_hidden.may_put_row(regclass, jsonb, jsonb, jsonb) is
  'Whether the grants let the caller do what `put_row` would; row level security and triggers may still refuse it.';
revoke all on function attune_hidden.may_put_row(regclass, jsonb, jsonb, jsonb) from public;
grant execute on function attune_hidden.may_put_row(regclass, jsonb, jsonb, jsonb) to authenticated, service_role;
--! EndIncluded history/hidden/may_put_row.sql
--! Included history/hidden/locked_row.sql
create or replace function attune_hidden.locked_row(source regclass, place jsonb)
returns jsonb
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  found_row jsonb;
begin
  -- As a statement would that writes: who locks a row before its table may wait for who locks the table before the row.
  execute format('lock table %s in row exclusive mode', source);
  execute format(
    'select to_jsonb(t) from %s as t where %s for update', source, attune_hidden.place_condition(source, place)
  )
  into found_row
  using place;
  return found_row;
end;
$$;
comment on function attune_hidden.locked_row(regclass, jsonb) is
  'The row of a table at a place, `{column: value}`, which nobody changes until the transaction is over; NULL when the '
  'caller sees none.';
revoke all on function attune_hidden.locked_row(regclass, jsonb) from public;
grant execute on function attune_hidden.locked_row(regclass, jsonb) to authenticated, service_role;
--! EndIncluded history/hidden/locked_row.sql
--! Included history/hidden/has_dependents.sql
create or replace function attune_hidden.has_dependents(source regclass, place jsonb)
returns boolean
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  dependent record;
  is_found boolean := false;
begin
  for dependent in
    select k.conrelid::regclass as held_in, a.attname as held_by, r.attname as name
    from pg_constraint as k
    join pg_attribute as a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
    join pg_attribute as r on r.attrelid = k.confrelid and r.attnum = k.confkey[1]
    where k.confrelid = source
      and k.confdeltype = 'c'
    order by 1
  loop
    execute format(
      'select exists (select from %s as t where t.%I::text = $1 ->> %L)',
      dependent.held_in, dependent.held_by, dependent.name
    )
    into is_found
    using place;
    exit when is_found;
  end loop;

  return is_found;
end;
$$;
comment on function attune_hidden.has_dependents(regclass, jsonb) is
  'Whether rows would go with the row of a table at a place, `{column: value}`, were it deleted.';
revoke all on function attune_hidden.has_dependents(regclass, jsonb) from public;
grant execute on function attune_hidden.has_dependents(regclass, jsonb) to authenticated, service_role;
--! EndIncluded history/hidden/has_dependents.sql
--! Included history/hidden/put_row.sql
create or replace function attune_hidden.put_row(source regclass, place jsonb, present jsonb, wanted jsonb)
returns bigint
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  -- An update names what differs, so that nothing else needs a right.
  written constant text[] := array(
    select a.attname::text
    from pg_attribute as a
    where a.attrelid = source
      and a.attnum > 0
      and case
        when present is null then place || wanted ? a.attname
        else (wanted -> a.attname)::text <> (present -> a.attname)::text
      end
    order by a.attnum
  );
  names constant text := (
    select string_agg(quote_ident(w.name), ', ' order by w.position)
    from unnest(written) with ordinality as w (name, position)
  );
  -- A value that is JSON's null is no missing one.
  expressions constant text := (
    select string_agg(
      format(
        case when a.atttypid = 'jsonb'::regtype and a.attnotnull then 'coalesce(r.%I, ''null'')' else 'r.%I' end, a.attname
      ),
      ', ' order by a.attnum
    )
    from pg_attribute as a
    where a.attrelid = source
      and a.attname = any (written)
  );
  affected bigint;
begin
  if wanted is null then
    execute format('delete from %s as t where %s', source, attune_hidden.place_condition(source, place)) using place;
  elsif present is null then
    execute format(
      'insert into %1$s (%2$s) select %3$s from jsonb_populate_record(null::%1$s, $1 || $2) as r '
      'on conflict do nothing',
      source, names, expressions
    )
    using place, wanted;
  else
    execute format(
      'update %1$s as t set (%2$s) = (select %3$s from jsonb_populate_record(null::%1$s, $2) as r) where %4$s',
      source, names, expressions, attune_hidden.place_condition(source, place)
    )
    using place, wanted;
  end if;

  get diagnostics affected = row_count;
  return affected;
end;
$$;
comment on function attune_hidden.put_row(regclass, jsonb, jsonb, jsonb) is
  'Makes the row of a table at a place, `{column: value}`, what is wanted: by a delete (NULL is wanted), an insert '
  '(NULL is present) or an update of what differs, with the rights of the caller. '
  'Returns how many rows that took: 0 where somebody was quicker, or the caller may not.';
revoke all on function attune_hidden.put_row(regclass, jsonb, jsonb, jsonb) from public;
grant execute on function attune_hidden.put_row(regclass, jsonb, jsonb, jsonb) to authenticated, service_role;
--! EndIncluded history/hidden/put_row.sql
--! Included history/hidden/refuse_changed_since.sql
create or replace function attune_hidden.refuse_changed_since(key text, last_change_id bigint)
returns void
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = 'PT409',
    message = format('%s was changed again since, last by change %s', key, last_change_id),
    detail = 'changed_since',
    hint = 'Look at it with dry_run and overwrite, then send overwrite alone.';
end;
$$;
comment on function attune_hidden.refuse_changed_since(text, bigint) is
  'Refuses (`changed_since`) to go back where something newer would be lost.';
revoke all on function attune_hidden.refuse_changed_since(text, bigint) from public;
grant execute on function attune_hidden.refuse_changed_since(text, bigint) to authenticated, service_role;
--! EndIncluded history/hidden/refuse_changed_since.sql
create type attune_private.restoration as (
  change attune.setting_change,
  obstacle jsonb,
  newest bigint
);
comment on type attune_private.restoration is
  'What going back to a moment does to one stored value, the problems that keep it from being done, and the newest change '
  'of it since.';

--! Included history/revert_change.sql
create or replace function attune.revert_change(
  audit_id bigint,
  dry_run boolean default false,
  overwrite boolean default false,
  reason text default null
)
returns attune.restored_change
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  change attune.configuration_audit_log;
  target record;
  place jsonb;
  is_renamed boolean;
  -- What it was called since, and is called now.
  keys text[];
  key_now text;
  columns text[];
  -- What is to be there, what the change left behind, and what is there now; NULL for no row.
  wanted jsonb;
  left_behind jsonb;
  present jsonb;
  given_reason text;
  reverted attune.restored_change;
begin
  perform attune_hidden.require_somebody();

  select l.* into change from attune.configuration_audit_log as l where l.id = revert_change.audit_id;

  if not found then
    raise exception using
      errcode = 'PT404',
      message = 'There is no such change',
      detail = 'unknown_change',
      hint = 'Take the id of a row of the audit log that you may read. Old rows are removed.';
  end if;

  select t.* into target from attune_hidden.audited_table(change.subject, change.layer, change.key) as t;
  place := (
    select jsonb_object_agg(c.name, c.value)
    from (
      values
        (target.owner_column, change.user_id::text),
        (target.scope_column, change.scope),
        (target.name_column, change.key)
    ) as c (name, value)
    where c.name is not null
  );
  is_renamed := coalesce(change.previous_attributes ?| array(select jsonb_object_keys(place)), false);

  if change.subject in ('credential', 'maintenance_operation', 'change_set', 'rollout')
    or change.subject = 'user' and change.operation = 'INSERT'
    or is_renamed and change.layer is distinct from 'default'
  then
    raise exception using
      errcode = 'PT422',
      message = format('Change %s can''t be reverted', change.id),
      detail = 'not_revertible',
      hint = case
        when change.subject = 'credential' then 'The secret is not in the log: set or delete the credential.'
        when change.subject = 'user' then 'The user was made so: change the user.'
        when change.subject in ('change_set', 'rollout') then 'What became of it stays: revert the changes that it made.'
        when is_renamed then 'It was renamed, or moved, with what it belongs to: revert the change of that.'
        else 'What is done to the records themselves is never undone.'
      end;
  end if;

  if coalesce(change.previous_value, change.new_value, change.previous_attributes, change.new_attributes) is null then
    raise exception using
      errcode = 'PT410',
      message = format('What change %s was about is not in the log any more', change.id),
      detail = 'values_erased',
      hint = 'Nothing can be done: the values of a deleted user are erased.';
  end if;

  -- What was renamed later is found under the key that it has today.
  keys := case
    when change.subject = 'setting' then attune_hidden.keys_since(change.key, change.occurred_at)
    else array[change.key]
  end;
  key_now := keys[cardinality(keys)];

  if change.subject = 'setting' and not is_renamed then
    place := place || jsonb_build_object('key', key_now);
  end if;

  wanted := case change.operation when 'INSERT' then null else coalesce(change.previous_attributes, '{}')
    || jsonb_build_object(coalesce(target.value_column, ''), change.previous_value) end;
  left_behind := case change.operation when 'DELETE' then null else coalesce(change.new_attributes, '{}')
    || jsonb_build_object(coalesce(target.value_column, ''), change.new_value) end;
  -- Columns that came later stay as they are, and those that are gone are gone.
  columns := array(
    select a.attname::text
    from pg_attribute as a
    where a.attrelid = target.source
      and a.attnum > 0
      and coalesce(left_behind, wanted) ? a.attname
      and not place ? a.attname
      and a.attname <> all ('{created_at,updated_at,updated_by}')
  );
  wanted := attune_hidden.picked_columns(wanted, columns);
  left_behind := attune_hidden.picked_columns(left_behind, columns);

  if not attune_hidden.may_put_row(target.source, place, left_behind, wanted) then
    raise exception using
      errcode = '42501',
      message = format('Change %s is of what you may not write', change.id),
      detail = 'permission_denied',
      hint = 'Ask somebody who may, or let a trusted server do it.';
  end if;

  if is_renamed then
    -- As renaming does: nobody else renames meanwhile.
    lock table attune.setting_definitions in share row exclusive mode;
  end if;

  present := attune_hidden.picked_columns(attune_hidden.locked_row(target.source, place), columns);

  select l.id into reverted.last_change_id
  from attune.configuration_audit_log as l
  where l.key = any (keys)
    and l.id >= change.id
    and l.subject = change.subject
    and l.layer is not distinct from change.layer
    and l.user_id is not distinct from change.user_id
    and l.scope is not distinct from change.scope
    -- Another setting may have been given a key that this one had.
    and (cardinality(keys) = 1 or attune_hidden.key_now(l.key, l.occurred_at) = key_now)
  order by l.id desc
  limit 1;

  -- What was set for a plan goes with it.
  if change.subject = 'plan' and wanted is null then
    select greatest(reverted.last_change_id, max(l.id)) into reverted.last_change_id
    from attune.configuration_audit_log as l
    where l.layer = 'plan'
      and l.scope = change.key
      and l.id > change.id;
  end if;

  if present::text is not distinct from wanted::text and not is_renamed then
    raise exception using
      errcode = 'PT409',
      message = format('%s is as it was before change %s', key_now, change.id),
      detail = 'nothing_to_revert',
      hint = 'It was reverted, or set back, already: there is nothing to do.';
  end if;

  if present::text is distinct from left_behind::text and (overwrite is not true or is_renamed and present is null)
    or change.subject = 'plan' and wanted is null and overwrite is not true
      and attune_hidden.has_dependents(target.source, place)
  then
    perform attune_hidden.refuse_changed_since(key_now, reverted.last_change_id);
  end if;

  -- A dry run does the same and takes it back, so that it is refused for the same.
  begin
    given_reason := attune_hidden.give_reason(format('Reverts change %s', change.id), revert_change.reason);

    if is_renamed then
      perform attune.rename_setting(change.key, change.previous_attributes ->> 'key');
      place := jsonb_build_object('key', change.previous_attributes -> 'key');
    end if;

    if present::text is distinct from wanted::text
      and attune_hidden.put_row(target.source, place, present, wanted) = 0
    then
      perform attune_hidden.refuse_changed_since(key_now, reverted.last_change_id);
    end if;

    perform set_config('attune.change_reason', given_reason, true);

    if dry_run then
      raise exception using errcode = 'AT000';
    end if;
  exception
    when sqlstate 'AT000' then null;
  end;

  reverted.subject := change.subject;
  reverted.layer := change.layer;
  reverted.user_id := change.user_id;
  reverted.scope := change.scope;
  reverted.key := coalesce(place ->> target.name_column, change.key);
  reverted.action := case
    when wanted is null then 'removed'
    when present is null then 'added'
    else 'changed'
  end;
  reverted.previous_value := present -> target.value_column;
  reverted.new_value := wanted -> target.value_column;
  reverted.previous_attributes := present - coalesce(target.value_column, '');
  reverted.new_attributes := wanted - coalesce(target.value_column, '');
  return reverted;
end;
$$;
comment on function attune.revert_change(bigint, boolean, boolean, text) is
  E'@param audit_id Which change: the id of a row of the audit log.\n'
  '@param dry_run True only tells what would be done.\n'
  '@param overwrite True does it also where it was changed again since, or something was set for a plan that goes, and '
  'that is lost.\n'
  '@param reason Why, for the audit log; at most 900 characters.\n'
  'Puts what one row of the audit log is about back to what it was before that change, exactly, and returns what that '
  'does: what was new is removed, what was removed is there again, what was changed has its former value and '
  'attributes. '
  'It is done with the caller''s own rights, as if written by hand, and refused as that would be: `admin_required`, '
  '`setting_enforced`, `not_your_preference`, `invalid_value`, … '
  'In the audit log it is a change like any other, so it can be reverted too; its reason begins with the change that '
  'it reverts. '
  'A setting that was renamed since is found under its key of today. '
  'Refused besides: `not_signed_in`, `unknown_change` (also where the caller may not read it), `not_revertible` '
  '(credentials, change sets and rollouts themselves, and what is done to the records), `values_erased`, '
  '`permission_denied`, `changed_since` (without `overwrite`), `nothing_to_revert`, `too_large`.';
revoke all on function attune.revert_change(bigint, boolean, boolean, text) from public;
grant execute on function attune.revert_change(bigint, boolean, boolean, text) to anon, authenticated, service_role;
--! EndIncluded history/revert_change.sql
--! Included history/private/restorations.sql
create or replace function attune_private.restorations(user_id uuid, at timestamptz, document jsonb)
returns setof attune_private.restoration
language sql volatile security invoker
begin atomic
  with
    compared as (
      select c::attune.setting_change as change, attune_private.configuration_change_problems(c) as obstacle
      from attune_private.configuration_changes(document, 'replace') as c
      where restorations.user_id is null
      union all
      select c, attune_private.preference_change_problems(restorations.user_id, c)
      from attune_private.preference_changes(restorations.user_id, document, 'replace', false) as c
      where restorations.user_id is not null
    ),
    later as (
      select l.layer, l.scope, l.key, max(l.id) as id
      from attune.configuration_audit_log as l
      where l.subject = 'setting'
        and case
          when restorations.user_id is null then l.layer in ('global', 'plan')
          else l.user_id = restorations.user_id
        end
        -- As for the state then: what was written shortly before may have been committed later.
        and l.occurred_at > restorations.at - interval '1 day'
      group by l.layer, l.scope, l.key
    )
  select
    c.change,
    attune_private.placed_problems(
      c.obstacle,
      (c.change).key,
      concat(
        case (c.change).layer
          when 'global' then '/global'
          when 'plan' then '/plans'
          when 'user' then '/preferences'
          else '/projects'
        end,
        attune_private.json_pointer_step((c.change).scope),
        attune_private.json_pointer_step((c.change).key)
      )
    ),
    l.id
  from compared as c
  left join later as l
    on l.layer = (c.change).layer
    and l.key = (c.change).key
    and l.scope is not distinct from (c.change).scope
  order by (c.change).layer, (c.change).scope, (c.change).key;
end;
comment on function attune_private.restorations(uuid, timestamptz, jsonb) is
  'What it takes to have the preferences of a user, or (NULL) the global layer and those of plans, be as they were at '
  'a moment, which a document tells, and what stays.';
revoke all on function attune_private.restorations(uuid, timestamptz, jsonb) from public;
--! EndIncluded history/private/restorations.sql
--! Included history/private/restored_document.sql
create or replace function attune_private.restored_document(steps attune_private.restoration[])
returns jsonb
language sql immutable parallel safe security invoker
begin atomic
  with entries as (
    select
      case (s.change).layer
        when 'global' then 'global'
        when 'plan' then 'plans'
        when 'user' then 'preferences'
        else 'projects'
      end as section,
      (s.change).scope,
      (s.change).key,
      case
        when s.obstacle is null
          then (s.change).new_attributes || jsonb_build_object('value', (s.change).new_value)
        else (s.change).previous_attributes || jsonb_build_object('value', (s.change).previous_value)
      end as entry
    from unnest(steps) as s
  ),
  held as (
    select e.section, e.scope, jsonb_object_agg(e.key, e.entry) as entries
    from entries as e
    where e.entry is not null
    group by e.section, e.scope
  )
  select coalesce(jsonb_object_agg(s.section, s.entries), '{}')
  from (
    select h.section, h.entries
    from held as h
    where h.scope is null
    union all
    select h.section, jsonb_object_agg(h.scope, h.entries)
    from held as h
    where h.scope is not null
    group by h.section
  ) as s;
end;
comment on function attune_private.restored_document(attune_private.restoration[]) is
  'What is to be imported, with `replace`: what was there then, and, where that can''t be, what is there now.';
revoke all on function attune_private.restored_document(attune_private.restoration[]) from public;
--! EndIncluded history/private/restored_document.sql
--! Included history/private/restore.sql
create or replace function attune_private.restore(
  caller attune_private.caller,
  user_id uuid,
  at timestamptz,
  dry_run boolean,
  last_change_id bigint,
  overwrite boolean,
  skip_invalid boolean,
  reason text
)
returns setof attune.restored_change
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  steps attune_private.restoration[];
  problems jsonb;
  listed text;
  document jsonb;
  given_reason text;
begin
  perform attune_private.check_moment(restore.at);

  -- Whoever writes these rows now finishes first, and who comes later waits: what is compared is what is replaced.
  if restore.user_id is null then
    lock table attune.global_settings, attune.plan_settings in share row exclusive mode;
  else
    perform from attune.users as u where u.id = restore.user_id for no key update;
    perform from attune.user_preferences as p where p.user_id = restore.user_id for no key update;
    perform from attune.project_preferences as p where p.user_id = restore.user_id for no key update;
  end if;

  document := case
    when restore.user_id is null then attune_private.exported_configuration(restore.at, as_of_today => true)
    else attune_private.exported_preferences(restore.user_id, restore.at, as_of_today => true)
  end;
  steps := array(select s from attune_private.restorations(restore.user_id, restore.at, document) as s);

  select
    jsonb_path_query_array(jsonb_agg(s.obstacle order by s.place), '$[*][*]'),
    string_agg(
      concat_ws(' in ', (s.change).key, (s.change).scope) || ': ' || attune_private.problems_message(s.obstacle),
      '; '
      order by s.place
    )
  into problems, listed
  from unnest(steps) with ordinality as s (change, obstacle, newest, place)
  where s.obstacle is not null;

  if problems is not null and skip_invalid is not true then
    raise exception using
      errcode = 'PT422',
      message = 'Not all can be put back: ' || left(listed, 4000),
      detail = 'not_restorable',
      hint = attune_private.hint_with_problems(
        'Send skip_invalid to leave that as it is. Nothing was changed.', problems
      );
  end if;

  select jsonb_agg(
    jsonb_build_object(
      'key', (s.change).key,
      'pointer', concat(
        attune_private.json_pointer_step((s.change).scope), attune_private.json_pointer_step((s.change).key)
      ),
      'keyword', 'changed_since',
      'message', format('it was changed since, last by change %s', s.newest)
    )
    order by s.place
  )
  into problems
  from unnest(steps) with ordinality as s (change, obstacle, newest, place)
  where (s.change).action <> 'unchanged'
    and s.obstacle is null
    and s.newest <= restore.last_change_id is not true;

  if problems is not null and (dry_run or overwrite) is not true then
    raise exception using
      errcode = 'PT409',
      message = format('Something newer would be lost, of %s settings', jsonb_array_length(problems)),
      detail = 'changed_since',
      hint = attune_private.hint_with_problems(
        'Look at it with dry_run, then send the largest last_change_id that it shows.', problems
      );
  end if;

  document := attune_private.restored_document(steps);
  given_reason := attune_hidden.give_reason(
    'Restores what was at ' || to_char(restore.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), restore.reason
  );

  if restore.user_id is null then
    perform from attune_private.import_configuration(caller, document, 'replace', dry_run);
  else
    perform from attune_private.import_preferences(restore.user_id, document, 'replace', dry_run);
  end if;

  perform set_config('attune.change_reason', given_reason, true);

  return query
    select
      'setting'::attune.audit_subject,
      (s.change).layer,
      restore.user_id,
      (s.change).scope,
      (s.change).key,
      case when s.obstacle is null then (s.change).action else 'skipped' end,
      (s.change).previous_value,
      (s.change).new_value,
      (s.change).previous_attributes,
      (s.change).new_attributes,
      s.newest,
      attune_private.problems_message(s.obstacle)
    from unnest(steps) with ordinality as s (change, obstacle, newest, place)
    where (s.change).action <> 'unchanged'
    order by s.place;
end;
$$;
comment on function attune_private.restore(
  attune_private.caller, uuid, timestamptz, boolean, bigint, boolean, boolean, text
) is
  'Makes the preferences of a user, or (NULL) the global layer and those of plans, what they were at a moment; see '
  '`attune.restore_preferences` and `attune.restore_global_settings`.';
revoke all on function attune_private.restore(
  attune_private.caller, uuid, timestamptz, boolean, bigint, boolean, boolean, text
) from public;
--! EndIncluded history/private/restore.sql
--! Included history/restore_preferences.sql
create or replace function attune.restore_preferences(
  at timestamptz,
  dry_run boolean default false,
  last_change_id bigint default null,
  overwrite boolean default false,
  skip_invalid boolean default false,
  reason text default null
)
returns setof attune.restored_change
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
begin
  perform attune_private.require_user(caller);

  return query
    select r.*
    from attune_private.restore(
      caller, caller.user_id, at, dry_run, last_change_id, overwrite, skip_invalid, reason
    ) as r;
end;
$$;
comment on function attune.restore_preferences(timestamptz, boolean, bigint, boolean, boolean, text) is
  E'@param at As of which moment.\n'
  '@param dry_run True only tells what would be done.\n'
  '@param last_change_id The newest change that was seen in a dry run: what is newer is not lost.\n'
  '@param overwrite True does it whatever is lost.\n'
  '@param skip_invalid True leaves as it is what can''t be put back, and does the rest.\n'
  '@param reason Why, for the audit log; at most 900 characters.\n'
  'Makes what the caller chose, everywhere and in projects, what it was at a moment, all or nothing, and returns what '
  'that changes: `export_preferences` then says what it said. '
  'Since the moment something changed, or nothing is to be done: so look with `dry_run` first, then send the largest '
  '`last_change_id` that it showed, or `overwrite`. '
  'What was renamed since has its key of today. '
  'Refused: `not_signed_in`, `moment_required`, `moment_in_future`, `history_purged`, `changed_since` (naming what '
  'would be lost), `not_restorable` (naming what is locked, not valid, not the caller''s or not there any more, without '
  '`skip_invalid`), `too_many_preferences`, `too_large`.';
revoke all on function attune.restore_preferences(timestamptz, boolean, bigint, boolean, boolean, text) from public;
grant execute on function attune.restore_preferences(timestamptz, boolean, bigint, boolean, boolean, text)
  to anon, authenticated, service_role;
--! EndIncluded history/restore_preferences.sql
--! Included history/restore_global_settings.sql
create or replace function attune.restore_global_settings(
  at timestamptz,
  dry_run boolean default false,
  last_change_id bigint default null,
  overwrite boolean default false,
  skip_invalid boolean default false,
  reason text default null
)
returns setof attune.restored_change
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
begin
  perform attune_private.require_administrator(caller);

  return query
    select r.*
    from attune_private.restore(caller, null, at, dry_run, last_change_id, overwrite, skip_invalid, reason) as r;
end;
$$;
comment on function attune.restore_global_settings(timestamptz, boolean, bigint, boolean, boolean, text) is
  E'@param at As of which moment.\n'
  '@param dry_run True only tells what would be done.\n'
  '@param last_change_id The newest change that was seen in a dry run: what is newer is not lost.\n'
  '@param overwrite True does it whatever is lost.\n'
  '@param skip_invalid True leaves as it is what can''t be put back, and does the rest.\n'
  '@param reason Why, for the audit log; at most 900 characters.\n'
  'Makes what administrators chose for everybody and for plans what it was at a moment, all or nothing, and returns '
  'what that changes: `export_configuration` then says what it said. '
  'Since the moment something changed, or nothing is to be done: so look with `dry_run` first, then send the largest '
  '`last_change_id` that it showed, or `overwrite`. '
  'What was renamed since has its key of today. '
  'For administrators. '
  'Refused: `admin_required`, `moment_required`, `moment_in_future`, `history_purged`, `changed_since` (naming what '
  'would be lost), `not_restorable` (naming what is not valid, not there any more, or protected, without `skip_invalid`), '
  '`invalid_variants`, and for the value of a variant as `set_global_variants`, `too_large`.';
revoke all on function attune.restore_global_settings(timestamptz, boolean, bigint, boolean, boolean, text) from public;
grant execute on function attune.restore_global_settings(timestamptz, boolean, bigint, boolean, boolean, text)
  to anon, authenticated, service_role;
--! EndIncluded history/restore_global_settings.sql
