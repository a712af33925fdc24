-- Invitations: who may invite, who may accept, and until when.
begin;
select no_plan();

select tests.create_user(name || '@example.com') from unnest(array['ada', 'bob', 'cid', 'dan']) as u (name);
update attune.users set name = initcap(split_part(email, '@', 1));

create function pg_temp.id(name text) returns uuid language sql as $$ select tests.user_id(name || '@example.com') $$;
create function pg_temp.be(name text) returns void language sql as $$ select tests.authenticate_as(name || '@example.com') $$;
create function pg_temp.mailed(recipient text) returns jsonb language sql security definer as $$
  select m.payload from attune_private.mail_outbox as m where m.recipient = mailed.recipient order by m.id desc limit 1;
$$;

-- The owner

select pg_temp.be('ada');
select t.id into temp table team from attune.create_team('Engines') as t;
select p.id into temp table project from attune.create_project('Loom', (select id from team)) as p;
grant select on team, project to public;

select results_eq(
  $$ select email, team_id, team_role, project_id, invited_by, expires_at, accepted_at, revoked_at
     from attune.invite_to_team((select id from team), ' Bob@Example.com ', 'admin') $$,
  $$ values ('bob@example.com', (select id from team), 'admin'::attune.team_role, null::uuid, pg_temp.id('ada'), now() + interval '7 days',
       null::timestamptz, null::timestamptz) $$,
  'an owner can invite to a team'
);
select results_eq(
  $$ select m ->> 'invited_by', m ->> 'team', m ->> 'project', m ->> 'token' ~ '^[A-Za-z0-9_-]{64}$' from pg_temp.mailed('bob@example.com') as m $$,
  $$ values ('Ada', 'Engines', null, true) $$,
  'an invitation is mailed, with who invites and to what'
);
select is(
  (attune.invite_to_project((select id from project), 'bob@example.com')).project_role, 'viewer', 'an owner can invite to a project'
);
select is(pg_temp.mailed('bob@example.com') ->> 'project', 'Loom', 'an invitation to a project says so');
select is((select count(*) from attune.invitations), 2::bigint, 'an owner can see the invitations');
select tests.throws_reason(
  format('select attune.invite_to_team((select id from team), %L)', bad.email), 'PT422', 'invalid_email',
  format('an owner cannot invite %s', coalesce(to_jsonb(bad.email), 'null'))
)
from (values ('bob'), (''), (null), ('a b@example.com')) as bad (email);
select throws_ok(
  $$ insert into attune.invitations (email, expires_at) values ('x@example.com', now()) $$, '42501', 'permission denied for table invitations',
  'an owner cannot write invitations past the function'
);
create temp table tokens as
select 'bob' as who, m.payload ->> 'token' as token from (select pg_temp.mailed('bob@example.com') as payload) as m;
grant all on tokens to public;

-- The stranger

select pg_temp.be('dan');
select is_empty('select from attune.invitations', 'a stranger cannot see the invitations');
select tests.throws_reason(
  $$ select attune.invite_to_team((select id from team), 'dan@example.com') $$, 'PT404', 'unknown_team', 'a stranger cannot invite to a team'
);
select tests.throws_reason(
  $$ select attune.invite_to_project((select id from project), 'dan@example.com') $$, 'PT404', 'unknown_project', 'a stranger cannot invite to a project'
);
select tests.throws_reason(
  $$ select attune.invite_to_team((select id from team), 'bob') $$, 'PT404', 'unknown_team',
  'a stranger to a team is told so before the address is judged'
);
select tests.throws_reason(
  $$ select attune.invite_to_project((select id from project), 'bob') $$, 'PT404', 'unknown_project',
  'a stranger to a project is told so before the address is judged'
);
select tests.throws_reason(
  $$ select attune.accept_invitation((select token from tokens)) $$, '42501', 'invitation_for_another',
  'a stranger cannot accept the invitation of another, who got hold of it'
);
select tests.throws_reason(
  format('select attune.accept_invitation(%L)', bad.token), 'PT400', 'invalid_invitation',
  format('a stranger cannot accept %s', coalesce(to_jsonb(left(bad.token, 10)), 'null'))
)
from (values (''), ('guess'), (repeat('A', 64)), (null)) as bad (token);

