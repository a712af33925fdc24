/** Sessions in cookies, in a real browser: what it keeps, and to whom it sends it. */
import { existsSync } from "node:fs";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createTestDatabase, createTestServer, type TestDatabase, type TestServer } from "./support/harness.ts";
import { startOpenIdProvider, type TestProvider } from "./support/openid-provider.ts";

const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

async function listen(server: Server, host?: string): Promise<Server> {
  server.listen(0, host);
  await once(server, "listening");
  return server;
}

describe.skipIf(!existsSync(CHROMIUM))("a browser", () => {
  let database: TestDatabase;
  let provider: TestProvider;
  let server: TestServer;
  let pages: Server;
  let browser: Browser;
  let [api, application, foreign] = ["", "", ""];

  beforeAll(async () => {
    database = await createTestDatabase();
    pages = await listen(
      createServer((_request, response) => response.setHeader("content-type", "text/html").end("<p>")),
    );
    // The same pages under two names: one is of the server's site, the other is not.
    application = `http://localhost:${portOf(pages)}`;
    foreign = `http://127.0.0.1:${portOf(pages)}`;
    const reserved = await listen(createServer());
    const port = portOf(reserved);
    reserved.close();
    api = `http://localhost:${port}`;
    provider = await startOpenIdProvider([`${api}/auth/test/callback`]);
    const { issuer, clientId, clientSecret } = provider;
    server = await createTestServer(database, {
      corsOrigins: [application],
      signIn: {
        providers: [{ name: "test", issuer, clientId, clientSecret, scopes: "openid email profile" }],
        cookies: true,
        publicUrl: api,
        redirectUrl: `${application}/signed-in`,
      },
    });
    await server.app.listen({ port });
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  });
  afterAll(async () => {
    await browser.close();
    await Promise.all([server.close(), provider.close()]);
    pages.close();
    await database.close();
  });

  /** What a page is answered that calls the API with the cookies that its browser has; the status, or that it may not. */
  const post = (page: Page, path: string): Promise<number | string> =>
    page.evaluate(async (url) => {
      try {
        return (await fetch(url, { method: "POST", credentials: "include" })).status;
      } catch (error) {
        return (error as Error).name;
      }
    }, `${api}/auth/${path}`);

  test("comes back from a provider with a session that pages of the application refresh and end, and no others", async () => {
    provider.answer({ sub: "grace", email: "grace@example.com" });
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(application);
    expect(await post(page, "refresh")).toBe(401);
    await page.goto(`${api}/auth/test`);
    await page.waitForURL(`${application}/signed-in*`);
    expect(new URL(page.url()).hash).toMatch(/^#accessToken=/);
    expect(new URL(page.url()).hash).not.toContain("refreshToken");
    expect(await page.evaluate("document.cookie")).toBe("");

    const evil = await context.newPage();
    await evil.goto(foreign);
    expect(await post(evil, "refresh")).toBe("TypeError");
    expect(await post(evil, "logout")).toBe("TypeError");
    const tabs = [page, await context.newPage(), await context.newPage()];
    for (const tab of tabs) await tab.goto(application);
    expect(await Promise.all(tabs.map((tab) => post(tab, "refresh")))).toEqual([200, 200, 200]);
    expect(await post(page, "refresh")).toBe(200);
    expect(await post(page, "logout")).toBe(204);
    expect(await post(page, "refresh")).toBe(401);
    await context.close();
  });

  test("signs in with a provider in two tabs at once", async () => {
    provider.answer({ sub: "ada", email: "ada@example.com" });
    const context = await browser.newContext();
    // Both begin before either comes back. The provider, whose session the tabs share, sees one after the other.
    const begun = [1, 2].map(() => context.request.get(`${api}/auth/test`, { maxRedirects: 0 }));
    for (const attempt of (await Promise.all(begun)).toReversed()) {
      const tab = await context.newPage();
      await tab.goto(attempt.headers()["location"] ?? "");
      await tab.waitForURL(`${application}/signed-in*`);
      expect(new URL(tab.url()).hash).toMatch(/^#accessToken=/);
    }
    await context.close();
  });
});
