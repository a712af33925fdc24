/** The example clients against the server: after each mutation what their caches say is what the network says. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as administrators from "../examples/administrators-page-apollo/page.ts";
import { createClient as createApollo } from "../examples/administrators-page-apollo/client.ts";
import { createBackend } from "../examples/flags-backend/client.ts";
import { createClient as createUrql } from "../examples/settings-page-urql/client.ts";
import * as settings from "../examples/settings-page-urql/page.ts";
import {
  createTestDatabase,
  createTestServer,
  type TestDatabase,
  type TestServer,
  type TestUser,
} from "./support/harness.ts";

let database: TestDatabase;
let server: TestServer;
let url: string;
let ada: TestUser;
let grace: TestUser;
let serviceToken: string;
let project: string;

beforeAll(async () => {
  database = await createTestDatabase();
  ada = await database.createUser("ada@example.com");
  grace = await database.createUser("grace@example.com", { admin: true });
  await database.query("update attune.users set name = 'Grace' where id = $1", [grace.id]);
  // A toggle of the application's own, which users may also choose for one project.
  await database.query(
    `insert into attune.setting_definitions (key, category, schema, default_value, layer)
     values ('SIDEBAR_PINNED', 'features', '{"type": "boolean"}', 'false', 'project')`,
  );
  serviceToken = database.tokenOf("service_role") ?? "";
  server = await createTestServer(database);
  url = `${await server.app.listen({ host: "127.0.0.1", port: 0 })}/graphql`;
  const { body } = await server.graphql<{ createProject: { project: { id: string } } }>(
    'mutation { createProject(input: { name: "Harbour" }) { project { id } } }',
    {},
    ada.token,
  );
  project = body.data?.createProject.project.id ?? "";
});

afterAll(async () => {
  await server.close();
  await database.close();
});

describe("the settings page, with urql and Graphcache", () => {
  const client = () => createUrql(url, ada.token);

  test("is drawn with what one request gives", async () => {
    const page = await settings.readPage(client(), { project }, "network-only");
    expect(settings.drawPage(page).slice(0, 4)).toEqual([
      "Bell: 0",
      "Theme: system",
      "Rows: 25",
      "[ ] AGENT_WORK_ORDERS_ENABLED",
    ]);
  });

  test.each<[string, (urql: ReturnType<typeof createUrql>) => Promise<{ error?: unknown }>]>([
    ["a choice in a project", (urql) => settings.toggleHere(urql, "SIDEBAR_PINNED", true, { project })],
    ["a choice everywhere", (urql) => settings.toggleEverywhere(urql, "PROJECTS_ENABLED", true, { project })],
    [
      "a choice everywhere, under another one in the project",
      (urql) => settings.toggleEverywhere(urql, "SIDEBAR_PINNED", true, { project }),
    ],
    ["a member of a document", (urql) => settings.useDarkTheme(urql)],
    ["a member of a document in a project", (urql) => settings.hidePieChartsHere(urql, { project })],
    ["the bell", (urql) => settings.markAllRead(urql)],
  ])("%s is in the cache as in the database", async (_, change) => {
    await createBackend(url, serviceToken).notify([ada.id], "Something happened", crypto.randomUUID());
    const urql = client();
    const before = await settings.readPage(urql, { project }, "network-only");
    const { error } = await change(urql);
    expect(error).toBeUndefined();
    const cached = await settings.readPage(urql, { project }, "cache-only");
    const stored = await settings.readPage(client(), { project }, "network-only");
    expect(cached).toEqual(stored);
    expect(stored).not.toEqual(before);
  });
});

describe("the administrators' page, with Apollo", () => {
  const client = () => createApollo(url, grace.token);
  const where = { category: "features" };
  const key = "TASKS_ENABLED";

  test.each<[string, (apollo: ReturnType<typeof createApollo>) => Promise<unknown>]>([
    ["a value for everybody", (apollo) => administrators.decide(apollo, { key, value: true })],
    ["a lock", (apollo) => administrators.decide(apollo, { key, isEnforced: true })],
    ["a rollout", (apollo) => administrators.decide(apollo, { key, isEnforced: false, rolloutPercentage: 20 })],
    ["a reset", (apollo) => administrators.reset(apollo, key)],
  ])("%s is in the cache as in the database", async (_, change) => {
    const apollo = client();
    const before = await administrators.readPage(apollo, where, "network-only");
    await change(apollo);
    const cached = await administrators.readPage(apollo, where, "cache-only");
    const stored = await administrators.readPage(client(), where, "network-only");
    expect(cached).toEqual(stored);
    expect(stored).not.toEqual(before);
  });

  test("says what is decided, and who did what", async () => {
    await administrators.decide(client(), { key, value: true, rolloutPercentage: 20 });
    const lines = administrators.drawPage(await administrators.readPage(client(), where, "network-only"));
    expect(lines).toContain(`${key} = true for 20 %`);
    expect(lines).toContain(`Grace: INSERT ${key}`);
  });
});

test("a backend with fetch: flags of one user and of many, and each event told once", async () => {
  const backend = createBackend(url, serviceToken);
  await server.graphql(
    'mutation { setUserSetting(input: { userId: "' +
      ada.id +
      '", key: "deep_research", value: true }) { effectiveSetting { id } } }',
    {},
    grace.token,
  );
  expect(await backend.isOn(ada.id, "deep_research")).toBe(true);
  expect(await backend.isOn(grace.id, "deep_research")).toBe(false);
  await expect(backend.isOn(ada.id, "nothing")).rejects.toThrow(/^unknown_setting: /);
  expect(await backend.flagsOf([ada.id, grace.id], ["deep_research", "strategy_graph"])).toEqual(
    new Map([
      [ada.id, ["deep_research"]],
      [grace.id, []],
    ]),
  );
  expect(await backend.notify([ada.id, grace.id], "It is done", "build 7")).toBe(2);
  expect(await backend.notify([ada.id, grace.id], "It is done", "build 7")).toBe(0);
});
