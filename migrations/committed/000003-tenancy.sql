--! Previous: sha1:7a78d431b7cbd8103a7bb3a704a1a4ed916d338b
--! Hash: sha1:b8972289f57390baed9cc67a40d8a3ee8d69f91b
--! Message: tenancy

-- The least that the layers of a team and of a project need. Issue 3 replaces it with the same tables, and more.

create type attune.team_role as enum ('owner', 'admin', 'member');
comment on type attune.team_role is 'What a member may do in a team: owners and administrators write its settings.';

create type attune.project_role as enum ('owner', 'editor', 'viewer');
comment on type attune.project_role is 'What a member may do in a project.';

create table attune.teams (
  id uuid not null default gen_random_uuid()
    constraint teams_pkey primary key,
  name text not null
    constraint teams_name_check check (char_length(name) between 1 and 200),
  created_at timestamptz not null default now()
);
comment on table attune.teams is 'Groups of people who share settings. Their members see them.';
comment on column attune.teams.id is 'Which team.';
comment on column attune.teams.name is 'What people read, at most 200 characters.';
comment on column attune.teams.created_at is 'When the team was made.';

create table attune.team_members (
  user_id uuid not null
    constraint team_members_user_id_fkey references attune.users (id) on delete cascade,
  team_id uuid not null
    constraint team_members_team_id_fkey references attune.teams (id) on delete cascade,
  role attune.team_role not null default 'member',
  created_at timestamptz not null default now(),
  constraint team_members_pkey primary key (user_id, team_id)
);
create index team_members_team_id_idx on attune.team_members (team_id);
comment on table attune.team_members is 'Who belongs to which team. Members see each other.';
comment on column attune.team_members.user_id is 'Who.';
comment on column attune.team_members.team_id is 'Which team.';
comment on column attune.team_members.role is 'What the member may do there.';
comment on column attune.team_members.created_at is 'When the user joined.';

alter table attune.users
  add column current_team_id uuid
    constraint users_current_team_id_fkey references attune.teams (id) on delete set null;
create index users_current_team_id_idx on attune.users (current_team_id);
comment on column attune.users.current_team_id is 'The team whose settings apply to the user, who is a member; or null.';

create table attune.projects (
  id uuid not null default gen_random_uuid()
    constraint projects_pkey primary key,
  name text not null
    constraint projects_name_check check (char_length(name) between 1 and 200),
  stage_number integer,
  created_at timestamptz not null default now()
);
comment on table attune.projects is 'What people work on. Their members see them.';
comment on column attune.projects.id is 'Which project.';
comment on column attune.projects.name is 'What people read, at most 200 characters.';
comment on column attune.projects.stage_number is 'Which stage it is in; null for a starter project.';
comment on column attune.projects.created_at is 'When the project was made.';

create table attune.project_members (
  user_id uuid not null
    constraint project_members_user_id_fkey references attune.users (id) on delete cascade,
  project_id uuid not null
    constraint project_members_project_id_fkey references attune.projects (id) on delete cascade,
  role attune.project_role not null default 'viewer',
  created_at timestamptz not null default now(),
  constraint project_members_pkey primary key (user_id, project_id)
);
create index project_members_project_id_idx on attune.project_members (project_id);
comment on table attune.project_members is 'Who belongs to which project. Members see each other.';
comment on column attune.project_members.user_id is 'Who.';
comment on column attune.project_members.project_id is 'Which project.';
comment on column attune.project_members.role is 'What the member may do there.';
comment on column attune.project_members.created_at is 'When the user joined.';

--! Included functions/member_team_ids.sql
create or replace function attune.member_team_ids()
returns setof uuid
language sql stable parallel safe security definer
rows 10
set search_path = ''
begin atomic
  -- Definer, because the policies of the members themselves ask.
  select m.team_id
  from attune.team_members as m
  where m.user_id = (select attune.current_user_id());
end;
comment on function attune.member_team_ids() is E'@behavior -*\nThe teams the signed-in user belongs to.';
revoke all on function attune.member_team_ids() from public;
grant execute on function attune.member_team_ids() to anon, authenticated, service_role;
--! EndIncluded functions/member_team_ids.sql
--! Included functions/managed_team_ids.sql
create or replace function attune.managed_team_ids()
returns setof uuid
language sql stable parallel safe security definer
rows 10
set search_path = ''
begin atomic
  -- Definer, because the policies of the members themselves ask.
  select m.team_id
  from attune.team_members as m
  where m.user_id = (select attune.current_user_id())
    and m.role in ('owner', 'admin');
end;
comment on function attune.managed_team_ids() is E'@behavior -*\nThe teams whose settings the signed-in user writes: as an owner or an administrator of the team.';
revoke all on function attune.managed_team_ids() from public;
grant execute on function attune.managed_team_ids() to anon, authenticated, service_role;
--! EndIncluded functions/managed_team_ids.sql
--! Included functions/member_project_ids.sql
create or replace function attune.member_project_ids()
returns setof uuid
language sql stable parallel safe security definer
rows 10
set search_path = ''
begin atomic
  -- Definer, because the policies of the members themselves ask.
  select m.project_id
  from attune.project_members as m
  where m.user_id = (select attune.current_user_id());
end;
comment on function attune.member_project_ids() is E'@behavior -*\nThe projects the signed-in user belongs to.';
revoke all on function attune.member_project_ids() from public;
grant execute on function attune.member_project_ids() to anon, authenticated, service_role;
--! EndIncluded functions/member_project_ids.sql

alter table attune.teams enable row level security;
create policy teams_select_member_or_admin on attune.teams for select to authenticated
  using (id in (select attune.member_team_ids()) or (select attune.is_admin()));
create policy teams_all_service_role on attune.teams for all to service_role using (true) with check (true);
revoke all on attune.teams from public;
grant select on attune.teams to authenticated, service_role;
grant insert (name), update (name), delete on attune.teams to service_role;

alter table attune.team_members enable row level security;
create policy team_members_select_member_or_admin on attune.team_members for select to authenticated
  using (team_id in (select attune.member_team_ids()) or (select attune.is_admin()));
create policy team_members_all_service_role on attune.team_members for all to service_role using (true) with check (true);
revoke all on attune.team_members from public;
grant select on attune.team_members to authenticated, service_role;
grant insert (user_id, team_id, role), update (role), delete on attune.team_members to service_role;

alter table attune.projects enable row level security;
create policy projects_select_member_or_admin on attune.projects for select to authenticated
  using (id in (select attune.member_project_ids()) or (select attune.is_admin()));
create policy projects_all_service_role on attune.projects for all to service_role using (true) with check (true);
revoke all on attune.projects from public;
grant select on attune.projects to authenticated, service_role;
grant insert (name, stage_number), update (name, stage_number), delete on attune.projects to service_role;

alter table attune.project_members enable row level security;
create policy project_members_select_member_or_admin on attune.project_members for select to authenticated
  using (project_id in (select attune.member_project_ids()) or (select attune.is_admin()));
create policy project_members_all_service_role on attune.project_members for all to service_role
  using (true) with check (true);
revoke all on attune.project_members from public;
grant select on attune.project_members to authenticated, service_role;
grant insert (user_id, project_id, role), update (role), delete on attune.project_members to service_role;
