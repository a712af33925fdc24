drop trigger _900_audit on attune.setting_definitions;
drop trigger _910_audit_removed on attune.setting_definitions;
drop trigger _900_audit on attune.global_settings;
drop trigger _910_audit_removed on attune.global_settings;
drop trigger _900_audit on attune.plan_settings;
drop trigger _910_audit_removed on attune.plan_settings;
drop trigger _900_audit on attune.team_settings;
drop trigger _910_audit_removed on attune.team_settings;
drop trigger _900_audit on attune.user_preferences;
drop trigger _910_audit_removed on attune.user_preferences;
drop trigger _900_audit on attune.project_preferences;
drop trigger _910_audit_removed on attune.project_preferences;
drop trigger _900_audit on attune.plans;
drop trigger _910_audit_removed on attune.plans;
drop trigger _100_append_only on attune.plans;
drop trigger _900_audit on attune.team_members;
drop trigger _910_audit_removed on attune.team_members;
drop trigger _100_append_only on attune.team_members;
drop trigger _900_audit on attune.project_members;
drop trigger _910_audit_removed on attune.project_members;
drop trigger _100_append_only on attune.project_members;
drop trigger _100_append_only on attune.setting_definitions;
drop trigger _100_append_only on attune.global_settings;
drop trigger _100_append_only on attune.plan_settings;
drop trigger _100_append_only on attune.team_settings;
drop trigger _100_append_only on attune.user_preferences;
drop trigger _100_append_only on attune.project_preferences;
drop trigger _800_erase on attune.users;
drop trigger _900_audit on attune.users;
drop trigger _910_audit_new on attune.users;
drop trigger _100_append_only on attune.users;

drop policy maintenance_operations_select_admin on attune.maintenance_operations;
drop policy maintenance_operations_select_service_role on attune.maintenance_operations;
drop policy configuration_audit_log_select_concerned_or_admin on attune.configuration_audit_log;
drop policy configuration_audit_log_select_service_role on attune.configuration_audit_log;

drop function
  attune_hidden.concealed_log_keys(),
  attune.audit_changes_per_day(timestamptz, timestamptz, text, uuid, uuid),
  attune.most_changed_settings(timestamptz, timestamptz),
  attune_private.audit_period(timestamptz, timestamptz),
  attune_hidden.readable_maintenance_operations(),
  attune_hidden.readable_configuration_audit_log(),
  attune_private.change_reason(),
  attune_private.told_reason(),
  attune_private.request_header(text),
  attune_private.request_id(),
  attune_private.guard_audit_partition(regclass),
  attune_private.partitioned_by(regclass),
  attune_private.make_audit_partition(regclass, timestamptz),
  attune_private.make_audit_partitions(regclass),
  attune_private.acted_as(uuid, uuid),
  attune_private.forget_changes(xid8),
  attune_private.database_identity(),
  attune_private.erase_user(uuid, text);

drop table attune_private.forgotten_changes;
drop table attune.configuration_audit_log;
drop table attune.maintenance_operations;
drop function attune_private.is_record(attune.maintenance_task);

drop function
  attune_private.changed_members(jsonb, jsonb),
  attune_private.tg__append_only(),
  attune_private.tg_maintenance_operations__audit(),
  attune_private.tg__erase(),
  attune_private.tg__audit(),
  attune_private.tg__audit_removed(),
  attune_private.tg_users__audit(),
  attune_private.tg_users__erase();

drop type attune.audit_day;
drop type attune.changed_setting;
drop type attune.audit_actor;
drop type attune.audit_subject;
drop type attune.audit_operation;
drop type attune.maintenance_status;
drop type attune.maintenance_task;
