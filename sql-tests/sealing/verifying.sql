-- Whether anybody tampered with the audit log: an owner who switches the triggers off is found out, whatever they do.
begin;
select no_plan();

-- Without the copies that every user gets of what is shipped.
update attune.setting_definitions set seeding = 'inherit' where source = 'attune' and seeding = 'copy';

select tests.create_user('ada@example.com'), tests.create_user('bob@example.com');
select tests.create_user('admin@example.com', is_admin => true);
insert into attune.setting_definitions (key, category, schema, default_value) values ('theme', 'test', '{"type": "string"}', '"light"');

-- Of long ago, as only the owner could write it before anything was sealed.
insert into attune.configuration_audit_log (occurred_at, actor_role, acted_as, layer, key, operation)
select day, 'attune', 'migration', 'global', 'old', 'INSERT'
from unnest(array['2020-02-10Z', '2020-02-20Z']::timestamptz[]) as day;

-- What the owner does with the triggers off, taken back when it was looked at. The rows are theme's, and named by their place.
create temp table places (place integer, id bigint);
insert into places
select 10 + row_number() over (order by l.occurred_at), l.id from attune.configuration_audit_log as l where l.key = 'old';
create function pg_temp.tampered(statement text, checkpoint text default null) returns setof text language plpgsql as $$
declare
  found text[];
begin
  begin
    execute 'alter table attune.configuration_audit_log disable trigger user';
    execute 'alter table attune_private.sealed_rows disable trigger user';
    execute 'alter table attune.audit_seals disable trigger user';
    execute statement;
    found := array(
      select concat_ws(' ', v.problem, coalesce('row ' || p.place, 'row ' || v.audit_id))
      from attune.verify_audit(checkpoint) with ordinality as v (audit_id, problem, n)
      left join places as p on p.id = v.audit_id
      order by v.n
    );
    raise exception using errcode = 'ZZ000';
  exception when sqlstate 'ZZ000' then
    return query select unnest(found);
  end;
end;
$$;

-- Sealing. The trusted server

select tests.authenticate_as_service_role();
select cmp_ok(attune.seal_audit(), '>', 1::bigint, 'service_role can seal what was written, and is told how much it was');
select is(attune.seal_audit(), 0::bigint, 'what is sealed is not sealed again');
select is_empty('select from attune.verify_audit()', 'what nobody touched is whole');

select tests.authenticate_as('ada@example.com');
select from attune.set_preference('theme', '"a"');
select from attune.set_preference('theme', '"b"');
select tests.authenticate_as('bob@example.com');
select from attune.set_preference('theme', '"c"');
select from attune.reset_preference('theme');

select tests.authenticate_as_service_role();
select is(attune.seal_audit(), 4::bigint, 'a later seal takes what came since');
select tests.reset_role();
insert into places
select row_number() over (order by l.id), l.id from attune.configuration_audit_log as l where l.key = 'theme' and l.layer = 'user';
select tests.authenticate_as('ada@example.com');
select from attune.set_preference('theme', '"d"');

-- The owner
select tests.reset_role();
select is_empty('select from attune.verify_audit()', 'what is not sealed yet is no problem');
insert into places
select 5, max(l.id) from attune.configuration_audit_log as l where l.key = 'theme' and l.layer = 'user';
select is(attune.seal_audit(), 1::bigint, 'the owner can seal');
select results_eq(
  $$ select s.id, s.last_sequence - s.first_sequence + 1 from attune.audit_seals as s order by s.id offset 1 $$,
  $$ values (2::bigint, 4::bigint), (3, 1) $$,
  'each seal says how many rows it has'
);
select is_empty('select from attune.verify_audit()', 'several seals are a chain');
create temp table told as select attune.audit_checkpoint() as line;
grant select on told to public;
select matches(
  (select line from told), '^\d+ \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z [0-9a-f]{64}$', 'a checkpoint is a line: how many rows, when, and the hash'
);
select is_empty('select from attune.verify_audit((select line from told))', 'a log is that of its checkpoint');
select is_empty(
  $$ select from attune.verify_audit((select line || E'\n' from told)) $$, 'a checkpoint that was read from a file is one'
);