-- The invited

select pg_temp.be('bob');
select is_empty('select from attune.invitations', 'who is invited cannot see the invitation here');
select results_eq(
  'select accepted_at, project_id from attune.accept_invitation((select token from tokens))', 'select now(), id from project',
  'who is invited can accept'
);
select results_eq(
  'select role from attune.project_members where user_id = attune.current_user_id() and project_id = (select id from project)',
  array['viewer']::attune.project_role[], 'who accepts belongs to it, as they were invited'
);
select tests.throws_reason(
  $$ select attune.accept_invitation((select token from tokens)) $$, 'PT400', 'invalid_invitation', 'an invitation is accepted once'
);
select tests.throws_reason(
  $$ select attune.invite_to_project((select id from project), 'cid@example.com') $$, '42501', 'project_role_required', 'a viewer cannot invite'
);
select tests.throws_reason(
  $$ select attune.invite_to_project((select id from project), 'cid') $$, '42501', 'project_role_required',
  'a viewer is told so before the address is judged'
);

-- By the clock

select tests.reset_role();
delete from tokens;
insert into tokens select 'bob', m.payload ->> 'token' from attune_private.mail_outbox as m where m.payload ->> 'team' is not null;
select tests.throws_reason(
  $$ select attune_private.accept_invitation(pg_temp.id('bob'), (select token from tokens), now() + interval '7 days') $$,
  'PT400', 'invalid_invitation', 'an invitation is good for seven days'
);
select lives_ok(
  $$ select attune_private.accept_invitation(pg_temp.id('bob'), (select token from tokens), now() + interval '6 days 23 hours') $$,
  'an invitation is good until then'
);

-- An admin, who came in by it

select pg_temp.be('bob');
select tests.throws_reason(
  $$ select attune.invite_to_team((select id from team), 'cid@example.com', 'owner') $$, '42501', 'team_role_required',
  'an admin cannot invite an owner'
);
select tests.throws_reason(
  $$ select attune.invite_to_team((select id from team), 'cid', 'owner') $$, '42501', 'team_role_required',
  'an admin is told so before the address is judged'
);
select attune.invite_to_team((select id from team), 'cid@example.com');
select lives_ok($$ select attune.invite_to_team((select id from team), 'cid@example.com', 'admin') $$, 'an admin can invite again');
select results_eq(
  $$ select team_role, revoked_at is null from attune.invitations where email = 'cid@example.com' order by revoked_at nulls last $$,
  $$ values ('member'::attune.team_role, false), ('admin', true) $$,
  'the latest invitation counts'
);

select tests.reset_role();
select is(
  (select count(*) from attune_private.mail_outbox where recipient = 'cid@example.com'), 1::bigint, 'a mail that was not sent is not sent any more'
);
delete from tokens;
insert into tokens select 'cid', pg_temp.mailed('cid@example.com') ->> 'token';

select pg_temp.be('ada');
select results_eq(
  $$ select revoked_at from attune.revoke_invitation((select id from attune.invitations where email = 'cid@example.com' and revoked_at is null)) $$,
  array[now()], 'an owner can take an invitation back'
);
select results_eq(
  $$ select accepted_at, revoked_at from attune.revoke_invitation((select id from attune.invitations where project_id is not null)) $$,
  'values (now(), null::timestamptz)', 'an invitation that was accepted stays as it is'
);
select pg_temp.be('cid');
select tests.throws_reason(
  $$ select attune.accept_invitation((select token from tokens)) $$, 'PT400', 'invalid_invitation',
  'an invitation that was taken back cannot be accepted'
);
select tests.throws_reason(
  format('select attune.revoke_invitation(%L)', id), 'PT404', 'unknown_invitation', 'a stranger cannot take an invitation back'
)
from (select gen_random_uuid() union all select null) as i (id);

-- Who belongs to it already

