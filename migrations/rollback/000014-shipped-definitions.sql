-- The notification categories, which name members of these settings, stay.
alter table attune.setting_definitions disable trigger _310_keep_members;

-- The values stored for them go with them; the audit log keeps both.
select from attune.apply_definitions(
  '{"$id": "attune", "properties": {}}',
  stored_values => 'discard'
);

alter table attune.setting_definitions enable trigger _310_keep_members;
