--! Previous: sha1:3da7da95e5c568e1a399e76109ec005089a31d27
--! Hash: sha1:a052493ec234de65e72c2fcad1a44f15c9385929
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
      and not attune_private.is_concealed(r.key, greatest(shown, attune_private.audience_of(caller)))
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
