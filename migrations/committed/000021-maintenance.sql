--! Previous: sha1:dfad4b1f9974515927ed3b673533312c6e6f7e3e
--! Hash: sha1:2eb2f0dad739231f86c96a3bd96b331cc23c2f19
--! Message: maintenance

-- What is done again and again, by hand or by a schedule, and the record of it.

-- When

--! Included maintenance/private/is_cron.sql
create or replace function attune_private.is_cron(cron text)
returns boolean
language sql immutable parallel safe security invoker
begin atomic
  with fields as (
    select f.field, f.place, b.low, b.high
    from regexp_split_to_table(is_cron.cron, ' ') with ordinality as f (field, place)
    left join (values (1, 0, 59), (2, 0, 23), (3, 1, 31), (4, 1, 12), (5, 0, 6)) as b (place, low, high)
      on b.place = f.place
  ),
  parts as (
    select
      regexp_match(p.part, '^(?:\*(?:/(\d{1,2}))?|(\d{1,2})(?:-(\d{1,2}))?)$') as part,
      f.low,
      f.high
    from fields as f
    cross join regexp_split_to_table(f.field, ',') as p (part)
  )
  select (select count(*) from fields) = 5
    and not exists (
      select
      from parts as p
      where p.part is null
        or coalesce(p.part[1]::integer < 1, false)
        or coalesce(p.part[2]::integer not between p.low and p.high, false)
        or coalesce(p.part[3]::integer not between p.part[2]::integer + 1 and p.high, false)
    )
    -- Where both are named, one wants both of them, another either.
    and is_cron.cron ~ '^\S+ \S+ (\* \S+ \S+|\S+ \S+ \*)$'
    -- No February has 30 days, and some months have no 31.
    and is_cron.cron !~ ' (3[01]([,-]3[01])* 0?2(,0?2)*|31(,31)* (0?[2469]|11)(,(0?[2469]|11))*) \*$';
end;
comment on function attune_private.is_cron(text) is
  'Whether a text is five fields as cron has them: `*`, each nth (`*/5`), a number, a range, or several with commas '
  'between them; of the days either those of the month or those of the week, and such as there are. '
  'Some read more; all who are asked to read this do, and alike.';
revoke all on function attune_private.is_cron(text) from public;
--! EndIncluded maintenance/private/is_cron.sql
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

--! Included maintenance/triggers/tg_maintenance_schedules__schedule.sql
create or replace function attune_private.tg_maintenance_schedules__schedule()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  new.scheduled_at := now();
  return new;
end;
$$;
comment on function attune_private.tg_maintenance_schedules__schedule() is
  'Notes since when something is done at other times: before, it could not be late.';
revoke all on function attune_private.tg_maintenance_schedules__schedule() from public;
--! EndIncluded maintenance/triggers/tg_maintenance_schedules__schedule.sql
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

--! Included maintenance/maintenance_schedules_is_missed.sql
create or replace function attune.maintenance_schedules_is_missed(schedule attune.maintenance_schedules)
returns boolean
language sql stable parallel safe security invoker
begin atomic
  select schedule.cron is not null
    and (
      schedule.last_completed_at is null
      or schedule.cron like '% * * *' and schedule.last_completed_at < now() - interval '25 hours'
    );
end;
comment on function attune.maintenance_schedules_is_missed(attune.maintenance_schedules) is
  'Whether it has times and was never done, or is to be done every day and was not for more than a day: a server does '
  'it when it starts.';
revoke all on function attune.maintenance_schedules_is_missed(attune.maintenance_schedules) from public;
grant execute on function attune.maintenance_schedules_is_missed(attune.maintenance_schedules)
  to anon, authenticated, service_role;
--! EndIncluded maintenance/maintenance_schedules_is_missed.sql

-- How: a function for each, which does one batch

create type attune_private.maintenance_step as (affected_rows bigint, is_complete boolean, details jsonb);
comment on type attune_private.maintenance_step is
  'What a batch came to: how many rows it affected, whether it was the last, and what the next one has to know.';

--! Included maintenance/private/maintain_seal_audit.sql
create or replace function attune_private.maintain_seal_audit(batch_size integer, details jsonb)
returns attune_private.maintenance_step
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  return row(attune.seal_audit(), true, details)::attune_private.maintenance_step;
end;
$$;
comment on function attune_private.maintain_seal_audit(integer, jsonb) is
  'Seals what is new in the audit log.';
