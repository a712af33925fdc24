--! Previous: sha1:38bebfe8bd95109a549e8c81a5ac10070cfb3ed9
--! Hash: sha1:50184b647f0fc5edaf3d93a0d088edd8c50f9300
--! Message: moving settings

-- Many values at once: exported, imported, from a template, or tried out. Each tells what it changes.

create type attune.import_mode as enum ('merge', 'replace');
comment on type attune.import_mode is
  E'@value merge They stay.\n'
  '@value replace They are dropped.\n'
  'What becomes of values that a document does not mention.';

create type attune.setting_change as (
  layer attune.setting_layer,
  scope text,
  key text,
  action attune.definition_action,
  previous_value jsonb,
  new_value jsonb,
  previous_attributes jsonb,
  new_attributes jsonb
);
comment on type attune.setting_change is 'What becomes of one stored value.';
comment on column attune.setting_change.layer is
  E'@notNull\n'
  'In which layer.';
comment on column attune.setting_change.scope is 'Of which plan or project; else null.';
comment on column attune.setting_change.key is
  E'@notNull\n'
  'Which setting.';
comment on column attune.setting_change.action is
  E'@notNull\n'
  'Whether it is added, changed, removed, or as it was.';
comment on column attune.setting_change.previous_value is 'What was stored; null when nothing.';
comment on column attune.setting_change.new_value is 'What will be; null when nothing.';
comment on column attune.setting_change.previous_attributes is 'The other columns before, such as `"is_active"`.';
comment on column attune.setting_change.new_attributes is 'The other columns after.';

--!include moving-settings/private/import_problems.sql
--!include moving-settings/hidden/value_problem.sql
--!include moving-settings/private/refuse_import.sql

-- A user's own

--!include moving-settings/hidden/keys_since.sql
--!include moving-settings/hidden/key_now.sql
--!include moving-settings/private/exported_preferences.sql
--!include moving-settings/export_preferences.sql
--!include moving-settings/private/preference_changes.sql
--!include moving-settings/private/preference_change_problems.sql
--!include moving-settings/private/import_preferences.sql
--!include moving-settings/import_preferences.sql

-- Everybody's and a plan's

--!include moving-settings/private/exported_configuration.sql
--!include moving-settings/export_configuration.sql
--!include moving-settings/private/configuration_changes.sql
--!include moving-settings/private/configuration_change_problems.sql
--!include moving-settings/private/import_configuration.sql
--!include moving-settings/import_configuration.sql

-- Templates

--!include moving-settings/triggers/tg_setting_templates__validate.sql

