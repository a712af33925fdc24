--! Previous: sha1:b745ab0d46b8e9595d18fa1c8ff18971f10c9c3f
--! Hash: sha1:85af9a219caa0eddfcc53a6f0870c19266b81c7b
--! Message: invitations

create table attune.invitations (
  id uuid not null default gen_random_uuid()
    constraint invitations_pkey primary key,
  email text not null
    constraint invitations_email_check check (email = lower(btrim(email) collate "C") and char_length(email) <= 254),
  team_id uuid
    constraint invitations_team_id_fkey references attune.teams (id) on delete cascade,
  team_role attune.team_role,
  project_id uuid
    constraint invitations_project_id_fkey references attune.projects (id) on delete cascade,
  project_role attune.project_role,
  invited_by uuid,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  accepted_at timestamptz,
  revoked_at timestamptz,
  constraint invitations_target_check check (
    num_nonnulls(team_id, project_id) = 1
    and (team_id is null) = (team_role is null)
    and (project_id is null) = (project_role is null)
  )
);
create index invitations_team_id_idx on attune.invitations (team_id);
create index invitations_project_id_idx on attune.invitations (project_id);
create index invitations_email_idx on attune.invitations (email);
create index invitations_invited_by_idx on attune.invitations (invited_by, created_at);
comment on table attune.invitations is
  E'@foreignKey (invited_by) references attune.profiles (id)|@fieldName invitedBy|@backwardBehavior -*\n'
  '@behavior -insert -update -delete\n'
  'Who was asked by e-mail to join a team or a project. '
  'Its owners see them, and the admins of a team; made by `invite_to_team` and `invite_to_project`.';
comment on column attune.invitations.id is 'Which invitation.';
comment on column attune.invitations.email is
  'Who is invited, in lower case. '
  'Whether there is such a user, nobody learns from it.';
comment on column attune.invitations.team_id is 'To which team; null when it is to a project.';
comment on column attune.invitations.team_role is 'As what, in the team.';
comment on column attune.invitations.project_id is 'To which project; null when it is to a team.';
comment on column attune.invitations.project_role is 'As what, in the project.';
comment on column attune.invitations.invited_by is
  E'@name invited_by_id\n'
  'The user who invited; null when it was a trusted server.';
comment on column attune.invitations.created_at is 'When it was sent.';
comment on column attune.invitations.expires_at is
  E'@behavior +attribute:filterBy\n'
  'Until when it may be accepted.';
comment on column attune.invitations.accepted_at is
  E'@behavior +attribute:filterBy\n'
  'When it was accepted; null while it is not.';
comment on column attune.invitations.revoked_at is
  E'@behavior +attribute:filterBy\n'
  'When it was taken back, or another was sent in its place; null while it is not.';

alter table attune.invitations enable row level security;
create policy invitations_select_manager on attune.invitations for select to authenticated
  using (
    team_id = any (array(select attune_hidden.managed_team_ids()))
    or project_id = any (array(select attune_hidden.owned_project_ids()))
  );
create policy invitations_select_service_role on attune.invitations for select to service_role using (true);

revoke all on attune.invitations from public;
grant select on attune.invitations to authenticated, service_role;

create table attune_private.invitation_tokens (
  invitation_id uuid not null
    constraint invitation_tokens_pkey primary key
    constraint invitation_tokens_invitation_id_fkey references attune.invitations (id) on delete cascade,
  token_hash bytea not null
    constraint invitation_tokens_token_hash_check check (octet_length(token_hash) = 32)
);
comment on table attune_private.invitation_tokens is 'SHA-256 of the token that was mailed with an invitation.';

alter table attune_private.invitation_tokens enable row level security;

create table attune_private.lost_roles (
  user_id uuid not null
    constraint lost_roles_user_id_fkey references attune.users (id) on delete cascade,
  place_id uuid not null,
  lost_at timestamptz not null,
  constraint lost_roles_pkey primary key (user_id, place_id)
);
create index lost_roles_lost_at_idx on attune_private.lost_roles (lost_at);
comment on table attune_private.lost_roles is
  'Who lost a role in a team or project, or a part of it: no invitation from before brings them back. '
  'Kept for 100 days, longer than an invitation is good.';
comment on column attune_private.lost_roles.place_id is 'The team or the project.';
comment on column attune_private.lost_roles.lost_at is 'When, the last time.';

