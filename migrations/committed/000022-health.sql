--! Previous: sha1:2eb2f0dad739231f86c96a3bd96b331cc23c2f19
--! Hash: sha1:823bb506e9ece35ef65ca0dbf39a91f9ca049c27
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

--! Included health/private/locked_tables.sql
create or replace function attune_private.locked_tables()
returns setof oid
language sql stable parallel restricted security invoker
begin atomic
  select coalesce(i.indrelid, l.relation)
  from pg_locks as l
  left join pg_index as i on i.indexrelid = l.relation
  where l.mode = 'AccessExclusiveLock'
    and l.locktype = 'relation'
    and l.database = (select d.oid from pg_database as d where d.datname = current_database())
    and l.pid <> pg_backend_pid();
end;
comment on function attune_private.locked_tables() is
  'The tables that somebody else locks against everybody, or waits to: who looks at their size would wait, too.';
revoke all on function attune_private.locked_tables() from public;
--! EndIncluded health/private/locked_tables.sql
--! Included health/private/table_health.sql
create or replace function attune_private.table_health()
returns setof attune.table_health
language sql stable parallel restricted security invoker
rows 100
begin atomic
  with stored as materialized (
    select
      c.oid,
      coalesce(pg_partition_root(c.oid), c.oid) as root,
      c.relpages,
      greatest(c.reltuples, 0) as known_rows
    from pg_class as c
    join pg_namespace as n on n.oid = c.relnamespace
    where n.nspname in ('attune', 'attune_private')
      and c.relkind = 'r'
  ),
  locked as materialized (
    select k.relation from attune_private.locked_tables() as k (relation)
  ),
  summed as materialized (
    select
      format('%I.%I', n.nspname, c.relname) as table_name,
      sum(
        case
          when s.oid in (select k.relation from locked as k)
            then s.relpages::bigint * current_setting('block_size')::bigint
          else pg_total_relation_size(s.oid)
        end
      )::bigint as bytes,
      sum(case when t.n_live_tup > 0 then t.n_live_tup else s.known_rows end)::bigint as estimated_rows,
      coalesce(sum(t.n_dead_tup), 0)::bigint as dead_rows,
      max(greatest(t.last_vacuum, t.last_autovacuum)) as last_vacuumed_at,
      max(greatest(t.last_analyze, t.last_autoanalyze)) as last_analyzed_at,
      coalesce(sum(t.seq_scan), 0)::bigint as sequential_scans,
      coalesce(sum(t.seq_tup_read), 0)::bigint as rows_read
    from stored as s
    join pg_class as c on c.oid = s.root
    join pg_namespace as n on n.oid = c.relnamespace
    left join pg_stat_user_tables as t on t.relid = s.oid
    group by n.nspname, c.relname
  )
  select
    s.table_name,
    s.bytes,
    -- The first of the last thirty days, if that was half a day ago or more.
    (
      select ((s.bytes - m.bytes) / (extract(epoch from now() - m.measured_at) / 86400))::bigint
      from attune_private.measured_tables as m
      where m.table_name = s.table_name
        and m.measured_at between now() - interval '30 days' and now() - interval '12 hours'
      order by m.measured_on
      limit 1
    ),
    s.estimated_rows,
    s.dead_rows,
    coalesce(100.0 * s.dead_rows / nullif(s.dead_rows + s.estimated_rows, 0), 0)::double precision,
    s.last_vacuumed_at,
    s.last_analyzed_at,
    s.sequential_scans,
    coalesce(s.rows_read / nullif(s.sequential_scans, 0), 0)
  from summed as s
  order by s.bytes desc, s.table_name;
end;
comment on function attune_private.table_health() is
  'Our tables, the largest first, partitions summed: from the catalogue and the statistics, without reading a row. '
  'Of what is locked against everybody only the pages of the last vacuum are known.';
revoke all on function attune_private.table_health() from public;
--! EndIncluded health/private/table_health.sql
--! Included health/private/activity_health.sql
create or replace function attune_private.activity_health()
returns attune.activity_health
language sql stable parallel restricted security invoker
begin atomic
  with present as materialized (
    select s.xact_commit, s.xact_rollback, s.blks_read, s.blks_hit, s.deadlocks, s.checksum_failures, s.stats_reset
    from pg_stat_database as s
    where s.datname = current_database()
  )
  select
    coalesce(m.measured_at, p.stats_reset),
    p.stats_reset,
    p.xact_commit - coalesce(m.committed, 0),
    p.xact_rollback - coalesce(m.rolled_back, 0),
    coalesce(
      100.0 * (p.xact_rollback - coalesce(m.rolled_back, 0))
        / nullif(p.xact_commit + p.xact_rollback - coalesce(m.committed + m.rolled_back, 0), 0),
      0
    ),
    p.blks_read - coalesce(m.blocks_read, 0),
    p.blks_hit - coalesce(m.blocks_hit, 0),
    100.0 * (p.blks_hit - coalesce(m.blocks_hit, 0))
      / nullif(p.blks_hit + p.blks_read - coalesce(m.blocks_hit + m.blocks_read, 0), 0),
    p.deadlocks - coalesce(m.deadlocks, 0),
    coalesce(p.checksum_failures, 0)
  from present as p
  left join lateral (
    select a.measured_at, a.committed, a.rolled_back, a.blocks_read, a.blocks_hit, a.deadlocks
    from attune_private.measured_activity as a
    where a.measured_at <= now() - interval '1 hour'
      -- What was counted before the last reset, or elsewhere, is not part of what is counted now.
      and a.committed <= p.xact_commit
      and a.rolled_back <= p.xact_rollback
      and a.blocks_read <= p.blks_read
      and a.blocks_hit <= p.blks_hit
      and a.deadlocks <= p.deadlocks
    order by a.measured_on desc
    limit 1
  ) as m on true;
end;
comment on function attune_private.activity_health() is
  'What the database did since it was last measured, an hour ago or more.';
