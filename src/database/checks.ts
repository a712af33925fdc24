/** What a server and a user must be able to do before anything is changed. */
import pg from "pg";
import { UserError } from "../user-error.ts";
import { pluralOf } from "../words.ts";

const OLDEST_MAJOR = 15;

/** The roles that the first migration creates where they are missing. */
const ROLES = ["anon", "authenticated", "service_role", "authenticator"];

/** @throws UserError when the server is older than what Attune needs */
export async function assertVersion(client: pg.Client): Promise<void> {
  const {
    rows: [server],
  } = await client.query<{ number: string; text: string }>(
    "select current_setting('server_version_num') as number, current_setting('server_version') as text",
  );
  assertServerVersion(Number(server?.number), server?.text ?? "");
}

/** @param number `server_version_num`, like 150004 */
export function assertServerVersion(number: number, text: string): void {
  if (Math.floor(number / 10_000) < OLDEST_MAJOR) {
    throw new UserError(`PostgreSQL ${text} is too old: Attune needs ${OLDEST_MAJOR} or newer.`);
  }
}

/**
 * The first migration creates roles and schemas: who may not do that is told before anything is changed.
 * @throws UserError
 */
export async function assertRights(client: pg.Client, needed: { schemas: boolean }): Promise<void> {
  const {
    rows: [rights],
  } = await client.query<{ user: string; database: string; missing: string[]; roles: boolean; schemas: boolean }>(
    `select current_user as user,
            pg_catalog.current_database() as database,
            array(select wanted from unnest($1::text[]) as wanted except select rolname from pg_catalog.pg_roles order by 1) as missing,
            (select rolsuper or rolcreaterole from pg_catalog.pg_roles where rolname = current_user) as roles,
            pg_catalog.to_regnamespace('attune') is not null
              or pg_catalog.has_database_privilege(pg_catalog.current_database(), 'create') as schemas`,
    [ROLES],
  );
  if (rights === undefined) return;
  const user = pg.escapeIdentifier(rights.user);
  if (rights.missing.length > 0 && !rights.roles) {
    throw new UserError(
      `The user ${rights.user} may not create the ${pluralOf("role", rights.missing.length)} ${rights.missing.join(", ")}: run \`alter role ${user} createrole\` as a superuser, or create them.`,
    );
  }
  if (needed.schemas && !rights.schemas) {
    throw new UserError(
      `The user ${rights.user} may not create schemas in the database ${rights.database}: run \`grant create on database ${pg.escapeIdentifier(rights.database)} to ${user}\` as its owner.`,
    );
  }
}
