/** Takes from everybody, in a database that Attune has made for itself, what no request needs. */
import type pg from "pg";

/**
 * Temporary tables, which fill the disk; large objects, which anybody may read and overwrite; and advisory locks, by
 * which one request could keep others waiting. The owner keeps them. Functions of the system are a superuser's to
 * withhold: another owner withholds the first of them only.
 * @param client connected to the database
 */
export async function withholdRights(client: pg.Client): Promise<void> {
  await client.query(`
    do $$
    declare
      owner constant text := (select pg_get_userbyid(d.datdba) from pg_database as d where d.datname = current_database());
      needless regprocedure;
    begin
      execute format('revoke temporary on database %I from public', current_database());

      if not (select r.rolsuper from pg_roles as r where r.rolname = current_user) then
        return;
      end if;

      for needless in
        select p.oid
        from pg_proc as p
        where p.pronamespace = 'pg_catalog'::regnamespace
          and p.proname ~ '^(lo_.*|loread|lowrite|pg_(try_)?advisory_.*)$'
      loop
        execute format('revoke execute on function %s from public', needless);
        execute format('grant execute on function %s to %I', needless, owner);
      end loop;
    end;
    $$`);
}
