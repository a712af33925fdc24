/** Makes the data of a new cluster. */
import { chown, mkdir, rm, writeFile } from "node:fs/promises";
import { messageOf, UserError } from "../user-error.ts";
import { type Account, environment, lastComplaint, type Programs, run } from "./programs.ts";

/** Makes a new cluster in `folder`, with the superuser `postgres`; on failure nothing of it stays. */
export async function initdb(
  programs: Programs,
  account: Account,
  folder: string,
  password: string,
  how: { sync: boolean; signal?: AbortSignal | undefined },
): Promise<void> {
  const passwordFile = `${folder}.password`;
  try {
    await mkdir(folder, { mode: 0o700 });
    await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
    if (account.uid !== undefined && account.gid !== undefined) {
      await chown(folder, account.uid, account.gid);
      await chown(passwordFile, account.uid, account.gid);
    }
    await run(
      programs.initdb,
      [
        `--pgdata=${folder}`,
        "--username=postgres",
        `--pwfile=${passwordFile}`,
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--lc-messages=C",
        ...localeFlags(programs.major),
        ...(how.sync ? [] : ["--no-sync"]),
      ],
      { ...account, env: environment(), cwd: folder, ...(how.signal && { signal: how.signal }) },
    );
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    how.signal?.throwIfAborted();
    throw new UserError(`PostgreSQL could not create its data folder ${folder}: ${lastComplaint(messageOf(error))}.`);
  } finally {
    await rm(passwordFile, { force: true });
  }
}

/** Sorting that is the same on every machine: PostgreSQL's own C.UTF-8 where it has one. */
function localeFlags(major: number): string[] {
  if (major >= 17) return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"];
  return [`--locale=${process.platform === "darwin" ? "en_US.UTF-8" : "C.UTF-8"}`];
}
