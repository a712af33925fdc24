/** What there should be in a database, object by object, and what there is: `migrations/catalogue.json` against it. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type pg from "pg";
import { MIGRATIONS_FOLDER } from "./migrations.ts";

/** Definitions by what the object is called: `policy teams_select_member on attune.teams`. */
export type Catalogue = Record<string, string>;

export type Difference = {
  kind: "missing" | "different" | "extra";
  object: string;
  /** What it should be; undefined where it should not be. */
  expected: string | undefined;
  /** What it is; undefined where it is missing. */
  actual: string | undefined;
  /** No request gets a right by it and nothing works otherwise: an index of one's own, a grant to one's own role. */
  isHarmless: boolean;
};

/** In the definition of what was there before Attune, in the schema `auth`. */
const FOUND = "as it was found";

/**
 * What there is, as it was at one moment. Changes nothing.
 * @param client is not in a transaction
 */
export async function readCatalogue(client: pg.ClientBase): Promise<Catalogue> {
  await client.query("begin transaction isolation level repeatable read, read only");
  try {
    return await catalogueWithin(client);
  } finally {
    await client.query("rollback");
  }
}

/** The same in the open transaction, whose `search_path` it empties, so that every name is written with its schema. */
export async function catalogueWithin(client: pg.ClientBase): Promise<Catalogue> {
  const sql = await readFile(join(MIGRATIONS_FOLDER, "verify/catalogue.sql"), "utf8");
  await client.query("set local search_path = ''");
  const { rows } = await client.query<{ object: string; definition: string }>(sql);
  return Object.fromEntries(rows.map(({ object, definition }) => [object, definition]));
}

/** Of what pg_dump and pg_restore write anew from the catalogue, so that it looks otherwise afterwards, and is the same. */
const REWRITTEN = `
  with ours as (
    select n.oid from pg_catalog.pg_namespace as n where n.nspname in ('attune', 'attune_hidden', 'attune_private', 'auth')
  )
  select pg_catalog.pg_get_functiondef(f.oid) as statement
  from pg_catalog.pg_proc as f
  where f.prosqlbody is not null and f.pronamespace in (select o.oid from ours as o)
  union all
  select pg_catalog.concat(
    pg_catalog.format('alter policy %I on %s', p.polname, p.polrelid::regclass),
    ' using (' || pg_catalog.pg_get_expr(p.polqual, p.polrelid) || ')',
    ' with check (' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) || ')'
  )
  from pg_catalog.pg_policy as p
  union all
  select pg_catalog.format(
    'alter table %1$s drop constraint %2$I; alter table %1$s add constraint %2$I %3$s',
    k.conrelid::regclass, k.conname, pg_catalog.pg_get_constraintdef(k.oid)
  )
  from pg_catalog.pg_constraint as k
  where k.contype = 'c' and k.conrelid <> 0 and k.coninhcount = 0 and k.connamespace in (select o.oid from ours as o)
  union all
  select pg_catalog.regexp_replace(pg_catalog.pg_get_triggerdef(t.oid), '^CREATE', 'create or replace')
  from pg_catalog.pg_trigger as t
  join pg_catalog.pg_class as r on r.oid = t.tgrelid
  where not t.tgisinternal and t.tgparentid = 0 and t.tgconstraint = 0 and r.relnamespace in (select o.oid from ours as o)`;

/** How an object may be written, too, after it was restored: its entry beside the usual one. */
const restoredName = (object: string): string => `${object}, restored`;

/**
 * What is to be expected of a database: as its migrations made it, and, where that is otherwise, as it is written after a
 * restore. Changes the database, which is one to be thrown away.
 */
export async function catalogueToExpect(client: pg.ClientBase): Promise<Catalogue> {
  const made = withoutMonths(await readCatalogue(client));
  await client.query("set search_path = ''");
  const { rows } = await client.query<{ statement: string }>(REWRITTEN);
  for (const { statement } of rows) await client.query(statement);
  const restored = withoutMonths(await readCatalogue(client));
  const others = Object.entries(restored).filter(([object, definition]) => made[object] !== definition);
  return Object.fromEntries([
    ...Object.entries(made),
    ...others.map(([object, definition]) => [restoredName(object), definition]),
  ]);
}

