/** A PostgreSQL for tests: in a temporary folder, without durability, gone without a trace afterwards. */
import { randomBytes } from "node:crypto";
import { chmod, chown, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { withClient } from "../../database/client.ts";
import { given, readVariable } from "../../options/read-variable.ts";
import { createOwnerRole, localUrl, superuserUrl } from "../connection.ts";
import { initdb } from "../initdb.ts";
import { freePort, startPostgres } from "../postgres.ts";
import { assertReachable, findAccount, findPrograms } from "../programs.ts";
import { watch, type Watchdog } from "./watchdog.ts";

export type ThrowawayCluster = {
  major: number;
  port: number;
  /** The superuser's connection to a database, `postgres` by default. For tests of what needs one; Attune itself never does. */
  superuserUrl: (database?: string) => string;
  /** The connection of the role `attune` (login, createrole, createdb, no superuser) to a database, `postgres` by default. */
  ownerUrl: (database?: string) => string;
  /** Creates a database owned by `attune`, by copying `template` if one is named, and returns the owner's connection to it. */
  createDatabase: (name: string, template?: string) => Promise<string>;
  /** Stops the server and removes its data. Happens by itself when this process ends, even by `kill -9`. */
  stop: () => Promise<void>;
};

/**
 * Starts a cluster for tests: in a temporary folder, without durability, gone without a trace afterwards.
 * @param options.major 15 to 18; default ATTUNE_EMBEDDED_MAJOR, else 18
 * @param options.settings settings of postgresql.conf, on top of those for speed
 */
export async function startThrowawayCluster(
  options: { major?: number; settings?: Record<string, string> } = {},
): Promise<ThrowawayCluster> {
  const programs = await findPrograms(options.major ?? readVariable(process.env, "ATTUNE_EMBEDDED_MAJOR"));
  const account = await findAccount();
  await assertReachable(programs.postgres, account, "move the project to a folder that everybody may enter");
  const root = await realpath(await mkdtemp(join(tmpdir(), "attune-test-")));
  const folder = join(root, "postgres");
  const superuserPassword = randomBytes(12).toString("base64url");
  const ownerPassword = randomBytes(12).toString("base64url");
  const settings = {
    fsync: "off",
    synchronous_commit: "off",
    full_page_writes: "off",
    max_connections: "200",
    max_wal_size: "4GB",
    autovacuum_naptime: "1h",
    track_functions: given(process.env, "ATTUNE_SQL_COVERAGE") === undefined ? "none" : "all",
    ...options.settings,
  };

  let port = 0;
  let watchdog: Watchdog | undefined;
  try {
    if (account.uid !== undefined && account.gid !== undefined) await chown(root, account.uid, account.gid);
    await chmod(root, 0o700);
    await initdb(programs, account, folder, superuserPassword, { sync: false });
    for (let attempt = 1; watchdog === undefined; attempt += 1) {
      port = await freePort();
      try {
        const server = await startPostgres(programs, account, folder, port, join(root, "postgres.log"), { settings });
        watchdog = watch(server.pid ?? 0, root);
      } catch (error) {
        if (attempt === 5) throw error;
      }
    }
    await withClient(superuserUrl(port, superuserPassword), (client) => createOwnerRole(client, ownerPassword));
  } catch (error) {
    await watchdog?.stop();
    await rm(root, { recursive: true, force: true });
    throw error;
  }

  const ownerUrl = (database = "postgres"): string => localUrl("attune", ownerPassword, port, database);
  return {
    major: programs.major,
    port,
    superuserUrl: (database) => superuserUrl(port, superuserPassword, database),
    ownerUrl,
    createDatabase: async (name, template) => {
      const from = template === undefined ? "" : ` template ${pg.escapeIdentifier(template)}`;
      await withClient(superuserUrl(port, superuserPassword), (client) =>
        client.query(`create database ${pg.escapeIdentifier(name)} owner attune${from}`),
      );
      return ownerUrl(name);
    },
    stop: watchdog.stop,
  };
}