revoke all on function attune_private.activity_health() from public;
--! EndIncluded health/private/activity_health.sql
--! Included health/private/measure_sizes.sql
create or replace function attune_private.measure_sizes()
returns bigint
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  today constant date := (now() at time zone 'UTC')::date;
  measured bigint;
begin
  insert into attune_private.measured_tables (table_name, measured_on, measured_at, bytes, estimated_rows)
  select t.table_name, today, now(), t.bytes, t.estimated_rows
  from attune_private.table_health() as t
  on conflict on constraint measured_tables_pkey do update set
    measured_at = excluded.measured_at,
    bytes = excluded.bytes,
    estimated_rows = excluded.estimated_rows;
  get diagnostics measured = row_count;

  insert into attune_private.measured_activity as m (
    measured_on, measured_at, committed, rolled_back, blocks_read, blocks_hit, deadlocks
  )
  select today, now(), s.xact_commit, s.xact_rollback, s.blks_read, s.blks_hit, s.deadlocks
  from pg_stat_database as s
  where s.datname = current_database()
  on conflict on constraint measured_activity_pkey do update set
    measured_at = excluded.measured_at,
    committed = excluded.committed,
    rolled_back = excluded.rolled_back,
    blocks_read = excluded.blocks_read,
    blocks_hit = excluded.blocks_hit,
    deadlocks = excluded.deadlocks;

  delete from attune_private.measured_tables as m where m.measured_on < today - 400;
  delete from attune_private.measured_activity as m where m.measured_on < today - 400;
  return measured;
end;
$$;
comment on function attune_private.measure_sizes() is
  'Notes how large each table is today (UTC) and what PostgreSQL has counted until now, from which `database_health` '
  'tells growth and shares; returns of how many tables. '
  'Another time on the same day replaces the first. '
  'What is older than 400 days is forgotten.';
revoke all on function attune_private.measure_sizes() from public;
--! EndIncluded health/private/measure_sizes.sql
--! Included health/private/maintain_measure_sizes.sql
create or replace function attune_private.maintain_measure_sizes(batch_size integer, details jsonb)
returns attune_private.maintenance_step
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  return row(attune_private.measure_sizes(), true, details)::attune_private.maintenance_step;
end;
$$;
comment on function attune_private.maintain_measure_sizes(integer, jsonb) is
  'Notes how large each table is today.';
revoke all on function attune_private.maintain_measure_sizes(integer, jsonb) from public;
--! EndIncluded health/private/maintain_measure_sizes.sql
insert into attune.maintenance_schedules (operation, cron) values ('measure_sizes', '29 2 * * *');

--! Included health/private/unused_indexes.sql
create or replace function attune_private.unused_indexes()
returns setof attune.unused_index
language sql stable parallel restricted security invoker
rows 20
begin atomic
  select
    format('%I.%I', n.nspname, c.relname),
    i.indrelid::regclass::text,
    s.bytes
  from (
    -- An index of a partition is part of that of the whole.
    select
      coalesce(pg_partition_root(p.indexrelid), p.indexrelid) as root,
      sum(p.relpages)::bigint * current_setting('block_size')::bigint as bytes
    from (
      select u.indexrelid, u.idx_scan, x.relpages
      from pg_stat_user_indexes as u
      join pg_class as x on x.oid = u.indexrelid
      where u.schemaname in ('attune', 'attune_private')
    ) as p
    group by 1
    having sum(p.idx_scan) = 0
  ) as s
  join pg_index as i on i.indexrelid = s.root
  join pg_class as c on c.oid = s.root
  join pg_namespace as n on n.oid = c.relnamespace
  where s.bytes >= 1048576
    and not i.indisunique
    and not exists (select from pg_constraint as k where k.conindid = s.root)
  order by s.bytes desc, 1
  limit 50;
end;
comment on function attune_private.unused_indexes() is
  'Indexes of 1 MiB and more that no query has used since statistics count, the largest first; not those that hold a '
  'constraint. '
  'Their sizes are those of the last vacuum or analyze.';
revoke all on function attune_private.unused_indexes() from public;
--! EndIncluded health/private/unused_indexes.sql
--! Included health/private/connection_health.sql
create or replace function attune_private.connection_health()
returns attune.connection_health
language sql stable parallel restricted security invoker
begin atomic
  with groups as materialized (
    select
      coalesce(a.usename, 'unknown')::text as role,
      coalesce(a.application_name, '') as application_name,
      a.state,
      count(*)::integer as connections
    from pg_stat_activity as a
    -- Of what belongs to others some know only whose it is.
    where coalesce(a.backend_type, 'client backend') = 'client backend'
      and a.usesysid is not null
    group by 1, 2, 3
  ),
  numbers as (
    select
      current_setting('max_connections')::integer
        - current_setting('superuser_reserved_connections')::integer
        - coalesce(current_setting('reserved_connections', true)::integer, 0) as usable,
      (select coalesce(sum(g.connections), 0)::integer from groups as g) as used
  )
  select
    n.usable,
    n.used,
    100.0 * n.used / greatest(n.usable, 1),
    array(
      select row(g.role, g.application_name, g.state, g.connections)::attune.connection_group
      from groups as g
      order by g.connections desc, g.role, g.application_name, g.state
      limit 100
    )
  from numbers as n;
end;
comment on function attune_private.connection_health() is
  'How many connections there are to the server, whatever their database, and how many there can be.';
