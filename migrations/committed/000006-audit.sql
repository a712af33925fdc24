--! Previous: sha1:75262c12fca2795143f0eb6862091c0559549b06
--! Hash: sha1:c7cc864e01799b4ae49cbd10c0ec11c8b206339e
--! Message: audit

--! Included audit/triggers/tg__append_only.sql
create or replace function attune_private.tg__append_only()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = '42501',
    message = format('%s is not allowed on %s', tg_op, tg_table_name),
    detail = 'append_only',
    hint = coalesce(tg_argv[0], 'Old audit rows are removed with purge_audit(older_than, reason).');
end;
$$;
comment on function attune_private.tg__append_only() is
  'Refuses (`append_only`) what would make history disappear, for the owner too. '
  'Its argument is the hint, where it is not about the audit log.';
revoke all on function attune_private.tg__append_only() from public;
--! EndIncluded audit/triggers/tg__append_only.sql
--! Included audit/triggers/tg__erase.sql
create or replace function attune_private.tg__erase()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Whom erase_user() has written down in this very transaction.
  recorded constant text[] := array(
    select m.details ->> 'user_id'
    from attune.maintenance_operations as m
    where m.transaction_id = pg_current_xact_id_if_assigned()
      -- What was restored from another cluster may have the same number.
      and m.started_at = now()
      and m.operation = 'erase_user'
  );
begin
  if recorded = '{}' or exists (
    select
    from previous as p
    full join changed as c on c.id = p.id
    where p.user_id::text = any (recorded) is not true
      or exists (select from attune.users as u where u.id = p.user_id)
      or to_jsonb(p) - tg_argv is distinct from to_jsonb(c) - tg_argv
      or exists (select from unnest(tg_argv) as a (name) where to_jsonb(c) ->> a.name is not null)
  ) then
    raise exception using
      errcode = '42501',
      message = format('%s is not allowed on %s', tg_op, tg_table_name),
      detail = 'append_only',
      hint = 'The records change only when a user is deleted: then they lose what is personal.';
  end if;

  return null;
end;
$$;
comment on function attune_private.tg__erase() is
  'Refuses (`append_only`) to change records, for the owner too, except to empty the columns named by its '
  'arguments, for a user who is gone and whom `erase_user` recorded in the same transaction.';
revoke all on function attune_private.tg__erase() from public;
--! EndIncluded audit/triggers/tg__erase.sql

-- What is done to the records themselves, and never undone

create type attune.maintenance_task as enum (
  'purge_audit', 'erase_user', 'seed_settings', 'rename_setting', 'purge_knowledge', 'seal_audit', 'apply_due_changes',
  'remove_expired', 'make_partitions', 'apply_audit_retention', 'analyze', 'seed_existing_users', 'measure_sizes', 'back_up',
  'mirror_auth_users'
);
comment on type attune.maintenance_task is
  E'@value purge_audit Old rows of the audit log were removed.\n'
  '@value erase_user The values of a deleted user were taken out of the audit log.\n'
  '@value seed_settings A user did not get all values that are copied: the details name what can''t be stored.\n'
  '@value rename_setting A setting got another key, and the stored values with it.\n'
  '@value purge_knowledge The content of earlier versions of an entry was taken away.\n'
  '@value seal_audit What is new in the audit log is sealed.\n'
  '@value apply_due_changes Change sets and steps of rollouts that are due are applied.\n'
  '@value remove_expired What has expired is removed.\n'
  '@value make_partitions The audit log gets its partitions of the months to come.\n'
  '@value apply_audit_retention Months of the audit log that are older than `AUDIT_RETENTION_DAYS` are removed.\n'
  '@value analyze The planner''s statistics of what was changed are made anew.\n'
  '@value seed_existing_users Users who are there get the values that new users get.\n'
  '@value measure_sizes The sizes of all tables are written down, to see how they grow.\n'
  '@value back_up A backup was made: the details say of which kind.\n'
  '@value mirror_auth_users A user of Supabase could not be mirrored, or not all of them: the error says what.\n'
  'What is done to the records themselves, once, or to keep the database well, again and again.';

create type attune.maintenance_status as enum ('running', 'completed', 'failed', 'abandoned');
comment on type attune.maintenance_status is
  E'@value running It is under way, or waits for its next batch.\n'
  '@value completed It is done.\n'
  '@value failed It could not be done.\n'
  '@value abandoned Whoever did it went away.\n'
  'What became of an operation.';

create table attune.maintenance_operations (
  id bigint generated always as identity
    constraint maintenance_operations_pkey primary key,
  operation attune.maintenance_task not null,
  table_name text
    constraint maintenance_operations_table_name_check check (char_length(table_name) <= 130),
  status attune.maintenance_status not null default 'completed',
  started_at timestamptz not null default now(),
  progressed_at timestamptz not null default clock_timestamp(),
  completed_at timestamptz default clock_timestamp(),
  affected_rows bigint not null default 0,
  details jsonb not null default '{}'
    constraint maintenance_operations_details_check check (octet_length(details::text) <= 65536),
  reason text
    constraint maintenance_operations_reason_check check (char_length(reason) between 1 and 1000),
  error text
    constraint maintenance_operations_error_check check (char_length(error) <= 1000),
  runs integer not null default 1,
  same_since timestamptz not null default now(),
  actor_id uuid,
  actor_role text not null
    constraint maintenance_operations_actor_role_check check (char_length(actor_role) <= 63),
  transaction_id xid8 not null default pg_current_xact_id(),
  constraint maintenance_operations_completed_at_check check ((completed_at is null) = (status = 'running'))
);
create index maintenance_operations_operation_idx on attune.maintenance_operations (operation, id);
create unique index maintenance_operations_running_key on attune.maintenance_operations (operation) where status = 'running';
create index maintenance_operations_transaction_id_idx on attune.maintenance_operations (transaction_id);
comment on table attune.maintenance_operations is
  E'@readBy attune_hidden.readable_maintenance_operations\n'
  '@foreignKey (actor_id) references attune.profiles (id)|@fieldName actor|@backwardBehavior -*\n'
  'The log of maintenance: what was done to the records themselves, such as removing old audit rows, and what keeps '
  'the database well. '
  'For administrators to read. '
  'What was done to the records stays for ever, and is in the audit log too; the rest goes after 400 days.';
comment on column attune.maintenance_operations.id is 'In the order of beginning.';
comment on column attune.maintenance_operations.operation is
  E'@behavior +attribute:filterBy\n'
  'What is done.';
comment on column attune.maintenance_operations.table_name is
  'The table that it is about, such as `"attune.users"`; null where there are several, or none.';
comment on column attune.maintenance_operations.status is
  E'@behavior +attribute:filterBy\n'
  'What became of it.';
