/** What the database says of itself when Prometheus asks: read at most every few seconds, and left out when it is away. */
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { Gauge, Registry } from "prom-client";
import { queryAs } from "../database/query-as.ts";
import { type DatabaseState, stateOf } from "../server/routes/health.ts";
import { TRUSTED } from "../sign-in/authenticate.ts";
import { type Alert, type Family, type Health, healthFamilies } from "./health-metrics.ts";

/** For how long an answer is good, and how long one is waited for, in milliseconds. Prometheus waits ten seconds. */
const FRESH = 5000;
const PATIENCE = 3000;

const READER = { ...TRUSTED, pgSettings: { ...TRUSTED.pgSettings, statement_timeout: `${PATIENCE}ms` } };

const HEALTH = `
  select to_json(attune.database_health()) as health,
         (select coalesce(json_agg(json_build_object('name', a.name, 'severity', a.severity)), '[]')
          from attune.health_alerts() as a) as alerts`;

/**
 * Makes the function that tells it in Prometheus' text format.
 * @param pool one connection, which nobody else waits for
 */
export function createDatabaseMetrics(pool: pg.Pool): () => Promise<string> {
  let reading: Promise<string> | undefined;
  let readAt = -Infinity;
  return async () => {
    if (performance.now() - readAt > FRESH) {
      // One that lasts is not begun a second time.
      readAt = Infinity;
      reading = read(pool).finally(() => {
        readAt = performance.now();
      });
    }
    return Promise.race([reading ?? AWAY, sleep(PATIENCE, AWAY, { ref: false })]);
  };
}

/** @param isUp whether the database can be used, and requests be served */
function stateFamilies(isUp: boolean, isReady: boolean): Family[] {
  return [
    { name: "attune_database_up", help: "Whether the database answers.", samples: [{ value: Number(isUp) }] },
    {
      name: "attune_ready",
      help: "Whether requests can be served, as /api/ready says.",
      samples: [{ value: Number(isReady) }],
    },
  ];
}

const AWAY = tell(stateFamilies(false, false));

async function read(pool: pg.Pool): Promise<string> {
  let state: DatabaseState;
  try {
    state = await stateOf(pool);
  } catch {
    return AWAY;
  }
  const { migrated, readOnly, level } = state;
  return tell([
    ...stateFamilies(true, migrated),
    { name: "attune_database_read_only", help: "Whether it takes no changes.", samples: [{ value: Number(readOnly) }] },
    {
      name: "attune_database_migrations",
      help: "Migrations of this version that it has; absent where no history says so.",
      samples: level === undefined ? [] : [{ value: level }],
    },
    ...(await readHealth(pool)),
  ]);
}

/** Without it when it can't be read in time: the rest is told. */
async function readHealth(pool: pg.Pool): Promise<Family[]> {
  const isRead = (value: number): Family => ({
    name: "attune_health_up",
    help: "Whether database_health could be read.",
    samples: [{ value }],
  });
  try {
    const [row] = await queryAs<{ health: Health; alerts: Alert[] }>(pool, READER, HEALTH);
    return row === undefined ? [isRead(0)] : [isRead(1), ...healthFamilies(row.health, row.alerts)];
  } catch {
    return [isRead(0)];
  }
}

/** In Prometheus' text format: what has no sample is left out. */
async function tell(families: readonly Family[]): Promise<string> {
  const registry = new Registry();
  for (const { name, help, samples } of families) {
    const [first] = samples;
    if (first === undefined) continue;
    const gauge = new Gauge({ registers: [registry], name, help, labelNames: Object.keys(first.labels ?? {}) });
    for (const { labels = {}, value } of samples) gauge.set(labels, value);
  }
  return registry.metrics();
}
