/** A data folder with a migrated embedded PostgreSQL, made once a run: for tests that are not about making one. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { rename } from "node:fs/promises";
import { promisify } from "node:util";
import { inject } from "vitest";
import { withClient } from "../../src/database/client.ts";
import { attune } from "./cli.ts";

/** Only has to be no one else's on the server of the tests. */
const LOCK = 4_711_001;

/** Copies it to `dataDir`, where nothing may be yet. */
export async function copyMade(dataDir: string): Promise<void> {
  const { ownerUrl, made } = inject("cluster");
  // Who needs it first makes it, and the others wait.
  await withClient(ownerUrl, async (client) => {
    await client.query("select pg_advisory_lock($1)", [LOCK]);
    if (!existsSync(made)) await make(made);
  });
  // Owners and rights too, which Node's own copying does not keep.
  await promisify(execFile)("cp", ["-a", made, dataDir]);
}

/** All of it or nothing. */
async function make(folder: string): Promise<void> {
  const draft = `${folder}.${process.pid}`;
  const { code, stderr } = await attune(["migrate"], { ATTUNE_DATA_DIR: draft });
  if (code !== 0) throw new Error(`The data folder of the tests was not made: ${stderr}`);
  await rename(draft, folder);
}