select pg_temp.be('ada');
select attune.invite_to_team((select id from team), 'bob@example.com', 'member');
select attune.invite_to_project((select id from project), 'bob@example.com', 'editor');
select tests.reset_role();
delete from tokens;
insert into tokens
select m.payload ->> 'invitation_id', m.payload ->> 'token' from attune_private.mail_outbox as m order by m.id desc limit 2;
select pg_temp.be('bob');
select attune.accept_invitation(token) from tokens;
select results_eq(
  'select m.role, p.role from attune.team_members as m join attune.project_members as p on p.user_id = m.user_id
   where m.user_id = attune.current_user_id() and p.project_id = (select id from project)',
  $$ values ('admin'::attune.team_role, 'editor'::attune.project_role) $$,
  'who belongs to it already may do more afterwards, and never less'
);

-- Who may no longer invite

select pg_temp.be('ada');
select attune.set_team_member_role((select id from team), pg_temp.id('bob'), 'owner');
select attune.set_project_member_role((select id from project), pg_temp.id('bob'), 'owner');
select pg_temp.be('bob');
select attune.invite_to_team((select id from team), email, role)
from (values ('bob@example.com', 'owner'::attune.team_role), ('dan@example.com', 'member')) as i (email, role);
select attune.invite_to_project((select id from project), 'bob@example.com', 'owner');

create function pg_temp.open_invitations() returns table (email text, to_project boolean) language sql security definer as $$
  select i.email, i.project_id is not null
  from attune.invitations as i
  where i.invited_by = pg_temp.id('bob') and i.revoked_at is null and i.accepted_at is null and i.email <> 'cid@example.com'
  order by 1, 2;
$$;
select pg_temp.be('ada');
select attune.set_team_member_role((select id from team), pg_temp.id('bob'), 'admin');
select results_eq(
  'select * from pg_temp.open_invitations()', $$ values ('bob@example.com', true), ('dan@example.com', false) $$,
  'an owner who becomes an admin takes along the invitations that take an owner'
);
select attune.remove_team_member((select id from team), pg_temp.id('bob'));
select results_eq(
  'select * from pg_temp.open_invitations()', $$ values ('bob@example.com', true) $$, 'whoever is removed takes along all invitations'
);
select attune.set_project_member_role((select id from project), pg_temp.id('bob'), 'editor');
select is_empty('select * from pg_temp.open_invitations()', 'an owner of a project who is none any more takes along the invitations');
select tests.reset_role();
select isnt_empty(
  $$ select from attune.invitations where invited_by = pg_temp.id('ada') and accepted_at is null and revoked_at is null
     union all select from attune.invitations where email = 'bob@example.com' and accepted_at is not null $$,
  'what was accepted, or sent by others, stays'
);

-- Not too many

select tests.reset_role();
insert into attune.global_settings (key, value) values ('INVITATIONS_PER_DAY', '5');
select pg_temp.be('ada');
select lives_ok($$ select attune.invite_to_team((select id from team), 'last@example.com') $$, 'a user can send so many invitations a day');
select tests.throws_reason(
  $$ select attune.invite_to_team((select id from team), 'more@example.com') $$, 'PT429', 'too_many_invitations', 'a user cannot send more'
);

-- A request without a token, and the trusted server

select tests.authenticate_as_anon();
select throws_ok(
  'select * from attune.invitations', '42501', 'permission denied for table invitations', 'anon cannot read invitations'
);
select throws_ok(
  'select attune.accept_invitation(null)', '42501', 'Nobody is signed in', 'anon cannot accept an invitation'
);

select tests.authenticate_as_service_role();
select results_eq(
  $$ select invited_by from attune.invite_to_team((select id from team), 'more@example.com', 'owner') $$, array[null::uuid],
  'service_role can invite, as often as it likes'
);
select isnt_empty('select from attune.invitations', 'service_role can see invitations');
select lives_ok(
  $$ select attune.revoke_invitation((select id from attune.invitations where email = 'more@example.com')) $$,
  'service_role can take an invitation back'
);
select attune.complete_mail(m.id) from attune.claim_mails(1000) as m;
delete from attune.users where email = 'bob@example.com';
select is_empty($$ select from attune.invitations where email = 'bob@example.com' $$, 'invitations of a deleted user are gone');
select tests.reset_role();
select is_empty(
  $$ select from attune_private.mail_outbox where recipient = 'bob@example.com' $$, 'mails with invitations of a deleted user are gone'
);

