--! Previous: sha1:6dd2210ead1e854ff08550ec39526a0a6c4293e5
--! Hash: sha1:82a3fc54b910d74ada6c485bf493ba73eeda18f2
--! Message: definitions

create type attune.definition_action as enum ('added', 'changed', 'removed', 'unchanged', 'skipped');
comment on type attune.definition_action is
  E'@value added It is new.\n'
  '@value changed It is there, and is changed.\n'
  '@value removed It is there, and goes.\n'
  '@value unchanged It is there as the document says.\n'
  '@value skipped It can''t be done; `problem` says why.\n'
  'What applying a document does to one definition.';

create type attune.stored_values_action as enum ('refuse', 'discard');
comment on type attune.stored_values_action is
  E'@value refuse The document is refused.\n'
  '@value discard They are removed; the audit log keeps them.\n'
  'What to do when stored values would no longer be allowed.';

create type attune.definition_change as (
  action attune.definition_action,
  key text,
  changes jsonb,
  stored_values bigint,
  problem text,
  warnings text[]
);
comment on type attune.definition_change is 'What applying a document does to one definition.';
comment on column attune.definition_change.action is
  E'@notNull\n'
  'Whether it is added, changed, removed, as it was, or skipped: no setting, or not applicable.';
comment on column attune.definition_change.key is
  E'@notNull\n'
  'Which setting.';
comment on column attune.definition_change.changes is
  E'@notNull\n'
  'What changes, `{column: {"from": …, "to": …}}`; empty for a definition that is as it was.';
comment on column attune.definition_change.stored_values is
  E'@notNull\n'
  'How many stored values the change would no longer allow.';
comment on column attune.definition_change.problem is 'Why it was skipped; null when it was not, or is no setting.';
comment on column attune.definition_change.warnings is
  E'@notNull\n'
  'What its author should know of though it can be applied, such as unknown keywords, each with the JSON Pointer to it.';

create type attune_private.declared_setting as (
  key text,
  place text,
  definition attune.setting_definitions,
  renamed_from text,
  reason text,
  problem text,
  schema_problems jsonb,
  warnings text[]
);
comment on type attune_private.declared_setting is
  'What a document says of one property: the definition, or the problem with it and its reason (and all problems of a '
  'schema), or neither when it is no setting; its place in the document as a JSON Pointer.';

--!include definitions/private/document_source.sql
--!include definitions/private/document_objects.sql
--!include definitions/private/declared_schema.sql
--!include definitions/private/inherited_annotations.sql
--!include definitions/private/read_definitions.sql
--!include definitions/private/definition_changes.sql
--!include definitions/private/discard_broken_values.sql
--!include definitions/private/write_definition.sql
--!include definitions/private/refuse_definitions.sql
--!include definitions/private/rename_setting.sql
--!include definitions/rename_setting.sql
--!include definitions/private/completed_definition.sql
--!include definitions/apply_definitions.sql
--!include definitions/export_definitions.sql
