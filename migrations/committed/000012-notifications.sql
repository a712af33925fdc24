--! Previous: sha1:36dcf99e57c619f73a69e348e73e8acaa0d0c1bf
--! Hash: sha1:c5a18ac543370b268e3d15286054ef48eae74b41
--! Message: notifications

-- What there is to notify of

create type attune.notification_channel as enum ('email', 'push', 'sms');
comment on type attune.notification_channel is 'A way out of the application, beside the inbox.';

create type attune.notification_type as enum ('success', 'info', 'warning', 'error');
comment on type attune.notification_type is 'How a notification looks.';

create type attune.notification_priority as enum ('low', 'normal', 'high', 'urgent');
comment on type attune.notification_priority is 'Which notification is sent first, when several are due.';

create type attune.delivery_status as enum ('skipped', 'pending', 'sent', 'failed');
comment on type attune.delivery_status is
  'How far a delivery is: `skipped`, it will not be sent; `pending`, it is due at its time; `sent`; `failed`, it '
  'was given up.';

create table attune.notification_categories (
  name text
    constraint notification_categories_pkey primary key
    constraint notification_categories_name_check check (name ~ '^[a-z][a-z0-9_]{0,62}$'),
  title text not null
    constraint notification_categories_title_check check (char_length(title) between 1 and 200),
  description text not null default ''
    constraint notification_categories_description_check check (char_length(description) <= 4000),
  setting_member text
    constraint notification_categories_setting_member_check check (char_length(setting_member) between 1 and 100),
  channels attune.notification_channel[] not null default '{email,push,sms}',
  is_critical boolean not null default false,
  created_at timestamptz not null default now()
);
comment on table attune.notification_categories is
  'What there is to notify of, by which channels, and which setting decides. '
  'Administrators write it.';
comment on column attune.notification_categories.name is 'The category''s stable name, in lower case: `lead_update`.';
comment on column attune.notification_categories.title is 'What people read, at most 200 characters.';
comment on column attune.notification_categories.description is 'When it is sent, and what its metadata holds.';
comment on column attune.notification_categories.setting_member is
  'Which member of the settings `notification_settings.<channel>_notifications` decides, for each channel; null '
  'when the user has no choice.';
comment on column attune.notification_categories.channels is 'The channels it can go by; never by another.';
comment on column attune.notification_categories.is_critical is
  'True is sent at once by every channel of the category, whatever the user''s choice and schedule.';
comment on column attune.notification_categories.created_at is 'When the category was made.';

alter table attune.notification_categories enable row level security;
create policy notification_categories_select_authenticated on attune.notification_categories for select to authenticated
  using ((select attune.current_user_id()) is not null);
create policy notification_categories_insert_admin on attune.notification_categories for insert to authenticated
  with check ((select attune.is_admin()));
create policy notification_categories_update_admin on attune.notification_categories for update to authenticated
  using ((select attune.is_admin()))
  with check ((select attune.is_admin()));
create policy notification_categories_delete_admin on attune.notification_categories for delete to authenticated
  using ((select attune.is_admin()));
create policy notification_categories_all_service_role on attune.notification_categories for all to service_role
  using (true) with check (true);

--! Included notifications/private/setting_member_problem.sql
create or replace function attune_private.setting_member_problem(category attune.notification_categories)
returns text
language sql stable parallel safe security invoker
begin atomic
  select string_agg(
    format('%s has no member %s', k.key, to_jsonb((setting_member_problem.category).setting_member)), '; ' order by k.key
  )
  from unnest((setting_member_problem.category).channels) as c (channel)
  cross join lateral (select 'notification_settings.' || c.channel || '_notifications') as k (key)
  left join attune.setting_definitions as d on d.key = k.key
  where (setting_member_problem.category).setting_member is not null
    and (
      d.default_value ? (setting_member_problem.category).setting_member
      or d.schema -> 'properties' ? (setting_member_problem.category).setting_member
    ) is not true;
end;
comment on function attune_private.setting_member_problem(attune.notification_categories) is
  'Which of the settings that decide about a category do not know its member; NULL when all do.';
revoke all on function attune_private.setting_member_problem(attune.notification_categories) from public;
--! EndIncluded notifications/private/setting_member_problem.sql
--! Included notifications/triggers/tg_notification_categories__validate.sql
create or replace function attune_private.tg_notification_categories__validate()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  problem constant text := attune_private.setting_member_problem(new);
begin
  if problem is not null then
    raise exception using
      errcode = 'PT422',
      message = format('The category %s is not valid: %s', new.name, left(problem, 2000)),
      detail = 'unknown_setting_member',
      hint = 'Name a member of notification_settings that each channel of the category has, or none.';
  end if;

  return new;
end;
$$;
comment on function attune_private.tg_notification_categories__validate() is
  'Refuses (`unknown_setting_member`) a category whose `setting_member` is no member of the settings that decide about '
  'its channels.';
revoke all on function attune_private.tg_notification_categories__validate() from public;
--! EndIncluded notifications/triggers/tg_notification_categories__validate.sql
--! Included notifications/triggers/tg_setting_definitions__keep_members.sql
create or replace function attune_private.tg_setting_definitions__keep_members()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  users text;
begin
  select string_agg(c.name, ', ' order by c.name) into users
  from attune.notification_categories as c
  where old.key = any (array(select 'notification_settings.' || h || '_notifications' from unnest(c.channels) as h))
    and attune_private.setting_member_problem(c) is not null;

  if users is not null then
    raise exception using
      errcode = 'PT409',
      message = format('%s decides about the notification categories %s', old.key, left(users, 1000)),
      detail = 'setting_in_use',
      hint = 'Let those categories name another member, or none, first.';
  end if;

  return null;
