/** `attune token`: a development token and nothing else. */
import { Command, InvalidArgumentError, Option } from "commander";
import { withClient } from "../database/client.ts";
import { readOptions } from "../options/options.ts";
import { signToken } from "../sign-in/jwt.ts";
import { resolveJwt } from "../sign-in/resolve-jwt.ts";
import { UserError } from "../user-error.ts";
import { withDatabase } from "./with-database.ts";

type TokenOptions = { email?: string; admin?: true; agent?: string; role: string; expires: string };

export function tokenCommand(): Command {
  return new Command("token")
    .description("print a development token, for a user who is made when missing; works while the server runs")
    .option("--email <address>", "whose token it is; only service_role needs none", email)
    .option("--admin", "make the user an administrator")
    .option(
      "--agent <name>",
      "an agent that acts for the user, with the user's rights: it is named beside what it writes",
      agent,
    )
    .addOption(
      new Option("--role <role>", "the role of the database that requests run as")
        .choices(["authenticated", "service_role"])
        .default("authenticated"),
    )
    .option("--expires <span>", "how long it is good for, like 30m, 12h or 7d", span, "12h")
    .addHelpText("after", '\nExample:\n  curl -H "Authorization: Bearer $(npx attune token --email you@example.com)" …')
    .action(async ({ email: address, admin, agent: actor, role, expires }: TokenOptions) => {
      if (address === undefined && role === "authenticated") throw new UserError("Say whose token it is with --email.");
      if (address === undefined && admin === true)
        throw new UserError("--admin makes a user an administrator, so name one with --email.");
      if (address === undefined && actor !== undefined)
        throw new UserError("--agent acts for a user, so name one with --email.");
      const options = readOptions(process.env);
      await withDatabase(
        { migrate: "existing" },
        async ({ ownerUrl, embedded }) => {
          const { secret } = resolveJwt(options, embedded?.jwtSecret);
          if (secret === undefined)
            throw new UserError(
              "Tokens come from the identity provider in JWT_ISSUER alone: set JWT_SECRET to sign some here too.",
            );
          const user =
            address === undefined ? {} : { sub: await ensureUser(ownerUrl, address, admin === true), email: address };
          const act = actor === undefined ? {} : { act: { sub: actor } };
          console.log(await signToken({ ...user, ...act, role }, { secret }, expires));
        },
        options,
      );
    });
}

async function ensureUser(ownerUrl: string, address: string, admin: boolean): Promise<string> {
  return withClient(ownerUrl, async (client) => {
    const {
      rows: [user],
    } = await client.query<{ id: string }>("select attune_private.ensure_user($1, $2) as id", [address, admin]);
    if (user === undefined) throw new Error("ensure_user returned nothing");
    return user.id;
  });
}

function email(value: string): string {
  if (!/^[^\s@]+@[^\s@]+$/.test(value)) throw new InvalidArgumentError("It must look like you@example.com.");
  return value;
}

function agent(value: string): string {
  if (value.trim() === "" || value.length > 200) throw new InvalidArgumentError("It has 1 to 200 characters.");
  return value;
}

function span(value: string): string {
  if (!/^[1-9]\d{0,5}[smhdw]$/.test(value)) throw new InvalidArgumentError("It must look like 30m, 12h or 7d.");
  return value;
}
