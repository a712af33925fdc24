-- Where a request came from: one function makes an address of what a proxy says.
begin;
select no_plan();

select is(
  host(attune_private.network_address(a.said)), a.address, format('the address in %s', to_jsonb(a.said))
)
from (values
  ('203.0.113.2', '203.0.113.2'), (' 203.0.113.2 ', '203.0.113.2'), ('203.0.113.2:40000', '203.0.113.2'), ('"203.0.113.2:40000"', '203.0.113.2'),
  ('[203.0.113.2]:80', '203.0.113.2'), ('2001:db8::1', '2001:db8::1'), ('[2001:db8::1]', '2001:db8::1'), ('[2001:db8::1]:443', '2001:db8::1'),
  ('"[2001:DB8::1]:443"', '2001:db8::1'), ('fe80::1%eth0', 'fe80::1'), ('[fe80::1%eth0]:443', 'fe80::1'), ('::ffff:203.0.113.2', '203.0.113.2'),
  ('[::ffff:203.0.113.2]:40000', '203.0.113.2'), ('::FFFF:cb00:7102', '203.0.113.2'), ('::', '::'), ('0.0.0.0', '0.0.0.0'),
  ('unknown', null), ('_hidden', null), ('', null), (' ', null), ('localhost', null), ('203.0.113', null), ('203.0.113.256', null), ('203.0.113.2.5', null),
  ('203.0.113.2/24', null), ('2001:db8::/32', null), ('203.0.113.02', null), ('203.0.113.2:', null), ('203.0.113.2:x', null), ('[2001:db8::1', null), (':', null),
  ('2001:db8::1::2', null), ('%eth0', null), ('fe80::1%', null), (E'203.0.113.2\n', null), ('203.0.113.2, 203.0.113.3', null), ('http://203.0.113.2', null),
  (repeat('1', 100000), null), (null, null)
) as a (said, address);

-- Attune's own server says it in a setting; no header is believed beside it

select set_config('request.headers', '{"x-forwarded-for": "198.51.100.1"}', true);
select set_config('attune.client_address', '203.0.113.2:40000', true);
select is(host(attune_private.request_address()), '203.0.113.2', 'what the server says counts');
select set_config('attune.client_address', 'garbage', true);
select ok(attune_private.request_address() is not null, 'what is no address counts as the peer');

-- Behind PostgREST

create function pg_temp.from_header(entries text) returns text language sql as $$
  select set_config('request.headers', coalesce(jsonb_build_object('x-forwarded-for', entries)::text, '{}'), true);
  select host(attune_private.request_address());
$$;
select set_config('attune.client_address', '', true);
select is(pg_temp.from_header('198.51.100.1, 203.0.113.2'), null, 'no entry is believed unless a proxy is trusted');
insert into attune.global_settings (key, value) values ('TRUSTED_PROXIES', '1');
select is(pg_temp.from_header('198.51.100.1, 203.0.113.2:40000'), '203.0.113.2', 'behind one proxy the rightmost entry counts');
select is(pg_temp.from_header('203.0.113.2'), '203.0.113.2', 'behind one proxy the only entry counts');
select is(pg_temp.from_header(bad.entries), host(coalesce(inet_client_addr(), '127.0.0.1')), format('%s counts as the peer', to_jsonb(bad.entries)))
from (values ('203.0.113.2, unknown'), (''), (null), ('203.0.113.2,')) as bad (entries);
update attune.global_settings set value = '2' where key = 'TRUSTED_PROXIES';
select is(pg_temp.from_header('198.51.100.1, 203.0.113.2, 10.0.0.1'), '203.0.113.2', 'behind two proxies the second from the right counts');
select is(pg_temp.from_header('10.0.0.1'), host(coalesce(inet_client_addr(), '127.0.0.1')), 'too few entries count as the peer');
select is(pg_temp.from_header('198.51.100.1,2001:db8::1,10.0.0.1'), '2001:db8::1', 'blanks are no matter');

select * from finish();
rollback;
