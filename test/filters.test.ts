/** Which rows a client asks for: `filter`, for whom, and in which order. */
import fc from "fast-check";
import {
  buildSchema,
  getNamedType,
  getNullableType,
  type GraphQLInputObjectType,
  type GraphQLInputType,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isListType,
} from "graphql";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { graphqlSchema } from "../src/graphql/schema.ts";
import {
  createTestDatabase,
  createTestServer,
  type Persona,
  type TestDatabase,
  type TestServer,
  type TestUser,
} from "./support/harness.ts";
import "./support/seed.ts";

let database: TestDatabase;
let server: TestServer;
let schema: GraphQLSchema;
let admin: TestUser;
let ada: TestUser;
let bob: TestUser;
let team: string;

beforeAll(async () => {
  database = await createTestDatabase();
  admin = await database.createUser("root@example.com", { admin: true });
  ada = await database.createUser("ada@example.com");
  bob = await database.createUser("bob@example.com");
  // People of whom a provider told neither address nor name.
  await database.query("insert into attune.users (email, name) values (null, null), (null, null), (null, 'Zoe')");
  server = await createTestServer(database);
  schema = buildSchema((await graphqlSchema(database.authenticatorUrl)).all);

  await database.as(ada, (client) => client.query("select attune.set_preference('DARK_MODE_ENABLED', 'true')"));
  await database.as(bob, (client) => client.query("select attune.set_preference('DARK_MODE_ENABLED', 'false')"));
  await database.as(admin, async (client) => {
    await client.query("select attune.set_global_setting('TASKS_ENABLED', 'true')");
    await client.query("select attune.set_global_setting('TASKS_ENABLED', 'false')");
    await client.query("select attune.set_plan_setting('bootstrapper', 'TASKS_ENABLED', 'true')");
    await client.query("select attune.set_user_setting($1, 'deep_research', 'true')", [ada.id]);
  });
  const teams = await database.as(ada, (client) =>
    client.query<{ id: string }>("select (attune.create_team('Engines')).id"),
  );
  team = teams.rows[0]?.id ?? "";
  await database.query(
    `insert into attune.security_log (event, user_id, session_id, address)
     values ('logged_in', $1, $2, '10.0.0.1'), ('login_failed', null, null, '10.0.0.2'), ('password_changed', $2, null, '10.0.0.3')`,
    [ada.id, bob.id],
  );
  await database.query(
    `insert into attune.notifications (user_id, title, category, type, priority, read_at, created_at)
     select $1, t, 'lead_update', case when t = 'Hopper Ltd' then 'warning'::attune.notification_type else 'info' end, 'normal',
       case when t = 'Hopper Ltd' then now() end, now()
     from unnest(array['Hopper Ltd', 'Lovelace & Co', '100 % of it']) as t`,
    [ada.id],
  );
});

afterAll(async () => {
  await server.close();
  await database.close();
});

type Collection = { field: string; filter: GraphQLInputObjectType; order: readonly string[] };

/** Every connection of the root, with its filter. */
const collections = (): Collection[] =>
  Object.values(schema.getQueryType()?.getFields() ?? {}).flatMap(({ name, args }) => {
    const typeOf = (argument: string) => getNamedType(args.find((arg) => arg.name === argument)?.type);
    const [filter, order] = [typeOf("filter"), typeOf("orderBy")];
    const orders = isEnumType(order) ? order.getValues().map((value) => value.name) : [];
    return isInputObjectType(filter) ? [{ field: name, filter, order: orders }] : [];
  });

async function count(field: string, type: string, filter: unknown, who: Persona): Promise<number | string | undefined> {
  const query = `query ($filter: ${type}) { rows: ${field}(filter: $filter) { totalCount } }`;
  const { body } = await server.graphql<{ rows: { totalCount: number } }>(query, { filter }, database.tokenOf(who));
  return body.errors?.[0]?.extensions?.reason ?? body.data?.rows.totalCount;
}

const logs = (filter: unknown, who: Persona = admin) =>
  count("configurationAuditLogs", "ConfigurationAuditLogFilter", filter, who);
const security = (filter: unknown, who: Persona = admin) => count("securityLogs", "SecurityLogFilter", filter, who);
const users = (filter: unknown, who: Persona = admin) => count("users", "UserFilter", filter, who);
const notifications = (filter: unknown, who: Persona = ada) =>
  count("notifications", "NotificationFilter", filter, who);

