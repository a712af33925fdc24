/** Signing in with OpenID Connect, against a real provider: who gets in as whom, and every way in which it must fail. */
import type { InjectOptions } from "fastify";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { SignInOptions } from "../src/options/options.ts";
import {
  createTestDatabase,
  createTestServer,
  type TestDatabase,
  type TestServer,
  type TestUser,
} from "./support/harness.ts";
import { startOpenIdProvider, type TestProvider, visit } from "./support/openid-provider.ts";

const PUBLIC_URL = "http://localhost:5678";
const APPLICATION = "https://app.example.com/signed-in";
const COOKIE = "attune-sign-in-";

type Session = {
  accessToken: string;
  refreshToken: string;
  sessionId: string;
  userId: string;
  accessExpiresAt: string;
  sessionExpiresAt: string;
};

let database: TestDatabase;
let provider: TestProvider;
let server: TestServer;
let application: TestServer;
let options: SignInOptions;
const log: string[] = [];

beforeAll(async () => {
  [database, provider] = await Promise.all([
    createTestDatabase(),
    startOpenIdProvider(["test", "other", "wrong"].map((name) => `${PUBLIC_URL}/auth/${name}/callback`)),
  ]);
  const { issuer, clientId, clientSecret } = provider;
  const test = { name: "test", issuer, clientId, clientSecret, scopes: "openid email profile" };
  const providers = [
    test,
    { ...test, name: "other" },
    { ...test, name: "down", issuer: "http://127.0.0.1:9" },
    { ...test, name: "wrong", clientSecret: "another secret" },
  ];
  options = { providers, cookies: false, publicUrl: PUBLIC_URL, redirectUrl: undefined };
  server = await createTestServer(database, {
    signIn: options,
    logLevel: "info",
    logDestination: { write: (line) => void log.push(line) },
  });
  application = await createTestServer(database, { signIn: { ...options, redirectUrl: APPLICATION } });
});

afterAll(async () => {
  await Promise.all([server.close(), application.close()]);
  await Promise.all([database.close(), provider.close()]);
});

beforeEach(() => provider.answer("refuses"));

/** What a browser has after it was sent to the provider. */
type Begun = { url: URL; cookie: Cookie };
type Cookie = { name: string; value: string };

async function begin(path = "/auth/test", { app } = server): Promise<Begun> {
  const response = await app.inject(path);
  expect(response.statusCode).toBe(303);
  const [cookie] = response.cookies as Cookie[];
  if (cookie === undefined) throw new Error("There is no cookie");
  expect(cookie).toMatchObject({ path: "/", httpOnly: true, sameSite: "Lax", maxAge: 600 });
  expect(cookie.name.startsWith(COOKIE)).toBe(true);
  return { url: new URL(response.headers.location ?? ""), cookie };
}

const jar = (cookies: Cookie[]): Record<string, string> =>
  Object.fromEntries(cookies.map(({ name, value }) => [name, value]));

/** The provider's answer, brought back with the cookies. */
const back = (answer: URL, cookies: Cookie | Cookie[], headers: Record<string, string> = {}): InjectOptions => ({
  url: `${answer.pathname}${answer.search}`,
  headers,
  cookies: jar([cookies].flat()),
});

/** A whole sign-in, as the person that the provider recognises next. */
async function signIn(path = "/auth/test"): Promise<Session> {
  const { url, cookie } = await begin(path);
  const response = await server.app.inject(back(await visit(url.href), cookie));
  expect(response.statusCode).toBe(200);
  expect(response.headers["cache-control"]).toBe("no-store");
  return response.json<Session>();
}

async function refusalOf(options: InjectOptions): Promise<{ status: number; reason: string | undefined }> {
  const response = await server.app.inject(options);
  const { errors } = response.json<{ errors?: { extensions: { reason: string; debugId: string } }[] }>();
  const [{ extensions } = { extensions: undefined }] = errors ?? [];
  expect(extensions?.debugId).toMatch(/^[0-9a-f]{16}$/);
  return { status: response.statusCode, reason: extensions?.reason };
}

const viewer = async (token: string): Promise<unknown> =>
  (await server.graphql<{ viewer: unknown }>("{ viewer { id email name avatarUrl } }", {}, token)).body.data?.viewer;

