/** Random SQL: statements over every table, view and function there is, as a client with the rights of a persona has it. */
import pg from "pg";
import { odd, type Random, randomJson } from "./random.ts";
import type { World } from "./world.ts";

type Relation = { name: string; columns: { name: string; type: string }[] };
type Routine = { name: string; types: string[] };
export type Catalogue = { relations: Relation[]; routines: Routine[] };

/** What there is to be named in a statement, whoever may read it. */
export async function readCatalogueOf(owner: pg.Client): Promise<Catalogue> {
  await owner.query("begin");
  // So that every type is written with its schema.
  await owner.query("set local search_path = ''");
  const relations = await owner.query<Relation>(`
    select format('%I.%I', c.relnamespace::regnamespace::text, c.relname) as name,
      json_agg(json_build_object('name', quote_ident(a.attname), 'type', format_type(a.atttypid, null)) order by a.attnum) as columns
    from pg_class as c
    join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relnamespace::regnamespace::text in ('attune', 'attune_private', 'attune_hidden', 'graphile_migrate')
      and c.relkind in ('r', 'v', 'p')
    group by c.oid order by 1`);
  const routines = await owner.query<Routine>(`
    select format('%I.%I', p.pronamespace::regnamespace::text, p.proname) as name,
      array(select format_type(t, null) from unnest(p.proargtypes) with ordinality as u (t, n) order by n) as types
    from pg_proc as p
    where p.pronamespace::regnamespace::text in ('attune', 'attune_private', 'attune_hidden', 'auth')
      and p.prorettype <> 'trigger'::regtype
      -- Read tables of people's own for everybody, which is what they are for.
      and p.proname not like 'adopt_legacy%'
    order by p.oid::regprocedure::text`);
  await owner.query("commit");
  return { relations: relations.rows, routines: routines.rows };
}

const LITERALS = ["null", "true", "false", "0", "1", "'x'", "''", "now()", "'infinity'", "'{}'", "'[]'", "'{}'::jsonb"];

