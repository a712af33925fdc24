-- Run once, by the image of PostgreSQL, as its superuser and in Attune's database: who owns it, and who lets people in.
\getenv owner_password OWNER_PASSWORD
\getenv pgbouncer_password PGBOUNCER_PASSWORD

create role attune login createrole password :'owner_password';
alter database attune owner to attune;
grant pg_monitor to attune;
revoke temporary on database attune from public;

-- pgbouncer asks PostgreSQL whether somebody may come in, so that it knows no password but its own.
create role pgbouncer login password :'pgbouncer_password';
create schema pgbouncer;
revoke all on schema pgbouncer from public;
grant usage on schema pgbouncer to pgbouncer;
create function pgbouncer.secret_of(name text)
returns table (role text, secret text)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select a.rolname::text, a.rolpassword
  from pg_catalog.pg_authid as a
  where a.rolname = secret_of.name and a.rolname in ('attune', 'authenticator');
$$;
revoke all on function pgbouncer.secret_of(text) from public;
grant execute on function pgbouncer.secret_of(text) to pgbouncer;
