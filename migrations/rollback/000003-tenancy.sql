drop policy teams_select_member_or_admin on attune.teams;
drop policy teams_all_service_role on attune.teams;
drop policy team_members_select_member_or_admin on attune.team_members;
drop policy team_members_all_service_role on attune.team_members;
drop policy projects_select_member_or_admin on attune.projects;
drop policy projects_all_service_role on attune.projects;
drop policy project_members_select_member_or_admin on attune.project_members;
drop policy project_members_all_service_role on attune.project_members;

drop function
  attune.member_team_ids(),
  attune.managed_team_ids(),
  attune.member_project_ids();

alter table attune.users drop column current_team_id;

drop table attune.project_members;
drop table attune.projects;
drop table attune.team_members;
drop table attune.teams;

drop type attune.project_role;
drop type attune.team_role;