alter table attune_private.lost_roles enable row level security;

--! Included invitations/private/withdraw_invitation.sql
create or replace function attune_private.withdraw_invitation(invitation_id uuid)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  invited text;
begin
  update attune.invitations as i
  set revoked_at = now()
  where i.id = withdraw_invitation.invitation_id
    and i.accepted_at is null
    and i.revoked_at is null
  returning i.email into invited;

  if found then
    delete from attune_private.invitation_tokens as t where t.invitation_id = withdraw_invitation.invitation_id;

    -- What was not sent yet is not sent any more.
    delete from attune_private.mail_outbox as m
    where m.delivered_at is null
      and m.purpose = 'invitation'
      and m.recipient = invited
      and m.payload ->> 'invitation_id' = withdraw_invitation.invitation_id::text;
  end if;
end;
$$;
comment on function attune_private.withdraw_invitation(uuid) is
  'Takes an invitation back that nobody has accepted, and its mail, if it was not sent.';
revoke all on function attune_private.withdraw_invitation(uuid) from public;
--! EndIncluded invitations/private/withdraw_invitation.sql
--! Included invitations/private/invite.sql
create or replace function attune_private.invite(caller attune_private.caller, invitation attune.invitations)
returns attune.invitations
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  secret constant bytea := attune_private.random_bytes(32);
  per_day constant integer := attune_private.system_number('INVITATIONS_PER_DAY', 50);
  inviter attune.users;
begin
  invitation.id := gen_random_uuid();
  invitation.email := attune_private.email_key(invitation.email);
  invitation.invited_by := caller.user_id;
  invitation.created_at := now();
  invitation.expires_at := now() + attune_private.system_interval('INVITATION_LIFETIME', '7 days');

  if invitation.email is null then
    perform attune_private.refuse_email();
  end if;

  select u.* into inviter from attune.users as u where u.id = invitation.invited_by;

  if inviter.id is not null
    and not attune_private.spend('invitation', attune_private.account_hash(inviter.id::text), per_day)
  then
    perform attune_private.refuse_for_now(
      'too_many_invitations', format('You have sent %s invitations today', per_day), 'Go on tomorrow.',
      attune_private.seconds_to_midnight(now())
    );
  end if;

  if not caller.is_trusted and not attune_private.spend(
    'invitation_mail', attune_private.account_hash(invitation.email), attune_private.system_number('MAILS_PER_DAY', 20)
  ) then
    perform attune_private.refuse_for_now(
      'too_many_mails', 'This address was invited too often today', 'Go on tomorrow.',
      attune_private.seconds_to_midnight(now())
    );
  end if;

  -- The latest one counts.
  perform attune_private.withdraw_invitation(i.id)
  from attune.invitations as i
  where i.email = invitation.email
    and i.team_id is not distinct from invitation.team_id
    and i.project_id is not distinct from invitation.project_id;

  insert into attune.invitations (
    id, email, team_id, team_role, project_id, project_role, invited_by, created_at, expires_at
  )
  values (
    invitation.id, invitation.email, invitation.team_id, invitation.team_role, invitation.project_id,
    invitation.project_role, invitation.invited_by, invitation.created_at, invitation.expires_at
  );

  insert into attune_private.invitation_tokens (invitation_id, token_hash)
  values (invitation.id, sha256(uuid_send(invitation.id) || secret));

  perform attune_private.send_mail(
    inviter.id,
    'invitation',
    invitation.email,
    jsonb_build_object(
      'token', attune_private.base64url(uuid_send(invitation.id) || secret),
      'invitation_id', invitation.id,
      'invited_by', inviter.name,
      'team', (select t.name from attune.teams as t where t.id = invitation.team_id),
      'project', (select p.name from attune.projects as p where p.id = invitation.project_id)
    ),
    invitation.expires_at
  );

  return invitation;
end;
$$;
comment on function attune_private.invite(attune_private.caller, attune.invitations) is
  'Mails an invitation, in the place of an earlier one. '
  'Whoever calls it has made sure that the caller may. '
  'Refused: `invalid_email`, `too_many_invitations`, `too_many_mails`.';
