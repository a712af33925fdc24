-- What is found by which words, in which order, and how it is shown.
begin;
select no_plan();

select tests.create_user('ada@example.com');
select tests.create_user('bob@example.com');
select tests.authenticate_as('ada@example.com');

create temp table made (name text primary key, id uuid);
grant all on made to public;
insert into made
select m.name, (attune.create_knowledge_entry(m.kind::attune.knowledge_kind, m.title, m.body, m.tags)).id
from (values
  ('title', 'learning', 'Timeouts', 'Nothing else.', '{}'::text[]),
  ('tag', 'entry', 'Waiting', 'Nothing else.', '{timeouts,database}'),
  ('body', 'entry', 'Patience', 'The server has timeouts, and it retries.', '{database}'),
  ('stem', 'blueprint', 'Databases', 'A replicated database is restored.', '{}'),
  ('german', 'entry', 'Wartezeiten', 'Die Verbindungen werden nach einer Minute getrennt.', '{}'),
  ('code', 'entry', 'Types & <b>tags</b>', 'Write Array<string> or "quoted" & it''s <script>alert(1)</script> done.', '{}')
) as m (name, kind, title, body, tags);
grant select on made to public;

create function pg_temp.found(query text, kinds attune.knowledge_kind[] default null, tags text[] default null)
returns text[]
language sql
as $$
  select array(
    select m.name || case when f.is_similar then '?' else '' end
    from unnest((attune.search_knowledge(query, kinds, found.tags)).matches) with ordinality as f (entry, rank, highlighted_title, excerpt, is_similar, place)
    join made as m on m.id = (f.entry).id
    order by f.place
  )
$$;
create function pg_temp.excerpt(query text, name text)
returns text
language sql
as $$
  select f.highlighted_title || ' | ' || f.excerpt
  from unnest((attune.search_knowledge(query)).matches) as f
  join made as m on m.id = (f.knowledge_entry).id and m.name = excerpt.name
$$;

-- Words

select is(pg_temp.found('timeouts'), '{title,tag,body}', 'a word in the title counts most, then in a tag, then in the body');
select is(pg_temp.found('TimeOut'), '{title,tag,body}', 'in any case, and in its other forms');
select is(pg_temp.found('restoring replicas database'), '{stem?}', 'what is nearly so is found as what is similar');
select is(pg_temp.found('restoring'), '{stem}', 'English is known by its stems');
select is(pg_temp.found('verbindungen'), '{german}', 'other languages by their words');
select is(pg_temp.found('timeouts retries'), '{body}', 'all words occur');
select is(pg_temp.found('timeouts -retries'), '{title,tag}', 'or must not');
select is(pg_temp.found('retries or verbindungen'), '{german,body}', 'or one of them');
select is(pg_temp.found('"server has timeouts"'), '{body}', 'or in a row');
select is(pg_temp.found('"timeouts server has"'), '{}', 'and in no other');
select is(pg_temp.found('string'), '{code}', 'what stands in brackets is found');
select is(pg_temp.found('the'), '{body}', 'words that say nothing are found as they stand');

-- Kinds and tags

select is(pg_temp.found('timeouts', '{entry}'), '{tag,body}', 'of these kinds alone');
select is(pg_temp.found('timeouts', '{learning,blueprint}'), '{title}', 'or of these');
select is(pg_temp.found('timeouts', '{}'), '{}', 'of none, nothing');
select is(pg_temp.found('timeouts', null, '{ Database }'), '{tag,body}', 'with this tag, however it is written');
select is(pg_temp.found('timeouts', null, '{database,timeouts}'), '{tag}', 'with all of them');
select is(pg_temp.found(null, null, '{database}'), (select array_agg(m.name order by m.id desc) from made as m where m.name in ('tag', 'body')), 'without words, all that have the tag');
select is(cardinality(pg_temp.found('  ')), 6, 'or all there are');

-- Typing mistakes

select is(pg_temp.found('timouts')::text, '{title?,tag?,body?}', 'a letter too few');
select is(pg_temp.found('databse'), '{stem?,tag?,body?}', 'one left out');
select is(pg_temp.found('verbindugnen'), '{german?}', 'two the other way round');
select is(pg_temp.found('timouts retreis'), '{body?}', 'in every word');
select is(pg_temp.found('timouts xyzzyplugh'), '{title?,tag?,body?}', 'what is like nothing is left out');
select is(pg_temp.found('xyzzyplugh'), '{}', 'and alone finds nothing');
select is(pg_temp.found('patience'), '{body}', 'what was found is not found again for being similar');

