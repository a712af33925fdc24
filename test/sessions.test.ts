/** Signing in with e-mail and password, over real HTTP: what a client is given, what it is refused, and in parallel. */
import type { AddressInfo } from "node:net";
import { jwtVerify } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { signToken } from "../src/sign-in/jwt.ts";
import {
  createTestDatabase,
  createTestServer,
  type GraphQLResponse,
  type TestDatabase,
  type TestServer,
} from "./support/harness.ts";

type Tokens = {
  accessToken: string;
  refreshToken: string;
  sessionId: string;
  userId: string;
  accessExpiresAt: string;
  sessionExpiresAt: string;
};

const TOKENS = "sessionTokens { accessToken refreshToken sessionId userId accessExpiresAt sessionExpiresAt }";
const REGISTER = `mutation ($email: String!, $password: String!, $name: String!) { register(input: { email: $email, password: $password, name: $name }) { ${TOKENS} } }`;
const LOGIN = `mutation ($email: String!, $password: String!) { login(input: { email: $email, password: $password }) { ${TOKENS} } }`;
const REFRESH = `mutation ($token: String!) { refreshSession(input: { refreshToken: $token }) { ${TOKENS} } }`;
const PASSWORD = "correct horse battery staple";

let database: TestDatabase;
let server: TestServer;
let address: string;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.query("insert into attune.global_settings (key, value) values ('PASSWORD_COST', '4')");
  server = await createTestServer(database, { poolSize: 4, trustProxy: 1 });
  await server.app.listen({ host: "127.0.0.1", port: 0 });
  address = `http://127.0.0.1:${(server.app.server.address() as AddressInfo).port}/graphql`;
});

afterAll(async () => {
  await server.close();
  await database.close();
});

let requests = 0;
/** Each request comes from elsewhere unless it says, so that the failures of one test do not count in another. */
const elsewhere = (): string => `10.0.${Math.floor((requests += 1) / 256)}.${requests % 256}`;

/** Asks over the network, as clients do, through one proxy. */
async function ask<Data>(
  query: string,
  variables: object = {},
  headers: Record<string, string> = {},
): Promise<GraphQLResponse<Data>["body"]> {
  const response = await fetch(address, {
    method: "POST",
    headers: { "content-type": "application/json", "x-forwarded-for": elsewhere(), ...headers },
    body: JSON.stringify({ query, variables }),
  });
  return (await response.json()) as GraphQLResponse<Data>["body"];
}

const as = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

/** The tokens in the only field of an answer. */
async function tokensOf(query: string, variables: object, headers = {}): Promise<Tokens> {
  const { data, errors } = await ask<Record<string, { sessionTokens: Tokens }>>(query, variables, headers);
  expect(errors).toBeUndefined();
  const [payload] = Object.values(data ?? {});
  if (payload === undefined) throw new Error("There are no tokens");
  return payload.sessionTokens;
}

async function reasonOf(query: string, variables: object = {}, headers = {}): Promise<string | undefined> {
  const { errors } = await ask(query, variables, headers);
  return errors?.[0]?.extensions?.reason;
}

let count = 0;
async function register(): Promise<Tokens & { email: string }> {
  count += 1;
  const email = `user${count}@example.com`;
  return { email, ...(await tokensOf(REGISTER, { email, password: PASSWORD, name: "A user" })) };
}

describe("a user who registers", () => {
  test("is signed in with a short token of ours, and it opens the session", async () => {
    const ada = await register();
    const { payload: claims } = await jwtVerify(ada.accessToken, Buffer.from(database.jwt.secret), {
      algorithms: ["HS256"],
      audience: "authenticated",
      issuer: "attune",
    });
    expect(claims).toEqual({
      sub: ada.userId,
      role: "authenticated",
      aud: "authenticated",
      iss: "attune",
      iat: expect.any(Number),
      exp: expect.any(Number),
      session_id: ada.sessionId,
      email: ada.email,
    });
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(15 * 60);
    expect(new Date(ada.accessExpiresAt).getTime()).toBe((claims.exp ?? 0) * 1000);
    expect((await ask("{ viewer { id email } }", {}, as(ada.accessToken))).data).toEqual({
      viewer: { id: ada.userId, email: ada.email },
    });
  });

  test("comes from where the server saw", async () => {
    const { sessionId } = await tokensOf(
      REGISTER,
      { email: "eve@example.com", password: PASSWORD, name: "Eve" },
      {
        "user-agent": "a browser",
        "x-forwarded-for": "192.0.2.66, 192.0.2.7",
      },
    );
    const [session] = await database.query("select address, user_agent from attune.sessions where id = $1", [
      sessionId,
    ]);
    // What the proxy adds is true; what stands before it anybody may have written.
    expect(session).toEqual({ address: "192.0.2.7", user_agent: "a browser" });
  });
});

