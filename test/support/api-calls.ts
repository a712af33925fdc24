/** A call, or more, of every function that a request may call, and the people whom the calls are about. */
import type pg from "pg";

export type Who = "user" | "other" | "registered" | "admin" | "anon" | "service_role";
/** What a call names: ids, and tokens that are good once. */
export type Names = Record<
  | "user"
  | "other"
  | "registered"
  | "project"
  | "team"
  | "notification"
  | "entry"
  | "change"
  | "moment"
  | "changeSet"
  | "changeSetVersion"
  | "session"
  | "invitation"
  | "refreshToken"
  | "usedToken"
  | "resetToken"
  | "verificationToken"
  | "emailChangeToken"
  | "invitationToken",
  string
>;
/** How often `current_user_id` and `is_admin` may run, when not once at most: each says why. */
export type Call = { who: Who; sql: string; times?: number; administrators?: number };

const PASSWORD = "correct horse battery";

/** One call, or more, of every function that a request may call. */
const calls = (of: Names): Call[] => [
  { who: "anon", sql: "effective_settings()" },
  { who: "user", sql: "effective_settings('features')" },
  { who: "user", sql: `effective_settings(null, '${of.project}')` },
  { who: "user", sql: "effective_setting('DARK_MODE_ENABLED')" },
  { who: "admin", sql: `effective_settings_for('${of.user}')` },
  { who: "admin", sql: `effective_setting_for('${of.user}', 'DARK_MODE_ENABLED')` },
  { who: "admin", sql: `evaluate(array['${of.user}', '${of.other}']::uuid[], array['DARK_MODE_ENABLED'])` },
  { who: "admin", sql: "audit_changes_per_day()" },
  { who: "admin", sql: "most_changed_settings()" },
  { who: "admin", sql: "database_health()" },
  { who: "admin", sql: "health_alerts()" },
  { who: "user", sql: "effective_settings_of(array['DARK_MODE_ENABLED'])" },
  { who: "user", sql: "changes_since((attune.changes_since()).cursor)", times: 2 },
  { who: "user", sql: "settings_document()" },
  { who: "user", sql: "explain_setting('DARK_MODE_ENABLED')" },
  { who: "admin", sql: "verify_audit()" },
  { who: "admin", sql: "audit_checkpoint()" },
  { who: "admin", sql: `explain_setting('DARK_MODE_ENABLED', '${of.user}')` },
  { who: "user", sql: "effective_settings_as_of(now())" },
  { who: "admin", sql: `effective_settings_as_of(now(), '${of.user}')` },
  { who: "user", sql: "set_preference('DARK_MODE_ENABLED', 'false')" },
  { who: "user", sql: "set_preference('PROJECTS_ENABLED', 'false')" },
  { who: "user", sql: `set_preference('dashboard_settings.widget_visibility', '{"metrics": false}', '${of.project}')` },
  { who: "user", sql: `set_preferences('{"PROJECTS_ENABLED": false, "AGENT_WORK_ORDERS_ENABLED": false}')` },
  { who: "user", sql: "set_setting('DARK_MODE_ENABLED', 'false')" },
  { who: "admin", sql: "set_setting('PASSWORD_COST', '5')" },
  { who: "admin", sql: "set_global_setting('DARK_MODE_ENABLED', 'true')" },
  // Who writes is asked for once, and who asks for the effect once more.
  ...[
    { layer: "global", call: "set_global_setting('DARK_MODE_ENABLED', 'true')" },
    { layer: "plan", call: "set_plan_setting('bootstrapper', 'DARK_MODE_ENABLED', 'true')" },
    { layer: "team", call: `set_team_setting('${of.team}', 'DARK_MODE_ENABLED', 'true')` },
  ].map(({ layer, call }): Call => ({
    who: "admin",
    sql: `${layer}_settings_effective_setting(attune.${call})`,
    times: 2,
  })),
  { who: "admin", sql: `set_global_variants('DARK_MODE_ENABLED', '[{"name": "a", "weight": 1000, "value": true}]')` },
  { who: "admin", sql: "set_plan_setting('bootstrapper', 'DARK_MODE_ENABLED', 'true')" },
  { who: "user", sql: `set_team_setting('${of.team}', 'DARK_MODE_ENABLED', 'true')` },
  { who: "admin", sql: `set_user_setting('${of.user}', 'beta.admin_only', 'true')` },
  // What is removed has no row any more that could say who removed it: the trigger asks, once a statement.
  { who: "user", sql: "reset_preference('DARK_MODE_ENABLED')", times: 2 },
  { who: "user", sql: "reset_preferences()", times: 2 },
  { who: "admin", sql: `reset_user_setting('${of.user}', 'beta.admin_only')`, times: 2 },
  { who: "admin", sql: "reset_global_setting('PASSWORD_COST')", times: 2 },
  { who: "admin", sql: "reset_plan_setting('bootstrapper', 'PROJECTS_ENABLED')", times: 2 },
  { who: "user", sql: `reset_team_setting('${of.team}', 'PROJECTS_ENABLED')`, times: 2 },
  { who: "admin", sql: "seed_existing_users(100)" },
  { who: "admin", sql: "begin_maintenance('analyze')" },
  { who: "admin", sql: "maintain('make_partitions')" },
  { who: "user", sql: "app_preferences()" },
  { who: "user", sql: "notification_settings()" },
  { who: "user", sql: "dashboard_settings()" },
  { who: "user", sql: "ai_configuration()" },
  { who: "admin", sql: `get_effective_ai_config('${of.user}')` },
  { who: "user", sql: `update_app_preferences('{"interface_settings": {"theme": "dark"}}')` },
  { who: "user", sql: `update_notification_settings('{"email_notifications": {"leadUpdates": false}}')` },
  { who: "user", sql: `update_dashboard_settings('{"widget_visibility": {"metrics": false}}')` },
  { who: "user", sql: `update_ai_configuration('{"temperature": 0.5}')` },
  { who: "user", sql: "set_ai_configuration_active(false)" },
  { who: "user", sql: "session_state('tab')" },
  { who: "user", sql: "save_session_state('tab', '{}', '{}')" },
  { who: "user", sql: "create_notification('system', 'Hello')" },
  { who: "admin", sql: `create_notification('system', 'Hello', user_id => '${of.user}')` },
  { who: "admin", sql: `create_notifications(array['${of.user}'::uuid], 'system', 'Hello')` },
  { who: "user", sql: "notification_counts()" },
  { who: "user", sql: `mark_notifications_seen(array['${of.notification}'::uuid])` },
  { who: "user", sql: `mark_notifications_read(array['${of.notification}'::uuid])` },
  { who: "user", sql: `mark_notifications_unread(array['${of.notification}'::uuid])` },
  { who: "user", sql: "mark_all_notifications_seen()" },
  { who: "user", sql: "mark_all_notifications_read()" },
  { who: "user", sql: `snooze_notifications(array['${of.notification}'::uuid], now() + interval '1 hour')` },
  { who: "user", sql: `unsnooze_notifications(array['${of.notification}'::uuid])` },
  { who: "user", sql: `archive_notifications(array['${of.notification}'::uuid])` },
  { who: "user", sql: `unarchive_notifications(array['${of.notification}'::uuid])` },
  { who: "user", sql: "archive_all_notifications()" },
  { who: "user", sql: `next_delivery_at('${of.user}', 'email', 'security', now())` },
  // What is stored has no column that says who did it: the trigger of the audit log asks.
  { who: "user", sql: "set_credential('openai', 'sk-0123456789')", times: 2 },
  { who: "user", sql: "delete_credential('openai')", times: 2 },
  { who: "user", sql: `set_team_credential('${of.team}', 'openai', 'sk-0123456789')` },
  { who: "user", sql: `delete_team_credential('${of.team}', 'openai')`, times: 2 },
  { who: "admin", sql: "set_shared_credential('openai', 'sk-0123456789')" },
  { who: "admin", sql: "delete_shared_credential('openai')", times: 2 },
  { who: "user", sql: "usable_credentials()" },
  { who: "service_role", sql: `set_user_credential('${of.user}', 'openai', 'sk-0123456789')` },
  { who: "service_role", sql: `resolve_credential('${of.user}', 'openai')` },
  { who: "service_role", sql: `delete_user_credential('${of.user}', 'openai')` },
  { who: "user", sql: "create_knowledge_entry('learning', 'Hello')" },
  { who: "user", sql: `update_knowledge_entry('${of.entry}', 1, body => 'World')` },
  // The trigger that keeps the versions asks who deletes.
  { who: "user", sql: `delete_knowledge_entry('${of.entry}', 1)`, times: 2 },
  { who: "user", sql: `restore_knowledge_version('${of.entry}', 1)` },
  { who: "user", sql: `acquire_edit_lease('${of.entry}')` },
  { who: "user", sql: `release_edit_lease('${of.entry}')` },
  { who: "admin", sql: `purge_knowledge('${of.entry}', 'A test')` },
  { who: "user", sql: "search_knowledge('hello')" },
  { who: "user", sql: "export_preferences()" },
  { who: "user", sql: `import_preferences('{"preferences": {"PROJECTS_ENABLED": {"value": false}}}')` },
  { who: "user", sql: "apply_template('dark')" },
  { who: "admin", sql: "export_configuration()" },
  { who: "admin", sql: `import_configuration('{"global": {"DARK_MODE_ENABLED": {"value": true}}}')` },
  { who: "admin", sql: "preview_global_setting('DARK_MODE_ENABLED', 'true')" },
  { who: "admin", sql: "preview_plan_setting('bootstrapper', 'DARK_MODE_ENABLED', 'true')" },
  { who: "user", sql: `preview_team_setting('${of.team}', 'DARK_MODE_ENABLED', 'true')` },
  // Of the set, and of what it tries, the audit log asks.
  {
    who: "admin",
    sql: `create_change_set('Dark', '[{"layer": "plan", "plan": "bootstrapper", "key": "PROJECTS_ENABLED", "value": false}]')`,
    times: 2,
  },
  { who: "admin", sql: `update_change_set('${of.changeSet}', title => 'Darker')`, times: 2 },
  {
    who: "admin",
    sql: `add_to_change_set('${of.changeSet}', '[{"layer": "global", "key": "PROJECTS_ENABLED", "value": false}]')`,
    times: 4,
  },
  { who: "admin", sql: `remove_from_change_set('${of.changeSet}', 1)`, times: 3 },
  { who: "admin", sql: `schedule_change_set('${of.changeSet}', now())`, times: 2 },
  {
    who: "admin",
    sql: `approve_change_set('${of.changeSet}', '${of.changeSetVersion}')`,
    times: 4,
  },
  { who: "admin", sql: `reject_change_set('${of.changeSet}')` },
  { who: "admin", sql: `cancel_change_set('${of.changeSet}')` },
  { who: "admin", sql: `refresh_change_set('${of.changeSet}')`, times: 3 },
  { who: "admin", sql: `preview_change_set('${of.changeSet}')`, times: 2 },
  { who: "admin", sql: `apply_change_set('${of.changeSet}')`, times: 3 },
  // A step has no column that says who planned it: the trigger of the audit log asks.
  { who: "admin", sql: `plan_rollout('DARK_MODE_ENABLED', '{"(,10)","(2099-01-01,100)"}', 'false')`, times: 3 },
  { who: "admin", sql: "halt_rollout('PROJECTS_ENABLED', 0)", times: 2 },
  { who: "admin", sql: "export_definitions()" },
  // The registry has no column that says who wrote it: its trigger asks for each definition that changes.
  { who: "admin", sql: `apply_definitions('{"$id": "x", "type": "object", "properties": {}}')` },
  // As for a document: the trigger of the registry asks.
  { who: "admin", sql: "rename_setting('beta.renamed', 'beta.new_name')", times: 2 },
  // With the rights of the caller: policies and triggers ask for themselves.
  { who: "user", sql: `revert_change(${of.change})`, times: 19, administrators: 6 },
  // What is removed has no row any more that could say who removed it: the trigger asks, once a statement.
  { who: "user", sql: `restore_preferences('${of.moment}', overwrite => true)`, times: 2 },
  { who: "admin", sql: `restore_global_settings('${of.moment}', overwrite => true)`, times: 3 },
  // A membership has no column that says who wrote it: the trigger of the audit log asks.
  { who: "user", sql: "create_team('Another')", times: 2 },
  { who: "user", sql: "create_project('Another')", times: 2 },
  { who: "user", sql: `create_project('Another', '${of.team}')`, times: 2 },
  // The audit log asks once more who it was.
  { who: "user", sql: `set_current_team('${of.team}')`, times: 2 },
  { who: "user", sql: `set_team_member_role('${of.team}', '${of.other}', 'admin')`, times: 2 },
  { who: "user", sql: `remove_team_member('${of.team}', '${of.other}')`, times: 2 },
  { who: "user", sql: `set_project_member_role('${of.project}', '${of.other}', 'editor')`, times: 2 },
  { who: "user", sql: `remove_project_member('${of.project}', '${of.other}')`, times: 2 },
  { who: "other", sql: `leave_team('${of.team}')`, times: 2 },
  { who: "other", sql: `leave_project('${of.project}')`, times: 2 },
  { who: "user", sql: `invite_to_team('${of.team}', 'new@example.com')` },
  { who: "user", sql: `invite_to_project('${of.project}', 'new@example.com')` },
  { who: "user", sql: "viewer()" },
  { who: "user", sql: "current_user_id()" },
  { who: "user", sql: "is_admin()" },
  { who: "anon", sql: `login('known@example.com', '${PASSWORD}')` },
  { who: "anon", sql: "login('known@example.com', 'wrong password')" },
  // A new user is given copies, by a trigger that asks whom they come from.
  { who: "anon", sql: `register('new@example.com', '${PASSWORD}', 'New')`, times: 3 },
  { who: "anon", sql: `refresh_session('${of.refreshToken}')` },
  { who: "anon", sql: `refresh_session('${of.usedToken}')` },
  { who: "anon", sql: "request_password_reset('known@example.com')" },
  { who: "anon", sql: `reset_password('${of.resetToken}', '${PASSWORD}')` },
  { who: "registered", sql: "request_email_verification()" },
  { who: "registered", sql: `verify_email('${of.verificationToken}')` },
  { who: "registered", sql: `request_email_change('another@example.com', '${PASSWORD}')` },
  { who: "registered", sql: "request_email_change('another@example.com', 'wrong password')" },
  { who: "registered", sql: `confirm_email_change('${of.emailChangeToken}')` },
  { who: "registered", sql: `change_password('${PASSWORD}', '${PASSWORD} again')` },
  { who: "registered", sql: `change_password('wrong password', '${PASSWORD} again')` },
  { who: "registered", sql: "provision_user()" },
  { who: "registered", sql: `revoke_session('${of.session}')` },
  { who: "registered", sql: "logout()" },
  { who: "registered", sql: "logout_everywhere()" },
  // What goes with the user is removed by triggers, of which two ask who removes it.
  { who: "registered", sql: `delete_account('${PASSWORD}')`, times: 4 },
  { who: "registered", sql: "unlink_identity('https://id.example.com', 'known')" },
  { who: "registered", sql: `accept_invitation('${of.invitationToken}')`, times: 2 },
  { who: "user", sql: `revoke_invitation('${of.invitation}')` },
  { who: "service_role", sql: `open_session('${of.registered}')` },
  { who: "service_role", sql: `link_identity('${of.registered}', 'https://id.example.com', 'another')` },
  // As in `register`.
  { who: "service_role", sql: "link_or_register_user('https://id.example.com', 'new')", times: 3 },
];

