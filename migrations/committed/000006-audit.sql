--! Previous: sha1:8f5c4f216f2e0a1d991211fdac3a1e0a59322a8b
--! Hash: sha1:6dd2210ead1e854ff08550ec39526a0a6c4293e5
--! Message: audit

--!include audit/triggers/tg__append_only.sql
--!include audit/triggers/tg__erase.sql

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

--!include audit/hidden/readable_maintenance_operations.sql

--!include audit/private/is_record.sql
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

--!include audit/private/changed_members.sql

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

--!include audit/hidden/concealed_log_keys.sql

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

--!include audit/hidden/readable_configuration_audit_log.sql

create trigger _100_append_only before delete or truncate on attune.configuration_audit_log
  for each statement execute function attune_private.tg__append_only();
create trigger _300_erase after update on attune.configuration_audit_log
  referencing old table as previous new table as changed
  for each statement
  execute function attune_private.tg__erase(
    'previous_value', 'new_value', 'previous_attributes', 'new_attributes', 'changed_members', 'reason'
  );

-- A partition a month (UTC), made ahead. What finds none, when nobody made any for months, is not refused.

--!include audit/private/guard_audit_partition.sql
--!include audit/private/partitioned_by.sql
--!include audit/private/make_audit_partition.sql
--!include audit/private/make_audit_partitions.sql

create table attune_private.configuration_audit_log_default partition of attune.configuration_audit_log default;
select attune_private.guard_audit_partition('attune_private.configuration_audit_log_default');
select attune_private.make_audit_partitions('attune.configuration_audit_log');

-- What writes it

--!include audit/private/request_header.sql
--!include audit/private/request_id.sql
--!include audit/private/told_reason.sql
--!include audit/private/change_reason.sql
--!include audit/private/acted_as.sql
--!include audit/triggers/tg__audit.sql
--!include audit/triggers/tg__audit_removed.sql
--!include audit/triggers/tg_maintenance_operations__audit.sql

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

--!include audit/private/audit_period.sql
--!include audit/audit_changes_per_day.sql
--!include audit/most_changed_settings.sql

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

--!include audit/private/database_identity.sql
--!include audit/private/forget_changes.sql
--!include audit/private/erase_user.sql
--!include audit/triggers/tg_users__erase.sql

--!include audit/triggers/tg_users__audit.sql
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
