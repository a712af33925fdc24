-- One mailbox, one account: however an address is written.
begin;
select no_plan();

select is(attune_private.mail_address(a.written), a.kept, format('%s is kept as %s', to_jsonb(a.written), coalesce(a.kept, 'no address')))
from (values
  (' Ada@Example.com ', 'Ada@Example.com'), ('ada@localhost', 'ada@localhost'), ('o''neil+x@mail.example.com', 'o''neil+x@mail.example.com'),
  ('ada@bücher.example', 'ada@xn--bcher-kva.example'), ('ada@BÜCHER.example', 'ada@xn--bcher-kva.example'), (E'ada@bu\u0308cher.example', 'ada@xn--bcher-kva.example'),
  ('ada@xn--bcher-kva.example', 'ada@xn--bcher-kva.example'), (E'ada@例え。テスト', 'ada@xn--r8jz45g.xn--zckzah'), (E'ada@ｅｘａｍｐｌｅ．com', 'ada@example.com'),
  (E'jose\u0301@example.com', 'josé@example.com'), (E'ada@\u212Aelvin.example', 'ada@kelvin.example'), ('ada@faß.example', 'ada@xn--fa-hia.example'),
  (repeat('a', 64) || '@example.com', repeat('a', 64) || '@example.com'), ('ada@' || repeat('a', 63) || '.example', 'ada@' || repeat('a', 63) || '.example'),
  ('ada', null), ('@', null), ('', null), (null, null), ('a b@example.com', null), ('ada@', null), ('@example.com', null), ('ada@@example.com', null),
  ('ada@exa@mple.com', null), ('ada@example..com', null), ('ada@.example.com', null), ('ada@example.com.', null), ('ada@-example.com', null),
  ('ada@example-.com', null), ('ada@exa_mple.com', null), ('ada@[192.0.2.1]', null), ('"ada"@example.com', null), ('Ada <ada@example.com>', null),
  ('ada@exam;ple.com', null), (repeat('a', 65) || '@example.com', null), ('ada@' || repeat('a', 64) || '.example', null), (repeat('a.', 130) || '@example.com', null),
  (repeat('x', 1000000) || '@example.com', null), (E'ada@b\u00fc' || repeat('c', 60) || '.example', null)
) as a (written, kept);

-- What nobody sees: in front, within and behind, in either part

select is(
  attune_private.mail_address(replace(p.pattern, '?', i.invisible)), null,
  format('U+%s is refused in %s', upper(to_hex(ascii(i.invisible))), p.pattern)
)
from unnest(array[
    E'\u200b', E'\u200c', E'\u200d', E'\u2060', E'\ufeff', E'\u00ad', E'\u202e', E'\u2066', E'\u034f', E'\u180e', E'\u3164', E'\u115f', E'\ufe0f',
    E'\u2028', E'\u00a0', E'\u3000', E'\t', E'\n', E'\x7f', E'\u0001', E'\ue000', E'\U000e0041', E'\u2800'
  ]) as i (invisible),
  unnest(array['?ada@example.com', 'a?da@example.com', 'ada?@example.com', 'ada@exam?ple.com', 'ada@example.com?']) as p (pattern);

-- The same mailbox

select is(attune_private.email_key(same.written), 'josé@xn--bcher-kva.example', format('%s is the same mailbox', same.written))
from (values
  ('josé@bücher.example'), ('JOSÉ@BÜCHER.EXAMPLE'), (E'jose\u0301@bu\u0308cher.example'), ('José@XN--BCHER-KVA.example'), (' josé@bücher.example ')
) as same (written);
select is(
  attune_private.email_key(c.capital || 'x@example.com'), attune_private.email_key(c.small || 'x@example.com'), format('%s and %s are one mailbox', c.capital, c.small)
)
from (values (E'H\u0331', E'\u1e96'), (E'J\u030c', E'\u01f0'), (E'T\u0308', E'\u1e97'), (E'W\u030a', E'\u1e98'), (E'Y\u030a', E'\u1e99'),
  (E'\u03a3', E'\u03c2'), (E'\u03a3', E'\u03c3'), (E'\u1e9e', E'\u00df')) as c (capital, small);
select is(
  k.key, attune_private.email_key(k.key), format('the key of %s is its own', k.key)
)
from (
  select attune_private.email_key(chr(p) || mark || '@example.com') as key
  from generate_series(161, 8500) as p, unnest(array['', E'\u0301', E'\u0308', E'\u030a', E'\u030c', E'\u0331', E'\u0345']) as mark
  where chr(p) ~ '[[:upper:]]' and p % 7 = 0
) as k
where k.key is not null and k.key <> attune_private.email_key(k.key);
select isnt(attune_private.email_key(other.written), 'bob@wiki.com', format('%s is another mailbox', other.written))
from (values (E'bob@w\u0130ki.com'), (E'bob@w\u0131ki.com'), (E'b\u043eb@wiki.com'), ('bob@wiki.com.au'), ('bob+x@wiki.com'), ('b.ob@wiki.com')) as other (written);

select tests.authenticate_as_anon();
select lives_ok($$ select attune.register('josé@bücher.example', 'correct horse') $$, 'an address with other letters than ASCII can register');
select tests.throws_reason(
  format('select attune.register(%L, %L)', same.written, 'correct horse'), 'PT409', 'email_taken', format('%s cannot register beside it', same.written)
)
from (values ('JOSÉ@BÜCHER.EXAMPLE'), (E'jose\u0301@xn--bcher-kva.example')) as same (written);
select is(((attune.login(E'Jose\u0301@B\u00dcCHER.example', 'correct horse')).refusal).reason, null, 'whoever writes it in another way signs in');
select tests.throws_reason(
  $$ select attune.register(E'ad\u200ba@example.com', 'correct horse') $$, 'PT422', 'invalid_email', 'an invisible character is refused with a reason'
);
select tests.reset_role();
select results_eq(
  $$ select u.email, e.email from attune.users as u join attune.user_emails as e on e.user_id = u.id where u.email like 'jos%' $$,
  $$ values ('josé@xn--bcher-kva.example', 'josé@xn--bcher-kva.example') $$, 'an address is kept with its domain in ASCII, as mail is sent to it'
);

select * from finish();
rollback;
