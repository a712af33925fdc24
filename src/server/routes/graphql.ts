/** `/graphql`, and its explorer at `/`. */
import "../../graphql/production.ts";
import type { FastifyInstance } from "fastify";
import type { Pool } from "pg";
import { postgraphile } from "postgraphile";
import { grafserv } from "postgraphile/grafserv/fastify/v5";
import { EXPLORER } from "../../graphql/explorer.ts";
import { LIMITS } from "../../graphql/limits.ts";
import { maskError } from "../../graphql/mask-errors.ts";
import { LimitsPlugin } from "../../graphql/plugins/limits.ts";
import { OperationsPlugin } from "../../graphql/plugins/operations.ts";
import { SentValuesPlugin } from "../../graphql/plugins/sent-values.ts";
import { makePreset } from "../../graphql/preset.ts";
import { NOBODY } from "../../sign-in/authenticate.ts";
import type { ResolvedJwtOptions } from "../../sign-in/jwt.ts";
import { httpError } from "../request-error.ts";

export const GRAPHQL_PATH = "/graphql";

/**
 * Serves the schema that `authenticator` sees through `pool`.
 * @throws when the schema can't be made into GraphQL
 */
export async function addGraphql(app: FastifyInstance, pool: Pool, jwt: ResolvedJwtOptions): Promise<void> {
  const graphql = postgraphile({
    extends: [makePreset(pool, jwt)],
    // Limits are counted with variables that have been read.
    plugins: [SentValuesPlugin, LimitsPlugin, OperationsPlugin],
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
  app.addHook("onClose", () => graphql.release());
  await graphql.getSchema();
  const serv = graphql.createServ(grafserv);
  await serv.ready();
  await serv.addTo(app);
  app.get("/favicon.ico", (_request, reply) => reply.code(204).send());
  app.get(GRAPHQL_PATH, () => {
    throw httpError(405);
  });
}