describe("somebody whom the provider recognises", () => {
  test("gets a user the first time, and the same one after that", async () => {
    provider.answer({
      sub: "grace",
      email: "grace@example.com",
      email_verified: true,
      name: "Grace",
      picture: "https://id.example.com/grace.png",
    });
    const first = await signIn();
    expect(await viewer(first.accessToken)).toEqual({
      id: first.userId,
      email: "grace@example.com",
      name: "Grace",
      avatarUrl: "https://id.example.com/grace.png",
    });
    const second = await signIn();
    expect(second.userId).toBe(first.userId);
    expect(second.sessionId).not.toBe(first.sessionId);
  });

  test("is signed in without what the provider says that PostgreSQL can't hold, but not without a subject", async () => {
    provider.answer({ sub: "nul", email: "nul\u0000@example.com", email_verified: true, name: "N\u0000l" });
    expect(await viewer((await signIn()).accessToken)).toMatchObject({ email: null, name: null });

    provider.answer({ sub: "nul\u0000" });
    const { url, cookie } = await begin();
    expect(await refusalOf(back(await visit(url.href), cookie))).toEqual({ status: 401, reason: "sign_in_failed" });
  });

  test("gets a session like any other, which can be refreshed", async () => {
    provider.answer({ sub: "grace" });
    const { refreshToken, sessionId } = await signIn();
    const { body } = await server.graphql<{ refreshSession: { sessionTokens: Session } }>(
      "mutation ($token: String!) { refreshSession(input: { refreshToken: $token }) { sessionTokens { sessionId accessToken } } }",
      { token: refreshToken },
    );
    expect(body.data?.refreshSession.sessionTokens.sessionId).toBe(sessionId);
  });

  test("is sent there with a challenge, a state and a nonce, new each time", async () => {
    const [{ url }, { url: other }] = [await begin(), await begin()];
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      response_type: "code",
      client_id: provider.clientId,
      redirect_uri: `${PUBLIC_URL}/auth/test/callback`,
      code_challenge_method: "S256",
      scope: "openid email profile",
    });
    for (const name of ["state", "nonce", "code_challenge"]) {
      expect(url.searchParams.get(name)?.length).toBeGreaterThanOrEqual(40);
      expect(url.searchParams.get(name)).not.toBe(other.searchParams.get(name));
    }
  });

  test("is the user with the same address, when both sides have verified it", async () => {
    const ada = await database.createUser("ada@example.com");
    await database.query("update attune.user_emails set verified_at = now() where user_id = $1", [ada.id]);
    provider.answer({ sub: "ada", email: "Ada@Example.com", email_verified: true });
    expect((await signIn()).userId).toBe(ada.id);
  });

  test.each([
    ["the provider has not verified the address", false, true],
    ["the provider does not say", undefined, true],
    ["our user has not", true, false],
  ])("is refused when %s of another user", async (_what, byProvider, byUs) => {
    const email = `${String(byProvider)}-${byUs}@example.com`;
    const bob = await database.createUser(email);
    if (byUs) await database.query("update attune.user_emails set verified_at = now() where user_id = $1", [bob.id]);
    provider.answer({
      sub: `impostor of ${email}`,
      email,
      ...(byProvider !== undefined && { email_verified: byProvider }),
    });
    const { url, cookie } = await begin();
    expect(await refusalOf(back(await visit(url.href), cookie))).toEqual({ status: 409, reason: "email_taken" });
    expect(await database.query("select from attune.user_identities where user_id = $1", [bob.id])).toEqual([]);
  });
});

