/** The master keys that secrets are encrypted under, and where they are read from. */
import { readKeyFile } from "./embedded/key-file.ts";
import type { Options } from "./options/options.ts";

/** As they were given: in base64 or hexadecimal. */
export type MasterKeys = {
  current: string;
  /** The one of before, while keys change; undefined otherwise. */
  previous: string | undefined;
};

/** Reads the keys as they are now; undefined when there are none. */
export type ReadMasterKeys = () => Promise<MasterKeys | undefined>;

/** Where the keys come from: the environment, or on the embedded PostgreSQL the file beside its data, made when missing. */
export function masterKeysOf({ masterKeys, databaseUrl, dataDir }: Options): ReadMasterKeys {
  if (masterKeys !== undefined || databaseUrl !== undefined) return async () => masterKeys;
  return () => readKeyFile(dataDir);
}
