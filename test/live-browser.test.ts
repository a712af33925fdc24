/** Two tabs of a real browser are in sync: what is set in one is shown in the other, over both doors. */
import { existsSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  createTestDatabase,
  createTestServer,
  type TestDatabase,
  type TestServer,
  type TestUser,
} from "./support/harness.ts";
import { listen } from "./support/live.ts";

const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";

/** What a page does: listens, and shows the value in its title. */
const OVER_WEBSOCKET = `
  const socket = new WebSocket(location.origin.replace("http", "ws") + "/graphql", "graphql-transport-ws");
  const send = (message) => socket.send(JSON.stringify(message));
  socket.onopen = () => send({ type: "connection_init", payload: { authorization } });
  socket.onmessage = ({ data }) => {
    const { type, payload } = JSON.parse(data);
    if (type === "connection_ack") send({ type: "subscribe", id: "1", payload: { query } });
    if (type === "next") show(payload);
  };`;
const AS_EVENT_STREAM = `
  const response = await fetch("/graphql", {
    method: "POST",
    headers: { accept: "text/event-stream", "content-type": "application/json", authorization },
    body: JSON.stringify({ query }),
  });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  (async () => {
    for (let text = ""; ;) {
      const { done, value } = await reader.read();
      if (done) return;
      text += value;
      const frames = text.split("\\n\\n");
      text = frames.pop();
      for (const frame of frames) if (frame.startsWith("event: next")) show(JSON.parse(frame.split("\\ndata: ")[1]));
    }
  })();`;

describe.skipIf(!existsSync(CHROMIUM))("two tabs", () => {
  let database: TestDatabase;
  let server: TestServer;
  let browser: Browser;
  let origin: string;
  let ada: TestUser;

  beforeAll(async () => {
    database = await createTestDatabase();
    ada = await database.createUser("ada@example.com");
    server = await createTestServer(database);
    origin = new URL((await listen(server)).http).origin;
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
    await database.close();
  });

  const run = (page: Page, script: string): Promise<unknown> =>
    page.evaluate(`(async () => { const authorization = "Bearer ${ada.token}"; ${script} })()`);

  async function openTab(listening: string): Promise<Page> {
    const page = await browser.newPage();
    // A page of the same origin.
    await page.goto(`${origin}/api/health`);
    await run(
      page,
      `const query = "subscription { settingsChanged { effectiveSettings { key value } } }";
       const show = ({ data }) => {
         document.title = data.settingsChanged.effectiveSettings.map(({ key, value }) => key + " " + value).join() || "listening";
       };
       ${listening}`,
    );
    await expect.poll(() => page.title()).toBe("listening");
    return page;
  }

  test.each([
    ["over WebSocket", OVER_WEBSOCKET, false],
    ["as event streams", AS_EVENT_STREAM, true],
  ])("are in sync %s", async (_door, listening, value) => {
    const tabs = [await openTab(listening), await openTab(listening)];
    const [first] = tabs;
    if (first === undefined) throw new Error("There are no tabs");
    await run(
      first,
      `await fetch("/graphql", {
         method: "POST",
         headers: { "content-type": "application/json", authorization },
         body: JSON.stringify({ query: 'mutation { setPreference(input: { key: "STYLE_GUIDE_ENABLED", value: ${value} }) { clientMutationId } }' }),
       })`,
    );
    for (const tab of tabs) await expect.poll(() => tab.title()).toBe(`STYLE_GUIDE_ENABLED ${value}`);
    for (const tab of tabs) await tab.close();
  });
});