select tests.reset_role();
select attune_private.remove_expired(now() + interval '36 days');
select isnt_empty('select from attune.invitations', 'an invitation is kept for 30 days after it expired');
select attune_private.remove_expired(now() + interval '38 days');
select is_empty('select from attune.invitations', 'an invitation is removed then');

-- Whoever loses a role, or a part of it, comes back by no older invitation

select tests.reset_role();
delete from attune.global_settings where key = 'INVITATIONS_PER_DAY';
select tests.create_user(name || '@example.com') from unnest(array['eve', 'fay']) as u (name);
select pg_temp.be('ada');
create temp table new_team as select t.id from attune.create_team('Looms') as t;
create temp table new_project as select p.id from attune.create_project('Jacquard', (select id from new_team)) as p;
select tests.reset_role();
update team set id = (select id from new_team);
update project set id = (select id from new_project);
create temp table losses (kind text, before text, how text);
insert into losses values
  ('team', 'member', 'select attune.remove_team_member((select id from team), pg_temp.id(''eve''))'),
  ('team', 'admin', 'select attune.remove_team_member((select id from team), pg_temp.id(''eve''))'),
  ('team', 'admin', 'select attune.set_team_member_role((select id from team), pg_temp.id(''eve''), ''member'')'),
  ('team', 'owner', 'select attune.set_team_member_role((select id from team), pg_temp.id(''eve''), ''admin'')'),
  ('team', 'member', 'leave'),
  ('project', 'viewer', 'select attune.remove_project_member((select id from project), pg_temp.id(''eve''))'),
  ('project', 'editor', 'select attune.set_project_member_role((select id from project), pg_temp.id(''eve''), ''viewer'')'),
  ('project', 'viewer', 'leave');
grant select on losses to public;
create function pg_temp.outcome(kind text, before text, how text) returns text language plpgsql as $$
declare
  kept text;
  id uuid := case kind when 'team' then (select t.id from team as t) else (select p.id from project as p) end;
begin
  perform tests.reset_role();
  execute format('delete from attune.%I where user_id = %L and %I = %L', kind || '_members', pg_temp.id('eve'), kind || '_id', id);
  execute format('insert into attune.%1$I (user_id, %2$I, role) values (%3$L, %4$L, %5$L)', kind || '_members', kind || '_id', pg_temp.id('eve'), id, before);
  perform pg_temp.be('ada');
  execute format('select attune.%I(%L, %L, %L)', 'invite_to_' || kind, id, 'eve@example.com', 'owner');
  perform tests.reset_role();
  kept := pg_temp.mailed('eve@example.com') ->> 'token';
  if how = 'leave' then
    perform pg_temp.be('eve');
    execute format('select attune.%I(%L)', 'leave_' || kind, id);
  else
    perform pg_temp.be('ada');
    execute how;
  end if;
  perform pg_temp.be('eve');
  begin
    perform attune.accept_invitation(kept);
    return 'accepted';
  exception
    when sqlstate 'PT400' then
      perform pg_temp.be('ada');
      execute format('select attune.%I(%L, %L, %L)', 'invite_to_' || kind, id, 'eve@example.com', before);
      perform tests.reset_role();
      kept := pg_temp.mailed('eve@example.com') ->> 'token';
      perform pg_temp.be('eve');
      perform attune.accept_invitation(kept);
      return 'refused, and a later one accepted';
  end;
