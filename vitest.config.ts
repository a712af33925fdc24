/**
 * How Vitest runs test/: each file on its own clone of one migrated database, three at a time on two cores, as they
 * often wait for a process of their own, the longest first.
 */
import { basename } from "node:path";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** By what they take: a run is over when its last file is, and Vitest itself knows no more than their sizes at first. */
const LONGEST = [
  "start",
  "readme",
  "rollback",
  "dump",
  "hostile",
  "explorer",
  "cli",
  "rotate-key",
  "which-server",
  "adopting",
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const place = LONGEST.indexOf(basename(moduleId, ".test.ts"));
      return place === -1 ? LONGEST.length : place;
    };
    // oxlint-disable-next-line unicorn/no-array-sort -- a sequencer is no array
    const usual = await super.sort(files);
    return usual.toSorted((a, b) => rank(a) - rank(b));
  }
}

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/global-setup.ts"],
    setupFiles: ["test/support/compile-cache.ts", "test/support/coverage.ts", "test/support/seed.ts"],
    pool: "forks",
    // PostGraphile is loaded once a worker.
    isolate: false,
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    // Counting what is run takes its time.
    testTimeout: process.env["NODE_V8_COVERAGE"] === undefined ? 120_000 : 300_000,
    hookTimeout: 120_000,
    teardownTimeout: 10_000,
    // Node imports the modules itself, as it does in production: Vite would bring in a second copy of `graphql`.
    experimental: { viteModuleRunner: false, nodeLoader: false },
  },
});
