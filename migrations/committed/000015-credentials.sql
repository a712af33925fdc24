--! Previous: sha1:9e1e9cc732b2830ca21356743c63eb37ece06f55
--! Hash: sha1:a015023806caa549dca8db413d9fd235ed9df072
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

--! Included credentials/hidden/readable_team_credentials.sql
create or replace function attune_hidden.readable_team_credentials()
returns setof attune.team_credentials
language sql stable security invoker
begin atomic
  select
    c.team_id, c.provider, c.label, c.last_four, c.expires_at, c.last_used_at, c.updated_by, c.created_at, c.updated_at
  from (
    select false as is_everybodys, t.* from attune.team_credentials as t
    where t.team_id = any (array(select attune_hidden.member_team_ids()))
    union all
    select true, t.* from attune.team_credentials as t
  ) as c
  where c.is_everybodys = (select current_user <> 'authenticated' or attune.is_admin());
end;
comment on function attune_hidden.readable_team_credentials() is
  'The rows of `team_credentials` that the caller may read, found by index, as `readable_configuration_audit_log` does.';
revoke all on function attune_hidden.readable_team_credentials() from public;
grant execute on function attune_hidden.readable_team_credentials() to authenticated, service_role;
--! EndIncluded credentials/hidden/readable_team_credentials.sql

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

--! Included credentials/private/encrypt_aes.sql
do $do$
begin
  -- Bound to pgcrypto where it is, so that no search_path matters.
  execute format(
    $sql$
      create or replace function attune_private.encrypt_aes(data bytea, key bytea, vector bytea)
      returns bytea
      language sql immutable parallel safe security invoker
      begin atomic
        select %1$s.encrypt_iv(data, key, vector, 'aes-cbc/pad:pkcs');
      end
    $sql$,
    (select e.extnamespace::regnamespace from pg_catalog.pg_extension as e where e.extname = 'pgcrypto')
  );
end;
$do$;
comment on function attune_private.encrypt_aes(bytea, bytea, bytea) is
  'Encrypts with AES, under a key of 32 bytes, with a random vector of 16.';
revoke all on function attune_private.encrypt_aes(bytea, bytea, bytea) from public;
--! EndIncluded credentials/private/encrypt_aes.sql
--! Included credentials/private/decrypt_aes.sql
do $do$
begin
  -- Bound to pgcrypto where it is, so that no search_path matters.
  execute format(
    $sql$
      create or replace function attune_private.decrypt_aes(data bytea, key bytea, vector bytea)
      returns bytea
      language sql immutable parallel safe security invoker
      begin atomic
        select %1$s.decrypt_iv(data, key, vector, 'aes-cbc/pad:pkcs');
      end
    $sql$,
    (select e.extnamespace::regnamespace from pg_catalog.pg_extension as e where e.extname = 'pgcrypto')
  );
end;
$do$;
comment on function attune_private.decrypt_aes(bytea, bytea, bytea) is
  'The reverse of `encrypt_aes`; it fails when the padding is wrong.';
revoke all on function attune_private.decrypt_aes(bytea, bytea, bytea) from public;
--! EndIncluded credentials/private/decrypt_aes.sql
--! Included credentials/private/derive_key.sql
create or replace function attune_private.derive_key(key bytea, purpose text)
returns bytea
language sql immutable parallel safe security invoker
begin atomic
  select attune_private.hmac_sha256(convert_to('attune ' || purpose, 'UTF8'), key);
end;
comment on function attune_private.derive_key(bytea, text) is
  'A key of 32 bytes for one purpose, made of another key, which it says nothing about.';
revoke all on function attune_private.derive_key(bytea, text) from public;
--! EndIncluded credentials/private/derive_key.sql
--! Included credentials/private/box_tag.sql
create or replace function attune_private.box_tag(key bytea, place bytea, content bytea)
returns bytea
language sql immutable parallel safe security invoker
begin atomic
  -- The length says where the place ends: no other place and content give the same bytes.
  select attune_private.hmac_sha256(
    int8send(octet_length(place)) || place || content, attune_private.derive_key(key, 'authentication')
  );
end;
comment on function attune_private.box_tag(bytea, bytea, bytea) is
  'What only who has the key can compute of a box''s content and of the place that it is in.';
revoke all on function attune_private.box_tag(bytea, bytea, bytea) from public;
--! EndIncluded credentials/private/box_tag.sql
--! Included credentials/private/close_box.sql
create or replace function attune_private.close_box(key bytea, place bytea, content bytea)
returns bytea
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  vector constant bytea := attune_private.random_bytes(16);
  closed constant bytea := '\x01' || vector
    || attune_private.encrypt_aes(content, attune_private.derive_key(key, 'encryption'), vector);
begin
  return closed || attune_private.box_tag(key, place, closed);
end;
$$;
comment on function attune_private.close_box(bytea, bytea, bytea) is
  'Encrypts a content for one place: the version 1, the vector, the ciphertext of AES-256-CBC, and a tag '
  '(HMAC-SHA-256) of all of it and of the place.';
revoke all on function attune_private.close_box(bytea, bytea, bytea) from public;
--! EndIncluded credentials/private/close_box.sql
--! Included credentials/private/open_box.sql
create or replace function attune_private.open_box(key bytea, place bytea, box bytea)
returns bytea
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  closed constant bytea := substring(box for greatest(octet_length(box) - 32, 0));
  tag constant bytea := substring(box from octet_length(closed) + 1);
  -- Compared under a key that nobody knows, the tags tell nothing by the time that it takes.
  blind constant bytea := attune_private.random_bytes(32);
begin
  if attune_private.hmac_sha256(tag, blind)
      = attune_private.hmac_sha256(attune_private.box_tag(key, place, closed), blind) is not true
    or substring(closed for 1) <> '\x01'
  then
    return null;
  end if;

  return attune_private.decrypt_aes(
    substring(closed from 18), attune_private.derive_key(key, 'encryption'), substring(closed from 2 for 16)
  );
end;
$$;
comment on function attune_private.open_box(bytea, bytea, bytea) is
  'The content of a box; NULL when it was not closed with this key, for this place, or was changed since.';
revoke all on function attune_private.open_box(bytea, bytea, bytea) from public;
--! EndIncluded credentials/private/open_box.sql
--! Included credentials/private/place_of.sql
create or replace function attune_private.place_of(
  part text,
  source attune.credential_source,
  owner_id uuid,
  provider text
)
returns bytea
language sql stable parallel safe security invoker
begin atomic
  select convert_to(jsonb_build_array('attune credential', part, source, owner_id, provider)::text, 'UTF8');
end;
comment on function attune_private.place_of(text, attune.credential_source, uuid, text) is
  'Where a box belongs: which part of whose credential for what it is. '
  'A shared one has no owner.';
revoke all on function attune_private.place_of(text, attune.credential_source, uuid, text) from public;
--! EndIncluded credentials/private/place_of.sql
--! Included credentials/private/offered_key.sql
create or replace function attune_private.offered_key(setting text)
returns bytea
language plpgsql stable parallel restricted security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  offered constant text := btrim(coalesce(current_setting(setting, true), ''));
begin
  -- Whatever is wrong with it, no error may have it in its text.
  if offered = '' then
    return null;
  elsif offered ~ '^[0-9A-Fa-f]{64}$' then
    return decode(offered, 'hex');
  elsif offered ~ '^[A-Za-z0-9+/_-]{43}=?$' then
    return decode(rpad(translate(offered, '-_', '+/'), 44, '='), 'base64');
  end if;

  raise exception using
    errcode = 'PT409',
    message = format('%s is not a key of 32 bytes', setting),
    detail = 'invalid_master_key',
    hint = 'Give 32 bytes, as 64 hexadecimal digits or in base64.';
end;
$$;
comment on function attune_private.offered_key(text) is
  'The master key that a setting of the transaction holds, in base64 or hexadecimal; NULL when there is none. '
  'Refused: `invalid_master_key`.';
revoke all on function attune_private.offered_key(text) from public;
--! EndIncluded credentials/private/offered_key.sql
--! Included credentials/private/master_key_mark.sql
create or replace function attune_private.master_key_mark(key bytea)
returns bytea
language sql immutable parallel safe security invoker
begin atomic
  select attune_private.derive_key(key, 'mark');
