/** `attune preflight`: whether a deployment can go well; changes nothing. */
import { Command, InvalidArgumentError } from "commander";
import { type Preflight, preflight } from "../database/preflight.ts";
import { plural } from "../words.ts";
import { columns } from "./terminal.ts";
import { withDatabase } from "./with-database.ts";

export function preflightCommand(): Command {
  return new Command("preflight")
    .description(
      "look before a deployment whether it can go well; changes nothing, and ends with status 1 when it should not go ahead",
    )
    .option("--servers <number>", "how many server processes run at once meanwhile, old and new", serverCount, 2)
    .option("--json", "as JSON")
    .addHelpText(
      "after",
      "\nWhat pending migrations lock is found by applying them to a copy of the schema, without rows, on a PostgreSQL of its own.",
    )
    .action(({ servers, json }: { servers: number; json?: true }) =>
      withDatabase({ migrate: false }, async ({ ownerUrl }, options) => {
        const found = await preflight(ownerUrl, options, servers);
        console.log(json === true ? JSON.stringify(found, null, 2) : describe(found).join("\n"));
        if (!found.mayGoAhead) process.exitCode = 1;
      }),
    );
}

function serverCount(value: string): number {
  if (!/^[1-9]\d{0,3}$/.test(value))
    throw new InvalidArgumentError("It must be how many servers there are, 1 or more.");
  return Number(value);
}

function describe({ checks, pending, mayGoAhead }: Preflight): string[] {
  const count = pending?.length ?? 0;
  return [
    ...columns(
      checks.flatMap(({ subject, level, findings, remedy }): [string, string][] => [
        [subject, level === "ok" ? "ok" : `${level}: ${findings[0] ?? ""}`],
        ...findings.slice(1).map((finding): [string, string] => ["", `${level}: ${finding}`]),
        ...(level === "ok" || remedy === "" ? [] : [["", remedy] satisfies [string, string]]),
      ]),
    ),
    "",
    ...(count === 0
      ? []
      : [
          `${plural(count, "migration")} to apply:`,
          ...(pending ?? []).map(
            ({ file, isOutside }) => `  ${file}${isOutside ? " (statement by statement, while everybody writes)" : ""}`,
          ),
          "",
        ]),
    mayGoAhead ? "Go ahead." : "Do not go ahead.",
  ];
}
