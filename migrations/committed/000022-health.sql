--! Previous: sha1:7d51e5e574b8e4e1ea283936de473bab4da2ff0d
--! Hash: sha1:afeff3444d2e8bff8034ee51327ac93b469124ba
--! Message: health

-- Whether the database is well, and what to do where it is not.

-- How it was: what growth and shares are told from

create table attune_private.measured_tables (
  table_name text not null,
  measured_on date not null,
  measured_at timestamptz not null,
  bytes bigint not null,
  estimated_rows bigint not null,
  constraint measured_tables_pkey primary key (table_name, measured_on)
);
comment on table attune_private.measured_tables is
  'How large each table was, once a day, for 400 days.';
comment on column attune_private.measured_tables.table_name is 'Which table, with its schema.';
comment on column attune_private.measured_tables.measured_on is 'On which day (UTC).';
comment on column attune_private.measured_tables.measured_at is 'When.';
comment on column attune_private.measured_tables.bytes is 'In bytes, with its indexes and all its partitions.';
comment on column attune_private.measured_tables.estimated_rows is 'About how many rows it had.';
alter table attune_private.measured_tables enable row level security;
revoke all on attune_private.measured_tables from public;

create table attune_private.measured_activity (
  measured_on date not null
    constraint measured_activity_pkey primary key,
  measured_at timestamptz not null,
  committed bigint not null,
  rolled_back bigint not null,
  blocks_read bigint not null,
  blocks_hit bigint not null,
  deadlocks bigint not null
);
comment on table attune_private.measured_activity is
  'What PostgreSQL had counted for the database, once a day, for 400 days.';
comment on column attune_private.measured_activity.measured_on is 'On which day (UTC).';
comment on column attune_private.measured_activity.measured_at is 'When.';
comment on column attune_private.measured_activity.committed is 'Transactions that were committed.';
comment on column attune_private.measured_activity.rolled_back is 'Transactions that were rolled back.';
comment on column attune_private.measured_activity.blocks_read is 'Blocks that were not in its cache.';
comment on column attune_private.measured_activity.blocks_hit is 'Blocks that were.';
comment on column attune_private.measured_activity.deadlocks is 'Deadlocks.';
alter table attune_private.measured_activity enable row level security;
revoke all on attune_private.measured_activity from public;

-- What was given up is found without reading all that was delivered.
create index notification_deliveries_failed_idx on attune.notification_deliveries (finished_at) where status = 'failed';

create type attune.table_health as (
  table_name text,
  bytes bigint,
  growth_bytes_a_day bigint,
  estimated_rows bigint,
  dead_rows bigint,
  dead_percent double precision,
  last_vacuumed_at timestamptz,
  last_analyzed_at timestamptz,
  sequential_scans bigint,
  rows_per_scan bigint
);
comment on type attune.table_health is
  E'@id table_name\n'
  'How large a table is, and how it is kept.';
comment on column attune.table_health.table_name is
  E'@notNull\n'
  'Which table, with its schema.';
comment on column attune.table_health.bytes is
  E'@notNull\n'
  'How large it is, in bytes, with its indexes and all its partitions.';
comment on column attune.table_health.growth_bytes_a_day is
  'By how many bytes a day it has grown in the last thirty days, or since it was first measured; null until it was '
  'measured for half a day (`measure_sizes` of the maintenance).';
comment on column attune.table_health.estimated_rows is
  E'@notNull\n'
  'About how many rows it has.';
comment on column attune.table_health.dead_rows is
  E'@notNull\n'
  'About how many rows that were changed or removed still take room; on a standby always 0.';
comment on column attune.table_health.dead_percent is
  E'@notNull\n'
  'How many percent of its rows that is.';
comment on column attune.table_health.last_vacuumed_at is
  'When it was last vacuumed, by hand or by itself; null for never, and on a standby.';
comment on column attune.table_health.last_analyzed_at is
  'When the planner last got its statistics; null for never, and on a standby.';
comment on column attune.table_health.sequential_scans is
  E'@notNull\n'
  'How often it was read whole, since statistics count.';
comment on column attune.table_health.rows_per_scan is
  E'@notNull\n'
  'How many rows were read each time.';

