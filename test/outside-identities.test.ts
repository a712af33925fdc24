/** Tokens of an outside identity provider: whose they are, what their first request makes, and what they never are. */
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  createTestDatabase,
  createTestServer,
  type TestDatabase,
  type TestServer,
  type TestUser,
} from "./support/harness.ts";
import { encode, forge, lasting, signedBy } from "./support/tokens.ts";

const PROVIDER = { issuer: "https://id.example.com", audience: "our-app" };
const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
const publicKey = keys.publicKey.export({ type: "spki", format: "pem" }).toString();
const WHO = "{ viewer { id email name avatarUrl isAdmin } }";

let database: TestDatabase;
let server: TestServer;
let ada: TestUser;

const servers: TestServer[] = [];
async function newServer(): Promise<TestServer> {
  const { secret } = database.jwt;
  const made = await createTestServer(database, { poolSize: 4, jwt: { secret, outside: { ...PROVIDER, publicKey } } });
  servers.push(made);
  return made;
}

beforeAll(async () => {
  database = await createTestDatabase();
  ada = await database.createUser("ada@example.com");
  server = await newServer();
});

afterAll(async () => {
  await Promise.all(servers.map(({ close }) => close()));
  await database.close();
});

/** A token of the provider. */
const signed = (claims: object, key: KeyObject = keys.privateKey): string =>
  signedBy(key, lasting({ iss: PROVIDER.issuer, aud: PROVIDER.audience, ...claims }));
const bySecret = (claims: object, secret: string): string => forge({ alg: "HS256", typ: "JWT" }, claims, secret);

async function viewer(token: string, { graphql } = server): Promise<unknown> {
  const { body } = await graphql<{ viewer: unknown }>(WHO, {}, token);
  expect(body.errors).toBeUndefined();
  return body.data?.viewer;
}

/** The answer to a request that is refused as a whole. */
async function refusal(token: string): Promise<object> {
  const { status, body } = await server.graphql(WHO, {}, token);
  return { status, code: body.errors?.[0]?.extensions?.code, reason: body.errors?.[0]?.extensions?.reason };
}

/** How many there are of what a new user has. */
async function made(subject: string): Promise<unknown> {
  const [counts] = await database.query(
    `select
       (select count(*)::integer from attune.user_identities where subject = $1) as identities,
       (select count(*)::integer from attune.users as u where u.id in (select user_id from attune.user_identities where subject = $1)) as users,
       (select count(*)::integer from attune.project_members as m where m.user_id in (select user_id from attune.user_identities where subject = $1)) as projects`,
    [subject],
  );
  return counts;
}

describe("the first request of an outside identity", () => {
  test("makes its user, from what the provider says", async () => {
    const token = signed({
      sub: "auth0|grace",
      email: "grace@example.com",
      email_verified: true,
      name: "Grace",
      picture: "https://id.example.com/grace.png",
    });
    expect(await viewer(token)).toEqual({
      id: expect.any(String),
      email: "grace@example.com",
      name: "Grace",
      avatarUrl: "https://id.example.com/grace.png",
      isAdmin: false,
    });
    const [user] = await database.query(
      "select plan, onboarding_completed from attune.users where email = 'grace@example.com'",
    );
    expect(user).toEqual({ plan: "bootstrapper", onboarding_completed: false });
    expect(await made("auth0|grace")).toEqual({ identities: 1, users: 1, projects: 1 });
  });

  test("makes a user without what the provider says that PostgreSQL can't hold", async () => {
    const bad = { name: "Gr\u0000ce", picture: "https://id.example.com/\ud800", email: "nul\u0000@example.com" };
    const token = signed({ sub: "auth0|nul", ...bad, email_verified: true, groups: [{ "a\u0000": 1 }] });
    expect(await viewer(token)).toEqual({
      id: expect.any(String),
      email: null,
      name: null,
      avatarUrl: null,
      isAdmin: false,
    });
    expect(await refusal(signed({ sub: "auth0|nul\u0000" }))).toEqual({
      status: 401,
      code: "PT401",
      reason: "invalid_token",
    });
    expect(await made("auth0|nul")).toEqual({ identities: 1, users: 1, projects: 1 });
  });

  test("makes one of each when fifty come at once, to two servers", async () => {
    const token = signed({ sub: "auth0|linus", email: "linus@example.com", email_verified: true });
    const both = [server, await newServer()];
    const viewers = await Promise.all(Array.from({ length: 50 }, (_, i) => viewer(token, both[i % 2])));
    expect(new Set(viewers.map((viewer) => JSON.stringify(viewer))).size).toBe(1);
    expect(viewers[0]).toMatchObject({ email: "linus@example.com" });
    expect(await made("auth0|linus")).toEqual({ identities: 1, users: 1, projects: 1 });
  });

  test("asks the database once, not for every request", async () => {
    const token = signed({ sub: "auth0|once" });
    const alone = await newServer();
    await viewer(token, alone);
    await database.query("alter function attune.provision_user() rename to provision_user_away");
    try {
      expect(await viewer(token, alone)).toMatchObject({ email: null });
    } finally {
      await database.query("alter function attune.provision_user_away() rename to provision_user");
    }
  });

  test("is refused with the database's words when the address is another's, and tried again the next time", async () => {
    const token = signed({ sub: "auth0|ada", email: "ada@example.com", email_verified: true });
    const taken = { status: 409, code: "PT409", reason: "email_taken" };
    expect(await refusal(token)).toEqual(taken);
    expect(await refusal(token)).toEqual(taken);
    expect(await made("auth0|ada")).toMatchObject({ identities: 0 });

    await database.query("update attune.user_emails set verified_at = now() where email = 'ada@example.com'");
    expect(await refusal(signed({ sub: "auth0|ada", email: "ada@example.com", email_verified: false }))).toEqual(taken);
    expect(await viewer(token)).toMatchObject({ id: ada.id });
  });
});

