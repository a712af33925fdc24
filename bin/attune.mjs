#!/usr/bin/env node
/** Runs the CLI with the Node that the project brings along, whichever Node started this. */
import { spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const cli = path("../src/cli.ts");

const install = spawnSync(process.execPath, [path("../scripts/install.mjs")], { stdio: ["ignore", 2, 2] });
if (install.status !== 0) process.exit(install.status ?? 1);

const node = path("../node_modules/node/bin/node");
if (process.execPath === node) {
  process.argv[1] = cli;
  await import(cli);
} else {
  const child = spawn(node, [cli, ...process.argv.slice(2)], { stdio: "inherit" });
  // A Ctrl-C reaches both of us from the terminal, and the child decides when it ends.
  process.on("SIGINT", () => undefined);
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => {
    process.exitCode = signal === null ? (code ?? 1) : 1;
  });
}
