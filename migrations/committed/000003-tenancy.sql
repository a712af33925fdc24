--! Previous: sha1:2f956b1a78cec565237b2361913a6a4ad5762051
--! Hash: sha1:f56124f13a0613e70ddbbbb91ddfd96420ae4962
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

--! Included tenancy/private/refuse_unknown_team.sql
create or replace function attune_private.refuse_unknown_team()
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = 'PT404',
    message = 'There is no such team',
    detail = 'unknown_team',
    hint = 'Give the id of a team that you belong to.';
end;
$$;
comment on function attune_private.refuse_unknown_team() is 'Refuses: `unknown_team`.';
revoke all on function attune_private.refuse_unknown_team() from public;
--! EndIncluded tenancy/private/refuse_unknown_team.sql
--! Included tenancy/private/refuse_unknown_project.sql
create or replace function attune_private.refuse_unknown_project()
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = 'PT404',
    message = 'There is no such project',
    detail = 'unknown_project',
    hint = 'Give the id of a project that the user belongs to.';
end;
$$;
comment on function attune_private.refuse_unknown_project() is 'Refuses: `unknown_project`.';
revoke all on function attune_private.refuse_unknown_project() from public;
--! EndIncluded tenancy/private/refuse_unknown_project.sql
--! Included tenancy/private/refuse_unknown_member.sql
create or replace function attune_private.refuse_unknown_member()
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = 'PT404',
    message = 'There is no such member',
    detail = 'unknown_member',
    hint = 'Give the id of a user who belongs to it.';
end;
$$;
comment on function attune_private.refuse_unknown_member() is 'Refuses: `unknown_member`.';
revoke all on function attune_private.refuse_unknown_member() from public;
--! EndIncluded tenancy/private/refuse_unknown_member.sql
--! Included tenancy/private/refuse_team_role.sql
create or replace function attune_private.refuse_team_role(message text)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = '42501',
    message = message,
    detail = 'team_role_required',
    hint = 'Ask an owner of the team.';
end;
$$;
comment on function attune_private.refuse_team_role(text) is 'Refuses, saying what the role is not enough for: `team_role_required`.';
revoke all on function attune_private.refuse_team_role(text) from public;
--! EndIncluded tenancy/private/refuse_team_role.sql
--! Included tenancy/private/refuse_missing_role.sql
create or replace function attune_private.refuse_missing_role(roles text)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = 'PT422',
    message = 'The role is missing',
    detail = 'invalid_role',
    hint = format('Give one of %s.', roles);
end;
$$;
comment on function attune_private.refuse_missing_role(text) is 'Refuses, naming the roles there are: `invalid_role`.';
revoke all on function attune_private.refuse_missing_role(text) from public;
--! EndIncluded tenancy/private/refuse_missing_role.sql
--! Included tenancy/private/refuse_last_owner.sql
create or replace function attune_private.refuse_last_owner(what text)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = 'PT409',
    message = format('A %s cannot lose its last owner', what),
    detail = 'last_owner',
    hint = format('Make another member an owner first, or delete the %s.', what);
end;
$$;
comment on function attune_private.refuse_last_owner(text) is 'Refuses: `last_owner`.';
revoke all on function attune_private.refuse_last_owner(text) from public;
--! EndIncluded tenancy/private/refuse_last_owner.sql
--! Included tenancy/private/valid_name.sql
create or replace function attune_private.valid_name(name text)
returns text
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  trimmed constant text := btrim(name);
begin
  perform attune_private.check_size('The name', char_length(trimmed), 200, 'characters');

  if coalesce(trimmed, '') = '' then
    raise exception using
      errcode = 'PT422',
      message = 'The name is empty',
      detail = 'invalid_name',
      hint = 'Give a name of 1 to 200 characters.';
  end if;

  return trimmed;
end;
$$;
comment on function attune_private.valid_name(text) is
  'A name, trimmed. '
  'Refused when there is none (`invalid_name`) or too much of it (`too_large`).';
revoke all on function attune_private.valid_name(text) from public;
--! EndIncluded tenancy/private/valid_name.sql
--! Included tenancy/triggers/tg__validate_name.sql
create or replace function attune_private.tg__validate_name()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  new.name := attune_private.valid_name(new.name);
  return new;
