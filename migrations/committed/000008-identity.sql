--! Previous: sha1:0ade3169f36859f54a93f3894d1ef8de5da1f213
--! Hash: sha1:b745ab0d46b8e9595d18fa1c8ff18971f10c9c3f
--! Message: identity

-- Blowfish, random bytes and message authentication come from pgcrypto, wherever it lives: on Supabase in a schema of
-- its own. Where there is none it goes beside the secrets, and away again with them.
do $$
begin
  if not exists (select from pg_catalog.pg_extension as e where e.extname = 'pgcrypto') then
    create extension pgcrypto with schema attune_private;
  end if;
end;
$$;

--! Included identity/private/blowfish.sql
do $do$
begin
  -- Bound to pgcrypto where it is, so that no search_path matters.
  execute format(
    $sql$
      create or replace function attune_private.blowfish(password text, salt text)
      returns text
      language sql immutable parallel safe security invoker
      begin atomic
        select %1$s.crypt(password, salt);
      end
    $sql$,
    (select e.extnamespace::regnamespace from pg_catalog.pg_extension as e where e.extname = 'pgcrypto')
  );
end;
$do$;
comment on function attune_private.blowfish(text, text) is
  'The blowfish hash of a password with a salt, or with an earlier hash: the same hash means the same password.';
revoke all on function attune_private.blowfish(text, text) from public;
--! EndIncluded identity/private/blowfish.sql
--! Included identity/private/blowfish_salt.sql
do $do$
begin
  -- Bound to pgcrypto where it is, so that no search_path matters.
  execute format(
    $sql$
      create or replace function attune_private.blowfish_salt(cost integer)
      returns text
      language sql volatile parallel safe security invoker
      begin atomic
        select %1$s.gen_salt('bf', cost);
      end
    $sql$,
    (select e.extnamespace::regnamespace from pg_catalog.pg_extension as e where e.extname = 'pgcrypto')
  );
end;
$do$;
comment on function attune_private.blowfish_salt(integer) is
  'A new salt for `blowfish`. '
  'Each step of the cost doubles the work.';
revoke all on function attune_private.blowfish_salt(integer) from public;
--! EndIncluded identity/private/blowfish_salt.sql
--! Included identity/private/random_bytes.sql
do $do$
begin
  -- Bound to pgcrypto where it is, so that no search_path matters.
  execute format(
    $sql$
      create or replace function attune_private.random_bytes(count integer)
      returns bytea
      language sql volatile parallel safe security invoker
      begin atomic
        select %1$s.gen_random_bytes(count);
      end
    $sql$,
    (select e.extnamespace::regnamespace from pg_catalog.pg_extension as e where e.extname = 'pgcrypto')
  );
end;
$do$;
comment on function attune_private.random_bytes(integer) is 'So many random bytes, fit for secrets.';
revoke all on function attune_private.random_bytes(integer) from public;
--! EndIncluded identity/private/random_bytes.sql
--! Included identity/private/hmac_sha256.sql
do $do$
begin
  -- Bound to pgcrypto where it is, so that no search_path matters.
  execute format(
    $sql$
      create or replace function attune_private.hmac_sha256(data bytea, key bytea)
      returns bytea
      language sql immutable parallel safe security invoker
      begin atomic
        select %1$s.hmac(data, key, 'sha256');
      end
    $sql$,
    (select e.extnamespace::regnamespace from pg_catalog.pg_extension as e where e.extname = 'pgcrypto')
  );
end;
$do$;
comment on function attune_private.hmac_sha256(bytea, bytea) is 'What only who knows the key can compute of the data.';
revoke all on function attune_private.hmac_sha256(bytea, bytea) from public;
--! EndIncluded identity/private/hmac_sha256.sql
--! Included identity/private/base64url.sql
create or replace function attune_private.base64url(bytes bytea)
returns text
language sql immutable parallel safe security invoker
begin atomic
  select translate(encode(bytes, 'base64'), E'+/=\n', '-_');
end;
comment on function attune_private.base64url(bytea) is 'Bytes as text that may stand in an address.';
revoke all on function attune_private.base64url(bytea) from public;
--! EndIncluded identity/private/base64url.sql
--! Included identity/private/from_base64url.sql
create or replace function attune_private.from_base64url(encoded text, length integer)
returns bytea
language sql immutable parallel safe security invoker
begin atomic
  select case
    when char_length(encoded) = ceil(length * 4 / 3.0) and encoded ~ '^[A-Za-z0-9_-]*$'
      then decode(translate(encoded, '-_', '+/') || repeat('=', (3 - length % 3) % 3), 'base64')
  end;
end;
comment on function attune_private.from_base64url(text, integer) is
  'So many bytes from their base64url text; NULL when it is none of just that length.';
revoke all on function attune_private.from_base64url(text, integer) from public;
--! EndIncluded identity/private/from_base64url.sql
--! Included identity/private/network_address.sql
create or replace function attune_private.network_address(value text)
returns inet
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  quad constant text := '(?:(?:0|[1-9]\d{0,2})\.){3}(?:0|[1-9]\d{0,2})';
  -- Without blanks, quotes, the port, brackets and the zone.
  bare constant text := regexp_replace(
    regexp_replace(btrim(value, E' \t"'), '^\[([^][]*)\](?::\d+)?$|^(' || quad || '):\d+$', '\1\2'),
    '^([0-9a-fA-F:.]*:[0-9a-fA-F:.]*)%[^%/]+$', '\1'
  );
  address inet;
begin
  if (bare ~ ('^(?:' || quad || '|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*)$')) is not true then
    return null;
  end if;

  address := bare;
  -- An IPv4 address in IPv6's clothes is the IPv4 address.
  return case when address <<= '::ffff:0:0/96' then replace(host(address), '::ffff:', '')::inet else address end;
exception
  when invalid_text_representation then
    return null;
end;
$$;
comment on function attune_private.network_address(text) is
  'The network address that a proxy says: `203.0.113.2`, `203.0.113.2:40000`, `2001:db8::1`, `[2001:db8::1]:443`, '
  '`fe80::1%eth0`, also in quotes; NULL for what is none.';
revoke all on function attune_private.network_address(text) from public;
--! EndIncluded identity/private/network_address.sql
--! Included identity/private/request_address.sql
create or replace function attune_private.request_address()
returns inet
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  told constant text := nullif(current_setting('attune.client_address', true), '');
  -- A connection without a network is one of this machine.
  peer constant inet := host(coalesce(inet_client_addr(), '127.0.0.1'))::inet;
  proxies integer;
  entries text[];
begin
  if told is not null then
    return coalesce(attune_private.network_address(told), peer);
  end if;

  proxies := attune_private.system_number('TRUSTED_PROXIES', 0);

  if proxies = 0 then
    return null;
  end if;

  -- What is further left, the client may have written.
  entries := string_to_array(attune_private.request_header('x-forwarded-for'), ',');
  return coalesce(attune_private.network_address(entries[cardinality(entries) - proxies + 1]), peer);
end;
$$;
comment on function attune_private.request_address() is
  'Where the request came from: what Attune''s own server says in the setting `attune.client_address`; else, behind '
  'PostgREST, the entry of `x-forwarded-for` that the first of the `TRUSTED_PROXIES` wrote, counted from the right. '
  'What is no address there counts as the peer of the connection. '
  'NULL where no proxy is trusted: then nobody can be told apart by address.';
revoke all on function attune_private.request_address() from public;
--! EndIncluded identity/private/request_address.sql

-- What a caller gets

create type attune.access_token as (
  sub text,
  role text,
  aud text,
  iss text,
  iat integer,
  exp integer,
  session_id uuid,
  email text
);
comment on type attune.access_token is
  'The claims of a short-lived token, which the server signs as a JSON web token and nobody stores.';
comment on column attune.access_token.sub is 'The user.';
comment on column attune.access_token.role is 'The database role: `authenticated`.';
comment on column attune.access_token.aud is 'Whom it is for: `authenticated`.';
comment on column attune.access_token.iss is 'Who issued it: `attune`.';
comment on column attune.access_token.iat is 'When it was issued, in seconds since 1970.';
comment on column attune.access_token.exp is 'When it expires, in seconds since 1970.';
comment on column attune.access_token.session_id is 'The session, without which it is nobody''s.';
comment on column attune.access_token.email is 'The user''s e-mail address.';

create type attune.refusal as (
  code text,
  reason text,
  message text,
  hint text,
  retry_after integer
);
comment on type attune.refusal is
  'A refusal that leaves a trace, such as a counted failure. '
  'Raising it would take the trace back, so it is returned; the server makes the usual error of it.';
comment on column attune.refusal.code is
  E'@notNull\n'
  'As an SQLSTATE: `PT401`.';
comment on column attune.refusal.reason is
  E'@notNull\n'
  'Why, in stable snake_case.';
comment on column attune.refusal.message is
  E'@notNull\n'
  'Why, for people.';
comment on column attune.refusal.hint is
  E'@notNull\n'
  'What to do.';
comment on column attune.refusal.retry_after is
  'After how many seconds to try again; null where waiting does not help.';

create type attune.session_tokens as (
  access_token attune.access_token,
  refresh_token text,
  session_id uuid,
  user_id uuid,
  access_expires_at timestamptz,
  session_expires_at timestamptz,
  refusal attune.refusal,
  device_token text
);
comment on type attune.session_tokens is 'What a client holds of a session.';
comment on column attune.session_tokens.access_token is 'Goes with every request.';
comment on column attune.session_tokens.refresh_token is
  'Is exchanged, once, for the next two tokens (`refresh_session`). '
  'A secret: keep it where scripts of others can''t read it.';
comment on column attune.session_tokens.session_id is 'Which session.';
comment on column attune.session_tokens.user_id is 'Who is signed in.';
comment on column attune.session_tokens.access_expires_at is 'When the access token expires.';
comment on column attune.session_tokens.session_expires_at is 'When the session ends unless it is refreshed before.';
comment on column attune.session_tokens.refusal is
  'Why there are no tokens; else null. '
  'Then all else is null.';
comment on column attune.session_tokens.device_token is
  E'@nullable\n'
  'What the next `login` from this device may show: failures of others do not lock it out then. '
  'Keep it when the user signs out. '
  'Null when a session is only refreshed.';

create type attune.deleted_account as (user_id uuid, refusal attune.refusal);
comment on type attune.deleted_account is
  E'@payload\n'
  'What `delete_account` did.';
comment on column attune.deleted_account.user_id is 'Who was deleted.';
comment on column attune.deleted_account.refusal is
  'Why nobody was; else null.';

-- What happened

create type attune.security_event as enum (
  'registered', 'logged_in', 'login_failed', 'login_blocked', 'refresh_token_reused', 'session_revoked',
  'password_changed', 'password_reset_requested', 'password_reset', 'email_verified', 'email_change_requested',
  'email_changed',
  'identity_linked', 'identity_unlinked', 'account_deleted'
);
comment on type attune.security_event is
  E'@value registered An account was made.\n'
  '@value logged_in Somebody signed in.\n'
  '@value login_failed Somebody tried to sign in with a wrong password.\n'
  '@value login_blocked It was not even tried: there were too many failures.\n'
  '@value refresh_token_reused A refresh token came twice, and its session was ended.\n'
  '@value session_revoked A session was ended.\n'
  '@value password_changed The password was changed by who knew it.\n'
  '@value password_reset_requested A link to set the password anew was asked for.\n'
  '@value password_reset The password was set anew by a mailed link.\n'
  '@value email_verified The address was verified by a mailed link.\n'
  '@value email_change_requested Another address was asked for.\n'
  '@value email_changed The account has another address.\n'
  '@value identity_linked Somebody can sign in as the user by an outside provider.\n'
  '@value identity_unlinked And can no longer.\n'
  '@value account_deleted The account was deleted.\n'
  'What happened to an account or a session.';

create table attune.security_log (
  id bigint generated always as identity
    constraint security_log_pkey primary key,
  occurred_at timestamptz not null default clock_timestamp(),
  event attune.security_event not null,
  user_id uuid,
  session_id uuid,
  address text
    constraint security_log_address_check check (char_length(address) <= 100)
);
create index security_log_user_id_idx on attune.security_log (user_id, id);
create index security_log_occurred_at_idx on attune.security_log (occurred_at, id);
-- Row level security lets no index compare an enum; what is rarer than signing in is found all the same.
create index security_log_event_idx on attune.security_log (id) where event <> 'logged_in';
create index security_log_address_idx on attune.security_log (address, id);
create index security_log_session_id_idx on attune.security_log (session_id, id);
comment on table attune.security_log is
  E'@readBy attune_hidden.readable_security_log\n'
  '@foreignKey (user_id) references attune.users (id)|@fieldName user\n'
  'What happened to accounts and sessions. '
  'Append-only. '
  'Users read what happened to their own account, administrators everything. '
  'In SQL a user names whose rows are meant, `user_id = (select attune.current_user_id())`: without, everybody''s are '
  'walked.';
comment on column attune.security_log.id is 'In the order of writing.';
comment on column attune.security_log.occurred_at is 'When it happened.';
comment on column attune.security_log.event is
  E'@behavior +attribute:filterBy\n'
  'What happened.';
comment on column attune.security_log.user_id is
  'To whose account; null when somebody tried to sign in to one that does not exist, or to get a mail for it. '
  'It stays when the account is deleted.';
comment on column attune.security_log.session_id is 'To which session, where it concerns one.';
comment on column attune.security_log.address is
  'From which network address. '
  'It goes when the account is deleted.';

alter table attune.security_log enable row level security;
create policy security_log_select_self_or_admin on attune.security_log for select to authenticated
  using (user_id = (select attune.current_user_id()) or (select attune.is_admin()));
create policy security_log_select_service_role on attune.security_log for select to service_role using (true);

revoke all on attune.security_log from public;
grant select on attune.security_log to authenticated, service_role;

--! Included identity/hidden/readable_security_log.sql
create or replace function attune_hidden.readable_security_log()
returns setof attune.security_log
language sql stable security invoker
begin atomic
  select c.id, c.occurred_at, c.event, c.user_id, c.session_id, c.address
  from (
    select false as is_everybodys, l.* from attune.security_log as l where l.user_id = (select attune.current_user_id())
    union all
    select true, l.* from attune.security_log as l
  ) as c
  where c.is_everybodys = (select current_user <> 'authenticated' or attune.is_admin());
end;
comment on function attune_hidden.readable_security_log() is
  'The rows of `security_log` that the caller may read, found by index, as `readable_configuration_audit_log` does.';
revoke all on function attune_hidden.readable_security_log() from public;
grant execute on function attune_hidden.readable_security_log() to authenticated, service_role;
--! EndIncluded identity/hidden/readable_security_log.sql

create trigger _100_append_only before delete or truncate on attune.security_log
  for each statement execute function attune_private.tg__append_only();
create trigger _200_erase after update on attune.security_log
  referencing old table as previous new table as changed
  for each statement execute function attune_private.tg__erase('address');

-- Secrets. No request role reads these tables, and nothing in them opens a session: they hold hashes.

