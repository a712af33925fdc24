-- Whether what matters works: a new user's settings, isolation between two users, the audit log, the configuration of
-- the AI, and that nobody gets in without signing in. As the owner, who becomes the request roles:
--
--   psql -v ON_ERROR_STOP=1 -f migrations/verify/smoke-test.sql "$DATABASE_URL"
--
-- All of it is one transaction that is taken back: nothing stays but the numbers that sequences gave. It makes two users
-- of its own, locks only their rows, and uses the settings that are there. Each check says "ok" as a notice, or "not ok"
-- as a warning; one that fails makes the script fail, after all of them were made.
begin;
set local lock_timeout = '5s';
set local statement_timeout = '30s';

do $smoke_test$
declare
  suffix constant text := pg_catalog.gen_random_uuid() || '@smoke-test.invalid';
  ann uuid;
  bob uuid;
  claims_of_ann text;
  claims_of_bob text;
  chosen record;
  shown jsonb;
  wrong text;
  held text[];
  is_held boolean;
  name text;
  number bigint;
  failures integer := 0;
begin
  -- Seeding
  begin
    ann := attune_private.ensure_user('ann-' || suffix);
    bob := attune_private.ensure_user('bob-' || suffix);
    claims_of_ann := pg_catalog.json_build_object('sub', ann, 'role', 'authenticated')::text;
    claims_of_bob := pg_catalog.json_build_object('sub', bob, 'role', 'authenticated')::text;

    if not exists (select from attune.user_emails as e where e.user_id = ann) then
      raise exception 'their address was not taken';
    end if;

    select pg_catalog.string_agg(d.key, ', ' order by d.key) into wrong
    from attune_private.resolve_settings(ann, false, 'admin') as r
    join attune.setting_definitions as d on d.key = r.key
    where d.seeding = 'copy'
      and d.layer >= 'user'
      and r.value <> 'null'
      and attune_private.stored_value_problem(d, 'user', r.value) is null
      and not exists (select from attune.user_preferences as p where p.user_id = ann and p.key = d.key);
    if wrong is not null then
      raise exception 'they have no copy of %', wrong;
    end if;

    select pg_catalog.count(*) into number from attune.user_preferences as p where p.user_id = ann;
    raise notice 'ok: a new user is made, with % copied', number || case when number = 1 then ' setting' else ' settings' end;
  exception
    when others then
      raise warning 'not ok: a new user is made: % (%)', sqlerrm, sqlstate;
      raise exception 'The smoke test failed: without a user nothing else can be tried.';
  end;

  -- Writing, and the audit log
  begin
    -- A user may be given more copies than they may hold (`PREFERENCES_PER_USER`), and could not store any more.
    delete from attune.user_preferences as p where p.user_id = ann;

    perform pg_catalog.set_config('request.jwt.claims', claims_of_ann, true);
    perform pg_catalog.set_config('role', 'authenticated', true);
    if attune.current_user_id() is distinct from ann then
      raise exception 'a token is not told to be its user''s';
    end if;

    -- A value that applies is one that may be stored. Those of the AI are looked at below, as nobody set them.
    select s.key, s.value into chosen
    from attune.effective_settings() as s
    where s.can_edit and s.value <> 'null'
    order by pg_catalog.starts_with(s.key, 'ai_configuration.'), pg_catalog.octet_length(s.value::text), s.key
    limit 1;

    if chosen.key is null then
      raise notice 'skipped: the audit log has who, before and after: there is no setting that a user may change';
    else
      perform attune.set_preference(chosen.key, chosen.value);
      select p.value into shown from attune.user_preferences as p where p.user_id = ann and p.key = chosen.key;
      perform attune.reset_preference(chosen.key);
      -- So that another would see it, if isolation failed.
      perform attune.set_preference(chosen.key, chosen.value);
      perform pg_catalog.set_config('role', 'none', true);

      if not exists (
        select from attune.configuration_audit_log as l
        where l.user_id = ann and l.actor_id = ann and l.key = chosen.key
          and l.layer = 'user' and l.operation = 'INSERT' and l.acted_as = 'user'
          and l.previous_value is null and l.new_value = shown
      ) then
        raise exception 'storing % left no row with who and the value', chosen.key;
      elsif not exists (
        select from attune.configuration_audit_log as l
        where l.user_id = ann and l.actor_id = ann and l.key = chosen.key
          and l.layer = 'user' and l.operation = 'DELETE'
          and l.previous_value = shown and l.new_value is null
      ) then
        raise exception 'resetting % left no row with who and the value of before', chosen.key;
      end if;

      raise notice 'ok: the audit log has who, before and after (%)', chosen.key;
    end if;
  exception
    when others then
      failures := failures + 1;
      raise warning 'not ok: the audit log has who, before and after: % (%)', sqlerrm, sqlstate;
  end;
  perform pg_catalog.set_config('role', 'none', true);

  -- It can only be added to
  begin
    update attune.configuration_audit_log as l set key = l.key where l.user_id = ann;
    raise exception 'its rows were changed';
  exception
    when insufficient_privilege then
      raise notice 'ok: the audit log can only be added to';
    when others then
      failures := failures + 1;
      raise warning 'not ok: the audit log can only be added to: % (%)', sqlerrm, sqlstate;
  end;

  -- Isolation: whatever of the one has rows, the other sees none of them
  begin
    perform pg_catalog.set_config('request.jwt.claims', claims_of_ann, true);
    perform pg_catalog.set_config('role', 'authenticated', true);
    perform attune.save_session_state('smoke-test', '{}', '{}');
    perform pg_catalog.set_config('role', 'none', true);

    for name in
      select pg_catalog.format('%I.%I', n.nspname, c.relname)
      from pg_catalog.pg_class as c
      join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
      join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attname = 'user_id' and not a.attisdropped
      where n.nspname = 'attune'
        and c.relkind in ('r', 'p')
        and pg_catalog.has_column_privilege('authenticated', c.oid, a.attnum, 'select')
      order by 1
    loop
      execute pg_catalog.format('select exists (select from %s as t where t.user_id = $1)', name) into is_held using ann;
      if is_held then
        held := held || name;
      end if;
    end loop;

    perform pg_catalog.set_config('request.jwt.claims', claims_of_ann, true);
    perform pg_catalog.set_config('role', 'authenticated', true);
    if not exists (select from attune.user_session_state as s where s.user_id = ann) then
      raise exception 'a user does not see their own rows';
    end if;

    perform pg_catalog.set_config('request.jwt.claims', claims_of_bob, true);
    foreach name in array held loop
      execute pg_catalog.format('select count(*) from %s as t where t.user_id = $1', name) into number using ann;
      if number > 0 then
        raise exception 'a user sees % of another in %', number || ' rows', name;
      end if;
    end loop;
    if exists (select from attune.users as u where u.id = ann) then
      raise exception 'a user sees another in attune.users';
    end if;

    delete from attune.user_session_state as s where s.user_id = ann;
    get diagnostics number = row_count;
    if number > 0 then
      raise exception 'a user deletes what is another''s';
    end if;
    perform pg_catalog.set_config('role', 'none', true);
    raise notice 'ok: nobody sees or changes what is another''s (%)', pg_catalog.array_to_string(held, ', ');
  exception
    when others then
      failures := failures + 1;
      raise warning 'not ok: nobody sees or changes what is another''s: % (%)', sqlerrm, sqlstate;
  end;
  perform pg_catalog.set_config('role', 'none', true);

  -- The configuration of the AI falls back to the default where nobody stored anything
  begin
    perform pg_catalog.set_config('request.jwt.claims', claims_of_ann, true);
    perform pg_catalog.set_config('role', 'authenticated', true);
    shown := pg_catalog.to_jsonb(attune.get_effective_ai_config(ann));
    select pg_catalog.string_agg(s.key, ', ' order by s.key), pg_catalog.count(*) into wrong, number
    from attune.effective_settings('ai_configuration') as s
    where pg_catalog.starts_with(s.key, 'ai_configuration.')
      and pg_catalog.jsonb_exists(shown, pg_catalog.substr(s.key, 18))
      and coalesce(shown -> pg_catalog.substr(s.key, 18), 'null') is distinct from coalesce(s.value, 'null');
    if shown is null or shown ->> 'user_id' is distinct from ann::text then
      raise exception 'there is none';
    elsif wrong is not null then
      raise exception 'it is not what applies in %', wrong;
    end if;
    perform pg_catalog.set_config('role', 'none', true);

    select pg_catalog.string_agg(d.key, ', ' order by d.key) into wrong
    from attune_private.resolve_settings(ann, false, 'client') as r
    join attune.setting_definitions as d on d.key = r.key
    where d.category = 'ai_configuration'
      and pg_catalog.jsonb_exists(shown, pg_catalog.substr(d.key, 18))
      and r.layer = 'default'
      and coalesce(shown -> pg_catalog.substr(d.key, 18), 'null') is distinct from coalesce(d.default_value, 'null');
    if wrong is not null then
      raise exception 'it is not the default of %', wrong;
    end if;
    raise notice 'ok: the AI configuration of a user with none of their own is what applies to everybody';
  exception
    when others then
      failures := failures + 1;
      raise warning 'not ok: the AI configuration of a user with none of their own is what applies to everybody: % (%)',
        sqlerrm, sqlstate;
  end;
  perform pg_catalog.set_config('role', 'none', true);

  -- The AI configuration of one is no business of another's
  begin
    perform pg_catalog.set_config('request.jwt.claims', claims_of_bob, true);
    perform pg_catalog.set_config('role', 'authenticated', true);
    perform attune.get_effective_ai_config(ann);
    raise exception 'it was told';
  exception
    when insufficient_privilege then
      raise notice 'ok: the AI configuration of another is refused';
    when others then
      failures := failures + 1;
      raise warning 'not ok: the AI configuration of another is refused: % (%)', sqlerrm, sqlstate;
  end;

  -- Without a token
  begin
    perform pg_catalog.set_config('request.jwt.claims', '{"role": "anon"}', true);
    perform pg_catalog.set_config('role', 'anon', true);
    if attune.current_user_id() is not null then
      raise exception 'nobody is somebody';
    elsif exists (select from attune.effective_settings() as s where s.can_edit) then
      raise exception 'nobody may change a setting';
    end if;
    perform attune.set_preference('smoke-test', 'true');
    raise exception 'nobody changed a setting';
  exception
    when sqlstate 'PT401' or insufficient_privilege then
      raise notice 'ok: nobody changes anything without signing in';
    when others then
      failures := failures + 1;
      raise warning 'not ok: nobody changes anything without signing in: % (%)', sqlerrm, sqlstate;
  end;

  -- Nor are tables open to who is not signed in
  begin
    perform pg_catalog.set_config('request.jwt.claims', '{"role": "anon"}', true);
    perform pg_catalog.set_config('role', 'anon', true);
    foreach name in array held || array['attune.users'] loop
      begin
        execute pg_catalog.format('select count(*) from %s', name) into number;
      exception
        when insufficient_privilege then number := 0;
      end;
      if number > 0 then
        raise exception '% can be read', name;
      end if;
    end loop;
    perform pg_catalog.set_config('role', 'none', true);
    raise notice 'ok: nobody reads what is somebody''s without signing in';
  exception
    when others then
      failures := failures + 1;
      raise warning 'not ok: nobody reads what is somebody''s without signing in: % (%)', sqlerrm, sqlstate;
  end;

  if failures > 0 then
    raise exception 'The smoke test failed: % not ok.', failures || case when failures = 1 then ' check is' else ' checks are' end;
  end if;
end;
$smoke_test$;

rollback;
