-- The documents that applications ask for: their members and defaults, patches, locks, projects, secrets.
begin;
select plan(71);

select tests.create_user('ada@example.com');
select tests.create_user('bob@example.com');
select tests.create_user('admin@example.com', true);
insert into attune.projects (id, name) values ('00000000-0000-4000-8000-0000000000aa', 'Mine');
insert into attune.project_members (user_id, project_id)
values (tests.user_id('ada@example.com'), '00000000-0000-4000-8000-0000000000aa');

-- What there is when nobody chose

select tests.authenticate_as('ada@example.com');
select is(
  (attune.app_preferences()).interface_settings,
  '{"theme": "system", "language": "en", "rtl": false, "sidebarCollapsed": false, "tableDensity": "standard", "rowsPerPage": 25, "enableAnimations": true}',
  'the interface'
);
select is(
  (attune.app_preferences()).data_preferences,
  '{"dateFormat": "YYYY-MM-DD", "numberFormat": "en-US", "currency": "USD", "timezone": "UTC", "defaultFilters": {"autoApply": false, "tier": [], "status": [], "qualityRange": {"min": 0, "max": 100}}}',
  'data'
);
select is((attune.app_preferences()).feature_preferences, '{"beta": false, "debug": false}', 'features');
select is(
  (attune.app_preferences()).integration_settings -> 'calendly',
  '{"enabled": false, "autoSync": false, "defaults": {}}',
  'integrations'
);
select is(
  (select array_agg(k order by k) from jsonb_object_keys((attune.app_preferences()).integration_settings) as k),
  '{calendly,email,whatsapp}',
  'three of them'
);
select is(
  (attune.dashboard_settings()).widget_visibility,
  '{"metrics": true, "monthlyPerformance": true, "leadsConversions": true, "revenueChannel": true, "pieCharts": true, "recentActivity": true, "insights": true, "performanceTargets": true}',
  'every widget is shown'
);
select is((attune.dashboard_settings()).widget_layout, '{"positions": {}, "sizes": {}, "collapsed": {}}', 'where it is');
select is(
  (attune.dashboard_settings()).dashboard_preferences,
  '{"defaultView": "enhanced", "autoRefresh": true, "refreshInterval": 300000, "compactMode": false}',
  'the dashboard'
);
select is(
  (
    select array_agg(k order by k) from jsonb_object_keys((attune.notification_settings()).email_notifications) as k
  ),
  '{bantQualifications,calendlyBookings,emailDigest,generationComplete,heatProgressions,leadUpdates,meetingReminders,qualityAlerts,weeklyReport}',
  'what one may hear of'
);
select is(
  (
    select count(*) from jsonb_each((attune.notification_settings()).sms_notifications) as m where m.value <> 'false'
  ),
  0::bigint,
  'nothing comes by SMS unasked'
);
select is(
  (attune.notification_settings()).notification_schedule #> '{workingHours,monday}',
  '{"enabled": true, "start": "09:00", "end": "18:00"}',
  'working hours'
);
select is(
  (attune.notification_settings()).notification_schedule -> 'quietHours',
  '{"enabled": true, "start": "22:00", "end": "08:00"}',
  'quiet hours'
);
select is(
  attune.ai_configuration(),
  row('claude-sonnet-4-5-20250929', 4096, 1, 1, '{}', true, tests.user_id('ada@example.com'))::attune.ai_configuration,
  'the language model'
);
select is(
  (
    (attune.app_preferences()).user_id, (attune.notification_settings()).user_id, (attune.dashboard_settings()).user_id,
    (attune.dashboard_settings()).project_id,
    (attune.dashboard_settings('00000000-0000-4000-8000-0000000000aa')).project_id
  ),
  (
    tests.user_id('ada@example.com'), tests.user_id('ada@example.com'), tests.user_id('ada@example.com'),
    null::uuid, '00000000-0000-4000-8000-0000000000aa'::uuid
  ),
  'each says whose it is, and in which project'
);
select is(
  attune.settings_document('ai_configuration')::text,
  '{"ai_configuration.model": "claude-sonnet-4-5-20250929", "ai_configuration.top_p": 1.0, "ai_configuration.max_tokens": 4096, "ai_configuration.temperature": 1.0, "ai_configuration.fallback_models": []}',
  'with the numbers as they were written'
);
select results_eq(
  $$ select e.key, e.value, e.can_edit from attune.effective_settings('beta_features') as e where e.key in ('deep_research', 'strategy_graph') $$,
  $$ values ('deep_research', 'false'::jsonb, false), ('strategy_graph', 'false', false) $$,
  'beta features are off, and not the user''s to switch on'
);

