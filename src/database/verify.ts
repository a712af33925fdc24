/** After a deployment or a restore: whether all is there as the migrations made it, and works. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type pg from "pg";
import { messageOf, UserError } from "../user-error.ts";
import { plural } from "../words.ts";
import { compareCatalogues, type Difference, expectedCatalogue, readCatalogue } from "./catalogue.ts";
import { inTransaction, withClient } from "./client.ts";
import { MIGRATIONS_FOLDER, status } from "./migrations.ts";

export type Check = { outcome: "ok" | "not ok" | "skipped"; what: string };

export type Verification = {
  /** What is not as the migrations made it. */
  differences: Difference[];
  /** What was tried, in a transaction that was taken back. */
  checks: Check[];
  /** Whether the audit log was found whole; undefined where that was not asked. */
  audit: string[] | undefined;
  isGood: boolean;
};

/**
 * Compares the catalogue, then tries what matters. Nothing stays but the numbers that sequences gave.
 * @param options.audit whether the whole audit log is verified too, which takes as long as it is long
 * @throws UserError where migrations are missing: then nothing is as it should be
 */
export async function verify(ownerUrl: string, options: { audit: boolean }): Promise<Verification> {
  const { applied, pending } = await status(ownerUrl);
  if (pending.length > 0) {
    throw new UserError(
      applied.length === 0
        ? "There is no Attune in the database yet: `attune migrate` makes it."
        : `The database lacks ${plural(pending.length, "migration")}, ${pending[0]?.file ?? ""} first: run \`attune migrate\`, or verify it with the version of Attune that it is at.`,
    );
  }
  return withClient(ownerUrl, async (client) => {
    const differences = compareCatalogues(await expectedCatalogue(), await readCatalogue(client));
    const checks = (await isStandby(client))
      ? [{ outcome: "skipped", what: "on a standby nothing can be tried that writes" } satisfies Check]
      : await smokeTest(client);
    const audit = options.audit ? await verifyAudit(client) : undefined;
    const isGood =
      differences.every(({ isHarmless }) => isHarmless) &&
      checks.every(({ outcome }) => outcome !== "not ok") &&
      (audit ?? []).length === 0;
    return { differences, checks, audit, isGood };
  });
}

/** Whether the database takes no writes at all. */
async function isStandby(client: pg.Client): Promise<boolean> {
  const {
    rows: [server],
  } = await client.query<{ standby: boolean }>("select pg_catalog.pg_is_in_recovery() as standby");
  return server?.standby === true;
}

/** Runs `migrations/verify/smoke-test.sql`, which takes itself back. */
async function smokeTest(client: pg.Client): Promise<Check[]> {
  const script = await readFile(join(MIGRATIONS_FOLDER, "verify/smoke-test.sql"), "utf8");
  const checks: Check[] = [];
  const listen = ({ message = "" }: { message?: string | undefined }): void => {
    const [, outcome, what] = /^(ok|not ok|skipped): (.*)$/s.exec(message) ?? [];
    if (outcome === "ok" || outcome === "not ok" || outcome === "skipped") checks.push({ outcome, what: what ?? "" });
  };
  client.on("notice", listen);
  try {
    await client.query(script);
  } catch (error) {
    if (checks.every(({ outcome }) => outcome !== "not ok")) checks.push({ outcome: "not ok", what: messageOf(error) });
  } finally {
    client.off("notice", listen);
    await client.query("rollback");
  }
  return checks;
}

/** What `verify_audit()` complains of. */
async function verifyAudit(client: pg.Client): Promise<string[]> {
  return inTransaction(client, async () => {
    await client.query("set transaction read only");
    const { rows } = await client.query<{ problem: string }>(
      "select v::text as problem from attune.verify_audit() as v",
    );
    return rows.map(({ problem }) => problem);
  });
}