create table attune_private.user_passwords (
  user_id uuid not null
    constraint user_passwords_pkey primary key
    constraint user_passwords_user_id_fkey references attune.users (id) on delete cascade,
  password_hash text not null
    constraint user_passwords_password_hash_check check (password_hash ~ '^\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{53}$'),
  changed_at timestamptz not null default now()
);
comment on table attune_private.user_passwords is
  'Passwords, as blowfish hashes. '
  'Who signs in elsewhere only has none.';
comment on column attune_private.user_passwords.changed_at is
  'When the user last chose another; a stronger hash of the same is no change.';

alter table attune_private.user_passwords enable row level security;

create table attune_private.refresh_tokens (
  user_id uuid not null,
  session_id uuid not null,
  token_hash bytea not null
    constraint refresh_tokens_token_hash_check check (octet_length(token_hash) = 32),
  salt bytea
    constraint refresh_tokens_salt_check check (octet_length(salt) = 32),
  used_at timestamptz,
  created_at timestamptz not null default now(),
  constraint refresh_tokens_pkey primary key (user_id, session_id, token_hash),
  constraint refresh_tokens_session_fkey foreign key (user_id, session_id)
    references attune.sessions (user_id, id) on delete cascade,
  constraint refresh_tokens_used_check check ((used_at is null) = (salt is null))
);
comment on table attune_private.refresh_tokens is
  'The refresh tokens of a session: one unused, and those that were exchanged, by which a stolen one is recognised.';
comment on column attune_private.refresh_tokens.token_hash is 'SHA-256 of the whole token.';
comment on column attune_private.refresh_tokens.salt is
  'With the used token as the key it gives the next one: whoever presents the token gets the same successor, and '
  'the table alone gives none.';
comment on column attune_private.refresh_tokens.used_at is 'When it was exchanged; null for the current one.';

alter table attune_private.refresh_tokens enable row level security;

create table attune_private.one_time_tokens (
  user_id uuid not null
    constraint one_time_tokens_user_id_fkey references attune.users (id) on delete cascade,
  purpose text not null
    constraint one_time_tokens_purpose_check check (purpose in ('verify_email', 'reset_password', 'change_email')),
  token_hash bytea not null
    constraint one_time_tokens_token_hash_check check (octet_length(token_hash) = 32),
  email text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  constraint one_time_tokens_pkey primary key (user_id, purpose, token_hash)
);
comment on table attune_private.one_time_tokens is
  'What a mailed link proves. '
  'A used one is deleted.';
comment on column attune_private.one_time_tokens.token_hash is 'SHA-256 of the whole token.';
comment on column attune_private.one_time_tokens.email is
  'The address it was mailed to: it proves nothing for another.';

alter table attune_private.one_time_tokens enable row level security;

create table attune_private.login_attempts (
  kind text not null
    constraint login_attempts_kind_check check (kind in ('account', 'address', 'device')),
  subject_hash bytea not null
    constraint login_attempts_subject_hash_check check (octet_length(subject_hash) = 32),
  failures integer not null,
  last_failed_at timestamptz not null,
  blocked_until timestamptz,
  constraint login_attempts_pkey primary key (kind, subject_hash)
);
create index login_attempts_last_failed_at_idx on attune_private.login_attempts (last_failed_at);
comment on table attune_private.login_attempts is
  'Failures to sign in, by account, whether it exists or not, and by network address; or by the device or session, '
  'where it is known. '
  'Forgotten after a day.';
comment on column attune_private.login_attempts.subject_hash is
  'SHA-256 of the e-mail address, of the network address, of the device''s token or of the session: people type '
  'passwords where the address belongs.';

alter table attune_private.login_attempts enable row level security;

create table attune_private.spent_sign_ins (
  attempt_hash bytea not null
    constraint spent_sign_ins_attempt_hash_check check (octet_length(attempt_hash) = 32)
    constraint spent_sign_ins_pkey primary key,
  expires_at timestamptz not null
);
create index spent_sign_ins_expires_at_idx on attune_private.spent_sign_ins (expires_at);
comment on table attune_private.spent_sign_ins is
  'Attempts to sign in with a provider that came back and are not taken again, at whichever server. '
  'Kept until they would be too old anyway.';
comment on column attune_private.spent_sign_ins.attempt_hash is 'SHA-256 of what names the attempt.';

alter table attune_private.spent_sign_ins enable row level security;

create table attune_private.known_devices (
  user_id uuid not null
    constraint known_devices_user_id_fkey references attune.users (id) on delete cascade,
  token_hash bytea not null
    constraint known_devices_token_hash_check check (octet_length(token_hash) = 32),
  created_at timestamptz not null default now(),
  last_used_at timestamptz not null default now(),
  constraint known_devices_pkey primary key (user_id, token_hash)
);
create index known_devices_last_used_at_idx on attune_private.known_devices (last_used_at);
comment on table attune_private.known_devices is
  'From where users have signed in before: who shows the token is not locked out by the failures of others. '
  'It opens nothing by itself. '
  'The 20 used last of each user are kept, for 400 days.';
comment on column attune_private.known_devices.token_hash is 'SHA-256 of the token.';

alter table attune_private.known_devices enable row level security;

create table attune_private.daily_amounts (
  kind text not null
    constraint daily_amounts_kind_check check (
      kind in (
        'registration', 'mail', 'verify_email', 'reset_password', 'change_email', 'change_email_user', 'invitation',
        'invitation_mail'
      )
    ),
  subject_hash bytea not null
    constraint daily_amounts_subject_hash_check check (octet_length(subject_hash) = 32),
  day date not null,
  amount integer not null,
  last_at timestamptz not null,
  constraint daily_amounts_pkey primary key (kind, subject_hash)
);
create index daily_amounts_last_at_idx on attune_private.daily_amounts (last_at);
comment on table attune_private.daily_amounts is
  'How much of what is limited a day there was: registrations and mails, by network address and by account. '
  'Forgotten after two days.';
comment on column attune_private.daily_amounts.subject_hash is 'SHA-256 of the network address, for registrations and for mails, of the e-mail address that gets mails, or of the '
  'user who invites or changes their address.';
comment on column attune_private.daily_amounts.day is 'The day that is counted, by UTC.';
comment on column attune_private.daily_amounts.amount is 'How many there were on that day.';
comment on column attune_private.daily_amounts.last_at is 'When the last one was.';

alter table attune_private.daily_amounts enable row level security;

create type attune.mail_purpose as enum (
  'verify_email', 'reset_password', 'change_email', 'email_change_notice', 'address_taken', 'invitation'
);
comment on type attune.mail_purpose is
  E'@value verify_email Has the link that verifies the address.\n'
  '@value reset_password Has the link that sets the password anew.\n'
  '@value change_email To the new address: has the link that makes it the user''s.\n'
  '@value email_change_notice To the former address: somebody wants to change it.\n'
  '@value address_taken To whoever has the address that somebody else wants to change to.\n'
  '@value invitation Has the link that accepts an invitation.\n'
  'What a mail is for.';

create table attune_private.mail_outbox (
  id bigint generated always as identity
    constraint mail_outbox_pkey primary key,
  user_id uuid,
  purpose attune.mail_purpose not null,
  recipient text not null,
  payload jsonb not null
    constraint mail_outbox_payload_check check (octet_length(payload::text) <= 16384),
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  due_at timestamptz not null default now(),
  attempts integer not null default 0,
  problem text,
  delivered_at timestamptz
);
create index mail_outbox_user_id_idx on attune_private.mail_outbox (user_id);
create index mail_outbox_due_at_idx on attune_private.mail_outbox (due_at) where delivered_at is null;
create index mail_outbox_recipient_idx on attune_private.mail_outbox (recipient);
comment on table attune_private.mail_outbox is
  'Mails that a trusted worker sends. '
  'The token in the payload is the only plain one there is, and goes once the mail is delivered or expired.';
comment on column attune_private.mail_outbox.user_id is
  'Who asked for it; it goes with the user. '
  'Null when it was a trusted server, and until a mail by an address alone is written. '
  'No foreign key: the outbox is one queue, not a part of a user.';
comment on column attune_private.mail_outbox.due_at is
  'When it may be claimed next: pushed on by a claim (its lease) and by a failure.';
comment on column attune_private.mail_outbox.problem is 'Why it could not be delivered, the last time.';

alter table attune_private.mail_outbox enable row level security;

create type attune.mail as (
  id bigint,
  purpose attune.mail_purpose,
  recipient text,
  payload jsonb,
  created_at timestamptz,
  expires_at timestamptz,
  attempts integer
);
comment on type attune.mail is 'A mail to be sent.';
comment on column attune.mail.id is
  E'@notNull\n'
  'By which it is completed or failed.';
comment on column attune.mail.purpose is
  E'@notNull\n'
  'What it is for.';
comment on column attune.mail.recipient is
  E'@notNull\n'
  'The e-mail address.';
comment on column attune.mail.payload is
  E'@notNull\n'
  'What it says: `{"token": …, "name": …}`, the name that of the recipient; without a token where there is nothing to '
  'open, and with `"new_email"` in the notice of a change; of an invitation `{"token": …, '
  '"invitation_id": …, "invited_by": …, "team": …, "project": …}`, all names as their users wrote them.';
comment on column attune.mail.created_at is
  E'@notNull\n'
  'When it was asked for.';
comment on column attune.mail.expires_at is
  E'@notNull\n'
  'When it is of no use any more.';
comment on column attune.mail.attempts is
  E'@notNull\n'
  'How often it was claimed, this time included.';

-- The state machine. The functions of attune_private take the time as an argument, so that tests can move it.

create type attune_private.attempt_subject as (kind text, subject_hash bytea, free integer);
comment on type attune_private.attempt_subject is
  'By what failures to sign in are counted: a kind of `login_attempts`, the hash, and after how many it has to wait.';

--! Included identity/private/log_security.sql
create or replace function attune_private.log_security(
  event attune.security_event,
  user_id uuid,
  session_id uuid default null,
  address inet default attune_private.request_address()
)
returns void
language sql volatile security invoker
begin atomic
  insert into attune.security_log (event, user_id, session_id, address)
  values (log_security.event, log_security.user_id, log_security.session_id, host(log_security.address));
end;
comment on function attune_private.log_security(attune.security_event, uuid, uuid, inet) is
  'Writes down what happened to an account, and from where.';
revoke all on function attune_private.log_security(attune.security_event, uuid, uuid, inet) from public;
--! EndIncluded identity/private/log_security.sql
--! Included identity/private/refuse.sql
create or replace function attune_private.refuse(
  code text,
  reason text,
  message text,
  hint text,
  retry_after integer default null
)
returns attune.refusal
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  -- PostgREST takes the HTTP status from here, and commits; so does our own server.
  perform set_config('response.status', case code when '42501' then '403' else right(code, 3) end, true);
  return row(code, reason, message, hint, retry_after)::attune.refusal;
end;
$$;
comment on function attune_private.refuse(text, text, text, text, integer) is
  'A refusal to return, not to raise: what was written stays.';
revoke all on function attune_private.refuse(text, text, text, text, integer) from public;
--! EndIncluded identity/private/refuse.sql
--! Included identity/private/send_mail.sql
create or replace function attune_private.send_mail(
  user_id uuid,
  purpose attune.mail_purpose,
  recipient text,
  payload jsonb,
  expires_at timestamptz,
  at timestamptz default now()
)
returns void
language sql volatile security invoker
begin atomic
  insert into attune_private.mail_outbox (user_id, purpose, recipient, payload, created_at, expires_at, due_at)
  values (
    send_mail.user_id, send_mail.purpose, send_mail.recipient, send_mail.payload,
    send_mail.at, send_mail.expires_at, send_mail.at
  );
end;
comment on function attune_private.send_mail(uuid, attune.mail_purpose, text, jsonb, timestamptz, timestamptz) is
  'Puts a mail into the outbox, from which a trusted worker sends it.';
revoke all on function attune_private.send_mail(uuid, attune.mail_purpose, text, jsonb, timestamptz, timestamptz) from public;
--! EndIncluded identity/private/send_mail.sql
--! Included identity/private/refuse_for_now.sql
create or replace function attune_private.refuse_for_now(reason text, message text, hint text, retry_after integer)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = 'PT429',
    message = message,
    detail = reason,
    hint = hint,
    -- An error has no field for it; Attune's server makes `retryAfter` of this one.
    constraint = format('retry_after_%s', retry_after);
end;
$$;
comment on function attune_private.refuse_for_now(text, text, text, integer) is
  'Refuses with PT429 what may be done again after so many seconds.';
revoke all on function attune_private.refuse_for_now(text, text, text, integer) from public;
--! EndIncluded identity/private/refuse_for_now.sql
--! Included identity/private/seconds_to_midnight.sql
create or replace function attune_private.seconds_to_midnight(at timestamptz)
returns integer
language sql immutable parallel safe security invoker
begin atomic
  select ceil(extract(epoch from date_trunc('day', at at time zone 'UTC') + interval '1 day' - at at time zone 'UTC'))::integer;
end;
comment on function attune_private.seconds_to_midnight(timestamptz) is 'Until the next day begins, by UTC.';
revoke all on function attune_private.seconds_to_midnight(timestamptz) from public;
--! EndIncluded identity/private/seconds_to_midnight.sql
--! Included identity/private/address_hash.sql
create or replace function attune_private.address_hash(address inet)
returns bytea
language sql immutable parallel safe security invoker
begin atomic
  -- Who has one IPv6 address has the 2^64 beside it.
  select sha256(convert_to(
    case family(address) when 6 then network(set_masklen(address, 64))::text else host(address) end,
    'UTF8'
  ));
end;
comment on function attune_private.address_hash(inet) is 'By what a network address is counted.';
revoke all on function attune_private.address_hash(inet) from public;
--! EndIncluded identity/private/address_hash.sql
--! Included identity/private/account_hash.sql
create or replace function attune_private.account_hash(account text)
returns bytea
language sql immutable parallel safe security invoker
begin atomic
  select sha256(convert_to(account, 'UTF8'));
end;
comment on function attune_private.account_hash(text) is
  'By what an account is counted, whether it exists or not: people type passwords where the address belongs.';
revoke all on function attune_private.account_hash(text) from public;
--! EndIncluded identity/private/account_hash.sql
--! Included identity/private/may_spend.sql
create or replace function attune_private.may_spend(
  kind text,
  subject_hash bytea,
  most integer,
  at timestamptz default now()
)
returns boolean
language sql stable parallel safe security invoker
begin atomic
  select most > coalesce(
    (
      select d.amount
      from attune_private.daily_amounts as d
      where d.kind = may_spend.kind
        and d.subject_hash = may_spend.subject_hash
        and d.day = (may_spend.at at time zone 'UTC')::date
    ),
    0
  );
end;
comment on function attune_private.may_spend(text, bytea, integer, timestamptz) is
  'Whether `spend` would still let it through, before there is any work.';
revoke all on function attune_private.may_spend(text, bytea, integer, timestamptz) from public;
--! EndIncluded identity/private/may_spend.sql
--! Included identity/private/spend.sql
create or replace function attune_private.spend(
  kind text,
  subject_hash bytea,
  most integer,
  at timestamptz default now(),
  pause interval default null
)
returns boolean
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into attune_private.daily_amounts as d (kind, subject_hash, day, amount, last_at)
  select spend.kind, spend.subject_hash, (at at time zone 'UTC')::date, 1, at
  where spend.most > 0
  on conflict on constraint daily_amounts_pkey do update set
    amount = case d.day when excluded.day then d.amount + 1 else 1 end,
    day = excluded.day,
    last_at = greatest(d.last_at, excluded.last_at)
  where (d.day <> excluded.day or d.amount < spend.most)
    -- Whoever began earlier may come later.
    and (spend.pause is null or d.last_at <= excluded.last_at - spend.pause);

  return found;
