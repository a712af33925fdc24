/** What one request may ask for. */
import { getIntrospectionQuery } from "graphql";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LIMITS } from "../src/graphql/limits.ts";
import {
  createTestDatabase,
  createTestServer,
  type TestDatabase,
  type TestServer,
  type TestUser,
} from "./support/harness.ts";

let database: TestDatabase;
let server: TestServer;
let admin: TestUser;

beforeAll(async () => {
  database = await createTestDatabase();
  admin = await database.createUser("ada@example.com", { admin: true });
  await database.query(
    "select attune_private.ensure_user('user' || n || '@example.com', false) from generate_series(1, 119) as n",
  );
  server = await createTestServer(database);
});

afterAll(async () => {
  await server.close();
  await database.close();
});

/** The reason an administrator's query is refused for; undefined when it is answered. */
async function refusalOf(query: string, variables: Record<string, unknown> = {}): Promise<string | undefined> {
  const { body } = await server.graphql(query, variables, admin.token);
  return body.errors?.[0]?.extensions?.reason;
}

const times = (count: number, text: (n: number) => string): string =>
  Array.from({ length: count }, (_, n) => text(n)).join(" ");

describe("a page", () => {
  type Users = {
    users: { nodes: { id: string }[]; totalCount: number; pageInfo: { hasNextPage: boolean; endCursor: string } };
  };
  const page = async (args: string, variables: Record<string, unknown> = {}) => {
    const declared = ["$first: Int = 7", "$after: Cursor"].filter((variable) =>
      args.includes(variable.split(":")[0] ?? ""),
    );
    const query = `query ${declared.length > 0 ? `(${declared.join(", ")})` : ""} { users${args} { nodes { id } totalCount pageInfo { hasNextPage endCursor } } }`;
    const { body } = await server.graphql<Users>(query, variables, admin.token);
    return { users: body.data?.users, reason: body.errors?.[0]?.extensions?.reason };
  };

  test("has 50 rows when nobody says, and says that there are more", async () => {
    const { users } = await page("");
    expect(users?.nodes).toHaveLength(50);
    expect(users).toMatchObject({ totalCount: 120, pageInfo: { hasNextPage: true } });
  });

  test("has 100 rows at most", async () => {
    expect((await page("(first: 100)")).users?.nodes).toHaveLength(100);
    expect((await page("(first: 101)")).reason).toBe("page_too_large");
  });

  test("is as long as a variable says, its default counting", async () => {
    expect((await page("(first: $first)")).users?.nodes).toHaveLength(7);
    expect((await page("(first: $first)", { first: 3 })).users?.nodes).toHaveLength(3);
    expect((await page("(first: $first)", { first: 0 })).users?.nodes).toHaveLength(0);
    for (const first of [101, -1, 1e9])
      expect((await page("(first: $first)", { first })).reason).toBe("page_too_large");
    expect((await page("(first: $first)", { first: null })).reason).toBe("invalid_input");
  });

  test("is followed by the next one, until every row was seen once", async () => {
    const seen: string[] = [];
    let after: string | undefined;
    do {
      const { users } = await page("(first: $first, after: $after)", { first: 50, after });
      seen.push(...(users?.nodes ?? []).map(({ id }) => id));
      after = users?.pageInfo.hasNextPage ? users.pageInfo.endCursor : undefined;
    } while (after !== undefined);
    expect(seen).toHaveLength(120);
    expect(new Set(seen).size).toBe(120);
  });
});

