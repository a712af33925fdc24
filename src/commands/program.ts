/** The command line: `attune start`, `migrate`, `token`…, each with --help. */
import { Command, CommanderError } from "commander";
import { environmentHelp } from "../options/documentation.ts";
import { given } from "../options/read-variable.ts";
import { messageOf } from "../user-error.ts";
import { VERSION } from "../version.ts";

/** In the order of the help. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  start: async () => (await import("./start.ts")).startCommand(),
  migrate: async () => (await import("./migrate.ts")).migrateCommand(),
  rollback: async () => (await import("./rollback.ts")).rollbackCommand(),
  preflight: async () => (await import("./preflight.ts")).preflightCommand(),
  verify: async () => (await import("./verify.ts")).verifyCommand(),
  status: async () => (await import("./status.ts")).statusCommand(),
  doctor: async () => (await import("./doctor.ts")).doctorCommand(),
  token: async () => (await import("./token.ts")).tokenCommand(),
  url: async () => (await import("./url.ts")).urlCommand(),
  query: async () => (await import("./query.ts")).queryCommand(),
  test: async () => (await import("./test.ts")).testCommand(),
  sql: async () => (await import("./sql.ts")).sqlCommand(),
  definitions: async () => (await import("./definitions.ts")).definitionsCommand(),
  dump: async () => (await import("./dump.ts")).dumpCommand(),
  restore: async () => (await import("./restore.ts")).restoreCommand(),
  upgrade: async () => (await import("./upgrade.ts")).upgradeCommand(),
  maintain: async () => (await import("./maintain.ts")).maintainCommand(),
  "rotate-key": async () => (await import("./rotate-key.ts")).rotateKeyCommand(),
};

/** With the command of this name, or with all: loading all of them takes as long as a short command does. */
async function createProgram(wanted: string | undefined): Promise<Command> {
  const program = new Command("attune")
    .description("An application's settings, as a Postgres schema.")
    .version(VERSION, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand(false)
    .addHelpText("after", () => `\nEnvironment, all optional:\n${environmentHelp().join("\n")}`)
    .configureHelp({ sortSubcommands: false, showGlobalOptions: false });
  const named = Object.entries(COMMANDS).filter(([name]) => name === wanted);
  const needed = named.length > 0 ? named : Object.entries(COMMANDS);
  const commands = await Promise.all(needed.map(([, load]) => load()));
  for (const command of commands) program.addCommand(command);
  configure(program);
  return program;
}

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
  // `attune sql | head`: whoever reads may stop before the end.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
  try {
    const program = await createProgram(process.argv[2]);
    await program.parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode;
    else fail(error);
  }
}