revoke all on function attune_private.invite(attune_private.caller, attune.invitations) from public;
--! EndIncluded invitations/private/invite.sql
--! Included invitations/private/accept_invitation.sql
create or replace function attune_private.accept_invitation(user_id uuid, token text, at timestamptz default now())
returns attune.invitations
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  bytes constant bytea := attune_private.from_base64url(token, 48);
  invitation attune.invitations;
begin
  -- The membership first and then the invitation, as those do who take a role away and with it the invitation.
  perform
  from attune.team_members as m
  join attune.invitations as i on i.team_id = m.team_id
  where m.user_id = accept_invitation.user_id
    and i.id = encode(substring(bytes for 16), 'hex')::uuid
  for no key update of m;

  perform
  from attune.project_members as m
  join attune.invitations as i on i.project_id = m.project_id
  where m.user_id = accept_invitation.user_id
    and i.id = encode(substring(bytes for 16), 'hex')::uuid
  for no key update of m;

  select i.* into invitation
  from attune.invitations as i
  join attune_private.invitation_tokens as t on t.invitation_id = i.id
  where i.id = encode(substring(bytes for 16), 'hex')::uuid
    and t.token_hash = sha256(bytes)
    and i.expires_at > at
    and i.accepted_at is null
    and i.revoked_at is null
  for no key update of i;

  if not found or exists (
    select from attune_private.lost_roles as l
    where l.user_id = accept_invitation.user_id
      and l.place_id in (invitation.team_id, invitation.project_id)
      and l.lost_at > invitation.created_at
  ) then
    raise exception using
      errcode = 'PT400',
      message = 'The invitation is no longer valid',
      detail = 'invalid_invitation',
      hint = 'Ask for another: an invitation works once, and not for ever.';
  end if;

  if not exists (
    select from attune.user_emails as e
    where e.user_id = accept_invitation.user_id
      and e.email = invitation.email
  ) then
    raise exception using
      errcode = '42501',
      message = 'The invitation is for another e-mail address',
      detail = 'invitation_for_another',
      hint = 'Sign in with the address that was invited, or have yours invited.';
  end if;

  update attune.invitations as i
  set accepted_at = accept_invitation.at
  where i.id = invitation.id
  returning i.* into invitation;

  delete from attune_private.invitation_tokens as t where t.invitation_id = invitation.id;

  -- Who belongs to it already keeps what they may do, or may do more.
  insert into attune.team_members as m (user_id, team_id, role)
  select accept_invitation.user_id, invitation.team_id, invitation.team_role
  where invitation.team_id is not null
  on conflict on constraint team_members_pkey do update set role = least(m.role, excluded.role);

  insert into attune.project_members as m (user_id, project_id, role)
  select accept_invitation.user_id, invitation.project_id, invitation.project_role
  where invitation.project_id is not null
  on conflict on constraint project_members_pkey do update set role = least(m.role, excluded.role);

  return invitation;
end;
$$;
comment on function attune_private.accept_invitation(uuid, text, timestamptz) is 'See `attune.accept_invitation`.';
revoke all on function attune_private.accept_invitation(uuid, text, timestamptz) from public;
--! EndIncluded invitations/private/accept_invitation.sql
--! Included invitations/invite_to_team.sql
create or replace function attune.invite_to_team(team_id uuid, email text, role attune.team_role default 'member')
returns attune.invitations
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  caller_role constant attune.team_role := attune_private.require_team_role(
    caller, invite_to_team.team_id, 'owner', 'admin'
  );
  invitation attune.invitations;
begin
  if caller_role = 'admin' and role = 'owner' then
    perform attune_private.refuse_team_role('Only an owner may make or unmake an owner');
  end if;

  invitation.team_id := invite_to_team.team_id;
  invitation.team_role := coalesce(role, 'member');
  invitation.email := invite_to_team.email;
  return attune_private.invite(caller, invitation);
end;
$$;
comment on function attune.invite_to_team(uuid, text, attune.team_role) is
  E'@param team_id To which team.\n'
  '@param email Who is invited.\n'
  '@param role As what.\n'
  'Asks somebody by e-mail to join a team; for its owners, and for admins unless as an owner. '
  'It takes the place of an earlier invitation. '
  'Refused: `unknown_team`, `team_role_required`, `invalid_email`, `too_many_invitations`, `too_many_mails`.';
