drop trigger _700_salt on attune.users;

drop policy audit_seals_select_admin on attune.audit_seals;
drop policy audit_seals_select_service_role on attune.audit_seals;

drop aggregate attune_private.chain(bytea, bytea);
drop function
  attune_hidden.readable_audit_seals(),
  attune.audit_checkpoint(),
  attune.verify_audit(text),
  attune.purge_audit(interval, text),
  attune_private.audit_row_digest(attune.configuration_audit_log),
  attune_private.committed_at(bigint, xid8, timestamptz),
  attune_private.drop_audit_partitions(regclass, timestamptz),
  attune_private.tracked_commit(xid8, timestamptz),
  attune_private.audit_purged_before(),
  attune_private.seal_hash(attune.audit_seals, text),
  attune_private.link(bytea, bytea, bytea),
  attune_private.audit_value_digest(attune.configuration_audit_log, bytea),
  attune_private.seal_entry(bigint, bigint, timestamptz, timestamptz, bytea, bytea),
  attune_private.tg_users__salt(),
  attune.seal_audit();
drop table attune_private.audit_salts;
drop table attune_private.sealed_rows;
drop table attune.audit_seals;
drop type attune.audit_finding;
drop type attune.audit_problem;