-- What is shown

select is(pg_temp.excerpt('timeouts', 'title'), '<mark>Timeouts</mark> | Nothing else.', 'what was found is marked in the title');
select is(pg_temp.excerpt('timeout', 'body'), 'Patience | The server has <mark>timeouts</mark>, and it retries', 'and in the body, in its other forms, too');
select is(pg_temp.excerpt('timouts', 'body'), 'Patience | The server has <mark>timeouts</mark>, and it retries', 'and where it is only similar');
select is(pg_temp.excerpt('the', 'body'), 'Patience | <mark>The</mark> server has timeouts, and it retries', 'and where it says nothing');
select is(
  pg_temp.excerpt('string types alert', 'code'),
  '<mark>Types</mark> &amp; &lt;b&gt;tags&lt;/b&gt; | Write Array&lt;<mark>string</mark>&gt; or &quot;quoted&quot; &amp; it&#39;s &lt;script&gt;<mark>alert</mark>(1)&lt;/script&gt; done.',
  'all else is escaped'
);
insert into made select 'marked', e.id from attune.create_knowledge_entry('entry', E'\x01forged\x02', E'It has \x03script\x04 and </mark>, &lt;mark&gt; and <mark>forged</mark>') as e;
select is(
  pg_temp.excerpt('forged', 'marked'),
  '<mark>forged</mark> | It has script and &lt;/mark&gt;, &amp;lt;mark&amp;gt; and &lt;mark&gt;<mark>forged</mark>&lt;/mark',
  'no text forges a mark'
);

insert into made select 'late', e.id from attune.create_knowledge_entry('entry', 'Late', repeat('Filler text. ', 3000) || 'The Snickersnee is at the end.') as e;
select alike(pg_temp.excerpt('snickersnee', 'late'), '%The <mark>Snickersnee</mark> is at the end%', 'what stands far down is shown, too');

-- What costs more than it tells is left out: of a long query some of the words count for the rank and are marked.
select tests.reset_role();
select is(attune_private.fewer_words(q.words::tsquery), q.fewer::tsquery, 'of ' || left(q.words, 40))
from (values
  ('', ''), ('a', 'a'), ('a & !b | c <-> d', 'a & !b | c <-> d'),
  ('a & b & c & d & e & f & g & h', 'a & b & c & d & e & f & g & h'),
  ('a & b & c & d & e & f & g & h & i', 'a | b | c | d | e | f | g | h | i'),
  (repeat('a <-> b | ', 99) || '''it''''s'':*A', 'a | b | ''it''''s'''),
  ((select string_agg('w' || i, ' & ') from generate_series(100, 199) as i), (select string_agg('w' || i, ' | ') from generate_series(100, 119) as i))
) as q (words, fewer);
select tests.authenticate_as('ada@example.com');

-- Whatever is typed

