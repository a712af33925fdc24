/** Subscriptions over WebSocket at `/graphql`, by the protocol `graphql-transport-ws`. */
import websocket from "@fastify/websocket";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { type ExecutionResult, type FormattedExecutionResult, GraphQLError, type GraphQLFormattedError } from "graphql";
import { CloseCode, handleProtocols, makeServer } from "graphql-ws";
import type { WebSocket } from "ws";
import { LIMITS } from "../../graphql/limits.ts";
import { keepDigits } from "../../json.ts";
import type { LiveClient } from "../../live/clients.ts";
import type { Live } from "../../live/live.ts";
import type { Subscriptions } from "../../live/subscriptions.ts";
import type { LiveTimes } from "../../live/times.ts";
import { NOBODY } from "../../sign-in/authenticate.ts";
import type { FindIdentity } from "../../sign-in/identify.ts";
import { reportFailure } from "../error-responses.ts";
import { GRAPHQL_PATH } from "../paths.ts";
import type { RateLimits } from "../rate-limits.ts";
import { httpError, RequestError, shuttingDown } from "../request-error.ts";

/** Bytes that may wait for a client to read them, before it is cut off. What is told waits for itself. */
const MOST_UNREAD = 1024 * 1024;

/** How long a client has to say goodbye, in milliseconds. */
const GOODBYE = 250;

/** The codes that clients of the protocol take for "try again": with another token, later, at another server. */
const CODES = { forbidden: CloseCode.Forbidden, later: 1013, goingAway: 1001 };

export type WebSocketSetting = {
  live: Live;
  subscriptions: Subscriptions;
  findIdentity: FindIdentity;
  limits: RateLimits;
  /** Pages that may connect, besides those of this host. */
  origins: readonly string[];
  times: LiveTimes;
};

type Extra = {
  socket: WebSocket;
  request: FastifyRequest;
  client: LiveClient;
  /** By the id of a subscription: what was done last about it, and that it runs. */
  turns: Map<string, { before: Promise<void>; run: Promise<void> }>;
  /** By the id of a subscription that is being opened: whom to tell that it is. */
  opened: Map<string, () => void>;
};
type Params = { authorization?: unknown };

/** Hooks and routes are added afterwards: a refused upgrade is ended as what it is. */
export async function addWebSocket(app: FastifyInstance): Promise<void> {
  await app.register(websocket, {
    options: { maxPayload: LIMITS.body, perMessageDeflate: false, handleProtocols },
    // The connections are ended with the others that wait for changes.
    preClose: (done) => done(),
    errorHandler: (_error, socket) => socket.terminate(),
  });
}

export function addWebSocketRoute(app: FastifyInstance, setting: WebSocketSetting): void {
  const { live, origins, times } = setting;
  const replies = new WeakMap<FastifyRequest, FastifyReply>();
  const protocol = createProtocol(setting, replies);
  app.route({
    method: "GET",
    url: GRAPHQL_PATH,
    onRequest: async (request, reply) => {
      if (!request.ws) return;
      replies.set(request, reply);
      assertOrigin(request, origins);
    },
    handler: () => {
      throw httpError(405);
    },
    wsHandler: (socket, request) => {
      const client: LiveClient = {
        identity: request.identity ?? NOBODY,
        userId: undefined,
        address: request.clientAddress,
        close: ({ status, reason }) => end(socket, status, reason),
      };
      try {
        live.enter(client);
      } catch (error) {
        refuse(socket, request, error);
        return;
      }
      keepAlive(socket, times);
      serve(protocol, setting, { socket, request, client, turns: new Map(), opened: new Map() });
      socket.once("close", () => live.leave(client));
    },
  });
}

type Protocol = ReturnType<typeof makeServer<Params, Extra>>;

function createProtocol(
  { live, subscriptions, findIdentity, limits, times }: WebSocketSetting,
  replies: WeakMap<FastifyRequest, FastifyReply>,
): Protocol {
  return makeServer<Params, Extra>({
    connectionInitWaitTimeout: times.init,
    jsonMessageReviver: keepDigits,
    async onConnect({ connectionParams, extra }) {
      try {
        return await identify(live, findIdentity, extra, connectionParams?.authorization);
      } catch (error) {
        refuse(extra.socket, extra.request, error);
        return false;
      }
    },
    async onSubscribe({ extra: { request, client } }, _id, payload) {
      try {
        // As a request would, before anything is done for it.
        await limits.countWork(request, undefined, 1);
        const reply = replies.get(request);
        if (reply === undefined) throw new Error("The upgrade of this connection was not seen");
        const { query, operationName, variables } = payload;
        const opened = await subscriptions.open(client, { query, operationName, variables }, { request, reply });
        if ("errors" in opened) return opened.errors.map(asGraphqlError);
        return { ...opened.args, contextValue: opened.answers };
      } catch (error) {
        return [asGraphqlError(reportFailure(request, error).error)];
      }
    },
    subscribe: ({ contextValue }) => contextValue as AsyncIterable<ExecutionResult>,
    onOperation({ extra: { opened } }, id) {
      // The library takes note of it right after this.
      setImmediate(() => opened.get(id)?.());
    },
    // It has its errors as they are told, and no other form.
    onNext: (_context, _id, _payload, _args, result) => result as FormattedExecutionResult,
  });
}

