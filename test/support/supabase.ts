/**
 * A database as Supabase makes one: its roles, of which `postgres` is no superuser, and its schema `auth`, after
 * migrations/db of supabase/postgres and migrations of supabase/auth, as far as a schema beside them can tell.
 */
import { withClient } from "../../src/database/client.ts";
import { startThrowawayCluster } from "../../src/embedded/testing/throwaway.ts";

const PASSWORD = "supabase";

/** By the superuser that is called `postgres` elsewhere: here it is `supabase_admin`, and `postgres` another. */
const SUPERUSER = `
  create role boot login superuser password '${PASSWORD}';
`;
const RENAME = `
  alter role postgres rename to supabase_admin;
  alter role supabase_admin password '${PASSWORD}';
  create role postgres nosuperuser createdb createrole login replication bypassrls password '${PASSWORD}';
`;

const ROLES = `
  create role anon nologin inherit;
  create role authenticated nologin inherit;
  create role service_role nologin inherit bypassrls;
  create role authenticator login noinherit password '${PASSWORD}';
  grant anon, authenticated, service_role to authenticator;
  create role supabase_auth_admin noinherit createrole login noreplication password '${PASSWORD}';
  create role dashboard_user nosuperuser createdb createrole replication;
  alter role anon set statement_timeout = '3s';
  alter role authenticated set statement_timeout = '8s';
  alter role authenticator set statement_timeout = '8s';
  alter role authenticator set lock_timeout = '8s';
  alter role supabase_auth_admin set search_path = 'auth';
  alter role supabase_auth_admin set idle_in_transaction_session_timeout = 60000;
  alter role postgres set search_path = "$user", public, extensions;
  grant supabase_auth_admin to postgres;
  grant anon, authenticated, service_role to postgres;
  grant pg_monitor, pg_read_all_data, pg_signal_backend to postgres;
  drop role if exists attune;
`;

const SCHEMAS = `
  create schema extensions;
  create extension pgcrypto with schema extensions;
  grant usage on schema extensions to postgres, anon, authenticated, service_role;
  grant all on schema extensions to postgres;
  grant usage on schema public to postgres, anon, authenticated, service_role;
  alter default privileges in schema public grant all on tables to postgres, anon, authenticated, service_role;

  create schema auth authorization supabase_admin;
  grant usage on schema auth to anon, authenticated, service_role;
  grant all on schema auth to supabase_auth_admin, postgres, dashboard_user;
  create table auth.users (
    instance_id uuid, id uuid not null primary key, aud varchar(255), "role" varchar(255), email varchar(255),
    encrypted_password varchar(255), email_confirmed_at timestamptz, invited_at timestamptz,
    last_sign_in_at timestamptz, raw_app_meta_data jsonb, raw_user_meta_data jsonb, is_super_admin boolean,
    created_at timestamptz, updated_at timestamptz, phone text unique, phone_confirmed_at timestamptz,
    confirmed_at timestamptz generated always as (least(email_confirmed_at, phone_confirmed_at)) stored,
    banned_until timestamptz, is_sso_user boolean not null default false, deleted_at timestamptz,
    is_anonymous boolean not null default false
  );
  create unique index users_email_partial_key on auth.users (email) where (is_sso_user = false);
  alter table auth.users owner to supabase_auth_admin;
  alter table auth.users enable row level security;
  grant all on all tables in schema auth to postgres, dashboard_user;
  grant select on auth.users to postgres with grant option;

  create function auth.uid() returns uuid language sql stable as $$
    select coalesce(
      nullif(current_setting('request.jwt.claim.sub', true), ''),
      (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')
    )::uuid
  $$;
  create function auth.role() returns text language sql stable as $$
    select coalesce(
      nullif(current_setting('request.jwt.claim.role', true), ''),
      (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role')
    )::text
  $$;
  create function auth.jwt() returns jsonb language sql stable as $$
    select coalesce(
      nullif(current_setting('request.jwt.claim', true), ''),
      nullif(current_setting('request.jwt.claims', true), '')
    )::jsonb
  $$;
  alter function auth.uid() owner to supabase_auth_admin;
  alter function auth.role() owner to supabase_auth_admin;
  alter function auth.jwt() owner to supabase_auth_admin;
  grant all on all routines in schema auth to postgres, dashboard_user;
`;

export type Supabase = {
  /** The connection of a role to the database. */
  urlOf: (role: "postgres" | "authenticator" | "supabase_auth_admin" | "supabase_admin") => string;
  stop: () => Promise<void>;
};

/** Starts one, on a server of its own, because roles are the server's. */
export async function startSupabase(): Promise<Supabase> {
  const cluster = await startThrowawayCluster();
  try {
    await withClient(cluster.superuserUrl(), (client) => client.query(SUPERUSER));
    const urlOf = (role: string): string => `postgresql://${role}:${PASSWORD}@127.0.0.1:${cluster.port}/postgres`;
    await withClient(urlOf("boot"), (client) => client.query(RENAME));
    await withClient(urlOf("supabase_admin"), async (client) => {
      await client.query(ROLES);
      await client.query("alter database postgres owner to postgres");
      await client.query(SCHEMAS);
    });
    return { urlOf, stop: cluster.stop };
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}