describe("an outside token", () => {
  test("gives no rights by the role that it claims", async () => {
    const token = signed({
      sub: "auth0|mallory",
      role: "service_role",
      is_admin: true,
      app_metadata: { role: "service_role" },
    });
    expect(await viewer(token)).toMatchObject({ isAdmin: false });
    const { body } = await server.graphql(
      "mutation { claimMails(input: { batchSize: 1 }) { clientMutationId } }",
      {},
      token,
    );
    expect(body.errors).toMatchObject([{ extensions: { code: "42501" } }]);
    const { body: users } = await server.graphql<{ users: { nodes: unknown[] } }>(
      "{ users { nodes { email } } }",
      {},
      token,
    );
    expect(users.data?.users.nodes).toHaveLength(1);
  });

  test("is not a user of ours by their id, whatever it says besides", async () => {
    const other = await viewer(signed({ sub: ada.id, session_id: ada.id, user_id: ada.id }));
    expect(other).toMatchObject({ email: null });
    expect(other).not.toMatchObject({ id: ada.id });
  });

  test("is nobody's when it is ours, and names the subject of somebody else's issuer", async () => {
    const token = bySecret(
      { sub: "auth0|grace", role: "authenticated", aud: "authenticated", iss: "attune", exp: 4_000_000_000 },
      database.jwt.secret,
    );
    expect(await viewer(token)).toBeNull();
  });

  test.each([
    [
      "needs no signature",
      () => `${encode({ alg: "none" })}.${signed({ sub: "auth0|grace" }).split(".")[1]}.`,
      "invalid_token",
    ],
    [
      "is signed by another key",
      () => signed({ sub: "auth0|grace" }, generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey),
      "invalid_token",
    ],
    [
      "is signed with the public key as a secret",
      () => bySecret(lasting({ iss: PROVIDER.issuer, aud: PROVIDER.audience, sub: "auth0|grace" }), publicKey),
      "invalid_token",
    ],
    [
      "is signed with our secret",
      () =>
        bySecret(
          { iss: PROVIDER.issuer, aud: PROVIDER.audience, sub: "auth0|grace", exp: 4_000_000_000 },
          database.jwt.secret,
        ),
      "invalid_token",
    ],
    ["is for another audience", () => signed({ sub: "auth0|grace", aud: "another-app" }), "wrong_audience"],
    ["has expired a second ago", () => signed(lasting({ sub: "auth0|grace" }, -1)), "token_expired"],
    ["names nobody", () => signed({}), "missing_subject"],
    ["comes from another issuer", () => signed({ sub: "auth0|grace", iss: "https://evil.example" }), "invalid_token"],
    ["comes from us, it says", () => signed({ sub: ada.id, iss: "attune", aud: "authenticated" }), "invalid_token"],
  ])("is refused when it %s", async (_what, token, reason) => {
    expect(await refusal(token())).toEqual({ status: 401, code: "PT401", reason });
  });
});
