/** Sessions of browsers in cookies: no script reads the refresh token, no other page uses it, and tabs agree. */
import type { InjectOptions, LightMyRequestResponse } from "fastify";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createTestDatabase, createTestServer, type TestDatabase, type TestServer } from "./support/harness.ts";

const PUBLIC_URL = "http://localhost:5678";
const APPLICATION = "https://app.example.com";
const PASSWORD = "correct horse battery";
const COOKIE = "attune-session";
const DEVICE = "attune-device";

type PageTokens = { accessToken: string; sessionId: string; userId: string };

let database: TestDatabase;
let server: TestServer;

const newServer = (publicUrl = PUBLIC_URL, corsOrigins = [APPLICATION]): Promise<TestServer> =>
  createTestServer(database, {
    corsOrigins,
    signIn: { providers: [], cookies: true, publicUrl, redirectUrl: undefined },
  });

beforeAll(async () => {
  database = await createTestDatabase();
  await database.query("insert into attune.global_settings (key, value) values ('PASSWORD_COST', '4')");
  server = await newServer();
});

afterAll(async () => {
  await server.close();
  await database.close();
});

type Page = {
  origin?: string;
  cookie?: string;
  device?: string;
  headers?: Record<string, string>;
  app?: TestServer["app"];
};

/** What a page of the application asks for. */
async function post(path: string, payload?: object, page: Page = {}): Promise<LightMyRequestResponse> {
  const { origin = PUBLIC_URL, cookie, device, headers = { origin }, app = server.app } = page;
  const options: InjectOptions = {
    method: "POST",
    url: `/auth/${path}`,
    headers,
    ...(payload && { payload }),
    cookies: { ...(cookie !== undefined && { [COOKIE]: cookie }), ...(device !== undefined && { [DEVICE]: device }) },
  };
  return app.inject(options);
}

const reasonOf = (response: LightMyRequestResponse): unknown => [
  response.statusCode,
  response.json<{ errors: { extensions: { reason: string } }[] }>().errors[0]?.extensions.reason,
];

function cookieOf({ cookies }: LightMyRequestResponse, called = COOKIE): string {
  const found = cookies.filter(({ name }) => name === called);
  expect(found).toHaveLength(1);
  return found[0]?.value ?? "";
}

let count = 0;
async function register(): Promise<PageTokens & { email: string; cookie: string; device: string }> {
  const email = `user${(count += 1)}@example.com`;
  const response = await post("register", { email, password: PASSWORD, name: "A user" });
  expect(response.statusCode).toBe(200);
  return { email, cookie: cookieOf(response), device: cookieOf(response, DEVICE), ...response.json<PageTokens>() };
}

const viewer = async (token: string): Promise<unknown> =>
  (await server.graphql<{ viewer: unknown }>("{ viewer { id } }", {}, token)).body.data?.viewer;

