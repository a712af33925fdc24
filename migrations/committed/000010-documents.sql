--! Previous: sha1:85af9a219caa0eddfcc53a6f0870c19266b81c7b
--! Hash: sha1:470d696957f9e93a80d40eb5e56ea0790c118eba
--! Message: documents

-- Documents: settings of one category, served as one composite type. A member `m` of the document `d` is the setting
-- `d.m`, so all that settings can do (layers, locks, explanations, audit) holds for each member.

create type attune.app_preferences as (
  interface_settings jsonb,
  data_preferences jsonb,
  feature_preferences jsonb,
  integration_settings jsonb,
  user_id uuid
);
comment on type attune.app_preferences is
  E'@id user_id\n'
  'How the application looks and behaves for a user.';
comment on column attune.app_preferences.interface_settings is
  'theme, language, rtl, sidebarCollapsed, tableDensity, rowsPerPage, enableAnimations.';
comment on column attune.app_preferences.data_preferences is
  'dateFormat, numberFormat, currency, timezone, defaultFilters (autoApply, tier, status, qualityRange).';
comment on column attune.app_preferences.feature_preferences is 'beta, debug.';
comment on column attune.app_preferences.integration_settings is
  'calendly, whatsapp, email: each enabled, autoSync, defaults.';
comment on column attune.app_preferences.user_id is
  E'@notNull\n'
  'Whose it is.';

create type attune.notification_settings as (
  email_notifications jsonb,
  push_notifications jsonb,
  sms_notifications jsonb,
  notification_schedule jsonb,
  user_id uuid
);
comment on type attune.notification_settings is
  E'@id user_id\n'
  'What a user wants to hear of, by which channel, and when.';
comment on column attune.notification_settings.email_notifications is
  'What comes by e-mail: leadUpdates, meetingReminders, bantQualifications, calendlyBookings, heatProgressions, '
  'emailDigest, generationComplete, qualityAlerts, weeklyReport.';
comment on column attune.notification_settings.push_notifications is 'What comes as a push message; the same members.';
comment on column attune.notification_settings.sms_notifications is 'What comes by SMS; the same members.';
comment on column attune.notification_settings.notification_schedule is
  'timezone, workingHours (enabled, and enabled, start and end by weekday), quietHours (enabled, start, end).';
comment on column attune.notification_settings.user_id is
  E'@notNull\n'
  'Whose it is.';

create type attune.dashboard_settings as (
  widget_visibility jsonb,
  widget_layout jsonb,
  dashboard_preferences jsonb,
  user_id uuid,
  project_id uuid
);
comment on type attune.dashboard_settings is
  E'@id user_id,project_id\n'
  'What the dashboard of a user shows, and how.';
comment on column attune.dashboard_settings.widget_visibility is
  'Which widgets are shown: metrics, monthlyPerformance, leadsConversions, revenueChannel, pieCharts, '
  'recentActivity, insights, performanceTargets.';
comment on column attune.dashboard_settings.widget_layout is
  'positions ({x, y}), sizes ({width, height}) and collapsed, by widget.';
comment on column attune.dashboard_settings.dashboard_preferences is
  'defaultView, autoRefresh, refreshInterval in milliseconds, compactMode.';
comment on column attune.dashboard_settings.user_id is
  E'@notNull\n'
  'Whose it is.';
comment on column attune.dashboard_settings.project_id is 'In which project; null outside projects.';

create type attune.ai_configuration as (
  model text,
  max_tokens integer,
  temperature double precision,
  top_p double precision,
  fallback_models text[],
  is_active boolean,
  user_id uuid
);
comment on type attune.ai_configuration is
  E'@id user_id\n'
  'Which language model works for a user, and how.';
comment on column attune.ai_configuration.model is 'The model that is asked first.';
comment on column attune.ai_configuration.max_tokens is 'How long an answer may be, in tokens.';
comment on column attune.ai_configuration.temperature is 'How freely the model chooses its words, 0 to 2.';
comment on column attune.ai_configuration.top_p is 'Which share of the probable words it chooses from, 0 to 1.';
comment on column attune.ai_configuration.fallback_models is
  'The models that are asked, in order, when the first does not answer.';
