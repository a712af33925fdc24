/** `/metrics`, in Prometheus' text format, for who shows the token. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { FastifyInstance } from "fastify";
import { UnauthorizedError } from "../../sign-in/jwt.ts";

type Setting = {
  token: string;
  contentType: string;
  /** All that is known now. */
  read: () => Promise<string>;
};

export function addMetricsRoute(app: FastifyInstance, { token, contentType, read }: Setting): void {
  const wanted = digest(token);
  app.get("/metrics", async ({ headers: { authorization = "" } }, reply) => {
    const given = /^bearer +([^\s]+)$/i.exec(authorization)?.[1] ?? "";
    if (!timingSafeEqual(digest(given), wanted))
      throw new UnauthorizedError(
        "metrics_token_required",
        "Metrics are told to who shows their token",
        "Send `Authorization: Bearer <METRICS_TOKEN>`.",
      );
    reply.headers({ "content-type": contentType, "cache-control": "no-store" });
    return read();
  });
}

/** Of one length, so that comparing takes the same time whatever is compared. */
function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
