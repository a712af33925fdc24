/** `/api/plans`: what everybody may see before they are anybody. */
import type { FastifyInstance } from "fastify";
import type { Pool } from "pg";
import { queryAs } from "../../database/query-as.ts";
import { NOBODY } from "../../sign-in/authenticate.ts";

export function addPlans(app: FastifyInstance, pool: Pool): void {
  app.get("/api/plans", async (_request, reply) => {
    const plans = await queryAs(
      pool,
      NOBODY,
      "select name, title, description, rank from attune.plans order by rank, name",
    );
    reply.header("cache-control", "public, max-age=60");
    return { plans };
  });
}
