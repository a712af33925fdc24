/** The HTTP server: how it is made, what it answers, how it ends. */
import "../graphql/production.ts";
import { randomBytes } from "node:crypto";
import Fastify, { type FastifyInstance, LogController } from "fastify";
import { openPool } from "../database/pool.ts";
import { LIMITS } from "../graphql/limits.ts";
import { createIdentify } from "../sign-in/identify.ts";
import { addSignIn } from "../sign-in/routes.ts";
import { refuseRequest } from "./error-responses.ts";
import { readJsonBodies } from "./request-body.ts";
import { addRequestHooks } from "./request-hooks.ts";
import { addGraphql } from "./routes/graphql.ts";
import { addHealth, probe } from "./routes/health.ts";
import { addPlans } from "./routes/plans.ts";
import type { ServerOptions } from "./server-options.ts";

/**
 * Builds the server on a migrated database. It does not listen yet; `close` ends its connections too.
 * @throws when the database can't be reached, or its schema can't be made into GraphQL
 */
export async function buildServer(options: ServerOptions): Promise<FastifyInstance> {
  const app = createApp(options);
  readJsonBodies(app);
  const { pool, close } = openPool(options.authenticatorUrl, options.poolSize, (error) => {
    app.log.warn({ err: error }, "lost a connection to the database");
  });
  app.addHook("preClose", async () => {
    setTimeout(() => app.server.closeAllConnections(), options.drainTimeout * 1000).unref();
  });
  app.addHook("onClose", close);

  try {
    const { jwt, signIn } = options;
    app.decorateRequest("identity", null);
    const identify = createIdentify(pool, options);
    await addRequestHooks(app, options, identify);

    if (signIn !== undefined && jwt.secret !== undefined) {
      await addSignIn(app, { ...signIn, pool, identify, secret: jwt.secret });
    }
    addPlans(app, pool);
    addHealth(app, pool);
    // Says what is missing better than PostGraphile would.
    await probe(pool);
    await addGraphql(app, pool, jwt);
    await app.ready();
    return app;
  } catch (error) {
    await app.close();
    throw error;
  }
}

function createApp(options: ServerOptions): FastifyInstance {
  const { trustProxy: proxies = false } = options;
  return Fastify({
    logger: {
      level: options.logLevel,
      redact: ["req.headers"],
      ...(options.logDestination && { stream: options.logDestination }),
    },
    // Who is connected already is answered until the last, and told that it was the last.
    return503OnClosing: false,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: "debugId" }),
    genReqId: () => randomBytes(8).toString("hex"),
    bodyLimit: LIMITS.body,
    trustProxy: typeof proxies === "number" ? (_address, hop) => hop < proxies : proxies,
    requestTimeout: 15_000,
    forceCloseConnections: "idle",
    frameworkErrors: refuseRequest,
  });
}