describe("a login", () => {
  test("gives a session of its own", async () => {
    const ada = await register();
    const again = await tokensOf(LOGIN, { email: ` ${ada.email.toUpperCase()} `, password: PASSWORD });
    expect(again.userId).toBe(ada.userId);
    expect(again.sessionId).not.toBe(ada.sessionId);
  });

  test("with a wrong password and one of an unknown address are refused in the same words", async () => {
    const ada = await register();
    const wrong = await ask(LOGIN, { email: ada.email, password: "wrong password" });
    const unknown = await ask(LOGIN, { email: "nobody@example.com", password: "wrong password" });
    const told = ({ data, errors }: typeof wrong): unknown => ({
      data,
      errors: errors?.map(({ message, extensions }) => ({ message, ...extensions, debugId: "any" })),
    });
    expect(told(wrong)).toEqual(told(unknown));
    expect(wrong).toMatchObject({
      data: { login: null },
      errors: [{ path: ["login"], extensions: { code: "PT401", reason: "invalid_credentials" } }],
    });
  });

  test("that is refused is counted, in parallel too, and then told how long to wait", async () => {
    const ada = await register();
    const from = { "x-forwarded-for": "192.0.2.99" };
    await Promise.all(
      Array.from({ length: 6 }, () => ask(LOGIN, { email: ada.email, password: "wrong password" }, from)),
    );
    const { errors } = await ask(LOGIN, { email: ada.email, password: PASSWORD }, { "x-forwarded-for": "192.0.2.100" });
    expect(errors).toMatchObject([
      { extensions: { code: "PT429", reason: "too_many_attempts", retryAfter: expect.any(Number) } },
    ]);
    expect(errors?.[0]?.extensions).toHaveProperty("retryAfter");
    // Who is signed in stays so.
    expect((await ask("{ viewer { id } }", {}, as(ada.accessToken))).data).toEqual({ viewer: { id: ada.userId } });
    expect((await tokensOf(REFRESH, { token: ada.refreshToken })).userId).toBe(ada.userId);
  });

  test("is refused even when the client asks for nothing of it", async () => {
    expect(
      await reasonOf(
        `mutation { login(input: { email: "nobody@example.com", password: "wrong password" }) { clientMutationId } }`,
      ),
    ).toBe("invalid_credentials");
    expect(
      await reasonOf(
        `mutation { login(input: { email: "nobody@example.com", password: "wrong password" }) { __typename } }`,
      ),
    ).toBe("invalid_credentials");
  });
});

describe("a refresh", () => {
  test("of several in one request is refused alone", async () => {
    const ada = await register();
    const query = `mutation ($token: String!) {
      bad: refreshSession(input: { refreshToken: "none" }) { clientMutationId sessionTokens { userId } }
      good: refreshSession(input: { refreshToken: $token, clientMutationId: "x" }) { clientMutationId sessionTokens { userId } }
    }`;
    const { data, errors } = await ask(query, { token: ada.refreshToken });
    expect(data).toEqual({ bad: null, good: { clientMutationId: "x", sessionTokens: { userId: ada.userId } } });
    expect(errors).toMatchObject([{ path: ["bad"], extensions: { reason: "invalid_refresh_token" } }]);
  });

  test("gives the next tokens of the same session", async () => {
    const ada = await register();
    const next = await tokensOf(REFRESH, { token: ada.refreshToken });
    expect(next).toMatchObject({ userId: ada.userId, sessionId: ada.sessionId });
    expect(next.refreshToken).not.toBe(ada.refreshToken);
  });

  test("of one token by twenty clients at once gives all of them the same successor", async () => {
    const ada = await register();
    const answers = await Promise.all(Array.from({ length: 20 }, () => tokensOf(REFRESH, { token: ada.refreshToken })));
    expect(new Set(answers.map(({ refreshToken }) => refreshToken)).size).toBe(1);
    const [tokens] = await database.query(
      "select count(*)::integer from attune_private.refresh_tokens where session_id = $1",
      [ada.sessionId],
    );
    expect(tokens).toEqual({ count: 2 });
  });

  test("with a token that was used long ago ends the session, at once and for good", async () => {
    const ada = await register();
    const next = await tokensOf(REFRESH, { token: ada.refreshToken });
    await database.query(
      "update attune_private.refresh_tokens set used_at = used_at - interval '1 minute' where session_id = $1 and used_at is not null",
      [ada.sessionId],
    );
    expect(await reasonOf(REFRESH, { token: ada.refreshToken })).toBe("refresh_token_reused");
    expect(await reasonOf(REFRESH, { token: next.refreshToken })).toBe("session_ended");
    expect((await ask("{ viewer { id } }", {}, as(next.accessToken))).data).toEqual({ viewer: null });
  });

  test("with what is no token is refused", async () => {
    expect(await reasonOf(REFRESH, { token: "garbage" })).toBe("invalid_refresh_token");
  });
});

