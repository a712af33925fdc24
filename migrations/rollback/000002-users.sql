drop policy plans_select_anon on attune.plans;
drop policy plans_select_authenticated on attune.plans;
drop policy plans_all_service_role on attune.plans;
drop policy users_select_self_or_admin on attune.users;
drop policy users_update_self on attune.users;
drop policy users_all_service_role on attune.users;
drop policy user_emails_select_self_or_admin on attune.user_emails;
drop policy user_emails_select_service_role on attune.user_emails;

drop function
  attune.current_user_id(),
  attune.is_admin(),
  attune.visible_from(),
  attune.visible_to(),
  attune_private.request_role(),
  attune_private.is_trusted(),
  attune.require_user_id(),
  attune.require_admin(),
  attune_private.ensure_user(text, boolean),
  attune.viewer();

drop table attune.user_emails;
drop table attune.users;
drop table attune.plans;

drop function
  attune_private.tg__timestamps(),
  attune_private.tg_users__email();