describe("a sign-in is refused", () => {
  beforeEach(() => provider.answer({ sub: "grace" }));

  test("when the provider refuses", async () => {
    provider.answer("refuses");
    const { url, cookie } = await begin();
    expect(await refusalOf(back(await visit(url.href), cookie))).toEqual({ status: 401, reason: "sign_in_denied" });
  });

  test("when this browser did not begin it", async () => {
    const { url, cookie } = await begin();
    const answer = await visit(url.href);
    const other = await begin();
    for (const cookies of [
      [],
      { ...cookie, value: "garbage" },
      other.cookie,
      { ...cookie, value: other.cookie.value },
    ]) {
      expect(await refusalOf(back(answer, cookies))).toEqual({ status: 400, reason: "sign_in_expired" });
    }
    expect((await server.app.inject(back(answer, cookie))).statusCode).toBe(200);
  });

  test("when the state is another, or missing", async () => {
    const { url, cookie } = await begin();
    const answer = await visit(url.href);
    const [changed, missing] = [new URL(answer), new URL(answer)];
    changed.searchParams.set("state", "x");
    missing.searchParams.delete("state");
    expect(await refusalOf(back(changed, cookie))).toEqual({ status: 400, reason: "sign_in_expired" });
    expect(await refusalOf(back(missing, cookie))).toEqual({ status: 400, reason: "sign_in_expired" });
  });

  test("when it was begun with another provider", async () => {
    const { url, cookie } = await begin();
    const answer = await visit(url.href);
    answer.pathname = "/auth/other/callback";
    expect(await refusalOf(back(answer, cookie))).toEqual({ status: 400, reason: "sign_in_expired" });
  });

  test("when its answer comes a second time", async () => {
    const { url, cookie } = await begin();
    const answer = await visit(url.href);
    const first = await server.app.inject(back(answer, cookie));
    expect(first.statusCode).toBe(200);
    expect(first.cookies).toMatchObject([{ name: cookie.name, value: "", expires: new Date(0) }]);
    for (const { app } of [server, application]) {
      const again = await app.inject(back(answer, cookie, { accept: "application/json" }));
      expect([again.statusCode, again.json()]).toMatchObject([
        400,
        { errors: [{ extensions: { reason: "sign_in_expired" } }] },
      ]);
    }
  });

  test.each([["nonce"], ["code_challenge"]])("when the provider was given another %s", async (parameter) => {
    const { url, cookie } = await begin();
    url.searchParams.set(parameter, "x".repeat(43));
    expect(await refusalOf(back(await visit(url.href), cookie))).toEqual({ status: 401, reason: "sign_in_failed" });
  });

  test("when the code is made up", async () => {
    const { url, cookie } = await begin();
    const answer = await visit(url.href);
    answer.searchParams.set("code", "x".repeat(43));
    expect(await refusalOf(back(answer, cookie))).toEqual({ status: 401, reason: "sign_in_failed" });
  });

  test("when the provider does not know our secret", async () => {
    const { url, cookie } = await begin("/auth/wrong");
    expect(await refusalOf(back(await visit(url.href), cookie))).toEqual({ status: 401, reason: "sign_in_failed" });
  });

  test("when another issuer answers", async () => {
    const { url, cookie } = await begin();
    const answer = await visit(url.href);
    answer.searchParams.set("iss", "https://evil.example");
    expect(await refusalOf(back(answer, cookie))).toEqual({ status: 401, reason: "sign_in_failed" });
  });

  test("when the provider is away, or there is none of that name", async () => {
    expect(await refusalOf({ url: "/auth/down" })).toEqual({ status: 503, reason: "provider_unavailable" });
    expect(await refusalOf({ url: "/auth/nobody" })).toEqual({ status: 404, reason: "unknown_provider" });
    expect(await refusalOf({ url: "/auth/nobody/callback?code=x" })).toEqual({
      status: 404,
      reason: "unknown_provider",
    });
  });
});

describe("two tabs of one browser", () => {
  test("both sign in, whichever comes back first", async () => {
    provider.answer({ sub: "grace" });
    const [one, two] = [await begin(), await begin()];
    const cookies = [one.cookie, two.cookie];
    for (const { url, cookie } of [two, one]) {
      const response = await server.app.inject(back(await visit(url.href), cookies));
      expect(response.statusCode).toBe(200);
      expect(response.cookies).toMatchObject([{ name: cookie.name, value: "" }]);
    }
  });

  test("are not ended by what strays in, nor by an answer that comes again", async () => {
    provider.answer({ sub: "grace" });
    const [one, two] = [await begin(), await begin()];
    const cookies = [one.cookie, two.cookie];
    const first = await visit(one.url.href);
    expect((await server.app.inject(back(first, cookies))).statusCode).toBe(200);
    const strays = ["", "?state=x", "?code=x&state=", "?error=access_denied", "?state=a&state=b", first.search];
    for (const search of strays) {
      const response = await server.app.inject({ url: `${first.pathname}${search}`, cookies: jar(cookies) });
      expect(response.statusCode).toBe(400);
      expect(response.cookies.filter(({ name }) => name !== one.cookie.name)).toEqual([]);
    }
    expect((await server.app.inject(back(await visit(two.url.href), cookies))).statusCode).toBe(200);
  });

  test("use an answer once when both show it at the same moment, to two servers", async () => {
    provider.answer({ sub: "grace" });
    const { url, cookie } = await begin();
    const answer = back(await visit(url.href), cookie, { accept: "application/json" });
    const responses = await Promise.all([server, application, server].map(({ app }) => app.inject(answer)));
    const succeeded = responses.filter(({ statusCode }) => statusCode === 200);
    const refused = responses.filter(({ statusCode }) => statusCode === 400);
    expect([succeeded.length, refused.length]).toEqual([1, 2]);
  });

  test("keep five attempts at most: the oldest make room", async () => {
    let cookies: Cookie[] = [];
    for (let i = 0; i < 8; i += 1) {
      const response = await server.app.inject({ url: "/auth/test", cookies: jar(cookies) });
      const cleared = response.cookies.filter(({ value }) => value === "").map(({ name }) => name);
      expect(cleared).toEqual(i < 5 ? [] : [cookies[0]?.name]);
      cookies = [...cookies, ...response.cookies].filter(({ name, value }) => value !== "" && !cleared.includes(name));
    }
    expect(cookies).toHaveLength(5);
  });
});

