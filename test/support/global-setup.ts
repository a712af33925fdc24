/** Before the first test: one PostgreSQL, and one migrated database that every test file copies. */
import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { openDatabase } from "../../src/database/open.ts";
import { startThrowawayCluster } from "../../src/embedded/testing/throwaway.ts";
import { readOptions } from "../../src/options/options.ts";
import { createTemplate } from "../../src/pgtap/test-databases.ts";

/** Where the tests find their databases, and how their tokens are signed. */
export type TestCluster = {
  /** The owner's connection to a database that is always there, from which others are created. */
  ownerUrl: string;
  authenticatorUrl: string;
  template: string;
  jwtSecret: string;
  /** Where `copyMade` has its data folder. */
  made: string;
};

declare module "vitest" {
  interface ProvidedContext {
    cluster: TestCluster;
  }
}

/** Makes the database that others copy, on any server, and says how they are reached. */
export async function prepareCluster(ownerUrl: string): Promise<{ cluster: TestCluster; drop: () => Promise<void> }> {
  const jwtSecret = randomBytes(32).toString("hex");
  let authenticatorUrl = "";
  const template = await createTemplate(ownerUrl, async (databaseUrl) => {
    const options = readOptions({ DATABASE_URL: databaseUrl, JWT_SECRET: jwtSecret });
    ({ authenticatorUrl } = await openDatabase(options, { migrate: true }));
  });

  const folder = await mkdtemp(join(tmpdir(), "attune-made-"));
  // PostgreSQL runs as another user where this is root.
  await chmod(folder, 0o755);
  return {
    cluster: { ownerUrl, authenticatorUrl, template: template.name, jwtSecret, made: join(folder, "data") },
    drop: async () => {
      await template.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/**
 * Uses the server named by ATTUNE_TEST_CLUSTER_URL (the owner's connection to any database of it), or starts one that
 * is gone afterwards.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env["ATTUNE_TEST_CLUSTER_URL"];
  const server = given === undefined ? await startThrowawayCluster() : undefined;
  const { cluster, drop } = await prepareCluster(server?.ownerUrl("postgres") ?? given ?? "");
  project.provide("cluster", cluster);
  return async () => {
    await drop();
    await server?.stop();
  };
}