end;
comment on function attune_private.master_key_mark(bytea) is
  'By what a master key is recognised: only who has the key can compute it, and it tells nothing about the key.';
revoke all on function attune_private.master_key_mark(bytea) from public;
--! EndIncluded credentials/private/master_key_mark.sql
--! Included credentials/private/refuse_missing_master_key.sql
create or replace function attune_private.refuse_missing_master_key()
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = 'PT409',
    message = 'There is no master key, without which no secret is stored or read',
    detail = 'master_key_missing',
    hint = 'Set ATTUNE_MASTER_KEY for the server; in SQL, set attune.master_key for the transaction.';
end;
$$;
comment on function attune_private.refuse_missing_master_key() is 'Refuses: `master_key_missing`.';
revoke all on function attune_private.refuse_missing_master_key() from public;
--! EndIncluded credentials/private/refuse_missing_master_key.sql
--! Included credentials/private/refuse_wrong_master_key.sql
create or replace function attune_private.refuse_wrong_master_key(message text)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = 'PT409',
    message = message,
    detail = 'wrong_master_key',
    hint = 'Give the server the master key that the secrets were stored with, and while keys change both.';
end;
$$;
comment on function attune_private.refuse_wrong_master_key(text) is
  'Refuses, saying what another key would be needed for: `wrong_master_key`.';
revoke all on function attune_private.refuse_wrong_master_key(text) from public;
--! EndIncluded credentials/private/refuse_wrong_master_key.sql
--! Included credentials/private/key_with_mark.sql
create or replace function attune_private.key_with_mark(mark bytea)
returns bytea
language plpgsql stable parallel restricted security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  key constant bytea := attune_private.offered_key('attune.master_key');
  previous constant bytea := attune_private.offered_key('attune.previous_master_key');
begin
  if key is null then
    perform attune_private.refuse_missing_master_key();
  end if;

  return case mark
    when attune_private.master_key_mark(key) then key
    when attune_private.master_key_mark(previous) then previous
  end;
end;
$$;
comment on function attune_private.key_with_mark(bytea) is
  'Of the master keys that are offered the one with that mark; NULL when none has it. '
  'Refused: `master_key_missing`, `invalid_master_key`.';
revoke all on function attune_private.key_with_mark(bytea) from public;
--! EndIncluded credentials/private/key_with_mark.sql
--! Included credentials/private/writing_key.sql
create or replace function attune_private.writing_key()
returns bytea
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  offered constant bytea := attune_private.offered_key('attune.master_key');
  current_key attune_private.master_key;
  key bytea;
begin
  if offered is null then
    perform attune_private.refuse_missing_master_key();
  end if;

  -- The first secret decides which key it is.
  insert into attune_private.master_key (mark)
  values (attune_private.master_key_mark(offered))
  on conflict do nothing;

  -- It doesn't change before this transaction ends.
  select attune_private.key_with_mark(k.mark) into key
  from attune_private.master_key as k
  where attune_private.key_with_mark(k.mark) is not null
  for share;

  if found then
    return key;
  end if;

  -- Where no secret is left, the next one decides. Of two at once, the second sees what the first has decided.
  select k.* into current_key from attune_private.master_key as k for update;
  key := attune_private.key_with_mark(current_key.mark);

  if key is not null then
    return key;
  elsif attune_private.master_key_mark(offered) = current_key.previous_mark then
    perform attune_private.refuse_wrong_master_key('Another master key has taken the place of this one');
  elsif exists (select from attune_private.stored_secrets) then
    perform attune_private.refuse_wrong_master_key('The secrets that are stored are under another master key');
  end if;

  update attune_private.master_key set mark = attune_private.master_key_mark(offered);
  return offered;
end;
$$;
comment on function attune_private.writing_key() is
  'The master key under which secrets are stored now. '
  'Refused: `master_key_missing`, `invalid_master_key`, `wrong_master_key`.';
revoke all on function attune_private.writing_key() from public;
--! EndIncluded credentials/private/writing_key.sql
--! Included credentials/private/seal_secret.sql
create or replace function attune_private.seal_secret(
  source attune.credential_source,
  owner_id uuid,
  provider text,
  secret text
)
returns attune_private.sealed_secret
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  master_key constant bytea := attune_private.writing_key();
  data_key constant bytea := attune_private.random_bytes(32);
begin
  return (
    attune_private.master_key_mark(master_key),
    attune_private.close_box(master_key, attune_private.place_of('data key', source, owner_id, provider), data_key),
    attune_private.close_box(
      data_key, attune_private.place_of('secret', source, owner_id, provider), convert_to(secret, 'UTF8')
    )
  )::attune_private.sealed_secret;
end;
$$;
comment on function attune_private.seal_secret(attune.credential_source, uuid, text, text) is
  'A secret as it is stored: encrypted under a data key of its own, which is encrypted under the master key. '
  'Refused: `master_key_missing`, `invalid_master_key`, `wrong_master_key`.';
revoke all on function attune_private.seal_secret(attune.credential_source, uuid, text, text) from public;
--! EndIncluded credentials/private/seal_secret.sql
--! Included credentials/private/unseal_secret.sql
create or replace function attune_private.unseal_secret(
  source attune.credential_source,
  owner_id uuid,
  provider text,
  sealed attune_private.sealed_secret
)
returns text
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  master_key constant bytea := attune_private.key_with_mark(sealed.master_key_mark);
  data_key bytea;
  secret bytea;
begin
  -- A mark that no master key has had was changed.
  if master_key is null
    and exists (
      select from attune_private.master_key as k where sealed.master_key_mark in (k.mark, k.previous_mark)
    )
  then
    perform attune_private.refuse_wrong_master_key('The secret is under another master key');
  end if;

  data_key := attune_private.open_box(
    master_key, attune_private.place_of('data key', source, owner_id, provider), sealed.data_key
  );
  secret := attune_private.open_box(
    data_key, attune_private.place_of('secret', source, owner_id, provider), sealed.ciphertext
  );

  if secret is null then
    raise exception using
      errcode = 'PT422',
      message = 'The stored secret is not what was stored for this provider and owner',
      detail = 'secret_damaged',
      hint = 'Set it again, and find out who changed the tables: the server does not.';
  end if;

  return convert_from(secret, 'UTF8');
end;
$$;
comment on function attune_private.unseal_secret(
  attune.credential_source, uuid, text, attune_private.sealed_secret
) is
  'A secret as it was set. '
  'Refused: `secret_damaged` when a byte of it was changed, or it was moved here from elsewhere; '
  '`master_key_missing`, `invalid_master_key`, `wrong_master_key`.';
revoke all on function attune_private.unseal_secret(
  attune.credential_source, uuid, text, attune_private.sealed_secret
) from public;
--! EndIncluded credentials/private/unseal_secret.sql
--! Included credentials/private/logging_of_parameters.sql
create or replace function attune_private.logging_of_parameters()
returns text
language sql stable parallel safe security invoker
begin atomic
  -- What no module has defined comes back as '' when it was set in a transaction before.
  select string_agg(format('%s = %s', s.name, current_setting(s.name, true)), ', ' order by s.place)
  from (
    values
      (1, 'log_statement', 'none,ddl,mod', true),
      (2, 'log_min_duration_statement', '-1', true),
      (3, 'log_min_duration_sample', '-1', true),
      (4, 'log_transaction_sample_rate', '0', true),
      (5, 'log_parameter_max_length_on_error', '0', false),
      (6, 'debug_print_parse', 'off', false),
      (7, 'debug_print_rewritten', 'off', false),
      (8, 'debug_print_plan', 'off', false),
      (9, 'auto_explain.log_min_duration', '-1,', false),
      (10, 'pgaudit.log_parameter', 'off,', false)
  ) as s (place, name, harmless, is_statement)
  where current_setting(s.name, true) <> all (string_to_array(s.harmless, ','))
    and (not s.is_statement or current_setting('log_parameter_max_length') <> '0');
end;
comment on function attune_private.logging_of_parameters() is
  'The settings by which PostgreSQL would write what a statement is given into its log, with their values; NULL when '
  'none does.';
