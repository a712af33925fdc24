/** Restores a dump into a database without Attune: the schema as it was then, the rows, the sequences; all or nothing. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import pg from "pg";
import { from as copyFrom } from "pg-copy-streams";
import { codeOf, messageOf, UserError } from "../user-error.ts";
import { PATIENCE } from "./attempts.ts";
import { inTransaction, withClient } from "./client.ts";
import { databaseOf } from "./connection-string.ts";
import {
  CHECKSUM,
  CHECKSUM_LENGTH,
  copyLine,
  END_OF_ROWS,
  type Header,
  readPartitionLine,
  readSequenceLine,
  sequencesOf,
  SETTINGS,
  type Table,
  tablesOf,
  TITLE,
} from "./dump-format.ts";
import { migrate } from "./migrate.ts";
import { lockMigrations, MIGRATION_WAIT } from "./migration-lock.ts";
import {
  ensureHistory,
  historyOf,
  type Migration,
  MIGRATIONS_FOLDER,
  readMigrations,
  recordMigration,
} from "./migrations.ts";

/** A dump that was looked at from end to end, and can be restored by this version. */
export type Dump = { file: string; header: Header; migrations: Migration[] };

/** Looks at what is being restored, in its transaction, and throws where it is not good. */
export type Checks = {
  /** When the schema of the dump is there, without a row. */
  schema: (client: pg.Client) => Promise<void>;
  /** When the rows are, too. */
  rows: (client: pg.Client) => Promise<void>;
};

/** As many bytes go to the server at once. */
const BATCH = 65_536;
const END = Buffer.from(END_OF_ROWS);

/**
 * Looks at a dump before anything is made for it.
 * @throws UserError when it can't be read, is no dump, is not whole, or is of a schema that this version does not have
 */
export async function checkDump(file: string, folder = MIGRATIONS_FOLDER): Promise<Dump> {
  const handle = await open(file).catch((error: unknown) => {
    throw new UserError(
      codeOf(error) === "ENOENT"
        ? `There is no file ${file}.`
        : `${file} can't be read (${codeOf(error) ?? messageOf(error)}).`,
    );
  });
  try {
    const header = await readHeader(handle, file);
    await checkSum(handle, file);
    const migrations = (await readMigrations(folder)).filter(({ number }) => number <= header.migration);
    const newest = migrations.at(-1);
    if (newest?.number !== header.migration)
      throw new UserError(
        `${file} was made by a newer version of Attune (it is at migration ${header.migration}): update this one.`,
      );
    if (newest.hash !== header.hash)
      throw new UserError(
        `${file} was made by another version of Attune, with a different text of ${newest.file} or of one before it: restore it with that version.`,
      );
    return { file, header, migrations };
  } finally {
    await handle.close();
  }
}

/**
 * Makes the schema that the dump is of and fills it, in one transaction; then brings it up to the newest migration.
 * @param wait how many seconds to wait for another change of the schema
 * @param checks what else it has to be
 * @throws UserError when the database has Attune already, or refuses what is in the dump; nothing was changed then
 */
export async function restore(
  ownerUrl: string,
  dump: Dump,
  folder = MIGRATIONS_FOLDER,
  wait = MIGRATION_WAIT,
  checks?: Checks,
): Promise<void> {
  await withClient(ownerUrl, async (client) => {
    try {
      await inTransaction(client, async () => {
        await lockMigrations(client, { wait });
        if ((await historyOf(client, await readMigrations(folder))).applied.length > 0)
          throw new UserError(
            `The database ${databaseOf(ownerUrl)} has Attune already, and a dump is restored only where there is none: name another in DATABASE_URL or ATTUNE_DATA_DIR, or take everything away with \`attune rollback --to 0\`.`,
          );
        await client.query(SETTINGS);
        await ensureHistory(client);
        for (const migration of dump.migrations) {
          await client.query(migration.body);
          await recordMigration(client, migration);
        }
        await checks?.schema(client);
        const tables = await tablesOf(client);
        await withoutRules(client, tables, () => fill(client, tables, dump.file));
        await checks?.rows(client);
      });
    } catch (error) {
      if (!(error instanceof pg.DatabaseError)) throw error;
      throw new UserError(
        `${dump.file} was not restored, and nothing was changed: ${messageOf(error).replace(/\.$/, "")}.`,
      );
    }
  });
  await migrate(ownerUrl, folder, { ...PATIENCE, wait });
}

async function readHeader(handle: FileHandle, file: string): Promise<Header> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(1000), 0, 1000, 0);
  const [first = ""] = buffer.toString("utf8", 0, bytesRead).split("\n");
  if (!first.startsWith(TITLE)) throw new UserError(`${file} is not a dump of Attune's.`);
  try {
    const header: unknown = JSON.parse(first.slice(TITLE.length));
    if (isHeader(header)) return header;
  } catch {
    throw damaged(file);
  }
  throw new UserError(`${file} was made by another version of Attune: restore it with that version.`);
}

function isHeader(value: unknown): value is Header {
  if (typeof value !== "object" || value === null) return false;
  const members = new Map<string, unknown>(Object.entries(value));
  return (
    members.get("format") === 1 &&
    typeof members.get("migration") === "number" &&
    typeof members.get("hash") === "string"
  );
}

