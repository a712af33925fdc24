/** `attune query`: SQL without psql, as the owner or as a request would run it. */
import { Command, Option } from "commander";
import pg from "pg";
import { withClient } from "../database/client.ts";
import { positionOf, scanSql } from "../database/sql-script.ts";
import { type Identity, NOBODY, onlyUser, TRUSTED } from "../sign-in/authenticate.ts";
import { UserError } from "../user-error.ts";
import { decodeUtf8 } from "../utf8.ts";
import { aligned, csv, json, type Rows } from "./rows.ts";
import { readInput } from "./terminal.ts";
import { withDatabase } from "./with-database.ts";

type QueryOptions = { as?: string; role?: "anon" | "authenticated" | "service_role"; csv?: true; json?: true };

/** Values as PostgreSQL writes them. */
const RAW = { getTypeParser: () => (value: string) => value };

export function queryCommand(): Command {
  return new Command("query")
    .description("run SQL and print what psql would; one statement after the other, until one fails")
    .argument("[sql]", "without it the standard input is read")
    .option(
      "--as <email>",
      "as this user, with the rights of a request of theirs; without it as the owner, who may do everything",
    )
    .addOption(
      new Option("--role <role>", "as a request with this role").choices(["anon", "authenticated", "service_role"]),
    )
    .addOption(new Option("--csv", "print rows as CSV").conflicts("json"))
    .option("--json", "print rows as a JSON array of objects")
    .addHelpText(
      "after",
      '\nExample:\n  attune query --as ada@example.com "select key, value from attune.effective_settings()"',
    )
    .action(async (sql: string | undefined, options: QueryOptions) => {
      if ((options.role === "authenticated") !== (options.as !== undefined) && options.role !== undefined)
        throw new UserError("Whose rights? --role authenticated goes with --as, and no other role does.");
      const statements = statementsOf(sql ?? (await readScript()));
      await withDatabase({ migrate: false }, ({ ownerUrl }) =>
        withClient(ownerUrl, async (client) => {
          client.on("notice", ({ severity, message }) => console.error(`${severity}:  ${message}`));
          await become(client, options);
          for (const statement of statements) {
            if (!(await run(client, statement, options))) {
              process.exitCode = 1;
              return;
            }
          }
        }),
      );
    });
}

async function readScript(): Promise<string> {
  if (process.stdin.isTTY)
    throw new UserError('Say which SQL to run, as in `attune query "select now()"`, or pass it on the standard input.');
  const sql = decodeUtf8(await readInput());
  if (sql === undefined) throw new UserError("The standard input is not text in UTF-8.");
  return sql;
}

function statementsOf(sql: string): string[] {
  const { statements, metaCommand } = scanSql(sql);
  if (metaCommand !== undefined) {
    const { line } = positionOf(sql, metaCommand.at);
    throw new UserError(`${metaCommand.name} in line ${line} is a command of psql, not SQL: leave it out.`);
  }
  // A query ends for PostgreSQL where this stands.
  if (sql.includes("\0")) throw new UserError("The SQL has the character U+0000, which PostgreSQL cannot hold.");
  if (statements.length === 0) throw new UserError("There is no SQL to run.");
  return statements.map((start, index) => sql.slice(start, statements[index + 1]).trimEnd());
}

/** Takes the role and the claims of a request, for the whole connection. */
async function become(client: pg.Client, { as, role }: QueryOptions): Promise<void> {
  let identity: Identity;
  if (as !== undefined) identity = onlyUser(await findUser(client, as));
  else if (role === undefined) return;
  else identity = role === "anon" ? NOBODY : TRUSTED;
  for (const setting of Object.entries(identity.pgSettings))
    await client.query("select set_config($1, $2, false)", setting);
}

async function findUser(client: pg.Client, address: string): Promise<string> {
  const {
    rows: [user],
  } = await client.query<{ user_id: string }>(
    "select user_id from attune.user_emails where email = attune_private.email_key($1)",
    [address],
  );
  if (user === undefined) throw new UserError(`There is no user with the address ${address}.`);
  return user.user_id;
}

/** Runs one statement and prints what came of it. False when it failed. */
async function run(client: pg.Client, statement: string, options: QueryOptions): Promise<boolean> {
  let tag = "";
  const listen = ({ text }: { text: string }): void => {
    tag = text;
  };
  client.connection.on("commandComplete", listen);
  try {
    const { fields, rows, command } = await client.query<(string | null)[]>({
      text: statement,
      rowMode: "array",
      types: RAW,
    });
    const hasRows = fields.length > 0 || command === "SELECT";
    if (hasRows) process.stdout.write(print({ fields, rows }, options));
    if (options.csv !== true && options.json !== true && (!hasRows || /^(INSERT|UPDATE|DELETE|MERGE)/.test(tag)))
      console.log(tag);
    return true;
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    console.error(complaint(error, statement));
    return false;
  } finally {
    client.connection.off("commandComplete", listen);
  }
}

function print(result: Rows, options: QueryOptions): string {
  if (options.csv === true) return csv(result);
  return options.json === true ? json(result) : aligned(result);
}

/** An error as psql shows it, with the line it is about. */
function complaint(error: pg.DatabaseError, statement: string): string {
  const lines = [`${error.severity ?? "ERROR"}:  ${error.message}`];
  if (error.position !== undefined) {
    // PostgreSQL counts characters, from 1; an offset counts UTF-16 units.
    const offset = [...statement].slice(0, Number(error.position) - 1).join("").length;
    const { line, column } = positionOf(statement, offset);
    const start = `LINE ${line}: `;
    lines.push(`${start}${statement.split("\n")[line - 1]}`, `${" ".repeat(start.length + column - 1)}^`);
  }
  if (error.detail !== undefined) lines.push(`DETAIL:  ${error.detail}`);
  if (error.hint !== undefined) lines.push(`HINT:  ${error.hint}`);
  return lines.join("\n");
}
