drop function
  attune_private.schema_types(jsonb, jsonb, integer),
  attune_private.merge_obstacle(jsonb, jsonb),
  attune_private.resolve_reference(jsonb, text),
  attune_private.json_schema_regex(text),
  attune_private.json_schema_check(jsonb, jsonb, text, integer, integer),
  attune_private.json_schema_errors(jsonb, jsonb),
  attune_private.json_schema_problems(jsonb),
  attune_private.invalid_value_message(jsonb, jsonb),
  attune_hidden.secret_path(jsonb),
  attune_private.annotation_problems(jsonb, jsonb),
  attune_private.check_annotations(text, jsonb, jsonb);