describe("the cost of a query", () => {
  test("is a field's one, for each row that it may give", async () => {
    expect(
      await refusalOf(
        "{ users(first: 100) { nodes { userPreferences(first: 20) { nodes { key value isActive } } } } }",
      ),
    ).toBeUndefined();
    expect(
      await refusalOf(
        "{ users(first: 100) { nodes { userPreferences(first: 100) { nodes { key value isActive } } } } }",
      ),
    ).toBe("query_too_costly");
  });

  test("counts the default page where there is no `first`", async () => {
    expect(await refusalOf("{ users(first: 10) { nodes { userPreferences { nodes { key } } } } }")).toBeUndefined();
    expect(
      await refusalOf(
        "{ users(first: 100) { nodes { userPreferences { nodes { key value isActive updatedAt userId updatedById } } } } }",
      ),
    ).toBe("query_too_costly");
  });

  test("is that of the variables it comes with", async () => {
    const query =
      "query ($first: Int = 100) { users(first: $first) { nodes { userPreferences(first: $first) { nodes { key value isActive } } } } }";
    expect(await refusalOf(query, { first: 50 })).toBeUndefined();
    expect(await refusalOf(query, { first: 100 })).toBe("query_too_costly");
    expect(await refusalOf(query)).toBe("query_too_costly");
  });

  test("is not lowered by edges, aliases or fragments", async () => {
    expect(
      await refusalOf(
        "{ users(first: 100) { edges { node { userPreferences(first: 100) { edges { node { key value } } } } } } }",
      ),
    ).toBe("query_too_costly");
    const keys = times(310, (n) => `k${n}: email`);
    expect(await refusalOf(`{ users(first: 10) { nodes { ${keys} } } }`)).toBeUndefined();
    expect(await refusalOf(`{ users(first: 100) { nodes { ${keys} } } }`)).toBe("query_too_costly");
    expect(await refusalOf(`{ users(first: 100) { nodes { ...Many } } } fragment Many on User { ${keys} }`)).toBe(
      "query_too_costly",
    );
    expect(await refusalOf(`{ users(first: 100) { nodes { ... on User { ${keys} } } } }`)).toBe("query_too_costly");
  });

  test("counts the names of types", async () => {
    const names = times(310, (n) => `n${n}: __typename`);
    expect(await refusalOf(`{ users(first: 10) { nodes { ${names} } } }`)).toBeUndefined();
    expect(await refusalOf(`{ users(first: 100) { nodes { ${names} } } }`)).toBe("query_too_costly");
  });

  test("is found without following each of a billion ways through fragments", async () => {
    const levels = times(30, (n) => `fragment F${n} on User { ...F${n + 1} ...F${n + 1} }`);
    // Each way followed, this would not end.
    expect(await refusalOf(`{ viewer { ...F0 } } ${levels} fragment F30 on User { id }`)).toBe("query_too_costly");
  });

  test("leaves the queries that a settings page makes", async () => {
    const all =
      "{ viewer { id email } effectiveSettings { key category value layer reason isEnforced canEdit description updatedAt } settingDefinitions { nodes { key category schema defaultValue description } } }";
    expect(await refusalOf(all)).toBeUndefined();
  });
});

describe("a page of everything", () => {
  /** What an administrator sees of each setting: the definition, every layer's rows, who set them, and how many chose. */
  const page = (first: number): string => `{
    settingDefinitions(first: ${first}) {
      totalCount
      nodes {
        key category description schema defaultValue layer audience
        globalSetting { value isActive isEnforced rolloutPercentage variants updatedAt updatedBy { name } }
        planSettings { nodes { plan value isActive isEnforced updatedAt updatedBy { name } } }
        teamSettings(first: 20) {
          totalCount
          nodes { team { name } value isActive isEnforced updatedAt updatedBy { name } }
        }
        userPreferences(first: 0) { totalCount }
        projectPreferences(first: 0) { totalCount }
      }
    }
  }`;

  test("is one request", async () => {
    expect(await refusalOf(page(100))).toBeUndefined();
  });

  test("counts a row for each plan of a setting, not a page", async () => {
    const plans = (inner: string): string =>
      `{ settingDefinitions(first: 100) { nodes { planSettings(first: 100) { nodes { ${inner} } } } } }`;
    const fields = times(20, (n) => `a${n}: value`);
    expect(await refusalOf(plans(fields))).toBeUndefined();
    expect(await refusalOf(plans(fields).replaceAll("planSettings", "teamSettings"))).toBe("query_too_costly");
  });

  test("counts what a function gives as the database expects it, or as `first` says", async () => {
    const layers = times(60, (n) => `a${n}: value`);
    expect(
      await refusalOf(
        `{ ${times(8, (n) => `e${n}: explainSetting(key: "TASKS_ENABLED") { ...Layer }`)} } fragment Layer on SettingExplanation { ${layers} }`,
      ),
    ).toBeUndefined();
    const settings = (first: string): string =>
      `{ ${times(12, (n) => `e${n}: effectiveSettings${first} { ...Setting }`)} } fragment Setting on EffectiveSetting { ${layers} }`;
    expect(await refusalOf(settings(""))).toBe("query_too_costly");
    expect(await refusalOf(settings("(first: 10)"))).toBeUndefined();
    expect(await refusalOf(settings("(first: 101)"))).toBe("page_too_large");
  });
});

