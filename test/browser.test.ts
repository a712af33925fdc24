/** What a browser is given and told: the explorer, headers, and whose pages may call. */
import type { InjectOptions } from "fastify";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createTestDatabase, createTestServer, type TestDatabase, type TestServer } from "./support/harness.ts";

let database: TestDatabase;
let server: TestServer;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await createTestServer(database);
});

afterAll(async () => {
  await server.close();
  await database.close();
});

const post = (payload: object, headers: InjectOptions["headers"] = {}): InjectOptions => ({
  method: "POST",
  url: "/graphql",
  headers,
  payload,
});

describe("a browser", () => {
  test("loads GraphiQL from this server alone", async () => {
    const page = await server.app.inject("/");
    expect(page.statusCode).toBe(200);
    expect(page.headers["content-type"]).toContain("text/html");
    expect(page.body).not.toMatch(/(src|href|from|import)\s*[=(]?\s*["'](https?:)?\/\//);
    const files = [...page.body.matchAll(/"(\/ruru-static\/[\w.-]+\.\w+)"/g)].map(([, path]) => path ?? "");
    expect(files).not.toHaveLength(0);
    for (const path of files) expect((await server.app.inject(path)).statusCode).toBe(200);
  });

  test("is told to be careful", async () => {
    const { headers } = await server.app.inject("/");
    expect(headers).toMatchObject({
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
      "referrer-policy": "no-referrer",
    });
    expect(headers["content-security-policy"]).toContain("default-src 'self'");
    const answer = await server.app.inject(post({ query: "{ __typename }" }));
    expect(answer.headers).toMatchObject({ "cache-control": "no-store", "x-content-type-options": "nosniff" });
  });

  const preflight = (origin: string): InjectOptions => ({
    method: "OPTIONS",
    url: "/graphql",
    headers: {
      origin,
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization,content-type",
    },
  });

  test("may call from no other origin, unless it is named", async () => {
    const stranger = await server.app.inject(preflight("https://app.example.com"));
    expect(stranger.headers).not.toHaveProperty("access-control-allow-origin");

    const open = await createTestServer(database, { corsOrigins: ["https://app.example.com"] });
    try {
      const friend = await open.app.inject(preflight("https://app.example.com"));
      expect(friend.headers).toMatchObject({
        "access-control-allow-origin": "https://app.example.com",
        "access-control-allow-methods": "POST",
      });
      const answer = await open.app.inject(
        post({ query: "{ __typename }" }, { origin: "https://app.example.com", "content-type": "application/json" }),
      );
      expect(answer.headers["access-control-expose-headers"]).toBe(
        "ratelimit-limit, ratelimit-remaining, ratelimit-reset, retry-after, x-request-id",
      );
      expect(friend.headers).not.toHaveProperty("access-control-allow-credentials");
      const other = await open.app.inject(preflight("https://evil.example.com"));
      expect(other.headers).not.toHaveProperty("access-control-allow-origin");
    } finally {
      await open.close();
    }
  });
});
