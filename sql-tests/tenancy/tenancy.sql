-- Teams and projects: who sees and changes them, what members see of each other, and that there is always an owner.
begin;
select no_plan();

select tests.create_user(name || '@example.com') from unnest(array['ada', 'bob', 'cid', 'dan', 'eve']) as u (name);
update attune.users set name = initcap(split_part(email, '@', 1)), avatar_url = '/' || split_part(email, '@', 1) || '.png';

create function pg_temp.id(name text) returns uuid language sql as $$ select tests.user_id(name || '@example.com') $$;
create function pg_temp.be(name text) returns void language sql as $$ select tests.authenticate_as(name || '@example.com') $$;

-- The owner of the team

select pg_temp.be('ada');
select t.id into temp table team from attune.create_team('  Engines ') as t;
grant select on team to public;
select results_eq(
  'select t.name, t.created_by, m.user_id, m.role from attune.teams as t join attune.team_members as m on m.team_id = t.id',
  $$ values ('Engines', pg_temp.id('ada'), pg_temp.id('ada'), 'owner'::attune.team_role) $$,
  'a user can make a team, and owns it'
);
select tests.throws_reason(
  format('select attune.create_team(%L)', bad.name), 'PT422', bad.reason, 'a user cannot make a team without a proper name'
)
from (values ('', 'invalid_name'), ('  ', 'invalid_name'), (null, 'invalid_name'), (repeat('x', 201), 'too_large')) as bad (name, reason);
select lives_ok($$ update attune.teams set name = 'Engine room' $$, 'an owner can rename the team');
select tests.throws_reason($$ update attune.teams set name = '' $$, 'PT422', 'invalid_name', 'an owner cannot take the name away');
select throws_ok(
  'update attune.teams set created_by = null', '42501', 'permission denied for table teams', 'an owner cannot rewrite who made the team'
);
select throws_ok(
  format('insert into attune.team_members (user_id, team_id) values (%L, %L)', pg_temp.id('bob'), (select id from team)),
  '42501', 'permission denied for table team_members', 'an owner cannot put somebody into the team unasked'
);
select tests.throws_reason(
  'select attune.leave_team((select id from team))', 'PT409', 'last_owner', 'the last owner cannot leave the team'
);
select tests.throws_reason(
  $$ select attune.set_team_member_role((select id from team), pg_temp.id('ada'), null) $$, 'PT422', 'invalid_role',
  'an owner cannot give somebody no role in a team'
);
select tests.throws_reason(
  format('select attune.set_project_member_role(%L, pg_temp.id(''ada''), null)', id), 'PT422', 'invalid_role',
  'an owner cannot give somebody no role in a project'
)
from attune.projects limit 1;
select tests.throws_reason(
  $$ select attune.set_team_member_role((select id from team), pg_temp.id('ada'), 'member') $$, 'PT409', 'last_owner',
  'the last owner cannot become a member'
);
select tests.throws_reason(
  $$ select attune.remove_team_member((select id from team), pg_temp.id('ada')) $$, 'PT409', 'last_owner',
  'the last owner cannot be removed'
);

select tests.reset_role();
insert into attune.team_members (user_id, team_id, role)
select pg_temp.id(m.name), team.id, m.role::attune.team_role
from team, (values ('bob', 'admin'), ('cid', 'member'), ('dan', 'member')) as m (name, role);

-- A member

