--! Previous: sha1:3b98d3098fde898af5fb183626cbe375a486abdc
--! Hash: sha1:175ca6f165c502d989f0b3d463d3529ea8f85fea
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
  created_at timestamptz not null default now()
);
comment on table attune.plans is
  E'@behavior -insert -update -delete -connection +list\nWhat a user has subscribed to. Everybody may read the plans.';
comment on column attune.plans.name is 'The plan''s stable name, in lower case: `bootstrapper`.';
comment on column attune.plans.title is 'What people read.';
comment on column attune.plans.description is 'What the plan holds, for people.';
comment on column attune.plans.rank is 'Where the plan stands in a list, smallest first.';
comment on column attune.plans.created_at is 'When the plan was made.';

alter table attune.plans enable row level security;
create policy plans_select_anon on attune.plans for select to anon using (true);
create policy plans_select_authenticated on attune.plans for select to authenticated using (true);
create policy plans_all_service_role on attune.plans for all to service_role using (true) with check (true);

revoke all on attune.plans from public;
grant select on attune.plans to anon, authenticated, service_role;
grant insert (name, title, description, rank), update (title, description, rank), delete
  on attune.plans to service_role;

insert into attune.plans (name, title, description)
values ('bootstrapper', 'Bootstrapper', 'The plan every user starts with.');

-- Users

