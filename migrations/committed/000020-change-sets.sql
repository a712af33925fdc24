--! Previous: sha1:816eb80f2ed552ebe3a8796961ef39d21ed6abd0
--! Hash: sha1:99a87feffbad43613c24098b29412df301cb8559
--! Message: change-sets

-- Several changes under one title, applied together; rollouts in steps.

-- What may change what is protected

create table attune_private.planned_writes (
  transaction_id xid8 not null default pg_current_xact_id(),
  key text not null
    constraint planned_writes_key_check check (char_length(key) <= 200),
  is_approved boolean not null,
  is_step boolean not null default false,
  constraint planned_writes_pkey primary key (transaction_id, key)
);
comment on table attune_private.planned_writes is
  'Which settings a transaction changes just now by a change set or a step of a rollout, and whether that was approved: '
  'what triggers know them by. '
  'Nobody else ever sees a row.';
comment on column attune_private.planned_writes.transaction_id is 'Which transaction.';
comment on column attune_private.planned_writes.key is 'Which setting.';
comment on column attune_private.planned_writes.is_approved is 'Whether another administrator approved of it.';
comment on column attune_private.planned_writes.is_step is 'Whether it is a step of a rollout.';
alter table attune_private.planned_writes enable row level security;
revoke all on attune_private.planned_writes from public;

--!include change-sets/private/check_protection.sql
--!include change-sets/triggers/tg__protect.sql
--!include change-sets/triggers/tg_setting_definitions__protect.sql

create trigger _070_protect before update or delete on attune.setting_definitions
  for each row when (old.is_protected)
  execute function attune_private.tg_setting_definitions__protect();
create trigger _070_protect before insert or update or delete on attune.global_settings
  for each row execute function attune_private.tg__protect();
create trigger _070_protect before insert or update or delete on attune.plan_settings
  for each row execute function attune_private.tg__protect();
create trigger _070_protect before insert or update or delete on attune.team_settings
  for each row execute function attune_private.tg__protect();

-- Change sets

create type attune.change_set_status as enum ('proposed', 'approved', 'applied', 'rejected', 'cancelled', 'failed');
comment on type attune.change_set_status is
  E'@value proposed It can be changed, approved and, where it needs no approval, applied.\n'
  '@value approved An administrator who did not write it approved of it as it is.\n'
  '@value applied Its changes were made.\n'
  '@value rejected An administrator did not want it.\n'
  '@value cancelled It was given up.\n'
  '@value failed It was due and could not be applied: `failure` says why. It can be changed, and tried again.\n'
  'What became of a change set.';

create type attune.change_failure as (reason text, message text, hint text);
comment on type attune.change_failure is 'Why what was due could not be done.';
comment on column attune.change_failure.reason is
  E'@notNull\n'
  'The reason, as an error has it.';
comment on column attune.change_failure.message is
  E'@notNull\n'
  'What was wrong, for people.';
comment on column attune.change_failure.hint is 'What to do, for people; then, on a line of its own, what is wrong with each change, as JSON.';

create table attune.change_sets (
  id uuid not null default gen_random_uuid()
    constraint change_sets_pkey primary key,
  title text not null
    constraint change_sets_title_check check (char_length(title) between 1 and 200),
  reason text
    constraint change_sets_reason_check check (char_length(reason) between 1 and 1000),
  status attune.change_set_status not null default 'proposed',
  needs_approval boolean not null,
  apply_at timestamptz
    constraint change_sets_apply_at_check check (isfinite(apply_at)),
  failure attune.change_failure,
  contributors uuid[] not null,
  created_by uuid,
  created_at timestamptz not null default now(),
  approved_by uuid,
  approved_at timestamptz,
  closed_by uuid,
  closed_at timestamptz,
  note text
    constraint change_sets_note_check check (char_length(note) between 1 and 1000),
  transaction_id xid8,
  first_change_id bigint,
  last_change_id bigint,
  updated_by uuid,
  updated_at timestamptz not null default now(),
  constraint change_sets_approval_check check ((approved_at is not null) = (approved_by is not null)),
  constraint change_sets_closed_check check ((closed_at is not null) = (status in ('applied', 'rejected', 'cancelled'))),
  constraint change_sets_transaction_check check (
    num_nulls(transaction_id, first_change_id, last_change_id) = case when status = 'applied' then 0 else 3 end
  )
);
create index change_sets_created_at_idx on attune.change_sets (created_at, id);
create index change_sets_apply_at_idx on attune.change_sets (apply_at) where status in ('proposed', 'approved');
comment on table attune.change_sets is
  E'@foreignKey (created_by) references attune.profiles (id)|@fieldName createdBy|@backwardBehavior -*\n'
  '@foreignKey (approved_by) references attune.profiles (id)|@fieldName approvedBy|@backwardBehavior -*\n'
  '@foreignKey (closed_by) references attune.profiles (id)|@fieldName closedBy|@backwardBehavior -*\n'
  '@foreignKey (updated_by) references attune.profiles (id)|@fieldName updatedBy|@backwardBehavior -*\n'
  '@behavior -insert -update -delete\n'
  'Several changes of settings under one title, applied together or not at all: at once, at a time, or once another '
  'administrator approved. '
  'For administrators.';
