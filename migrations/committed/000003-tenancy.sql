--! Previous: sha1:c379f8eae9b9fc695ffd03416c56fdef5f5ab753
--! Hash: sha1:378df303a2253f34c6d2f257e438d4885d549ef3
--! Message: tenancy

create type attune.team_role as enum ('owner', 'admin', 'member');
comment on type attune.team_role is
  E'@value owner Everything.\n'
  '@value admin Everything but to owners.\n'
  '@value member Nothing but see it.\n'
  'What a member may do in a team.';

create type attune.project_role as enum ('owner', 'editor', 'viewer');
comment on type attune.project_role is
  E'@value owner Everything.\n'
  '@value editor Change it.\n'
  '@value viewer See it.\n'
  'What a member may do in a project.';

--!include tenancy/private/refuse_unknown_team.sql
--!include tenancy/private/refuse_unknown_project.sql
--!include tenancy/private/refuse_unknown_member.sql
--!include tenancy/private/refuse_team_role.sql
--!include tenancy/private/refuse_missing_role.sql
--!include tenancy/private/refuse_last_owner.sql
--!include tenancy/private/valid_name.sql
--!include tenancy/triggers/tg__validate_name.sql

-- Teams. Whose they are is asked of definer functions, because the members' policies would ask about themselves.