describe("what is too costly", () => {
  const refused = async (query: string): Promise<string> => {
    const { body } = await server.graphql(query, {}, admin.token);
    expect(body.errors?.[0]?.extensions?.reason).toBe("query_too_costly");
    return body.errors?.[0]?.extensions?.hint ?? "";
  };

  test.each([
    [
      "users.nodes.userPreferences",
      "{ users(first: 100) { nodes { userPreferences(first: FIRST) { nodes { key value isActive updatedAt } } } } }",
    ],
    [
      "users.edges.node.chosen",
      "{ users(first: 100) { edges { node { chosen: userPreferences(first: FIRST) { edges { cursor node { key value isActive } } } } } } }",
    ],
    ["users", `{ plans { nodes { name } } users(first: FIRST) { nodes { ${times(310, (n) => `k${n}: email`)} } } }`],
    [
      "users",
      `{ users(first: FIRST) { nodes { userPreferences(first: 1) { nodes { ${times(305, (n) => `k${n}: key`)} } } } } }`,
    ],
    [
      "users.nodes.userPreferences",
      "{ users(first: 100) { nodes { ...F } } } fragment F on User { userPreferences(first: FIRST) { nodes { key value isActive user { id } } } }",
    ],
  ])("says that `%s` costs most, and a `first` that is accepted and the greatest one", async (path, query) => {
    const hint = await refused(query.replace("FIRST", "100"));
    const [, named, first] = /^`(\S+)` costs most, .* `first: (\d+)` there/.exec(hint) ?? [];
    expect(named).toBe(path);
    expect(await refusalOf(query.replace("FIRST", String(first)))).toBeUndefined();
    await refused(query.replace("FIRST", String(Number(first) + 1)));
  });

  test("says so where fewer rows do not help", async () => {
    expect(
      await refused(
        `{ ${times(12, (n) => `u${n}: users(first: 20) { nodes { ...Many } }`)} } fragment Many on User { ${times(265, (n) => `k${n}: email`)} }`,
      ),
    ).toBe("Ask for fewer fields, or send it as several queries.");
  });
});

describe("a filter", () => {
  const users = "query ($filter: UserFilter) { users(filter: $filter) { totalCount } }";
  const email = (text: string) => ({ email: { includesInsensitive: text } });

  test("has a hundred parts at most", async () => {
    const ids = (count: number) => ({ filter: { id: { in: Array.from({ length: count }, () => admin.id) } } });
    expect(await refusalOf(users, ids(LIMITS.filterParts - 2))).toBeUndefined();
    expect(await refusalOf(users, ids(LIMITS.filterParts - 1))).toBe("query_too_costly");
    const nested = (levels: number): object => (levels === 0 ? email("a") : { not: { or: [nested(levels - 1)] } });
    expect(await refusalOf(users, { filter: nested(20) })).toBeUndefined();
    expect(await refusalOf(users, { filter: nested(40) })).toBe("value_too_deep");
    expect(await refusalOf(users, { filter: nested(1000) })).toBe("value_too_deep");
  });

  test("has short texts", async () => {
    expect(await refusalOf(users, { filter: email("a".repeat(LIMITS.filterText)) })).toBeUndefined();
    expect(await refusalOf(users, { filter: email("a".repeat(LIMITS.filterText + 1)) })).toBe("query_too_costly");
    expect(await refusalOf(`{ users(filter: { email: { startsWith: "${"a".repeat(301)}" } }) { totalCount } }`)).toBe(
      "query_too_costly",
    );
  });
});