describe("who changed what", () => {
  test("an administrator finds by who, whose, what, where, how and when", async () => {
    const all = await logs({});
    expect(await logs({ actorId: { equalTo: admin.id } })).toBe(4);
    // What she chose, and her team.
    expect(await logs({ actorId: { equalTo: ada.id } })).toBe(2);
    expect(await logs({ userId: { equalTo: ada.id }, key: { in: ["DARK_MODE_ENABLED", "deep_research"] } })).toBe(2);
    expect(await logs({ key: { equalTo: "TASKS_ENABLED" } })).toBe(4);
    expect(await logs({ key: { includesInsensitive: "tasks_e" }, layer: { notEqualTo: "default" } })).toBe(3);
    expect(await logs({ key: { startsWith: "TASKS" }, layer: { in: ["global", "plan"] } })).toBe(3);
    expect(await logs({ layer: { equalTo: "global" } })).toBe(2);
    expect(await logs({ scope: { equalTo: "bootstrapper" } })).toBe(1);
    expect(await logs({ operation: { equalTo: "UPDATE" }, layer: { equalTo: "global" } })).toBe(1);
    expect(await logs({ occurredAt: { greaterThan: "2000-01-01T00:00:00Z", lessThan: "2100-01-01T00:00:00Z" } })).toBe(
      all,
    );
    expect(await logs({ occurredAt: { greaterThanOrEqualTo: "2100-01-01" } })).toBe(0);
    expect(await logs({ or: [{ layer: { equalTo: "plan" } }, { actorId: { equalTo: ada.id } }] })).toBe(3);
    const others = { not: { layer: { in: ["global", "plan"] } } };
    // What is none of a setting has no layer.
    expect(await logs({ or: [others, { layer: { isNull: true } }] })).toBe(Number(all) - 3);
  });

  test("an administrator finds by how somebody acted, as which agent, by which request and why", async () => {
    const told =
      "set_config('attune.request_id', 'r-1', true), set_config('attune.change_reason', 'Too 100% bright', true)";
    await database.as(bob, async (client) => {
      await client.query(`select ${told}`);
      await client.query("select attune.set_preference('DARK_MODE_ENABLED', 'true')");
    });
    expect(await logs({ requestId: { equalTo: "r-1" } })).toBe(1);
    expect(await logs({ reason: { includesInsensitive: "too 100% BRIGHT" }, userId: { equalTo: bob.id } })).toBe(1);
    expect(await logs({ reason: { includesInsensitive: "bright%" } })).toBe(0);
    expect(await logs({ actedAs: { equalTo: "administrator" }, userId: { equalTo: ada.id } })).toBe(1);
    expect(await logs({ actedAs: { equalTo: "agent" } })).toBe(0);
    expect(await logs({ agent: { isNull: false } })).toBe(0);
    expect(await logs({ requestId: { equalTo: "r-1" } }, bob)).toBe(1);
    expect(await logs({ requestId: { equalTo: "r-1" } }, ada)).toBe(0);
  });

  test("a user finds what happened to their own settings, whatever they ask", async () => {
    expect(await logs({ key: { equalTo: "DARK_MODE_ENABLED" } }, ada)).toBe(1);
    expect(await logs({ userId: { equalTo: bob.id } }, ada)).toBe(0);
    expect(await logs({ layer: { equalTo: "global" } }, ada)).toBe(0);
    expect(await logs({ not: { userId: { equalTo: ada.id } } }, ada)).toBe(0);
    expect(await logs({ or: [{ userId: { equalTo: bob.id } }, { userId: { isNull: true } }] }, ada)).toBe(0);
    expect(await logs({}, "anon")).toBe("not_signed_in");
  });

  test("the actor is there as a person, for who may see them", async () => {
    const query = `{ configurationAuditLogs(filter: { key: { equalTo: "deep_research" } }, orderBy: ID_DESC, first: 1) { nodes { actorId actor { id } user { email } } } }`;
    const asked = async (who: TestUser) => (await server.graphql(query, {}, who.token)).body.data;
    const row = { actorId: admin.id, user: { email: ada.email } };
    expect(await asked(admin)).toEqual({ configurationAuditLogs: { nodes: [{ ...row, actor: { id: admin.id } }] } });
    expect(await asked(ada)).toEqual({ configurationAuditLogs: { nodes: [{ ...row, actor: null }] } });
  });

  test("a user reads their own history below `viewer`", async () => {
    const query = `{ viewer { configurationAuditLogs(filter: { key: { equalTo: "deep_research" } }) { totalCount } securityLogs { nodes { event } } } }`;
    expect((await server.graphql(query, {}, ada.token)).body.data).toEqual({
      viewer: { configurationAuditLogs: { totalCount: 1 }, securityLogs: { nodes: [{ event: "logged_in" }] } },
    });
  });
});

