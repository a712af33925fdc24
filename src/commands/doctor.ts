/** `attune doctor`: whether the database, its server and the configuration are well, and what to do where not. */
import { Command } from "commander";
import { withClient } from "../database/client.ts";
import { describeDatabase } from "../database/connection-string.ts";
import { type Check, diagnose } from "../database/diagnosis.ts";
import type { OwnerConnection } from "../database/open.ts";
import type { Options } from "../options/options.ts";
import { plural } from "../words.ts";
import { columns } from "./terminal.ts";
import { withDatabase } from "./with-database.ts";

type Alert = {
  name: string;
  subject: string;
  severity: "advice" | "warning" | "critical";
  value: number;
  threshold: number;
  setting: string;
  unit: string;
  message: string;
  remedy: string;
};

/** As `attune.database_health` tells it. */
type Health = {
  server_version: string;
  database_bytes: number;
  preference_query_ms: number | null;
  connections: { used: number; usable: number };
  activity: { cache_hit_percent: number | null; rolled_back_percent: number } | null;
  tables: { table_name: string; bytes: number; estimated_rows: number; growth_bytes_a_day: number | null }[];
  audit: { bytes: number; rows_last_day: number; bytes_last_day: number; unsealed_rows: number } | null;
  backlogs: { name: string; due: number; given_up: number }[];
  replication: { is_standby: boolean; replay_lag_seconds: number | null; standbys: unknown[] };
  limits: { subject: string; message: string; remedy: string }[];
};

type Report = {
  database: string;
  /** Nothing is wrong; there may be advice. */
  isWell: boolean;
  checks: Check[];
  /** Null where the schema is not the one that this version makes. */
  health: Health | null;
  alerts: Alert[];
};

/** How long it waits for a lock. */
const PATIENCE = "1s";
/** How many of the largest tables are listed. */
const LARGEST = 5;

export function doctorCommand(): Command {
  return new Command("doctor")
    .description("print whether database and configuration are well, and what to do where not; changes nothing")
    .option("--json", "as JSON")
    .addHelpText("after", "\nEnds with status 1 where something is wrong, and 0 where there is only advice.")
    .action(({ json }: { json?: true }) =>
      withDatabase({ migrate: false }, async (owner, options) => {
        const report = await examine(owner, options);
        console.log(json === true ? JSON.stringify(report, null, 2) : describe(report).join("\n"));
        if (!report.isWell) process.exitCode = 1;
      }),
    );
}

async function examine(owner: OwnerConnection, options: Options): Promise<Report> {
  return withClient(owner.ownerUrl, async (client) => {
    // Somebody who holds everything up is what it is asked about.
    await client.query("select set_config('lock_timeout', $1, false)", [PATIENCE]);
    const checks = await diagnose(client, owner, options);
    const isKnown = checks.some(({ subject, level }) => subject === "migrations" && level === "ok");
    const {
      rows: [found],
    } = isKnown
      ? await client.query<{ health: Health; alerts: Alert[] }>(
          `select to_jsonb(h) as health,
                  (select coalesce(jsonb_agg(a), '[]') from attune_private.health_alerts(h) as a) as alerts
           from attune_private.database_health() as h`,
        )
      : { rows: [] };
    const alerts = found?.alerts ?? [];
    return {
      database: describeDatabase(owner.ownerUrl),
      isWell: checks.every(({ level }) => level !== "problem") && alerts.every(({ severity }) => severity === "advice"),
      checks,
      health: found?.health ?? null,
      alerts,
    };
  });
}

function describe({ database, checks, health, alerts }: Report): string[] {
  const well = checks.filter(({ level }) => level === "ok").map(({ subject }) => subject);
  const findings = [
    ...alerts.map(({ severity, message, remedy }) => ({ isAdvice: severity === "advice", message, remedy })),
    ...checks.flatMap(({ subject, level, findings, remedy }) =>
      findings.length === 0
        ? []
        : [{ isAdvice: level === "advice", message: `${subject}: ${findings.join("; ")}.`, remedy }],
    ),
    ...(health?.limits ?? []).map(({ message, remedy }) => ({ isAdvice: true, message, remedy })),
  ];
  const wrong = findings.filter(({ isAdvice }) => !isAdvice);
  const advice = findings.filter(({ isAdvice }) => isAdvice);
  return [
    ...columns([["Database", database], ...(health === null ? [] : numbers(health)), ["Well", well.join(", ")]]),
    ...[...wrong, ...advice].flatMap(({ isAdvice, message, remedy }) => [
      "",
      `${isAdvice ? "Advice" : "Wrong"}: ${message}`,
      `  ${remedy}`,
    ]),
    "",
    `${wrong.length === 0 ? "Nothing is wrong" : `${plural(wrong.length, "thing")} wrong`}; ${advice.length === 0 ? "no" : advice.length} advice.`,
  ];
}

function numbers(health: Health): [string, string][] {
  const { connections, activity, audit, replication } = health;
  const waiting = health.backlogs.filter(({ due, given_up }) => due + given_up > 0);
  const known = (subject: string, words: string): string =>
    health.limits.some((limit) => limit.subject === subject) ? "cannot be seen" : words;
  return [
    ["PostgreSQL", `${health.server_version}${replication.is_standby ? ", a standby" : ""}`],
    ["Size", `${size(health.database_bytes)}; the largest tables:`],
    ...health.tables
      .slice(0, LARGEST)
      .map(({ table_name, bytes, estimated_rows, growth_bytes_a_day }): [string, string] => [
        "",
        `${table_name}, ${size(bytes)}, about ${plural(estimated_rows, "row")}${growth_bytes_a_day === null ? "" : `, ${growth_bytes_a_day < 0 ? "-" : "+"}${size(Math.abs(growth_bytes_a_day))} a day`}`,
      ]),
    ["Connections", `${connections.used} of ${connections.usable}`],
    ...(activity === null
      ? []
      : ([
          [
            "Activity",
            `${percent(activity.cache_hit_percent)} from the cache, ${percent(activity.rolled_back_percent)} of the transactions rolled back`,
          ],
        ] satisfies [string, string][])),
    [
      "Settings",
      health.preference_query_ms === null
        ? known("preference_query_ms", "no user")
        : `of a user in ${health.preference_query_ms.toFixed(1)} ms`,
    ],
    ...(audit === null
      ? []
      : ([
          [
            "Audit",
            `${size(audit.bytes)}, ${plural(audit.rows_last_day, "row")} (${size(audit.bytes_last_day)}) in a day, ${audit.unsealed_rows} not sealed`,
          ],
        ] satisfies [string, string][])),
    [
      "Waiting",
      known(
        "backlogs",
        waiting.map(({ name, due, given_up }) => `${name} ${due} due, ${given_up} given up`).join(", ") || "nothing",
      ),
    ],
    [
      "Standbys",
      replication.is_standby ? `${replication.replay_lag_seconds ?? 0} s behind` : String(replication.standbys.length),
    ],
  ];
}

function percent(value: number | null): string {
  return value === null ? "nothing" : `${value.toFixed(1)} %`;
}

function size(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(bytes, 1)) / 10));
  return `${(bytes / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power] ?? ""}`;
}