comment on column attune.maintenance_operations.started_at is
  E'@behavior +attribute:filterBy +attribute:orderBy\n'
  'When it began.';
comment on column attune.maintenance_operations.progressed_at is 'When its last batch was done.';
comment on column attune.maintenance_operations.completed_at is 'When it ended, however it did; null while it runs.';
comment on column attune.maintenance_operations.affected_rows is
  'How many rows were removed or changed, or how many things done, so far.';
comment on column attune.maintenance_operations.details is
  'What it was told, such as `{"user_id": uuid}`, or how far it is; of `purge_audit`, too, before when nothing is left '
  '(`"before"`), and the last seal at that time (`"sequence"`, `"hash"`).';
comment on column attune.maintenance_operations.reason is
  'Why, in the words of whoever did it; null where it is done again and again.';
comment on column attune.maintenance_operations.error is 'Why it failed, or was abandoned; null otherwise.';
comment on column attune.maintenance_operations.runs is
  'For how many times in a row it came to the same, if that was nothing at all, or the same failure: only the last of '
  'them is kept.';
comment on column attune.maintenance_operations.same_since is 'When the first of these runs began.';
comment on column attune.maintenance_operations.actor_id is
  E'@behavior +attribute:filterBy\n'
  'The user who began it; null when it was a trusted server or the owner.';
comment on column attune.maintenance_operations.actor_role is
  'The database role that began it: `"authenticated"`, `"service_role"`, or whatever the owner''s is called.';
comment on column attune.maintenance_operations.transaction_id is 'The transaction it was begun in.';

alter table attune.maintenance_operations enable row level security;
create policy maintenance_operations_select_admin on attune.maintenance_operations for select to authenticated
  using ((select attune.is_admin()));
create policy maintenance_operations_select_service_role on attune.maintenance_operations for select to service_role
  using (true);

revoke all on attune.maintenance_operations from public;
grant select on attune.maintenance_operations to authenticated, service_role;

--! Included audit/hidden/readable_maintenance_operations.sql
create or replace function attune_hidden.readable_maintenance_operations()
returns setof attune.maintenance_operations
language sql stable security invoker
begin atomic
  select m.* from attune.maintenance_operations as m where (select current_user <> 'authenticated' or attune.is_admin());
end;
comment on function attune_hidden.readable_maintenance_operations() is
  'The rows of `maintenance_operations`, for whom may read them; nobody else walks them.';
revoke all on function attune_hidden.readable_maintenance_operations() from public;
grant execute on function attune_hidden.readable_maintenance_operations() to authenticated, service_role;
--! EndIncluded audit/hidden/readable_maintenance_operations.sql

--! Included audit/private/is_record.sql
create or replace function attune_private.is_record(operation attune.maintenance_task)
returns boolean
language sql immutable parallel safe security invoker
begin atomic
  select operation in ('purge_audit', 'erase_user', 'seed_settings', 'rename_setting', 'purge_knowledge');
end;
comment on function attune_private.is_record(attune.maintenance_task) is
  'Whether an operation is done once, to the records themselves: it is in the audit log too, and stays.';
revoke all on function attune_private.is_record(attune.maintenance_task) from public;
--! EndIncluded audit/private/is_record.sql
create trigger _100_append_only before truncate on attune.maintenance_operations
  for each statement execute function attune_private.tg__append_only();
create trigger _110_append_only before update or delete on attune.maintenance_operations
  for each row when (attune_private.is_record(old.operation)) execute function attune_private.tg__append_only();

-- Who changed what

create type attune.audit_operation as enum ('INSERT', 'UPDATE', 'DELETE');
comment on type attune.audit_operation is
  E'@value INSERT It is new.\n'
  '@value UPDATE It was changed.\n'
  '@value DELETE It was removed.\n'
  'What was done to a row.';

create type attune.audit_subject as enum (
  'setting', 'setting_template', 'notification_category', 'user', 'team_member', 'project_member', 'plan',
  'credential_provider', 'credential', 'maintenance_operation', 'change_set', 'rollout'
);
comment on type attune.audit_subject is
  E'@value setting Its definition or a stored value.\n'
  '@value setting_template A template.\n'
  '@value notification_category A category of notifications.\n'
  '@value user What decides about a user''s settings and rights: the key is the column of `users`.\n'
  '@value team_member A membership of a team: the value is the role, the scope the team.\n'
  '@value project_member A membership of a project: the value is the role, the scope the project.\n'
  '@value plan A plan.\n'
  '@value credential_provider A provider of credentials.\n'
  '@value credential What may be seen of a credential.\n'
  '@value maintenance_operation What was done to the records themselves: the key is the operation.\n'
  '@value change_set A change set: the key is its id, the value what became of it.\n'
  '@value rollout A rollout in steps: the value is what became of it.\n'
  'What was changed.';

create type attune.audit_actor as enum ('user', 'administrator', 'agent', 'service', 'migration');
comment on type attune.audit_actor is
  E'@value user Somebody for themselves.\n'
  '@value administrator Somebody for others: an administrator, or one of a team or project.\n'
  '@value agent A service account that acts for a user: who changed it is the user.\n'
  '@value service A trusted server.\n'
  '@value migration The owner of the database, or another role of it: a migration, or by hand.\n'
  'How somebody acted.';

--! Included audit/private/changed_members.sql
create or replace function attune_private.changed_members(previous_value jsonb, new_value jsonb)
returns text[]
language sql immutable parallel safe security invoker
begin atomic
  select coalesce(array_agg(coalesce(p.key, n.key) order by coalesce(p.key, n.key)), '{}')
  from jsonb_each(previous_value) as p
  full join jsonb_each(new_value) as n on n.key = p.key
  where p.value::text is distinct from n.value::text;
end;
comment on function attune_private.changed_members(jsonb, jsonb) is
  'Which members of an object (NULL: none) are others, or in one of both only.';
revoke all on function attune_private.changed_members(jsonb, jsonb) from public;
--! EndIncluded audit/private/changed_members.sql

-- An identity column takes part in no partitioned table before PostgreSQL 17.
create sequence attune.configuration_audit_log_id_seq as bigint;
revoke all on sequence attune.configuration_audit_log_id_seq from public;