/** The same without what every database has its own of: the months for which there are partitions. */
export function withoutMonths(catalogue: Catalogue): Catalogue {
  return Object.fromEntries(Object.entries(catalogue).map(([object, definition]) => [nameOf(object), definition]));
}

/** What the migrations make, as `npm run schema` wrote it down. */
export async function expectedCatalogue(folder = MIGRATIONS_FOLDER): Promise<Catalogue> {
  return JSON.parse(await readFile(join(folder, "catalogue.json"), "utf8")) as Catalogue;
}

/** What is missing, different or extra, in the order of the names. Nothing, where all is as the migrations made it. */
export function compareCatalogues(expected: Catalogue, actual: Catalogue): Difference[] {
  const differences: Difference[] = [];
  const isHarmless = harmlessIn(expected, actual);
  const seen = new Set<string>();
  for (const [object, is] of Object.entries(actual)) {
    const name = nameOf(object);
    seen.add(name).add(restoredName(name));
    const should = expected[name];
    if (should === is || expected[restoredName(name)] === is || (should !== undefined && is === FOUND)) continue;
    differences.push({
      kind: should === undefined ? "extra" : "different",
      object,
      expected: should,
      actual: is,
      isHarmless: should === undefined && isHarmless(object, is),
    });
  }
  for (const [object, should] of Object.entries(expected)) {
    // Which months there are is maintenance's, and there may be none yet.
    const isOfMonths = object.startsWith("each partition of ");
    if (seen.has(object) || isOfMonths || isOfFound(object, actual) || object.endsWith(restoredName(""))) continue;
    differences.push({ kind: "missing", object, expected: should, actual: undefined, isHarmless: false });
  }
  return differences.toSorted((one, other) => (one.object < other.object ? -1 : 1));
}

/** All partitions of a table are alike. */
function nameOf(object: string): string {
  return object.replace(/^partition \S+ of /, "each partition of ");
}

/** The grants of what was there before are not ours to make. */
function isOfFound(object: string, actual: Catalogue): boolean {
  const subject = /^grant \w+ on ((?:schema auth|function auth\.\S+)) to /.exec(object)?.[1];
  return subject !== undefined && actual[subject] === FOUND;
}

/** Tells, of what should not be there, whether it gives no request a right and leaves all that is ours as it was. */
function harmlessIn(expected: Catalogue, actual: Catalogue): (object: string, definition: string) => boolean {
  // Whom requests may become has every right for them.
  const requests = new Set(["public", "anon", "authenticated", "service_role", "authenticator"]);
  for (const object of Object.keys(actual)) {
    const role = /^membership of \w+ in (.+)$/s.exec(object)?.[1];
    if (role !== undefined) requests.add(role);
  }
  const functions = new Set(Object.keys(expected).filter(isFunction).map(withoutArguments));

  return (object, definition) => {
    if (object.startsWith("grant ")) return !requests.has(object.slice(object.lastIndexOf(" to ") + " to ".length));
    // What nobody is granted, in the schema that nobody may look into: a trigger function of one's own.
    if (isFunction(object)) return !functions.has(withoutArguments(object)) && isPrivate(object);
    // Nobody's right, and for whoever made it to judge: what is sent elsewhere, and what replication and tools listen to.
    if (/^(?:event trigger|publication) /.test(object)) return true;
    const whole = /^column (.+)\.[^.]+$/.exec(object)?.[1] ?? /^(?:constraint|index) .+ on (.+)$/.exec(object)?.[1];
    if (whole === undefined) return isPrivate(object);
    const isOwn =
      isPrivate(`table ${whole}`) && ["table", "type"].every((kind) => expected[`${kind} ${whole}`] === undefined);
    // One that is unique refuses rows, and a function may.
    return isOwn || (object.startsWith("index ") && !/^UNIQUE |\."?[^\s".(]+"?\(/.test(definition));
  };
}

const isFunction = (object: string): boolean => object.startsWith("function ");
const isPrivate = (object: string): boolean => /^(?:function|table|type|sequence|view) attune_private\./.test(object);

/** Another function of the name may be the one that is called. */
const withoutArguments = (name: string): string => name.slice(0, name.indexOf("("));