/** Makes one statement. */
export function randomStatement(random: Random, world: World, { relations, routines }: Catalogue): string {
  const { words, samples } = world;
  const keys = words.byName["key"] ?? [];
  // Mostly what somebody is granted; the rest has to be refused.
  const ours = relations.filter(({ name }) => name.startsWith("attune."));
  const api = routines.filter(({ name }) => name.startsWith("attune."));
  const relation = (): Relation => random.pick(random.chance(0.85) ? ours : relations);
  const routine = (): Routine => random.pick(random.chance(0.85) ? api : routines);
  const text = (value: string): string => pg.escapeLiteral(value.replaceAll("\0", "").toWellFormed());

  function value(type: string): string {
    if (random.chance(0.08)) return random.pick(LITERALS);
    if (random.chance(0.04)) return `(${select(1, true)})`;
    switch (type) {
      case "uuid":
        return random.chance(0.85) ? `'${random.pick(words.ids)}'` : `'${odd.uuid(random)}'`;
      case "uuid[]":
        return `array['${random.pick(words.ids)}', '${random.pick(words.ids)}']::uuid[]`;
      case "text":
      case "name":
        return text(random.chance(0.75) ? random.pick(random.chance(0.5) ? keys : words.names) : odd.text(random));
      case "jsonb":
      case "json":
        return `${text(JSON.stringify(randomJson(random, words.names)) ?? "null")}::${type}`;
      case "boolean":
        return random.pick(["true", "false"]);
      case "integer":
      case "bigint":
        return String(odd.integer(random));
      case "timestamp with time zone":
        return `'${odd.time(random)}'`;
      case "interval":
        return random.pick(["'1 hour'", "'-1 day'", "'infinity'"]);
      default:
        return `(select (enum_range(null::${type}))[1])`;
    }
  }

  function call(): string {
    if (random.chance(0.35)) return `attune.${random.pick(samples)}`;
    const { name, types } = routine();
    return `${name}(${types.map(value).join(", ")})`;
  }

  function predicate(alias: string, of: Relation): string {
    if (random.chance(0.4)) return "true";
    const column = random.pick(of.columns);
    const named = `${alias}.${column.name}`;
    return random.pick([
      () => `${named} is not null`,
      () => `${named} = ${value(column.type)}`,
      () => `${named}::text like '%canary%'`,
      // What a policy hides must not come out of an error, or of what costs nothing to evaluate.
      () => `${named}::text::integer > 0`,
      () => `1 / length(substring(${named}::text for 1)) > 0`,
      () => `exists (${select(1, false)})`,
      () => `not (${predicate(alias, of)})`,
      () => `(${predicate(alias, of)} or ${predicate(alias, of)})`,
      () => `attune.current_user_id() is distinct from ${named}::text::uuid`,
      () => `${named}::text in (${select(1, true)})`,
    ])();
  }

  function output(alias: string, of: Relation): string {
    if (random.chance(0.5)) return `to_jsonb(${alias})`;
    return random.pick([
      () => `${alias}::text`,
      () => `${alias}.${random.pick(of.columns).name}`,
      () => `md5(${alias}.${random.pick(of.columns).name}::text), ${alias}.${random.pick(of.columns).name}`,
      () => `(select to_jsonb(f) from ${call()} as f limit 1)`,
      () => `jsonb_agg(to_jsonb(${alias})) over ()`,
    ])();
  }

  function select(depth: number, isScalar: boolean): string {
    const of = relation();
    const what = isScalar ? `${random.pick(["max", "min"])}(a.${random.pick(of.columns).name}::text)` : output("a", of);
    const other = depth > 0 && random.chance(0.35) ? relation() : undefined;
    const join = other
      ? ` ${random.pick(["join", "left join", "full join"])} ${other.name} as b on ${on(of, other)}`
      : "";
    const where = depth > 0 ? ` where ${predicate("a", of)}` : "";
    const end = isScalar ? "" : random.pick(["", " limit 20", " order by 1 limit 20", " for update of a", " offset 1"]);
    return `select ${what} from ${of.name} as a${join}${where}${end}`;
  }

  /** Of the same name, or of any. */
  function on(left: Relation, right: Relation): string {
    const shared = left.columns.find(({ name }) => right.columns.some((column) => column.name === name));
    if (shared === undefined || random.chance(0.2)) return "true";
    return `a.${shared.name} = b.${shared.name}`;
  }

  function columnsOf(of: Relation): Relation["columns"] {
    return of.columns.filter(() => random.chance(0.5));
  }

  function write(): string {
    const of = relation();
    const columns = columnsOf(of);
    const names = columns.map(({ name }) => name);
    const returning = random.pick(["", " returning *", ` returning ${random.pick(of.columns).name}`]);
    const sets = columns.map(({ name, type }) => `${name} = ${value(type)}`).join(", ");
    switch (random.below(4)) {
      case 0:
        return `delete from ${of.name} as a where ${predicate("a", of)}${returning}`;
      case 1:
        if (names.length === 0) return `insert into ${of.name} default values${returning}`;
        return `insert into ${of.name} (${names.join(", ")}) values (${columns.map(({ type }) => value(type)).join(", ")})${random.pick(["", " on conflict do nothing"])}${returning}`;
      case 2:
        return `truncate ${of.name}`;
      default:
        if (names.length === 0) return `lock table ${of.name} in access share mode`;
        return `update ${of.name} as a set ${sets} where ${predicate("a", of)}${returning}`;
    }
  }

  function odds(): string {
    return random.pick([
      () => `select * from pg_stats where schemaname like 'attune%' and tablename = '${relation().name.split(".")[1]}'`,
      () => "select * from pg_stat_activity",
      () => `select query_to_xml(${text(select(1, false))}, true, false, '')`,
      () => `select pg_get_functiondef('${routine().name}'::regproc)`,
      () => `explain (analyze, verbose, costs off) ${select(1, false)}`,
      () => `with t as materialized (${select(1, false)}) select * from t`,
      () => `select * from ${relation().name} tablesample system (100)`,
      () => `create temp table t on commit drop as ${select(1, false)}`,
      () =>
        `create or replace function pg_temp.leak(text) returns boolean language plpgsql cost 0.0000001 as 'begin raise notice ''%'', $1; return true; end'`,
      () => `do $$ begin perform ${select(1, true).replace(/^select/, "")}; end $$`,
      () => `select * from lo_creat(-1)`,
      () => `select pg_read_file('PG_VERSION')`,
      () => `copy ${relation().name} to '/dev/null'`,
      () => `alter table ${relation().name} disable row level security`,
      () => `grant select on ${relation().name} to anon`,
      () => `set local row_security = off`,
      () => `select currtid2('${relation().name}', '(0,1)')`,
    ])();
  }

  const kind = random.below(20);
  if (kind < 9) return select(2, false);
  if (kind < 14) return random.chance(0.7) ? `select to_jsonb(f) from ${call()} as f` : `select ${call()}`;
  if (kind < 18) return write();
  return odds();
}

export type SqlAnswer = { text: string; isRefused: boolean; internal?: string };

/** Runs one statement as the server runs those of a request: in a transaction with role and claims of its own. */
export async function runStatement(
  client: pg.Client,
  claims: Record<string, string>,
  sql: string,
  isKept: boolean,
): Promise<SqlAnswer> {
  const notices: string[] = [];
  const listen = (notice: { message?: string | undefined }): void => void notices.push(notice.message ?? "");
  client.on("notice", listen);
  try {
    await client.query("begin");
    await client.query(
      "select set_config('statement_timeout', '2s', true), set_config('request.jwt.claims', $1, true), set_config('role', $2, true)",
      [JSON.stringify(claims), claims["role"]],
    );
    const result: unknown = await client.query(sql);
    await client.query(isKept ? "commit" : "rollback");
    return { text: JSON.stringify([rowsOf(result), notices]), isRefused: false };
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    await client.query("rollback");
    const { code = "", message, detail, hint, where = "" } = error;
    const text = JSON.stringify([message, detail, hint, where, notices]);
    const internal = isInternal(code, where) ? `${code} ${message}` : undefined;
    return { text, isRefused: true, ...(internal !== undefined && { internal }) };
  } finally {
    client.off("notice", listen);
  }
}

function rowsOf(result: unknown): unknown {
  return typeof result === "object" && result !== null && "rows" in result ? result.rows : undefined;
}

/** A mistake of PostgreSQL's, or one in a function of ours that the caller did not make. */
function isInternal(code: string, where: string): boolean {
  if (/^(XX|58|F0|P0|2F|38|39)/.test(code)) return true;
  const inFunction = /^(PL\/pgSQL|SQL) function attune/m.test(where);
  return inFunction && /^(42(?!501)|0A|21)/.test(code);
}
