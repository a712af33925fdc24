--! Previous: sha1:36d31f88a0ed47aa5d2bfaf6bf32629ece57c73f
--! Hash: sha1:f92cbd1b00f03a0c6bfa0fb7197576a4fd2973ff
--! Message: changes

-- What changed for whom, since when: the one source of live changes. The audit log, the notifications and the knowledge
-- hub are the outbox: their rows say in which transaction they changed. No NOTIFY: it makes writers wait for one another.

create type attune.changes as (
  cursor text,
  must_refetch boolean,
  setting_keys text[],
  notification_ids uuid[],
  knowledge_entry_ids uuid[]
);
comment on type attune.changes is 'What changed for somebody since a cursor, in the order of the last change.';
comment on column attune.changes.cursor is
  E'@notNull\n'
  'Where to go on from.';
comment on column attune.changes.must_refetch is
  E'@notNull\n'
  'Whether everything must be fetched anew, because what changed can''t be told; then the lists are empty.';
comment on column attune.changes.setting_keys is
  E'@notNull\n'
  'The settings of which what applies may be another now, in a project or outside, or that are gone.';
comment on column attune.changes.notification_ids is
  E'@notNull\n'
  'The notifications that came, or were changed.';
comment on column attune.changes.knowledge_entry_ids is
  E'@notNull\n'
  'The entries of the knowledge hub that were written, deleted, or taken for editing.';

--! Included changes/private/last_change.sql
create or replace function attune_private.last_change()
returns xid8
language sql stable parallel restricted security invoker
begin atomic
  select greatest(
    (
      select max(l.transaction_id)
      from attune.configuration_audit_log as l
      where l.transaction_id < pg_snapshot_xmax(pg_current_snapshot())
    ),
    (
      select max(n.transaction_id)
      from attune.notifications as n
      where n.transaction_id < pg_snapshot_xmax(pg_current_snapshot())
    ),
    (
      select max(v.transaction_id)
      from attune.knowledge_versions as v
      where v.transaction_id < pg_snapshot_xmax(pg_current_snapshot())
    ),
    (
      select max(l.transaction_id)
      from attune.knowledge_edit_leases as l
      where l.transaction_id < pg_snapshot_xmax(pg_current_snapshot())
    ),
    (
      select f.transaction_id
      from attune_private.forgotten_changes as f
      where f.database_identity = attune_private.database_identity()
    ),
    -- Below every transaction of its own that a database has.
    '2'
  );
end;
comment on function attune_private.last_change() is
  'The latest transaction that changed what `changes_since` tells of, as far as the statement sees. '
  'What was restored from another cluster, where the numbers were higher, does not count.';
revoke all on function attune_private.last_change() from public;
--! EndIncluded changes/private/last_change.sql
--! Included changes/private/cursor_identity.sql
create or replace function attune_private.cursor_identity(witness xid)
returns text
language sql stable parallel restricted security invoker
begin atomic
  select substr(
    encode(
      sha256(
        convert_to(
          concat_ws(
            ' ',
            attune_private.database_identity(),
            extract(
              epoch from case
                when cursor_identity.witness::text = '0' then pg_postmaster_start_time()
                when current_setting('track_commit_timestamp')::boolean
                  then pg_xact_commit_timestamp(cursor_identity.witness)
              end
            )
          ),
          'utf8'
        )
      ),
      'hex'
    ),
    1,
    16
  );
end;
comment on function attune_private.cursor_identity(xid) is
  'Of which history a cursor is: 16 hexadecimal digits, made of the identity of the database and of when its witness was '
  'committed, the last transaction that was committed when the cursor was made. '
  'A copy of the data that is put back, or a crash that takes back commits, does not change the identity of the '
  'database; but there the witness is not known, or another. '
  'The witness 0 stands for the start of the server, where commits are not tracked (`track_commit_timestamp`) or none '
  'was made since: such a cursor is good on this server, until it is started again.';
