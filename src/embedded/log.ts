/** The log of the embedded PostgreSQL: appended to by every start, and moved aside when it is large. */
import { copyFile, rename, stat, truncate } from "node:fs/promises";
import { codeOf } from "../user-error.ts";

/** How large the log gets, in bytes, and how many older ones are kept beside it. */
const LARGEST = 10 * 1024 * 1024;
const KEPT = 5;

/** How often a process that serves looks at the size, in milliseconds. */
const EVERY = 60_000;

/**
 * Copies a log that is large to `<file>.1`, the former one of that name to `<file>.2` and so on, and empties it. It
 * stays the same file, because the server holds it open and appends to it.
 */
export async function rotateLog(file: string): Promise<void> {
  const size = await stat(file).then(
    (found) => found.size,
    () => 0,
  );
  if (size < LARGEST) return;
  for (let number = KEPT - 1; number >= 1; number -= 1) {
    await rename(`${file}.${number}`, `${file}.${number + 1}`).catch((error: unknown) => {
      if (codeOf(error) !== "ENOENT") throw error;
    });
  }
  await copyFile(file, `${file}.1`);
  await truncate(file);
}

/** Rotates the log while its server runs, until the returned function is called. A log that can't be moved just grows. */
export function keepRotating(file: string): () => void {
  const timer = setInterval(() => void rotateLog(file).catch(() => undefined), EVERY).unref();
  return () => clearInterval(timer);
}