create type attune.unused_index as (
  index_name text,
  table_name text,
  bytes bigint
);
comment on type attune.unused_index is
  E'@id index_name\n'
  'An index that no query on this server has used since statistics count: it costs each write, and a standby may '
  'use it.';
comment on column attune.unused_index.index_name is
  E'@notNull\n'
  'Which index, with its schema.';
comment on column attune.unused_index.table_name is
  E'@notNull\n'
  'Of which table.';
comment on column attune.unused_index.bytes is
  E'@notNull\n'
  'How large it is, in bytes, with all its partitions, as of the last vacuum or analyze.';

create type attune.connection_group as (
  role text,
  application_name text,
  state text,
  connections integer
);
comment on type attune.connection_group is 'Connections that are alike.';
comment on column attune.connection_group.role is
  E'@notNull\n'
  'As which role they are connected.';
comment on column attune.connection_group.application_name is
  E'@notNull\n'
  'What they call themselves; a server of ours `"attune"`.';
comment on column attune.connection_group.state is
  '`"active"`, `"idle"`, `"idle in transaction"`…; null where it is not shown to the owner.';
comment on column attune.connection_group.connections is
  E'@notNull\n'
  'How many they are.';

create type attune.connection_health as (
  usable integer,
  used integer,
  used_percent double precision,
  groups attune.connection_group[]
);
comment on type attune.connection_health is 'The connections to the PostgreSQL server.';
comment on column attune.connection_health.usable is
  E'@notNull\n'
  'How many there can be, without those that are kept for superusers.';
comment on column attune.connection_health.used is
  E'@notNull\n'
  'How many there are, whatever their database.';
comment on column attune.connection_health.used_percent is
  E'@notNull\n'
  'How many percent that is.';
comment on column attune.connection_health.groups is
  E'@notNull\n'
  'Who has them, the most first, at most a hundred. '
  'How many clients listen for changes each server knows for itself: it needs one connection for all of them.';

create type attune.running_transaction as (
  pid integer,
  role text,
  application_name text,
  state text,
  waits_for text,
  started_at timestamptz,
  seconds double precision
);
comment on type attune.running_transaction is
  'A transaction that is open. '
  'What it says is not shown: it could hold a value.';
comment on column attune.running_transaction.pid is 'Which process of PostgreSQL; null for a prepared one.';
comment on column attune.running_transaction.role is 'Whose it is.';
comment on column attune.running_transaction.application_name is
  E'@notNull\n'
  'What the client calls itself.';
comment on column attune.running_transaction.state is '`"active"`, `"idle in transaction"`…, or `"prepared"`.';
comment on column attune.running_transaction.waits_for is
  'What kind of thing it waits for, such as `"Lock"` or `"IO"`; null when for nothing.';
comment on column attune.running_transaction.started_at is
  E'@notNull\n'
  'When it began.';
comment on column attune.running_transaction.seconds is
  E'@notNull\n'
  'How many seconds ago that was.';

create type attune.lock_wait as (
  pid integer,
  role text,
  application_name text,
  mode text,
  lock_type text,
  table_name text,
  waiting_since timestamptz,
  seconds double precision,
  blocked_by integer[]
);
comment on type attune.lock_wait is 'Somebody who waits for a lock.';
comment on column attune.lock_wait.pid is
  E'@notNull\n'
  'Which process of PostgreSQL waits.';
comment on column attune.lock_wait.role is 'As which role.';
comment on column attune.lock_wait.application_name is
  E'@notNull\n'
  'What the client calls itself.';
comment on column attune.lock_wait.mode is
  E'@notNull\n'
  'Which lock it wants, such as `"AccessExclusiveLock"`.';
comment on column attune.lock_wait.lock_type is
  E'@notNull\n'
  'On what kind of thing, such as `"relation"` or `"transactionid"`.';
comment on column attune.lock_wait.table_name is 'On which table or index, with its schema; null for what is none.';
comment on column attune.lock_wait.waiting_since is 'Since when; null for no more than a moment.';
comment on column attune.lock_wait.seconds is 'For how many seconds.';
comment on column attune.lock_wait.blocked_by is
  E'@notNull\n'
  'Which processes it waits for.';