comment on column attune.ai_configuration.is_active is
  E'@notNull\n'
  'False while the user has switched their own values off, and gets the default.';
comment on column attune.ai_configuration.user_id is 'For whom it works; null when it is what applies to everybody.';

--! Included documents/hidden/document_members.sql
create or replace function attune_hidden.document_members()
returns table (
  document text,
  member text,
  description text,
  schema jsonb,
  default_value jsonb,
  is_merged boolean
)
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
begin atomic
  select
    d.category, substr(d.key, length(d.category) + 2), d.description, d.schema, d.default_value,
    d.merge = 'deep' and d.seeding <> 'copy'
  from attune.setting_definitions as d
  where starts_with(d.key, d.category || '.')
    and d.audience in ('public', 'client')
    and exists (
      select from pg_class as c
      where c.relnamespace = 'attune'::regnamespace
        and c.relkind = 'c'
        and c.relname = d.category
    )
  order by d.key;
end;
comment on function attune_hidden.document_members() is
  'What the members of the documents look like, by which a server makes their types when it starts. '
  '`is_merged` is whether all layers are merged over the default, so that a value has every member of it. '
  'Only what users are shown.';
revoke all on function attune_hidden.document_members() from public;
grant execute on function attune_hidden.document_members() to anon;
--! EndIncluded documents/hidden/document_members.sql
--! Included documents/private/document.sql
create or replace function attune_private.document(
  name text,
  user_id uuid,
  project_id uuid,
  audience attune.setting_audience default null
)
returns jsonb
language plpgsql stable parallel restricted security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  perform attune_private.check_project(document.user_id, document.project_id);

  return (
    select
      coalesce(json_object_agg(substr(r.key, length(document.name) + 2), r.value)::jsonb, '{}')
      || jsonb_build_object('user_id', document.user_id, 'project_id', document.project_id)
    from attune_private.resolve_settings(
      document.user_id,
      false,
      coalesce(document.audience, attune_private.audience_of_user(document.user_id), 'client'),
      document.project_id
    ) as r
    where r.category = document.name
      and starts_with(r.key, document.name || '.')
  );
end;
$$;
comment on function attune_private.document(text, uuid, uuid, attune.setting_audience) is
  'A document of one user: the settings `<name>.<member>` of category `<name>`, by member, of those that are shown '
  'to the user or, where it is told, to an audience; and whose it is, `user_id` and `project_id`. '
  'Refused: `unknown_project`.';
revoke all on function attune_private.document(text, uuid, uuid, attune.setting_audience) from public;
--! EndIncluded documents/private/document.sql
--! Included documents/private/patch_document.sql
create or replace function attune_private.patch_document(
  caller attune_private.caller,
  name text,
  patch jsonb,
  project_id uuid default null
)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  members jsonb;
  unknown text[];
  known text;
begin
  perform attune_private.require_user(caller);
  perform attune_private.check_patch(patch);

  -- By its own name, or by the one that GraphQL gives it.
  select
    jsonb_object_agg(d.key, e.value) filter (where d.key is not null),
    array_agg(e.key order by e.key) filter (where d.key is null)
  into members, unknown
  from jsonb_each(patch) as e
  left join lateral (
    select s.key
    from unnest(array[e.key, lower(regexp_replace(e.key, '([A-Z])', '_\1', 'g'))]) with ordinality as m (member, n)
    join attune.setting_definitions as s on s.key = patch_document.name || '.' || m.member
    where s.category = patch_document.name
    order by m.n
    limit 1
  ) as d on true;

  if unknown is not null then
    select string_agg(substr(d.key, length(patch_document.name) + 2), ', ' order by d.key) into known
    from attune.setting_definitions as d
    where d.category = patch_document.name
      and starts_with(d.key, patch_document.name || '.');

    raise exception using
      errcode = 'PT422',
      message = format(
        '%s has no member %s',
        patch_document.name,
        (select left(string_agg(to_jsonb(u)::text, ', '), 500) from unnest(unknown) as u)
      ),
      detail = 'unknown_document_member',
      hint = attune_private.hint_with_problems(
        format('There are %s.', known),
        (
          select jsonb_agg(
            attune_private.one_problem('unknown', 'there is no such member') -> 0
              || jsonb_build_object('key', left(u.member, 200))
            order by u.place
          )
          from unnest(unknown) with ordinality as u (member, place)
        )
      );
  end if;

  perform attune_private.write_preferences(caller, coalesce(members, '{}'), patch_document.project_id);