end;
$$;
comment on function attune_private.tg_setting_definitions__keep_members() is
  'Refuses (`setting_in_use`) to delete, rename or narrow a setting so that a notification category names a member that '
  'is gone.';
revoke all on function attune_private.tg_setting_definitions__keep_members() from public;
--! EndIncluded notifications/triggers/tg_setting_definitions__keep_members.sql

revoke all on attune.notification_categories from public;
grant
  select,
  insert (name, title, description, setting_member, channels, is_critical),
  update (title, description, setting_member, channels, is_critical),
  delete
  on attune.notification_categories to authenticated, service_role;

create trigger _010_require_admin before insert on attune.notification_categories
  for each statement when (row_security_active('attune.notification_categories'))
  execute function attune_private.tg__require_admin();

insert into attune.notification_categories (name, title, description, setting_member, channels, is_critical)
values
  ('lead_update', 'Lead updates', 'Something about a lead has changed.', 'leadUpdates', default, false),
  ('meeting_reminder', 'Meeting reminders', 'A meeting is about to begin.', 'meetingReminders', default, false),
  ('bant_qualification', 'BANT qualifications', 'A lead was qualified by budget, authority, need and timing.', 'bantQualifications', default, false),
  ('calendly_booking', 'Calendly bookings', 'Somebody booked a meeting.', 'calendlyBookings', default, false),
  ('heat_progression', 'Heat progressions', 'A lead became warmer: `metadata` has `from` and `to`, of cold, warm, hot, burning.', 'heatProgressions', default, false),
  ('email_digest', 'Digest', 'What happened lately, in one message.', 'emailDigest', '{email}', false),
  ('generation_complete', 'Finished generations', 'Something that was asked for has been generated.', 'generationComplete', default, false),
  ('quality_alert', 'Quality alerts', 'The quality of something fell below what is expected.', 'qualityAlerts', default, false),
  ('weekly_report', 'Weekly report', 'The numbers of the week.', 'weeklyReport', '{email}', false),
  ('system', 'System messages', 'What everybody must know, such as planned maintenance; only in the inbox.', null, '{}', false),
  ('security', 'Security', 'Something about the account''s safety, such as a sign-in from a new place.', null, '{email,push}', true);

-- From here on: the settings that decide come with those that are shipped.
create trigger _100_validate before insert or update on attune.notification_categories
  for each row execute function attune_private.tg_notification_categories__validate();

create trigger _310_keep_members after update or delete on attune.setting_definitions
  for each row when (old.key like 'notification\_settings.%')
  execute function attune_private.tg_setting_definitions__keep_members();

-- The inbox

--! Included notifications/triggers/tg_notifications__deliver.sql
create or replace function attune_private.tg_notifications__deliver()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into attune.notification_deliveries (user_id, notification_id, channel, status, reason, due_at)
  select
    new.user_id,
    new.id,
    c.channel,
    case when d.due_at is null then 'skipped' else 'pending' end::attune.delivery_status,
    d.reason,
    d.due_at
  from unnest(enum_range(null::attune.notification_channel)) as c (channel)
  cross join attune_private.decide_delivery(new.user_id, c.channel, new.category, new.created_at) as d;

  return null;
end;
$$;
comment on function attune_private.tg_notifications__deliver() is
  'Decides of each channel whether and when a new notification is sent.';
revoke all on function attune_private.tg_notifications__deliver() from public;
--! EndIncluded notifications/triggers/tg_notifications__deliver.sql

create table attune.notifications (
  user_id uuid not null
    constraint notifications_user_id_fkey references attune.users (id) on delete cascade,
  id uuid not null default gen_random_uuid(),
  title text not null
    constraint notifications_title_check check (char_length(title) between 1 and 200),
  message text not null default ''
    constraint notifications_message_check check (char_length(message) <= 4000),
  type attune.notification_type not null default 'info',
  category text not null
    constraint notifications_category_fkey references attune.notification_categories (name)
      on update cascade on delete restrict,
  priority attune.notification_priority not null default 'normal',
  action_url text
    constraint notifications_action_url_check check (
      char_length(action_url) <= 2048
      -- A path of the application's own or an https address, which no browser reads as anything else.
      and action_url !~ '[\x01-\x20\x7f-\x9f\\]'
      and (
        action_url ~ '^/' and action_url !~ '^[^?#]*//'
        or action_url ~ '^https://[^/?#@]+([/?#]|$)'
      )
    ),
  metadata jsonb not null default '{}'
    constraint notifications_metadata_check check (octet_length(metadata::text) <= 16384),
  created_at timestamptz not null default now(),
  seen_at timestamptz,
  read_at timestamptz,
  archived_at timestamptz,
  constraint notifications_pkey primary key (user_id, id)
);
create index notifications_user_id_created_at_idx on attune.notifications (user_id, created_at);
create index notifications_unread_idx on attune.notifications (user_id, category)
  where read_at is null and archived_at is null;
create index notifications_category_idx on attune.notifications (category);
comment on table attune.notifications is
  E'@behavior -insert -update -delete\n'
  'The inbox. '
  'A recipient alone sees their notifications.';
comment on column attune.notifications.user_id is 'The recipient.';
comment on column attune.notifications.id is 'Which notification.';
comment on column attune.notifications.title is
  E'@behavior +attribute:filterBy\n'
  'What happened, at most 200 characters.';
comment on column attune.notifications.message is 'The particulars, at most 4,000 characters.';
comment on column attune.notifications.type is
  E'@behavior +attribute:filterBy\n'
  'How it looks.';
comment on column attune.notifications.category is 'What it is about.';
comment on column attune.notifications.priority is
  E'@behavior +attribute:filterBy\n'
  'Which is sent first.';
