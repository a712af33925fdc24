drop trigger _500_seed_settings on attune.users;

drop policy setting_definitions_select_public on attune.setting_definitions;
drop policy setting_definitions_select_audience on attune.setting_definitions;
drop policy setting_definitions_insert_admin on attune.setting_definitions;
drop policy setting_definitions_update_admin on attune.setting_definitions;
drop policy setting_definitions_delete_admin on attune.setting_definitions;
drop policy setting_definitions_all_service_role on attune.setting_definitions;
drop policy global_settings_select_admin on attune.global_settings;
drop policy global_settings_insert_admin on attune.global_settings;
drop policy global_settings_update_admin on attune.global_settings;
drop policy global_settings_delete_admin on attune.global_settings;
drop policy global_settings_all_service_role on attune.global_settings;
drop policy user_preferences_select_self_or_admin on attune.user_preferences;
drop policy user_preferences_insert_self_or_admin on attune.user_preferences;
drop policy user_preferences_update_self_or_admin on attune.user_preferences;
drop policy user_preferences_delete_self_or_admin on attune.user_preferences;
drop policy user_preferences_all_service_role on attune.user_preferences;
drop policy plan_settings_select_admin on attune.plan_settings;
drop policy plan_settings_insert_admin on attune.plan_settings;
drop policy plan_settings_update_admin on attune.plan_settings;
drop policy plan_settings_delete_admin on attune.plan_settings;
drop policy plan_settings_all_service_role on attune.plan_settings;
drop policy team_settings_select_member_or_admin on attune.team_settings;
drop policy team_settings_insert_team_admin_or_admin on attune.team_settings;
drop policy team_settings_update_team_admin_or_admin on attune.team_settings;
drop policy team_settings_delete_team_admin_or_admin on attune.team_settings;
drop policy team_settings_all_service_role on attune.team_settings;
drop policy project_preferences_select_self_or_admin on attune.project_preferences;
drop policy project_preferences_insert_self_or_admin on attune.project_preferences;
drop policy project_preferences_update_self_or_admin on attune.project_preferences;
drop policy project_preferences_delete_self_or_admin on attune.project_preferences;
drop policy project_preferences_all_service_role on attune.project_preferences;

