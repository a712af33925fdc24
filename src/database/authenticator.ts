/** The way in for the role `authenticator`, as which the server connects. */
import { createHmac } from "node:crypto";
import pg from "pg";
import type { Options } from "../options/options.ts";
import { codeOf, messageOf, UserError } from "../user-error.ts";
import { inTransaction, withClient } from "./client.ts";
import { connectionError, withOwner } from "./connection-error.ts";
import { databaseOf, describeServer, passwordOf, withCredentials } from "./connection-string.ts";

/**
 * How the server connects: with a password that several servers agree on, unless AUTHENTICATOR_URL says.
 * @param password the embedded cluster's
 * @throws UserError when there is nothing to derive a password from
 */
export function authenticatorUrlOf(options: Options, ownerUrl: string, password: string | undefined): string {
  if (options.authenticatorUrl !== undefined) return options.authenticatorUrl;
  const { secret } = options.jwt;
  // Whoever has the secret that signs tokens can become any user anyway, so the password may follow from it.
  const used = password ?? (secret && createHmac("sha256", secret).update("attune authenticator").digest("base64url"));
  if (used === undefined) {
    throw new UserError(
      "AUTHENTICATOR_URL is required with DATABASE_URL unless JWT_SECRET is set: the connection string of the role authenticator.",
    );
  }
  return withCredentials(ownerUrl, "authenticator", used);
}

/**
 * Makes sure that the role `authenticator` has the password of `url`, where it is our own role. The role belongs to all
 * databases of the server, so its comment remembers for which one the password was set.
 * @throws UserError asking for AUTHENTICATOR_URL when the role is not ours to change
 */
export async function letAuthenticatorIn(ownerUrl: string, url: string): Promise<void> {
  if (await canLogIn(url)) return;
  await withOwner(ownerUrl, async (client) => {
    const {
      rows: [role],
    } = await client.query<{ ours: boolean; other: string | null }>(
      `select coalesce(r.comment like 'Attune:%', false) as ours, d.datname as other
       from (select pg_catalog.shobj_description(oid, 'pg_authid') as comment from pg_catalog.pg_roles where rolname = 'authenticator') as r
       left join pg_catalog.pg_database as d
         on d.datname = substring(r.comment from ' password is for (.*)$') and d.datname <> pg_catalog.current_database()`,
    );
    if (role === undefined)
      throw new UserError("The database has no role authenticator yet: `attune migrate` creates it.");
    if (!role.ours) {
      throw new UserError(
        "The role authenticator was there before Attune, so its password is not changed: put its connection string into AUTHENTICATOR_URL.",
      );
    }
    if (role.other !== null) {
      throw new UserError(
        `The role authenticator is shared with the database ${role.other}, where JWT_SECRET is another: use the same, or put the role's connection string into AUTHENTICATOR_URL.`,
      );
    }
    try {
      await inTransaction(client, async () => {
        await client.query(`alter role authenticator password ${pg.escapeLiteral(passwordOf(url))}`);
        await client.query(
          `comment on role authenticator is ${pg.escapeLiteral(`Attune: connects, then becomes one of the request roles; its password is for ${databaseOf(url)}`)}`,
        );
      });
    } catch (error) {
      // Another server may have set the same one at the same time.
      if (await canLogIn(url)) return;
      throw new UserError(
        `The password of the role authenticator could not be set (${messageOf(error)}): put its connection string into AUTHENTICATOR_URL.`,
      );
    }
  });
  if (!(await canLogIn(url))) {
    throw new UserError(
      `PostgreSQL at ${describeServer(url)} does not let the role authenticator in with its password: allow that in pg_hba.conf, or put another way in into AUTHENTICATOR_URL.`,
    );
  }
}

/** Whether user and password are accepted. */
export async function canLogIn(url: string): Promise<boolean> {
  try {
    await withClient(url, async () => undefined);
    return true;
  } catch (error) {
    if (codeOf(error) === "28P01" || codeOf(error) === "28000") return false;
    // pgbouncer has one code for whatever it refuses.
    if (codeOf(error) === "08P01" && /authentication failed|no such user/.test(messageOf(error))) return false;
    throw connectionError(error, url, "AUTHENTICATOR_URL");
  }
}