describe("a session", () => {
  test("that is revoked is nobody's on the next request, whatever its token says", async () => {
    const ada = await register();
    const other = await tokensOf(LOGIN, { email: ada.email, password: PASSWORD });
    await ask(
      "mutation ($id: UUID!) { revokeSession(input: { sessionId: $id }) { clientMutationId } }",
      { id: other.sessionId },
      as(ada.accessToken),
    );
    expect((await ask("{ viewer { id } }", {}, as(other.accessToken))).data).toEqual({ viewer: null });
    expect((await ask("{ viewer { id } }", {}, as(ada.accessToken))).data).toEqual({ viewer: { id: ada.userId } });
  });

  test("of somebody else can't be claimed, nor a user without one", async () => {
    const [ada, bob] = [await register(), await register()];
    const sign = (claims: object): Promise<string> => signToken({ role: "authenticated", ...claims }, database.jwt);
    const viewer = async (token: Promise<string>) =>
      (await ask<{ viewer: unknown }>("{ viewer { id } }", {}, as(await token))).data?.viewer;
    expect(await viewer(sign({ sub: ada.userId, session_id: ada.sessionId }))).toEqual({ id: ada.userId });
    expect(await viewer(sign({ sub: ada.userId, session_id: bob.sessionId }))).toBeNull();
    expect(await viewer(sign({ sub: ada.userId, session_id: "no uuid" }))).toBeNull();
    expect(await viewer(sign({ sub: "no uuid" }))).toBeNull();
  });

  test("stays when a wrong password is given to change it, and that is refused", async () => {
    const ada = await register();
    const change =
      "mutation ($old: String!, $new: String!) { changePassword(input: { oldPassword: $old, newPassword: $new }) { clientMutationId } }";
    expect(await reasonOf(change, { old: "wrong password", new: "another password" }, as(ada.accessToken))).toBe(
      "wrong_password",
    );
    expect(await reasonOf(change, { old: PASSWORD, new: "another password" }, as(ada.accessToken))).toBeUndefined();
    expect((await tokensOf(LOGIN, { email: ada.email, password: "another password" })).userId).toBe(ada.userId);
  });
});

describe("where only an identity provider signs tokens", () => {
  test("nobody registers or signs in, and the schema is the same", async () => {
    const outside = { issuer: "https://id.example.com", audience: "us", jwksUrl: "http://127.0.0.1:9/keys" };
    const other = await createTestServer(database, { jwt: { outside } });
    try {
      const { body } = await other.graphql(REGISTER, { email: "new@example.com", password: PASSWORD, name: "New" });
      expect(body).toMatchObject({
        data: { register: null },
        errors: [{ extensions: { code: "42501", reason: "sign_in_elsewhere" } }],
      });
      for (const [query, variables] of [
        [LOGIN, { email: "new@example.com", password: PASSWORD }],
        [REFRESH, { token: "x" }],
      ] as const) {
        expect((await other.graphql(query, variables)).body.errors).toMatchObject([
          { extensions: { reason: "sign_in_elsewhere" } },
        ]);
      }
      expect(await database.query("select from attune.users where email = 'new@example.com'")).toEqual([]);
      const introspection = "{ __schema { types { name fields { name } } } }";
      expect((await other.graphql(introspection)).body).toEqual((await server.graphql(introspection)).body);
    } finally {
      await other.close();
    }
  });
});
