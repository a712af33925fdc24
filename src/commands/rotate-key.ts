/** `attune rotate-key`: another master key for the secrets that are stored. */
import { setTimeout as sleep } from "node:timers/promises";
import { Command, InvalidArgumentError } from "commander";
import type pg from "pg";
import { inTransaction, withClient } from "../database/client.ts";
import { beginKeyChange, endKeyChange } from "../embedded/key-file.ts";
import type { MasterKeys } from "../master-keys.ts";
import { say } from "../say.ts";
import { codeOf, UserError } from "../user-error.ts";
import { plural } from "../words.ts";
import { withDatabase } from "./with-database.ts";

/** How long another change of keys is waited for. */
const PATIENCE = "5s";

/** How often is told how far it is, in milliseconds. */
const PROGRESS = 1000;

export function rotateKeyCommand(): Command {
  return new Command("rotate-key")
    .description(
      "encrypt the data keys of all credentials under another master key; can be interrupted, and run again to go on",
    )
    .option("--batch-size <number>", "how many keys are done in one transaction", batchSize, 500)
    .addHelpText(
      "after",
      "\nWith the embedded PostgreSQL it makes the new key. Else ATTUNE_MASTER_KEY is the new one, and\nATTUNE_PREVIOUS_MASTER_KEY the old one: start all servers with both first.",
    )
    .action(({ batchSize }: { batchSize: number }) =>
      withDatabase({ migrate: "existing" }, ({ ownerUrl }, { masterKeys, databaseUrl, dataDir }) =>
        withClient(ownerUrl, async (client) => {
          await waitForOthers(client);
          if (masterKeys !== undefined || databaseUrl !== undefined) {
            await changeKeys(client, masterKeys, batchSize);
            console.log("ATTUNE_PREVIOUS_MASTER_KEY is needed no more.");
          } else {
            await changeKeys(client, await beginKeyChange(dataDir), batchSize);
            await endKeyChange(dataDir);
          }
        }),
      ),
    );
}

/** Two at once would each make a key of their own. Who was killed lets go as soon as PostgreSQL has noticed. */
async function waitForOthers(client: pg.Client): Promise<void> {
  await client.query("select set_config('lock_timeout', $1, false)", [PATIENCE]);
  try {
    await client.query("select pg_advisory_lock(hashtextextended('attune rotate-key', 0))");
  } catch (error) {
    throw codeOf(error) === "55P03" ? new UserError("Another `attune rotate-key` is at work: wait for it.") : error;
  }
  await client.query("reset lock_timeout");
}

/** @throws UserError when a key is missing */
async function changeKeys(client: pg.Client, keys: MasterKeys | undefined, batchSize: number): Promise<void> {
  const { current, previous } = keys ?? {};
  if (current === undefined || previous === undefined)
    throw new UserError("Set ATTUNE_MASTER_KEY to the new key, and ATTUNE_PREVIOUS_MASTER_KEY to the old one.");
  const withKeys = <Row extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<Row | undefined> =>
    inTransaction(client, async () => {
      await client.query("select attune_hidden.prepare_for_secrets()");
      await client.query(
        "select set_config('attune.master_key', $1, true), set_config('attune.previous_master_key', $2, true)",
        [current, previous],
      );
      return (await client.query<Row>(sql, values)).rows[0];
    });

  const left = async (): Promise<number> =>
    Number((await withKeys<{ left: string }>("select attune_private.start_rotation() as left"))?.left);
  const total = await left();
  say(`${plural(total, "data key")} to wrap anew.`);
  let [done, damaged, told] = [0, 0, performance.now()];
  do {
    for (;;) {
      const batch = await withKeys<{ rewrapped: number; damaged: number }>(
        "select rewrapped, damaged from attune_private.rewrap_data_keys($1)",
        [batchSize],
      );
      if (batch === undefined || batch.rewrapped + batch.damaged === 0) break;
      done += batch.rewrapped;
      damaged += batch.damaged;
      if (performance.now() - told < PROGRESS) continue;
      told = performance.now();
      say(`${done} of ${total} are done.`);
    }
  } while ((await left()) > 0 && (await sleep(100, true)));

  console.log(`${plural(done, "data key")} wrapped anew; none is left under the old master key.`);
  if (damaged > 0)
    say(
      `${plural(damaged, "credential")} could be read under no key, because the tables were changed: set them again. ` +
        `They are ${(await damagedCredentials(client)).join(", ")}.`,
    );
}

/** Whose credentials, and of which provider, can be read under no key. */
async function damagedCredentials(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select concat_ws(' ', s.provider, 'of', coalesce(s.source || ' ' || s.owner_id, 'everybody')) as name
     from attune_private.stored_secrets as s
     where s.master_key_mark is null
     order by 1`,
  );
  return rows.map(({ name }) => name);
}

function batchSize(value: string): number {
  if (!/^[1-9]\d{0,3}$/.test(value)) throw new InvalidArgumentError("It must be a whole number from 1 to 9999.");
  return Number(value);
}
