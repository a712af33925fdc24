/** Credentials through GraphQL: the server has the master key, and PostgreSQL only for as long as it needs it. */
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { MasterKeys } from "../src/master-keys.ts";
import { UserError } from "../src/user-error.ts";
import {
  createTestDatabase,
  createTestServer,
  type GraphQLResponse,
  type Persona,
  type TestDatabase,
  type TestServer,
  type TestUser,
} from "./support/harness.ts";

const KEY = randomBytes(32).toString("base64");
const SECRET = "sk-proj-0123456789abcdef";

let database: TestDatabase;
let server: TestServer;
let keys: MasterKeys | undefined;
let ada: TestUser;

beforeAll(async () => {
  database = await createTestDatabase();
  ada = await database.createUser("ada@example.com");
  // What a transaction is told, seen by who asks.
  await database.query(`
    create function attune.told() returns text language sql stable begin atomic
      select coalesce(current_setting('attune.master_key', true), '');
    end;
    create function attune.tell() returns text language sql volatile as 'select attune.told()';
    create function attune.credentials_told(credential attune.credentials) returns text language sql stable begin atomic
      select coalesce(current_setting('attune.master_key', true), '');
    end;
    grant execute on function attune.told(), attune.tell(), attune.credentials_told(attune.credentials) to authenticated;
  `);
  server = await createTestServer(database, { readKeys: async () => keys });
});

afterAll(async () => {
  await server.close();
  await database.close();
});

const reasonOf = ({ body }: GraphQLResponse<unknown>): string | undefined => body.errors?.[0]?.extensions?.reason;

const set = (secret: string, provider = "openai", token = ada.token) =>
  server.graphql<{ setCredential: { credential: Record<string, unknown> } }>(
    `mutation ($provider: String!, $secret: String!) {
      setCredential(input: { provider: $provider, secret: $secret, label: "Mine" }) {
        credential { id provider label lastFour expiresAt lastUsedAt }
      }
    }`,
    { provider, secret },
    token,
  );

const resolve = (provider = "openai", who: Persona = "service_role") =>
  server.graphql<{ resolveCredential: Record<string, unknown> }>(
    `mutation ($userId: UUID!, $provider: String!) {
      resolveCredential(input: { userId: $userId, provider: $provider }) { secret source label expiresAt }
    }`,
    { userId: ada.id, provider },
    database.tokenOf(who),
  );

test("without a master key nothing is set, and the reason says so", async () => {
  keys = undefined;
  expect(reasonOf(await set(SECRET))).toBe("master_key_missing");
});

test("a user sets a credential, sees what may be seen, and a trusted server is given the secret", async () => {
  keys = { current: KEY, previous: undefined };
  const { body } = await set(SECRET);
  const shown = {
    id: JSON.stringify([ada.id, "openai"]),
    provider: "openai",
    label: "Mine",
    lastFour: "cdef",
    expiresAt: null,
    lastUsedAt: null,
  };
  expect(body).toEqual({ data: { setCredential: { credential: shown } } });
  expect((await resolve()).body).toEqual({
    data: { resolveCredential: { secret: SECRET, source: "user", label: "Mine", expiresAt: null } },
  });
  const listed = await server.graphql<{ credentials: { nodes: { lastUsedAt: string }[] } }>(
    "{ credentials { nodes { provider lastFour lastUsedAt } } usableCredentials { provider source } }",
    {},
    ada.token,
  );
  expect(listed.body.data).toEqual({
    credentials: { nodes: [{ provider: "openai", lastFour: "cdef", lastUsedAt: expect.any(String) }] },
    usableCredentials: [{ provider: "openai", source: "user" }],
  });
});

test("nobody but a trusted server is given a secret", async () => {
  const admin = await database.createUser("root@example.com", { admin: true });
  for (const who of [ada, admin]) expect(reasonOf(await resolve("openai", who))).toBe("permission_denied");
  expect(reasonOf(await resolve("openai", "anon"))).toBe("not_signed_in");
});

