/** Stops a PostgreSQL and removes its folder when we end, however we end. */
import { spawn } from "node:child_process";

export type Watchdog = { stop: () => Promise<void> };

/** A shell that waits until our end of its input closes, which it does however we end, and then clears away. */
export function watch(pid: number, root: string): Watchdog {
  const script = `
    cat >/dev/null
    kill -QUIT "$0" 2>/dev/null
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do kill -0 "$0" 2>/dev/null || break; sleep 0.05; done
    rm -rf "$1"
  `;
  const shell = spawn("/bin/sh", ["-c", script, String(pid), root], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  const gone = new Promise<void>((resolve) => shell.once("exit", () => resolve()));
  shell.unref();
  return {
    stop: async () => {
      shell.stdin.end();
      shell.ref();
      await gone;
    },
  };
}
