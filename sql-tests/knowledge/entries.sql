-- Knowledge that users and their agents share: who writes and sees what, every version, who is at it.
begin;
select no_plan();

select tests.create_user('ada@example.com');
select tests.create_user('bob@example.com');
select tests.create_user('admin@example.com', true);
update attune.users set name = 'Ada' where email = 'ada@example.com';

create temp table named (name text primary key, id uuid);
grant all on named to public;
create function pg_temp.id(name text) returns uuid language sql stable as $$ select n.id from named as n where n.name = id.name $$;
create function pg_temp.act(email text, agent jsonb) returns void language sql as $$
  select tests.set_request('authenticated', jsonb_build_object('sub', tests.user_id(email), 'role', 'authenticated', 'iss', 'attune', 'act', agent))
$$;

-- The author

select tests.authenticate_as('ada@example.com');
insert into named
select 'plan', e.id from attune.create_knowledge_entry('blueprint', '  How to deploy ', 'Step one', '{ Ops ,ops,"Release   Train",NULL}', '{"reviewed": true}') as e;

select results_eq(
  $$ select kind::text, title, body, tags, metadata, version, created_by, created_by_agent, updated_by from attune.knowledge_entries $$,
  $$ values ('blueprint', 'How to deploy', 'Step one', '{ops,release train}'::text[], '{"reviewed": true}'::jsonb, 1, attune.current_user_id(), null::text, attune.current_user_id()) $$,
  'a user shares what they know: its title trimmed, its tags in their one form'
);
select is((attune.update_knowledge_entry(pg_temp.id('plan'), 1, body => 'Step one, step two')).version, 2, 'who changes it makes the next version');
select results_eq(
  $$ select title, body, tags, metadata from attune.knowledge_entries $$,
  $$ values ('How to deploy', 'Step one, step two', '{ops,release train}'::text[], '{"reviewed": true}'::jsonb) $$,
  'and what is left out stays'
);
select is((attune.update_knowledge_entry(pg_temp.id('plan'), 2, title => 'How to deploy ')).version, 2, 'who writes what is there makes no version');
select results_eq(
  $$ select version, operation::text, body, changed_by = attune.current_user_id() from attune.knowledge_versions order by version $$,
  $$ values (1, 'INSERT', 'Step one', true), (2, 'UPDATE', 'Step one, step two', true) $$,
  'every version is kept'
);

select tests.throws_reason(format('select attune.update_knowledge_entry(%L, 1, body => %L)', pg_temp.id('plan'), 'Mine'), 'PT409', 'changed_meanwhile', 'an update from an earlier version is refused');
select tests.throws_reason(format('select attune.update_knowledge_entry(%L, 3)', pg_temp.id('plan')), 'PT409', 'changed_meanwhile', 'and one from a version that is not there yet');
select tests.throws_reason(format('select attune.update_knowledge_entry(%L, null)', pg_temp.id('plan')), 'PT409', 'changed_meanwhile', 'and one from none');
select tests.throws_reason(format('select attune.delete_knowledge_entry(%L, 1)', pg_temp.id('plan')), 'PT409', 'changed_meanwhile', 'and so is a deletion');
select tests.throws_reason(format('select attune.restore_knowledge_version(%L, 1, 1)', pg_temp.id('plan')), 'PT409', 'changed_meanwhile', 'and a restoration that says what it has read');
select is((attune.knowledge_entries_created_by_name(e)), 'Ada', 'an author has a name') from attune.knowledge_entries as e;
select is((attune.knowledge_entries_updated_by_name(e)), 'Ada', 'and so has who wrote last') from attune.knowledge_entries as e;
select ok(attune.knowledge_entries_can_edit(e), 'an author may edit') from attune.knowledge_entries as e;

-- What is refused, beside what is taken

