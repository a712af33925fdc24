--! Previous: sha1:30edf29a78cc84d9b98ba6ce6760fbd0eb5a03de
--! Hash: sha1:8a8363b41500357cc554b229761b6a7eb34f6323
--! Message: notifications

-- What there is to notify of

create type attune.notification_channel as enum ('email', 'push', 'sms');
comment on type attune.notification_channel is
  E'@value email By e-mail.\n'
  '@value push To the recipient''s devices.\n'
  '@value sms By text message.\n'
  'A way out of the application, beside the inbox.';

create type attune.notification_type as enum ('success', 'info', 'warning', 'error');
comment on type attune.notification_type is
  E'@value success Something succeeded.\n'
  '@value info Something is worth knowing.\n'
  '@value warning Something needs attention.\n'
  '@value error Something failed.\n'
  'How a notification looks.';

create type attune.notification_priority as enum ('low', 'normal', 'high', 'urgent');
comment on type attune.notification_priority is
  E'@value low After all others.\n'
  '@value normal After what is high or urgent.\n'
  '@value high After what is urgent.\n'
  '@value urgent Before all others.\n'
  'Which notification is sent first, when several are due.';

create type attune.delivery_status as enum ('skipped', 'pending', 'sent', 'failed');
comment on type attune.delivery_status is
  E'@value skipped It will not be sent.\n'
  '@value pending It is due at its time.\n'
  '@value sent A worker has sent it.\n'
  '@value failed It was given up.\n'
  'How far a delivery is.';

create type attune.delivery_reason as enum ('disabled', 'quiet_hours', 'outside_working_hours', 'sent_at_once');
comment on type attune.delivery_reason is
  E'@value disabled The recipient does not want it, or the category does not go by the channel.\n'
  '@value quiet_hours It waits for the end of the recipient''s quiet hours.\n'
  '@value outside_working_hours It waits for the recipient''s working hours.\n'
  '@value sent_at_once It waits for nothing.\n'
  'Why a delivery is due when it is.';

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
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
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
comment on column attune.notification_categories.updated_at is
  'When it last changed. '
  'In an update: the version that is changed, which was read (`changed_meanwhile`).';

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
  update (title, description, setting_member, channels, is_critical, updated_at),
  delete
  on attune.notification_categories to authenticated, service_role;

create trigger _010_require_admin before insert on attune.notification_categories
  for each statement when (row_security_active('attune.notification_categories'))
  execute function attune_private.tg__require_admin();
create trigger _060_check_version before update on attune.notification_categories
  for each row when (new.updated_at is distinct from old.updated_at)
  execute function attune_private.tg__check_version();
create trigger _100_timestamps before update on attune.notification_categories
  for each row execute function attune_private.tg__timestamps();
create trigger _900_audit after insert or update on attune.notification_categories
  for each row execute function attune_private.tg__audit('notification_category', '', 'name');
create trigger _910_audit_removed after delete on attune.notification_categories
  referencing old table as removed
  for each statement execute function attune_private.tg__audit_removed('notification_category', '', 'name');
create trigger _100_append_only before truncate on attune.notification_categories
  for each statement execute function attune_private.tg__append_only();

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
  -- What a recipient chose is read once, and decides of every channel.
  with recipients as materialized (
    select n.user_id, n.id, n.created_at, c as subject, u.timezone, attune_private.delivery_settings(n.user_id, c) as settings
    from created as n
    join attune.users as u on u.id = n.user_id
    join attune.notification_categories as c on c.name = n.category
  )
  insert into attune.notification_deliveries (user_id, notification_id, channel, status, reason, due_at)
  select
    r.user_id,
    r.id,
    h.channel,
    case when d.due_at is null then 'skipped' else 'pending' end::attune.delivery_status,
    d.reason,
    d.due_at
  from recipients as r
  cross join unnest(enum_range(null::attune.notification_channel)) as h (channel)
  cross join lateral attune_private.decide_by_settings(r.subject, h.channel, r.settings, r.timezone, r.created_at) as d;

  return null;
end;
$$;
comment on function attune_private.tg_notifications__deliver() is
  'Decides of each channel whether and when new notifications are sent.';
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
  dedupe_key text
    constraint notifications_dedupe_key_check check (char_length(dedupe_key) between 1 and 200),
  created_at timestamptz not null default now(),
  seen_at timestamptz,
  read_at timestamptz,
  archived_at timestamptz,
  snoozed_until timestamptz,
  arrived_at timestamptz not null generated always as (coalesce(snoozed_until, created_at)) stored,
  transaction_id xid8 not null default pg_current_xact_id(),
  constraint notifications_pkey primary key (user_id, id)
);
create unique index notifications_dedupe_idx on attune.notifications (user_id, dedupe_key) where dedupe_key is not null;
create index notifications_user_id_created_at_idx on attune.notifications (user_id, created_at);
create index notifications_inbox_idx on attune.notifications (user_id, arrived_at desc, id) where archived_at is null;
create index notifications_inbox_category_idx on attune.notifications (user_id, category, arrived_at desc, id)
  where archived_at is null;
create index notifications_unread_idx on attune.notifications (user_id, arrived_at desc, id)
  where archived_at is null and read_at is null;
create index notifications_archived_idx on attune.notifications (user_id, archived_at) where archived_at is not null;
create index notifications_transaction_id_idx on attune.notifications (transaction_id);
create index notifications_category_idx on attune.notifications (category);
create index notifications_last_touched_idx on attune.notifications (greatest(arrived_at, read_at, archived_at));
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
comment on column attune.notifications.dedupe_key is
  'What the application knows it by: a recipient has one with the same key at most. '
  'Null for those that may come again.';
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
comment on column attune.notifications.snoozed_until is
  E'@behavior +attribute:filterBy\n'
  'When it comes back, or came, to a recipient who snoozed it; null for who did not.';