end;
$$;
select is(
  pg_temp.outcome(l.kind, l.before, l.how), 'refused, and a later one accepted', format('%s %s: %s', l.kind, l.before, l.how)
)
from losses as l;
select tests.reset_role();
delete from attune.team_members where user_id = pg_temp.id('eve');
insert into attune.team_members (user_id, team_id, role) select pg_temp.id('eve'), id, 'member' from team;
select pg_temp.be('ada');
select attune.invite_to_team((select id from team), 'eve@example.com', 'owner');
select attune.invite_to_team((select id from team), 'fay@example.com', 'owner');
select attune.set_team_member_role((select id from team), pg_temp.id('eve'), 'admin');
select is(
  (select count(*) from attune.invitations where email in ('eve@example.com', 'fay@example.com') and team_id is not null and revoked_at is null and accepted_at is null),
  2::bigint, 'who gains a role loses no invitation, and neither does anybody else'
);
select attune.remove_team_member((select id from team), pg_temp.id('eve'));
select results_eq(
  $$ select distinct email from attune.invitations where email in ('eve@example.com', 'fay@example.com') and revoked_at is null and accepted_at is null $$,
  array['fay@example.com'], 'what was sent to somebody else stays'
);


-- Whatever address they had when they lost it

select tests.reset_role();
select tests.create_user('gus@example.com');
select pg_temp.be('ada');
select attune.invite_to_team((select id from team), 'augustus@example.com', 'owner');
select tests.reset_role();
update attune.invitations set created_at = now() - interval '1 hour' where email = 'augustus@example.com';
create temp table augustus as select pg_temp.mailed('augustus@example.com') ->> 'token' as token, pg_temp.id('gus') as id;
grant select on augustus to public;
insert into attune.team_members (user_id, team_id, role) select pg_temp.id('gus'), id, 'member' from team;
select pg_temp.be('ada');
select attune.remove_team_member((select id from team), pg_temp.id('gus'));
select tests.reset_role();
update attune.users set email = 'augustus@example.com' where id = (select id from augustus);
select pg_temp.be('augustus');
select tests.throws_reason(
  'select attune.accept_invitation((select token from augustus))', 'PT400', 'invalid_invitation',
  'who was removed comes back by no older invitation to another address of theirs'
);
select pg_temp.be('ada');
select attune.invite_to_team((select id from team), 'augustus@example.com', 'admin');
select tests.reset_role();
insert into augustus select pg_temp.mailed('augustus@example.com') ->> 'token';
select pg_temp.be('augustus');
select lives_ok(
  'select attune.accept_invitation((select token from augustus where id is null))', 'a later one brings them back'
);

-- What is limited a day stays counted when the team goes, and its mails are not sent any more

select pg_temp.be('ada');
create temp table brief as select t.id from attune.create_team('Brief') as t;
select attune.invite_to_team((select id from brief), format('brief%s@example.com', n)) from generate_series(1, 3) as n;
select tests.reset_role();
insert into attune.global_settings (key, value)
select 'INVITATIONS_PER_DAY', to_jsonb(d.amount) from attune_private.daily_amounts as d
where d.kind = 'invitation' and d.subject_hash = attune_private.account_hash(pg_temp.id('ada')::text);
delete from attune.teams where id = (select id from brief);
select is_empty(
  $$ select from attune_private.mail_outbox where recipient like 'brief%' $$, 'the invitations of a team that is gone are not sent any more'
);
select pg_temp.be('ada');
select tests.throws_reason(
  $$ select attune.invite_to_team((select id from team), 'more@example.com') $$, 'PT429', 'too_many_invitations', 'deleting a team gives nobody more invitations'
);
select tests.reset_role();
delete from attune.global_settings where key = 'INVITATIONS_PER_DAY';
insert into attune.global_settings (key, value) values ('MAILS_PER_DAY', '2');
select pg_temp.be('ada');
select lives_ok($$ select attune.invite_to_team((select id from team), 'often@example.com') $$, 'an address can be invited') from generate_series(1, 2);
select tests.throws_reason(
  $$ select attune.invite_to_team((select id from team), 'OFTEN@example.com') $$, 'PT429', 'too_many_mails', 'an address is not invited more often a day'
);

select tests.reset_role();
select * from finish();
rollback;