revoke all on function attune_private.logging_of_parameters() from public;
--! EndIncluded credentials/private/logging_of_parameters.sql
--! Included credentials/private/refuse_logged_parameters.sql
create or replace function attune_private.refuse_logged_parameters()
returns void
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  logging constant text := attune_private.logging_of_parameters();
begin
  if logging is not null then
    raise exception using
      errcode = 'PT409',
      message = format('PostgreSQL would write the secret into its log: %s', logging),
      detail = 'parameters_are_logged',
      hint = 'For the role that connects, set log_parameter_max_length and log_parameter_max_length_on_error to 0, '
        'auto_explain.log_min_duration to -1, and what else the message names to off.';
  end if;
end;
$$;
comment on function attune_private.refuse_logged_parameters() is
  'Refuses (`parameters_are_logged`) where PostgreSQL would write what a statement is given into its log.';
revoke all on function attune_private.refuse_logged_parameters() from public;
--! EndIncluded credentials/private/refuse_logged_parameters.sql
--! Included credentials/hidden/prepare_for_secrets.sql
create or replace function attune_hidden.prepare_for_secrets()
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform attune_private.refuse_logged_parameters();
  -- Who changes the key waits for those who may have been given only the old one. It is the table that is locked,
  -- since before the first secret there is no row.
  lock table attune_private.master_key in row share mode;
end;
$$;
comment on function attune_hidden.prepare_for_secrets() is
  'What a server calls in a transaction before it reads its master key and sends it there. '
  'Refused (`parameters_are_logged`) where it would come into PostgreSQL''s log.';
revoke all on function attune_hidden.prepare_for_secrets() from public;
grant execute on function attune_hidden.prepare_for_secrets() to anon, authenticated, service_role;
--! EndIncluded credentials/hidden/prepare_for_secrets.sql

-- Setting and deleting

--! Included credentials/private/check_provider.sql
create or replace function attune_private.check_provider(provider text)
returns void
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from attune.credential_providers as p where p.name = check_provider.provider) then
    -- It is not repeated: people paste secrets where the name belongs.
    raise exception using
      errcode = 'PT404',
      message = 'There is no provider of that name',
      detail = 'unknown_credential_provider',
      hint = 'Name one of credential_providers.';
  end if;
end;
$$;
comment on function attune_private.check_provider(text) is
  'Refuses (`unknown_credential_provider`) the name of no provider, NULL among them.';
revoke all on function attune_private.check_provider(text) from public;
--! EndIncluded credentials/private/check_provider.sql
--! Included credentials/private/secret_of.sql
create or replace function attune_private.secret_of(pasted text)
returns text
language sql immutable parallel safe security invoker
begin atomic
  select btrim(pasted, E' \t\r\n\u00a0\u200b\u2060\ufeff');
end;
comment on function attune_private.secret_of(text) is
  'A secret without what comes along when it is copied: blanks, ends of lines and invisible characters around it.';
revoke all on function attune_private.secret_of(text) from public;
--! EndIncluded credentials/private/secret_of.sql
--! Included credentials/private/last_four.sql
create or replace function attune_private.last_four(secret text)
returns text
language sql immutable parallel safe security invoker
begin atomic
  select case when char_length(secret) >= 16 then substring(secret from '[A-Za-z0-9_+/=.-]{4}$') end;
end;
comment on function attune_private.last_four(text) is
  'The last four characters of a secret of 16 or more; NULL of a shorter one, and of a document.';
revoke all on function attune_private.last_four(text) from public;
--! EndIncluded credentials/private/last_four.sql
--! Included credentials/private/check_credential.sql
create or replace function attune_private.check_credential(
  provider text,
  secret text,
  label text,
  expires_at timestamptz
)
returns text
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  kept constant text := attune_private.secret_of(secret);
begin
  perform attune_private.check_provider(provider);
  perform attune_private.check_size('The label', char_length(label), 200, 'characters');
  perform attune_private.check_size('The secret', octet_length(kept), 8192, 'bytes');

  if kept = '' or kept ~ '[\u0001-\u0008\u000b\u000c\u000e-\u001f\u007f]' then
    raise exception using
      errcode = 'PT422',
      message = 'The secret is empty, or has control characters in it',
      detail = 'invalid_secret',
      hint = 'Send the key, token or password as the provider shows it.';
  end if;

  if expires_at <= now() or not isfinite(expires_at) then
    raise exception using
      errcode = 'PT422',
      message = 'The credential would be expired already, or at no time',
      detail = 'invalid_expiry',
      hint = 'Give a time to come, or none when it does not expire.';
  end if;

  -- Here already, since what was written and refused is on the disk all the same.
  perform attune_private.refuse_secret_in_label(label, kept);
  return kept;
end;
$$;
comment on function attune_private.check_credential(text, text, text, timestamptz) is
  'The secret as it is stored; NULL when none is given. '
  'Refused: `unknown_credential_provider`, `too_large`, `invalid_secret`, `invalid_expiry`, '
  '`secret_in_label`.';
revoke all on function attune_private.check_credential(text, text, text, timestamptz) from public;
--! EndIncluded credentials/private/check_credential.sql
--! Included credentials/private/refuse_missing_secret.sql
create or replace function attune_private.refuse_missing_secret()
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = 'PT422',
    message = 'No secret was sent, and there is none to keep',
    detail = 'secret_required',
    hint = 'Send the secret.';
end;
$$;
comment on function attune_private.refuse_missing_secret() is 'Refuses: `secret_required`.';
revoke all on function attune_private.refuse_missing_secret() from public;
--! EndIncluded credentials/private/refuse_missing_secret.sql
--! Included credentials/private/refuse_secret_in_label.sql
create or replace function attune_private.refuse_secret_in_label(label text, secret text)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  if strpos(label, secret) > 0 or attune_hidden.secret_form(label) is not null then
    raise exception using
      errcode = 'PT422',
      message = 'The label has the secret in it',
      detail = 'secret_in_label',
      hint = 'Give another label: others may read it.';
  end if;
end;
$$;
comment on function attune_private.refuse_secret_in_label(text, text) is
  'Refuses (`secret_in_label`) a label that has the secret in it, or any that is one by its form. '
  'A secret that is not known, NULL, is in none.';
revoke all on function attune_private.refuse_secret_in_label(text, text) from public;
--! EndIncluded credentials/private/refuse_secret_in_label.sql
--! Included credentials/private/readable_secret.sql
create or replace function attune_private.readable_secret(
  source attune.credential_source,
  owner_id uuid,
  provider text
)
returns text
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  return case
    when attune_private.offered_key('attune.master_key') is not null then attune_private.unseal_secret(
      source, owner_id, provider, attune_private.stored_secret(source, owner_id, provider)
    )
  end;
exception
  when sqlstate 'PT409' or sqlstate 'PT422' then
    return null;
end;
$$;
comment on function attune_private.readable_secret(attune.credential_source, uuid, text) is
  'A secret that is stored; NULL where the master key is not there, or not the right one, or the secret is damaged.';
revoke all on function attune_private.readable_secret(attune.credential_source, uuid, text) from public;
--! EndIncluded credentials/private/readable_secret.sql
--! Included credentials/private/store_credential.sql
create or replace function attune_private.store_credential(
  user_id uuid,
  provider text,
  secret text,
  label text,
  expires_at timestamptz
)
returns attune.credentials
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  kept constant text := attune_private.check_credential(provider, secret, label, expires_at);
  sealed attune_private.sealed_secret;
  stored attune.credentials;
begin
  if kept is null then
    -- Locked, and looked at before any of it is written.
    perform from attune.credentials as c
    where c.user_id = store_credential.user_id and c.provider = store_credential.provider
    for no key update;

    if not found then
      perform attune_private.refuse_missing_secret();
    end if;

    perform attune_private.refuse_secret_in_label(
      store_credential.label,
      attune_private.readable_secret('user', store_credential.user_id, store_credential.provider)
    );

    update attune.credentials as c
    set
      label = coalesce(store_credential.label, c.label),
      expires_at = coalesce(store_credential.expires_at, c.expires_at)
    where c.user_id = store_credential.user_id and c.provider = store_credential.provider
    returning c.* into stored;
    return stored;
  end if;

  perform attune_private.refuse_logged_parameters();
  sealed := attune_private.seal_secret('user', store_credential.user_id, store_credential.provider, kept);

  insert into attune.credentials as c (user_id, provider, label, last_four, expires_at)
  values (
    store_credential.user_id,
    store_credential.provider,
    coalesce(store_credential.label, ''),
    attune_private.last_four(kept),
    store_credential.expires_at
  )
  on conflict on constraint credentials_pkey do update set
    label = coalesce(store_credential.label, c.label),
    last_four = excluded.last_four,
    expires_at = excluded.expires_at,
    last_used_at = null,
    created_at = clock_timestamp()
  returning c.* into stored;

  perform attune_private.refuse_secret_in_label(stored.label, kept);

  insert into attune_private.credential_secrets (user_id, provider, master_key_mark, data_key, ciphertext)
  values (
    store_credential.user_id,
    store_credential.provider,
    sealed.master_key_mark,
    sealed.data_key,
    sealed.ciphertext
  )
  on conflict on constraint credential_secrets_pkey do update set
    master_key_mark = excluded.master_key_mark,
    data_key = excluded.data_key,
    ciphertext = excluded.ciphertext;

  return stored;