create table attune.setting_templates (
  name text
    constraint setting_templates_pkey primary key
    constraint setting_templates_name_check check (name ~ '^[a-z][a-z0-9_]{0,62}$'),
  title text not null
    constraint setting_templates_title_check check (char_length(title) between 1 and 200),
  description text not null default ''
    constraint setting_templates_description_check check (char_length(description) <= 4000),
  "values" jsonb not null
    constraint setting_templates_values_check check (octet_length("values"::text) <= 65536),
  plan text
    constraint setting_templates_plan_fkey references attune.plans (name) on update cascade on delete cascade,
  role text
    constraint setting_templates_role_check check (char_length(role) between 1 and 100),
  is_admin boolean,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index setting_templates_plan_idx on attune.setting_templates (plan);
comment on constraint setting_templates_plan_fkey on attune.setting_templates is
  E'@forwardBehavior -*\n'
  'The plans are few: a client reads them once.';
comment on table attune.setting_templates is
  'Named sets of values, for a user to apply, and for those who sign up with a plan or a role, or as administrators. '
  'Administrators write them.';
comment on column attune.setting_templates.name is 'The template''s stable name, in lower case.';
comment on column attune.setting_templates.title is 'What people read, at most 200 characters.';
comment on column attune.setting_templates.description is 'What it is good for.';
comment on column attune.setting_templates."values" is
  'The values, `{key: value}`, of settings that users may choose; an object holds only the members that the '
  'template sets.';
comment on column attune.setting_templates.plan is
  'Applied to who signs up with this plan; where `role` or `is_admin` say more, to whom all of it fits.';
comment on column attune.setting_templates.role is
  'Applied to who signs up with this role, compared without regard to case.';
comment on column attune.setting_templates.is_admin is
  'True: applied to who is an administrator from the start; false: to who is none; null: to both. '
  'Who becomes one later is given nothing by that, and may apply it.';
comment on column attune.setting_templates.created_at is 'When the template was made.';
comment on column attune.setting_templates.updated_at is
  'When it was last changed. '
  'In an update: the version that is changed, which was read (`changed_meanwhile`).';

alter table attune.setting_templates enable row level security;
create policy setting_templates_select_authenticated on attune.setting_templates for select to authenticated
  using ((select attune.current_user_id()) is not null);
create policy setting_templates_insert_admin on attune.setting_templates for insert to authenticated
  with check ((select attune.is_admin()));
create policy setting_templates_update_admin on attune.setting_templates for update to authenticated
  using ((select attune.is_admin()))
  with check ((select attune.is_admin()));
create policy setting_templates_delete_admin on attune.setting_templates for delete to authenticated
  using ((select attune.is_admin()));
create policy setting_templates_all_service_role on attune.setting_templates for all to service_role
  using (true) with check (true);

revoke all on attune.setting_templates from public;
grant
  select,
  insert (name, title, description, "values", plan, role, is_admin),
  update (title, description, "values", plan, role, is_admin, updated_at),
  delete
  on attune.setting_templates to authenticated, service_role;

create trigger _010_require_admin before insert on attune.setting_templates
  for each statement when (row_security_active('attune.setting_templates'))
  execute function attune_private.tg__require_admin();
create trigger _100_validate before insert or update on attune.setting_templates
  for each row execute function attune_private.tg_setting_templates__validate();
create trigger _060_check_version before update on attune.setting_templates
  for each row when (new.updated_at is distinct from old.updated_at)
  execute function attune_private.tg__check_version();
create trigger _200_timestamps before update on attune.setting_templates
  for each row execute function attune_private.tg__timestamps();
create trigger _900_audit after insert or update on attune.setting_templates
  for each row execute function attune_private.tg__audit('setting_template', '', 'name', 'values');
create trigger _910_audit_removed after delete on attune.setting_templates
  referencing old table as removed
  for each statement execute function attune_private.tg__audit_removed('setting_template', '', 'name', 'values');
create trigger _100_append_only before truncate on attune.setting_templates
  for each statement execute function attune_private.tg__append_only();

--!include moving-settings/triggers/tg_setting_definitions__keep_templates.sql

create trigger _320_keep_templates before delete on attune.setting_definitions
  for each row execute function attune_private.tg_setting_definitions__keep_templates();

--!include moving-settings/triggers/tg_users__apply_templates.sql
--!include moving-settings/apply_template.sql

create trigger _510_apply_templates after insert on attune.users
  for each row execute function attune_private.tg_users__apply_templates();

-- Trying out

create type attune_private.user_value as (user_id uuid, value jsonb);
comment on type attune_private.user_value is 'What applies to one user for a known setting.';

create type attune.preview_change as (previous_value jsonb, new_value jsonb, users integer);
comment on type attune.preview_change is
  'How many users would see one value instead of another; the values only for who may read what users chose.';
comment on column attune.preview_change.previous_value is 'What applies to them now.';
comment on column attune.preview_change.new_value is 'What would apply.';
comment on column attune.preview_change.users is
  E'@notNull\n'
  'How many users they are.';

--!include moving-settings/private/values_by_user.sql
--!include moving-settings/private/changed_values.sql
--!include moving-settings/preview_global_setting.sql
--!include moving-settings/preview_plan_setting.sql
--!include moving-settings/preview_team_setting.sql

create type attune.adoption_outcome as enum ('adopted', 'unchanged', 'kept', 'kept_aside', 'not_converted');
comment on type attune.adoption_outcome is
  E'@value adopted It went into the global layer, or that of its user.\n'
  '@value unchanged It was there already.\n'
  '@value kept Another value is there and stays.\n'
  '@value kept_aside It is encrypted, and was not read.\n'
  '@value not_converted It is no value of the setting; `problem` says why.\n'
  'What became of an old setting.';

create type attune.adopted_setting as (
  key text,
  outcome attune.adoption_outcome,
  old_value text,
  value jsonb,
  problem text,
  is_marked boolean
);
comment on type attune.adopted_setting is 'What became of one row of a table of old settings.';
comment on column attune.adopted_setting.key is 'Which setting.';
comment on column attune.adopted_setting.outcome is 'What became of it.';
comment on column attune.adopted_setting.old_value is
  'The text in the old table; null for a secret, which is not repeated.';
comment on column attune.adopted_setting.value is 'What is in the global layer now; null when nothing is.';
comment on column attune.adopted_setting.problem is 'Why it was not converted; else null.';
comment on column attune.adopted_setting.is_marked is
  'Whether its row is marked as deprecated: never in a view, nor when it was not converted.';

create type attune.adopted_preference as (
  user_id text,
  key text,
  outcome attune.adoption_outcome,
  old_value text,
  value jsonb,
  problem text,
  is_marked boolean
);
comment on type attune.adopted_preference is 'What became of one row of a table of what users chose.';
comment on column attune.adopted_preference.user_id is 'Whose it is, as it stands in the old table.';
comment on column attune.adopted_preference.key is 'Which setting.';
comment on column attune.adopted_preference.outcome is 'What became of it.';
comment on column attune.adopted_preference.old_value is
  'The text in the old table; null for a secret, which is not repeated.';
comment on column attune.adopted_preference.value is 'What is in the user''s layer now; null when nothing is.';
comment on column attune.adopted_preference.problem is 'Why it was not converted; else null.';
comment on column attune.adopted_preference.is_marked is
  'Whether its row is marked as deprecated: never in a view, nor when it was not converted.';

--!include moving-settings/hidden/legacy_column.sql
--!include moving-settings/hidden/check_legacy_source.sql
--!include moving-settings/hidden/can_mark_legacy_rows.sql
--!include moving-settings/hidden/mark_legacy_rows.sql
--!include moving-settings/hidden/legacy_type.sql
--!include moving-settings/hidden/is_legacy_secret.sql
--!include moving-settings/hidden/legacy_readings.sql
--!include moving-settings/hidden/legacy_rows.sql
--!include moving-settings/hidden/adopt_legacy_rows.sql
--!include moving-settings/adopt_legacy_settings.sql
--!include moving-settings/adopt_legacy_preferences.sql
