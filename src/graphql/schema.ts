/** The GraphQL schema as text: sorted, so that the same migrations always give the same. */
import "./production.ts";
import { lexicographicSortSchema, printSchema } from "graphql";
import pg from "pg";
import { makeSchema } from "postgraphile";
import { makePreset } from "./preset.ts";

/** @param authenticatorUrl a migrated database, as the server connects to it */
export async function graphqlSchema(authenticatorUrl: string): Promise<string> {
  const pool = new pg.Pool({ connectionString: authenticatorUrl, max: 1 });
  try {
    const { schema } = await makeSchema(makePreset(pool));
    return `${printSchema(lexicographicSortSchema(schema))}\n`;
  } finally {
    await pool.end();
  }
}