describe("a browser", () => {
  test("is given the refresh token in a cookie alone, which no script reads and no other site sends", async () => {
    const email = "ada@example.com";
    const registered = await post("register", { email, password: PASSWORD });
    const loggedIn = await post("login", { email, password: PASSWORD });
    for (const response of [registered, loggedIn]) {
      expect(response.statusCode).toBe(200);
      expect(response.headers["cache-control"]).toBe("no-store");
      const tokens = response.json<PageTokens>();
      expect(Object.keys(tokens).toSorted()).toEqual([
        "accessExpiresAt",
        "accessToken",
        "sessionExpiresAt",
        "sessionId",
        "userId",
      ]);
      expect(response.cookies).toMatchObject([
        { name: COOKIE, path: "/auth", httpOnly: true, sameSite: "Strict" },
        { name: DEVICE, path: "/auth", httpOnly: true, sameSite: "Strict", maxAge: 400 * 24 * 60 * 60 },
      ]);
      expect(response.body).not.toContain(cookieOf(response));
      expect(response.body).not.toContain(cookieOf(response, DEVICE));
      expect(await viewer(tokens.accessToken)).toEqual({ id: tokens.userId });
    }
  });

  test("has a cookie that no other host can plant, where the server is reached by https", async () => {
    const secure = await newServer("https://settings.example.com");
    try {
      const origin = "https://settings.example.com";
      const { email } = await register();
      const response = await post("login", { email, password: PASSWORD }, { origin, app: secure.app });
      expect(response.cookies).toMatchObject([
        { name: `__Host-${COOKIE}`, path: "/", secure: true, httpOnly: true, sameSite: "Strict" },
        { name: `__Host-${DEVICE}`, path: "/", secure: true, httpOnly: true, sameSite: "Strict" },
      ]);
      for (const cookie of response.cookies) expect(cookie).not.toHaveProperty("domain");
    } finally {
      await secure.close();
    }
  });

  test("refreshes its session by the cookie, from several tabs at once, and stays signed in", async () => {
    const { cookie, userId, sessionId } = await register();
    const answers = await Promise.all(Array.from({ length: 5 }, () => post("refresh", undefined, { cookie })));
    const cookies = new Set(answers.map((answer) => cookieOf(answer)));
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200, 200, 200]);
    expect(cookies.size).toBe(1);
    expect(cookies).not.toContain(cookie);
    const [next = ""] = cookies;
    const again = await post("refresh", undefined, { cookie: next });
    expect(again.json()).toMatchObject({ userId, sessionId });
    expect(await viewer(again.json<PageTokens>().accessToken)).toEqual({ id: userId });
  });

  test("is told why it gets no session, in the usual form, and keeps what another tab may have put there", async () => {
    const { email, cookie } = await register();
    const attempts: [string, object | undefined, string | undefined, unknown][] = [
      ["login", { email, password: "wrong password" }, cookie, [401, "invalid_credentials"]],
      ["register", { email, password: PASSWORD }, cookie, [409, "email_taken"]],
      ["register", { email: "new@example.com", password: "short" }, cookie, [422, "password_too_short"]],
      ["refresh", undefined, undefined, [401, "invalid_refresh_token"]],
      ["refresh", undefined, "garbage", [401, "invalid_refresh_token"]],
      ["login", undefined, undefined, [400, "invalid_request"]],
      ["login", [], undefined, [400, "invalid_request"]],
      ["login", { email }, undefined, [400, "invalid_request"]],
      ["login", { email: [email], password: PASSWORD }, undefined, [400, "invalid_request"]],
      ["login", { email, password: { $ne: "" } }, undefined, [400, "invalid_request"]],
      ["login", { email, password: "a\u0000" }, undefined, [422, "invalid_text"]],
      ["login", { email, password: "\ud800" }, undefined, [422, "invalid_text"]],
      ["register", { email: "new@example.com", password: PASSWORD, name: {} }, undefined, [400, "invalid_request"]],
    ];
    for (const [path, payload, sent, expected] of attempts) {
      const response = await post(path, payload, sent === undefined ? {} : { cookie: sent });
      expect([path, payload, reasonOf(response)]).toEqual([path, payload, expected]);
      expect(response.cookies).toEqual([]);
    }
    expect((await post("refresh", undefined, { cookie })).statusCode).toBe(200);
  });

  test("waits after failures, as anywhere, unless somebody has signed in with it before", async () => {
    const { email, device } = await register();
    const reasons: unknown[] = [];
    for (let i = 0; i < 12; i += 1) reasons.push(reasonOf(await post("login", { email, password: "wrong password" })));
    expect(reasons[0]).toEqual([401, "invalid_credentials"]);
    expect(reasons.at(-1)).toEqual([429, "too_many_attempts"]);
    const payload = { email, password: PASSWORD };
    expect(reasonOf(await post("login", payload, { device: "garbage" }))).toEqual([429, "too_many_attempts"]);
    const known = await post("login", payload, { device });
    expect(known.statusCode).toBe(200);
    expect(cookieOf(known, DEVICE)).toBe(device);
  });

  test("may try few passwords a minute, by which each counts as much as in GraphQL", async () => {
    const limited = await createTestServer(database, {
      rateLimitPerMinute: 50,
      signIn: { providers: [], cookies: true, publicUrl: PUBLIC_URL, redirectUrl: undefined },
    });
    try {
      const { email } = await register();
      const login = () => post("login", { email, password: PASSWORD }, { app: limited.app });
      expect([await login(), await login()].map(({ statusCode }) => statusCode)).toEqual([200, 200]);
      const refused = await login();
      expect(reasonOf(refused)).toEqual([429, "too_many_requests"]);
      expect(Number(refused.headers["retry-after"])).toBeGreaterThan(0);
    } finally {
      await limited.close();
    }
  });

  test("signs out: the session ends at once, and so does the cookie", async () => {
    const { cookie, accessToken, userId } = await register();
    expect(await viewer(accessToken)).toEqual({ id: userId });
    for (const sent of [cookie, cookie, "garbage", undefined]) {
      const response = await post("logout", undefined, sent === undefined ? {} : { cookie: sent });
      expect([response.statusCode, response.body]).toEqual([204, ""]);
      expect(response.cookies).toMatchObject([{ name: COOKIE, value: "", path: "/auth", expires: new Date(0) }]);
      expect(await viewer(accessToken)).toBeNull();
    }
    expect(reasonOf(await post("refresh", undefined, { cookie }))).toEqual([401, "session_ended"]);
  });
});