create table attune.configuration_audit_log (
  id bigint not null default nextval('attune.configuration_audit_log_id_seq'),
  occurred_at timestamptz not null default clock_timestamp(),
  transaction_id xid8 not null default pg_current_xact_id(),
  actor_id uuid,
  actor_role text not null
    constraint configuration_audit_log_actor_role_check check (char_length(actor_role) <= 63),
  acted_as attune.audit_actor not null,
  agent text
    constraint configuration_audit_log_agent_check check (char_length(agent) between 1 and 200),
  request_id text
    constraint configuration_audit_log_request_id_check check (char_length(request_id) between 1 and 200),
  reason text
    constraint configuration_audit_log_reason_check check (char_length(reason) between 1 and 1000),
  subject attune.audit_subject not null default 'setting',
  layer attune.setting_layer,
  user_id uuid,
  scope text
    constraint configuration_audit_log_scope_check check (char_length(scope) <= 100),
  key text not null
    constraint configuration_audit_log_key_check check (char_length(key) <= 200),
  operation attune.audit_operation not null,
  previous_value jsonb
    constraint configuration_audit_log_previous_value_check check (octet_length(previous_value::text) <= 65536),
  new_value jsonb
    constraint configuration_audit_log_new_value_check check (octet_length(new_value::text) <= 65536),
  previous_attributes jsonb
    constraint configuration_audit_log_previous_attributes_check check (octet_length(previous_attributes::text) <= 524288),
  new_attributes jsonb
    constraint configuration_audit_log_new_attributes_check check (octet_length(new_attributes::text) <= 524288),
  changed_members text[]
    constraint configuration_audit_log_changed_members_check check (cardinality(changed_members) <= 65536),
  previous_updated_by uuid,
  previous_updated_at timestamptz,
  constraint configuration_audit_log_pkey primary key (id, occurred_at),
  constraint configuration_audit_log_layer_check check ((subject = 'setting') = (layer is not null))
) partition by range (occurred_at);
alter sequence attune.configuration_audit_log_id_seq owned by attune.configuration_audit_log.id;
create index configuration_audit_log_user_id_idx on attune.configuration_audit_log (user_id, id);
create index configuration_audit_log_key_idx on attune.configuration_audit_log (key, id);
create index configuration_audit_log_occurred_at_idx on attune.configuration_audit_log (occurred_at, id);
create index configuration_audit_log_actor_id_idx on attune.configuration_audit_log (actor_id, id);
-- What changed since somebody last asked.
create index configuration_audit_log_transaction_id_idx on attune.configuration_audit_log (transaction_id);
create index configuration_audit_log_scope_idx on attune.configuration_audit_log (scope, id) where scope is not null;
create index configuration_audit_log_request_id_idx on attune.configuration_audit_log (request_id) where request_id is not null;
create index configuration_audit_log_agent_idx on attune.configuration_audit_log (agent, id) where agent is not null;
create index configuration_audit_log_reason_idx on attune.configuration_audit_log (id) where reason is not null;
-- What administrators write is little, and else looked for among all that users chose. Row level security lets no index
-- compare an enum: its operators are not leakproof.
create index configuration_audit_log_layer_idx on attune.configuration_audit_log (id)
  where layer in ('default', 'global', 'plan', 'team');
-- Which settings are called otherwise now, or gone.
create index configuration_audit_log_former_idx on attune.configuration_audit_log (id)
  where layer = 'default' and (operation = 'DELETE' or previous_attributes ? 'key');
create index configuration_audit_log_acted_as_idx on attune.configuration_audit_log (id) where acted_as <> 'user';
comment on table attune.configuration_audit_log is
  E'@readBy attune_hidden.readable_configuration_audit_log\n'
  '@foreignKey (user_id) references attune.users (id)|@fieldName user\n'
  '@foreignKey (actor_id) references attune.profiles (id)|@fieldName actor|@backwardBehavior -*\n'
  'Every change of a definition, a stored value, a template, a notification category, a plan, what is seen of a '
  'credential, a membership, or a user''s plan, current team and rights: who, when, where, from what to what, and why. '
  'Append-only, in a partition a month. '
  'Users read what happened to their own settings and memberships, whoever owns or administers a team also what '
  'happened to it, administrators everything. '
  'In SQL a user names whose rows are meant, `user_id = (select attune.current_user_id())`: without, everybody''s are '
  'walked.';
comment on column attune.configuration_audit_log.id is 'In the order of writing.';
comment on column attune.configuration_audit_log.occurred_at is 'When the change was made.';
comment on column attune.configuration_audit_log.transaction_id is
  'Changes with the same number were made together or not at all.';
comment on column attune.configuration_audit_log.actor_id is
  'The user who made the change; null when it was a trusted server or the owner.';
comment on column attune.configuration_audit_log.actor_role is
  'The database role that made the change: `"authenticated"`, `"service_role"`, or whatever the owner''s is called.';
comment on column attune.configuration_audit_log.acted_as is
  E'@behavior +attribute:filterBy\n'
  'How they acted.';
comment on column attune.configuration_audit_log.agent is
  'The service account that acted for the user, as the claim `act` of its token names it; else null.';
comment on column attune.configuration_audit_log.request_id is
  'The request it was changed by, as the servers'' logs have it; null for what came without one.';
comment on column attune.configuration_audit_log.reason is
  E'@behavior +attribute:filterBy\n'
  'Why, in the words of who changed it, where they gave a reason. '
  'Whom the change concerns reads it, too.';
comment on column attune.configuration_audit_log.subject is
  E'@behavior +attribute:filterBy\n'
  'What was changed.';
comment on column attune.configuration_audit_log.layer is
  E'@behavior +attribute:filterBy\n'
  'Where: `default` is the definition itself. '
  'Null for what is no setting.';
comment on column attune.configuration_audit_log.user_id is
  'Whose setting or credential it is, where it is a user''s, or which user was changed; else null.';
comment on column attune.configuration_audit_log.scope is
  E'@behavior +attribute:filterBy\n'
  'Which plan, team, project or change set it belongs to, where it is one''s, or which step of a rollout it is; else '
  'null.';
comment on column attune.configuration_audit_log.key is
  'Which setting, template, category or provider; of a user, which column.';
comment on column attune.configuration_audit_log.operation is
  E'@behavior +attribute:filterBy\n'
  'What was done to the row.';
comment on column attune.configuration_audit_log.previous_value is
  'The value before; of a definition its default, of a template its values. '
  'Null after an INSERT.';
comment on column attune.configuration_audit_log.new_value is
  'The value after; of a definition its default, of a template its values. '
  'Null after a DELETE.';
comment on column attune.configuration_audit_log.previous_attributes is
  'The other columns before, such as `"is_active"` and `"is_enforced"`.';
comment on column attune.configuration_audit_log.new_attributes is 'The other columns after.';
comment on column attune.configuration_audit_log.changed_members is
  E'@notNullElements\n'
  'Which members of an object were added, changed or removed; null where the value before or after is no object.';
comment on column attune.configuration_audit_log.previous_updated_by is
  'Who had written what was there before; null when it was a trusted server or the owner, and after an INSERT.';
comment on column attune.configuration_audit_log.previous_updated_at is
  'When it had been written; null after an INSERT.';

--! Included audit/hidden/concealed_log_keys.sql
create or replace function attune_hidden.concealed_log_keys()
returns setof text
language sql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
begin atomic
  select c.key
  from attune_hidden.concealed_keys() as c (key)
  union all
  select f.key
  from attune_private.former_audiences() as f
  where f.audience > 'client'
    and not (select attune.is_admin());