revoke all on function attune_private.cursor_identity(xid) from public;
--! EndIncluded changes/private/cursor_identity.sql
--! Included changes/private/current_cursor.sql
create or replace function attune_private.current_cursor()
returns text
language sql stable parallel restricted security invoker
begin atomic
  select concat_ws(
    ':',
    attune_private.cursor_identity(w.witness::xid),
    w.witness,
    coalesce(min(u.id), e.seen_before),
    e.seen_before,
    coalesce(string_agg(u.id::text, ',' order by u.id), '')
  )
  from (
    select c.last_change::text::bigint + 1
    from attune_private.last_change() as c (last_change)
  ) as n (next_change)
  cross join lateral (
    select case
      -- A standby does not tell which transactions after the oldest are still under way: none of them counts as seen.
      when pg_is_in_recovery() then least(n.next_change, pg_snapshot_xmin(pg_current_snapshot())::text::bigint)
      else n.next_change
    end
  ) as e (seen_before)
  cross join lateral (
    select coalesce(
      case when current_setting('track_commit_timestamp')::boolean then (pg_last_committed_xact()).xid::text end, '0'
    )
  ) as w (witness)
  left join pg_snapshot_xip(pg_current_snapshot()) as x (id) on x.id::text::bigint < e.seen_before
  cross join lateral (select x.id::text::bigint) as u (id)
  group by w.witness, e.seen_before;
end;
comment on function attune_private.current_cursor() is
  'A cursor of what the statement sees: of which history it is (`cursor_identity`), its witness, and a snapshot, '
  'which says of every transaction whether its changes were seen. '
  'It reaches to the last change and no further: numbers that no change made durable may be given again after a crash.';
revoke all on function attune_private.current_cursor() from public;
--! EndIncluded changes/private/current_cursor.sql
--! Included changes/private/read_cursor.sql
create or replace function attune_private.read_cursor(cursor text)
returns pg_snapshot
language plpgsql stable parallel restricted security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  parts constant text[] := regexp_match(
    read_cursor.cursor, '^([0-9a-f]{16}):([0-9]{1,10}):([0-9]{1,19}:[0-9]{1,19}:(?:[0-9]{1,19}(?:,[0-9]{1,19})*)?)$'
  );
  witness xid;
  since pg_snapshot;
begin
  if read_cursor.cursor is null then
    return null;
  end if;

  perform attune_private.check_size('The cursor', char_length(read_cursor.cursor), 65536, 'characters');

  begin
    if parts is null then
      raise invalid_text_representation;
    end if;

    witness := parts[2]::xid;
    since := parts[3]::pg_snapshot;
  exception
    when invalid_text_representation or numeric_value_out_of_range then
      raise exception using
        errcode = 'PT400',
        message = 'This is no cursor',
        detail = 'invalid_cursor',
        hint = 'Send a cursor as it was told, or none to begin with.';
  end;

  return case
    when parts[1] = attune_private.cursor_identity(witness)
      and pg_snapshot_xmax(since) <= pg_snapshot_xmax(pg_current_snapshot())
      and not exists (
        select
        from attune_private.forgotten_changes as f
        where f.database_identity = attune_private.database_identity()
          and not pg_visible_in_snapshot(f.transaction_id, since)
      )
      then since
  end;
end;
$$;
comment on function attune_private.read_cursor(text) is
  'The snapshot that a cursor was made from. '
  'NULL when there is none, or it says nothing here: it is another database''s, or of a history that a restore took back, '
  'or changes since then were removed. '
  'Refused: `invalid_cursor`, `too_large`.';
revoke all on function attune_private.read_cursor(text) from public;
--! EndIncluded changes/private/read_cursor.sql
--! Included changes/private/recent_changes.sql
create or replace function attune_private.recent_changes(since pg_snapshot, user_ids uuid[])
returns table (user_id uuid, must_refetch boolean, setting_keys text[], notification_ids uuid[])
language plpgsql stable parallel restricted security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  first constant xid8 := pg_snapshot_xmax(since);
  beyond constant xid8 := pg_snapshot_xmax(pg_current_snapshot());
  late constant xid8[] := array(select pg_snapshot_xip(since));
