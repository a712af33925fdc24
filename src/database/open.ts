/** The database a command works on: reached, checked and made ready. */
import { openCluster } from "../embedded/cluster.ts";
import type { Options } from "../options/options.ts";
import type { ResolvedJwtOptions } from "../sign-in/jwt.ts";
import { resolveJwt } from "../sign-in/resolve-jwt.ts";
import { UserError } from "../user-error.ts";
import { patienceOf } from "./attempts.ts";
import { authenticatorUrlOf, canLogIn, letAuthenticatorIn } from "./authenticator.ts";
import { assertRights, assertVersion } from "./checks.ts";
import { withOwner } from "./connection-error.ts";
import { describeDatabase, describeServer } from "./connection-string.ts";
import { createDatabase } from "./create.ts";
import { migrate } from "./migrate.ts";
import { MIGRATIONS_FOLDER, status } from "./migrations.ts";

export type OwnerConnection = {
  ownerUrl: string;
  /** The embedded cluster's secrets; undefined with DATABASE_URL. */
  embedded: { authenticatorPassword: string; jwtSecret: string } | undefined;
  /** Settles when the embedded server is gone for good. With DATABASE_URL it never does: the server reconnects. */
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
  /**
   * Create what is missing and apply the migrations; `prepare` leaves the latter to the caller, `existing` makes no
   * database and no schema where there is none, false changes nothing.
   */
  migrate: boolean | "prepare" | "existing";
  /** Take the embedded cluster for a serving process, of which there is one at a time. */
  serve?: boolean;
  /** Gives up: the embedded server is stopped, and with it whatever runs there. */
  signal?: AbortSignal;
};

/** Whether it makes a database where there is none. */
export function mayCreate({ migrate: how }: Purpose): boolean {
  return how === true || how === "prepare";
}

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
    if (mayCreate(purpose)) await createDatabase(owner.ownerUrl);
    await withOwner(owner.ownerUrl, async (client) => {
      await assertVersion(client);
      if (purpose.migrate !== false) await assertRights(client, { schemas: true });
    });
    if (purpose.migrate === "existing" && (await status(owner.ownerUrl)).applied.length === 0) {
      throw new UserError(
        `There is no Attune in the database ${describeDatabase(owner.ownerUrl)}: \`attune migrate\` makes it.`,
      );
    }
    if (purpose.migrate === true || purpose.migrate === "existing")
      await migrate(owner.ownerUrl, MIGRATIONS_FOLDER, patienceOf(options));
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