select lives_ok($$ select attune.create_knowledge_entry('entry', repeat('t', 200), repeat('b', 262144), array(select 'tag' || i from generate_series(1, 20) as i), '{}') $$, 'as much as there may be is taken');
select tests.throws_reason($$ select attune.create_knowledge_entry(null, 'T', '', '{}', '{}') $$, 'PT422', 'kind_required', 'an entry has a kind');
select tests.throws_reason($$ select attune.create_knowledge_entry('entry', null, '', '{}', '{}') $$, 'PT422', 'title_required', 'an entry has a title');
select tests.throws_reason($$ select attune.create_knowledge_entry('entry', E' \t\n', '', '{}', '{}') $$, 'PT422', 'title_required', 'which is not blank');
select tests.throws_reason($$ select attune.create_knowledge_entry('entry', repeat('t', 201), '', '{}', '{}') $$, 'PT422', 'too_large', 'a title may be too long');
select tests.throws_reason($$ select attune.create_knowledge_entry('entry', 'T', repeat('b', 262145), '{}', '{}') $$, 'PT422', 'too_large', 'a body may be too long');
select tests.throws_reason($$ select attune.create_knowledge_entry('entry', 'T', '', array(select 'tag' || i from generate_series(1, 21) as i), '{}') $$, 'PT422', 'too_large', 'there may be too many tags');
select tests.throws_reason($$ select attune.create_knowledge_entry('entry', 'T', '', array[repeat('t', 51)], '{}') $$, 'PT422', 'too_large', 'a tag may be too long');
select tests.throws_reason($$ select attune.create_knowledge_entry('entry', 'T', '', '{}', jsonb_build_object('a', repeat('m', 16384))) $$, 'PT422', 'too_large', 'metadata may be too large');
select tests.throws_reason($$ select attune.create_knowledge_entry('entry', 'T', '', '{}', (select jsonb_object(array['a', 'b']) || format('{"c": %s}', repeat('[', 70) || repeat(']', 70))::jsonb)) $$, 'PT422', 'value_too_deep', 'metadata may be too deep');
select tests.throws_reason($$ select attune.create_knowledge_entry('entry', 'T', '', '{}', '[]') $$, 'PT422', 'invalid_metadata', 'metadata is an object');
select tests.throws_reason($$ select attune.create_knowledge_entry('system', 'T', '', '{}', '{}') $$, '42501', 'admin_required', 'what is of the system, a user does not write');
select tests.throws_reason(format('select attune.update_knowledge_entry(%L, 2, kind => %L)', pg_temp.id('plan'), 'system'), '42501', 'admin_required', 'nor make their own a part of it');
select tests.throws_reason($$ select attune.update_knowledge_entry(gen_random_uuid(), 1) $$, 'PT404', 'unknown_entry', 'what is not there is not changed');
select tests.throws_reason(format('select attune.create_knowledge_entry(%L, %L)', 'entry', t.title), 'PT422', 'title_required', 'nor of what nobody sees: ' || quote_literal(to_json(t.title)))
from (values (''), (E'\u200b'), (E'\u2060\ufeff'), (E' \u00a0\t'), (E'\u200d'), (E'\u00ad'), (E'\u3000'), (E'\u2066\u2069')) as t (title);
select tests.throws_reason(format('select attune.create_knowledge_entry(%L, %L, %L, %L)', 'entry', 'T', '', array['seen', t.tag]), 'PT422', 'blank_tag', 'nor is that a tag: ' || quote_literal(to_json(t.tag)))
from (values (''), (' '), (E'\u200b'), (E'\u2060\ufeff'), (E' \u00a0\t'), (E'\u200d'), (E'\u00ad'), (E'\u3000')) as t (tag);
select tests.throws_reason(format('select attune.update_knowledge_entry(%L, 2, tags => %L)', pg_temp.id('plan'), '{""}'), 'PT422', 'blank_tag', 'nor later');
savepoint forms;
select is((attune.create_knowledge_entry('entry', t.title)).title, 'Café am Eck', 'a title has one form: ' || quote_literal(to_json(t.title)))
from (values ('Café am Eck'), (E'Cafe\u0301 am Eck'), (E'\n\nCafé am Eck\n\n'), (E'\u200b\ufeff Café am Eck\u00a0\u2060'), (E'\u3000Café am Eck\x01')) as t (title);
select is((attune.create_knowledge_entry('entry', E'Love \u2764\ufe0f')).title, E'Love \u2764\ufe0f', 'what makes an emoji stays');
select is(
  (attune.create_knowledge_entry('entry', 'T', '', array['Café', E'cafe\u0301', E'CAFE\u0301', E'\u200bcafé\u00a0', E'ca\u2060fé', E'\ufeffcafé', E'am\u00a0\u2003Eck', 'am eck', E'\u212a', 'k'])).tags,
  array['café', 'am eck', 'k'], 'and so has a tag'
);
select is(
  cardinality((attune.search_knowledge(null, null, array[E'CAFE\u0301\u200b'])).matches), 1, 'by which it is found'
);
select is(cardinality((attune.search_knowledge(q.query)).matches), 6, 'a word is found in either form') from (values ('café eck'), (E'cafe\u0301 eck')) as q (query);
rollback to savepoint forms;
select is((attune.create_knowledge_entry('entry', 'Bare', null, null, null)).tags, '{}', 'null is as if it was left out');
delete from named where name <> 'plan';