end;
$$;
comment on function attune_private.store_credential(uuid, text, text, text, timestamptz) is
  'Stores a credential of a user, or changes the label and expiry of the one that is stored. '
  'Refused: `unknown_credential_provider`, `secret_required`, `invalid_secret`, `secret_in_label`, `invalid_expiry`, '
  '`too_large`, `parameters_are_logged`, `master_key_missing`, `invalid_master_key`, `wrong_master_key`.';
revoke all on function attune_private.store_credential(uuid, text, text, text, timestamptz) from public;
--! EndIncluded credentials/private/store_credential.sql
--! Included credentials/private/store_team_credential.sql
create or replace function attune_private.store_team_credential(
  caller attune_private.caller,
  team_id uuid,
  provider text,
  secret text,
  label text,
  expires_at timestamptz
)
returns attune.team_credentials
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  kept constant text := attune_private.check_credential(provider, secret, label, expires_at);
  sealed attune_private.sealed_secret;
  stored attune.team_credentials;
begin
  if kept is null then
    -- Locked, and looked at before any of it is written.
    perform from attune.team_credentials as c
    where c.team_id = store_team_credential.team_id and c.provider = store_team_credential.provider
    for no key update;

    if not found then
      perform attune_private.refuse_missing_secret();
    end if;

    perform attune_private.refuse_secret_in_label(
      store_team_credential.label,
      attune_private.readable_secret('team', store_team_credential.team_id, store_team_credential.provider)
    );

    update attune.team_credentials as c
    set
      label = coalesce(store_team_credential.label, c.label),
      expires_at = coalesce(store_team_credential.expires_at, c.expires_at),
      updated_by = caller.user_id
    where c.team_id = store_team_credential.team_id and c.provider = store_team_credential.provider
    returning c.* into stored;
    return stored;
  end if;

  perform attune_private.refuse_logged_parameters();
  sealed := attune_private.seal_secret('team', store_team_credential.team_id, store_team_credential.provider, kept);

  insert into attune.team_credentials as c (team_id, provider, label, last_four, expires_at, updated_by)
  values (
    store_team_credential.team_id,
    store_team_credential.provider,
    coalesce(store_team_credential.label, ''),
    attune_private.last_four(kept),
    store_team_credential.expires_at,
    caller.user_id
  )
  on conflict on constraint team_credentials_pkey do update set
    label = coalesce(store_team_credential.label, c.label),
    last_four = excluded.last_four,
    expires_at = excluded.expires_at,
    last_used_at = null,
    created_at = clock_timestamp(),
    updated_by = excluded.updated_by
  returning c.* into stored;

  perform attune_private.refuse_secret_in_label(stored.label, kept);

  insert into attune_private.team_credential_secrets (team_id, provider, master_key_mark, data_key, ciphertext)
  values (
    store_team_credential.team_id,
    store_team_credential.provider,
    sealed.master_key_mark,
    sealed.data_key,
    sealed.ciphertext
  )
  on conflict on constraint team_credential_secrets_pkey do update set
    master_key_mark = excluded.master_key_mark,
    data_key = excluded.data_key,
    ciphertext = excluded.ciphertext;

  return stored;
end;
$$;
comment on function attune_private.store_team_credential(attune_private.caller, uuid, text, text, text, timestamptz) is
  'Stores a credential of a team, or changes the label and expiry of the one that is stored. '
  'Refused: `unknown_credential_provider`, `secret_required`, `invalid_secret`, `secret_in_label`, `invalid_expiry`, '
  '`too_large`, `parameters_are_logged`, `master_key_missing`, `invalid_master_key`, `wrong_master_key`.';
revoke all on function attune_private.store_team_credential(attune_private.caller, uuid, text, text, text, timestamptz)
  from public;
--! EndIncluded credentials/private/store_team_credential.sql
--! Included credentials/private/store_shared_credential.sql
create or replace function attune_private.store_shared_credential(
  caller attune_private.caller,
  provider text,
  secret text,
  label text,
  expires_at timestamptz
)
returns attune.shared_credentials
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  kept constant text := attune_private.check_credential(provider, secret, label, expires_at);
  sealed attune_private.sealed_secret;
  stored attune.shared_credentials;
begin
  if kept is null then
    -- Locked, and looked at before any of it is written.
    perform from attune.shared_credentials as c
    where c.provider = store_shared_credential.provider
    for no key update;

    if not found then
      perform attune_private.refuse_missing_secret();
    end if;

    perform attune_private.refuse_secret_in_label(
      store_shared_credential.label,
      attune_private.readable_secret('shared', null, store_shared_credential.provider)
    );

    update attune.shared_credentials as c
    set
      label = coalesce(store_shared_credential.label, c.label),
      expires_at = coalesce(store_shared_credential.expires_at, c.expires_at),
      updated_by = caller.user_id
    where c.provider = store_shared_credential.provider
    returning c.* into stored;
    return stored;
  end if;

  perform attune_private.refuse_logged_parameters();
  sealed := attune_private.seal_secret('shared', null, store_shared_credential.provider, kept);

  insert into attune.shared_credentials as c (provider, label, last_four, expires_at, updated_by)
  values (
    store_shared_credential.provider,
    coalesce(store_shared_credential.label, ''),
    attune_private.last_four(kept),
    store_shared_credential.expires_at,
    caller.user_id
  )
  on conflict on constraint shared_credentials_pkey do update set
    label = coalesce(store_shared_credential.label, c.label),
    last_four = excluded.last_four,
    expires_at = excluded.expires_at,
    last_used_at = null,
    created_at = clock_timestamp(),
    updated_by = excluded.updated_by
  returning c.* into stored;

  perform attune_private.refuse_secret_in_label(stored.label, kept);

  insert into attune_private.shared_credential_secrets (provider, master_key_mark, data_key, ciphertext)
  values (
    store_shared_credential.provider,
    sealed.master_key_mark,
    sealed.data_key,
    sealed.ciphertext
  )
  on conflict on constraint shared_credential_secrets_pkey do update set
    master_key_mark = excluded.master_key_mark,
    data_key = excluded.data_key,
    ciphertext = excluded.ciphertext;

  return stored;
end;
$$;
comment on function attune_private.store_shared_credential(attune_private.caller, text, text, text, timestamptz) is
  'Stores a credential of everybody, or changes the label and expiry of the one that is stored. '
  'Refused: `unknown_credential_provider`, `secret_required`, `invalid_secret`, `secret_in_label`, `invalid_expiry`, '
  '`too_large`, `parameters_are_logged`, `master_key_missing`, `invalid_master_key`, `wrong_master_key`.';
revoke all on function attune_private.store_shared_credential(attune_private.caller, text, text, text, timestamptz)
  from public;
--! EndIncluded credentials/private/store_shared_credential.sql
--! Included credentials/set_credential.sql
create or replace function attune.set_credential(
  provider text,
  secret text default null,
  label text default null,
  expires_at timestamptz default null
)
returns attune.credentials
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
begin
  perform attune_private.require_user(caller);
  return attune_private.store_credential(caller.user_id, provider, secret, label, expires_at);
end;
$$;
comment on function attune.set_credential(text, text, text, timestamptz) is
  E'@work secret\n'
  '@param provider Of which provider, a name of `credential_providers`.\n'
  '@param secret The key, token or password; null keeps the one that is stored.\n'
  '@param label What people call it; null keeps that of before.\n'
  '@param expires_at When it expires; null: a new secret never does, and a stored one when it did before.\n'
  'Stores a credential of the caller, in place of the one that was there for the provider, and returns '
  'what may be seen of it. '
  'Blanks and ends of lines around the secret are dropped. '
  'It is stored encrypted, and no client ever sees more than its last four characters. '
  'Refused: `unknown_credential_provider`, `secret_required`, `invalid_secret`, '
  '`secret_in_label`, `invalid_expiry`, `too_large` (more than 8 KiB); and where the server has not what it takes, '
  '`master_key_missing`, `invalid_master_key`, `wrong_master_key`, `parameters_are_logged`.';