revoke all on function attune_private.connection_health() from public;
--! EndIncluded health/private/connection_health.sql
--! Included health/private/longest_transactions.sql
create or replace function attune_private.longest_transactions()
returns setof attune.running_transaction
language sql stable parallel restricted security invoker
rows 10
begin atomic
  select
    t.pid,
    t.role,
    t.application_name,
    t.state,
    t.wait,
    t.started_at,
    greatest(extract(epoch from clock_timestamp() - t.started_at), 0)::double precision
  from (
    select
      a.pid,
      a.usename::text as role,
      coalesce(a.application_name, '') as application_name,
      a.state,
      case when a.state = 'active' then a.wait_event_type end as wait,
      a.xact_start as started_at
    from pg_stat_activity as a
    where a.datname = current_database()
      and a.xact_start is not null
      and a.pid <> pg_backend_pid()
      and a.backend_type in ('client backend', 'walsender', 'background worker')
    union all
    select null, p.owner::text, '', 'prepared', null, p.prepared
    from pg_prepared_xacts as p
    where p.database = current_database()
  ) as t
  order by t.started_at
  limit 10;
end;
comment on function attune_private.longest_transactions() is
  'The ten transactions of this database that have been open the longest, this one aside, those that are prepared among '
  'them. '
  'Nothing of what they say.';
revoke all on function attune_private.longest_transactions() from public;
--! EndIncluded health/private/longest_transactions.sql
--! Included health/private/lock_waits.sql
create or replace function attune_private.lock_waits()
returns setof attune.lock_wait
language sql stable parallel restricted security invoker
rows 10
begin atomic
  select
    l.pid,
    a.usename::text,
    coalesce(a.application_name, ''),
    l.mode,
    l.locktype,
    case when c.oid is not null then format('%I.%I', n.nspname, c.relname) end,
    l.waitstart,
    greatest(extract(epoch from clock_timestamp() - l.waitstart), 0)::double precision,
    pg_blocking_pids(l.pid)
  from pg_locks as l
  left join pg_stat_activity as a on a.pid = l.pid
  left join pg_class as c on c.oid = l.relation
  left join pg_namespace as n on n.oid = c.relnamespace
  where not l.granted
    and coalesce(a.datname, current_database()) = current_database()
  order by l.waitstart, l.pid
  limit 20;
end;
comment on function attune_private.lock_waits() is
  'Who waits for a lock, the longest first, at most twenty, and for whom.';
revoke all on function attune_private.lock_waits() from public;
--! EndIncluded health/private/lock_waits.sql
--! Included health/private/replication_health.sql
create or replace function attune_private.replication_health()
returns attune.replication_health
language plpgsql stable parallel restricted security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  health attune.replication_health;
  written pg_lsn;
begin
  health.is_standby := pg_is_in_recovery();

  if health.is_standby then
    written := coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn());
    -- Where nothing is written there is nothing to be late with; who hears nothing does not know that.
    health.replay_lag_seconds := case
      when pg_last_wal_replay_lsn() >= written
        and exists (
          -- Without pg_read_all_stats only that it is there is seen.
          select from pg_stat_wal_receiver as r where coalesce(r.status, 'streaming') = 'streaming'
        )
        then 0
      else greatest(
        extract(
          epoch from clock_timestamp() - coalesce(pg_last_xact_replay_timestamp(), pg_postmaster_start_time())
        ),
        0
      )
    end;
  else
    written := pg_current_wal_lsn();
  end if;

  health.standbys := array(
    select
      row(
        coalesce(r.application_name, ''),
        r.state,
        r.sync_state,
        pg_wal_lsn_diff(written, r.replay_lsn)::bigint,
        extract(epoch from r.replay_lag)::double precision
      )::attune.standby_health
    from pg_stat_replication as r
    order by r.application_name, r.pid
  );
  health.slots := array(
    select
      row(s.slot_name::text, s.active, greatest(pg_wal_lsn_diff(written, s.restart_lsn), 0)::bigint)::attune.replication_slot
    from pg_replication_slots as s
    order by s.slot_name
  );
  return health;
end;
$$;
comment on function attune_private.replication_health() is
  'How far standbys are behind: each of them, where they are fed from here; this one, where it is one.';
revoke all on function attune_private.replication_health() from public;
--! EndIncluded health/private/replication_health.sql
--! Included health/private/slow_statements.sql
create or replace function attune_private.slow_statements()
returns setof attune.slow_statement
language plpgsql stable parallel restricted security invoker
rows 10
set search_path = pg_catalog, pg_temp
as $$
declare
  home constant text := (
    select n.nspname
    from pg_extension as e
    join pg_namespace as n on n.oid = e.extnamespace
    where e.extname = 'pg_stat_statements'
  );
begin
  if home is null then
    return;
  end if;

  -- What is not wholly normalized, as a text that came back after it was forgotten, could hold a value.
  return query execute format(
    $query$
      select left(regexp_replace(s.query, '\s+', ' ', 'g'), 500), s.calls, s.mean_exec_time, s.total_exec_time
      from %I.pg_stat_statements as s
      where s.dbid = (select d.oid from pg_database as d where d.datname = current_database())
        and s.query ~* '^\s*(select|insert|update|delete|merge|with)\M'
        and s.query ~ '\mattune(_hidden|_private)?"?\.'
        and s.query !~ $pattern$'|\$\D|--|/\*$pattern$
      order by s.mean_exec_time desc, s.queryid
      limit 10
    $query$,
    home
  );
end;
$$;
comment on function attune_private.slow_statements() is
  'The ten statements on our schemas that take longest on average, with `$1` for each value, cut at 500 characters; none '
  'without pg_stat_statements.';
revoke all on function attune_private.slow_statements() from public;
--! EndIncluded health/private/slow_statements.sql
--! Included health/private/sequence_health.sql
create or replace function attune_private.sequence_health()
returns setof attune.sequence_health
language sql stable parallel restricted security invoker
rows 10
begin atomic
  select
    format('%I.%I', s.schemaname, s.sequencename),
    coalesce(s.last_value, 0),
    (100.0 * coalesce(s.last_value, 0) / s.max_value)::double precision
  from pg_sequences as s
  where s.schemaname in ('attune', 'attune_private')
  order by 3 desc, 1;
