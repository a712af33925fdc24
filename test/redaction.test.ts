/** Every failed request has one line in the log under its `debugId`, and no secret is ever in one. */
import { generateKeyPairSync } from "node:crypto";
import type { InjectOptions } from "fastify";
import { afterAll, beforeAll, expect, test } from "vitest";
import { signToken } from "../src/sign-in/jwt.ts";
import { createTestDatabase, createTestServer, type TestDatabase, type TestServer } from "./support/harness.ts";
import { lasting, signedBy } from "./support/tokens.ts";

/** What a client may send and nobody may read: it is looked for, whole and in parts, in all that was logged. */
const SECRET = "hunter2-correct-horse-battery-staple";
const PROVIDER = { issuer: "https://id.example.com", audience: "our-app" };
const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });

let database: TestDatabase;
let server: TestServer;
const log: string[] = [];
/** Tokens that were given out. */
const tokens: string[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  await database.query("insert into attune.global_settings (key, value) values ('PASSWORD_COST', '4')");
  const publicKey = keys.publicKey.export({ type: "spki", format: "pem" }).toString();
  const signIn = {
    providers: [
      {
        name: "test",
        issuer: "http://127.0.0.1:9",
        clientId: "us",
        clientSecret: `client-${SECRET}`,
        scopes: "openid",
      },
    ],
    cookies: false,
    publicUrl: "http://localhost:5678",
    redirectUrl: undefined,
  };
  server = await createTestServer(database, {
    jwt: { ...database.jwt, outside: { ...PROVIDER, publicKey } },
    signIn,
    logLevel: "trace",
    logDestination: { write: (line) => void log.push(line) },
  });
  const { body } = await server.graphql<{ register: { sessionTokens: { accessToken: string; refreshToken: string } } }>(
    `mutation ($password: String!) { register(input: { email: "ada@example.com", password: $password, name: "Ada" }) { sessionTokens { accessToken refreshToken } } }`,
    { password: SECRET },
  );
  tokens.push(...Object.values(body.data?.register.sessionTokens ?? {}));
});

afterAll(async () => {
  await server.close();
  await database.close();
});

const path = ({ url }: InjectOptions): string | undefined => (typeof url === "string" ? url.split("?")[0] : undefined);
const post = (payload: InjectOptions["payload"], headers: Record<string, string> = {}): InjectOptions => ({
  method: "POST",
  url: "/graphql",
  headers: { "content-type": "application/json", ...headers },
  ...(payload !== undefined && { payload }),
});
const graphql = (query: string, variables: object = {}, token?: string): InjectOptions =>
  post({ query, variables }, token === undefined ? {} : { authorization: `Bearer ${token}` });
const mutation = (field: string, input: string): string =>
  `mutation Doing($s: String!) { ${field}(input: { ${input} }) { clientMutationId } }`;
const s = { s: SECRET };
const outside = (): string =>
  signedBy(
    keys.privateKey,
    lasting({ iss: PROVIDER.issuer, aud: PROVIDER.audience, sub: "ada", email: "ada@example.com" }),
  );
const access = (): string => tokens[0] ?? "";
const refresh = (): string => tokens[1] ?? "";

test.each<[string, () => InjectOptions | Promise<InjectOptions>]>([
  ["a wrong password", () => graphql(mutation("login", 'email: "ada@example.com", password: $s'), { s: `${SECRET}!` })],
  ["a password where the address belongs", () => graphql(mutation("login", 'email: $s, password: "x"'), s)],
  [
    "a password that the database can't store",
    () => graphql(mutation("login", 'email: "ada@example.com", password: $s'), { s: `${SECRET}\u0000` }),
  ],
  [
    "a password of a wrong type",
    () => graphql(mutation("login", 'email: "ada@example.com", password: $s'), { s: { secret: SECRET } }),
  ],
  [
    "a password in the query",
    () =>
      graphql(
        `mutation { login(input: { email: "ada@example.com", password: "${SECRET}" wrong }) { clientMutationId } }`,
      ),
  ],
  ["a password in a query that is none", () => graphql(`mutation { login(input: { password: "${SECRET}`)],
  [
    "a password for an address that is taken",
    () => graphql(mutation("register", 'email: "ada@example.com", password: $s, name: "Ada"'), s),
  ],
  [
    "a password that is too long",
    () => graphql(mutation("register", 'email: "b@example.com", password: $s, name: "B"'), { s: SECRET.repeat(3) }),
  ],
  [
    "a password to be changed",
    () => graphql(mutation("changePassword", 'oldPassword: "wrong password", newPassword: $s'), s, access()),
  ],
  ["a refresh token that is none", () => graphql(mutation("refreshSession", "refreshToken: $s"), s)],
  [
    "a refresh token that was changed",
    () => graphql(mutation("refreshSession", "refreshToken: $s"), { s: `${refresh()}x` }),
  ],
  [
    "a reset token that is none",
    () => graphql(mutation("resetPassword", `token: $s, newPassword: "another-${SECRET}"`), s),
  ],
  ["a verification that is none", () => graphql(mutation("verifyEmail", "token: $s"), s)],
  ["a body that is not JSON", () => post(`{"query": "mutation", "variables": {"password": "${SECRET}"`)],
  ["a body of another type", () => post(`password=${SECRET}`, { "content-type": "text/plain" })],
  ["a body that is too large", () => post({ query: SECRET.repeat(10_000) })],
  ["an address with a secret", () => ({ method: "GET", url: `/graphql?query={viewer{id}}&access_token=${SECRET}` })],
  ["an unknown address", () => ({ method: "GET", url: `/nothing?token=${SECRET}` })],
  [
    "another kind of authorization",
    () =>
      graphql(
        "{ viewer { id } }",
        {},
        `
          ${SECRET}
          ${SECRET}
        `,
      ),
  ],
  ["a token that is none", () => graphql("{ viewer { id } }", {}, SECRET)],
  ["a token that was changed", () => graphql("{ viewer { id } }", {}, `${access()}x`)],
  [
    "a token that expired",
    async () =>
      graphql("{ viewer { id } }", {}, await signToken({ sub: SECRET, role: "authenticated" }, database.jwt, -1)),
  ],
  ["a token whose address is taken", () => graphql("{ viewer { id } }", {}, outside())],
  [
    "a cookie",
    () => ({
      method: "GET",
      url: `/auth/test/callback?code=${SECRET}&state=${SECRET}`,
      cookies: { "attune-sign-in-x": SECRET },
    }),
  ],
  ["a provider that is away", () => ({ method: "GET", url: "/auth/test" })],
  [
    "a ticket",
    () => ({
      method: "POST",
      url: "/auth/link",
      headers: { authorization: `Bearer ${access()}` },
      payload: { ticket: SECRET },
    }),
  ],
])("%s is in no log, and the failure is, under its id", async (_what, make) => {
  const options = await make();
  const before = log.length;
  const response = await server.app.inject(options);
  const [error] = response.json<{ errors: { extensions: Record<string, unknown> }[] }>().errors;
  const line = log
    .slice(before)
    .map((text) => JSON.parse(text) as Record<string, unknown>)
    .filter(({ debugId }) => debugId === error?.extensions["debugId"]);
  expect(line).toMatchObject([
    {
      method: options.method,
      path: path(options),
      code: error?.extensions["code"],
      reason: error?.extensions["reason"],
    },
  ]);
  expect(tokens).toHaveLength(2);
  for (const secret of ["hunter2", "battery", "eyJ", ...tokens])
    expect(log.slice(before).join("")).not.toContain(secret);
});
