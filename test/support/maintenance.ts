/** Maintenance in a process of its own, for tests that kill it: JSON with both connection strings is its argument. */
import { openPool } from "../../src/database/pool.ts";
import { LANES, QUEUE_CONNECTIONS } from "../../src/database/server-connections.ts";
import { startMaintenance } from "../../src/server/maintenance.ts";

const { ownerUrl, authenticatorUrl } = JSON.parse(process.argv[2] ?? "") as Record<string, string>;
const open = (size: number) => openPool(authenticatorUrl ?? "", size, () => undefined, Infinity).pool;

startMaintenance({
  ownerUrl: ownerUrl ?? "",
  tasks: open(LANES),
  jobs: open(QUEUE_CONNECTIONS),
  log: { info: () => undefined, warn: console.error },
  times: { soon: 0, retry: 100, reread: 100 },
});

// As a server's port does.
setInterval(() => undefined, 60_000);
