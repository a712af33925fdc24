--! Previous: sha1:224a7f4bf89646b1341aa348756bead74b354e27
--! Hash: sha1:59a2638d0958b9b155ae1998c7a027911598ed93
--! Message: definitions

create type attune.definition_action as enum ('added', 'changed', 'removed', 'unchanged');
comment on type attune.definition_action is 'What applying a document does to one definition.';

create type attune.stored_values_action as enum ('refuse', 'discard');
comment on type attune.stored_values_action is
  'What to do when stored values would no longer be allowed: `refuse` the document, or `discard` those values (the '
  'audit log keeps them).';

create type attune.definition_change as (
  action attune.definition_action,
  key text,
  changes jsonb,
  stored_values bigint
);
comment on type attune.definition_change is 'What applying a document does to one definition.';
comment on column attune.definition_change.action is
  E'@notNull\n'
  'Whether it is added, changed, removed, or as it was.';
comment on column attune.definition_change.key is
  E'@notNull\n'
  'Which setting.';
comment on column attune.definition_change.changes is
  E'@notNull\n'
  'What changes, `{column: {"from": …, "to": …}}`; empty for a definition that is as it was.';
comment on column attune.definition_change.stored_values is
  E'@notNull\n'
  'How many stored values the change would no longer allow.';

--!include definitions/private/read_definitions.sql
--!include definitions/private/definition_changes.sql
--!include definitions/private/discard_broken_values.sql
--!include definitions/apply_definitions.sql
--!include definitions/export_definitions.sql