select pg_temp.be('cid');
select results_eq('select name from attune.teams', array['Engine room'], 'a member can see the team');
select is((select count(*) from attune.team_members), 4::bigint, 'a member can see the members');
select bag_eq(
  'select name, avatar_url from attune.profiles', $$ values ('Ada', '/ada.png'), ('Bob', '/bob.png'), ('Cid', '/cid.png'), ('Dan', '/dan.png') $$,
  'a member can see name and picture of the members'
);
select results_eq('select email from attune.users', array['cid@example.com'], 'a member cannot see the others'' addresses');
select is_empty($$ update attune.teams set name = 'Mine' returning id $$, 'a member cannot rename the team');
select is_empty('delete from attune.teams returning id', 'a member cannot delete the team');
select is_empty($$ update attune.teams set name = '' returning id $$, 'nor is told that a name is no name');
select tests.throws_reason(
  format('select attune.%s', f.call), '42501', 'team_role_required', format('a member cannot call %s', split_part(f.call, '(', 1))
)
from (values
  ('set_team_member_role((select id from team), pg_temp.id(''cid''), ''owner'')'),
  ('remove_team_member((select id from team), pg_temp.id(''dan''))'),
  ('set_team_member_role((select id from team), pg_temp.id(''dan''), null)')
) as f (call);
select is((attune.set_current_team((select id from team))).current_team_id, (select id from team), 'a member can choose the team');
select throws_ok(
  'update attune.users set current_team_id = null', '42501', 'permission denied for table users', 'a team is chosen by the function only'
);
select is((attune.set_current_team()).current_team_id, null, 'a member can choose no team');
select attune.set_current_team((select id from team));
select is(
  (attune.create_project('Engine', (select id from team), 2)).team_id, (select id from team), 'a member can make a project in the team'
);
select tests.throws_reason(
  $$ select attune.create_project('', (select id from team)) $$, 'PT422', 'invalid_name', 'a project of the team has a name too'
);

-- An admin

select pg_temp.be('bob');
select isnt_empty($$ update attune.teams set name = 'Engines' returning id $$, 'an admin can rename the team');
select is_empty('delete from attune.teams returning id', 'an admin cannot delete the team');
select is(
  (attune.set_team_member_role((select id from team), pg_temp.id('dan'), 'admin')).role, 'admin', 'an admin can make an admin'
);
select is(
  (attune.set_team_member_role((select id from team), pg_temp.id('dan'), 'member')).role, 'member', 'an admin can make a member of an admin'
);
select tests.throws_reason(
  format('select attune.%s', f.call), '42501', 'team_role_required', 'an admin cannot ' || f.what
)
from (values
  ('set_team_member_role((select id from team), pg_temp.id(''bob''), ''owner'')', 'become an owner'),
  ('set_team_member_role((select id from team), pg_temp.id(''ada''), ''member'')', 'unmake an owner'),
  ('set_team_member_role((select id from team), pg_temp.id(''ada''), null)', 'unmake an owner, and is told so before the role is judged'),
  ('remove_team_member((select id from team), pg_temp.id(''ada''))', 'remove an owner')
) as f (call, what);
select tests.throws_reason(
  $$ select attune.set_team_member_role((select id from team), pg_temp.id('dan'), null) $$, 'PT422', 'invalid_role',
  'an admin cannot give a member no role'
);
select tests.throws_reason(
  format('select attune.%s', f.call), 'PT404', 'unknown_member', 'an admin cannot do anything with who is no member'
)
from (values
  ('set_team_member_role((select id from team), pg_temp.id(''eve''), ''member'')'), ('remove_team_member((select id from team), pg_temp.id(''eve''))')
) as f (call);
select lives_ok($$ select attune.remove_team_member((select id from team), pg_temp.id('cid')) $$, 'an admin can remove a member');
select is_empty('select from attune.profiles where name = ''Cid''', 'who was removed is seen no more');
select lives_ok('select attune.leave_team((select id from team))', 'an admin can leave');
select is_empty('select from attune.teams', 'who left sees the team no more');

select pg_temp.be('cid');
select is((attune.viewer()).current_team_id, null, 'who was removed has the team as the current one no more');
select results_eq(
  'select name, stage_number, team_id is not null from attune.projects where stage_number is not null', $$ values ('Engine', 2, true) $$,
  'who was removed keeps their project'
);

-- A stranger

