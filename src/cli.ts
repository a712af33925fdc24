#!/usr/bin/env node
/** Where the command line starts: with the compiled code of the last time, which halves the wait. */
import { enableCompileCache } from "node:module";
import { join } from "node:path";

enableCompileCache(join(import.meta.dirname, "../node_modules/.cache/attune"));

const { run } = await import("./commands/program.ts");
await run();