describe("the application", () => {
  test("is given the tokens in the fragment, and nobody else is", async () => {
    provider.answer({ sub: "grace" });
    const { url, cookie } = await begin(
      "/auth/test?redirect_uri=https://evil.example&redirectUrl=https://evil.example",
      application,
    );
    const response = await application.app.inject(back(await visit(url.href), cookie));
    expect(response.statusCode).toBe(303);
    const location = new URL(response.headers.location ?? "");
    expect(`${location.origin}${location.pathname}${location.search}`).toBe(APPLICATION);
    const session = Object.fromEntries(new URLSearchParams(location.hash.slice(1))) as Session;
    expect(Object.keys(session).toSorted()).toEqual([
      "accessExpiresAt",
      "accessToken",
      "refreshToken",
      "sessionExpiresAt",
      "sessionId",
      "userId",
    ]);
    expect(await viewer(session.accessToken)).toMatchObject({ id: session.userId });
  });

  test("is told of a failure in the same way, under the id of the log", async () => {
    const { url, cookie } = await begin("/auth/test", application);
    const response = await application.app.inject(back(await visit(url.href), cookie));
    expect(response.statusCode).toBe(303);
    const location = new URL(response.headers.location ?? "");
    expect(location.href.startsWith(`${APPLICATION}#`)).toBe(true);
    expect(Object.fromEntries(new URLSearchParams(location.hash.slice(1)))).toEqual({
      error: "sign_in_denied",
      message: expect.any(String),
      debugId: expect.stringMatching(/^[0-9a-f]{16}$/),
    });
  });

  test("is not given the refresh token where browsers keep it in a cookie", async () => {
    const cookies = await createTestServer(database, {
      signIn: { ...options, cookies: true, redirectUrl: APPLICATION },
    });
    try {
      provider.answer({ sub: "grace" });
      const { url, cookie } = await begin("/auth/test", cookies);
      const response = await cookies.app.inject(back(await visit(url.href), cookie));
      const session = Object.fromEntries(new URLSearchParams(new URL(response.headers.location ?? "").hash.slice(1)));
      expect(Object.keys(session)).not.toContain("refreshToken");
      expect(await viewer(session["accessToken"] ?? "")).toMatchObject({ id: session["userId"] });
      const kept = response.cookies.find(({ name }) => name === "attune-session");
      expect(kept).toMatchObject({ httpOnly: true, sameSite: "Strict" });
      const refreshed = await cookies.app.inject({
        method: "POST",
        url: "/auth/refresh",
        headers: { origin: PUBLIC_URL },
        cookies: { "attune-session": kept?.value ?? "" },
      });
      expect(refreshed.json()).toMatchObject({ userId: session["userId"], sessionId: session["sessionId"] });
    } finally {
      await cookies.close();
    }
  });

  test("may ask for JSON", async () => {
    provider.answer({ sub: "grace" });
    const { url, cookie } = await begin("/auth/test", application);
    const response = await application.app.inject(back(await visit(url.href), cookie, { accept: "application/json" }));
    expect(response.json()).toHaveProperty("accessToken");
    const again = await application.app.inject(
      back(new URL(`${PUBLIC_URL}/auth/test/callback`), cookie, { accept: "application/json" }),
    );
    expect([again.statusCode, again.json()]).toMatchObject([
      400,
      { errors: [{ extensions: { reason: "sign_in_expired" } }] },
    ]);
  });

  test("has a cookie that no other host can plant, where it is reached by https", async () => {
    const { issuer, clientId, clientSecret } = provider;
    const providers = [{ name: "test", issuer, clientId, clientSecret, scopes: "openid" }];
    const secure = await createTestServer(database, {
      signIn: { providers, cookies: false, publicUrl: "https://settings.example.com", redirectUrl: APPLICATION },
    });
    try {
      const { cookies } = await secure.app.inject("/auth/test");
      expect(cookies).toMatchObject([
        {
          name: expect.stringMatching(/^__Host-attune-sign-in-/),
          path: "/",
          secure: true,
          httpOnly: true,
          sameSite: "Lax",
        },
      ]);
      expect(cookies[0]).not.toHaveProperty("domain");
    } finally {
      await secure.close();
    }
  });
});

