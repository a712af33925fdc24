-- The way back.
delete from attune.maintenance_schedules where operation = 'measure_sizes';

drop function
  attune_private.lock_holders(),
  attune_private.require_reader_of_health(),
  attune_private.maintain_measure_sizes(integer, jsonb),
  attune.health_alerts(),
  attune.database_health(),
  attune_private.activity_health(),
  attune_private.cron_seconds(text),
  attune_private.table_health(),
  attune_private.preference_query_ms(),
  attune_private.audit_health(),
  attune_private.slow_statements(),
  attune_private.measure_sizes(),
  attune_private.connection_health(),
  attune_private.maintenance_health(),
  attune_private.longest_transactions(),
  attune_private.backlogs(),
  attune_private.sequence_health(),
  attune_private.health_alerts(attune.database_health),
  attune_private.replication_health(),
  attune_private.locked_tables(),
  attune_private.database_health(),
  attune_private.unused_indexes(),
  attune_private.lock_waits();

drop type attune.health_alert;
drop type attune.alert_name;
drop type attune.alert_severity;
drop type attune.database_health;
drop type attune.health_limit;
drop type attune.maintenance_health;
drop type attune.backlog;
drop type attune.backlog_name;
drop type attune.audit_health;
drop type attune.sequence_health;
drop type attune.activity_health;
drop type attune.slow_statement;
drop type attune.replication_health;
drop type attune.replication_slot;
drop type attune.standby_health;
drop type attune.lock_wait;
drop type attune.running_transaction;
drop type attune.connection_health;
drop type attune.connection_group;
drop type attune.unused_index;
drop type attune.table_health;

drop index attune.notification_deliveries_failed_idx;

drop table attune_private.measured_activity;
drop table attune_private.measured_tables;
