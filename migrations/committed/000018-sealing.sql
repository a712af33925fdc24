--! Previous: sha1:f92cbd1b00f03a0c6bfa0fb7197576a4fd2973ff
--! Hash: sha1:eb55af7c6b2a44dd902044703af60fa403210e34
--! Message: sealing

-- Whether somebody tampered with the records: chains of hashes, and checkpoints to keep elsewhere.

create table attune.audit_seals (
  id bigint not null
    constraint audit_seals_pkey primary key,
  sealed_at timestamptz not null,
  snapshot text not null
    constraint audit_seals_snapshot_check check (char_length(snapshot) <= 1000000 and snapshot ~ '^\d+:\d+:[\d,]*$'),
  database_identity text not null
    constraint audit_seals_database_identity_check check (database_identity ~ '^[0-9a-f]{16}$'),
  transaction_id xid8 not null,
  first_sequence bigint not null,
  last_sequence bigint not null,
  rows_hash text not null
    constraint audit_seals_rows_hash_check check (rows_hash ~ '^[0-9a-f]{64}$'),
  hash text not null
    constraint audit_seals_hash_check check (hash ~ '^[0-9a-f]{64}$'),
  constraint audit_seals_last_sequence_check check (last_sequence >= first_sequence)
);
comment on table attune.audit_seals is
  E'@readBy attune_hidden.readable_audit_seals\n'
  'The seals of the audit log: each stands for the rows that were not sealed before, and for all seals before it. '
  'Append-only, for administrators to read. '
  'They stay when what they seal is purged.';
comment on column attune.audit_seals.id is 'Which seal it is, from 1 on, without a gap: there is one chain.';
comment on column attune.audit_seals.sealed_at is 'When sealing began.';
comment on column attune.audit_seals.snapshot is
  'Which transactions were over, as PostgreSQL writes it (`pg_snapshot`): what they wrote is sealed by this seal, or one '
  'before.';
comment on column attune.audit_seals.database_identity is
  'Within what the numbers of transactions mean something: another after a restore.';
comment on column attune.audit_seals.transaction_id is 'The transaction that sealed.';
comment on column attune.audit_seals.first_sequence is
  'The place of the first row of this seal among all that were ever sealed, from 1 on.';
comment on column attune.audit_seals.last_sequence is 'The place of its last row.';
comment on column attune.audit_seals.rows_hash is
  'The hash of its last row, which stands for all its rows: 64 hexadecimal digits (SHA-256).';
comment on column attune.audit_seals.hash is
  'The hash of this seal, which stands for the whole log until here: 64 hexadecimal digits (SHA-256).';

alter table attune.audit_seals enable row level security;
create policy audit_seals_select_admin on attune.audit_seals for select to authenticated
  using ((select attune.is_admin()));
create policy audit_seals_select_service_role on attune.audit_seals for select to service_role
  using (true);

revoke all on attune.audit_seals from public;
grant select on attune.audit_seals to authenticated, service_role;

--! Included sealing/hidden/readable_audit_seals.sql
create or replace function attune_hidden.readable_audit_seals()
returns setof attune.audit_seals
language sql stable security invoker
begin atomic
  select s.* from attune.audit_seals as s where (select current_user <> 'authenticated' or attune.is_admin());
end;
comment on function attune_hidden.readable_audit_seals() is
  'The rows of `audit_seals`, for whom may read them; nobody else walks them.';
revoke all on function attune_hidden.readable_audit_seals() from public;
grant execute on function attune_hidden.readable_audit_seals() to authenticated, service_role;
--! EndIncluded sealing/hidden/readable_audit_seals.sql

create trigger _100_append_only before update or delete or truncate on attune.audit_seals
  for each statement execute function attune_private.tg__append_only('Seals stay as they are.');

create table attune_private.sealed_rows (
  sequence bigint not null,
  sealed_at timestamptz not null,
  seal_id bigint not null,
  audit_id bigint not null,
  occurred_at timestamptz not null,
  committed_at timestamptz,
  row_digest bytea not null,
  value_digest bytea,
  hash bytea not null,
  constraint sealed_rows_pkey primary key (sequence, sealed_at)
) partition by range (sealed_at);
create index sealed_rows_audit_id_idx on attune_private.sealed_rows (audit_id);
comment on table attune_private.sealed_rows is
  'What the seals say about each row of the audit log. '
  'Append-only, in a partition a month.';
