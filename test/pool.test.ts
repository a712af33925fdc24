/** The server's connections to the database, when what is behind them does not answer. */
import { connect, createServer, type Socket } from "node:net";
import { expect, inject, test } from "vitest";
import { openPool } from "../src/database/pool.ts";
import { maskThrown } from "../src/graphql/mask-errors.ts";

/** A way to the database that can be made to swallow everything, as a network does that is gone. */
async function createSwallowingWire(
  url: string,
): Promise<{ url: string; swallow: (on: boolean) => void; close: () => void }> {
  const target = new URL(url);
  const behind = { port: Number(target.port), host: target.hostname };
  const sockets = new Set<Socket>();
  let isSwallowing = false;
  const server = createServer((near) => {
    const far = connect(behind);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on("error", () => undefined);
      from.on("data", (data) => void (isSwallowing || to.write(data)));
      from.on("close", () => to.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  target.port = String(typeof address === "object" ? address?.port : "");
  return {
    url: target.href,
    swallow: (on) => {
      isSwallowing = on;
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

test("a connection that does not answer is cut, whoever waits is told, and the next one works", async () => {
  const wire = await createSwallowingWire(inject("cluster").authenticatorUrl);
  const { pool, close } = openPool(wire.url, 1, () => undefined, 500);
  try {
    expect((await pool.query("select 1 as one")).rows).toEqual([{ one: 1 }]);
    wire.swallow(true);
    const failure: unknown = await pool.query("select 1").catch((error: unknown) => error);
    expect(maskThrown(failure).extensions).toMatchObject({ reason: "database_unavailable" });
    wire.swallow(false);
    expect((await pool.query("select 2 as two")).rows).toEqual([{ two: 2 }]);
    expect(pool.totalCount).toBe(1);
  } finally {
    await close();
    wire.close();
  }
});