revoke all on function attune_private.maintain_seal_audit(integer, jsonb) from public;
--! EndIncluded maintenance/private/maintain_seal_audit.sql
--! Included maintenance/private/maintain_apply_due_changes.sql
create or replace function attune_private.maintain_apply_due_changes(batch_size integer, details jsonb)
returns attune_private.maintenance_step
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  handled integer;
begin
  handled := attune.apply_due_changes(least(batch_size, 1000));
  return row(handled, handled = 0, details)::attune_private.maintenance_step;
end;
$$;
comment on function attune_private.maintain_apply_due_changes(integer, jsonb) is
  'Applies change sets and steps of rollouts that are due, a batch.';
revoke all on function attune_private.maintain_apply_due_changes(integer, jsonb) from public;
--! EndIncluded maintenance/private/maintain_apply_due_changes.sql
--! Included maintenance/private/maintain_make_partitions.sql
create or replace function attune_private.maintain_make_partitions(batch_size integer, details jsonb)
returns attune_private.maintenance_step
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  return row(
    attune_private.make_audit_partitions('attune.configuration_audit_log')
      + attune_private.make_audit_partitions('attune_private.sealed_rows'),
    true,
    details
  )::attune_private.maintenance_step;
end;
$$;
comment on function attune_private.maintain_make_partitions(integer, jsonb) is
  'Makes the partitions of the audit log and of its seals for this month and the next two.';
revoke all on function attune_private.maintain_make_partitions(integer, jsonb) from public;
--! EndIncluded maintenance/private/maintain_make_partitions.sql
--! Included maintenance/private/maintain_remove_expired.sql
create or replace function attune_private.maintain_remove_expired(batch_size integer, details jsonb)
returns attune_private.maintenance_step
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  removed bigint;
begin
  removed := attune_private.remove_expired(batch_size => batch_size);
  return row(removed, removed = 0, details)::attune_private.maintenance_step;
end;
$$;
comment on function attune_private.maintain_remove_expired(integer, jsonb) is
  'Removes what has expired, a batch of each kind.';
revoke all on function attune_private.maintain_remove_expired(integer, jsonb) from public;
--! EndIncluded maintenance/private/maintain_remove_expired.sql
--! Included maintenance/private/maintain_apply_audit_retention.sql
create or replace function attune_private.maintain_apply_audit_retention(batch_size integer, details jsonb)
returns attune_private.maintenance_step
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  retention constant integer := attune_private.system_setting('AUDIT_RETENTION_DAYS')::integer;
begin
  if retention is null then
    details := details || jsonb_build_object('skipped', 'AUDIT_RETENTION_DAYS is not set');
    return row(0, true, details)::attune_private.maintenance_step;
  end if;

  -- A purge is for ever in the records: where there is nothing to purge, there is none.
  if not exists (
    select
    from attune.configuration_audit_log as l
    where l.occurred_at < date_trunc('month', now() - make_interval(days => retention), 'UTC')
  ) then
    return row(0, true, details)::attune_private.maintenance_step;
  end if;

  return row(
    attune.purge_audit(make_interval(days => retention), format('AUDIT_RETENTION_DAYS is %s', retention)), true, details
  )::attune_private.maintenance_step;
end;
$$;
comment on function attune_private.maintain_apply_audit_retention(integer, jsonb) is
  'Removes months of the audit log that are older than `AUDIT_RETENTION_DAYS`, where that is set.';
revoke all on function attune_private.maintain_apply_audit_retention(integer, jsonb) from public;
--! EndIncluded maintenance/private/maintain_apply_audit_retention.sql
--! Included maintenance/private/maintain_analyze.sql
create or replace function attune_private.maintain_analyze(batch_size integer, details jsonb)
returns attune_private.maintenance_step
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  next record;
begin
  select c.oid, c.oid::regclass::text as name
  into next
  from pg_catalog.pg_class as c
  left join pg_catalog.pg_stat_all_tables as s on s.relid = c.oid
  where c.relnamespace in ('attune'::regnamespace, 'attune_private'::regnamespace)
    -- Partitions come with the table that they belong to, which nobody else analyzes.
    and (c.relkind = 'p' or c.relkind = 'r' and not c.relispartition and s.n_mod_since_analyze > 0)
    and c.oid > coalesce(details ->> 'after', '0')::oid
  order by c.oid
  limit 1;

  if not found then
    return row(0, true, details - 'after')::attune_private.maintenance_step;
  end if;

  -- What autovacuum is at need not be done twice.
  execute format('analyze (skip_locked) %s', next.oid::regclass);
  details := details || jsonb_build_object('after', next.oid, 'table', next.name);
  return row(1, false, details)::attune_private.maintenance_step;
