drop policy plans_select_anon on attune.plans;
drop policy plans_select_authenticated on attune.plans;
drop policy plans_all_service_role on attune.plans;
drop policy users_select_self_or_admin on attune.users;
drop policy users_update_self on attune.users;
drop policy users_all_service_role on attune.users;
drop policy user_emails_select_self_or_admin on attune.user_emails;
drop policy user_emails_select_service_role on attune.user_emails;
drop policy user_identities_select_self on attune.user_identities;
drop policy user_identities_select_service_role on attune.user_identities;
drop policy sessions_select_self on attune.sessions;
drop policy sessions_select_service_role on attune.sessions;

drop function
  attune_private.is_owner(),
  attune_private.acting_agent(),
  attune_private.refuse_missing_title(text, text),
  attune_private.user_as_caller(uuid),
  attune_private.acts_for_a_user(),
  attune_private.require_somebody(attune_private.caller),
  attune_private.check_unchanged(timestamptz, timestamptz),
  attune_private.is_spent(text, text, jsonb),
  attune_private.token_issued_at(text, text),
  attune_private.identity_hash(text, text),
  attune_private.has_invisible(text),
  attune_private.punycode(text),
  attune_private.lower_case(text),
  attune_private.mail_address(text),
  attune_private.ascii_domain(text),
  attune_private.own_issuer(),
  attune.current_user_id(),
  attune.is_admin(),
  attune_hidden.visible_from(),
  attune_hidden.visible_to(),
  attune_private.request_role(),
  attune_private.is_trusted(),
  attune_private.current_caller(),
  attune_private.require_user(attune_private.caller),
  attune_private.require_administrator(attune_private.caller),
  attune_private.refuse_unknown_user(),
  attune_private.check_user(uuid),
  attune_hidden.require_user_id(),
  attune_hidden.require_admin(),
  attune_private.check_depth(text, jsonb, integer),
  attune_private.check_size(text, integer, integer, text),
  attune_private.check_batch_size(integer, integer, text),
  attune_private.check_claim(integer, interval, text),
  attune_private.refuse_email(),
  attune_private.refuse_taken_email(text),
  attune_private.email_key(text),
  attune_private.is_avatar_url(text),
  attune_private.timezone_name(text),
  attune.sessions_is_current(attune.sessions),
  attune_private.ensure_user(text, boolean),
  attune_private.ensure_single_user(),
  attune.viewer();

drop table attune.sessions;
drop table attune_private.ended_identities;
drop table attune.user_identities;
drop table attune.user_emails;
drop table attune.users;
drop table attune.plans;

drop function
  attune_private.tg__require_admin(),
  attune_private.tg__transaction(),
  attune_private.tg__timestamps(),
  attune_private.tg__check_version(),
  attune_private.tg_users__validate(),
  attune_private.tg_users__email();

drop type attune.revocation_reason;
drop type attune_private.caller;
