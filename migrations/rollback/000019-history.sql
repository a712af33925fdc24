drop function
  attune.effective_settings_as_of(timestamptz, uuid, text, uuid);

drop type attune.past_setting;
