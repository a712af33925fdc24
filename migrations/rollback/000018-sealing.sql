drop function
  attune.purge_audit_log(timestamptz, text);
