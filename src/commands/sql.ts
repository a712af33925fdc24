/** `attune sql`: the whole schema as one script. */
import { Command } from "commander";
import { rolesScript, schemaScript } from "../database/schema-script.ts";

export function sqlCommand(): Command {
  return new Command("sql")
    .description("print the whole schema as one script, for migrations of your own or for Supabase")
    .option("--roles", "only the roles, where they are missing, for a server that a backup of pg_dump is restored on")
    .addHelpText(
      "after",
      '\nThe script is one transaction and needs the right to create roles:\n  attune sql | psql -v ON_ERROR_STOP=1 "$DATABASE_URL"',
    )
    .action(async ({ roles }: { roles?: true }) => {
      process.stdout.write(await (roles === true ? rolesScript() : schemaScript()));
    });
}
