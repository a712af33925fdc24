-- Consent that nobody gave: what is added later to the default of a copied setting is not on for who holds a copy.
begin;
select no_plan();

select tests.create_user('holder@example.com'), tests.create_user('former@example.com');
select tests.create_user('admin@example.com', is_admin => true);
-- Who has dropped the copy goes by the defaults, later ones too.
delete from attune.user_preferences
where user_id = tests.user_id('former@example.com') and key ~ '^notification_settings\.(email|push|sms)_notifications$';

-- Whether a notification of a category would be sent, by channel.
create function pg_temp.sent(email text, category text)
returns text
language sql
as $$
  select string_agg(c.channel::text, ' ' order by c.channel)
  from unnest(enum_range(null::attune.notification_channel)) as c (channel)
  where (attune_private.decide_delivery(tests.user_id(email), c.channel, category, now())).reason <> 'disabled'
$$;

select is(pg_temp.sent('holder@example.com', 'lead_update'), 'email push', 'who holds a copy hears of what was on then');
select is(pg_temp.sent('former@example.com', 'lead_update'), 'email push', 'as does who holds none');

-- A member is added later, and is on

update attune.setting_definitions
set
  schema = jsonb_set(schema, '{properties,newsletter}', '{"type": "boolean"}'),
  default_value = default_value || '{"newsletter": true}'
where key ~ '^notification_settings\.(email|push|sms)_notifications$';
insert into attune.notification_categories (name, title, setting_member, channels)
values ('newsletter', 'Newsletter', 'newsletter', '{email,push,sms}');
select tests.create_user('newcomer@example.com');

select is(pg_temp.sent('holder@example.com', 'newsletter'), null, 'a later default signs up nobody who holds a copy, by no channel');
select is(pg_temp.sent('former@example.com', 'newsletter'), 'email push sms', 'who holds none is, by each');
select is(pg_temp.sent('newcomer@example.com', 'newsletter'), 'email push sms', 'and so is who comes later');
select is(
  (select count(*) from attune.notification_deliveries), 0::bigint, 'nothing was scheduled before'
);
insert into attune.notifications (user_id, title, category)
select u.id, 'News', 'newsletter' from attune.users as u where u.email in ('holder@example.com', 'former@example.com');
select results_eq(
  $$
    select u.email, count(*) from attune.notification_deliveries as d join attune.users as u on u.id = d.user_id
    where d.status = 'pending' group by u.email
  $$,
  $$ values ('former@example.com', 3::bigint) $$,
  'it is scheduled for who is in, and for nobody else'
);
select tests.authenticate_as('holder@example.com');
select is(
  (attune.notification_settings()).email_notifications -> 'newsletter', null, 'who holds a copy sees that the member is not there'
);
select tests.reset_role();

-- A value for everybody, a plan or a team is broader than the copy

select from attune.set_global_setting('notification_settings.email_notifications', '{"newsletter": true, "weeklyReport": true}');
select from attune.set_plan_setting('bootstrapper', 'notification_settings.push_notifications', '{"newsletter": true}');
insert into attune.teams (id, name) values ('00000000-0000-4000-8000-000000000001', 'Team');
insert into attune.team_members (user_id, team_id) values (tests.user_id('holder@example.com'), '00000000-0000-4000-8000-000000000001');
update attune.users set current_team_id = '00000000-0000-4000-8000-000000000001' where email = 'holder@example.com';
select from attune.set_team_setting('00000000-0000-4000-8000-000000000001', 'notification_settings.sms_notifications', '{"newsletter": true}');
select is(pg_temp.sent('holder@example.com', 'newsletter'), null, 'what everybody, a plan or a team is given signs up nobody who holds a copy');
select is(pg_temp.sent('holder@example.com', 'weekly_report'), null, 'a member that the copy has stays as it is');
select is(pg_temp.sent('former@example.com', 'weekly_report'), 'email', 'who holds none is given it');
select from attune.set_global_setting('notification_settings.email_notifications', is_enforced => true);
select is(pg_temp.sent('holder@example.com', 'newsletter'), 'email', 'the control: a lock is above every choice');
select from attune.set_global_setting('notification_settings.email_notifications', is_enforced => false);