comment on column attune.change_sets.id is 'Which change set.';
comment on column attune.change_sets.title is 'What it is called, 1 to 200 characters.';
comment on column attune.change_sets.reason is 'Why the changes are made, at most 1,000 characters; the audit log has it with each of them.';
comment on column attune.change_sets.status is
  E'@behavior +attribute:filterBy\n'
  'What became of it.';
comment on column attune.change_sets.needs_approval is
  'Whether it was to be approved in any case; `is_approval_required` says whether it has to be.';
comment on column attune.change_sets.apply_at is
  E'@behavior +attribute:filterBy +attribute:orderBy\n'
  'When it is to be applied; null when somebody applies it.';
comment on column attune.change_sets.failure is 'Why it could not be applied when it was due.';
comment on column attune.change_sets.contributors is 'The users who wrote its changes: none of them can approve of it.';
comment on column attune.change_sets.created_by is
  E'@name created_by_id\n'
  'Its author, who may be gone; null when it was a trusted server.';
comment on column attune.change_sets.created_at is
  E'@behavior +attribute:filterBy +attribute:orderBy\n'
  'When it was made.';
comment on column attune.change_sets.approved_by is
  E'@name approved_by_id\n'
  'Who approved of it as it is; null when nobody did, it was changed since, or it was applied without that counting.';
comment on column attune.change_sets.approved_at is 'When they did.';
comment on column attune.change_sets.closed_by is
  E'@name closed_by_id\n'
  'Who applied, rejected or cancelled it; null when it was a trusted server, or its time.';
comment on column attune.change_sets.closed_at is
  E'@behavior +attribute:filterBy\n'
  'When it was applied, rejected or cancelled.';
comment on column attune.change_sets.note is 'Why it was rejected or cancelled, in the words of who did.';
comment on column attune.change_sets.transaction_id is
  'The transaction it was applied in, which the rows of the audit log name.';
comment on column attune.change_sets.first_change_id is
  'The rows of the audit log that are its own have at least this id, and that transaction.';
comment on column attune.change_sets.last_change_id is 'And at most this one.';
comment on column attune.change_sets.updated_by is
  E'@name updated_by_id\n'
  'Who last changed it in any way; null when it was a trusted server.';
comment on column attune.change_sets.updated_at is
  E'@behavior +attribute:filterBy +attribute:orderBy\n'
  'When it last changed in any way: the version that `expected_updated_at` names.';

alter table attune.change_sets enable row level security;
create policy change_sets_select_admin on attune.change_sets for select to authenticated
  using ((select attune.is_admin()));
create policy change_sets_select_service_role on attune.change_sets for select to service_role
  using (true);

revoke all on attune.change_sets from public;
grant select on attune.change_sets to authenticated, service_role;

create trigger _100_append_only before delete or truncate on attune.change_sets
  for each statement execute function attune_private.tg__append_only('A change set is cancelled, not deleted.');
create trigger _200_timestamps before update on attune.change_sets
  for each row execute function attune_private.tg__timestamps();
create trigger _900_audit after insert or update on attune.change_sets
  for each row execute function attune_private.tg__audit('change_set', '', 'id', 'status');

