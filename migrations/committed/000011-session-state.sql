--! Previous: sha1:470d696957f9e93a80d40eb5e56ea0790c118eba
--! Hash: sha1:30edf29a78cc84d9b98ba6ce6760fbd0eb5a03de
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

--! Included session-state/session_state.sql
create or replace function attune.session_state(session_key text)
returns attune.user_session_state
language plpgsql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant uuid := attune_hidden.require_user_id();
  saved attune.user_session_state;
begin
  select s.* into saved
  from attune.user_session_state as s
  where s.user_id = caller
    and s.session_key = session_state.session_key
    and s.expires_at > now();

  return saved;
end;
$$;
comment on function attune.session_state(text) is
  E'@param session_key A name of the application''s choice, 1 to 200 characters.\n'
  'What the caller saved for a session; null when nothing, or when it has expired. '
  'Refused: `not_signed_in`.';
revoke all on function attune.session_state(text) from public;
grant execute on function attune.session_state(text) to anon, authenticated, service_role;
--! EndIncluded session-state/session_state.sql
--! Included session-state/save_session_state.sql
create or replace function attune.save_session_state(
  session_key text,
  current_context jsonb default null,
  ui_state jsonb default null
)
returns attune.user_session_state
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant uuid := attune_hidden.require_user_id();
  lifetime constant interval := make_interval(days => attune_private.system_number('SESSION_STATE_DAYS', 7));
  maximum constant integer := attune_private.system_number('SESSION_STATES_PER_USER', 50);
  saved attune.user_session_state;
begin
  if char_length(save_session_state.session_key) between 1 and 200 is not true then
    raise exception using
      errcode = 'PT422',
      message = 'A session key has 1 to 200 characters',
      detail = 'invalid_session_key',
      hint = 'Give the session a shorter name.';
  end if;

  perform attune_private.check_size('The current context', octet_length(save_session_state.current_context::text), 65536, 'bytes');
  perform attune_private.check_size('The interface''s state', octet_length(save_session_state.ui_state::text), 65536, 'bytes');
  perform attune_private.check_depth('The current context', save_session_state.current_context);
  perform attune_private.check_depth('The interface''s state', save_session_state.ui_state);

  -- Two savers of one user go one after the other: each must see what the other has added.
  perform from attune.users as u where u.id = caller for no key update;

  delete from attune.user_session_state as s where s.user_id = caller and s.expires_at <= now();

  insert into attune.user_session_state as s (user_id, session_key, current_context, ui_state, expires_at)
  values (
    caller,
    save_session_state.session_key,
    coalesce(save_session_state.current_context, '{}'),
    coalesce(save_session_state.ui_state, '{}'),
    now() + lifetime
  )
  on conflict on constraint user_session_state_pkey do update
  set
    current_context = coalesce(save_session_state.current_context, s.current_context),
    ui_state = coalesce(save_session_state.ui_state, s.ui_state),
    expires_at = excluded.expires_at,
    updated_at = clock_timestamp()
  returning s.* into saved;

  delete from attune.user_session_state as s
  where s.user_id = caller
    and s.session_key in (
      select o.session_key
      from attune.user_session_state as o
      where o.user_id = caller
      order by o.session_key = save_session_state.session_key desc, o.updated_at desc
      offset maximum
    );

  return saved;
end;
$$;
comment on function attune.save_session_state(text, jsonb, jsonb) is
  E'@param session_key A name of the application''s choice, 1 to 200 characters.\n'
  '@param current_context What the user is working on, at most 64 KiB.\n'
  '@param ui_state What the interface looks like, at most 64 KiB.\n'
  'Keeps where the caller is, for seven days from now, and returns it. '
  'What is left out (in SQL, NULL) stays as it was saved. '
  'A user holds at most fifty sessions: the oldest go. '
  'Refused: `not_signed_in`, `invalid_session_key`, `too_large`, `value_too_deep`.';
revoke all on function attune.save_session_state(text, jsonb, jsonb) from public;
grant execute on function attune.save_session_state(text, jsonb, jsonb) to anon, authenticated, service_role;
--! EndIncluded session-state/save_session_state.sql
