/** Nobody walks everybody's rows to find their own: each list of the API, by a user among a crowd, reads few pages. */
import { buildSchema, getNamedType, type GraphQLObjectType, isObjectType, isScalarType } from "graphql";
import pg from "pg";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { withClient } from "../src/database/client.ts";
import { graphqlSchema } from "../src/graphql/schema.ts";
import { signToken } from "../src/sign-in/jwt.ts";
import { type ApiCalls, prepareCalls } from "./support/api-calls.ts";
import {
  createTestDatabase,
  createTestServer,
  type TestDatabase,
  type TestServer,
  type TestUser,
} from "./support/harness.ts";

/** Rows of others in every table that a user may read. */
const CROWD = 20_000;
/** Pages of 8 kB, of tables and indexes, that the first page of a list may read. */
const MOST_PAGES = 1_000;

let database: TestDatabase;
let server: TestServer;
let api: ApiCalls;
let lists: string[];

beforeAll(async () => {
  database = await createTestDatabase();
  api = await withClient(database.ownerUrl, prepareCalls);
  server = await createTestServer(database);
  lists = listsOf((await graphqlSchema(database.authenticatorUrl)).all);
  await withClient(database.ownerUrl, addCrowd);
}, 300_000);

afterAll(async () => {
  await server.close();
  await database.close();
});

/** Multiplies a row of every table that a user may read, for people who are not there; what is unique is made anew. */
async function addCrowd(client: pg.Client): Promise<void> {
  await client.query(`
    insert into attune.project_preferences (user_id, project_id, key, value)
    select m.user_id, m.project_id, 'dashboard_settings.widget_visibility', '{"metrics": false}'
    from attune.project_members as m limit 1;
    insert into attune.maintenance_operations (operation, reason, parameters, affected_rows, actor_role)
    values ('seed_settings', 'Test', '{}', 0, 'attune');
    insert into attune.knowledge_edit_leases (entry_id, held_by, expires_at)
    select e.id, e.created_by, '2099-01-01' from attune.knowledge_entries as e limit 1;
    insert into attune.shared_credentials (provider) values ('openai');
    insert into attune.team_credentials (team_id, provider) select t.id, 'openai' from attune.teams as t limit 1;
    insert into attune.user_session_state (user_id, session_key, expires_at)
    select u.id, 'tab', '2099-01-01' from attune.users as u limit 1`);
  const { rows } = await client.query<{ name: string; columns: string; values: string }>(`
    select
      c.oid::regclass::text as name,
      string_agg(quote_ident(a.attname), ', ') as columns,
      string_agg(
        format(
          case
            when a.atttypid = 'uuid'::regtype then 'case when r.%1$I is not null then gen_random_uuid() end'
            when k.is_key and a.atttypid = 'bigint'::regtype then '1000000 + n'
            when k.is_key and a.atttypid = 'text'::regtype then '''a'' || n || r.%1$I'
            -- The team or project that a text names.
            when a.atttypid = 'text'::regtype
              then 'case when r.%1$I ~ ''^[0-9a-f-]{36}$'' then gen_random_uuid()::text else r.%1$I end'
            else 'r.%1$I'
          end,
          a.attname
        ),
        ', '
      ) as values
    from pg_catalog.pg_class as c
    join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
    cross join lateral (
      select exists (
        select from pg_catalog.pg_index as i where i.indrelid = c.oid and i.indisunique and a.attnum = any (i.indkey)
      )
    ) as k (is_key)
    where c.relnamespace = 'attune'::regnamespace
      and c.relkind in ('r', 'p')
      and exists (
        select from pg_catalog.pg_policy as p
        where p.polrelid = c.oid and p.polcmd in ('r', '*') and 'authenticated'::regrole = any (p.polroles)
          and pg_get_expr(p.polqual, p.polrelid) <> 'true'
      )
    group by c.oid
    order by 1`);
  // Nobody refers to anybody any more, and nothing is written beside.
  const { rows: references } = await client.query<{ sql: string }>(
    `select format('alter table %s drop constraint if exists %I', c.conrelid::regclass, c.conname) as sql
     from pg_catalog.pg_constraint as c
     where c.contype = 'f' and c.connamespace = 'attune'::regnamespace`,
  );
  for (const { sql } of references) await client.query(sql);
  for (const { name, columns, values } of rows) {
    await client.query(`alter table ${name} disable trigger user`);
    const { rowCount } = await client.query(
      `insert into ${name} (${columns}) overriding system value
       select ${values}
       from (select * from ${name} order by num_nulls(${columns}) limit 1) as r
       cross join generate_series(1, ${CROWD}) as n`,
    );
    if (rowCount !== CROWD) console.log(`${name} has no row to multiply`);
    await client.query(`analyze ${name}`);
  }
}