drop function
  attune_private.is_rehearsal(),
  attune_private.stored_values(attune.setting_definitions, xid8),
  attune_private.refuse_broken_values(attune.setting_definitions),
  attune_private.present_definition(text),
  attune_private.broken_forms(attune.setting_definitions, xid8),
  attune_private.judged_by(attune.setting_definitions),
  attune_private.lock_all_layers(),
  attune_private.may_break_values(attune.setting_definitions, attune.setting_definitions),
  attune_private.check_stored_values(attune.setting_definitions),
  attune_private.is_protected(text),
  attune_private.former_audiences(),
  attune_hidden.readable_team_settings(),
  attune_private.definitions_at(timestamptz),
  attune_private.plan_settings_at(timestamptz),
  attune_private.project_preferences_at(uuid, timestamptz),
  attune_private.found_columns(uuid, timestamptz),
  attune_private.project_members_at(uuid, timestamptz),
  attune_private.team_settings_at(timestamptz),
  attune_private.rows_at(anyelement, timestamptz, uuid),
  attune_private.users_at(uuid, timestamptz),
  attune_private.check_moment(timestamptz),
  attune_private.is_concealed(text, attune.setting_audience),
  attune_private.team_members_at(uuid, timestamptz),
  attune_private.user_preferences_at(uuid, timestamptz),
  attune_private.global_settings_at(timestamptz),
  attune_private.refuse_unknown_settings(text[]),
  attune_private.refused_value_problems(attune.setting_definitions, attune.setting_layer, jsonb),
  attune_private.stored_value_problems(attune.setting_definitions, attune.setting_layer, jsonb),
  attune_private.preference_problems(attune_private.caller, jsonb, uuid),
  attune.effective_setting_for(uuid, text, uuid),
  attune.evaluate(uuid[], text[], uuid),
  attune.team_settings_effective_setting(attune.team_settings),
  attune.plan_settings_effective_setting(attune.plan_settings),
  attune.global_settings_effective_setting(attune.global_settings),
  attune_private.check_setting(attune_private.caller, text),
  attune_hidden.concealed_keys(),
  attune_private.whole_value(attune.setting_definitions, attune.setting_layer, jsonb, uuid, uuid),
  attune_private.without_values(attune.setting_definitions),
  attune_private.null_member(jsonb),
  attune_private.rollout_group(text),
  attune_private.refuse_missing_value(),
  attune_private.stored_value_problem(attune.setting_definitions, attune.setting_layer, jsonb),
  attune_private.written_value(text, attune.setting_layer, jsonb, jsonb, boolean, uuid, uuid),
  attune_private.holds_whole_value(attune.setting_merge, attune.setting_seeding, attune.setting_layer),
  attune_private.audience_of(attune_private.caller),
  attune_private.audience_of_user(uuid),
  attune_hidden.json_merge_patch(jsonb, jsonb, integer),
  attune_private.broken_values(attune.setting_definitions),
  attune_private.system_setting(text),
  attune_private.system_number(text, integer),
  attune_private.system_interval(text, interval),
  attune_private.check_variants(text, jsonb),
  attune_private.check_preference_limit(uuid[]),
  attune_private.multiply_32(bigint, bigint),
  attune_private.murmur3_32(text, bigint),
  attune_private.bucket(text, text),
  attune_private.choose_variant(jsonb, text, text),
  attune_private.stored_settings(uuid, uuid, text, timestamptz),
  attune_private.judged_settings(uuid, uuid, text, timestamptz),
  attune_private.merge_values(attune.setting_merge, attune.setting_seeding, jsonb, attune.setting_layer[], jsonb[]),
  attune_private.resolve_settings(uuid, boolean, attune.setting_audience, uuid, text, timestamptz),
  attune_private.check_project(uuid, uuid, timestamptz),
  attune_private.refuse_unknown_setting(text),
  attune_private.check_plan(text),
  attune_private.check_writer(attune_private.caller, text),
  attune_private.check_lock(text, attune.setting_layer, uuid),
  attune_private.authorize_preference(attune_private.caller, uuid, text, boolean),
  attune_private.authorize_team_setting(attune_private.caller, uuid, text, boolean),
  attune_private.effective_settings(attune_private.caller, text, uuid, text, attune.setting_audience),
  attune_private.effective_setting(attune_private.caller, text, uuid, text, attune.setting_audience),
  attune_private.check_patch(jsonb),
  attune_private.write_preference(attune_private.caller, uuid, text, jsonb, uuid, boolean, timestamptz),
  attune_private.write_preferences(attune_private.caller, jsonb, uuid),
  attune_private.drop_preference(attune_private.caller, uuid, text, uuid, timestamptz),
  attune_private.write_global_setting(attune_private.caller, text, jsonb, boolean, integer, jsonb, boolean, boolean, timestamptz),
  attune_private.write_plan_setting(attune_private.caller, text, text, jsonb, boolean, boolean, boolean, timestamptz),
  attune_private.write_team_setting(attune_private.caller, uuid, text, jsonb, boolean, boolean, boolean, timestamptz),
  attune.effective_settings(text, uuid, text),
  attune.effective_setting(text, uuid, text),
  attune.effective_settings_of(text[], uuid),
  attune.effective_settings_for(uuid, text, uuid),
  attune.settings_document(text, uuid, text),
  attune.explain_setting(text, uuid, uuid, timestamptz),
  attune.set_preference(text, jsonb, uuid, boolean, timestamptz),
  attune.set_preferences(jsonb, uuid),
  attune.reset_preference(text, uuid, timestamptz),
  attune.reset_preferences(text, uuid),
  attune.set_global_setting(text, jsonb, boolean, integer, boolean, boolean, timestamptz),
  attune.set_global_variants(text, jsonb, timestamptz),
  attune.reset_global_setting(text, timestamptz),
  attune.set_plan_setting(text, text, jsonb, boolean, boolean, boolean, timestamptz),
  attune.reset_plan_setting(text, text, timestamptz),
  attune.set_team_setting(uuid, text, jsonb, boolean, boolean, boolean, timestamptz),
  attune.reset_team_setting(uuid, text, timestamptz),
  attune.set_user_setting(uuid, text, jsonb, boolean, timestamptz),
  attune.reset_user_setting(uuid, text, timestamptz),
  attune.set_setting(text, jsonb),
  attune_private.seed_settings(uuid, uuid),
  attune.seed_existing_users(integer);

drop table attune.project_preferences;
drop table attune.team_settings;
drop table attune.plan_settings;
drop table attune.user_preferences;
drop table attune.global_settings;
drop table attune.setting_definitions;

drop function
  attune_private.tg__validate_value(),
  attune_private.tg_global_settings__validate_variants(),
  attune_private.tg_global_settings__refuse_split(),
  attune_private.tg__stamp(),
  attune_private.tg__authorize_preference(),
  attune_private.tg__one_at_a_time(),
  attune_private.tg__limit_preferences(),
  attune_private.tg_team_settings__authorize(),
  attune_private.tg_setting_definitions__validate(),
  attune_private.tg_setting_definitions__keep_used(),
  attune_private.tg_setting_definitions__make_whole(),
  attune_private.tg_users__seed_settings();

drop type attune.setting_explanation;
drop type attune.ignored_reason;
drop type attune.effective_setting;
drop table attune_private.rehearsals;
drop table attune_private.checked_definitions;
drop type attune_private.stored_value;
drop type attune.evaluation_reason;
drop type attune.setting_audience;
drop type attune.setting_merge;
drop type attune.setting_seeding;
drop type attune.setting_writer;
drop type attune.setting_layer;
