--! Previous: sha1:3a22a3250a3be1f764eaa4598151f2d351fa34d5
--! Hash: sha1:b6b4fe4a72407cd54df9349778bb95ae75a75469
--! Message: sealing

-- Whether somebody tampered with the records: chains of hashes, and checkpoints to keep elsewhere.

--! Included sealing/purge_audit_log.sql
create or replace function attune.purge_audit_log(before timestamptz, reason text)
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  doomed bigint;
  last_change xid8;
begin
  if purge_audit_log.before is null or coalesce(btrim(purge_audit_log.reason), '') = '' then
    raise exception using
      errcode = 'PT400',
      message = 'Say up to when, and why',
      detail = 'reason_required',
      hint = 'purge_audit_log(before, reason): the operation is recorded with both.';
  end if;

  perform attune_private.check_size('The reason', char_length(purge_audit_log.reason), 1000, 'characters');

  -- One purge at a time, so that what is counted is what is removed: rows are never added with an earlier time.
  lock table attune.configuration_audit_log in share row exclusive mode;

  select count(*), max(l.transaction_id) filter (where l.transaction_id < pg_snapshot_xmax(pg_current_snapshot()))
  into doomed, last_change
  from attune.configuration_audit_log as l
  where l.occurred_at < purge_audit_log.before;

  insert into attune.maintenance_operations (operation, reason, parameters, affected_rows, actor_id, actor_role)
  values (
    'purge_audit_log',
    purge_audit_log.reason,
    jsonb_build_object('before', purge_audit_log.before),
    doomed,
    attune.current_user_id(),
    attune_private.request_role()
  );

  delete from attune.configuration_audit_log as l where l.occurred_at < purge_audit_log.before;
  perform attune_private.forget_changes(last_change);
  return doomed;
end;
$$;
comment on function attune.purge_audit_log(timestamptz, text) is
  E'@resultFieldName removedRows\n'
  '@param before Rows that are older are removed.\n'
  '@param reason Why, for the record; at most 1,000 characters.\n'
  'Removes the audit rows from before a moment and returns how many; for trusted servers. '
  'It leaves a row in `maintenance_operations`. '
  'Refused: `reason_required`, `too_large`.';
revoke all on function attune.purge_audit_log(timestamptz, text) from public;
grant execute on function attune.purge_audit_log(timestamptz, text) to service_role;
--! EndIncluded sealing/purge_audit_log.sql
