/** Reads every option from the environment, once, and refuses a wrong one in one sentence. */
import { createPublicKey } from "node:crypto";
import { isIP } from "node:net";
import { resolve } from "node:path";
import { UserError } from "../user-error.ts";
import { OWN, type OutsideIssuer } from "../sign-in/jwt.ts";
import { isLoopback } from "../server/loopback.ts";

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
  jwt: JwtOptions;
  logLevel: string;
  corsOrigins: string[];
  /** Requests a minute and client; 0 means no limit. */
  rateLimitPerMinute: number;
  /** Connections to the database a server process holds. */
  poolSize: number;
  /** Proxies whose `X-Forwarded-For` is believed: how many there are, or their addresses; false means none. */
  trustProxy: number | string[] | false;
  /** Without a token every request is the `system` user's. */
  singleUser: boolean;
  /** Where people sign in with an outside provider; undefined when there is none. */
  signIn: SignInOptions | undefined;
};

export type SignInOptions = {
  providers: ProviderOptions[];
  /** How browsers reach this server, without a slash at the end. */
  publicUrl: string;
  /** The page of the application that is given the tokens; undefined means that they are shown as JSON. */
  redirectUrl: string | undefined;
};

const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"];
const PROJECT = resolve(import.meta.dirname, "../..");

/**
 * Validates the environment. An empty variable counts as unset.
 * @throws UserError naming the variable and what it must be
 */
export function readOptions(env: NodeJS.ProcessEnv): Options {
  const text: Text = (name) => env[name]?.trim() || undefined;
  const host = text("HOST") ?? "127.0.0.1";
  const port = integer("PORT", text("PORT"), { fallback: 5678, min: 0, max: 65_535 });
  const corsOrigins = list(text("CORS_ORIGINS")).map(origin);

  return {
    host,
    port,
    databaseUrl: postgresUrl("DATABASE_URL", text("DATABASE_URL")),
    authenticatorUrl: postgresUrl("AUTHENTICATOR_URL", text("AUTHENTICATOR_URL")),
    dataDir: resolve(text("ATTUNE_DATA_DIR") ?? resolve(PROJECT, ".attune")),
    jwt: jwtOptions(text),
    logLevel: oneOf("LOG_LEVEL", text("LOG_LEVEL") ?? "info", LOG_LEVELS),
    corsOrigins,
    rateLimitPerMinute: integer("RATE_LIMIT", text("RATE_LIMIT"), { fallback: 1000, min: 0, max: 1_000_000 }),
    poolSize: integer("POOL_SIZE", text("POOL_SIZE"), { fallback: 4, min: 1, max: 1000 }),
    trustProxy: trustProxy(text("TRUST_PROXY")),
    singleUser: singleUser(text("ATTUNE_SINGLE_USER"), host, corsOrigins),
    signIn: signInOptions(Object.keys(env), text, port),
  };
}

/** The value of a variable, without blanks around it. */
type Text = (name: string) => string | undefined;

function list(value: string | undefined): string[] {
  return (value ?? "")
    .split(",")
    .map((part) => part.trim())
    .filter(Boolean);
}

function integer(
  name: string,
  value: string | undefined,
  range: { fallback: number; min: number; max: number },
): number {
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
    throw new UserError(
      `CORS_ORIGINS must be a comma-separated list of origins like https://app.example.com, not "${value}".`,
    );
  }
  return value;
}

function trustProxy(value: string | undefined): Options["trustProxy"] {
  if (value === undefined) return false;
  if (/^[1-9]\d?$/.test(value)) return Number(value);
  const proxies = list(value);
  if (!proxies.every(isNetwork)) {
    throw new UserError(
      `TRUST_PROXY must be the number of proxies in front of the server, or their addresses like 10.0.0.0/8, not "${value}".`,
    );
  }
  return proxies;
}

function isNetwork(value: string): boolean {
  const [address = "", prefix] = value.split("/");
  const version = isIP(address);
  if (version === 0 || prefix === undefined) return version !== 0;
  return /^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128);
}

/** Everybody who can reach the server is its administrator, so nobody but this machine may. */
function singleUser(value: string | undefined, host: string, corsOrigins: string[]): boolean {
  if (oneOf("ATTUNE_SINGLE_USER", value ?? "false", ["true", "false"]) === "false") return false;
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
  return true;
}

function jwtOptions(text: Text): JwtOptions {
  const secret = text("JWT_SECRET");
  if (secret !== undefined && Buffer.byteLength(secret) < 32) {
    throw new UserError("JWT_SECRET must have at least 32 bytes; `openssl rand -base64 48` makes one.");
  }
  return { secret, outside: outsideIssuer(text) };
}