end;
comment on function attune_hidden.concealed_log_keys() is
  'The settings of which the caller, a user, is not shown what happened: those that they are not shown, and those that '
  'they were not shown when they were removed or renamed.';
revoke all on function attune_hidden.concealed_log_keys() from public;
grant execute on function attune_hidden.concealed_log_keys() to authenticated, service_role;
--! EndIncluded audit/hidden/concealed_log_keys.sql

alter table attune.configuration_audit_log enable row level security;
create policy configuration_audit_log_select_concerned_or_admin on attune.configuration_audit_log for select to authenticated
  using (
    (
      user_id = (select attune.current_user_id())
      or scope = any (array(select attune_hidden.managed_team_ids()::text))
    )
    and key <> all (array(select attune_hidden.concealed_log_keys()))
    or (select attune.is_admin())
  );
create policy configuration_audit_log_select_service_role on attune.configuration_audit_log for select to service_role
  using (true);

revoke all on attune.configuration_audit_log from public;
grant select on attune.configuration_audit_log to authenticated, service_role;

--! Included audit/hidden/readable_configuration_audit_log.sql
create or replace function attune_hidden.readable_configuration_audit_log()
returns setof attune.configuration_audit_log
language sql stable security invoker
begin atomic
  select
    c.id, c.occurred_at, c.transaction_id, c.actor_id, c.actor_role, c.acted_as, c.agent, c.request_id, c.reason,
    c.subject, c.layer, c.user_id, c.scope, c.key, c.operation, c.previous_value, c.new_value, c.previous_attributes,
    c.new_attributes, c.changed_members, c.previous_updated_by, c.previous_updated_at
  from (
    select false as is_everybodys, l.*
    from attune.configuration_audit_log as l
    where l.user_id = (select attune.current_user_id())
      or l.scope = any (array(select attune_hidden.managed_team_ids()::text))
    union all
    select true, l.* from attune.configuration_audit_log as l
  ) as c
  where c.is_everybodys = (select current_user <> 'authenticated' or attune.is_admin());
end;
comment on function attune_hidden.readable_configuration_audit_log() is
  'The rows of `configuration_audit_log` that the caller may read, found by index: the policy alone has a user walk '
  'everybody''s rows. '
  'Inlined; one of its halves is never executed, and filters, order and limit go down into the other.';
revoke all on function attune_hidden.readable_configuration_audit_log() from public;
grant execute on function attune_hidden.readable_configuration_audit_log() to authenticated, service_role;
--! EndIncluded audit/hidden/readable_configuration_audit_log.sql

create trigger _100_append_only before delete or truncate on attune.configuration_audit_log
  for each statement execute function attune_private.tg__append_only();
create trigger _300_erase after update on attune.configuration_audit_log
  referencing old table as previous new table as changed
  for each statement
  execute function attune_private.tg__erase(
    'previous_value', 'new_value', 'previous_attributes', 'new_attributes', 'changed_members', 'reason'
  );

-- A partition a month (UTC), made ahead. What finds none, when nobody made any for months, is not refused.

--! Included audit/private/guard_audit_partition.sql
create or replace function attune_private.guard_audit_partition(partition regclass)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format('alter table %s enable row level security', partition);
  execute format('revoke all on %s from public', partition);
  -- Triggers of statements are those of the table that the statement names.
  execute format(
    'create trigger _100_append_only before update or delete or truncate on %s '
    'for each statement execute function attune_private.tg__append_only()',
    partition
  );
end;
$$;
comment on function attune_private.guard_audit_partition(regclass) is
  'Guards a partition of what is kept by the month, named by itself, as the whole is guarded.';
revoke all on function attune_private.guard_audit_partition(regclass) from public;
--! EndIncluded audit/private/guard_audit_partition.sql
--! Included audit/private/partitioned_by.sql
create or replace function attune_private.partitioned_by(parent regclass)
returns text
language sql stable parallel safe security invoker
begin atomic
  select quote_ident(a.attname)
  from pg_catalog.pg_partitioned_table as p
  join pg_catalog.pg_attribute as a on a.attrelid = p.partrelid and a.attnum = p.partattrs[0]
  where p.partrelid = partitioned_by.parent;
end;
comment on function attune_private.partitioned_by(regclass) is
  'The column by which a table is partitioned, as SQL writes it.';
revoke all on function attune_private.partitioned_by(regclass) from public;
--! EndIncluded audit/private/partitioned_by.sql
--! Included audit/private/make_audit_partition.sql
create or replace function attune_private.make_audit_partition(parent regclass, month timestamptz)
returns boolean
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set lock_timeout = '2s'
as $$
declare
  start constant timestamptz := date_trunc('month', month);
  name constant text := (select c.relname from pg_catalog.pg_class as c where c.oid = parent);
  partition constant text := format('attune_private.%I', name || to_char(start, '_YYYY_MM'));
  moment constant text := attune_private.partitioned_by(parent);
  is_taken boolean;
begin
  if to_regclass(partition) is not null then
    return false;
  end if;

  -- What came before there was a partition for it stays where it is.
  execute format('select exists (select from %s where %s >= $1 and %2$s < $1 + interval ''1 month'')', parent, moment)
  into is_taken
  using start;

  if is_taken then
    return false;
  end if;

  -- Who attaches what is there already waits for nobody who writes, and nobody who writes waits.
  execute format('create table %s (like %s including all excluding comments)', partition, parent);
  execute format('comment on table %s is %L', partition, format('%s of %s (UTC).', name, to_char(start, 'YYYY-MM')));
  perform attune_private.guard_audit_partition(partition::regclass);
  execute format(
    'alter table %s attach partition %s for values from (%L) to (%L)', parent, partition, start, start + interval '1 month'
  );
  return true;
end;
$$;
comment on function attune_private.make_audit_partition(regclass, timestamptz) is
  'Makes the partition of a table for the month (UTC) of a moment, unless there is one, or rows of that month are in '
  'the default partition already; returns whether it did. '
  'It waits for no longer than two seconds for whoever reads.';
revoke all on function attune_private.make_audit_partition(regclass, timestamptz) from public;
--! EndIncluded audit/private/make_audit_partition.sql
--! Included audit/private/make_audit_partitions.sql
create or replace function attune_private.make_audit_partitions(parent regclass)
returns integer
language sql volatile security invoker
begin atomic
  select count(*) filter (
    where attune_private.make_audit_partition(make_audit_partitions.parent, now() + n.months * interval '1 month')
  )::integer
  from generate_series(0, 2) as n (months);
end;
comment on function attune_private.make_audit_partitions(regclass) is
  'Makes the partitions of a table for this month and the next two, as far as they are missing, and returns how many it '
  'made.';
