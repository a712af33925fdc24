/** The embedded PostgreSQL cluster: made, started or joined, recovered after a crash, stopped by the last one out. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chmod,
  chown,
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  unlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { connect, withClient } from "../database/client.ts";
import { codeOf, messageOf, UserError } from "../user-error.ts";
import {
  type Account,
  assertReachable,
  findAccount,
  findPrograms,
  freePort,
  initdb,
  isServerOf,
  LATEST_MAJOR,
  type Programs,
  readPostmaster,
  startPostgres,
  stopPostgres,
} from "./postgres.ts";

/** Made on the first start and kept in `secrets.json`, readable by nobody else. */
export type Secrets = {
  superuserPassword: string;
  ownerPassword: string;
  authenticatorPassword: string;
  jwtSecret: string;
  port: number;
};

export type EmbeddedCluster = {
  ownerUrl: string;
  secrets: Secrets;
  /** Settles when the server went away although nobody here stopped it. */
  lost: Promise<UserError>;
  /** Stops the server, unless it is in use by another process and this one is not the one that serves. */
  stop: () => Promise<void>;
};

/** Advisory locks in the database `postgres`; a process that dies, however it dies, lets go of them. */
const LOCK = { serving: 1, using: 2, setup: 3 };
const LOCK_CLASS = 0x4154_5455;

/**
 * Opens the cluster in `dataDir`: joins the server that runs there (one whose process was killed included), else
 * starts it, and makes it on the first start. Role and database `attune` exist when it returns.
 * @param what.serve take the cluster for a serving process, of which there is one at a time
 * @param what.signal gives up, and stops what was started
 * @throws UserError
 */
export async function openCluster(
  dataDir: string,
  what: { serve: boolean; signal?: AbortSignal },
): Promise<EmbeddedCluster> {
  const programs = await findPrograms(chosenMajor());
  const account = await findAccount();
  const folder = await prepareFolder(dataDir, programs, account);
  const secrets = await ensureSecrets(dataDir, folder);
  await ensureData(programs, account, folder, secrets, what.signal);

  for (let attempt = 1; ; attempt += 1) {
    what.signal?.throwIfAborted();
    const { control, pid, port } = await startOrJoin(programs, account, folder, dataDir, secrets);
    try {
      if (what.serve) await takeServing(control, dataDir);
      await control.query("select pg_advisory_lock_shared($1, $2)", [LOCK_CLASS, LOCK.using]);
      await ensureDatabase(control, secrets);
      return hold(control, { pid, port, folder, secrets, serve: what.serve });
    } catch (error) {
      await control.end().catch(() => undefined);
      // The last user of the cluster stopped it just when we came: start it again.
      if (error instanceof UserError || attempt === 5) throw error;
      await sleep(100);
    }
  }
}

export type ClusterState =
  { state: "absent" | "stopped" } | { state: "running"; ownerUrl: string; authenticatorUrl: string };

/** Whether a cluster was ever made in `dataDir`, and how to reach it while its server runs. Starts and changes nothing. */
export async function clusterState(dataDir: string): Promise<ClusterState> {
  const folder = join(await realpath(dataDir).catch(() => dataDir), "postgres");
  if ((await dataVersion(folder)) === undefined) return { state: "absent" };
  const running = await readPostmaster(folder);
  if (running === undefined || !(await isServerOf(running.pid, folder))) return { state: "stopped" };
  const { ownerPassword, authenticatorPassword } = await ensureSecrets(dataDir, folder);
  return {
    state: "running",
    ownerUrl: localUrl("attune", ownerPassword, running.port, "attune"),
    authenticatorUrl: localUrl("authenticator", authenticatorPassword, running.port, "attune"),
  };
}

function chosenMajor(): number {
  const value = process.env["ATTUNE_EMBEDDED_MAJOR"]?.trim() || String(LATEST_MAJOR);
  const major = Number(value);
  if (![15, 16, 17, 18].includes(major))
    throw new UserError(`ATTUNE_EMBEDDED_MAJOR must be 15, 16, 17 or 18, not "${value}".`);
  return major;
}

