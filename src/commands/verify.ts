/** `attune verify`: whether a database is as the migrations made it, and works. */
import { Command } from "commander";
import type { Difference } from "../database/catalogue.ts";
import { type Verification, verify } from "../database/verify.ts";
import { withDatabase } from "./with-database.ts";

export function verifyCommand(): Command {
  return new Command("verify")
    .description(
      "compare the database with what the migrations make of one, and try what matters in a transaction that is taken back; status 1 when something is wrong",
    )
    .option("--audit", "verify the audit log too, all of it: some 20,000 rows a second")
    .option("--json", "as JSON")
    .action(({ audit, json }: { audit?: true; json?: true }) =>
      withDatabase({ migrate: false }, async ({ ownerUrl }) => {
        const found = await verify(ownerUrl, { audit: audit === true });
        console.log(json === true ? JSON.stringify(found, null, 2) : describe(found).join("\n"));
        if (!found.isGood) process.exitCode = 1;
      }),
    );
}

function describe({ differences, checks, audit, isGood }: Verification): string[] {
  const [own, wrong] = [true, false].map((isHarmless) => differences.filter((each) => each.isHarmless === isHarmless));
  return [
    ...(wrong?.length === 0 ? ["ok: every object is as the migrations made it"] : (wrong ?? []).flatMap(explain)),
    ...(own ?? []).map(({ object }) => `note: this database has an object of its own, ${object}`),
    ...checks.map(({ outcome, what }) => `${outcome}: ${what}`),
    ...(audit === undefined
      ? []
      : audit.length === 0
        ? ["ok: the audit log is whole"]
        : audit.map((problem) => `not ok: the audit log, ${problem}`)),
    "",
    isGood ? "All is well." : "Something is wrong.",
  ];
}

function explain({ kind, object, expected, actual }: Difference): string[] {
  if (kind === "different")
    return [`not ok: ${object} is different`, `  is         ${actual ?? ""}`, `  should be  ${expected ?? ""}`];
  return [`not ok: ${object} ${kind === "missing" ? "is missing" : "should not be there"}`];
}
