--! Previous: sha1:fc8cdb30aa0a523a52ea233d9b14ddedc7f4f3d2
--! Hash: sha1:dfad4b1f9974515927ed3b673533312c6e6f7e3e
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

--! Included change-sets/private/check_protection.sql
create or replace function attune_private.check_protection(key text)
returns void
language plpgsql volatile parallel restricted security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  -- A snapshot may be from before the setting was protected: then the lock fails (40001). Who changes it just now waits
  -- for us, so we do not wait for them (55P03).
  if current_setting('transaction_isolation') <> 'read committed' then
    perform from attune.setting_definitions as d where d.key = check_protection.key for share nowait;
  end if;

  if not attune_private.is_owner()
    and attune_private.is_protected(check_protection.key)
    and not exists (
      select from attune_private.planned_writes as w
      where w.transaction_id = pg_current_xact_id_if_assigned()
        and w.key = check_protection.key
        and w.is_approved
    )
  then
    raise exception using
      errcode = '42501',
      message = format('%s is protected', check_protection.key),
      detail = 'setting_protected',
      hint = 'Propose a change set, and have another administrator approve of it.';
  end if;
end;
$$;
comment on function attune_private.check_protection(text) is
  'Refuses (`setting_protected`) everybody but the owner to change a protected setting, unless an approved change set '
  'does it.';
revoke all on function attune_private.check_protection(text) from public;
--! EndIncluded change-sets/private/check_protection.sql
--! Included change-sets/triggers/tg__protect.sql
create or replace function attune_private.tg__protect()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  previous constant jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) end;
  written constant jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) end;
  stamps constant text[] := '{updated_by,updated_at}';
begin
  if (previous - stamps)::text is distinct from (written - stamps)::text
    -- What goes with its plan or team applies to nobody any more.
    and (
      tg_op <> 'DELETE'
      or previous ->> 'plan' is null and previous ->> 'team_id' is null
      or exists (select from attune.plans as p where p.name = previous ->> 'plan')
      or exists (select from attune.teams as t where t.id = (previous ->> 'team_id')::uuid)
    )
  then
    perform attune_private.check_protection(coalesce(written, previous) ->> 'key');
  end if;

  return coalesce(new, old);
end;
$$;
comment on function attune_private.tg__protect() is
  'Refuses (`setting_protected`) to change what administrators chose for a protected setting, unless by an approved '
  'change set.';
revoke all on function attune_private.tg__protect() from public;
--! EndIncluded change-sets/triggers/tg__protect.sql
--! Included change-sets/triggers/tg_setting_definitions__protect.sql
create or replace function attune_private.tg_setting_definitions__protect()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  -- What decides about no value.
  free constant text[] := '{category,description,source,updated_at}';
begin
  if tg_op = 'DELETE' then
    perform attune_private.check_protection(old.key);
    return old;
  elsif (to_jsonb(old) - free)::text <> (to_jsonb(new) - free)::text then
    perform attune_private.check_protection(old.key);
  end if;

  return new;
end;
$$;
comment on function attune_private.tg_setting_definitions__protect() is
  'Refuses (`setting_protected`) to remove a protected setting, to rename it, to end its protection, or to change what '
  'decides about its values, unless by an approved change set.';
revoke all on function attune_private.tg_setting_definitions__protect() from public;
--! EndIncluded change-sets/triggers/tg_setting_definitions__protect.sql

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

--! Included change-sets/triggers/tg_setting_definitions__rename_changes.sql
create or replace function attune_private.tg_setting_definitions__rename_changes()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update attune.change_set_items as i
  set key = new.key
  from attune.change_sets as c
  where i.key = old.key
    and c.id = i.change_set_id
    and c.closed_at is null;
  return null;
end;
$$;
comment on function attune_private.tg_setting_definitions__rename_changes() is
  'Lets the changes of open change sets follow a setting that is renamed.';
revoke all on function attune_private.tg_setting_definitions__rename_changes() from public;
--! EndIncluded change-sets/triggers/tg_setting_definitions__rename_changes.sql

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

--! Included change-sets/triggers/tg_global_settings__halt_rollout.sql
create or replace function attune_private.tg_global_settings__halt_rollout()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update attune.rollouts as r
  set
    status = 'halted',
    note = case tg_op
      when 'DELETE' then 'The value was reset'
      else 'The share, the lock or the state of the value was changed'
    end,
    updated_by = attune.current_user_id()
  where r.key = old.key
    and r.status = 'running'
    and not exists (
      select from attune_private.planned_writes as w
      where w.transaction_id = pg_current_xact_id_if_assigned()
        and w.key = old.key
        and w.is_step
    );
  return null;
end;
$$;
comment on function attune_private.tg_global_settings__halt_rollout() is
  'Halts a rollout in steps when something else changes the share, the lock or the state of the value, or resets it: '
  'what somebody decided by hand is not overridden.';
revoke all on function attune_private.tg_global_settings__halt_rollout() from public;
--! EndIncluded change-sets/triggers/tg_global_settings__halt_rollout.sql

create trigger _600_halt_rollout after update on attune.global_settings
  for each row when (
    new.rollout_percentage is distinct from old.rollout_percentage
    or new.is_enforced is distinct from old.is_enforced
    or new.is_active is distinct from old.is_active
  )
  execute function attune_private.tg_global_settings__halt_rollout();
create trigger _610_halt_rollout_reset after delete on attune.global_settings
  for each row execute function attune_private.tg_global_settings__halt_rollout();

--! Included change-sets/private/refuse_rollout_steps.sql
create or replace function attune_private.refuse_rollout_steps(message text, hint text)
returns void
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = 'PT422',
    message = refuse_rollout_steps.message,
    detail = 'invalid_rollout_steps',
    hint = refuse_rollout_steps.hint;
end;
$$;
comment on function attune_private.refuse_rollout_steps(text, text) is
  'Refuses (`invalid_rollout_steps`) the steps of a rollout, with what is wrong and what to do.';
revoke all on function attune_private.refuse_rollout_steps(text, text) from public;
--! EndIncluded change-sets/private/refuse_rollout_steps.sql
--! Included change-sets/private/check_rollout_steps.sql
create or replace function attune_private.check_rollout_steps(steps attune.planned_step[])
returns void
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  if cardinality(steps) between 1 and 50 is not true or exists (
    select
    from (
      select
        s.rollout_percentage,
        coalesce(s.apply_at, now()) as apply_at,
        lag(s.rollout_percentage) over before as previous_percentage,
        lag(coalesce(s.apply_at, now())) over before as previous_apply_at
      from unnest(steps) with ordinality as s (apply_at, rollout_percentage, place)
      window before as (order by s.place)
    ) as s
    where (s.rollout_percentage between 0 and 100 and isfinite(s.apply_at)) is not true
      or s.rollout_percentage <= s.previous_percentage
      or s.apply_at <= s.previous_apply_at
  ) then
    perform attune_private.refuse_rollout_steps(
      'A rollout has 1 to 50 steps, each later and with a larger share than the one before',
      'Give each step a time and a whole number from 0 to 100, in their order.'
    );
  end if;
end;
$$;
comment on function attune_private.check_rollout_steps(attune.planned_step[]) is
  'Refuses (`invalid_rollout_steps`) what are no steps of a rollout.';
revoke all on function attune_private.check_rollout_steps(attune.planned_step[]) from public;
--! EndIncluded change-sets/private/check_rollout_steps.sql
--! Included change-sets/private/plan_rollout.sql
create or replace function attune_private.plan_rollout(
  caller attune_private.caller,
  key text,
  steps attune.planned_step[],
  value jsonb,
  is_enforced boolean,
  variants jsonb,
  is_active boolean,
  is_whole boolean,
  expected_updated_at timestamptz,
  change_set_id uuid
)
returns attune.rollouts
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  stored attune.global_settings;
  is_new boolean;
  due_percentage integer;
  planned attune.rollouts;
