--! Previous: sha1:99aae04e76c227715e8f3270e420c3753ad76171
--! Hash: sha1:2755a2ec6a466467d79c546e4dcde53f86c98f52
--! Message: users

-- Plans

create table attune.plans (
  name text
    constraint plans_pkey primary key
    constraint plans_name_check check (name ~ '^[a-z][a-z0-9_]{0,62}$'),
  title text not null
    constraint plans_title_check check (char_length(title) between 1 and 200),
  description text not null default ''
    constraint plans_description_check check (char_length(description) <= 4000),
  rank integer not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table attune.plans is
  E'@behavior -insert -update -delete\n'
  '@rows 10\n'
  'What a user has subscribed to. '
  'Everybody may read the plans.';
comment on column attune.plans.name is 'The plan''s stable name, in lower case: `bootstrapper`.';
comment on column attune.plans.title is 'What people read.';
comment on column attune.plans.description is 'What the plan holds, for people.';
comment on column attune.plans.rank is
  E'@behavior +attribute:filterBy +attribute:orderBy\n'
  'Where the plan stands in a list, smallest first.';
comment on column attune.plans.created_at is 'When the plan was made.';
comment on column attune.plans.updated_at is
  'When it last changed. '
  'In an update: the version that is changed, which was read (`changed_meanwhile`).';

alter table attune.plans enable row level security;
create policy plans_select_anon on attune.plans for select to anon using (true);
create policy plans_select_authenticated on attune.plans for select to authenticated using (true);
create policy plans_all_service_role on attune.plans for all to service_role using (true) with check (true);

revoke all on attune.plans from public;
grant select on attune.plans to anon, authenticated, service_role;
grant insert (name, title, description, rank), update (title, description, rank, updated_at), delete
  on attune.plans to service_role;

insert into attune.plans (name, title, description)
values ('bootstrapper', 'Bootstrapper', 'The plan every user starts with.');

-- Who is asking

create type attune_private.caller as (user_id uuid, is_admin boolean, is_trusted boolean);
comment on type attune_private.caller is 'Who is asking: which user, if any, an administrator or not, a trusted server or not.';

--!include users/private/own_issuer.sql
--!include users/current_user_id.sql
--!include users/private/request_role.sql
--!include users/private/is_owner.sql
--!include users/private/is_trusted.sql
--!include users/private/acts_for_a_user.sql
--!include users/private/current_caller.sql
--!include users/private/acting_agent.sql
--!include users/private/require_user.sql
--!include users/private/require_somebody.sql
--!include users/private/require_administrator.sql
--!include users/private/refuse_unknown_user.sql
--!include users/private/check_user.sql
--!include users/hidden/require_user_id.sql
--!include users/hidden/require_admin.sql

-- Users. What asks whether somebody is an administrator reads the table, so it stands between it and its policies.

--!include users/private/refuse_missing_title.sql
--!include users/private/check_size.sql
--!include users/private/check_depth.sql
--!include users/private/check_batch_size.sql
--!include users/private/check_claim.sql
--!include users/private/refuse_email.sql
--!include users/private/refuse_taken_email.sql
--!include users/private/lower_case.sql
--!include users/private/has_invisible.sql
--!include users/private/punycode.sql
--!include users/private/ascii_domain.sql
--!include users/private/mail_address.sql
--!include users/private/email_key.sql
--!include users/private/is_avatar_url.sql
--!include users/private/timezone_name.sql
--!include users/triggers/tg__require_admin.sql
--!include users/triggers/tg__transaction.sql
--!include users/triggers/tg__timestamps.sql
--!include users/private/check_unchanged.sql
--!include users/triggers/tg__check_version.sql
--!include users/triggers/tg_users__validate.sql
--!include users/triggers/tg_users__email.sql

create table attune.users (
  id uuid not null default gen_random_uuid()
    constraint users_pkey primary key,
  email text
    constraint users_email_check check (char_length(email) between 3 and 254 and email ~ '^[^@\s]+@[^@\s]+$'),
  name text
    constraint users_name_check check (char_length(name) <= 200),
  avatar_url text
    constraint users_avatar_url_check check (char_length(avatar_url) <= 2048),
  company_name text
    constraint users_company_name_check check (char_length(company_name) <= 200),
  role text
    constraint users_role_check check (char_length(role) <= 100),
  timezone text not null default 'UTC'
    constraint users_timezone_check check (char_length(timezone) between 1 and 64),
  onboarding_completed boolean not null default false,
  plan text not null default 'bootstrapper'
    constraint users_plan_fkey references attune.plans (name) on update cascade on delete restrict,
  is_admin boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index users_plan_idx on attune.users (plan);
create index users_email_idx on attune.users (email);
create index users_created_at_idx on attune.users (created_at, id);
-- As lists of people are ordered: who has none comes first.
create index users_email_order_idx on attune.users (coalesce(email, ''), id);
create index users_name_order_idx on attune.users (coalesce(name, ''), id);
comment on table attune.users is
  E'@behavior -insert -delete\n'
  'The people whose settings these are. '
  'A user sees and edits only their own row; administrators see all.';
comment on column attune.users.id is 'The subject (`sub`) of the user''s own tokens.';
comment on column attune.users.email is
  E'@behavior +attribute:filterBy +attribute:orderBy\n'
  'Unique without regard to case; null when an outside provider told none. '
  'Not editable here.';
comment on column attune.users.name is
  E'@behavior +attribute:filterBy +attribute:orderBy\n'
  'The name other people see, at most 200 characters.';
comment on column attune.users.avatar_url is
  'The address of a picture: `https://…`, or a path on the application''s own server; at most 2,048 characters.';
comment on column attune.users.company_name is 'Where the user works, at most 200 characters.';
comment on column attune.users.role is
  'What the user does there, in their own words. '
  'It gives no rights.';
comment on column attune.users.timezone is 'The user''s time zone, an IANA name: `Europe/Berlin`.';
comment on column attune.users.onboarding_completed is 'Whether the user has finished the application''s introduction.';
comment on column attune.users.plan is
  'What the user has subscribed to. '
  'Not editable by the user.';
comment on column attune.users.is_admin is
  E'@behavior +attribute:filterBy\n'
  'Whether the user may read everybody''s settings and write the global ones. '
  'Not editable by anybody with a token.';
comment on column attune.users.created_at is 'When the user was registered.';
comment on column attune.users.updated_at is
  'When the row last changed. '
  'In an update: the version that is changed, which was read (`changed_meanwhile`).';
comment on constraint users_plan_fkey on attune.users is
  E'@behavior -*\n'
  'The plans are few: a client reads them once.';

--!include users/is_admin.sql
--!include users/hidden/visible_from.sql
--!include users/hidden/visible_to.sql

alter table attune.users enable row level security;
create policy users_select_self_or_admin on attune.users for select to authenticated
  using (id between (select attune_hidden.visible_from()) and (select attune_hidden.visible_to()));
create policy users_update_self on attune.users for update to authenticated
  using (id = (select attune.current_user_id()))
  with check (id = (select attune.current_user_id()));
create policy users_all_service_role on attune.users for all to service_role using (true) with check (true);

revoke all on attune.users from public;
grant select on attune.users to authenticated, service_role;
grant update (name, avatar_url, company_name, role, timezone, onboarding_completed, updated_at)
  on attune.users to authenticated;
grant
  insert (id, email, name, avatar_url, company_name, role, timezone, onboarding_completed, plan, is_admin),
  update (email, name, avatar_url, company_name, role, timezone, onboarding_completed, plan, is_admin, updated_at),
  delete
  on attune.users to service_role;

create trigger _060_check_version before update on attune.plans
  for each row when (new.updated_at is distinct from old.updated_at)
  execute function attune_private.tg__check_version();
create trigger _100_timestamps before update on attune.plans
  for each row execute function attune_private.tg__timestamps();

create trigger _050_validate before insert or update on attune.users
  for each row execute function attune_private.tg_users__validate();
create trigger _060_check_version before update on attune.users
  for each row when (new.updated_at is distinct from old.updated_at)
  execute function attune_private.tg__check_version();
create trigger _100_timestamps before update on attune.users
  for each row execute function attune_private.tg__timestamps();
create trigger _200_email after insert or update of email on attune.users
  for each row execute function attune_private.tg_users__email();

-- Uniqueness of an e-mail lives in a table of its own, because `users` may be sharded by user.
create table attune.user_emails (
  email text
    constraint user_emails_pkey primary key
    constraint user_emails_email_check check (email = lower(btrim(email) collate "C") and char_length(email) <= 254),
  user_id uuid not null
    constraint user_emails_user_id_key unique
    constraint user_emails_user_id_fkey references attune.users (id) on delete cascade,
  verified_at timestamptz
);
comment on table attune.user_emails is
  E'@behavior -*\n'
  'Which user an e-mail address belongs to, in lower case. '
  'Kept by a trigger on `users`.';
comment on column attune.user_emails.email is 'The address in the one form by which it is known: in lower case, its domain in ASCII.';
comment on column attune.user_emails.user_id is 'Whose address it is.';
comment on column attune.user_emails.verified_at is
  'When the user showed that the address is theirs; null while they have not.';

alter table attune.user_emails enable row level security;
create policy user_emails_select_self_or_admin on attune.user_emails for select to authenticated
  using (user_id between (select attune_hidden.visible_from()) and (select attune_hidden.visible_to()));
create policy user_emails_select_service_role on attune.user_emails for select to service_role using (true);

revoke all on attune.user_emails from public;
grant select on attune.user_emails to authenticated, service_role;

-- How a user comes in from an outside provider

create table attune.user_identities (
  issuer text
    constraint user_identities_issuer_check check (char_length(issuer) between 1 and 2048),
  subject text
    constraint user_identities_subject_check check (char_length(subject) between 1 and 255),
  user_id uuid not null
    constraint user_identities_user_id_fkey references attune.users (id) on delete cascade,
  email text
    constraint user_identities_email_check check (char_length(email) <= 254),
  name text
    constraint user_identities_name_check check (char_length(name) <= 200),
  avatar_url text
    constraint user_identities_avatar_url_check check (char_length(avatar_url) <= 2048),
  company_name text
    constraint user_identities_company_name_check check (char_length(company_name) <= 200),
  last_issued_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint user_identities_pkey primary key (issuer, subject)
);
create index user_identities_user_id_idx on attune.user_identities (user_id);
comment on table attune.user_identities is
  E'@behavior -insert -update -delete\n'
  'The accounts at outside providers with which a user signs in. '
  'A user sees their own.';
comment on column attune.user_identities.issuer is 'The provider: the `iss` of its tokens.';
comment on column attune.user_identities.subject is
  'Who the user is there: the `sub` of its tokens, of whatever shape.';
comment on column attune.user_identities.user_id is 'Who the user is here.';
comment on column attune.user_identities.email is 'The e-mail address the provider last told.';
comment on column attune.user_identities.name is 'The name the provider last told.';
comment on column attune.user_identities.avatar_url is 'The picture the provider last told.';
comment on column attune.user_identities.company_name is 'The company the provider last told.';
comment on column attune.user_identities.last_issued_at is
  'When the provider issued the latest token that was shown here; null while none has said so.';
comment on column attune.user_identities.created_at is 'When the identity was linked.';
comment on column attune.user_identities.updated_at is 'When the provider last told something else.';

alter table attune.user_identities enable row level security;
create policy user_identities_select_self on attune.user_identities for select to authenticated
  using (user_id = (select attune.current_user_id()));
create policy user_identities_select_service_role on attune.user_identities for select to service_role using (true);

revoke all on attune.user_identities from public;
grant select on attune.user_identities to authenticated, service_role;

create trigger _060_check_version before update on attune.user_identities
  for each row when (new.updated_at is distinct from old.updated_at)
  execute function attune_private.tg__check_version();
create trigger _100_timestamps before update on attune.user_identities
  for each row execute function attune_private.tg__timestamps();

create table attune_private.ended_identities (
  identity_hash bytea
    constraint ended_identities_pkey primary key
    constraint ended_identities_identity_hash_check check (octet_length(identity_hash) = 32),
  last_issued_at numeric not null,
  ended_at timestamptz not null
);
create index ended_identities_ended_at_idx on attune_private.ended_identities (ended_at);
comment on table attune_private.ended_identities is
  'Identities that were unlinked, or whose account was deleted. '
  'A token that was issued before opens nothing and makes nobody. '
  'Kept for 400 days.';
comment on column attune_private.ended_identities.identity_hash is 'SHA-256 of issuer and subject.';
comment on column attune_private.ended_identities.last_issued_at is
  'Tokens with an `iat` up to this one are of before, in seconds since 1970.';
comment on column attune_private.ended_identities.ended_at is 'When it ended, the last time.';

alter table attune_private.ended_identities enable row level security;

--!include users/private/identity_hash.sql
--!include users/private/is_spent.sql
--!include users/private/token_issued_at.sql

-- Where a user is signed in

create type attune.revocation_reason as enum (
  'logout', 'logout_everywhere', 'revoked', 'password_changed', 'password_reset', 'refresh_token_reused',
  'identity_unlinked'
);
comment on type attune.revocation_reason is
  E'@value logout The user signed out of it.\n'
  '@value logout_everywhere The user signed out everywhere.\n'
  '@value revoked The user ended it from another session.\n'
  '@value password_changed The password was changed in another session.\n'
  '@value password_reset The password was set anew by a mailed link.\n'
  '@value refresh_token_reused A refresh token came twice, so it may be stolen.\n'
  '@value identity_unlinked The identity it signed in with was taken from the account.\n'
  'Why a session was ended.';

create table attune.sessions (
  user_id uuid not null
    constraint sessions_user_id_fkey references attune.users (id) on delete cascade,
  id uuid not null default gen_random_uuid(),
  user_agent text
    constraint sessions_user_agent_check check (char_length(user_agent) <= 500),
  address text
    constraint sessions_address_check check (char_length(address) <= 100),
  issuer text
    constraint sessions_issuer_check check (char_length(issuer) between 1 and 2048),
  subject text
    constraint sessions_subject_check check (char_length(subject) between 1 and 255),
  created_at timestamptz not null default now(),
  last_used_at timestamptz not null default now(),
  idle_until timestamptz not null,
  expires_at timestamptz not null,
  revoked_at timestamptz,
  revoked_because attune.revocation_reason,
  constraint sessions_pkey primary key (user_id, id),
  constraint sessions_identity_check check ((issuer is null) = (subject is null)),
  constraint sessions_revoked_check check ((revoked_at is null) = (revoked_because is null))
);
comment on table attune.sessions is
  E'@behavior -insert -update -delete\n'
  'Where a user is signed in, and was. '
  'A user sees their own and may revoke each (`revoke_session`).';
comment on column attune.sessions.user_id is 'Who is signed in.';
comment on column attune.sessions.id is 'The `session_id` of the session''s tokens.';
comment on column attune.sessions.user_agent is 'The program that signed in, as it calls itself.';
comment on column attune.sessions.address is 'The network address it signed in from.';
comment on column attune.sessions.issuer is
  'The provider through which it signed in; null when it was not by one.';
comment on column attune.sessions.subject is 'Who the user is there; null when it was not by a provider.';
comment on column attune.sessions.created_at is 'When it signed in.';
comment on column attune.sessions.last_used_at is
  E'@behavior +attribute:filterBy +attribute:orderBy\n'
  'When its refresh token was last exchanged.';
comment on column attune.sessions.idle_until is 'When it ends unless its refresh token is exchanged before.';
comment on column attune.sessions.expires_at is 'When it ends in any case.';
comment on column attune.sessions.revoked_at is
  E'@behavior +attribute:filterBy\n'
  'When it was ended; null while it is not.';
comment on column attune.sessions.revoked_because is 'Why it was ended; null while it is not.';

alter table attune.sessions enable row level security;
create policy sessions_select_self on attune.sessions for select to authenticated
  using (user_id = (select attune.current_user_id()));
create policy sessions_select_service_role on attune.sessions for select to service_role using (true);

revoke all on attune.sessions from public;
grant select on attune.sessions to authenticated, service_role;

--!include users/sessions_is_current.sql

--!include users/private/ensure_user.sql
--!include users/private/ensure_single_user.sql
--!include users/viewer.sql
--!include users/private/user_as_caller.sql