comment on column attune_private.sealed_rows.sequence is 'The place in the chain, from 1 on, without a gap.';
comment on column attune_private.sealed_rows.sealed_at is 'As its seal has it.';
comment on column attune_private.sealed_rows.seal_id is 'Which seal.';
comment on column attune_private.sealed_rows.audit_id is 'Which row of the audit log.';
comment on column attune_private.sealed_rows.occurred_at is 'When that says it was written.';
comment on column attune_private.sealed_rows.committed_at is
  'When its transaction was committed, where PostgreSQL knew it (`track_commit_timestamp`).';
comment on column attune_private.sealed_rows.row_digest is 'Of all its columns but the values.';
comment on column attune_private.sealed_rows.value_digest is
  'Of the values, with the salt of whose they are; NULL where there were none. '
  'It stays, and says nothing any more, when user and salt are gone.';
comment on column attune_private.sealed_rows.hash is 'Of all this and of the hash before.';

alter table attune_private.sealed_rows enable row level security;
revoke all on attune_private.sealed_rows from public;

create trigger _100_append_only before update or delete or truncate on attune_private.sealed_rows
  for each statement execute function attune_private.tg__append_only('Seals stay as they are.');

create table attune_private.sealed_rows_default partition of attune_private.sealed_rows default;
select attune_private.guard_audit_partition('attune_private.sealed_rows_default');
select attune_private.make_audit_partitions('attune_private.sealed_rows');

-- Without it nobody can guess from a digest what somebody had chosen.
create table attune_private.audit_salts (
  user_id uuid not null
    constraint audit_salts_pkey primary key
    constraint audit_salts_user_id_fkey references attune.users (id) on delete cascade,
  salt bytea not null
    constraint audit_salts_salt_check check (octet_length(salt) = 16)
);
comment on table attune_private.audit_salts is
  'What is hashed with the values of a user, so that they can''t be guessed from the digest once the user is deleted: '
  'it is deleted, too.';
comment on column attune_private.audit_salts.user_id is 'Whose values.';
comment on column attune_private.audit_salts.salt is '16 random bytes.';

alter table attune_private.audit_salts enable row level security;
revoke all on attune_private.audit_salts from public;

create trigger _100_append_only before truncate on attune_private.audit_salts
  for each statement execute function attune_private.tg__append_only('A salt goes with its user.');

--! Included sealing/triggers/tg_users__salt.sql
create or replace function attune_private.tg_users__salt()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into attune_private.audit_salts (user_id, salt)
  select a.id, attune_private.random_bytes(16)
  from added as a;

  return null;
end;
$$;
comment on function attune_private.tg_users__salt() is
  'Gives every new user the salt of their digests, which goes when they go.';
revoke all on function attune_private.tg_users__salt() from public;
--! EndIncluded sealing/triggers/tg_users__salt.sql
create trigger _700_salt after insert on attune.users
  referencing new table as added
  for each statement execute function attune_private.tg_users__salt();
insert into attune_private.audit_salts (user_id, salt)
select u.id, attune_private.random_bytes(16)
from attune.users as u;

create type attune.audit_problem as enum (
  'changed', 'removed', 'inserted', 'seal_changed', 'seal_removed', 'tail_removed', 'checkpoint_differs'
);
comment on type attune.audit_problem is
  E'@value changed The row is not what it was when it was sealed.\n'
  '@value removed The row is gone, and was not purged.\n'
  '@value inserted The row was not there when it would have been sealed: it was added later, or its seal was taken '
  'away.\n'
  '@value seal_changed What was sealed does not follow from what was before it.\n'
  '@value seal_removed Before this row, or of it, a seal is missing.\n'
  '@value tail_removed The log ends before the checkpoint.\n'
  '@value checkpoint_differs The log is another than the one of the checkpoint.\n'
  'What is wrong with the audit log.';

create type attune.audit_finding as (
  audit_id bigint,
  problem attune.audit_problem
);
comment on type attune.audit_finding is 'What is wrong with the audit log at one place.';
comment on column attune.audit_finding.audit_id is
  'Which row of the audit log; null where it is about a seal or the checkpoint.';
comment on column attune.audit_finding.problem is
  E'@notNull\n'
  'What is wrong.';

--! Included sealing/private/tracked_commit.sql
create or replace function attune_private.tracked_commit(transaction_id xid8, occurred_at timestamptz)
returns timestamptz
language sql stable parallel safe security invoker
begin atomic
  select c.committed_at
  from (
    select case
      when current_setting('track_commit_timestamp')::boolean
        then pg_xact_commit_timestamp(tracked_commit.transaction_id::xid)
    end
  ) as c (committed_at)
  -- In a database that was restored the number is another's.
  where c.committed_at between tracked_commit.occurred_at and tracked_commit.occurred_at + interval '1 day';