end;
$$;
comment on function attune_private.patch_document(attune_private.caller, text, jsonb, uuid) is
  'Stores what the patch (RFC 7396) says of the members of one document of the caller, all or nothing; null resets '
  'a member. '
  'Refused: `invalid_patch`, `unknown_document_member`, and as `set_preference`.';
revoke all on function attune_private.patch_document(attune_private.caller, text, jsonb, uuid) from public;
--! EndIncluded documents/private/patch_document.sql
--! Included documents/app_preferences.sql
create or replace function attune.app_preferences()
returns attune.app_preferences
language sql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
begin atomic
  select d
  from jsonb_populate_record(
    null::attune.app_preferences,
    attune_private.document('app_preferences', attune_hidden.require_user_id(), null)
  ) as d;
end;
comment on function attune.app_preferences() is
  'How the application looks and behaves for the caller. '
  'Refused: `not_signed_in`.';
revoke all on function attune.app_preferences() from public;
grant execute on function attune.app_preferences() to anon, authenticated, service_role;
--! EndIncluded documents/app_preferences.sql
--! Included documents/update_app_preferences.sql
create or replace function attune.update_app_preferences(patch jsonb)
returns attune.app_preferences
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
begin
  perform attune_private.patch_document(caller, 'app_preferences', patch);

  return jsonb_populate_record(
    null::attune.app_preferences,
    attune_private.document('app_preferences', caller.user_id, null)
  );
end;
$$;
comment on function attune.update_app_preferences(jsonb) is
  E'@param patch `{member: value}`; null resets a member.\n'
  'Changes what the patch names (RFC 7396: objects are merged, null resets a member to what applies without it), '
  'all or nothing, and returns the whole. '
  'Refused: `invalid_patch`, `unknown_document_member`, and as `set_preference` (`secret_in_setting` among it).';
revoke all on function attune.update_app_preferences(jsonb) from public;
grant execute on function attune.update_app_preferences(jsonb) to anon, authenticated, service_role;
--! EndIncluded documents/update_app_preferences.sql
--! Included documents/notification_settings.sql
create or replace function attune.notification_settings()
returns attune.notification_settings
language sql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
begin atomic
  select d
  from jsonb_populate_record(
    null::attune.notification_settings,
    attune_private.document('notification_settings', attune_hidden.require_user_id(), null)
  ) as d;
end;
comment on function attune.notification_settings() is
  'What the caller wants to hear of, by which channel, and when. '
  'Refused: `not_signed_in`.';
revoke all on function attune.notification_settings() from public;
grant execute on function attune.notification_settings() to anon, authenticated, service_role;
--! EndIncluded documents/notification_settings.sql
--! Included documents/update_notification_settings.sql
create or replace function attune.update_notification_settings(patch jsonb)
returns attune.notification_settings
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
begin
  perform attune_private.patch_document(caller, 'notification_settings', patch);

  return jsonb_populate_record(
    null::attune.notification_settings,
    attune_private.document('notification_settings', caller.user_id, null)
  );
end;
$$;
comment on function attune.update_notification_settings(jsonb) is
  E'@param patch `{member: value}`; null resets a member.\n'
  'Changes what the patch names (RFC 7396: objects are merged, null resets a member to what applies without it), '
  'all or nothing, and returns the whole. '
  'Refused: `invalid_patch`, `unknown_document_member`, and as `set_preference`.';