end;
$$;
comment on function attune_private.tg__validate_name() is
  'Trims a name, and refuses an empty (`invalid_name`) or long one (`too_large`).';
revoke all on function attune_private.tg__validate_name() from public;
--! EndIncluded tenancy/triggers/tg__validate_name.sql

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

--! Included tenancy/hidden/member_team_ids.sql
create or replace function attune_hidden.member_team_ids()
returns setof uuid
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
begin atomic
  select m.team_id
  from attune.team_members as m
  where m.user_id = (select attune.current_user_id());
end;
comment on function attune_hidden.member_team_ids() is 'The teams that the caller belongs to.';
revoke all on function attune_hidden.member_team_ids() from public;
grant execute on function attune_hidden.member_team_ids() to authenticated, service_role;
--! EndIncluded tenancy/hidden/member_team_ids.sql
--! Included tenancy/hidden/managed_team_ids.sql
create or replace function attune_hidden.managed_team_ids()
returns setof uuid
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
begin atomic
  select m.team_id
  from attune.team_members as m
  where m.user_id = (select attune.current_user_id())
    and m.role in ('owner', 'admin');
end;
comment on function attune_hidden.managed_team_ids() is 'The teams that the caller owns or administers.';
revoke all on function attune_hidden.managed_team_ids() from public;
grant execute on function attune_hidden.managed_team_ids() to authenticated, service_role;
--! EndIncluded tenancy/hidden/managed_team_ids.sql
--! Included tenancy/hidden/owned_team_ids.sql
create or replace function attune_hidden.owned_team_ids()
returns setof uuid
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
begin atomic
  select m.team_id
  from attune.team_members as m
  where m.user_id = (select attune.current_user_id())
    and m.role = 'owner';
end;
comment on function attune_hidden.owned_team_ids() is 'The teams that the caller owns.';
revoke all on function attune_hidden.owned_team_ids() from public;
grant execute on function attune_hidden.owned_team_ids() to authenticated, service_role;
--! EndIncluded tenancy/hidden/owned_team_ids.sql

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

--! Included tenancy/hidden/readable_teams.sql
create or replace function attune_hidden.readable_teams()
returns setof attune.teams
language sql stable security invoker
begin atomic
  select
    c.id, c.name, c.created_by, c.created_at, c.updated_at
  from (
    select false as is_everybodys, t.* from attune.teams as t
    where t.id = any (array(select attune_hidden.member_team_ids()))
    union all
    select true, t.* from attune.teams as t
  ) as c
  where c.is_everybodys = (select current_user <> 'authenticated' or attune.is_admin());
end;
comment on function attune_hidden.readable_teams() is
  'The rows of `teams` that the caller may read, found by index, as `readable_configuration_audit_log` does.';
revoke all on function attune_hidden.readable_teams() from public;
grant execute on function attune_hidden.readable_teams() to authenticated, service_role;
--! EndIncluded tenancy/hidden/readable_teams.sql

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

--! Included tenancy/triggers/tg_team_members__keep_owner.sql
create or replace function attune_private.tg_team_members__keep_owner()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Two owners who leave at the same moment: the second waits here, and sees that the first is gone. An update and no
  -- mere lock, so that it also fails where a transaction keeps an old snapshot.
  update attune.teams as t set name = t.name where t.id = old.team_id;

  -- Not found: the whole team is being deleted.
  if not found or exists (
    select from attune.team_members as m
    where m.team_id = old.team_id
      and m.role = 'owner'
  ) then
    return null;
  end if;

  if not exists (select from attune.users as u where u.id = old.user_id)
    and not exists (select from attune.team_members as m where m.team_id = old.team_id)
  then
    -- A deleted user takes along what nobody else belongs to.
    delete from attune.teams as t where t.id = old.team_id;
    return null;
  end if;

  perform attune_private.refuse_last_owner('team');
end;
$$;
comment on function attune_private.tg_team_members__keep_owner() is
  'Refuses to take a team''s last owner away (`last_owner`), except with the team: one of which a deleted user was '
  'the only member goes with the user.';
revoke all on function attune_private.tg_team_members__keep_owner() from public;
--! EndIncluded tenancy/triggers/tg_team_members__keep_owner.sql
--! Included tenancy/triggers/tg_team_members__leave_current_team.sql
create or replace function attune_private.tg_team_members__leave_current_team()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update attune.users as u
  set current_team_id = null
  where u.id = old.user_id
    and u.current_team_id = old.team_id;

  return null;