begin
  perform attune_private.require_administrator(caller);
  perform attune_private.check_setting(caller, plan_rollout.key);
  perform attune_private.check_protection(plan_rollout.key);
  perform attune_private.check_rollout_steps(plan_rollout.steps);

  -- The table as for writing, and the value before the rollout, as whoever changes a value by hand locks them.
  lock table attune.global_settings in row exclusive mode;
  select g.* into stored from attune.global_settings as g where g.key = plan_rollout.key for no key update;

  if plan_rollout.value is null and stored.key is null then
    perform attune_private.refuse_missing_value();
  end if;

  is_new := stored.is_active is not true
    or stored.value <> attune_private.written_value(
      plan_rollout.key, 'global', stored.value, plan_rollout.value, plan_rollout.is_whole
    )
    or stored.variants is distinct from nullif(coalesce(plan_rollout.variants, stored.variants), 'null');

  if not is_new and plan_rollout.steps[1].rollout_percentage < stored.rollout_percentage then
    perform attune_private.refuse_rollout_steps(
      format('The value reaches %s %% of the users already, and who is in stays in', stored.rollout_percentage),
      'Begin with at least that share, or set a smaller one with set_global_setting first.'
    );
  end if;

  select max(s.rollout_percentage) into due_percentage
  from unnest(plan_rollout.steps) as s
  where coalesce(s.apply_at, now()) <= now();

  -- A new value waits for its first step.
  perform attune_private.write_global_setting(
    caller,
    plan_rollout.key,
    plan_rollout.value,
    plan_rollout.is_enforced,
    coalesce(due_percentage, case when is_new then 0 end),
    plan_rollout.variants,
    plan_rollout.is_active,
    plan_rollout.is_whole,
    plan_rollout.expected_updated_at
  );

  insert into attune.rollouts as r (key, status, change_set_id, created_by, updated_by)
  values (
    plan_rollout.key,
    case
      when due_percentage = (select max(s.rollout_percentage) from unnest(plan_rollout.steps) as s) then 'finished'
      else 'running'
    end::attune.rollout_status,
    plan_rollout.change_set_id,
    caller.user_id,
    caller.user_id
  )
  on conflict on constraint rollouts_pkey do update set
    status = excluded.status,
    note = null,
    failure = null,
    change_set_id = excluded.change_set_id,
    created_by = excluded.created_by,
    created_at = now(),
    updated_by = excluded.updated_by
  returning r.* into planned;

  delete from attune.rollout_steps as s where s.key = plan_rollout.key;
  insert into attune.rollout_steps (key, position, apply_at, rollout_percentage, applied_at)
  select
    plan_rollout.key, s.place, coalesce(s.apply_at, now()), s.rollout_percentage,
    case when s.rollout_percentage <= due_percentage then now() end
  from unnest(plan_rollout.steps) with ordinality as s (apply_at, rollout_percentage, place);

  return planned;
end;
$$;
comment on function attune_private.plan_rollout(
  attune_private.caller, text, attune.planned_step[], jsonb, boolean, jsonb, boolean, boolean, timestamptz, uuid
) is
  'Plans a rollout in steps in place of the one that there is, takes the steps that are due, and returns it. '
  'Refused as `attune.plan_rollout`.';
revoke all on function attune_private.plan_rollout(
  attune_private.caller, text, attune.planned_step[], jsonb, boolean, jsonb, boolean, boolean, timestamptz, uuid
) from public;
--! EndIncluded change-sets/private/plan_rollout.sql
--! Included change-sets/private/apply_due_step.sql
create or replace function attune_private.apply_due_step(caller attune_private.caller, key text)
returns boolean
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  told constant text := current_setting('attune.change_reason', true);
  rollout attune.rollouts;
  due attune.rollout_steps;
  refused attune.change_failure;
begin
  -- The value first, and then the rollout, as whoever changes a value by hand locks them; what is being written is left
  -- for the next time.
  begin
    lock table attune.global_settings in row exclusive mode;
  exception
    when lock_not_available then
      return false;
  end;

  perform from attune.global_settings as g where g.key = apply_due_step.key for no key update skip locked;

  if not found then
    return false;
  end if;

  select r.* into rollout
  from attune.rollouts as r
  where r.key = apply_due_step.key
    and r.status = 'running'
  for no key update skip locked;

  if not found then
    return false;
  end if;

  -- What was missed is skipped.
  select s.* into due
  from attune.rollout_steps as s
  where s.key = rollout.key
    and s.applied_at is null
    and s.apply_at <= now()
  order by s.position desc
  limit 1;

  if not found then
    return false;
  end if;

  begin
    insert into attune_private.planned_writes (key, is_approved, is_step)
    values (
      rollout.key,
      exists (
        select from attune.change_sets as c
        where c.id = rollout.change_set_id
          and c.approved_at is not null
      ),
      true
    );
    perform set_config('attune.change_reason', format('Step %s of a rollout', due.position), true);
    perform attune_private.write_global_setting(
      caller, rollout.key, null, null, due.rollout_percentage, null, null, false, null
    );
    delete from attune_private.planned_writes as w where w.transaction_id = pg_current_xact_id();

    update attune.rollout_steps as s
    set applied_at = now()
    where s.key = rollout.key
      and s.position <= due.position
      and s.applied_at is null;

    update attune.rollouts as r
    set
      status = case
        when exists (select from attune.rollout_steps as s where s.key = r.key and s.applied_at is null) then r.status
        else 'finished'
      end,
      updated_by = caller.user_id
    where r.key = rollout.key;

    perform set_config('attune.change_reason', coalesce(told, ''), true);
  exception
    -- Only for now: it is tried again.
    when serialization_failure or deadlock_detected or lock_not_available then
      return false;
    when others then
      get stacked diagnostics
        refused.reason = pg_exception_detail, refused.message = message_text, refused.hint = pg_exception_hint;

      update attune.rollouts as r
      set status = 'failed', failure = attune_private.told_failure(sqlstate, refused), updated_by = caller.user_id
      where r.key = rollout.key;
  end;

  return true;
end;
$$;
comment on function attune_private.apply_due_step(attune_private.caller, text) is
  'Takes the latest step of a rollout that is due, or keeps with the rollout why it could not be taken; false when there '
  'is none to be taken now.';
revoke all on function attune_private.apply_due_step(attune_private.caller, text) from public;
--! EndIncluded change-sets/private/apply_due_step.sql
--! Included change-sets/plan_rollout.sql
create or replace function attune.plan_rollout(
  key text,
  steps attune.planned_step[],
  value jsonb default null,
  is_whole boolean default false,
  expected_updated_at timestamptz default null
)
returns attune.rollouts
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return attune_private.plan_rollout(
    attune_private.current_caller(),
    plan_rollout.key,
    plan_rollout.steps,
    plan_rollout.value,
    null,
    null,
    null,
    plan_rollout.is_whole,
    plan_rollout.expected_updated_at,
    null
  );
end;
$$;
comment on function attune.plan_rollout(text, attune.planned_step[], jsonb, boolean, timestamptz) is
  E'@param key Which setting.\n'
  '@param steps The steps, 1 to 50, each later and with a larger share than the one before.\n'
  '@param value The value that is rolled out; of an object, the members to change. '
  'Left out, it is the one that is there.\n'
  '@param is_whole True stores an object as it is, in place of what is stored.\n'
  '@param expected_updated_at The `updated_at` of the global value that was read.\n'
  'Gives the global value of a setting to more and more users, step by step, in place of a rollout that there is, and '
  'returns the rollout. '
  'Steps that are due are taken at once; a new value reaches nobody before its first step. '
  'Who has the value that is there already keeps it: no step can have a smaller share than it has. '
  'Whoever changes the share, the lock or the state of the value by hand, or resets it, halts it. '
  'For administrators; a protected setting is rolled out by a change set. '
  'Refused: `admin_required`, `unknown_setting`, `setting_protected`, `invalid_rollout_steps`, `value_required`, and as '
  '`set_global_setting`.';
revoke all on function attune.plan_rollout(text, attune.planned_step[], jsonb, boolean, timestamptz) from public;
grant execute on function attune.plan_rollout(text, attune.planned_step[], jsonb, boolean, timestamptz) to anon, authenticated, service_role;
--! EndIncluded change-sets/plan_rollout.sql
--! Included change-sets/halt_rollout.sql
create or replace function attune.halt_rollout(
  key text,
  rollout_percentage integer default null,
  note text default null
)
returns attune.rollouts
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  halted attune.rollouts;
begin
  perform attune_private.require_administrator(caller);
  perform attune_private.check_setting(caller, halt_rollout.key);
  perform attune_private.check_size('The note', char_length(halt_rollout.note), 1000, 'characters');

  -- The value first, as everybody locks them.
  lock table attune.global_settings in row exclusive mode;
  perform from attune.global_settings as g where g.key = halt_rollout.key for no key update;

  update attune.rollouts as r
  set status = 'halted', note = nullif(btrim(halt_rollout.note), ''), updated_by = caller.user_id
  where r.key = halt_rollout.key
    and r.status = 'running'
  returning r.* into halted;

  if not found then
    raise exception using
      errcode = 'PT404',
      message = format('No rollout of %s is running', halt_rollout.key),
      detail = 'no_rollout',
      hint = 'Change the share with set_global_setting.';
  end if;

  if halt_rollout.rollout_percentage is not null then
    perform attune_private.write_global_setting(
      caller, halt_rollout.key, null, null, halt_rollout.rollout_percentage, null, null, false, null
    );
  end if;

  return halted;