async function prepareFolder(dataDir: string, programs: Programs, account: Account): Promise<string> {
  await assertReachable(
    programs.postgres,
    account,
    "move the project to a folder that everybody may enter, or name a server in DATABASE_URL",
  );
  try {
    await mkdir(dataDir, { recursive: true, mode: account.uid === undefined ? 0o700 : 0o711 });
  } catch (error) {
    throw new UserError(
      `The data folder ${dataDir} can't be created (${codeOf(error)}): set ATTUNE_DATA_DIR to another.`,
    );
  }
  const folder = await realpath(dataDir);
  await assertReachable(folder, account, "set ATTUNE_DATA_DIR to a folder that everybody may enter");
  return join(folder, "postgres");
}

async function dataVersion(folder: string): Promise<number | undefined> {
  return readFile(join(folder, "PG_VERSION"), "utf8").then(
    (text) => Number(text.trim()),
    () => undefined,
  );
}

/** Reads the secrets; makes them in one step where there is nothing yet, so that two first starts agree on them. */
async function ensureSecrets(dataDir: string, folder: string): Promise<Secrets> {
  const file = join(dataDir, "secrets.json");
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

/** Makes the data in a folder beside and renames it, so that there is all of it or nothing. */
async function ensureData(
  programs: Programs,
  account: Account,
  folder: string,
  secrets: Secrets,
  signal: AbortSignal | undefined,
): Promise<void> {
  const version = await dataVersion(folder);
  if (version !== undefined && version !== programs.major) {
    throw new UserError(
      `${folder} was made by PostgreSQL ${version} and this is PostgreSQL ${programs.major}: dump it with the old version, or set ATTUNE_DATA_DIR to an empty folder.`,
    );
  }
  if (version !== undefined) return;

  const drafts = (await readdir(join(folder, ".."))).map((name) => /^postgres\.new-(\d+)/.exec(name));
  for (const draft of drafts) {
    if (draft !== null && !isAlive(Number(draft[1])))
      await rm(join(folder, "..", draft[0]), { recursive: true, force: true });
  }

  const draft = `${folder}.new-${process.pid}`;
  await initdb(programs, account, draft, secrets.superuserPassword, { sync: true, signal });
  try {
    await rename(draft, folder);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    if (codeOf(error) !== "ENOTEMPTY" && codeOf(error) !== "EEXIST") throw error;
    if ((await dataVersion(folder)) === undefined) {
      throw new UserError(
        `${folder} exists and holds no PostgreSQL data: remove it, or set ATTUNE_DATA_DIR to another folder.`,
      );
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) === "EPERM";
  }
}

type Running = { control: pg.Client; pid: number; port: number };

async function startOrJoin(
  programs: Programs,
  account: Account,
  folder: string,
  dataDir: string,
  secrets: Secrets,
): Promise<Running> {
  const logFile = join(dataDir, "postgres.log");
  const deadline = Date.now() + 30_000;
  for (;;) {
    const running = await readPostmaster(folder);
    try {
      if (running !== undefined && (await isServerOf(running.pid, folder))) {
        return { ...running, control: await connect(superuserUrl(running.port, secrets), controlName()) };
      }
      // A number in the file that now belongs to some other process would keep PostgreSQL from starting.
      if (running !== undefined && isAlive(running.pid)) await rm(join(folder, "postmaster.pid"), { force: true });

      const port = await freePort(secrets.port);
      await startPostgres(programs, account, folder, port, logFile);
      if (port !== secrets.port) {
        secrets.port = port;
        await writeSecrets(join(dataDir, `secrets.json.${process.pid}`), secrets);
        await rename(join(dataDir, `secrets.json.${process.pid}`), join(dataDir, "secrets.json"));
      }
    } catch (error) {
      if (codeOf(error) === "28P01") {
        throw new UserError(
          `The passwords in ${join(dataDir, "secrets.json")} are not those of the database beside it: restore the file from a backup.`,
        );
      }
      // Starting up, shutting down, another one was faster, the port was just taken, backends of a killed server are still leaving.
      const passing =
        ["57P03", "53300", "ECONNREFUSED", "ECONNRESET"].includes(codeOf(error) ?? "") ||
        /lock file|shared memory block|could not create any TCP|terminated unexpectedly/.test(messageOf(error));
      if (error instanceof UserError) throw error;
      if (!passing || Date.now() > deadline) {
        throw new UserError(
          `The embedded PostgreSQL in ${folder} did not start: ${messageOf(error)} (see ${logFile}).`,
        );
      }
      await sleep(50);
    }
  }
}

function controlName(): string {
  return `attune (process ${process.pid})`;
}

function superuserUrl(port: number, secrets: { superuserPassword: string }, database = "postgres"): string {
  return localUrl("postgres", secrets.superuserPassword, port, database);
}

/** `sslmode` keeps a PGSSLMODE of the caller out of it. */
function localUrl(user: string, password: string, port: number, database: string): string {
  return `postgres://${user}:${password}@127.0.0.1:${port}/${encodeURIComponent(database)}?sslmode=disable`;
}

/** One serving process per cluster. A holder that was just killed is given a moment to be noticed. */
async function takeServing(control: pg.Client, dataDir: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const {
      rows: [taken],
    } = await control.query<{ ok: boolean }>("select pg_try_advisory_lock($1, $2) as ok", [LOCK_CLASS, LOCK.serving]);
    if (taken?.ok === true) return;
    const {
      rows: [holder],
    } = await control.query<{ name: string }>(
      `select a.application_name as name
       from pg_locks as l join pg_stat_activity as a using (pid)
       where l.locktype = 'advisory' and l.classid = $1 and l.objid = $2 and l.granted`,
      [LOCK_CLASS, LOCK.serving],
    );
    const pid = Number(/\d+/.exec(holder?.name ?? "")?.[0]);
    if (isAlive(pid) || attempt === 40) {
      throw new UserError(
        `${dataDir} is already served by another ${holder?.name ?? "process"}: stop that one first, or set ATTUNE_DATA_DIR to another folder.`,
      );
    }
    await sleep(50);
  }
}