end;
comment on function attune_private.tracked_commit(xid8, timestamptz) is
  'When the transaction was committed that wrote something at a moment, as PostgreSQL knows it '
  '(`track_commit_timestamp`); NULL where it does not.';
revoke all on function attune_private.tracked_commit(xid8, timestamptz) from public;
--! EndIncluded sealing/private/tracked_commit.sql
--! Included sealing/private/committed_at.sql
create or replace function attune_private.committed_at(audit_id bigint, transaction_id xid8, occurred_at timestamptz)
returns timestamptz
language sql stable parallel safe security invoker
begin atomic
  select case
    when s.is_sealed then s.committed_at
    -- Since the last seal, if that was here: the numbers of another database say nothing.
    when (select l.database_identity from attune.audit_seals as l order by l.id desc limit 1)
      = attune_private.database_identity()
      then attune_private.tracked_commit(committed_at.transaction_id, committed_at.occurred_at)
  end
  from (
    select count(*) > 0 as is_sealed, max(r.committed_at) as committed_at
    from attune_private.sealed_rows as r
    where r.audit_id = committed_at.audit_id
      and r.occurred_at = committed_at.occurred_at
  ) as s;
end;
comment on function attune_private.committed_at(bigint, xid8, timestamptz) is
  'When the transaction was committed that made a change: as it was sealed, or, since the last seal, as PostgreSQL '
  'knows it (`track_commit_timestamp`); NULL where it was not known.';
revoke all on function attune_private.committed_at(bigint, xid8, timestamptz) from public;
--! EndIncluded sealing/private/committed_at.sql
--! Included sealing/private/audit_row_digest.sql
create or replace function attune_private.audit_row_digest(change attune.configuration_audit_log)
returns bytea
language sql stable parallel safe security invoker
begin atomic
  -- The columns by name and in this order, as version 1 has them: one that is added later breaks no seal.
  select sha256(
    convert_to(
      json_build_array(
        1,
        change.id,
        change.occurred_at at time zone 'UTC',
        change.transaction_id::text,
        change.actor_id,
        change.actor_role,
        change.acted_as,
        change.agent,
        change.request_id,
        change.subject,
        change.layer,
        change.user_id,
        change.scope,
        change.key,
        change.operation,
        change.previous_updated_by,
        change.previous_updated_at at time zone 'UTC'
      )::text,
      'UTF8'
    )
  );
end;
comment on function attune_private.audit_row_digest(attune.configuration_audit_log) is
  'The digest of what a row of the audit log says, but for its values.';
revoke all on function attune_private.audit_row_digest(attune.configuration_audit_log) from public;
--! EndIncluded sealing/private/audit_row_digest.sql
--! Included sealing/private/audit_value_digest.sql
create or replace function attune_private.audit_value_digest(change attune.configuration_audit_log, salt bytea)
returns bytea
language sql stable parallel safe security invoker
begin atomic
  select case
    when num_nonnulls(
      change.reason, change.previous_value, change.new_value, change.previous_attributes, change.new_attributes,
      change.changed_members
    ) > 0
      then sha256(
        coalesce(audit_value_digest.salt, '')
        || convert_to(
          -- As texts: JSON's null is another than none.
          json_build_array(
            1,
            change.id,
            change.reason,
            change.previous_value::text,
            change.new_value::text,
            change.previous_attributes::text,
            change.new_attributes::text,
            change.changed_members::text
          )::text,
          'UTF8'
        )
      )
  end;
end;
comment on function attune_private.audit_value_digest(attune.configuration_audit_log, bytea) is
  'The digest of the values of a row of the audit log, and of the reason, with the salt of whose they are (NULL: '
  'nobody''s); NULL where it has none.';
revoke all on function attune_private.audit_value_digest(attune.configuration_audit_log, bytea) from public;
--! EndIncluded sealing/private/audit_value_digest.sql
--! Included sealing/private/seal_entry.sql
create or replace function attune_private.seal_entry(
  sequence bigint,
  audit_id bigint,
  occurred_at timestamptz,
  committed_at timestamptz,
  row_digest bytea,
  value_digest bytea
)
returns bytea
language sql stable parallel safe security invoker
begin atomic
  select convert_to(
    json_build_array(
      1,
      seal_entry.sequence,
      seal_entry.audit_id,
      seal_entry.occurred_at at time zone 'UTC',
      seal_entry.committed_at at time zone 'UTC',
      encode(seal_entry.row_digest, 'hex'),
      encode(seal_entry.value_digest, 'hex')
    )::text,
    'UTF8'
  );