select results_eq(
  format('select pg_temp.tampered(%L, %L)', statement, case when needs_checkpoint then (select line from told) end),
  problems,
  'found out: ' || title
)
from (values
  (
    'a changed value', false,
    $$ update attune.configuration_audit_log set new_value = '"z"' where id = (select id from places where place = 2) $$,
    array['changed row 2']
  ),
  (
    'JSON''s null for none', false,
    $$ update attune.configuration_audit_log set previous_value = 'null' where id = (select id from places where place = 1) $$,
    array['changed row 1']
  ),
  (
    'another actor', false,
    $$ update attune.configuration_audit_log set actor_id = null where id = (select id from places where place = 3) $$,
    array['changed row 3']
  ),
  (
    'a reason that was not given', false,
    $$ update attune.configuration_audit_log set reason = 'asked' where id in (select id from places where place < 6) $$,
    array['changed row 1', 'changed row 2', 'changed row 3', 'changed row 4', 'changed row 5']
  ),
  (
    'another time', false,
    $$ update attune.configuration_audit_log set occurred_at = occurred_at - interval '1 hour' where id = (select id from places where place = 4) $$,
    array['changed row 4']
  ),
  (
    'values that were emptied as if the user were deleted', false,
    $$ update attune.configuration_audit_log set previous_value = null, new_value = null, previous_attributes = null, new_attributes = null
       where id = (select id from places where place = 2) $$,
    array['changed row 2']
  ),
  (
    'a row that is gone from the middle', false,
    'delete from attune.configuration_audit_log where id = (select id from places where place = 2)',
    array['removed row 2']
  ),
  (
    'the last that is gone', false,
    'delete from attune.configuration_audit_log where id = (select id from places where place = 5)',
    array['removed row 5']
  ),
  (
    'a row that is gone with what was sealed of it', false,
    $$ delete from attune.configuration_audit_log where id = (select id from places where place = 2);
       delete from attune_private.sealed_rows where audit_id = (select id from places where place = 2) $$,
    array['seal_removed row 3']
  ),
  (
    'a row with another time of long ago, of a transaction of now', false,
    $$ insert into attune.configuration_audit_log (occurred_at, actor_role, acted_as, layer, key, operation)
       values (now() - interval '1 day', 'attune', 'migration', 'global', 'theme', 'INSERT');
       insert into places select 6, max(id) from attune.configuration_audit_log;
       select attune.seal_audit() $$,
    array['inserted row 6']
  ),
  (
    'the same before anybody sealed it', false,
    $$ insert into attune.configuration_audit_log (occurred_at, actor_role, acted_as, layer, key, operation)
       values (now() - interval '1 day', 'attune', 'migration', 'global', 'theme', 'INSERT');
       insert into places select 6, max(id) from attune.configuration_audit_log $$,
    array['inserted row 6']
  ),
  (
    'a row of a transaction of long ago', false,
    $$ insert into attune.configuration_audit_log (transaction_id, actor_role, acted_as, layer, key, operation)
       values ('700', 'attune', 'migration', 'global', 'theme', 'INSERT');
       insert into places select 6, max(id) from attune.configuration_audit_log $$,
    array['inserted row 6']
  ),
  (
    'the same with a seal that does not know of it', false,
    $$ insert into attune.configuration_audit_log (transaction_id, actor_role, acted_as, layer, key, operation)
       values ('700', 'attune', 'migration', 'global', 'theme', 'INSERT');
       update attune.audit_seals set snapshot = '3:3:' where id = 3;
       select attune.seal_audit();
       insert into places select 6, max(id) from attune.configuration_audit_log $$,
    array['seal_changed']
  ),
  (
    'a row of a transaction that is still to come', false,
    $$ insert into attune.configuration_audit_log (transaction_id, actor_role, acted_as, layer, key, operation)
       values ('1000000000000', 'attune', 'migration', 'global', 'theme', 'INSERT');
       insert into places select 6, max(id) from attune.configuration_audit_log $$,
    array['inserted row 6']
  ),
  (
    'a row with the number of another', false,
    $$ insert into attune.configuration_audit_log (id, transaction_id, actor_role, acted_as, layer, key, operation)
       select id, '700', 'attune', 'migration', 'global', 'theme', 'INSERT' from places where place = 2 $$,
    array['inserted row 2']
  ),
  (
    'what was sealed of a row, made to fit', false,
    $$ update attune.configuration_audit_log set actor_id = null where id = (select id from places where place = 2);
       update attune_private.sealed_rows as r set row_digest = attune_private.audit_row_digest(l)
       from attune.configuration_audit_log as l where l.id = r.audit_id and l.id = (select id from places where place = 2) $$,
    array['seal_changed row 2']
  ),
  (
    'a row that was said to be old enough to be purged', false,
    $$ delete from attune.configuration_audit_log where id = (select id from places where place = 2);
       update attune_private.sealed_rows set occurred_at = '2000-01-01' where audit_id = (select id from places where place = 2) $$,
    array['seal_changed row 2']
  ),
  (
    'a hash', false,
    $$ update attune_private.sealed_rows set hash = sha256('') where audit_id = (select id from places where place = 2) $$,
    array['seal_changed row 2', 'seal_changed row 3']
  ),
  (
    'a time of commit', false,
    $$ update attune_private.sealed_rows set committed_at = occurred_at where audit_id = (select id from places where place = 2) $$,
    array['seal_changed row 2']
  ),
  (
    'a seal that says another time', false,
    'update attune.audit_seals set sealed_at = sealed_at - interval ''1 hour'' where id = 3',
    array['seal_changed row 5', 'seal_changed']
  ),
  (
    'a seal that is gone', false,
    'delete from attune.audit_seals where id = 2',
    array['seal_removed row 1', 'seal_removed row 2', 'seal_removed row 3', 'seal_removed row 4', 'seal_changed row 5', 'seal_removed']
  ),
  (
    'all that was sealed of rows that are gone', false,
    $$ delete from attune_private.sealed_rows where seal_id = 2;
       delete from attune.configuration_audit_log where id in (select id from places where place < 5) $$,
    array['seal_removed']
  ),
  (
    'a seal that was taken off the end', true,
    $$ delete from attune_private.sealed_rows where seal_id = 3;
       delete from attune.audit_seals where id = 3 $$,
    array['tail_removed']
  ),
  (
    'an end that was cut off', true,
    $$ delete from attune_private.sealed_rows where seal_id = 3;
       delete from attune.audit_seals where id = 3;
       delete from attune.configuration_audit_log where id = (select id from places where place = 5) $$,
    array['tail_removed']
  ),
  (
    'an end that was written anew', true,
    $$ delete from attune_private.sealed_rows where seal_id = 3;
       delete from attune.audit_seals where id = 3;
       update attune.configuration_audit_log set reason = 'asked' where id = (select id from places where place = 5);
       select attune.seal_audit() $$,
    array['checkpoint_differs']
  ),
  (
    'everything written anew', true,
    $$ delete from attune_private.sealed_rows;
       delete from attune.audit_seals;
       update attune.configuration_audit_log set reason = 'asked' where id = (select id from places where place = 1);
       select attune.seal_audit() $$,
    array['checkpoint_differs']
  ),
  (
    'all seals gone, of a log that was changed', true,
    $$ delete from attune_private.sealed_rows;
       delete from attune.audit_seals;
       update attune.configuration_audit_log set reason = 'asked' where id = (select id from places where place = 1) $$,
    array['tail_removed']
  ),
  (
    'everything gone', true,
    $$ delete from attune_private.sealed_rows;
       delete from attune.audit_seals;
       delete from attune.configuration_audit_log $$,
    array['tail_removed']
  ),
  (
    'a purge of what is too young', false,
    $$ insert into attune.maintenance_operations (operation, reason, details, affected_rows, actor_role)
       values ('purge_audit', 'x', jsonb_build_object('before', now()), 0, 'x');
       delete from attune.configuration_audit_log where id = (select id from places where place = 2) $$,
    array['removed row 2']
  ),
  (
    'a row of a time to come', false,
    $$ insert into attune.configuration_audit_log (occurred_at, actor_role, acted_as, layer, key, operation)
       values (now() + interval '1 day', 'attune', 'migration', 'global', 'theme', 'INSERT');
       insert into places select 6, max(id) from attune.configuration_audit_log $$,
    array['inserted row 6']
  ),
  (
    'the same when it was sealed', false,
    $$ insert into attune.configuration_audit_log (occurred_at, actor_role, acted_as, layer, key, operation)
       values ('infinity', 'attune', 'migration', 'global', 'theme', 'INSERT');
       insert into places select 6, max(id) from attune.configuration_audit_log;
       select attune.seal_audit() $$,
    array['inserted row 6']
  ),
  (
    'a purge of a time to come, when all of today would be old enough', false,
    $$ insert into attune.configuration_audit_log (occurred_at, actor_role, acted_as, subject, key, operation, new_value)
       values (
         now() + interval '100 days', 'service_role', 'service', 'maintenance_operation', 'purge_audit', 'INSERT',
         jsonb_build_object('before', to_char(now() at time zone 'UTC' + interval '1 month', 'YYYY-MM-01"T"00:00:00"+00:00"'))
       );
       insert into places select 6, max(id) from attune.configuration_audit_log;
       select attune.seal_audit();
       delete from attune.configuration_audit_log where id = (select id from places where place = 2) $$,
    array['removed row 2', 'inserted row 6']
  ),
  (
    'a purge from the middle of a month', false,
    $$ insert into attune.maintenance_operations (operation, reason, details, affected_rows, actor_role)
       values ('purge_audit', 'x', '{"before": "2020-02-15T00:00:00+00:00"}', 0, 'x');
       delete from attune.configuration_audit_log where id = (select id from places where place = 11) $$,
    array['removed row 11']
  ),
  (
    'a row that is picked out, and a purge that left the others', false,
    $$ insert into attune.maintenance_operations (operation, reason, details, affected_rows, actor_role)
       values ('purge_audit', 'x', '{"before": "2020-03-01T00:00:00+00:00"}', 0, 'x');
       delete from attune.configuration_audit_log where id = (select id from places where place = 11) $$,
    array['inserted row 12']
  ),
  (
    'values of a user who is still there, and a word of their deletion', false,
    $$ insert into attune.maintenance_operations (operation, reason, details, affected_rows, actor_role)
       values ('erase_user', 'x', jsonb_build_object('user_id', tests.user_id('ada@example.com')), 1, 'x');
       select attune.seal_audit();
       update attune.configuration_audit_log
       set previous_value = null, new_value = null, previous_attributes = null, new_attributes = null, changed_members = null
       where id = (select id from places where place = 1) $$,
    array['changed row 1']
  )
) as t (title, needs_checkpoint, statement, problems);
select is_empty('select from attune.verify_audit((select line from told))', 'what was taken back is whole');