end;
$$;
comment on function attune.halt_rollout(text, integer, text) is
  E'@param key Which setting.\n'
  '@param rollout_percentage The share of users from now on; left out, it stays.\n'
  '@param note Why, at most 1,000 characters.\n'
  'Halts a rollout in steps, sets the share at once where it is given, and returns the rollout; for administrators. '
  'The share of a protected setting stays: without it, the rollout is halted. '
  'Refused: `admin_required`, `unknown_setting`, `no_rollout`, `invalid_rollout_percentage`, `setting_protected`, '
  '`too_large`.';
revoke all on function attune.halt_rollout(text, integer, text) from public;
grant execute on function attune.halt_rollout(text, integer, text) to anon, authenticated, service_role;
--! EndIncluded change-sets/halt_rollout.sql

-- What is done with change sets

--! Included change-sets/change_sets_is_approval_required.sql
create or replace function attune.change_sets_is_approval_required(change_set attune.change_sets)
returns boolean
language sql stable parallel safe security invoker
begin atomic
  select change_set.needs_approval or exists (
    select from attune.change_set_items as i
    join attune.setting_definitions as d on d.key = i.key
    where i.change_set_id = change_set.id
      and d.is_protected
  );
end;
comment on function attune.change_sets_is_approval_required(attune.change_sets) is
  'Whether another administrator has to approve of it before it can be applied: it was asked for, or one of its '
  'settings is protected.';
revoke all on function attune.change_sets_is_approval_required(attune.change_sets) from public;
grant execute on function attune.change_sets_is_approval_required(attune.change_sets) to anon, authenticated, service_role;
--! EndIncluded change-sets/change_sets_is_approval_required.sql
--! Included change-sets/change_sets_applied_changes.sql
create or replace function attune.change_sets_applied_changes(change_set attune.change_sets)
returns setof attune.configuration_audit_log
language sql stable parallel safe security invoker
begin atomic
  select l.*
  from attune.configuration_audit_log as l
  where l.transaction_id = change_set.transaction_id
    and l.id between change_set.first_change_id and change_set.last_change_id
    and l.subject = 'setting'
  order by l.id;
end;
comment on function attune.change_sets_applied_changes(attune.change_sets) is
  E'@behavior -typeField:resource:list +typeField:resource:connection\n'
  'What it changed when it was applied: its rows of the audit log.';
revoke all on function attune.change_sets_applied_changes(attune.change_sets) from public;
grant execute on function attune.change_sets_applied_changes(attune.change_sets) to anon, authenticated, service_role;
--! EndIncluded change-sets/change_sets_applied_changes.sql
--! Included change-sets/private/stored_base.sql
create or replace function attune_private.stored_base(layer attune.setting_layer, scope text, key text)
returns jsonb
language sql stable parallel safe security invoker
begin atomic
  select case stored_base.layer
    when 'default' then (
      select jsonb_build_object('value', d.default_value, 'is_protected', d.is_protected)
      from attune.setting_definitions as d
      where d.key = stored_base.key
    )
    when 'global' then (
      select to_jsonb(g) - '{key,updated_by,updated_at}'::text[]
      from attune.global_settings as g
      where g.key = stored_base.key
    )
    when 'plan' then (
      select to_jsonb(s) - '{plan,key,updated_by,updated_at}'::text[]
      from attune.plan_settings as s
      where s.plan = stored_base.scope
        and s.key = stored_base.key
    )
    when 'team' then (
      select to_jsonb(s) - '{team_id,key,updated_by,updated_at}'::text[]
      from attune.team_settings as s
      where s.team_id::text = stored_base.scope
        and s.key = stored_base.key
    )
  end;
end;
comment on function attune_private.stored_base(attune.setting_layer, text, text) is
  'What is stored in a layer that administrators write, the value and its attributes; NULL for nothing.';
revoke all on function attune_private.stored_base(attune.setting_layer, text, text) from public;
--! EndIncluded change-sets/private/stored_base.sql
--! Included change-sets/private/check_change_set.sql
create or replace function attune_private.check_change_set(title text, reason text, apply_at timestamptz)
returns void
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  if coalesce(btrim(title), '') = '' then
    perform attune_private.refuse_missing_title('A change set has a title', 'Give it one.');
  end if;

  perform attune_private.check_size('The title', char_length(title), 200, 'characters');
  perform attune_private.check_size('The reason', char_length(reason), 1000, 'characters');

  if not isfinite(apply_at) then
    raise exception using
      errcode = 'PT422',
      message = 'A change set is applied at a time, or by somebody',
      detail = 'invalid_apply_at',
      hint = 'Give a time, or none.';
  end if;
end;
$$;
comment on function attune_private.check_change_set(text, text, timestamptz) is
  'Refuses what a change set says of itself: `title_required`, `too_large`, `invalid_apply_at`.';
revoke all on function attune_private.check_change_set(text, text, timestamptz) from public;
--! EndIncluded change-sets/private/check_change_set.sql
--! Included change-sets/private/refuse_change_set.sql
create or replace function attune_private.refuse_change_set(problems jsonb)
returns void
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  listed constant text := left(
    (
      select string_agg(concat_ws(': ', p.problem ->> 'key', p.problem ->> 'message'), '; ' order by p.position)
      from jsonb_array_elements(problems) with ordinality as p (problem, position)
    ),
    4000
  );
begin
  if problems is not null then
    raise exception using
      errcode = 'PT422',
      message = 'The changes cannot be made: ' || listed,
      detail = 'invalid_change_set',
      hint = attune_private.hint_with_problems('Mend what is named. Nothing was changed.', problems);
  end if;
end;
$$;
comment on function attune_private.refuse_change_set(jsonb) is
  'Refuses (`invalid_change_set`) changes with problems, naming each; passes when there are none.';
revoke all on function attune_private.refuse_change_set(jsonb) from public;
--! EndIncluded change-sets/private/refuse_change_set.sql
--! Included change-sets/private/read_change_set_items.sql
create or replace function attune_private.read_change_set_items(changes jsonb)
returns setof attune.change_set_items
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  perform attune_private.check_depth('The list of changes', changes, 80);
  perform attune_private.refuse_change_set(
    attune_private.value_problems(
      '{
        "type": "array", "minItems": 1, "maxItems": 200, "x-attune": {"assertFormat": true},
        "items": {
          "type": "object",
          "required": ["layer", "key"],
          "additionalProperties": false,
          "properties": {
            "layer": {"enum": ["default", "global", "plan", "team"]},
            "plan": {"type": "string", "minLength": 1, "maxLength": 100},
            "team_id": {"type": "string", "pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"},
            "key": {"type": "string", "minLength": 1, "maxLength": 200},
            "is_reset": {"type": "boolean"},
            "value": true,
            "is_whole": {"type": "boolean"},
            "is_active": {"type": "boolean"},
            "is_enforced": {"type": "boolean"},
            "rollout_percentage": {"type": "integer", "minimum": 0, "maximum": 100},
            "variants": true,
            "rollout_steps": {
              "type": "array", "minItems": 1, "maxItems": 50,
              "items": {
                "type": "object",
                "required": ["rollout_percentage"],
                "additionalProperties": false,
                "properties": {
                  "apply_at": {"type": "string", "format": "date-time"},
                  "rollout_percentage": {"type": "integer", "minimum": 0, "maximum": 100}
                }
              }
            },
            "is_protected": {"type": "boolean"}
          },
          "allOf": [
            {
              "if": {"properties": {"layer": {"const": "plan"}}},
              "then": {"required": ["plan"]},
              "else": {"properties": {"plan": false}}
            },
            {
              "if": {"properties": {"layer": {"const": "team"}}},
              "then": {"required": ["team_id"]},
              "else": {"properties": {"team_id": false}}
            },
            {
              "if": {"properties": {"layer": {"const": "global"}}},
              "else": {"properties": {"rollout_percentage": false, "variants": false, "rollout_steps": false}}
            },
            {
              "if": {"properties": {"layer": {"const": "default"}}},
              "then": {"properties": {"is_reset": false, "is_whole": false, "is_active": false, "is_enforced": false}},
              "else": {"properties": {"is_protected": false}}
            },
            {
              "if": {"required": ["is_reset"], "properties": {"is_reset": {"const": true}}},
              "then": {"properties": {
                "value": false, "is_whole": false, "is_active": false, "is_enforced": false,
                "rollout_percentage": false, "variants": false, "rollout_steps": false
              }}
            },
            {"if": {"required": ["rollout_steps"]}, "then": {"properties": {"rollout_percentage": false}}}
          ]
        }
      }',
      changes
    )
  );

  return query
    select
      null::uuid,
      c.position::integer,
      (c.change ->> 'layer')::attune.setting_layer,
      coalesce(c.change ->> 'plan', lower(c.change ->> 'team_id')),
      c.change ->> 'key',
      coalesce((c.change -> 'is_reset')::boolean, false),
      c.change -> 'value',
      coalesce((c.change -> 'is_whole')::boolean, false),
      (c.change -> 'is_active')::boolean,
      (c.change -> 'is_enforced')::boolean,
      (c.change -> 'rollout_percentage')::integer,
      c.change -> 'variants',
      c.change -> 'rollout_steps',
      (c.change -> 'is_protected')::boolean,
      null::jsonb
    from jsonb_array_elements(changes) with ordinality as c (change, position);
