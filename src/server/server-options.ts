/** What the server is built from. */
import type { LiveTimes } from "../live/times.ts";
import type { ReadMasterKeys } from "../master-keys.ts";
import type { Tracing } from "../observation/tracing.ts";
import type { Options } from "../options/options.ts";
import type { ResolvedJwtOptions } from "../sign-in/jwt.ts";

export type ServerOptions = {
  /** How to reach the database as `authenticator`. */
  authenticatorUrl: string;
  /** Connections to the database. */
  poolSize: number;
  /** Connections besides, for work with passwords. */
  passwordPoolSize: number;
  /** For how many milliseconds work may wait before more of it is refused; 0 refuses nothing. */
  overloadAfter: number;
  /** How long requests under way get to end when the server closes, in seconds. */
  drainTimeout: number;
  jwt: ResolvedJwtOptions;
  /** The keys that secrets are encrypted under; without them no credential is set or resolved. */
  readKeys?: ReadMasterKeys;
  /** One of pino's levels, or `silent`. */
  logLevel: string;
  /** Origins of pages that may call the API from a browser; `*` is any. */
  corsOrigins: string[];
  /** Work a minute of one user or address; 0 is no limit. */
  rateLimitPerMinute: number;
  /** Connections that may wait for changes. */
  liveConnections: number;
  /** How long they are waited for, where it is not the usual. */
  liveTimes?: Partial<LiveTimes>;
  /** How to make the tables of what the server does by itself; undefined leaves that to another server. */
  maintenance?: { ownerUrl: string } | undefined;
  /** Proxies whose `X-Forwarded-For` is believed. */
  trustProxy?: Options["trustProxy"];
  /** Whose the requests without a token are, in single-user mode. */
  singleUserId?: string | undefined;
  /** The providers that people sign in with. */
  signIn?: Options["signIn"];
  /** What has to be shown for metrics; without it they are nowhere. */
  metricsToken?: string | undefined;
  /** What makes spans of requests; undefined where nobody collects them. */
  tracing?: Tracing | undefined;
  /** Where the log goes, when not to standard output. */
  logDestination?: { write(line: string): void };
};