end;
comment on function attune_private.seal_entry(bigint, bigint, timestamptz, timestamptz, bytea, bytea) is
  'What the chain says about a row of the audit log.';
revoke all on function attune_private.seal_entry(bigint, bigint, timestamptz, timestamptz, bytea, bytea) from public;
--! EndIncluded sealing/private/seal_entry.sql
--! Included sealing/private/seal_hash.sql
create or replace function attune_private.seal_hash(seal attune.audit_seals, previous_hash text)
returns text
language sql stable parallel safe security invoker
begin atomic
  select encode(
    sha256(
      convert_to(
        json_build_array(
          1,
          seal_hash.previous_hash,
          seal.id,
          seal.sealed_at at time zone 'UTC',
          seal.snapshot,
          seal.database_identity,
          seal.transaction_id::text,
          seal.first_sequence,
          seal.last_sequence,
          seal.rows_hash
        )::text,
        'UTF8'
      )
    ),
    'hex'
  );
end;
comment on function attune_private.seal_hash(attune.audit_seals, text) is
  'The hash of a seal, made of all it says and of the hash of the seal before (NULL: it is the first).';
revoke all on function attune_private.seal_hash(attune.audit_seals, text) from public;
--! EndIncluded sealing/private/seal_hash.sql
--! Included sealing/private/link.sql
create or replace function attune_private.link(hash bytea, start bytea, entry bytea)
returns bytea
language sql immutable parallel safe security invoker
begin atomic
  select sha256(coalesce(hash, start) || entry);
end;
comment on function attune_private.link(bytea, bytea, bytea) is
  'The next hash of a chain: of the one before (NULL: where the chain starts) and of what comes to it.';
revoke all on function attune_private.link(bytea, bytea, bytea) from public;
--! EndIncluded sealing/private/link.sql
create aggregate attune_private.chain(start bytea, entry bytea) (
  sfunc = attune_private.link,
  stype = bytea,
  parallel = safe
);
comment on aggregate attune_private.chain(bytea, bytea) is
  'The hash of a chain: the entries in their order, from where it starts.';
revoke all on function attune_private.chain(bytea, bytea) from public;

--! Included sealing/seal_audit.sql
create or replace function attune.seal_audit()
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- How much there is changes while a connection keeps its plans.
set plan_cache_mode = force_custom_plan
as $$
declare
  identity constant text := attune_private.database_identity();
  last attune.audit_seals;
  -- Where the numbers of transactions mean the same as at the last seal, they are enough to find what is new.
  is_known boolean;
  start bytea;
  seal attune.audit_seals;
begin
  -- One at a time. Who reads or writes the log is not concerned.
  lock table attune.audit_seals in share row exclusive mode;
  seal.sealed_at := clock_timestamp();

  select s.* into last
  from attune.audit_seals as s
  order by s.id desc
  limit 1;

  is_known := coalesce(last.database_identity = identity, false);
  start := coalesce(decode(last.hash, 'hex'), '');

  with unsealed as (
    select
      l.id as audit_id,
      l.occurred_at,
      case when is_known
        then attune_private.tracked_commit(l.transaction_id, l.occurred_at)
      end as committed_at,
      attune_private.audit_row_digest(l) as row_digest,
      attune_private.audit_value_digest(
        l, (select s.salt from attune_private.audit_salts as s where s.user_id = l.user_id)
      ) as value_digest,
      coalesce(last.last_sequence, 0) + row_number() over (order by l.id, l.occurred_at) as sequence
    from attune.configuration_audit_log as l
    where l.transaction_id >= case when is_known then pg_snapshot_xmin(last.snapshot::pg_snapshot) else '0' end
      -- Of this statement's own snapshot: what is recorded as sealed has to be what was looked at.
      and l.transaction_id <= case
        when is_known then greatest(pg_snapshot_xmax(pg_current_snapshot()), pg_current_xact_id())
        else '18446744073709551615'
      end
      and not exists (
        select from attune_private.sealed_rows as r where r.audit_id = l.id and r.occurred_at = l.occurred_at
      )
  ),
  sealed as (
    insert into attune_private.sealed_rows (
      seal_id, sealed_at, sequence, audit_id, occurred_at, committed_at, row_digest, value_digest, hash
    )
    select
      coalesce(last.id, 0) + 1,
      seal.sealed_at,
      u.sequence,
      u.audit_id,
      u.occurred_at,
      u.committed_at,
      u.row_digest,
      u.value_digest,
      attune_private.chain(
        start,
        attune_private.seal_entry(u.sequence, u.audit_id, u.occurred_at, u.committed_at, u.row_digest, u.value_digest)
      ) over (order by u.sequence rows unbounded preceding)
    from unsealed as u
    returning sealed_rows.sequence
  )
  select min(d.sequence), max(d.sequence), pg_current_snapshot()::text
  into seal.first_sequence, seal.last_sequence, seal.snapshot
  from sealed as d;

  if seal.first_sequence is not null then
    seal.id := coalesce(last.id, 0) + 1;
    seal.database_identity := identity;
    seal.transaction_id := pg_current_xact_id();
    seal.rows_hash := (
      select encode(r.hash, 'hex')
      from attune_private.sealed_rows as r
      where r.sealed_at = seal.sealed_at
        and r.sequence = seal.last_sequence
    );
    seal.hash := attune_private.seal_hash(seal, last.hash);

    insert into attune.audit_seals (
      id, sealed_at, snapshot, database_identity, transaction_id, first_sequence, last_sequence, rows_hash, hash
    )
    select (seal).*;
  end if;

  -- Who reads the log may be in the way; the next call tries again.
  begin
    perform attune_private.make_audit_partitions('attune.configuration_audit_log');
    perform attune_private.make_audit_partitions('attune_private.sealed_rows');
  exception when lock_not_available then
    null;
  end;

  return coalesce(seal.last_sequence - seal.first_sequence + 1, 0);