end;
$$;
comment on function attune_private.read_change_set_items(jsonb) is
  'The changes that a list names, `[{layer, plan or team_id, key, is_reset, value, …}]`, without their base. '
  'Refused (`invalid_change_set`) when it is no such list.';
revoke all on function attune_private.read_change_set_items(jsonb) from public;
--! EndIncluded change-sets/private/read_change_set_items.sql
--! Included change-sets/private/write_change_set_items.sql
create or replace function attune_private.write_change_set_items(change_set_id uuid, items attune.change_set_items[])
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  problems jsonb;
begin
  perform attune_private.check_size('A change set', cardinality(items), 200, 'changes');
  perform
    attune_private.check_size('The value of ' || i.key, octet_length(i.value::text), 65536, 'bytes'),
    attune_private.check_size('The variants of ' || i.key, octet_length(i.variants::text), 65536, 'bytes')
  from unnest(items) as i;

  select jsonb_agg(
    jsonb_build_object(
      'key', i.key, 'pointer', '/' || i.place - 1, 'keyword', 'uniqueItems', 'message', 'it is changed twice'
    )
    order by i.place
  )
  into problems
  from (
    select
      u.key, p.place, row_number() over (partition by u.layer, u.scope, u.key order by p.place) as times
    from generate_subscripts(items, 1) as p (place)
    cross join lateral (select (items[p.place]).*) as u
  ) as i
  where i.times > 1;
  perform attune_private.refuse_change_set(problems);

  -- What stays in its place is only updated: the audit log has what changes.
  delete from attune.change_set_items as i
  where i.change_set_id = write_change_set_items.change_set_id
    and ((items[i.position]).layer, (items[i.position]).scope, (items[i.position]).key)
      is distinct from (i.layer, i.scope, i.key);
  insert into attune.change_set_items
  select
    write_change_set_items.change_set_id, p.place, i.layer, i.scope, i.key, i.is_reset, i.value, i.is_whole,
    i.is_active, i.is_enforced, i.rollout_percentage, i.variants, i.rollout_steps, i.is_protected,
    case when i.change_set_id is null then attune_private.stored_base(i.layer, i.scope, i.key) else i.base end
  from generate_subscripts(items, 1) as p (place)
  cross join lateral (select (items[p.place]).*) as i
  on conflict on constraint change_set_items_pkey do update set
    is_reset = excluded.is_reset,
    value = excluded.value,
    is_whole = excluded.is_whole,
    is_active = excluded.is_active,
    is_enforced = excluded.is_enforced,
    rollout_percentage = excluded.rollout_percentage,
    variants = excluded.variants,
    rollout_steps = excluded.rollout_steps,
    is_protected = excluded.is_protected,
    base = excluded.base;
end;
$$;
comment on function attune_private.write_change_set_items(uuid, attune.change_set_items[]) is
  'Gives a change set these changes in place of those that it has, new ones with what is stored now as their base. '
  'Refused: `invalid_change_set`, `too_large`.';
revoke all on function attune_private.write_change_set_items(uuid, attune.change_set_items[]) from public;
--! EndIncluded change-sets/private/write_change_set_items.sql
--! Included change-sets/private/lock_change_set.sql
create or replace function attune_private.lock_change_set(
  caller attune_private.caller,
  id uuid,
  expected_updated_at timestamptz
)
returns attune.change_sets
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  change_set attune.change_sets;
begin
  perform attune_private.require_administrator(caller);
  select c.* into change_set from attune.change_sets as c where c.id = lock_change_set.id for no key update;

  if not found then
    raise exception using
      errcode = 'PT404',
      message = 'There is no such change set',
      detail = 'unknown_change_set',
      hint = 'List what there is with changeSets.';
  elsif change_set.closed_at is not null then
    raise exception using
      errcode = 'PT409',
      message = format('The change set was %s', change_set.status),
      detail = 'change_set_closed',
      hint = 'Make another one.';
  end if;

  perform attune_private.check_unchanged(change_set.updated_at, lock_change_set.expected_updated_at);
  return change_set;
end;
$$;
comment on function attune_private.lock_change_set(attune_private.caller, uuid, timestamptz) is
  'A change set that is to be changed, which nobody else can change meanwhile. '
  'Refused: `admin_required`, `unknown_change_set`, `change_set_closed`, `changed_meanwhile`.';
revoke all on function attune_private.lock_change_set(attune_private.caller, uuid, timestamptz) from public;
--! EndIncluded change-sets/private/lock_change_set.sql
--! Included change-sets/private/reopen_change_set.sql
create or replace function attune_private.reopen_change_set(caller attune_private.caller, id uuid)
returns attune.change_sets
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  changed attune.change_sets;
begin
  update attune.change_sets as c
  set status = 'proposed', approved_by = null, approved_at = null, failure = null, updated_by = caller.user_id
  where c.id = reopen_change_set.id
  returning c.* into changed;
  return changed;
end;
$$;
comment on function attune_private.reopen_change_set(attune_private.caller, uuid) is
  'Withdraws the approval of a change set that was changed, and what was said of its failure.';
revoke all on function attune_private.reopen_change_set(attune_private.caller, uuid) from public;
--! EndIncluded change-sets/private/reopen_change_set.sql
--! Included change-sets/private/lock_layers.sql
create or replace function attune_private.lock_layers(change_set_id uuid, exclusively boolean)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  written attune.setting_layer;
  item attune.change_set_items;
  definition attune.setting_definitions;
begin
  -- In the order in which documents and triggers of the definitions lock.
  for written in
    select distinct i.layer
    from attune.change_set_items as i
    where i.change_set_id = lock_layers.change_set_id
    order by i.layer
  loop
    if written = 'default' then
      lock table attune.setting_definitions in share row exclusive mode;

      -- What takes long is done before others have to wait.
      for item in
        select i.*
        from attune.change_set_items as i
        where i.change_set_id = lock_layers.change_set_id
          and i.layer = 'default'
          and i.value is not null
      loop
        select d.* into definition from attune.setting_definitions as d where d.key = item.key;
        definition.default_value := item.value;
        perform attune_private.check_stored_values(definition);
      end loop;

      perform attune_private.lock_all_layers();
      return;
    end if;

    execute format(
      'lock table attune.%I in %s mode',
      written || '_settings',
      case when exclusively then 'share row exclusive' else 'row exclusive' end
    );
  end loop;
end;
$$;
comment on function attune_private.lock_layers(uuid, boolean) is
  'Locks the layers that a change set writes: as their writers do, or so that these have finished and others wait.';