revoke all on function attune.set_credential(text, text, text, timestamptz) from public;
grant execute on function attune.set_credential(text, text, text, timestamptz) to anon, authenticated, service_role;
--! EndIncluded credentials/set_credential.sql
--! Included credentials/set_user_credential.sql
create or replace function attune.set_user_credential(
  user_id uuid,
  provider text,
  secret text default null,
  label text default null,
  expires_at timestamptz default null
)
returns attune.credentials
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform attune_private.check_user(user_id);
  return attune_private.store_credential(user_id, provider, secret, label, expires_at);
end;
$$;
comment on function attune.set_user_credential(uuid, text, text, text, timestamptz) is
  E'@work secret\n'
  '@param user_id Whose it is.\n'
  '@param provider Of which provider, a name of `credential_providers`.\n'
  '@param secret The key, token or password; null keeps the one that is stored.\n'
  '@param label What people call it; null keeps that of before.\n'
  '@param expires_at When it expires; null: a new secret never does, and a stored one when it did before.\n'
  'Stores a credential of a user, as one that a trusted server was given for them, and returns '
  'what may be seen of it. '
  'Blanks and ends of lines around the secret are dropped. '
  'It is stored encrypted, and no client ever sees more than its last four characters. '
  'Refused: `unknown_user`, `unknown_credential_provider`, `secret_required`, `invalid_secret`, '
  '`secret_in_label`, `invalid_expiry`, `too_large` (more than 8 KiB); and where the server has not what it takes, '
  '`master_key_missing`, `invalid_master_key`, `wrong_master_key`, `parameters_are_logged`.';
revoke all on function attune.set_user_credential(uuid, text, text, text, timestamptz) from public;
grant execute on function attune.set_user_credential(uuid, text, text, text, timestamptz) to service_role;
--! EndIncluded credentials/set_user_credential.sql
--! Included credentials/set_team_credential.sql
create or replace function attune.set_team_credential(
  team_id uuid,
  provider text,
  secret text default null,
  label text default null,
  expires_at timestamptz default null
)
returns attune.team_credentials
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
begin
  perform attune_private.require_team_administrator(caller, team_id);
  return attune_private.store_team_credential(caller, team_id, provider, secret, label, expires_at);
end;
$$;
comment on function attune.set_team_credential(uuid, text, text, text, timestamptz) is
  E'@work secret\n'
  '@param team_id Which team.\n'
  '@param provider Of which provider, a name of `credential_providers`.\n'
  '@param secret The key, token or password; null keeps the one that is stored.\n'
  '@param label What people call it; null keeps that of before.\n'
  '@param expires_at When it expires; null: a new secret never does, and a stored one when it did before.\n'
  'Stores a credential for the members of a team who have none of their own, and returns what '
  'may be seen of it; for the team''s owners and administrators. '
  'Blanks and ends of lines around the secret are dropped. '
  'It is stored encrypted, and no client ever sees more than its last four characters. '
  'Refused: `team_admin_required`, `unknown_credential_provider`, `secret_required`, `invalid_secret`, '
  '`secret_in_label`, `invalid_expiry`, `too_large` (more than 8 KiB); and where the server has not what it takes, '
  '`master_key_missing`, `invalid_master_key`, `wrong_master_key`, `parameters_are_logged`.';
revoke all on function attune.set_team_credential(uuid, text, text, text, timestamptz) from public;
grant execute on function attune.set_team_credential(uuid, text, text, text, timestamptz)
  to anon, authenticated, service_role;
--! EndIncluded credentials/set_team_credential.sql
--! Included credentials/set_shared_credential.sql
create or replace function attune.set_shared_credential(
  provider text,
  secret text default null,
  label text default null,
  expires_at timestamptz default null
)
returns attune.shared_credentials
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
begin
  perform attune_private.require_administrator(caller);
  return attune_private.store_shared_credential(caller, provider, secret, label, expires_at);
end;
$$;
comment on function attune.set_shared_credential(text, text, text, timestamptz) is
  E'@work secret\n'
  '@param provider Of which provider, a name of `credential_providers`.\n'
  '@param secret The key, token or password; null keeps the one that is stored.\n'
  '@param label What people call it; null keeps that of before.\n'
  '@param expires_at When it expires; null: a new secret never does, and a stored one when it did before.\n'
  'Stores a credential for everybody who has none of their own or of their team, and returns what '
  'may be seen of it; for administrators. '
  'Blanks and ends of lines around the secret are dropped. '
  'It is stored encrypted, and no client ever sees more than its last four characters. '
  'Refused: `admin_required`, `unknown_credential_provider`, `secret_required`, `invalid_secret`, '
  '`secret_in_label`, `invalid_expiry`, `too_large` (more than 8 KiB); and where the server has not what it takes, '
  '`master_key_missing`, `invalid_master_key`, `wrong_master_key`, `parameters_are_logged`.';
revoke all on function attune.set_shared_credential(text, text, text, timestamptz) from public;
grant execute on function attune.set_shared_credential(text, text, text, timestamptz)
  to anon, authenticated, service_role;
--! EndIncluded credentials/set_shared_credential.sql
--! Included credentials/delete_credential.sql
create or replace function attune.delete_credential(provider text)
returns attune.credentials
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  dropped attune.credentials;
begin
  perform attune_private.require_user(caller);
  perform attune_private.check_provider(provider);

  delete from attune.credentials as c
  where c.user_id = caller.user_id
    and c.provider = delete_credential.provider
  returning c.* into dropped;

  return dropped;
end;
$$;
comment on function attune.delete_credential(text) is
  E'@nullable\n'
  '@param provider Of which provider.\n'
  'Deletes a credential of the caller, and returns what was to be '
  'seen of it, null when there was none. '
  'Refused: `not_signed_in`, `unknown_credential_provider`.';
revoke all on function attune.delete_credential(text) from public;
grant execute on function attune.delete_credential(text) to anon, authenticated, service_role;
--! EndIncluded credentials/delete_credential.sql
--! Included credentials/delete_user_credential.sql
create or replace function attune.delete_user_credential(user_id uuid, provider text)
returns attune.credentials
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  dropped attune.credentials;
begin
  perform attune_private.check_user(user_id);
  perform attune_private.check_provider(provider);

  delete from attune.credentials as c
  where c.user_id = delete_user_credential.user_id
    and c.provider = delete_user_credential.provider
  returning c.* into dropped;

  return dropped;
end;
$$;
comment on function attune.delete_user_credential(uuid, text) is
  E'@nullable\n'
  '@param user_id Whose it is.\n'
  '@param provider Of which provider.\n'
  'Deletes a credential of a user, and returns what was to be '
  'seen of it, null when there was none. '
  'Refused: `unknown_user`, `unknown_credential_provider`.';
revoke all on function attune.delete_user_credential(uuid, text) from public;
grant execute on function attune.delete_user_credential(uuid, text) to service_role;
--! EndIncluded credentials/delete_user_credential.sql
--! Included credentials/delete_team_credential.sql
create or replace function attune.delete_team_credential(team_id uuid, provider text)
returns attune.team_credentials
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  dropped attune.team_credentials;
begin
  perform attune_private.require_team_administrator(caller, team_id);
  perform attune_private.check_provider(provider);

  delete from attune.team_credentials as c
  where c.team_id = delete_team_credential.team_id
    and c.provider = delete_team_credential.provider
  returning c.* into dropped;

  return dropped;
end;
$$;
comment on function attune.delete_team_credential(uuid, text) is
  E'@nullable\n'
  '@param team_id Which team.\n'
  '@param provider Of which provider.\n'
  'Deletes a credential of a team, for its owners and administrators, and returns what was to be '
  'seen of it, null when there was none. '
  'Refused: `team_admin_required`, `unknown_credential_provider`.';