-- Patches

select is(
  (attune.update_app_preferences('{"interface_settings": {"theme": "dark"}}')).interface_settings ->> 'theme',
  'dark',
  'a member is changed'
);
select is(
  (attune.update_app_preferences('{"interfaceSettings": {"rtl": true}, "dataPreferences": {"defaultFilters": {"tier": ["a"]}}}')).interface_settings
    - '{language,sidebarCollapsed,tableDensity,rowsPerPage,enableAnimations}'::text[],
  '{"theme": "dark", "rtl": true}',
  'and the others stay; GraphQL''s names do as well'
);
select is(
  (attune.app_preferences()).data_preferences -> 'defaultFilters',
  '{"autoApply": false, "tier": ["a"], "status": [], "qualityRange": {"min": 0, "max": 100}}',
  'members inside members are merged'
);
select is(
  (attune.update_app_preferences('{"interface_settings": {"theme": null}}')).interface_settings -> 'theme', '"system"',
  'null resets a member'
);
select is(
  (attune.update_app_preferences('{"interface_settings": null}')).interface_settings -> 'rtl', 'false',
  'or all of them'
);
select throws_ok(
  $$ select attune.update_app_preferences('{"colours": {}, "shape": 1, "feature_preferences": {"beta": true}}') $$,
  'PT422', 'app_preferences has no member "colours", "shape"', 'unknown members are named'
);
select throws_ok(
  $$ select attune.update_app_preferences('{"feature_preferences": {"beta": true}, "interface_settings": {"colour": 1}}') $$,
  'PT422', 'app_preferences.interface_settings is not valid: must NOT have additional properties: ''colour''',
  'inside members too'
);
select is((attune.app_preferences()).feature_preferences -> 'beta', 'false', 'all or nothing');
select throws_ok(
  $$ select attune.update_app_preferences('[]') $$, 'PT400', 'The patch is no object', 'a patch is an object'
);
select throws_ok(
  $$ select attune.update_app_preferences('{"interface_settings": {"rowsPerPage": 0}}') $$,
  'PT422', 'app_preferences.interface_settings is not valid: /rowsPerPage: must be >= 5', 'values satisfy the schema'
);
select throws_ok(
  format('select attune.update_app_preferences(%L)', jsonb_build_object('data_preferences', jsonb_build_object('timezone', zone))),
  'PT422', 'app_preferences.data_preferences is not valid: /timezone: is no time zone', zone || ' is no time zone'
)
from unnest(array['Mars/Phobos', 'CET-1CEST', 'Europe/Berlin3', 'IST', 'Etc/GMT+13', '+03']) as z (zone);
select lives_ok(
  format('select attune.update_app_preferences(%L)', jsonb_build_object('data_preferences', jsonb_build_object('timezone', zone))),
  zone || ' is one'
)
from unnest(array['UTC', 'Europe/Berlin', 'America/Port-au-Prince', 'America/Argentina/Ushuaia', 'EST5EDT', 'Etc/GMT+12', 'Etc/GMT']) as z (zone);

-- Secrets

