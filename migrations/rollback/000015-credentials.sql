-- The way back.
drop policy credential_providers_select_authenticated on attune.credential_providers;
drop policy credential_providers_insert_admin on attune.credential_providers;
drop policy credential_providers_update_admin on attune.credential_providers;
drop policy credential_providers_delete_admin on attune.credential_providers;
drop policy credential_providers_all_service_role on attune.credential_providers;
drop policy credentials_select_self on attune.credentials;
drop policy credentials_select_service_role on attune.credentials;
drop policy team_credentials_select_member_or_admin on attune.team_credentials;
drop policy team_credentials_select_service_role on attune.team_credentials;
drop policy shared_credentials_select_admin on attune.shared_credentials;
drop policy shared_credentials_select_service_role on attune.shared_credentials;

drop function
  attune_hidden.readable_team_credentials(),
  attune_hidden.has_secret(uuid, text, text),
  attune.adopt_legacy_credentials(regclass, jsonb, attune.legacy_encryption, name, name, name, name, name, name),
  attune_hidden.legacy_secrets(regclass, name, name, name, name, name, boolean, name),
  attune_hidden.decrypt_legacy(text, attune.legacy_encryption, text),
  attune.set_user_credential(uuid, text, text, text, timestamptz),
  attune.delete_shared_credential(text),
  attune.delete_team_credential(uuid, text),
  attune.resolve_credential(uuid, text),
  attune.set_team_credential(uuid, text, text, text, timestamptz),
  attune.delete_credential(text),
  attune.set_shared_credential(text, text, text, timestamptz),
  attune.set_credential(text, text, text, timestamptz),
  attune.usable_credentials(),
  attune.delete_user_credential(uuid, text),
  attune_hidden.prepare_for_secrets(),
  attune_private.record_use(attune.credential_source, uuid, text),
  attune_private.key_with_mark(bytea),
  attune_private.box_tag(bytea, bytea, bytea),
  attune_private.refuse_missing_credential(uuid, text),
  attune_private.refuse_missing_master_key(),
  attune_private.rewrap_data_keys(integer),
  attune_private.logging_of_parameters(),
  attune_private.check_provider(text),
  attune_private.writing_key(),
  attune_private.encrypt_aes(bytea, bytea, bytea),
  attune_private.store_shared_credential(attune_private.caller, text, text, text, timestamptz),
  attune_private.secret_of(text),
  attune_private.open_box(bytea, bytea, bytea),
  attune_private.refuse_secret_in_label(text, text),
  attune_private.readable_secret(attune.credential_source, uuid, text),
  attune_private.refuse_missing_secret(),
  attune_private.decrypt_aes(bytea, bytea, bytea),
  attune_private.offered_key(text),
  attune_private.refuse_wrong_master_key(text),
  attune_private.last_four(text),
  attune_private.seal_secret(attune.credential_source, uuid, text, text),
  attune_private.place_of(text, attune.credential_source, uuid, text),
  attune_private.unseal_secret(attune.credential_source, uuid, text, attune_private.sealed_secret),
  attune_private.refuse_logged_parameters(),
  attune_private.store_credential(uuid, text, text, text, timestamptz),
  attune_private.check_credential(text, text, text, timestamptz),
  attune_private.close_box(bytea, bytea, bytea),
  attune_private.master_key_mark(bytea),
  attune_private.usable_credentials(uuid, text),
  attune_private.derive_key(bytea, text),
  attune_private.stored_secret(attune.credential_source, uuid, text),
  attune_private.store_team_credential(attune_private.caller, uuid, text, text, text, timestamptz),
  attune_private.start_rotation();

drop type attune.adopted_credential;
drop type attune.legacy_encryption;
drop type attune_private.rewrapped_keys;
drop type attune.resolved_credential;
drop type attune.usable_credential;
drop type attune_private.usable_credential;
drop type attune_private.sealed_secret;

drop view attune_private.stored_secrets;
drop table attune_private.shared_credential_secrets;
drop table attune_private.team_credential_secrets;
drop table attune_private.credential_secrets;
drop table attune_private.master_key;
drop table attune.shared_credentials;
drop table attune.team_credentials;
drop table attune.credentials;
drop type attune.credential_source;
drop table attune.credential_providers;
