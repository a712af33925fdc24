/** `attune restore`: a backup becomes a database again. */
import { Command } from "commander";
import { MIGRATIONS_FOLDER } from "../database/migrations.ts";
import { checkDump, restore } from "../database/restore.ts";
import { withDatabase } from "./with-database.ts";

export function restoreCommand(): Command {
  return new Command("restore")
    .description(
      "make a database of what `attune dump` wrote, where there is none yet; all of it or nothing, and up to date afterwards",
    )
    .argument("<file>", "the dump")
    .action(async (file: string) => {
      const dump = await checkDump(file);
      await withDatabase({ migrate: "prepare" }, async ({ ownerUrl }, { migrationWait }) => {
        await restore(ownerUrl, dump, MIGRATIONS_FOLDER, migrationWait);
        console.log(`Restored the database of ${dump.header.at} from ${file}.`);
      });
    });
}