revoke all on function attune.delete_team_credential(uuid, text) from public;
grant execute on function attune.delete_team_credential(uuid, text) to anon, authenticated, service_role;
--! EndIncluded credentials/delete_team_credential.sql
--! Included credentials/delete_shared_credential.sql
create or replace function attune.delete_shared_credential(provider text)
returns attune.shared_credentials
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  dropped attune.shared_credentials;
begin
  perform attune_private.require_administrator(caller);
  perform attune_private.check_provider(provider);

  delete from attune.shared_credentials as c
  where c.provider = delete_shared_credential.provider
  returning c.* into dropped;

  return dropped;
end;
$$;
comment on function attune.delete_shared_credential(text) is
  E'@nullable\n'
  '@param provider Of which provider.\n'
  'Deletes a shared credential, for administrators, and returns what was to be '
  'seen of it, null when there was none. '
  'Refused: `admin_required`, `unknown_credential_provider`.';
revoke all on function attune.delete_shared_credential(text) from public;
grant execute on function attune.delete_shared_credential(text) to anon, authenticated, service_role;
--! EndIncluded credentials/delete_shared_credential.sql

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

--! Included credentials/private/usable_credentials.sql
create or replace function attune_private.usable_credentials(user_id uuid, provider text default null)
returns setof attune_private.usable_credential
language sql stable parallel safe security invoker
begin atomic
  select distinct on (c.provider) c.provider, c.source, c.owner_id, c.label, c.expires_at
  from (
    select o.provider, 'user'::attune.credential_source, o.user_id, o.label, o.expires_at
    from attune.credentials as o
    where o.user_id = usable_credentials.user_id
    union all
    select t.provider, 'team', t.team_id, t.label, t.expires_at
    from attune.users as u
    join attune.team_members as m on m.user_id = u.id and m.team_id = u.current_team_id
    join attune.team_credentials as t on t.team_id = m.team_id
    where u.id = usable_credentials.user_id
    union all
    select s.provider, 'shared', null, s.label, s.expires_at
    from attune.shared_credentials as s
  ) as c (provider, source, owner_id, label, expires_at)
  where (c.expires_at > now()) is not false
    and (usable_credentials.provider is null or c.provider = usable_credentials.provider)
  order by c.provider, c.source;
end;
comment on function attune_private.usable_credentials(uuid, text) is
  'What is used for a user, of one provider or of each: their own, else their current team''s, else the shared one. '
  'Expired ones are skipped.';
revoke all on function attune_private.usable_credentials(uuid, text) from public;
--! EndIncluded credentials/private/usable_credentials.sql
--! Included credentials/usable_credentials.sql
create or replace function attune.usable_credentials()
returns setof attune.usable_credential
language plpgsql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant uuid := attune_hidden.require_user_id();
begin
  return query
  select u.provider, u.source, u.label, u.expires_at, caller
  from attune_private.usable_credentials(caller) as u
  order by u.provider;
end;
$$;
comment on function attune.usable_credentials() is
  'What is used for the caller, of each provider: their own, else their current team''s, else the shared one. '
  'Expired ones are skipped. '
  'Refused: `not_signed_in`.';
revoke all on function attune.usable_credentials() from public;
grant execute on function attune.usable_credentials() to anon, authenticated, service_role;
--! EndIncluded credentials/usable_credentials.sql
--! Included credentials/private/stored_secret.sql
create or replace function attune_private.stored_secret(
  source attune.credential_source,
  owner_id uuid,
  provider text
)
returns attune_private.sealed_secret
language sql stable parallel safe security invoker
begin atomic
  select case stored_secret.source
    when 'user' then (
      select row(s.master_key_mark, s.data_key, s.ciphertext)::attune_private.sealed_secret
      from attune_private.credential_secrets as s
      where s.user_id = stored_secret.owner_id and s.provider = stored_secret.provider
    )
    when 'team' then (
      select row(s.master_key_mark, s.data_key, s.ciphertext)::attune_private.sealed_secret
      from attune_private.team_credential_secrets as s
      where s.team_id = stored_secret.owner_id and s.provider = stored_secret.provider
    )
    else (
      select row(s.master_key_mark, s.data_key, s.ciphertext)::attune_private.sealed_secret
      from attune_private.shared_credential_secrets as s
      where s.provider = stored_secret.provider
    )
  end;
end;
comment on function attune_private.stored_secret(attune.credential_source, uuid, text) is
  'The secret of a credential as it is stored.';
revoke all on function attune_private.stored_secret(attune.credential_source, uuid, text) from public;
--! EndIncluded credentials/private/stored_secret.sql
--! Included credentials/private/record_use.sql
create or replace function attune_private.record_use(
  source attune.credential_source,
  owner_id uuid,
  provider text
)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Who holds the row records a use at this moment, or stores another secret: nobody waits for that.
  if source = 'user' then
    update attune.credentials as c
    set last_used_at = now()
    from (
      select k.user_id, k.provider
      from attune.credentials as k
      where k.user_id = owner_id and k.provider = record_use.provider
      for no key update skip locked
    ) as free
    where c.user_id = free.user_id and c.provider = free.provider;
  elsif source = 'team' then
    update attune.team_credentials as c
    set last_used_at = now()
    from (
      select k.team_id, k.provider
      from attune.team_credentials as k
      where k.team_id = owner_id and k.provider = record_use.provider
      for no key update skip locked
    ) as free
    where c.team_id = free.team_id and c.provider = free.provider;
  else
    update attune.shared_credentials as c
    set last_used_at = now()
    from (
      select k.provider
      from attune.shared_credentials as k
      where k.provider = record_use.provider
      for no key update skip locked
    ) as free
    where c.provider = free.provider;
  end if;
end;
$$;
comment on function attune_private.record_use(attune.credential_source, uuid, text) is
  'Writes down that a credential was used, unless somebody else does so at the same moment.';
revoke all on function attune_private.record_use(attune.credential_source, uuid, text) from public;
--! EndIncluded credentials/private/record_use.sql
--! Included credentials/private/refuse_missing_credential.sql
create or replace function attune_private.refuse_missing_credential(user_id uuid, provider text)
returns void
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = 'PT404',
    message = format(
      case
        when exists (
          select from attune.credentials as c
          where c.user_id = refuse_missing_credential.user_id
            and c.provider = refuse_missing_credential.provider
        ) then 'The user''s credential for %s has expired, and there is none of a team or for everybody'
        else 'There is no credential for %s that the user may use'
      end,
      provider
    ),
    detail = 'no_credential',
    hint = 'Let the user set one (set_credential), or their team (set_team_credential), or an administrator for '
      'everybody (set_shared_credential).';
end;
$$;
comment on function attune_private.refuse_missing_credential(uuid, text) is 'Refuses: `no_credential`.';
revoke all on function attune_private.refuse_missing_credential(uuid, text) from public;
--! EndIncluded credentials/private/refuse_missing_credential.sql
--! Included credentials/resolve_credential.sql
create or replace function attune.resolve_credential(user_id uuid, provider text)
returns attune.resolved_credential
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  usable record;
  resolved attune.resolved_credential;
begin
  perform attune_private.check_user(user_id);
  perform attune_private.check_provider(provider);
  -- In one look, since a user may delete it meanwhile.
  select u.*, attune_private.stored_secret(u.source, u.owner_id, u.provider) as sealed
  into usable
  from attune_private.usable_credentials(user_id, provider) as u;

  if usable.source is null then
    perform attune_private.refuse_missing_credential(user_id, provider);
  end if;

  resolved.secret := attune_private.unseal_secret(usable.source, usable.owner_id, provider, usable.sealed);
  resolved.source := usable.source;
  resolved.label := usable.label;
  resolved.expires_at := usable.expires_at;

  perform attune_private.record_use(usable.source, usable.owner_id, provider);
  return resolved;
end;
$$;
comment on function attune.resolve_credential(uuid, text) is
  E'@work secret\n'
  '@param user_id For whom the provider is used.\n'
  '@param provider Which one, a name of `credential_providers`.\n'
  'The secret with which a provider is used for a user: their own, else their current team''s, else the shared one; '
  'expired ones are skipped. '
  'Records the use. '
  'For trusted servers, who keep it in no log and no cache. '
  'Refused: `unknown_user`, `unknown_credential_provider`, `no_credential`, `secret_damaged`, `master_key_missing`, '
  '`invalid_master_key`, `wrong_master_key`.';
revoke all on function attune.resolve_credential(uuid, text) from public;
grant execute on function attune.resolve_credential(uuid, text) to service_role;
--! EndIncluded credentials/resolve_credential.sql