end;
$$;
comment on function attune_private.spend(text, bytea, integer, timestamptz, interval) is
  'Counts one of what is limited a day, by UTC; false when there were `most` of the kind already, or the last was '
  'within the pause.';
revoke all on function attune_private.spend(text, bytea, integer, timestamptz, interval) from public;
--! EndIncluded identity/private/spend.sql
--! Included identity/private/refuse_registrations.sql
create or replace function attune_private.refuse_registrations(at timestamptz)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  perform attune_private.refuse_for_now(
    'too_many_registrations', 'There were too many registrations from this network address today', 'Go on tomorrow.',
    attune_private.seconds_to_midnight(at)
  );
end;
$$;
comment on function attune_private.refuse_registrations(timestamptz) is 'Refuses: `too_many_registrations`.';
revoke all on function attune_private.refuse_registrations(timestamptz) from public;
--! EndIncluded identity/private/refuse_registrations.sql
--! Included identity/private/spend_mail.sql
create or replace function attune_private.spend_mail(
  account text,
  purpose text,
  address inet,
  at timestamptz default now()
)
returns boolean
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  if address is not null and not attune_private.is_trusted() and not attune_private.spend(
    'mail', attune_private.address_hash(address),
    attune_private.system_number('MAILS_PER_DAY_AND_ADDRESS', 200), at
  ) then
    perform attune_private.refuse_for_now(
      'too_many_mails', 'There were too many mails for this network address today', 'Go on tomorrow.',
      attune_private.seconds_to_midnight(at)
    );
  end if;

  -- Nobody fills somebody's mailbox, and nobody learns whose there is.
  return attune_private.spend(
    purpose, attune_private.account_hash(account), attune_private.system_number('MAILS_PER_DAY', 20), at,
    interval '1 minute'
  );
end;
$$;
comment on function attune_private.spend_mail(text, text, inet, timestamptz) is
  'Whether a mail of this purpose may be sent to an account: one a minute, and so many a day. '
  'Refused, when the network address asks for too many: `too_many_mails`.';
revoke all on function attune_private.spend_mail(text, text, inet, timestamptz) from public;
--! EndIncluded identity/private/spend_mail.sql
--! Included identity/private/make_one_time_token.sql
create or replace function attune_private.make_one_time_token(
  user_id uuid,
  email text,
  purpose text,
  expires_at timestamptz,
  at timestamptz default now()
)
returns text
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  token constant bytea := uuid_send(user_id) || attune_private.random_bytes(32);
begin
  insert into attune_private.one_time_tokens (user_id, purpose, token_hash, email, created_at, expires_at)
  values (
    make_one_time_token.user_id, make_one_time_token.purpose, sha256(token),
    attune_private.mail_address(make_one_time_token.email), at, make_one_time_token.expires_at
  );

  return attune_private.base64url(token);
end;
$$;
comment on function attune_private.make_one_time_token(uuid, text, text, timestamptz, timestamptz) is
  'A token that shows, when it comes back from the mailbox, that the mailbox is the user''s.';
revoke all on function attune_private.make_one_time_token(uuid, text, text, timestamptz, timestamptz) from public;
--! EndIncluded identity/private/make_one_time_token.sql
--! Included identity/private/mail_verification.sql
create or replace function attune_private.mail_verification(
  user_id uuid,
  address inet default attune_private.request_address(),
  at timestamptz default now()
)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  expires_at constant timestamptz := at + attune_private.system_interval('EMAIL_VERIFICATION_LIFETIME', '1 day');
  recipient attune.users;
begin
  select u.* into recipient from attune.users as u where u.id = mail_verification.user_id;

  if recipient.email is null
    or not attune_private.spend_mail(
      attune_private.email_key(recipient.email), 'verify_email', address, at
    )
  then
    return;
  end if;

  perform attune_private.send_mail(
    recipient.id,
    'verify_email',
    recipient.email,
    jsonb_build_object(
      'token', attune_private.make_one_time_token(recipient.id, recipient.email, 'verify_email', expires_at, at),
      'name', recipient.name
    ),
    expires_at,
    at
  );
end;
$$;
comment on function attune_private.mail_verification(uuid, inet, timestamptz) is
  'Mails a user a token that verifies their address, at most one a minute. '
  'Refused: `too_many_mails`.';
revoke all on function attune_private.mail_verification(uuid, inet, timestamptz) from public;
--! EndIncluded identity/private/mail_verification.sql
--! Included identity/private/write_reset_mails.sql
create or replace function attune_private.write_reset_mails(at timestamptz default now())
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  asked record;
  recipient attune.users;
begin
  for asked in
    select m.id, m.recipient, m.expires_at
    from attune_private.mail_outbox as m
    where m.purpose = 'reset_password'
      and m.user_id is null
      and m.delivered_at is null
    order by m.id
    limit 1000
    for update skip locked
  loop
    select u.* into recipient
    from attune.users as u
    join attune.user_emails as e on e.user_id = u.id
    where e.email = asked.recipient
    for key share of u;

    if not found or asked.expires_at <= at then
      delete from attune_private.mail_outbox as m where m.id = asked.id;
    else
      update attune_private.mail_outbox as m
      set
        user_id = recipient.id,
        recipient = recipient.email,
        payload = jsonb_build_object(
          'token', attune_private.make_one_time_token(
            recipient.id, recipient.email, 'reset_password', asked.expires_at, at
          ),
          'name', recipient.name
        )
      where m.id = asked.id;
    end if;
  end loop;
end;
$$;
comment on function attune_private.write_reset_mails(timestamptz) is
  'Writes the mails that were asked for by an address alone: with a token for the user who has it, and not at all '
  'where there is none.';
revoke all on function attune_private.write_reset_mails(timestamptz) from public;
--! EndIncluded identity/private/write_reset_mails.sql
--! Included identity/private/refuse_one_time_token.sql
create or replace function attune_private.refuse_one_time_token(message text, hint text)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = 'PT400',
    message = message,
    detail = 'invalid_one_time_token',
    hint = hint;
end;
$$;
comment on function attune_private.refuse_one_time_token(text, text) is
  'Refuses, saying what is wrong with the token: `invalid_one_time_token`.';
revoke all on function attune_private.refuse_one_time_token(text, text) from public;
--! EndIncluded identity/private/refuse_one_time_token.sql
--! Included identity/private/consume_one_time_token.sql
create or replace function attune_private.consume_one_time_token(token text, purpose text, at timestamptz default now())
returns attune_private.one_time_tokens
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  bytes constant bytea := attune_private.from_base64url(token, 48);
  consumed attune_private.one_time_tokens;
begin
  delete from attune_private.one_time_tokens as t
  where t.user_id = encode(substring(bytes for 16), 'hex')::uuid
    and t.purpose = consume_one_time_token.purpose
    and t.token_hash = sha256(bytes)
    and t.expires_at > at
    -- It was mailed to the address that the user still has, or wants to have.
    and (
      t.purpose = 'change_email'
      or exists (
        select from attune.user_emails as e
        where e.user_id = t.user_id
          and e.email = attune_private.email_key(t.email)
      )
    )
  returning t.* into consumed;

  if consumed.user_id is null then
    perform attune_private.refuse_one_time_token(
      'The link is no longer valid', 'Ask for another mail: a link works once, and not for ever.'
    );
  end if;

  delete from attune_private.one_time_tokens as t
  where t.user_id = consumed.user_id
    and t.purpose = consume_one_time_token.purpose;

  return consumed;
end;
$$;
comment on function attune_private.consume_one_time_token(text, text, timestamptz) is
  'The token, which is good no more: it and the others of its user for the same purpose are gone. '
  'Refused: `invalid_one_time_token`.';
revoke all on function attune_private.consume_one_time_token(text, text, timestamptz) from public;
--! EndIncluded identity/private/consume_one_time_token.sql
--! Included identity/private/consume_own_token.sql
create or replace function attune_private.consume_own_token(
  token text,
  purpose text,
  caller uuid,
  at timestamptz default now()
)
returns attune_private.one_time_tokens
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  consumed constant attune_private.one_time_tokens := attune_private.consume_one_time_token(token, purpose, at);
begin
  -- Whoever reads the mail must also be signed in: else they would vouch for a stranger who named their address.
  if consumed.user_id is distinct from caller then
    perform attune_private.refuse_one_time_token(
      'The token is for the address of another account',
      'Sign in to the account that the mail is about; if it is not yours, ignore the mail.'
    );
  end if;

  return consumed;
end;
$$;
comment on function attune_private.consume_own_token(text, text, uuid, timestamptz) is
  'As `consume_one_time_token`, of the caller''s own. '
  'Refused: `invalid_one_time_token`.';
revoke all on function attune_private.consume_own_token(text, text, uuid, timestamptz) from public;
--! EndIncluded identity/private/consume_own_token.sql
--! Included identity/private/session_tokens.sql
create or replace function attune_private.session_tokens(session attune.sessions, secret bytea, at timestamptz default now())
returns attune.session_tokens
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  expires_at constant timestamptz := date_trunc('second', least(
    at + attune_private.system_interval('ACCESS_TOKEN_LIFETIME', '15 minutes'),
    session.idle_until
  ));
  tokens attune.session_tokens;
begin
  tokens.access_token := row(
    session.user_id,
    'authenticated',
    'authenticated',
    attune_private.own_issuer(),
    floor(extract(epoch from at)),
    floor(extract(epoch from expires_at)),
    session.id,
    (select u.email from attune.users as u where u.id = session.user_id)
  )::attune.access_token;
  tokens.refresh_token := attune_private.base64url(uuid_send(session.user_id) || uuid_send(session.id) || secret);
  tokens.session_id := session.id;
  tokens.user_id := session.user_id;
  tokens.access_expires_at := expires_at;
  tokens.session_expires_at := session.idle_until;
  return tokens;
end;
$$;
comment on function attune_private.session_tokens(attune.sessions, bytea, timestamptz) is
  'What the client gets: an access token, and the refresh token that holds the secret.';
revoke all on function attune_private.session_tokens(attune.sessions, bytea, timestamptz) from public;
--! EndIncluded identity/private/session_tokens.sql
--! Included identity/private/known_device.sql
create or replace function attune_private.known_device(user_id uuid, device_token text)
returns bytea
language sql stable parallel safe security invoker
begin atomic
  select d.token_hash
  from attune_private.known_devices as d
  where d.user_id = known_device.user_id
    and d.token_hash = sha256(attune_private.from_base64url(device_token, 32));
end;
comment on function attune_private.known_device(uuid, text) is
  'By what the failures of a device are counted from which the user has signed in before; NULL when it is none of '
  'theirs.';
revoke all on function attune_private.known_device(uuid, text) from public;
--! EndIncluded identity/private/known_device.sql
--! Included identity/private/remember_device.sql
create or replace function attune_private.remember_device(user_id uuid, device_token text, at timestamptz default now())
returns text
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  kept constant integer := 20;
  secret bytea;
begin
  update attune_private.known_devices as d
  set last_used_at = remember_device.at
  where d.user_id = remember_device.user_id
    and d.token_hash = attune_private.known_device(remember_device.user_id, remember_device.device_token);

  if found then
    return device_token;
  end if;

  secret := attune_private.random_bytes(32);

  insert into attune_private.known_devices (user_id, token_hash, created_at, last_used_at)
  values (remember_device.user_id, sha256(secret), at, at);

  delete from attune_private.known_devices as d
  where d.user_id = remember_device.user_id
    and d.token_hash in (
      select o.token_hash
      from attune_private.known_devices as o
      where o.user_id = remember_device.user_id
      order by o.last_used_at desc, o.token_hash
      offset kept
    );

  return attune_private.base64url(secret);
end;
$$;
comment on function attune_private.remember_device(uuid, text, timestamptz) is
  'The token of the device from which a user has just signed in: the one that it showed, or else a new one. '
  'The 20 that were used last are remembered. '
  'OWASP, Slow Down Online Guessing Attacks with Device Cookies.';
revoke all on function attune_private.remember_device(uuid, text, timestamptz) from public;
--! EndIncluded identity/private/remember_device.sql
--! Included identity/private/start_session.sql
create or replace function attune_private.start_session(
  user_id uuid,
  at timestamptz default now(),
  address inet default attune_private.request_address(),
  device_token text default null,
  issuer text default null,
  subject text default null
)
returns attune.session_tokens
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  secret constant bytea := attune_private.random_bytes(32);
  ends_at constant timestamptz := at + attune_private.system_interval('SESSION_LIFETIME', '90 days');
  session attune.sessions;
  tokens attune.session_tokens;
begin
  insert into attune.sessions (
    user_id, user_agent, address, issuer, subject, created_at, last_used_at, idle_until, expires_at
  )
  values (
    start_session.user_id,
    left(attune_private.request_header('user-agent'), 500),
    host(start_session.address),
    start_session.issuer,
    start_session.subject,
    at,
    at,
    least(at + attune_private.system_interval('SESSION_IDLE_LIFETIME', '14 days'), ends_at),
    ends_at
  )
  returning * into session;

  insert into attune_private.refresh_tokens (user_id, session_id, token_hash, created_at)
  values (session.user_id, session.id, sha256(uuid_send(session.user_id) || uuid_send(session.id) || secret), at);

  tokens := attune_private.session_tokens(session, secret, at);
  tokens.device_token := attune_private.remember_device(start_session.user_id, start_session.device_token, at);
  return tokens;
end;
$$;
comment on function attune_private.start_session(uuid, timestamptz, inet, text, text, text) is
  'Signs a user in: a session with its first tokens. '
  'Whoever calls it has made sure of who it is.';
revoke all on function attune_private.start_session(uuid, timestamptz, inet, text, text, text) from public;
--! EndIncluded identity/private/start_session.sql
--! Included identity/private/revoke_sessions.sql
create or replace function attune_private.revoke_sessions(
  user_id uuid,
  because attune.revocation_reason,
  at timestamptz default now(),
  only_session uuid default null,
  except_session uuid default null,
  address inet default attune_private.request_address()
)
returns integer
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  revoked integer := 0;
  ended uuid;
begin
  for ended in
    update attune.sessions as s
    set revoked_at = revoke_sessions.at, revoked_because = revoke_sessions.because
    where s.user_id = revoke_sessions.user_id
      and s.revoked_at is null
      and (only_session is null or s.id = only_session)
      and s.id is distinct from except_session
    returning s.id
  loop
    perform attune_private.log_security('session_revoked', revoke_sessions.user_id, ended, revoke_sessions.address);
    revoked := revoked + 1;
  end loop;

  return revoked;
end;
$$;
comment on function attune_private.revoke_sessions(uuid, attune.revocation_reason, timestamptz, uuid, uuid, inet) is
  'Ends the sessions of a user, or one of them, or all but one, and returns how many. '
  'It takes effect with the next request.';
