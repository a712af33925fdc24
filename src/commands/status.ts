/** `attune status`: which database, and which migrations it has. */
import { Command } from "commander";
import { withClient } from "../database/client.ts";
import { describeDatabase } from "../database/connection-string.ts";
import { status } from "../database/migrations.ts";
import { clusterState } from "../embedded/cluster.ts";
import { type Options, readOptions } from "../options/options.ts";
import { plural } from "../words.ts";
import { serversElsewhere } from "./servers.ts";
import { columns } from "./terminal.ts";
import { withDatabase } from "./with-database.ts";

type Status = {
  /** Null when there is none yet. */
  database: { kind: "embedded" | "server"; at: string; version: string; running: boolean } | null;
  migrations: { applied: string[]; pending: string[] };
};

export function statusCommand(): Command {
  return new Command("status")
    .description("print which database is used and which migrations it has; changes nothing")
    .option("--json", "as JSON")
    .action(async ({ json }: { json?: true }) => {
      const options = readOptions(process.env);
      const found = await find(options);
      if (json === true) console.log(JSON.stringify(found, null, 2));
      else if (found.database !== null) console.log(describe(found.database, found.migrations).join("\n"));
      else {
        const elsewhere = await serversElsewhere(options.dataDir);
        console.log(`There is no database in ${options.dataDir} yet: \`npm start\` makes one.${elsewhere}`);
      }
    });
}

async function find(options: Options): Promise<Status> {
  const embedded = options.databaseUrl === undefined ? await clusterState(options.dataDir) : undefined;
  let found: Status = { database: null, migrations: { applied: [], pending: [] } };
  if (embedded?.state === "absent") return found;

  await withDatabase(
    { migrate: false },
    async ({ ownerUrl }) => {
      const { applied, pending } = await status(ownerUrl);
      const version = await withClient(ownerUrl, async (client) => {
        const {
          rows: [row],
        } = await client.query<{ version: string }>("select current_setting('server_version') as version");
        return row?.version ?? "";
      });
      found = {
        database:
          embedded === undefined
            ? { kind: "server", at: describeDatabase(ownerUrl), version, running: true }
            : { kind: "embedded", at: options.dataDir, version, running: embedded.state === "running" },
        migrations: { applied: applied.map(({ file }) => file), pending: pending.map(({ file }) => file) },
      };
    },
    options,
  );
  return found;
}

function describe(database: NonNullable<Status["database"]>, { applied, pending }: Status["migrations"]): string[] {
  const state = database.running ? "running" : "not running";
  return columns([
    ["Database", database.kind === "server" ? database.at : `embedded, in ${database.at}, ${state}`],
    ["PostgreSQL", database.version],
    ["Migrations", `${applied.length} applied, ${pending.length} pending`],
    ...applied.map((file): [string, string] => ["", file]),
    ...pending.map((file): [string, string] => ["", `${file} (pending)`]),
    ...(pending.length > 0
      ? [
          ["", `\`attune migrate\` applies the ${plural(pending.length, "pending migration")}.`] satisfies [
            string,
            string,
          ],
        ]
      : []),
  ]);
}
