/** What is killed under load comes again by itself, and what was acknowledged is there. */
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { withClient } from "../src/database/client.ts";
import { attune, postmaster, type Running, startServer } from "./support/cli.ts";
import { backendsNamed, processesIn } from "./support/embedded.ts";
import { type Load, startLoad } from "./support/load.ts";
import { copyMade } from "./support/made.ts";

const WRITERS = ["ada", "bob", "cleo", "dora"];
/** What a client may be told meanwhile. */
const REASONS = new Set(["database_unavailable", "database_restarting", "overloaded", "no answer"]);

let home: string;
let dataDir: string;
let server: (Running & { address: string }) | undefined;
let load: Load | undefined;

async function start(): Promise<Running & { address: string }> {
  server = await startServer({ ATTUNE_DATA_DIR: dataDir, RATE_LIMIT: "0" });
  return server;
}

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "attune-kill-"));
  await chmod(home, 0o755);
  dataDir = join(home, "data");
  await copyMade(dataDir);
});

afterEach(async () => {
  await load?.stop();
  server?.kill("SIGKILL");
  await server?.finished;
  const pid = await postmaster(dataDir);
  if (pid !== undefined) process.kill(pid, "SIGQUIT");
  await rm(home, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
});

test("kill -9 of a backend, of PostgreSQL and of the server lose nothing that was acknowledged", async () => {
  const first = await start();
  const tokens = new Map<string, string>();
  for (const name of WRITERS) {
    const { stdout } = await attune(["token", "--email", `${name}@example.com`], { ATTUNE_DATA_DIR: dataDir });
    tokens.set(name, stdout.trim());
  }
  const running = startLoad(first.address, tokens);
  load = running;
  /** Until everybody writes again. */
  const writing = async (): Promise<void> => {
    const before = new Map(running.acknowledged);
    await expect
      .poll(() => WRITERS.every((name) => (running.acknowledged.get(name) ?? 0) > (before.get(name) ?? 0) + 5), {
        timeout: 90_000,
      })
      .toBe(true);
  };

  await writing();
  for (let round = 1; round <= 2; round += 1) {
    const [backend] = await backendsNamed(dataDir, "attune");
    if (backend !== undefined) process.kill(backend, "SIGKILL");
    await writing();

    const pid = await postmaster(dataDir);
    if (pid !== undefined) process.kill(pid, "SIGKILL");
    await writing();
  }

  first.kill("SIGKILL");
  await first.finished;
  const second = await start();
  running.moveTo(second.address);
  await writing();
  await running.stop();
  const { written, refused } = running.count();
  expect(written).toBeGreaterThan(WRITERS.length * 30);
  expect(Object.keys(refused).filter((reason) => !REASONS.has(reason))).toEqual([]);

  const { stdout: url } = await attune(["url", "--owner"], { ATTUNE_DATA_DIR: dataDir });
  const { rows } = await withClient(url.trim(), (client) =>
    client.query<{ name: string; number: number }>(
      `select split_part(u.email, '@', 1) as name, (s.ui_state ->> 'number')::integer as number
       from attune.user_session_state as s join attune.users as u on u.id = s.user_id`,
    ),
  );
  const stored = new Map(rows.map(({ name, number }) => [name, number]));
  // The next number may be there too, when its answer was lost.
  const lost = WRITERS.filter((name) => (stored.get(name) ?? 0) < (running.acknowledged.get(name) ?? 0));
  expect(lost).toEqual([]);

  second.kill("SIGTERM");
  expect((await second.finished).code).toBe(0);
  expect(await processesIn(dataDir)).toEqual([]);
}, 240_000);