test("who could not be signed out keeps the cookie, and may try again", async () => {
  const { cookie } = await register();
  await database.query("revoke execute on function attune.logout() from authenticated");
  const failed = await post("logout", undefined, { cookie });
  await database.query("grant execute on function attune.logout() to authenticated");
  expect([failed.statusCode, failed.cookies]).toEqual([403, []]);
  expect((await post("logout", undefined, { cookie })).statusCode).toBe(204);
  expect(reasonOf(await post("refresh", undefined, { cookie }))).toEqual([401, "session_ended"]);
});

test.each(["\u0000", "a\u0000b", "\ud800", "ä", "'; drop", "", "x".repeat(3000)])(
  "a cookie that is no token of ours is none: %j",
  async (odd) => {
    const { email } = await register();
    const encoded = odd.isWellFormed() ? odd : "%ED%A0%80";
    expect((await post("login", { email, password: PASSWORD }, { device: encoded })).statusCode).toBe(200);
    expect(reasonOf(await post("refresh", undefined, { cookie: encoded }))).toEqual([401, "invalid_refresh_token"]);
    expect((await post("logout", undefined, { cookie: encoded })).statusCode).toBe(204);
  },
);

describe("a page", () => {
  const ALLOWED: Record<string, string>[] = [
    { origin: PUBLIC_URL },
    { origin: APPLICATION },
    { origin: APPLICATION, "sec-fetch-site": "same-site" },
    { "sec-fetch-site": "same-origin" },
  ];
  test.each(ALLOWED)("of the application uses the cookie: %j", async (headers) => {
    const { cookie } = await register();
    expect((await post("refresh", undefined, { cookie, headers })).statusCode).toBe(200);
  });

  const FOREIGN: Record<string, string>[] = [
    { origin: "https://evil.example" },
    { origin: "https://app.example.com.evil.example" },
    { origin: "https://app.example.com:8443" },
    { origin: "http://app.example.com" },
    { origin: `${APPLICATION}/` },
    { origin: "null" },
    { origin: "*" },
    { origin: "" },
    { origin: "https://evil.example", "sec-fetch-site": "same-origin" },
    { "sec-fetch-site": "same-site" },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "none" },
    {},
  ];
  test.each(FOREIGN)("of anybody else does not, nor does it sign anybody in or out: %j", async (headers) => {
    const { cookie, email, accessToken, userId } = await register();
    for (const [path, payload] of [
      ["refresh", undefined],
      ["logout", undefined],
      ["login", { email, password: PASSWORD }],
      ["register", { email: "foreign@example.com", password: PASSWORD }],
    ] as const) {
      const response = await post(path, payload, { cookie, headers });
      expect(reasonOf(response)).toEqual([403, "foreign_origin"]);
      expect(response.cookies).toEqual([]);
    }
    expect(await viewer(accessToken)).toEqual({ id: userId });
    expect((await post("refresh", undefined, { cookie })).statusCode).toBe(200);
  });

  test("sends cookies from origins that are named, and never because any may call", async () => {
    const { cookie } = await register();
    const named = await post("refresh", undefined, { cookie, origin: APPLICATION });
    expect(named.headers).toMatchObject({
      "access-control-allow-origin": APPLICATION,
      "access-control-allow-credentials": "true",
    });
    const open = await newServer(PUBLIC_URL, ["*"]);
    try {
      const any = await post("refresh", undefined, { cookie, origin: APPLICATION, app: open.app });
      expect(reasonOf(any)).toEqual([403, "foreign_origin"]);
      expect(any.headers["access-control-allow-credentials"]).toBeUndefined();
    } finally {
      await open.close();
    }
  });
});

test("without AUTH_COOKIES there is nothing of this", async () => {
  const without = await createTestServer(database, { corsOrigins: [APPLICATION] });
  try {
    for (const path of ["register", "login", "refresh", "logout"]) {
      const response = await post(path, {}, { app: without.app, origin: APPLICATION });
      expect(reasonOf(response)).toEqual([404, "not_found"]);
      expect(response.headers["access-control-allow-credentials"]).toBeUndefined();
    }
  } finally {
    await without.close();
  }
});