end;
$$;
comment on function attune_private.tg_team_members__leave_current_team() is
  'Whoever no longer belongs to a team no longer has it as the current one.';
revoke all on function attune_private.tg_team_members__leave_current_team() from public;
--! EndIncluded tenancy/triggers/tg_team_members__leave_current_team.sql

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

--! Included tenancy/hidden/member_project_ids.sql
create or replace function attune_hidden.member_project_ids()
returns setof uuid
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
begin atomic
  select m.project_id
  from attune.project_members as m
  where m.user_id = (select attune.current_user_id());
end;
comment on function attune_hidden.member_project_ids() is 'The projects that the caller belongs to.';
revoke all on function attune_hidden.member_project_ids() from public;
grant execute on function attune_hidden.member_project_ids() to authenticated, service_role;
--! EndIncluded tenancy/hidden/member_project_ids.sql
--! Included tenancy/hidden/edited_project_ids.sql
create or replace function attune_hidden.edited_project_ids()
returns setof uuid
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
begin atomic
  select m.project_id
  from attune.project_members as m
  where m.user_id = (select attune.current_user_id())
    and m.role in ('owner', 'editor');
end;
comment on function attune_hidden.edited_project_ids() is 'The projects that the caller may change.';
revoke all on function attune_hidden.edited_project_ids() from public;
grant execute on function attune_hidden.edited_project_ids() to authenticated, service_role;
--! EndIncluded tenancy/hidden/edited_project_ids.sql
--! Included tenancy/hidden/owned_project_ids.sql
create or replace function attune_hidden.owned_project_ids()
returns setof uuid
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
begin atomic
  select m.project_id
  from attune.project_members as m
  where m.user_id = (select attune.current_user_id())
    and m.role = 'owner';
end;
comment on function attune_hidden.owned_project_ids() is 'The projects that the caller owns.';
revoke all on function attune_hidden.owned_project_ids() from public;
grant execute on function attune_hidden.owned_project_ids() to authenticated, service_role;
--! EndIncluded tenancy/hidden/owned_project_ids.sql

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

--! Included tenancy/triggers/tg_projects__validate_stage.sql
create or replace function attune_private.tg_projects__validate_stage()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if new.stage_number not between 1 and 1000 then
    raise exception using
      errcode = 'PT422',
      message = format('A stage is 1 to 1000, not %s', new.stage_number),
      detail = 'invalid_stage_number',
      hint = 'Give a whole number from 1 to 1000, or null.';
  end if;

  return new;
end;
$$;
comment on function attune_private.tg_projects__validate_stage() is
  'Refuses a stage that there cannot be (`invalid_stage_number`).';
revoke all on function attune_private.tg_projects__validate_stage() from public;
--! EndIncluded tenancy/triggers/tg_projects__validate_stage.sql

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

--! Included tenancy/triggers/tg_project_members__keep_owner.sql
create or replace function attune_private.tg_project_members__keep_owner()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Two owners who leave at the same moment: the second waits here, and sees that the first is gone. An update and no
  -- mere lock, so that it also fails where a transaction keeps an old snapshot.
  update attune.projects as t set name = t.name where t.id = old.project_id;

  -- Not found: the whole project is being deleted.
  if not found or exists (
    select from attune.project_members as m
    where m.project_id = old.project_id
      and m.role = 'owner'
  ) then
    return null;
  end if;

  if not exists (select from attune.users as u where u.id = old.user_id)
    and not exists (select from attune.project_members as m where m.project_id = old.project_id)
  then
    -- A deleted user takes along what nobody else belongs to.
    delete from attune.projects as t where t.id = old.project_id;
    return null;
  end if;

  perform attune_private.refuse_last_owner('project');
end;
$$;
comment on function attune_private.tg_project_members__keep_owner() is
  'Refuses to take a project''s last owner away (`last_owner`), except with the project: one of which a deleted '
  'user was the only member goes with the user.';
revoke all on function attune_private.tg_project_members__keep_owner() from public;
--! EndIncluded tenancy/triggers/tg_project_members__keep_owner.sql

create trigger _060_check_version before update on attune.project_members
  for each row when (new.updated_at is distinct from old.updated_at)
  execute function attune_private.tg__check_version();