create table attune.change_set_items (
  change_set_id uuid not null
    constraint change_set_items_change_set_id_fkey references attune.change_sets (id) on delete restrict,
  position integer not null
    constraint change_set_items_position_check check (position between 1 and 200),
  layer attune.setting_layer not null
    constraint change_set_items_layer_check check (layer in ('default', 'global', 'plan', 'team')),
  scope text
    constraint change_set_items_scope_check check (char_length(scope) between 1 and 100),
  key text not null
    constraint change_set_items_key_check check (char_length(key) between 1 and 200),
  is_reset boolean not null,
  value jsonb
    constraint change_set_items_value_check check (octet_length(value::text) <= 65536),
  is_whole boolean not null,
  is_active boolean,
  is_enforced boolean,
  rollout_percentage integer,
  variants jsonb
    constraint change_set_items_variants_check check (octet_length(variants::text) <= 65536),
  rollout_steps jsonb
    constraint change_set_items_rollout_steps_check check (octet_length(rollout_steps::text) <= 16384),
  is_protected boolean,
  base jsonb
    constraint change_set_items_base_check check (octet_length(base::text) <= 262144),
  constraint change_set_items_pkey primary key (change_set_id, position),
  constraint change_set_items_target_key unique nulls not distinct (change_set_id, layer, scope, key)
);
comment on table attune.change_set_items is
  E'@foreignKey (key) references attune.setting_definitions (key)|@fieldName definition|@backwardBehavior -*\n'
  '@behavior -insert -update -delete\n'
  'The changes of a change set, one for each value. '
  'What is null is not mentioned, and stays as it is. '
  'For administrators.';
comment on constraint change_set_items_change_set_id_fkey on attune.change_set_items is
  '@foreignFieldName items';
comment on constraint change_set_items_target_key on attune.change_set_items is '@behavior -*';
comment on column attune.change_set_items.change_set_id is 'Which change set.';
comment on column attune.change_set_items.position is 'Which of its changes, from 1.';
comment on column attune.change_set_items.layer is 'Where: `default` is the definition itself.';
comment on column attune.change_set_items.scope is 'Which plan, or which team by its id; else null.';
comment on column attune.change_set_items.key is 'Which setting.';
comment on column attune.change_set_items.is_reset is 'Whether what is stored there is dropped.';
comment on column attune.change_set_items.value is 'The value; of an object, the members to change; of a definition, its default.';
comment on column attune.change_set_items.is_whole is 'Whether an object is stored as it is, in place of what is stored.';
comment on column attune.change_set_items.is_active is 'Whether the value applies.';
comment on column attune.change_set_items.is_enforced is 'Whether nobody can choose otherwise.';
comment on column attune.change_set_items.rollout_percentage is 'The share of users it applies to, 0 to 100.';
comment on column attune.change_set_items.variants is 'How the users are split, `[{"name", "weight", "value"}]`; JSON''s null ends the split.';
comment on column attune.change_set_items.rollout_steps is
  'The rollout in steps that begins with it, `[{"apply_at", "rollout_percentage"}]`.';
comment on column attune.change_set_items.is_protected is 'Whether the setting changes only by approved change sets from then on.';
comment on column attune.change_set_items.base is
  'What was stored there when the change was written, the value and its attributes; null for nothing. '
  'Once it is another, the change set is refused (`base_changed`) until it is refreshed.';

alter table attune.change_set_items enable row level security;
create policy change_set_items_select_admin on attune.change_set_items for select to authenticated
  using ((select attune.is_admin()));
create policy change_set_items_select_service_role on attune.change_set_items for select to service_role
  using (true);

revoke all on attune.change_set_items from public;
grant select on attune.change_set_items to authenticated, service_role;

create trigger _100_append_only before truncate on attune.change_set_items
  for each statement execute function attune_private.tg__append_only('A change set is cancelled, not deleted.');
create trigger _900_audit after insert or update on attune.change_set_items
  for each row execute function attune_private.tg__audit('change_set', '', 'key', 'value', 'change_set_id');
create trigger _910_audit_removed after delete on attune.change_set_items
  referencing old table as removed
  for each statement execute function attune_private.tg__audit_removed('change_set', '', 'key', 'value', 'change_set_id');

--!include change-sets/triggers/tg_setting_definitions__rename_changes.sql

create trigger _500_rename_changes after update on attune.setting_definitions
  for each row when (new.key <> old.key)
  execute function attune_private.tg_setting_definitions__rename_changes();

create type attune_private.setting_of_user as (user_id uuid, key text, value jsonb);
comment on type attune_private.setting_of_user is 'What applies to one user for one setting.';