begin
  return query
    with callers as materialized (
      select u.id, u.plan, u.current_team_id::text as team, attune_private.audience_of_user(u.id) as audience
      from attune.users as u
      where u.id = any (recent_changes.user_ids)
    ), entries as materialized (
      select l.id, l.subject, l.layer, l.user_id, l.scope, l.key, l.previous_attributes, l.new_attributes, false as ends_rights
      from attune.configuration_audit_log as l
      where l.layer in ('default', 'global', 'plan', 'team')
        and (l.transaction_id >= first and l.transaction_id < beyond or l.transaction_id = any (late))
      union all
      select
        l.id, l.subject, l.layer, l.user_id, l.scope, l.key, null, null,
        l.subject = 'user' and l.key = 'is_admin' and l.new_value = 'false'
      from attune.configuration_audit_log as l
      where l.user_id = any (recent_changes.user_ids)
        and (l.transaction_id >= first and l.transaction_id < beyond or l.transaction_id = any (late))
    ), shared as (
      select s.layer, s.scope, s.key, min(s.audience) as audience, max(s.id) as id
      from (
        select e.layer, e.scope, e.key, d.audience, e.id
        from entries as e
        join attune.setting_definitions as d on d.key = e.key
        where e.layer in ('global', 'plan', 'team')
        union all
        -- Who is no longer shown a setting is told, and so is who knew it by another key.
        select 'default', null, a.key, a.audience, e.id
        from entries as e
        cross join lateral (
          values
            (e.key, (e.new_attributes ->> 'audience')::attune.setting_audience),
            (
              coalesce(e.previous_attributes ->> 'key', e.key),
              (e.previous_attributes ->> 'audience')::attune.setting_audience
            )
        ) as a (key, audience)
        where e.layer = 'default'
          and a.audience is not null
      ) as s
      group by s.layer, s.scope, s.key
    ), amounts as materialized (
      -- Looked at before every name is told to everybody.
      select
        (select count(distinct s.key) from shared as s) > 100 as is_much_shared,
        (select count(*) from attune.setting_definitions) > 100 as is_much_defined
    ), told as (
      select c.id as user_id, s.key, s.id
      from callers as c
      join shared as s
        on s.audience <= c.audience
        and (s.layer in ('default', 'global') or s.layer = 'plan' and s.scope = c.plan or s.layer = 'team' and s.scope = c.team)
      where not (select a.is_much_shared from amounts as a)
      union all
      select c.id, d.key, e.id
      from entries as e
      join callers as c on c.id = e.user_id
      join attune.setting_definitions as d on d.key = e.key and d.audience <= c.audience
      where e.layer in ('user', 'project')
      union all
      -- Somebody else by plan, team or rights: every setting may be another.
      select c.id, d.key, e.id
      from (
        select s.user_id, max(s.id) as id
        from entries as s
        where s.subject = 'user'
        group by s.user_id
      ) as e
      join callers as c on c.id = e.user_id
      join attune.setting_definitions as d on d.audience <= c.audience
      where not (select a.is_much_defined from amounts as a)
    ), settings as (
      select t.user_id, array_agg(t.key order by t.id, t.key) as keys
      from (select g.user_id, g.key, max(g.id) as id from told as g group by g.user_id, g.key) as t
      group by t.user_id
    ), overtaken as (
      -- Of whom lost rights, what they were shown is gone, and what it is called now is not for them.
      select c.id as user_id
      from callers as c
      cross join amounts as a
      where a.is_much_shared
        or exists (
          select from entries as e
          where e.user_id = c.id
            and (e.ends_rights or e.subject = 'user' and a.is_much_defined)
        )
    ), inbox as (
      select n.user_id, array_agg(n.id order by n.transaction_id, n.arrived_at, n.id) as ids
      from attune.notifications as n
      where n.user_id = any (recent_changes.user_ids)
        and (n.transaction_id >= first and n.transaction_id < beyond or n.transaction_id = any (late))
      group by n.user_id
    )
    select c.id, o.user_id is not null, coalesce(s.keys, '{}'), coalesce(i.ids, '{}')
    from callers as c
    left join overtaken as o on o.user_id = c.id
    left join settings as s on s.user_id = c.id
    left join inbox as i on i.user_id = c.id
    where coalesce(o.user_id, s.user_id, i.user_id) is not null;
