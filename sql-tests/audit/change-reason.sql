-- Why something was changed, and in which request: as it is told, it stands in the audit log.
begin;
select no_plan();

select tests.create_user('ada@example.com');
insert into attune.setting_definitions (key, category, schema, default_value) values ('theme', 'test', '{"type": "string"}', '"light"');

-- A choice that is made with a header, and what the log has of it.
create function pg_temp.noted(headers jsonb) returns table (request_id text, reason text) language plpgsql as $$
begin
  perform set_config('request.headers', headers::text, true);
  perform tests.authenticate_as('ada@example.com');
  perform attune.set_preference('theme', to_jsonb(gen_random_uuid()));
  perform tests.reset_role();
  return query
    select l.request_id, l.reason from attune.configuration_audit_log as l where l.key = 'theme' order by l.id desc limit 1;
end;
$$;

select is((select reason from pg_temp.noted(jsonb_build_object('x-change-reason', header))), reason, what)
from (values
  ('Too dark', 'Too dark', 'a reason is what the header says'),
  ('  ', null, 'a reason of nothing but spaces is none'),
  ('100%25%20%C3%BCber%20%E6%97%A5%E6%9C%AC%20%F0%9F%99%82', '100% über 日本 🙂', 'a reason can be in any script, percent-encoded'),
  ('a%5c101%0Ab', E'a\\101\nb', 'a reason may have backslashes and lines'),
  ('100% %ff %00', '100% %ff %00', 'what encodes nothing stands for itself'),
  (repeat('%F0%9F%99%82', 1000), repeat('🙂', 1000), 'a reason may have 1,000 characters, however many bytes they are'),
  (null, null, 'there need be no reason')
) as c (header, reason, what);

select tests.throws_reason(
  $$ select pg_temp.noted(jsonb_build_object('x-change-reason', repeat('%C3%BC', 1001))) $$, 'PT422', 'too_large',
  'a reason cannot have more than 1,000 characters'
);

select is((select request_id from pg_temp.noted('{"x-request-id": "f00d"}')), 'f00d', 'which request it is says the header, behind PostgREST');
set local attune.request_id = 'c0de';
select is((select request_id from pg_temp.noted('{"x-request-id": "f00d"}')), 'c0de', 'the server''s own word comes before the header');

set local attune.change_reason = 'as it is: 100%';
select is(
  (select reason from pg_temp.noted('{"x-change-reason": "other"}')), 'as it is: 100%',
  'the setting comes before the header, and is not encoded'
);

select * from finish();
rollback;
