drop function
  attune_private.read_definitions(jsonb),
  attune_private.definition_changes(text, attune.setting_definitions[]),
  attune_private.discard_broken_values(attune.setting_definitions),
  attune.apply_definitions(jsonb, boolean, attune.stored_values_action),
  attune.export_definitions(text);

drop type attune.definition_change;
drop type attune.stored_values_action;
drop type attune.definition_action;