create trigger _100_timestamps before update on attune.project_members
  for each row execute function attune_private.tg__timestamps();
create trigger _200_keep_owner after update of role or delete on attune.project_members
  for each row when (old.role = 'owner') execute function attune_private.tg_project_members__keep_owner();

--! Included tenancy/triggers/tg_users__starter_project.sql
create or replace function attune_private.tg_users__starter_project()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  starter uuid;
begin
  insert into attune.projects (name, created_by)
  values ('Starter project', new.id)
  returning id into starter;

  insert into attune.project_members (user_id, project_id, role)
  values (new.id, starter, 'owner');

  return null;
end;
$$;
comment on function attune_private.tg_users__starter_project() is
  'Gives a new user a project to begin with, in no stage yet.';
revoke all on function attune_private.tg_users__starter_project() from public;
--! EndIncluded tenancy/triggers/tg_users__starter_project.sql

create trigger _400_starter_project after insert on attune.users
  for each row execute function attune_private.tg_users__starter_project();

-- What members see of each other

--! Included tenancy/hidden/known_profiles.sql
create or replace function attune_hidden.known_profiles()
returns table (id uuid, name text, avatar_url text)
language sql stable parallel safe security definer
rows 100
set search_path = pg_catalog, pg_temp
begin atomic
  with caller (id) as materialized (
    -- Administrators read the users themselves.
    select u.id from attune.users as u where u.id = (select attune.current_user_id()) and not u.is_admin
  )
  select u.id, u.name, u.avatar_url
  from attune.users as u
  where u.id in (
    select m.user_id
    from caller as c
    join attune.team_members as own on own.user_id = c.id
    join attune.team_members as m on m.team_id = own.team_id and m.user_id <> c.id
    union
    select m.user_id
    from caller as c
    join attune.project_members as own on own.user_id = c.id
    join attune.project_members as m on m.project_id = own.project_id and m.user_id <> c.id
  );
end;
comment on function attune_hidden.known_profiles() is
  'Name and picture of everybody else in the teams and projects of the caller; none for an administrator, who reads '
  'the users.';
revoke all on function attune_hidden.known_profiles() from public;
grant execute on function attune_hidden.known_profiles() to authenticated, service_role;
--! EndIncluded tenancy/hidden/known_profiles.sql

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

--! Included tenancy/private/require_team_role.sql
create or replace function attune_private.require_team_role(
  caller attune_private.caller,
  team_id uuid,
  variadic roles attune.team_role[]
)
returns attune.team_role
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  held attune.team_role;
begin
  perform attune_private.require_somebody(caller);

  -- One change of the members at a time, in one order of locks: who may do something stays so until it is done.
  perform from attune.teams as t where t.id = require_team_role.team_id for no key update;

  if found then
    select m.role into held
    from attune.team_members as m
    where m.user_id = caller.user_id
      and m.team_id = require_team_role.team_id;

    if not found and caller.is_trusted then
      held := 'owner';
    end if;
  end if;

  if held is null then
    perform attune_private.refuse_unknown_team();
  end if;

  if held <> all (roles) then
    perform attune_private.refuse_team_role(
      format('Your role in this team is %s, and this takes %s', held, array_to_string(roles, ' or '))
    );
  end if;

  return held;
end;
$$;
comment on function attune_private.require_team_role(attune_private.caller, uuid, attune.team_role[]) is
  'The caller''s role in a team; a trusted server counts as an owner. '
  'Refused when the caller does not belong to it (`unknown_team`) or has another role (`team_role_required`), or is nobody '
  '(`not_signed_in`).';
revoke all on function attune_private.require_team_role(attune_private.caller, uuid, attune.team_role[]) from public;
--! EndIncluded tenancy/private/require_team_role.sql
--! Included tenancy/private/require_project_role.sql
create or replace function attune_private.require_project_role(
  caller attune_private.caller,
  project_id uuid,
  variadic roles attune.project_role[]
)
returns attune.project_role
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  held attune.project_role;
begin
  perform attune_private.require_somebody(caller);

  -- One change of the members at a time, in one order of locks: who may do something stays so until it is done.
  perform from attune.projects as t where t.id = require_project_role.project_id for no key update;

  if found then
    select m.role into held
    from attune.project_members as m
    where m.user_id = caller.user_id
      and m.project_id = require_project_role.project_id;

    if not found and caller.is_trusted then
      held := 'owner';
    end if;
  end if;

  if held is null then
    perform attune_private.refuse_unknown_project();
  end if;

  if held <> all (roles) then
    raise exception using
      errcode = '42501',
      message = format('Your role in this project is %s, and this takes %s', held, array_to_string(roles, ' or ')),
      detail = 'project_role_required',
      hint = 'Ask an owner of the project.';
  end if;

  return held;