-- A stranger

select tests.authenticate_as('bob@example.com');
select is((select count(*)::integer from attune.knowledge_entries), 3, 'whoever is signed in reads all entries');
select is((select count(*)::integer from attune.knowledge_versions), 4, 'and their versions');
select is((select attune.knowledge_entries_created_by_name(e)), 'Ada', 'and who wrote them') from attune.knowledge_entries as e where e.id = pg_temp.id('plan');
select is((select attune.knowledge_versions_changed_by_name(v)), 'Ada', 'each version') from attune.knowledge_versions as v where v.entry_id = pg_temp.id('plan') and v.version = 1;
select is_empty($$ select from attune.profiles as p where p.name = 'Ada' $$, 'of whom they are told nothing else');
select is(
  (select attune.knowledge_entries_created_by_name(jsonb_populate_record(e, jsonb_build_object('created_by', tests.user_id('admin@example.com')))) from attune.knowledge_entries as e limit 1),
  null, 'nor the name of who wrote nothing'
);
select ok(not attune.knowledge_entries_can_edit(e), 'a stranger may not edit') from attune.knowledge_entries as e where e.id = pg_temp.id('plan');
select tests.throws_reason(format('select attune.update_knowledge_entry(%L, 2, body => %L)', pg_temp.id('plan'), 'Mine'), '42501', 'author_required', 'nor does');
select tests.throws_reason(format('select attune.delete_knowledge_entry(%L, 2)', pg_temp.id('plan')), '42501', 'author_required', 'nor delete');
select tests.throws_reason(format('select attune.restore_knowledge_version(%L, 1)', pg_temp.id('plan')), '42501', 'author_required', 'nor restore');
select tests.throws_reason(format('select attune.acquire_edit_lease(%L)', pg_temp.id('plan')), '42501', 'author_required', 'nor say that they are about to');
select tests.throws_reason(format('select attune.purge_knowledge(%L, %L)', pg_temp.id('plan'), 'Why not'), '42501', 'admin_required', 'nor purge');
select throws_ok($$ insert into attune.knowledge_entries (kind, title) values ('entry', 'T') $$, '42501', null, 'nobody writes the tables by hand: entries');
select throws_ok($$ update attune.knowledge_versions set body = '' $$, '42501', null, 'versions');
select throws_ok($$ delete from attune.knowledge_edit_leases $$, '42501', null, 'leases');

-- The administrator

select tests.authenticate_as('admin@example.com');
select is((attune.update_knowledge_entry(pg_temp.id('plan'), 2, tags => '{ops}')).version, 3, 'an administrator changes what others wrote');
select is((select created_by from attune.knowledge_entries where id = pg_temp.id('plan')), tests.user_id('ada@example.com'), 'whose it stays');
insert into named select 'system', e.id from attune.create_knowledge_entry('system', 'House rules') as e;

select tests.authenticate_as('ada@example.com');
select tests.throws_reason(format('select attune.update_knowledge_entry(%L, 1, title => %L)', pg_temp.id('system'), 'Mine'), '42501', 'admin_required', 'what is of the system, its readers do not change');

