--! Previous: sha1:6f142bf31856e1d5fc8a3ac20b7c6fe13ec9f9b5
--! Hash: sha1:f37b51e89e0eb5e6a2fbaf2a848d15955ea91935
--! Message: settings

-- Where values are stored, who writes them, and why one applies

create type attune.setting_layer as enum ('default', 'global', 'plan', 'team', 'user', 'project');
comment on type attune.setting_layer is
  E'@value default The definition''s default.\n'
  '@value global For everybody, or for a part in a rollout.\n'
  '@value plan For the users of a plan.\n'
  '@value team For a user''s current team.\n'
  '@value user For one user.\n'
  '@value project For one user in one project.\n'
  'Where a value is stored, from broad to narrow.';

create type attune.setting_writer as enum ('user', 'admin');
comment on type attune.setting_writer is
  E'@value user The user, and administrators.\n'
  '@value admin Administrators only.\n'
  'Who may write a setting in the layers of a user.';

create type attune.setting_seeding as enum ('inherit', 'copy');
comment on type attune.setting_seeding is
  E'@value inherit Nothing: later defaults apply.\n'
  '@value copy The value then effective: later defaults do not apply.\n'
  'What a new user gets.';

create type attune.setting_merge as enum ('deep', 'replace');
comment on type attune.setting_merge is
  E'@value deep Objects member by member, broad to narrow (RFC 7396).\n'
  '@value replace The narrowest is the whole.\n'
  'How values of several layers make one.';

create type attune.setting_audience as enum ('public', 'client', 'server', 'admin');
comment on type attune.setting_audience is
  E'@value public Everybody.\n'
  '@value client Who is signed in.\n'
  '@value server Trusted servers and administrators.\n'
  '@value admin Administrators and who acts for them.\n'
  'Who is shown a setting.';

create type attune.evaluation_reason as enum ('DEFAULT', 'STATIC', 'TARGETING_MATCH', 'SPLIT', 'DISABLED');
comment on type attune.evaluation_reason is
  E'@value DEFAULT The definition''s default.\n'
  '@value STATIC The same for everybody.\n'
  '@value TARGETING_MATCH Chosen for this user, plan, team or project.\n'
  '@value SPLIT A gradual rollout or a variant.\n'
  '@value DISABLED The default, because what is stored is switched off.\n'
  'Why a value applies, in the terms of OpenFeature.';

-- The registry

--!include settings/triggers/tg_setting_definitions__validate.sql
--!include settings/triggers/tg_setting_definitions__keep_used.sql

