/** A server that is told to stop lets requests under way end. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type Running, startServer } from "./support/cli.ts";
import { createTestDatabase, type TestDatabase } from "./support/harness.ts";

let database: TestDatabase;
let server: Running & { address: string };
let socket: Socket;
let answers: string;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.query(`
    create function attune.hold_on(seconds double precision) returns text
      language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
      begin
        -- By this it is seen from outside that it runs.
        perform pg_advisory_xact_lock_shared(4711);
        perform pg_sleep(hold_on.seconds);
        return 'held on';
      end;
      $$;
    grant execute on function attune.hold_on(double precision) to anon;
  `);
});
afterAll(() => database.close());
beforeEach(() => {
  answers = "";
});
afterEach(async () => {
  socket.destroy();
  server.kill("SIGKILL");
  await server.finished;
});

async function start(limit: string): Promise<void> {
  server = await startServer({
    DATABASE_URL: database.ownerUrl,
    JWT_SECRET: database.jwt.secret,
    DRAIN_TIMEOUT: limit,
  });
  socket = connect(Number(new URL(server.address).port), "127.0.0.1");
  socket.setEncoding("utf8").on("data", (text: string) => (answers += text));
  socket.on("error", () => undefined);
  await once(socket, "connect");
}

/** Sends a request that takes its time, and waits until the database is at it. */
async function ask(seconds: number): Promise<void> {
  const body = JSON.stringify({ query: `mutation { holdOn(input: { seconds: ${seconds} }) { result } }` });
  socket.write(
    `POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  await expect
    .poll(() => database.query("select from pg_locks where locktype = 'advisory' and objid = 4711"))
    .toHaveLength(1);
}

/** Until nobody can connect any more. */
async function refusing(): Promise<void> {
  await expect
    .poll(() =>
      fetch(`${server.address}/api/health`).then(
        () => "open",
        () => "closed",
      ),
    )
    .toBe("closed");
}

test("requests under way end, who is connected is told to go, and nobody else can connect", async () => {
  await start("30");
  await ask(3);
  const probe = connect(Number(new URL(server.address).port), "127.0.0.1");
  let told = "";
  probe.setEncoding("utf8").on("data", (text: string) => (told += text));
  await once(probe, "connect");
  probe.write("GET /api/ready HTTP/1.1\r\n");
  server.kill("SIGTERM");
  await refusing();
  probe.write("Host: localhost\r\n\r\n");
  expect(await server.finished).toMatchObject({ code: 0, stderr: "" });
  expect(answers).toMatch(/^HTTP\/1\.1 200 OK\r$/m);
  expect(answers).toMatch(/^connection: close\r$/im);
  expect(answers).toContain('"result":"held on"');
  expect(told).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r$/m);
  expect(told).toMatch(/^connection: close\r$/im);
  expect(told).toContain('"reason":"shutting_down"');
});

test("what takes longer than DRAIN_TIMEOUT is cut off", async () => {
  await start("1");
  await ask(4);
  server.kill("SIGTERM");
  expect(await server.finished).toMatchObject({ code: 0, stderr: "" });
  expect(answers).toBe("");
});

test("a second signal cuts it off at once", async () => {
  await start("60");
  await ask(4);
  server.kill("SIGTERM");
  await refusing();
  let isOver = false;
  const finished = server.finished.finally(() => (isOver = true));
  while (!isOver) {
    server.kill("SIGTERM");
    await sleep(50);
  }
  expect(await finished).toMatchObject({ code: 0, stderr: "" });
  expect(answers).toBe("");
});
