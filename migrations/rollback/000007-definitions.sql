drop function
  attune.rename_setting(text, text),
  attune_private.rename_setting(attune_private.caller, text, text),
  attune_private.completed_definition(attune.setting_definitions),
  attune_private.document_source(jsonb),
  attune_private.document_objects(jsonb, jsonb),
  attune_private.declared_schema(jsonb, text, jsonb, boolean),
  attune_private.inherited_annotations(jsonb),
  attune_private.write_definition(attune.definition_change, attune.setting_definitions),
  attune_private.refuse_definitions(attune_private.declared_setting[], jsonb),
  attune_private.read_definitions(jsonb),
  attune_private.definition_changes(text, attune.setting_definitions[]),
  attune_private.discard_broken_values(attune.setting_definitions),
  attune.apply_definitions(jsonb, boolean, attune.stored_values_action, boolean),
  attune.export_definitions(text);

drop type attune_private.declared_setting;
drop type attune.definition_change;
drop type attune.stored_values_action;
drop type attune.definition_action;