create table attune.setting_definitions (
  key text
    constraint setting_definitions_pkey primary key
    constraint setting_definitions_key_check check (char_length(key) between 1 and 200 and key ~ '^[A-Za-z_][A-Za-z0-9_.:/@-]*$'),
  category text not null
    constraint setting_definitions_category_check check (char_length(category) between 1 and 100),
  description text not null default ''
    constraint setting_definitions_description_check check (char_length(description) <= 8000),
  schema jsonb not null
    constraint setting_definitions_schema_check check (octet_length(schema::text) <= 65536),
  default_value jsonb not null default 'null'
    constraint setting_definitions_default_value_check check (octet_length(default_value::text) <= 65536),
  layer attune.setting_layer not null default 'user',
  writable_by attune.setting_writer not null default 'user',
  seeding attune.setting_seeding not null default 'inherit',
  merge attune.setting_merge not null,
  audience attune.setting_audience not null default 'client',
  rollout_group text not null
    constraint setting_definitions_rollout_group_check check (char_length(rollout_group) between 1 and 200),
  is_protected boolean not null default false,
  source text
    constraint setting_definitions_source_check check (char_length(source) between 1 and 200),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index setting_definitions_category_idx on attune.setting_definitions (category, key);
create index setting_definitions_source_idx on attune.setting_definitions (source);
comment on table attune.setting_definitions is
  'The registry of settings: what keys there are, what their values look like, and what applies when nobody chose. '
  'Administrators write it.';
comment on column attune.setting_definitions.key is
  'The setting''s name: at most 200 letters, digits and `_ . : / @ -`, such as `DARK_MODE_ENABLED` or '
  '`editor.fontSize`.';
comment on column attune.setting_definitions.category is 'What the setting is listed under: `features`.';
comment on column attune.setting_definitions.description is
  E'@behavior +attribute:filterBy\n'
  'What the setting does, for people; at most 8,000 characters.';
comment on column attune.setting_definitions.schema is
  'A JSON Schema (draft 2020-12, the subset of docs/reference/json-schema.md) that every value must satisfy. '
  'Annotations, `title` and `enumDescriptions` among them, are kept for user interfaces.';
comment on column attune.setting_definitions.default_value is
  'What applies when no layer holds a value; null when nothing does until somebody chooses.';
comment on column attune.setting_definitions.layer is
  E'@behavior +attribute:filterBy\n'
  'The narrowest layer that may hold a value.';
comment on column attune.setting_definitions.writable_by is
  E'@behavior +attribute:filterBy\n'
  'Who may write it in the layers of a user.';
comment on column attune.setting_definitions.seeding is 'What a new user gets.';
comment on column attune.setting_definitions.merge is
  E'@hasDefault\n'
  'How the layers make one value. '
  'Left out, `deep` where the schema constrains each member of an object on its own, so that every mixture of valid '
  'values is valid; else `replace`.';
comment on column attune.setting_definitions.audience is
  E'@behavior +attribute:filterBy\n'
  'Who is shown it.';
comment on column attune.setting_definitions.rollout_group is
  E'@hasDefault\n'
  'Settings of one group draw the same users in their rollouts and variants, Unleash''s `groupId`; the key, unless '
  'told. '
  'It stays when the setting is renamed, so that nobody is drawn anew.';
comment on column attune.setting_definitions.is_protected is
  E'@behavior +attribute:filterBy\n'
  'Whether what administrators choose for everybody, for plans and for teams, and what decides about it in the '
  'definition, changes only by a change set that another administrator approved. '
  'Anybody who may write the definition protects it; ending the protection needs such a change set, too.';
comment on column attune.setting_definitions.source is
  'The document that declares the setting (`$id` of `apply_definitions`), or null when it was made by hand.';
comment on column attune.setting_definitions.created_at is 'When the setting was defined.';
comment on column attune.setting_definitions.updated_at is
  'When the definition last changed. '
  'In an update: the version that is changed, which was read (`changed_meanwhile`).';

alter table attune.setting_definitions enable row level security;
create policy setting_definitions_select_public on attune.setting_definitions for select to anon
  using (audience = 'public');
create policy setting_definitions_select_audience on attune.setting_definitions for select to authenticated
  using (
    audience = 'public'
    or audience = 'client' and (select attune.current_user_id()) is not null
    or (select attune.is_admin())
  );
create policy setting_definitions_insert_admin on attune.setting_definitions for insert to authenticated
  with check ((select attune.is_admin()));
create policy setting_definitions_update_admin on attune.setting_definitions for update to authenticated
  using ((select attune.is_admin()))
  with check ((select attune.is_admin()));
create policy setting_definitions_delete_admin on attune.setting_definitions for delete to authenticated
  using ((select attune.is_admin()));
create policy setting_definitions_all_service_role on attune.setting_definitions for all to service_role
  using (true) with check (true);

revoke all on attune.setting_definitions from public;
grant select on attune.setting_definitions to anon;
grant
  select,
  insert (key, category, description, schema, default_value, layer, writable_by, seeding, merge, audience, rollout_group, is_protected, source),
  update (category, description, schema, default_value, layer, writable_by, seeding, merge, audience, rollout_group, is_protected, source, updated_at),
  delete
  on attune.setting_definitions to authenticated, service_role;

create trigger _010_require_admin before insert on attune.setting_definitions
  for each statement when (row_security_active('attune.setting_definitions'))
  execute function attune_private.tg__require_admin();
create trigger _100_validate before insert or update on attune.setting_definitions
  for each row execute function attune_private.tg_setting_definitions__validate();
create trigger _060_check_version before update on attune.setting_definitions
  for each row when (new.updated_at is distinct from old.updated_at)
  execute function attune_private.tg__check_version();
create trigger _200_timestamps before update on attune.setting_definitions
  for each row execute function attune_private.tg__timestamps();
create trigger _300_keep_used before delete on attune.setting_definitions
  for each row execute function attune_private.tg_setting_definitions__keep_used();

-- What guards a stored value

--!include settings/hidden/concealed_keys.sql
--!include settings/hidden/json_merge_patch.sql
--!include settings/private/null_member.sql
--!include settings/private/is_protected.sql
--!include settings/private/check_variants.sql
--!include settings/private/check_preference_limit.sql
--!include settings/private/refuse_unknown_setting.sql
--!include settings/private/refuse_unknown_settings.sql
--!include settings/private/present_definition.sql
--!include settings/private/check_setting.sql
--!include settings/private/check_plan.sql
--!include settings/private/check_writer.sql
--!include settings/private/check_lock.sql
--!include settings/private/authorize_preference.sql
--!include settings/private/authorize_team_setting.sql
--!include settings/private/holds_whole_value.sql
--!include settings/private/stored_value_problems.sql
--!include settings/private/stored_value_problem.sql
--!include settings/private/refused_value_problems.sql
--!include settings/triggers/tg__validate_value.sql
--!include settings/triggers/tg_global_settings__validate_variants.sql
--!include settings/triggers/tg_global_settings__refuse_split.sql
--!include settings/triggers/tg__stamp.sql
--!include settings/triggers/tg__authorize_preference.sql
--!include settings/triggers/tg__one_at_a_time.sql
--!include settings/triggers/tg__limit_preferences.sql
--!include settings/triggers/tg_team_settings__authorize.sql

-- The layers hold only what differs. No row means inherit; `false` and JSON `null` are values.

create table attune.global_settings (
  key text not null
    constraint global_settings_pkey primary key
    constraint global_settings_key_fkey references attune.setting_definitions (key) on update cascade on delete restrict,
  value jsonb not null
    constraint global_settings_value_check check (octet_length(value::text) <= 65536),
  is_active boolean not null default true,
  is_enforced boolean not null default false,
  rollout_percentage integer not null default 100
    constraint global_settings_rollout_percentage_check check (rollout_percentage between 0 and 100),
  variants jsonb
    constraint global_settings_variants_check check (octet_length(variants::text) <= 65536),
  updated_by uuid,
  updated_at timestamptz not null default now()
);
comment on table attune.global_settings is
  E'@behavior -insert -update -delete\n'
  '@foreignKey (updated_by) references attune.profiles (id)|@fieldName updatedBy|@backwardBehavior -*\n'
  'What administrators chose for everybody.';
comment on column attune.global_settings.key is 'Which setting.';
comment on column attune.global_settings.value is 'Its value; an object is merged over the default (RFC 7396), unless the setting''s `merge` is `replace`.';
comment on column attune.global_settings.is_active is
  E'@behavior +attribute:filterBy\n'
  'False keeps the value, and ignores it.';
comment on column attune.global_settings.is_enforced is
  E'@behavior +attribute:filterBy\n'
  'True ignores every narrower layer: nobody can choose otherwise.';
comment on column attune.global_settings.rollout_percentage is
  'The share of users it applies to, 0 to 100, by Unleash''s bucket of the user for the setting''s `rollout_group`. '
  'The others, and requests without a user unless it is 100, fall through to the default.';
comment on column attune.global_settings.variants is
  'How the users it applies to are split: `[{"name", "weight", "value"}]`, each value merged over `value` (RFC '
  '7396), or null. '
  'A weight is a part of the sum of all, as Unleash has it, so that a user gets the variant that Unleash would choose. '
  'A request without a user gets `value`.';
comment on column attune.global_settings.updated_by is
  E'@name updated_by_id\n'
  'The user who last wrote it; null when it was a trusted server.';
comment on column attune.global_settings.updated_at is
  E'@behavior +attribute:filterBy +attribute:orderBy\n'
  'When it was last written. '
  'In an update: the version that is changed, which was read (`changed_meanwhile`).';

alter table attune.global_settings enable row level security;
create policy global_settings_select_admin on attune.global_settings for select to authenticated
  using ((select attune.is_admin()));
create policy global_settings_insert_admin on attune.global_settings for insert to authenticated
  with check ((select attune.is_admin()));
create policy global_settings_update_admin on attune.global_settings for update to authenticated
  using ((select attune.is_admin()))
  with check ((select attune.is_admin()));
create policy global_settings_delete_admin on attune.global_settings for delete to authenticated
  using ((select attune.is_admin()));
create policy global_settings_all_service_role on attune.global_settings for all to service_role
  using (true) with check (true);

revoke all on attune.global_settings from public;
grant
  select,
  insert (key, value, is_active, is_enforced, rollout_percentage, variants),
  update (value, is_active, is_enforced, rollout_percentage, variants, updated_at),
  delete
  on attune.global_settings to authenticated, service_role;

create trigger _010_require_admin before insert on attune.global_settings
  for each statement when (row_security_active('attune.global_settings'))
  execute function attune_private.tg__require_admin();
create trigger _060_check_version before update on attune.global_settings
  for each row when (
    new.updated_at is distinct from old.updated_at
    -- What a function of ours hands on, see `tg__stamp`.
    and not (new.updated_at = 'infinity' and has_column_privilege('attune.global_settings'::regclass, 'updated_by', 'update'))
  )
  execute function attune_private.tg__check_version();
create trigger _100_validate_value before insert or update on attune.global_settings
  for each row execute function attune_private.tg__validate_value('global');
create trigger _110_validate_variants before insert or update on attune.global_settings
  for each row when (new.variants is not null)
  execute function attune_private.tg_global_settings__validate_variants();
create trigger _120_refuse_split before insert or update on attune.global_settings
  for each row when (new.rollout_percentage < 100 or new.variants is not null)
  execute function attune_private.tg_global_settings__refuse_split();
create trigger _200_stamp before insert or update on attune.global_settings
  for each row execute function attune_private.tg__stamp();

create table attune.plan_settings (
  plan text not null
    constraint plan_settings_plan_fkey references attune.plans (name) on update cascade on delete cascade,
  key text not null
    constraint plan_settings_key_fkey references attune.setting_definitions (key) on update cascade on delete restrict,
  value jsonb not null
    constraint plan_settings_value_check check (octet_length(value::text) <= 65536),
  is_active boolean not null default true,
  is_enforced boolean not null default false,
  updated_by uuid,
  updated_at timestamptz not null default now(),
  constraint plan_settings_pkey primary key (plan, key)
);
create index plan_settings_key_idx on attune.plan_settings (key);
comment on constraint plan_settings_plan_fkey on attune.plan_settings is
  E'@forwardBehavior -*\n'
  'The plans are few: a client reads them once.';
comment on table attune.plan_settings is
  E'@behavior -insert -update -delete\n'
  '@foreignKey (updated_by) references attune.profiles (id)|@fieldName updatedBy|@backwardBehavior -*\n'
  'What administrators chose for the users of a plan.';
comment on column attune.plan_settings.plan is 'Which plan.';
comment on column attune.plan_settings.key is 'Which setting.';
comment on column attune.plan_settings.value is 'Its value; an object is merged over the broader layers (RFC 7396).';
comment on column attune.plan_settings.is_active is
  E'@behavior +attribute:filterBy\n'
  'False keeps the value, and ignores it.';
comment on column attune.plan_settings.is_enforced is
  E'@behavior +attribute:filterBy\n'
  'True ignores every narrower layer: nobody on the plan can choose otherwise.';
comment on column attune.plan_settings.updated_by is
  E'@name updated_by_id\n'
  'The user who last wrote it; null when it was a trusted server.';
comment on column attune.plan_settings.updated_at is
  E'@behavior +attribute:filterBy +attribute:orderBy\n'
  'When it was last written. '
  'In an update: the version that is changed, which was read (`changed_meanwhile`).';

alter table attune.plan_settings enable row level security;
create policy plan_settings_select_admin on attune.plan_settings for select to authenticated
  using ((select attune.is_admin()));
create policy plan_settings_insert_admin on attune.plan_settings for insert to authenticated
  with check ((select attune.is_admin()));
create policy plan_settings_update_admin on attune.plan_settings for update to authenticated
  using ((select attune.is_admin()))
  with check ((select attune.is_admin()));
create policy plan_settings_delete_admin on attune.plan_settings for delete to authenticated
  using ((select attune.is_admin()));
create policy plan_settings_all_service_role on attune.plan_settings for all to service_role
  using (true) with check (true);

revoke all on attune.plan_settings from public;
grant
  select,
  insert (plan, key, value, is_active, is_enforced),
  update (value, is_active, is_enforced, updated_at),
  delete
  on attune.plan_settings to authenticated, service_role;

create trigger _010_require_admin before insert on attune.plan_settings
  for each statement when (row_security_active('attune.plan_settings'))
  execute function attune_private.tg__require_admin();
create trigger _060_check_version before update on attune.plan_settings
  for each row when (
    new.updated_at is distinct from old.updated_at
    -- What a function of ours hands on, see `tg__stamp`.
    and not (new.updated_at = 'infinity' and has_column_privilege('attune.plan_settings'::regclass, 'updated_by', 'update'))
  )
  execute function attune_private.tg__check_version();
create trigger _100_validate_value before insert or update on attune.plan_settings
  for each row execute function attune_private.tg__validate_value('plan');
create trigger _200_stamp before insert or update on attune.plan_settings
  for each row execute function attune_private.tg__stamp();

create table attune.team_settings (
  team_id uuid not null
    constraint team_settings_team_id_fkey references attune.teams (id) on delete cascade,
  key text not null
    constraint team_settings_key_fkey references attune.setting_definitions (key) on update cascade on delete restrict,
  value jsonb not null
    constraint team_settings_value_check check (octet_length(value::text) <= 65536),
  is_active boolean not null default true,
  is_enforced boolean not null default false,
  updated_by uuid,
  updated_at timestamptz not null default now(),
  constraint team_settings_pkey primary key (team_id, key)
);
create index team_settings_key_idx on attune.team_settings (key);
comment on table attune.team_settings is
  E'@readBy attune_hidden.readable_team_settings\n'
  '@behavior -insert -update -delete\n'
  '@foreignKey (updated_by) references attune.profiles (id)|@fieldName updatedBy|@backwardBehavior -*\n'
  'What the owners and administrators of a team chose for its members: those whose current team it is.';
comment on column attune.team_settings.team_id is 'Which team.';
comment on column attune.team_settings.key is 'Which setting.';
comment on column attune.team_settings.value is 'Its value; an object is merged over the broader layers (RFC 7396).';
comment on column attune.team_settings.is_active is
  E'@behavior +attribute:filterBy\n'
  'False keeps the value, and ignores it.';
comment on column attune.team_settings.is_enforced is
  E'@behavior +attribute:filterBy\n'
  'True ignores every narrower layer: no member can choose otherwise.';
comment on column attune.team_settings.updated_by is
  E'@name updated_by_id\n'
  'The user who last wrote it; null when it was a trusted server.';
comment on column attune.team_settings.updated_at is
  'When it was last written. '
  'In an update: the version that is changed, which was read (`changed_meanwhile`).';

alter table attune.team_settings enable row level security;
create policy team_settings_select_member_or_admin on attune.team_settings for select to authenticated
  using (
    (team_id = any (array(select attune_hidden.member_team_ids())) or (select attune.is_admin()))
    and key <> all (array(select attune_hidden.concealed_keys()))
  );
create policy team_settings_insert_team_admin_or_admin on attune.team_settings for insert to authenticated
  with check (team_id in (select attune_hidden.managed_team_ids()) or (select attune.is_admin()));
create policy team_settings_update_team_admin_or_admin on attune.team_settings for update to authenticated
  using (team_id in (select attune_hidden.managed_team_ids()) or (select attune.is_admin()))
  with check (team_id in (select attune_hidden.managed_team_ids()) or (select attune.is_admin()));
create policy team_settings_delete_team_admin_or_admin on attune.team_settings for delete to authenticated
  using (team_id in (select attune_hidden.managed_team_ids()) or (select attune.is_admin()));
create policy team_settings_all_service_role on attune.team_settings for all to service_role
  using (true) with check (true);

revoke all on attune.team_settings from public;
grant
  select,
  insert (team_id, key, value, is_active, is_enforced),
  update (value, is_active, is_enforced, updated_at),
  delete
  on attune.team_settings to authenticated, service_role;

--!include settings/hidden/readable_team_settings.sql

create trigger _050_authorize before insert or update or delete on attune.team_settings
  for each row when (row_security_active('attune.team_settings') and not pg_has_role(current_user, 'service_role', 'usage'))
  execute function attune_private.tg_team_settings__authorize();
create trigger _060_check_version before update on attune.team_settings
  for each row when (
    new.updated_at is distinct from old.updated_at
    -- What a function of ours hands on, see `tg__stamp`.
    and not (new.updated_at = 'infinity' and has_column_privilege('attune.team_settings'::regclass, 'updated_by', 'update'))
  )
  execute function attune_private.tg__check_version();
create trigger _100_validate_value before insert or update on attune.team_settings
  for each row execute function attune_private.tg__validate_value('team');
create trigger _200_stamp before insert or update on attune.team_settings
  for each row execute function attune_private.tg__stamp();

create table attune.user_preferences (
  user_id uuid not null
    constraint user_preferences_user_id_fkey references attune.users (id) on delete cascade,
  key text not null
    constraint user_preferences_key_fkey references attune.setting_definitions (key) on update cascade on delete restrict,
  value jsonb not null
    constraint user_preferences_value_check check (octet_length(value::text) <= 65536),
  is_active boolean not null default true,
  updated_by uuid,
  updated_at timestamptz not null default now(),
  constraint user_preferences_pkey primary key (user_id, key)
);
create index user_preferences_key_idx on attune.user_preferences (key, user_id);
comment on table attune.user_preferences is
  E'@behavior -insert -update -delete\n'
  '@foreignKey (updated_by) references attune.profiles (id)|@fieldName updatedBy|@backwardBehavior -*\n'
  'What users chose for themselves. '
  'A user sees and changes only their own.';
comment on column attune.user_preferences.user_id is 'Whose choice it is.';
comment on column attune.user_preferences.key is 'Which setting.';
comment on column attune.user_preferences.value is 'What was chosen; of an object, only the members that were.';
comment on column attune.user_preferences.is_active is 'False keeps the value, and ignores it.';
comment on column attune.user_preferences.updated_by is
  E'@name updated_by_id\n'
  'The user who last wrote it; null when it was a trusted server.';
comment on column attune.user_preferences.updated_at is
  'When it was last written. '
  'In an update: the version that is changed, which was read (`changed_meanwhile`).';

alter table attune.user_preferences enable row level security;
create policy user_preferences_select_self_or_admin on attune.user_preferences for select to authenticated
  using (
    user_id between (select attune_hidden.visible_from()) and (select attune_hidden.visible_to())
    and key not in (select attune_hidden.concealed_keys())
  );
create policy user_preferences_insert_self_or_admin on attune.user_preferences for insert to authenticated
  with check (user_id between (select attune_hidden.visible_from()) and (select attune_hidden.visible_to()));
create policy user_preferences_update_self_or_admin on attune.user_preferences for update to authenticated
  using (user_id between (select attune_hidden.visible_from()) and (select attune_hidden.visible_to()))
  with check (user_id between (select attune_hidden.visible_from()) and (select attune_hidden.visible_to()));
create policy user_preferences_delete_self_or_admin on attune.user_preferences for delete to authenticated
  using (user_id between (select attune_hidden.visible_from()) and (select attune_hidden.visible_to()));
create policy user_preferences_all_service_role on attune.user_preferences for all to service_role
  using (true) with check (true);

revoke all on attune.user_preferences from public;
grant
  select,
  insert (user_id, key, value, is_active),
  update (value, is_active, updated_at),
  delete
  on attune.user_preferences to authenticated, service_role;

-- Who may write follows the rows that row level security guards: not for the owner, whose functions seed and discard.
create trigger _050_authorize_preference before insert or update or delete on attune.user_preferences
  for each row when (row_security_active('attune.user_preferences') and not pg_has_role(current_user, 'service_role', 'usage'))
  execute function attune_private.tg__authorize_preference();
create trigger _060_check_version before update on attune.user_preferences
  for each row when (
    new.updated_at is distinct from old.updated_at
    -- What a function of ours hands on, see `tg__stamp`.
    and not (new.updated_at = 'infinity' and has_column_privilege('attune.user_preferences'::regclass, 'updated_by', 'update'))
  )
  execute function attune_private.tg__check_version();
create trigger _100_validate_value before insert or update on attune.user_preferences
  for each row execute function attune_private.tg__validate_value('user');
create trigger _200_stamp before insert or update on attune.user_preferences
  for each row execute function attune_private.tg__stamp();
create trigger _300_one_at_a_time before insert on attune.user_preferences
  for each row execute function attune_private.tg__one_at_a_time();
-- What a user is given when they register is not limited: a low limit would let nobody in.
create trigger _400_limit_preferences after insert on attune.user_preferences
  referencing new table as inserted
  for each statement when (row_security_active('attune.user_preferences'))
  execute function attune_private.tg__limit_preferences();

create table attune.project_preferences (
  user_id uuid not null,
  project_id uuid not null,
  key text not null
    constraint project_preferences_key_fkey references attune.setting_definitions (key) on update cascade on delete restrict,
  value jsonb not null
    constraint project_preferences_value_check check (octet_length(value::text) <= 65536),
  is_active boolean not null default true,
  updated_by uuid,
  updated_at timestamptz not null default now(),
  constraint project_preferences_pkey primary key (user_id, project_id, key),
  -- What somebody chose in a project goes with their membership.
  constraint project_preferences_user_id_project_id_fkey foreign key (user_id, project_id)
    references attune.project_members (user_id, project_id) on delete cascade
);
create index project_preferences_key_idx on attune.project_preferences (key, user_id);
comment on table attune.project_preferences is
  E'@behavior -insert -update -delete\n'
  '@foreignKey (updated_by) references attune.profiles (id)|@fieldName updatedBy|@backwardBehavior -*\n'
  'What users chose for themselves in one project. '
  'A user sees and changes only their own, while a member.';
comment on column attune.project_preferences.user_id is 'Whose choice it is.';
comment on column attune.project_preferences.project_id is 'In which project.';
comment on column attune.project_preferences.key is 'Which setting.';
comment on column attune.project_preferences.value is 'What was chosen; of an object, only the members that were.';
comment on column attune.project_preferences.is_active is 'False keeps the value, and ignores it.';
comment on column attune.project_preferences.updated_by is
  E'@name updated_by_id\n'
  'The user who last wrote it; null when it was a trusted server.';
comment on column attune.project_preferences.updated_at is
  'When it was last written. '
  'In an update: the version that is changed, which was read (`changed_meanwhile`).';

alter table attune.project_preferences enable row level security;
create policy project_preferences_select_self_or_admin on attune.project_preferences for select to authenticated
  using (
    user_id between (select attune_hidden.visible_from()) and (select attune_hidden.visible_to())
    and key not in (select attune_hidden.concealed_keys())
  );
create policy project_preferences_insert_self_or_admin on attune.project_preferences for insert to authenticated
  with check (user_id between (select attune_hidden.visible_from()) and (select attune_hidden.visible_to()));
create policy project_preferences_update_self_or_admin on attune.project_preferences for update to authenticated
  using (user_id between (select attune_hidden.visible_from()) and (select attune_hidden.visible_to()))
  with check (user_id between (select attune_hidden.visible_from()) and (select attune_hidden.visible_to()));
create policy project_preferences_delete_self_or_admin on attune.project_preferences for delete to authenticated
  using (user_id between (select attune_hidden.visible_from()) and (select attune_hidden.visible_to()));
create policy project_preferences_all_service_role on attune.project_preferences for all to service_role
  using (true) with check (true);

revoke all on attune.project_preferences from public;
grant
  select,
  insert (user_id, project_id, key, value, is_active),
  update (value, is_active, updated_at),
  delete
  on attune.project_preferences to authenticated, service_role;

create trigger _050_authorize_preference before insert or update or delete on attune.project_preferences
  for each row when (row_security_active('attune.project_preferences') and not pg_has_role(current_user, 'service_role', 'usage'))
  execute function attune_private.tg__authorize_preference();
create trigger _060_check_version before update on attune.project_preferences
  for each row when (
    new.updated_at is distinct from old.updated_at
    -- What a function of ours hands on, see `tg__stamp`.
    and not (new.updated_at = 'infinity' and has_column_privilege('attune.project_preferences'::regclass, 'updated_by', 'update'))
  )
  execute function attune_private.tg__check_version();
create trigger _100_validate_value before insert or update on attune.project_preferences
  for each row execute function attune_private.tg__validate_value('project');
create trigger _200_stamp before insert or update on attune.project_preferences
  for each row execute function attune_private.tg__stamp();
create trigger _300_one_at_a_time before insert on attune.project_preferences
  for each row execute function attune_private.tg__one_at_a_time();
create trigger _400_limit_preferences after insert on attune.project_preferences
  referencing new table as inserted
  for each statement when (row_security_active('attune.project_preferences'))
  execute function attune_private.tg__limit_preferences();

-- What is stored

create type attune_private.stored_value as (layer attune.setting_layer, user_id uuid, scope text, value jsonb);
comment on type attune_private.stored_value is 'One stored value of a known setting, and where it is stored.';

create table attune_private.checked_definitions (
  transaction_id xid8 not null default pg_current_xact_id(),
  key text not null
    constraint checked_definitions_key_check check (char_length(key) <= 200),
  judged_by jsonb not null
    constraint checked_definitions_judged_by_check check (octet_length(judged_by::text) <= 150000),
  written_from xid8 not null,
  broken attune_private.stored_value[] not null
    constraint checked_definitions_broken_check check (cardinality(broken) <= 10000),
  constraint checked_definitions_pkey primary key (transaction_id, key)
);
comment on table attune_private.checked_definitions is
  'Definitions that a transaction is about to write, by which it has judged what is stored: see `check_stored_values`. '
  'Nobody else ever sees a row.';
comment on column attune_private.checked_definitions.transaction_id is 'Which transaction.';
comment on column attune_private.checked_definitions.key is 'Which setting.';
comment on column attune_private.checked_definitions.judged_by is 'What of the definition decides, as `judged_by` has it.';
comment on column attune_private.checked_definitions.written_from is
  'What transactions before this one have written was judged.';
comment on column attune_private.checked_definitions.broken is 'The different values in it that are not allowed.';
alter table attune_private.checked_definitions enable row level security;
revoke all on attune_private.checked_definitions from public;

--!include settings/private/system_setting.sql
--!include settings/private/system_number.sql
--!include settings/private/system_interval.sql

-- What applies, and why

create type attune.effective_setting as (
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
  targeting_key text
);
comment on type attune.effective_setting is
  E'@id user_id,project_id,targeting_key,key\n'
  'What applies to one user for one setting, and where it comes from.';
comment on column attune.effective_setting.key is
  E'@notNull\n'
  'The setting''s name.';
comment on column attune.effective_setting.category is
  E'@notNull\n'
  'What it is listed under.';
comment on column attune.effective_setting.value is 'The value that applies.';
comment on column attune.effective_setting.layer is
  E'@notNull\n'
  'The narrowest layer that the value comes from.';
comment on column attune.effective_setting.reason is
  E'@notNull\n'
  'Why it applies, in the terms of OpenFeature.';
comment on column attune.effective_setting.variant is 'The name of the variant the user is in, or null.';
comment on column attune.effective_setting.is_enforced is
  E'@notNull\n'
  'Whether an administrator locked the value.';
comment on column attune.effective_setting.can_edit is
  E'@notNull\n'
  'Whether `set_setting` by the user would be accepted.';
comment on column attune.effective_setting.description is
  E'@notNull\n'
  'What the setting does.';
comment on column attune.effective_setting.updated_at is 'When the value that applies was written; null for a default.';
comment on column attune.effective_setting.user_id is 'To whom it applies; null where nobody is signed in.';
comment on column attune.effective_setting.project_id is 'In which project; null outside projects.';
comment on column attune.effective_setting.targeting_key is
  'Whom rollouts and variants drew, where nobody is signed in; null when it was not given.';

create type attune.ignored_reason as enum (
  'inactive', 'outside_rollout', 'enforced_by_global', 'enforced_by_plan', 'enforced_by_team', 'overridden_by_global',
  'overridden_by_plan', 'overridden_by_team', 'overridden_by_user', 'overridden_by_project'
);
comment on type attune.ignored_reason is
  E'@value inactive It is switched off.\n'
  '@value outside_rollout The user is not in its rollout.\n'
  '@value enforced_by_global The value for everybody is enforced.\n'
  '@value enforced_by_plan The value of the plan is enforced.\n'
  '@value enforced_by_team The value of the team is enforced.\n'
  '@value overridden_by_global The value for everybody replaces it.\n'
  '@value overridden_by_plan The value of the plan replaces it.\n'
  '@value overridden_by_team The value of the team replaces it.\n'
  '@value overridden_by_user The value of the user replaces it.\n'
  '@value overridden_by_project The value of the user in the project replaces it.\n'
  'Why a stored value does not count.';

create type attune.setting_explanation as (
  layer attune.setting_layer,
  value jsonb,
  is_set boolean,
  is_active boolean,
  is_enforced boolean,
  is_winner boolean,
  ignored_because attune.ignored_reason,
  updated_by uuid,
  updated_at timestamptz
);
comment on type attune.setting_explanation is 'What one layer says about a setting, and whether it counted.';
comment on column attune.setting_explanation.layer is
  E'@notNull\n'
  'Which layer.';
comment on column attune.setting_explanation.value is 'What it stores; null where it stores nothing.';
comment on column attune.setting_explanation.is_set is
  E'@notNull\n'
  'Whether the layer stores a value.';
comment on column attune.setting_explanation.is_active is
  E'@notNull\n'
  'Whether the stored value is switched on.';
comment on column attune.setting_explanation.is_enforced is
  E'@notNull\n'
  'Whether it locks the narrower layers.';
comment on column attune.setting_explanation.is_winner is
  E'@notNull\n'
  'Whether the effective value comes from here: the narrowest layer that counted.';
comment on column attune.setting_explanation.ignored_because is
  'Why a stored value does not count; null where it counts or nothing is stored. '
  'The members of an object count until a narrower layer sets them.';
comment on column attune.setting_explanation.updated_by is 'The user who wrote it.';
comment on column attune.setting_explanation.updated_at is 'When it was written.';

--!include settings/private/multiply_32.sql
--!include settings/private/murmur3_32.sql
--!include settings/private/bucket.sql
--!include settings/private/choose_variant.sql
--!include settings/private/rows_at.sql
--!include settings/private/found_columns.sql
--!include settings/private/users_at.sql
--!include settings/private/definitions_at.sql
--!include settings/private/global_settings_at.sql
--!include settings/private/plan_settings_at.sql
--!include settings/private/team_members_at.sql
--!include settings/private/team_settings_at.sql
--!include settings/private/user_preferences_at.sql
--!include settings/private/project_members_at.sql
--!include settings/private/project_preferences_at.sql
--!include settings/private/rollout_group.sql
--!include settings/private/stored_settings.sql
--!include settings/private/judged_settings.sql
--!include settings/private/merge_values.sql
--!include settings/private/whole_value.sql
--!include settings/private/judged_by.sql
--!include settings/private/may_break_values.sql
--!include settings/private/stored_values.sql
--!include settings/private/broken_forms.sql
--!include settings/private/broken_values.sql
--!include settings/private/refuse_broken_values.sql
--!include settings/private/check_stored_values.sql
--!include settings/private/lock_all_layers.sql
--!include settings/private/without_values.sql
--!include settings/private/resolve_settings.sql
--!include settings/private/check_project.sql
--!include settings/private/check_moment.sql
--!include settings/private/former_audiences.sql
--!include settings/private/is_concealed.sql
--!include settings/private/audience_of.sql
--!include settings/private/audience_of_user.sql
--!include settings/private/effective_settings.sql
--!include settings/private/effective_setting.sql
--!include settings/private/check_patch.sql
--!include settings/private/refuse_missing_value.sql
--!include settings/private/written_value.sql
--!include settings/private/write_preference.sql
--!include settings/private/preference_problems.sql
--!include settings/private/write_preferences.sql
--!include settings/private/drop_preference.sql
--!include settings/private/write_global_setting.sql
--!include settings/private/write_plan_setting.sql
--!include settings/private/write_team_setting.sql
--!include settings/effective_settings.sql
--!include settings/effective_setting.sql
--!include settings/team_settings_effective_setting.sql
--!include settings/plan_settings_effective_setting.sql
--!include settings/global_settings_effective_setting.sql
--!include settings/effective_settings_of.sql
--!include settings/effective_settings_for.sql
--!include settings/effective_setting_for.sql
--!include settings/evaluate.sql
--!include settings/settings_document.sql
--!include settings/explain_setting.sql
--!include settings/set_preference.sql
--!include settings/set_preferences.sql
--!include settings/reset_preference.sql
--!include settings/reset_preferences.sql
--!include settings/set_global_setting.sql
--!include settings/set_global_variants.sql
--!include settings/reset_global_setting.sql
--!include settings/set_plan_setting.sql
--!include settings/reset_plan_setting.sql
--!include settings/set_team_setting.sql
--!include settings/reset_team_setting.sql
--!include settings/set_user_setting.sql
--!include settings/reset_user_setting.sql
--!include settings/set_setting.sql

-- What a new user starts with

--!include settings/private/seed_settings.sql
--!include settings/triggers/tg_users__seed_settings.sql
--!include settings/seed_existing_users.sql

create trigger _500_seed_settings after insert on attune.users
  for each row execute function attune_private.tg_users__seed_settings();

-- When a layer begins to hold whole values

--!include settings/triggers/tg_setting_definitions__make_whole.sql

create trigger _400_make_whole after update on attune.setting_definitions
  for each row when ((old.merge, old.seeding) is distinct from (new.merge, new.seeding))
  execute function attune_private.tg_setting_definitions__make_whole();
