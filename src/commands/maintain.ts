/** `attune maintain`: what keeps the database well, by hand or by a timer of the system. */
import { Command, InvalidArgumentError } from "commander";
import pg from "pg";
import { withClient } from "../database/client.ts";
import { say } from "../say.ts";
import { codeOf, UserError } from "../user-error.ts";
import { aligned } from "./rows.ts";
import { withDatabase } from "./with-database.ts";

type MaintainOptions = { all?: true; batchSize: number; json?: true };

type Run = {
  status: "running" | "completed" | "failed" | "abandoned";
  affected_rows: string;
  error: string | null;
  details: { skipped?: string };
};

/** How often is told how far it is, in milliseconds. */
const PROGRESS = 1000;

/** What there is. */
const LIST = `
  select
    s.operation,
    s.cron,
    s.last_started_at as "lastStartedAt",
    s.last_completed_at as "lastCompletedAt",
    s.last_status as "lastStatus",
    m.error as "lastError",
    case when m.status = 'running' then m.affected_rows::double precision end as "affectedRows",
    case when m.status = 'running' then m.progressed_at end as "progressedAt",
    attune.maintenance_operations_is_stale(m) as "isStale"
  from attune.maintenance_schedules as s
  left join lateral (
    select * from attune.maintenance_operations as m where m.operation = s.operation order by m.id desc limit 1
  ) as m on true
  order by s.operation`;

/** The same for a person. */
const TABLE = `
  select
    l.operation,
    coalesce(l.cron, 'by hand') as "when (UTC)",
    to_char(l."lastCompletedAt" at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') as "last done",
    case
      when l."isStale" then 'stands still since ' || to_char(l."progressedAt" at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')
      when l."lastStatus" = 'running' then 'running, ' || l."affectedRows" || ' affected so far'
      when l."lastStatus" = 'failed' then 'failed: ' || l."lastError"
      else coalesce(l."lastStatus"::text, 'never done')
    end as state
  from (${LIST}) as l`;

export function maintainCommand(): Command {
  return new Command("maintain")
    .description(
      "do what keeps the database well; without an operation: print what there is, when it is done, and what became of it",
    )
    .argument("[operations...]", "such as remove_expired, one after the other")
    .option("--all", "all that have a schedule")
    .option("--batch-size <number>", "how many rows are done in one transaction, at most", batchSize, 1000)
    .option("--json", "what there is, as JSON")
    .addHelpText("after", "\nCtrl-C ends it after the batch under way; the next time it goes on from there.")
    .action(async (named: string[], { all, batchSize, json }: MaintainOptions) => {
      if (named.length > 0 && all === true) throw new UserError("Name operations, or say --all, not both.");
      if (json === true && (named.length > 0 || all === true))
        throw new UserError("--json is for what there is: leave the operations out.");
      await withDatabase({ migrate: false }, ({ ownerUrl }, _options, endsByItself) =>
        withClient(ownerUrl, async (client) => {
          const schedules = await readSchedules(client);
          if (json === true) console.log(JSON.stringify((await client.query(LIST)).rows, null, 2));
          else if (named.length === 0 && all !== true) {
            process.stdout.write(aligned(await client.query({ text: TABLE, rowMode: "array" })));
          } else {
            const operations =
              all === true ? Array.from(schedules.keys()).filter((name) => schedules.get(name)) : named;
            const unknown = operations.find((name) => !schedules.has(name));
            if (unknown !== undefined)
              throw new UserError(`There is no operation ${unknown}: ${Array.from(schedules.keys()).join(", ")}.`);
            const stopping = endsByItself();
            for (const [index, operation] of operations.entries()) {
              if (stopping.aborted) {
                say(`Stopped before ${operations.slice(index).join(", ")}.`);
                process.exitCode = 130;
                break;
              }
              await maintain(client, operation, batchSize, stopping);
            }
          }
        }),
      );
    });
}

/** When each is done. */
async function readSchedules(client: pg.Client): Promise<Map<string, string | null>> {
  try {
    const { rows } = await client.query<{ operation: string; cron: string | null }>(
      "select operation, cron from attune.maintenance_schedules order by operation",
    );
    return new Map(rows.map(({ operation, cron }) => [operation, cron]));
  } catch (error) {
    throw codeOf(error) === "42P01"
      ? new UserError("There is no maintenance in this database yet: `attune migrate` makes it.")
      : error;
  }
}

/** To its end, or until it is to stop. What goes wrong is told, and makes the status of the process 1. */
async function maintain(client: pg.Client, operation: string, size: number, stopping: AbortSignal): Promise<void> {
  const started = performance.now();
  const batch = async (): Promise<Run> => {
    const { rows } = await client.query<Run>("select * from attune.maintain($1, $2)", [operation, size]);
    const [run] = rows;
    if (run === undefined) throw new Error("maintain returned nothing");
    return run;
  };
  let [batches, told] = [0, started];
  const soFar = ({ affected_rows }: Run): string =>
    `${affected_rows} affected, ${batches} ${batches === 1 ? "batch" : "batches"}, ${((performance.now() - started) / 1000).toFixed(1)} s`;
  try {
    let run: Run;
    for (;;) {
      run = await batch();
      batches += 1;
      if (run.status !== "running") break;
      if (stopping.aborted) {
        say(`${operation} was stopped: ${soFar(run)}. \`attune maintain ${operation}\` goes on from there.`);
        process.exitCode = 130;
        return;
      }
      if (performance.now() - told < PROGRESS) continue;
      told = performance.now();
      say(`${operation}: ${soFar(run)} so far.`);
    }
    if (run.status === "failed") {
      say(
        `${operation} failed: ${(run.error ?? "").replace(/\.$/, "")}. What it had done before stays; see maintenance_operations.`,
      );
      process.exitCode = 1;
      return;
    }
    const skipped = run.details.skipped === undefined ? "" : ` (${run.details.skipped})`;
    console.log(`${operation} is done: ${soFar(run)}${skipped}.`);
  } catch (error) {
    if (codeOf(error) === "25006")
      throw new UserError("This database takes no changes, as a standby does: maintenance is done on the primary.");
    if (!(error instanceof pg.DatabaseError) || error.detail !== "maintenance_running") throw error;
    say(`${error.message}, by another process. ${error.hint ?? ""}`);
    process.exitCode = 1;
  }
}

function batchSize(value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new InvalidArgumentError("It must be a whole number.");
  return Number(value);
}
