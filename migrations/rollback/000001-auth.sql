-- What was there before (on Supabase: the roles and schema auth) stays: ours carries a comment that begins with "Attune:".
do $$
declare
  ours record;
begin
  for ours in
    select p.oid::regprocedure as signature
    from pg_catalog.pg_proc as p
    where p.pronamespace = pg_catalog.to_regnamespace('auth')
      and pg_catalog.obj_description(p.oid, 'pg_proc') like 'Attune:%'
    -- jwt() last, because the others are bound to it.
    order by p.proname = 'jwt'
  loop
    execute pg_catalog.format('drop function %s', ours.signature);
  end loop;

  if pg_catalog.obj_description(pg_catalog.to_regnamespace('auth'), 'pg_namespace') like 'Attune:%' then
    drop schema auth;
  end if;
end;
$$;

drop function
  attune_hidden.read_claims(text),
  attune_hidden.applied_migrations();
drop schema attune_private;
drop schema attune_hidden;
drop schema attune;

-- Roles belong to the cluster: another database may still need them.
do $$
declare
  ours record;
begin
  for ours in
    select r.rolname
    from pg_catalog.pg_roles as r
    where r.rolname in ('authenticator', 'service_role', 'authenticated', 'anon')
      and pg_catalog.shobj_description(r.oid, 'pg_authid') like 'Attune:%'
  loop
    begin
      execute pg_catalog.format('drop role %I', ours.rolname);
    exception
      when dependent_objects_still_exist or insufficient_privilege then
        raise notice 'role % stays: something else needs it', ours.rolname;
    end;
  end loop;
end;
$$;
