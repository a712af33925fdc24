/** Reads every option from the environment, once, and refuses a wrong one in one sentence. */
import { isLoopback } from "../server/loopback.ts";
import type { MasterKeys } from "../master-keys.ts";
import { OWN, type OutsideIssuer } from "../sign-in/jwt.ts";
import { UserError } from "../user-error.ts";
import { given, readVariable } from "./read-variable.ts";
import { type Name } from "./variables.ts";

export type JwtOptions = {
  /** Shared secret of our own tokens (HS256), at least 32 bytes. */
  secret: string | undefined;
  /** Whose tokens are accepted besides. */
  outside: OutsideIssuer | undefined;
};

/** An OpenID Connect provider that people may sign in with. */
export type ProviderOptions = {
  /** As in `/auth/<name>`. */
  name: string;
  issuer: string;
  clientId: string;
  /** Undefined for a client without one, which PKCE protects alone. */
  clientSecret: string | undefined;
  /** What is asked for, separated by blanks; `openid` is in it. */
  scopes: string;
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
  /** Major version of the embedded PostgreSQL, 15 to 18. */
  embeddedMajor: number;
  jwt: JwtOptions;
  /** What secrets are encrypted under; undefined means the keys beside the embedded PostgreSQL, or none. */
  masterKeys: MasterKeys | undefined;
  logLevel: string;
  corsOrigins: string[];
  /** Work a minute and client; 0 means no limit. */
  rateLimitPerMinute: number;
  /** Connections to the database a server process holds. */
  poolSize: number;
  /** Connections besides, for work with passwords. */
  passwordPoolSize: number;
  /** How long another change of the schema is waited for, in seconds. */
  migrationWait: number;
  /** How long a migration waits for a lock before it gives way, in seconds. */
  migrationLockTimeout: number;
  /** For how many milliseconds work may wait before more of it is refused; 0 refuses nothing. */
  overloadAfter: number;
  /** How long requests under way get to end when the server stops, in seconds. */
  drainTimeout: number;
  /** Connections that may wait for changes. */
  liveConnections: number;
  /** Whether the server seals the audit log and applies what is due. */
  maintenance: boolean;
  /** What has to be shown for metrics; undefined means that there are none. */
  metricsToken: string | undefined;
  /** Whether spans are sent to a collector. */
  isTraced: boolean;
  /** Proxies whose `X-Forwarded-For` is believed: how many there are, or their addresses; false means none. */
  trustProxy: number | string[] | false;
  /** Without a token every request is the `system` user's. */
  singleUser: boolean;
  /** Where people sign in beside GraphQL, with an outside provider or cookies; undefined when with none. */
  signIn: SignInOptions | undefined;
};

export type SignInOptions = {
  providers: ProviderOptions[];
  /** Whether browsers keep the refresh token in a cookie. */
  cookies: boolean;
  /** How browsers reach this server, without a slash at the end. */
  publicUrl: string;
  /** The page of the application that is given the tokens; undefined means that they are shown as JSON. */
  redirectUrl: string | undefined;
};

/**
 * Validates the environment: each variable, and what they say together. An empty variable counts as unset.
 * @throws UserError naming the variable and what it must be
 */
export function readOptions(env: NodeJS.ProcessEnv): Options {
  const options = {
    host: readVariable(env, "HOST"),
    port: readVariable(env, "PORT"),
    databaseUrl: readVariable(env, "DATABASE_URL"),
    authenticatorUrl: readVariable(env, "AUTHENTICATOR_URL"),
    dataDir: readVariable(env, "ATTUNE_DATA_DIR"),
    embeddedMajor: readVariable(env, "ATTUNE_EMBEDDED_MAJOR"),
    jwt: { secret: readVariable(env, "JWT_SECRET"), outside: outsideIssuer(env) },
    masterKeys: masterKeys(env),
    logLevel: readVariable(env, "LOG_LEVEL"),
    corsOrigins: readVariable(env, "CORS_ORIGINS"),
    rateLimitPerMinute: readVariable(env, "RATE_LIMIT"),
    poolSize: readVariable(env, "POOL_SIZE"),
    passwordPoolSize: readVariable(env, "PASSWORD_POOL_SIZE"),
    migrationWait: readVariable(env, "MIGRATION_WAIT"),
    migrationLockTimeout: readVariable(env, "MIGRATION_LOCK_TIMEOUT"),
    overloadAfter: readVariable(env, "OVERLOAD_AFTER"),
    drainTimeout: readVariable(env, "DRAIN_TIMEOUT"),
    liveConnections: readVariable(env, "LIVE_CONNECTIONS"),
    maintenance: readVariable(env, "MAINTENANCE"),
    metricsToken: readVariable(env, "METRICS_TOKEN"),
    isTraced: isTraced(env),
    trustProxy: readVariable(env, "TRUST_PROXY"),
    singleUser: readVariable(env, "ATTUNE_SINGLE_USER"),
  };
  if (options.singleUser) assertOnlyThisMachine(options);
  return { ...options, signIn: signInOptions(env, options.port) };
}

