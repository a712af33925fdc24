/** Subscriptions as an event stream: POST to `/graphql` with `Accept: text/event-stream`, as `graphql-sse` does. */
import { once } from "node:events";
import type { OutgoingHttpHeaders } from "node:http";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { FormattedExecutionResult } from "graphql";
import type { LiveClient } from "../../live/clients.ts";
import type { Live } from "../../live/live.ts";
import type { Operation, Subscriptions } from "../../live/subscriptions.ts";
import type { LiveTimes } from "../../live/times.ts";
import { NOBODY } from "../../sign-in/authenticate.ts";
import { tellFailure } from "../error-responses.ts";
import { GRAPHQL_PATH } from "../paths.ts";

/** A client may take both: a stream is then for subscriptions only. */
const STREAM = /(?:^|,)\s*text\/event-stream\s*(?!;\s*q=0(?:\.0*)?\s*(?:[;,]|$))(?:;|,|$)/i;
const ANSWER = /(?:^|,)\s*(?:\*\/\*|application\/(?:\*|json|graphql-response\+json))\s*(?:;|,|$)/i;

type Setting = { live: Live; subscriptions: Subscriptions; times: LiveTimes };

/** Adds the hook that answers subscriptions; all else goes on to the route. */
export function addEventStream(app: FastifyInstance, { live, subscriptions, times }: Setting): void {
  app.addHook("preHandler", async (request, reply) => {
    const { body, headers, routeOptions, method } = request;
    const { accept = "" } = headers;
    if (method !== "POST" || routeOptions.url !== GRAPHQL_PATH || !STREAM.test(accept) || !isOperation(body)) return;
    if (ANSWER.test(accept) && !(await subscriptions.isSubscription(body))) return;

    const client = createClient(request, reply);
    live.enter(client);
    reply.raw.once("close", () => live.leave(client));
    try {
      await live.identify(client, request.identity ?? NOBODY);
      const opened = await subscriptions.open(client, body, { request, reply });
      await tell(reply, opened, times);
    } finally {
      live.leave(client);
    }
  });
}

function createClient(request: FastifyRequest, reply: FastifyReply): LiveClient {
  const { clientAddress: address } = request;
  return {
    identity: request.identity ?? NOBODY,
    userId: undefined,
    address,
    // It ends without the word that it is complete, so that the client connects anew.
    close(why) {
      const { raw } = reply;
      if (!raw.headersSent || raw.writableEnded) return;
      raw.end(frame({ errors: [tellFailure(request, why)] }), () => raw.socket?.end());
    },
  };
}

/** Sends what is told as fast as it is read; who does not read for two beats is cut off. */
async function tell(
  reply: FastifyReply,
  opened: Awaited<ReturnType<Subscriptions["open"]>>,
  { beat }: LiveTimes,
): Promise<void> {
  reply.hijack();
  const { raw } = reply;
  reply.headers({ "content-type": "text/event-stream; charset=utf-8", "x-accel-buffering": "no" });
  raw.writeHead(200, reply.getHeaders() as OutgoingHttpHeaders);
  if ("errors" in opened) {
    raw.end(`${frame({ errors: opened.errors })}event: complete\ndata:\n\n`);
    return;
  }
  const { answers } = opened;
  raw.once("close", () => void answers.return?.());
  let isStuck = false;
  const timer = setInterval(() => {
    if (!raw.writableNeedDrain) raw.write(":\n\n");
    else if (isStuck) raw.destroy();
    isStuck = raw.writableNeedDrain;
  }, beat);
  try {
    for await (const result of answers) {
      if (raw.writableEnded || raw.destroyed) break;
      if (!raw.write(frame(result))) await Promise.race([once(raw, "drain"), once(raw, "close")]);
    }
  } finally {
    clearInterval(timer);
    raw.end();
  }
}

function frame(result: FormattedExecutionResult): string {
  return `event: next\ndata: ${JSON.stringify(result)}\n\n`;
}

function isOperation(body: unknown): body is Operation {
  if (typeof body !== "object" || body === null) return false;
  const { query, operationName, variables } = body as Record<string, unknown>;
  return (
    typeof query === "string" &&
    (operationName == null || typeof operationName === "string") &&
    (variables == null || (typeof variables === "object" && !Array.isArray(variables)))
  );
}
