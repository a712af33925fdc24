/** What may be wrong with a database, its server and this process's configuration, check by check. Changes nothing. */
import { access, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type pg from "pg";
import { KEY_FILE } from "../embedded/key-file.ts";
import { FILE as SECRETS_FILE } from "../embedded/secrets.ts";
import { masterKeysOf } from "../master-keys.ts";
import type { Options } from "../options/options.ts";
import { resolveJwt } from "../sign-in/resolve-jwt.ts";
import { codeOf, messageOf, UserError } from "../user-error.ts";
import { plural } from "../words.ts";
import { authenticatorUrlOf, canLogIn } from "./authenticator.ts";
import { compareCatalogues, expectedCatalogue, readCatalogue } from "./catalogue.ts";
import { inTransaction } from "./client.ts";
import { MIGRATIONS_FOLDER, statusOn } from "./migrations.ts";
import type { OwnerConnection } from "./open.ts";
import { connectionsOf } from "./server-connections.ts";

type Level = "ok" | "advice" | "problem";
export type Check = {
  subject: string;
  level: Level;
  /** What is wrong, each thing a sentence without its full stop; nothing where all is well. */
  findings: string[];
  remedy: string;
};

/** Clocks that are further apart, in milliseconds, make tokens begin or end at the wrong time. */
const CLOCK_DIFFERENCE = 5000;
/** A secret with fewer different bytes was not made at random. */
const DIFFERENT_BYTES = 12;
/** SQLSTATE lock_not_available. */
const LOCK_NOT_AVAILABLE = "55P03";
const LOCKED_REMEDY =
  "See whose it is: select pid, relation::regclass, mode from pg_locks where mode like '%ExclusiveLock'; then look again.";
/** How many objects that are not as they should be are named. */
const NAMED = 10;

/**
 * Looks at everything that can be looked at; what cannot be is a finding, too.
 * @param client the owner's, not in a transaction
 */
export async function diagnose(client: pg.Client, owner: OwnerConnection, options: Options): Promise<Check[]> {
  const history = await unlessLocked("migrations", async () => [await historyCheck(client)]);
  const checks = [...history, ...(await configurationChecks(client))];
  checks.push(await clockCheck(client), ...(await secretChecks(owner, options)), ...(await folderChecks(options)));
  // What is there is known only of what these migrations made.
  if (history.every(({ level }) => level === "ok")) {
    checks.push(...(await unlessLocked("schema", () => catalogueChecks(client))));
    checks.push(...(await unlessLocked("master keys", async () => [await masterKeyCheck(client, options)])));
    checks.push(...(await unlessLocked("proxy", async () => [await proxyCheck(client, options)])));
    checks.push(await poolCheck(client, options));
  }
  return checks;
}

/** That something cannot be looked at is a finding, when the connection's `lock_timeout` is over. */
async function unlessLocked(subject: string, look: () => Promise<Check[]>): Promise<Check[]> {
  try {
    return await look();
  } catch (error) {
    if (codeOf(error) !== LOCK_NOT_AVAILABLE) throw error;
    const finding = "it can't be looked at, as somebody holds a lock on what it is about";
    return [check(subject, "problem", [finding], LOCKED_REMEDY)];
  }
}

/** @param level what it is when there is a finding */
function check(subject: string, level: Exclude<Level, "ok">, findings: string[], remedy: string): Check {
  return { subject, level: findings.length === 0 ? "ok" : level, findings, remedy };
}

async function historyCheck(client: pg.Client): Promise<Check> {
  try {
    const { pending } = await statusOn(client);
    const findings = pending.length > 0 ? [`${plural(pending.length, "migration")} not applied`] : [];
    return check("migrations", "problem", findings, "`attune migrate` applies them.");
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return check("migrations", "problem", [error.message.replace(/\.$/, "")], "`attune status` says which it has.");
  }
}

async function configurationChecks(client: pg.Client): Promise<Check[]> {
  const sql = await readFile(join(MIGRATIONS_FOLDER, "verify/configuration.sql"), "utf8");
  const { rows } = await client.query<{
    subject: string;
    level: Exclude<Level, "ok">;
    offenders: string[];
    remedy: string;
  }>(sql);
  return rows.map(({ subject, level, offenders, remedy }) => check(subject, level, offenders, remedy));
}

/** Row level security, policies, grants, triggers and all else, as the migrations make them. */
async function catalogueChecks(client: pg.Client): Promise<Check[]> {
  const differences = compareCatalogues(await expectedCatalogue(), await readCatalogue(client));
  const named = (isHarmless: boolean): string[] => {
    const found = differences.filter((difference) => difference.isHarmless === isHarmless);
    const names = found.slice(0, NAMED).map(({ kind, object }) => `${kind}: ${object}`);
    return found.length > NAMED ? [...names, `and ${found.length - NAMED} more`] : names;
  };
  return [
    check("schema", "problem", named(false), "`attune verify` shows what each should be."),
    check("additions", "advice", named(true), "They give nobody a right; keep what you need."),
  ];
}

async function clockCheck(client: pg.Client): Promise<Check> {
  const before = Date.now();
  const {
    rows: [row],
  } = await client.query<{ now: number }>("select extract(epoch from clock_timestamp())::float8 * 1000 as now");
  const difference = Math.abs((row?.now ?? 0) - (before + Date.now()) / 2);
  return check(
    "clocks",
    "problem",
    difference > CLOCK_DIFFERENCE
      ? [`the clocks of this machine and of PostgreSQL are ${Math.round(difference / 1000)} s apart`]
      : [],
    "Let both follow the same time server: tokens and what is due begin and end by them.",
  );
}

async function secretChecks(owner: OwnerConnection, options: Options): Promise<Check[]> {
  const remedy = "`openssl rand -base64 48` makes one.";
  const findings: string[] = [];
  try {
    const { secret } = resolveJwt(options, owner.embedded?.jwtSecret);
    if (secret !== undefined && new Set(Buffer.from(secret)).size < DIFFERENT_BYTES)
      findings.push("JWT_SECRET is easily guessed: it has few different characters");
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    findings.push(error.message.replace(/\.$/, ""));
  }
  return [check("JWT_SECRET", "problem", findings, remedy), await authenticatorCheck(owner, options)];
}

async function authenticatorCheck(owner: OwnerConnection, options: Options): Promise<Check> {
  const findings: string[] = [];
  try {
    const url = authenticatorUrlOf(options, owner.ownerUrl, owner.embedded?.authenticatorPassword);
    if (!(await canLogIn(url))) findings.push("authenticator cannot log in with the password that servers use");
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    findings.push(error.message.replace(/\.$/, ""));
  }
  return check(
    "authenticator",
    "problem",
    findings,
    "`attune start` sets the password where the role is its own; else put its connection string into AUTHENTICATOR_URL.",
  );
}

/** Who may read what only the server should, on the embedded PostgreSQL. */
async function folderChecks({ databaseUrl, dataDir }: Options): Promise<Check[]> {
  if (databaseUrl !== undefined) return [];
  const open: string[] = [];
  for (const name of ["postgres", SECRETS_FILE, KEY_FILE]) {
    const found = await stat(join(dataDir, name)).catch(() => undefined);
    if (found !== undefined && (found.mode & 0o077) !== 0) open.push(`others may enter or read ${join(dataDir, name)}`);
  }
  return [check("data folder", "problem", open, "chmod go= on it.")];
}

/** Whether every secret that is stored is under a key that is known here. */
async function masterKeyCheck(client: pg.Client, options: Options): Promise<Check> {
  const remedy =
    "Set ATTUNE_MASTER_KEY, and ATTUNE_PREVIOUS_MASTER_KEY while keys change; `attune rotate-key` ends that.";
  const isMade =
    options.databaseUrl !== undefined ||
    options.masterKeys !== undefined ||
    (await access(join(options.dataDir, KEY_FILE)).then(
      () => true,
      () => false,
    ));
  const keys = isMade ? await masterKeysOf(options)() : undefined;
  try {
    const row = await inTransaction(client, async () => {
      // Refuses where the server would log the keys.
      await client.query("select attune_hidden.prepare_for_secrets()");
      await client.query(
        "select set_config('attune.master_key', $1, true), set_config('attune.previous_master_key', $2, true)",
        [keys?.current ?? "", keys?.previous ?? ""],
      );
      const { rows } = await client.query<{ unknown: number; previous: number }>(
        `select count(*) filter (where s.master_key_mark is distinct from k.current and s.master_key_mark is distinct from k.previous)::integer as unknown,
                count(*) filter (where s.master_key_mark = k.previous)::integer as previous
         from attune_private.stored_secrets as s
         cross join (
           select attune_private.master_key_mark(attune_private.offered_key('attune.master_key')) as current,
                  attune_private.master_key_mark(attune_private.offered_key('attune.previous_master_key')) as previous
         ) as k`,
      );
      return rows[0];
    });
    if (row !== undefined && row.unknown > 0)
      return check(
        "master keys",
        "problem",
        [`${plural(row.unknown, "credential")} under a key not known here`],
        remedy,
      );
    const isLeft = keys?.previous !== undefined && row?.previous === 0;
    return check("master keys", "advice", isLeft ? ["nothing is under the previous master key any more"] : [], remedy);
  } catch (error) {
    if (codeOf(error) === LOCK_NOT_AVAILABLE) throw error;
    return check("master keys", "advice", [`They could not be compared: ${messageOf(error)}`], remedy);
  }
}

/** Attune's own server and PostgREST are told apart how many proxies are in front. */
async function proxyCheck(client: pg.Client, { trustProxy }: Options): Promise<Check> {
  const {
    rows: [row],
  } = await client.query<{ trusted: number }>("select attune_private.system_number('TRUSTED_PROXIES', 0) as trusted");
  const trusted = row?.trusted ?? 0;
  // An address says nothing of how many there are.
  const isOther = trusted > 0 && !Array.isArray(trustProxy) && trustProxy !== trusted;
  const findings = isOther ? [`TRUST_PROXY is ${String(trustProxy)}, and the setting TRUSTED_PROXIES ${trusted}`] : [];
  return check(
    "proxy",
    "advice",
    findings,
    "The first is for Attune's own server, the second for PostgREST: set both to how many proxies are in front of each, else all clients count as one, or whoever likes is somebody else.",
  );
}

async function poolCheck(client: pg.Client, options: Options): Promise<Check> {
  const {
    rows: [row],
  } = await client.query<{ usable: number }>("select usable from attune_private.connection_health()");
  const needed = connectionsOf(options);
  return check(
    "pools",
    "problem",
    row !== undefined && needed > row.usable
      ? [`one server takes ${needed} connections, and there can be ${row.usable}`]
      : [],
    "Raise max_connections, lower POOL_SIZE, or let another server do the maintenance (MAINTENANCE=false).",
  );
}
