/** The command line: `attune start`, `migrate`, `token`…, each with --help. */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { environmentHelp } from "../options/documentation.ts";
import { given } from "../options/read-variable.ts";
import { messageOf } from "../user-error.ts";
import { definitionsCommand } from "./definitions.ts";
import { dumpCommand } from "./dump.ts";
import { migrateCommand } from "./migrate.ts";
import { queryCommand } from "./query.ts";
import { restoreCommand } from "./restore.ts";
import { rollbackCommand } from "./rollback.ts";
import { rotateKeyCommand } from "./rotate-key.ts";
import { sqlCommand } from "./sql.ts";
import { startCommand } from "./start.ts";
import { statusCommand } from "./status.ts";
import { testCommand } from "./test.ts";
import { tokenCommand } from "./token.ts";
import { urlCommand } from "./url.ts";

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  return typeof manifest === "object" && manifest !== null && "version" in manifest ? String(manifest.version) : "";
}

const program = new Command("attune")
  .description("An application's settings, as a Postgres schema.")
  .version(version(), "-V, --version", "print the version")
  .helpOption("-h, --help", "print this help")
  .helpCommand(false)
  .addHelpText("after", () => `\nEnvironment, all optional:\n${environmentHelp().join("\n")}`)
  .configureHelp({ sortSubcommands: false, showGlobalOptions: false });

const commands = [
  startCommand(),
  migrateCommand(),
  rollbackCommand(),
  statusCommand(),
  tokenCommand(),
  urlCommand(),
  queryCommand(),
  testCommand(),
  sqlCommand(),
  definitionsCommand(),
  dumpCommand(),
  restoreCommand(),
  rotateKeyCommand(),
];
for (const command of commands) program.addCommand(command);

function oneLine(text: string): string {
  return text.trim().replaceAll(/\s*\n\s*/g, " ");
}

/** Commander's own complaints have the form of all others. */
function configure(command: Command): void {
  command.exitOverride().configureOutput({
    outputError: (text, write) =>
      write(
        `attune: ${oneLine(text)
          .replace(/^error: /, "")
          .replace(/\.?$/, ".")}\n`,
      ),
  });
  for (const child of command.commands) configure(child);
}

configure(program);

// `attune sql | head`: whoever reads may stop before the end.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

/** Whatever goes wrong is one sentence; with LOG_LEVEL=debug its stack follows. */
function fail(error: unknown): never {
  console.error(`attune: ${oneLine(messageOf(error))}`);
  if (given(process.env, "LOG_LEVEL") === "debug" && error instanceof Error) console.error(error.stack);
  process.exit(1);
}

/** Runs the command that the arguments name. Ends the process when something goes wrong. */
export async function run(): Promise<void> {
  process.on("uncaughtException", fail);
  process.on("unhandledRejection", fail);
  try {
    await program.parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode;
    else fail(error);
  }
}
