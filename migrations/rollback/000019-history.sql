drop function
  attune_hidden.has_dependents(regclass, jsonb),
  attune.restore_global_settings(timestamptz, boolean, bigint, boolean, boolean, text),
  attune.restore_preferences(timestamptz, boolean, bigint, boolean, boolean, text),
  attune_private.restorations(uuid, timestamptz, jsonb),
  attune_private.restored_document(attune_private.restoration[]),
  attune_private.restore(attune_private.caller, uuid, timestamptz, boolean, bigint, boolean, boolean, text),
  attune.revert_change(bigint, boolean, boolean, text),
  attune_hidden.locked_row(regclass, jsonb),
  attune_hidden.put_row(regclass, jsonb, jsonb, jsonb),
  attune_hidden.picked_columns(jsonb, text[]),
  attune_hidden.may_put_row(regclass, jsonb, jsonb, jsonb),
  attune_hidden.require_somebody(),
  attune_hidden.place_condition(regclass, jsonb),
  attune_hidden.refuse_changed_since(text, bigint),
  attune_hidden.audited_table(attune.audit_subject, attune.setting_layer, text),
  attune_hidden.give_reason(text, text),
  attune.effective_settings_as_of(timestamptz, uuid, text, uuid);

drop type attune_private.restoration, attune.restored_change, attune.past_setting;
