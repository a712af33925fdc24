/** Traces: what a collector is sent of a request and its statements, and that it is in nobody's way. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { readOptions } from "../src/options/options.ts";
import type { Tracing } from "../src/observation/tracing.ts";
import {
  createTestDatabase,
  createTestServer,
  type TestDatabase,
  type TestServer,
  type TestUser,
} from "./support/harness.ts";
import { asEventStream, listen, subscribe } from "./support/live.ts";

type Attribute = { key: string; value: Record<string, unknown> };
type SpanSent = {
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  kind: number;
  attributes: Attribute[];
  status: { code?: number; message?: string };
  events?: unknown[];
};
type Sent = {
  resourceSpans: { resource: { attributes: Attribute[] }; scopeSpans: { spans: SpanSent[] }[] }[];
};

/** OTLP's kinds of spans. */
const KIND = { server: 2, client: 3 };

let database: TestDatabase;
let server: TestServer;
let ada: TestUser;
let tracing: Tracing;
let collector: Server;
let isAnswering = true;
const sent: Sent[] = [];
const lines: Record<string, unknown>[] = [];

const resources = () => sent.flatMap(({ resourceSpans }) => resourceSpans);
const spans = (): SpanSent[] => resources().flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans));
const attributesOf = ({ attributes }: { attributes: Attribute[] }): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

beforeAll(async () => {
  collector = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      if (!isAnswering) return;
      sent.push(JSON.parse(Buffer.concat(chunks).toString()));
      response.writeHead(200, { "content-type": "application/json" }).end("{}");
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
  const { port } = collector.address() as AddressInfo;
  vi.stubEnv("OTEL_EXPORTER_OTLP_ENDPOINT", `http://127.0.0.1:${port}`);
  vi.stubEnv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json");
  vi.stubEnv("OTEL_BSP_SCHEDULE_DELAY", "50");
  tracing = (await import("../src/observation/tracing.ts")).startTracing();
  database = await createTestDatabase();
  ada = await database.createUser("ada@example.com");
  await database.query(`
    create function attune.fail(secret text) returns text language plpgsql volatile set search_path = '' as $$
    begin raise exception 'This is %', fail.secret; end $$;
    grant execute on function attune.fail(text) to authenticated`);
  server = await createTestServer(database, {
    tracing,
    logLevel: "info",
    logDestination: { write: (line) => lines.push(JSON.parse(line)) },
  });
});

afterAll(async () => {
  await server.close();
  await database.close();
  collector.closeAllConnections();
  collector.close();
  vi.unstubAllEnvs();
});

/** The spans of a trace, when its request is among them. */
async function trace(id: string): Promise<SpanSent[]> {
  const found = (): SpanSent[] => spans().filter(({ traceId }) => traceId === id);
  await vi.waitUntil(() => found().some(({ kind }) => kind === KIND.server), { timeout: 20_000 });
  return found();
}

let traces = 0;
const newTrace = (): string => (++traces).toString(16).padStart(32, "0");
const ask = (query: string, variables: Record<string, unknown>, id: string) =>
  server.app.inject({
    method: "POST",
    url: "/graphql",
    headers: {
      authorization: `Bearer ${ada.token}`,
      traceparent: `00-${id}-00000000000000ff-01`,
      cookie: "attune=a-cookie-of-hers",
      "x-request-id": `request-${id}`,
    },
    payload: { query, variables },
  });

test("a request goes on with the trace that it comes with, and so do its statements", async () => {
  const id = newTrace();
  expect((await ask("{ viewer { email } }", {}, id)).json()).toEqual({ data: { viewer: { email: ada.email } } });
  const all = await trace(id);
  const request = all.find(({ kind }) => kind === KIND.server);
  expect(request).toMatchObject({ name: "POST /graphql", parentSpanId: "00000000000000ff" });
  expect(attributesOf(request ?? { attributes: [] })).toMatchObject({
    "attune.request_id": `request-${id}`,
    "graphql.operation.type": "query",
    "http.request.method": "POST",
    "http.route": "/graphql",
    "url.path": "/graphql",
  });
  const statements = all.filter(({ name }) => name.startsWith("pg.query"));
  expect(statements.length).toBeGreaterThan(1);
  expect(new Set(statements.map(({ parentSpanId }) => parentSpanId))).toEqual(new Set([request?.spanId]));
  const texts = statements.map((span) =>
    String(attributesOf(span)["db.query.text"] ?? attributesOf(span)["db.statement"]),
  );
  expect(texts.some((text) => text.includes("attune"))).toBe(true);
  expect(resources().map((one) => attributesOf(one.resource)["service.name"])).toContain("attune");
});

test("no value, header or word of an error is sent, and the log has the trace", async () => {
  const [set, failed, signIn] = [newTrace(), newTrace(), newTrace()];
  const secret = "a-secret-that-nobody-sees";
  await ask(
    "mutation ($name: String!) { updateMe: fail(input: { secret: $name }) { clientMutationId } }",
    { name: secret },
    failed,
  );
  await ask(
    `mutation { login(input: { email: "${secret}@example.com", password: "${secret}" }) { clientMutationId } }`,
    {},
    set,
  );
  await server.app.inject({
    url: `/nowhere?code=${secret}`,
    headers: { traceparent: `00-${signIn}-00000000000000ff-01` },
  });
  const all = (await Promise.all([trace(failed), trace(set), trace(signIn)])).flat();
  const text = JSON.stringify(sent);
  for (const hidden of [secret, ada.token, "a-cookie-of-hers", ada.email, ada.id]) expect(text).not.toContain(hidden);
  expect(all.flatMap(({ events = [] }) => events)).toEqual([]);
  expect(all.filter(({ status }) => status.message)).toEqual([]);
  expect(all.some(({ traceId, status }) => traceId === failed && status.code === 2)).toBe(true);
  for (const id of [failed, set, signIn]) expect(lines).toContainEqual(expect.objectContaining({ traceId: id }));
});

test("who looks how the server is leaves no trace, and neither does what it does by itself", async () => {
  const { http } = await listen(server);
  const listener = subscribe(asEventStream(http, ada.token), "subscription { settingsChanged { cursor } }");
  await listener.until(() => true);
  for (const url of ["/api/health", "/api/ready"]) await server.app.inject(url);
  const id = newTrace();
  await ask("{ __typename }", {}, id);
  await trace(id);
  listener.stop();
  const texts = spans().map((span) => JSON.stringify([span.name, span.attributes]));
  expect(texts.filter((text) => /outbox|\/api\//.test(text))).toEqual([]);
});

test("a collector that does not answer keeps nobody, not even at the end", async () => {
  isAnswering = false;
  const id = newTrace();
  expect((await ask("{ viewer { email } }", {}, id)).statusCode).toBe(200);
  await tracing.stop();
  expect((await ask("{ viewer { email } }", {}, id)).statusCode).toBe(200);
});

test.each([
  [{}, false],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://localhost:4318" }, true],
  [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://localhost:4318/v1/traces" }, true],
  [{ OTEL_TRACES_EXPORTER: "console" }, true],
  [{ OTEL_TRACES_EXPORTER: "none", OTEL_EXPORTER_OTLP_ENDPOINT: "http://localhost:4318" }, false],
  [{ OTEL_SDK_DISABLED: "true", OTEL_EXPORTER_OTLP_ENDPOINT: "http://localhost:4318" }, false],
])("with %o traces are wanted: %s", (environment, isTraced) => {
  expect(readOptions(environment).isTraced).toBe(isTraced);
});