comment on column attune.notifications.action_url is
  'Where a click leads: a path of the application (`/leads/7`), or an address with https.';
comment on column attune.notifications.metadata is 'What the application needs to show it; at most 16 KiB.';
comment on column attune.notifications.created_at is 'When it was made.';
comment on column attune.notifications.seen_at is
  E'@behavior +attribute:filterBy\n'
  'When it was first shown to the recipient.';
comment on column attune.notifications.read_at is
  E'@behavior +attribute:filterBy\n'
  'When the recipient read it; null while it is unread.';
comment on column attune.notifications.archived_at is
  E'@behavior +attribute:filterBy\n'
  'When the recipient put it away; null while it is in the inbox.';

alter table attune.notifications enable row level security;
create policy notifications_select_self on attune.notifications for select to authenticated
  using (user_id = (select attune.current_user_id()));
create policy notifications_select_service_role on attune.notifications for select to service_role using (true);

revoke all on attune.notifications from public;
grant select on attune.notifications to authenticated, service_role;

create trigger _500_deliver after insert on attune.notifications
  for each row execute function attune_private.tg_notifications__deliver();

-- What leaves the application

create table attune.notification_deliveries (
  user_id uuid not null,
  notification_id uuid not null,
  channel attune.notification_channel not null,
  status attune.delivery_status not null,
  reason text not null
    constraint notification_deliveries_reason_check
      check (reason in ('disabled', 'quiet_hours', 'outside_working_hours', 'sent_at_once')),
  due_at timestamptz,
  attempts integer not null default 0,
  lease_token uuid,
  lease_until timestamptz,
  last_error text
    constraint notification_deliveries_last_error_check check (char_length(last_error) <= 1000),
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  constraint notification_deliveries_pkey primary key (user_id, notification_id, channel),
  constraint notification_deliveries_user_id_notification_id_fkey foreign key (user_id, notification_id)
    references attune.notifications (user_id, id) on delete cascade,
  constraint notification_deliveries_due_at_check check (status <> 'pending' or due_at is not null)
);
create index notification_deliveries_due_idx on attune.notification_deliveries (channel, due_at)
  where status = 'pending';
comment on table attune.notification_deliveries is
  E'@behavior -insert -update -delete\n'
  'What was decided of each channel when a notification was made, and what became of it. '
  'A recipient alone sees theirs.';
comment on constraint notification_deliveries_user_id_notification_id_fkey on attune.notification_deliveries is
  E'@fieldName notification\n'
  '@foreignFieldName deliveries\n'
  'What is delivered.';
comment on column attune.notification_deliveries.user_id is 'The recipient.';
comment on column attune.notification_deliveries.notification_id is 'What is delivered.';
comment on column attune.notification_deliveries.channel is 'By which channel.';
comment on column attune.notification_deliveries.status is
  E'@behavior +attribute:filterBy\n'
  'How far it is.';
comment on column attune.notification_deliveries.reason is
  'Why it is due when it is: `sent_at_once`; `quiet_hours` or `outside_working_hours`, it waits for their end; '
  '`disabled`, the recipient does not want it or the category does not go by the channel.';
comment on column attune.notification_deliveries.due_at is
  'When it is to be sent at the earliest; null when never, because it is not wanted or the recipient''s schedule '
  'has no opening.';
comment on column attune.notification_deliveries.attempts is 'How often it was claimed by a worker.';
comment on column attune.notification_deliveries.lease_token is
  E'@behavior -*\n'
  'What the worker who claimed it last must show; for trusted servers.';
comment on column attune.notification_deliveries.lease_until is
  E'@behavior -*\n'
  'Until when nobody else may claim it; for trusted servers.';
comment on column attune.notification_deliveries.last_error is
  E'@behavior -*\n'
  'What went wrong last; for trusted servers.';
comment on column attune.notification_deliveries.created_at is 'When it was decided.';
comment on column attune.notification_deliveries.finished_at is 'When it was sent or given up.';

alter table attune.notification_deliveries enable row level security;
create policy notification_deliveries_select_self on attune.notification_deliveries for select to authenticated
  using (user_id = (select attune.current_user_id()));
create policy notification_deliveries_select_service_role on attune.notification_deliveries for select to service_role
  using (true);

revoke all on attune.notification_deliveries from public;
grant select (user_id, notification_id, channel, status, reason, due_at, attempts, created_at, finished_at)
  on attune.notification_deliveries to authenticated;
grant select on attune.notification_deliveries to service_role;

-- When one may be sent

create type attune_private.delivery_decision as (reason text, due_at timestamptz);
comment on type attune_private.delivery_decision is 'Whether, when and why a notification is sent by one channel.';

--! Included notifications/private/delivery_obstacle.sql
create or replace function attune_private.delivery_obstacle(schedule jsonb, zone text, at timestamptz)
returns text
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  days constant text[] := '{monday,tuesday,wednesday,thursday,friday,saturday,sunday}';
  local constant timestamp := at at time zone zone;
  clock constant time := local::time;
  weekday constant integer := extract(isodow from local);
  hours constant jsonb := schedule -> 'workingHours';
  -- A window over midnight belongs to the day on which it opens.
  today constant jsonb := hours -> days[weekday];
  yesterday constant jsonb := hours -> days[(weekday + 5) % 7 + 1];
  quiet constant jsonb := schedule -> 'quietHours';
  opens time := quiet ->> 'start';
  closes time := quiet ->> 'end';
