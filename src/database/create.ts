/** Creates the database where it is missing. */
import pg from "pg";
import { codeOf, messageOf, UserError } from "../user-error.ts";
import { assertRights, assertVersion } from "./checks.ts";
import { withClient } from "./client.ts";
import { connectionError } from "./connection-error.ts";
import { databaseOf, describeServer, urlOfDatabase } from "./connection-string.ts";
import { withholdRights } from "./withhold-rights.ts";

/**
 * Creates the database that the connection string names, where it is missing.
 * @throws UserError when that is not possible
 */
export async function createDatabase(ownerUrl: string): Promise<void> {
  try {
    return await withClient(ownerUrl, async () => undefined);
  } catch (error) {
    if (codeOf(error) !== "3D000") throw connectionError(error, ownerUrl, "DATABASE_URL");
  }
  const name = databaseOf(ownerUrl);
  try {
    await withClient(urlOfDatabase(ownerUrl, "postgres"), async (client) => {
      // Where the rest could not be done, nothing is created.
      await assertVersion(client);
      await assertRights(client, { schemas: false });
      await client.query(`create database ${pg.escapeIdentifier(name)}`);
    });
    await withClient(ownerUrl, withholdRights);
  } catch (error) {
    // 42P04, 23505: another start was faster.
    if (error instanceof UserError) throw error;
    if (codeOf(error) === "42P04" || codeOf(error) === "23505") return;
    throw new UserError(
      `There is no database ${name} at ${describeServer(ownerUrl)}, and it could not be created (${messageOf(error)}): create it, owned by the user in DATABASE_URL.`,
    );
  }
}
