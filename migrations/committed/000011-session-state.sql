--! Previous: sha1:f9ec8cecec8f7cbec419924928200314c44e05f4
--! Hash: sha1:fe160513eb15b96c04c0256ff02e4249751633a6
--! Message: session state

-- Where somebody was: state, which is no configuration. It expires.

create table attune.user_session_state (
  user_id uuid not null
    constraint user_session_state_user_id_fkey references attune.users (id) on delete cascade,
  session_key text not null
    constraint user_session_state_session_key_check check (char_length(session_key) between 1 and 200),
  current_context jsonb not null default '{}'
    constraint user_session_state_current_context_check check (octet_length(current_context::text) <= 65536),
  ui_state jsonb not null default '{}'
    constraint user_session_state_ui_state_check check (octet_length(ui_state::text) <= 65536),
  expires_at timestamptz not null,
  updated_at timestamptz not null default clock_timestamp(),
  constraint user_session_state_pkey primary key (user_id, session_key)
);
create index user_session_state_expires_at_idx on attune.user_session_state (expires_at);
comment on table attune.user_session_state is
  E'@behavior -insert -update -delete\n'
  'Where a user was in the application, by session: kept for seven days after the last save. '
  'Only its user sees it, and not once it has expired.';
comment on column attune.user_session_state.user_id is 'Whose state it is.';
comment on column attune.user_session_state.session_key is
  'Which session: a name of the application''s choice, at most 200 characters.';
comment on column attune.user_session_state.current_context is 'What the user was working on; at most 64 KiB.';
comment on column attune.user_session_state.ui_state is 'What the interface looked like; at most 64 KiB.';
comment on column attune.user_session_state.expires_at is
  'When it will be gone. '
  'Every save puts it off.';
comment on column attune.user_session_state.updated_at is 'When it was last saved.';

alter table attune.user_session_state enable row level security;
create policy user_session_state_select_self on attune.user_session_state for select to authenticated
  using (user_id = (select attune.current_user_id()) and expires_at > now());
create policy user_session_state_delete_self on attune.user_session_state for delete to authenticated
  using (user_id = (select attune.current_user_id()));
create policy user_session_state_select_service_role on attune.user_session_state for select to service_role
  using (expires_at > now());

revoke all on attune.user_session_state from public;
grant select, delete on attune.user_session_state to authenticated;
grant select on attune.user_session_state to service_role;

--!include session-state/session_state.sql
--!include session-state/save_session_state.sql
