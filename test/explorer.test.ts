/** The explorer's page, in a real browser: its name, and what it keeps of a token. */
import { existsSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { type Browser, chromium, type Locator, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createTestDatabase, createTestServer, type TestDatabase, type TestServer } from "./support/harness.ts";

const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const TOKEN = "a-token-that-nobody-may-find";

if (!existsSync(CHROMIUM)) {
  console.warn(
    `The explorer is not tried: there is no browser at ${CHROMIUM} (\`apt-get install chromium\`, or CHROMIUM).`,
  );
}

describe.skipIf(!existsSync(CHROMIUM))("the explorer", () => {
  let database: TestDatabase;
  let server: TestServer;
  let browser: Browser;
  let address: string;

  beforeAll(async () => {
    database = await createTestDatabase();
    server = await createTestServer(database);
    await server.app.listen({ port: 0 });
    address = `http://localhost:${(server.app.server.address() as AddressInfo).port}/`;
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
    await database.close();
  });

  /** The page of a new visitor. */
  async function visit(): Promise<Page> {
    const context = await browser.newContext();
    const page = await context.newPage();
    await open(page);
    return page;
  }

  async function open(page: Page): Promise<void> {
    await page.goto(address);
    await page.locator(".graphiql-execute-button").waitFor();
  }

  const headerEditor = (page: Page): Locator => page.locator(".graphiql-editor-tool .monaco-editor").last();

  async function showHeaders(page: Page): Promise<void> {
    await page.getByRole("button", { name: "Headers", exact: true }).click();
    await headerEditor(page).waitFor();
  }

  /** Sends the first query that the explorer shows with a token, and waits for what it stores of it. */
  async function sendWithToken(page: Page): Promise<void> {
    await showHeaders(page);
    await headerEditor(page).click();
    await page.keyboard.insertText(JSON.stringify({ "x-mine": TOKEN }));
    const sent = page.waitForRequest((request) => request.headers()["x-mine"] === TOKEN);
    await page.locator(".graphiql-execute-button").click();
    await Promise.race([sent, page.getByRole("menuitem", { name: "Settings" }).click()]);
    await sent;
    await expect.poll(async () => (await stored(page))["graphiql:queries"]).toContain("viewer");
    // Tabs are stored half a second after the last change.
    await page.waitForTimeout(700);
  }

  async function persistHeaders(page: Page): Promise<void> {
    await page.getByRole("button", { name: "Open settings dialog" }).click();
    await page.locator("#enable-persist-headers").click();
    await page.keyboard.press("Escape");
  }

  const stored = (page: Page): Promise<Record<string, string>> =>
    page.evaluate<Record<string, string>>("({ ...localStorage })");

  test("has our name", async () => {
    const page = await visit();
    expect(await page.title()).toBe("Attune");
    expect(await page.locator("body").innerText()).not.toContain("Ruru");
  });

  test("keeps no header, and no token in its history", async () => {
    const page = await visit();
    await sendWithToken(page);
    expect(JSON.stringify(await stored(page))).not.toContain(TOKEN);
    await open(page);
    await showHeaders(page);
    expect(await headerEditor(page).innerText()).not.toContain(TOKEN);
  });

  test("keeps headers over a reload when told to, and still no token in its history", async () => {
    const page = await visit();
    await persistHeaders(page);
    await sendWithToken(page);
    await open(page);
    await showHeaders(page);
    await expect.poll(() => headerEditor(page).innerText()).toContain(TOKEN);
    expect((await stored(page))["graphiql:queries"]).not.toContain(TOKEN);
  });

  test("takes the token out of a history that was written before", async () => {
    const page = await visit();
    const history = JSON.stringify({ queries: [{ query: "{ plans { nodes { name } } }", headers: TOKEN }] });
    await page.evaluate(`localStorage["graphiql:queries"] = ${JSON.stringify(history)}`);
    await open(page);
    const kept = (await stored(page))["graphiql:queries"];
    expect(kept).toContain("plans");
    expect(kept).not.toContain(TOKEN);
  });
});
