--! Previous: sha1:e6e1e58ba9a12ae5200d883c1a9345349fa342ac
--! Hash: sha1:ed7bfedfa082caed37be816c354b761387a42f00
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

--!include invitations/private/withdraw_invitation.sql
--!include invitations/private/invite.sql
--!include invitations/private/accept_invitation.sql
--!include invitations/invite_to_team.sql
--!include invitations/invite_to_project.sql
--!include invitations/revoke_invitation.sql
--!include invitations/accept_invitation.sql

--!include invitations/triggers/tg_users__erase_invitations.sql
--!include invitations/triggers/tg_invitations__drop_mail.sql
--!include invitations/triggers/tg_team_members__withdraw_invitations.sql
--!include invitations/triggers/tg_project_members__withdraw_invitations.sql

create trigger _820_erase_invitations after delete on attune.users
  for each row execute function attune_private.tg_users__erase_invitations();

create trigger _400_drop_mail after delete on attune.invitations
  for each row execute function attune_private.tg_invitations__drop_mail();

create trigger _400_withdraw_invitations after update of role or delete on attune.team_members
  for each row execute function attune_private.tg_team_members__withdraw_invitations();
create trigger _400_withdraw_invitations after update of role or delete on attune.project_members
  for each row execute function attune_private.tg_project_members__withdraw_invitations();
