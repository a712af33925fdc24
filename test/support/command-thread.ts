/** Runs command lines one after the other in a thread, where all that they need is loaded already. */
import { Console } from "node:console";
import { Readable, Writable } from "node:stream";
import { parentPort } from "node:worker_threads";
import { run } from "../../src/commands/program.ts";

export type CommandLine = { args: string[]; environment: Record<string, string> };
export type CommandOutcome = { code: number; stdout: string; stderr: string };

/** Ends the work of a command whose outcome is known. */
class Exit extends Error {}

/** The process as a command finds it: with these arguments, this environment, and nothing to read. */
function pretend({ args, environment }: CommandLine, exit: (code: number) => void): CommandOutcome {
  const outcome: CommandOutcome = { code: 0, stdout: "", stderr: "" };
  const collect = (name: "stdout" | "stderr"): Writable =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        outcome[name] += chunk.toString();
        done();
      },
    });
  const streams = { stdin: Readable.from([]), stdout: collect("stdout"), stderr: collect("stderr") };
  for (const [name, value] of Object.entries(streams)) Object.defineProperty(process, name, { value });
  globalThis.console = new Console(streams);
  process.argv = [...process.argv.slice(0, 2), ...args];
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, environment);
  process.exitCode = undefined;
  process.exit = (code = process.exitCode) => {
    exit(Number(code ?? 0));
    throw new Exit();
  };
  return outcome;
}

/** Leaves nobody listening for signals and errors whose command is over. */
async function outcomeOf(line: CommandLine): Promise<CommandOutcome> {
  const events = process.eventNames();
  const outcome = await new Promise<CommandOutcome>((resolve) => {
    const written = pretend(line, (code) => resolve({ ...written, code }));
    run().then(
      () => resolve({ ...written, code: Number(process.exitCode ?? 0) }),
      () => undefined,
    );
  });
  for (const event of process.eventNames()) if (!events.includes(event)) process.removeAllListeners(event);
  return outcome;
}

parentPort?.on("message", (line: CommandLine) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has none
  void outcomeOf(line).then((outcome) => parentPort?.postMessage(outcome));
});
