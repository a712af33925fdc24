/** Bytes on a connection that are no request, or none that ends: they are answered in the error form, and logged once. */
import { once } from "node:events";
import { type AddressInfo, connect, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createTestDatabase, createTestServer, type TestDatabase, type TestServer } from "./support/harness.ts";

let database: TestDatabase;
let server: TestServer;
let port: number;
const log: Record<string, unknown>[] = [];
/** The ids of the answers so far. */
const answered: unknown[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  const logDestination = { write: (line: string) => void log.push(JSON.parse(line) as Record<string, unknown>) };
  server = await createTestServer(database, { logLevel: "info", logDestination });
  await server.app.listen({ host: "127.0.0.1", port: 0 });
  ({ port } = server.app.server.address() as AddressInfo);
});

afterAll(async () => {
  await server.close();
  await database.close();
});

/** What the server writes until it closes the connection. */
async function answerTo(send: (socket: Socket) => void): Promise<{ head: string; body: string }> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  let answer = "";
  socket.setEncoding("utf8").on("data", (text: string) => {
    answer += text;
  });
  await once(socket, "connect");
  const closed = once(socket, "close");
  send(socket);
  await closed;
  const [head = "", body = ""] = answer.split("\r\n\r\n");
  return { head, body };
}

/** The status and the only error of an answer, and the lines that the log has on it. */
async function refusalOf(send: (socket: Socket) => void) {
  const { head, body } = await answerTo(send);
  const { errors } = JSON.parse(body) as { errors: { message: string; extensions: Record<string, unknown> }[] };
  expect(errors).toHaveLength(1);
  expect(head.toLowerCase()).toContain("content-type: application/json");
  expect(Object.keys(errors[0]?.extensions ?? {}).toSorted()).toEqual(["code", "debugId", "hint", "reason"]);
  answered.push(errors[0]?.extensions["debugId"]);
  const lines = log.filter(({ debugId }) => debugId === errors[0]?.extensions["debugId"]);
  return { status: Number(head.split(" ")[1]), ...errors[0]?.extensions, lines };
}

const POST = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";

describe("what is no HTTP", () => {
  test.each([
    ["is no request line", "secret\r\n\r\n", 400, "PT400", "invalid_request"],
    ["has a method that there is not", "SECRET / HTTP/1.1\r\nhost: x\r\n\r\n", 400, "PT400", "invalid_request"],
    ["has a line that is no header", "GET / HTTP/1.1\r\nhost: x\r\nsecret\r\n\r\n", 400, "PT400", "invalid_request"],
    ["has two lengths", `${POST}content-length: 1\r\ncontent-length: 2\r\n\r\n`, 400, "PT400", "invalid_request"],
    [
      "has headers of more than 16 KiB",
      `GET / HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${"secret".repeat(4000)}\r\n\r\n`,
      431,
      "PT431",
      "headers_too_large",
    ],
  ])("is told so when it %s", async (_what, bytes, status, code, reason) => {
    const { lines, ...refusal } = await refusalOf((socket) => void socket.write(bytes));
    expect(refusal).toMatchObject({ status, code, reason });
    expect(lines).toMatchObject([{ level: 30, status, address: "127.0.0.1", code, reason, cause: expect.any(String) }]);
    expect(JSON.stringify(lines).toLowerCase()).not.toContain("secret");
  });

  test("is told so when it has no host; HTTP/1.0 has none", async () => {
    const ask = (version: string) => (socket: Socket) =>
      void socket.write(`GET /api/health HTTP/${version}\r\nconnection: close\r\n\r\n`);
    const { lines, ...refusal } = await refusalOf(ask("1.1"));
    expect(refusal).toMatchObject({ status: 400, code: "PT400", reason: "invalid_request" });
    expect(lines).toMatchObject([{ level: 30, status: 400, address: "127.0.0.1", reason: "invalid_request" }]);
    expect((await answerTo(ask("1.0"))).head).toMatch(/^HTTP\/1\.[01] 200 /);
  });

  test("is answered, whatever it expects besides", async () => {
    const request = "GET /api/health HTTP/1.1\r\nhost: x\r\nexpect: 200-maybe\r\nconnection: close\r\n\r\n";
    expect((await answerTo((socket) => void socket.write(request))).head).toMatch(/^HTTP\/1\.1 200 /);
  });

  test("is told so in a chunked body, too", async () => {
    const refusal = await refusalOf(
      (socket) => void socket.write(`${POST}transfer-encoding: chunked\r\n\r\nnonsense\r\n`),
    );
    expect(refusal).toMatchObject({ status: 400, reason: "invalid_request" });
  });
});

describe.concurrent("a request that does not end", () => {
  test.each([
    ["body", `${POST}content-length: 1000\r\n\r\n{`],
    ["headers", POST],
  ])("is cut in its %s, drop by drop or not", async (_part, begin) => {
    let drip: NodeJS.Timeout | undefined;
    const { lines, ...refusal } = await refusalOf((socket) => {
      socket.write(begin);
      drip = setInterval(() => socket.write(begin.endsWith("{") ? " " : "x-more: 1\r\n"), 300);
      socket.on("close", () => clearInterval(drip));
    });
    expect(refusal).toMatchObject({ status: 408, code: "PT408", reason: "request_timeout" });
    expect(lines).toHaveLength(1);
  });
});

test("each of them is one line in the log", async () => {
  await server.app.close();
  const ids = log.filter(({ msg }) => msg === "request failed").map(({ debugId }) => debugId);
  expect(ids).toEqual(answered);
});
