/** A connection that does by hand what the server does for a request: a transaction with the user's role and claims. */
import type pg from "pg";
import { connect, withClient } from "../src/database/client.ts";

/** Users whose requests are measured, in turns. The server remembers their tokens. */
const ACTIVE_USERS = 1000;

export type Statement = { name: string; text: string };

export type Session = {
  /** Runs one prepared statement in a transaction of its own, as the server does: begin, role and claims, statement, commit. */
  as: (
    role: "authenticated" | "service_role" | "none",
    user: string,
    statement: Statement,
    params?: unknown[],
  ) => Promise<pg.QueryResult>;
  /** The next of the active users. */
  next: () => string;
  client: pg.Client;
};

const CLAIMS: Statement = {
  name: "claims",
  text: "select set_config('role', $1, true), set_config('request.jwt.claims', $2, true), set_config('statement_timeout', '5s', true)",
};

/** @param url connects as `authenticator`, or as the owner for what row level security is to be compared with */
export async function openSession(url: string): Promise<Session> {
  const client = await connect(url, "attune bench");
  const { rows } = await withClient(url, async (own) => {
    await own.query("begin; set local role service_role");
    return own.query<{ id: string }>("select id from attune.users order by md5(email) limit $1", [ACTIVE_USERS]);
  });
  let turn = 0;
  return {
    client,
    next: () => rows[(turn += 1) % rows.length]?.id ?? "",
    as: async (role, user, statement, params = []) => {
      await client.query("begin");
      const claims = role === "service_role" ? { role } : { sub: user, role: "authenticated" };
      await client.query({ ...CLAIMS, values: [role, JSON.stringify(claims)] });
      const result = await client.query({ ...statement, values: params });
      await client.query("commit");
      return result;
    },
  };
}
