/** `attune test`: the rules of the schema, checked by pgTAP. */
import { Command, InvalidArgumentError } from "commander";
import { readOptions } from "../options/options.ts";

export function testCommand(): Command {
  return new Command("test")
    .description("run the pgTAP files in sql-tests/, or those named, each in a database of its own")
    .argument("[files...]", "paths or globs")
    .option("--jobs <number>", "how many files run at a time", jobCount)
    .addHelpText(
      "after",
      "\nRuns on the server of DATABASE_URL, in databases that are dropped afterwards, else on a throwaway PostgreSQL.",
    )
    .action(async (files: string[], { jobs }: { jobs?: number }) => {
      const { databaseUrl } = readOptions(process.env);
      const { runPgtap } = await import("../pgtap/run.ts");
      const { passed, failures } = await runPgtap({
        files,
        ...(databaseUrl !== undefined && { ownerUrl: databaseUrl }),
        ...(jobs !== undefined && { jobs }),
      });
      if (failures.length > 0 || passed === 0) process.exitCode = 1;
    });
}

function jobCount(value: string): number {
  if (!/^[1-9]\d?$/.test(value)) throw new InvalidArgumentError("It must be a number from 1 to 99.");
  return Number(value);
}
