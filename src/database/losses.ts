/** What a rollback loses: tables, columns, rows, functions and roles that are there before it and not after. */
import type pg from "pg";

/** Something that is there before a rollback and not after it. */
export type Loss = {
  kind: "table" | "column" | "rows" | "function" | "role";
  name: string;
  /** Rows or values that go with it. */
  count: number;
};

type Inventory = { tables: string[]; columns: string[]; functions: string[]; roles: string[] };

/** Names what people would miss, quoted as SQL writes it. */
export async function inventory(client: pg.Client): Promise<Inventory> {
  const names = async (sql: string): Promise<string[]> =>
    (await client.query<{ name: string }>(sql)).rows.map(({ name }) => name);
  const ours = "n.nspname not in ('information_schema', 'graphile_migrate', 'attune_worker') and n.nspname !~ '^pg_'";
  return {
    tables: await names(`
      select format('%I.%I', n.nspname, c.relname) as name
      from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
      where c.relkind in ('r', 'm') and ${ours} order by 1`),
    columns: await names(`
      select format('%I.%I.%I', n.nspname, c.relname, a.attname) as name
      from pg_catalog.pg_attribute as a join pg_catalog.pg_class as c on c.oid = a.attrelid join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
      where c.relkind in ('r', 'm') and a.attnum > 0 and not a.attisdropped and ${ours} order by 1`),
    functions: await names(`
      select format('%I.%I(%s)', n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid)) as name
      from pg_catalog.pg_proc as p join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
      where ${ours} order by 1`),
    roles: await names("select format('%I', rolname) as name from pg_catalog.pg_roles order by 1"),
  };
}

/** How many rows each of the tables has. */
export async function countRows(client: pg.Client, tables: string[]): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const table of tables) counts.set(table, await count(client, `select count(*) as n from ${table}`));
  return counts;
}

async function count(client: pg.Client, sql: string): Promise<number> {
  const {
    rows: [row],
  } = await client.query<{ n: string }>(sql);
  return Number(row?.n ?? 0);
}

/**
 * What is gone, data with its count.
 * @param client still sees what was there before
 * @param remaining rows of the tables that are left
 */
export async function findLosses(
  client: pg.Client,
  before: Inventory,
  after: Inventory,
  remaining: Map<string, number>,
): Promise<Loss[]> {
  const gone = (kind: keyof Inventory): string[] => {
    const left = new Set(after[kind]);
    return before[kind].filter((name) => !left.has(name));
  };
  const tables = gone("tables");
  const losses: Loss[] = [];
  for (const [table, rows] of await countRows(client, before.tables)) {
    if (tables.includes(table)) losses.push({ kind: "table", name: table, count: rows });
    else if (rows > (remaining.get(table) ?? 0))
      losses.push({ kind: "rows", name: table, count: rows - (remaining.get(table) ?? 0) });
  }
  for (const name of gone("columns")) {
    const table = before.tables.find((candidate) => name.startsWith(`${candidate}.`)) ?? "";
    if (tables.includes(table)) continue;
    const column = name.slice(table.length + 1);
    losses.push({ kind: "column", name, count: await count(client, `select count(${column}) as n from ${table}`) });
  }
  for (const name of gone("functions")) losses.push({ kind: "function", name, count: 0 });
  for (const name of gone("roles")) losses.push({ kind: "role", name, count: 0 });
  return losses;
}