test("with another master key nothing is set or resolved, and what is stored stays", async () => {
  const stored = await database.query("select * from attune_private.credential_secrets");
  keys = { current: randomBytes(32).toString("hex"), previous: undefined };
  expect(reasonOf(await set(SECRET))).toBe("wrong_master_key");
  expect(reasonOf(await resolve())).toBe("wrong_master_key");
  expect(await database.query("select * from attune_private.credential_secrets")).toEqual(stored);
  keys = { ...keys, previous: KEY };
  expect((await resolve()).body.data?.resolveCredential["secret"]).toBe(SECRET);
  keys = { current: KEY, previous: undefined };
});

describe("the master key", () => {
  const setting = `setCredential(input: { provider: "openai", secret: "${SECRET}" })`;

  test("is in no transaction but that of the statement that needs it", async () => {
    const { body } = await server.graphql(
      `mutation {
        before: tell(input: {}) { result }
        ${setting} { credential { lastFour told } query { told credentials { nodes { told } } } }
        after: tell(input: {}) { result }
      }`,
      {},
      ada.token,
    );
    expect(body).toEqual({
      data: {
        before: { result: "" },
        setCredential: {
          // The statement's own row is read in it.
          credential: { lastFour: "cdef", told: expect.any(String) },
          query: { told: "", credentials: { nodes: [{ told: "" }] } },
        },
        after: { result: "" },
      },
    });
  });

  test("comes with every statement that needs it, however many there are", async () => {
    const { body } = await server.graphql(
      `mutation { a: ${setting} { credential { label } } b: ${setting} { credential { label } } }`,
      {},
      ada.token,
    );
    expect(body.errors).toBeUndefined();
  });
});

test("three users at once each have what they set", async () => {
  const users = await Promise.all(["x", "y", "z"].map((name) => database.createUser(`${name}@example.com`)));
  await Promise.all(
    users.flatMap(({ token }, user) =>
      Array.from({ length: 5 }, (_, round) => set(`sk-of-${user}-in-round-${round}`, "anthropic", token)),
    ),
  );
  const listed = await Promise.all(
    users.map(({ token }) =>
      server.graphql<{ credentials: { nodes: { userId: string }[] } }>(
        "{ credentials { nodes { userId } } }",
        {},
        token,
      ),
    ),
  );
  expect(listed.map(({ body }) => body.data?.credentials.nodes)).toEqual(users.map(({ id }) => [{ userId: id }]));
  for (const [user, { id }] of users.entries()) {
    const { body } = await server.graphql<{ resolveCredential: { secret: string } }>(
      `mutation ($id: UUID!) { resolveCredential(input: { userId: $id, provider: "anthropic" }) { secret } }`,
      { id },
      database.tokenOf("service_role"),
    );
    expect(body.data?.resolveCredential.secret).toMatch(new RegExp(`^sk-of-${user}-`));
  }
});

test("a damaged file of the key is told as such, and where it is only to the log", async () => {
  const log: string[] = [];
  const broken = await createTestServer(database, {
    readKeys: async () => {
      throw new UserError("/some/where/master-key.json is damaged.");
    },
    logLevel: "info",
    logDestination: { write: (line) => void log.push(line) },
  });
  const { body } = await broken.graphql(
    `mutation { setCredential(input: { provider: "openai", secret: "sk-any" }) { credential { label } } }`,
    {},
    ada.token,
  );
  await broken.close();
  expect(body.errors?.[0]?.extensions).toMatchObject({ code: "PT409", reason: "invalid_master_key" });
  expect(JSON.stringify(body)).not.toContain("master-key.json");
  expect(log.join()).toContain("/some/where/master-key.json is damaged.");
});

test("a provider that is in use is not deleted, and the reason says so", async () => {
  keys = { current: KEY, previous: undefined };
  await set(SECRET, "mistral");
  const admin = await database.createUser("provider-admin@example.com", { admin: true });
  const refused = await server.graphql(
    `mutation { deleteCredentialProvider(input: { name: "mistral" }) { credentialProvider { name } } }`,
    {},
    admin.token,
  );
  expect(reasonOf(refused)).toBe("missing_or_referenced");
});