-- Restoring

select results_eq(
  format($$ select e.version, e.restored_from, e.body, e.tags from attune.restore_knowledge_version(%L, 1, 3) as e $$, pg_temp.id('plan')),
  $$ values (4, 1, 'Step one', '{ops,release train}'::text[]) $$,
  'an earlier version is put back as the next one'
);
select is((attune.restore_knowledge_version(pg_temp.id('plan'), 4)).version, 4, 'what is there already is not put back');
select is((attune.update_knowledge_entry(pg_temp.id('plan'), 4, body => 'Anew')).restored_from, null, 'what is written next was not restored');
select tests.throws_reason(format('select attune.restore_knowledge_version(%L, 77)', pg_temp.id('plan')), 'PT404', 'unknown_version', 'what was never written is not restored');
select tests.throws_reason('select attune.restore_knowledge_version(gen_random_uuid(), 1)', 'PT404', 'unknown_entry', 'nor of what never was');

-- Deleting

select is((attune.delete_knowledge_entry(pg_temp.id('plan'), 5)).body, 'Anew', 'who deletes gets what it was');
select is_empty($$ select from attune.knowledge_entries where title = 'How to deploy' $$, 'then it is gone');
select results_eq(
  format('select version, operation::text, title, num_nulls(body, tags, metadata), changed_by = attune.current_user_id() from attune.knowledge_versions where entry_id = %L order by version desc limit 1', pg_temp.id('plan')),
  $$ values (6, 'DELETE', null::text, 3, true) $$,
  'and its last version says that it was deleted, by whom'
);
select tests.throws_reason(format('select attune.update_knowledge_entry(%L, 5, body => %L)', pg_temp.id('plan'), 'Late'), 'PT409', 'changed_meanwhile', 'its author, who has it before them still, hears of it');
select tests.authenticate_as('bob@example.com');
select is_empty(format('select from attune.knowledge_versions where entry_id = %L', pg_temp.id('plan')), 'strangers see nothing of it any more');
select tests.throws_reason(format('select attune.update_knowledge_entry(%L, 5)', pg_temp.id('plan')), 'PT404', 'unknown_entry', 'and are not told that it was');
select tests.throws_reason(format('select attune.restore_knowledge_version(%L, 1)', pg_temp.id('plan')), 'PT404', 'unknown_entry', 'nor that it could come back');
select tests.authenticate_as('admin@example.com');
select is((select count(*)::integer from attune.knowledge_versions where entry_id = pg_temp.id('plan')), 6, 'administrators see it');
select results_eq(
  format($$ select e.id, e.version, e.body, e.created_by, e.updated_by from attune.restore_knowledge_version(%L, 5, 6) as e $$, pg_temp.id('plan')),
  format($$ values (%L::uuid, 7, 'Anew', %L::uuid, attune.current_user_id()) $$, pg_temp.id('plan'), tests.user_id('ada@example.com')),
  'and bring it back as it was, its author''s still'
);
select tests.throws_reason(format('select attune.restore_knowledge_version(%L, 6)', pg_temp.id('plan')), 'PT404', 'unknown_version', 'a deletion has nothing to restore');
select is(
  (select array_agg(v.transaction_id = pg_current_xact_id()) from attune.knowledge_versions as v where v.entry_id = pg_temp.id('plan')),
  array_fill(true, array[7]), 'each version says in which transaction it was written'
);

-- What is in the way, for programs: the second line of the hint.
select tests.authenticate_as('ada@example.com');
create function pg_temp.conflict(statement text) returns json language plpgsql as $$
declare
  hint text;
begin
  execute statement;
  return null;
exception when others then
  get stacked diagnostics hint = pg_exception_hint;
  return split_part(hint, E'\n', 2);
