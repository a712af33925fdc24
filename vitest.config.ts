/**
 * How Vitest runs test/: each file on its own clone of one migrated database, three at a time on two cores, as they
 * often wait for a process of their own.
 */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/global-setup.ts"],
    setupFiles: ["test/support/compile-cache.ts", "test/support/coverage.ts", "test/support/seed.ts"],
    pool: "forks",
    maxWorkers: 3,
    // Counting what is run takes its time.
    testTimeout: process.env["NODE_V8_COVERAGE"] === undefined ? 60_000 : 300_000,
    hookTimeout: 120_000,
    teardownTimeout: 10_000,
    // Node imports the modules itself, as it does in production: Vite would bring in a second copy of `graphql`.
    experimental: { viteModuleRunner: false, nodeLoader: false },
  },
});