/** A query for the first page of each list of rows, as it comes and by its last key, at the root and below the viewer. */
function listsOf(text: string): string[] {
  const schema = buildSchema(text);
  const of = (type: GraphQLObjectType | null | undefined): string[] =>
    Object.values(type?.getFields() ?? {}).flatMap(({ name, type: result, args }) => {
      const connection = getNamedType(result);
      if (!isObjectType(connection) || !connection.name.endsWith("Connection")) return [];
      const node = getNamedType(connection.getFields()["nodes"]?.type);
      if (!isObjectType(node)) return [];
      const columns = Object.values(node.getFields()).filter((field) => isScalarType(getNamedType(field.type)));
      const selection = `{ nodes { ${columns.map((column) => column.name).join(" ")} } pageInfo { hasNextPage } }`;
      const order = args.find((argument) => argument.name === "orderBy")?.type.toString() ?? "";
      return [`${name} ${selection}`, ...(order === "" ? [] : [`${name}(orderBy: PRIMARY_KEY_DESC) ${selection}`])];
    });
  return [
    ...of(schema.getQueryType()),
    ...of(schema.getType("User") as GraphQLObjectType).map((list) => `viewer { ${list} }`),
  ].map((list) => `{ ${list} }`);
}

/** The statements that answer a query, and how many pages they read when they are executed once more. */
async function pagesOf(query: string, who: TestUser): Promise<number> {
  const seen: { text: string; values?: unknown[] }[] = [];
  const real = pg.Client.prototype.query;
  const spy = vi.spyOn(pg.Client.prototype, "query").mockImplementation(function (this: pg.Client, ...args: unknown[]) {
    const [statement] = args;
    if (typeof statement === "object" && statement !== null && "text" in statement) seen.push(statement as { text: string });
    return Reflect.apply(real, this, args);
  });
  const { body } = await server.graphql(query, {}, who.token);
  spy.mockRestore();
  expect([query, body.errors]).toEqual([query, undefined]);
  const statements = seen.filter(({ text }) => /^\s*select/.test(text) && text.includes('"attune'));
  expect([query, statements.length > 0]).toEqual([query, true]);

  return database.as(who, async (client) => {
    let pages = 0;
    for (const { text, values } of statements) {
      // What is read for the first time in a connection, of the catalogue, is not the list's.
      await client.query(text, values);
      const { rows } = await client.query<{ "QUERY PLAN": [{ Plan: Record<string, number> }] }>(
        `explain (analyze, buffers, format json) ${text}`,
        values,
      );
      const plan = rows[0]?.["QUERY PLAN"][0].Plan;
      pages += (plan?.["Shared Hit Blocks"] ?? Number.NaN) + (plan?.["Shared Read Blocks"] ?? Number.NaN);
    }
    return pages;
  });
}

test("a user finds the rows that they may read, of every list, without walking those of a crowd", async () => {
  const id = api.names.user;
  const token = await signToken({ sub: id, role: "authenticated" }, database.jwt);
  const walked: string[] = [];
  for (const list of lists) {
    const pages = await pagesOf(list, { id, email: "ada@example.com", token });
    if (process.env["SHOW"]) console.log(pages, list.slice(0, 90));
    if (!(pages <= MOST_PAGES)) walked.push(`${list}: ${pages} pages`);
  }
  expect(walked).toEqual([]);
}, 120_000);