select throws_ok(
  format(
    'select attune.update_app_preferences(%L)',
    jsonb_build_object('integration_settings', jsonb_build_object('calendly', s.member))
  ),
  'PT422', 'app_preferences.integration_settings is not valid: /calendly' || s.path || ': looks like a secret' || s.more, s.says
)
from (values
  ('{"token": "x"}'::jsonb, '/token', '; /calendly: must NOT have additional properties: ''token''', 'a token is refused by its name'),
  ('{"defaults": {"apiKey": "x"}}', '/defaults/apiKey', '', 'a key too'),
  ('{"defaults": {"signing_key": "x"}}', '/defaults/signing_key', '', 'whatever it opens'),
  ('{"defaults": {"note": "sk-proj-Abcdefgh12345678"}}', '/defaults/note', '', 'or by what it looks like'),
  ('{"defaults": {"all": ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc"]}}', '/defaults/all/0', '', 'inside a list'),
  ('{"defaults": {"note": "EAAGm0PX4ZCpsBAKZCZBLkzZCYHj3kl2"}}', '/defaults/note', '', 'WhatsApp''s')
) as s (member, path, more, says);
select lives_ok(
  $$
    select attune.update_app_preferences('{"integration_settings": {"calendly": {"enabled": true, "defaults": {
      "url": "https://calendly.com/ada/intro-call-30-minutes", "event": "6f1d2b34-5a6b-4c7d-8e9f-0a1b2c3d4e5f",
      "note": "Bring your questions", "phone": "+49 30 1234567890", "revision": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"
    }}}}')
  $$,
  'what is none is stored'
);

-- Projects

select attune.update_dashboard_settings('{"widget_visibility": {"metrics": false}, "dashboard_preferences": {"compactMode": true}}');
select is(
  (attune.update_dashboard_settings('{"widget_visibility": {"insights": false}}', '00000000-0000-4000-8000-0000000000aa')).widget_visibility
    @> '{"metrics": false, "insights": false, "pieCharts": true}',
  true,
  'a project''s dashboard is merged over the user''s'
);
select is((attune.dashboard_settings()).widget_visibility -> 'insights', 'true', 'and leaves the user''s alone');
select throws_ok(
  $$ select attune.dashboard_settings('00000000-0000-4000-8000-0000000000bb') $$,
  'PT404', 'There is no such project', 'a project must be the user''s'
);

-- Consent

select tests.authenticate_as('admin@example.com');
select attune.set_global_setting('notification_settings.sms_notifications', '{"leadUpdates": true}');
select tests.authenticate_as('ada@example.com');
select is((attune.notification_settings()).sms_notifications -> 'leadUpdates', 'false', 'a later default signs nobody up');
select tests.authenticate_as('admin@example.com');
select attune.set_global_setting('app_preferences.interface_settings', '{"language": "de"}', true);
select tests.authenticate_as('ada@example.com');
select is((attune.app_preferences()).interface_settings -> 'language', '"de"', 'other defaults reach everybody');
select throws_ok(
  $$ select attune.update_app_preferences('{"interface_settings": {"language": "fr"}}') $$,
  '42501', 'app_preferences.interface_settings is locked by an administrator', 'a lock holds'
);

-- The AI configuration

