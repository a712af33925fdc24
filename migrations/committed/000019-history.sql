--! Previous: sha1:fa409dece71f5cff8eb62f9b47ec04ec59cb544e
--! Hash: sha1:d81dc2e60116efd5fb083354d6831491fadedecd
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
