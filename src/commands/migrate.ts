/** `attune migrate`: brings the database up to date. */
import { Command } from "commander";
import { patienceOf } from "../database/attempts.ts";
import { migrate } from "../database/migrate.ts";
import { MIGRATIONS_FOLDER, status } from "../database/migrations.ts";
import { plural } from "../words.ts";
import { withDatabase } from "./with-database.ts";

export function migrateCommand(): Command {
  return new Command("migrate")
    .description("create what is missing (database, roles) and apply the migrations; `start` does this by itself")
    .action(() =>
      withDatabase({ migrate: "prepare" }, async ({ ownerUrl }, options) => {
        const { applied } = await migrate(ownerUrl, MIGRATIONS_FOLDER, patienceOf(options));
        for (const { file } of applied) console.log(file);
        const newest = (await status(ownerUrl)).applied.at(-1);
        console.log(
          applied.length > 0
            ? `${plural(applied.length, "migration")} applied.`
            : `Up to date at ${newest?.file ?? "nothing"}.`,
        );
      }),
    );
}
