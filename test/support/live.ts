/** Clients of subscriptions: over WebSocket and as event streams, with what they were told. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createClient as createSseClient } from "graphql-sse";
import { createClient } from "graphql-ws";
import { WebSocket } from "ws";
import type { TestServer } from "./harness.ts";

export type Told = {
  data?: Record<string, { cursor: string; mustRefetch: boolean; keys?: string[]; [field: string]: unknown }> | null;
  errors?: { message: string; extensions: { reason: string; code: string } }[];
};

export type Listener = {
  /** All that was told so far. */
  told: Told[];
  /** Why it ended, when it has. */
  ended: Promise<unknown>;
  stop: () => void;
  /** Keys of settings that were told of, each once, in order. */
  keys: () => string[];
  /** Waits until something is told for which this holds. */
  until: (isIt: (told: Told) => boolean) => Promise<Told>;
};

/** In milliseconds. */
const PATIENCE = 15_000;

type Sink = { next: (result: unknown) => void; error: (why: unknown) => void; complete: () => void };

export type TestClient = {
  subscribe: (payload: { query: string; variables: Record<string, unknown> }, sink: Sink) => () => void;
  dispose: () => void;
};

/** Makes a server listen, and says where. */
export async function listen({ app }: TestServer): Promise<{ http: string; ws: string }> {
  await app.listen({ host: "127.0.0.1", port: 0 });
  const { port } = app.server.address() as AddressInfo;
  return { http: `http://127.0.0.1:${port}/graphql`, ws: `ws://127.0.0.1:${port}/graphql` };
}

export function overWebSocket(url: string, token: string | undefined): TestClient {
  const client = createClient({
    url,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    ...(token !== undefined && { connectionParams: { authorization: `Bearer ${token}` } }),
  });
  return { subscribe: (payload, sink) => client.subscribe(payload, sink), dispose: () => void client.dispose() };
}

export function asEventStream(url: string, token: string | undefined): TestClient {
  const client = createSseClient({
    url,
    retryAttempts: 0,
    ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }),
  });
  return { subscribe: (payload, sink) => client.subscribe(payload, sink), dispose: () => client.dispose() };
}

export function subscribe(client: TestClient, query: string, variables: Record<string, unknown> = {}): Listener {
  const told: Told[] = [];
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const each of waiting) each();
  };
  const { promise: ended, resolve } = Promise.withResolvers<unknown>();
  const stop = client.subscribe(
    { query, variables },
    {
      next: (result) => {
        told.push(result as Told);
        wake();
      },
      error: resolve,
      complete: () => resolve("complete"),
    },
  );
  return {
    told,
    ended,
    stop,
    keys: () => [...new Set(told.flatMap(({ data }) => Object.values(data ?? {}).flatMap(({ keys = [] }) => keys)))],
    until: (isIt) =>
      new Promise((found, fail) => {
        const timer = setTimeout(() => fail(new Error(`It was never told: ${JSON.stringify(told)}`)), PATIENCE);
        void ended.then((why) => fail(new Error(`It has ended: ${JSON.stringify([why, told])}`)));
        const look = (): void => {
          const it = told.find(isIt);
          if (it === undefined) return;
          waiting.delete(look);
          clearTimeout(timer);
          found(it);
        };
        waiting.add(look);
        look();
      }),
  };
}

type Message = { type: string; id?: string; payload?: unknown };

/** A WebSocket on which a test says what it likes. */
export type TestSocket = {
  send: (message: object) => void;
  raw: (data: string | Buffer) => void;
  /** The next message, in the order in which they came. */
  next: () => Promise<Message>;
  nextText: () => Promise<string>;
  closed: Promise<{ code: number; reason: string }>;
  close: () => void;
};

/** @throws when the upgrade is refused, with its status */
export async function openSocket(
  url: string,
  options: ConstructorParameters<typeof WebSocket>[2] = {},
  protocol = "graphql-transport-ws",
): Promise<TestSocket> {
  const socket = new WebSocket(url, protocol, options);
  const messages = new ReadableStream<string>({
    start(controller) {
      socket.on("message", (data) => controller.enqueue((data as Buffer).toString()));
      socket.once("close", () => controller.close());
    },
  }).getReader();
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.once("close", (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  await once(socket, "open");
  const nextText = async (): Promise<string> => (await messages.read()).value ?? '{"type":"closed"}';
  return {
    send: (message) => socket.send(JSON.stringify(message)),
    raw: (data) => socket.send(data),
    next: async () => JSON.parse(await nextText()) as Message,
    nextText,
    closed,
    close: () => socket.close(),
  };
}