revoke all on function attune_private.revoke_sessions(uuid, attune.revocation_reason, timestamptz, uuid, uuid, inet) from public;
--! EndIncluded identity/private/revoke_sessions.sql
--! Included identity/private/check_password.sql
create or replace function attune_private.check_password(password text)
returns void
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  if coalesce(octet_length(password), 0) < 8 then
    raise exception using
      errcode = 'PT422',
      message = 'The password is shorter than 8 bytes',
      detail = 'password_too_short',
      hint = 'Choose one of 8 to 72 bytes; a few words do well.';
  end if;

  -- Blowfish looks at no more: what is longer would be cut without a word.
  if octet_length(password) > 72 then
    raise exception using
      errcode = 'PT422',
      message = 'The password is longer than 72 bytes',
      detail = 'password_too_long',
      hint = 'Choose one of 8 to 72 bytes; letters beyond ASCII count two to four.';
  end if;
end;
$$;
comment on function attune_private.check_password(text) is
  'Refuses a password that is too short (`password_too_short`) or too long (`password_too_long`).';
revoke all on function attune_private.check_password(text) from public;
--! EndIncluded identity/private/check_password.sql
--! Included identity/private/set_password.sql
create or replace function attune_private.set_password(user_id uuid, password text, at timestamptz default now())
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  salt constant text := attune_private.blowfish_salt(attune_private.system_number('PASSWORD_COST', 12));
begin
  insert into attune_private.user_passwords (user_id, password_hash, changed_at)
  values (set_password.user_id, attune_private.blowfish(password, salt), at)
  on conflict on constraint user_passwords_pkey
  do update set password_hash = excluded.password_hash, changed_at = excluded.changed_at;

  -- What was mailed for the old one, or asked for with it, opens nothing any more.
  delete from attune_private.one_time_tokens as t
  where t.user_id = set_password.user_id
    and t.purpose in ('reset_password', 'change_email');
end;
$$;
comment on function attune_private.set_password(uuid, text, timestamptz) is
  'Gives a user a password, hashed at the cost of the setting `PASSWORD_COST`.';
revoke all on function attune_private.set_password(uuid, text, timestamptz) from public;
--! EndIncluded identity/private/set_password.sql
--! Included identity/private/attempt_subjects.sql
create or replace function attune_private.attempt_subjects(account text, address inet, device_hash bytea default null)
returns setof attune_private.attempt_subject
language sql stable parallel safe security invoker
rows 2
begin atomic
  select s.kind, s.subject_hash, s.free
  from (
    values
      (
        'account',
        case when device_hash is null then attune_private.account_hash(account) end,
        attune_private.system_number('LOGIN_FREE_FAILURES', 5)
      ),
      (
        'address',
        case when device_hash is null then attune_private.address_hash(address) end,
        -- Of an office, or of all phones of a provider.
        attune_private.system_number('LOGIN_FREE_FAILURES_PER_ADDRESS', 100)
      ),
      ('device', device_hash, attune_private.system_number('LOGIN_FREE_FAILURES', 5))
  ) as s (kind, subject_hash, free)
  where s.subject_hash is not null
  order by s.kind;
end;
comment on function attune_private.attempt_subjects(text, inet, bytea) is
  'By what failures are counted: the account that somebody tries, and the network address, where it is known. '
  'Somebody whose device or session is known is counted by it alone: no stranger''s failures lock them out.';
revoke all on function attune_private.attempt_subjects(text, inet, bytea) from public;
--! EndIncluded identity/private/attempt_subjects.sql
--! Included identity/private/login_wait.sql
create or replace function attune_private.login_wait(
  subjects attune_private.attempt_subject[],
  at timestamptz default now()
)
returns integer
language sql stable parallel safe security invoker
begin atomic
  select coalesce(max(ceil(extract(epoch from a.blocked_until - login_wait.at))::integer), 0)
  from unnest(subjects) as s
  join attune_private.login_attempts as a on a.kind = s.kind and a.subject_hash = s.subject_hash
  where a.blocked_until > login_wait.at;
end;
comment on function attune_private.login_wait(attune_private.attempt_subject[], timestamptz) is
  'For how many seconds more nobody may try this account, or this address any account; 0 for not at all.';
revoke all on function attune_private.login_wait(attune_private.attempt_subject[], timestamptz) from public;
--! EndIncluded identity/private/login_wait.sql
--! Included identity/private/count_login_failure.sql
create or replace function attune_private.count_login_failure(
  subjects attune_private.attempt_subject[],
  at timestamptz default now()
)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  longest constant interval := attune_private.system_interval('LOGIN_LONGEST_WAIT', '15 minutes');
begin
  -- The account first and then the address, everywhere: whoever counts at the same moment waits for the other.
  insert into attune_private.login_attempts as a (kind, subject_hash, failures, last_failed_at)
  select s.kind, s.subject_hash, 1, count_login_failure.at
  from unnest(subjects) as s
  order by s.kind
  on conflict on constraint login_attempts_pkey do update set
    failures = case when a.last_failed_at > count_login_failure.at - interval '1 day' then a.failures + 1 else 1 end,
    last_failed_at = greatest(a.last_failed_at, count_login_failure.at);

  -- 1, 2, 4, 8… seconds.
  update attune_private.login_attempts as a
  set blocked_until = a.last_failed_at + least(interval '1 second' * power(2, least(a.failures - s.free, 24)), longest)
  from unnest(subjects) as s
  where a.kind = s.kind
    and a.subject_hash = s.subject_hash
    and a.failures >= s.free;
end;
$$;
comment on function attune_private.count_login_failure(attune_private.attempt_subject[], timestamptz) is
  'Counts a failure for each subject, and makes it wait: longer each time, from the failure that the settings '
  '`LOGIN_FREE_FAILURES` and `LOGIN_FREE_FAILURES_PER_ADDRESS` say, up to `LOGIN_LONGEST_WAIT`. '
  'After a day without one it starts again.';
revoke all on function attune_private.count_login_failure(attune_private.attempt_subject[], timestamptz) from public;
--! EndIncluded identity/private/count_login_failure.sql
--! Included identity/private/forgive_login_failures.sql
create or replace function attune_private.forgive_login_failures(subjects attune_private.attempt_subject[])
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  forgiven integer;
begin
  delete from attune_private.login_attempts as a
  using unnest(subjects) as s
  where a.kind = s.kind
    and a.subject_hash = s.subject_hash
    and s.kind in ('account', 'device')
  returning a.failures into forgiven;

  -- No more than this account's: who tries everybody's password from here does not get away with signing in as himself.
  update attune_private.login_attempts as a
  set failures = greatest(a.failures - forgiven, 0), blocked_until = null
  from unnest(subjects) as s
  where a.kind = s.kind
    and a.subject_hash = s.subject_hash
    and s.kind = 'address'
    and forgiven > 0;
end;
$$;
comment on function attune_private.forgive_login_failures(attune_private.attempt_subject[]) is
  'After a success: forgets the failures of the account, and takes as many off those of the address.';
revoke all on function attune_private.forgive_login_failures(attune_private.attempt_subject[]) from public;
--! EndIncluded identity/private/forgive_login_failures.sql
--! Included identity/private/prove_password.sql
create or replace function attune_private.prove_password(
  user_id uuid,
  account text,
  password text,
  at timestamptz default now(),
  address inet default attune_private.request_address(),
  device_hash bytea default null
)
returns attune.refusal
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  cost constant integer := attune_private.system_number('PASSWORD_COST', 12);
  subjects constant attune_private.attempt_subject[] := array(
    select s from attune_private.attempt_subjects(account, address, device_hash) as s
  );
  wait integer := attune_private.login_wait(subjects, at);
  stored text;
  locked text;
  matches boolean;
begin
  if wait = 0 then
    select p.password_hash into stored
    from attune_private.user_passwords as p
    where p.user_id = prove_password.user_id;

    loop
      -- As much work for an account that does not exist, or has no password. NULL is no match.
      matches := attune_private.blowfish(
        coalesce(prove_password.password, ''),
        coalesce(stored, format('$2a$%s$%s', to_char(cost, 'fm00'), repeat('.', 22)))
      ) = stored and octet_length(prove_password.password) <= 72;
      exit when matches is not true;

      -- Whoever changes the password from here on waits, and then finds the session that this one opens.
      select p.password_hash into locked
      from attune_private.user_passwords as p
      where p.user_id = prove_password.user_id
      for no key update;
      exit when locked is not distinct from stored;
      stored := locked;
    end loop;

    -- Guesses that come all at once are judged one after the other, and are no more than those that do come so.
    perform pg_advisory_xact_lock(hashtextextended(format('attune attempt %s', s.subject_hash), 0))
    from unnest(subjects) with ordinality as s (kind, subject_hash, free, place)
    order by s.place;

    wait := attune_private.login_wait(subjects, at);
  end if;

  if wait > 0 then
    perform attune_private.log_security('login_blocked', prove_password.user_id, address => prove_password.address);
    return attune_private.refuse(
      'PT429', 'too_many_attempts', format('Too many failures: wait %s seconds', wait),
      'Try again after the wait. Whoever is signed in stays so.', wait
    );
  end if;

  if matches is not true then
    perform attune_private.count_login_failure(subjects, at);
    perform attune_private.log_security('login_failed', prove_password.user_id, address => prove_password.address);
    return attune_private.refuse(
      'PT401', 'invalid_credentials', 'The e-mail address or the password is wrong',
      'Check both, or ask for a mail to reset the password.'
    );
  end if;

  -- A raised cost reaches those who come back.
  if substring(stored from '^\$2[a-z]?\$(\d\d)\$')::integer < cost then
    update attune_private.user_passwords as p
    set password_hash = attune_private.blowfish(prove_password.password, attune_private.blowfish_salt(cost))
    where p.user_id = prove_password.user_id;
  end if;

  perform attune_private.forgive_login_failures(subjects);
  return null;
end;
$$;
comment on function attune_private.prove_password(uuid, text, text, timestamptz, inet, bytea) is
  'NULL when it is the user''s password; else a refusal, `invalid_credentials` or `too_many_attempts`, with the '
  'failure counted. '
  'An unknown user takes as long as a wrong password.';
revoke all on function attune_private.prove_password(uuid, text, text, timestamptz, inet, bytea) from public;
--! EndIncluded identity/private/prove_password.sql
--! Included identity/private/prove_own_password.sql
create or replace function attune_private.prove_own_password(
  user_id uuid,
  password text,
  at timestamptz default now(),
  address inet default attune_private.request_address()
)
returns attune.refusal
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  refusal attune.refusal;
begin
  -- Counted by the session: with a stolen token nobody can try passwords for long, and no stranger keeps its user out.
  refusal := attune_private.prove_password(
    prove_own_password.user_id,
    null,
    password,
    at,
    address,
    sha256(convert_to(
      coalesce(attune_private.current_session_id(prove_own_password.user_id), prove_own_password.user_id)::text, 'UTF8'
    ))
  );

  if refusal.reason = 'invalid_credentials' then
    return attune_private.refuse('42501', 'wrong_password', 'The password is wrong', 'Check it.');
  end if;

  return refusal;
end;
$$;
comment on function attune_private.prove_own_password(uuid, text, timestamptz, inet) is
  'As `prove_password`, for somebody who is signed in: `wrong_password` or `too_many_attempts`.';
revoke all on function attune_private.prove_own_password(uuid, text, timestamptz, inet) from public;
--! EndIncluded identity/private/prove_own_password.sql
--! Included identity/private/current_session_id.sql
create or replace function attune_private.current_session_id(user_id uuid)
returns uuid
language sql stable parallel safe security invoker
begin atomic
  -- Of our own tokens only: `current_user_id` has made sure that it is the caller's.
  select case
    when coalesce(auth.jwt() ->> 'iss', attune_private.own_issuer()) = attune_private.own_issuer()
      and current_session_id.user_id is not null
      then (auth.jwt() ->> 'session_id')::uuid
  end;
end;
comment on function attune_private.current_session_id(uuid) is
  'The session of the request''s token, whose user was found out; NULL when it has none, or nobody is signed in.';
revoke all on function attune_private.current_session_id(uuid) from public;
--! EndIncluded identity/private/current_session_id.sql
--! Included identity/private/signed_in_at.sql
create or replace function attune_private.signed_in_at(user_id uuid)
returns timestamptz
language sql stable parallel safe security invoker
begin atomic
  select coalesce(
    (
      select s.created_at
      from attune.sessions as s
      where s.user_id = signed_in_at.user_id
        and s.id = attune_private.current_session_id(signed_in_at.user_id)
    ),
    (
      select to_timestamp(least((c.claims -> 'iat')::numeric, extract(epoch from now())))
      from (select auth.jwt() as claims) as c
      where jsonb_typeof(c.claims -> 'iat') = 'number'
    )
  );
end;
comment on function attune_private.signed_in_at(uuid) is
  'When the caller signed in: when the session of their token began or, without one, when the token was issued; NULL '
  'when it does not say.';
revoke all on function attune_private.signed_in_at(uuid) from public;
--! EndIncluded identity/private/signed_in_at.sql
--! Included identity/private/refuse_unknown_identity.sql
create or replace function attune_private.refuse_unknown_identity()
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = 'PT404',
    message = 'There is no such identity',
    detail = 'unknown_identity',
    hint = 'List the identities of the user.';
end;
$$;
comment on function attune_private.refuse_unknown_identity() is 'Refuses: `unknown_identity`.';
revoke all on function attune_private.refuse_unknown_identity() from public;
--! EndIncluded identity/private/refuse_unknown_identity.sql
--! Included identity/private/register.sql
create or replace function attune_private.register(email text, password text, name text, at timestamptz default now())
returns attune.session_tokens
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  address constant inet := attune_private.request_address();
  -- A trusted server registers for whom it likes.
  counted constant bytea := case when not attune_private.is_trusted() then attune_private.address_hash(address) end;
  most constant integer := attune_private.system_number('REGISTRATIONS_PER_DAY', 100);
  registered uuid;
begin
  perform attune_private.check_password(password);

  if counted is not null and not attune_private.may_spend('registration', counted, most, at) then
    perform attune_private.refuse_registrations(at);
  end if;

  if attune_private.mail_address(register.email) is null then
    perform attune_private.refuse_email();
  end if;

  insert into attune.users (email, name)
  values (register.email, nullif(btrim(register.name), ''))
  returning id into registered;

  perform attune_private.set_password(registered, password, at);
  perform attune_private.mail_verification(registered, address, at);
  perform attune_private.log_security('registered', registered, null, address);

  -- At the end, because others from there wait from here on.
  if counted is not null and not attune_private.spend('registration', counted, most, at) then
    perform attune_private.refuse_registrations(at);
  end if;

  return attune_private.start_session(registered, at, address);
end;
$$;
comment on function attune_private.register(text, text, text, timestamptz) is 'See `attune.register`.';
revoke all on function attune_private.register(text, text, text, timestamptz) from public;
--! EndIncluded identity/private/register.sql
--! Included identity/private/login.sql
create or replace function attune_private.login(
  email text,
  password text,
  device_token text default null,
  at timestamptz default now()
)
returns attune.session_tokens
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  account constant text := coalesce(attune_private.email_key(login.email), '');
  address constant inet := attune_private.request_address();
  known uuid;
  tokens attune.session_tokens;