end;
$$;
comment on function attune.seal_audit() is
  E'@resultFieldName sealedRows\n'
  'Seals what was committed to the audit log and is not sealed yet, and returns how many rows that was; for trusted '
  'servers, every minute or so. '
  'Who writes waits for nothing, and nothing waits for who writes: what is under way is sealed by a later call. '
  'It also makes the partitions of the next months.';
revoke all on function attune.seal_audit() from public;
grant execute on function attune.seal_audit() to service_role;
--! EndIncluded sealing/seal_audit.sql
--! Included sealing/audit_checkpoint.sql
create or replace function attune.audit_checkpoint()
returns text
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform attune_hidden.require_admin();

  perform attune.seal_audit();

  return (
    select concat_ws(
      ' ', s.last_sequence, to_char(s.sealed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), s.hash
    )
    from attune.audit_seals as s
    order by s.id desc
    limit 1
  );
end;
$$;
comment on function attune.audit_checkpoint() is
  E'@resultFieldName checkpoint\n'
  'Seals what is not sealed yet, and returns a line that stands for the whole audit log until now: how many rows were '
  'ever sealed, when, and the last hash, with a space between. '
  'Whoever keeps it elsewhere is told by `verify_audit` when the log is not that log any more. '
  'For administrators (`admin_required`).';
revoke all on function attune.audit_checkpoint() from public;
grant execute on function attune.audit_checkpoint() to anon, authenticated, service_role;
--! EndIncluded sealing/audit_checkpoint.sql
--! Included sealing/private/audit_purged_before.sql
create or replace function attune_private.audit_purged_before()
returns timestamptz
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  -- What nobody could have purged, being too young then, was not purged.
  return (
    select max(p.before)
    from attune.configuration_audit_log as l
    cross join lateral (
      select case when l.new_value ->> 'before' ~ '^\d{4}-\d\d-\d\dT[\d:.]+\+00:00$' then (l.new_value ->> 'before')::timestamptz end
    ) as p (before)
    where l.key = 'purge_audit'
      and l.subject = 'maintenance_operation'
      and p.before = date_trunc('month', p.before, 'UTC')
      and p.before <= least(l.occurred_at, now()) - interval '30 days'
  );
end;
$$;
comment on function attune_private.audit_purged_before() is
  'Before when nothing is left in the audit log, as its own rows say; NULL when it was never purged.';
revoke all on function attune_private.audit_purged_before() from public;
--! EndIncluded sealing/private/audit_purged_before.sql
--! Included sealing/verify_audit.sql
create or replace function attune.verify_audit(checkpoint text default null)
returns setof attune.audit_finding
language plpgsql stable parallel restricted security definer
rows 1
set search_path = pg_catalog, pg_temp
-- How much there is changes while a connection keeps its plans.
set plan_cache_mode = force_custom_plan
as $$
declare
  identity constant text := attune_private.database_identity();
  -- Clocks are set.
  slack constant interval := '1 minute';
  purged_before constant timestamptz := attune_private.audit_purged_before();
  -- Seals are kept a month longer than what they seal.
  seals_purged_before constant timestamptz := (purged_before at time zone 'UTC' - interval '1 month') at time zone 'UTC';
  told text[];
  told_sequence bigint;
