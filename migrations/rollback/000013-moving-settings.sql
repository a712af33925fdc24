drop trigger _320_keep_templates on attune.setting_definitions;

drop function
  attune_private.configuration_change_problems(attune.setting_change),
  attune_private.preference_change_problems(uuid, attune.setting_change),
  attune_private.exported_configuration(timestamptz, boolean),
  attune_private.import_configuration(attune_private.caller, jsonb, attune.import_mode, boolean),
  attune_hidden.check_legacy_source(regclass, name, name, name, name, name, name, name, name),
  attune.adopt_legacy_settings(regclass, attune.setting_layer, attune.setting_seeding, name, name, name, name, name, name, name, text[], text[], jsonb),
  attune.adopt_legacy_preferences(regclass, name, name, name, name, name, name, name, name, jsonb),
  attune_hidden.adopt_legacy_rows(regclass, name, name, name, name, name, name, name, name, attune.setting_layer, attune.setting_seeding, text[], text[], jsonb),
  attune_hidden.legacy_rows(regclass, name, name, name, name, name, name, name, boolean),
  attune_hidden.legacy_readings(text, boolean, boolean),
  attune_hidden.is_legacy_secret(text, text, jsonb),
  attune_hidden.legacy_type(jsonb),
  attune_hidden.mark_legacy_rows(regclass, name, oid[], tid[]),
  attune_hidden.can_mark_legacy_rows(regclass, name),
  attune_hidden.legacy_column(regclass, name, name);

drop type attune.adopted_preference;
drop type attune.adopted_setting;
drop type attune.adoption_outcome;

drop trigger _510_apply_templates on attune.users;

drop policy setting_templates_select_authenticated on attune.setting_templates;
drop policy setting_templates_insert_admin on attune.setting_templates;
drop policy setting_templates_update_admin on attune.setting_templates;
drop policy setting_templates_delete_admin on attune.setting_templates;
drop policy setting_templates_all_service_role on attune.setting_templates;

drop function
  attune_hidden.value_problem(text, attune.setting_layer, jsonb),
  attune_private.import_problems(text, attune.setting_layer, jsonb),
  attune_private.refuse_import(jsonb, text),
  attune_private.exported_preferences(uuid, timestamptz, boolean),
  attune_hidden.key_now(text, timestamptz),
  attune_hidden.keys_since(text, timestamptz),
  attune.export_preferences(timestamptz),
  attune_private.preference_changes(uuid, jsonb, attune.import_mode, boolean),
  attune_private.import_preferences(uuid, jsonb, attune.import_mode, boolean, boolean),
  attune.import_preferences(jsonb, attune.import_mode, boolean),
  attune.export_configuration(timestamptz),
  attune_private.configuration_changes(jsonb, attune.import_mode),
  attune.import_configuration(jsonb, attune.import_mode, boolean),
  attune.apply_template(text, attune.import_mode, boolean),
  attune_private.values_by_user(text, text, uuid),
  attune_private.changed_values(text, text, uuid, attune_private.user_value[], boolean),
  attune.preview_global_setting(text, jsonb, boolean, integer, boolean, boolean),
  attune.preview_plan_setting(text, text, jsonb, boolean, boolean, boolean),
  attune.preview_team_setting(uuid, text, jsonb, boolean, boolean, boolean);

drop table attune.setting_templates;

drop function
  attune_private.tg_setting_definitions__keep_templates(),
  attune_private.tg_setting_templates__validate(),
  attune_private.tg_users__apply_templates();

drop type attune.preview_change;
drop type attune_private.user_value;
drop type attune.setting_change;
drop type attune.import_mode;
