/** Single-user mode: no sign-in on this machine, and nobody from elsewhere. */
import type { AddressInfo } from "node:net";
import { request } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  createTestDatabase,
  createTestServer,
  type TestDatabase,
  type TestServer,
  type TestUser,
} from "./support/harness.ts";

let database: TestDatabase;
let server: TestServer;
let ada: TestUser;

beforeAll(async () => {
  database = await createTestDatabase();
  ada = await database.createUser("ada@example.com");
  const [user] = await database.query<{ id: string }>("select attune_private.ensure_single_user() as id");
  server = await createTestServer(database, { singleUserId: user?.id });
  await server.app.listen({ host: "127.0.0.1", port: 0 });
});

afterAll(async () => {
  await server.close();
  await database.close();
});

/** Asks under any name, as a browser does for a page whose name points to this machine. */
function askAs(host: string): Promise<{ status: number | undefined; body: string }> {
  const { port } = server.app.server.address() as AddressInfo;
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: "127.0.0.1",
        port,
        path: "/graphql",
        method: "POST",
        headers: { host, "content-type": "application/json" },
      },
      (response) => {
        response
          .toArray()
          .then((chunks) => resolve({ status: response.statusCode, body: Buffer.concat(chunks).toString() }), reject);
      },
    );
    sent.on("error", reject).end('{"query":"{ viewer { name } }"}');
  });
}

test("without a token a request is the system user's, who is an administrator and writes as one", async () => {
  expect((await server.graphql("{ viewer { name email isAdmin } }")).body.data).toEqual({
    viewer: { name: "system", email: null, isAdmin: true },
  });
  const { body } = await server.graphql(
    `mutation { setGlobalSetting(input: { key: "DARK_MODE_ENABLED", value: true }) { clientMutationId } setPreference(input: { key: "DARK_MODE_ENABLED", value: false }) { effectiveSetting { value layer } } }`,
  );
  expect(body.errors).toBeUndefined();
  expect(body.data).toMatchObject({ setPreference: { effectiveSetting: { value: false, layer: "user" } } });
});

test("a token still says whose request it is, and a bad one is refused", async () => {
  expect((await server.graphql("{ viewer { id } }", {}, ada.token)).body.data).toEqual({ viewer: { id: ada.id } });
  expect((await server.graphql("{ viewer { id } }", {}, "garbage")).status).toBe(401);
});

test.each([["localhost:5678"], ["127.0.0.1"], ["[::1]:5678"]])("it is asked as %s", async (host) => {
  expect(await askAs(host)).toEqual({ status: 200, body: '{"data":{"viewer":{"name":"system"}}}' });
});

test.each([
  ["evil.example"],
  ["evil.example:5678"],
  ["localhost.evil.example"],
  ["192.168.1.2"],
  ["127.0.0.1@evil.example"],
])("it is not asked as %s, which may point anywhere", async (host) => {
  const { status, body } = await askAs(host);
  expect(status).toBe(403);
  expect(body).toContain("foreign_host");
});