create type attune.standby_health as (
  application_name text,
  state text,
  sync_state text,
  lag_bytes bigint,
  lag_seconds double precision
);
comment on type attune.standby_health is 'A standby that is fed from here.';
comment on column attune.standby_health.application_name is
  E'@notNull\n'
  'What the standby calls itself.';
comment on column attune.standby_health.state is
  '`"streaming"`, `"catchup"`…; null where it is not shown to the owner.';
comment on column attune.standby_health.sync_state is
  'Whether commits wait for it: `"async"`, `"sync"`, `"quorum"`, `"potential"`.';
comment on column attune.standby_health.lag_bytes is 'How many bytes of WAL it has not replayed.';
comment on column attune.standby_health.lag_seconds is
  'How many seconds it was behind with what was last written; null when there was nothing new.';

create type attune.replication_slot as (
  slot_name text,
  is_active boolean,
  retained_bytes bigint
);
comment on type attune.replication_slot is
  E'@id slot_name\n'
  'A place up to which WAL is kept for somebody.';
comment on column attune.replication_slot.slot_name is
  E'@notNull\n'
  'Which slot.';
comment on column attune.replication_slot.is_active is
  E'@notNull\n'
  'Whether somebody reads from it.';
comment on column attune.replication_slot.retained_bytes is
  'How many bytes of WAL are kept for it: without a reader until the disk is full.';

create type attune.replication_health as (
  is_standby boolean,
  replay_lag_seconds double precision,
  standbys attune.standby_health[],
  slots attune.replication_slot[]
);
comment on type attune.replication_health is 'How far standbys are behind.';
comment on column attune.replication_health.is_standby is
  E'@notNull\n'
  'Whether this server is itself a standby.';
comment on column attune.replication_health.replay_lag_seconds is
  'How many seconds a standby is behind, since the last that it heard of where nothing comes any more; null on a '
  'primary.';
comment on column attune.replication_health.standbys is
  E'@notNull\n'
  'The standbys that are connected.';
comment on column attune.replication_health.slots is
  E'@notNull\n'
  'The replication slots.';

create type attune.slow_statement as (
  statement text,
  calls bigint,
  mean_ms double precision,
  total_ms double precision
);
comment on type attune.slow_statement is 'A statement as pg_stat_statements counts it.';
comment on column attune.slow_statement.statement is
  E'@notNull\n'
  'What it says, with `$1` for each value, cut at 500 characters.';
comment on column attune.slow_statement.calls is
  E'@notNull\n'
  'How often it ran.';
comment on column attune.slow_statement.mean_ms is
  E'@notNull\n'
  'How many milliseconds it took on average.';
comment on column attune.slow_statement.total_ms is
  E'@notNull\n'
  'How many milliseconds it took altogether.';

create type attune.activity_health as (
  since timestamptz,
  statistics_since timestamptz,
  committed bigint,
  rolled_back bigint,
  rolled_back_percent double precision,
  blocks_read bigint,
  blocks_hit bigint,
  cache_hit_percent double precision,
  deadlocks bigint,
  checksum_failures bigint
);
comment on type attune.activity_health is 'What the database did.';
comment on column attune.activity_health.since is
  'Since when these are counted: the last measurement that is an hour old or more, else the last reset of the '
  'statistics; null for the beginning.';
comment on column attune.activity_health.statistics_since is
  'When PostgreSQL''s statistics were last reset, from when on scans of tables and indexes count; null for never.';
comment on column attune.activity_health.committed is
  E'@notNull\n'
  'How many transactions were committed.';
comment on column attune.activity_health.rolled_back is
  E'@notNull\n'
  'How many were rolled back, as everything that is refused.';
comment on column attune.activity_health.rolled_back_percent is
  E'@notNull\n'
  'How many percent that is.';
comment on column attune.activity_health.blocks_read is
  E'@notNull\n'
  'How many blocks came from the disk or the system''s cache.';
comment on column attune.activity_health.blocks_hit is
  E'@notNull\n'
  'How many were in PostgreSQL''s own.';
comment on column attune.activity_health.cache_hit_percent is
  'How many percent that is; null before anything was read.';
comment on column attune.activity_health.deadlocks is
  E'@notNull\n'
  'How many deadlocks there were.';
