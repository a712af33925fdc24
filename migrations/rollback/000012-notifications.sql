drop trigger _310_keep_members on attune.setting_definitions;

drop policy notification_categories_select_authenticated on attune.notification_categories;
drop policy notification_categories_insert_admin on attune.notification_categories;
drop policy notification_categories_update_admin on attune.notification_categories;
drop policy notification_categories_delete_admin on attune.notification_categories;
drop policy notification_categories_all_service_role on attune.notification_categories;
drop policy notifications_select_self on attune.notifications;
drop policy notifications_select_service_role on attune.notifications;
drop policy notification_deliveries_select_self on attune.notification_deliveries;
drop policy notification_deliveries_select_service_role on attune.notification_deliveries;

drop function
  attune.remove_expired(integer),
  attune_private.remove_expired(timestamptz, integer),
  attune.archive_all_notifications(text, boolean),
  attune.snooze_notifications(uuid[], timestamptz),
  attune.notification_counts(),
  attune.unsnooze_notifications(uuid[]),
  attune.unarchive_notifications(uuid[]),
  attune.notifications_is_snoozed(attune.notifications),
  attune.create_notifications(uuid[], text, text, text, attune.notification_type, attune.notification_priority, text, jsonb, text),
  attune.mark_all_notifications_seen(text),
  attune.mark_notifications_unread(uuid[]),
  attune_private.notification_counts(uuid),
  attune_private.store_notifications(uuid[], text, text, text, attune.notification_type, attune.notification_priority, text, jsonb, text),
  attune_private.change_notifications(uuid, attune_private.inbox_change, uuid[], text, boolean, timestamptz),
  attune_private.delivery_settings(uuid, attune.notification_categories),
  attune_private.insert_notifications(uuid[], text, text, text, attune.notification_type, attune.notification_priority, text, jsonb, text),
  attune_private.check_notifications_of_a_day(uuid),
  attune_private.decide_by_settings(attune.notification_categories, attune.notification_channel, jsonb, text, timestamptz),
  attune_private.setting_member_problem(attune.notification_categories),
  attune_private.delivery_obstacle(jsonb, text, timestamptz),
  attune_private.next_opening(jsonb, text, timestamptz),
  attune_private.decide_delivery(uuid, attune.notification_channel, text, timestamptz),
  attune.next_delivery_at(uuid, attune.notification_channel, text, timestamptz),
  attune_private.check_category(text),
  attune.create_notification(text, text, text, attune.notification_type, attune.notification_priority, text, jsonb, uuid, text),
  attune.mark_notifications_read(uuid[]),
  attune.mark_all_notifications_read(text),
  attune.mark_notifications_seen(uuid[]),
  attune.archive_notifications(uuid[]),
  attune.claim_deliveries(attune.notification_channel, integer, interval),
  attune_private.leased_delivery(uuid, uuid, attune.notification_channel, uuid),
  attune.complete_delivery(uuid, uuid, attune.notification_channel, uuid),
  attune.fail_delivery(uuid, uuid, attune.notification_channel, uuid, text, boolean);

drop type attune_private.stored_notification;
drop type attune.created_notifications;
drop type attune.changed_notifications;
drop type attune.notification_counts;
drop type attune.notification_category_count;
drop type attune_private.inbox_change;

drop table attune.notification_deliveries;
drop table attune.notifications;
drop table attune.notification_categories;

drop function
  attune_private.tg_notification_categories__validate(),
  attune_private.tg_setting_definitions__keep_members(),
  attune_private.tg_notifications__deliver();

drop type attune.claimed_delivery;
drop type attune_private.delivery_decision;
drop type attune.delivery_reason;
drop type attune.delivery_status;
drop type attune.notification_priority;
drop type attune.notification_type;
drop type attune.notification_channel;
