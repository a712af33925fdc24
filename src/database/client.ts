/** One PostgreSQL connection at a time: opened, used, closed. */
import pg from "pg";
import { parseJson } from "../json.ts";

const JSON_TYPES: ReadonlySet<number> = new Set([pg.types.builtins.JSON, pg.types.builtins.JSONB]);
/** As `pg` reads values, but JSON with every digit. */
const TYPES: pg.CustomTypesConfig = {
  getTypeParser: (type, format) => (JSON_TYPES.has(type) ? parseJson : pg.types.getTypeParser(type, format)),
};

/**
 * Opens a connection. A connection that breaks later fails the query it runs, never the process.
 * @param name shown as `application_name` in `pg_stat_activity`
 * @throws what `pg` throws: a network error or an error of the server, both with a `code`
 */
export async function connect(connectionString: string, name = "attune"): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString,
    application_name: name,
    connectionTimeoutMillis: 10_000,
    types: TYPES,
  });
  client.on("error", () => undefined);
  try {
    await client.connect();
  } catch (error) {
    void client.end().catch(() => undefined);
    throw error;
  }
  return client;
}

/**
 * Runs `work` on a connection of its own, which is closed whatever happens.
 * @param explain makes another error of the one that kept it from connecting
 */
export async function withClient<T>(
  connectionString: string,
  work: (client: pg.Client) => Promise<T>,
  explain: (error: unknown) => unknown = (error) => error,
): Promise<T> {
  const client = await connect(connectionString).catch((error: unknown) => {
    throw explain(error);
  });
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Runs `work` in one transaction on an open connection: committed when it returns, rolled back when it throws. */
export async function inTransaction<T>(client: pg.ClientBase, work: () => Promise<T>): Promise<T> {
  await client.query("begin");
  try {
    const result = await work();
    await client.query("commit");
    return result;
  } catch (error) {
    await client.query("rollback").catch(() => undefined);
    throw error;
  }
}
