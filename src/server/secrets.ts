/** Hands the master key to the transactions that need it, right before the statement that does. */
import type { PgClient, PgClientQuery, WithPgClient } from "postgraphile/@dataplan/pg";
import type { MasterKeys, ReadMasterKeys } from "../master-keys.ts";
import { UserError } from "../user-error.ts";
import { RequestError } from "./request-error.ts";

/**
 * The same connections, on which the keys are set for a transaction as soon as one of these functions is called there.
 * @param calls how such a call begins in a statement
 */
export function withMasterKeys(
  withPgClient: WithPgClient,
  calls: readonly string[],
  readKeys: ReadMasterKeys,
): WithPgClient {
  return (pgSettings, work) =>
    withPgClient(pgSettings, (client) => {
      const watched: PgClient = Object.create(client, {
        query: {
          value: async (statement: PgClientQuery) => {
            if (calls.some((call) => statement.text.includes(call))) await handOver(client, readKeys);
            return client.query(statement);
          },
        },
      });
      return work(watched);
    });
}

/** First it is made sure that PostgreSQL logs none of it. The keys are read after that, so that they are those of now. */
async function handOver(client: PgClient, readKeys: ReadMasterKeys): Promise<void> {
  await client.query({ text: "select attune_hidden.prepare_for_secrets()" });
  const keys = await readKeys().catch(refuseKeys);
  if (keys === undefined) return;
  await client.query({
    text: "select set_config('attune.master_key', $1, true), set_config('attune.previous_master_key', $2, true)",
    values: [keys.current, keys.previous ?? ""],
  });
}

/** Clients learn what is wrong, and the log which file it is. */
function refuseKeys(cause: unknown): MasterKeys | undefined {
  if (!(cause instanceof UserError)) throw cause;
  const hint = "Whoever runs the server finds the file in its log: restore it from a backup, or mend its rights.";
  throw new RequestError(409, "invalid_master_key", "The file of the master key is damaged or can't be read", hint, {
    cause,
  });
}
