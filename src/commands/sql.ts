/** `attune sql`: the whole schema, or what is new in it, as one script. */
import { Command } from "commander";
import { rolesScript, schemaScript } from "../database/schema-script.ts";
import { migrationNumber } from "./terminal.ts";

type SqlOptions = { from?: number; unrecorded?: true; roles?: true };

export function sqlCommand(): Command {
  return new Command("sql")
    .description(
      "print the whole schema as one script, for a DBA with psql, for migrations of your own or for Supabase",
    )
    .option("--from <number>", "only the migrations after this one, as `attune status` numbers them", migrationNumber)
    .option("--unrecorded", "for a migration of your own: no transaction, and no record of what is applied")
    .option("--roles", "only the roles, where they are missing, for a server that a backup of pg_dump is restored on")
    .addHelpText(
      "after",
      '\nThe script is one transaction and needs the right to create roles. What is applied already is skipped:\n  attune sql | psql -v ON_ERROR_STOP=1 "$DATABASE_URL"',
    )
    .action(async ({ from, unrecorded, roles }: SqlOptions) => {
      process.stdout.write(
        roles === true
          ? await rolesScript()
          : await schemaScript({ ...(from !== undefined && { from }), isRecorded: unrecorded !== true }),
      );
    });
}
