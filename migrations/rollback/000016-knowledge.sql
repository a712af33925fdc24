drop policy knowledge_entries_select_authenticated on attune.knowledge_entries;
drop policy knowledge_entries_select_service_role on attune.knowledge_entries;
drop policy knowledge_versions_select_reader_or_admin on attune.knowledge_versions;
drop policy knowledge_versions_select_service_role on attune.knowledge_versions;
drop policy knowledge_edit_leases_select_authenticated on attune.knowledge_edit_leases;
drop policy knowledge_edit_leases_select_service_role on attune.knowledge_edit_leases;

drop function
  attune.purge_knowledge(uuid, text, integer[]),
  attune.knowledge_entries_created_by_name(attune.knowledge_entries),
  attune.update_knowledge_entry(uuid, integer, text, text, text[], jsonb, attune.knowledge_kind),
  attune.delete_knowledge_entry(uuid, integer),
  attune.restore_knowledge_version(uuid, integer, integer),
  attune.knowledge_entries_can_edit(attune.knowledge_entries),
  attune.knowledge_edit_leases_held_by_name(attune.knowledge_edit_leases),
  attune.knowledge_versions_changed_by_name(attune.knowledge_versions),
  attune.release_edit_lease(uuid),
  attune.knowledge_entries_updated_by_name(attune.knowledge_entries),
  attune.acquire_edit_lease(uuid),
  attune.create_knowledge_entry(attune.knowledge_kind, text, text, text[], jsonb),
  attune_hidden.author_name(uuid),
  attune_private.find_knowledge(text, attune.knowledge_kind[], text[], integer, text),
  attune_private.knowledge_excerpt(text, tsquery, boolean),
  attune_private.learn_words(uuid, text[]),
  attune_private.check_knowledge_amounts(attune_private.caller),
  attune_private.knowledge_cursor(attune_private.knowledge_hit, bigint[]),
  attune_private.require_author(attune_private.caller, uuid, attune.knowledge_kind),
  attune_private.knowledge_hits(tsquery, tsquery, attune.knowledge_kind[], text[], integer, attune_private.knowledge_hit),
  attune_private.hint_with_conflict(text, json),
  attune_private.forget_words(uuid, text[]),
  attune_private.read_knowledge_cursor(text),
  attune_private.lock_entry(attune_private.caller, uuid, integer),
  attune_private.refuse_unknown_entry(),
  attune_private.knowledge_vector(text, text[], text),
  attune_private.refuse_stale_version(uuid, integer),
  attune_private.knowledge_query(text),
  attune_private.valid_entry(attune.knowledge_entries),
  attune_private.write_entry(attune_private.caller, attune.knowledge_entries),
  attune_private.similar_words(text, bigint[]),
  attune_private.fewer_words(tsquery),
  attune_private.knowledge_text(text),
  attune_private.similar_query(text, bigint[]),
  attune_private.words_to_learn(text, text[], text),
  attune.search_knowledge(text, attune.knowledge_kind[], text[], integer, text);

drop type attune.purged_knowledge;
drop type attune.knowledge_search;
drop type attune.knowledge_match;
drop type attune_private.knowledge_hit;

drop table attune_private.knowledge_words;
drop table attune_private.knowledge_index;
drop table attune.knowledge_edit_leases;
drop table attune.knowledge_versions;
drop table attune.knowledge_entries;

drop function
  attune_private.tg_knowledge_entries__version(),
  attune_private.tg_knowledge_entries__record(),
  attune_private.tg_knowledge_entries__index(),
  attune_private.tg_knowledge_versions__purge(),
  attune_private.are_tags(text[]),
  attune_private.normal_tags(text[]),
  attune_private.normal_title(text),
  attune_private.has_visible(text);

drop text search configuration attune_private.knowledge;
drop text search dictionary attune_private.english_words;

drop type attune.knowledge_kind;

-- The extension goes when it came with this migration: beside the secrets.
do $$
begin
  if exists (
    select from pg_catalog.pg_extension as e
    where e.extname = 'pg_trgm'
      and e.extnamespace = 'attune_private'::regnamespace
  ) then
    drop extension pg_trgm;
  end if;
end;
$$;
