/** Every environment variable that Attune reads: what it means, what applies without it, and how its value is read. */
import { resolve } from "node:path";
import { MIGRATION_LOCK_TIMEOUT } from "../database/attempts.ts";
import { MIGRATION_WAIT } from "../database/migration-lock.ts";
import { LATEST_MAJOR, MAJORS } from "../embedded/programs.ts";
import { OWN } from "../sign-in/jwt.ts";
import * as parsers from "./parsers.ts";

/** The headings that variables stand under in the help and in the documentation, in this order. */
export const GROUPS = [
  "Server",
  "Database",
  "Credentials",
  "Tokens",
  "Signing in",
  "Observation",
  "Development",
] as const;

export type Variable<Value> = {
  group: (typeof GROUPS)[number];
  /** In Markdown. Its first sentence has to do for the help. */
  description: string;
  /** The value when the variable is not set. */
  fallback: Value;
  /** The same in words, where the value does not say it. */
  otherwise?: string;
  parse: parsers.Parser<Value>;
};

const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"];

/** Lets TypeScript find the type of the value. */
function variable<Value>(described: Variable<Value>): Variable<Value> {
  return described;
}

/** By name. `<NAME>` stands for the name of a provider. */
export const VARIABLES = {
  HOST: variable({
    group: "Server",
    description: "Where to listen. `0.0.0.0` is every address of the machine.",
    fallback: "127.0.0.1",
    parse: parsers.text,
  }),
  PORT: variable({
    group: "Server",
    description: "The port; 0 takes a free one.",
    fallback: 5678,
    parse: parsers.integer(0, 65_535),
  }),
  ATTUNE_SINGLE_USER: variable({
    group: "Server",
    description:
      "`true`: a request without a token is the user `system`'s, an administrator. Only on this machine, and not for every page of the web.",
    fallback: false,
    parse: parsers.flag,
  }),
  TRUST_PROXY: variable<number | string[] | false>({
    group: "Server",
    description:
      "The proxies whose `X-Forwarded-For` is believed: how many are in front of the server, or their addresses (`10.0.0.0/8`, with commas between). Without it all who come through a proxy count as one client, for limits, sign-ins and logs.",
    fallback: false,
    otherwise: "none",
    parse: parsers.proxies,
  }),
  CORS_ORIGINS: variable<string[]>({
    group: "Server",
    description:
      "Pages that may call the API from a browser, with commas between: `https://app.example.com`. `*` is any.",
    fallback: [],
    otherwise: "none",
    parse: parsers.origins,
  }),
  RATE_LIMIT: variable({
    group: "Server",
    description:
      "Work a minute of one user, or of one address without a token, in GraphQL, `/auth` and `/api/plans`; 0 is no limit. See [limits](server.md#limits). Behind a proxy set `TRUST_PROXY`.",
    fallback: 1000,
    parse: parsers.integer(0, 1_000_000),
  }),
  OVERLOAD_AFTER: variable({
    group: "Server",
    description:
      "For how many milliseconds somebody may wait for a connection to the database, or the process be late for everything, before requests are refused with 503 `overloaded`; 0 is never. See [load](server.md#load).",
    fallback: 2000,
    parse: parsers.integer(0, 60_000),
  }),
  DRAIN_TIMEOUT: variable({
    group: "Server",
    description: "Seconds that requests under way get to end when the server is told to stop.",
    fallback: 10,
    parse: parsers.integer(0, 3600),
  }),
  LIVE_CONNECTIONS: variable({
    group: "Server",
    description:
      "Connections that may wait for changes at once, over WebSocket and as event streams; 0 is none. See [subscriptions](server.md#subscriptions).",
    fallback: 5000,
    parse: parsers.integer(0, 1_000_000),
  }),
  MAINTENANCE: variable({
    group: "Server",
    description:
      "`false`: this server does nothing by itself, another one does. See [maintenance](server.md#maintenance).",
    fallback: true,
    parse: parsers.flag,
  }),
  LOG_LEVEL: variable({
    group: "Server",
    description: `How much is logged: ${LOG_LEVELS.slice(0, -1)
      .map((level) => `\`${level}\``)
      .join(", ")} or \`${LOG_LEVELS.at(-1)}\`.`,
    fallback: "info",
    parse: parsers.oneOf(LOG_LEVELS),
  }),
  DATABASE_URL: variable({
    group: "Database",
    description:
      "The owner's connection string of a PostgreSQL 15 or newer: `postgres://user:password@host:5432/database`. The database is created if it is missing and the user may.",
    fallback: undefined,
    otherwise: "the embedded PostgreSQL",
    parse: parsers.postgresUrl,
  }),
  AUTHENTICATOR_URL: variable({
    group: "Database",
    description:
      "The connection string of the role `authenticator`. Needed where that role was there before Attune, as on Supabase, or where `JWT_SECRET` is not set.",
    fallback: undefined,
    otherwise: "made from `DATABASE_URL`",
    parse: parsers.postgresUrl,
  }),
  ATTUNE_DATA_DIR: variable({
    group: "Database",
    description: "The folder of the embedded PostgreSQL and its secrets.",
    fallback: resolve(import.meta.dirname, "../../.attune"),
    otherwise: "`.attune` in the project",
    parse: (value) => resolve(value),
  }),
  POOL_SIZE: variable({
    group: "Database",
    description: "Connections to the database of one server process.",
    fallback: 4,
    parse: parsers.integer(1, 1000),
  }),
  PASSWORD_POOL_SIZE: variable({
    group: "Database",
    description:
      "Connections besides, for what hashes or checks a password, so that nobody else waits for that. See [load](server.md#load).",
    fallback: 2,
    parse: parsers.integer(1, 1000),
  }),
  MIGRATION_WAIT: variable({
    group: "Database",
    description:
      "Seconds that a start, and whatever else migrates, waits for another that is changing the schema, and for the application's locks. Then it ends, and says who that is.",
    fallback: MIGRATION_WAIT,
    parse: parsers.integer(0, 86_400),
  }),
  MIGRATION_LOCK_TIMEOUT: variable({
    group: "Database",
    description:
      "Seconds that a migration, or a rollback, waits for a lock, while all who need the table wait behind it. Then it gives way, is taken back whole, and is tried again within `MIGRATION_WAIT`.",
    fallback: MIGRATION_LOCK_TIMEOUT,
    parse: parsers.integer(1, 3600),
  }),
  ATTUNE_MASTER_KEY: variable({
    group: "Credentials",
    description:
      "What people's API keys are encrypted under: 32 bytes, in base64 or hexadecimal. Who loses it loses them; keep it apart from backups of the database. See [keep credentials](../how-to/keep-credentials.md).",
    fallback: undefined,
    otherwise: "made on the first use when embedded, else none, and no credential can be set",
    parse: parsers.masterKey,
  }),
  ATTUNE_PREVIOUS_MASTER_KEY: variable({
    group: "Credentials",
    description:
      "The key of before, while [keys change](../how-to/keep-credentials.md#change-the-master-key): what is under it is read too.",
    fallback: undefined,
    parse: parsers.masterKey,
  }),
  JWT_SECRET: variable({
    group: "Tokens",
    description:
      "Signs and checks our own tokens (HS256), 32 bytes or more. Required with `DATABASE_URL`, unless `JWT_ISSUER` is set.",
    fallback: undefined,
    otherwise: "made on the first start when embedded",
    parse: parsers.secret,
  }),
  JWT_ISSUER: variable({
    group: "Tokens",
    description: "An identity provider whose tokens are accepted besides: their claim `iss`.",
    fallback: undefined,
    parse: parsers.text,
  }),
  JWT_JWKS_URL: variable({
    group: "Tokens",
    description: "Where that provider publishes its keys (RS256 or ES256). Keys are kept for ten minutes.",
    fallback: undefined,
    parse: parsers.webUrl,
  }),
  JWT_PUBLIC_KEY: variable({
    group: "Tokens",
    description: "The provider's key as PEM, where it publishes none. `\\n` may stand for a line's end.",
    fallback: undefined,
    parse: parsers.publicKey,
  }),
  JWT_AUDIENCE: variable<string>({
    group: "Tokens",
    description: "What the claim `aud` of its tokens must be.",
    fallback: OWN.audience,
    parse: parsers.text,
  }),
  AUTH_COOKIES: variable({
    group: "Signing in",
    description:
      "`true`: browsers may sign in at `/auth/login` and its like, which keep the refresh token in a cookie that no script reads. For pages at `PUBLIC_URL` and `CORS_ORIGINS`.",
    fallback: false,
    parse: parsers.flag,
  }),
  "AUTH_<NAME>_CLIENT_ID": variable({
    group: "Signing in",
    description:
      "An OpenID Connect provider that people sign in with at `/auth/<name>`; an underscore in the name is a hyphen there.",
    fallback: undefined,
    parse: parsers.text,
  }),
  "AUTH_<NAME>_CLIENT_SECRET": variable({
    group: "Signing in",
    description: "The provider's secret for us; without one PKCE alone protects the sign-in.",
    fallback: undefined,
    parse: parsers.text,
  }),
  "AUTH_<NAME>_ISSUER": variable({
    group: "Signing in",
    description: "The provider's address, by which it is discovered.",
    fallback: undefined,
    otherwise: "that of `GOOGLE` is known",
    parse: parsers.issuerUrl,
  }),
  "AUTH_<NAME>_SCOPES": variable({
    group: "Signing in",
    description: "What the provider is asked for.",
    fallback: "openid email profile",
    parse: parsers.scopes,
  }),
  AUTH_REDIRECT_URL: variable({
    group: "Signing in",
    description:
      "The page of the application that is given the tokens, in the fragment (with `AUTH_COOKIES` without the refresh token). Without it they are shown as JSON.",
    fallback: undefined,
    parse: parsers.redirectUrl,
  }),
  PUBLIC_URL: variable({
    group: "Signing in",
    description:
      "How browsers reach this server. `PUBLIC_URL/auth/<name>/callback` is what to register with a provider.",
    fallback: undefined,
    otherwise: "`http://localhost:PORT`",
    parse: parsers.publicUrl,
  }),
  METRICS_TOKEN: variable({
    group: "Observation",
    description:
      "What Prometheus shows to be told of metrics at `/metrics`, as `Authorization: Bearer`; 32 bytes or more. Without it nothing is there. See [metrics](server.md#metrics).",
    fallback: undefined,
    parse: parsers.secret,
  }),
  OTEL_EXPORTER_OTLP_ENDPOINT: variable({
    group: "Observation",
    description:
      "The collector that is sent [traces](server.md#traces), by OTLP: `http://localhost:4318`. This and all other variables of OpenTelemetry are read as [its documentation](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/) has them.",
    fallback: undefined,
    parse: parsers.webUrl,
  }),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: variable({
    group: "Observation",
    description: "The same for traces alone, with the whole path: `http://localhost:4318/v1/traces`.",
    fallback: undefined,
    parse: parsers.webUrl,
  }),
  OTEL_TRACES_EXPORTER: variable({
    group: "Observation",
    description: "How traces are sent: `otlp`, `console` or `none`.",
    fallback: undefined,
    otherwise: "`otlp` where a collector is named, else `none`",
    parse: parsers.text,
  }),
  OTEL_SDK_DISABLED: variable({
    group: "Observation",
    description: "`true`: no traces, whatever else is set.",
    fallback: undefined,
    otherwise: "`false`",
    parse: parsers.text,
  }),
  ATTUNE_EMBEDDED_MAJOR: variable({
    group: "Development",
    description:
      "The major version of the embedded PostgreSQL: 15, 16, 17 or 18. The older ones are installed for development only.",
    fallback: LATEST_MAJOR,
    parse: parsers.majorVersion(MAJORS),
  }),
  GRAPHILE_ENV: variable({
    group: "Development",
    description: "`production`, `development` or `test`: how much PostGraphile checks, and says, of itself.",
    fallback: "production",
    parse: parsers.oneOf(["production", "development", "test"]),
  }),
};

export type Name = keyof typeof VARIABLES;
