--! Previous: sha1:dc87515be868781d1f7013d845ec4df74bb2c847
--! Hash: sha1:be20453b52e1fcb711c84bd6ad946c489724a90d
--! Message: changes

-- What changed for whom, since when: the one source of live changes. The audit log, the notifications and the knowledge
-- hub are the outbox: their rows say in which transaction they changed. No NOTIFY: it makes writers wait for one another.

create type attune.changes as (
  cursor text,
  must_refetch boolean,
  setting_keys text[],
  notification_ids uuid[],
  knowledge_entry_ids uuid[]
);
comment on type attune.changes is 'What changed for somebody since a cursor, in the order of the last change.';
comment on column attune.changes.cursor is
  E'@notNull\n'
  'Where to go on from.';
comment on column attune.changes.must_refetch is
  E'@notNull\n'
  'Whether everything must be fetched anew, because what changed can''t be told; then the lists are empty.';
comment on column attune.changes.setting_keys is
  E'@notNull\n'
  'The settings of which what applies may be another now, in a project or outside, or that are gone.';
comment on column attune.changes.notification_ids is
  E'@notNull\n'
  'The notifications that came, or were changed.';
comment on column attune.changes.knowledge_entry_ids is
  E'@notNull\n'
  'The entries of the knowledge hub that were written, deleted, or taken for editing.';

--!include changes/private/last_change.sql
--!include changes/private/cursor_identity.sql
--!include changes/private/current_cursor.sql
--!include changes/private/read_cursor.sql
--!include changes/private/recent_changes.sql
--!include changes/private/recent_knowledge.sql
--!include changes/private/bounded_changes.sql
--!include changes/changes_since.sql
--!include changes/hidden/outbox.sql
--!include changes/hidden/users_of.sql
