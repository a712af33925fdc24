--! Previous: sha1:99a87feffbad43613c24098b29412df301cb8559
--! Hash: sha1:7d51e5e574b8e4e1ea283936de473bab4da2ff0d
--! Message: maintenance

-- What is done again and again, by hand or by a schedule, and the record of it.

-- When

--!include maintenance/private/is_cron.sql
create table attune.maintenance_schedules (
  operation attune.maintenance_task not null
    constraint maintenance_schedules_pkey primary key,
  cron text
    constraint maintenance_schedules_cron_check check (
      cron is null or char_length(cron) <= 200 and attune_private.is_cron(cron)
    ),
  scheduled_at timestamptz not null default now(),
  last_started_at timestamptz,
  last_completed_at timestamptz,
  last_status attune.maintenance_status
) with (fillfactor = 50);
comment on table attune.maintenance_schedules is
  'What keeps the database well: when it is done, and when it was done last. '
  'For administrators to read; the owner changes the times, by SQL.';
comment on column attune.maintenance_schedules.operation is 'What is done.';
comment on column attune.maintenance_schedules.cron is
  'When, in UTC, as cron has it: minute, hour, day of the month, month, day of the week, such as `"17 3 * * *"`; null: '
  'only by hand. '
  'Servers read it every half minute.';
comment on column attune.maintenance_schedules.scheduled_at is 'Since when it is done at these times.';
comment on column attune.maintenance_schedules.last_started_at is 'When it was begun last.';
comment on column attune.maintenance_schedules.last_completed_at is 'When it was last done to its end.';
comment on column attune.maintenance_schedules.last_status is 'What became of it the last time.';

alter table attune.maintenance_schedules enable row level security;
create policy maintenance_schedules_select_admin on attune.maintenance_schedules for select to authenticated
  using ((select attune.is_admin()));
create policy maintenance_schedules_select_service_role on attune.maintenance_schedules for select to service_role
  using (true);

--!include maintenance/triggers/tg_maintenance_schedules__schedule.sql
create trigger _100_schedule before update of cron on attune.maintenance_schedules
  for each row when (old.cron is distinct from new.cron)
  execute function attune_private.tg_maintenance_schedules__schedule();

revoke all on attune.maintenance_schedules from public;
grant select on attune.maintenance_schedules to authenticated, service_role;

insert into attune.maintenance_schedules (operation, cron) values
  ('seal_audit', '* * * * *'),
  ('apply_due_changes', '* * * * *'),
  ('make_partitions', '23 * * * *'),
  ('remove_expired', '17 3 * * *'),
  ('apply_audit_retention', '41 3 * * *'),
  ('analyze', '7 4 * * *'),
  ('seed_existing_users', null);

-- How: a function for each, which does one batch

create type attune_private.maintenance_step as (affected_rows bigint, is_complete boolean, details jsonb);
comment on type attune_private.maintenance_step is
  'What a batch came to: how many rows it affected, whether it was the last, and what the next one has to know.';

--!include maintenance/private/maintain_seal_audit.sql
--!include maintenance/private/maintain_apply_due_changes.sql
--!include maintenance/private/maintain_make_partitions.sql
--!include maintenance/private/maintain_remove_expired.sql
--!include maintenance/private/maintain_apply_audit_retention.sql
--!include maintenance/private/maintain_analyze.sql
--!include maintenance/private/maintain_seed_existing_users.sql

-- Doing it

--!include maintenance/maintenance_operations_is_stale.sql
--!include maintenance/private/begin_maintenance.sql
--!include maintenance/private/end_maintenance.sql
--!include maintenance/begin_maintenance.sql
--!include maintenance/maintain.sql
--!include maintenance/run_maintenance.sql

-- Backups, which others make

create type attune.backup_kind as enum ('logical', 'physical');
comment on type attune.backup_kind is
  E'@value logical The rows were written out, as by `attune dump` or `pg_dump`.\n'
  '@value physical The data folder was copied, as by `pg_basebackup` or a snapshot of the disk.\n'
  'How a backup was made.';

--!include maintenance/private/last_backup_at.sql
--!include maintenance/record_backup.sql