revoke all on function attune.invite_to_team(uuid, text, attune.team_role) from public;
grant execute on function attune.invite_to_team(uuid, text, attune.team_role) to anon, authenticated, service_role;
--! EndIncluded invitations/invite_to_team.sql
--! Included invitations/invite_to_project.sql
create or replace function attune.invite_to_project(project_id uuid, email text, role attune.project_role default 'viewer')
returns attune.invitations
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  invitation attune.invitations;
begin
  perform attune_private.require_project_role(caller, invite_to_project.project_id, 'owner');

  invitation.project_id := invite_to_project.project_id;
  invitation.project_role := coalesce(role, 'viewer');
  invitation.email := invite_to_project.email;
  return attune_private.invite(caller, invitation);
end;
$$;
comment on function attune.invite_to_project(uuid, text, attune.project_role) is
  E'@param project_id To which project.\n'
  '@param email Who is invited.\n'
  '@param role As what.\n'
  'Asks somebody by e-mail to join a project; for its owners. '
  'It takes the place of an earlier invitation. '
  'Refused: `unknown_project`, `project_role_required`, `invalid_email`, `too_many_invitations`, `too_many_mails`.';
revoke all on function attune.invite_to_project(uuid, text, attune.project_role) from public;
grant execute on function attune.invite_to_project(uuid, text, attune.project_role) to anon, authenticated, service_role;
--! EndIncluded invitations/invite_to_project.sql
--! Included invitations/revoke_invitation.sql
create or replace function attune.revoke_invitation(invitation_id uuid)
returns attune.invitations
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  invitation attune.invitations;
begin
  perform attune_private.require_somebody(caller);

  select i.* into invitation
  from attune.invitations as i
  where i.id = invitation_id
    and (
      caller.is_trusted
      or exists (
        select from attune.team_members as m
        where m.user_id = caller.user_id
          and m.team_id = i.team_id
          and m.role in ('owner', 'admin')
      )
      or exists (
        select from attune.project_members as m
        where m.user_id = caller.user_id
          and m.project_id = i.project_id
          and m.role = 'owner'
      )
    );

  if not found then
    raise exception using
      errcode = 'PT404',
      message = 'There is no such invitation',
      detail = 'unknown_invitation',
      hint = 'List the invitations of your team or project.';
  end if;

  perform attune_private.withdraw_invitation(invitation.id);
  select i.* into invitation from attune.invitations as i where i.id = invitation.id;
  return invitation;
end;
$$;
comment on function attune.revoke_invitation(uuid) is
  E'@param invitation_id Which invitation.\n'
  'Takes an invitation back; one that was accepted or taken back stays as it is. '
  'For those who may invite. '
  'Refused: `unknown_invitation`.';
revoke all on function attune.revoke_invitation(uuid) from public;
grant execute on function attune.revoke_invitation(uuid) to anon, authenticated, service_role;
--! EndIncluded invitations/revoke_invitation.sql
--! Included invitations/accept_invitation.sql
create or replace function attune.accept_invitation(token text)
returns attune.invitations
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return attune_private.accept_invitation(attune_hidden.require_user_id(), token);
end;
$$;
comment on function attune.accept_invitation(text) is
  E'@param token The token of the mail.\n'
  'Joins the team or project to which the caller was invited, with the token of the mail. '
  'The address of the caller must be the one that was invited. '
  'Refused: `not_signed_in`, `invalid_invitation`, `invitation_for_another`.';
revoke all on function attune.accept_invitation(text) from public;
grant execute on function attune.accept_invitation(text) to anon, authenticated;
--! EndIncluded invitations/accept_invitation.sql

--! Included invitations/triggers/tg_users__erase_invitations.sql
create or replace function attune_private.tg_users__erase_invitations()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  delete from attune.invitations as i where i.email = attune_private.email_key(old.email);

  -- To whom nobody has looked up yet, or who is somebody only because of the address.
  delete from attune_private.mail_outbox as m
  where m.purpose in ('invitation', 'reset_password')
    and m.recipient = attune_private.email_key(old.email);

  return null;
end;
$$;
comment on function attune_private.tg_users__erase_invitations() is
  'Invitations of a deleted user, and mails by the address alone, tell the address: they go too.';
revoke all on function attune_private.tg_users__erase_invitations() from public;
--! EndIncluded invitations/triggers/tg_users__erase_invitations.sql
--! Included invitations/triggers/tg_invitations__drop_mail.sql
create or replace function attune_private.tg_invitations__drop_mail()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  delete from attune_private.mail_outbox as m
  where m.delivered_at is null
    and m.purpose = 'invitation'
    and m.recipient = old.email
    and m.payload ->> 'invitation_id' = old.id::text;

  return null;
