drop function
  attune_private.cursor_identity(xid),
  attune.changes_since(text),
  attune_hidden.outbox(text, uuid[]),
  attune_hidden.users_of(text[]),
  attune_private.bounded_changes(text, boolean, text[], uuid[], uuid[]),
  attune_private.recent_knowledge(pg_snapshot),
  attune_private.recent_changes(pg_snapshot, uuid[]),
  attune_private.read_cursor(text),
  attune_private.current_cursor(),
  attune_private.last_change();

drop type attune.changes;