end;
$$;
select is(
  pg_temp.conflict(format('select attune.update_knowledge_entry(%L, 2)', pg_temp.id('plan')))::jsonb - 'changed_at',
  jsonb_build_object(
    'entry_id', pg_temp.id('plan'), 'version', 2, 'current_version', 7, 'operation', 'INSERT',
    'changed_by_id', tests.user_id('admin@example.com'), 'changed_by_name', null, 'agent', null
  ),
  'a conflict tells both versions, and whose the current one is'
);

-- Leases

select is((attune.acquire_edit_lease(pg_temp.id('plan'))).held_by, attune.current_user_id(), 'an author says that they are editing');
select lives_ok(format('select attune.acquire_edit_lease(%L)', pg_temp.id('plan')), 'and again, from another tab');
select is((attune.acquire_edit_lease(pg_temp.id('plan'))).expires_at between now() + interval '119 seconds' and clock_timestamp() + interval '120 seconds', true, 'for two minutes from then');
select tests.authenticate_as('bob@example.com');
select results_eq(
  'select entry_id, held_by, attune.knowledge_edit_leases_held_by_name(l) from attune.knowledge_edit_leases as l',
  format($$ values (%L::uuid, %L::uuid, 'Ada') $$, pg_temp.id('plan'), tests.user_id('ada@example.com')),
  'others see who is at it'
);
select tests.authenticate_as('admin@example.com');
select tests.throws_reason(format('select attune.acquire_edit_lease(%L)', pg_temp.id('plan')), 'PT409', 'edit_lease_held', 'who wants to edit it, too, is warned');
select is(
  pg_temp.conflict(format('select attune.acquire_edit_lease(%L)', pg_temp.id('plan')))::jsonb - 'expires_at',
  jsonb_build_object('entry_id', pg_temp.id('plan'), 'held_by_id', tests.user_id('ada@example.com'), 'held_by_name', 'Ada', 'agent', null),
  'and told who is at it'
);
select is((attune.update_knowledge_entry(pg_temp.id('plan'), 7, body => 'Urgent')).version, 8, 'and may write all the same');
select is(attune.release_edit_lease(pg_temp.id('plan')), null, 'what others hold, one does not give up');
select tests.throws_reason('select attune.acquire_edit_lease(gen_random_uuid())', 'PT404', 'unknown_entry', 'there is no lease of what is not there');
select pg_temp.act('ada@example.com', '{"sub": "robot"}');
select tests.throws_reason(format('select attune.acquire_edit_lease(%L)', pg_temp.id('plan')), 'PT409', 'edit_lease_held', 'a user and their agent are two');
select tests.authenticate_as('ada@example.com');
select is((attune.release_edit_lease(pg_temp.id('plan'))).entry_id, pg_temp.id('plan'), 'who holds it gives it up');
select is_empty('select from attune.knowledge_edit_leases', 'then it is not shown');
select is(attune.release_edit_lease(pg_temp.id('plan')), null, 'and there is none to give up');
select pg_temp.act('ada@example.com', '{"sub": "robot"}');
select is((attune.acquire_edit_lease(pg_temp.id('plan'))).agent, 'robot', 'another may have it');
select tests.reset_role();
select is((select count(*)::integer from attune.knowledge_edit_leases where transaction_id = pg_current_xact_id()), 1, 'a lease says in which transaction it last changed');
update attune.knowledge_edit_leases set expires_at = now() - interval '1 second';
select tests.authenticate_as('admin@example.com');
select is_empty('select from attune.knowledge_edit_leases', 'one that ran out is not shown');
select is((attune.acquire_edit_lease(pg_temp.id('plan'))).held_by, attune.current_user_id(), 'and is whoever comes next''s');

-- Agents