end;
$$;
comment on function attune_private.require_project_role(attune_private.caller, uuid, attune.project_role[]) is
  'The caller''s role in a project; a trusted server counts as an owner. '
  'Refused when the caller does not belong to it (`unknown_project`) or has another role (`project_role_required`), or is '
  'nobody (`not_signed_in`).';
revoke all on function attune_private.require_project_role(attune_private.caller, uuid, attune.project_role[]) from public;
--! EndIncluded tenancy/private/require_project_role.sql
--! Included tenancy/private/require_team_administrator.sql
create or replace function attune_private.require_team_administrator(caller attune_private.caller, team_id uuid)
returns void
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  perform attune_private.require_somebody(caller);

  if exists (
    select from attune.team_members as m
    where m.user_id = caller.user_id
      and m.team_id = require_team_administrator.team_id
      and m.role in ('owner', 'admin')
  ) then
    return;
  end if;

  if (caller.is_admin or caller.is_trusted) is not true
    or not exists (select from attune.teams as t where t.id = require_team_administrator.team_id)
  then
    -- The same for a team that does not exist: who is no member learns nothing.
    raise exception using
      errcode = '42501',
      message = 'Only an owner or administrator of the team may do this',
      detail = 'team_admin_required',
      hint = 'Ask somebody who administers the team.';
  end if;
end;
$$;
comment on function attune_private.require_team_administrator(attune_private.caller, uuid) is
  'Passes for the owners and administrators of a team, for administrators and trusted servers; refuses '
  '(`team_admin_required`) everybody else, and when there is no such team; or (`not_signed_in`) who is nobody.';
revoke all on function attune_private.require_team_administrator(attune_private.caller, uuid) from public;
--! EndIncluded tenancy/private/require_team_administrator.sql
--! Included tenancy/create_team.sql
create or replace function attune.create_team(name text)
returns attune.teams
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant uuid := attune_hidden.require_user_id();
  team attune.teams;
begin
  insert into attune.teams (name, created_by)
  values (create_team.name, caller)
  returning * into team;

  insert into attune.team_members (user_id, team_id, role)
  values (caller, team.id, 'owner');

  return team;
end;
$$;
comment on function attune.create_team(text) is
  E'@param name What people call it.\n'
  'Makes a team, which the caller owns. '
  'Refused: `not_signed_in`, `invalid_name`, `too_large`.';
revoke all on function attune.create_team(text) from public;
grant execute on function attune.create_team(text) to anon, authenticated;
--! EndIncluded tenancy/create_team.sql
--! Included tenancy/set_current_team.sql
create or replace function attune.set_current_team(team_id uuid default null)
returns attune.users
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant uuid := attune_hidden.require_user_id();
  changed attune.users;
begin
  if team_id is not null then
    -- Nobody takes the membership away before the choice is made.
    perform from attune.team_members as m
    where m.user_id = caller
      and m.team_id = set_current_team.team_id
    for share;

    if not found then
      perform attune_private.refuse_unknown_team();
    end if;
  end if;

  update attune.users as u
  set current_team_id = set_current_team.team_id
  where u.id = caller
  returning u.* into changed;

  return changed;
end;
$$;
comment on function attune.set_current_team(uuid) is
  E'@param team_id Which team; without, none.\n'
  'Chooses the team whose settings apply to the caller, of those the caller belongs to; without one, none. '
  'Refused: `not_signed_in`, `unknown_team`.';
revoke all on function attune.set_current_team(uuid) from public;
grant execute on function attune.set_current_team(uuid) to anon, authenticated;
--! EndIncluded tenancy/set_current_team.sql
--! Included tenancy/set_team_member_role.sql
create or replace function attune.set_team_member_role(team_id uuid, user_id uuid, role attune.team_role)
returns attune.team_members
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  caller_role constant attune.team_role := attune_private.require_team_role(
    caller, set_team_member_role.team_id, 'owner', 'admin'
  );
  previous_role attune.team_role;
  member attune.team_members;