create table attune.users (
  id uuid not null default gen_random_uuid()
    constraint users_pkey primary key,
  email text not null
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
comment on table attune.users is
  E'@behavior -insert -delete\nThe people whose settings these are. A user sees and edits only their own row; administrators see all.';
comment on column attune.users.id is 'The subject (`sub`) of the user''s own tokens.';
comment on column attune.users.email is 'Unique without regard to case. Not editable here.';
comment on column attune.users.name is 'The name other people see, at most 200 characters.';
comment on column attune.users.avatar_url is 'The address of a picture, at most 2,048 characters.';
comment on column attune.users.company_name is 'Where the user works, at most 200 characters.';
comment on column attune.users.role is 'What the user does there, in their own words. It gives no rights.';
comment on column attune.users.timezone is 'The user''s time zone, an IANA name: `Europe/Berlin`.';
comment on column attune.users.onboarding_completed is 'Whether the user has finished the application''s introduction.';
comment on column attune.users.plan is 'What the user has subscribed to. Not editable by the user.';
comment on column attune.users.is_admin is 'Whether the user may read everybody''s settings and write the global ones. Not editable by anybody with a token.';
comment on column attune.users.created_at is 'When the user was registered.';
comment on column attune.users.updated_at is 'When the row last changed.';

comment on constraint users_plan_fkey on attune.users is
  E'@behavior -*\nThe plans are few: a client reads them once.';

-- Uniqueness of an e-mail lives in a table of its own, because `users` may be sharded by user.
create table attune.user_emails (
  email text
    constraint user_emails_pkey primary key
    constraint user_emails_email_check check (email = lower(btrim(email)) and char_length(email) <= 254),
  user_id uuid not null
    constraint user_emails_user_id_key unique
    constraint user_emails_user_id_fkey references attune.users (id) on delete cascade
);
comment on table attune.user_emails is
  E'@behavior -*\nWhich user an e-mail address belongs to, in lower case. Kept by a trigger on `users`.';
comment on column attune.user_emails.email is 'The address, trimmed and in lower case.';
comment on column attune.user_emails.user_id is 'Whose address it is.';

--! Included functions/current_user_id.sql
create or replace function attune.current_user_id()
returns uuid
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
begin atomic
  -- Definer, because the policies of `users` themselves ask who is asking.
  select u.id from attune.users as u where u.id = auth.uid();
end;
comment on function attune.current_user_id() is
  'The id of the signed-in user, or NULL. The one place that turns a token''s claims into a user: a deleted user is nobody.';
revoke all on function attune.current_user_id() from public;
grant execute on function attune.current_user_id() to anon, authenticated, service_role;
--! EndIncluded functions/current_user_id.sql
--! Included functions/is_admin.sql
create or replace function attune.is_admin()
returns boolean
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
begin atomic
  select exists (
    select from attune.users as u
    where u.id = (select attune.current_user_id())
      and u.is_admin
  );
end;
comment on function attune.is_admin() is
  'Whether the signed-in user is an administrator; false when nobody is signed in.';
revoke all on function attune.is_admin() from public;
grant execute on function attune.is_admin() to anon, authenticated, service_role;
--! EndIncluded functions/is_admin.sql
--! Included functions/visible_from.sql
create or replace function attune.visible_from()
returns uuid
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
begin atomic
  -- A range, because `user_id = … or is_admin` could not use an index: a user's own read would scan everybody's rows.
  select case when u.is_admin then '00000000-0000-0000-0000-000000000000'::uuid else u.id end
  from attune.users as u
  where u.id = (select attune.current_user_id());
end;
comment on function attune.visible_from() is
  E'@behavior -*\nThe first user id whose rows the caller may see: the caller''s own, an administrator''s the lowest there is. With `visible_to` the range that policies compare with; NULL when nobody is signed in.';
revoke all on function attune.visible_from() from public;
grant execute on function attune.visible_from() to anon, authenticated, service_role;
--! EndIncluded functions/visible_from.sql
--! Included functions/visible_to.sql
create or replace function attune.visible_to()
returns uuid
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
begin atomic
  select case when u.is_admin then 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid else u.id end
  from attune.users as u
  where u.id = (select attune.current_user_id());
end;
comment on function attune.visible_to() is
  E'@behavior -*\nThe last user id whose rows the caller may see: the caller''s own, an administrator''s the highest there is. With `visible_from` the range that policies compare with; NULL when nobody is signed in.';
revoke all on function attune.visible_to() from public;
grant execute on function attune.visible_to() to anon, authenticated, service_role;
--! EndIncluded functions/visible_to.sql
--! Included private/request_role.sql
create or replace function attune_private.request_role()
returns name
language sql stable parallel restricted security invoker
begin atomic
  -- Inside a definer function current_user is the owner; the role that was set for the request still shows.
  select case current_setting('role') when 'none' then session_user else current_setting('role')::name end;
end;
comment on function attune_private.request_role() is
  'The database role that the request came with: what was set (`set role`), else who logged in. Claims play no part.';
revoke all on function attune_private.request_role() from public;
--! EndIncluded private/request_role.sql
--! Included private/is_trusted.sql
create or replace function attune_private.is_trusted()
returns boolean
language sql stable parallel restricted security invoker
begin atomic
  select pg_has_role(attune_private.request_role(), 'service_role', 'usage')
    or pg_has_role(
      attune_private.request_role(),
      (select n.nspowner from pg_catalog.pg_namespace as n where n.nspname = 'attune'),
      'usage'
    );
end;
comment on function attune_private.is_trusted() is
  'Whether the request comes from a trusted server (`service_role`) or from the owner of the schema.';
revoke all on function attune_private.is_trusted() from public;
--! EndIncluded private/is_trusted.sql
--! Included functions/require_user_id.sql
create or replace function attune.require_user_id()
returns uuid
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant uuid := attune.current_user_id();
begin
  if caller is null then
    raise exception using
      errcode = '42501',
      message = 'Nobody is signed in',
      detail = 'not_signed_in',
      hint = 'Send the access token of a user who still exists.';
  end if;

  return caller;
end;
$$;
comment on function attune.require_user_id() is
  E'@behavior -*\nThe id of the signed-in user. Refused (`not_signed_in`) when there is none.';
revoke all on function attune.require_user_id() from public;
grant execute on function attune.require_user_id() to anon, authenticated, service_role;
--! EndIncluded functions/require_user_id.sql
--! Included functions/require_admin.sql
create or replace function attune.require_admin()
returns void
language plpgsql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if (attune.is_admin() or attune_private.is_trusted()) is not true then
    raise exception using
      errcode = '42501',
      message = 'Only an administrator may do this',
      detail = 'admin_required',
      hint = 'Sign in as an administrator, or ask one.';
  end if;
end;
$$;
comment on function attune.require_admin() is
  E'@behavior -*\nPasses for administrators and trusted servers; refused (`admin_required`) for everybody else.';
revoke all on function attune.require_admin() from public;
grant execute on function attune.require_admin() to anon, authenticated, service_role;
--! EndIncluded functions/require_admin.sql

alter table attune.users enable row level security;
create policy users_select_self_or_admin on attune.users for select to authenticated
  using (id between (select attune.visible_from()) and (select attune.visible_to()));
create policy users_update_self on attune.users for update to authenticated
  using (id = (select attune.current_user_id()))
  with check (id = (select attune.current_user_id()));
create policy users_all_service_role on attune.users for all to service_role using (true) with check (true);

revoke all on attune.users from public;
grant select on attune.users to authenticated, service_role;
grant update (name, avatar_url, company_name, role, timezone, onboarding_completed) on attune.users to authenticated;
grant
  insert (email, name, avatar_url, company_name, role, timezone, onboarding_completed, plan, is_admin),
  update (email, name, avatar_url, company_name, role, timezone, onboarding_completed, plan, is_admin),
  delete
  on attune.users to service_role;

alter table attune.user_emails enable row level security;
create policy user_emails_select_self_or_admin on attune.user_emails for select to authenticated
  using (user_id between (select attune.visible_from()) and (select attune.visible_to()));
create policy user_emails_select_service_role on attune.user_emails for select to service_role using (true);

revoke all on attune.user_emails from public;
grant select on attune.user_emails to authenticated, service_role;

--! Included triggers/tg__timestamps.sql
create or replace function attune_private.tg__timestamps()
returns trigger
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  new.updated_at := now();
  return new;
end;
$$;
comment on function attune_private.tg__timestamps() is 'Keeps `updated_at`.';
revoke all on function attune_private.tg__timestamps() from public;
--! EndIncluded triggers/tg__timestamps.sql
--! Included triggers/tg_users__email.sql
create or replace function attune_private.tg_users__email()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into attune.user_emails as e (email, user_id)
  values (lower(btrim(new.email)), new.id)
  on conflict (user_id) do update set email = excluded.email;

  return null;
exception
  when unique_violation then
    raise exception using
      errcode = 'PT409',
      message = 'This e-mail address is taken',
      detail = 'email_taken',
      hint = 'Sign in with it, or use another address.';
end;
$$;
comment on function attune_private.tg_users__email() is
  'Keeps an e-mail unique without regard to case (`email_taken`).';
revoke all on function attune_private.tg_users__email() from public;
--! EndIncluded triggers/tg_users__email.sql

create trigger _100_timestamps before update on attune.users
  for each row execute function attune_private.tg__timestamps();
create trigger _200_email after insert or update of email on attune.users
  for each row execute function attune_private.tg_users__email();

--! Included private/ensure_user.sql
create or replace function attune_private.ensure_user(email text, is_admin boolean default false)
returns uuid
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  address constant text := lower(btrim(ensure_user.email));
  found_id uuid;
begin
  select e.user_id into found_id from attune.user_emails as e where e.email = address;

  if found_id is null then
    insert into attune.users (email, is_admin)
    values (address, ensure_user.is_admin)
    returning id into found_id;
  elsif ensure_user.is_admin then
    update attune.users as u set is_admin = true where u.id = found_id and not u.is_admin;
  end if;

  return found_id;
end;
$$;
comment on function attune_private.ensure_user(text, boolean) is
  'The id of the user with this e-mail, made when missing. For development tokens and tests: it raises rights when asked to and never lowers them.';
revoke all on function attune_private.ensure_user(text, boolean) from public;
--! EndIncluded private/ensure_user.sql
--! Included functions/viewer.sql
create or replace function attune.viewer()
returns attune.users
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
begin atomic
  -- Definer, so that a request without a user gets null and not a refusal.
  select u from attune.users as u where u.id = (select attune.current_user_id());
end;
comment on function attune.viewer() is 'The signed-in user; null when nobody is.';
revoke all on function attune.viewer() from public;
grant execute on function attune.viewer() to anon, authenticated, service_role;
--! EndIncluded functions/viewer.sql
