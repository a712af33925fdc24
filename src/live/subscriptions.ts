/** Runs subscriptions: the query once for each event, when the client has taken the one before. */
import type { FastifyReply, FastifyRequest } from "fastify";
import {
  type ExecutionArgs,
  type ExecutionResult,
  type FormattedExecutionResult,
  getOperationAST,
  GraphQLError,
  type GraphQLFormattedError,
  OperationTypeNode,
} from "graphql";
import type { GrafservBase } from "postgraphile/grafserv";
import { hookArgs, isAsyncIterable } from "postgraphile/grafast";
import { maskError } from "../graphql/mask-errors.ts";
import type { LiveSource } from "../graphql/plugins/subscriptions.ts";
import { reportResult } from "../server/error-responses.ts";
import type { LiveClient } from "./clients.ts";
import type { Live } from "./live.ts";
import type { LiveEvent, Subscriber } from "./subscriber.ts";

/** What a client asks for. */
export type Operation = {
  query: string;
  operationName?: string | null | undefined;
  variables?: Record<string, unknown> | null | undefined;
};

/** Answers, each made when it is asked for. `return` ends them, also while one is waited for. */
export type Answers = AsyncIterableIterator<FormattedExecutionResult, undefined>;

export type Subscriptions = {
  isSubscription: (operation: Operation) => Promise<boolean>;
  /** Begins a subscription, or says why not. What goes wrong is logged for `request`. */
  open: (
    client: LiveClient,
    operation: Operation,
    at: { request: FastifyRequest; reply: FastifyReply },
  ) => Promise<{ args: ExecutionArgs; answers: Answers } | { errors: readonly GraphQLFormattedError[] }>;
};

const DONE = { done: true, value: undefined } as const;

export function createSubscriptions(serv: GrafservBase, live: Live): Subscriptions {
  return {
    async isSubscription({ query, operationName }) {
      const { document } = (await serv.getExecutionConfig({})).parseAndValidate(query);
      const operation = document && getOperationAST(document, operationName);
      return operation?.operation === OperationTypeNode.SUBSCRIPTION;
    },

    async open(client, { query, operationName, variables }, { request, reply }) {
      const report = ({ errors, ...told }: ExecutionResult): FormattedExecutionResult =>
        errors === undefined ? told : reportResult(request, { ...told, errors: errors.map(maskError) });
      const requestContext = { fastifyv5: { request, reply } };
      const config = await serv.getExecutionConfig(requestContext);
      const { schema, resolvedPreset, subscribe } = config;
      const { errors, document } = config.parseAndValidate(query);
      if (errors !== undefined)
        return { errors: reportResult(request, { errors: errors.map((error) => error.toJSON()) }).errors };

      let subscriber: Subscriber | undefined;
      const opening: LiveSource = {
        async subscribe({ topic, since }) {
          subscriber = await live.subscribe(client, topic, since);
          return once(await subscriber.next());
        },
      };
      const contextValue: Grafast.Context = Object.create(null);
      const args = {
        schema,
        document,
        rootValue: null,
        contextValue,
        variableValues: variables ?? undefined,
        operationName: operationName ?? undefined,
        resolvedPreset,
        requestContext,
      };
      await hookArgs(args);
      Object.assign(contextValue, { live: opening, withPgClient: live.lane.withPgClient });
      const opened = await subscribe(args);
      if (!isAsyncIterable(opened)) {
        subscriber?.end();
        return { errors: report(opened).errors ?? [] };
      }

      /** What is told of one event, by the rights that the client has now. */
      const answer = async (event: LiveEvent): Promise<ExecutionResult> => {
        const source: LiveSource = { subscribe: async () => once(event) };
        const { pgSettings } = client.identity;
        const told = await subscribe({
          ...args,
          // What the others do was done when it was opened.
          middleware: null,
          contextValue: { ...contextValue, pgSettings, live: source },
        });
        return isAsyncIterable(told) ? firstOf(told as AsyncIterable<ExecutionResult>) : told;
      };

      let first: AsyncIterator<ExecutionResult> | undefined = (opened as AsyncIterable<ExecutionResult>)[
        Symbol.asyncIterator
      ]();
      const next = async (): Promise<ExecutionResult | undefined> => {
        const begun = await first?.next();
        first = undefined;
        if (begun?.done === false) return begun.value;
        const event = await subscriber?.next();
        return event && answer(event);
      };
      const answers: Answers = {
        async next() {
          try {
            const result = await next();
            return result === undefined ? DONE : { done: false, value: report(result) };
          } catch (error) {
            const originalError = error instanceof Error ? error : new Error(String(error));
            return {
              done: false,
              value: report({ errors: [new GraphQLError(originalError.message, { originalError })] }),
            };
          }
        },
        async return() {
          subscriber?.end();
          await first?.return?.();
          return DONE;
        },
        [Symbol.asyncIterator]: () => answers,
      };
      return { args, answers };
    },
  };
}

async function* once(event: LiveEvent | undefined): AsyncGenerator<LiveEvent, undefined> {
  if (event !== undefined) yield event;
}

/** Grafast runs ahead of who reads; of one event there is one result. */
async function firstOf(results: AsyncIterable<ExecutionResult>): Promise<ExecutionResult> {
  for await (const result of results) return result;
  return {};
}