select pg_temp.act('bob@example.com', '{"sub": " research-agent "}');
insert into named select 'learning', e.id from attune.create_knowledge_entry('learning', 'Retries help') as e;
select results_eq(
  format('select created_by, created_by_agent, updated_by_agent from attune.knowledge_entries where id = %L', pg_temp.id('learning')),
  format($$ values (%L::uuid, 'research-agent', 'research-agent') $$, tests.user_id('bob@example.com')),
  'what an agent writes is its user''s, and says which agent it was'
);
select tests.authenticate_as('bob@example.com');
select is((attune.update_knowledge_entry(pg_temp.id('learning'), 1, body => 'Three times')).updated_by_agent, null, 'the user in person is no agent');
select is((select created_by_agent from attune.knowledge_entries where id = pg_temp.id('learning')), 'research-agent', 'whoever made it, made it');
select pg_temp.act('bob@example.com', '{"sub": "a"}');
select tests.throws_reason($$ select attune.create_knowledge_entry('system', 'T') $$, '42501', 'admin_required', 'an agent has the rights of its user');
select attune.delete_knowledge_entry(pg_temp.id('learning'), 2);
select is((select agent from attune.knowledge_versions where entry_id = pg_temp.id('learning') and version = 3), 'a', 'a deletion says which agent it was');
select is((attune.restore_knowledge_version(pg_temp.id('learning'), 2)).created_by_agent, 'research-agent', 'what is brought back was still made by whom it was');

select tests.reset_role();
select is(
  (select attune_private.acting_agent() from set_config('request.jwt.claims', c.claims, true)), c.agent, c.claims
)
from (values
  ('{}', null),
  ('{"act": null}', null),
  ('{"act": {"sub": "robot"}}', 'robot'),
  ('{"act": {"sub": "robot", "act": {"sub": "another"}}}', 'robot'),
  ('{"act": {"sub": ""}}', 'unnamed'),
  ('{"act": {"sub": 7}}', 'unnamed'),
  ('{"act": {"sub": null}}', 'unnamed'),
  ('{"act": {"sub": {"name": "robot"}}}', 'unnamed'),
  ('{"act": {"iss": "https://id.example.com"}}', 'unnamed'),
  ('{"act": "robot"}', 'unnamed'),
  ('{"act": [{"sub": "robot"}]}', 'unnamed'),
  ('{"act": {"sub": "' || repeat('r', 300) || '"}}', repeat('r', 200))
) as c (claims, agent);
select tests.reset_role();

-- How much

insert into attune.global_settings (key, value) values ('KNOWLEDGE_WRITES_PER_DAY', '6');
select tests.authenticate_as('bob@example.com');
select lives_ok($$ select attune.create_knowledge_entry('entry', 'One more') $$, 'so much a day is taken');
select lives_ok($$ select attune.create_knowledge_entry('entry', 'And one') $$, 'to the last');
select tests.throws_reason($$ select attune.create_knowledge_entry('entry', 'Too many') $$, 'PT429', 'too_many_knowledge_writes', 'and no more');
select tests.throws_reason(format('select attune.update_knowledge_entry(%L, 4, body => %L)', pg_temp.id('learning'), 'x'), 'PT429', 'too_many_knowledge_writes', 'nor a change');
select lives_ok(format('select attune.delete_knowledge_entry(%L, 4)', pg_temp.id('learning')), 'deleting goes on');
select tests.reset_role();
update attune.global_settings set value = '1000000' where key = 'KNOWLEDGE_WRITES_PER_DAY';
insert into attune.global_settings (key, value) values ('KNOWLEDGE_MEGABYTES_PER_USER', '1');
select tests.authenticate_as('bob@example.com');
select lives_ok($$ select attune.create_knowledge_entry('entry', 'Large', repeat('x', 262000)) from generate_series(1, 4) $$, 'so much room is taken');
select tests.throws_reason($$ select attune.create_knowledge_entry('entry', 'Large', repeat('x', 2000)) $$, 'PT422', 'knowledge_full', 'and no more');
select tests.authenticate_as('admin@example.com');
select lives_ok($$ select attune.create_knowledge_entry('entry', 'Large', repeat('x', 262000)) from generate_series(1, 5) $$, 'administrators write without limit');

-- Taken away for good

