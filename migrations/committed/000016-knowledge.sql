--! Previous: sha1:7d6ed437ef6caaceb7fd2d04c77f80de5e85337b
--! Hash: sha1:dc87515be868781d1f7013d845ec4df74bb2c847
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

--!include knowledge/private/has_visible.sql
--!include knowledge/private/normal_title.sql
--!include knowledge/private/normal_tags.sql
--!include knowledge/private/are_tags.sql

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

--!include knowledge/private/knowledge_text.sql
--!include knowledge/private/knowledge_vector.sql
--!include knowledge/private/words_to_learn.sql
--!include knowledge/private/learn_words.sql
--!include knowledge/private/forget_words.sql
--!include knowledge/triggers/tg_knowledge_entries__version.sql
--!include knowledge/triggers/tg_knowledge_entries__record.sql
--!include knowledge/triggers/tg_knowledge_entries__index.sql
--!include knowledge/triggers/tg_knowledge_versions__purge.sql

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

--!include knowledge/hidden/author_name.sql
--!include knowledge/knowledge_entries_created_by_name.sql
--!include knowledge/knowledge_entries_updated_by_name.sql
--!include knowledge/knowledge_versions_changed_by_name.sql
--!include knowledge/knowledge_edit_leases_held_by_name.sql
--!include knowledge/knowledge_entries_can_edit.sql

-- Writing

--!include knowledge/private/refuse_unknown_entry.sql
--!include knowledge/private/require_author.sql
--!include knowledge/private/hint_with_conflict.sql
--!include knowledge/private/refuse_stale_version.sql
--!include knowledge/private/lock_entry.sql
--!include knowledge/private/check_knowledge_amounts.sql
--!include knowledge/private/valid_entry.sql
--!include knowledge/private/write_entry.sql
--!include knowledge/create_knowledge_entry.sql
--!include knowledge/update_knowledge_entry.sql
--!include knowledge/delete_knowledge_entry.sql
--!include knowledge/restore_knowledge_version.sql
--!include knowledge/acquire_edit_lease.sql
--!include knowledge/release_edit_lease.sql

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

--!include knowledge/private/knowledge_query.sql
--!include knowledge/private/fewer_words.sql
--!include knowledge/private/similar_words.sql
--!include knowledge/private/similar_query.sql
--!include knowledge/private/knowledge_hits.sql
--!include knowledge/private/knowledge_cursor.sql
--!include knowledge/private/read_knowledge_cursor.sql
--!include knowledge/private/find_knowledge.sql
--!include knowledge/private/knowledge_excerpt.sql
--!include knowledge/search_knowledge.sql

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

--!include knowledge/purge_knowledge.sql
