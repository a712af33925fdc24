/** The database a command works on: reached, checked, made ready, and described in one sentence when it can't be. */
import { createHmac } from "node:crypto";
import pg from "pg";
import { connect, inTransaction, withClient } from "./client.ts";
import { openCluster } from "../embedded/cluster.ts";
import { codeOf, messageOf, UserError } from "../user-error.ts";
import { migrate } from "./migrations.ts";
import type { Options } from "../options/options.ts";
import type { ResolvedJwtOptions } from "../sign-in/jwt.ts";

export const OLDEST_MAJOR = 15;

/** The roles that the first migration creates where they are missing. */
const ROLES = ["anon", "authenticated", "service_role", "authenticator"];

export type OwnerConnection = {
  ownerUrl: string;
  /** The embedded cluster's secrets; undefined with DATABASE_URL. */
  embedded: { authenticatorPassword: string; jwtSecret: string } | undefined;
  /** Settles when the embedded server went away by itself. With DATABASE_URL it never does: the server reconnects. */
  lost: Promise<UserError>;
  stop: () => Promise<void>;
};

export type Connections = {
  ownerUrl: string;
  authenticatorUrl: string;
  jwt: ResolvedJwtOptions;
  lost: Promise<UserError>;
  /** Stops the embedded server where that is ours to do. */
  stop: () => Promise<void>;
};

export type Purpose = {
  /** Create what is missing and apply the migrations; `prepare` leaves the latter to the caller, false changes nothing. */
  migrate: boolean | "prepare";
  /** Take the embedded cluster for a serving process, of which there is one at a time. */
  serve?: boolean;
  /** Gives up: the embedded server is stopped, and with it whatever runs there. */
  signal?: AbortSignal;
};

/**
 * Makes sure that a database can be used as a server needs it: reached (the embedded cluster is started or joined),
 * with roles and schema when `migrate`, and with a way in for `authenticator`.
 * @throws UserError
 */
export async function openDatabase(options: Options, purpose: Purpose): Promise<Connections> {
  // What needs no database is refused before one is made.
  if (options.databaseUrl !== undefined) resolveJwt(options, undefined);
  const owner = await openOwner(options, purpose);
  try {
    const jwt = resolveJwt(options, owner.embedded?.jwtSecret);
    const authenticatorUrl = authenticatorUrlOf(options, owner.ownerUrl, owner.embedded?.authenticatorPassword);
    if (options.authenticatorUrl === undefined) await letAuthenticatorIn(owner.ownerUrl, authenticatorUrl);
    else if (!(await canLogIn(authenticatorUrl))) {
      throw new UserError(
        `PostgreSQL at ${describeServer(authenticatorUrl)} refuses the user or password in AUTHENTICATOR_URL.`,
      );
    }
    return { ownerUrl: owner.ownerUrl, authenticatorUrl, jwt, lost: owner.lost, stop: owner.stop };
  } catch (error) {
    await owner.stop();
    throw error;
  }
}

/**
 * The same for commands that work as the owner only.
 * @throws UserError
 */
export async function openOwner(options: Options, purpose: Purpose): Promise<OwnerConnection> {
  const owner =
    options.databaseUrl === undefined
      ? await openEmbedded(options, purpose)
      : {
          ownerUrl: options.databaseUrl,
          embedded: undefined,
          lost: new Promise<never>(() => undefined),
          stop: async () => undefined,
        };
  const giveUp = (): void => void owner.stop();
  purpose.signal?.addEventListener("abort", giveUp, { once: true });
  try {
    purpose.signal?.throwIfAborted();
    if (purpose.migrate !== false) await createDatabase(owner.ownerUrl);
    await withOwner(owner.ownerUrl, async (client) => {
      await assertVersion(client);
      if (purpose.migrate !== false) await assertRights(client, { schemas: true });
    });
    if (purpose.migrate === true) await migrate(owner.ownerUrl);
    purpose.signal?.throwIfAborted();
    return owner;
  } catch (error) {
    await owner.stop();
    throw error;
  } finally {
    purpose.signal?.removeEventListener("abort", giveUp);
  }
}

async function openEmbedded(options: Options, purpose: Purpose): Promise<OwnerConnection> {
  const cluster = await openCluster(options.dataDir, {
    major: options.embeddedMajor,
    serve: purpose.serve === true,
    ...(purpose.signal && { signal: purpose.signal }),
  });
  return { ownerUrl: cluster.ownerUrl, embedded: cluster.secrets, lost: cluster.lost, stop: cluster.stop };
}

/**
 * How tokens are signed and checked.
 * @param generated the secret of the embedded cluster
 * @throws UserError when nothing was configured
 */