end;
$$;
comment on function attune_private.recent_changes(pg_snapshot, uuid[]) is
  'What changed for some users since a snapshot, in the order of the last change, a row for each for whom something '
  'did: the settings of which what applies may be another, and the notifications. '
  'A setting that a user is not shown, and was not before, is not named. '
  'Who lost the rights of an administrator must fetch everything anew, and so must all where more than a hundred '
  'settings changed.';
revoke all on function attune_private.recent_changes(pg_snapshot, uuid[]) from public;
--! EndIncluded changes/private/recent_changes.sql
--! Included changes/private/recent_knowledge.sql
create or replace function attune_private.recent_knowledge(since pg_snapshot)
returns uuid[]
language plpgsql stable parallel restricted security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  first constant xid8 := pg_snapshot_xmax(since);
  beyond constant xid8 := pg_snapshot_xmax(pg_current_snapshot());
  late constant xid8[] := array(select pg_snapshot_xip(since));
begin
  return coalesce(
    (
      select array_agg(e.entry_id order by e.transaction_id, e.entry_id)
      from (
        select c.entry_id, max(c.transaction_id) as transaction_id
        from (
          select v.entry_id, v.transaction_id
          from attune.knowledge_versions as v
          where v.transaction_id >= first and v.transaction_id < beyond or v.transaction_id = any (late)
          union all
          select l.entry_id, l.transaction_id
          from attune.knowledge_edit_leases as l
          where l.transaction_id >= first and l.transaction_id < beyond or l.transaction_id = any (late)
        ) as c
        group by c.entry_id
      ) as e
    ),
    '{}'
  );
end;
$$;
comment on function attune_private.recent_knowledge(pg_snapshot) is
  'The entries of the knowledge hub that changed since a snapshot, in the order of the last change: written, deleted, '
  'or taken for editing. '
  'All who are signed in see them.';
revoke all on function attune_private.recent_knowledge(pg_snapshot) from public;
--! EndIncluded changes/private/recent_knowledge.sql
--! Included changes/private/bounded_changes.sql
create or replace function attune_private.bounded_changes(
  cursor text,
  must_refetch boolean,
  setting_keys text[],
  notification_ids uuid[],
  knowledge_entry_ids uuid[]
)
returns attune.changes
language sql immutable parallel safe security invoker
begin atomic
  select case
    when bounded_changes.must_refetch
      or cardinality(bounded_changes.setting_keys) > 100
      or cardinality(bounded_changes.notification_ids) > 1000
      or cardinality(bounded_changes.knowledge_entry_ids) > 1000
      then row(bounded_changes.cursor, true, '{}', '{}', '{}')::attune.changes
    else row(
      bounded_changes.cursor,
      false,
      bounded_changes.setting_keys,
      bounded_changes.notification_ids,
      bounded_changes.knowledge_entry_ids
    )::attune.changes
  end;
end;
comment on function attune_private.bounded_changes(text, boolean, text[], uuid[], uuid[]) is
  'What changed, or, where that is more than a hundred settings or a thousand notifications or entries, that everything '
  'must be fetched anew.';
revoke all on function attune_private.bounded_changes(text, boolean, text[], uuid[], uuid[]) from public;
--! EndIncluded changes/private/bounded_changes.sql
--! Included changes/changes_since.sql
create or replace function attune.changes_since(cursor text default null)
returns attune.changes
language plpgsql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant attune_private.caller := attune_private.current_caller();
  since pg_snapshot;
  mine record;