select is(
  (attune.update_ai_configuration('{"model": "big", "maxTokens": 100, "fallback_models": ["small", "tiny"]}')),
  row('big', 100, 1, 1, '{small,tiny}', true, tests.user_id('ada@example.com'))::attune.ai_configuration,
  'a user chooses a model'
);
select throws_ok(
  $$ select attune.update_ai_configuration('{"temperature": 2.1}') $$,
  'PT422', 'ai_configuration.temperature is not valid: must be <= 2', 'within its range'
);
select is(
  attune.set_ai_configuration_active(false),
  row('claude-sonnet-4-5-20250929', 4096, 1, 1, '{}', false, tests.user_id('ada@example.com'))::attune.ai_configuration,
  'switched off, the default applies'
);
select is((attune.set_ai_configuration_active(true)).model, 'big', 'and on again, nothing is lost');
select attune.set_preference('ai_configuration.max_tokens', '100.0');
select attune.set_preference('ai_configuration.temperature', '1e-400');
select is(
  attune.ai_configuration(),
  row('big', 100, 0, 1, '{small,tiny}', true, tests.user_id('ada@example.com'))::attune.ai_configuration,
  'however a number is written that its schema allows, the document can be read'
);
select is((attune.get_effective_ai_config(tests.user_id('ada@example.com'))).model, 'big', 'a user asks for their own');
select throws_ok(
  $$ select attune.get_effective_ai_config(tests.user_id('bob@example.com')) $$,
  '42501', 'Only an administrator may do this', 'and for nobody else''s'
);
select tests.authenticate_as_service_role();
select is((attune.get_effective_ai_config(tests.user_id('ada@example.com'))).model, 'big', 'a trusted server for anybody''s');
select tests.authenticate_as('admin@example.com');
select attune.set_global_setting('ai_configuration.max_tokens', '8192');
select attune.set_global_setting('ai_configuration.model', '"some"', rollout_percentage => 99);
select is(
  attune.get_effective_ai_config(nobody.id),
  row('claude-sonnet-4-5-20250929', 8192, 1, 1, '{}', true, null)::attune.ai_configuration,
  'for who is no user it is what applies to everybody'
)
from (values ('00000000-0000-4000-8000-0000000000ff'::uuid), (null)) as nobody (id);
select tests.authenticate_as('bob@example.com');
select throws_ok(
  $$ select attune.get_effective_ai_config('00000000-0000-4000-8000-0000000000ff') $$,
  '42501', 'Only an administrator may do this', 'which a user is not told either'
);

-- Who else

select tests.authenticate_as('bob@example.com');
select is((attune.app_preferences()).integration_settings #> '{calendly,enabled}', 'false', 'a stranger sees their own');
select tests.authenticate_as('00000000-0000-4000-8000-0000000000ff'::uuid);
select throws_ok($$ select attune.app_preferences() $$, '42501', 'Nobody is signed in', 'a deleted user has none');
select throws_ok(
  $$ select attune.update_app_preferences('{}') $$, '42501', 'Nobody is signed in', 'and changes nothing'
);
select tests.authenticate_as_anon();
select throws_ok(
  $$ select attune.dashboard_settings() $$, '42501', 'Nobody is signed in', 'nor has anon'
);

-- Members that others named

select tests.reset_role();
select is(
  (
    select array_agg(m.document || '.' || m.member || case when m.is_merged then ' merged' else '' end order by 1)
    from attune_hidden.document_members() as m
    where m.document <> 'ai_configuration'
  ),
  '{app_preferences.data_preferences merged,app_preferences.feature_preferences merged,app_preferences.integration_settings,app_preferences.interface_settings merged,dashboard_settings.dashboard_preferences merged,dashboard_settings.widget_layout,dashboard_settings.widget_visibility merged,notification_settings.email_notifications,notification_settings.notification_schedule merged,notification_settings.push_notifications,notification_settings.sms_notifications}',
  'what a server makes its types of'
);
update attune.setting_definitions set audience = 'server' where key = 'app_preferences.feature_preferences';
select is_empty(
  $$ select from attune_hidden.document_members() as m where m.member = 'feature_preferences' $$,
  'is only what users are shown'
);
insert into attune.setting_definitions (key, category, schema)
values ('app_preferences.fontSize', 'app_preferences', '{"type": "integer"}'), ('app_preferences.font_size', 'app_preferences', '{}'),
  ('app_preferences.lineHeight', 'app_preferences', '{"type": "integer"}'), ('app_preferences.word_wrap', 'app_preferences', '{}');
select tests.authenticate_as('ada@example.com');
select lives_ok(
  $$ select attune.update_app_preferences('{"fontSize": 12, "lineHeight": 2, "wordWrap": true}') $$,
  'a member is found by its own name, with capitals, or by the one that GraphQL gives it'
);
select results_eq(
  $$ select key, value from attune.user_preferences where key in
    ('app_preferences.fontSize', 'app_preferences.font_size', 'app_preferences.lineHeight', 'app_preferences.word_wrap') order by key collate "C" $$,
  $$ values ('app_preferences.fontSize', '12'::jsonb), ('app_preferences.lineHeight', '2'), ('app_preferences.word_wrap', 'true') $$,
  'its own name comes first'
);

select * from finish();
rollback;