/** Not walked: what workers and maintenance call, and what asks just as another function does that is walked. */
export const ELSEWHERE = [
  "adopt_legacy_credentials",
  "adopt_legacy_preferences",
  "adopt_legacy_settings",
  "apply_due_changes",
  "change_sets_applied_changes",
  "change_sets_is_approval_required",
  "claim_deliveries",
  "claim_mails",
  "complete_delivery",
  "complete_mail",
  "fail_delivery",
  "fail_mail",
  "knowledge_edit_leases_held_by_name",
  "knowledge_entries_can_edit",
  "knowledge_entries_created_by_name",
  "knowledge_entries_updated_by_name",
  "knowledge_versions_changed_by_name",
  "maintenance_operations_is_stale",
  "maintenance_schedules_is_missed",
  "notifications_is_snoozed",
  "purge_audit",
  "record_backup",
  "remove_expired",
  "run_maintenance",
  "seal_audit",
  "sessions_is_current",
];

export type ApiCalls = { table: Call[]; names: Names; claims: Record<Who, Record<string, string>> };

/** Makes those people, and what the calls name; `client` is the owner of a database that has nobody yet. */
export async function prepareCalls(client: pg.Client): Promise<ApiCalls> {
  const claims: Record<Who, Record<string, string>> = {
    user: { role: "authenticated" },
    other: { role: "authenticated" },
    registered: { role: "authenticated" },
    admin: { role: "authenticated" },
    anon: { role: "anon" },
    service_role: { role: "service_role" },
  };
  const value = async (sql: string, parameters: unknown[] = []): Promise<string> =>
    String(Object.values<unknown>((await client.query<Record<string, unknown>>(sql, parameters)).rows[0] ?? {})[0]);

  await client.query(`
    insert into attune.global_settings (key, value) values ('PASSWORD_COST', '4');
    insert into attune.setting_definitions (key, category, schema, default_value, writable_by)
      values ('beta.admin_only', 'beta', '{"type": "boolean"}', 'false', 'admin'), ('beta.renamed', 'beta', '{}', '1', 'user');
    insert into attune.plan_settings (plan, key, value) values ('bootstrapper', 'PROJECTS_ENABLED', 'true');
    insert into attune.setting_templates (name, title, values) values ('dark', 'Dark', '{"PROJECTS_ENABLED": true}')`);
  const user = await value("select attune_private.ensure_user('ada@example.com')");
  const moment = await value("select clock_timestamp()::text");
  const other = await value("select attune_private.ensure_user('bob@example.com')");
  const admin = await value("select attune_private.ensure_user('root@example.com', true)");
  claims.user["sub"] = user;
  claims.other["sub"] = other;
  claims.admin["sub"] = admin;
  const project = await value("select project_id from attune.project_members where user_id = $1", [user]);
  const team = await value("insert into attune.teams (name) values ('Team') returning id");
  await client.query(
    "insert into attune.team_members (user_id, team_id, role) values ($1, $2, 'owner'), ($3, $2, 'member')",
    [user, team, other],
  );
  await client.query("insert into attune.project_members (user_id, project_id, role) values ($1, $2, 'viewer')", [
    other,
    project,
  ]);
  await client.query("insert into attune.team_settings (team_id, key, value) values ($1, 'PROJECTS_ENABLED', 'true')", [
    team,
  ]);
  await client.query(
    `insert into attune.user_preferences (user_id, key, value)
     values ($1, 'DARK_MODE_ENABLED', 'true'), ($1, 'PROJECTS_ENABLED', 'true'), ($1, 'beta.admin_only', 'true')`,
    [user],
  );
  // As the server sets it, for all transactions of the connection.
  await client.query("select set_config('attune.master_key', repeat('0a', 32), false)");
  await client.query("select attune.set_user_credential($1, 'openai', 'sk-0123456789')", [user]);
  const refreshToken = await value("select refresh_token from attune.register('known@example.com', $1, 'Known')", [
    PASSWORD,
  ]);
  const registered = await value("select user_id from attune.user_emails where email = 'known@example.com'");
  const session = await value("select id from attune.sessions where user_id = $1", [registered]);
  claims.registered["sub"] = registered;
  claims.registered["session_id"] = session;
  // Several sessions and identities: each that ends is written down.
  await client.query("select attune.login('known@example.com', $1) from generate_series(1, 3)", [PASSWORD]);
  const usedToken = await value("select refresh_token from attune.login('known@example.com', $1)", [PASSWORD]);
  await client.query("select attune.refresh_session($1)", [usedToken]);
  await client.query("insert into attune.global_settings (key, value) values ('REFRESH_TOKEN_REUSE_INTERVAL', '0')");
  await client.query(
    "insert into attune.user_identities (issuer, subject, user_id) values ('https://id.example.com', 'known', $1)",
    [registered],
  );
  const invitation = await value("select id from attune.invite_to_team($1, 'known@example.com')", [team]);
  await client.query("select attune.request_password_reset('known@example.com')");
  // As the worker does before it sends.
  await client.query("select attune_private.write_reset_mails()");
  const mailed = async (purpose: string): Promise<string> =>
    value("select payload ->> 'token' from attune_private.mail_outbox where user_id = $1 and purpose = $2", [
      registered,
      purpose,
    ]);
  const notification = await value(
    "insert into attune.notifications (user_id, title, category) values ($1, 'Hello', 'system') returning id",
    [user],
  );
  const entry = await value(
    "insert into attune.knowledge_entries (kind, title, created_by) values ('entry', 'Hello', $1) returning id",
    [user],
  );
  const change = await value(
    "select max(id) from attune.configuration_audit_log where user_id = $1 and key = 'PROJECTS_ENABLED'",
    [user],
  );
  const changeSet = await value(
    `select id from attune.create_change_set('Two', '[
      {"layer": "global", "key": "DARK_MODE_ENABLED", "value": false},
      {"layer": "plan", "plan": "bootstrapper", "key": "DARK_MODE_ENABLED", "value": false}
    ]')`,
  );
  await client.query(`select attune.plan_rollout('PROJECTS_ENABLED', '{"(2099-01-01,100)"}', 'true')`);
  const names: Names = {
    user,
    other,
    registered,
    project,
    team,
    notification,
    entry,
    change,
    moment,
    changeSet,
    changeSetVersion: await value("select updated_at::text from attune.change_sets where id = $1", [changeSet]),
    session,
    invitation,
    refreshToken,
    usedToken,
    resetToken: await mailed("reset_password"),
    verificationToken: await mailed("verify_email"),
    emailChangeToken: await value(
      "select attune_private.make_one_time_token($1, 'another@example.com', 'change_email', now() + interval '1 day')",
      [registered],
    ),
    invitationToken: await value(
      "select payload ->> 'token' from attune_private.mail_outbox where purpose = 'invitation'",
    ),
  };
  return { table: calls(names), names, claims };
}
