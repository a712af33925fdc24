/**
 * What a dump looks like: a line that says of which schema it is, the rows of every table as PostgreSQL copies them, the
 * sequences, and a checksum of all of it. The schema itself is not in it: the migrations make that.
 */
import type pg from "pg";

export type Header = {
  /** Of this layout. */
  format: 1;
  /** The newest migration that the database had, and its hash, which stands for all before it too. */
  migration: number;
  hash: string;
  /** The version of the server, and when it was; for people. */
  postgres: string;
  at: string;
};

export const TITLE = "-- Attune dump ";
export const END_OF_ROWS = "\\.\n";
export const CHECKSUM = "-- sha256 ";
/** How long the last line is: the checksum in hexadecimal digits. */
export const CHECKSUM_LENGTH = CHECKSUM.length + 64 + 1;

/** Values are written and read in one form, whatever the settings of the server and the user. */
export const SETTINGS = `
  set local client_encoding = 'UTF8';
  set local datestyle = 'ISO, MDY';
  set local intervalstyle = 'postgres';
  set local extra_float_digits = 3;
  set local statement_timeout = 0;
  set local idle_in_transaction_session_timeout = 0;
  set local row_security = off`;

const SCHEMAS = "('attune', 'attune_hidden', 'attune_private')";

/** A table with the columns that hold something of their own, as SQL writes both; or a partition of one. */
export type Table = { name: string; columns: string; isPartition: boolean };

/** The tables of Attune, by name. */
export async function tablesOf(client: pg.ClientBase): Promise<Table[]> {
  const { rows } = await client.query<Table>(`
    select pg_catalog.format('%I.%I', n.nspname, c.relname) as name,
           (select pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' order by a.attnum)
            from pg_catalog.pg_attribute as a
            where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '') as columns,
           c.relispartition as "isPartition"
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname in ${SCHEMAS} and c.relkind = 'r'
    order by 1`);
  return rows;
}

/** The names of its sequences. */
export async function sequencesOf(client: pg.ClientBase): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(`
    select pg_catalog.format('%I.%I', n.nspname, c.relname) as name
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname in ${SCHEMAS} and c.relkind = 'S'
    order by 1`);
  return rows.map(({ name }) => name);
}

/** The line above the rows of a table. */
export function copyLine({ name, columns }: Table): string {
  return `copy ${name} (${columns}) from stdin;\n`;
}

/** The line above the rows of a partition: the name of the table that it is one of, and the first day of its month. */
export function readPartitionLine(line: string): [table: string, month: string] | null {
  const [, table, year, month] = /^copy attune_private\.(\w+)_(\d{4})_(0[1-9]|1[0-2]) \(/.exec(line) ?? [];
  return table === undefined || year === undefined || month === undefined ? null : [table, `${year}-${month}-01Z`];
}

/** The line for a sequence. */
export function sequenceLine(name: string, value: string, isCalled: boolean): string {
  return `select pg_catalog.setval('${name}', ${value}, ${isCalled});\n`;
}

/** A sequence's name, value, and whether that value was given out; null when it is no such line. */
export function readSequenceLine(line: string): [name: string, value: string, isCalled: string] | null {
  const [, name, value, isCalled] = /^select pg_catalog\.setval\('([^']+)', (\d+), (true|false)\);\n$/.exec(line) ?? [];
  return name === undefined || value === undefined || isCalled === undefined ? null : [name, value, isCalled];
}
