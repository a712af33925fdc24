/** What the server itself asks the database, as somebody: one transaction, with role and claims set as for any request. */
import type pg from "pg";
import type { Identity } from "../sign-in/authenticate.ts";
import { inTransaction } from "./client.ts";

const SET = "select set_config(setting ->> 0, setting ->> 1, true) from json_array_elements($1::json) as setting";

/** Runs one statement as `identity` and returns its rows. What it wrote is committed. */
export async function queryAs<Row extends pg.QueryResultRow>(
  pool: pg.Pool,
  { pgSettings }: Identity,
  sql: string,
  params: unknown[] = [],
): Promise<Row[]> {
  const client = await pool.connect();
  try {
    return await inTransaction(client, async () => {
      await client.query(SET, [JSON.stringify(Object.entries(pgSettings))]);
      return (await client.query<Row>(sql, params)).rows;
    });
  } finally {
    client.release();
  }
}
