-- The way back.
drop trigger _070_protect on attune.setting_definitions;
drop trigger _070_protect on attune.global_settings;
drop trigger _070_protect on attune.plan_settings;
drop trigger _070_protect on attune.team_settings;
drop trigger _500_rename_changes on attune.setting_definitions;
drop trigger _600_halt_rollout on attune.global_settings;
drop trigger _610_halt_rollout_reset on attune.global_settings;

drop policy change_sets_select_admin on attune.change_sets;
drop policy change_sets_select_service_role on attune.change_sets;
drop policy change_set_items_select_admin on attune.change_set_items;
drop policy change_set_items_select_service_role on attune.change_set_items;
drop policy rollouts_select_admin on attune.rollouts;
drop policy rollouts_select_service_role on attune.rollouts;
drop policy rollout_steps_select_admin on attune.rollout_steps;
drop policy rollout_steps_select_service_role on attune.rollout_steps;

drop function
  attune_private.refuse_rollout_steps(text, text),
  attune.plan_rollout(text, attune.planned_step[], jsonb, boolean, timestamptz),
  attune.halt_rollout(text, integer, text),
  attune_private.plan_rollout(attune_private.caller, text, attune.planned_step[], jsonb, boolean, jsonb, boolean, boolean, timestamptz, uuid),
  attune_private.check_rollout_steps(attune.planned_step[]),
  attune_private.apply_due_step(attune_private.caller, text),
  attune_private.tg_global_settings__halt_rollout(),
  attune.apply_change_set(uuid, timestamptz),
  attune.change_sets_applied_changes(attune.change_sets),
  attune.preview_change_set(uuid),
  attune.reject_change_set(uuid, text),
  attune.approve_change_set(uuid, timestamptz),
  attune.apply_due_changes(integer),
  attune.remove_from_change_set(uuid, integer, timestamptz),
  attune.refresh_change_set(uuid, timestamptz),
  attune.add_to_change_set(uuid, jsonb, timestamptz),
  attune.schedule_change_set(uuid, timestamptz, timestamptz),
  attune.update_change_set(uuid, text, jsonb, text, boolean, timestamptz),
  attune.create_change_set(text, jsonb, text, timestamptz, boolean),
  attune.cancel_change_set(uuid, text),
  attune.change_sets_is_approval_required(attune.change_sets),
  attune_private.reopen_change_set(attune_private.caller, uuid),
  attune_private.apply_change_set(attune_private.caller, attune.change_sets),
  attune_private.write_change_set_items(uuid, attune.change_set_items[]),
  attune_private.stored_base(attune.setting_layer, text, text),
  attune_private.settings_by_user(uuid),
  attune_private.apply_item(attune_private.caller, attune.change_set_items),
  attune_private.lock_layers(uuid, boolean),
  attune_private.check_protection(text),
  attune_private.close_change_set(attune_private.caller, uuid, attune.change_set_status, text),
  attune_private.try_items(attune_private.caller, uuid),
  attune_private.apply_due_change_set(attune_private.caller, uuid),
  attune_private.refuse_change_set(jsonb),
  attune_private.read_change_set_items(jsonb),
  attune_private.told_failure(text, attune.change_failure),
  attune_private.rewrite_change_set(attune_private.caller, attune.change_sets, attune.change_set_items[]),
  attune_private.check_change_set(text, text, timestamptz),
  attune_private.check_base(uuid),
  attune_private.lock_change_set(attune_private.caller, uuid, timestamptz),
  attune_private.apply_items(attune_private.caller, uuid, boolean),
  attune_private.tg__protect(),
  attune_private.tg_setting_definitions__protect(),
  attune_private.tg_setting_definitions__rename_changes();

drop table attune_private.planned_writes;
drop table attune.rollout_steps;
drop table attune.rollouts;
drop table attune.change_set_items;
drop table attune.change_sets;

drop type attune.change_set_preview;
drop type attune_private.setting_of_user;
drop type attune.planned_step;
drop type attune.rollout_status;
drop type attune.change_failure;
drop type attune.change_set_status;