begin
  perform attune_hidden.require_admin();

  if verify_audit.checkpoint is not null then
    told := regexp_match(btrim(verify_audit.checkpoint, E' \t\r\n'), '^(\d{1,18}) \S+ ([0-9a-f]{64})$');

    if told is null then
      raise exception using
        errcode = 'PT400',
        message = 'That is no checkpoint',
        detail = 'invalid_checkpoint',
        hint = 'Give the line that audit_checkpoint() returned, as it was.';
    end if;

    told_sequence := told[1]::bigint;
  end if;

  return query
    with seals as materialized (
      select
        s.*,
        attune_private.seal_hash(s, lag(s.hash) over w) as right_hash,
        lag(s.id) over w as previous_id,
        lag(s.hash) over w as previous_hash,
        lag(s.last_sequence) over w as previous_sequence,
        lag(s.sealed_at) over w as previous_sealed_at,
        -- What is before is compared by the numbers of transactions where they mean the same.
        case when lag(s.database_identity) over w = s.database_identity then lag(s.snapshot) over w end::pg_snapshot as previous_snapshot,
        lag(s.transaction_id) over w as previous_transaction,
        s.snapshot::pg_snapshot as own_snapshot
      from attune.audit_seals as s
      window w as (order by s.id)
    ),
    newest as materialized (
      select s.*, s.snapshot::pg_snapshot as own_snapshot from attune.audit_seals as s order by s.id desc limit 1
    ),
    erased as materialized (
      select l.new_value ->> 'user_id' as user_id, max(l.id) as id
      from attune.configuration_audit_log as l
      where l.key = 'erase_user'
        and l.subject = 'maintenance_operation'
      group by 1
    ),
    linked as (
      select
        r.*,
        s.id is not null as has_seal,
        s.previous_sequence,
        s.previous_sealed_at,
        s.previous_snapshot,
        s.previous_transaction,
        s.own_snapshot,
        s.transaction_id as sealed_by,
        r.sequence - coalesce(lag(r.sequence) over w, s.first_sequence - 1) - 1 as missing,
        r.sealed_at = s.sealed_at and r.hash = attune_private.link(
          lag(r.hash) over w,
          coalesce(decode(s.previous_hash, 'hex'), ''),
          attune_private.seal_entry(r.sequence, r.audit_id, r.occurred_at, r.committed_at, r.row_digest, r.value_digest)
        ) as is_linked
      from attune_private.sealed_rows as r
      left join seals as s on s.id = r.seal_id
      window w as (partition by r.seal_id order by r.sequence)
    ),
    ends as materialized (
      select distinct on (r.seal_id) r.seal_id, r.sequence, encode(r.hash, 'hex') as hash
      from attune_private.sealed_rows as r
      order by r.seal_id, r.sequence desc
    ),
    findings (sequence, audit_id, problem) as (
      -- The seals themselves
      select
        s.first_sequence,
        null::bigint,
        case
          when s.id <> coalesce(s.previous_id, 0) + 1 then 'seal_removed'
          when s.first_sequence <> coalesce(s.previous_sequence, 0) + 1 or s.hash <> s.right_hash then 'seal_changed'
          when e.seal_id is null and s.sealed_at < seals_purged_before then null
          when e.seal_id is null or e.sequence < s.last_sequence then 'seal_removed'
          when e.sequence > s.last_sequence or e.hash <> s.rows_hash then 'seal_changed'
        end::attune.audit_problem
      from seals as s
      left join ends as e on e.seal_id = s.id
      union all
      -- What is sealed
      select
        k.sequence,
        k.audit_id,
        case
          when not k.has_seal or k.missing > 0 then 'seal_removed'
          when k.missing < 0 or not k.is_linked then 'seal_changed'
          when l.id is null and k.occurred_at < purged_before then null
          when l.id is null then
            case
              when exists (select from attune.configuration_audit_log as o where o.id = k.audit_id) then 'changed'
              else 'removed'
            end
          when k.row_digest <> attune_private.audit_row_digest(l) then 'changed'
          when l.occurred_at < purged_before or l.occurred_at > k.sealed_at + slack then 'inserted'
          when k.value_digest is distinct from attune_private.audit_value_digest(l, a.salt)
            and (
              x.id > l.id
              and a.salt is null
              and k.value_digest is not null
              and num_nonnulls(
                l.reason, l.previous_value, l.new_value, l.previous_attributes, l.new_attributes, l.changed_members
              ) = 0
            ) is not true
            then 'changed'
          when k.previous_snapshot is null then
            -- The first seal of a database, or of one that was restored.
            case when l.occurred_at < k.previous_sealed_at - interval '1 day' then 'inserted' end
          -- Numbers above the sealer's own may be given anew after a crash.
          when l.transaction_id < k.previous_transaction and pg_visible_in_snapshot(l.transaction_id, k.previous_snapshot)
            then 'inserted'
          when not pg_visible_in_snapshot(l.transaction_id, k.own_snapshot) and l.transaction_id <> k.sealed_by
            then 'inserted'
          when l.occurred_at < k.previous_sealed_at - slack and exists (
            select
            from seals as p
            where p.id < k.seal_id
              and p.database_identity = (select s.database_identity from seals as s where s.id = k.seal_id)
              and p.transaction_id <= l.transaction_id
              and l.occurred_at < p.sealed_at - slack
          ) then 'inserted'
        end::attune.audit_problem
      from linked as k
      left join attune.configuration_audit_log as l on l.id = k.audit_id and l.occurred_at = k.occurred_at
      left join attune_private.audit_salts as a on a.user_id = l.user_id
      left join erased as x on x.user_id = l.user_id::text
      union all
      -- What is not
      select
        null,
        l.id,
        case
          when l.occurred_at < purged_before or l.occurred_at > clock_timestamp() + slack then 'inserted'
          when n.database_identity <> identity then
            case when l.occurred_at < n.sealed_at - interval '1 day' then 'inserted' end
          when l.transaction_id < n.transaction_id and pg_visible_in_snapshot(l.transaction_id, n.own_snapshot)
            then 'inserted'
          when not pg_visible_in_snapshot(l.transaction_id, pg_current_snapshot())
            and l.transaction_id is distinct from pg_current_xact_id_if_assigned()
            then 'inserted'
          when l.occurred_at < n.sealed_at - slack and exists (
            select
            from seals as p
            where p.database_identity = identity
              and p.transaction_id <= l.transaction_id
              and l.occurred_at < p.sealed_at - slack
          ) then 'inserted'
        end::attune.audit_problem
      from attune.configuration_audit_log as l
      cross join newest as n
      where not exists (
        select from attune_private.sealed_rows as r where r.audit_id = l.id and r.occurred_at = l.occurred_at
      )
      -- What was given another time is told above.
      and not exists (
        select
        from attune_private.sealed_rows as r
        where r.audit_id = l.id
          and not exists (
            select
            from attune.configuration_audit_log as o
            where o.id = r.audit_id
              and o.occurred_at = r.occurred_at
          )
      )
      union all
      -- What was told elsewhere
      select
        told_sequence,
        null,
        case
          when told_sequence > coalesce((select n.last_sequence from newest as n), 0) then 'tail_removed'
          when not exists (select from seals as s where s.last_sequence = told_sequence and s.hash = told[2])
            then 'checkpoint_differs'
        end::attune.audit_problem
      where told is not null
    )
    select f.audit_id, f.problem
    from findings as f
    where f.problem is not null
    order by f.sequence nulls last, f.audit_id nulls last, f.problem
    limit 100;