revoke all on function attune_private.lock_layers(uuid, boolean) from public;
--! EndIncluded change-sets/private/lock_layers.sql
--! Included change-sets/private/check_base.sql
create or replace function attune_private.check_base(change_set_id uuid)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  problems jsonb;
begin
  select jsonb_agg(
    jsonb_build_object(
      'key', i.key,
      'pointer', '/' || i.position - 1,
      'keyword', 'base',
      'message', format(
        '%s was %s since',
        concat_ws(' ', i.layer, i.scope),
        case when i.base is null then 'set' when s.present is null then 'reset' else 'changed' end
      )
    )
    order by i.position
  )
  into problems
  from attune.change_set_items as i
  cross join lateral (select attune_private.stored_base(i.layer, i.scope, i.key)) as s (present)
  where i.change_set_id = check_base.change_set_id
    and i.base::text is distinct from s.present::text;

  if problems is not null then
    raise exception using
      errcode = 'PT409',
      message = 'What is stored is no longer what the changes were written for: ' || left(
        (
          select string_agg(format('%s (%s)', p.problem ->> 'key', p.problem ->> 'message'), ', ' order by p.position)
          from jsonb_array_elements(problems) with ordinality as p (problem, position)
        ),
        4000
      ),
      detail = 'base_changed',
      hint = attune_private.hint_with_problems(
        'Look at what is stored now, then refresh the change set.', problems
      );
  end if;
end;
$$;
comment on function attune_private.check_base(uuid) is
  'Refuses (`base_changed`) a change set where something else is stored than what its changes were written for, naming '
  'each.';
revoke all on function attune_private.check_base(uuid) from public;
--! EndIncluded change-sets/private/check_base.sql
--! Included change-sets/private/apply_item.sql
create or replace function attune_private.apply_item(caller attune_private.caller, item attune.change_set_items)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  steps attune.planned_step[];
begin
  perform attune_private.check_setting(caller, item.key);

  if item.layer = 'plan' then
    perform attune_private.check_plan(item.scope);
  end if;

  case
    when item.layer = 'default' then
      update attune.setting_definitions as d
      set
        default_value = coalesce(item.value, d.default_value),
        is_protected = coalesce(item.is_protected, d.is_protected)
      where d.key = item.key;

    when item.layer = 'global' and item.is_reset then
      delete from attune.global_settings as g where g.key = item.key;

    when item.rollout_steps is not null then
      begin
        steps := array(
          select (s.step ->> 'apply_at', (s.step -> 'rollout_percentage')::integer)::attune.planned_step
          from jsonb_array_elements(item.rollout_steps) with ordinality as s (step, position)
          order by s.position
        );
      exception
        -- A schema lets times pass that PostgreSQL has not.
        when data_exception then
          steps := null;
      end;

      perform attune_private.plan_rollout(
        caller,
        item.key,
        steps,
        item.value, item.is_enforced, item.variants, item.is_active, item.is_whole, null, item.change_set_id
      );

    when item.layer = 'global' then
      perform attune_private.write_global_setting(
        caller, item.key, item.value, item.is_enforced, item.rollout_percentage, item.variants, item.is_active,
        item.is_whole, null
      );

    when item.layer = 'plan' and item.is_reset then
      delete from attune.plan_settings as s where s.plan = item.scope and s.key = item.key;

    when item.layer = 'plan' then
      perform attune_private.write_plan_setting(
        caller, item.scope, item.key, item.value, item.is_enforced, item.is_active, item.is_whole, null
      );

    when item.layer = 'team' and item.is_reset then
      delete from attune.team_settings as s where s.team_id = item.scope::uuid and s.key = item.key;

    when item.layer = 'team' then
      perform attune_private.write_team_setting(
        caller, item.scope::uuid, item.key, item.value, item.is_enforced, item.is_active, item.is_whole, null
      );
  end case;
end;
$$;
comment on function attune_private.apply_item(attune_private.caller, attune.change_set_items) is
  'Makes one change of a change set, as the function that is called for it alone would. '
  'Refused as that.';
revoke all on function attune_private.apply_item(attune_private.caller, attune.change_set_items) from public;
--! EndIncluded change-sets/private/apply_item.sql
--! Included change-sets/private/apply_items.sql
create or replace function attune_private.apply_items(caller attune_private.caller, change_set_id uuid, is_approved boolean)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  item attune.change_set_items;
  reason text;
  message text;
  advice text;
  detailed jsonb;
  problems jsonb := '[]';
begin
  insert into attune_private.planned_writes (key, is_approved)
  select distinct i.key, apply_items.is_approved
  from attune.change_set_items as i
  where i.change_set_id = apply_items.change_set_id;

  -- From broad to narrow, because a narrower layer may build on a broader; and always in this order, so that two sets
  -- never wait for each other.
  for item in
    select i.*
    from attune.change_set_items as i
    where i.change_set_id = apply_items.change_set_id
    order by i.layer, i.scope, i.key
  loop
    begin
      perform attune_private.apply_item(caller, item);
    exception
      -- Every refusal of ours, so that all of them are told at once.
      when sqlstate 'PT000' or sqlstate '42501' then
        get stacked diagnostics reason = pg_exception_detail, message = message_text, advice = pg_exception_hint;
        detailed := nullif(split_part(advice, E'\n', 2), '')::jsonb;
        problems := problems || case
          when jsonb_typeof(detailed) = 'array'
            then attune_private.placed_problems(detailed, item.key, format('/%s/value', item.position - 1))
          else jsonb_build_array(jsonb_build_object(
            'key', item.key, 'pointer', '/' || item.position - 1, 'keyword', reason, 'message', message
          ))
        end;
    end;
  end loop;

  perform attune_private.refuse_change_set(nullif(problems, '[]'));
  delete from attune_private.planned_writes as w where w.transaction_id = pg_current_xact_id();
end;
$$;
comment on function attune_private.apply_items(attune_private.caller, uuid, boolean) is
  'Makes the changes of a change set, all or, naming each problem (`invalid_change_set`), none.';
revoke all on function attune_private.apply_items(attune_private.caller, uuid, boolean) from public;
--! EndIncluded change-sets/private/apply_items.sql
--! Included change-sets/private/try_items.sql
create or replace function attune_private.try_items(caller attune_private.caller, change_set_id uuid)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  perform attune_private.lock_layers(try_items.change_set_id, false);
  perform attune_private.apply_items(caller, try_items.change_set_id, true);
  raise exception using errcode = 'AT000';
exception
  when sqlstate 'AT000' then null;
end;
$$;
comment on function attune_private.try_items(attune_private.caller, uuid) is
  'Makes the changes of a change set as if it were approved, and takes them back: it is refused as it would be.';
revoke all on function attune_private.try_items(attune_private.caller, uuid) from public;
--! EndIncluded change-sets/private/try_items.sql
--! Included change-sets/private/apply_change_set.sql
create or replace function attune_private.apply_change_set(caller attune_private.caller, change_set attune.change_sets)
returns attune.change_sets
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  told constant text := current_setting('attune.change_reason', true);
  is_approved constant boolean := change_set.status = 'approved' and exists (
    select from attune.users as u
    where u.id = change_set.approved_by
      and u.is_admin
    for share
  );
  first_id bigint;
  applied attune.change_sets;
begin
  perform attune_private.lock_layers(change_set.id, true);

  if not is_approved and attune.change_sets_is_approval_required(change_set) then
    raise exception using
      errcode = '42501',
      message = case
        when change_set.status = 'approved' then 'Who approved of the change set is no administrator any more'
        else 'The change set has to be approved first'
      end,
      detail = 'approval_required',
      hint = 'Ask an administrator who wrote none of its changes to approve of it.';
  end if;

  perform attune_private.check_base(change_set.id);
  first_id := nextval('attune.configuration_audit_log_id_seq');
  -- Why, in every row of the audit log; what was said before holds again afterwards.
  perform set_config('attune.change_reason', left(concat_ws(': ', change_set.title, change_set.reason), 1000), true);
  perform attune_private.apply_items(caller, change_set.id, is_approved);

  update attune.change_sets as c
  set
    status = 'applied',
    -- An approval that did not count is none for the steps of a rollout, either.
    approved_by = case when is_approved then c.approved_by end,
    approved_at = case when is_approved then c.approved_at end,
    failure = null,
    closed_by = caller.user_id,
    closed_at = now(),
    transaction_id = pg_current_xact_id(),
    first_change_id = first_id,
    last_change_id = currval('attune.configuration_audit_log_id_seq'),
    updated_by = caller.user_id
  where c.id = change_set.id
  returning c.* into applied;

  perform set_config('attune.change_reason', coalesce(told, ''), true);
  return applied;
