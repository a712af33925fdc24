/** What a client learns of an error, and what the log does. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  createTestDatabase,
  createTestServer,
  type TestDatabase,
  type TestServer,
  type TestUser,
} from "./support/harness.ts";

/** Words that are in the database's own messages, and must not be in a response. */
const SECRETS = [
  "victims",
  "secret",
  "hunter2",
  "select",
  "insert",
  "violates",
  "constraint",
  "relation",
  "attune_private",
  ".ts",
  ".js",
  "node_modules",
];

let database: TestDatabase;
let server: TestServer;
let ada: TestUser;
const log: Record<string, unknown>[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  await database.query(`
    create table attune_private.victims (
      id integer primary key, secret text not null check (secret <> 'bad'), parent integer references attune_private.victims
    );
    insert into attune_private.victims values (1, 'hunter2', null);

    create function attune.fail(how text) returns text language plpgsql volatile security definer set search_path = '' as $$
    begin
      case how
        when 'refused' then raise exception using errcode = '42501', message = 'Only the captain may', detail = 'captain_only', hint = 'Ask her.';
        when 'invalid' then raise exception using errcode = 'PT422', message = '/temperature: must be <= 2', detail = 'invalid_value', hint = 'Look at the schema.';
        when 'no hint' then raise exception using errcode = 'PT404', message = 'Not here', detail = 'not_here';
        when 'no reason' then raise exception using errcode = 'PT409', message = 'a secret of ours';
        when 'a sentence' then raise exception using errcode = 'PT409', message = 'a secret of ours', detail = 'A secret sentence.';
        when 'not ours' then raise exception using errcode = 'PT500', message = 'a secret of ours', detail = 'some_reason';
        when 'permission' then execute 'set local role anon';
        when 'unique' then insert into attune_private.victims values (1, 'hunter2', null);
        when 'foreign key' then insert into attune_private.victims values (2, 'hunter2', 3);
        when 'referenced' then insert into attune_private.victims values (2, 'hunter2', 1); delete from attune_private.victims where id = 1;
        when 'restricted' then raise exception using errcode = '23001', message = 'a secret of ours';
        when 'null' then insert into attune_private.victims values (2, null, null);
        when 'check' then insert into attune_private.victims values (2, 'bad', null);
        when 'number' then perform 'hunter2'::integer;
        when 'serialization' then raise exception using errcode = '40001', message = 'a secret of ours';
        when 'deadlock' then raise exception using errcode = '40P01', message = 'a secret of ours';
        when 'locked' then raise exception using errcode = '55P03', message = 'a secret of ours';
        when 'read only' then set local transaction_read_only = on; insert into attune_private.victims values (2, 'hunter2', null);
        when 'disk full' then raise exception using errcode = '53100', message = 'a secret of ours';
        when 'syntax' then execute 'select secret of victims';
        when 'raise' then raise exception 'a secret of ours: hunter2';
        when 'slow' then perform pg_catalog.pg_sleep(30);
        when 'too deep' then perform pg_catalog.repeat('[', 100000)::jsonb;
      end case;
      return 'fine';
    end $$;
    revoke all on function attune.fail(text) from public;
    grant execute on function attune.fail(text) to anon, authenticated;

    create function attune.plain_denial() returns text language plpgsql volatile security invoker set search_path = '' as $$
    begin
      perform v.secret from attune_private.victims as v;
      return 'fine';
    end $$;
    revoke all on function attune.plain_denial() from public;
    grant execute on function attune.plain_denial() to anon, authenticated;
  `);
  ada = await database.createUser("ada@example.com");
  const logDestination = { write: (line: string) => void log.push(JSON.parse(line) as Record<string, unknown>) };
  server = await createTestServer(database, { logLevel: "info", logDestination });
});

afterAll(async () => {
  await server.close();
  await database.close();
});

/** The only error of a response, and the only line that the log has on it. */
async function failureOf(query: string, variables = {}, token?: string) {
  const { status, body } = await server.graphql(query, variables, token);
  expect(body.errors).toHaveLength(1);
  const [error] = body.errors ?? [];
  const lines = log.filter(({ debugId }) => debugId === error?.extensions?.debugId);
  expect(lines).toHaveLength(1);
  return { status, body, error, line: lines[0] };
}