create type attune.change_set_preview as (key text, previous_value jsonb, new_value jsonb, users integer);
comment on type attune.change_set_preview is 'How many users would see one value of a setting instead of another.';
comment on column attune.change_set_preview.key is
  E'@notNull\n'
  'Which setting.';
comment on column attune.change_set_preview.previous_value is 'What applies to them now.';
comment on column attune.change_set_preview.new_value is 'What would apply.';
comment on column attune.change_set_preview.users is
  E'@notNull\n'
  'How many users they are.';

-- Rollouts in steps

create type attune.rollout_status as enum ('running', 'finished', 'halted', 'failed');
comment on type attune.rollout_status is
  E'@value running Steps are to come.\n'
  '@value finished All steps were taken.\n'
  '@value halted Somebody halted it, or changed the share, the lock or the state of the value: `note` says which.\n'
  '@value failed A step was due and could not be taken: `failure` says why.\n'
  'What became of a rollout in steps.';

create type attune.planned_step as (apply_at timestamptz, rollout_percentage integer);
comment on type attune.planned_step is 'A step of a rollout.';
comment on column attune.planned_step.apply_at is 'When it is to be taken; null for at once.';
comment on column attune.planned_step.rollout_percentage is
  E'@notNull\n'
  'The share of users from then on, 0 to 100.';

create table attune.rollouts (
  key text not null
    constraint rollouts_pkey primary key
    constraint rollouts_key_fkey references attune.setting_definitions (key) on update cascade on delete cascade,
  status attune.rollout_status not null,
  note text
    constraint rollouts_note_check check (char_length(note) between 1 and 1000),
  failure attune.change_failure,
  change_set_id uuid
    constraint rollouts_change_set_id_fkey references attune.change_sets (id) on delete restrict,
  created_by uuid,
  created_at timestamptz not null default now(),
  updated_by uuid,
  updated_at timestamptz not null default now()
);
create index rollouts_change_set_id_idx on attune.rollouts (change_set_id);
comment on table attune.rollouts is
  E'@foreignKey (created_by) references attune.profiles (id)|@fieldName createdBy|@backwardBehavior -*\n'
  '@foreignKey (updated_by) references attune.profiles (id)|@fieldName updatedBy|@backwardBehavior -*\n'
  '@behavior -insert -update -delete\n'
  'How the global value of a setting is given to more and more users: its latest rollout in steps. '
  'For administrators.';
comment on column attune.rollouts.key is 'Of which setting.';
comment on column attune.rollouts.status is
  E'@behavior +attribute:filterBy\n'
  'What became of it.';
comment on column attune.rollouts.note is 'Why it was halted.';
comment on column attune.rollouts.failure is 'Why a step could not be taken.';
comment on column attune.rollouts.change_set_id is 'The change set that planned it; null when it was planned alone.';
comment on column attune.rollouts.created_by is
  E'@name created_by_id\n'
  'Who planned it, who may be gone; null when it was a trusted server.';
comment on column attune.rollouts.created_at is 'When it was planned.';
comment on column attune.rollouts.updated_by is
  E'@name updated_by_id\n'
  'Who last changed it, by a step or otherwise; null when it was a trusted server.';
comment on column attune.rollouts.updated_at is 'When it last changed.';

alter table attune.rollouts enable row level security;
create policy rollouts_select_admin on attune.rollouts for select to authenticated
  using ((select attune.is_admin()));
create policy rollouts_select_service_role on attune.rollouts for select to service_role
  using (true);

revoke all on attune.rollouts from public;
grant select on attune.rollouts to authenticated, service_role;

create trigger _100_append_only before truncate on attune.rollouts
  for each statement execute function attune_private.tg__append_only('A rollout is halted, not removed.');
create trigger _200_timestamps before update on attune.rollouts
  for each row execute function attune_private.tg__timestamps();
create trigger _900_audit after insert or update on attune.rollouts
  for each row execute function attune_private.tg__audit('rollout', '', 'key', 'status');
create trigger _910_audit_removed after delete on attune.rollouts
  referencing old table as removed
  for each statement execute function attune_private.tg__audit_removed('rollout', '', 'key', 'status');

