/** How the embedded server is connected to, and the role that owns Attune's databases there. */
import pg from "pg";

/** The superuser's connection to a database, `postgres` by default. */
export function superuserUrl(port: number, password: string, database = "postgres"): string {
  return localUrl("postgres", password, port, database);
}

/** The connection to a database of the server on this machine. `sslmode` keeps a PGSSLMODE of the caller out of it. */
export function localUrl(user: string, password: string, port: number, database: string): string {
  return `postgres://${user}:${password}@127.0.0.1:${port}/${encodeURIComponent(database)}?sslmode=disable`;
}

/** Creates the role `attune`, who may do what the migrations need, sees how the server is, and is no superuser. */
export async function createOwnerRole(superuser: pg.Client, password: string): Promise<void> {
  await superuser.query(
    `create role attune login createrole createdb password ${pg.escapeLiteral(password)} in role pg_monitor`,
  );
}
