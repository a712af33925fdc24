/** Brings pgTAP and the test helpers of sql-tests/support/ into a test database, superuser or not. */
import { glob, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import type pg from "pg";
import { withClient } from "../database/client.ts";

const SUPPORT = resolve(import.meta.dirname, "../../sql-tests/support");
const SCRIPT = "share/postgresql/extension/pgtap--1.3.5.sql";

/** What every test file finds on its search path: objects of the application are named with their schema. */
export const SEARCH_PATH = "public, pgtap";

/**
 * Installs pgTAP in a schema of its own, open to every role, so that a test can go on after `set role`.
 * @param url connects as the owner of the database
 */
export async function installTestSupport(url: string): Promise<void> {
  await withClient(url, async (client) => {
    await client.query("create schema pgtap; set search_path = pgtap");
    if (!(await createExtension(client))) await client.query(await bundledScript());
    await client.query(`
      grant usage on schema pgtap to public;
      grant execute on all functions in schema pgtap to public;
      grant select on all tables in schema pgtap to public`);

    for (const file of (await Array.fromAsync(glob("*.sql", { cwd: SUPPORT }))).toSorted()) {
      await client.query(await readFile(resolve(SUPPORT, file), "utf8"));
    }
  });
}

/** False when the server does not offer the extension, or not to this role. */
async function createExtension(client: pg.Client): Promise<boolean> {
  const { rowCount } = await client.query("select from pg_catalog.pg_available_extensions where name = 'pgtap'");
  if (rowCount === 0) return false;
  return client.query("create extension pgtap with schema pgtap").then(
    () => true,
    () => false,
  );
}

async function bundledScript(): Promise<string> {
  const main = createRequire(import.meta.url).resolve("@electric-sql/pglite-pgtap");
  const archive = join(dirname(main), "pgtap.tar.gz");
  return fileInTar(gunzipSync(await readFile(archive)), SCRIPT);
}

/** A tar archive is a row of 512-byte headers, each followed by its file, padded to the same size. */
function fileInTar(tar: Buffer, path: string): string {
  const field = (at: number, length: number): string => tar.toString("latin1", at, at + length).replace(/\0.*$/s, "");
  for (let at = 0; at + 512 <= tar.length;) {
    const size = Number.parseInt(field(at + 124, 12), 8) || 0;
    if (field(at, 100) === path) return tar.toString("utf8", at + 512, at + 512 + size);
    at += 512 + Math.ceil(size / 512) * 512;
  }
  throw new Error(`${path} is not in the archive of @electric-sql/pglite-pgtap`);
}