begin
  select e.user_id into known from attune.user_emails as e where e.email = account;

  tokens.refusal := attune_private.prove_password(
    known, account, password, at, address, attune_private.known_device(known, device_token)
  );

  if (tokens.refusal).code is null then
    tokens := attune_private.start_session(known, at, address, device_token);
    perform attune_private.log_security('logged_in', known, tokens.session_id, address);
  end if;

  return tokens;
end;
$$;
comment on function attune_private.login(text, text, text, timestamptz) is 'See `attune.login`.';
revoke all on function attune_private.login(text, text, text, timestamptz) from public;
--! EndIncluded identity/private/login.sql
--! Included identity/private/refresh_session.sql
create or replace function attune_private.refresh_session(refresh_token text, at timestamptz default now())
returns attune.session_tokens
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  -- 16 bytes of user, 16 of session, 32 of secret.
  bytes constant bytea := attune_private.from_base64url(refresh_session.refresh_token, 64);
  names constant bytea := substring(bytes for 32);
  secret bytea := substring(bytes from 33);
  session attune.sessions;
  token attune_private.refresh_tokens;
  address inet;
  tokens attune.session_tokens;
begin
  -- Who knows the secret may make others wait for the session; a guess may not.
  perform from attune_private.refresh_tokens as t
  where t.user_id = encode(substring(names for 16), 'hex')::uuid
    and t.session_id = encode(substring(names from 17), 'hex')::uuid
    and t.token_hash = sha256(bytes);

  if found then
    select s.* into session
    from attune.sessions as s
    where s.user_id = encode(substring(names for 16), 'hex')::uuid
      and s.id = encode(substring(names from 17), 'hex')::uuid
    for no key update;
  end if;

  if session.id is null then
    tokens.refusal := attune_private.refuse(
      'PT401', 'invalid_refresh_token', 'This refresh token opens no session', 'Sign in again.'
    );
    return tokens;
  end if;

  if session.revoked_at is not null or session.idle_until <= at or session.expires_at <= at then
    tokens.refusal := attune_private.refuse('PT401', 'session_ended', 'The session has ended', 'Sign in again.');
    return tokens;
  end if;

  -- Only now, when nobody else can exchange it.
  select t.* into token
  from attune_private.refresh_tokens as t
  where t.user_id = session.user_id
    and t.session_id = session.id
    and t.token_hash = sha256(bytes);

  if token.used_at is null then
    token.salt := attune_private.random_bytes(32);

    update attune_private.refresh_tokens as t
    set used_at = refresh_session.at, salt = token.salt
    where t.user_id = token.user_id
      and t.session_id = token.session_id
      and t.token_hash = token.token_hash;

    secret := attune_private.hmac_sha256(token.salt, secret);

    insert into attune_private.refresh_tokens (user_id, session_id, token_hash, created_at)
    values (session.user_id, session.id, sha256(names || secret), at);

    update attune.sessions as s
    set
      last_used_at = refresh_session.at,
      idle_until = least(
        refresh_session.at + attune_private.system_interval('SESSION_IDLE_LIFETIME', '14 days'),
        s.expires_at
      )
    where s.user_id = session.user_id
      and s.id = session.id
    returning s.* into session;
  elsif at - token.used_at <= attune_private.system_interval('REFRESH_TOKEN_REUSE_INTERVAL', '10 seconds') then
    -- A parallel tab. Each used token and its salt lead to the next, up to the one that is current.
    while token.used_at is not null loop
      secret := attune_private.hmac_sha256(token.salt, secret);

      select t.* into strict token
      from attune_private.refresh_tokens as t
      where t.user_id = session.user_id
        and t.session_id = session.id
        and t.token_hash = sha256(names || secret);
    end loop;
  else
    address := attune_private.request_address();
    perform attune_private.log_security('refresh_token_reused', session.user_id, session.id, address);
    perform attune_private.revoke_sessions(
      session.user_id, 'refresh_token_reused', at, only_session => session.id, address => address
    );
    tokens.refusal := attune_private.refuse(
      'PT401', 'refresh_token_reused', 'This refresh token was used before: the session is ended, because somebody may have stolen it',
      'Sign in again.'
    );
    return tokens;
  end if;

  return attune_private.session_tokens(session, secret, at);
end;
$$;
comment on function attune_private.refresh_session(text, timestamptz) is 'See `attune.refresh_session`.';
revoke all on function attune_private.refresh_session(text, timestamptz) from public;
--! EndIncluded identity/private/refresh_session.sql
--! Included identity/private/change_password.sql
create or replace function attune_private.change_password(
  user_id uuid,
  current_session uuid,
  old_password text,
  new_password text,
  at timestamptz default now()
)
returns attune.refusal
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  address constant inet := attune_private.request_address();
  refusal attune.refusal;
begin
  perform attune_private.check_password(new_password);

  refusal := attune_private.prove_own_password(change_password.user_id, old_password, at, address);

  if refusal.code is null then
    perform attune_private.set_password(change_password.user_id, new_password, at);
    perform attune_private.revoke_sessions(
      change_password.user_id, 'password_changed', at, except_session => current_session, address => address
    );
    perform attune_private.log_security('password_changed', change_password.user_id, current_session, address);
  end if;

  return refusal;
end;
$$;
comment on function attune_private.change_password(uuid, uuid, text, text, timestamptz) is
  'See `attune.change_password`.';
revoke all on function attune_private.change_password(uuid, uuid, text, text, timestamptz) from public;
--! EndIncluded identity/private/change_password.sql
--! Included identity/private/request_password_reset.sql
create or replace function attune_private.request_password_reset(email text, at timestamptz default now())
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  account constant text := attune_private.email_key(request_password_reset.email);
  address constant inet := attune_private.request_address();
begin
  if account is null then
    return;
  end if;

  -- The same is done, and takes as long, whether there is such a user or not: that is looked up when the mail is sent.
  perform attune_private.log_security(
    'password_reset_requested', (select e.user_id from attune.user_emails as e where e.email = account), null, address
  );

  if attune_private.spend_mail(account, 'reset_password', address, at) then
    perform attune_private.send_mail(
      null, 'reset_password', account, '{}', at + attune_private.system_interval('PASSWORD_RESET_LIFETIME', '1 hour'), at
    );
  end if;
end;
$$;
comment on function attune_private.request_password_reset(text, timestamptz) is 'See `attune.request_password_reset`.';
revoke all on function attune_private.request_password_reset(text, timestamptz) from public;
--! EndIncluded identity/private/request_password_reset.sql
--! Included identity/private/reset_password.sql
create or replace function attune_private.reset_password(token text, new_password text, at timestamptz default now())
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  address constant inet := attune_private.request_address();
  owner_id constant uuid := (attune_private.consume_one_time_token(token, 'reset_password', at)).user_id;
begin
  perform attune_private.check_password(new_password);

  update attune.user_emails as e
  set verified_at = reset_password.at
  where e.user_id = owner_id
    and e.verified_at is null;

  if found then
    -- Until now nobody had shown that the address is theirs: whoever took it first keeps no way in.
    perform attune_private.log_security('email_verified', owner_id, null, address);

    perform attune_private.log_security('identity_unlinked', owner_id, null, address)
    from attune.user_identities as i
    where i.user_id = owner_id;

    delete from attune.user_identities as i where i.user_id = owner_id;
  end if;

  perform attune_private.set_password(owner_id, new_password, at);
  perform attune_private.revoke_sessions(owner_id, 'password_reset', at, address => address);
  perform attune_private.log_security('password_reset', owner_id, null, address);

  -- Whoever made the account wait does not keep its owner out, and whoever came in before them is no known device.
  delete from attune_private.known_devices as d where d.user_id = owner_id;

  perform attune_private.forgive_login_failures(
    array(select s from attune_private.attempt_subjects(e.email, address) as s)
  )
  from attune.user_emails as e
  where e.user_id = owner_id;
end;
$$;
comment on function attune_private.reset_password(text, text, timestamptz) is 'See `attune.reset_password`.';
revoke all on function attune_private.reset_password(text, text, timestamptz) from public;
--! EndIncluded identity/private/reset_password.sql
--! Included identity/private/verify_email.sql
create or replace function attune_private.verify_email(token text, caller uuid, at timestamptz default now())
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  perform attune_private.consume_own_token(token, 'verify_email', caller, at);

  update attune.user_emails as e
  set verified_at = verify_email.at
  where e.user_id = caller
    and e.verified_at is null;

  if found then
    perform attune_private.log_security('email_verified', caller);
  end if;
end;
$$;
comment on function attune_private.verify_email(text, uuid, timestamptz) is 'See `attune.verify_email`.';
revoke all on function attune_private.verify_email(text, uuid, timestamptz) from public;
--! EndIncluded identity/private/verify_email.sql

--! Included identity/private/request_email_change.sql
create or replace function attune_private.request_email_change(
  user_id uuid,
  new_email text,
  password text,
  at timestamptz default now()
)
returns attune.refusal
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  mailbox constant text := attune_private.mail_address(new_email);
  expires_at constant timestamptz := at + attune_private.system_interval('EMAIL_VERIFICATION_LIFETIME', '1 day');
  address constant inet := attune_private.request_address();
  refusal attune.refusal;
  asker attune.users;
begin
  if mailbox is null then
    perform attune_private.refuse_email();
  end if;

  -- Who holds a session for a moment must not take the account away with it.
  if exists (select from attune_private.user_passwords as p where p.user_id = request_email_change.user_id) then
    refusal := attune_private.prove_own_password(request_email_change.user_id, password, at, address);
  elsif (attune_private.signed_in_at(request_email_change.user_id) > at - interval '15 minutes') is not true then
    raise exception using
      errcode = '42501',
      message = 'The sign-in was too long ago',
      detail = 'recent_sign_in_required',
      hint = 'Sign in again, and ask within 15 minutes.';
  end if;

  if refusal.code is not null then
    return refusal;
  end if;

  if not attune_private.spend(
    'change_email_user', attune_private.account_hash(request_email_change.user_id::text),
    attune_private.system_number('MAILS_PER_DAY', 20), at
  ) then
    perform attune_private.refuse_for_now(
      'too_many_mails', 'You have asked for too many mails today', 'Go on tomorrow.',
      attune_private.seconds_to_midnight(at)
    );
  end if;

  -- The same is done, and takes as long, whether the address is taken or not: that is looked up when the mail is sent.
  if attune_private.spend_mail(attune_private.email_key(mailbox), 'change_email', address, at) then
    -- The latest one counts.
    delete from attune_private.one_time_tokens as t
    where t.user_id = request_email_change.user_id
      and t.purpose = 'change_email';

    select u.* into asker from attune.users as u where u.id = request_email_change.user_id;

    perform attune_private.send_mail(
      asker.id,
      'change_email',
      mailbox,
      jsonb_build_object(
        'token', attune_private.make_one_time_token(asker.id, mailbox, 'change_email', expires_at, at),
        'name', asker.name
      ),
      expires_at,
      at
    );

    if asker.email is not null then
      perform attune_private.send_mail(
        asker.id, 'email_change_notice', asker.email, jsonb_build_object('name', asker.name, 'new_email', mailbox),
        expires_at, at
      );
    end if;
  end if;

  perform attune_private.log_security(
    'email_change_requested', request_email_change.user_id,
    attune_private.current_session_id(request_email_change.user_id), address
  );
  return null;
end;
$$;
comment on function attune_private.request_email_change(uuid, text, text, timestamptz) is
  'See `attune.request_email_change`.';
revoke all on function attune_private.request_email_change(uuid, text, text, timestamptz) from public;
--! EndIncluded identity/private/request_email_change.sql
--! Included identity/private/confirm_email_change.sql
create or replace function attune_private.confirm_email_change(token text, caller uuid, at timestamptz default now())
returns attune.users
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  address constant text := (attune_private.consume_own_token(token, 'change_email', caller, at)).email;
  changed attune.users;
begin
  -- As whoever comes with this address from a provider does.
  perform pg_advisory_xact_lock(hashtextextended('attune address ' || attune_private.email_key(address), 0));

  update attune.users as u
  set email = address
  where u.id = caller
  returning u.* into changed;

  update attune.user_emails as e
  set verified_at = confirm_email_change.at
  where e.user_id = caller;

  return changed;
end;
$$;
comment on function attune_private.confirm_email_change(text, uuid, timestamptz) is 'See `attune.confirm_email_change`.';
revoke all on function attune_private.confirm_email_change(text, uuid, timestamptz) from public;
--! EndIncluded identity/private/confirm_email_change.sql

--! Included identity/register.sql
create or replace function attune.register(email text, password text, name text default null)
returns attune.session_tokens
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return attune_private.register(email, password, name);
end;
$$;
comment on function attune.register(text, text, text) is
  E'@work password\n'
  '@param email The e-mail address, which nobody else has.\n'
  '@param password The password: 8 to 72 bytes.\n'
  '@param name The name other people see.\n'
  'Makes a user who signs in with an e-mail address and a password of 8 to 72 bytes, signs them in, and mails them '
  'a link that verifies the address (`verify_email`). '
  'Refused: `password_too_short`, `password_too_long`, `invalid_email`, `email_taken`, `too_large`; and '
  '`too_many_registrations`, `too_many_mails` for a network address from which there were too many today.';
revoke all on function attune.register(text, text, text) from public;
grant execute on function attune.register(text, text, text) to anon, authenticated, service_role;
--! EndIncluded identity/register.sql
--! Included identity/login.sql
create or replace function attune.login(email text, password text, device_token text default null)
returns attune.session_tokens
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return attune_private.login(email, password, device_token);
end;
$$;
comment on function attune.login(text, text, text) is
  E'@work password\n'
  '@param email The e-mail address of the account, in whatever case.\n'
  '@param password Its password.\n'
  '@param device_token The `device_token` that signing in from this device gave before, if any: who shows it is not '
  'locked out by the failures of others.\n'
  'Signs in with an e-mail address and a password. '
  'Refused: `invalid_credentials`, whether there is such an account or not; after some failures '
  '`too_many_attempts`, with the seconds to wait. '
  'Both are returned as `refusal` by the database, so that failures stay counted.';
revoke all on function attune.login(text, text, text) from public;
grant execute on function attune.login(text, text, text) to anon, authenticated, service_role;
--! EndIncluded identity/login.sql
--! Included identity/refresh_session.sql
create or replace function attune.refresh_session(refresh_token text)
returns attune.session_tokens
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return attune_private.refresh_session(refresh_token);
end;
$$;
comment on function attune.refresh_session(text) is
  E'@param refresh_token The refresh token that came last.\n'
  'Exchanges a refresh token for the next two tokens. '
  'For some seconds (the setting `REFRESH_TOKEN_REUSE_INTERVAL`) the same token gives the same successor, so that '
  'parallel tabs agree; after that, its reuse ends the session. '
  'Refused: `invalid_refresh_token`, `session_ended`, `refresh_token_reused`; returned as `refusal` by the '
  'database, so that the session stays ended.';