revoke all on function attune.update_notification_settings(jsonb) from public;
grant execute on function attune.update_notification_settings(jsonb) to anon, authenticated, service_role;
--! EndIncluded documents/update_notification_settings.sql
--! Included documents/dashboard_settings.sql
create or replace function attune.dashboard_settings(project_id uuid default null)
returns attune.dashboard_settings
language sql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
begin atomic
  select d
  from jsonb_populate_record(
    null::attune.dashboard_settings,
    attune_private.document('dashboard_settings', attune_hidden.require_user_id(), project_id)
  ) as d;
end;
comment on function attune.dashboard_settings(uuid) is
  E'@param project_id In which project; outside projects when left out.\n'
  'What the caller''s dashboard shows, and how. '
  'In a project, what was chosen there over what holds everywhere. '
  'Refused: `not_signed_in`, `unknown_project`.';
revoke all on function attune.dashboard_settings(uuid) from public;
grant execute on function attune.dashboard_settings(uuid) to anon, authenticated, service_role;
--! EndIncluded documents/dashboard_settings.sql
--! Included documents/update_dashboard_settings.sql
create or replace function attune.update_dashboard_settings(patch jsonb, project_id uuid default null)
returns attune.dashboard_settings
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
begin
  perform attune_private.patch_document(
    caller, 'dashboard_settings', patch, update_dashboard_settings.project_id
  );

  return jsonb_populate_record(
    null::attune.dashboard_settings,
    attune_private.document('dashboard_settings', caller.user_id, update_dashboard_settings.project_id)
  );
end;
$$;
comment on function attune.update_dashboard_settings(jsonb, uuid) is
  E'@param patch `{member: value}`; null resets a member.\n'
  '@param project_id In which project; outside projects when left out.\n'
  'Changes what the patch names (RFC 7396: objects are merged, null resets a member to what applies without it), '
  'everywhere or in one project, all or nothing, and returns the whole. '
  'Refused: `invalid_patch`, `unknown_document_member`, and as `set_preference`.';
revoke all on function attune.update_dashboard_settings(jsonb, uuid) from public;
grant execute on function attune.update_dashboard_settings(jsonb, uuid) to anon, authenticated, service_role;
--! EndIncluded documents/update_dashboard_settings.sql
--! Included documents/private/ai_configuration_of.sql
create or replace function attune_private.ai_configuration_of(user_id uuid, audience attune.setting_audience default null)
returns attune.ai_configuration
language sql stable parallel restricted security invoker
begin atomic
  select c
  from attune_private.document('ai_configuration', ai_configuration_of.user_id, null, ai_configuration_of.audience) as d (document)
  cross join jsonb_populate_record(
    null::attune.ai_configuration,
    -- 100.0 is an integer in JSON, and 1e-400 a number, which the types of PostgreSQL take in other words only.
    d.document || (
      select coalesce(
        jsonb_object_agg(
          n.name, round((d.document -> n.name)::numeric, case n.name when 'max_tokens' then 0 else 300 end)
        ),
        '{}'
      )
      from unnest('{max_tokens,temperature,top_p}'::text[]) as n (name)
      where jsonb_typeof(d.document -> n.name) = 'number'
    ) || jsonb_build_object(
      'is_active',
      not exists (
        select from attune.user_preferences as p
        join attune.setting_definitions as d on d.key = p.key
        where p.user_id = ai_configuration_of.user_id
          and d.category = 'ai_configuration'
          and not p.is_active
      )
    )
  ) as c;
end;
comment on function attune_private.ai_configuration_of(uuid, attune.setting_audience) is
  'Which language model works for one user: their own values over those of the broader layers, unless they are '
  'switched off.';
revoke all on function attune_private.ai_configuration_of(uuid, attune.setting_audience) from public;
--! EndIncluded documents/private/ai_configuration_of.sql
--! Included documents/ai_configuration.sql
create or replace function attune.ai_configuration()
returns attune.ai_configuration
language sql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
begin atomic
  select attune_private.ai_configuration_of(attune_hidden.require_user_id());
end;
comment on function attune.ai_configuration() is
  'Which language model works for the caller, and how. '
  'Refused: `not_signed_in`.';