end;
$$;
comment on function attune_private.maintain_analyze(integer, jsonb) is
  'Makes the planner''s statistics of the next table anew that was written to.';
revoke all on function attune_private.maintain_analyze(integer, jsonb) from public;
--! EndIncluded maintenance/private/maintain_analyze.sql
--! Included maintenance/private/maintain_seed_existing_users.sql
create or replace function attune_private.maintain_seed_existing_users(batch_size integer, details jsonb)
returns attune_private.maintenance_step
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  seeded integer;
begin
  seeded := attune.seed_existing_users(batch_size);
  return row(seeded, seeded = 0, details)::attune_private.maintenance_step;
end;
$$;
comment on function attune_private.maintain_seed_existing_users(integer, jsonb) is
  'Gives a batch of users who are there the values that new users get a copy of.';
revoke all on function attune_private.maintain_seed_existing_users(integer, jsonb) from public;
--! EndIncluded maintenance/private/maintain_seed_existing_users.sql

-- Doing it

--! Included maintenance/maintenance_operations_is_stale.sql
create or replace function attune.maintenance_operations_is_stale(operation attune.maintenance_operations)
returns boolean
language sql stable parallel safe security invoker
begin atomic
  select operation.status = 'running' and operation.progressed_at < now() - interval '10 minutes';
end;
comment on function attune.maintenance_operations_is_stale(attune.maintenance_operations) is
  'Whether it is said to be running although nothing was done for ten minutes: whoever did it went away.';
revoke all on function attune.maintenance_operations_is_stale(attune.maintenance_operations) from public;
grant execute on function attune.maintenance_operations_is_stale(attune.maintenance_operations)
  to anon, authenticated, service_role;
