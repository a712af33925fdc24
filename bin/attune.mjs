#!/usr/bin/env node
/** Runs the command line with the Node that the project brings along, whichever Node started this. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import "../scripts/install.mjs";

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const node = path("../node_modules/node/bin/node");

if (process.execPath === node) {
  await import("../src/cli.ts");
} else {
  const child = spawn(node, [path("../src/cli.ts"), ...process.argv.slice(2)], { stdio: "inherit" });
  // A Ctrl-C in the terminal reaches both of us, and the child decides when it ends.
  process.on("SIGINT", () => undefined);
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code) => {
    process.exitCode = code ?? 1;
  });
}