revoke all on function attune.refresh_session(text) from public;
grant execute on function attune.refresh_session(text) to anon, authenticated, service_role;
--! EndIncluded identity/refresh_session.sql
--! Included identity/open_session.sql
create or replace function attune.open_session(user_id uuid, issuer text default null, subject text default null)
returns attune.session_tokens
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  address constant inet := attune_private.request_address();
  tokens attune.session_tokens;
begin
  perform from attune.users as u where u.id = open_session.user_id for key share;

  if not found then
    perform attune_private.refuse_unknown_user();
  end if;

  if num_nonnulls(issuer, subject) > 0 then
    -- Who unlinks it at this moment is waited for, or ends this session too.
    perform
    from attune.user_identities as i
    where i.user_id = open_session.user_id
      and i.issuer = open_session.issuer
      and i.subject = open_session.subject
    for key share;

    if not found then
      perform attune_private.refuse_unknown_identity();
    end if;
  end if;

  tokens := attune_private.start_session(
    open_session.user_id, now(), address, issuer => open_session.issuer, subject => open_session.subject
  );
  perform attune_private.log_security('logged_in', open_session.user_id, tokens.session_id, address);
  return tokens;
end;
$$;
comment on function attune.open_session(uuid, text, text) is
  E'@param user_id Whom to sign in.\n'
  '@param issuer The provider through which, if it was one: the `iss` of its token.\n'
  '@param subject Who the user is there: the `sub` of its token.\n'
  'Signs in a user whom a trusted server has recognised, such as after `link_or_register_user`. '
  'A session that is opened through an identity ends when that is unlinked. '
  'Refused: `unknown_user`, `unknown_identity`.';
revoke all on function attune.open_session(uuid, text, text) from public;
grant execute on function attune.open_session(uuid, text, text) to service_role;
--! EndIncluded identity/open_session.sql
--! Included identity/logout.sql
create or replace function attune.logout()
returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant uuid := attune.current_user_id();
  session_id constant uuid := attune_private.current_session_id(caller);
begin
  return session_id is not null
    and attune_private.revoke_sessions(caller, 'logout', only_session => session_id) > 0;
end;
$$;
comment on function attune.logout() is
  E'@resultFieldName hadSession\n'
  'Ends the session of the request''s token, at once; returns whether there was one to end.';
revoke all on function attune.logout() from public;
grant execute on function attune.logout() to anon, authenticated;
--! EndIncluded identity/logout.sql
--! Included identity/logout_everywhere.sql
create or replace function attune.logout_everywhere()
returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return attune_private.revoke_sessions(attune_hidden.require_user_id(), 'logout_everywhere');
end;
$$;
comment on function attune.logout_everywhere() is
  E'@resultFieldName endedSessions\n'
  'Ends all sessions of the caller, this one included, and returns how many. '
  'Refused: `not_signed_in`.';
revoke all on function attune.logout_everywhere() from public;
grant execute on function attune.logout_everywhere() to anon, authenticated;
--! EndIncluded identity/logout_everywhere.sql
--! Included identity/revoke_session.sql
create or replace function attune.revoke_session(session_id uuid)
returns attune.sessions
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant uuid := attune_hidden.require_user_id();
  session attune.sessions;
begin
  perform attune_private.revoke_sessions(caller, 'revoked', only_session => coalesce(session_id, gen_random_uuid()));

  select s.* into session
  from attune.sessions as s
  where s.user_id = caller
    and s.id = revoke_session.session_id;

  if not found then
    raise exception using
      errcode = 'PT404',
      message = 'There is no such session',
      detail = 'unknown_session',
      hint = 'List your sessions.';
  end if;

  return session;
end;
$$;
comment on function attune.revoke_session(uuid) is
  E'@param session_id Which session.\n'
  'Ends one session of the caller, at once; one that was ended stays as it is. '
  'Refused: `not_signed_in`, `unknown_session`.';
revoke all on function attune.revoke_session(uuid) from public;
grant execute on function attune.revoke_session(uuid) to anon, authenticated;
--! EndIncluded identity/revoke_session.sql
--! Included identity/change_password.sql
create or replace function attune.change_password(old_password text, new_password text)
returns attune.refusal
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant uuid := attune_hidden.require_user_id();
begin
  return attune_private.change_password(
    caller, attune_private.current_session_id(caller), old_password, new_password
  );
end;
$$;
comment on function attune.change_password(text, text) is
  E'@work password\n'
  '@param old_password The password until now.\n'
  '@param new_password The password from now on: 8 to 72 bytes.\n'
  'Changes the caller''s password and ends all other sessions of theirs. '
  'Who has no password yet gets one with `request_password_reset`. '
  'Refused: `not_signed_in`, `password_too_short`, `password_too_long`; and `wrong_password`, `too_many_attempts`, '
  'which the database returns, so that failures stay counted.';
revoke all on function attune.change_password(text, text) from public;
grant execute on function attune.change_password(text, text) to anon, authenticated;
--! EndIncluded identity/change_password.sql
--! Included identity/request_password_reset.sql
create or replace function attune.request_password_reset(email text)
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform attune_private.request_password_reset(email);
end;
$$;
comment on function attune.request_password_reset(text) is
  E'@param email The e-mail address of the account.\n'
  'Mails a link that sets a new password (`reset_password`), at most one a minute, to the user with this address. '
  'It answers the same, and as fast, when there is none. '
  'Refused: `too_many_mails`, for a network address from which too many were asked for today.';
revoke all on function attune.request_password_reset(text) from public;
grant execute on function attune.request_password_reset(text) to anon, authenticated, service_role;
--! EndIncluded identity/request_password_reset.sql
--! Included identity/reset_password.sql
create or replace function attune.reset_password(token text, new_password text)
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform attune_private.reset_password(token, new_password);
end;
$$;
comment on function attune.reset_password(text, text) is
  E'@work password\n'
  '@param token The token of the mail.\n'
  '@param new_password The password from now on: 8 to 72 bytes.\n'
  'Sets a new password with the token of a mail (`request_password_reset`), and ends all sessions of the user. '
  'It also shows that the address is theirs; identities that were linked before that was shown are unlinked. '
  'Refused: `invalid_one_time_token`, `password_too_short`, `password_too_long`.';
revoke all on function attune.reset_password(text, text) from public;
grant execute on function attune.reset_password(text, text) to anon, authenticated, service_role;
--! EndIncluded identity/reset_password.sql
--! Included identity/request_email_verification.sql
create or replace function attune.request_email_verification()
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant uuid := attune_hidden.require_user_id();
begin
  perform attune_private.mail_verification(e.user_id)
  from attune.user_emails as e
  where e.user_id = caller
    and e.verified_at is null;
end;
$$;
comment on function attune.request_email_verification() is
  'Mails the caller another link that verifies their address (`verify_email`), at most one a minute, unless it is '
  'verified. '
  'Refused: `not_signed_in`, `too_many_mails`.';
revoke all on function attune.request_email_verification() from public;
grant execute on function attune.request_email_verification() to anon, authenticated;
--! EndIncluded identity/request_email_verification.sql
--! Included identity/verify_email.sql
create or replace function attune.verify_email(token text)
returns attune.users
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant uuid := attune_hidden.require_user_id();
  verified attune.users;
begin
  perform attune_private.verify_email(token, caller);
  select u.* into verified from attune.users as u where u.id = caller;
  return verified;
end;
$$;
comment on function attune.verify_email(text) is
  E'@param token The token of the mail.\n'
  'Shows with the token of a mail that the address is the caller''s own, and returns the caller. '
  'Whoever was mailed has to be signed in, so that nobody vouches for a stranger who registered their address. '
  'Refused: `not_signed_in`, `invalid_one_time_token`.';
revoke all on function attune.verify_email(text) from public;
grant execute on function attune.verify_email(text) to anon, authenticated;
--! EndIncluded identity/verify_email.sql
--! Included identity/request_email_change.sql
create or replace function attune.request_email_change(new_email text, password text default null)
returns attune.refusal
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return attune_private.request_email_change(attune_hidden.require_user_id(), new_email, password);
end;
$$;
comment on function attune.request_email_change(text, text) is
  E'@work password\n'
  '@param new_email The address from then on.\n'
  '@param password The password of the account; needless where it has none.\n'
  'Mails a link to another address, at most one a minute, which makes it the caller''s (`confirm_email_change`), and a '
  'notice to the one until now. '
  'Nothing changes before. '
  'It answers the same when the address is taken: then the mail tells whoever has it. '
  'The password is asked of those who have one, a sign-in within the last 15 minutes of the others. '
  'Refused: `not_signed_in`, `invalid_email`, `recent_sign_in_required`, `too_many_mails`; and `wrong_password`, '
  '`too_many_attempts`, which the database returns, so that failures stay counted.';
revoke all on function attune.request_email_change(text, text) from public;
grant execute on function attune.request_email_change(text, text) to anon, authenticated;
--! EndIncluded identity/request_email_change.sql
--! Included identity/confirm_email_change.sql
create or replace function attune.confirm_email_change(token text)
returns attune.users
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return attune_private.confirm_email_change(token, attune_hidden.require_user_id());
end;
$$;
comment on function attune.confirm_email_change(text) is
  E'@param token The token of the mail.\n'
  'Makes an address the caller''s own, verified, with the token that was mailed there (`request_email_change`), and '
  'returns the caller. '
  'Links that were mailed to the former address open nothing any more; sessions go on. '
  'Refused: `not_signed_in`, `invalid_one_time_token`, `email_taken`.';
revoke all on function attune.confirm_email_change(text) from public;
grant execute on function attune.confirm_email_change(text) to anon, authenticated;
--! EndIncluded identity/confirm_email_change.sql
--! Included identity/delete_account.sql
create or replace function attune.delete_account(password text default null)
returns attune.deleted_account
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant uuid := attune_hidden.require_user_id();
  result attune.deleted_account;
begin
  if exists (select from attune_private.user_passwords as p where p.user_id = caller) then
    result.refusal := attune_private.prove_own_password(caller, password);
  end if;

  if (result.refusal).code is null then
    -- What the user belongs to first and then the user, as those do who change its members.
    perform
    from attune.teams as t
    where t.id in (select m.team_id from attune.team_members as m where m.user_id = caller)
    order by t.id
    for no key update;

    perform
    from attune.projects as p
    where p.id in (select m.project_id from attune.project_members as m where m.user_id = caller)
    order by p.id
    for no key update;

    delete from attune.users as u where u.id = caller;
    result.user_id := caller;
  end if;

  return result;
end;
$$;
comment on function attune.delete_account(text) is
  E'@work password\n'
  '@param password The password of the account; needless where it has none.\n'
  'Deletes the caller and everything of theirs, with the teams and projects to which nobody else belongs. '
  'Returns whose it was. '
  'The logs keep that something happened, and no values. '
  'The password is asked of those who have one. '
  'Refused: `not_signed_in`, `last_owner`; and `wrong_password`, `too_many_attempts`, which the database returns, '
  'so that failures stay counted.';
revoke all on function attune.delete_account(text) from public;
grant execute on function attune.delete_account(text) to anon, authenticated;
--! EndIncluded identity/delete_account.sql

-- Outside providers

--! Included identity/hidden/spend_sign_in.sql
create or replace function attune_hidden.spend_sign_in(attempt text, lifetime interval)
returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into attune_private.spent_sign_ins (attempt_hash, expires_at)
  values (sha256(convert_to(spend_sign_in.attempt, 'UTF8')), now() + spend_sign_in.lifetime)
  on conflict on constraint spent_sign_ins_pkey do nothing;

  return found;
end;
$$;
comment on function attune_hidden.spend_sign_in(text, interval) is
  E'@param attempt What names the attempt: the `state` that was sent to the provider.\n'
  '@param lifetime For how long at most the attempt could be shown again.\n'
  'Uses an attempt to sign in with a provider; false when it was used before, at whichever server. '
  'For the server, which is trusted.';
revoke all on function attune_hidden.spend_sign_in(text, interval) from public;
grant execute on function attune_hidden.spend_sign_in(text, interval) to service_role;
--! EndIncluded identity/hidden/spend_sign_in.sql
--! Included identity/private/check_identity.sql
create or replace function attune_private.check_identity(issuer text, subject text)
returns void
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  if (
    char_length(issuer) between 1 and 2048
    and char_length(subject) between 1 and 255
    and issuer <> attune_private.own_issuer()
  ) is not true then
    raise exception using
      errcode = 'PT422',
      message = 'This is no identity of an outside provider',
      detail = 'invalid_identity',
      hint = 'Give the issuer and the subject of its token.';
  end if;
end;
$$;
comment on function attune_private.check_identity(text, text) is
  'Refuses (`invalid_identity`) what can be no identity of an outside provider.';
revoke all on function attune_private.check_identity(text, text) from public;
--! EndIncluded identity/private/check_identity.sql
--! Included identity/private/text_claim.sql
create or replace function attune_private.text_claim(claims jsonb, variadic names text[])
returns text
language sql immutable parallel safe security invoker
begin atomic
  select claims ->> n.name
  from unnest(names) with ordinality as n (name, place)
  where jsonb_typeof(claims -> n.name) = 'string'
    and btrim(claims ->> n.name) <> ''
  order by n.place
  limit 1;
end;
comment on function attune_private.text_claim(jsonb, text[]) is
  'The first of these claims that is a text, and not a blank one: an object or a number is no name.';
revoke all on function attune_private.text_claim(jsonb, text[]) from public;
--! EndIncluded identity/private/text_claim.sql
--! Included identity/private/adopt_address.sql
create or replace function attune_private.adopt_address(user_id uuid, address text)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  if address is null or not exists (
    select from attune.users as u
    where u.id = adopt_address.user_id
      and u.email is null
  ) then
    return;
  end if;

  perform pg_advisory_xact_lock(hashtextextended('attune address ' || attune_private.email_key(address), 0));

  update attune.users as u
  set email = adopt_address.address
  where u.id = adopt_address.user_id
    and u.email is null
    and not exists (select from attune.user_emails as e where e.email = attune_private.email_key(adopt_address.address));
end;
$$;
comment on function attune_private.adopt_address(uuid, text) is
  'Gives a user who has no e-mail address the one that a provider tells later, unless somebody else has it.';
revoke all on function attune_private.adopt_address(uuid, text) from public;
--! EndIncluded identity/private/adopt_address.sql
--! Included identity/private/refresh_identity.sql
create or replace function attune_private.refresh_identity(
  issuer text,
  subject text,
  email text,
  name text,
  avatar_url text,
  company_name text,
  issued_at numeric default null
)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  previous attune.user_identities;
  told attune.user_identities;
