/** `database_health` and `health_alerts` as metrics: seconds, bytes and shares of one, as Prometheus counts. */

export type Family = {
  name: string;
  help: string;
  samples: readonly { labels?: Readonly<Record<string, string>>; value: number }[];
};

/** What of `attune.database_health` is told, as JSON. */
export type Health = {
  measured_at: string;
  database_bytes: number;
  preference_query_ms: number | null;
  transaction_id_percent: number;
  connections: { usable: number; used: number };
  activity: { rolled_back_percent: number; cache_hit_percent: number | null } | null;
  tables: { table_name: string; bytes: number; estimated_rows: number; dead_rows: number }[];
  longest_transactions: { seconds: number }[];
  lock_waits: unknown[];
  replication: {
    replay_lag_seconds: number | null;
    standbys: { application_name: string; lag_bytes: number | null; lag_seconds: number | null }[];
  };
  audit: {
    rows_last_day: number;
    bytes_last_day: number;
    unsealed_rows: number;
    oldest_unsealed_at: string | null;
  } | null;
  backlogs: { name: string; due: number; oldest_due_at: string | null; given_up: number }[];
  maintenance: {
    operation: string;
    last_completed_at: string | null;
    last_status: string | null;
    seconds_late: number | null;
  }[];
};

/** What of `attune.health_alert` is told, as JSON. */
export type Alert = { name: string; severity: string };

export function healthFamilies(health: Health, alerts: readonly Alert[]): Family[] {
  const { connections, activity, tables, replication, audit, backlogs, maintenance } = health;
  const age = (since: string | null): number | null =>
    since === null ? null : (Date.parse(health.measured_at) - Date.parse(since)) / 1000;
  const percent = (value: number | null | undefined): number | null => (value == null ? null : value / 100);
  const one = (name: string, help: string, value: number | null | undefined): Family => ({
    name,
    help,
    samples: value == null ? [] : [{ value }],
  });
  /** What is not known of one of several is left out. */
  const each = <Item>(
    name: string,
    help: string,
    items: readonly Item[],
    labels: (item: Item) => Record<string, string>,
    value: (item: Item) => number | null,
  ): Family => ({
    name,
    help,
    samples: items.flatMap((item) => {
      const found = value(item);
      return found === null ? [] : [{ labels: labels(item), value: found }];
    }),
  });
  const table = (item: { table_name: string }) => ({ table: item.table_name });
  const standby = (item: { application_name: string }) => ({ standby: item.application_name });
  const backlog = (item: { name: string }) => ({ backlog: item.name });
  const operation = (item: { operation: string }) => ({ operation: item.operation });
  const counted = Map.groupBy(alerts, ({ name, severity }) => `${name} ${severity}`);

  return [
    one("attune_database_size_bytes", "How large the database is.", health.database_bytes),
    each(
      "attune_database_table_size_bytes",
      "How large a table is, with its indexes and partitions.",
      tables,
      table,
      ({ bytes }) => bytes,
    ),
    each(
      "attune_database_table_rows",
      "About how many rows a table has.",
      tables,
      table,
      ({ estimated_rows: rows }) => rows,
    ),
    each(
      "attune_database_table_dead_rows",
      "About how many rows of it wait to be vacuumed.",
      tables,
      table,
      ({ dead_rows: rows }) => rows,
    ),
    one("attune_database_connections", "Connections to the PostgreSQL server.", connections.used),
    one("attune_database_connections_max", "Connections that there can be.", connections.usable),
    one(
      "attune_database_rolled_back_ratio",
      "The share of transactions that were rolled back.",
      percent(activity?.rolled_back_percent),
    ),
    one(
      "attune_database_cache_hit_ratio",
      "The share of blocks that were in PostgreSQL's cache.",
      percent(activity?.cache_hit_percent),
    ),
    one(
      "attune_database_transaction_id_ratio",
      "The share of transaction numbers that were given.",
      percent(health.transaction_id_percent),
    ),
    one(
      "attune_database_preference_query_seconds",
      "How long it takes to find out what applies to a user.",
      health.preference_query_ms === null ? null : health.preference_query_ms / 1000,
    ),
    one(
      "attune_database_longest_transaction_seconds",
      "How long a transaction has been open.",
      Math.max(0, ...health.longest_transactions.map(({ seconds }) => seconds)),
    ),
    one("attune_database_lock_waits", "Who waits for a lock, at most twenty.", health.lock_waits.length),
    one("attune_database_replay_lag_seconds", "How far this standby is behind.", replication.replay_lag_seconds),
    each(
      "attune_database_standby_lag_bytes",
      "WAL that a standby has not replayed.",
      replication.standbys,
      standby,
      ({ lag_bytes: lag }) => lag,
    ),
    each(
      "attune_database_standby_lag_seconds",
      "How far a standby is behind.",
      replication.standbys,
      standby,
      ({ lag_seconds: lag }) => lag,
    ),
    one("attune_audit_last_day_rows", "Rows that the audit log got in 24 hours, at most.", audit?.rows_last_day),
    one("attune_audit_last_day_bytes", "About how large they are.", audit?.bytes_last_day),
    one(
      "attune_audit_unsealed_rows",
      "Rows of the audit log that are not sealed, at most 20,000.",
      audit?.unsealed_rows,
    ),
    one(
      "attune_audit_unsealed_seconds",
      "Since when the first of them is there.",
      age(audit?.oldest_unsealed_at ?? null),
    ),
    each("attune_backlog_due", "What is due and not done, at most 10,000.", backlogs, backlog, ({ due }) => due),
    each("attune_backlog_due_seconds", "For how long the first of it is.", backlogs, backlog, (item) =>
      age(item.oldest_due_at),
    ),
    each("attune_backlog_given_up", "What was given up, at most 10,000.", backlogs, backlog, (item) => item.given_up),
    each(
      "attune_maintenance_completed_timestamp_seconds",
      "When maintenance was last done to its end.",
      maintenance,
      operation,
      (item) => (item.last_completed_at === null ? null : Date.parse(item.last_completed_at) / 1000),
    ),
    each(
      "attune_maintenance_status",
      "What became of it the last time: 1 for the status that it has.",
      maintenance.flatMap((item) => (item.last_status === null ? [] : [{ ...item, status: item.last_status }])),
      (item) => ({ ...operation(item), status: item.status }),
      () => 1,
    ),
    each(
      "attune_maintenance_late_seconds",
      "For how long it should have been done.",
      maintenance,
      operation,
      (item) => item.seconds_late,
    ),
    each(
      "attune_health_alerts",
      "Alerts, by what they are about and how bad it is; none when all is well.",
      Array.from(counted.values(), ([first = { name: "", severity: "" }, ...more]) => ({
        ...first,
        count: 1 + more.length,
      })),
      ({ name, severity }) => ({ alert: name, severity }),
      ({ count }) => count,
    ),
  ];
}