comment on column attune.activity_health.checksum_failures is
  E'@notNull\n'
  'How many damaged blocks were found since the last reset.';

create type attune.sequence_health as (
  sequence_name text,
  last_value bigint,
  used_percent double precision
);
comment on type attune.sequence_health is
  E'@id sequence_name\n'
  'How much of its numbers a sequence has given.';
comment on column attune.sequence_health.sequence_name is
  E'@notNull\n'
  'Which sequence, with its schema.';
comment on column attune.sequence_health.last_value is
  E'@notNull\n'
  'The last number that it gave.';
comment on column attune.sequence_health.used_percent is
  E'@notNull\n'
  'How many percent of its numbers that is.';

create type attune.audit_health as (
  estimated_rows bigint,
  bytes bigint,
  rows_last_day bigint,
  bytes_last_day bigint,
  unsealed_rows integer,
  oldest_unsealed_at timestamptz,
  unpartitioned_rows integer
);
comment on type attune.audit_health is 'How the audit log grows, and what of it is not sealed.';
comment on column attune.audit_health.estimated_rows is
  E'@notNull\n'
  'About how many rows it has.';
comment on column attune.audit_health.bytes is
  E'@notNull\n'
  'How large it is, in bytes, with its indexes and all its partitions.';
comment on column attune.audit_health.rows_last_day is
  E'@notNull\n'
  'How many rows the last 24 hours added, at most: numbers that were given and not used count.';
comment on column attune.audit_health.bytes_last_day is
  E'@notNull\n'
  'How many bytes that is, by what a row takes on average.';
comment on column attune.audit_health.unsealed_rows is
  E'@notNull\n'
  'How many rows are not sealed; at most 20,000 are counted.';
comment on column attune.audit_health.oldest_unsealed_at is 'When the first of them was written.';
comment on column attune.audit_health.unpartitioned_rows is
  E'@notNull\n'
  'How many rows found no partition of their month, of log and seals; at most 20,000 are counted.';

create type attune.backlog_name as enum ('mails', 'deliveries', 'change_sets', 'rollout_steps');
comment on type attune.backlog_name is
  E'@value mails Mails, which `claim_mails` gives to a worker; given up are those that expired in the last day.\n'
  '@value deliveries Deliveries of notifications, which `claim_deliveries` gives to a worker; given up are those '
  'that failed in the last day.\n'
  '@value change_sets Change sets that are to be applied at a time; given up are those that could not be.\n'
  '@value rollout_steps Steps of rollouts; given up are rollouts of which one could not be taken.\n'
  'What there is to be done.';

create type attune.backlog as (
  name attune.backlog_name,
  due integer,
  oldest_due_at timestamptz,
  given_up integer
);
comment on type attune.backlog is
  E'@id name\n'
  'What is due and was not done.';
comment on column attune.backlog.name is
  E'@notNull\n'
  'What there is to be done.';
comment on column attune.backlog.due is
  E'@notNull\n'
  'How many are due and not done; at most 10,000 are counted.';
comment on column attune.backlog.oldest_due_at is 'Since when the first of them is.';
comment on column attune.backlog.given_up is
  E'@notNull\n'
  'How many were given up; at most 10,000 are counted.';

create type attune.maintenance_health as (
  operation attune.maintenance_task,
  last_completed_at timestamptz,
  last_status attune.maintenance_status,
  seconds_late double precision
);
comment on type attune.maintenance_health is
  E'@id operation\n'
  'Whether maintenance is done in time.';
comment on column attune.maintenance_health.operation is
  E'@notNull\n'
  'What is done again and again.';
comment on column attune.maintenance_health.last_completed_at is 'When it was last done to its end.';
comment on column attune.maintenance_health.last_status is 'What became of it the last time.';
comment on column attune.maintenance_health.seconds_late is
  'How many seconds ago it should have been done to its end, at the latest; 0 when it was; null for what is done by '
  'hand only.';

create type attune.health_limit as (
  subject text,
  message text,
  remedy text
);
comment on type attune.health_limit is
  E'@id subject\n'
  'Something that cannot be seen.';