begin
  select i.* into previous
  from attune.user_identities as i
  where i.issuer = refresh_identity.issuer
    and i.subject = refresh_identity.subject;

  if not found then
    return;
  end if;

  -- Of two tokens that are used at once the newer one counts.
  if issued_at < floor(extract(epoch from previous.last_issued_at)) then
    return;
  end if;

  -- A token that says nothing of the name does not take it away; what it says in no shape we know, it does not say.
  told := previous;
  told.email := coalesce(attune_private.mail_address(email), previous.email);
  told.name := coalesce(left(nullif(btrim(name), ''), 200), previous.name);
  told.avatar_url := coalesce(
    case when attune_private.is_avatar_url(btrim(avatar_url)) then btrim(avatar_url) end, previous.avatar_url
  );
  told.company_name := coalesce(left(nullif(btrim(company_name), ''), 200), previous.company_name);

  -- A provider's clock may be ahead, by as much as servers take, and its number of whatever size.
  told.last_issued_at := greatest(
    previous.last_issued_at,
    case when issued_at > 0 then to_timestamp(least(issued_at, extract(epoch from clock_timestamp()) + 30)) end
  );

  if told = previous then
    return;
  end if;

  -- The user first and then the identity, as whoever deletes the account does.
  perform from attune.users as u where u.id = previous.user_id for no key update;

  update attune.user_identities as i
  set
    email = told.email,
    name = told.name,
    avatar_url = told.avatar_url,
    company_name = told.company_name,
    last_issued_at = told.last_issued_at
  where i.issuer = told.issuer
    and i.subject = told.subject;

  -- What the user has not edited is what the provider said last.
  update attune.users as u
  set
    name = case when u.name is not distinct from previous.name then told.name else u.name end,
    avatar_url = case when u.avatar_url is not distinct from previous.avatar_url then told.avatar_url else u.avatar_url end,
    company_name = case
      when u.company_name is not distinct from previous.company_name then told.company_name
      else u.company_name
    end
  where u.id = told.user_id
    and (told.name, told.avatar_url, told.company_name) is distinct from (u.name, u.avatar_url, u.company_name);
end;
$$;
comment on function attune_private.refresh_identity(text, text, text, text, text, text, numeric) is
  'Keeps what a provider last told of a user, and passes it on to the profile where the user has not edited it.';
revoke all on function attune_private.refresh_identity(text, text, text, text, text, text, numeric) from public;
--! EndIncluded identity/private/refresh_identity.sql
--! Included identity/private/note_unmirrored.sql
create or replace function attune_private.note_unmirrored(user_id uuid, reason text, problem text)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into attune.maintenance_operations (operation, table_name, status, reason, details, error, actor_role)
  values (
    'mirror_auth_users',
    'attune.users',
    'failed',
    note_unmirrored.reason,
    jsonb_build_object('user_id', note_unmirrored.user_id),
    left(note_unmirrored.problem, 1000),
    attune_private.request_role()
  );
exception
  -- Whoever signs up is not kept out by our records.
  when others then
    raise warning '%: % (%)', note_unmirrored.reason, note_unmirrored.problem, note_unmirrored.user_id;
end;
$$;
comment on function attune_private.note_unmirrored(uuid, text, text) is
  'Notes in `maintenance_operations` what could not be mirrored of a user of Supabase; refuses nothing.';
revoke all on function attune_private.note_unmirrored(uuid, text, text) from public;
--! EndIncluded identity/private/note_unmirrored.sql
--! Included identity/private/mirror_auth_user.sql
create or replace function attune_private.mirror_auth_user(issuer text, id uuid, email text, profile jsonb)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  address constant text := attune_private.mail_address(email);
  claims constant jsonb := case jsonb_typeof(profile) when 'object' then profile else '{}' end;
  subject constant text := mirror_auth_user.id::text;
  mirrored uuid;
begin
  select i.user_id into mirrored
  from attune.user_identities as i
  where i.issuer = mirror_auth_user.issuer
    and i.subject = mirror_auth_user.id::text;

  if mirrored is null then
    -- A lock for each would be thousands where thousands come at once.
    begin
      mirrored := mirror_auth_user.id;
      insert into attune.users (id) values (mirrored) on conflict on constraint users_pkey do nothing;
      insert into attune.user_identities (issuer, subject, user_id) values (issuer, subject, mirrored);
    exception
      when unique_violation then
        -- They came with a token just now.
        select i.user_id into strict mirrored
        from attune.user_identities as i
        where i.issuer = mirror_auth_user.issuer
          and i.subject = mirror_auth_user.id::text;
    end;
  end if;

  perform attune_private.refresh_identity(
    issuer,
    subject,
    address,
    attune_private.text_claim(claims, 'full_name', 'name'),
    attune_private.text_claim(claims, 'avatar_url', 'picture'),
    attune_private.text_claim(claims, 'company_name', 'company')
  );

  begin
    if email is not null and address is null then
      perform attune_private.refuse_email();
    end if;

    update attune.users as u
    set email = address
    where u.id = mirrored
      and u.email is distinct from address;
  exception
    when others then
      perform attune_private.note_unmirrored(mirror_auth_user.id, 'The user has no e-mail address here', sqlerrm);

      -- The one before is theirs no more.
      update attune.users as u
      set email = null
      where u.id = mirrored
        and u.email is not null;
  end;
exception
  when others then
    perform attune_private.note_unmirrored(mirror_auth_user.id, 'The user was not mirrored', sqlerrm);
end;
$$;
comment on function attune_private.mirror_auth_user(text, uuid, text, jsonb) is
  'Gives a user of Supabase (`auth.users`) a row here, with the same id, an identity by which the tokens of that issuer '
  'are known, and what is told of address and profile. '
  'It refuses nothing: what cannot be, an address that another user has among it, is left out and noted in '
  '`maintenance_operations`.';
revoke all on function attune_private.mirror_auth_user(text, uuid, text, jsonb) from public;
--! EndIncluded identity/private/mirror_auth_user.sql
--! Included identity/private/unmirror_auth_user.sql
create or replace function attune_private.unmirror_auth_user(issuer text, id uuid)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  begin
    delete from attune.users as u where u.id = unmirror_auth_user.id;
  exception
    when others then
      perform attune_private.note_unmirrored(unmirror_auth_user.id, 'The user was not deleted here', sqlerrm);
  end;

  -- Also of who came with a token before, and stays; or could not be deleted.
  begin
    delete from attune.user_identities as i
    where i.issuer = unmirror_auth_user.issuer
      and i.subject = unmirror_auth_user.id::text;
  exception
    when others then
      perform attune_private.note_unmirrored(unmirror_auth_user.id, 'The identity was not ended here', sqlerrm);
  end;

  begin
    update attune.users as u
    set email = null
    where u.id = unmirror_auth_user.id;
  exception
    when others then
      perform attune_private.note_unmirrored(unmirror_auth_user.id, 'The address was not freed here', sqlerrm);
  end;
end;
$$;
comment on function attune_private.unmirror_auth_user(text, uuid) is
  'Deletes the user here who was one of Supabase, or ends at least the identity and frees the address. '
  'It refuses nothing, and notes what could not be in `maintenance_operations`.';
revoke all on function attune_private.unmirror_auth_user(text, uuid) from public;
--! EndIncluded identity/private/unmirror_auth_user.sql
--! Included identity/triggers/tg_auth_users__mirror.sql
create or replace function attune_private.tg_auth_users__mirror()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- Whoever signs up does not wait for us, either.
set lock_timeout = '2s'
as $$
declare
  issuer constant text := tg_argv[0];
begin
  if tg_op = 'DELETE' then
    perform attune_private.unmirror_auth_user(issuer, old.id);
  elsif new.deleted_at is not null then
    perform attune_private.unmirror_auth_user(issuer, new.id);
  elsif tg_op = 'INSERT'
    or (new.email, new.raw_user_meta_data, old.deleted_at)
      is distinct from (old.email, old.raw_user_meta_data, new.deleted_at)
  then
    perform attune_private.mirror_auth_user(issuer, new.id, new.email, new.raw_user_meta_data);
  end if;

  return null;
end;
$$;
comment on function attune_private.tg_auth_users__mirror() is
  'Keeps what is in `auth.users` here, too; its argument is the issuer of the tokens. '
  'It refuses nothing.';
revoke all on function attune_private.tg_auth_users__mirror() from public;
--! EndIncluded identity/triggers/tg_auth_users__mirror.sql
--! Included identity/private/mirror_auth_users.sql
create or replace function attune_private.mirror_auth_users(issuer text)
returns bigint
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  mirrored bigint := 0;
  added bigint;
begin
  perform attune_private.check_identity(issuer, 'users');

  if to_regclass('auth.users') is null then
    raise exception using
      errcode = 'PT404',
      message = 'There is no table auth.users',
      detail = 'no_auth_users',
      hint = 'This is for a database of Supabase: elsewhere users come with their tokens, by provision_user.';
  end if;

  -- The trigger locks the table: most of it is done before, and what came meanwhile after.
  for pass in 1..2 loop
    perform attune_private.mirror_auth_user(mirror_auth_users.issuer, a.id, a.email, a.raw_user_meta_data)
    from auth.users as a
    left join attune.user_identities as i
      on i.issuer = mirror_auth_users.issuer
      and i.subject = a.id::text
    left join attune.users as u on u.id = i.user_id
    where a.deleted_at is null
      and (u.id is null or u.email is null and a.email is not null);
    get diagnostics added = row_count;
    mirrored := mirrored + added;
    exit when pass = 2;

    execute format(
      'create or replace trigger _900_attune '
      'after insert or delete or update of email, raw_user_meta_data, deleted_at on auth.users '
      'for each row execute function attune_private.tg_auth_users__mirror(%L)',
      mirror_auth_users.issuer
    );
  end loop;

  return mirrored;
end;
$$;
comment on function attune_private.mirror_auth_users(text) is
  'Gives all users of Supabase (`auth.users`) a row here, now and from now on, by a trigger; returns how many were '
  'missing, or had no address here. '
  'The issuer is the `iss` of their tokens. '
  'It can be called again: for another issuer, or where `maintenance_operations` says that something could not be. '
  'Refused: `no_auth_users`, `invalid_identity`.';
revoke all on function attune_private.mirror_auth_users(text) from public;
--! EndIncluded identity/private/mirror_auth_users.sql
--! Included identity/private/link_or_register_user.sql
create or replace function attune_private.link_or_register_user(
  issuer text,
  subject text,
  email text,
  email_verified boolean,
  name text,
  avatar_url text,
  company_name text,
  is_by_token boolean,
  issued_at numeric
)
returns attune.users
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  address constant text := attune_private.mail_address(email);
  is_verified constant boolean := address is not null and coalesce(email_verified, false);
  found_id uuid;
  holder attune.user_emails;
  result attune.users;
begin
  perform attune_private.check_identity(issuer, subject);

  -- Parallel first requests of one identity come one after the other, and so do two identities with one address.
  perform pg_advisory_xact_lock(hashtextextended(format('attune identity %s %s', issuer, subject), 0));

  select i.user_id into found_id
  from attune.user_identities as i
  where i.issuer = link_or_register_user.issuer
    and i.subject = link_or_register_user.subject;

  -- Only now: where it was found no more, what ended it is seen. One that is linked again stays closed to such a token.
  if is_by_token and attune_private.is_spent(issuer, subject, to_jsonb(issued_at)) then
    raise exception using
      errcode = 'PT401',
      message = 'This token was issued before its identity was unlinked, or its account deleted',
      detail = 'identity_ended',
      hint = 'Sign in again at the provider.';
  end if;

  if found_id is null then
    begin
      perform pg_advisory_xact_lock(hashtextextended('attune address ' || attune_private.email_key(address), 0));
      select e.* into holder from attune.user_emails as e where e.email = attune_private.email_key(address);

      if holder.user_id is null then
        insert into attune.users (email) values (address) returning id into found_id;
        perform attune_private.log_security('registered', found_id);
      elsif is_verified and holder.verified_at is not null then
        found_id := holder.user_id;
      else
        perform attune_private.refuse_taken_email('Sign in as before, verify the address, and link this identity then.');
      end if;

      insert into attune.user_identities (issuer, subject, user_id)
      values (link_or_register_user.issuer, link_or_register_user.subject, found_id);

      if holder.user_id is not null then
        perform attune_private.log_security('identity_linked', found_id);
      end if;
    exception
      when unique_violation or sqlstate 'PT409' then
        -- Whoever mirrors the users of Supabase takes no such lock: where they were faster, the identity is there now.
        select i.user_id into found_id
        from attune.user_identities as i
        where i.issuer = link_or_register_user.issuer
          and i.subject = link_or_register_user.subject;

        if found_id is null then
          raise;
        end if;
    end;
  end if;

  perform attune_private.refresh_identity(issuer, subject, address, name, avatar_url, company_name, issued_at);
  perform attune_private.adopt_address(found_id, address);

  if is_verified then
    update attune.user_emails as e
    set verified_at = now()
    where e.user_id = found_id
      and e.email = attune_private.email_key(address)
      and e.verified_at is null;
  end if;

  select u.* into result from attune.users as u where u.id = found_id;

  if not found then
    -- The account was deleted meanwhile.
    return attune_private.link_or_register_user(
      issuer, subject, email, email_verified, name, avatar_url, company_name, is_by_token, issued_at
    );
  end if;

  return result;
end;
$$;
comment on function attune_private.link_or_register_user(
  text, text, text, boolean, text, text, text, boolean, numeric
) is
  'See `attune.link_or_register_user`. '
  'By a token, which was issued at a time in seconds since 1970 or does not say so, an identity that has ended since '
  'makes nobody (`identity_ended`); a trusted server has checked it just now.';
revoke all on function attune_private.link_or_register_user(
  text, text, text, boolean, text, text, text, boolean, numeric
) from public;
--! EndIncluded identity/private/link_or_register_user.sql
--! Included identity/link_or_register_user.sql
create or replace function attune.link_or_register_user(
  issuer text,
  subject text,
  email text default null,
  email_verified boolean default false,
  name text default null,
  avatar_url text default null,
  company_name text default null
)
returns attune.users
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return attune_private.link_or_register_user(
    issuer, subject, email, email_verified, name, avatar_url, company_name, false, null
  );
end;
$$;
comment on function attune.link_or_register_user(text, text, text, boolean, text, text, text) is
  E'@param issuer The provider: the `iss` of its token.\n'
  '@param subject Who the user is there: the `sub` of its token.\n'
  '@param email The e-mail address the provider tells.\n'
  '@param email_verified Whether the provider says that it has verified the address.\n'
  '@param name The name the provider tells.\n'
  '@param avatar_url The picture the provider tells.\n'
  '@param company_name The company the provider tells.\n'
  'The user of an identity that a trusted server has checked: the one it belongs to; else the one with the same '
  'e-mail address, when both sides have verified it; else a new one. '
  'Name, picture and company follow the provider where the user has not edited them. '
  'Refused: `invalid_identity`, `email_taken`.';
revoke all on function attune.link_or_register_user(text, text, text, boolean, text, text, text) from public;
grant execute on function attune.link_or_register_user(text, text, text, boolean, text, text, text) to service_role;
--! EndIncluded identity/link_or_register_user.sql
--! Included identity/provision_user.sql
create or replace function attune.provision_user()
returns attune.users
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  claims constant jsonb := auth.jwt();
  profile constant jsonb := case jsonb_typeof(claims -> 'user_metadata')
    when 'object' then claims -> 'user_metadata'
    else '{}'
  end;
  caller uuid;
  result attune.users;