/** Creates the owner's role and database where they are missing; two processes at once wait for each other. */
async function ensureDatabase(control: pg.Client, secrets: { ownerPassword: string }): Promise<void> {
  const exists = async (): Promise<{ role: boolean; database: boolean }> => {
    const {
      rows: [found],
    } = await control.query<{ role: boolean; database: boolean }>(
      `select exists (select from pg_roles where rolname = 'attune') as role,
              exists (select from pg_database where datname = 'attune') as database`,
    );
    return found ?? { role: false, database: false };
  };
  const before = await exists();
  if (before.role && before.database) return;

  await control.query("select pg_advisory_lock($1, $2)", [LOCK_CLASS, LOCK.setup]);
  try {
    const found = await exists();
    if (!found.role)
      await control.query(
        `create role attune login createrole createdb password ${pg.escapeLiteral(secrets.ownerPassword)}`,
      );
    if (!found.database) await control.query("create database attune owner attune");
  } finally {
    await control.query("select pg_advisory_unlock($1, $2)", [LOCK_CLASS, LOCK.setup]);
  }
}

function hold(
  control: pg.Client,
  held: { pid: number; port: number; folder: string; secrets: Secrets; serve: boolean },
): EmbeddedCluster {
  let stopping: Promise<void> | undefined;
  const lost = new Promise<UserError>((resolve) => {
    control.on("end", () => {
      if (stopping === undefined)
        resolve(new UserError(`The embedded PostgreSQL stopped unexpectedly: ${held.folder}.log says why.`));
    });
  });
  const stop = async (): Promise<void> => {
    const {
      rows: [alone],
    } = await control
      .query<{ ok: boolean }>("select pg_try_advisory_lock($1, $2) as ok", [LOCK_CLASS, LOCK.using])
      .catch(() => ({ rows: [] }));
    if (held.serve || alone?.ok === true) await stopPostgres(held.pid, held.folder);
    await control.end().catch(() => undefined);
  };
  return {
    ownerUrl: localUrl("attune", held.secrets.ownerPassword, held.port, "attune"),
    secrets: held.secrets,
    lost,
    stop: () => (stopping ??= stop()),
  };
}

