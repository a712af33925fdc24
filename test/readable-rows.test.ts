/** Nobody walks everybody's rows to find their own: each list of the API, by a user among a crowd, reads few pages. */
import { buildSchema, getNamedType, type GraphQLObjectType, isObjectType } from "graphql";
import pg from "pg";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { withClient } from "../src/database/client.ts";
import { graphqlSchema } from "../src/graphql/schema.ts";
import { signToken } from "../src/sign-in/jwt.ts";
import { type ApiCalls, prepareCalls, type Who } from "./support/api-calls.ts";
import {
  createTestDatabase,
  createTestServer,
  type TestDatabase,
  type TestServer,
  type TestUser,
} from "./support/harness.ts";

/** Rows of others in every table that people fill. */
const CROWD = 20_000;
/** Pages of 8 kB, of tables and indexes, that the first page of a list may read. Of the shortest rows, all are 290. */
const MOST_PAGES = 150;

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

/**
 * Fills every table that a user may read with rows about people who are not there, like the one that is there.
 * What is known by a name alone, as a definition is, administrators made, and change sets: that is little. Knowledge is
 * everybody's.
 */
async function addCrowd(client: pg.Client): Promise<void> {
  // Nobody refers to anybody any more, and nothing is checked or written beside.
  const { rows: rules } = await client.query<{ sql: string }>(`
    select format('alter table %s drop constraint if exists %I', c.conrelid::regclass, c.conname) as sql
    from pg_catalog.pg_constraint as c
    where c.contype in ('f', 'c') and c.connamespace = 'attune'::regnamespace and c.conrelid <> 0
    union all
    select format('alter table %s alter %I drop not null', c.oid::regclass, a.attname)
    from pg_catalog.pg_class as c
    join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnotnull and a.attnum > 0
    left join pg_catalog.pg_index as i on i.indrelid = c.oid and i.indisprimary
    where c.relnamespace = 'attune'::regnamespace and c.relkind in ('r', 'p') and a.attidentity = ''
      and (a.attnum = any (i.indkey)) is not true`);
  for (const { sql } of rules) await client.query(sql);

  const { rows } = await client.query<{ name: string; columns: string; values: string }>(`
    select
      c.oid::regclass::text as name,
      string_agg(quote_ident(a.attname), ', ') as columns,
      string_agg(
        format(
          case
            when a.atttypid = 'uuid'::regtype then 'gen_random_uuid()'
            when k.is_key and a.atttypid in ('integer'::regtype, 'bigint'::regtype) then '1000000 + n'
            when k.is_key and a.atttypid = 'text'::regtype then '''a'' || n'
            -- The team or project that a text names.
            when a.attname = 'scope' then 'gen_random_uuid()::text'
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
      and c.relname !~ '^(knowledge|change_set)'
      and exists (
        select from pg_catalog.pg_index as i
        join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnum = any (i.indkey)
        where i.indrelid = c.oid and i.indisprimary and a.atttypid in ('uuid'::regtype, 'bigint'::regtype)
      )
      and exists (
        select from pg_catalog.pg_policy as p
        where p.polrelid = c.oid and p.polcmd in ('r', '*') and 'authenticated'::regrole = any (p.polroles)
      )
    group by c.oid
    order by 1`);
  for (const { name, columns, values } of rows) {
    await client.query(`alter table ${name} disable trigger user`);
    await client.query(
      `insert into ${name} (${columns}) overriding system value
       select ${values}
       from generate_series(1, ${CROWD}) as n
       left join (select * from ${name} order by num_nulls(${columns}) limit 1) as r on true`,
    );
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
      const selection = `{ nodes { id } pageInfo { hasNextPage } }`;
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
  const spy = vi.spyOn(pg.Client.prototype, "query");
  const { body } = await server.graphql(query, {}, who.token);
  const seen = spy.mock.calls.map(([statement]: unknown[]) => statement as { text: string; values?: unknown[] });
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

async function signIn({ claims }: ApiCalls, who: Who): Promise<TestUser> {
  return { id: claims[who]["sub"] ?? "", email: "", token: await signToken(claims[who], database.jwt) };
}

test("a user finds the rows that they may read, of every list, without walking those of a crowd", async () => {
  const user = await signIn(api, "user");
  const walked: string[] = [];
  for (const list of lists) {
    const pages = await pagesOf(list, user);
    if (!(pages <= MOST_PAGES)) walked.push(`${list}: ${pages} pages`);
  }
  expect(walked).toEqual([]);
}, 120_000);

test("what such a list is read by gives the same rows as the table, to everybody", async () => {
  const rows = await database.query<{ name: string; read_by: string }>(String.raw`
    select format('attune.%I', c.relname) as name, (regexp_match(obj_description(c.oid), '@readBy (\S+)'))[1] as read_by
    from pg_catalog.pg_class as c
    where c.relnamespace = 'attune'::regnamespace and obj_description(c.oid) ~ '@readBy'`);
  expect(rows.length).toBeGreaterThan(5);
  const people = await Promise.all((["user", "other", "registered", "admin"] as const).map((who) => signIn(api, who)));
  for (const who of [...people, "service_role"] as const)
    for (const { name, read_by: readBy } of rows) {
      const digest = (from: string): string =>
        `select count(*) as rows, md5(string_agg(r::text, ',' order by r::text)) as digest from ${from} as r`;
      const [all, read] = await database.as(who, async (client) => [
        (await client.query<Record<string, unknown>>(digest(name))).rows,
        (await client.query<Record<string, unknown>>(digest(`${readBy}()`))).rows,
      ]);
      expect([name, read]).toEqual([name, all]);
    }
}, 120_000);
