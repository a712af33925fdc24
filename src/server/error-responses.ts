/** Makes every failure of a request one body in GraphQL's error form, and one line in the log, under the same id. */
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { GraphQLFormattedError } from "graphql";
import { causeOf, completeError, maskThrown } from "../graphql/mask-errors.ts";
import { wasAnswered } from "./client-errors.ts";
import { httpError, RequestError, statusOfCode } from "./request-error.ts";

type Failure = { errors: GraphQLFormattedError[] };

/** Answers what is thrown, and what is not found, on `app`. */
export function handleErrors(app: FastifyInstance): void {
  app.setErrorHandler((error, _request, reply) => {
    const { status, headers, error: masked } = failureOf(error);
    return reply
      .code(status)
      .headers(headers)
      .send({ errors: [masked] } satisfies Failure);
  });
  app.setNotFoundHandler(() => {
    throw httpError(404);
  });
}

/** The hook that completes and logs the errors of a response. */
export async function completeErrors(request: FastifyRequest, reply: FastifyReply, payload: unknown): Promise<unknown> {
  if (!hasErrors(payload)) return payload;
  const [error] = payload.errors;
  const status = statusOfCode(error?.extensions?.["code"]);
  // A query that is not even begun has the status of the refusal, so that all on the way know to wait.
  if (error !== undefined && !("data" in payload) && (status === 429 || status === 503))
    reply.code(status).headers(retryHeader(error));
  return complete(request, reply.statusCode, payload);
}

/** Answers a request that Fastify could not even route, so that no hook sees it. */
export function refuseRequest(request: FastifyRequest, reply: FastifyReply): void {
  const refusal = httpError(400);
  request.server.metrics?.malformed(refusal.status);
  reply.code(refusal.status).send(complete(request, refusal.status, { errors: [maskThrown(refusal)] }));
}

/** Logs an error that is told in another form than the usual, and returns what may be told of it. */
export function reportFailure(
  request: FastifyRequest,
  error: unknown,
): { status: number; message: string; reason: string; debugId: string; error: GraphQLFormattedError } {
  const { status, error: masked } = failureOf(error);
  logFailure(request, status, [masked]);
  const told = withDebugId(masked, request.id);
  return {
    status,
    message: told.message,
    reason: String(told.extensions?.["reason"]),
    debugId: request.id,
    error: told,
  };
}

/** What is told when something ends that went well. */
export function tellFailure(request: FastifyRequest, why: RequestError): GraphQLFormattedError {
  return withDebugId(maskThrown(why), request.id);
}

/** Completes and logs the errors of one of several answers to a request, which have no status of their own. */
export function reportResult<Result extends { errors: readonly GraphQLFormattedError[] }>(
  request: FastifyRequest,
  { errors, ...told }: Result,
): Omit<Result, "errors"> & Failure {
  return { ...told, ...complete(request, 200, { errors: [...errors] }) };
}

function failureOf(error: unknown): { status: number; headers: Record<string, string>; error: GraphQLFormattedError } {
  const refusal = requestErrorOf(error);
  const masked = maskThrown(refusal ?? error);
  const status = refusal?.status ?? statusOfCode(masked.extensions?.["code"]);
  return { status, headers: { ...refusal?.headers, ...retryHeader(masked) }, error: masked };
}

function retryHeader({ extensions }: GraphQLFormattedError): Record<string, string> {
  const retryAfter = extensions?.["retryAfter"];
  return typeof retryAfter === "number" ? { "retry-after": String(retryAfter) } : {};
}

/** An error that is no fault of ours. Those of Fastify carry their status. */
function requestErrorOf(error: unknown): RequestError | undefined {
  if (error instanceof RequestError) return error;
  const { statusCode = 500 } = error as Partial<FastifyError>;
  return statusCode >= 400 && statusCode < 500 ? httpError(statusCode) : undefined;
}

function hasErrors(payload: unknown): payload is Failure {
  return typeof payload === "object" && payload !== null && "errors" in payload && Array.isArray(payload.errors);
}

function complete(request: FastifyRequest, status: number, failure: Failure): Failure {
  const errors = failure.errors.map((error) => completeError(error, status));
  if (!wasAnswered(request.raw.socket)) logFailure(request, status, errors);
  return { ...failure, errors: errors.map((error) => withDebugId(error, request.id)) };
}

function withDebugId(error: GraphQLFormattedError, debugId: string): GraphQLFormattedError {
  return { ...error, extensions: { ...error.extensions, debugId } };
}

/** The line has no headers, variables or query: they may hold secrets. */
function logFailure(request: FastifyRequest, status: number, errors: GraphQLFormattedError[]): void {
  const causes = errors.map(causeOf).filter((cause) => cause !== undefined);
  const fields = errors.flatMap(({ path }) => (path ? [path.join(".")] : []));
  for (const { extensions } of errors) request.server.metrics?.refused(extensions?.["reason"]);
  const isOurs = errors.some(({ extensions }) => isOurFault(extensions?.["code"]));
  request.log[isOurs ? "error" : "info"](
    {
      method: request.method,
      path: request.url.split("?")[0],
      status,
      address: request.clientAddress,
      user: request.identity?.subject,
      operationName: operationNameOf(request.body),
      code: errors[0]?.extensions?.["code"],
      reason: errors[0]?.extensions?.["reason"],
      ...(fields.length > 0 && { fields }),
      err: causes.length > 1 ? new AggregateError(causes) : causes[0],
    },
    "request failed",
  );
}

function isOurFault(code: unknown): boolean {
  return code === "INTERNAL_SERVER_ERROR" || code === "PT503";
}

/** The name that the client gave its operation, apart or at the head of the query. */
function operationNameOf(body: unknown): string | undefined {
  if (typeof body !== "object" || body === null) return undefined;
  const { operationName, query } = body as Record<string, unknown>;
  const named = typeof query === "string" ? /^\s*(?:query|mutation)\s+(\w+)/.exec(query)?.[1] : undefined;
  const name = operationName ?? named;
  return typeof name === "string" ? name.slice(0, 100) : undefined;
}
