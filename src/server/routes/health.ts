/** `/api/health` and `/api/ready`: whether the server lives, and whether its database can be used. */
import type { FastifyInstance } from "fastify";
import type { Pool } from "pg";
import { readMigrations } from "../../database/migrations.ts";
import { queryAs } from "../../database/query-as.ts";
import { maskThrown } from "../../graphql/mask-errors.ts";
import { NOBODY } from "../../sign-in/authenticate.ts";
import { codeOf, UserError } from "../../user-error.ts";
import { RequestError, shuttingDown, statusOfCode } from "../request-error.ts";

/**
 * What an anonymous request may do in any migrated database. The numbers are more than fit into `work_mem`, so they are
 * written to a file: a disk that is full is found out without a change, on a standby too.
 */
const PROBE = `
  select attune_hidden.applied_migrations() as applied,
         attune.current_user_id() as caller,
         current_setting('transaction_read_only')::boolean as "readOnly",
         (select count(*) from generate_series(1, 20000)) as written`;
const PROBER = { ...NOBODY, pgSettings: { ...NOBODY.pgSettings, work_mem: "64kB" } };

export type DatabaseState = {
  migrated: boolean;
  readOnly: boolean;
  /** How many migrations of this version it has; undefined where no history of ours says so. */
  level: number | undefined;
};

let hashes: Promise<string[]> | undefined;

/** Whether the database has every migration of this version, and takes changes. One that has newer ones besides is served. */
export async function stateOf(pool: Pool): Promise<DatabaseState> {
  hashes ??= readMigrations().then((migrations) => migrations.map(({ hash }) => hash));
  const wanted = await hashes;
  try {
    const [found] = await queryAs<{ applied: string[] | null; readOnly: boolean }>(pool, PROBER, PROBE);
    const { applied = null, readOnly = false } = found ?? {};
    // A schema that came by `attune sql --unrecorded` has no history, or another application's.
    const isOurs = applied !== null && applied.some((hash) => wanted.includes(hash));
    const level = isOurs ? wanted.filter((hash) => applied.includes(hash)).length : undefined;
    return { migrated: level === undefined || level === wanted.length, readOnly, level };
  } catch (error) {
    // No such role, schema or function.
    if (["22023", "3F000", "42883"].includes(codeOf(error) ?? ""))
      return { migrated: false, readOnly: false, level: 0 };
    throw error;
  }
}

/** @throws when the database can't be reached, or is not migrated */
export async function probe(pool: Pool): Promise<void> {
  if (!(await stateOf(pool)).migrated) throw new UserError("The database is not migrated: run `attune migrate`.");
}

export function addHealth(app: FastifyInstance, pool: Pool): void {
  let asking: Promise<DatabaseState> | undefined;
  let isClosing = false;
  app.addHook("preClose", async () => {
    isClosing = true;
  });

  app.get("/api/health", async () => ({ status: "alive" }));
  app.get("/api/ready", async () => {
    if (isClosing) throw shuttingDown();
    // Probes that come meanwhile wait for the same answer, so that they take one connection.
    asking ??= stateOf(pool).finally(() => (asking = undefined));
    const { migrated, readOnly } = await asking.catch((cause: unknown) => {
      // The database's own reasons are told as they are to any request.
      if (statusOfCode(maskThrown(cause).extensions?.["code"]) === 503) throw cause;
      throw new RequestError(503, "not_ready", "The database can't be used", "Look into the log.", { cause });
    });
    if (!migrated)
      throw new RequestError(503, "not_migrated", "The database lacks migrations", "Run `attune migrate`.");
    return { status: "ready", migrated, readOnly };
  });
}
