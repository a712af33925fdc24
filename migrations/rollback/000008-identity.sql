-- On Supabase, where `mirror_auth_users` made it.
do $$
begin
  if to_regclass('auth.users') is not null then
    drop trigger if exists _900_attune on auth.users;
  end if;
end;
$$;

drop trigger _400_end on attune.user_identities;
drop trigger _210_change_email on attune.users;
drop trigger _810_erase_traces on attune.users;

drop policy security_log_select_self_or_admin on attune.security_log;
drop policy security_log_select_service_role on attune.security_log;

drop function
  attune_private.mirror_auth_user(text, uuid, text, jsonb),
  attune_private.mirror_auth_users(text),
  attune_private.unmirror_auth_user(text, uuid),
  attune_private.note_unmirrored(uuid, text, text),
  attune_private.tg_auth_users__mirror(),
  attune.request_email_change(text, text),
  attune.confirm_email_change(text),
  attune_private.consume_own_token(text, text, uuid, timestamptz),
  attune_private.signed_in_at(uuid),
  attune_private.tell_of_taken_addresses(timestamptz),
  attune_private.request_email_change(uuid, text, text, timestamptz),
  attune_private.confirm_email_change(text, uuid, timestamptz),
  attune_private.account_hash(text),
  attune_private.known_device(uuid, text),
  attune_private.network_address(text),
  attune_private.refuse_registrations(timestamptz),
  attune_private.make_one_time_token(uuid, text, text, timestamptz, timestamptz),
  attune_private.seconds_to_midnight(timestamptz),
  attune_private.refuse_unknown_identity(),
  attune_private.link_or_register_user(text, text, text, boolean, text, text, text, boolean, numeric),
  attune_private.mail_verification(uuid, inet, timestamptz),
  attune_private.refuse_for_now(text, text, text, integer),
  attune_private.spend(text, bytea, integer, timestamptz, interval),
  attune_private.text_claim(jsonb, text[]),
  attune_private.address_hash(inet),
  attune_private.remember_device(uuid, text, timestamptz),
  attune_private.adopt_address(uuid, text),
  attune_private.may_spend(text, bytea, integer, timestamptz),
  attune_private.spend_mail(text, text, inet, timestamptz),
  attune_private.write_reset_mails(timestamptz),
  attune_private.blowfish(text, text),
  attune_private.blowfish_salt(integer),
  attune_private.random_bytes(integer),
  attune_private.hmac_sha256(bytea, bytea),
  attune_private.base64url(bytea),
  attune_private.from_base64url(text, integer),
  attune_private.request_address(),
  attune_private.log_security(attune.security_event, uuid, uuid, inet),
  attune_private.refuse(text, text, text, text, integer),
  attune_private.send_mail(uuid, attune.mail_purpose, text, jsonb, timestamptz, timestamptz),
  attune_private.refuse_one_time_token(text, text),
  attune_private.consume_one_time_token(text, text, timestamptz),
  attune_private.session_tokens(attune.sessions, bytea, timestamptz),
  attune_private.start_session(uuid, timestamptz, inet, text, text, text),
  attune_private.revoke_sessions(uuid, attune.revocation_reason, timestamptz, uuid, uuid, inet),
  attune_private.check_password(text),
  attune_private.set_password(uuid, text, timestamptz),
  attune_private.attempt_subjects(text, inet, bytea),
  attune_private.login_wait(attune_private.attempt_subject[], timestamptz),
  attune_private.count_login_failure(attune_private.attempt_subject[], timestamptz),
  attune_private.forgive_login_failures(attune_private.attempt_subject[]),
  attune_private.prove_password(uuid, text, text, timestamptz, inet, bytea),
  attune_private.prove_own_password(uuid, text, timestamptz, inet),
  attune_private.current_session_id(uuid),
  attune_private.register(text, text, text, timestamptz),
  attune_private.login(text, text, text, timestamptz),
  attune_private.refresh_session(text, timestamptz),
  attune_private.change_password(uuid, uuid, text, text, timestamptz),
  attune_private.request_password_reset(text, timestamptz),
  attune_private.reset_password(text, text, timestamptz),
  attune_private.verify_email(text, uuid, timestamptz),
  attune.register(text, text, text),
  attune.login(text, text, text),
  attune.refresh_session(text),
  attune.open_session(uuid, text, text),
  attune.logout(),
  attune.logout_everywhere(),
  attune.revoke_session(uuid),
  attune.change_password(text, text),
  attune.request_password_reset(text),
  attune.reset_password(text, text),
  attune.request_email_verification(),
  attune.verify_email(text),
  attune.delete_account(text),
  attune_hidden.spend_sign_in(text, interval),
  attune_hidden.readable_security_log(),
  attune_private.check_identity(text, text),
  attune_private.refresh_identity(text, text, text, text, text, text, numeric),
  attune.link_or_register_user(text, text, text, boolean, text, text, text),
  attune.provision_user(),
  attune.link_identity(uuid, text, text, text, text, text, text),
  attune.unlink_identity(text, text),
  attune_private.claim_mails(integer, interval, timestamptz),
  attune.claim_mails(integer, interval),
  attune_private.refuse_unknown_mail(),
  attune.complete_mail(bigint),
  attune.fail_mail(bigint, text);

drop table attune_private.mail_outbox;
drop table attune_private.spent_sign_ins;
drop table attune_private.daily_amounts;
drop table attune_private.known_devices;
drop table attune_private.login_attempts;
drop table attune_private.one_time_tokens;
drop table attune_private.refresh_tokens;
drop table attune_private.user_passwords;
drop table attune.security_log;

drop function
  attune_private.tg_users__change_email(),
  attune_private.tg_user_identities__end(),
  attune_private.tg_users__erase_traces();

drop type attune_private.attempt_subject;
drop type attune.mail;
drop type attune.mail_purpose;
drop type attune.security_event;
drop type attune.deleted_account;
drop type attune.session_tokens;
drop type attune.refusal;
drop type attune.access_token;
-- The extension goes when it came with this migration: beside the secrets.
do $$
begin
  if exists (
    select from pg_catalog.pg_extension as e
    where e.extname = 'pgcrypto'
      and e.extnamespace = 'attune_private'::regnamespace
  ) then
    drop extension pgcrypto;
  end if;
end;
$$;
