-- The way back. The tables of the servers' queue are no migration's, but of no use without it.
drop schema if exists attune_worker cascade;

drop policy maintenance_schedules_select_admin on attune.maintenance_schedules;
drop policy maintenance_schedules_select_service_role on attune.maintenance_schedules;

drop function
  attune.record_backup(attune.backup_kind, timestamptz),
  attune_private.last_backup_at();
drop type attune.backup_kind;

drop procedure attune.run_maintenance(attune.maintenance_task, integer);
drop function
  attune.maintain(attune.maintenance_task, integer),
  attune.begin_maintenance(attune.maintenance_task),
  attune_private.begin_maintenance(attune_private.caller, attune.maintenance_task),
  attune_private.end_maintenance(attune.maintenance_operations),
  attune.maintenance_operations_is_stale(attune.maintenance_operations),
  attune.maintenance_schedules_is_missed(attune.maintenance_schedules),
  attune_private.maintain_seed_existing_users(integer, jsonb),
  attune_private.maintain_analyze(integer, jsonb),
  attune_private.maintain_apply_audit_retention(integer, jsonb),
  attune_private.maintain_remove_expired(integer, jsonb),
  attune_private.maintain_make_partitions(integer, jsonb),
  attune_private.maintain_apply_due_changes(integer, jsonb),
  attune_private.maintain_seal_audit(integer, jsonb);

drop type attune_private.maintenance_step;
drop table attune.maintenance_schedules;
drop function attune_private.tg_maintenance_schedules__schedule();
drop function attune_private.is_cron(text);

-- What the log says of them has no meaning any more.
delete from attune.maintenance_operations as m where not attune_private.is_record(m.operation);