end;
$$;
comment on function attune_private.apply_change_set(attune_private.caller, attune.change_sets) is
  'Applies a change set, which is locked, and returns it. '
  'Refused: `approval_required`, `base_changed`, `invalid_change_set`.';
revoke all on function attune_private.apply_change_set(attune_private.caller, attune.change_sets) from public;
--! EndIncluded change-sets/private/apply_change_set.sql
--! Included change-sets/private/rewrite_change_set.sql
create or replace function attune_private.rewrite_change_set(
  caller attune_private.caller,
  change_set attune.change_sets,
  items attune.change_set_items[]
)
returns attune.change_sets
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  perform attune_private.write_change_set_items(change_set.id, items);
  perform attune_private.try_items(caller, change_set.id);

  update attune.change_sets as c
  set contributors = array_append(c.contributors, caller.user_id)
  where c.id = change_set.id
    and caller.user_id <> all (c.contributors);

  return attune_private.reopen_change_set(caller, change_set.id);
end;
$$;
comment on function attune_private.rewrite_change_set(attune_private.caller, attune.change_sets, attune.change_set_items[]) is
  'Gives a change set, which is locked, these changes, and returns it: who does has a part in it, and an approval is '
  'withdrawn.';
revoke all on function attune_private.rewrite_change_set(attune_private.caller, attune.change_sets, attune.change_set_items[]) from public;
--! EndIncluded change-sets/private/rewrite_change_set.sql
--! Included change-sets/private/close_change_set.sql
create or replace function attune_private.close_change_set(
  caller attune_private.caller,
  id uuid,
  status attune.change_set_status,
  note text
)
returns attune.change_sets
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  change_set constant attune.change_sets := attune_private.lock_change_set(caller, close_change_set.id, null);
  closed attune.change_sets;
begin
  perform attune_private.check_size('The note', char_length(close_change_set.note), 1000, 'characters');

  update attune.change_sets as c
  set
    status = close_change_set.status,
    note = nullif(btrim(close_change_set.note), ''),
    closed_by = caller.user_id,
    closed_at = now(),
    updated_by = caller.user_id
  where c.id = change_set.id
  returning c.* into closed;
  return closed;
end;
$$;
comment on function attune_private.close_change_set(attune_private.caller, uuid, attune.change_set_status, text) is
  'Ends a change set without applying it, and returns it. '
  'Refused as `attune.cancel_change_set`.';
revoke all on function attune_private.close_change_set(attune_private.caller, uuid, attune.change_set_status, text) from public;
--! EndIncluded change-sets/private/close_change_set.sql
--! Included change-sets/private/told_failure.sql
create or replace function attune_private.told_failure(sqlstate text, refused attune.change_failure)
returns attune.change_failure
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  -- What nobody meant says nothing of its inside.
  if sqlstate !~ '^(PT...|42501)$' or refused.reason !~ '^[a-z_]+$' then
    raise warning 'A change that was due failed: % (%)', refused.message, sqlstate;
    return (
      'internal_error', 'Something went wrong', 'Try again, and give the time of it to whoever runs the server.'
    )::attune.change_failure;
  end if;

  return refused;
end;
$$;
comment on function attune_private.told_failure(text, attune.change_failure) is
  'What is told of a failure: all of a refusal of ours, nothing of anything else, which the server''s log has.';
revoke all on function attune_private.told_failure(text, attune.change_failure) from public;
--! EndIncluded change-sets/private/told_failure.sql
--! Included change-sets/private/apply_due_change_set.sql
create or replace function attune_private.apply_due_change_set(caller attune_private.caller, id uuid)
returns boolean
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  change_set attune.change_sets;
  refused attune.change_failure;
begin
  -- What another server is applying is left to it.
  select c.* into change_set
  from attune.change_sets as c
  where c.id = apply_due_change_set.id
    and c.apply_at <= now()
    and c.status in ('proposed', 'approved')
  for no key update skip locked;

  if not found then
    return false;
  end if;

  begin
    perform attune_private.apply_change_set(caller, change_set);
  exception
    -- Only for now: it is tried again.
    when serialization_failure or deadlock_detected or lock_not_available then
      return false;
    when others then
      get stacked diagnostics
        refused.reason = pg_exception_detail, refused.message = message_text, refused.hint = pg_exception_hint;

      update attune.change_sets as c
      set
        status = 'failed',
        apply_at = null,
        approved_by = null,
        approved_at = null,
        failure = attune_private.told_failure(sqlstate, refused),
        updated_by = caller.user_id
      where c.id = change_set.id;
  end;

  return true;
end;
$$;
comment on function attune_private.apply_due_change_set(attune_private.caller, uuid) is
  'Applies a change set that is due, or keeps with it why it could not be; false when it is not to be dealt with now.';
revoke all on function attune_private.apply_due_change_set(attune_private.caller, uuid) from public;
--! EndIncluded change-sets/private/apply_due_change_set.sql
--! Included change-sets/private/settings_by_user.sql
create or replace function attune_private.settings_by_user(change_set_id uuid)
returns setof attune_private.setting_of_user
language sql stable parallel safe security invoker
begin atomic
  select u.id, r.key, r.value
  from attune.users as u
  cross join lateral attune_private.resolve_settings(u.id, false, 'admin', null) as r
  where r.key in (
    select i.key from attune.change_set_items as i where i.change_set_id = settings_by_user.change_set_id
  );
end;
comment on function attune_private.settings_by_user(uuid) is
  'What applies to each user, outside projects, for each setting that a change set changes.';
revoke all on function attune_private.settings_by_user(uuid) from public;
--! EndIncluded change-sets/private/settings_by_user.sql
--! Included change-sets/create_change_set.sql
create or replace function attune.create_change_set(
  title text,
  changes jsonb,
  reason text default null,
  apply_at timestamptz default null,
  needs_approval boolean default false
)
returns attune.change_sets
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  maximum constant integer := 1000;
  created attune.change_sets;
begin
  perform attune_private.require_administrator(caller);
  perform attune_private.check_change_set(create_change_set.title, create_change_set.reason, create_change_set.apply_at);

  if (select count(*) from attune.change_sets as c where c.closed_at is null) >= maximum then
    raise exception using
      errcode = 'PT422',
      message = format('At most %s change sets can be open', maximum),
      detail = 'too_many_change_sets',
      hint = 'Apply or cancel some of them.';
  end if;

  insert into attune.change_sets (title, reason, apply_at, needs_approval, contributors, created_by, updated_by)
  values (
    btrim(create_change_set.title),
    nullif(btrim(create_change_set.reason), ''),
    create_change_set.apply_at,
    coalesce(create_change_set.needs_approval, false),
    array_remove(array[caller.user_id], null),
    caller.user_id,
    caller.user_id
  )
  returning * into created;

  perform attune_private.write_change_set_items(
    created.id, array(select i from attune_private.read_change_set_items(create_change_set.changes) as i)
  );
  perform attune_private.try_items(caller, created.id);
  return created;
end;
$$;
comment on function attune.create_change_set(text, jsonb, text, timestamptz, boolean) is
  E'@param title What it is called, 1 to 200 characters.\n'
  '@param changes `[{"layer", "plan" or "team_id", "key", "value", …}]`, with the attributes of `set_global_setting` and '
  '`"variants"`, or `"is_reset"`; of the layer `"default"` a `"value"` or `"is_protected"`.\n'
  '@param reason Why, at most 1,000 characters.\n'
  '@param apply_at When it is to be applied; left out, somebody applies it.\n'
  '@param needs_approval Whether another administrator has to approve of it; for protected settings they always have to.\n'
  'Proposes several changes under one title, 200 at most and one for each value, and returns the change set; for '
  'administrators. '
  'What a change does not mention stays as it is. '
  'Nothing is changed yet, but it is refused where the changes would be. '
  'Refused: `admin_required`, `title_required`, `too_large`, `value_too_deep`, `invalid_apply_at`, '
  '`too_many_change_sets`, and `invalid_change_set`, naming each problem.';