async function checkSum(handle: FileHandle, file: string): Promise<void> {
  const { size } = await handle.stat();
  const end = size - CHECKSUM_LENGTH;
  const { buffer } = await handle.read(Buffer.alloc(CHECKSUM_LENGTH), 0, CHECKSUM_LENGTH, Math.max(end, 0));
  const hash = createHash("sha256");
  if (end > 0) await pipeline(handle.createReadStream({ start: 0, end: end - 1, autoClose: false }), hash);
  if (buffer.toString() !== `${CHECKSUM}${hash.digest("hex")}\n`) throw damaged(file);
}

function damaged(file: string): UserError {
  return new UserError(`${file} is not whole, or was changed: its checksum is wrong.`);
}

/** Runs `work` while triggers rest, and foreign keys are checked at its end: rows come in the order of their tables' names. */
async function withoutRules(client: pg.Client, tables: Table[], work: () => Promise<void>): Promise<void> {
  const { rows: keys } = await client.query<{ table: string; name: string }>(
    `select conrelid::regclass::text as table, pg_catalog.quote_ident(conname) as name
     from pg_catalog.pg_constraint
     where contype = 'f' and not condeferrable and conrelid = any ($1::regclass[])`,
    [tables.map(({ name }) => name)],
  );
  for (const { name } of tables) await client.query(`alter table ${name} disable trigger user`);
  for (const { table, name } of keys)
    await client.query(`alter table ${table} alter constraint ${name} deferrable initially deferred`);
  await work();
  await client.query("set constraints all immediate");
  for (const { table, name } of keys)
    await client.query(`alter table ${table} alter constraint ${name} not deferrable`);
  for (const { name } of tables) await client.query(`alter table ${name} enable trigger user`);
}

/** Replaces what the migrations put into the tables by what the dump has. No text of the file is run as SQL. */
async function fill(client: pg.Client, tables: Table[], file: string): Promise<void> {
  await client.query(`truncate ${tables.map(({ name }) => name).join(", ")}`);
  const missing = new Map(tables.map((table) => [copyLine(table), table]));
  const sequences = new Set(await sequencesOf(client));
  const lines = linesOf(createReadStream(file));
  for await (const bytes of lines) {
    const line = bytes.toString();
    const table = missing.get(line) ?? (await makePartition(client, line));
    const sequence = readSequenceLine(line);
    if (table !== undefined) {
      missing.delete(line);
      const stream = client.query(copyFrom(`copy ${table.name} (${table.columns}) from stdin`));
      await pipeline(Readable.from(rowsOf(lines, file)), stream);
    } else if (sequence !== null && sequences.delete(sequence[0])) {
      await client.query("select pg_catalog.setval($1::text::regclass, $2::bigint, $3::boolean)", sequence);
    } else if (line.trim() !== "" && !line.startsWith(TITLE) && !line.startsWith(CHECKSUM)) {
      throw new UserError(`${file} has a line that does not belong there: ${line.trim().slice(0, 100)}`);
    }
  }
  // The months that the migrations make partitions for are those of today.
  const lost = [...missing.values()].filter(({ isPartition }) => !isPartition);
  const [lacking] = [...lost.map(({ name }) => name), ...sequences];
  if (lacking !== undefined) throw new UserError(`${file} lacks ${lacking}.`);
}

/** The partition whose rows follow, of a month that has none yet; undefined when the line is not of such a one. */
async function makePartition(client: pg.Client, line: string): Promise<Table | undefined> {
  const partition = readPartitionLine(line);
  if (partition === null) return undefined;
  await client.query(
    `select attune_private.make_audit_partition(c.oid::regclass, $2::timestamptz)
     from pg_catalog.pg_class as c
     where c.relname = $1 and c.relkind = 'p' and c.relnamespace in ('attune'::regnamespace, 'attune_private'::regnamespace)`,
    partition,
  );
  return (await tablesOf(client)).find((table) => copyLine(table) === line);
}

/** The lines of a stream, with their ends. */
async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
  let parts: Buffer[] = [];
  for await (const chunk of stream) {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      yield Buffer.concat([...parts, chunk.subarray(start, end + 1)]);
      parts = [];
      start = end + 1;
    }
    parts.push(chunk.subarray(start));
  }
  yield Buffer.concat(parts);
}

/** The lines up to the end of a table's rows, in larger pieces. Leaves the lines after them to whoever reads on. */
async function* rowsOf(lines: AsyncGenerator<Buffer, void>, file: string): AsyncGenerator<Buffer, void> {
  let batch: Buffer[] = [];
  let size = 0;
  for (;;) {
    const { value: line, done } = await lines.next();
    if (done === true || line === undefined) throw damaged(file);
    const ended = line.equals(END);
    if (!ended) {
      batch.push(line);
      size += line.length;
    }
    if (batch.length > 0 && (ended || size >= BATCH)) {
      yield Buffer.concat(batch);
      batch = [];
      size = 0;
    }
    if (ended) return;
  }
}
