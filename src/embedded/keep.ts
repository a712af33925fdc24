/** Keeps a running cluster at hand: connects again when a connection breaks, starts PostgreSQL again when it is gone. */
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { say } from "../say.ts";
import { messageOf, UserError } from "../user-error.ts";
import { runningServer } from "./processes.ts";

/** A server that runs, and our connection to it, whose locks say who has the cluster. */
export type Running = { control: pg.Client; pid: number; port: number };

/** How often PostgreSQL is started again before we give up, and the longest wait before an attempt, in milliseconds. */
const ATTEMPTS = 6;
const LONGEST_WAIT = 5000;

export type Kept = {
  /** The server as it is now, and the connection to it. */
  running: () => Running;
  /** Settles when the server is gone for good, or belongs to another process now. */
  lost: Promise<UserError>;
  /** Lets go of it; the server, if it runs, is the caller's to stop. */
  letGo: () => Promise<void>;
};

/**
 * Watches the control connection. Whether the server lives is judged by its process: a connection alone may be ended by
 * anybody who administers it, or by the crash of another.
 * @param first what is watched, with its locks taken
 * @param how.open joins the server, or starts it, on the port that it had
 * @param how.occupy takes the locks; a UserError from it means that another process has them
 */
export function keep(
  folder: string,
  first: Running,
  how: {
    open: (port: number, signal: AbortSignal) => Promise<Running>;
    occupy: (control: pg.Client) => Promise<void>;
  },
): Kept {
  const letting = new AbortController();
  const { signal } = letting;
  const { promise: lost, resolve: lose } = Promise.withResolvers<UserError>();
  let running = first;
  let recovery = Promise.resolve();

  const watch = (): void => {
    running.control.once("end", () => {
      if (signal.aborted) return;
      recovery = recover().catch((error: unknown) => {
        if (!signal.aborted) lose(error instanceof UserError ? error : new UserError(messageOf(error)));
      });
    });
  };

  const recover = async (): Promise<void> => {
    const was = running;
    let failures = 0;
    for (let wait = 50; ; wait = Math.min(wait * 2, LONGEST_WAIT)) {
      await sleep(wait, undefined, { signal });
      let next: Running;
      try {
        next = await how.open(was.port, signal);
      } catch (error) {
        signal.throwIfAborted();
        // It may take its time to recover, or refuse connections: as long as it lives, it is waited for.
        if ((await runningServer(folder)) !== undefined) continue;
        failures += 1;
        if (failures < ATTEMPTS) continue;
        throw error;
      }
      // Whatever follows, it is this one that has to be stopped.
      running = next;
      if (next.port !== was.port)
        throw new UserError(`The embedded PostgreSQL in ${folder} was started again on another port: start again.`);
      try {
        await how.occupy(next.control);
      } catch (error) {
        await next.control.end().catch(() => undefined);
        if (error instanceof UserError)
          throw new UserError(`The connection to the embedded PostgreSQL was lost, and then: ${error.message}`);
        continue;
      }
      say(
        next.pid === was.pid
          ? `The connection to the embedded PostgreSQL was lost, and made again (${folder}.log).`
          : `The embedded PostgreSQL was gone, and runs again (${folder}.log).`,
      );
      watch();
      return;
    }
  };

  watch();
  return {
    running: () => running,
    lost,
    letGo: async () => {
      letting.abort();
      await recovery;
    },
  };
}
