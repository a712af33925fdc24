--! Previous: sha1:5851eff24581e27c82621e9ca5df8b39ad23e8f1
--! Hash: sha1:816eb80f2ed552ebe3a8796961ef39d21ed6abd0
--! Message: history

-- What applied at a moment, and back to it.

create type attune.past_setting as (
  key text,
  category text,
  value jsonb,
  layer attune.setting_layer,
  reason attune.evaluation_reason,
  variant text,
  is_enforced boolean,
  can_edit boolean,
  description text,
  updated_at timestamptz,
  user_id uuid,
  project_id uuid,
  at timestamptz
);
comment on type attune.past_setting is
  E'@id user_id,project_id,key,at\n'
  'What applied to one user for one setting at a moment, and where it came from.';
comment on column attune.past_setting.key is
  E'@notNull\n'
  'The setting''s name then.';
comment on column attune.past_setting.category is
  E'@notNull\n'
  'What it was listed under.';
comment on column attune.past_setting.value is 'The value that applied.';
comment on column attune.past_setting.layer is
  E'@notNull\n'
  'The narrowest layer that the value came from.';
comment on column attune.past_setting.reason is
  E'@notNull\n'
  'Why it applied, in the terms of OpenFeature.';
comment on column attune.past_setting.variant is 'The name of the variant the user was in, or null.';
comment on column attune.past_setting.is_enforced is
  E'@notNull\n'
  'Whether an administrator had locked the value.';
comment on column attune.past_setting.can_edit is
  E'@notNull\n'
  'Whether `set_setting` by the user would have been accepted.';
comment on column attune.past_setting.description is
  E'@notNull\n'
  'What the setting did.';
comment on column attune.past_setting.updated_at is
  'When the value that applied had been written; null for a default.';
comment on column attune.past_setting.user_id is
  E'@notNull\n'
  'To whom it applied.';
comment on column attune.past_setting.project_id is 'In which project; null outside projects.';
comment on column attune.past_setting.at is
  E'@notNull\n'
  'At which moment.';

--!include history/effective_settings_as_of.sql

-- Back to what was there.

create type attune.restored_change as (
  subject attune.audit_subject,
  layer attune.setting_layer,
  user_id uuid,
  scope text,
  key text,
  action attune.definition_action,
  previous_value jsonb,
  new_value jsonb,
  previous_attributes jsonb,
  new_attributes jsonb,
  last_change_id bigint,
  problem text
);
comment on type attune.restored_change is 'What going back does to one row.';
comment on column attune.restored_change.subject is
  E'@notNull\n'
  'What is changed.';
comment on column attune.restored_change.layer is 'In which layer; null for what is no setting.';
comment on column attune.restored_change.user_id is 'Whose it is, where it is a user''s; else null.';
comment on column attune.restored_change.scope is
  'Which plan, team or project it belongs to, where it is one''s; else null.';
comment on column attune.restored_change.key is
  E'@notNull\n'
  'Which setting, template, category, plan or provider, as it is called now; of a user, which column.';
comment on column attune.restored_change.action is
  E'@notNull\n'
  'Whether it is added, changed, removed, or skipped.';
comment on column attune.restored_change.previous_value is 'The value that is there; null when nothing is.';
comment on column attune.restored_change.new_value is 'The value that was there; null when nothing was.';
comment on column attune.restored_change.previous_attributes is
  'The other columns that are there, such as `"is_active"`; null when nothing is.';
comment on column attune.restored_change.new_attributes is 'The other columns that were there; null when nothing was.';
comment on column attune.restored_change.last_change_id is
  'The newest change of it in the audit log before this one; null where there is none.';
comment on column attune.restored_change.problem is 'Why it was skipped; null when it was not.';

--!include history/hidden/require_somebody.sql
--!include history/hidden/give_reason.sql
--!include history/hidden/audited_table.sql
--!include history/hidden/picked_columns.sql
--!include history/hidden/place_condition.sql
--!include history/hidden/may_put_row.sql
--!include history/hidden/locked_row.sql
--!include history/hidden/has_dependents.sql
--!include history/hidden/put_row.sql
--!include history/hidden/refuse_changed_since.sql
create type attune_private.restoration as (
  change attune.setting_change,
  obstacle jsonb,
  newest bigint
);
comment on type attune_private.restoration is
  'What going back to a moment does to one stored value, the problems that keep it from being done, and the newest change '
  'of it since.';

--!include history/revert_change.sql
--!include history/private/restorations.sql
--!include history/private/restored_document.sql
--!include history/private/restore.sql
--!include history/restore_preferences.sql
--!include history/restore_global_settings.sql
