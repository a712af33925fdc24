/** How a provider is asked over HTTP: in bounded time and size, so that one that hangs, cuts or floods is told apart. */

/** In seconds, for each answer as a whole. */
export const PATIENCE = 5;

/** In bytes: discovery, keys, tokens and profiles have some thousands. */
const MAX_BODY = 1024 * 1024;

/** Why a provider gave no answer that could be judged. */
export class NoAnswer extends Error {
  override name = "NoAnswer";
}

/** What openid-client and jose send. */
type Asked = Omit<RequestInit, "body" | "signal"> & {
  body?: RequestInit["body"] | undefined;
  signal?: AbortSignal;
};

/**
 * As `fetch`, but the answer is here as a whole.
 * @throws NoAnswer when there is none, it is cut, too late or too long, or the provider says that it can't answer now
 */
export async function outsideFetch(url: string, { body: sent, ...options }: Asked): Promise<Response> {
  let response: Response;
  let body: Uint8Array<ArrayBuffer>;
  try {
    response = await fetch(url, { ...options, ...(sent != null && { body: sent }) });
    body = await readBody(response);
  } catch (error) {
    throw error instanceof NoAnswer ? error : new NoAnswer("The request failed", { cause: error });
  }
  const { status, headers } = response;
  if (status >= 500 || status === 429) throw new NoAnswer(`The answer has status ${status}`);
  return new Response(body.length === 0 ? null : body, { status, headers });
}

async function readBody(response: Response): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    if (length > MAX_BODY) throw new NoAnswer(`The answer has more than ${MAX_BODY} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** Whether an error, or what is behind it, is that the provider gave no answer. */
export function isNoAnswer(error: unknown): boolean {
  return error instanceof NoAnswer || (error instanceof Error && isNoAnswer(error.cause));
}