revoke all on function attune.create_change_set(text, jsonb, text, timestamptz, boolean) from public;
grant execute on function attune.create_change_set(text, jsonb, text, timestamptz, boolean) to anon, authenticated, service_role;
--! EndIncluded change-sets/create_change_set.sql
--! Included change-sets/update_change_set.sql
create or replace function attune.update_change_set(
  id uuid,
  title text default null,
  changes jsonb default null,
  reason text default null,
  needs_approval boolean default null,
  expected_updated_at timestamptz default null
)
returns attune.change_sets
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  change_set constant attune.change_sets := attune_private.lock_change_set(
    caller, update_change_set.id, update_change_set.expected_updated_at
  );
begin
  perform attune_private.check_change_set(
    coalesce(update_change_set.title, change_set.title), update_change_set.reason, null
  );

  update attune.change_sets as c
  set
    title = coalesce(btrim(update_change_set.title), c.title),
    reason = case
      when update_change_set.reason is null then c.reason
      else nullif(btrim(update_change_set.reason), '')
    end,
    needs_approval = coalesce(update_change_set.needs_approval, c.needs_approval)
  where c.id = change_set.id;

  if update_change_set.changes is not null then
    return attune_private.rewrite_change_set(
      caller, change_set, array(select i from attune_private.read_change_set_items(update_change_set.changes) as i)
    );
  end if;

  return attune_private.reopen_change_set(caller, change_set.id);
end;
$$;
comment on function attune.update_change_set(uuid, text, jsonb, text, boolean, timestamptz) is
  E'@param id Which change set.\n'
  '@param title What it is called, 1 to 200 characters.\n'
  '@param changes `[{"layer", "plan" or "team_id", "key", "value", …}]`, with the attributes of `set_global_setting` and '
  '`"variants"`, or `"is_reset"`; of the layer `"default"` a `"value"` or `"is_protected"`.\n'
  '@param reason Why, at most 1,000 characters; an empty one takes it away.\n'
  '@param needs_approval Whether another administrator has to approve of it.\n'
  '@param expected_updated_at The `updated_at` of the change set that was read.\n'
  'Changes what is mentioned of a change set, and returns it; `changes` replaces the whole list. '
  'Whatever is changed, an approval is withdrawn. '
  'For administrators. '
  'Refused: `unknown_change_set`, `change_set_closed`, `changed_meanwhile` (where `expected_updated_at` is another), and '
  'as `create_change_set`.';
revoke all on function attune.update_change_set(uuid, text, jsonb, text, boolean, timestamptz) from public;
grant execute on function attune.update_change_set(uuid, text, jsonb, text, boolean, timestamptz) to anon, authenticated, service_role;
--! EndIncluded change-sets/update_change_set.sql
--! Included change-sets/add_to_change_set.sql
create or replace function attune.add_to_change_set(id uuid, changes jsonb, expected_updated_at timestamptz default null)
returns attune.change_sets
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  change_set constant attune.change_sets := attune_private.lock_change_set(
    caller, add_to_change_set.id, add_to_change_set.expected_updated_at
  );
  added constant attune.change_set_items[] := array(
    select i from attune_private.read_change_set_items(add_to_change_set.changes) as i
  );
begin
  return attune_private.rewrite_change_set(
    caller,
    change_set,
    array(
      select i
      from attune.change_set_items as i
      where i.change_set_id = change_set.id
        and not exists (
          select from unnest(added) as a
          where a.layer = i.layer
            and a.scope is not distinct from i.scope
            and a.key = i.key
        )
      order by i.position
    ) || added
  );
end;
$$;
comment on function attune.add_to_change_set(uuid, jsonb, timestamptz) is
  E'@param id Which change set.\n'
  '@param changes `[{"layer", "plan" or "team_id", "key", "value", …}]`, with the attributes of `set_global_setting` and '
  '`"variants"`, or `"is_reset"`; of the layer `"default"` a `"value"` or `"is_protected"`.\n'
  '@param expected_updated_at The `updated_at` of the change set that was read.\n'
  'Adds changes to a change set, in place of those that it has for the same values, and returns it. '
  'An approval is withdrawn. '
  'For administrators. '
  'Refused as `update_change_set`.';
revoke all on function attune.add_to_change_set(uuid, jsonb, timestamptz) from public;
grant execute on function attune.add_to_change_set(uuid, jsonb, timestamptz) to anon, authenticated, service_role;
--! EndIncluded change-sets/add_to_change_set.sql
--! Included change-sets/remove_from_change_set.sql
create or replace function attune.remove_from_change_set(
  id uuid,
  "position" integer,
  expected_updated_at timestamptz default null
)
returns attune.change_sets
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  change_set constant attune.change_sets := attune_private.lock_change_set(
    caller, remove_from_change_set.id, remove_from_change_set.expected_updated_at
  );
  kept constant attune.change_set_items[] := array(
    select i
    from attune.change_set_items as i
    where i.change_set_id = change_set.id
      and i.position <> remove_from_change_set.position
    order by i.position
  );
begin
  if kept = '{}' then
    perform attune_private.refuse_change_set(
      attune_private.one_problem('minItems', 'it has no other change: cancel the whole instead')
    );
  end if;

  return attune_private.rewrite_change_set(caller, change_set, kept);
end;
$$;
comment on function attune.remove_from_change_set(uuid, integer, timestamptz) is
  E'@param id Which change set.\n'
  '@param position Which of its changes, from 1; those behind it move up.\n'
  '@param expected_updated_at The `updated_at` of the change set that was read.\n'
  'Takes a change out of a change set, and returns the change set. '
  'An approval is withdrawn. '
  'For administrators. '
  'Refused as `update_change_set`.';
revoke all on function attune.remove_from_change_set(uuid, integer, timestamptz) from public;
grant execute on function attune.remove_from_change_set(uuid, integer, timestamptz) to anon, authenticated, service_role;
--! EndIncluded change-sets/remove_from_change_set.sql
--! Included change-sets/schedule_change_set.sql
create or replace function attune.schedule_change_set(
  id uuid,
  apply_at timestamptz,
  expected_updated_at timestamptz default null
)
returns attune.change_sets
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  change_set constant attune.change_sets := attune_private.lock_change_set(
    caller, schedule_change_set.id, schedule_change_set.expected_updated_at
  );
begin
  perform attune_private.check_change_set(change_set.title, change_set.reason, schedule_change_set.apply_at);

  update attune.change_sets as c
  set apply_at = schedule_change_set.apply_at
  where c.id = change_set.id;

  return attune_private.reopen_change_set(caller, change_set.id);
end;
$$;
comment on function attune.schedule_change_set(uuid, timestamptz, timestamptz) is
  E'@param id Which change set.\n'
  '@param apply_at When it is to be applied; null, when somebody applies it.\n'
  '@param expected_updated_at The `updated_at` of the change set that was read.\n'
  'Says when a change set is to be applied, and returns it. '
  'An approval is withdrawn. '
  'For administrators. '
  'Refused: `admin_required`, `unknown_change_set`, `change_set_closed`, `changed_meanwhile`, `invalid_apply_at`.';
revoke all on function attune.schedule_change_set(uuid, timestamptz, timestamptz) from public;
grant execute on function attune.schedule_change_set(uuid, timestamptz, timestamptz) to anon, authenticated, service_role;
--! EndIncluded change-sets/schedule_change_set.sql
--! Included change-sets/approve_change_set.sql
create or replace function attune.approve_change_set(id uuid, expected_updated_at timestamptz)
returns attune.change_sets
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  change_set constant attune.change_sets := attune_private.lock_change_set(
    -- What was not read is not approved.
    caller, approve_change_set.id, coalesce(approve_change_set.expected_updated_at, '-infinity')
  );
  approved attune.change_sets;
begin
  if (caller.user_id is not null and caller.is_admin and caller.user_id <> all (change_set.contributors)) is not true then
    raise exception using
      errcode = '42501',
      message = 'A change set is approved by an administrator who wrote none of its changes',
      detail = 'own_change_set',
      hint = 'Ask another administrator. A trusted server that acts for nobody cannot approve.';
  end if;

  perform attune_private.check_base(change_set.id);
  perform attune_private.try_items(caller, change_set.id);

  update attune.change_sets as c
  set
    status = 'approved',
    failure = null,
    approved_by = caller.user_id,
    approved_at = now(),
    updated_by = caller.user_id
  where c.id = change_set.id
  returning c.* into approved;
  return approved;
