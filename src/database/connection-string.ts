/** Connection strings: where they lead, and the same for another user or database. */
import pg from "pg";

/** Where a connection string leads, without its password. */
export function describeServer(connectionString: string): string {
  const { host, port } = new pg.Client({ connectionString });
  return host.startsWith("/") ? host : `${host}:${port}`;
}

/** The same with the name of the database. */
export function describeDatabase(connectionString: string): string {
  return `${databaseOf(connectionString)} at ${describeServer(connectionString)}`;
}

/** The name of the database. */
export function databaseOf(connectionString: string): string {
  return new pg.Client({ connectionString }).database ?? "";
}

/** The password in it; empty when there is none. */
export function passwordOf(connectionString: string): string {
  return new pg.Client({ connectionString }).password ?? "";
}

/** The same server and database for another user. Without a host in the URL (a socket) they are parameters. */
export function withCredentials(connectionString: string, user: string, password: string): string {
  const url = new URL(connectionString);
  url.searchParams.delete("user");
  url.searchParams.delete("password");
  if (url.hostname === "") {
    url.searchParams.set("user", user);
    url.searchParams.set("password", password);
  } else {
    url.username = user;
    url.password = password;
  }
  return url.href;
}

/** The same server and user for another database. */
export function urlOfDatabase(connectionString: string, database: string): string {
  const url = new URL(connectionString);
  url.pathname = `/${encodeURIComponent(database)}`;
  return url.href;
}