-- Another master key

create type attune_private.rewrapped_keys as (rewrapped integer, damaged integer);
comment on type attune_private.rewrapped_keys is 'What became of a batch of data keys.';

--! Included credentials/private/start_rotation.sql
create or replace function attune_private.start_rotation()
returns bigint
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  key constant bytea := attune_private.offered_key('attune.master_key');
  previous constant bytea := attune_private.offered_key('attune.previous_master_key');
  new_mark constant bytea := attune_private.master_key_mark(key);
  old_mark constant bytea := attune_private.master_key_mark(previous);
begin
  if key is null or previous is null then
    perform attune_private.refuse_missing_master_key();
  elsif key = previous then
    perform attune_private.refuse_wrong_master_key('The new master key is the old one');
  end if;

  -- Waits for everybody who was given the old one alone.
  lock table attune_private.master_key in exclusive mode;

  if exists (select from attune_private.master_key as k where k.mark not in (new_mark, old_mark)) then
    perform attune_private.refuse_wrong_master_key('The secrets are under a third master key');
  elsif exists (
    select
    from attune_private.master_key as k
    join attune_private.stored_secrets as s on s.master_key_mark = k.previous_mark
    where k.previous_mark not in (new_mark, old_mark)
  ) then
    perform attune_private.refuse_wrong_master_key(
      'There are secrets under a third master key, since an earlier change of keys has not ended: '
      'end it first, with its two keys'
    );
  end if;

  -- Also where nothing is stored yet, so that nothing will be under the old one.
  insert into attune_private.master_key as k (mark, previous_mark)
  values (new_mark, old_mark)
  on conflict on constraint master_key_pkey do update set
    mark = new_mark,
    previous_mark = case when k.mark = new_mark then coalesce(k.previous_mark, old_mark) else old_mark end;

  -- Any other mark was changed in the table: which key it is, if any, is found out with all that are to be wrapped.
  update attune_private.credential_secrets as s
  set master_key_mark = old_mark
  where s.master_key_mark not in (new_mark, old_mark);
  update attune_private.team_credential_secrets as s
  set master_key_mark = old_mark
  where s.master_key_mark not in (new_mark, old_mark);
  update attune_private.shared_credential_secrets as s
  set master_key_mark = old_mark
  where s.master_key_mark not in (new_mark, old_mark);

  return (select count(*) from attune_private.stored_secrets as s where s.master_key_mark = old_mark);
end;
$$;
comment on function attune_private.start_rotation() is
  'Makes `attune.master_key` the one under which secrets are stored, in place of `attune.previous_master_key`, and '
  'returns how many are still under that. A mark that was changed in the table keeps nothing up. '
  'It can be called again. '
  'Refused, and nothing changed: `master_key_missing`, `invalid_master_key`, `wrong_master_key`.';
revoke all on function attune_private.start_rotation() from public;
--! EndIncluded credentials/private/start_rotation.sql
--! Included credentials/private/rewrap_data_keys.sql
create or replace function attune_private.rewrap_data_keys(batch_size integer)
returns attune_private.rewrapped_keys
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  key constant bytea := attune_private.offered_key('attune.master_key');
  previous constant bytea := attune_private.offered_key('attune.previous_master_key');
  stored attune_private.stored_secrets;
  place bytea;
  data_key bytea;
  mark bytea;
  wrapped bytea;
  result attune_private.rewrapped_keys := (0, 0);
begin
  perform attune_private.check_batch_size(batch_size, 10000, 'data keys');

  if key is null or previous is null then
    perform attune_private.refuse_missing_master_key();
  end if;

  for stored in
    select s.*
    from attune_private.stored_secrets as s
    where s.master_key_mark = attune_private.master_key_mark(previous)
    limit batch_size
  loop
    place := attune_private.place_of('data key', stored.source, stored.owner_id, stored.provider);
    data_key := coalesce(
      attune_private.open_box(previous, place, stored.data_key),
      attune_private.open_box(key, place, stored.data_key)
    );

    if data_key is null then
      -- Nobody can read it any more, under whichever key: without a mark it is no longer looked for.
      mark := null;
      wrapped := stored.data_key;
      result.damaged := result.damaged + 1;
    else
      mark := attune_private.master_key_mark(key);
      wrapped := attune_private.close_box(key, place, data_key);
      result.rewrapped := result.rewrapped + 1;
    end if;

    -- Unless somebody else has wrapped it meanwhile, or another secret was set.
    if stored.source = 'user' then
      update attune_private.credential_secrets as s
      set master_key_mark = mark, data_key = wrapped
      where s.user_id = stored.owner_id and s.provider = stored.provider and s.data_key = stored.data_key;
    elsif stored.source = 'team' then
      update attune_private.team_credential_secrets as s
      set master_key_mark = mark, data_key = wrapped
      where s.team_id = stored.owner_id and s.provider = stored.provider and s.data_key = stored.data_key;
    else
      update attune_private.shared_credential_secrets as s
      set master_key_mark = mark, data_key = wrapped
      where s.provider = stored.provider and s.data_key = stored.data_key;
    end if;
  end loop;

  return result;
end;
$$;
comment on function attune_private.rewrap_data_keys(integer) is
  'Wraps so many data keys, which are under `attune.previous_master_key`, under `attune.master_key`, and returns how '
  'many there were, and how many more are damaged: those are read no more, under no key. '
  'Each secret can be read before, meanwhile and after. '
  'Refused: `invalid_batch_size`, `master_key_missing`, `invalid_master_key`.';
revoke all on function attune_private.rewrap_data_keys(integer) from public;
--! EndIncluded credentials/private/rewrap_data_keys.sql

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

--! Included credentials/hidden/decrypt_legacy.sql
do $do$
begin
  -- Bound to pgcrypto where it is, so that no search_path matters; definer, because no caller may enter its schema.
  execute replace(
    $sql$
      create or replace function attune_hidden.decrypt_legacy(
        ciphertext text,
        encryption attune.legacy_encryption,
        passphrase text
      )
      returns text
      language plpgsql immutable parallel safe security definer
      set search_path = pg_catalog, pg_temp
      as $function$
      declare
        written constant text := btrim(ciphertext, E' \t\r\n');
        data bytea;
        plain text;
      begin
        data := case
          when written like '-----BEGIN PGP MESSAGE-----%' then pgcrypto.dearmor(written || E'\n')
          when written ~* '^(\\x)?([0-9a-f]{2})+$' then decode(regexp_replace(written, '^\\x', ''), 'hex')
          else decode(written, 'base64')
        end;
        plain := case encryption
          when 'pgp' then convert_from(pgcrypto.pgp_sym_decrypt_bytea(data, passphrase), 'UTF8')
          when 'aes' then convert_from(pgcrypto.decrypt(data, convert_to(passphrase, 'UTF8'), 'aes'), 'UTF8')
        end;
        -- What AES makes of a wrong passphrase is a text only by chance, and then not one like this.
        return case when plain !~ '[\u0001-\u0008\u000b\u000c\u000e-\u001f\u007f]' then plain end;
      exception
        when data_exception or external_routine_invocation_exception then
          return null;
      end;
      $function$
    $sql$,
    'pgcrypto.',
    (
      select e.extnamespace::regnamespace || '.' from pg_catalog.pg_extension as e where e.extname = 'pgcrypto'
    )
  );
end;
$do$;
comment on function attune_hidden.decrypt_legacy(text, attune.legacy_encryption, text) is
  'What an old table has encrypted with pgcrypto, as bytes, hexadecimal, base64 or an armored message; NULL when it does '
  'not decrypt.';
revoke all on function attune_hidden.decrypt_legacy(text, attune.legacy_encryption, text) from public;
grant execute on function attune_hidden.decrypt_legacy(text, attune.legacy_encryption, text) to service_role;
--! EndIncluded credentials/hidden/decrypt_legacy.sql
--! Included credentials/hidden/has_secret.sql
create or replace function attune_hidden.has_secret(user_id uuid, provider text, secret text)
returns boolean
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  select attune_private.readable_secret(
    case when user_id is null then 'shared' else 'user' end::attune.credential_source, user_id, provider
  ) = attune_private.secret_of(secret);
$$;
comment on function attune_hidden.has_secret(uuid, text, text) is
  'Whether a user''s own credential, or without a user that of everybody, is this secret; NULL when it can''t be read.';