end;
$$;
comment on function attune.approve_change_set(uuid, timestamptz) is
  E'@param id Which change set.\n'
  '@param expected_updated_at The `updated_at` of the change set that was read.\n'
  'Approves of a change set as it was read, and returns it. '
  'Any change of it withdraws the approval, and so does who approved being no administrator any more. '
  'For an administrator who wrote none of its changes. '
  'Refused: `admin_required`, `unknown_change_set`, `change_set_closed`, `changed_meanwhile`, `own_change_set`, '
  '`base_changed`, `invalid_change_set`.';
revoke all on function attune.approve_change_set(uuid, timestamptz) from public;
grant execute on function attune.approve_change_set(uuid, timestamptz) to anon, authenticated, service_role;
--! EndIncluded change-sets/approve_change_set.sql
--! Included change-sets/reject_change_set.sql
create or replace function attune.reject_change_set(id uuid, note text default null)
returns attune.change_sets
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return attune_private.close_change_set(
    attune_private.current_caller(), reject_change_set.id, 'rejected', reject_change_set.note
  );
end;
$$;
comment on function attune.reject_change_set(uuid, text) is
  E'@param id Which change set.\n'
  '@param note Why, at most 1,000 characters.\n'
  'Says no to a change set for good, and returns it; for administrators. '
  'Refused: `admin_required`, `unknown_change_set`, `change_set_closed`, `too_large`.';
revoke all on function attune.reject_change_set(uuid, text) from public;
grant execute on function attune.reject_change_set(uuid, text) to anon, authenticated, service_role;
--! EndIncluded change-sets/reject_change_set.sql
--! Included change-sets/cancel_change_set.sql
create or replace function attune.cancel_change_set(id uuid, note text default null)
returns attune.change_sets
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return attune_private.close_change_set(
    attune_private.current_caller(), cancel_change_set.id, 'cancelled', cancel_change_set.note
  );
end;
$$;
comment on function attune.cancel_change_set(uuid, text) is
  E'@param id Which change set.\n'
  '@param note Why, at most 1,000 characters.\n'
  'Gives a change set up for good, and returns it; for administrators. '
  'Refused: `admin_required`, `unknown_change_set`, `change_set_closed`, `too_large`.';
revoke all on function attune.cancel_change_set(uuid, text) from public;
grant execute on function attune.cancel_change_set(uuid, text) to anon, authenticated, service_role;
--! EndIncluded change-sets/cancel_change_set.sql
--! Included change-sets/refresh_change_set.sql
create or replace function attune.refresh_change_set(id uuid, expected_updated_at timestamptz default null)
returns attune.change_sets
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  change_set constant attune.change_sets := attune_private.lock_change_set(
    caller, refresh_change_set.id, refresh_change_set.expected_updated_at
  );
begin
  update attune.change_set_items as i
  set base = attune_private.stored_base(i.layer, i.scope, i.key)
  where i.change_set_id = change_set.id;

  perform attune_private.try_items(caller, change_set.id);
  return attune_private.reopen_change_set(caller, change_set.id);
end;
$$;
comment on function attune.refresh_change_set(uuid, timestamptz) is
  E'@param id Which change set.\n'
  '@param expected_updated_at The `updated_at` of the change set that was read.\n'
  'Takes what is stored now as the base of a change set''s changes, after it was changed, and returns the change set. '
  'An approval is withdrawn. '
  'For administrators. '
  'Refused: `admin_required`, `unknown_change_set`, `change_set_closed`, `changed_meanwhile`, `invalid_change_set`.';
revoke all on function attune.refresh_change_set(uuid, timestamptz) from public;
grant execute on function attune.refresh_change_set(uuid, timestamptz) to anon, authenticated, service_role;
--! EndIncluded change-sets/refresh_change_set.sql
--! Included change-sets/preview_change_set.sql
create or replace function attune.preview_change_set(id uuid)
returns setof attune.change_set_preview
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  change_set constant attune.change_sets := attune_private.lock_change_set(caller, preview_change_set.id, null);
  before constant attune_private.setting_of_user[] := array(
    select s from attune_private.settings_by_user(change_set.id) as s
  );
  changes attune.change_set_preview[];
begin
  -- It is done and taken back, as in preview_global_setting.
  begin
    perform attune_private.lock_layers(change_set.id, false);
    perform attune_private.apply_items(caller, change_set.id, true);
    changes := array(
      select (b.key, b.value, a.value, count(*))::attune.change_set_preview
      from unnest(before) as b
      join attune_private.settings_by_user(change_set.id) as a on a.user_id = b.user_id and a.key = b.key
      where a.value <> b.value
      group by b.key, b.value, a.value
      order by b.key, count(*) desc, b.value, a.value
    );
    raise exception using errcode = 'AT000';
  exception
    when sqlstate 'AT000' then null;
  end;

  return query select c.* from unnest(changes) as c;
end;
$$;
comment on function attune.preview_change_set(uuid) is
  E'@param id Which change set.\n'
  'To how many users other values would apply, and from what to what, if the change set were applied as a whole: by the '
  'same resolution, outside projects. '
  'Changes nothing. '
  'For administrators. '
  'Refused: `admin_required`, `unknown_change_set`, `change_set_closed`, `invalid_change_set`.';
revoke all on function attune.preview_change_set(uuid) from public;
grant execute on function attune.preview_change_set(uuid) to anon, authenticated, service_role;
--! EndIncluded change-sets/preview_change_set.sql
--! Included change-sets/apply_change_set.sql
create or replace function attune.apply_change_set(id uuid, expected_updated_at timestamptz default null)
returns attune.change_sets
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
begin
  return attune_private.apply_change_set(
    caller,
    attune_private.lock_change_set(caller, apply_change_set.id, apply_change_set.expected_updated_at)
  );
end;
$$;
comment on function attune.apply_change_set(uuid, timestamptz) is
  E'@param id Which change set.\n'
  '@param expected_updated_at The `updated_at` of the change set that was read.\n'
  'Applies a change set now, all or nothing, from broad to narrow layers, and returns it. '
  'The audit log has its title and reason with each change. '
  'For administrators. '
  'Refused: `admin_required`, `unknown_change_set`, `change_set_closed`, `changed_meanwhile`, `approval_required`, '
  '`base_changed`, `invalid_change_set`.';
revoke all on function attune.apply_change_set(uuid, timestamptz) from public;
grant execute on function attune.apply_change_set(uuid, timestamptz) to anon, authenticated, service_role;
--! EndIncluded change-sets/apply_change_set.sql
--! Included change-sets/apply_due_changes.sql
create or replace function attune.apply_due_changes(batch_size integer default 100)
returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- Whoever writes then waits behind us.
set lock_timeout = '2s'
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  due uuid;
  due_key text;
  handled integer := 0;
begin
  perform attune_private.require_administrator(caller);
  perform attune_private.check_batch_size(apply_due_changes.batch_size, 1000, 'change sets');

  for due in
    select c.id
    from attune.change_sets as c
    where c.apply_at <= now()
      and c.status in ('proposed', 'approved')
    order by c.apply_at, c.id
    limit apply_due_changes.batch_size
  loop
    handled := handled + attune_private.apply_due_change_set(caller, due)::integer;
    -- Only the first waits: the others would with locks in hand, and in any order.
    perform set_config('lock_timeout', '1ms', true);
  end loop;

  for due_key in
    select distinct s.key
    from attune.rollout_steps as s
    join attune.rollouts as r on r.key = s.key and r.status = 'running'
    where s.applied_at is null
      and s.apply_at <= now()
    order by s.key
    limit apply_due_changes.batch_size
  loop
    handled := handled + attune_private.apply_due_step(caller, due_key)::integer;
  end loop;

  return handled;
end;
$$;
comment on function attune.apply_due_changes(integer) is
  E'@resultFieldName handledChanges\n'
  '@param batch_size How many change sets, and how many steps of rollouts, at most, 1 to 1,000.\n'
  'Applies the change sets and takes the steps of rollouts that are due, each on its own, and returns how many it dealt '
  'with. '
  'What cannot be done becomes `failed`, says why, and holds up nothing else. '
  'What another server is applying, and what somebody else is writing, is left for the next time. '
  'For trusted servers. '
  'Refused: `invalid_batch_size`.';
revoke all on function attune.apply_due_changes(integer) from public;
grant execute on function attune.apply_due_changes(integer) to service_role;
--! EndIncluded change-sets/apply_due_changes.sql