end;
$$;
comment on function attune.verify_audit(text) is
  E'@param checkpoint What `audit_checkpoint` returned at some time, and was kept elsewhere: whether the log is still that '
  'log. Without, what was rewritten as a whole, or cut off at its end, is not found.\n'
  'Compares the audit log with its seals, all of it, and returns what is wrong, the first of it first, at most 100; '
  'nothing when all is whole. '
  'What is not sealed yet can''t be compared. '
  'Some 20,000 rows are compared in a second: large logs in SQL, where nobody waits. '
  'For administrators (`admin_required`). '
  'Refused: `invalid_checkpoint`.';
revoke all on function attune.verify_audit(text) from public;
grant execute on function attune.verify_audit(text) to anon, authenticated, service_role;
--! EndIncluded sealing/verify_audit.sql
--! Included sealing/private/drop_audit_partitions.sql
create or replace function attune_private.drop_audit_partitions(parent regclass, before timestamptz)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set lock_timeout = '5s'
as $$
declare
  name constant text := (select c.relname from pg_catalog.pg_class as c where c.oid = parent);
  rest constant regclass := format('attune_private.%I', name || '_default');
  moment constant text := attune_private.partitioned_by(parent);
  partition regclass;
  is_concerned boolean;
begin
  for partition in
    select i.inhrelid
    from pg_catalog.pg_inherits as i
    join pg_catalog.pg_class as c on c.oid = i.inhrelid
    where i.inhparent = parent
      and c.relname ~ '_\d{4}_\d\d$'
      and to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month' <= drop_audit_partitions.before
    order by c.relname
  loop
    execute format('drop table %s', partition);
  end loop;

  execute format('select exists (select from %s where %s < $1)', rest, moment) into is_concerned using before;

  -- What found no partition of its own when it was written.
  if is_concerned then
    execute format('alter table %s disable trigger user', rest);
    execute format('delete from %s where %s < $1', rest, moment) using before;
    execute format('alter table %s enable trigger user', rest);
  end if;