revoke all on function attune_private.make_audit_partitions(regclass) from public;
--! EndIncluded audit/private/make_audit_partitions.sql

create table attune_private.configuration_audit_log_default partition of attune.configuration_audit_log default;
select attune_private.guard_audit_partition('attune_private.configuration_audit_log_default');
select attune_private.make_audit_partitions('attune.configuration_audit_log');

-- What writes it

--! Included audit/private/request_header.sql
create or replace function attune_private.request_header(name text)
returns text
language sql stable parallel safe security invoker
begin atomic
  select nullif(current_setting('request.headers', true), '')::jsonb ->> lower(name);
end;
comment on function attune_private.request_header(text) is
  'A header of the request, from the setting `request.headers`, which servers fill as PostgREST does; NULL without.';
revoke all on function attune_private.request_header(text) from public;
--! EndIncluded audit/private/request_header.sql
--! Included audit/private/request_id.sql
create or replace function attune_private.request_id()
returns text
language sql stable parallel safe security invoker
begin atomic
  select nullif(
    left(
      btrim(coalesce(nullif(current_setting('attune.request_id', true), ''), attune_private.request_header('x-request-id'))),
      200
    ),
    ''
  );
end;
comment on function attune_private.request_id() is
  'Which request it is: what Attune''s own server says in the setting `attune.request_id`; else, behind PostgREST, the '
  'header `x-request-id`. '
  'Its first 200 characters; NULL without.';
revoke all on function attune_private.request_id() from public;
--! EndIncluded audit/private/request_id.sql
--! Included audit/private/told_reason.sql
create or replace function attune_private.told_reason()
returns text
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  told text := btrim(current_setting('attune.change_reason', true));
begin
  if nullif(told, '') is null then
    told := btrim(attune_private.percent_decoded(attune_private.request_header('x-change-reason')));
  end if;

  perform attune_private.check_size('The reason', char_length(told), 1000, 'characters');
  return nullif(told, '');
end;
$$;
comment on function attune_private.told_reason() is
  'The setting `attune.change_reason`, or else the header `x-change-reason`, percent-encoded as UTF-8, so that every '
  'script can be said in one; NULL without. '
  'Refused: `too_large` (1,000 characters).';
revoke all on function attune_private.told_reason() from public;
--! EndIncluded audit/private/told_reason.sql
--! Included audit/private/change_reason.sql
create or replace function attune_private.change_reason()
returns text
language sql stable parallel safe security invoker
begin atomic
  -- Almost nobody says why.
  select case
    when current_setting('attune.change_reason', true) <> ''
      or strpos(current_setting('request.headers', true), 'x-change-reason') > 0
      then attune_private.told_reason()
  end;
end;
comment on function attune_private.change_reason() is
  'Why what is written now is written, in the words of who writes it; NULL without. '
  'Refused as `told_reason`.';
revoke all on function attune_private.change_reason() from public;
--! EndIncluded audit/private/change_reason.sql
--! Included audit/private/acted_as.sql
create or replace function attune_private.acted_as(actor uuid, owner uuid)
returns attune.audit_actor
language sql stable parallel restricted security invoker
begin atomic
  select (
    case
      when attune_private.request_role() = 'service_role' then 'service'
      when attune_private.request_role() not in ('anon', 'authenticated') then 'migration'
      when attune_private.acting_agent() is not null then 'agent'
      when owner <> actor or owner is null and actor is not null then 'administrator'
      else 'user'
    end
  )::attune.audit_actor;
end;
comment on function attune_private.acted_as(uuid, uuid) is
  'How the one who asks acts: a person for themselves is a user, for somebody else (`owner`), or for more than one '
  '(NULL), an administrator.';
revoke all on function attune_private.acted_as(uuid, uuid) from public;
--! EndIncluded audit/private/acted_as.sql
--! Included audit/triggers/tg__audit.sql
create or replace function attune_private.tg__audit()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  held constant attune.audit_subject := tg_argv[0];
  held_in constant attune.setting_layer := nullif(tg_argv[1], '');
  name_column constant text := nullif(tg_argv[2], '');
  value_column constant text := nullif(tg_argv[3], '');
  scope_column constant text := tg_argv[4];
  previous constant jsonb := case tg_op when 'UPDATE' then to_jsonb(old) end;
  written constant jsonb := to_jsonb(new);
  owner constant uuid := written ->> 'user_id';
  -- What has a column of its own in the log, or says only when it was written.
  told_elsewhere text[] := array['updated_by', 'updated_at', value_column];
  actor uuid;
begin
  -- Who writes what is there already has changed nothing; who writes 1.0 for 1 has.
  if (previous - '{updated_by,updated_at}'::text[])::text = (written - '{updated_by,updated_at}'::text[])::text then
    return null;
  end if;

  -- Where a row was before, when it is another's now.
  if previous is null
    or (previous -> name_column, previous -> 'user_id', previous -> scope_column)
      is not distinct from (written -> name_column, written -> 'user_id', written -> scope_column)
  then
    told_elsewhere := told_elsewhere || array[name_column, 'user_id', scope_column];
  end if;

  -- What is stamped says who wrote it, but not who renamed it.
  actor := case
    when written ? 'updated_by' and (previous -> 'key' is null or previous -> 'key' = written -> 'key')
      then (written ->> 'updated_by')::uuid
    else attune.current_user_id()
  end;

  insert into attune.configuration_audit_log (
    actor_id, actor_role, acted_as, agent, request_id, reason, subject, layer, user_id, scope, key, operation,
    previous_value, new_value, changed_members, previous_attributes, new_attributes, previous_updated_by, previous_updated_at
  )
  values (
    actor,
    attune_private.request_role(),
    attune_private.acted_as(actor, owner),
    attune_private.acting_agent(),
    attune_private.request_id(),
    attune_private.change_reason(),
    held,
    held_in,
    owner,
    written ->> scope_column,
    coalesce(written ->> name_column, value_column),
    tg_op::attune.audit_operation,
    previous -> value_column,
    written -> value_column,
    case
      when jsonb_typeof(previous -> value_column) = 'object' and jsonb_typeof(written -> value_column) = 'object'
        then attune_private.changed_members(previous -> value_column, written -> value_column)
    end,
    previous - told_elsewhere,
    written - told_elsewhere,
    (previous ->> 'updated_by')::uuid,
    (previous ->> 'updated_at')::timestamptz
  );

  return null;
end;
$$;
comment on function attune_private.tg__audit() is
  'Writes what is new or changed into the audit log. '
  'Its arguments are what the table holds, of settings the layer, and the columns that have its name, its value, and '
  'the plan, team or project it belongs to: empty where there is none. '
  'What has no name is called by the column of its value.';