select tests.throws_reason(format('select attune.purge_knowledge(%L, %L)', pg_temp.id('plan'), ' '), 'PT400', 'reason_required', 'a purge has a reason');
select tests.throws_reason($$ select attune.purge_knowledge(gen_random_uuid(), 'Why') $$, 'PT404', 'unknown_entry', 'and an entry');
select attune.update_knowledge_entry(pg_temp.id('plan'), 8, body => 'without the hunter');
select attune.update_knowledge_entry(pg_temp.id('plan'), 9, body => 'clean');
select is((attune.purge_knowledge(pg_temp.id('plan'), 'A password', '{9,10}')).affected_count, 1, 'a version is emptied, but not the current one');
select results_eq(
  format('select version, title, body, size, changed_by is not null from attune.knowledge_versions where entry_id = %L and version >= 8 order by version', pg_temp.id('plan')),
  $$ values (8, 'How to deploy', 'Urgent', 37, true), (9, null, null, 0, true), (10, 'How to deploy', 'clean', 36, true) $$,
  'that there was a version stays'
);
select results_eq(
  'select operation::text, reason, details, affected_rows from attune.maintenance_operations order by id desc limit 1',
  format($$ values ('purge_knowledge', 'A password', %L::jsonb, 1::bigint) $$, jsonb_build_object('entry_id', pg_temp.id('plan'), 'versions', '{9}'::integer[])),
  'and it is written down'
);
select is((attune.purge_knowledge(pg_temp.id('plan'), 'All of it')).affected_count, 7, 'without versions, all of the past');
select tests.throws_reason(format('select attune.restore_knowledge_version(%L, 8)', pg_temp.id('plan')), 'PT404', 'unknown_version', 'what was purged does not come back');
select tests.reset_role();
select is_empty($$ select from attune_private.knowledge_words where word in ('hunter', 'urgent') $$, 'nor are its words known any more');
select isnt_empty($$ select from attune_private.knowledge_words where word = 'deploy' $$, 'those that are there still, are');
select throws_ok($$ update attune.knowledge_versions set body = 'forged' where title is not null $$, '42501', null, 'the owner changes no version, either');
select throws_ok($$ update attune.knowledge_versions set title = null, body = null, tags = null, metadata = null where entry_id = pg_temp.id('system') $$, '42501', null, 'nor empties one without a record');
insert into attune.maintenance_operations (operation, reason, details, started_at, actor_role)
values ('purge_knowledge', 'x', jsonb_build_object('entry_id', pg_temp.id('system')), now() - interval '1 day', 'x');
select throws_ok($$ update attune.knowledge_versions set title = null, body = null, tags = null, metadata = null where entry_id = pg_temp.id('system') $$, '42501', null, 'nor with the record of a transaction elsewhere, that had the same number before a restore');
select throws_ok('delete from attune.knowledge_versions', '42501', null, 'nor deletes one');
select throws_ok('truncate attune.knowledge_versions', '42501', null, 'nor all');

-- Who is gone

delete from attune.users where email = 'ada@example.com';
select tests.authenticate_as('bob@example.com');
select results_eq(
  format('select e.created_by is not null, attune.knowledge_entries_created_by_name(e) from attune.knowledge_entries as e where e.id = %L', pg_temp.id('plan')),
  $$ values (true, null::text) $$,
  'what somebody shared stays when they are gone, without their name'
);

-- Nobody

select tests.authenticate_as_anon();
select throws_ok('select * from attune.knowledge_entries', '42501', null, 'nobody reads no entry');
select tests.throws_reason($$ select attune.create_knowledge_entry('entry', 'T') $$, '42501', 'not_signed_in', 'nor writes one');
select tests.authenticate_as(gen_random_uuid());
select is_empty('select from attune.knowledge_entries', 'nor does a user who is gone');
select is_empty('select from attune.knowledge_versions', 'nor a version');

-- A trusted server

select tests.authenticate_as_service_role();
select is((attune.create_knowledge_entry('system', 'Shipped')).created_by, null, 'a trusted server is no user');
select tests.throws_reason(format('select attune.acquire_edit_lease(%L)', pg_temp.id('plan')), '42501', 'not_signed_in', 'and holds no lease');
select is((attune.update_knowledge_entry(pg_temp.id('plan'), 10, body => 'By a server')).updated_by, null, 'it changes whatever there is');

select * from finish();
rollback;
