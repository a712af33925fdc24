/** Reads every option from the environment, once, and refuses a wrong one in one sentence. */
import { createPublicKey } from "node:crypto";
import { resolve } from "node:path";
import { UserError } from "./errors.ts";

export type JwtOptions = {
  /** Shared secret of HS256, at least 32 bytes. */
  secret?: string;
  /** PEM of the public key of RS256 or ES256. */
  publicKey?: string;
  /** Where an identity provider publishes its keys. */
  jwksUrl?: string;
  audience: string;
  issuer: string;
};

export type Options = {
  host: string;
  port: number;
  /** The owner's connection string; undefined means the embedded PostgreSQL. */
  databaseUrl: string | undefined;
  /** How the server connects when it can't know the password of `authenticator`. */
  authenticatorUrl: string | undefined;
  /** Folder of the embedded PostgreSQL and its secrets. */
  dataDir: string;
  jwt: JwtOptions;
  logLevel: string;
  corsOrigins: string[];
  /** Requests a minute and client; 0 means no limit. */
  rateLimitPerMinute: number;
  /** Connections to the database a server process holds. */
  poolSize: number;
};

const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"];
const PROJECT = resolve(import.meta.dirname, "..");

/**
 * Validates the environment. An empty variable counts as unset.
 * @throws UserError naming the variable and what it must be
 */
export function readOptions(env: NodeJS.ProcessEnv): Options {
  const text = (name: string): string | undefined => env[name]?.trim() || undefined;

  return {
    host: text("HOST") ?? "127.0.0.1",
    port: integer("PORT", text("PORT"), { fallback: 5678, min: 0, max: 65_535 }),
    databaseUrl: postgresUrl("DATABASE_URL", text("DATABASE_URL")),
    authenticatorUrl: postgresUrl("AUTHENTICATOR_URL", text("AUTHENTICATOR_URL")),
    dataDir: resolve(text("ATTUNE_DATA_DIR") ?? resolve(PROJECT, ".attune")),
    jwt: jwtOptions(text),
    logLevel: oneOf("LOG_LEVEL", text("LOG_LEVEL") ?? "info", LOG_LEVELS),
    corsOrigins: (text("CORS_ORIGINS") ?? "").split(",").map((part) => part.trim()).filter(Boolean).map(origin),
    rateLimitPerMinute: integer("RATE_LIMIT", text("RATE_LIMIT"), { fallback: 1000, min: 0, max: 1_000_000 }),
    poolSize: integer("POOL_SIZE", text("POOL_SIZE"), { fallback: 4, min: 1, max: 1000 }),
  };
}

function integer(name: string, value: string | undefined, range: { fallback: number; min: number; max: number }): number {
  if (value === undefined) return range.fallback;
  const number = /^\d{1,9}$/.test(value) ? Number(value) : NaN;
  if (!(number >= range.min && number <= range.max)) {
    throw new UserError(`${name} must be a whole number from ${range.min} to ${range.max}, not "${value}".`);
  }
  return number;
}

function oneOf(name: string, value: string, allowed: string[]): string {
  if (!allowed.includes(value)) throw new UserError(`${name} must be one of ${allowed.join(", ")}, not "${value}".`);
  return value;
}

function parseUrl(value: string): URL | undefined {
  return URL.canParse(value) ? new URL(value) : undefined;
}

/** The value itself is not repeated in the message: it usually holds a password. */
function postgresUrl(name: string, value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const url = parseUrl(value);
  if (url === undefined || !/^postgres(ql)?:$/.test(url.protocol) || url.pathname.length < 2) {
    throw new UserError(`${name} must look like postgres://user:password@host:5432/database.`);
  }
  return value;
}

function origin(value: string): string {
  if (value !== "*" && !(/^https?:/.test(value) && parseUrl(value)?.origin === value)) {
    throw new UserError(`CORS_ORIGINS must be a comma-separated list of origins like https://app.example.com, not "${value}".`);
  }
  return value;
}

function jwtOptions(text: (name: string) => string | undefined): JwtOptions {
  const audience = text("JWT_AUDIENCE") ?? "authenticated";
  const issuer = text("JWT_ISSUER") ?? "attune";
  const given = ["JWT_SECRET", "JWT_PUBLIC_KEY", "JWT_JWKS_URL"].filter((name) => text(name) !== undefined);
  if (given.length > 1) {
    throw new UserError(`Set only one of ${given.join(" and ")}: a token is checked in one way only.`);
  }

  const secret = text("JWT_SECRET");
  if (secret !== undefined) {
    if (Buffer.byteLength(secret) < 32) {
      throw new UserError("JWT_SECRET must have at least 32 bytes; `openssl rand -base64 48` makes one.");
    }
    return { audience, issuer, secret };
  }

  const publicKey = text("JWT_PUBLIC_KEY")?.replaceAll("\\n", "\n");
  if (publicKey !== undefined) return { audience, issuer, publicKey: checkedPublicKey(publicKey) };

  const jwksUrl = text("JWT_JWKS_URL");
  if (jwksUrl !== undefined) {
    if (!/^https?:$/.test(parseUrl(jwksUrl)?.protocol ?? "")) {
      throw new UserError("JWT_JWKS_URL must be an http or https address, like https://id.example.com/.well-known/jwks.json.");
    }
    return { audience, issuer, jwksUrl };
  }

  return { audience, issuer };
}

function checkedPublicKey(pem: string): string {
  if (pem.includes("PRIVATE KEY")) {
    throw new UserError("JWT_PUBLIC_KEY holds a private key; give only the public one.");
  }
  let type: string | undefined;
  let bits: number | undefined;
  try {
    const key = createPublicKey(pem);
    type = key.asymmetricKeyType;
    bits = key.asymmetricKeyDetails?.modulusLength;
  } catch {
    throw new UserError("JWT_PUBLIC_KEY must be a public key in PEM form (-----BEGIN PUBLIC KEY-----).");
  }
  if (type !== "ec" && !(type === "rsa" && (bits ?? 0) >= 2048)) {
    throw new UserError("JWT_PUBLIC_KEY must be an RSA key of 2048 bits or more, or an EC key.");
  }
  return pem;
}
