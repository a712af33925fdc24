drop trigger _400_starter_project on attune.users;

drop policy teams_select_member_or_admin on attune.teams;
drop policy teams_update_manager on attune.teams;
drop policy teams_delete_owner on attune.teams;
drop policy teams_all_service_role on attune.teams;
drop policy team_members_select_member on attune.team_members;
drop policy team_members_all_service_role on attune.team_members;
drop policy projects_select_member on attune.projects;
drop policy projects_update_editor on attune.projects;
drop policy projects_delete_owner on attune.projects;
drop policy projects_all_service_role on attune.projects;
drop policy project_members_select_member on attune.project_members;
drop policy project_members_all_service_role on attune.project_members;

drop view attune.profiles;

drop function
  attune_hidden.readable_teams(),
  attune_hidden.member_team_ids(),
  attune_hidden.managed_team_ids(),
  attune_hidden.owned_team_ids(),
  attune_hidden.member_project_ids(),
  attune_hidden.edited_project_ids(),
  attune_hidden.owned_project_ids(),
  attune_hidden.known_profiles(),
  attune_private.valid_name(text),
  attune_private.refuse_unknown_team(),
  attune_private.refuse_unknown_project(),
  attune_private.refuse_unknown_member(),
  attune_private.refuse_team_role(text),
  attune_private.refuse_missing_role(text),
  attune_private.refuse_last_owner(text),
  attune_private.require_team_role(attune_private.caller, uuid, attune.team_role[]),
  attune_private.require_project_role(attune_private.caller, uuid, attune.project_role[]),
  attune_private.require_team_administrator(attune_private.caller, uuid),
  attune.create_team(text),
  attune.set_current_team(uuid),
  attune.set_team_member_role(uuid, uuid, attune.team_role),
  attune.remove_team_member(uuid, uuid),
  attune.leave_team(uuid),
  attune.create_project(text, uuid, integer),
  attune.set_project_member_role(uuid, uuid, attune.project_role),
  attune.remove_project_member(uuid, uuid),
  attune.leave_project(uuid);

alter table attune.users drop column current_team_id;
drop table attune.project_members;
drop table attune.projects;
drop table attune.team_members;
drop table attune.teams;

drop function
  attune_private.tg__validate_name(),
  attune_private.tg_team_members__keep_owner(),
  attune_private.tg_team_members__leave_current_team(),
  attune_private.tg_projects__validate_stage(),
  attune_private.tg_project_members__keep_owner(),
  attune_private.tg_users__starter_project();

drop type attune.project_role;
drop type attune.team_role;