end;
$$;
comment on function attune_private.tg_invitations__drop_mail() is
  'What was not sent yet of an invitation that is gone, as with its team, is not sent any more.';
revoke all on function attune_private.tg_invitations__drop_mail() from public;
--! EndIncluded invitations/triggers/tg_invitations__drop_mail.sql
--! Included invitations/triggers/tg_team_members__withdraw_invitations.sql
create or replace function attune_private.tg_team_members__withdraw_invitations()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform attune_private.withdraw_invitation(i.id)
  from attune.invitations as i
  where i.team_id = old.team_id
    and i.invited_by = old.user_id
    and not exists (
      select from attune.team_members as m
      where m.user_id = old.user_id
        and m.team_id = old.team_id
        and (m.role = 'owner' or m.role = 'admin' and i.team_role <> 'owner')
    );

  -- Who now may more has lost nothing.
  if tg_op = 'DELETE' or new.role > old.role then
    perform attune_private.withdraw_invitation(i.id)
    from attune.invitations as i
    join attune.user_emails as e on e.email = i.email
    where i.team_id = old.team_id
      and e.user_id = old.user_id;

    -- Whatever address they have later. What is being deleted as a whole has no invitations left.
    insert into attune_private.lost_roles (user_id, place_id, lost_at)
    select u.id, p.id, now()
    from attune.users as u, attune.teams as p
    where u.id = old.user_id
      and p.id = old.team_id
    on conflict on constraint lost_roles_pkey do update set lost_at = excluded.lost_at;
  end if;

  return null;
end;
$$;
comment on function attune_private.tg_team_members__withdraw_invitations() is
  'Takes back what a member has invited others to as, and may no longer; and, from somebody who loses their role or a '
  'part of it, what was sent to them before: nobody comes back by an older invitation.';
revoke all on function attune_private.tg_team_members__withdraw_invitations() from public;
--! EndIncluded invitations/triggers/tg_team_members__withdraw_invitations.sql
--! Included invitations/triggers/tg_project_members__withdraw_invitations.sql
create or replace function attune_private.tg_project_members__withdraw_invitations()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform attune_private.withdraw_invitation(i.id)
  from attune.invitations as i
  where i.project_id = old.project_id
    and i.invited_by = old.user_id
    and not exists (
      select from attune.project_members as m
      where m.user_id = old.user_id
        and m.project_id = old.project_id
        and m.role = 'owner'
    );

  -- Who now may more has lost nothing.
  if tg_op = 'DELETE' or new.role > old.role then
    perform attune_private.withdraw_invitation(i.id)
    from attune.invitations as i
    join attune.user_emails as e on e.email = i.email
    where i.project_id = old.project_id
      and e.user_id = old.user_id;

    -- Whatever address they have later. What is being deleted as a whole has no invitations left.
    insert into attune_private.lost_roles (user_id, place_id, lost_at)
    select u.id, p.id, now()
    from attune.users as u, attune.projects as p
    where u.id = old.user_id
      and p.id = old.project_id
    on conflict on constraint lost_roles_pkey do update set lost_at = excluded.lost_at;
  end if;

  return null;
end;
$$;
comment on function attune_private.tg_project_members__withdraw_invitations() is
  'Takes back what a member has invited others to as, and may no longer; and, from somebody who loses their role or a '
  'part of it, what was sent to them before: nobody comes back by an older invitation.';
revoke all on function attune_private.tg_project_members__withdraw_invitations() from public;
--! EndIncluded invitations/triggers/tg_project_members__withdraw_invitations.sql

create trigger _820_erase_invitations after delete on attune.users
  for each row execute function attune_private.tg_users__erase_invitations();

create trigger _400_drop_mail after delete on attune.invitations
  for each row execute function attune_private.tg_invitations__drop_mail();

create trigger _400_withdraw_invitations after update of role or delete on attune.team_members
  for each row execute function attune_private.tg_team_members__withdraw_invitations();
create trigger _400_withdraw_invitations after update of role or delete on attune.project_members
  for each row execute function attune_private.tg_project_members__withdraw_invitations();
