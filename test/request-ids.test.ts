/** Which request it was, and why: from the headers to the answer, the server's log and the audit log. */
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  createTestDatabase,
  createTestServer,
  type GraphQLFailure,
  type TestDatabase,
  type TestServer,
  type TestUser,
} from "./support/harness.ts";

let database: TestDatabase;
let server: TestServer;
let ada: TestUser;
const lines: { debugId?: string }[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  ada = await database.createUser("ada@example.com");
  await database.query(
    `insert into attune.setting_definitions (key, category, schema, default_value) values ('size', 'test', '{"type": "integer"}', '1')`,
  );
  server = await createTestServer(database, {
    corsOrigins: ["https://app.example.com"],
    logLevel: "info",
    logDestination: { write: (line) => lines.push(JSON.parse(line)) },
  });
});

afterAll(async () => {
  await server.close();
  await database.close();
});

/** Sets a setting with these headers, and returns the answer, its id and what the audit log has of that request. */
async function setSize(value: number, headers: Record<string, string> = {}) {
  const response = await server.app.inject({
    method: "POST",
    url: "/graphql",
    headers: { ...headers, authorization: `Bearer ${ada.token}` },
    payload: {
      query: `mutation ($value: JSON!) { setPreference(input: { key: "size", value: $value }) { clientMutationId } }`,
      variables: { value },
    },
  });
  const id = String(response.headers["x-request-id"]);
  const rows = await database.query<{ key: string; reason: string | null }>(
    "select key, reason from attune.configuration_audit_log where request_id = $1",
    [id],
  );
  const { errors } = response.json<{ errors?: GraphQLFailure[] }>();
  return { id, rows, refused: errors?.[0]?.extensions };
}

test("a request gets an id, which its answer and the audit log have", async () => {
  const [first, second] = [await setSize(2), await setSize(3)];
  expect(first.id).toMatch(/^[0-9a-f]{16}$/);
  expect(second.id).not.toBe(first.id);
  expect(first.rows).toEqual([{ key: "size", reason: null }]);
});

test.each(["7b6ae2c1-3d1c-4f0e-9a86-0d34c4d0a7b5", "1-67891233-abcdef012345678912345678", "a".repeat(200)])(
  "a request is called what it comes with: %s",
  async (id) => {
    expect(await setSize(id.length, { "x-request-id": id })).toMatchObject({ id, rows: [{ key: "size" }] });
  },
);

test.each([["two words"], ['a"b'], ["ü"], ["a".repeat(201)]])(
  "what is no plain word names no request: %s",
  async (id) => {
    expect((await setSize(id.length, { "x-request-id": id })).id).toMatch(/^[0-9a-f]{16}$/);
  },
);

test("an error and its line in the log have the id of the answer", async () => {
  const { id, refused } = await setSize(1.5, { "x-request-id": "wrong-value" });
  expect({ id, refused }).toMatchObject({
    id: "wrong-value",
    refused: { reason: "invalid_value", debugId: "wrong-value" },
  });
  expect(lines.filter(({ debugId }) => debugId === id)).toHaveLength(1);
});

test("a reason in any script comes from the header into the audit log", async () => {
  const reason = "Zurück auf 100 %, 見て #12 🙂";
  const { rows } = await setSize(4, { "x-change-reason": encodeURIComponent(reason) });
  expect(rows).toEqual([{ key: "size", reason }]);
});

test("a percent sign that encodes nothing stands for itself", async () => {
  const { rows } = await setSize(5, { "x-change-reason": "100 % sure" });
  expect(rows).toEqual([{ key: "size", reason: "100 % sure" }]);
});

test("a reason that is too long is refused, and the change with it", async () => {
  const header = encodeURIComponent("é".repeat(1001));
  expect(await setSize(6, { "x-change-reason": header })).toMatchObject({ rows: [], refused: { reason: "too_large" } });
});

test("pages of other origins may send a reason and an id, and read the id", async () => {
  const origin = { origin: "https://app.example.com" };
  const asked = await server.app.inject({
    method: "OPTIONS",
    url: "/graphql",
    headers: {
      ...origin,
      "access-control-request-method": "POST",
      "access-control-request-headers": "x-change-reason,x-request-id",
    },
  });
  expect(String(asked.headers["access-control-allow-headers"]).split(", ")).toEqual(
    expect.arrayContaining(["x-change-reason", "x-request-id"]),
  );
  const answered = await server.app.inject({ url: "/api/plans", headers: origin });
  expect(String(answered.headers["access-control-expose-headers"])).toContain("x-request-id");
});
