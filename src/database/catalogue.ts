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
  /** Nobody gets a right by it and nothing works otherwise: an index of one's own, a grant to one's own role. */
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
  const seen = new Set<string>();
  for (const [object, is] of Object.entries(actual)) {
    const name = nameOf(object);
    seen.add(name);
    const should = expected[name];
    if (should === is || (should !== undefined && is === FOUND)) continue;
    differences.push({
      kind: should === undefined ? "extra" : "different",
      object,
      expected: should,
      actual: is,
      isHarmless: should === undefined && isHarmless(object),
    });
  }
  for (const [object, should] of Object.entries(expected)) {
    if (seen.has(object) || isOfFound(object, actual)) continue;
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

const REQUESTS = /\bto (public|anon|authenticated|service_role|authenticator)$/;

function isHarmless(object: string): boolean {
  if (object.startsWith("grant ")) return !REQUESTS.test(object);
  // What nobody is granted, in the schema that nobody may look into: a trigger function of one's own.
  return (
    object.startsWith("index ") ||
    /^(?:function|table|type|sequence|view) attune_private\./.test(object) ||
    /^(?:column|constraint) (?:\S+ on )?attune_private\./.test(object)
  );
}
