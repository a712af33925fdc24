/** `attune rollback --to N`: takes migrations back, after saying what that loses. */
import { Command } from "commander";
import { patienceOf } from "../database/attempts.ts";
import type { Loss } from "../database/losses.ts";
import { MIGRATIONS_FOLDER } from "../database/migrations.ts";
import { planRollback, rollback } from "../database/rollback.ts";
import { plural, pluralOf } from "../words.ts";
import { columns, confirm, migrationNumber } from "./terminal.ts";
import { withDatabase } from "./with-database.ts";

export function rollbackCommand(): Command {
  return new Command("rollback")
    .description(
      "go back to an earlier migration, in one transaction; prints what will be lost and asks before it does it",
    )
    .requiredOption(
      "--to <number>",
      "the migration that stays the last, as `attune status` numbers them; 0 removes everything",
      migrationNumber,
    )
    .option("--yes", "do not ask")
    .action(({ to, yes }: { to: number; yes?: true }) =>
      withDatabase({ migrate: false }, async ({ ownerUrl }, options) => {
        const patience = patienceOf(options);
        const { migrations, losses } = await planRollback(ownerUrl, to, MIGRATIONS_FOLDER, patience);
        console.log("Takes back, newest first:");
        for (const { file } of migrations) console.log(`  ${file}`);
        console.log("and loses for ever:");
        for (const line of describe(losses)) console.log(`  ${line}`);

        if (
          yes !== true &&
          !(await confirm(
            "Go ahead?",
            "Nothing was rolled back: there is no terminal to ask at, so add --yes if you mean it.",
          ))
        ) {
          console.log("Nothing was rolled back.");
          return;
        }
        await rollback(ownerUrl, to, MIGRATIONS_FOLDER, patience);
        console.log(to === 0 ? "Rolled back; nothing of Attune is left." : `Rolled back to migration ${to}.`);
      }),
    );
}

/** Data first and counted; what holds none only as far as somebody may look for it. */
function describe(losses: Loss[]): string[] {
  const data = losses.flatMap(({ kind, name, count }): [string, string][] => {
    if (kind === "table") return [[`table ${name}`, count === 0 ? "empty" : plural(count, "row")]];
    if (kind === "column") return [[`column ${name}`, count === 0 ? "empty" : plural(count, "value")]];
    return kind === "rows" ? [[`rows of ${name}`, plural(count, "row")]] : [];
  });
  const functions = losses.filter(({ kind }) => kind === "function").length;
  const roles = losses.filter(({ kind }) => kind === "role").map(({ name }) => name);
  const lines = [
    ...columns(data),
    ...(functions > 0 ? [plural(functions, "function")] : []),
    ...(roles.length > 0 ? [`the ${pluralOf("role", roles.length)} ${roles.join(", ")}`] : []),
  ];
  return lines.length > 0 ? lines : ["nothing that holds data"];
}
