drop function
  attune_private.parse_legacy_value(text),
  attune.adopt_legacy_settings(
  regclass, attune.setting_layer, attune.setting_seeding, name, name, name, name, name
);

drop type attune.adopted_setting;
drop type attune.adoption_outcome;