end;
comment on function attune_private.sequence_health() is 'How much of their numbers our sequences have given.';
revoke all on function attune_private.sequence_health() from public;
--! EndIncluded health/private/sequence_health.sql
--! Included health/private/audit_health.sql
create or replace function attune_private.audit_health()
returns attune.audit_health
language plpgsql stable parallel restricted security invoker
set search_path = pg_catalog, pg_temp
-- How much there is changes while a connection keeps its plans.
set plan_cache_mode = force_custom_plan
as $$
declare
  health attune.audit_health;
  last_id constant bigint := coalesce(pg_sequence_last_value('attune.configuration_audit_log_id_seq'), 0);
  identity constant text := attune_private.database_identity();
  last attune.audit_seals;
  seen pg_snapshot := '1:1:';
  heap_bytes bigint;
begin
  select s.estimated_rows, s.bytes, s.heap_bytes
  into health.estimated_rows, health.bytes, heap_bytes
  from (
    select
      sum(greatest(t.n_live_tup, c.reltuples, 0))::bigint as estimated_rows,
      sum(pg_total_relation_size(c.oid))::bigint as bytes,
      sum(pg_relation_size(c.oid))::bigint as heap_bytes
    from pg_partition_tree('attune.configuration_audit_log') as p
    join pg_class as c on c.oid = p.relid
    left join pg_stat_user_tables as t on t.relid = c.oid
    where p.isleaf
  ) as s;

  -- Numbers that were taken and given back count, too: as many at most.
  health.rows_last_day := last_id + 1 - coalesce(
    (
      select l.id
      from attune.configuration_audit_log as l
      where l.occurred_at >= now() - interval '1 day'
      order by l.occurred_at, l.id
      limit 1
    ),
    last_id + 1
  );
  -- Where there are few rows, empty indexes are most of the size.
  health.bytes_last_day := health.rows_last_day * case
    when health.estimated_rows >= 1000 then health.bytes / health.estimated_rows
    else heap_bytes / greatest(health.estimated_rows, last_id, 1)
  end;

  select s.* into last from attune.audit_seals as s order by s.id desc limit 1;

  -- What was over at the last seal is sealed; where numbers of transactions mean something else now, nothing is known to be.
  if last.database_identity = identity then
    seen := last.snapshot::pg_snapshot;
  end if;

  select count(*), min(u.occurred_at)
  into health.unsealed_rows, health.oldest_unsealed_at
  from (
    (
      select l.occurred_at
      from attune.configuration_audit_log as l
      where l.transaction_id = any (array(select pg_snapshot_xip(seen)))
        and l.transaction_id <> last.transaction_id
      limit 10000
    )
    union all
    (
      select l.occurred_at
      from attune.configuration_audit_log as l
      where l.transaction_id >= pg_snapshot_xmax(seen)
        and l.transaction_id is distinct from last.transaction_id
      order by l.transaction_id
      limit 10000
    )
  ) as u;

  health.unpartitioned_rows := (
    select count(*) from (select from attune_private.configuration_audit_log_default limit 10000) as d
  ) + (
    select count(*) from (select from attune_private.sealed_rows_default limit 10000) as d
  );
  return health;
end;
$$;
comment on function attune_private.audit_health() is
  'How the audit log grows, and what of it is not sealed; no more than 10,000 rows are looked at for each number.';
revoke all on function attune_private.audit_health() from public;
--! EndIncluded health/private/audit_health.sql
--! Included health/private/backlogs.sql
create or replace function attune_private.backlogs()
returns setof attune.backlog
language sql stable parallel restricted security invoker
rows 4
begin atomic
  select
    'mails'::attune.backlog_name,
    (
      select count(*)::integer
      from (
        select from attune_private.mail_outbox as m
        where m.delivered_at is null and m.due_at <= now() and m.expires_at > now()
        limit 10000
      ) as d
    ),
    (
      select m.due_at from attune_private.mail_outbox as m
      where m.delivered_at is null and m.due_at <= now() and m.expires_at > now()
      order by m.due_at
      limit 1
    ),
    (
      select count(*)::integer
      from (
        select from attune_private.mail_outbox as m
        where m.delivered_at is null and m.expires_at between now() - interval '1 day' and now()
        limit 10000
      ) as d
    )
  union all
  select
    'deliveries',
    (
      select count(*)::integer
      from (
        select from attune.notification_deliveries as d
        where d.status = 'pending' and d.channel = any (enum_range(null::attune.notification_channel)) and d.due_at <= now()
        limit 10000
      ) as d
    ),
    (
      select min(f.due_at)
      from unnest(enum_range(null::attune.notification_channel)) as c (channel)
      cross join lateral (
        select d.due_at from attune.notification_deliveries as d
        where d.status = 'pending' and d.channel = c.channel and d.due_at <= now()
        order by d.due_at
        limit 1
      ) as f
    ),
    (
      select count(*)::integer
      from (
        select from attune.notification_deliveries as d
        where d.status = 'failed' and d.finished_at >= now() - interval '1 day'
        limit 10000
      ) as d
    )
  union all
  select
    'change_sets',
    count(*) filter (where c.is_due)::integer,
    min(c.apply_at) filter (where c.is_due),
    count(*) filter (where c.status = 'failed')::integer
  from (
    select
      s.status,
      s.apply_at,
      s.status in ('proposed', 'approved')
        and s.apply_at <= now()
        -- Until somebody approves, it is not due.
        and (s.approved_at is not null or not attune.change_sets_is_approval_required(s)) as is_due
    from attune.change_sets as s
    where s.closed_at is null
  ) as c
  union all
  select
    'rollout_steps',
    count(*) filter (where r.status = 'running' and s.applied_at is null and s.apply_at <= now())::integer,
    min(s.apply_at) filter (where r.status = 'running' and s.applied_at is null and s.apply_at <= now()),
    count(distinct r.key) filter (where r.status = 'failed')::integer
  from attune.rollouts as r
  join attune.rollout_steps as s on s.key = r.key
  where r.status in ('running', 'failed');