-- What the holder chooses

select tests.authenticate_as('holder@example.com');
select from attune.set_preference('notification_settings.email_notifications', '{"newsletter": true}');
select tests.reset_role();
select is(pg_temp.sent('holder@example.com', 'newsletter'), 'email', 'who chooses it has it, by that channel');
select is(
  (select value from attune.user_preferences where user_id = tests.user_id('holder@example.com') and key = 'notification_settings.email_notifications'),
  (select default_value from attune.setting_definitions where key = 'notification_settings.email_notifications'),
  'and keeps the rest of the copy'
);
select tests.authenticate_as('holder@example.com');
select from attune.set_preference('notification_settings.email_notifications', '{"newsletter": null}');
select tests.reset_role();
select is(pg_temp.sent('holder@example.com', 'newsletter'), null, 'a member that is taken out is off, whatever the default says');
select is(pg_temp.sent('holder@example.com', 'lead_update'), 'email push', 'and the others stay');

-- A first choice of who holds none keeps what applies to them
select tests.authenticate_as('former@example.com');
select from attune.set_preference('notification_settings.push_notifications', '{"leadUpdates": false}');
select tests.reset_role();
select is(pg_temp.sent('former@example.com', 'newsletter'), 'email push sms', 'who chooses one thing keeps the others');
select is(pg_temp.sent('former@example.com', 'lead_update'), 'email', 'and has what was chosen');

-- A template is merged, too
insert into attune.setting_templates (name, title, "values")
values ('quiet', 'Quiet', '{"notification_settings.email_notifications": {"leadUpdates": false}}');
select tests.authenticate_as('holder@example.com');
select from attune.apply_template('quiet');
select tests.reset_role();
select is(pg_temp.sent('holder@example.com', 'lead_update'), 'push', 'a template changes what it names');
select is(pg_temp.sent('holder@example.com', 'meeting_reminder'), 'email push', 'and of the copy nothing else');
select is(pg_temp.sent('holder@example.com', 'newsletter'), null, 'and signs nobody up');

-- Below the copy, a project's choice is merged over it

insert into attune.setting_definitions (key, category, layer, schema, default_value, seeding)
values ('copied', 'test', 'project', '{"type": "object"}', '{"a": 1, "b": {"c": 1}}', 'copy');
insert into attune.projects (id, name) values ('00000000-0000-4000-8000-0000000000aa', 'Project');
insert into attune.project_members (user_id, project_id)
select tests.user_id(e), '00000000-0000-4000-8000-0000000000aa' from unnest(array['holder@example.com', 'former@example.com']) as e;
insert into attune.user_preferences (user_id, key, value) values (tests.user_id('holder@example.com'), 'copied', '{"a": 2, "b": {"c": 2}}');
update attune.setting_definitions set default_value = '{"a": 1, "b": {"c": 1, "d": 1}, "e": 1}' where key = 'copied';
select tests.authenticate_as('holder@example.com');
select is(
  (attune.set_preference('copied', '{"b": {"f": 3}}', '00000000-0000-4000-8000-0000000000aa')).value,
  '{"a": 2, "b": {"c": 2, "f": 3}}', 'what is chosen in a project is merged over the copy, without later defaults'
);
select tests.authenticate_as('former@example.com');
select is(
  (attune.set_preference('copied', '{"b": {"f": 3}}', '00000000-0000-4000-8000-0000000000aa')).value,
  '{"a": 1, "b": {"c": 1, "d": 1, "f": 3}, "e": 1}', 'where there is no copy, over the default of today'
);

select * from finish();
rollback;