comment on column attune.notifications.arrived_at is
  E'@behavior +attribute:orderBy +attribute:filterBy\n'
  'When it came into the inbox, or will: when it was made or, after it was snoozed, `snoozed_until`. '
  'The inbox is in this order, the latest first.';
comment on column attune.notifications.transaction_id is
  E'@behavior -*\n'
  'In which transaction it last changed.';

alter table attune.notifications enable row level security;
create policy notifications_select_self on attune.notifications for select to authenticated
  using (user_id = (select attune.current_user_id()));
create policy notifications_select_service_role on attune.notifications for select to service_role using (true);

revoke all on attune.notifications from public;
grant select on attune.notifications to authenticated, service_role;

create trigger _100_transaction before update on attune.notifications
  for each row execute function attune_private.tg__transaction();
create trigger _500_deliver after insert on attune.notifications
  referencing new table as created
  for each statement execute function attune_private.tg_notifications__deliver();

-- What leaves the application

create table attune.notification_deliveries (
  user_id uuid not null,
  notification_id uuid not null,
  channel attune.notification_channel not null,
  status attune.delivery_status not null,
  reason attune.delivery_reason not null,
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
comment on column attune.notification_deliveries.reason is 'Why it is due when it is.';
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

create type attune_private.delivery_decision as (reason attune.delivery_reason, due_at timestamptz);
comment on type attune_private.delivery_decision is 'Whether, when and why a notification is sent by one channel.';

--! Included notifications/private/delivery_obstacle.sql
create or replace function attune_private.delivery_obstacle(schedule jsonb, zone text, at timestamptz)
returns attune.delivery_reason
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
--! Included notifications/private/decide_by_settings.sql
create or replace function attune_private.decide_by_settings(
  subject attune.notification_categories,
  channel attune.notification_channel,
  settings jsonb,
  zone text,
  at timestamptz
)
returns attune_private.delivery_decision
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  schedule constant jsonb := settings -> 'notification_schedule';
  zone_name text := coalesce(schedule ->> 'timezone', decide_by_settings.zone);
  obstacle attune.delivery_reason;
begin
  if (channel = any (subject.channels)) is not true then
    return ('disabled'::attune.delivery_reason, null::timestamptz);
  elsif subject.is_critical then
    return ('sent_at_once'::attune.delivery_reason, at);
  end if;

  if subject.setting_member is not null
    and (settings #> array[channel || '_notifications', subject.setting_member] = 'true') is not true
  then
    return ('disabled'::attune.delivery_reason, null::timestamptz);
  end if;

  begin
    perform at at time zone zone_name;
  exception
    -- A default that nobody checked is no reason to lose a notification.
    when invalid_parameter_value then
      zone_name := 'UTC';
  end;

  obstacle := attune_private.delivery_obstacle(schedule, zone_name, at);
  if obstacle is null then
    return ('sent_at_once'::attune.delivery_reason, at);
  end if;

  return (obstacle, attune_private.next_opening(schedule, zone_name, at));
end;
$$;
comment on function attune_private.decide_by_settings(
  attune.notification_categories, attune.notification_channel, jsonb, text, timestamptz
) is
  'Whether, when and why a notification of a category made at a moment is sent by one channel to somebody with these '
  '`notification_settings` in this time zone.';
revoke all on function attune_private.decide_by_settings(
  attune.notification_categories, attune.notification_channel, jsonb, text, timestamptz
) from public;
--! EndIncluded notifications/private/decide_by_settings.sql
--! Included notifications/private/delivery_settings.sql
create or replace function attune_private.delivery_settings(user_id uuid, subject attune.notification_categories)
returns jsonb
language sql stable parallel restricted security invoker
begin atomic
  select case
    when not (delivery_settings.subject).is_critical and (delivery_settings.subject).channels <> '{}'
      then attune_private.document('notification_settings', delivery_settings.user_id, null, 'admin')
  end;
end;
comment on function attune_private.delivery_settings(uuid, attune.notification_categories) is
  'The `notification_settings` of a user; NULL for a category that asks none of them.';
revoke all on function attune_private.delivery_settings(uuid, attune.notification_categories) from public;
--! EndIncluded notifications/private/delivery_settings.sql
--! Included notifications/private/decide_delivery.sql
create or replace function attune_private.decide_delivery(
  user_id uuid,
  channel attune.notification_channel,
  category text,
  at timestamptz
)
returns attune_private.delivery_decision
language plpgsql stable parallel restricted security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  subject attune.notification_categories;
begin
  select c.* into subject from attune.notification_categories as c where c.name = decide_delivery.category;

  return (
    select attune_private.decide_by_settings(
      subject,
      decide_delivery.channel,
      attune_private.delivery_settings(decide_delivery.user_id, subject),
      u.timezone,
      decide_delivery.at
    )
    from attune.users as u
    where u.id = decide_delivery.user_id
  );
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
  to anon, authenticated, service_role;
--! EndIncluded notifications/next_delivery_at.sql

-- Making and reading them

create type attune_private.inbox_change as enum ('seen', 'read', 'unread', 'archive', 'unarchive', 'snooze', 'unsnooze');
comment on type attune_private.inbox_change is 'What a recipient does to notifications.';

create type attune.notification_category_count as (category text, total integer, unread integer, unseen integer);
comment on type attune.notification_category_count is 'How many notifications of a category are in an inbox.';
comment on column attune.notification_category_count.category is
  E'@notNull\n'
  'Which category.';
comment on column attune.notification_category_count.total is
  E'@notNull\n'
  'How many there are, neither put away nor snoozed.';
comment on column attune.notification_category_count.unread is
  E'@notNull\n'
  'How many of them are unread.';
comment on column attune.notification_category_count.unseen is
  E'@notNull\n'
  'How many of them were not shown yet.';

create type attune.notification_counts as (
  user_id uuid,
  total integer,
  unread integer,
  unseen integer,
  archived integer,
  snoozed integer,
  categories attune.notification_category_count[]
);
comment on type attune.notification_counts is
  E'@id user_id\n'
  'How many notifications somebody has.';
comment on column attune.notification_counts.user_id is
  E'@notNull\n'
  'The recipient.';
comment on column attune.notification_counts.total is
  E'@notNull\n'
  'How many are in the inbox, neither put away nor snoozed.';
comment on column attune.notification_counts.unread is
  E'@notNull\n'
  'How many of those in the inbox are unread.';
comment on column attune.notification_counts.unseen is
  E'@notNull\n'
  'How many of those in the inbox were not shown yet.';
comment on column attune.notification_counts.archived is
  E'@notNull\n'
  'How many are put away.';
comment on column attune.notification_counts.snoozed is
  E'@notNull\n'
  'How many come back later.';
comment on column attune.notification_counts.categories is
  E'@notNull\n'
  'The inbox by category; one without any is not listed.';

create type attune.changed_notifications as (
  notifications attune.notifications[],
  affected_count integer,
  notification_counts attune.notification_counts
);
comment on type attune.changed_notifications is
  E'@payload\n'
  'What became of notifications, and how many there are now.';
comment on column attune.changed_notifications.notifications is
  E'@notNull\n'
  'Those that were named, in that order; of a whole inbox those that changed, the 100 that came last.';
comment on column attune.changed_notifications.affected_count is
  E'@notNull\n'
  'How many changed: those that were so already are not among them.';
comment on column attune.changed_notifications.notification_counts is
  E'@notNull\n'
  'How many notifications the caller has now.';

create type attune.created_notifications as (
  notifications attune.notifications[],
  affected_count integer,
  unknown_user_ids uuid[]
);
comment on type attune.created_notifications is
  E'@payload\n'
  'Who got a notification, and who does not exist.';
comment on column attune.created_notifications.notifications is
  E'@notNull\n'
  'The notification of each recipient, in the order in which they were named.';
comment on column attune.created_notifications.affected_count is
  E'@notNull\n'
  'How many of them were made now: the others were there, with the same `dedupe_key`.';
comment on column attune.created_notifications.unknown_user_ids is
  E'@notNull\n'
  'Which of the users do not exist.';

create type attune_private.stored_notification as (notification attune.notifications, is_new boolean);
comment on type attune_private.stored_notification is 'A notification that is there now, and whether it was before.';

--! Included notifications/private/insert_notifications.sql
create or replace function attune_private.insert_notifications(
  user_ids uuid[],
  category text,
  title text,
  message text,
  type attune.notification_type,
  priority attune.notification_priority,
  action_url text,
  metadata jsonb,
  dedupe_key text
)
returns setof attune_private.stored_notification
language sql volatile security invoker
begin atomic
  with wanted as materialized (
    -- A user who is being deleted gets none; in one order, so that two such batches wait for each other only once.
    select u.id as user_id, gen_random_uuid() as id
    from (
      select u.id
      from attune.users as u
      where u.id = any (insert_notifications.user_ids)
      order by u.id
      for key share
    ) as u
  ),
  stored as (
    insert into attune.notifications as n (
      user_id, id, category, title, message, type, priority, action_url, metadata, dedupe_key
    )
    select
      w.user_id, w.id, insert_notifications.category, insert_notifications.title, insert_notifications.message,
      insert_notifications.type, insert_notifications.priority, insert_notifications.action_url,
      insert_notifications.metadata, insert_notifications.dedupe_key
    from wanted as w
    order by w.user_id
    -- Nothing changes, but who comes second waits for the first, and finds what it made.
    on conflict (user_id, dedupe_key) where dedupe_key is not null do update set dedupe_key = n.dedupe_key
    returning n as notification
  )
  select s.notification, (s.notification).id = w.id
  from stored as s
  join wanted as w on w.user_id = (s.notification).user_id
  order by w.user_id;
end;
comment on function attune_private.insert_notifications(
  uuid[], text, text, text, attune.notification_type, attune.notification_priority, text, jsonb, text
) is
  'Puts a notification into the inbox of each of these users who exists, unless it has one with the same `dedupe_key`; '
  'and returns those that are there then.';
revoke all on function attune_private.insert_notifications(
  uuid[], text, text, text, attune.notification_type, attune.notification_priority, text, jsonb, text
) from public;
--! EndIncluded notifications/private/insert_notifications.sql
--! Included notifications/private/store_notifications.sql
create or replace function attune_private.store_notifications(
  user_ids uuid[],
  category text,
  title text,
  message text,
  type attune.notification_type,
  priority attune.notification_priority,
  action_url text,
  metadata jsonb,
  dedupe_key text
)
returns setof attune_private.stored_notification
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  perform attune_private.check_category(category);

  if (title ~ '\S') is not true then
    perform attune_private.refuse_missing_title('A notification has a title', 'Say what happened, in a few words.');
  end if;

  perform attune_private.check_size('The title', char_length(title), 200, 'characters');
  perform attune_private.check_size('The message', char_length(message), 4000, 'characters');
  perform attune_private.check_size('The metadata', octet_length(metadata::text), 16384, 'bytes');
  perform attune_private.check_depth('The metadata', metadata);
  perform attune_private.check_size('The key', char_length(dedupe_key), 200, 'characters');

  return query
    select s.*
    from attune_private.insert_notifications(
      user_ids, category, title, coalesce(message, ''), coalesce(type, 'info'), coalesce(priority, 'normal'),
      action_url, coalesce(metadata, '{}'), nullif(dedupe_key, '')
    ) as s;
exception
  when check_violation then
    raise exception using
      errcode = 'PT422',
      message = 'The address of the action is neither a path nor an https address',
      detail = 'invalid_action_url',
      hint = 'Send a path such as /leads/7, or an address that begins with https://, at most 2,048 characters.';
end;
$$;
comment on function attune_private.store_notifications(
  uuid[], text, text, text, attune.notification_type, attune.notification_priority, text, jsonb, text
) is
  'As `insert_notifications`, of what is fit to be shown. '
  'Refused: `unknown_category`, `title_required`, `too_large`, `value_too_deep`, `invalid_action_url`.';
revoke all on function attune_private.store_notifications(
  uuid[], text, text, text, attune.notification_type, attune.notification_priority, text, jsonb, text
) from public;
--! EndIncluded notifications/private/store_notifications.sql
--! Included notifications/private/check_notifications_of_a_day.sql
create or replace function attune_private.check_notifications_of_a_day(user_id uuid)
returns void
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  per_day constant integer := attune_private.system_number('NOTIFICATIONS_PER_DAY', 1000);
  taken integer;
  first_at timestamptz;
begin
  select count(*), min(n.created_at) into taken, first_at
  from attune.notifications as n
  where n.user_id = check_notifications_of_a_day.user_id
    and n.created_at > now() - interval '1 day';

  if taken > per_day then
    perform attune_private.refuse_for_now(
      'too_many_notifications',
      format('The inbox has taken %s notifications in a day', per_day),
      'Go on later, or let a trusted server create them.',
      ceil(extract(epoch from first_at + interval '1 day' - now()))::integer
    );
  end if;
end;
$$;
comment on function attune_private.check_notifications_of_a_day(uuid) is
  'Refuses (`too_many_notifications`) when there is one more in an inbox than `NOTIFICATIONS_PER_DAY` lets it take in a '
  'day.';
revoke all on function attune_private.check_notifications_of_a_day(uuid) from public;
--! EndIncluded notifications/private/check_notifications_of_a_day.sql
--! Included notifications/create_notification.sql
create or replace function attune.create_notification(
  category text,
  title text,
  message text default '',
  type attune.notification_type default 'info',
  priority attune.notification_priority default 'normal',
  action_url text default null,
  metadata jsonb default '{}',
  user_id uuid default null,
  dedupe_key text default null
)
returns attune.notifications
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  recipient constant uuid := coalesce(create_notification.user_id, caller.user_id);
  stored attune_private.stored_notification;
begin
  if create_notification.user_id is null then
    perform attune_private.require_user(caller);
  elsif (recipient = caller.user_id) is not true then
    perform attune_private.require_administrator(caller);
  end if;

  -- Else somebody could take the key of what a server is about to tell them.
  if create_notification.dedupe_key is not null then
    perform attune_private.require_administrator(caller);
  end if;

  perform attune_private.check_user(recipient);

  -- Each may cost a mail or an SMS. One at a time, so that they can be counted; whom we trust is not limited.
  if (caller.is_admin or caller.is_trusted) is not true then
    perform from attune.users as u where u.id = recipient for no key update;
  end if;

  select s.* into stored
  from attune_private.store_notifications(
    array[recipient],
    create_notification.category,
    create_notification.title,
    create_notification.message,
    create_notification.type,
    create_notification.priority,
    create_notification.action_url,
    create_notification.metadata,
    create_notification.dedupe_key
  ) as s;

  if not found then
    perform attune_private.refuse_unknown_user();
  end if;

  if stored.is_new and (caller.is_admin or caller.is_trusted) is not true then
    perform attune_private.check_notifications_of_a_day(recipient);
  end if;

  return stored.notification;
end;
$$;
comment on function attune.create_notification(
  text, text, text, attune.notification_type, attune.notification_priority, text, jsonb, uuid, text
) is
  E'@param category What it is about.\n'
  '@param title What happened, 1 to 200 characters.\n'
  '@param message The particulars, at most 4,000 characters.\n'
  '@param type How it looks.\n'
  '@param priority Which is sent first.\n'
  '@param action_url Where a click leads: a path, or an address with https.\n'
  '@param metadata What the application needs to show it; at most 16 KiB.\n'
  '@param user_id The recipient; the caller when left out.\n'
  '@param dedupe_key What it is known by to the application, at most 200 characters: as long as the recipient has a '
  'notification with this key, put away or not, that one is returned, and nothing is made. For administrators and '
  'trusted servers.\n'
  'Puts a notification into an inbox, the caller''s own unless `user_id` says another''s, which is for '
  'administrators and trusted servers; and decides of each channel whether and when it is sent. '
  'Refused: `not_signed_in`, `admin_required`, `unknown_user`, `unknown_category`, `title_required`, `too_large`, '
  '`value_too_deep`, `invalid_action_url`, `too_many_notifications`.';
revoke all on function attune.create_notification(
  text, text, text, attune.notification_type, attune.notification_priority, text, jsonb, uuid, text
) from public;
grant execute on function attune.create_notification(
  text, text, text, attune.notification_type, attune.notification_priority, text, jsonb, uuid, text
) to anon, authenticated, service_role;
--! EndIncluded notifications/create_notification.sql
--! Included notifications/create_notifications.sql
create or replace function attune.create_notifications(
  user_ids uuid[],
  category text,
  title text,
  message text default '',
  type attune.notification_type default 'info',
  priority attune.notification_priority default 'normal',
  action_url text default null,
  metadata jsonb default '{}',
  dedupe_key text default null
)
returns attune.created_notifications
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  outcome attune.created_notifications;
begin
  perform attune_private.require_administrator(attune_private.current_caller());

  perform attune_private.check_size('The list', cardinality(user_ids), 1000, 'users');

  if array_position(user_ids, null) is not null then
    perform attune_private.refuse_unknown_user();
  end if;

  select
    coalesce(array_agg(s.notification order by array_position(user_ids, (s.notification).user_id)), '{}'),
    count(*) filter (where s.is_new)
  into outcome.notifications, outcome.affected_count
  from attune_private.store_notifications(
    create_notifications.user_ids,
    create_notifications.category,
    create_notifications.title,
    create_notifications.message,
    create_notifications.type,
    create_notifications.priority,
    create_notifications.action_url,
    create_notifications.metadata,
    create_notifications.dedupe_key
  ) as s;

  outcome.unknown_user_ids := array(
    select u.id from unnest(user_ids) as u (id)
    except
    select n.user_id from unnest(outcome.notifications) as n
    order by id
  );

  return outcome;
end;
$$;
comment on function attune.create_notifications(
  uuid[], text, text, text, attune.notification_type, attune.notification_priority, text, jsonb, text
) is
  E'@param user_ids The recipients, at most 1,000; each gets one, however often it is named.\n'
  '@param category What it is about.\n'
  '@param title What happened, 1 to 200 characters.\n'
  '@param message The particulars, at most 4,000 characters.\n'
  '@param type How it looks.\n'
  '@param priority Which is sent first.\n'
  '@param action_url Where a click leads: a path, or an address with https.\n'
  '@param metadata What the application needs to show it; at most 16 KiB.\n'
  '@param dedupe_key What it is known by to the application, at most 200 characters: who has a notification with this '
  'key keeps that one and gets no other.\n'
  'Puts the same notification into many inboxes, as `create_notification` does; for administrators and trusted '
  'servers. '
  'Who does not exist, or no longer, is left out and named in `unknown_user_ids`. '
  'Refused, for all of them: `admin_required`, `unknown_user` (for null), `unknown_category`, `title_required`, '
  '`too_large`, `value_too_deep`, `invalid_action_url`.';
revoke all on function attune.create_notifications(
  uuid[], text, text, text, attune.notification_type, attune.notification_priority, text, jsonb, text
) from public;
grant execute on function attune.create_notifications(
  uuid[], text, text, text, attune.notification_type, attune.notification_priority, text, jsonb, text
) to anon, authenticated, service_role;
--! EndIncluded notifications/create_notifications.sql
--! Included notifications/notifications_is_snoozed.sql
create or replace function attune.notifications_is_snoozed(notification attune.notifications)
returns boolean
language sql stable parallel safe security invoker
begin atomic
  select (notifications_is_snoozed.notification).arrived_at > now();
end;
comment on function attune.notifications_is_snoozed(attune.notifications) is
  E'@notNull\n'
  '@behavior +filter:proc:filterBy\n'
  'Whether it is out of the inbox until its `snoozed_until`.';
revoke all on function attune.notifications_is_snoozed(attune.notifications) from public;
grant execute on function attune.notifications_is_snoozed(attune.notifications) to anon, authenticated, service_role;
--! EndIncluded notifications/notifications_is_snoozed.sql
--! Included notifications/private/notification_counts.sql
create or replace function attune_private.notification_counts(user_id uuid)
returns attune.notification_counts
language sql stable parallel safe security invoker
begin atomic
  with categories as (
    select
      n.category,
      count(*)::integer as total,
      count(*) filter (where n.read_at is null)::integer as unread,
      count(*) filter (where n.seen_at is null)::integer as unseen
    from attune.notifications as n
    where n.user_id = notification_counts.user_id
      and n.archived_at is null
      and n.arrived_at <= now()
    group by n.category
  )
  select row(
    notification_counts.user_id,
    coalesce(sum(c.total), 0)::integer,
    coalesce(sum(c.unread), 0)::integer,
    coalesce(sum(c.unseen), 0)::integer,
    (
      select count(*)::integer
      from attune.notifications as n
      where n.user_id = notification_counts.user_id
        and n.archived_at is not null
    ),
    (
      select count(*)::integer
      from attune.notifications as n
      where n.user_id = notification_counts.user_id
        and n.archived_at is null
        and n.arrived_at > now()
    ),
    coalesce(
      array_agg(row(c.category, c.total, c.unread, c.unseen)::attune.notification_category_count order by c.category),
      '{}'
    )
  )::attune.notification_counts
  from categories as c;
end;
comment on function attune_private.notification_counts(uuid) is 'See `attune.notification_counts`.';
revoke all on function attune_private.notification_counts(uuid) from public;
--! EndIncluded notifications/private/notification_counts.sql
--! Included notifications/notification_counts.sql
create or replace function attune.notification_counts()
returns attune.notification_counts
language plpgsql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return attune_private.notification_counts(attune_hidden.require_user_id());
end;
$$;
comment on function attune.notification_counts() is
  'How many notifications the caller has: in the inbox, unread and unseen of those, also by category, put away and '
  'snoozed. '
  'Refused: `not_signed_in`.';
revoke all on function attune.notification_counts() from public;
grant execute on function attune.notification_counts() to anon, authenticated, service_role;
--! EndIncluded notifications/notification_counts.sql
--! Included notifications/private/change_notifications.sql
create or replace function attune_private.change_notifications(
  user_id uuid,
  change attune_private.inbox_change,
  ids uuid[] default null,
  category text default null,
  only_read boolean default false,
  until timestamptz default null
)
returns attune.changed_notifications
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
-- Planned for each change by itself, which indexes serve differently.
set plan_cache_mode = force_custom_plan
as $$
declare
  outcome attune.changed_notifications;
begin
  perform attune_private.check_size('The list', cardinality(ids), 1000, 'notifications');

  if exists (
    select from unnest(ids) as i (id)
    where not exists (select from attune.notifications as n where n.user_id = change_notifications.user_id and n.id = i.id)
  ) then
    raise exception using
      errcode = 'PT404',
      message = 'There is no such notification',
      detail = 'unknown_notification',
      hint = 'Give the ids of notifications in your own inbox.';
  end if;

  if change_notifications.category is not null then
    perform attune_private.check_category(change_notifications.category);
  end if;

  with changed as (
    update attune.notifications as n
    set
      seen_at = case
        when change in ('seen', 'read', 'archive') then coalesce(n.seen_at, now())
        when change <> 'snooze' then n.seen_at
      end,
      read_at = case
        when change = 'read' then now()
        when change not in ('unread', 'snooze') then n.read_at
      end,
      archived_at = case
        when change = 'archive' then now()
        when change not in ('unarchive', 'snooze') then n.archived_at
      end,
      snoozed_until = case change
        when 'snooze' then change_notifications.until
        when 'unsnooze' then now()
        when 'archive' then case when n.snoozed_until <= now() then n.snoozed_until end
        else n.snoozed_until
      end
    where n.user_id = change_notifications.user_id
      and case change
        when 'seen' then n.seen_at is null
        when 'read' then n.read_at is null
        when 'unread' then n.read_at is not null
        when 'archive' then n.archived_at is null
        when 'unarchive' then n.archived_at is not null
        when 'snooze' then
          n.snoozed_until is distinct from change_notifications.until
          or coalesce(n.seen_at, n.read_at, n.archived_at) is not null
        when 'unsnooze' then n.arrived_at > now()
      end
      and (
        n.id = any (ids)
        or ids is null
          and n.archived_at is null
          and n.arrived_at <= now()
          and (change_notifications.category is null or n.category = change_notifications.category)
          and (only_read is not true or n.read_at is not null)
      )
    returning n as notification
  )
  select
    count(*)::integer,
    -- Of a whole inbox what a page shows.
    (
      select array_agg(last.notification order by last.place)
      from (
        select c.notification, row_number() over (order by (c.notification).arrived_at desc, (c.notification).id) as place
        from changed as c
        where ids is null
      ) as last
      where last.place <= 100
    )
  into outcome.affected_count, outcome.notifications
  from changed;

  if ids is not null then
    outcome.notifications := array(
      select n
      from attune.notifications as n
      where n.user_id = change_notifications.user_id
        and n.id = any (ids)
      order by array_position(ids, n.id)
    );
  end if;

  outcome.notifications := coalesce(outcome.notifications, '{}');
  outcome.notification_counts := attune_private.notification_counts(change_notifications.user_id);
  return outcome;
end;
$$;
comment on function attune_private.change_notifications(
  uuid, attune_private.inbox_change, uuid[], text, boolean, timestamptz
) is
  'Does one thing to up to 1,000 notifications of a user, all or none, or without `ids` to the whole inbox, of one '
  'category or only of what was read where told so. '
  'What is so already stays as it is. '
  'Refused: `unknown_notification`, `unknown_category`, `too_large`.';
revoke all on function attune_private.change_notifications(
  uuid, attune_private.inbox_change, uuid[], text, boolean, timestamptz
) from public;
--! EndIncluded notifications/private/change_notifications.sql
--! Included notifications/mark_notifications_seen.sql
create or replace function attune.mark_notifications_seen(ids uuid[])
returns attune.changed_notifications
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return attune_private.change_notifications(attune_hidden.require_user_id(), 'seen', coalesce(ids, '{}'));
end;
$$;
comment on function attune.mark_notifications_seen(uuid[]) is
  E'@param ids Which notifications, at most 1,000.\n'
  'Marks up to 1,000 notifications of the caller as seen, all or none; those that were keep their time. '
  'Refused: `not_signed_in`, `unknown_notification`, `too_large`.';
revoke all on function attune.mark_notifications_seen(uuid[]) from public;
grant execute on function attune.mark_notifications_seen(uuid[]) to anon, authenticated, service_role;
--! EndIncluded notifications/mark_notifications_seen.sql
--! Included notifications/mark_notifications_read.sql
create or replace function attune.mark_notifications_read(ids uuid[])
returns attune.changed_notifications
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return attune_private.change_notifications(attune_hidden.require_user_id(), 'read', coalesce(ids, '{}'));
end;
$$;
comment on function attune.mark_notifications_read(uuid[]) is
  E'@param ids Which notifications, at most 1,000.\n'
  'Marks up to 1,000 notifications of the caller as read, and so as seen, all or none; those that were keep their '
  'time. '
  'Refused: `not_signed_in`, `unknown_notification`, `too_large`.';
revoke all on function attune.mark_notifications_read(uuid[]) from public;
grant execute on function attune.mark_notifications_read(uuid[]) to anon, authenticated, service_role;
--! EndIncluded notifications/mark_notifications_read.sql
--! Included notifications/mark_notifications_unread.sql
create or replace function attune.mark_notifications_unread(ids uuid[])
returns attune.changed_notifications
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return attune_private.change_notifications(attune_hidden.require_user_id(), 'unread', coalesce(ids, '{}'));
end;
$$;
comment on function attune.mark_notifications_unread(uuid[]) is
  E'@param ids Which notifications, at most 1,000.\n'
  'Marks up to 1,000 notifications of the caller as unread, all or none; they were seen all the same. '
  'Refused: `not_signed_in`, `unknown_notification`, `too_large`.';
revoke all on function attune.mark_notifications_unread(uuid[]) from public;
grant execute on function attune.mark_notifications_unread(uuid[]) to anon, authenticated, service_role;
--! EndIncluded notifications/mark_notifications_unread.sql
--! Included notifications/mark_all_notifications_seen.sql
create or replace function attune.mark_all_notifications_seen(category text default null)
returns attune.changed_notifications
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return attune_private.change_notifications(attune_hidden.require_user_id(), 'seen', category => category);
end;
$$;
comment on function attune.mark_all_notifications_seen(text) is
  E'@param category Only this category; all when left out.\n'
  'Marks everything in the caller''s inbox as seen, or what is of one category; not what is snoozed. '
  'Of what changed, the 100 that came last are returned. '
  'Refused: `not_signed_in`, `unknown_category`.';
revoke all on function attune.mark_all_notifications_seen(text) from public;
grant execute on function attune.mark_all_notifications_seen(text) to anon, authenticated, service_role;
--! EndIncluded notifications/mark_all_notifications_seen.sql
--! Included notifications/mark_all_notifications_read.sql
create or replace function attune.mark_all_notifications_read(category text default null)
returns attune.changed_notifications
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return attune_private.change_notifications(attune_hidden.require_user_id(), 'read', category => category);
end;
$$;
comment on function attune.mark_all_notifications_read(text) is
  E'@param category Only this category; all when left out.\n'
  'Marks everything in the caller''s inbox as read, or what is of one category; not what is snoozed. '
  'Of what changed, the 100 that came last are returned. '
  'Refused: `not_signed_in`, `unknown_category`.';
revoke all on function attune.mark_all_notifications_read(text) from public;
grant execute on function attune.mark_all_notifications_read(text) to anon, authenticated, service_role;
--! EndIncluded notifications/mark_all_notifications_read.sql
--! Included notifications/archive_notifications.sql
create or replace function attune.archive_notifications(ids uuid[])
returns attune.changed_notifications
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return attune_private.change_notifications(attune_hidden.require_user_id(), 'archive', coalesce(ids, '{}'));
end;
$$;
comment on function attune.archive_notifications(uuid[]) is
  E'@param ids Which notifications, at most 1,000.\n'
  'Puts up to 1,000 notifications of the caller away, all or none; they are in no count of the inbox, and snoozed no '
  'longer. '
  'Refused: `not_signed_in`, `unknown_notification`, `too_large`.';
revoke all on function attune.archive_notifications(uuid[]) from public;
grant execute on function attune.archive_notifications(uuid[]) to anon, authenticated, service_role;
--! EndIncluded notifications/archive_notifications.sql
--! Included notifications/unarchive_notifications.sql
create or replace function attune.unarchive_notifications(ids uuid[])
returns attune.changed_notifications
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return attune_private.change_notifications(attune_hidden.require_user_id(), 'unarchive', coalesce(ids, '{}'));
end;
$$;
comment on function attune.unarchive_notifications(uuid[]) is
  E'@param ids Which notifications, at most 1,000.\n'
  'Takes up to 1,000 notifications of the caller back into the inbox, all or none, read or unread as they were. '
  'Refused: `not_signed_in`, `unknown_notification`, `too_large`.';
revoke all on function attune.unarchive_notifications(uuid[]) from public;
grant execute on function attune.unarchive_notifications(uuid[]) to anon, authenticated, service_role;
--! EndIncluded notifications/unarchive_notifications.sql
--! Included notifications/archive_all_notifications.sql
create or replace function attune.archive_all_notifications(category text default null, only_read boolean default false)
returns attune.changed_notifications
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return attune_private.change_notifications(attune_hidden.require_user_id(), 'archive', category => category, only_read => only_read);
end;
$$;
comment on function attune.archive_all_notifications(text, boolean) is
  E'@param category Only this category; all when left out.\n'
  '@param only_read True leaves what is unread in the inbox.\n'
  'Puts everything in the caller''s inbox away, or what is of one category; not what is snoozed. '
  'Of what changed, the 100 that came last are returned. '
  'Refused: `not_signed_in`, `unknown_category`.';
revoke all on function attune.archive_all_notifications(text, boolean) from public;
grant execute on function attune.archive_all_notifications(text, boolean) to anon, authenticated, service_role;
--! EndIncluded notifications/archive_all_notifications.sql
--! Included notifications/snooze_notifications.sql
create or replace function attune.snooze_notifications(ids uuid[], until timestamptz)
returns attune.changed_notifications
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant uuid := attune_hidden.require_user_id();
begin
  if (until > now() and until <= now() + interval '1 year') is not true then
    raise exception using
      errcode = 'PT422',
      message = 'A notification is snoozed until a moment within a year',
      detail = 'invalid_snooze',
      hint = 'Give a time in the future, at most a year ahead.';
  end if;

  return attune_private.change_notifications(caller, 'snooze', coalesce(ids, '{}'), until => until);
end;
$$;
comment on function attune.snooze_notifications(uuid[], timestamptz) is
  E'@param ids Which notifications, at most 1,000.\n'
  '@param until When they come back, at most a year ahead.\n'
  'Keeps up to 1,000 notifications of the caller out of the inbox and its counts until a moment, all or none. '
  'Then they are at its top, unread and unseen. '
  'Refused: `not_signed_in`, `unknown_notification`, `too_large`, `invalid_snooze`.';
revoke all on function attune.snooze_notifications(uuid[], timestamptz) from public;
grant execute on function attune.snooze_notifications(uuid[], timestamptz) to anon, authenticated, service_role;
--! EndIncluded notifications/snooze_notifications.sql
--! Included notifications/unsnooze_notifications.sql
create or replace function attune.unsnooze_notifications(ids uuid[])
returns attune.changed_notifications
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return attune_private.change_notifications(attune_hidden.require_user_id(), 'unsnooze', coalesce(ids, '{}'));
end;
$$;
comment on function attune.unsnooze_notifications(uuid[]) is
  E'@param ids Which notifications, at most 1,000.\n'
  'Lets up to 1,000 snoozed notifications of the caller come back now, all or none. '
  'Refused: `not_signed_in`, `unknown_notification`, `too_large`.';
revoke all on function attune.unsnooze_notifications(uuid[]) from public;
grant execute on function attune.unsnooze_notifications(uuid[]) to anon, authenticated, service_role;
--! EndIncluded notifications/unsnooze_notifications.sql

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
comment on column attune.claimed_delivery.user_id is
  E'@notNull\n'
  'The recipient.';
comment on column attune.claimed_delivery.notification_id is
  E'@notNull\n'
  'Which notification.';
comment on column attune.claimed_delivery.channel is
  E'@notNull\n'
  'By which channel.';
comment on column attune.claimed_delivery.lease_token is
  E'@notNull\n'
  'What `complete_delivery` and `fail_delivery` must be shown.';
comment on column attune.claimed_delivery.lease_until is
  E'@notNull\n'
  'Until when the worker has it to itself.';
comment on column attune.claimed_delivery.attempt is
  E'@notNull\n'
  'Which attempt this is, from 1.';
comment on column attune.claimed_delivery.email is 'The recipient''s address.';
comment on column attune.claimed_delivery.title is
  E'@notNull\n'
  'What happened.';
comment on column attune.claimed_delivery.message is
  E'@notNull\n'
  'The particulars.';
comment on column attune.claimed_delivery.type is
  E'@notNull\n'
  'How it looks.';
comment on column attune.claimed_delivery.category is
  E'@notNull\n'
  'What it is about.';
comment on column attune.claimed_delivery.priority is
  E'@notNull\n'
  'How soon it matters.';
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
  E'@param user_id Whose.\n'
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
  E'@param user_id Whose.\n'
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

-- What nobody needs any more, of whatever subject

--! Included notifications/private/remove_expired.sql
create or replace function attune_private.remove_expired(at timestamptz default now(), batch_size integer default 10000)
returns bigint
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  kept_for constant interval := make_interval(days => attune_private.system_number('NOTIFICATION_RETENTION_DAYS', 365));
  doomed record;
  removed bigint := 0;
  counted bigint;
begin
  perform attune_private.check_batch_size(batch_size, 100000, 'rows');

  update attune_private.mail_outbox as m
  set payload = m.payload - 'token'
  where m.expires_at <= at
    and m.payload ? 'token';

  for doomed in
    select *
    from (values
      ('attune_private.mail_outbox', 'expires_at <= $1 - interval ''30 days'''),
      ('attune_private.one_time_tokens', 'expires_at <= $1'),
      ('attune_private.login_attempts', 'last_failed_at <= $1 - interval ''1 day'''),
      ('attune_private.spent_sign_ins', 'expires_at <= $1'),
      ('attune_private.daily_amounts', 'last_at <= $1 - interval ''2 days'''),
      -- Longer than any token lasts.
      ('attune_private.known_devices', 'last_used_at <= $1 - interval ''400 days'''),
      ('attune_private.ended_identities', 'ended_at <= $1 - interval ''400 days'''),
      -- No invitation is good for longer.
      ('attune_private.lost_roles', 'lost_at <= $1 - interval ''100 days'''),
      ('attune.invitations', 'expires_at <= $1 - interval ''30 days'''),
      ('attune.sessions', 'least(revoked_at, idle_until) <= $1 - interval ''30 days'''),
      ('attune.user_session_state', 'expires_at <= $1'),
      ('attune.maintenance_operations', 'completed_at <= $1 - interval ''400 days'' and not attune_private.is_record(operation)'),
      -- With what was delivered of them.
      ('attune.notifications', 'greatest(arrived_at, read_at, archived_at) <= $1 - $3')
    ) as d (relation, condition)
  loop
    execute format(
      'delete from %1$s as d
      where d.ctid = any (array(select e.ctid from %1$s as e where %2$s limit $2 for update skip locked))',
      doomed.relation, doomed.condition
    )
    using at, batch_size, kept_for;

    get diagnostics counted = row_count;
    removed := removed + counted;
  end loop;

  return removed;
end;
$$;
comment on function attune_private.remove_expired(timestamptz, integer) is 'See `attune.remove_expired`.';
revoke all on function attune_private.remove_expired(timestamptz, integer) from public;
--! EndIncluded notifications/private/remove_expired.sql
--! Included notifications/remove_expired.sql
create or replace function attune.remove_expired(batch_size integer default 10000)
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return attune_private.remove_expired(batch_size => batch_size);
end;
$$;
comment on function attune.remove_expired(integer) is
  E'@resultFieldName removedRows\n'
  '@param batch_size At most so many of each kind, 1 to 100,000.\n'
  'Removes what has expired, a batch a call, and returns how many rows: 0 when nothing is left. '
  'One-time tokens, used attempts to sign in and session states go at once, counted failures after a day or two, '
  'sessions, mails and invitations after 30 days, lost roles after 100, devices, ended identities and the log of '
  'maintenance after 400; '
  'notifications and their deliveries `NOTIFICATION_RETENTION_DAYS` after they arrived, were read or put away. '
  'For trusted servers, once a day or so. '
  'Refused: `invalid_batch_size`.';
revoke all on function attune.remove_expired(integer) from public;
grant execute on function attune.remove_expired(integer) to service_role;
--! EndIncluded notifications/remove_expired.sql
