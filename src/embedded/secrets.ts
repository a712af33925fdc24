/** The secrets of the embedded cluster: made once, kept beside its data. */
import { randomBytes } from "node:crypto";
import { link, readFile, rename, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { codeOf, messageOf, UserError } from "../user-error.ts";
import { dataVersion } from "./data-folder.ts";

export const FILE = "secrets.json";

/** Made on the first start and kept in `secrets.json`, readable by nobody else. */
export type Secrets = {
  superuserPassword: string;
  ownerPassword: string;
  authenticatorPassword: string;
  jwtSecret: string;
  port: number;
};

/** Reads the secrets; makes them in one step where there is nothing yet, so that two first starts agree on them. */
export async function ensureSecrets(dataDir: string, folder: string): Promise<Secrets> {
  const file = join(dataDir, FILE);
  for (;;) {
    try {
      const secrets: unknown = JSON.parse(await readFile(file, "utf8"));
      if (isSecrets(secrets)) return secrets;
      throw new SyntaxError();
    } catch (error) {
      if (error instanceof SyntaxError)
        throw new UserError(
          `${file} is damaged: restore it from a backup, or remove ${dataDir} and start with an empty database.`,
        );
      if (codeOf(error) === "EACCES")
        throw new UserError(
          `${file} belongs to another user of this machine: run as that user, or set ATTUNE_DATA_DIR.`,
        );
      if (codeOf(error) !== "ENOENT") throw new UserError(`${file} can't be read: ${messageOf(error)}.`);
    }
    if ((await dataVersion(folder)) !== undefined) {
      throw new UserError(
        `${file} is missing, and with it the passwords of the database beside it: restore it from a backup, or remove ${dataDir} and start with an empty database.`,
      );
    }
    const password = (): string => randomBytes(24).toString("base64url");
    const draft = `${file}.${process.pid}`;
    await writeSecrets(draft, {
      superuserPassword: password(),
      ownerPassword: password(),
      authenticatorPassword: password(),
      jwtSecret: randomBytes(48).toString("base64url"),
      port: 0,
    });
    await link(draft, file).catch((error: unknown) => {
      if (codeOf(error) !== "EEXIST") throw error;
    });
    await unlink(draft);
  }
}

/** Remembers the port that the server was given, so that the next start takes the same. */
export async function rememberPort(dataDir: string, secrets: Secrets, port: number): Promise<void> {
  if (port === secrets.port) return;
  secrets.port = port;
  const draft = join(dataDir, `${FILE}.${process.pid}`);
  await writeSecrets(draft, secrets);
  await rename(draft, join(dataDir, FILE));
}

async function writeSecrets(file: string, secrets: Secrets): Promise<void> {
  await writeFile(file, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 });
}

function isSecrets(value: unknown): value is Secrets {
  if (typeof value !== "object" || value === null) return false;
  const record = new Map<string, unknown>(Object.entries(value));
  return (
    ["superuserPassword", "ownerPassword", "authenticatorPassword", "jwtSecret"].every(
      (key) => typeof record.get(key) === "string",
    ) && typeof record.get("port") === "number"
  );
}