describe("the depth of a query", () => {
  test("is limited", async () => {
    expect(
      await refusalOf(
        "{ users(first: 1) { nodes { userPreferences(first: 1) { nodes { settingDefinition { key } } } } } }",
      ),
    ).toBeUndefined();
    const inner = (n: number): string =>
      (n === 0 ? "key" : `userPreferences(first: 1) { nodes { user { ${inner(n - 1)} } } }`).replace(
        "{ key }",
        "{ id }",
      );
    expect(await refusalOf(`{ viewer { ${inner(4)} } }`)).toBe("query_too_deep");
  });

  test("is not got round by fragments", async () => {
    const fragments =
      "fragment A on User { userPreferences(first: 1) { nodes { user { ...B } } } } fragment B on User { userPreferences(first: 1) { nodes { user { ...C } } } } fragment C on User { userPreferences(first: 1) { nodes { user { id } } } }";
    expect(await refusalOf(`{ viewer { ...C } } ${fragments.slice(fragments.indexOf("fragment C"))}`)).toBeUndefined();
    expect(await refusalOf(`{ viewer { ...A } } ${fragments}`)).toBe("query_too_deep");
  });

  test("lets GraphiQL and code generators read the schema, also without a token", async () => {
    const everything = {
      descriptions: true,
      specifiedByUrl: true,
      directiveIsRepeatable: true,
      schemaDescription: true,
      inputValueDeprecation: true,
      oneOf: true,
    };
    const { status, body } = await server.graphql(getIntrospectionQuery(everything));
    expect(status).toBe(200);
    expect(body.errors).toBeUndefined();
  });

  test("keeps fragments from asking for the schema over and over", async () => {
    const bomb = (n: number): string =>
      `{ __schema { ${times(n, (i) => `a${i}: types { ...T }`)} } } fragment T on __Type { ${times(n, (i) => `a${i}: fields { ...F }`)} }
      fragment F on __Field { ${times(n, (i) => `a${i}: args { ...A }`)} } fragment A on __InputValue { ${times(n, (i) => `a${i}: type { name }`)} }`;
    expect(await refusalOf(bomb(2))).toBeUndefined();
    expect(await refusalOf(bomb(25))).toBe("query_too_costly");
    const names = times(20, (n) => `n${n}: __typename`);
    expect(
      await refusalOf(
        `{ __schema { ${times(25, (n) => `t${n}: types { ...N }`)} } } fragment N on __Type { ${names} }`,
      ),
    ).toBe("query_too_costly");
  });

  test("keeps introspection from going round in circles", async () => {
    expect(await refusalOf("{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }")).toBe(
      "query_too_deep",
    );
  });
});

describe("the fields at the top", () => {
  const aliases = (count: number): string => times(count, (n) => `a${n}: isAdmin`);

  test("are twenty at most", async () => {
    expect(await refusalOf(`{ ${aliases(LIMITS.rootFields)} }`)).toBeUndefined();
    expect(await refusalOf(`{ ${aliases(LIMITS.rootFields + 1)} }`)).toBe("too_many_root_fields");
    expect(await refusalOf(`{ ...Many } fragment Many on Query { ${aliases(LIMITS.rootFields + 1)} }`)).toBe(
      "too_many_root_fields",
    );
  });

  test("count in the payloads of mutations too", async () => {
    const reset = (count: number): string => `mutation { resetPreferences(input: {}) { query { ${aliases(count)} } } }`;
    expect(await refusalOf(reset(LIMITS.rootFields - 1))).toBeUndefined();
    expect(await refusalOf(reset(LIMITS.rootFields))).toBe("too_many_root_fields");
  });

  test("of a batch are refused as a whole", async () => {
    const response = await server.app.inject({
      method: "POST",
      url: "/graphql",
      payload: [{ query: "{ __typename }" }],
    });
    expect(response.statusCode).toBe(400);
    expect(response.json()).toMatchObject({ errors: [{ extensions: { reason: "invalid_request" } }] });
  });
});

describe("the length of a query", () => {
  /** Five tokens around, three for each alias, and single ones for the rest. */
  const query = (tokens: number): string =>
    `{ viewer { ${times(Math.floor((tokens - 5) / 3), (n) => `a${n}: name`)} ${"name ".repeat((tokens - 5) % 3)} } }`;

  test("is a thousand tokens at most", async () => {
    expect(await refusalOf(query(LIMITS.tokens))).toBeUndefined();
    expect(await refusalOf(query(LIMITS.tokens + 1))).toBe("query_too_long");
  });

  test("does not count comments and white space", async () => {
    expect(await refusalOf(`# ${"a comment ".repeat(1000)}\n{ plans { nodes { name } } }`)).toBeUndefined();
  });

  test("is checked before what it says", async () => {
    expect(await refusalOf("{a".repeat(50_000))).toBe("query_too_long");
    expect(await refusalOf(`{ ${"a{b}".repeat(40_000)} }`)).toBe("query_too_long");
  });
});
