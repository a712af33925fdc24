--! Previous: sha1:a015023806caa549dca8db413d9fd235ed9df072
--! Hash: sha1:36d31f88a0ed47aa5d2bfaf6bf32629ece57c73f
--! Message: knowledge

-- What one learns, the others find.

-- Similar words come from pg_trgm, wherever it lives: on Supabase in a schema of its own. Where there is none it goes
-- beside the secrets, and away again with this migration.
do $$
begin
  if not exists (select from pg_catalog.pg_extension as e where e.extname = 'pg_trgm') then
    create extension pg_trgm with schema attune_private;
  end if;
end;
$$;

create type attune.knowledge_kind as enum ('blueprint', 'entry', 'learning', 'agent', 'system');
comment on type attune.knowledge_kind is
  E'@value blueprint How something is done: a plan to follow.\n'
  '@value entry What is worth knowing.\n'
  '@value learning What somebody, or an agent, found out.\n'
  '@value agent What agents are told, and tell each other.\n'
  '@value system What comes with the application; only administrators and trusted servers write it.\n'
  'What a piece of knowledge is.';

--! Included knowledge/private/has_visible.sql
create or replace function attune_private.has_visible(value text)
returns boolean
language sql immutable parallel safe security invoker
begin atomic
  select exists (select from string_to_table(value, null) as c (c) where not attune_private.has_invisible(c.c));
end;
comment on function attune_private.has_visible(text) is 'Whether there is anything to see of a text.';
revoke all on function attune_private.has_visible(text) from public;
--! EndIncluded knowledge/private/has_visible.sql
--! Included knowledge/private/normal_title.sql
create or replace function attune_private.normal_title(title text)
returns text
language sql immutable parallel safe security invoker
begin atomic
  -- Not what joins, as in emojis, nor what says in which direction one reads: these belong to what stands beside them.
  select btrim(
    normalize(title, nfc),
    E'\x01\x02\x03\x04\x05\x06\x07\x08\t\n\x0b\f\r\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e'
    '\x1f \x7f\u0085\u00a0\u00ad\u1680\u180e\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b'
    '\u2028\u2029\u202f\u205f\u2060\u3000\ufeff'
  );
end;
comment on function attune_private.normal_title(text) is
  'A title in the one form of Unicode, without blanks and invisible characters around it.';
revoke all on function attune_private.normal_title(text) from public;
--! EndIncluded knowledge/private/normal_title.sql
--! Included knowledge/private/normal_tags.sql
create or replace function attune_private.normal_tags(tags text[])
returns text[]
language sql immutable parallel safe security invoker
begin atomic
  select coalesce(array_agg(t.tag order by t.place), '{}')
  from (
    select n.tag, min(u.place) as place
    from unnest(normal_tags.tags) with ordinality as u (tag, place)
    cross join lateral (
      select normalize(
        attune_private.lower_case(
          normalize(
            btrim(
              regexp_replace(
                regexp_replace(u.tag, '[\u00ad\u180e\u200b\u2060\ufeff]+', '', 'g'),
                '[\s\x01-\x1f\x7f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+', ' ', 'g'
              )
            ),
            nfc
          )
        ),
        nfc
      ) as tag
    ) as n
    where attune_private.has_visible(n.tag)
    group by n.tag
  ) as t;
end;
comment on function attune_private.normal_tags(text[]) is
  'Tags in lower case and in the one form of Unicode, with single blanks, without what nobody sees, each once, in the '
  'order in which they came; those of which there is nothing to see are left out.';
revoke all on function attune_private.normal_tags(text[]) from public;
--! EndIncluded knowledge/private/normal_tags.sql
--! Included knowledge/private/are_tags.sql
create or replace function attune_private.are_tags(tags text[])
returns boolean
language sql immutable parallel safe security invoker
begin atomic
  select are_tags.tags = attune_private.normal_tags(are_tags.tags)
    and (select coalesce(max(char_length(u.tag)), 0) <= 50 from unnest(are_tags.tags) as u (tag));
end;
comment on function attune_private.are_tags(text[]) is 'Whether these are tags as they are stored, of 1 to 50 characters each.';
revoke all on function attune_private.are_tags(text[]) from public;
--! EndIncluded knowledge/private/are_tags.sql