revoke all on function attune_private.tg__audit() from public;
--! EndIncluded audit/triggers/tg__audit.sql
--! Included audit/triggers/tg__audit_removed.sql
create or replace function attune_private.tg__audit_removed()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  held constant attune.audit_subject := tg_argv[0];
  held_in constant attune.setting_layer := nullif(tg_argv[1], '');
  name_column constant text := nullif(tg_argv[2], '');
  value_column constant text := nullif(tg_argv[3], '');
  scope_column constant text := tg_argv[4];
  told_elsewhere constant text[] := array[
    'updated_by', 'updated_at', 'user_id', name_column, value_column, scope_column
  ];
  actor uuid;
begin
  if not exists (select from removed) then
    return null;
  end if;

  actor := attune.current_user_id();

  insert into attune.configuration_audit_log (
    actor_id, actor_role, acted_as, agent, request_id, reason, subject, layer, user_id, scope, key, operation,
    previous_value, previous_attributes, previous_updated_by, previous_updated_at
  )
  select
    actor,
    attune_private.request_role(),
    attune_private.acted_as(actor, o.user_id),
    attune_private.acting_agent(),
    attune_private.request_id(),
    case when u.id is not null or o.user_id is null then attune_private.change_reason() end,
    held,
    held_in,
    o.user_id,
    p.previous ->> scope_column,
    coalesce(p.previous ->> name_column, value_column),
    'DELETE',
    -- What goes with a deleted user leaves no values behind.
    case when u.id is not null or o.user_id is null then p.previous -> value_column end,
    case when u.id is not null or o.user_id is null then p.previous - told_elsewhere end,
    (p.previous ->> 'updated_by')::uuid,
    (p.previous ->> 'updated_at')::timestamptz
  from removed as r
  cross join lateral (select to_jsonb(r)) as p (previous)
  cross join lateral (select (p.previous ->> 'user_id')::uuid) as o (user_id)
  left join attune.users as u on u.id = o.user_id
  order by p.previous ->> name_column, o.user_id, p.previous ->> scope_column;

  return null;
end;
$$;
comment on function attune_private.tg__audit_removed() is
  'Writes what a statement deletes into the audit log. '
  'Of what is deleted with its user, no values. '
  'Its arguments are those of `tg__audit`.';
revoke all on function attune_private.tg__audit_removed() from public;
--! EndIncluded audit/triggers/tg__audit_removed.sql
--! Included audit/triggers/tg_maintenance_operations__audit.sql
create or replace function attune_private.tg_maintenance_operations__audit()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into attune.configuration_audit_log (
    actor_id, actor_role, acted_as, agent, request_id, reason, subject, key, operation, new_value, new_attributes
  )
  values (
    new.actor_id,
    new.actor_role,
    attune_private.acted_as(new.actor_id, null),
    attune_private.acting_agent(),
    attune_private.request_id(),
    new.reason,
    'maintenance_operation',
    new.operation::text,
    'INSERT',
    new.details,
    jsonb_build_object('id', new.id, 'affected_rows', new.affected_rows)
  );

  return null;
end;
$$;
comment on function attune_private.tg_maintenance_operations__audit() is
  'Writes into the audit log what was done to the records themselves, so that it is sealed with them.';
revoke all on function attune_private.tg_maintenance_operations__audit() from public;
--! EndIncluded audit/triggers/tg_maintenance_operations__audit.sql

-- How much is changed

create type attune.audit_day as (
  starts_at timestamptz, changes bigint, actors bigint, inserted bigint, updated bigint, deleted bigint
);
comment on type attune.audit_day is 'How much was changed on one day.';
comment on column attune.audit_day.starts_at is
  E'@notNull\n'
  'Midnight, UTC, with which the day begins.';
comment on column attune.audit_day.changes is
  E'@notNull\n'
  'How many changes there were.';
comment on column attune.audit_day.actors is
  E'@notNull\n'
  'How many users made them; trusted servers and the owner are none.';
comment on column attune.audit_day.inserted is
  E'@notNull\n'
  'How many of them made something new.';
comment on column attune.audit_day.updated is
  E'@notNull\n'
  'How many changed something.';
comment on column attune.audit_day.deleted is
  E'@notNull\n'
  'How many removed something.';

create type attune.changed_setting as (
  key text, changes bigint, users bigint, actors bigint, last_changed_at timestamptz
);
comment on type attune.changed_setting is 'How often a setting was changed.';
comment on column attune.changed_setting.key is
  E'@notNull\n'
  'Which setting.';
comment on column attune.changed_setting.changes is
  E'@notNull\n'
  'How many changes of it there were, in all layers and of its definition.';
comment on column attune.changed_setting.users is
  E'@notNull\n'
  'To how many users they happened; what is set for many at once is nobody''s.';
comment on column attune.changed_setting.actors is
  E'@notNull\n'
  'How many users made them; trusted servers and the owner are none.';
comment on column attune.changed_setting.last_changed_at is
  E'@notNull\n'
  'When the last of them was made.';

--! Included audit/private/audit_period.sql
create or replace function attune_private.audit_period(since timestamptz, until timestamptz)
returns tstzrange
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  last constant timestamptz := coalesce(until, now());
  first constant timestamptz := coalesce(since, last - interval '30 days');
begin
  if (isfinite(first) and isfinite(last) and first <= last and last - first <= interval '366 days') is not true then
    raise exception using
      errcode = 'PT422',
      message = 'The period is of no use',
      detail = 'invalid_period',
      hint = 'A period begins before it ends, and has at most 366 days.';
  end if;

  return tstzrange(first, last);
end;
$$;
comment on function attune_private.audit_period(timestamptz, timestamptz) is
  'From when to when is counted: up to now and for thirty days, unless told. '
  'Refused: `invalid_period` (more than 366 days, or none).';
revoke all on function attune_private.audit_period(timestamptz, timestamptz) from public;
--! EndIncluded audit/private/audit_period.sql
--! Included audit/audit_changes_per_day.sql
create or replace function attune.audit_changes_per_day(
  since timestamptz default null,
  until timestamptz default null,
  changed_key text default null,
  user_id uuid default null,
  actor_id uuid default null
)
returns setof attune.audit_day
language plpgsql stable parallel restricted security definer
rows 30
set search_path = pg_catalog, pg_temp
as $$
declare
  period tstzrange;
begin
  perform attune_private.require_administrator(attune_private.current_caller());
  period := attune_private.audit_period(audit_changes_per_day.since, audit_changes_per_day.until);

  return query
    select
      date_trunc('day', l.occurred_at, 'UTC') as starts_at,
      count(*),
      count(distinct l.actor_id),
      count(*) filter (where l.operation = 'INSERT'),
      count(*) filter (where l.operation = 'UPDATE'),
      count(*) filter (where l.operation = 'DELETE')
    from attune.configuration_audit_log as l
    where l.occurred_at >= lower(period)
      and l.occurred_at < upper(period)
      and (audit_changes_per_day.changed_key is null or l.key = audit_changes_per_day.changed_key)
      and (audit_changes_per_day.user_id is null or l.user_id = audit_changes_per_day.user_id)
      and (audit_changes_per_day.actor_id is null or l.actor_id = audit_changes_per_day.actor_id)
    group by 1
    order by 1;
