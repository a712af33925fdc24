drop trigger _820_erase_invitations on attune.users;
drop trigger _400_withdraw_invitations on attune.team_members;
drop trigger _400_withdraw_invitations on attune.project_members;

drop policy invitations_select_manager on attune.invitations;
drop policy invitations_select_service_role on attune.invitations;

drop function
  attune_private.withdraw_invitation(uuid),
  attune_private.invite(attune_private.caller, attune.invitations),
  attune_private.accept_invitation(uuid, text, timestamptz),
  attune.invite_to_team(uuid, text, attune.team_role),
  attune.invite_to_project(uuid, text, attune.project_role),
  attune.revoke_invitation(uuid),
  attune.accept_invitation(text);

drop trigger _400_drop_mail on attune.invitations;
drop table attune_private.lost_roles;
drop table attune_private.invitation_tokens;
drop table attune.invitations;

drop function
  attune_private.tg_users__erase_invitations(),
  attune_private.tg_invitations__drop_mail(),
  attune_private.tg_team_members__withdraw_invitations(),
  attune_private.tg_project_members__withdraw_invitations();
