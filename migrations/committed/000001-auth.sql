--! Previous: -
--! Hash: sha1:d5f50cbc1af61b810d8fa8fcf24a0c80269ee847
--! Message: auth

--! Included auth/roles.sql
-- The request roles, as PostgREST and Supabase name them. A cluster may have them already, from another
-- database or another product: then they are used as they are, and the way back leaves them alone.
do $$
declare
  wanted record;
begin
  for wanted in
    select *
    from (values
      ('anon', 'nologin noinherit', 'a request without a token'),
      ('authenticated', 'nologin noinherit', 'a request of a signed-in user'),
      ('service_role', 'nologin noinherit', 'a request of a trusted server'),
      ('authenticator', 'login noinherit', 'connects, then becomes one of the request roles')
    ) as r (name, attributes, purpose)
  loop
    if pg_catalog.to_regrole(wanted.name) is null then
      begin
        execute pg_catalog.format('create role %I %s', wanted.name, wanted.attributes);
        execute pg_catalog.format('comment on role %I is %L', wanted.name, 'Attune: ' || wanted.purpose);
      exception
        -- Another database of this cluster is being migrated at the same moment.
        when duplicate_object or unique_violation then null;
      end;
    end if;
  end loop;

  begin
    -- The owner may become a request role too, to try what it may do.
    execute pg_catalog.format('grant anon, authenticated, service_role to authenticator, %I', current_user);
  exception
    when unique_violation then null;
    when insufficient_privilege then
      if not (
        pg_catalog.pg_has_role('authenticator', 'anon', 'member')
        and pg_catalog.pg_has_role('authenticator', 'authenticated', 'member')
        and pg_catalog.pg_has_role('authenticator', 'service_role', 'member')
      ) then
        raise;
      end if;
  end;
end;
$$;
--! EndIncluded auth/roles.sql

create schema attune;
comment on schema attune is 'An application''s settings: everything here is the API.';
grant usage on schema attune to anon, authenticated, service_role;

create schema attune_hidden;
comment on schema attune_hidden is
  'What policies and functions need while a request runs, and nobody should call: it is in no API''s list of '
  'schemas.';
grant usage on schema attune_hidden to anon, authenticated, service_role;

create schema attune_private;
comment on schema attune_private is
  'Secrets and helpers of Attune. '
  'No request role may look inside.';

-- On Supabase the schema and its functions exist, and stay as they are.
do $$
begin
  if pg_catalog.to_regnamespace('auth') is null then
    create schema auth;
    comment on schema auth is 'Attune: who is asking, as Supabase names it.';
    grant usage on schema auth to anon, authenticated, service_role;
  end if;
end;
$$;

--! Included auth/hidden/read_claims.sql
create or replace function attune_hidden.read_claims(claims text)
returns jsonb
-- Not SQL: that would be made a part of whatever asks for claims, which hardly ever needs it.
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  return regexp_replace(
    regexp_replace(
      claims, '(?<!\\)((?:\\\\)*)\\u(?:0000|d[89ab][0-9a-f]{2}(?!\\ud[c-f][0-9a-f]{2}))', '\1\\ufffd', 'gi'
    ),
    '(?<!\\)(?<!\\ud[89ab][0-9a-f]{2})((?:\\\\)*)\\ud[c-f][0-9a-f]{2}', '\1\\ufffd', 'gi'
  )::jsonb;
end;
$$;
comment on function attune_hidden.read_claims(text) is
  'Claims as JSON, with what JSON can say and PostgreSQL can''t hold replaced (U+0000, half a surrogate pair): a name '
  'that has it keeps nobody out.';
revoke all on function attune_hidden.read_claims(text) from public;
grant execute on function attune_hidden.read_claims(text) to anon, authenticated, service_role;
--! EndIncluded auth/hidden/read_claims.sql
--! Included auth/jwt.sql
do $do$
begin
  if to_regprocedure('auth.jwt()') is null then
    create function auth.jwt()
    returns jsonb
    language sql stable parallel safe security invoker
    begin atomic
      -- A local setting of an ended transaction comes back as '', not as NULL.
      select case
        when strpos(current_setting('request.jwt.claims', true), '\u') > 0
          then attune_hidden.read_claims(current_setting('request.jwt.claims', true))
        else nullif(current_setting('request.jwt.claims', true), '')::jsonb
      end;
    end;
    comment on function auth.jwt() is
      'Attune: the claims of the request''s verified token, as PostgREST sets them; NULL without one.';
    revoke all on function auth.jwt() from public;
    grant execute on function auth.jwt() to anon, authenticated, service_role;
  end if;
end;
$do$;
--! EndIncluded auth/jwt.sql
--! Included auth/uid.sql
do $do$
begin
  if to_regprocedure('auth.uid()') is null then
    create function auth.uid()
    returns uuid
    language sql stable parallel safe security invoker
    begin atomic
      -- A subject of any other shape belongs to an outside provider, and is nobody here.
      select case
        when auth.jwt() ->> 'sub' ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'
          then (auth.jwt() ->> 'sub')::uuid
      end;
    end;
    comment on function auth.uid() is
      'Attune: the subject of the request''s token when it is a UUID, else NULL.';
    revoke all on function auth.uid() from public;
    grant execute on function auth.uid() to anon, authenticated, service_role;
  end if;
end;
$do$;
--! EndIncluded auth/uid.sql
--! Included auth/role.sql
do $do$
begin
  if to_regprocedure('auth.role()') is null then
    create function auth.role()
    returns text
    language sql stable parallel safe security invoker
    begin atomic
      select auth.jwt() ->> 'role';
    end;
    comment on function auth.role() is
      'Attune: the role claimed by the request''s token. Rights follow the database role, never this claim.';
    revoke all on function auth.role() from public;
    grant execute on function auth.role() to anon, authenticated, service_role;
  end if;
end;
$do$;
--! EndIncluded auth/role.sql
--! Included auth/hidden/applied_migrations.sql
create or replace function attune_hidden.applied_migrations()
returns text[]
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if to_regclass('graphile_migrate.migrations') is null then
    return null;
  end if;
  return array(select m.hash from graphile_migrate.migrations as m order by m.filename);
exception
  -- The history is another application's, whose migrations have `attune sql` in them.
  when insufficient_privilege then return null;
end;
$$;
comment on function attune_hidden.applied_migrations() is
  'The hashes of the migrations that the database has, oldest first, by which a server knows whether it is up to date. '
  'NULL where there is no history that the owner may read.';
revoke all on function attune_hidden.applied_migrations() from public;
grant execute on function attune_hidden.applied_migrations() to anon, authenticated, service_role;
--! EndIncluded auth/hidden/applied_migrations.sql
