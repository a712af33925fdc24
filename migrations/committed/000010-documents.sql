--! Previous: sha1:ed7bfedfa082caed37be816c354b761387a42f00
--! Hash: sha1:f9ec8cecec8f7cbec419924928200314c44e05f4
--! Message: documents

-- Documents: settings of one category, served as one composite type. A member `m` of the document `d` is the setting
-- `d.m`, so all that settings can do (layers, locks, explanations, audit) holds for each member.

create type attune.app_preferences as (
  interface_settings jsonb,
  data_preferences jsonb,
  feature_preferences jsonb,
  integration_settings jsonb,
  user_id uuid
);
comment on type attune.app_preferences is
  E'@id user_id\n'
  'How the application looks and behaves for a user.';
comment on column attune.app_preferences.interface_settings is
  'theme, language, rtl, sidebarCollapsed, tableDensity, rowsPerPage, enableAnimations.';
comment on column attune.app_preferences.data_preferences is
  'dateFormat, numberFormat, currency, timezone, defaultFilters (autoApply, tier, status, qualityRange).';
comment on column attune.app_preferences.feature_preferences is 'beta, debug.';
comment on column attune.app_preferences.integration_settings is
  'calendly, whatsapp, email: each enabled, autoSync, defaults.';
comment on column attune.app_preferences.user_id is
  E'@notNull\n'
  'Whose it is.';

create type attune.notification_settings as (
  email_notifications jsonb,
  push_notifications jsonb,
  sms_notifications jsonb,
  notification_schedule jsonb,
  user_id uuid
);
comment on type attune.notification_settings is
  E'@id user_id\n'
  'What a user wants to hear of, by which channel, and when.';
comment on column attune.notification_settings.email_notifications is
  'What comes by e-mail: leadUpdates, meetingReminders, bantQualifications, calendlyBookings, heatProgressions, '
  'emailDigest, generationComplete, qualityAlerts, weeklyReport.';
comment on column attune.notification_settings.push_notifications is 'What comes as a push message; the same members.';
comment on column attune.notification_settings.sms_notifications is 'What comes by SMS; the same members.';
comment on column attune.notification_settings.notification_schedule is
  'timezone, workingHours (enabled, and enabled, start and end by weekday), quietHours (enabled, start, end).';
comment on column attune.notification_settings.user_id is
  E'@notNull\n'
  'Whose it is.';

create type attune.dashboard_settings as (
  widget_visibility jsonb,
  widget_layout jsonb,
  dashboard_preferences jsonb,
  user_id uuid,
  project_id uuid
);
comment on type attune.dashboard_settings is
  E'@id user_id,project_id\n'
  'What the dashboard of a user shows, and how.';
comment on column attune.dashboard_settings.widget_visibility is
  'Which widgets are shown: metrics, monthlyPerformance, leadsConversions, revenueChannel, pieCharts, '
  'recentActivity, insights, performanceTargets.';
comment on column attune.dashboard_settings.widget_layout is
  'positions ({x, y}), sizes ({width, height}) and collapsed, by widget.';
comment on column attune.dashboard_settings.dashboard_preferences is
  'defaultView, autoRefresh, refreshInterval in milliseconds, compactMode.';
comment on column attune.dashboard_settings.user_id is
  E'@notNull\n'
  'Whose it is.';
comment on column attune.dashboard_settings.project_id is 'In which project; null outside projects.';

create type attune.ai_configuration as (
  model text,
  max_tokens integer,
  temperature double precision,
  top_p double precision,
  fallback_models text[],
  is_active boolean,
  user_id uuid
);
comment on type attune.ai_configuration is
  E'@id user_id\n'
  'Which language model works for a user, and how.';
comment on column attune.ai_configuration.model is 'The model that is asked first.';
comment on column attune.ai_configuration.max_tokens is 'How long an answer may be, in tokens.';
comment on column attune.ai_configuration.temperature is 'How freely the model chooses its words, 0 to 2.';
comment on column attune.ai_configuration.top_p is 'Which share of the probable words it chooses from, 0 to 1.';
comment on column attune.ai_configuration.fallback_models is
  'The models that are asked, in order, when the first does not answer.';
comment on column attune.ai_configuration.is_active is
  E'@notNull\n'
  'False while the user has switched their own values off, and gets the default.';
comment on column attune.ai_configuration.user_id is 'For whom it works; null when it is what applies to everybody.';

--!include documents/hidden/document_members.sql
--!include documents/private/document.sql
--!include documents/private/patch_document.sql
--!include documents/app_preferences.sql
--!include documents/update_app_preferences.sql
--!include documents/notification_settings.sql
--!include documents/update_notification_settings.sql
--!include documents/dashboard_settings.sql
--!include documents/update_dashboard_settings.sql
--!include documents/private/ai_configuration_of.sql
--!include documents/ai_configuration.sql
--!include documents/get_effective_ai_config.sql
--!include documents/private/activate_ai_configuration.sql
--!include documents/set_ai_configuration_active.sql
--!include documents/update_ai_configuration.sql
