/** The whole schema, or what is new in it, as one script that whoever has psql can run; and the roles that it needs. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { isNoTransactionDefined } from "graphile-migrate/dist/header.js";
import pg from "pg";
import { UserError } from "../user-error.ts";
import { MIGRATION_LOCK } from "./migration-lock.ts";
import { ensureHistory, type Migration, MIGRATIONS_FOLDER, readMigrations } from "./migrations.ts";
import { scanSql, withoutKeyword } from "./sql-script.ts";

export type ScriptOptions = {
  folder?: string;
  /** Only the migrations after this one; the database must have those up to it. */
  from?: number;
  /** Whether it records what it applies, as graphile-migrate does, is one transaction, and can be run again. */
  isRecorded?: boolean;
};

/**
 * Migrations as a script. Where it keeps a record it finds out, before anything is changed, whether the database is one
 * for it, and skips what is applied, so that it can be run again.
 * @throws UserError when there is no such migration, or one can't be part of a script
 */
export async function schemaScript({
  folder = MIGRATIONS_FOLDER,
  from = 0,
  isRecorded = true,
}: ScriptOptions = {}): Promise<string> {
  const migrations = await readMigrations(folder);
  if (from !== 0 && !migrations.some(({ number }) => number === from)) {
    throw new UserError(
      `There is no migration ${from}: the newest is ${migrations.at(-1)?.number ?? 0}, and \`attune status\` says which a database has.`,
    );
  }
  const wanted = migrations.filter(({ number }) => number > from);
  const parts = wanted.map((migration) =>
    [
      `-- ${"-".repeat(75)}`,
      `-- ${migration.file}`,
      `-- ${"-".repeat(75)}`,
      "",
      isRecorded ? recorded(migration) : plain(migration),
      "",
    ].join("\n"),
  );
  if (!isRecorded) return parts.join("\n");
  return `begin;\nset local lock_timeout = '5s';\n\n${guard(migrations, from)}\n\n${await history()}\n\n${parts.join("\n")}\ncommit;\n`;
}

/** What runs in no transaction, and has no form that does. */
const NEVER_WITHIN =
  /^(vacuum|alter\s+system|(create|drop)\s+(database|tablespace)|reindex\s*\(|reindex\s+(database|system|schema)|cluster\s*;)/i;

/**
 * Without what only graphile-migrate understands, and in one transaction whatever it says.
 * @throws UserError where it can't be
 */
function plain({ body, file }: Migration): string {
  const sql = body
    .replace(/^--! Included (\S+)$/gm, "-- $1")
    .replace(/^--! EndIncluded \S+\n?/gm, "")
    .replace(/^--!.*\n?/gm, "")
    .trim();
  if (!isNoTransactionDefined(body)) return sql;
  const never = scanSql(sql).statements.map((start) => NEVER_WITHIN.exec(sql.slice(start))?.[0].toLowerCase());
  const found = never.find((words) => words !== undefined);
  if (found !== undefined)
    throw new UserError(
      `The migration ${file} can't be part of a script, which is one transaction, because of \`${found.replace(/\W*$/, "")}\`: apply it with \`attune migrate\`.`,
    );
  return withoutKeyword(sql, "concurrently");
}

function recorded(migration: Migration): string {
  const { file, number, hash, previousHash, recordedAs } = migration;
  const tag = `$attune_${number}$`;
  const text = `$migration_${number}$`;
  const values = [hash, previousHash, recordedAs].map((value) =>
    value === undefined ? "null" : pg.escapeLiteral(value),
  );
  return `do ${tag}
begin
  if exists (select from graphile_migrate.migrations as m where m.hash = ${values[0]}) then
    raise notice 'Migration ${file} is there already.';
    return;
  end if;

  execute ${text}
${plain(migration)}
${text};

  insert into graphile_migrate.migrations (hash, previous_hash, filename)
  values (${values.join(", ")});
end;
${tag};`;
}

/** Refuses a database that it is not for. */
function guard(migrations: Migration[], from: number): string {
  const known = migrations.map(({ file, hash }) => `    ${pg.escapeLiteral(hash)} -- ${file}`);
  const last = known.length - 1;
  return `-- Is this a database for it? And nobody else migrates meanwhile.
do $attune$
declare
  known constant text[] := array[
${known.map((line, index) => (index < last ? line.replace(" --", ", --") : line)).join("\n")}
  ];
  is_there constant boolean := pg_catalog.to_regnamespace('attune') is not null;
  found text[] := '{}';
begin
  perform pg_catalog.pg_advisory_xact_lock(${MIGRATION_LOCK});

  if pg_catalog.to_regclass('graphile_migrate.migrations') is not null then
    found := array(select m.hash from graphile_migrate.migrations as m order by m.filename);
  end if;

  if is_there and found = '{}' then
    raise exception 'The database has a schema named attune, and no record of its migrations.'
      using hint = 'Whoever made it with \`attune sql --unrecorded\` goes on with \`attune sql --unrecorded --from N\`.';
  elsif not is_there and found <> '{}' then
    raise exception 'The record of graphile-migrate in this database is of another application''s migrations.'
      using hint = 'Put the output of \`attune sql --unrecorded\` into a migration of that application.';
  elsif found[:pg_catalog.cardinality(known)] <> known[:pg_catalog.cardinality(found)]
    or pg_catalog.cardinality(found) > pg_catalog.cardinality(known) then
    raise exception 'The database was migrated by another version of Attune.'
      using hint = 'Take the script of that version, or of a newer one.';
  elsif pg_catalog.cardinality(found) < ${from} then
    raise exception 'The database is at migration %, and this script begins after ${from}.', pg_catalog.cardinality(found)
      using hint = pg_catalog.format('Take the output of \`attune sql --from %s\`.', pg_catalog.cardinality(found));
  end if;
end;
$attune$;`;
}

/** graphile-migrate's own tables, in its own words. */
async function history(): Promise<string> {
  const statements: string[] = [];
  await ensureHistory({ query: async (sql) => statements.push(sql.replaceAll(/^ {4}/gm, "").trim()) });
  return statements.join("\n");
}

/** What makes the roles where they are missing, as the first migration does; for a cluster that a backup is restored in. */
export async function rolesScript(folder = MIGRATIONS_FOLDER): Promise<string> {
  return readFile(join(folder, "fixtures/auth/roles.sql"), "utf8");
}