begin
  select m.role into previous_role
  from attune.team_members as m
  where m.user_id = set_team_member_role.user_id
    and m.team_id = set_team_member_role.team_id
  for no key update;

  if not found then
    perform attune_private.refuse_unknown_member();
  end if;

  -- An admin manages those below the owners, and makes nobody an owner.
  if caller_role = 'admin' and 'owner' in (previous_role, set_team_member_role.role) then
    perform attune_private.refuse_team_role('Only an owner may make or unmake an owner');
  end if;

  if set_team_member_role.role is null then
    perform attune_private.refuse_missing_role('owner, admin and member');
  end if;

  update attune.team_members as m
  set role = set_team_member_role.role
  where m.user_id = set_team_member_role.user_id
    and m.team_id = set_team_member_role.team_id
  returning m.* into member;

  return member;
end;
$$;
comment on function attune.set_team_member_role(uuid, uuid, attune.team_role) is
  E'@param team_id In which team.\n'
  '@param user_id Whose role.\n'
  '@param role The role from now on.\n'
  'Changes what a member may do in a team; for its owners, and for admins as far as no owner is concerned. '
  'Refused: `unknown_team`, `team_role_required`, `invalid_role`, `unknown_member`, `last_owner`.';
revoke all on function attune.set_team_member_role(uuid, uuid, attune.team_role) from public;
grant execute on function attune.set_team_member_role(uuid, uuid, attune.team_role) to anon, authenticated, service_role;
--! EndIncluded tenancy/set_team_member_role.sql
--! Included tenancy/remove_team_member.sql
create or replace function attune.remove_team_member(team_id uuid, user_id uuid)
returns attune.team_members
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  caller_role constant attune.team_role := attune_private.require_team_role(
    caller, remove_team_member.team_id, 'owner', 'admin'
  );
  member attune.team_members;
begin
  select m.* into member
  from attune.team_members as m
  where m.user_id = remove_team_member.user_id
    and m.team_id = remove_team_member.team_id
  for update;

  if not found then
    perform attune_private.refuse_unknown_member();
  end if;

  if caller_role = 'admin' and member.role = 'owner' then
    perform attune_private.refuse_team_role('Only an owner may remove an owner');
  end if;

  delete from attune.team_members as m
  where m.user_id = remove_team_member.user_id
    and m.team_id = remove_team_member.team_id;

  return member;
end;
$$;
comment on function attune.remove_team_member(uuid, uuid) is
  E'@param team_id From which team.\n'
  '@param user_id Whom.\n'
  'Takes a member out of a team, and returns the membership that was; for its owners, and for admins unless it is an '
  'owner. '
  'Refused: `unknown_team`, `team_role_required`, `unknown_member`, `last_owner`.';
revoke all on function attune.remove_team_member(uuid, uuid) from public;
grant execute on function attune.remove_team_member(uuid, uuid) to anon, authenticated, service_role;
--! EndIncluded tenancy/remove_team_member.sql
--! Included tenancy/leave_team.sql
create or replace function attune.leave_team(team_id uuid)
returns attune.team_members
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  member attune.team_members;
begin
  perform attune_private.require_user(caller);
  perform attune_private.require_team_role(
    caller, leave_team.team_id, variadic enum_range(null::attune.team_role)
  );

  delete from attune.team_members as m
  where m.user_id = caller.user_id
    and m.team_id = leave_team.team_id
  returning m.* into member;

  return member;
end;
$$;
comment on function attune.leave_team(uuid) is
  E'@param team_id Which team.\n'
  'Takes the caller out of a team, and returns the membership that was. '
  'Refused: `not_signed_in`, `unknown_team`, `last_owner`.';
revoke all on function attune.leave_team(uuid) from public;
grant execute on function attune.leave_team(uuid) to anon, authenticated;
--! EndIncluded tenancy/leave_team.sql
--! Included tenancy/create_project.sql
create or replace function attune.create_project(name text, team_id uuid default null, stage_number integer default 1)
returns attune.projects
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  project attune.projects;
begin
  perform attune_private.require_user(caller);

  if create_project.team_id is not null then
    perform attune_private.require_team_role(
      caller, create_project.team_id, variadic enum_range(null::attune.team_role)
    );
  end if;

  insert into attune.projects (name, stage_number, team_id, created_by)
  values (create_project.name, create_project.stage_number, create_project.team_id, caller.user_id)
  returning * into project;

  insert into attune.project_members (user_id, project_id, role)
  values (caller.user_id, project.id, 'owner');

  return project;