describe("a user who is signed in", () => {
  const post = (url: string, user: TestUser | undefined, payload?: object): InjectOptions => ({
    method: "POST",
    url,
    ...(user && { headers: { authorization: `Bearer ${user.token}` } }),
    ...(payload && { payload }),
  });

  /** As far as the ticket with which an identity is linked. */
  async function ticketFor(user: TestUser): Promise<string> {
    const { url: start } = (await server.app.inject(post("/auth/test/link", user))).json<{ url: string }>();
    expect(start.startsWith(`${PUBLIC_URL}/auth/test?ticket=`)).toBe(true);
    const { url, cookie } = await begin(start.slice(PUBLIC_URL.length));
    const response = await server.app.inject(back(await visit(url.href), cookie));
    expect(Object.keys(response.json<object>())).toEqual(["linkTicket"]);
    return response.json<{ linkTicket: string }>().linkTicket;
  }

  test("links an identity, and signs in with it from then on", async () => {
    const user = await database.createUser("links@example.com");
    provider.answer({ sub: "links", email: "else@example.com", email_verified: true });
    const response = await server.app.inject(post("/auth/link", user, { ticket: await ticketFor(user) }));
    expect([response.statusCode, response.json()]).toEqual([200, { issuer: provider.issuer, subject: "links" }]);
    expect((await signIn()).userId).toBe(user.id);
    expect(await viewer(user.token)).toMatchObject({ email: "links@example.com" });
  });

  test("is not linked by somebody else's ticket, nor with what is none", async () => {
    const [user, mallory] = [
      await database.createUser("victim@example.com"),
      await database.createUser("mallory@example.com"),
    ];
    provider.answer({ sub: "mallory" });
    const ticket = await ticketFor(mallory);
    for (const payload of [{ ticket }, { ticket: "garbage" }, { ticket: 1 }, {}, undefined]) {
      expect(await refusalOf(post("/auth/link", user, payload))).toEqual({ status: 400, reason: "invalid_ticket" });
    }
    expect(await database.query("select from attune.user_identities where user_id = $1", [user.id])).toEqual([]);
  });

  test("does not get an identity that is another's", async () => {
    const user = await database.createUser("late@example.com");
    provider.answer({ sub: "taken" });
    await signIn();
    expect(await refusalOf(post("/auth/link", user, { ticket: await ticketFor(user) }))).toEqual({
      status: 409,
      reason: "identity_taken",
    });
  });

  test("has to be one", async () => {
    const ghost = await database.createUser("ghost@example.com");
    await database.query("delete from attune.users where id = $1", [ghost.id]);
    expect(await refusalOf(post("/auth/test/link", undefined))).toEqual({ status: 401, reason: "not_signed_in" });
    expect(await refusalOf(post("/auth/test/link", ghost))).toEqual({ status: 401, reason: "not_signed_in" });
    expect(await refusalOf(post("/auth/link", ghost, { ticket: "x" }))).toEqual({
      status: 401,
      reason: "not_signed_in",
    });
    expect(await refusalOf({ url: "/auth/test?ticket=garbage" })).toEqual({ status: 400, reason: "invalid_ticket" });
    expect(await refusalOf({ url: "/auth/test?ticket=a&ticket=b" })).toEqual({ status: 400, reason: "invalid_ticket" });
  });
});

describe("the log", () => {
  test("has why the provider's answer was refused, and no code, secret or token", async () => {
    provider.answer({ sub: "grace", email: "grace@example.com", email_verified: true });
    const begun = await begin();
    begun.url.searchParams.set("nonce", "x".repeat(43));
    const answer = await visit(begun.url.href);
    const before = log.length;
    await server.app.inject(back(answer, begun.cookie));
    const other = await begin();
    const made = await visit(other.url.href);
    made.searchParams.set("code", "x".repeat(43));
    await server.app.inject(back(made, other.cookie));
    const lines = log.slice(before);
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      {
        path: "/auth/test/callback",
        method: "GET",
        reason: "sign_in_failed",
        err: { message: expect.stringContaining("nonce") },
      },
      {
        path: "/auth/test/callback",
        reason: "sign_in_failed",
        err: { message: expect.stringContaining("invalid_grant") },
      },
    ]);
    const text = log.join("");
    const secrets = [
      answer.searchParams.get("code"),
      answer.searchParams.get("state"),
      begun.cookie.value,
      provider.clientSecret,
      "grace@example.com",
      "eyJ",
    ];
    for (const secret of secrets) expect(text).not.toContain(secret);
  });
});