create table attune.teams (
  id uuid not null default gen_random_uuid()
    constraint teams_pkey primary key,
  name text not null
    constraint teams_name_check check (char_length(name) between 1 and 200),
  created_by uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table attune.teams is
  E'@readBy attune_hidden.readable_teams\n'
  '@foreignKey (created_by) references attune.profiles (id)|@fieldName createdBy|@backwardBehavior -*\n'
  '@behavior -insert\n'
  'People who share settings. '
  'Its members and administrators see a team; `create_team` makes one.';
comment on column attune.teams.id is 'Which team.';
comment on column attune.teams.name is
  E'@behavior +attribute:filterBy +attribute:orderBy\n'
  'What people call it: 1 to 200 characters.';
comment on column attune.teams.created_by is
  E'@name created_by_id\n'
  'The user who made it, who may be gone.';
comment on column attune.teams.created_at is
  E'@behavior +attribute:filterBy +attribute:orderBy\n'
  'When it was made.';
comment on column attune.teams.updated_at is
  E'@behavior +attribute:filterBy +attribute:orderBy\n'
  'When it, or who owns it, last changed. '
  'In an update: the version that is changed, which was read (`changed_meanwhile`).';

create table attune.team_members (
  user_id uuid not null
    constraint team_members_user_id_fkey references attune.users (id) on delete cascade,
  team_id uuid not null
    constraint team_members_team_id_fkey references attune.teams (id) on delete cascade,
  role attune.team_role not null default 'member',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint team_members_pkey primary key (user_id, team_id)
);
create index team_members_team_id_idx on attune.team_members (team_id);
comment on table attune.team_members is
  E'@behavior -insert -update -delete\n'
  '@foreignKey (user_id) references attune.profiles (id)|@fieldName profile|@backwardBehavior -*\n'
  'Who belongs to a team, and as what. '
  'The members see each other.';
comment on constraint team_members_user_id_fkey on attune.team_members is
  E'@forwardBehavior -*\n'
  'What members see of each other is the profile.';
comment on column attune.team_members.user_id is 'Who belongs to it.';
comment on column attune.team_members.team_id is 'To which team.';
comment on column attune.team_members.role is 'As what.';
comment on column attune.team_members.created_at is 'Since when.';
comment on column attune.team_members.updated_at is
  'When the role last changed. '
  'In an update: the version that is changed, which was read (`changed_meanwhile`).';

--!include tenancy/hidden/member_team_ids.sql
--!include tenancy/hidden/managed_team_ids.sql
--!include tenancy/hidden/owned_team_ids.sql

alter table attune.teams enable row level security;
create policy teams_select_member_or_admin on attune.teams for select to authenticated
  using (id = any (array(select attune_hidden.member_team_ids())) or (select attune.is_admin()));
create policy teams_update_manager on attune.teams for update to authenticated
  using (id in (select attune_hidden.managed_team_ids()))
  with check (id in (select attune_hidden.managed_team_ids()));
create policy teams_delete_owner on attune.teams for delete to authenticated
  using (id in (select attune_hidden.owned_team_ids()));
create policy teams_all_service_role on attune.teams for all to service_role using (true) with check (true);

revoke all on attune.teams from public;
grant select, update (name, updated_at), delete on attune.teams to authenticated;
grant select, insert (name, created_by), update (name, updated_at), delete on attune.teams to service_role;

--!include tenancy/hidden/readable_teams.sql

create trigger _050_validate_name before insert or update of name on attune.teams
  for each row execute function attune_private.tg__validate_name();
create trigger _060_check_version before update on attune.teams
  for each row when (new.updated_at is distinct from old.updated_at)
  execute function attune_private.tg__check_version();
create trigger _100_timestamps before update on attune.teams
  for each row execute function attune_private.tg__timestamps();

alter table attune.team_members enable row level security;
create policy team_members_select_member on attune.team_members for select to authenticated
  using (team_id = any (array(select attune_hidden.member_team_ids())));
create policy team_members_all_service_role on attune.team_members for all to service_role using (true) with check (true);

revoke all on attune.team_members from public;
grant select on attune.team_members to authenticated;
grant select, insert (user_id, team_id, role), update (role, updated_at), delete on attune.team_members to service_role;

--!include tenancy/triggers/tg_team_members__keep_owner.sql
--!include tenancy/triggers/tg_team_members__leave_current_team.sql

create trigger _060_check_version before update on attune.team_members
  for each row when (new.updated_at is distinct from old.updated_at)
  execute function attune_private.tg__check_version();
create trigger _100_timestamps before update on attune.team_members
  for each row execute function attune_private.tg__timestamps();
create trigger _200_keep_owner after update of role or delete on attune.team_members
  for each row when (old.role = 'owner') execute function attune_private.tg_team_members__keep_owner();
create trigger _300_leave_current_team after delete on attune.team_members
  for each row execute function attune_private.tg_team_members__leave_current_team();

alter table attune.users
  add column current_team_id uuid
    -- There are no users yet.
    -- squawk-ignore adding-foreign-key-constraint
    constraint users_current_team_id_fkey references attune.teams (id) on delete set null;
create index users_current_team_id_idx on attune.users (current_team_id);
comment on constraint users_current_team_id_fkey on attune.users is
  E'@backwardBehavior -*\n'
  'The team whose settings apply to the user.';
comment on column attune.users.current_team_id is
  'The team whose settings apply to the user; null for none. '
  'Chosen with `set_current_team`.';

-- Projects

create table attune.projects (
  id uuid not null default gen_random_uuid()
    constraint projects_pkey primary key,
  name text not null
    constraint projects_name_check check (char_length(name) between 1 and 200),
  stage_number integer
    constraint projects_stage_number_check check (stage_number between 1 and 1000),
  team_id uuid
    constraint projects_team_id_fkey references attune.teams (id) on delete set null,
  created_by uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index projects_team_id_idx on attune.projects (team_id);
comment on table attune.projects is
  E'@foreignKey (created_by) references attune.profiles (id)|@fieldName createdBy|@backwardBehavior -*\n'
  '@behavior -insert\n'
  'What users work on. '
  'Every new user owns a starter project; `create_project` makes another. '
  'A project is seen by its own members: belonging to a team gives the rest of the team no right to it.';
comment on column attune.projects.id is 'Which project.';
comment on column attune.projects.name is
  E'@behavior +attribute:filterBy +attribute:orderBy\n'
  'What people call it: 1 to 200 characters.';
comment on column attune.projects.stage_number is
  'The stage it has reached, 1 to 1000; null before the first, as a starter project is.';
comment on column attune.projects.team_id is 'The team it belongs to; null for none.';
comment on column attune.projects.created_by is
  E'@name created_by_id\n'
  'The user who made it, who may be gone.';
comment on column attune.projects.created_at is
  E'@behavior +attribute:filterBy +attribute:orderBy\n'
  'When it was made.';
comment on column attune.projects.updated_at is
  E'@behavior +attribute:filterBy +attribute:orderBy\n'
  'When it, or who owns it, last changed. '
  'In an update: the version that is changed, which was read (`changed_meanwhile`).';

create table attune.project_members (
  user_id uuid not null
    constraint project_members_user_id_fkey references attune.users (id) on delete cascade,
  project_id uuid not null
    constraint project_members_project_id_fkey references attune.projects (id) on delete cascade,
  role attune.project_role not null default 'viewer',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint project_members_pkey primary key (user_id, project_id)
);
create index project_members_project_id_idx on attune.project_members (project_id);
comment on table attune.project_members is
  E'@behavior -insert -update -delete\n'
  '@foreignKey (user_id) references attune.profiles (id)|@fieldName profile|@backwardBehavior -*\n'
  'Who belongs to a project, and as what. '
  'The members see each other.';
comment on constraint project_members_user_id_fkey on attune.project_members is
  E'@forwardBehavior -*\n'
  'What members see of each other is the profile.';
comment on column attune.project_members.user_id is 'Who belongs to it.';
comment on column attune.project_members.project_id is 'To which project.';
comment on column attune.project_members.role is 'As what.';
comment on column attune.project_members.created_at is 'Since when.';
comment on column attune.project_members.updated_at is
  'When the role last changed. '
  'In an update: the version that is changed, which was read (`changed_meanwhile`).';

--!include tenancy/hidden/member_project_ids.sql
--!include tenancy/hidden/edited_project_ids.sql
--!include tenancy/hidden/owned_project_ids.sql

alter table attune.projects enable row level security;
create policy projects_select_member on attune.projects for select to authenticated
  using (id = any (array(select attune_hidden.member_project_ids())));
create policy projects_update_editor on attune.projects for update to authenticated
  using (id in (select attune_hidden.edited_project_ids()))
  with check (id in (select attune_hidden.edited_project_ids()));
create policy projects_delete_owner on attune.projects for delete to authenticated
  using (id in (select attune_hidden.owned_project_ids()));
create policy projects_all_service_role on attune.projects for all to service_role using (true) with check (true);

revoke all on attune.projects from public;
grant select, update (name, stage_number, updated_at), delete on attune.projects to authenticated;
grant select, insert (name, stage_number, team_id, created_by), update (name, stage_number, team_id, updated_at), delete
  on attune.projects to service_role;

--!include tenancy/triggers/tg_projects__validate_stage.sql

create trigger _050_validate_name before insert or update of name on attune.projects
  for each row execute function attune_private.tg__validate_name();
create trigger _060_validate_stage before insert or update of stage_number on attune.projects
  for each row execute function attune_private.tg_projects__validate_stage();
create trigger _060_check_version before update on attune.projects
  for each row when (new.updated_at is distinct from old.updated_at)
  execute function attune_private.tg__check_version();
create trigger _100_timestamps before update on attune.projects
  for each row execute function attune_private.tg__timestamps();

alter table attune.project_members enable row level security;
create policy project_members_select_member on attune.project_members for select to authenticated
  using (project_id = any (array(select attune_hidden.member_project_ids())));
create policy project_members_all_service_role on attune.project_members for all to service_role
  using (true) with check (true);

revoke all on attune.project_members from public;
grant select on attune.project_members to authenticated;
grant select, insert (user_id, project_id, role), update (role, updated_at), delete on attune.project_members to service_role;

--!include tenancy/triggers/tg_project_members__keep_owner.sql

create trigger _060_check_version before update on attune.project_members
  for each row when (new.updated_at is distinct from old.updated_at)
  execute function attune_private.tg__check_version();
create trigger _100_timestamps before update on attune.project_members
  for each row execute function attune_private.tg__timestamps();
create trigger _200_keep_owner after update of role or delete on attune.project_members
  for each row when (old.role = 'owner') execute function attune_private.tg_project_members__keep_owner();

--!include tenancy/triggers/tg_users__starter_project.sql

create trigger _400_starter_project after insert on attune.users
  for each row execute function attune_private.tg_users__starter_project();

-- What members see of each other

--!include tenancy/hidden/known_profiles.sql

create view attune.profiles
with (security_invoker = true)
as
select u.id, u.name, u.avatar_url
from attune.users as u
union all
select p.id, p.name, p.avatar_url
-- A subquery, because the planner looks up the users of a join by their id only where all parts can do so.
from (select k.id, k.name, k.avatar_url from attune_hidden.known_profiles() as k offset 0) as p;
comment on view attune.profiles is
  E'@primaryKey id\n'
  '@behavior -insert -update -delete\n'
  'What a user may see of others: those in the same teams and projects, and themselves. '
  'Administrators see everybody.';
comment on column attune.profiles.id is 'Who it is.';
comment on column attune.profiles.name is 'Their name.';
comment on column attune.profiles.avatar_url is
  E'@behavior -attribute:filterBy -attribute:orderBy\n'
  'The address of their picture.';

revoke all on attune.profiles from public;
grant select on attune.profiles to authenticated, service_role;

--!include tenancy/private/require_team_role.sql
--!include tenancy/private/require_project_role.sql
--!include tenancy/private/require_team_administrator.sql
--!include tenancy/create_team.sql
--!include tenancy/set_current_team.sql
--!include tenancy/set_team_member_role.sql
--!include tenancy/remove_team_member.sql
--!include tenancy/leave_team.sql
--!include tenancy/create_project.sql
--!include tenancy/set_project_member_role.sql
--!include tenancy/remove_project_member.sql
--!include tenancy/leave_project.sql
