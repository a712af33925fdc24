/**
 * Counts which SQL functions the tests call, for `npm run coverage`: in each test database, before it is dropped. Does
 * nothing unless ATTUNE_SQL_COVERAGE names a folder to write to.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { withClient } from "../database/client.ts";
import { databaseOf } from "../database/connection-string.ts";
import { given } from "../options/read-variable.ts";

/** The file with the names of all functions that are counted: tests make some of their own. */
export const FUNCTIONS = "functions.json";

/** `attune.viewer()`, and how often it was called. */
export type Calls = Record<string, number>;

/** How long connections that are just closing may take to report what they called, in milliseconds. */
const PATIENCE = 2000;

/** The functions of Attune in a database, with the calls that PostgreSQL counted. */
const CALLS = `
  select pg_catalog.format('%I.%I(%s)', n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid)) as name,
         coalesce(s.calls, 0)::int as calls
  from pg_catalog.pg_proc as p
  join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
  join pg_catalog.pg_language as l on l.oid = p.prolang
  left join pg_catalog.pg_stat_user_functions as s on s.funcid = p.oid
  where n.nspname in ('attune', 'attune_private', 'attune_hidden', 'auth') and p.prokind = 'f'
    and l.lanname in ('sql', 'plpgsql')
  order by 1`;

/**
 * Has the functions of a template counted. PostgreSQL does not count what it inlines, and it inlines nothing that has a
 * setting: so each that it could is given one, which changes nothing.
 */
export async function prepareCounting(url: string): Promise<void> {
  const target = folder();
  if (target === undefined) return;
  await withClient(url, async (client) => {
    const { rows } = await client.query<{ name: string }>(CALLS);
    await writeFile(join(target, FUNCTIONS), JSON.stringify(rows.map(({ name }) => name)));
    await client.query(`
      do $$
      declare
        inlined regprocedure;
      begin
        for inlined in
          select p.oid
          from pg_catalog.pg_proc as p
          join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
          join pg_catalog.pg_language as l on l.oid = p.prolang
          where n.nspname in ('attune', 'attune_private', 'attune_hidden', 'auth')
            and l.lanname = 'sql' and p.prokind = 'f' and p.proconfig is null and not p.prosecdef
        loop
          execute pg_catalog.format('alter function %s set gin_fuzzy_search_limit = 0', inlined);
        end loop;
      end;
      $$`);
  });
}

/** Writes down what was called in a database that is about to be dropped. */
export async function countCalls(url: string): Promise<void> {
  const target = folder();
  if (target === undefined) return;
  const calls = await withClient(url, async (client) => {
    const deadline = Date.now() + PATIENCE;
    while (Date.now() < deadline) {
      const { rowCount } = await client.query(
        "select from pg_catalog.pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
      );
      if (rowCount === 0) break;
      await sleep(20);
    }
    const { rows } = await client.query<{ name: string; calls: number }>(CALLS);
    return Object.fromEntries(rows.map(({ name, calls: count }) => [name, count]));
  });
  await writeFile(join(target, `${databaseOf(url)}.json`), JSON.stringify(calls satisfies Calls));
}

function folder(): string | undefined {
  return given(process.env, "ATTUNE_SQL_COVERAGE");
}