create table attune.rollout_steps (
  key text not null
    constraint rollout_steps_key_fkey references attune.rollouts (key) on update cascade on delete cascade,
  position integer not null
    constraint rollout_steps_position_check check (position between 1 and 50),
  apply_at timestamptz not null,
  rollout_percentage integer not null
    constraint rollout_steps_rollout_percentage_check check (rollout_percentage between 0 and 100),
  applied_at timestamptz,
  constraint rollout_steps_pkey primary key (key, position)
);
create index rollout_steps_apply_at_idx on attune.rollout_steps (apply_at) where applied_at is null;
comment on table attune.rollout_steps is
  E'@behavior -insert -update -delete\n'
  'The steps of the rollouts. '
  'For administrators.';
comment on constraint rollout_steps_key_fkey on attune.rollout_steps is
  '@foreignFieldName steps';
comment on column attune.rollout_steps.key is 'Of which setting.';
comment on column attune.rollout_steps.position is 'Which step, from 1.';
comment on column attune.rollout_steps.apply_at is 'When it is to be taken.';
comment on column attune.rollout_steps.rollout_percentage is 'The share of users from then on, 0 to 100.';
comment on column attune.rollout_steps.applied_at is 'When it was taken; null when it was not.';

alter table attune.rollout_steps enable row level security;
create policy rollout_steps_select_admin on attune.rollout_steps for select to authenticated
  using ((select attune.is_admin()));
create policy rollout_steps_select_service_role on attune.rollout_steps for select to service_role
  using (true);

revoke all on attune.rollout_steps from public;
grant select on attune.rollout_steps to authenticated, service_role;

create trigger _100_append_only before truncate on attune.rollout_steps
  for each statement execute function attune_private.tg__append_only('A rollout is halted, not removed.');
create trigger _900_audit after insert or update on attune.rollout_steps
  for each row execute function attune_private.tg__audit('rollout', '', 'key', 'rollout_percentage', 'position');
create trigger _910_audit_removed after delete on attune.rollout_steps
  referencing old table as removed
  for each statement execute function attune_private.tg__audit_removed('rollout', '', 'key', 'rollout_percentage', 'position');

--!include change-sets/triggers/tg_global_settings__halt_rollout.sql

create trigger _600_halt_rollout after update on attune.global_settings
  for each row when (
    new.rollout_percentage is distinct from old.rollout_percentage
    or new.is_enforced is distinct from old.is_enforced
    or new.is_active is distinct from old.is_active
  )
  execute function attune_private.tg_global_settings__halt_rollout();
create trigger _610_halt_rollout_reset after delete on attune.global_settings
  for each row execute function attune_private.tg_global_settings__halt_rollout();

--!include change-sets/private/refuse_rollout_steps.sql
--!include change-sets/private/check_rollout_steps.sql
--!include change-sets/private/plan_rollout.sql
--!include change-sets/private/apply_due_step.sql
--!include change-sets/plan_rollout.sql
--!include change-sets/halt_rollout.sql

-- What is done with change sets

--!include change-sets/change_sets_is_approval_required.sql
--!include change-sets/change_sets_applied_changes.sql
--!include change-sets/private/stored_base.sql
--!include change-sets/private/check_change_set.sql
--!include change-sets/private/refuse_change_set.sql
--!include change-sets/private/read_change_set_items.sql
--!include change-sets/private/write_change_set_items.sql
--!include change-sets/private/lock_change_set.sql
--!include change-sets/private/reopen_change_set.sql
--!include change-sets/private/lock_layers.sql
--!include change-sets/private/check_base.sql
--!include change-sets/private/apply_item.sql
--!include change-sets/private/apply_items.sql
--!include change-sets/private/try_items.sql
--!include change-sets/private/apply_change_set.sql
--!include change-sets/private/rewrite_change_set.sql
--!include change-sets/private/close_change_set.sql
--!include change-sets/private/told_failure.sql
--!include change-sets/private/apply_due_change_set.sql
--!include change-sets/private/settings_by_user.sql
--!include change-sets/create_change_set.sql
--!include change-sets/update_change_set.sql
--!include change-sets/add_to_change_set.sql
--!include change-sets/remove_from_change_set.sql
--!include change-sets/schedule_change_set.sql
--!include change-sets/approve_change_set.sql
--!include change-sets/reject_change_set.sql
--!include change-sets/cancel_change_set.sql
--!include change-sets/refresh_change_set.sql
--!include change-sets/preview_change_set.sql
--!include change-sets/apply_change_set.sql
--!include change-sets/apply_due_changes.sql
