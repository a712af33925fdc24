/** `attune upgrade`: the embedded PostgreSQL of an older major version becomes one of this. */
import { Command } from "commander";
import { upgradeCluster } from "../embedded/upgrade.ts";
import { readOptions } from "../options/options.ts";
import { SIGNALS } from "../signals.ts";
import { UserError } from "../user-error.ts";
import { plural } from "../words.ts";

export function upgradeCommand(): Command {
  return new Command("upgrade")
    .description(
      "take the embedded PostgreSQL to the major version of this Attune; keeps the old folder, and changes nothing before the new one is compared with it",
    )
    .option("--leave-others", "leave behind, in the old folder, what is in the cluster and not Attune's")
    .addHelpText("after", "\nNo server may be running. Meanwhile it needs more than twice the space of the data.")
    .action(async ({ leaveOthers = false }: { leaveOthers?: boolean }) => {
      const { databaseUrl, dataDir, embeddedMajor, migrationWait } = readOptions(process.env);
      if (databaseUrl !== undefined)
        throw new UserError(
          "DATABASE_URL names a server of your own: upgrade that as its documentation says (pg_upgrade), and unset it for the embedded PostgreSQL.",
        );
      const controller = new AbortController();
      const interrupt = (): void => controller.abort(new UserError("Interrupted. Nothing was changed."));
      for (const signal of SIGNALS) process.once(signal, interrupt);
      try {
        const done = await upgradeCluster(dataDir, {
          major: embeddedMajor,
          leaveOthers,
          wait: migrationWait,
          signal: controller.signal,
          tell: (step) => console.log(step),
        });
        if (done === undefined) {
          console.log(`The database in ${dataDir} is of PostgreSQL ${embeddedMajor} already.`);
          return;
        }
        const { from, to, kept, others, settings } = done;
        console.log(`Upgraded from PostgreSQL ${from} to ${to}.`);
        if (others.length > 0) console.log(`Left behind, ${plural(others.length, "object")}: ${others.join(", ")}.`);
        if (settings.length > 0) console.log(`Not set any more: ${settings.join(", ")}.`);
        console.log(`The old data is in ${kept}: remove it when all is well.`);
      } finally {
        for (const signal of SIGNALS) process.off(signal, interrupt);
      }
    });
}