end;
$$;
comment on function attune.create_project(text, uuid, integer) is
  E'@param name What people call it.\n'
  '@param team_id The team it belongs to; without, none.\n'
  '@param stage_number The stage it has reached.\n'
  'Makes a project, which the caller owns, of the caller''s own or in a team that the caller belongs to. '
  'Refused: `not_signed_in`, `unknown_team`, `invalid_name`, `invalid_stage_number`, `too_large`.';
revoke all on function attune.create_project(text, uuid, integer) from public;
grant execute on function attune.create_project(text, uuid, integer) to anon, authenticated;
--! EndIncluded tenancy/create_project.sql
--! Included tenancy/set_project_member_role.sql
create or replace function attune.set_project_member_role(project_id uuid, user_id uuid, role attune.project_role)
returns attune.project_members
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  member attune.project_members;
begin
  perform attune_private.require_project_role(caller, set_project_member_role.project_id, 'owner');

  if set_project_member_role.role is null then
    perform attune_private.refuse_missing_role('owner, editor and viewer');
  end if;

  update attune.project_members as m
  set role = set_project_member_role.role
  where m.user_id = set_project_member_role.user_id
    and m.project_id = set_project_member_role.project_id
  returning m.* into member;

  if not found then
    perform attune_private.refuse_unknown_member();
  end if;

  return member;
end;
$$;
comment on function attune.set_project_member_role(uuid, uuid, attune.project_role) is
  E'@param project_id In which project.\n'
  '@param user_id Whose role.\n'
  '@param role The role from now on.\n'
  'Changes what a member may do in a project; for its owners. '
  'Refused: `unknown_project`, `project_role_required`, `invalid_role`, `unknown_member`, `last_owner`.';
revoke all on function attune.set_project_member_role(uuid, uuid, attune.project_role) from public;
grant execute on function attune.set_project_member_role(uuid, uuid, attune.project_role) to anon, authenticated, service_role;
--! EndIncluded tenancy/set_project_member_role.sql
--! Included tenancy/remove_project_member.sql
create or replace function attune.remove_project_member(project_id uuid, user_id uuid)
returns attune.project_members
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  member attune.project_members;
begin
  perform attune_private.require_project_role(caller, remove_project_member.project_id, 'owner');

  delete from attune.project_members as m
  where m.user_id = remove_project_member.user_id
    and m.project_id = remove_project_member.project_id
  returning m.* into member;

  if not found then
    perform attune_private.refuse_unknown_member();
  end if;

  return member;
end;
$$;
comment on function attune.remove_project_member(uuid, uuid) is
  E'@param project_id From which project.\n'
  '@param user_id Whom.\n'
  'Takes a member out of a project, and returns the membership that was; for its owners. '
  'Refused: `unknown_project`, `project_role_required`, `unknown_member`, `last_owner`.';
revoke all on function attune.remove_project_member(uuid, uuid) from public;
grant execute on function attune.remove_project_member(uuid, uuid) to anon, authenticated, service_role;
--! EndIncluded tenancy/remove_project_member.sql
--! Included tenancy/leave_project.sql
create or replace function attune.leave_project(project_id uuid)
returns attune.project_members
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  member attune.project_members;
begin
  perform attune_private.require_user(caller);
  perform attune_private.require_project_role(
    caller, leave_project.project_id, variadic enum_range(null::attune.project_role)
  );

  delete from attune.project_members as m
  where m.user_id = caller.user_id
    and m.project_id = leave_project.project_id
  returning m.* into member;

  return member;
end;
$$;
comment on function attune.leave_project(uuid) is
  E'@param project_id Which project.\n'
  'Takes the caller out of a project, and returns the membership that was. '
  'Refused: `not_signed_in`, `unknown_project`, `last_owner`.';
revoke all on function attune.leave_project(uuid) from public;
grant execute on function attune.leave_project(uuid) to anon, authenticated;
--! EndIncluded tenancy/leave_project.sql
