/** Says in one sentence why a database can't be connected to. */
import type pg from "pg";
import { codeOf, messageOf, UserError } from "../user-error.ts";
import { withClient } from "./client.ts";
import { databaseOf, describeServer } from "./connection-string.ts";

/** One sentence for a connection that failed; the password is never in it. */
export function connectionError(error: unknown, connectionString: string, variable: string): UserError {
  const server = describeServer(connectionString);
  switch (codeOf(error)) {
    case "3D000":
      return new UserError(
        `There is no database ${databaseOf(connectionString)} at ${server}: \`attune migrate\` creates it.`,
      );
    case "28P01":
      return new UserError(`PostgreSQL at ${server} refuses the user or password in ${variable}.`);
    case "28000":
      return new UserError(`PostgreSQL at ${server} does not let the user in ${variable} in: ${messageOf(error)}.`);
    case "53300":
      return new UserError(
        `PostgreSQL at ${server} has no connection left: raise its max_connections or stop other clients.`,
      );
    case "57P03":
      return new UserError(`PostgreSQL at ${server} is just starting or stopping: try again.`);
    default:
      return new UserError(
        `PostgreSQL at ${server} can't be reached (${codeOf(error) ?? messageOf(error)}): check ${variable} and that the server runs.`,
      );
  }
}

/**
 * Runs `work` as the owner, on a connection of its own.
 * @throws UserError when the database that DATABASE_URL names can't be connected to
 */
export async function withOwner<T>(ownerUrl: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  return withClient(ownerUrl, work, (error) => connectionError(error, ownerUrl, "DATABASE_URL"));
}