revoke all on function attune_hidden.has_secret(uuid, text, text) from public;
grant execute on function attune_hidden.has_secret(uuid, text, text) to service_role;
--! EndIncluded credentials/hidden/has_secret.sql
--! Included credentials/hidden/legacy_secrets.sql
create or replace function attune_hidden.legacy_secrets(
  source regclass,
  user_column name,
  key_column name,
  value_column name,
  encrypted_column name,
  encrypted_value_column name,
  is_marked boolean,
  deprecated_column name
)
returns table (user_id text, key text, value text, ciphertext text, was_marked boolean, part oid, place tid)
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
set bytea_output = 'hex'
as $$
declare
  flag constant text := attune_hidden.legacy_column(source, encrypted_column, 'is_encrypted') || '::text';
  encrypted constant text := attune_hidden.legacy_column(source, encrypted_value_column, 'encrypted_value') || '::text';
begin
  return query execute format(
    $query$
      select
        %1$s::text,
        l.%2$I::text,
        case when not e.is_encrypted then to_jsonb(l.%3$I) #>> '{}' end,
        case when e.is_encrypted then coalesce(nullif(%4$s, ''), l.%3$I::text) end,
        %10$s,
        %5$s,
        %6$s
      from %7$s as l
      cross join lateral (
        select coalesce(lower(btrim(%8$s)) not in ('false', 'f', 'no', 'n', 'off', '0', ''), false)
          or (nullif(%4$s, '') is not null and (coalesce(l.%3$I::text, '') = '' or %8$s is null))
      ) as e (is_encrypted)
      order by 2, 1, 6, 7
      %9$s
    $query$,
    attune_hidden.legacy_column(source, user_column, null),
    key_column,
    value_column,
    encrypted,
    case when is_marked then 'l.tableoid' else 'null::oid' end,
    case when is_marked then 'l.ctid' else 'null::tid' end,
    source,
    flag,
    case when is_marked then 'for update of l' end,
    case when is_marked then format('l.%I is not null', deprecated_column) else 'false' end
  );
end;
$$;
comment on function attune_hidden.legacy_secrets(regclass, name, name, name, name, name, boolean, name) is
  'The rows of an old table of settings, each with its value as text or with what is encrypted; which it is, '
  '`attune_hidden.legacy_rows` says alike. '
  '`is_marked` locks the rows and says where they are, and which are marked already.';
revoke all on function attune_hidden.legacy_secrets(regclass, name, name, name, name, name, boolean, name) from public;
grant execute on function attune_hidden.legacy_secrets(regclass, name, name, name, name, name, boolean, name) to service_role;
--! EndIncluded credentials/hidden/legacy_secrets.sql
--! Included credentials/adopt_legacy_credentials.sql
create or replace function attune.adopt_legacy_credentials(
  source regclass,
  providers jsonb,
  encryption attune.legacy_encryption default 'pgp',
  user_column name default null,
  key_column name default 'key',
  value_column name default 'value',
  deprecated_column name default 'deprecated_at',
  encrypted_column name default 'is_encrypted',
  encrypted_value_column name default 'encrypted_value'
)
returns setof attune.adopted_credential
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  passphrase constant text := nullif(current_setting('attune.legacy_passphrase', true), '');
  is_marked boolean;
  legacy record;
  owner uuid;
  secret text;
  reason text;
  is_there boolean;
  result attune.adopted_credential;
  parts oid[];
  places tid[];
begin
  perform attune_hidden.require_admin();
  perform attune_hidden.check_legacy_source(
    source, user_column, key_column, value_column, null, null, encrypted_column, encrypted_value_column, deprecated_column
  );
  perform attune_hidden.prepare_for_secrets();
  is_marked := attune_hidden.can_mark_legacy_rows(source, deprecated_column);

  for legacy in
    select s.*
    from attune_hidden.legacy_secrets(
      source, user_column, key_column, value_column, encrypted_column, encrypted_value_column, is_marked, deprecated_column
    ) as s
    where providers ? s.key
      or s.ciphertext is not null
      or attune_hidden.is_legacy_secret(s.key, s.value, null)
  loop
    result := (legacy.user_id, legacy.key, providers ->> legacy.key, null, null, false);
    owner := null;

    if legacy.user_id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
      select u.id into owner from attune.users as u where u.id = legacy.user_id::uuid;
    end if;

    is_there := case
      when user_column is null then exists (
        select from attune.shared_credentials as c where c.provider = result.provider
      )
      else exists (
        select from attune.credentials as c where c.user_id = owner and c.provider = result.provider
      )
    end;
    secret := case
      when result.provider is null then null
      when legacy.ciphertext is null then legacy.value
      else attune_hidden.decrypt_legacy(legacy.ciphertext, encryption, passphrase)
    end;
    result.problem := case
      when result.provider is null then 'no provider is named for its key'
      when user_column is not null and owner is null then 'there is no such user'
      when legacy.was_marked and is_there then null
      when is_there and not attune_hidden.has_secret(owner, result.provider, nullif(btrim(secret), ''))
        then 'another secret is stored for its provider'
      when is_there then null
      when legacy.ciphertext is not null and passphrase is null then 'there is no attune.legacy_passphrase to read it with'
      when legacy.ciphertext is not null and secret is null then 'it does not decrypt with this passphrase'
      when coalesce(btrim(secret), '') = '' then 'it has no value'
    end;

    if result.problem is null and not is_there then
      begin
        if user_column is null then
          perform attune.set_shared_credential(result.provider, secret, legacy.key);
        else
          perform attune.set_user_credential(owner, result.provider, secret, legacy.key);
        end if;
      exception
        when sqlstate 'PT404' or sqlstate 'PT422' then
          get stacked diagnostics reason = pg_exception_detail;

          -- All else is no fault of the row.
          if reason not in ('unknown_credential_provider', 'invalid_secret', 'secret_in_label', 'too_large') then
            raise;
          end if;

          result.problem := sqlerrm;
      end;
    end if;

    result.outcome := case
      when result.problem is null and is_there then 'kept'
      when result.problem is null then 'adopted'
      else 'kept_aside'
    end;

    if result.problem is null and is_marked then
      result.is_marked := true;
      parts := parts || legacy.part;
      places := places || legacy.place;
    end if;

    return next result;
  end loop;

  if is_marked then
    perform attune_hidden.mark_legacy_rows(source, deprecated_column, parts, places);
  end if;
end;
$$;
comment on function attune.adopt_legacy_credentials(
  regclass, jsonb, attune.legacy_encryption, name, name, name, name, name, name
) is
  E'@work secret\n'
  '@param source The table or view, with its schema: `public.app_settings`.\n'
  '@param providers Which keys are of which provider, `{key: provider}`: `{"OPENAI_API_KEY": "openai"}`.\n'
  '@param encryption How what is encrypted there was.\n'
  '@param user_column The column with the id of the user; null: they are everybody''s, shared credentials.\n'
  '@param key_column The column with the name of the setting.\n'
  '@param value_column The column with its value.\n'
  '@param deprecated_column The column that is set for an adopted row, added when missing; null marks nothing.\n'
  '@param encrypted_column The column that says whether the value is encrypted.\n'
  '@param encrypted_value_column The column with what is encrypted: bytes, or text of them.\n'
  'Reads the secrets of a table of old settings into credentials, which are encrypted anew, and marks its rows as '
  'deprecated; no row is deleted, and what does not decrypt is not marked. '
  'What is encrypted is read with the passphrase in the setting `attune.legacy_passphrase` of the transaction. '
  'Rows whose key is in `providers` are read, plain or encrypted; others that are secrets are listed. '
  'Can run again: a credential that is there stays; a row with another secret for its provider is not marked. '
  'For trusted servers with rights on the table, and its owner. '
  'Refused: `admin_required`, `invalid_source`, `parameters_are_logged`, `master_key_missing`, `invalid_master_key`, '
  '`wrong_master_key`.';
revoke all on function attune.adopt_legacy_credentials(
  regclass, jsonb, attune.legacy_encryption, name, name, name, name, name, name
) from public;
grant execute on function attune.adopt_legacy_credentials(
  regclass, jsonb, attune.legacy_encryption, name, name, name, name, name, name
) to service_role;
--! EndIncluded credentials/adopt_legacy_credentials.sql
