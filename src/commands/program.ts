/** The command line: `attune start`, `migrate`, `token`…, each with --help. */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { definitionsCommand } from "./definitions.ts";
import { migrateCommand } from "./migrate.ts";
import { rollbackCommand } from "./rollback.ts";
import { sqlCommand } from "./sql.ts";
import { startCommand } from "./start.ts";
import { statusCommand } from "./status.ts";
import { testCommand } from "./test.ts";
import { tokenCommand } from "./token.ts";
import { urlCommand } from "./url.ts";
import { messageOf } from "../user-error.ts";

const ENVIRONMENT = `
Environment, all optional:
  DATABASE_URL       the owner's connection string of a PostgreSQL 15 or newer; without it an embedded one is used
  AUTHENTICATOR_URL  the connection string of the role authenticator, where that role was there before Attune
  ATTUNE_DATA_DIR    folder of the embedded PostgreSQL (.attune in the project)
  HOST, PORT         where to listen (127.0.0.1, 5678)
  JWT_SECRET         signs and checks our own tokens, 32 bytes or more; required with DATABASE_URL, else one is made
  JWT_ISSUER         an identity provider whose tokens are accepted too: the \`iss\` that they have
  JWT_JWKS_URL, JWT_PUBLIC_KEY   its keys, one of the two
  JWT_AUDIENCE       the \`aud\` that they have (authenticated)
  AUTH_<NAME>_ISSUER, _CLIENT_ID, _CLIENT_SECRET, _SCOPES   a provider to sign in with at /auth/<name>; GOOGLE needs no issuer
  AUTH_REDIRECT_URL  the page of your application that is given the tokens then
  PUBLIC_URL         how browsers reach this server (http://localhost:PORT)
  TRUST_PROXY        how many proxies are in front of the server, or their addresses (none)
  ATTUNE_SINGLE_USER true: no sign-in, every request is the user system's; on this machine only
  LOG_LEVEL, CORS_ORIGINS, RATE_LIMIT, POOL_SIZE`;

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  return typeof manifest === "object" && manifest !== null && "version" in manifest ? String(manifest.version) : "";
}

const program = new Command("attune")
  .description("An application's settings, as a Postgres schema.")
  .version(version(), "-V, --version", "print the version")
  .helpOption("-h, --help", "print this help")
  .helpCommand(false)
  .addHelpText("after", ENVIRONMENT)
  .configureHelp({ sortSubcommands: false, showGlobalOptions: false });

const commands = [
  startCommand(),
  migrateCommand(),
  rollbackCommand(),
  statusCommand(),
  tokenCommand(),
  urlCommand(),
  testCommand(),
  sqlCommand(),
  definitionsCommand(),
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
  if (process.env["LOG_LEVEL"] === "debug" && error instanceof Error) console.error(error.stack);
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