create temp table month as
select l.tableoid::regclass as partition, count(*) as rows from attune.configuration_audit_log as l group by 1 order by 2 desc limit 1;
select is(
  (select count(*) from pg_temp.tampered(format('drop table %s', (select partition from month)))),
  (select least(rows, 100) from month),
  'found out: a partition that was dropped, row by row, a hundred at most'
);
select is(
  (select count(*) from pg_temp.tampered(format(
    'alter table attune.configuration_audit_log detach partition %s', (select partition from month)
  ))),
  (select least(rows, 100) from month),
  'found out: a partition that was detached'
);

-- What is done with reason

delete from attune.users where email = 'bob@example.com';
insert into places
select 6, l.id from attune.configuration_audit_log as l where l.key = 'erase_user';
select is_empty('select from attune.verify_audit((select line from told))', 'a deleted user''s values are gone, and the chain is whole');
select is(
  (select count(*) from attune_private.audit_salts), (select count(*) from attune.users), 'a deleted user''s salt is gone'
);
select cmp_ok(attune.seal_audit(), '>', 0::bigint, 'what the deletion left is sealed');
select is_empty('select from attune.verify_audit((select line from told))', 'then it is whole, too');
select results_eq(
  format('select pg_temp.tampered(%L)', statement), problems, 'found out when a user was deleted: ' || title
)
from (values
  (
    'a value that comes again',
    'update attune.configuration_audit_log set new_value = ''"y"'' where id = (select id from places where place = 3)',
    array['changed row 3']
  ),
  (
    'a reason where it was emptied',
    'update attune.configuration_audit_log set reason = ''asked'' where id = (select id from places where place = 3)',
    array['changed row 3']
  ),
  (
    'another user''s values that are emptied with it',
    $$ update attune.configuration_audit_log set previous_value = null, new_value = null, previous_attributes = null, new_attributes = null
       where id = (select id from places where place = 1) $$,
    array['changed row 1']
  )
) as t (title, statement, problems);
select set_has(
  $$ select pg_temp.tampered('delete from attune.configuration_audit_log where key = ''erase_user''') $$,
  $$ values ('changed row 3'), ('changed row 4'), ('removed row 6') $$,
  'found out when a user was deleted: no word of it'
);

select * from finish();
rollback;