test("the security log is found by user, event, address, session and time", async () => {
  const all = Number(await security({}));
  expect(await security({ userId: { equalTo: bob.id } })).toBe(1);
  expect(await security({ userId: { isNull: true } })).toBe(1);
  expect(await security({ event: { equalTo: "login_failed" } })).toBe(1);
  expect(await security({ event: { in: ["login_failed", "password_changed"] } })).toBe(2);
  expect(await security({ address: { equalTo: "10.0.0.1" } })).toBe(1);
  expect(await security({ address: { startsWith: "10.0.0." } })).toBe(3);
  expect(await security({ sessionId: { equalTo: bob.id } })).toBe(1);
  expect(await security({ occurredAt: { lessThan: "2100-01-01" } })).toBe(all);
  expect(await security({ event: { equalTo: "login_failed" } }, ada)).toBe(0);
});

test("users are found by text, plan, rights and time, by administrators alone", async () => {
  expect(await users({ email: { includesInsensitive: "ADA@" } })).toBe(1);
  expect(await users({ email: { equalTo: "bob@example.com" } })).toBe(1);
  expect(await users({ plan: { equalTo: "bootstrapper" } })).toBe(6);
  expect(await users({ isAdmin: { equalTo: true } })).toBe(1);
  expect(await users({ currentTeamId: { equalTo: team } })).toBe(0);
  expect(await users({ createdAt: { greaterThan: "2000-01-01" } })).toBe(6);
  expect(await users({ email: { includesInsensitive: "@" } }, ada)).toBe(1);
});

test("what is typed is text, not a pattern", async () => {
  expect(await notifications({ title: { includesInsensitive: "%" } })).toBe(1);
  expect(await notifications({ title: { includesInsensitive: "_" } })).toBe(0);
  expect(await notifications({ title: { includesInsensitive: "\\" } })).toBe(0);
  expect(await notifications({ title: { startsWith: "\\%" } })).toBe(0);
  expect(await notifications({ title: { includesInsensitive: "LOVELACE & co" } })).toBe(1);
});

test("notifications are found by what is known of them", async () => {
  expect(await notifications({ category: { equalTo: "lead_update" }, readAt: { isNull: true } })).toBe(2);
  expect(await notifications({ type: { equalTo: "warning" } })).toBe(1);
  expect(await notifications({ priority: { in: ["urgent", "high"] } })).toBe(0);
  expect(await notifications({ archivedAt: { isNull: true }, seenAt: { isNull: true } })).toBe(3);
  expect(await notifications({ createdAt: { lessThan: "2100-01-01" } })).toBe(3);
  expect(await notifications({}, bob)).toBe(0);
});

/** A value that a type takes. */
function sample(type: GraphQLInputType): unknown {
  const nullable = getNullableType(type);
  if (isListType(nullable)) return [sample(nullable.ofType)];
  if (isEnumType(nullable)) return nullable.getValues()[0]?.name;
  const values: Record<string, unknown> = { Boolean: true, Int: 1, BigInt: "1", Datetime: "2026-11-28T12:00:00Z" };
  return values[String(nullable)] ?? (String(nullable) === "UUID" ? admin.id : "a");
}

test("every operator of every column can be asked, and finds no more than there is", async () => {
  for (const { field, filter } of collections()) {
    const all = Number(await count(field, filter.name, null, "service_role"));
    for (const column of Object.values(filter.getFields())) {
      const operators = getNamedType(column.type);
      if (operators === filter || !isInputObjectType(operators)) continue;
      for (const operator of Object.values(operators.getFields())) {
        const found = await count(
          field,
          filter.name,
          { [column.name]: { [operator.name]: sample(operator.type) } },
          "service_role",
        );
        const asked = `${field} ${column.name} ${operator.name}`;
        expect([asked, typeof found, Number(found) <= all]).toEqual([asked, "number", true]);
      }
    }
  }
});

/** Filters that say nothing, such as a form with empty fields sends. */
const saysNothing = (filter: GraphQLInputObjectType): fc.Arbitrary<unknown> => {
  const columns = Object.values(filter.getFields()).filter(({ type }) => isInputObjectType(type) && type !== filter);
  return fc.letrec((tie) => {
    const some = (members: Record<string, fc.Arbitrary<unknown>>) => fc.record(members, { requiredKeys: [] });
    const empty = columns.map(({ name, type }): [string, fc.Arbitrary<unknown>] => {
      const operators = isInputObjectType(type) ? Object.keys(type.getFields()) : [];
      const none = some(Object.fromEntries(operators.map((operator) => [operator, fc.constant(null)])));
      return [name, fc.option(none)];
    });
    const lists = fc.option(fc.array(tie("filter"), { maxLength: 2 }));
    return {
      filter: fc.oneof(
        { depthSize: "small", withCrossShrink: true },
        some(Object.fromEntries(empty)),
        some({ ...Object.fromEntries(empty), and: lists, or: lists, not: fc.option(tie("filter")) }),
      ),
    };
  })["filter"];
};

