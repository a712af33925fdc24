/** `/api/health` and `/api/ready`: whether the server lives, and whether its database can be used. */
import type { FastifyInstance } from "fastify";
import type { Pool, QueryResult } from "pg";
import { UserError } from "../../user-error.ts";
import { RequestError } from "../request-error.ts";

/** What an anonymous request may do in any migrated database, and what only the last of the migrations brings. */
const PROBE = `
  begin;
  set local role anon;
  select attune.current_user_id();
  select exists (
    select from pg_catalog.pg_proc as p
    where p.pronamespace = 'attune'::regnamespace
      and p.proname = 'effective_settings'
  ) as migrated;
  commit`;

/** @throws when the database can't be reached, or is not migrated */
export async function probe(pool: Pool): Promise<void> {
  const results = (await pool.query(PROBE)) as unknown as QueryResult<{ migrated?: boolean }>[];
  if (!results.some(({ rows }) => rows[0]?.migrated === true))
    throw new UserError("The database is not migrated: run `attune migrate`.");
}

export function addHealth(app: FastifyInstance, pool: Pool): void {
  let asking: Promise<void> | undefined;

  app.get("/api/health", async () => ({ status: "alive" }));
  app.get("/api/ready", async () => {
    try {
      // Probes that come meanwhile wait for the same answer, so that they take one connection.
      await (asking ??= probe(pool).finally(() => (asking = undefined)));
    } catch (cause) {
      const message = "The database can't be reached, or is not migrated";
      throw new RequestError(503, "not_ready", message, "Try again in a few seconds.", { cause });
    }
    return { status: "ready", migrated: true };
  });
}
