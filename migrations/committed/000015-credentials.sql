--! Previous: sha1:f561cb7c51fcc0d3252cb2c8e47c37653e7b7ee5
--! Hash: sha1:7d6ed437ef6caaceb7fd2d04c77f80de5e85337b
--! Message: credentials

-- Keys of other services that people and teams bring along, encrypted

create table attune.credential_providers (
  name text
    constraint credential_providers_pkey primary key
    constraint credential_providers_name_check check (name ~ '^[a-z][a-z0-9_]{0,62}$'),
  title text not null
    constraint credential_providers_title_check check (char_length(title) between 1 and 200),
  description text not null default ''
    constraint credential_providers_description_check check (char_length(description) <= 4000),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table attune.credential_providers is
  'The services that credentials are for. '
  'Administrators write it.';
comment on column attune.credential_providers.name is 'The provider''s stable name, in lower case: `openai`.';
comment on column attune.credential_providers.title is 'What people read, at most 200 characters.';
comment on column attune.credential_providers.description is 'What a credential of it is, and where it comes from.';
comment on column attune.credential_providers.created_at is 'When the provider was added.';
comment on column attune.credential_providers.updated_at is
  'When it last changed. '
  'In an update: the version that is changed, which was read (`changed_meanwhile`).';

alter table attune.credential_providers enable row level security;
create policy credential_providers_select_authenticated on attune.credential_providers for select to authenticated
  using ((select attune.current_user_id()) is not null);
create policy credential_providers_insert_admin on attune.credential_providers for insert to authenticated
  with check ((select attune.is_admin()));
create policy credential_providers_update_admin on attune.credential_providers for update to authenticated
  using ((select attune.is_admin()))
  with check ((select attune.is_admin()));
create policy credential_providers_delete_admin on attune.credential_providers for delete to authenticated
  using ((select attune.is_admin()));
create policy credential_providers_all_service_role on attune.credential_providers for all to service_role
  using (true) with check (true);

revoke all on attune.credential_providers from public;
grant
  select,
  insert (name, title, description),
  update (title, description, updated_at),
  delete
  on attune.credential_providers to authenticated, service_role;

create trigger _010_require_admin before insert on attune.credential_providers
  for each statement when (row_security_active('attune.credential_providers'))
  execute function attune_private.tg__require_admin();
create trigger _060_check_version before update on attune.credential_providers
  for each row when (new.updated_at is distinct from old.updated_at)
  execute function attune_private.tg__check_version();
create trigger _100_timestamps before update on attune.credential_providers
  for each row execute function attune_private.tg__timestamps();
create trigger _900_audit after insert or update on attune.credential_providers
  for each row execute function attune_private.tg__audit('credential_provider', '', 'name');
create trigger _910_audit_removed after delete on attune.credential_providers
  referencing old table as removed
  for each statement execute function attune_private.tg__audit_removed('credential_provider', '', 'name');
create trigger _100_append_only before truncate on attune.credential_providers
  for each statement execute function attune_private.tg__append_only();

insert into attune.credential_providers (name, title, description)
values
  ('anthropic', 'Anthropic', 'An API key of the Claude Console.'),
  ('openai', 'OpenAI', 'An API key of the OpenAI platform.'),
  ('google', 'Google', 'An API key, or the JSON document of a service account.'),
  ('mistral', 'Mistral', 'An API key of La Plateforme.'),
  ('openrouter', 'OpenRouter', 'An API key.'),
  ('calendly', 'Calendly', 'A personal access token.'),
  ('whatsapp', 'WhatsApp', 'An access token of the WhatsApp Business Platform.'),
  ('smtp', 'SMTP', 'The password of a mail server.'),
  ('twilio', 'Twilio', 'The secret of an API key, or an auth token.'),
  ('slack', 'Slack', 'A bot token.'),
  ('github', 'GitHub', 'A personal access token.'),
  ('hubspot', 'HubSpot', 'The access token of a private app.');

create type attune.credential_source as enum ('user', 'team', 'shared');
comment on type attune.credential_source is
  E'@value user The user''s own.\n'
  '@value team That of the user''s current team.\n'
  '@value shared That of everybody.\n'
  'Whose credential is used, the first that there is.';

-- What may be seen of them

create table attune.credentials (
  user_id uuid not null
    constraint credentials_user_id_fkey references attune.users (id) on delete cascade,
  provider text not null
    constraint credentials_provider_fkey references attune.credential_providers (name) on delete restrict,
  label text not null default ''
    constraint credentials_label_check check (char_length(label) <= 200),
  last_four text
    constraint credentials_last_four_check check (char_length(last_four) = 4),
  expires_at timestamptz,
  last_used_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint credentials_pkey primary key (user_id, provider)
);
create index credentials_provider_idx on attune.credentials (provider);
comment on table attune.credentials is
  E'@behavior -insert -update -delete\n'
  'What may be seen of the keys, tokens and passwords of other services that users brought along, one a provider; '
  '`set_credential` stores one. '
  'A user sees only their own, and administrators no other''s.';
comment on constraint credentials_provider_fkey on attune.credentials is
  E'@fieldName credentialProvider\n'
  '@foreignFieldName credentials\n'
  '@backwardBehavior -*\n'
  'Which provider it is for.';
comment on column attune.credentials.user_id is 'Whose it is.';
comment on column attune.credentials.provider is 'Which provider it is for.';
comment on column attune.credentials.label is 'What the user calls it; empty when nothing.';
comment on column attune.credentials.last_four is
  'The last four characters of the secret; null when it has fewer than 16, or is a document.';
comment on column attune.credentials.expires_at is 'From when it is used no more; null when it does not expire.';
comment on column attune.credentials.last_used_at is 'When it was last used; null when never since it was set.';
comment on column attune.credentials.created_at is 'When the secret was set.';
comment on column attune.credentials.updated_at is 'When it was last set, or its label or expiry changed.';

alter table attune.credentials enable row level security;
create policy credentials_select_self on attune.credentials for select to authenticated
  using (user_id = (select attune.current_user_id()));
create policy credentials_select_service_role on attune.credentials for select to service_role
  using (true);

revoke all on attune.credentials from public;
grant select on attune.credentials to authenticated, service_role;

create trigger _100_timestamps before update of label, last_four, expires_at on attune.credentials
  for each row execute function attune_private.tg__timestamps();
create trigger _100_append_only before truncate on attune.credentials
  for each statement execute function attune_private.tg__append_only();
create trigger _900_audit after insert or update of label, last_four, expires_at on attune.credentials
  for each row execute function attune_private.tg__audit('credential', '', 'provider');
create trigger _910_audit_removed after delete on attune.credentials
  referencing old table as removed
  for each statement execute function attune_private.tg__audit_removed('credential', '', 'provider');

create table attune.team_credentials (
  team_id uuid not null
    constraint team_credentials_team_id_fkey references attune.teams (id) on delete cascade,
  provider text not null
    constraint team_credentials_provider_fkey references attune.credential_providers (name) on delete restrict,
  label text not null default ''
    constraint team_credentials_label_check check (char_length(label) <= 200),
  last_four text
    constraint team_credentials_last_four_check check (char_length(last_four) = 4),
  expires_at timestamptz,
  last_used_at timestamptz,
  updated_by uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint team_credentials_pkey primary key (team_id, provider)
);
create index team_credentials_provider_idx on attune.team_credentials (provider);
comment on table attune.team_credentials is
  E'@readBy attune_hidden.readable_team_credentials\n'
  '@behavior -insert -update -delete\n'
  '@foreignKey (updated_by) references attune.profiles (id)|@fieldName updatedBy|@backwardBehavior -*\n'
  'What may be seen of the credentials of teams, which are used for members who have none of their own; '
  '`set_team_credential` stores one. '
  'Members see those of their teams.';
comment on constraint team_credentials_provider_fkey on attune.team_credentials is
  E'@fieldName credentialProvider\n'
  '@foreignFieldName teamCredentials\n'
  '@backwardBehavior -*\n'
  'Which provider it is for.';
comment on column attune.team_credentials.team_id is 'Which team''s it is.';
comment on column attune.team_credentials.provider is 'Which provider it is for.';
comment on column attune.team_credentials.label is 'What people call it; empty when nothing.';
comment on column attune.team_credentials.last_four is
  'The last four characters of the secret; null when it has fewer than 16, or is a document.';
comment on column attune.team_credentials.expires_at is 'From when it is used no more; null when it does not expire.';
comment on column attune.team_credentials.last_used_at is
  'When it was last used for a member; null when never since it was set.';
comment on column attune.team_credentials.updated_by is
  E'@name updated_by_id\n'
  'The user who last wrote it; null when it was a trusted server.';
comment on column attune.team_credentials.created_at is 'When the secret was set.';
comment on column attune.team_credentials.updated_at is 'When it was last set, or its label or expiry changed.';

alter table attune.team_credentials enable row level security;
create policy team_credentials_select_member_or_admin on attune.team_credentials for select to authenticated
  using (team_id = any (array(select attune_hidden.member_team_ids())) or (select attune.is_admin()));
create policy team_credentials_select_service_role on attune.team_credentials for select to service_role
  using (true);

revoke all on attune.team_credentials from public;
grant select on attune.team_credentials to authenticated, service_role;

--!include credentials/hidden/readable_team_credentials.sql

create trigger _100_timestamps before update of label, last_four, expires_at on attune.team_credentials
  for each row execute function attune_private.tg__timestamps();
create trigger _100_append_only before truncate on attune.team_credentials
  for each statement execute function attune_private.tg__append_only();
create trigger _900_audit after insert or update of label, last_four, expires_at on attune.team_credentials
  for each row execute function attune_private.tg__audit('credential', '', 'provider', '', 'team_id');
create trigger _910_audit_removed after delete on attune.team_credentials
  referencing old table as removed
  for each statement execute function attune_private.tg__audit_removed('credential', '', 'provider', '', 'team_id');

create table attune.shared_credentials (
  provider text not null
    constraint shared_credentials_pkey primary key
    constraint shared_credentials_provider_fkey references attune.credential_providers (name) on delete restrict,
  label text not null default ''
    constraint shared_credentials_label_check check (char_length(label) <= 200),
  last_four text
    constraint shared_credentials_last_four_check check (char_length(last_four) = 4),
  expires_at timestamptz,
  last_used_at timestamptz,
  updated_by uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table attune.shared_credentials is
  E'@behavior -insert -update -delete\n'
  '@foreignKey (updated_by) references attune.profiles (id)|@fieldName updatedBy|@backwardBehavior -*\n'
  'What may be seen of the credentials that are used for everybody who has none of their own or of their team; '
  '`set_shared_credential` stores one. '
  'For administrators.';
comment on constraint shared_credentials_provider_fkey on attune.shared_credentials is
  E'@fieldName credentialProvider\n'
  '@foreignFieldName sharedCredential\n'
  '@backwardBehavior -*\n'
  'Which provider it is for.';
comment on column attune.shared_credentials.provider is 'Which provider it is for.';
comment on column attune.shared_credentials.label is 'What people call it; empty when nothing.';
comment on column attune.shared_credentials.last_four is
  'The last four characters of the secret; null when it has fewer than 16, or is a document.';
comment on column attune.shared_credentials.expires_at is 'From when it is used no more; null when it does not expire.';
comment on column attune.shared_credentials.last_used_at is
  'When it was last used for somebody; null when never since it was set.';
comment on column attune.shared_credentials.updated_by is
  E'@name updated_by_id\n'
  'The user who last wrote it; null when it was a trusted server.';
comment on column attune.shared_credentials.created_at is 'When the secret was set.';
comment on column attune.shared_credentials.updated_at is 'When it was last set, or its label or expiry changed.';

alter table attune.shared_credentials enable row level security;
create policy shared_credentials_select_admin on attune.shared_credentials for select to authenticated
  using ((select attune.is_admin()));
create policy shared_credentials_select_service_role on attune.shared_credentials for select to service_role
  using (true);

revoke all on attune.shared_credentials from public;
grant select on attune.shared_credentials to authenticated, service_role;

create trigger _100_timestamps before update of label, last_four, expires_at on attune.shared_credentials
  for each row execute function attune_private.tg__timestamps();
create trigger _100_append_only before truncate on attune.shared_credentials
  for each statement execute function attune_private.tg__append_only();
create trigger _900_audit after insert or update of label, last_four, expires_at on attune.shared_credentials
  for each row execute function attune_private.tg__audit('credential', '', 'provider');
create trigger _910_audit_removed after delete on attune.shared_credentials
  referencing old table as removed
  for each statement execute function attune_private.tg__audit_removed('credential', '', 'provider');

-- The secrets themselves: nobody reads these tables but the functions below, and nothing in them is plain

create table attune_private.master_key (
  is_only boolean not null default true
    constraint master_key_pkey primary key
    constraint master_key_is_only_check check (is_only),
  mark bytea not null
    constraint master_key_mark_check check (octet_length(mark) = 32),
  previous_mark bytea
    constraint master_key_previous_mark_check check (octet_length(previous_mark) = 32)
);
comment on table attune_private.master_key is
  'Under which master key secrets are stored: one row, from the first secret or change of keys on. '
  'Who is given a key locks the table before.';
comment on column attune_private.master_key.mark is 'By what the key is recognised: see `master_key_mark`.';
comment on column attune_private.master_key.previous_mark is
  'The one that it took the place of, under which nothing is stored any more; null when it is the first.';

alter table attune_private.master_key enable row level security;

create table attune_private.credential_secrets (
  user_id uuid not null,
  provider text not null,
  master_key_mark bytea
    constraint credential_secrets_master_key_mark_check check (octet_length(master_key_mark) = 32),
  data_key bytea not null,
  ciphertext bytea not null,
  constraint credential_secrets_pkey primary key (user_id, provider),
  constraint credential_secrets_credential_fkey foreign key (user_id, provider)
    references attune.credentials (user_id, provider) on delete cascade
);
create index credential_secrets_master_key_mark_idx on attune_private.credential_secrets (master_key_mark);
comment on table attune_private.credential_secrets is 'The secrets of users'' credentials.';
comment on column attune_private.credential_secrets.master_key_mark is
  'Which master key the data key is under; null when that was found to be damaged.';
comment on column attune_private.credential_secrets.data_key is 'The data key: a box that the master key opens, in its place.';
comment on column attune_private.credential_secrets.ciphertext is 'The secret: a box that the data key opens, in its place.';

alter table attune_private.credential_secrets enable row level security;

create table attune_private.team_credential_secrets (
  team_id uuid not null,
  provider text not null,
  master_key_mark bytea
    constraint team_credential_secrets_master_key_mark_check check (octet_length(master_key_mark) = 32),
  data_key bytea not null,
  ciphertext bytea not null,
  constraint team_credential_secrets_pkey primary key (team_id, provider),
  constraint team_credential_secrets_credential_fkey foreign key (team_id, provider)
    references attune.team_credentials (team_id, provider) on delete cascade
);
create index team_credential_secrets_master_key_mark_idx on attune_private.team_credential_secrets (master_key_mark);
comment on table attune_private.team_credential_secrets is 'The secrets of teams'' credentials, as those of users.';

alter table attune_private.team_credential_secrets enable row level security;

create table attune_private.shared_credential_secrets (
  provider text not null
    constraint shared_credential_secrets_pkey primary key
    constraint shared_credential_secrets_credential_fkey
      references attune.shared_credentials (provider) on delete cascade,
  master_key_mark bytea
    constraint shared_credential_secrets_master_key_mark_check check (octet_length(master_key_mark) = 32),
  data_key bytea not null,
  ciphertext bytea not null
);
create index shared_credential_secrets_master_key_mark_idx
  on attune_private.shared_credential_secrets (master_key_mark);
comment on table attune_private.shared_credential_secrets is 'The secrets of shared credentials, as those of users.';

alter table attune_private.shared_credential_secrets enable row level security;

create view attune_private.stored_secrets as
select 'user'::attune.credential_source as source, s.user_id as owner_id, s.provider, s.master_key_mark, s.data_key
from attune_private.credential_secrets as s
union all
select 'team', s.team_id, s.provider, s.master_key_mark, s.data_key
from attune_private.team_credential_secrets as s
union all
select 'shared', null, s.provider, s.master_key_mark, s.data_key
from attune_private.shared_credential_secrets as s;
comment on view attune_private.stored_secrets is 'The data keys of all secrets, whosever they are.';

-- How they are encrypted

create type attune_private.sealed_secret as (master_key_mark bytea, data_key bytea, ciphertext bytea);
comment on type attune_private.sealed_secret is 'A secret as it is stored.';

--!include credentials/private/encrypt_aes.sql
--!include credentials/private/decrypt_aes.sql
--!include credentials/private/derive_key.sql
--!include credentials/private/box_tag.sql
--!include credentials/private/close_box.sql
--!include credentials/private/open_box.sql
--!include credentials/private/place_of.sql
--!include credentials/private/offered_key.sql
--!include credentials/private/master_key_mark.sql
--!include credentials/private/refuse_missing_master_key.sql
--!include credentials/private/refuse_wrong_master_key.sql
--!include credentials/private/key_with_mark.sql
--!include credentials/private/writing_key.sql
--!include credentials/private/seal_secret.sql
--!include credentials/private/unseal_secret.sql
--!include credentials/private/logging_of_parameters.sql
--!include credentials/private/refuse_logged_parameters.sql
--!include credentials/hidden/prepare_for_secrets.sql

-- Setting and deleting

--!include credentials/private/check_provider.sql
--!include credentials/private/secret_of.sql
--!include credentials/private/last_four.sql
--!include credentials/private/check_credential.sql
--!include credentials/private/refuse_missing_secret.sql
--!include credentials/private/refuse_secret_in_label.sql
--!include credentials/private/readable_secret.sql
--!include credentials/private/store_credential.sql
--!include credentials/private/store_team_credential.sql
--!include credentials/private/store_shared_credential.sql
--!include credentials/set_credential.sql
--!include credentials/set_user_credential.sql
--!include credentials/set_team_credential.sql
--!include credentials/set_shared_credential.sql
--!include credentials/delete_credential.sql
--!include credentials/delete_user_credential.sql
--!include credentials/delete_team_credential.sql
--!include credentials/delete_shared_credential.sql

-- Using them

create type attune_private.usable_credential as (
  provider text,
  source attune.credential_source,
  owner_id uuid,
  label text,
  expires_at timestamptz
);
comment on type attune_private.usable_credential is 'Which credential is used for somebody.';

create type attune.usable_credential as (
  provider text,
  source attune.credential_source,
  label text,
  expires_at timestamptz,
  user_id uuid
);
comment on type attune.usable_credential is
  E'@id user_id,provider\n'
  'Which credential of a provider is used for the caller.';
comment on column attune.usable_credential.provider is
  E'@notNull\n'
  'Of which provider.';
comment on column attune.usable_credential.source is
  E'@notNull\n'
  'Whose it is.';
comment on column attune.usable_credential.label is
  E'@notNull\n'
  'What people call it; empty when nothing.';
comment on column attune.usable_credential.expires_at is
  'From when it is used no more; null when it does not expire.';
comment on column attune.usable_credential.user_id is
  E'@notNull\n'
  'For whom it is used.';

create type attune.resolved_credential as (
  secret text,
  source attune.credential_source,
  label text,
  expires_at timestamptz
);
comment on type attune.resolved_credential is
  E'@payload\n'
  'A secret, for the server that uses it.';
comment on column attune.resolved_credential.secret is 'The key, token or password.';
comment on column attune.resolved_credential.source is 'Whose it is.';
comment on column attune.resolved_credential.label is 'What people call it; empty when nothing.';
comment on column attune.resolved_credential.expires_at is
  E'@nullable\n'
  'From when it is used no more; null when it does not expire.';

--!include credentials/private/usable_credentials.sql
--!include credentials/usable_credentials.sql
--!include credentials/private/stored_secret.sql
--!include credentials/private/record_use.sql
--!include credentials/private/refuse_missing_credential.sql
--!include credentials/resolve_credential.sql

-- Another master key

create type attune_private.rewrapped_keys as (rewrapped integer, damaged integer);
comment on type attune_private.rewrapped_keys is 'What became of a batch of data keys.';

--!include credentials/private/start_rotation.sql
--!include credentials/private/rewrap_data_keys.sql

-- Secrets of old tables

create type attune.legacy_encryption as enum ('pgp', 'aes');
comment on type attune.legacy_encryption is
  E'@value pgp With `pgp_sym_encrypt`, and a passphrase.\n'
  '@value aes With `encrypt(…, ''aes'')`, and a key.\n'
  'How an old table encrypted its secrets, with pgcrypto.';

create type attune.adopted_credential as (
  user_id text,
  key text,
  provider text,
  outcome attune.adoption_outcome,
  problem text,
  is_marked boolean
);
comment on type attune.adopted_credential is 'What became of one secret of a table of old settings.';
comment on column attune.adopted_credential.user_id is
  'Whose it is, as it stands in the old table; null for everybody''s.';
comment on column attune.adopted_credential.key is 'What it is called there.';
comment on column attune.adopted_credential.provider is 'Which provider it is for; null when none is named.';
comment on column attune.adopted_credential.outcome is 'What became of it.';
comment on column attune.adopted_credential.problem is 'Why it was kept aside; else null.';
comment on column attune.adopted_credential.is_marked is 'Whether its row in the old table is marked as deprecated.';

--!include credentials/hidden/decrypt_legacy.sql
--!include credentials/hidden/has_secret.sql
--!include credentials/hidden/legacy_secrets.sql
--!include credentials/adopt_legacy_credentials.sql
