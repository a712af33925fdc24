/** `attune dump`: a backup of the database, without pg_dump. */
import { createWriteStream } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { Command } from "commander";
import { dump, recordDump } from "../database/dump.ts";
import { MIGRATIONS_FOLDER } from "../database/migrations.ts";
import { codeOf, UserError } from "../user-error.ts";
import { plural } from "../words.ts";
import { withDatabase } from "./with-database.ts";

export function dumpCommand(): Command {
  return new Command("dump")
    .description("write a backup of everything that is stored, as it is at this moment; works while the server runs")
    .argument("[file]", "where to write it, readable by you alone; without one it goes to the standard output")
    .addHelpText(
      "after",
      "\nIt holds password hashes and hashed tokens, but not the secret that signs tokens (JWT_SECRET, secrets.json)\nnor the key that credentials are encrypted under (ATTUNE_MASTER_KEY, master-key.json).\n`attune restore` takes it back.",
    )
    .action((file: string | undefined) =>
      withDatabase({ migrate: false }, async ({ ownerUrl }, { migrationWait }) => {
        const startedAt = new Date();
        const content = dump(ownerUrl, MIGRATIONS_FOLDER, migrationWait);
        if (file === undefined) {
          await pipeline(content, process.stdout, { end: false });
          await recordDump(ownerUrl, startedAt);
          return;
        }
        let rows = 0;
        await writeWhole(file, async function* () {
          rows = yield* content;
        });
        await recordDump(ownerUrl, startedAt);
        console.log(`Wrote ${plural(rows, "row")} to ${file}.`);
      }),
    );
}

/** Writes a file beside and renames it, so that a backup of before stays until this one is whole. */
async function writeWhole(file: string, content: () => AsyncGenerator<Buffer, void>): Promise<void> {
  const there = await stat(file).catch(() => undefined);
  if (there !== undefined && !there.isFile()) throw new UserError(`${file} is there, and is no file.`);
  const draft = `${file}.${process.pid}`;
  try {
    await pipeline(content, createWriteStream(draft, { mode: 0o600, flush: true }));
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true });
    const code = codeOf(error);
    throw ["ENOENT", "EACCES", "ENOSPC", "EROFS", "ENOTDIR"].includes(code ?? "")
      ? new UserError(`${file} can't be written (${code}).`)
      : error;
  }
}
