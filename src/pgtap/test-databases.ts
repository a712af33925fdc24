/** Test databases: one migrated template a run, cloned for each test file, nothing left behind. */
import { randomBytes } from "node:crypto";
import type pg from "pg";
import { connect, withClient } from "../database/client.ts";
import { connectionError } from "../database/connection-error.ts";
import { urlOfDatabase } from "../database/connection-string.ts";
import { codeOf, UserError } from "../user-error.ts";
import { countCalls, prepareCounting } from "./coverage.ts";

export type TestClone = { name: string; url: string; drop: () => Promise<void> };
export type Template = { name: string; drop: () => Promise<void> };

/**
 * Makes a database, has `prepare` fill it, and keeps it for {@link cloneTemplate} until it is dropped, with all its
 * clones. What killed runs left on the server goes first: the databases of a run start with its name, which its
 * connection carries as long as it lives.
 *
 * @param ownerUrl connects as a role that may create databases
 * @param prepare gets the new database's connection string, and must close what it opens
 * @throws UserError when the server can't be reached, or the role may not create databases
 */
export async function createTemplate(ownerUrl: string, prepare: (url: string) => Promise<void>): Promise<Template> {
  const run = `attune_test_${randomBytes(4).toString("hex")}`;
  const name = `${run}_template`;
  const admin = await connect(ownerUrl, run).catch((error: unknown) => {
    throw connectionError(error, ownerUrl, "DATABASE_URL");
  });

  const drop = async (): Promise<void> => {
    try {
      await dropDatabases(admin, run);
    } finally {
      await admin.end();
    }
  };

  try {
    await dropLeftovers(admin);
    await create(admin, `${name} template template0 encoding 'UTF8'`);
    await prepare(urlOfDatabase(ownerUrl, name));
    await prepareCounting(urlOfDatabase(ownerUrl, name));
  } catch (error: unknown) {
    await drop();
    throw error;
  }
  return { name, drop };
}

/** Copies a template that is ready, from any process. */
export async function cloneTemplate(ownerUrl: string, template: string): Promise<TestClone> {
  const name = `${template.replace(/_template$/, "")}_${randomBytes(4).toString("hex")}`;
  await withClient(ownerUrl, (admin) => create(admin, `${name} template ${template}`));
  const url = urlOfDatabase(ownerUrl, name);
  return {
    name,
    url,
    drop: async () => {
      await countCalls(url);
      await withClient(ownerUrl, (admin) => dropDatabases(admin, name));
    },
  };
}

async function create(admin: pg.Client, database: string): Promise<void> {
  try {
    await admin.query(`create database ${database}`);
  } catch (error: unknown) {
    if (codeOf(error) !== "42501") throw error;
    throw new UserError("The tests make databases of their own, which this role may not: alter role … createdb.");
  }
}

async function dropLeftovers(admin: pg.Client): Promise<void> {
  const { rows } = await admin.query<{ run: string }>(`
    select substring(d.datname from '^attune_test_[0-9a-f]{8}') as run
    from pg_catalog.pg_database as d
    where d.datname ~ '^attune_test_[0-9a-f]{8}_'
      and pg_catalog.pg_get_userbyid(d.datdba) = current_user
    except
    select a.application_name
    from pg_catalog.pg_stat_activity as a
    where a.usename = current_user`);
  for (const { run } of rows) await dropDatabases(admin, run);
}

async function dropDatabases(admin: pg.Client, prefix: string): Promise<void> {
  const { rows } = await admin.query<{ name: string }>(
    "select datname as name from pg_catalog.pg_database where starts_with(datname, $1)",
    [prefix],
  );
  for (const { name } of rows) {
    try {
      await admin.query(`drop database if exists ${name} with (force)`);
    } catch (error: unknown) {
      if (codeOf(error) !== "42501") throw error;
      // Another role's connection, which may not be cut; one that is just closing is waited for.
      await admin.query(`drop database if exists ${name}`);
    }
  }
}