end;
$$;
comment on function attune_private.drop_audit_partitions(regclass, timestamptz) is
  'Drops the partitions of a table that end before a moment, the beginning of a month (UTC), and what is from before in '
  'the default partition. '
  'It waits for no longer than five seconds for each, and nobody writes or reads until its transaction ends.';
revoke all on function attune_private.drop_audit_partitions(regclass, timestamptz) from public;
--! EndIncluded sealing/private/drop_audit_partitions.sql
--! Included sealing/purge_audit.sql
create or replace function attune.purge_audit(older_than interval, reason text)
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
  minimum constant integer := attune_private.system_number('AUDIT_MINIMUM_DAYS', 90);
  -- Nothing is older than that, nor younger than now; and no time is further than PostgreSQL's go.
  age constant interval := greatest(least(purge_audit.older_than, interval '2000 years'), interval '0');
  before constant timestamptz := date_trunc('month', now() - age);
  doomed bigint;
  last_change xid8;
begin
  if purge_audit.older_than is null or coalesce(btrim(purge_audit.reason), '') = '' then
    raise exception using
      errcode = 'PT400',
      message = 'Say what age is old enough, and why',
      detail = 'reason_required',
      hint = 'purge_audit(older_than, reason): the operation is recorded with both.';
  end if;

  perform attune_private.check_size('The reason', char_length(purge_audit.reason), 1000, 'characters');

  if now() - age > now() - make_interval(days => minimum) then
    raise exception using
      errcode = 'PT400',
      message = format('The audit log is kept for %s days', minimum),
      detail = 'too_young',
      hint = format('Purge what is older than %s days, or more.', minimum);
  end if;

  -- What is taken away was sealed, so that what stays can be compared.
  perform attune.seal_audit();

  select count(*), max(l.transaction_id) filter (where l.transaction_id < pg_snapshot_xmax(pg_current_snapshot()))
  into doomed, last_change
  from attune.configuration_audit_log as l
  where l.occurred_at < before;

  insert into attune.maintenance_operations (
    operation, table_name, reason, details, affected_rows, actor_id, actor_role
  )
  select
    'purge_audit',
    'attune.configuration_audit_log',
    purge_audit.reason,
    jsonb_build_object(
      'older_than', purge_audit.older_than, 'before', before, 'sequence', s.last_sequence, 'hash', s.hash
    ),
    doomed,
    attune.current_user_id(),
    attune_private.request_role()
  from attune.audit_seals as s
  order by s.id desc
  limit 1;

  perform attune_private.drop_audit_partitions('attune.configuration_audit_log', before);
  -- A seal is younger than what it seals, by however little: seals stay a month longer.
  perform attune_private.drop_audit_partitions('attune_private.sealed_rows', before - interval '1 month');
  perform attune_private.forget_changes(last_change);
  return doomed;
end;
$$;
comment on function attune.purge_audit(interval, text) is
  E'@resultFieldName removedRows\n'
  '@param older_than Months (UTC) that ended so long ago are removed whole; no less than `AUDIT_MINIMUM_DAYS`.\n'
  '@param reason Why, for the record; at most 1,000 characters.\n'
  'Removes the oldest months of the audit log and returns how many rows that was; for trusted servers. '
  'All is sealed before, and what stays can still be verified. '
  'It leaves a row in `maintenance_operations`, and with it in the audit log itself. '
  'Refused: `reason_required`, `too_large`, `too_young`.';
revoke all on function attune.purge_audit(interval, text) from public;
grant execute on function attune.purge_audit(interval, text) to service_role;
--! EndIncluded sealing/purge_audit.sql