--! EndIncluded maintenance/maintenance_operations_is_stale.sql
--! Included maintenance/private/begin_maintenance.sql
create or replace function attune_private.begin_maintenance(
  caller attune_private.caller, operation attune.maintenance_task
)
returns attune.maintenance_operations
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  run attune.maintenance_operations;
begin
  perform attune_private.require_administrator(caller);

  -- One at a time: whoever dies lets go of it.
  begin
    perform from attune.maintenance_schedules as s where s.operation = begin_maintenance.operation for update nowait;
  exception when lock_not_available then
    raise exception using
      errcode = 'PT409',
      message = format('%s is being done just now', begin_maintenance.operation),
      detail = 'maintenance_running',
      hint = 'Try again when that is over: maintenance_operations says how far it is.';
  end;

  if not found then
    raise exception using
      errcode = 'PT400',
      message = format('%s is nothing that is done again and again', coalesce(begin_maintenance.operation::text, 'null')),
      detail = 'no_maintenance',
      hint = 'Send an operation that maintenance_schedules lists.';
  end if;

  select m.* into run
  from attune.maintenance_operations as m
  where m.operation = begin_maintenance.operation
    and m.status = 'running';

  if attune.maintenance_operations_is_stale(run) then
    run.status := 'abandoned';
    run.error := format('Nothing was done since %s: whoever did it went away.', to_jsonb(run.progressed_at) #>> '{}');
    perform attune_private.end_maintenance(run);
    run := null;
  end if;

  if run.id is null then
    insert into attune.maintenance_operations (operation, status, completed_at, actor_id, actor_role)
    values (begin_maintenance.operation, 'running', null, caller.user_id, attune_private.request_role())
    returning * into run;

    update attune.maintenance_schedules as s
    set last_started_at = run.started_at, last_status = 'running'
    where s.operation = begin_maintenance.operation;
  end if;

  return run;
end;
$$;
comment on function attune_private.begin_maintenance(attune_private.caller, attune.maintenance_task) is
  'The run of an operation that is under way, or a new one, and nobody else at it until the transaction ends. '
  'A stale run is closed as `abandoned`. '
  'Refused: `admin_required`, `no_maintenance`, `maintenance_running`.';
revoke all on function attune_private.begin_maintenance(attune_private.caller, attune.maintenance_task) from public;
--! EndIncluded maintenance/private/begin_maintenance.sql
--! Included maintenance/private/end_maintenance.sql
create or replace function attune_private.end_maintenance(run attune.maintenance_operations)
returns attune.maintenance_operations
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  ended attune.maintenance_operations;
begin
  -- What comes to the same again and again is one row.
  delete from attune.maintenance_operations as m
  where m.id = (
    select max(p.id) from attune.maintenance_operations as p where p.operation = run.operation and p.id < run.id
  )
    and m.status = run.status
    and m.error is not distinct from run.error
    and (run.status = 'failed' or m.affected_rows = 0 and run.affected_rows = 0 and m.details = run.details)
    and (m.actor_id, m.actor_role) is not distinct from (run.actor_id, run.actor_role)
  returning m.runs + 1, m.same_since into run.runs, run.same_since;

  update attune.maintenance_operations as m
  set
    status = run.status,
    completed_at = clock_timestamp(),
    error = run.error,
    runs = coalesce(run.runs, m.runs),
    same_since = coalesce(run.same_since, m.same_since)
  where m.id = run.id
  returning m.* into ended;

  update attune.maintenance_schedules as s
  set
    last_status = ended.status,
    last_completed_at = case when ended.status = 'completed' then ended.completed_at else s.last_completed_at end
  where s.operation = ended.operation;

  return ended;
end;
$$;
comment on function attune_private.end_maintenance(attune.maintenance_operations) is
  'Closes a run as its status says. '
  'Where the run before it came to nothing as well, or failed in the same way, this one takes its place and counts it.';
revoke all on function attune_private.end_maintenance(attune.maintenance_operations) from public;
--! EndIncluded maintenance/private/end_maintenance.sql
--! Included maintenance/begin_maintenance.sql
create or replace function attune.begin_maintenance(operation attune.maintenance_task)
returns attune.maintenance_operations
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  select attune_private.begin_maintenance(attune_private.current_caller(), begin_maintenance.operation);
$$;
comment on function attune.begin_maintenance(attune.maintenance_task) is
  E'@param operation One of those in `maintenance_schedules`.\n'
  'Writes down that an operation begins, and does nothing yet: `maintain` does, a batch a call, and others see '
  'meanwhile that it is under way. '
  'Where it is under way already, that run is returned. '
  'For administrators and trusted servers. '
  'Refused: `admin_required`, `no_maintenance`, `maintenance_running`.';
revoke all on function attune.begin_maintenance(attune.maintenance_task) from public;
grant execute on function attune.begin_maintenance(attune.maintenance_task) to anon, authenticated, service_role;
--! EndIncluded maintenance/begin_maintenance.sql
--! Included maintenance/maintain.sql
create or replace function attune.maintain(operation attune.maintenance_task, batch_size integer default 1000)
returns attune.maintenance_operations
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  run attune.maintenance_operations := attune_private.begin_maintenance(
    attune_private.current_caller(), maintain.operation
  );
  step attune_private.maintenance_step;
begin
  perform attune_private.check_batch_size(maintain.batch_size, 100000, 'rows');

  -- What fails is taken back, and written down.
  begin
    execute format('select * from attune_private.%I($1, $2)', 'maintain_' || maintain.operation)
    into step
    using maintain.batch_size, run.details;
  exception when others or query_canceled then
    run.status := 'failed';
    run.error := left(sqlerrm, 1000);
    return attune_private.end_maintenance(run);
  end;

  update attune.maintenance_operations as m
  set
    affected_rows = m.affected_rows + step.affected_rows,
    details = step.details,
    progressed_at = clock_timestamp()
  where m.id = run.id
  returning m.* into run;

  if step.is_complete then
    run.status := 'completed';
    return attune_private.end_maintenance(run);
  end if;

  return run;
end;
$$;
comment on function attune.maintain(attune.maintenance_task, integer) is
  E'@param operation One of those in `maintenance_schedules`.\n'
  '@param batch_size At most so many rows a call, 1 to 100,000.\n'
  'Does a batch of what keeps the database well, such as removing what has expired, and returns how far it is: call '
  'it again for as long as the status is `running`. '
  'Two never do the same at once. '
  'What goes wrong is no error here: the status is `failed`, and `error` says why. '
  'For administrators and trusted servers. '
  'Refused: `admin_required`, `no_maintenance`, `maintenance_running`, `invalid_batch_size`.';
revoke all on function attune.maintain(attune.maintenance_task, integer) from public;
grant execute on function attune.maintain(attune.maintenance_task, integer) to anon, authenticated, service_role;
--! EndIncluded maintenance/maintain.sql
--! Included maintenance/run_maintenance.sql
create or replace procedure attune.run_maintenance(operation attune.maintenance_task, batch_size integer default 1000)
language plpgsql
-- Neither definer nor with settings of its own: it could not commit.
security invoker
as $$
declare
  run attune.maintenance_operations;
begin
  -- A size that is refused is refused before anything is written down.
  if run_maintenance.batch_size between 1 and 100000 then
    run := attune.begin_maintenance(run_maintenance.operation);
    commit;
  end if;

  loop
    run := attune.maintain(run_maintenance.operation, run_maintenance.batch_size);
    commit;
    exit when (run).status <> 'running';
  end loop;

  if (run).status = 'failed' then
    raise exception using
      errcode = 'PT422',
      message = pg_catalog.format('%s failed: %s', (run).operation, (run).error),
      detail = 'maintenance_failed',
      hint = 'maintenance_operations has the record of it.';
  end if;
end;
$$;
comment on procedure attune.run_maintenance(attune.maintenance_task, integer) is
  E'@behavior -*\n'
  'Does all of what keeps the database well of one kind, each batch in a transaction of its own: for psql and for '
  'pg_cron, `call attune.run_maintenance(''remove_expired'')`. '
  'Refused: as `maintain`; `maintenance_failed`.';
revoke all on procedure attune.run_maintenance(attune.maintenance_task, integer) from public;
grant execute on procedure attune.run_maintenance(attune.maintenance_task, integer) to service_role;
--! EndIncluded maintenance/run_maintenance.sql

-- Backups, which others make

create type attune.backup_kind as enum ('logical', 'physical');
comment on type attune.backup_kind is
  E'@value logical The rows were written out, as by `attune dump` or `pg_dump`.\n'
  '@value physical The data folder was copied, as by `pg_basebackup` or a snapshot of the disk.\n'
  'How a backup was made.';

--! Included maintenance/private/last_backup_at.sql
create or replace function attune_private.last_backup_at()
returns timestamptz
language sql stable parallel safe security invoker
begin atomic
  select max(m.started_at)
  from attune.maintenance_operations as m
  where m.operation = 'back_up'
    and m.status = 'completed';
end;
comment on function attune_private.last_backup_at() is
  'When the last backup was begun that is known here; NULL where none is.';
revoke all on function attune_private.last_backup_at() from public;
--! EndIncluded maintenance/private/last_backup_at.sql
--! Included maintenance/record_backup.sql
create or replace function attune.record_backup(kind attune.backup_kind, started_at timestamptz default null)
returns attune.maintenance_operations
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  backup attune.maintenance_operations;
begin
  if record_backup.kind is null then
    raise exception using
      errcode = 'PT422',
      message = 'Say how the backup was made',
      detail = 'kind_required',
      hint = 'Send "logical" or "physical" as the kind.';
  end if;

  if not isfinite(record_backup.started_at) and record_backup.started_at < clock_timestamp() then
    raise exception using
      errcode = 'PT400',
      message = 'A backup began at some moment',
      detail = 'moment_required',
      hint = 'Send when it was begun, or nothing for now.';
  end if;

  if record_backup.started_at > clock_timestamp() then
    raise exception using
      errcode = 'PT400',
      message = 'A backup that is made cannot begin in the future',
      detail = 'moment_in_future',
      hint = 'Send when it was begun, or nothing for now.';
  end if;

  insert into attune.maintenance_operations (operation, started_at, details, actor_role)
  values (
    'back_up',
    coalesce(record_backup.started_at, now()),
    jsonb_build_object('kind', record_backup.kind),
    attune_private.request_role()
  )
  returning * into backup;

  return backup;
end;
$$;
comment on function attune.record_backup(attune.backup_kind, timestamptz) is
  E'@param kind How the backup was made.\n'
  '@param started_at When it was begun, which is how old it is; null: now.\n'
  'Writes down that a backup was made, so that whoever looks after the database is told when there was none for long. '
  '`attune dump` does it by itself; call it after `pg_dump`, `pg_basebackup` or whatever else makes backups. '
  'For trusted servers and the owner. '
  'Refused: `kind_required`, `moment_required` (where it began before all time), `moment_in_future`.';
revoke all on function attune.record_backup(attune.backup_kind, timestamptz) from public;
grant execute on function attune.record_backup(attune.backup_kind, timestamptz) to service_role;
--! EndIncluded maintenance/record_backup.sql