end;
$$;
comment on function attune.audit_changes_per_day(timestamptz, timestamptz, text, uuid, uuid) is
  E'@param since From when on; thirty days before `until` if left out.\n'
  '@param until Up to when, without it; now if left out.\n'
  '@param changed_key Only changes of this setting, template, category, provider, or column of a user.\n'
  '@param user_id Only what happened to this user.\n'
  '@param actor_id Only what this user did.\n'
  'How much was changed on each day (UTC), the first one first; a day without a change has no row. '
  'For administrators and trusted servers. '
  'Refused: `admin_required`, `invalid_period` (more than 366 days, or none).';
revoke all on function attune.audit_changes_per_day(timestamptz, timestamptz, text, uuid, uuid) from public;
grant execute on function attune.audit_changes_per_day(timestamptz, timestamptz, text, uuid, uuid) to anon, authenticated, service_role;
--! EndIncluded audit/audit_changes_per_day.sql
--! Included audit/most_changed_settings.sql
create or replace function attune.most_changed_settings(since timestamptz default null, until timestamptz default null)
returns setof attune.changed_setting
language plpgsql stable parallel restricted security definer
rows 50
set search_path = pg_catalog, pg_temp
as $$
declare
  period tstzrange;
begin
  perform attune_private.require_administrator(attune_private.current_caller());
  period := attune_private.audit_period(most_changed_settings.since, most_changed_settings.until);

  return query
    select l.key, count(*), count(distinct l.user_id), count(distinct l.actor_id), max(l.occurred_at)
    from attune.configuration_audit_log as l
    where l.occurred_at >= lower(period)
      and l.occurred_at < upper(period)
      and l.subject = 'setting'
    group by l.key
    order by 2 desc, 1;
end;
$$;
comment on function attune.most_changed_settings(timestamptz, timestamptz) is
  E'@param since From when on; thirty days before `until` if left out.\n'
  '@param until Up to when, without it; now if left out.\n'
  'Which settings were changed, the most often changed first. '
  'For administrators and trusted servers. '
  'Refused: `admin_required`, `invalid_period` (more than 366 days, or none).';
revoke all on function attune.most_changed_settings(timestamptz, timestamptz) from public;
grant execute on function attune.most_changed_settings(timestamptz, timestamptz) to anon, authenticated, service_role;
--! EndIncluded audit/most_changed_settings.sql

-- What is audited

create trigger _900_audit after insert or update on attune.setting_definitions
  for each row execute function attune_private.tg__audit('setting', 'default', 'key', 'default_value');
create trigger _910_audit_removed after delete on attune.setting_definitions
  referencing old table as removed
  for each statement execute function attune_private.tg__audit_removed('setting', 'default', 'key', 'default_value');
create trigger _900_audit after insert or update on attune.global_settings
  for each row execute function attune_private.tg__audit('setting', 'global', 'key', 'value');
create trigger _910_audit_removed after delete on attune.global_settings
  referencing old table as removed
  for each statement execute function attune_private.tg__audit_removed('setting', 'global', 'key', 'value');
create trigger _900_audit after insert or update on attune.plan_settings
  for each row execute function attune_private.tg__audit('setting', 'plan', 'key', 'value', 'plan');
create trigger _910_audit_removed after delete on attune.plan_settings
  referencing old table as removed
  for each statement execute function attune_private.tg__audit_removed('setting', 'plan', 'key', 'value', 'plan');
create trigger _900_audit after insert or update on attune.team_settings
  for each row execute function attune_private.tg__audit('setting', 'team', 'key', 'value', 'team_id');
create trigger _910_audit_removed after delete on attune.team_settings
  referencing old table as removed
  for each statement execute function attune_private.tg__audit_removed('setting', 'team', 'key', 'value', 'team_id');
create trigger _900_audit after insert or update on attune.user_preferences
  for each row execute function attune_private.tg__audit('setting', 'user', 'key', 'value');
create trigger _910_audit_removed after delete on attune.user_preferences
  referencing old table as removed
  for each statement execute function attune_private.tg__audit_removed('setting', 'user', 'key', 'value');
create trigger _900_audit after insert or update on attune.project_preferences
  for each row execute function attune_private.tg__audit('setting', 'project', 'key', 'value', 'project_id');
create trigger _910_audit_removed after delete on attune.project_preferences
  referencing old table as removed
  for each statement execute function attune_private.tg__audit_removed('setting', 'project', 'key', 'value', 'project_id');

create trigger _900_audit after insert or update on attune.plans
  for each row execute function attune_private.tg__audit('plan', '', 'name');
create trigger _910_audit_removed after delete on attune.plans
  referencing old table as removed
  for each statement execute function attune_private.tg__audit_removed('plan', '', 'name');
create trigger _900_audit after insert or update on attune.team_members
  for each row execute function attune_private.tg__audit('team_member', '', '', 'role', 'team_id');
create trigger _910_audit_removed after delete on attune.team_members
  referencing old table as removed
  for each statement execute function attune_private.tg__audit_removed('team_member', '', '', 'role', 'team_id');
create trigger _900_audit after insert or update on attune.project_members
  for each row execute function attune_private.tg__audit('project_member', '', '', 'role', 'project_id');
create trigger _910_audit_removed after delete on attune.project_members
  referencing old table as removed
  for each statement execute function attune_private.tg__audit_removed('project_member', '', '', 'role', 'project_id');
create trigger _900_audit after insert on attune.maintenance_operations
  for each row when (attune_private.is_record(new.operation)) execute function attune_private.tg_maintenance_operations__audit();

-- A truncation fires no row trigger: what is audited cannot be truncated.
create trigger _100_append_only before truncate on attune.users
  for each statement execute function attune_private.tg__append_only();
create trigger _100_append_only before truncate on attune.plans
  for each statement execute function attune_private.tg__append_only();
create trigger _100_append_only before truncate on attune.team_members
  for each statement execute function attune_private.tg__append_only();
create trigger _100_append_only before truncate on attune.project_members
  for each statement execute function attune_private.tg__append_only();
create trigger _100_append_only before truncate on attune.setting_definitions
  for each statement execute function attune_private.tg__append_only();
create trigger _100_append_only before truncate on attune.global_settings
  for each statement execute function attune_private.tg__append_only();
create trigger _100_append_only before truncate on attune.plan_settings
  for each statement execute function attune_private.tg__append_only();