/** As OpenTelemetry reads its variables; without any of them nothing of it is loaded. */
function isTraced(env: NodeJS.ProcessEnv): boolean {
  const exporter = readVariable(env, "OTEL_TRACES_EXPORTER");
  if (readVariable(env, "OTEL_SDK_DISABLED")?.toLowerCase() === "true" || exporter === "none") return false;
  const collectors = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] as const;
  return exporter !== undefined || collectors.some((name) => readVariable(env, name) !== undefined);
}

/** Everybody who can reach the server is its administrator, so nobody but this machine may. */
function assertOnlyThisMachine({ host, corsOrigins }: { host: string; corsOrigins: string[] }): void {
  if (!isLoopback(host)) {
    throw new UserError(
      `ATTUNE_SINGLE_USER needs no sign-in, so the server may only listen on this machine: set HOST to 127.0.0.1, not "${host}".`,
    );
  }
  if (corsOrigins.includes("*")) {
    throw new UserError(
      "ATTUNE_SINGLE_USER needs no sign-in, so not every page may call the API: name the origins in CORS_ORIGINS instead of *.",
    );
  }
}

function masterKeys(env: NodeJS.ProcessEnv): MasterKeys | undefined {
  const current = readVariable(env, "ATTUNE_MASTER_KEY");
  const previous = readVariable(env, "ATTUNE_PREVIOUS_MASTER_KEY");
  if (current !== undefined) return { current, previous };
  if (previous === undefined) return undefined;
  throw new UserError("ATTUNE_PREVIOUS_MASTER_KEY is the key of before ATTUNE_MASTER_KEY: set that too.");
}

const ABOUT_OUTSIDE: readonly Name[] = ["JWT_PUBLIC_KEY", "JWT_JWKS_URL", "JWT_AUDIENCE"];

function outsideIssuer(env: NodeJS.ProcessEnv): OutsideIssuer | undefined {
  const issuer = readVariable(env, "JWT_ISSUER");
  if (issuer === undefined) {
    const name = ABOUT_OUTSIDE.find((name) => given(env, name) !== undefined);
    if (name === undefined) return undefined;
    throw new UserError(
      `${name} is about the tokens of an identity provider, so JWT_ISSUER is required: the \`iss\` that they have.`,
    );
  }
  if (issuer === OWN.issuer)
    throw new UserError(
      `JWT_ISSUER must be the identity provider's, not "${OWN.issuer}", which is the issuer of our own tokens.`,
    );

  const publicKey = readVariable(env, "JWT_PUBLIC_KEY");
  const jwksUrl = readVariable(env, "JWT_JWKS_URL");
  const audience = readVariable(env, "JWT_AUDIENCE");
  if (publicKey !== undefined && jwksUrl !== undefined) {
    throw new UserError("Set only one of JWT_PUBLIC_KEY and JWT_JWKS_URL: a token is checked in one way only.");
  }
  if (publicKey !== undefined) return { issuer, audience, publicKey };
  if (jwksUrl !== undefined) return { issuer, audience, jwksUrl };
  throw new UserError(
    "JWT_ISSUER is an identity provider, so its keys are required: set JWT_JWKS_URL or JWT_PUBLIC_KEY.",
  );
}

/** What needs no configuration but the client's. */
const KNOWN_ISSUERS: Readonly<Record<string, string>> = { google: "https://accounts.google.com" };

/** `AUTH_<NAME>_CLIENT_ID` names a provider; what else is known of it begins with the same. */
function signInOptions(env: NodeJS.ProcessEnv, port: number): SignInOptions | undefined {
  const ids = Object.keys(env).flatMap((name) => {
    const id = /^AUTH_([A-Z][A-Z0-9_]*)_(?:ISSUER|CLIENT_ID|CLIENT_SECRET|SCOPES)$/.exec(name)?.[1];
    return id !== undefined && given(env, name) !== undefined ? [id] : [];
  });
  const providers = [...new Set(ids)].toSorted().map((id) => provider(id, env));
  const redirectUrl = readVariable(env, "AUTH_REDIRECT_URL");
  const publicUrl = readVariable(env, "PUBLIC_URL") ?? `http://localhost:${port}`;
  const cookies = readVariable(env, "AUTH_COOKIES");
  return providers.length === 0 && !cookies ? undefined : { providers, cookies, publicUrl, redirectUrl };
}

function provider(id: string, env: NodeJS.ProcessEnv): ProviderOptions {
  const name = id.toLowerCase().replaceAll("_", "-");
  const issuer = readVariable(env, "AUTH_<NAME>_ISSUER", id) ?? KNOWN_ISSUERS[name];
  if (issuer === undefined)
    throw new UserError(`AUTH_${id}_ISSUER is required: the address of the provider, like https://id.example.com.`);
  const clientId = readVariable(env, "AUTH_<NAME>_CLIENT_ID", id);
  if (clientId === undefined)
    throw new UserError(`AUTH_${id}_CLIENT_ID is required: the provider gives it when you register this server there.`);
  return {
    name,
    issuer,
    clientId,
    clientSecret: readVariable(env, "AUTH_<NAME>_CLIENT_SECRET", id),
    scopes: readVariable(env, "AUTH_<NAME>_SCOPES", id),
  };
}