const FAIL = "mutation Fail($how: String!) { fail(input: { how: $how }) { result } }";

describe("an error that the database raised on purpose", () => {
  test.each([
    ["refused", "42501", "captain_only", "Only the captain may", "Ask her."],
    ["invalid", "PT422", "invalid_value", "/temperature: must be <= 2", "Look at the schema."],
    ["no hint", "PT404", "not_here", "Not here", ""],
  ])("is shown as it was raised: %s", async (how, code, reason, message, hint) => {
    const { status, body, error, line } = await failureOf(FAIL, { how });
    expect(status).toBe(200);
    expect(body.data).toEqual({ fail: null });
    expect(error).toMatchObject({ message, path: ["fail"], extensions: { code, reason, hint } });
    expect(error?.extensions?.debugId).toMatch(/^[0-9a-f]{16}$/);
    expect(line).toMatchObject({ level: 30, code, reason, fields: ["fail"] });
  });
});

describe("an error that nobody intended", () => {
  test.each([
    ["permission", "42501", "permission_denied"],
    ["unique", "PT409", "already_exists"],
    ["foreign key", "PT409", "missing_or_referenced"],
    ["referenced", "PT409", "missing_or_referenced"],
    ["restricted", "PT409", "missing_or_referenced"],
    ["null", "PT422", "unstorable_value"],
    ["check", "PT422", "unstorable_value"],
    ["number", "PT400", "malformed_value"],
    ["serialization", "PT409", "conflict"],
    ["deadlock", "PT409", "deadlock"],
    ["locked", "PT409", "lock_timeout"],
    ["read only", "PT503", "read_only"],
    ["disk full", "PT503", "storage_full"],
    ["slow", "PT408", "statement_timeout"],
    ["too deep", "PT422", "value_too_deep"],
    ["no reason", "INTERNAL_SERVER_ERROR", "internal_error"],
    ["a sentence", "INTERNAL_SERVER_ERROR", "internal_error"],
    ["not ours", "INTERNAL_SERVER_ERROR", "internal_error"],
    ["syntax", "INTERNAL_SERVER_ERROR", "internal_error"],
    ["raise", "INTERNAL_SERVER_ERROR", "internal_error"],
    ["no such case", "INTERNAL_SERVER_ERROR", "internal_error"],
  ])("is told in general words, and whole in the log: %s", async (how, code, reason) => {
    const { body, error, line } = await failureOf(FAIL, { how }, ada.token);
    expect(error?.extensions).toMatchObject({ code, reason, hint: expect.stringMatching(/\.$/) });
    expect(Object.keys(error?.extensions ?? {})).toSatisfy((names: string[]) =>
      names.every((name) => ["code", "debugId", "hint", "reason", "retryAfter"].includes(name)),
    );
    const text = JSON.stringify(body).toLowerCase();
    expect(SECRETS.filter((word) => text.includes(word))).toEqual([]);
    expect(line).toMatchObject({
      level: code === "INTERNAL_SERVER_ERROR" || code === "PT503" ? 50 : 30,
      method: "POST",
      address: "127.0.0.1",
      path: "/graphql",
      status: 200,
      user: ada.id,
      operationName: "Fail",
      code,
      err: { type: "DatabaseError", message: expect.any(String), stack: expect.any(String) },
    });
  });

  test("names no table when a right is missing, and says who is signed out that they are", async () => {
    const query = "mutation { plainDenial(input: {}) { result } }";
    const signedIn = await failureOf(query, {}, database.tokenOf(await database.createUser("dan@example.com")));
    expect(signedIn.error?.extensions).toMatchObject({ code: "42501", reason: "permission_denied" });
    expect(JSON.stringify(signedIn.body)).not.toContain("attune_private");

    const { body, error, line } = await failureOf(query);
    expect(error?.extensions).toMatchObject({ code: "42501", reason: "not_signed_in" });
    expect(JSON.stringify(body)).not.toContain("attune_private");
    expect(line).toMatchObject({ err: { message: "permission denied for schema attune_private" } });
    expect(line).not.toHaveProperty("user");
  });

  test("does not undo what other fields of the request gave", async () => {
    const { body, error } = await failureOf("{ users { nodes { id } } plans { nodes { name } } }");
    expect(error).toMatchObject({ path: ["users"], extensions: { reason: "not_signed_in" } });
    expect(body.data).toEqual({ users: null, plans: { nodes: [{ name: "bootstrapper" }] } });
  });
});

