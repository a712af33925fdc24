/** That readme.test.ts, which has urql's Graphcache ask all that the documents ask, would be told of what it can't keep. */
import { expect, test } from "vitest";
import { introspect, openTab } from "./support/graphcache.ts";
import { createTestDatabase, createTestServer } from "./support/harness.ts";

test("it does warn of what it can't keep", async () => {
  const warnings: string[] = [];
  const database = await createTestDatabase();
  const server = await createTestServer(database);
  try {
    const ada = await database.createUser("ada@example.com");
    const address = await server.app.listen({ host: "127.0.0.1", port: 0 });
    const request = { who: "", token: ada.token, query: "", variables: {}, isRefused: false };
    const { urql } = openTab(address, request, await introspect(address), (message) => warnings.push(message));
    await urql.query("{ appPreferences { interfaceSettings { theme } } }", {}).toPromise();
    expect(warnings).toEqual([expect.stringMatching(/^warn: Invalid key: .*AppPreferences/s)]);
  } finally {
    await server.close();
    await database.close();
  }
});