function outsideIssuer(text: Text): OutsideIssuer | undefined {
  const issuer = text("JWT_ISSUER");
  const publicKey = text("JWT_PUBLIC_KEY")?.replaceAll("\\n", "\n");
  const jwksUrl = text("JWT_JWKS_URL");
  const given = ["JWT_PUBLIC_KEY", "JWT_JWKS_URL", "JWT_AUDIENCE"].find((name) => text(name) !== undefined);
  if (issuer === undefined) {
    if (given === undefined) return undefined;
    throw new UserError(
      `${given} is about the tokens of an identity provider, so JWT_ISSUER is required: the \`iss\` that they have.`,
    );
  }

  if (issuer === OWN.issuer)
    throw new UserError(
      `JWT_ISSUER must be the identity provider's, not "${OWN.issuer}", which is the issuer of our own tokens.`,
    );
  if (publicKey !== undefined && jwksUrl !== undefined) {
    throw new UserError("Set only one of JWT_PUBLIC_KEY and JWT_JWKS_URL: a token is checked in one way only.");
  }
  const audience = text("JWT_AUDIENCE") ?? OWN.audience;
  if (publicKey !== undefined) return { issuer, audience, publicKey: checkedPublicKey(publicKey) };
  if (jwksUrl === undefined)
    throw new UserError(
      "JWT_ISSUER is an identity provider, so its keys are required: set JWT_JWKS_URL or JWT_PUBLIC_KEY.",
    );
  if (!/^https?:$/.test(parseUrl(jwksUrl)?.protocol ?? "")) {
    throw new UserError(
      "JWT_JWKS_URL must be an http or https address, like https://id.example.com/.well-known/jwks.json.",
    );
  }
  return { issuer, audience, jwksUrl };
}

/** What needs no configuration but the client's. */
const KNOWN_ISSUERS: Readonly<Record<string, string>> = { google: "https://accounts.google.com" };

/** `AUTH_<NAME>_CLIENT_ID` names a provider; what else is known of it begins with the same. */
function signInOptions(names: string[], text: Text, port: number): SignInOptions | undefined {
  const ids = names.flatMap(
    (name) => /^AUTH_([A-Z][A-Z0-9_]*)_(?:ISSUER|CLIENT_ID|CLIENT_SECRET|SCOPES)$/.exec(name)?.[1] ?? [],
  );
  const isSet = (id: string): boolean =>
    ["ISSUER", "CLIENT_ID", "CLIENT_SECRET", "SCOPES"].some((part) => text(`AUTH_${id}_${part}`) !== undefined);
  const providers = [...new Set(ids)]
    .filter(isSet)
    .toSorted()
    .map((id) => provider(id, text));
  const redirectUrl = text("AUTH_REDIRECT_URL");
  if (redirectUrl !== undefined && (!isSafeUrl(redirectUrl) || redirectUrl.includes("#"))) {
    throw new UserError(
      "AUTH_REDIRECT_URL must be an https address of your application without #, like https://app.example.com/signed-in.",
    );
  }
  const publicUrl = text("PUBLIC_URL") ?? `http://localhost:${port}`;
  if (!isSafeUrl(publicUrl) || /[?#]/.test(publicUrl)) {
    throw new UserError(
      "PUBLIC_URL must be the https address under which browsers reach this server, like https://settings.example.com.",
    );
  }
  if (providers.length === 0) return undefined;
  return { providers, publicUrl: publicUrl.replace(/\/+$/, ""), redirectUrl };
}

function provider(id: string, text: Text): ProviderOptions {
  const name = id.toLowerCase().replaceAll("_", "-");
  const issuer = text(`AUTH_${id}_ISSUER`) ?? KNOWN_ISSUERS[name];
  if (issuer === undefined)
    throw new UserError(`AUTH_${id}_ISSUER is required: the address of the provider, like https://id.example.com.`);
  if (!isSafeUrl(issuer))
    throw new UserError(`AUTH_${id}_ISSUER must be an https address like https://id.example.com, not "${issuer}".`);
  const clientId = text(`AUTH_${id}_CLIENT_ID`);
  if (clientId === undefined)
    throw new UserError(`AUTH_${id}_CLIENT_ID is required: the provider gives it when you register this server there.`);
  const scopes = text(`AUTH_${id}_SCOPES`) ?? "openid email profile";
  if (!scopes.split(/\s+/).includes("openid"))
    throw new UserError(`AUTH_${id}_SCOPES must have openid among them, like "openid email profile".`);
  return { name, issuer, clientId, clientSecret: text(`AUTH_${id}_CLIENT_SECRET`), scopes };
}

/** Tokens travel over https, or stay on this machine. */
function isSafeUrl(value: string): boolean {
  const url = parseUrl(value);
  return url?.protocol === "https:" || (url?.protocol === "http:" && isLoopback(url.hostname));
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
