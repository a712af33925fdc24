drop function
  attune_hidden.document_members(),
  attune_private.document(text, uuid, uuid, attune.setting_audience),
  attune_private.patch_document(attune_private.caller, text, jsonb, uuid),
  attune.app_preferences(),
  attune.update_app_preferences(jsonb),
  attune.notification_settings(),
  attune.update_notification_settings(jsonb),
  attune.dashboard_settings(uuid),
  attune.update_dashboard_settings(jsonb, uuid),
  attune_private.ai_configuration_of(uuid, attune.setting_audience),
  attune.ai_configuration(),
  attune.get_effective_ai_config(uuid),
  attune_private.activate_ai_configuration(attune_private.caller, boolean),
  attune.set_ai_configuration_active(boolean),
  attune.update_ai_configuration(jsonb);

drop type attune.ai_configuration;
drop type attune.dashboard_settings;
drop type attune.notification_settings;
drop type attune.app_preferences;
