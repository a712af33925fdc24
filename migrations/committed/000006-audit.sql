--! Previous: sha1:da540d0c6440adc86dcb70abb3d6878c51d6b4a6
--! Hash: sha1:2584d521db2e0aa50fd2776fb25e1cbc5f2681dc
--! Message: audit

--!include audit/triggers/tg__append_only.sql
--!include audit/triggers/tg__erase.sql

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

--!include audit/triggers/tg_configuration_audit_log__purge.sql

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

--!include audit/triggers/tg__audit.sql
--!include audit/triggers/tg__audit_removed.sql

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

--!include audit/private/database_identity.sql
--!include audit/private/forget_changes.sql
--!include audit/purge_audit_log.sql
--!include audit/private/erase_user.sql
--!include audit/triggers/tg_users__erase.sql

--!include audit/triggers/tg_users__audit.sql
create trigger _900_audit after update of plan, is_admin, current_team_id on attune.users
  for each row when (
    (old.plan, old.is_admin, old.current_team_id) is distinct from (new.plan, new.is_admin, new.current_team_id)
  )
  execute function attune_private.tg_users__audit('plan', 'is_admin', 'current_team_id');
create trigger _800_erase after delete on attune.users
  for each row execute function attune_private.tg_users__erase();
