/** Tokens of an outside identity provider: whose they are, what their first request makes, and what they never are. */
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import fc from "fast-check";
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
async function refusal(token: string, { graphql } = server): Promise<object> {
  const { status, body } = await graphql(WHO, {}, token);
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

describe("a newer token of an identity", () => {
  const issued = (secondsAgo: number, claims: object): string =>
    signed({ ...claims, iat: Math.floor(Date.now() / 1000) - secondsAgo });

  test("brings the address at once, and that it is verified", async () => {
    const who = { sub: "auth0|later", name: "Later" };
    expect(await viewer(issued(30, who))).toMatchObject({ email: null, name: "Later" });
    const email = "later@example.com";
    expect(await viewer(issued(20, { ...who, email, name: "Latest" }))).toMatchObject({ name: "Latest" });
    expect(await viewer(issued(10, { ...who, email, email_verified: true }))).toMatchObject({ email });
    const [address] = await database.query(
      "select verified_at is not null as is_verified from attune.user_emails where email = $1",
      [email],
    );
    expect(address).toEqual({ is_verified: true });
  });

  test("makes a user at once where the identity was taken away, and where the user was deleted", async () => {
    for (const [index, sql] of [
      "delete from attune.user_identities where subject = $1",
      "delete from attune.users where id = (select user_id from attune.user_identities where subject = $1)",
    ].entries()) {
      const who = { sub: `auth0|gone ${index}` };
      const old = issued(20, who);
      const before = await viewer(old);
      await database.query(sql, [who.sub]);
      expect(await viewer(old)).toBeNull();
      const ended = { status: 401, code: "PT401", reason: "identity_ended" };
      expect(await refusal(old, await newServer())).toEqual(ended);
      // By a provider whose clock is ahead: what is issued in the same second counts as before.
      const after = await viewer(issued(-10, who));
      expect(after).toMatchObject({ id: expect.any(String) });
      expect(after).not.toEqual(before);
      expect(await viewer(old)).toBeNull();
    }
  });

  test("is tried again after it failed", async () => {
    const alone = await newServer();
    const token = signed({ sub: "auth0|again" });
    await database.query("alter function attune.provision_user() rename to provision_user_away");
    const { body } = await alone.graphql(WHO, {}, token);
    await database.query("alter function attune.provision_user_away() rename to provision_user");
    expect(body.errors).toMatchObject([{ extensions: { code: "INTERNAL_SERVER_ERROR" } }]);
    expect(await viewer(token, alone)).toMatchObject({ email: null });
  });
});

describe("whatever a provider says of somebody", () => {
  test("they are who they are, and nothing fails", async () => {
    const claim = fc.oneof(
      fc.jsonValue({ maxDepth: 4 }),
      fc.string({ unit: "binary" }),
      fc.constantFrom(
        "a\u0000",
        "\ud800",
        "x".repeat(3000),
        { name: "Ada" },
        ["ada@example.com"],
        "true",
        "https://x.example/\u202e.png",
      ),
      fc.integer({ min: 1, max: 1500 }).map((depth) => JSON.parse("[".repeat(depth) + "]".repeat(depth)) as unknown),
    );
    const names = [
      "email",
      "email_verified",
      "name",
      "picture",
      "company",
      "company_name",
      "role",
      "session_id",
      "jti",
      "__proto__",
    ];
    const metadata = fc.dictionary(fc.constantFrom("full_name", "name", "avatar_url", "picture", "company"), claim);
    const said = fc.tuple(
      fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string()), claim),
      fc.option(fc.oneof(metadata, claim), { nil: undefined }),
    );
    let count = 0;
    await fc.assert(
      fc.asyncProperty(said, async ([claims, user_metadata]) => {
        const sub = `auth0|${(count += 1)}`;
        const token = signed({
          ...lasting({}),
          ...claims,
          iss: PROVIDER.issuer,
          aud: PROVIDER.audience,
          sub,
          user_metadata,
          exp: 4_000_000_000,
          iat: 1,
          nbf: 1,
        });
        if (token.length > 8192) return;
        const found = (await viewer(token)) as { id: string; name: string | null; email: string | null };
        expect(found).toMatchObject({ id: expect.any(String), isAdmin: false });
        expect(await viewer(signed({ sub, iat: 2 }))).toMatchObject({ id: found.id });
        // What is shown is a text that was told, and no other value written out.
        const texts = [claims, user_metadata].flatMap((told) => Object.values(told ?? {}));
        for (const shown of [found.name, found.email].filter((text) => text !== null)) {
          const isTold = (text: unknown) =>
            typeof text === "string" && text.toLowerCase().includes(shown.toLowerCase().slice(0, 200));
          expect(texts.some(isTold)).toBe(true);
        }
      }),
      { numRuns: 50 },
    );
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