/** Sets whose a connection is, by the token that it shows or else by its upgrade, and says until when. */
async function identify(
  live: Live,
  findIdentity: FindIdentity,
  { request, client }: Extra,
  authorization: unknown,
): Promise<Record<string, unknown>> {
  if (authorization !== undefined && typeof authorization !== "string") throw httpError(400);
  const identity =
    authorization === undefined ? (request.identity ?? NOBODY) : await findIdentity(authorization, request);
  await live.identify(client, identity);
  request.identity = identity;
  const { expiresAt } = identity;
  return {
    authorization: client.userId === undefined ? "none" : "accepted",
    ...(expiresAt !== undefined && { expiresAt: new Date(expiresAt).toISOString() }),
  };
}

function serve(protocol: Protocol, { live, findIdentity, limits }: WebSocketSetting, extra: Extra): void {
  const { socket, request } = extra;
  const send = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      if (socket.readyState === socket.OPEN) socket.send(text, (error) => (error ? reject(error) : resolve()));
      else resolve();
    });

  /** A token in a ping is the one that holds from now on; without one a ping is answered with itself. */
  const answerPing = async (payload: Record<string, unknown> | undefined): Promise<void> => {
    let told = payload;
    if (payload?.["authorization"] !== undefined) {
      try {
        await limits.countWork(request, undefined, 1);
        told = await identify(live, findIdentity, extra, payload["authorization"]);
      } catch (error) {
        const { message, extensions } = reportFailure(request, error).error;
        told = { authorization: "refused", message, ...extensions };
      }
    }
    await send(JSON.stringify({ type: "pong", ...(told && { payload: told }) }));
  };

  const closed = protocol.opened(
    {
      protocol: socket.protocol,
      send,
      close: (code, reason) => socket.close(code, reason),
      onMessage: (take) => {
        socket.on("message", (data, isBinary) => {
          if (socket.bufferedAmount > MOST_UNREAD) socket.terminate();
          else if (isBinary) socket.close(CloseCode.BadRequest, "Invalid message received");
          else
            // What subscriptions throw is told to the client: this is a message that the protocol does not have.
            inTurn(extra, (data as Buffer).toString(), take).catch(() =>
              socket.close(CloseCode.BadRequest, "Invalid message received"),
            );
        });
      },
      onPing: answerPing,
    },
    extra,
  );
  socket.once("close", (code, reason) => void closed(code, reason.toString()));
}

/**
 * Takes messages about one subscription one after the other: a subscription until it is open, its end until it is over.
 * The library knows them by their ids alone, and would take the next of that id for the one before.
 */
function inTurn({ turns, opened }: Extra, text: string, take: (text: string) => Promise<void>): Promise<void> {
  const { type, id } = headOf(text);
  if (id === undefined || (type !== "subscribe" && type !== "complete")) return take(text);
  const turn = turns.get(id) ?? { before: Promise.resolve(), run: Promise.resolve() };
  const step = async (): Promise<void> => {
    if (type === "complete") {
      await take(text);
      await turn.run.catch(() => undefined);
      return;
    }
    turn.run = take(text);
    await Promise.race([turn.run, new Promise<void>((resolve) => opened.set(id, resolve))]);
    opened.delete(id);
  };
  const own = turn.before.then(step).finally(() => {
    if (type === "complete" && turn.before === own) turns.delete(id);
  });
  turn.before = own;
  turns.set(id, turn);
  return own;
}

/** Of which kind a message is, and of what; what is none is for the library to refuse. */
function headOf(text: string): { type?: unknown; id?: string } {
  try {
    const message: unknown = JSON.parse(text);
    if (typeof message !== "object" || message === null || !("id" in message) || !("type" in message)) return {};
    return typeof message.id === "string" ? { type: message.type, id: message.id } : {};
  } catch {
    return {};
  }
}

/** @throws RequestError when a page of another site connects */
function assertOrigin({ headers: { origin, host } }: FastifyRequest, origins: readonly string[]): void {
  if (origin === undefined || origins.includes("*") || origins.includes(origin)) return;
  if (URL.canParse(origin) && new URL(origin).host === host) return;
  const hint = "Name the origin of the page in CORS_ORIGINS.";
  throw new RequestError(403, "foreign_origin", "This is for pages of the application only", hint);
}

/** Cuts a connection off whose other end is gone: it answers no ping. */
function keepAlive(socket: WebSocket, { beat }: LiveTimes): void {
  let isThere = true;
  socket.on("pong", () => {
    isThere = true;
  });
  const timer = setInterval(() => {
    if (!isThere) socket.terminate();
    isThere = false;
    socket.ping();
  }, beat).unref();
  socket.once("close", () => clearInterval(timer));
}

function refuse(socket: WebSocket, request: FastifyRequest, error: unknown): void {
  const { status, reason } = reportFailure(request, error);
  end(socket, status, reason);
}

function end(socket: WebSocket, status: number, reason: string): void {
  const isLater = status >= 500 || status === 429;
  const later = reason === shuttingDown().reason ? CODES.goingAway : CODES.later;
  socket.close(isLater ? later : CODES.forbidden, reason);
  setTimeout(() => socket.terminate(), GOODBYE).unref();
}

/** With the words that it was given, whatever the library makes of it. */
function asGraphqlError(error: GraphQLFormattedError): GraphQLError {
  return Object.assign(new GraphQLError(error.message), { toJSON: () => error });
}
