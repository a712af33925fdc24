--! Previous: sha1:fe160513eb15b96c04c0256ff02e4249751633a6
--! Hash: sha1:38bebfe8bd95109a549e8c81a5ac10070cfb3ed9
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

--!include notifications/private/setting_member_problem.sql
--!include notifications/triggers/tg_notification_categories__validate.sql
--!include notifications/triggers/tg_setting_definitions__keep_members.sql

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

--!include notifications/triggers/tg_notifications__deliver.sql

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

--!include notifications/private/delivery_obstacle.sql
--!include notifications/private/next_opening.sql
--!include notifications/private/decide_by_settings.sql
--!include notifications/private/delivery_settings.sql
--!include notifications/private/decide_delivery.sql
--!include notifications/private/check_category.sql
--!include notifications/next_delivery_at.sql

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

--!include notifications/private/insert_notifications.sql
--!include notifications/private/store_notifications.sql
--!include notifications/private/check_notifications_of_a_day.sql
--!include notifications/create_notification.sql
--!include notifications/create_notifications.sql
--!include notifications/notifications_is_snoozed.sql
--!include notifications/private/notification_counts.sql
--!include notifications/notification_counts.sql
--!include notifications/private/change_notifications.sql
--!include notifications/mark_notifications_seen.sql
--!include notifications/mark_notifications_read.sql
--!include notifications/mark_notifications_unread.sql
--!include notifications/mark_all_notifications_seen.sql
--!include notifications/mark_all_notifications_read.sql
--!include notifications/archive_notifications.sql
--!include notifications/unarchive_notifications.sql
--!include notifications/archive_all_notifications.sql
--!include notifications/snooze_notifications.sql
--!include notifications/unsnooze_notifications.sql

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

--!include notifications/claim_deliveries.sql
--!include notifications/private/leased_delivery.sql
--!include notifications/complete_delivery.sql
--!include notifications/fail_delivery.sql

-- What nobody needs any more, of whatever subject

--!include notifications/private/remove_expired.sql
--!include notifications/remove_expired.sql