revoke all on function attune.ai_configuration() from public;
grant execute on function attune.ai_configuration() to anon, authenticated, service_role;
--! EndIncluded documents/ai_configuration.sql
--! Included documents/get_effective_ai_config.sql
create or replace function attune.get_effective_ai_config(user_id uuid)
returns attune.ai_configuration
language plpgsql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
begin
  if (get_effective_ai_config.user_id = caller.user_id) is not true then
    perform attune_private.require_administrator(caller);
  end if;

  -- Of nobody when there is no such user: what would split users by their ids is not for them either.
  return attune_private.ai_configuration_of(
    (select u.id from attune.users as u where u.id = get_effective_ai_config.user_id),
    attune_private.audience_of(caller)
  );
end;
$$;
comment on function attune.get_effective_ai_config(uuid) is
  E'@name ai_configuration_for\n'
  '@param user_id Whose.\n'
  'Which language model works for a user, and how; for the user, administrators and trusted servers. '
  'For an id that is no user''s, what applies to everybody. '
  'Refused: `admin_required`.';
revoke all on function attune.get_effective_ai_config(uuid) from public;
grant execute on function attune.get_effective_ai_config(uuid) to anon, authenticated, service_role;
--! EndIncluded documents/get_effective_ai_config.sql
--! Included documents/private/activate_ai_configuration.sql
create or replace function attune_private.activate_ai_configuration(caller attune_private.caller, is_active boolean)
returns void
language sql volatile security invoker
begin atomic
  -- What is locked does not count either way, and cannot be written.
  update attune.user_preferences as p
  set is_active = activate_ai_configuration.is_active, updated_by = caller.user_id, updated_at = 'infinity'
  from attune_private.effective_settings(caller, 'ai_configuration', null) as e
  where p.user_id = caller.user_id
    and p.key = e.key
    and e.can_edit
    and p.is_active is distinct from activate_ai_configuration.is_active;
end;
comment on function attune_private.activate_ai_configuration(attune_private.caller, boolean) is
  'Switches what the caller chose of the AI configuration on or off.';
revoke all on function attune_private.activate_ai_configuration(attune_private.caller, boolean) from public;
--! EndIncluded documents/private/activate_ai_configuration.sql
--! Included documents/set_ai_configuration_active.sql
create or replace function attune.set_ai_configuration_active(is_active boolean)
returns attune.ai_configuration
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
begin
  perform attune_private.require_user(caller);
  perform attune_private.activate_ai_configuration(caller, coalesce(set_ai_configuration_active.is_active, true));

  return attune_private.ai_configuration_of(caller.user_id);
end;
$$;
comment on function attune.set_ai_configuration_active(boolean) is
  E'@param is_active False switches it off.\n'
  'Switches the caller''s own AI configuration off, so that the default applies, without losing it; and on again. '
  'Returns what applies now. '
  'Refused: `not_signed_in`.';
revoke all on function attune.set_ai_configuration_active(boolean) from public;
grant execute on function attune.set_ai_configuration_active(boolean) to anon, authenticated, service_role;
--! EndIncluded documents/set_ai_configuration_active.sql
--! Included documents/update_ai_configuration.sql
create or replace function attune.update_ai_configuration(patch jsonb)
returns attune.ai_configuration
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
begin
  perform attune_private.patch_document(caller, 'ai_configuration', patch);
  perform attune_private.activate_ai_configuration(caller, true);

  return attune_private.ai_configuration_of(caller.user_id);
end;
$$;
comment on function attune.update_ai_configuration(jsonb) is
  E'@param patch `{member: value}`; null resets a member.\n'
  'Changes the members that the patch names (null resets one), all or nothing, switches the caller''s own '
  'configuration on, and returns the whole. '
  'Refused: `invalid_patch`, `unknown_document_member`, and as `set_preference`.';
revoke all on function attune.update_ai_configuration(jsonb) from public;
grant execute on function attune.update_ai_configuration(jsonb) to anon, authenticated, service_role;
--! EndIncluded documents/update_ai_configuration.sql