end;
comment on function attune_private.backlogs() is
  'What is due and was not done, and what was given up; of a kind at most 10,000 are counted.';
revoke all on function attune_private.backlogs() from public;
--! EndIncluded health/private/backlogs.sql
--! Included health/private/cron_seconds.sql
create or replace function attune_private.cron_seconds(cron text)
returns integer
language sql immutable parallel safe security invoker
begin atomic
  select case
    -- After the 29th of February of 2096 comes that of 2104.
    when f.field[4] <> '*' and f.field[3] ~ '^(29|3[01])([,-](29|3[01]))*$' then 8 * 366 * 86400
    when f.field[4] <> '*' then 366 * 86400
    -- After the 31st of August comes that of October.
    when f.field[3] ~ '^(29|3[01])([,-](29|3[01]))*$' then 61 * 86400
    when f.field[3] <> '*' then 31 * 86400
    when f.field[5] <> '*' then 7 * 86400
    when f.field[2] <> '*' then 86400
    when f.field[1] <> '*' then 3600
    else 60
  end
  from (select string_to_array(cron_seconds.cron, ' ')) as f (field);
end;
comment on function attune_private.cron_seconds(text) is
  'How many seconds, at most, are between two times that five fields of cron name, see `is_cron`.';
revoke all on function attune_private.cron_seconds(text) from public;
--! EndIncluded health/private/cron_seconds.sql
--! Included health/private/maintenance_health.sql
create or replace function attune_private.maintenance_health()
returns setof attune.maintenance_health
language sql stable parallel restricted security invoker
rows 10
begin atomic
  select
    s.operation,
    s.last_completed_at,
    s.last_status,
    case when s.cron is not null then
      greatest(
        0,
        extract(epoch from now() - greatest(s.last_completed_at, s.scheduled_at)) - attune_private.cron_seconds(s.cron)
      )::double precision
    end
  from attune.maintenance_schedules as s
  order by s.operation;
end;
comment on function attune_private.maintenance_health() is
  'What maintenance was last done, and by how much it is late.';
revoke all on function attune_private.maintenance_health() from public;
--! EndIncluded health/private/maintenance_health.sql
--! Included health/private/preference_query_ms.sql
create or replace function attune_private.preference_query_ms()
returns double precision
language plpgsql stable parallel restricted security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  somebody constant uuid := coalesce(
    (select u.id from attune.users as u where u.id >= gen_random_uuid() order by u.id limit 1),
    (select u.id from attune.users as u order by u.id limit 1)
  );
  began timestamptz;
  fastest interval;
begin
  if somebody is null then
    return null;
  end if;

  -- The first one reads what was not read for long.
  for attempt in 1..2 loop
    began := clock_timestamp();
    perform r.* from attune_private.resolve_settings(somebody, false, 'client') as r;
    fastest := least(fastest, clock_timestamp() - began);
  end loop;

  return 1000 * extract(epoch from fastest);
end;
$$;
comment on function attune_private.preference_query_ms() is
  'How many milliseconds it takes just now to find out what applies to some user, for every setting, '
  'the faster of two times; NULL where there is no user.';
revoke all on function attune_private.preference_query_ms() from public;
--! EndIncluded health/private/preference_query_ms.sql

-- The whole

--! Included health/private/lock_holders.sql
create or replace function attune_private.lock_holders()
returns text[]
language sql stable parallel restricted security invoker
begin atomic
  select array(
    select distinct coalesce('process ' || l.pid, 'a prepared transaction')
    from pg_locks as l
    join pg_class as c on c.oid = l.relation
    join pg_namespace as n on n.oid = c.relnamespace
    left join pg_extension as e on e.extnamespace = n.oid
    where l.locktype = 'relation'
      and l.database = (select d.oid from pg_database as d where d.datname = current_database())
      and l.pid is distinct from pg_backend_pid()
      and (n.nspname in ('attune', 'attune_private') or e.extname = 'pg_stat_statements')
      and (
        l.mode = 'AccessExclusiveLock'
        -- The last number of a sequence is looked up as if one were taken.
        or c.relkind = 'S' and l.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock')
      )
    order by 1
  );
end;
comment on function attune_private.lock_holders() is
  'Who else has, or waits for, a lock on something of ours that keeps us from looking at it.';
revoke all on function attune_private.lock_holders() from public;
--! EndIncluded health/private/lock_holders.sql
--! Included health/private/require_reader_of_health.sql
create or replace function attune_private.require_reader_of_health()
returns void
language plpgsql stable parallel restricted security invoker
set search_path = pg_catalog, pg_temp
set lock_timeout = '50ms'
as $$
begin
  -- Who needs no row of ours is let in whatever is locked.
  if attune_private.is_trusted() is not true then
    perform attune_private.require_administrator(attune_private.current_caller());
  end if;
exception when lock_not_available then
  raise exception using
    errcode = 'PT409',
    message = 'Who is asking cannot be found out: somebody holds a lock on users or sessions',
    detail = 'lock_timeout',
    hint = 'Try again, or let attune doctor or a trusted server ask, which say whose it is.';
end;
$$;
comment on function attune_private.require_reader_of_health() is
  'Passes for administrators and trusted servers, the latter also while tables are locked; refuses everybody else: '
  '`admin_required`, `not_signed_in`, or `lock_timeout`.';
revoke all on function attune_private.require_reader_of_health() from public;
--! EndIncluded health/private/require_reader_of_health.sql
--! Included health/private/database_health.sql
create or replace function attune_private.database_health()
returns attune.database_health
language plpgsql stable parallel restricted security invoker
set search_path = pg_catalog, pg_temp
-- What is locked against everybody is not waited for: then this is wanted most.
set lock_timeout = '50ms'
as $$
declare
  health attune.database_health;
  owner constant text := current_user;
  locked text[] := '{}';
  holders text[];