comment on column attune.health_limit.subject is
  E'@notNull\n'
  'What is not known: a field of `database_health`, in SQL''s words.';
comment on column attune.health_limit.message is
  E'@notNull\n'
  'Why.';
comment on column attune.health_limit.remedy is
  E'@notNull\n'
  'What to do.';

create type attune.database_health as (
  measured_at timestamptz,
  server_version text,
  started_at timestamptz,
  database_bytes bigint,
  preference_query_ms double precision,
  transaction_id_percent double precision,
  connections attune.connection_health,
  activity attune.activity_health,
  tables attune.table_health[],
  unused_indexes attune.unused_index[],
  longest_transactions attune.running_transaction[],
  lock_waits attune.lock_wait[],
  replication attune.replication_health,
  slow_statements attune.slow_statement[],
  sequences attune.sequence_health[],
  audit attune.audit_health,
  backlogs attune.backlog[],
  maintenance attune.maintenance_health[],
  last_backup_at timestamptz,
  limits attune.health_limit[]
);
comment on type attune.database_health is 'Whether the database is well, from PostgreSQL''s catalogue and statistics.';
comment on column attune.database_health.measured_at is
  E'@notNull\n'
  'When this was found out.';
comment on column attune.database_health.server_version is
  E'@notNull\n'
  'The version of PostgreSQL.';
comment on column attune.database_health.started_at is
  E'@notNull\n'
  'When PostgreSQL was started.';
comment on column attune.database_health.database_bytes is
  E'@notNull\n'
  'How large the database is, in bytes, with what is not ours.';
comment on column attune.database_health.preference_query_ms is
  'How many milliseconds it takes just now to find out what applies to some user, for every setting; null where '
  'there is no user.';
comment on column attune.database_health.transaction_id_percent is
  E'@notNull\n'
  'How many percent of the numbers of transactions (or of row locks, if those are more) were given since the '
  'database was last frozen; at 100 nothing can be written.';
comment on column attune.database_health.connections is
  E'@notNull\n'
  'The connections to the PostgreSQL server.';
comment on column attune.database_health.activity is
  'What the database did; null where what was measured before is locked against everybody.';
comment on column attune.database_health.tables is
  E'@notNull\n'
  'Our tables, the largest first, partitions summed.';
comment on column attune.database_health.unused_indexes is
  E'@notNull\n'
  'Indexes of 1 MiB and more that nothing has used, the largest first, at most fifty; not those that hold a '
  'constraint.';
comment on column attune.database_health.longest_transactions is
  E'@notNull\n'
  'The ten transactions of this database that have been open the longest, this one aside.';
comment on column attune.database_health.lock_waits is
  E'@notNull\n'
  'Who waits for a lock in this database, the longest first, at most twenty.';
comment on column attune.database_health.replication is
  E'@notNull\n'
  'How far standbys are behind.';
comment on column attune.database_health.slow_statements is
  E'@notNull\n'
  'The ten statements on our schemas that take longest on average; none without pg_stat_statements.';
comment on column attune.database_health.sequences is
  E'@notNull\n'
  'Our sequences, the one that has given most of its numbers first.';
comment on column attune.database_health.audit is 'How the audit log grows; null where it is locked against everybody.';
comment on column attune.database_health.backlogs is
  E'@notNull\n'
  'What is due and was not done.';
comment on column attune.database_health.maintenance is
  E'@notNull\n'
  'Whether maintenance is done in time.';
comment on column attune.database_health.last_backup_at is
  'When the last backup was begun that was written down, see `record_backup`; null where none was, or `maintenance` is '
  'locked against everybody.';
comment on column attune.database_health.limits is
  E'@notNull\n'
  'What of all this cannot be seen, and what to do about it.';

create type attune.alert_severity as enum ('advice', 'warning', 'critical');
comment on type attune.alert_severity is
  E'@value advice It could be better.\n'
  '@value warning It is going to harm somebody.\n'
  '@value critical It harms somebody, or is going to soon and for long.\n'
  'How bad it is.';

