--! Previous: sha1:be20453b52e1fcb711c84bd6ad946c489724a90d
--! Hash: sha1:5851eff24581e27c82621e9ca5df8b39ad23e8f1
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

--!include sealing/hidden/readable_audit_seals.sql

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

--!include sealing/triggers/tg_users__salt.sql
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

--!include sealing/private/tracked_commit.sql
--!include sealing/private/committed_at.sql
--!include sealing/private/audit_row_digest.sql
--!include sealing/private/audit_value_digest.sql
--!include sealing/private/seal_entry.sql
--!include sealing/private/seal_hash.sql
--!include sealing/private/link.sql
create aggregate attune_private.chain(start bytea, entry bytea) (
  sfunc = attune_private.link,
  stype = bytea,
  parallel = safe
);
comment on aggregate attune_private.chain(bytea, bytea) is
  'The hash of a chain: the entries in their order, from where it starts.';
revoke all on function attune_private.chain(bytea, bytea) from public;

--!include sealing/seal_audit.sql
--!include sealing/audit_checkpoint.sql
--!include sealing/private/audit_purged_before.sql
--!include sealing/verify_audit.sql
--!include sealing/private/drop_audit_partitions.sql
--!include sealing/purge_audit.sql