describe("several errors of one request", () => {
  test("share one debugId and one line", async () => {
    const { body } = await server.graphql(
      `mutation Two { a: fail(input: { how: "raise" }) { result } b: fail(input: { how: "unique" }) { result } }`,
    );
    const ids = new Set(body.errors?.map(({ extensions }) => extensions?.debugId));
    expect(body.errors).toHaveLength(2);
    expect(ids.size).toBe(1);
    const lines = log.filter(({ debugId }) => ids.has(String(debugId)));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({
      level: 50,
      fields: ["a", "b"],
      err: { aggregateErrors: [{ code: "P0001" }, { code: "23505" }] },
    });
  });
});

describe("a query that can't be run", () => {
  test.each([
    ["is no GraphQL", "{ viewer", {}, "GRAPHQL_PARSE_FAILED", "malformed_query"],
    ["asks for what is not there", "{ nothing }", {}, "GRAPHQL_VALIDATION_FAILED", "invalid_query"],
    ["is a subscription", "subscription { anything }", {}, "GRAPHQL_VALIDATION_FAILED", "invalid_query"],
    [
      "lacks a variable",
      "query ($key: String!) { effectiveSetting(key: $key) { key } }",
      {},
      "BAD_USER_INPUT",
      "invalid_input",
    ],
    [
      "has a variable of another type",
      "query ($id: UUID!) { user(id: $id) { id } }",
      { id: "x" },
      "BAD_USER_INPUT",
      "invalid_input",
    ],
    [
      "has null where a default made it look as if there were a value",
      'query ($key: String = "x") { effectiveSetting(key: $key) { key } }',
      { key: null },
      "BAD_USER_INPUT",
      "invalid_input",
    ],
    [
      "has a name inside JSON",
      'mutation { setPreference(input: { key: "x", value: { a: [LIGHT] } }) { clientMutationId } }',
      {},
      "BAD_USER_INPUT",
      "invalid_input",
    ],
    [
      "has a name for JSON",
      'mutation { setPreference(input: { key: "x", value: LIGHT }) { clientMutationId } }',
      {},
      "BAD_USER_INPUT",
      "invalid_input",
    ],
    [
      "does not say which operation",
      "query A { __typename } query B { __typename }",
      {},
      "BAD_USER_INPUT",
      "invalid_input",
    ],
  ])("is answered as 400 when it %s", async (_what, query, variables, code, reason) => {
    const { status, error, line } = await failureOf(query, variables);
    expect(status).toBe(400);
    expect(error?.extensions).toMatchObject({ code, reason, hint: expect.stringMatching(/\.$/) });
    expect(line).toMatchObject({ level: 30, status: 400, code, reason });
    expect(line).not.toHaveProperty("err");
  });

  test("is refused as the client's mistake when a cursor is wrong", async () => {
    const { error } = await failureOf(`{ users(after: "bm9uc2Vuc2U=") { nodes { id } } }`, {}, ada.token);
    expect(error?.extensions).toMatchObject({ code: "BAD_USER_INPUT", reason: "invalid_input" });
  });
});

describe("the log", () => {
  test("holds no token, header, variable or query", async () => {
    const before = log.length;
    await server.graphql(
      "mutation Fail($how: String!) { fail(input: { how: $how }) { result } }",
      { how: "raise", password: "correct horse" },
      ada.token,
    );
    await server.graphql("{ viewer { id } }", {}, `${ada.token}x`);
    const text = JSON.stringify(log.slice(before));
    expect(log.length).toBe(before + 2);
    for (const secret of [ada.token, "correct horse", "authorization", "mutation Fail"])
      expect(text).not.toContain(secret);
  });
});