create trigger _100_append_only before truncate on attune.team_settings
  for each statement execute function attune_private.tg__append_only();
create trigger _100_append_only before truncate on attune.user_preferences
  for each statement execute function attune_private.tg__append_only();
create trigger _100_append_only before truncate on attune.project_preferences
  for each statement execute function attune_private.tg__append_only();

-- What the records lose, and when

create table attune_private.forgotten_changes (
  database_identity text not null
    constraint forgotten_changes_pkey primary key
    constraint forgotten_changes_database_identity_check check (database_identity ~ '^[0-9a-f]{16}$'),
  transaction_id xid8 not null
);
comment on table attune_private.forgotten_changes is
  'Up to which transaction changes were removed from the records: cursors from before it say nothing any more.';
comment on column attune_private.forgotten_changes.database_identity is
  'Within what the number means something.';
comment on column attune_private.forgotten_changes.transaction_id is 'The last whose changes were removed.';

alter table attune_private.forgotten_changes enable row level security;
revoke all on attune_private.forgotten_changes from public;

--! Included audit/private/database_identity.sql
create or replace function attune_private.database_identity()
returns text
language plpgsql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  timeline constant text := case
    when pg_is_in_recovery() then lpad(upper(to_hex((pg_control_checkpoint()).timeline_id)), 8, '0')
    else left(pg_walfile_name(pg_current_wal_lsn()), 8)
  end;
begin
  return substr(
    encode(
      sha256(
        convert_to(
          concat_ws(
            ' ',
            (pg_control_system()).system_identifier,
            timeline,
            (select d.oid from pg_catalog.pg_database as d where d.datname = current_database()),
            'attune.configuration_audit_log'::regclass::oid
          ),
          'utf8'
        )
      ),
      'hex'
    ),
    1,
    16
  );
end;
$$;
comment on function attune_private.database_identity() is
  'Within what the numbers of transactions mean something: 16 hexadecimal digits, which differ after a restore, into '
  'whatever database, and after a standby took over. '
  'They are made of the cluster, its timeline, the database, and the table of the audit log.';
revoke all on function attune_private.database_identity() from public;
--! EndIncluded audit/private/database_identity.sql
--! Included audit/private/forget_changes.sql
create or replace function attune_private.forget_changes(transaction_id xid8)
returns void
language sql volatile security invoker
begin atomic
  insert into attune_private.forgotten_changes as f (database_identity, transaction_id)
  select attune_private.database_identity(), forget_changes.transaction_id
  where forget_changes.transaction_id is not null
  on conflict (database_identity) do update
  set transaction_id = greatest(f.transaction_id, excluded.transaction_id);
end;
comment on function attune_private.forget_changes(xid8) is
  'Notes that changes were removed, of which this transaction was the last (NULL: none): cursors from before it say '
  'nothing any more.';
revoke all on function attune_private.forget_changes(xid8) from public;
--! EndIncluded audit/private/forget_changes.sql
--! Included audit/private/erase_user.sql
create or replace function attune_private.erase_user(user_id uuid, reason text)
returns bigint
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  erased bigint;
begin
  -- A snapshot may be from before something was written of the user, which would keep its values.
  if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
    raise exception using
      errcode = 'PT409',
      message = 'A user is not deleted in a transaction with a snapshot of its own',
      detail = 'read_committed_required',
      hint = 'Delete the user in a transaction that is READ COMMITTED: what others have just written is erased, too.';
  end if;

  select count(*) into erased
  from attune.configuration_audit_log as l
  where l.user_id = erase_user.user_id;

  insert into attune.maintenance_operations (operation, reason, details, affected_rows, actor_id, actor_role)
  values (
    'erase_user',
    erase_user.reason,
    jsonb_build_object('user_id', erase_user.user_id),
    erased,
    attune.current_user_id(),
    attune_private.request_role()
  );

  -- That something was changed, when and by whom stays; what it was goes.
  update attune.configuration_audit_log as l
  set previous_value = null, new_value = null, previous_attributes = null, new_attributes = null,
    changed_members = null, reason = null
  where l.user_id = erase_user.user_id;

  return erased;
end;
$$;
comment on function attune_private.erase_user(uuid, text) is
  'Takes the values of a user, and the reasons given for them, out of the audit log and returns from how many rows. '
  'It leaves a row in `maintenance_operations`. '
  'Refused: `read_committed_required`.';
revoke all on function attune_private.erase_user(uuid, text) from public;
--! EndIncluded audit/private/erase_user.sql
--! Included audit/triggers/tg_users__erase.sql
create or replace function attune_private.tg_users__erase()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform attune_private.erase_user(old.id, 'The user was deleted');
  return null;
end;
$$;
comment on function attune_private.tg_users__erase() is
  'Whoever deletes a user, and however: the records keep nothing personal of the user.';
revoke all on function attune_private.tg_users__erase() from public;
--! EndIncluded audit/triggers/tg_users__erase.sql

--! Included audit/triggers/tg_users__audit.sql
create or replace function attune_private.tg_users__audit()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  actor constant uuid := attune.current_user_id();
  previous constant jsonb := case tg_op when 'UPDATE' then to_jsonb(old) end;
begin
  insert into attune.configuration_audit_log (
    actor_id, actor_role, acted_as, agent, request_id, reason, subject, user_id, key, operation, previous_value, new_value
  )
  select
    actor,
    attune_private.request_role(),
    attune_private.acted_as(actor, new.id),
    attune_private.acting_agent(),
    attune_private.request_id(),
    attune_private.change_reason(),
    'user',
    new.id,
    a.name,
    tg_op::attune.audit_operation,
    previous -> a.name,
    to_jsonb(new) -> a.name
  from unnest(tg_argv) with ordinality as a (name, place)
  where previous -> a.name is distinct from to_jsonb(new) -> a.name
  order by a.place;

  return null;
end;
$$;
comment on function attune_private.tg_users__audit() is
  'Writes into the audit log what decides about a user''s settings and rights: the columns named by its arguments.';
revoke all on function attune_private.tg_users__audit() from public;
--! EndIncluded audit/triggers/tg_users__audit.sql
create trigger _900_audit after update of plan, is_admin, current_team_id on attune.users
  for each row when (
    old.plan is distinct from new.plan
    or old.is_admin is distinct from new.is_admin
    or old.current_team_id is distinct from new.current_team_id
  )
  execute function attune_private.tg_users__audit('plan', 'is_admin', 'current_team_id');
-- Who is more than everybody begins as.
create trigger _910_audit_new after insert on attune.users
  for each row when (new.is_admin or new.plan <> 'bootstrapper')
  execute function attune_private.tg_users__audit('plan', 'is_admin');
create trigger _800_erase after delete on attune.users
  for each row execute function attune_private.tg_users__erase();
