--! Previous: sha1:8651d7565eb1d394c9a82943e4d3c705efea30f1
--! Hash: sha1:e6e1e58ba9a12ae5200d883c1a9345349fa342ac
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

--!include identity/private/blowfish.sql
--!include identity/private/blowfish_salt.sql
--!include identity/private/random_bytes.sql
--!include identity/private/hmac_sha256.sql
--!include identity/private/base64url.sql
--!include identity/private/from_base64url.sql
--!include identity/private/network_address.sql
--!include identity/private/request_address.sql

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

--!include identity/hidden/readable_security_log.sql

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

--!include identity/private/log_security.sql
--!include identity/private/refuse.sql
--!include identity/private/send_mail.sql
--!include identity/private/refuse_for_now.sql
--!include identity/private/seconds_to_midnight.sql
--!include identity/private/address_hash.sql
--!include identity/private/account_hash.sql
--!include identity/private/may_spend.sql
--!include identity/private/spend.sql
--!include identity/private/refuse_registrations.sql
--!include identity/private/spend_mail.sql
--!include identity/private/make_one_time_token.sql
--!include identity/private/mail_verification.sql
--!include identity/private/write_reset_mails.sql
--!include identity/private/refuse_one_time_token.sql
--!include identity/private/consume_one_time_token.sql
--!include identity/private/consume_own_token.sql
--!include identity/private/session_tokens.sql
--!include identity/private/known_device.sql
--!include identity/private/remember_device.sql
--!include identity/private/start_session.sql
--!include identity/private/revoke_sessions.sql
--!include identity/private/check_password.sql
--!include identity/private/set_password.sql
--!include identity/private/attempt_subjects.sql
--!include identity/private/login_wait.sql
--!include identity/private/count_login_failure.sql
--!include identity/private/forgive_login_failures.sql
--!include identity/private/prove_password.sql
--!include identity/private/prove_own_password.sql
--!include identity/private/current_session_id.sql
--!include identity/private/signed_in_at.sql
--!include identity/private/refuse_unknown_identity.sql
--!include identity/private/register.sql
--!include identity/private/login.sql
--!include identity/private/refresh_session.sql
--!include identity/private/change_password.sql
--!include identity/private/request_password_reset.sql
--!include identity/private/reset_password.sql
--!include identity/private/verify_email.sql

--!include identity/private/request_email_change.sql
--!include identity/private/confirm_email_change.sql

--!include identity/register.sql
--!include identity/login.sql
--!include identity/refresh_session.sql
--!include identity/open_session.sql
--!include identity/logout.sql
--!include identity/logout_everywhere.sql
--!include identity/revoke_session.sql
--!include identity/change_password.sql
--!include identity/request_password_reset.sql
--!include identity/reset_password.sql
--!include identity/request_email_verification.sql
--!include identity/verify_email.sql
--!include identity/request_email_change.sql
--!include identity/confirm_email_change.sql
--!include identity/delete_account.sql

-- Outside providers

--!include identity/hidden/spend_sign_in.sql
--!include identity/private/check_identity.sql
--!include identity/private/text_claim.sql
--!include identity/private/adopt_address.sql
--!include identity/private/refresh_identity.sql
--!include identity/private/note_unmirrored.sql
--!include identity/private/mirror_auth_user.sql
--!include identity/private/unmirror_auth_user.sql
--!include identity/triggers/tg_auth_users__mirror.sql
--!include identity/private/mirror_auth_users.sql
--!include identity/private/link_or_register_user.sql
--!include identity/link_or_register_user.sql
--!include identity/provision_user.sql
--!include identity/link_identity.sql
--!include identity/unlink_identity.sql

-- Mail, for trusted servers

--!include identity/private/tell_of_taken_addresses.sql
--!include identity/private/claim_mails.sql
--!include identity/claim_mails.sql
--!include identity/private/refuse_unknown_mail.sql
--!include identity/complete_mail.sql
--!include identity/fail_mail.sql

--!include identity/triggers/tg_users__erase_traces.sql

--!include identity/triggers/tg_users__change_email.sql

create trigger _210_change_email after update of email on attune.users
  for each row when (old.email is distinct from new.email)
  execute function attune_private.tg_users__change_email();

--!include identity/triggers/tg_user_identities__end.sql

create trigger _400_end after delete on attune.user_identities
  for each row execute function attune_private.tg_user_identities__end();

create trigger _810_erase_traces after delete on attune.users
  for each row execute function attune_private.tg_users__erase_traces();
