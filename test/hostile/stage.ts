/** A migrated database with nobody in it, and the server in front of it, listening. */
import type { FastifyInstance } from "fastify";
import { buildServer } from "../../src/server/server.ts";

export type StageUrls = { ownerUrl: string; authenticatorUrl: string; jwtSecret: string };

export type Stage = StageUrls & {
  app: FastifyInstance;
  port: number;
  close: () => Promise<void>;
};

/**
 * Puts the server in front of a database.
 * @param drop takes the database away, after the server
 */
export async function openStage(urls: StageUrls, drop: () => Promise<void>): Promise<Stage> {
  const app = await buildServer({
    authenticatorUrl: urls.authenticatorUrl,
    poolSize: 4,
    passwordPoolSize: 2,
    // Other tests keep the machine busy.
    overloadAfter: 0,
    liveConnections: 100,
    drainTimeout: 0.3,
    jwt: { secret: urls.jwtSecret },
    logLevel: "silent",
    corsOrigins: ["https://app.example.com"],
    rateLimitPerMinute: 0,
  });
  const address = await app.listen({ port: 0, host: "127.0.0.1" });
  return {
    ...urls,
    app,
    port: Number(new URL(address).port),
    close: async () => {
      await app.close();
      await drop();
    },
  };
}
