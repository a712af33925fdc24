/** `/graphql`, and its explorer at `/`. */
import "../../graphql/production.ts";
import type { FastifyInstance } from "fastify";
import type { Pool } from "pg";
import { postgraphile } from "postgraphile";
import { grafserv } from "postgraphile/grafserv/fastify/v5";
import { EXPLORER } from "../../graphql/explorer.ts";
import { LIMITS } from "../../graphql/limits.ts";
import { maskError } from "../../graphql/mask-errors.ts";
import { type Admit, createLimitsPlugin } from "../../graphql/plugins/limits.ts";
import { OperationsPlugin } from "../../graphql/plugins/operations.ts";
import { SentValuesPlugin } from "../../graphql/plugins/sent-values.ts";
import { SignedOutPlugin } from "../../graphql/plugins/signed-out.ts";
import { makePreset } from "../../graphql/preset.ts";
import { createSubscriptions } from "../../live/subscriptions.ts";
import { NOBODY } from "../../sign-in/authenticate.ts";
import type { ResolvedJwtOptions } from "../../sign-in/jwt.ts";
import { checkAccept } from "../accept.ts";
import { GRAPHQL_PATH } from "../paths.ts";
import { addEventStream } from "./event-stream.ts";
import { addWebSocketRoute, type WebSocketSetting } from "./websocket.ts";

/** What subscriptions need besides. */
export type LiveSetting = Omit<WebSocketSetting, "subscriptions">;

/** The API, made and not yet served. */
export type GraphqlApi = {
  addTo: (app: FastifyInstance, live: LiveSetting) => Promise<void>;
  release: () => Promise<void>;
};

/**
 * Makes the API of the schema that `authenticator` sees through `pool`, for the operations that `admit` lets in.
 * @throws when the schema can't be made into GraphQL
 */
export async function createGraphql(pool: Pool, jwt: ResolvedJwtOptions, admit: Admit): Promise<GraphqlApi> {
  const graphql = postgraphile({
    extends: [makePreset(pool, jwt)],
    // Limits are counted with variables that have been read.
    plugins: [SentValuesPlugin, createLimitsPlugin(admit), OperationsPlugin, SignedOutPlugin],
    grafast: {
      context: ({ fastifyv5 }) => ({ pgSettings: (fastifyv5?.request.identity ?? NOBODY).pgSettings }),
    },
    grafserv: {
      graphqlPath: GRAPHQL_PATH,
      graphiqlPath: "/",
      graphiqlOnGraphQLGET: false,
      websockets: false,
      maxRequestLength: LIMITS.body,
      allowedRequestContentTypes: ["application/json"],
      maskError,
    },
    ruru: EXPLORER,
  });
  const release = async (): Promise<void> => {
    await graphql.release();
  };
  try {
    await graphql.getSchema();
  } catch (error) {
    await release();
    throw error;
  }
  const addTo = async (app: FastifyInstance, setting: LiveSetting): Promise<void> => {
    const serv = graphql.createServ(grafserv);
    await serv.ready();
    const subscriptions = createSubscriptions(serv, setting.live);
    app.addHook("onRequest", checkAccept);
    addEventStream(app, { ...setting, subscriptions });
    await serv.addTo(app);
    app.get("/favicon.ico", (_request, reply) => reply.code(204).send());
    addWebSocketRoute(app, { ...setting, subscriptions });
  };
  return { addTo, release };
}