export type ThrowawayCluster = {
  major: number;
  port: number;
  /** The superuser's connection to a database, `postgres` by default. For tests of what needs one; Attune itself never does. */
  superuserUrl: (database?: string) => string;
  /** The connection of the role `attune` (login, createrole, createdb, no superuser) to a database, `postgres` by default. */
  ownerUrl: (database?: string) => string;
  /** Creates a database owned by `attune`, by copying `template` if one is named, and returns the owner's connection to it. */
  createDatabase: (name: string, template?: string) => Promise<string>;
  /** Stops the server and removes its data. Happens by itself when this process ends, even by `kill -9`. */
  stop: () => Promise<void>;
};

/**
 * Starts a cluster for tests: in a temporary folder, without durability, gone without a trace afterwards.
 * @param options.major 15 to 18; default ATTUNE_EMBEDDED_MAJOR, else 18
 * @param options.settings settings of postgresql.conf, on top of those for speed
 */
export async function startThrowawayCluster(
  options: { major?: number; settings?: Record<string, string> } = {},
): Promise<ThrowawayCluster> {
  const programs = await findPrograms(options.major ?? chosenMajor());
  const account = await findAccount();
  await assertReachable(programs.postgres, account, "move the project to a folder that everybody may enter");
  const root = await realpath(await mkdtemp(join(tmpdir(), "attune-test-")));
  const folder = join(root, "postgres");
  const superuserPassword = randomBytes(12).toString("base64url");
  const ownerPassword = randomBytes(12).toString("base64url");
  const settings = {
    fsync: "off",
    synchronous_commit: "off",
    full_page_writes: "off",
    max_connections: "200",
    max_wal_size: "4GB",
    autovacuum_naptime: "1h",
    ...options.settings,
  };

  let port = 0;
  let watchdog: Watchdog | undefined;
  try {
    if (account.uid !== undefined && account.gid !== undefined) await chown(root, account.uid, account.gid);
    await chmod(root, 0o700);
    await initdb(programs, account, folder, superuserPassword, { sync: false });
    for (let attempt = 1; watchdog === undefined; attempt += 1) {
      port = await freePort();
      try {
        const server = await startPostgres(programs, account, folder, port, join(root, "postgres.log"), settings);
        watchdog = watch(server.pid ?? 0, root);
      } catch (error) {
        if (attempt === 5) throw error;
      }
    }
    await withClient(superuserUrl(port, { superuserPassword }), (client) => ensureRole(client, ownerPassword));
  } catch (error) {
    await watchdog?.stop();
    await rm(root, { recursive: true, force: true });
    throw error;
  }

  const ownerUrl = (database = "postgres"): string => localUrl("attune", ownerPassword, port, database);
  return {
    major: programs.major,
    port,
    superuserUrl: (database) => superuserUrl(port, { superuserPassword }, database),
    ownerUrl,
    createDatabase: async (name, template) => {
      const from = template === undefined ? "" : ` template ${pg.escapeIdentifier(template)}`;
      await withClient(superuserUrl(port, { superuserPassword }), (client) =>
        client.query(`create database ${pg.escapeIdentifier(name)} owner attune${from}`),
      );
      return ownerUrl(name);
    },
    stop: watchdog.stop,
  };
}

async function ensureRole(client: pg.Client, password: string): Promise<void> {
  await client.query(`create role attune login createrole createdb password ${pg.escapeLiteral(password)}`);
}

type Watchdog = { stop: () => Promise<void> };

/** A shell that waits until our end of its input closes, which it does however we end, and then clears away. */
function watch(pid: number, root: string): Watchdog {
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
