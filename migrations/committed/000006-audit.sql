--! Previous: sha1:cd871194d952aa57deb17312de0d555d453e7889
--! Hash: sha1:02db50e031bc12698418e0a40fde56a648f98486
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
    hint = coalesce(tg_argv[0], 'Old audit rows are removed with purge_audit_log(before, reason).');
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
    select m.parameters ->> 'user_id'
    from attune.maintenance_operations as m
    where m.transaction_id = pg_current_xact_id_if_assigned()
      and m.operation = 'erase_user'
  );
begin
  if recorded = '{}' or exists (
    select
    from previous as p
    full join changed as c on c.id = p.id
    where p.user_id::text = any (recorded) is not true
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
  'arguments, for a user whom `erase_user` recorded in the same transaction.';
revoke all on function attune_private.tg__erase() from public;
--! EndIncluded audit/triggers/tg__erase.sql

-- What is done to the records themselves, and never undone

create type attune.maintenance_task as enum ('purge_audit_log', 'erase_user', 'seed_settings', 'rename_setting', 'purge_knowledge');
comment on type attune.maintenance_task is
  E'@value purge_audit_log Old rows of the audit log were removed.\n'
  '@value erase_user The values of a deleted user were taken out of the audit log.\n'
  '@value seed_settings A user did not get all values that are copied: the parameters name what can''t be stored.\n'
  '@value rename_setting A setting got another key, and the stored values with it.\n'
  '@value purge_knowledge The content of earlier versions of an entry was taken away.\n'
  'What is done to the records themselves.';

create table attune.maintenance_operations (
  id bigint generated always as identity
    constraint maintenance_operations_pkey primary key,
  operation attune.maintenance_task not null,
  reason text not null
    constraint maintenance_operations_reason_check check (char_length(reason) between 1 and 1000),
  parameters jsonb not null
    constraint maintenance_operations_parameters_check check (octet_length(parameters::text) <= 65536),
  affected_rows bigint not null,
  actor_id uuid,
  actor_role text not null
    constraint maintenance_operations_actor_role_check check (char_length(actor_role) <= 63),
  transaction_id xid8 not null default pg_current_xact_id(),
  occurred_at timestamptz not null default clock_timestamp()
);
create index maintenance_operations_transaction_id_idx on attune.maintenance_operations (transaction_id);
comment on table attune.maintenance_operations is
  E'@foreignKey (actor_id) references attune.profiles (id)|@fieldName actor|@backwardBehavior -*\n'
  'What was done to the records themselves, such as removing old audit rows. '
  'Append-only, for administrators to read.';
comment on column attune.maintenance_operations.id is 'In the order of writing.';
comment on column attune.maintenance_operations.operation is
  E'@behavior +attribute:filterBy\n'
  'What was done.';
comment on column attune.maintenance_operations.reason is 'Why, in the words of whoever did it.';
comment on column attune.maintenance_operations.parameters is
  'What it was told: `{"before": timestamp}` or `{"user_id": uuid}`.';
comment on column attune.maintenance_operations.affected_rows is 'How many rows were removed or changed.';
comment on column attune.maintenance_operations.actor_id is
  E'@behavior +attribute:filterBy\n'
  'The user who did it; null when it was a trusted server or the owner.';
comment on column attune.maintenance_operations.actor_role is
  'The database role that did it: `"authenticated"`, `"service_role"`, or whatever the owner''s is called.';
comment on column attune.maintenance_operations.transaction_id is 'The transaction it was done in.';
comment on column attune.maintenance_operations.occurred_at is
  E'@behavior +attribute:filterBy +attribute:orderBy\n'
  'When it was done.';

alter table attune.maintenance_operations enable row level security;
create policy maintenance_operations_select_admin on attune.maintenance_operations for select to authenticated
  using ((select attune.is_admin()));
create policy maintenance_operations_select_service_role on attune.maintenance_operations for select to service_role
  using (true);

revoke all on attune.maintenance_operations from public;
grant select on attune.maintenance_operations to authenticated, service_role;

create trigger _100_append_only before update or delete or truncate on attune.maintenance_operations
  for each statement execute function attune_private.tg__append_only();

-- Who changed what

create type attune.audit_operation as enum ('INSERT', 'UPDATE', 'DELETE');
comment on type attune.audit_operation is
  E'@value INSERT It is new.\n'
  '@value UPDATE It was changed.\n'
  '@value DELETE It was removed.\n'
  'What was done to a row.';

create type attune.audit_subject as enum (
  'setting', 'setting_template', 'notification_category', 'user', 'credential_provider', 'credential'
);
comment on type attune.audit_subject is
  E'@value setting Its definition or a stored value.\n'
  '@value setting_template A template.\n'
  '@value notification_category A category of notifications.\n'
  '@value user What decides about a user''s settings and rights: the key is the column of `users`.\n'
  '@value credential_provider A provider of credentials.\n'
  '@value credential What may be seen of a credential.\n'
  'What was changed.';

--! Included audit/triggers/tg_configuration_audit_log__purge.sql
create or replace function attune_private.tg_configuration_audit_log__purge()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  -- What purge_audit_log() has written down in this very transaction.
  recorded constant timestamptz := (
    select max((m.parameters ->> 'before')::timestamptz)
    from attune.maintenance_operations as m
    where m.transaction_id = pg_current_xact_id_if_assigned()
      and m.operation = 'purge_audit_log'
  );
begin
  if recorded is null or exists (select from removed as r where r.occurred_at >= recorded) then
    raise exception using
      errcode = '42501',
      message = format('%s is not allowed on %s', tg_op, tg_table_name),
      detail = 'append_only',
      hint = 'Old audit rows are removed with purge_audit_log(before, reason).';
  end if;

  return null;
end;
$$;
comment on function attune_private.tg_configuration_audit_log__purge() is
  'Refuses (`append_only`) to delete audit rows, for the owner too, but those from before the moment that a purge '
  'recorded in the same transaction.';
revoke all on function attune_private.tg_configuration_audit_log__purge() from public;
--! EndIncluded audit/triggers/tg_configuration_audit_log__purge.sql

create table attune.configuration_audit_log (
  id bigint generated always as identity
    constraint configuration_audit_log_pkey primary key,
  occurred_at timestamptz not null default clock_timestamp(),
  transaction_id xid8 not null default pg_current_xact_id(),
  actor_id uuid,
  actor_role text not null
    constraint configuration_audit_log_actor_role_check check (char_length(actor_role) <= 63),
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
    constraint configuration_audit_log_previous_attributes_check check (octet_length(previous_attributes::text) <= 131072),
  new_attributes jsonb
    constraint configuration_audit_log_new_attributes_check check (octet_length(new_attributes::text) <= 131072),
  constraint configuration_audit_log_layer_check check ((subject = 'setting') = (layer is not null))
);
create index configuration_audit_log_user_id_idx on attune.configuration_audit_log (user_id, id);
create index configuration_audit_log_key_idx on attune.configuration_audit_log (key, id);
create index configuration_audit_log_occurred_at_idx on attune.configuration_audit_log (occurred_at, id);
create index configuration_audit_log_actor_id_idx on attune.configuration_audit_log (actor_id, id);
-- What changed since somebody last asked.
create index configuration_audit_log_transaction_id_idx on attune.configuration_audit_log (transaction_id);
create index configuration_audit_log_scope_idx on attune.configuration_audit_log (scope, id) where scope is not null;
-- What administrators write is little, and else looked for among all that users chose. Row level security lets no index
-- compare an enum: its operators are not leakproof.
create index configuration_audit_log_layer_idx on attune.configuration_audit_log (id)
  where layer in ('default', 'global', 'plan', 'team');
comment on table attune.configuration_audit_log is
  E'@foreignKey (user_id) references attune.users (id)|@fieldName user\n'
  '@foreignKey (actor_id) references attune.profiles (id)|@fieldName actor|@backwardBehavior -*\n'
  'Every change of a definition, a stored value, a template, a notification category, or a user''s plan, current team '
  'and rights: who, when, where, from what to what. '
  'Append-only. '
  'Users read what happened to their own settings, administrators everything.';
comment on column attune.configuration_audit_log.id is 'In the order of writing.';
comment on column attune.configuration_audit_log.occurred_at is 'When the change was made.';
comment on column attune.configuration_audit_log.transaction_id is
  'Changes with the same number were made together or not at all.';
comment on column attune.configuration_audit_log.actor_id is
  'The user who made the change; null when it was a trusted server or the owner.';
comment on column attune.configuration_audit_log.actor_role is
  'The database role that made the change: `"authenticated"`, `"service_role"`, or whatever the owner''s is called.';
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
  'Which plan, team or project it belongs to, where it is one''s; else null.';
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

alter table attune.configuration_audit_log enable row level security;
-- No range of users here: it would have administrators read the index of all users for every filter of theirs. Users find
-- their own rows by their id, `viewer { configurationAuditLogs }`.
create policy configuration_audit_log_select_self_or_admin on attune.configuration_audit_log for select to authenticated
  using (
    user_id = (select attune.current_user_id()) and key not in (select attune_hidden.concealed_keys())
    or (select attune.is_admin())
  );
create policy configuration_audit_log_select_service_role on attune.configuration_audit_log for select to service_role
  using (true);

revoke all on attune.configuration_audit_log from public;
grant select on attune.configuration_audit_log to authenticated, service_role;

create trigger _100_append_only before truncate on attune.configuration_audit_log
  for each statement execute function attune_private.tg__append_only();
create trigger _200_purge after delete on attune.configuration_audit_log
  referencing old table as removed
  for each statement execute function attune_private.tg_configuration_audit_log__purge();
create trigger _300_erase after update on attune.configuration_audit_log
  referencing old table as previous new table as changed
  for each statement
  execute function attune_private.tg__erase('previous_value', 'new_value', 'previous_attributes', 'new_attributes');

--! Included audit/triggers/tg__audit.sql
create or replace function attune_private.tg__audit()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  held constant attune.audit_subject := tg_argv[0];
  held_in constant attune.setting_layer := tg_argv[1];
  previous constant jsonb := case tg_op when 'UPDATE' then to_jsonb(old) end;
  written constant jsonb := to_jsonb(new);
  name_column constant text := case held when 'setting' then 'key' when 'credential' then 'provider' else 'name' end;
  value_column constant text := case
    when held_in = 'default' then 'default_value'
    when held = 'setting' then 'value'
    else 'values'
  end;
  -- What has a column of its own in the log, or says only when it was written.
  told_elsewhere constant text[] := array['updated_by', 'updated_at', value_column]
    || case when held in ('setting', 'credential') then '{plan,team_id,project_id}'::text[] else '{}' end
    || case
      when previous -> name_column <> written -> name_column or previous -> 'user_id' <> written -> 'user_id' then '{}'
      else array[name_column, 'user_id']
    end;
  -- What is stamped says who wrote it, but not who renamed it.
  actor constant uuid := case
    when written ? 'updated_by' and (previous -> 'key' is null or previous -> 'key' = written -> 'key') then (written ->> 'updated_by')::uuid
    else attune.current_user_id()
  end;
begin
  -- Who writes what is there already has changed nothing; who writes 1.0 for 1 has.
  if (previous - '{updated_by,updated_at}'::text[])::text = (written - '{updated_by,updated_at}'::text[])::text then
    return null;
  end if;

  insert into attune.configuration_audit_log (
    actor_id, actor_role, subject, layer, user_id, scope, key, operation,
    previous_value, new_value, previous_attributes, new_attributes
  )
  values (
    actor,
    attune_private.request_role(),
    held,
    held_in,
    (written ->> 'user_id')::uuid,
    case when held in ('setting', 'credential') then coalesce(written ->> 'plan', written ->> 'team_id', written ->> 'project_id') end,
    written ->> name_column,
    tg_op::attune.audit_operation,
    previous -> value_column,
    written -> value_column,
    previous - told_elsewhere,
    written - told_elsewhere
  );

  return null;
end;
$$;
comment on function attune_private.tg__audit() is
  'Writes what is new or changed into the audit log. '
  'Its arguments are what the table holds and, of settings, in which layer.';
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
  held_in constant attune.setting_layer := tg_argv[1];
  name_column constant text := case held when 'setting' then 'key' when 'credential' then 'provider' else 'name' end;
  value_column constant text := case
    when held_in = 'default' then 'default_value'
    when held = 'setting' then 'value'
    else 'values'
  end;
  told_elsewhere constant text[] := array['updated_by', 'updated_at', 'user_id', name_column, value_column]
    || case when held in ('setting', 'credential') then '{plan,team_id,project_id}'::text[] else '{}' end;
  actor uuid;
begin
  if not exists (select from removed) then
    return null;
  end if;

  actor := attune.current_user_id();

  insert into attune.configuration_audit_log (
    actor_id, actor_role, subject, layer, user_id, scope, key, operation, previous_value, previous_attributes
  )
  select
    actor,
    attune_private.request_role(),
    held,
    held_in,
    (p.previous ->> 'user_id')::uuid,
    case when held in ('setting', 'credential') then coalesce(p.previous ->> 'plan', p.previous ->> 'team_id', p.previous ->> 'project_id') end,
    p.previous ->> name_column,
    'DELETE',
    -- What goes with a deleted user leaves no values behind.
    case when u.id is not null or not p.previous ? 'user_id' then p.previous -> value_column end,
    case when u.id is not null or not p.previous ? 'user_id' then p.previous - told_elsewhere end
  from removed as r
  cross join lateral (select to_jsonb(r)) as p (previous)
  left join attune.users as u on u.id = (p.previous ->> 'user_id')::uuid
  order by p.previous ->> name_column, 6;

  return null;
end;
$$;
comment on function attune_private.tg__audit_removed() is
  'Writes what a statement deletes into the audit log. '
  'Of what is deleted with its user, no values. '
  'Its arguments are what the table holds and, of settings, in which layer.';
revoke all on function attune_private.tg__audit_removed() from public;
--! EndIncluded audit/triggers/tg__audit_removed.sql

-- What is audited

create trigger _900_audit after insert or update on attune.setting_definitions
  for each row execute function attune_private.tg__audit('setting', 'default');
create trigger _910_audit_removed after delete on attune.setting_definitions
  referencing old table as removed
  for each statement execute function attune_private.tg__audit_removed('setting', 'default');
create trigger _900_audit after insert or update on attune.global_settings
  for each row execute function attune_private.tg__audit('setting', 'global');
create trigger _910_audit_removed after delete on attune.global_settings
  referencing old table as removed
  for each statement execute function attune_private.tg__audit_removed('setting', 'global');
create trigger _900_audit after insert or update on attune.plan_settings
  for each row execute function attune_private.tg__audit('setting', 'plan');
create trigger _910_audit_removed after delete on attune.plan_settings
  referencing old table as removed
  for each statement execute function attune_private.tg__audit_removed('setting', 'plan');
create trigger _900_audit after insert or update on attune.team_settings
  for each row execute function attune_private.tg__audit('setting', 'team');
create trigger _910_audit_removed after delete on attune.team_settings
  referencing old table as removed
  for each statement execute function attune_private.tg__audit_removed('setting', 'team');
create trigger _900_audit after insert or update on attune.user_preferences
  for each row execute function attune_private.tg__audit('setting', 'user');
create trigger _910_audit_removed after delete on attune.user_preferences
  referencing old table as removed
  for each statement execute function attune_private.tg__audit_removed('setting', 'user');
create trigger _900_audit after insert or update on attune.project_preferences
  for each row execute function attune_private.tg__audit('setting', 'project');
create trigger _910_audit_removed after delete on attune.project_preferences
  referencing old table as removed
  for each statement execute function attune_private.tg__audit_removed('setting', 'project');

-- A truncation fires no row trigger: what is audited cannot be truncated.
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
--! Included audit/purge_audit_log.sql
create or replace function attune.purge_audit_log(before timestamptz, reason text)
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  doomed bigint;
  last_change xid8;
begin
  if purge_audit_log.before is null or coalesce(btrim(purge_audit_log.reason), '') = '' then
    raise exception using
      errcode = 'PT400',
      message = 'Say up to when, and why',
      detail = 'reason_required',
      hint = 'purge_audit_log(before, reason): the operation is recorded with both.';
  end if;

  perform attune_private.check_size('The reason', char_length(purge_audit_log.reason), 1000, 'characters');

  -- One purge at a time, so that what is counted is what is removed: rows are never added with an earlier time.
  lock table attune.configuration_audit_log in share row exclusive mode;

  select count(*), max(l.transaction_id) filter (where l.transaction_id < pg_snapshot_xmax(pg_current_snapshot()))
  into doomed, last_change
  from attune.configuration_audit_log as l
  where l.occurred_at < purge_audit_log.before;

  insert into attune.maintenance_operations (operation, reason, parameters, affected_rows, actor_id, actor_role)
  values (
    'purge_audit_log',
    purge_audit_log.reason,
    jsonb_build_object('before', purge_audit_log.before),
    doomed,
    attune.current_user_id(),
    attune_private.request_role()
  );

  delete from attune.configuration_audit_log as l where l.occurred_at < purge_audit_log.before;
  perform attune_private.forget_changes(last_change);
  return doomed;
end;
$$;
comment on function attune.purge_audit_log(timestamptz, text) is
  E'@resultFieldName removedRows\n'
  '@param before Rows that are older are removed.\n'
  '@param reason Why, for the record; at most 1,000 characters.\n'
  'Removes the audit rows from before a moment and returns how many; for trusted servers. '
  'It leaves a row in `maintenance_operations`. '
  'Refused: `reason_required`, `too_large`.';
revoke all on function attune.purge_audit_log(timestamptz, text) from public;
grant execute on function attune.purge_audit_log(timestamptz, text) to service_role;
--! EndIncluded audit/purge_audit_log.sql
--! Included audit/private/erase_user.sql
create or replace function attune_private.erase_user(user_id uuid, reason text)
returns bigint
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  erased bigint;
begin
  select count(*) into erased
  from attune.configuration_audit_log as l
  where l.user_id = erase_user.user_id;

  insert into attune.maintenance_operations (operation, reason, parameters, affected_rows, actor_id, actor_role)
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
  set previous_value = null, new_value = null, previous_attributes = null, new_attributes = null
  where l.user_id = erase_user.user_id;

  return erased;
end;
$$;
comment on function attune_private.erase_user(uuid, text) is
  'Takes the values of a user out of the audit log and returns from how many rows. '
  'It leaves a row in `maintenance_operations`.';
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
begin
  insert into attune.configuration_audit_log (
    actor_id, actor_role, subject, user_id, key, operation, previous_value, new_value
  )
  select
    attune.current_user_id(),
    attune_private.request_role(),
    'user',
    new.id,
    a.name,
    'UPDATE',
    to_jsonb(old) -> a.name,
    to_jsonb(new) -> a.name
  from unnest(tg_argv) with ordinality as a (name, place)
  where to_jsonb(old) -> a.name <> to_jsonb(new) -> a.name
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
    (old.plan, old.is_admin, old.current_team_id) is distinct from (new.plan, new.is_admin, new.current_team_id)
  )
  execute function attune_private.tg_users__audit('plan', 'is_admin', 'current_team_id');
create trigger _800_erase after delete on attune.users
  for each row execute function attune_private.tg_users__erase();
