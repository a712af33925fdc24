/**
 * `node bench/crowd.ts`: how long others wait while a crowd does what is costly, as ratios to how long they wait alone.
 *
 *   node bench/crowd.ts                            100 clients at a time, 10 seconds each
 *   node bench/crowd.ts --clients 20 --seconds 3   quick and rough
 */
import { parseArgs } from "node:util";
import { withClient } from "../src/database/client.ts";
import { openDatabase } from "../src/database/open.ts";
import { startThrowawayCluster } from "../src/embedded/testing/throwaway.ts";
import { readOptions } from "../src/options/options.ts";
import { signToken } from "../src/sign-in/jwt.ts";
import { startService } from "./service.ts";

const SECRET = "a secret of the benchmark, and of nothing else";
const PAUSE = 20;

/** Sends one query, and returns its HTTP status. */
type Ask = (query: string, variables?: Record<string, string>, token?: string) => Promise<number>;

/** What each client of the crowd sends, over and over. */
const CROWDS: Record<string, (ask: Ask) => Promise<number>> = {
  "who register": (ask) =>
    ask(
      'mutation ($email: String!) { register(input: { email: $email, password: "correct horse battery", name: "Crowd" }) { clientMutationId } }',
      { email: `${crypto.randomUUID()}@example.com` },
    ),
  "who read all their settings": (ask) => ask("{ effectiveSettings { key value layer reason } }"),
};

const { values } = parseArgs({
  options: { clients: { type: "string", default: "100" }, seconds: { type: "string", default: "10" } },
});
const clients = Number(values.clients);
const duration = Number(values.seconds) * 1000;

/** How long one client waits for each of its answers, asking one after the other, in milliseconds. */
async function waits(ask: Ask, token: string): Promise<{ answered: number[]; refused: number }> {
  const answered: number[] = [];
  let refused = 0;
  const end = performance.now() + duration;
  while (performance.now() < end) {
    const begin = performance.now();
    if ((await ask("{ viewer { id } }", {}, token)) === 200) answered.push(performance.now() - begin);
    else refused += 1;
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
  return { answered: answered.toSorted((a, b) => a - b), refused };
}

const at = (sorted: number[], share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;

const cluster = await startThrowawayCluster();
try {
  const options = readOptions({ DATABASE_URL: await cluster.createDatabase("attune_crowd"), JWT_SECRET: SECRET });
  const { ownerUrl } = await openDatabase(options, { migrate: true });
  const user = await withClient(ownerUrl, async (client) => {
    const { rows } = await client.query<{ id: string }>("select attune_private.ensure_user('ada@example.com') as id");
    return rows[0]?.id ?? "";
  });
  const token = await signToken({ sub: user, role: "authenticated" }, { secret: SECRET });
  const service = await startService(ownerUrl, SECRET);
  try {
    const ask: Ask = async (query, variables = {}, bearer) => {
      const response = await fetch(service.address, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
        },
        body: JSON.stringify({ query, variables }),
      });
      await response.arrayBuffer();
      return response.status;
    };
    await waits(ask, token);
    const alone = (await waits(ask, token)).answered;
    console.log(`alone: median ${at(alone, 0.5).toFixed(1)} ms, 95 % within ${at(alone, 0.95).toFixed(1)} ms`);

    for (const [name, act] of Object.entries(CROWDS)) {
      const statuses = new Map<number, number>();
      let isOver = false;
      const crowd = Array.from({ length: clients }, async () => {
        while (!isOver) {
          const status = await act(ask);
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
          // As clients do that are told to wait, only shorter.
          if (status !== 200) await new Promise((resolve) => setTimeout(resolve, 200));
        }
      });
      const { answered, refused } = await waits(ask, token);
      isOver = true;
      await Promise.all(crowd);
      const told = Array.from(statuses, ([status, count]) => `${count} with ${status}`).join(", ");
      const ratio = (share: number): string => (at(answered, share) / at(alone, share)).toFixed(1);
      console.log(
        `beside ${clients} ${name}: median ${ratio(0.5)} times as long, 95 % within ${ratio(0.95)} times, ` +
          `longest ${at(answered, 1).toFixed(0)} ms; ${answered.length} answered, ${refused} refused; the crowd: ${told}`,
      );
    }
  } finally {
    await service.stop();
  }
} finally {
  await cluster.stop();
}