test("null is no filter, wherever it stands", async () => {
  for (const { field, filter } of collections()) {
    const all = await count(field, filter.name, undefined, "service_role");
    expect([field, typeof all]).toEqual([field, "number"]);
    await fc.assert(
      fc.asyncProperty(fc.option(saysNothing(filter)), async (nothing) => {
        const found = await count(field, filter.name, nothing, "service_role");
        // One that has too many parts is refused, and finds nothing by that.
        expect([all, "query_too_costly"]).toContain(found);
      }),
      { numRuns: 15 },
    );
  }
});

test("what is no value of its column is refused in clear words", async () => {
  const refusals = [
    [logs, { userId: { equalTo: "nobody" } }],
    [logs, { occurredAt: { lessThan: "yesterday-ish" } }],
    [logs, { id: { lessThan: "many" } }],
    [logs, { id: { lessThan: "99999999999999999999" } }],
    [logs, { layer: { equalTo: "everywhere" } }],
    [logs, { key: { in: [null] } }],
    [logs, { nothing: { equalTo: 1 } }],
  ] as const;
  for (const [ask, filter] of refusals) expect(["invalid_input", "malformed_value"]).toContain(await ask(filter));
});

describe("pages", () => {
  type Page = {
    rows: {
      nodes: { __typename: string }[];
      edges: { cursor: string }[];
      pageInfo: { hasNextPage: boolean; endCursor: string | null };
    };
  };
  const page = async (field: string, orderBy: string, after: string | null, first: number) => {
    const query = `query ($after: Cursor, $first: Int!) { rows: ${field}(orderBy: [${orderBy}], first: $first, after: $after) { edges { cursor } pageInfo { hasNextPage endCursor } } }`;
    const { body } = await server.graphql<Page>(query, { after, first }, database.tokenOf("service_role"));
    expect([field, orderBy, body.errors]).toEqual([field, orderBy, undefined]);
    return body.data?.rows;
  };

  test("show every row once, in every order that there is", async () => {
    for (const { field, filter, order } of collections()) {
      const all = Number(await count(field, filter.name, null, "service_role"));
      for (const orderBy of order.filter((name) => name !== "NATURAL")) {
        const seen = new Set<string>();
        let after: string | null = null;
        for (let more = true, turns = 0; more && turns <= all; turns += 1) {
          const rows: Page["rows"] | undefined = await page(field, orderBy, after, Math.max(1, Math.ceil(all / 3)));
          for (const { cursor } of rows?.edges ?? []) seen.add(cursor);
          after = rows?.pageInfo.endCursor ?? null;
          more = rows?.pageInfo.hasNextPage ?? false;
        }
        expect([field, orderBy, seen.size]).toEqual([field, orderBy, all]);
      }
    }
  }, 60_000);

  test.each(["ID_ASC", "ID_DESC", "OCCURRED_AT_ASC", "OCCURRED_AT_DESC"])(
    "of a log by %s stay where they are while rows come in",
    async (orderBy) => {
      type Logs = { rows: { nodes: { id: string }[]; pageInfo: { endCursor: string } } };
      const read = async (after: string | null, first: number): Promise<Logs["rows"]> => {
        const query = `query ($after: Cursor, $first: Int!) { rows: configurationAuditLogs(orderBy: ${orderBy}, first: $first, after: $after) { nodes { id } pageInfo { endCursor } } }`;
        const { body } = await server.graphql<Logs>(query, { after, first }, admin.token);
        return body.data?.rows ?? { nodes: [], pageInfo: { endCursor: "" } };
      };
      const before = (await read(null, 100)).nodes.map(({ id }) => id);
      const start = await read(null, 2);
      await database.as(bob, (client) => client.query("select attune.set_preference('DARK_MODE_ENABLED', 'true')"));
      await database.as(bob, (client) => client.query("select attune.reset_preference('DARK_MODE_ENABLED')"));
      const rest = await read(start.pageInfo.endCursor, 100);
      const seen = [...start.nodes, ...rest.nodes].map(({ id }) => id);
      expect(seen.slice(0, before.length)).toEqual(before);
    },
  );
});
