/** Dumps a database: everything that Attune stores, as it was at one moment. */
import { createHash } from "node:crypto";
import type pg from "pg";
import { to as copyTo } from "pg-copy-streams";
import { UserError } from "../user-error.ts";
import {
  CHECKSUM,
  copyLine,
  END_OF_ROWS,
  type Header,
  sequenceLine,
  sequencesOf,
  SETTINGS,
  tablesOf,
  TITLE,
} from "./dump-format.ts";
import { connect, withClient } from "./client.ts";
import { lockMigrations, MIGRATION_WAIT } from "./migration-lock.ts";
import { historyOf, MIGRATIONS_FOLDER, readMigrations } from "./migrations.ts";

/** Writes down that a dump was made which was begun at a moment; whoever can't write there, as on a standby, goes without. */
export async function recordDump(ownerUrl: string, startedAt: Date): Promise<void> {
  await withClient(ownerUrl, async (client) => {
    const { rows } = await client.query<{ can: boolean }>(
      "select not pg_is_in_recovery() and to_regtype('attune.backup_kind') is not null as can",
    );
    if (rows[0]?.can === true)
      await client.query("select from attune.record_backup('logical', least($1::timestamptz, now()))", [startedAt]);
  });
}

/**
 * Reads everything in one transaction that blocks nobody but changes of the schema, and gives it piece by piece.
 * @param wait how many seconds to wait for a change of the schema
 * @returns how many rows it was
 * @throws UserError when there is no Attune in the database
 */
export async function* dump(
  ownerUrl: string,
  folder = MIGRATIONS_FOLDER,
  wait = MIGRATION_WAIT,
): AsyncGenerator<Buffer, number> {
  // The schema stays as it is meanwhile. The lock has its own connection: what is seen is decided after it is taken.
  const guard = await connect(ownerUrl);
  try {
    await guard.query("begin");
    await lockMigrations(guard, { shared: true, wait });
    const client = await connect(ownerUrl);
    try {
      await client.query(`begin isolation level repeatable read read only; ${SETTINGS}`);
      return yield* contentOf(client, folder);
    } finally {
      await client.end();
    }
  } finally {
    await guard.end();
  }
}

async function* contentOf(client: pg.Client, folder: string): AsyncGenerator<Buffer, number> {
  const hash = createHash("sha256");
  const piece = (content: string | Buffer): Buffer => {
    hash.update(content);
    return Buffer.from(content);
  };
  let rows = 0;

  yield piece(`${TITLE}${JSON.stringify(await headerOf(client, folder))}\n`);
  for (const table of await tablesOf(client)) {
    yield piece(`\n${copyLine(table)}`);
    const stream = client.query(copyTo(`copy ${table.name} (${table.columns}) to stdout`));
    for await (const chunk of stream) yield piece(chunk as Buffer);
    rows += stream.rowCount;
    yield piece(END_OF_ROWS);
  }
  yield piece("\n");
  for (const name of await sequencesOf(client)) {
    const {
      rows: [state],
    } = await client.query<{ value: string; called: boolean }>(
      `select last_value as value, is_called as called from ${name}`,
    );
    if (state !== undefined) yield piece(sequenceLine(name, state.value, state.called));
  }
  yield Buffer.from(`${CHECKSUM}${hash.digest("hex")}\n`);
  return rows;
}

async function headerOf(client: pg.Client, folder: string): Promise<Header> {
  const newest = (await historyOf(client, await readMigrations(folder))).applied.at(-1);
  if (newest === undefined) throw new UserError("There is nothing to dump: the database has no schema attune.");
  const {
    rows: [server],
  } = await client.query<{ version: string; now: Date }>("select current_setting('server_version') as version, now()");
  return {
    format: 1,
    migration: newest.number,
    hash: newest.hash,
    postgres: server?.version ?? "",
    at: server?.now.toISOString() ?? "",
  };
}