select lives_ok(format('select attune.search_knowledge(%L)', q.query), 'no query fails: ' || left(quote_literal(q.query), 40))
from (values
  ('"'), ('\'), ('''; drop table x --'), (E'\x01'), ('😀'), ('a & | ! ( ) : * <-> '), ('-'), ('-timeouts'), ('"" -""'), ('or or or'),
  ('the a of and'), (repeat('w ', 500)), (repeat('x', 1000)), (repeat('"', 1000)), (repeat('-', 1000)), (repeat('(', 1000)), (repeat('-""', 300)), (repeat('-"', 300)), (repeat('-(', 500)), (repeat('-x', 500)), (repeat('- ', 500)), (repeat('!', 1000)),
 
  ('https://example.com/a?b=c#d'), ('ada@example.com'), ('1e400 -0 .5'), ('%_\%'), ('<b>'), ('ﬁ Straße İ'), (E'\u200b'), ('中文搜索')
) as q (query);
select tests.throws_reason(format('select attune.search_knowledge(%L)', repeat('word ', 1000)), 'PT422', 'too_large', 'a thousand words are too many');
select tests.throws_reason($$ select attune.search_knowledge('x', null, array_fill('t'::text, array[21])) $$, 'PT422', 'too_large', 'and so are as many tags');
select tests.throws_reason(format('select attune.search_knowledge(first => %s)', f.first), 'PT422', 'invalid_page_size', 'a page of ' || f.first)
from (values (0), (-1), (101)) as f (first);
select lives_ok('select attune.search_knowledge(first => null, after => null, query => null, kinds => null, tags => null)', 'null says nothing');
select tests.throws_reason(format('select attune.search_knowledge(after => %L)', c.cursor), 'PT400', 'invalid_cursor', 'no cursor: ' || left(c.cursor, 30))
from (
  values (''), ('x'), ('"'), ('===='), ('/w=='), ('😀')
  union all
  select translate(encode(convert_to(j.json, 'UTF8'), 'base64'), E'\n', '')
  from (values
    (''), ('['), ('[]'), ('{}'), ('null'), ('1'), ('"x"'), ('[null, null, null, null, null]'), ('[NaN]'), ('["\u0000"]'), ('["\ud800"]'), (repeat('[', 5000)), ('[1e999999]')
  ) as j (json)
) as c (cursor);

-- Every part of a cursor, by whatever there is.
create temp table forged as
select p.place, v.value, translate(encode(convert_to(jsonb_set(c.parts, array[p.place::text], v.value)::text, 'UTF8'), 'base64'), E'\n', '') as cursor
from (
  select jsonb_build_array(gen_random_uuid(), 1, '2026-01-01', s.is_similar, '-infinity', 'infinity', '[1, 2, 3]'::jsonb) as parts
  from (values (true), (false)) as s (is_similar)
) as c
cross join generate_series(0, 6) as p (place)
cross join unnest(array[
  'null', '1', '0', '-1.5', '1e300', '1e-300', '123456789012345678901234567890', 'true', '"x"', '""', '"NaN"', '"Infinity"', '"-infinity"', '"now"', '"current"', '"invalid"',
  '"allballs"', '"epoch"', '"2026-99-01"', '"294277-01-01"', '"4714-01-01 BC"', '"2026-01-01 Nowhere/Land"', '"2026-01-01 +99:99"', '"{}"', '"( ( ("', '"!!!a"', '[]', '{}', '[[1]]', '[null]',
  '[1.5]', '["x"]', '[9223372036854775808]', '[1, 2, 3, 4, 5, 6, 7, 8]', '{"a": 1}', '"00000000-0000-0000-0000-000000000000"'
]::jsonb[] || array[to_jsonb(repeat('!', 5000) || 'a'), to_jsonb(repeat('(', 5000)), to_jsonb(array_fill(1, array[800]))]) as v (value);
grant select on forged to public;
create function pg_temp.outcome(query text, cursor text) returns text language plpgsql as $$
declare
  reason text;
begin
  perform attune.search_knowledge(query, after => cursor);
  return 'a page';
exception when others then
  get stacked diagnostics reason = pg_exception_detail;
  return sqlstate || ' ' || reason;
end;
$$;
select is_empty(
  $$
    select f.place, f.value, q.query, pg_temp.outcome(q.query, f.cursor)
    from forged as f, (values (null), ('timouts'), ('"timouts" -x'), ('!!!')) as q (query)
    where pg_temp.outcome(q.query, f.cursor) not in ('a page', 'PT400 invalid_cursor')
  $$,
  'a forged cursor is refused, or leads to a page'
);
select set_eq(
  $$ select pg_temp.outcome('timouts', f.cursor) from forged as f $$, $$ values ('a page'), ('PT400 invalid_cursor') $$, 'there are some of both'
);

-- What can be written can be found: no text is too much for the index.
select lives_ok(
  format('select attune.create_knowledge_entry(%L, %L, %s)', 'entry', 'Hostile', b.body), 'a body of ' || b.body
)
from (values
  ($$ (select string_agg(to_hex(i), ' ') from generate_series(1, 40000) as i) $$),
  ($$ (select string_agg(md5(i::text), '-') from generate_series(1, 7000) as i) $$),
  ($$ (select string_agg('http://' || md5(i::text) || '.com/' || i, ' ') from generate_series(1, 4000) as i) $$),
  ($$ (select string_agg(chr(19968 + i % 20000) || chr(19968 + i / 20000 + i % 977), ' ') from generate_series(1, 30000) as i) $$),
  ($$ (select string_agg(chr(66304 + i % 500) || chr(66304 + i / 500), '-') from generate_series(1, 25000) as i) $$),
  ($$ repeat('x', 262144) $$)
) as b (body);

-- Pages: each entry once, in the order of one large page, whatever is added in between.

create function pg_temp.walk(query text, size integer, adds boolean)
returns uuid[]
language plpgsql
as $$
declare
  walked uuid[] := '{}';
  page attune.knowledge_search;
begin
  loop
    page := attune.search_knowledge(query, first => size, after => page.end_cursor);
    walked := walked || array(select (m.knowledge_entry).id from unnest(page.matches) as m);
    exit when not page.has_next_page;
    if adds then
      perform attune.create_knowledge_entry('entry', 'Timeouts paging', 'Patience with timeouts and retries');
    end if;
  end loop;
  return walked;
end;
$$;
do $$
begin
  for i in 1..30 loop
    -- In transactions of their own they would have times of their own.
    perform attune.create_knowledge_entry('entry', 'Paging ' || i % 3, repeat('paging ', i % 5));
  end loop;
end;
$$;
create temp table whole as
select q.query, array(select (m.knowledge_entry).id from unnest((attune.search_knowledge(q.query, first => 100)).matches) as m) as ids
from (values ('paging'), ('pagnig'), ('timeouts'), ('timouts'), ('')) as q (query);
grant select on whole to public;
select is(pg_temp.walk(w.query, s.size, false), w.ids, format('pages of %s of %L are one page', s.size, w.query))
from whole as w, (values (1), (2), (3), (7), (100)) as s (size);
savepoint unchanged;
select ok(
  (select array(select u.id from unnest(walked) as u (id) where u.id = any (w.ids)) = w.ids and cardinality(walked) = (select count(distinct u) from unnest(walked) as u)
    from pg_temp.walk(w.query, 2, true) as walked),
  format('and they repeat and leave out nothing while others are added: %L', w.query)
)
from whole as w
order by w.query;
rollback to savepoint unchanged;

-- Nothing that was said is told: neither by a cursor, nor by being found, once no entry says it.

savepoint before;
select tests.reset_role();
create function pg_temp.read(cursor text) returns text language sql as $$ select convert_from(decode(cursor, 'base64'), 'UTF8') $$;
create function pg_temp.known(words text[]) returns text[] language sql security definer as $$
  select coalesce(array_agg(distinct k.word order by k.word), '{}') from attune_private.knowledge_words as k where k.word = any (words)
$$;
select tests.authenticate_as('ada@example.com');
insert into made select 'fish', e.id from attune.create_knowledge_entry('entry', 'Swordfish', 'fishy') as e;
insert into made select 'secret', e.id from attune.create_knowledge_entry('entry', 'Passphrase', 'swordfishbattery fishy', '{swordfishtag}') as e;
select isnt((attune.search_knowledge('swordfishbatt')).end_cursor, null, 'what is spelled alike is found');
select unalike(pg_temp.read((attune.search_knowledge('swordfishbatt')).end_cursor), '%sword%', 'a cursor has no word of an entry');
select is(pg_temp.known('{swordfish,swordfishbattery,swordfishtag,passphrase,fishy}'), '{fishy,passphrase,swordfish,swordfishbattery,swordfishtag}', 'the words of entries are known');
select attune.update_knowledge_entry((select id from made where name = 'secret'), 1, body => 'fishy');
select is(pg_temp.known('{swordfish,swordfishbattery,swordfishtag,passphrase,fishy}'), '{fishy,passphrase,swordfish,swordfishtag}', 'those of an earlier version are not');
select attune.restore_knowledge_version((select id from made where name = 'secret'), 1);
select is(pg_temp.known('{swordfishbattery}'), '{swordfishbattery}', 'until it is put back');
select attune.delete_knowledge_entry((select id from made where name = 'secret'), 3);
select is(pg_temp.known('{swordfish,swordfishbattery,swordfishtag,passphrase,fishy}'), '{fishy,swordfish}', 'nor those of what was deleted, but what others have, too');
select attune.restore_knowledge_version((select id from made where name = 'secret'), 1);
select is(pg_temp.known('{swordfishbattery}'), '{swordfishbattery}', 'until that is put back');
select attune.delete_knowledge_entry((select id from made where name = 'fish'), 1);
select is(pg_temp.known('{swordfish,fishy}'), '{fishy}', 'what one forgets, the other keeps, whoever came first');

insert into made select 'kampagne', e.id from attune.create_knowledge_entry('entry', 'Die Kampagne') as e;
insert into made select 'crowd', e.id from attune.create_knowledge_entry('entry', 'Crowd', 'kampagna kampagnb kampagnc kampagnd') as e;
select attune.delete_knowledge_entry((select id from made where name = 'crowd'), 1);
select is(pg_temp.found('kampagnx'), '{kampagne?}', 'what is gone keeps nothing from being found');

insert into made select 'plural', e.id from attune.create_knowledge_entry('entry', 'Plural', 'quibbleries') as e;
insert into made select 'singular', e.id from attune.create_knowledge_entry('entry', 'Singular', 'quibblery') as e;
select attune.delete_knowledge_entry((select id from made where name = 'plural'), 1);
select is(pg_temp.known('{quibbleries,quibblery}'), '{quibblery}', 'other forms of a word are other words');

-- What was meant stays what was meant: also when it is gone by the next page.
insert into made select 'mean' || i, e.id from generate_series(1, 4) as i, attune.create_knowledge_entry('entry', 'Wozzleback ' || i) as e;
insert into made select 'other', e.id from attune.create_knowledge_entry('entry', 'Wozzlebark') as e;
create temp table shown as select (attune.search_knowledge('wozzlebask', first => 2)).end_cursor;
select attune.delete_knowledge_entry((select id from made where name = 'other'), 1);
select is(cardinality((attune.search_knowledge('wozzlebask', first => 10, after => (select end_cursor from shown))).matches) between 2 and 3, true, 'the next page has the rest');
select is(
  cardinality((attune.search_knowledge('timouts', after => (select end_cursor from shown))).matches), 0,
  'a cursor of another query leads nowhere'
);
select tests.reset_role();
select is_empty(
  $$
    select k.word from attune_private.knowledge_words as k
    where not exists (select from attune_private.knowledge_index as i where i.entry_id = k.entry_id and k.word = any (i.spellings))
  $$,
  'each word that is known has an entry that says it'
);
select is_empty(
  $$
    select u.word from attune_private.knowledge_index as i, unnest(i.spellings) as u (word)
    where not exists (select from attune_private.knowledge_words as k where k.word = u.word)
  $$,
  'and each word of an entry is known'
);
rollback to savepoint before;

-- Of a word that very many have: all of them, the newest two thousand first.

select tests.reset_role();
savepoint few;
insert into attune.knowledge_entries (kind, title, body, created_at)
select 'entry', case when i % 500 = 0 then 'Many' else 'Plain' end, 'Many', now() - i * interval '1 minute'
from generate_series(1, 4500) as i;
select tests.authenticate_as('ada@example.com');
create temp table walked as select u.id, u.place from unnest(pg_temp.walk('many', 100, false)) with ordinality as u (id, place);
select is((select count(*)::integer from walked), 4500, 'all are found');
select is((select count(distinct id)::integer from walked), 4500, 'each once');
select is(
  (select array_agg((w.place - 1) % 2000 || ' ' || extract(epoch from now() - e.created_at)::integer / 60 order by w.place)
    from walked as w join attune.knowledge_entries as e using (id) where e.title = 'Many'),
  '{0 500,1 1000,2 1500,3 2000,0 2500,1 3000,2 3500,3 4000,0 4500}',
  'the best of the newest first, then the best of those before'
);
rollback to savepoint few;

-- Who sees what

select tests.authenticate_as('bob@example.com');
select is(pg_temp.found('timeouts'), '{title,tag,body}', 'what one writes, the others find');
select set_eq(
  'select (m.knowledge_entry).id from unnest((attune.search_knowledge(first => 100)).matches) as m',
  'select id from attune.knowledge_entries',
  'a search finds what the table shows'
);
select attune.create_knowledge_entry('entry', 'Bob was here');
select tests.authenticate_as('ada@example.com');
select attune.update_knowledge_entry((select id from made where name = 'title'), 1, title => 'Something else');
select attune.delete_knowledge_entry((select id from made where name = 'tag'), 1);
select is(pg_temp.found('timeouts'), '{body}', 'what was changed or deleted is found by what it says now');
select attune.restore_knowledge_version((select id from made where name = 'tag'), 1);
select is(pg_temp.found('timeouts'), '{tag,body}', 'and again when it is put back');

select tests.authenticate_as_anon();
select tests.throws_reason($$ select attune.search_knowledge('timeouts') $$, '42501', 'not_signed_in', 'nobody finds nothing');
select tests.authenticate_as(gen_random_uuid());
select tests.throws_reason($$ select attune.search_knowledge('timeouts') $$, '42501', 'not_signed_in', 'nor does a user who is gone');
select tests.authenticate_as_service_role();
select is(pg_temp.found('timeouts'), '{tag,body}', 'a trusted server does');

select * from finish();
rollback;
