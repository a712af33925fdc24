/** What a test file starts with: a database of its own, users with tokens, and the real server in front of it. */
import type { FastifyInstance } from "fastify";
import pg from "pg";
import { inject } from "vitest";
import { urlOfDatabase } from "../../src/database/connection-string.ts";
import { cloneTemplate } from "../../src/pgtap/test-databases.ts";
import type { ServerOptions } from "../../src/server/server-options.ts";
import { authenticate } from "../../src/sign-in/authenticate.ts";
import { createVerifier, type ResolvedJwtOptions, signToken } from "../../src/sign-in/jwt.ts";

export type TestUser = { id: string; email: string; token: string };

/** Who a statement runs as: a user, a request without a token, a trusted server. */
export type Persona = TestUser | "anon" | "service_role";

export type TestDatabase = {
  name: string;
  ownerUrl: string;
  authenticatorUrl: string;
  jwt: ResolvedJwtOptions & { secret: string };
  owner: pg.Pool;
  /** Runs one statement as the owner, and returns its rows. */
  query: <Row extends pg.QueryResultRow>(sql: string, params?: unknown[]) => Promise<Row[]>;
  createUser: (email: string, rights?: { admin?: boolean }) => Promise<TestUser>;
  /** The token a persona shows to the server; none for `anon`. */
  tokenOf: (who: Persona) => string | undefined;
  /** Runs `work` in one transaction, with role and claims set as the server sets them; an error takes it back. */
  as: <T>(who: Persona, work: (client: pg.PoolClient) => Promise<T>) => Promise<T>;
  /** Drops the database. Servers in front of it have to be closed before. */
  close: () => Promise<void>;
};

/** A pool whose connections may be cut when the database is dropped: they are still closing when `end` returns. */
function openPool(connectionString: string): pg.Pool {
  const pool = new pg.Pool({ connectionString, max: 4 });
  pool.on("connect", (client) => client.on("error", () => undefined));
  return pool.on("error", () => undefined);
}

/**
 * A copy of the migrated template, for one test file. Call `close` in `afterAll`.
 * @param cluster where, when not on the server that all files share
 */
export async function createTestDatabase(cluster = inject("cluster")): Promise<TestDatabase> {
  const clone = await cloneTemplate(cluster.ownerUrl, cluster.template);
  const authenticatorUrl = urlOfDatabase(cluster.authenticatorUrl, clone.name);
  const jwt = { secret: cluster.jwtSecret };
  const verify = createVerifier(jwt);
  const owner = openPool(clone.url);
  const authenticator = openPool(authenticatorUrl);

  const query: TestDatabase["query"] = async <Row extends pg.QueryResultRow>(sql: string, params?: unknown[]) =>
    (await owner.query<Row>(sql, params)).rows;

  const createUser: TestDatabase["createUser"] = async (email, { admin = false } = {}) => {
    const [user] = await query<{ id: string }>("select attune_private.ensure_user($1, $2) as id", [email, admin]);
    if (user === undefined) throw new Error("ensure_user returned nothing");
    return { id: user.id, email, token: await signToken({ sub: user.id, role: "authenticated", email }, jwt) };
  };

  const serviceToken = await signToken({ role: "service_role" }, jwt);
  const tokenOf: TestDatabase["tokenOf"] = (who) => {
    if (who === "anon") return undefined;
    return who === "service_role" ? serviceToken : who.token;
  };

  const as: TestDatabase["as"] = async (who, work) => {
    const token = tokenOf(who);
    const { pgSettings } = await authenticate(token && `Bearer ${token}`, verify);
    const client = await authenticator.connect();
    try {
      await client.query("begin");
      for (const setting of Object.entries(pgSettings)) await client.query("select set_config($1, $2, true)", setting);
      const result = await work(client);
      await client.query("commit");
      return result;
    } catch (error: unknown) {
      await client.query("rollback");
      throw error;
    } finally {
      client.release();
    }
  };

  const close = async (): Promise<void> => {
    await Promise.all([owner.end(), authenticator.end()]);
    await clone.drop();
  };

  return { name: clone.name, ownerUrl: clone.url, authenticatorUrl, jwt, owner, query, createUser, tokenOf, as, close };
}

export type GraphQLResponse<Data> = {
  status: number;
  headers: Record<string, unknown>;
  body: { data?: Data | null; errors?: GraphQLFailure[] };
};

export type GraphQLFailure = {
  message: string;
  path?: (string | number)[];
  extensions?: {
    code?: string;
    reason?: string;
    hint?: string;
    debugId?: string;
    retryAfter?: number;
    problems?: unknown;
    conflict?: unknown;
  };
};

export type TestServer = {
  app: FastifyInstance;
  graphql: <Data>(query: string, variables?: Record<string, unknown>, token?: string) => Promise<GraphQLResponse<Data>>;
  close: () => Promise<void>;
};

/** The server as `attune start` builds it, without a port: requests go through `inject`. */
export async function createTestServer(
  database: TestDatabase,
  options: Partial<ServerOptions> = {},
): Promise<TestServer> {
  // Only here, so that files which need no server don't wait for PostGraphile to load.
  await import("./schema-cache.ts");
  const { buildServer } = await import("../../src/server/server.ts");
  const app = await buildServer({
    authenticatorUrl: database.authenticatorUrl,
    poolSize: 2,
    passwordPoolSize: 2,
    // Other tests keep the machine busy.
    overloadAfter: 0,
    drainTimeout: 0.3,
    liveConnections: 100,
    jwt: database.jwt,
    logLevel: "silent",
    corsOrigins: [],
    rateLimitPerMinute: 0,
    ...options,
  });

  const graphql: TestServer["graphql"] = async (query, variables = {}, token) => {
    const response = await app.inject({
      method: "POST",
      url: "/graphql",
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      payload: { query, variables },
    });
    return { status: response.statusCode, headers: response.headers, body: response.json() };
  };

  return { app, graphql, close: () => app.close() };
}