begin
  if quiet -> 'enabled' = 'true'
    and (clock >= opens and clock < closes or opens > closes and (clock >= opens or clock < closes))
  then
    return 'quiet_hours';
  end if;

  if (hours -> 'enabled' = 'true') is not true then
    return null;
  end if;

  opens := today ->> 'start';
  closes := today ->> 'end';
  if today -> 'enabled' = 'true'
    and (opens = closes or clock >= opens and (clock < closes or opens > closes))
  then
    return null;
  end if;

  opens := yesterday ->> 'start';
  closes := yesterday ->> 'end';
  if yesterday -> 'enabled' = 'true' and opens > closes and clock < closes then
    return null;
  end if;

  return 'outside_working_hours';
end;
$$;
comment on function attune_private.delivery_obstacle(jsonb, text, timestamptz) is
  'What keeps a moment from being one to send at, by a `notification_schedule` in a time zone: `quiet_hours`, '
  '`outside_working_hours`, or NULL for nothing.';
revoke all on function attune_private.delivery_obstacle(jsonb, text, timestamptz) from public;
--! EndIncluded notifications/private/delivery_obstacle.sql
--! Included notifications/private/next_opening.sql
create or replace function attune_private.next_opening(schedule jsonb, zone text, at timestamptz)
returns timestamptz
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  -- An obstacle begins or ends only when a local clock shows one of these, or is put forward or back.
  clocks constant interval[] := array(
    select (c.clock #>> '{}')::interval from jsonb_path_query(schedule, '$.**.start') as c (clock)
    union
    select (c.clock #>> '{}')::interval from jsonb_path_query(schedule, '$.**.end') as c (clock)
    union
    select interval '0'
  );
  first_day constant timestamptz := (date_trunc('day', at at time zone zone) - interval '1 day') at time zone 'UTC';
  midnight timestamptz;
  offset_before interval;
  offset_after interval;
  early timestamptz;
  late timestamptz;
  middle timestamptz;
  candidates timestamptz[];
  opening timestamptz;
begin
  if attune_private.delivery_obstacle(schedule, zone, at) is null then
    return at;
  end if;

  -- One week holds every weekday; another two, because a change of the clocks may swallow a window.
  for week in 0 .. 2 loop
    candidates := '{}';

    for day in week * 7 .. week * 7 + 9 loop
      -- The local day, as if the zone were UTC: no zone is further from it than 14 hours.
      midnight := first_day + day * interval '24 hours';
      early := midnight - interval '15 hours';
      late := midnight + interval '39 hours';
      offset_before := (early at time zone zone) - (early at time zone 'UTC');
      offset_after := (late at time zone zone) - (late at time zone 'UTC');
      candidates := candidates
        || array(select midnight + c.clock - offset_before from unnest(clocks) as c (clock))
        || array(select midnight + c.clock - offset_after from unnest(clocks) as c (clock));

      if offset_before <> offset_after then
        while late - early > interval '1 second' loop
          middle := date_trunc('second', early + (late - early) / 2);
          if (middle at time zone zone) - (middle at time zone 'UTC') = offset_before then
            early := middle;
          else
            late := middle;
          end if;
        end loop;
        candidates := candidates || late;
      end if;
    end loop;

    select min(c.moment) into opening
    from unnest(candidates) as c (moment)
    where c.moment > at
      and attune_private.delivery_obstacle(schedule, zone, c.moment) is null;

    if opening is not null then
      return opening;
    end if;
  end loop;

  return null;
end;
$$;
comment on function attune_private.next_opening(jsonb, text, timestamptz) is
  'The first moment, not before `at`, at which a `notification_schedule` lets something through in a time zone; '
  'NULL when it never does.';
revoke all on function attune_private.next_opening(jsonb, text, timestamptz) from public;
--! EndIncluded notifications/private/next_opening.sql
--! Included notifications/private/decide_delivery.sql
create or replace function attune_private.decide_delivery(
  user_id uuid,
  channel attune.notification_channel,
  category text,
  at timestamptz
)
returns attune_private.delivery_decision
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  subject attune.notification_categories;
  settings jsonb;
  schedule jsonb;
  zone text;
  obstacle text;
begin
  select c.* into subject from attune.notification_categories as c where c.name = decide_delivery.category;

  if (channel = any (subject.channels)) is not true then
    return ('disabled'::text, null::timestamptz);
  elsif subject.is_critical then
    return ('sent_at_once'::text, at);
  end if;

  settings := attune_private.document('notification_settings', decide_delivery.user_id, null, 'admin');

  if subject.setting_member is not null
    and (settings #> array[channel || '_notifications', subject.setting_member] = 'true') is not true
  then
    return ('disabled'::text, null::timestamptz);
  end if;

  schedule := settings -> 'notification_schedule';
  select coalesce(schedule ->> 'timezone', u.timezone) into zone
  from attune.users as u
  where u.id = decide_delivery.user_id;

  begin
    perform at at time zone zone;
  exception
    -- A default that nobody checked is no reason to lose a notification.
    when invalid_parameter_value then
      zone := 'UTC';
  end;

  obstacle := attune_private.delivery_obstacle(schedule, zone, at);
  if obstacle is null then
    return ('sent_at_once'::text, at);
  end if;

  return (obstacle, attune_private.next_opening(schedule, zone, at));
end;
$$;
comment on function attune_private.decide_delivery(uuid, attune.notification_channel, text, timestamptz) is
  'Whether, when and why a notification of a category made at a moment is sent to a user by one channel.';
revoke all on function attune_private.decide_delivery(uuid, attune.notification_channel, text, timestamptz) from public;
--! EndIncluded notifications/private/decide_delivery.sql
--! Included notifications/private/check_category.sql
create or replace function attune_private.check_category(category text)
returns void
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from attune.notification_categories as c where c.name = check_category.category) then
    raise exception using
      errcode = 'PT404',
      message = format('There is no category %s', quote_nullable(left(check_category.category, 100))),
      detail = 'unknown_category',
      hint = 'List what there is with notificationCategories.';
  end if;
end;
$$;
comment on function attune_private.check_category(text) is
  'Refuses (`unknown_category`) the name of no category of notifications, NULL among them.';
revoke all on function attune_private.check_category(text) from public;
--! EndIncluded notifications/private/check_category.sql
--! Included notifications/next_delivery_at.sql
create or replace function attune.next_delivery_at(
  user_id uuid,
  channel attune.notification_channel,
  category text,
  at timestamptz default now()
)
returns timestamptz
language plpgsql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
begin
  if (next_delivery_at.user_id = caller.user_id) is not true then
    perform attune_private.require_administrator(caller);
  end if;

  perform attune_private.check_user(next_delivery_at.user_id);

  perform attune_private.check_category(next_delivery_at.category);

  return (attune_private.decide_delivery(
    next_delivery_at.user_id,
    next_delivery_at.channel,
    next_delivery_at.category,
    coalesce(next_delivery_at.at, now())
  )).due_at;
end;
$$;
comment on function attune.next_delivery_at(uuid, attune.notification_channel, text, timestamptz) is
  E'@param user_id The recipient.\n'
  '@param channel Which channel.\n'
  '@param category Which category.\n'
  '@param at When the notification is made; now when left out.\n'
  'When a notification of a category that is made at a moment would be sent to a user by one channel: by the '
  'user''s choices, working hours and quiet hours, in their time zone. '
  'Null when never. '
  'For the user, administrators and trusted servers. '
  'Refused: `admin_required`, `unknown_user`, `unknown_category`.';
revoke all on function attune.next_delivery_at(uuid, attune.notification_channel, text, timestamptz) from public;
grant execute on function attune.next_delivery_at(uuid, attune.notification_channel, text, timestamptz)
  to authenticated, service_role;
--! EndIncluded notifications/next_delivery_at.sql

-- Making and reading them

create type attune.unread_count as (category text, unread integer);
comment on type attune.unread_count is 'How many notifications of a category are unread.';
comment on column attune.unread_count.category is 'Which category.';
comment on column attune.unread_count.unread is 'How many there are, archived ones not among them.';

--! Included notifications/private/stamp_notifications.sql
create or replace function attune_private.stamp_notifications(
  user_id uuid,
  ids uuid[],
  is_read boolean default false,
  is_archived boolean default false
)
returns setof attune.notifications
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  perform attune_private.check_size('The list', coalesce(cardinality(ids), 0), 1000, 'notifications');

  if exists (
    select from unnest(ids) as i (id)
    where not exists (
      select from attune.notifications as n where n.user_id = stamp_notifications.user_id and n.id = i.id
    )
  ) then
    raise exception using
      errcode = 'PT404',
      message = 'There is no such notification',
      detail = 'unknown_notification',
      hint = 'Give the ids of notifications in your own inbox.';
  end if;

  return query
    with changed as (
      update attune.notifications as n
      set
        seen_at = coalesce(n.seen_at, now()),
        read_at = case when is_read then coalesce(n.read_at, now()) else n.read_at end,
        archived_at = case when is_archived then coalesce(n.archived_at, now()) else n.archived_at end
      where n.user_id = stamp_notifications.user_id
        and n.id = any (ids)
      returning n.*
    )
    select c.* from changed as c order by array_position(ids, c.id);
end;
$$;
comment on function attune_private.stamp_notifications(uuid, uuid[], boolean, boolean) is
  'Marks up to 1,000 notifications of a user as seen, all or none, and as read or archived if told so, and returns '
  'them in the order given; what they were already keeps its time. '
  'Refused: `unknown_notification`, `too_large`.';
revoke all on function attune_private.stamp_notifications(uuid, uuid[], boolean, boolean) from public;
--! EndIncluded notifications/private/stamp_notifications.sql
--! Included notifications/create_notification.sql
create or replace function attune.create_notification(
  category text,
  title text,
  message text default '',
  type attune.notification_type default 'info',
  priority attune.notification_priority default 'normal',
  action_url text default null,
  metadata jsonb default '{}',
  user_id uuid default null
)
returns attune.notifications
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  recipient constant uuid := coalesce(create_notification.user_id, caller.user_id);
  per_day constant integer := attune_private.system_number('NOTIFICATIONS_PER_DAY', 1000);
  created attune.notifications;
begin
  if create_notification.user_id is null then
    perform attune_private.require_user(caller);
  elsif (recipient = caller.user_id) is not true then
    perform attune_private.require_administrator(caller);
  end if;

  perform attune_private.check_user(recipient);

  perform attune_private.check_category(create_notification.category);

  if (create_notification.title ~ '\S') is not true then
    raise exception using
      errcode = 'PT422',
      message = 'A notification has a title',
      detail = 'title_required',
      hint = 'Say what happened, in a few words.';
  end if;

  -- Each may cost a mail or an SMS. One at a time, so that they can be counted; whom we trust is not limited.
  if (caller.is_admin or caller.is_trusted) is not true then
    perform from attune.users as u where u.id = recipient for no key update;

    if per_day <= (
      select count(*)
      from attune.notifications as n
      where n.user_id = recipient
        and n.created_at > now() - interval '1 day'
    ) then
      perform attune_private.refuse_for_now(
        'too_many_notifications',
        format('The inbox has taken %s notifications in a day', per_day),
        'Go on later, or let a trusted server create them.',
        (
          select ceil(extract(epoch from min(n.created_at) + interval '1 day' - now()))::integer
          from attune.notifications as n
          where n.user_id = recipient
            and n.created_at > now() - interval '1 day'
        )
      );
    end if;
  end if;

  perform attune_private.check_size('The title', char_length(create_notification.title), 200, 'characters');
  perform attune_private.check_size('The message', char_length(create_notification.message), 4000, 'characters');
  perform attune_private.check_size('The metadata', octet_length(create_notification.metadata::text), 16384, 'bytes');
  perform attune_private.check_depth('The metadata', create_notification.metadata);

  begin
    insert into attune.notifications as n (user_id, category, title, message, type, priority, action_url, metadata)
    values (
      recipient,
      create_notification.category,
      create_notification.title,
      coalesce(create_notification.message, ''),
      coalesce(create_notification.type, 'info'),
      coalesce(create_notification.priority, 'normal'),
      create_notification.action_url,
      coalesce(create_notification.metadata, '{}')
    )
    returning n.* into created;
  exception
    when check_violation then
      raise exception using
        errcode = 'PT422',
        message = 'The address of the action is neither a path nor an https address',
        detail = 'invalid_action_url',
        hint = 'Send a path such as /leads/7, or an address that begins with https://, at most 2,048 characters.';
  end;

  return created;
end;
$$;
comment on function attune.create_notification(
  text, text, text, attune.notification_type, attune.notification_priority, text, jsonb, uuid
) is
  E'@notNull\n'
  '@param category What it is about.\n'
  '@param title What happened, 1 to 200 characters.\n'
  '@param message The particulars, at most 4,000 characters.\n'
  '@param type How it looks.\n'
  '@param priority Which is sent first.\n'
  '@param action_url Where a click leads: a path, or an address with https.\n'
  '@param metadata What the application needs to show it; at most 16 KiB.\n'
  '@param user_id The recipient; the caller when left out.\n'
  'Puts a notification into an inbox, the caller''s own unless `user_id` says another''s, which is for '
  'administrators and trusted servers; and decides of each channel whether and when it is sent. '
  'Refused: `not_signed_in`, `admin_required`, `unknown_user`, `unknown_category`, `title_required`, `too_large`, '
  '`value_too_deep`, `invalid_action_url`, `too_many_notifications`.';
revoke all on function attune.create_notification(
  text, text, text, attune.notification_type, attune.notification_priority, text, jsonb, uuid
) from public;
grant execute on function attune.create_notification(
  text, text, text, attune.notification_type, attune.notification_priority, text, jsonb, uuid
) to authenticated, service_role;
--! EndIncluded notifications/create_notification.sql
--! Included notifications/unread_notification_counts.sql
create or replace function attune.unread_notification_counts()
returns setof attune.unread_count
language plpgsql stable parallel restricted security definer
rows 10
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant uuid := attune_hidden.require_user_id();
begin
  return query
    select n.category, count(*)::integer
    from attune.notifications as n
    where n.user_id = caller
      and n.read_at is null
      and n.archived_at is null
    group by n.category
    order by n.category;
end;
$$;
comment on function attune.unread_notification_counts() is
  'How many notifications of the caller are unread, by category; a category without any is not listed. '
  'Refused: `not_signed_in`.';
revoke all on function attune.unread_notification_counts() from public;
grant execute on function attune.unread_notification_counts() to authenticated, service_role;
--! EndIncluded notifications/unread_notification_counts.sql
--! Included notifications/mark_notifications_read.sql
create or replace function attune.mark_notifications_read(ids uuid[])
returns setof attune.notifications
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select n.*
    from attune_private.stamp_notifications(attune_hidden.require_user_id(), ids, is_read => true) as n;
end;
$$;
comment on function attune.mark_notifications_read(uuid[]) is
  E'@param ids Which notifications, at most 1,000.\n'
  'Marks up to 1,000 notifications of the caller as read, all or none, and returns them in the order given; those '
  'that were read keep their time. '
  'Refused: `not_signed_in`, `unknown_notification`, `too_large`.';
revoke all on function attune.mark_notifications_read(uuid[]) from public;
grant execute on function attune.mark_notifications_read(uuid[]) to authenticated, service_role;
--! EndIncluded notifications/mark_notifications_read.sql
--! Included notifications/mark_notification_read.sql
create or replace function attune.mark_notification_read(id uuid)
returns attune.notifications
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  marked attune.notifications;
begin
  select m.* into marked from attune.mark_notifications_read(array[mark_notification_read.id]) as m;
  return marked;
end;
$$;
comment on function attune.mark_notification_read(uuid) is
  E'@notNull\n'
  '@param id Which notification.\n'
  'Marks a notification of the caller as read, and returns it; one that was read keeps its time. '
  'Refused: `not_signed_in`, `unknown_notification`.';
revoke all on function attune.mark_notification_read(uuid) from public;
grant execute on function attune.mark_notification_read(uuid) to authenticated, service_role;
--! EndIncluded notifications/mark_notification_read.sql
--! Included notifications/mark_all_notifications_read.sql
create or replace function attune.mark_all_notifications_read(category text default null)
returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant uuid := attune_hidden.require_user_id();
  marked integer;
begin
  update attune.notifications as n
  set read_at = now(), seen_at = coalesce(n.seen_at, now())
  where n.user_id = caller
    and n.read_at is null
    and (mark_all_notifications_read.category is null or n.category = mark_all_notifications_read.category);

  get diagnostics marked = row_count;
  return marked;
end;
$$;
comment on function attune.mark_all_notifications_read(text) is
  E'@notNull\n'
  '@param category Only this category; all when left out.\n'
  'Marks all notifications of the caller as read, or those of one category, and returns how many were not. '
  'Refused: `not_signed_in`.';
revoke all on function attune.mark_all_notifications_read(text) from public;
grant execute on function attune.mark_all_notifications_read(text) to authenticated, service_role;
--! EndIncluded notifications/mark_all_notifications_read.sql
--! Included notifications/mark_notifications_seen.sql
create or replace function attune.mark_notifications_seen(ids uuid[])
returns setof attune.notifications
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select n.*
    from attune_private.stamp_notifications(attune_hidden.require_user_id(), ids) as n;
end;
$$;
comment on function attune.mark_notifications_seen(uuid[]) is
  E'@param ids Which notifications, at most 1,000.\n'
  'Marks up to 1,000 notifications of the caller as seen, all or none, and returns them in the order given; those '
  'that were seen keep their time. '
  'Refused: `not_signed_in`, `unknown_notification`, `too_large`.';
revoke all on function attune.mark_notifications_seen(uuid[]) from public;
grant execute on function attune.mark_notifications_seen(uuid[]) to authenticated, service_role;
--! EndIncluded notifications/mark_notifications_seen.sql
--! Included notifications/archive_notifications.sql
create or replace function attune.archive_notifications(ids uuid[])
returns setof attune.notifications
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select n.*
    from attune_private.stamp_notifications(attune_hidden.require_user_id(), ids, is_archived => true) as n;
end;
$$;
comment on function attune.archive_notifications(uuid[]) is
  E'@param ids Which notifications, at most 1,000.\n'
  'Puts up to 1,000 notifications of the caller away, all or none, and returns them in the order given; they no '
  'longer count as unread. '
  'Refused: `not_signed_in`, `unknown_notification`, `too_large`.';
revoke all on function attune.archive_notifications(uuid[]) from public;
grant execute on function attune.archive_notifications(uuid[]) to authenticated, service_role;
--! EndIncluded notifications/archive_notifications.sql

-- Sending them

create type attune.claimed_delivery as (
  user_id uuid,
  notification_id uuid,
  channel attune.notification_channel,
  lease_token uuid,
  lease_until timestamptz,
  attempt integer,
  email text,
  title text,
  message text,
  type attune.notification_type,
  category text,
  priority attune.notification_priority,
  action_url text,
  metadata jsonb
);
comment on type attune.claimed_delivery is 'A delivery that one worker holds, and what there is to send.';
comment on column attune.claimed_delivery.user_id is 'The recipient.';
comment on column attune.claimed_delivery.notification_id is 'Which notification.';
comment on column attune.claimed_delivery.channel is 'By which channel.';
comment on column attune.claimed_delivery.lease_token is 'What `complete_delivery` and `fail_delivery` must be shown.';
comment on column attune.claimed_delivery.lease_until is 'Until when the worker has it to itself.';
comment on column attune.claimed_delivery.attempt is 'Which attempt this is, from 1.';
comment on column attune.claimed_delivery.email is 'The recipient''s address.';
comment on column attune.claimed_delivery.title is 'What happened.';
comment on column attune.claimed_delivery.message is 'The particulars.';
comment on column attune.claimed_delivery.type is 'How it looks.';
comment on column attune.claimed_delivery.category is 'What it is about.';
comment on column attune.claimed_delivery.priority is 'How soon it matters.';
comment on column attune.claimed_delivery.action_url is 'Where a click leads.';
comment on column attune.claimed_delivery.metadata is 'What the application needs to show it.';

--! Included notifications/claim_deliveries.sql
create or replace function attune.claim_deliveries(
  channel attune.notification_channel,
  "limit" integer default 100,
  lease interval default '5 minutes'
)
returns setof attune.claimed_delivery
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  moment constant timestamptz := clock_timestamp();
  due record;
  decision attune_private.delivery_decision;
begin
  perform attune_private.check_claim(claim_deliveries."limit", lease, 'deliveries');

  for due in
    select d.user_id, d.notification_id, d.attempts, n.category
    from attune.notification_deliveries as d
    join attune.notifications as n on n.user_id = d.user_id and n.id = d.notification_id
    join attune.notification_categories as c on c.name = n.category
    where d.channel = claim_deliveries.channel
      and d.status = 'pending'
      and d.due_at <= moment
      and (d.lease_until is null or d.lease_until <= moment)
    -- What is critical does not wait behind what may have to be put off.
    order by c.is_critical desc, n.priority desc, d.due_at
    limit claim_deliveries."limit"
    for no key update of d skip locked
  loop
    -- What waited too long may have come into quiet hours, or is no longer wanted.
    decision := attune_private.decide_delivery(due.user_id, claim_deliveries.channel, due.category, moment);

    if due.attempts >= 8 or decision.due_at is null or decision.due_at > moment then
      update attune.notification_deliveries as d
      set
        status = case
          when due.attempts >= 8 then 'failed'
          when decision.due_at is null then 'skipped'
          else 'pending'
        end::attune.delivery_status,
        reason = decision.reason,
        due_at = decision.due_at,
        lease_token = null,
        lease_until = null,
        finished_at = case when due.attempts >= 8 then moment end
      where d.user_id = due.user_id
        and d.notification_id = due.notification_id
        and d.channel = claim_deliveries.channel;

      continue;
    end if;

    update attune.notification_deliveries as d
    set attempts = d.attempts + 1, lease_token = gen_random_uuid(), lease_until = moment + claim_deliveries.lease
    where d.user_id = due.user_id
      and d.notification_id = due.notification_id
      and d.channel = claim_deliveries.channel;

    return query
      select
        d.user_id, d.notification_id, d.channel, d.lease_token, d.lease_until, d.attempts,
        u.email, n.title, n.message, n.type, n.category, n.priority, n.action_url, n.metadata
      from attune.notification_deliveries as d
      join attune.notifications as n on n.user_id = d.user_id and n.id = d.notification_id
      join attune.users as u on u.id = d.user_id
      where d.user_id = due.user_id
        and d.notification_id = due.notification_id
        and d.channel = claim_deliveries.channel;
  end loop;
end;
$$;
comment on function attune.claim_deliveries(attune.notification_channel, integer, interval) is
  E'@param channel Which channel.\n'
  '@param limit At most so many, 1 to 1,000.\n'
  '@param lease For how long the worker has them to itself, one second to one day.\n'
  'Gives a worker deliveries of one channel that are due, what is critical first, then the most urgent, and keeps '
  'them from every other worker until the lease runs out; for trusted servers. '
  'The worker sends each and calls `complete_delivery` or `fail_delivery`. '
  'What nobody finished is claimed again, eight times at most. '
  'Refused: `invalid_claim`.';
revoke all on function attune.claim_deliveries(attune.notification_channel, integer, interval) from public;
grant execute on function attune.claim_deliveries(attune.notification_channel, integer, interval) to service_role;
--! EndIncluded notifications/claim_deliveries.sql
--! Included notifications/private/leased_delivery.sql
create or replace function attune_private.leased_delivery(
  user_id uuid,
  notification_id uuid,
  channel attune.notification_channel,
  lease_token uuid
)
returns attune.notification_deliveries
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  held attune.notification_deliveries;
begin
  select d.* into held
  from attune.notification_deliveries as d
  where d.user_id = leased_delivery.user_id
    and d.notification_id = leased_delivery.notification_id
    and d.channel = leased_delivery.channel
    and d.lease_token = leased_delivery.lease_token
  for no key update;

  if not found then
    raise exception using
      errcode = 'PT409',
      message = 'Another worker holds this delivery, or it is finished',
      detail = 'lease_lost',
      hint = 'Leave it: claim others.';
  end if;

  return held;
end;
$$;
comment on function attune_private.leased_delivery(uuid, uuid, attune.notification_channel, uuid) is
  'The delivery that a worker holds, locked. '
  'Refused (`lease_lost`) when the token is not the last that was given out.';
revoke all on function attune_private.leased_delivery(uuid, uuid, attune.notification_channel, uuid) from public;
--! EndIncluded notifications/private/leased_delivery.sql
--! Included notifications/complete_delivery.sql
create or replace function attune.complete_delivery(
  user_id uuid,
  notification_id uuid,
  channel attune.notification_channel,
  lease_token uuid
)
returns attune.notification_deliveries
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  held constant attune.notification_deliveries := attune_private.leased_delivery(
    complete_delivery.user_id, complete_delivery.notification_id, complete_delivery.channel, complete_delivery.lease_token
  );
  completed attune.notification_deliveries;
begin
  update attune.notification_deliveries as d
  set status = 'sent', finished_at = clock_timestamp(), lease_token = null, lease_until = null, last_error = null
  where d.user_id = held.user_id
    and d.notification_id = held.notification_id
    and d.channel = held.channel
  returning d.* into completed;

  return completed;
end;
$$;
comment on function attune.complete_delivery(uuid, uuid, attune.notification_channel, uuid) is
  E'@notNull\n'
  '@param user_id Whose.\n'
  '@param notification_id Which notification.\n'
  '@param channel Which channel.\n'
  '@param lease_token What the worker was given when it claimed the delivery.\n'
  'Notes that a claimed delivery was sent; for trusted servers. '
  'A worker whose lease ran out may still do so, until another has claimed it (`lease_lost`).';
revoke all on function attune.complete_delivery(uuid, uuid, attune.notification_channel, uuid) from public;
grant execute on function attune.complete_delivery(uuid, uuid, attune.notification_channel, uuid) to service_role;
--! EndIncluded notifications/complete_delivery.sql
--! Included notifications/fail_delivery.sql
create or replace function attune.fail_delivery(
  user_id uuid,
  notification_id uuid,
  channel attune.notification_channel,
  lease_token uuid,
  error text,
  retry boolean default true
)
returns attune.notification_deliveries
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  held constant attune.notification_deliveries := attune_private.leased_delivery(
    fail_delivery.user_id, fail_delivery.notification_id, fail_delivery.channel, fail_delivery.lease_token
  );
  again constant boolean := fail_delivery.retry is not false and held.attempts < 8;
  failed attune.notification_deliveries;
begin
  update attune.notification_deliveries as d
  set
    status = case when again then 'pending' else 'failed' end::attune.delivery_status,
    -- One minute, two, four and so on: about two hours altogether.
    due_at = case
      when again then clock_timestamp() + least(interval '1 minute' * 2 ^ (held.attempts - 1), interval '6 hours')
      else d.due_at
    end,
    finished_at = case when not again then clock_timestamp() end,
    lease_token = null,
    lease_until = null,
    last_error = left(fail_delivery.error, 1000)
  where d.user_id = held.user_id
    and d.notification_id = held.notification_id
    and d.channel = held.channel
  returning d.* into failed;

  return failed;
end;
$$;
comment on function attune.fail_delivery(uuid, uuid, attune.notification_channel, uuid, text, boolean) is
  E'@notNull\n'
  '@param user_id Whose.\n'
  '@param notification_id Which notification.\n'
  '@param channel Which channel.\n'
  '@param lease_token What the worker was given when it claimed the delivery.\n'
  '@param error What went wrong, for whoever runs the server.\n'
  '@param retry False gives up at once.\n'
  'Notes that a claimed delivery could not be sent, and why; for trusted servers. '
  'It is due again after a minute, then two, four and so on, and given up after the eighth attempt, or at once '
  'without `retry`. '
  'Refused: `lease_lost`.';
revoke all on function attune.fail_delivery(uuid, uuid, attune.notification_channel, uuid, text, boolean) from public;
grant execute on function attune.fail_delivery(uuid, uuid, attune.notification_channel, uuid, text, boolean) to service_role;
--! EndIncluded notifications/fail_delivery.sql