begin
  health.measured_at := clock_timestamp();
  health.server_version := current_setting('server_version');
  health.started_at := pg_postmaster_start_time();
  health.database_bytes := pg_database_size(current_database());
  health.transaction_id_percent := (
    select greatest(age(d.datfrozenxid), mxid_age(d.datminmxid)) / 21474836.48
    from pg_database as d
    where d.datname = current_database()
  );
  health.connections := attune_private.connection_health();
  health.longest_transactions := array(select t from attune_private.longest_transactions() as t);
  health.lock_waits := array(select w from attune_private.lock_waits() as w);
  health.replication := attune_private.replication_health();
  health.unused_indexes := array(select i from attune_private.unused_indexes() as i);
  health.sequences := '{}';
  health.slow_statements := '{}';
  health.tables := '{}';
  health.backlogs := '{}';
  health.maintenance := '{}';
  health.limits := '{}';

  if not pg_has_role(owner, 'pg_read_all_stats', 'usage') then
    health.limits := health.limits || row(
      'connections',
      format('%s, who owns the functions, does not see what other roles do: states, transactions, standbys, statements.', owner),
      format('As a superuser: grant pg_monitor to %I', owner)
    )::attune.health_limit;
  end if;

  if not exists (select from pg_extension as e where e.extname = 'pg_stat_statements') then
    health.limits := health.limits || row(
      'slow_statements',
      'The extension pg_stat_statements is not there.',
      'Add it to shared_preload_libraries, restart PostgreSQL, and: create extension pg_stat_statements'
    )::attune.health_limit;
  end if;

  begin
    health.slow_statements := array(select s from attune_private.slow_statements() as s);
  exception when object_not_in_prerequisite_state or insufficient_privilege then
    health.limits := health.limits || row(
      'slow_statements',
      initcap(left(sqlerrm, 1)) || substr(sqlerrm, 2) || '.',
      format(
        'Add pg_stat_statements to shared_preload_libraries and restart PostgreSQL; let %I use the schema that it is in.', owner
      )
    )::attune.health_limit;
  when lock_not_available then
    locked := locked || text 'slow_statements';
  end;

  begin
    health.sequences := array(select s from attune_private.sequence_health() as s);
  exception when lock_not_available then
    locked := locked || text 'sequences';
  end;

  begin
    health.tables := array(select t from attune_private.table_health() as t);
  exception when lock_not_available then
    locked := locked || text 'tables';
  end;

  begin
    health.activity := attune_private.activity_health();
  exception when lock_not_available then
    locked := locked || text 'activity';
  end;

  begin
    health.preference_query_ms := attune_private.preference_query_ms();
  exception when lock_not_available then
    locked := locked || text 'preference_query_ms';
  end;

  begin
    health.audit := attune_private.audit_health();
  exception when lock_not_available then
    locked := locked || text 'audit';
  end;

  begin
    health.backlogs := array(select b from attune_private.backlogs() as b);
  exception when lock_not_available then
    locked := locked || text 'backlogs';
  end;

  begin
    health.maintenance := array(select m from attune_private.maintenance_health() as m);
    health.last_backup_at := attune_private.last_backup_at();
  exception when lock_not_available then
    locked := locked || text 'maintenance';
  end;

  if cardinality(locked) > 0 then
    holders := attune_private.lock_holders();
    health.limits := health.limits || array(
      select row(
        l.subject,
        format(
          '%s cannot be seen, as something of it is locked: %s.',
          l.subject,
          case when cardinality(holders) = 0 then 'by somebody who just ended' else 'see ' || array_to_string(holders, ', ') end
        ),
        'See lock_waits and longest_transactions, and look again; pg_terminate_backend(pid) ends a process.'
      )::attune.health_limit
      from unnest(locked) as l (subject)
    );
  end if;

  return health;
end;
$$;
comment on function attune_private.database_health() is 'See `attune.database_health`.';
revoke all on function attune_private.database_health() from public;
--! EndIncluded health/private/database_health.sql
--! Included health/database_health.sql
create or replace function attune.database_health()
returns attune.database_health
language plpgsql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform attune_private.require_reader_of_health();
  return attune_private.database_health();
end;
$$;
comment on function attune.database_health() is
  'Whether the database is well: sizes, connections, locks, replication, what is due and what is late. '
  'It counts no table, so it takes no longer the more there is; `health_alerts` says which of it is not well. '
  'What cannot be seen, as it is locked, is null or left out, and `limits` says why and by whom: no lock is waited for. '
  'For administrators and trusted servers. '
  'Refused: `admin_required`, `lock_timeout`.';
revoke all on function attune.database_health() from public;
grant execute on function attune.database_health() to anon, authenticated, service_role;
--! EndIncluded health/database_health.sql
--! Included health/private/health_alerts.sql
create or replace function attune_private.health_alerts(health attune.database_health)
returns setof attune.health_alert
language plpgsql stable parallel restricted security invoker
rows 5
set search_path = pg_catalog, pg_temp
-- What is locked against everybody is not waited for: then this is wanted most.
set lock_timeout = '50ms'
as $$
declare
  mebibyte constant double precision := 1048576;
  thresholds jsonb := '{}';
  first_measured_at timestamptz;
