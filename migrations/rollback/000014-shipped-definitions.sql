-- The values stored for them go with them; the audit log keeps both.
select from attune.apply_definitions(
  '{"$id": "attune", "properties": {}}',
  stored_values => 'discard'
);