create type attune.alert_name as enum (
  'preference_query_slow', 'slow_statement', 'connections', 'rolled_back', 'cache_misses', 'long_transaction',
  'lock_wait', 'deadlocks', 'dead_rows', 'unused_index', 'missing_index', 'replication_lag', 'replication_slot',
  'audit_growth', 'unsealed', 'unpartitioned_rows', 'backlog', 'given_up', 'maintenance_late', 'maintenance_failed',
  'backup_old', 'transaction_ids', 'sequence', 'checksum_failures'
);
comment on type attune.alert_name is
  E'@value preference_query_slow Finding out what applies to a user takes long.\n'
  '@value slow_statement A statement takes long on average.\n'
  '@value connections Connections are running out.\n'
  '@value rolled_back Many transactions are rolled back.\n'
  '@value cache_misses Much is read that is not in PostgreSQL''s cache.\n'
  '@value long_transaction A transaction is open for long.\n'
  '@value lock_wait Somebody waits for a lock for long.\n'
  '@value deadlocks Transactions stop each other.\n'
  '@value dead_rows A table is not vacuumed.\n'
  '@value unused_index An index is used by nothing.\n'
  '@value missing_index A table is read whole again and again.\n'
  '@value replication_lag A standby is behind.\n'
  '@value replication_slot WAL is kept for a standby that does not come.\n'
  '@value audit_growth The audit log grows fast.\n'
  '@value unsealed The audit log is not sealed.\n'
  '@value unpartitioned_rows Rows of the audit log found no partition of their month.\n'
  '@value backlog What is due is not done.\n'
  '@value given_up What was due was given up.\n'
  '@value maintenance_late Maintenance is not done in time.\n'
  '@value maintenance_failed Maintenance failed.\n'
  '@value backup_old The last backup was long ago.\n'
  '@value transaction_ids The numbers of transactions are running out.\n'
  '@value sequence The numbers of a sequence are running out.\n'
  '@value checksum_failures Blocks on the disk are damaged.\n'
  'What an alert is about.';

create type attune.health_alert as (
  name attune.alert_name,
  subject text,
  severity attune.alert_severity,
  value double precision,
  threshold double precision,
  setting text,
  unit text,
  message text,
  remedy text
);
comment on type attune.health_alert is
  E'@id name,subject\n'
  'Something that is not well.';
comment on column attune.health_alert.name is
  E'@notNull\n'
  'What it is about.';
comment on column attune.health_alert.subject is
  E'@notNull\n'
  'About which table, index, standby, process… it is; empty for the database.';
comment on column attune.health_alert.severity is
  E'@notNull\n'
  'How bad it is.';
comment on column attune.health_alert.value is
  E'@notNull\n'
  'What was measured.';
comment on column attune.health_alert.threshold is
  E'@notNull\n'
  'From what value on there is an alert.';
comment on column attune.health_alert.setting is
  E'@notNull\n'
  'The setting of category `system` that says so; 0 there switches the alert off.';
comment on column attune.health_alert.unit is
  E'@notNull\n'
  'What is counted: `"ms"`, `"s"`, `"%"`, `"MiB"`, or what there is so many of.';
comment on column attune.health_alert.message is
  E'@notNull\n'
  'What is wrong, for people.';
comment on column attune.health_alert.remedy is
  E'@notNull\n'
  'What to do, for people.';

-- The parts

--!include health/private/locked_tables.sql
--!include health/private/table_health.sql
--!include health/private/activity_health.sql
--!include health/private/measure_sizes.sql
--!include health/private/maintain_measure_sizes.sql
insert into attune.maintenance_schedules (operation, cron) values ('measure_sizes', '29 2 * * *');

--!include health/private/unused_indexes.sql
--!include health/private/connection_health.sql
--!include health/private/longest_transactions.sql
--!include health/private/lock_waits.sql
--!include health/private/replication_health.sql
--!include health/private/slow_statements.sql
--!include health/private/sequence_health.sql
--!include health/private/audit_health.sql
--!include health/private/backlogs.sql
--!include health/private/cron_seconds.sql
--!include health/private/maintenance_health.sql
--!include health/private/preference_query_ms.sql

-- The whole

--!include health/private/lock_holders.sql
--!include health/private/require_reader_of_health.sql
--!include health/private/database_health.sql
--!include health/database_health.sql
--!include health/private/health_alerts.sql
--!include health/health_alerts.sql