select pg_temp.be('eve');
select is_empty('select from attune.teams', 'a stranger cannot see the team');
select is_empty('select from attune.team_members', 'a stranger cannot see the members');
select results_eq('select name from attune.profiles', array['Eve'], 'a stranger sees nobody but themselves');
select results_eq('select name from attune.projects', array['Starter project'], 'a stranger sees no project but their own');
select is_empty('delete from attune.teams returning id', 'a stranger cannot delete the team');
select tests.throws_reason(
  format('select attune.%s', f.call), 'PT404', 'unknown_team', format('for a stranger there is no team to %s', split_part(f.call, '(', 1))
)
from (values
  ('set_current_team((select id from team))'), ('leave_team((select id from team))'),
  ('remove_team_member((select id from team), pg_temp.id(''ada''))'), ('create_project(''x'', (select id from team))'),
  ('set_team_member_role((select id from team), pg_temp.id(''eve''), ''owner'')'), ('leave_team(null)'),
  ('create_project('''', (select id from team))'), ('set_team_member_role((select id from team), pg_temp.id(''ada''), null)')
) as f (call);

-- The last owner, once more

select pg_temp.be('ada');
select is(
  (attune.set_team_member_role((select id from team), pg_temp.id('dan'), 'owner')).role, 'owner', 'an owner can make an owner'
);
select is(
  (attune.set_team_member_role((select id from team), pg_temp.id('ada'), 'member')).role, 'member', 'an owner can step back for another'
);
select tests.throws_reason(
  $$ select attune.set_team_member_role((select id from team), pg_temp.id('ada'), 'owner') $$, '42501', 'team_role_required',
  'who stepped back is no owner'
);
select pg_temp.be('dan');
select lives_ok('delete from attune.teams', 'an owner can delete the team');
select is_empty('select from attune.team_members', 'a deleted team has no members');
select pg_temp.be('cid');
select results_eq(
  'select name, team_id from attune.projects where stage_number is not null', $$ values ('Engine', null::uuid) $$, 'a project outlives its team'
);

-- Projects

select p.id into temp table project from attune.create_project('Loom') as p;
grant select on project to public;
select results_eq(
  'select name, stage_number, created_by from attune.projects where id = (select id from project)', $$ values ('Loom', 1, pg_temp.id('cid')) $$,
  'a user can make a project of their own'
);
select tests.throws_reason(
  format('select attune.create_project(''x'', stage_number => %s)', stage), 'PT422', 'invalid_stage_number', format('there is no stage %s', stage)
)
from (values (0), (-1), (1001)) as s (stage);
select tests.throws_reason('update attune.projects set stage_number = 0', 'PT422', 'invalid_stage_number', 'no project gets to stage 0');
select tests.throws_reason('select attune.create_project('''')', 'PT422', 'invalid_name', 'a project has a name');
select tests.reset_role();
insert into attune.project_members (user_id, project_id, role)
select pg_temp.id(m.name), project.id, m.role::attune.project_role
from project, (values ('bob', 'editor'), ('dan', 'viewer')) as m (name, role);

select pg_temp.be('dan');
select isnt_empty('select from attune.projects where id = (select id from project)', 'a viewer can see the project');
select is_empty($$ update attune.projects set name = 'x' where id = (select id from project) returning id $$, 'a viewer cannot change the project');
select is_empty(
  $$ update attune.projects set name = '', stage_number = 0 where id = (select id from project) returning id $$,
  'nor is told what is wrong with a change'
);
select bag_eq('select name from attune.profiles', array['Bob', 'Cid', 'Dan'], 'a viewer can see who else is in the project');
select is_empty('select from attune.profiles where name = ''Ada''', 'a viewer cannot see who is not');

select pg_temp.be('bob');
select isnt_empty(
  $$ update attune.projects set name = 'Jacquard', stage_number = 2 where id = (select id from project) returning id $$, 'an editor can change the project'
);
select throws_ok(
  'update attune.projects set team_id = null', '42501', 'permission denied for table projects', 'an editor cannot move the project'
);
select is_empty('delete from attune.projects where id = (select id from project) returning id', 'an editor cannot delete the project');
select tests.throws_reason(
  format('select attune.%s', f.call), '42501', 'project_role_required', format('an editor cannot call %s', split_part(f.call, '(', 1))
)
from (values
  ('set_project_member_role((select id from project), pg_temp.id(''bob''), ''owner'')'),
  ('set_project_member_role((select id from project), pg_temp.id(''bob''), null)'),
  ('remove_project_member((select id from project), pg_temp.id(''dan''))')
) as f (call);
select lives_ok('select attune.leave_project((select id from project))', 'an editor can leave');
select tests.throws_reason('select attune.leave_project((select id from project))', 'PT404', 'unknown_project', 'nobody leaves twice');

select pg_temp.be('cid');
select tests.throws_reason('select attune.leave_project((select id from project))', 'PT409', 'last_owner', 'the last owner cannot leave the project');
select tests.throws_reason(
  $$ select attune.set_project_member_role((select id from project), pg_temp.id('cid'), 'viewer') $$, 'PT409', 'last_owner',
  'the last owner cannot become a viewer'
);
select tests.throws_reason(
  format('select attune.%s', f.call), 'PT404', 'unknown_member', 'an owner cannot do anything with who is no member'
)
from (values
  ('set_project_member_role((select id from project), pg_temp.id(''eve''), ''viewer'')'),
  ('remove_project_member((select id from project), pg_temp.id(''eve''))')
) as f (call);
select is(
  (attune.set_project_member_role((select id from project), pg_temp.id('dan'), 'owner')).role, 'owner', 'an owner can make an owner'
);
select lives_ok('select attune.leave_project((select id from project))', 'an owner can leave to another');
select pg_temp.be('dan');
select isnt_empty('delete from attune.projects where id = (select id from project) returning id', 'an owner can delete the project');

-- An administrator

select pg_temp.be('ada');
select lives_ok($$ select attune.create_team('Others') $$, 'a user can make another team');
select tests.reset_role();
update attune.users set is_admin = true where name = 'Eve';
select pg_temp.be('eve');
select results_eq('select name from attune.teams', array['Others'], 'an administrator can see teams of others');
select is_empty($$ update attune.teams set name = 'Mine' returning id $$, 'an administrator cannot rename them');
select is_empty('delete from attune.teams returning id', 'nor delete them');
select results_eq(
  'select name from attune.profiles order by name', array['Ada', 'Bob', 'Cid', 'Dan', 'Eve'],
  'an administrator sees the profile of everybody, once'
);

-- A request without a token

select tests.authenticate_as_anon();
select throws_ok(
  format('select * from attune.%I', t.name), '42501', format('permission denied for %s %s', t.kind, t.name), format('anon cannot read %s', t.name)
)
from (values ('teams', 'table'), ('team_members', 'table'), ('projects', 'table'), ('project_members', 'table'), ('profiles', 'view')) as t (name, kind);

-- The trusted server

select tests.authenticate_as_service_role();
insert into attune.teams (name) values ('Served');
select lives_ok(
  $$ insert into attune.team_members (user_id, team_id, role)
     select pg_temp.id(n), t.id, 'owner' from attune.teams as t, unnest(array['ada', 'bob']) as n where t.name = 'Served' $$,
  'service_role can fill a team'
);
select is(
  (attune.set_team_member_role((select id from attune.teams where name = 'Served'), pg_temp.id('ada'), 'admin')).role, 'admin',
  'service_role counts as an owner'
);
select tests.throws_reason(
  'delete from attune.team_members where role = ''owner''', 'PT409', 'last_owner', 'service_role cannot leave a team without an owner'
);
select lives_ok('delete from attune.users where email in (''ada@example.com'', ''bob@example.com'')', 'all members of a team can be deleted at once');
select is_empty('select from attune.teams', 'a team goes with its last members');
select results_eq(
  'select name from attune.profiles order by name', array['Cid', 'Dan', 'Eve'], 'service_role can read the profile of everybody'
);

select * from finish();
rollback;
