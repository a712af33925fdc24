drop policy user_session_state_select_self on attune.user_session_state;
drop policy user_session_state_delete_self on attune.user_session_state;
drop policy user_session_state_select_service_role on attune.user_session_state;

drop function
  attune.session_state(text),
  attune.save_session_state(text, jsonb, jsonb);

drop table attune.user_session_state;