create table attune.knowledge_entries (
  id uuid not null default gen_random_uuid()
    constraint knowledge_entries_pkey primary key,
  kind attune.knowledge_kind not null,
  title text not null
    constraint knowledge_entries_title_check check (char_length(title) between 1 and 200 and title = attune_private.normal_title(title)),
  body text not null default ''
    constraint knowledge_entries_body_check check (octet_length(body) <= 262144),
  tags text[] not null default '{}'
    constraint knowledge_entries_tags_check check (cardinality(tags) <= 20 and attune_private.are_tags(tags)),
  metadata jsonb not null default '{}'
    constraint knowledge_entries_metadata_check check (
      jsonb_typeof(metadata) = 'object' and octet_length(metadata::text) <= 16384
    ),
  version integer not null default 1
    constraint knowledge_entries_version_check check (version >= 1),
  restored_from integer,
  created_by uuid,
  created_by_agent text
    constraint knowledge_entries_created_by_agent_check check (char_length(created_by_agent) between 1 and 200),
  updated_by uuid,
  updated_by_agent text
    constraint knowledge_entries_updated_by_agent_check check (char_length(updated_by_agent) between 1 and 200),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index knowledge_entries_created_at_idx on attune.knowledge_entries (created_at, id);
create index knowledge_entries_updated_at_idx on attune.knowledge_entries (updated_at, id);
create index knowledge_entries_title_idx on attune.knowledge_entries (title, id);
create index knowledge_entries_created_by_idx on attune.knowledge_entries (created_by);
comment on table attune.knowledge_entries is
  E'@foreignKey (created_by) references attune.profiles (id)|@fieldName createdBy|@backwardBehavior -*\n'
  '@foreignKey (updated_by) references attune.profiles (id)|@fieldName updatedBy|@backwardBehavior -*\n'
  '@behavior -insert -update -delete\n'
  'What users and their agents know, shared with all who are signed in. '
  'Authors and administrators change it; every version is kept.';
comment on column attune.knowledge_entries.id is 'Which entry.';
comment on column attune.knowledge_entries.kind is
  E'@behavior +attribute:filterBy\n'
  'What it is.';
comment on column attune.knowledge_entries.title is
  E'@behavior +attribute:filterBy +attribute:orderBy\n'
  'What it is about, 1 to 200 characters.';
comment on column attune.knowledge_entries.body is 'What there is to know, in Markdown; at most 256 KiB.';
comment on column attune.knowledge_entries.tags is
  'By which words it is sorted: at most 20, in lower case, 1 to 50 characters each.';
comment on column attune.knowledge_entries.metadata is 'What the application keeps with it, an object; at most 16 KiB.';
comment on column attune.knowledge_entries.version is
  'How often it was written: 1 when it is new. '
  'An update names the version it was made from.';
comment on column attune.knowledge_entries.restored_from is
  'Which version this one put back; null when it was written.';
comment on column attune.knowledge_entries.created_by is
  E'@name created_by_id\n'
  'Its author, who may be gone; null when it was a trusted server.';
comment on column attune.knowledge_entries.created_by_agent is
  E'@behavior +attribute:filterBy\n'
  'The agent that made it for its author; null when it was the author in person.';
comment on column attune.knowledge_entries.updated_by is
  E'@name updated_by_id\n'
  'Who wrote this version, who may be gone; null when it was a trusted server.';
comment on column attune.knowledge_entries.updated_by_agent is
  'The agent that wrote this version for them; null when they did in person.';
comment on column attune.knowledge_entries.created_at is
  E'@behavior +attribute:filterBy +attribute:orderBy\n'
  'When it was made.';
comment on column attune.knowledge_entries.updated_at is
  E'@behavior +attribute:filterBy +attribute:orderBy\n'
  'When this version was written.';

alter table attune.knowledge_entries enable row level security;
create policy knowledge_entries_select_authenticated on attune.knowledge_entries for select to authenticated
  using ((select attune.current_user_id()) is not null);
create policy knowledge_entries_select_service_role on attune.knowledge_entries for select to service_role using (true);

revoke all on attune.knowledge_entries from public;
grant select on attune.knowledge_entries to authenticated, service_role;

-- What it was before

create table attune.knowledge_versions (
  entry_id uuid not null,
  version integer not null,
  operation attune.audit_operation not null,
  restored_from integer,
  kind attune.knowledge_kind not null,
  title text
    constraint knowledge_versions_title_check check (char_length(title) <= 200),
  body text
    constraint knowledge_versions_body_check check (octet_length(body) <= 262144),
  tags text[]
    constraint knowledge_versions_tags_check check (cardinality(tags) <= 20),
  metadata jsonb
    constraint knowledge_versions_metadata_check check (octet_length(metadata::text) <= 16384),
  size integer not null generated always as (
    octet_length(coalesce(title, '')) + octet_length(coalesce(body, '')) + octet_length(coalesce(metadata::text, ''))
  ) stored,
  created_by uuid,
  changed_by uuid,
  agent text
    constraint knowledge_versions_agent_check check (char_length(agent) between 1 and 200),
  changed_at timestamptz not null default clock_timestamp(),
  transaction_id xid8 not null default pg_current_xact_id(),
  constraint knowledge_versions_pkey primary key (entry_id, version),
  constraint knowledge_versions_content_check check (
    num_nulls(title, body, tags, metadata) in (0, 4) and (operation <> 'DELETE' or title is null)
  )
);
create index knowledge_versions_transaction_id_idx on attune.knowledge_versions (transaction_id);
create index knowledge_versions_changed_by_idx on attune.knowledge_versions (changed_by, changed_at) include (size);
comment on table attune.knowledge_versions is
  E'@foreignKey (entry_id) references attune.knowledge_entries (id)|@fieldName entry|@foreignFieldName history\n'
  '@foreignKey (changed_by) references attune.profiles (id)|@fieldName changedBy|@backwardBehavior -*\n'
  '@behavior -insert -update -delete\n'
  'Every version of every entry, its deletion among them. '
  'Append-only. '
  'Whoever sees an entry sees its versions; those of a deleted one only its author and administrators.';
comment on column attune.knowledge_versions.entry_id is 'Of which entry, which may be gone.';
comment on column attune.knowledge_versions.version is 'Which version, from 1.';
comment on column attune.knowledge_versions.operation is 'What was done: `DELETE` ends the entry, and has no content.';
comment on column attune.knowledge_versions.restored_from is 'Which version this one put back; null when it was written.';
comment on column attune.knowledge_versions.kind is 'What it was.';
comment on column attune.knowledge_versions.title is 'Its title; null of a deletion, and when it was purged.';
comment on column attune.knowledge_versions.body is 'Its body, in Markdown; null of a deletion, and when it was purged.';
comment on column attune.knowledge_versions.tags is 'Its tags; null of a deletion, and when it was purged.';
comment on column attune.knowledge_versions.metadata is 'Its metadata; null of a deletion, and when it was purged.';
comment on column attune.knowledge_versions.size is 'How many bytes it takes.';
comment on column attune.knowledge_versions.created_by is
  E'@behavior -*\n'
  'The author of the entry; null when it was a trusted server.';
comment on column attune.knowledge_versions.changed_by is
  E'@name changed_by_id\n'
  'Who wrote it, who may be gone; null when it was a trusted server.';
comment on column attune.knowledge_versions.agent is 'The agent that wrote it for them; null when they did in person.';
comment on column attune.knowledge_versions.changed_at is
  E'@behavior +attribute:filterBy\n'
  'When it was written.';
comment on column attune.knowledge_versions.transaction_id is
  E'@behavior -*\n'
  'The transaction that wrote it, or purged it: what has the same was done together or not at all.';

alter table attune.knowledge_versions enable row level security;
create policy knowledge_versions_select_reader_or_admin on attune.knowledge_versions for select to authenticated
  using (
    (select attune.current_user_id()) is not null
    and (
      exists (select from attune.knowledge_entries as e where e.id = knowledge_versions.entry_id)
      or created_by = (select attune.current_user_id())
      or (select attune.is_admin())
    )
  );
create policy knowledge_versions_select_service_role on attune.knowledge_versions for select to service_role using (true);

revoke all on attune.knowledge_versions from public;
grant select on attune.knowledge_versions to authenticated, service_role;

-- Who is at it

create table attune.knowledge_edit_leases (
  entry_id uuid not null
    constraint knowledge_edit_leases_pkey primary key
    constraint knowledge_edit_leases_entry_id_fkey references attune.knowledge_entries (id) on delete cascade,
  held_by uuid not null,
  agent text
    constraint knowledge_edit_leases_agent_check check (char_length(agent) between 1 and 200),
  acquired_at timestamptz not null default now(),
  expires_at timestamptz not null,
  transaction_id xid8 not null default pg_current_xact_id()
);
create index knowledge_edit_leases_held_by_idx on attune.knowledge_edit_leases (held_by);
create index knowledge_edit_leases_transaction_id_idx on attune.knowledge_edit_leases (transaction_id);
comment on table attune.knowledge_edit_leases is
  E'@foreignKey (held_by) references attune.profiles (id)|@fieldName heldBy|@backwardBehavior -*\n'
  '@behavior -insert -update -delete\n'
  'Who is editing which entry, for all who are signed in to see. '
  'It warns others and keeps nobody from writing. '
  'One that ran out, or was released, is not shown.';
comment on constraint knowledge_edit_leases_entry_id_fkey on attune.knowledge_edit_leases is
  E'@fieldName entry\n'
  '@foreignFieldName editLease\n'
  'What is edited.';
comment on column attune.knowledge_edit_leases.entry_id is 'Which entry.';
comment on column attune.knowledge_edit_leases.held_by is
  E'@name held_by_id\n'
  'Who is editing it.';
comment on column attune.knowledge_edit_leases.agent is 'The agent that does so for them; null when they do in person.';
comment on column attune.knowledge_edit_leases.acquired_at is 'Since when.';
comment on column attune.knowledge_edit_leases.expires_at is 'Until when, unless they acquire it again.';
comment on column attune.knowledge_edit_leases.transaction_id is
  E'@behavior -*\n'
  'The transaction that last changed it.';

alter table attune.knowledge_edit_leases enable row level security;
create policy knowledge_edit_leases_select_authenticated on attune.knowledge_edit_leases for select to authenticated
  using (expires_at > now() and (select attune.current_user_id()) is not null);
create policy knowledge_edit_leases_select_service_role on attune.knowledge_edit_leases for select to service_role
  using (expires_at > now());

revoke all on attune.knowledge_edit_leases from public;
grant select on attune.knowledge_edit_leases to authenticated, service_role;

-- How it is found

-- As PostgreSQL's `english`, but no word is left out: what says nothing in English may say something in another language,
-- whose words have stems of their own here, the same in a text and in what is looked for.
create text search dictionary attune_private.english_words (template = pg_catalog.snowball, language = english);
create text search configuration attune_private.knowledge (copy = pg_catalog.english);
alter text search configuration attune_private.knowledge
  alter mapping replace pg_catalog.english_stem with attune_private.english_words;
comment on text search configuration attune_private.knowledge is 'Every word, by its English stem.';

create table attune_private.knowledge_index (
  entry_id uuid not null
    constraint knowledge_index_pkey primary key
    constraint knowledge_index_entry_id_fkey references attune.knowledge_entries (id) on delete cascade,
  kind attune.knowledge_kind not null,
  tags text[] not null,
  created_at timestamptz not null,
  search_vector tsvector not null,
  spellings text[] not null
);
create index knowledge_index_created_at_idx on attune_private.knowledge_index (created_at, entry_id);
create index knowledge_index_tags_idx on attune_private.knowledge_index using gin (tags);
create index knowledge_index_search_vector_idx on attune_private.knowledge_index using gin (search_vector);
comment on table attune_private.knowledge_index is
  'What a search looks at, apart from the entries, which are large: the words of each, by their English '
  'stems.';
comment on column attune_private.knowledge_index.entry_id is 'Which entry.';
comment on column attune_private.knowledge_index.kind is 'What it is.';
comment on column attune_private.knowledge_index.tags is 'Its tags.';
comment on column attune_private.knowledge_index.created_at is 'When it was made.';
comment on column attune_private.knowledge_index.search_vector is
  'Its words: of the title (A), of the tags (B), of the body (C).';
comment on column attune_private.knowledge_index.spellings is 'Its words as they are spelled.';

alter table attune_private.knowledge_index enable row level security;

-- Not by the word alone: two who bring the same word at the same time would wait for each other.
create table attune_private.knowledge_words (
  word text not null
    constraint knowledge_words_word_check check (char_length(word) between 3 and 40),
  id bigint not null generated always as identity,
  entry_id uuid not null,
  constraint knowledge_words_pkey primary key (word, id)
);
comment on table attune_private.knowledge_words is
  'Which words there are, so that one with a typing mistake can be known for what was meant: those of what entries say '
  'now, and no others.';
comment on column attune_private.knowledge_words.word is 'A word, in lower case.';
comment on column attune_private.knowledge_words.id is 'Which of several rows of the same word.';
comment on column attune_private.knowledge_words.entry_id is
  'One of the entries that have it: only when this one has it no more must others be looked for.';

alter table attune_private.knowledge_words enable row level security;

do $$
begin
  execute format(
    'create index knowledge_words_similar_idx on attune_private.knowledge_words using gin (word %s.gin_trgm_ops)',
    (select e.extnamespace::regnamespace from pg_catalog.pg_extension as e where e.extname = 'pg_trgm')
  );
end;
$$;

--! Included knowledge/private/knowledge_text.sql
create or replace function attune_private.knowledge_text(value text)
returns text
language sql immutable parallel safe security invoker
begin atomic
  -- In angle brackets there is code, which is read like any other text. The last four stand for what is put around a
  -- hit and for the brackets themselves: `attune_private.knowledge_excerpt`.
  select translate(normalize(left(value, 50000), nfc), E'<>\x01\x02\x03\x04', E'\x03\x04');
end;
comment on function attune_private.knowledge_text(text) is
  'The part of a text that is searched, its first 50,000 characters, in the one form of Unicode and without '
  'what would be taken for markup.';
revoke all on function attune_private.knowledge_text(text) from public;
--! EndIncluded knowledge/private/knowledge_text.sql
--! Included knowledge/private/knowledge_vector.sql
create or replace function attune_private.knowledge_vector(title text, tags text[], body text)
returns tsvector
language sql immutable parallel safe security invoker
begin atomic
  select setweight(to_tsvector('attune_private.knowledge', attune_private.knowledge_text(knowledge_vector.title)), 'A')
    || setweight(to_tsvector('attune_private.knowledge', t.tags), 'B')
    || setweight(to_tsvector('attune_private.knowledge', attune_private.knowledge_text(knowledge_vector.body)), 'C')
  from (
    select coalesce(string_agg(u.tag, ' ' order by u.place), '') as tags
    from unnest(knowledge_vector.tags) with ordinality as u (tag, place)
  ) as t;
end;
comment on function attune_private.knowledge_vector(text, text[], text) is
  'By which words an entry is found: of the title (A), of the tags (B), of the body (C).';
revoke all on function attune_private.knowledge_vector(text, text[], text) from public;
--! EndIncluded knowledge/private/knowledge_vector.sql
--! Included knowledge/private/words_to_learn.sql
create or replace function attune_private.words_to_learn(title text, tags text[], body text)
returns text[]
language sql immutable parallel safe security invoker
begin atomic
  select array(
    select u.lexeme
    from unnest(
      to_tsvector(
        'pg_catalog.simple',
        attune_private.knowledge_text(concat_ws(' ', title, array_to_string(words_to_learn.tags, ' '), body))
      )
    ) as u
    where char_length(u.lexeme) between 3 and 40
      -- Numbers, addresses and keys are nothing that is misspelled.
      and u.lexeme !~ '[0-9./:@=+]'
    order by u.lexeme
  );
end;
comment on function attune_private.words_to_learn(text, text[], text) is
  'The words of an entry as they are spelled, by which one with a typing mistake is known.';
revoke all on function attune_private.words_to_learn(text, text[], text) from public;
--! EndIncluded knowledge/private/words_to_learn.sql
--! Included knowledge/private/learn_words.sql
create or replace function attune_private.learn_words(entry_id uuid, words text[])
returns void
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
  -- Whoever would forget one of these waits until this entry is seen to have it; one that is being forgotten right now
  -- is as good as unknown. So nobody who learns waits.
  with known as materialized (
    select k.word
    from attune_private.knowledge_words as k
    where k.word = any (learn_words.words)
    for key share skip locked
  )
  insert into attune_private.knowledge_words (word, entry_id)
  select w.word, learn_words.entry_id
  from unnest(learn_words.words) as w (word)
  where not exists (select from known as k where k.word = w.word)
  order by w.word;
$$;
comment on function attune_private.learn_words(uuid, text[]) is 'Notes those words of an entry that no entry had before.';
revoke all on function attune_private.learn_words(uuid, text[]) from public;
--! EndIncluded knowledge/private/learn_words.sql
--! Included knowledge/private/forget_words.sql
create or replace function attune_private.forget_words(entry_id uuid, words text[])
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Whoever forgets the same words, or is learning them, comes before or after, and is seen by the statements below. All
  -- lock in one order, so that nobody waits for each other.
  perform
  from attune_private.knowledge_words as k
  where k.word = any (forget_words.words)
  order by k.word, k.id
  for update;

  -- What this entry stands for, another does from now on.
  update attune_private.knowledge_words as k
  set entry_id = h.entry_id
  from (
    select
      o.word,
      o.id,
      (
        select i.entry_id
        from attune_private.knowledge_index as i
        where i.search_vector @@ plainto_tsquery('attune_private.knowledge', o.word)
          -- Other forms of it are other words.
          and i.spellings @> array[o.word]
          and i.entry_id <> o.entry_id
        limit 1
      ) as entry_id
    from attune_private.knowledge_words as o
    where o.word = any (forget_words.words)
      and o.entry_id = forget_words.entry_id
      and not exists (
        select from attune_private.knowledge_words as t where t.word = o.word and t.entry_id <> o.entry_id
      )
  ) as h
  where k.word = h.word
    and k.id = h.id
    and h.entry_id is not null;

  -- What no other has, or another stands for already, goes.
  delete from attune_private.knowledge_words as k
  where k.word = any (forget_words.words)
    and k.entry_id = forget_words.entry_id;
end;
$$;
comment on function attune_private.forget_words(uuid, text[]) is
  'Forgets those of the words which an entry had, and has no more, that no other entry has.';
revoke all on function attune_private.forget_words(uuid, text[]) from public;
--! EndIncluded knowledge/private/forget_words.sql
--! Included knowledge/triggers/tg_knowledge_entries__version.sql
create or replace function attune_private.tg_knowledge_entries__version()
returns trigger
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  new.version := old.version + 1;
  return new;
end;
$$;
comment on function attune_private.tg_knowledge_entries__version() is 'Counts the versions of an entry.';
revoke all on function attune_private.tg_knowledge_entries__version() from public;
--! EndIncluded knowledge/triggers/tg_knowledge_entries__version.sql
--! Included knowledge/triggers/tg_knowledge_entries__record.sql
create or replace function attune_private.tg_knowledge_entries__record()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' then
    insert into attune.knowledge_versions (
      entry_id, version, operation, kind, created_by, changed_by, agent, changed_at
    )
    values (
      old.id, old.version + 1, 'DELETE', old.kind, old.created_by, attune.current_user_id(),
      attune_private.acting_agent(), greatest(now(), old.updated_at + interval '1 microsecond')
    );
    return null;
  end if;

  insert into attune.knowledge_versions (
    entry_id, version, operation, restored_from, kind, title, body, tags, metadata, created_by, changed_by, agent,
    changed_at
  )
  values (
    new.id, new.version, tg_op::attune.audit_operation, new.restored_from, new.kind, new.title, new.body, new.tags,
    new.metadata, new.created_by, new.updated_by, new.updated_by_agent, new.updated_at
  );
  return null;
end;
$$;
comment on function attune_private.tg_knowledge_entries__record() is
  'Keeps what an entry is now as a version, and that it was deleted.';
revoke all on function attune_private.tg_knowledge_entries__record() from public;
--! EndIncluded knowledge/triggers/tg_knowledge_entries__record.sql
--! Included knowledge/triggers/tg_knowledge_entries__index.sql
create or replace function attune_private.tg_knowledge_entries__index()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- That a word is too long to be found is told nobody.
set client_min_messages = warning
as $$
declare
  had text[] := '{}';
  has text[] := '{}';
begin
  if tg_op <> 'INSERT' then
    had := attune_private.words_to_learn(old.title, old.tags, old.body);
  end if;

  if tg_op <> 'DELETE' then
    has := attune_private.words_to_learn(new.title, new.tags, new.body);

    insert into attune_private.knowledge_index as i (entry_id, kind, tags, created_at, search_vector, spellings)
    values (
      new.id, new.kind, new.tags, new.created_at, attune_private.knowledge_vector(new.title, new.tags, new.body), has
    )
    on conflict on constraint knowledge_index_pkey do update set
      kind = excluded.kind,
      tags = excluded.tags,
      created_at = excluded.created_at,
      search_vector = excluded.search_vector,
      spellings = excluded.spellings;
  end if;

  -- What is forgotten waits for others, what is learned does not: so it comes first.
  if not had <@ has then
    perform attune_private.forget_words(old.id, array(select unnest(had) except select unnest(has)));
  end if;

  if not has <@ had then
    perform attune_private.learn_words(new.id, array(select unnest(has) except select unnest(had)));
  end if;

  return null;
end;
$$;
comment on function attune_private.tg_knowledge_entries__index() is
  'Makes an entry be found by what it says now, and by nothing that it said before.';
revoke all on function attune_private.tg_knowledge_entries__index() from public;
--! EndIncluded knowledge/triggers/tg_knowledge_entries__index.sql
--! Included knowledge/triggers/tg_knowledge_versions__purge.sql
create or replace function attune_private.tg_knowledge_versions__purge()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  content constant text[] := '{title,body,tags,metadata,size,transaction_id}';
  -- Of which entries purge_knowledge() has written down in this very transaction.
  recorded constant text[] := array(
    select m.details ->> 'entry_id'
    from attune.maintenance_operations as m
    where m.transaction_id = pg_current_xact_id_if_assigned()
      -- What was restored from another cluster may have the same number.
      and m.started_at = now()
      and m.operation = 'purge_knowledge'
  );
begin
  if exists (
    select
    from previous as p
    full join changed as c on c.entry_id = p.entry_id and c.version = p.version
    where p.entry_id::text = any (recorded) is not true
      or to_jsonb(p) - content is distinct from to_jsonb(c) - content
      or c.title is not null
  ) then
    raise exception using
      errcode = '42501',
      message = format('%s is not allowed on %s', tg_op, tg_table_name),
      detail = 'append_only',
      hint = 'Versions change only when purge_knowledge(entry_id, reason) takes their content away.';
  end if;

  return null;
end;
$$;
comment on function attune_private.tg_knowledge_versions__purge() is
  'Refuses (`append_only`) to change versions, for the owner too, except to empty those of an entry that '
  '`purge_knowledge` recorded in the same transaction.';
revoke all on function attune_private.tg_knowledge_versions__purge() from public;
--! EndIncluded knowledge/triggers/tg_knowledge_versions__purge.sql

create trigger _100_timestamps before update on attune.knowledge_entries
  for each row execute function attune_private.tg__timestamps();
create trigger _110_version before update on attune.knowledge_entries
  for each row execute function attune_private.tg_knowledge_entries__version();
create trigger _500_record after insert or update or delete on attune.knowledge_entries
  for each row execute function attune_private.tg_knowledge_entries__record();
create trigger _510_index after insert or update or delete on attune.knowledge_entries
  for each row execute function attune_private.tg_knowledge_entries__index();
create trigger _100_append_only before truncate on attune.knowledge_entries
  for each statement execute function attune_private.tg__append_only('Versions are emptied with purge_knowledge(entry_id, reason).');

create trigger _100_append_only before delete or truncate on attune.knowledge_versions
  for each statement execute function attune_private.tg__append_only('Versions are emptied with purge_knowledge(entry_id, reason).');
create trigger _300_purge after update on attune.knowledge_versions
  referencing old table as previous new table as changed
  for each statement execute function attune_private.tg_knowledge_versions__purge();

create trigger _100_transaction before update on attune.knowledge_edit_leases
  for each row execute function attune_private.tg__transaction();

-- Who wrote it

--! Included knowledge/hidden/author_name.sql
create or replace function attune_hidden.author_name(user_id uuid)
returns text
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
begin atomic
  select u.name
  from attune.users as u
  where u.id = author_name.user_id
    -- Who shares nothing with all others is known to those in the same teams and projects alone.
    and (
      exists (select from attune.knowledge_versions as v where v.changed_by = u.id)
      or exists (select from attune.knowledge_edit_leases as l where l.held_by = u.id and l.expires_at > now())
    )
    and attune_private.acts_for_a_user();
end;
comment on function attune_hidden.author_name(uuid) is
  'The name of somebody who wrote knowledge, or is about to, for all who are signed in; nothing else of them. '
  'NULL for everybody else, and for who is gone.';
revoke all on function attune_hidden.author_name(uuid) from public;
grant execute on function attune_hidden.author_name(uuid) to anon, authenticated, service_role;
--! EndIncluded knowledge/hidden/author_name.sql
--! Included knowledge/knowledge_entries_created_by_name.sql
create or replace function attune.knowledge_entries_created_by_name(entry attune.knowledge_entries)
returns text
language sql stable parallel safe security invoker
begin atomic
  select attune_hidden.author_name(entry.created_by);
end;
comment on function attune.knowledge_entries_created_by_name(attune.knowledge_entries) is
  'The name of who made it; null when they gave none, are gone, or were a trusted server.';
revoke all on function attune.knowledge_entries_created_by_name(attune.knowledge_entries) from public;
grant execute on function attune.knowledge_entries_created_by_name(attune.knowledge_entries) to anon, authenticated, service_role;
--! EndIncluded knowledge/knowledge_entries_created_by_name.sql
--! Included knowledge/knowledge_entries_updated_by_name.sql
create or replace function attune.knowledge_entries_updated_by_name(entry attune.knowledge_entries)
returns text
language sql stable parallel safe security invoker
begin atomic
  select attune_hidden.author_name(entry.updated_by);
end;
comment on function attune.knowledge_entries_updated_by_name(attune.knowledge_entries) is
  'The name of who wrote this version; null when they gave none, are gone, or were a trusted server.';
revoke all on function attune.knowledge_entries_updated_by_name(attune.knowledge_entries) from public;
grant execute on function attune.knowledge_entries_updated_by_name(attune.knowledge_entries) to anon, authenticated, service_role;
--! EndIncluded knowledge/knowledge_entries_updated_by_name.sql
--! Included knowledge/knowledge_versions_changed_by_name.sql
create or replace function attune.knowledge_versions_changed_by_name(version attune.knowledge_versions)
returns text
language sql stable parallel safe security invoker
begin atomic
  select attune_hidden.author_name(version.changed_by);
end;
comment on function attune.knowledge_versions_changed_by_name(attune.knowledge_versions) is
  'The name of who wrote it; null when they gave none, are gone, or were a trusted server.';
revoke all on function attune.knowledge_versions_changed_by_name(attune.knowledge_versions) from public;
grant execute on function attune.knowledge_versions_changed_by_name(attune.knowledge_versions) to anon, authenticated, service_role;
--! EndIncluded knowledge/knowledge_versions_changed_by_name.sql
--! Included knowledge/knowledge_edit_leases_held_by_name.sql
create or replace function attune.knowledge_edit_leases_held_by_name(lease attune.knowledge_edit_leases)
returns text
language sql stable parallel safe security invoker
begin atomic
  select attune_hidden.author_name(lease.held_by);
end;
comment on function attune.knowledge_edit_leases_held_by_name(attune.knowledge_edit_leases) is
  'The name of who is editing it; null when they gave none, are gone, or were a trusted server.';
revoke all on function attune.knowledge_edit_leases_held_by_name(attune.knowledge_edit_leases) from public;
grant execute on function attune.knowledge_edit_leases_held_by_name(attune.knowledge_edit_leases) to anon, authenticated, service_role;
--! EndIncluded knowledge/knowledge_edit_leases_held_by_name.sql
--! Included knowledge/knowledge_entries_can_edit.sql
create or replace function attune.knowledge_entries_can_edit(entry attune.knowledge_entries)
returns boolean
language sql stable parallel restricted security invoker
begin atomic
  select (select attune.is_admin())
    or entry.kind <> 'system' and entry.created_by is not distinct from (select attune.current_user_id());
end;
comment on function attune.knowledge_entries_can_edit(attune.knowledge_entries) is
  E'@notNull\n'
  'Whether the caller may change and delete it.';
revoke all on function attune.knowledge_entries_can_edit(attune.knowledge_entries) from public;
grant execute on function attune.knowledge_entries_can_edit(attune.knowledge_entries) to anon, authenticated, service_role;
--! EndIncluded knowledge/knowledge_entries_can_edit.sql

-- Writing

--! Included knowledge/private/refuse_unknown_entry.sql
create or replace function attune_private.refuse_unknown_entry()
returns void
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = 'PT404',
    message = 'There is no such entry',
    detail = 'unknown_entry',
    hint = 'List what there is with knowledgeEntries, or find it with searchKnowledge.';
end;
$$;
comment on function attune_private.refuse_unknown_entry() is 'Refuses: `unknown_entry`.';
revoke all on function attune_private.refuse_unknown_entry() from public;
--! EndIncluded knowledge/private/refuse_unknown_entry.sql
--! Included knowledge/private/require_author.sql
create or replace function attune_private.require_author(
  caller attune_private.caller,
  created_by uuid,
  kind attune.knowledge_kind
)
returns void
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  perform attune_private.require_somebody(caller);

  if kind = 'system' then
    perform attune_private.require_administrator(caller);
  elsif (caller.is_admin or caller.is_trusted or created_by = caller.user_id) is not true then
    raise exception using
      errcode = '42501',
      message = 'Only its author or an administrator may do this',
      detail = 'author_required',
      hint = 'Ask its author, or make an entry of your own.';
  end if;
end;
$$;
comment on function attune_private.require_author(attune_private.caller, uuid, attune.knowledge_kind) is
  'Passes for who may change an entry: its author, administrators and trusted servers; of the kind `system` only these '
  'last two. '
  'Refuses everybody else: `author_required`, `admin_required`, or `not_signed_in`.';
revoke all on function attune_private.require_author(attune_private.caller, uuid, attune.knowledge_kind) from public;
--! EndIncluded knowledge/private/require_author.sql
--! Included knowledge/private/hint_with_conflict.sql
create or replace function attune_private.hint_with_conflict(hint text, conflict json)
returns text
language sql immutable parallel safe security invoker
begin atomic
  select hint_with_conflict.hint || E'\n' || conflict::text;
end;
comment on function attune_private.hint_with_conflict(text, json) is
  'The hint of a refusal with, in a second line, whom or what it collides with: an object that begins with `entry_id`.';
revoke all on function attune_private.hint_with_conflict(text, json) from public;
--! EndIncluded knowledge/private/hint_with_conflict.sql
--! Included knowledge/private/refuse_stale_version.sql
create or replace function attune_private.refuse_stale_version(entry_id uuid, version integer)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  latest attune.knowledge_versions;
begin
  select v.* into strict latest
  from attune.knowledge_versions as v
  where v.entry_id = refuse_stale_version.entry_id
  order by v.version desc
  limit 1;

  raise exception using
    errcode = 'PT409',
    message = format(
      'It has been %s since version %s was read: now it is version %s',
      case latest.operation when 'DELETE' then 'deleted' else 'changed' end, refuse_stale_version.version, latest.version
    ),
    detail = 'changed_meanwhile',
    hint = attune_private.hint_with_conflict(
      'Read the versions since, put both together, and send it with the current version.',
      json_build_object(
        'entry_id', latest.entry_id,
        'version', refuse_stale_version.version,
        'current_version', latest.version,
        'operation', latest.operation,
        'changed_by_id', latest.changed_by,
        'changed_by_name', (select u.name from attune.users as u where u.id = latest.changed_by),
        'agent', latest.agent,
        'changed_at', latest.changed_at
      )
    );
end;
$$;
comment on function attune_private.refuse_stale_version(uuid, integer) is
  'Refuses (`changed_meanwhile`) a change that was made from another version than the current one, and tells both.';
revoke all on function attune_private.refuse_stale_version(uuid, integer) from public;
--! EndIncluded knowledge/private/refuse_stale_version.sql
--! Included knowledge/private/lock_entry.sql
create or replace function attune_private.lock_entry(caller attune_private.caller, id uuid, version integer)
returns attune.knowledge_entries
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  stored attune.knowledge_entries;
  removed attune.knowledge_versions;
begin
  perform attune_private.require_somebody(caller);

  -- Writers of the same entry come one after the other, and see what the one before made of it.
  select e.* into stored
  from attune.knowledge_entries as e
  where e.id = lock_entry.id
  for update;

  if not found then
    select v.* into removed
    from attune.knowledge_versions as v
    where v.entry_id = lock_entry.id
    order by v.version desc
    limit 1;

    -- That there was one, who sees no more of it is not told.
    if not found or (caller.is_admin or caller.is_trusted or removed.created_by = caller.user_id) is not true then
      perform attune_private.refuse_unknown_entry();
    end if;

    perform attune_private.refuse_stale_version(lock_entry.id, lock_entry.version);
  end if;

  perform attune_private.require_author(caller, stored.created_by, stored.kind);

  if stored.version is distinct from lock_entry.version then
    perform attune_private.refuse_stale_version(lock_entry.id, lock_entry.version);
  end if;

  return stored;
end;
$$;
comment on function attune_private.lock_entry(attune_private.caller, uuid, integer) is
  'The entry that somebody wants to change, locked, if they may and if it is the version they have read. '
  'Refused: `not_signed_in`, `unknown_entry`, `author_required`, `admin_required`, `changed_meanwhile`.';
revoke all on function attune_private.lock_entry(attune_private.caller, uuid, integer) from public;
--! EndIncluded knowledge/private/lock_entry.sql
--! Included knowledge/private/check_knowledge_amounts.sql
create or replace function attune_private.check_knowledge_amounts(caller attune_private.caller)
returns void
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  per_day constant integer := attune_private.system_number('KNOWLEDGE_WRITES_PER_DAY', 1000);
  megabytes constant integer := attune_private.system_number('KNOWLEDGE_MEGABYTES_PER_USER', 500);
  since constant timestamptz := now() - interval '1 day';
  written integer;
  first_at timestamptz;
  bytes bigint;
begin
  if caller.is_admin or caller.is_trusted then
    return;
  end if;

  select count(*) filter (where v.changed_at > since), min(v.changed_at) filter (where v.changed_at > since), sum(v.size)
  into written, first_at, bytes
  from attune.knowledge_versions as v
  where v.changed_by = caller.user_id;

  if written > per_day then
    perform attune_private.refuse_for_now(
      'too_many_knowledge_writes',
      format('You have written %s versions of entries in a day', per_day),
      'Go on later, or let a trusted server write them.',
      ceil(extract(epoch from first_at + interval '1 day' - now()))::integer
    );
  elsif bytes > megabytes * 1048576::bigint then
    raise exception using
      errcode = 'PT422',
      message = format('All that you have written takes more than %s MiB', megabytes),
      detail = 'knowledge_full',
      hint = 'Ask an administrator to purge old versions of yours, or for more room.';
  end if;
end;
$$;
comment on function attune_private.check_knowledge_amounts(attune_private.caller) is
  'Limits how many versions a user has written in a day (`too_many_knowledge_writes`, the setting '
  '`KNOWLEDGE_WRITES_PER_DAY`) and how much room all of them take (`knowledge_full`, `KNOWLEDGE_MEGABYTES_PER_USER`); '
  'administrators and trusted servers write without limit.';
revoke all on function attune_private.check_knowledge_amounts(attune_private.caller) from public;
--! EndIncluded knowledge/private/check_knowledge_amounts.sql
--! Included knowledge/private/valid_entry.sql
create or replace function attune_private.valid_entry(entry attune.knowledge_entries)
returns attune.knowledge_entries
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  entry.title := attune_private.normal_title(entry.title);
  perform attune_private.check_size('The title', char_length(entry.title), 200, 'characters');

  if not attune_private.has_visible(entry.title) then
    perform attune_private.refuse_missing_title('An entry has a title', 'Say what it is about, in a few words.');
  end if;

  if exists (
    select
    from unnest(entry.tags) as t (tag)
    where t.tag is not null
      and attune_private.normal_tags(array[t.tag]) = '{}'
  ) then
    raise exception using
      errcode = 'PT422',
      message = 'There is nothing to see of a tag',
      detail = 'blank_tag',
      hint = 'Leave it out, or give it at least one visible character.';
  end if;

  entry.tags := attune_private.normal_tags(entry.tags);

  perform attune_private.check_size('The body', octet_length(entry.body), 262144, 'bytes');
  perform attune_private.check_size('The list of tags', cardinality(entry.tags), 20, 'tags');
  perform attune_private.check_size('A tag', max(char_length(t.tag)), 50, 'characters') from unnest(entry.tags) as t (tag);
  perform attune_private.check_size('The metadata', octet_length(entry.metadata::text), 16384, 'bytes');
  perform attune_private.check_depth('The metadata', entry.metadata);

  if jsonb_typeof(entry.metadata) <> 'object' then
    raise exception using
      errcode = 'PT422',
      message = 'The metadata is no object',
      detail = 'invalid_metadata',
      hint = 'Send an object, such as {"source": "support"}.';
  end if;

  return entry;
end;
$$;
comment on function attune_private.valid_entry(attune.knowledge_entries) is
  'An entry as it is stored: its title trimmed, its tags in their one form. '
  'Refused: `title_required`, `blank_tag`, `too_large`, `value_too_deep`, `invalid_metadata`.';
revoke all on function attune_private.valid_entry(attune.knowledge_entries) from public;
--! EndIncluded knowledge/private/valid_entry.sql
--! Included knowledge/private/write_entry.sql
create or replace function attune_private.write_entry(caller attune_private.caller, entry attune.knowledge_entries)
returns attune.knowledge_entries
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  valid constant attune.knowledge_entries := attune_private.valid_entry(entry);
  written attune.knowledge_entries;
begin
  update attune.knowledge_entries as e
  set
    kind = valid.kind,
    title = valid.title,
    body = valid.body,
    tags = valid.tags,
    metadata = valid.metadata,
    restored_from = valid.restored_from,
    updated_by = caller.user_id,
    updated_by_agent = attune_private.acting_agent()
  where e.id = valid.id
    -- Who writes what is there already has changed nothing.
    and (e.kind, e.title, e.body, e.tags, e.metadata::text)
      is distinct from (valid.kind, valid.title, valid.body, valid.tags, valid.metadata::text)
  returning e.* into written;

  if not found then
    select e.* into written from attune.knowledge_entries as e where e.id = valid.id;
    return written;
  end if;

  perform attune_private.check_knowledge_amounts(caller);
  return written;
end;
$$;
comment on function attune_private.write_entry(attune_private.caller, attune.knowledge_entries) is
  'Stores what an entry is from now on as its next version, unless it is the same, and returns what is stored. '
  'Refused: `title_required`, `blank_tag`, `too_large`, `value_too_deep`, `invalid_metadata`, '
  '`too_many_knowledge_writes`, `knowledge_full`.';
revoke all on function attune_private.write_entry(attune_private.caller, attune.knowledge_entries) from public;
--! EndIncluded knowledge/private/write_entry.sql
--! Included knowledge/create_knowledge_entry.sql
create or replace function attune.create_knowledge_entry(
  kind attune.knowledge_kind,
  title text,
  body text default '',
  tags text[] default '{}',
  metadata jsonb default '{}'
)
returns attune.knowledge_entries
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  agent constant text := attune_private.acting_agent();
  entry attune.knowledge_entries;
begin
  perform attune_private.require_somebody(caller);

  if create_knowledge_entry.kind is null then
    raise exception using
      errcode = 'PT422',
      message = 'An entry has a kind',
      detail = 'kind_required',
      hint = 'Say which: blueprint, entry, learning, agent or system.';
  elsif create_knowledge_entry.kind = 'system' then
    perform attune_private.require_administrator(caller);
  end if;

  entry.kind := create_knowledge_entry.kind;
  entry.title := create_knowledge_entry.title;
  entry.body := coalesce(create_knowledge_entry.body, '');
  entry.tags := create_knowledge_entry.tags;
  entry.metadata := coalesce(create_knowledge_entry.metadata, '{}');
  entry := attune_private.valid_entry(entry);

  insert into attune.knowledge_entries (
    kind, title, body, tags, metadata, created_by, created_by_agent, updated_by, updated_by_agent
  )
  values (
    entry.kind, entry.title, entry.body, entry.tags, entry.metadata, caller.user_id, agent, caller.user_id, agent
  )
  returning * into entry;

  perform attune_private.check_knowledge_amounts(caller);
  return entry;
end;
$$;
comment on function attune.create_knowledge_entry(attune.knowledge_kind, text, text, text[], jsonb) is
  E'@param kind What it is; `system` is for administrators and trusted servers.\n'
  '@param title What it is about, 1 to 200 characters.\n'
  '@param body What there is to know, in Markdown; at most 256 KiB.\n'
  '@param tags By which words it is sorted, at most 20 of 50 characters; they are put in lower case.\n'
  '@param metadata What the application keeps with it, an object; at most 16 KiB.\n'
  'Shares what the caller knows with all who are signed in, and returns the entry. '
  'The caller is its author; an agent that acts for them is named beside. '
  'Refused: `not_signed_in`, `admin_required`, `kind_required`, `title_required`, `blank_tag`, `too_large`, '
  '`value_too_deep`, `invalid_metadata`, `too_many_knowledge_writes`, `knowledge_full`.';
revoke all on function attune.create_knowledge_entry(attune.knowledge_kind, text, text, text[], jsonb) from public;
grant execute on function attune.create_knowledge_entry(attune.knowledge_kind, text, text, text[], jsonb)
  to anon, authenticated, service_role;
--! EndIncluded knowledge/create_knowledge_entry.sql
--! Included knowledge/update_knowledge_entry.sql
create or replace function attune.update_knowledge_entry(
  id uuid,
  version integer,
  title text default null,
  body text default null,
  tags text[] default null,
  metadata jsonb default null,
  kind attune.knowledge_kind default null
)
returns attune.knowledge_entries
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  entry attune.knowledge_entries := attune_private.lock_entry(
    caller, update_knowledge_entry.id, update_knowledge_entry.version
  );
begin
  entry.kind := coalesce(update_knowledge_entry.kind, entry.kind);
  entry.title := coalesce(update_knowledge_entry.title, entry.title);
  entry.body := coalesce(update_knowledge_entry.body, entry.body);
  entry.tags := coalesce(update_knowledge_entry.tags, entry.tags);
  entry.metadata := coalesce(update_knowledge_entry.metadata, entry.metadata);
  entry.restored_from := null;

  perform attune_private.require_author(caller, entry.created_by, entry.kind);
  return attune_private.write_entry(caller, entry);
end;
$$;
comment on function attune.update_knowledge_entry(uuid, integer, text, text, text[], jsonb, attune.knowledge_kind) is
  E'@param id Which entry.\n'
  '@param version The version that was read, and is changed.\n'
  '@param title Another title.\n'
  '@param body Another body.\n'
  '@param tags Other tags, all of them.\n'
  '@param metadata Other metadata, all of it.\n'
  '@param kind Another kind; `system` is for administrators and trusted servers.\n'
  'Changes an entry, and returns it; what is left out stays as it is. '
  'For its author and administrators. '
  'When somebody else has changed it meanwhile, nothing is stored, and the error says which version was read, which is '
  'current, and whose that is (`changed_meanwhile`). '
  'Refused: `not_signed_in`, `unknown_entry`, `author_required`, `admin_required`, `title_required`, `blank_tag`, '
  '`too_large`, `value_too_deep`, `invalid_metadata`, `too_many_knowledge_writes`, `knowledge_full`.';
revoke all on function attune.update_knowledge_entry(uuid, integer, text, text, text[], jsonb, attune.knowledge_kind)
  from public;
grant execute on function attune.update_knowledge_entry(uuid, integer, text, text, text[], jsonb, attune.knowledge_kind)
  to anon, authenticated, service_role;
--! EndIncluded knowledge/update_knowledge_entry.sql
--! Included knowledge/delete_knowledge_entry.sql
create or replace function attune.delete_knowledge_entry(id uuid, version integer)
returns attune.knowledge_entries
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  entry constant attune.knowledge_entries := attune_private.lock_entry(
    attune_private.current_caller(), delete_knowledge_entry.id, delete_knowledge_entry.version
  );
begin
  delete from attune.knowledge_entries as e where e.id = entry.id;
  return entry;
end;
$$;
comment on function attune.delete_knowledge_entry(uuid, integer) is
  E'@param id Which entry.\n'
  '@param version The version that was read.\n'
  'Deletes an entry, and returns what it was. '
  'For its author and administrators, who can bring it back with `restore_knowledge_version`. '
  'Refused: `not_signed_in`, `unknown_entry`, `author_required`, `admin_required`, and `changed_meanwhile` when '
  'somebody else has changed it since.';
revoke all on function attune.delete_knowledge_entry(uuid, integer) from public;
grant execute on function attune.delete_knowledge_entry(uuid, integer) to anon, authenticated, service_role;
--! EndIncluded knowledge/delete_knowledge_entry.sql
--! Included knowledge/restore_knowledge_version.sql
create or replace function attune.restore_knowledge_version(
  entry_id uuid,
  version integer,
  current_version integer default null
)
returns attune.knowledge_entries
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  acting constant text := attune_private.acting_agent();
  latest attune.knowledge_versions;
  wanted attune.knowledge_versions;
  entry attune.knowledge_entries;
begin
  perform attune_private.require_somebody(caller);

  -- The first version is locked before the entry, since it is there when the entry is gone. Which is the last is asked
  -- only then, when nobody else can bring the entry back.
  perform
  from attune.knowledge_versions as v
  where v.entry_id = restore_knowledge_version.entry_id
    and v.version = 1
  for update;
  perform from attune.knowledge_entries as e where e.id = restore_knowledge_version.entry_id for update;

  select v.* into latest
  from attune.knowledge_versions as v
  where v.entry_id = restore_knowledge_version.entry_id
  order by v.version desc
  limit 1;

  if not found then
    perform attune_private.refuse_unknown_entry();
  end if;

  if latest.operation = 'DELETE'
    and (caller.is_admin or caller.is_trusted or latest.created_by = caller.user_id) is not true
  then
    perform attune_private.refuse_unknown_entry();
  end if;

  perform attune_private.require_author(caller, latest.created_by, latest.kind);

  if restore_knowledge_version.current_version <> latest.version then
    perform attune_private.refuse_stale_version(latest.entry_id, restore_knowledge_version.current_version);
  end if;

  select v.* into wanted
  from attune.knowledge_versions as v
  where v.entry_id = latest.entry_id
    and v.version = restore_knowledge_version.version;

  if wanted.title is null then
    raise exception using
      errcode = 'PT404',
      message = 'There is no such version, or nothing is left of it',
      detail = 'unknown_version',
      hint = 'Name a version that has a title: a deletion has none, and neither has what was purged.';
  end if;

  perform attune_private.require_author(caller, wanted.created_by, wanted.kind);

  if latest.operation = 'DELETE' then
    insert into attune.knowledge_entries (
      id, kind, title, body, tags, metadata, version, restored_from,
      created_by, created_by_agent, created_at, updated_by, updated_by_agent
    )
    select
      wanted.entry_id, wanted.kind, wanted.title, wanted.body, wanted.tags, wanted.metadata, latest.version + 1,
      wanted.version, v.created_by, v.agent, v.changed_at, caller.user_id, acting
    from attune.knowledge_versions as v
    where v.entry_id = wanted.entry_id
      and v.version = 1
    returning * into entry;

    perform attune_private.check_knowledge_amounts(caller);
    return entry;
  end if;

  select e.* into entry from attune.knowledge_entries as e where e.id = wanted.entry_id;
  entry.kind := wanted.kind;
  entry.title := wanted.title;
  entry.body := wanted.body;
  entry.tags := wanted.tags;
  entry.metadata := wanted.metadata;
  entry.restored_from := wanted.version;
  return attune_private.write_entry(caller, entry);
end;
$$;
comment on function attune.restore_knowledge_version(uuid, integer, integer) is
  E'@param entry_id Which entry; also one that was deleted.\n'
  '@param version The version that is put back.\n'
  '@param current_version The current version, where it was read; whichever it is when left out.\n'
  'Puts an earlier version of an entry back as its next one, and returns the entry. '
  'For its author and administrators; no version is lost by it. '
  'Refused: `not_signed_in`, `unknown_entry`, `unknown_version`, `author_required`, `admin_required`, '
  '`changed_meanwhile`, `too_many_knowledge_writes`, `knowledge_full`.';
revoke all on function attune.restore_knowledge_version(uuid, integer, integer) from public;
grant execute on function attune.restore_knowledge_version(uuid, integer, integer) to anon, authenticated, service_role;
--! EndIncluded knowledge/restore_knowledge_version.sql
--! Included knowledge/acquire_edit_lease.sql
create or replace function attune.acquire_edit_lease(entry_id uuid)
returns attune.knowledge_edit_leases
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  holder constant text := attune_private.acting_agent();
  lasts constant interval := attune_private.system_interval('KNOWLEDGE_LEASE_SECONDS', interval '2 minutes');
  entry attune.knowledge_entries;
  lease attune.knowledge_edit_leases;
begin
  perform attune_private.require_user(caller);

  select e.* into entry
  from attune.knowledge_entries as e
  where e.id = acquire_edit_lease.entry_id
  for key share;

  if not found then
    perform attune_private.refuse_unknown_entry();
  end if;

  perform attune_private.require_author(caller, entry.created_by, entry.kind);

  insert into attune.knowledge_edit_leases as l (entry_id, held_by, agent, expires_at)
  values (entry.id, caller.user_id, holder, clock_timestamp() + lasts)
  on conflict on constraint knowledge_edit_leases_pkey do update set
    held_by = excluded.held_by,
    agent = excluded.agent,
    acquired_at = case when l.expires_at > now() then l.acquired_at else excluded.acquired_at end,
    expires_at = greatest(l.expires_at, excluded.expires_at)
  where l.expires_at <= clock_timestamp()
    or l.held_by = excluded.held_by and l.agent is not distinct from excluded.agent
  returning l.* into lease;

  if found then
    return lease;
  end if;

  select l.* into strict lease from attune.knowledge_edit_leases as l where l.entry_id = entry.id;

  raise exception using
    errcode = 'PT409',
    message = format('It is being edited, until %s at the latest unless that goes on', lease.expires_at),
    detail = 'edit_lease_held',
    hint = attune_private.hint_with_conflict(
      'Wait, or ask who is at it. You may write all the same: what was written meanwhile is never overwritten.',
      json_build_object(
        'entry_id', lease.entry_id,
        'held_by_id', lease.held_by,
        'held_by_name', (select u.name from attune.users as u where u.id = lease.held_by),
        'agent', lease.agent,
        'expires_at', lease.expires_at
      )
    );
end;
$$;
comment on function attune.acquire_edit_lease(uuid) is
  E'@param entry_id Which entry.\n'
  'Tells others that the caller is editing an entry, for `KNOWLEDGE_LEASE_SECONDS`, and returns the lease. '
  'Whoever holds it calls this again while they go on, from however many tabs. '
  'It keeps nobody from writing: it warns. '
  'A user and an agent that acts for them are two who edit. '
  'Refused: `not_signed_in`, `unknown_entry`, `author_required`, `admin_required`, and `edit_lease_held` while somebody '
  'else holds it, with who that is and until when.';
revoke all on function attune.acquire_edit_lease(uuid) from public;
grant execute on function attune.acquire_edit_lease(uuid) to anon, authenticated, service_role;
--! EndIncluded knowledge/acquire_edit_lease.sql
--! Included knowledge/release_edit_lease.sql
create or replace function attune.release_edit_lease(entry_id uuid)
returns attune.knowledge_edit_leases
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  lease attune.knowledge_edit_leases;
begin
  perform attune_private.require_user(caller);

  -- It stays as one that ran out, so that others hear of it.
  update attune.knowledge_edit_leases as l
  set expires_at = now()
  where l.entry_id = release_edit_lease.entry_id
    and l.held_by = caller.user_id
    and l.agent is not distinct from attune_private.acting_agent()
    and l.expires_at > now()
  returning l.* into lease;

  -- Else a lease without anything in it would be returned.
  return case when found then lease end;
end;
$$;
comment on function attune.release_edit_lease(uuid) is
  E'@nullable\n'
  '@param entry_id Which entry.\n'
  'Gives up the caller''s edit lease, and returns it; null when they hold none. '
  'Refused: `not_signed_in`.';
revoke all on function attune.release_edit_lease(uuid) from public;
grant execute on function attune.release_edit_lease(uuid) to anon, authenticated, service_role;
--! EndIncluded knowledge/release_edit_lease.sql

-- Finding

create type attune_private.knowledge_hit as (
  entry_id uuid,
  rank real,
  created_at timestamptz,
  is_similar boolean,
  since timestamptz,
  until timestamptz
);
comment on type attune_private.knowledge_hit is
  'An entry that a search finds, and where it stands: among those that were made in a span, by its rank.';

create type attune.knowledge_match as (
  knowledge_entry attune.knowledge_entries,
  rank real,
  highlighted_title text,
  excerpt text,
  is_similar boolean
);
comment on type attune.knowledge_match is 'An entry that was found, and how.';
comment on column attune.knowledge_match.knowledge_entry is
  E'@notNull\n'
  'The entry.';
comment on column attune.knowledge_match.rank is
  E'@notNull\n'
  'How good it is; to be compared only within the same search, and with others that are as similar.';
comment on column attune.knowledge_match.highlighted_title is
  E'@notNull\n'
  'Its title as HTML: the words that were found in `<mark>`, all else escaped.';
comment on column attune.knowledge_match.excerpt is
  E'@notNull\n'
  'Where the words are in its body, or how that begins, as HTML: the words in `<mark>`, all else escaped.';
comment on column attune.knowledge_match.is_similar is
  E'@notNull\n'
  'True when it has only words that are spelled like those of the query.';

create type attune.knowledge_search as (
  matches attune.knowledge_match[],
  has_next_page boolean,
  end_cursor text
);
comment on type attune.knowledge_search is 'A page of what a search found.';
comment on column attune.knowledge_search.matches is
  E'@notNull\n'
  'The best first; those that are only similar last.';
comment on column attune.knowledge_search.has_next_page is
  E'@notNull\n'
  'Whether there are more.';
comment on column attune.knowledge_search.end_cursor is 'Where the next page begins (`after`); null when nothing was found.';

--! Included knowledge/private/knowledge_query.sql
create or replace function attune_private.knowledge_query(query text)
returns tsquery
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  words constant text := attune_private.knowledge_text(query);
  said tsquery;
begin
  -- Without the words that say nothing, unless there are no others.
  said := websearch_to_tsquery('pg_catalog.english', words);
  return case when numnode(said) > 0 then said else websearch_to_tsquery('attune_private.knowledge', words) end;
exception
  -- It takes whatever is typed, except more minus signs in a row than it has room for.
  when internal_error then return plainto_tsquery('attune_private.knowledge', words);
end;
$$;
comment on function attune_private.knowledge_query(text) is
  'What somebody looks for: words that all occur, "words in a row", either or other, and -not; each by its English '
  'stem.';
revoke all on function attune_private.knowledge_query(text) from public;
--! EndIncluded knowledge/private/knowledge_query.sql
--! Included knowledge/private/fewer_words.sql
create or replace function attune_private.fewer_words(words tsquery)
returns tsquery
language sql immutable parallel safe security invoker
begin atomic
  select case
    when numnode(words) <= 15 then words
    else (
      select string_agg(l.lexeme, ' | ' order by l.lexeme)::tsquery
      from (
        select distinct m.found[1] as lexeme
        from regexp_matches(words::text, '(''(?:[^'']|'''')+'')', 'g') as m (found)
        order by m.found[1]
        limit 20
      ) as l
    )
  end;
end;
comment on function attune_private.fewer_words(tsquery) is
  'A query, or of a long one up to twenty of its words, any of them: what ranking and marking cost grows with the square '
  'of the words.';
revoke all on function attune_private.fewer_words(tsquery) from public;
--! EndIncluded knowledge/private/fewer_words.sql
--! Included knowledge/private/similar_words.sql
do $do$
begin
  -- Bound to pg_trgm where it is, so that no search_path matters.
  execute format(
    $sql$
      create or replace function attune_private.similar_words(word text, chosen bigint[])
      returns text[]
      language sql stable parallel safe security invoker
      begin atomic
        select array(
          select k.word
          from attune_private.knowledge_words as k
          where k.word operator(%1$s.%%) similar_words.word
            and (similar_words.chosen is null or hashtextextended(k.word, 0) = any (similar_words.chosen))
          group by k.word
          order by %1$s.similarity(k.word, similar_words.word) desc, k.word
          limit 3
        );
      end
    $sql$,
    (select e.extnamespace::regnamespace from pg_catalog.pg_extension as e where e.extname = 'pg_trgm')
  );
end;
$do$;
comment on function attune_private.similar_words(text, bigint[]) is
  'Up to three words of the entries that are spelled like this one, the most similar first; of those with these hashes, '
  'where there are any.';
revoke all on function attune_private.similar_words(text, bigint[]) from public;
--! EndIncluded knowledge/private/similar_words.sql
--! Included knowledge/private/similar_query.sql
create or replace function attune_private.similar_query(
  query text,
  chosen bigint[],
  out meant tsquery,
  out choice bigint[]
)
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  lexeme text;
  word text;
  hash bigint;
  hashes bigint[];
  -- Of three words at most for each.
  earlier bigint[];
  possible tsquery;
begin
  meant := '';
  choice := '{}';

  for lexeme in
    select u.lexeme
    from unnest(to_tsvector('pg_catalog.simple', attune_private.knowledge_text(query))) as u
    where char_length(u.lexeme) between 3 and 40
      and ts_lexize('pg_catalog.english_stem', u.lexeme) <> '{}'
    order by u.positions[1]
    limit 10
  loop
    possible := '';
    hashes := '{}';
    earlier := similar_query.chosen[cardinality(choice) + 1 : cardinality(choice) + 3];

    foreach word in array attune_private.similar_words(lexeme, earlier) loop
      possible := possible || plainto_tsquery('attune_private.knowledge', word);
      hashes := hashes || hashtextextended(word, 0);
    end loop;

    -- Of a word that is gone its hash keeps the place, which no text has for a word: the ranks of others stay.
    for hash in select e.hash from unnest(earlier) as e (hash) where e.hash <> all (hashes) loop
      possible := possible || quote_literal('#' || hash)::tsquery;
    end loop;

    meant := meant && possible;
    choice := choice || hashes || array_fill(null::bigint, array[3 - cardinality(hashes)]);
  end loop;
end;
$$;
comment on function attune_private.similar_query(text, bigint[]) is
  'What somebody may have meant: each word may be any that is spelled like it, and the hashes of those, three a word. '
  'Given such hashes it is what was meant before. '
  'Words that nothing is like are left out; an empty query when there is no other.';
revoke all on function attune_private.similar_query(text, bigint[]) from public;
--! EndIncluded knowledge/private/similar_query.sql
--! Included knowledge/private/knowledge_hits.sql
create or replace function attune_private.knowledge_hits(
  words tsquery,
  except_words tsquery,
  kinds attune.knowledge_kind[],
  tags text[],
  most integer,
  last attune_private.knowledge_hit
)
returns attune_private.knowledge_hit[]
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
-- Planned for each search by itself: which index serves depends on what is asked.
set plan_cache_mode = force_custom_plan
as $$
declare
  -- Of the body, of the tags and of the title.
  weights constant real[] := '{0,0.2,0.6,1}';
  -- What the rank of each costs, is paid for so many at most: of a word that thousands have, the newest come first.
  ranked constant integer := 2000;
  ranking constant tsquery := attune_private.fewer_words(words);
  hits attune_private.knowledge_hit[] := '{}';
  after_id uuid := last.entry_id;
  after_rank constant real := last.rank;
  after_created_at constant timestamptz := last.created_at;
  until timestamptz := coalesce(last.until, 'infinity');
  since timestamptz := last.since;
begin
  loop
    if since is null then
      select i.created_at into since
      from attune_private.knowledge_index as i
      where (numnode(words) = 0 or i.search_vector @@ words)
        and (except_words is null or not i.search_vector @@ except_words)
        and (kinds is null or i.kind = any (kinds))
        and (knowledge_hits.tags is null or i.tags @> knowledge_hits.tags)
        and i.created_at < until
      order by i.created_at desc
      offset ranked - 1
      limit 1;

      since := coalesce(since, '-infinity');
    end if;

    hits := hits || array(
      select (f.entry_id, f.rank, f.created_at, except_words is not null, since, until)::attune_private.knowledge_hit
      from (
        select
          i.entry_id,
          i.created_at,
          case when numnode(words) > 0 then ts_rank(weights, i.search_vector, ranking, 1) else 0 end as rank
        from attune_private.knowledge_index as i
        where (numnode(words) = 0 or i.search_vector @@ words)
          and (except_words is null or not i.search_vector @@ except_words)
          and (kinds is null or i.kind = any (kinds))
          and (knowledge_hits.tags is null or i.tags @> knowledge_hits.tags)
          and i.created_at >= since
          and i.created_at < until
      ) as f
      where after_id is null or (f.rank, f.created_at, f.entry_id) < (after_rank, after_created_at, after_id)
      order by f.rank desc, f.created_at desc, f.entry_id desc
      limit most - cardinality(hits)
    );

    exit when cardinality(hits) >= most or since = '-infinity';
    until := since;
    since := null;
    after_id := null;
  end loop;

  return hits;
end;
$$;
comment on function attune_private.knowledge_hits(
  tsquery, tsquery, attune.knowledge_kind[], text[], integer, attune_private.knowledge_hit
) is
  'The best entries with these words, and not these, of these kinds and with all of these tags, behind the last that was '
  'shown: first those in whose title they are, then the newest. '
  'All are with no words. '
  'Of more than 2,000 the newest 2,000 come first, the best of them at the head, then the next.';
revoke all on function attune_private.knowledge_hits(
  tsquery, tsquery, attune.knowledge_kind[], text[], integer, attune_private.knowledge_hit
) from public;
--! EndIncluded knowledge/private/knowledge_hits.sql
--! Included knowledge/private/knowledge_cursor.sql
create or replace function attune_private.knowledge_cursor(hit attune_private.knowledge_hit, choice bigint[])
returns text
language sql stable parallel safe security invoker
begin atomic
  select translate(
    encode(
      convert_to(
        jsonb_build_array(
          (knowledge_cursor.hit).entry_id,
          (knowledge_cursor.hit).rank,
          (knowledge_cursor.hit).created_at,
          (knowledge_cursor.hit).is_similar,
          (knowledge_cursor.hit).since,
          (knowledge_cursor.hit).until,
          knowledge_cursor.choice
        )::text,
        'UTF8'
      ),
      'base64'
    ),
    E'\n',
    ''
  );
end;
comment on function attune_private.knowledge_cursor(attune_private.knowledge_hit, bigint[]) is
  'Where in a search an entry stands, as text: what comes behind it stays so, whatever is added. '
  'It has no word of any entry, only hashes of those that were meant.';
revoke all on function attune_private.knowledge_cursor(attune_private.knowledge_hit, bigint[]) from public;
--! EndIncluded knowledge/private/knowledge_cursor.sql
--! Included knowledge/private/read_knowledge_cursor.sql
create or replace function attune_private.read_knowledge_cursor(
  cursor text,
  out hit attune_private.knowledge_hit,
  out choice bigint[]
)
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  parts jsonb;
begin
  begin
    parts := convert_from(decode(cursor, 'base64'), 'UTF8')::jsonb;
    hit := (parts ->> 0, parts ->> 1, parts ->> 2, parts ->> 3, parts ->> 4, parts ->> 5);
    choice := case
      when jsonb_typeof(parts -> 6) = 'array' then array(
        select c.hash::bigint
        from jsonb_array_elements_text(parts -> 6) with ordinality as c (hash, place)
        order by c.place
      )
    end;
  exception
    when data_exception or program_limit_exceeded then hit := null;
  end;

  if num_nulls(hit.entry_id, hit.rank, hit.created_at, hit.is_similar, hit.since, hit.until) > 0 then
    raise exception using
      errcode = 'PT400',
      message = 'This is no cursor of a search',
      detail = 'invalid_cursor',
      hint = 'Send the end cursor of the page before, or none for the first page.';
  end if;
end;
$$;
comment on function attune_private.read_knowledge_cursor(text) is
  'What `knowledge_cursor` made a text of. '
  'Refused: `invalid_cursor`.';
revoke all on function attune_private.read_knowledge_cursor(text) from public;
--! EndIncluded knowledge/private/read_knowledge_cursor.sql
--! Included knowledge/private/find_knowledge.sql
create or replace function attune_private.find_knowledge(
  query text,
  kinds attune.knowledge_kind[],
  tags text[],
  first integer,
  after text
)
returns table (entry_id uuid, rank real, is_similar boolean, words tsquery, end_cursor text, has_more boolean)
language plpgsql stable parallel safe security invoker
rows 20
set search_path = pg_catalog, pg_temp
as $$
declare
  -- With fewer than these, what was meant may be spelled otherwise.
  few constant integer := 5;
  asked constant tsquery := attune_private.knowledge_query(coalesce(find_knowledge.query, ''));
  is_blank constant boolean := (find_knowledge.query ~ '\S') is not true;
  wanted_tags constant text[] := nullif(attune_private.normal_tags(find_knowledge.tags), '{}');
  -- What may have been meant, found out for the first page, and handed on as hashes: new words change no page, and the
  -- cursor tells none.
  meant tsquery;
  choice bigint[];
  place record;
  last attune_private.knowledge_hit;
  hits attune_private.knowledge_hit[] := '{}';
begin
  perform attune_private.check_size('The query', char_length(find_knowledge.query), 1000, 'characters');
  perform attune_private.check_size('The list of tags', cardinality(find_knowledge.tags), 20, 'tags');
  perform attune_private.check_size('The cursor', char_length(find_knowledge.after), 8000, 'characters');

  if (find_knowledge.first between 1 and 100) is not true then
    raise exception using
      errcode = 'PT422',
      message = 'A page has 1 to 100 entries',
      detail = 'invalid_page_size',
      hint = 'Give a whole number from 1 to 100.';
  end if;

  if find_knowledge.after is not null then
    place := attune_private.read_knowledge_cursor(find_knowledge.after);
    last := place.hit;
    choice := place.choice;
    if choice is not null then
      meant := (attune_private.similar_query(find_knowledge.query, choice)).meant;
    end if;
  end if;

  -- Nothing but signs, of which none is a word.
  if numnode(asked) = 0 and not is_blank then
    return;
  end if;

  if last.is_similar is not true then
    hits := attune_private.knowledge_hits(
      asked, null, find_knowledge.kinds, wanted_tags, greatest(find_knowledge.first + 1, few), last
    );

    -- Who says just what must be there, and what not, means it.
    if last.entry_id is null and cardinality(hits) < few and find_knowledge.query !~ '"|(^|\s)-' then
      select s.meant, s.choice into meant, choice from attune_private.similar_query(find_knowledge.query, null) as s;
    end if;
  end if;

  if cardinality(hits) <= find_knowledge.first and numnode(meant) > 0 then
    hits := hits || attune_private.knowledge_hits(
      meant,
      asked,
      find_knowledge.kinds,
      wanted_tags,
      find_knowledge.first + 1 - cardinality(hits),
      case when last.is_similar then last end
    );
  end if;

  return query
    select
      h.entry_id,
      h.rank,
      h.is_similar,
      case when h.is_similar then meant else asked end,
      attune_private.knowledge_cursor((h.entry_id, h.rank, h.created_at, h.is_similar, h.since, h.until), choice),
      cardinality(hits) > find_knowledge.first
    from unnest(hits) with ordinality as h (entry_id, rank, created_at, is_similar, since, until, place)
    where h.place <= find_knowledge.first
    order by h.place;
end;
$$;
comment on function attune_private.find_knowledge(text, attune.knowledge_kind[], text[], integer, text) is
  'A page of what a search finds, best first: which entry, how good, by words that are only spelled alike or not, by '
  'which words, the cursor behind it, and whether there is more behind the page. '
  'Refused: `too_large`, `invalid_page_size`, `invalid_cursor`.';
revoke all on function attune_private.find_knowledge(text, attune.knowledge_kind[], text[], integer, text) from public;
--! EndIncluded knowledge/private/find_knowledge.sql
--! Included knowledge/private/knowledge_excerpt.sql
create or replace function attune_private.knowledge_excerpt(value text, words tsquery, is_whole boolean)
returns text
language sql stable parallel safe security invoker
begin atomic
  with t as materialized (
    select k.searched, lower(k.searched) as lowered, attune_private.fewer_words(words) as fewer
    from (select attune_private.knowledge_text(value) as searched offset 0) as k
  )
  select replace(replace(replace(replace(replace(replace(replace(
    ts_headline(
      'attune_private.knowledge',
      -- What this costs grows much faster than the text does.
      case when is_whole then t.searched else substr(t.searched, greatest(1, w.first_at - 200), 1500) end,
      t.fewer,
      E'StartSel=\x01, StopSel=\x02, FragmentDelimiter=" … ", MinWords=20, MaxWords=40, ShortWord=0, '
        || case when is_whole then 'HighlightAll=true' else 'MaxFragments=2' end
    ),
    '&', '&amp;'), '"', '&quot;'), '''', '&#39;'), E'\x03', '&lt;'), E'\x04', '&gt;'), E'\x01', '<mark>'), E'\x02', '</mark>'
  )
  from t
  cross join lateral (
    -- The first word that begins as one of the query does.
    select
      min(nullif(strpos(t.lowered, left(m.found[1], greatest(3, char_length(m.found[1]) - 1))), 0)) as first_at
    from regexp_matches(t.fewer::text, '''((?:[^'']|'''')+)''', 'g') as m (found)
  ) as w;
end;
comment on function attune_private.knowledge_excerpt(text, tsquery, boolean) is
  'The parts of a text, or the whole of it, in which words occur, as HTML: these in `<mark>`, all else escaped. '
  'They are from the 1,500 characters around the first word; its beginning where none occurs.';
revoke all on function attune_private.knowledge_excerpt(text, tsquery, boolean) from public;
--! EndIncluded knowledge/private/knowledge_excerpt.sql
--! Included knowledge/search_knowledge.sql
create or replace function attune.search_knowledge(
  query text default null,
  kinds attune.knowledge_kind[] default null,
  tags text[] default null,
  first integer default 20,
  after text default null
)
returns attune.knowledge_search
language plpgsql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
-- That a query has only stop words, or a text a word that is too long, is told nobody.
set client_min_messages = warning
as $$
declare
  page attune.knowledge_search;
begin
  -- As the policies of the entries say: whoever is signed in sees all of them.
  perform attune_private.require_somebody(attune_private.current_caller());

  select
    coalesce(
      array_agg(
        (
          e,
          f.rank,
          attune_private.knowledge_excerpt(e.title, f.words, true),
          attune_private.knowledge_excerpt(e.body, f.words, false),
          f.is_similar
        )::attune.knowledge_match
        order by f.place
      ),
      '{}'
    ),
    coalesce(bool_or(f.has_more), false),
    (array_agg(f.end_cursor order by f.place desc))[1]
  into page.matches, page.has_next_page, page.end_cursor
  from attune_private.find_knowledge(
    search_knowledge.query, kinds, search_knowledge.tags, coalesce(first, 20), after
  ) with ordinality as f (entry_id, rank, is_similar, words, end_cursor, has_more, place)
  join attune.knowledge_entries as e on e.id = f.entry_id;

  return page;
end;
$$;
comment on function attune.search_knowledge(text, attune.knowledge_kind[], text[], integer, text) is
  E'@param query What is looked for, at most 1,000 characters: words that all occur, `"words in a row"`, `one or other`, '
  '`-without`. Without one, all entries are found, the newest first.\n'
  '@param kinds Only entries of one of these kinds.\n'
  '@param tags Only entries that have all of these tags.\n'
  '@param first How many at most, 1 to 100.\n'
  '@param after The end cursor of the page before.\n'
  'Finds entries by their words, best first, with the words marked. '
  'A word is found in any language, and in English in its other forms, too; in the title it counts most, in the body '
  'least. '
  'When hardly any entry has the words, those follow that have words which are spelled like them. '
  'Pages repeat and leave out nothing, whatever is added in between. '
  'Refused: `not_signed_in`, `too_large`, `invalid_page_size`, `invalid_cursor`.';
revoke all on function attune.search_knowledge(text, attune.knowledge_kind[], text[], integer, text) from public;
grant execute on function attune.search_knowledge(text, attune.knowledge_kind[], text[], integer, text)
  to anon, authenticated, service_role;
--! EndIncluded knowledge/search_knowledge.sql

-- What is taken away for good

create type attune.purged_knowledge as (knowledge_versions attune.knowledge_versions[], affected_count integer);
comment on type attune.purged_knowledge is
  E'@payload\n'
  'What is left of versions whose content was taken away.';
comment on column attune.purged_knowledge.knowledge_versions is
  E'@notNull\n'
  'The versions, oldest first; the first hundred.';
comment on column attune.purged_knowledge.affected_count is
  E'@notNull\n'
  'How many there are.';

--! Included knowledge/purge_knowledge.sql
create or replace function attune.purge_knowledge(entry_id uuid, reason text, versions integer[] default null)
returns attune.purged_knowledge
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  doomed integer[];
  purged attune.purged_knowledge;
begin
  perform attune_private.require_administrator(caller);

  if coalesce(btrim(purge_knowledge.reason), '') = '' then
    raise exception using
      errcode = 'PT400',
      message = 'Say why',
      detail = 'reason_required',
      hint = 'purge_knowledge(entry_id, reason): the operation is recorded with it.';
  end if;

  perform attune_private.check_size('The reason', char_length(purge_knowledge.reason), 1000, 'characters');

  -- In the order in which `restore_knowledge_version` locks.
  perform from attune.knowledge_versions as v where v.entry_id = purge_knowledge.entry_id and v.version = 1 for update;
  perform from attune.knowledge_entries as e where e.id = purge_knowledge.entry_id for update;

  -- What the entry says now goes by changing or deleting it.
  doomed := array(
    select v.version
    from attune.knowledge_versions as v
    where v.entry_id = purge_knowledge.entry_id
      and v.title is not null
      and (purge_knowledge.versions is null or v.version = any (purge_knowledge.versions))
      and not exists (select from attune.knowledge_entries as e where e.id = v.entry_id and e.version = v.version)
    order by v.version
  );

  if not exists (select from attune.knowledge_versions as v where v.entry_id = purge_knowledge.entry_id) then
    perform attune_private.refuse_unknown_entry();
  end if;

  insert into attune.maintenance_operations (
    operation, table_name, reason, details, affected_rows, actor_id, actor_role
  )
  values (
    'purge_knowledge',
    'attune.knowledge_versions',
    purge_knowledge.reason,
    -- Of very many the first few thousand.
    jsonb_build_object('entry_id', purge_knowledge.entry_id, 'versions', doomed[1:5000]),
    cardinality(doomed),
    caller.user_id,
    attune_private.request_role()
  );

  -- That it was written, when and by whom stays; what it was goes.
  update attune.knowledge_versions as v
  set title = null, body = null, tags = null, metadata = null, transaction_id = pg_current_xact_id()
  where v.entry_id = purge_knowledge.entry_id
    and v.version = any (doomed);

  purged.knowledge_versions := array(
    select v
    from attune.knowledge_versions as v
    where v.entry_id = purge_knowledge.entry_id
      and v.version = any (doomed[1:100])
    order by v.version
  );
  purged.affected_count := cardinality(doomed);
  return purged;
end;
$$;
comment on function attune.purge_knowledge(uuid, text, integer[]) is
  E'@param entry_id Of which entry, which may be gone.\n'
  '@param reason Why, for the record; at most 1,000 characters.\n'
  '@param versions Which of its versions; all when left out.\n'
  'Takes the content of earlier versions away for good, such as a password that was pasted; for administrators and '
  'trusted servers. '
  'What an entry says now is not touched: change or delete it first. '
  'It leaves a row in `maintenance_operations`, and that there were these versions. '
  'Refused: `not_signed_in`, `admin_required`, `unknown_entry`, `reason_required`, `too_large`.';
revoke all on function attune.purge_knowledge(uuid, text, integer[]) from public;
grant execute on function attune.purge_knowledge(uuid, text, integer[]) to anon, authenticated, service_role;
--! EndIncluded knowledge/purge_knowledge.sql