begin
  begin
    thresholds := (
      select jsonb_object_agg(d.key, attune_private.system_setting(d.key))
      from attune.setting_definitions as d
      where d.key like 'HEALTH\_%'
    );
  exception when lock_not_available then
    -- Then those hold that are shipped.
    null;
  end;

  begin
    first_measured_at := (
      select min(m.measured_at) from attune_private.measured_tables as m where m.table_name = 'attune.users'
    );
  exception when lock_not_available then
    null;
  end;

  return query
    with rules (name, severity, setting, shipped, unit, message, remedy) as (
      values
      (
        'checksum_failures', 'critical', 'HEALTH_CHECKSUM_FAILURES', 1, 'blocks',
        '%2$s damaged blocks were found since the statistics were reset',
        'Look into PostgreSQL''s log which they are, restore a backup elsewhere, and replace the disk.'
      ),
      (
        'transaction_ids', 'critical', 'HEALTH_TRANSACTION_IDS_PERCENT', 50, '%',
        '%2$s %% of the numbers of transactions were given since the database was last frozen',
        'End old transactions, prepared ones and unused replication slots, then: vacuum freeze'
      ),
      (
        'sequence', 'critical', 'HEALTH_SEQUENCE_PERCENT', 80, '%',
        '%1$s has given %2$s %% of its numbers',
        'Find what takes so many numbers, and stop it.'
      ),
      (
        'connections', 'critical', 'HEALTH_CONNECTIONS_PERCENT', 80, '%',
        '%2$s %% of the connections are taken',
        'See connections for who has them: lower POOL_SIZE, put pgbouncer in between, or raise max_connections.'
      ),
      (
        'lock_wait', 'critical', 'HEALTH_LOCK_WAIT_SECONDS', 30, 's',
        'Process %1$s has waited for a lock for %2$s s',
        'See lock_waits for whom it waits; pg_terminate_backend(pid) ends that one.'
      ),
      (
        'preference_query_slow', 'warning', 'HEALTH_PREFERENCE_QUERY_MS', 100, 'ms',
        'Finding out what applies to a user took %2$s ms',
        'Look at the other alerts first; then: analyze, and see whether the machine is busy.'
      ),
      (
        'slow_statement', 'advice', 'HEALTH_STATEMENT_MS', 500, 'ms',
        'A statement takes %2$s ms on average: %1$s',
        'See it with explain (analyze, buffers); it may want an index, or fewer rows at a time.'
      ),
      (
        'rolled_back', 'warning', 'HEALTH_ERROR_PERCENT', 10, '%',
        '%2$s %% of the transactions since it was last measured were rolled back',
        'See the servers'' logs for what is refused or fails, and who asks for it.'
      ),
      (
        'cache_misses', 'advice', 'HEALTH_CACHE_MISS_PERCENT', 10, '%',
        '%2$s %% of the blocks that were read were not in PostgreSQL''s cache',
        'Raise shared_buffers to a quarter of the memory, or give the machine more.'
      ),
      (
        'long_transaction', 'warning', 'HEALTH_TRANSACTION_SECONDS', 300, 's',
        '%1$s has been open for %2$s s',
        'See longest_transactions; pg_terminate_backend(pid) ends it, or rollback prepared one that is prepared.'
      ),
      (
        'deadlocks', 'advice', 'HEALTH_DEADLOCKS', 10, 'deadlocks',
        'There were %2$s deadlocks since it was last measured',
        'PostgreSQL''s log has the statements: write the same rows in the same order.'
      ),
      (
        'dead_rows', 'warning', 'HEALTH_DEAD_ROWS_PERCENT', 20, '%',
        '%2$s %% of the rows of %1$s are dead',
        'Vacuum it, end what is open for long, and let autovacuum come sooner (autovacuum_vacuum_scale_factor).'
      ),
      (
        'unused_index', 'advice', 'HEALTH_UNUSED_INDEX_MEGABYTES', 100, 'MiB',
        '%1$s takes %2$s MiB, and nothing has used it for a week or longer',
        'See whether a standby uses it; if not, tell us of one of ours, and drop one of yours.'
      ),
      (
        'missing_index', 'advice', 'HEALTH_ROWS_PER_SCAN', 100000, 'rows',
        '%1$s is read whole again and again, %2$s rows at a time',
        'See slow_statements for what reads it, with explain; it may want an index, or analyze.'
      ),
      (
        'replication_lag', 'warning', 'HEALTH_REPLICATION_LAG_SECONDS', 60, 's',
        '%1$s is %2$s s behind',
        'See the standby''s log, its disk and the network; a long query there may hold up what is replayed.'
      ),
      (
        'replication_slot', 'critical', 'HEALTH_REPLICATION_SLOT_MEGABYTES', 1024, 'MiB',
        '%2$s MiB of WAL are kept for %1$s, from which nobody reads',
        'Start its reader, or: select pg_drop_replication_slot(slot_name)'
      ),
      (
        'audit_growth', 'advice', 'HEALTH_AUDIT_MEGABYTES_PER_DAY', 10, 'MiB',
        'The audit log grew by %2$s MiB in a day',
        'See audit_changes_per_day and most_changed_settings for what is written; purge_audit removes old months.'
      ),
      (
        'unsealed', 'warning', 'HEALTH_UNSEALED_SECONDS', 600, 's',
        'The audit log has rows that have not been sealed for %2$s s',
        'Let a server run with MAINTENANCE, or call seal_audit every minute; see maintenance for why it fails.'
      ),
      (
        'unpartitioned_rows', 'warning', 'HEALTH_UNPARTITIONED_ROWS', 1, 'rows',
        '%2$s rows of the audit log or its seals found no partition of their month',
        'Let the maintenance make_partitions run, which makes those of the months to come; purge_audit removes these in time.'
      ),
      (
        'backlog', 'warning', 'HEALTH_BACKLOG_SECONDS', 900, 's',
        'What is due of %1$s has been waiting for %2$s s',
        'Let its worker run: claim_mails, claim_deliveries, or a server with MAINTENANCE for change sets and rollouts.'
      ),
      (
        'given_up', 'warning', 'HEALTH_GIVEN_UP', 1, 'items',
        '%2$s of %1$s were given up',
        'See what they say: problem or last_error of what is sent, failure of change sets and rollouts.'
      ),
      (
        'maintenance_late', 'warning', 'HEALTH_MAINTENANCE_LATE_SECONDS', 3600, 's',
        '%1$s should have been done %2$s s ago',
        'Let a server run with MAINTENANCE, or: attune maintain'
      ),
      (
        'maintenance_failed', 'warning', 'HEALTH_MAINTENANCE_FAILED', 1, 'failures',
        '%1$s failed the last time',
        'maintenance_operations says why; then: attune maintain'
      ),
      (
        'backup_old', 'warning', 'HEALTH_BACKUP_DAYS', 7, 'days',
        'No backup was written down for %2$s days',
        'attune dump writes it down; after another backup call record_backup.'
      )
    ),
    -- What there is too little of to judge by is left out.
    observed (name, subject, value) as (
      select 'checksum_failures', '', (health.activity).checksum_failures
      union all
      select 'transaction_ids', '', health.transaction_id_percent
      union all
      select 'sequence', s.sequence_name, s.used_percent from unnest(health.sequences) as s
      union all
      select 'connections', '', (health.connections).used_percent
      union all
      select 'lock_wait', w.pid::text, w.seconds from unnest(health.lock_waits) as w
      union all
      select 'preference_query_slow', '', health.preference_query_ms
      union all
      select 'slow_statement', s.statement, s.mean_ms from unnest(health.slow_statements) as s where s.calls >= 100
      union all
      select 'rolled_back', '', (health.activity).rolled_back_percent
      where (health.activity).committed + (health.activity).rolled_back >= 1000
      union all
      select 'cache_misses', '', 100 - (health.activity).cache_hit_percent
      where (health.activity).blocks_hit + (health.activity).blocks_read >= 100000
      union all
      select
        'long_transaction',
        coalesce('process ' || t.pid, 'a prepared transaction of ' || t.role),
        t.seconds
      from unnest(health.longest_transactions) as t
      union all
      select 'deadlocks', '', (health.activity).deadlocks
      union all
      select 'dead_rows', t.table_name, t.dead_percent from unnest(health.tables) as t where t.dead_rows >= 10000
      union all
      select 'missing_index', t.table_name, t.rows_per_scan from unnest(health.tables) as t where t.sequential_scans >= 1000
      union all
      select 'unused_index', i.index_name, i.bytes / mebibyte
      from unnest(health.unused_indexes) as i
      -- Nor has it been used since the start where nobody says since when statistics count.
      where coalesce((health.activity).statistics_since, health.started_at) <= health.measured_at - interval '7 days'
      union all
      select 'replication_lag', 'this standby', (health.replication).replay_lag_seconds
      union all
      select 'replication_lag', s.application_name, s.lag_seconds from unnest((health.replication).standbys) as s
      union all
      select 'replication_slot', s.slot_name, s.retained_bytes / mebibyte
      from unnest((health.replication).slots) as s
      where not s.is_active
      union all
      select 'audit_growth', '', (health.audit).bytes_last_day / mebibyte
      union all
      select 'unsealed', '', extract(epoch from health.measured_at - (health.audit).oldest_unsealed_at)
      union all
      select 'unpartitioned_rows', '', (health.audit).unpartitioned_rows
      union all
      select 'backlog', b.name::text, extract(epoch from health.measured_at - b.oldest_due_at)
      from unnest(health.backlogs) as b
      union all
      select 'given_up', b.name::text, b.given_up from unnest(health.backlogs) as b
      union all
      select 'maintenance_late', m.operation::text, m.seconds_late from unnest(health.maintenance) as m
      union all
      select 'maintenance_failed', m.operation::text, (m.last_status in ('failed', 'abandoned'))::integer
      from unnest(health.maintenance) as m
      union all
      -- Where there never was one, it counts from when there was something to measure.
      select
        'backup_old',
        '',
        extract(epoch from health.measured_at - coalesce(health.last_backup_at, first_measured_at)) / 86400
      -- Which was the last is not known while maintenance cannot be seen.
      where not exists (select from unnest(health.limits) as l where l.subject = 'maintenance')
    )
    select
      r.name::attune.alert_name,
      o.subject,
      r.severity::attune.alert_severity,
      o.value,
      t.threshold,
      r.setting,
      r.unit,
      format(r.message, o.subject, trim_scale(round(o.value::numeric, 1))) || '.',
      r.remedy
    from rules as r
    cross join lateral (
      select coalesce((thresholds -> r.setting)::double precision, r.shipped)
    ) as t (threshold)
    join (
      select p.name, p.subject, max(p.value)::double precision as value
      from observed as p
      group by p.name, p.subject
    ) as o on o.name = r.name
    where t.threshold > 0
      and o.value >= t.threshold
    order by r.severity::attune.alert_severity desc, r.name::attune.alert_name, o.value desc, o.subject;
end;
$$;
comment on function attune_private.health_alerts(attune.database_health) is
  'What of a state of the database is not well, the worst first, by the thresholds that are set; while those are '
  'locked against everybody, by the ones that Attune comes with.';
revoke all on function attune_private.health_alerts(attune.database_health) from public;
--! EndIncluded health/private/health_alerts.sql
--! Included health/health_alerts.sql
create or replace function attune.health_alerts()
returns setof attune.health_alert
language plpgsql stable parallel restricted security definer
rows 5
set search_path = pg_catalog, pg_temp
as $$
begin
  perform attune_private.require_reader_of_health();
  return query select a.* from attune_private.health_alerts(attune_private.database_health()) as a;
end;
$$;
comment on function attune.health_alerts() is
  'What of `database_health` is not well, the worst first, and what to do about it; nothing when all is. '
  'From what value on there is an alert says a setting of category `system` for each, `HEALTH_…`; 0 switches it off. '
  'While the settings are locked against everybody, those hold that Attune comes with. '
  'For administrators and trusted servers. '
  'Refused: `admin_required`, `lock_timeout`.';
revoke all on function attune.health_alerts() from public;
grant execute on function attune.health_alerts() to anon, authenticated, service_role;
--! EndIncluded health/health_alerts.sql