export function resolveJwt(options: Options, generated: string | undefined): ResolvedJwtOptions {
  const { secret = generated, outside } = options.jwt;
  if (secret === undefined && outside === undefined) {
    throw new UserError(
      "JWT_SECRET is required with DATABASE_URL (or JWT_ISSUER and its keys); `openssl rand -base64 48` makes one.",
    );
  }
  if (secret === undefined && options.signIn !== undefined) {
    throw new UserError(
      "JWT_SECRET is required with the providers in AUTH_…: who signs in with one gets a token of ours.",
    );
  }
  return { secret, outside };
}

/** Where a connection string leads, without its password. */
export function describeServer(connectionString: string): string {
  const { host, port } = new pg.Client({ connectionString });
  return host.startsWith("/") ? host : `${host}:${port}`;
}

/** The same with the name of the database. */
export function describeDatabase(connectionString: string): string {
  return `${databaseOf(connectionString)} at ${describeServer(connectionString)}`;
}

function databaseOf(connectionString: string): string {
  return new pg.Client({ connectionString }).database ?? "";
}

function passwordOf(connectionString: string): string {
  return new pg.Client({ connectionString }).password ?? "";
}

/** Runs `work` as the owner, and says in a sentence why that is not possible. */
async function withOwner<T>(ownerUrl: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  let client: pg.Client;
  try {
    client = await connect(ownerUrl);
  } catch (error) {
    throw connectionError(error, ownerUrl, "DATABASE_URL");
  }
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** One sentence for a connection that failed; the password is never in it. */
export function connectionError(error: unknown, connectionString: string, variable: string): UserError {
  const server = describeServer(connectionString);
  switch (codeOf(error)) {
    case "3D000":
      return new UserError(
        `There is no database ${databaseOf(connectionString)} at ${server}: \`attune migrate\` creates it.`,
      );
    case "28P01":
      return new UserError(`PostgreSQL at ${server} refuses the user or password in ${variable}.`);
    case "28000":
      return new UserError(`PostgreSQL at ${server} does not let the user in ${variable} in: ${messageOf(error)}.`);
    case "53300":
      return new UserError(
        `PostgreSQL at ${server} has no connection left: raise its max_connections or stop other clients.`,
      );
    case "57P03":
      return new UserError(`PostgreSQL at ${server} is just starting or stopping: try again.`);
    default:
      return new UserError(
        `PostgreSQL at ${server} can't be reached (${codeOf(error) ?? messageOf(error)}): check ${variable} and that the server runs.`,
      );
  }
}

/** Creates the database that the connection string names, where it is missing. */
async function createDatabase(ownerUrl: string): Promise<void> {
  try {
    return await withClient(ownerUrl, async () => undefined);
  } catch (error) {
    if (codeOf(error) !== "3D000") throw connectionError(error, ownerUrl, "DATABASE_URL");
  }
  const name = databaseOf(ownerUrl);
  const maintenance = new URL(ownerUrl);
  maintenance.pathname = "/postgres";
  try {
    await withClient(maintenance.href, async (client) => {
      // Where the rest could not be done, nothing is created.
      await assertVersion(client);
      await assertRights(client, { schemas: false });
      await client.query(`create database ${pg.escapeIdentifier(name)}`);
    });
  } catch (error) {
    // 42P04, 23505: another start was faster.
    if (error instanceof UserError) throw error;
    if (codeOf(error) === "42P04" || codeOf(error) === "23505") return;
    throw new UserError(
      `There is no database ${name} at ${describeServer(ownerUrl)}, and it could not be created (${messageOf(error)}): create it, owned by the user in DATABASE_URL.`,
    );
  }
}

async function assertVersion(client: pg.Client): Promise<void> {
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

/** The first migration creates roles and schemas: who may not do that is told before anything is changed. */
async function assertRights(client: pg.Client, needed: { schemas: boolean }): Promise<void> {
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
      `The user ${rights.user} may not create the role${rights.missing.length > 1 ? "s" : ""} ${rights.missing.join(", ")}: run \`alter role ${user} createrole\` as a superuser, or create them.`,
    );
  }
  if (needed.schemas && !rights.schemas) {
    throw new UserError(
      `The user ${rights.user} may not create schemas in the database ${rights.database}: run \`grant create on database ${pg.escapeIdentifier(rights.database)} to ${user}\` as its owner.`,
    );
  }
}

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
async function letAuthenticatorIn(ownerUrl: string, url: string): Promise<void> {
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

async function canLogIn(url: string): Promise<boolean> {
  try {
    await withClient(url, async () => undefined);
    return true;
  } catch (error) {
    if (codeOf(error) === "28P01" || codeOf(error) === "28000") return false;
    throw connectionError(error, url, "AUTHENTICATOR_URL");
  }
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