begin
  if attune_private.acts_for_a_user() is not true
    or coalesce(claims ->> 'iss', attune_private.own_issuer()) = attune_private.own_issuer() then
    -- Our own token: its user exists, or it is nobody's.
    caller := attune_hidden.require_user_id();
    select u.* into result from attune.users as u where u.id = caller;
    return result;
  end if;

  -- A standby writes nothing: who is known there is who they are.
  if current_setting('transaction_read_only')::boolean then
    select u.* into result from attune.users as u where u.id = attune.current_user_id();

    if found then
      return result;
    end if;
  end if;

  return attune_private.link_or_register_user(
    -- As they are: blanks tell one subject from another, as they do wherever somebody is looked up.
    case jsonb_typeof(claims -> 'iss') when 'string' then claims ->> 'iss' end,
    case jsonb_typeof(claims -> 'sub') when 'string' then claims ->> 'sub' end,
    attune_private.text_claim(claims, 'email'),
    -- Not what `user_metadata` says: Supabase lets the user write it.
    claims ->> 'email_verified' = 'true',
    coalesce(
      attune_private.text_claim(claims, 'name'),
      attune_private.text_claim(profile, 'full_name', 'name')
    ),
    coalesce(
      attune_private.text_claim(claims, 'picture'),
      attune_private.text_claim(profile, 'avatar_url', 'picture')
    ),
    coalesce(
      attune_private.text_claim(claims, 'company_name', 'company'),
      attune_private.text_claim(profile, 'company_name', 'company')
    ),
    true,
    case jsonb_typeof(claims -> 'iat') when 'number' then (claims -> 'iat')::numeric end
  );
end;
$$;
comment on function attune.provision_user() is
  'The user of the request''s token. '
  'The first time an outside identity comes, with its verified claims (`"email"`, `"email_verified"`, `"name"`, '
  '`"picture"`, `"company"`), the user is made; later, the profile follows what the provider says, where the user has '
  'not edited it. '
  'However often and in parallel it is called, there is one user. '
  'A token that was issued before its identity was unlinked, or its account deleted, makes nobody. '
  'Refused: `not_signed_in`, `invalid_identity`, `identity_ended`, `email_taken`.';
revoke all on function attune.provision_user() from public;
grant execute on function attune.provision_user() to anon, authenticated;
--! EndIncluded identity/provision_user.sql
--! Included identity/link_identity.sql
create or replace function attune.link_identity(
  user_id uuid,
  issuer text,
  subject text,
  email text default null,
  name text default null,
  avatar_url text default null,
  company_name text default null
)
returns attune.user_identities
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  identity attune.user_identities;
begin
  perform attune_private.check_identity(issuer, subject);
  perform from attune.users as u where u.id = link_identity.user_id for key share;

  if not found then
    perform attune_private.refuse_unknown_user();
  end if;

  perform pg_advisory_xact_lock(hashtextextended(format('attune identity %s %s', issuer, subject), 0));

  insert into attune.user_identities (issuer, subject, user_id)
  values (link_identity.issuer, link_identity.subject, link_identity.user_id)
  on conflict on constraint user_identities_pkey do nothing;

  if found then
    perform attune_private.log_security('identity_linked', link_identity.user_id);
  end if;

  select i.* into strict identity
  from attune.user_identities as i
  where i.issuer = link_identity.issuer
    and i.subject = link_identity.subject;

  if identity.user_id <> link_identity.user_id then
    raise exception using
      errcode = 'PT409',
      message = 'This identity belongs to another user',
      detail = 'identity_taken',
      hint = 'Sign in with it, and unlink it there first.';
  end if;

  perform attune_private.refresh_identity(issuer, subject, email, name, avatar_url, company_name);

  select i.* into strict identity
  from attune.user_identities as i
  where i.issuer = link_identity.issuer
    and i.subject = link_identity.subject;

  return identity;
end;
$$;
comment on function attune.link_identity(uuid, text, text, text, text, text, text) is
  E'@param user_id Who the user is here.\n'
  '@param issuer The provider: the `iss` of its token.\n'
  '@param subject Who the user is there: the `sub` of its token.\n'
  '@param email The e-mail address the provider tells.\n'
  '@param name The name the provider tells.\n'
  '@param avatar_url The picture the provider tells.\n'
  '@param company_name The company the provider tells.\n'
  'Lets a signed-in user sign in with an outside identity too. '
  'For trusted servers, which have checked both: the user''s session, and the identity. '
  'Refused: `invalid_identity`, `unknown_user`, `identity_taken`.';
revoke all on function attune.link_identity(uuid, text, text, text, text, text, text) from public;
grant execute on function attune.link_identity(uuid, text, text, text, text, text, text) to service_role;
--! EndIncluded identity/link_identity.sql
--! Included identity/unlink_identity.sql
create or replace function attune.unlink_identity(issuer text, subject text)
returns attune.user_identities
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant uuid := attune_hidden.require_user_id();
  unlinked attune.user_identities;
begin
  -- Two at the same moment must not each leave the other.
  perform from attune.users as u where u.id = caller for no key update;

  delete from attune.user_identities as i
  where i.user_id = caller
    and i.issuer = unlink_identity.issuer
    and i.subject = unlink_identity.subject
  returning i.* into unlinked;

  if not found then
    perform attune_private.refuse_unknown_identity();
  end if;

  if not exists (select from attune.user_identities as i where i.user_id = caller)
    and not exists (select from attune_private.user_passwords as p where p.user_id = caller)
  then
    raise exception using
      errcode = 'PT409',
      message = 'This is the last way in',
      detail = 'last_way_in',
      hint = 'Link another identity first, or get a password with requestPasswordReset.';
  end if;

  perform attune_private.log_security('identity_unlinked', caller);
  return unlinked;
end;
$$;
comment on function attune.unlink_identity(text, text) is
  E'@param issuer The provider: the `iss` of its tokens.\n'
  '@param subject Who the caller is there: the `sub` of its tokens.\n'
  'Lets the caller no longer sign in with an outside identity: its tokens until now open nothing, and the sessions '
  'that were opened through it end. '
  'Returns the identity that was. '
  'Refused: `not_signed_in`, `unknown_identity`, `last_way_in`.';
revoke all on function attune.unlink_identity(text, text) from public;
grant execute on function attune.unlink_identity(text, text) to anon, authenticated;
--! EndIncluded identity/unlink_identity.sql

-- Mail, for trusted servers

--! Included identity/private/tell_of_taken_addresses.sql
create or replace function attune_private.tell_of_taken_addresses(at timestamptz default now())
returns void
language sql volatile security invoker
begin atomic
  update attune_private.mail_outbox as m
  set
    user_id = u.id,
    purpose = 'address_taken',
    recipient = u.email,
    payload = jsonb_build_object('name', u.name)
  from attune.user_emails as e
  join attune.users as u on u.id = e.user_id
  where m.purpose = 'change_email'
    and m.delivered_at is null
    and m.due_at <= tell_of_taken_addresses.at
    and e.email = attune_private.email_key(m.recipient)
    and e.user_id <> m.user_id;
end;
comment on function attune_private.tell_of_taken_addresses(timestamptz) is
  'Whoever has an address that another wants to change to is mailed that, and no link.';
revoke all on function attune_private.tell_of_taken_addresses(timestamptz) from public;
--! EndIncluded identity/private/tell_of_taken_addresses.sql
--! Included identity/private/claim_mails.sql
create or replace function attune_private.claim_mails(batch_size integer, lease interval, at timestamptz default now())
returns setof attune.mail
language plpgsql volatile security invoker
rows 10
set search_path = pg_catalog, pg_temp
as $$
begin
  perform attune_private.check_claim(batch_size, lease, 'mails');
  perform attune_private.write_reset_mails(at);
  perform attune_private.tell_of_taken_addresses(at);

  -- The token of what comes too late is gone.
  update attune_private.mail_outbox as m
  set payload = m.payload - 'token'
  where m.delivered_at is null
    and m.expires_at <= at
    and m.payload ? 'token';

  return query
    update attune_private.mail_outbox as m
    set due_at = claim_mails.at + lease, attempts = m.attempts + 1
    from (
      select d.id
      from attune_private.mail_outbox as d
      where d.delivered_at is null
        and d.due_at <= at
        and d.expires_at > at
      order by d.due_at
      limit batch_size
      for update skip locked
    ) as due
    where m.id = due.id
    returning m.id, m.purpose, m.recipient, m.payload, m.created_at, m.expires_at, m.attempts;
end;
$$;
comment on function attune_private.claim_mails(integer, interval, timestamptz) is 'See `attune.claim_mails`.';
revoke all on function attune_private.claim_mails(integer, interval, timestamptz) from public;
--! EndIncluded identity/private/claim_mails.sql
--! Included identity/claim_mails.sql
create or replace function attune.claim_mails(batch_size integer default 10, lease interval default '1 minute')
returns setof attune.mail
language plpgsql volatile security definer
rows 10
set search_path = pg_catalog, pg_temp
as $$
begin
  return query select m.* from attune_private.claim_mails(batch_size, lease) as m;
end;
$$;
comment on function attune.claim_mails(integer, interval) is
  E'@resultFieldName mails\n'
  '@param batch_size How many mails at most, 1 to 1,000.\n'
  '@param lease For how long they are the worker''s own, a second to a day.\n'
  'Gives a trusted worker mails to send. '
  'They are its own until the lease is over: say `complete_mail` or `fail_mail` before, or another worker gets them. '
  'Refused: `invalid_claim`.';
revoke all on function attune.claim_mails(integer, interval) from public;
grant execute on function attune.claim_mails(integer, interval) to service_role;
--! EndIncluded identity/claim_mails.sql
--! Included identity/private/refuse_unknown_mail.sql
create or replace function attune_private.refuse_unknown_mail()
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = 'PT404',
    message = 'There is no such mail to deliver',
    detail = 'unknown_mail',
    hint = 'It was delivered, or its user was deleted: nothing is left to do.';
end;
$$;
comment on function attune_private.refuse_unknown_mail() is 'Refuses: `unknown_mail`.';
revoke all on function attune_private.refuse_unknown_mail() from public;
--! EndIncluded identity/private/refuse_unknown_mail.sql
--! Included identity/complete_mail.sql
create or replace function attune.complete_mail(id bigint)
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update attune_private.mail_outbox as m
  set delivered_at = coalesce(m.delivered_at, now()), payload = m.payload - 'token', problem = null
  where m.id = complete_mail.id;

  if not found then
    perform attune_private.refuse_unknown_mail();
  end if;

  return complete_mail.id;
end;
$$;
comment on function attune.complete_mail(bigint) is
  E'@resultFieldName mailId\n'
  '@param id Which mail.\n'
  'Says that a mail was delivered, and forgets its token; for trusted servers. '
  'Returns its id. '
  'Refused: `unknown_mail`.';
revoke all on function attune.complete_mail(bigint) from public;
grant execute on function attune.complete_mail(bigint) to service_role;
--! EndIncluded identity/complete_mail.sql
--! Included identity/fail_mail.sql
create or replace function attune.fail_mail(id bigint, reason text)
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update attune_private.mail_outbox as m
  set
    due_at = now() + least(interval '15 seconds' * power(2, least(m.attempts, 10)), interval '1 hour'),
    problem = left(fail_mail.reason, 1000)
  where m.id = fail_mail.id
    and m.delivered_at is null;

  if not found then
    perform attune_private.refuse_unknown_mail();
  end if;

  return fail_mail.id;
end;
$$;
comment on function attune.fail_mail(bigint, text) is
  E'@resultFieldName mailId\n'
  '@param id Which mail.\n'
  '@param reason Why, for people; cut at 1,000 characters.\n'
  'Says why a mail could not be delivered, and returns its id; for trusted servers. '
  'It is due again later, and later each time, up to an hour, until it expires. '
  'Refused: `unknown_mail`.';
revoke all on function attune.fail_mail(bigint, text) from public;
grant execute on function attune.fail_mail(bigint, text) to service_role;
--! EndIncluded identity/fail_mail.sql

--! Included identity/triggers/tg_users__erase_traces.sql
create or replace function attune_private.tg_users__erase_traces()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  delete from attune_private.mail_outbox as m where m.user_id = old.id;

  delete from attune_private.login_attempts as a
  where a.kind = 'account'
    and a.subject_hash = attune_private.account_hash(attune_private.email_key(old.email));

  -- How many mails the address got today stays counted: who deletes the account begins no new day.

  -- `erase_user`, which the log asks for, was recorded by the trigger before this one.
  update attune.security_log as l
  set address = null
  where l.user_id = old.id
    and l.address is not null;

  insert into attune.security_log (event, user_id) values ('account_deleted', old.id);
  return null;
end;
$$;
comment on function attune_private.tg_users__erase_traces() is
  'What would tell of a deleted user outside of the user''s own tables: mails, counted failures, and network '
  'addresses in the log.';
revoke all on function attune_private.tg_users__erase_traces() from public;
--! EndIncluded identity/triggers/tg_users__erase_traces.sql

--! Included identity/triggers/tg_users__change_email.sql
create or replace function attune_private.tg_users__change_email()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- What was asked for before is for an account with another address.
  delete from attune_private.one_time_tokens as t
  where t.user_id = new.id
    and t.purpose = 'change_email';

  perform attune_private.log_security('email_changed', new.id);
  return null;
end;
$$;
comment on function attune_private.tg_users__change_email() is
  'Writes down that the address of an account is another, whoever changed it, and lets no earlier request change it.';
revoke all on function attune_private.tg_users__change_email() from public;
--! EndIncluded identity/triggers/tg_users__change_email.sql

create trigger _210_change_email after update of email on attune.users
  for each row when (old.email is distinct from new.email)
  execute function attune_private.tg_users__change_email();

--! Included identity/triggers/tg_user_identities__end.sql
create or replace function attune_private.tg_user_identities__end()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Tokens say the second only. One of this second may be of a sign-in that follows, unless it was shown before.
  last_second constant numeric := floor(extract(epoch from clock_timestamp())) - 1;
begin
  insert into attune_private.ended_identities as e (identity_hash, last_issued_at, ended_at)
  values (
    attune_private.identity_hash(old.issuer, old.subject),
    greatest(
      last_second,
      floor(extract(epoch from old.last_issued_at)),
      attune_private.token_issued_at(old.issuer, old.subject)
    ),
    clock_timestamp()
  )
  on conflict on constraint ended_identities_pkey do update set
    last_issued_at = greatest(e.last_issued_at, excluded.last_issued_at),
    ended_at = excluded.ended_at;

  -- Not found: the user is being deleted, and the sessions with them.
  if exists (select from attune.users as u where u.id = old.user_id) then
    perform attune_private.revoke_sessions(old.user_id, 'identity_unlinked', only_session => s.id)
    from attune.sessions as s
    where s.user_id = old.user_id
      and s.issuer = old.issuer
      and s.subject = old.subject
      and s.revoked_at is null;
  end if;

  return null;
end;
$$;
comment on function attune_private.tg_user_identities__end() is
  'When an identity is unlinked, or its account deleted, the tokens that the provider has issued until then open '
  'nothing any more, and the sessions end that were opened through it.';
revoke all on function attune_private.tg_user_identities__end() from public;
--! EndIncluded identity/triggers/tg_user_identities__end.sql

create trigger _400_end after delete on attune.user_identities
  for each row execute function attune_private.tg_user_identities__end();

create trigger _810_erase_traces after delete on attune.users
  for each row execute function attune_private.tg_users__erase_traces();