begin
  perform attune_private.require_user(caller);
  since := attune_private.read_cursor(changes_since.cursor);

  if since is null then
    return attune_private.bounded_changes(
      attune_private.current_cursor(), changes_since.cursor is not null, '{}', '{}', '{}'
    );
  end if;

  select r.* into mine from attune_private.recent_changes(since, array[caller.user_id]) as r;
  return attune_private.bounded_changes(
    attune_private.current_cursor(),
    coalesce(mine.must_refetch, false),
    coalesce(mine.setting_keys, '{}'),
    coalesce(mine.notification_ids, '{}'),
    attune_private.recent_knowledge(since)
  );
end;
$$;
comment on function attune.changes_since(text) is
  E'@param cursor Since when: the `cursor` of an earlier answer or event. '
  'Left out: nothing yet, and a cursor to begin with.\n'
  'What changed for the caller since a cursor, so that a client which was away catches up: read what is named anew, '
  'then go on from the cursor that is returned. '
  'A transaction that was under way when the cursor was made, and committed afterwards, is in it. '
  '`must_refetch` says that the cursor says nothing here any more: it is from another database, from before a restore '
  'or a failover, from before changes that were removed from the records or before the caller lost the rights of an '
  'administrator, or more than a hundred settings, or a thousand notifications or entries, changed since. '
  'Refused: `not_signed_in`, `invalid_cursor`, `too_large`.';
revoke all on function attune.changes_since(text) from public;
grant execute on function attune.changes_since(text) to anon, authenticated, service_role;
--! EndIncluded changes/changes_since.sql
--! Included changes/hidden/outbox.sql
create or replace function attune_hidden.outbox(cursor text, user_ids uuid[])
returns table (user_id uuid, changes attune.changes)
language plpgsql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  since constant pg_snapshot := attune_private.read_cursor(outbox.cursor);
  until constant text := attune_private.current_cursor();
  -- The witness is another after every commit, whatever it was of.
  is_as_before constant boolean := since::text = regexp_replace(until, '^[^:]*:[^:]*:', '');
begin
  return query select null::uuid, attune_private.bounded_changes(
    until,
    outbox.cursor is not null and since is null,
    '{}',
    '{}',
    case when since is null or is_as_before then '{}' else attune_private.recent_knowledge(since) end
  );

  if since is not null and not is_as_before then
    return query
      select r.user_id, attune_private.bounded_changes(until, r.must_refetch, r.setting_keys, r.notification_ids, '{}')
      from attune_private.recent_changes(since, outbox.user_ids) as r;
  end if;
end;
$$;
comment on function attune_hidden.outbox(text, uuid[]) is
  E'@param cursor Since when; null to begin with.\n'
  '@param user_ids Who is listening.\n'
  'What a server has to announce since it asked last: first a row without a user, with the cursor to go on from and '
  'what concerns everybody, then a row for each of the users for whom something changed. '
  'For trusted servers.';
revoke all on function attune_hidden.outbox(text, uuid[]) from public;
grant execute on function attune_hidden.outbox(text, uuid[]) to service_role;
--! EndIncluded changes/hidden/outbox.sql
--! Included changes/hidden/users_of.sql
create or replace function attune_hidden.users_of(claims text[])
returns uuid[]
language plpgsql volatile parallel restricted security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  asking constant text := current_setting('request.jwt.claims', true);
  held text;
  users uuid[] := '{}';
begin
  foreach held in array coalesce(users_of.claims, '{}') loop
    perform set_config('request.jwt.claims', held, true);
    users := users || attune.current_user_id();
  end loop;

  perform set_config('request.jwt.claims', coalesce(asking, ''), true);
  return users;
end;
$$;
comment on function attune_hidden.users_of(text[]) is
  E'@param claims What tokens claim, each as the text of `request.jwt.claims`.\n'
  'Whose these tokens are now, in the same order: null where a session has ended or the user is gone. '
  'For trusted servers.';
revoke all on function attune_hidden.users_of(text[]) from public;
grant execute on function attune_hidden.users_of(text[]) to service_role;
--! EndIncluded changes/hidden/users_of.sql
